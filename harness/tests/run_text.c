/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/run_text.h"

#include <string.h>

#include <check.h>

static struct record *read_text(const char *text, struct define *defs)
{
	GError *error = NULL;
	struct record *file;
	GString *expanded;

	if (g_str_has_suffix(text, ".scn")) {
		file = record_read_with(text, defs, &error);
	} else {
		expanded = define_expand("text", text, strlen(text), defs, &error);
		ck_assert_msg(expanded != NULL, "%s", error ? error->message : "");
		file = record_parse(expanded->str, expanded->len, "text", &error);
		g_string_free(expanded, TRUE);
	}
	ck_assert_msg(file != NULL, "%s", error ? error->message : "");
	return file;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): all named at each call */
void text_run_init(struct text_run *r, const char *text, const char *scenario, const char *policy,
		   const char *profile, struct define *defs)
{
	const struct record_scenario *scen;
	GError *error = NULL;

	memset(r, 0, sizeof(*r));
	r->file = read_text(text, defs);
	ck_assert_msg(replay_init(&r->replay, r->file, policy, &error), "%s",
		      error ? error->message : "");
	scen = scenario ? record_find(r->file, scenario) : g_ptr_array_index(r->file->scenarios, 0);
	ck_assert_ptr_nonnull(scen);
	ck_assert_msg(profile_find(profile, &r->profile, &error), "%s",
		      error ? error->message : "");
	r->lines = g_ptr_array_new();
	for (guint i = 0; i < scen->steps->len; i++) {
		struct record_step *step = g_ptr_array_index(scen->steps, i);

		g_ptr_array_add(r->lines, &step->input);
	}
	r->cfg = (struct timed_cfg){
		.scenario = &scen->header.u.scenario,
		.policy = replay_policy(&r->replay, scen),
		.profile = &r->profile,
		.lines = (const struct lang_line *const *)r->lines->pdata,
		.nr_lines = r->lines->len,
	};
	r->config = (struct run_config){ .file = "text",
					 .scenario = r->cfg.scenario->name,
					 .policy = r->cfg.policy,
					 .profile = profile,
					 .recorded = true,
					 .vcpus = r->cfg.scenario->vcpus };
}

char *text_run_error(struct text_run *r)
{
	GError *error = NULL;
	char *text;

	r->timed = timed_new(&r->cfg, &error);
	if (r->timed && timed_run(r->timed, &error)) {
		timed_end(r->timed);
		r->result = run_result_new(r->timed, &r->config);
		return NULL;
	}
	text = g_strdup(error->message);
	g_error_free(error);
	return text;
}

void text_run(struct text_run *r)
{
	char *text = text_run_error(r);

	ck_assert_msg(text == NULL, "%s", text ? text : "");
}

void text_run_fini(struct text_run *r)
{
	run_result_free(r->result);
	timed_free(r->timed);
	g_ptr_array_unref(r->lines);
	replay_fini(&r->replay);
	record_free(r->file);
}

static const struct run_part *part_of(const struct text_run *r, const char *phase)
{
	for (guint i = 0; phase && i < r->result->phases->len; i++) {
		const struct run_part *p = g_ptr_array_index(r->result->phases, i);

		if (strcmp(p->name, phase) == 0)
			return p;
	}
	ck_assert_msg(phase == NULL, "no phase '%s'", phase);
	return r->result->total;
}

uint64_t text_run_time(const struct text_run *r, const char *phase)
{
	const struct run_part *p = part_of(r, phase);

	return p->end_ps - p->start_ps;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the phase, then the name in it */
uint64_t text_run_stat(const struct text_run *r, const char *phase, const char *name)
{
	const struct run_part *p = part_of(r, phase);

	for (guint i = 0; i < p->stats->len; i++) {
		const struct run_stat *s = &g_array_index(p->stats, struct run_stat, i);

		if (strcmp(s->name, name) == 0)
			return s->value;
	}
	ck_abort_msg("no number '%s'", name);
	return 0;
}

char *text_run_dump(const struct text_run *r)
{
	GString *out = g_string_new(NULL);

	run_csv(r->result, out);
	run_print(r->result, out);
	return g_string_free(out, FALSE);
}
