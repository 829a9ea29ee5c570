/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmu_notifiers and what raises them: the host's own operations, and faults that need a copy on
 * write [KVM v6.1, v6.12 virt/kvm/kvm_main.c: kvm_mmu_notifier_invalidate_range_start, _end,
 * kvm_handle_hva_range; order of a CoW: Linux mm/memory.c: wp_page_copy].
 */
#include "model/notifier.h"

#include <errno.h>

#include "model/host_op.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/mem.h"
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
		uint32_t s = memslots_next_by_hva(vm, f->as, f->slot,
						  (struct gfn_range){ f->start, f->end });

		if (s)
			return s;
	}
	return 0;
}

void mmu_invalidate_begin(struct vm *vm, uint64_t start, uint64_t end)
{
	struct vm_state *st = vm->st;

	if (++st->mmu_invalidate_in_progress == 1) {
		st->inv_start = start;
		st->inv_end = end;
	} else {
		st->inv_start = min_u64(st->inv_start, start);
		st->inv_end = max_u64(st->inv_end, end);
	}
}

void mmu_invalidate_end(struct vm *vm)
{
	vm->st->mmu_invalidate_seq++;
	vm->st->mmu_invalidate_in_progress--;
	if (vm->st->mmu_invalidate_in_progress == 0)
		vm->st->inv_start = vm->st->inv_end = 0;
}

/* The hull is kept in host addresses (6.1) or guest frames, by slot (6.8 and later). */
static void invalidate_slot(struct ctx *c, const struct l_range *f, struct gfn_range part,
			    bool first)
{
	struct gfn_range r = c->rules->retry_by_hva ? (struct gfn_range){ f->start, f->end } : part;

	if (first) {
		mmu_invalidate_begin(c->vm, r.start, r.end);
	} else {
		c->vm->st->inv_start = min_u64(c->vm->st->inv_start, r.start);
		c->vm->st->inv_end = max_u64(c->vm->st->inv_end, r.end);
	}
}

/* The parts of slots that a range backs, for invariants. */
static void note_parts(struct ctx *c, enum note_kind kind, hva_t start, hva_t end)
{
	struct l_range all = { .start = start, .end = end };

	while (c->notes && (all.slot = next_slot(c->vm, &all)) != 0) {
		struct gfn_range r = slot_part(c->vm, all.slot, start, end);

		note(c,
		     &(struct note){ .kind = (uint8_t)kind, .gfn = r.start, .n = r.end - r.start });
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
			c->me->ret = 0;
			if (!injects(c, INJ_SKIP_NOTIFIER_ZAP))
				CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = r.start,
				     .end = r.end - injects(c, INJ_NOTIFIER_SHORT));
		}
		f->hit = c->me->ret > 0 || (f->hit && !injects(c, INJ_FLUSH_FORGOTTEN));
	}
	if (f->hit && c->rules->arch == PT_X86 && !injects(c, INJ_SKIP_NOTIFIER_FLUSH))
		CALL(P_flush_remote_tlbs, l_req, 0);
	if (f->locked)
		lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("invalidate_range_start:done");
	note_parts(c, NOTE_STOPPED, f->start, f->end);
	RETURN(0);
	END;
}

