/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 operations against a flat map, and against a strict checker of TLB maintenance: two PEs
 * fill their TLBs from the tables at random, each TLBI that an operation asks for is applied, and
 * after every step the TLBs must hold nothing that the rules forbid.  The checker itself is tested
 * too: each way of doing a TLBI wrong must be found.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/s2_pt.h"
#include "mmu/tests/mmu_test.h"
#include "mmu/tlb.h"
#include "mmu/walk2d.h"

enum {
	CAPACITY = 256,
	OPS = 700,
	TLB_CAPACITY = 96,
	NR_PES = 2,
	VMID = 5,
};

static const char *const geoms[] = {
	"arm64-1x2",   "arm64-1x4",   "arm64-2x3",    "arm64-2x4",    "arm64-4k-32",  "arm64-4k-40",
	"arm64-4k-48", "arm64-4k-52", "arm64-16k-40", "arm64-16k-48", "arm64-64k-42", "arm64-64k-46",
};

/* What differs: the two generations, forced write-back, range invalidation. */
static const struct s2_cfg cfgs[] = {
	{ .cache_line = 64 },
	{ .cache_line = 64, .fwb = true, .dic = true },
	{ .cache_line = 64, .locked_marker = true, .range_ops = true },
	{ .cache_line = 64, .locked_marker = true, .range_ops = true, .tlb_range = true, .fwb = true },
};

enum {
	NR_GEOMS = sizeof(geoms) / sizeof(geoms[0]),
	NR_CFGS = sizeof(cfgs) / sizeof(cfgs[0]),
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

/* A valid value that was removed and whose TLBI has not completed. */
struct broken {
	gfn_t base;
	pte_t old;
	uint8_t height;
};

/* Ways of doing a TLBI wrong. */
enum wrong {
	RIGHT,
	WRONG_SKIPPED,
	WRONG_NO_S2,    /* stage-2 part missing */
	WRONG_NO_S1,    /* stage-1 part missing */
	WRONG_LEVEL,    /* hint of another level */
	WRONG_LOCAL,    /* not broadcast */
	NR_WRONG,
};

struct test {
	struct pool p;
	struct s2_cfg cfg;
	struct windows ws;
	struct rng r;
	struct rec *map;
	uint64_t size;
	uint32_t root;
	struct tlb_cfg tlb_cfg;
	struct tlb *pe[NR_PES];
	struct broken *broken;
	size_t nr_broken, room;
	bool flush_owed; /* rights were taken and the flush is the caller's, who has not done it */
	bool deferred;   /* leaves are unmapped, one range TLBI comes at the end */
	enum wrong wrong;
	const char *violation;
	struct work wk;
	const char *op;
	unsigned int step;
};

static uint64_t span(const struct test *t, unsigned int height)
{
	return geom_pages(&t->p.pt.geom, height);
}

static bool overlap(gfn_t a, uint64_t na, gfn_t b, uint64_t nb)
{
	return a < b + nb && b < a + na;
}

static void violate(struct test *t, const char *what)
{
	if (!t->violation)
		t->violation = what;
}

/* --- The checker: stores. */

static void on_change(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t now)
{
	struct test *t = arg;
	const struct pte_fmt *f = t->p.pt.fmt;
	bool was = pte_is_present(f, old), is = pte_is_present(f, now);

	if (was && is && ((old.v ^ now.v) & ~(S2_PERM_MASK | S2_AF | S2_SW)))
		violate(t, "I-PT1: valid to another valid value without a break");
	if (was && !is) {
		if (t->nr_broken == t->room) {
			t->room = 2 * t->room + 16;
			t->broken = realloc(t->broken, t->room * sizeof(*t->broken));
			must(t->broken != NULL, "no memory");
		}
		t->broken[t->nr_broken++] = (struct broken){ gfn, old, (uint8_t)height };
	}
	for (size_t i = 0; is && !was && i < t->nr_broken; i++)
		if (overlap(gfn, span(t, height), t->broken[i].base, span(t, t->broken[i].height)))
			violate(t, "I-PT1: a new value before the TLBI for the old one completed");
}

/* --- The checker: contents of the TLBs. */

static bool is_broken(const struct test *t, gfn_t gfn, uint64_t pages)
{
	for (size_t i = 0; i < t->nr_broken; i++)
		if (overlap(gfn, pages, t->broken[i].base, span(t, t->broken[i].height)))
			return true;
	return false;
}

/* Entry at @height on the path to @gfn; an empty value where the path ends earlier. */
static pte_t entry_at(const struct test *t, gfn_t gfn, unsigned int height)
{
	const struct pt *pt = &t->p.pt;
	uint32_t table = t->root;
	unsigned int h = geom_root_height(&pt->geom);

	for (;;) {
		pte_t e = *pt_entry(pt, table, pt_index(pt, gfn, h));

		if (h == height)
			return e;
		if (!pte_is_table(pt->fmt, e, h))
			return (pte_t){ 0 };
		table = pt_table_of(pt, e);
		h--;
	}
}

static void check_walk_entry(struct test *t, const struct tlb_entry *e)
{
	const struct pt *pt = &t->p.pt;

	if (pt->meta[pt_table_of(pt, e->pte)].state == PT_FREE)
		violate(t, "I-PT4: a freed table page is in a walk cache");
	else if (entry_at(t, e->gfn, e->height).v != e->pte.v &&
		 !is_broken(t, e->gfn, span(t, e->height)))
		violate(t, "I-TLB1: stale walk entry");
}

static void check_leaf_entry(struct test *t, const struct tlb_entry *e)
{
	pte_t now = entry_at(t, e->gfn, e->height);
	bool same = pte_is_leaf(t->p.pt.fmt, now, e->height) &&
		    ((now.v ^ e->pte.v) & ~(S2_PERM_MASK | S2_AF | S2_SW)) == 0;

	if (!same && !is_broken(t, e->gfn, span(t, e->height)))
		violate(t, e->kind == TLB_S2 ? "I-TLB1: stale stage-2 entry" :
					       "I-TLB2: stale combined entry");
	else if (same && !t->flush_owed && (e->access & ~s2_access(now)))
		violate(t, "an entry grants what the tables no longer grant");
}

struct collect {
	struct test *t;
	struct tlb_entry e[NR_PES * TLB_CAPACITY];
	unsigned int nr;
};

static enum tlb_keep collect_entry(void *arg, const struct tlb_entry *e)
{
	struct collect *c = arg;

