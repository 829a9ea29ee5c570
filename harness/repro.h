/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counterexample as a program for a real KVM: one C file of plain ioctls, a thread for each actor.
 *
 * What user space controls is done in the order of the counterexample: a line that had ended before
 * another began does so, one that had begun has begun. Lines that overlapped start after random delays,
 * round after round in new VMs; in every other round guest lines go on as long as what overlapped them.
 * What user space can see of a broken invariant is looked for after each round:
 * written pages that the dirty log does not name, mappings that show what the host has not there.
 *
 * SIMPLIFIED: a counterexample of a small granule happens in pages and blocks of the machine's size;
 * heights above the block stand where the addresses put them.
 */
#ifndef HARNESS_REPRO_H
#define HARNESS_REPRO_H

#include "harness/explore.h"

#define REPRO_ERROR repro_error_quark()
GQuark repro_error_quark(void);

enum repro_error {
	REPRO_ERROR_LINE, /* a line needs what KVM has not, or what user space cannot do */
};

/* repro_check() - can there be a program; @error as repro_print() sets it, or explore_start(). */
bool repro_check(const struct explore_cfg *cfg, GError **error);

/**
 * repro_print() - the program
 * @cfg: with which the explorer came to the finding
 * @f: the finding
 * @appendix: text that stands as a comment at the end, such as the story's table; NULL: none
 * @out: appended to; nothing after an error
 * @error: set when a line cannot be part of such a program; names the line and why
 */
bool repro_print(const struct explore_cfg *cfg, const struct explore_finding *f,
		 const char *appendix, GString *out, GError **error);

#endif
