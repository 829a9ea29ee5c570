/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What single operations cost in a run, against published measurements: the scenarios of
 * workloads/timed/costs.scn.  Bands are the published spread; a parameter that is fitted to one of them is
 * checked by another number of the same table.
 */
#include <stdlib.h>

#include <check.h>

#include "harness/tests/run_text.h"

static const char costs[] = "workloads/timed/costs.scn";

enum {
	PAGES_PER_GIB = 262144,
	BLOCKS_PER_GIB = 512,
};

/* One published time per operation. */
static const struct published {
	const char *scenario, *policy, *profile, *phase;
	uint64_t operations;
	uint64_t low_ps, high_ps;
	const char *source;
} published[] = {
	{ "write-protect", NULL, "intel-cascadelake", "measured", PAGES_PER_GIB, 1150000, 1250000,
	  "20210630214802.1902448-1-dmatlack@google.com: 0.3152 s, TDP MMU, lockless" },
	{ "not-present", NULL, "intel-cascadelake", "measured", PAGES_PER_GIB, 1200000, 1300000,
	  "Extend Eager Page Splitting to the shadow MMU v3, 2022: 0.3263 s, 2 vCPUs" },
	{ "split", NULL, "intel-cascadelake", "enable", BLOCKS_PER_GIB, 31000000, 34000000,
	  "20220119230739.2234394-1-dmatlack@google.com: 1.5469 s for 49,152 blocks" },
	{ "split", NULL, "intel-cascadelake", "harvest", PAGES_PER_GIB, 54000, 57000,
	  "the same: 1.3745 s for 25.17 M entries" },
	{ "split", NULL, "intel-cascadelake", "touch", PAGES_PER_GIB, 220000, 230000,
	  "shadow MMU series v3, eager split: 0.0586 s" },
	{ "permission", "arm64-6.1+fault-lock=perm-shared", "ampere-altra", "measured",
	  PAGES_PER_GIB, 1500000, 1560000, "J. Zhang, Jan 2022: 803 ms / 524,288, shared lock" },
	{ "permission", "arm64-6.1+fault-lock=exclusive", "ampere-altra", "measured", PAGES_PER_GIB,
	  1740000, 1800000, "J. Zhang, Jan 2022: 926 ms / 524,288, exclusive lock" },
};

START_TEST(an_operation_costs_what_was_measured)
{
	const struct published *p = &published[_i];
	struct text_run r;
	uint64_t each;

	text_run_init(&r, costs, p->scenario, p->policy, p->profile, NULL);
	text_run(&r);
	each = text_run_time(&r, p->phase) / p->operations;
	ck_assert_msg(each >= p->low_ps && each <= p->high_ps,
		      "%s, %s: expected %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
		      " ps (%s), found "
		      "%" G_GUINT64_FORMAT,
		      p->scenario, p->phase, p->low_ps, p->high_ps, p->source, each);
	text_run_fini(&r);
}
END_TEST

/* Time of one fault with many vCPUs, divided by their number: the length of what is serial. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): how many, and which */
static uint64_t serial_ps(const char *policy, const char *vcpus, const char *range, unsigned int nr)
{
	enum { PAGES = 4096 };
	struct define defs[] = { { "VCPUS", vcpus, false },
				 { "RANGE", range, false },
				 { "PAGES", "4096", false },
				 { NULL, NULL, false } };
	struct text_run r;
	uint64_t ps;

	text_run_init(&r, costs, "permission", policy, "ampere-altra", defs);
	text_run(&r);
	ps = text_run_time(&r, "measured") / PAGES / nr;
	text_run_fini(&r);
	return ps;
}

/* The same mail: 1.22 us (1.13 to 1.23) constant from 4 to 64 vCPUs, and 0.35 us (0.34 to 0.36) from 8 on. */
START_TEST(the_exclusive_lock_section_on_altra_is_constant)
{
	static const char policy[] = "arm64-6.1+fault-lock=exclusive";
	uint64_t at8 = serial_ps(policy, "8", "0-7", 8), at32 = serial_ps(policy, "32", "0-31", 32);

	ck_assert_uint_ge(at8, 1130000);
	ck_assert_uint_le(at8, 1230000);
	ck_assert_uint_ge(at32, 1130000);
	ck_assert_uint_le(at32, 1230000);
}
END_TEST

