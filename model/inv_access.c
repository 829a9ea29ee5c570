/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of accesses that complete, and of harvests, which must not miss one. */
#include "model/hostmm.h"
#include "model/inv.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/vcpu.h"

/* The access that the move completed; NULL when it completed none. */
static const struct note *retired(const struct transition *t)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		if (t->c->notes[i].kind == NOTE_RETIRE)
			return &t->c->notes[i];
	return NULL;
}

bool inv_uf(const struct transition *t, struct witness *w)
{
	const struct note *n = retired(t);

	return !n || !(t->after->ghost->uf_armed & ghost_bit(n->gfn)) ||
	       inv_fail(w, n->gfn,
			"an access completed to a page whose userfault bit was 1 before USERFAULT was "
			"set and is 1 still");
}

bool inv_slot(const struct transition *t, struct witness *w)
{
	const struct note *n = retired(t);

	return !n || !(t->after->ghost->removed & ghost_bit(n->gfn)) ||
	       inv_fail(w, n->gfn,
			"an access completed to a page whose slot was removed by an ioctl that has "
			"returned");
}

/* Frames are compared with the host's page table; without a slot there is none to compare with. */
bool inv_i2(const struct transition *t, struct witness *w)
{
	const struct note *n = retired(t);
	struct host_view v;
	uint32_t slot;

	if (!n)
		return true;
	if (t->after->ghost->stopped & ghost_bit(n->gfn))
		return inv_fail(w, n->gfn,
				"an access completed in a range whose invalidate_range_start has "
				"returned");
	slot = memslot_find(t->after, t->after->vcpus[t->mv.who].as_id, n->gfn);
	if (!slot)
		return true;
	v = hostmm_view(t->after, memslot_hva(t->after, slot, n->gfn));
	if (!v.present || v.pfn != n->pfn)
		return inv_fail(w, n->gfn,
				"an access completed in a frame that the host has taken back");
	return !(n->acc & ACC_W) || v.writable ||
	       inv_fail(w, n->gfn, "a write completed in a frame that the host may only read");
}

/* Pages in a vCPU's PML buffer: in the log as soon as it has left the guest. */
static uint64_t pml_bits(const struct vm *vm)
{
	uint32_t n = vm_cfg_pml(vm->cfg);
	uint64_t bits = 0;

	for (uint32_t v = 0; vm->cfg->rules.pml && v < vm->cfg->nr_vcpus; v++) {
		uint32_t first = vm->vcpus[v].pml_index + 1U;

		for (uint32_t i = vm->vcpus[v].pml_index >= n ? 0 : first; i < n; i++)
			bits |= ghost_bit(
				gpa_to_gfn(&vm->cfg->geom, vm->pml[(size_t)v * n + i]));
	}
	return bits;
}

/* Pages that a fault under way is about: it may still have to mark them. */
static uint64_t fault_bits(const struct vm *vm)
{
	uint64_t bits = 0;

	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		const struct actor *a = &vm->actors[v];

		for (uint32_t d = 0; d < a->depth; d++) {
			const struct l_fault *f = (const struct l_fault *)(const void *)a->fr[d].loc;

			if (a->fr[d].proc == P_x86_page_fault || a->fr[d].proc == P_user_mem_abort)
				bits |= ghost_bit(f->gfn);
		}
	}
	return bits;
}

/*
 * A harvest may miss a page that is in a PML buffer, or that a fault of another vCPU has made writable and
 * not yet marked; the next one has it then, and the page stays due.
 */
bool inv_dirty(const struct transition *t, struct witness *w)
{
	const struct ghost *g = t->after->ghost;
	const struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	uint64_t missed;

	if (!inv_returned(t, LANG_OP_GET_DIRTY) && !inv_returned(t, LANG_OP_RESET_RINGS))
		return true;
	missed = gl->due & g->written & ~gl->reported & ~pml_bits(t->after) & ~fault_bits(t->after);
	return !missed || inv_fail(w, (gfn_t)__builtin_ctzll(missed),
				   "a write completed before the harvest began, and it is not in it");
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
	if (!v->root || t->after->st->roots[v->root - 1].invalid) {
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
