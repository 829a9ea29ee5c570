/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of entries that are stored, and of table pages that are freed. */
#include "mmu/s2_pte.h"
#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/inv.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/track.h"
#include "model/vtlb.h"
#include "model/x86.h"

typedef const char *(*leaf_rule)(const struct transition *t, const struct leaf *l);

/* Asks a rule about every entry that the move changed; the first sentence it returns is the failure. */
static bool each_change(const struct transition *t, struct witness *w, leaf_rule rule)
{
	for (unsigned int i = 0; i < t->nr_changes; i++) {
		const char *why = rule(t, &t->changes[i]);

		if (why)
			return inv_fail(w, t->changes[i].gfn, why);
	}
	return true;
}

/* A leaf that did not stand there before, or with other rights; the hardware's flags are none. */
static bool is_new_leaf(const struct transition *t, const struct leaf *l)
{
	const struct pte_fmt *f = t->after->pt.fmt;
	unsigned int access = inv_leaf_access(t->after, l->now, l->height);

	return access && (inv_leaf_access(t->after, l->old, l->height) != access ||
			  pte_pfn(f, l->old) != pte_pfn(f, l->now));
}

/* The slot of a new leaf's first page. */
static uint32_t new_leaf_slot(const struct transition *t, const struct leaf *l)
{
	return is_new_leaf(t, l) ? memslot_find(t->after, l->as_id, l->gfn) : 0;
}

static bool covers_more(const struct transition *t, const struct leaf *l)
{
	return l->height > 0 && !pte_is_leaf(t->after->pt.fmt, l->old, l->height);
}

static bool under_invalidation(const struct transition *t, uint32_t slot, gfn_t gfn)
{
	const struct vm_state *st = t->after->st;
	uint64_t at = t->after->cfg->rules.retry_by_hva ? memslot_hva(t->after, slot, gfn) : gfn;

	return st->mn_active_invalidate_count > 0 ||
	       (st->mmu_invalidate_in_progress && at >= st->inv_start && at < st->inv_end);
}

static const char *i3(const struct transition *t, const struct leaf *l)
{
	uint32_t slot = new_leaf_slot(t, l);
	struct host_view v;

	if (!slot || gmem_is_lost(t->after, slot, l->gfn))
		return NULL;
	v = hostmm_view(t->after, memslot_backing(t->after, slot, l->gfn));
	if ((v.present && v.pfn == pte_pfn(t->after->pt.fmt, l->now)) ||
	    under_invalidation(t, slot, l->gfn))
		return NULL;
	return "a leaf was stored whose frame the host does not have there";
}

bool inv_i3(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i3);
}

static const char *i5(const struct transition *t, const struct leaf *l)
{
	const struct x86_fmt *f = vm_x86_fmt(t->after);

	if (!pte_is_leaf(t->after->pt.fmt, l->now, l->height))
		return NULL;
	if (spte_is_writable(f, l->now) && !(l->now.v & f->mmu_writable))
		return "an SPTE that grants write and is not MMU-writable";
	if ((l->now.v & f->mmu_writable) && !(l->now.v & f->host_writable))
		return "an SPTE that is MMU-writable and not host-writable";
	return NULL;
}

bool inv_i5(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i5);
}

/* CLEAR protects blocks by the function of write tracking where the log is initially all set. */
static bool is_clear_of_block(const struct transition *t, const struct leaf *l)
{
	return t->after->cfg->manual == 3 && l->height > 0 && t->line &&
	       (t->line->kind == LANG_OP_CLEAR_DIRTY || t->line->kind == LANG_OP_RESET_RINGS);
}

/*
 * 6.13 on warns of it where a fault does it [KVM v6.13 arch/x86/kvm/mmu/tdp_mmu.c:
 * tdp_mmu_map_handle_target_level].
 */
static const char *mmuw(const struct transition *t, const struct leaf *l)
{
	uint64_t bit = vm_x86_fmt(t->after)->mmu_writable;
	const struct pte_fmt *f = t->after->pt.fmt;

	if (!pte_is_leaf(f, l->old, l->height) || !pte_is_leaf(f, l->now, l->height) ||
	    !(l->old.v & ~l->now.v & bit) || is_clear_of_block(t, l))
		return NULL;
	for (gfn_t i = 0; i < geom_pages(&t->after->cfg->geom, l->height); i++)
		if (track_is_active(t->after, l->gfn + i))
			return NULL;
	return "a leaf that stays is MMU-writable no more, and nobody tracks its pages";
}

