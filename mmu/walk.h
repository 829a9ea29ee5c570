/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one walker.  A walk visits the entries of [gfn, end) in address order, depth first, and calls
 * a visitor for each; map, unmap, write-protect, age and the rest are visitors (x86_pt.c, s2_pt.c).
 *
 * A walk can stop at any entry and go on later from its cursor, which is plain data: the caller
 * gives a budget of visits and gets WALK_BUDGET back, or the visitor stops the walk with an outcome
 * of its own.  Going on re-reads the path from the root, as KVM's walkers do after they yielded, so
 * tables that vanished or appeared meanwhile are noticed.
 *
 * Invariants of the cursor
 *   C1  every entry of the range is visited at most once in each role (before, leaf, after), in
 *       address order, whatever the budget
 *   C2  gfn never moves back
 *   C3  with post = 0 the next visit is the entry at height that covers gfn, with post = 1 the table
 *       entry at height that covers gfn - 1, whose children are done
 *
 * [KVM v6.12 arch/arm64/kvm/hyp/pgtable.c: kvm_pgtable_visitor_*; arch/x86/kvm/mmu/tdp_iter.c]
 */
#ifndef MMU_WALK_H
#define MMU_WALK_H

#include <limits.h>

#include "mmu/pt.h"

enum walk_flags {
	WALK_PRE = 1,   /* table entries before their children */
	WALK_LEAF = 2,  /* leaves */
	WALK_HOLES = 4, /* entries that are neither table nor leaf */
	WALK_POST = 8,  /* table entries after their children */
};

enum walk_result {
	WALK_DONE = 0,
	WALK_BUDGET = 1,
	WALK_DESCEND = 2, /* inside the walker only */
	/* from here on: the visitor's own outcomes; the cursor stays at the entry */
	WALK_STOP = 16,
};

enum visit_result {
	VISIT_NEXT = 0,  /* go on; descend when the entry, read again, is a table */
	VISIT_SKIP = -1, /* go on, but do not descend */
};

struct walk {
	gfn_t gfn;
	gfn_t end;
	uint32_t root;
	uint8_t height;
	uint8_t post;
	uint8_t min_height; /* heights below are not entered */
	uint8_t flags;
};

struct visit {
	gfn_t gfn; /* where the walk entered the entry: its base, or the start of the range */
	gfn_t base;
	uint32_t table;
	uint32_t index;
	uint8_t height;
	bool post;
	pte_t old;
};

typedef int (*visit_fn)(struct pt *pt, const struct visit *v, void *arg, struct work *wk);

static inline struct walk walk_init(const struct pt *pt, uint32_t root, struct gfn_range r,
				    unsigned int flags, unsigned int min_height)
{
	return (struct walk){
		.gfn = r.start,
		.end = min_u64(r.end, geom_limit(&pt->geom)),
		.root = root,
		.height = (uint8_t)geom_root_height(&pt->geom),
		.min_height = (uint8_t)min_height,
		.flags = (uint8_t)flags,
	};
}

/* The cursor stands behind the last entry of a page below the root. */
static inline bool walk_at_page_end(const struct pt *pt, const struct walk *w)
{
	return w->height < geom_root_height(&pt->geom) &&
	       (w->gfn & (geom_pages(&pt->geom, w->height + 1U) - 1)) == 0;
}

/*
 * After a visitor stopped the walk: goes past the entry, with all below it.  Where that ends a page,
 * the cursor goes up, so that the next page is met from above.
 */
static inline void walk_leave(const struct pt *pt, struct walk *w)
{
	if (!w->post)
		w->gfn = geom_base(&pt->geom, w->gfn, w->height) + geom_pages(&pt->geom, w->height);
	w->post = 0;
	while (!w->post && walk_at_page_end(pt, w)) {
		w->height++;
		w->post = (w->flags & WALK_POST) != 0;
	}
}

/* After a visitor stopped the walk before a table: goes on inside it. */
static inline void walk_enter(struct walk *w)
{
	w->height--;
}

