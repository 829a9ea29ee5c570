/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x86 page fault for direct roots: MMIO, fast path, host page, then the map under mmu_lock
 * [KVM v6.1, v6.12 arch/x86/kvm/mmu/mmu.c: kvm_mmu_page_fault, direct_page_fault, fast_page_fault;
 *  tdp_mmu.c: kvm_tdp_mmu_map].
 */
#include <errno.h>

#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/track.h"
#include "model/userfault.h"
#include "model/x86.h"

enum {
	FAST_TRIES = 5, /* the first and four retries */
};

static bool is_write(const struct l_fault *f)
{
	return (f->err & PFERR_WRITE) != 0;
}

static void cache_mmio(struct ctx *c, gfn_t gfn)
{
	struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];
	uint64_t gen = memslots_generation(c->vm, vcpu->as_id);

	if (gen & MEMSLOT_GEN_UPDATE_IN_PROGRESS)
		return;
	vcpu->mmio_valid = 1;
	vcpu->mmio_gfn = gfn;
	vcpu->mmio_gen = gen;
}

static uint32_t vcpu_root_table(const struct ctx *c)
{
	return c->vm->st->roots[c->vm->vcpus[c->me_nr].root - 1].table;
}

/* What makes MMIO of an earlier set of slots invalid; all its low bits but one count. */
static bool same_generation(const struct ctx *c, uint64_t a, uint64_t b)
{
	return a == b || (injects(c, INJ_GENERATION_CUT) && !((a ^ b) & 1));
}

static void note_mmio(struct ctx *c, gfn_t gfn, uint64_t of, uint64_t now)
{
	note(c, &(struct note){ .kind = NOTE_MMIO, .gfn = gfn, .n = of, .pfn = now });
}

/* A reserved-bit fault: an MMIO SPTE of the current generation is emulated at once. */
static enum ret_pf handle_mmio_page_fault(struct ctx *c, gfn_t gfn)
{
	const struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	uint64_t gen = memslots_generation(c->vm, vcpu->as_id);
	pte_t e;

	/* gfn 0 counts as nothing cached */
	if (vcpu->mmio_valid && gfn && vcpu->mmio_gfn == gfn &&
	    same_generation(c, vcpu->mmio_gen, gen)) {
		note_mmio(c, gfn, vcpu->mmio_gen, gen);
		return RET_PF_EMULATE;
	}
	e = pt_lookup(&c->vm->pt, vcpu_root_table(c), gfn).value;
	if (!spte_is_mmio(fmt, e))
		return RET_PF_RETRY;
	if ((gen & MEMSLOT_GEN_UPDATE_IN_PROGRESS) ||
	    !same_generation(c, spte_mmio_gen(fmt, e), spte_mmio_gen_of(fmt, gen)))
		return RET_PF_INVALID;
	note_mmio(c, gfn, spte_mmio_gen(fmt, e), spte_mmio_gen_of(fmt, gen));
	emit(c, &(struct event){ .kind = EV_HANDLE_MMIO, .gfn = gfn });
	cache_mmio(c, gfn);
	return RET_PF_EMULATE;
}

/* Fast path: fault on a present entry by a write, or on a not-present one without A/D flags. */
static bool can_be_fast(const struct ctx *c, const struct l_fault *f)
{
	if ((f->err & PFERR_RSVD) || f->gfn >= geom_limit(&c->vm->cfg->geom))
		return false;
	if (!(f->err & PFERR_PRESENT))
		return !vm_x86_fmt(c->vm)->accessed;
	return is_write(f);
}

static bool spte_allows(const struct x86_fmt *fmt, pte_t e, uint8_t err)
{
	if (err & PFERR_FETCH)
		return spte_is_executable(fmt, e);
	return (err & PFERR_WRITE) ? spte_is_writable(fmt, e) : spte_is_readable(fmt, e);
}

