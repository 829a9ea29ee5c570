/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/s2_pt.h"

#include <limits.h>
#include <string.h>

/* Outcomes of the visitors. */
enum {
	V_TLBI = WALK_STOP,
	V_STEP,
	V_AGAIN,
	V_NO_TABLE,
	V_MAKE, /* inside map only */
};

/* Phases of a change that has a break. */
enum {
	PH_IDLE,
	PH_LEAF,  /* entry broken, leaf to be made */
	PH_TABLE, /* entry broken, table (held) to be linked */
	PH_CLEAN, /* unmap: leaf removed, cache to be cleaned */
	PH_FREE,  /* unmap: empty table removed, page to be freed */
	PH_SPLIT, /* block broken, tree to be linked */
	PH_RANGE, /* unmap: deferred range TLBI issued */
};

enum {
	LPA2_RANGE_ALIGN_MASK = 0xffff, /* with LPA2 a range starts at a multiple of 64 KiB */
};

struct visit_arg {
	const struct s2_cfg *cfg;
	struct s2_op *op;
	bool sync; /* TLBIs are done by the callback, and nothing stops between break and make */
	void (*tlbi)(void *arg, const struct s2_tlbi *t);
	void *arg;
};

/* V_TLBI or V_STEP: false when the walk must stop for it, true when it is done. */
static bool is_settled(const struct visit_arg *a, int r)
{
	if (a->sync && a->tlbi && r == V_TLBI)
		a->tlbi(a->arg, &a->op->tlbi);
	return a->sync;
}

struct s2_op s2_op_init(const struct pt *pt, enum s2_op_kind kind, uint32_t root,
			struct gfn_range r)
{
	static const uint8_t flags[] = {
		[S2_OP_MAP] = WALK_PRE | WALK_LEAF | WALK_HOLES,
		[S2_OP_UNMAP] = WALK_LEAF | WALK_POST,
		[S2_OP_WRPROT] = WALK_LEAF,
		[S2_OP_RELAX] = WALK_LEAF | WALK_HOLES,
		[S2_OP_MKYOUNG] = WALK_LEAF,
		[S2_OP_AGE] = WALK_LEAF,
		[S2_OP_TEST_AGE] = WALK_LEAF,
		[S2_OP_SPLIT] = WALK_LEAF,
	};

	return (struct s2_op){
		/* what a split makes need not be looked at again */
		.walk = walk_init(pt, root, r, flags[kind], kind == S2_OP_SPLIT),
		.start = r.start,
		.tlbi = { .level = S2_LEVEL_NONE },
		.kind = (uint8_t)kind,
	};
}

bool s2_leaf_allowed(const struct pt *pt, const struct s2_op *op, gfn_t gfn, unsigned int height)
{
	uint64_t pages = geom_pages(&pt->geom, height);
	kvm_pfn_t pfn = op->pfn + (gfn - op->start);

	if (height == 0)
		return true;
	return !op->force_pte && height <= pt->geom.max_leaf_height &&
	       pages <= op->walk.end - gfn && ((gfn | pfn) & (pages - 1)) == 0;
}

static void invalidate_icache(const struct pt *pt, const struct s2_cfg *cfg, unsigned int height,
			      struct work *wk)
{
	if (!cfg->dic)
		wk->icache_lines +=
			(geom_pages(&pt->geom, height) << pt->geom.page_shift) / cfg->cache_line;
}

static void clean_leaf(const struct pt *pt, const struct s2_cfg *cfg, unsigned int height,
		       struct work *wk)
{
	wk->cmo_lines += (geom_pages(&pt->geom, height) << pt->geom.page_shift) / cfg->cache_line;
}

/* What the removed value asks for before a new one may be stored. */
static void tlbi_for(const struct pt *pt, const struct visit_arg *a, const struct visit *v)
{
	struct s2_tlbi *t = &a->op->tlbi;

	*t = (struct s2_tlbi){ .gfn = v->gfn, .pages = 1, .level = S2_LEVEL_NONE };
	if (pte_is_table(pt->fmt, v->old, v->height)) {
		t->kind = a->cfg->range_ops ? S2_TLBI_RANGE : S2_TLBI_VMID;
		t->gfn = v->base;
		t->pages = geom_pages(&pt->geom, v->height);
	} else if (pte_is_leaf(pt->fmt, v->old, v->height)) {
		t->kind = S2_TLBI_IPA;
		t->level = (int8_t)geom_arm_level(v->height);
	}
}

