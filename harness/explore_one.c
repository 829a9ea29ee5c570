/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_one.h"

bool explore_one_init(struct explore_one *one, const struct explore_cfg *cfg,
		      const struct record_scenario *scen, GError **error)
{
	*one = (struct explore_one){ .cfg = *cfg, .scenario = scen->header.u.scenario };
	if (cfg->invariants)
		one->mask = *cfg->invariants;
	if (!expect_read(scen, &one->expects, error) ||
	    !expect_scope(scen, &one->cfg.scope, &one->mask, error))
		return false;
	one->cfg.scenario = &one->scenario;
	one->cfg.lines = one->lines = expect_lines(scen);
	one->cfg.invariants = one->mask ? &one->mask : NULL;
	return true;
}

void explore_one_fini(struct explore_one *one)
{
	if (one->lines)
		g_ptr_array_unref(one->lines);
	one->lines = NULL;
}

/* As expected, or not. */
static enum cmd_exit judge(const struct explore_one *one, const struct explore_result *r,
			   char **unmet)
{
	enum inv invs[NR_INVS + 1]; /* each once, and the set-up's */
	struct expect_found found = { .invs = invs,
				      .complete = r->complete,
				      .all = one->cfg.keep_going };

	if (r->setup_inv)
		invs[found.n++] = r->setup_inv;
	for (guint i = 0; i < r->findings->len; i++)
		invs[found.n++] =
			((const struct explore_finding *)g_ptr_array_index(r->findings, i))->inv;
	if (!one->expects.any)
		return found.n ? CMD_FINDING : CMD_OK;
	*unmet = expect_check(&one->expects, &found);
	return *unmet ? CMD_FINDING : CMD_OK;
}

static bool write_files(struct explore_one *one, const struct explore_result *r,
			const struct shrunk *shrunk, GError **error)
{
	if (!r->findings->len)
		return true;
	if (shrunk)
		return explore_files_write(one->files, &shrunk->cfg, shrunk->finding, error);
	return explore_files_write(one->files, &one->cfg, g_ptr_array_index(r->findings, 0), error);
}

enum cmd_exit explore_one_run(struct explore_one *one, struct explore_report *out, char **unmet,
			      GError **error)
{
	struct explore_extra extra = { .expects = one->expects.any };
	struct shrunk *shrunk = NULL;
	struct explore_result *r;
	enum cmd_exit code;

	*unmet = NULL;
	if (!explore_files_check(one->files, &one->cfg, error))
		return CMD_USAGE;
	r = explore(&one->cfg, error);
	if (!r)
		return CMD_USAGE;
	if (r->findings->len && one->shrink)
		shrunk = shrink(&one->cfg, g_ptr_array_index(r->findings, 0));
	code = judge(one, r, unmet);
	extra.shrunk = shrunk;
	extra.met = !*unmet;
	if (r->findings->len)
		extra.path = explore_files_next(one->files);
	explore_report_add(out, &one->cfg, r, &extra);
	if (!write_files(one, r, shrunk, error))
		code = CMD_USAGE;
	shrunk_free(shrunk);
	explore_result_free(r);
	return code;
}
