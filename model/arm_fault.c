/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arm64 guest aborts [KVM v6.1, v6.12 arch/arm64/kvm/mmu.c: kvm_handle_guest_abort, user_mem_abort].
 */
#include <errno.h>

#include "model/arm.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/mem.h"
#include "model/userfault.h"

static bool is_write(const struct l_fault *f)
{
	return (f->err & PFERR_WRITE) != 0;
}

static bool is_perm(const struct l_fault *f)
{
	return (f->err & PFERR_PRESENT) != 0;
}

static void emit_guest_fault(struct ctx *c, const struct l_fault *f)
{
	emit(c, &(struct event){ .kind = EV_GUEST_FAULT,
				 .gfn = f->gfn,
				 .n = 1,
				 .a = is_write(f)              ? ACC_W
				      : (f->err & PFERR_FETCH) ? ACC_X
							       : ACC_R,
				 .b = is_perm(f),
				 .level = geom_arm_level(f->goal) });
}

/* memslot_is_logging(): the bitmap decides, not the flag. */
static bool slot_logs(const struct memslot *s)
{
	return s->bitmap && !(s->flags & MEM_READONLY);
}

PROC(arm_abort)
{
	BEGIN(l_fault);
	srcu_enter(c);
	emit_guest_fault(c, f);
	c->work.fault_dispatch++;
	c->work.slot_lookup++;
	f->slot = memslot_find(c->vm, 0, f->gfn);
	if (f->slot && !is_write(f))
		mem_load_ahead(c, memslot_hva(c->vm, f->slot, f->gfn));
	STEP("guest_abort:slot");
	if (!f->slot ||
	    ((c->vm->slots[f->slot].flags & MEMSLOT_INVALID) &&
	     !injects(c, INJ_MAP_INVALID_SLOT)) ||
	    (is_write(f) && (c->vm->slots[f->slot].flags & MEM_READONLY))) {
		srcu_exit(c);
		RETURN(RET_PF_EMULATE);
	}
	CALL_WITH(P_user_mem_abort, f);
	if (c->me->ret != 0)
		mem_load_over(c); /* nothing was mapped: it begins anew */
	srcu_exit(c);
	RETURN(c->me->ret == -EAGAIN       ? RET_PF_RETRY
	       : c->me->ret < 0            ? c->me->ret
	       : c->me->ret == RET_PF_USER ? RET_PF_USER
					   : RET_PF_FIXED);
	END;
}

/* Size that the VMA suggests: hugetlb pages that the slot supports, else one page. */
static unsigned int vma_height(const struct ctx *c, const struct l_fault *f, bool *force_pte)
{
	const struct memslot *s = &c->vm->slots[f->slot];
	hva_t hva = memslot_hva(c->vm, f->slot, f->gfn);
	struct host_view v = hostmm_view(c->vm, hva);
	unsigned int h = 0;
	bool uf = (s->flags & MEM_USERFAULT) && c->rules->uf_size != UF_SIZE_FREE &&
		  c->rules->uf_size != UF_SIZE_IF_CLEAR;

	*force_pte = (slot_logs(s) && !injects(c, INJ_HUGE_LOGGED)) || uf;
	if (*force_pte || v.map < 0 || !hostmm_is_hugetlb(c->vm, hva))
		return 0;
	h = c->vm->st->maps[v.map].backing == HOST_HUGE1G ? 2 : 1;
	h = memslot_max_height(
		c->vm, f->slot, f->gfn,
		h < c->vm->cfg->geom.max_leaf_height ? h : c->vm->cfg->geom.max_leaf_height);
	h = userfault_max_height(c->vm, f->slot, f->gfn, h);
	*force_pte = h == 0;
	return h;
}

/* transparent_hugepage_adjust(): only the block above the page is ever made. */
static unsigned int thp_height(const struct ctx *c, const struct l_fault *f)
{
	struct host_view v = hostmm_view(c->vm, memslot_hva(c->vm, f->slot, f->gfn));

	if (v.height < 1 || memslot_max_height(c->vm, f->slot, f->gfn, 1) < 1)
		return 0;
	return userfault_max_height(c->vm, f->slot, f->gfn, 1);
}

static bool is_stale(const struct ctx *c, const struct l_fault *f)
{
	uint64_t changed = c->vm->st->mmu_invalidate_seq ^ f->seq;

	if (injects(c, INJ_SKIP_RETRY_CHECK))
		return false;
	return c->vm->st->mmu_invalidate_in_progress ||
	       (injects(c, INJ_SEQ_ONE_BIT) ? changed & 1 : changed) != 0;
}

/* Asked under mmu_lock; f->result is the answer from before it was taken. */
static bool must_retry(const struct ctx *c, const struct l_fault *f)
{
	return injects(c, INJ_RETRY_BEFORE_LOCK) ? f->result : is_stale(c, f);
}

/*
 * Which way mmu_lock is taken: for reading from 6.2 on, and from 5.18 on by a write that lacks only the
 * right to a page of a logged slot [KVM v6.1 arch/arm64/kvm/mmu.c: user_mem_abort, use_read_lock].
 */
static bool takes_read_lock(const struct ctx *c, const struct l_fault *f)
{
	return c->rules->s2_fault_read_lock ||
	       (c->rules->s2_perm_read_lock && is_perm(f) && is_write(f) && f->goal == 0 &&
		slot_logs(&c->vm->slots[f->slot]));
}