static void unlink_subtree(struct pt *pt, struct s2_op *op, uint32_t table, struct work *wk)
{
	unsigned int h = pt->meta[table].height;

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, table, i);

		wk->leaf_removed += pte_is_leaf(pt->fmt, e, h);
		if (pte_is_table(pt->fmt, e, h))
			unlink_subtree(pt, op, pt_table_of(pt, e), wk);
	}
	pt_unlink(pt, table);
	pt->meta[table].link = op->deferred;
	op->deferred = table;
}

/*
 * Break: LOCKED (or 0 before 6.2) goes in, the old value's TLBI is prepared.  Before 6.2 an entry
 * that is not valid needs no break, and V_MAKE says so.
 */
static int map_break(struct pt *pt, const struct visit_arg *a, const struct visit *v, int phase,
		     struct work *wk)
{
	struct s2_op *op = a->op;

	op->phase = (uint8_t)phase;
	if (!a->cfg->locked_marker && !pte_is_present(pt->fmt, v->old))
		return V_MAKE;
	if (a->cfg->no_break && pte_is_present(pt->fmt, v->old)) {
		if (phase == PH_LEAF && pte_is_table(pt->fmt, v->old, v->height))
			op->held = pt_table_of(pt, v->old);
		return V_MAKE;
	}
	tlbi_for(pt, a, v);
	wk->pte_cmpxchg += a->cfg->locked_marker;
	if (pte_is_table(pt->fmt, v->old, v->height)) {
		op->held = pt_table_of(pt, v->old);
		wk->table_merged++;
	}
	wk->leaf_removed += pte_is_leaf(pt->fmt, v->old, v->height);
	pt_set(pt, v->table, v->index, (pte_t){ a->cfg->locked_marker ? S2_LOCKED : 0 }, wk);
	return op->tlbi.kind == S2_TLBI_NONE ? V_STEP : V_TLBI;
}

/* The leaf that a map wants at the visited entry. */
static inline pte_t map_leaf(const struct pt *pt, const struct visit_arg *a, const struct visit *v,
			     unsigned int height)
{
	const struct s2_op *op = a->op;

	return s2_make_leaf(pt->fmt, height, op->pfn + (v->base - op->start), op->access,
			    (enum s2_memtype)op->memtype, a->cfg->fwb);
}

/* Make: the new leaf, after cache maintenance; a detached subtree is handed to the grace period. */
static int map_make_leaf(struct pt *pt, const struct visit_arg *a, const struct visit *v,
			 struct work *wk)
{
	struct s2_op *op = a->op;
	pte_t e = map_leaf(pt, a, v, v->height);

	if (!a->cfg->fwb && op->memtype == S2_NORMAL)
		clean_leaf(pt, a->cfg, v->height, wk);
	if (op->access & ACC_X)
		invalidate_icache(pt, a->cfg, v->height, wk);
	pt_set(pt, v->table, v->index, e, wk);
	wk->leaf_installed++;
	op->phase = PH_IDLE;
	op->hit = true;
	if (op->held) {
		unlink_subtree(pt, op, op->held, wk);
		op->held = 0;
	}
	return VISIT_SKIP;
}

/* Make: the table that was taken from the pool before the break. */
static int map_make_table(struct pt *pt, const struct visit_arg *a, const struct visit *v,
			  struct work *wk)
{
	pt_set(pt, v->table, v->index, s2_make_table(pt->fmt, pt_table_pfn(pt, a->op->held)), wk);
	a->op->held = 0;
	a->op->phase = PH_IDLE;
	return VISIT_NEXT;
}

static int map_make(struct pt *pt, const struct visit_arg *a, const struct visit *v,
		    struct work *wk)
{
	return a->op->phase == PH_LEAF ? map_make_leaf(pt, a, v, wk) : map_make_table(pt, a, v, wk);
}

