/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants at the return of ioctls. */
#include "mmu/s2_pte.h"
#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/inv.h"
#include "model/memslots.h"
#include "model/vtlb.h"
#include "model/x86.h"

/* Something that lets a vCPU reach a page: a leaf of a live root's table, or a TLB entry. */
struct reach {
	gfn_t gfn;
	uint64_t pages;
	unsigned int access;
	bool clean; /* the hardware must set D first, and reports it */
	bool tlb;
	uint8_t vcpu;
	uint8_t height;
};

struct reach_arg {
	const struct vm *vm;
	bool (*ask)(const struct vm *vm, const struct reach *r, uint64_t pages);
	uint64_t pages; /* gfns asked about */
	struct witness *w;
	const char *why_leaf, *why_tlb;
	uint8_t vcpu;
	bool bad;
};

static bool ask(struct reach_arg *a, const struct reach *r)
{
	if (a->bad || !(ghost_bits(r->gfn, r->pages) & a->pages) || !a->ask(a->vm, r, a->pages))
		return true;
	a->bad = true;
	if (r->tlb)
		a->w->actor = r->vcpu;
	return inv_fail(a->w, r->gfn, r->tlb ? a->why_tlb : a->why_leaf);
}

static enum tlb_keep ask_entry(void *arg, const struct tlb_entry *e)
{
	struct reach_arg *a = arg;

	if (e->kind == TLB_S2)
		(void)ask(a, &(struct reach){ .gfn = e->gfn,
					      .pages = geom_pages(&a->vm->cfg->geom, e->height),
					      .access = e->access,
					      .clean = (e->flags & TLB_CLEAN) != 0,
					      .tlb = true,
					      .vcpu = a->vcpu,
					      .height = e->height });
	return TLB_KEEP;
}

static bool is_reachable_root(const struct vm *vm, uint32_t table)
{
	uint32_t t = table;

	while (vm->pt.meta[t].parent)
		t = vm->pt.meta[t].parent;
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++)
		if (vm->st->roots[i].in_use && vm->st->roots[i].table == t)
			return !vm->st->roots[i].invalid;
	return true;
}

static bool each_reach(struct reach_arg *a)
{
	const struct vm *vm = a->vm;
	const struct pt *pt = &vm->pt;

	for (uint32_t t = 1; t < pt->head->high_water && !a->bad; t++) {
		const struct pt_meta *m = &pt->meta[t];

		if (m->state != PT_LIVE || !m->nr_used || !is_reachable_root(vm, t))
			continue;
		for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
			pte_t e = *pt_entry(pt, t, i);
			unsigned int acc = inv_leaf_access(vm, e, m->height);

			if (acc)
				(void)ask(a,
					  &(struct reach){
						  .gfn = pt_entry_gfn(pt, t, i),
						  .pages = geom_pages(&pt->geom, m->height),
						  .access = acc,
						  .clean = vm->cfg->rules.arch == PT_X86 &&
							   vm->cfg->rules.pml && m->height == 0 &&
							   !(e.v & vm_x86_fmt(vm)->dirty),
						  .height = m->height });
		}
	}
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus && vm->cfg->tlb.form != TLB_DROP; v++) {
		a->vcpu = (uint8_t)v;
		if (!inv_quiet(vm, v))
			tlb_visit(&vm->cfg->tlb, vtlb(vm, v), ask_entry, a);
	}
	return !a->bad;
}

static bool any(const struct vm *vm, const struct reach *r, uint64_t pages)
{
	(void)vm;
	(void)r;
	(void)pages;
	return true;
}

bool inv_i15(const struct transition *t, struct witness *w)
{
	uint64_t gone;

	if (!inv_returned(t, LANG_OP_SET_REGION))
		return true;
	gone = t->after->ghost_line[t->mv.who].slot;
	for (uint32_t s = 1; s < memslot_objects(&t->after->cfg->limits); s++)
		if (t->after->slots[s].in_use)
			gone &= ~ghost_bits(t->after->slots[s].base_gfn, t->after->slots[s].npages);
	return each_reach(&(struct reach_arg){
		.vm = t->after,
		.ask = any,
		.pages = gone,
		.w = w,
		.why_leaf = "a leaf maps a page whose slot is gone",
		.why_tlb = "a vCPU holds a translation of a page whose slot is gone" });
}

bool inv_i20(const struct transition *t, struct witness *w)
{
	return !inv_returned(t, LANG_OP_SET_REGION) || !t->after->ghost_line[t->mv.who].uf_before ||
	       each_reach(&(struct reach_arg){
		       .vm = t->after,
		       .ask = any,
		       .pages = t->after->ghost_line[t->mv.who].uf_before,
		       .w = w,
		       .why_leaf = "a leaf maps a page whose userfault bit was 1 before the ioctl",
		       .why_tlb = "a vCPU holds a translation of a page whose userfault bit was 1 "
				  "before the ioctl" });
}

