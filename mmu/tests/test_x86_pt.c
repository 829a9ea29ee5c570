/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86 table operations against a flat map: per gfn of the windows what leaf covers it and what that
 * grants.  After each random operation the tables must be sound and agree with the map.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/walk2d.h"
#include "mmu/x86_pt.h"

enum {
	CAPACITY = 1024,
	OPS = 1000,
	GEN = 12345,
};

struct setup {
	const char *geom;
	enum x86_spte_version version;
	enum x86_nested nested;
};

static const struct setup setups[] = {
	{ "ept4", X86_SPTE_612, X86_EPT },        { "ept5", X86_SPTE_72, X86_EPT },
	{ "ept4", X86_SPTE_61, X86_EPT_NOAD },    { "npt4", X86_SPTE_612, X86_NPT },
	{ "ept-1x2", X86_SPTE_612, X86_EPT },     { "ept-1x4", X86_SPTE_61, X86_EPT },
	{ "ept-2x3", X86_SPTE_72, X86_EPT_NOAD }, { "ept-2x4", X86_SPTE_612, X86_EPT },
	{ "npt-1x3", X86_SPTE_72, X86_NPT },      { "npt-2x3", X86_SPTE_61, X86_NPT },
};

enum {
	NR_SETUPS = sizeof(setups) / sizeof(setups[0]),
};

enum rec_kind {
	REC_NONE,
	REC_LEAF,
	REC_MMIO,
};

/* What covers one gfn. */
struct rec {
	gfn_t base;
	kvm_pfn_t pfn; /* of the base */
	uint8_t kind;
	uint8_t height;
	bool w, x, a, d, hw, mw;
	bool tracked; /* RWX taken away; .x is what was saved */
	bool wrprot_only;
};

struct test {
	struct pool p;
	const struct x86_fmt *f;
	struct windows ws;
	struct rng r;
	struct rec *map;
	uint64_t size;
	uint32_t root;
	uint32_t deferred;
	struct work wk;
	const char *op;
	unsigned int step;
};

/* Runs a visitor to its end in slices of random size. */
typedef int (*range_fn)(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
			struct work *wk);

static void run(struct test *t, range_fn fn, struct gfn_range r, struct x86_visit *a)
{
	static const unsigned int budgets[] = { 1, 2, 7, UINT_MAX };
	unsigned int budget = budgets[rng_below(&t->r, 4)];
	struct walk w = walk_init(&t->p.pt, t->root, r, 0, 0);
	int res;

	a->f = t->f;
	a->deferred = &t->deferred;
	do
		res = fn(&t->p.pt, &w, a, budget, &t->wk);
	while (res == WALK_BUDGET);
	must(res == WALK_DONE, "%s ended with %d", t->op, res);
}

static uint64_t span(const struct test *t, unsigned int height)
{
	return geom_pages(&t->p.pt.geom, height);
}

static bool meets(const struct test *t, const struct rec *m, struct gfn_range r)
{
	return m->base < r.end && m->base + span(t, m->height) > r.start;
}

/* The record is that of the leaf's first gfn in the windows: each leaf is counted once. */
static bool is_first(const struct test *t, uint64_t i)
{
	return i == 0 || t->map[i - 1].kind != REC_LEAF || t->map[i - 1].base != t->map[i].base;
}

static struct gfn_range any_range(struct test *t)
{
	uint64_t top = span(t, t->p.pt.geom.max_leaf_height);
	gfn_t gfn;

	if (!rng_once_in(&t->r, 10))
		return windows_range(&t->ws, &t->p.pt.geom, &t->r);
	gfn = align_down_u64(windows_gfn(&t->ws, rng_below(&t->r, t->size)), top);
	return (struct gfn_range){ gfn, gfn + top };
}

static uint64_t any_index(struct test *t)
{
	return rng_below(&t->r, t->size);
}

/* --- Operations: on the tables, and what they mean for the map. */

static struct spte_parts any_parts(struct test *t)
{
	struct spte_parts parts = { .access = ACC_R };
	unsigned int n = (unsigned int)rng_below(&t->r, 4);