/* The value that the fast path would store; equal to @old when it declines. */
static pte_t fast_value(const struct ctx *c, const struct l_fault *f, pte_t old,
			unsigned int height)
{
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	pte_t e = old;

	if (spte_is_access_tracked(fmt, old))
		e = spte_restore_access_tracked(fmt, old);
	if (is_write(f) && (old.v & fmt->mmu_writable)) {
		if (height > 0 && f->slot && memslot_is_logging(&c->vm->slots[f->slot]))
			return old; /* the slow path must split */
		e.v |= fmt->w;
	}
	return spte_allows(fmt, e, f->err) ? e : old;
}

/* What was read would be made writable. */
static bool grants_write(const struct ctx *c, const struct l_fault *f)
{
	return pte_is_leaf(c->vm->pt.fmt, f->old, f->goal) &&
	       (fast_value(c, f, f->old, f->goal).v & ~f->old.v & vm_x86_fmt(c->vm)->w);
}

PROC(fast_page_fault)
{
	BEGIN(l_fault);
	rcu_enter(c);
	f->result = RET_PF_INVALID;
	for (f->tries = 0; f->tries < FAST_TRIES; f->tries++) {
		{
			struct pt_pos p = pt_lookup(&c->vm->pt, vcpu_root_table(c), f->gfn);

			c->work.pte_read += geom_root_height(&c->vm->cfg->geom) - p.height + 1U;
			f->table = p.table;
			f->index = p.index;
			f->goal = p.height;
			f->old = p.value;
		}
		if (injects(c, INJ_FAST_MARK_EARLY) && f->slot && grants_write(c, f))
			mark_page_dirty(c, f->slot, f->gfn);
		STEP("fast_page_fault:read");
		if (c->vm->pt.meta[f->table].state == PT_FREE)
			note(c, &(struct note){ .kind = NOTE_WARN,
						.gfn = f->gfn,
						.what = "a lockless walk stands in a freed table "
							"page" });
		if (!pte_is_leaf(c->vm->pt.fmt, f->old, f->goal))
			break;
		if (spte_allows(vm_x86_fmt(c->vm), f->old, f->err)) {
			f->result = RET_PF_SPURIOUS;
			break;
		}
		{
			pte_t e = fast_value(c, f, f->old, f->goal);

			if (pte_eq(e, f->old))
				break;
			if (!entry_is(c, f->table, f->index, f->old) &&
			    !injects(c, INJ_FAST_PLAIN_STORE))
				continue;
			pt_set_quiet(c, f->table, f->index, e);
			f->result = RET_PF_FIXED;
			f->map_writable = (uint8_t)((e.v & ~f->old.v & vm_x86_fmt(c->vm)->w) != 0);
		}
		STEP("fast_page_fault:fixed");
		if (f->map_writable && f->slot && !injects(c, INJ_FAST_MARK_EARLY))
			mark_page_dirty(c, f->slot, f->gfn);
		break;
	}
	emit(c, &(struct event){ .kind = EV_FAST_PAGE_FAULT,
				 .vcpu = c->me_nr,
				 .gfn = f->gfn,
				 .height = f->goal,
				 .old = f->old,
				 .new_value = *pt_entry(&c->vm->pt, f->table, f->index),
				 .a = f->result == RET_PF_FIXED      ? 1
				      : f->result == RET_PF_SPURIOUS ? 2
								     : 0 });
	rcu_exit(c);
	c->stats.pf_fast += f->result != RET_PF_INVALID;
	RETURN(f->result);
	END;
}

/* Offsets in the file that do not fit a huge page. */
static bool gmem_is_misaligned(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &vm->slots[slot];

	return s->gmem && gmem_is_private(vm, gfn) &&
	       ((s->base_gfn ^ s->gmem_page) & (geom_pages(&vm->cfg->geom, 1) - 1)) != 0;
}

unsigned int max_mapping_height(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	unsigned int h = memslot_max_height(vm, slot, gfn, vm->cfg->geom.max_leaf_height);
	struct host_view v = hostmm_view(vm, memslot_backing(vm, slot, gfn));

	if (gmem_is_misaligned(vm, slot, gfn))
		return 0;
	h = userfault_max_height(vm, slot, gfn, h);
	return v.present && v.height < h ? v.height : v.present ? h : 0;
}

