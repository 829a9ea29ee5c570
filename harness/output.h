/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where results go: standard output, or a file that is complete or absent.
 */
#ifndef HARNESS_OUTPUT_H
#define HARNESS_OUTPUT_H

#include <stdbool.h>

#include <glib.h>

/**
 * output_write() - write a result
 * @path: to be replaced as a whole: temporary name, sync, rename; NULL: standard output
 * @text: the result
 * @error: set on failure; an earlier file of that name is then untouched
 */
bool output_write(const char *path, const GString *text, GError **error);

#endif
