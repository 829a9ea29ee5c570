/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary access traces: the files that `file=` of a guest line names.
 *
 *	bytes 0..7    "s2acc 1\n"
 *	bytes 8..15   number of accesses, little-endian
 *	then so many little-endian words: bits 63..2 the gpa in units of 4 bytes, bit 1 fetch, bit 0 write
 *
 * Files are mapped, so that memory does not grow with their length.
 */
#ifndef HARNESS_ACCESS_TRACE_H
#define HARNESS_ACCESS_TRACE_H

#include <stdbool.h>

#include <glib.h>

#include "model/access.h"

#define ACCESS_TRACE_MAGIC "s2acc 1\n"

#define ACCESS_TRACE_ERROR access_trace_error_quark()
GQuark access_trace_error_quark(void);

enum access_trace_error {
	ACCESS_TRACE_ERROR_READ,   /* the file cannot be read */
	ACCESS_TRACE_ERROR_FORMAT, /* it is not such a trace, or its length is wrong */
};

struct access_traces;

struct access_traces *access_traces_new(void);
void access_traces_free(struct access_traces *t);

/* access_traces_get() - the trace of a file, opened once; borrowed until access_traces_free(). */
const struct access_file *access_traces_get(struct access_traces *t, const char *path,
					    GError **error);

#endif
