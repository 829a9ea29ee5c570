/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim explore: every order of the steps of small scenarios.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/cmd.h"
#include "harness/explore_matrix.h"
#include "harness/explore_one.h"
#include "harness/output.h"
#include "harness/replay.h"

struct options {
	char *policy, *scenario, *output, *inject, *invariants, *geom;
	int max_states, max_depth, jobs;
	int tables, slots, words, tlb, pml;
	gboolean json, lints, matrix, reduce, depth_first, keep_going, no_progress, no_shrink;
	uint64_t mask;
	struct explore_files files;
};

/* One line on a terminal, over and over. */
static void tick(void *arg, uint64_t states, uint64_t waiting)
{
	(void)arg;
	fprintf(stderr, "\r%" G_GUINT64_FORMAT " states, %" G_GUINT64_FORMAT " wait\033[K", states,
		waiting);
}

static bool parse_invariants(struct options *o)
{
	g_autofree char *bad = NULL;

	if (!o->invariants || expect_invariants(o->invariants, &o->mask, &bad))
		return true;
	cmd_fail(CMD_USAGE, "explore",
		 "--invariants, expected names that 's2sim list invariants' prints, found '%s'",
		 bad);
	return false;
}

static struct setup_scope scope_of(const struct options *o)
{
	return (struct setup_scope){ .tables = (uint32_t)o->tables,
				     .slots = (uint32_t)o->slots,
				     .words = (uint32_t)o->words,
				     .tlb = (uint32_t)o->tlb,
				     .pml = (uint32_t)o->pml };
}

/* What the user said. */
static struct explore_cfg cfg_of(const struct options *o)
{
	return (struct explore_cfg){ .scope = scope_of(o),
				     .max_states = (uint64_t)o->max_states,
				     .max_depth = (uint32_t)o->max_depth,
				     .jobs = (unsigned int)o->jobs,
				     .depth_first = o->depth_first,
				     .keep_going = o->keep_going,
				     .no_progress = o->no_progress,
				     .reduce = o->reduce,
				     .lints = o->lints,
				     .invariants = o->mask ? &o->mask : NULL,
				     .tick = isatty(STDERR_FILENO) ? tick : NULL };
}

/* Where results are collected: one of the two. */
struct sink {
	struct explore_report *report;
	struct explore_matrix *matrix;
	unsigned int n; /* scenarios */
};

/* Explores one scenario and appends its report. */
static enum cmd_exit run_one(struct explore_one *one, struct options *o, struct sink *out,
			     char **unmet, GError **error)
{
	enum cmd_exit code;

	one->files = &o->files;
	one->shrink = !o->no_shrink;
	if (o->inject)
		g_strlcpy(one->scenario.inject, o->inject, sizeof(one->scenario.inject));
	if (o->geom)
		g_strlcpy(one->scenario.geom, o->geom, sizeof(one->scenario.geom));
	if (out->matrix)
		code = explore_matrix_add(out->matrix, &one->cfg, error) ? CMD_OK : CMD_USAGE;
	else
		code = explore_one_run(one, out->report, unmet, error);
	if (one->cfg.tick)
		fprintf(stderr, "\r\033[K");
	return code;
}

static enum cmd_exit run_scenario(const struct replay *r, const struct record_scenario *scen,
				  struct options *o, struct sink *out)
{
	struct explore_cfg cfg = cfg_of(o);
	g_autofree char *unmet = NULL;
	g_autoptr(GError) error = NULL;
	enum cmd_exit code = CMD_USAGE;
	struct explore_one one;

	out->n++;
	cfg.policy = replay_policy(r, scen);
	if (explore_one_init(&one, &cfg, scen, &error))
		code = run_one(&one, o, out, &unmet, &error);
	if (error || unmet)
		cmd_fail(code, "explore", "%s:%u: scenario '%s': %s", r->file->name,
			 scen->header.line, scen->header.u.scenario.name,
			 error ? error->message : unmet);
	explore_one_fini(&one);
	return code;
}

static enum cmd_exit run_file(const struct replay *r, struct options *o, struct sink *out)
{
	enum cmd_exit code = CMD_OK;
	unsigned int before = out->n;

	for (guint i = 0; i < r->file->scenarios->len && code <= CMD_FINDING; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);

		enum cmd_exit one = CMD_OK;

		if (o->scenario ? strcmp(o->scenario, scen->header.u.scenario.name) == 0
				: replay_applies(r, scen))
			one = run_scenario(r, scen, o, out);
		code = MAX(code, one);
	}
	if (out->n > before || code > CMD_FINDING)
		return code;
	return cmd_fail(CMD_USAGE, "explore", "%s: expected a scenario%s%s for '%s', found none",
			r->file->name, o->scenario ? " named " : "", o->scenario ? o->scenario : "",
			r->policy);
}

static enum cmd_exit read_and_run(const char *path, struct options *o, struct sink *out)
{
	g_autoptr(GError) error = NULL;
	struct record *file = record_read(path, &error);
	enum cmd_exit code = CMD_USAGE;
	struct replay r;

	if (!file)
		return cmd_fail(code, "explore", "%s", error->message);
	if (replay_init(&r, file, o->policy, &error)) {
		code = run_file(&r, o, out);
		replay_fini(&r);
	} else {
		cmd_fail(code, "explore", "%s", error->message);
	}
	record_free(file);
	return code;
}

/* All files, then what was found. */
static enum cmd_exit run(char **paths, int n, struct options *o)
{
	struct sink out = { .report = explore_report_new(o->json, !o->files.story),
			    .matrix = o->matrix ? explore_matrix_new() : NULL };
	g_autoptr(GString) table = g_string_new(NULL);
	g_autoptr(GString) text = NULL;
	g_autoptr(GError) error = NULL;
	enum cmd_exit code = CMD_OK;

