/* SPDX-License-Identifier: Apache-2.0 */
/* What the x86 files share. */
#ifndef MODEL_X86_H
#define MODEL_X86_H

#include "mmu/x86_pt.h"
#include "model/memslots.h"
#include "model/procs.h"

static inline const struct x86_fmt *vm_x86_fmt(const struct vm *vm)
{
	return x86_fmt_get((enum x86_spte_version)vm->cfg->rules.spte_version,
			   (enum x86_nested)vm->cfg->rules.nested);
}

/* Entry that stands where it was read: the compare-and-exchange would succeed. */
static inline bool entry_is(struct ctx *c, uint32_t table, uint32_t index, pte_t old)
{
	c->work.pte_cmpxchg++;
	if (pte_eq(*pt_entry(&c->vm->pt, table, index), old))
		return true;
	c->work.pte_cmpxchg_failed++;
	return false;
}

/* Stores without a trace event, as KVM's own silent stores. */
static inline void pt_set_quiet(struct ctx *c, uint32_t table, uint32_t index, pte_t value)
{
	const struct pt_observer *obs = c->vm->pt.obs;

	c->vm->pt.obs = NULL;
	pt_set(&c->vm->pt, table, index, value, &c->work);
	c->vm->pt.obs = obs;
}

/**
 * make_spte() - the leaf that a fault (or a prefetch) installs; marks the page dirty when it is
 * writable and its slot is logged [KVM v6.1, v6.12 arch/x86/kvm/mmu/spte.c: make_spte].
 */
pte_t make_spte(struct ctx *c, const struct l_fault *f, gfn_t gfn, unsigned int height, pte_t old,
		bool prefetch);

/* is_write_protected() - the leaf that a fault made cannot serve it: its write is emulated. */
bool is_write_protected(const struct ctx *c, const struct l_fault *f);

/* spte_change_flushes() - must the change of a present leaf be followed by a flush under @rule? */
bool spte_change_flushes(const struct x86_fmt *fmt, enum flush_rule rule, pte_t old, pte_t now);

/*
 * nx_keeps_table() - the NX mitigation forbids a huge leaf in place of this table
 * [KVM v6.1, v6.12 arch/x86/kvm/mmu/mmu.c: disallowed_hugepage_adjust].
 */
bool nx_keeps_table(const struct vm *vm, pte_t e, unsigned int height);

/* Largest height for a mapping at @gfn: slot alignment and the host's own mapping. */
unsigned int max_mapping_height(const struct vm *vm, uint32_t slot, gfn_t gfn);

/* Kinds of work that x86_range does for each root. */
enum x86_range_kind {
	XR_ZAP_LEAFS,
	XR_WRPROT, /* height in l_range.locked */
	XR_CLEAR_DIRTY,
	XR_MASKED, /* mask in l_range.n, first gfn in l_range.start */
	XR_AGE,
	XR_TEST_AGE,
	XR_WRPROT_TRACK, /* clears MMU-writable too */
};

/* legacy_range() - the same over the legacy MMU's shadow pages, linked or not; true: changed. */
bool legacy_range(struct ctx *c, enum x86_range_kind kind, const struct l_range *f);

#endif
