/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "harness/profile_priv.h"

/* A scalar of the text and where it stands, counted from 1. */
struct scalar {
	char *text; /* owned; NULL: not there */
	size_t line, column;
};

enum top_key { TOP_PROFILE, TOP_ARCH, TOP_TEXT, TOP_PARAMETERS, NR_TOP_KEYS };
static const char *const top_keys[NR_TOP_KEYS] = { "profile", "arch", "text", "parameters" };

enum field { FIELD_VALUE, FIELD_RANGE, FIELD_TAG, FIELD_SOURCE, NR_FIELDS };
static const char *const fields[NR_FIELDS] = { "value", "range", "tag", "source" };

static const char *const arch_names[] = { [PT_X86] = "x86", [PT_ARM64] = "arm64" };

/* What the text says of one parameter, not yet looked at. */
struct entry {
	struct scalar key;
	struct scalar field[NR_FIELDS];
};

struct reader {
	const char *file;
	const char *text;
	yaml_parser_t parser;
	yaml_event_t event;             /* the one to look at */
	struct scalar top[NR_TOP_KEYS]; /* values; of parameters the key */
	struct entry entry[NR_COST_PARAMS];
	struct cost_profile *out;
	GError **error;
};

GQuark profile_error_quark(void)
{
	return g_quark_from_static_string("s2_profile_error");
}

/* --- Errors. */

static bool refuse(struct reader *r, size_t line, size_t column, const char *expected,
		   const char *found)
{
	g_set_error(r->error, PROFILE_ERROR, PROFILE_ERROR_INPUT,
		    "%s:%zu:%zu: expected %s, found %s", r->file, line, column, expected, found);
	return false;
}

static bool refuse_scalar(struct reader *r, const struct scalar *s, const char *expected)
{
	g_autofree char *quoted = g_strescape(s->text, NULL);
	g_autofree char *found = g_strdup_printf("\"%.80s\"", quoted);

	return refuse(r, s->line, s->column, expected, found);
}

static bool refuse_event(struct reader *r, const char *expected, const char *found)
{
	return refuse(r, r->event.start_mark.line + 1, r->event.start_mark.column + 1, expected,
		      found);
}

/* refuse_kind() - the event is not of the kind that stands here. */
static bool refuse_kind(struct reader *r, const char *expected)
{
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return refuse_event(r, expected, "a value");
	case YAML_SEQUENCE_START_EVENT:
		return refuse_event(r, expected, "a list");
	case YAML_MAPPING_START_EVENT:
		return refuse_event(r, expected, "a mapping");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_ALIAS_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		break;
	}
	return refuse_event(r, expected, "the end");
}

/* refuse_yaml() - what libyaml found wrong; for bytes that are no text it knows the offset only. */
static bool refuse_yaml(struct reader *r)
{
	const char *problem = r->parser.problem ? r->parser.problem : "no memory";
	g_autofree char *found = g_strdup_printf("a fault: %s", problem);
	size_t line = r->parser.problem_mark.line + 1;
	size_t column = r->parser.problem_mark.column + 1;
	size_t i;

	if (r->parser.error == YAML_READER_ERROR) {
		line = column = 1;
		for (i = 0; i < r->parser.problem_offset; i++) {
			column = r->text[i] == '\n' ? 1 : column + 1;
			line += r->text[i] == '\n';
		}
	}
	return refuse(r, line, column, "YAML", found);
}

/* --- Events. */

/* next_event() - false at a fault of the text, and at what no profile contains. */
static bool next_event(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		memset(&r->event, 0, sizeof(r->event));
		return refuse_yaml(r);
	}
	if (r->event.type == YAML_ALIAS_EVENT)
		return refuse_event(r, "a plain value", "an alias");
	if ((r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.anchor) ||
	    (r->event.type == YAML_MAPPING_START_EVENT && r->event.data.mapping_start.anchor))
		return refuse_event(r, "a plain value", "an anchor");
	if ((r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.tag) ||
	    (r->event.type == YAML_MAPPING_START_EVENT && r->event.data.mapping_start.tag))
		return refuse_event(r, "a plain value", "a tag");
	return true;
}