/* kvm_mmu_hugepage_adjust(): the height to map at, and the frame rounded to it. */
static void hugepage_adjust(const struct ctx *c, struct l_fault *f)
{
	const struct memslot *s = &c->vm->slots[f->slot];

	f->huge_disallowed = (f->err & PFERR_FETCH) && c->vm->cfg->nx_huge_pages;
	f->goal = f->req = 0;
	if (injects(c, INJ_WRONG_FRAME))
		f->pfn = align_down_u64(f->pfn, geom_pages(&c->vm->cfg->geom, 1));
	if (!f->slot || f->max_height == 0 ||
	    (memslot_is_logging(s) && !injects(c, INJ_HUGE_LOGGED)))
		return;
	if ((s->flags & MEM_USERFAULT) && c->rules->uf_size == UF_SIZE_ADJUST)
		return;
	f->req = (uint8_t)max_mapping_height(c->vm, f->slot, f->gfn);
	if (f->huge_disallowed)
		return;
	f->goal = f->req;
	f->pfn = align_down_u64(f->pfn, geom_pages(&c->vm->cfg->geom, f->goal));
}

/* Root gone or an invalidation since the snapshot [is_page_fault_stale, mmu_invalidate_retry]. */
static bool is_stale(const struct ctx *c, const struct l_fault *f)
{
	const struct vm_state *st = c->vm->st;
	uint64_t at;

	if (st->roots[c->vm->vcpus[c->me_nr].root - 1].invalid && !injects(c, INJ_STALE_ROOT))
		return true;
	if (!f->slot || injects(c, INJ_SKIP_RETRY_CHECK))
		return false;
	at = c->rules->retry_by_hva ? memslot_hva(c->vm, f->slot, f->gfn) : f->gfn;
	if (st->mmu_invalidate_in_progress && at >= st->inv_start && at < st->inv_end)
		return true;
	if (injects(c, INJ_SEQ_ONE_BIT))
		return (st->mmu_invalidate_seq ^ f->seq) & 1;
	return st->mmu_invalidate_seq != f->seq;
}

/* Asked under mmu_lock; @before is the answer from before it was taken. */
static bool must_retry(const struct ctx *c, const struct l_fault *f, bool before)
{
	return injects(c, INJ_RETRY_BEFORE_LOCK) ? before : is_stale(c, f);
}

static void count_result(struct ctx *c, const struct l_fault *f, int r)
{
	if ((f->err & PFERR_PREFETCH) && r != RET_PF_FIXED)
		return; /* nobody was held up */
	c->stats.pf_fixed += r == RET_PF_FIXED;
	c->stats.pf_emulate += r == RET_PF_EMULATE || r == RET_PF_WRITE_PROTECTED;
	c->stats.pf_spurious += r == RET_PF_SPURIOUS;
}

/* Host page of the fault: RET_PF_CONTINUE with f->pfn, or the end of the fault (or -errno). */
PROC(x86_faultin)
{
	BEGIN(l_fault);
	if (((f->err & PFERR_PRIVATE) != 0) != gmem_is_private(c->vm, f->gfn))
		RETURN(RET_PF_MEMORY_FAULT); /* the attribute has changed since the fault began */
	STEP("faultin:userfault");
	if (!injects(c, INJ_UF_TEST_LATE)) {
		int bit = userfault_test(c, f->slot, f->gfn, is_write(f));

		if (bit != 0)
			RETURN(bit < 0                    ? bit
			       : (f->err & PFERR_PRIVATE) ? RET_PF_USER_PRIVATE
							  : RET_PF_USER);
	}
	if (f->err & PFERR_PRIVATE)
		RETURN(gmem_get_page(c, f->slot, f->gfn) ? RET_PF_MEMORY_FAULT : RET_PF_CONTINUE);
	if (is_write(f) && (c->vm->slots[f->slot].flags & MEM_READONLY))
		RETURN(RET_PF_EMULATE);
	CALL(P_gup, l_gup, .hva = memslot_hva(c->vm, f->slot, f->gfn), .write = is_write(f));
	if (c->me->ret == 0 && injects(c, INJ_UF_TEST_LATE) &&
	    userfault_test(c, f->slot, f->gfn, is_write(f)) == 1) {
		(void)gup_take(c);
		RETURN(RET_PF_USER);
	}
	RETURN(c->me->ret < 0 ? c->me->ret : RET_PF_CONTINUE);
	END;
}

