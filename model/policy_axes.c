/* SPDX-License-Identifier: Apache-2.0 */
/* The axes on which policies differ, and the variants of each. */
#include <string.h>

#include "model/policy_priv.h"
#include "model/vm.h"

void variant_apply(const struct variant *v, struct rules *r)
{
	if (v->apply)
		v->apply(r);
	else
		*((uint8_t *)r + v->offset) = v->value;
}

const struct variant *variant_find(const struct rules *r, const char *word)
{
	const char *eq = strchr(word, '=');

	for (const struct variant *v = policy_variants; eq && v->axis; v++)
		if (strlen(v->axis) == (size_t)(eq - word) && strcmp(v->name, eq + 1) == 0 &&
		    strncmp(v->axis, word, (size_t)(eq - word)) == 0 && variant_is_for(v, r))
			return v;
	return NULL;
}

static const struct axis *axis_named(const char *name)
{
	for (unsigned int i = 0; i < policy_axes_len; i++)
		if (strcmp(policy_axes[i].name, name) == 0)
			return &policy_axes[i];
	g_assert_not_reached();
}

bool variant_is(const struct variant *v, const struct rules *r)
{
	const struct axis *a;
	struct rules with = *r;
	bool same = true;

	if (!variant_is_for(v, r))
		return false;
	if (!v->apply)
		return *((const uint8_t *)r + v->offset) == v->value;
	a = axis_named(v->axis);
	variant_apply(v, &with);
	for (unsigned int i = 0; i < a->nr_own; i++)
		same &= *((const uint8_t *)r + a->own[i]) == *((const uint8_t *)&with + a->own[i]);
	return same;
}

bool variant_is_for(const struct variant *v, const struct rules *r)
{
	return (v->where & (r->arch == PT_X86 ? ON_X86 : ON_ARM)) != 0;
}

static void m_npt(struct rules *r)
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

/* Kernels without the series; what only userfault uses is as if it had never been set. */
static void uf_none(struct rules *r)
{
	r->allowed_flags &= ~(uint32_t)MEM_USERFAULT;
	r->commit = r->commit_base;
	r->uf_inval = UF_INV_NONE;
	r->uf_size = UF_SIZE_FAULTIN;
	r->uf_read = UF_READ_PLAIN;
	r->uf_read_error = UF_ERR_BARE;
	r->uf_null_is_off = r->uf_validate_pointer = false;
	if (r->recovery == REC_UNMAP_ALL)
		r->recovery = REC_NONE;
}

static void uf_on(struct rules *r, enum commit_hook hook)
{
	uf_none(r);
	r->allowed_flags |= MEM_USERFAULT;
	r->commit = (uint8_t)hook;
	r->uf_inval = UF_INV_ARCH;
	r->uf_validate_pointer = true;
}

/* The rewrite and what follows it. */
static void uf_generic(struct rules *r, enum commit_hook hook, enum uf_invalidate who)
{
	uf_on(r, hook);
	r->uf_inval = (uint8_t)who;
	r->uf_size = UF_SIZE_ADJUST;
}

static void uf_x86_v2(struct rules *r)
{
	uf_on(r, COMMIT_X86_UF_V2);
	r->uf_read = UF_READ_COPY;
	r->uf_null_is_off = true;
}

static void uf_x86_sean(struct rules *r)
{
	uf_generic(r, COMMIT_X86_UF_SEAN, UF_INV_COMMON);
}

static void uf_x86_v3(struct rules *r)
{
	uf_generic(r, COMMIT_X86_UF_V3, UF_INV_HOOK);
}

static void uf_x86_guarded(struct rules *r)
{
	uf_generic(r, COMMIT_X86_UF_GUARDED, UF_INV_HOOK);
}

static void uf_arm_v1(struct rules *r)
{
	uf_on(r, COMMIT_ARM_UF_V1);
	r->recovery = REC_UNMAP_ALL;
	r->uf_null_is_off = true;
	r->uf_read = UF_READ_COPY;
	r->uf_read_error = UF_ERR_AS_USERFAULT;
	r->uf_validate_pointer = false;
}

