/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arm64: TLB invalidation primitives, range operations over the stage-2 table, commit actions
 * [KVM v6.1, v6.12 arch/arm64/kvm/mmu.c: stage2_apply_range, kvm_arch_flush_shadow_memslot,
 *  kvm_mmu_wp_memory_region, kvm_mmu_split_memory_region; hyp/{vhe,nvhe}/tlb.c].
 */
#include <errno.h>

#include "model/arm.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/userfault.h"
#include "model/vtlb.h"

const char tlbi_issue_label[] = "tlbi:issue";
const char tlbi_effect_label[] = "tlbi:stage2";

static void count_tlbi(struct ctx *c, const struct s2_tlbi *t)
{
	unsigned int singles = 0;

	switch ((enum s2_tlbi_kind)t->kind) {
	case S2_TLBI_NONE:
		break;
	case S2_TLBI_IPA:
		c->work.tlbi_ipa++;
		break;
	case S2_TLBI_IPA_NSH:
		c->work.tlbi_ipa_local++;
		break;
	case S2_TLBI_RANGE:
		c->work.tlbi_range +=
			s2_range_instructions(&c->vm->cfg->geom, t->gfn, t->pages, &singles);
		c->work.tlbi_ipa += singles;
		break;
	case S2_TLBI_VMID:
		c->work.tlbi_vmid++;
		break;
	}
}

/*
 * One primitive: stores visible, stage-2 invalidation, its completion, then stage-1 and combined
 * entries, completion.  A whole-VMID invalidation covers both at once.
 */
PROC(s2_tlbi)
{
	BEGIN(l_tlbi);
	if (injects(c, INJ_SKIP_TLBI))
		RETURN(0);
	emit(c, &(struct event){ .kind = EV_TLBI,
				 .gfn = f->t.gfn,
				 .n = f->t.pages,
				 .a = f->t.kind,
				 .level = f->t.level });
	c->work.dsb++;
	QUIET_STEP("tlbi:dsb_ishst");
	count_tlbi(c, &f->t);
	STEP(tlbi_issue_label);
	for (f->pe = 0; f->pe < c->vm->cfg->nr_vcpus; f->pe++) {
		if (f->t.kind == S2_TLBI_IPA_NSH && f->pe != c->me_nr)
			continue;
		if (!injects(c, INJ_TLBI_STAGE_1))
			vtlb_tlbi(c, f->pe, &f->t);
		STEP(tlbi_effect_label);
	}
	c->work.dsb++;
	if (f->t.kind != S2_TLBI_VMID) {
		QUIET_STEP("tlbi:complete2");
		c->work.tlbi_stage1++;
		QUIET_STEP("tlbi:stage1");
		c->work.dsb++;
	}
	STEP("tlbi:complete");
	RETURN(0);
	END;
}

/* The TLBI that an operation asks for is one that it gets. */
static bool wants_tlbi(const struct ctx *c, const struct s2_op *op)
{
	if (injects(c, INJ_SKIP_TABLE_TLBI) && op->kind == S2_OP_UNMAP && op->held)
		return false; /* it holds the table that it is about to free */
	return !injects(c, INJ_TLBI_FIRST);
}

/* Carries the actor's operation on to its end; -EAGAIN, -ENOMEM or 0. */
PROC(s2_op)
{
	BEGIN(l_req);
	if (injects(c, INJ_TLBI_FIRST))
		CALL(P_s2_tlbi, l_tlbi, .t = { .kind = S2_TLBI_VMID, .level = S2_LEVEL_NONE });
	for (;;) {
		{
			struct s2_cfg cfg = vm_s2_cfg(c->vm);

			f->req = s2_op_run(&c->vm->pt, &cfg, &c->vm->scratch[c->me_nr].s2,
					   c->vm->cfg->walk_budget, &c->work);
		}
		STEP("s2_op:entry");
		if (f->req == S2_TLBI && wants_tlbi(c, &c->vm->scratch[c->me_nr].s2))
			CALL(P_s2_tlbi, l_tlbi, .t = c->vm->scratch[c->me_nr].s2.tlbi);
		if (f->req != S2_TLBI && f->req != S2_STEP && f->req != S2_BUDGET)
			break;
	}
	if (c->vm->scratch[c->me_nr].s2.deferred) {
		uint32_t *list = &c->vm->scratch[c->me_nr].s2.deferred;

		if (c->rules->s2_locked_marker) {
			uint32_t last = *list;

			while (c->vm->pt.meta[last].link)
				last = c->vm->pt.meta[last].link;
			c->vm->pt.meta[last].link = c->vm->st->deferred;
			c->vm->st->deferred = *list;
			*list = 0;
		} else {
			pt_free_list(&c->vm->pt, list, &c->work);
		}
	}
	RETURN(f->req == S2_AGAIN ? -EAGAIN : f->req == S2_NEED_TABLE ? -ENOMEM : 0);
	END;
}

