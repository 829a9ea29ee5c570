/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to make a scenario smaller: without a vCPU, without a block or a line, with fewer repetitions, with
 * smaller slots, mappings and ranges.
 */
#include <string.h>

#include "harness/shrink_priv.h"

static struct lang_line *line_at(const struct draft *d, guint i)
{
	return g_ptr_array_index(d->lines, i);
}

/* Its text says something else now. */
static void changed(struct lang_line *l)
{
	g_clear_pointer(&l->text, g_free);
}

static bool has_loc(const struct lang_line *l)
{
	return l->kind == LANG_OP_SET_REGION ||
	       (l->kind >= LANG_HOST_TOUCH && l->kind <= LANG_HOST_AGE);
}

static const struct lang_loc *loc_of(const struct lang_line *l)
{
	return l->kind == LANG_OP_SET_REGION ? &l->u.region.loc : &l->u.host.loc;
}

/* ---- vCPUs ----------------------------------------------------------------------------------- */

/* Takes a vCPU off a line's list; the others' addresses stay as they are where the line can say so. */
static void leave_line(struct lang_line *l, unsigned int v)
{
	struct lang_guest *g = &l->u.guest;
	uint64_t bit = UINT64_C(1) << v;

	if (!(g->vcpu_mask & bit))
		return;
	if (!(g->vcpu_mask & (bit - 1)))
		g->gpa += g->vstride;
	g->vcpu_mask &= ~bit;
	if (!(g->vcpu_mask & (g->vcpu_mask - 1)))
		g->vstride = 0;
	changed(l);
}

/* The vCPUs above it get its number and those after it. */
static bool without_vcpu(struct draft *d, const struct shrink_at *at)
{
	uint64_t below = (UINT64_C(1) << at->place) - 1;

	if (d->scenario.vcpus == 1)
		return false;
	d->scenario.vcpus--;
	for (guint i = d->lines->len; i-- > 0;) {
		struct lang_line *l = line_at(d, i);
		uint64_t *mask = &l->u.guest.vcpu_mask;

		if (!lang_has_vcpus(l->kind))
			continue;
		leave_line(l, at->place);
		if (*mask & ~below)
			changed(l);
		*mask = (*mask & below) | (*mask >> 1 & ~below);
		if (!*mask)
			g_ptr_array_remove_index(d->lines, i);
	}
	return true;
}

