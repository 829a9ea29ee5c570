/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arm.h"
#include "model/hostmm.h"
#include "model/lang.h"
#include "model/observe_priv.h"
#include "model/vcpu.h"
#include "model/x86.h"

#define U64 G_GUINT64_FORMAT
#define X64 "0x%" G_GINT64_MODIFIER "x"

void recorder_stats(struct recorder *r, const struct kvm_stats *s, uint32_t vcpu)
{
#define X(name, text) r->vm_stats.name += s->name;
	VM_STAT_LIST(X)
#undef X
	if (vcpu == UINT32_MAX)
		return;
#define X(name, text) r->vcpu_stats[vcpu].name += s->name;
	VCPU_STAT_LIST(X)
#undef X
}

/* Root whose table a record shows: the valid one, else one that a vCPU still holds. */
static uint32_t shown_root(const struct vm *vm)
{
	uint32_t valid = root_find(vm, 0);

	if (vm->cfg->rules.arch == PT_ARM64)
		return vm_s2_root(vm);
	if (valid)
		return vm->st->roots[valid - 1].table;
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++)
		if (vm->vcpus[v].root)
			return vm->st->roots[vm->vcpus[v].root - 1].table;
	return 0;
}

struct run {
	gfn_t gfn;
	uint64_t n, step;
	uint64_t attrs; /* the entry without its address */
	char map[32];
	uint64_t off;
	bool mmio, stale;
	unsigned int height;
};

struct table_print {
	struct recorder *r;
	struct run run;
	uint64_t leaves[GEOM_MAX_HEIGHTS], tables[GEOM_MAX_HEIGHTS], mmio;
	GString *tab;
	int hint; /* map that held the last frame */
};

static void attrs_text(const struct vm *vm, pte_t v, char *buf, size_t size)
{
	bool arm = vm->cfg->rules.arch == PT_ARM64;
	const struct x86_fmt *f = arm ? NULL : vm_x86_fmt(vm);
	unsigned int acc = arm ? s2_access(v) : spte_access(f, v);
	int n = g_snprintf(buf, size, "perm=%c%c%c ", (acc & ACC_R) ? 'r' : '-',
			   (acc & ACC_W) ? 'w' : '-', (acc & ACC_X) ? 'x' : '-');

	if (arm)
		g_snprintf(buf + n, size - (size_t)n, "a=%d dbm=%d sw=0x%x", (v.v & S2_AF) != 0,
			   (v.v & S2_DBM) != 0, (unsigned int)((v.v & S2_SW) >> 55));
	else
		g_snprintf(buf + n, size - (size_t)n, "a=%d d=%d hw=%d mw=%d",
			   (v.v & f->accessed) != 0, (v.v & f->dirty) != 0,
			   (v.v & f->host_writable) != 0, (v.v & f->mmu_writable) != 0);
}

static void run_end(struct table_print *p)
{
	struct run *u = &p->run;
	char size[16], attrs[96];

	if (u->n == 0)
		return;
	height_name(&p->r->vm->cfg->geom, u->height, size, sizeof(size));
	attrs_text(p->r->vm, (pte_t){ u->attrs }, attrs, sizeof(attrs));
	g_string_append_printf(p->tab, "tab gfn=" X64 " n=" X64 " size=%s ", u->gfn, u->n, size);
	if (u->mmio)
		g_string_append(p->tab, "mmio\n");
	else if (u->stale)
		g_string_append_printf(p->tab, "to=stale %s\n", attrs);
	else
		g_string_append_printf(p->tab, "to=%s+" X64 " %s\n", u->map, u->off, attrs);
	u->n = 0;
}

static void run_add(struct table_print *p, const struct run *e)
{
	struct run *u = &p->run;
	uint64_t bytes = u->n << p->r->vm->cfg->geom.page_shift;

	if (u->n && u->gfn + u->n == e->gfn && u->height == e->height && u->mmio == e->mmio &&
	    u->stale == e->stale && u->attrs == e->attrs &&
	    (u->mmio || u->stale || (strcmp(u->map, e->map) == 0 && u->off + bytes == e->off))) {
		u->n += e->n;
		return;
	}
	run_end(p);
	*u = *e;
}

