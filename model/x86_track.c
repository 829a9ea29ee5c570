/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "model/inject.h"
#include "model/track.h"
#include "model/x86.h"

enum {
	COUNT_BITS = 16,
	COUNTS_PER_WORD = 64 / COUNT_BITS,
};

/* ---- counts --------------------------------------------------------------------------------- */

unsigned int track_count(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &vm->slots[slot];
	uint64_t rel = gfn - s->base_gfn;

	if (!s->track)
		return 0;
	return (uint16_t)(vm->words[s->track + rel / COUNTS_PER_WORD] >>
			  (rel % COUNTS_PER_WORD * COUNT_BITS));
}

static void add_count(struct vm *vm, uint32_t slot, gfn_t gfn, int n)
{
	const struct memslot *s = &vm->slots[slot];
	uint64_t rel = gfn - s->base_gfn;
	uint64_t one = BIT(rel % COUNTS_PER_WORD * COUNT_BITS);
	uint64_t *word = &vm->words[s->track + rel / COUNTS_PER_WORD];

	if (s->track)
		*word = n > 0 ? *word + one : *word - one;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a range */
bool track_any(const struct vm *vm, const struct memslot *s, gfn_t gfn, uint64_t pages)
{
	uint64_t rel = gfn - s->base_gfn;

	if (!s->track)
		return false;
	for (uint64_t i = rel; i < rel + pages; i++)
		if (vm->words[s->track + i / COUNTS_PER_WORD] >>
			    (i % COUNTS_PER_WORD * COUNT_BITS) &
		    UINT16_MAX)
			return true;
	return false;
}

bool track_is_active(const struct vm *vm, gfn_t gfn)
{
	if (!vm->st->tracker && !vm->st->shadow_root_allocated)
		return false;
	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		uint32_t slot = memslot_find(vm, as, gfn);

		if (slot && track_count(vm, slot, gfn))
			return true;
	}
	return false;
}

/* ---- arrays ----------------------------------------------------------------------------------- */

static bool needs_rmaps(const struct vm *vm)
{
	return vm->cfg->rules.arch == PT_X86 &&
	       (!vm->cfg->rules.tdp_mmu || vm->st->shadow_root_allocated);
}

/* SIMPLIFIED: up to 6.5 the counts exist always where the kernel is built with KVMGT; memory only. */
static bool needs_counts(const struct vm *vm)
{
	return vm->st->tracker || vm->st->shadow_root_allocated;
}

static bool add_arrays(struct vm *vm, uint32_t slot, bool rmaps, bool counts)
{
	struct memslot *s = &vm->slots[slot];

	if (counts && !s->track) {
		s->track = words_alloc(vm, (s->npages + COUNTS_PER_WORD - 1) / COUNTS_PER_WORD);
		if (!s->track)
			return false;
	}
	s->has_rmaps |= rmaps;
	return true;
}

bool track_alloc_arrays(struct vm *vm, uint32_t slot)
{
	return vm->cfg->rules.inject == INJ_SKIP_ARRAYS ||
	       add_arrays(vm, slot, needs_rmaps(vm), needs_counts(vm));
}

void track_free_arrays(struct vm *vm, uint32_t slot)
{
	words_free(vm, vm->slots[slot].track);
	vm->slots[slot].track = 0;
	vm->slots[slot].has_rmaps = 0;
}

/* Of every slot that readers can see; slots_arch_lock is held. */
static bool add_arrays_everywhere(struct vm *vm, bool rmaps)
{
	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		unsigned int set = memslots_active(vm, as);

		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++)
			if (!add_arrays(vm, memslots_ids(vm, as, set)[i], rmaps, true))
				return false;
	}
	return true;
}

/* A vCPU turns on shadow paging for the first time [mmu.c: mmu_first_shadow_root_alloc]. */
PROC(first_shadow_root)
{
	BEGIN(l_range);
	if (c->rules->arch != PT_X86)
		RETURN(-ENOTTY);
	srcu_enter(c);
	AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
	f->hit = c->vm->st->shadow_root_allocated || add_arrays_everywhere(c->vm, true);
	STEP("first_shadow_root:arrays");
	if (f->hit)
		c->vm->st->shadow_root_allocated = 1;
	lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
	srcu_exit(c);
	RETURN(f->hit ? 0 : -ENOMEM);
	END;
}

