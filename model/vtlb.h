/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLB of each vCPU's CPU: what an access finds there, and what requests and TLBIs remove.
 *
 * The form is configuration (vm_cfg.tlb).  `drop`, which holds nothing, is how the recorders' emulators
 * behave: every entry and exit forgets.  With the other forms a missing flush shows as an access
 * through a translation that should be gone.
 *
 * [Intel SDM vol. 3C "Caching translation information"; AMD APM vol. 2 "TLB control"; Arm ARM
 *  "TLB maintenance instructions"; KVM v6.12 vmx.c: vmx_flush_tlb_all, svm.c: svm_flush_tlb_asid]
 */
#ifndef MODEL_VTLB_H
#define MODEL_VTLB_H

#include "mmu/s2_pt.h"
#include "mmu/tlb.h"
#include "mmu/translate.h"
#include "model/engine.h"

struct tlb *vtlb(const struct vm *vm, uint32_t vcpu);

/* Words of one vCPU's TLB in the arena. */
uint64_t vtlb_words(const struct vm_cfg *cfg);

/* Where the TLB has a translation that serves an access. */
enum vtlb_level {
	VTLB_NONE,
	VTLB_L1, /* forms without levels have the first only */
	VTLB_L2,
};

/* vtlb_hit() - is the access served without a walk? */
enum vtlb_level vtlb_hit(struct ctx *c, uint32_t root, gfn_t gfn, unsigned int acc);

/*
 * How the CPU of a vCPU looks things up in a driver that models caches: the TLB opened for the vCPU's
 * root, and walks through a walk cache and the data caches.  The driver's own memory: no part of the state.
 */
struct vtlb_hw {
	struct tlb_hot hot;
	struct hw_xlate x;
	struct hw_caches caches; /* set by the driver */
	uint32_t root;           /* table that both are set up for; 0 none */
};

/* vtlb_mode() - what walks of the VM's tables obey. */
struct hw_mode vtlb_mode(const struct vm *vm);

/* vtlb_hw_open() - the acting vCPU's, set up for its present root; NULL: the driver has none. */
struct vtlb_hw *vtlb_hw_open(struct ctx *c);

/* vtlb_fill() - enters the leaf that a walk of @gfn ended at. */
void vtlb_fill(struct ctx *c, uint32_t root, gfn_t gfn, const struct hw_result *res);

/* vtlb_fill_walk() - enters a table entry at @height that a walk of @gfn went through. */
void vtlb_fill_walk(struct ctx *c, uint32_t root, gfn_t gfn, unsigned int height, pte_t e);

/* vtlb_match() - the @n-th entry of a kind that the acting vCPU's CPU could use for @gfn. */
bool vtlb_match(const struct ctx *c, uint32_t root, gfn_t gfn, enum tlb_kind kind, unsigned int n,
		struct tlb_entry *out);

/* vtlb_fault() - a fault drops what the CPU holds for the address. */
void vtlb_fault(struct ctx *c, uint32_t root, gfn_t gfn);

/* vtlb_flush() - x86: everything of this vCPU's CPU that belongs to the VM. */
void vtlb_flush(struct ctx *c, uint32_t vcpu);

/* vtlb_tlbi() - arm64: the effect of one stage-2 invalidation on one PE. */
void vtlb_tlbi(struct ctx *c, uint32_t vcpu, const struct s2_tlbi *t);

/**
 * vtlb_check() - what every vCPU may still use agrees with host and slots: the frame is the host's,
 * and nothing is writable that the table no longer lets it write.  vCPUs with an unhandled flush or
 * root reload request are left out: they handle it before they enter.
 * @why: receives a constant sentence on failure.
 */
bool vtlb_check(const struct vm *vm, const char **why);

#endif