/* Which host page a leaf's frame is: by the frame, or for the zero page by the slot. */
static bool locate(struct table_print *p, gfn_t gfn, kvm_pfn_t pfn, struct run *e)
{
	const struct vm *vm = p->r->vm;
	unsigned int shift = vm->cfg->geom.page_shift;
	uint32_t slot;
	hva_t hva = 0;

	for (uint32_t k = 0; k < vm->st->nr_maps && hva == 0; k++) {
		uint32_t i = ((uint32_t)p->hint + k) % vm->st->nr_maps;
		const struct host_map *m = &vm->st->maps[i];

		if (pfn >= m->pfn0 && pfn < m->pfn0 + HOST_COPIES * m->span) {
			hva = m->hva + (((pfn - m->pfn0) % m->span) << shift);
			p->hint = (int)i;
		}
	}
	if (hva == 0) {
		slot = memslot_find(vm, 0, gfn);
		if (!slot)
			return false;
		hva = memslot_hva(vm, slot, gfn);
	}
	{
		struct host_view v = hostmm_view(vm, hva);

		if (v.map < 0 || !v.present || v.pfn != pfn)
			return false;
		g_strlcpy(e->map, vm->st->maps[v.map].name, sizeof(e->map));
		e->off = hva - vm->st->maps[v.map].hva;
	}
	return true;
}

static void leaf(struct table_print *p, gfn_t gfn, unsigned int height, pte_t v)
{
	const struct vm *vm = p->r->vm;
	struct run e = { .gfn = gfn, .n = geom_pages(&vm->cfg->geom, height), .height = height };

	e.attrs = v.v & ~(vm->pt.fmt->addr_mask | vm->pt.fmt->hi_mask);
	e.stale = !locate(p, gfn, pte_pfn(vm->pt.fmt, v), &e);
	run_add(p, &e);
}

static void walk_table(struct table_print *p, uint32_t table)
{
	const struct pt *pt = &p->r->vm->pt;
	unsigned int h = pt->meta[table].height;
	bool x86 = p->r->vm->cfg->rules.arch == PT_X86;

	p->tables[h]++;
	for (uint32_t i = 0; i < geom_entries(&pt->geom) && pt->meta[table].nr_used; i++) {
		pte_t e = *pt_entry(pt, table, i);
		gfn_t gfn = pt_entry_gfn(pt, table, i);

		if (pte_is_table(pt->fmt, e, h)) {
			walk_table(p, pt_table_of(pt, e));
		} else if (pte_is_leaf(pt->fmt, e, h)) {
			p->leaves[h]++;
			leaf(p, gfn, h, e);
		} else if (x86 && spte_is_mmio(vm_x86_fmt(p->r->vm), e)) {
			p->mmio++;
			run_add(p, &(struct run){ .gfn = gfn, .n = 1, .mmio = true });
		}
	}
}

/* The text of sum and tab, and the page counts. */
static void state_text(struct recorder *r)
{
	const struct vm *vm = r->vm;
	struct table_print p = { .r = r, .tab = g_string_new(NULL) };
	uint32_t root = shown_root(vm);

	for (uint32_t i = 0; root && i < geom_root_tables(&vm->cfg->geom); i++)
		walk_table(&p, root + i);
	run_end(&p);
	g_string_printf(r->state, "sum 4k=%" U64 " 2m=%" U64 " 1g=%" U64 " mmio=%" U64 " tables=",
			p.leaves[0], p.leaves[1], p.leaves[2], p.mmio);
	if (!root)
		g_string_append_c(r->state, '-');
	for (unsigned int h = geom_root_height(&vm->cfg->geom) + 1; root && h-- > 0;)
		g_string_append_printf(r->state, "%" U64 "%s", p.tables[h], h ? "/" : "");
	g_string_append_c(r->state, '\n');
	g_string_append(r->state, p.tab->str);
	g_string_free(p.tab, TRUE);
}

