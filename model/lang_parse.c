/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: from text to struct lang_line. A line is cut into words first; its first
 * one or two words choose the list of keys, and each further word must be one of them.
 */
#include <string.h>

#include "model/lang.h"
#include "model/lang_priv.h"

enum {
	MASK_BITS = 64,       /* of a vCPU mask, and pages to a word of a dirty bitmap */
	PAGE_NUMBER_BITS = 52 /* a gfn has no more */
};

static bool digit_value(char ch, unsigned base, unsigned *digit)
{
	int v = g_ascii_xdigit_value(ch);

	if (v < 0 || (unsigned)v >= base)
		return false;
	*digit = (unsigned)v;
	return true;
}

bool lang_parse_u64(const char *s, uint64_t *value)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	} else if (s[0] == '0' && s[1] != '\0') {
		return false; /* octal to some, decimal to others */
	}
	if (*s == '\0')
		return false;
	for (; *s; s++) {
		unsigned digit;

		if (!digit_value(*s, base, &digit))
			return false;
		if (!g_uint64_checked_mul(&v, v, base) || !g_uint64_checked_add(&v, v, digit))
			return false;
	}
	*value = v;
	return true;
}

static const struct {
	const char *unit;
	uint64_t ps;
} time_units[] = {
	{ "ps", 1 },          { "ns", 1000 },         { "us", 1000000 },
	{ "ms", 1000000000 }, { "s", 1000000000000 },
};

/* A number of bytes may be in KiB, MiB, GiB or TiB. */
static bool parse_bytes(const char *s, uint64_t *value)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	g_autofree char *digits = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		if (!g_str_has_suffix(s, units[i]))
			continue;
		digits = g_strndup(s, strlen(s) - strlen(units[i]));
		return !g_str_has_prefix(digits, "0x") && lang_parse_u64(digits, value) &&
		       g_uint64_checked_mul(value, *value, UINT64_C(1024) << (10 * i));
	}
	return lang_parse_u64(s, value);
}

bool lang_parse_time(const char *s, uint64_t *ps)
{
	enum { DECIMALS = 3, BASE = 10 };
	size_t digits = strspn(s, "0123456789."), unit = 0;
	g_autofree char *text = g_strndup(s, digits);
	char *dot = strchr(text, '.');
	uint64_t whole, part = 0, scale = 1, v;

	while (unit < G_N_ELEMENTS(time_units) && strcmp(s + digits, time_units[unit].unit) != 0)
		unit++;
	if (unit == G_N_ELEMENTS(time_units))
		return false;
	if (dot) {
		*dot++ = '\0';
		if (*dot == '\0' || strlen(dot) > DECIMALS || strchr(dot, '.'))
			return false;
		for (; *dot; dot++, scale *= BASE)
			part = part * BASE + (uint64_t)g_ascii_digit_value(*dot);
	}
	if (!lang_parse_u64(text, &whole) || (part * time_units[unit].ps) % scale != 0 ||
	    !g_uint64_checked_mul(&v, whole, time_units[unit].ps) ||
	    !g_uint64_checked_add(&v, v, part * time_units[unit].ps / scale) || v == LANG_TIME_NONE)
		return false;
	*ps = v;
	return true;
}

bool lang_is_name(const char *s, bool wide)
{
	const char *more = wide ? "_.-+=,:/@" : "_.-";

	if (*s == '\0')
		return false;
	for (; *s; s++)
		if (!g_ascii_isalnum(*s) && !strchr(more, *s))
			return false;
	return true;
}

/* Copy a string that fits with its terminator. */
static bool copy_name(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);

	if (len >= size)
		return false;
	memcpy(dst, src, len + 1);
	return true;
}

bool lang_parse_loc(const char *s, struct lang_loc *loc)
{
	const char *plus = strchr(s, '+');
	g_autofree char *name = NULL;
	struct lang_loc l = { .off = 0 };

	if (!plus) {
		l.is_hva = true;
		if (strncmp(s, "0x", 2) != 0 || !lang_parse_u64(s, &l.hva))
			return false;
		*loc = l;
		return true;
	}
	name = g_strndup(s, (size_t)(plus - s));
	if (!lang_is_name(name, false) || !copy_name(l.map, sizeof(l.map), name) ||
	    !lang_parse_u64(plus + 1, &l.off))
		return false;
	*loc = l;
	return true;
}

