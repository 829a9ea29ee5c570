/* SPDX-License-Identifier: Apache-2.0 */
/* What an exploration found, as text or as JSON. */
#ifndef HARNESS_EXPLORE_PRINT_H
#define HARNESS_EXPLORE_PRINT_H

#include "harness/explore.h"

struct explore_report;

struct explore_report *explore_report_new(bool json);
void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result);

/* explore_report_end() - the whole text, caller owns; frees @r. */
GString *explore_report_end(struct explore_report *r);

#endif