	if (e->kind == TLB_S2_WALK)
		check_walk_entry(c->t, e);
	else if (e->kind != TLB_S1) {
		check_leaf_entry(c->t, e);
		c->e[c->nr++] = *e;
	}
	return TLB_KEEP;
}

/* I-PT2: what is cached for one IPA agrees in address, type and, among stage-2 entries, size. */
static void check_agreement(struct test *t, const struct tlb_entry *a, const struct tlb_entry *b)
{
	const struct pte_fmt *f = t->p.pt.fmt;

	if (!overlap(a->gfn, span(t, a->height), b->gfn, span(t, b->height)))
		return;
	if (pte_pfn(f, a->pte) - a->gfn != pte_pfn(f, b->pte) - b->gfn ||
	    ((a->pte.v ^ b->pte.v) & S2_MEMATTR) != 0 || a->height != b->height)
		violate(t, "I-PT2: two cached translations of one IPA differ");
}

static void check_tlbs(struct test *t)
{
	struct collect c = { .t = t };
	const char *why;

	for (unsigned int i = 0; i < NR_PES; i++) {
		must(tlb_check(&t->tlb_cfg, t->pe[i], &why), "%s", why);
		tlb_visit(&t->tlb_cfg, t->pe[i], collect_entry, &c);
	}
	for (unsigned int i = 0; i < c.nr; i++)
		for (unsigned int j = 0; j < i; j++)
			check_agreement(t, &c.e[i], &c.e[j]);
}

/* --- The checker: TLBIs. */

static void invalidate(struct test *t, enum tlb_inv_op op, const struct s2_tlbi *tlbi, int8_t level)
{
	struct tlb_inv inv = { .op = (uint8_t)op, .level = level, .ctx.vmid = VMID,
			       .gfn = tlbi->gfn,
			       .pages = tlbi->kind == S2_TLBI_RANGE ? tlbi->pages : 1 };
	unsigned int pes = tlbi->kind == S2_TLBI_IPA_NSH || t->wrong == WRONG_LOCAL ? 1 : NR_PES;

	for (unsigned int i = 0; i < pes; i++)
		tlb_invalidate(&t->tlb_cfg, t->pe[i], &inv, &t->wk);
}

/* I-TLB3 and I-TLB5 for a TLBI by IPA. */
static void check_ipa(struct test *t, const struct s2_tlbi *tlbi)
{
	const struct broken *last = t->nr_broken ? &t->broken[t->nr_broken - 1] : NULL;

	if (!last || !overlap(tlbi->gfn, 1, last->base, span(t, last->height))) {
		violate(t, "I-TLB5: a TLBI for which nothing was removed");
		return;
	}
	if (pte_is_table(t->p.pt.fmt, last->old, last->height) ?
		    tlbi->level != S2_LEVEL_NONE :
		    tlbi->level != geom_arm_level(last->height))
		violate(t, "I-TLB3: the hint is not the level of the removed leaf");
}

/* What a completed TLBI settles.  A deferred one comes later than those of the tables. */
static void settle(struct test *t, const struct s2_tlbi *tlbi)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->nr_broken; i++) {
		const struct broken *b = &t->broken[i];
		bool done = true;

		if (tlbi->kind == S2_TLBI_IPA)
			done = t->deferred ? i + 1 == t->nr_broken :
					     overlap(tlbi->gfn, 1, b->base, span(t, b->height));
		else if (tlbi->kind == S2_TLBI_RANGE)
			done = overlap(tlbi->gfn, tlbi->pages, b->base, span(t, b->height));
		if (!done)
			t->broken[kept++] = *b;
	}
	t->nr_broken = kept;
}

static void do_tlbi(struct test *t, const struct s2_tlbi *tlbi)
{
	int8_t level = tlbi->level;

	if (tlbi->kind == S2_TLBI_IPA)
		check_ipa(t, tlbi);
	else if (t->nr_broken == 0 && !t->deferred)
		violate(t, "I-TLB5: a TLBI for which nothing was removed");
	if (t->wrong == WRONG_LEVEL)
		level = (int8_t)(level == S2_LEVEL_NONE || level == 3 ? 2 : 3);
	if (tlbi->kind == S2_TLBI_VMID) {
		if (t->wrong != WRONG_SKIPPED)
			invalidate(t, TLB_INV_VMALLS12E1, tlbi, TLB_LEVEL_NONE);
	} else if (t->wrong != WRONG_SKIPPED) {
		if (t->wrong != WRONG_NO_S2)
			invalidate(t, TLB_INV_IPAS2E1, tlbi, level);
		if (t->wrong != WRONG_NO_S1)
			invalidate(t, TLB_INV_VMALLE1, tlbi, TLB_LEVEL_NONE);
	}
	settle(t, tlbi);
	check_tlbs(t);
}

