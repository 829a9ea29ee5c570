/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware's table walk, as data and in two grains, and the references of a nested walk.
 *
 * hw_walk_x86() and hw_walk_s2() walk from the root to the leaf in one call.  struct hw_cursor does
 * the same walk one memory access at a time, so that an exploration can put another actor between
 * two of them: each step is one descriptor read, or one accessed/dirty update that is a
 * compare-exchange on the entry that was read (when it lost, the walk starts over).  The cursor
 * remembers the number of the table page, not the path: a page that was freed meanwhile is read as
 * hardware would read it.  Both grains are the same code, so they cannot disagree.
 *
 * Sources: Intel SDM vol. 3C "EPT violations", "EPT misconfigurations", "Accessed and dirty flags
 * for EPT"; AMD APM vol. 2 "Nested paging"; Arm ARM DDI 0487 "MMU faults", "Hardware management of
 * the Access flag", "Prioritization of synchronous aborts from a single stage of translation".
 *
 * Invariants
 *   H1  a fault changes nothing at its own level; A may have been set in the tables above it
 *   H2  a walk that ends with HW_OK leaves A set in all entries it used (where hardware keeps A) and,
 *       after a write, D in the leaf (where hardware keeps D); A is set before D
 *   H3  hw_refs grows by one for each descriptor read, hw_ad_update by one for each update that won
 */
#ifndef MMU_WALK2D_H
#define MMU_WALK2D_H

#include "mmu/pt.h"
#include "mmu/x86_pte.h"

/* How a walk ends. */
enum hw_fault {
	HW_OK,
	HW_FAULT_NOT_PRESENT, /* nothing there for the hardware: empty, frozen, access-tracked */
	HW_FAULT_PERM,        /* there, but it does not grant the access */
	HW_FAULT_MISCONFIG,   /* x86: MMIO marker, reserved bit or type; Arm: address size fault */
	HW_FAULT_OVERLAY, /* a right that the tables grant is denied beside them; model/ says so */
	HW_FAULT_ACCESS_FLAG, /* Arm: AF clear and no hardware update */
	HW_FAULT_WILD, /* a table pointer that leads out of the pool: a freed page was followed */
};

struct hw_result {
	enum hw_fault fault;
	uint8_t height; /* height of the entry at which the walk ended */
	uint8_t spare[3];
	pte_t pte;      /* that entry: after the updates on success, as read on a fault */
	uint32_t table; /* page that holds it (the first page of a concatenated root) */
	uint32_t index;
	bool set_accessed; /* an A or AF was set, in whatever entry */
	bool set_dirty;    /* the leaf's D was set: the caller appends to the PML buffer */
	uint8_t spare2[6];
};

/* What one walk obeys; constant during the walk. */
struct hw_mode {
	const struct x86_fmt *x86; /* NULL: Arm stage 2 */
	bool update_ad;            /* x86: EPTP enables A/D (always on NPT); Arm: VTCR_EL2.HA */
};

/* What the next step of a cursor is. */
enum hw_next {
	HW_NEXT_READ,     /* reads the entry at .height */
	HW_NEXT_ACCESSED, /* sets A of the entry that was read */
	HW_NEXT_DIRTY,    /* sets D of it; a full PML buffer must be emptied before this step */
};

enum hw_step {
	HW_STEP_MORE,
	HW_STEP_END, /* the result is filled in */
};

/* A walk under way: plain data. */
struct hw_cursor {
	gfn_t gfn;
	pte_t old;      /* entry that was read, while an update is due; else 0 */
	uint32_t table; /* page to read next, or read last while an update is due */
	uint8_t height;
	uint8_t next; /* enum hw_next */
	uint8_t acc;  /* ACC_* bits the access needs */
	uint8_t set;  /* HW_SET_* so far */
};

enum {
	HW_SET_ACCESSED = 1,
	HW_SET_DIRTY = 2,
};

_Static_assert(sizeof(struct hw_cursor) <= 24, "a cursor fits a frame");

/* hw_cursor_init() - a walk of @gfn for @acc (ACC_* bits) from the root. */
struct hw_cursor hw_cursor_init(const struct pt *pt, uint32_t root, gfn_t gfn, unsigned int acc);

