/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/shrink.h"

#include "harness/shrink_priv.h"

enum {
	/* states of all candidates together: so many, or so many times those of the finding */
	BUDGET_STATES = 1 << 20,
	BUDGET_FACTOR = 4,
};

/* ---- drafts ---------------------------------------------------------------------------------- */

static void line_free(void *line)
{
	lang_line_clear(line);
	g_free(line);
}

/* Where lines stand that are no part of what is explored. */
static bool is_input(const struct lang_line *l)
{
	return l->kind != LANG_SCOPE && l->kind != LANG_GRAIN && l->kind != LANG_SCHED;
}

static void draft_init(struct draft *d, const struct lang_scenario *scenario,
		       const GPtrArray *lines)
{
	d->scenario = *scenario;
	d->lines = g_ptr_array_new_with_free_func(line_free);
	for (guint i = 0; i < lines->len; i++) {
		struct lang_line *copy = g_new(struct lang_line, 1);

		lang_line_copy(copy, g_ptr_array_index(lines, i));
		if (is_input(copy))
			g_ptr_array_add(d->lines, copy);
		else
			line_free(copy);
	}
}

static void draft_fini(struct draft *d)
{
	g_clear_pointer(&d->lines, g_ptr_array_unref);
}

/* ---- trying them ------------------------------------------------------------------------------ */

struct shrinker {
	struct explore_cfg cfg;        /* bounds of a candidate */
	struct draft now;              /* the smallest so far */
	struct explore_result *result; /* its exploration; NULL: nothing went yet */
	enum inv inv;
	guint moves; /* of its path */
	bool cycle;  /* no one path shows it: nothing bounds the depth */
	uint64_t page, budget, states;
	unsigned int tried;
};

/* Takes @d over if it shows the same. */
static bool try_draft(struct shrinker *s, struct draft *d)
{
	struct explore_cfg cfg = s->cfg;
	const struct explore_finding *f = NULL;
	struct explore_result *r;

	cfg.scenario = &d->scenario;
	cfg.lines = d->lines;
	/* the round in which states are visited that lie one move deeper is the last one of use */
	if (!s->cycle)
		cfg.max_depth = s->moves + 1;
	s->tried++;
	r = explore(&cfg, NULL);
	if (!r)
		return false;
	s->states += r->states;
	if (r->findings->len)
		f = g_ptr_array_index(r->findings, 0);
	if (!f || f->inv != s->inv || f->path->len > s->moves) {
		explore_result_free(r);
		return false;
	}
	explore_result_free(s->result);
	draft_fini(&s->now);
	s->now = *d;
	s->result = r;
	s->moves = f->path->len;
	d->lines = NULL;
	return true;
}

/* One way of an edit at one place. */
static bool try_edit(struct shrinker *s, const struct shrink_edit *e, struct shrink_at at)
{
	struct draft d;
	bool ok;

	at.page = s->page;
	draft_init(&d, &s->now.scenario, s->now.lines);
	ok = e->apply(&d, &at) && s->states < s->budget && try_draft(s, &d);
	draft_fini(&d);
	return ok;
}

/* Every way at every place, last places first: what comes later rests on what comes before. */
static bool try_everywhere(struct shrinker *s, const struct shrink_edit *e)
{
	guint places = e->of_vcpus ? s->now.scenario.vcpus : s->now.lines->len;
	bool any = false;

	for (guint p = places; p-- > 0;) {
		for (unsigned int way = 0; way < e->ways; way++) {
			struct shrink_at at = { .place = p, .way = way };

			any |= try_edit(s, e, at);
			if (p >= (e->of_vcpus ? s->now.scenario.vcpus : s->now.lines->len))
				break;
		}
	}
	return any;
}

static uint64_t page_size(const struct explore_cfg *cfg)
{
	struct explore_start start;
	GError *error = NULL;
	uint64_t page;

	if (!explore_start(cfg, &start, &error))
		g_error("%s", error->message); /* it was explored before */
	page = geom_page_size(&start.vm->cfg->geom);
	explore_start_fini(&start);
	return page;
}

static uint64_t least(uint64_t bound, uint64_t own)
{
	return own && own < bound ? own : bound;
}

static void init(struct shrinker *s, const struct explore_cfg *cfg, const struct explore_finding *f)
{
	s->cfg = *cfg;
	s->inv = f->inv;
	s->moves = f->path->len;
	s->cycle = f->inv == INV_PROG && g_strcmp0(f->why, explore_deadlock) != 0;
	s->cfg.max_states = least(f->states * SHRINK_STATES_FACTOR, cfg->max_states);
	s->cfg.keep_going = s->cfg.depth_first = false;
	s->cfg.no_progress = !s->cycle;
	s->budget = MAX((uint64_t)BUDGET_STATES, f->states * BUDGET_FACTOR);
	s->page = page_size(cfg);
	draft_init(&s->now, cfg->scenario, cfg->lines);
}

static struct shrunk *take_result(struct shrinker *s, const struct explore_cfg *cfg)
{
	struct shrunk *out = g_new0(struct shrunk, 1);

	out->scenario = s->now.scenario;
	out->lines = g_steal_pointer(&s->now.lines);
	out->cfg = *cfg;
	out->cfg.scenario = &out->scenario;
	out->cfg.lines = out->lines;
	out->result = s->result;
	out->finding = g_ptr_array_index(s->result->findings, 0);
	out->lines_after = out->lines->len;
	out->vcpus_before = cfg->scenario->vcpus;
	for (guint i = 0; i < cfg->lines->len; i++)
		out->lines_before += is_input(g_ptr_array_index(cfg->lines, i));
	out->tried = s->tried;
	out->states = s->states;
	out->stopped = s->states >= s->budget;
	return out;
}

struct shrunk *shrink(const struct explore_cfg *cfg, const struct explore_finding *f)
{
	struct shrinker s = { .result = NULL };
	struct shrunk *out = NULL;
	bool any;

	init(&s, cfg, f);
	do {
		any = false;
		for (const struct shrink_edit *e = shrink_edits; e->apply; e++)
			any |= try_everywhere(&s, e);
	} while (any);
	if (s.result)
		out = take_result(&s, cfg);
	draft_fini(&s.now);
	return out;
}

void shrunk_free(struct shrunk *s)
{
	if (!s)
		return;
	explore_result_free(s->result);
	g_ptr_array_unref(s->lines);
	g_free(s);
}