/* One vCPU less in a line's list; each way another one. */
static bool without_one_of_list(struct draft *d, const struct shrink_at *at)
{
	struct lang_line *l = line_at(d, at->place);
	uint64_t bit = UINT64_C(1) << at->way;

	if (!lang_has_vcpus(l->kind) || !(l->u.guest.vcpu_mask & bit) ||
	    l->u.guest.vcpu_mask == bit)
		return false;
	leave_line(l, at->way);
	return true;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Index of the line that ends what the line at @from begins. */
static guint end_of(const struct draft *d, guint from)
{
	enum lang_kind end = line_at(d, from)->kind == LANG_PAR ? LANG_JOIN : LANG_ENDCHOOSE;

	while (line_at(d, from)->kind != end)
		from++;
	return from;
}

static bool without_block(struct draft *d, const struct shrink_at *at)
{
	enum lang_kind kind = line_at(d, at->place)->kind;

	if (kind != LANG_PAR && kind != LANG_CHOOSE)
		return false;
	g_ptr_array_remove_range(d->lines, at->place, end_of(d, at->place) - at->place + 1);
	return true;
}

static bool is_named(const struct draft *d, const char *map)
{
	for (guint i = 0; i < d->lines->len; i++) {
		const struct lang_line *l = line_at(d, i);

		if (has_loc(l) && !loc_of(l)->is_hva && strcmp(loc_of(l)->map, map) == 0)
			return true;
	}
	return false;
}

/* Without `choose` all lines of the group are run, in their order. */
static bool without_line(struct draft *d, const struct shrink_at *at)
{
	const struct lang_line *l = line_at(d, at->place);

	if (l->kind == LANG_PAR || l->kind == LANG_JOIN || l->kind == LANG_ENDCHOOSE)
		return false;
	if (l->kind == LANG_HOST_MAP && is_named(d, l->u.host_map.name))
		return false;
	if (l->kind == LANG_CHOOSE)
		g_ptr_array_remove_index(d->lines, end_of(d, at->place));
	g_ptr_array_remove_index(d->lines, at->place);
	return true;
}

/* ---- numbers --------------------------------------------------------------------------------- */

enum { LOWER_WAYS = 3 };

/* A number above 1 becomes 1, its half, or one less; false where an earlier way has done so. */
static bool lower(uint64_t *n, unsigned int way)
{
	if (*n <= 1 || (way == 1 && *n / 2 == 1) || (way == 2 && *n - 1 <= *n / 2))
		return false;
	*n = way == 0 ? 1 : way == 1 ? *n / 2 : *n - 1;
	return true;
}

static bool fewer_times(struct draft *d, const struct shrink_at *at)
{
	struct lang_line *l = line_at(d, at->place);

	if (l->when.repeat <= 1 || !lower(&l->when.repeat, at->way))
		return false;
	changed(l);
	return true;
}

static bool fewer_of(struct draft *d, const struct shrink_at *at)
{
	struct lang_line *l = line_at(d, at->place);
	uint64_t *n = NULL;

	if (l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC)
		n = &l->u.guest.n;
	else if (l->kind == LANG_OP_USER_BIT)
		n = &l->u.user_bit.n;
	else if (l->kind == LANG_CHOOSE)
		n = &l->u.choose.n;
	if (!n || !lower(n, at->way))
		return false;
	changed(l);
	return true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* A size in bytes, page by page. */
static bool lower_bytes(uint64_t *bytes, uint64_t page, unsigned int way)
{
	uint64_t n = *bytes / page;

	if (*bytes % page || !lower(&n, way))
		return false;
	*bytes = n * page;
	return true;
}

/* What a CLEAR may name ends with its slot; false when nothing is left of it. */
static bool clip_clear(struct lang_log *log, uint64_t pages)
{
	unsigned int n = 0;

	if (log->first + log->n <= pages)
		return true;
	if (log->first >= pages)
		return false;
	log->n = pages - log->first;
	for (; n < log->nr_ranges && log->ranges[n].start < pages; n++)
		log->ranges[n].end = MIN(log->ranges[n].end, pages);
	if (log->nr_ranges && !n)
		return false;
	log->nr_ranges = n;
	return true;
}

/* @cut bytes off a region's end, or off its front. */
static void cut_region(struct lang_region *r, uint64_t cut, bool front)
{
	r->size -= cut;
	if (!front)
		return;
	r->gpa += cut;
	if (r->loc.is_hva)
		r->loc.hva += cut;
	else
		r->loc.off += cut;
}

/* A slot keeps its size from line to line; the first line with it stands for all. */
static bool smaller_slot(struct draft *d, const struct shrink_at *at)
{
	const struct lang_region *first = &line_at(d, at->place)->u.region;
	uint32_t slot = first->slot;
	uint64_t size = first->size, left = size;

	if (line_at(d, at->place)->kind != LANG_OP_SET_REGION ||
	    !lower_bytes(&left, at->page, at->way % LOWER_WAYS))
		return false;
	for (guint i = 0; i < d->lines->len; i++) {
		struct lang_line *l = line_at(d, i);

		if (l->kind == LANG_OP_SET_REGION && l->u.region.slot == slot &&
		    l->u.region.size == size) {
			if (i < at->place)
				return false;
			cut_region(&l->u.region, size - left, at->way >= LOWER_WAYS);
			changed(l);
		}
		if (l->kind == LANG_OP_CLEAR_DIRTY && l->u.log.slot == slot) {
			if (!clip_clear(&l->u.log, left / at->page))
				return false;
			changed(l);
		}
	}
	return true;
}

/* Does a line reach from below @to to beyond it? */
static bool reaches(const struct lang_line *l, const char *map, uint64_t to)
{
	uint64_t len = l->kind == LANG_OP_SET_REGION ? l->u.region.size : l->u.host.len;
	const struct lang_loc *loc = loc_of(l);

	return !loc->is_hva && strcmp(loc->map, map) == 0 && loc->off + len > to;
}

static bool smaller_map(struct draft *d, const struct shrink_at *at)
{
	struct lang_line *map = line_at(d, at->place);
	uint64_t *size = &map->u.host_map.size;

	if (map->kind != LANG_HOST_MAP || !lower_bytes(size, at->page, at->way))
		return false;
	for (guint i = 0; i < d->lines->len; i++)
		if (has_loc(line_at(d, i)) && reaches(line_at(d, i), map->u.host_map.name, *size))
			return false;
	changed(map);
	return true;
}

static bool smaller_range(struct draft *d, const struct shrink_at *at)
{
	struct lang_line *l = line_at(d, at->place);

	if (l->kind < LANG_HOST_TOUCH || l->kind > LANG_HOST_AGE ||
	    !lower_bytes(&l->u.host.len, at->page, at->way))
		return false;
	changed(l);
	return true;
}

const struct shrink_edit shrink_edits[] = {
	{ without_vcpu, 1, true },
	{ without_block, 1, false },
	{ without_line, 1, false },
	{ without_one_of_list, LANG_VCPUS_MAX, false },
	{ fewer_times, LOWER_WAYS, false },
	{ fewer_of, LOWER_WAYS, false },
	{ smaller_slot, 2 * LOWER_WAYS, false },
	{ smaller_map, LOWER_WAYS, false },
	{ smaller_range, LOWER_WAYS, false },
	{ NULL, 0, false },
};
