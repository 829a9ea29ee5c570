/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim explore: every order of the steps of small scenarios.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cmd.h"
#include "harness/explore.h"
#include "harness/explore_print.h"
#include "harness/output.h"
#include "harness/replay.h"

struct options {
	char *policy, *scenario, *output, *inject, *invariants, *geom, *defines;
	int max_states, max_depth, jobs;
	int tables, slots, words, tlb, pml;
	gboolean json, depth_first, keep_going, no_progress;
	uint64_t mask;
};

/* One line on a terminal, over and over. */
static void tick(void *arg, uint64_t states, uint64_t waiting)
{
	(void)arg;
	fprintf(stderr, "\r%" G_GUINT64_FORMAT " states, %" G_GUINT64_FORMAT " wait\033[K", states,
		waiting);
}

/* The inputs of a scenario; their `expect` lines answer for the whole. */
static GPtrArray *lines_of(const struct record_scenario *scen)
{
	GPtrArray *lines = g_ptr_array_new();

	for (guint i = 0; i < scen->steps->len; i++)
		g_ptr_array_add(lines,
				&((struct record_step *)g_ptr_array_index(scen->steps, i))->input);
	return lines;
}

static bool parse_invariants(struct options *o)
{
	g_auto(GStrv) names = NULL;

	if (!o->invariants)
		return true;
	names = g_strsplit(o->invariants, ",", -1);
	for (char **n = names; *n; n++) {
		enum inv i = inv_find(*n);

		if (i == INV_NONE) {
			cmd_fail(CMD_USAGE, "explore",
				 "--invariants, expected names that 's2sim list invariants' prints, "
				 "found '%s'",
				 *n);
			return false;
		}
		o->mask |= BIT(i);
	}
	return true;
}

static struct setup_scope scope_of(const struct options *o)
{
	return (struct setup_scope){ .tables = (uint32_t)o->tables,
				     .slots = (uint32_t)o->slots,
				     .words = (uint32_t)o->words,
				     .tlb = (uint32_t)o->tlb,
				     .pml = (uint32_t)o->pml };
}

/* Explores one scenario and appends its report. */
static enum cmd_exit run_scenario(const struct replay *r, const struct record_scenario *scen,
				  const struct options *o, struct explore_report *out)
{
	struct lang_scenario s = scen->header.u.scenario;
	g_autoptr(GPtrArray) lines = lines_of(scen);
	g_autoptr(GError) error = NULL;
	struct explore_cfg cfg = { .scenario = &s,
				   .lines = lines,
				   .policy = replay_policy(r, scen),
				   .scope = scope_of(o),
				   .max_states = (uint64_t)o->max_states,
				   .max_depth = (uint32_t)o->max_depth,
				   .jobs = (unsigned int)o->jobs,
				   .depth_first = o->depth_first,
				   .keep_going = o->keep_going,
				   .no_progress = o->no_progress,
				   .invariants = o->mask ? &o->mask : NULL,
				   .tick = isatty(STDERR_FILENO) ? tick : NULL };
	struct explore_result *result;
	enum cmd_exit code;

	if (o->inject)
		g_strlcpy(s.inject, o->inject, sizeof(s.inject));
	if (o->geom)
		g_strlcpy(s.geom, o->geom, sizeof(s.geom));
	result = explore(&cfg, &error);
	if (cfg.tick)
		fprintf(stderr, "\r\033[K");
	if (!result)
		return cmd_fail(CMD_USAGE, "explore", "%s:%u: scenario '%s': %s", r->file->name,
				scen->header.line, s.name, error->message);
	code = result->findings->len ? CMD_FINDING : CMD_OK;
	explore_report_add(out, &cfg, result);
	explore_result_free(result);
	return code;
}

static enum cmd_exit run(const struct replay *r, const struct options *o)
{
	struct explore_report *out = explore_report_new(o->json);
	g_autoptr(GString) text = NULL;
	g_autoptr(GError) error = NULL;
	enum cmd_exit code = CMD_OK;
	unsigned int n = 0;

	for (guint i = 0; i < r->file->scenarios->len && code <= CMD_FINDING; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);
		enum cmd_exit one;

		if (o->scenario ? strcmp(o->scenario, scen->header.u.scenario.name) != 0
				: !replay_applies(r, scen))
			continue;
		n++;
		one = run_scenario(r, scen, o, out);
		code = MAX(code, one);
	}
	text = explore_report_end(out);
	if (code > CMD_FINDING)
		return code;
	if (n == 0)
		return cmd_fail(CMD_USAGE, "explore",
				"%s: expected a scenario%s%s for '%s', found none", r->file->name,
				o->scenario ? " named " : "", o->scenario ? o->scenario : "",
				r->policy);
	if (!output_write(o->output, text, &error))
		return cmd_fail(CMD_USAGE, "explore", "%s", error->message);
	return code;
}