/* Are the bits of all pages of a range set that are the slot's? */
static bool all_logged(const struct vm *vm, const struct memslot *s, gfn_t gfn, uint64_t pages)
{
	for (gfn_t g = MAX(gfn, s->base_gfn);
	     g < MIN(gfn + pages, s->base_gfn + s->npages) && s->bitmap; g++)
		if (!(vm->words[s->bitmap + (g - s->base_gfn) / 64] >> ((g - s->base_gfn) % 64) &
		      1))
			return false;
	return true;
}

/* Is the page's bit in the log set, or will the hardware report the write? */
static bool unlogged_write(const struct vm *vm, const struct reach *r, uint64_t pages)
{
	uint32_t slot = memslot_find(vm, 0, r->gfn);
	const struct memslot *s = &vm->slots[slot];

	if (!(r->access & ACC_W) || !slot)
		return false;
	if (r->height > 0)
		return vm->cfg->manual != 3 || !all_logged(vm, s, r->gfn, r->pages);
	if (r->clean && vm->cfg->rules.pml)
		return false;
	(void)pages;
	return s->bitmap && !(vm->words[s->bitmap + (r->gfn - s->base_gfn) / 64] >>
				      ((r->gfn - s->base_gfn) % 64) &
			      1);
}

/* With initially-all-set all bits are 1, so that nothing is asked of the entries. */
bool inv_i10(const struct transition *t, struct witness *w)
{
	uint32_t slot;

	if (!inv_returned(t, LANG_OP_SET_REGION) || t->after->cfg->ring_entries ||
	    !(t->line->u.region.flags & MEM_LOG_DIRTY_PAGES) ||
	    (t->after->ghost_line[t->mv.who].slot & t->after->ghost->logged))
		return true;
	slot = memslot_by_id(t->after, t->line->u.region.slot >> 16,
			     memslots_active(t->after, t->line->u.region.slot >> 16),
			     (uint16_t)t->line->u.region.slot);
	if (!slot)
		return true;
	return each_reach(&(struct reach_arg){
		.vm = t->after,
		.ask = unlogged_write,
		.pages = ghost_bits(t->after->slots[slot].base_gfn, t->after->slots[slot].npages) &
			 ~inv_unmarked(t->after, false),
		.w = w,
		.why_leaf = "a leaf grants write to a logged slot's page that is not in the log",
		.why_tlb =
			"a vCPU may write, by a translation it holds, to a logged slot's page that "
			"is not in the log" });
}

/* What user space was told of, or asked to clear, is written again only through the log. */
bool inv_i11(const struct transition *t, struct witness *w)
{
	if (!inv_returned(t, LANG_OP_CLEAR_DIRTY) &&
	    (!inv_returned(t, LANG_OP_GET_DIRTY) || t->after->cfg->manual))
		return true;
	return each_reach(&(struct reach_arg){
		.vm = t->after,
		.ask = unlogged_write,
		.pages = t->after->ghost_line[t->mv.who].reported & t->after->ghost->logged &
			 ~inv_unmarked(t->after, false),
		.w = w,
		.why_leaf = "a leaf grants write to a page that was taken out of the log",
		.why_tlb =
			"a vCPU may write, by a translation it holds, to a page taken out of the "
			"log" });
}

/* Another ioctl may be about to change the count of logging slots. */
static bool is_alone(const struct transition *t)
{
	for (uint32_t a = 0; a < t->after->nr_actors; a++)
		if (a != t->mv.who &&
		    (t->after->ghost_line[a].slot | t->after->ghost_line[a].target))
			return false;
	return true;
}

bool inv_i13(const struct transition *t, struct witness *w)
{
	bool logging = t->after->st->nr_memslots_dirty_logging > 0;

	if (!t->after->cfg->rules.pml || !inv_returned(t, LANG_OP_SET_REGION) || !is_alone(t))
		return true;
	for (uint32_t v = 0; v < t->after->cfg->nr_vcpus; v++) {
		const struct vcpu *vcpu = &t->after->vcpus[v];

		if (vcpu->mode != IN_GUEST_MODE || vcpu->stopped || vcpu->kicked ||
		    (vcpu->requests & REQ_UPDATE_CPU_DIRTY_LOGGING) || vcpu->pml_enabled == logging)
			continue;
		w->actor = (uint8_t)v;
		w->why = logging ? "a vCPU is in the guest without PML while a slot is logged"
				 : "a vCPU is in the guest with PML while no slot is logged";
		return false;
	}
	return true;
}

