/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: what was said of proposed and released code, and what the model makes of it.
 *
 * A ledger is YAML, a list of rows:
 *
 *	- claim: T0-01
 *	  who: James Houghton, patch 06/13 of v2
 *	  says: in one sentence
 *	  expect: "TRUE"            # what the row is expected to be: no part of the verdict; "open", or left out
 *	  differs: why              # the verdict is known to be another, and why that is right
 *	  skip: why                 # instead of runs: what cannot be decided
 *	  note: what is to be known beside the verdict
 *	  runs:
 *	  - scenario: uf-mapped     # of one of the ledger's .scn files
 *	    case: what it stands for where a claim has several; default: the claim itself
 *	    control: true           # no part of the claim: shows that the question can be answered otherwise
 *	    policy: arm64-james-v2  # or a list; default: the scenario's
 *	    inject: NAME
 *	    with: {FLAGS: [log, uf]} # for ${...} of the scenario; lists are tried in all combinations
 *	    holds: INV-UF           # and one of these says what the claim wants to be so
 *
 *	holds: A,B       explored: none of the invariants (or `all`) is violated in any state
 *	violated: A,B    explored: one of them is
 *	replay: met      the `expect` lines of the scenario are met; unmet: one is not
 *	same-as: P       explored: under policy P the program ends in the same states; differs-from: in others
 *	count: STAT, phase: NAME, less|at-most|equal|at-least|more: N or POLICY
 *	                 run in simulated time: a number of `s2sim run --csv` against a number, or against the
 *	                 same one under another policy; with `beside: SCENARIO` of that scenario
 *
 * A case is TRUE when all its runs are as the claim wants them, else FALSE.  A claim is what its cases are,
 * or DEPENDS when they differ.  It is SKIP when it has no runs, or when a control is not met, or when an
 * exploration did not come to its end.
 */
#ifndef HARNESS_CLAIMS_H
#define HARNESS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#define CLAIMS_ERROR claims_error_quark()
GQuark claims_error_quark(void);

enum claims_error {
	CLAIMS_ERROR_LEDGER, /* the ledger's text */
	CLAIMS_ERROR_RUN,    /* a run that cannot be made */
};

enum claim_check {
	CHECK_NONE,
	CHECK_HOLDS,
	CHECK_VIOLATED,
	CHECK_REPLAY,
	CHECK_SAME,
	CHECK_DIFFERS,
	CHECK_COUNT,
};

/* Of a count against another number. */
enum claim_relation {
	RELATION_LESS,
	RELATION_AT_MOST,
	RELATION_EQUAL,
	RELATION_AT_LEAST,
	RELATION_MORE,
	NR_RELATIONS,
};
extern const char *const claim_relations[NR_RELATIONS];

/* A value for ${NAME}: each of them is tried. */
struct claim_with {
	char *name;
	GStrv values;
};

struct claim_run {
	char *scenario, *label, *inject;
	GStrv policies;  /* NULL: the scenario's own */
	GPtrArray *with; /* of struct claim_with * */
	bool control;
	enum claim_check check;
	char *arg; /* invariants; met or unmet; policy; STAT */
	char *phase, *beside;
	enum claim_relation relation;
	char *than; /* number or policy */
	unsigned int line;
};

struct claim {
	char *id, *who, *says, *expect, *differs, *note, *skip;
	GPtrArray *runs; /* of struct claim_run * */
	unsigned int line;
};

/* A file of scenarios. */
struct claim_file {
	char *name, *text;
};

struct ledger {
	GPtrArray *claims;     /* of struct claim *, by id */
	GPtrArray *files;      /* of struct claim_file * */
	GHashTable *scenarios; /* name: struct claim_file *, borrowed */
};

/* ledger_builtin() - the project's own. */
struct ledger *ledger_builtin(GError **error);

/* ledger_read() - all .yaml and .scn files of a directory. */
struct ledger *ledger_read(const char *dir, GError **error);
void ledger_free(struct ledger *l);

/* ledger_find() - NULL when there is none of that id. */
const struct claim *ledger_find(const struct ledger *l, const char *id);

/* ---- deciding -------------------------------------------------------------------------------- */

enum verdict { VERDICT_TRUE, VERDICT_FALSE, VERDICT_DEPENDS, VERDICT_SKIP, NR_VERDICTS };
extern const char *const verdict_names[NR_VERDICTS];

/* A counterexample, as texts. */
struct claim_story {
	char *table, *svg, *trace; /* .trace may be NULL */
	unsigned int steps;
};

/* What one run of a row found: of one policy, and one combination of values. */
struct evidence {
	const struct claim_run *run;
	char *policy;
	char *with; /* "FLAGS=log OLD=uf"; empty: none */
	bool met;
	bool complete;   /* explored to the end, or another kind of run */
	bool violated;   /* explored: an invariant was */
	char *found;     /* in words */
	char *invariant; /* that was violated first; NULL */
	uint64_t states;
	uint64_t value, other;     /* of a count */
	struct claim_story *story; /* of a violation; NULL */
	char *path;                /* where it was written; NULL */
};

struct decision {
	const struct claim *claim;
	enum verdict verdict;
	char *why;           /* of SKIP */
	GPtrArray *evidence; /* of struct evidence * */
	uint64_t states;
	double seconds;
};

struct decide_cfg {
	const char *inject; /* added to runs that have none; NULL */
	unsigned int jobs;
	bool stories; /* make counterexamples as well: the first of each case */
};

/* decide() - NULL with @error when a run of the row cannot be made as it is written. */
struct decision *decide(const struct ledger *l, const struct claim *c, const struct decide_cfg *cfg,
			GError **error);
void decision_free(struct decision *d);

enum expectation { EXPECT_NOTHING, EXPECT_MET, EXPECT_KNOWN_OTHER, EXPECT_NOT_MET };

/* decision_expected() - the verdict beside what the ledger expects. */
enum expectation decision_expected(const struct decision *d);

/* ---- telling --------------------------------------------------------------------------------- */

/* claims_print_line() - a line of a table; claims_print_row() - the row in prose, perhaps with a counterexample. */
void claims_print_line(const struct decision *d, GString *out);
void claims_print_row(const struct decision *d, bool story, GString *out);
void claims_print_sum(const GPtrArray *decisions, GString *out);
/* claims_print_html() - a page; links go to files of the evidence's .path, beside it. */
void claims_print_html(const GPtrArray *decisions, GString *out);
/* claims_print_json() - s2sim.verify/1. */
void claims_print_json(const GPtrArray *decisions, GString *out);

#endif
