/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of write tracking: what is tracked is protected, and who tracks is told the truth. */
#include "model/inv.h"
#include "model/procs.h"
#include "model/track.h"

/* Somebody is about to protect the page and still holds mmu_lock: a write may be a moment older. */
static bool is_being_protected(const struct vm *vm, gfn_t gfn)
{
	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		for (uint32_t d = 0; d < vm->actors[a].depth; d++) {
			const struct frame *fr = &vm->actors[a].fr[d];

			if (fr->proc == P_track_add &&
			    ((const struct l_range *)(const void *)fr->loc)->start == gfn)
				return true;
		}
	}
	return false;
}

bool inv_wt(const struct transition *t, struct witness *w)
{
	const struct note *n = inv_retired(t);

	return !n || !(n->acc & ACC_W) || !track_is_active(t->after, n->gfn) ||
	       is_being_protected(t->after, n->gfn) ||
	       inv_fail(w, n->gfn, "a write to a tracked page completed without a fault");
}

bool inv_meta(const struct transition *t, struct witness *w)
{
	return track_check_meta(t->after, &w->why);
}

/* During a change record and counts may differ; slots_lock keeps other changes away until its end. */
bool inv_track(const struct transition *t, struct witness *w)
{
	return !t->c->finished || !t->line || t->line->kind != LANG_OP_SET_REGION ||
	       track_check_record(t->after, &w->why);
}
