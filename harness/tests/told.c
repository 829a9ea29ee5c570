/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/told.h"

#include <string.h>

#include <check.h>

#include "harness/expect.h"

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a file's text, then a line */
void told_init(struct told *t, const char *text, const char *policy)
{
	GError *error = NULL;

	*t = (struct told){ .file = record_parse(text, strlen(text), "test.scn", &error) };
	ck_assert_msg(t->file != NULL, "%s", error ? error->message : "");
	t->scen = g_ptr_array_index(t->file->scenarios, 0);
	t->scenario = t->scen->header.u.scenario;
	t->lines = expect_lines(t->scen);
	t->cfg = (struct explore_cfg){ .scenario = &t->scenario,
				       .lines = t->lines,
				       .policy = policy ? policy : t->scenario.policy,
				       .jobs = 1 };
}

void told_explore(struct told *t)
{
	GError *error = NULL;

	t->result = explore(&t->cfg, &error);
	ck_assert_msg(t->result != NULL, "%s", error ? error->message : "");
	ck_assert_uint_gt(t->result->findings->len, 0);
	t->f = g_ptr_array_index(t->result->findings, 0);
}

void told_fini(struct told *t)
{
	explore_result_free(t->result);
	g_ptr_array_unref(t->lines);
	record_free(t->file);
}
