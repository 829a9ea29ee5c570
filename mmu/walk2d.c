/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/walk2d.h"

#include "mmu/s2_pte.h"

/* EPT memory types that mean something: UC, WC, WT, WP, WB [SDM "EPT paging-structure entries"]. */
#define EPT_MEMTYPES       (BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6))
#define EPT_MEMTYPE_SHIFT  3
#define EPT_TABLE_RESERVED GENMASK(6, 3)

/* What an entry says to one access. */
struct verdict {
	enum hw_fault fault;
	bool leaf;
	uint64_t accessed; /* flags to be set; 0 when set or not kept */
	uint64_t dirty;
};

struct hw_cursor hw_cursor_init(const struct pt *pt, uint32_t root, gfn_t gfn, unsigned int acc)
{
	return hw_cursor_at(root, geom_root_height(&pt->geom), gfn, acc);
}

struct hw_cursor hw_cursor_at(uint32_t table, unsigned int height, gfn_t gfn, unsigned int acc)
{
	return (struct hw_cursor){
		.gfn = gfn,
		.table = table,
		.height = (uint8_t)height,
		.next = HW_NEXT_READ,
		.acc = (uint8_t)acc,
	};
}

/* Frame of a leaf that is not aligned to it, or beyond the physical address width. */
static bool is_bad_frame(const struct pt *pt, kvm_pfn_t pfn, unsigned int height)
{
	return (pfn & (geom_pages(&pt->geom, height) - 1)) != 0 ||
	       pfn >> (pt->geom.pa_bits - pt->geom.page_shift) != 0;
}

/* Reserved bits and combinations of an entry that is present to the hardware. */
static bool x86_is_misconfigured(const struct pt *pt, const struct x86_fmt *f, pte_t e,
				 unsigned int height)
{
	bool ept = f->nx == 0;
	bool leaf = height == 0 || (e.v & f->large) != 0;

	if (spte_is_mmio(f, e))
		return true;
	if (ept && !(e.v & f->r) && (e.v & f->w))
		return true; /* write-only, or write and execute without read */
	if (leaf && height > pt->geom.max_leaf_height)
		return true;
	if (leaf && is_bad_frame(pt, pte_pfn(&f->pte, e), height))
		return true;
	if (ept && leaf)
		return !(EPT_MEMTYPES >> ((e.v >> EPT_MEMTYPE_SHIFT) & 7) & 1);
	return ept && (e.v & EPT_TABLE_RESERVED) != 0;
}

/*
 * The hardware knows nothing of the shadow-present bit: present is any of R, W, X in EPT and bit 0
 * in NPT.  NPT accesses are user accesses at every level.
 */
static struct verdict x86_judge(const struct pt *pt, const struct hw_mode *mode,
				const struct hw_cursor *c, pte_t e)
{
	const struct x86_fmt *f = mode->x86;
	uint64_t present = f->nx ? f->r : f->r | f->w | f->x;
	struct verdict v = { .leaf = c->height == 0 || (e.v & f->large) != 0 };

	if (!(e.v & present))
		v.fault = HW_FAULT_NOT_PRESENT;
	else if (x86_is_misconfigured(pt, f, e, c->height))
		v.fault = HW_FAULT_MISCONFIG;
	else if ((spte_access(f, e) & c->acc) != c->acc || (e.v & f->user) != f->user)
		v.fault = HW_FAULT_PERM;
	else if (mode->update_ad) {
		v.accessed = f->accessed & ~e.v;
		v.dirty = v.leaf && (c->acc & ACC_W) ? f->dirty & ~e.v : 0;
	}
	return v;
}

/*
 * Order of checks: translation, address size, access flag, permission.  Table entries of stage 2
 * carry no rights.  SIMPLIFIED: hardware may also set AF for an access that then fails on its
 * rights; here it does not, so such a page looks older by one access.
 */