static void uf_arm_james_v2(struct rules *r)
{
	uf_on(r, COMMIT_ARM_JAMES_V2);
	r->uf_read = UF_READ_COPY;
	r->uf_null_is_off = true;
	r->uf_read_error = UF_ERR_AS_USERFAULT;
}

static void uf_arm_sean(struct rules *r)
{
	uf_generic(r, COMMIT_ARM_SEAN, UF_INV_HOOK);
}

static void uf_arm_james_flags_only(struct rules *r)
{
	uf_generic(r, COMMIT_ARM_JAMES_FLAGS_ONLY, UF_INV_HOOK);
}

static void uf_arm_no_early_return(struct rules *r)
{
	uf_generic(r, COMMIT_ARM_NO_EARLY_RETURN, UF_INV_HOOK);
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
	r->s2_perm_read_lock = false; /* all faults do */
}

static void fl_all(struct rules *r, enum flush_rule rule)
{
	r->flush_install = r->flush_update = r->flush_track = (uint8_t)rule;
	r->flush_ad_lost = false;
}

static void fl_w(struct rules *r)
{
	fl_all(r, FL_W);
}

static void fl_mmuw(struct rules *r)
{
	fl_all(r, FL_MMUW);
}

static void fl_w_cleared(struct rules *r)
{
	fl_all(r, FL_W_CLEARED);
}

static void fl_none(struct rules *r)
{
	fl_all(r, FL_NONE);
}

static void fl_before_613(struct rules *r)
{
	r->flush_install = FL_NONE;
	r->flush_update = FL_W;
	r->flush_track = FL_MMUW;
	r->flush_ad_lost = true;
}

static void host_by_unit(struct rules *r)
{
	r->host_protect_all = r->host_protect_tables = false;
}

static void host_by_table(struct rules *r)
{
	r->host_protect_all = r->host_protect_tables = true;
}

/* The base's hook; a userfault series has its own, made for the later kernel. */
static void commit_log(struct rules *r, enum commit_hook hook)
{
	if (r->commit == r->commit_base)
		r->commit = (uint8_t)hook;
	r->commit_base = (uint8_t)hook;
}

static void commit_new_flags(struct rules *r)
{
	commit_log(r, COMMIT_ARM_61);
}

static void commit_with_split(struct rules *r)
{
	commit_log(r, COMMIT_ARM_CUR);
}

/* clang-format off */
#define OF(member) offsetof(struct rules, member)

