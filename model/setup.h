/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a scenario's first line and a policy to a VM, for every driver.
 */
#ifndef MODEL_SETUP_H
#define MODEL_SETUP_H

#include <glib.h>

#include "model/engine.h"
#include "model/lang.h"

/* Module parameters of the recorded kernel; scenario keys override them. */
struct kvm_params {
	int eager;       /* kvm.eager_page_split: -1 not known (the kernel's default Y), 0, 1 */
	enum lang_nx nx; /* kvm.nx_huge_pages */
};

#define SETUP_ERROR setup_error_quark()
GQuark setup_error_quark(void);

enum setup_error {
	SETUP_ERROR_SCENARIO, /* policy, geometry, injection or a key's value is not known */
};

/**
 * setup_cfg() - the configuration that a scenario asks for, in the grain of the script driver.
 * @policy: policy line, see policy_parse(); @p may be NULL.
 */
bool setup_cfg(const struct lang_scenario *s, const char *policy, const struct kvm_params *p,
	       struct vm_cfg *cfg, GError **error);

/* How much room a VM has whose steps are taken in any order; 0: the default. */
struct setup_scope {
	uint32_t tables; /* table pages; default 24 */
	uint32_t slots;  /* memslots at once; default 4 */
	uint32_t words;  /* 64-bit words for bitmaps; default 32 */
	uint32_t tlb;    /* entries of each vCPU's TLB; default 24 */
	uint32_t pml;    /* entries of each vCPU's PML buffer; default 4 */
};

/**
 * setup_free_order() - the configuration for a VM whose steps are taken in any order: the finest grain,
 * and no more room than the scenario's lines (struct lang_line *) need.
 */
void setup_free_order(struct vm_cfg *cfg, const GPtrArray *lines, const struct setup_scope *scope);

/* The modelled KVM refuses the scenario's capabilities: a record says `skip`. */
bool setup_is_refused(const struct lang_scenario *s, const struct vm_cfg *cfg);

/* setup_contents() - what exists before the first line: arm64's table, and the code page's memory. */
void setup_contents(struct vm *vm, struct work *wk);

#endif
