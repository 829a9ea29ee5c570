/* SPDX-License-Identifier: Apache-2.0 */
#include "model/setup.h"

#include "model/hostmm.h"
#include "model/lines.h"
#include "model/memslots.h"
#include "model/vcpu.h"

G_DEFINE_QUARK(s2_setup_error, setup_error)

enum {
	CODE_GFN_END = 0xe0002, /* slot 31 of the recorder: two pages from 0xe0000000 */
	TLB_SET_ENTRIES = 4096,
	RING_MAX_ENTRIES = 65536, /* KVM_DIRTY_RING_MAX_ENTRIES */
	RING_DEFAULT_BYTES = 65536,
	SCOPE_TABLES = 24,
	SCOPE_SLOTS = 4,
	SCOPE_WORDS = 32,
	SCOPE_TLB = 24,
	SCOPE_PML = 4,
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

static uint32_t ring_bytes(const struct lang_scenario *s, const struct rules *r)
{
	if (r->dirty_mode == DIRTY_BY_SCENARIO)
		return s->ring;
	return r->dirty_mode != DIRTY_RING ? 0 : s->ring ? s->ring : RING_DEFAULT_BYTES;
}

/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2's argument, as the scenario or the policy says. */
static uint32_t manual_of(const struct lang_scenario *s, const struct rules *r)
{
	switch ((enum dirty_mode)r->dirty_mode) {
	case DIRTY_BY_SCENARIO:
		break;
	case DIRTY_MANUAL:
		return 1;
	case DIRTY_MANUAL_INITSET:
		return 3;
	case DIRTY_CLASSIC:
	case DIRTY_RING:
		return 0;
	}
	return s->manual;
}

/* Does the modelled kernel have what the scenario asks for? */
bool setup_is_refused(const struct lang_scenario *s, const struct vm_cfg *cfg)
{
	const struct rules *r = &cfg->rules;
	const struct pt_geom *g = &cfg->geom;
	uint64_t pages = s->chunk >> g->page_shift;
	uint32_t ring = ring_bytes(s, r);

	if (s->chunk && (r->arch != PT_ARM64 || !r->s2_eager_split))
		return true;
	if (s->chunk && pages != 1 && pages != geom_pages(g, 1) &&
	    (g->max_leaf_height < 2 || pages != geom_pages(g, 2)))
		return true;
	if (!s->zapall && (r->arch != PT_X86 || r->slot_flush != SLOT_FLUSH_QUIRK))
		return true;
	if (ring && (!r->ring_supported || !is_ring_size(ring, r, g)))
		return true;
	return (s->arch == LANG_ARCH_X86 && r->arch != PT_X86) ||
	       (s->arch == LANG_ARCH_ARM64 && r->arch != PT_ARM64);
}

static bool set_mem(const struct lang_scenario *s, struct vm_cfg *cfg, GError **error)
{
	bool arm = cfg->rules.arch == PT_ARM64;

	if (!*s->mem) {
		cfg->mem = MEM_SC;
	} else if (strcmp(s->mem, "tso") == 0) {
		cfg->mem = MEM_TSO;
	} else if (arm && strcmp(s->mem, "armlike") == 0) {
		cfg->mem = MEM_ARMLIKE;
	} else {
		g_set_error(error, SETUP_ERROR, SETUP_ERROR_SCENARIO,
			    "mem: expected tso%s, found '%s'",
			    arm ? " or armlike"
				: ", the only memory model of x86 (armlike is for arm64 policies)",
			    s->mem);
		return false;
	}
	return true;
}

static bool make_tlb(const struct lang_scenario *s, struct vm_cfg *cfg, GError **error)
{
	if (!*s->tlb || strcmp(s->tlb, "drop") == 0) {
		cfg->tlb = tlb_cfg_drop(&cfg->geom);
	} else if (strcmp(s->tlb, "set") == 0) {
		cfg->tlb = tlb_cfg_set(&cfg->geom, TLB_SET_ENTRIES);
	} else if (strcmp(s->tlb, "sized") == 0) {
		cfg->tlb = tlb_cfg_sized(&cfg->geom);
	} else {
		g_set_error(error, SETUP_ERROR, SETUP_ERROR_SCENARIO,
			    "tlb: expected drop, set or sized, found '%s'", s->tlb);
		return false;
	}
	return true;
}

bool setup_cfg(const struct lang_scenario *s, const char *policy, const struct kvm_params *p,
	       struct vm_cfg *cfg, GError **error)
{
	const char *geom = s->geom;

