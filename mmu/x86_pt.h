/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86 second-stage table operations: visitors over the one walker, and the single-entry primitives
 * that KVM's TDP MMU is made of.  None of them flushes: each says whether a flush is due, and the
 * caller batches it as KVM does (before mmu_lock is released, or not at all for cleared A and D).
 *
 * [KVM v6.1, v6.12 arch/x86/kvm/mmu/tdp_mmu.c]
 */
#ifndef MMU_X86_PT_H
#define MMU_X86_PT_H

#include "mmu/walk.h"
#include "mmu/x86_pte.h"

/**
 * x86_map_range() - maps [r.start, r.end) to frames from @pfn on, in bulk.
 * @goal: height of the leaves; the range and @pfn are aligned to it.
 * @parts: everything of the leaf but its frame.
 * Replaces what is there without a word about flushes, and frees replaced tables at once: for
 * populating and for measurements.  A larger leaf that the range meets is lost as a whole.
 * Return: false when the pool is full (the range is then mapped in part).
 */
bool x86_map_range(struct pt *pt, const struct x86_fmt *f, uint32_t root, struct gfn_range r,
		   kvm_pfn_t pfn, unsigned int goal, const struct spte_parts *parts,
		   struct work *wk);

/* x86_link_table() - allocates a table page and points the non-present entry to it; 0 when full. */
uint32_t x86_link_table(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
			struct work *wk);

/**
 * x86_split_leaf() - replaces the huge leaf by a table of 512 (2^index_bits) equal translations.
 * No flush is due.  @restore_exec: children at 4 KiB get X back (NX mitigation).
 * Return: false when the pool is full; nothing changed then.
 */
bool x86_split_leaf(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
		    bool restore_exec, struct work *wk);

/* x86_subtree_frozen() - somebody holds an entry of the page or of a table below it frozen. */
bool x86_subtree_frozen(const struct pt *pt, const struct x86_fmt *f, uint32_t table);

/**
 * x86_drop_subtree() - processes a table page that was just unlinked: every entry of it and of the
 * tables below becomes frozen and the pages wait (PT_UNLINKED) on the list that starts at *@deferred,
 * chained by pt_meta.link.  [handle_removed_pt]
 */
void x86_drop_subtree(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t *deferred,
		      struct work *wk);

/* Arguments of the visitors below; .hit says that something changed and a flush is due. */
struct x86_visit {
	const struct x86_fmt *f;
	uint32_t *deferred;
	uint8_t height;  /* zap level, minimum level of write protection */
	bool hit;        /* out: an entry changed */
	uint64_t count;  /* out: entries changed */
	gfn_t mask_base; /* masked visitors: gfn of bit 0; gfns beyond the mask stay as they are */
	uint64_t mask;
	bool wrprot;             /* clear W even where D would do */
	bool clear_mmu_writable; /* write protection: take MMU-writable too (write tracking) */
};

/* x86_zap_leafs() - present leaves of the range become non-present; tables and MMIO SPTEs stay. */
int x86_zap_leafs(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk);
/* x86_zap_level() - every present entry at or below height a->height goes, with its subtree. */
int x86_zap_level(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk);
/* x86_wrprot() - clears W (not MMU-writable) in leaves at a->height and above. */
int x86_wrprot(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
	       struct work *wk);
/* x86_clear_dirty() - clears D in leaves, or W where there is no D flag. */
int x86_clear_dirty(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		    struct work *wk);
/* x86_clear_masked() - the same for 4 KiB leaves whose bit is set in a->mask; W if a->wrprot. */
int x86_clear_masked(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		     struct work *wk);
/* x86_find_leaf() - stops with WALK_STOP at each present leaf at a->height or above. */
int x86_find_leaf(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		  struct work *wk);
/* x86_find_table() - stops with WALK_STOP before each table entry at a->height or above. */
int x86_find_table(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		   struct work *wk);
/* x86_age() - clears A (or tracks by permission); x86_test_age() only looks.  a->hit: was young. */
int x86_age(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
	    struct work *wk);
int x86_test_age(struct pt *pt, struct walk *w, struct x86_visit *a, unsigned int budget,
		 struct work *wk);

/**
 * x86_collapse() - replaces the table entry by the huge leaf made from one present child leaf
 * (6.13 and later).  The replaced page goes to the deferred list; a flush is due before it is freed.
 * Return: false when no present leaf of the right kind stands below.
 */
bool x86_collapse(struct pt *pt, const struct x86_fmt *f, uint32_t table, uint32_t index,
		  bool drop_exec, uint32_t *deferred, struct work *wk);

/* Leaves per height, MMIO SPTEs and table pages per height under a root. */
struct pt_count {
	uint64_t leaves[GEOM_MAX_HEIGHTS];
	uint64_t tables[GEOM_MAX_HEIGHTS];
	uint64_t mmio;
};
void x86_count(struct pt *pt, const struct x86_fmt *f, uint32_t root, struct pt_count *out);

#endif
