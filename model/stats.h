/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters under KVM's own names [KVM v6.12 arch/x86/kvm/x86.c: kvm_vm_stats_desc,
 * kvm_vcpu_stats_desc; virt/kvm: generic stats].  Steps fill one struct each, drivers add them up.
 * The order of the lists is the order in which a record prints them.
 */
#ifndef MODEL_STATS_H
#define MODEL_STATS_H

#include <stdint.h>

/* pages_* (leaves present, by size) and nx_lpage_splits are gauges; the rest count events. */
#define VM_STAT_LIST(X)                                                                            \
	X(remote_tlb_flush, "remote TLB flushes that reached a vCPU")                              \
	X(remote_tlb_flush_requests, "remote TLB flushes asked for")                               \
	X(mmu_shadow_zapped, "shadow pages zapped")                                                \
	X(mmu_recycled, "shadow pages zapped to stay within the VM's budget")                      \
	X(mmu_cache_miss, "shadow pages allocated")                                                \
	X(pages_4k, "leaves of 4 KiB")                                                             \
	X(pages_2m, "leaves of 2 MiB")                                                             \
	X(pages_1g, "leaves of 1 GiB")                                                             \
	X(nx_lpage_splits, "tables that only the NX mitigation keeps")

#define VCPU_STAT_LIST(X)                                                                          \
	X(pf_taken, "page faults handled by KVM")                                                  \
	X(pf_fixed, "page faults that changed an SPTE")                                            \
	X(pf_emulate, "page faults that ended in emulation")                                       \
	X(pf_spurious, "page faults that found the SPTE right already")                            \
	X(pf_fast, "page faults fixed without mmu_lock")                                           \
	X(pf_mmio_spte_created, "MMIO SPTEs installed")                                            \
	X(tlb_flush, "TLB flushes of this vCPU")

struct kvm_stats {
#define X(name, text) int64_t name;
	VM_STAT_LIST(X)
	VCPU_STAT_LIST(X) /* of the acting vCPU */
#undef X
};

#endif
