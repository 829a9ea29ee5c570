/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmu_notifiers and what raises them: the host's own operations, and faults that need a copy on
 * write [KVM v6.1, v6.12 virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start, _end,
 * kvm_handle_hva_range; order of a CoW: Linux mm/memory.c: wp_page_copy].
 */
#include <errno.h>

#include "model/host_op.h"
#include "model/hostmm.h"
#include "model/memslots.h"
#include "model/procs.h"

/* Part of a slot that [start, end) of host memory backs; empty when none. */
static struct gfn_range slot_part(const struct vm *vm, uint32_t slot, hva_t start, hva_t end)
{
	const struct memslot *s = &vm->slots[slot];
	unsigned int shift = vm->cfg->geom.page_shift;
	hva_t s_end = s->hva + (s->npages << shift);
	hva_t from = max_u64(start, s->hva), to = min_u64(end, s_end);

	if (from >= to)
		return (struct gfn_range){ 0, 0 };
	return (struct gfn_range){
		s->base_gfn + ((from - s->hva) >> shift),
		s->base_gfn + ((to - s->hva + (1ULL << shift) - 1) >> shift),
	};
}

/* Slot after @f->slot, of address space @f->as on, that the range touches; 0 none. */
static uint32_t next_slot(const struct vm *vm, struct l_range *f)
{
	for (; f->as < vm->cfg->rules.nr_as; f->as++, f->slot = 0) {
		uint32_t s = memslots_next_by_hva(vm, f->as, f->slot, f->start, f->end);

		if (s)
			return s;
	}
	return 0;
}

static void invalidate_begin(struct ctx *c, uint64_t start, uint64_t end)
{
	struct vm_state *st = c->vm->st;

	if (++st->mmu_invalidate_in_progress == 1) {
		st->inv_start = start;
		st->inv_end = end;
	} else {
		st->inv_start = min_u64(st->inv_start, start);
		st->inv_end = max_u64(st->inv_end, end);
	}
}

/* The hull is kept in host addresses (6.1) or guest frames, by slot (6.8 and later). */
static void invalidate_slot(struct ctx *c, const struct l_range *f, struct gfn_range part,
			    bool first)
{
	struct gfn_range r = c->rules->retry_by_hva ? (struct gfn_range){ f->start, f->end } : part;

	if (first) {
		invalidate_begin(c, r.start, r.end);
	} else {
		c->vm->st->inv_start = min_u64(c->vm->st->inv_start, r.start);
		c->vm->st->inv_end = max_u64(c->vm->st->inv_end, r.end);
	}
}

PROC(notifier_start)
{
	BEGIN(l_range);
	emit(c, &(struct event){ .kind = EV_UNMAP_HVA, .gfn = f->start, .n = f->end - f->start });
	c->vm->st->mn_active_invalidate_count++;
	STEP("invalidate_range_start:active");
	while ((f->slot = next_slot(c->vm, f)) != 0) {
		if (!f->locked) {
			AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
			lock_take_write(c, OBJ_MMU_LOCK);
		}
		{
			struct gfn_range r = slot_part(c->vm, f->slot, f->start, f->end);

			invalidate_slot(c, f, r, !f->locked);
			f->locked = 1;
			CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = r.start,
			     .end = r.end);
		}
		f->hit |= c->me->ret > 0;
	}
	if (f->hit && c->rules->arch == PT_X86 && c->rules->inject != INJ_SKIP_NOTIFIER_FLUSH)
		CALL(P_flush_remote_tlbs, l_req, 0);
	if (f->locked)
		lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("invalidate_range_start:done");
	RETURN(0);
	END;
}

PROC(notifier_end)
{
	BEGIN(l_range);
	f->slot = next_slot(c->vm, f);
	if (f->slot) {
		AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
		c->vm->st->mmu_invalidate_seq++;
		c->vm->st->mmu_invalidate_in_progress--;
		if (c->vm->st->mmu_invalidate_in_progress == 0)
			c->vm->st->inv_start = c->vm->st->inv_end = 0;
		STEP("invalidate_range_end:seq");
	}
	c->vm->st->mn_active_invalidate_count--;
	if (c->vm->st->mn_active_invalidate_count == 0)
		wake(c, OBJ_MN_ACTIVE);
	RETURN(0);
	END;
}

