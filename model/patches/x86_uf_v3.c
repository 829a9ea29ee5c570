/* SPDX-License-Identifier: Apache-2.0 */
/* KVM Userfault v3's commit hook [KVM v6.12 arch/x86/kvm/x86.c: kvm_arch_commit_memory_region, with the series]. */
#include "model/patch.h"

/* LOG_DIRTY_PAGES has been set, or cleared. */
static void apply_log(struct kvm_commit *c)
{
	if (c->new_flags & MEM_READONLY)
		return;
	if (flag_was_cleared(c, MEM_LOG_DIRTY_PAGES)) {
		kvm_mmu_recover_huge_pages(c);
		return;
	}
	if (c->initially_all_set)
		return;
	if (c->eager_page_split)
		kvm_mmu_slot_try_split_huge_pages(c);
	if (c->pml) {
		kvm_mmu_slot_leaf_clear_dirty(c);
		kvm_mmu_slot_remove_write_access(c, 2);
	} else {
		kvm_mmu_slot_remove_write_access(c, 1);
	}
	kvm_flush_remote_tlbs_memslot(c);
}

void x86_uf_v3_commit_memory_region(struct kvm_commit *c)
{
	if (c->change == KVM_MR_FLAGS_ONLY && flag_was_cleared(c, MEM_USERFAULT))
		kvm_mmu_recover_huge_pages(c);
	if (!flag_was_set(c, MEM_LOG_DIRTY_PAGES) && !flag_was_cleared(c, MEM_LOG_DIRTY_PAGES))
		return;
	kvm_mmu_update_cpu_dirty_logging(c);
	if (c->change == KVM_MR_FLAGS_ONLY)
		apply_log(c);
}
