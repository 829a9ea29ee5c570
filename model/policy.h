/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: everything in which kernels, machines and patches differ, as data.
 *
 * A policy line is `BASE[+axis=variant]...`, for example `x86-6.12+machine=ept+userfault=x86-uf-v3`;
 * a preset is a name for such a line.  policy_parse() turns a line into struct rules once, at
 * set-up.  Procedures ask the rules, never for a version or a name.
 *
 * What is a decision is a table: the commit hooks are lists of rows (policy_commit.c) that map
 * change, old and new flags to actions, as kvm_arch_commit_memory_region() does in code.
 */
#ifndef MODEL_POLICY_H
#define MODEL_POLICY_H

#include <glib.h>

#include "mmu/s2_pte.h"
#include "mmu/x86_pte.h"

/* What commit may do; each is a procedure (commit.c). */
enum commit_action {
	ACT_NONE,
	ACT_CNT,      /* x86: count of logging slots, PML on or off */
	ACT_REC,      /* x86: recover huge pages */
	ACT_SPLIT,    /* x86: eager split to 4 KiB */
	ACT_CLR,      /* x86: clear D in leaves */
	ACT_WP2,      /* x86: write-protect leaves of 2 MiB and more */
	ACT_WP4,      /* x86: write-protect all leaves */
	ACT_FLUSH,    /* x86: remote flush of the slot, after mmu_lock */
	ACT_ZAP,      /* kvm_arch_flush_shadow_memslot(old) */
	ACT_WP_S2,    /* arm64: write-protect the slot, then flush it */
	ACT_SPLIT_S2, /* arm64: eager split */
	ACT_CACHE,    /* arm64: free the split cache */
	ACT_ZAP_SET,  /* userfault: zap the pages whose bit is 1 */
	ACT_REAP,     /* userfault: the overlay withdraws the slot's permissions */
	NR_COMMIT_ACTIONS,
};

enum {
	COMMIT_ACTIONS_MAX = 12,
};

/* The commit hook in use; each enumerator is a table in policy_commit.c, those behind them are model/patches.def's. */
enum commit_hook {
	COMMIT_X86,            /* without userfault */
	COMMIT_X86_UF_V2,      /* v1 and v2 */
	COMMIT_X86_UF_SEAN,    /* rewrite: zap in common code */
	COMMIT_X86_UF_V3,      /* the same through a hook */
	COMMIT_X86_UF_GUARDED, /* v3, and huge pages come back only when neither flag forbids them */
	COMMIT_ARM_61,
	COMMIT_ARM_CUR, /* 6.5 to 7.0 */
	COMMIT_ARM_UF_V1,
	COMMIT_ARM_JAMES_V2,
	COMMIT_ARM_SEAN,
	COMMIT_ARM_JAMES_FLAGS_ONLY,
	COMMIT_ARM_NO_EARLY_RETURN,
	NR_COMMIT_HOOKS,
};

/*
 * Who invalidates on USERFAULT 0 -> 1, and what.  The arch hook does it for FLAGS_ONLY, where its table
 * says; generic commit for MOVE and FLAGS_ONLY, after the arch hook.
 */
enum uf_invalidate {
	UF_INV_NONE,   /* nobody */
	UF_INV_ARCH,   /* arch hook (v1, v2) */
	UF_INV_COMMON, /* generic commit zaps (rewrite) */
	UF_INV_HOOK,   /* generic commit through kvm_arch_userfault_enabled(), which zaps (v3) */
	UF_INV_CHANGED_HOOK, /* kvm_arch_userfault_changed(enabled): both edges, after the arch hook */
	UF_INV_PERM_REAP,    /* withdraws permission in an overlay; tables and TLBs stay */
	UF_INV_PERM_REAP_TLB, /* the same where TLBs cache the permission */
	UF_INV_SELECTIVE,     /* generic commit zaps the pages whose bit is 1 */
	UF_INV_BEFORE_SWAP,   /* zaps before the new flags are published */
};

/* By what user space says which pages it wants to be asked for. */
enum uf_uapi {
	UAPI_ANY_TOGGLE,      /* a slot flag with a bitmap, at any time */
	UAPI_CREATE_ONLY,     /* the flag can be set when the slot is made, later only cleared */
	UAPI_ATTR_RFC,        /* an ioctl sets and clears the bits, and zaps */
	UAPI_EXIT_ON_MISSING, /* no bitmap: pages that the host does not have */
	UAPI_RESCAN,          /* as any-toggle, and an ioctl that has the bitmap read again */
};

/* How a fault loads the word of the userfault bitmap. */
enum uf_read {
	UF_READ_PLAIN,   /* __get_user of one word (v3) */
	UF_READ_COPY,    /* copy_from_user of one word (v1, v2): plain loads, too */
	UF_READ_ACQUIRE, /* a load-acquire, as a user space that stores with release would have it */
};

