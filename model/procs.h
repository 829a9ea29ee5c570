/* SPDX-License-Identifier: Apache-2.0 */
/* Declarations of all procedures, and the locals with which others call them. */
#ifndef MODEL_PROCS_H
#define MODEL_PROCS_H

#include "mmu/walk2d.h"
#include "model/engine.h"

#define X(n) enum flow n(struct ctx *c, void *loc_, uint16_t *pc_);
#include "model/procs.def"
#undef X

/* Outcomes of a fault; all >= 0, never a -errno [KVM v6.12 mmu_internal.h: RET_PF_*]. */
enum ret_pf {
	RET_PF_CONTINUE,        /* not decided yet */
	RET_PF_RETRY,           /* re-enter the guest and let it fault again */
	RET_PF_EMULATE,         /* MMIO, or a write to a read-only slot */
	RET_PF_INVALID,         /* the fast path declines */
	RET_PF_FIXED,           /* an SPTE was changed */
	RET_PF_SPURIOUS,        /* the SPTE already allowed the access */
	RET_PF_USER,            /* an exit to user space is prepared */
	RET_PF_USER_PRIVATE,    /* the same, for a private page */
	RET_PF_MEMORY_FAULT,    /* an exit for a private page that KVM cannot map */
	RET_PF_WRITE_PROTECTED, /* a write to a tracked page: emulated in the kernel */
};

/* Why a step of the guest ended. */
enum guest_stop {
	STOP_END,      /* the accesses are done, or the time is over */
	STOP_FAULT,    /* an access needs KVM */
	STOP_PML_FULL, /* the buffer must be drained first */
	STOP_MORE,     /* the step's accesses are done, the vCPU is still in the guest */
	STOP_KICK,     /* an interrupt has arrived */
};

struct l_run {
	uint64_t i;      /* accesses done */
	uint32_t fault;  /* pending fault: error bits */
	uint8_t fetched; /* the code page was fetched in this entry */
	uint8_t what;    /* enum guest_stop */
	uint8_t acc;
	uint8_t height; /* height at which the walk stopped */
	gfn_t gfn;
	int32_t ret;
	uint32_t spare;
};

/* One access by the hardware; its walk has boundaries. */
struct l_hw {
	struct hw_cursor cur;
	struct hw_result res; /* .table is set when the walk has ended */
};

/* Error bits of a fault, as the x86 page fault tracepoint prints them. */
enum fault_bits {
	PFERR_PRESENT = 1,
	PFERR_WRITE = 2,
	PFERR_USER = 4,
	PFERR_RSVD = 8,
	PFERR_FETCH = 16,
	PFERR_PRIVATE = 64,   /* the gfn was private when the fault began; no bit of hardware's */
	PFERR_PREFETCH = 128, /* nobody accesses the page yet; no bit of hardware's */
	PFERR_OVERLAY = 32,   /* denied by the permission overlay; no bit of hardware's */
};

struct l_fault {
	gfn_t gfn;
	uint64_t seq;
	kvm_pfn_t pfn;
	pte_t old;
	uint32_t slot; /* element of vm->slots; 0 none */
	uint32_t table, index;
	uint8_t err;       /* PFERR_* */
	uint8_t goal, req; /* heights */
	uint8_t map_writable;
	uint8_t huge_disallowed;
	uint8_t max_height;
	int8_t result; /* enum ret_pf */
	uint8_t tries;
	uint32_t spare;
};

struct l_gup {
	hva_t hva;
	uint8_t write;
	uint8_t phase;
	uint8_t spare[2];
	int32_t err;
	hva_t start, end;
};

struct l_range {
	uint64_t start, end; /* hva of a notifier, gfn elsewhere */
	uint32_t slot;
	uint8_t as;
	uint8_t hit;
	uint8_t locked;
	uint8_t flag;
	uint32_t i, root;
	uint64_t n;
};

struct l_slot {
	uint32_t slot, slot2;
	uint8_t change, n, i, flag;
	uint8_t act[COMMIT_ACTIONS_MAX];
	int32_t err;
	uint32_t scratch;
	uint8_t as, level, pass, hit;
};

struct l_req {
	uint32_t req, i, sent;
	uint8_t wait;
	uint8_t outside; /* the vCPU was seen outside the guest before the request was made */
	uint8_t spare[2];
};

struct l_log {
	uint32_t slot, i;
	uint64_t word, mask, base;
	uint8_t any, manual, flag, spare;
	uint32_t n;
};

struct l_prefault {
	gfn_t gfn, end, first;
	int32_t err;
	uint8_t tried; /* this page, in vain */
	uint8_t spare[3];
};

struct l_kvm_access {
	gfn_t gfn;
	hva_t hva;
	uint32_t slot;
	uint8_t write;
	uint8_t marks; /* copied, and not in the log yet */
	uint8_t spare[2];
};

struct l_tlbi {
	struct s2_tlbi t;
	uint32_t pe; /* vCPU whose PE acts now */
	uint32_t spare;
};

#endif