/* --- Hardware that fills. */

static void fill(struct test *t, unsigned int pe, const struct tlb_entry *e)
{
	struct tlb_entry own = *e;

	own.ctx.vmid = VMID;
	if (!tlb_fill(&t->tlb_cfg, t->pe[pe], &own, &t->wk)) {
		tlb_reset(&t->tlb_cfg, t->pe[pe]); /* hardware may always forget */
		tlb_fill(&t->tlb_cfg, t->pe[pe], &own, &t->wk);
	}
}

/* A walk for @gfn on one PE: walk entries, the leaf, a combined and a stage-1 entry. */
static void fill_path(struct test *t, unsigned int pe, gfn_t gfn)
{
	const struct pt *pt = &t->p.pt;
	uint32_t table = t->root;
	unsigned int h = geom_root_height(&pt->geom);
	struct tlb_entry e = { 0 };

	for (;;) {
		e.height = (uint8_t)h;
		e.gfn = e.page = geom_base(&pt->geom, gfn, h);
		e.pte = *pt_entry(pt, table, pt_index(pt, gfn, h));
		if (!pte_is_table(pt->fmt, e.pte, h))
			break;
		e.kind = TLB_S2_WALK;
		fill(t, pe, &e);
		table = pt_table_of(pt, e.pte);
		h--;
	}
	if (!pte_is_leaf(pt->fmt, e.pte, h) || !(e.pte.v & S2_AF))
		return;
	e.kind = TLB_S2;
	e.access = (uint8_t)s2_access(e.pte);
	fill(t, pe, &e);
	e.kind = TLB_COMBINED;
	e.page += span(t, geom_root_height(&pt->geom)) * (1 + rng_below(&t->r, 3));
	e.ctx.asid = (uint16_t)rng_below(&t->r, 2);
	fill(t, pe, &e);
	e.kind = TLB_S1;
	fill(t, pe, &e);
}

static void speculate(struct test *t)
{
	for (unsigned int n = (unsigned int)rng_below(&t->r, 4); n > 0; n--)
		fill_path(t, (unsigned int)rng_below(&t->r, NR_PES),
			  windows_gfn(&t->ws, rng_below(&t->r, t->size)));
	if (rng_once_in(&t->r, 40))
		tlb_reset(&t->tlb_cfg, t->pe[rng_below(&t->r, NR_PES)]);
}

/* Everything of a range is cached everywhere: nothing forbidden can hide. */
static void fill_all(struct test *t, struct gfn_range r)
{
	for (gfn_t gfn = r.start; gfn < r.end; gfn++)
		for (unsigned int pe = 0; pe < NR_PES; pe++)
			fill_path(t, pe, gfn);
}

/* --- Running operations. */

static enum s2_act run(struct test *t, struct s2_op *op)
{
	static const unsigned int budgets[] = { 1, 2, 7, UINT_MAX };
	unsigned int budget = budgets[rng_below(&t->r, 4)];
	enum s2_act act;

	t->deferred = op->defer;
	do {
		act = s2_op_run(&t->p.pt, &t->cfg, op, budget, &t->wk);
		if (act == S2_TLBI) {
			check_tlbs(t);
			do_tlbi(t, &op->tlbi);
		}
		speculate(t);
		check_tlbs(t);
	} while (act == S2_TLBI || act == S2_STEP || act == S2_BUDGET);
	t->deferred = false;
	if (t->nr_broken)
		violate(t, "an operation ended without a TLBI for what it removed");
	t->nr_broken = 0;
	if (op->deferred && t->wrong == RIGHT)
		pt_free_list(&t->p.pt, &op->deferred, &t->wk);
	check_tlbs(t);
	return act;
}

static struct s2_op begin(struct test *t, enum s2_op_kind kind, struct gfn_range r)
{
	return s2_op_init(&t->p.pt, kind, t->root, r);
}

static struct gfn_range one_gfn(struct test *t, uint64_t *i)
{
	gfn_t gfn;

	*i = rng_below(&t->r, t->size);
	gfn = windows_gfn(&t->ws, *i);
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
	unsigned int h = op->force_pte ? 0 : t->p.pt.geom.max_leaf_height;

	while (h > 0 && (((gfn | (op->pfn + (gfn - r.start))) & (span(t, h) - 1)) != 0 ||
			 gfn + span(t, h) > r.end))
		h--;
	return h;
}

