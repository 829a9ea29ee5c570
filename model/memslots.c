/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memslots.h"

#include <errno.h>

#include "model/inject.h"
#include "model/track.h"

enum {
	RING_ENTRY_DIRTY = 1,
};

/* Number of slots of the set whose base_gfn is at most @gfn. */
static uint32_t upper_bound(const struct vm *vm, unsigned int as, unsigned int set, gfn_t gfn)
{
	const uint16_t *ids = memslots_ids(vm, as, set);
	uint32_t lo = 0, hi = vm->st->sets[as][set].count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (vm->slots[ids[mid]].base_gfn <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t memslot_find(const struct vm *vm, unsigned int as, gfn_t gfn)
{
	unsigned int set = memslots_active(vm, as);
	uint32_t n = upper_bound(vm, as, set, gfn);
	uint32_t s = n ? memslots_ids(vm, as, set)[n - 1] : 0;

	return s && gfn < vm->slots[s].base_gfn + vm->slots[s].npages ? s : 0;
}

uint32_t memslot_by_id(const struct vm *vm, unsigned int as, unsigned int set, uint16_t id)
{
	const uint16_t *ids = memslots_ids(vm, as, set);

	for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++)
		if (vm->slots[ids[i]].id == id)
			return ids[i];
	return 0;
}

bool memslots_overlap(const struct vm *vm, unsigned int as, uint16_t id, gfn_t start, gfn_t end)
{
	unsigned int set = memslots_active(vm, as);
	const uint16_t *ids = memslots_ids(vm, as, set);

	for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
		const struct memslot *s = &vm->slots[ids[i]];

		if (s->id != id && s->base_gfn < end && start < s->base_gfn + s->npages)
			return true;
	}
	return false;
}

static bool is_behind(const struct memslot *a, const struct memslot *b)
{
	return a->hva > b->hva || (a->hva == b->hva && a->hva_rank > b->hva_rank);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as and slot, as everywhere */
uint32_t memslots_next_by_hva(const struct vm *vm, unsigned int as, uint32_t prev,
			      struct gfn_range hva)
{
	unsigned int set = memslots_active(vm, as);
	const uint16_t *ids = memslots_ids(vm, as, set);
	uint32_t next = 0;

	for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
		const struct memslot *s = &vm->slots[ids[i]];

		if (s->hva >= hva.end ||
		    s->hva + (s->npages << vm->cfg->geom.page_shift) <= hva.start ||
		    (prev && !is_behind(s, &vm->slots[prev])))
			continue;
		if (!next || is_behind(&vm->slots[next], s))
			next = ids[i];
	}
	return next;
}

/* An insertion goes behind all slots of the same hva [interval_tree_insert]. */
static uint32_t next_rank(const struct vm *vm, unsigned int as, unsigned int set, hva_t hva)
{
	const uint16_t *ids = memslots_ids(vm, as, set);
	uint32_t rank = 0;

	for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++)
		if (vm->slots[ids[i]].hva == hva && vm->slots[ids[i]].hva_rank >= rank)
			rank = vm->slots[ids[i]].hva_rank + 1;
	return rank;
}

void memslots_replace(struct vm *vm, unsigned int as, unsigned int set, uint32_t old, uint32_t now)
{
	struct memslots *ms = &vm->st->sets[as][set];
	uint16_t *ids = memslots_ids(vm, as, set);
	uint32_t at = 0;

	if (old) {
		while (ids[at] != old)
			at++;
		memmove(&ids[at], &ids[at + 1], sizeof(*ids) * (ms->count - at - 1));
		ms->count--;
		ids[ms->count] = 0;
	}
	if (now) {
		g_assert(ms->count < vm->cfg->limits.nr_slots);
		vm->slots[now].hva_rank = next_rank(vm, as, set, vm->slots[now].hva);
		at = upper_bound(vm, as, set, vm->slots[now].base_gfn);
		memmove(&ids[at + 1], &ids[at], sizeof(*ids) * (ms->count - at));
		ids[at] = (uint16_t)now;
		ms->count++;
	}
}

uint32_t memslot_alloc(struct vm *vm)
{
	for (uint32_t i = 1; i < memslot_objects(&vm->cfg->limits); i++) {
		if (!vm->slots[i].in_use) {
			vm->slots[i].in_use = 1;
			vm->st->nr_slots++;
			return i;
		}
	}
	return 0;
}

void memslot_free(struct vm *vm, uint32_t slot)
{
	vm->slots[slot] = (struct memslot){ 0 };
	vm->st->nr_slots--;
}

/*
 * lpage_info: the first and last entry of a level are barred when the slot's ends are not aligned to
 * it, all when guest and host address differ modulo the level; and those around a tracked page
 * [KVM v6.12 arch/x86/kvm/x86.c: kvm_alloc_memslot_metadata].
 */
static bool height_allowed(const struct vm *vm, const struct memslot *s, gfn_t gfn, unsigned int h)
{
	uint64_t pages = geom_pages(&vm->cfg->geom, h);
	gfn_t base = align_down_u64(gfn, pages);

	if (((s->base_gfn ^ (s->hva >> vm->cfg->geom.page_shift)) & (pages - 1)) != 0)
		return false;
	if (vm->cfg->rules.inject == INJ_SLOT_EDGE)
		return true;
	return base >= s->base_gfn && base + pages <= s->base_gfn + s->npages &&
	       !track_any(vm, s, base, pages);
}

unsigned int memslot_max_height(const struct vm *vm, uint32_t slot, gfn_t gfn, unsigned int max)
{
	while (max > 0 && !height_allowed(vm, &vm->slots[slot], gfn, max))
		max--;
	return max;
}

/* [KVM v6.12 virt/kvm/dirty_ring.c: kvm_dirty_ring_push] */
static void ring_push(struct ctx *c, uint32_t slot_nr, gfn_t gfn)
{
	struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];
	const struct memslot *s = &c->vm->slots[slot_nr];
	uint32_t size = c->vm->cfg->ring_entries;
	struct ring_entry *e =
		&c->vm->rings[(uint64_t)c->me_nr * size + (vcpu->ring_dirty & (size - 1))];
	uint32_t soft = size - ring_reserved(c->rules);

	e->slot = (uint32_t)s->as_id << 16 | s->id;
	e->offset = gfn - s->base_gfn;
	e->flags = RING_ENTRY_DIRTY;
	vcpu->ring_dirty++;
	if (vcpu->ring_dirty - vcpu->ring_reset >= soft)
		vcpu->requests |= REQ_DIRTY_RING_SOFT_FULL;
}

void mark_page_dirty(struct ctx *c, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &c->vm->slots[slot];
	uint64_t rel = gfn - s->base_gfn;

	if (!s->in_use || rel >= s->npages) {
		c->vm->st->freed_slot_used++;
		return;
	}
	if (!memslot_is_logging(s) || injects(c, INJ_SKIP_DIRTY_MARK))
		return;
	c->work.mark_dirty++;
	if (c->vm->cfg->ring_entries && c->me_nr < c->vm->cfg->nr_vcpus)
		ring_push(c, slot, gfn);
	else if (s->bitmap)
		c->vm->words[s->bitmap + rel / 64] |= BIT(rel % 64);
}
