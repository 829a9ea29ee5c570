/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/story_diff.h"

#include "harness/story_priv.h"
#include "model/hostmm.h"
#include "model/memslots.h"
#include "model/observe.h"
#include "model/vtlb.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

enum {
	TEXT_MAX = 64,
	ENTRIES_MAX = 6,      /* changed entries of a kind that a step names */
	HOST_PAGES_MAX = 512, /* larger mappings are not compared */
};

struct diff {
	const struct finding_move *m;
	const struct vm *a, *b; /* before, after */
	struct story_diff *out;
};

static void say(struct diff *d, bool matters, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void say(struct diff *d, bool matters, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_ptr_array_add(d->out->notes, g_strdup_vprintf(format, ap));
	va_end(ap);
	d->out->matters |= matters;
}

static void about(struct diff *d, gfn_t gfn, uint64_t n)
{
	struct gfn_range range = { gfn, gfn + n };

	g_array_append_val(d->out->about, range);
}

/* ---- locks and waiting ----------------------------------------------------------------------- */

static const char *const lock_names[OBJ_NR_LOCKS] = {
	[OBJ_SLOTS_LOCK] = "slots_lock",
	[OBJ_SLOTS_ARCH_LOCK] = "slots_arch_lock",
	[OBJ_MMU_LOCK] = "mmu_lock",
	[OBJ_GMEM_LOCK] = "the lock of guest_memfd",
};

static void diff_locks(struct diff *d)
{
	for (unsigned int o = OBJ_NONE + 1; o < OBJ_NR_LOCKS; o++) {
		const struct lock *a = &d->a->st->lock[o], *b = &d->b->st->lock[o];

		if (!(d->m->c->locks >> o & 1))
			continue;
		if (a->writer == b->writer && a->readers == b->readers)
			say(d, false, "takes and drops %s", lock_names[o]);
		else if (a->writer != b->writer)
			say(d, false, "%s %s%s", b->writer ? "takes" : "drops", lock_names[o],
			    o == OBJ_MMU_LOCK ? " (write)" : "");
		else
			say(d, false, "%s %s (read)", b->readers > a->readers ? "takes" : "drops",
			    lock_names[o]);
	}
}

/* ---- vCPUs: requests, interrupts ------------------------------------------------------------- */

static void requests_text(uint32_t requests, GString *out)
{
	static const char *const names[] = { "TLB_FLUSH", "MMU_FREE_OBSOLETE_ROOTS",
					     "UPDATE_CPU_DIRTY_LOGGING", "DIRTY_RING_SOFT_FULL",
					     "TLB_FLUSH_GUEST" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (requests >> i & 1)
			g_string_append_printf(out, "%s%s", out->len ? "+" : "", names[i]);
}

static void diff_requests(struct diff *d, uint32_t v)
{
	const struct vcpu *a = &d->a->vcpus[v], *b = &d->b->vcpus[v];
	g_autoptr(GString) now = g_string_new(NULL), gone = g_string_new(NULL);
	bool other = d->m->mv.kind > MOVE_STEP || d->m->mv.who != v;

	requests_text(b->requests & ~a->requests, now);
	requests_text(a->requests & ~b->requests, gone);
	if (now->len)
		say(d, true, "requests %s of v%u%s", now->str, v,
		    b->kicked && !a->kicked ? ", which is inside the guest: IPI" : "");
	else if (b->kicked && !a->kicked)
		say(d, true, "IPI to v%u", v);
	if (gone->len)
		say(d, true, "v%u does %s", v, gone->str);
	if (other && (now->len || (b->kicked && !a->kicked)))
		d->out->to = (int)v;
}

/* The interrupt's answer goes to whoever waits for it. */
static void diff_acks(struct diff *d, uint32_t v)
{
	uint64_t acks = d->a->vcpus[v].acks_for & ~d->b->vcpus[v].acks_for;

	if (acks)
		d->out->to = __builtin_ctzll(acks);
}

static void diff_vcpus(struct diff *d)
{
	static const char *const modes[] = { "OUTSIDE_GUEST_MODE", "IN_GUEST_MODE",
					     "EXITING_GUEST_MODE", "READING_SHADOW_PAGE_TABLES" };

	for (uint32_t v = 0; v < d->b->cfg->nr_vcpus; v++) {
		const struct vcpu *a = &d->a->vcpus[v], *b = &d->b->vcpus[v];

		diff_requests(d, v);
		diff_acks(d, v);
		if (a->mode != b->mode)
			say(d, false, "v%u: %s", v, modes[b->mode]);
		if (b->stopped && !a->stopped)
			say(d, true, "v%u: the interrupt stops the guest", v);
		if (a->ring_dirty != b->ring_dirty)
			say(d, true, "dirty ring of v%u: entry %u", v, a->ring_dirty);
	}
}

/* ---- TLBs ------------------------------------------------------------------------------------ */

static enum tlb_keep collect(void *arg, const struct tlb_entry *e)
{
	g_array_append_val((GArray *)arg, *e);
	return TLB_KEEP;
}

static GArray *tlb_entries(const struct vm *vm, uint32_t v)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(struct tlb_entry));

	tlb_visit(&vm->cfg->tlb, vtlb(vm, v), collect, out);
	return out;
}

