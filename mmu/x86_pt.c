/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/x86_pt.h"

#include <limits.h>
#include <string.h>

enum {
	MASK_BITS = 64,
};

static void note_leaf_change(pte_t old, pte_t now, const struct x86_fmt *f, unsigned int height,
			     struct work *wk)
{
	wk->leaf_installed +=
		!pte_is_leaf(&f->pte, old, height) && pte_is_leaf(&f->pte, now, height);
	wk->leaf_removed += pte_is_leaf(&f->pte, old, height) && !pte_is_leaf(&f->pte, now, height);
}

struct map_arg {
	const struct x86_fmt *f;
	gfn_t start;
	kvm_pfn_t pfn;
	unsigned int goal;
	pte_t proto;
	struct work *wk; /* of the caller: what happens seldom is counted there */
};

/* Leads down to the goal height; a huge leaf on the way is lost. */
static __attribute__((noinline)) int map_descend(struct pt *pt, const struct visit *v,
						 const struct map_arg *a)
{
	if (pte_is_table(&a->f->pte, v->old, v->height))
		return VISIT_NEXT;
	if (!x86_link_table(pt, a->f, v->table, v->index, a->wk))
		return WALK_STOP;
	a->wk->leaf_removed += pte_is_leaf(&a->f->pte, v->old, v->height);
	return VISIT_NEXT;
}

/* The table that a leaf replaced, with all below it. */
static __attribute__((noinline)) void map_drop_table(struct pt *pt, const struct visit *v,
						     const struct map_arg *a)
{
	uint32_t list = 0;

	x86_drop_subtree(pt, a->f, pt_table_of(pt, v->old), &list, a->wk);
	pt_free_list(pt, &list, a->wk);
}

static int map_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	const struct map_arg *a = arg;

	if (v->height > a->goal)
		return map_descend(pt, v, a);
	wk->leaf_installed += !pte_is_leaf(&a->f->pte, v->old, v->height);
	pt_set(pt, v->table, v->index,
	       (pte_t){ a->proto.v | pte_addr_bits(&a->f->pte, a->pfn + (v->base - a->start)) },
	       wk);
	if (pte_is_table(&a->f->pte, v->old, v->height))
		map_drop_table(pt, v, a);
	return VISIT_SKIP;
}

static uint32_t map_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			 struct work *wk)
{
	const struct map_arg *a = arg;
	uint64_t addr = pte_addr_bits(&a->f->pte, a->pfn + (v->base - a->start));
	struct pt_fill fill = { a->proto.v | addr, pte_addr_bits(&a->f->pte, 1) };

	wk->leaf_installed += pt_fill_leafs(pt, (struct pt_span){ v->table, v->index, n }, fill);
	wk->pte_write += n;
	return n;
}

/* NOLINTNEXTLINE(readability-function-size): what is mapped where; a struct would name each twice */
bool x86_map_range(struct pt *pt, const struct x86_fmt *f, uint32_t root, struct gfn_range r,
		   kvm_pfn_t pfn, unsigned int goal, const struct spte_parts *parts,
		   struct work *wk)
{
	struct spte_parts zero = *parts;
	struct map_arg a = { .f = f, .start = r.start, .pfn = pfn, .goal = goal, .wk = wk };
	struct walk w = walk_init(pt, root, r, WALK_PRE | WALK_LEAF | WALK_HOLES, goal);

	zero.pfn = 0;
	a.proto = spte_make_leaf(f, goal, &zero);
	return walk_run_pages(pt, &w, (struct walk_fn){ map_visit, map_page, &a }, UINT_MAX, wk) ==
	       WALK_DONE;
}

uint32_t x86_link_table(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
			struct work *wk)
{
	unsigned int height = pt->meta[table].height;
	gfn_t base = pt_entry_gfn(pt, table, index);
	uint32_t child = pt_alloc(pt, height - 1, base, wk);

	if (child == 0)
		return 0;
	if (pt->obs && pt->obs->table_new)
		pt->obs->table_new(pt->obs_arg, base, height - 1);
	pt_set(pt, table, index, spte_make_table(f, pt_table_pfn(pt, child)), wk);
	return child;
}

bool x86_split_leaf(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
		    bool restore_exec, struct work *wk)
{
	unsigned int height = pt->meta[table].height;
	gfn_t base = pt_entry_gfn(pt, table, index);
	pte_t huge = *pt_entry(pt, table, index);
	uint32_t n = geom_entries(&pt->geom);
	/* children differ in their frames only, and the frames follow each other */
	struct pt_fill fill = {
		.value = spte_make_small(f, &pt->geom, huge, height, 0, restore_exec).v,
		.step = pte_addr_bits(&f->pte, geom_pages(&pt->geom, height - 1)),
	};
	uint32_t child = pt_alloc_full(pt, height - 1, base, fill, wk);

	if (child == 0)
		return false;
	if (pt->obs && pt->obs->table_new)
		pt->obs->table_new(pt->obs_arg, base, height - 1);
	wk->split_entry += n;
	wk->block_split++;
	wk->leaf_installed += n;
	wk->leaf_removed++;
	pt_set(pt, table, index, spte_make_table(f, pt_table_pfn(pt, child)), wk);
	return true;
}

