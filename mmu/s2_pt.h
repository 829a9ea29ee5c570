/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm stage-2 table operations with exact break-before-make.
 *
 * An operation is plain data (struct s2_op) that can be carried on at any time.  s2_op_run() does
 * work until something must happen outside the tables and says what: S2_TLBI (issue op->tlbi, wait
 * for its completion, run on), S2_STEP (a boundary that another actor could use), S2_NEED_TABLE
 * (the memory cache is empty).  s2_op_sync() carries an operation to its end with a TLBI callback.
 *
 * Rules it obeys (numbers of the project's list of stage-2 invariants)
 *   I-PT1   a valid leaf or table is replaced by a different one only through an invalid value and a
 *           completed TLBI, unless only R, W, XN, AF or software bits differ
 *   I-TLB3  the level hint is that of the removed leaf; tables carry none
 *   I-TLB5  invalid -> valid issues no TLBI
 *   I-PT7   map() keeps PA - IPA for every page
 *
 * [KVM v6.1, v6.12 arch/arm64/kvm/hyp/pgtable.c: stage2_map_walker, stage2_unmap_walker,
 *  stage2_attr_walker, stage2_split_walker]
 */
#ifndef MMU_S2_PT_H
#define MMU_S2_PT_H

#include "mmu/s2_pte.h"
#include "mmu/walk.h"

enum {
	S2_LEVEL_NONE = 127,          /* no level hint; printed as the modelled kernel prints it */
	S2_RANGE_PAGES_MAX = 1 << 21, /* pages that one call of the range primitive takes */
};

/* What differs between kernels and machines. */
struct s2_cfg {
	bool fwb;            /* stage-2 forced write-back: no cache cleaning */
	bool dic;            /* instruction cache needs no invalidation */
	bool locked_marker;  /* 6.2+: break leaves LOCKED, not 0; freed tables wait for RCU */
	bool range_ops;      /* 6.6+: range TLBI for broken tables, deferred unmap TLBI */
	uint32_t cache_line; /* bytes */
	bool no_break;       /* wrong: map() replaces valid entries at once, against I-PT1 */
};

enum s2_tlbi_kind {
	S2_TLBI_NONE,
	S2_TLBI_IPA,
	S2_TLBI_IPA_NSH, /* this PE only */
	S2_TLBI_RANGE,
	S2_TLBI_VMID,
};

struct s2_tlbi {
	gfn_t gfn;
	uint64_t pages;
	uint8_t kind;
	int8_t level; /* Arm lookup level of the removed leaf, or S2_LEVEL_NONE */
	uint8_t spare[6];
};

enum s2_op_kind {
	S2_OP_MAP,
	S2_OP_UNMAP,
	S2_OP_WRPROT,
	S2_OP_RELAX,
	S2_OP_MKYOUNG,
	S2_OP_AGE, /* clear AF; op->hit says it was set */
	S2_OP_TEST_AGE,
	S2_OP_SPLIT,
};

enum s2_act {
	S2_DONE,
	S2_AGAIN,      /* -EAGAIN: somebody else was faster; nothing more was done */
	S2_TLBI,       /* op->tlbi is due now */
	S2_STEP,       /* step boundary */
	S2_BUDGET,     /* the budget is spent */
	S2_NEED_TABLE, /* -ENOMEM: no table page */
};

/* 80 bytes, plain data. */
struct s2_op {
	struct walk walk;
	kvm_pfn_t pfn; /* map: frame of the first gfn */
	gfn_t start;   /* first gfn of the operation */
	struct s2_tlbi tlbi;
	uint32_t deferred; /* unlinked table pages that wait for the grace period */
	uint32_t held;     /* table page between two places: new child, old child, split tree */
	uint8_t kind;      /* enum s2_op_kind */
	uint8_t phase;
	uint8_t access; /* ACC_* bits to grant */
	uint8_t memtype;
	bool force_pte;
	bool defer;    /* unmap: one range TLBI at the end */
	bool hit;      /* out: something changed */
	uint8_t whole; /* split: blocks up to this height become whole trees at once */
};

_Static_assert(sizeof(struct s2_op) == 80, "80 bytes an operation");

/* s2_op_init() - an operation over [r.start, r.end); the other fields are set by the caller. */
struct s2_op s2_op_init(const struct pt *pt, enum s2_op_kind kind, uint32_t root,
			struct gfn_range r);

/**
 * s2_op_run() - carries @op on.
 * @budget: entries to visit at most.
 * Return: what the caller must do next; S2_DONE and S2_AGAIN end the operation.
 */
enum s2_act s2_op_run(struct pt *pt, const struct s2_cfg *cfg, struct s2_op *op,
		      unsigned int budget, struct work *wk);

/* s2_op_sync() - to the end; @tlbi (may be NULL) performs each invalidation. */
enum s2_act s2_op_sync(struct pt *pt, const struct s2_cfg *cfg, struct s2_op *op,
		       void (*tlbi)(void *arg, const struct s2_tlbi *t), void *arg,
		       struct work *wk);

/* s2_leaf_allowed() - a leaf at @height may stand here for this operation (section "map"). */
bool s2_leaf_allowed(const struct pt *pt, const struct s2_op *op, gfn_t gfn, unsigned int height);

/* Table pages that splitting one block at @height down to pages needs. */
uint64_t s2_split_tables(const struct pt_geom *g, unsigned int height);

/* Height of the largest block that a split cache filled for chunks of @pages can split whole. */
unsigned int s2_split_whole(const struct pt_geom *g, uint64_t pages);

/**
 * s2_range_instructions() - number of range TLBI instructions that cover @pages from @gfn, and
 * @singles, the number of single-page ones (odd last page, alignment with LPA2).  Beyond 2^21 pages
 * the primitive is called again, and with LPA2 each call aligns anew.
 * [Arm ARM "TLBI RIPAS2E1IS": (num + 1) * 2^(5 * scale + 1) pages, scale 3..0]
 */
unsigned int s2_range_instructions(const struct pt_geom *g, gfn_t gfn, uint64_t pages,
				   unsigned int *singles);

/* s2_count() - leaves and tables below a root. */
struct s2_counts {
	uint64_t leaves[GEOM_MAX_HEIGHTS];
	uint64_t tables[GEOM_MAX_HEIGHTS];
};
void s2_count(const struct pt *pt, uint32_t root, struct s2_counts *out);

#endif