static struct verdict s2_judge(const struct pt *pt, const struct hw_mode *mode,
			       const struct hw_cursor *c, pte_t e)
{
	struct verdict v = { .leaf = c->height == 0 || !(e.v & S2_TYPE_TABLE) };

	if (!(e.v & S2_VALID) || (c->height == 0 && !(e.v & S2_TYPE_TABLE)) ||
	    (v.leaf && c->height > pt->geom.max_leaf_height))
		v.fault = HW_FAULT_NOT_PRESENT;
	else if (!v.leaf)
		return v;
	else if (is_bad_frame(pt, pte_pfn(pt->fmt, e), c->height))
		v.fault = HW_FAULT_MISCONFIG;
	else if (!(e.v & S2_AF) && !mode->update_ad)
		v.fault = HW_FAULT_ACCESS_FLAG;
	else if ((s2_access(e) & c->acc) != c->acc)
		v.fault = HW_FAULT_PERM;
	else
		v.accessed = S2_AF & ~e.v;
	return v;
}

static struct verdict judge(const struct pt *pt, const struct hw_mode *mode,
			    const struct hw_cursor *c, pte_t e)
{
	return mode->x86 ? x86_judge(pt, mode, c, e) : s2_judge(pt, mode, c, e);
}

static enum hw_step finish(const struct pt *pt, const struct hw_cursor *c, pte_t e,
			   enum hw_fault fault, struct hw_result *out)
{
	*out = (struct hw_result){
		.fault = fault,
		.height = c->height,
		.pte = e,
		.table = c->table,
		.index = pt_index(pt, c->gfn, c->height),
		.set_accessed = (c->set & HW_SET_ACCESSED) != 0,
		.set_dirty = (c->set & HW_SET_DIRTY) != 0,
	};
	return HW_STEP_END;
}

/* Acts on an entry that was read or updated: an update first, then down, or the end. */
static enum hw_step advance(const struct pt *pt, const struct hw_mode *mode, struct hw_cursor *c,
			    pte_t e, struct hw_result *out)
{
	struct verdict v = judge(pt, mode, c, e);
	kvm_pfn_t pfn = pte_pfn(pt->fmt, e);

	c->old.v = 0;
	c->next = HW_NEXT_READ;
	if (v.fault != HW_OK)
		return finish(pt, c, e, v.fault, out);
	if (v.accessed | v.dirty) {
		c->old = e;
		c->next = v.accessed ? HW_NEXT_ACCESSED : HW_NEXT_DIRTY;
		return HW_STEP_MORE;
	}
	if (v.leaf)
		return finish(pt, c, e, HW_OK, out);
	if (pfn <= pt->pfn0 || pfn - pt->pfn0 >= pt->capacity)
		return finish(pt, c, e, HW_FAULT_WILD, out);
	c->table = pt_table_of(pt, e);
	c->height--;
	return HW_STEP_MORE;
}

enum hw_step hw_cursor_step(struct pt *pt, const struct hw_mode *mode, uint32_t root,
			    struct hw_cursor *c, struct hw_result *out, struct work *wk)
{
	pte_t *e = pt_entry(pt, c->table, pt_index(pt, c->gfn, c->height));
	struct verdict v;

	if (c->next == HW_NEXT_READ) {
		wk->hw_refs++;
		return advance(pt, mode, c, *e, out);
	}
	if (!pte_eq(*e, c->old)) {
		uint8_t set = c->set;

		*c = hw_cursor_init(pt, root, c->gfn, c->acc);
		c->set = set;
		return HW_STEP_MORE;
	}
	v = judge(pt, mode, c, *e);
	e->v |= c->next == HW_NEXT_ACCESSED ? v.accessed : v.dirty;
	c->set |= c->next == HW_NEXT_ACCESSED ? HW_SET_ACCESSED : HW_SET_DIRTY;
	wk->hw_ad_update++;
	return advance(pt, mode, c, *e, out);
}

static struct hw_result walk_whole(struct pt *pt, const struct hw_mode *mode, uint32_t root,
				   struct hw_cursor c, struct work *wk)
{
	struct hw_result r = { .fault = HW_OK };

	while (hw_cursor_step(pt, mode, root, &c, &r, wk) == HW_STEP_MORE)
		;
	return r;
}

