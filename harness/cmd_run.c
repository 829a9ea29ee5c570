/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim run: a scenario in simulated time.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/access_trace.h"
#include "harness/cmd.h"
#include "harness/output.h"
#include "harness/profile.h"
#include "harness/replay.h"
#include "harness/run_stats.h"
#include "harness/run_watch.h"

struct options {
	char *policy, *scenario, *profile, *seed, *quantum, *sample;
	char *output, *csv, *db, *timeline, *heat;
	char **define;
	gboolean json, no_run_ahead, quiet;
};

/* One run of one scenario, and what it needs. */
struct job {
	const struct options *o;
	struct replay *replay;
	const struct record_scenario *scen;
	struct cost_profile profile;
	struct access_traces *traces;
	GPtrArray *lines; /* of const struct lang_line * */
	struct run_watch watch;
	uint64_t seed, quantum_ps, sample_ps;
};

static const struct access_file *open_trace(void *arg, const char *name, GError **error)
{
	struct job *j = arg;

	return access_traces_get(j->traces, name, error);
}

static void on_span(void *arg, uint32_t actor, enum timed_state state, uint64_t from, uint64_t to)
{
	watch_span(&((struct job *)arg)->watch, actor, state, from, to);
}

static void on_sample(void *arg, const struct timed *t, uint64_t now)
{
	watch_heat(&((struct job *)arg)->watch, t, now);
}

static void on_progress(void *arg, uint64_t now, unsigned int permille)
{
	watch_progress(&((struct job *)arg)->watch, now, permille);
}

/* The scenarios of the file that its policy can run: the one that was named, or the only one. */
static const struct record_scenario *choose(const struct replay *r, const struct options *o,
					    GError **error)
{
	const struct record_scenario *found = NULL;
	g_autoptr(GString) names = g_string_new(NULL);
	unsigned int n = 0;

	for (guint i = 0; i < r->file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);
		const char *name = scen->header.u.scenario.name;

		if (!replay_applies(r, scen) || (o->scenario && strcmp(o->scenario, name) != 0))
			continue;
		g_string_append_printf(names, " %s", name);
		found = scen;
		n++;
	}
	if (n == 1)
		return found;
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "%s: expected --scenario with one that is for policy '%s', found %s%s",
		    r->file->name, r->policy,
		    n             ? "several:"
		    : o->scenario ? o->scenario
				  : "none",
		    n ? names->str : "");
	return NULL;
}

static bool parse_time_option(const char *option, const char *text, uint64_t *ps, GError **error)
{
	*ps = 0;
	if (!text || lang_parse_time(text, ps))
		return true;
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "%s, expected a duration such as 10us, found '%s'", option, text);
	return false;
}

static bool parse_numbers(struct job *j, GError **error)
{
	const struct options *o = j->o;

	if (o->seed && !lang_parse_u64(o->seed, &j->seed)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--seed, expected a number, found '%s'", o->seed);
		return false;
	}
	if (!parse_time_option("--quantum", o->quantum, &j->quantum_ps, error) ||
	    !parse_time_option("--sample", o->sample, &j->sample_ps, error))
		return false;
	if ((o->heat != NULL) == (j->sample_ps != 0))
		return true;
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "--heat and --sample, expected both, with a time above 0, or neither");
	return false;
}

/* The machine that the policy speaks of, unless the user or the scenario names one. */
static bool find_profile(struct job *j, GError **error)
{
	const char *name = j->o->profile;
	struct rules rules;

	if (name && (strchr(name, '/') || g_str_has_suffix(name, ".yaml")))
		return profile_load_file(name, &j->profile, error);
	if (!policy_parse(replay_policy(j->replay, j->scen), &rules, error))
		return false;
	if (!name)
		name = profile_default(&rules);
	return profile_find(name, &j->profile, error);
}

static struct timed *new_run(struct job *j, uint64_t quantum_ps, bool watched, GError **error)
{
	struct kvm_params params = replay_params(j->replay);
	struct timed_cfg cfg = {
		.scenario = &j->scen->header.u.scenario,
		.policy = replay_policy(j->replay, j->scen),
		.params = &params,
		.profile = &j->profile,
		.lines = (const struct lang_line *const *)j->lines->pdata,
		.nr_lines = j->lines->len,
		.seed = j->seed,
		.quantum_ps = quantum_ps,
		.no_run_ahead = j->o->no_run_ahead,
		.file = open_trace,
		.watch = watched && j->watch.spans ? on_span : NULL,
		.sample_ps = watched ? j->sample_ps : 0,
		.sample = on_sample,
		.progress = on_progress,
		.arg = j,
	};

	return timed_new(&cfg, error);
}