static bool parse_range(const char *s, struct lang_range *r)
{
	g_auto(GStrv) ends = g_strsplit(s, "-", 3);
	unsigned nr = g_strv_length(ends);
	uint64_t last;

	if (nr < 1 || nr > 2 || !lang_parse_u64(ends[0], &r->start))
		return false;
	if (!lang_parse_u64(ends[nr - 1], &last) || last < r->start || last >> PAGE_NUMBER_BITS)
		return false;
	r->end = last + 1;
	return true;
}

bool lang_parse_pages(const char *s, struct lang_range **ranges, unsigned *nr_ranges)
{
	g_auto(GStrv) parts = g_strsplit(s, ",", 0);
	unsigned nr = g_strv_length(parts);
	struct lang_range *r = g_new0(struct lang_range, nr);
	bool ok = nr != 0;

	for (unsigned i = 0; ok && i < nr; i++)
		ok = parse_range(parts[i], &r[i]) && (i == 0 || r[i].start >= r[i - 1].end);
	if (!ok) {
		g_free(r);
		return false;
	}
	*ranges = r;
	*nr_ranges = nr;
	return true;
}

static bool parse_flags(const char *s, uint32_t *flags)
{
	static const char *const names[] = { "log", "ro", "gmem", "uf" };
	g_auto(GStrv) parts = NULL;
	uint64_t number;

	*flags = 0;
	if (strcmp(s, "none") == 0)
		return true;
	if (lang_parse_u64(s, &number)) {
		*flags = (uint32_t)number;
		return number <= UINT32_MAX;
	}
	parts = g_strsplit(s, "+", 0);
	for (char **p = parts; *p; p++) {
		size_t bit = 0;

		while (bit < G_N_ELEMENTS(names) && strcmp(*p, names[bit]) != 0)
			bit++;
		if (bit == G_N_ELEMENTS(names) || *flags & 1u << bit)
			return false;
		*flags |= 1u << bit;
	}
	return *flags != 0;
}

/* Numbers and ranges such as 0,2-5, each vCPU once. */
static bool parse_vcpus(const char *s, uint64_t *mask)
{
	g_auto(GStrv) parts = g_strsplit(s, ",", 0);

	*mask = 0;
	for (char **p = parts; *p; p++) {
		struct lang_range r;

		if (!parse_range(*p, &r) || r.end > LANG_VCPUS_MAX)
			return false;
		for (uint64_t v = r.start; v < r.end; v++) {
			if (*mask >> v & 1)
				return false;
			*mask |= UINT64_C(1) << v;
		}
	}
	return *mask != 0;
}

static bool parse_bitmap(struct lang_line *out, const char *s)
{
	struct lang_loc *b = &out->u.region.bitmap;

	out->u.region.has_bitmap = true;
	if (strncmp(s, "0x", 2) == 0) {
		b->is_hva = true;
		return lang_parse_u64(s, &b->hva);
	}
	return lang_is_name(s, false) && copy_name(b->map, sizeof(b->map), s);
}

static char *choices_text(const struct lang_choice *choices)
{
	GString *s = g_string_new("one of");

	for (const struct lang_choice *c = choices; c->word; c++)
		g_string_append_printf(s, "%c%s", c == choices ? ' ' : '|', c->word);
	return g_string_free(s, FALSE);
}

static bool has_unit(const char *value)
{
	return g_ascii_isdigit(*value) &&
	       (g_str_has_suffix(value, "pg") || g_str_has_suffix(value, "blk"));
}

static bool parse_number(const struct lang_ctx *c, struct lang_line *out,
			 const struct lang_field *f, const char *value)
{
	g_autofree char *expected = NULL;
	uint64_t v;

	if (has_unit(value))
		return lang_fail(c, LANG_ERROR_UNSUPPORTED, value,
				 "a number of bytes (the units pg and blk are not supported yet)",
				 "value of '%s'", f->key);
	if ((f->type == FIELD_HEX ? parse_bytes(value, &v) : lang_parse_u64(value, &v)) &&
	    v >= f->min && v <= f->max) {
		lang_field_set(out, f, v);
		return true;
	}
	expected = g_strdup_printf("a number from %" G_GUINT64_FORMAT " to 0x%" G_GINT64_MODIFIER
				   "x, decimal or 0x and hex digits%s",
				   f->min, f->max,
				   f->type == FIELD_HEX ? ", or in KiB MiB GiB TiB" : "");
	return lang_fail(c, LANG_ERROR_NUMBER, value, expected, "value of '%s'", f->key);
}