/* f->goal: height at which the walk stopped; f->req: height to map; f->tries: force_pte */
PROC(user_mem_abort)
{
	BEGIN(l_fault);
	{
		bool force;

		f->req = (uint8_t)vma_height(c, f, &force);
		f->tries = force;
		f->gfn = geom_base(&c->vm->cfg->geom, f->gfn, f->req);
	}
	f->seq = c->vm->st->mmu_invalidate_seq;
	STEP("user_mem_abort:seq");
	if (!injects(c, INJ_UF_TEST_LATE))
		f->result = (int8_t)userfault_test(c, f->slot, f->gfn, is_write(f));
	if (f->result != 0)
		RETURN(f->result < 0 ? f->result : RET_PF_USER);
	STEP("user_mem_abort:userfault");
	CALL(P_gup, l_gup, .hva = memslot_hva(c->vm, f->slot, f->gfn), .write = is_write(f));
	if (c->me->ret < 0)
		RETURN(c->me->ret);
	{
		struct gup_page p = gup_take(c);

		f->pfn = p.pfn;
		f->map_writable = p.writable &&
				  (!(c->vm->slots[f->slot].flags & MEM_READONLY) ||
				   injects(c, INJ_RO_WRITABLE)) &&
				  (is_write(f) || !slot_logs(&c->vm->slots[f->slot]) ||
				   injects(c, INJ_READ_WRITABLE));
	}
	if (injects(c, INJ_UF_TEST_LATE) && userfault_test(c, f->slot, f->gfn, is_write(f)) == 1)
		RETURN(RET_PF_USER);
	if (injects(c, INJ_WRONG_FRAME))
		f->pfn = align_down_u64(f->pfn, geom_pages(&c->vm->cfg->geom, 1));
	f->result = injects(c, INJ_RETRY_BEFORE_LOCK) && is_stale(c, f);
	CALL_WITH(takes_read_lock(c, f) ? P_s2_fault_shared : P_s2_fault_exclusive, f);
	if (c->me->ret == 0 && f->map_writable && c->rules->s2_mark_after_unlock)
		mark_page_dirty(c, f->slot, f->gfn);
	RETURN(c->me->ret);
	END;
}

PROC(s2_fault_shared)
{
	BEGIN(l_fault);
	AWAIT(W_LOCK_R, OBJ_MMU_LOCK, 0);
	lock_take_read(c, OBJ_MMU_LOCK);
	CALL_WITH(P_s2_fault, f);
	if (c->me->ret == 0 && f->map_writable && !c->rules->s2_mark_after_unlock)
		mark_page_dirty(c, f->slot, f->gfn);
	lock_drop_read(c, OBJ_MMU_LOCK);
	RETURN(c->me->ret);
	END;
}

PROC(s2_fault_exclusive)
{
	BEGIN(l_fault);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL_WITH(P_s2_fault, f);
	if (c->me->ret == 0 && f->map_writable && !c->rules->s2_mark_after_unlock)
		mark_page_dirty(c, f->slot, f->gfn);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(c->me->ret);
	END;
}

static void start_op(struct ctx *c, const struct l_fault *f, enum s2_op_kind kind, uint64_t pages)
{
	struct s2_op *op = &c->vm->scratch[c->me_nr].s2;

	*op = s2_op_init(&c->vm->pt, kind, c->vm->st->roots[0].table,
			 (struct gfn_range){ f->gfn, f->gfn + pages });
	op->pfn = f->pfn;
	op->access = (uint8_t)(ACC_R | (f->map_writable ? ACC_W : 0) |
			       ((f->err & PFERR_FETCH) || c->rules->s2_dic ? ACC_X : 0));
	op->force_pte = f->tries && pages == 1;
	op->tlbi.level = S2_LEVEL_NONE;
}

/* The part under mmu_lock: retry check, size, relax or map.  0, -EAGAIN or -ENOMEM. */
PROC(s2_fault)
{
	BEGIN(l_fault);
	if (must_retry(c, f))
		RETURN(-EAGAIN);
	if (f->req == 0 && !f->tries) {
		if (is_perm(f) && f->goal > 0) {
			f->req = f->goal;
		} else {
			f->req = (uint8_t)thp_height(c, f);
			f->gfn = geom_base(&c->vm->cfg->geom, f->gfn, f->req);
			f->pfn = align_down_u64(f->pfn, geom_pages(&c->vm->cfg->geom, f->req));
		}
	}
	STEP("user_mem_abort:size");
	if (is_perm(f) && f->req == f->goal) {
		emit(c, &(struct event){ .kind = EV_S2_RELAX, .gfn = f->gfn, .n = 1 });
		start_op(c, f, S2_OP_RELAX, 1);
		CALL(P_s2_op, l_req, 0);
		f->result = (int8_t)(c->me->ret != 0);
		if (!injects(c, INJ_SKIP_RELAX_TLBI))
			CALL(P_s2_tlbi, l_tlbi,
			     .t = { .gfn = f->gfn,
				    .pages = 1,
				    .kind = c->rules->s2_relax_local ? S2_TLBI_IPA_NSH
								     : S2_TLBI_IPA,
				    .level = c->vm->scratch[c->me_nr].s2.tlbi.level });
		c->me->ret = f->result ? -EAGAIN : 0;
	} else {
		start_op(c, f, S2_OP_MAP, geom_pages(&c->vm->cfg->geom, f->req));
		emit(c, &(struct event){ .kind = EV_S2_MAP,
					 .gfn = f->gfn,
					 .n = geom_pages(&c->vm->cfg->geom, f->req),
					 .a = c->vm->scratch[c->me_nr].s2.access });
		CALL(P_s2_op, l_req, 0);
	}
	/* DSB ISHST [KVM v6.12 hyp/pgtable.c: kvm_pgtable_stage2_map; of a TLBI in tlb.c] */
	mem_barrier(c, MEM_MAP_DSB);
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	RETURN(c->me->ret);
	END;
}
