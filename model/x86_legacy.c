/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct maps of the legacy MMU (tdp_mmu=0): shadow pages found by base and level, kept after they
 * were unlinked, filled in groups of eight [KVM v6.1 arch/x86/kvm/mmu/mmu.c: __direct_map,
 * mmu_set_spte, direct_pte_prefetch, kvm_zap_obsolete_pages].
 *
 * SIMPLIFIED: instead of reverse maps, range operations look at every live shadow page; the result
 * is the same, the order within one operation is that of the pages.
 */
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/userfault.h"
#include "model/vcpu.h"
#include "model/x86.h"

enum {
	PREFETCH_GROUP = 8, /* PTE_PREFETCH_NUM */
	/* budget of shadow pages [arch/x86/include/asm/kvm_host.h] */
	PAGES_PER_SP = 50, /* KVM_MEMSLOT_PAGES_TO_MMU_PAGES_RATIO */
	MIN_SPS = 64,      /* KVM_MIN_ALLOC_MMU_PAGES */
	MIN_FREE_SPS = 5,  /* KVM_MIN_FREE_MMU_PAGES */
	REFILL_SPS = 25,   /* KVM_REFILL_PAGES */
};

/* A live shadow page of this base, height and address space, linked or not; 0 none. */
static uint32_t find_sp(const struct vm *vm, gfn_t base, unsigned int height, unsigned int as)
{
	for (uint32_t t = 1; t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		if (m->state == PT_LIVE && m->base == base && m->height == height &&
		    m->as_id == as && !(m->flags & PT_F_ROOT))
			return t;
	}
	return 0;
}

/* kvm_mmu_get_shadow_page(): from the hash, or new. */
static uint32_t get_sp(struct ctx *c, gfn_t base, unsigned int height, unsigned int as)
{
	uint32_t t = find_sp(c->vm, base, height, as);

	if (!t) {
		t = pt_alloc(&c->vm->pt, height, base, &c->work);
		if (!t)
			return 0;
		c->vm->pt.meta[t].as_id = (uint8_t)as;
		c->vm->pt.meta[t].serial = ++c->vm->st->serial;
		c->stats.mmu_cache_miss++;
	}
	emit(c, &(struct event){ .kind = EV_GET_PAGE, .gfn = base, .height = (uint8_t)height });
	return t;
}

/* A change of a present leaf after which a flush is due; up to 6.12 also when A or D is lost. */
static bool change_needs_flush(const struct rules *r, const struct x86_fmt *fmt, pte_t old,
			       pte_t now)
{
	if (!pte_is_present(&fmt->pte, old))
		return false;
	return spte_change_flushes(fmt, (enum flush_rule)r->flush_update, old, now) ||
	       (r->flush_ad_lost && (old.v & ~now.v & (fmt->accessed | fmt->dirty)) != 0);
}

/* mmu_set_spte(): returns the outcome, *flush when the caller must flush. */
static enum ret_pf set_spte(struct ctx *c, const struct l_fault *f, uint32_t table, uint32_t index,
			    bool prefetch, bool *flush)
{
	struct pt *pt = &c->vm->pt;
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	unsigned int height = pt->meta[table].height;
	gfn_t gfn = pt_entry_gfn(pt, table, index);
	pte_t old = *pt_entry(pt, table, index), e;

	if (!f->slot) {
		pt_set(pt, table, index,
		       spte_make_mmio(fmt, gfn, memslots_generation(c->vm, 0), ACC_RWX), &c->work);
		c->stats.pf_mmio_spte_created++;
		emit(c, &(struct event){ .kind = EV_MARK_MMIO, .gfn = gfn });
		return RET_PF_EMULATE;
	}
	if (pte_is_table(pt->fmt, old, height)) {
		/* the child page stays in the hash, without parent */
		pt->meta[pt_table_of(pt, old)].parent = 0;
		pt_set(pt, table, index, (pte_t){ pt->fmt->empty }, &c->work);
		*flush = true;
	} else if (pte_is_leaf(pt->fmt, old, height) &&
		   pte_pfn(pt->fmt, old) != align_down_u64(f->pfn, geom_pages(&pt->geom, height))) {
		pt_set(pt, table, index, (pte_t){ pt->fmt->empty }, &c->work);
		*flush = true;
	}
	old = *pt_entry(pt, table, index);
	e = make_spte(c, f, gfn, height, old, prefetch);
	if (pte_eq(e, old))
		return is_write_protected(c, f) ? RET_PF_WRITE_PROTECTED : RET_PF_SPURIOUS;
	*flush |= change_needs_flush(c->rules, fmt, old, e);
	pt_set(pt, table, index, e, &c->work);
	emit(c,
	     &(struct event){
		     .kind = EV_SET_SPTE, .height = (uint8_t)height, .gfn = gfn, .new_value = e });
	return is_write_protected(c, f) ? RET_PF_WRITE_PROTECTED : RET_PF_FIXED;
}