static bool has_entry(const GArray *entries, const struct tlb_entry *e)
{
	for (guint i = 0; i < entries->len; i++)
		if (memcmp(&g_array_index(entries, struct tlb_entry, i), e, sizeof(*e)) == 0)
			return true;
	return false;
}

static void say_tlb(struct diff *d, uint32_t v, const char *what, const struct tlb_entry *e)
{
	char size[TEXT_MAX], text[TEXT_MAX];
	bool walk = e->kind == TLB_S2_WALK;

	height_name(&d->b->cfg->geom, e->height, size, sizeof(size));
	observe_entry(d->b, e->pte, e->height, text, sizeof(text));
	say(d, !walk, "v%u's %s %s gfn=" HEX " size=%s %s", v, walk ? "walk cache" : "TLB", what,
	    e->gfn, size, text);
}

static void diff_tlb(struct diff *d, uint32_t v)
{
	g_autoptr(GArray) a = tlb_entries(d->a, v), b = tlb_entries(d->b, v);

	if (a->len && !b->len) {
		say(d, true, "v%u's TLB and walk cache: all dropped", v);
		return;
	}
	for (guint i = 0; i < a->len; i++) {
		const struct tlb_entry *e = &g_array_index(a, struct tlb_entry, i);

		if (!has_entry(b, e))
			say_tlb(d, v, "drops", e);
	}
	for (guint i = 0; i < b->len; i++) {
		const struct tlb_entry *e = &g_array_index(b, struct tlb_entry, i);

		if (!has_entry(a, e))
			say_tlb(d, v, "fills", e);
	}
}

static bool filled_tlb(const struct diff *d)
{
	uint32_t v = d->m->mv.who;
	g_autoptr(GArray) a = tlb_entries(d->a, v), b = tlb_entries(d->b, v);

	for (guint i = 0; i < b->len; i++)
		if (!has_entry(a, &g_array_index(b, struct tlb_entry, i)))
			return true;
	return false;
}

/* ---- what the model itself notes ------------------------------------------------------------- */

static const char *access_name(uint8_t acc)
{
	return (acc & ACC_W) ? "write to" : (acc & ACC_X) ? "fetch from" : "read of";
}

static void diff_notes(struct diff *d)
{
	bool has_tlb = d->b->cfg->tlb.form != TLB_DROP;

	for (unsigned int i = 0; i < d->m->c->nr_notes; i++) {
		const struct note *n = &d->m->c->notes[i];

		switch ((enum note_kind)n->kind) {
		case NOTE_RETIRE:
			about(d, n->gfn, 1);
			say(d, true, "the %s gfn=" HEX " completes in frame " HEX "%s",
			    access_name(n->acc), n->gfn, n->pfn,
			    !has_tlb || filled_tlb(d) ? "" : ": TLB hit");
			break;
		case NOTE_KVM:
			about(d, n->gfn, 1);
			say(d, true, "KVM itself %s gfn=" HEX,
			    (n->acc & ACC_W) ? "writes to" : "reads", n->gfn);
			break;
		case NOTE_STOPPED:
			about(d, n->gfn, n->n);
			say(d, true, "invalidate_range_start is over for gfn=" HEX " n=" HEX,
			    n->gfn, n->n);
			break;
		case NOTE_RESUMED:
			say(d, true, "invalidate_range_end for gfn=" HEX " n=" HEX, n->gfn, n->n);
			break;
		case NOTE_LOGGED:
			say(d, true, "the hardware sets D of gfn=" HEX, n->gfn);
			break;
		case NOTE_CLOSED:
			say(d, true, "synchronize_srcu() is over");
			break;
		case NOTE_EMULATED:
			say(d, true,
			    "KVM has no place for the write to gfn=" HEX ": its slot is INVALID",
			    n->gfn);
			break;
		case NOTE_WARN:
			say(d, true, "WARN: %s", n->what);
			break;
		case NOTE_MMIO:
			say(d, true, "the MMIO entry of gfn=" HEX " is honoured", n->gfn);
			break;
		case NOTE_EXIT: /* an observation, as the harvests are */
		case NOTE_REPORTED:
		case NOTE_ASKED:
			break;
		}
	}
}

