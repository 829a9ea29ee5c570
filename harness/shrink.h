/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A smaller scenario that shows the same: lines, vCPUs, repetitions and pages are taken away as long as what is
 * left still violates the same invariant first, and after no more moves.
 *
 * Greedy, in a fixed order, until nothing more can go; each candidate is explored anew, with at most
 * SHRINK_STATES_FACTOR times the states of the finding and no deeper than it.  The same scenario gives the same
 * result on every machine and for any number of threads.
 */
#ifndef HARNESS_SHRINK_H
#define HARNESS_SHRINK_H

#include "harness/explore.h"

enum {
	SHRINK_STATES_FACTOR = 4,
};

struct shrunk {
	struct lang_scenario scenario;
	GPtrArray *lines;       /* struct lang_line *, owned */
	struct explore_cfg cfg; /* of the smaller scenario: refers to the two above */
	struct explore_result *result;
	const struct explore_finding *finding; /* the first of .result */
	unsigned int lines_before, lines_after;
	unsigned int vcpus_before;
	unsigned int tried; /* candidates that were explored */
	uint64_t states;    /* of all of them */
	bool stopped;       /* more could have been tried, but not with this many states */
};

/**
 * shrink() - makes the scenario of a finding smaller
 * @cfg: with which it was found
 * @f: the first finding of that exploration
 * Return: caller owns; NULL when nothing could go.
 */
struct shrunk *shrink(const struct explore_cfg *cfg, const struct explore_finding *f);
void shrunk_free(struct shrunk *s);

#endif