/* What map() means: leaf after leaf, until one is there already. */
static enum s2_act map_in_map(struct test *t, const struct s2_op *op, struct gfn_range r)
{
	for (gfn_t gfn = r.start; gfn < r.end;) {
		unsigned int h = map_height(t, op, r, gfn);
		struct rec leaf = { .leaf = true, .base = gfn, .pfn = op->pfn + (gfn - r.start),
				    .height = (uint8_t)h, .access = op->access,
				    .memtype = op->memtype, .af = true };
		uint64_t i;

		if (windows_find(&t->ws, gfn, &i)) {
			const struct rec old = t->map[i];

			if (old.leaf && old.height == h && old.pfn == leaf.pfn && old.af &&
			    old.memtype == leaf.memtype)
				return S2_AGAIN;
			for (uint64_t k = 0; k < t->size; k++)
				if (old.leaf && old.height > h && t->map[k].leaf &&
				    t->map[k].base == old.base)
					t->map[k].leaf = false;
		}
		for (i = 0; i < t->size; i++)
			if (windows_gfn(&t->ws, i) - gfn < span(t, h))
				t->map[i] = leaf;
		gfn += span(t, h);
	}
	return S2_DONE;
}

/* The start of a block's worth, for long mappings; mostly a window's range. */
static struct gfn_range map_range(struct test *t)
{
	uint64_t top = span(t, t->p.pt.geom.max_leaf_height);
	struct gfn_range r = windows_range(&t->ws, &t->p.pt.geom, &t->r);

	if (rng_once_in(&t->r, 6))
		r.start = align_down_u64(r.start, top), r.end = r.start + top;
	else if (r.end - r.start > 300 && !rng_once_in(&t->r, 8))
		r.end = r.start + 300;
	return r;
}

static void op_map(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = begin(t, S2_OP_MAP, r);
	uint64_t top = span(t, t->p.pt.geom.max_leaf_height);
	enum s2_act expected, act;

	op.pfn = top * (1 + rng_below(&t->r, 3)) + (r.start & (top - 1));
	if (r.end - r.start < top && rng_once_in(&t->r, 4))
		op.pfn += 1; /* never aligned: pages only */
	op.access = (uint8_t)(ACC_R | rng_below(&t->r, 8));
	op.memtype = (uint8_t)(rng_once_in(&t->r, 8) ? S2_DEVICE : S2_NORMAL);
	op.force_pte = r.end - r.start <= 300 && rng_once_in(&t->r, 3);
	expected = map_in_map(t, &op, r);
	act = run(t, &op);
	must(act == expected, "map ended with %d, expected %d", act, expected);
}

static void op_unmap(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = begin(t, S2_OP_UNMAP, r);

	op.defer = t->cfg.fwb && t->cfg.tlb_range && !rng_once_in(&t->r, 4);
	for (uint64_t i = 0; i < t->size; i++)
		if (meets(t, &t->map[i], r))
			t->map[i].leaf = false;
	must(run(t, &op) == S2_DONE, "unmap did not end");
	for (uint64_t i = 0; i < t->size; i++) {
		gfn_t gfn = windows_gfn(&t->ws, i);
		struct pt_pos at = pt_lookup(&t->p.pt, t->root, gfn);
		bool empty = t->p.pt.meta[at.table].nr_used == 0;

		must(gfn < r.start || gfn >= r.end || !empty ||
			     (t->p.pt.meta[at.table].flags & PT_F_ROOT),
		     "an empty table was left");
	}
}

/* The flush that KVM does after write protection, by VMID. */
static void flush(struct test *t)
{
	struct s2_tlbi all = { .kind = S2_TLBI_VMID };

	invalidate(t, TLB_INV_VMALLS12E1, &all, TLB_LEVEL_NONE);
	t->flush_owed = false;
	check_tlbs(t);
}

static void op_wrprot(struct test *t)
{
	struct gfn_range r = map_range(t);
	struct s2_op op = begin(t, S2_OP_WRPROT, r);

	for (uint64_t i = 0; i < t->size; i++)
		if (meets(t, &t->map[i], r))
			t->map[i].access &= (uint8_t)~ACC_W;
	t->flush_owed = true;
	must(run(t, &op) == S2_DONE, "wrprot did not end");
	flush(t);
}

/* I-TLB6: after the TLBI of a relax no entry of this PE grants less than the tables. */
static void check_relaxed(struct test *t, gfn_t gfn)
{
	struct tlb_key key = { .page = gfn, .ctx.vmid = VMID, .kind = TLB_S2 };
	struct tlb_entry e;

	for (unsigned int n = 0; tlb_match(&t->tlb_cfg, t->pe[0], &key, n, &e); n++)
		if (e.access != s2_access(entry_at(t, gfn, e.height)))
			violate(t, "I-TLB6: the old rights are still cached");
}

static void op_relax(struct test *t)
{
	uint64_t i;
	struct gfn_range r = one_gfn(t, &i);
	struct s2_op op = begin(t, S2_OP_RELAX, r);
	const struct rec old = t->map[i];
	struct s2_tlbi tlbi = { .gfn = r.start, .pages = 1,
				.kind = t->cfg.range_ops ? S2_TLBI_IPA_NSH : S2_TLBI_IPA };
	enum s2_act act;

	op.access = (uint8_t)rng_below(&t->r, 8);
	for (uint64_t k = 0; k < t->size; k++)
		if (old.leaf && t->map[k].leaf && t->map[k].base == old.base)
			t->map[k].access |= op.access;
	fill_path(t, 0, r.start);
	act = run(t, &op);
	must(act == (old.leaf ? S2_DONE : S2_AGAIN), "relax ended with %d", act);
	must(op.tlbi.level == (old.leaf ? geom_arm_level(old.height) : S2_LEVEL_NONE),
	     "relax: hint %d", op.tlbi.level);
	tlbi.level = op.tlbi.level;
	invalidate(t, TLB_INV_IPAS2E1, &tlbi, tlbi.level);
	invalidate(t, TLB_INV_VMALLE1, &tlbi, TLB_LEVEL_NONE);
	check_relaxed(t, r.start);
}