/* Finds the page that holds the cursor's entry; raises the height where the path is gone. */
static inline uint32_t walk_find_table(const struct pt *pt, struct walk *w, struct work *wk)
{
	gfn_t gfn = w->gfn - w->post;
	unsigned int h = geom_root_height(&pt->geom);
	uint32_t table = w->root, above = w->root;

	while (h > w->height) {
		pte_t e = *pt_entry(pt, table, pt_index(pt, gfn, h));

		wk->pte_read++;
		if (!pte_is_table(pt->fmt, e, h)) {
			w->height = (uint8_t)h;
			if (!w->post)
				return table;
			/* the table whose end we were at is gone: its own end is not reported */
			w->post = 0;
			if (!walk_at_page_end(pt, w))
				return table;
			w->height++;
			w->post = 1;
			return above;
		}
		above = table;
		table = pt_table_of(pt, e);
		h--;
	}
	return table;
}

/* Role of an entry as a visit flag. */
static inline unsigned int walk_role(const struct pt *pt, pte_t e, unsigned int height)
{
	if (!pte_is_present(pt->fmt, e))
		return WALK_HOLES;
	return pte_is_table(pt->fmt, e, height) ? WALK_PRE : WALK_LEAF;
}

/* One past the last entry of this page that the walk may visit. */
static inline uint32_t walk_last_index(const struct pt *pt, const struct walk *w)
{
	gfn_t last = w->end - 1;
	unsigned int h = w->height;

	if (h == geom_root_height(&pt->geom))
		return pt_index(pt, last, h) + 1;
	if (geom_base(&pt->geom, last, h + 1U) != geom_base(&pt->geom, w->gfn, h + 1U))
		return geom_entries(&pt->geom);
	return pt_index(pt, last, h) + 1;
}

/*
 * A visitor with what it needs.  Passed by value, so that the compiler sees which one it is.
 * .page may be NULL.  It does what .fn would do to @n entries of a page-level table from @v on, all
 * at once; it returns how many it did, at most @n, and leaves the rest to .fn.  It is asked only when
 * the budget is unlimited and no observer wants to hear of each entry.
 */
struct walk_fn {
	visit_fn fn;
	uint32_t (*page)(struct pt *pt, const struct visit *v, uint32_t n, void *arg,
			 struct work *wk);
	void *arg;
};

/* What one run uses up. */
struct walk_use {
	unsigned int budget; /* UINT_MAX stays */
	struct work wk;
};

#define WALK_INLINE static inline __attribute__((always_inline))

/* One visit, paid from the budget; the visitor's result. */
WALK_INLINE int walk_visit(struct pt *pt, const struct visit *v, struct walk_fn c,
			   struct walk_use *u)
{
	if (u->budget == 0)
		return WALK_BUDGET;
	u->budget -= u->budget != UINT_MAX;
	return c.fn(pt, v, c.arg, &u->wk);
}

/* Visits the entries of one page from the cursor on; @v names the page. */
WALK_INLINE int walk_entries(struct pt *pt, struct walk *w, struct visit v, struct walk_fn c,
			     struct walk_use *u)
{
	const uint64_t span = geom_pages(&pt->geom, v.height);
	const uint32_t last = walk_last_index(pt, w);

	for (; v.index < last; v.index++) {
		v.old = *pt_entry(pt, v.table, v.index);
		u->wk.pte_read++;
		if (walk_role(pt, v.old, v.height) & w->flags) {
			int r;

			w->gfn = v.gfn;
			r = walk_visit(pt, &v, c, u);
			if (r > VISIT_NEXT)
				return r;
			if (r == VISIT_NEXT)
				v.old = *pt_entry(pt, v.table, v.index);
			else
				v.old.v = pt->fmt->empty;
		}
		if (v.height > w->min_height && pte_is_table(pt->fmt, v.old, v.height)) {
			w->gfn = v.gfn;
			return WALK_DESCEND;
		}
		v.base += span;
		v.gfn = v.base;
	}
	w->gfn = v.gfn;
	return WALK_DONE;
}

