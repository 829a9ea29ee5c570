/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from outside in a scenario file: ${NAME=DEFAULT} stands for what the user defines as NAME, or for
 * DEFAULT; ${NAME} alone must be defined.  Not inside comments.
 */
#ifndef TRACES_DEFINE_H
#define TRACES_DEFINE_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

struct define {
	const char *name, *value;
	bool used; /* set when the text names it */
};

/**
 * define_expand() - a text with every ${...} replaced
 * @file: its name in messages
 * @text: @len bytes
 * @defs: ends with a name that is NULL; may be NULL
 * Return: newly allocated; NULL with @error ("FILE:LINE: ...") for a name that is not defined, or for a
 *         ${ without end.
 */
GString *define_expand(const char *file, const char *text, size_t len, struct define *defs,
		       GError **error);

#endif
