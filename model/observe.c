/* SPDX-License-Identifier: Apache-2.0 */
#include "model/observe.h"

#include "model/lang.h"
#include "model/observe_priv.h"
#include "model/procs.h"
#include "model/x86.h"

struct recorder *recorder_new(const struct vm *vm, bool full_trace)
{
	struct recorder *r = g_new0(struct recorder, 1);

	r->vm = vm;
	r->full_trace = full_trace;
	r->trace = g_string_new(NULL);
	r->exits = g_string_new(NULL);
	r->dirty = g_string_new(NULL);
	r->prefix = g_string_new(NULL);
	r->suffix = g_string_new(NULL);
	r->last_state = g_string_new(NULL);
	r->state = g_string_new(NULL);
	r->vcpu_stats = g_new0(struct kvm_stats, vm->cfg->nr_vcpus);
	return r;
}

void recorder_free(struct recorder *r)
{
	if (!r)
		return;
	g_string_free(r->trace, TRUE);
	g_string_free(r->exits, TRUE);
	g_string_free(r->dirty, TRUE);
	g_string_free(r->prefix, TRUE);
	g_string_free(r->suffix, TRUE);
	g_string_free(r->last_state, TRUE);
	g_string_free(r->state, TRUE);
	g_free(r->vcpu_stats);
	g_free(r);
}

void height_name(const struct pt_geom *g, unsigned int height, char *buf, size_t size)
{
	static const char units[] = "bkmgtp";
	uint64_t bytes = geom_pages(g, height) << g->page_shift;
	unsigned int u = 0;

	while (bytes >= 1024 && (bytes & 1023) == 0 && u < sizeof(units) - 2) {
		bytes >>= 10;
		u++;
	}
	g_snprintf(buf, size, "%" G_GUINT64_FORMAT "%c", bytes, units[u]);
}

/* Ends the line that events were joined to. */
static void flush_line(struct recorder *r)
{
	if (r->prefix->len == 0)
		return;
	g_string_append_printf(
		r->trace, "trace %s gfn=0x%" G_GINT64_MODIFIER "x n=0x%" G_GINT64_MODIFIER "x%s\n",
		r->prefix->str, r->gfn, r->n, r->suffix->str);
	g_string_truncate(r->prefix, 0);
}

