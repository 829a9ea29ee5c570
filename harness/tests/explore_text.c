/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/explore_text.h"

#include <string.h>

#include <check.h>

#include "harness/expect.h"

void text_explore_init(struct text_explore *t, const char *text)
{
	GError *error = NULL;

	*t = (struct text_explore){ .file = record_parse(text, strlen(text), "test.scn", &error) };
	ck_assert_msg(t->file != NULL, "%s", error ? error->message : "");
	t->scen = g_ptr_array_index(t->file->scenarios, 0);
	t->scenario = t->scen->header.u.scenario;
	t->lines = expect_lines(t->scen);
	t->cfg = (struct explore_cfg){
		.scenario = &t->scenario, .lines = t->lines, .policy = t->scenario.policy, .jobs = 1
	};
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a file's text, then a line */
void text_explore_under(struct text_explore *t, const char *text, const char *policy)
{
	text_explore_init(t, text);
	t->cfg.policy = policy;
}

void text_explore_fini(struct text_explore *t)
{
	explore_result_free(t->result);
	g_ptr_array_unref(t->lines);
	record_free(t->file);
}

struct explore_result *text_explore_run(const struct text_explore *t)
{
	GError *error = NULL;
	struct explore_result *r = explore(&t->cfg, &error);

	ck_assert_msg(r != NULL, "%s: %s", t->cfg.policy, error ? error->message : "");
	return r;
}

void text_explore_find(struct text_explore *t)
{
	t->result = text_explore_run(t);
	ck_assert_uint_gt(t->result->findings->len, 0);
	t->f = g_ptr_array_index(t->result->findings, 0);
}
