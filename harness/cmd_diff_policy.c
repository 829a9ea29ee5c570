/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim diff-policy: in what two policies differ.
 */
#include "harness/cmd.h"
#include "harness/output.h"
#include "model/policy.h"

static enum cmd_exit compare(const char *a, const char *b)
{
	g_autoptr(GString) rows = g_string_new(NULL);
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	int n = policy_diff(a, b, rows, &error);

	if (n < 0)
		return cmd_fail(CMD_USAGE, "diff-policy", "%s", error->message);
	if (n == 0)
		return CMD_OK;
	g_string_append_printf(out, "--- %s\n+++ %s\n%s", a, b, rows->str);
	if (!output_write(NULL, out, &error))
		return cmd_fail(CMD_USAGE, "diff-policy", "%s", error->message);
	return CMD_FINDING;
}

enum cmd_exit cmd_diff_policy(int argc, char **argv)
{
	const GOptionEntry entries[] = { G_OPTION_ENTRY_NULL };

	if (!cmd_parse(
		    &argc, &argv, "A B",
		    "Compares two policies, each a base or preset with +axis=variant behind it, "
		    "and "
		    "prints the axes in which they differ with the variants of both. Exit codes as "
		    "diff's: 0 no difference, 1 some, 2 a word that is no policy.",
		    entries))
		return CMD_USAGE;
	if (argc != 3)
		return cmd_fail(CMD_USAGE, "diff-policy",
				"operands, expected two policies, found %d", argc - 1);
	return compare(argv[1], argv[2]);
}
