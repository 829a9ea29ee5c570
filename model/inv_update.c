/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of updates that must not lose, or believe, what has changed since something was read. */
#include "model/inv.h"
#include "model/procs.h"
#include "model/x86.h"

/* The range operation that the mover carries on, begins or ends; NULL: none. */
static const struct l_range *range_of(const struct vm *vm, uint32_t actor)
{
	const struct actor *a = &vm->actors[actor];

	for (uint32_t d = a->depth; d > 0; d--)
		if (a->fr[d - 1].proc == P_x86_range)
			return (const struct l_range *)(const void *)a->fr[d - 1].loc;
	return NULL;
}

/* Bits that an operation may take from a leaf. */
static uint64_t may_take(const struct x86_fmt *f, enum x86_range_kind kind)
{
	switch (kind) {
	case XR_ZAP_LEAFS:
		break;
	case XR_WRPROT:
		return f->w;
	case XR_WRPROT_TRACK:
		return f->w | f->mmu_writable;
	case XR_CLEAR_DIRTY:
	case XR_MASKED:
		return f->w | f->dirty;
	case XR_AGE:
		/* without A flags the rights go, and come back from where they are kept */
		return f->accessed ? f->accessed : ~0ULL;
	case XR_TEST_AGE:
		return 0;
	}
	return ~0ULL;
}

bool inv_i14(const struct transition *t, struct witness *w)
{
	const struct l_range *r = range_of(t->before, t->mv.who);
	const struct pte_fmt *pf = t->after->pt.fmt;

	if (t->mv.kind > MOVE_STEP)
		return true;
	if (!r)
		r = range_of(t->after, t->mv.who);
	for (unsigned int i = 0; r && i < t->nr_changes; i++) {
		const struct leaf *l = &t->changes[i];

		if (pte_is_leaf(pf, l->old, l->height) && pte_is_leaf(pf, l->now, l->height) &&
		    (l->old.v & ~l->now.v &
		     ~may_take(vm_x86_fmt(t->after), (enum x86_range_kind)r->flag)))
			return inv_fail(w, l->gfn,
					"an update of a leaf lost what was set since it was read");
	}
	return true;
}

bool inv_i18(const struct transition *t, struct witness *w)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++) {
		const struct note *n = &t->c->notes[i];

		if (n->kind == NOTE_MMIO && n->n != n->pfn)
			return inv_fail(w, n->gfn, "an MMIO entry of other slots was honoured");
	}
	return true;
}