PROC(notifier_end)
{
	BEGIN(l_range);
	note_parts(c, NOTE_RESUMED, f->start, f->end);
	f->slot = next_slot(c->vm, f);
	if (f->slot) {
		AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
		mmu_invalidate_end(c->vm);
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

/* A host fault's entry, and what it costs: a fault, and zeroing or copying what is new. */
static void install(struct ctx *c, hva_t hva, bool write)
{
	struct host_view was = hostmm_view(c->vm, hva), is;

	hostmm_install(c->vm, hva, write);
	is = hostmm_view(c->vm, hva);
	c->work.host_fault++;
	if (is.pfn != was.pfn && is.pfn != HOST_ZERO_PFN && !hostmm_is_huge_zero(c->vm, hva))
		c->work.zero_page += geom_pages(&c->vm->cfg->geom, is.height);
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
		if (f->phase == HF_UFFD) {
			AWAIT(W_PAGE, OBJ_PAGES, hostmm_page(c->vm, f->hva));
			continue;
		}
		if (f->phase == HF_PLAIN) {
			/* under the page-table lock: somebody else may have been faster */
			if (hostmm_fault(c->vm, f->hva, f->write) == HF_PLAIN)
				install(c, f->hva, f->write);
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
		if (hostmm_fault(c->vm, f->hva, f->write) != (enum host_fault)f->phase) {
			STEP("gup:lost"); /* the entry changed before its lock was taken */
		} else if (f->phase == HF_UNZERO) {
			hostmm_split_unit(c->vm, f->hva);
		} else {
			install(c, f->hva, true);
			if (c->rules->s2_change_pte)
				CALL(P_s2_change_pte, l_range, .start = f->start, .end = f->end);
		}
		QUIET_STEP("gup:change");
		CALL(P_notifier_end, l_range, .start = f->start, .end = f->end);
	}
	c->work.host_walk++;
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
	hva_t start, next;
	int32_t err;
	uint8_t cut; /* enum host_op_kind; of host_cut: it notifies */
	uint8_t spare[3];
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

/* The model's own notifier around a change of page tables; none when the record's ran. */
PROC(notify_begin)
{
	BEGIN(l_range);
	if (!c->hva_queue)
		CALL(P_notifier_start, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

PROC(notify_end)
{
	BEGIN(l_range);
	STEP("notify:changed");
	if (!c->hva_queue)
		CALL(P_notifier_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

/* UFFDIO_COPY: what is not there yet is filled in, and who waits for it goes on [mm/userfaultfd.c: mfill_atomic]. */
PROC(host_copy)
{
	BEGIN(l_host);
	for (f->at = f->start; f->at < f->end; f->at += host_page_bytes(c->vm)) {
		if (!hostmm_view(c->vm, f->at).vma)
			RETURN(-ENOENT);
		if (hostmm_view(c->vm, f->at).present)
			RETURN(-EEXIST);
		install(c, f->at, true);
		wake(c, OBJ_PAGES);
		STEP("host_copy:page");
	}
	RETURN(0);
	END;
}

/* Accesses by the VMM, or MADV_POPULATE_*, which has errors of its own. */
PROC(host_touch)
{
	BEGIN(l_host);
	for (f->at = f->start; f->at < f->end; f->at += c->vm->ops[c->me_nr].stride) {
		if (hostmm_fault(c->vm, f->at, c->vm->ops[c->me_nr].access == ACC_W) == HF_NONE) {
			if (f->cut == HOST_TOUCH && c->vm->ops[c->me_nr].access == ACC_W)
				hostmm_write(c->vm, f->at);
			if (f->cut == HOST_TOUCH && c->vm->ops[c->me_nr].access == ACC_W)
				mem_store_data(c->vm, c->me_nr, f->at);
			continue;
		}
		CALL(P_gup, l_gup, .hva = f->at, .write = c->vm->ops[c->me_nr].access == ACC_W);
		(void)gup_take(c);
		if (c->me->ret < 0)
			RETURN(f->cut == HOST_TOUCH            ? c->me->ret
			       : hostmm_view(c->vm, f->at).vma ? -EINVAL
							       : -ENOMEM);
		if (f->cut == HOST_TOUCH && c->vm->ops[c->me_nr].access == ACC_W)
			mem_store_data(c->vm, c->me_nr, f->at);
	}
	RETURN(0);
	END;
}

/* The range, and inside it the units that must be split because they stick out. */
PROC(dontneed_vma)
{
	BEGIN(l_host);
	if (hostmm_is_hugetlb(c->vm, f->start)) {
		uint64_t bytes = hostmm_cut_bytes(c->vm, f->start);

		if (f->start & (bytes - 1))
			RETURN(-EINVAL);
		f->end = align_down_u64(f->end, bytes);
		if (f->start == f->end)
			RETURN(0);
	}
	CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
	if (c->rules->trace_hugetlb_twice && hostmm_is_hugetlb(c->vm, f->start)) {
		CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
		CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	}
	/* unit by unit, each checked under its page-table lock: an earlier one may fill up again */
	for (f->at = f->start; f->at < f->end; f->at = hostmm_unit_range(c->vm, f->at).end) {
		while (hostmm_partial_huge(c->vm, f->at, (struct gfn_range){ f->start, f->end })) {
			CALL(P_notify_begin, l_range,
			     .start = hostmm_unit_range(c->vm, f->at).start,
			     .end = hostmm_unit_range(c->vm, f->at).end);
			hostmm_split_unit(c->vm, f->at);
			CALL(P_notify_end, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
			     .end = hostmm_unit_range(c->vm, f->at).end);
		}
		hostmm_discard(c->vm, f->at, min_u64(f->end, hostmm_unit_range(c->vm, f->at).end));
	}
	CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

/* A VMA boundary at f->at: the huge entry around it is split, which notifies for that unit. */
PROC(host_cut)
{
	BEGIN(l_host);
	f->cut = hostmm_cut_notifies(c->vm, f->at);
	if (f->cut)
		CALL(P_notify_begin, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
	hostmm_cut(c->vm, f->at);
	if (f->cut)
		CALL(P_notify_end, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
	RETURN(0);
	END;
}

/* Both ends may be VMA boundaries: no page of hugetlb reaches over them. */
static bool may_cut(const struct ctx *c, const struct l_host *f)
{
	return ((f->start | f->end) & (hostmm_cut_bytes(c->vm, f->start) - 1)) == 0;
}

PROC(protect_vma)
{
	BEGIN(l_host);
	if (!may_cut(c, f))
		RETURN(-EINVAL);
	CALL(P_host_cut, l_host, .at = f->start);
	CALL(P_host_cut, l_host, .at = f->end);
	hostmm_protect(c->vm, f->start, f->end, f->cut == HOST_PROTECT_RW);
	for (f->next = f->start; f->next < f->end;) {
		{
			struct gfn_range r = hostmm_protect_range(c->vm, f->next, f->end);

			f->at = r.start;
			f->next = r.end;
		}
		if (f->at == f->next)
			break;
		CALL(P_notify_begin, l_range, .start = f->at, .end = f->next);
		hostmm_protect_entries(c->vm, f->at, f->next, f->cut == HOST_PROTECT_RW);
		CALL(P_notify_end, l_range, .start = f->at, .end = f->next);
	}
	RETURN(0);
	END;
}

PROC(advise_vma)
{
	BEGIN(l_host);
	if (!may_cut(c, f))
		RETURN(-EINVAL);
	CALL(P_host_cut, l_host, .at = f->start);
	CALL(P_host_cut, l_host, .at = f->end);
	hostmm_advise_huge(c->vm, f->start, f->end, f->cut == HOST_HUGEPAGE);
	RETURN(0);
	END;
}

/*
 * Each unit on its own.  One that cannot be collapsed is an error at the end, one that is empty ends
 * the call [madvise_collapse: SCAN_PMD_NONE is not among the results that go on].
 */
PROC(collapse_vma)
{
	BEGIN(l_host);
	f->at = hostmm_unit_range(c->vm, f->start + host_unit_bytes(c->vm) - 1).start;
	f->end = hostmm_unit_range(c->vm, f->end).start;
	if (!hostmm_may_collapse(c->vm, f->start) || f->at > f->end)
		RETURN(-EINVAL);
	for (; f->at < f->end; f->at = hostmm_unit_range(c->vm, f->at).end) {
		int can = hostmm_can_collapse(c->vm, f->at);

		if (can == -ENOENT)
			RETURN(-EINVAL);
		if (can <= 0) {
			f->err = can < 0 ? can : f->err;
			continue;
		}
		CALL(P_notify_begin, l_range, .start = f->at,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		hostmm_collapse(c->vm, f->at);
		CALL(P_notify_end, l_range, .start = f->at,
		     .end = hostmm_unit_range(c->vm, f->at).end);
	}
	RETURN(f->err);
	END;
}

/*
 * MADV_FREE, MADV_COLD, MADV_PAGEOUT.  A huge page that sticks out of the range is split: its entry,
 * then the page, with a notifier each [split_folio, try_to_migrate_one].  SIMPLIFIED: nothing is
 * reclaimed.
 */
PROC(free_vma)
{
	BEGIN(l_host);
	if (hostmm_is_hugetlb(c->vm, f->start) ||
	    (f->cut == HOST_FREE && hostmm_is_shared(c->vm, f->start)))
		RETURN(-EINVAL);
	if (f->cut == HOST_FREE)
		CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
	for (f->at = f->start; f->at < f->end; f->at = hostmm_unit_range(c->vm, f->at).end) {
		if (hostmm_is_huge_zero(c->vm, f->at) ||
		    !hostmm_partial_huge(c->vm, f->at, (struct gfn_range){ f->start, f->end }))
			continue;
		CALL(P_notify_begin, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		hostmm_split_unit(c->vm, f->at);
		CALL(P_notify_end, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		CALL(P_notify_begin, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
		CALL(P_notify_end, l_range, .start = hostmm_unit_range(c->vm, f->at).start,
		     .end = hostmm_unit_range(c->vm, f->at).end);
	}
	if (f->cut == HOST_FREE)
		CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

/* MADV_REMOVE: a hole in the shared file. */
PROC(remove_vma)
{
	BEGIN(l_host);
	if (hostmm_is_hugetlb(c->vm, f->start))
		RETURN(-EACCES);
	if (!hostmm_is_shared(c->vm, f->start))
		RETURN(-EINVAL);
	if (!hostmm_view(c->vm, f->start).vma_writable)
		RETURN(-EACCES);
	CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
	hostmm_remove(c->vm, f->start, f->end);
	CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

/* What a call does to one VMA; P_NONE when it changes nothing there. */
static uint16_t vma_proc(const struct vm *vm, const struct l_host *f)
{
	switch ((enum host_op_kind)f->cut) {
	case HOST_DONTNEED:
		return P_dontneed_vma;
	case HOST_COLLAPSE:
		return P_collapse_vma;
	case HOST_FREE:
	case HOST_COLD:
		return P_free_vma;
	case HOST_REMOVE:
		return P_remove_vma;
	case HOST_PROTECT_R:
	case HOST_PROTECT_RW:
		return hostmm_view(vm, f->start).vma_writable == (f->cut == HOST_PROTECT_RW)
			       ? P_NONE
			       : P_protect_vma;
	case HOST_HUGEPAGE:
	case HOST_NOHUGEPAGE:
		return hostmm_advice_changes(vm, f->start, f->next, f->cut == HOST_HUGEPAGE)
			       ? P_advise_vma
			       : P_NONE;
	case HOST_TOUCH:
	case HOST_POPULATE:
	case HOST_MUNMAP:
	case HOST_REMAP:
	case HOST_COPY:
	case HOST_AGE:
		break;
	}
	return P_NONE;
}

/* munmap, and what mmap(MAP_FIXED) takes away first. */
PROC(host_munmap)
{
	BEGIN(l_host);
	if (!hostmm_any_vma(c->vm, f->start, f->end))
		RETURN(0);
	if (!may_cut(c, f))
		RETURN(-EINVAL);
	CALL(P_host_cut, l_host, .at = f->start);
	CALL(P_host_cut, l_host, .at = f->end);
	CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
	if (c->rules->trace_hugetlb_twice && hostmm_is_hugetlb(c->vm, f->start)) {
		CALL(P_notify_begin, l_range, .start = f->start, .end = f->end);
		CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	}
	hostmm_unmap(c->vm, f->start, f->end);
	wake(c, OBJ_PAGES);
	CALL(P_notify_end, l_range, .start = f->start, .end = f->end);
	RETURN(0);
	END;
}

/*
 * One host line of the script, by the kind in the actor's op; madvise and mprotect VMA by VMA.  A
 * hole ends mprotect; madvise goes on and reports it [madvise_walk_vmas].
 */
PROC(host_op)
{
	BEGIN(l_host);
	f->start = c->vm->ops[c->me_nr].hva;
	f->end = f->start + c->vm->ops[c->me_nr].size;
	f->cut = c->vm->ops[c->me_nr].kind;
	if (f->cut == HOST_TOUCH || f->cut == HOST_POPULATE) {
		CALL(P_host_touch, l_host, .start = f->start, .end = f->end, .cut = f->cut);
		RETURN(c->me->ret);
	}
	if (f->cut != HOST_AGE && (f->start & (host_page_bytes(c->vm) - 1)))
		RETURN(-EINVAL); /* the system calls want a page's address, and round the length up */
	f->end = align_down_u64(f->end + host_page_bytes(c->vm) - 1, host_page_bytes(c->vm));
	if (f->cut == HOST_COPY) {
		CALL(P_host_copy, l_host, .start = f->start, .end = f->end);
		RETURN(c->me->ret);
	}
	if (c->hva_queue)
		CALL(P_recorded_ranges, l_host, 0);
	if (f->cut == HOST_AGE) {
		CALL(P_notifier_age, l_range, .start = f->start, .end = f->end,
		     .flag = (uint8_t)c->vm->ops[c->me_nr].flags);
		RETURN(0);
	}
	if (f->cut == HOST_MUNMAP || f->cut == HOST_REMAP) {
		CALL(P_host_munmap, l_host, .start = f->start, .end = f->end);
		if (c->me->ret == 0 && f->cut == HOST_REMAP)
			hostmm_remap(c->vm, f->start, f->end);
		RETURN(c->me->ret);
	}
	for (; f->start < f->end; f->start = f->next) {
		f->next = hostmm_vma_end(c->vm, f->start, f->end);
		if (!hostmm_view(c->vm, f->start).vma) {
			f->err = -ENOMEM;
			if (f->cut == HOST_PROTECT_R || f->cut == HOST_PROTECT_RW)
				break;
			continue;
		}
		f->at = vma_proc(c->vm, f);
		if (f->at == P_NONE)
			continue;
		CALL((uint16_t)f->at, l_host, .start = f->start, .end = f->next, .cut = f->cut);
		if (c->me->ret < 0)
			RETURN(c->me->ret);
	}
	RETURN(f->err);
	END;
}
