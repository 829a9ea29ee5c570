/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance: what a real kernel did, compared with what the model did for the same inputs.
 *
 * Both sides are scenarios read by traces/record. The unit is the step, one input line with its
 * observations. Steps are compared at four levels, each of which includes the ones before:
 *
 *   1 what user space sees: ret, exit, dirty
 *   2 + how many pages are mapped (sum, pages) and the counters (stat)
 *   3 + which pages: the table's leaves (gfn, n, size, to, perm) and its number of tables
 *   4 + everything: the leaves' other attributes, and the trace in order
 *
 * Invariants:
 *  C1 A step that agrees at a level agrees at all below it: counts never grow with the level.
 *  C2 `sum`, `pages` and `tab` are state: what a side does not print is what it printed last.
 *  C3 The counters that depend on the host's scheduling (vm remote_tlb_flush, vCPU tlb_flush) are
 *     compared only if asked for.  Of a scenario with timing=racy only level 1 is compared, and it
 *     counts for every level.
 *  C4 A scenario that a side refused (`skip`) or could not run to its end is never in agreement
 *     with one that the other side ran; two refusals agree, as one step.
 *
 * Ownership: the results own their strings.
 */
#ifndef HARNESS_CONFORM_H
#define HARNESS_CONFORM_H

#include <stdbool.h>

#include <glib.h>

#include "traces/record.h"

enum { CONFORM_LEVELS = 4 };

struct conform_how {
	unsigned level;    /* 1..CONFORM_LEVELS: differences above it are not reported */
	bool all_counters; /* C3 */
};

/* The first step of a scenario that does not agree, and the lowest level at which it does not. */
struct conform_diff {
	unsigned level;  /* 1..CONFORM_LEVELS */
	const char *cls; /* "ret", ..., "tables", or "input", "skip" */
	unsigned step;   /* 0-based */
	unsigned line;   /* in the record: of the observation, or of the input */
	char *input;     /* text of the input line */
	char *expected;  /* the recorded line; NULL: there is none */
	char *found;     /* the replayed line; NULL: there is none */
	GPtrArray
		*context; /* of char *: lines around, marked ' ', '-' (recorded), '+' (replayed) */
};

struct conform_scenario {
	char *name;
	unsigned steps;                 /* what the counts are out of */
	unsigned agree[CONFORM_LEVELS]; /* steps that agree at level i + 1 */
	bool racy;                      /* compared at level 1 only, C3 */
	bool refused;                   /* by both sides, C4: nothing was compared */
	struct conform_diff *first;     /* at the level asked for; NULL: none */
	char *trouble;                  /* why the replay stopped early; NULL: it did not */
	char *known;                    /* reason given for the differences; NULL: none given */
	bool unexplained;               /* it has differences beyond the known ones */
};

struct conform_log {
	char *file;
	char *policy;
	GPtrArray *scenarios; /* of struct conform_scenario * */
};

/* A row of the list of known differences. */
struct conform_known {
	char *file; /* the end of a log's path, from a '/' on */
	char *scenario;
	unsigned level; /* at which the steps stop to agree */
	unsigned steps; /* how many do, exactly: with fewer or more none is explained */
	char *reason;
	bool used;
};

/**
 * conform_scenario_compare() - compare a recorded scenario with a replayed one
 * @recorded: the truth
 * @replayed: of the same inputs
 * @how: what is compared and reported
 *
 * Return: caller owns.
 */
struct conform_scenario *conform_scenario_compare(const struct record_scenario *recorded,
						  const struct record_scenario *replayed,
						  const struct conform_how *how);

void conform_scenario_free(struct conform_scenario *s);

struct conform_log *conform_log_new(const char *file, const char *policy);
void conform_log_free(struct conform_log *log);

/**
 * conform_known_parse() - parse the list of known differences
 * @text: lines `FILE SCENARIO LEVEL STEPS REASON...`, blank lines and comments from '#' on
 * @name: of the list, for messages
 * @error: set on failure
 *
 * Return: of struct conform_known *, caller unrefs; NULL on failure.
 */
GPtrArray *conform_known_parse(const char *text, const char *name, GError **error);

/**
 * conform_known_apply() - mark which differences of a log are explained
 * @log: its scenarios' known and unexplained are set
 * @known: of struct conform_known *, or NULL for an empty list; rows that match are marked used
 * @level: differences above it do not count
 */
void conform_known_apply(struct conform_log *log, const GPtrArray *known, unsigned level);

/* Has a scenario of any of the logs (struct conform_log *) differences that are not explained. */
bool conform_has_unexplained(const GPtrArray *logs);

/**
 * conform_print() - the result as text
 * @logs: of struct conform_log *
 * @level: at which "agree" is counted
 * @out: appended to
 */
void conform_print(const GPtrArray *logs, unsigned level, GString *out);

/**
 * conform_print_json() - the result as a document s2sim.conform/1
 * @logs: of struct conform_log *
 * @level: at which "agree" is counted
 * @out: appended to, with a newline at its end
 */
void conform_print_json(const GPtrArray *logs, unsigned level, GString *out);

#endif