/* Whole VMID: what kvm_flush_remote_tlbs() is on arm64. */
PROC(s2_flush_vmid)
{
	BEGIN(l_range);
	emit(c, &(struct event){ .kind = EV_CALL, .name = CALL_FLUSH_REMOTE_TLBS });
	c->stats.remote_tlb_flush_requests++;
	c->stats.remote_tlb_flush +=
		c->rules->s2_range_ops; /* from 6.6 on a flush of its own counts */
	c->work.flush_request++;
	CALL(P_s2_tlbi, l_tlbi, .t = { .kind = S2_TLBI_VMID, .level = S2_LEVEL_NONE });
	RETURN(0);
	END;
}

/* A memslot's translations: its range (6.6 and later) or the whole VMID. */
PROC(s2_flush_memslot)
{
	BEGIN(l_range);
	if (f->flag ? c->rules->trace_memslot_flush_log : c->rules->trace_memslot_flush)
		emit(c, &(struct event){ .kind = EV_CALL, .name = CALL_FLUSH_REMOTE_TLBS_MEMSLOT });
	if (!c->rules->s2_range_ops || !c->rules->s2_tlb_range) {
		CALL(P_s2_flush_vmid, l_range, 0);
		RETURN(0);
	}
	f->start = c->vm->slots[f->slot].base_gfn;
	f->end = f->start + c->vm->slots[f->slot].npages;
	while (f->start < f->end) {
		f->n = min_u64(f->end - f->start, S2_RANGE_PAGES_MAX);
		f->start += f->n;
		CALL(P_s2_tlbi, l_tlbi,
		     .t = { .kind = S2_TLBI_RANGE,
			    .gfn = f->start - f->n,
			    .pages = f->n,
			    .level = S2_LEVEL_NONE });
	}
	RETURN(0);
	END;
}

/* End of the piece that starts at @gfn: ranges are cut at multiples of the largest block. */
static gfn_t piece_end(const struct vm *vm, gfn_t gfn, gfn_t end)
{
	unsigned int h = vm->cfg->geom.page_shift == 12 ? 2 : 1;
	uint64_t size = geom_pages(&vm->cfg->geom, h);

	return min_u64(end, align_down_u64(gfn + size, size));
}

static void op_start(struct ctx *c, enum s2_op_kind kind, gfn_t start, gfn_t end)
{
	c->vm->scratch[c->me_nr].s2 =
		s2_op_init(&c->vm->pt, kind, vm_s2_root(c->vm), (struct gfn_range){ start, end });
}

static void emit_range(struct ctx *c, enum event_kind kind, gfn_t gfn, gfn_t end)
{
	emit(c, &(struct event){ .kind = (uint8_t)kind, .gfn = gfn, .n = end - gfn });
}

/* Unmaps [start, end); mmu_lock is held for write.  Return: something was mapped. */
PROC(s2_unmap_range)
{
	BEGIN(l_range);
	while (f->start < f->end) {
		{
			gfn_t to = piece_end(c->vm, f->start, f->end);

			emit_range(c, EV_S2_UNMAP, f->start, to);
			op_start(c, S2_OP_UNMAP, f->start, to);
			c->vm->scratch[c->me_nr].s2.defer = c->rules->s2_range_ops &&
							    c->rules->s2_tlb_range &&
							    c->rules->s2_fwb;
			f->start = to;
		}
		CALL(P_s2_op, l_req, 0);
		f->hit |= c->vm->scratch[c->me_nr].s2.hit;
		if (f->start < f->end && lock_is_contended(c->vm, OBJ_MMU_LOCK))
			CALL(P_yield_mmu_lock, l_req, 0);
	}
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	RETURN(f->hit);
	END;
}