/* ---- notifiers ------------------------------------------------------------------------------- */

static void diff_invalidation(struct diff *d)
{
	const struct vm_state *a = d->a->st, *b = d->b->st;

	if (a->mmu_invalidate_in_progress != b->mmu_invalidate_in_progress)
		say(d, true, "mmu_invalidate_in_progress %u -> %u", a->mmu_invalidate_in_progress,
		    b->mmu_invalidate_in_progress);
	if (a->mmu_invalidate_seq != b->mmu_invalidate_seq)
		say(d, true, "mmu_invalidate_seq %" G_GUINT64_FORMAT " -> %" G_GUINT64_FORMAT,
		    a->mmu_invalidate_seq, b->mmu_invalidate_seq);
	if (a->mn_active_invalidate_count != b->mn_active_invalidate_count)
		say(d, true, "mn_active_invalidate_count %u -> %u", a->mn_active_invalidate_count,
		    b->mn_active_invalidate_count);
}

/* ---- memslots -------------------------------------------------------------------------------- */

static const struct memslot *slot_by_id(const struct vm *vm, unsigned int as, uint16_t id)
{
	uint32_t s = memslot_by_id(vm, as, memslots_active(vm, as), id);

	return s ? &vm->slots[s] : NULL;
}

static void flags_text(uint32_t flags, GString *out)
{
	if ((flags & 0xffff) || !(flags & MEMSLOT_INVALID))
		lang_print_flags(flags & 0xffff, out);
	if (flags & MEMSLOT_INVALID)
		g_string_append(out, out->len ? "+INVALID" : "INVALID");
}

static void diff_slot(struct diff *d, const struct memslot *a, const struct memslot *b)
{
	g_autoptr(GString) was = g_string_new(NULL), now = g_string_new(NULL);

	if (a)
		flags_text(a->flags, was);
	if (b)
		flags_text(b->flags, now);
	if (a && !b)
		say(d, true, "active memslots: slot %u is gone", a->id);
	if (!b)
		return;
	if (!a || a->base_gfn != b->base_gfn || a->npages != b->npages)
		say(d, true, "active memslots: slot %u is gfn=" HEX " n=" HEX " flags=%s", b->id,
		    b->base_gfn, b->npages, now->str);
	else if (a->flags != b->flags)
		say(d, true, "active memslots: slot %u flags %s -> %s", b->id, was->str, now->str);
}

/* Bits of the log that a move set or took. */
static void diff_log(struct diff *d, const struct memslot *a, const struct memslot *b)
{
	g_autoptr(GString) text = g_string_new(NULL);

	if (!a || !b || !a->bitmap || a->bitmap != b->bitmap)
		return;
	for (uint64_t p = 0; p < a->npages; p++) {
		uint64_t was = d->a->words[a->bitmap + p / 64] >> p % 64 & 1;
		uint64_t now = d->b->words[b->bitmap + p / 64] >> p % 64 & 1;

		if (was == now)
			continue;
		about(d, b->base_gfn + p, 1);
		g_string_append_printf(text, " %c" HEX, now ? '+' : '-', p);
	}
	if (text->len)
		say(d, true, "dirty bitmap of slot %u:%s", b->id, text->str);
}

static void diff_slots_of(struct diff *d, unsigned int as)
{
	const struct vm *sides[] = { d->a, d->b };

	for (unsigned int side = 0; side < 2; side++) {
		const struct vm *vm = sides[side];
		unsigned int set = memslots_active(vm, as);

		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
			uint16_t id = vm->slots[memslots_ids(vm, as, set)[i]].id;
			const struct memslot *a = slot_by_id(d->a, as, id);
			const struct memslot *b = slot_by_id(d->b, as, id);

			if (side == 1 && a)
				continue; /* was there before */
			diff_slot(d, a, b);
			diff_log(d, a, b);
		}
	}
}

/* ---- entries of the tables ------------------------------------------------------------------- */

/* An entry that a move changed. */
struct changed {
	gfn_t gfn;
	unsigned int height;
	pte_t old, now;
};