static enum cmd_exit check(struct options *o)
{
	const struct {
		const char *name;
		int value, min, max;
	} numbers[] = {
		{ "--jobs", o->jobs, 1, EXPLORE_JOBS_MAX },
		{ "--max-states", o->max_states, 0, INT32_MAX },
		{ "--max-depth", o->max_depth, 0, INT32_MAX },
		{ "--tables", o->tables, 0, 1 << 16 },
		{ "--slots", o->slots, 0, 64 },
		{ "--words", o->words, 0, 1 << 16 },
		{ "--tlb", o->tlb, 0, 1 << 12 },
		{ "--pml", o->pml, 0, PML_ENTRIES },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		if (numbers[i].value < numbers[i].min || numbers[i].value > numbers[i].max)
			return cmd_fail(CMD_USAGE, "explore",
					"%s, expected a number from %d to %d, found %d",
					numbers[i].name, numbers[i].min, numbers[i].max,
					numbers[i].value);
	return parse_invariants(o) ? CMD_OK : CMD_USAGE;
}

static enum cmd_exit read_and_run(const char *path, const struct options *o)
{
	g_autoptr(GError) error = NULL;
	struct record *file = record_read(path, &error);
	enum cmd_exit code = CMD_USAGE;
	struct replay r;

	if (!file)
		return cmd_fail(code, "explore", "%s", error->message);
	if (replay_init(&r, file, o->policy, &error)) {
		code = run(&r, o);
		replay_fini(&r);
	} else {
		cmd_fail(code, "explore", "%s", error->message);
	}
	record_free(file);
	return code;
}

enum cmd_exit cmd_explore(int argc, char **argv)
{
	struct options o = { .jobs = 1 };
	const GOptionEntry entries[] = {
		{ "policy", 'p', 0, G_OPTION_ARG_STRING, &o.policy,
		  "Policy line; default: the scenario's", "P" },
		{ "scenario", 's', 0, G_OPTION_ARG_STRING, &o.scenario, "Explore only this one",
		  "NAME" },
		{ "inject", 'i', 0, G_OPTION_ARG_STRING, &o.inject,
		  "Break a rule: one of 's2sim list injections'", "NAME" },
		{ "geom", 'g', 0, G_OPTION_ARG_STRING, &o.geom,
		  "Small granule, such as ept-1x3: index bits and levels", "G" },
		{ "invariants", 0, 0, G_OPTION_ARG_STRING, &o.invariants,
		  "Ask about these only; default: all", "A,B" },
		{ "jobs", 'j', 0, G_OPTION_ARG_INT, &o.jobs, "Threads; the answer is the same", "N" },
		{ "depth-first", 0, 0, G_OPTION_ARG_NONE, &o.depth_first,
		  "Depth first: less memory, longer counterexamples", NULL },
		{ "keep-going", 'k', 0, G_OPTION_ARG_NONE, &o.keep_going,
		  "Go on after a violation, and show the first of each invariant", NULL },
		{ "no-progress", 0, 0, G_OPTION_ARG_NONE, &o.no_progress,
		  "Do not look for endless retries, which takes memory", NULL },
		{ "max-states", 0, 0, G_OPTION_ARG_INT, &o.max_states, "Stop after so many", "N" },
		{ "max-depth", 0, 0, G_OPTION_ARG_INT, &o.max_depth, "Stop at so many moves", "N" },
		{ "tables", 0, 0, G_OPTION_ARG_INT, &o.tables, "Room for table pages; 24", "N" },
		{ "slots", 0, 0, G_OPTION_ARG_INT, &o.slots, "Room for memslots; 4", "N" },
		{ "words", 0, 0, G_OPTION_ARG_INT, &o.words, "Room for bitmaps, in words; 32", "N" },
		{ "tlb", 0, 0, G_OPTION_ARG_INT, &o.tlb, "Room in a vCPU's TLB; 12", "N" },
		{ "pml", 0, 0, G_OPTION_ARG_INT, &o.pml, "Entries of a PML buffer; 4", "N" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "As JSON", NULL },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "Write there, not to stdout",
		  "OUT" },
		G_OPTION_ENTRY_NULL
	};
	enum cmd_exit code = CMD_USAGE;

	if (!cmd_parse(&argc, &argv, "FILE",
		       "Tries every order of the steps of a small scenario and says whether the "
		       "invariants hold, or shows a shortest way to break one.",
		       entries))
		goto out;
	if (argc != 2)
		cmd_fail(code, "explore", "operands, expected one FILE, found %d", argc - 1);
	else if (check(&o) == CMD_OK)
		code = read_and_run(argv[1], &o);
out:
	g_free(o.policy);
	g_free(o.scenario);
	g_free(o.inject);
	g_free(o.geom);
	g_free(o.invariants);
	g_free(o.output);
	return code;
}