/* Ageing: every slot part, then a flush when something was young and the notifier asks for one. */
PROC(notifier_age)
{
	BEGIN(l_range);
	while ((f->slot = next_slot(c->vm, f)) != 0) {
		if (!f->locked) {
			AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
			lock_take_write(c, OBJ_MMU_LOCK);
			f->locked = 1;
		}
		{
			struct gfn_range r = slot_part(c->vm, f->slot, f->start, f->end);

			CALL(P_age_gfn_range, l_range, .slot = f->slot, .start = r.start,
			     .end = r.end, .flag = f->flag);
		}
		f->hit |= c->me->ret > 0;
	}
	if (f->hit && f->flag == AGE_CLEAR_FLUSH_YOUNG) {
		if (c->rules->arch == PT_X86)
			CALL(P_flush_remote_tlbs, l_req, 0);
		else
			CALL(P_s2_flush_vmid, l_range, 0);
	}
	if (f->locked)
		lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(f->hit);
	END;
}

/* The record's next range when it covers @hva, else @own and a note of the difference. */
static struct gfn_range next_range(struct ctx *c, hva_t hva, struct gfn_range own)
{
	struct hva_queue *q = c->hva_queue;

	if (!q)
		return own;
	if (q->next < q->n && hva >= q->ranges[q->next].start && hva < q->ranges[q->next].end)
		return q->ranges[q->next++];
	q->mismatches++;
	return own;
}

/*
 * Resolves a host page as get_user_pages does.  Leaves the frame in scratch word 0 and "the host
 * entry is writable" in word 1.  Return: 0, or -EFAULT.
 */
PROC(gup)
{
	BEGIN(l_gup);
	for (;;) {
		f->phase = (uint8_t)hostmm_fault(c->vm, f->hva, f->write);
		if (f->phase == HF_NONE || f->phase == HF_EFAULT)
			break;
		STEP("gup:fault");
		if (f->phase == HF_PLAIN) {
			hostmm_install(c->vm, f->hva, f->write);
			continue;
		}
		{
			struct gfn_range own = hostmm_unit_range(c->vm, f->hva), r;

			if (f->phase == HF_COW) {
				own.start = align_down_u64(f->hva, host_page_bytes(c->vm));
				own.end = own.start + host_page_bytes(c->vm);
			}
			r = next_range(c, f->hva, own);
			f->start = r.start;
			f->end = r.end;
		}
		CALL(P_notifier_start, l_range, .start = f->start, .end = f->end);
		if (f->phase == HF_UNZERO) {
			hostmm_split_unit(c->vm, f->hva);
		} else {
			hostmm_install(c->vm, f->hva, true);
			if (c->rules->s2_change_pte)
				CALL(P_s2_change_pte, l_range, .start = f->start, .end = f->end);
		}
		STEP("gup:change");
		CALL(P_notifier_end, l_range, .start = f->start, .end = f->end);
	}
	if (f->phase == HF_EFAULT)
		RETURN(-EFAULT);
	{
		struct host_view v = hostmm_view(c->vm, f->hva);

		c->vm->scratch[c->me_nr].word[0] = v.pfn;
		c->vm->scratch[c->me_nr].word[1] = v.writable;
	}
	RETURN(0);
	END;
}

struct l_host {
	hva_t at, end;
	hva_t start;
	uint8_t cut;
};

/* All ranges of the record in order; stands in for the notifiers that the model would raise. */
PROC(recorded_ranges)
{
	BEGIN(l_host);
	while (c->hva_queue->next < c->hva_queue->n) {
		f->at = c->hva_queue->ranges[c->hva_queue->next].start;
		f->end = c->hva_queue->ranges[c->hva_queue->next].end;
		c->hva_queue->next++;
		CALL(P_notifier_start, l_range, .start = f->at, .end = f->end);
		CALL(P_notifier_end, l_range, .start = f->at, .end = f->end);
	}
	RETURN(0);
	END;
}

