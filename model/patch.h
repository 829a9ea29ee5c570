/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A patch of one's own as a policy: kvm_arch_commit_memory_region() in C, with KVM's names.
 *
 * A file in model/patches/ has a function that is called once for each KVM_SET_USER_MEMORY_REGION that succeeds, where
 * the kernel calls its hook, and that calls what the kernel would call.  A line in model/patches.def makes it a policy:
 *
 *	PATCH(my_patch, "x86-uf-v3", my_commit_memory_region, "what it does differently")
 *
 * `my_patch` is then a policy line, with axes behind it as behind any other.  What generic code does (the flush of
 * kvm_arch_userfault_enabled() in v3, by the axis `invalidate`) stays as the second word says.
 */
#ifndef MODEL_PATCH_H
#define MODEL_PATCH_H

#include "model/policy.h"
#include "model/vm.h"

/* One call of the hook. */
struct kvm_commit {
	enum mr_change change;
	uint32_t old_flags, new_flags; /* MEM_*; 0 of a slot that there was, or is, not */
	bool initially_all_set;        /* KVM_DIRTY_LOG_INITIALLY_SET */
	bool eager_page_split;         /* the module's parameter */
	bool pml;                      /* D is set by hardware and logged */
	const struct rules *rules;
	uint8_t *actions; /* those so far; see policy_commit_actions() */
	unsigned int nr_actions;
};

typedef void (*commit_fn)(struct kvm_commit *c);

/* Did the change set, clear or keep the flag. */
static inline bool flag_was_set(const struct kvm_commit *c, uint32_t flag)
{
	return !(c->old_flags & flag) && (c->new_flags & flag);
}

static inline bool flag_was_cleared(const struct kvm_commit *c, uint32_t flag)
{
	return (c->old_flags & flag) && !(c->new_flags & flag);
}

/* What a hook may call.  x86: */
void kvm_mmu_update_cpu_dirty_logging(struct kvm_commit *c);
void kvm_mmu_recover_huge_pages(struct kvm_commit *c); /* as the axis `recovery` says */
void kvm_mmu_slot_try_split_huge_pages(struct kvm_commit *c);
void kvm_mmu_slot_leaf_clear_dirty(struct kvm_commit *c);
void kvm_mmu_slot_remove_write_access(struct kvm_commit *c,
				      int start_level); /* 1: 4 KiB; 2: 2 MiB and more */
void kvm_flush_remote_tlbs_memslot(struct kvm_commit *c);
/* arm64: */
void kvm_mmu_wp_memory_region(struct kvm_commit *c);
void kvm_mmu_split_memory_region(struct kvm_commit *c);
void kvm_mmu_free_split_cache(struct kvm_commit *c);
/* both: */
void kvm_arch_flush_shadow_memslot(struct kvm_commit *c);

/* One line of patches.def. */
struct patch {
	const char *name, *line, *text;
	commit_fn commit;
};

/* patch_get() - NULL behind the last. */
const struct patch *patch_get(unsigned int i);

#define PATCH(name, line, commit, text) void commit(struct kvm_commit *c);
#include "model/patches.def"
#undef PATCH

#endif
