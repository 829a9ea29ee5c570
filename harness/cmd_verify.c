/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim verify: what was said of userfault and of memslots' code, decided.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/claims.h"
#include "harness/cmd.h"
#include "harness/explore.h"
#include "harness/output.h"
#include "model/inject.h"

struct options {
	char *ledger, *inject, *output, *report;
	int jobs;
	gboolean all, json;
	struct ledger *rows;
};

/* The rows that were asked for: ids, or beginnings of ids; NULL after a message. */
static GPtrArray *choose(const struct options *o, char **ids, int n)
{
	GPtrArray *chosen = g_ptr_array_new();

	for (guint k = 0; k < o->rows->claims->len && o->all; k++)
		g_ptr_array_add(chosen, g_ptr_array_index(o->rows->claims, k));
	for (int i = 0; i < n; i++) {
		guint before = chosen->len;

		for (guint k = 0; k < o->rows->claims->len; k++) {
			struct claim *c = g_ptr_array_index(o->rows->claims, k);

			if (strcmp(c->id, ids[i]) == 0 ||
			    (!strchr(ids[i], '-') && g_str_has_prefix(c->id, ids[i])))
				g_ptr_array_add(chosen, c);
		}
		if (chosen->len > before)
			continue;
		cmd_fail(CMD_USAGE, "verify",
			 "operands, expected claims such as T0-01 or T0, found '%s'", ids[i]);
		g_ptr_array_unref(chosen);
		return NULL;
	}
	return chosen;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): parts of a path, then what goes there */
static bool write_part(const char *dir, const char *stem, const char *suffix, const char *text,
		       GError **error)
{
	g_autofree char *name = g_strconcat(stem, suffix, NULL);
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autoptr(GString) s = g_string_new(text);

	return !text || output_write(path, s, error);
}

/* Counterexamples as files: CLAIM-N with .svg, .txt and .scn. */
static bool write_stories(const struct decision *d, const char *dir, GError **error)
{
	unsigned int n = 0;

	for (guint i = 0; i < d->evidence->len; i++) {
		struct evidence *e = g_ptr_array_index(d->evidence, i);
		g_autofree char *stem = NULL;

		if (!e->story)
			continue;
		stem = g_strdup_printf("%s-%u", d->claim->id, ++n);
		e->path = g_strconcat(stem, e->story->trace ? ".scn" : ".txt", NULL);
		if (!write_part(dir, stem, ".txt", e->story->table, error) ||
		    !write_part(dir, stem, ".svg", e->story->svg, error) ||
		    !write_part(dir, stem, ".scn", e->story->trace, error))
			return false;
	}
	return true;
}

static void free_decision(void *d)
{
	decision_free(d);
}

