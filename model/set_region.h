/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of KVM_SET_USER_MEMORY_REGION that tests look at one by one; see set_region.c. */
#ifndef MODEL_SET_REGION_H
#define MODEL_SET_REGION_H

#include "model/vm.h"

/* Where an update can be made to fail (op.fail). */
enum fail_point {
	FP_NONE,
	FP_SLOT,     /* slot object: ENOMEM */
	FP_SCRATCH,  /* INVALID copy: ENOMEM */
	FP_BITMAP,   /* dirty bitmap: ENOMEM */
	FP_ARCHMETA, /* x86 lpage_info, rmaps: ENOMEM */
	FP_ARCHVETO, /* arch prepare says EINVAL */
	NR_FAIL_POINTS,
};

extern const char *const fail_point_names[NR_FAIL_POINTS];

/**
 * set_region_check() - all checks of the ioctl in the kernel's order, then the kind of change.
 * @change: enum mr_change, KVM_MR_NONE when nothing differs.
 * @old: slot with this id, 0 none.
 * Return: 0 or the -errno of the first failing check.
 */
int set_region_check(const struct vm *vm, const struct op *op, uint8_t *change, uint32_t *old);

/* kvm_prepare_memory_region(): bitmap and arch checks; -errno leaves nothing behind. */
int prepare_memory_region(struct vm *vm, const struct op *op, uint8_t change, uint32_t old,
			  uint32_t now);

/* Procedure of each commit action. */
extern const uint16_t commit_proc[];

/* is_user_range() - access_ok(): below the end of user space [x86: 2^47 - 4096, arm64: 2^48]. */
bool is_user_range(const struct vm *vm, hva_t start, uint64_t size);

#endif
