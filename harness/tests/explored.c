/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/explored.h"

#include <string.h>

#include <check.h>

#include "harness/explore.h"
#include "traces/record.h"

/* The scenario as the explorer wants it. */
struct prepared {
	struct record *file;
	GPtrArray *lines;
	struct explore_cfg cfg;
	uint64_t mask;
};

static void prepare(struct prepared *p, const struct control *t, const char *keys)
{
	g_autofree char *text = g_strdup_printf("scenario name=t code=0 %s\n%s", keys, t->lines);
	g_autoptr(GError) error = NULL;
	struct record_scenario *scen;

	p->file = record_parse(text, strlen(text), "t", &error);
	ck_assert_msg(p->file != NULL, "%s", error ? error->message : "");
	scen = g_ptr_array_index(p->file->scenarios, 0);
	p->lines = g_ptr_array_new();
	for (guint i = 0; i < scen->steps->len; i++)
		g_ptr_array_add(p->lines,
				&((struct record_step *)g_ptr_array_index(scen->steps, i))->input);
	g_strlcpy(scen->header.u.scenario.inject, t->inject,
		  sizeof(scen->header.u.scenario.inject));
	p->mask = BIT(inv_find(t->inv));
	ck_assert_msg(inv_find(t->inv) != INV_NONE, "%s", t->inv);
	p->cfg = (struct explore_cfg){ .scenario = &scen->header.u.scenario,
				       .lines = p->lines,
				       .policy = t->policy,
				       .max_states = 200000,
				       .jobs = 1,
				       .no_progress = inv_find(t->inv) != INV_PROG,
				       .invariants = &p->mask };
}

void check_control(const struct control *t, const char *keys)
{
	g_autoptr(GError) error = NULL;
	struct explore_result *r;
	struct prepared p;
	const char *why;

	prepare(&p, t, keys);
	r = explore(&p.cfg, &error);
	ck_assert_msg(r != NULL, "%s %s: %s", t->policy, t->inject, error ? error->message : "");
	why = r->findings->len ? ((struct explore_finding *)g_ptr_array_index(r->findings, 0))->why
			       : "";
	if ((r->findings->len == 0) != t->holds || (t->holds && !r->complete))
		ck_abort_msg("%s inject=%s: expected that %s %s, found %u violations in "
			     "%" G_GUINT64_FORMAT " states%s %s:\n%s",
			     t->policy, t->inject, t->inv, t->holds ? "holds" : "is violated",
			     r->findings->len, r->states, r->complete ? "" : ", not all", why,
			     t->lines);
	explore_result_free(r);
	g_ptr_array_free(p.lines, TRUE);
	record_free(p.file);
}
