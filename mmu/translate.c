/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/translate.h"

#include "mmu/s2_pte.h"

/* EPT: bits 6..3 of a table entry are reserved, bits 5..3 of a leaf are its memory type. */
#define EPT_TABLE_ZERO GENMASK(6, 3)
#define EPT_MEMTYPE    GENMASK(5, 3)

/* --- The plain case, as masks. */

static void need(struct hw_plain *p, uint64_t set, uint64_t clear)
{
	p->mask |= set | clear;
	p->value = (p->value | set) & ~clear;
}

static void plain_x86(struct hw_xlate *x)
{
	const struct x86_fmt *f = x->mode.x86;
	uint64_t accessed = x->mode.update_ad ? f->accessed : 0;
	uint64_t dirty = x->mode.update_ad ? f->dirty : 0;
	bool ept = f->nx == 0;

	/* shadow-present: then no MMIO marker */
	need(&x->table, f->pte.present | f->r | f->w | f->x | f->user | accessed, f->nx | f->large);
	if (ept)
		need(&x->table, 0, EPT_TABLE_ZERO);
	for (unsigned int acc = 0; acc <= ACC_RWX; acc++) {
		struct hw_plain *p = &x->leaf[acc];

		need(p, f->pte.present | f->r | f->user | accessed, 0);
		if (acc & ACC_W)
			need(p, f->w | dirty, 0);
		if (acc & ACC_X)
			need(p, f->x, f->nx);
		if (ept)
			need(p, f->memtype & EPT_MEMTYPE, EPT_MEMTYPE & ~f->memtype);
	}
	for (unsigned int h = 1; h < x->pt->geom.heights; h++)
		need(&x->size[h], f->large, 0);
}

static void plain_s2(struct hw_xlate *x)
{
	need(&x->table, S2_VALID | S2_TYPE_TABLE, 0);
	for (unsigned int acc = 0; acc <= ACC_RWX; acc++) {
		need(&x->leaf[acc], S2_VALID | S2_AF, 0);
		need(&x->leaf[acc], acc & ACC_R ? S2_AP_R : 0, acc & ACC_X ? S2_XN : 0);
		need(&x->leaf[acc], acc & ACC_W ? S2_AP_W : 0, 0);
	}
	need(&x->size[0], S2_TYPE_TABLE, 0);
	for (unsigned int h = 1; h < x->pt->geom.heights; h++)
		need(&x->size[h], 0, S2_TYPE_TABLE);
}

/* A frame below the output size and aligned to the leaf; a leaf where none may stand is never plain. */
static void plain_frames(struct hw_xlate *x)
{
	const struct pt_geom *g = &x->pt->geom;
	uint64_t frame = x->pt->fmt->addr_mask;

	for (unsigned int h = 0; h < g->heights; h++) {
		uint64_t below = BIT(geom_shift(g, h) + g->page_shift) - 1;

		need(&x->size[h], 0, frame & (below | ~(BIT(g->pa_bits) - 1)));
		if (h > g->max_leaf_height)
			x->size[h] = (struct hw_plain){ 0, 1 };
	}
}

void hw_xlate_init(struct hw_xlate *x, struct pt *pt, uint32_t root, const struct hw_mode *mode,
		   struct tlb_hot *hot, const struct hw_caches *caches)
{
	*x = (struct hw_xlate){ .pt = pt, .root = root, .mode = *mode, .hot = hot };
	if (caches) {
		x->wc = caches->cfg;
		x->priv = caches->priv;
		x->shared = caches->shared;
	}
	if (mode->x86)
		plain_x86(x);
	else
		plain_s2(x);
	plain_frames(x);
	/* an address in two parts is never plain */
	if (pt->fmt->hi_mask)
		x->table = (struct hw_plain){ 0, 1 };
	for (unsigned int h = 0; h < pt->geom.heights && pt->fmt->hi_mask; h++)
		x->size[h] = (struct hw_plain){ 0, 1 };
}

static inline bool is_plain(const struct hw_plain *p, pte_t e)
{
	return (e.v & p->mask) == p->value;
}