	if (!policy_parse(policy, &cfg->rules, error))
		return false;
	if (*s->inject && !policy_set_injection(&cfg->rules, s->inject, error))
		return false;
	if (!*geom)
		geom = cfg->rules.geom;
	if (!geom_find(geom, &cfg->geom) || cfg->geom.arch != cfg->rules.arch) {
		g_set_error(error, SETUP_ERROR, SETUP_ERROR_SCENARIO,
			    "geom: expected a geometry of the policy's architecture, found '%s'",
			    geom);
		return false;
	}
	if (s->code && (geom_limit(&cfg->geom) <= CODE_GFN_END || cfg->geom.page_shift != 12)) {
		g_set_error(error, SETUP_ERROR, SETUP_ERROR_SCENARIO,
			    "geom: expected code=0 where the recorder's code page has no place, "
			    "found '%s'",
			    geom);
		return false;
	}
	if (cfg->geom.ia_bits < cfg->rules.gpa_bits)
		cfg->rules.gpa_bits = cfg->geom.ia_bits;
	cfg->limits = limits_for(&cfg->geom);
	_Static_assert((int)LANG_VCPUS_MAX == (int)VM_MAX_VCPUS, "what a scenario may ask for");
	cfg->nr_vcpus = s->vcpus;
	cfg->manual = manual_of(s, &cfg->rules);
	cfg->ring_entries = ring_bytes(s, &cfg->rules) / (uint32_t)sizeof(struct ring_entry);
	cfg->chunk_pages = s->chunk >> cfg->geom.page_shift;
	cfg->eager_split = s->eager >= 0 ? s->eager : !p || p->eager != 0;
	cfg->nx_huge_pages =
		s->nx != LANG_NX_UNSET ? s->nx == LANG_NX_FORCE : p && p->nx == LANG_NX_FORCE;
	cfg->zap_all_quirk = s->zapall;
	cfg->code = s->code;
	cfg->walk_budget = UINT32_MAX;
	cfg->guest_budget = UINT32_MAX;
	return set_mem(s, cfg, error) && make_tlb(s, cfg, error);
}

static uint32_t or_default(uint32_t asked, uint32_t otherwise)
{
	return asked ? asked : otherwise;
}

void setup_free_order(struct vm_cfg *cfg, const GPtrArray *lines, const struct setup_scope *scope)
{
	uint64_t units = 1, pages = 1;

	for (guint i = 0; i < lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(lines, i);
		uint64_t u, p;

		if (l->kind != LANG_HOST_MAP)
			continue;
		hostmm_map_cost(&cfg->geom, l->u.host_map.size, &u, &p);
		units += u;
		pages += p;
	}
	lines_threads(lines, cfg->mem != MEM_SC, &cfg->nr_vmms, &cfg->nr_mms);
	cfg->limits = (struct vm_limits){
		.nr_tables = or_default(scope->tables, SCOPE_TABLES),
		.nr_slots = or_default(scope->slots, SCOPE_SLOTS),
		.nr_words = or_default(scope->words, SCOPE_WORDS),
		.nr_units = (uint32_t)MIN(units, cfg->limits.nr_units),
		.nr_pages = (uint32_t)MIN(pages, cfg->limits.nr_pages),
	};
	if (cfg->tlb.form == TLB_SET)
		cfg->tlb.capacity = (uint16_t)or_default(scope->tlb, SCOPE_TLB);
	cfg->pml_entries = (uint16_t)or_default(scope->pml, SCOPE_PML);
	cfg->walk_budget = 1;
	cfg->guest_budget = 1;
	cfg->hw_steps = true;
	cfg->free_order = true;
}

void setup_contents(struct vm *vm, struct work *wk)
{
	if (vm->cfg->rules.arch == PT_ARM64)
		root_new(vm, 0, wk);
	if (vm->cfg->code) {
		int m = hostmm_map_new(vm, "code", 2 * geom_page_size(&vm->cfg->geom), HOST_ANON);

		for (uint64_t i = 0; i < 2; i++)
			hostmm_install(vm, vm->st->maps[m].hva + i * geom_page_size(&vm->cfg->geom),
				       true);
	}
}
