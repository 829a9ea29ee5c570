/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/pt.h"

#include <string.h>

void pt_init(struct pt *pt)
{
	pt->head->nr_live = 0;
	pt->head->nr_unlinked = 0;
	pt->head->free_hint = 1;
	pt->head->high_water = 1;
}

static bool is_free_run(const struct pt *pt, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (i < pt->head->high_water && pt->meta[i].state != PT_FREE)
			return false;
	return true;
}

static void fill_page(struct pt *pt, uint32_t table, struct pt_fill f)
{
	pte_t *e = pt_entry(pt, table, 0);

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++)
		e[i].v = f.value + i * f.step;
}

/* Pages in a row; what their entries hold is the caller's business. */
static uint32_t alloc_run(struct pt *pt, uint32_t n, unsigned int height, gfn_t base,
			  struct work *wk)
{
	uint32_t t = pt->head->free_hint;

	while ((uint64_t)t + n <= pt->capacity && !is_free_run(pt, t, n))
		t++;
	if ((uint64_t)t + n > pt->capacity)
		return 0;
	if (n == 1 || t == pt->head->free_hint)
		pt->head->free_hint = t + n;
	if (t + n > pt->head->high_water)
		pt->head->high_water = t + n;
	for (uint32_t i = t; i < t + n; i++) {
		pt->meta[i] = (struct pt_meta){
			.height = (uint8_t)height,
			.state = PT_LIVE,
			.base = base + (uint64_t)(i - t) * geom_pages(&pt->geom, height + 1),
		};
	}
	pt->head->nr_live += n;
	wk->table_alloc += n;
	return t;
}

uint32_t pt_alloc(struct pt *pt, unsigned int height, gfn_t base, struct work *wk)
{
	uint32_t t = alloc_run(pt, 1, height, base, wk);

	if (t != 0 && pt->fmt->empty)
		fill_page(pt, t, (struct pt_fill){ pt->fmt->empty, 0 });
	return t;
}

uint32_t pt_alloc_full(struct pt *pt, unsigned int height, gfn_t base, struct pt_fill f,
		       struct work *wk)
{
	uint32_t t = alloc_run(pt, 1, height, base, wk);

	if (t == 0)
		return 0;
	fill_page(pt, t, f);
	pt->meta[t].nr_used = (uint16_t)geom_entries(&pt->geom);
	return t;
}

uint32_t pt_alloc_root(struct pt *pt, struct work *wk)
{
	uint32_t n = geom_root_tables(&pt->geom);
	uint32_t t = alloc_run(pt, n, geom_root_height(&pt->geom), 0, wk);

	for (uint32_t i = t; t != 0 && i < t + n; i++) {
		pt->meta[i].flags = PT_F_ROOT;
		if (pt->fmt->empty)
			fill_page(pt, i, (struct pt_fill){ pt->fmt->empty, 0 });
	}
	return t;
}

void pt_free(struct pt *pt, uint32_t table, struct work *wk)
{
	uint32_t n = (pt->meta[table].flags & PT_F_ROOT) ? geom_root_tables(&pt->geom) : 1;

	for (uint32_t i = table; i < table + n; i++) {
		if (pt->meta[i].state == PT_UNLINKED)
			pt->head->nr_unlinked--;
		else
			pt->head->nr_live--;
		memset(pt_entry(pt, i, 0), 0, sizeof(pte_t) * geom_entries(&pt->geom));
		memset(&pt->meta[i], 0, sizeof(pt->meta[i]));
	}
	if (table < pt->head->free_hint)
		pt->head->free_hint = table;
	wk->table_free += n;
}

void pt_free_list(struct pt *pt, uint32_t *list, struct work *wk)
{
	while (*list) {
		uint32_t t = *list;

		*list = pt->meta[t].link;
		pt_free(pt, t, wk);
	}
}

void pt_unlink(struct pt *pt, uint32_t table)
{
	uint32_t n = (pt->meta[table].flags & PT_F_ROOT) ? geom_root_tables(&pt->geom) : 1;

	for (uint32_t i = table; i < table + n; i++)
		pt->meta[i].state = PT_UNLINKED;
	pt->head->nr_live -= n;
	pt->head->nr_unlinked += n;
}

void pt_note(struct pt *pt, uint32_t table, uint32_t index, pte_t old, pte_t value)
{
	unsigned int height = pt->meta[table].height;

	if (pte_is_table(pt->fmt, value, height))
		pt->meta[pt_table_of(pt, value)].parent = table;
	if (pt->obs && pt->obs->changed)
		pt->obs->changed(pt->obs_arg, pt_entry_gfn(pt, table, index), height, old, value);
}