/* Return: a leaf was changed. */
PROC(s2_wrprotect_range)
{
	BEGIN(l_range);
	while (f->start < f->end) {
		{
			gfn_t to = piece_end(c->vm, f->start, f->end);

			emit_range(c, EV_S2_WRPROTECT, f->start, to);
			op_start(c, S2_OP_WRPROT, f->start, to);
			f->start = to;
		}
		CALL(P_s2_op, l_req, 0);
		f->hit |= c->vm->scratch[c->me_nr].s2.hit;
		if (f->start < f->end && lock_is_contended(c->vm, OBJ_MMU_LOCK))
			CALL(P_yield_mmu_lock, l_req, 0);
	}
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	RETURN(f->hit);
	END;
}

/* f->flag 2: only test.  6.1 looks at the first leaf of the range only. */
PROC(s2_age_range)
{
	BEGIN(l_range);
	op_start(c, f->flag == 2 ? S2_OP_TEST_AGE : S2_OP_AGE, f->start,
		 c->rules->s2_age_one ? f->start + 1 : f->end);
	CALL(P_s2_op, l_req, 0);
	f->hit = c->vm->scratch[c->me_nr].s2.hit;
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	RETURN(f->hit);
	END;
}

/*
 * change_pte (6.1): maps the host's new page read-only, one page, without a table cache: nothing is
 * installed where the last-level table is missing, although the map is attempted.
 */
PROC(s2_change_pte)
{
	BEGIN(l_range);
	while ((f->slot = memslots_next_by_hva(
			c->vm, 0, f->slot, (struct gfn_range){ f->start, f->start + 1 })) != 0) {
		f->n = c->vm->slots[f->slot].base_gfn +
		       ((f->start - c->vm->slots[f->slot].hva) >> c->vm->cfg->geom.page_shift);
		AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
		lock_take_write(c, OBJ_MMU_LOCK);
		emit(c, &(struct event){ .kind = EV_S2_MAP, .gfn = f->n, .n = 1, .a = ACC_R });
		if (pt_lookup(&c->vm->pt, vm_s2_root(c->vm), f->n).height == 0) {
			op_start(c, S2_OP_MAP, f->n, f->n + 1);
			c->vm->scratch[c->me_nr].s2.pfn = hostmm_view(c->vm, f->start).pfn;
			c->vm->scratch[c->me_nr].s2.access = ACC_R;
			CALL(P_s2_op, l_req, 0);
			c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
		}
		lock_drop_write(c, OBJ_MMU_LOCK);
		STEP("change_pte:done");
	}
	RETURN(0);
	END;
}

PROC(s2_flush_slot)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_s2_unmap_range, l_range, .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

PROC(act_s2_wrprot)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_s2_wrprotect_range, l_range, .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	f->hit = c->me->ret > 0;
	lock_drop_write(c, OBJ_MMU_LOCK);
	QUIET_STEP("wp_memory_region:unlock");
	if (!injects(c, INJ_SKIP_ENABLE_FLUSH) && (c->rules->log_flush == DL_UPSTREAM || f->hit))
		CALL(P_s2_flush_memslot, l_range, .slot = f->slot);
	RETURN(0);
	END;
}

/*
 * Tables that splitting a chunk may need: one for each block of any size above the smallest
 * [KVM v6.12 arch/arm64/kvm/mmu.c: kvm_mmu_split_nr_page_tables].
 */
static uint32_t split_capacity(const struct vm_cfg *cfg)
{
	uint64_t n = 0;

	for (unsigned int h = 1; h <= MIN(cfg->geom.max_leaf_height, 2U); h++)
		n += (cfg->chunk_pages + geom_pages(&cfg->geom, h) - 1) / geom_pages(&cfg->geom, h);
	return (uint32_t)n;
}

/*
 * Chunk by chunk; a chunk whose tables cannot be had ends the work without an error.  The tables come from
 * a cache of the VM, which is filled without the lock; what a chunk leaves stays there
 * [KVM v6.12 arch/arm64/kvm/mmu.c: kvm_mmu_split_huge_pages].
 */
PROC(s2_split_range)
{
	BEGIN(l_range);
	while (f->start < f->end) {
		if (c->vm->st->split_cache < split_capacity(c->vm->cfg)) {
			lock_drop_write(c, OBJ_MMU_LOCK);
			STEP("split_huge_pages:topup");
			c->vm->st->split_cache = split_capacity(c->vm->cfg);
			AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
			lock_take_write(c, OBJ_MMU_LOCK);
		}
		f->n = c->vm->pt.head->nr_live;
		{
			uint64_t chunk = c->vm->cfg->chunk_pages;
			gfn_t to = min_u64(f->end, align_down_u64(f->start + chunk, chunk));

			emit_range(c, EV_S2_SPLIT, f->start, to);
			op_start(c, S2_OP_SPLIT, f->start, to);
			c->vm->scratch[c->me_nr].s2.whole =
				(uint8_t)s2_split_whole(&c->vm->cfg->geom, chunk);
			f->start = to;
		}
		CALL(P_s2_op, l_req, 0);
		c->vm->st->split_cache -= (uint32_t)(c->vm->pt.head->nr_live - f->n);
		if (c->me->ret < 0)
			break;
		if (f->start < f->end && lock_is_contended(c->vm, OBJ_MMU_LOCK))
			CALL(P_yield_mmu_lock, l_req, 0);
	}
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	RETURN(0);
	END;
}

