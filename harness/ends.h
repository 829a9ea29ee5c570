/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be seen at the ends of a program whose order is free: slots with their logs, rings, and the table as
 * a record prints it.  Two policies that end in the same texts cannot be told apart by the program.
 */
#ifndef HARNESS_ENDS_H
#define HARNESS_ENDS_H

#include "harness/explore.h"

struct ends {
	GHashTable *texts; /* a set of char * */
	GMutex lock;
};

void ends_init(struct ends *e);
void ends_fini(struct ends *e);

/**
 * ends_find() - explores, without asking any invariant, and collects the ends
 * @cfg: .end, .end_arg and .invariants are set here
 * @states: those that were visited are added
 * Return: false with @error when it cannot be explored, or not to its end.
 */
bool ends_find(const struct explore_cfg *cfg, struct ends *e, uint64_t *states, GError **error);

/* ends_only() - texts of @a that @b has not. */
unsigned int ends_only(const struct ends *a, const struct ends *b);

/* ends_example() - the first of those in the order of their bytes, borrowed; NULL when there is none. */
const char *ends_example(const struct ends *a, const struct ends *b);

#endif