	parts.host_writable = n > 0;
	parts.mmu_writable = n > 1;
	parts.access |= (uint8_t)((n > 2 ? ACC_W : 0) | (rng_once_in(&t->r, 2) ? ACC_X : 0));
	parts.accessed = t->f->accessed && !rng_once_in(&t->r, 3);
	parts.dirty = t->f->dirty && rng_once_in(&t->r, 2);
	parts.ad = !t->f->accessed         ? X86_AD_DISABLED
		   : rng_once_in(&t->r, 8) ? X86_AD_WRPROT_ONLY
					   : X86_AD_ENABLED;
	return parts;
}

static void op_map(struct test *t)
{
	unsigned int goal = (unsigned int)rng_below(&t->r, t->p.pt.geom.max_leaf_height + 1U);
	uint64_t one = span(t, goal), top = span(t, t->p.pt.geom.max_leaf_height);
	struct gfn_range r = any_range(t);
	struct spte_parts parts = any_parts(t);
	kvm_pfn_t pfn;

	/* a whole top-level span page by page would take too long */
	if (r.end - r.start > 4096)
		goal = t->p.pt.geom.max_leaf_height, one = top;
	r.start = align_down_u64(r.start, one);
	r.end = align_down_u64(r.end + one - 1, one);
	pfn = rng_below(&t->r, 64) * top + (r.start & (top - 1));
	if (rng_once_in(&t->r, 3))
		pfn = rng_below(&t->r, 4096) * one;
	must(x86_map_range(&t->p.pt, t->f, t->root, r, pfn, goal, &parts, &t->wk), "pool is full");
	for (uint64_t i = 0; i < t->size; i++) {
		gfn_t gfn = windows_gfn(&t->ws, i);
		struct rec *m = &t->map[i];

		if (m->kind == REC_LEAF && m->height > goal && meets(t, m, r))
			m->kind = REC_NONE;
		if (gfn < r.start || gfn >= r.end)
			continue;
		*m = (struct rec){
			.kind = REC_LEAF,
			.height = (uint8_t)goal,
			.base = align_down_u64(gfn, one),
			.w = parts.access & ACC_W,
			.x = parts.access & ACC_X,
			.a = parts.accessed,
			.d = parts.dirty,
			.hw = parts.host_writable,
			.mw = parts.mmu_writable,
			.wrprot_only = parts.ad == X86_AD_WRPROT_ONLY,
		};
		m->pfn = pfn + (m->base - r.start);
	}
}

static void op_zap_leafs(struct test *t)
{
	struct gfn_range r = any_range(t);
	struct x86_visit a = { 0 };
	uint64_t count = 0;

	for (uint64_t i = 0; i < t->size; i++)
		count += t->map[i].kind == REC_LEAF && meets(t, &t->map[i], r) && is_first(t, i);
	for (uint64_t i = 0; i < t->size; i++)
		if (t->map[i].kind == REC_LEAF && meets(t, &t->map[i], r))
			t->map[i].kind = REC_NONE;
	run(t, x86_zap_leafs, r, &a);
	must(a.hit == (a.count > 0), "zap: hit without count");
	must(!t->ws.whole || a.count == count, "zap: %llu leaves, expected %llu",
	     (unsigned long long)a.count, (unsigned long long)count);
}

static void op_zap_level(struct test *t)
{
	struct x86_visit a = { .height = (uint8_t)rng_below(&t->r, t->p.pt.geom.heights) };
	struct gfn_range r = any_range(t), wide;

	wide.start = align_down_u64(r.start, span(t, a.height));
	wide.end = align_down_u64(r.end + span(t, a.height) - 1, span(t, a.height));
	for (uint64_t i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];
		gfn_t gfn = windows_gfn(&t->ws, i);

		if (gfn < wide.start || gfn >= wide.end)
			continue;
		if (m->kind == REC_LEAF ? m->height <= a.height : a.height > 0)
			m->kind = REC_NONE;
	}
	run(t, x86_zap_level, r, &a);
}

static void op_wrprot(struct test *t)
{
	struct x86_visit a = { .height =
				       (uint8_t)rng_below(&t->r, t->p.pt.geom.max_leaf_height + 1U),
			       .clear_mmu_writable = rng_once_in(&t->r, 4) };
	struct gfn_range r = any_range(t);

	for (uint64_t i = 0; i < t->size; i++)
		if (t->map[i].kind == REC_LEAF && t->map[i].height >= a.height &&
		    meets(t, &t->map[i], r)) {
			t->map[i].w = false;
			if (a.clear_mmu_writable)
				t->map[i].mw = false;
		}
	run(t, x86_wrprot, r, &a);
}