/* Somebody installed this leaf already: a permission fault will settle the rights. */
static bool map_is_there(const struct pt *pt, const struct visit_arg *a, const struct visit *v)
{
	pte_t e = map_leaf(pt, a, v, v->height);

	return pte_is_leaf(pt->fmt, v->old, v->height) && ((e.v ^ v->old.v) & ~S2_PERM_MASK) == 0;
}

static int map_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct visit_arg *a = arg;
	struct s2_op *op = a->op;
	int phase = PH_LEAF, r;

	if (op->phase != PH_IDLE)
		return map_make(pt, a, v, wk);
	if (!s2_leaf_allowed(pt, op, v->gfn, v->height)) {
		if (pte_is_table(pt->fmt, v->old, v->height))
			return VISIT_NEXT;
		phase = PH_TABLE;
	}
	if (s2_is_locked(v->old) || (phase == PH_LEAF && map_is_there(pt, a, v)))
		return V_AGAIN;
	if (phase == PH_TABLE) {
		op->held = pt_alloc(pt, v->height - 1U, v->base, wk);
		if (op->held == 0)
			return V_NO_TABLE;
	}
	r = map_break(pt, a, v, phase, wk);
	if (r != V_MAKE && !is_settled(a, r))
		return r;
	return map_make(pt, a, v, wk);
}

/* Empty entries in a row: marker and leaf, without a look between the two. */
static uint32_t map_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			 struct work *wk)
{
	struct visit_arg *a = arg;
	struct s2_op *op = a->op;
	pte_t first = map_leaf(pt, a, v, 0);
	uint64_t step = pte_addr_bits(pt->fmt, 1);
	uint32_t holes = 0;

	if (!a->sync || op->phase != PH_IDLE || !pte_is_linear(pt->fmt, first, n))
		return 0;
	while (holes < n && pt_entry(pt, v->table, v->index + holes)->v == 0)
		holes++;
	if (holes == 0)
		return 0;
	wk->leaf_installed += pt_fill_leafs(pt, (struct pt_span){ v->table, v->index, holes },
					    (struct pt_fill){ first.v, step });
	wk->pte_write += (uint64_t)holes << a->cfg->locked_marker;
	wk->pte_cmpxchg += a->cfg->locked_marker ? holes : 0;
	for (uint32_t i = 0; !a->cfg->fwb && op->memtype == S2_NORMAL && i < holes; i++)
		clean_leaf(pt, a->cfg, 0, wk);
	for (uint32_t i = 0; !a->cfg->dic && (op->access & ACC_X) && i < holes; i++)
		invalidate_icache(pt, a->cfg, 0, wk);
	op->hit = true;
	return holes;
}

/* What had to wait for the completed TLBI. */
static void unmap_resume(struct pt *pt, const struct s2_cfg *cfg, struct s2_op *op, struct work *wk)
{
	if (op->phase == PH_CLEAN)
		clean_leaf(pt, cfg, op->walk.height, wk);
	if (op->phase == PH_FREE)
		pt_free(pt, op->held, wk);
	if (op->phase != PH_RANGE) {
		op->held = 0;
		op->phase = PH_IDLE;
	}
}

static int unmap_tlbi(struct pt *pt, const struct visit_arg *a, struct work *wk)
{
	if (!is_settled(a, V_TLBI))
		return V_TLBI;
	unmap_resume(pt, a->cfg, a->op, wk);
	return VISIT_NEXT;
}

/* A table whose children are done goes when nothing is left in it. */
static int unmap_table(struct pt *pt, const struct visit *v, struct visit_arg *a, struct work *wk)
{
	struct s2_op *op = a->op;
	uint32_t child = pt_table_of(pt, v->old);

	if (pt->meta[child].nr_used != 0)
		return VISIT_NEXT;
	pt_set(pt, v->table, v->index, (pte_t){ 0 }, wk);
	op->held = child;
	op->phase = PH_FREE;
	op->tlbi = (struct s2_tlbi){ .kind = S2_TLBI_IPA,
				     .gfn = max_u64(v->base, op->start),
				     .pages = 1,
				     .level = S2_LEVEL_NONE };
	return unmap_tlbi(pt, a, wk);
}

