/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/x86_pte.h"

enum {
	NR_FORMATS = X86_NR_SPTE_VERSIONS * X86_NR_NESTED,
};

static const struct x86_fmt *format(int i)
{
	return x86_fmt_get((enum x86_spte_version)(i / X86_NR_NESTED),
			   (enum x86_nested)(i % X86_NR_NESTED));
}

static struct pt_geom geometry(void)
{
	struct pt_geom g;

	must_be(geom_find("ept4", &g));
	return g;
}

/* The legal combination number @n of 4: (host-writable, MMU-writable, W). */
static struct spte_parts legal(const struct x86_fmt *f, unsigned int n)
{
	struct spte_parts p = { .access = ACC_R, .host_writable = n > 0, .mmu_writable = n > 1 };

	if (n > 2)
		p.access |= ACC_W;
	if (!f->accessed)
		p.ad = X86_AD_DISABLED;
	return p;
}

START_TEST(leaf_keeps_every_part_at_every_height)
{
	const struct x86_fmt *f = format(_i);
	struct pt_geom g = geometry();
	struct rng r = { test_seed(2, (uint64_t)_i) };
	const char *why;

	for (unsigned int i = 0; i < 2000; i++) {
		unsigned int h = (unsigned int)rng_below(&r, g.max_leaf_height + 1U);
		struct spte_parts p = legal(f, (unsigned int)rng_below(&r, 4));
		pte_t e;

		p.pfn = align_down_u64(rng_below(&r, BIT(39)), geom_pages(&g, h));
		p.access |= (uint8_t)(rng_once_in(&r, 2) ? ACC_X : 0);
		p.accessed = rng_once_in(&r, 2);
		p.dirty = rng_once_in(&r, 2);
		e = spte_make_leaf(f, h, &p);
		ck_assert_msg(spte_leaf_check(f, &g, e, h, &why), "%s", why);
		must_be(pte_is_leaf(&f->pte, e, h));
		must_be(!pte_is_table(&f->pte, e, h));
		must_eq(pte_pfn(&f->pte, e), p.pfn);
		must_eq(spte_access(f, e), p.access);
		must_eq((e.v & f->host_writable) != 0, p.host_writable);
		must_eq((e.v & f->mmu_writable) != 0, p.mmu_writable);
		must_eq((e.v & f->accessed) != 0, p.accessed && f->accessed != 0);
		must_eq((e.v & f->dirty) != 0, p.dirty && f->dirty != 0);
		must_eq(spte_ad_enabled(f, e), f->accessed != 0);
		must_be(!spte_is_mmio(f, e) && !spte_is_frozen(f, e));
	}
}
END_TEST

START_TEST(table_entry_never_restricts_access)
{
	const struct x86_fmt *f = format(_i);

	for (unsigned int h = 1; h < GEOM_MAX_HEIGHTS; h++) {
		pte_t e = spte_make_table(f, 0x8000001);

		must_be(pte_is_table(&f->pte, e, h));
		must_be(!pte_is_leaf(&f->pte, e, h));
		must_eq(pte_pfn(&f->pte, e), 0x8000001);
		must_eq(spte_access(f, e), ACC_RWX);
		must_eq(e.v & f->user, f->user);
		must_eq(e.v & f->accessed, f->accessed);
		must_be(spte_ad_enabled(f, e) == (f->accessed != 0));
	}
}
END_TEST

START_TEST(special_values_are_not_shadow_present_and_differ)
{
	const struct x86_fmt *f = format(_i);
	pte_t empty = { f->pte.empty }, frozen = { f->frozen };
	pte_t mmio = spte_make_mmio(f, 0x12345, 77, ACC_RWX);

	for (unsigned int h = 0; h < GEOM_MAX_HEIGHTS; h++) {
		must_be(!pte_is_leaf(&f->pte, empty, h) && !pte_is_table(&f->pte, empty, h));
		must_be(!pte_is_leaf(&f->pte, frozen, h) && !pte_is_table(&f->pte, frozen, h));
		must_be(!pte_is_leaf(&f->pte, mmio, h) && !pte_is_table(&f->pte, mmio, h));
	}
	must_be(!spte_is_frozen(f, empty) && !spte_is_mmio(f, empty));
	must_be(spte_is_frozen(f, frozen) && !spte_is_mmio(f, frozen));
	must_be(spte_is_mmio(f, mmio) && !spte_is_frozen(f, mmio));
	must_be(!pte_eq(empty, frozen));
	/* no access of the hardware goes through */
	must_eq(empty.v & (f->r | f->w | f->x), 0);
	must_eq(frozen.v & (f->r | f->w | f->x), 0);
}
END_TEST