/* Re-arms logging of one leaf. */
static void rearm(struct test *t, struct rec *m, bool wrprot)
{
	if (wrprot || !t->f->accessed || m->wrprot_only)
		m->w = false;
	else
		m->d = false;
}

static void op_clear_dirty(struct test *t)
{
	struct x86_visit a = { .wrprot = rng_once_in(&t->r, 3) };
	struct gfn_range r = any_range(t);

	for (uint64_t i = 0; i < t->size; i++)
		if (t->map[i].kind == REC_LEAF && meets(t, &t->map[i], r))
			rearm(t, &t->map[i], a.wrprot);
	run(t, x86_clear_dirty, r, &a);
}

static void op_clear_masked(struct test *t)
{
	struct x86_visit a = { .wrprot = rng_once_in(&t->r, 2), .mask = rng_next(&t->r) };
	gfn_t gfn = windows_gfn(&t->ws, any_index(t));
	/* the range may be larger than the mask: nothing beyond is touched */
	struct gfn_range r = { gfn, gfn + 1 + rng_below(&t->r, 80) };

	a.mask_base = gfn;
	for (uint64_t i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];
		gfn_t at = windows_gfn(&t->ws, i);

		if (m->kind == REC_LEAF && m->height == 0 && at >= gfn && at < r.end &&
		    at - gfn < 64 && a.mask >> (at - gfn) & 1)
			rearm(t, m, a.wrprot);
	}
	run(t, x86_clear_masked, r, &a);
}

static void op_age(struct test *t)
{
	bool test_only = rng_once_in(&t->r, 2), young = false;
	struct gfn_range r = any_range(t);
	struct x86_visit a = { 0 };

	for (uint64_t i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];

		if (m->kind != REC_LEAF || !meets(t, m, r))
			continue;
		young |= t->f->accessed ? m->a : !m->tracked;
		if (test_only)
			continue;
		m->a = false;
		if (!t->f->accessed) {
			m->tracked = true;
			m->w = false;
		}
	}
	run(t, test_only ? x86_test_age : x86_age, r, &a);
	must(!t->ws.whole || a.hit == young, "age: hit %d, expected %d", a.hit, young);
	must(!young || a.hit, "age: nothing young was found");
}

static void op_split(struct test *t)
{
	uint64_t i = any_index(t);
	struct rec leaf = t->map[i];
	bool exec = rng_once_in(&t->r, 2);
	struct pt_pos at;

	if (leaf.kind != REC_LEAF || leaf.height == 0)
		return;
	at = pt_lookup(&t->p.pt, t->root, leaf.base);
	must(x86_split_leaf(&t->p.pt, t->f, at.table, at.index, exec, &t->wk), "pool is full");
	for (i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];

		if (m->kind != REC_LEAF || m->base != leaf.base)
			continue;
		m->height--;
		m->base = align_down_u64(windows_gfn(&t->ws, i), span(t, m->height));
		m->pfn = leaf.pfn + (m->base - leaf.base);
		m->x |= exec && m->height == 0;
	}
}

/* First leaf below the table entry at @height, or NULL. */
static const struct rec *first_child(const struct test *t, gfn_t base, unsigned int height)
{
	uint64_t i;

	for (gfn_t gfn = base; gfn < base + span(t, height); gfn++)
		if (windows_find(&t->ws, gfn, &i) && t->map[i].kind == REC_LEAF &&
		    t->map[i].height == height - 1)
			return &t->map[i];
	return NULL;
}

static void op_collapse(struct test *t)
{
	unsigned int max = t->ws.whole ? t->p.pt.geom.max_leaf_height : 1;
	unsigned int h = 1 + (unsigned int)rng_below(&t->r, max);
	gfn_t base = align_down_u64(windows_gfn(&t->ws, any_index(t)), span(t, h));
	struct pt_pos at = pt_lookup(&t->p.pt, t->root, base);
	bool drop = rng_once_in(&t->r, 2), done;
	const struct rec *child;
	struct rec leaf;

	if (at.height >= h)
		return; /* no table there */
	while (t->p.pt.meta[at.table].height < h)
		at.table = t->p.pt.meta[at.table].parent;
	child = first_child(t, base, h);
	done = x86_collapse(&t->p.pt, t->f, at.table, pt_index(&t->p.pt, base, h), drop,
			    &t->deferred, &t->wk);
	must(done == (child != NULL), "collapse: %d", done);
	if (!done)
		return;
	leaf = *child;
	leaf.height = (uint8_t)h;
	leaf.base = base;
	leaf.pfn = align_down_u64(child->pfn, span(t, h));
	leaf.x &= !drop;
	for (uint64_t i = 0; i < t->size; i++) {
		gfn_t gfn = windows_gfn(&t->ws, i);

		if (gfn >= base && gfn < base + span(t, h))
			t->map[i] = leaf;
	}
}

