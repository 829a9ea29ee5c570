/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/x86_pte.h"

/* What KVM makes of a granule and an IPA size. */
struct arm_row {
	const char *name;
	unsigned int levels;
	int start_level;
	unsigned int start_tables;
	unsigned int max_leaf_height;
	unsigned int pa_bits;
};

/* clang-format off */
static const struct arm_row arm_rows[] = {
	{ "arm64-4k-32",  2, 2,  4, 1, 48 },
	{ "arm64-4k-34",  2, 2, 16, 1, 48 },
	{ "arm64-4k-36",  3, 1,  1, 2, 48 },
	{ "arm64-4k-40",  3, 1,  2, 2, 48 },
	{ "arm64-4k-43",  3, 1, 16, 2, 48 },
	{ "arm64-4k-44",  4, 0,  1, 2, 48 },
	{ "arm64-4k-48",  4, 0,  1, 2, 48 },
	{ "arm64-4k-52",  4, 0, 16, 2, 52 },
	{ "arm64-16k-40", 2, 2, 16, 1, 48 },
	{ "arm64-16k-48", 3, 1,  2, 1, 48 },
	{ "arm64-16k-52", 4, 0,  1, 1, 52 },
	{ "arm64-64k-40", 2, 2,  1, 1, 52 },
	{ "arm64-64k-42", 2, 2,  1, 1, 52 },
	{ "arm64-64k-46", 2, 2, 16, 1, 52 },
	{ "arm64-64k-48", 3, 1,  1, 1, 52 },
	{ "arm64-64k-52", 3, 1,  1, 1, 52 },
};
/* clang-format on */

START_TEST(arm_geometry_follows_kvm_in_levels_and_concatenation)
{
	const struct arm_row *row = &arm_rows[_i];
	struct pt_geom g;

	ck_assert_msg(geom_find(row->name, &g), "%s", row->name);
	must_be(geom_check(&g));
	must_eq(g.arch, PT_ARM64);
	must_eq(g.heights, row->levels);
	must_eq(geom_arm_level(geom_root_height(&g)), row->start_level);
	must_eq(geom_root_tables(&g), row->start_tables);
	must_eq(g.max_leaf_height, row->max_leaf_height);
	must_eq(g.pa_bits, row->pa_bits);
	ck_assert_str_eq(g.name, row->name);
}
END_TEST

START_TEST(every_arm_size_covers_its_ipa_space_with_at_most_16_start_tables)
{
	static const unsigned int granules[] = { 4, 16, 64 };
	char name[GEOM_NAME_MAX];
	struct pt_geom g;

	for (unsigned int bits = 32; bits <= 52; bits++) {
		snprintf(name, sizeof(name), "arm64-%uk-%u", granules[_i], bits);
		ck_assert_msg(geom_find(name, &g), "%s", name);
		must_be(geom_check(&g));
		must_eq(g.ia_bits, bits);
		ck_assert_uint_le(geom_root_tables(&g), 16);
		ck_assert_uint_ge((uint64_t)geom_root_tables(&g) << geom_shift(&g, g.heights),
				  geom_limit(&g));
		/* the last start table is used */
		ck_assert_uint_ge((geom_limit(&g) - 1) >> geom_shift(&g, g.heights),
				  geom_root_tables(&g) - 1);
	}
}
END_TEST

struct x86_row {
	const char *name;
	unsigned int levels;
	unsigned int ia_bits;
};

static const struct x86_row x86_rows[] = {
	{ "ept4", 4, 48 },
	{ "npt4", 4, 48 },
	{ "ept5", 5, 52 },
	{ "npt5", 5, 52 },
};

START_TEST(x86_geometry_has_512_entries_and_leaves_up_to_1_gib)
{
	struct pt_geom g;

	must_be(geom_find(x86_rows[_i].name, &g));
	must_be(geom_check(&g));
	must_eq(g.heights, x86_rows[_i].levels);
	must_eq(g.ia_bits, x86_rows[_i].ia_bits);
	must_eq(geom_entries(&g), 512);
	must_eq(geom_root_tables(&g), 1);
	must_eq(geom_pages(&g, 1), 512);
	must_eq(geom_pages(&g, g.max_leaf_height), 262144);
	must_eq(geom_x86_level(g.max_leaf_height), 3);
}
END_TEST

