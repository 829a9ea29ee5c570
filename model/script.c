/* SPDX-License-Identifier: Apache-2.0 */
#include "model/script.h"

#include "model/host_op.h"
#include "model/hostmm.h"
#include "model/kick.h"
#include "model/memslots.h"
#include "model/observe.h"
#include "model/procs.h"
#include "model/set_region.h"
#include "model/vcpu.h"

G_DEFINE_QUARK(s2_script_error, script_error)

enum {
	NR_BITMAPS = 8,
	CODE_GFN_END = 0xe0002, /* slot 31 of the recorder: two pages from 0xe0000000 */
	TLB_SET_ENTRIES = 4096,
	/* a userfault bitmap named before the slot whose pages it covers: room for 256 MiB */
	BITMAP_DEFAULT_PAGES = 65536,
	RING_MAX_ENTRIES = 65536, /* KVM_DIRTY_RING_MAX_ENTRIES */
};

struct uf_bitmap {
	char name[LANG_NAME_MAX];
	uint32_t words; /* words pool */
};

struct script {
	struct vm *vm;
	struct ctx ctx;
	struct recorder *rec;
	struct uf_bitmap bitmaps[NR_BITMAPS];
	bool refused;
};

const char *const fail_point_names[NR_FAIL_POINTS] = {
	[FP_NONE] = "none",     [FP_SLOT] = "slot",         [FP_SCRATCH] = "scratch",
	[FP_BITMAP] = "bitmap", [FP_ARCHMETA] = "archmeta", [FP_ARCHVETO] = "archveto",
};

/* Room for the largest VM; address space only, memory on use. */
static struct vm_limits limits_for(const struct pt_geom *g)
{
	bool small = g->index_bits <= 2;

	return (struct vm_limits){
		.nr_tables = small ? 256 : 1U << 20,
		.nr_slots = small ? 16 : VM_MEM_SLOTS_NUM,
		.nr_words = small ? 1024 : 1U << 27,
		.nr_units = small ? 1024 : 1U << 21,
		.nr_pages = small ? 4096 : 1U << 30,
	};
}

/* [KVM v6.12 virt/kvm/kvm_main.c: kvm_vm_ioctl_enable_dirty_log_ring] */
static bool is_ring_size(uint32_t bytes, const struct rules *r, const struct pt_geom *g)
{
	uint32_t entries = bytes / (uint32_t)sizeof(struct ring_entry);
	uint32_t reserved = ring_reserved(r);

	return (bytes & (bytes - 1)) == 0 && bytes >= geom_page_size(g) && entries >= reserved &&
	       entries <= RING_MAX_ENTRIES;
}

/* Does the modelled kernel have what the scenario asks for? */
static bool is_refused(const struct lang_scenario *s, const struct rules *r,
		       const struct pt_geom *g)
{
	uint64_t pages = s->chunk >> g->page_shift;

	if (s->chunk && (r->arch != PT_ARM64 || !r->s2_eager_split))
		return true;
	if (s->chunk && pages != 1 && pages != geom_pages(g, 1) &&
	    (g->max_leaf_height < 2 || pages != geom_pages(g, 2)))
		return true;
	if (!s->zapall && (r->arch != PT_X86 || r->slot_flush != SLOT_FLUSH_QUIRK))
		return true;
	if (s->ring && (!r->ring_supported || !is_ring_size(s->ring, r, g)))
		return true;
	return (s->arch == LANG_ARCH_X86 && r->arch != PT_X86) ||
	       (s->arch == LANG_ARCH_ARM64 && r->arch != PT_ARM64);
}

static bool make_tlb(const struct lang_scenario *s, struct vm_cfg *cfg, GError **error)
{
	if (*s->mem && strcmp(s->mem, "tso") != 0) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "mem: expected tso, the only memory model so far, found '%s'", s->mem);
		return false;
	}
	if (!*s->tlb || strcmp(s->tlb, "drop") == 0) {
		cfg->tlb = tlb_cfg_drop(&cfg->geom);
	} else if (strcmp(s->tlb, "set") == 0) {
		cfg->tlb = tlb_cfg_set(&cfg->geom, TLB_SET_ENTRIES);
	} else if (strcmp(s->tlb, "sized") == 0) {
		cfg->tlb = tlb_cfg_sized(&cfg->geom);
	} else {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "tlb: expected drop, set or sized, found '%s'", s->tlb);
		return false;
	}
	return true;
}