/* The external tracker makes itself known [page_track.c: kvm_page_track_register_notifier]. */
PROC(track_register)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
	f->hit = add_arrays_everywhere(c->vm, false);
	if (f->hit)
		c->vm->st->tracker = 1;
	lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
	RETURN(f->hit ? 0 : -ENOMEM);
	END;
}

/* ---- the external tracker's record -------------------------------------------------------------- */

static uint32_t record_at(const struct vm *vm, gfn_t gfn)
{
	uint32_t i = 0;

	while (i < vm->st->nr_tracked && vm->st->tracked[i].gfn < gfn)
		i++;
	return i;
}

static bool record_has(const struct vm *vm, gfn_t gfn)
{
	uint32_t i = record_at(vm, gfn);

	return i < vm->st->nr_tracked && vm->st->tracked[i].gfn == gfn;
}

static void record_add(struct vm *vm, gfn_t gfn)
{
	uint32_t i = record_at(vm, gfn);

	memmove(&vm->st->tracked[i + 1], &vm->st->tracked[i],
		sizeof(struct tracked) * (vm->st->nr_tracked - i));
	vm->st->tracked[i] = (struct tracked){ .gfn = gfn, .held = 1 };
	vm->st->nr_tracked++;
}

static void record_remove(struct vm *vm, uint32_t i)
{
	vm->st->nr_tracked--;
	memmove(&vm->st->tracked[i], &vm->st->tracked[i + 1],
		sizeof(struct tracked) * (vm->st->nr_tracked - i));
	vm->st->tracked[vm->st->nr_tracked] = (struct tracked){ 0 };
}

static bool slot_has(const struct memslot *s, gfn_t gfn)
{
	return gfn >= s->base_gfn && gfn - s->base_gfn < s->npages;
}

/* ---- protecting ------------------------------------------------------------------------------- */

/* Takes W and MMU-writable from a leaf; says whether that needs a flush. */
static bool protect_leaf(struct ctx *c, struct pt_pos p, enum flush_rule rule)
{
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	pte_t old = *pt_entry(&c->vm->pt, p.table, p.index), now = old;

	now.v &= ~(fmt->w | fmt->mmu_writable);
	if (!pte_is_leaf(c->vm->pt.fmt, old, p.height) || pte_eq(now, old))
		return false;
	pt_set(&c->vm->pt, p.table, p.index, now, &c->work);
	return spte_change_flushes(fmt, rule, old, now);
}

/* The legacy MMU's shadow pages, linked or not [mmu.c: rmap_write_protect]. */
static bool protect_in_shadow_pages(struct ctx *c, unsigned int as, gfn_t gfn)
{
	struct pt *pt = &c->vm->pt;
	bool flush = false;

	for (uint32_t t = 1; t < pt->head->high_water; t++) {
		const struct pt_meta *m = &pt->meta[t];
		struct pt_pos p = { .table = t, .height = m->height };

		if (m->state != PT_LIVE || m->as_id != as || gfn < m->base ||
		    gfn - m->base >= geom_pages(&pt->geom, m->height + 1U))
			continue;
		p.index = pt_index(pt, gfn, m->height);
		flush |= protect_leaf(c, p, (enum flush_rule)c->rules->flush_update);
	}
	return flush;
}

/*
 * Write-protects the leaves of a page (f->start) in its slot's address space; mmu_lock is held for
 * write [mmu.c: kvm_mmu_slot_gfn_write_protect; tdp_mmu.c: write_protect_gfn].  Return: flush.
 */
PROC(write_protect_gfn)
{
	BEGIN(l_range);
	if (!c->rules->tdp_mmu)
		RETURN(protect_in_shadow_pages(c, c->vm->slots[f->slot].as_id, f->start));
	for (f->root = 0; f->root < VM_MAX_ROOTS; f->root++) {
		if (!c->vm->st->roots[f->root].in_use || c->vm->st->roots[f->root].invalid ||
		    c->vm->st->roots[f->root].as_id != c->vm->slots[f->slot].as_id)
			continue;
		f->hit |= protect_leaf(
			c, pt_lookup(&c->vm->pt, c->vm->st->roots[f->root].table, f->start),
			(enum flush_rule)c->rules->flush_track);
		STEP("write_protect_gfn:entry");
	}
	RETURN(f->hit);
	END;
}

/*
 * One user more for the page; mmu_lock is held for write.  The flush comes before it is dropped.  Return:
 * a flush was due.
 */