const struct axis policy_axes[] = {
	{ "machine", AXIS_POLICY, { OF(nested), OF(pml) }, 2 },
	{ "mmu", AXIS_POLICY, { 0 }, 0 },
	{ "userfault", AXIS_POLICY, { OF(commit), OF(allowed_flags) }, 2 },
	{ "uapi", AXIS_POLICY, { 0 }, 0 },
	{ "invalidate", AXIS_POLICY, { 0 }, 0 },
	{ "bitmap-read", AXIS_POLICY, { 0 }, 0 },
	{ "read-error", AXIS_POLICY, { 0 }, 0 },
	{ "size", AXIS_POLICY, { 0 }, 0 },
	{ "prefetch", AXIS_POLICY, { 0 }, 0 },
	{ "recovery", AXIS_POLICY, { 0 }, 0 },
	{ "order", AXIS_POLICY, { 0 }, 0 },
	{ "page-track", AXIS_POLICY, { 0 }, 0 },
	{ "flush-rule", AXIS_POLICY,
	  { OF(flush_install), OF(flush_update), OF(flush_track), OF(flush_ad_lost) }, 4 },
	{ "external", AXIS_POLICY, { 0 }, 0 },
	{ "log-flush", AXIS_POLICY, { 0 }, 0 },
	{ "delete-veto", AXIS_POLICY, { 0 }, 0 },
	{ "move-log", AXIS_POLICY, { 0 }, 0 },
	{ "gmem", AXIS_POLICY, { 0 }, 0 },
	{ "prefault", AXIS_POLICY, { 0 }, 0 },
	{ "dirty-mode", AXIS_POLICY, { 0 }, 0 },
	{ "slot-flush", AXIS_POLICY, { 0 }, 0 },
	{ "fault-lock", AXIS_POLICY, { OF(s2_fault_read_lock), OF(s2_perm_read_lock) }, 2 },
	{ "cache", AXIS_POLICY, { 0 }, 0 },
	{ "spte", AXIS_KERNEL, { 0 }, 0 },
	{ "huge-fault", AXIS_KERNEL, { 0 }, 0 },
	{ "zap-order", AXIS_KERNEL, { 0 }, 0 },
	{ "zap-passes", AXIS_KERNEL, { 0 }, 0 },
	{ "merge-flush", AXIS_KERNEL, { 0 }, 0 },
	{ "retry-hull", AXIS_KERNEL, { 0 }, 0 },
	{ "root-lock", AXIS_KERNEL, { 0 }, 0 },
	{ "nx-table", AXIS_KERNEL, { 0 }, 0 },
	{ "log-split", AXIS_KERNEL, { 0 }, 0 },
	{ "spurious", AXIS_KERNEL, { 0 }, 0 },
	{ "pml-order", AXIS_KERNEL, { 0 }, 0 },
	{ "log-commit", AXIS_KERNEL, { OF(commit_base) }, 1 },
	{ "break-marker", AXIS_KERNEL, { 0 }, 0 },
	{ "range-tlbi", AXIS_KERNEL, { 0 }, 0 },
	{ "relax-tlbi", AXIS_KERNEL, { 0 }, 0 },
	{ "eager-split", AXIS_KERNEL, { 0 }, 0 },
	{ "change-pte", AXIS_KERNEL, { 0 }, 0 },
	{ "dirty-mark", AXIS_KERNEL, { 0 }, 0 },
	{ "age", AXIS_KERNEL, { 0 }, 0 },
	{ "ring", AXIS_KERNEL, { 0 }, 0 },
	{ "host-protect", AXIS_KERNEL, { OF(host_protect_all), OF(host_protect_tables) }, 2 },
};

const unsigned int policy_axes_len = G_N_ELEMENTS(policy_axes);

#define BY(axis, name, where, apply, text) { axis, name, where, 0, 0, apply, text }
#define IS(axis, name, where, member, value, text)                                              \
	{ axis, name, where, (uint8_t)(value), OF(member), NULL, text }

