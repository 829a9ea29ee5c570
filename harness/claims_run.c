/* SPDX-License-Identifier: Apache-2.0 */
/* What the runs of a claim find, and what the claim is then. */
#include <inttypes.h>
#include <string.h>

#include "harness/claims_priv.h"
#include "harness/ends.h"
#include "harness/expect.h"
#include "harness/explore.h"
#include "harness/profile.h"
#include "harness/replay.h"
#include "harness/run_stats.h"
#include "harness/schedule.h"
#include "harness/shrink.h"
#include "harness/story_from.h"
#include "model/inject.h"
#include "model/setup.h"

enum {
	MOST_STATES = 4000000, /* an exploration that needs more decides nothing */
};

const char *const verdict_names[NR_VERDICTS] = { "TRUE", "FALSE", "DEPENDS", "SKIP" };

/* One run on its way: under one policy, with one combination of values. */
struct trial {
	const struct ledger *ledger;
	const struct decide_cfg *cfg;
	const struct claim_run *run;
	struct define *defs;
	struct record *file;
	struct record_scenario *scen; /* of the file */
	struct decision *decision;
	struct evidence *e;
};

static bool same_case(const struct claim_run *a, const struct claim_run *b)
{
	return g_strcmp0(a->label, b->label) == 0;
}

static bool fail(GError **error, const struct trial *t, const char *expected, const char *found)
{
	g_set_error(error, CLAIMS_ERROR, CLAIMS_ERROR_RUN,
		    "run of line %u, scenario '%s': expected %s, found '%s'", t->run->line,
		    t->run->scenario, expected, found);
	return false;
}

/* A scenario of the ledger with the trial's values, of @file, which the caller frees; NULL with @error. */
static struct record_scenario *load(const struct trial *t, const char *name, struct record **file,
				    GError **error)
{
	*file = claim_file_read(g_hash_table_lookup(t->ledger->scenarios, name), t->defs, error);
	for (guint i = 0; *file && i < (*file)->scenarios->len; i++) {
		struct record_scenario *s = g_ptr_array_index((*file)->scenarios, i);

		if (strcmp(s->header.u.scenario.name, name) == 0)
			return s;
	}
	if (*file) /* a value has changed a name */
		fail(error, t, "the scenario in its file", name);
	return NULL;
}

/* ---- explored -------------------------------------------------------------------------------- */

struct explored {
	struct explore_cfg cfg;
	struct lang_scenario scenario;
	GPtrArray *lines;
	uint64_t mask;
};

static bool explored_init(struct explored *x, const struct trial *t, const char *policy,
			  GError **error)
{
	uint64_t mask = 1; /* of the `scope` line: not looked at */

	*x = (struct explored){ .scenario = t->scen->header.u.scenario,
				.lines = expect_lines(t->scen) };
	x->cfg = (struct explore_cfg){ .scenario = &x->scenario,
				       .lines = x->lines,
				       .policy = policy,
				       .max_states = MOST_STATES,
				       .jobs = t->cfg->jobs,
				       .no_progress = true,
				       .invariants = &x->mask };
	return expect_scope(t->scen, &x->cfg.scope, &mask, error);
}

static void explored_fini(struct explored *x)
{
	g_ptr_array_unref(x->lines);
}

static bool take_invariants(struct explored *x, const struct trial *t, GError **error)
{
	g_autofree char *bad = NULL;

	if (strcmp(t->run->arg, "all") == 0)
		x->mask = ~0ULL;
	else if (!expect_invariants(t->run->arg, &x->mask, &bad))
		return fail(error, t, "names that 's2sim list invariants' prints", bad);
	x->cfg.no_progress = !(x->mask >> INV_PROG & 1);
	return true;
}

/* One counterexample a case is enough. */
static bool has_story(const struct trial *t)
{
	for (guint i = 0; i < t->decision->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(t->decision->evidence, i);

		if (e->story && same_case(e->run, t->run) && e->run->control == t->run->control)
			return true;
	}
	return false;
}