enum uf_read_error {
	UF_ERR_BARE,         /* plain -EFAULT */
	UF_ERR_AS_USERFAULT, /* labelled as a userfault exit (arm64 v1, v2) */
};

enum uf_size_rule {
	UF_SIZE_FAULTIN,  /* v2: max level 4 KiB when the page is resolved */
	UF_SIZE_ADJUST,   /* v3: next to the dirty-logging test */
	UF_SIZE_FREE,     /* negative control */
	UF_SIZE_IF_CLEAR, /* blocks all of whose bits are 0 */
};

/*
 * Who hears of leaves that faults store: the backend of an external table that mirrors the TDP MMU's,
 * as TDX has it, which can only add entries
 * [KVM v6.14 arch/x86/kvm/mmu/tdp_mmu.c: set_external_spte_present].
 */
enum external_table {
	EXT_NONE,        /* nobody */
	EXT_EACH_CHANGE, /* it hears of every change */
	EXT_WHEN_ABSENT, /* of entries that were not present; others may change by A and D only */
};

/* What the legacy MMU's prefetch does in a slot with USERFAULT. */
enum uf_prefetch {
	PF_PLAIN,     /* ignores the bitmap (v1 to v3) */
	PF_TEST_BITS, /* ends at a page whose bit is 1 */
	PF_NOT_UF,    /* nothing */
};

enum recovery {
	REC_ZAP,     /* up to 6.12: zap collapsible tables */
	REC_INPLACE, /* 6.13 and later */
	REC_NONE,
	REC_UNMAP_ALL, /* arm64: the slot is unmapped */
	REC_COLLAPSE,  /* arm64: tables become blocks again, with break-before-make */
};

/* What kvm_arch_flush_shadow_memslot() zaps on x86. */
enum slot_flush {
	SLOT_FLUSH_ALL,   /* 6.1: everything, through the page-track notifier */
	SLOT_FLUSH_QUIRK, /* 6.12: everything while KVM_X86_QUIRK_SLOT_ZAP_ALL is on, else the slot */
	SLOT_FLUSH_SLOT, /* only the slot's leaves */
};

/*
 * Which change of a present leaf needs a remote flush before mmu_lock is dropped.  Legal states of a
 * leaf: a MMU-writable and W, b MMU-writable without W, c neither
 * [KVM arch/x86/kvm/mmu/spte.h: is_writable_pte() and what it says; mmu.c: mmu_spte_update].
 */
enum flush_rule {
	FL_NONE,      /* none */
	FL_W,         /* old MMU-writable, new not W: a->b a->c b->b b->c (up to 6.12) */
	FL_MMUW,      /* old MMU-writable, new not MMU-writable: a->c b->c (6.13 on) */
	FL_W_CLEARED, /* old W, new not W: a->b a->c (misreading of FL_W) */
};

/* After which write-protection or clearing of D bits for dirty logging remote TLBs are flushed. */
enum log_flush {
	DL_UPSTREAM,    /* enabling: always; harvest: if something was reaped (b64d740ea7dd, 6.0) */
	DL_IF_MODIFIED, /* both only if an entry was changed */
};

/* What becomes of the dirty bitmap of a slot that moves; its bits are relative to the slot. */
enum move_log {
	BM_REUSE,  /* it stays as it is (upstream) */
	BM_SHIFT,  /* bits are shifted by as much as the slot */
	BM_CLEAR,  /* begins anew */
	BM_REJECT, /* a logged slot does not move */
};

/* How dirty pages are reported, where the policy and not the scenario says so. */
enum dirty_mode {
	DIRTY_BY_SCENARIO,
	DIRTY_CLASSIC,
	DIRTY_MANUAL,
	DIRTY_MANUAL_INITSET,
	DIRTY_RING,
};

/* When kvm_set_memslot() prepares, invalidates and installs. */
enum ms_order {
	MS_UPSTREAM,               /* DELETE, MOVE: INVALID copy, flush, prepare, install */
	MS_PREPARE_FIRST,          /* prepare, INVALID copy, flush, install */
	MS_FLUSH_AFTER_PREPARE,    /* INVALID copy, prepare, flush, install */
	MS_SKIP_PREPARE_ON_DELETE, /* DELETE does not ask the architecture */
	MS_MOVE_DISABLED,          /* MOVE is EINVAL */
	MS_MOVE_REJECT_IF_TRACKED, /* prepare refuses a MOVE while a tracker is registered (6.6) */
};

/* When an external user of write tracking hears of slot changes. */
enum page_track {
	PT_FLUSH_SLOT, /* up to 6.5: at each flush of a slot; it gives up its protections there */
	PT_REMOVE_REGION,   /* 6.6 and later: when a DELETE is committed */
	PT_CHANGE_MOVEFAIL, /* proposed: when a DELETE or MOVE is committed or has failed */
};

