/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost lints: counts of work that was not needed, asked of each move as the invariants are (inv.h).  A lint is
 * no violation: the exploration goes on behind it.
 */
#ifndef MODEL_LINT_H
#define MODEL_LINT_H

#include "model/inv.h"

enum lint {
#define X(id, name, check, text) LINT_##id,
#include "model/lint.def"
#undef X
	NR_LINTS,
};

/* lint_check() - those that the move is an example of, a bit per enum lint; before inv_ghost_end(). */
uint64_t lint_check(const struct transition *t);

const char *lint_name(enum lint i);
const char *lint_text(enum lint i);

#endif
