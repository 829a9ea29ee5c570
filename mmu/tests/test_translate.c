/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks with caches against walks without, over tables that change under proper invalidation, and the
 * cases in which the caches must not be used.
 */
#include <stdlib.h>
#include <string.h>

#include "mmu/s2_pte.h"
#include "mmu/tests/mmu_test.h"
#include "mmu/translate.h"

enum {
	CAPACITY = 96,
	OPS = 40000,
};

static const struct machine {
	const char *geom;
	enum x86_nested nested;
	bool update_ad;
} machines[] = {
	{ "ept-2x3", X86_EPT, true },       { "ept-2x3", X86_EPT, false },
	{ "npt-2x4", X86_NPT, true },       { "ept-1x4", X86_EPT_NOAD, false },
	{ "arm64-2x3", X86_NPT, true },     { "arm64-2x3", X86_NPT, false },
	{ "ept4", X86_EPT, true },          { "arm64-4k-40", X86_NPT, true },
	{ "arm64-64k-48", X86_NPT, false },
};

enum {
	NR_MACHINES = sizeof(machines) / sizeof(machines[0]),
};

static const struct wcache_size sizes[WCACHE_NR_LEVELS] = { { 64, 1 }, { 128, 2 }, { 512, 4 } };

struct rig {
	struct pool p;
	const struct x86_fmt *f; /* NULL: Arm */
	struct hw_mode mode;
	uint32_t root;
	struct tlb_cfg cfg;
	struct tlb *tlb;
	struct tlb_hot hot;
	struct wcache_cfg wc;
	struct hw_caches caches;
	struct hw_xlate x;
	pte_t *copy; /* the entries, for the walk without caches */
	struct work wk;
	struct rng r;
};

static size_t entry_bytes(const struct rig *g)
{
	return ((size_t)g->p.head.high_water << g->p.pt.geom.index_bits) * sizeof(pte_t);
}

static void rig_init(struct rig *g, const struct machine *m)
{
	bool arm = m->geom[0] == 'a';
	struct pt_geom geom;
	struct tlb_ctx ctx = { .vmid = 1 };

	*g = (struct rig){ .f = arm ? NULL : x86_fmt_get(X86_SPTE_612, m->nested) };
	ck_assert(geom_find(m->geom, &geom));
	pool_init(&g->p, m->geom, arm ? s2_fmt_of(&geom) : &g->f->pte, CAPACITY);
	g->mode = (struct hw_mode){ .x86 = g->f, .update_ad = m->update_ad };
	g->root = pt_alloc_root(&g->p.pt, &g->wk);
	g->cfg = tlb_cfg_sized(&geom);
	g->cfg.l1 = (struct tlb_array_cfg){ 2, 2 };
	g->cfg.l2 = (struct tlb_array_cfg){ 4, 3 };
	g->cfg.walk = (struct tlb_array_cfg){ 2, 3 };
	g->tlb = calloc(1, tlb_bytes(&g->cfg));
	ck_assert(wcache_cfg_init(&g->wc, sizes));
	g->caches = (struct hw_caches){ .cfg = &g->wc,
					.priv = calloc(1, wcache_priv_bytes(&g->wc)),
					.shared = calloc(1, wcache_shared_bytes(&g->wc)) };
	g->copy = calloc((size_t)CAPACITY << geom.index_bits, sizeof(pte_t));
	ck_assert(g->tlb && g->copy && g->caches.priv && g->caches.shared);
	if (g->f && g->f->nx == 0)
		ctx = (struct tlb_ctx){ .root = g->root };
	g->hot = tlb_hot_open(&g->cfg, g->tlb, ctx);
	hw_xlate_init(&g->x, &g->p.pt, g->root, &g->mode, &g->hot, &g->caches);
	ck_assert(wcache_fits(&g->p.pt));
}

static void rig_fini(struct rig *g)
{
	free(g->tlb);
	free(g->copy);
	free(g->caches.priv);
	free(g->caches.shared);
	pool_fini(&g->p);
}

static struct hw_result walk_without(struct rig *g, gfn_t gfn, unsigned int acc, struct work *wk)
{
	struct pt pt = g->p.pt;

	pt.entries = g->copy;
	memcpy(g->copy, g->p.pt.entries, entry_bytes(g));
	if (g->f)
		return hw_walk_x86(&pt, g->f, g->root, gfn, acc, g->mode.update_ad, wk);
	return hw_walk_s2(&pt, g->root, gfn, acc, g->mode.update_ad, wk);
}

