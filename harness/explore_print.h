/* SPDX-License-Identifier: Apache-2.0 */
/* What an exploration found, as text or as JSON. */
#ifndef HARNESS_EXPLORE_PRINT_H
#define HARNESS_EXPLORE_PRINT_H

#include "harness/shrink.h"

struct explore_report;

/* explore_report_new() - @paths: a text shows the way to each finding as a table. */
struct explore_report *explore_report_new(bool json, bool paths);

/* What else there is to say of an exploration. */
struct explore_extra {
	const struct shrunk *shrunk; /* stands for the first finding; may be NULL */
	const char *path;            /* file that holds the first finding; NULL: none does */
	bool expects, met;           /* the scenario says what is to be found, and that was found */
};

void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result, const struct explore_extra *extra);

/* explore_report_end() - the whole text, caller owns; frees @r. */
GString *explore_report_end(struct explore_report *r);

#endif