/* Decides the rows one by one; false after an error. */
static bool decide_all(const struct options *o, const GPtrArray *chosen, GPtrArray *decisions,
		       GError **error)
{
	struct decide_cfg cfg = { .inject = o->inject,
				  .jobs = (unsigned int)o->jobs,
				  .stories = o->report || (chosen->len == 1 && !o->json) };

	for (guint i = 0; i < chosen->len; i++) {
		const struct claim *c = g_ptr_array_index(chosen, i);
		struct decision *d;

		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%s\033[K", c->id);
		d = decide(o->rows, c, &cfg, error);
		if (!d)
			return false;
		g_ptr_array_add(decisions, d);
		if (o->report && !write_stories(d, o->report, error))
			return false;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return true;
}

/* The page, and the rows in prose. */
static bool write_report(const struct options *o, const GPtrArray *decisions, GError **error)
{
	g_autoptr(GString) html = g_string_new(NULL), text = g_string_new(NULL);

	claims_print_html(decisions, html);
	for (guint i = 0; i < decisions->len; i++) {
		claims_print_row(g_ptr_array_index(decisions, i), false, text);
		g_string_append_c(text, '\n');
	}
	claims_print_sum(decisions, text);
	return write_part(o->report, "index", ".html", html->str, error) &&
	       write_part(o->report, "index", ".txt", text->str, error);
}

static enum cmd_exit print(const struct options *o, const GPtrArray *decisions, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	enum cmd_exit code = CMD_OK;

	for (guint i = 0; i < decisions->len; i++) {
		const struct decision *d = g_ptr_array_index(decisions, i);

		if (decision_expected(d) == EXPECT_NOT_MET)
			code = CMD_FINDING;
		if (!o->json && decisions->len == 1)
			claims_print_row(d, true, out);
		else if (!o->json)
			claims_print_line(d, out);
	}
	if (o->json)
		claims_print_json(decisions, out);
	else if (decisions->len > 1)
		claims_print_sum(decisions, out);
	if (o->report && !write_report(o, decisions, error))
		return CMD_USAGE;
	return output_write(o->output, out, error) ? code : CMD_USAGE;
}

static bool check(const struct options *o, int n)
{
	struct rules x86, arm;

	if (o->jobs < 1 || o->jobs > EXPLORE_JOBS_MAX)
		cmd_fail(CMD_USAGE, "verify", "--jobs, expected a number from 1 to %d, found %d",
			 EXPLORE_JOBS_MAX, o->jobs);
	else if ((n == 0) == !o->all)
		cmd_fail(CMD_USAGE, "verify",
			 "operands, expected claims such as T0-01 or T0, or --all, found %s",
			 n ? "both" : "none");
	else if (o->inject && policy_parse("x86-6.12", &x86, NULL) &&
		 policy_parse("arm64-6.12", &arm, NULL) &&
		 !policy_set_injection(&x86, o->inject, NULL) &&
		 !policy_set_injection(&arm, o->inject, NULL))
		cmd_fail(CMD_USAGE, "verify",
			 "--inject, expected one of 's2sim list injections', found '%s'",
			 o->inject);
	else
		return true;
	return false;
}

static enum cmd_exit run(struct options *o, char **ids, int n)
{
	g_autoptr(GPtrArray) decisions = g_ptr_array_new_with_free_func(free_decision);
	g_autoptr(GPtrArray) chosen = NULL;
	g_autoptr(GError) error = NULL;
	enum cmd_exit code = CMD_USAGE;

	if (!check(o, n))
		return code;
	o->rows = o->ledger ? ledger_read(o->ledger, &error) : ledger_builtin(&error);
	if (o->rows) {
		chosen = choose(o, ids, n);
		if (!chosen)
			return code;
		if (decide_all(o, chosen, decisions, &error))
			code = print(o, decisions, &error);
	}
	if (error)
		cmd_fail(code, "verify", "%s", error->message);
	return code;
}

enum cmd_exit cmd_verify(int argc, char **argv)
{
	struct options o = { .jobs = 1 };
	enum cmd_exit code = CMD_USAGE;
	const GOptionEntry entries[] = {
		{ "all", 'a', 0, G_OPTION_ARG_NONE, &o.all, "All claims of the ledger", NULL },
		{ "ledger", 'l', 0, G_OPTION_ARG_FILENAME, &o.ledger,
		  "Directory with .yaml and .scn files; default: the project's own ledger", "DIR" },
		{ "inject", 'i', 0, G_OPTION_ARG_STRING, &o.inject,
		  "Break a rule in every run: verdicts should change", "NAME" },
		{ "jobs", 'j', 0, G_OPTION_ARG_INT, &o.jobs, "Threads; the answers are the same",
		  "N" },
		{ "report", 0, 0, G_OPTION_ARG_FILENAME, &o.report,
		  "Write a page there, and counterexamples: tables, diagrams, scenarios that "
		  "replay",
		  "DIR" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "As JSON", NULL },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o.output, "Write there, not to stdout",
		  "OUT" },
		G_OPTION_ENTRY_NULL
	};

	if (cmd_parse(&argc, &argv, "[CLAIM...]",
		      "Decides what was claimed in review threads, by running it. One claim is "
		      "told in prose, "
		      "several are a line each. Exit code 1 if a verdict is not what the ledger "
		      "expects.",
		      entries))
		code = run(&o, argv + 1, argc - 1);
	ledger_free(o.rows);
	g_free(o.ledger);
	g_free(o.inject);
	g_free(o.output);
	g_free(o.report);
	return code;
}
