/* SPDX-License-Identifier: Apache-2.0 */
/* What the user wants of a counterexample beside the report: files. */
#ifndef HARNESS_EXPLORE_STORY_H
#define HARNESS_EXPLORE_STORY_H

#include "harness/explore.h"

/* Names of files, NULL: not wanted. All for the first finding of a run. */
struct explore_files {
	char *story, *svg, *repro, *trace;
	bool written;
};

/* explore_files_check() - could they be written for a finding of @cfg; before the exploration. */
bool explore_files_check(const struct explore_files *files, const struct explore_cfg *cfg,
			 GError **error);

/* explore_files_next() - name of the file that will hold the next finding; NULL: none will. */
const char *explore_files_next(const struct explore_files *files);

/* explore_files_write() - for a finding of @cfg, unless an earlier one has them already. */
bool explore_files_write(struct explore_files *files, const struct explore_cfg *cfg,
			 const struct explore_finding *f, GError **error);

#endif
