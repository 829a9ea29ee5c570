/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's inside, shared by observe.c (events) and observe_state.c (tables, counters). */
#ifndef MODEL_OBSERVE_PRIV_H
#define MODEL_OBSERVE_PRIV_H

#include "model/observe.h"

struct gfn_event {
	char prefix[48];
	char suffix[160];
	uint64_t gfn, n;
	bool folds, down;
};

struct recorder {
	const struct vm *vm;
	bool full_trace;
	GString *trace, *exits, *dirty;
	GString *prefix, *suffix; /* trace line under way */
	uint64_t gfn, n;
	uint8_t mmio_kind; /* MMIO exits under way */
	uint32_t mmio_vcpu;
	uint64_t mmio_gpa, mmio_n;
	struct kvm_stats vm_stats, *vcpu_stats;
	uint64_t pages[3]; /* last counts by size */
	int64_t nx_splits; /* last count */
	uint64_t printed[3];
	GString *last_state, *state; /* text of sum and tab: printed last, now */
};

void recorder_flush_mmio(struct recorder *r);
void recorder_flush_trace(struct recorder *r);

#endif