	for (int i = 0; i < n && code <= CMD_FINDING; i++) {
		enum cmd_exit one = read_and_run(paths[i], o, &out);

		code = MAX(code, one);
	}
	text = explore_report_end(out.report);
	if (out.matrix && explore_matrix_print(out.matrix, table))
		code = MAX(code, CMD_FINDING);
	explore_matrix_free(out.matrix);
	if (code <= CMD_FINDING && !output_write(o->output, o->matrix ? table : text, &error))
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

static void options_fini(struct options *o)
{
	g_free(o->policy);
	g_free(o->scenario);
	g_free(o->inject);
	g_free(o->geom);
	g_free(o->invariants);
	g_free(o->output);
	g_free(o->files.story);
	g_free(o->files.svg);
	g_free(o->files.repro);
	g_free(o->files.trace);
}

/* NOLINTNEXTLINE(readability-function-size): a table of options */
static bool parse(int *argc, char ***argv, struct options *o)
{
	const GOptionEntry entries[] = {
		{ "policy", 'p', 0, G_OPTION_ARG_STRING, &o->policy,
		  "Policy line; default: the scenario's", "P" },
		{ "scenario", 's', 0, G_OPTION_ARG_STRING, &o->scenario, "Explore only this one",
		  "NAME" },
		{ "inject", 'i', 0, G_OPTION_ARG_STRING, &o->inject,
		  "Break a rule: one of 's2sim list injections'", "NAME" },
		{ "geom", 'g', 0, G_OPTION_ARG_STRING, &o->geom,
		  "Small granule, such as ept-1x3: index bits and levels", "G" },
		{ "invariants", 0, 0, G_OPTION_ARG_STRING, &o->invariants,
		  "Ask about these only; default: all", "A,B" },
		{ "jobs", 'j', 0, G_OPTION_ARG_INT, &o->jobs, "Threads; the answer is the same",
		  "N" },
		{ "depth-first", 0, 0, G_OPTION_ARG_NONE, &o->depth_first,
		  "Depth first: less memory, longer counterexamples", NULL },
		{ "keep-going", 'k', 0, G_OPTION_ARG_NONE, &o->keep_going,
		  "Go on after a violation, and show the first of each invariant", NULL },
		{ "no-progress", 0, 0, G_OPTION_ARG_NONE, &o->no_progress,
		  "Do not look for endless retries, which takes memory", NULL },
		{ "lints", 0, 0, G_OPTION_ARG_NONE, &o->lints,
		  "Count work that was not needed, such as flushes of nothing", NULL },
		{ "reduce", 0, 0, G_OPTION_ARG_NONE, &o->reduce,
		  "Partial-order reduction: quiet steps are not interleaved; no search for endless "
		  "retries",
		  NULL },
		{ "max-states", 0, 0, G_OPTION_ARG_INT, &o->max_states, "Stop after so many", "N" },
		{ "max-depth", 0, 0, G_OPTION_ARG_INT, &o->max_depth, "Stop at so many moves",
		  "N" },
		{ "tables", 0, 0, G_OPTION_ARG_INT, &o->tables, "Room for table pages; 24", "N" },
		{ "slots", 0, 0, G_OPTION_ARG_INT, &o->slots, "Room for memslots; 4", "N" },
		{ "words", 0, 0, G_OPTION_ARG_INT, &o->words, "Room for bitmaps, in words; 32",
		  "N" },
		{ "tlb", 0, 0, G_OPTION_ARG_INT, &o->tlb, "Room in a vCPU's TLB; 24", "N" },
		{ "pml", 0, 0, G_OPTION_ARG_INT, &o->pml, "Entries of a PML buffer; 4", "N" },
		{ "story", 0, 0, G_OPTION_ARG_FILENAME, &o->files.story,
		  "Write the first counterexample there as a table, and not into the report",
		  "FILE" },
		{ "svg", 0, 0, G_OPTION_ARG_FILENAME, &o->files.svg, "... as a sequence diagram",
		  "FILE" },
		{ "repro", 0, 0, G_OPTION_ARG_FILENAME, &o->files.repro,
		  "... as a C program for a real KVM", "FILE.c" },
		{ "trace", 0, 0, G_OPTION_ARG_FILENAME, &o->files.trace,
		  "... as a scenario with a schedule, for 's2sim replay'", "FILE.scn" },
		{ "no-shrink", 0, 0, G_OPTION_ARG_NONE, &o->no_shrink,
		  "Show the counterexample as it was found, not in a smaller scenario", NULL },
		{ "matrix", 0, 0, G_OPTION_ARG_NONE, &o->matrix,
		  "Explore with each injection, and print which invariant notices which", NULL },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o->json, "As JSON", NULL },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output, "Write there, not to stdout",
		  "OUT" },
		G_OPTION_ENTRY_NULL
	};

	return cmd_parse(argc, argv, "FILE...",
			 "Tries every order of the steps of a small scenario and says whether the "
			 "invariants hold, or shows a shortest way to break one.",
			 entries);
}

enum cmd_exit cmd_explore(int argc, char **argv)
{
	struct options o = { .jobs = 1 };
	enum cmd_exit code = CMD_USAGE;

	if (!parse(&argc, &argv, &o))
		goto out;
	if (argc < 2)
		cmd_fail(code, "explore", "operands, expected at least one FILE, found none");
	else if (check(&o) == CMD_OK)
		code = run(argv + 1, argc - 1, &o);
out:
	options_fini(&o);
	return code;
}
