/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of s2sim. Each takes its words (argv[0] is its name) and returns the exit code.
 */
#ifndef HARNESS_CMD_H
#define HARNESS_CMD_H

#include <stdbool.h>

#include <glib.h>

enum cmd_exit {
	CMD_OK = 0,       /* fine */
	CMD_FINDING = 1,  /* a disagreement, a violation */
	CMD_USAGE = 2,    /* bad usage or input, or a result that cannot be written */
	CMD_INTERNAL = 3, /* one of our own checks failed */
};

/**
 * cmd_parse() - parse a subcommand's options
 * @argc: its words
 * @argv: its words; what is left are the operands after argv[0]
 * @operands: for the usage line, such as "FILE"
 * @summary: one sentence
 * @entries: the options
 *
 * Prints the help and exits if asked to. Prints the error if there is one.
 *
 * Return: false on an error, then the exit code is CMD_USAGE.
 */
bool cmd_parse(int *argc, char ***argv, const char *operands, const char *summary,
	       const GOptionEntry *entries);

/* Print "s2sim COMMAND: message" on stderr; returns code for `return cmd_fail(...)`. */
enum cmd_exit cmd_fail(enum cmd_exit code, const char *command, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

enum cmd_exit cmd_conform(int argc, char **argv);
enum cmd_exit cmd_diff_policy(int argc, char **argv);
enum cmd_exit cmd_verify(int argc, char **argv);
enum cmd_exit cmd_matrix(int argc, char **argv);
enum cmd_exit cmd_explore(int argc, char **argv);
enum cmd_exit cmd_list(int argc, char **argv);
enum cmd_exit cmd_replay(int argc, char **argv);
enum cmd_exit cmd_run(int argc, char **argv);

#endif
