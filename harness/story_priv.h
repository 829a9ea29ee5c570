/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both pictures of a story need: who takes part, who is busy when, texts cut to a width.
 */
#ifndef HARNESS_STORY_PRIV_H
#define HARNESS_STORY_PRIV_H

#include "harness/story.h"

static inline const struct story_step *story_step_at(const struct story *s, unsigned i)
{
	return g_ptr_array_index(s->steps, i);
}

static inline const char *story_actor(const struct story *s, unsigned actor)
{
	return g_ptr_array_index(s->actors, actor);
}

/* The actor takes a step, or a step talks to it. */
bool story_takes_part(const struct story *s, unsigned actor);

/* An operation of the actor has begun by step @i and has not ended before it. */
bool story_is_busy(const struct story *s, unsigned actor, unsigned i);

/* S4: the number that is printed with a step. */
unsigned story_number(const struct story *s, unsigned i);

/* One past the last of the steps from @i on that the same actor takes without a pause. */
unsigned story_run_end(const struct story *s, unsigned i);

/**
 * story_wrap() - a text in lines of at most so many characters
 * @width: of the first line
 * @hang: so much narrower are further ones; below @width
 * @lines: of char *, appended to; each owned by the array
 *
 * Cuts at spaces; within a word that is too long behind punctuation, else anywhere.
 */
void story_wrap(const char *text, unsigned width, unsigned hang, GPtrArray *lines);

/* Append "INV-DIRTY does not hold at gfn 0x1 after 9 steps", the same in every picture. */
void story_print_claim(const struct story *s, GString *out);

/* Append "1,234 states were searched."; nothing if that is not known. */
void story_print_states(const struct story *s, GString *out);

#endif