/* As a PE does it: what was found without the right is filled over. */
static enum hw_fault translate_and_fill(struct rig *g, gfn_t gfn, unsigned int acc,
					struct hw_result *res, struct work *wk)
{
	struct tlb_key key = { .page = gfn, .ctx = g->hot.ctx, .kind = TLB_S2 };
	struct tlb_entry e;

	if (!tlb_match(&g->cfg, g->tlb, &key, 0, &e))
		return hw_translate_fill(&g->x, gfn, acc, res, wk);
	if (hw_translate(&g->x, gfn, acc, res, wk) == HW_OK) {
		e = hw_leaf_entry(&g->x, gfn, res);
		tlb_hot_fill(&g->hot, &e, wk);
	}
	return res->fault;
}

/* X1 and X2 for one walk. */
static struct hw_result compare(struct rig *g, gfn_t gfn, unsigned int acc)
{
	struct work with = { 0 }, without = { 0 };
	struct hw_result b = walk_without(g, gfn, acc, &without);
	struct hw_result a;
	enum hw_fault fault = translate_and_fill(g, gfn, acc, &a, &with);
	bool same = fault == a.fault && a.fault == b.fault && a.height == b.height &&
		    pte_eq(a.pte, b.pte) && a.table == b.table && a.index == b.index &&
		    a.set_accessed == b.set_accessed && a.set_dirty == b.set_dirty;

	must(same, "gfn 0x%llx acc %u: fault %d at %u with caches, %d at %u without",
	     (unsigned long long)gfn, acc, a.fault, a.height, b.fault, b.height);
	must(memcmp(g->copy, g->p.pt.entries, entry_bytes(g)) == 0, "tables differ");
	must_eq(with.hw_ad_update, without.hw_ad_update);
	must_eq(with.hw_refs + with.walk_ref_cached, without.hw_refs);
	must_eq(with.hw_refs,
		with.walk_ref_l1 + with.walk_ref_l2 + with.walk_ref_llc + with.walk_ref_dram);
	work_add(&g->wk, &with);
	return a;
}

/* --- Software's changes. */

static gfn_t random_gfn(struct rig *g)
{
	const struct pt_geom *geom = &g->p.pt.geom;

	if (geom_limit(geom) <= 1024)
		return rng_below(&g->r, geom_limit(geom));
	/* a few pages in each of a few tables of each height */
	return rng_below(&g->r, 2) * geom_pages(geom, 2) +
	       rng_below(&g->r, 3) * geom_pages(geom, 1) + rng_below(&g->r, 6);
}

static void free_below(struct rig *g, pte_t e, unsigned int height)
{
	struct pt *pt = &g->p.pt;
	uint32_t table;

	if (!pte_is_table(pt->fmt, e, height))
		return;
	table = pt_table_of(pt, e);
	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++)
		free_below(g, *pt_entry(pt, table, i), height - 1);
	pt_free(pt, table, &g->wk);
}

static pte_t random_leaf(struct rig *g, unsigned int height)
{
	const struct pt_geom *geom = &g->p.pt.geom;
	unsigned int acc = rng_once_in(&g->r, 2) ? ACC_RWX : (unsigned int)rng_below(&g->r, 8);
	kvm_pfn_t pfn = (1 + rng_below(&g->r, 50)) << geom_shift(geom, height);
	struct spte_parts parts = {
		.pfn = pfn,
		.access = (uint8_t)acc,
		.accessed = !rng_once_in(&g->r, 3),
		.dirty = !rng_once_in(&g->r, 3),
		.host_writable = true,
		.mmu_writable = true,
		.ad = g->f && !g->f->accessed ? X86_AD_DISABLED : X86_AD_ENABLED,
	};
	pte_t e;

	if (g->f)
		e = spte_make_leaf(g->f, height, &parts);
	else
		e = s2_make_leaf(g->p.pt.fmt, height, pfn, acc, S2_NORMAL, true);
	if (!g->f && rng_once_in(&g->r, 4))
		e.v &= ~S2_AF;
	if (rng_once_in(&g->r, 12)) /* whatever hardware makes of it */
		e.v ^= BIT(rng_below(&g->r, 13));
	/* no leaf may look like a table of another's pages */
	if (pte_is_table(g->p.pt.fmt, e, height))
		e.v = g->p.pt.fmt->empty;
	return e;
}

