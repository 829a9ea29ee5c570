/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_RESET_DIRTY_RINGS
 * [KVM v6.1, v6.12 virt/kvm/kvm_main.c: kvm_get_dirty_log_protect, kvm_clear_dirty_log_protect;
 *  virt/kvm/dirty_ring.c: kvm_dirty_ring_reset].
 */
#include "model/dirty.h"

#include <errno.h>

#include "model/inject.h"
#include "model/memslots.h"
#include "model/procs.h"

enum {
	RING_ENTRY_FREE = 0,
	RING_ENTRY_DIRTY = 1,
	RING_ENTRY_HARVESTED = 2, /* user space has read it: KVM may reset it */
};

/* Slot of a log ioctl: 0 with *slot set, or -errno. */
static int find_logged(const struct vm *vm, uint32_t arg, uint32_t *slot)
{
	unsigned int as = arg >> 16;

	if (as >= vm->cfg->rules.nr_as || (arg & 0xffff) >= vm->cfg->rules.user_slots)
		return -EINVAL;
	*slot = memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)arg);
	return *slot && vm->slots[*slot].bitmap ? 0 : -ENOENT;
}

int get_dirty_check(const struct vm *vm, const struct op *op, uint32_t *slot)
{
	return vm->cfg->ring_entries ? -ENXIO : find_logged(vm, op->slot, slot);
}

int clear_dirty_check(const struct vm *vm, const struct op *op, uint32_t *slot)
{
	uint64_t npages;
	int err;

	if (vm->cfg->ring_entries)
		return -ENXIO;
	if ((op->slot >> 16) >= vm->cfg->rules.nr_as ||
	    (op->slot & 0xffff) >= vm->cfg->rules.user_slots || (op->first & 63))
		return -EINVAL;
	err = find_logged(vm, op->slot, slot);
	if (err)
		return err;
	npages = vm->slots[*slot].npages;
	if (op->first > npages || op->n > npages - op->first ||
	    (op->n < npages - op->first && (op->n & 63)))
		return -EINVAL;
	return 0;
}

static void note_pages(struct ctx *c, enum note_kind kind, uint32_t slot, uint64_t first,
		       uint64_t mask)
{
	note(c, &(struct note){ .kind = (uint8_t)kind,
				.slot = slot,
				.gfn = c->vm->slots[slot].base_gfn + first,
				.n = mask });
}

static void emit_dirty(struct ctx *c, uint32_t slot, const uint64_t *words)
{
	for (uint64_t i = 0; c->notes && i < bitmap_words(c->vm->slots[slot].npages); i++)
		note_pages(c, NOTE_REPORTED, slot, 64 * i, words[i]);
	emit(c, &(struct event){ .kind = EV_DIRTY,
				 .gfn = c->vm->ops[c->me_nr].slot,
				 .n = c->vm->slots[slot].npages,
				 .words = words });
}

/* User space copies or sends what it was told of. */
static void count_user_pages(struct ctx *c, uint32_t slot, const uint64_t *words)
{
	uint64_t pages = 0;

	if (!c->vm->ops[c->me_nr].per_page_ps)
		return;
	for (uint64_t i = 0; i < bitmap_words(c->vm->slots[slot].npages); i++)
		pages += (uint64_t)__builtin_popcountll(words[i]);
	c->work.user_ps += pages * c->vm->ops[c->me_nr].per_page_ps;
}

/* Kicks vCPUs so that PML buffers are drained at their exits; not waited for. */
PROC(sync_dirty_log)
{
	BEGIN(l_req);
	if (c->rules->pml && !injects(c, INJ_SKIP_PML_KICK))
		CALL(P_make_all_cpus_request, l_req, 0);
	RETURN(0);
	END;
}

/*
 * Re-arms the pages of one word, or of a batch of ring entries (f->flag); mmu_lock is held for write.
 * Return: an entry was changed.
 */
PROC(log_masked)
{
	BEGIN(l_range);
	if (injects(c, f->flag ? INJ_SKIP_RING_REARM : INJ_SKIP_REARM))
		RETURN(0);
	if (injects(c, INJ_LOG_WRONG_BASE))
		f->start -= c->vm->slots[f->slot].base_gfn;
	emit(c, &(struct event){ .kind = EV_CALL,
				 .name = CALL_ENABLE_LOG_MASKED,
				 .n = f->start - c->vm->slots[f->slot].base_gfn,
				 .mask = f->n });
	CALL(c->rules->arch == PT_ARM64 ? P_s2_log_masked : P_x86_log_masked, l_range,
	     .slot = f->slot, .start = f->start, .n = f->n);
	RETURN(c->me->ret);
	END;
}

/* Bits were reaped, and re-arming them changed an entry or not. */
static bool needs_flush(const struct rules *r, bool modified)
{
	return r->log_flush == DL_UPSTREAM || modified;
}

