/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all subcommands need.
 */
#include "harness/cmd.h"

#include <stdarg.h>
#include <stdio.h>

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a word, then a format */
enum cmd_exit cmd_fail(enum cmd_exit code, const char *command, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	fprintf(stderr, "s2sim %s: %s\n", command, text);
	return code;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order in which help prints them */
bool cmd_parse(int *argc, char ***argv, const char *operands, const char *summary,
	       const GOptionEntry *entries)
{
	g_autofree char *name = g_strdup((*argv)[0]);
	g_autofree char *program = g_strdup_printf("s2sim %s", name);
	g_autoptr(GOptionContext) context = g_option_context_new(operands);
	g_autoptr(GError) error = NULL;

	g_set_prgname(program);
	g_option_context_set_summary(context, summary);
	g_option_context_add_main_entries(context, entries, NULL);
	if (g_option_context_parse(context, argc, argv, &error))
		return true;
	cmd_fail(CMD_USAGE, name, "%s; see 's2sim %s --help'", error->message, name);
	return false;
}