static void op_mmio(struct test *t)
{
	uint64_t i = any_index(t);
	gfn_t gfn = windows_gfn(&t->ws, i);
	struct pt_pos at = pt_lookup(&t->p.pt, t->root, gfn);

	if (t->map[i].kind != REC_NONE)
		return;
	while (at.height > 0) {
		must(x86_link_table(&t->p.pt, t->f, at.table, at.index, &t->wk), "pool is full");
		at = pt_lookup(&t->p.pt, t->root, gfn);
	}
	pt_set(&t->p.pt, at.table, at.index, spte_make_mmio(t->f, gfn, GEN, ACC_RWX), &t->wk);
	t->map[i].kind = REC_MMIO;
}

static enum hw_fault expect_access(const struct rec *m, unsigned int acc)
{
	if (m->kind == REC_MMIO)
		return HW_FAULT_MISCONFIG;
	if (m->kind == REC_NONE || m->tracked)
		return HW_FAULT_NOT_PRESENT;
	if (((acc & ACC_W) && !m->w) || ((acc & ACC_X) && !m->x))
		return HW_FAULT_PERM;
	return HW_OK;
}

static void op_access(struct test *t)
{
	uint64_t i = any_index(t);
	struct rec *m = &t->map[i];
	unsigned int acc = 1 + (unsigned int)rng_below(&t->r, 7);
	enum hw_fault expected = expect_access(m, acc);
	struct hw_result res =
		hw_walk_x86(&t->p.pt, t->f, t->root, windows_gfn(&t->ws, i), acc, true, &t->wk);
	bool set_a = expected == HW_OK && t->f->accessed && !m->a;
	bool set_d = expected == HW_OK && t->f->dirty && (acc & ACC_W) && !m->d;

	must(res.fault == expected, "access %u: fault %d, expected %d", acc, res.fault, expected);
	must(res.set_accessed == set_a && res.set_dirty == set_d, "access %u: A %d D %d", acc,
	     res.set_accessed, res.set_dirty);
	for (i = 0; i < t->size && (set_a || set_d); i++)
		if (&t->map[i] != m && t->map[i].kind == REC_LEAF && t->map[i].base == m->base) {
			t->map[i].a |= set_a;
			t->map[i].d |= set_d;
		}
	m->a |= set_a;
	m->d |= set_d;
}

/* Finds each leaf, or each table, and counts. */
static void op_find(struct test *t)
{
	struct x86_visit a = {
		.f = t->f, .height = (uint8_t)rng_below(&t->r, t->p.pt.geom.max_leaf_height + 1U)
	};
	struct gfn_range r = any_range(t);
	struct walk w = walk_init(&t->p.pt, t->root, r, 0, 0);
	uint64_t found = 0, expected = 0;

	while (x86_find_leaf(&t->p.pt, &w, &a, UINT_MAX, &t->wk) == WALK_STOP) {
		found++;
		walk_leave(&t->p.pt, &w);
	}
	for (uint64_t i = 0; i < t->size; i++)
		expected += t->map[i].kind == REC_LEAF && t->map[i].height >= a.height &&
			    meets(t, &t->map[i], r) && is_first(t, i);
	must(!t->ws.whole || found == expected, "find: %llu leaves, expected %llu",
	     (unsigned long long)found, (unsigned long long)expected);
}

struct op {
	const char *name;
	unsigned int weight;
	void (*fn)(struct test *t);
};

static const struct op ops[] = {
	{ "map", 12, op_map },
	{ "zap_leafs", 3, op_zap_leafs },
	{ "zap_level", 1, op_zap_level },
	{ "wrprot", 4, op_wrprot },
	{ "clear_dirty", 3, op_clear_dirty },
	{ "clear_masked", 6, op_clear_masked },
	{ "age", 4, op_age },
	{ "split", 10, op_split },
	{ "collapse", 6, op_collapse },
	{ "mmio", 4, op_mmio },
	{ "access", 30, op_access },
	{ "find", 4, op_find },
};

