/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim replay: run a file's inputs through the script driver and print a record.
 */
#include <stdio.h>

#include "harness/cmd.h"
#include "harness/output.h"
#include "harness/replay.h"

struct options {
	char *policy, *scenario, *output;
};

static enum cmd_exit run(const struct replay *r, const struct options *o)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GPtrArray) unmet = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;

	replay_header(r, out);
	for (guint i = 0; i < r->file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);

		if (o->scenario ? g_strcmp0(o->scenario, scen->header.u.scenario.name) != 0
				: !replay_applies(r, scen))
			continue;
		g_string_append_c(out, '\n');
		if (!replay_scenario(r, scen, out, unmet, &error))
			return cmd_fail(CMD_USAGE, "replay", "%s", error->message);
	}
	if (!output_write(o->output, out, &error))
		return cmd_fail(CMD_USAGE, "replay", "%s", error->message);
	for (guint i = 0; i < unmet->len; i++)
		cmd_fail(CMD_FINDING, "replay", "%s", (const char *)g_ptr_array_index(unmet, i));
	return unmet->len ? CMD_FINDING : CMD_OK;
}

static enum cmd_exit check_and_run(const struct record *file, const struct options *o)
{
	const struct record_scenario *chosen = NULL;
	g_autoptr(GError) error = NULL;
	struct replay r;
	enum cmd_exit code;

	if (o->scenario) {
		chosen = record_find(file, o->scenario);
		if (!chosen)
			return cmd_fail(CMD_USAGE, "replay",
					"%s: --scenario, expected one of the file's ('s2sim list "
					"scenarios' "
					"prints them), found '%s'",
					file->name, o->scenario);
	}
	if (!replay_init(&r, file, o->policy, &error))
		return cmd_fail(CMD_USAGE, "replay", "%s", error->message);
	if (chosen && !replay_applies(&r, chosen))
		code = cmd_fail(CMD_USAGE, "replay",
				"%s:%u: scenario '%s', expected a policy of its arch=, found '%s'",
				file->name, chosen->header.line, o->scenario, r.policy);
	else
		code = run(&r, o);
	replay_fini(&r);
	return code;
}

enum cmd_exit cmd_replay(int argc, char **argv)
{
	struct options o = { NULL, NULL, NULL };
	const GOptionEntry entries[] = {
		{ "policy", 'p', 0, G_OPTION_ARG_STRING, &o.policy,
		  "Policy line; default: the scenario's, or what the record's header says", "P" },
		{ "scenario", 's', 0, G_OPTION_ARG_STRING, &o.scenario, "Run only this one",
		  "NAME" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "Write there, not to stdout",
		  "OUT" },
		G_OPTION_ENTRY_NULL
	};
	g_autoptr(GError) error = NULL;
	struct record *file;
	enum cmd_exit code = CMD_USAGE;

	if (!cmd_parse(
		    &argc, &argv, "FILE",
		    "Runs the inputs of a scenario file or a record in the order written down, and "
		    "prints a record.",
		    entries))
		goto out;
	if (argc != 2) {
		cmd_fail(code, "replay", "operands, expected one FILE, found %d", argc - 1);
		goto out;
	}
	file = record_read(argv[1], &error);
	if (file)
		code = check_and_run(file, &o);
	else
		cmd_fail(code, "replay", "%s", error->message);
	record_free(file);
out:
	g_free(o.policy);
	g_free(o.scenario);
	g_free(o.output);
	return code;
}
