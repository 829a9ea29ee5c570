/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/tests/s2_checker.h"

#include <limits.h>
#include <stdlib.h>

const struct s2_cfg s2_cfgs[NR_CFGS] = {
	{ .cache_line = 64 },
	{ .cache_line = 64, .fwb = true, .dic = true },
	{ .cache_line = 64, .locked_marker = true, .range_ops = true },
	{ .cache_line = 64, .locked_marker = true, .range_ops = true, .fwb = true },
};

static uint64_t span(const struct s2_test *t, unsigned int height)
{
	return geom_pages(&t->p.pt.geom, height);
}

static bool overlap(gfn_t a, uint64_t na, gfn_t b, uint64_t nb)
{
	return a < b + nb && b < a + na;
}

void s2_test_violate(struct s2_test *t, const char *what)
{
	if (!t->violation)
		t->violation = what;
}

/* --- The checker: stores. */

static void on_change(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t now)
{
	struct s2_test *t = arg;
	const struct pte_fmt *f = t->p.pt.fmt;
	bool was = pte_is_present(f, old), is = pte_is_present(f, now);

	if (was && is && ((old.v ^ now.v) & ~(S2_PERM_MASK | S2_AF | S2_SW)))
		s2_test_violate(t, "I-PT1: valid to another valid value without a break");
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
			s2_test_violate(
				t, "I-PT1: a new value before the TLBI for the old one completed");
}

/* --- The checker: contents of the TLBs. */

static bool is_broken(const struct s2_test *t, gfn_t gfn, uint64_t pages)
{
	for (size_t i = 0; i < t->nr_broken; i++)
		if (overlap(gfn, pages, t->broken[i].base, span(t, t->broken[i].height)))
			return true;
	return false;
}

/* Entry at @height on the path to @gfn; an empty value where the path ends earlier. */
pte_t s2_test_entry(const struct s2_test *t, gfn_t gfn, unsigned int height)
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

static void check_walk_entry(struct s2_test *t, const struct tlb_entry *e)
{
	const struct pt *pt = &t->p.pt;

	if (pt->meta[pt_table_of(pt, e->pte)].state == PT_FREE)
		s2_test_violate(t, "I-PT4: a freed table page is in a walk cache");
	else if (s2_test_entry(t, e->gfn, e->height).v != e->pte.v &&
		 !is_broken(t, e->gfn, span(t, e->height)))
		s2_test_violate(t, "I-TLB1: stale walk entry");
}

static void check_leaf_entry(struct s2_test *t, const struct tlb_entry *e)
{
	pte_t now = s2_test_entry(t, e->gfn, e->height);
	bool same = pte_is_leaf(t->p.pt.fmt, now, e->height) &&
		    ((now.v ^ e->pte.v) & ~(S2_PERM_MASK | S2_AF | S2_SW)) == 0;

	if (!same && !is_broken(t, e->gfn, span(t, e->height)))
		s2_test_violate(t, e->kind == TLB_S2 ? "I-TLB1: stale stage-2 entry"
						     : "I-TLB2: stale combined entry");
	else if (same && !t->flush_owed && (e->access & ~s2_access(now)))
		s2_test_violate(t, "an entry grants what the tables no longer grant");
}

