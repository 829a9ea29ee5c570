/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles of model/profiles/ as built into the program by cmake/S2Embed.cmake. */
#ifndef HARNESS_PROFILE_PRIV_H
#define HARNESS_PROFILE_PRIV_H

#include <stddef.h>

struct profile_builtin {
	const char *file;
	const char *text;
	size_t size;
};

extern const struct profile_builtin profile_builtins[];
extern const char *const profile_builtin_names[]; /* in the same order, ending with NULL */

#endif
