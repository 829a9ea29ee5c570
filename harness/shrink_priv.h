/* SPDX-License-Identifier: Apache-2.0 */
/* What can be taken from a scenario; for the files of shrink only. */
#ifndef HARNESS_SHRINK_PRIV_H
#define HARNESS_SHRINK_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "model/lang.h"

/* A scenario that is being made smaller; owned. */
struct draft {
	struct lang_scenario scenario;
	GPtrArray *lines; /* struct lang_line * */
};

/* Where, and how. */
struct shrink_at {
	guint place;      /* index of a line, or a vCPU */
	unsigned int way; /* below the edit's .ways */
	uint64_t page;    /* bytes */
};

/* Each way makes the scenario smaller by some measure, so that no sequence of them is endless. */
struct shrink_edit {
	bool (*apply)(struct draft *d, const struct shrink_at *at); /* false: nothing to do there */
	unsigned int ways;
	bool of_vcpus; /* places are vCPUs */
};

/* In the order in which they are tried; ends with .apply NULL. */
extern const struct shrink_edit shrink_edits[];

#endif
