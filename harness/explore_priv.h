/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the explorer only. */
#ifndef HARNESS_EXPLORE_PRIV_H
#define HARNESS_EXPLORE_PRIV_H

#include "harness/explore.h"
#include "harness/states.h"

/* How a state was reached first. */
struct origin {
	uint32_t from; /* STATE_NONE: it is where the exploration begins */
	struct move mv;
	uint8_t spare;
};

/* A move of the graph, for the search for cycles. */
struct edge {
	uint32_t to;
	uint8_t kind, who;
	uint8_t spare[2];
};

/* Edges of one state: first to first + n - 1 of all. */
struct edges_of {
	uint64_t first;
	uint32_t n;
	uint32_t spare;
};

/* The graph of all states. */
struct graph {
	GArray *edges; /* struct edge */
	GArray *of;    /* struct edges_of, an element a state */
};

/* One thread's means. */
struct worker {
	struct explore_run *run;
	struct vm *parent, *child;
	struct ctx ctx;
	struct note notes[NOTES_MAX];
	uint8_t *code;
	struct state_lines differs; /* lines of .parent that are not the start's */
	struct state_lines changed; /* lines of .child that are not .parent's */
	struct state_lines all;
	GByteArray *out;           /* struct found and short form, one after the other */
	const struct batch *batch; /* what the round expands */
	uint32_t first, n;         /* its part of it */
	GError *error;
};

/* What a move led to. */
struct found {
	struct vm_hash hash;
	uint32_t from;  /* number */
	uint32_t known; /* number of the state it leads to, if it had been seen before the round */
	uint32_t bytes; /* of the short form that follows */
	struct move mv;
	uint8_t inv; /* enum inv it breaks */
	uint32_t depth;
	gfn_t gfn;
	const char *why;
	uint8_t lints; /* bit per enum lint */
	uint8_t last;  /* no move at all: the end of the program, or a deadlock */
	uint8_t spare[6];
};

struct explore_run {
	const struct explore_cfg *cfg;
	struct explore_start start;
	struct state_set *set;
	GArray *origins; /* struct origin, an element a state */
	struct graph graph;
	GQueue waiting; /* of struct batch *: states that wait, first come first */
	uint64_t nr_waiting, waiting_bytes;
	struct worker *workers;
	uint64_t found_mask;
	struct explore_result *result;
};

struct wait_at {
	struct vm_hash hash;
	uint32_t at, bytes; /* of the short form */
	uint32_t number;
	uint32_t depth;
};

/* States that wait, up to a round of them: short forms one after the other. */
struct batch {
	GByteArray *codes;
	GArray *where; /* struct wait_at */
};

/* explore_ctx() - for steps of @vm; @notes: room for NOTES_MAX. */
struct ctx explore_ctx(struct vm *vm, struct note *notes);

/* explore_has_room() - false with @error when a move that was made needed more than the scope has. */
bool explore_has_room(const struct ctx *c, GError **error);

/* explore_path() - the moves to a state. */
GArray *explore_path(const struct explore_run *r, uint32_t state);

/**
 * progress_search() - a cycle that a weakly fair scheduler may follow for ever, or that leads nowhere else.
 * Return: a state on it, STATE_NONE when there is none; @why a constant sentence.
 */
uint32_t progress_search(const struct explore_run *r, const char **why);

#endif
