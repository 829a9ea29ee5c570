/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Smaller counterexamples: what each edit does to a scenario, and what is left of a large one.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "harness/shrink.h"
#include "harness/shrink_priv.h"
#include "harness/tests/explore_text.h"

#define X86 "x86-6.12+machine=ept"

/* ---- edits ----------------------------------------------------------------------------------- */

/* Their places in shrink_edits[]. */
enum {
	VCPU,
	BLOCK,
	LINE,
	LIST,
	TIMES,
	NUMBER,
	SLOT,
	MAP,
	RANGE,
};

#define M0 "host map name=m0 size=0x4000 backing=anon\n"
#define R0 "op set_region slot=0 gpa=0x4000 size=0x4000 flags=none map=m0+0x0\n"

/* The lines below the scenario's first, before and after; .after NULL: the edit has nothing to do. */
static const struct {
	const char *before;
	unsigned int edit, place, way;
	const char *after;
} edits[] = {
	{ "guest write vcpu=0,2 gpa=0x0 vstride=0x1000\nguest nop vcpu=0\nguest read vcpu=1 "
	  "gpa=0x0\n",
	  VCPU, 0, 0, "guest write vcpu=1 gpa=0x1000\nguest read vcpu=0 gpa=0x0\n" },
	{ "guest write vcpu=0-2 gpa=0x0 vstride=0x1000\nguest nop vcpu=1\n", VCPU, 1, 0,
	  "guest write vcpu=0,1 gpa=0x0 vstride=0x1000\n" },
	{ "guest nop vcpu=0\nop dump\n", VCPU, 2, 0, "guest nop vcpu=0\nop dump\n" },
	{ "guest write vcpu=0-2 gpa=0x0 vstride=0x1000\n", LIST, 0, 0,
	  "guest write vcpu=1,2 gpa=0x1000 vstride=0x1000\n" },
	{ "guest write vcpu=0,1 gpa=0x0\n", LIST, 0, 1, "guest write vcpu=0 gpa=0x0\n" },
	{ "guest write vcpu=0,1 gpa=0x0\n", LIST, 0, 2, NULL },
	{ "guest write vcpu=1 gpa=0x0\n", LIST, 0, 1, NULL },
	{ "op dump\n", LIST, 0, 0, NULL },
	{ "par\nop dump\njoin\nop dump\npar\nguest nop vcpu=0\njoin\n", BLOCK, 0, 0,
	  "op dump\npar\nguest nop vcpu=0\njoin\n" },
	{ "par\nchoose n=1\nop dump\nendchoose\nop dump\njoin\n", BLOCK, 1, 0,
	  "par\nop dump\njoin\n" },
	{ "par\nop dump\njoin\n", BLOCK, 1, 0, NULL },
	{ "par\nchoose n=1\nop dump\nendchoose\nop reset_rings\njoin\n", LINE, 1, 0,
	  "par\nop dump\nop reset_rings\njoin\n" },
	{ "par\nchoose n=1\nop dump\nendchoose\njoin\n", LINE, 3, 0, NULL },
	{ "par\nop dump\njoin\n", LINE, 0, 0, NULL },
	{ "par\nop dump\njoin\n", LINE, 2, 0, NULL },
	{ "par\nop dump\njoin\n", LINE, 1, 0, "par\njoin\n" },
	/* a mapping stays while a line names it */
	{ M0 R0, LINE, 0, 0, NULL },
	{ M0 "host munmap map=m0+0x0 len=0x1000\n", LINE, 0, 0, NULL },
	{ M0 "op dump\n", LINE, 0, 0, "op dump\n" },
	{ "guest nop vcpu=0 repeat=9\n", TIMES, 0, 0, "guest nop vcpu=0\n" },
	{ "guest nop vcpu=0 repeat=9\n", TIMES, 0, 1, "guest nop vcpu=0 repeat=4\n" },
	{ "guest nop vcpu=0 repeat=9\n", TIMES, 0, 2, "guest nop vcpu=0 repeat=8\n" },
	{ "guest nop vcpu=0 repeat=3\n", TIMES, 0, 1, NULL },
	{ "guest nop vcpu=0 repeat=3\n", TIMES, 0, 2, "guest nop vcpu=0 repeat=2\n" },
	{ "guest nop vcpu=0 repeat=2\n", TIMES, 0, 2, NULL },
	{ "guest nop vcpu=0\n", TIMES, 0, 0, NULL },
	{ "par\n", TIMES, 0, 0, NULL },
	{ "guest write vcpu=0 gpa=0x0 n=5\n", NUMBER, 0, 1, "guest write vcpu=0 gpa=0x0 n=2\n" },
	{ "op user_bit map=b0 page=0x0 n=2 value=1\n", NUMBER, 0, 0,
	  "op user_bit map=b0 page=0x0 value=1\n" },
	{ "choose n=2\n", NUMBER, 0, 0, "choose n=1\n" },
	{ R0, NUMBER, 0, 0, NULL },
	/* a slot keeps its size from line to line, and a CLEAR ends with it */
	{ M0 R0 "op set_region slot=0 gpa=0x4000 size=0 flags=none map=m0+0x0\n"
		"op set_region slot=1 gpa=0x0 size=0x4000 flags=none map=m0+0x0\n"
		"op set_region slot=0 gpa=0x8000 size=0x4000 flags=log map=m0+0x0\n"
		"op clear_dirty slot=0 first=0x0 n=0x4 pages=0x0,0x1-0x2\n",
	  SLOT, 1, 1,
	  M0 "op set_region slot=0 gpa=0x4000 size=0x2000 flags=none map=m0+0x0\n"
	     "op set_region slot=0 gpa=0x4000 size=0 flags=none map=m0+0x0\n"
	     "op set_region slot=1 gpa=0x0 size=0x4000 flags=none map=m0+0x0\n"
	     "op set_region slot=0 gpa=0x8000 size=0x2000 flags=log map=m0+0x0\n"
	     "op clear_dirty slot=0 first=0x0 n=0x2 pages=0x0,0x1\n" },
	{ M0 R0, SLOT, 1, 0,
	  M0 "op set_region slot=0 gpa=0x4000 size=0x1000 flags=none map=m0+0x0\n" },
	{ M0 R0, SLOT, 1, 3,
	  M0 "op set_region slot=0 gpa=0x7000 size=0x1000 flags=none map=m0+0x3000\n" },
	{ M0 R0, SLOT, 1, 5,
	  M0 "op set_region slot=0 gpa=0x5000 size=0x3000 flags=none map=m0+0x1000\n" },
	{ "op set_region slot=0 gpa=0x0 size=0x2000 flags=none hva=0x10000\n", SLOT, 0, 3,
	  "op set_region slot=0 gpa=0x1000 size=0x1000 flags=none hva=0x11000\n" },
	{ M0 R0 "op clear_dirty slot=0 first=0x2 n=0x2 pages=all\n", SLOT, 1, 1, NULL },
	{ M0 R0 "op clear_dirty slot=0 first=0x0 n=0x4 pages=0x3\n", SLOT, 1, 1, NULL },
	{ M0 R0 R0, SLOT, 2, 1, NULL },
	{ "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x0\n", SLOT, 0, 0, NULL },
	{ "op set_region slot=0 gpa=0x0 size=0x1800 flags=none map=m0+0x0\n", SLOT, 0, 0, NULL },
	{ M0 "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x1000\n", MAP, 0, 1,
	  "host map name=m0 size=0x2000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x1000\n" },
	{ M0 "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x1000\n", MAP, 0, 0,
	  NULL },
	{ M0 "host munmap map=m0+0x3000 len=0x1000\n", MAP, 0, 2, NULL },
	{ M0 "host munmap map=m0+0x0 len=0x3000\n", RANGE, 1, 0,
	  M0 "host munmap map=m0+0x0 len=0x1000\n" },
	{ "host touch map=m0+0x0 len=0x3000 mode=w\n", RANGE, 0, 2,
	  "host touch map=m0+0x0 len=0x2000 mode=w\n" },
	{ R0, RANGE, 0, 0, NULL },
};

