/* SPDX-License-Identifier: Apache-2.0 */
/* What an exploration found, as text or as JSON. */
#ifndef HARNESS_EXPLORE_PRINT_H
#define HARNESS_EXPLORE_PRINT_H

#include "harness/explore.h"

struct explore_report;

/* explore_report_new() - @paths: a text shows the way to each finding as a table. */
struct explore_report *explore_report_new(bool json, bool paths);
void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result);

/* explore_report_end() - the whole text, caller owns; frees @r. */
GString *explore_report_end(struct explore_report *r);

#endif
