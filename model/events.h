/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steps report while they run, in the order of KVM's tracepoints and of the probes that the
 * recorder sets.  A record's trace lines, explanations and exports are made of these.
 */
#ifndef MODEL_EVENTS_H
#define MODEL_EVENTS_H

#include "mmu/s2_pt.h"

enum event_kind {
	/* x86 [KVM arch/x86/kvm/mmu/mmutrace.h, trace.h] */
	EV_PAGE_FAULT,      /* vcpu gfn a=error code bits */
	EV_FAST_PAGE_FAULT, /* vcpu gfn old new height a=fixed (1), spurious (2) */
	EV_SPTE_REQUESTED,  /* gfn height */
	EV_SPTE_CHANGED,    /* gfn height old new */
	EV_SET_SPTE,        /* gfn height new */
	EV_GET_PAGE,        /* gfn height (of the page's entries) */
	EV_PREPARE_ZAP,     /* gfn height */
	EV_LOAD_PGD,
	EV_MARK_MMIO,   /* gfn */
	EV_HANDLE_MMIO, /* gfn */
	EV_SPLIT_HUGE,  /* gfn height a=errno */
	EV_ZAP_ALL_FAST,
	EV_PML_DIRTY, /* gfn a=1 up */
	EV_PML_FULL,
	/* arm64 */
	EV_GUEST_FAULT,  /* gfn a=ACC_*, b=permission fault, level */
	EV_S2_MAP,       /* gfn n a=prot */
	EV_S2_UNMAP,     /* gfn n */
	EV_S2_WRPROTECT, /* gfn n */
	EV_S2_RELAX,     /* gfn n */
	EV_S2_SPLIT,     /* gfn n */
	EV_TLBI,         /* gfn n level a=enum s2_tlbi_kind */
	/* both */
	EV_UNMAP_HVA, /* gfn = hva, n = bytes */
	EV_CALL,      /* name; gfn, n, a as the name says */
	EV_EXIT,      /* vcpu a=enum exit_kind gfn=gpa, b=access or errno */
	EV_DIRTY,     /* a=slot argument, n=pages, words = bitmap */
};

/* Probes on KVM functions, `trace call NAME`. */
enum call_name {
	CALL_FLUSH_REMOTE_TLBS,
	CALL_FLUSH_REMOTE_TLBS_RANGE, /* gfn n */
	CALL_FLUSH_REMOTE_TLBS_MEMSLOT,
	CALL_FLUSH_SHADOW_MEMSLOT,
	CALL_SLOT_TRY_SPLIT,    /* a=level */
	CALL_SLOT_REMOVE_WRITE, /* a=start_level */
	CALL_SLOT_CLEAR_DIRTY,
	CALL_ZAP_COLLAPSIBLE,
	CALL_RECOVER_HUGE,
	CALL_UPDATE_CPU_DIRTY_LOGGING,
	CALL_ENABLE_LOG_MASKED,   /* n=off mask */
	CALL_TRACK_WRITE,         /* gfn = gpa: a tracked write was emulated */
	CALL_TRACK_FLUSH_SLOT,    /* gfn n: the tracker is told that the slot is flushed */
	CALL_TRACK_REMOVE_REGION, /* gfn n: ... that the slot is gone */
	CALL_TRACK_SLOT_CHANGE,   /* gfn n: ... that a change was committed or a MOVE failed */
	CALL_OVERLAY_FAULT,       /* gfn n: the permission overlay denied an access */
	NR_CALLS,
};

enum exit_kind {
	EXIT_DONE,
	EXIT_MMIO_WRITE,
	EXIT_MMIO_READ,
	EXIT_ERR,       /* b = errno, positive */
	EXIT_USERFAULT, /* gfn = gpa */
	EXIT_RING_FULL,
	EXIT_INTERNAL_ERROR,
	EXIT_MEMORY_FAULT,      /* gfn = gpa: a private page that cannot be mapped */
	EXIT_USERFAULT_PRIVATE, /* gfn = gpa */
	NR_EXITS,
};

struct event {
	uint8_t kind; /* enum event_kind */
	uint8_t height;
	uint8_t a, b;
	int32_t level;
	uint32_t vcpu;
	uint32_t name; /* enum call_name */
	uint64_t gfn, n;
	uint64_t mask;
	pte_t old, new_value;
	const uint64_t *words; /* EV_DIRTY: borrowed for the call */
};

#endif
