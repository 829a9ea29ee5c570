/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The s2sim command: chooses the subcommand.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cmd.h"

#define S2SIM_VERSION "0.1.0"

static const struct {
	const char *name, *synopsis, *summary;
	enum cmd_exit (*run)(int argc, char **argv);
} commands[] = {
	{ "run", "FILE", "run a scenario in simulated time: what it costs", cmd_run },
	{ "replay", "FILE", "run a scenario file's or record's inputs, print a record",
	  cmd_replay },
	{ "explore", "FILE", "every order of a small scenario's steps: do the invariants hold",
	  cmd_explore },
	{ "conform", "LOG...", "replay recorded logs and compare each observation", cmd_conform },
	{ "list", "WHAT", "what there is: policies, axes, injections, the scenarios of a file",
	  cmd_list },
	{ "diff-policy", "A B", "the axes in which two policies differ", cmd_diff_policy },
	{ "matrix", "POLICY", "every change of a memslot's flags: what it does, costs and breaks",
	  cmd_matrix },
	{ "verify", "CLAIM...", "what was claimed in review threads: is it so", cmd_verify },
};

static void print_usage(FILE *to)
{
	fprintf(to, "usage: s2sim COMMAND [OPTION...] ...\n"
		    "       s2sim --help | --version\n\ncommands:\n");
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(to, "  %-11s %-7s %s\n", commands[i].name, commands[i].synopsis,
			commands[i].summary);
	fprintf(to, "\n's2sim COMMAND --help' lists a command's options.\n"
		    "exit codes: 0 fine, 1 a finding, 2 bad usage or input, 3 an internal check "
		    "failed\n");
}

/* A failed assertion has printed its message. */
static void on_abort(int sig)
{
	(void)sig;
	_Exit(CMD_INTERNAL);
}

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	signal(SIGABRT, on_abort);
	if (argc < 2) {
		print_usage(stderr);
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return CMD_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("s2sim %s\n", S2SIM_VERSION);
		return CMD_OK;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return (int)commands[i].run(argc - 1, argv + 1);
	fprintf(stderr,
		"s2sim: unknown command, expected one of run replay explore conform list "
		"diff-policy matrix verify, "
		"found '%s'\n",
		argv[1]);
	return CMD_USAGE;
}
