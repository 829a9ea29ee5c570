/* SPDX-License-Identifier: Apache-2.0 */
#include "model/policy.h"

#include <stddef.h>
#include <string.h>

#include "model/vm.h"

G_DEFINE_QUARK(s2_policy_error, policy_error)

#define FLAGS_BASE (MEM_LOG_DIRTY_PAGES | MEM_READONLY)

/* clang-format off */

/* What all x86 bases share. */
#define X86_COMMON                                                                              \
	.arch = PT_X86, .nr_as = 2, .user_slots = VM_USER_MEM_SLOTS_X86,                         \
	.allowed_flags = FLAGS_BASE, .gpa_bits = 40, .tdp_mmu = true, .geom = "npt4", .nested = X86_NPT,         \
	.dirty_shortcut = true, .commit = COMMIT_X86,                  \
	.mmio_fault_traced = true, .ring_supported = true, .trace_tlbi = true

#define ARM_COMMON                                                                              \
	.arch = PT_ARM64, .nr_as = 1, .user_slots = VM_MEM_SLOTS_NUM,                            \
	.allowed_flags = FLAGS_BASE, .gpa_bits = 40, .geom = "arm64-4k-40", .recovery = REC_NONE,                \
	.s2_fwb = true, .s2_tlb_range = true, .trace_tlbi = true

static const struct base {
	const char *name;
	const char *text;
	struct rules rules;
} bases[] = {
	{ "x86-6.1", "Linux 6.1 (recorded: 6.1.192)", {
		X86_COMMON, .spte_version = X86_SPTE_61, .fault_huge = HUGE_ZAP_EMPTY,
		.zap_order = ZAP_FREEZE_DROP_FLUSH, .zap_passes = 1U << 2, .recovery = REC_ZAP,
		.merge_flush_parent = true, .retry_by_hva = true, .slot_flush = SLOT_FLUSH_ALL,
		.nx_any_table = true, .trace_memslot_flush = false, .trace_flush_with_address = true,
		.trace_hugetlb_twice = true } },
	{ "x86-6.12", "Linux 6.12 (recorded: 6.12.95)", {
		X86_COMMON, .host_protect_all = true, .host_protect_tables = true,
		.spte_version = X86_SPTE_612, .fault_huge = HUGE_SPLIT,
		.zap_order = ZAP_FLUSH_CLEAR_DROP, .zap_passes = 1U << 0 | 1U << 1 | 1U << 2,
		.recovery = REC_ZAP, .slot_flush = SLOT_FLUSH_QUIRK, .log_split_last = true,
		.first_requests = REQ_TLB_FLUSH_GUEST, .trace_memslot_flush = true } },
	{ "x86-7.2", "Linux 7.2 (unrecorded)", {
		X86_COMMON, .unrecorded = true, .host_protect_all = true, .host_protect_tables = true,
		.spte_version = X86_SPTE_72, .fault_huge = HUGE_SPLIT,
		.zap_order = ZAP_FLUSH_CLEAR_DROP, .zap_passes = 1U << 0 | 1U << 1 | 1U << 2,
		.recovery = REC_INPLACE, .slot_flush = SLOT_FLUSH_QUIRK, .log_split_last = true,
		.first_requests = REQ_TLB_FLUSH_GUEST, .trace_memslot_flush = true,
		.spurious_no_overwrite = true,
		.pml_drain_upward = true } },
	{ "arm64-6.1", "Linux 6.1 (recorded: 6.1.192)", {
		ARM_COMMON, .commit = COMMIT_ARM_61, .s2_perm_read_lock = true, .s2_change_pte = true, .s2_age_one = true, .trace_memslot_flush_log = true, .trace_no_level = 0,
		.trace_hugetlb_twice = true } },
	{ "arm64-6.12", "Linux 6.12 (recorded: 6.12.95)", {
		ARM_COMMON, .host_protect_all = true, .host_protect_tables = true,
		.commit = COMMIT_ARM_CUR, .s2_locked_marker = true,
		.s2_range_ops = true, .s2_relax_local = true, .s2_eager_split = true,
		.s2_fault_read_lock = true, .s2_mark_after_unlock = true,
		.trace_memslot_flush = true, .trace_no_level = INT32_MAX, .ring_supported = true } },
	{ "arm64-7.0", "Linux 7.0 (unrecorded)", {
		ARM_COMMON, .unrecorded = true, .host_protect_all = true, .host_protect_tables = true,
		.commit = COMMIT_ARM_CUR, .s2_locked_marker = true,
		.s2_range_ops = true, .s2_relax_local = true, .s2_eager_split = true,
		.s2_fault_read_lock = true, .s2_mark_after_unlock = true,
		.trace_memslot_flush = true, .trace_no_level = INT32_MAX, .ring_supported = true } },
};