static bool parse_duration(const struct lang_ctx *c, struct lang_line *out,
			   const struct lang_field *f, const char *value)
{
	uint64_t ps;

	if (!lang_parse_time(value, &ps))
		return lang_fail(
			c, LANG_ERROR_NUMBER, value,
			"a duration: a number with at most three decimals, then ps, ns, us, "
			"ms or s",
			"value of '%s'", f->key);
	lang_field_set(out, f, ps);
	return true;
}

static bool parse_choice(const struct lang_ctx *c, struct lang_line *out,
			 const struct lang_field *f, const char *value)
{
	g_autofree char *expected = NULL;

	for (const struct lang_choice *ch = f->choices; ch->word; ch++) {
		if (strcmp(ch->word, value) == 0) {
			lang_field_set(out, f, ch->value);
			return true;
		}
	}
	expected = choices_text(f->choices);
	return lang_fail(c, LANG_ERROR_WORD, value, expected, "value of '%s'", f->key);
}

static bool parse_string(const struct lang_ctx *c, struct lang_line *out,
			 const struct lang_field *f, const char *value)
{
	bool wide = f->type == FIELD_TEXT;
	g_autofree char *expected = NULL;

	if (lang_is_name(value, wide) && copy_name(lang_field_at(out, f), f->size, value))
		return true;
	expected = g_strdup_printf("1 to %zu of the characters A-Z a-z 0-9 _ . -%s", f->size - 1,
				   wide ? " + = , : / @" : "");
	return lang_fail(c, LANG_ERROR_WORD, value, expected, "value of '%s'", f->key);
}

static bool parse_location(const struct lang_ctx *c, struct lang_line *out,
			   const struct lang_field *f, const char *value)
{
	struct lang_loc loc = { .off = 0 };

	if (f->type == FIELD_HVA) {
		loc.is_hva = true;
		if (!lang_parse_u64(value, &loc.hva))
			return lang_fail(c, LANG_ERROR_NUMBER, value,
					 "an address, 0x and hex digits", "value of '%s'", f->key);
	} else if (!lang_parse_loc(value, &loc) || loc.is_hva) {
		return lang_fail(c, LANG_ERROR_WORD, value, "NAME+OFFSET, such as m0+0x1000",
				 "value of '%s'", f->key);
	}
	memcpy(lang_field_at(out, f), &loc, sizeof(loc));
	return true;
}

/* The types that have their own syntax. */
static bool parse_special(const struct lang_ctx *c, struct lang_line *out,
			  const struct lang_field *f, const char *value)
{
	const char *expected;
	bool ok;

	if (f->type == FIELD_BITMAP) {
		expected = "the name of a bitmap, or an address 0x...";
		ok = parse_bitmap(out, value);
	} else if (f->type == FIELD_FLAGS) {
		expected = "none, or log, ro, gmem, uf joined by '+', or a 32-bit number";
		ok = parse_flags(value, &out->u.region.flags);
	} else if (f->type == FIELD_PAGES) {
		expected = "all, or ascending page numbers and ranges such as 0x1,0x3-0x5";
		out->u.log.all = strcmp(value, "all") == 0;
		ok = out->u.log.all ||
		     lang_parse_pages(value, &out->u.log.ranges, &out->u.log.nr_ranges);
	} else {
		expected = "vCPU numbers from 0 to 61 or ranges of them, each once, joined by ','";
		ok = parse_vcpus(value, &out->u.guest.vcpu_mask);
	}
	return ok || lang_fail(c, LANG_ERROR_WORD, value, expected, "value of '%s'", f->key);
}

static bool parse_value(const struct lang_ctx *c, struct lang_line *out, const struct lang_field *f,
			const char *value)
{
	switch (f->type) {
	case FIELD_DEC:
	case FIELD_HEX:
		return parse_number(c, out, f, value);
	case FIELD_TIME:
		return parse_duration(c, out, f, value);
	case FIELD_NAME:
	case FIELD_TEXT:
		return parse_string(c, out, f, value);
	case FIELD_CHOICE:
		return parse_choice(c, out, f, value);
	case FIELD_LOC:
	case FIELD_HVA:
		return parse_location(c, out, f, value);
	case FIELD_BITMAP:
	case FIELD_FLAGS:
	case FIELD_PAGES:
	case FIELD_VCPUS:
		return parse_special(c, out, f, value);
	}
	g_assert_not_reached();
}

static char *keys_text(const struct lang_field *fields)
{
	GString *s = g_string_new(NULL);

	for (const struct lang_field *f = fields; f && f->key; f++)
		g_string_append_printf(s, "%s%s=", f == fields ? "one of " : " ", f->key);
	if (s->len == 0)
		g_string_append(s, "the end of the line");
	return g_string_free(s, FALSE);
}

