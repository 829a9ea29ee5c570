/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work counters: what one operation on the tables or the TLBs did.  mmu/ counts, model/ turns
 * counts into time through a cost profile.  One list generates the struct and the names.
 */
#ifndef MMU_WORK_H
#define MMU_WORK_H

#include <stdint.h>

/* name, unit and sentence */
#define WORK_LIST(X)                                                                               \
	X(pte_read, "descriptors read by software")                                                \
	X(pte_write, "descriptors stored by software")                                             \
	X(pte_cmpxchg, "descriptors changed by compare-and-exchange")                              \
	X(pte_cmpxchg_failed, "compare-and-exchanges that lost")                                   \
	X(table_alloc, "table pages taken from the pool and initialised")                          \
	X(table_free, "table pages given back")                                                    \
	X(leaf_installed, "leaves made present")                                                   \
	X(leaf_removed, "leaves made non-present")                                                 \
	X(block_split, "blocks replaced by a table")                                               \
	X(table_merged, "tables replaced by a block")                                              \
	X(tlbi_ipa, "TLBI by IPA, inner shareable")                                                \
	X(tlbi_ipa_local, "TLBI by IPA, this PE only")                                             \
	X(tlbi_range, "TLBI by IPA range")                                                         \
	X(tlbi_vmid, "TLBI of a whole VMID")                                                       \
	X(tlbi_stage1, "TLBI of stage-1 and combined entries")                                     \
	X(dsb, "data synchronisation barriers")                                                    \
	X(cmo_lines, "cache lines cleaned to the point of coherency")                              \
	X(icache_lines, "instruction cache lines invalidated")                                     \
	X(hw_refs, "memory references of hardware walks")                                          \
	X(walk_ref_cached, "levels of walks that the walk cache saved")                            \
	X(walk_ref_l1, "references of walks that the first-level data cache served")               \
	X(walk_ref_l2, "references of walks that the second-level cache served")                   \
	X(walk_ref_llc, "references of walks that the last-level cache served")                    \
	X(walk_ref_dram, "references of walks that memory served")                                 \
	X(hw_ad_update, "accessed or dirty flags set by hardware")                                 \
	X(tlb_hit, "TLB hits")                                                                     \
	X(tlb_miss, "TLB misses")                                                                  \
	X(tlb_fill, "TLB fills")                                                                   \
	X(tlb_l2_hit, "TLB hits that the second level gave")                                       \
	X(tlb_denied, "TLB hits without the right, or whose D must be set first")                  \
	X(tlb_evict, "TLB entries that made room for another")                                     \
	X(tlb_inv, "TLB entries removed by an invalidation")                                       \
	X(flush_request, "remote TLB flushes requested")                                           \
	X(ipi, "interprocessor interrupts sent")                                                   \
	X(split_entry, "entries written into tables that replace a block, before they are linked") \
	X(access, "guest accesses done")                                                           \
	X(access_far, "accesses whose translation the first TLB level did not hold")               \
	X(guest_exit, "exits from the guest into KVM")                                             \
	X(guest_entry, "entries into the guest")                                                   \
	X(user_exit, "returns of KVM_RUN to user space")                                           \
	X(fault_dispatch, "faults that KVM's handler decoded")                                     \
	X(slot_lookup, "memslots looked up by gfn")                                                \
	X(host_walk, "host pages looked up for a fault")                                           \
	X(host_fault, "host page faults: a page allocated or an entry upgraded")                   \
	X(zero_page, "pages of 4 KiB zeroed or copied for a new host page")                        \
	X(mark_dirty, "pages marked in a dirty bitmap or ring")                                    \
	X(bitmap_word, "words of a dirty bitmap looked at")                                        \
	X(lock_op, "locks taken for reading, or released after it")                                \
	X(lock_write_op, "locks taken for writing, or released after it")                          \
	X(vcpu_tlb_flush, "flushes that a vCPU does itself before it enters")                      \
	X(pml_entry, "PML entries drained")                                                        \
	X(rmap_visit, "reverse-map heads looked at")                                               \
	X(user_ps, "picoseconds that the guest or user space computes")

struct work {
#define X(name, text) uint64_t name;
	WORK_LIST(X)
#undef X
};

/* Adds @from to @to.  Always inlined: counters of a hot loop then live in registers. */
static inline __attribute__((always_inline)) void work_add(struct work *to, const struct work *from)
{
#define X(name, text) to->name += from->name;
	WORK_LIST(X)
#undef X
}

#endif
