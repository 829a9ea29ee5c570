/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_matrix.h"

#include <string.h>

#include "model/inject.h"

enum {
	AGAIN_STATES = 200000, /* who notices later is looked for so far */
};

/* One exploration that found something. */
struct cell {
	unsigned int inject; /* 0: the scenario as it is */
	enum inv inv;
	char *scenario;
	uint64_t states;
	uint32_t moves;
};

struct explore_matrix {
	GArray *cells; /* struct cell */
	uint64_t explored[NR_INJECTIONS];
	uint64_t states;
	unsigned int scenarios;
	bool bounded; /* some exploration hit a bound */
};

static void clear_cell(gpointer p)
{
	g_free(((struct cell *)p)->scenario);
}

struct explore_matrix *explore_matrix_new(void)
{
	struct explore_matrix *m = g_new0(struct explore_matrix, 1);

	m->cells = g_array_new(FALSE, FALSE, sizeof(struct cell));
	g_array_set_clear_func(m->cells, clear_cell);
	return m;
}

void explore_matrix_free(struct explore_matrix *m)
{
	if (!m)
		return;
	g_array_free(m->cells, TRUE);
	g_free(m);
}

/* Adds what was found, and takes these invariants out of the mask. */
static void add_cells(struct explore_matrix *m, const struct explore_result *r, unsigned int inject,
		      const char *scenario, uint64_t *mask)
{
	for (guint i = 0; i < r->findings->len; i++) {
		const struct explore_finding *f = g_ptr_array_index(r->findings, i);
		struct cell c = { .inject = inject,
				  .inv = f->inv,
				  .scenario = g_strdup(scenario),
				  .states = f->states,
				  .moves = f->path->len };

		g_array_append_val(m->cells, c);
		*mask &= ~BIT(f->inv);
	}
}

/* What comes after a violation is not looked at: who notices later is asked without who noticed first. */
static bool add_one(struct explore_matrix *m, const struct explore_cfg *cfg, unsigned int inject,
		    GError **error)
{
	struct lang_scenario s = *cfg->scenario;
	uint64_t mask = cfg->invariants ? *cfg->invariants : ~0ULL;
	struct explore_cfg own = *cfg;
	bool later = false;

	g_strlcpy(s.inject, injection_name(inject), sizeof(s.inject));
	own.scenario = &s;
	own.invariants = &mask;
	m->explored[inject]++;
	do {
		struct explore_result *r = explore(&own, error);

		if (!r)
			return false;
		m->states += r->states;
		m->bounded |= r->bound && !later;
		later = r->findings->len > 0;
		add_cells(m, r, inject, s.name, &mask);
		explore_result_free(r);
		own.max_states =
			cfg->max_states ? MIN(cfg->max_states, AGAIN_STATES) : AGAIN_STATES;
	} while (later);
	return true;
}

bool explore_matrix_add(struct explore_matrix *m, const struct explore_cfg *cfg, GError **error)
{
	struct rules rules;

	if (!policy_parse(cfg->policy, &rules, error))
		return false;
	m->scenarios++;
	for (unsigned int i = 0; i < NR_INJECTIONS; i++)
		if (injection_applies(i, rules.arch) && !add_one(m, cfg, i, error))
			return false;
	return true;
}

/* By injection, then by the states it took. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as GLib calls it */
static gint compare(gconstpointer a, gconstpointer b)
{
	const struct cell *x = *(const struct cell *const *)a, *y = *(const struct cell *const *)b;

	if (x->inject != y->inject)
		return x->inject < y->inject ? -1 : 1;
	if (x->states != y->states)
		return x->states < y->states ? -1 : 1;
	return strcmp(x->scenario, y->scenario);
}

static void print_injection(const struct explore_matrix *m, const GPtrArray *cells, unsigned int i,
			    GString *out)
{
	unsigned int n = 0;

	for (guint k = 0; k < cells->len; k++) {
		const struct cell *c = g_ptr_array_index(cells, k);

		if (c->inject != i)
			continue;
		g_string_append_printf(out, "%-26s %-10s %-18s %9" G_GUINT64_FORMAT " %5u\n",
				       n++ ? "" : injection_name(i), inv_name(c->inv), c->scenario,
				       c->states, c->moves);
	}
	if (n == 0 && m->explored[i])
		g_string_append_printf(
			out, "%-26s not noticed in %" G_GUINT64_FORMAT " scenarios%s\n",
			injection_name(i), m->explored[i],
			strcmp(injection_invariant(i), "-") == 0 ? ": it costs, and breaks nothing"
								 : "");
}

bool explore_matrix_print(const struct explore_matrix *m, GString *out)
{
	g_autoptr(GPtrArray) cells = g_ptr_array_new();
	bool violated = false;

	for (guint i = 0; i < m->cells->len; i++) {
		g_ptr_array_add(cells, &g_array_index(m->cells, struct cell, i));
		violated |= g_array_index(m->cells, struct cell, i).inject == 0;
	}
	g_ptr_array_sort(cells, compare);
	g_string_append_printf(out, "%-26s %-10s %-18s %9s %5s\n", "injection", "invariant",
			       "scenario", "states", "moves");
	for (unsigned int i = 1; i < NR_INJECTIONS; i++)
		print_injection(m, cells, i, out);
	g_string_append_printf(out,
			       "%u scenarios, %" G_GUINT64_FORMAT " states in all%s; without an "
			       "injection: ",
			       m->scenarios, m->states, m->bounded ? ", some up to a bound" : "");
	if (!violated)
		g_string_append(out, "no violation\n");
	else
		g_string_append(out, "violated\n");
	if (violated)
		print_injection(m, cells, 0, out);
	return violated;
}