static bool enter_mapping(struct reader *r, const char *expected)
{
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return refuse_kind(r, expected);
	return next_event(r);
}

/* take_scalar() - into @s, which is empty; goes to the next event. */
static bool take_scalar(struct reader *r, struct scalar *s, const char *expected)
{
	const char *text = (const char *)r->event.data.scalar.value;

	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse_kind(r, expected);
	if (strlen(text) != r->event.data.scalar.length)
		return refuse_event(r, expected, "a NUL byte");
	s->text = g_strdup(text);
	s->line = r->event.start_mark.line + 1;
	s->column = r->event.start_mark.column + 1;
	return next_event(r);
}

static int name_index(const char *name, const char *const *names, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

/* --- The text's structure. */

static bool read_fields(struct reader *r, struct entry *e)
{
	int i;

	if (!enter_mapping(r, "value, range, tag and source"))
		return false;
	while (r->event.type != YAML_MAPPING_END_EVENT) {
		g_autofree char *key = NULL;
		struct scalar s = { 0 };
		bool is_read = take_scalar(r, &s, "one of value, range, tag, source");

		key = s.text;
		if (!is_read)
			return false;
		i = name_index(key, fields, NR_FIELDS);
		if (i < 0)
			return refuse_scalar(r, &s, "one of value, range, tag, source");
		if (e->field[i].text)
			return refuse_scalar(r, &s, "each key once");
		if (!take_scalar(r, &e->field[i], "a value"))
			return false;
	}
	for (i = 0; i < NR_FIELDS; i++) {
		g_autofree char *expected = g_strdup_printf("also the key %s", fields[i]);

		if (!e->field[i].text)
			return refuse_scalar(r, &e->key, expected);
	}
	return next_event(r);
}

static int find_param(const char *name)
{
	int i;

	for (i = 0; i < NR_COST_PARAMS; i++)
		if (!strcmp(cost_desc[i].name, name))
			return i;
	return -1;
}

static bool read_parameters(struct reader *r)
{
	if (!enter_mapping(r, "parameters"))
		return false;
	while (r->event.type != YAML_MAPPING_END_EVENT) {
		struct scalar s = { 0 };
		bool is_good = take_scalar(r, &s, "the name of a parameter");
		int i = is_good && s.text ? find_param(s.text) : -1;

		if (is_good && i < 0)
			is_good = refuse_scalar(r, &s, "the name of a parameter");
		if (is_good && r->entry[i].key.text)
			is_good = refuse_scalar(r, &s, "each parameter once");
		if (!is_good) {
			g_free(s.text);
			return false;
		}
		r->entry[i].key = s;
		if (!read_fields(r, &r->entry[i]))
			return false;
	}
	return next_event(r);
}

static bool read_top(struct reader *r)
{
	static const char expected[] = "one of profile, arch, text, parameters";

	if (!enter_mapping(r, "a profile"))
		return false;
	while (r->event.type != YAML_MAPPING_END_EVENT) {
		struct scalar s = { 0 };
		bool is_good = take_scalar(r, &s, expected);
		int i = is_good && s.text ? name_index(s.text, top_keys, NR_TOP_KEYS) : -1;

		if (is_good && i < 0)
			is_good = refuse_scalar(r, &s, expected);
		if (is_good && r->top[i].text)
			is_good = refuse_scalar(r, &s, "each key once");
		if (is_good && i == TOP_PARAMETERS) {
			r->top[i] = s;
			if (!read_parameters(r))
				return false;
			continue;
		}
		g_free(s.text);
		if (!is_good || !take_scalar(r, &r->top[i], "a value"))
			return false;
	}
	return next_event(r);
}

/* read_stream() - the one document that the text is. */
static bool read_stream(struct reader *r)
{
	int i;

	/* the stream's start, and what it starts with */
	if (!next_event(r))
		return false;
	if (!next_event(r))
		return false;
	if (r->event.type != YAML_DOCUMENT_START_EVENT)
		return refuse_event(r, "a profile", "nothing");
	if (!next_event(r) || !read_top(r) || !next_event(r))
		return false;
	if (r->event.type != YAML_STREAM_END_EVENT)
		return refuse_event(r, "the end", "one more document");
	for (i = 0; i < NR_TOP_KEYS; i++) {
		g_autofree char *expected = g_strdup_printf("the key %s", top_keys[i]);

		if (!r->top[i].text)
			return refuse_event(r, expected, "the end");
	}
	return true;
}

/* --- Quantities. */

static const struct unit {
	const char *name;
	enum cost_unit unit;
	uint64_t factor; /* 0: cycles */
} units[] = {
	{ "ps", COST_UNIT_PS, 1 },
	{ "ns", COST_UNIT_PS, 1000 },
	{ "us", COST_UNIT_PS, 1000000 },
	{ "ms", COST_UNIT_PS, 1000000000 },
	{ "cycles", COST_UNIT_PS, 0 },
	{ "kHz", COST_UNIT_KHZ, 1 },
	{ "MHz", COST_UNIT_KHZ, 1000 },
	{ "GHz", COST_UNIT_KHZ, 1000000 },
	{ "B", COST_UNIT_BYTES, 1 },
	{ "KiB", COST_UNIT_BYTES, UINT64_C(1) << 10 },
	{ "MiB", COST_UNIT_BYTES, UINT64_C(1) << 20 },
	{ "GiB", COST_UNIT_BYTES, UINT64_C(1) << 30 },
};

static const char *unit_hint(enum cost_unit unit)
{
	switch (unit) {
	case COST_UNIT_PS:
		return "a time in ps, ns, us, ms or cycles";
	case COST_UNIT_KHZ:
		return "a clock in kHz, MHz or GHz";
	case COST_UNIT_COUNT:
		return "a count without unit";
	case COST_UNIT_BYTES:
		return "a size in B, KiB, MiB or GiB";
	}
	return NULL;
}

/**
 * parse_number() - the decimal number at *@p
 * @thousandths: its value
 * @is_whole: it has no point
 */
static bool parse_number(const char **p, uint64_t *thousandths, bool *is_whole)
{
	const char *c = *p;
	unsigned int places = 0;
	uint64_t n = 0;

	if (!g_ascii_isdigit(*c) || (*c == '0' && g_ascii_isdigit(c[1])))
		return false;
	*is_whole = true;
	for (;; c++) {
		if (*c == '.' && *is_whole && g_ascii_isdigit(c[1])) {
			*is_whole = false;
			continue;
		}
		if (!g_ascii_isdigit(*c))
			break;
		if (!*is_whole && ++places > 3)
			return false;
		if (!g_uint64_checked_mul(&n, n, 10) ||
		    !g_uint64_checked_add(&n, n, (uint64_t)(*c - '0')))
			return false;
	}
	for (; places < 3; places++)
		if (!g_uint64_checked_mul(&n, n, 10))
			return false;
	*thousandths = n;
	*p = c;
	return true;
}

/* cycles_to_ps() - rounded half up; thousandths of a cycle, 10^9 ps times kHz a cycle. */
static bool cycles_to_ps(uint64_t thousandths, uint64_t clock_khz, uint64_t *ps)
{
	uint64_t n;

	if (!clock_khz || !g_uint64_checked_mul(&n, thousandths, 1000000))
		return false;
	*ps = n / clock_khz;
	if (n % clock_khz >= clock_khz - n % clock_khz)
		++*ps;
	return true;
}

/* parse_quantity() - all of @text as a number in the parameter's base unit; false if it is none. */
static bool parse_quantity(const char *text, enum cost_unit unit, uint64_t clock_khz, uint64_t *out)
{
	uint64_t n;
	bool is_whole;
	size_t i;

	if (!parse_number(&text, &n, &is_whole))
		return false;
	if (unit == COST_UNIT_COUNT) {
		*out = n / 1000;
		return is_whole && !*text;
	}
	if (*text++ != ' ')
		return false;
	for (i = 0; i < G_N_ELEMENTS(units); i++)
		if (units[i].unit == unit && !strcmp(units[i].name, text))
			break;
	if (i == G_N_ELEMENTS(units))
		return false;
	if (!units[i].factor)
		return cycles_to_ps(n, clock_khz, out);
	if (!g_uint64_checked_mul(&n, n, units[i].factor) || n % 1000)
		return false;
	*out = n / 1000;
	return true;
}

/* parse_range() - "LOW .. HIGH" */
static bool parse_range(const char *text, enum cost_unit unit, uint64_t clock_khz, uint64_t *low,
			uint64_t *high)
{
	const char *dots = strstr(text, " .. ");
	g_autofree char *first = dots ? g_strndup(text, (gsize)(dots - text)) : NULL;

	return dots && parse_quantity(first, unit, clock_khz, low) &&
	       parse_quantity(dots + strlen(" .. "), unit, clock_khz, high);
}

/* --- What it says. */

static bool is_blank(const char *text)
{
	while (g_ascii_isspace(*text))
		text++;
	return !*text;
}

/* copy_text() - something, on one line, that fits. */
static bool copy_text(struct reader *r, const struct scalar *s, char *to, size_t size)
{
	if (is_blank(s->text))
		return refuse_scalar(r, s, "a sentence");
	if (strchr(s->text, '\n'))
		return refuse_scalar(r, s, "one line");
	if (strlen(s->text) >= size)
		return refuse_scalar(r, s, "at most 255 characters");
	g_strlcpy(to, s->text, size);
	return true;
}

static bool check_range(struct reader *r, const struct entry *e, int i)
{
	const struct cost_desc *d = &cost_desc[i];
	const struct cost_profile *p = r->out;
	g_autofree char *limits =
		g_strdup_printf("at least %" PRIu64 " and at most %" PRIu64, d->low, d->high);
	const struct scalar *value = &e->field[FIELD_VALUE], *range = &e->field[FIELD_RANGE];

	if (p->v[i] < d->low || p->v[i] > d->high)
		return refuse_scalar(r, value, limits);
	if (p->low[i] > p->high[i])
		return refuse_scalar(r, range, "LOW .. HIGH in this order");
	if (p->low[i] < d->low || p->high[i] > d->high)
		return refuse_scalar(r, range, limits);
	if (p->v[i] < p->low[i] || p->v[i] > p->high[i])
		return refuse_scalar(r, value, "a value inside its range");
	return true;
}

static bool judge_entry(struct reader *r, int i)
{
	const struct entry *e = &r->entry[i];
	const struct scalar *tag = &e->field[FIELD_TAG];
	struct cost_profile *p = r->out;
	enum cost_unit unit = cost_desc[i].unit;

	if (!parse_quantity(e->field[FIELD_VALUE].text, unit, p->v[COST_clock], &p->v[i]))
		return refuse_scalar(r, &e->field[FIELD_VALUE], unit_hint(unit));
	if (!parse_range(e->field[FIELD_RANGE].text, unit, p->v[COST_clock], &p->low[i],
			 &p->high[i])) {
		g_autofree char *expected =
			g_strdup_printf("LOW .. HIGH, each %s", unit_hint(unit));

		return refuse_scalar(r, &e->field[FIELD_RANGE], expected);
	}
	if (!check_range(r, e, i))
		return false;
	if (strlen(tag->text) != 1 || !strchr("MDRA", tag->text[0]))
		return refuse_scalar(r, tag, "one of M, D, R, A");
	p->tag[i] = tag->text[0];
	return copy_text(r, &e->field[FIELD_SOURCE], p->source[i], sizeof(p->source[i]));
}

static bool judge_top(struct reader *r)
{
	const struct scalar *name = &r->top[TOP_PROFILE], *arch = &r->top[TOP_ARCH];
	size_t length = strlen(name->text);
	int i;

	if (!length || length >= sizeof(r->out->name) ||
	    strspn(name->text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
		return refuse_scalar(r, name,
				     "a name of at most 31 lower-case letters, digits and dashes");
	g_strlcpy(r->out->name, name->text, sizeof(r->out->name));
	i = name_index(arch->text, arch_names, G_N_ELEMENTS(arch_names));
	if (i < 0)
		return refuse_scalar(r, arch, "x86 or arm64");
	r->out->arch = (enum pt_arch)i;
	return copy_text(r, &r->top[TOP_TEXT], r->out->text, sizeof(r->out->text));
}

static bool judge(struct reader *r)
{
	int i;

	G_STATIC_ASSERT(COST_clock == 0); /* cycles of the others need it */
	if (!judge_top(r))
		return false;
	for (i = 0; i < NR_COST_PARAMS; i++) {
		bool applies = cost_applies((enum cost_param)i, r->out->arch);
		g_autofree char *expected =
			applies ? g_strdup_printf("also the parameter %s", cost_desc[i].name)
				: g_strdup_printf("parameters of %s", r->top[TOP_ARCH].text);

		if (applies && !r->entry[i].key.text)
			return refuse_scalar(r, &r->top[TOP_PARAMETERS], expected);
		if (!applies && r->entry[i].key.text)
			return refuse_scalar(r, &r->entry[i].key, expected);
		if (applies && !judge_entry(r, i))
			return false;
	}
	return true;
}

static void reader_fini(struct reader *r)
{
	int i, j;

	yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
	for (i = 0; i < NR_TOP_KEYS; i++)
		g_free(r->top[i].text);
	for (i = 0; i < NR_COST_PARAMS; i++) {
		g_free(r->entry[i].key.text);
		for (j = 0; j < NR_FIELDS; j++)
			g_free(r->entry[i].field[j].text);
	}
}

/* --- Public. */

bool profile_load_text(const char *file, const char *text, size_t size, struct cost_profile *out,
		       GError **error)
{
	struct reader r = { .file = file, .text = text, .out = out, .error = error };
	bool is_good;

	memset(out, 0, sizeof(*out));
	if (size > PROFILE_MAX_BYTES)
		return refuse(&r, 1, 1, "at most 1 MiB", "more");
	if (!yaml_parser_initialize(&r.parser))
		g_error("libyaml: no memory");
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	is_good = read_stream(&r) && judge(&r);
	reader_fini(&r);
	return is_good;
}

bool profile_load_file(const char *path, struct cost_profile *out, GError **error)
{
	g_autoptr(GString) text = g_string_sized_new(PROFILE_MAX_BYTES + 1);
	FILE *f = fopen(path, "rb");
	size_t size = f ? fread(text->str, 1, PROFILE_MAX_BYTES + 1, f) : 0;
	bool is_read = f && !ferror(f);
	int cause = errno;

	if (f && fclose(f)) {
		cause = errno;
		is_read = false;
	}
	if (!is_read) {
		g_set_error(error, PROFILE_ERROR, PROFILE_ERROR_FILE,
			    "%s: expected a profile, found: %s", path, g_strerror(cause));
		return false;
	}
	return profile_load_text(path, text->str, size, out, error);
}

bool profile_find(const char *name, struct cost_profile *out, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	size_t i;

	for (i = 0; profile_builtin_names[i]; i++) {
		const struct profile_builtin *b = &profile_builtins[i];

		if (!strcmp(profile_builtin_names[i], name))
			return profile_load_text(b->file, b->text, b->size, out, error);
		g_string_append_printf(names, "%s%s", i ? ", " : "", profile_builtin_names[i]);
	}
	g_set_error(error, PROFILE_ERROR, PROFILE_ERROR_UNKNOWN,
		    "profile: expected one of %s, found \"%s\"", names->str, name);
	return false;
}

const char *const *profile_names(void)
{
	return profile_builtin_names;
}

const char *profile_default(const struct rules *r)
{
	if (r->arch == PT_ARM64)
		return "ampere-altra";
	return r->nested == X86_NPT ? "amd-milan" : "intel-cascadelake";
}
