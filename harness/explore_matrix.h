/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Injections x invariants: which rule taken out is noticed by which invariant, at what scope.
 */
#ifndef HARNESS_EXPLORE_MATRIX_H
#define HARNESS_EXPLORE_MATRIX_H

#include "harness/explore.h"

struct explore_matrix;

struct explore_matrix *explore_matrix_new(void);
void explore_matrix_free(struct explore_matrix *m);

/**
 * explore_matrix_add() - explores a scenario as it is, and once with each injection of its architecture.
 * @cfg: of the scenario; its injection is not looked at.
 * Return: false with @error when it cannot be explored.
 */
bool explore_matrix_add(struct explore_matrix *m, const struct explore_cfg *cfg, GError **error);

/* explore_matrix_print() - the table; returns whether a scenario is violated without any injection. */
bool explore_matrix_print(const struct explore_matrix *m, GString *out);

#endif