static pte_t random_table(struct rig *g, gfn_t gfn, unsigned int height)
{
	struct pt *pt = &g->p.pt;
	uint32_t table = pt_alloc(pt, height - 1, geom_base(&pt->geom, gfn, height), &g->wk);
	pte_t e = { pt->fmt->empty };

	if (!table)
		return e;
	if (!g->f)
		return s2_make_table(pt->fmt, pt_table_pfn(pt, table));
	e = spte_make_table(g->f, pt_table_pfn(pt, table));
	if (rng_once_in(&g->r, 4))
		e.v &= ~g->f->accessed;
	if (rng_once_in(&g->r, 6))
		e.v &= ~(rng_once_in(&g->r, 2) ? g->f->w : g->f->x);
	return e;
}

static void invalidate(struct rig *g, gfn_t gfn, unsigned int height)
{
	const struct pt_geom *geom = &g->p.pt.geom;
	struct tlb_inv inv = {
		.gfn = geom_base(geom, gfn, height),
		.pages = geom_pages(geom, height),
		.ctx = g->hot.ctx,
		.op = !g->f           ? TLB_INV_IPAS2E1
		      : g->f->nx == 0 ? TLB_INV_EPT_SINGLE
				      : TLB_INV_SVM_ASID,
		.level = TLB_LEVEL_NONE,
	};

	tlb_invalidate(&g->cfg, g->tlb, &inv, &g->wk);
}

/* Replaces one entry on the path to @gfn and whatever is below it, and invalidates. */
static void change(struct rig *g, gfn_t gfn)
{
	struct pt *pt = &g->p.pt;
	struct pt_pos at = pt_lookup(pt, g->root, gfn);
	pte_t old, new_value = { pt->fmt->empty };

	if (rng_once_in(&g->r, 8)) /* higher up */
		while (at.height < geom_root_height(&pt->geom) && rng_once_in(&g->r, 2)) {
			at.height++;
			at.table = pt->meta[at.table].parent;
			at.index = pt_index(pt, gfn, at.height);
		}
	old = *pt_entry(pt, at.table, at.index);
	if (at.height > pt->geom.max_leaf_height || (at.height > 0 && !rng_once_in(&g->r, 6)))
		new_value = random_table(g, gfn, at.height);
	else if (!rng_once_in(&g->r, 5))
		new_value = random_leaf(g, at.height);
	pt_set(pt, at.table, at.index, new_value, &g->wk);
	free_below(g, old, at.height);
	invalidate(g, gfn, at.height);
}

START_TEST(walk_with_caches_ends_as_one_without_and_does_the_same_to_the_tables)
{
	struct rig g;
	const char *why;
	uint64_t ends[HW_FAULT_WILD + 1] = { 0 };
	unsigned int ops;

	rig_init(&g, &machines[_i]);
	g.r.state = test_seed(61, (uint64_t)_i);
	/* full-size tables are copied more slowly */
	ops = test_ops(OPS) / (g.p.pt.geom.index_bits > 2 ? 10 : 1);
	for (unsigned int i = 0; i < ops; i++) {
		gfn_t gfn = random_gfn(&g);

		if (rng_once_in(&g.r, 6))
			change(&g, gfn);
		else
			ends[compare(&g, gfn, 1 + (unsigned int)rng_below(&g.r, 7)).fault]++;
		if (i % 128 == 0)
			must(tlb_check(&g.cfg, g.tlb, &why), "%s", why);
	}
	ck_assert_uint_gt(ends[HW_OK], ops / 20);
	ck_assert_uint_gt(ends[HW_FAULT_NOT_PRESENT], 0);
	ck_assert_uint_gt(ends[HW_FAULT_PERM], 0);
	ck_assert_uint_gt(g.wk.walk_ref_cached, 0);
	ck_assert_uint_gt(g.wk.walk_ref_l1, 0);
	ck_assert_uint_gt(g.wk.walk_ref_l2, 0);
	ck_assert_uint_gt(g.wk.walk_ref_llc, 0);
	ck_assert_uint_gt(g.wk.walk_ref_dram, 0);
	pool_check(&g.p);
	rig_fini(&g);
}
END_TEST

/* --- Single rules. */

/* EPT with a page at gfn 5. */
static void one_page(struct rig *g, unsigned int acc)
{
	struct spte_parts parts = {
		.pfn = 9, .access = (uint8_t)acc, .accessed = true, .dirty = true
	};
	struct pt *pt = &g->p.pt;
	uint32_t table;

	rig_init(g, &machines[0]);
	g->r.state = 1;
	table = g->root;
	for (unsigned int h = geom_root_height(&pt->geom); h > 0; h--) {
		uint32_t below = pt_alloc(pt, h - 1, geom_base(&pt->geom, 5, h), &g->wk);

		pt_set(pt, table, pt_index(pt, 5, h),
		       spte_make_table(g->f, pt_table_pfn(pt, below)), &g->wk);
		table = below;
	}
	pt_set(pt, table, pt_index(pt, 5, 0), spte_make_leaf(g->f, 0, &parts), &g->wk);
	g->wk = (struct work){ 0 };
}