static bool make_cfg(const struct lang_scenario *s, const char *policy,
		     const struct script_params *p, struct vm_cfg *cfg, GError **error)
{
	const char *geom = s->geom;

	if (!policy_parse(policy, &cfg->rules, error))
		return false;
	if (*s->inject && !policy_set_injection(&cfg->rules, s->inject, error))
		return false;
	if (!*geom)
		geom = cfg->rules.geom;
	if (!geom_find(geom, &cfg->geom) || cfg->geom.arch != cfg->rules.arch) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "geom: expected a geometry of the policy's architecture, found '%s'",
			    geom);
		return false;
	}
	if (s->code && (geom_limit(&cfg->geom) <= CODE_GFN_END || cfg->geom.page_shift != 12)) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "geom: expected code=0 with a geometry in which the recorder's code "
			    "page has no "
			    "place, "
			    "found '%s'",
			    geom);
		return false;
	}
	if (cfg->geom.ia_bits < cfg->rules.gpa_bits)
		cfg->rules.gpa_bits = cfg->geom.ia_bits;
	cfg->limits = limits_for(&cfg->geom);
	_Static_assert((int)LANG_VCPUS_MAX == (int)VM_MAX_VCPUS, "what a scenario may ask for");
	cfg->nr_vcpus = s->vcpus;
	cfg->manual = s->manual;
	cfg->ring_entries = s->ring / (uint32_t)sizeof(struct ring_entry);
	cfg->chunk_pages = s->chunk >> cfg->geom.page_shift;
	cfg->eager_split = s->eager >= 0 ? s->eager : !p || p->eager != 0;
	cfg->nx_huge_pages =
		s->nx != LANG_NX_UNSET ? s->nx == LANG_NX_FORCE : p && p->nx == LANG_NX_FORCE;
	cfg->zap_all_quirk = s->zapall;
	cfg->code = s->code;
	cfg->walk_budget = UINT32_MAX;
	return make_tlb(s, cfg, error);
}

/* What exists before the first line: arm64's table, and the code page's memory. */
static void set_up(struct script *s)
{
	struct vm *vm = s->vm;

	if (vm->cfg->rules.arch == PT_ARM64)
		root_new(vm, 0, &s->ctx.work);
	if (vm->cfg->code) {
		int m = hostmm_map_new(vm, "code", 2 * geom_page_size(&vm->cfg->geom), HOST_ANON);

		for (uint64_t i = 0; i < 2; i++)
			hostmm_install(vm, vm->st->maps[m].hva + i * geom_page_size(&vm->cfg->geom),
				       true);
	}
}

struct script *script_new(const struct lang_scenario *sc, const char *policy,
			  const struct script_params *params, GError **error)
{
	struct vm_cfg cfg = { .nr_vcpus = 0 };
	struct script *s;

	if (!make_cfg(sc, policy, params, &cfg, error))
		return NULL;
	s = g_new0(struct script, 1);
	s->refused = is_refused(sc, &cfg.rules, &cfg.geom);
	s->vm = vm_new(&cfg);
	s->rec = recorder_new(s->vm, sc->trace);
	s->ctx = (struct ctx){ .vm = s->vm,
			       .rules = &s->vm->cfg->rules,
			       .event = recorder_event,
			       .event_arg = s->rec };
	s->vm->pt.obs = recorder_pt_observer(s->vm);
	s->vm->pt.obs_arg = s->rec;
	set_up(s);
	return s;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	recorder_free(s->rec);
	vm_free(s->vm);
	g_free(s);
}

bool script_is_refused(const struct script *s)
{
	return s->refused;
}

struct vm *script_vm(struct script *s)
{
	return s->vm;
}

/* ---- running ------------------------------------------------------------------------------- */

static enum step_result step_actor(struct script *s, uint32_t a)
{
	struct ctx *c = &s->ctx;
	enum step_result r;