static void op_young(struct test *t)
{
	struct gfn_range r = map_range(t);
	unsigned int what = (unsigned int)rng_below(&t->r, 3);
	static const enum s2_op_kind kinds[] = { S2_OP_MKYOUNG, S2_OP_AGE, S2_OP_TEST_AGE };
	struct s2_op op = begin(t, kinds[what], r);
	bool young = false, old = false;

	for (uint64_t i = 0; i < t->size; i++) {
		if (!meets(t, &t->map[i], r))
			continue;
		young |= t->map[i].af;
		old |= !t->map[i].af;
		if (what < 2)
			t->map[i].af = what == 0;
	}
	must(run(t, &op) == S2_DONE, "age did not end");
	must(!t->ws.whole || op.hit == (what == 0 ? old : young), "age: hit %d", op.hit);
}

static void op_split(struct test *t)
{
	struct gfn_range r = windows_range(&t->ws, &t->p.pt.geom, &t->r);
	struct s2_op op = begin(t, S2_OP_SPLIT, r);

	if (r.end - r.start > 4096)
		return;
	for (uint64_t i = 0; i < t->size; i++) {
		struct rec *m = &t->map[i];

		while (meets(t, m, r) && m->height > 0) {
			gfn_t base;

			m->height--;
			m->af = true;
			base = align_down_u64(windows_gfn(&t->ws, i), span(t, m->height));
			m->pfn += base - m->base;
			m->base = base;
		}
	}
	must(run(t, &op) == S2_DONE, "split did not end");
}

static void op_access(struct test *t)
{
	unsigned int acc = 1 + (unsigned int)rng_below(&t->r, 7);
	bool hw_af = rng_once_in(&t->r, 2);
	uint64_t i;
	struct gfn_range r = one_gfn(t, &i);
	const struct rec m = t->map[i];
	enum hw_fault expected = HW_OK;
	struct hw_result res = hw_walk_s2(&t->p.pt, t->root, r.start, acc, hw_af, &t->wk);

	if (!m.leaf)
		expected = HW_FAULT_NOT_PRESENT;
	else if (!m.af && !hw_af)
		expected = HW_FAULT_ACCESS_FLAG;
	else if ((m.access & acc) != acc)
		expected = HW_FAULT_PERM;
	must(res.fault == expected, "access %u: fault %d, expected %d", acc, res.fault, expected);
	must(res.set_accessed == (expected == HW_OK && !m.af), "access: AF set %d", res.set_accessed);
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
	{ "map", 10, op_map },	   { "unmap", 3, op_unmap }, { "wrprot", 3, op_wrprot },
	{ "relax", 4, op_relax },  { "young", 4, op_young }, { "split", 4, op_split },
	{ "access", 6, op_access },
};

/* --- Comparison. */

static void compare(struct test *t, uint64_t i)
{
	const struct rec *m = &t->map[i];
	gfn_t gfn = windows_gfn(&t->ws, i);
	struct pt_pos at = pt_lookup(&t->p.pt, t->root, gfn);
	const char *why = "";
	char text[128];
	bool ok = at.value.v == 0;

	if (m->leaf)
		ok = s2_leaf_check(t->p.pt.fmt, &t->p.pt.geom, at.value, at.height, &why) &&
		     at.height == m->height && pte_pfn(t->p.pt.fmt, at.value) == m->pfn &&
		     s2_access(at.value) == m->access &&
		     s2_is_cacheable(at.value, t->cfg.fwb) == (m->memtype == S2_NORMAL) &&
		     ((at.value.v & S2_AF) != 0) == m->af;
	s2_describe(t->p.pt.fmt, at.value, at.height, text, sizeof(text));
	must(ok, "step %u %s: gfn 0x%llx is %s at height %u; expected leaf %d height %u access %u "
		 "af %d pfn 0x%llx %s",
	     t->step, t->op, (unsigned long long)gfn, text, at.height, m->leaf, m->height, m->access,
	     m->af, (unsigned long long)m->pfn, why ? why : "");
}

static void check_all(struct test *t)
{
	uint64_t leaves = 0, tables = 0;
	struct s2_counts count;
	const char *why;

	must(t->violation == NULL, "step %u %s: %s", t->step, t->op, t->violation);
	must(pt_check(&t->p.pt, &why), "step %u %s: %s", t->step, t->op, why);
	s2_count(&t->p.pt, t->root, &count);
	for (unsigned int h = 0; h < t->p.pt.geom.heights; h++) {
		leaves += count.leaves[h];
		tables += count.tables[h];
	}
	must(t->wk.leaf_installed - t->wk.leaf_removed == leaves,
	     "step %u %s: %llu leaves, counted %llu", t->step, t->op, (unsigned long long)leaves,
	     (unsigned long long)(t->wk.leaf_installed - t->wk.leaf_removed));
	must(t->p.head.nr_live == tables && t->p.head.nr_unlinked == 0,
	     "step %u %s: a page that no root reaches", t->step, t->op);
	must(t->wk.table_alloc - t->wk.table_free == tables, "step %u %s: table counters", t->step,
	     t->op);
	must(t->cfg.fwb ? t->wk.cmo_lines == 0 : true, "cache lines cleaned in spite of FWB");
	must(t->cfg.dic ? t->wk.icache_lines == 0 : true, "icache invalidated in spite of DIC");
}