PROC(act_s2_split)
{
	BEGIN(l_range);
	if (!c->vm->cfg->chunk_pages)
		RETURN(0);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_s2_split_range, l_range, .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/*
 * What one block in place of a table of pages would map: every page there leads to its part of the
 * host's huge page.  It gets the rights that all of them have.  False: not possible.
 */
static bool block_for(const struct vm *vm, uint32_t slot, gfn_t gfn, struct s2_op *op)
{
	const struct pt *pt = &vm->pt;
	struct host_view v = hostmm_view(vm, memslot_hva(vm, slot, gfn));
	struct pt_pos p = pt_lookup(pt, vm_s2_root(vm), gfn);

	if (p.height > 0 || !v.present || v.height < 1 ||
	    memslot_max_height(vm, slot, gfn, 1) < 1 ||
	    userfault_max_height(vm, slot, gfn, 1) < 1 || (gfn & (geom_pages(&pt->geom, 1) - 1)))
		return false;
	op->pfn = align_down_u64(v.pfn, geom_pages(&pt->geom, 1));
	op->access = ACC_RWX;
	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, p.table, i);

		if (!pte_is_leaf(pt->fmt, e, 0) || pte_pfn(pt->fmt, e) != op->pfn + i)
			return false;
		op->access &= (uint8_t)s2_access(e);
	}
	return true;
}

/*
 * Hypothetical: what x86 calls recovery.  KVM on arm64 leaves the tables, and merges one when a fault
 * happens to want the block [arch/arm64/kvm/hyp/pgtable.c: stage2_map_walk_table_pre].
 */
PROC(s2_collapse_slot)
{
	BEGIN(l_range);
	if (c->vm->slots[f->slot].flags & MEM_LOG_DIRTY_PAGES ||
	    ((c->vm->slots[f->slot].flags & MEM_USERFAULT) &&
	     c->rules->uf_size != UF_SIZE_IF_CLEAR))
		RETURN(0);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	f->start = c->vm->slots[f->slot].base_gfn;
	f->end = f->start + c->vm->slots[f->slot].npages;
	f->n = geom_pages(&c->vm->cfg->geom, 1);
	for (f->start = align_down_u64(f->start + f->n - 1, f->n); f->start < f->end;
	     f->start += f->n) {
		op_start(c, S2_OP_MAP, f->start, f->start + f->n);
		if (block_for(c->vm, f->slot, f->start, &c->vm->scratch[c->me_nr].s2)) {
			emit(c, &(struct event){ .kind = EV_S2_MAP,
						 .gfn = f->start,
						 .n = f->n,
						 .a = c->vm->scratch[c->me_nr].s2.access });
			CALL(P_s2_op, l_req, 0);
		}
	}
	c->vm->scratch[c->me_nr].s2 = (struct s2_op){ 0 };
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

PROC(act_s2_cache)
{
	BEGIN(l_range);
	c->vm->st->split_cache = 0;
	RETURN(0);
	END;
}

/*
 * Re-arms logging for the span of a mask (f->n) from gfn f->start; mmu_lock is held for write.
 * Return: a leaf was changed.
 */
PROC(s2_log_masked)
{
	BEGIN(l_range);
	{
		unsigned int lo = (unsigned int)__builtin_ctzll(f->n);
		unsigned int hi = 63U - (unsigned int)__builtin_clzll(f->n);

		f->end = f->start + hi + 1;
		f->start += lo;
	}
	CALL(P_s2_wrprotect_range, l_range, .start = f->start, .end = f->end);
	f->hit = c->me->ret > 0;
	if (c->vm->cfg->manual == 3 && c->vm->cfg->chunk_pages)
		CALL(P_s2_split_range, l_range, .start = f->start, .end = f->end);
	RETURN(f->hit);
	END;
}