/* Leaves of all roots and unlinked shadow pages: KVM's own page counts; @nx: tables NX keeps. */
void observe_pages(const struct vm *vm, uint64_t pages[3], int64_t *nx)
{
	memset(pages, 0, 3 * sizeof(*pages));
	*nx = 0;
	for (uint32_t t = 1; t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		*nx += m->state == PT_LIVE && (m->flags & PT_F_NX_POSSIBLE);
		for (uint32_t i = 0; m->state == PT_LIVE && m->nr_used && m->height < 3 &&
				     i < geom_entries(&vm->cfg->geom);
		     i++)
			pages[m->height] +=
				pte_is_leaf(vm->pt.fmt, *pt_entry(&vm->pt, t, i), m->height);
	}
}

static void print_stats(struct recorder *r, GString *out)
{
	size_t start = out->len;

#define X(name, text)                                                                              \
	if (r->vm_stats.name)                                                                      \
		g_string_append_printf(out, " " #name "=%+" G_GINT64_FORMAT, r->vm_stats.name);
	VM_STAT_LIST(X)
#undef X
	if (out->len > start) {
		g_string_insert(out, (gssize)start, "stat vm");
		g_string_append_c(out, '\n');
	}
	for (uint32_t v = 0; v < r->vm->cfg->nr_vcpus; v++) {
		start = out->len;
#define X(name, text)                                                                              \
	if (r->vcpu_stats[v].name)                                                                 \
		g_string_append_printf(out, " " #name "=%+" G_GINT64_FORMAT, r->vcpu_stats[v].name);
		VCPU_STAT_LIST(X)
#undef X
		if (out->len > start) {
			g_autofree char *head = g_strdup_printf("stat vcpu%u", v);

			g_string_insert(out, (gssize)start, head);
			g_string_append_c(out, '\n');
		}
		r->vcpu_stats[v] = (struct kvm_stats){ 0 };
	}
	r->vm_stats = (struct kvm_stats){ 0 };
}

void recorder_print(struct recorder *r, const int *ret, bool always, GString *out)
{
	uint64_t now[3];
	int64_t nx;
	bool x86 = r->vm->cfg->rules.arch == PT_X86;

	recorder_flush_trace(r);
	recorder_flush_mmio(r);
	if (ret && *ret < 0)
		g_string_append_printf(out, "ret -%s\n", lang_errno_name(*ret));
	else if (ret)
		g_string_append_printf(out, "ret %d\n", *ret);
	g_string_append(out, r->exits->str);
	g_string_append(out, r->dirty->str);
	g_string_append(out, r->trace->str);
	observe_pages(r->vm, now, &nx);
	if (x86) {
		r->vm_stats.pages_4k = (int64_t)(now[0] - r->pages[0]);
		r->vm_stats.pages_2m = (int64_t)(now[1] - r->pages[1]);
		r->vm_stats.pages_1g = (int64_t)(now[2] - r->pages[2]);
		r->vm_stats.nx_lpage_splits = nx - r->nx_splits;
	}
	print_stats(r, out);
	if (x86 && memcmp(now, r->pages, sizeof(now)) != 0)
		g_string_append_printf(out, "pages 4k=%" U64 " 2m=%" U64 " 1g=%" U64 "\n", now[0],
				       now[1], now[2]);
	memcpy(r->pages, now, sizeof(now));
	r->nx_splits = nx;
	state_text(r);
	if (always || strcmp(r->state->str, r->last_state->str) != 0)
		g_string_append(out, r->state->str);
	g_string_assign(r->last_state, r->state->str);
	g_string_truncate(r->exits, 0);
	g_string_truncate(r->dirty, 0);
	g_string_truncate(r->trace, 0);
}