static const struct pt_observer observer = { .changed = on_change };

static void start(struct test *t, const char *geom, const struct s2_cfg *cfg)
{
	struct pt_geom g;

	*t = (struct test){ .cfg = *cfg, .op = "start" };
	must(geom_find(geom, &g), "unknown geometry");
	pool_init(&t->p, geom, s2_fmt_of(&g), CAPACITY);
	t->cfg.fmt = t->p.pt.fmt;
	t->p.pt.obs = &observer;
	t->p.pt.obs_arg = t;
	t->ws = windows_of(&t->p.pt.geom);
	t->size = windows_size(&t->ws);
	t->map = calloc(t->size, sizeof(*t->map));
	t->tlb_cfg = tlb_cfg_set(&t->p.pt.geom, TLB_CAPACITY);
	must(t->map != NULL, "no memory");
	for (unsigned int i = 0; i < NR_PES; i++) {
		t->pe[i] = malloc(tlb_bytes(&t->tlb_cfg));
		must(t->pe[i] != NULL, "no memory");
		tlb_reset(&t->tlb_cfg, t->pe[i]);
	}
	t->root = pt_alloc_root(&t->p.pt, &t->wk);
}

static void finish(struct test *t)
{
	for (unsigned int i = 0; i < NR_PES; i++)
		free(t->pe[i]);
	free(t->broken);
	free(t->map);
	pool_fini(&t->p);
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
		compare(t, rng_below(&t->r, t->size));
	for (uint64_t i = 0; i < t->size && (t->ws.whole || t->step % 16 == 0); i++)
		compare(t, i);
}

START_TEST(random_operations_agree_with_a_flat_map_and_leave_no_stale_entry)
{
	struct test t;

	start(&t, geoms[_i / NR_CFGS], &cfgs[_i % NR_CFGS]);
	t.r.state = test_seed(21, (uint64_t)_i);
	/* tables of 64 KiB are 16 times as long */
	for (t.step = 0; t.step < test_ops(t.ws.whole ? OPS : OPS / 5); t.step++)
		step(&t);
	finish(&t);
}
END_TEST

/* --- The checker finds each wrong TLBI. */

struct scene {
	const char *name;
	struct gfn_range map;    /* what is there before, and cached by all */
	struct gfn_range change; /* what the operation is about */
	enum s2_op_kind kind;
	bool pages; /* mapped page by page */
};

/* Two levels of four entries: a block is four pages. */
static const struct scene scenes[] = {
	{ "unmap of a page", { 0, 4 }, { 1, 2 }, S2_OP_UNMAP, true },
	{ "unmap of a table", { 0, 4 }, { 0, 4 }, S2_OP_UNMAP, true },
	{ "unmap of a block", { 0, 4 }, { 0, 4 }, S2_OP_UNMAP, false },
	{ "block over a table", { 0, 4 }, { 0, 4 }, S2_OP_MAP, true },
	{ "page into a block", { 0, 4 }, { 2, 3 }, S2_OP_MAP, false },
	{ "another block", { 0, 4 }, { 0, 4 }, S2_OP_MAP, false },
	{ "split of a block", { 0, 4 }, { 0, 4 }, S2_OP_SPLIT, false },
};

enum {
	NR_SCENES = sizeof(scenes) / sizeof(scenes[0]),
};

/* What the checker says of a scene; @nr_tlbi: how many TLBIs it had that @wrong can spoil. */
static const char *play(const struct scene *s, const struct s2_cfg *cfg, enum wrong wrong,
			unsigned int *nr_tlbi)
{
	const char *violation;
	struct s2_op op;
	struct test t;
	enum s2_act act;

	start(&t, "arm64-2x2", cfg);
	t.r.state = 1;
	op = begin(&t, S2_OP_MAP, s->map);
	op.pfn = 64;
	op.access = ACC_RWX;
	op.force_pte = s->pages;
	run(&t, &op);
	fill_all(&t, s->map);
	must(t.violation == NULL, "%s: before: %s", s->name, t.violation);
	op = begin(&t, s->kind, s->change);
	op.pfn = 128;
	op.access = ACC_R;
	op.force_pte = s->change.end - s->change.start < 4;
	*nr_tlbi = 0;
	t.wrong = wrong;
	do {
		act = s2_op_run(&t.p.pt, &t.cfg, &op, UINT_MAX, &t.wk);
		if (act != S2_TLBI)
			continue;
		/* one VMID-wide instruction has neither parts nor hint */
		*nr_tlbi += op.tlbi.kind != S2_TLBI_VMID || wrong == WRONG_SKIPPED ||
			    wrong == WRONG_LOCAL;
		do_tlbi(&t, &op.tlbi);
	} while (act == S2_TLBI || act == S2_STEP);
	must(act == S2_DONE, "%s ended with %d", s->name, act);
	check_tlbs(&t);
	violation = t.violation;
	finish(&t);
	return violation;
}