START_TEST(second_walk_reads_the_leaf_only_and_near)
{
	struct hw_result res;
	struct rig g;

	one_page(&g, ACC_RWX);
	ck_assert_int_eq(hw_translate(&g.x, 5, ACC_R, &res, &g.wk), HW_OK);
	ck_assert_uint_eq(g.wk.hw_refs, 3);
	ck_assert_uint_eq(g.wk.walk_ref_cached, 0);
	g.wk = (struct work){ 0 };
	ck_assert_int_eq(hw_translate(&g.x, 5, ACC_R, &res, &g.wk), HW_OK);
	ck_assert_uint_eq(g.wk.hw_refs, 1);
	ck_assert_uint_eq(g.wk.walk_ref_l1, 1);
	ck_assert_uint_eq(g.wk.walk_ref_cached, 2);
	rig_fini(&g);
}
END_TEST

START_TEST(table_freed_without_invalidation_is_still_walked_and_with_it_is_not)
{
	struct hw_result res;
	struct rig g;
	struct pt_pos at;

	one_page(&g, ACC_RWX);
	hw_translate(&g.x, 5, ACC_R, &res, &g.wk);
	at = pt_lookup(&g.p.pt, g.root, 5);
	g.p.pt.meta[at.table].state = PT_UNLINKED; /* its entries stay for now */
	*pt_entry(&g.p.pt, g.p.pt.meta[at.table].parent, pt_index(&g.p.pt, 5, 1)) =
		(pte_t){ g.p.pt.fmt->empty };
	ck_assert_int_eq(hw_translate(&g.x, 5, ACC_R, &res, &g.wk), HW_OK);
	invalidate(&g, 5, 0);
	ck_assert_int_eq(hw_translate(&g.x, 5, ACC_R, &res, &g.wk), HW_FAULT_NOT_PRESENT);
	rig_fini(&g);
}
END_TEST

START_TEST(ept_violation_drops_what_the_tlb_has_for_the_gfn_and_nothing_else)
{
	struct hw_result res;
	struct rig g;
	struct tlb_step s;

	one_page(&g, ACC_R);
	hw_translate_fill(&g.x, 5, ACC_R, &res, &g.wk);
	ck_assert_int_eq(tlb_hot_probe(&g.hot, 5, ACC_R), TLB_HOT_L1);
	/* no page at 6, whose walk uses the same tables */
	ck_assert_int_eq(hw_translate(&g.x, 6, ACC_R, &res, &g.wk), HW_FAULT_NOT_PRESENT);
	ck_assert_int_eq(tlb_hot_probe(&g.hot, 5, ACC_R), TLB_HOT_L1);
	ck_assert(!tlb_hot_walk(&g.hot, 5, ACC_R, &s));
	hw_translate(&g.x, 5, ACC_R, &res, &g.wk);
	ck_assert(tlb_hot_walk(&g.hot, 5, ACC_R, &s));
	ck_assert_int_eq(hw_translate(&g.x, 5, ACC_W, &res, &g.wk), HW_FAULT_PERM);
	ck_assert_int_eq(tlb_hot_probe(&g.hot, 5, ACC_R), TLB_HOT_MISS);
	ck_assert(!tlb_hot_walk(&g.hot, 5, ACC_R, &s));
	rig_fini(&g);
}
END_TEST

START_TEST(without_caches_only_references_count)
{
	struct hw_result res;
	struct rig g;
	struct work wk = { 0 }, none = { 0 };

	one_page(&g, ACC_RWX);
	hw_xlate_init(&g.x, &g.p.pt, g.root, &g.mode, NULL, NULL);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(hw_translate(&g.x, 5, ACC_W, &res, &wk), HW_OK);
	ck_assert_uint_eq(wk.hw_refs, 6);
	wk.hw_refs = 0;
	ck_assert(memcmp(&wk, &none, sizeof(wk)) == 0);
	rig_fini(&g);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
			    walk_with_caches_ends_as_one_without_and_does_the_same_to_the_tables, 0,
			    NR_MACHINES);
	tcase_add_test(tc, second_walk_reads_the_leaf_only_and_near);
	tcase_add_test(tc, table_freed_without_invalidation_is_still_walked_and_with_it_is_not);
	tcase_add_test(tc, ept_violation_drops_what_the_tlb_has_for_the_gfn_and_nothing_else);
	tcase_add_test(tc, without_caches_only_references_count);
}

int main(void)
{
	return run_suite("translate", fill);
}