/* Raw values as the fact sheets of the processor vendors and the kernel sources give them. */
struct raw_row {
	enum x86_spte_version version;
	enum x86_nested nested;
	uint64_t empty, frozen, host_writable, mmu_writable;
};

/* clang-format off */
static const struct raw_row raw_rows[] = {
	{ X86_SPTE_61,  X86_EPT, 0,       0x5a0,           BIT(57), BIT(58) },
	{ X86_SPTE_612, X86_EPT, BIT(63), BIT(63) | 0x5a0, BIT(57), BIT(58) },
	{ X86_SPTE_72,  X86_EPT, BIT(63), BIT(63) | 0x1a0, BIT(53), BIT(55) },
	{ X86_SPTE_61,  X86_NPT, 0,       0x5a0,           BIT(9),  BIT(10) },
	{ X86_SPTE_612, X86_NPT, BIT(63), BIT(63) | 0x5a0, BIT(9),  BIT(10) },
	{ X86_SPTE_72,  X86_NPT, BIT(63), BIT(63) | 0x1a0, BIT(9),  BIT(10) },
};
/* clang-format on */

START_TEST(software_bits_stand_where_each_kernel_puts_them)
{
	const struct raw_row *row = &raw_rows[_i];
	const struct x86_fmt *f = x86_fmt_get(row->version, row->nested);

	must_eq(f->pte.empty, row->empty);
	must_eq(f->frozen, row->frozen);
	must_eq(f->host_writable, row->host_writable);
	must_eq(f->mmu_writable, row->mmu_writable);
	must_eq(f->mmio_gen_bits, row->version == X86_SPTE_72 ? 18 : 19);
}
END_TEST

START_TEST(flags_of_a_format_do_not_overlap)
{
	const struct x86_fmt *f = format(_i);
	uint64_t rx = f->r | f->x;
	const uint64_t masks[] = { f->r,
				   f->w,
				   f->x,
				   f->nx,
				   f->user,
				   f->accessed,
				   f->dirty,
				   f->host_writable,
				   f->mmu_writable,
				   f->ad_mask,
				   f->memtype,
				   f->suppress_ve,
				   f->pte.present,
				   f->pte.addr_mask,
				   f->saved_shift ? rx << f->saved_shift : 0 };
	uint64_t seen = 0;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		/* without A/D flags the saved bits may use what A/D formats need */
		ck_assert_msg((seen & masks[i]) == 0, "%s: mask %zu", f->pte.name, i);
		seen |= masks[i];
	}
}
END_TEST

START_TEST(writable_state_automaton_has_exactly_four_legal_states)
{
	const struct x86_fmt *f = format(_i);
	struct pt_geom g = geometry();
	struct spte_parts p = legal(f, 3);
	pte_t base = { spte_make_leaf(f, 0, &p).v & ~(f->w | f->host_writable | f->mmu_writable) };
	unsigned int ok = 0;

	for (unsigned int n = 0; n < 8; n++) {
		bool hw = n & 4, mw = n & 2, w = n & 1;
		bool expect = (!w || mw) && (!mw || hw);
		pte_t e = { base.v | (hw ? f->host_writable : 0) | (mw ? f->mmu_writable : 0) |
			    (w ? f->w : 0) };
		const char *why = NULL;

		must_eq(spte_leaf_check(f, &g, e, 0, &why), expect);
		must_eq(why == NULL, expect);
		ok += expect;
	}
	must_eq(ok, 4);
}
END_TEST