START_TEST(checker_finds_each_wrong_tlbi_and_nothing_wrong_in_the_right_ones)
{
	const struct scene *s = &scenes[_i / NR_CFGS];
	unsigned int nr;

	for (unsigned int wrong = RIGHT; wrong < NR_WRONG; wrong++) {
		const char *found = play(s, &cfgs[_i % NR_CFGS], (enum wrong)wrong, &nr);

		if (wrong == RIGHT || nr == 0)
			must(found == NULL, "%s: %s", s->name, found);
		else
			must(found != NULL, "%s: wrong TLBI %u was not found", s->name, wrong);
	}
}
END_TEST

/* --- Single rules. */

static void map_block(struct test *t, unsigned int access)
{
	struct s2_op op = begin(t, S2_OP_MAP, (struct gfn_range){ 0, span(t, 1) });

	op.access = (uint8_t)access;
	ck_assert_int_eq(s2_op_sync(&t->p.pt, &t->cfg, &op, NULL, NULL, &t->wk), S2_DONE);
	t->nr_broken = 0;
}

START_TEST(map_without_a_table_page_leaves_all_as_it_was)
{
	struct test t;
	struct s2_op op;
	pte_t before;

	start(&t, "arm64-2x2", &cfgs[_i]);
	map_block(&t, ACC_RWX);
	before = entry_at(&t, 0, 1);
	t.p.pt.capacity = t.p.head.high_water;
	op = begin(&t, S2_OP_MAP, (struct gfn_range){ 1, 2 });
	op.pfn = 77;
	op.access = ACC_R;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_NEED_TABLE);
	ck_assert_uint_eq(entry_at(&t, 0, 1).v, before.v);
	ck_assert_uint_eq(entry_at(&t, 4, 1).v, 0);
	op = begin(&t, S2_OP_SPLIT, (struct gfn_range){ 1, 2 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_NEED_TABLE);
	ck_assert_uint_eq(entry_at(&t, 0, 1).v, before.v);
	pool_check(&t.p);
	/* with a page the same operation goes on */
	t.p.pt.capacity = CAPACITY;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert(pte_is_table(t.p.pt.fmt, entry_at(&t, 0, 1), 1));
	pool_check(&t.p);
	finish(&t);
}
END_TEST

START_TEST(map_that_finds_its_leaf_gives_up_and_a_locked_entry_stops_it)
{
	struct test t;
	struct s2_op op;
	struct pt_pos at;

	start(&t, "arm64-2x2", &cfgs[2]);
	map_block(&t, ACC_R);
	op = begin(&t, S2_OP_MAP, (struct gfn_range){ 0, 4 });
	op.access = ACC_RWX; /* differs in rights only */
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_AGAIN);
	ck_assert_uint_eq(s2_access(entry_at(&t, 0, 1)), ACC_R);
	at = pt_lookup(&t.p.pt, t.root, 4);
	pt_set(&t.p.pt, at.table, at.index, (pte_t){ S2_LOCKED }, &t.wk);
	op = begin(&t, S2_OP_MAP, (struct gfn_range){ 4, 5 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_AGAIN);
	ck_assert_uint_eq(t.p.head.nr_live, 1);
	pool_check(&t.p);
	finish(&t);
}
END_TEST

START_TEST(first_mapping_stores_a_marker_only_where_the_kernel_does)
{
	struct test t;

	start(&t, "arm64-2x2", &cfgs[_i]);
	map_block(&t, ACC_R);
	ck_assert_uint_eq(t.wk.pte_write, t.cfg.locked_marker ? 2 : 1);
	finish(&t);
}
END_TEST

static void count_tlbi(void *arg, const struct s2_tlbi *tlbi)
{
	unsigned int *n = arg;

	(void)tlbi;
	++*n;
}

START_TEST(deferred_unmap_issues_one_range_even_where_nothing_was_mapped)
{
	unsigned int n = 0;
	struct test t;
	struct s2_op op;

	start(&t, "arm64-2x3", &cfgs[3]);
	op = begin(&t, S2_OP_UNMAP, (struct gfn_range){ 3, 9 });
	op.defer = true;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, count_tlbi, &n, &t.wk), S2_DONE);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(op.tlbi.kind, S2_TLBI_RANGE);
	ck_assert_uint_eq(op.tlbi.gfn, 3);
	ck_assert_uint_eq(op.tlbi.pages, 6);
	op = begin(&t, S2_OP_UNMAP, (struct gfn_range){ 3, 9 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, count_tlbi, &n, &t.wk), S2_DONE);
	ck_assert_uint_eq(n, 1);
	finish(&t);
}
END_TEST

START_TEST(unmap_inside_a_block_takes_all_of_it_with_the_address_of_entry)
{
	struct test t;
	struct s2_op op;

	start(&t, "arm64-2x2", &cfgs[2]);
	map_block(&t, ACC_RWX);
	op = begin(&t, S2_OP_UNMAP, (struct gfn_range){ 2, 3 });
	ck_assert_int_eq(s2_op_run(&t.p.pt, &t.cfg, &op, UINT_MAX, &t.wk), S2_TLBI);
	ck_assert_uint_eq(op.tlbi.kind, S2_TLBI_IPA);
	ck_assert_uint_eq(op.tlbi.gfn, 2);
	ck_assert_int_eq(op.tlbi.level, 2);
	ck_assert_uint_eq(entry_at(&t, 0, 1).v, 0);
	finish(&t);
}
END_TEST

