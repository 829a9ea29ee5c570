/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mmu/s2_pte.h"
#include "mmu/tests/mmu_test.h"

/* A geometry for each granule. */
static const char *const geoms[S2_NR_GRANULES] = {
	[S2_4K] = "arm64-4k-48",      [S2_16K] = "arm64-16k-48",      [S2_64K] = "arm64-64k-52",
	[S2_4K_LPA2] = "arm64-4k-52", [S2_16K_LPA2] = "arm64-16k-52",
};

static struct pt_geom geometry(int granule)
{
	struct pt_geom g;

	must_be(geom_find(geoms[granule], &g));
	return g;
}

START_TEST(format_of_a_geometry_is_that_of_its_granule)
{
	struct pt_geom g = geometry(_i);

	ck_assert_ptr_eq(s2_fmt_of(&g), s2_fmt_get((enum s2_granule)_i));
	must_eq(s2_fmt_of(&g)->page_shift, g.page_shift);
}
END_TEST

START_TEST(leaf_keeps_frame_rights_and_type_at_every_height)
{
	struct pt_geom g = geometry(_i);
	const struct pte_fmt *f = s2_fmt_of(&g);
	struct rng r = { test_seed(4, (uint64_t)_i) };
	const char *why;

	for (unsigned int i = 0; i < 2000; i++) {
		unsigned int h = (unsigned int)rng_below(&r, g.max_leaf_height + 1U);
		kvm_pfn_t pfn = align_down_u64(rng_below(&r, BIT(g.pa_bits - g.page_shift)),
					       geom_pages(&g, h));
		unsigned int access = (unsigned int)rng_below(&r, 8);
		enum s2_memtype type = (enum s2_memtype)rng_below(&r, 3);
		bool fwb = rng_once_in(&r, 2);
		pte_t e = s2_make_leaf(f, h, pfn, access, type, fwb);

		ck_assert_msg(s2_leaf_check(f, &g, e, h, &why), "%s", why);
		must_be(pte_is_leaf(f, e, h) && !pte_is_table(f, e, h));
		must_eq(pte_pfn(f, e), pfn);
		must_eq(s2_access(e), access);
		must_eq(s2_is_cacheable(e, fwb), type == S2_NORMAL);
		must_be(e.v & S2_AF);
		must_eq(e.v & 3, h == 0 ? 3 : 1);
	}
}
END_TEST

START_TEST(every_address_bit_has_a_place_of_its_own)
{
	struct pt_geom g = geometry(_i);
	const struct pte_fmt *f = s2_fmt_of(&g);
	uint64_t seen = 0;

	for (unsigned int bit = g.page_shift; bit < g.pa_bits; bit++) {
		kvm_pfn_t pfn = BIT(bit - g.page_shift);
		uint64_t at = pte_addr_bits(f, pfn);

		must_eq(pte_pfn(f, (pte_t){ at }), pfn);
		ck_assert_uint_ne(at, 0);
		must_eq(at & (at - 1), 0);
		must_eq(seen & at, 0);
		must_eq(at & (S2_VALID | S2_MEMATTR | S2_AP_R | S2_AP_W | S2_AF | S2_XN), 0);
		seen |= at;
	}
}
END_TEST

START_TEST(table_entry_points_to_its_page)
{
	struct pt_geom g = geometry(_i);
	const struct pte_fmt *f = s2_fmt_of(&g);
	kvm_pfn_t pfn = BIT(g.pa_bits - g.page_shift - 1) + 5;
	pte_t e = s2_make_table(f, pfn);

	for (unsigned int h = 1; h < g.heights; h++)
		must_be(pte_is_table(f, e, h) && !pte_is_leaf(f, e, h));
	must_be(!pte_is_table(f, e, 0));
	must_eq(pte_pfn(f, e), pfn);
}
END_TEST

START_TEST(memory_types_use_the_encodings_with_and_without_fwb)
{
	static const uint8_t attr[2][3] = { { 0xf, 0x5, 0x1 }, { 0x6, 0x5, 0x1 } };

	for (unsigned int fwb = 0; fwb < 2; fwb++)
		for (unsigned int type = 0; type < 3; type++) {
			pte_t e = s2_make_leaf(s2_fmt_get(S2_4K), 0, 0, ACC_R,
					       (enum s2_memtype)type, fwb);

			must_eq((e.v & S2_MEMATTR) >> 2, attr[fwb][type]);
		}
}
END_TEST