START_TEST(the_shared_lock_leaves_the_broadcast_on_altra)
{
	static const char policy[] = "arm64-6.1+fault-lock=perm-shared";
	uint64_t at8 = serial_ps(policy, "8", "0-7", 8), at32 = serial_ps(policy, "32", "0-31", 32);

	ck_assert_uint_ge(at8, 340000);
	ck_assert_uint_le(at8, 360000);
	ck_assert_uint_ge(at32, 340000);
	ck_assert_uint_le(at32, 360000);
}
END_TEST

/* 20240805233114.4060019-1-dmatlack@google.com: 72.8 us (65 to 80) with 64 vCPUs, about 1.1 us each. */
START_TEST(a_remote_flush_on_cascadelake_takes_its_targets_time)
{
	static const char text[] =
		"scenario name=flush arch=x86 vcpus=62 code=0 trace=0 policy=x86-6.12+machine=ept\n"
		"host map name=m0 size=2MiB backing=anon\n"
		"op set_region slot=0 gpa=0 size=2MiB flags=none map=m0+0\n"
		"guest read vcpu=0-61 gpa=0\n"
		"par\n"
		"guest read vcpu=0-61 gpa=0 stride=0 until=join\n"
		"host age map=m0+0 len=2MiB mode=clear_flush_young delay=1ms\n"
		"join\n";
	struct text_run r;
	uint64_t ps = 0;

	text_run_init(&r, text, NULL, NULL, "intel-cascadelake", NULL);
	text_run(&r);
	for (guint i = 0; i < timed_lines(r.timed)->len; i++) {
		const struct timed_line *l =
			&g_array_index(timed_lines(r.timed), struct timed_line, i);

		if (l->line->kind == LANG_HOST_AGE)
			ps = l->end_ps - l->start_ps;
	}
	ck_assert_uint_eq(text_run_stat(&r, NULL, "s2_ipi"), 62);
	ck_assert_uint_ge(ps, 65000000ULL * 62 / 64);
	ck_assert_uint_le(ps, 80000000ULL * 62 / 64);
	text_run_fini(&r);
}
END_TEST

/* 20241204191349.1730936-1-jthoughton@google.com: what KVM Userfault adds to a fault, 2 vCPUs. */
static const struct {
	const char *policy, *profile;
	uint64_t low_ps, high_ps;
} userfault[] = {
	{ "x86-uf-v3+machine=ept", "intel-cascadelake", 2800000, 3000000 },
	{ "arm64-sean-rewrite", "ampereone", 2900000, 3100000 },
};

static uint64_t fault_ps(const char *scenario, const char *policy, const char *profile)
{
	enum { PAGES_A_VCPU = 16384 };
	struct text_run r;
	uint64_t ps;

	text_run_init(&r, costs, scenario, policy, profile, NULL);
	text_run(&r);
	ps = text_run_time(&r, "measured") / PAGES_A_VCPU;
	text_run_fini(&r);
	return ps;
}

START_TEST(userfault_adds_what_was_measured)
{
	uint64_t with = fault_ps("userfault", userfault[_i].policy, userfault[_i].profile);
	uint64_t without = fault_ps("page-cache", userfault[_i].policy, userfault[_i].profile);

	ck_assert_uint_ge(with - without, userfault[_i].low_ps);
	ck_assert_uint_le(with - without, userfault[_i].high_ps);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("costs");
	TCase *tc = tcase_create("costs");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, an_operation_costs_what_was_measured, 0,
			    (int)G_N_ELEMENTS(published));
	tcase_add_loop_test(tc, userfault_adds_what_was_measured, 0, (int)G_N_ELEMENTS(userfault));
	tcase_add_test(tc, the_exclusive_lock_section_on_altra_is_constant);
	tcase_add_test(tc, the_shared_lock_leaves_the_broadcast_on_altra);
	tcase_add_test(tc, a_remote_flush_on_cascadelake_takes_its_targets_time);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
