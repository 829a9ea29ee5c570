/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading scenario files and records. Lines are parsed by model/lang; here is where they may stand
 * and what the names in them refer to.
 */
#include "traces/record.h"

#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(s2sim_record_error, record_error)

/* What is known while a file is being read. */
struct reader {
	struct record *r;
	struct record_scenario *scen; /* open scenario, or NULL */
	struct record_step *step;     /* its last step, or NULL */
	GPtrArray *maps;              /* of char *: names of its mappings */
	unsigned line;
	GError **error;
	bool par; /* between `par` and `join` */
};

static void line_free(void *line)
{
	lang_line_clear(line);
	g_free(line);
}

static void step_free(void *p)
{
	struct record_step *step = p;

	lang_line_clear(&step->input);
	g_ptr_array_unref(step->obs);
	g_ptr_array_unref(step->expects);
	g_free(step);
}

static void scenario_free(void *p)
{
	struct record_scenario *scen = p;

	lang_line_clear(&scen->header);
	g_ptr_array_unref(scen->steps);
	g_free(scen);
}

void record_free(struct record *r)
{
	if (!r)
		return;
	g_ptr_array_unref(r->scenarios);
	g_ptr_array_unref(r->header);
	g_free(r->name);
	g_free(r);
}

static bool fail(const struct reader *rd, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool fail(const struct reader *rd, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(rd->error, RECORD_ERROR, RECORD_ERROR_FORMAT, "%s:%u: %s", rd->r->name,
		    rd->line, text);
	return false;
}

/* Take over a parsed line into a list. */
static void keep(GPtrArray *lines, struct lang_line *l)
{
	struct lang_line *copy = g_new(struct lang_line, 1);

	*copy = *l;
	memset(l, 0, sizeof(*l));
	g_ptr_array_add(lines, copy);
}

static bool has_map(const struct reader *rd, const char *name)
{
	for (guint i = 0; i < rd->maps->len; i++)
		if (strcmp(g_ptr_array_index(rd->maps, i), name) == 0)
			return true;
	return strcmp(name, "code") == 0;
}

static bool check_map(const struct reader *rd, const struct lang_line *l)
{
	const struct lang_loc *loc;

	if (l->kind == LANG_HOST_MAP) {
		if (has_map(rd, l->u.host_map.name))
			return fail(rd, "doubled mapping, expected a new name, found '%s'",
				    l->u.host_map.name);
		g_ptr_array_add(rd->maps, g_strdup(l->u.host_map.name));
		return true;
	}
	if (l->kind == LANG_OP_SET_REGION)
		loc = &l->u.region.loc;
	else if (l->kind >= LANG_HOST_TOUCH && l->kind <= LANG_HOST_AGE)
		loc = &l->u.host.loc;
	else
		return true;
	if (loc->is_hva || has_map(rd, loc->map))
		return true;
	return fail(rd, "unknown mapping, expected one made by 'host map' above, found '%s'",
		    loc->map);
}

static bool check_vcpus(const struct reader *rd, const struct lang_line *l)
{
	unsigned vcpus = rd->scen->header.u.scenario.vcpus;

	if (!lang_has_vcpus(l->kind) || vcpus >= LANG_VCPUS_MAX ||
	    l->u.guest.vcpu_mask >> vcpus == 0)
		return true;
	return fail(rd, "unknown vCPU, expected numbers below vcpus=%u, found '%s'", vcpus,
		    l->text);
}

/* A scope comes first, a schedule last: its grain, then who moves. */
static bool check_place(const struct reader *rd, const struct lang_line *l)
{
	enum lang_kind last = rd->step ? rd->step->input.kind : LANG_SCENARIO;
	bool scheduled = last == LANG_GRAIN || last == LANG_SCHED;

	if (l->kind == LANG_SCOPE && rd->step)
		return fail(rd, "misplaced line, expected it above all inputs, found '%s'",
			    l->text);
	if (l->kind == LANG_SCHED && !scheduled)
		return fail(rd,
			    "misplaced line, expected 'grain' and then the schedule, found '%s'",
			    l->text);
	if (l->kind == LANG_GRAIN && (rd->par || scheduled))
		return fail(rd,
			    "misplaced line, expected it once, behind the last input, found '%s'",
			    l->text);
	if (l->kind != LANG_SCHED && l->kind != LANG_GRAIN && scheduled)
		return fail(rd, "misplaced input, expected it above the schedule, found '%s'",
			    l->text);
	return true;
}

static bool add_input(struct reader *rd, struct lang_line *l)
{
	struct record_step *step;

	if (!rd->scen || rd->scen->skip)
		return fail(rd, "misplaced input, expected %s first, found '%s'",
			    rd->scen ? "'end' after 'skip'" : "'scenario'", l->text);
	if (!check_place(rd, l) || !check_map(rd, l) || !check_vcpus(rd, l))
		return false;
	step = g_new0(struct record_step, 1);
	step->obs = g_ptr_array_new_with_free_func(line_free);
	step->expects = g_ptr_array_new_with_free_func(line_free);
	step->input = *l;
	memset(l, 0, sizeof(*l));
	g_ptr_array_add(rd->scen->steps, step);
	rd->step = step;
	return true;
}

static bool add_obs(struct reader *rd, struct lang_line *l)
{
	const struct lang_line *last;

	if (!rd->step)
		return fail(rd, "misplaced observation, expected an input before it, found '%s'",
			    l->text);
	if (l->kind == LANG_EXPECT) {
		keep(rd->step->expects, l);
		return true;
	}
	rd->r->is_record = true;
	if (rd->step->obs->len) {
		last = g_ptr_array_index(rd->step->obs, rd->step->obs->len - 1);
		if (last->u.obs.cls > l->u.obs.cls)
			return fail(rd,
				    "misplaced observation, expected it above the '%s' line, "
				    "found '%s'",
				    lang_obs_name(last->u.obs.cls), l->text);
	}
	keep(rd->step->obs, l);
	return true;
}

static bool add_scenario(struct reader *rd, struct lang_line *l)
{
	struct record_scenario *scen;

	if (rd->scen && rd->r->is_record)
		return fail(rd, "scenario '%s' is not closed, expected 'end', found '%s'",
			    rd->scen->header.u.scenario.name, l->text);
	if (rd->par)
		return fail(rd, "'par' is not closed, expected 'join', found '%s'", l->text);
	if (record_find(rd->r, l->u.scenario.name))
		return fail(rd, "doubled scenario, expected a new name, found '%s'",
			    l->u.scenario.name);
	scen = g_new0(struct record_scenario, 1);
	scen->steps = g_ptr_array_new_with_free_func(step_free);
	scen->header = *l;
	memset(l, 0, sizeof(*l));
	g_ptr_array_add(rd->r->scenarios, scen);
	g_ptr_array_set_size(rd->maps, 0);
	rd->scen = scen;
	rd->step = NULL;
	return true;
}

static bool close_scenario(struct reader *rd, const struct lang_line *l)
{
	bool skip = l->kind == LANG_SKIP;

	if (!rd->scen)
		return fail(rd, "misplaced line, expected 'scenario', found '%s'", l->text);
	rd->r->is_record = true;
	if (skip && (rd->scen->skip || rd->scen->steps->len))
		return fail(rd,
			    "misplaced line, expected 'skip' once and right after 'scenario', "
			    "found '%s'",
			    l->text);
	if (skip) {
		rd->scen->skip = true;
		return true;
	}
	rd->scen->ended = true;
	rd->scen = NULL;
	rd->step = NULL;
	return true;
}

static bool add_line(struct reader *rd, struct lang_line *l)
{
	switch (l->kind) {
	case LANG_BLANK:
		return true;
	case LANG_SCENARIO:
		return add_scenario(rd, l);
	case LANG_SKIP:
	case LANG_END:
		return close_scenario(rd, l);
	case LANG_OBS:
	case LANG_EXPECT:
		return add_obs(rd, l);
	case LANG_HOST_MAP:
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
	case LANG_HOST_COPY:
	case LANG_HOST_PUNCH:
	case LANG_HOST_AGE:
	case LANG_OP_SET_REGION:
	case LANG_OP_GET_DIRTY:
	case LANG_OP_CLEAR_DIRTY:
	case LANG_OP_RESET_RINGS:
	case LANG_OP_TRACK:
	case LANG_OP_UNTRACK:
	case LANG_OP_SHADOW_ROOT:
	case LANG_OP_PARAM:
	case LANG_OP_DUMP:
	case LANG_OP_USER_BIT:
	case LANG_OP_RESCAN:
	case LANG_OP_SET_PRIVATE:
	case LANG_OP_PREFAULT:
	case LANG_OP_KVM_READ:
	case LANG_OP_KVM_WRITE:
	case LANG_GUEST_NOP:
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
	case LANG_GUEST_SPIN:
	case LANG_GUEST_UNSPIN:
	case LANG_PHASE:
		return add_input(rd, l);
	case LANG_PAR:
	case LANG_JOIN:
		if (rd->par == (l->kind == LANG_PAR))
			return fail(rd, "misplaced line, expected %s, found '%s'",
				    rd->par ? "'join' before the next 'par'" : "'par' before it",
				    l->text);
		rd->par = l->kind == LANG_PAR;
		return add_input(rd, l);
	case LANG_CHOOSE:
	case LANG_ENDCHOOSE:
	case LANG_SCOPE:
	case LANG_GRAIN:
	case LANG_SCHED:
		return add_input(rd, l);
	}
	g_assert_not_reached();
}

static void read_param(struct record_params *params, const char *text)
{
	static const char prefix[] = "# /sys/module/kvm/parameters/";
	const struct {
		const char *name;
		char *value;
		size_t size;
	} known[] = {
		{ "eager_page_split = ", params->eager_page_split,
		  sizeof(params->eager_page_split) },
		{ "nx_huge_pages = ", params->nx_huge_pages, sizeof(params->nx_huge_pages) },
		{ "mmio_caching = ", params->mmio_caching, sizeof(params->mmio_caching) },
	};

	if (!g_str_has_prefix(text, prefix))
		return;
	text += strlen(prefix);
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		if (g_str_has_prefix(text, known[i].name))
			g_strlcpy(known[i].value, text + strlen(known[i].name), known[i].size);
}

static void read_header(struct reader *rd, const char *text)
{
	if (*text != '#' || rd->r->scenarios->len)
		return;
	g_ptr_array_add(rd->r->header, g_strdup(text));
	if (g_str_has_prefix(text, "# oracle begin ") || g_str_has_prefix(text, "# s2sim replay "))
		rd->r->is_record = true;
	read_param(&rd->r->params, text);
}

static bool read_line(struct reader *rd, const char *start, size_t len)
{
	struct lang_line l;
	g_autofree char *text = NULL;
	bool ok;

	rd->line++;
	if (memchr(start, '\0', len))
		return fail(rd, "character, expected text, found a NUL byte");
	if (len > LANG_LINE_MAX)
		return fail(rd, "length of the line, expected at most %d bytes, found %zu",
			    LANG_LINE_MAX, len);
	text = g_strndup(start, len);
	read_header(rd, text);
	if (!lang_parse_line(text, rd->r->name, rd->line, &l, rd->error))
		return false;
	ok = add_line(rd, &l);
	lang_line_clear(&l);
	return ok;
}

/* What can be said only when the whole file was seen. */
static bool check_whole(struct reader *rd)
{
	for (guint i = 0; i < rd->r->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(rd->r->scenarios, i);

		if (!rd->r->is_record || scen->ended)
			continue;
		rd->line = scen->header.line;
		return fail(rd, "scenario '%s' of a record is not closed, expected 'end', found %s",
			    scen->header.u.scenario.name,
			    rd->scen == scen ? "the end of the file" : "another scenario");
	}
	if (rd->par)
		return fail(rd, "'par' is not closed, expected 'join', found the end of the file");
	if (rd->r->scenarios->len)
		return true;
	rd->line = MAX(rd->line, 1);
	return fail(rd, "empty file, expected 'scenario', found the end of the file");
}

struct record *record_parse(const char *data, size_t len, const char *name, GError **error)
{
	struct record *r = g_new0(struct record, 1);
	struct reader rd = { .r = r, .error = error };
	const char *at = data, *end = data + len;
	bool ok = true;

	r->name = g_strdup(name);
	r->header = g_ptr_array_new_with_free_func(g_free);
	r->scenarios = g_ptr_array_new_with_free_func(scenario_free);
	rd.maps = g_ptr_array_new_with_free_func(g_free);
	while (ok && at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((nl ? nl : end) - at);

		ok = read_line(&rd, at, n);
		at += n + (nl ? 1 : 0);
	}
	ok = ok && check_whole(&rd);
	g_ptr_array_unref(rd.maps);
	if (ok)
		return r;
	record_free(r);
	return NULL;
}

struct record *record_read_with(const char *path, struct define *defs, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autofree char *data = NULL;
	g_autoptr(GString) text = NULL;
	size_t len;

	if (!g_file_get_contents(path, &data, &len, &cause)) {
		g_set_error(error, RECORD_ERROR, RECORD_ERROR_READ,
			    "%s: expected a readable scenario file or record, found: %s", path,
			    cause->message);
		return NULL;
	}
	text = define_expand(path, data, len, defs, error);
	return text ? record_parse(text->str, text->len, path, error) : NULL;
}

struct record *record_read(const char *path, GError **error)
{
	return record_read_with(path, NULL, error);
}

const struct record_scenario *record_find(const struct record *r, const char *name)
{
	for (guint i = 0; i < r->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->scenarios, i);

		if (strcmp(scen->header.u.scenario.name, name) == 0)
			return scen;
	}
	return NULL;
}
