/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/access_trace.h"

#include <string.h>

G_DEFINE_QUARK(s2_access_trace_error, access_trace_error)

enum {
	MAGIC_BYTES = 8,
	HEADER_BYTES = 16,
};

_Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "words are used as they lie in the file");

struct trace {
	GMappedFile *map;
	struct access_file file;
};

struct access_traces {
	GHashTable *by_path; /* looked up only, never listed */
};

static void trace_free(gpointer p)
{
	struct trace *t = p;

	g_mapped_file_unref(t->map);
	g_free(t);
}

struct access_traces *access_traces_new(void)
{
	struct access_traces *t = g_new0(struct access_traces, 1);

	t->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, trace_free);
	return t;
}

void access_traces_free(struct access_traces *t)
{
	if (!t)
		return;
	g_hash_table_unref(t->by_path);
	g_free(t);
}

static bool check(const char *path, GMappedFile *map, struct access_file *out, GError **error)
{
	const char *bytes = g_mapped_file_get_contents(map);
	gsize size = g_mapped_file_get_length(map);
	uint64_t n;

	if (size < HEADER_BYTES || memcmp(bytes, ACCESS_TRACE_MAGIC, MAGIC_BYTES) != 0) {
		g_set_error(
			error, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_FORMAT,
			"%s: byte 0, expected an access trace that begins with 's2acc 1', found "
			"%" G_GSIZE_FORMAT " bytes of something else",
			path, size);
		return false;
	}
	memcpy(&n, bytes + MAGIC_BYTES, sizeof(n));
	if (n == 0 || n != (size - HEADER_BYTES) / sizeof(n) || (size - HEADER_BYTES) % sizeof(n)) {
		g_set_error(
			error, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_FORMAT,
			"%s: byte 8, expected the number of accesses, at least 1, that follow in "
			"8 bytes each, found %" G_GUINT64_FORMAT " and %" G_GSIZE_FORMAT " bytes",
			path, n, size - HEADER_BYTES);
		return false;
	}
	*out = (struct access_file){ .words =
					     (const uint64_t *)(const void *)(bytes + HEADER_BYTES),
				     .n = n };
	return true;
}

const struct access_file *access_traces_get(struct access_traces *t, const char *path,
					    GError **error)
{
	struct trace *found = g_hash_table_lookup(t->by_path, path);
	g_autoptr(GError) cause = NULL;
	g_autoptr(GMappedFile) map = NULL;
	struct access_file file;

	if (found)
		return &found->file;
	map = g_mapped_file_new(path, FALSE, &cause);
	if (!map) {
		g_set_error(error, ACCESS_TRACE_ERROR, ACCESS_TRACE_ERROR_READ,
			    "%s: expected a readable access trace, found: %s", path,
			    cause->message);
		return NULL;
	}
	if (!check(path, map, &file, error))
		return NULL;
	found = g_new0(struct trace, 1);
	found->map = g_steal_pointer(&map);
	found->file = file;
	g_hash_table_insert(t->by_path, g_strdup(path), found);
	return &found->file;
}