	c->me = &s->vm->actors[a];
	c->me_nr = a;
	c->nr_woke = 0;
	memset(&c->stats, 0, sizeof(c->stats));
	r = thread_step(c);
	recorder_stats(s->rec, &c->stats, a < s->vm->cfg->nr_vcpus ? a : UINT32_MAX);
	return r;
}

/* Runs @a to its end, others only while it is blocked. */
static bool run_actor(struct script *s, uint32_t a, GError **error)
{
	while (!actor_idle(s->vm, a)) {
		uint32_t other = 0;

		if (actor_enabled(s->vm, a)) {
			step_actor(s, a);
			continue;
		}
		if (s->vm->actors[a].wait.kind == W_GUEST)
			return true; /* spins inside the guest */
		if (rules_run(&s->ctx))
			continue;
		while (other < s->vm->nr_actors && !actor_enabled(s->vm, other))
			other++;
		if (other == s->vm->nr_actors) {
			g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_DEADLOCK,
				    "deadlock: actor %u waits at '%s' and nobody can run", a,
				    s->ctx.label ? s->ctx.label : "start");
			return false;
		}
		step_actor(s, other);
	}
	return true;
}

/* vCPUs that were kicked out of their loop go back into it. */
static bool run_spinners(struct script *s, GError **error)
{
	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++)
		if (s->vm->vcpus[v].spinning && !run_actor(s, v, error))
			return false;
	return true;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool resolve(const struct script *s, const struct lang_loc *loc, hva_t *hva, GError **error)
{
	int m;

	if (loc->is_hva) {
		*hva = loc->hva;
		return true;
	}
	m = hostmm_map_find(s->vm, loc->map);
	if (m < 0) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "expected the name of a mapping, found '%s'", loc->map);
		return false;
	}
	*hva = s->vm->st->maps[m].hva + loc->off;
	return true;
}

static bool need_inside(const struct script *s, const struct lang_host *h, hva_t hva,
			GError **error)
{
	if (hostmm_view(s->vm, hva).map >= 0 &&
	    hostmm_view(s->vm, hva + h->len - 1).map == hostmm_view(s->vm, hva).map)
		return true;
	g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
		    "expected a range inside one mapping, found %s+0x%" G_GINT64_MODIFIER
		    "x len=0x%" G_GINT64_MODIFIER "x",
		    h->loc.map, h->loc.off, h->len);
	return false;
}

/* Bitmap object by name; made on first use, with room for the default or for all that a VM can have. */
static uint32_t find_bitmap(struct script *s, const char *name, uint64_t pages)
{
	pages = max_u64(pages, min_u64(BITMAP_DEFAULT_PAGES, geom_limit(&s->vm->cfg->geom)));
	for (int i = 0; i < NR_BITMAPS; i++) {
		struct uf_bitmap *b = &s->bitmaps[i];

		if (b->words && strcmp(b->name, name) == 0)
			return b->words;
		if (b->words)
			continue;
		g_strlcpy(b->name, name, sizeof(b->name));
		b->words = words_alloc(s->vm, bitmap_words(pages));
		return b->words;
	}
	return 0;
}

static bool fill_region(struct script *s, const struct lang_region *l, struct op *op,
			GError **error)
{
	uint64_t pages = l->size >> s->vm->cfg->geom.page_shift;

	*op = (struct op){ .slot = l->slot, .flags = l->flags, .gpa = l->gpa, .size = l->size };
	if (!resolve(s, &l->loc, &op->hva, error))
		return false;
	if (l->has_bitmap && l->bitmap.is_hva) {
		/* an address that holds no bitmap; 0 is the NULL pointer */
		if (l->bitmap.hva)
			op->uf_bad = is_user_range(s->vm, l->bitmap.hva, 1) ? UF_POINTER_UNREADABLE
									    : UF_POINTER_KERNEL;
	} else if (l->has_bitmap) {
		op->uf_bitmap = find_bitmap(s, l->bitmap.map, pages);
	}
	while (*l->fail && op->fail < NR_FAIL_POINTS &&
	       strcmp(fail_point_names[op->fail], l->fail) != 0)
		op->fail++;
	if (op->fail == NR_FAIL_POINTS) {
		g_set_error(
			error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			"fail: expected slot, scratch, bitmap, archmeta or archveto, found '%s'",
			l->fail);
		return false;
	}
	return true;
}

