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
#include "mmu/walk2d.h"
#include "model/engine.h"

struct tlb *vtlb(const struct vm *vm, uint32_t vcpu);

/* Words of one vCPU's TLB in the arena. */
uint64_t vtlb_words(const struct vm_cfg *cfg);

/* vtlb_hit() - the access is served without a walk. */
bool vtlb_hit(struct ctx *c, uint32_t root, gfn_t gfn, unsigned int acc);

/* vtlb_fill() - enters the leaf that a walk of @gfn ended at. */
void vtlb_fill(struct ctx *c, uint32_t root, gfn_t gfn, const struct hw_result *res);

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
