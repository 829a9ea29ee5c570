/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the dirty-log ioctls, in the kernel's order; 0 with *slot, or -errno. */
#ifndef MODEL_DIRTY_H
#define MODEL_DIRTY_H

#include "model/vm.h"

int get_dirty_check(const struct vm *vm, const struct op *op, uint32_t *slot);
int clear_dirty_check(const struct vm *vm, const struct op *op, uint32_t *slot);

#endif