bool inv_mmuw(const struct transition *t, struct witness *w)
{
	return each_change(t, w, mmuw);
}

static const char *i6(const struct transition *t, const struct leaf *l)
{
	const struct pte_fmt *f = t->after->pt.fmt;

	if (!pte_is_leaf(f, l->old, l->height) || !pte_is_leaf(f, l->now, l->height))
		return NULL;
	return pte_pfn(f, l->old) == pte_pfn(f, l->now)
		       ? NULL
		       : "a present leaf's frame changed without passing through not-present";
}

bool inv_i6(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i6);
}

static const char *i8(const struct transition *t, const struct leaf *l)
{
	gfn_t end = l->gfn + geom_pages(&t->after->cfg->geom, l->height);

	/* its slot may be that of any of its pages */
	for (gfn_t gfn = l->gfn; gfn < end && is_new_leaf(t, l); gfn++) {
		uint32_t slot = memslot_find(t->after, l->as_id, gfn);
		const struct memslot *s = &t->after->slots[slot];

		if (slot && (l->gfn < s->base_gfn || end > s->base_gfn + s->npages))
			return "a leaf reaches beyond its slot";
	}
	return NULL;
}

bool inv_i8(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i8);
}

/*
 * The slot that the one who stores had looked up counts: a fault that began before the flags were
 * published may still install, and the ioctl waits for it before it looks.
 */
static const char *i9(const struct transition *t, const struct leaf *l)
{
	uint32_t slot = new_leaf_slot(t, l);

	if (!slot || !covers_more(t, l) || !(t->after->ghost->logged & ghost_bits(l->gfn, 1)) ||
	    !memslot_is_logging(&t->after->slots[slot]) ||
	    (t->after->slots[slot].flags & MEM_READONLY)) /* nothing gets dirty there */
		return NULL;
	return "a leaf above a page was made in a logged slot";
}

bool inv_i9(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i9);
}

static const char *ufmap(const struct transition *t, const struct leaf *l)
{
	uint64_t span = ghost_bits(l->gfn, geom_pages(&t->after->cfg->geom, l->height));

	if (!new_leaf_slot(t, l) || !covers_more(t, l) || !(t->after->ghost->uf_on & span))
		return NULL;
	return "a leaf above a page was made while USERFAULT is set";
}

bool inv_ufmap(const struct transition *t, struct witness *w)
{
	return each_change(t, w, ufmap);
}

/* R, W, XN, AF and software bits may change in place [Arm ARM "Using break-before-make ..."]. */
static const char *pt1(const struct transition *t, const struct leaf *l)
{
	const struct pte_fmt *f = t->after->pt.fmt;
	bool was_leaf = pte_is_leaf(f, l->old, l->height),
	     was_table = pte_is_table(f, l->old, l->height);
	bool is_leaf = pte_is_leaf(f, l->now, l->height),
	     is_table = pte_is_table(f, l->now, l->height);

	if (!(was_leaf || was_table) || !(is_leaf || is_table))
		return NULL;
	if (was_leaf != is_leaf || pte_pfn(f, l->old) != pte_pfn(f, l->now))
		return "a valid entry was replaced by another without a break";
	return NULL;
}

bool inv_pt1(const struct transition *t, struct witness *w)
{
	return each_change(t, w, pt1);
}

static const char *ms4(const struct transition *t, const struct leaf *l)
{
	uint32_t slot = new_leaf_slot(t, l);

	return slot && (t->after->slots[slot].flags & MEM_READONLY) &&
			       (inv_leaf_access(t->after, l->now, l->height) & ACC_W)
		       ? "a leaf of a read-only slot grants write"
		       : NULL;
}

bool inv_ms4(const struct transition *t, struct witness *w)
{
	return each_change(t, w, ms4);
}

