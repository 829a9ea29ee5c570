/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table pages: a pool of real descriptors with 32 bytes of metadata a page beside it.
 *
 * The memory belongs to the caller (the arena of model/, or a test); this file only keeps order in
 * it.  A table page is named by its element number; number 0 is never handed out and means "none".
 * Its frame number is pfn0 + number, in the upper half of physical space, so that a table and a data
 * frame cannot be confused.
 *
 * Invariants, checked by pt_check()
 *   P1  a free page is all zero bytes, and so is its metadata
 *   P2  every table entry of a live page points to a live page one height lower with the right base
 *   P3  nr_used of a page in use equals the number of its entries that differ from the empty value
 *   P4  nr_live and nr_unlinked equal the numbers of such pages
 */
#ifndef MMU_PT_H
#define MMU_PT_H

#include "mmu/pte.h"
#include "mmu/work.h"

enum pt_state {
	PT_FREE,
	PT_LIVE,     /* linked, or a root */
	PT_UNLINKED, /* no entry points to it; waits for readers to leave */
};

/* One table page; 32 bytes, dead data zero. */
struct pt_meta {
	gfn_t base;       /* first gfn that the page translates */
	uint32_t parent;  /* page whose entry points here; 0 for a root */
	uint32_t link;    /* list of the user: creation order, deferred freeing */
	uint16_t nr_used; /* entries that are not empty */
	uint8_t height;   /* height of its entries */
	uint8_t state;    /* enum pt_state */
	uint8_t flags;    /* PT_F_* */
	uint8_t as_id;    /* address space (x86: 1 is SMM) */
	uint16_t spare;
	uint32_t serial; /* creation order, legacy MMU */
	uint32_t spare2;
};

enum {
	PT_F_ROOT = 1,
	PT_F_NX_DISALLOWED = 2, /* made by an exec fault under the NX mitigation */
	PT_F_NX_POSSIBLE = 4,   /* would otherwise be a huge page: on the recovery list */
};

_Static_assert(sizeof(struct pt_meta) == 32, "32 bytes of metadata a table page");

/* Allocation state, part of the pool's memory. */
struct pt_head {
	uint32_t nr_live;
	uint32_t nr_unlinked;
	uint32_t free_hint;  /* no free page below this number */
	uint32_t high_water; /* pages at and above were never used */
};

/* What an observer of the tables is told, after the fact; each member may be NULL. */
struct pt_observer {
	void (*changed)(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t new_value);
	void (*table_new)(void *arg, gfn_t base, unsigned int height); /* height of its entries */
	void (*table_gone)(void *arg, gfn_t base, unsigned int height);
};

/* A view of the pool with the format its entries are in. */
struct pt {
	struct pt_geom geom;
	const struct pte_fmt *fmt;
	pte_t *entries;
	struct pt_meta *meta;
	struct pt_head *head;
	uint32_t capacity;
	kvm_pfn_t pfn0;
	const struct pt_observer *obs; /* NULL in exploration; not part of the state */
	void *obs_arg;
};

static inline pte_t *pt_entry(const struct pt *pt, uint32_t table, uint32_t index)
{
	return &pt->entries[((uint64_t)table << pt->geom.index_bits) + index];
}

/* Index of @gfn in a table page at @height; the root's index runs over all concatenated pages. */
static inline uint32_t pt_index(const struct pt *pt, gfn_t gfn, unsigned int height)
{
	gfn_t i = gfn >> geom_shift(&pt->geom, height);

	if (height == geom_root_height(&pt->geom))
		return (uint32_t)i;
	return (uint32_t)i & (geom_entries(&pt->geom) - 1);
}

static inline kvm_pfn_t pt_table_pfn(const struct pt *pt, uint32_t table)
{
	return pt->pfn0 + table;
}

/* Table page that a table entry points to. */
static inline uint32_t pt_table_of(const struct pt *pt, pte_t e)
{
	return (uint32_t)(pte_pfn(pt->fmt, e) - pt->pfn0);
}