/* Names for policy lines: published versions of the userfault series. */
static const struct preset {
	const char *name, *line, *text;
} presets[] = {
	{ "x86-uf-v2", "x86-6.12+machine=ept+userfault=x86-uf-v2",
	  "KVM Userfault v1 and v2: arch hook zaps on 0->1 and recovers on 1->0" },
	{ "x86-uf-sean", "x86-6.12+machine=ept+userfault=x86-uf-sean",
	  "the rewrite of May 2025: common code flushes on 0->1" },
	{ "x86-uf-v3", "x86-6.12+machine=ept+userfault=x86-uf-v3",
	  "KVM Userfault v3: as the rewrite, through kvm_arch_userfault_enabled()" },
	{ "arm64-uf-v1", "arm64-6.12+userfault=arm64-uf-v1", "zap on both edges" },
	{ "arm64-james-v2", "arm64-6.12+userfault=arm64-james-v2",
	  "KVM Userfault v2: arch hook flushes on 0->1" },
	{ "arm64-sean-rewrite", "arm64-6.12+userfault=arm64-sean-rewrite",
	  "the rewrite and v3: return early unless LOG was toggled; common flush" },
	{ "arm64-james-flags-only", "arm64-6.12+userfault=arm64-james-flags-only",
	  "return early only for FLAGS_ONLY without a LOG toggle; common flush" },
};

static const char *const injections[NR_INJECTIONS] = {
	[INJ_NONE] = "none",
	[INJ_SKIP_ZAP] = "skip-zap",
	[INJ_SKIP_ENABLE_FLUSH] = "skip-enable-flush",
	[INJ_SKIP_HARVEST_FLUSH] = "skip-harvest-flush",
	[INJ_SKIP_NOTIFIER_FLUSH] = "skip-notifier-flush",
	[INJ_SKIP_RETRY_CHECK] = "skip-retry-check",
	[INJ_SKIP_SRCU_WAIT] = "skip-srcu-wait",
	[INJ_SKIP_TLBI] = "skip-tlbi",
	[INJ_SKIP_DIRTY_MARK] = "skip-dirty-mark",
};
/* clang-format on */

static void set_npt(struct rules *r)
{
	r->nested = X86_NPT;
	r->pml = false;
	r->mmio_fault_traced = true;
	r->mmio_fault_is_read = false;
	r->first_requests &= (uint8_t)~REQ_TLB_FLUSH;
	memcpy(r->geom, "npt4", 5);
}

static void set_ept(struct rules *r, enum x86_nested nested, bool pml)
{
	r->nested = (uint8_t)nested;
	r->pml = pml;
	r->mmio_fault_traced = false;
	r->mmio_fault_is_read = true;
	r->first_requests |= REQ_TLB_FLUSH; /* vmx_vcpu_load_vmcs() on a new CPU */
	memcpy(r->geom, "ept4", 5);
}

static void m_npt(struct rules *r)
{
	set_npt(r);
}

static void m_ept(struct rules *r)
{
	set_ept(r, X86_EPT, true);
}

static void m_ept_nopml(struct rules *r)
{
	set_ept(r, X86_EPT, false);
}

static void m_ept_noad(struct rules *r)
{
	set_ept(r, X86_EPT_NOAD, false);
}

static void m_vhe(struct rules *r)
{
	r->trace_tlbi = true;
}

/* The TLBI code runs at EL2 behind a hypercall, where the recorder's probes do not reach. */
static void m_nvhe(struct rules *r)
{
	r->trace_tlbi = false;
}

static void mmu_tdp(struct rules *r)
{
	r->tdp_mmu = true;
}

static void mmu_legacy(struct rules *r)
{
	r->tdp_mmu = false;
}

static void uf_on(struct rules *r, enum commit_hook hook)
{
	r->allowed_flags |= MEM_USERFAULT;
	r->commit = (uint8_t)hook;
	r->uf_validate_pointer = true;
}

static void uf_v3(struct rules *r, enum commit_hook hook)
{
	uf_on(r, hook);
	r->uf_common = UF_COMMON_FLUSH;
	r->uf_size = UF_SIZE_ADJUST;
}

static void uf_x86_v2(struct rules *r)
{
	uf_on(r, COMMIT_X86_UF_V2);
	r->uf_null_is_off = true;
}

static void uf_x86_v3(struct rules *r)
{
	uf_v3(r, COMMIT_X86_UF_SEAN);
}

