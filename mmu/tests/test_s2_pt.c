/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random stage-2 operations against a flat map: per gfn of the windows what leaf covers it and what
 * that grants.  After each one the tables are sound and agree with the map, and no TLB holds what it
 * must not.
 */
#include <stdlib.h>

#include "mmu/tests/s2_checker.h"
#include "mmu/walk2d.h"

enum {
	OPS = 400,
};

static const char *const geoms[] = {
	"arm64-1x2",    "arm64-1x4",    "arm64-2x3",    "arm64-2x4",
	"arm64-4k-32",  "arm64-4k-40",  "arm64-4k-48",  "arm64-4k-52",
	"arm64-16k-40", "arm64-16k-48", "arm64-64k-42", "arm64-64k-46",
};

enum {
	NR_GEOMS = sizeof(geoms) / sizeof(geoms[0]),
};

/* What covers one gfn. */
struct rec {
	gfn_t base;
	kvm_pfn_t pfn; /* of the base */
	bool leaf;
	uint8_t height;
	uint8_t access;
	uint8_t memtype;
	bool af;
};

struct test {
	struct s2_test s;
	struct rec *map;
	uint64_t size;
	const char *op;
	unsigned int step;
};

static uint64_t span(const struct test *t, unsigned int height)
{
	return geom_pages(&t->s.p.pt.geom, height);
}

static bool overlap(gfn_t a, uint64_t na, gfn_t b, uint64_t nb)
{
	return a < b + nb && b < a + na;
}

static struct gfn_range one_gfn(struct test *t, uint64_t *i)
{
	gfn_t gfn;

	*i = rng_below(&t->s.r, t->size);
	gfn = windows_gfn(&t->s.ws, *i);
	return (struct gfn_range){ gfn, gfn + 1 };
}

static bool meets(const struct test *t, const struct rec *m, struct gfn_range r)
{
	return m->leaf && overlap(m->base, span(t, m->height), r.start, r.end - r.start);
}

/* The largest leaf that may stand at @gfn of a mapping. */
static unsigned int map_height(const struct test *t, const struct s2_op *op, struct gfn_range r,
			       gfn_t gfn)
{
	unsigned int h = op->force_pte ? 0 : t->s.p.pt.geom.max_leaf_height;

	while (h > 0 && (((gfn | (op->pfn + (gfn - r.start))) & (span(t, h) - 1)) != 0 ||
			 gfn + span(t, h) > r.end))
		h--;
	return h;
}

static void lose_block(struct test *t, gfn_t base)
{
	for (uint64_t i = 0; i < t->size; i++)
		if (t->map[i].leaf && t->map[i].base == base)
			t->map[i].leaf = false;
}

/* What map() means: leaf after leaf, until one is there already. */
static enum s2_act map_in_map(struct test *t, const struct s2_op *op, struct gfn_range r)
{
	for (gfn_t gfn = r.start; gfn < r.end;) {
		unsigned int h = map_height(t, op, r, gfn);
		struct rec leaf = { .leaf = true,
				    .base = gfn,
				    .pfn = op->pfn + (gfn - r.start),
				    .height = (uint8_t)h,
				    .access = op->access,
				    .memtype = op->memtype,
				    .af = true };
		uint64_t i;

		if (windows_find(&t->s.ws, gfn, &i)) {
			const struct rec old = t->map[i];

			if (old.leaf && old.height == h && old.pfn == leaf.pfn && old.af &&
			    old.memtype == leaf.memtype)
				return S2_AGAIN;
			if (old.leaf && old.height > h)
				lose_block(t, old.base);
		}
		/* pages are mapped in the windows only, larger leaves go beyond */
		must(h > 0 || windows_find(&t->s.ws, gfn, &i), "page outside the windows");
		if (h == 0)
			t->map[i] = leaf;
		for (i = 0; h > 0 && i < t->size; i++)
			if (windows_gfn(&t->s.ws, i) - gfn < span(t, h))
				t->map[i] = leaf;
		gfn += span(t, h);
	}
	return S2_DONE;
}

/* The start of a block's worth, for long mappings; mostly a window's range. */
static struct gfn_range map_range(struct test *t)
{
	uint64_t top = span(t, t->s.p.pt.geom.max_leaf_height);
	struct gfn_range r = windows_range(&t->s.ws, &t->s.p.pt.geom, &t->s.r);