static const struct lang_field *find_field(const struct lang_field *fields, const char *word,
					   size_t len)
{
	for (const struct lang_field *f = fields; f && f->key; f++)
		if (strlen(f->key) == len && strncmp(f->key, word, len) == 0)
			return f;
	return NULL;
}

static bool parse_key(const struct lang_ctx *c, struct lang_line *out,
		      const struct lang_shape *shape, const char *word, uint64_t *seen)
{
	const char *eq = strchr(word, '=');
	const struct lang_field *f;
	uint64_t bit;

	f = eq ? find_field(shape->fields, word, (size_t)(eq - word)) : NULL;
	if (!f) {
		g_autofree char *expected = keys_text(shape->fields);

		return lang_fail(c, LANG_ERROR_WORD, word, expected, "unknown key of '%s'",
				 lang_kind_name(shape->kind));
	}
	bit = UINT64_C(1) << (f - shape->fields);
	if (*seen & bit)
		return lang_fail(c, LANG_ERROR_DOUBLED, word, "each key once", "doubled key '%s'",
				 f->key);
	*seen |= bit;
	return parse_value(c, out, f, eq + 1);
}

static void set_defaults(struct lang_line *out, const struct lang_field *fields)
{
	for (const struct lang_field *f = fields; f && f->key; f++)
		if (f->need == NEED_NO && (f->type == FIELD_DEC || f->type == FIELD_HEX ||
					   f->type == FIELD_CHOICE || f->type == FIELD_TIME))
			lang_field_set(out, f, f->dflt);
}

static bool check_needs(const struct lang_ctx *c, const struct lang_shape *shape, uint64_t seen)
{
	const char *name = lang_kind_name(shape->kind);
	unsigned either = 0;
	bool has_either = false;

	for (const struct lang_field *f = shape->fields; f && f->key; f++) {
		bool has = seen >> (f - shape->fields) & 1;

		if (f->need == NEED_YES && !has)
			return lang_fail(c, LANG_ERROR_MISSING, NULL, "it to be given",
					 "missing key '%s=' of '%s'", f->key, name);
		if (f->need == NEED_EITHER) {
			has_either = true;
			either += has;
		}
	}
	if (has_either && either == 0)
		return lang_fail(c, LANG_ERROR_MISSING, NULL,
				 "map= or hva=", "missing place of '%s'", name);
	if (either > 1)
		return lang_fail(c, LANG_ERROR_DOUBLED, "both",
				 "map= or hva=", "doubled place of '%s'", name);
	return true;
}

/* The last byte of the last access of the last vCPU has an address; a pattern ends with its range. */
static bool guest_fits(const struct lang_guest *g)
{
	uint64_t vcpus = 0, a = g->over, b, end;

	for (uint64_t m = g->vcpu_mask; m; m &= m - 1)
		vcpus++;
	if (a == 0 && !g_uint64_checked_mul(&a, g->n - 1, g->stride))
		return false;
	return g_uint64_checked_mul(&b, vcpus - 1, g->vstride) &&
	       g_uint64_checked_add(&end, a, b) && g_uint64_checked_add(&end, end, g->gpa) &&
	       g_uint64_checked_add(&end, end, 4);
}

/* Bits can be set up to the end of the bitmap's last word, which may be past n. */
static bool log_fits(const struct lang_log *log)
{
	uint64_t words = log->n / MASK_BITS + (log->n % MASK_BITS != 0);

	if (log->nr_ranges == 0)
		return true;
	return log->ranges[0].start >= log->first &&
	       log->ranges[log->nr_ranges - 1].end - log->first <= words * MASK_BITS;
}

/* Which line begins and which way a step goes on are said of one move; rules have neither. */
static bool check_sched(const struct lang_ctx *c, const struct lang_sched *s)
{
	const char *key = s->line ? "line=" : s->pick ? "pick=" : *s->at ? "at=" : NULL;

	if (s->mover >= LANG_MOVER_STORE_VCPU && s->mover <= LANG_MOVER_STORE_MM &&
	    (s->line || *s->at))
		return lang_fail(c, LANG_ERROR_WORD,
				 s->line ? "line=" : "at=", "n= or pick= alone after a store",
				 "key of 'sched'");
	if (key && s->mover >= LANG_MOVER_ACK)
		return lang_fail(c, LANG_ERROR_WORD, key, "n= alone after ack or rcu",
				 "key of 'sched'");
	if ((s->line || s->pick) && s->n > 1)
		return lang_fail(c, LANG_ERROR_WORD, "n=", "one move where line= or pick= is given",
				 "key of 'sched'");
	if (s->line && s->pick)
		return lang_fail(c, LANG_ERROR_WORD, "both", "line= or pick=", "key of 'sched'");
	return true;
}

