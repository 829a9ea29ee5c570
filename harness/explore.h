/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explorer: every order of the steps of a small scenario.
 *
 * From the state at the scenario's first `par` on, each enabled move is made (model/moves.h), each state
 * is visited once, and the invariants (model/inv.h) are asked about every move.  Breadth first, so that
 * the path to a violation is a shortest one; or depth first, which needs less memory for what waits.
 *
 * Work goes in rounds: threads expand a slice of the states that wait, each a part of its own, and what
 * they found is added in the order of the slice.  Numbers of states, counts and counterexamples are
 * therefore the same for any number of threads.
 *
 * Progress: when all states were visited, the graph is searched for cycles that a fair scheduler may
 * follow for ever (weak fairness: an actor that could always move, does).
 */
#ifndef HARNESS_EXPLORE_H
#define HARNESS_EXPLORE_H

#include <glib.h>

#include "model/inv.h"
#include "model/lint.h"
#include "model/moves.h"
#include "model/setup.h"

#define EXPLORE_ERROR explore_error_quark()
GQuark explore_error_quark(void);

enum explore_error {
	EXPLORE_ERROR_SCENARIO, /* what cannot be explored */
	EXPLORE_ERROR_SCOPE,    /* the VM needs more room than its scope has */
};

enum {
	EXPLORE_JOBS_MAX = 64,
};

struct explore_cfg {
	const struct lang_scenario *scenario;
	const GPtrArray *lines; /* struct lang_line *, borrowed */
	const char *policy;
	struct setup_scope scope;
	uint64_t max_states; /* 0: no bound */
	uint32_t max_depth;  /* 0: no bound */
	unsigned int jobs;   /* threads, at least 1 */
	bool depth_first;
	bool keep_going;     /* go on behind violations: the first of each invariant is kept */
	bool no_progress;    /* do not look for cycles, which saves 8 bytes a transition */
	bool lints;          /* count work that was not needed */
	bool reduce;         /* quiet steps are not interleaved; implies .no_progress */
	const GArray *after; /* struct move: made before all else; NULL: none */
	const uint64_t *invariants; /* bit per enum inv; NULL: all that apply */
	/* called by any thread at each state in which the program has ended; may be NULL */
	void (*end)(void *arg, const struct vm *vm);
	void *end_arg;
	/* called now and then; may be NULL */
	void (*tick)(void *arg, uint64_t states, uint64_t waiting);
	void *tick_arg;
};

/* One move that broke an invariant, or the end of a path that should go on. */
struct explore_finding {
	enum inv inv;
	char *why;
	GArray *path;    /* struct move from the first `par` to the violation */
	uint64_t states; /* visited before it was found */
};

/* How often a cost lint was met. */
struct explore_lint {
	uint64_t moves;
	uint32_t depth; /* moves up to the first one found */
};

struct explore_result {
	uint64_t states, transitions;
	uint32_t depth;      /* moves to the farthest state */
	bool complete;       /* every state was visited */
	const char *bound;   /* what ended it, when it is not */
	GPtrArray *findings; /* struct explore_finding *, by their order of appearance */
	enum inv setup_inv;  /* broken before the first `par`, where one order is tried; INV_NONE */
	char *setup_why;
	struct explore_lint lints[NR_LINTS];
	double seconds;
	uint64_t bytes; /* at the peak: states seen, states waiting, edges */
};

/* explore() - NULL with @error when the scenario cannot be explored or its scope is too small. */
struct explore_result *explore(const struct explore_cfg *cfg, GError **error);
void explore_result_free(struct explore_result *r);

/* What is needed to make the moves of a path again, from the start. */
struct explore_start {
	struct vm *vm;
	struct moves *moves;
	uint64_t mask;      /* invariants asked about, a bit each */
	enum inv setup_inv; /* the first that a line before the first `par` broke; INV_NONE */
	char *setup_why;
};

/* explore_start() - the VM at the first `par`, or after cfg->after; explore_start_fini() frees it. */
bool explore_start(const struct explore_cfg *cfg, struct explore_start *out, GError **error);
void explore_start_fini(struct explore_start *s);

/* explore_look() - which invariant of @mask a move that was made breaks; keeps the history up to date. */
enum inv explore_look(const struct moves *m, struct transition *t, uint64_t mask,
		      struct witness *out);

/* explore_why() - a finding's sentence, with the page that it is about; @gfn may be NULL; caller owns. */
char *explore_why(const char *why, const gfn_t *gfn);

/* Why INV-PROG is violated where nobody can move. */
extern const char explore_deadlock[];

#endif