static int unmap_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct visit_arg *a = arg;
	struct s2_op *op = a->op;

	if (v->post)
		return unmap_table(pt, v, a, wk);
	pt_set(pt, v->table, v->index, (pte_t){ 0 }, wk);
	wk->leaf_removed++;
	op->hit = true;
	if (!a->cfg->fwb && s2_is_cacheable(v->old, a->cfg->fwb))
		op->phase = PH_CLEAN;
	if (op->defer)
		return VISIT_NEXT;
	tlbi_for(pt, a, v);
	op->tlbi.pages = geom_pages(&pt->geom, v->height);
	return unmap_tlbi(pt, a, wk);
}

/* Leaves whose TLBI comes later, and whose cache lines need no cleaning. */
static uint32_t unmap_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			   struct work *wk)
{
	struct visit_arg *a = arg;
	uint32_t changed;

	if (!a->op->defer || !a->cfg->fwb)
		return 0;
	changed = pt_clear_leafs(pt, (struct pt_span){ v->table, v->index, n });
	wk->pte_write += changed;
	wk->leaf_removed += changed;
	a->op->hit |= changed > 0;
	return n;
}

/* Sets and clears bits of a leaf in place; no break is needed for these bits. */
static int attr_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct visit_arg *a = arg;
	struct s2_op *op = a->op;
	pte_t e = v->old;

	switch ((enum s2_op_kind)op->kind) {
	case S2_OP_WRPROT:
		e.v &= ~S2_AP_W;
		break;
	case S2_OP_RELAX:
		if (!pte_is_leaf(pt->fmt, e, v->height))
			return V_AGAIN;
		e.v |= (op->access & ACC_R) ? S2_AP_R : 0;
		e.v |= (op->access & ACC_W) ? S2_AP_W : 0;
		if (op->access & ACC_X & ~s2_access(e)) {
			e.v &= ~S2_XN;
			invalidate_icache(pt, a->cfg, v->height, wk);
		}
		op->tlbi.level = (int8_t)geom_arm_level(v->height);
		break;
	case S2_OP_MKYOUNG:
		e.v |= S2_AF;
		break;
	case S2_OP_AGE:
	case S2_OP_TEST_AGE:
		op->hit |= (e.v & S2_AF) != 0;
		if (op->kind == S2_OP_AGE)
			e.v &= ~S2_AF;
		break;
	case S2_OP_MAP:
	case S2_OP_UNMAP:
	case S2_OP_SPLIT:
		break;
	}
	if (e.v != v->old.v) {
		pt_set(pt, v->table, v->index, e, wk);
		op->hit = op->hit || op->kind != S2_OP_TEST_AGE;
	}
	return VISIT_NEXT;
}

/* Bits that are only cleared. */
static uint32_t attr_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			  struct work *wk)
{
	struct visit_arg *a = arg;
	uint64_t bits = a->op->kind == S2_OP_WRPROT ? S2_AP_W : S2_AF;
	uint32_t changed;

	if (a->op->kind != S2_OP_WRPROT && a->op->kind != S2_OP_AGE)
		return 0;
	changed = pt_clear_bits(pt, (struct pt_span){ v->table, v->index, n }, bits);
	wk->pte_write += changed;
	a->op->hit |= changed > 0;
	return n;
}

uint64_t s2_split_tables(const struct pt_geom *g, unsigned int height)
{
	uint64_t n = 0;

	for (unsigned int h = 1; h <= height; h++)
		n = n * geom_entries(g) + 1;
	return n;
}

/* The cache holds one page for each block of each size that a chunk can contain. */
unsigned int s2_split_whole(const struct pt_geom *g, uint64_t pages)
{
	uint64_t cache = 0;
	unsigned int whole = 0;

	for (unsigned int h = 1; h <= g->max_leaf_height; h++)
		cache += (pages + geom_pages(g, h) - 1) / geom_pages(g, h);
	while (whole < g->max_leaf_height && s2_split_tables(g, whole + 1) <= cache)
		whole++;
	return whole;
}

/* A table of leaves one height below the block, not linked yet. */
static uint32_t split_table(struct pt *pt, pte_t block, unsigned int height, gfn_t base,
			    struct work *wk)
{
	/* the frames follow each other, and within a block no carry leaves the low address bits */
	struct pt_fill fill = {
		.value = (block.v & ~S2_TYPE_TABLE) | S2_AF | (height == 1 ? S2_TYPE_TABLE : 0),
		.step = pte_addr_bits(pt->fmt, geom_pages(&pt->geom, height - 1)),
	};
	uint32_t t = pt_alloc_full(pt, height - 1, base, fill, wk);

