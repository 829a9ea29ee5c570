/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: pairs of right and wrong lines, and the two properties that printing and
 * parsing are inverse and that the recorded lines are reproduced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/lang.h"
#include "model/lang_priv.h"
#include "model/tests/lang_lines.h"

/* Tests start in the root of the source tree. */
#ifndef S2_SOURCE_DIR
#define S2_SOURCE_DIR "."
#endif

static bool same_loc(const struct lang_loc *a, const struct lang_loc *b)
{
	return strcmp(a->map, b->map) == 0 && a->off == b->off && a->is_hva == b->is_hva &&
	       a->hva == b->hva;
}

static bool same_log(const struct lang_log *a, const struct lang_log *b)
{
	if (a->all != b->all || a->nr_ranges != b->nr_ranges)
		return false;
	for (unsigned i = 0; i < a->nr_ranges; i++)
		if (a->ranges[i].start != b->ranges[i].start ||
		    a->ranges[i].end != b->ranges[i].end)
			return false;
	return true;
}

static bool same_field(const struct lang_line *a, const struct lang_line *b,
		       const struct lang_field *f)
{
	switch (f->type) {
	case FIELD_DEC:
	case FIELD_HEX:
	case FIELD_CHOICE:
	case FIELD_TIME:
		return lang_field_get(a, f) == lang_field_get(b, f);
	case FIELD_NAME:
	case FIELD_TEXT:
		return strcmp(lang_field_at_const(a, f), lang_field_at_const(b, f)) == 0;
	case FIELD_LOC:
	case FIELD_HVA:
		return same_loc(lang_field_at_const(a, f), lang_field_at_const(b, f));
	case FIELD_BITMAP:
		return a->u.region.has_bitmap == b->u.region.has_bitmap &&
		       same_loc(&a->u.region.bitmap, &b->u.region.bitmap);
	case FIELD_FLAGS:
		return a->u.region.flags == b->u.region.flags;
	case FIELD_PAGES:
		return same_log(&a->u.log, &b->u.log);
	case FIELD_VCPUS:
		return a->u.guest.vcpu_mask == b->u.guest.vcpu_mask;
	}
	return false;
}

/* Field by field, not by text as lang_line_equal() does it. */
static bool same_line(const struct lang_line *a, const struct lang_line *b)
{
	const struct lang_shape *shape = lang_shape_of(a->kind);

	if (a->kind != b->kind)
		return false;
	if (a->kind == LANG_OBS || a->kind == LANG_EXPECT)
		return a->u.obs.cls == b->u.obs.cls && a->u.obs.absent == b->u.obs.absent &&
		       strcmp(a->u.obs.text, b->u.obs.text) == 0;
	if (a->kind == LANG_SCHED &&
	    (a->u.sched.mover != b->u.sched.mover || a->u.sched.who != b->u.sched.who))
		return false;
	for (const struct lang_field *f = shape ? shape->fields : NULL; f && f->key; f++)
		if (!same_field(a, b, f))
			return false;
	return true;
}

static struct lang_line parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	if (!lang_parse_line(text, "f", 7, &l, &error))
		ck_abort_msg("'%s': %s", text, error ? error->message : "no message");
	return l;
}

static char *canonical(const struct lang_line *l)
{
	GString *s = g_string_new(NULL);

	lang_print_canonical(l, s);
	return g_string_free(s, FALSE);
}

/*
 * L2 for one line; note says where it comes from. No ck_assert here: Check notes each one that it
 * passes in a file, which takes longer than the parsing.
 */
static void check_inverse(const struct lang_line *l, const char *note)
{
	g_autofree char *text = canonical(l);
	g_autofree char *again = NULL;
	struct lang_line back = parse(text);

	again = canonical(&back);
	if (!same_line(l, &back))
		ck_abort_msg("%s: parsed differently: '%s'", note, text);
	if (!lang_line_equal(l, &back))
		ck_abort_msg("%s: not equal: '%s'", note, text);
	if (strcmp(text, again) != 0)
		ck_abort_msg("%s: '%s' became '%s'", note, text, again);
	lang_line_clear(&back);
}