static void uf_arm_v1(struct rules *r)
{
	uf_on(r, COMMIT_ARM_UF_V1);
	r->uf_null_is_off = true;
	r->uf_read_error = UF_ERR_AS_USERFAULT;
	r->uf_validate_pointer = false;
}

static void uf_arm_james_v2(struct rules *r)
{
	uf_on(r, COMMIT_ARM_JAMES_V2);
	r->uf_null_is_off = true;
	r->uf_read_error = UF_ERR_AS_USERFAULT;
}

static void uf_arm_sean(struct rules *r)
{
	uf_v3(r, COMMIT_ARM_SEAN);
}

static void uf_arm_james_flags_only(struct rules *r)
{
	uf_v3(r, COMMIT_ARM_JAMES_FLAGS_ONLY);
}

static void rec_zap(struct rules *r)
{
	r->recovery = REC_ZAP;
}

static void rec_inplace(struct rules *r)
{
	r->recovery = REC_INPLACE;
}

static void rec_none(struct rules *r)
{
	r->recovery = REC_NONE;
}

static void inv_common_flush(struct rules *r)
{
	r->uf_common = UF_COMMON_FLUSH;
}

static void inv_none(struct rules *r)
{
	r->uf_common = UF_COMMON_NONE;
}

static void size_faultin(struct rules *r)
{
	r->uf_size = UF_SIZE_FAULTIN;
}

static void size_adjust(struct rules *r)
{
	r->uf_size = UF_SIZE_ADJUST;
}

static void size_free(struct rules *r)
{
	r->uf_size = UF_SIZE_FREE;
}

static void zap_all(struct rules *r)
{
	r->slot_flush = SLOT_FLUSH_ALL;
}

static void zap_slot(struct rules *r)
{
	r->slot_flush = SLOT_FLUSH_SLOT;
}

static void fwb(struct rules *r)
{
	r->s2_fwb = true;
}

static void nofwb(struct rules *r)
{
	r->s2_fwb = false;
}

static void lock_exclusive(struct rules *r)
{
	r->s2_fault_read_lock = r->s2_perm_read_lock = false;
}

static void lock_perm_shared(struct rules *r)
{
	r->s2_fault_read_lock = false;
	r->s2_perm_read_lock = true;
}

static void lock_shared(struct rules *r)
{
	r->s2_fault_read_lock = true;
}

enum { ON_X86 = 1, ON_ARM = 2, ON_BOTH = 3 };

static const struct variant {
	const char *axis, *name;
	uint8_t where;
	void (*apply)(struct rules *r);
	const char *text;
} variants[] = {
	{ "machine", "npt", ON_X86, m_npt, "AMD nested paging" },
	{ "machine", "ept", ON_X86, m_ept, "Intel EPT with A/D flags and PML" },
	{ "machine", "ept-nopml", ON_X86, m_ept_nopml, "EPT with A/D flags, pml=0" },
	{ "machine", "ept-noad", ON_X86, m_ept_noad, "EPT with eptad=0: software access tracking" },
	{ "machine", "vhe", ON_ARM, m_vhe, "KVM at EL2 with the host" },
	{ "machine", "nvhe", ON_ARM, m_nvhe, "KVM's EL2 code behind hypercalls" },
	{ "mmu", "tdp", ON_X86, mmu_tdp, "TDP MMU" },
	{ "mmu", "legacy", ON_X86, mmu_legacy, "direct maps of the legacy MMU (tdp_mmu=0)" },
	{ "userfault", "x86-uf-v2", ON_X86, uf_x86_v2, "KVM_MEM_USERFAULT v1, v2" },
	{ "userfault", "x86-uf-sean", ON_X86, uf_x86_v3, "KVM_MEM_USERFAULT, rewrite" },
	{ "userfault", "x86-uf-v3", ON_X86, uf_x86_v3, "KVM_MEM_USERFAULT v3" },
	{ "userfault", "arm64-uf-v1", ON_ARM, uf_arm_v1, "KVM_MEM_USERFAULT v1" },
	{ "userfault", "arm64-james-v2", ON_ARM, uf_arm_james_v2, "KVM_MEM_USERFAULT v2" },
	{ "userfault", "arm64-sean-rewrite", ON_ARM, uf_arm_sean, "rewrite and v3" },
	{ "userfault", "arm64-james-flags-only", ON_ARM, uf_arm_james_flags_only,
	  "amendment proposed and withdrawn" },
	{ "invalidate", "inv-common-flush", ON_BOTH, inv_common_flush,
	  "generic commit zaps on 0->1" },
	{ "invalidate", "inv-none", ON_BOTH, inv_none, "generic commit does nothing" },
	{ "size", "size-4k-at-faultin", ON_BOTH, size_faultin,
	  "4 KiB rule where the page is resolved" },
	{ "size", "size-4k-at-adjust", ON_BOTH, size_adjust, "4 KiB rule beside dirty logging's" },
	{ "size", "size-free", ON_BOTH, size_free, "no size rule (negative control)" },
	{ "recovery", "rec-zap", ON_X86, rec_zap, "zap collapsible tables (up to 6.12)" },
	{ "recovery", "rec-inplace", ON_X86, rec_inplace, "replace tables by leaves (6.13 on)" },
	{ "recovery", "rec-none", ON_X86, rec_none, "leave the tables" },
	{ "slot-flush", "zap-all", ON_X86, zap_all, "a slot change zaps everything" },
	{ "slot-flush", "zap-slot-leafs", ON_X86, zap_slot,
	  "a slot change zaps the slot's leaves" },
	{ "fault-lock", "exclusive", ON_ARM, lock_exclusive,
	  "faults take mmu_lock for writing (up to 5.17)" },
	{ "fault-lock", "perm-shared", ON_ARM, lock_perm_shared,
	  "permission faults of a logged slot take it for reading (5.18 to 6.1)" },
	{ "fault-lock", "shared", ON_ARM, lock_shared, "all faults take it for reading (6.2 on)" },
	{ "cache", "fwb", ON_ARM, fwb, "stage-2 forced write-back" },
	{ "cache", "nofwb", ON_ARM, nofwb, "cache maintenance by line" },
};

