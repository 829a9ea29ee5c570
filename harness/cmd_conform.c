/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim conform: replay recorded logs and compare, step by step.
 */
#include <stdio.h>

#include "harness/cmd.h"
#include "harness/conform.h"
#include "harness/output.h"
#include "harness/replay.h"

struct options {
	char *policy, *known;
	int level;
	gboolean json, own_mm, all_counters;
};

/* A log that was read, with what it is to be run with. */
struct log {
	struct record *file;
	struct replay replay;
};

static void log_free(void *p)
{
	struct log *log = p;

	replay_fini(&log->replay);
	record_free(log->file);
	g_free(log);
}

static void result_free(void *p)
{
	conform_log_free(p);
}

static bool read_log(const char *path, const struct options *o, GPtrArray *logs, GError **error)
{
	struct log *log = g_new0(struct log, 1);

	g_ptr_array_add(logs, log);
	log->file = record_read(path, error);
	if (!log->file)
		return false;
	if (!log->file->is_record) {
		g_set_error(error, RECORD_ERROR, RECORD_ERROR_FORMAT,
			    "%s: expected a record, found a scenario file", path);
		return false;
	}
	if (!replay_init(&log->replay, log->file, o->policy, error))
		return false;
	log->replay.own_mm = o->own_mm;
	return true;
}

/*
 * Replay one scenario and compare. A line that cannot be run ends the replay, and the steps from it
 * on differ; text that the model should not have printed is an internal error, and gives NULL.
 */
static struct conform_scenario *compare(const struct log *log, const struct record_scenario *scen,
					const struct options *o)
{
	const struct conform_how how = { (unsigned)o->level, o->all_counters };
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) trouble = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *name = g_strdup_printf("replay of %s", log->file->name);
	struct conform_scenario *result;
	struct record *replayed;

	replay_scenario(&log->replay, scen, text, NULL, &trouble);
	replayed = record_parse(text->str, text->len, name, &error);
	if (!replayed) {
		cmd_fail(CMD_INTERNAL, "conform", "%s", error->message);
		return NULL;
	}
	result = conform_scenario_compare(scen, g_ptr_array_index(replayed->scenarios, 0), &how);
	if (trouble)
		result->trouble = g_strdup(trouble->message);
	record_free(replayed);
	return result;
}

static struct conform_log *run_log(const struct log *log, const struct options *o)
{
	g_autofree char *file = g_filename_display_name(log->file->name);
	struct conform_log *result = conform_log_new(file, log->replay.policy);

	for (guint i = 0; i < log->file->scenarios->len; i++) {
		struct conform_scenario *s =
			compare(log, g_ptr_array_index(log->file->scenarios, i), o);

		if (!s) {
			conform_log_free(result);
			return NULL;
		}
		g_ptr_array_add(result->scenarios, s);
	}
	return result;
}

static void note_unused(const GPtrArray *known, const char *name)
{
	for (guint i = 0; known && i < known->len; i++) {
		const struct conform_known *k = g_ptr_array_index(known, i);

		if (!k->used)
			cmd_fail(CMD_OK, "conform", "%s: not seen in these logs: %s %s level %u",
				 name, k->file, k->scenario, k->level);
	}
}

/* What was read. */
struct input {
	GPtrArray *logs;  /* of struct log * */
	GPtrArray *known; /* of struct conform_known *; NULL: no list was given */
};

static enum cmd_exit run(const struct input *in, const struct options *o)
{
	g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(result_free);
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	unsigned level = (unsigned)o->level;

	for (guint i = 0; i < in->logs->len; i++) {
		struct conform_log *result = run_log(g_ptr_array_index(in->logs, i), o);

		if (!result)
			return CMD_INTERNAL;
		conform_known_apply(result, in->known, level);
		g_ptr_array_add(results, result);
	}
	if (o->json)
		conform_print_json(results, level, out);
	else
		conform_print(results, level, out);
	if (!output_write(NULL, out, &error))
		return cmd_fail(CMD_USAGE, "conform", "%s", error->message);
	note_unused(in->known, o->known);
	return conform_has_unexplained(results) ? CMD_FINDING : CMD_OK;
}

static GPtrArray *read_known(const char *path, GError **error)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, error))
		return NULL;
	return conform_known_parse(text, path, error);
}

/* Everything is read before anything is run. */
static enum cmd_exit read_and_run(int argc, char **argv, const struct options *o)
{
	g_autoptr(GPtrArray) logs = g_ptr_array_new_with_free_func(log_free);
	g_autoptr(GPtrArray) known = NULL;
	g_autoptr(GError) error = NULL;
	struct input in;

	if (argc < 2)
		return cmd_fail(CMD_USAGE, "conform", "operands, expected LOG..., found none");
	if (o->level < 1 || o->level > CONFORM_LEVELS)
		return cmd_fail(CMD_USAGE, "conform", "--level, expected 1 to %d, found %d",
				CONFORM_LEVELS, o->level);
	if (o->known) {
		known = read_known(o->known, &error);
		if (!known)
			return cmd_fail(CMD_USAGE, "conform", "%s", error->message);
	}
	for (int i = 1; i < argc; i++)
		if (!read_log(argv[i], o, logs, &error))
			return cmd_fail(CMD_USAGE, "conform", "%s", error->message);
	in.logs = logs;
	in.known = known;
	return run(&in, o);
}

enum cmd_exit cmd_conform(int argc, char **argv)
{
	struct options o = { NULL, NULL, CONFORM_LEVELS, FALSE, FALSE, FALSE };
	const GOptionEntry entries[] = {
		{ "policy", 'p', 0, G_OPTION_ARG_STRING, &o.policy,
		  "Policy line; default: what each record's header says", "P" },
		{ "level", 'l', 0, G_OPTION_ARG_INT, &o.level,
		  "Differences above this level do not count; default 4", "N" },
		{ "known", 'k', 0, G_OPTION_ARG_FILENAME, &o.known,
		  "List of known differences: file scenario level steps reason", "FILE" },
		{ "json", 'j', 0, G_OPTION_ARG_NONE, &o.json, "Print a s2sim.conform/1 document",
		  NULL },
		{ "own-mm", 'm', 0, G_OPTION_ARG_NONE, &o.own_mm,
		  "Do not take the host's ranges from the log: test the model's host mm too",
		  NULL },
		{ "all-counters", 'a', 0, G_OPTION_ARG_NONE, &o.all_counters,
		  "Compare remote_tlb_flush and tlb_flush too, which the host's scheduling can "
		  "change",
		  NULL },
		G_OPTION_ENTRY_NULL
	};
	enum cmd_exit code = CMD_USAGE;

	if (cmd_parse(&argc, &argv, "LOG...",
		      "Replays recorded logs and compares each observation. Levels: 1 ret, exit, "
		      "dirty; 2 and page counts and counters; 3 and the table; 4 and the trace.",
		      entries))
		code = read_and_run(argc, argv, &o);
	g_free(o.policy);
	g_free(o.known);
	return code;
}
