/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of entries that are stored, and of table pages that are freed. */
#include "mmu/s2_pte.h"
#include "model/hostmm.h"
#include "model/inv.h"
#include "model/memslots.h"
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

/* The slot of a leaf that did not stand there before, or with other rights; the hardware's flags are none. */
static uint32_t new_leaf_slot(const struct transition *t, const struct leaf *l)
{
	const struct pte_fmt *f = t->after->pt.fmt;
	unsigned int access = inv_leaf_access(t->after, l->now, l->height);

	if (!access || (inv_leaf_access(t->after, l->old, l->height) == access &&
			pte_pfn(f, l->old) == pte_pfn(f, l->now)))
		return 0;
	return memslot_find(t->after, l->as_id, l->gfn);
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

	if (!slot)
		return NULL;
	v = hostmm_view(t->after, memslot_hva(t->after, slot, l->gfn));
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
	uint32_t slot = new_leaf_slot(t, l);
	const struct memslot *s = &t->after->slots[slot];

	if (!slot || (l->gfn >= s->base_gfn &&
		      l->gfn + geom_pages(&t->after->cfg->geom, l->height) <= s->base_gfn + s->npages))
		return NULL;
	return "a leaf reaches beyond its slot";
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

	if (!slot || !covers_more(t, l) ||
	    !(t->after->ghost->logged & ghost_bits(l->gfn, 1)) ||
	    !memslot_is_logging(&t->after->slots[slot]))
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
	bool was_leaf = pte_is_leaf(f, l->old, l->height), was_table = pte_is_table(f, l->old, l->height);
	bool is_leaf = pte_is_leaf(f, l->now, l->height), is_table = pte_is_table(f, l->now, l->height);

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

/* From the SRCU wait of the first swap on; before it, faults of the old slot's readers may still end. */
static const char *i16(const struct transition *t, const struct leaf *l)
{
	uint32_t slot = new_leaf_slot(t, l);

	if (!slot || !(t->after->slots[slot].flags & MEMSLOT_INVALID) ||
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
	const struct frame *fr = &a->fr[a->depth - 1];
	const struct l_hw *hw = (const struct l_hw *)(const void *)fr->loc;

	return a->depth && fr->proc == P_hw_access && hw->res.table == 0 && hw->cur.table == table &&
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
			return inv_fail(w, a.gfn,
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