START_TEST(good_lines_have_their_canonical_text)
{
	struct lang_line l = parse(lang_good[_i].text);
	g_autofree char *text = canonical(&l);

	ck_assert_str_eq(text, lang_good[_i].canonical);
	ck_assert_uint_eq(l.line, 7);
	check_inverse(&l, lang_good[_i].text);
	lang_line_clear(&l);
}
END_TEST

START_TEST(bad_lines_are_refused_with_their_message)
{
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	ck_assert_msg(!lang_parse_line(lang_bad[_i].text, "f", 7, &l, &error), "accepted: '%s'",
		      lang_bad[_i].text);
	ck_assert_msg(g_error_matches(error, LANG_ERROR, (gint)lang_bad[_i].code),
		      "'%s': code %d: %s", lang_bad[_i].text, error->code, error->message);
	ck_assert_msg(g_str_has_prefix(error->message, "f:7: "), "%s", error->message);
	ck_assert_msg(strstr(error->message, lang_bad[_i].says) != NULL, "'%s': %s",
		      lang_bad[_i].text, error->message);
	ck_assert_msg(strstr(error->message, "expected ") && strstr(error->message, "found "), "%s",
		      error->message);
	lang_line_clear(&l);
}
END_TEST

START_TEST(good_line_of_greatest_length_and_bad_longer_one)
{
	static char text[LANG_LINE_MAX + 2];
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	memset(text, ' ', LANG_LINE_MAX + 1);
	memcpy(text, "op dump", strlen("op dump"));
	text[LANG_LINE_MAX] = '\0';
	l = parse(text);
	ck_assert_int_eq(l.kind, LANG_OP_DUMP);
	lang_line_clear(&l);
	text[LANG_LINE_MAX] = ' ';
	text[LANG_LINE_MAX + 1] = '\0';
	ck_assert(!lang_parse_line(text, "f", 7, &l, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "at most 65536 bytes"));
}
END_TEST

START_TEST(defaults_are_those_of_the_header)
{
	struct lang_line l = parse("scenario name=a");
	const struct lang_scenario *s = &l.u.scenario;

	ck_assert_uint_eq(s->vcpus, 1);
	ck_assert_uint_eq(s->manual, 0);
	ck_assert_int_eq(s->eager, -1);
	ck_assert_int_eq(s->nx, LANG_NX_UNSET);
	ck_assert(s->zapall && s->trace && s->code && !s->racy && !s->raw);
	ck_assert_uint_eq(s->chunk, 0);
	ck_assert_uint_eq(s->ring, 0);
	ck_assert_str_eq(s->policy, "");
	lang_line_clear(&l);
	l = parse("guest read vcpu=0 gpa=0x0");
	ck_assert_uint_eq(l.u.guest.n, 1);
	ck_assert_uint_eq(l.u.guest.stride, 0x1000);
	lang_line_clear(&l);
}
END_TEST

START_TEST(copy_owns_its_own_strings)
{
	struct lang_line l = parse("op clear_dirty slot=0 first=0 n=64 pages=1,3-5");
	struct lang_line copy;

	lang_line_copy(&copy, &l);
	ck_assert(same_line(&l, &copy));
	ck_assert_ptr_ne(copy.u.log.ranges, l.u.log.ranges);
	lang_line_clear(&l);
	ck_assert_uint_eq(copy.u.log.ranges[1].end, 6);
	lang_line_clear(&copy);
}
END_TEST

START_TEST(values_are_found_in_observations)
{
	static const char text[] = "tab gfn=0x1 n=0x2 size=4k to=m0+0x0 perm=rwx";
	g_autofree char *n = lang_obs_value(text, "n");
	g_autofree char *perm = lang_obs_value(text, "perm");

	ck_assert_str_eq(n, "0x2");
	ck_assert_str_eq(perm, "rwx");
	ck_assert_ptr_null(lang_obs_value(text, "fn"));
}
END_TEST