	if (rng_once_in(&t->s.r, 6))
		r.start = align_down_u64(r.start, top), r.end = r.start + top;
	else if (r.end - r.start > 300 && !rng_once_in(&t->s.r, 8))
		r.end = r.start + 300;
	return r;
}

static void op_map(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = s2_test_op(&t->s, S2_OP_MAP, r);
	uint64_t top = span(t, t->s.p.pt.geom.max_leaf_height);
	enum s2_act expected, act;

	op.pfn = top * (1 + rng_below(&t->s.r, 3)) + (r.start & (top - 1));
	if (r.end - r.start < top && rng_once_in(&t->s.r, 4))
		op.pfn += 1; /* never aligned: pages only */
	op.access = (uint8_t)(ACC_R | rng_below(&t->s.r, 8));
	op.memtype = (uint8_t)(rng_once_in(&t->s.r, 8) ? S2_DEVICE : S2_NORMAL);
	op.force_pte = r.end - r.start <= 300 && rng_once_in(&t->s.r, 3);
	expected = map_in_map(t, &op, r);
	act = s2_test_run(&t->s, &op);
	must(act == expected, "map ended with %d, expected %d", act, expected);
}

static void op_unmap(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = s2_test_op(&t->s, S2_OP_UNMAP, r);

	op.defer = t->s.cfg.fwb && t->s.cfg.range_ops && !rng_once_in(&t->s.r, 4);
	for (uint64_t i = 0; i < t->size; i++)
		if (meets(t, &t->map[i], r))
			t->map[i].leaf = false;
	must(s2_test_run(&t->s, &op) == S2_DONE, "unmap did not end");
	for (uint64_t i = 0; i < t->size; i++) {
		gfn_t gfn = windows_gfn(&t->s.ws, i);
		struct pt_pos at = pt_lookup(&t->s.p.pt, t->s.root, gfn);
		bool empty = t->s.p.pt.meta[at.table].nr_used == 0;

		must(gfn < r.start || gfn >= r.end || !empty ||
			     (t->s.p.pt.meta[at.table].flags & PT_F_ROOT),
		     "an empty table was left");
	}
}

/* The flush that KVM does after write protection, by VMID. */
static void flush(struct test *t)
{
	struct s2_tlbi all = { .kind = S2_TLBI_VMID };

	s2_test_invalidate(&t->s, TLB_INV_VMALLS12E1, &all, TLB_LEVEL_NONE);
	t->s.flush_owed = false;
	s2_test_check(&t->s);
}

static void op_wrprot(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = s2_test_op(&t->s, S2_OP_WRPROT, r);

	for (uint64_t i = 0; i < t->size; i++)
		if (meets(t, &t->map[i], r))
			t->map[i].access &= (uint8_t)~ACC_W;
	t->s.flush_owed = true;
	must(s2_test_run(&t->s, &op) == S2_DONE, "wrprot did not end");
	flush(t);
}

/* I-TLB6: after the TLBI of a relax no entry of this PE grants less than the tables. */
static void check_relaxed(struct test *t, gfn_t gfn)
{
	struct tlb_key key = { .page = gfn, .ctx.vmid = VMID, .kind = TLB_S2 };
	struct tlb_entry e;

	for (unsigned int n = 0; tlb_match(&t->s.tlb_cfg, t->s.pe[0], &key, n, &e); n++)
		if (e.access != s2_access(s2_test_entry(&t->s, gfn, e.height)))
			s2_test_violate(&t->s, "I-TLB6: the old rights are still cached");
}

static void op_relax(struct test *t)
{
	uint64_t i;
	struct gfn_range r = one_gfn(t, &i);
	struct s2_op op = s2_test_op(&t->s, S2_OP_RELAX, r);
	const struct rec old = t->map[i];
	struct s2_tlbi tlbi = { .gfn = r.start,
				.pages = 1,
				.kind = t->s.cfg.range_ops ? S2_TLBI_IPA_NSH : S2_TLBI_IPA };
	enum s2_act act;

	op.access = (uint8_t)rng_below(&t->s.r, 8);
	for (uint64_t k = 0; k < t->size; k++)
		if (old.leaf && t->map[k].leaf && t->map[k].base == old.base)
			t->map[k].access |= op.access;
	s2_test_fill(&t->s, 0, r.start);
	act = s2_test_run(&t->s, &op);
	must(act == (old.leaf ? S2_DONE : S2_AGAIN), "relax ended with %d", act);
	must(op.tlbi.level == (old.leaf ? geom_arm_level(old.height) : S2_LEVEL_NONE),
	     "relax: hint %d", op.tlbi.level);
	tlbi.level = op.tlbi.level;
	s2_test_invalidate(&t->s, TLB_INV_IPAS2E1, &tlbi, tlbi.level);
	s2_test_invalidate(&t->s, TLB_INV_VMALLE1, &tlbi, TLB_LEVEL_NONE);
	check_relaxed(t, r.start);
}