START_TEST(small_granules_keep_the_page_and_shrink_the_index)
{
	static const char *const kinds[] = { "ept", "npt", "arm64" };
	char name[GEOM_NAME_MAX];
	struct pt_geom g;

	for (unsigned int bits = 1; bits <= 2; bits++)
		for (unsigned int levels = 2; levels <= 4; levels++) {
			snprintf(name, sizeof(name), "%s-%ux%u", kinds[_i], bits, levels);
			ck_assert_msg(geom_find(name, &g), "%s", name);
			must_be(geom_check(&g));
			must_eq(geom_entries(&g), 1U << bits);
			must_eq(g.heights, levels);
			must_eq(geom_page_size(&g), 4096);
			must_eq(geom_limit(&g), 1U << (bits * levels));
			ck_assert_uint_ge(g.max_leaf_height, 1);
			ck_assert_uint_le(g.max_leaf_height, 2);
		}
}
END_TEST

static const char *const bad_names[] = {
	"",
	"ept",
	"ept3",
	"ept6",
	"npt",
	"ept4x",
	"arm64-4k-31",
	"arm64-4k-53",
	"arm64-8k-40",
	"arm64-4k-40x",
	"arm64-4k",
	"ept-3x2",
	"ept-0x2",
	"ept-2x1",
	"ept-2x5",
	"sparc-2x2",
	"ept-2x2 ",
	"ept- 2x2",
	"ept-+2x2",
	"arm64-+4k-40",
	"arm64-4k- 40",
	"ept-02x2",
	"arm64-4294967300k-40",
	"a-name-that-is-longer-than-any-geometry-name",
};

START_TEST(bad_names_are_refused_and_leave_the_result_alone)
{
	struct pt_geom g;

	memset(&g, 0x5a, sizeof(g));
	ck_assert_msg(!geom_find(bad_names[_i], &g), "%s was taken", bad_names[_i]);
	for (size_t i = 0; i < sizeof(g); i++)
		must_eq(((const uint8_t *)&g)[i], 0x5a);
}
END_TEST

START_TEST(geom_check_refuses_each_broken_rule)
{
	struct pt_geom good, g;

	must_be(geom_find("arm64-4k-40", &good));
	g = good;
	g.index_bits = 0;
	must_be(!geom_check(&g));
	g = good;
	g.index_bits = 14;
	must_be(!geom_check(&g));
	g = good;
	g.heights = 6;
	must_be(!geom_check(&g));
	g = good;
	g.max_leaf_height = g.heights;
	must_be(!geom_check(&g));
	g = good;
	g.root_extra_bits = 5;
	must_be(!geom_check(&g));
	g = good;
	g.arch = PT_X86; /* with concatenated start tables */
	must_be(!geom_check(&g));
	g = good;
	g.ia_bits = 41;
	must_be(!geom_check(&g));
}
END_TEST

START_TEST(index_base_and_span_agree_at_every_height)
{
	static const char *const names[] = { "ept5",         "arm64-4k-40", "arm64-16k-48",
					     "arm64-64k-46", "arm64-1x4",   "ept-2x3" };
	struct rng r = { test_seed(1, (uint64_t)_i) };
	struct pool p;

	pool_init(&p, names[_i], &x86_fmt_get(X86_SPTE_612, X86_EPT)->pte, 20);
	for (unsigned int i = 0; i < 1000; i++) {
		gfn_t gfn = rng_below(&r, geom_limit(&p.pt.geom)), rebuilt = 0;

		must_eq(gpa_to_gfn(&p.pt.geom, gfn_to_gpa(&p.pt.geom, gfn)), gfn);
		for (unsigned int h = 0; h < p.pt.geom.heights; h++) {
			gfn_t base = geom_base(&p.pt.geom, gfn, h);

			rebuilt += (gfn_t)pt_index(&p.pt, gfn, h) << geom_shift(&p.pt.geom, h);
			ck_assert_uint_le(base, gfn);
			ck_assert_uint_lt(gfn - base, geom_pages(&p.pt.geom, h));
		}
		must_eq(rebuilt, gfn);
	}
	pool_fini(&p);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, arm_geometry_follows_kvm_in_levels_and_concatenation, 0,
			    (int)(sizeof(arm_rows) / sizeof(arm_rows[0])));
	tcase_add_loop_test(tc, every_arm_size_covers_its_ipa_space_with_at_most_16_start_tables, 0,
			    3);
	tcase_add_loop_test(tc, x86_geometry_has_512_entries_and_leaves_up_to_1_gib, 0, 4);
	tcase_add_loop_test(tc, small_granules_keep_the_page_and_shrink_the_index, 0, 3);
	tcase_add_loop_test(tc, bad_names_are_refused_and_leave_the_result_alone, 0,
			    (int)(sizeof(bad_names) / sizeof(bad_names[0])));
	tcase_add_test(tc, geom_check_refuses_each_broken_rule);
	tcase_add_loop_test(tc, index_base_and_span_agree_at_every_height, 0, 6);
}

int main(void)
{
	return run_suite("geom", fill);
}
