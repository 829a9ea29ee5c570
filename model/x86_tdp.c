/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots, zapping, range operations, recovery and the x86 commit actions
 * [KVM v6.1, v6.12 arch/x86/kvm/mmu/tdp_mmu.c; mmu.c: kvm_mmu_zap_all_fast, kvm_mmu_load;
 *  x86.c: kvm_mmu_slot_apply_flags].
 */
#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/vcpu.h"
#include "model/vtlb.h"
#include "model/x86.h"

uint32_t root_find(const struct vm *vm, unsigned int as)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		const struct root *r = &vm->st->roots[i];

		if (r->in_use && !r->invalid && r->as_id == as)
			return i + 1;
	}
	return 0;
}

uint32_t root_new(struct vm *vm, unsigned int as, struct work *wk)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		struct root *r = &vm->st->roots[i];

		if (r->in_use)
			continue;
		r->table = pt_alloc_root(&vm->pt, wk);
		if (!r->table)
			return 0;
		r->in_use = 1;
		r->as_id = (uint8_t)as;
		vm->pt.meta[r->table].as_id = (uint8_t)as;
		vm->pt.meta[r->table].serial = ++vm->st->serial;
		return i + 1;
	}
	return 0;
}

void roots_release(struct ctx *c)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		struct root *r = &c->vm->st->roots[i];

		if (!r->in_use || !r->invalid || r->scheduled || r->refs)
			continue;
		pt_unlink(&c->vm->pt, r->table);
		c->vm->pt.meta[r->table].link = c->vm->st->deferred;
		c->vm->st->deferred = r->table;
		*r = (struct root){ 0 };
	}
}

void root_put(struct ctx *c, uint32_t root)
{
	c->vm->st->roots[root - 1].refs--;
	roots_release(c);
}

static void emit_get_page(struct ctx *c, gfn_t base, unsigned int height)
{
	emit(c, &(struct event){ .kind = EV_GET_PAGE, .gfn = base, .height = (uint8_t)height });
}

/* A valid root for the vCPU's address space: shared if there is one, else new. */
static void take_root(struct ctx *c)
{
	struct vcpu *v = &c->vm->vcpus[c->me_nr];
	bool x86 = c->rules->arch == PT_X86;

	v->root = root_find(c->vm, v->as_id);
	if (x86 && (!v->root || !c->rules->tdp_mmu))
		emit_get_page(c, 0, geom_root_height(&c->vm->cfg->geom));
	if (!v->root) {
		v->root = root_new(c->vm, v->as_id, &c->work);
		g_assert(v->root);
		c->stats.mmu_cache_miss += !c->rules->tdp_mmu;
	}
	c->vm->st->roots[v->root - 1].refs++;
	if (x86) {
		emit(c, &(struct event){ .kind = EV_LOAD_PGD });
		vtlb_flush(c, c->me_nr); /* kvm_mmu_load() flushes, past the counter */
	}
}

/*
 * Roots are taken and given back under mmu_lock, those of the TDP MMU since 6.10 for reading
 * [KVM v6.12 arch/x86/kvm/mmu/mmu.c: mmu_alloc_direct_roots, kvm_mmu_free_roots].
 */
static bool roots_shared(const struct ctx *c)
{
	return c->rules->tdp_mmu && !c->rules->root_lock_write;
}

static void lock_roots(struct ctx *c)
{
	if (roots_shared(c))
		lock_take_read(c, OBJ_MMU_LOCK);
	else
		lock_take_write(c, OBJ_MMU_LOCK);
}

static void unlock_roots(struct ctx *c)
{
	if (roots_shared(c))
		lock_drop_read(c, OBJ_MMU_LOCK);
	else
		lock_drop_write(c, OBJ_MMU_LOCK);
}

