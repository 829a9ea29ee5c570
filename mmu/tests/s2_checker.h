/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict checker of TLB maintenance around stage-2 operations: two PEs fill their TLBs from the
 * tables at random, each TLBI that an operation asks for is applied, and after every step the TLBs
 * must hold nothing that the rules forbid (I-PT1, I-PT2, I-PT4, I-TLB1 to I-TLB6).  Also how tests of
 * stage 2 run an operation.
 */
#ifndef MMU_TESTS_S2_CHECKER_H
#define MMU_TESTS_S2_CHECKER_H

#include "mmu/s2_pt.h"
#include "mmu/tests/mmu_test.h"
#include "mmu/tlb.h"

enum {
	CAPACITY = 256,
	TLB_CAPACITY = 48,
	NR_PES = 2,
	VMID = 5,
	NR_CFGS = 4,
};

/* What differs: the two generations, forced write-back, range invalidation. */
extern const struct s2_cfg s2_cfgs[NR_CFGS];

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
	WRONG_NO_S2, /* stage-2 part missing */
	WRONG_NO_S1, /* stage-1 part missing */
	WRONG_LEVEL, /* hint of another level */
	WRONG_LOCAL, /* not broadcast */
	NR_WRONG,
};

struct s2_test {
	struct pool p;
	struct s2_cfg cfg;
	struct windows ws;
	struct rng r;
	uint32_t root;
	struct tlb_cfg tlb_cfg;
	struct tlb *pe[NR_PES];
	struct broken *broken;
	size_t nr_broken, room;
	bool flush_owed; /* rights were taken and the flush is the caller's, who has not done it */
	bool deferred;   /* leaves are unmapped, one range TLBI comes at the end */
	enum wrong wrong;
	const char *violation; /* the first one found, or NULL */
	struct work wk;
};

/* Tables of a geometry with nothing mapped, TLBs empty. */
void s2_test_init(struct s2_test *t, const char *geom, const struct s2_cfg *cfg);
void s2_test_fini(struct s2_test *t);

struct s2_op s2_test_op(struct s2_test *t, enum s2_op_kind kind, struct gfn_range r);

/* Runs an operation to its end in slices of random size, with speculation between and all checks. */
enum s2_act s2_test_run(struct s2_test *t, struct s2_op *op);

/* Applies what an operation asked for, as t->wrong says, and checks. */
void s2_test_tlbi(struct s2_test *t, const struct s2_tlbi *tlbi);

/* Applies one instruction to the PEs that it reaches. */
void s2_test_invalidate(struct s2_test *t, enum tlb_inv_op op, const struct s2_tlbi *tlbi,
			int8_t level);

/* A hardware walk on one PE that caches all it meets; for a whole range on all PEs. */
void s2_test_fill(struct s2_test *t, unsigned int pe, gfn_t gfn);
void s2_test_fill_all(struct s2_test *t, struct gfn_range r);

/* Looks for violations in what is cached; sets t->violation. */
void s2_test_check(struct s2_test *t);
void s2_test_violate(struct s2_test *t, const char *what);

/* Entry at @height on the path to @gfn; an empty value where the path ends earlier. */
pte_t s2_test_entry(const struct s2_test *t, gfn_t gfn, unsigned int height);

#endif