static void line_free(void *line)
{
	lang_line_clear(line);
	g_free(line);
}

static struct draft draft_of(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	struct draft d = { .scenario = { .vcpus = 3 } };

	d.lines = g_ptr_array_new_with_free_func(line_free);
	for (char **l = lines; **l; l++) {
		struct lang_line *line = g_new(struct lang_line, 1);
		GError *error = NULL;

		ck_assert_msg(lang_parse_line(*l, "t", 1, line, &error), "%s",
			      error ? error->message : "");
		g_ptr_array_add(d.lines, line);
	}
	return d;
}

static GString *text_of(const GPtrArray *lines)
{
	GString *out = g_string_new(NULL);

	for (guint i = 0; i < lines->len; i++) {
		lang_print_line(g_ptr_array_index(lines, i), out);
		g_string_append_c(out, '\n');
	}
	return out;
}

START_TEST(an_edit_takes_something_away)
{
	struct shrink_at at = { .place = edits[_i].place, .way = edits[_i].way, .page = 0x1000 };
	const struct shrink_edit *e = &shrink_edits[edits[_i].edit];
	struct draft d = draft_of(edits[_i].before);
	bool done = e->apply(&d, &at);
	g_autoptr(GString) text = text_of(d.lines);

	ck_assert_uint_lt(at.way, e->ways);
	ck_assert(done == (edits[_i].after != NULL));
	if (done)
		ck_assert_str_eq(text->str, edits[_i].after);
	ck_assert_uint_eq(d.scenario.vcpus, done && e->of_vcpus ? 2 : 3);
	g_ptr_array_unref(d.lines);
}
END_TEST