static void tell_story(struct evidence *e, const struct explore_cfg *cfg,
		       const struct explore_finding *f)
{
	struct shrunk *small = shrink(cfg, f);
	const struct explore_cfg *of = small ? &small->cfg : cfg;
	g_autoptr(GString) table = g_string_new(NULL), svg = g_string_new(NULL),
			   trace = g_string_new(NULL);
	struct story *story;

	f = small ? small->finding : f;
	story = story_from_finding(of, f);
	story_print_table(story, table);
	story_print_svg(story, svg);
	story_free(story);
	e->story = g_new0(struct claim_story, 1);
	e->story->steps = f->path->len;
	e->story->table = g_strdup(table->str);
	e->story->svg = g_strdup(svg->str);
	if (schedule_print(of, f, trace, NULL))
		e->story->trace = g_strdup(trace->str);
	shrunk_free(small);
}

static void take_result(const struct trial *t, const struct explored *x,
			const struct explore_result *r)
{
	struct evidence *e = t->e;
	const struct explore_finding *f =
		r->findings->len ? g_ptr_array_index(r->findings, 0) : NULL;

	e->states = r->states;
	e->violated = f || r->setup_inv;
	e->complete = r->complete || e->violated;
	e->met = e->violated == (t->run->check == CHECK_VIOLATED) && e->complete;
	if (f) {
		e->invariant = g_strdup(inv_name(f->inv));
		e->found = g_strdup_printf("%s is violated after %u steps: %s", e->invariant,
					   f->path->len, f->why);
		if (t->cfg->stories && !has_story(t))
			tell_story(e, &x->cfg, f);
	} else if (r->setup_inv) {
		e->invariant = g_strdup(inv_name(r->setup_inv));
		e->found = g_strdup_printf("%s is violated before the first par: %s", e->invariant,
					   r->setup_why);
	} else {
		bool all = strcmp(t->run->arg, "all") == 0;

		e->found = g_strdup_printf("%s %s in %s%" PRIu64 " states",
					   all ? "every invariant" : t->run->arg,
					   strchr(t->run->arg, ',') ? "hold" : "holds",
					   r->complete ? "all " : "the first ", r->states);
	}
}

static bool run_invariants(const struct trial *t, GError **error)
{
	struct explore_result *r = NULL;
	struct explored x;

	if (explored_init(&x, t, t->e->policy, error) && take_invariants(&x, t, error))
		r = explore(&x.cfg, error);
	if (r)
		take_result(t, &x, r);
	explore_result_free(r);
	explored_fini(&x);
	return t->e->found != NULL;
}

/* ---- ends compared ---------------------------------------------------------------------------- */

static bool find_ends(const struct trial *t, const char *policy, struct ends *ends, GError **error)
{
	struct explored x;
	bool ok = explored_init(&x, t, policy, error) &&
		  ends_find(&x.cfg, ends, &t->e->states, error);

	explored_fini(&x);
	return ok;
}

static bool run_ends(const struct trial *t, GError **error)
{
	struct evidence *e = t->e;
	struct ends a, b;
	unsigned int other;
	bool ok;

	ends_init(&a);
	ends_init(&b);
	ok = find_ends(t, e->policy, &a, error) && find_ends(t, t->run->arg, &b, error);
	if (ok) {
		other = ends_only(&a, &b) + ends_only(&b, &a);
		e->complete = true;
		e->value = g_hash_table_size(a.texts);
		e->other = g_hash_table_size(b.texts);
		e->met = (other == 0) == (t->run->check == CHECK_SAME);
		e->found = g_strdup_printf("%" PRIu64 " different ends, %" PRIu64
					   " under %s; %u in one of the two only",
					   e->value, e->other, t->run->arg, other);
	}
	ends_fini(&a);
	ends_fini(&b);
	return ok;
}

/* ---- replayed --------------------------------------------------------------------------------- */