/* --- The walk. */

/* A walk under way, and the table entries that it passed. */
struct trip {
	gfn_t gfn;
	uint32_t acc;
	uint32_t table;  /* page to read next */
	uint32_t height; /* of its entries */
	uint32_t top;    /* height of the first entry read */
	uint32_t above;  /* ACC_* bits that the entry of the walk cache grants */
	bool known;      /* the walk cache may hold some of the entries to be passed */
	uint32_t access[GEOM_MAX_HEIGHTS]; /* the same of each entry passed, all above counted in */
	pte_t passed[GEOM_MAX_HEIGHTS];
};

static inline void charge(const struct hw_xlate *x, uint32_t table, uint32_t index, struct work *wk)
{
	if (!x->wc)
		return;
	switch (wcache_ref(x->wc, x->priv, x->shared, wcache_line(x->pt, table, index))) {
	case WCACHE_L1:
		wk->walk_ref_l1++;
		break;
	case WCACHE_L2:
		wk->walk_ref_l2++;
		break;
	case WCACHE_LLC:
		wk->walk_ref_llc++;
		break;
	case WCACHE_MEMORY:
		wk->walk_ref_dram++;
		break;
	}
}

/* From the root, or below the lowest table entry that the walk cache has and that grants the access. */
static inline void trip_start(struct hw_xlate *x, struct trip *t, struct work *wk)
{
	unsigned int root = geom_root_height(&x->pt->geom);
	struct tlb_step s;
	bool found;

	t->table = x->root;
	t->height = t->top = root;
	t->above = ACC_RWX;
	t->known = false;
	if (!x->hot || !x->wc)
		return;
	found = tlb_hot_walk(x->hot, t->gfn, t->acc, &s);
	t->known = s.denied;
	if (!found)
		return;
	wk->walk_ref_cached += root - s.height + 1;
	t->table = pt_table_of(x->pt, s.pte);
	t->height = t->top = s.height - 1U;
	t->above = s.access;
}

/* Notes a table entry; @access: what it grants itself. */
static inline void pass(struct trip *t, unsigned int height, pte_t e, unsigned int access)
{
	t->passed[height] = e;
	t->access[height] = access & (height < t->top ? t->access[height + 1] : t->above);
}

/* Down plain entries; true at a plain leaf, else the trip stands before the entry that is not. */
static inline bool walk_plain(const struct hw_xlate *x, struct trip *t, struct hw_result *out,
			      struct work *wk)
{
	const struct pt *pt = x->pt;

	for (;;) {
		uint32_t index = pt_index(pt, t->gfn, t->height);
		pte_t e = *pt_entry(pt, t->table, index);
		kvm_pfn_t number;

		if (is_plain(&x->leaf[t->acc], e) && is_plain(&x->size[t->height], e)) {
			charge(x, t->table, index, wk);
			wk->hw_refs++;
			*out = (struct hw_result){ .height = (uint8_t)t->height,
						   .pte = e,
						   .table = t->table,
						   .index = index };
			return true;
		}
		number = pte_pfn(pt->fmt, e) - pt->pfn0;
		/* numbers from 1 on below the capacity */
		if (t->height == 0 || !is_plain(&x->table, e) || number - 1 >= pt->capacity - 1U)
			return false;
		charge(x, t->table, index, wk);
		wk->hw_refs++;
		pass(t, t->height, e, ACC_RWX);
		t->table = (uint32_t)number;
		t->height--;
	}
}

/* The rest of a walk by its rules. */
static __attribute__((noinline)) void walk_cursor(const struct hw_xlate *x, struct trip *t,
						  struct hw_result *out, struct work *wk)
{
	struct hw_cursor c = hw_cursor_at(t->table, t->height, t->gfn, t->acc);
	enum hw_step step;

	do {
		struct hw_cursor before = c;
		uint32_t index = pt_index(x->pt, before.gfn, before.height);
		pte_t e;

		if (before.next == HW_NEXT_READ)
			charge(x, before.table, index, wk);
		step = hw_cursor_step(x->pt, &x->mode, x->root, &c, out, wk);
		if (step == HW_STEP_END || c.height == before.height)
			continue;
		e = *pt_entry(x->pt, before.table, index);
		pass(t, before.height, e, x->mode.x86 ? spte_access(x->mode.x86, e) : ACC_RWX);
	} while (step == HW_STEP_MORE);
}

