/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gmem.h"

#include <errno.h>

#include "model/hostmm.h"
#include "model/inject.h"
#include "model/memslots.h"
#include "model/notifier.h"
#include "model/procs.h"

/* ---- attributes of gfns ---------------------------------------------------------------------- */

uint64_t gmem_gfns(const struct vm *vm)
{
	return min_u64(geom_limit(&vm->cfg->geom), GMEM_GFNS_MAX);
}

bool gmem_attributes_new(struct vm *vm)
{
	if (!vm->st->private_bits)
		vm->st->private_bits = words_alloc(vm, bitmap_words(gmem_gfns(vm)));
	return vm->st->private_bits != 0;
}

hva_t memslot_backing(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &vm->slots[slot];

	if (!s->gmem || !gmem_is_private(vm, gfn))
		return memslot_hva(vm, slot, gfn);
	return vm->st->maps[s->gmem - 1].hva +
	       ((s->gmem_page + gfn - s->base_gfn) << vm->cfg->geom.page_shift);
}

static void store_attributes(struct vm *vm, const struct op *op)
{
	for (gfn_t gfn = op->first; gfn < op->first + op->n; gfn++) {
		uint64_t *word = &vm->words[vm->st->private_bits + gfn / 64];

		*word = op->kind ? *word | BIT(gfn % 64) : *word & ~BIT(gfn % 64);
	}
}

/* Next slot that has some of the gfns [f->start, f->end); 0 none. */
static uint32_t next_slot(const struct vm *vm, struct l_range *f)
{
	for (; f->as < vm->cfg->rules.nr_as; f->as++, f->i = 0) {
		unsigned int set = memslots_active(vm, f->as);

		while (f->i < vm->st->sets[f->as][set].count) {
			uint32_t slot = memslots_ids(vm, f->as, set)[f->i++];
			const struct memslot *s = &vm->slots[slot];

			if (s->base_gfn < f->end && f->start < s->base_gfn + s->npages)
				return slot;
		}
	}
	return 0;
}

