/* SPDX-License-Identifier: Apache-2.0 */
/* Explorations of texts, for tests. */
#ifndef HARNESS_TESTS_TOLD_H
#define HARNESS_TESTS_TOLD_H

#include "harness/explore.h"
#include "traces/record.h"

/* A text and what was found in it. */
struct told {
	struct record *file;
	const struct record_scenario *scen; /* its first */
	struct lang_scenario scenario;
	GPtrArray *lines;
	struct explore_cfg cfg;
	struct explore_result *result;
	const struct explore_finding *f; /* the first */
};

/* told_init() - @policy: NULL for the scenario's own. A text that is wrong fails the test. */
void told_init(struct told *t, const char *text, const char *policy);

/* told_explore() - until something is found; fails the test when nothing is. */
void told_explore(struct told *t);
void told_fini(struct told *t);

#endif
