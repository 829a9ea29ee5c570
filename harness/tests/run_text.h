/* SPDX-License-Identifier: Apache-2.0 */
/* Timed runs for tests: a scenario text or file with a policy and a profile, to its results. */
#ifndef HARNESS_TESTS_RUN_TEXT_H
#define HARNESS_TESTS_RUN_TEXT_H

#include "harness/profile.h"
#include "harness/replay.h"
#include "harness/run_stats.h"

struct text_run {
	struct record *file;
	struct replay replay;
	struct cost_profile profile;
	GPtrArray *lines;
	struct timed_cfg cfg;
	struct run_config config;
	struct timed *timed;
	struct run_result *result;
};

/*
 * text_run_init() - reads a scenario; @text is a file's name when it ends in ".scn".
 * @scenario: NULL: the first.  @policy: NULL: the scenario's own.  Fails the test on an error.
 * The caller may change .cfg before text_run().
 */
void text_run_init(struct text_run *r, const char *text, const char *scenario, const char *policy,
		   const char *profile, struct define *defs);

/* text_run() - runs it; fails the test on an error. */
void text_run(struct text_run *r);

/* The same, an error is returned: caller owns; NULL: it ran. */
char *text_run_error(struct text_run *r);

void text_run_fini(struct text_run *r);

/* A number of a phase; of the whole run with phase NULL.  Fails the test when there is none. */
uint64_t text_run_stat(const struct text_run *r, const char *phase, const char *name);
uint64_t text_run_time(const struct text_run *r, const char *phase);

/* All numbers and lines as text; caller owns. */
char *text_run_dump(const struct text_run *r);

#endif
