/* SPDX-License-Identifier: Apache-2.0 */
/* Roots: which table a vCPU walks; see roots.c. */
#ifndef MODEL_VCPU_H
#define MODEL_VCPU_H

#include "model/engine.h"

/* Label of the boundary between two accesses inside the guest. */
extern const char guest_access_label[];

/* An interrupt made the vCPU's CPU leave the guest: it was sent, and it has arrived. */
static inline bool vcpu_was_kicked(const struct ctx *c)
{
	return c->vm->vcpus[c->me_nr].stopped;
}

static inline void vcpu_set_outside(struct ctx *c)
{
	c->vm->vcpus[c->me_nr].mode = OUTSIDE_GUEST_MODE;
	c->vm->vcpus[c->me_nr].stopped = 0;
}

/* The hardware walks the tables for an access of the vCPU. */
static inline bool vcpu_walks(const struct vm *vm, uint32_t v)
{
	const struct actor *a = &vm->actors[v];

	return a->depth && a->fr[a->depth - 1].proc == P_hw_access;
}

/* Outcome of P_hw_access in the actor's ret. */
struct hw_outcome {
	uint8_t stop;   /* enum guest_stop */
	uint8_t fault;  /* enum hw_fault with STOP_FAULT */
	uint8_t height; /* at which the walk ended */
};

static inline struct hw_outcome hw_outcome_of(int32_t ret)
{
	return (struct hw_outcome){ (uint8_t)(ret & 0xff), (uint8_t)(ret >> 8 & 0xff),
				    (uint8_t)(ret >> 16 & 0xff) };
}

/* vcpu_log_dirty() - the hardware has set D: an entry of the acting vCPU's PML buffer. */
void vcpu_log_dirty(struct ctx *c, gfn_t gfn);
bool vcpu_pml_is_full(const struct ctx *c);

/* root_find() - root slot that is in use, valid and of address space @as; 0 none, else index + 1. */
uint32_t root_find(const struct vm *vm, unsigned int as);

/* root_new() - allocates a table and a root slot; index + 1, 0 when full. */
uint32_t root_new(struct vm *vm, unsigned int as, struct work *wk);

/* root_put() - drops a vCPU's hold; an invalid root without holders is unlinked. */
void root_put(struct ctx *c, uint32_t root);

/* roots_release() - invalid, fully zapped roots without holders give their table back. */
void roots_release(struct ctx *c);

#endif
