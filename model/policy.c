/* SPDX-License-Identifier: Apache-2.0 */
#include "model/policy.h"

#include <string.h>

#include "model/patch.h"
#include "model/policy_priv.h"
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

/* Flushes of overwritten SPTEs until 6.13 [mmu.c: mmu_spte_update; tdp_mmu.c: write_protect_gfn]. */
#define X86_FLUSH_612                                                                           \
	.flush_install = FL_NONE, .flush_update = FL_W, .flush_ad_lost = true, .flush_track = FL_MMUW
/* ... and from then on [spte.h: leaf_spte_change_needs_tlb_flush]. */
#define X86_FLUSH_613                                                                           \
	.flush_install = FL_MMUW, .flush_update = FL_MMUW, .flush_track = FL_MMUW

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
		X86_COMMON, X86_FLUSH_612, .spte_version = X86_SPTE_61, .fault_huge = HUGE_ZAP_EMPTY,
		.zap_order = ZAP_FREEZE_DROP_FLUSH, .zap_passes = 1U << 2, .recovery = REC_ZAP,
		.merge_flush_parent = true, .retry_by_hva = true, .root_lock_write = true, .slot_flush = SLOT_FLUSH_ALL,
		.nx_any_table = true, .trace_memslot_flush = false, .trace_flush_with_address = true,
		.trace_hugetlb_twice = true } },
	{ "x86-6.12", "Linux 6.12 (recorded: 6.12.95)", {
		X86_COMMON, X86_FLUSH_612, .host_protect_all = true, .host_protect_tables = true,
		.spte_version = X86_SPTE_612, .fault_huge = HUGE_SPLIT,
		.zap_order = ZAP_FLUSH_CLEAR_DROP, .zap_passes = 1U << 0 | 1U << 1 | 1U << 2,
		.page_track = PT_REMOVE_REGION, .ms_order = MS_MOVE_REJECT_IF_TRACKED,
		.recovery = REC_ZAP, .slot_flush = SLOT_FLUSH_QUIRK, .log_split_last = true,
		.first_requests = REQ_TLB_FLUSH_GUEST, .prefault = PREFAULT_RETRY_LOCKED,
		.trace_memslot_flush = true } },
	{ "x86-7.2", "Linux 7.2 (unrecorded)", {
		X86_COMMON, X86_FLUSH_613, .unrecorded = true, .host_protect_all = true, .host_protect_tables = true,
		.spte_version = X86_SPTE_72, .fault_huge = HUGE_SPLIT,
		.zap_order = ZAP_FLUSH_CLEAR_DROP, .zap_passes = 1U << 0 | 1U << 1 | 1U << 2,
		.page_track = PT_REMOVE_REGION, .ms_order = MS_MOVE_REJECT_IF_TRACKED,
		.recovery = REC_INPLACE, .slot_flush = SLOT_FLUSH_QUIRK, .log_split_last = true,
		.first_requests = REQ_TLB_FLUSH_GUEST, .prefault = PREFAULT_EAGAIN,
		.trace_memslot_flush = true,
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
	{ "x86-uf-guarded", "x86-6.12+machine=ept+userfault=x86-uf-guarded",
	  "v3, and huge pages come back only when neither logging nor userfault forbids them (ours)" },
	{ "arm64-uf-v1", "arm64-6.12+userfault=arm64-uf-v1", "zap on both edges" },
	{ "arm64-james-v2", "arm64-6.12+userfault=arm64-james-v2",
	  "KVM Userfault v2: arch hook flushes on 0->1" },
	{ "arm64-sean-rewrite", "arm64-6.12+userfault=arm64-sean-rewrite",
	  "the rewrite and v3: return early unless LOG was toggled; common flush" },
	{ "arm64-james-flags-only", "arm64-6.12+userfault=arm64-james-flags-only",
	  "return early only for FLAGS_ONLY without a LOG toggle; common flush" },
	{ "arm64-no-early-return", "arm64-6.12+userfault=arm64-no-early-return",
	  "never return early: a logged slot is write-protected at every change; common flush" },
};
/* clang-format on */

static const struct base *base_find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++)
		if (strcmp(bases[i].name, name) == 0)
			return &bases[i];
	return NULL;
}

static bool bad_word(const char *word, GError **error)
{
	if (!strchr(word, '='))
		g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
			    "policy: expected axis=variant, found '%s'", word);
	else
		g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
			    "policy: no such axis or variant on this architecture, expected one of "
			    "`list policies`, found '%s'",
			    word);
	return false;
}

/* Applies the first of @words; one or, for a variant with a '+' in its name, two of them.  0: @error. */
static unsigned int axis_apply(struct rules *r, char *const *words, GError **error)
{
	g_autofree char *two = words[1] ? g_strconcat(words[0], "+", words[1], NULL) : NULL;
	const struct variant *v = two ? variant_find(r, two) : NULL;
	unsigned int used = v ? 2 : 1;

	if (!v)
		v = variant_find(r, words[0]);
	if (!v)
		return bad_word(words[0], error);
	variant_apply(v, r);
	return used;
}

/* A patch's hook on the policy that it stands on, then the axes behind its name. */
static bool parse_patch(unsigned int i, const char *more, struct rules *out, GError **error)
{
	g_auto(GStrv) words = g_strsplit(more ? more : "", "+", -1);

	if (!policy_parse(patch_get(i)->line, out, error))
		return false;
	out->commit = (uint8_t)(NR_COMMIT_HOOKS + i);
	for (unsigned int k = 0, used; words[k]; k += used) {
		used = axis_apply(out, &words[k], error);
		if (!used)
			return false;
	}
	return true;
}

/* What a preset stands for, with the axes behind it; NULL: it is none. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as in a policy line */
static char *expand(const char *name, const char *more)
{
	for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
		if (strcmp(presets[i].name, name) == 0)
			return g_strconcat(presets[i].line, more ? "+" : "", more, NULL);
	return NULL;
}

bool policy_parse(const char *line, struct rules *out, GError **error)
{
	g_auto(GStrv) words = NULL;
	g_auto(GStrv) first = NULL;
	g_autofree char *expanded = NULL;
	const struct base *base;

	first = g_strsplit(line, "+", 2);
	for (unsigned int i = 0; first[0] && patch_get(i); i++)
		if (strcmp(patch_get(i)->name, first[0]) == 0)
			return parse_patch(i, first[1], out, error);
	if (first[0])
		expanded = expand(first[0], first[1]);
	words = g_strsplit(expanded ? expanded : line, "+", -1);
	base = words[0] ? base_find(words[0]) : NULL;
	if (!base) {
		g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
			    "policy: expected a base or preset (see `list policies`), found '%s'",
			    words[0] ? words[0] : "");
		return false;
	}
	*out = base->rules;
	out->base = (uint8_t)(base - bases + 1);
	out->commit_base = out->commit;
	for (unsigned int i = 1, used; words[i]; i += used) {
		used = axis_apply(out, &words[i], error);
		if (!used)
			return false;
	}
	return true;
}

const char *policy_base(const struct rules *r)
{
	return bases[r->base - 1].name;
}

bool policy_name(unsigned int i, struct policy_name *out)
{
	size_t nr_bases = G_N_ELEMENTS(bases), n = nr_bases + G_N_ELEMENTS(presets);

	if (i < nr_bases)
		*out = (struct policy_name){ bases[i].name, NULL, bases[i].text };
	else if (i < n)
		*out = (struct policy_name){ presets[i - nr_bases].name, presets[i - nr_bases].line,
					     presets[i - nr_bases].text };
	return i < n;
}