static bool check_sense(const struct lang_ctx *c, const struct lang_line *l)
{
	uint64_t end;

	if (l->kind == LANG_SCHED)
		return check_sched(c, &l->u.sched);
	if (l->kind == LANG_OP_CLEAR_DIRTY && !log_fits(&l->u.log))
		return lang_fail(c, LANG_ERROR_NUMBER, "others",
				 "page numbers in the bitmap's words, from first= on",
				 "value of 'pages'");
	if (l->kind >= LANG_HOST_TOUCH && l->kind <= LANG_HOST_AGE &&
	    !g_uint64_checked_add(&end, l->u.host.loc.off, l->u.host.len))
		return lang_fail(c, LANG_ERROR_NUMBER, "an end past 2^64",
				 "an offset and a length whose sum fits in 64 bits",
				 "range of '%s'", lang_kind_name(l->kind));
	if (l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC && !*l->u.guest.file &&
	    l->u.guest.pattern != LANG_PATTERN_SEQ && l->u.guest.over == 0)
		return lang_fail(c, LANG_ERROR_MISSING, NULL,
				 "the bytes that the pattern goes over",
				 "missing key 'over=' of '%s'", lang_kind_name(l->kind));
	if (l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC && !guest_fits(&l->u.guest))
		return lang_fail(c, LANG_ERROR_NUMBER, "an end past 2^64",
				 "addresses that fit in 64 bits", "accesses of '%s'",
				 lang_kind_name(l->kind));
	return true;
}

/* `sched`: its second word says who moves. */
static bool parse_mover(const struct lang_ctx *c, struct lang_line *out, char *const *words,
			unsigned nr_words)
{
	if (nr_words > 1 && lang_mover_from_name(words[1], &out->u.sched))
		return true;
	return lang_fail(c, nr_words > 1 ? LANG_ERROR_WORD : LANG_ERROR_MISSING,
			 nr_words > 1 ? words[1] : NULL,
			 "v0 to v61, vmm0 to vmm7, mm0 to mm7, store- and one of these, ack0 to "
			 "ack61 or rcu",
			 "mover of 'sched'");
}

static bool parse_shape(const struct lang_ctx *c, struct lang_line *out,
			const struct lang_shape *shape, char *const *words, unsigned nr_words)
{
	uint64_t seen = 0;
	bool two = shape->verb || shape->kind == LANG_SCHED;

	out->kind = shape->kind;
	set_defaults(out, shape->fields);
	if (shape->kind == LANG_SCHED && !parse_mover(c, out, words, nr_words))
		return false;
	for (unsigned i = two ? 2 : 1; i < nr_words; i++)
		if (!parse_key(c, out, shape, words[i], &seen))
			return false;
	if (!check_needs(c, shape, seen) || !check_sense(c, out))
		return false;
	if (shape->kind == LANG_SCENARIO && strcmp(out->u.scenario.inject, "none") == 0)
		memset(out->u.scenario.inject, 0, sizeof(out->u.scenario.inject));
	return true;
}

static char *join(char *const *words, unsigned nr_words)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < nr_words; i++)
		g_string_append_printf(s, "%s%s", i ? " " : "", words[i]);
	return g_string_free(s, FALSE);
}

/* `expect no`: the first words of an observation, so only its class can be checked. */
static bool parse_absence(const struct lang_ctx *c, struct lang_line *out, char *const *words,
			  unsigned nr_words)
{
	enum lang_obs_class cls;

	if (nr_words == 0)
		return lang_fail(c, LANG_ERROR_MISSING, NULL, "the first words of an observation",
				 "argument of 'expect no'");
	cls = lang_obs_class_from_name(words[0]);
	if (cls >= LANG_OBS_HOLDS)
		return lang_fail(c, LANG_ERROR_WORD, words[0],
				 "ret exit dirty trace stat pages sum or tab",
				 "unknown observation");
	out->kind = LANG_EXPECT;
	out->u.obs.cls = cls;
	out->u.obs.absent = true;
	out->u.obs.text = join(words, nr_words);
	return true;
}

