/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exploration with all that belongs to it: the scenario's expectations, a smaller counterexample, files.
 */
#ifndef HARNESS_EXPLORE_ONE_H
#define HARNESS_EXPLORE_ONE_H

#include "harness/cmd.h"
#include "harness/expect.h"
#include "harness/explore_print.h"
#include "harness/explore_story.h"

struct explore_one {
	struct explore_cfg cfg;
	struct lang_scenario scenario; /* cfg.scenario; may be changed before the run */
	GPtrArray *lines;              /* cfg.lines; owned */
	uint64_t mask;                 /* cfg.invariants, unless it is 0 */
	struct expects expects;
	struct explore_files *files; /* borrowed */
	bool shrink;
};

/**
 * explore_one_init() - what a scenario says of its exploration
 * @cfg: what the user says, which goes before; .scenario and .lines are filled from @scen
 * Return: false with @error for a line that has no place.
 */
bool explore_one_init(struct explore_one *one, const struct explore_cfg *cfg,
		      const struct record_scenario *scen, GError **error);
void explore_one_fini(struct explore_one *one);

/**
 * explore_one_run() - explores, and appends to the report
 * @unmet: set to a message, caller owns, when an expectation is not met
 * Return: CMD_OK, CMD_FINDING, or CMD_USAGE with @error.
 */
enum cmd_exit explore_one_run(struct explore_one *one, struct explore_report *out, char **unmet,
			      GError **error);

#endif