/* --- Comparison. */

static void compare(struct test *t, uint64_t i)
{
	const struct rec *m = &t->map[i];
	gfn_t gfn = windows_gfn(&t->ws, i);
	struct pt_pos at = pt_lookup(&t->p.pt, t->root, gfn);
	unsigned int access = m->tracked ? 0U : ACC_R | (m->w ? ACC_W : 0U) | (m->x ? ACC_X : 0U);
	const struct x86_fmt *f = t->f;
	const char *why = "";
	char text[128];
	bool ok = false;

	switch ((enum rec_kind)m->kind) {
	case REC_NONE:
		ok = at.value.v == f->pte.empty;
		break;
	case REC_MMIO:
		ok = spte_is_mmio(f, at.value) && spte_mmio_gfn(f, at.value) == gfn &&
		     spte_mmio_gen(f, at.value) == spte_mmio_gen_of(f, GEN);
		break;
	case REC_LEAF:
		ok = spte_leaf_check(f, &t->p.pt.geom, at.value, at.height, &why) &&
		     at.height == m->height && pte_pfn(&f->pte, at.value) == m->pfn &&
		     spte_access(f, at.value) == access &&
		     spte_is_access_tracked(f, at.value) == m->tracked &&
		     ((at.value.v & f->accessed) != 0) == m->a &&
		     ((at.value.v & f->dirty) != 0) == m->d &&
		     ((at.value.v & f->host_writable) != 0) == m->hw &&
		     ((at.value.v & f->mmu_writable) != 0) == m->mw;
		break;
	}
	spte_describe(f, at.value, at.height, text, sizeof(text));
	must(ok,
	     "step %u %s: gfn 0x%llx is %s at height %u; expected kind %u height %u %u%u a%u d%u "
	     "hw%u mw%u t%u pfn 0x%llx %s",
	     t->step, t->op, (unsigned long long)gfn, text, at.height, m->kind, m->height, m->w,
	     m->x, m->a, m->d, m->hw, m->mw, m->tracked, (unsigned long long)m->pfn,
	     why ? why : "");
}

static void check_all(struct test *t)
{
	struct pt_count count;
	uint64_t leaves = 0, tables = 0, expected = 0;
	const char *why;

	must(pt_check(&t->p.pt, &why), "step %u %s: %s", t->step, t->op, why);
	x86_count(&t->p.pt, t->f, t->root, &count);
	for (unsigned int h = 0; h < t->p.pt.geom.heights; h++) {
		leaves += count.leaves[h];
		tables += count.tables[h];
	}
	must(t->wk.leaf_installed - t->wk.leaf_removed == leaves,
	     "step %u %s: %llu leaves, counted %llu", t->step, t->op, (unsigned long long)leaves,
	     (unsigned long long)(t->wk.leaf_installed - t->wk.leaf_removed));
	must(t->p.head.nr_live == tables, "step %u %s: a live page that no root reaches", t->step,
	     t->op);
	must(t->wk.table_alloc - t->wk.table_free == tables + t->p.head.nr_unlinked,
	     "step %u %s: table counters", t->step, t->op);
	for (uint64_t i = 0; i < t->size; i++)
		expected += t->map[i].kind == REC_LEAF && is_first(t, i);
	must(!t->ws.whole || leaves == expected, "step %u %s: %llu leaves, expected %llu", t->step,
	     t->op, (unsigned long long)leaves, (unsigned long long)expected);
}

static void step(struct test *t)
{
	unsigned int total = 0, n, k = 0;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	n = (unsigned int)rng_below(&t->r, total);
	while (n >= ops[k].weight)
		n -= ops[k++].weight;
	t->op = ops[k].name;
	ops[k].fn(t);
	check_all(t);
	for (unsigned int i = 0; i < 64; i++)
		compare(t, any_index(t));
	for (uint64_t i = 0; i < t->size && (t->ws.whole || t->step % 32 == 0); i++)
		compare(t, i);
	if (rng_once_in(&t->r, 4))
		pt_free_list(&t->p.pt, &t->deferred, &t->wk);
}