PROC(load_root)
{
	BEGIN(l_req);
	if (c->rules->arch == PT_ARM64) {
		take_root(c);
		RETURN(0);
	}
	AWAIT(roots_shared(c) ? W_LOCK_R : W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_roots(c);
	take_root(c);
	unlock_roots(c);
	RETURN(0);
	END;
}

PROC(free_obsolete_root)
{
	BEGIN(l_req);
	f->req = c->vm->vcpus[c->me_nr].root;
	if (!f->req || !c->vm->st->roots[f->req - 1].invalid)
		RETURN(0);
	AWAIT(roots_shared(c) ? W_LOCK_R : W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_roots(c);
	c->vm->vcpus[c->me_nr].root = 0;
	if (!c->rules->tdp_mmu && c->vm->st->roots[f->req - 1].refs == 1) {
		emit(c, &(struct event){ .kind = EV_PREPARE_ZAP,
					 .height = (uint8_t)geom_root_height(&c->vm->cfg->geom) });
		c->stats.mmu_shadow_zapped++;
		CALL(P_flush_remote_tlbs, l_req, 0);
	}
	root_put(c, f->req);
	unlock_roots(c);
	RETURN(0);
	END;
}

/*
 * In mid-walk under mmu_lock: lets a waiter in, after a flush if one is due (f->req)
 * [KVM v6.12 arch/x86/kvm/mmu/tdp_mmu.c: tdp_mmu_iter_cond_resched;
 *  arch/arm64/kvm/mmu.c: stage2_apply_range, need_split_memcache_topup_or_resched].
 */
PROC(yield_mmu_lock)
{
	BEGIN(l_req);
	if (f->req)
		CALL(P_flush_remote_tlbs, l_req, 0);
	f->i = c->vm->st->lock[OBJ_MMU_LOCK].writer != 0;
	f->sent = (c->me->flags & ACTOR_RCU) != 0;
	if (f->sent)
		rcu_exit(c);
	if (f->i)
		lock_drop_write(c, OBJ_MMU_LOCK);
	else
		lock_drop_read(c, OBJ_MMU_LOCK);
	QUIET_STEP("yield_mmu_lock:drop");
	AWAIT(f->i ? W_LOCK_W : W_LOCK_R, OBJ_MMU_LOCK, 0);
	if (f->i)
		lock_take_write(c, OBJ_MMU_LOCK);
	else
		lock_take_read(c, OBJ_MMU_LOCK);
	if (f->sent)
		rcu_enter(c);
	RETURN(0);
	END;
}

static bool must_yield(const struct ctx *c)
{
	return lock_is_contended(c->vm, OBJ_MMU_LOCK);
}

/* The passes over one invalidated root: lower heights first where the kernel does so, then its own. */
PROC(zap_root)
{
	BEGIN(l_range);
	for (f->i = 0; f->i <= geom_root_height(&c->vm->cfg->geom); f->i++) {
		if (f->i < geom_root_height(&c->vm->cfg->geom) &&
		    !(c->rules->zap_passes >> f->i & 1))
			continue;
		c->vm->scratch[c->me_nr].walk =
			walk_init(&c->vm->pt, c->vm->st->roots[f->root].table,
				  (struct gfn_range){ 0, UINT64_MAX }, 0, 0);
		for (;;) {
			struct x86_visit a = { .f = vm_x86_fmt(c->vm),
					       .height = (uint8_t)f->i,
					       .deferred = &c->vm->st->deferred };

			if (x86_zap_level(&c->vm->pt, &c->vm->scratch[c->me_nr].walk, &a,
					  c->vm->cfg->walk_budget, &c->work) == WALK_DONE)
				break;
			STEP("zap_root:entry");
			if (must_yield(c))
				CALL(P_yield_mmu_lock, l_req, 0);
		}
	}
	c->vm->scratch[c->me_nr].walk = (struct walk){ 0 };
	RETURN(0);
	END;
}

PROC(zap_invalidated_roots)
{
	BEGIN(l_range);
	for (f->root = 0; f->root < VM_MAX_ROOTS; f->root++) {
		if (!c->vm->st->roots[f->root].scheduled)
			continue;
		CALL(P_zap_root, l_range, .root = f->root);
		c->vm->st->roots[f->root].scheduled = 0;
		roots_release(c);
	}
	RETURN(0);
	END;
}

PROC(zap_all_fast)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	emit(c, &(struct event){ .kind = EV_ZAP_ALL_FAST });
	c->vm->st->mmu_valid_gen = !c->vm->st->mmu_valid_gen;
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		struct root *r = &c->vm->st->roots[i];

		if (r->in_use && !r->invalid) {
			r->invalid = 1;
			r->scheduled = 1;
		}
	}
	STEP("zap_all_fast:invalidate");
	if (!injects(c, INJ_SKIP_RELOAD))
		CALL(P_make_all_cpus_request, l_req, .req = REQ_MMU_FREE_OBSOLETE_ROOTS, .wait = 1);
	if (!c->rules->tdp_mmu)
		CALL(P_legacy_zap_obsolete, l_range, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("zap_all_fast:unlock");
	if (c->rules->tdp_mmu) {
		AWAIT(W_LOCK_R, OBJ_MMU_LOCK, 0);
		lock_take_read(c, OBJ_MMU_LOCK);
		CALL(P_zap_invalidated_roots, l_range, 0);
		lock_drop_read(c, OBJ_MMU_LOCK);
	}
	RETURN(0);
	END;
}

/*
 * The parameter nx_huge_pages took another value (f->flag): every mapping is made anew
 * [KVM v6.1, v6.12 arch/x86/kvm/mmu/mmu.c: set_nx_huge_pages].
 */
PROC(set_nx_huge_pages)
{
	BEGIN(l_range);
	if (c->vm->cfg->nx_huge_pages == f->flag)
		RETURN(0);
	c->vm->cfg->nx_huge_pages = f->flag;
	STEP("set_nx_huge_pages:value");
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	CALL(P_zap_all_fast, l_range, 0);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(0);
	END;
}

static int run_range(struct ctx *c, struct l_range *f, struct x86_visit *a)
{
	struct walk *w = &c->vm->scratch[c->me_nr].walk;
	struct pt *pt = &c->vm->pt;
	unsigned int budget = c->vm->cfg->walk_budget;

	switch ((enum x86_range_kind)f->flag) {
	case XR_ZAP_LEAFS:
		return x86_zap_leafs(pt, w, a, budget, &c->work);
	case XR_WRPROT:
	case XR_WRPROT_TRACK:
		return x86_wrprot(pt, w, a, budget, &c->work);
	case XR_CLEAR_DIRTY:
		return x86_clear_dirty(pt, w, a, budget, &c->work);
	case XR_MASKED:
		return x86_clear_masked(pt, w, a, budget, &c->work);
	case XR_AGE:
		return x86_age(pt, w, a, budget, &c->work);
	case XR_TEST_AGE:
		return x86_test_age(pt, w, a, budget, &c->work);
	}
	return WALK_DONE;
}

/* The leaf that ageing is about to change: its place, and its value as a plain store would know it. */
static bool plain_read(struct ctx *c, struct l_range *f)
{
	struct walk next = c->vm->scratch[c->me_nr].walk;
	struct x86_visit a = { .f = vm_x86_fmt(c->vm) };
	struct work unused = { 0 };

	if (!injects(c, INJ_PLAIN_STORE) || f->flag != XR_AGE ||
	    x86_find_leaf(&c->vm->pt, &next, &a, UINT32_MAX, &unused) == WALK_DONE)
		return false;
	f->n = next.gfn;
	c->vm->scratch[c->me_nr].word[2] =
		pt_lookup(&c->vm->pt, c->vm->st->roots[f->root].table, f->n).value.v;
	return true;
}

/* What was set since then is lost. */
static void plain_store(struct ctx *c, const struct l_range *f)
{
	struct pt_pos p;

	if (!injects(c, INJ_PLAIN_STORE) || f->flag != XR_AGE)
		return;
	p = pt_lookup(&c->vm->pt, c->vm->st->roots[f->root].table, f->n);
	pt_set(&c->vm->pt, p.table, p.index,
	       (pte_t){ p.value.v & c->vm->scratch[c->me_nr].word[2] }, &c->work);
}

/*
 * One visitor over [start, end) of every root of an address space; roots that were invalidated still
 * count for notifiers.  mmu_lock is held.  Return: whether something changed.
 */
PROC(x86_range)
{
	BEGIN(l_range);
	if (!c->rules->tdp_mmu)
		RETURN(legacy_range(c, (enum x86_range_kind)f->flag, f));
	for (f->root = 0; f->root < VM_MAX_ROOTS; f->root++) {
		if (!c->vm->st->roots[f->root].in_use || c->vm->st->roots[f->root].as_id != f->as ||
		    (f->flag != XR_ZAP_LEAFS && c->vm->st->roots[f->root].invalid))
			continue;
		c->vm->st->roots[f->root].refs++; /* stays while the walk yields */
		c->vm->scratch[c->me_nr].walk =
			walk_init(&c->vm->pt, c->vm->st->roots[f->root].table,
				  (struct gfn_range){ f->start, f->end }, 0, 0);
		for (;;) {
			if (plain_read(c, f))
				STEP("x86_range:read");
			struct x86_visit a = {
				.f = vm_x86_fmt(c->vm),
				.height = f->locked,
				.mask_base = f->start,
				.mask = f->n,
				.wrprot = !c->rules->pml,
				.clear_mmu_writable = f->flag == XR_WRPROT_TRACK ||
						      injects(c, INJ_LOG_TAKES_MMUW),
			};
			int r = run_range(c, f, &a);

			f->hit |= a.hit;
			if (a.hit)
				plain_store(c, f);
			if (r == WALK_DONE)
				break;
			STEP("x86_range:entry");
			if (!must_yield(c))
				continue;
			f->i = f->flag == XR_ZAP_LEAFS && f->hit;
			CALL(P_yield_mmu_lock, l_req,
			     .req = f->i && !injects(c, INJ_SKIP_YIELD_FLUSH));
			f->hit = f->hit && (!f->i || injects(c, INJ_SKIP_YIELD_FLUSH));
			if (injects(c, INJ_YIELD_SKIPS))
				walk_leave(&c->vm->pt, &c->vm->scratch[c->me_nr].walk);
		}
		root_put(c, f->root + 1);
	}
	c->vm->scratch[c->me_nr].walk = (struct walk){ 0 };
	RETURN(f->hit);
	END;
}

PROC(unmap_gfn_range)
{
	BEGIN(l_range);
	if (c->rules->arch == PT_ARM64)
		CALL(P_s2_unmap_range, l_range, .start = f->start, .end = f->end);
	else
		CALL(P_x86_range, l_range, .start = f->start, .end = f->end,
		     .as = c->vm->slots[f->slot].as_id, .flag = XR_ZAP_LEAFS);
	RETURN(c->me->ret);
	END;
}

PROC(age_gfn_range)
{
	BEGIN(l_range);
	if (c->rules->arch == PT_ARM64)
		CALL(P_s2_age_range, l_range, .start = f->start, .end = f->end, .flag = f->flag);
	else
		CALL(P_x86_range, l_range, .start = f->start, .end = f->end,
		     .as = c->vm->slots[f->slot].as_id,
		     .flag = f->flag == 2 ? XR_TEST_AGE : XR_AGE);
	RETURN(c->me->ret);
	END;
}

/* The slot's leaves only; tables and other slots stay. */
PROC(zap_slot_leafs)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	if (c->me->ret > 0 && !injects(c, INJ_SKIP_SLOT_FLUSH))
		CALL(P_flush_remote_tlbs, l_req, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/* ---- commit actions -------------------------------------------------------------------------- */

static void emit_call(struct ctx *c, enum call_name name, unsigned int a)
{
	emit(c, &(struct event){ .kind = EV_CALL, .name = name, .a = (uint8_t)a });
}

/*
 * PML follows the number of logging slots; only the first (f->flag: logging is being enabled) and the
 * last change anything.
 */
PROC(act_count_logging)
{
	BEGIN(l_range);
	f->i = c->vm->st->nr_memslots_dirty_logging;
	if (c->rules->pml && (f->i == 0 || (f->i == 1 && f->flag)))
		CALL(P_make_all_cpus_request, l_req, .req = REQ_UPDATE_CPU_DIRTY_LOGGING,
		     .wait = 1);
	RETURN(0);
	END;
}

/*
 * Replaces every huge leaf of [start, end) by tables down to 4 KiB, in every valid root; leaves that
 * begin at gfn f->n or behind it stay.
 */
PROC(split_range)
{
	BEGIN(l_range);
	for (f->root = 0; f->root < VM_MAX_ROOTS; f->root++) {
		if (!c->vm->st->roots[f->root].in_use || c->vm->st->roots[f->root].invalid ||
		    c->vm->st->roots[f->root].as_id != f->as)
			continue;
		c->vm->st->roots[f->root].refs++;
		c->vm->scratch[c->me_nr].walk =
			walk_init(&c->vm->pt, c->vm->st->roots[f->root].table,
				  (struct gfn_range){ f->start, f->end }, 0, 1);
		for (;;) {
			struct x86_visit a = { .f = vm_x86_fmt(c->vm), .height = 1 };
			struct walk *w = &c->vm->scratch[c->me_nr].walk;
			struct pt_pos p;

			if (x86_find_leaf(&c->vm->pt, w, &a, UINT32_MAX, &c->work) == WALK_DONE)
				break;
			p = pt_lookup(&c->vm->pt, c->vm->st->roots[f->root].table, w->gfn);
			if (pt_entry_gfn(&c->vm->pt, p.table, p.index) >= f->n)
				break;
			if (!x86_split_leaf(&c->vm->pt, a.f, p.table, p.index,
					    c->vm->cfg->nx_huge_pages, &c->work))
				break; /* no memory: what is left stays huge */
			emit(c,
			     &(struct event){ .kind = EV_SPLIT_HUGE,
					      .height = p.height,
					      .gfn = pt_entry_gfn(&c->vm->pt, p.table, p.index) });
			STEP("split_range:link");
			if (must_yield(c))
				CALL(P_yield_mmu_lock, l_req, 0);
		}
		c->vm->scratch[c->me_nr].walk = (struct walk){ 0 };
		root_put(c, f->root + 1);
	}
	RETURN(0);
	END;
}

PROC(act_split)
{
	BEGIN(l_range);
	emit_call(c, CALL_SLOT_TRY_SPLIT, 1);
	if (!c->rules->tdp_mmu)
		RETURN(0);
	AWAIT(W_LOCK_R, OBJ_MMU_LOCK, 0);
	lock_take_read(c, OBJ_MMU_LOCK);
	CALL(P_split_range, l_range, .as = c->vm->slots[f->slot].as_id,
	     .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages,
	     .n = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	lock_drop_read(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/* A pass over the slot under mmu_lock for read (legacy: for write). */
PROC(slot_pass)
{
	BEGIN(l_range);
	AWAIT(c->rules->tdp_mmu ? W_LOCK_R : W_LOCK_W, OBJ_MMU_LOCK, 0);
	if (c->rules->tdp_mmu)
		lock_take_read(c, OBJ_MMU_LOCK);
	else
		lock_take_write(c, OBJ_MMU_LOCK);
	CALL(P_x86_range, l_range, .as = c->vm->slots[f->slot].as_id, .flag = f->flag,
	     .locked = f->locked, .start = c->vm->slots[f->slot].base_gfn,
	     .end = c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages);
	if (c->rules->tdp_mmu)
		lock_drop_read(c, OBJ_MMU_LOCK);
	else
		lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(c->me->ret);
	END;
}

PROC(act_clear_dirty)
{
	BEGIN(l_range);
	emit_call(c, CALL_SLOT_CLEAR_DIRTY, 0);
	CALL(P_slot_pass, l_range, .slot = f->slot, .flag = XR_CLEAR_DIRTY);
	RETURN(c->me->ret);
	END;
}

/* f->flag: KVM's start level, 1 for 4 KiB, 2 for 2 MiB */
PROC(act_wrprot)
{
	BEGIN(l_range);
	emit_call(c, CALL_SLOT_REMOVE_WRITE, f->flag);
	CALL(P_slot_pass, l_range, .slot = f->slot, .flag = XR_WRPROT,
	     .locked = (uint8_t)(f->flag - 1));
	RETURN(c->me->ret);
	END;
}

/* f->flag: an entry was changed */
PROC(act_flush_slot)
{
	BEGIN(l_range);
	if (injects(c, INJ_SKIP_ENABLE_FLUSH) ||
	    (c->rules->log_flush == DL_IF_MODIFIED && !f->flag))
		RETURN(0);
	if (c->rules->trace_memslot_flush)
		emit_call(c, CALL_FLUSH_REMOTE_TLBS_MEMSLOT, 0);
	CALL(P_flush_remote_tlbs, l_req, 0);
	RETURN(0);
	END;
}

/* Private pages stay small [kvm_mmu_max_mapping_level]. */
static unsigned int recovery_height(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	return gmem_is_private(vm, gfn) ? 0 : max_mapping_height(vm, slot, gfn);
}

/* Next table entry that a huge leaf could replace; false at the end of the root. */
static bool find_collapsible(struct ctx *c, struct l_range *f, struct pt_pos *out)
{
	struct pt *pt = &c->vm->pt;
	struct walk *w = &c->vm->scratch[c->me_nr].walk;
	const struct memslot *s = &c->vm->slots[f->slot];

	for (;;) {
		struct x86_visit a = { .f = vm_x86_fmt(c->vm), .height = 1 };
		gfn_t base;

		if (x86_find_table(pt, w, &a, UINT32_MAX, &c->work) == WALK_DONE)
			return false;
		base = geom_base(&pt->geom, w->gfn, w->height);
		if (w->height <= pt->geom.max_leaf_height && base >= s->base_gfn &&
		    base < s->base_gfn + s->npages &&
		    recovery_height(c->vm, f->slot, base) >= w->height) {
			uint32_t t = walk_find_table(pt, w, &c->work);

			*out = (struct pt_pos){ .table = t,
						.height = w->height,
						.index = pt_index(pt, base, w->height) };
			out->value = *pt_entry(pt, t, out->index);
			return true;
		}
		if (w->height > 1)
			walk_enter(w);
		else
			walk_leave(pt, w);
	}
}

/* 6.1: freeze, process the subtree, flush, clear.  6.12: flush, clear, process the subtree. */
static bool child_frozen(const struct ctx *c, const struct l_fault *f)
{
	return x86_subtree_frozen(&c->vm->pt, vm_x86_fmt(c->vm), pt_table_of(&c->vm->pt, f->old));
}

PROC(zap_collapsible_one)
{
	BEGIN(l_fault);
	rcu_enter(c);
	if (c->rules->zap_order == ZAP_FREEZE_DROP_FLUSH) {
		pt_set(&c->vm->pt, f->table, f->index, (pte_t){ vm_x86_fmt(c->vm)->frozen },
		       &c->work);
		while (child_frozen(c, f))
			STEP("zap_collapsible:wait");
		x86_drop_subtree(&c->vm->pt, vm_x86_fmt(c->vm), pt_table_of(&c->vm->pt, f->old),
				 &c->vm->st->deferred, &c->work);
		STEP("zap_collapsible:freeze");
		if (!injects(c, INJ_SKIP_COLLAPSE_FLUSH))
			CALL(P_flush_range, l_range, .start = f->gfn,
			     .n = geom_pages(&c->vm->cfg->geom, f->goal));
		pt_set_quiet(c, f->table, f->index, (pte_t){ c->vm->pt.fmt->empty });
	} else {
		pt_set_quiet(c, f->table, f->index, (pte_t){ vm_x86_fmt(c->vm)->frozen });
		STEP("zap_collapsible:freeze");
		if (!injects(c, INJ_SKIP_COLLAPSE_FLUSH))
			CALL(P_flush_range, l_range, .start = f->gfn,
			     .n = geom_pages(&c->vm->cfg->geom, f->goal));
		while (child_frozen(c, f))
			STEP("zap_collapsible:wait");
		pt_set_quiet(c, f->table, f->index, (pte_t){ c->vm->pt.fmt->empty });
		emit(c, &(struct event){ .kind = EV_SPTE_CHANGED,
					 .gfn = f->gfn,
					 .height = f->goal,
					 .old = f->old,
					 .new_value.v = c->vm->pt.fmt->empty });
		x86_drop_subtree(&c->vm->pt, vm_x86_fmt(c->vm), pt_table_of(&c->vm->pt, f->old),
				 &c->vm->st->deferred, &c->work);
	}
	rcu_exit(c);
	STEP("zap_collapsible:clear");
	RETURN(0);
	END;
}

/* In-place recovery of one table entry; false when no child leaf can stand for the block. */
static bool collapse_one(struct ctx *c, const struct pt_pos *p)
{
	return x86_collapse(&c->vm->pt, vm_x86_fmt(c->vm), p->table, p->index,
			    c->vm->cfg->nx_huge_pages, &c->vm->st->deferred, &c->work);
}

/* Recovery in one root, by zapping tables or in place.  Return: a flush of the slot is due. */
PROC(recover_root)
{
	BEGIN(l_range);
	c->vm->scratch[c->me_nr].walk = walk_init(
		&c->vm->pt, c->vm->st->roots[f->root].table,
		(struct gfn_range){ c->vm->slots[f->slot].base_gfn,
				    c->vm->slots[f->slot].base_gfn + c->vm->slots[f->slot].npages },
		0, 1);
	for (;;) {
		struct pt_pos p;

		if (!find_collapsible(c, f, &p))
			break;
		if (c->rules->recovery == REC_ZAP)
			CALL(P_zap_collapsible_one, l_fault, .table = p.table, .index = p.index,
			     .old = p.value, .goal = p.height,
			     .gfn = pt_entry_gfn(&c->vm->pt, p.table, p.index));
		else
			f->hit |= collapse_one(c, &p);
		/* each entry once, whatever a fault puts there again [tdp_iter.c: try_step_down] */
		walk_leave(&c->vm->pt, &c->vm->scratch[c->me_nr].walk);
		STEP("recover:entry");
		if (!must_yield(c))
			continue;
		f->i = f->hit;
		CALL(P_yield_mmu_lock, l_req, .req = f->i);
		f->hit = 0;
	}
	c->vm->scratch[c->me_nr].walk = (struct walk){ 0 };
	RETURN(f->hit);
	END;
}

/* Every valid root of the slot's address space.  Tables replaced in place are freed after the flush. */
PROC(recover_roots)
{
	BEGIN(l_range);
	if (c->rules->recovery == REC_INPLACE)
		rcu_enter(c);
	for (f->root = 0; f->root < VM_MAX_ROOTS; f->root++) {
		if (!c->vm->st->roots[f->root].in_use || c->vm->st->roots[f->root].invalid ||
		    c->vm->st->roots[f->root].as_id != c->vm->slots[f->slot].as_id)
			continue;
		c->vm->st->roots[f->root].refs++;
		CALL(P_recover_root, l_range, .slot = f->slot, .root = f->root);
		f->hit |= c->me->ret > 0;
		root_put(c, f->root + 1);
	}
	if (f->hit && !injects(c, INJ_SKIP_COLLAPSE_FLUSH))
		CALL(P_flush_remote_tlbs, l_req, 0);
	if (c->rules->recovery == REC_INPLACE)
		rcu_exit(c);
	RETURN(0);
	END;
}

PROC(act_recover)
{
	BEGIN(l_range);
	if (c->rules->arch == PT_ARM64) {
		CALL(P_s2_collapse_slot, l_range, .slot = f->slot);
		RETURN(0);
	}
	emit_call(c, c->rules->recovery == REC_ZAP ? CALL_ZAP_COLLAPSIBLE : CALL_RECOVER_HUGE, 0);
	if (!c->rules->tdp_mmu) {
		CALL(P_legacy_recover, l_range, .slot = f->slot);
		RETURN(0);
	}
	/* in place recovery refuses a slot that is still logged [6.13: WARN_ON_ONCE] */
	if (c->rules->recovery == REC_INPLACE && memslot_is_logging(&c->vm->slots[f->slot])) {
		note(c, &(struct note){ .kind = NOTE_WARN,
					.gfn = c->vm->slots[f->slot].base_gfn,
					.what = "huge pages are to come back in a logged slot" });
		RETURN(0);
	}
	AWAIT(W_LOCK_R, OBJ_MMU_LOCK, 0);
	lock_take_read(c, OBJ_MMU_LOCK);
	CALL(P_recover_roots, l_range, .slot = f->slot);
	lock_drop_read(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/*
 * Do the huge pages of the mask's first and last gfn differ?  KVM compares the block ends at or above
 * the gfns, so a last gfn that begins a block counts as part of the block before, and its own is not
 * write-protected.
 */
static bool crosses_huge(const struct pt_geom *g, gfn_t first, gfn_t last)
{
	uint64_t up = geom_pages(g, 1) - 1;

	return geom_base(g, first + up, 1) != geom_base(g, last + up, 1);
}

/*
 * Re-arms logging for up to 64 pages from gfn f->start; mask in f->n.  mmu_lock is held for write
 * [kvm_arch_mmu_enable_log_dirty_pt_masked].  Return: an entry was changed.
 */
PROC(x86_log_masked)
{
	BEGIN(l_range);
	if (c->vm->cfg->manual == 3) {
		unsigned int lo = (unsigned int)__builtin_ctzll(f->n);
		unsigned int hi = 63U - (unsigned int)__builtin_clzll(f->n);

		f->end = f->start + hi;
		f->i = lo;
		if (c->vm->cfg->eager_split && c->rules->tdp_mmu)
			CALL(P_split_range, l_range, .as = c->vm->slots[f->slot].as_id,
			     .start = f->start + f->i, .end = f->end + 1,
			     .n = f->end + c->rules->log_split_last);
		CALL(P_x86_range, l_range, .as = c->vm->slots[f->slot].as_id,
		     .flag = XR_WRPROT_TRACK, .locked = 1, .start = f->start + f->i,
		     .end = f->start + f->i + 1);
		f->hit |= c->me->ret > 0;
		if (crosses_huge(&c->vm->cfg->geom, f->start + f->i, f->end))
			CALL(P_x86_range, l_range, .as = c->vm->slots[f->slot].as_id,
			     .flag = XR_WRPROT_TRACK, .locked = 1, .start = f->end,
			     .end = f->end + 1);
		f->hit |= c->me->ret > 0;
	}
	CALL(P_x86_range, l_range, .as = c->vm->slots[f->slot].as_id, .flag = XR_MASKED,
	     .start = f->start, .end = f->start + 64, .n = f->n);
	f->hit |= c->me->ret > 0;
	RETURN(f->hit);
	END;
}