struct collect {
	struct s2_test *t;
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
static void check_agreement(struct s2_test *t, const struct tlb_entry *a, const struct tlb_entry *b)
{
	const struct pte_fmt *f = t->p.pt.fmt;

	if (!overlap(a->gfn, span(t, a->height), b->gfn, span(t, b->height)))
		return;
	if (pte_pfn(f, a->pte) - a->gfn != pte_pfn(f, b->pte) - b->gfn ||
	    ((a->pte.v ^ b->pte.v) & S2_MEMATTR) != 0 || a->height != b->height)
		s2_test_violate(t, "I-PT2: two cached translations of one IPA differ");
}

void s2_test_check(struct s2_test *t)
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

void s2_test_invalidate(struct s2_test *t, enum tlb_inv_op op, const struct s2_tlbi *tlbi,
			int8_t level)
{
	struct tlb_inv inv = { .op = (uint8_t)op,
			       .level = level,
			       .ctx.vmid = VMID,
			       .gfn = tlbi->gfn,
			       .pages = tlbi->kind == S2_TLBI_RANGE ? tlbi->pages : 1 };
	unsigned int pes = tlbi->kind == S2_TLBI_IPA_NSH || t->wrong == WRONG_LOCAL ? 1 : NR_PES;

	for (unsigned int i = 0; i < pes; i++)
		tlb_invalidate(&t->tlb_cfg, t->pe[i], &inv, &t->wk);
}

/* I-TLB3 and I-TLB5 for a TLBI by IPA. */
static void check_ipa(struct s2_test *t, const struct s2_tlbi *tlbi)
{
	const struct broken *last = t->nr_broken ? &t->broken[t->nr_broken - 1] : NULL;

	if (!last || !overlap(tlbi->gfn, 1, last->base, span(t, last->height))) {
		s2_test_violate(t, "I-TLB5: a TLBI for which nothing was removed");
		return;
	}
	if (pte_is_table(t->p.pt.fmt, last->old, last->height)
		    ? tlbi->level != S2_LEVEL_NONE
		    : tlbi->level != geom_arm_level(last->height))
		s2_test_violate(t, "I-TLB3: the hint is not the level of the removed leaf");
}

/* What a completed TLBI settles.  A deferred one comes later than those of the tables. */
static void settle(struct s2_test *t, const struct s2_tlbi *tlbi)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->nr_broken; i++) {
		const struct broken *b = &t->broken[i];
		bool done = true;

		if (tlbi->kind == S2_TLBI_IPA)
			done = t->deferred ? i + 1 == t->nr_broken
					   : overlap(tlbi->gfn, 1, b->base, span(t, b->height));
		else if (tlbi->kind == S2_TLBI_RANGE)
			done = overlap(tlbi->gfn, tlbi->pages, b->base, span(t, b->height));
		if (!done)
			t->broken[kept++] = *b;
	}
	t->nr_broken = kept;
}

/* The instructions of a primitive, in its order [KVM hyp/vhe/tlb.c]. */
static void apply(struct s2_test *t, const struct s2_tlbi *tlbi, int8_t level)
{
	if (t->wrong == WRONG_SKIPPED)
		return;
	if (tlbi->kind == S2_TLBI_VMID) {
		s2_test_invalidate(t, TLB_INV_VMALLS12E1, tlbi, TLB_LEVEL_NONE);
		return;
	}
	if (t->wrong != WRONG_NO_S2)
		s2_test_invalidate(t, TLB_INV_IPAS2E1, tlbi, level);
	if (t->wrong != WRONG_NO_S1)
		s2_test_invalidate(t, TLB_INV_VMALLE1, tlbi, TLB_LEVEL_NONE);
}

void s2_test_tlbi(struct s2_test *t, const struct s2_tlbi *tlbi)
{
	int8_t level = tlbi->level;

	if (tlbi->kind == S2_TLBI_IPA)
		check_ipa(t, tlbi);
	else if (t->nr_broken == 0 && !t->deferred)
		s2_test_violate(t, "I-TLB5: a TLBI for which nothing was removed");
	if (t->wrong == WRONG_LEVEL)
		level = (int8_t)(level == S2_LEVEL_NONE || level == 3 ? 2 : 3);
	apply(t, tlbi, level);
	settle(t, tlbi);
	s2_test_check(t);
}

/* --- Hardware that fills. */

static void fill(struct s2_test *t, unsigned int pe, const struct tlb_entry *e)
{
	struct tlb_entry own = *e;

	own.ctx.vmid = VMID;
	if (!tlb_fill(&t->tlb_cfg, t->pe[pe], &own, &t->wk)) {
		tlb_reset(&t->tlb_cfg, t->pe[pe]); /* hardware may always forget */
		tlb_fill(&t->tlb_cfg, t->pe[pe], &own, &t->wk);
	}
}

/* A walk for @gfn on one PE: walk entries, the leaf, a combined and a stage-1 entry. */
void s2_test_fill(struct s2_test *t, unsigned int pe, gfn_t gfn)
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

static void speculate(struct s2_test *t)
{
	for (unsigned int n = (unsigned int)rng_below(&t->r, 4); n > 0; n--)
		s2_test_fill(t, (unsigned int)rng_below(&t->r, NR_PES),
			     windows_gfn(&t->ws, rng_below(&t->r, windows_size(&t->ws))));
	if (rng_once_in(&t->r, 40))
		tlb_reset(&t->tlb_cfg, t->pe[rng_below(&t->r, NR_PES)]);
}