bool x86_subtree_frozen(const struct pt *pt, const struct x86_fmt *f, uint32_t table)
{
	unsigned int height = pt->meta[table].height;

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, table, i);

		if (spte_is_frozen(f, e) || (pte_is_table(&f->pte, e, height) &&
					     x86_subtree_frozen(pt, f, pt_table_of(pt, e))))
			return true;
	}
	return false;
}

void x86_drop_subtree(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t *deferred,
		      struct work *wk)
{
	unsigned int height = pt->meta[table].height;

	if (pt->obs && pt->obs->table_gone)
		pt->obs->table_gone(pt->obs_arg, pt->meta[table].base, height);
	pt_unlink(pt, table);
	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t old = *pt_entry(pt, table, i);

		if (spte_is_frozen(f, old))
			continue;
		note_leaf_change(old, (pte_t){ f->frozen }, f, height, wk);
		pt_set(pt, table, i, (pte_t){ f->frozen }, wk);
		if (pte_is_table(&f->pte, old, height))
			x86_drop_subtree(pt, f, pt_table_of(pt, old), deferred, wk);
	}
	pt->meta[table].link = *deferred;
	*deferred = table;
}

/* The result of a bulk change of a page. */
static void note_page(struct x86_visit *a, uint32_t changed, struct work *wk)
{
	a->hit |= changed > 0;
	a->count += changed;
	wk->pte_write += changed;
}

static void zap_entry(struct pt *pt, const struct visit *v, struct x86_visit *a, struct work *wk)
{
	pt_set(pt, v->table, v->index, (pte_t){ a->f->pte.empty }, wk);
	a->hit = true;
	a->count++;
	if (pte_is_table(&a->f->pte, v->old, v->height))
		x86_drop_subtree(pt, a->f, pt_table_of(pt, v->old), a->deferred, wk);
	else
		wk->leaf_removed++;
}

static int zap_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	zap_entry(pt, v, arg, wk);
	return VISIT_NEXT;
}

static uint32_t zap_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			 struct work *wk)
{
	uint32_t changed = pt_clear_leafs(pt, (struct pt_span){ v->table, v->index, n });

	note_page(arg, changed, wk);
	wk->leaf_removed += changed;
	return n;
}

int x86_zap_leafs(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = 0;
	return walk_run_pages(pt, w, (struct walk_fn){ zap_visit, zap_page, a }, budget, wk);
}

static int zap_level_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	if (v->height <= a->height)
		zap_entry(pt, v, a, wk);
	return VISIT_NEXT;
}

int x86_zap_level(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk)
{
	w->flags = WALK_LEAF | WALK_PRE;
	w->min_height = a->height;
	return walk_run(pt, w, zap_level_visit, a, budget, wk);
}

/* Clears @bits of a leaf; says whether they were set. */
static bool clear_bits(struct pt *pt, const struct visit *v, uint64_t bits, struct x86_visit *a,
		       struct work *wk)
{
	if (!(v->old.v & bits))
		return false;
	pt_set(pt, v->table, v->index, (pte_t){ v->old.v & ~bits }, wk);
	a->hit = true;
	a->count++;
	return true;
}

static uint64_t wrprot_bits(const struct x86_visit *a)
{
	return a->f->w | (a->clear_mmu_writable ? a->f->mmu_writable : 0);
}

static int wrprot_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	clear_bits(pt, v, wrprot_bits(a), a, wk);
	return VISIT_NEXT;
}

static uint32_t wrprot_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			    struct work *wk)
{
	note_page(arg,
		  pt_clear_bits(pt, (struct pt_span){ v->table, v->index, n }, wrprot_bits(arg)),
		  wk);
	return n;
}

int x86_wrprot(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
	       struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = a->height;
	return walk_run_pages(pt, w, (struct walk_fn){ wrprot_visit, wrprot_page, a }, budget, wk);
}

/* The bit that re-arms logging for this leaf: D where hardware keeps it, else W. */
static uint64_t log_bit(const struct x86_visit *a, pte_t e)
{
	unsigned int ad = (unsigned int)((e.v & a->f->ad_mask) >> a->f->ad_shift);

	if (a->wrprot || !spte_ad_enabled(a->f, e) || ad == X86_AD_WRPROT_ONLY)
		return a->f->w;
	return a->f->dirty;
}