/* The user's bitmap of a CLEAR, in the words pool for the time of the call. */
static bool fill_clear(struct script *s, const struct lang_log *l, struct op *op, GError **error)
{
	*op = (struct op){ .slot = l->slot, .first = l->first, .n = l->n };
	if (l->all || l->n == 0)
		return true;
	op->nr_mask_words = (uint32_t)MIN(bitmap_words(l->n), 1U << 20);
	op->mask_words = words_alloc(s->vm, op->nr_mask_words);
	if (!op->mask_words) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "n: expected room for the pages' mask, found 0x%" G_GINT64_MODIFIER "x",
			    l->n);
		return false;
	}
	for (unsigned int i = 0; i < l->nr_ranges; i++)
		for (uint64_t p = l->ranges[i].start; p < l->ranges[i].end; p++)
			if (p >= l->first && (p - l->first) / 64 < op->nr_mask_words)
				s->vm->words[op->mask_words + (p - l->first) / 64] |=
					BIT((p - l->first) % 64);
	return true;
}

static bool run_ioctl(struct script *s, const struct lang_line *l, int *ret, GError **error)
{
	uint32_t a = vm_actor_vmm(s->vm);
	struct op *op = &s->vm->ops[a];
	enum proc p = P_set_memory_region;
	bool ok;

	if (l->kind == LANG_OP_SET_REGION) {
		if (!fill_region(s, &l->u.region, op, error))
			return false;
	} else if (l->kind == LANG_OP_GET_DIRTY) {
		*op = (struct op){ .slot = l->u.log.slot };
		p = P_get_dirty_log;
	} else if (l->kind == LANG_OP_CLEAR_DIRTY) {
		if (!fill_clear(s, &l->u.log, op, error))
			return false;
		p = P_clear_dirty_log;
	} else {
		*op = (struct op){ 0 };
		p = P_reset_dirty_rings;
	}
	actor_start(s->vm, a, p, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	ok = run_actor(s, a, error);
	*ret = s->vm->actors[a].ret;
	words_free(s->vm, op->mask_words);
	*op = (struct op){ 0 };
	s->vm->actors[a].ret = 0;
	return ok;
}

static void host_kind(const struct lang_line *l, struct op *op)
{
	static const int advice[] = {
		[LANG_ADVICE_DONTNEED] = HOST_DONTNEED,
		[LANG_ADVICE_HUGEPAGE] = HOST_HUGEPAGE,
		[LANG_ADVICE_NOHUGEPAGE] = HOST_NOHUGEPAGE,
		[LANG_ADVICE_COLLAPSE] = HOST_COLLAPSE,
		[LANG_ADVICE_FREE] = HOST_FREE,
		[LANG_ADVICE_COLD] = HOST_COLD,
		[LANG_ADVICE_PAGEOUT] = HOST_COLD,
		[LANG_ADVICE_REMOVE] = HOST_REMOVE,
	};
	const struct lang_host *h = &l->u.host;

	op->stride = h->stride;
	op->access = h->write ? ACC_W : ACC_R;
	if (l->kind == LANG_HOST_TOUCH)
		op->kind = HOST_TOUCH;
	else if (l->kind == LANG_HOST_MUNMAP)
		op->kind = HOST_MUNMAP;
	else if (l->kind == LANG_HOST_REMAP)
		op->kind = HOST_REMAP;
	else if (l->kind == LANG_HOST_MPROTECT)
		op->kind = h->prot_write ? HOST_PROTECT_RW : HOST_PROTECT_R;
	else if (l->kind == LANG_HOST_AGE)
		op->kind = HOST_AGE;
	else if ((size_t)h->advice < G_N_ELEMENTS(advice))
		op->kind = (uint8_t)advice[h->advice];
	else {
		op->kind = HOST_POPULATE;
		op->stride = 4096;
		op->access = h->advice == LANG_ADVICE_POPULATE_WRITE ? ACC_W : ACC_R;
	}
	op->flags = (uint32_t)h->age;
}

static bool run_host(struct script *s, const struct lang_line *l, int *ret, GError **error)
{
	uint32_t a = vm_actor_mm(s->vm);
	struct op *op = &s->vm->ops[a];
	bool ok;

	*op = (struct op){ .size = l->u.host.len };
	host_kind(l, op);
	if (!resolve(s, &l->u.host.loc, &op->hva, error) ||
	    !need_inside(s, &l->u.host, op->hva, error))
		return false;
	actor_start(s->vm, a, P_host_op, &(struct l_req){ 0 }, sizeof(struct l_req));
	ok = run_actor(s, a, error);
	*ret = s->vm->actors[a].ret;
	*op = (struct op){ 0 };
	s->vm->actors[a].ret = 0;
	return ok;
}

static bool run_map(struct script *s, const struct lang_host_map *m, int *ret, GError **error)
{
	static const enum host_backing backing[] = {
		[LANG_BACKING_ANON] = HOST_ANON,     [LANG_BACKING_THP] = HOST_THP,
		[LANG_BACKING_HUGE2M] = HOST_HUGE2M, [LANG_BACKING_HUGE1G] = HOST_HUGE1G,
		[LANG_BACKING_MEMFD] = HOST_MEMFD,
	};

	*ret = 0;
	if (hostmm_map_new(s->vm, m->name, m->size, backing[m->backing]) >= 0)
		return true;
	g_set_error(
		error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
		"host map: expected room for it (at most %d maps), found size 0x%" G_GINT64_MODIFIER
		"x",
		VM_MAX_MAPS, m->size);
	return false;
}

/* The vCPUs named, each with its own first address, one after the other. */
static bool run_guest_line(struct script *s, const struct lang_line *l, GError **error)
{
	const struct lang_guest *g = &l->u.guest;
	uint64_t k = 0;

	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++) {
		struct op *op = &s->vm->ops[v];

		if (!(g->vcpu_mask >> v & 1))
			continue;
		if (!actor_idle(s->vm, v)) {
			g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
				    "expected a vCPU that does not spin, found vcpu=%u", v);
			return false;
		}
		*op = (struct op){ .gpa = g->gpa + k++ * g->vstride,
				   .n = g->n,
				   .stride = g->stride };
		op->access = l->kind == LANG_GUEST_WRITE  ? ACC_W
			     : l->kind == LANG_GUEST_READ ? ACC_R
							  : ACC_X;
		if (l->kind == LANG_GUEST_NOP || l->kind == LANG_GUEST_SPIN)
			op->n = 0;
		actor_start(s->vm, v, l->kind == LANG_GUEST_SPIN ? P_guest_spin : P_guest_op,
			    &(struct l_run){ 0 }, sizeof(struct l_run));
		if (!run_actor(s, v, error))
			return false;
		*op = (struct op){ 0 };
	}
	return true;
}