/* Everything of a range is cached everywhere: nothing forbidden can hide. */
void s2_test_fill_all(struct s2_test *t, struct gfn_range r)
{
	for (gfn_t gfn = r.start; gfn < r.end; gfn++)
		for (unsigned int pe = 0; pe < NR_PES; pe++)
			s2_test_fill(t, pe, gfn);
}

/* --- Running operations. */

static enum s2_act run_in_slices(struct s2_test *t, struct s2_op *op)
{
	static const unsigned int budgets[] = { 1, 2, 7, UINT_MAX };
	unsigned int budget = budgets[rng_below(&t->r, 4)];
	enum s2_act act;

	do {
		act = s2_op_run(&t->p.pt, &t->cfg, op, budget, &t->wk);
		if (act == S2_TLBI) {
			s2_test_check(t);
			s2_test_tlbi(t, &op->tlbi);
		}
		speculate(t);
		s2_test_check(t);
	} while (act == S2_TLBI || act == S2_STEP || act == S2_BUDGET);
	return act;
}

static void on_tlbi(void *arg, const struct s2_tlbi *tlbi)
{
	struct s2_test *t = arg;

	s2_test_check(t);
	s2_test_tlbi(t, tlbi);
	speculate(t);
	s2_test_check(t);
}

/* Without an observer what was removed is unknown: only the end can be checked. */
static void on_tlbi_unseen(void *arg, const struct s2_tlbi *tlbi)
{
	apply(arg, tlbi, tlbi->level);
}

static enum s2_act run_at_once(struct s2_test *t, struct s2_op *op)
{
	const struct pt_observer *obs = t->p.pt.obs;
	enum s2_act act;

	if (rng_once_in(&t->r, 2))
		return s2_op_sync(&t->p.pt, &t->cfg, op, on_tlbi, t, &t->wk);
	t->p.pt.obs = NULL; /* pages are done in bulk */
	act = s2_op_sync(&t->p.pt, &t->cfg, op, on_tlbi_unseen, t, &t->wk);
	t->p.pt.obs = obs;
	return act;
}

enum s2_act s2_test_run(struct s2_test *t, struct s2_op *op)
{
	enum s2_act act;

	t->deferred = op->defer;
	act = rng_once_in(&t->r, 3) ? run_at_once(t, op) : run_in_slices(t, op);
	t->deferred = false;
	if (t->nr_broken)
		s2_test_violate(t, "an operation ended without a TLBI for what it removed");
	t->nr_broken = 0;
	if (op->deferred && t->wrong == RIGHT)
		pt_free_list(&t->p.pt, &op->deferred, &t->wk);
	s2_test_check(t);
	return act;
}

struct s2_op s2_test_op(struct s2_test *t, enum s2_op_kind kind, struct gfn_range r)
{
	return s2_op_init(&t->p.pt, kind, t->root, r);
}

static const struct pt_observer observer = { .changed = on_change };

void s2_test_init(struct s2_test *t, const char *geom, const struct s2_cfg *cfg)
{
	struct pt_geom g;

	*t = (struct s2_test){ .cfg = *cfg };
	must(geom_find(geom, &g), "unknown geometry");
	pool_init(&t->p, geom, s2_fmt_of(&g), CAPACITY);
	t->p.pt.obs = &observer;
	t->p.pt.obs_arg = t;
	t->ws = windows_of(&t->p.pt.geom);
	t->tlb_cfg = tlb_cfg_set(&t->p.pt.geom, TLB_CAPACITY);
	for (unsigned int i = 0; i < NR_PES; i++) {
		t->pe[i] = malloc(tlb_bytes(&t->tlb_cfg));
		must(t->pe[i] != NULL, "no memory");
		tlb_reset(&t->tlb_cfg, t->pe[i]);
	}
	t->root = pt_alloc_root(&t->p.pt, &t->wk);
}

void s2_test_fini(struct s2_test *t)
{
	for (unsigned int i = 0; i < NR_PES; i++)
		free(t->pe[i]);
	free(t->broken);
	pool_fini(&t->p);
}
