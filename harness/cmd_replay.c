/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim replay: run a file's inputs through the script driver and print a record.
 */
#include <stdio.h>

#include "harness/cmd.h"
#include "harness/expect.h"
#include "harness/output.h"
#include "harness/replay.h"
#include "harness/schedule.h"
#include "harness/story_from.h"

struct options {
	char *policy, *scenario, *output;
};

/* What came of a schedule, as the explorer reports it. */
static void print_schedule(const struct explore_cfg *cfg, const struct schedule_result *r,
			   GString *out)
{
	const struct explore_finding *f = &r->finding;
	struct story *story;

	g_string_append_printf(out, "%s: policy %s%s%s\n", cfg->scenario->name, cfg->policy,
			       *cfg->scenario->inject ? ", inject " : "", cfg->scenario->inject);
	if (!f->inv) {
		g_string_append_printf(out, "  holds in %u moves%s\n", f->path->len,
				       r->progress ? " and all that can follow" : "");
		return;
	}
	g_string_append_printf(out, "  %s: %s, after %u moves of %" G_GUINT64_FORMAT "\n\n",
			       inv_name(f->inv), f->why, f->path->len, r->moves);
	story = story_from_finding(cfg, f);
	story_print_table(story, out);
	story_free(story);
}

static bool is_scheduled(const struct record_scenario *scen)
{
	g_autoptr(GPtrArray) lines = expect_lines(scen);

	return schedule_is_part(lines);
}

/* Makes the moves of a scenario's schedule; the message of an expectation that is not met goes to @unmet. */
static bool run_schedule(const struct replay *r, const struct record_scenario *scen, GString *out,
			 GPtrArray *unmet, GError **error)
{
	g_autoptr(GPtrArray) lines = expect_lines(scen);
	struct explore_cfg cfg = { .scenario = &scen->header.u.scenario,
				   .lines = lines,
				   .policy = replay_policy(r, scen),
				   .jobs = 1 };
	struct expect_found found = { .complete = true };
	struct schedule_result result;
	struct expects expects;
	uint64_t mask = 0;
	char *message;

	if (!expect_read(scen, &expects, error) || !expect_scope(scen, &cfg.scope, &mask, error))
		return false;
	cfg.invariants = mask ? &mask : NULL;
	if (!schedule_run(&cfg, expects.violated >> INV_PROG & 1, &result, error))
		return false;
	print_schedule(&cfg, &result, out);
	found.invs = &result.finding.inv;
	found.n = result.finding.inv != INV_NONE;
	if (!expects.any)
		expects.holds = ~0ULL; /* a violation is a finding */
	message = expect_check(&expects, &found);
	if (message)
		g_ptr_array_add(unmet,
				g_strdup_printf("%s:%u: scenario '%s': %s", r->file->name,
						scen->header.line, cfg.scenario->name, message));
	g_free(message);
	schedule_result_fini(&result);
	return true;
}

static enum cmd_exit fail_schedule(const struct replay *r, const struct record_scenario *scen,
				   const GError *error)
{
	return cmd_fail(CMD_USAGE, "replay", "%s:%u: scenario '%s': %s", r->file->name,
			scen->header.line, scen->header.u.scenario.name, error->message);
}

static enum cmd_exit run(const struct replay *r, const struct options *o)
{
	g_autoptr(GString) out = g_string_new(NULL), schedules = g_string_new(NULL);
	g_autoptr(GPtrArray) unmet = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	bool record = false;

	replay_header(r, out);
	for (guint i = 0; i < r->file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);

		if (o->scenario ? g_strcmp0(o->scenario, scen->header.u.scenario.name) != 0
				: !replay_applies(r, scen))
			continue;
		if (is_scheduled(scen)) {
			if (!run_schedule(r, scen, schedules, unmet, &error))
				return fail_schedule(r, scen, error);
			continue;
		}
		record = true;
		g_string_append_c(out, '\n');
		if (!replay_scenario(r, scen, out, unmet, &error))
			return cmd_fail(CMD_USAGE, "replay", "%s", error->message);
	}
	if (!record && schedules->len)
		g_string_truncate(out, 0);
	g_string_append(out, schedules->str);
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
					"scenarios'), found '%s'",
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
