/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/explored.h"

#include <check.h>

#include "harness/tests/explore_text.h"

void check_control(const struct control *c, const char *keys)
{
	g_autofree char *text = g_strdup_printf("scenario name=t code=0 %s\n%s", keys, c->lines);
	uint64_t mask = BIT(inv_find(c->inv));
	struct text_explore t;
	struct explore_result *r;
	const char *why = "";

	ck_assert_msg(inv_find(c->inv) != INV_NONE, "%s", c->inv);
	text_explore_under(&t, text, c->policy);
	g_strlcpy(t.scenario.inject, c->inject, sizeof(t.scenario.inject));
	t.cfg.max_states = 200000;
	t.cfg.no_progress = inv_find(c->inv) != INV_PROG;
	t.cfg.invariants = &mask;
	r = text_explore_run(&t);
	if (r->findings->len)
		why = ((const struct explore_finding *)g_ptr_array_index(r->findings, 0))->why;
	if ((r->findings->len == 0) != c->holds || (c->holds && !r->complete))
		ck_abort_msg("%s inject=%s: expected that %s %s, found %u violations in "
			     "%" G_GUINT64_FORMAT " states%s %s:\n%s",
			     c->policy, c->inject, c->inv, c->holds ? "holds" : "is violated",
			     r->findings->len, r->states, r->complete ? "" : ", not all", why,
			     c->lines);
	explore_result_free(r);
	text_explore_fini(&t);
}