static const struct base *base_find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++)
		if (strcmp(bases[i].name, name) == 0)
			return &bases[i];
	return NULL;
}

static bool axis_apply(struct rules *r, const char *word, GError **error)
{
	const char *eq = strchr(word, '=');
	uint8_t here = r->arch == PT_X86 ? ON_X86 : ON_ARM;

	if (!eq) {
		g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
			    "policy: expected axis=variant, found '%s'", word);
		return false;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
		const struct variant *v = &variants[i];

		if (strlen(v->axis) == (size_t)(eq - word) && strcmp(v->name, eq + 1) == 0 &&
		    strncmp(v->axis, word, (size_t)(eq - word)) == 0 && (v->where & here)) {
			v->apply(r);
			return true;
		}
	}
	g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
		    "policy: no such axis or variant on this architecture, expected one of `list "
		    "policies`, found '%s'",
		    word);
	return false;
}

bool policy_parse(const char *line, struct rules *out, GError **error)
{
	g_auto(GStrv) words = NULL;
	g_auto(GStrv) first = NULL;
	g_autofree char *expanded = NULL;
	const struct base *base;

	first = g_strsplit(line, "+", 2);
	for (size_t i = 0; first[0] && i < G_N_ELEMENTS(presets); i++)
		if (strcmp(presets[i].name, first[0]) == 0)
			expanded = g_strconcat(presets[i].line, first[1] ? "+" : "",
					       first[1] ? first[1] : "", NULL);
	words = g_strsplit(expanded ? expanded : line, "+", -1);
	base = words[0] ? base_find(words[0]) : NULL;
	if (!base) {
		g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
			    "policy: expected a base or preset (see `list policies`), found '%s'",
			    words[0] ? words[0] : "");
		return false;
	}
	*out = base->rules;
	for (size_t i = 1; words[i]; i++)
		if (!axis_apply(out, words[i], error))
			return false;
	return true;
}

bool policy_set_injection(struct rules *r, const char *name, GError **error)
{
	for (size_t i = 0; i < NR_INJECTIONS; i++) {
		if (strcmp(injections[i], name) == 0) {
			r->inject = (uint8_t)i;
			return true;
		}
	}
	g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
		    "inject: expected one of `list policies`, found '%s'", name);
	return false;
}

void policy_list(GString *out)
{
	g_string_append(out, "bases\n");
	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++)
		g_string_append_printf(out, "  %-24s %s\n", bases[i].name, bases[i].text);
	g_string_append(out, "presets\n");
	for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
		g_string_append_printf(out, "  %-24s %s\n    = %s\n", presets[i].name,
				       presets[i].text, presets[i].line);
	g_string_append(out, "axes\n");
	for (size_t i = 0; i < G_N_ELEMENTS(variants); i++)
		g_string_append_printf(out, "  %s=%-*s %s\n", variants[i].axis,
				       (int)(23 - strlen(variants[i].axis)), variants[i].name,
				       variants[i].text);
	g_string_append(out, "injections\n");
	for (size_t i = 1; i < NR_INJECTIONS; i++)
		g_string_append_printf(out, "  %s\n", injections[i]);
}