static void emit_fault(struct ctx *c, const struct l_fault *f)
{
	if ((f->err & PFERR_RSVD) && !c->rules->mmio_fault_traced)
		return;
	emit(c, &(struct event){
			.kind = EV_PAGE_FAULT, .vcpu = c->me_nr, .gfn = f->gfn, .a = f->err });
}

/* A write that the table forbids, to a tracked page [mmu.c: page_fault_handle_page_track]. */
static bool hits_tracked(const struct ctx *c, const struct l_fault *f)
{
	return (f->err & (PFERR_PRESENT | PFERR_RSVD)) == PFERR_PRESENT && is_write(f) &&
	       track_is_active(c->vm, f->gfn);
}

PROC(x86_page_fault)
{
	BEGIN(l_fault);
	if (!(f->err & PFERR_PREFETCH))
		emit_fault(c, f);
	if (f->err & PFERR_RSVD) {
		f->result = (int8_t)handle_mmio_page_fault(c, f->gfn);
		if (f->result != RET_PF_INVALID)
			RETURN(f->result);
		if (c->rules->mmio_fault_is_read)
			f->err = PFERR_RSVD;
	}
	c->stats.pf_taken += !(f->err & PFERR_PREFETCH);
	c->work.fault_dispatch++;
	c->work.slot_lookup++;
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (f->slot && (c->vm->slots[f->slot].flags & MEMSLOT_INVALID) &&
	    injects(c, INJ_INVALID_IS_MMIO))
		f->slot = 0;
	f->max_height = c->vm->cfg->geom.max_leaf_height;
	if (gmem_is_private(c->vm, f->gfn))
		f->err |= PFERR_PRIVATE;
	STEP("page_fault:slot");
	if (hits_tracked(c, f)) {
		count_result(c, f, RET_PF_WRITE_PROTECTED);
		RETURN(RET_PF_WRITE_PROTECTED);
	}
	if (can_be_fast(c, f)) {
		CALL_WITH(P_fast_page_fault, f);
		count_result(c, f, c->me->ret);
		if (c->me->ret != RET_PF_INVALID)
			RETURN(c->me->ret);
	}
	f->seq = c->vm->st->mmu_invalidate_seq;
	STEP("page_fault:seq");
	if (!f->slot) {
		cache_mmio(c, f->gfn);
		if (gfn_to_gpa(&c->vm->cfg->geom, f->gfn) >> c->rules->gpa_bits) {
			count_result(c, f, RET_PF_EMULATE);
			RETURN(RET_PF_EMULATE);
		}
	} else if ((c->vm->slots[f->slot].flags & MEMSLOT_INVALID) &&
		   !injects(c, INJ_MAP_INVALID_SLOT)) {
		if ((f->err & PFERR_PREFETCH) && c->rules->prefault >= PREFAULT_EAGAIN)
			RETURN(-EAGAIN);
		RETURN(RET_PF_RETRY);
	} else {
		CALL_WITH(P_x86_faultin, f);
		count_result(c, f, c->me->ret);
		if (c->me->ret != RET_PF_CONTINUE)
			RETURN(c->me->ret);
		{
			struct gup_page p = gup_take(c);

			f->pfn = p.pfn;
			f->map_writable =
				p.writable && (!(c->vm->slots[f->slot].flags & MEM_READONLY) ||
					       injects(c, INJ_RO_WRITABLE));
		}
		if ((c->vm->slots[f->slot].flags & MEM_USERFAULT) &&
		    c->rules->uf_size == UF_SIZE_FAULTIN)
			f->max_height = 0;
	}
	CALL_WITH(c->rules->tdp_mmu ? P_tdp_fault : P_legacy_fault, f);
	count_result(c, f, c->me->ret);
	RETURN(c->me->ret);
	END;
}

