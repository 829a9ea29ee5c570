/* SPDX-License-Identifier: Apache-2.0 */
#include "model/hostmm.h"

#include <errno.h>

enum {
	MAP_ALIGN_HEIGHT =
		2, /* maps are aligned to 1 GiB, or to the largest span of a small geometry */
};

static const hva_t first_hva = 0x100000000000ULL;

static uint64_t map_align_pages(const struct pt_geom *g)
{
	unsigned int h = g->heights > MAP_ALIGN_HEIGHT ? MAP_ALIGN_HEIGHT : g->heights - 1U;

	return geom_pages(g, h);
}

static uint64_t round_up_u64(uint64_t x, uint64_t to)
{
	return (x + to - 1) / to * to;
}

void hostmm_map_cost(const struct pt_geom *g, uint64_t size, uint64_t *units, uint64_t *pages)
{
	*pages = round_up_u64(size, geom_page_size(g)) >> g->page_shift;
	*units = round_up_u64(*pages, geom_pages(g, 1)) >> g->index_bits;
}

int hostmm_map_new(struct vm *vm, const char *name, uint64_t size, enum host_backing backing)
{
	struct vm_state *st = vm->st;
	const struct pt_geom *g = &vm->cfg->geom;
	uint64_t align = map_align_pages(g), units, pages;
	struct host_map *m = &st->maps[st->nr_maps];

	hostmm_map_cost(g, size, &units, &pages);
	if (st->nr_maps == VM_MAX_MAPS || st->next_unit + units > vm->cfg->limits.nr_units ||
	    st->next_page + pages > vm->cfg->limits.nr_pages)
		return -1;
	if (st->next_hva == 0)
		st->next_hva = first_hva;
	g_strlcpy(m->name, name, sizeof(m->name));
	m->npages = pages;
	m->backing = (uint8_t)backing;
	m->in_use = 1;
	m->span = round_up_u64(pages, align);
	st->next_pfn = round_up_u64(st->next_pfn, align);
	m->pfn0 = st->next_pfn;
	st->next_pfn += m->span * HOST_COPIES;
	m->hva = st->next_hva;
	st->next_hva += (m->span + align) << g->page_shift;
	m->unit0 = st->next_unit;
	m->page0 = st->next_page;
	st->next_unit += (uint32_t)units;
	st->next_page += (uint32_t)pages;
	for (uint32_t u = m->unit0; u < st->next_unit; u++)
		vm->units[u].no_huge =
			backing == HOST_ANON || backing == HOST_MEMFD || backing == HOST_GMEM;
	vm->pages[m->page0].vma_edge = 1;
	return (int)st->nr_maps++;
}