/* Slots backed by guest_memfd: when KVM binds the file's pages to the slot object. */
enum gmem_bind {
	GMEM_NONE,           /* the VM has no private memory */
	GMEM_IMMUTABLE,      /* 6.8 on: such slots can only be made and deleted */
	GMEM_CREATE_ONLY,    /* v3 of userfault: flags may change, which binds nothing */
	GMEM_NEW_UNBIND_OLD, /* a change of flags binds the new object, and unbinds the old one */
};

/* What KVM_PRE_FAULT_MEMORY does about a slot that is INVALID. */
enum prefault {
	PREFAULT_NONE,         /* there is no such ioctl (up to 6.10) */
	PREFAULT_RETRY_LOCKED, /* 6.11 to 6.17: tries again, inside the SRCU section */
	PREFAULT_EAGAIN,       /* 6.18 on: gives up */
	PREFAULT_RELOAD,       /* the same, and it takes a new root at each try (ours) */
};

/* How a fault treats a huge leaf where it wants a small one. */
enum fault_huge {
	HUGE_ZAP_EMPTY, /* 6.1: freeze, flush, clear, link an empty table */
	HUGE_SPLIT,     /* 6.2 and later: replace by a full table, no flush */
};

enum zap_order {
	ZAP_FLUSH_CLEAR_DROP,  /* 6.12: flush, clear, process the subtree */
	ZAP_FREEZE_DROP_FLUSH, /* 6.1: freeze, process the subtree, flush, clear */
};

struct rules {
	/* architecture and machine */
	uint8_t arch;         /* enum pt_arch */
	uint8_t spte_version; /* enum x86_spte_version */
	uint8_t nested;       /* enum x86_nested */
	bool tdp_mmu;
	bool pml;
	uint8_t nr_as;       /* memslot address spaces */
	uint32_t user_slots; /* KVM_USER_MEM_SLOTS */
	uint32_t allowed_flags;
	uint8_t gpa_bits; /* guest-physical bits that KVM accepts: host MAXPHYADDR, IPA size */
	char geom[32];

	/* x86 MMU */
	uint8_t fault_huge; /* enum fault_huge */
	uint8_t zap_order;  /* enum zap_order */
	uint8_t zap_passes; /* bit per height of the passes over a zapped root, root excepted */
	uint8_t recovery;   /* enum recovery */
	uint8_t slot_flush; /* enum slot_flush */
	/* enum flush_rule of a fault's install in the TDP MMU, of the legacy MMU, of write tracking */
	uint8_t flush_install, flush_update, flush_track;
	bool flush_ad_lost;         /* legacy MMU: losing A or D needs a flush too (up to 6.12) */
	bool merge_flush_parent;    /* table -> leaf flushes the range one level up (6.1) */
	bool dirty_shortcut;        /* a writable old value leaves D clear (6.1, 6.12) */
	bool spurious_no_overwrite; /* late fault does not rewrite the leaf (7.x) */
	bool nx_any_table;    /* under NX a huge leaf replaces no table (6.1), or no tagged one */
	bool log_split_last;  /* CLEAR's eager split includes its last page (6.1: stops short) */
	bool retry_by_hva;    /* invalidation hull in hva (6.1) */
	bool root_lock_write; /* vCPUs take and give back TDP roots with mmu_lock for write (6.1) */
	bool mmio_fault_traced;  /* NPT: the fault tracepoint fires before the MMIO check */
	bool mmio_fault_is_read; /* EPT: a misconfiguration exit has lost the write flag */
	uint8_t first_requests;  /* enum vcpu_request: what a new vCPU has pending */
	bool pml_drain_upward;   /* 7.x: in the order the CPU wrote them */

	/* arm64 */
	bool s2_locked_marker, s2_range_ops, s2_relax_local, s2_eager_split;
	bool s2_fwb, s2_dic, s2_tlb_range;
	bool s2_change_pte;      /* CoW calls change_pte between start and end (6.1) */
	bool s2_fault_read_lock; /* 6.2 and later: faults take mmu_lock for reading */
	bool s2_perm_read_lock;  /* 5.18 and later: so do write faults on pages of a logged slot */
	bool s2_mark_after_unlock;
	bool s2_age_one; /* 6.1 ages only the first leaf of the range */
	bool ring_supported;

	/* memslots */
	uint8_t ms_order;   /* enum ms_order */
	uint8_t log_flush;  /* enum log_flush */
	uint8_t external;   /* enum external_table */
	uint8_t page_track; /* enum page_track */
	uint8_t move_log;   /* enum move_log */
	uint8_t gmem;       /* enum gmem_bind */
	uint8_t prefault;   /* enum prefault */
	uint8_t dirty_mode; /* enum dirty_mode */
	bool delete_veto;   /* the architecture may refuse a DELETE (fail=archveto) */