START_TEST(each_edit_has_a_case)
{
	for (unsigned int e = 0; shrink_edits[e].apply; e++) {
		bool found = false;

		for (size_t i = 0; i < G_N_ELEMENTS(edits); i++)
			found |= edits[i].edit == e && edits[i].after;
		ck_assert_msg(found, "edit %u", e);
	}
}
END_TEST

/* ---- whole scenarios -------------------------------------------------------------------------- */

/* The last vCPU's page of the second slot is all that matters. */
#define LARGE                                                                                      \
	"scenario name=large vcpus=3 code=0 geom=ept-1x3 inject=skip-zap\n"                        \
	"scope slots=3\n"                                                                          \
	"host map name=m0 size=0x4000 backing=anon\n"                                              \
	"host map name=m1 size=0x4000 backing=anon\n"                                              \
	"host map name=m2 size=0x1000 backing=anon\n"                                              \
	"host touch map=m1+0x0 len=0x2000 mode=w\n"                                                \
	"op set_region slot=0 gpa=0x4000 size=0x4000 flags=none map=m0+0x0\n"                      \
	"op set_region slot=1 gpa=0x0 size=0x4000 flags=none map=m1+0x0\n"                         \
	"guest write vcpu=0,1 gpa=0x4000 vstride=0x1000 n=2\n"                                     \
	"guest read vcpu=0-2 gpa=0x0 vstride=0x1000\n"                                             \
	"par\n"                                                                                    \
	"guest write vcpu=2 gpa=0x3000 repeat=2\n"                                                 \
	"op set_region slot=1 gpa=0x0 size=0 flags=none map=m1+0x0\n"                              \
	"op get_dirty slot=0\n"                                                                    \
	"join\n"                                                                                   \
	"op dump\n"

static GString *shrunk_text(const struct shrunk *s)
{
	GString *out = text_of(s->lines);

	g_string_append_printf(out, "%u %u %u %u %u %" G_GUINT64_FORMAT " %u", s->scenario.vcpus,
			       s->lines_before, s->lines_after, s->vcpus_before, s->tried,
			       s->states, s->finding->path->len);
	return out;
}

START_TEST(what_is_left_shows_the_same_and_nothing_more_can_go)
{
	struct shrunk *s, *again;
	struct text_explore t;

	text_explore_under(&t, LARGE, X86);
	text_explore_find(&t);
	s = shrink(&t.cfg, t.f);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->finding->inv, t.f->inv);
	ck_assert_uint_le(s->finding->path->len, t.f->path->len);
	ck_assert_uint_eq(s->lines_before, 14);
	ck_assert_uint_eq(s->lines_after, s->lines->len);
	ck_assert_uint_lt(s->lines_after, s->lines_before);
	ck_assert_uint_eq(s->vcpus_before, 3);
	ck_assert_uint_eq(s->scenario.vcpus, 1);
	ck_assert(!s->stopped);
	/* the shrunk scenario is one of its own */
	again = shrink(&s->cfg, s->finding);
	ck_assert_ptr_null(again);
	shrunk_free(s);
	text_explore_fini(&t);
}
END_TEST

START_TEST(only_what_matters_is_left)
{
	static const char after[] =
		"host map name=m1 size=0x1000 backing=anon\n"
		"op set_region slot=1 gpa=0x0 size=0x1000 flags=none map=m1+0x0\n"
		"guest read vcpu=0 gpa=0x0\n"
		"par\n"
		"op set_region slot=1 gpa=0x0 size=0 flags=none map=m1+0x0\n"
		"join\n";
	g_autoptr(GString) text = NULL;
	struct shrunk *s;
	struct text_explore t;

	text_explore_under(&t, LARGE, X86);
	text_explore_find(&t);
	s = shrink(&t.cfg, t.f);
	text = text_of(s->lines);
	ck_assert_str_eq(text->str, after);
	shrunk_free(s);
	text_explore_fini(&t);
}
END_TEST