/* Pages of [gfn, gfn + n) that may be mapped writable at once, up to the first that may not. */
static unsigned int prefetchable_run(const struct vm *vm, uint32_t slot, gfn_t gfn, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct host_view v = hostmm_view(vm, memslot_hva(vm, slot, gfn + i));

		if (!v.present || !v.writable)
			break;
		if (vm->cfg->rules.uf_prefetch == PF_TEST_BITS &&
		    userfault_bit(vm, slot, gfn + i) != 0)
			break;
	}
	return i;
}

/* One run of empty entries; false ends the prefetch. */
static bool prefetch_run(struct ctx *c, const struct l_fault *fault, uint32_t table, uint32_t first,
			 uint32_t end)
{
	gfn_t gfn = pt_entry_gfn(&c->vm->pt, table, first);
	uint32_t slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, gfn);
	const struct memslot *s = &c->vm->slots[slot];
	unsigned int n;

	if ((s->flags & MEM_USERFAULT) && c->rules->uf_prefetch == PF_NOT_UF)
		return false;
	if (!slot || (s->flags & (MEMSLOT_INVALID | MEM_READONLY)) || memslot_is_logging(s) ||
	    s->base_gfn + s->npages - gfn < end - first)
		return false;
	n = prefetchable_run(c->vm, slot, gfn, end - first);
	for (uint32_t i = 0; i < n; i++) {
		struct l_fault p = *fault;
		bool flush = false;

		p.slot = slot;
		p.gfn = gfn + i;
		p.pfn = hostmm_view(c->vm, memslot_hva(c->vm, slot, gfn + i)).pfn;
		p.map_writable = 1;
		set_spte(c, &p, table, first + i, true, &flush);
	}
	return n > 0;
}

/* Neighbours of the leaf just installed, in its aligned group of eight. */
static void prefetch(struct ctx *c, const struct l_fault *f, uint32_t table, uint32_t index)
{
	struct pt *pt = &c->vm->pt;
	uint32_t group = min_u64(PREFETCH_GROUP, geom_entries(&pt->geom)) & UINT32_MAX;
	uint32_t base = index & ~(group - 1);
	uint32_t start = UINT32_MAX;

	if (!vm_x86_fmt(c->vm)->accessed || pt->meta[table].height > 0 ||
	    c->vm->st->mmu_invalidate_in_progress)
		return;
	for (uint32_t i = base; i < base + group; i++) {
		bool taken = i == index || pte_is_present(pt->fmt, *pt_entry(pt, table, i));

		if (taken && start != UINT32_MAX) {
			if (!prefetch_run(c, f, table, start, i))
				return;
			start = UINT32_MAX;
		} else if (!taken && start == UINT32_MAX) {
			start = i;
		}
	}
	if (start != UINT32_MAX)
		prefetch_run(c, f, table, start, base + group);
}

/* Entry of the next level for a direct map; RET_PF_CONTINUE at the goal. */
static bool at_goal(const struct ctx *c, struct l_fault *f)
{
	const struct pt *pt = &c->vm->pt;

	f->index = pt_index(pt, f->gfn, pt->meta[f->table].height);
	f->old = *pt_entry(pt, f->table, f->index);
	if (pt->meta[f->table].height == f->goal && nx_keeps_table(c->vm, f->old, f->goal)) {
		f->goal--;
		f->pfn |= f->gfn &
			  (geom_pages(&pt->geom, f->goal + 1U) - geom_pages(&pt->geom, f->goal));
	}
	return pt->meta[f->table].height == f->goal;
}

/* Links a shadow page below the entry; says whether a huge leaf was dropped for it. */
static bool link_child(struct ctx *c, struct l_fault *f, bool *dropped)
{
	struct pt *pt = &c->vm->pt;
	unsigned int height = pt->meta[f->table].height;
	uint32_t child = get_sp(c, pt_entry_gfn(pt, f->table, f->index), height - 1,
				pt->meta[f->table].as_id);

	*dropped = pte_is_leaf(pt->fmt, f->old, height);
	if (!child)
		return false;
	pt_set(pt, f->table, f->index, spte_make_table(vm_x86_fmt(c->vm), pt_table_pfn(pt, child)),
	       &c->work);
	if (f->huge_disallowed) {
		pt->meta[child].flags |= PT_F_NX_DISALLOWED;
		if (f->req >= height)
			pt->meta[child].flags |= PT_F_NX_POSSIBLE;
	}
	return true;
}

