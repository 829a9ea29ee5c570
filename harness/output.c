/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing results.
 */
#include "harness/output.h"

#include <errno.h>
#include <stdio.h>

bool output_write(const char *path, const GString *text, GError **error)
{
	if (path)
		return g_file_set_contents_full(
			path, text->str, (gssize)text->len,
			G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error);
	errno = 0;
	if (fwrite(text->str, 1, text->len, stdout) == text->len && fflush(stdout) == 0)
		return true;
	g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
		    "standard output: expected to write %zu bytes, found: %s", text->len,
		    g_strerror(errno));
	return false;
}
