/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of a TLB miss as a machine with caches makes it: it starts below the lowest table entry
 * that the walk cache has, and each descriptor it reads comes from some data cache.
 *
 * The rules are those of walk2d.h.  hw_translate() has a short way for what nearly all walks meet:
 * tables and a leaf that are present, grant the access and need no update.  At the first entry that
 * is not so, hw_cursor goes on from there.
 *
 * Sources: Intel SDM vol. 3C "Guidelines for use of the INVEPT instruction", "EPT violations" (what an
 * EPT violation invalidates); Arm ARM DDI 0487 "Caching of translation table walks".
 *
 * Invariants
 *   X1  with coherent caches the result and the changes to the tables are those of hw_walk_x86() or
 *       hw_walk_s2(); the counts are not: hw_refs has the references that were made
 *   X2  with a model of the data caches, walk_ref_l1 + l2 + llc + dram grow as hw_refs does
 *   X3  the walk cache gets the table entries of walks that ended with HW_OK, with the rights that the
 *       path grants down to there, and with A set where hardware keeps it
 *
 * Fills of the walk cache count in tlb_fill, what they push out in tlb_evict.
 *
 * SIMPLIFIED: one walk cache for all heights; a walk that faults leaves nothing in it; an update of A or
 * D is no reference of its own.
 */
#ifndef MMU_TRANSLATE_H
#define MMU_TRANSLATE_H

#include "mmu/tlb.h"
#include "mmu/walk2d.h"
#include "mmu/wcache.h"

/* Bits that an entry must have and must not have, to be the plain case. */
struct hw_plain {
	uint64_t mask;
	uint64_t value;
};

/*
 * How one PE walks one root.  Plain data that borrows what its pointers point to; set up by
 * hw_xlate_init() and good until the root, the mode or the pool's place changes.
 */
struct hw_xlate {
	struct pt *pt;
	uint32_t root;
	struct hw_mode mode;
	struct tlb_hot *hot;         /* NULL: no walk cache */
	const struct wcache_cfg *wc; /* NULL: references are not told apart */
	struct wcache *priv;
	struct wcache *shared;
	/* worked out */
	struct hw_plain table;
	struct hw_plain leaf[ACC_RWX + 1];
	struct hw_plain size[GEOM_MAX_HEIGHTS]; /* what makes a leaf of an entry of the height */
};

/* The data caches of a PE. */
struct hw_caches {
	const struct wcache_cfg *cfg;
	struct wcache *priv;
	struct wcache *shared;
};

/**
 * hw_xlate_init() - sets up the walks of a PE.
 * @hot: the PE's TLB, opened for the context of @root; NULL without one (forms TLB_DROP, TLB_SET).
 * @caches: NULL: then the walk cache is not used either, and only hw_refs and hw_ad_update count.
 */
void hw_xlate_init(struct hw_xlate *x, struct pt *pt, uint32_t root, const struct hw_mode *mode,
		   struct tlb_hot *hot, const struct hw_caches *caches);

/**
 * hw_translate() - walks for @gfn after a TLB miss.
 * An x86 walk that finds nothing or no right invalidates, as an EPT violation does, what the TLB of
 * the PE has for @gfn in this context; combined entries of the linear address are the caller's.
 * The TLB gets no leaf: see hw_translate_fill().
 * @out: as hw_walk_x86() returns it.  Return: its .fault.
 */
enum hw_fault hw_translate(struct hw_xlate *x, gfn_t gfn, unsigned int acc, struct hw_result *out,
			   struct work *wk);

/*
 * hw_translate_hint() - @gfn will probably be translated soon: fetches what the walk will read.  Counts and
 * changes nothing; what it fetches may be stale by then.
 */
void hw_translate_hint(const struct hw_xlate *x, gfn_t gfn);

/* hw_leaf_entry() - the TLB_S2 entry of a walk of @gfn that ended with HW_OK; its context is unset. */
struct tlb_entry hw_leaf_entry(const struct hw_xlate *x, gfn_t gfn, const struct hw_result *res);

/*
 * hw_translate_fill() - hw_translate(), and on HW_OK tlb_hot_fill_new() of the leaf.
 * Only with a TLB, and after a look-up that found nothing (TLB_HOT_MISS, TLB_MISS); after TLB_DENIED or
 * TLB_DIRTY: hw_translate(), hw_leaf_entry() and tlb_hot_fill().
 */
enum hw_fault hw_translate_fill(struct hw_xlate *x, gfn_t gfn, unsigned int acc,
				struct hw_result *out, struct work *wk);

#endif
