/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a move did, in words: the model's notes, and the difference of the states before and after it in
 * what no event tells of. Locks, requests, TLBs, memslots, invalidations, entries, host memory.
 */
#ifndef HARNESS_STORY_DIFF_H
#define HARNESS_STORY_DIFF_H

#include "harness/finding.h"

struct story_diff {
	GPtrArray *notes; /* of char *, appended to */
	GArray *about; /* of struct gfn_range, appended to: gfns that leaves, host, log, accesses ... name */
	bool matters; /* set when others can see it: more than the actor's own progress */
	int to;       /* actor that the move sends a request, an interrupt or an answer; or -1 */
};

/* story_diff() - of one move; all but @d's .to is the caller's to begin with. */
void story_diff(const struct finding_move *m, struct story_diff *d);

#endif
