/* SPDX-License-Identifier: Apache-2.0 */
#include "traces/define.h"

#include <string.h>

#include "traces/record.h"

static struct define *find(struct define *defs, const char *name, size_t len)
{
	for (struct define *d = defs; d && d->name; d++)
		if (strlen(d->name) == len && strncmp(d->name, name, len) == 0)
			return d;
	return NULL;
}

/* What stands for @inner, which is NAME or NAME=DEFAULT; false: nothing. */
static bool append_value(const char *inner, size_t len, struct define *defs, GString *out)
{
	const char *eq = memchr(inner, '=', len);
	size_t name = eq ? (size_t)(eq - inner) : len;
	struct define *d = find(defs, inner, name);

	if (d) {
		d->used = true;
		g_string_append(out, d->value);
	} else if (eq) {
		g_string_append_len(out, eq + 1, (gssize)(len - name - 1));
	}
	return d || eq;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the file's name, then its text */
GString *define_expand(const char *file, const char *text, size_t len, struct define *defs,
		       GError **error)
{
	GString *out = g_string_sized_new(len);
	bool comment = false;
	unsigned int line = 1;

	for (size_t i = 0; i < len; i++) {
		const char *end;

		comment = text[i] != '\n' && (comment || text[i] == '#');
		line += text[i] == '\n';
		if (comment || text[i] != '$' || i + 1 >= len || text[i + 1] != '{') {
			g_string_append_c(out, text[i]);
			continue;
		}
		end = memchr(text + i, '}', len - i);
		if (!end || memchr(text + i, '\n', (size_t)(end - text) - i) ||
		    !append_value(text + i + 2, (size_t)(end - text) - i - 2, defs, out)) {
			g_set_error(
				error, RECORD_ERROR, RECORD_ERROR_FORMAT,
				"%s:%u: value from outside, expected ${NAME=DEFAULT}, or ${NAME} "
				"and -D NAME=VALUE, found '%.*s'",
				file, line, (int)strcspn(text + i, "\n }") + 1, text + i);
			g_string_free(out, TRUE);
			return NULL;
		}
		i = (size_t)(end - text);
	}
	return out;
}
