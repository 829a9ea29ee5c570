/* SPDX-License-Identifier: Apache-2.0 */
/* Roots: which table a vCPU walks; see roots.c. */
#ifndef MODEL_VCPU_H
#define MODEL_VCPU_H

#include "model/engine.h"

/* Label of the boundary between two accesses inside the guest. */
extern const char guest_access_label[];

/* root_find() - root slot that is in use, valid and of address space @as; 0 none, else index + 1. */
uint32_t root_find(const struct vm *vm, unsigned int as);

/* root_new() - allocates a table and a root slot; index + 1, 0 when full. */
uint32_t root_new(struct vm *vm, unsigned int as, struct work *wk);

/* root_put() - drops a vCPU's hold; an invalid root without holders is unlinked. */
void root_put(struct ctx *c, uint32_t root);

/* roots_release() - invalid, fully zapped roots without holders give their table back. */
void roots_release(struct ctx *c);

#endif