	/* host mm */
	bool host_protect_all;    /* 6.2+: mprotect makes huge and clean entries writable too */
	bool host_protect_tables; /* 6.12: mprotect notifies from the first table of units on */

	/* commit hooks and userfault */
	uint8_t commit;           /* enum commit_hook */
	uint8_t commit_base;      /* the base's own, without userfault */
	uint8_t uf_inval;         /* enum uf_invalidate */
	uint8_t uf_uapi;          /* enum uf_uapi */
	uint8_t uf_prefetch;      /* enum uf_prefetch */
	uint8_t uf_read;          /* enum uf_read */
	uint8_t uf_read_error;    /* enum uf_read_error */
	uint8_t uf_size;          /* enum uf_size_rule */
	bool uf_null_is_off;      /* a NULL bitmap means no userfault (v1, v2: WARN) */
	bool uf_validate_pointer; /* EINVAL for a bad bitmap pointer (v2, v3) */

	/* what probes of the recorded kernel can see; print only */
	bool trace_memslot_flush;      /* `call flush_remote_tlbs_memslot` at commit */
	bool trace_memslot_flush_log;  /* ... at GET and CLEAR */
	bool trace_flush_with_address; /* spelled flush_remote_tlbs_with_address */
	bool trace_tlbi;               /* TLBI lines exist */
	bool trace_hugetlb_twice;      /* host mm: hugetlb DONTNEED notifies twice (6.1) */
	int32_t trace_no_level;        /* how "no level hint" prints */

	bool unrecorded; /* no recording of this base exists */
	uint8_t base;    /* its number, from 1 on */

	/* injection, 0 none */
	uint8_t inject; /* enum injection */
};

/* Rules that can be taken out, see inject.def. */
enum injection {
	INJ_NONE,
#define X(id, name, where, invariant, variant, text) INJ_##id,
#include "model/inject.def"
#undef X
	NR_INJECTIONS,
};

#define POLICY_ERROR policy_error_quark()
GQuark policy_error_quark(void);

enum policy_error {
	POLICY_ERROR_NAME,
};

/**
 * policy_parse() - a policy line to rules.
 * @line: `BASE[+axis=variant]...` or a preset's name, optionally with more axes behind it.
 * Return: false with @error naming the word, what was expected and what was found.
 */
bool policy_parse(const char *line, struct rules *out, GError **error);

/* policy_set_injection() - @name "none" or one of the injections. */
bool policy_set_injection(struct rules *r, const char *name, GError **error);

/* policy_list() - bases, presets, where they stand on the axes, and the axes' variants, as text. */
void policy_list(GString *out);

/* policy_list_axes(), policy_list_injections() - a part of what there is, as text. */
void policy_list_axes(GString *out);
void policy_list_injections(GString *out);

/* What an axis is about. */
enum axis_kind {
	AXIS_POLICY, /* what people propose and compare */
	AXIS_KERNEL, /* in what else released kernels differ; a base stands for a choice of all */
};

/* The axes are numbered from 0 on. */
unsigned int policy_nr_axes(void);
const char *policy_axis(unsigned int axis);
enum axis_kind policy_axis_kind(unsigned int axis);

/* policy_variant() - where the rules stand on an axis; NULL: their architecture does not have it. */
const char *policy_variant(const struct rules *r, unsigned int axis);

/* policy_base() - name of the base that the rules began with. */
const char *policy_base(const struct rules *r);

/**
 * policy_diff() - the axes in which two policies differ.
 * @a, @b: policy lines.
 * @out: a line for each such axis with both variants, none when there is no such axis.
 * Return: how many, -1 with @error when one of the lines is wrong.
 */
int policy_diff(const char *a, const char *b, GString *out, GError **error);

/* One decision of the commit hook. */
struct commit_in {
	uint8_t change;       /* enum mr_change */
	uint32_t old_flags;   /* 0 for CREATE */
	uint32_t new_flags;   /* 0 for DELETE */
	bool init_set, eager; /* initially-all-set; eager page split (or chunk) on */
};

/**
 * policy_commit_actions() - what commit does, in order, the generic hook included.
 * @out: room for COMMIT_ACTIONS_MAX actions.
 * Return: how many.
 */
unsigned int policy_commit_actions(const struct rules *r, const struct commit_in *in, uint8_t *out);

const char *policy_action_name(enum commit_action a);

/* policy_recovery() - what brings back huge pages under these rules; ACT_NONE: nothing. */
enum commit_action policy_recovery(const struct rules *r);

#endif