START_TEST(leaf_check_names_each_fault)
{
	const struct x86_fmt *f = format(_i);
	struct pt_geom g = geometry();
	struct spte_parts p = legal(f, 3);
	const char *why;
	pte_t e = spte_make_leaf(f, 0, &p);

	must_be(!spte_leaf_check(f, &g, (pte_t){ f->pte.empty }, 0, &why));
	ck_assert_str_eq(why, "not a present leaf");
	must_be(!spte_leaf_check(f, &g, spte_make_table(f, 1), 1, &why));
	ck_assert_str_eq(why, "not a present leaf");
	must_be(!spte_leaf_check(f, &g, (pte_t){ e.v & ~f->mmu_writable }, 0, &why));
	ck_assert_str_eq(why, "writable but not MMU-writable");
	must_be(!spte_leaf_check(f, &g, (pte_t){ e.v & ~f->host_writable }, 0, &why));
	ck_assert_str_eq(why, "MMU-writable but not host-writable");
	e = spte_make_leaf(f, 3, &p);
	must_be(!spte_leaf_check(f, &g, e, 3, &why));
	ck_assert_str_eq(why, "leaf higher than the geometry allows");
	p.pfn = 1;
	e = spte_make_leaf(f, 1, &p);
	must_be(!spte_leaf_check(f, &g, e, 1, &why));
	ck_assert_str_eq(why, "frame not aligned to the leaf");
	g.pa_bits = 46;
	p.pfn = BIT(34);
	e = spte_make_leaf(f, 0, &p);
	must_be(!spte_leaf_check(f, &g, e, 0, &why));
	ck_assert_str_eq(why, "frame beyond the physical address width");
}
END_TEST

START_TEST(mmio_value_keeps_gfn_and_generation_to_its_width)
{
	const struct x86_fmt *f = format(_i);
	struct rng r = { test_seed(3, (uint64_t)_i) };
	uint64_t limit = BIT(f->mmio_gen_bits);

	for (unsigned int bit = 0; bit < f->mmio_gen_bits; bit++) {
		pte_t e = spte_make_mmio(f, 0, BIT(bit), ACC_RWX);

		must_eq(spte_mmio_gen(f, e), BIT(bit));
		must_eq(spte_mmio_gfn(f, e), 0);
		must_be(spte_is_mmio(f, e));
	}
	for (unsigned int i = 0; i < 1000; i++) {
		gfn_t gfn = rng_below(&r, BIT(39));
		uint64_t gen = rng_next(&r);
		pte_t e = spte_make_mmio(f, gfn, gen, (unsigned int)rng_below(&r, 8));

		must_be(spte_is_mmio(f, e));
		must_eq(spte_mmio_gfn(f, e), gfn);
		must_eq(spte_mmio_gen(f, e), gen % limit);
		must_eq(spte_mmio_gen(f, e), spte_mmio_gen_of(f, gen));
	}
	/* the generation wraps: the next one after the last looks like generation 0 */
	must_eq(spte_mmio_gen_of(f, limit), 0);
	must_eq(spte_mmio_gen_of(f, limit - 1), limit - 1);
}
END_TEST

START_TEST(small_leaves_from_a_huge_one_translate_alike_and_make_it_again)
{
	const struct x86_fmt *f = format(_i);
	struct pt_geom g = geometry();
	const char *why;

	for (unsigned int h = 1; h <= g.max_leaf_height; h++)
		for (unsigned int n = 0; n < 4; n++) {
			struct spte_parts p = legal(f, n);
			pte_t huge;

			p.pfn = 7 * geom_pages(&g, g.max_leaf_height);
			p.access |= ACC_X;
			p.dirty = n == 3;
			huge = spte_make_leaf(f, h, &p);
			for (unsigned int i = 0; i < geom_entries(&g); i++) {
				pte_t e = spte_make_small(f, &g, huge, h, i, false);
				pte_t again = spte_make_huge(f, &g, e, h, false);

				ck_assert_msg(spte_leaf_check(f, &g, e, h - 1, &why), "%s", why);
				must_eq(pte_pfn(&f->pte, e), p.pfn + i * geom_pages(&g, h - 1));
				must_eq(spte_access(f, e), p.access);
				must_eq(again.v, huge.v);
			}
		}
}
END_TEST

