/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explorer: the same answer for any number of threads and either order, shortest paths, bounds, deadlocks
 * and endless retries, and refusals.
 */
#include <string.h>

#include <check.h>

#include "harness/tests/explore_text.h"

#define SLOT                                                                                       \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"host touch map=m0+0x0 len=0x2000 mode=w\n"                                                \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
#define HEADER "scenario name=x vcpus=1 code=0 geom=ept-1x2 policy=x86-6.12+machine=ept"
#define UNMAP                                                                                      \
	HEADER "\n" SLOT "par\n"                                                                   \
	       "guest write vcpu=0 gpa=0x0 repeat=2\n"                                             \
	       "host madvise map=m0+0x0 len=0x1000 advice=dontneed\n"                              \
	       "join\n"
#define LOG                                                                                        \
	HEADER "\n" SLOT "par\n"                                                                   \
	       "guest write vcpu=0 gpa=0x0\n"                                                      \
	       "op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                   \
	       "op get_dirty slot=0\n"                                                             \
	       "join\n"

static void inject(struct text_explore *t, const char *name)
{
	g_strlcpy(t->scenario.inject, name, sizeof(t->scenario.inject));
}

static const struct explore_finding *first(const struct explore_result *r)
{
	ck_assert_uint_gt(r->findings->len, 0);
	return g_ptr_array_index(r->findings, 0);
}

static void same_paths(const struct explore_finding *a, const struct explore_finding *b)
{
	ck_assert_int_eq(a->inv, b->inv);
	ck_assert_uint_eq(a->path->len, b->path->len);
	ck_assert_mem_eq(a->path->data, b->path->data, a->path->len * sizeof(struct move));
	ck_assert_uint_eq(a->states, b->states);
}

/* Good policies hold, and states, transitions and depth do not depend on the number of threads. */
START_TEST(threads_change_nothing)
{
	static const char *const texts[] = { UNMAP, LOG };
	struct explore_result *one, *many;
	struct text_explore t;

	text_explore_init(&t, texts[_i / 3]);
	one = text_explore_run(&t);
	t.cfg.jobs = 2U + (unsigned int)_i % 3;
	many = text_explore_run(&t);
	ck_assert(one->complete && many->complete);
	ck_assert_uint_eq(one->findings->len, 0);
	ck_assert_uint_eq(many->findings->len, 0);
	ck_assert_uint_eq(one->states, many->states);
	ck_assert_uint_eq(one->transitions, many->transitions);
	ck_assert_uint_eq(one->depth, many->depth);
	explore_result_free(one);
	explore_result_free(many);
	text_explore_fini(&t);
}
END_TEST

START_TEST(threads_find_the_same)
{
	struct explore_result *one, *many;
	struct text_explore t;

	text_explore_init(&t, UNMAP);
	inject(&t, "skip-retry-check");
	one = text_explore_run(&t);
	t.cfg.jobs = 2U + (unsigned int)_i;
	many = text_explore_run(&t);
	same_paths(first(one), first(many));
	explore_result_free(one);
	explore_result_free(many);
	text_explore_fini(&t);
}
END_TEST

/* Both orders visit all states; breadth first finds no longer path than depth first. */
START_TEST(depth_first_agrees)
{
	struct explore_result *broad, *deep;
	struct text_explore t;

	text_explore_init(&t, _i ? LOG : UNMAP);
	broad = text_explore_run(&t);
	t.cfg.depth_first = true;
	deep = text_explore_run(&t);
	ck_assert(broad->complete && deep->complete);
	ck_assert_uint_eq(broad->states, deep->states);
	ck_assert_uint_eq(broad->transitions, deep->transitions);
	explore_result_free(broad);
	explore_result_free(deep);
	inject(&t, _i ? "skip-srcu-wait" : "skip-notifier-flush");
	deep = text_explore_run(&t);
	t.cfg.depth_first = false;
	broad = text_explore_run(&t);
	ck_assert_uint_le(first(broad)->path->len, first(deep)->path->len);
	explore_result_free(broad);
	explore_result_free(deep);
	text_explore_fini(&t);
}
END_TEST

/* Nothing is found below a violation's depth; what is nearer than the bound is seen, whatever it cost. */
START_TEST(a_bound_of_depth_ends_paths)
{
	struct explore_result *r, *first_one;
	struct text_explore t;
	uint32_t len;

	text_explore_init(&t, UNMAP);
	inject(&t, "skip-notifier-flush");
	first_one = text_explore_run(&t);
	len = first(first_one)->path->len;
	t.cfg.max_depth = len - 1;
	r = text_explore_run(&t);
	ck_assert_uint_eq(r->findings->len, 0);
	ck_assert(!r->complete);
	ck_assert_uint_eq(r->depth, len - 1);
	explore_result_free(r);
	t.cfg.max_depth = len;
	r = text_explore_run(&t);
	same_paths(first(r), first(first_one));
	explore_result_free(r);
	t.cfg.depth_first = true; /* goes on elsewhere where a path ends */
	t.cfg.max_depth = len + 5;
	r = text_explore_run(&t);
	ck_assert_uint_le(r->depth, len + 5);
	ck_assert_uint_ge(first(r)->path->len, len);
	explore_result_free(r);
	explore_result_free(first_one);
	text_explore_fini(&t);
}
END_TEST