/* What follows a harvest that took bits: every stale writable translation goes. */
PROC(harvest_flush)
{
	BEGIN(l_range);
	if (injects(c, INJ_SKIP_HARVEST_FLUSH))
		RETURN(0);
	if (c->rules->arch == PT_ARM64)
		CALL(P_s2_flush_memslot, l_range, .slot = f->slot, .flag = 1);
	else
		CALL(P_flush_remote_tlbs, l_req, 0);
	RETURN(0);
	END;
}

PROC(get_dirty_log)
{
	BEGIN(l_log);
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	f->n = (uint32_t)get_dirty_check(c->vm, &c->vm->ops[c->me_nr], &f->slot);
	if (f->n) {
		lock_drop_write(c, OBJ_SLOTS_LOCK);
		RETURN(f->n);
	}
	CALL(P_sync_dirty_log, l_req, 0);
	f->base = c->vm->slots[f->slot].bitmap;
	if (c->vm->cfg->manual) {
		emit_dirty(c, f->slot, &c->vm->words[f->base]);
		count_user_pages(c, f->slot, &c->vm->words[f->base]);
		lock_drop_write(c, OBJ_SLOTS_LOCK);
		STEP("get_dirty_log:user");
		RETURN(0);
	}
	f->n = (uint32_t)bitmap_words(c->vm->slots[f->slot].npages);
	memset(&c->vm->words[f->base + f->n], 0, sizeof(uint64_t) * f->n);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	for (f->i = 0; f->i < f->n; f->i++) {
		f->word = c->vm->words[f->base + f->i];
		c->work.bitmap_word++;
		if (!f->word)
			continue;
		if (injects(c, INJ_HARVEST_TWO_STEPS))
			STEP("get_dirty_log:read");
		if (!injects(c, INJ_REARM_FIRST))
			c->vm->words[f->base + f->i] = 0;
		c->vm->words[f->base + f->n + f->i] = f->word;
		STEP("get_dirty_log:exchange");
		CALL(P_log_masked, l_range, .slot = f->slot, .n = f->word,
		     .start = c->vm->slots[f->slot].base_gfn + 64ULL * f->i);
		f->any |= needs_flush(c->rules, c->me->ret > 0);
		if (injects(c, INJ_REARM_FIRST))
			c->vm->words[f->base + f->i] = 0;
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("get_dirty_log:unlock");
	if (f->any)
		CALL(P_harvest_flush, l_range, .slot = f->slot);
	emit_dirty(c, f->slot, &c->vm->words[f->base + f->n]);
	count_user_pages(c, f->slot, &c->vm->words[f->base + f->n]);
	memset(&c->vm->words[f->base + f->n], 0, sizeof(uint64_t) * f->n);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	STEP("get_dirty_log:user");
	RETURN(0);
	END;
}

/* User bits of word @i of the slot's bitmap that this CLEAR asks for. */
static uint64_t asked_bits(const struct vm *vm, const struct op *op, uint64_t i)
{
	uint64_t rel = i * 64 - op->first, left = op->n - rel;
	uint64_t all = left >= 64 ? ~0ULL : BIT(left) - 1;

	if (!op->nr_mask_words)
		return all;
	return rel / 64 < op->nr_mask_words ? vm->words[op->mask_words + rel / 64] & all : 0;
}

PROC(clear_dirty_log)
{
	BEGIN(l_log);
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	f->n = (uint32_t)clear_dirty_check(c->vm, &c->vm->ops[c->me_nr], &f->slot);
	if (f->n) {
		lock_drop_write(c, OBJ_SLOTS_LOCK);
		RETURN(f->n);
	}
	CALL(P_sync_dirty_log, l_req, 0);
	f->base = c->vm->slots[f->slot].bitmap;
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	f->i = (uint32_t)(c->vm->ops[c->me_nr].first / 64);
	f->n = f->i + (uint32_t)bitmap_words(c->vm->ops[c->me_nr].n);
	for (; f->i < f->n; f->i++) {
		f->word = c->vm->words[f->base + f->i] &
			  asked_bits(c->vm, &c->vm->ops[c->me_nr], f->i);
		c->work.bitmap_word++;
		if (!f->word)
			continue;
		c->vm->words[f->base + f->i] &= ~f->word;
		note_pages(c, NOTE_ASKED, f->slot, 64ULL * f->i, f->word);
		STEP("clear_dirty_log:andnot");
		CALL(P_log_masked, l_range, .slot = f->slot, .n = f->word,
		     .start = c->vm->slots[f->slot].base_gfn + 64ULL * f->i);
		f->any |= needs_flush(c->rules, c->me->ret > 0);
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("clear_dirty_log:unlock");
	if (f->any)
		CALL(P_harvest_flush, l_range, .slot = f->slot);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(0);
	END;
}

static struct ring_entry *ring_at(const struct vm *vm, uint32_t vcpu, uint32_t i)
{
	uint32_t size = vm->cfg->ring_entries;

	return &vm->rings[(uint64_t)vcpu * size + (i & (size - 1))];
}

/* Oldest entry of a vCPU's ring that waits for its reset; @unseen: harvested or not; NULL none. */
static struct ring_entry *next_entry(const struct vm *vm, uint32_t vcpu, bool unseen)
{
	const struct vcpu *v = &vm->vcpus[vcpu];
	struct ring_entry *e = ring_at(vm, vcpu, v->ring_reset);

	return v->ring_reset != v->ring_dirty && (unseen || e->flags == RING_ENTRY_HARVESTED)
		       ? e
		       : NULL;
}

/* User space reads all rings, each up to its producer. */
static void harvest_rings(struct ctx *c)
{
	uint32_t slot = 0, prev = 0;
	uint64_t mask = 0; /* pages of .prev, as far as a note goes */

	for (uint32_t v = 0; v < c->vm->cfg->nr_vcpus; v++) {
		const struct vcpu *vcpu = &c->vm->vcpus[v];

		for (uint32_t i = vcpu->ring_reset; i != vcpu->ring_dirty; i++) {
			struct ring_entry *e = ring_at(c->vm, v, i);
			uint32_t as = e->slot >> 16;

			e->flags = RING_ENTRY_HARVESTED;
			slot = memslot_by_id(c->vm, as, memslots_active(c->vm, as),
					     (uint16_t)e->slot);
			if (prev && slot != prev) {
				note_pages(c, NOTE_REPORTED, prev, 0, mask);
				mask = 0;
			}
			prev = slot;
			mask |= e->offset < 64 ? BIT(e->offset) : 0;
		}
	}
	if (prev)
		note_pages(c, NOTE_REPORTED, prev, 0, mask);
}

/*
 * Adds a page to the batch f->word, f->mask if it lies within 64 pages: above the first, or below
 * when no page falls out at the top [KVM v6.12 virt/kvm/dirty_ring.c: kvm_dirty_ring_reset].
 */
static bool join_batch(struct l_log *f, uint64_t offset)
{
	uint64_t down = f->word - offset;

	if (offset >= f->word && offset - f->word < 64) {
		f->mask |= BIT(offset - f->word);
		return true;
	}
	if (offset > f->word || down >= 64 || f->mask << down >> down != f->mask)
		return false;
	f->word = offset;
	f->mask = f->mask << down | 1;
	return true;
}

/*
 * Takes one batch: consecutive harvested entries of one slot within 64 pages, as gfn and mask.  False when
 * there is none.
 */
static bool take_batch(struct ctx *c, struct l_log *f)
{
	/* once behind what was harvested, so that the ioctl comes to an end */
	bool unseen = injects(c, INJ_RING_UNSEEN) && !f->flag;
	struct ring_entry *e = next_entry(c->vm, f->i, unseen);
	uint32_t slot_arg;

	if (!e)
		return false;
	f->flag |= e->flags != RING_ENTRY_HARVESTED;
	slot_arg = e->slot;
	f->word = e->offset;
	f->mask = 0;
	while (e && e->slot == slot_arg && join_batch(f, e->offset)) {
		*e = (struct ring_entry){ .flags = RING_ENTRY_FREE };
		c->vm->vcpus[f->i].ring_reset++;
		f->n++;
		e = next_entry(c->vm, f->i, unseen);
	}
	f->slot = memslot_by_id(c->vm, slot_arg >> 16, memslots_active(c->vm, slot_arg >> 16),
				(uint16_t)slot_arg);
	/* kvm_reset_dirty_gfn(): one offset beyond the slot and the whole batch is ignored */
	if (f->slot &&
	    f->word + 63 - (uint64_t)__builtin_clzll(f->mask) >= c->vm->slots[f->slot].npages)
		f->slot = 0;
	return true;
}

PROC(reset_dirty_rings)
{
	BEGIN(l_log);
	if (!c->vm->cfg->ring_entries)
		RETURN(-EINVAL);
	harvest_rings(c);
	STEP("reset_rings:harvest");
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	for (f->i = 0; f->i < c->vm->cfg->nr_vcpus; f->i++) {
		while (take_batch(c, f)) {
			f->any |= needs_flush(c->rules, false);
			if (!f->slot)
				continue;
			AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
			lock_take_write(c, OBJ_MMU_LOCK);
			CALL(P_log_masked, l_range, .slot = f->slot, .n = f->mask, .flag = 1,
			     .start = c->vm->slots[f->slot].base_gfn + f->word);
			f->any |= needs_flush(c->rules, c->me->ret > 0);
			lock_drop_write(c, OBJ_MMU_LOCK);
			STEP("reset_rings:batch");
		}
		c->vm->vcpus[f->i].requests &= ~(uint32_t)REQ_DIRTY_RING_SOFT_FULL;
	}
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	STEP("reset_rings:unlock");
	if (injects(c, INJ_SKIP_RING_FLUSH))
		RETURN(f->n);
	if (f->any && c->rules->arch == PT_ARM64)
		CALL(P_s2_flush_vmid, l_range, 0);
	else if (f->any)
		CALL(P_flush_remote_tlbs, l_req, 0);
	RETURN(f->n);
	END;
}