static int clear_dirty_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	clear_bits(pt, v, log_bit(a, v->old), a, wk);
	return VISIT_NEXT;
}

/* Where all entries have the same bit: always, but for entries of nested guests with PML. */
static uint32_t clear_dirty_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
				 struct work *wk)
{
	struct x86_visit *a = arg;
	uint64_t bit = log_bit(a, *pt_entry(pt, v->table, v->index));

	for (uint32_t i = 0; i < n; i++)
		if (log_bit(a, *pt_entry(pt, v->table, v->index + i)) != bit)
			n = i;
	note_page(a, pt_clear_bits(pt, (struct pt_span){ v->table, v->index, n }, bit), wk);
	return n;
}

int x86_clear_dirty(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		    struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = 0;
	return walk_run_pages(pt, w, (struct walk_fn){ clear_dirty_visit, clear_dirty_page, a },
			      budget, wk);
}

static int clear_masked_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	if (v->height == 0 && v->base - a->mask_base < MASK_BITS &&
	    (a->mask >> (v->base - a->mask_base)) & 1)
		clear_bits(pt, v, log_bit(a, v->old), a, wk);
	return VISIT_NEXT;
}

int x86_clear_masked(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		     struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = 0;
	return walk_run(pt, w, clear_masked_visit, a, budget, wk);
}

static int stop_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	(void)pt;
	(void)v;
	(void)arg;
	(void)wk;
	return WALK_STOP;
}

int x86_find_leaf(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = a->height;
	return walk_run(pt, w, stop_visit, a, budget, wk);
}

int x86_find_table(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		   struct work *wk)
{
	w->flags = WALK_PRE;
	w->min_height = a->height;
	return walk_run(pt, w, stop_visit, a, budget, wk);
}

static bool is_young(const struct x86_fmt *f, pte_t e)
{
	return f->accessed ? (e.v & f->accessed) != 0 : !spte_is_access_tracked(f, e);
}

static int age_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	if (is_young(a->f, v->old)) {
		a->hit = true;
		a->count++;
		pt_set(pt, v->table, v->index, spte_mark_access_tracked(a->f, v->old), wk);
	}
	return VISIT_NEXT;
}

static int test_age_visit(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct x86_visit *a = arg;

	(void)pt;
	(void)wk;
	if (is_young(a->f, v->old)) {
		a->hit = true;
		a->count++;
	}
	return VISIT_NEXT;
}

static uint32_t age_page(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			 struct work *wk)
{
	struct x86_visit *a = arg;

	if (!a->f->accessed)
		return 0; /* tracking by permission moves bits: entry by entry */
	note_page(a, pt_clear_bits(pt, (struct pt_span){ v->table, v->index, n }, a->f->accessed),
		  wk);
	return n;
}

int x86_age(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
	    struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = 0;
	return walk_run_pages(pt, w, (struct walk_fn){ age_visit, age_page, a }, budget, wk);
}

int x86_test_age(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		 struct work *wk)
{
	w->flags = WALK_LEAF;
	w->min_height = 0;
	return walk_run(pt, w, test_age_visit, a, budget, wk);
}

bool x86_collapse(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
		  bool drop_exec, uint32_t *deferred, struct work *wk)
{
	unsigned int height = pt->meta[table].height;
	uint32_t child = pt_table_of(pt, *pt_entry(pt, table, index));

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, child, i);

		if (!pte_is_leaf(&f->pte, e, height - 1))
			continue;
		pt_set(pt, table, index, spte_make_huge(f, &pt->geom, e, height, drop_exec), wk);
		wk->table_merged++;
		wk->leaf_installed++;
		x86_drop_subtree(pt, f, child, deferred, wk);
		return true;
	}
	return false;
}

static void count_table(struct pt *pt, const struct x86_fmt *f, uint32_t table,
			struct pt_count *out)
{
	unsigned int h = pt->meta[table].height;

	out->tables[h]++;
	for (uint32_t i = 0; i < geom_entries(&pt->geom) && pt->meta[table].nr_used; i++) {
		pte_t e = *pt_entry(pt, table, i);

		if (pte_is_table(&f->pte, e, h))
			count_table(pt, f, pt_table_of(pt, e), out);
		else if (pte_is_leaf(&f->pte, e, h))
			out->leaves[h]++;
		else if (spte_is_mmio(f, e))
			out->mmio++;
	}
}

void x86_count(struct pt *pt, const struct x86_fmt *f, uint32_t root, struct pt_count *out)
{
	memset(out, 0, sizeof(*out));
	if (root)
		count_table(pt, f, root, out);
}
