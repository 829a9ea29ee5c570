/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write tracking (x86): pages whose guest writes KVM emulates and reports, because they are shadowed
 * guest page tables or because a device model in the kernel asked for it (KVMGT)
 * [KVM v6.1 arch/x86/kvm/mmu/page_track.c: kvm_slot_page_track_add_page; v6.6 and later
 *  kvm_write_track_add_gfn; drivers/gpu/drm/i915/gvt/kvmgt.c].
 *
 * Each slot has a count for each of its pages, in an array that exists once the VM needs it.  The
 * external tracker keeps a record of its own, which slot changes can make untrue.
 *
 * What policies may break (vm_check() does not ask; inv_track.c does):
 *   INV-META   every reachable slot has the arrays that the VM's mode needs
 *   INV-TRACK  what the external tracker believes to be protected is: each page of its record lies in
 *              a slot that counts it.  Pages that left a slot leave the record
 *   INV-WT     no leaf of a tracked page is W or MMU-writable
 */
#ifndef MODEL_TRACK_H
#define MODEL_TRACK_H

#include "model/engine.h"

/* track_count() - users that have the page of the slot tracked; 0 without an array. */
unsigned int track_count(const struct vm *vm, uint32_t slot, gfn_t gfn);

/* track_is_active() - somebody tracks the page, in whichever address space. */
bool track_is_active(const struct vm *vm, gfn_t gfn);

/* track_any() - a page of [gfn, gfn + pages) of the slot is tracked [disallow_lpage]. */
bool track_any(const struct vm *vm, const struct memslot *s, gfn_t gfn, uint64_t pages);

/* track_alloc_arrays() - those that a new slot needs; false: no memory, and none is left behind. */
bool track_alloc_arrays(struct vm *vm, uint32_t slot);

/* track_free_arrays() - of a slot that goes or got others. */
void track_free_arrays(struct vm *vm, uint32_t slot);

/* The checks above; @why receives a constant sentence on failure. */
bool track_check_meta(const struct vm *vm, const char **why);
bool track_check_record(const struct vm *vm, const char **why);
bool track_check_leaves(const struct vm *vm, const char **why);

#endif
