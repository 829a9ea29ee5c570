/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of accesses that complete, and of harvests, which must not miss one. */
#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/inv.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/vcpu.h"

const struct note *inv_retired(const struct transition *t)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		if (t->c->notes[i].kind == NOTE_RETIRE)
			return &t->c->notes[i];
	return NULL;
}

/* An access by the guest or by KVM itself. */
static const struct note *any_access(const struct transition *t)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		if (t->c->notes[i].kind == NOTE_RETIRE || t->c->notes[i].kind == NOTE_KVM)
			return &t->c->notes[i];
	return NULL;
}

bool inv_uf(const struct transition *t, struct witness *w)
{
	const struct note *n = inv_retired(t);

	return !n || !(t->after->ghost->uf_armed & ghost_bit(n->gfn)) ||
	       inv_fail(w, n->gfn,
			"an access completed to a page whose userfault bit has been 1 since before "
			"USERFAULT was set");
}

bool inv_data(const struct transition *t, struct witness *w)
{
	const struct note *n = inv_retired(t);
	uint32_t slot = n ? memslot_find(t->before, t->before->vcpus[t->mv.who].as_id, n->gfn) : 0;

	return !slot || !mem_is_stale(t->before, t->mv.who, memslot_hva(t->before, slot, n->gfn)) ||
	       inv_fail(w, n->gfn,
			"an access completed with data older than what was written before the "
			"userfault bit was cleared, which was seen");
}

bool inv_slot(const struct transition *t, struct witness *w)
{
	const struct note *n = any_access(t);

	if (n && !memslot_find(t->after, t->after->vcpus[t->mv.who].as_id, n->gfn))
		return inv_fail(w, n->gfn, "an access completed to a page that is in no slot");
	return !n || !(t->after->ghost->removed & ghost_bit(n->gfn)) ||
	       inv_fail(w, n->gfn,
			"an access completed to a page whose slot was removed by an ioctl that has "
			"returned");
}

/*
 * Frames are compared with the host's page table; without a slot there is none to compare with.
 *
 * Not as strict as written down where a block reaches into the range: a fault of a page outside it maps the
 * block as long as the host's huge page stands, and the host splits that under a second notifier for all of
 * it before it takes the range [v6.12 mm/huge_memory.c: __split_huge_pmd].
 */
bool inv_i2(const struct transition *t, struct witness *w)
{
	const struct note *n = inv_retired(t);
	struct host_view v;
	uint32_t slot;

	if (!n)
		return true;
	slot = memslot_find(t->after, t->after->vcpus[t->mv.who].as_id, n->gfn);
	v = hostmm_view(t->after, memslot_backing(t->after, slot, n->gfn));
	if ((t->after->ghost->stopped & ghost_bit(n->gfn)) &&
	    !(slot && n->n > 0 && v.present && v.pfn == n->pfn && v.height >= n->n))
		return inv_fail(w, n->gfn,
				"an access completed in a range whose invalidate_range_start has "
				"returned");
	if (!slot || gmem_is_lost(t->after, slot, n->gfn))
		return true;
	if (!v.present || v.pfn != n->pfn)
		return inv_fail(w, n->gfn,
				"an access completed in a frame that the host has taken back");
	return !(n->acc & ACC_W) || v.writable ||
	       inv_fail(w, n->gfn, "a write completed in a frame that the host may only read");
}

/*
 * A harvest may miss a page that was in a PML buffer or in a fault's hands when it began: the vCPU is
 * asked to leave the guest, but is not waited for, and for rings not even asked.  The page stays due, and
 * the next harvest must have it
 * [KVM v6.12 arch/x86/kvm/x86.c: kvm_arch_sync_dirty_log; vcpu kick without wait].
 */
bool inv_dirty(const struct transition *t, struct witness *w)
{
	const struct ghost *g = t->after->ghost;
	const struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	uint64_t missed;

	if (!inv_returned(t, LANG_OP_GET_DIRTY) && !inv_returned(t, LANG_OP_RESET_RINGS))
		return true;
	missed = gl->due & g->written & ~gl->reported & ~gl->late &
		 ~inv_unmarked(t->after, t->line->kind == LANG_OP_GET_DIRTY);
	return !missed ||
	       inv_fail(w, (gfn_t)__builtin_ctzll(missed),
			"a write completed before the harvest began, and it is not in it");
}

/*
 * The roots are invalid before the vCPUs are asked to give them up, in one section of mmu_lock: who has not
 * been asked yet may enter once more [KVM v6.12 arch/x86/kvm/mmu/mmu.c: kvm_mmu_zap_all_fast].
 */
static bool will_be_asked(const struct vm *vm, uint32_t v)
{
	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		const struct actor *me = &vm->actors[a];
		const struct frame *fr = me->depth ? &me->fr[me->depth - 1] : me->fr;
		const struct l_req *f = (const struct l_req *)(const void *)fr->loc;

		if (vm->st->lock[OBJ_MMU_LOCK].writer == (int32_t)a + 1 &&
		    (fr->proc == P_zap_all_fast ||
		     (fr->proc == P_make_all_cpus_request && f->i < v &&
		      (f->req & REQ_MMU_FREE_OBSOLETE_ROOTS))))
			return true;
	}
	return false;
}

bool inv_i17(const struct transition *t, struct witness *w)
{
	const struct vcpu *v = &t->after->vcpus[t->mv.who];

	if (t->mv.who >= t->after->cfg->nr_vcpus || !t->c->work.guest_entry)
		return true;
	if (v->requests & (REQ_TLB_FLUSH | REQ_MMU_FREE_OBSOLETE_ROOTS)) {
		w->why = "a vCPU enters the guest with a flush or reload request";
		return false;
	}
	if (!v->root ||
	    (t->after->st->roots[v->root - 1].invalid && !will_be_asked(t->after, t->mv.who))) {
		w->why = "a vCPU enters the guest with an invalid root";
		return false;
	}
	return true;
}

bool inv_freed(const struct transition *t, struct witness *w)
{
	w->why = "a step used a memslot object that was freed";
	return t->after->st->freed_slot_used == 0;
}

bool inv_warn(const struct transition *t, struct witness *w)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		if (t->c->notes[i].kind == NOTE_WARN)
			return inv_fail(w, t->c->notes[i].gfn, t->c->notes[i].what);
	return true;
}