bool inv_i26(const struct transition *t, struct witness *w)
{
	for (unsigned int as = 0; as < t->after->cfg->rules.nr_as; as++) {
		uint64_t was = memslots_generation(t->before, as);
		uint64_t is = memslots_generation(t->after, as);
		uint64_t bare = was & ~MEMSLOT_GEN_UPDATE_IN_PROGRESS;

		if (is == was || is == (was | MEMSLOT_GEN_UPDATE_IN_PROGRESS) ||
		    (was != bare && is == bare + t->after->cfg->rules.nr_as))
			continue;
		w->why = "the generation of a slot set did not go on by one step";
		return false;
	}
	return true;
}

bool inv_i27(const struct transition *t, struct witness *w)
{
	const struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	const struct lang_region *r;
	unsigned int as;
	uint32_t s;

	if (!t->c->finished || t->c->ret >= 0 || !t->line || t->line->kind != LANG_OP_SET_REGION ||
	    t->after->cfg->nr_vmms > 1)
		return true;
	r = &t->line->u.region;
	as = r->slot >> 16;
	s = memslot_by_id(t->after, as, memslots_active(t->after, as), (uint16_t)r->slot);
	w->why = "an ioctl that failed has changed its slot";
	return gl->slot == (s ? ghost_bits(t->after->slots[s].base_gfn, t->after->slots[s].npages)
			      : 0) &&
	       (!s ||
		gl->was == ((uint64_t)t->after->slots[s].bitmap << 32 | t->after->slots[s].flags));
}

static bool was_emulated(const struct transition *t)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		if (t->c->notes[i].kind == NOTE_EMULATED)
			return true;
	return false;
}

/*
 * A page that is a slot's since before the vCPU left the guest is no MMIO, but for writes to read-only slots,
 * and for writes that KVM does for the guest while the slot is INVALID.
 */
bool inv_mmio(const struct transition *t, struct witness *w)
{
	for (unsigned int i = 0; i < t->c->nr_notes; i++) {
		const struct note *n = &t->c->notes[i];
		uint64_t sure = t->after->ghost->made & t->after->ghost_line[t->mv.who].left;
		uint32_t slot;

		if (n->kind != NOTE_EXIT || (n->n != EXIT_MMIO_READ && n->n != EXIT_MMIO_WRITE) ||
		    !(sure & ghost_bit(n->gfn)) || was_emulated(t))
			continue;
		slot = memslot_find(t->after, t->after->vcpus[t->mv.who].as_id, n->gfn);
		if (n->acc != ACC_W || !slot || !(t->after->slots[slot].flags & MEM_READONLY))
			return inv_fail(w, n->gfn, "an access to a slot's page became MMIO");
	}
	return true;
}

/* ---- guest_memfd ----------------------------------------------------------------------------- */

/* The slot object that page @page of file @map is bound to, or none, knows of it. */
static bool is_binding_sound(const struct vm *vm, uint32_t map, uint64_t page)
{
	uint32_t slot = gmem_bound(vm, map, page);
	const struct memslot *s = &vm->slots[slot];

	return !slot || (s->in_use && s->gmem == map + 1 && page >= s->gmem_page &&
			 page - s->gmem_page < s->npages);
}

static bool is_slot_bound(const struct vm *vm, uint32_t slot)
{
	const struct memslot *s = &vm->slots[slot];

	for (uint64_t p = 0; (s->flags & MEM_GUEST_MEMFD) && p < s->npages; p++)
		if (!s->gmem || gmem_bound(vm, s->gmem - 1U, s->gmem_page + p) != slot)
			return false;
	return true;
}

/* While an ioctl changes a slot, old and new object cannot both have the pages. */
bool inv_gmem(const struct transition *t, struct witness *w)
{
	const struct vm *vm = t->after;

	for (uint32_t m = 0; m < vm->st->nr_maps; m++)
		for (uint64_t p = 0; vm->st->maps[m].bindings && p < vm->st->maps[m].npages; p++)
			if (!is_binding_sound(vm, m, p)) {
				w->why = "a page of guest_memfd is bound to a slot object that was "
					 "freed";
				return false;
			}
	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		unsigned int set = memslots_active(vm, as);

		if (vm->st->lock[OBJ_SLOTS_LOCK].writer)
			break;
		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
			uint32_t slot = memslots_ids(vm, as, set)[i];

			if (!is_slot_bound(vm, slot))
				return inv_fail(w, vm->slots[slot].base_gfn,
						"a slot that guest_memfd backs is not bound to it");
		}
	}
	return true;
}
