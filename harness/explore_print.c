/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_print.h"

#include <json-glib/json-glib.h>

#include "harness/story_from.h"

struct explore_report {
	GString *text;
	JsonBuilder *json; /* NULL: text */
	bool paths;        /* with the way to each finding */
};

struct explore_report *explore_report_new(bool json, bool paths)
{
	struct explore_report *r = g_new0(struct explore_report, 1);

	r->paths = paths;
	r->text = g_string_new(NULL);
	if (!json)
		return r;
	r->json = json_builder_new();
	json_builder_begin_array(r->json);
	return r;
}

/* The way there: who moves, up to where. */
static void add_path(GString *out, const struct explore_cfg *cfg, const struct explore_finding *f)
{
	struct story *story = story_from_finding(cfg, f);

	g_string_append_c(out, '\n');
	story_print_table(story, out);
	g_string_append_c(out, '\n');
	story_free(story);
}

static void add_text(GString *out, bool paths, const struct explore_cfg *cfg,
		     const struct explore_result *r)
{
	double rate = r->seconds > 0 ? (double)r->transitions / r->seconds : 0;

	g_string_append_printf(out, "%s: policy %s%s%s\n", cfg->scenario->name, cfg->policy,
			       *cfg->scenario->inject ? ", inject " : "", cfg->scenario->inject);
	if (!r->findings->len)
		g_string_append_printf(out, "  %s in %s%" G_GUINT64_FORMAT " states",
				       r->complete ? "holds" : "incomplete: holds so far",
				       r->complete ? "all " : "", r->states);
	else
		g_string_append_printf(out, "  violated; %" G_GUINT64_FORMAT " states%s", r->states,
				       r->complete ? "" : " so far");
	g_string_append_printf(out,
			       ", %" G_GUINT64_FORMAT " transitions, depth %u, %.2f s (%.2f M/s), "
			       "%.1f MiB, %" G_GUINT64_FORMAT " bytes a VM, %.0f a short form\n",
			       r->transitions, r->depth, r->seconds, rate / 1e6,
			       (double)r->bytes / (1 << 20), r->state_bytes,
			       (double)r->code_bytes / (double)MAX(r->states, 1));
	if (r->bound)
		g_string_append_printf(out, "  stopped at %s\n", r->bound);
	for (guint i = 0; i < r->findings->len; i++) {
		const struct explore_finding *f = g_ptr_array_index(r->findings, i);

		g_string_append_printf(out, "  %s: %s, after %u moves (%" G_GUINT64_FORMAT
					    " states)\n",
				       inv_name(f->inv), f->why, f->path->len, f->states);
		if (paths)
			add_path(out, cfg, f);
	}
}

void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result)
{
	if (!r->json)
		add_text(r->text, r->paths, cfg, result);
}

GString *explore_report_end(struct explore_report *r)
{
	GString *text = r->text;

	if (r->json)
		g_object_unref(r->json);
	g_free(r);
	return text;
}