/* pt_init() - an empty pool over zeroed memory; the view's pointers are set by the caller. */
void pt_init(struct pt *pt);

/**
 * pt_alloc() - takes the lowest free page (root: as many consecutive ones as the geometry
 * concatenates) and fills it with the empty value.
 * Return: element number, or 0 when the pool is full.
 */
uint32_t pt_alloc(struct pt *pt, unsigned int height, gfn_t base, struct work *wk);
uint32_t pt_alloc_root(struct pt *pt, struct work *wk);

/* Descriptors in a row: value, value + step, ... */
struct pt_fill {
	uint64_t value;
	uint64_t step;
};

/* pt_alloc_full() - the same for one page whose entries are those of @f, none of them empty. */
uint32_t pt_alloc_full(struct pt *pt, unsigned int height, gfn_t base, struct pt_fill f,
		       struct work *wk);

/* pt_free() - gives a page back and zeroes it; a root goes with all its concatenated pages. */
void pt_free(struct pt *pt, uint32_t table, struct work *wk);

/* pt_free_list() - frees the pages chained by pt_meta.link from *@list on and empties the list. */
void pt_free_list(struct pt *pt, uint32_t *list, struct work *wk);

/* pt_unlink() - marks a page as detached; it stays readable until pt_free(). */
void pt_unlink(struct pt *pt, uint32_t table);

/* pt_note() - the rare rest of pt_set(): links a child to its parent, tells the observer. */
void pt_note(struct pt *pt, uint32_t table, uint32_t index, pte_t old, pte_t value);

/**
 * pt_set() - stores an entry, keeps nr_used, reports the change.
 * The caller holds whatever lock the modelled code needs.
 *
 * Inline because bulk operations are made of it.  A concatenated root is indexed across its pages;
 * the metadata belongs to the page hit.
 */
static inline void pt_set(struct pt *pt, uint32_t table, uint32_t index, pte_t value,
			  struct work *wk)
{
	pte_t *e = pt_entry(pt, table, index);
	struct pt_meta *m = &pt->meta[table + (index >> pt->geom.index_bits)];
	uint64_t empty = pt->fmt->empty;
	pte_t old = *e;

	m->nr_used = (uint16_t)(m->nr_used - (old.v != empty) + (value.v != empty));
	*e = value;
	wk->pte_write++;
	if (pt->obs || pte_is_table(pt->fmt, value, m->height))
		pt_note(pt, table, index, old, value);
}

/* @n entries of one table page from @first on. */
struct pt_span {
	uint32_t table;
	uint32_t first;
	uint32_t n;
};

/*
 * The page level in bulk: what a loop over pt_set() would do to the entries of a span, without
 * telling an observer.  Each returns how many entries it changed and counts nothing.
 *
 * pt_clear_bits()  clears @bits where a present entry has any of them
 * pt_clear_leafs() makes present entries empty
 * pt_fill_leafs()  stores the entries of @f; returns how many were not present before
 */
uint32_t pt_clear_bits(struct pt *pt, struct pt_span s, uint64_t bits);
uint32_t pt_clear_leafs(struct pt *pt, struct pt_span s);
uint32_t pt_fill_leafs(struct pt *pt, struct pt_span s, struct pt_fill f);

/* pt_lookup() - deepest entry on the path to @gfn that exists. */
struct pt_pos {
	uint32_t table;
	uint32_t index;
	uint8_t height;
	pte_t value;
};
struct pt_pos pt_lookup(const struct pt *pt, uint32_t root, gfn_t gfn);

/* First gfn that entry @index of page @table translates. */
gfn_t pt_entry_gfn(const struct pt *pt, uint32_t table, uint32_t index);

/**
 * pt_check() - P1 to P4 over the whole pool.  Cost: all entries up to the high-water mark.
 * @why: receives a constant sentence on failure.
 */
bool pt_check(const struct pt *pt, const char **why);

#endif