/* mmu_lock is held for write. */
PROC(direct_map)
{
	BEGIN(l_fault);
	f->table = c->vm->st->roots[c->vm->vcpus[c->me_nr].root - 1].table;
	while (!at_goal(c, f)) {
		if (!pte_is_table(c->vm->pt.fmt, f->old, c->vm->pt.meta[f->table].height)) {
			bool dropped;

			if (!link_child(c, f, &dropped))
				RETURN(RET_PF_RETRY);
			f->tries = dropped;
			STEP("direct_map:link");
			if (f->tries)
				CALL(P_flush_remote_tlbs, l_req, 0);
		}
		f->table = pt_table_of(&c->vm->pt, *pt_entry(&c->vm->pt, f->table, f->index));
	}
	{
		bool flush = false;

		f->result = (int8_t)set_spte(c, f, f->table, f->index, false, &flush);
		f->tries = flush;
	}
	STEP("direct_map:set");
	if (f->tries)
		CALL(P_flush_remote_tlbs, l_req, 0);
	if (f->result != RET_PF_SPURIOUS)
		prefetch(c, f, f->table, f->index);
	RETURN(f->result);
	END;
}

/* A root that an earlier zap took off the list of active pages; a vCPU still holds it. */
static bool is_zapped_root(const struct vm *vm, uint32_t table)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		const struct root *r = &vm->st->roots[i];

		if (r->in_use && r->table == table)
			return r->invalid && !r->scheduled;
	}
	return false;
}

/* Oldest active page created after @serial; 0 none. */
static uint32_t next_sp(const struct vm *vm, uint32_t serial)
{
	uint32_t best = 0;

	for (uint32_t t = 1; t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		if (m->state == PT_LIVE && m->serial > serial &&
		    (!best || m->serial < vm->pt.meta[best].serial) && !is_zapped_root(vm, t))
			best = t;
	}
	return best;
}

static void empty_sp(struct ctx *c, uint32_t t)
{
	for (uint32_t i = 0; i < geom_entries(&c->vm->cfg->geom); i++)
		if (pt_entry(&c->vm->pt, t, i)->v != c->vm->pt.fmt->empty)
			pt_set(&c->vm->pt, t, i, (pte_t){ c->vm->pt.fmt->empty }, &c->work);
}

/* Takes a page out of the tables: its leaves go, its children and its parent forget it. */
static void zap_sp(struct ctx *c, uint32_t t)
{
	struct pt *pt = &c->vm->pt;
	struct pt_meta *m = &pt->meta[t];

	emit(c, &(struct event){ .kind = EV_PREPARE_ZAP, .gfn = m->base, .height = m->height });
	c->stats.mmu_shadow_zapped++;
	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, t, i);

		if (pte_is_table(pt->fmt, e, m->height))
			pt->meta[pt_table_of(pt, e)].parent = 0;
	}
	empty_sp(c, t);
	if (m->parent)
		pt_set(pt, m->parent, pt_index(pt, m->base, m->height + 1U),
		       (pte_t){ pt->fmt->empty }, &c->work);
	m->parent = 0;
}

/* Shadow pages that must go before a fault may allocate; 0 when the budget suffices. */
static uint64_t missing_sps(const struct vm *vm)
{
	uint64_t max = max_u64(vm->st->nr_memslot_pages / PAGES_PER_SP, MIN_SPS);
	uint64_t free = max - min_u64(max, vm->pt.head->nr_live);

	return free >= MIN_FREE_SPS ? 0 : REFILL_SPS - free;
}

/*
 * Over its budget the VM loses its oldest shadow pages, roots in use excepted; one flush.  mmu_lock
 * is held for write [KVM v6.1 arch/x86/kvm/mmu/mmu.c: make_mmu_pages_available,
 * kvm_mmu_zap_oldest_mmu_pages].  SIMPLIFIED: loading a root does not ask for room.
 */
PROC(legacy_make_available)
{
	BEGIN(l_range);
	f->n = missing_sps(c->vm);
	f->root = 0; /* list of the pages to free */
	while (f->n && (f->slot = next_sp(c->vm, f->i)) != 0) {
		f->i = c->vm->pt.meta[f->slot].serial;
		if (c->vm->pt.meta[f->slot].flags & PT_F_ROOT)
			continue;
		zap_sp(c, f->slot);
		pt_unlink(&c->vm->pt, f->slot);
		c->vm->pt.meta[f->slot].link = f->root;
		f->root = f->slot;
		f->n--;
		c->stats.mmu_recycled++;
		STEP("zap_oldest_mmu_pages:page");
	}
	if (f->root)
		CALL(P_flush_remote_tlbs, l_req, 0);
	pt_free_list(&c->vm->pt, &f->root, &c->work);
	RETURN(0);
	END;
}

