/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing results.
 */
#include "harness/output.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* A device or a pipe is written to; a file is replaced, which would take a device's name away. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool write_stream(FILE *f, const char *name, const GString *text, GError **error)
{
	errno = 0;
	if (fwrite(text->str, 1, text->len, f) == text->len && fflush(f) == 0)
		return true;
	g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
		    "%s: expected to write %zu bytes, found: %s", name, text->len,
		    g_strerror(errno));
	return false;
}

static bool write_special(const char *path, const GString *text, GError **error)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f) {
		g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
			    "%s: expected a place to write to, found: %s", path, g_strerror(errno));
		return false;
	}
	ok = write_stream(f, path, text, error);
	(void)fclose(f); /* flushed */
	return ok;
}

bool output_write(const char *path, const GString *text, GError **error)
{
	if (!path)
		return write_stream(stdout, "standard output", text, error);
	if (is_special(path))
		return write_special(path, text, error);
	return g_file_set_contents_full(
		path, text->str, (gssize)text->len,
		G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error);
}