PROC(track_add)
{
	BEGIN(l_range);
	add_count(c->vm, f->slot, f->start, 1);
	CALL(P_write_protect_gfn, l_range, .slot = f->slot, .start = f->start);
	f->hit = c->me->ret > 0;
	if (f->hit && !injects(c, INJ_SKIP_TRACK_FLUSH) && !injects(c, INJ_TRACK_FLUSH_LATE))
		CALL(P_flush_remote_tlbs, l_req, 0);
	RETURN(f->hit);
	END;
}

/* Slot and page that a line names; 0 none. */
static uint32_t find_page(const struct vm *vm, const struct op *op, gfn_t *gfn)
{
	unsigned int as = op->slot >> 16;
	uint32_t slot = as < vm->cfg->rules.nr_as
				? memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)op->slot)
				: 0;

	*gfn = vm->slots[slot].base_gfn + op->first;
	return slot && op->first < vm->slots[slot].npages ? slot : 0;
}

/* 0 to go on, 1 nothing to do, or -errno; f->flag: for the external tracker, else for KVM itself. */
static int may_track(const struct ctx *c, struct l_range *f)
{
	f->slot = find_page(c->vm, &c->vm->ops[c->me_nr], &f->start);
	if (!f->slot)
		return -ENOENT;
	if (f->flag && record_has(c->vm, f->start))
		return 1;
	return f->flag && c->vm->st->nr_tracked == VM_MAX_TRACKED ? -ENOSPC : 0;
}

PROC(track_page)
{
	BEGIN(l_range);
	if (c->rules->arch != PT_X86)
		RETURN(-ENOTTY);
	if (!f->flag && !c->vm->st->shadow_root_allocated)
		RETURN(-EINVAL);
	if (f->flag && !c->vm->st->tracker) {
		CALL(P_track_register, l_range, 0);
		if (c->me->ret < 0)
			RETURN(c->me->ret);
	}
	srcu_enter(c);
	c->me->ret = may_track(c, f);
	if (c->me->ret != 0) {
		srcu_exit(c);
		RETURN(c->me->ret < 0 ? c->me->ret : 0);
	}
	STEP("track_page:slot");
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	if (f->flag)
		record_add(c->vm, f->start);
	CALL(P_track_add, l_range, .slot = f->slot, .start = f->start);
	f->hit = c->me->ret > 0;
	lock_drop_write(c, OBJ_MMU_LOCK);
	if (f->hit && injects(c, INJ_TRACK_FLUSH_LATE)) {
		STEP("track_page:unlock");
		CALL(P_flush_remote_tlbs, l_req, 0);
	}
	srcu_exit(c);
	RETURN(0);
	END;
}