START_TEST(execute_goes_from_huge_leaves_and_comes_back_on_4_kib_ones)
{
	const struct x86_fmt *f = format(_i);
	struct pt_geom g = geometry();
	struct spte_parts p = legal(f, 3);
	pte_t small, huge;

	p.access |= ACC_X;
	small = spte_make_leaf(f, 0, &p);
	huge = spte_make_huge(f, &g, small, 1, true);
	must_be(!spte_is_executable(f, huge));
	must_be(spte_is_executable(f, spte_make_small(f, &g, huge, 1, 0, true)));
	must_be(!spte_is_executable(f, spte_make_small(f, &g, huge, 1, 0, false)));
	/* not above 4 KiB */
	huge = spte_make_huge(f, &g, small, 2, true);
	must_be(!spte_is_executable(f, spte_make_small(f, &g, huge, 2, 0, true)));
}
END_TEST

START_TEST(access_tracking_takes_rights_and_gives_all_but_write_back)
{
	const struct x86_fmt *f = format(_i);

	for (unsigned int n = 0; n < 8; n++) {
		struct spte_parts p = legal(f, n / 2);
		pte_t e, t, back;

		p.access |= (uint8_t)(n & 1 ? ACC_X : 0);
		p.accessed = true;
		e = spte_make_leaf(f, 0, &p);
		t = spte_mark_access_tracked(f, e);
		if (f->accessed) {
			must_eq(t.v, e.v & ~f->accessed);
			continue;
		}
		must_be(!spte_is_access_tracked(f, e));
		must_be(spte_is_access_tracked(f, t));
		must_be(pte_is_leaf(&f->pte, t, 0));
		must_eq(spte_access(f, t), 0);
		must_eq(pte_pfn(&f->pte, t), pte_pfn(&f->pte, e));
		must_eq(t.v & f->mmu_writable, e.v & f->mmu_writable);
		must_eq(spte_mark_access_tracked(f, t).v, t.v);
		back = spte_restore_access_tracked(f, t);
		must_eq(back.v, e.v & ~f->w);
	}
}
END_TEST

START_TEST(description_names_the_kind_of_value)
{
	const struct x86_fmt *f = format(_i);
	struct spte_parts p = legal(f, 3);
	char buf[128];

	spte_describe(f, (pte_t){ f->pte.empty }, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "none");
	spte_describe(f, (pte_t){ f->frozen }, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "frozen");
	spte_describe(f, spte_make_mmio(f, 0x1234, 5, 0), 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "mmio gfn=0x1234 gen=5");
	spte_describe(f, spte_make_table(f, 0x77), 2, buf, sizeof(buf));
	ck_assert_str_eq(buf, "table pfn=0x77");
	p.pfn = 0xabc;
	spte_describe(f, spte_make_leaf(f, 0, &p), 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "leaf rw- a=0 d=0 hw=1 mw=1 pfn=0xabc");
	spte_describe(f, (pte_t){ BIT(12) }, 0, buf, sizeof(buf));
	must_be(strncmp(buf, "unknown", 7) == 0);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, leaf_keeps_every_part_at_every_height, 0, NR_FORMATS);
	tcase_add_loop_test(tc, table_entry_never_restricts_access, 0, NR_FORMATS);
	tcase_add_loop_test(tc, special_values_are_not_shadow_present_and_differ, 0, NR_FORMATS);
	tcase_add_loop_test(tc, software_bits_stand_where_each_kernel_puts_them, 0,
			    (int)(sizeof(raw_rows) / sizeof(raw_rows[0])));
	tcase_add_loop_test(tc, flags_of_a_format_do_not_overlap, 0, NR_FORMATS);
	tcase_add_loop_test(tc, writable_state_automaton_has_exactly_four_legal_states, 0,
			    NR_FORMATS);
	tcase_add_loop_test(tc, leaf_check_names_each_fault, 0, NR_FORMATS);
	tcase_add_loop_test(tc, mmio_value_keeps_gfn_and_generation_to_its_width, 0, NR_FORMATS);
	tcase_add_loop_test(tc, small_leaves_from_a_huge_one_translate_alike_and_make_it_again, 0,
			    NR_FORMATS);
	tcase_add_loop_test(tc, execute_goes_from_huge_leaves_and_comes_back_on_4_kib_ones, 0,
			    NR_FORMATS);
	tcase_add_loop_test(tc, access_tracking_takes_rights_and_gives_all_but_write_back, 0,
			    NR_FORMATS);
	tcase_add_loop_test(tc, description_names_the_kind_of_value, 0, NR_FORMATS);
}

int main(void)
{
	return run_suite("x86_pte", fill);
}