/* The exact run beside one with a quantum: by how much a phase's time differs at most. */
static bool compare_exact(struct job *j, struct run_result *r, GError **error)
{
	struct timed *t;
	bool ok;

	/* one simulation at a time: the first one's results were read */
	t = new_run(j, 0, false, error);
	if (!t)
		return false;
	ok = timed_run(t, error);
	for (guint i = 0; ok && i < r->phases->len; i++) {
		const struct run_part *p = g_ptr_array_index(r->phases, i);
		const struct timed_phase *x =
			&g_array_index(timed_phases(t), struct timed_phase, i);
		double exact = (double)(x->end_ps - x->start_ps);
		double percent =
			exact > 0 ? ((double)(p->end_ps - p->start_ps) - exact) * 100 / exact : 0;

		if (percent < 0)
			percent = -percent;
		if (i > 0 && percent <= r->difference.max_percent)
			continue;
		r->difference.max_percent = percent;
		g_strlcpy(r->difference.phase, p->name, sizeof(r->difference.phase));
	}
	r->difference.known = ok;
	r->difference.exact_ps = timed_now(t);
	timed_free(t);
	return ok;
}

static bool write_text(const char *path, GString *text, GError **error)
{
	return !path || output_write(path, text, error);
}

static bool write_results(struct job *j, const struct run_result *r, GError **error)
{
	const struct options *o = j->o;
	g_autoptr(GString) report = g_string_new(NULL), csv = g_string_new(NULL);
	g_autoptr(GString) timeline = g_string_new(NULL);

	if (o->json)
		run_json(r, report);
	else
		run_print(r, report);
	if (o->csv)
		run_csv(r, csv);
	if (o->timeline)
		watch_timeline(&j->watch, timed_vm(r->timed), timeline);
	if (j->watch.full)
		fprintf(stderr,
			"s2sim run: %s: more intervals than are kept, the end of the run is "
			"not in it\n",
			o->timeline);
	return write_text(o->csv, csv, error) && write_text(o->timeline, timeline, error) &&
	       (!o->heat || write_text(o->heat, j->watch.heat, error)) &&
	       (!o->db || run_db(r, o->db, error)) && output_write(o->output, report, error);
}

static enum cmd_exit fail_run(const GError *error, const struct job *j)
{
	bool finding = error->domain == TIMED_ERROR && error->code == TIMED_ERROR_DEADLOCK;

	return cmd_fail(finding ? CMD_FINDING : CMD_USAGE, "run", "%s: %s", j->replay->file->name,
			error->message);
}

static enum cmd_exit run(struct job *j)
{
	struct run_config config = {
		.file = j->replay->file->name,
		.scenario = j->scen->header.u.scenario.name,
		.policy = replay_policy(j->replay, j->scen),
		.profile = j->profile.name,
		.seed = j->seed,
		.quantum_ps = j->quantum_ps,
		.vcpus = j->scen->header.u.scenario.vcpus,
	};
	g_autoptr(GError) error = NULL;
	struct timed *t = new_run(j, j->quantum_ps, true, &error);
	struct run_result *r;
	struct rules rules;
	bool ok;

	if (!t)
		return fail_run(error, j);
	ok = timed_run(t, &error);
	watch_end(&j->watch);
	if (!ok) {
		timed_free(t);
		return fail_run(error, j);
	}
	config.recorded = policy_parse(config.policy, &rules, NULL) && !rules.unrecorded;
	r = run_result_new(t, &config);
	timed_end(t);
	ok = (!j->quantum_ps || compare_exact(j, r, &error)) && write_results(j, r, &error);
	run_result_free(r);
	timed_free(t);
	return ok ? CMD_OK : cmd_fail(CMD_USAGE, "run", "%s", error->message);
}

static void collect_lines(struct job *j)
{
	j->lines = g_ptr_array_new();
	for (guint i = 0; i < j->scen->steps->len; i++) {
		struct record_step *step = g_ptr_array_index(j->scen->steps, i);

		g_ptr_array_add(j->lines, &step->input);
	}
}

static void set_watch(struct job *j)
{
	if (j->o->timeline)
		j->watch.spans = g_array_new(FALSE, FALSE, sizeof(struct watch_span));
	if (j->o->heat)
		j->watch.heat = g_string_new(NULL);
	if (!j->o->quiet && isatty(STDERR_FILENO))
		j->watch.started = g_get_monotonic_time();
}

static void job_fini(struct job *j)
{
	g_clear_pointer(&j->lines, g_ptr_array_unref);
	g_clear_pointer(&j->watch.spans, g_array_unref);
	if (j->watch.heat)
		g_string_free(j->watch.heat, TRUE);
	access_traces_free(j->traces);
}

static enum cmd_exit run_file(const struct record *file, const struct options *o)
{
	struct replay replay;
	struct job j = { .o = o, .replay = &replay };
	g_autoptr(GError) error = NULL;
	enum cmd_exit code;