/* What is left of the range behind the page or block that was mapped. */
static gfn_t behind_mapped(const struct ctx *c, gfn_t gfn)
{
	struct pt_pos p = pt_lookup(&c->vm->pt, vcpu_root_table(c), gfn);

	return geom_base(&c->vm->cfg->geom, gfn, p.height) +
	       geom_pages(&c->vm->cfg->geom, p.height);
}

static int prefault_error(int r)
{
	switch (r) {
	case RET_PF_EMULATE:
		return -ENOENT;
	case RET_PF_USER:
	case RET_PF_USER_PRIVATE:
	case RET_PF_MEMORY_FAULT:
		return -EFAULT;
	default:
		return r < 0 ? r : 0;
	}
}

/* A root that is not obsolete [kvm_mmu_reload]. */
PROC(reload_root)
{
	BEGIN(l_req);
	if (c->vm->vcpus[c->me_nr].requests & REQ_MMU_FREE_OBSOLETE_ROOTS) {
		c->vm->vcpus[c->me_nr].requests &= ~(uint32_t)REQ_MMU_FREE_OBSOLETE_ROOTS;
		CALL(P_free_obsolete_root, l_req, 0);
	}
	if (!c->vm->vcpus[c->me_nr].root)
		CALL(P_load_root, l_req, 0);
	RETURN(0);
	END;
}

/*
 * KVM_PRE_FAULT_MEMORY, by the vCPU's thread: pages are mapped as read faults would, in one SRCU section and
 * with the root that stands at a page's first try.  It succeeds if it has mapped anything
 * [v6.12 virt/kvm/kvm_main.c: kvm_vcpu_pre_fault_memory; mmu.c: kvm_arch_vcpu_pre_fault_memory, kvm_tdp_map_page].
 * SIMPLIFIED: the root is looked at as from 6.15 on; before that one that was invalidated earlier stayed.
 */
PROC(prefault)
{
	BEGIN(l_prefault);
	if (c->rules->prefault == PREFAULT_NONE || !c->rules->tdp_mmu)
		RETURN(c->rules->prefault == PREFAULT_NONE ? -ENOTTY : -EOPNOTSUPP);
	srcu_enter(c);
	while (f->gfn < f->end) {
		f->tried = 0;
		do {
			if (!f->tried || c->rules->prefault == PREFAULT_RELOAD)
				CALL(P_reload_root, l_req, 0);
			f->tried = 1;
			STEP("prefault:try");
			CALL(P_x86_page_fault, l_fault, .gfn = f->gfn, .err = PFERR_PREFETCH);
		} while (c->me->ret == RET_PF_RETRY);
		f->err = prefault_error(c->me->ret);
		if (f->err)
			break;
		f->gfn = behind_mapped(c, f->gfn);
		STEP("prefault:mapped");
	}
	srcu_exit(c);
	RETURN(f->gfn > f->first ? 0 : f->err);
	END;
}

/* The part under mmu_lock, for read: stale check, level, map. */
PROC(tdp_fault)
{
	BEGIN(l_fault);
	f->tries = injects(c, INJ_RETRY_BEFORE_LOCK) && is_stale(c, f);
	AWAIT(W_LOCK_R, OBJ_MMU_LOCK, 0);
	lock_take_read(c, OBJ_MMU_LOCK);
	f->result = RET_PF_RETRY;
	if (!must_retry(c, f, f->tries)) {
		hugepage_adjust(c, f);
		emit(c, &(struct event){
				.kind = EV_SPTE_REQUESTED, .gfn = f->gfn, .height = f->goal });
		STEP("tdp_fault:checked");
		rcu_enter(c);
		CALL_WITH(P_tdp_map, f);
		rcu_exit(c);
		f->result = (int8_t)c->me->ret;
	}
	lock_drop_read(c, OBJ_MMU_LOCK);
	RETURN(f->result);
	END;
}