START_TEST(errno_names_go_both_ways)
{
	ck_assert_str_eq(lang_errno_name(-EINVAL), "EINVAL");
	ck_assert_str_eq(lang_errno_name(ENOENT), "ENOENT");
	ck_assert_ptr_null(lang_errno_name(100000));
	ck_assert_int_eq(lang_errno_from_name("EFAULT"), EFAULT);
	ck_assert_int_eq(lang_errno_from_name("EFAUL"), 0);
}
END_TEST

START_TEST(kind_names_are_the_first_words)
{
	for (const struct lang_shape *s = lang_shapes(); s->word; s++) {
		g_autofree char *words = g_strjoin(" ", s->word, s->verb, NULL);

		ck_assert_str_eq(lang_kind_name(s->kind), words);
	}
}
END_TEST

/* L1 and L2 for a recorded line. */
static void check_recorded(const char *line, const char *path)
{
	struct lang_line l = parse(line);
	g_autoptr(GString) text = g_string_new(NULL);

	lang_print_line(&l, text);
	if (*line != '#' && strcmp(text->str, line) != 0)
		ck_abort_msg("%s: '%s' became '%s'", path, line, text->str);
	check_inverse(&l, path);
	lang_line_clear(&l);
}

/* The lines of a file that no file before had; most stand many times in the records. */
static void check_file(const char *path, GHashTable *seen)
{
	g_autofree char *data = NULL;
	size_t len;
	char *nl;

	ck_assert_msg(g_file_get_contents(path, &data, &len, NULL), "cannot read %s", path);
	for (char *line = data; (nl = memchr(line, '\n', len)); line = nl + 1) {
		*nl = '\0';
		len -= (size_t)(nl + 1 - line);
		if (g_hash_table_add(seen, g_strdup(line)))
			check_recorded(line, path);
	}
}

static void check_folder(const char *path, GHashTable *seen)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	ck_assert_msg(dir != NULL, "cannot open %s", path);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		if (g_str_has_suffix(name, "known-differences.txt"))
			continue;
		if (g_str_has_suffix(name, ".txt") || g_str_has_suffix(name, ".scn"))
			check_file(file, seen);
	}
}

START_TEST(recorded_lines_are_reproduced)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	check_folder(S2_SOURCE_DIR "/traces/oracle", seen);
	check_folder(S2_SOURCE_DIR "/traces/oracle/random", seen);
	ck_assert_uint_gt(g_hash_table_size(seen), 10000);
}
END_TEST

/* A small generator of our own: the same lines on every machine. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t draw_below(uint64_t *state, uint64_t limit)
{
	g_assert(limit != 0);
	return draw(state) % limit;
}

/* Small numbers as often as large ones. */
static uint64_t draw_number(uint64_t *state, uint64_t min, uint64_t max)
{
	uint64_t v = draw(state) >> draw_below(state, 64);

	if (max - min == UINT64_MAX)
		return v;
	return min + v % (max - min + 1);
}

static void draw_name(uint64_t *state, char *s, size_t size, bool wide)
{
	static const char chars[] = "abcXYZ019_.-+=,:/@";
	size_t nr_chars = wide ? strlen(chars) : strlen("abcXYZ019_.-");
	size_t len = 1 + draw_below(state, size - 1);

	memset(s, 0, size);
	for (size_t i = 0; i < len; i++)
		s[i] = chars[draw_below(state, nr_chars)];
	if (strcmp(s, "none") == 0 || strncmp(s, "0x", 2) == 0)
		s[0] = 'n';
}

static void draw_loc(uint64_t *state, struct lang_loc *loc, bool is_hva)
{
	memset(loc, 0, sizeof(*loc));
	loc->is_hva = is_hva;
	if (is_hva) {
		loc->hva = draw_number(state, 0, UINT64_MAX);
		return;
	}
	draw_name(state, loc->map, sizeof(loc->map), false);
	loc->off = draw_number(state, 0, UINT32_MAX);
}

