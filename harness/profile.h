/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost profiles as YAML files:
 *
 *	profile: NAME                # lower-case letters, digits, dashes
 *	arch: x86                    # or arm64
 *	text: what machine, in one sentence
 *	parameters:
 *	  guest_exit:                # each of model/cost.def that applies, once
 *	    value: 300 ns
 *	    range: 250 ns .. 375 ns
 *	    tag: D                   # M, D, R or A as in model/cost.h
 *	    source: where the value comes from; for A what is assumed
 *
 * Times are written in ps, ns, us, ms or cycles of the profile's clock (rounded half up), clocks in kHz, MHz
 * or GHz, sizes in B, KiB, MiB or GiB, counts as they are.  A number is decimal, with up to three digits
 * behind its point, and one space before the unit.  Anything else is an error: aliases, anchors and tags of
 * YAML, unknown and doubled keys, values outside their range, leftovers.
 *
 * Errors read "FILE:LINE:COLUMN: expected ..., found ...", counted from 1.
 */
#ifndef HARNESS_PROFILE_H
#define HARNESS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "model/cost.h"
#include "model/policy.h"

#define PROFILE_ERROR profile_error_quark()
GQuark profile_error_quark(void);

enum profile_error {
	PROFILE_ERROR_INPUT,   /* the text is not a profile */
	PROFILE_ERROR_FILE,    /* the file cannot be read */
	PROFILE_ERROR_UNKNOWN, /* no built-in profile has that name */
};

/* PROFILE_MAX_BYTES - a longer file is refused */
enum { PROFILE_MAX_BYTES = 1 << 20 };

/**
 * profile_load_text() - reads a profile
 * @file: its name in messages
 * @text: @size bytes
 * @out: filled; undefined after an error
 */
bool profile_load_text(const char *file, const char *text, size_t size, struct cost_profile *out,
		       GError **error);

/* profile_load_file() - the same from a file. */
bool profile_load_file(const char *path, struct cost_profile *out, GError **error);

/* profile_find() - a built-in profile by its name. */
bool profile_find(const char *name, struct cost_profile *out, GError **error);

/* profile_default() - name of the built-in profile of a policy's machine. */
const char *profile_default(const struct rules *r);

/* profile_names() - of the built-in ones, ending with NULL; static. */
const char *const *profile_names(void);

#endif
