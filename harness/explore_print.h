/* SPDX-License-Identifier: Apache-2.0 */
/* What an exploration found, as text or as JSON. */
#ifndef HARNESS_EXPLORE_PRINT_H
#define HARNESS_EXPLORE_PRINT_H

#include "harness/shrink.h"

struct explore_report;

/* explore_report_new() - @paths: a text shows the way to each finding as a table. */
struct explore_report *explore_report_new(bool json, bool paths);

/* explore_report_add() - @shrunk: stands for the first finding; may be NULL. */
void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result, const struct shrunk *shrunk);

/* explore_report_note() - one more line about the scenario that was added last. */
void explore_report_note(struct explore_report *r, const char *text);

/* explore_report_end() - the whole text, caller owns; frees @r. */
GString *explore_report_end(struct explore_report *r);

#endif