uint32_t pt_clear_bits(struct pt *pt, struct pt_span s, uint64_t bits)
{
	pte_t *e = pt_entry(pt, s.table, s.first);
	uint64_t present = pt->fmt->present;
	uint32_t changed = 0;

	for (uint32_t i = 0; i < s.n; i++)
		if ((e[i].v & present) && (e[i].v & bits)) {
			e[i].v &= ~bits;
			changed++;
		}
	return changed;
}

uint32_t pt_clear_leafs(struct pt *pt, struct pt_span s)
{
	pte_t *e = pt_entry(pt, s.table, s.first);
	uint64_t present = pt->fmt->present, empty = pt->fmt->empty;
	uint32_t changed = 0;

	for (uint32_t i = 0; i < s.n; i++)
		if (e[i].v & present) {
			e[i].v = empty;
			changed++;
		}
	pt->meta[s.table].nr_used = (uint16_t)(pt->meta[s.table].nr_used - changed);
	return changed;
}

uint32_t pt_fill_leafs(struct pt *pt, struct pt_span s, struct pt_fill f)
{
	pte_t *e = pt_entry(pt, s.table, s.first);
	uint64_t present = pt->fmt->present, empty = pt->fmt->empty;
	uint32_t used = 0, fresh = 0;

	for (uint32_t i = 0; i < s.n; i++) {
		used += e[i].v == empty;
		fresh += !(e[i].v & present);
		e[i].v = f.value + i * f.step;
	}
	pt->meta[s.table].nr_used = (uint16_t)(pt->meta[s.table].nr_used + used);
	return fresh;
}

struct pt_pos pt_lookup(const struct pt *pt, uint32_t root, gfn_t gfn)
{
	struct pt_pos p = { .table = root, .height = (uint8_t)geom_root_height(&pt->geom) };

	for (;;) {
		p.index = pt_index(pt, gfn, p.height);
		p.value = *pt_entry(pt, p.table, p.index);
		if (!pte_is_table(pt->fmt, p.value, p.height))
			return p;
		p.table = pt_table_of(pt, p.value);
		p.height--;
	}
}

gfn_t pt_entry_gfn(const struct pt *pt, uint32_t table, uint32_t index)
{
	const struct pt_meta *m = &pt->meta[table];

	return m->base + ((gfn_t)index << geom_shift(&pt->geom, m->height));
}

static bool check_table(const struct pt *pt, uint32_t t, const char **why)
{
	const struct pt_meta *m = &pt->meta[t];
	uint32_t used = 0;

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++) {
		pte_t e = *pt_entry(pt, t, i);
		const struct pt_meta *child;

		used += e.v != pt->fmt->empty;
		if (m->state != PT_LIVE || !pte_is_table(pt->fmt, e, m->height))
			continue;
		if (pte_pfn(pt->fmt, e) <= pt->pfn0 ||
		    pte_pfn(pt->fmt, e) - pt->pfn0 >= pt->head->high_water) {
			*why = "table entry that points outside the pool";
			return false;
		}
		child = &pt->meta[pt_table_of(pt, e)];
		if (child->state != PT_LIVE || child->height + 1 != m->height ||
		    child->base != pt_entry_gfn(pt, t, i)) {
			*why = "table entry that points to the wrong page";
			return false;
		}
	}
	if (used != m->nr_used) {
		*why = "nr_used differs from the number of entries in use";
		return false;
	}
	return true;
}

static bool check_free(const struct pt *pt, uint32_t t, const char **why)
{
	static const struct pt_meta none;

	for (uint32_t i = 0; i < geom_entries(&pt->geom); i++)
		if (pt_entry(pt, t, i)->v != 0)
			*why = "free page that is not zero";
	if (memcmp(&pt->meta[t], &none, sizeof(none)) != 0)
		*why = "free page whose metadata is not zero";
	return *why == NULL;
}

bool pt_check(const struct pt *pt, const char **why)
{
	uint32_t live = 0, unlinked = 0;

	*why = NULL;
	for (uint32_t t = 1; t < pt->head->high_water; t++) {
		const struct pt_meta *m = &pt->meta[t];

		live += m->state == PT_LIVE;
		unlinked += m->state == PT_UNLINKED;
		if (m->state == PT_FREE ? !check_free(pt, t, why) : !check_table(pt, t, why))
			return false;
	}
	if (live != pt->head->nr_live)
		*why = "nr_live differs from the number of live pages";
	else if (unlinked != pt->head->nr_unlinked)
		*why = "nr_unlinked differs from the number of unlinked pages";
	return *why == NULL;
}