/* The same for the legacy MMU, for write. */
PROC(legacy_fault)
{
	BEGIN(l_fault);
	f->tries = injects(c, INJ_RETRY_BEFORE_LOCK) && is_stale(c, f);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_legacy_make_available, l_range, 0);
	f->result = RET_PF_RETRY;
	if (!must_retry(c, f, f->tries)) {
		hugepage_adjust(c, f);
		emit(c, &(struct event){
				.kind = EV_SPTE_REQUESTED, .gfn = f->gfn, .height = f->goal });
		STEP("legacy_fault:checked");
		CALL_WITH(P_direct_map, f);
		f->result = (int8_t)c->me->ret;
	}
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(f->result);
	END;
}

pte_t make_spte(struct ctx *c, const struct l_fault *f, gfn_t gfn, unsigned int height, pte_t old,
		bool prefetch)
{
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	bool nx = height > 0 && c->vm->cfg->nx_huge_pages;
	/* mmu_try_to_unsync_pages() forbids it for tracked pages */
	bool writable = f->map_writable &&
			(!track_is_active(c->vm, gfn) || injects(c, INJ_SKIP_TRACK_CHECK));
	struct spte_parts p = {
		.pfn = f->pfn + (gfn - geom_base(&c->vm->cfg->geom, gfn, height)),
		.access = nx ? ACC_R : ACC_R | ACC_X,
		.accessed = !prefetch,
		.ad = fmt->accessed ? X86_AD_ENABLED : X86_AD_DISABLED,
		.host_writable = f->map_writable,
		.mmu_writable = writable && !injects(c, INJ_W_ALONE),
	};
	pte_t e;

	p.pfn = align_down_u64(p.pfn, geom_pages(&c->vm->cfg->geom, height));
	if (writable) {
		/* a writable old value counts as made ready before, and skips setting D */
		bool shortcut = c->rules->dirty_shortcut && spte_is_writable(fmt, old) &&
				(height == 0 || (old.v & fmt->large));

		p.access |= ACC_W;
		p.dirty = !shortcut;
	}
	e = spte_make_leaf(fmt, height, &p);
	if (prefetch && !fmt->accessed)
		e = spte_mark_access_tracked(fmt, e);
	if (spte_is_writable(fmt, e))
		mark_page_dirty(c, f->slot, gfn);
	return e;
}

bool is_write_protected(const struct ctx *c, const struct l_fault *f)
{
	return is_write(f) && f->slot && track_is_active(c->vm, f->gfn);
}

bool spte_change_flushes(const struct x86_fmt *fmt, enum flush_rule rule, pte_t old, pte_t now)
{
	bool was = (old.v & fmt->mmu_writable) != 0;

	switch (rule) {
	case FL_NONE:
		return false;
	case FL_W:
		return was && !spte_is_writable(fmt, now);
	case FL_MMUW:
		return was && !(now.v & fmt->mmu_writable);
	case FL_W_CLEARED:
		return spte_is_writable(fmt, old) && !spte_is_writable(fmt, now);
	}
	return false;
}

bool nx_keeps_table(const struct vm *vm, pte_t e, unsigned int height)
{
	const struct pt *pt = &vm->pt;

	return vm->cfg->nx_huge_pages && pte_is_table(pt->fmt, e, height) &&
	       (vm->cfg->rules.nx_any_table ||
		(pt->meta[pt_table_of(pt, e)].flags & PT_F_NX_DISALLOWED));
}

/* Where the map stands: stops at the goal, one lower where the NX mitigation keeps a table. */
static void map_position(struct ctx *c, struct l_fault *f)
{
	const struct pt *pt = &c->vm->pt;
	struct pt_pos p = { .table = vcpu_root_table(c),
			    .height = (uint8_t)geom_root_height(&pt->geom) };

	for (;;) {
		p.index = pt_index(pt, f->gfn, p.height);
		p.value = *pt_entry(pt, p.table, p.index);
		c->work.pte_read++;
		if (p.height == f->goal && nx_keeps_table(c->vm, p.value, p.height)) {
			f->goal--;
			f->pfn |= f->gfn & (geom_pages(&pt->geom, p.height) -
					    geom_pages(&pt->geom, f->goal));
		}
		if (p.height == f->goal || !pte_is_table(pt->fmt, p.value, p.height))
			break;
		p.table = pt_table_of(pt, p.value);
		p.height--;
	}
	f->table = p.table;
	f->index = p.index;
	f->old = p.value;
	f->max_height = p.height;
}

