/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of known differences: how many steps of which scenario differ, and why. A row promises
 * an exact number: with fewer it is stale and could hide a new difference, so nothing is explained.
 */
#include <string.h>

#include "harness/conform.h"

static void known_free(void *p)
{
	struct conform_known *k = p;

	g_free(k->file);
	g_free(k->scenario);
	g_free(k->reason);
	g_free(k);
}

/* Where the list is being parsed. */
struct place {
	const char *name;
	unsigned line;
	GError **error;
};

static bool fail(const struct place *at, const char *expected, const char *found)
{
	g_set_error(at->error, RECORD_ERROR, RECORD_ERROR_FORMAT,
		    "%s:%u: known difference, expected %s, found '%s'", at->name, at->line,
		    expected, found);
	return false;
}

/* Cut the first word off a line; empty at its end. */
static char *next_word(const char **at)
{
	size_t len;
	const char *start = *at + strspn(*at, " \t");

	len = strcspn(start, " \t");
	*at = start + len;
	return g_strndup(start, len);
}

static bool same_place(const struct conform_known *a, const struct conform_known *b)
{
	return a->level == b->level && strcmp(a->file, b->file) == 0 &&
	       strcmp(a->scenario, b->scenario) == 0;
}

static bool parse_row(GPtrArray *rows, const char *text, const struct place *at)
{
	struct conform_known *k = g_new0(struct conform_known, 1);
	g_autofree char *level = NULL;
	g_autofree char *steps = NULL;
	uint64_t v;

	g_ptr_array_add(rows, k);
	k->file = next_word(&text);
	k->scenario = next_word(&text);
	level = next_word(&text);
	steps = next_word(&text);
	k->reason = g_strstrip(g_strdup(text));
	if (!lang_parse_u64(level, &v) || v < 1 || v > CONFORM_LEVELS)
		return fail(at, "a level from 1 to 4 as its third word", level);
	k->level = (unsigned)v;
	if (!lang_parse_u64(steps, &v) || v < 1 || v > G_MAXUINT)
		return fail(at, "a number of steps, not 0, as its fourth word", steps);
	k->steps = (unsigned)v;
	if (*k->reason == '\0')
		return fail(at, "a reason as its rest", k->reason);
	for (guint i = 0; i + 1 < rows->len; i++)
		if (same_place(k, g_ptr_array_index(rows, i)))
			return fail(at, "one row for each file, scenario and level", k->scenario);
	return true;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the text, then what to call it */
GPtrArray *conform_known_parse(const char *text, const char *name, GError **error)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(known_free);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

	for (unsigned i = 0; lines[i]; i++) {
		const struct place at = { name, i + 1, error };

		lines[i][strcspn(lines[i], "#")] = '\0';
		g_strstrip(lines[i]);
		if (*lines[i] && !parse_row(rows, lines[i], &at))
			return NULL;
	}
	return g_steal_pointer(&rows);
}

/* Does a path end with a file's name, at a '/'. */
static bool path_ends(const char *path, const char *file)
{
	size_t lp = strlen(path), lf = strlen(file);

	return lp >= lf && strcmp(path + lp - lf, file) == 0 &&
	       (lp == lf || path[lp - lf - 1] == '/');
}

static void apply_to(struct conform_scenario *s, const char *file, const GPtrArray *known,
		     unsigned level)
{
	unsigned allowed[CONFORM_LEVELS] = { 0 };
	unsigned below = s->steps;

	for (guint i = 0; known && i < known->len; i++) {
		struct conform_known *k = g_ptr_array_index(known, i);

		if (!path_ends(file, k->file) || strcmp(s->name, k->scenario) != 0)
			continue;
		allowed[k->level - 1] += k->steps;
		if (s->agree[k->level - 1] < (k->level > 1 ? s->agree[k->level - 2] : s->steps))
			k->used = true;
		if (k->level <= level && !s->known)
			s->known = g_strdup(k->reason);
	}
	for (unsigned l = 0; l < level; l++) {
		if (below - s->agree[l] != allowed[l])
			s->unexplained = true;
		below = s->agree[l];
	}
}

void conform_known_apply(struct conform_log *log, const GPtrArray *known, unsigned level)
{
	for (guint i = 0; i < log->scenarios->len; i++)
		apply_to(g_ptr_array_index(log->scenarios, i), log->file, known, level);
}

bool conform_has_unexplained(const GPtrArray *logs)
{
	for (guint i = 0; i < logs->len; i++) {
		const struct conform_log *log = g_ptr_array_index(logs, i);

		for (guint j = 0; j < log->scenarios->len; j++) {
			const struct conform_scenario *s = g_ptr_array_index(log->scenarios, j);

			if (s->unexplained)
				return true;
		}
	}
	return false;
}