int hostmm_map_find(const struct vm *vm, const char *name)
{
	for (uint32_t i = 0; i < vm->st->nr_maps; i++)
		if (strcmp(vm->st->maps[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool is_hugetlb(const struct host_map *m)
{
	return m->backing == HOST_HUGE2M || m->backing == HOST_HUGE1G;
}

/* Unit that holds the state of @page: for 1 GiB pages the first of the GiB. */
static uint32_t unit_of(const struct vm *vm, const struct host_map *m, uint64_t page)
{
	uint64_t unit = page >> vm->cfg->geom.index_bits;

	if (m->backing == HOST_HUGE1G)
		unit = align_down_u64(unit, geom_entries(&vm->cfg->geom));
	return m->unit0 + (uint32_t)unit;
}

static uint64_t unit_first_page(const struct vm *vm, const struct host_map *m, uint64_t page)
{
	return align_down_u64(page, geom_pages(&vm->cfg->geom, m->backing == HOST_HUGE1G ? 2 : 1));
}

static struct host_view view_of(const struct vm *vm, hva_t hva)
{
	struct host_view v = { .map = -1 };

	for (uint32_t i = 0; i < vm->st->nr_maps; i++) {
		const struct host_map *m = &vm->st->maps[i];

		if (hva < m->hva || hva >= m->hva + (m->npages << vm->cfg->geom.page_shift))
			continue;
		v.map = (int)i;
		v.page = (hva - m->hva) >> vm->cfg->geom.page_shift;
		v.unit = unit_of(vm, m, v.page);
	}
	return v;
}

/* Bytes that one table of units spans. */
static uint64_t gib_bytes(const struct vm *vm)
{
	return host_unit_bytes(vm) << vm->cfg->geom.index_bits;
}

static struct host_unit *gib_of(const struct vm *vm, const struct host_map *m, uint64_t page)
{
	uint64_t unit = page >> vm->cfg->geom.index_bits;

	return &vm->units[m->unit0 + align_down_u64(unit, geom_entries(&vm->cfg->geom))];
}

uint64_t hostmm_cut_bytes(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	if (v.map >= 0 && vm->st->maps[v.map].backing == HOST_HUGE1G)
		return gib_bytes(vm);
	return v.map >= 0 && is_hugetlb(&vm->st->maps[v.map]) ? host_unit_bytes(vm)
							      : host_page_bytes(vm);
}

hva_t hostmm_vma_end(const struct vm *vm, hva_t hva, hva_t end)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m = &vm->st->maps[v.map];
	const struct host_page *p = &vm->pages[m->page0];
	uint64_t i = v.page + 1;

	while (i < m->npages && p[i].vma_gone == p[v.page].vma_gone && !p[i].vma_edge)
		i++;
	return min_u64(end, m->hva + (i << vm->cfg->geom.page_shift));
}

bool hostmm_is_hugetlb(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	return v.map >= 0 && is_hugetlb(&vm->st->maps[v.map]);
}

bool hostmm_is_shared(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	return v.map >= 0 && vm->st->maps[v.map].backing == HOST_MEMFD;
}

bool hostmm_is_huge_zero(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	return v.map >= 0 && vm->units[v.unit].kind == UNIT_HZERO;
}

static kvm_pfn_t frame(const struct host_map *m, uint64_t page, unsigned int copy)
{
	return m->pfn0 + page + copy * m->span;
}

struct host_view hostmm_view(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m;
	const struct host_unit *u;
	const struct host_page *p;

	if (v.map < 0)
		return v;
	m = &vm->st->maps[v.map];
	u = &vm->units[v.unit];
	p = &vm->pages[m->page0 + v.page];
	v.vma = !p->vma_gone && m->backing != HOST_GMEM && m->backing != HOST_GMEM_HUGE;
	v.vma_writable = v.vma && !p->vma_ro;
	switch ((enum unit_kind)u->kind) {
	case UNIT_NONE:
		break;
	case UNIT_HUGE:
		v.present = true;
		v.writable = u->writable;
		v.height = m->backing == HOST_HUGE1G ? 2 : 1;
		v.pfn = frame(m, v.page, u->copy);
		break;
	case UNIT_HZERO:
		v.present = true;
		v.height = 1;
		v.pfn = geom_entries(&vm->cfg->geom) +
			(v.page & (geom_entries(&vm->cfg->geom) - 1));
		break;
	case UNIT_SMALL:
		v.present = p->kind != PAGE_NONE;
		v.writable = p->writable;
		v.pfn = p->kind == PAGE_ZERO ? HOST_ZERO_PFN : frame(m, v.page, p->copy);
		break;
	}
	return v;
}

/* A whole unit of one VMA, so that a huge page may stand there. */
static bool unit_is_whole(const struct vm *vm, const struct host_map *m, uint64_t page)
{
	uint64_t n = geom_entries(&vm->cfg->geom);
	uint64_t first = align_down_u64(page, n);
	const struct host_page *p = &vm->pages[m->page0 + first];

	if (first + n > m->npages)
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (p[i].vma_gone || (i > 0 && p[i].vma_edge))
			return false;
	return true;
}

static bool may_be_huge(const struct vm *vm, const struct host_map *m, const struct host_view *v)
{
	return vm->units[v->unit].kind == UNIT_NONE && !vm->units[v->unit].no_huge &&
	       unit_is_whole(vm, m, v->page);
}

enum host_fault hostmm_fault(const struct vm *vm, hva_t hva, bool write)
{
	struct host_view v = hostmm_view(vm, hva);

	if (!v.vma || (write && !v.vma_writable))
		return HF_EFAULT;
	if (v.present && (!write || v.writable))
		return HF_NONE;
	if (!v.present)
		return vm->st->maps[v.map].uffd ? HF_UFFD : HF_PLAIN;
	if (vm->units[v.unit].kind == UNIT_HZERO)
		return HF_UNZERO;
	if (vm->units[v.unit].kind == UNIT_SMALL && v.pfn == HOST_ZERO_PFN)
		return HF_COW;
	return HF_PLAIN; /* an exclusive page becomes writable in place */
}

uint32_t hostmm_page(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	return vm->st->maps[v.map].page0 + (uint32_t)v.page;
}

static void set_copy(struct host_page *p, unsigned int copy)
{
	_Static_assert(HOST_COPIES == 4, "a page's copy has two bits");
	p->copy = copy & 3U;
}

static uint8_t next_copy(unsigned int copy)
{
	return (uint8_t)((copy + 1) % HOST_COPIES);
}

/*
 * A copy for a huge page that none of its pages has or had last.  SIMPLIFIED: when all are taken the
 * next one is, and a stale leaf may look right.
 */
static uint8_t free_copy(const struct vm *vm, const struct host_map *m, uint64_t first,
			 const struct host_unit *u)
{
	unsigned int used = 1U << u->copy;
	uint8_t copy = next_copy(u->copy);

	for (uint64_t i = 0; !is_hugetlb(m) && i < geom_entries(&vm->cfg->geom); i++)
		used |= 1U << vm->pages[m->page0 + first + i].copy;
	for (unsigned int i = 1; i < HOST_COPIES && (used >> copy & 1); i++)
		copy = next_copy(copy);
	return copy;
}

static void install_huge(struct vm *vm, const struct host_view *v, bool write)
{
	struct host_unit *u = &vm->units[v->unit];
	const struct host_map *m = &vm->st->maps[v->map];

	if (u->kind == UNIT_HUGE) {
		u->writable = 1;
		return;
	}
	u->kind = write || is_hugetlb(m) ? UNIT_HUGE : UNIT_HZERO;
	u->writable = write;
	if (u->kind == UNIT_HUGE)
		u->copy = free_copy(vm, m, unit_first_page(vm, m, v->page), u);
}

void hostmm_install(struct vm *vm, hva_t hva, bool write)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m = &vm->st->maps[v.map];
	struct host_unit *u = &vm->units[v.unit];
	struct host_page *p = &vm->pages[m->page0 + v.page];
	bool shared = m->backing == HOST_MEMFD;

	gib_of(vm, m, v.page)->tables = 1;
	if (is_hugetlb(m) || u->kind == UNIT_HUGE || may_be_huge(vm, m, &v)) {
		install_huge(vm, &v, write);
		return;
	}
	u->kind = UNIT_SMALL;
	if (p->kind == PAGE_OWN || p->kind == PAGE_CLEAN) {
		p->kind = PAGE_OWN;
		p->writable = 1;
		return;
	}
	p->kind = write || shared ? PAGE_OWN : PAGE_ZERO;
	/* shared memory needs no write notification: its entries are writable at once */
	p->writable = (write || shared) && !p->vma_ro;
	if (p->kind == PAGE_OWN && !shared)
		set_copy(p, next_copy(p->copy));
}

void hostmm_write(struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	struct host_page *p = &vm->pages[vm->st->maps[v.map].page0 + v.page];

	if (vm->units[v.unit].kind == UNIT_SMALL && p->kind == PAGE_CLEAN)
		p->kind = PAGE_OWN;
}

void hostmm_split_unit(struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m = &vm->st->maps[v.map];
	struct host_unit *u = &vm->units[v.unit];
	uint64_t first = unit_first_page(vm, m, v.page);

	if (u->kind != UNIT_HUGE && u->kind != UNIT_HZERO)
		return;
	for (uint64_t i = 0; i < geom_entries(&vm->cfg->geom); i++) {
		struct host_page *p = &vm->pages[m->page0 + first + i];

		p->kind = u->kind == UNIT_HUGE ? PAGE_CLEAN : PAGE_ZERO;
		p->writable = u->kind == UNIT_HUGE && u->writable;
		set_copy(p, u->copy);
	}
	u->kind = UNIT_SMALL;
	u->writable = 0;
}

struct gfn_range hostmm_unit_range(const struct vm *vm, hva_t hva)
{
	hva_t start = align_down_u64(hva, host_unit_bytes(vm));

	return (struct gfn_range){ start, start + host_unit_bytes(vm) };
}

bool hostmm_partial_huge(const struct vm *vm, hva_t hva, struct gfn_range range)
{
	struct host_view v = view_of(vm, hva);
	struct gfn_range r = hostmm_unit_range(vm, hva);

	if (v.map < 0 || is_hugetlb(&vm->st->maps[v.map]))
		return false;
	return (vm->units[v.unit].kind == UNIT_HUGE || vm->units[v.unit].kind == UNIT_HZERO) &&
	       (r.start < range.start || r.end > range.end);
}

bool hostmm_cut_notifies(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	if (v.map < 0 || is_hugetlb(&vm->st->maps[v.map]) || !(hva & (host_unit_bytes(vm) - 1)))
		return false;
	return gib_of(vm, &vm->st->maps[v.map], v.page)->tables &&
	       unit_is_whole(vm, &vm->st->maps[v.map], v.page);
}

void hostmm_cut(struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	if (v.map < 0)
		return;
	if ((hva & (host_unit_bytes(vm) - 1)) != 0)
		hostmm_split_unit(vm, hva);
	vm->pages[vm->st->maps[v.map].page0 + v.page].vma_edge = 1;
}

/* The pages of a huge page that goes had its frames last. */
static void keep_copy(struct vm *vm, const struct host_view *v)
{
	const struct host_map *m = &vm->st->maps[v->map];
	const struct host_unit *u = &vm->units[v->unit];
	uint64_t first = unit_first_page(vm, m, v->page);

	if (u->kind != UNIT_HUGE || is_hugetlb(m))
		return;
	for (uint64_t i = 0; i < geom_entries(&vm->cfg->geom); i++)
		set_copy(&vm->pages[m->page0 + first + i], u->copy);
}

/* Calls that work page by page, with whole units taken at once where they can be. */
void hostmm_discard(struct vm *vm, hva_t start, hva_t end)
{
	uint64_t step;

	for (hva_t at = start; at < end; at += step) {
		struct host_view v = view_of(vm, at);
		struct host_unit *u = &vm->units[v.unit];

		step = host_page_bytes(vm);
		if (v.map < 0)
			continue;
		if (u->kind == UNIT_SMALL) {
			struct host_page *p = &vm->pages[vm->st->maps[v.map].page0 + v.page];

			p->kind = PAGE_NONE;
			p->writable = 0;
		} else {
			keep_copy(vm, &v);
			u->kind = UNIT_NONE;
			u->writable = 0;
			step = hostmm_unit_range(vm, at).end - at;
		}
	}
}

void hostmm_remove(struct vm *vm, hva_t start, hva_t end)
{
	hostmm_discard(vm, start, end);
	for (hva_t at = start; at < end; at += host_page_bytes(vm)) {
		struct host_view v = view_of(vm, at);
		struct host_page *p = &vm->pages[vm->st->maps[v.map].page0 + v.page];

		set_copy(p, next_copy(p->copy));
	}
}

/* No VMA is left in @n pages from @first on. */
static bool is_hole(const struct vm *vm, const struct host_map *m, uint64_t first, uint64_t n)
{
	n = min_u64(n, m->npages - first);
	for (uint64_t i = 0; i < n; i++)
		if (!vm->pages[m->page0 + first + i].vma_gone)
			return false;
	return true;
}

void hostmm_unmap(struct vm *vm, hva_t start, hva_t end)
{
	const struct host_map *m = &vm->st->maps[view_of(vm, start).map];
	uint64_t unit = geom_pages(&vm->cfg->geom, 1), gib = geom_pages(&vm->cfg->geom, 2);
	uint64_t from = (start - m->hva) >> vm->cfg->geom.page_shift;
	uint64_t to = (end - m->hva) >> vm->cfg->geom.page_shift;

	hostmm_discard(vm, start, end);
	for (uint64_t i = from; i < to; i++) {
		struct host_page *p = &vm->pages[m->page0 + i];

		p->vma_gone = 1;
		p->vma_edge = 0;
	}
	/* tables over holes go too [free_pgtables] */
	for (uint64_t i = align_down_u64(from, unit); i < to; i += unit)
		if (is_hole(vm, m, i, unit))
			vm->units[unit_of(vm, m, i)].kind = UNIT_NONE;
	for (uint64_t i = align_down_u64(from, gib); i < to; i += gib)
		if (is_hole(vm, m, i, gib))
			gib_of(vm, m, i)->tables = 0;
}

void hostmm_remap(struct vm *vm, hva_t start, hva_t end)
{
	for (hva_t at = start; at < end; at += host_page_bytes(vm)) {
		struct host_view v = view_of(vm, at);

		if (v.map >= 0) {
			struct host_page *p = &vm->pages[vm->st->maps[v.map].page0 + v.page];

			p->vma_gone = 0;
			p->vma_ro = 0;
			p->vma_edge = at == start;
		}
	}
}

bool hostmm_any_vma(const struct vm *vm, hva_t start, hva_t end)
{
	for (hva_t at = start; at < end; at = hostmm_vma_end(vm, at, end))
		if (hostmm_view(vm, at).vma)
			return true;
	return false;
}

struct gfn_range hostmm_protect_range(const struct vm *vm, hva_t at, hva_t end)
{
	const struct rules *r = &vm->cfg->rules;

	if (hostmm_is_hugetlb(vm, at))
		return (struct gfn_range){ at, end };
	while (at < end) {
		struct host_view v = view_of(vm, at);
		const struct host_map *m = &vm->st->maps[v.map];
		hva_t gib_end = align_down_u64(at, gib_bytes(vm)) + gib_bytes(vm);

		if (r->host_protect_tables && gib_of(vm, m, v.page)->tables)
			return (struct gfn_range){ at, end };
		if (!r->host_protect_tables && vm->units[v.unit].kind != UNIT_NONE)
			return (struct gfn_range){ at, min_u64(end, gib_end) };
		at = r->host_protect_tables ? gib_end : hostmm_unit_range(vm, at).end;
	}
	return (struct gfn_range){ end, end };
}

/*
 * What an entry becomes: of private memory only exclusive pages are made writable at once, and
 * before 6.2 only by entries that are small and dirty; hugetlb never.
 */
static void protect_entry(struct vm *vm, const struct host_view *v, bool writable)
{
	const struct host_map *m = &vm->st->maps[v->map];
	struct host_page *p = &vm->pages[m->page0 + v->page];
	struct host_unit *u = &vm->units[v->unit];
	bool all = vm->cfg->rules.host_protect_all;

	if (u->kind == UNIT_SMALL)
		p->writable = writable && (p->kind == PAGE_OWN || (all && p->kind == PAGE_CLEAN));
	else if (u->kind == UNIT_HUGE)
		u->writable = writable && all && !is_hugetlb(m);
}

/* Two VMAs that differ in nothing become one; those of hugetlb never do. */
static void merge_at(struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	struct host_page *p;

	if (v.map < 0 || v.page == 0 || is_hugetlb(&vm->st->maps[v.map]))
		return;
	p = &vm->pages[vm->st->maps[v.map].page0 + v.page];
	if (!p[0].vma_gone && !p[-1].vma_gone && p[0].vma_ro == p[-1].vma_ro)
		p[0].vma_edge = 0;
}

void hostmm_protect(struct vm *vm, hva_t start, hva_t end, bool writable)
{
	for (hva_t at = start; at < end; at += host_page_bytes(vm)) {
		struct host_view v = view_of(vm, at);

		vm->pages[vm->st->maps[v.map].page0 + v.page].vma_ro = !writable;
	}
	merge_at(vm, start);
	merge_at(vm, end);
}

void hostmm_protect_entries(struct vm *vm, hva_t start, hva_t end, bool writable)
{
	for (hva_t at = start; at < end; at += host_page_bytes(vm)) {
		struct host_view v = view_of(vm, at);

		protect_entry(vm, &v, writable);
	}
}

bool hostmm_advice_changes(const struct vm *vm, hva_t start, hva_t end, bool huge)
{
	for (hva_t at = start; at < end; at = hostmm_unit_range(vm, at).end)
		if (vm->units[view_of(vm, at).unit].no_huge == huge)
			return true;
	return false;
}

/* Units that the range covers in part are of two VMAs now, and never huge. */
void hostmm_advise_huge(struct vm *vm, hva_t start, hva_t end, bool huge)
{
	for (hva_t at = start; at < end; at = hostmm_unit_range(vm, at).end) {
		struct host_view v = view_of(vm, at);
		struct gfn_range r = hostmm_unit_range(vm, at);

		if (r.start >= start && r.end <= end)
			vm->units[v.unit].no_huge = !huge;
	}
}

int hostmm_can_collapse(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m = &vm->st->maps[v.map];
	const struct host_page *p = &vm->pages[m->page0 + v.page];

	switch ((enum unit_kind)vm->units[v.unit].kind) {
	case UNIT_NONE:
		return gib_of(vm, m, v.page)->tables ? -ENOENT : -EINVAL;
	case UNIT_HUGE:
	case UNIT_HZERO:
		return 0;
	case UNIT_SMALL:
		for (uint64_t i = 0; i < geom_entries(&vm->cfg->geom); i++)
			if (p[i].writable)
				return 1;
		break;
	}
	return -EINVAL;
}

bool hostmm_may_collapse(const struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);

	return v.map >= 0 && !is_hugetlb(&vm->st->maps[v.map]) && !vm->units[v.unit].no_huge;
}

void hostmm_collapse(struct vm *vm, hva_t hva)
{
	struct host_view v = view_of(vm, hva);
	const struct host_map *m = &vm->st->maps[v.map];
	struct host_unit *u = &vm->units[v.unit];
	uint64_t first = unit_first_page(vm, m, v.page);

	u->copy = free_copy(vm, m, first, u);
	for (uint64_t i = 0; i < geom_entries(&vm->cfg->geom); i++) {
		struct host_page *p = &vm->pages[m->page0 + first + i];

		p->kind = PAGE_NONE;
		p->writable = 0;
	}
	u->kind = UNIT_HUGE;
	u->writable = 1;
}
