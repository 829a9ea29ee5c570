/* SPDX-License-Identifier: Apache-2.0 */
/* What the arm64 files share. */
#ifndef MODEL_ARM_H
#define MODEL_ARM_H

#include "model/memslots.h"
#include "model/procs.h"

static inline struct s2_cfg vm_s2_cfg(const struct vm *vm)
{
	const struct rules *r = &vm->cfg->rules;

	return (struct s2_cfg){
		.fwb = r->s2_fwb,
		.dic = r->s2_dic,
		.locked_marker = r->s2_locked_marker,
		.range_ops = r->s2_range_ops,
		.cache_line = 64,
		.no_break = r->inject == INJ_NO_BREAK,
	};
}

/* The one stage-2 root; arm64 has it from VM creation on. */
static inline uint32_t vm_s2_root(const struct vm *vm)
{
	return vm->st->roots[0].table;
}

/* Boundaries after which the actor's next step may act on a PE's TLB. */
extern const char tlbi_issue_label[], tlbi_effect_label[];

#endif
