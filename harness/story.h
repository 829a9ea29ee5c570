/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counterexample as a story: who did what in which order, and what was broken in the end. Whoever
 * searches builds one; it is printed as text for a mail and as a sequence diagram.
 *
 * Invariants:
 *  S1 Every actor index that a step names is below the number of actors.
 *  S2 Steps are in the order in which they were taken; steps of one operation follow its first,
 *     which alone has an @op, up to the next @op of the same actor.
 *  S3 Texts are single lines of UTF-8; control characters in them become spaces when they are added.
 *  S4 A step's number in print is that of its last move; all moves of a story are numbered from 1.
 *  S5 Printing changes nothing and gives the same bytes for the same story.
 *
 * Ownership: a story owns all its texts and steps; what is passed in is copied, what is handed out is
 * borrowed until story_free().
 */
#ifndef HARNESS_STORY_H
#define HARNESS_STORY_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* story_step::to of a step that talks to nobody. */
enum { STORY_NOBODY = -1 };

/* One step: what an actor did between two boundaries. */
struct story_step {
	unsigned actor;   /* index in story::actors */
	char *op;         /* the scenario line that begins here; NULL in the middle of one; owned */
	char *label;      /* the boundary reached, "tdp_map:install"; owned */
	GPtrArray *notes; /* of char *: what happened on the way, may be empty; owned */
	unsigned
		moves; /* of the search that it stands for, at least 1: steps without effect are folded */
	int to;        /* actor that is sent a request, an answer or a TLBI, or STORY_NOBODY */
	bool clash; /* the witness names this step */
	bool ends;  /* the operation ends here; a last one without is still under way */
};

/* What does not hold after the last step. */
struct story_verdict {
	char *invariant; /* "INV-DIRTY"; owned */
	char *reason;    /* one sentence; owned */
	bool has_gfn;
	uint64_t gfn;    /* the witness; 0 unless @has_gfn */
	uint64_t states; /* searched until this was found; 0: not known */
};

struct story {
	char *scenario; /* name; the four texts are never NULL, and owned */
	char *policy;
	char *geometry;    /* "ept-2x2: 4 KiB pages, 16 KiB blocks"; empty: not printed */
	char *inject;      /* name of the removed rule; empty: none */
	GPtrArray *actors; /* of char *: "v0", "vmm0", "mm0", "rule" */
	GPtrArray *steps;  /* of struct story_step * */
	struct story_verdict verdict;
};

/* What story_new() is told; all borrowed for the call. */
struct story_about {
	const char *scenario; /* name, not NULL */
	const char *policy;   /* the policy line, not NULL */
	const char *geometry; /* name and sizes; NULL: not to be printed */
	const char *inject;   /* name of the injection; NULL, empty or "none": none */
};

/**
 * story_new() - a story without actors, steps or a verdict
 *
 * Return: caller owns.
 */
struct story *story_new(const struct story_about *about);

/**
 * story_add_actor() - one more actor
 * @name: as it heads a column; actors stand in the order in which they are added
 *
 * An actor without a step, to whom no step talks, does not appear in print.
 *
 * Return: its index.
 */
unsigned story_add_actor(struct story *s, const char *name);

/**
 * story_add_step() - the next step
 * @actor: who takes it (S1)
 * @op: the scenario line that it begins, or NULL
 * @label: the boundary that it reaches, not NULL
 *
 * Return: borrowed; the caller may set @to (S1), @moves, @clash and @ends in it.
 */
struct story_step *story_add_step(struct story *s, unsigned actor, const char *op,
				  const char *label);

/* story_step_relabel() - replaces the boundary reached. */
void story_step_relabel(struct story_step *step, const char *label);

/* One more note of a step, printf-like. */
void story_step_note(struct story_step *step, const char *format, ...) G_GNUC_PRINTF(2, 3);

/**
 * story_set_verdict() - how it ends; a second call replaces the first
 * @invariant: its name
 * @reason: one sentence
 * @gfn: the witness, NULL without one
 * @states: how many were searched, 0 if that is not known
 */
void story_set_verdict(struct story *s, const char *invariant, const char *reason,
		       const uint64_t *gfn, uint64_t states);

/* NULL is allowed. */
void story_free(struct story *s);

/**
 * story_print_table() - as plain text of at most 100 columns
 * @out: appended to
 *
 * A column for each actor that takes part and a row for each step; with more actors than fit side by
 * side, one column for all that names the actor. The verdict stands above and below.
 */
void story_print_table(const struct story *s, GString *out);

/**
 * story_print_svg() - as a sequence diagram, an SVG 1.1 file of its own
 * @out: appended to; starts with the XML declaration
 *
 * Its width follows from the actors and the texts. It needs nothing but a monospaced font.
 */
void story_print_svg(const struct story *s, GString *out);

#endif
