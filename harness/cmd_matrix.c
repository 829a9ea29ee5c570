/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim matrix: what each change of a memslot's flags does, and what it breaks.
 */
#include <string.h>

#include "harness/cmd.h"
#include "harness/explore.h"
#include "harness/matrix.h"
#include "harness/output.h"

struct options {
	char *golden, *output;
	int jobs;
	gboolean diff, json;
};

static bool has_mmu(const char *policy)
{
	return strstr(policy, "mmu=") != NULL;
}

static enum cmd_exit fail(const GError *error)
{
	return cmd_fail(CMD_USAGE, "matrix", "%s", error->message);
}

/* The lines that differ, as diff(1) would number them by hand: those of one side only. */
static void add_lines(GString *out, const char *from, const char *other, char sign)
{
	g_auto(GStrv) lines = g_strsplit(from, "\n", -1), others = g_strsplit(other, "\n", -1);

	for (char **l = lines; *l; l++)
		if (!g_strv_contains((const char *const *)others, *l))
			g_string_append_printf(out, "%c%s\n", sign, *l);
}

/* The table beside a file that was kept. */
static enum cmd_exit compare(const struct options *o, const GString *table)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *kept = NULL;

	if (!g_file_get_contents(o->golden, &kept, NULL, &error))
		return fail(error);
	if (strcmp(kept, table->str) == 0)
		return CMD_OK;
	g_string_append_printf(out, "--- %s\n+++ now\n", o->golden);
	add_lines(out, kept, table->str, '-');
	add_lines(out, table->str, kept, '+');
	return output_write(o->output, out, &error) ? CMD_FINDING : fail(error);
}

static enum cmd_exit run_one(const struct options *o, const char *policy)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct matrix *m = matrix_new(policy, false, (unsigned int)o->jobs, &error);

	if (!m)
		return fail(error);
	if (o->json)
		matrix_json(m, out);
	else
		matrix_print(m, out);
	matrix_free(m);
	if (o->golden)
		return compare(o, out);
	return output_write(o->output, out, &error) ? CMD_OK : fail(error);
}

static enum cmd_exit run_two(const struct options *o, const char *a, const char *b)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct matrix *x = matrix_new(a, true, (unsigned int)o->jobs, &error);
	struct matrix *y = x ? matrix_new(b, true, (unsigned int)o->jobs, &error) : NULL;
	enum cmd_exit code = CMD_USAGE;

	if (!x || !y)
		code = fail(error);
	else if (x->rows->len != y->rows->len)
		code = cmd_fail(
			code, "matrix",
			"--diff, expected two policies of one architecture, found '%s' and '%s'", a,
			b);
	else {
		code = matrix_diff(x, y, out) ? CMD_FINDING : CMD_OK;
		if (!output_write(o->output, out, &error))
			code = fail(error);
	}
	matrix_free(x);
	matrix_free(y);
	return code;
}

static enum cmd_exit run(const struct options *o, char **policies, int n)
{
	if (o->jobs < 1 || o->jobs > EXPLORE_JOBS_MAX)
		return cmd_fail(CMD_USAGE, "matrix",
				"--jobs, expected a number from 1 to %d, found %d",
				EXPLORE_JOBS_MAX, o->jobs);
	if (n != (o->diff ? 2 : 1))
		return cmd_fail(CMD_USAGE, "matrix", "operands, expected %s, found %d",
				o->diff ? "two policies" : "one policy", n);
	if (o->golden && (o->diff || o->json))
		return cmd_fail(CMD_USAGE, "matrix",
				"--golden, expected a table, found --diff or --json");
	for (int i = 0; i < n; i++)
		if (has_mmu(policies[i]))
			return cmd_fail(CMD_USAGE, "matrix",
					"expected a policy without mmu=, since the matrix has a "
					"column for it, found '%s'",
					policies[i]);
	return o->diff ? run_two(o, policies[0], policies[1]) : run_one(o, policies[0]);
}

enum cmd_exit cmd_matrix(int argc, char **argv)
{
	struct options o = { .jobs = 1 };
	enum cmd_exit code = CMD_USAGE;
	const GOptionEntry entries[] = {
		{ "diff", 'd', 0, G_OPTION_ARG_NONE, &o.diff,
		  "Compare two policies: can any of the programs tell them apart", NULL },
		{ "golden", 'g', 0, G_OPTION_ARG_FILENAME, &o.golden,
		  "Compare with a table that was kept; exit code 1 for any change", "FILE" },
		{ "jobs", 'j', 0, G_OPTION_ARG_INT, &o.jobs, "Threads; the table is the same",
		  "N" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "As JSON, a row for every combination",
		  NULL },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "Write there, not to stdout",
		  "OUT" },
		G_OPTION_ENTRY_NULL
	};

	if (cmd_parse(&argc, &argv, "POLICY [POLICY]",
		      "Runs every change of a memslot with every pair of flags, in every mode of "
		      "dirty logging: what "
		      "is done, what it costs, and which invariants it breaks in any order.",
		      entries))
		code = run(&o, argv + 1, argc - 1);
	g_free(o.golden);
	g_free(o.output);
	return code;
}