const struct variant policy_variants[] = {
	BY("machine", "npt", ON_X86, m_npt, "AMD nested paging"),
	BY("machine", "ept", ON_X86, m_ept, "Intel EPT with A/D flags and PML"),
	BY("machine", "ept-nopml", ON_X86, m_ept_nopml, "EPT with A/D flags, pml=0"),
	BY("machine", "ept-noad", ON_X86, m_ept_noad, "EPT with eptad=0: software access tracking"),
	IS("machine", "vhe", ON_ARM, trace_tlbi, true, "KVM at EL2 with the host"),
	/* the TLBI code runs at EL2 behind a hypercall, where the recorder's probes do not reach */
	IS("machine", "nvhe", ON_ARM, trace_tlbi, false, "KVM's EL2 code behind hypercalls"),
	IS("mmu", "tdp", ON_X86, tdp_mmu, true, "TDP MMU"),
	IS("mmu", "legacy", ON_X86, tdp_mmu, false,
	   "direct maps of the legacy MMU (tdp_mmu=0)"),
	BY("userfault", "x86-none", ON_X86, uf_none, "kernels without the flag"),
	BY("userfault", "x86-uf-v2", ON_X86, uf_x86_v2, "KVM_MEM_USERFAULT v1, v2"),
	BY("userfault", "x86-uf-sean", ON_X86, uf_x86_sean, "KVM_MEM_USERFAULT, rewrite"),
	BY("userfault", "x86-uf-v3", ON_X86, uf_x86_v3, "KVM_MEM_USERFAULT v3"),
	BY("userfault", "x86-uf-guarded", ON_X86, uf_x86_guarded,
	   "v3, and huge pages come back only when neither flag forbids them (ours)"),
	BY("userfault", "arm64-upstream", ON_ARM, uf_none, "kernels without the flag"),
	BY("userfault", "arm64-uf-v1", ON_ARM, uf_arm_v1, "KVM_MEM_USERFAULT v1"),
	BY("userfault", "arm64-james-v2", ON_ARM, uf_arm_james_v2, "KVM_MEM_USERFAULT v2"),
	BY("userfault", "arm64-sean-rewrite", ON_ARM, uf_arm_sean, "rewrite and v3"),
	BY("userfault", "arm64-james-flags-only", ON_ARM, uf_arm_james_flags_only,
	   "amendment proposed and withdrawn"),
	BY("userfault", "arm64-no-early-return", ON_ARM, uf_arm_no_early_return,
	   "v3 without its early return: a logged slot is write-protected at every change"),
	IS("uapi", "any-toggle", ON_BOTH, uf_uapi, UAPI_ANY_TOGGLE,
	   "a slot flag with a bitmap, set and cleared at any time"),
	IS("uapi", "create-only", ON_BOTH, uf_uapi, UAPI_CREATE_ONLY,
	   "it can be set only when the slot is made"),
	IS("uapi", "attr-rfc", ON_BOTH, uf_uapi, UAPI_ATTR_RFC,
	   "op user_bit is an ioctl: it sets or clears an attribute of the pages and zaps them"),
	IS("uapi", "exit-on-missing", ON_BOTH, uf_uapi, UAPI_EXIT_ON_MISSING,
	   "no bitmap: pages that the host does not have are asked for"),
	IS("uapi", "rescan-ioctl", ON_BOTH, uf_uapi, UAPI_RESCAN,
	   "any-toggle, and op rescan zaps the pages whose bit is 1"),
	IS("invalidate", "inv-none", ON_BOTH, uf_inval, UF_INV_NONE,
	   "nobody on 0->1 (negative control)"),
	IS("invalidate", "inv-arch", ON_BOTH, uf_inval, UF_INV_ARCH,
	   "the arch commit hook zaps the slot (v1, v2)"),
	IS("invalidate", "inv-common-flush", ON_BOTH, uf_inval, UF_INV_COMMON,
	   "generic commit zaps the slot (rewrite)"),
	IS("invalidate", "common-hook-v3", ON_BOTH, uf_inval, UF_INV_HOOK,
	   "generic commit, through kvm_arch_userfault_enabled() (v3)"),
	IS("invalidate", "inv-changed-hook", ON_BOTH, uf_inval, UF_INV_CHANGED_HOOK,
	   "generic commit, through a hook for both edges: zaps on 0->1, recovers on 1->0"),
	IS("invalidate", "perm-reap", ON_BOTH, uf_inval, UF_INV_PERM_REAP,
	   "an overlay withdraws the slot's permissions; tables and TLBs stay"),
	IS("invalidate", "perm-reap-tlbcached", ON_BOTH, uf_inval, UF_INV_PERM_REAP_TLB,
	   "the same where TLBs cache permissions, without a flush (negative control)"),
	IS("invalidate", "inv-selective", ON_BOTH, uf_inval, UF_INV_SELECTIVE,
	   "generic commit zaps the pages whose bit is 1"),
	IS("invalidate", "inv-before-swap", ON_BOTH, uf_inval, UF_INV_BEFORE_SWAP,
	   "the slot is zapped before the new flags are published (negative control)"),
	IS("bitmap-read", "read-copy", ON_BOTH, uf_read, UF_READ_COPY,
	   "copy_from_user of one word, which orders nothing (v1, v2)"),
	IS("bitmap-read", "read-plain", ON_BOTH, uf_read, UF_READ_PLAIN,
	   "__get_user of one word, which orders nothing (v3)"),
	IS("bitmap-read", "read-acquire", ON_BOTH, uf_read, UF_READ_ACQUIRE,
	   "a load-acquire: loads behind it stay behind it"),
	IS("read-error", "err-bare", ON_BOTH, uf_read_error, UF_ERR_BARE,
	   "an unreadable bitmap is EFAULT without more"),
	IS("read-error", "err-as-userfault", ON_BOTH, uf_read_error, UF_ERR_AS_USERFAULT,
	   "an unreadable bitmap is reported as a userfault (arm64 v1, v2)"),
	IS("size", "size-4k-at-faultin", ON_BOTH, uf_size, UF_SIZE_FAULTIN,
	   "4 KiB rule where the page is resolved"),
	IS("size", "size-4k-at-adjust", ON_BOTH, uf_size, UF_SIZE_ADJUST,
	   "4 KiB rule beside dirty logging's"),
	IS("size", "size-free", ON_BOTH, uf_size, UF_SIZE_FREE, "no size rule (negative control)"),
	IS("size", "size-block-if-all-clear", ON_BOTH, uf_size, UF_SIZE_IF_CLEAR,
	   "a block may be mapped when all its bits are 0"),
	IS("prefetch", "pf-plain", ON_X86, uf_prefetch, PF_PLAIN,
	   "the legacy MMU's prefetch ignores the bitmap"),
	IS("prefetch", "pf-test-bits", ON_X86, uf_prefetch, PF_TEST_BITS,
	   "it ends at a page whose bit is 1"),
	IS("prefetch", "pf-not-uf", ON_X86, uf_prefetch, PF_NOT_UF,
	   "it leaves slots with USERFAULT alone"),
	IS("recovery", "rec-zap", ON_X86, recovery, REC_ZAP,
	   "zap collapsible tables (up to 6.12)"),
	IS("recovery", "rec-inplace", ON_X86, recovery, REC_INPLACE,
	   "replace tables by leaves (6.13 on)"),
	IS("recovery", "rec-none", ON_BOTH, recovery, REC_NONE, "leave the tables"),
	IS("recovery", "rec-unmap-all", ON_ARM, recovery, REC_UNMAP_ALL,
	   "unmap the slot (arm64-uf-v1, there for USERFAULT only)"),
	IS("recovery", "rec-collapse", ON_ARM, recovery, REC_COLLAPSE,
	   "replace tables by blocks, with break-before-make (hypothetical)"),
	IS("order", "ms-upstream", ON_BOTH, ms_order, MS_UPSTREAM,
	   "INVALID copy, flush, prepare, install"),
	IS("order", "ms-prepare-first", ON_BOTH, ms_order, MS_PREPARE_FIRST,
	   "prepare, INVALID copy, flush, install (proposed 8 Nov 2022)"),
	IS("order", "ms-flush-after-prepare", ON_BOTH, ms_order, MS_FLUSH_AFTER_PREPARE,
	   "INVALID copy, prepare, flush, install (proposed 9 Nov 2022)"),
	IS("order", "ms-skip-prepare-on-delete", ON_BOTH, ms_order, MS_SKIP_PREPARE_ON_DELETE,
	   "as upstream, but nobody is asked about a DELETE"),
	IS("order", "ms-move-disabled", ON_BOTH, ms_order, MS_MOVE_DISABLED,
	   "as upstream, but a MOVE is EINVAL"),
	IS("order", "ms-move-reject-if-tracked", ON_X86, ms_order, MS_MOVE_REJECT_IF_TRACKED,
	   "as upstream, but prepare refuses a MOVE while a write tracker is registered (6.6 on)"),
	IS("page-track", "pt-flush-slot", ON_X86, page_track, PT_FLUSH_SLOT,
	   "an external tracker gives up its protections at each flush of the slot (up to 6.5)"),
	IS("page-track", "pt-remove-region", ON_X86, page_track, PT_REMOVE_REGION,
	   "it is told when a DELETE is committed (6.6 on)"),
	IS("page-track", "pt-change+movefail", ON_X86, page_track, PT_CHANGE_MOVEFAIL,
	   "it is told of each committed or failed DELETE and MOVE"),
	IS("gmem", "gmem-none", ON_X86, gmem, GMEM_NONE, "a VM without private memory"),
	IS("gmem", "gmem-immutable", ON_X86, gmem, GMEM_IMMUTABLE,
	   "slots backed by guest_memfd can only be made and deleted (6.8 on)"),
	IS("gmem", "bind-create-only", ON_X86, gmem, GMEM_CREATE_ONLY,
	   "their flags may change; only CREATE binds (userfault v3)"),
	IS("gmem", "bind-new-unbind-old", ON_X86, gmem, GMEM_NEW_UNBIND_OLD,
	   "a change of flags binds the new slot object and unbinds the old one"),
	IS("prefault", "pre-none", ON_X86, prefault, PREFAULT_NONE,
	   "no KVM_PRE_FAULT_MEMORY (up to 6.10)"),
	IS("prefault", "retry-in-srcu", ON_X86, prefault, PREFAULT_RETRY_LOCKED,
	   "it tries again while the slot is INVALID (6.11 to 6.17)"),
	IS("prefault", "eagain", ON_X86, prefault, PREFAULT_EAGAIN,
	   "it gives up when the slot is INVALID (6.18 on)"),
	IS("prefault", "eagain-reload", ON_X86, prefault, PREFAULT_RELOAD,
	   "the same, and it looks at its root at each try, not once a page (ours)"),
	BY("flush-rule", "fl-before-6.13", ON_X86, fl_before_613,
	   "fl-W in the legacy MMU, none for a TDP fault, MMU-writable for tracking"),
	BY("flush-rule", "fl-W", ON_X86, fl_w, "flush if MMU-writable, then not W"),
	BY("flush-rule", "fl-MMUW", ON_X86, fl_mmuw,
	   "flush if MMU-writable, then not MMU-writable (6.13 on)"),
	BY("flush-rule", "fl-Wcleared", ON_X86, fl_w_cleared,
	   "flush if W, then not W (negative control)"),
	BY("flush-rule", "fl-none", ON_X86, fl_none,
	   "overwriting an SPTE never flushes (negative control)"),
	IS("external", "ext-none", ON_X86, external, EXT_NONE, "no table mirrors KVM's"),
	IS("external", "ext-each-change", ON_X86, external, EXT_EACH_CHANGE,
	   "the backend of an external table hears of every leaf that a TDP fault stores"),
	IS("external", "ext-when-absent", ON_X86, external, EXT_WHEN_ABSENT,
	   "of leaves where none was; the others may differ by A and D only"),
	IS("log-flush", "dl-upstream", ON_BOTH, log_flush, DL_UPSTREAM,
	   "flush when logging is enabled, and after a harvest that reaped something"),
	IS("log-flush", "dl-if-modified", ON_BOTH, log_flush, DL_IF_MODIFIED,
	   "flush only if an entry was changed (until 6.0; negative control)"),
	IS("delete-veto", "veto-none", ON_BOTH, delete_veto, false,
	   "prepare of a DELETE cannot fail (x86, arm64)"),
	IS("delete-veto", "veto-arch", ON_BOTH, delete_veto, true,
	   "the architecture may refuse a DELETE (s390 protected VMs): fail=archveto"),
	IS("move-log", "bm-reuse", ON_BOTH, move_log, BM_REUSE,
	   "a slot that moves keeps its dirty bitmap (upstream)"),
	IS("move-log", "bm-shift", ON_BOTH, move_log, BM_SHIFT,
	   "its bits are shifted by as much as the slot"),
	IS("move-log", "bm-clear", ON_BOTH, move_log, BM_CLEAR, "it begins with a clear bitmap"),
	IS("move-log", "reject-move-log", ON_BOTH, move_log, BM_REJECT,
	   "a slot that is logged does not move"),
	IS("dirty-mode", "by-scenario", ON_BOTH, dirty_mode, DIRTY_BY_SCENARIO,
	   "as manual= and ring= of the scenario say"),
	IS("dirty-mode", "classic", ON_BOTH, dirty_mode, DIRTY_CLASSIC,
	   "a bitmap, which KVM_GET_DIRTY_LOG re-arms"),
	IS("dirty-mode", "manual", ON_BOTH, dirty_mode, DIRTY_MANUAL,
	   "a bitmap, which KVM_CLEAR_DIRTY_LOG re-arms"),
	IS("dirty-mode", "manual-initset", ON_BOTH, dirty_mode, DIRTY_MANUAL_INITSET,
	   "the same, with all bits set at first"),
	IS("dirty-mode", "ring", ON_BOTH, dirty_mode, DIRTY_RING,
	   "a ring of 4096 entries a vCPU"),
	IS("slot-flush", "zap-all", ON_X86, slot_flush, SLOT_FLUSH_ALL,
	   "a slot change zaps everything (up to 6.11)"),
	IS("slot-flush", "zap-all-quirk", ON_X86, slot_flush, SLOT_FLUSH_QUIRK,
	   "everything while KVM_X86_QUIRK_SLOT_ZAP_ALL is on (6.12 on)"),
	IS("slot-flush", "zap-slot-leafs", ON_X86, slot_flush, SLOT_FLUSH_SLOT,
	   "a slot change zaps the slot's leaves"),
	BY("fault-lock", "exclusive", ON_ARM, lock_exclusive,
	   "faults take mmu_lock for writing (up to 5.17)"),
	BY("fault-lock", "perm-shared", ON_ARM, lock_perm_shared,
	   "permission faults of a logged slot take it for reading (5.18 to 6.1)"),
	BY("fault-lock", "shared", ON_ARM, lock_shared,
	   "all faults take it for reading (6.2 on)"),
	IS("cache", "fwb", ON_ARM, s2_fwb, true, "stage-2 forced write-back"),
	IS("cache", "nofwb", ON_ARM, s2_fwb, false, "cache maintenance by line"),
	IS("spte", "spte-6.1", ON_X86, spte_version, X86_SPTE_61, "entries as 6.1 spells them"),
	IS("spte", "spte-6.12", ON_X86, spte_version, X86_SPTE_612, "as 6.12"),
	IS("spte", "spte-7.2", ON_X86, spte_version, X86_SPTE_72, "as 7.2"),
	IS("huge-fault", "zap-empty", ON_X86, fault_huge, HUGE_ZAP_EMPTY,
	   "a fault that wants a page in a block flushes it and links an empty table (6.1)"),
	IS("huge-fault", "split", ON_X86, fault_huge, HUGE_SPLIT,
	   "it links a full table, without a flush (6.2 on)"),
	IS("zap-order", "freeze-drop-flush", ON_X86, zap_order, ZAP_FREEZE_DROP_FLUSH,
	   "a table that is replaced: freeze, process what is below, flush, clear (6.1)"),
	IS("zap-order", "flush-clear-drop", ON_X86, zap_order, ZAP_FLUSH_CLEAR_DROP,
	   "freeze, flush, clear, process what is below (6.12)"),
	IS("zap-passes", "blocks-first", ON_X86, zap_passes, 1U << 2,
	   "a root is zapped by entries of 1 GiB, then as a whole (6.1)"),
	IS("zap-passes", "each-level", ON_X86, zap_passes, 1U << 0 | 1U << 1 | 1U << 2,
	   "from the leaves up, level by level (6.12)"),
	IS("merge-flush", "parent", ON_X86, merge_flush_parent, true,
	   "a table that a leaf replaces: the range one level up is flushed (6.1)"),
	IS("merge-flush", "block", ON_X86, merge_flush_parent, false, "the leaf's range (6.12)"),
	IS("retry-hull", "hva", ON_X86, retry_by_hva, true,
	   "faults compare host addresses with what is being invalidated (6.1)"),
	IS("retry-hull", "gfn", ON_X86, retry_by_hva, false, "guest frames (6.8 on)"),
	IS("root-lock", "exclusive", ON_X86, root_lock_write, true,
	   "vCPUs take and give back roots with mmu_lock for writing (6.1)"),
	IS("root-lock", "shared", ON_X86, root_lock_write, false,
	   "for reading, but in the legacy MMU (6.10 on)"),
	IS("nx-table", "any", ON_X86, nx_any_table, true,
	   "with the NX mitigation a leaf replaces no table (6.1)"),
	IS("nx-table", "tagged", ON_X86, nx_any_table, false, "no table that it made (6.2 on)"),
	IS("log-split", "short", ON_X86, log_split_last, false,
	   "CLEAR's eager split stops before its last page (6.1)"),
	IS("log-split", "whole", ON_X86, log_split_last, true, "it does not (6.12)"),
	IS("spurious", "overwritten", ON_X86, spurious_no_overwrite, false,
	   "a fault that comes late writes the leaf again (up to 6.12)"),
	IS("spurious", "kept", ON_X86, spurious_no_overwrite, true, "it leaves it (7.x)"),
	IS("pml-order", "newest-first", ON_X86, pml_drain_upward, false,
	   "the PML buffer is read from its index up (up to 6.12)"),
	IS("pml-order", "as-written", ON_X86, pml_drain_upward, true,
	   "in the order in which the CPU wrote it (7.x)"),
	BY("log-commit", "new-flags", ON_ARM, commit_new_flags,
	   "commit looks at the new flags and write-protects (6.1)"),
	BY("log-commit", "with-split", ON_ARM, commit_with_split,
	   "it splits, too, and frees the cache for that (6.5 on)"),
	IS("break-marker", "empty", ON_ARM, s2_locked_marker, false,
	   "a broken entry is 0, freed tables go at once (6.1)"),
	IS("break-marker", "locked", ON_ARM, s2_locked_marker, true,
	   "it is marked, freed tables wait for RCU (6.2 on)"),
	IS("range-tlbi", "vmid", ON_ARM, s2_range_ops, false,
	   "what is more than a page is invalidated with the whole VMID (6.1)"),
	IS("range-tlbi", "range", ON_ARM, s2_range_ops, true, "by range (6.6 on)"),
	IS("relax-tlbi", "all", ON_ARM, s2_relax_local, false,
	   "rights that are granted are invalidated on all PEs (6.1)"),
	IS("relax-tlbi", "local", ON_ARM, s2_relax_local, true, "on the PE that faulted (6.12)"),
	IS("eager-split", "none", ON_ARM, s2_eager_split, false, "blocks stay until a write (6.1)"),
	IS("eager-split", "chunks", ON_ARM, s2_eager_split, true,
	   "KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE (6.5 on)"),
	IS("change-pte", "maps", ON_ARM, s2_change_pte, true,
	   "a copy on write maps the new page between start and end (up to 6.9)"),
	IS("change-pte", "none", ON_ARM, s2_change_pte, false, "it does not (6.10 on)"),
	IS("dirty-mark", "under-lock", ON_ARM, s2_mark_after_unlock, false,
	   "a fault marks its page dirty before it drops mmu_lock (6.1)"),
	IS("dirty-mark", "after-unlock", ON_ARM, s2_mark_after_unlock, true, "after it (6.12)"),
	IS("age", "first-leaf", ON_ARM, s2_age_one, true,
	   "ageing looks at the first leaf of its range (6.1)"),
	IS("age", "range", ON_ARM, s2_age_one, false, "at all (6.12)"),
	IS("ring", "none", ON_BOTH, ring_supported, false, "no dirty ring (arm64 6.1)"),
	IS("ring", "supported", ON_BOTH, ring_supported, true, "dirty rings (arm64: 6.3 on)"),
	BY("host-protect", "by-unit", ON_BOTH, host_by_unit,
	   "mprotect notifies unit by unit and leaves clean entries read-only (6.1)"),
	BY("host-protect", "by-table", ON_BOTH, host_by_table,
	   "from the first table of units on, and makes all entries writable (6.12)"),
	{ NULL, NULL, 0, 0, 0, NULL, NULL },
};
/* clang-format on */
