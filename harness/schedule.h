/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: the moves of a path as lines of the scenario language, and such lines as moves again.
 *
 * A scenario with a schedule is a counterexample that replays: it says under which policy and with how much room
 * the moves are made, in which order, and what is violated in the end.
 *
 * Invariant: what schedule_print() writes, read again, makes schedule_run() make the same moves.
 */
#ifndef HARNESS_SCHEDULE_H
#define HARNESS_SCHEDULE_H

#include "harness/explore.h"

#define SCHEDULE_ERROR schedule_error_quark()
GQuark schedule_error_quark(void);

enum schedule_error {
	SCHEDULE_ERROR_GRAIN, /* steps of another size */
	SCHEDULE_ERROR_MOVE,  /* a move that cannot be made, or that ends elsewhere */
	SCHEDULE_ERROR_PRINT, /* what the language has no room for */
};

/* schedule_is_part() - whether the lines (struct lang_line *) end with a schedule. */
bool schedule_is_part(const GPtrArray *lines);

/**
 * schedule_print() - appends a scenario whose schedule leads to a finding.
 * @cfg: with which it was found
 *
 * Return: false with @error when the policy's name is too long for the language.
 */
bool schedule_print(const struct explore_cfg *cfg, const struct explore_finding *f, GString *out,
		    GError **error);

/* What came of a schedule. */
struct schedule_result {
	struct explore_finding
		finding; /* .inv: INV_NONE when nothing is violated; .path: what was made */
	uint64_t moves;  /* of the whole schedule: some are left when one violates */
	bool progress;   /* after the last, all orders were tried for steps that repeat for ever */
};

/**
 * schedule_run() - makes the moves of a schedule, and asks cfg->invariants after each
 * @cfg: cfg->lines end with the schedule
 * @progress: when nothing is violated, look for endless retries in all that can come after
 *
 * Return: false with @error when the scenario cannot be run or its schedule does not fit.
 */
bool schedule_run(const struct explore_cfg *cfg, bool progress, struct schedule_result *out,
		  GError **error);
void schedule_result_fini(struct schedule_result *r);

/* schedule_mover() - who makes a move, as one `sched` line of a scenario says it; schedule_grain() - how. */
struct lang_sched schedule_mover(const struct vm *vm, struct move mv);
struct lang_grain schedule_grain(const struct vm *vm);

#endif