static void start(struct test *t, const struct setup *s)
{
	*t = (struct test){ .f = x86_fmt_get(s->version, s->nested), .op = "start" };
	pool_init(&t->p, s->geom, &t->f->pte, CAPACITY);
	t->ws = windows_of(&t->p.pt.geom);
	t->size = windows_size(&t->ws);
	t->map = calloc(t->size, sizeof(*t->map));
	must(t->map != NULL, "no memory");
	t->root = pt_alloc_root(&t->p.pt, &t->wk);
}

static void finish(struct test *t)
{
	free(t->map);
	pool_fini(&t->p);
}

START_TEST(random_operations_agree_with_a_flat_map)
{
	struct test t;

	start(&t, &setups[_i]);
	t.r.state = test_seed(11, (uint64_t)_i);
	for (t.step = 0; t.step < test_ops(OPS); t.step++)
		step(&t);
	finish(&t);
}
END_TEST

START_TEST(zapping_all_and_freeing_the_root_leaves_zero_memory)
{
	struct x86_visit a = { 0 };
	struct test t;

	start(&t, &setups[_i]);
	t.r.state = test_seed(12, (uint64_t)_i);
	for (t.step = 0; t.step < 100; t.step++)
		step(&t);
	a.height = (uint8_t)geom_root_height(&t.p.pt.geom);
	run(&t, x86_zap_level, (struct gfn_range){ 0, geom_limit(&t.p.pt.geom) }, &a);
	pt_free_list(&t.p.pt, &t.deferred, &t.wk);
	ck_assert_uint_eq(t.p.head.nr_live, 1);
	ck_assert_uint_eq(t.wk.leaf_installed, t.wk.leaf_removed);
	pt_free(&t.p.pt, t.root, &t.wk);
	ck_assert_uint_eq(t.wk.table_alloc, t.wk.table_free);
	for (size_t i = 0; i < (size_t)CAPACITY << t.p.pt.geom.index_bits; i++)
		must(t.p.pt.entries[i].v == 0, "entry %zu is not zero", i);
	pool_check(&t.p);
	finish(&t);
}
END_TEST

START_TEST(split_without_room_changes_nothing)
{
	struct spte_parts parts = { .access = ACC_R };
	struct work wk = { 0 };
	struct pt_pos at;
	const struct x86_fmt *f = x86_fmt_get(X86_SPTE_612, X86_EPT);
	struct pool p;
	uint32_t root;

	pool_init(&p, "ept-2x2", &f->pte, 2);
	root = pt_alloc_root(&p.pt, &wk);
	ck_assert(x86_map_range(&p.pt, f, root, (struct gfn_range){ 4, 8 }, 16, 1, &parts, &wk));
	at = pt_lookup(&p.pt, root, 4);
	ck_assert(!x86_split_leaf(&p.pt, f, at.table, at.index, false, &wk));
	ck_assert_uint_eq(pt_lookup(&p.pt, root, 4).value.v, at.value.v);
	ck_assert_uint_eq(wk.block_split, 0);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(split_of_an_access_tracked_leaf_gives_tracked_children_that_may_execute)
{
	const struct x86_fmt *f = x86_fmt_get(X86_SPTE_61, X86_EPT_NOAD);
	struct spte_parts parts = { .access = ACC_R, .ad = X86_AD_DISABLED };
	struct pt_geom g;
	pte_t huge, child;

	ck_assert(geom_find("ept-2x2", &g));
	huge = spte_mark_access_tracked(f, spte_make_leaf(f, 1, &parts));
	child = spte_make_small(f, &g, huge, 1, 2, true);
	ck_assert(spte_is_access_tracked(f, child));
	ck_assert_uint_eq(spte_access(f, spte_restore_access_tracked(f, child)), ACC_R | ACC_X);
	huge = spte_make_huge(f, &g, child, 1, true);
	ck_assert(spte_is_access_tracked(f, huge));
	ck_assert_uint_eq(spte_access(f, spte_restore_access_tracked(f, huge)), ACC_R);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_operations_agree_with_a_flat_map, 0, NR_SETUPS);
	tcase_add_loop_test(tc, zapping_all_and_freeing_the_root_leaves_zero_memory, 0, NR_SETUPS);
	tcase_add_test(tc, split_without_room_changes_nothing);
	tcase_add_test(tc, split_of_an_access_tracked_leaf_gives_tracked_children_that_may_execute);
}

int main(void)
{
	return run_suite("x86_pt", fill);
}