	if (!replay_init(&replay, file, o->policy, &error))
		return cmd_fail(CMD_USAGE, "run", "%s", error->message);
	j.scen = choose(&replay, o, &error);
	j.traces = access_traces_new();
	if (!j.scen || !parse_numbers(&j, &error) || !find_profile(&j, &error)) {
		code = cmd_fail(CMD_USAGE, "run", "%s", error->message);
	} else {
		collect_lines(&j);
		set_watch(&j);
		code = run(&j);
	}
	job_fini(&j);
	replay_fini(&replay);
	return code;
}

/* NAME=VALUE of each -D; the strings are cut in place. */
static bool parse_defines(char **words, GArray *defs, GError **error)
{
	for (char **w = words; w && *w; w++) {
		char *eq = strchr(*w, '=');
		struct define d = { .name = *w };

		if (!eq || eq == *w) {
			g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
				    "-D, expected NAME=VALUE, found '%s'", *w);
			return false;
		}
		*eq = '\0';
		d.value = eq + 1;
		g_array_append_val(defs, d);
	}
	return true;
}

static bool all_used(const struct define *defs, const char *path, GError **error)
{
	for (; defs->name; defs++) {
		if (defs->used)
			continue;
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "-D, expected a name that %s has as ${NAME}, found '%s'", path,
			    defs->name);
		return false;
	}
	return true;
}

static enum cmd_exit read_and_run(const char *path, const struct options *o)
{
	g_autoptr(GArray) array = g_array_new(TRUE, TRUE, sizeof(struct define));
	g_autoptr(GError) error = NULL;
	struct record *file = NULL;
	enum cmd_exit code = CMD_USAGE;

	if (parse_defines(o->define, array, &error))
		file = record_read_with(path, (struct define *)(void *)array->data, &error);
	if (!file || !all_used((struct define *)(void *)array->data, path, &error))
		cmd_fail(code, "run", "%s", error->message);
	else
		code = run_file(file, o);
	record_free(file);
	return code;
}

/* clang-format off */
#define TEXT(name, letter, member, help, word) \
	{ name, letter, 0, G_OPTION_ARG_STRING, &o.member, help, word }
#define PATH(name, letter, member, help) \
	{ name, letter, 0, G_OPTION_ARG_FILENAME, &o.member, help, "OUT" }
#define FLAG(name, letter, member, help) \
	{ name, letter, 0, G_OPTION_ARG_NONE, &o.member, help, NULL }
/* clang-format on */

enum cmd_exit cmd_run(int argc, char **argv)
{
	struct options o = { .policy = NULL };
	const GOptionEntry entries[] = {
		TEXT("policy", 'p', policy, "Policy line; default: the scenario's", "P"),
		TEXT("scenario", 's', scenario, "Which one, if the file has several", "NAME"),
		TEXT("profile", 0, profile,
		     "Cost profile: a name of 's2sim list profiles', or a .yaml file", "PROFILE"),
		{ "define", 'D', 0, G_OPTION_ARG_STRING_ARRAY, &o.define,
		  "What stands for ${NAME} in the file; may be repeated", "NAME=VALUE" },
		TEXT("seed", 0, seed, "Of the access patterns; default 0", "N"),
		FLAG("json", 0, json, "Print one JSON document instead of the table"),
		PATH("output", 'o', output, "Write there, not to stdout"),
		PATH("csv", 0, csv, "Write every number: phase, name, value, unit"),
		PATH("db", 0, db, "Add the run to this SQLite file"),
		PATH("timeline", 0, timeline, "Write who did what when, as CSV"),
		PATH("heat", 0, heat, "Write the page sizes of guest memory over time, as CSV"),
		TEXT("sample", 0, sample, "Time between two samples of --heat", "TIME"),
		TEXT("quantum", 0, quantum,
		     "Let vCPUs run ahead so long, which is not exact; the report tells the "
		     "difference",
		     "TIME"),
		FLAG("no-run-ahead", 0, no_run_ahead, "One event an access: slow, the same result"),
		FLAG("quiet", 'q', quiet, "No progress on a terminal"),
		G_OPTION_ENTRY_NULL
	};
	enum cmd_exit code = CMD_USAGE;

	if (cmd_parse(&argc, &argv, "FILE",
		      "Runs a scenario in simulated time and reports what it costs.", entries)) {
		if (argc == 2)
			code = read_and_run(argv[1], &o);
		else
			cmd_fail(code, "run", "operands, expected one FILE, found %d", argc - 1);
	}
	for (size_t i = 0; i + 1 < G_N_ELEMENTS(entries); i++)
		if (entries[i].arg == G_OPTION_ARG_STRING ||
		    entries[i].arg == G_OPTION_ARG_FILENAME)
			g_free(*(char **)entries[i].arg_data);
	g_strfreev(o.define);
	return code;
}