static uint64_t closed(const struct vm *vm)
{
	uint64_t bits = 0;

	for (uint32_t a = 0; a < vm->nr_actors; a++)
		bits |= vm->ghost_line[a].closed;
	return bits;
}

/*
 * From the SRCU wait of the first swap on; before it, faults of the old slot's readers may still end.  The
 * fast path may give a leaf that stands there its W back: it looks at the slot's SPTE before it asks whether
 * the slot is INVALID [KVM v6.12 arch/x86/kvm/mmu/mmu.c: direct_page_fault].
 */
static const char *i16(const struct transition *t, const struct leaf *l)
{
	uint32_t slot = new_leaf_slot(t, l);

	if (!slot || pte_is_leaf(t->after->pt.fmt, l->old, l->height) ||
	    !(t->after->slots[slot].flags & MEMSLOT_INVALID) ||
	    !(closed(t->after) & ghost_bit(l->gfn)))
		return NULL;
	return "a leaf was made for a slot that is INVALID";
}

bool inv_i16(const struct transition *t, struct witness *w)
{
	return each_change(t, w, i16);
}

/* ---- table pages ----------------------------------------------------------------------------- */

struct freed_arg {
	const struct transition *t;
	uint32_t table;
	bool held;
	gfn_t gfn;
};

static enum tlb_keep leads_there(void *arg, const struct tlb_entry *e)
{
	struct freed_arg *a = arg;

	if (e->kind == TLB_S2_WALK && pt_table_of(&a->t->after->pt, e->pte) == a->table) {
		a->held = true;
		a->gfn = e->gfn;
	}
	return TLB_KEEP;
}

static bool walks_in(const struct vm *vm, uint32_t v, uint32_t table)
{
	const struct actor *a = &vm->actors[v];
	const struct frame *fr = a->depth ? &a->fr[a->depth - 1] : a->fr;
	const struct l_hw *hw = (const struct l_hw *)(const void *)fr->loc;

	return fr->proc == P_hw_access && hw->res.table == 0 && hw->cur.table == table &&
	       vm->vcpus[v].mode == IN_GUEST_MODE && !vm->vcpus[v].walk_again;
}

static bool check_freed(const struct transition *t, uint32_t table, struct witness *w)
{
	struct freed_arg a = { .t = t, .table = table };
	const struct vm *vm = t->after;

	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		w->actor = (uint8_t)v;
		if (walks_in(vm, v, table))
			return inv_fail(w, t->before->pt.meta[table].base,
					"a table page was freed in which a vCPU walks");
		if (inv_quiet(vm, v) || vm->cfg->tlb.form == TLB_DROP)
			continue;
		tlb_visit(&vm->cfg->tlb, vtlb(vm, v), leads_there, &a);
		if (a.held)
			return inv_fail(
				w, a.gfn,
				"a table page was freed to which a vCPU's walk cache leads");
	}
	return true;
}

bool inv_i4(const struct transition *t, struct witness *w)
{
	uint32_t end = t->before->pt.head->high_water;

	for (uint32_t table = 1; table < end; table++)
		if (t->before->pt.meta[table].state != PT_FREE &&
		    t->after->pt.meta[table].state == PT_FREE && !check_freed(t, table, w))
			return false;
	return true;
}

/* ---- faults, yields and counts --------------------------------------------------------------- */

/* The fault that the mover is in; NULL: another kind of step. */
static const struct l_fault *fault_of(const struct transition *t)
{
	const struct actor *a = &t->before->actors[t->mv.who];

	if (t->mv.kind > MOVE_STEP || t->mv.who >= t->before->cfg->nr_vcpus)
		return NULL;
	for (uint32_t d = 0; d < a->depth; d++)
		if (a->fr[d].proc == P_x86_page_fault || a->fr[d].proc == P_user_mem_abort)
			return (const struct l_fault *)(const void *)a->fr[d].loc;
	return NULL;
}

/*
 * The page of the fault counts.  A block that it maps may reach into the range: the host splits the huge page
 * first, under a notifier of its own for all of it.
 */