/* The page level apart: there are no tables in it, and much of it can be done at once. */
WALK_INLINE int walk_page(struct pt *pt, struct walk *w, uint32_t table, struct walk_fn c,
			  struct walk_use *u)
{
	struct visit v = { .gfn = w->gfn,
			   .base = geom_base(&pt->geom, w->gfn, w->height),
			   .table = table,
			   .index = pt_index(pt, w->gfn, w->height),
			   .height = w->height };

	if (v.height == 0 && c.page && u->budget == UINT_MAX && !pt->obs) {
		uint32_t n = c.page(pt, &v, walk_last_index(pt, w) - v.index, c.arg, &u->wk);

		u->wk.pte_read += n;
		v.index += n;
		v.gfn = v.base = w->gfn + n;
	}
	return walk_entries(pt, w, v, c, u);
}

/* Reports the table entry whose children are done, then leaves it. */
WALK_INLINE int walk_after(struct pt *pt, struct walk *w, uint32_t table, struct walk_fn c,
			   struct walk_use *u)
{
	gfn_t gfn = w->gfn - 1;
	struct visit v = { .gfn = gfn,
			   .base = geom_base(&pt->geom, gfn, w->height),
			   .table = table,
			   .index = pt_index(pt, gfn, w->height),
			   .height = w->height,
			   .post = true };

	v.old = *pt_entry(pt, table, v.index);
	if (pte_is_table(pt->fmt, v.old, w->height)) {
		int r = walk_visit(pt, &v, c, u);

		if (r > VISIT_NEXT)
			return r;
	}
	w->post = 0;
	return WALK_DONE;
}

/* The walk itself; a loop over pages, @up after a page was left at its end. */
WALK_INLINE int walk_pages(struct pt *pt, struct walk *w, struct walk_fn c, struct walk_use *u)
{
	uint32_t table = walk_find_table(pt, w, &u->wk);
	bool up = w->post;

	for (;;) {
		int r = WALK_DONE;

		if (w->post)
			r = walk_after(pt, w, table, c, u);
		if (r == WALK_DONE && w->gfn < w->end && !(up && walk_at_page_end(pt, w)))
			r = walk_page(pt, w, table, c, u);
		up = r == WALK_DONE;
		if (r == WALK_DESCEND) {
			table = pt_table_of(pt,
					    *pt_entry(pt, table, pt_index(pt, w->gfn, w->height)));
			w->height--;
			continue;
		}
		if (r != WALK_DONE)
			return r;
		if (w->height == geom_root_height(&pt->geom) ||
		    (w->gfn >= w->end && !(w->flags & WALK_POST)))
			return WALK_DONE;
		w->height++;
		w->post = (w->flags & WALK_POST) != 0;
		table = pt->meta[table].parent;
	}
}

/**
 * walk_run_pages() - goes on from @w.
 * @c:      visitor; may change the entry it is called for and everything below it.
 * @budget: visits allowed; UINT_MAX for no limit.
 * Return: WALK_DONE, WALK_BUDGET or the visitor's outcome (>= WALK_STOP).
 *
 * Inlined into each user so that the visitor is inlined too and the counters stay in registers: the
 * visitor gets counters of its own, which are added to @wk at the end.
 */
WALK_INLINE int walk_run_pages(struct pt *pt, struct walk *w, struct walk_fn c, unsigned int budget,
			       struct work *wk)
{
	struct walk_use u = { .budget = budget };
	int r = walk_pages(pt, w, c, &u);

	work_add(wk, &u.wk);
	return r;
}

/* walk_run() - the same for a visitor without a page form. */
WALK_INLINE int walk_run(struct pt *pt, struct walk *w, visit_fn fn, void *arg, unsigned int budget,
			 struct work *wk)
{
	return walk_run_pages(pt, w, (struct walk_fn){ .fn = fn, .arg = arg }, budget, wk);
}

#endif
