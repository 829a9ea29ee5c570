/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scenario whose order is free says of itself: its room and questions (`scope`), and which invariants
 * hold or are violated (`expect`).
 */
#ifndef HARNESS_EXPECT_H
#define HARNESS_EXPECT_H

#include "harness/explore.h"
#include "traces/record.h"

#define EXPECT_ERROR expect_error_quark()
GQuark expect_error_quark(void);

enum expect_error {
	EXPECT_ERROR_LINE, /* an invariant that there is not, or an `expect` of another kind */
};

/* A bit per enum inv. */
struct expects {
	uint64_t holds, violated;
	bool any; /* the scenario expects something */
};

/* expect_lines() - a scenario's inputs, struct lang_line *, borrowed; caller owns the array. */
GPtrArray *expect_lines(const struct record_scenario *scen);

/**
 * expect_scope() - fills what the caller left open with what the scenario's `scope` line says
 * @scope: fields that are 0 are open
 * @invariants: open if it is 0
 * Return: false with @error for an unknown invariant.
 */
bool expect_scope(const struct record_scenario *scen, struct setup_scope *scope,
		  uint64_t *invariants, GError **error);

/* expect_invariants() - names joined by ',' as a mask; NULL with the name that is unknown in @bad. */
bool expect_invariants(const char *names, uint64_t *mask, char **bad);

/* expect_read() - all `expect` lines of a scenario; false with @error for one that has no place here. */
bool expect_read(const struct record_scenario *scen, struct expects *out, GError **error);

/* What was found. */
struct expect_found {
	const enum inv *invs; /* in the order in which they were found */
	unsigned int n;
	bool complete; /* nothing was left out */
	bool all;      /* the search went on behind the first */
};

/**
 * expect_check() - whether all expectations are met, and nothing else is violated
 * Return: NULL if so; else what was expected and what was found, caller owns.
 */
char *expect_check(const struct expects *e, const struct expect_found *found);

#endif
