/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_print.h"

#include "harness/json.h"
#include "harness/story_from.h"

/* Text is written as results come; JSON at the end, because totals stand first. */
struct explore_report {
	GString *text;
	JsonBuilder *scenarios; /* NULL: text */
	bool paths;             /* with the way to each finding */
	char *policy;           /* of all scenarios; NULL: they differ, or there are none */
	unsigned int n;
	uint64_t states, transitions;
	uint32_t depth;
	bool complete;
	JsonBuilder *violations;
};

struct explore_report *explore_report_new(bool json, bool paths)
{
	struct explore_report *r = g_new0(struct explore_report, 1);

	r->paths = paths;
	r->text = g_string_new(NULL);
	r->complete = true;
	if (!json)
		return r;
	r->scenarios = json_builder_new();
	json_builder_begin_array(r->scenarios);
	r->violations = json_builder_new();
	json_builder_begin_array(r->violations);
	return r;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* The way there: who moves, up to where. */
static void add_path(GString *out, const struct explore_cfg *cfg, const struct explore_finding *f)
{
	struct story *story = story_from_finding(cfg, f);

	g_string_append_c(out, '\n');
	story_print_table(story, out);
	g_string_append_c(out, '\n');
	story_free(story);
}

static void add_finding(GString *out, bool paths, const struct explore_cfg *cfg,
			const struct explore_finding *f)
{
	g_string_append_printf(out, "  %s: %s, after %u moves (%" G_GUINT64_FORMAT " states)\n",
			       inv_name(f->inv), f->why, f->path->len, f->states);
	if (paths)
		add_path(out, cfg, f);
}

static void add_shrunk(GString *out, const struct shrunk *s)
{
	g_string_append_printf(out, "  shrunk: %u lines -> %u, %u vCPUs -> %u%s\n", s->lines_before,
			       s->lines_after, s->vcpus_before, s->scenario.vcpus,
			       s->stopped ? "; more was not tried" : "");
}

static void add_verdict(GString *out, const struct explore_result *r)
{
	if (r->findings->len)
		g_string_append_printf(out, "  violated; %" G_GUINT64_FORMAT " states%s", r->states,
				       r->complete ? "" : " so far");
	else
		g_string_append_printf(out, "  %s %" G_GUINT64_FORMAT " states",
				       r->complete ? "holds in all" : "incomplete: holds so far in",
				       r->states);
}

static void add_text(GString *out, bool paths, const struct explore_cfg *cfg,
		     const struct explore_result *r, const struct explore_extra *x)
{
	double rate = r->seconds > 0 ? (double)r->transitions / r->seconds : 0;

	g_string_append_printf(out, "%s: policy %s%s%s\n", cfg->scenario->name, cfg->policy,
			       *cfg->scenario->inject ? ", inject " : "", cfg->scenario->inject);
	add_verdict(out, r);
	g_string_append_printf(out,
			       ", %" G_GUINT64_FORMAT " transitions, depth %u, %.2f s (%.2f M/s), "
			       "%.1f MiB (%.0f bytes a state)\n",
			       r->transitions, r->depth, r->seconds, rate / 1e6,
			       (double)r->bytes / (1 << 20),
			       (double)r->bytes / (double)MAX(r->states, 1));
	if (r->bound)
		g_string_append_printf(out, "  stopped at %s\n", r->bound);
	if (r->setup_inv)
		g_string_append_printf(out,
				       "  %s: %s, before the first `par`, where one order is "
				       "tried\n",
				       inv_name(r->setup_inv), r->setup_why);
	for (unsigned int i = 0; i < NR_LINTS; i++)
		if (r->lints[i].moves)
			g_string_append_printf(
				out, "  %s: %s: %" G_GUINT64_FORMAT " moves, the first after %u\n",
				lint_name((enum lint)i), lint_text((enum lint)i), r->lints[i].moves,
				r->lints[i].depth);
	for (guint i = 0; i < r->findings->len; i++) {
		bool small = i == 0 && x->shrunk;

		if (small)
			add_shrunk(out, x->shrunk);
		add_finding(out, paths, small ? &x->shrunk->cfg : cfg,
			    small ? x->shrunk->finding : g_ptr_array_index(r->findings, i));
	}
	if (x->expects)
		g_string_append_printf(out, "  %sas expected\n", x->met ? "" : "not ");
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void put_counts(JsonBuilder *b, uint64_t states, uint64_t transitions, uint32_t depth,
		       bool complete)
{
	json_put_int(b, "states", states);
	json_put_int(b, "transitions", transitions);
	json_put_int(b, "depth", depth);
	json_put_bool(b, "complete", complete);
}

/* What was taken from the scenario, which the counterexample is of. */
static void put_shrunk(JsonBuilder *b, const struct shrunk *s)
{
	json_builder_set_member_name(b, "shrunk");
	if (!s) {
		json_builder_add_null_value(b);
		return;
	}
	json_builder_begin_object(b);
	json_put_int(b, "lines_before", s->lines_before);
	json_put_int(b, "lines", s->lines_after);
	json_put_int(b, "vcpus_before", s->vcpus_before);
	json_put_int(b, "vcpus", s->scenario.vcpus);
	json_put_int(b, "states", s->states);
	json_builder_end_object(b);
}

static void put_violations(JsonBuilder *b, const struct explore_cfg *cfg,
			   const struct explore_result *r, const struct explore_extra *x)
{
	for (guint i = 0; i < r->findings->len; i++) {
		const struct shrunk *small = i == 0 ? x->shrunk : NULL;
		const struct explore_finding *f =
			small ? small->finding : g_ptr_array_index(r->findings, i);

		json_builder_begin_object(b);
		json_put_string(b, "invariant", inv_name(f->inv));
		json_put_int(b, "steps", f->path->len);
		json_put_string(b, "counterexample", i == 0 ? x->path : NULL);
		json_put_string(b, "scenario", cfg->scenario->name);
		json_put_string(b, "why", f->why);
		json_put_int(b, "states_before", f->states);
		put_shrunk(b, small);
		json_builder_end_object(b);
	}
}

static void put_lints(JsonBuilder *b, const struct explore_cfg *cfg, const struct explore_result *r)
{
	if (!cfg->lints)
		return;
	json_builder_set_member_name(b, "lints");
	json_builder_begin_object(b);
	for (unsigned int i = 0; i < NR_LINTS; i++)
		json_put_int(b, lint_name((enum lint)i), r->lints[i].moves);
	json_builder_end_object(b);
}

static void add_json(struct explore_report *out, const struct explore_cfg *cfg,
		     const struct explore_result *r, const struct explore_extra *x)
{
	JsonBuilder *b = out->scenarios;

	json_builder_begin_object(b);
	json_put_string(b, "name", cfg->scenario->name);
	json_put_string(b, "policy", cfg->policy);
	json_put_string(b, "inject", *cfg->scenario->inject ? cfg->scenario->inject : NULL);
	json_put_string(b, "bound", r->bound);
	put_counts(b, r->states, r->transitions, r->depth, r->complete);
	json_put_int(b, "bytes", r->bytes);
	json_put_string(b, "violated_before", r->setup_inv ? inv_name(r->setup_inv) : NULL);
	put_lints(b, cfg, r);
	json_builder_set_member_name(b, "as_expected");
	if (x->expects)
		json_builder_add_boolean_value(b, x->met);
	else
		json_builder_add_null_value(b);
	json_builder_set_member_name(b, "violations");
	json_builder_begin_array(b);
	put_violations(b, cfg, r, x);
	json_builder_end_array(b);
	json_builder_end_object(b);
	put_violations(out->violations, cfg, r, x);
}

static void end_json(struct explore_report *r)
{
	g_autoptr(JsonBuilder) b = json_builder_new();

	json_builder_end_array(r->scenarios);
	json_builder_end_array(r->violations);
	json_builder_begin_object(b);
	json_put_string(b, "schema", "s2sim.explore/1");
	json_put_string(b, "policy", r->policy);
	put_counts(b, r->states, r->transitions, r->depth, r->complete);
	json_builder_set_member_name(b, "violations");
	json_builder_add_value(b, json_builder_get_root(r->violations));
	json_builder_set_member_name(b, "scenarios");
	json_builder_add_value(b, json_builder_get_root(r->scenarios));
	json_builder_end_object(b);
	json_print(b, r->text);
	g_object_unref(r->scenarios);
	g_object_unref(r->violations);
}

/* ---- both ----------------------------------------------------------------------------------- */

void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result, const struct explore_extra *extra)
{
	if (r->n++ == 0)
		r->policy = g_strdup(cfg->policy);
	else if (g_strcmp0(r->policy, cfg->policy) != 0)
		g_clear_pointer(&r->policy, g_free);
	r->states += result->states;
	r->transitions += result->transitions;
	r->depth = MAX(r->depth, result->depth);
	r->complete &= result->complete;
	if (r->scenarios)
		add_json(r, cfg, result, extra);
	else
		add_text(r->text, r->paths, cfg, result, extra);
}

GString *explore_report_end(struct explore_report *r)
{
	GString *text = r->text;

	if (r->scenarios)
		end_json(r);
	else if (r->n > 1)
		g_string_append_printf(text,
				       "%u scenarios: %" G_GUINT64_FORMAT
				       " states, %" G_GUINT64_FORMAT " transitions\n",
				       r->n, r->states, r->transitions);
	g_free(r->policy);
	g_free(r);
	return text;
}