/* KVM_SET_MEMORY_ATTRIBUTES with KVM_MEMORY_ATTRIBUTE_PRIVATE [kvm_vm_set_mem_attributes]. */
PROC(set_private)
{
	BEGIN(l_range);
	if (!gmem_supported(c->rules))
		RETURN(-EINVAL);
	f->start = c->vm->ops[c->me_nr].first;
	f->end = f->start + c->vm->ops[c->me_nr].n;
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	mmu_invalidate_begin(c->vm, f->start, f->end);
	while ((f->slot = next_slot(c->vm, f)) != 0) {
		CALL(P_unmap_gfn_range, l_range, .slot = f->slot,
		     .start = max_u64(f->start, c->vm->slots[f->slot].base_gfn),
		     .end = min_u64(f->end,
				    c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages));
		f->hit |= c->me->ret > 0;
	}
	if (f->hit)
		CALL(P_flush_remote_tlbs, l_req, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("set_private:zapped");
	store_attributes(c->vm, &c->vm->ops[c->me_nr]);
	STEP("set_private:stored");
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	mmu_invalidate_end(c->vm);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(0);
	END;
}

/* ---- bindings -------------------------------------------------------------------------------- */

uint32_t gmem_bound(const struct vm *vm, uint32_t map, uint64_t page)
{
	return (uint32_t)vm->words[vm->st->maps[map].bindings + page];
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): slot, then the other slot, as in the header */
int gmem_bind(struct vm *vm, const struct op *op, uint32_t slot, uint32_t old)
{
	struct memslot *s = &vm->slots[slot];
	uint64_t page = op->gmem_off >> vm->cfg->geom.page_shift;
	const struct host_map *m;

	if (!op->gmem)
		return -EBADF;
	m = &vm->st->maps[op->gmem - 1];
	if (!m->bindings || page > m->npages || s->npages > m->npages - page)
		return -EINVAL;
	for (uint64_t p = page; p < page + s->npages; p++) {
		uint32_t bound = gmem_bound(vm, op->gmem - 1U, p);

		if (bound && bound != old)
			return -EINVAL;
	}
	for (uint64_t p = page; p < page + s->npages; p++)
		vm->words[m->bindings + p] = slot;
	s->gmem = op->gmem;
	s->gmem_page = page;
	return 0;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): slot, then the other slot, as in the header */
void gmem_unbind(struct vm *vm, uint32_t slot, uint32_t to)
{
	const struct memslot *s = &vm->slots[slot];
	uint64_t *word;

	if (!s->gmem)
		return;
	word = &vm->words[vm->st->maps[s->gmem - 1].bindings + s->gmem_page];
	for (uint64_t p = 0; p < s->npages; p++)
		if (word[p] == slot)
			word[p] = to;
}

/* [kvm_gmem_get_pfn]; an entry that is another slot's is guarded with a WARN. */
int gmem_get_page(struct ctx *c, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &c->vm->slots[slot];
	uint64_t *word = c->vm->scratch[c->me_nr].word;
	uint32_t bound;
	struct host_view v;
	hva_t at;

	if (!s->gmem)
		return -EFAULT;
	bound = gmem_bound(c->vm, s->gmem - 1U, s->gmem_page + gfn - s->base_gfn);
	if (bound != slot) {
		if (bound)
			note(c, &(struct note){ .kind = NOTE_WARN,
						.gfn = gfn,
						.what = "a page of guest_memfd is bound to another "
							"slot object" });
		return -EIO;
	}
	at = c->vm->st->maps[s->gmem - 1].hva +
	     ((s->gmem_page + gfn - s->base_gfn) << c->vm->cfg->geom.page_shift);
	if (!hostmm_view(c->vm, at).present) {
		hostmm_install(c->vm, at, true);
		c->work.host_fault++;
		c->work.zero_page += geom_pages(&c->vm->cfg->geom, hostmm_view(c->vm, at).height);
	}
	c->work.host_walk++;
	v = hostmm_view(c->vm, at);
	word[0] = v.pfn;
	word[1] = v.writable;
	return 0;
}

/* ---- holes ----------------------------------------------------------------------------------- */

/* The next pages of the file from f->n on that one slot object is bound to, as gfns; false: none. */
static bool next_part(struct ctx *c, struct l_range *f)
{
	const struct memslot *s;
	uint64_t first;

	while (f->n < f->end && !gmem_bound(c->vm, f->i, f->n))
		f->n++;
	if (f->n >= f->end)
		return false;
	f->slot = gmem_bound(c->vm, f->i, f->n);
	s = &c->vm->slots[f->slot];
	for (first = f->n; f->n < f->end && gmem_bound(c->vm, f->i, f->n) == f->slot;)
		f->n++;
	if (!s->in_use || s->gmem != f->i + 1 || first < s->gmem_page) {
		c->vm->st->freed_slot_used++;
		return false;
	}
	c->vm->scratch[c->me_nr].word[2] = s->base_gfn + first - s->gmem_page;
	c->vm->scratch[c->me_nr].word[3] = s->base_gfn + f->n - s->gmem_page;
	return true;
}

static struct gfn_range take_part(struct ctx *c)
{
	uint64_t *word = c->vm->scratch[c->me_nr].word;
	struct gfn_range r = { word[2], word[3] };

	word[2] = word[3] = 0;
	return r;
}

/* For invariants: parts of slots in the hole. */
static void note_parts(struct ctx *c, const struct l_range *f, enum note_kind kind)
{
	struct l_range all = { .i = f->i, .n = f->start, .end = f->end };

	while (c->notes && next_part(c, &all)) {
		struct gfn_range r = take_part(c);

		note(c,
		     &(struct note){ .kind = (uint8_t)kind, .gfn = r.start, .n = r.end - r.start });
	}
}

static void hull(struct vm *vm, struct gfn_range r)
{
	vm->st->inv_start = min_u64(vm->st->inv_start, r.start);
	vm->st->inv_end = max_u64(vm->st->inv_end, r.end);
}

/*
 * A hole in the file: what is bound to the range is zapped, under the lock that bindings need, too
 * [kvm_gmem_punch_hole, kvm_gmem_invalidate_begin, _end].
 */
PROC(gmem_punch)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_GMEM_LOCK, 0);
	lock_take_write(c, OBJ_GMEM_LOCK);
	for (f->n = f->start; next_part(c, f);) {
		if (!f->locked) {
			AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
			lock_take_write(c, OBJ_MMU_LOCK);
		}
		{
			struct gfn_range r = take_part(c);

			if (!f->locked)
				mmu_invalidate_begin(c->vm, r.start, r.end);
			f->locked = 1;
			hull(c->vm, r);
			c->me->ret = 0;
			if (!injects(c, INJ_SKIP_PUNCH_ZAP))
				CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = r.start,
				     .end = r.end);
		}
		f->hit |= c->me->ret > 0;
	}
	if (f->hit)
		CALL(P_flush_remote_tlbs, l_req, 0);
	if (f->locked)
		lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("gmem_punch:zapped");
	note_parts(c, f, NOTE_STOPPED);
	{
		uint32_t shift = c->vm->cfg->geom.page_shift;
		hva_t base = c->vm->st->maps[f->i].hva;
		struct gfn_range bytes = { base + (f->start << shift), base + (f->end << shift) };

		while (hostmm_partial_huge(c->vm, bytes.start, bytes))
			hostmm_split_unit(c->vm, bytes.start);
		while (hostmm_partial_huge(c->vm, bytes.end - 1, bytes))
			hostmm_split_unit(c->vm, bytes.end - 1);
		hostmm_discard(c->vm, bytes.start, bytes.end);
	}
	STEP("gmem_punch:truncated");
	note_parts(c, f, NOTE_RESUMED);
	if (f->locked) {
		AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
		mmu_invalidate_end(c->vm);
	}
	lock_drop_write(c, OBJ_GMEM_LOCK);
	RETURN(0);
	END;
}