static void op_young(struct test *t)
{
	struct gfn_range r = map_range(t);
	unsigned int what = (unsigned int)rng_below(&t->s.r, 3);
	static const enum s2_op_kind kinds[] = { S2_OP_MKYOUNG, S2_OP_AGE, S2_OP_TEST_AGE };
	struct s2_op op = s2_test_op(&t->s, kinds[what], r);
	bool young = false, old = false;

	for (uint64_t i = 0; i < t->size; i++) {
		if (!meets(t, &t->map[i], r))
			continue;
		young |= t->map[i].af;
		old |= !t->map[i].af;
		if (what < 2)
			t->map[i].af = what == 0;
	}
	must(s2_test_run(&t->s, &op) == S2_DONE, "age did not end");
	must(!t->s.ws.whole || op.hit == (what == 0 ? old : young), "age: hit %d", op.hit);
}

static void op_split(struct test *t)
{
	struct gfn_range r = windows_range(&t->s.ws, &t->s.p.pt.geom, &t->s.r);
	struct s2_op op = s2_test_op(&t->s, S2_OP_SPLIT, r);

	if (r.end - r.start > 4096)
		return;
	/* a 1 GiB block needs more tables than there are */
	op.whole = (uint8_t)rng_below(&t->s.r,
				      t->s.ws.whole ? t->s.p.pt.geom.max_leaf_height + 1U : 2);
	for (uint64_t i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];

		while (meets(t, m, r) && m->height > 0) {
			gfn_t base;

			m->height = m->height <= op.whole ? 0 : m->height - 1;
			m->af = true;
			base = align_down_u64(windows_gfn(&t->s.ws, i), span(t, m->height));
			m->pfn += base - m->base;
			m->base = base;
		}
	}
	must(s2_test_run(&t->s, &op) == S2_DONE, "split did not end");
}

static void op_access(struct test *t)
{
	unsigned int acc = 1 + (unsigned int)rng_below(&t->s.r, 7);
	bool hw_af = rng_once_in(&t->s.r, 2);
	uint64_t i;
	struct gfn_range r = one_gfn(t, &i);
	const struct rec m = t->map[i];
	enum hw_fault expected = HW_OK;
	struct hw_result res = hw_walk_s2(&t->s.p.pt, t->s.root, r.start, acc, hw_af, &t->s.wk);

	if (!m.leaf)
		expected = HW_FAULT_NOT_PRESENT;
	else if (!m.af && !hw_af)
		expected = HW_FAULT_ACCESS_FLAG;
	else if ((m.access & acc) != acc)
		expected = HW_FAULT_PERM;
	must(res.fault == expected, "access %u: fault %d, expected %d", acc, res.fault, expected);
	must(res.set_accessed == (expected == HW_OK && !m.af), "access: AF set %d",
	     res.set_accessed);
	for (uint64_t k = 0; k < t->size && expected == HW_OK; k++)
		if (t->map[k].leaf && t->map[k].base == m.base)
			t->map[k].af = true;
}

struct op {
	const char *name;
	unsigned int weight;
	void (*fn)(struct test *t);
};

static const struct op ops[] = {
	{ "map", 10, op_map },      { "unmap", 3, op_unmap }, { "wrprot", 3, op_wrprot },
	{ "relax", 4, op_relax },   { "young", 4, op_young }, { "split", 4, op_split },
	{ "access", 6, op_access },
};

/* --- Comparison. */

