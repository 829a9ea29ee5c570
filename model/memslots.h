/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memslots: the two sets of each address space and what is looked up in them.  The order of effects
 * of an update is in set_region.c; this file is their data structure.
 *
 * [KVM v6.12 virt/kvm/kvm_main.c: kvm_replace_memslot, kvm_activate_memslot, search_memslots]
 * SIMPLIFIED: a set is one array sorted by base_gfn.  KVM keeps a hash, an interval tree and an
 * rb-tree, which give the same answers at other costs.
 */
#ifndef MODEL_MEMSLOTS_H
#define MODEL_MEMSLOTS_H

#include "model/engine.h"

/* Set of @as that readers see now (0 or 1), and its slot numbers. */
static inline unsigned int memslots_active(const struct vm *vm, unsigned int as)
{
	return vm->st->active[as];
}

static inline uint16_t *memslots_ids(const struct vm *vm, unsigned int as, unsigned int set)
{
	return vm->set_ids + (size_t)(as * 2 + set) * vm->cfg->limits.nr_slots;
}

/* memslot_find() - slot of the active set that holds @gfn; element number, 0 none. */
uint32_t memslot_find(const struct vm *vm, unsigned int as, gfn_t gfn);

/* memslot_by_id() - slot of a set by id; element number, 0 none. */
uint32_t memslot_by_id(const struct vm *vm, unsigned int as, unsigned int set, uint16_t id);

/* memslots_overlap() - some slot of the active set but @id overlaps [start, end). */
bool memslots_overlap(const struct vm *vm, unsigned int as, uint16_t id, gfn_t start, gfn_t end);

/*
 * memslots_next_by_hva() - slot of the active set that backs a part of the host range @hva, the next after
 * @prev (0: the first) in the order of the hva tree: by userspace_addr, then by time of insertion.
 */
uint32_t memslots_next_by_hva(const struct vm *vm, unsigned int as, uint32_t prev,
			      struct gfn_range hva);

/* memslots_replace() - in one set: @old (0 none) out, @now (0 none) in. */
void memslots_replace(struct vm *vm, unsigned int as, unsigned int set, uint32_t old, uint32_t now);

/* Slot objects: 0 when none is left. */
uint32_t memslot_alloc(struct vm *vm);
void memslot_free(struct vm *vm, uint32_t slot);

static inline hva_t memslot_hva(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &vm->slots[slot];

	return s->hva + ((gfn - s->base_gfn) << vm->cfg->geom.page_shift);
}

static inline bool memslot_is_logging(const struct memslot *s)
{
	return (s->flags & MEM_LOG_DIRTY_PAGES) != 0;
}

/* Words of one half of a slot's dirty bitmap. */
static inline uint64_t bitmap_words(uint64_t npages)
{
	return (npages + 63) / 64;
}

/* memslot_max_height() - largest mapping height that slot alignment allows at @gfn (lpage_info). */
unsigned int memslot_max_height(const struct vm *vm, uint32_t slot, gfn_t gfn, unsigned int max);

/* mark_page_dirty() - bitmap bit, or an entry of the acting vCPU's ring. */
void mark_page_dirty(struct ctx *c, uint32_t slot, gfn_t gfn);

/* Entries of a dirty ring that stay free for what one exit can push [KVM_DIRTY_RING_RSVD_ENTRIES]. */
static inline uint32_t ring_reserved(const struct rules *r)
{
	return 64 + (r->pml ? PML_ENTRIES : 0);
}

/* dirty_ring_is_full() - the vCPU's ring is at its soft limit; never in bitmap mode. */
static inline bool dirty_ring_is_full(const struct vm *vm, uint32_t v)
{
	const struct vcpu *vcpu = &vm->vcpus[v];

	return vm->cfg->ring_entries &&
	       vcpu->ring_dirty - vcpu->ring_reset >=
		       vm->cfg->ring_entries - ring_reserved(&vm->cfg->rules);
}

/* Generation that readers of @as see; bit 63 while an update is in progress. */
static inline uint64_t memslots_generation(const struct vm *vm, unsigned int as)
{
	return vm->st->sets[as][memslots_active(vm, as)].generation;
}

#endif