static bool run_unspin(struct script *s, const struct lang_guest *g, GError **error)
{
	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++) {
		if (!(g->vcpu_mask >> v & 1) || !s->vm->vcpus[v].spinning)
			continue;
		s->vm->vcpus[v].stop_spin = 1;
		if (!run_actor(s, v, error))
			return false;
	}
	return true;
}

static bool run_param(struct script *s, const struct lang_param *p, int *ret, GError **error)
{
	bool on = strcmp(p->value, "Y") == 0 || strcmp(p->value, "1") == 0 ||
		  strcmp(p->value, "force") == 0;

	*ret = 0;
	if (strcmp(p->name, "eager_page_split") == 0) {
		s->vm->cfg->eager_split = on;
	} else if (strcmp(p->name, "nx_huge_pages") == 0) {
		if (s->vm->cfg->rules.arch != PT_X86)
			return true;
		actor_start(s->vm, vm_actor_vmm(s->vm), P_set_nx_huge_pages,
			    &(struct l_range){ .flag = on }, sizeof(struct l_range));
		return run_actor(s, vm_actor_vmm(s->vm), error);
	} else {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			    "param: expected eager_page_split or nx_huge_pages, found '%s'",
			    p->name);
		return false;
	}
	return true;
}

static bool run_user_bit(struct script *s, const struct lang_user_bit *b, int *ret, GError **error)
{
	uint32_t words = find_bitmap(s, b->map, 0);

	*ret = 0;
	if (!words || b->page / 64 >= words_len(s->vm, words)) {
		g_set_error(
			error, SCRIPT_ERROR, SCRIPT_ERROR_LINE,
			"user_bit: expected a page inside the bitmap, found 0x%" G_GINT64_MODIFIER
			"x",
			b->page);
		return false;
	}
	if (b->value)
		s->vm->words[words + b->page / 64] |= BIT(b->page % 64);
	else
		s->vm->words[words + b->page / 64] &= ~BIT(b->page % 64);
	return true;
}

