/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flag-transition matrix of a policy: what KVM_SET_USER_MEMORY_REGION does for each change of a slot, old and
 * new flags, read-only or not, in each mode of dirty logging and each MMU.
 *
 * Each combination is run twice.  In a VM of full size, one line after the other, on a slot of 1024 pages, half
 * of them in a huge page of the host, that were all written: the answer, what the kernel called, leaves removed, entries written,
 * flushes (x86 requests, arm64 TLBI and the flush of a slot), and faults until all is mapped again.  In a small VM, in
 * every order, with a vCPU that writes meanwhile: which invariants are violated.
 */
#ifndef HARNESS_MATRIX_H
#define HARNESS_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "model/vm.h"

enum matrix_mode { MODE_CLASSIC, MODE_MANUAL, MODE_INITSET, MODE_RING, NR_MODES };
enum matrix_mmu { MMU_TDP, MMU_LEGACY, MMU_S2, NR_MMUS };

/* One combination. */
struct matrix_case {
	enum mr_change change;
	uint8_t old_flags, new_flags; /* LOG_DIRTY_PAGES and USERFAULT */
	bool read_only;
	uint8_t mode, mmu;
};

/* What it does: a line of text each, so that equal ones can be put together. */
struct matrix_row {
	struct matrix_case is;
	char *answer;     /* ret 0, ret -EINVAL, or refused */
	char *actions;    /* as the kernel's trace names them */
	char *costs;      /* removed written flushes faults */
	char *invariants; /* holds, or what is violated */
	GPtrArray *ends;  /* sorted texts; only for a comparison */
	uint64_t states;
};

struct matrix {
	char *policy;
	GPtrArray *rows; /* of struct matrix_row *, in a fixed order */
	uint64_t states;
};

/**
 * matrix_new() - runs all combinations that a policy has
 * @policy: without an MMU of its own, the x86 ones get each
 * @ends: keep what is to be seen at the ends of the small programs
 * @jobs: threads; the result is the same
 * Return: NULL with @error for what is no policy.
 */
struct matrix *matrix_new(const char *policy, bool ends, unsigned int jobs, GError **error);
void matrix_free(struct matrix *m);

/* matrix_print() - rows that say the same put together; a constant text for a policy. */
void matrix_print(const struct matrix *m, GString *out);

/* matrix_json() - s2sim.matrix/1, every row. */
void matrix_json(const struct matrix *m, GString *out);

/**
 * matrix_diff() - where two policies differ: in what is to be seen at an end of the same program, in the invariants,
 * and in actions and costs
 * Return: number of combinations in which something can be seen from outside.
 */
unsigned int matrix_diff(const struct matrix *a, const struct matrix *b, GString *out);

/* matrix_program() - the small program of a combination, as a scenario. */
char *matrix_program(const struct matrix_case *c, const char *policy);

#endif