PROC(notify)
{
	BEGIN(l_range);
	if (c->hva_queue)
		RETURN(0);
	CALL(P_notifier_start, l_range, .start = f->start, .end = f->end);
	CALL(P_notifier_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

PROC(host_touch)
{
	BEGIN(l_host);
	for (f->at = f->start; f->at < f->end; f->at += c->vm->ops[c->me_nr].stride) {
		if (hostmm_fault(c->vm, f->at, c->vm->ops[c->me_nr].access == ACC_W) == HF_NONE)
			continue;
		CALL(P_gup, l_gup, .hva = f->at, .write = c->vm->ops[c->me_nr].access == ACC_W);
		if (c->me->ret < 0)
			RETURN(c->me->ret);
	}
	RETURN(0);
	END;
}

/* MADV_DONTNEED: the range, and inside it the units that must be split because they stick out. */
PROC(host_dontneed)
{
	BEGIN(l_host);
	if (c->rules->trace_hugetlb_twice && hostmm_is_hugetlb(c->vm, f->start))
		CALL(P_notify, l_range, .start = f->start, .end = f->end);
	CALL(P_notify, l_range, .start = f->start, .end = f->end);
	for (f->at = f->start; f->at < f->end; f->at = hostmm_unit_range(c->vm, f->at).end) {
		if (!hostmm_partial_huge(c->vm, f->at, f->start, f->end))
			continue;
		CALL(P_notify, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		hostmm_split_unit(c->vm, f->at);
	}
	hostmm_discard(c->vm, f->start, f->end);
	RETURN(0);
	END;
}

/* VMA boundaries at both ends: each splits the huge entry around it and notifies for that unit. */
PROC(host_cut_ends)
{
	BEGIN(l_host);
	if (hostmm_cut_notifies(c->vm, f->start))
		CALL(P_notify, l_range, .start = hostmm_unit_range(c->vm, f->start).start,
		     .end = hostmm_unit_range(c->vm, f->start).end);
	hostmm_cut(c->vm, f->start);
	if (hostmm_cut_notifies(c->vm, f->end))
		CALL(P_notify, l_range, .start = hostmm_unit_range(c->vm, f->end).start,
		     .end = hostmm_unit_range(c->vm, f->end).end);
	hostmm_cut(c->vm, f->end);
	RETURN(0);
	END;
}

PROC(host_collapse)
{
	BEGIN(l_host);
	for (f->at = f->start; f->at < f->end; f->at = hostmm_unit_range(c->vm, f->at).end) {
		if (hostmm_can_collapse(c->vm, f->at) < 0)
			RETURN(-EINVAL);
		if (hostmm_can_collapse(c->vm, f->at) == 0)
			continue;
		CALL(P_notify, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		hostmm_collapse(c->vm, f->at);
	}
	RETURN(0);
	END;
}

/* Host operations whose change to the host page tables is one step. */
static void host_change(struct vm *vm, enum host_op_kind kind, hva_t start, hva_t end)
{
	switch (kind) {
	case HOST_MUNMAP:
		hostmm_unmap(vm, start, end);
		break;
	case HOST_REMAP:
		hostmm_remap(vm, start, end);
		break;
	case HOST_PROTECT_R:
	case HOST_PROTECT_RW:
		hostmm_protect(vm, start, end, kind == HOST_PROTECT_RW);
		break;
	case HOST_HUGEPAGE:
	case HOST_NOHUGEPAGE:
		hostmm_advise_huge(vm, start, end, kind == HOST_HUGEPAGE);
		break;
	case HOST_TOUCH:
	case HOST_DONTNEED:
	case HOST_COLLAPSE:
	case HOST_AGE:
		break;
	}
}

/* One host line of the script, by the kind in the actor's op. */
PROC(host_op)
{
	BEGIN(l_host);
	f->start = c->vm->ops[c->me_nr].hva;
	f->end = f->start + c->vm->ops[c->me_nr].size;
	if (c->hva_queue && c->vm->ops[c->me_nr].kind != HOST_TOUCH)
		CALL(P_recorded_ranges, l_host, 0);
	f->cut = c->vm->ops[c->me_nr].kind;
	if (f->cut == HOST_TOUCH) {
		CALL(P_host_touch, l_host, .start = f->start, .end = f->end);
		RETURN(c->me->ret);
	}
	if (f->cut == HOST_DONTNEED) {
		CALL(P_host_dontneed, l_host, .start = f->start, .end = f->end);
		RETURN(c->me->ret);
	}
	if (f->cut == HOST_COLLAPSE) {
		CALL(P_host_collapse, l_host, .start = f->start, .end = f->end);
		RETURN(c->me->ret);
	}
	if (f->cut == HOST_AGE) {
		CALL(P_notifier_age, l_range, .start = f->start, .end = f->end,
		     .flag = (uint8_t)c->vm->ops[c->me_nr].flags);
		RETURN(0);
	}
	if (f->cut == HOST_MUNMAP || f->cut == HOST_PROTECT_R || f->cut == HOST_PROTECT_RW) {
		CALL(P_host_cut_ends, l_host, .start = f->start, .end = f->end);
		if (f->cut == HOST_MUNMAP || hostmm_any_populated(c->vm, f->start, f->end))
			CALL(P_notify, l_range, .start = f->start, .end = f->end);
	}
	host_change(c->vm, (enum host_op_kind)f->cut, f->start, f->end);
	RETURN(0);
	END;
}