/* A policy without the scenario's capabilities runs no line of it, and nothing would be unmet. */
static bool can_replay(const struct trial *t, GError **error)
{
	const struct lang_scenario *s = &t->scen->header.u.scenario;
	struct vm_cfg cfg;

	if (!setup_cfg(s, t->e->policy, NULL, &cfg, error))
		return false;
	return !setup_is_refused(s, &cfg) ||
	       fail(error, t, "a policy with the scenario's capabilities", t->e->policy);
}

static bool run_replay(const struct trial *t, GError **error)
{
	g_autoptr(GPtrArray) unmet = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) out = g_string_new(NULL);
	struct evidence *e = t->e;
	struct replay r;
	guint expects = 0;
	bool ok;

	for (guint i = 0; i < t->scen->steps->len; i++)
		expects += ((const struct record_step *)g_ptr_array_index(t->scen->steps, i))
				   ->expects->len;
	if (!expects)
		return fail(error, t, "`expect` lines in it", "none");
	if (!can_replay(t, error) || !replay_init(&r, t->file, e->policy, error))
		return false;
	ok = replay_scenario(&r, t->scen, out, unmet, error);
	replay_fini(&r);
	if (!ok)
		return false;
	e->complete = true;
	e->met = (unmet->len == 0) == (strcmp(t->run->arg, "met") == 0);
	e->found = unmet->len ? g_strdup(g_ptr_array_index(unmet, 0))
			      : g_strdup_printf("%u expectations are met", expects);
	return true;
}

/* ---- counted ---------------------------------------------------------------------------------- */

static bool read_stat(const struct run_result *r, const struct trial *t, uint64_t *value,
		      GError **error)
{
	const struct run_part *part = strcmp(t->run->phase, "total") == 0 ? r->total : NULL;

	for (guint i = 0; i < r->phases->len && !part; i++) {
		const struct run_part *p = g_ptr_array_index(r->phases, i);

		part = strcmp(p->name, t->run->phase) == 0 ? p : NULL;
	}
	if (!part)
		return fail(error, t, "a phase of the scenario", t->run->phase);
	if (strcmp(t->run->arg, "time") == 0) {
		*value = part->end_ps - part->start_ps;
		return true;
	}
	for (guint i = 0; i < part->stats->len; i++) {
		const struct run_stat *s = &g_array_index(part->stats, struct run_stat, i);

		if (strcmp(s->name, t->run->arg) != 0)
			continue;
		*value = s->value;
		return true;
	}
	return fail(error, t, "time, or a number that 's2sim run --csv' has", t->run->arg);
}

static bool count(const struct trial *t, const struct record_scenario *scen, const char *policy,
		  uint64_t *value, GError **error)
{
	g_autoptr(GPtrArray) lines = expect_lines(scen);
	struct cost_profile profile;
	struct timed_cfg cfg = { .scenario = &scen->header.u.scenario,
				 .policy = policy,
				 .profile = &profile,
				 .lines = (const struct lang_line *const *)lines->pdata,
				 .nr_lines = lines->len };
	struct run_config config = { .file = "claim",
				     .scenario = t->run->scenario,
				     .policy = policy };
	struct run_result *r;
	struct rules rules;
	struct timed *timed;
	bool ok;

	if (!policy_parse(policy, &rules, error) ||
	    !profile_find(profile_default(&rules), &profile, error))
		return false;
	timed = timed_new(&cfg, error);
	ok = timed && timed_run(timed, error);
	if (ok) {
		timed_end(timed);
		r = run_result_new(timed, &config);
		ok = read_stat(r, t, value, error);
		run_result_free(r);
	}
	timed_free(timed);
	return ok;
}

static bool is_related(uint64_t a, enum claim_relation how, uint64_t b)
{
	switch (how) {
	case RELATION_LESS:
		return a < b;
	case RELATION_AT_MOST:
		return a <= b;
	case RELATION_EQUAL:
		return a == b;
	case RELATION_AT_LEAST:
		return a >= b;
	case RELATION_MORE:
		return a > b;
	case NR_RELATIONS:
		break;
	}
	g_assert_not_reached();
}