START_TEST(it_is_the_same_each_time_and_for_any_number_of_threads)
{
	g_autoptr(GString) first = NULL;

	for (unsigned int jobs = 1; jobs <= 3; jobs++) {
		g_autoptr(GString) text = NULL;
		struct shrunk *s;
		struct text_explore t;

		text_explore_under(&t, LARGE, X86);
		t.cfg.jobs = jobs;
		text_explore_find(&t);
		s = shrink(&t.cfg, t.f);
		text = shrunk_text(s);
		if (first)
			ck_assert_str_eq(first->str, text->str);
		else
			first = g_steal_pointer(&text);
		shrunk_free(s);
		text_explore_fini(&t);
	}
}
END_TEST

/* Each of its lines is needed. */
START_TEST(what_is_small_stays)
{
	static const char text[] =
		"scenario name=small code=0 geom=ept-1x2 inject=skip-zap\n"
		"host map name=m1 size=0x1000 backing=anon\n"
		"op set_region slot=1 gpa=0x0 size=0x1000 flags=none map=m1+0x0\n"
		"guest read vcpu=0 gpa=0x0\n"
		"par\n"
		"op set_region slot=1 gpa=0x0 size=0x0 flags=none map=m1+0x0\n"
		"join\n";
	struct text_explore t;

	text_explore_under(&t, text, X86);
	text_explore_find(&t);
	ck_assert_ptr_null(shrink(&t.cfg, t.f));
	text_explore_fini(&t);
}
END_TEST

/* A write that no log has needs a harvest; what is violated first must stay what it was. */
START_TEST(another_invariant_is_not_the_same)
{
	static const char text[] = "scenario name=lost code=0 geom=ept-1x2 inject=skip-dirty-mark\n"
				   "host map name=m0 size=0x1000 backing=anon\n"
				   "op set_region slot=0 gpa=0x0 size=0x1000 flags=log map=m0+0x0\n"
				   "par\n"
				   "guest write vcpu=0 gpa=0x0\n"
				   "op get_dirty slot=0\n"
				   "op get_dirty slot=0\n"
				   "op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0\n"
				   "join\n";
	bool harvests = false;
	struct shrunk *s;
	struct text_explore t;

	text_explore_under(&t, text, X86);
	text_explore_find(&t);
	ck_assert_int_eq(t.f->inv, INV_DIRTY);
	s = shrink(&t.cfg, t.f);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->finding->inv, INV_DIRTY);
	for (guint i = 0; i < s->lines->len; i++)
		harvests |= ((struct lang_line *)g_ptr_array_index(s->lines, i))->kind ==
			    LANG_OP_GET_DIRTY;
	ck_assert(harvests);
	ck_assert_uint_eq(s->lines_after, 6);
	shrunk_free(s);
	text_explore_fini(&t);
}
END_TEST

/* A cycle is a matter of all orders: the search behind it has to end. */
START_TEST(endless_retries_become_smaller_too)
{
	static const char text[] =
		"scenario name=huge code=0 geom=arm64-1x2 inject=skip-tlbi\n"
		"scope invariants=INV-PROG\n"
		"host map name=m0 size=0x2000 backing=thp\n"
		"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
		"par\n"
		"guest write vcpu=0 gpa=0x0\n"
		"guest write vcpu=0 gpa=0x1000\n"
		"host madvise map=m0+0x0 len=0x1000 advice=dontneed\n"
		"host madvise map=m0+0x0 len=0x2000 advice=collapse\n"
		"join\n";
	const uint64_t prog = BIT(INV_PROG);
	struct shrunk *s;
	struct text_explore t;

	text_explore_under(&t, text, "arm64-6.12");
	t.cfg.invariants = &prog;
	text_explore_find(&t);
	ck_assert_int_eq(t.f->inv, INV_PROG);
	s = shrink(&t.cfg, t.f);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->finding->inv, INV_PROG);
	ck_assert_uint_le(s->finding->path->len, t.f->path->len);
	ck_assert_uint_lt(s->lines_after, s->lines_before);
	shrunk_free(s);
	text_explore_fini(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shrink");
	TCase *edit = tcase_create("edits"), *whole = tcase_create("whole");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(edit, an_edit_takes_something_away, 0, G_N_ELEMENTS(edits));
	tcase_add_test(edit, each_edit_has_a_case);
	suite_add_tcase(s, edit);
	tcase_set_timeout(whole, 120);
	tcase_add_test(whole, what_is_left_shows_the_same_and_nothing_more_can_go);
	tcase_add_test(whole, only_what_matters_is_left);
	tcase_add_test(whole, it_is_the_same_each_time_and_for_any_number_of_threads);
	tcase_add_test(whole, what_is_small_stays);
	tcase_add_test(whole, another_invariant_is_not_the_same);
	tcase_add_test(whole, endless_retries_become_smaller_too);
	suite_add_tcase(s, whole);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
