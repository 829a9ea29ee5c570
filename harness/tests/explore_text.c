/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/explore_text.h"

#include <string.h>

#include <check.h>

void text_explore_init(struct text_explore *t, const char *text)
{
	const struct record_scenario *scen;
	GError *error = NULL;

	*t = (struct text_explore){ .file = record_parse(text, strlen(text), "test.scn", &error) };
	ck_assert_msg(t->file != NULL, "%s", error ? error->message : "");
	scen = g_ptr_array_index(t->file->scenarios, 0);
	t->scenario = scen->header.u.scenario;
	t->lines = g_ptr_array_new();
	for (guint i = 0; i < scen->steps->len; i++)
		g_ptr_array_add(t->lines,
				&((struct record_step *)g_ptr_array_index(scen->steps, i))->input);
	t->cfg = (struct explore_cfg){ .scenario = &t->scenario,
				       .lines = t->lines,
				       .policy = t->scenario.policy,
				       .jobs = 1 };
}

void text_explore_fini(struct text_explore *t)
{
	g_ptr_array_unref(t->lines);
	record_free(t->file);
}

struct explore_result *text_explore_run(const struct text_explore *t)
{
	GError *error = NULL;
	struct explore_result *r = explore(&t->cfg, &error);

	ck_assert_msg(r != NULL, "%s", error ? error->message : "");
	return r;
}