START_TEST(a_bound_is_not_a_verdict)
{
	struct explore_result *r;
	struct text_explore t;

	text_explore_init(&t, UNMAP);
	if (_i)
		t.cfg.max_depth = 10;
	else
		t.cfg.max_states = 100;
	r = text_explore_run(&t);
	ck_assert(!r->complete);
	ck_assert_str_eq(r->bound, _i ? "--max-depth" : "--max-states");
	explore_result_free(r);
	text_explore_fini(&t);
}
END_TEST

/* What is asked about decides what is found. */
START_TEST(invariants_can_be_chosen)
{
	uint64_t only = BIT(INV_I2);
	struct explore_result *r;
	struct text_explore t;

	text_explore_init(&t, UNMAP);
	inject(&t, "skip-retry-check");
	t.cfg.keep_going = true;
	t.cfg.invariants = &only;
	r = text_explore_run(&t);
	ck_assert_uint_eq(r->findings->len, 1);
	ck_assert_int_eq(first(r)->inv, INV_I2);
	explore_result_free(r);
	only = BIT(INV_I16);
	r = text_explore_run(&t);
	ck_assert_uint_eq(r->findings->len, 0);
	explore_result_free(r);
	text_explore_fini(&t);
}
END_TEST

/* Fewer transitions, no other verdict; that of all scenarios is test_explore.sh's. */
START_TEST(reduction_agrees)
{
	struct explore_result *full, *reduced;
	struct text_explore t;

	text_explore_init(&t, LOG);
	if (_i)
		inject(&t, "skip-srcu-wait");
	full = text_explore_run(&t);
	t.cfg.reduce = true;
	reduced = text_explore_run(&t);
	ck_assert_uint_eq(full->findings->len, reduced->findings->len);
	if (!_i)
		ck_assert_uint_lt(reduced->transitions, full->transitions);
	explore_result_free(full);
	explore_result_free(reduced);
	text_explore_fini(&t);
}
END_TEST

START_TEST(what_cannot_be_explored_is_refused)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{ "scenario name=x vcpus=1 policy=x86-6.12 geom=ept-1x2\n" SLOT "par\nguest nop "
		  "vcpu=0\njoin\n",
		  "expected code=0, found code=1" },
		{ HEADER " tlb=sized\n" SLOT "par\nguest nop vcpu=0\njoin\n",
		  "expected tlb=set or tlb=drop, found sized" },
		{ HEADER "\n" SLOT "par\nguest spin vcpu=0\njoin\n", "guest spin" },
		{ "scenario name=x vcpus=1 code=0 policy=x86-6.12 geom=ept4\n" SLOT
		  "par\nguest nop vcpu=0\njoin\n",
		  "expected a small granule, such as npt-2x2, found 'ept4'" },
		{ HEADER "\n" SLOT "par\nguest nop vcpu=0\nop param name=nx_huge_pages "
			 "value=force\njoin\n",
		  "7: expected parameters before the first `par`, found 'op param" },
		{ "scenario name=x vcpus=1 code=0 policy=x86-6.12 geom=ept-2x4\n" SLOT
		  "op set_region slot=1 gpa=0x3f000 size=0x2000 flags=none map=m0+0x0\n"
		  "par\nguest nop vcpu=0\njoin\n",
		  "5: expected slots below gfn 64, found one that ends at gfn 0x41" },
		{ HEADER " inject=skip-mmu-flush\n" SLOT "par\nguest nop vcpu=0\njoin\n", "x" },
	};
	struct text_explore t;
	GError *error = NULL;

	text_explore_init(&t, bad[_i].text);
	ck_assert_ptr_null(explore(&t.cfg, &error));
	ck_assert_msg(strstr(error->message, bad[_i].part) != NULL, "%s", error->message);
	g_error_free(error);
	text_explore_fini(&t);
}
END_TEST

/* Lines before the first `par` are looked at, too. */
START_TEST(the_set_up_is_judged)
{
	struct explore_result *r;
	struct text_explore t;

	text_explore_init(&t, LOG);
	if (_i)
		inject(&t, "generation-stuck");
	r = text_explore_run(&t);
	ck_assert_int_eq(r->setup_inv, _i ? INV_I26 : INV_NONE);
	ck_assert((r->setup_why != NULL) == (_i != 0));
	explore_result_free(r);
	text_explore_fini(&t);
}
END_TEST

