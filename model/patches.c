/* SPDX-License-Identifier: Apache-2.0 */
#include "model/patch.h"

static const struct patch patches[] = {
#define PATCH(name, line, commit, text) { #name, line, text, commit },
#include "model/patches.def"
#undef PATCH
};

const struct patch *patch_get(unsigned int i)
{
	return i < G_N_ELEMENTS(patches) ? &patches[i] : NULL;
}

static void add(struct kvm_commit *c, enum commit_action action)
{
	if (c->nr_actions == COMMIT_ACTIONS_MAX - 1) /* the last is generic code's */
		g_error("a commit hook calls more than %d functions", COMMIT_ACTIONS_MAX - 1);
	if (action)
		c->actions[c->nr_actions++] = (uint8_t)action;
}

void kvm_mmu_update_cpu_dirty_logging(struct kvm_commit *c)
{
	add(c, ACT_CNT);
}

void kvm_mmu_recover_huge_pages(struct kvm_commit *c)
{
	add(c, policy_recovery(c->rules));
}

void kvm_mmu_slot_try_split_huge_pages(struct kvm_commit *c)
{
	add(c, ACT_SPLIT);
}

void kvm_mmu_slot_leaf_clear_dirty(struct kvm_commit *c)
{
	add(c, ACT_CLR);
}

void kvm_mmu_slot_remove_write_access(struct kvm_commit *c, int start_level)
{
	add(c, start_level > 1 ? ACT_WP2 : ACT_WP4);
}

void kvm_flush_remote_tlbs_memslot(struct kvm_commit *c)
{
	add(c, ACT_FLUSH);
}

void kvm_mmu_wp_memory_region(struct kvm_commit *c)
{
	add(c, ACT_WP_S2);
}

void kvm_mmu_split_memory_region(struct kvm_commit *c)
{
	add(c, ACT_SPLIT_S2);
}

void kvm_mmu_free_split_cache(struct kvm_commit *c)
{
	add(c, ACT_CACHE);
}

void kvm_arch_flush_shadow_memslot(struct kvm_commit *c)
{
	add(c, ACT_ZAP);
}
