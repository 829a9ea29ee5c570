/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidations as faults see them: a sequence and a hull of what is under way
 * [KVM v6.12 virt/kvm/kvm_main.c: kvm_mmu_invalidate_begin, kvm_mmu_invalidate_end].
 */
#ifndef MODEL_NOTIFIER_H
#define MODEL_NOTIFIER_H

#include "model/vm.h"

/* mmu_invalidate_begin() - one more, over [start, end) of gfns or hvas, as the rules say; mmu_lock is held. */
void mmu_invalidate_begin(struct vm *vm, uint64_t start, uint64_t end);

/* mmu_invalidate_end() - one less, and faults that began before must look again; mmu_lock is free. */
void mmu_invalidate_end(struct vm *vm);

#endif
