/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenario files and records: a whole file of the scenario language as a tree.
 *
 * A scenario file holds scenarios, each of which ends where the next one starts. A record also
 * holds the observations after each input, and closes each scenario with `end`. Which of the two a
 * file is follows from what stands in it.
 *
 * Invariants:
 *  R1 A file is read whole or not at all: after an error nothing of it is left to be run.
 *  R2 Within a step the observations stand in the order ret, exit, dirty, trace, stat, pages, sum,
 *     tab, as the recorder prints them.
 *  R3 Every vCPU that an input names is below the scenario's vcpus=; every mapping it names was
 *     made by a `host map` line above it, or is the recorder's own "code".
 *  R4 Scenarios of a file have different names.
 *  R5 A `scope` line is a scenario's first; `grain` and then `sched` lines are its last.
 *
 * Ownership: record_free() frees the tree; everything reached from it is borrowed until then.
 */
#ifndef TRACES_RECORD_H
#define TRACES_RECORD_H

#include <stdbool.h>

#include <glib.h>

#include "model/lang.h"
#include "traces/define.h"

#define RECORD_ERROR record_error_quark()

/* Codes of the RECORD_ERROR domain; errors of single lines have LANG_ERROR's. */
enum record_error {
	RECORD_ERROR_READ,   /* the file cannot be read */
	RECORD_ERROR_FORMAT, /* lines that are right alone stand where they may not */
	RECORD_ERROR_POLICY, /* the header names a machine that no policy stands for */
};

/* One input and what answered it. */
struct record_step {
	struct lang_line input;
	GPtrArray *obs;     /* of struct lang_line *, kind LANG_OBS; may be empty */
	GPtrArray *expects; /* of struct lang_line *, kind LANG_EXPECT; may be empty */
};

struct record_scenario {
	struct lang_line header; /* LANG_SCENARIO */
	GPtrArray *steps;        /* of struct record_step * */
	bool skip;               /* the kernel refused it; there are no steps then */
	bool ended;              /* closed by `end` */
};

/* Module parameters as a record's header lists them; empty where it does not. */
struct record_params {
	char eager_page_split[16];
	char nx_huge_pages[16];
	char mmio_caching[16];
};

struct record {
	char *name;           /* as given, for messages */
	bool is_record;       /* false: a scenario file */
	GPtrArray *header;    /* of char *: the comment lines above the first scenario, whole */
	GPtrArray *scenarios; /* of struct record_scenario * */
	struct record_params params;
};

GQuark record_error_quark(void);

/**
 * record_parse() - parse the bytes of a file
 * @data: the bytes; need not end with NUL
 * @len: how many
 * @name: name for messages
 * @error: set on failure, message "NAME:LINE: what, expected ..., found ..."
 *
 * Return: caller owns; NULL on failure.
 */
struct record *record_parse(const char *data, size_t len, const char *name, GError **error);

/**
 * record_read() - read and parse a file
 * @path: of a regular file
 * @error: set on failure
 *
 * Return: caller owns; NULL on failure.
 */
struct record *record_read(const char *path, GError **error);

/* record_read_with() - the same with values from outside for ${...}, see traces/define.h. */
struct record *record_read_with(const char *path, struct define *defs, GError **error);

/**
 * record_find() - a scenario by its name
 * @r: the file
 * @name: to look for
 *
 * Return: borrowed; NULL if there is none.
 */
const struct record_scenario *record_find(const struct record *r, const char *name);

/**
 * record_policy() - the policy line that a record's header stands for
 * @r: the file
 * @policy: set on success, caller owns: "x86-6.12+machine=npt"; NULL if the header names no kernel
 * @error: set on failure
 *
 * A line "# s2sim replay policy=P" decides; else "# oracle begin arch= kernel=" and the module
 * parameters do. arm64 is nvhe if the record holds stage-2 events but no invalidation at all: the
 * probes cannot reach EL2.
 *
 * Return: false if the header names a kernel or machine that no policy stands for.
 */
bool record_policy(const struct record *r, char **policy, GError **error);

/* Free a file; NULL is allowed. */
void record_free(struct record *r);

#endif