	if (t == 0)
		return 0;
	wk->split_entry += geom_entries(&pt->geom);
	wk->leaf_installed += geom_entries(&pt->geom);
	return t;
}

/* Replaces each block of an unlinked table by a table of pages; false when the pool is empty. */
static bool split_children(struct pt *pt, uint32_t table, struct work *wk)
{
	unsigned int h = pt->meta[table].height;

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, table, i);
		uint32_t child = split_table(pt, e, h, pt_entry_gfn(pt, table, i), wk);

		if (child == 0)
			return false;
		/* nobody sees the tree before it is linked, no observer either */
		wk->leaf_installed--;
		wk->pte_write++;
		*pt_entry(pt, table, i) = s2_make_table(pt->fmt, pt_table_pfn(pt, child));
		pt->meta[child].parent = table;
		if (h > 1 && !split_children(pt, child, wk))
			return false;
	}
	return true;
}

static void free_unlinked(struct pt *pt, uint32_t table, struct work *wk)
{
	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, table, i);

		if (pte_is_table(pt->fmt, e, pt->meta[table].height))
			free_unlinked(pt, pt_table_of(pt, e), wk);
	}
	pt_free(pt, table, wk);
}

/*
 * What replaces the block, not linked yet: all tables down to the pages when the split cache has
 * them, else one table [kvm_pgtable_stage2_create_unlinked].
 */
static uint32_t split_tree(struct pt *pt, const struct s2_op *op, const struct visit *v,
			   struct work *wk)
{
	uint64_t installed = wk->leaf_installed;
	uint32_t t = split_table(pt, v->old, v->height, v->base, wk);

	if (t == 0 || v->height == 1 || v->height > op->whole || split_children(pt, t, wk))
		return t;
	free_unlinked(pt, t, wk);
	wk->leaf_installed = installed;
	return 0;
}

/* The tree takes the broken block's place. */
static int split_link(struct pt *pt, const struct visit *v, struct s2_op *op, struct work *wk)
{
	pt_set(pt, v->table, v->index, s2_make_table(pt->fmt, pt_table_pfn(pt, op->held)), wk);
	op->held = 0;
	op->phase = PH_IDLE;
	op->walk.flags = WALK_LEAF;
	return VISIT_NEXT;
}

static int split_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct visit_arg *a = arg;
	struct s2_op *op = a->op;

	if (op->phase == PH_SPLIT)
		return split_link(pt, v, op, wk);
	if (v->height == 0 || !pte_is_leaf(pt->fmt, v->old, v->height))
		return VISIT_NEXT;
	op->held = split_tree(pt, op, v, wk);
	if (op->held == 0)
		return V_NO_TABLE;
	tlbi_for(pt, a, v);
	op->tlbi.gfn = v->gfn;
	wk->block_split++;
	wk->leaf_removed++;
	pt_set(pt, v->table, v->index, (pte_t){ a->cfg->locked_marker ? S2_LOCKED : 0 }, wk);
	op->phase = PH_SPLIT;
	op->hit = true;
	if (is_settled(a, V_TLBI))
		return split_link(pt, v, op, wk);
	op->walk.flags = WALK_LEAF | WALK_HOLES; /* come back to the broken entry */
	return V_TLBI;
}

static enum s2_act unmap_end(struct s2_op *op)
{
	if (!op->defer || op->phase == PH_RANGE)
		return S2_DONE;
	op->phase = PH_RANGE;
	op->tlbi = (struct s2_tlbi){ .kind = S2_TLBI_RANGE,
				     .gfn = op->start,
				     .pages = op->walk.end - op->start,
				     .level = S2_LEVEL_NONE };
	return S2_TLBI;
}