static void draw_log(uint64_t *state, struct lang_log *log)
{
	uint64_t at;

	log->first = draw_number(state, 0, UINT32_MAX);
	log->n = 64 * (1 + draw_below(state, 100));
	log->all = draw_below(state, 2);
	if (log->all)
		return;
	log->ranges = g_new0(struct lang_range, 4);
	at = log->first;
	for (unsigned i = 0; i < 4; i++) {
		log->ranges[i].start = at + draw_below(state, 8);
		log->ranges[i].end = log->ranges[i].start + 1 + draw_below(state, 8);
		at = log->ranges[i].end;
	}
	log->nr_ranges = 4;
}

static void draw_choice(uint64_t *state, struct lang_line *l, const struct lang_field *f)
{
	unsigned nr = 0;

	while (f->choices[nr].word)
		nr++;
	lang_field_set(l, f, f->choices[draw_below(state, nr)].value);
}

static void draw_field(uint64_t *state, struct lang_line *l, const struct lang_field *f)
{
	switch (f->type) {
	case FIELD_DEC:
	case FIELD_HEX:
	case FIELD_TIME:
		lang_field_set(l, f, draw_number(state, f->min, f->max));
		break;
	case FIELD_CHOICE:
		draw_choice(state, l, f);
		break;
	case FIELD_NAME:
	case FIELD_TEXT:
		draw_name(state, lang_field_at(l, f), f->size, f->type == FIELD_TEXT);
		break;
	case FIELD_LOC:
	case FIELD_HVA:
		draw_loc(state, lang_field_at(l, f), f->type == FIELD_HVA);
		break;
	case FIELD_BITMAP:
		l->u.region.has_bitmap = true;
		draw_loc(state, &l->u.region.bitmap, draw_below(state, 2));
		l->u.region.bitmap.off = 0;
		break;
	case FIELD_FLAGS:
		l->u.region.flags = (uint32_t)draw_number(state, 0, UINT32_MAX);
		break;
	case FIELD_PAGES:
		draw_log(state, &l->u.log);
		break;
	case FIELD_VCPUS:
		l->u.guest.vcpu_mask = draw_number(state, 1, (UINT64_C(1) << LANG_VCPUS_MAX) - 1);
		break;
	}
}

/* Who moves, and what may be said of it: line= or pick= of one move, nothing of a rule's. */
static void draw_mover(uint64_t *state, struct lang_sched *s)
{
	static const unsigned below[LANG_MOVERS] = { LANG_VCPUS_MAX,   LANG_THREADS_MAX,
						     LANG_THREADS_MAX, LANG_VCPUS_MAX,
						     LANG_THREADS_MAX, LANG_THREADS_MAX,
						     LANG_VCPUS_MAX,   1 };

	s->mover = (enum lang_mover)draw_below(state, LANG_MOVERS);
	s->who = (unsigned)draw_below(state, below[s->mover]);
	if (s->mover >= LANG_MOVER_STORE_VCPU) {
		memset(s->at, 0, sizeof(s->at));
		s->line = 0;
	}
	if (s->n > 1 || s->mover >= LANG_MOVER_ACK)
		s->line = s->pick = 0;
	if (s->line)
		s->pick = 0;
}

/* What only makes sense together. */
static void tame(uint64_t *state, struct lang_line *l)
{
	if (l->kind >= LANG_HOST_TOUCH && l->kind <= LANG_HOST_AGE)
		l->u.host.len = draw_number(state, 1, UINT32_MAX);
	if (l->kind == LANG_SCHED)
		draw_mover(state, &l->u.sched);
	if (l->kind >= LANG_GUEST_NOP && l->kind <= LANG_GUEST_UNSPIN)
		l->when.by = 0;
	if (l->kind < LANG_GUEST_READ || l->kind > LANG_GUEST_EXEC)
		return;
	l->u.guest.gpa >>= 1;
	l->u.guest.stride = draw_number(state, 0, 0x1000000);
	l->u.guest.vstride = draw_number(state, 0, 0x1000000);
	l->u.guest.over = draw_number(state, 1, UINT32_MAX);
}