/* The frames of leaves: " frame=0x4", " frame=0x4->0x8"; empty without a leaf. */
static void frames_text(const struct pte_fmt *f, const struct changed *e, char *out)
{
	bool was = pte_is_leaf(f, e->old, e->height), is = pte_is_leaf(f, e->now, e->height);
	kvm_pfn_t old = was ? pte_pfn(f, e->old) : 0, now = is ? pte_pfn(f, e->now) : old;

	*out = '\0';
	if (was && is && old != now)
		g_snprintf(out, TEXT_MAX, " frame=" HEX "->" HEX, old, now);
	else if (was || is)
		g_snprintf(out, TEXT_MAX, " frame=" HEX, now);
}

/* @n: entries named so far. */
static void diff_entry(struct diff *d, const struct changed *e, unsigned int *n)
{
	const struct pt_geom *g = &d->b->cfg->geom;
	char size[TEXT_MAX], old[TEXT_MAX], now[TEXT_MAX], frames[TEXT_MAX];

	height_name(g, e->height, size, sizeof(size));
	observe_entry(d->b, e->old, e->height, old, sizeof(old));
	observe_entry(d->b, e->now, e->height, now, sizeof(now));
	frames_text(d->b->pt.fmt, e, frames);
	if (strcmp(old, now) == 0 && !strstr(frames, "->"))
		return; /* a new table's entries, or bits that mean nothing to others */
	if ((*n)++ < ENTRIES_MAX)
		say(d, true, "%s gfn=" HEX " size=%s%s %s -> %s",
		    g->arch == PT_X86 ? "SPTE" : "PTE", e->gfn, size, frames, old, now);
	if (*frames || pte_is_table(d->b->pt.fmt, e->old, e->height))
		about(d, e->gfn, geom_pages(g, e->height));
}

/* Entries of tables that are in use after the move. */
static void diff_entries(struct diff *d)
{
	const struct pt *a = &d->a->pt, *b = &d->b->pt;
	uint32_t end = max_u32(a->head->high_water, b->head->high_water);
	unsigned int n = 0;

	for (uint32_t t = 1; t < end; t++) {
		bool was_live = a->meta[t].state == PT_LIVE;

		for (uint32_t i = 0; b->meta[t].state == PT_LIVE && i < geom_entries(&b->geom);
		     i++) {
			struct changed e = { .gfn = pt_entry_gfn(b, t, i),
					     .height = b->meta[t].height,
					     .old = was_live ? *pt_entry(a, t, i)
							     : (pte_t){ b->fmt->empty },
					     .now = *pt_entry(b, t, i) };

			if (!pte_eq(e.old, e.now))
				diff_entry(d, &e, &n);
		}
	}
	if (n > ENTRIES_MAX)
		say(d, true, "and %u more", n - ENTRIES_MAX);
}

/* ---- the host's page table ------------------------------------------------------------------- */

static void view_text(const struct host_view *v, char *out)
{
	if (!v->present)
		g_strlcpy(out, v->vma ? "none" : "unmapped", TEXT_MAX);
	else
		g_snprintf(out, TEXT_MAX, "frame " HEX "%s", v->pfn,
			   v->writable ? "" : " read-only");
}

/* Pages of one mapping that changed alike. */
struct host_run {
	const struct host_map *map;
	struct host_view was, now; /* of the first page */
	uint64_t page, n;
};

static bool joins(const struct host_view *first, const struct host_view *v, uint64_t n)
{
	return first->present == v->present && first->vma == v->vma &&
	       (!v->present || (first->writable == v->writable && first->pfn + n == v->pfn));
}

/* gfns of the first address space that the host's pages back. */
static void about_host(struct diff *d, const struct host_run *r)
{
	unsigned int set = memslots_active(d->b, 0), shift = d->b->cfg->geom.page_shift;
	hva_t hva = r->map->hva + (r->page << shift);

	for (uint32_t i = 0; i < d->b->st->sets[0][set].count; i++) {
		const struct memslot *s = &d->b->slots[memslots_ids(d->b, 0, set)[i]];

		for (uint64_t p = 0; p < r->n; p++) {
			uint64_t page = (hva + (p << shift) - s->hva) >> shift;

			if (hva + (p << shift) >= s->hva && page < s->npages)
				about(d, s->base_gfn + page, 1);
		}
	}
}

static void end_run(struct diff *d, struct host_run *r)
{
	unsigned int shift = d->b->cfg->geom.page_shift;
	char was[TEXT_MAX], now[TEXT_MAX];

	view_text(&r->was, was);
	view_text(&r->now, now);
	about_host(d, r);
	if (r->n == 1)
		say(d, true, "host page %s+" HEX ": %s -> %s", r->map->name, r->page << shift, was,
		    now);
	else if (r->n)
		say(d, true, "host pages %s+" HEX " n=" HEX ": %s -> %s", r->map->name,
		    r->page << shift, r->n, was, now);
	r->n = 0;
}