/* A scope that is too small is an error, not a verdict about a smaller VM; one too large is, too. */
START_TEST(a_scope_that_does_not_fit_is_refused)
{
	static const struct setup_scope scopes[] = { { .tables = 3 },
						     { .tlb = 1 },
						     { .tables = 60000 } };
	static const char *const parts[] = { "--tables=3 used up", "--tlb=1 used up",
					     "expected a state of at most 256 KiB, found " };
	struct text_explore t;
	GError *error = NULL;

	text_explore_init(&t, UNMAP);
	t.cfg.scope = scopes[_i];
	ck_assert_ptr_null(explore(&t.cfg, &error));
	ck_assert_msg(strstr(error->message, parts[_i]) != NULL, "%s", error->message);
	g_error_free(error);
	text_explore_fini(&t);
}
END_TEST

/* Each line of a `choose` may come first, and n of them are run. */
START_TEST(any_order_is_tried)
{
	static const char *const texts[] = {
		HEADER "\n" SLOT "par\n"
		       "op get_dirty slot=0\nop get_dirty slot=0\nop get_dirty slot=0\njoin\n",
		HEADER "\n" SLOT "par\nchoose n=3 order=any\n"
		       "op get_dirty slot=0\nop get_dirty slot=0\nop get_dirty slot=0\nendchoose\n"
		       "join\n",
		HEADER "\n" SLOT "par\nchoose n=2 order=fixed\n"
		       "op get_dirty slot=0\nop get_dirty slot=0\nop get_dirty slot=0\nendchoose\n"
		       "join\n",
	};
	/* sets of lines that were run, and with each those that run next (slots_lock is a boundary) */
	static const uint64_t states[] = { 4 + 3, 8 + 12, 4 + 5 };
	struct explore_result *r;
	struct text_explore t;

	text_explore_init(&t, texts[_i]);
	r = text_explore_run(&t);
	ck_assert(r->complete);
	ck_assert_uint_eq(r->states, states[_i]);
	explore_result_free(r);
	text_explore_fini(&t);
}
END_TEST

#define TWO_SLOTS(flush)                                                                           \
	HEADER flush "\nhost map name=m0 size=0x2000 backing=anon\n"                               \
		     "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x0\n"            \
		     "op set_region slot=1 gpa=0x1000 size=0x1000 flags=none map=m0+0x1000\n"      \
		     "guest write vcpu=0 gpa=0x0 n=2\npar\nguest write vcpu=0 gpa=0x1000\n"        \
		     "op set_region slot=0 gpa=0x0 size=0 flags=none map=m0+0x0\njoin\n"

/* Work that was not needed is counted where it is done, and only there. */
START_TEST(lints_count_needless_work)
{
	static const struct {
		const char *text;
		bool met[NR_LINTS]; /* FLUSH, PROTECT, ZAP */
	} cases[] = {
		{ UNMAP, { true, false, false } },
		{ TWO_SLOTS(""), { false, false, true } },
		{ TWO_SLOTS("+slot-flush=zap-slot-leafs"), { false, false, false } },
		{ "scenario name=x vcpus=1 policy=arm64-6.12 code=0 geom=arm64-1x2 chunk=0x2000\n"
		  "host map name=m0 size=0x4000 backing=thp\n"
		  "host touch map=m0+0x0 len=0x4000 mode=w\n"
		  "op set_region slot=0 gpa=0x0 size=0x4000 flags=none map=m0+0x0\n"
		  "guest write vcpu=0 gpa=0x0 n=4\npar\n"
		  "op set_region slot=0 gpa=0x0 size=0x4000 flags=log map=m0+0x0\njoin\n",
		  { false, true, false } },
	};
	struct explore_result *r;
	struct text_explore t;

	text_explore_init(&t, cases[_i].text);
	t.cfg.lints = true;
	r = text_explore_run(&t);
	for (unsigned int i = 0; i < NR_LINTS; i++)
		ck_assert_msg((r->lints[i].moves > 0) == cases[_i].met[i], "%s: %" G_GUINT64_FORMAT,
			      lint_name((enum lint)i), r->lints[i].moves);
	explore_result_free(r);
	t.cfg.lints = false;
	r = text_explore_run(&t);
	for (unsigned int i = 0; i < NR_LINTS; i++)
		ck_assert_uint_eq(r->lints[i].moves, 0);
	explore_result_free(r);
	text_explore_fini(&t);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("explore");
	TCase *t = tcase_create("explore");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, threads_change_nothing, 0, 6);
	tcase_add_loop_test(t, threads_find_the_same, 0, 3);
	tcase_add_loop_test(t, depth_first_agrees, 0, 2);
	tcase_add_test(t, a_bound_of_depth_ends_paths);
	tcase_add_loop_test(t, a_bound_is_not_a_verdict, 0, 2);
	tcase_add_test(t, invariants_can_be_chosen);
	tcase_add_loop_test(t, reduction_agrees, 0, 2);
	tcase_add_loop_test(t, what_cannot_be_explored_is_refused, 0, 6);
	tcase_add_loop_test(t, the_set_up_is_judged, 0, 2);
	tcase_add_loop_test(t, a_scope_that_does_not_fit_is_refused, 0, 3);
	tcase_add_loop_test(t, any_order_is_tried, 0, 3);
	tcase_add_loop_test(t, lints_count_needless_work, 0, 4);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