static const char *mn2(const struct transition *t, const struct leaf *l)
{
	const struct vm_state *st = t->after->st;
	const struct l_fault *f = fault_of(t);
	uint32_t slot = new_leaf_slot(t, l);
	uint64_t at;

	if (!slot || !f || pte_is_leaf(t->after->pt.fmt, l->old, l->height))
		return NULL;
	at = t->after->cfg->rules.retry_by_hva ? memslot_hva(t->after, slot, f->gfn) : f->gfn;
	return st->mmu_invalidate_in_progress && at >= st->inv_start && at < st->inv_end
		       ? "a fault installed a leaf while an invalidation of its page is in progress"
		       : NULL;
}

bool inv_mn2(const struct transition *t, struct witness *w)
{
	return each_change(t, w, mn2);
}

static const char *dl5(const struct transition *t, const struct leaf *l)
{
	const struct l_fault *f = fault_of(t);
	uint32_t slot = new_leaf_slot(t, l);

	return f && slot && memslot_is_logging(&t->after->slots[slot]) && !(f->err & PFERR_WRITE) &&
			       (inv_leaf_access(t->after, l->now, l->height) & ACC_W)
		       ? "a read of a logged page made it writable"
		       : NULL;
}

bool inv_dl5(const struct transition *t, struct witness *w)
{
	return each_change(t, w, dl5);
}

static const char *uf2(const struct transition *t, const struct leaf *l)
{
	uint64_t span = ghost_bits(l->gfn, geom_pages(&t->after->cfg->geom, l->height));

	return new_leaf_slot(t, l) && (t->after->ghost->uf_armed & span)
		       ? "a leaf was made for a page whose userfault bit is 1"
		       : NULL;
}

bool inv_uf2(const struct transition *t, struct witness *w)
{
	return each_change(t, w, uf2);
}

struct stale_arg {
	const struct vm *vm;
	gfn_t start, end, gfn;
	bool stale;
};

/* A translation of the range without the leaf that it was made from. */
static enum tlb_keep is_stale(void *arg, const struct tlb_entry *e)
{
	struct stale_arg *a = arg;

	if (e->kind == TLB_S2 && e->gfn >= a->start && e->gfn < a->end &&
	    !pte_is_leaf(a->vm->pt.fmt, pt_lookup(&a->vm->pt, e->ctx.root, e->gfn).value,
			 e->height)) {
		a->stale = true;
		a->gfn = e->gfn;
	}
	return TLB_KEEP;
}

/* The zap that the mover has just interrupted to let others have mmu_lock; NULL: none. */
static const struct l_range *interrupted_zap(const struct transition *t)
{
	const struct actor *a = &t->after->actors[t->mv.who];

	if (t->mv.kind > MOVE_STEP || a->depth < 2 ||
	    a->fr[a->depth - 1].proc != P_yield_mmu_lock || !t->c->label ||
	    strcmp(t->c->label, "yield_mmu_lock:drop") != 0 ||
	    a->fr[a->depth - 2].proc != P_x86_range)
		return NULL;
	return (const struct l_range *)(const void *)a->fr[a->depth - 2].loc;
}

bool inv_i25(const struct transition *t, struct witness *w)
{
	const struct l_range *f = interrupted_zap(t);
	struct stale_arg a = { .vm = t->after };

	if (!f || f->flag != XR_ZAP_LEAFS || t->after->cfg->tlb.form == TLB_DROP)
		return true;
	a.start = f->start;
	a.end = f->end;
	for (uint32_t v = 0; v < t->after->cfg->nr_vcpus; v++) {
		if (inv_quiet(t->after, v))
			continue;
		tlb_visit(&t->after->cfg->tlb, vtlb(t->after, v), is_stale, &a);
		if (a.stale) {
			w->actor = (uint8_t)v;
			return inv_fail(
				w, a.gfn,
				"mmu_lock was dropped in mid-zap before the flush of what is gone");
		}
	}
	return true;
}

static bool is_held(const struct vm *vm)
{
	return vm->st->lock[OBJ_MMU_LOCK].writer || vm->st->lock[OBJ_MMU_LOCK].readers;
}

bool inv_i23(const struct transition *t, struct witness *w)
{
	return !is_held(t->before) || is_held(t->after) || vm_check_tables(t->after, &w->why);
}