struct hw_result hw_walk_x86(struct pt *pt, const struct x86_fmt *f, uint32_t root, gfn_t gfn,
			     unsigned int acc, bool update_ad, struct work *wk)
{
	struct hw_mode mode = { .x86 = f, .update_ad = update_ad };

	return walk_whole(pt, &mode, root, hw_cursor_init(pt, root, gfn, acc), wk);
}

struct hw_result hw_walk_s2(struct pt *pt, uint32_t root, gfn_t gfn, unsigned int acc, bool hw_af,
			    struct work *wk)
{
	struct hw_mode mode = { .update_ad = hw_af };

	return walk_whole(pt, &mode, root, hw_cursor_init(pt, root, gfn, acc), wk);
}

/* Stage-2 reads that remain of @levels. */
static unsigned int warm_levels(unsigned int levels, const struct walk2d_warm *warm)
{
	return levels > warm->s2_levels ? levels - warm->s2_levels : 1;
}

unsigned int walk2d_refs(unsigned int n, const uint8_t *m, const struct walk2d_warm *warm)
{
	static const struct walk2d_warm cold;
	unsigned int refs = 0, first;

	if (!warm)
		warm = &cold;
	/* the read of the stage-1 leaf remains */
	first = n > warm->s1_levels ? warm->s1_levels : n - (n > 0);
	for (unsigned int i = first; i < n; i++)
		refs += 1 + (warm->s2_leaf_tables ? 0 : warm_levels(m[i], warm));
	return refs + warm_levels(m[n], warm);
}

/* One stage-2 translation; reads above the warm levels are not counted. */
static bool translate(const struct walk2d *w, gfn_t gfn, bool table, struct walk2d_result *r,
		      struct work *wk)
{
	struct pt_pos p = pt_lookup(w->s2, w->s2_root, gfn);
	unsigned int levels = geom_root_height(&w->s2->geom) - p.height + 1U;
	unsigned int reads = warm_levels(levels, &w->warm);

	if (table && w->warm.s2_leaf_tables)
		reads = 0;
	r->gfn = gfn;
	r->m[r->n] = (uint8_t)levels;
	r->s2_height = p.height;
	r->refs += reads;
	wk->hw_refs += reads;
	if (!pte_is_leaf(w->s2->fmt, p.value, p.height)) {
		r->fault = HW_FAULT_NOT_PRESENT;
		r->s2_fault = true;
		r->s1ptw = table;
		return false;
	}
	r->pfn = pte_pfn(w->s2->fmt, p.value) + (gfn & (geom_pages(&w->s2->geom, p.height) - 1));
	return true;
}

/* Levels of stage 1 that the caches cover on the way to @page: never the leaf. */
static unsigned int warm_s1(const struct walk2d *w, uint64_t page)
{
	unsigned int top = geom_root_height(&w->s1->geom);
	unsigned int leaf = pt_lookup(w->s1, w->s1_root, page).height;

	return w->warm.s1_levels < top - leaf ? w->warm.s1_levels : top - leaf;
}

struct walk2d_result walk2d_run(const struct walk2d *w, uint64_t page, struct work *wk)
{
	struct walk2d_result r = { .fault = HW_OK };
	unsigned int skip = warm_s1(w, page);
	unsigned int h = geom_root_height(&w->s1->geom);
	uint32_t table = w->s1_root;

	for (;;) {
		uint32_t index = pt_index(w->s1, page, h);
		pte_t e = *pt_entry(w->s1, table, index);
		/* a concatenated root lies in consecutive frames */
		gfn_t at = pt_table_pfn(w->s1, table) + (index >> w->s1->geom.index_bits);

		r.s1_height = (uint8_t)h;
		if (r.n >= skip) {
			if (!translate(w, at, true, &r, wk))
				return r;
			r.refs++;
			wk->hw_refs++;
		}
		r.n++;
		if (pte_is_table(w->s1->fmt, e, h)) {
			table = pt_table_of(w->s1, e);
			h--;
			continue;
		}
		if (!pte_is_leaf(w->s1->fmt, e, h)) {
			r.fault = HW_FAULT_NOT_PRESENT;
			return r;
		}
		translate(w, pte_pfn(w->s1->fmt, e) + (page & (geom_pages(&w->s1->geom, h) - 1)),
			  false, &r, wk);
		return r;
	}
}