static int run_visitor(struct pt *pt, struct visit_arg *a, unsigned int budget, struct work *wk)
{
	struct walk *w = &a->op->walk;

	switch ((enum s2_op_kind)a->op->kind) {
	case S2_OP_MAP:
		return walk_run_pages(pt, w, (struct walk_fn){ map_visit, map_page, a }, budget,
				      wk);
	case S2_OP_UNMAP:
		return walk_run_pages(pt, w, (struct walk_fn){ unmap_visit, unmap_page, a }, budget,
				      wk);
	case S2_OP_SPLIT:
		return walk_run(pt, w, split_visit, a, budget, wk);
	case S2_OP_WRPROT:
	case S2_OP_RELAX:
	case S2_OP_MKYOUNG:
	case S2_OP_AGE:
	case S2_OP_TEST_AGE:
		return walk_run_pages(pt, w, (struct walk_fn){ attr_visit, attr_page, a }, budget,
				      wk);
	}
	return WALK_DONE;
}

static enum s2_act run_op(struct pt *pt, struct visit_arg *a, unsigned int budget, struct work *wk)
{
	struct s2_op *op = a->op;

	if (op->kind == S2_OP_UNMAP) {
		unmap_resume(pt, a->cfg, op, wk);
		if (op->phase == PH_RANGE)
			return S2_DONE;
	}
	switch (run_visitor(pt, a, budget, wk)) {
	case WALK_DONE:
		return op->kind == S2_OP_UNMAP ? unmap_end(op) : S2_DONE;
	case WALK_BUDGET:
		return S2_BUDGET;
	case V_TLBI:
		return S2_TLBI;
	case V_STEP:
		return S2_STEP;
	case V_NO_TABLE:
		return S2_NEED_TABLE;
	default:
		return S2_AGAIN;
	}
}

enum s2_act s2_op_run(struct pt *pt, const struct s2_cfg *cfg, struct s2_op *op,
		      unsigned int budget, struct work *wk)
{
	struct visit_arg a = { .cfg = cfg, .op = op };

	return run_op(pt, &a, budget, wk);
}

enum s2_act s2_op_sync(struct pt *pt, const struct s2_cfg *cfg, struct s2_op *op,
		       void (*tlbi)(void *arg, const struct s2_tlbi *t), void *arg, struct work *wk)
{
	struct visit_arg a = { .cfg = cfg, .op = op, .sync = true, .tlbi = tlbi, .arg = arg };
	enum s2_act act;

	/* the TLBI that ends a deferred unmap is the only one left to be done here */
	while ((act = run_op(pt, &a, UINT_MAX, wk)) == S2_TLBI)
		if (tlbi)
			tlbi(arg, &op->tlbi);
	return act;
}

/* One call of the primitive, which takes at most 2^21 pages. */
static unsigned int range_chunk(const struct pt_geom *g, gfn_t gfn, uint64_t pages,
				unsigned int *singles)
{
	unsigned int n = 0;

	for (; g->lpa2 && pages > 0 && (gfn_to_gpa(g, gfn) & LPA2_RANGE_ALIGN_MASK); pages--) {
		++*singles;
		gfn++;
	}
	for (int scale = 3; scale >= 0; scale--) {
		uint64_t unit = BIT(5 * scale + 1);

		n += pages >= unit;
		pages %= unit;
	}
	*singles += (unsigned int)pages;
	return n;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): start, then length */
unsigned int s2_range_instructions(const struct pt_geom *g, gfn_t gfn, uint64_t pages,
				   unsigned int *singles)
{
	unsigned int n = 0;

	*singles = 0;
	while (pages > 0) {
		uint64_t chunk = min_u64(pages, S2_RANGE_PAGES_MAX);

		n += range_chunk(g, gfn, chunk, singles);
		gfn += chunk;
		pages -= chunk;
	}
	return n;
}

static void count_table(const struct pt *pt, uint32_t table, struct s2_counts *out)
{
	unsigned int h = pt->meta[table].height;

	out->tables[h]++;
	for (uint32_t i = 0; i < geom_entries(&pt->geom) && pt->meta[table].nr_used; i++) {
		pte_t e = *pt_entry(pt, table, i);

		if (pte_is_table(pt->fmt, e, h))
			count_table(pt, pt_table_of(pt, e), out);
		else if (pte_is_leaf(pt->fmt, e, h))
			out->leaves[h]++;
	}
}

void s2_count(const struct pt *pt, uint32_t root, struct s2_counts *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; root != 0 && i < geom_root_tables(&pt->geom); i++)
		count_table(pt, root + i, out);
}