/**
 * hw_cursor_at() - a walk that a walk cache lets start below the root.
 * @table: page that the cached entry points to; @height: height of that page's entries.
 */
struct hw_cursor hw_cursor_at(uint32_t table, unsigned int height, gfn_t gfn, unsigned int acc);

/**
 * hw_cursor_step() - the next memory access of the walk.
 * @root: where the walk starts over when an update finds another value than the one read.
 * @out:  filled when the walk ends.
 * Updates are stores of the hardware: no observer is told and no software store is counted.
 */
enum hw_step hw_cursor_step(struct pt *pt, const struct hw_mode *mode, uint32_t root,
			    struct hw_cursor *c, struct hw_result *out, struct work *wk);

/**
 * hw_walk_x86() - a whole walk of EPT or NPT.
 * @gfn: below geom_limit(); @acc: ACC_* bits, several at once mean that all are needed.
 * @update_ad: hardware keeps A and D for this root (EPTP bit 6; always on NPT).  Formats without A/D
 *             flags never change.
 */
struct hw_result hw_walk_x86(struct pt *pt, const struct x86_fmt *f, uint32_t root, gfn_t gfn,
			     unsigned int acc, bool update_ad, struct work *wk);

/* hw_walk_s2() - a whole walk of Arm stage 2; @hw_af: hardware sets AF (VTCR_EL2.HA). */
struct hw_result hw_walk_s2(struct pt *pt, uint32_t root, gfn_t gfn, unsigned int acc, bool hw_af,
			    struct work *wk);

enum {
	WALK2D_S1_MAX = 5, /* stage-1 levels */
};

/*
 * Warm caches of a nested walk.  A walk cache holds table entries only, so the read of the leaf
 * always remains.
 */
struct walk2d_warm {
	uint8_t s1_levels;   /* upper stage-1 levels that need no fetch (nor its stage-2 walk) */
	uint8_t s2_levels;   /* upper stage-2 levels skipped in each stage-2 walk */
	bool s2_leaf_tables; /* stage-2 translations of the stage-1 tables are cached */
};

/**
 * walk2d_refs() - memory references of a nested walk, computed.
 * @n: stage-1 levels down to the stage-1 leaf; 0: the guest runs without stage 1.
 * @m: @n + 1 numbers: stage-2 levels read for each stage-1 table, root first, then for the page.
 * @warm: caches, or NULL.
 * Return: n + m[0] + .. + m[n] without caches.
 */
unsigned int walk2d_refs(unsigned int n, const uint8_t *m, const struct walk2d_warm *warm);

/*
 * A nested pair: @s1 maps guest-virtual pages to gfns and its table pages lie at the gfns
 * s1->pfn0 + number; @s2 maps gfns to frames.  Both have the same page size.
 * SIMPLIFIED: the format of stage 1 matters for present, table and leaf only; its rights and flags
 * belong to the guest and never cause an exit.
 */
struct walk2d {
	struct pt *s1;
	struct pt *s2;
	uint32_t s1_root;
	uint32_t s2_root;
	struct walk2d_warm warm;
};

struct walk2d_result {
	enum hw_fault fault; /* of stage 2 when .s2_fault, else of stage 1 */
	bool s2_fault;
	bool s1ptw;                   /* the stage-2 fault met a stage-1 table, not the page */
	uint8_t n;                    /* stage-1 levels down to where the walk ended */
	uint8_t m[WALK2D_S1_MAX + 1]; /* stage-2 levels down to each leaf, caches not deducted */
	uint8_t s1_height;
	uint8_t s2_height; /* of the last stage-2 leaf */
	gfn_t gfn;         /* last one translated */
	kvm_pfn_t pfn;     /* frame of the page on success */
	unsigned int refs; /* references counted */
};

/**
 * walk2d_run() - walks the pair for guest-virtual page @page and counts each reference.
 * Only reads.  Counts wk->hw_refs too.
 */
struct walk2d_result walk2d_run(const struct walk2d *w, uint64_t page, struct work *wk);

#endif
