/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_print.h"

#include <json-glib/json-glib.h>

struct explore_report {
	GString *text;
	JsonBuilder *json; /* NULL: text */
};

struct explore_report *explore_report_new(bool json)
{
	struct explore_report *r = g_new0(struct explore_report, 1);

	r->text = g_string_new(NULL);
	if (!json)
		return r;
	r->json = json_builder_new();
	json_builder_begin_array(r->json);
	return r;
}

static void who_of(const struct vm *vm, struct move mv, char *out)
{
	if (mv.kind <= MOVE_STEP)
		moves_actor_name(vm, mv.who, out);
	else if (mv.kind == MOVE_ACK)
		(void)g_snprintf(out, 8, "ipi%u", mv.who);
	else
		g_strlcpy(out, "rcu", 8);
}

/* The way there: who moves, up to where. */
static void add_path(GString *out, const struct explore_cfg *cfg, const struct explore_finding *f)
{
	struct explore_start s;
	struct note notes[NOTES_MAX];
	struct ctx c;
	GError *error = NULL;

	if (!explore_start(cfg, &s, &error))
		g_error("%s", error->message);
	c = (struct ctx){ .vm = s.vm, .rules = &s.vm->cfg->rules, .notes = notes };
	for (guint i = 0; i < f->path->len; i++) {
		struct move mv = g_array_index(f->path, struct move, i);
		const struct lang_line *l = moves_line(s.moves, s.vm, mv);
		char who[8];

		who_of(s.vm, mv, who);
		if (mv.kind == MOVE_LINE)
			g_string_append_printf(out, "  %3u %-5s > %s\n", i + 1, who, l->text);
		if (!moves_make(s.moves, &c, mv, &error))
			g_error("%s", error->message);
		g_string_append_printf(out, "  %3u %-5s   %s", i + 1, who,
				       c.finished ? "done" : c.label ? c.label : "waits");
		if (c.pick_of)
			g_string_append_printf(out, " (choice %u of %u)", mv.k, c.pick_of);
		if (c.finished && c.ret)
			g_string_append_printf(out, " ret %d", c.ret);
		g_string_append_c(out, '\n');
	}
	explore_start_fini(&s);
}

static void add_text(GString *out, const struct explore_cfg *cfg, const struct explore_result *r)
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
		add_path(out, cfg, f);
	}
}

void explore_report_add(struct explore_report *r, const struct explore_cfg *cfg,
			const struct explore_result *result)
{
	if (!r->json)
		add_text(r->text, cfg, result);
}

GString *explore_report_end(struct explore_report *r)
{
	GString *text = r->text;

	if (r->json)
		g_object_unref(r->json);
	g_free(r);
	return text;
}