/* Tags a table that only the NX mitigation keeps small. */
static void tag_nx(struct ctx *c, const struct l_fault *f, uint32_t child)
{
	struct pt_meta *m = &c->vm->pt.meta[child];

	if (!f->huge_disallowed)
		return;
	m->flags |= PT_F_NX_DISALLOWED;
	if (f->req >= f->max_height)
		m->flags |= PT_F_NX_POSSIBLE;
}

/* The compare-and-exchange of a fault under mmu_lock for reading. */
static bool may_store(struct ctx *c, const struct l_fault *f)
{
	return entry_is(c, f->table, f->index, f->old) || injects(c, INJ_MAP_PLAIN_STORE);
}

/* Descends one level: link an empty table, or a full one in place of a huge leaf. */
static bool tdp_descend(struct ctx *c, struct l_fault *f)
{
	struct pt *pt = &c->vm->pt;
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	bool huge = pte_is_leaf(pt->fmt, f->old, f->max_height);

	if (!may_store(c, f))
		return false;
	if (huge) {
		if (!x86_split_leaf(pt, fmt, f->table, f->index, c->vm->cfg->nx_huge_pages,
				    &c->work))
			return false;
		emit(c, &(struct event){ .kind = EV_SPLIT_HUGE,
					 .gfn = pt_entry_gfn(pt, f->table, f->index),
					 .height = f->max_height });
	} else if (!x86_link_table(pt, fmt, f->table, f->index, &c->work)) {
		return false;
	}
	tag_nx(c, f, pt_table_of(pt, *pt_entry(pt, f->table, f->index)));
	return true;
}

/*
 * The external table hears of a new leaf.
 * SIMPLIFIED: it is no table of its own, and only faults tell it; what they must not ask of it is known.
 */
static void tell_external(struct ctx *c, const struct l_fault *f, pte_t now)
{
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	const char *what = NULL;

	if (!pte_is_present(&fmt->pte, f->old))
		return;
	if (c->rules->external == EXT_EACH_CHANGE)
		what = "the backend of an external table is to add an entry that it has";
	else if (c->rules->external == EXT_WHEN_ABSENT &&
		 ((f->old.v ^ now.v) & ~(fmt->accessed | fmt->dirty)))
		what = "an entry that an external table has changes by more than A and D";
	if (what)
		note(c, &(struct note){ .kind = NOTE_WARN, .gfn = f->gfn, .what = what });
}

/* What a leaf was installed over, if that needs a flush. */
enum installed_over {
	OVER_NOTHING,
	OVER_TABLE,
	OVER_LEAF,
};

/* Installs the leaf [tdp_mmu_map_handle_target_level]. */
static enum ret_pf tdp_install(struct ctx *c, struct l_fault *f, enum installed_over *over)
{
	struct pt *pt = &c->vm->pt;
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	gfn_t base = pt_entry_gfn(pt, f->table, f->index);
	pte_t e;