/* The number that the first one is held against. */
static bool count_other(const struct trial *t, uint64_t *value, GError **error)
{
	bool number = g_ascii_string_to_unsigned(t->run->than, 10, 0, UINT64_MAX, value, NULL);
	struct record_scenario *scen = t->scen;
	struct record *file = NULL;
	bool ok;

	if (number && !t->run->beside)
		return true;
	if (number)
		return fail(error, t, "a policy to compare with what is beside", t->run->than);
	if (t->run->beside)
		scen = load(t, t->run->beside, &file, error);
	ok = scen && count(t, scen, t->run->than, value, error);
	record_free(file);
	return ok;
}

static bool run_count(const struct trial *t, GError **error)
{
	const struct claim_run *run = t->run;
	struct evidence *e = t->e;

	if (!count(t, t->scen, e->policy, &e->value, error) || !count_other(t, &e->other, error))
		return false;
	e->complete = true;
	e->met = is_related(e->value, run->relation, e->other);
	e->found = g_strdup_printf("%s in phase %s: %" PRIu64 ", %s %s%s%s: %" PRIu64, run->arg,
				   run->phase, e->value, claim_relations[run->relation],
				   run->beside ? run->beside : "", run->beside ? " under " : "",
				   run->than, e->other);
	return true;
}

/* ---- a run -------------------------------------------------------------------------------------- */

/* The run's own injection, or the one that was asked for where the architecture has it. */
static bool set_injection(const struct trial *t, GError **error)
{
	struct rules rules;

	if (!policy_parse(t->e->policy, &rules, error))
		return false;
	if (t->run->inject)
		g_strlcpy(t->scen->header.u.scenario.inject, t->run->inject,
			  sizeof(t->scen->header.u.scenario.inject));
	else if (t->cfg->inject && policy_set_injection(&rules, t->cfg->inject, NULL))
		g_strlcpy(t->scen->header.u.scenario.inject, t->cfg->inject,
			  sizeof(t->scen->header.u.scenario.inject));
	return true;
}

static bool run_check(const struct trial *t, GError **error)
{
	switch (t->run->check) {
	case CHECK_HOLDS:
	case CHECK_VIOLATED:
		return run_invariants(t, error);
	case CHECK_SAME:
	case CHECK_DIFFERS:
		return run_ends(t, error);
	case CHECK_REPLAY:
		return run_replay(t, error);
	case CHECK_COUNT:
		return run_count(t, error);
	case CHECK_NONE:
		break;
	}
	g_assert_not_reached();
}

/* All values that one combination gives the scenario's names; a list ends with a name that is NULL. */
static struct define *choose(const struct claim_run *run, unsigned int nr, GString *text)
{
	guint n = run->with ? run->with->len : 0;
	struct define *defs = g_new0(struct define, n + 1);

	for (guint i = 0; i < n; i++) {
		const struct claim_with *w = g_ptr_array_index(run->with, i);
		unsigned int of = g_strv_length(w->values);

		defs[i] = (struct define){ .name = w->name, .value = w->values[nr % of] };
		g_string_append_printf(text, "%s%s=%s", text->len ? " " : "", w->name,
				       defs[i].value);
		nr /= of;
	}
	return defs;
}

static unsigned int combinations(const struct claim_run *run)
{
	unsigned int n = 1;

	for (guint i = 0; run->with && i < run->with->len; i++)
		n *= g_strv_length(
			((const struct claim_with *)g_ptr_array_index(run->with, i))->values);
	return n;
}

static bool try_one(struct trial *t, struct decision *d, const char *policy, unsigned int nr,
		    GError **error)
{
	g_autoptr(GString) with = g_string_new(NULL);
	g_autofree struct define *defs = choose(t->run, nr, with);
	bool ok;

	t->defs = defs;
	t->scen = load(t, t->run->scenario, &t->file, error);
	if (!t->scen)
		return false;
	for (struct define *def = defs; def->name; def++)
		if (!def->used)
			return fail(error, t, "names that its file has", def->name);
	if (!policy)
		policy = t->scen->header.u.scenario.policy;
	if (!*policy)
		return fail(error, t, "a policy in the row or in the scenario", "none");
	t->decision = d;
	t->e = g_new0(struct evidence, 1);
	g_ptr_array_add(d->evidence, t->e);
	t->e->run = t->run;
	t->e->policy = g_strdup(policy);
	t->e->with = g_strdup(with->str);
	ok = set_injection(t, error) && run_check(t, error);
	d->states += t->e->states;
	return ok;
}

