/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Userfault: which pages user space wants to be asked for before a guest reaches them
 * ["KVM: Introduce KVM Userfault", v1 Dec 2024 to v3 June 2025], and the other ways to say so that were
 * proposed (enum uf_uapi).
 *
 * The permission overlay is hypothetical hardware: a right of each page beside the tables, evaluated at
 * each access, so that KVM can withdraw a slot's rights without touching tables or TLBs.
 * SIMPLIFIED: a slot's rights go at one instant; the overlay is found through the slot.
 */
#ifndef MODEL_USERFAULT_H
#define MODEL_USERFAULT_H

#include "model/engine.h"

/* userfault_bit() - 1 set, 0 clear or not a userfault slot, -EFAULT: bitmap unreadable. */
int userfault_bit(const struct vm *vm, uint32_t slot, gfn_t gfn);

/* userfault_test() - 0: a fault may go on, 1: user space is asked, or -EFAULT; as the rules say. */
int userfault_test(struct ctx *c, uint32_t slot, gfn_t gfn, bool write);

/* userfault_clear() - user space, as the acting thread, clears the page's bit with a store-release. */
void userfault_clear(struct ctx *c, uint32_t slot, gfn_t gfn);

/* userfault_max_height() - largest height up to @max at which no bit around @gfn is 1, if that counts. */
unsigned int userfault_max_height(const struct vm *vm, uint32_t slot, gfn_t gfn, unsigned int max);

/* userfault_overlay_alloc() - what @now, which replaces @old (0: nothing), needs; false: no memory. */
bool userfault_overlay_alloc(struct vm *vm, uint32_t old, uint32_t now);

/* userfault_overlay_free() - of a slot that goes, unless @now has taken it over. */
void userfault_overlay_free(struct vm *vm, uint32_t old, uint32_t now);

/* userfault_withheld() - the overlay denies the acting vCPU an access, which a TLB entry serves or not. */
bool userfault_withheld(const struct ctx *c, gfn_t gfn, bool tlb_hit);

#endif