static void draw_line(uint64_t *state, const struct lang_shape *shape, struct lang_line *l)
{
	memset(l, 0, sizeof(*l));
	l->kind = shape->kind;
	for (const struct lang_field *f = shape->fields; f && f->key; f++) {
		bool is_number = f->type == FIELD_DEC || f->type == FIELD_HEX ||
				 f->type == FIELD_CHOICE || f->type == FIELD_TIME;

		if (f->need == NEED_NO && draw_below(state, 2)) {
			if (is_number)
				lang_field_set(l, f, f->dflt);
			continue;
		}
		if (f->need == NEED_EITHER && f->type == FIELD_HVA && draw_below(state, 2))
			continue;
		draw_field(state, l, f);
	}
	tame(state, l);
}

/* Each run of the two tests below takes the seeds _i * SEEDS to _i * SEEDS + SEEDS - 1. */
enum { SEEDS = 50 };

static void check_random_lines(unsigned seed)
{
	for (const struct lang_shape *shape = lang_shapes(); shape->word; shape++) {
		uint64_t state = seed;
		g_autofree char *note =
			g_strdup_printf("seed %u, %s", seed, lang_kind_name(shape->kind));
		struct lang_line l;

		draw_line(&state, shape, &l);
		check_inverse(&l, note);
		lang_line_clear(&l);
	}
}

/* A good line with a few bytes changed: refused, or understood in a way that prints the same. */
static void check_damaged_line(uint64_t *state, size_t i, const char *note)
{
	g_autofree char *text = g_strdup(lang_good[i].text);
	g_autoptr(GError) error = NULL;
	size_t len = strlen(text);
	struct lang_line l;

	for (unsigned k = 0; len && k < 2; k++)
		text[draw_below(state, len)] = (char)(1 + draw_below(state, 127));
	if (lang_parse_line(text, "f", 7, &l, &error))
		check_inverse(&l, note);
	else if (!error || l.text || l.kind != LANG_BLANK)
		ck_abort_msg("%s: refused without an error or not empty: '%s'", note, text);
	lang_line_clear(&l);
}

START_TEST(random_lines_survive_printing_and_parsing)
{
	for (unsigned seed = 0; seed < SEEDS; seed++)
		check_random_lines((unsigned)_i * SEEDS + seed);
}
END_TEST

START_TEST(damaged_lines_are_refused_or_consistent)
{
	for (unsigned n = 0; n < SEEDS; n++) {
		unsigned seed = (unsigned)_i * SEEDS + n;
		uint64_t state = seed;

		for (size_t i = 0; i < nr_lang_good; i++) {
			g_autofree char *note = g_strdup_printf("seed %u, line %zu", seed, i);

			check_damaged_line(&state, i, note);
		}
	}
}
END_TEST

static Suite *lang_suite(void)
{
	Suite *s = suite_create("lang");
	TCase *pairs = tcase_create("pairs");
	TCase *properties = tcase_create("properties");

	tcase_add_loop_test(pairs, good_lines_have_their_canonical_text, 0, (int)nr_lang_good);
	tcase_add_loop_test(pairs, bad_lines_are_refused_with_their_message, 0, (int)nr_lang_bad);
	tcase_add_test(pairs, good_line_of_greatest_length_and_bad_longer_one);
	tcase_add_test(pairs, defaults_are_those_of_the_header);
	tcase_add_test(pairs, copy_owns_its_own_strings);
	tcase_add_test(pairs, values_are_found_in_observations);
	tcase_add_test(pairs, errno_names_go_both_ways);
	tcase_add_test(pairs, kind_names_are_the_first_words);
	suite_add_tcase(s, pairs);
	tcase_set_timeout(properties, 60);
	tcase_add_test(properties, recorded_lines_are_reproduced);
	tcase_add_loop_test(properties, random_lines_survive_printing_and_parsing, 0, 10);
	tcase_add_loop_test(properties, damaged_lines_are_refused_or_consistent, 0, 10);
	suite_add_tcase(s, properties);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(lang_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