START_TEST(invalid_values_are_neither_table_nor_leaf_and_only_zero_is_uncounted)
{
	const struct pte_fmt *f = s2_fmt_get((enum s2_granule)_i);
	pte_t none = { 0 }, locked = { S2_LOCKED }, owner = { 3 << 2 };

	for (unsigned int h = 0; h < 4; h++) {
		must_be(!pte_is_leaf(f, none, h) && !pte_is_table(f, none, h));
		must_be(!pte_is_leaf(f, locked, h) && !pte_is_table(f, locked, h));
		must_be(!pte_is_leaf(f, owner, h) && !pte_is_table(f, owner, h));
	}
	must_be(s2_is_locked(locked) && !s2_is_locked(none));
	must_be(s2_is_counted(locked) && s2_is_counted(owner) && !s2_is_counted(none));
}
END_TEST

START_TEST(leaf_check_names_each_fault)
{
	struct pt_geom g = geometry(_i);
	const struct pte_fmt *f = s2_fmt_of(&g);
	pte_t page = s2_make_leaf(f, 0, 1, ACC_RWX, S2_NORMAL, false);
	pte_t block = s2_make_leaf(f, 1, 0, ACC_RWX, S2_NORMAL, false);
	const char *why;

	must_be(!s2_leaf_check(f, &g, (pte_t){ S2_LOCKED }, 0, &why));
	ck_assert_str_eq(why, "not a valid leaf");
	must_be(!s2_leaf_check(f, &g, s2_make_table(f, 1), 1, &why));
	ck_assert_str_eq(why, "not a valid leaf");
	must_be(!s2_leaf_check(f, &g, (pte_t){ page.v & ~S2_TYPE_TABLE }, 0, &why));
	ck_assert_str_eq(why, "page without bit 1");
	must_be(!s2_leaf_check(f, &g, block, g.max_leaf_height + 1U, &why));
	ck_assert_str_eq(why, "block at a level that allows none");
	block.v |= pte_addr_bits(f, 1);
	must_be(!s2_leaf_check(f, &g, block, 1, &why));
	ck_assert_str_eq(why, "output address not aligned to the leaf");
	must_be(!s2_leaf_check(f, &g, (pte_t){ page.v | S2_CONT }, 0, &why));
	ck_assert_str_eq(why, "contiguous or DBM bit set");
	must_be(!s2_leaf_check(f, &g, (pte_t){ page.v | S2_DBM }, 0, &why));
	ck_assert_str_eq(why, "contiguous or DBM bit set");
	g.pa_bits = 40;
	page.v |= pte_addr_bits(f, BIT(40 - g.page_shift));
	must_be(!s2_leaf_check(f, &g, page, 0, &why));
	ck_assert_str_eq(why, "output address beyond the output size");
}
END_TEST

START_TEST(description_names_the_kind_of_value)
{
	const struct pte_fmt *f = s2_fmt_get((enum s2_granule)_i);
	char buf[128];

	s2_describe(f, (pte_t){ 0 }, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "none");
	s2_describe(f, (pte_t){ S2_LOCKED }, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "locked");
	s2_describe(f, s2_make_table(f, 9), 1, buf, sizeof(buf));
	ck_assert_str_eq(buf, "table pfn=0x9");
	s2_describe(f, s2_make_leaf(f, 0, 0x12, ACC_R | ACC_X, S2_NORMAL, true), 0, buf,
		    sizeof(buf));
	ck_assert_str_eq(buf, "leaf r-x af=1 sw=0x0 pfn=0x12");
	s2_describe(f, (pte_t){ 4 }, 0, buf, sizeof(buf));
	must_be(strncmp(buf, "unknown", 7) == 0);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, format_of_a_geometry_is_that_of_its_granule, 0, S2_NR_GRANULES);
	tcase_add_loop_test(tc, leaf_keeps_frame_rights_and_type_at_every_height, 0,
			    S2_NR_GRANULES);
	tcase_add_loop_test(tc, every_address_bit_has_a_place_of_its_own, 0, S2_NR_GRANULES);
	tcase_add_loop_test(tc, table_entry_points_to_its_page, 0, S2_NR_GRANULES);
	tcase_add_test(tc, memory_types_use_the_encodings_with_and_without_fwb);
	tcase_add_loop_test(tc,
			    invalid_values_are_neither_table_nor_leaf_and_only_zero_is_uncounted, 0,
			    S2_NR_GRANULES);
	tcase_add_loop_test(tc, leaf_check_names_each_fault, 0, S2_NR_GRANULES);
	tcase_add_loop_test(tc, description_names_the_kind_of_value, 0, S2_NR_GRANULES);
}

int main(void)
{
	return run_suite("s2_pte", fill);
}
