/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the claims only. */
#ifndef HARNESS_CLAIMS_PRIV_H
#define HARNESS_CLAIMS_PRIV_H

#include "harness/claims.h"
#include "traces/define.h"
#include "traces/record.h"

/* Files of workloads/claims/ as built into the program by cmake/S2Embed.cmake. */
struct claims_builtin {
	const char *file;
	const char *text;
	size_t size;
};

extern const struct claims_builtin claims_builtins[];
extern const char *const claims_builtin_names[]; /* in the same order, ending with NULL */

/* claim_file_read() - the file with values for its ${...}; NULL: the defaults. */
struct record *claim_file_read(const struct claim_file *f, struct define *defs, GError **error);

/* decision_case() - all runs of the case that a run belongs to are as the claim wants them. */
bool decision_case(const struct decision *d, const struct claim_run *run);

#endif