static void diff_page(struct diff *d, struct host_run *r, uint64_t page)
{
	hva_t hva = r->map->hva + (page << d->b->cfg->geom.page_shift);
	struct host_view was = hostmm_view(d->a, hva), now = hostmm_view(d->b, hva);

	if (joins(&was, &now, 0)) {
		end_run(d, r);
		return;
	}
	if (r->n && joins(&r->was, &was, r->n) && joins(&r->now, &now, r->n)) {
		r->n++;
		return;
	}
	end_run(d, r);
	*r = (struct host_run){ r->map, was, now, page, 1 };
}

static void diff_host(struct diff *d)
{
	for (uint32_t i = 0; i < d->b->st->nr_maps; i++) {
		struct host_run r = { .map = &d->b->st->maps[i] };

		for (uint64_t p = 0; r.map->npages <= HOST_PAGES_MAX && p < r.map->npages; p++)
			diff_page(d, &r, p);
		end_run(d, &r);
	}
}

/* ---- stores and loads out of turn ------------------------------------------------------------ */

/* "map+offset" of a place in host memory. */
static void place_text(const struct vm *vm, hva_t hva, char *out)
{
	struct host_view v = hostmm_view(vm, hva);

	g_snprintf(out, TEXT_MAX, "%s+" HEX, vm->st->maps[v.map].name,
		   v.page << vm->cfg->geom.page_shift);
}

static void store_text(const struct vm *vm, const struct mem_store *s, char *out)
{
	char place[TEXT_MAX];

	if (s->kind == MEM_STORE_DATA) {
		place_text(vm, s->at, place);
		g_snprintf(out, TEXT_MAX, "data of %s", place);
	} else {
		g_snprintf(out, TEXT_MAX, "bits " HEX " = %u%s", s->mask, s->value,
			   s->release ? " (release)" : "");
	}
}

static unsigned int nr_stores(const struct vm *vm, uint32_t a)
{
	unsigned int n = 0;

	while (n < MEM_STORES && vm->mem[a].stores[n].kind)
		n++;
	return n;
}

static void diff_stores(struct diff *d, uint32_t a)
{
	unsigned int was = nr_stores(d->a, a), is = nr_stores(d->b, a);
	bool one = d->m->mv.kind == MOVE_STORE;
	char text[TEXT_MAX];

	for (unsigned int i = one ? d->m->mv.k : 0;
	     is < was && i < (one ? d->m->mv.k + 1U : was - is); i++) {
		store_text(d->a, &d->a->mem[a].stores[i], text);
		say(d, true, "others see it: %s", text);
	}
	for (unsigned int i = was; i < is; i++) {
		store_text(d->b, &d->b->mem[a].stores[i], text);
		say(d, true, "into the store buffer: %s", text);
	}
}

static void diff_ahead(struct diff *d, uint32_t v)
{
	const struct mem_ahead *was = &d->a->mem[v].ahead, *is = &d->b->mem[v].ahead;
	char text[TEXT_MAX];

	if (was->used == is->used)
		return;
	place_text(d->b, was->used ? was->hva : is->hva, text);
	say(d, true,
	    is->used ? "loads ahead of its turn: data of %s"
		     : "no longer holds what it loaded ahead: data of %s",
	    text);
}

static void diff_mem(struct diff *d)
{
	if (vm_cfg_mem(d->b->cfg) == MEM_SC)
		return;
	for (uint32_t a = 0; a < d->b->nr_actors; a++)
		diff_stores(d, a);
	for (uint32_t v = 0; v < d->b->cfg->nr_vcpus; v++)
		diff_ahead(d, v);
}

/* ---- all ------------------------------------------------------------------------------------- */

void story_diff(const struct finding_move *m, struct story_diff *out)
{
	struct diff d = { .m = m, .a = m->before, .b = m->after, .out = out };

	out->to = STORY_NOBODY;
	diff_locks(&d);
	diff_invalidation(&d);
	for (unsigned int as = 0; as < m->after->cfg->rules.nr_as; as++)
		diff_slots_of(&d, as);
	diff_entries(&d);
	diff_host(&d);
	diff_mem(&d);
	diff_vcpus(&d);
	for (uint32_t v = 0; v < m->after->cfg->nr_vcpus; v++)
		diff_tlb(&d, v);
	diff_notes(&d);
}