static bool parse_obs(const struct lang_ctx *c, struct lang_line *out, char *const *words,
		      unsigned nr_words, bool expect)
{
	if (expect && nr_words && strcmp(words[0], "no") == 0)
		return parse_absence(c, out, words + 1, nr_words - 1);
	if (nr_words == 0)
		return lang_fail(c, LANG_ERROR_MISSING, NULL, "an observation",
				 "argument of 'expect'");
	if (!lang_check_obs(c, words, nr_words, expect, &out->u.obs.cls))
		return false;
	out->kind = expect ? LANG_EXPECT : LANG_OBS;
	out->u.obs.text = join(words, nr_words);
	return true;
}

static bool unknown_word(const struct lang_ctx *c, char *const *words, unsigned nr_words)
{
	g_autoptr(GString) verbs = g_string_new("one of");

	for (const struct lang_shape *s = lang_shapes(); s->word; s++)
		if (s->verb && strcmp(s->word, words[0]) == 0)
			g_string_append_printf(verbs, " %s", s->verb);
	if (strchr(verbs->str, ' ') != strrchr(verbs->str, ' '))
		return lang_fail(c, LANG_ERROR_WORD, nr_words > 1 ? words[1] : NULL, verbs->str,
				 "unknown word after '%s'", words[0]);
	return lang_fail(
		c, LANG_ERROR_WORD, words[0],
		"one of scenario host op guest phase par join choose endchoose scope grain sched "
		"expect skip end ret exit dirty trace stat pages sum tab",
		"unknown first word");
}

static bool parse_words(const struct lang_ctx *c, struct lang_line *out, char *const *words,
			unsigned nr_words)
{
	for (const struct lang_shape *s = lang_shapes(); s->word; s++)
		if (strcmp(s->word, words[0]) == 0 &&
		    (!s->verb || (nr_words > 1 && strcmp(s->verb, words[1]) == 0)))
			return parse_shape(c, out, s, words, nr_words);
	if (strcmp(words[0], "expect") == 0)
		return parse_obs(c, out, words + 1, nr_words - 1, true);
	if (lang_obs_class_from_name(words[0]) < LANG_OBS_HOLDS)
		return parse_obs(c, out, words, nr_words, false);
	return unknown_word(c, words, nr_words);
}

/* strnlen() is not in C11. */
static size_t length_up_to(const char *s, size_t max)
{
	const char *end = memchr(s, '\0', max);

	return end ? (size_t)(end - s) : max;
}

static bool is_allowed(char ch, bool in_comment)
{
	return ch == '\t' || (ch >= ' ' && ch < 0x7f) || (in_comment && ch != '\n');
}

static bool bad_byte(const struct lang_ctx *c, char ch, size_t column)
{
	g_autofree char *found =
		g_strdup_printf("byte 0x%02x in column %zu", (unsigned char)ch, column);

	return lang_fail(c, LANG_ERROR_SYNTAX, found, "printable ASCII", "character");
}

/* Check a line's bytes and cut it into words; a comment is dropped. */
static bool split(const struct lang_ctx *c, const char *text, GPtrArray *words)
{
	size_t len = length_up_to(text, LANG_LINE_MAX + 2);
	size_t end, start = 0;

	if (len && text[len - 1] == '\n')
		len--;
	if (len > LANG_LINE_MAX)
		return lang_fail(c, LANG_ERROR_SYNTAX, "more", "at most 65536 bytes",
				 "length of the line");
	end = strcspn(text, "#");
	end = MIN(end, len);
	for (size_t i = 0; i < len; i++)
		if (!is_allowed(text[i], i >= end))
			return bad_byte(c, text[i], i + 1);
	for (size_t i = 0; i <= end; i++) {
		if (i < end && text[i] != ' ' && text[i] != '\t')
			continue;
		if (i > start)
			g_ptr_array_add(words, g_strndup(text + start, i - start));
		start = i + 1;
	}
	return true;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the text, then what to call it */
bool lang_parse_line(const char *text, const char *file, unsigned lineno, struct lang_line *out,
		     GError **error)
{
	const struct lang_ctx c = { .file = file, .line = lineno, .error = error };
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

	memset(out, 0, sizeof(*out));
	if (!split(&c, text, words))
		return false;
	out->line = lineno;
	if (words->len == 0)
		return true;
	if (!parse_words(&c, out, (char *const *)words->pdata, words->len)) {
		lang_line_clear(out);
		return false;
	}
	out->text = join((char *const *)words->pdata, words->len);
	return true;
}