	*over = OVER_NOTHING;
	if (c->rules->spurious_no_overwrite && pte_is_leaf(pt->fmt, f->old, f->goal) &&
	    spte_allows(fmt, f->old, f->err))
		return RET_PF_SPURIOUS;
	if (f->slot)
		e = make_spte(c, f, f->goal ? base : f->gfn, f->goal, f->old,
			      f->err & PFERR_PREFETCH);
	else
		e = spte_make_mmio(fmt, base, memslots_generation(c->vm, 0), ACC_RWX);
	if (pte_eq(e, f->old) && !f->slot && (f->err & PFERR_PREFETCH))
		return RET_PF_EMULATE; /* an access would not come here: the MMIO entry stops it */
	if (pte_eq(e, f->old))
		return is_write_protected(c, f) ? RET_PF_WRITE_PROTECTED : RET_PF_SPURIOUS;
	if (!may_store(c, f))
		return RET_PF_RETRY;
	/* SIMPLIFIED: KVM waits for a frozen entry inside the subtree; here the fault is retried */
	if (pte_is_table(pt->fmt, f->old, f->goal) &&
	    x86_subtree_frozen(pt, fmt, pt_table_of(pt, f->old)))
		return RET_PF_RETRY;
	pt_set(pt, f->table, f->index, e, &c->work);
	tell_external(c, f, e);
	c->work.leaf_installed++;
	if (pte_is_table(pt->fmt, f->old, f->goal)) {
		x86_drop_subtree(pt, fmt, pt_table_of(pt, f->old), &c->vm->st->deferred, &c->work);
		c->work.table_merged++;
		*over = OVER_TABLE;
	} else if (pte_is_leaf(pt->fmt, f->old, f->goal) &&
		   spte_change_flushes(fmt, (enum flush_rule)c->rules->flush_install, f->old, e)) {
		*over = OVER_LEAF;
	}
	if (!f->slot) {
		c->stats.pf_mmio_spte_created++;
		emit(c, &(struct event){ .kind = EV_MARK_MMIO, .gfn = base });
		return RET_PF_EMULATE;
	}
	return is_write_protected(c, f) ? RET_PF_WRITE_PROTECTED : RET_PF_FIXED;
}

/* Under mmu_lock for read. */
PROC(tdp_map)
{
	BEGIN(l_fault);
	for (;;) {
		map_position(c, f);
		STEP("tdp_map:read");
		if (spte_is_frozen(vm_x86_fmt(c->vm), f->old))
			RETURN(RET_PF_RETRY);
		if (f->max_height == f->goal)
			break;
		if (c->rules->fault_huge == HUGE_ZAP_EMPTY &&
		    pte_is_leaf(c->vm->pt.fmt, f->old, f->max_height)) {
			if (!entry_is(c, f->table, f->index, f->old))
				RETURN(RET_PF_RETRY);
			pt_set(&c->vm->pt, f->table, f->index, (pte_t){ vm_x86_fmt(c->vm)->frozen },
			       &c->work);
			STEP("tdp_map:freeze");
			CALL(P_flush_range, l_range,
			     .start = pt_entry_gfn(&c->vm->pt, f->table, f->index),
			     .n = geom_pages(&c->vm->cfg->geom, f->max_height));
			pt_set_quiet(c, f->table, f->index, (pte_t){ c->vm->pt.fmt->empty });
			f->old.v = c->vm->pt.fmt->empty;
		}
		if (!tdp_descend(c, f))
			RETURN(RET_PF_RETRY);
		STEP("tdp_map:link");
	}
	{
		enum installed_over over;

		f->result = (int8_t)tdp_install(c, f, &over);
		f->tries = (uint8_t)over;
	}
	STEP("tdp_map:install");
	if (f->tries != OVER_NOTHING && !injects(c, INJ_SKIP_MERGE_FLUSH)) {
		unsigned int h = f->goal;

		h += f->tries == OVER_TABLE && c->rules->merge_flush_parent;
		CALL(P_flush_range, l_range, .start = geom_base(&c->vm->cfg->geom, f->gfn, h),
		     .n = geom_pages(&c->vm->cfg->geom, h));
	}
	if (f->slot && f->result != RET_PF_RETRY)
		emit(c, &(struct event){ .kind = EV_SET_SPTE,
					 .height = f->goal,
					 .gfn = pt_entry_gfn(&c->vm->pt, f->table, f->index),
					 .new_value = *pt_entry(&c->vm->pt, f->table, f->index) });
	RETURN(f->result);
	END;
}

/* A ranged flush: on bare metal the full one. */
PROC(flush_range)
{
	BEGIN(l_range);
	emit(c, &(struct event){ .kind = EV_CALL,
				 .name = CALL_FLUSH_REMOTE_TLBS_RANGE,
				 .gfn = f->start,
				 .n = f->n });
	CALL(P_flush_remote_tlbs, l_req, 0);
	RETURN(0);
	END;
}