/* The record's host ranges of this step, as hva. */
static GArray *ranges_of_record(const struct script *s, const GPtrArray *obs)
{
	static const char word[] = "trace unmap_hva_range ";
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct gfn_range));

	for (guint i = 0; obs && i < obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(obs, i);
		g_autofree char *start = NULL, *len = NULL;
		struct gfn_range r;
		struct lang_loc loc;
		uint64_t bytes;

		if (!g_str_has_prefix(l->u.obs.text, word))
			continue;
		start = lang_obs_value(l->u.obs.text, "start");
		len = lang_obs_value(l->u.obs.text, "len");
		if (!start || !len || !lang_parse_loc(start, &loc) ||
		    !lang_parse_u64(len, &bytes) || !resolve(s, &loc, &r.start, NULL))
			continue;
		r.end = r.start + bytes;
		g_array_append_val(ranges, r);
	}
	return ranges;
}

static bool run_kind(struct script *s, const struct lang_line *l, int *ret, bool *has_ret,
		     GError **error)
{
	*has_ret = true;
	switch (l->kind) {
	case LANG_HOST_MAP:
		return run_map(s, &l->u.host_map, ret, error);
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
	case LANG_HOST_AGE:
		return run_host(s, l, ret, error);
	case LANG_OP_SET_REGION:
	case LANG_OP_GET_DIRTY:
	case LANG_OP_CLEAR_DIRTY:
	case LANG_OP_RESET_RINGS:
		return run_ioctl(s, l, ret, error);
	case LANG_OP_PARAM:
		return run_param(s, &l->u.param, ret, error);
	case LANG_OP_USER_BIT:
		return run_user_bit(s, &l->u.user_bit, ret, error);
	case LANG_GUEST_SPIN:
		return run_guest_line(s, l, error);
	case LANG_GUEST_UNSPIN:
		return run_unspin(s, &l->u.guest, error);
	case LANG_GUEST_NOP:
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
		*has_ret = false;
		return run_guest_line(s, l, error);
	case LANG_OP_DUMP:
		return true;
	case LANG_BLANK:
	case LANG_SCENARIO:
	case LANG_EXPECT:
	case LANG_SKIP:
	case LANG_END:
	case LANG_OBS:
		*has_ret = false;
		return true;
	}
	return true;
}

/* In debug builds every line ends in a state that satisfies the invariants. */
static void check_at_rest(const struct script *s)
{
#ifdef S2_DEBUG
	const char *why;

	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++)
		if (s->vm->vcpus[v].spinning)
			return;
	if (s->vm->cfg->rules.inject == INJ_NONE && !vm_check(s->vm, &why))
		g_error("%s", why);
#else
	(void)s;
#endif
}

bool script_run_line(struct script *s, const struct lang_line *input, const GPtrArray *recorded,
		     GString *out, GError **error)
{
	g_autoptr(GArray) ranges = ranges_of_record(s, recorded);
	struct hva_queue queue = { .ranges = (const struct gfn_range *)(const void *)ranges->data,
				   .n = ranges->len };
	bool has_ret, ok;
	int ret = 0;

	s->ctx.hva_queue = recorded ? &queue : NULL;
	ok = run_kind(s, input, &ret, &has_ret, error) && run_spinners(s, error);
	s->ctx.hva_queue = NULL;
	if (!ok)
		return false;
	if (queue.mismatches || queue.next < queue.n)
		g_string_append_printf(
			out,
			"# host mm: %u ranges asked for that the record has not, %u of "
			"the record left over\n",
			queue.mismatches, queue.n - queue.next);
	rules_run(&s->ctx);
	if (!recorded)
		check_at_rest(s);
	recorder_print(s->rec, has_ret ? &ret : NULL, input->kind == LANG_OP_DUMP, out);
	return true;
}
