/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finding of the explorer, move by move: its path is made once more for those who tell about it.
 */
#ifndef HARNESS_FINDING_H
#define HARNESS_FINDING_H

#include "harness/explore.h"

/* One move of the path; all borrowed for the call. */
struct finding_move {
	unsigned int number; /* from 1 */
	struct move mv;
	const struct vm *before, *after;
	const struct ctx *c;          /* as moves_make() left it: label, notes, ret, ... */
	const struct lang_line *line; /* the mover's; NULL: no actor moved, see enum move_kind */
	bool begins, ends;            /* the line begins, or ends, with this move */
	const struct witness *wit;    /* of a last move that breaks an invariant; else NULL */
};

struct finding_visitor {
	/* the VM that will move, before the first move; may be NULL */
	void (*start)(void *arg, struct vm *vm);
	/* the model's events, see struct ctx; may be NULL */
	void (*event)(void *arg, const struct event *e);
	void (*move)(void *arg, const struct finding_move *m);
};

/**
 * finding_walk() - makes the moves of a finding's path
 * @cfg: with which the explorer came to it
 * @f: the finding
 * @v: is told of each move, with @arg
 *
 * That the path does not lead to the finding is a bug.
 */
void finding_walk(const struct explore_cfg *cfg, const struct explore_finding *f,
		  const struct finding_visitor *v, void *arg);

enum { FINDING_NAME_MAX = 16 };

/*
 * finding_who() - "v0", "vmm0", "mm0"; "ipi0" for the interrupt to a vCPU, "rcu" for a grace period,
 * "store-vmm0" for a store that becomes visible.
 */
void finding_who(const struct vm *vm, struct move mv, char out[FINDING_NAME_MAX]);

#endif
