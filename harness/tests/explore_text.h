/* SPDX-License-Identifier: Apache-2.0 */
/* Explorations of scenarios written down in tests. */
#ifndef HARNESS_TESTS_EXPLORE_TEXT_H
#define HARNESS_TESTS_EXPLORE_TEXT_H

#include "harness/explore.h"
#include "traces/record.h"

/* A scenario that was read, and how it is to be explored: change .cfg and .scenario as needed. */
struct text_explore {
	struct record *file;
	const struct record_scenario *scen;
	struct lang_scenario scenario;
	GPtrArray *lines;
	struct explore_cfg cfg;
	struct explore_result *result;   /* of text_explore_find() */
	const struct explore_finding *f; /* the first */
};

/* text_explore_init() - the first scenario of @text; fails the test when it cannot be read. */
void text_explore_init(struct text_explore *t, const char *text);

/* text_explore_under() - the same under a policy. */
void text_explore_under(struct text_explore *t, const char *text, const char *policy);
void text_explore_fini(struct text_explore *t);

/* text_explore_run() - the result, caller owns; fails the test on an error. */
struct explore_result *text_explore_run(const struct text_explore *t);

/* text_explore_find() - explores; fails the test when nothing is found. */
void text_explore_find(struct text_explore *t);

#endif