static void compare(struct test *t, uint64_t i)
{
	const struct rec *m = &t->map[i];
	gfn_t gfn = windows_gfn(&t->s.ws, i);
	struct pt_pos at = pt_lookup(&t->s.p.pt, t->s.root, gfn);
	const char *why = "";
	char text[128];
	bool ok = at.value.v == 0;

	if (m->leaf)
		ok = s2_leaf_check(t->s.p.pt.fmt, &t->s.p.pt.geom, at.value, at.height, &why) &&
		     at.height == m->height && pte_pfn(t->s.p.pt.fmt, at.value) == m->pfn &&
		     s2_access(at.value) == m->access &&
		     s2_is_cacheable(at.value, t->s.cfg.fwb) == (m->memtype == S2_NORMAL) &&
		     ((at.value.v & S2_AF) != 0) == m->af;
	s2_describe(t->s.p.pt.fmt, at.value, at.height, text, sizeof(text));
	must(ok,
	     "step %u %s: gfn 0x%llx is %s at height %u; expected leaf %d height %u access %u "
	     "af %d pfn 0x%llx %s",
	     t->step, t->op, (unsigned long long)gfn, text, at.height, m->leaf, m->height,
	     m->access, m->af, (unsigned long long)m->pfn, why ? why : "");
}

static void check_all(struct test *t)
{
	uint64_t leaves = 0, tables = 0;
	struct s2_counts count;
	const char *why;

	must(t->s.violation == NULL, "step %u %s: %s", t->step, t->op, t->s.violation);
	must(pt_check(&t->s.p.pt, &why), "step %u %s: %s", t->step, t->op, why);
	s2_count(&t->s.p.pt, t->s.root, &count);
	for (unsigned int h = 0; h < t->s.p.pt.geom.heights; h++) {
		leaves += count.leaves[h];
		tables += count.tables[h];
	}
	must(t->s.wk.leaf_installed - t->s.wk.leaf_removed == leaves,
	     "step %u %s: %llu leaves, counted %llu", t->step, t->op, (unsigned long long)leaves,
	     (unsigned long long)(t->s.wk.leaf_installed - t->s.wk.leaf_removed));
	must(t->s.p.head.nr_live == tables && t->s.p.head.nr_unlinked == 0,
	     "step %u %s: a page that no root reaches", t->step, t->op);
	must(t->s.wk.table_alloc - t->s.wk.table_free == tables, "step %u %s: table counters",
	     t->step, t->op);
	must(t->s.cfg.fwb ? t->s.wk.cmo_lines == 0 : true, "cache lines cleaned in spite of FWB");
	must(t->s.cfg.dic ? t->s.wk.icache_lines == 0 : true, "icache invalidated in spite of DIC");
}

static void step(struct test *t)
{
	unsigned int total = 0, n, k = 0;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	n = (unsigned int)rng_below(&t->s.r, total);
	while (n >= ops[k].weight)
		n -= ops[k++].weight;
	t->op = ops[k].name;
	ops[k].fn(t);
	check_all(t);
	for (unsigned int i = 0; i < 64; i++)
		compare(t, rng_below(&t->s.r, t->size));
	for (uint64_t i = 0; i < t->size && (t->s.ws.whole || t->step % 16 == 0); i++)
		compare(t, i);
}

static void start(struct test *t, const char *geom, const struct s2_cfg *cfg)
{
	*t = (struct test){ .op = "start" };
	s2_test_init(&t->s, geom, cfg);
	t->size = windows_size(&t->s.ws);
	t->map = calloc(t->size, sizeof(*t->map));
	must(t->map != NULL, "no memory");
}

static void finish(struct test *t)
{
	free(t->map);
	s2_test_fini(&t->s);
}

START_TEST(random_operations_agree_with_a_flat_map_and_leave_no_stale_entry)
{
	struct test t;

	start(&t, geoms[_i / NR_CFGS], &s2_cfgs[_i % NR_CFGS]);
	t.s.r.state = test_seed(21, (uint64_t)_i);
	/* tables of 64 KiB are 16 times as long */
	for (t.step = 0; t.step < test_ops(t.s.ws.whole ? OPS : OPS / 5); t.step++)
		step(&t);
	finish(&t);
}
END_TEST

static void fill_suite(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_operations_agree_with_a_flat_map_and_leave_no_stale_entry, 0,
			    NR_GEOMS * NR_CFGS);
}

int main(void)
{
	return run_suite("s2_pt", fill_suite);
}