static inline void keep_passed(struct hw_xlate *x, const struct trip *t, unsigned int end,
			       struct work *wk)
{
	for (unsigned int h = t->top; h > end; h--) {
		struct tlb_entry e = {
			.kind = TLB_S2_WALK,
			.height = (uint8_t)h,
			.access = (uint8_t)t->access[h],
			.pte = t->passed[h],
			.page = geom_base(&x->pt->geom, t->gfn, h),
		};

		e.gfn = e.page;
		if (t->known)
			tlb_hot_fill(x->hot, &e, wk);
		else
			tlb_hot_fill_new(x->hot, &e, wk);
	}
}

static void violation(struct hw_xlate *x, gfn_t gfn, struct work *wk)
{
	struct tlb_inv inv = { .gfn = gfn,
			       .pages = 1,
			       .ctx = x->hot->ctx,
			       .op = TLB_INV_EPT_VIOLATION,
			       .level = TLB_LEVEL_NONE };

	tlb_invalidate(x->hot->cfg, x->hot->t, &inv, wk);
}

void hw_translate_hint(const struct hw_xlate *x, gfn_t gfn)
{
	const struct pt *pt = x->pt;
	uint32_t table = x->root, index;

	for (unsigned int h = geom_root_height(&pt->geom);; h--) {
		kvm_pfn_t number;
		pte_t e;

		index = pt_index(pt, gfn, h);
		if (h == 0)
			break;
		e = *pt_entry(pt, table, index);
		number = pte_pfn(pt->fmt, e) - pt->pfn0;
		if (!is_plain(&x->table, e) || number - 1 >= pt->capacity - 1U)
			return;
		table = (uint32_t)number;
	}
	__builtin_prefetch(pt_entry(pt, table, index));
	if (x->wc)
		wcache_hint(x->wc, x->priv, x->shared, wcache_line(pt, table, index));
}

enum hw_fault hw_translate(struct hw_xlate *x, gfn_t gfn, unsigned int acc, struct hw_result *out,
			   struct work *wk)
{
	struct trip t;

	t.gfn = gfn;
	t.acc = acc;
	trip_start(x, &t, wk);
	if (!walk_plain(x, &t, out, wk)) {
		walk_cursor(x, &t, out, wk);
		if (x->hot && x->mode.x86 &&
		    (out->fault == HW_FAULT_NOT_PRESENT || out->fault == HW_FAULT_PERM))
			violation(x, gfn, wk);
	}
	if (out->fault == HW_OK && t.top > out->height && x->hot && x->wc &&
	    x->hot->bank[TLB_WALK].ways)
		keep_passed(x, &t, out->height, wk);
	return out->fault;
}

struct tlb_entry hw_leaf_entry(const struct hw_xlate *x, gfn_t gfn, const struct hw_result *res)
{
	const struct x86_fmt *f = x->mode.x86;
	struct tlb_entry e = { .pte = res->pte, .kind = TLB_S2, .height = res->height };

	e.page = e.gfn = geom_base(&x->pt->geom, gfn, res->height);
	if (!f) {
		e.access = (uint8_t)s2_access(res->pte);
		return e;
	}
	e.access = (uint8_t)spte_access(f, res->pte);
	if (x->mode.update_ad && f->dirty && !(res->pte.v & f->dirty))
		e.flags = TLB_CLEAN;
	return e;
}

enum hw_fault hw_translate_fill(struct hw_xlate *x, gfn_t gfn, unsigned int acc,
				struct hw_result *out, struct work *wk)
{
	if (hw_translate(x, gfn, acc, out, wk) == HW_OK) {
		struct tlb_entry e = hw_leaf_entry(x, gfn, out);

		tlb_hot_fill_new(x->hot, &e, wk);
	}
	return out->fault;
}
