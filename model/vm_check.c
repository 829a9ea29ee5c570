/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of struct vm at rest; vm.h numbers them. */
#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/memslots.h"

static bool check_sets(const struct vm *vm, unsigned int as, const char **why)
{
	const struct memslots *ms = vm->st->sets[as];
	const uint16_t *a = memslots_ids(vm, as, 0), *b = memslots_ids(vm, as, 1);

	if (ms[0].count != ms[1].count)
		*why = "V1: the two memslot sets differ in size";
	for (uint32_t i = 0; !*why && i < ms[0].count; i++) {
		const struct memslot *s = &vm->slots[a[i]];

		if (a[i] != b[i])
			*why = "V1: the two memslot sets differ";
		else if (s->flags & MEMSLOT_INVALID)
			*why = "V1: an INVALID slot at rest";
		else if (i &&
			 vm->slots[a[i - 1]].base_gfn + vm->slots[a[i - 1]].npages > s->base_gfn)
			*why = "V1: slots out of order or overlapping";
	}
	if (!*why &&
	    ((ms[0].generation | ms[1].generation) & MEMSLOT_GEN_UPDATE_IN_PROGRESS) != 0 &&
	    (ms[memslots_active(vm, as)].generation & MEMSLOT_GEN_UPDATE_IN_PROGRESS))
		*why = "V3: update in progress in the active generation";
	return !*why;
}

static bool check_locks(const struct vm *vm, const char **why)
{
	const struct vm_state *st = vm->st;

	for (unsigned int i = 0; i < OBJ_NR_LOCKS; i++)
		if (st->lock[i].writer || st->lock[i].readers)
			*why = "V2: a lock is held";
	if (st->srcu.count[0] + st->srcu.count[1] + st->rcu.count[0] + st->rcu.count[1])
		*why = "V2: an SRCU or RCU reader is left";
	if (st->mn_active_invalidate_count || st->mmu_invalidate_in_progress)
		*why = "V3: an invalidation is in progress";
	return !*why;
}

static bool check_counts(const struct vm *vm, const char **why)
{
	uint32_t logging = 0, in_use = 0;

	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++)
		for (uint32_t i = 0; i < vm->st->sets[as][0].count; i++)
			logging += memslot_is_logging(&vm->slots[memslots_ids(vm, as, 0)[i]]);
	for (uint32_t i = 1; i < memslot_objects(&vm->cfg->limits) && in_use < vm->st->nr_slots;
	     i++)
		in_use += vm->slots[i].in_use;
	if (vm->st->freed_slot_used)
		*why = "V7: a memslot object was used after it was freed";
	else if (logging != vm->st->nr_memslots_dirty_logging)
		*why = "V4: nr_memslots_dirty_logging is wrong";
	else if (vm->st->sets[0][0].count + vm->st->sets[1][0].count != vm->st->nr_slots)
		*why = "V4: a slot object is lost";
	return !*why;
}

/* ACC_* of a leaf; 0 for anything else. */
static unsigned int leaf_access(const struct vm *vm, pte_t e, unsigned int height)
{
	if (!pte_is_leaf(vm->pt.fmt, e, height))
		return 0;
	if (vm->cfg->rules.arch == PT_ARM64)
		return s2_access(e) | ACC_R;
	return spte_access(x86_fmt_get((enum x86_spte_version)vm->cfg->rules.spte_version,
				       (enum x86_nested)vm->cfg->rules.nested),
			   e) |
	       ACC_R;
}

static const char *check_leaf(const struct vm *vm, unsigned int as, gfn_t gfn, pte_t e,
			      unsigned int height)
{
	unsigned int acc = leaf_access(vm, e, height);
	uint32_t slot = memslot_find(vm, as, gfn);
	const struct memslot *s = &vm->slots[slot];
	struct host_view v;

	if (!acc)
		return NULL;
	if (!slot || gfn < s->base_gfn ||
	    gfn + geom_pages(&vm->cfg->geom, height) > s->base_gfn + s->npages)
		return "V6: a leaf outside its slot";
	if (gmem_is_lost(vm, slot, gfn))
		return NULL;
	v = hostmm_view(vm, memslot_backing(vm, slot, gfn));
	if (!v.present || v.pfn != pte_pfn(vm->pt.fmt, e))
		return "V6: a leaf that the host page table does not back";
	if (v.height < height)
		return "V6: a leaf larger than the host's mapping";
	if ((acc & ACC_W) && (s->flags & MEM_READONLY))
		return "V6: a writable leaf in a read-only slot";
	if ((acc & ACC_W) && !v.writable)
		return "V6: a writable leaf over a read-only host page";
	return NULL;
}

static bool check_leaves(const struct vm *vm, const char **why)
{
	for (uint32_t t = 1; !*why && t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		for (uint32_t i = 0;
		     !*why && m->state == PT_LIVE && m->nr_used && i < geom_entries(&vm->cfg->geom);
		     i++)
			*why = check_leaf(vm, m->as_id, pt_entry_gfn(&vm->pt, t, i),
					  *pt_entry(&vm->pt, t, i), m->height);
	}
	return !*why;
}

/* A live page below the root has an entry in a live page that leads to it. */
static bool is_linked(const struct vm *vm, uint32_t table)
{
	const struct pt *pt = &vm->pt;
	const struct pt_meta *m = &pt->meta[table], *up = &pt->meta[m->parent];
	pte_t e;

	if (!m->parent || up->state != PT_LIVE)
		return false;
	e = *pt_entry(pt, m->parent, pt_index(pt, m->base, up->height));
	return pte_is_table(pt->fmt, e, up->height) && pt_table_of(pt, e) == table;
}

/* The legacy MMU keeps pages that nothing leads to: they are found by base and level. */
static bool check_links(const struct vm *vm, const char **why)
{
	unsigned int root = geom_root_height(&vm->cfg->geom);

	if (vm->cfg->rules.arch == PT_X86 && !vm->cfg->rules.tdp_mmu)
		return true;
	for (uint32_t t = 1; t < vm->pt.head->high_water; t++)
		if (vm->pt.meta[t].state == PT_LIVE && vm->pt.meta[t].height < root &&
		    !is_linked(vm, t))
			*why = "V8: a table page is left that no root leads to";
	return !*why;
}

bool vm_check_tables(const struct vm *vm, const char **why)
{
	*why = NULL;
	return pt_check(&vm->pt, why) && check_links(vm, why);
}

bool vm_check(const struct vm *vm, const char **why)
{
	*why = NULL;
	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++)
		if (!check_sets(vm, as, why))
			return false;
	return check_locks(vm, why) && check_counts(vm, why) && vm_check_tables(vm, why) &&
	       check_leaves(vm, why);
}