/* Every shadow page in order of creation, one flush, then the pages go; a root in use stays. */
PROC(legacy_zap_obsolete)
{
	BEGIN(l_range);
	for (f->i = 0; (f->slot = next_sp(c->vm, f->i)) != 0;) {
		f->i = c->vm->pt.meta[f->slot].serial;
		f->hit = 1;
		zap_sp(c, f->slot);
		STEP("zap_obsolete_pages:page");
	}
	if (f->hit)
		CALL(P_flush_remote_tlbs, l_req, 0);
	for (uint32_t t = 1; t < c->vm->pt.head->high_water; t++)
		if (c->vm->pt.meta[t].state == PT_LIVE && !(c->vm->pt.meta[t].flags & PT_F_ROOT)) {
			pt_unlink(&c->vm->pt, t);
			c->vm->pt.meta[t].link = c->vm->st->deferred;
			c->vm->st->deferred = t;
		}
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++)
		c->vm->st->roots[i].scheduled = 0;
	roots_release(c);
	RETURN(0);
	END;
}

static bool change_leaf(struct ctx *c, enum x86_range_kind kind, const struct l_range *f,
			uint32_t table, uint32_t i)
{
	const struct x86_fmt *fmt = vm_x86_fmt(c->vm);
	unsigned int height = c->vm->pt.meta[table].height;
	gfn_t gfn = pt_entry_gfn(&c->vm->pt, table, i);
	pte_t e = *pt_entry(&c->vm->pt, table, i), old = e;
	bool young = fmt->accessed ? (e.v & fmt->accessed) != 0 : !spte_is_access_tracked(fmt, e);
	bool takes_mmuw = kind == XR_WRPROT_TRACK || injects(c, INJ_LOG_TAKES_MMUW);
	uint64_t log = spte_ad_enabled(fmt, e) && c->rules->pml ? fmt->dirty : fmt->w;

	switch (kind) {
	case XR_ZAP_LEAFS:
		e.v = fmt->pte.empty;
		break;
	case XR_WRPROT:
	case XR_WRPROT_TRACK:
		if (height >= f->locked)
			e.v &= ~(fmt->w | (takes_mmuw ? fmt->mmu_writable : 0));
		break;
	case XR_CLEAR_DIRTY:
		e.v &= height == 0 ? ~log : ~0ULL; /* rmaps: 4 KiB leaves only */
		break;
	case XR_MASKED:
		if (height == 0 && (f->n >> (gfn - f->start) & 1))
			e.v &= ~log;
		break;
	case XR_AGE:
		e = young ? spte_mark_access_tracked(fmt, e) : e;
		break;
	case XR_TEST_AGE:
		return young;
	}
	if (!pte_eq(e, old))
		pt_set(&c->vm->pt, table, i, e, &c->work);
	return !pte_eq(e, old);
}

bool legacy_range(struct ctx *c, enum x86_range_kind kind, const struct l_range *f)
{
	struct pt *pt = &c->vm->pt;
	bool hit = false;

	for (uint32_t t = 1; t < pt->head->high_water; t++) {
		const struct pt_meta *m = &pt->meta[t];
		uint64_t span = geom_pages(&pt->geom, m->height);

		if (m->state != PT_LIVE || m->as_id != f->as || m->base >= f->end ||
		    m->base + span * geom_entries(&pt->geom) <= f->start)
			continue;
		for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
			gfn_t gfn = m->base + i * span;

			if (gfn < f->end && gfn + span > f->start &&
			    pte_is_leaf(pt->fmt, *pt_entry(pt, t, i), m->height))
				hit |= change_leaf(c, kind, f, t, i);
		}
	}
	return hit;
}

/* Leaves that could be larger go, judged by their page's first gfn; one flush at the end. */
PROC(legacy_recover)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	for (uint32_t t = 1; t < c->vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &c->vm->pt.meta[t];
		const struct memslot *s = &c->vm->slots[f->slot];
		struct l_range r = { .as = s->as_id,
				     .start = s->base_gfn,
				     .end = s->base_gfn + s->npages };

		if (m->state != PT_LIVE || m->as_id != s->as_id || m->base < s->base_gfn ||
		    m->base >= r.end || m->height >= max_mapping_height(c->vm, f->slot, m->base))
			continue;
		for (uint32_t i = 0; i < geom_entries(&c->vm->cfg->geom); i++) {
			gfn_t gfn = pt_entry_gfn(&c->vm->pt, t, i);

			if (gfn >= r.start && gfn < r.end &&
			    pte_is_leaf(c->vm->pt.fmt, *pt_entry(&c->vm->pt, t, i), m->height))
				f->hit |= change_leaf(c, XR_ZAP_LEAFS, &r, t, i);
		}
	}
	STEP("legacy_recover:zap");
	if (f->hit)
		CALL(P_flush_remote_tlbs, l_req, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}