START_TEST(cache_lines_are_those_of_the_leaf_and_none_with_fwb_or_dic)
{
	struct test t;
	struct s2_op op;
	uint64_t lines;

	start(&t, "arm64-4k-40", &cfgs[_i]);
	lines = (2 << 20) / t.cfg.cache_line;
	map_block(&t, ACC_R | ACC_X);
	ck_assert_uint_eq(t.wk.cmo_lines, t.cfg.fwb ? 0 : lines);
	ck_assert_uint_eq(t.wk.icache_lines, t.cfg.dic ? 0 : lines);
	/* execute that is there already costs nothing more */
	op = begin(&t, S2_OP_RELAX, (struct gfn_range){ 7, 8 });
	op.access = ACC_W | ACC_X;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert_uint_eq(t.wk.icache_lines, t.cfg.dic ? 0 : lines);
	op = begin(&t, S2_OP_UNMAP, (struct gfn_range){ 0, 1 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert_uint_eq(t.wk.cmo_lines, t.cfg.fwb ? 0 : 2 * lines);
	finish(&t);
}
END_TEST

START_TEST(split_needs_a_page_per_table_of_the_whole_tree)
{
	struct pt_geom g;

	ck_assert(geom_find("arm64-4k-40", &g));
	ck_assert_uint_eq(s2_split_tables(&g, 0), 0);
	ck_assert_uint_eq(s2_split_tables(&g, 1), 1);
	ck_assert_uint_eq(s2_split_tables(&g, 2), 513);
	ck_assert(geom_find("arm64-64k-42", &g));
	ck_assert_uint_eq(s2_split_tables(&g, 1), 1);
}
END_TEST

/* --- Ranges: instructions are replayed and must cover the range exactly. */

/* As the kernel's loop decomposes it, page by page [KVM v6.12 tlbflush.h: __flush_tlb_range_op]. */
static unsigned int replay(const struct pt_geom *g, gfn_t gfn, uint64_t pages, unsigned int *singles)
{
	unsigned int n = 0;

	*singles = 0;
	while (pages > 0) {
		uint64_t chunk = min_u64(pages, BIT(21)), left = chunk;
		int scale = 3;

		while (left > 0) {
			uint64_t unit = BIT(5 * scale + 1), num = min_u64(left, 32 * unit) / unit;

			if (left == 1 || (g->lpa2 && gfn_to_gpa(g, gfn) % 65536 != 0)) {
				++*singles;
				gfn++;
				left--;
				continue;
			}
			if (num > 0) {
				n++;
				gfn += num * unit;
				left -= num * unit;
			}
			scale -= scale > 0;
		}
		pages -= chunk;
	}
	return n;
}

START_TEST(range_instructions_are_those_of_the_kernels_loop)
{
	static const char *const names[] = { "arm64-4k-48", "arm64-4k-52", "arm64-16k-52" };
	struct rng r = { test_seed(22, (uint64_t)_i) };
	struct pt_geom g;
	unsigned int s1, s2;

	ck_assert(geom_find(names[_i], &g));
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t pages = 1 + rng_below(&r, BIT(1 + rng_below(&r, 24)));
		gfn_t gfn = rng_below(&r, BIT(30));
		unsigned int a = s2_range_instructions(&g, gfn, pages, &s1);
		unsigned int b = replay(&g, gfn, pages, &s2);

		must(a == b && s1 == s2, "0x%llx + %llu pages: %u + %u, expected %u + %u",
		     (unsigned long long)gfn, (unsigned long long)pages, a, s1, b, s2);
	}
	/* 1 GiB of 4 KiB pages is one instruction, an odd page one single more */
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(18), &s1), 1);
	ck_assert_uint_eq(s1, 0);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(18) + 1, &s1), 1);
	ck_assert_uint_eq(s1, 1);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(21), &s1), 1);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, 1, &s1), 0);
	ck_assert_uint_eq(s1, 1);
}
END_TEST

static void fill_suite(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_operations_agree_with_a_flat_map_and_leave_no_stale_entry, 0,
			    NR_GEOMS * NR_CFGS);
	tcase_add_loop_test(tc, checker_finds_each_wrong_tlbi_and_nothing_wrong_in_the_right_ones, 0,
			    NR_SCENES * NR_CFGS);
	tcase_add_loop_test(tc, map_without_a_table_page_leaves_all_as_it_was, 0, NR_CFGS);
	tcase_add_test(tc, map_that_finds_its_leaf_gives_up_and_a_locked_entry_stops_it);
	tcase_add_loop_test(tc, first_mapping_stores_a_marker_only_where_the_kernel_does, 0, NR_CFGS);
	tcase_add_test(tc, deferred_unmap_issues_one_range_even_where_nothing_was_mapped);
	tcase_add_test(tc, unmap_inside_a_block_takes_all_of_it_with_the_address_of_entry);
	tcase_add_loop_test(tc, cache_lines_are_those_of_the_leaf_and_none_with_fwb_or_dic, 0,
			    NR_CFGS);
	tcase_add_test(tc, split_needs_a_page_per_table_of_the_whole_tree);
	tcase_add_loop_test(tc, range_instructions_are_those_of_the_kernels_loop, 0, 3);
}

int main(void)
{
	return run_suite("s2_pt", fill_suite);
}