/* One user less; what was mapped read-only is made writable by the next fault. */
PROC(untrack_page)
{
	BEGIN(l_range);
	if (c->rules->arch != PT_X86)
		RETURN(-ENOTTY);
	srcu_enter(c);
	f->slot = find_page(c->vm, &c->vm->ops[c->me_nr], &f->start);
	STEP("untrack_page:slot");
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	if (f->slot && !f->flag && track_count(c->vm, f->slot, f->start))
		add_count(c->vm, f->slot, f->start, -1);
	if (f->slot && f->flag && record_has(c->vm, f->start)) {
		uint32_t i = record_at(c->vm, f->start);

		if (c->vm->st->tracked[i].held)
			add_count(c->vm, f->slot, f->start, -1);
		record_remove(c->vm, i);
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	srcu_exit(c);
	RETURN(f->slot ? 0 : -ENOENT);
	END;
}

/* ---- slot changes ------------------------------------------------------------------------------ */

static void emit_hook(struct ctx *c, enum call_name name, uint32_t slot, bool failed)
{
	const struct memslot *s = &c->vm->slots[slot];

	emit(c, &(struct event){ .kind = EV_CALL,
				 .name = name,
				 .gfn = s->base_gfn,
				 .n = s->npages,
				 .a = failed });
}

/*
 * Up to 6.5 a flush of the slot makes the tracker give up all that it protects there, before KVM
 * zaps: it registered last, and comes first.  What is behind it goes on to believe in the protection
 * [page_track.c: kvm_page_track_flush_slot; kvmgt.c: kvmgt_page_track_flush_slot].
 */
PROC(track_flush_slot)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	emit_hook(c, CALL_TRACK_FLUSH_SLOT, f->slot, false);
	for (uint32_t i = 0; i < c->vm->st->nr_tracked; i++) {
		struct tracked *t = &c->vm->st->tracked[i];

		if (!t->held || !slot_has(&c->vm->slots[f->slot], t->gfn))
			continue;
		add_count(c->vm, f->slot, t->gfn, -1);
		t->held = 0;
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("track_flush_slot:given_up");
	RETURN(0);
	END;
}

/*
 * Proposed in Nov 2022: the tracker hears of each committed DELETE and MOVE, and of one that failed
 * (f->flag), and protects again what lies in the slot as it is now (f->slot2).
 * SIMPLIFIED: no patch of it was posted; this is the least that keeps the record true.
 */
PROC(track_slot_change)
{
	BEGIN(l_slot);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	emit_hook(c, CALL_TRACK_SLOT_CHANGE, f->slot, f->flag != 0);
	for (f->i = 0; f->slot2 && f->i < c->vm->st->nr_tracked; f->i++) {
		if (!slot_has(&c->vm->slots[f->slot], c->vm->st->tracked[f->i].gfn) ||
		    !slot_has(&c->vm->slots[f->slot2], c->vm->st->tracked[f->i].gfn) ||
		    c->vm->st->tracked[f->i].held)
			continue;
		c->vm->st->tracked[f->i].held = 1;
		CALL(P_track_add, l_range, .slot = f->slot2, .start = c->vm->st->tracked[f->i].gfn);
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/*
 * What a change leaves of the record: pages that no longer are in the slot (f->slot2; 0: it is gone)
 * leave it, what stays in a moved one has no count in the new array.
 */
static void record_follow(struct vm *vm, const struct l_slot *f)
{
	for (uint32_t i = vm->st->nr_tracked; i-- > 0;) {
		struct tracked *t = &vm->st->tracked[i];

		if (!slot_has(&vm->slots[f->slot], t->gfn))
			continue;
		t->held = 0;
		if (!f->slot2 || !slot_has(&vm->slots[f->slot2], t->gfn))
			record_remove(vm, i);
	}
}

/*
 * A DELETE or MOVE is committed.  From 6.6 on the tracker hears of a DELETE here
 * [page_track.c: kvm_page_track_delete_slot; kvmgt.c: kvmgt_page_track_remove_region].
 */
PROC(track_commit)
{
	BEGIN(l_slot);
	if (c->rules->page_track == PT_REMOVE_REGION && f->change == KVM_MR_DELETE)
		emit_hook(c, CALL_TRACK_REMOVE_REGION, f->slot, false);
	record_follow(c->vm, f);
	STEP("track_commit:record");
	if (c->rules->page_track == PT_CHANGE_MOVEFAIL)
		CALL_WITH(P_track_slot_change, f);
	RETURN(0);
	END;
}

/* ---- checks ----------------------------------------------------------------------------------- */

bool track_check_meta(const struct vm *vm, const char **why)
{
	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		unsigned int set = memslots_active(vm, as);

		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
			const struct memslot *s = &vm->slots[memslots_ids(vm, as, set)[i]];

			if ((needs_rmaps(vm) && !s->has_rmaps) || (needs_counts(vm) && !s->track)) {
				*why = "a reachable slot without the arrays that shadow "
				       "paging and write tracking need";
				return false;
			}
		}
	}
	return true;
}

bool track_check_record(const struct vm *vm, const char **why)
{
	for (uint32_t i = 0; i < vm->st->nr_tracked; i++) {
		if (!track_is_active(vm, vm->st->tracked[i].gfn)) {
			*why = "the tracker believes in a protection that KVM does not "
			       "enforce";
			return false;
		}
	}
	return true;
}

bool track_check_leaves(const struct vm *vm, const char **why)
{
	const struct x86_fmt *fmt;

	if (vm->cfg->rules.arch != PT_X86)
		return true;
	fmt = vm_x86_fmt(vm);
	for (uint32_t t = 1; t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		for (uint32_t i = 0; m->state == PT_LIVE && i < geom_entries(&vm->pt.geom); i++) {
			gfn_t gfn = pt_entry_gfn(&vm->pt, t, i);
			uint32_t slot = memslot_find(vm, m->as_id, gfn);
			pte_t e = *pt_entry(&vm->pt, t, i);

			if (!slot || !pte_is_leaf(vm->pt.fmt, e, m->height) ||
			    !(e.v & (fmt->w | fmt->mmu_writable)) ||
			    !track_any(vm, &vm->slots[slot], gfn,
				       geom_pages(&vm->pt.geom, m->height)))
				continue;
			*why = "a leaf of a tracked page can become writable";
			return false;
		}
	}
	return true;
}