static bool run_all(const struct ledger *l, const struct claim_run *run,
		    const struct decide_cfg *cfg, struct decision *d, GError **error)
{
	bool ok = true;

	for (unsigned int p = 0; ok && (!run->policies || run->policies[p]); p++) {
		for (unsigned int nr = 0; ok && nr < combinations(run); nr++) {
			struct trial t = { .ledger = l, .cfg = cfg, .run = run };

			ok = try_one(&t, d, run->policies ? run->policies[p] : NULL, nr, error);
			record_free(t.file);
		}
		if (!run->policies)
			break;
	}
	return ok;
}

/* ---- the verdict ---------------------------------------------------------------------------------- */

/* Why nothing can be said, caller owns; NULL: something can. */
static char *undecided(const struct decision *d)
{
	if (d->claim->skip)
		return g_strdup(d->claim->skip);
	for (guint i = 0; i < d->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(d->evidence, i);

		if (!e->complete)
			return g_strdup_printf("%s under %s: not every order was tried in %" PRIu64
					       " states",
					       e->run->scenario, e->policy, e->states);
		if (e->run->control && !e->met)
			return g_strdup_printf("the control %s under %s is not met: %s",
					       e->run->scenario, e->policy, e->found);
	}
	return NULL;
}

bool decision_case(const struct decision *d, const struct claim_run *run)
{
	for (guint i = 0; i < d->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(d->evidence, i);

		if (!e->run->control && same_case(e->run, run) && !e->met)
			return false;
	}
	return true;
}

static enum verdict judge(const struct decision *d)
{
	bool some[2] = { false, false };

	for (guint i = 0; i < d->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(d->evidence, i);

		if (!e->run->control)
			some[decision_case(d, e->run)] = true;
	}
	if (some[0] && some[1])
		return VERDICT_DEPENDS;
	return some[1] ? VERDICT_TRUE : VERDICT_FALSE;
}

static void free_evidence(void *p)
{
	struct evidence *e = p;

	if (e->story) {
		g_free(e->story->table);
		g_free(e->story->svg);
		g_free(e->story->trace);
		g_free(e->story);
	}
	g_free(e->policy);
	g_free(e->with);
	g_free(e->found);
	g_free(e->invariant);
	g_free(e->path);
	g_free(e);
}

struct decision *decide(const struct ledger *l, const struct claim *c, const struct decide_cfg *cfg,
			GError **error)
{
	struct decision *d = g_new0(struct decision, 1);
	gint64 began = g_get_monotonic_time();

	d->claim = c;
	d->evidence = g_ptr_array_new_with_free_func(free_evidence);
	for (guint i = 0; i < c->runs->len; i++) {
		if (run_all(l, g_ptr_array_index(c->runs, i), cfg, d, error))
			continue;
		g_prefix_error(error, "%s: ", c->id);
		decision_free(d);
		return NULL;
	}
	d->why = undecided(d);
	d->verdict = d->why ? VERDICT_SKIP : judge(d);
	d->seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	return d;
}

void decision_free(struct decision *d)
{
	if (!d)
		return;
	g_ptr_array_unref(d->evidence);
	g_free(d->why);
	g_free(d);
}

enum expectation decision_expected(const struct decision *d)
{
	const char *expect = d->claim->expect;

	if (!expect || strcmp(expect, "open") == 0 || d->claim->skip)
		return EXPECT_NOTHING; /* what nobody has decided is no disagreement */
	if (strcmp(expect, verdict_names[d->verdict]) == 0)
		return EXPECT_MET;
	return d->claim->differs && d->verdict != VERDICT_SKIP ? EXPECT_KNOWN_OTHER
							       : EXPECT_NOT_MET;
}
