/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles.  The strongly connected components of the graph of states, by Tarjan's algorithm without
 * recursion; a component with a cycle is one that a weakly fair scheduler may stay in for ever, when each
 * actor and rule that could move in all of its states does move within it.
 *
 * If moves lead out of such a component, a run may leave it, and yet no number of retries is enough for
 * certain; if none do, nobody can ever end.
 */
#include "harness/explore_priv.h"

enum {
	RULE_BITS = 64,
};

/* Who moves, a bit each. */
struct mover_set {
	uint64_t threads, rules, stores;
};

struct tarjan {
	const struct explore_run *r;
	uint32_t *index, *low; /* 0: not visited yet */
	uint8_t *on_stack;
	GArray *stack; /* uint32_t */
	GArray *calls; /* struct call */
	uint32_t next;
	uint32_t found;
	const char *why;
};

struct call {
	uint32_t state;
	uint32_t i; /* next edge */
};

static const struct edges_of *of(const struct explore_run *r, uint32_t state)
{
	static const struct edges_of none = { 0, 0, 0 };

	return state < r->graph.of->len ? &g_array_index(r->graph.of, struct edges_of, state)
					: &none;
}

static const struct edge *edge_at(const struct explore_run *r, uint32_t state, uint32_t i)
{
	return &g_array_index(r->graph.edges, struct edge, of(r, state)->first + i);
}

static void add_mover(struct mover_set *m, const struct edge *e)
{
	if (e->kind <= MOVE_STEP)
		m->threads |= BIT(e->who);
	else if (e->kind == MOVE_STORE)
		m->stores |= BIT(e->who);
	else
		m->rules |= BIT(e->kind == MOVE_RCU ? RULE_BITS - 1 : e->who);
}

/* Is the component, the end of the stack from @first on, one that a fair run may stay in? */
static bool is_fair_cycle(struct tarjan *t, guint first, bool *leaves)
{
	const struct explore_run *r = t->r;
	uint32_t low = t->index[g_array_index(t->stack, uint32_t, first)];
	struct mover_set always = { ~0ULL, ~0ULL, ~0ULL }, inside = { 0, 0, 0 };
	bool cycle = false;

	*leaves = false;
	for (guint s = first; s < t->stack->len; s++) {
		uint32_t state = g_array_index(t->stack, uint32_t, s);
		struct mover_set here = { 0, 0, 0 };

		for (uint32_t i = 0; i < of(r, state)->n; i++) {
			const struct edge *e = edge_at(r, state, i);
			/* states of the component are on the stack, with an index from @first's on */
			bool in = t->on_stack[e->to] && t->index[e->to] >= low;

			add_mover(&here, e);
			if (in) {
				add_mover(&inside, e);
				cycle = true;
			} else {
				*leaves = true;
			}
		}
		always.threads &= here.threads;
		always.rules &= here.rules;
		always.stores &= here.stores;
	}
	return cycle && !(always.threads & ~inside.threads) && !(always.rules & ~inside.rules) &&
	       !(always.stores & ~inside.stores);
}

static void end_component(struct tarjan *t, uint32_t state)
{
	guint first = t->stack->len;
	bool leaves;

	while (g_array_index(t->stack, uint32_t, --first) != state)
		;
	if (t->found == STATE_NONE && is_fair_cycle(t, first, &leaves)) {
		t->found = state;
		t->why = leaves ? "steps repeat, and no number of them is certain to be enough"
				: "steps repeat for ever, and the program cannot end";
	}
	for (guint s = first; s < t->stack->len; s++)
		t->on_stack[g_array_index(t->stack, uint32_t, s)] = 0;
	g_array_set_size(t->stack, first);
}

static void enter(struct tarjan *t, uint32_t state)
{
	struct call c = { .state = state };

	t->index[state] = t->low[state] = ++t->next;
	t->on_stack[state] = 1;
	g_array_append_val(t->stack, state);
	g_array_append_val(t->calls, c);
}

static void visit(struct tarjan *t, uint32_t root)
{
	enter(t, root);
	while (t->calls->len) {
		struct call *c = &g_array_index(t->calls, struct call, t->calls->len - 1);
		uint32_t state = c->state, to;

		if (c->i < of(t->r, state)->n) {
			to = edge_at(t->r, state, c->i++)->to;
			if (!t->index[to])
				enter(t, to);
			else if (t->on_stack[to])
				t->low[state] = MIN(t->low[state], t->index[to]);
			continue;
		}
		if (t->low[state] == t->index[state])
			end_component(t, state);
		g_array_set_size(t->calls, t->calls->len - 1);
		if (t->calls->len) {
			to = g_array_index(t->calls, struct call, t->calls->len - 1).state;
			t->low[to] = MIN(t->low[to], t->low[state]);
		}
	}
}

uint32_t progress_search(const struct explore_run *r, const char **why)
{
	guint n = r->origins->len;
	struct tarjan t = { .r = r, .found = STATE_NONE };

	t.index = g_new0(uint32_t, n);
	t.low = g_new0(uint32_t, n);
	t.on_stack = g_new0(uint8_t, n);
	t.stack = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	t.calls = g_array_new(FALSE, FALSE, sizeof(struct call));
	if (n)
		visit(&t, 0);
	g_free(t.index);
	g_free(t.low);
	g_free(t.on_stack);
	g_array_free(t.stack, TRUE);
	g_array_free(t.calls, TRUE);
	*why = t.why;
	return t.found;
}