static void plain_line(struct recorder *r, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void plain_line(struct recorder *r, const char *format, ...)
{
	va_list ap;

	flush_line(r);
	g_string_append(r->trace, "trace ");
	va_start(ap, format);
	g_string_append_vprintf(r->trace, format, ap);
	va_end(ap);
	g_string_append_c(r->trace, '\n');
}

/* An event with gfn and n that may join the line before; @down: gfns descend. */
static void gfn_line(struct recorder *r, const struct gfn_event *g)
{
	bool arm = r->vm->cfg->rules.arch == PT_ARM64;
	bool next = g->down ? g->gfn + g->n == r->gfn : r->gfn + r->n == g->gfn;

	if (g->folds && next && r->prefix->len && (!arm || g->n == 1) &&
	    strcmp(r->prefix->str, g->prefix) == 0 && strcmp(r->suffix->str, g->suffix) == 0) {
		if (g->down)
			r->gfn = g->gfn;
		r->n += g->n;
		return;
	}
	flush_line(r);
	g_string_assign(r->prefix, g->prefix);
	g_string_assign(r->suffix, g->suffix);
	r->gfn = g->gfn;
	r->n = g->n;
	if (!g->folds)
		flush_line(r);
}

static void s2_text(const struct vm *vm, pte_t e, unsigned int height, char *buf, size_t size)
{
	unsigned int acc = s2_access(e);

	if (s2_is_locked(e))
		g_strlcpy(buf, "locked", size);
	else if (pte_is_table(vm->pt.fmt, e, height))
		g_strlcpy(buf, "table", size);
	else if (pte_is_leaf(vm->pt.fmt, e, height))
		g_snprintf(buf, size, "leaf:%c%c%c:a%ddbm%d", (acc & ACC_R) ? 'r' : '-',
			   (acc & ACC_W) ? 'w' : '-', (acc & ACC_X) ? 'x' : '-', (e.v & S2_AF) != 0,
			   (e.v & S2_DBM) != 0);
	else
		g_strlcpy(buf, "none", size);
}

void observe_entry(const struct vm *vm, pte_t e, unsigned int height, char *buf, size_t size)
{
	const struct x86_fmt *f;

	if (vm->cfg->rules.arch == PT_ARM64) {
		s2_text(vm, e, height, buf, size);
		return;
	}
	f = vm_x86_fmt(vm);
	if (spte_is_frozen(f, e))
		g_strlcpy(buf, "frozen", size);
	else if (spte_is_mmio(f, e))
		g_strlcpy(buf, "mmio", size);
	else if (pte_is_table(&f->pte, e, height))
		g_strlcpy(buf, "table", size);
	else if (pte_is_leaf(&f->pte, e, height))
		g_snprintf(buf, size, "leaf:%c%c%c:a%dd%dmw%d", spte_is_readable(f, e) ? 'r' : '-',
			   spte_is_writable(f, e) ? 'w' : '-', spte_is_executable(f, e) ? 'x' : '-',
			   (e.v & f->accessed) != 0, (e.v & f->dirty) != 0,
			   (e.v & f->mmu_writable) != 0);
	else
		g_strlcpy(buf, "none", size);
}

static void table_line(struct recorder *r, const char *name, const struct event *e, bool folds)
{
	const struct pt_geom *g = &r->vm->cfg->geom;
	struct gfn_event ev = { .gfn = e->gfn, .n = geom_pages(g, e->height + 1U), .folds = folds };

	g_strlcpy(ev.prefix, name, sizeof(ev.prefix));
	g_snprintf(ev.suffix, sizeof(ev.suffix), " table-level=%d", geom_x86_level(e->height));
	gfn_line(r, &ev);
}

/* Lines that name an entry by size and value or change. */
static void entry_line(struct recorder *r, const char *name, const struct event *e)
{
	const struct pt_geom *g = &r->vm->cfg->geom;
	struct gfn_event ev = { .gfn = e->gfn, .n = geom_pages(g, e->height), .folds = true };
	char size[16], old[48], now[48];

	g_strlcpy(ev.prefix, name, sizeof(ev.prefix));
	height_name(g, e->height, size, sizeof(size));
	observe_entry(r->vm, e->old, e->height, old, sizeof(old));
	observe_entry(r->vm, e->new_value, e->height, now, sizeof(now));
	if (e->kind == EV_SPTE_CHANGED)
		g_snprintf(ev.suffix, sizeof(ev.suffix), " size=%s %s -> %s", size, old, now);
	else if (e->kind == EV_SET_SPTE)
		g_snprintf(ev.suffix, sizeof(ev.suffix), " size=%s %s", size, now);
	else if (e->kind == EV_SPLIT_HUGE)
		g_snprintf(ev.suffix, sizeof(ev.suffix), " size=%s errno=%d", size, e->a);
	else
		g_snprintf(ev.suffix, sizeof(ev.suffix), " size=%s", size);
	gfn_line(r, &ev);
}

static void fault_line(struct recorder *r, const struct event *e)
{
	struct gfn_event ev = { .gfn = e->gfn, .n = 1, .folds = true };
	char old[48], now[48];

	if (e->kind == EV_PAGE_FAULT) {
		g_snprintf(ev.prefix, sizeof(ev.prefix), "page_fault vcpu=%u", e->vcpu);
		g_snprintf(ev.suffix, sizeof(ev.suffix), " err=%c%c%c%c%c",
			   (e->a & PFERR_PRESENT) ? 'p' : '-', (e->a & PFERR_WRITE) ? 'w' : '-',
			   (e->a & PFERR_USER) ? 'u' : '-', (e->a & PFERR_RSVD) ? 'R' : '-',
			   (e->a & PFERR_FETCH) ? 'x' : '-');
	} else {
		observe_entry(r->vm, e->old, e->height, old, sizeof(old));
		observe_entry(r->vm, e->new_value, e->height, now, sizeof(now));
		g_snprintf(ev.prefix, sizeof(ev.prefix), "fast_page_fault vcpu=%u", e->vcpu);
		g_snprintf(ev.suffix, sizeof(ev.suffix), " %s -> %s %s", old, now,
			   e->a == 1   ? "fixed"
			   : e->a == 2 ? "spurious"
				       : "not-fixed");
	}
	gfn_line(r, &ev);
}

static void simple_line(struct recorder *r, const char *name, const struct event *e,
			const char *suffix)
{
	struct gfn_event ev = { .gfn = e->gfn,
				.n = e->n ? e->n : 1,
				.folds = true,
				.down = e->kind == EV_PML_DIRTY && !e->a };

	g_strlcpy(ev.prefix, name, sizeof(ev.prefix));
	g_strlcpy(ev.suffix, suffix, sizeof(ev.suffix));
	gfn_line(r, &ev);
}

/* host address as MAP+OFFSET */
static void hva_text(const struct recorder *r, hva_t hva, char *buf, size_t size)
{
	for (uint32_t i = 0; i < r->vm->st->nr_maps; i++) {
		const struct host_map *m = &r->vm->st->maps[i];

		if (hva >= m->hva && hva < m->hva + (m->npages << r->vm->cfg->geom.page_shift)) {
			g_snprintf(buf, size, "%s+0x%" G_GINT64_MODIFIER "x", m->name,
				   hva - m->hva);
			return;
		}
	}
	g_snprintf(buf, size, "0x%" G_GINT64_MODIFIER "x", hva);
}

static void range_line(struct recorder *r, const char *name, const struct event *e)
{
	plain_line(r, "call %s gfn=0x%" G_GINT64_MODIFIER "x n=0x%" G_GINT64_MODIFIER "x", name,
		   e->gfn, e->n);
}

static void call_line(struct recorder *r, const struct event *e)
{
	const struct rules *rules = &r->vm->cfg->rules;

	switch ((enum call_name)e->name) {
	case CALL_FLUSH_REMOTE_TLBS:
		plain_line(r, "call flush_remote_tlbs");
		break;
	case CALL_FLUSH_REMOTE_TLBS_RANGE:
		if (rules->tdp_mmu)
			plain_line(r,
				   "call flush_remote_tlbs_%s gfn=0x%" G_GINT64_MODIFIER
				   "x pages=0x%" G_GINT64_MODIFIER "x",
				   rules->trace_flush_with_address ? "with_address" : "range",
				   e->gfn, e->n);
		break;
	case CALL_FLUSH_REMOTE_TLBS_MEMSLOT:
		plain_line(r, "call flush_remote_tlbs_memslot");
		break;
	case CALL_FLUSH_SHADOW_MEMSLOT:
		plain_line(r, "call flush_shadow_memslot");
		break;
	case CALL_SLOT_TRY_SPLIT:
		plain_line(r, "call slot_try_split_huge_pages level=%u", e->a);
		break;
	case CALL_SLOT_REMOVE_WRITE:
		plain_line(r, "call slot_remove_write_access start_level=%u", e->a);
		break;
	case CALL_SLOT_CLEAR_DIRTY:
		plain_line(r, "call slot_leaf_clear_dirty");
		break;
	case CALL_ZAP_COLLAPSIBLE:
		plain_line(r, "call zap_collapsible_sptes");
		break;
	case CALL_RECOVER_HUGE:
		plain_line(r, "call recover_huge_pages");
		break;
	case CALL_UPDATE_CPU_DIRTY_LOGGING:
		plain_line(r, "call update_cpu_dirty_logging");
		break;
	case CALL_ENABLE_LOG_MASKED:
		plain_line(r,
			   "call enable_log_dirty_pt_masked off=0x%" G_GINT64_MODIFIER
			   "x mask=0x%" G_GINT64_MODIFIER "x",
			   e->n, e->mask);
		break;
	case CALL_TRACK_WRITE:
		plain_line(r, "call page_track_write gpa=0x%" G_GINT64_MODIFIER "x len=4", e->gfn);
		break;
	case CALL_TRACK_FLUSH_SLOT:
		range_line(r, "track_flush_slot", e);
		break;
	case CALL_TRACK_REMOVE_REGION:
		range_line(r, "track_remove_region", e);
		break;
	case CALL_TRACK_SLOT_CHANGE:
		range_line(r, e->a ? "track_move_failed" : "track_slot_change", e);
		break;
	case CALL_OVERLAY_FAULT:
		range_line(r, "overlay_fault", e);
		break;
	case NR_CALLS:
		break;
	}
}

static void tlbi_line(struct recorder *r, const struct event *e)
{
	const struct rules *rules = &r->vm->cfg->rules;
	int level = e->level == S2_LEVEL_NONE ? rules->trace_no_level : e->level;
	struct gfn_event ev = { .gfn = e->gfn, .n = 1, .folds = true };

	if (!rules->trace_tlbi)
		return;
	if (e->a == S2_TLBI_VMID) {
		plain_line(r, "call tlbi_vmid");
		return;
	}
	if (e->a == S2_TLBI_RANGE) {
		g_strlcpy(ev.prefix, "tlbi_range", sizeof(ev.prefix));
		g_snprintf(ev.suffix, sizeof(ev.suffix), " pages=0x%" G_GINT64_MODIFIER "x", e->n);
	} else {
		g_strlcpy(ev.prefix, e->a == S2_TLBI_IPA_NSH ? "tlbi_ipa_nsh" : "tlbi_ipa",
			  sizeof(ev.prefix));
		g_snprintf(ev.suffix, sizeof(ev.suffix), " level=%d", level);
	}
	gfn_line(r, &ev);
}

static void guest_fault_line(struct recorder *r, const struct event *e)
{
	char suffix[64];

	g_snprintf(suffix, sizeof(suffix), " %c fsc=%s level=%d",
		   e->a == ACC_W   ? 'w'
		   : e->a == ACC_X ? 'x'
				   : 'r',
		   e->b ? "perm" : "trans", e->level);
	simple_line(r, "guest_fault", e, suffix);
}

static void exit_line(struct recorder *r, const struct event *e)
{
	static const char *const words[] = {
		[EXIT_DONE] = "done",
		[EXIT_ERR] = "err",
		[EXIT_RING_FULL] = "dirty_ring_full",
		[EXIT_INTERNAL_ERROR] = "internal_error",
		[EXIT_USERFAULT] = "userfault",
		[EXIT_MEMORY_FAULT] = "memory_fault",
		[EXIT_USERFAULT_PRIVATE] = "userfault",
		[EXIT_MMIO_WRITE] = "mmio-write",
		[EXIT_MMIO_READ] = "mmio-read",
	};
	bool mmio = e->a == EXIT_MMIO_READ || e->a == EXIT_MMIO_WRITE;

	if (mmio && r->mmio_n && r->mmio_kind == e->a && r->mmio_vcpu == e->vcpu &&
	    e->gfn == r->mmio_gpa + (r->mmio_n << r->vm->cfg->geom.page_shift)) {
		r->mmio_n++;
		return;
	}
	recorder_flush_mmio(r);
	if (mmio) {
		r->mmio_kind = e->a;
		r->mmio_vcpu = e->vcpu;
		r->mmio_gpa = e->gfn;
		r->mmio_n = 1;
		return;
	}
	g_string_append_printf(r->exits, "exit vcpu=%u %s", e->vcpu, words[e->a]);
	if (e->a == EXIT_ERR)
		g_string_append_printf(r->exits, "=%s", lang_errno_name(e->b));
	if (e->a == EXIT_USERFAULT || e->a == EXIT_MEMORY_FAULT || e->a == EXIT_USERFAULT_PRIVATE)
		g_string_append_printf(r->exits, " gpa=0x%" G_GINT64_MODIFIER "x", e->gfn);
	if (e->a == EXIT_MEMORY_FAULT || e->a == EXIT_USERFAULT_PRIVATE)
		g_string_append(r->exits, " flags=private");
	g_string_append_c(r->exits, '\n');
}

void recorder_flush_mmio(struct recorder *r)
{
	if (r->mmio_n)
		g_string_append_printf(r->exits,
				       "exit vcpu=%u %s gpa=0x%" G_GINT64_MODIFIER
				       "x len=4 n=%" G_GUINT64_FORMAT "\n",
				       r->mmio_vcpu,
				       r->mmio_kind == EXIT_MMIO_WRITE ? "mmio-write" : "mmio-read",
				       r->mmio_gpa, r->mmio_n);
	r->mmio_n = 0;
}

static void dirty_line(struct recorder *r, const struct event *e)
{
	uint64_t count = 0;
	GString *pages = g_string_new(NULL);

	for (uint64_t p = 0; p < e->n; p++) {
		uint64_t first = p;

		while (p < e->n && (e->words[p / 64] >> (p % 64) & 1))
			p++;
		if (p == first)
			continue;
		count += p - first;
		g_string_append_printf(pages, "%s0x%" G_GINT64_MODIFIER "x",
				       pages->len ? "," : " pages=", first);
		if (p - first > 1)
			g_string_append_printf(pages, "-0x%" G_GINT64_MODIFIER "x", p - 1);
	}
	g_string_append_printf(r->dirty,
			       "dirty slot=%" G_GUINT64_FORMAT " n=%" G_GUINT64_FORMAT "%s\n",
			       e->gfn, count, pages->str);
	g_string_free(pages, TRUE);
}

static void prot_suffix(struct recorder *r, const struct event *e)
{
	char suffix[16];

	g_snprintf(suffix, sizeof(suffix), " prot=%c%c%c", (e->a & ACC_R) ? 'r' : '-',
		   (e->a & ACC_W) ? 'w' : '-', (e->a & ACC_X) ? 'x' : '-');
	simple_line(r, "s2_map", e, suffix);
}

/* Events of KVM's kvmmmu trace system, which trace=0 switches off. */
static bool is_detail(enum event_kind kind)
{
	return kind == EV_GET_PAGE || kind == EV_SPTE_REQUESTED || kind == EV_SPTE_CHANGED ||
	       kind == EV_SET_SPTE || kind == EV_FAST_PAGE_FAULT || kind == EV_PREPARE_ZAP ||
	       kind == EV_SPLIT_HUGE || kind == EV_ZAP_ALL_FAST || kind == EV_MARK_MMIO ||
	       kind == EV_HANDLE_MMIO;
}

static void x86_event(struct recorder *r, const struct event *e);

void recorder_event(void *recorder, const struct event *e)
{
	struct recorder *r = recorder;
	char hva[64];

	if (!r->full_trace && is_detail((enum event_kind)e->kind))
		return;
	switch ((enum event_kind)e->kind) {
	case EV_GUEST_FAULT:
		guest_fault_line(r, e);
		break;
	case EV_S2_MAP:
		prot_suffix(r, e);
		break;
	case EV_S2_UNMAP:
		simple_line(r, "s2_unmap", e, "");
		break;
	case EV_S2_WRPROTECT:
		simple_line(r, "s2_wrprotect", e, "");
		break;
	case EV_S2_RELAX:
		simple_line(r, "s2_relax_perms", e, "");
		break;
	case EV_S2_SPLIT:
		simple_line(r, "s2_split", e, "");
		break;
	case EV_TLBI:
		tlbi_line(r, e);
		break;
	case EV_UNMAP_HVA:
		hva_text(r, e->gfn, hva, sizeof(hva));
		plain_line(r, "unmap_hva_range start=%s len=0x%" G_GINT64_MODIFIER "x", hva, e->n);
		break;
	case EV_CALL:
		call_line(r, e);
		break;
	case EV_EXIT:
		exit_line(r, e);
		break;
	case EV_DIRTY:
		dirty_line(r, e);
		break;
	case EV_PAGE_FAULT:
	case EV_FAST_PAGE_FAULT:
	case EV_SPTE_REQUESTED:
	case EV_SPTE_CHANGED:
	case EV_SET_SPTE:
	case EV_GET_PAGE:
	case EV_PREPARE_ZAP:
	case EV_LOAD_PGD:
	case EV_MARK_MMIO:
	case EV_HANDLE_MMIO:
	case EV_SPLIT_HUGE:
	case EV_ZAP_ALL_FAST:
	case EV_PML_DIRTY:
	case EV_PML_FULL:
		x86_event(r, e);
		break;
	}
}

static void x86_event(struct recorder *r, const struct event *e)
{
	if (e->kind == EV_PAGE_FAULT || e->kind == EV_FAST_PAGE_FAULT)
		fault_line(r, e);
	else if (e->kind == EV_SPTE_REQUESTED)
		entry_line(r, "spte_requested", e);
	else if (e->kind == EV_SPTE_CHANGED)
		entry_line(r, "spte_changed", e);
	else if (e->kind == EV_SET_SPTE)
		entry_line(r, "set_spte", e);
	else if (e->kind == EV_SPLIT_HUGE)
		entry_line(r, "split_huge_page", e);
	else if (e->kind == EV_GET_PAGE)
		table_line(r, "get_page", e, true);
	else if (e->kind == EV_PREPARE_ZAP)
		table_line(r, "prepare_zap_page", e, false);
	else if (e->kind == EV_LOAD_PGD)
		plain_line(r, "load_pgd");
	else if (e->kind == EV_ZAP_ALL_FAST)
		plain_line(r, "zap_all_fast");
	else if (e->kind == EV_MARK_MMIO)
		simple_line(r, "mark_mmio_spte", e, "");
	else if (e->kind == EV_HANDLE_MMIO)
		simple_line(r, "handle_mmio_page_fault", e, "");
	else if (e->kind == EV_PML_DIRTY)
		simple_line(r, "pml_dirty", e, e->a ? " order=up" : " order=down");
	else if (e->kind == EV_PML_FULL)
		plain_line(r, "pml_full vcpu=%u", e->vcpu);
}

void recorder_flush_trace(struct recorder *r)
{
	flush_line(r);
}

/* ---- observer of the tables ------------------------------------------------------------------ */

static void on_changed(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t new_value)
{
	recorder_event(arg, &(struct event){ .kind = EV_SPTE_CHANGED,
					     .gfn = gfn,
					     .old = old,
					     .height = (uint8_t)height,
					     .new_value = new_value });
}

static void on_table_new(void *arg, gfn_t base, unsigned int height)
{
	recorder_event(arg, &(struct event){
				    .kind = EV_GET_PAGE, .gfn = base, .height = (uint8_t)height });
}

static void on_table_gone(void *arg, gfn_t base, unsigned int height)
{
	recorder_event(
		arg,
		&(struct event){ .kind = EV_PREPARE_ZAP, .gfn = base, .height = (uint8_t)height });
}

const struct pt_observer *recorder_pt_observer(const struct vm *vm)
{
	static const struct pt_observer tdp = { on_changed, on_table_new, on_table_gone };

	return vm->cfg->rules.arch == PT_X86 && vm->cfg->rules.tdp_mmu ? &tdp : NULL;
}
