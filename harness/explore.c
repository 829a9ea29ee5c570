/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore.h"

#include <string.h>

#include "harness/explore_priv.h"
#include "model/mem.h"
#include "model/vcpu.h"

G_DEFINE_QUARK(s2_explore_error, explore_error)

enum {
	/* the same for any number of threads, so that nothing depends on it */
	ROUND_STATES = 4096,
	ROUND_STATES_DEPTH = 64,
	TICK_ROUNDS = 16,
};

const char explore_deadlock[] = "nobody can move, and the program has not ended";

/* ---- one state ------------------------------------------------------------------------------ */

static void put_found(struct worker *w, struct found *f, size_t bytes)
{
	f->bytes = (uint32_t)bytes;
	g_byte_array_append(w->out, (const guint8 *)f, sizeof(*f));
	if (bytes)
		g_byte_array_append(w->out, w->code, (guint)bytes);
}

/* Where the child, @w->changed lines of which are not the parent's, leads. */
static void put_child(struct worker *w, const struct wait_at *at, struct found *f)
{
	const struct explore_run *r = w->run;
	size_t bytes = 0;

	f->hash = state_rehash(at->hash, w->parent, w->child, &w->changed);
	f->known = state_set_find(r->set, f->hash);
	if (f->known == STATE_NONE) {
		w->all = w->differs;
		state_lines_add(&w->all, &w->changed);
		bytes = state_encode(w->child, r->start.vm, &w->all, w->code);
	}
	put_found(w, f, bytes);
}

/* Makes one move and says where it leads; the child is the parent again afterwards. */
static bool try_move(struct worker *w, const struct wait_at *at, struct found *f)
{
	const struct explore_run *r = w->run;
	struct transition t = { .before = w->parent, .after = w->child, .c = &w->ctx, .mv = f->mv };
	struct witness wit;

	t.line = moves_line(r->start.moves, w->parent, f->mv);
	if (!moves_make(r->start.moves, &w->ctx, f->mv, &w->error) ||
	    !explore_has_room(&w->ctx, &w->error))
		return false;
	f->inv = (uint8_t)explore_look(r->start.moves, &t, r->start.mask, &wit);
	f->lints = (uint8_t)t.lints;
	f->why = f->inv ? wit.why : NULL;
	f->gfn = f->inv && wit.has_gfn ? wit.gfn : UINT64_MAX;
	state_diff(w->child, w->parent, &w->changed);
	put_child(w, at, f);
	state_restore(w->child, w->parent, &w->changed);
	return true;
}

/*
 * Partial-order reduction: where an actor's next step is quiet, its move alone stands for all orders of it
 * and the others' (it commutes with them, hinders none and changes nothing that an invariant of theirs
 * looks at; a step that may empty a store buffer is not quiet).  No proviso for cycles is needed: no thread takes quiet steps only, so none is put off for ever.
 */
static unsigned int reduce(const struct vm *vm, struct move *list, unsigned int n)
{
	for (unsigned int i = 0; i < n && n > 1; i++) {
		if (list[i].kind != MOVE_STEP || !actor_is_quiet(vm, list[i].who) ||
		    mem_pending(vm, list[i].who))
			continue;
		list[0] = list[i];
		return 1;
	}
	return n;
}

/* Every move of the worker's parent state. */
static bool expand(struct worker *w, const struct wait_at *at)
{
	const struct explore_run *r = w->run;
	struct move list[MOVES_MAX];
	unsigned int n = moves_list(r->start.moves, w->parent, list);
	struct found f = { .from = at->number };

	if (n == 0 && (r->start.mask >> INV_PROG & 1) && !moves_done(r->start.moves, w->parent)) {
		f.inv = INV_PROG;
		f.why = explore_deadlock;
		f.gfn = UINT64_MAX;
		f.known = at->number;
		f.mv.kind = NR_MOVE_KINDS;
	}
	if (r->cfg->end && moves_done(r->start.moves, w->parent) && n == 0)
		r->cfg->end(r->cfg->end_arg, w->parent);
	if (n == 0) {
		f.last = true;
		put_found(w, &f, 0);
	}
	if (r->cfg->reduce)
		n = reduce(w->parent, list, n);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int picks = 1;

		for (unsigned int k = 0; k < picks; k++) {
			f = (struct found){ .from = at->number,
					    .depth = at->depth + 1,
					    .mv = list[i] };
			if (list[i].kind == MOVE_STEP)
				f.mv.k = (uint8_t)k;
			if (!try_move(w, at, &f))
				return false;
			if (list[i].kind == MOVE_STEP && w->ctx.pick_of)
				picks = w->ctx.pick_of;
		}
	}
	return true;
}

static gpointer work(gpointer data)
{
	struct worker *w = data;
	const struct explore_run *r = w->run;

	for (uint32_t i = w->first; i < w->first + w->n; i++) {
		const struct wait_at *at = &g_array_index(w->batch->where, struct wait_at, i);

		state_decode(w->parent, w->batch->codes->data + at->at, at->bytes, &w->differs);
		state_restore(w->child, w->parent, &w->differs);
		if (!expand(w, at))
			return NULL;
		state_restore(w->parent, r->start.vm, &w->differs);
		state_restore(w->child, r->start.vm, &w->differs);
	}
	return NULL;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static struct batch *batch_new(void)
{
	struct batch *b = g_new(struct batch, 1);

	b->codes = g_byte_array_sized_new(1); /* the start has no code, and yet a place */
	b->where = g_array_new(FALSE, FALSE, sizeof(struct wait_at));
	return b;
}

static void batch_free(void *p)
{
	struct batch *b = p;

	g_byte_array_free(b->codes, TRUE);
	g_array_free(b->where, TRUE);
	g_free(b);
}

static void add_waiting(struct explore_run *r, const struct found *f, const uint8_t *code)
{
	struct batch *b = g_queue_peek_tail(&r->waiting);
	guint size = r->cfg->depth_first ? ROUND_STATES_DEPTH : ROUND_STATES;
	struct wait_at at = {
		.hash = f->hash, .bytes = f->bytes, .number = r->origins->len, .depth = f->depth
	};

	if (!b || b->where->len >= size) {
		b = batch_new();
		g_queue_push_tail(&r->waiting, b);
	}
	at.at = b->codes->len;
	g_byte_array_append(b->codes, code, f->bytes);
	g_array_append_val(b->where, at);
	r->nr_waiting++;
	r->waiting_bytes += f->bytes + sizeof(at);
}

static void add_state(struct explore_run *r, const struct found *f, const uint8_t *code)
{
	struct origin o = { .from = f->from, .mv = f->mv };

	if (!r->cfg->max_depth || f->depth < r->cfg->max_depth)
		add_waiting(r, f, code);
	else
		r->result->bound = "--max-depth";
	g_array_append_val(r->origins, o);
	r->result->states++;
	r->result->depth = MAX(r->result->depth, f->depth);
}

GArray *explore_path(const struct explore_run *r, uint32_t state)
{
	GArray *path = g_array_new(FALSE, FALSE, sizeof(struct move));

	for (; state != STATE_NONE; state = g_array_index(r->origins, struct origin, state).from) {
		const struct origin *o = &g_array_index(r->origins, struct origin, state);

		if (o->from != STATE_NONE)
			g_array_prepend_val(path, o->mv);
	}
	return path;
}

static void add_finding(struct explore_run *r, const struct found *f)
{
	struct explore_finding *x;

	if (r->found_mask >> f->inv & 1)
		return;
	r->found_mask |= BIT(f->inv);
	x = g_new0(struct explore_finding, 1);
	x->inv = (enum inv)f->inv;
	x->why = explore_why(f->why, f->gfn != UINT64_MAX ? &f->gfn : NULL);
	x->path = explore_path(r, f->from);
	if (f->mv.kind != NR_MOVE_KINDS)
		g_array_append_val(x->path, f->mv);
	x->states = r->result->states;
	g_ptr_array_add(r->result->findings, x);
}

static void add_edge(struct explore_run *r, const struct found *f, uint32_t to)
{
	struct edge e = { .to = to, .kind = f->mv.kind, .who = f->mv.who };
	struct edges_of *of;

	if (r->cfg->no_progress || r->cfg->reduce)
		return;
	if (r->graph.of->len <= f->from)
		g_array_set_size(r->graph.of, f->from + 1);
	of = &g_array_index(r->graph.of, struct edges_of, f->from);
	if (!of->n)
		of->first = r->graph.edges->len;
	of->n++;
	g_array_append_val(r->graph.edges, e);
}

static void add_lints(struct explore_run *r, const struct found *f)
{
	for (unsigned int i = 0; i < NR_LINTS; i++) {
		struct explore_lint *l = &r->result->lints[i];

		if (!(f->lints >> i & 1))
			continue;
		if (l->moves++ == 0)
			l->depth = f->depth;
	}
}

/* Adds what one thread found, in its order. */
static void add_found(struct explore_run *r, const struct worker *w)
{
	guint at = 0;

	while (at < w->out->len) {
		struct found f;
		const uint8_t *code;
		uint32_t number;

		memcpy(&f, w->out->data + at, sizeof(f));
		code = w->out->data + at + sizeof(f);
		at += (guint)sizeof(f) + f.bytes;
		if (f.inv)
			add_finding(r, &f);
		if (f.mv.kind == NR_MOVE_KINDS || f.last)
			continue;
		r->result->transitions++;
		add_lints(r, &f);
		if (f.inv)
			continue; /* what comes after a violation means nothing */
		number = f.known != STATE_NONE ? f.known
					       : state_set_add(r->set, f.hash, r->origins->len);
		if (number == r->origins->len)
			add_state(r, &f, code);
		add_edge(r, &f, number);
	}
}

static bool run_workers(struct explore_run *r, GError **error)
{
	GThread *threads[EXPLORE_JOBS_MAX];
	unsigned int jobs = r->cfg->jobs;

	for (unsigned int j = 1; j < jobs; j++)
		threads[j] = g_thread_new("explore", work, &r->workers[j]);
	(void)work(&r->workers[0]);
	for (unsigned int j = 1; j < jobs; j++)
		g_thread_join(threads[j]);
	for (unsigned int j = 0; j < jobs; j++) {
		if (!r->workers[j].error)
			continue;
		g_propagate_error(error, g_steal_pointer(&r->workers[j].error));
		return false;
	}
	return true;
}

/* A round: the batch that waits longest, or depth first the youngest. */
static bool run_round(struct explore_run *r, GError **error)
{
	struct batch *b =
		r->cfg->depth_first ? g_queue_pop_tail(&r->waiting) : g_queue_pop_head(&r->waiting);
	guint n = b->where->len, jobs = r->cfg->jobs;
	bool ok;

	for (guint j = 0; j < jobs; j++) {
		struct worker *w = &r->workers[j];

		w->batch = b;
		w->first = n * j / jobs;
		w->n = n * (j + 1) / jobs - w->first;
		g_byte_array_set_size(w->out, 0);
	}
	ok = run_workers(r, error);
	r->nr_waiting -= n;
	r->waiting_bytes -= b->codes->len + (uint64_t)n * sizeof(struct wait_at);
	batch_free(b);
	for (guint j = 0; ok && j < jobs; j++)
		add_found(r, &r->workers[j]);
	return ok;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static uint64_t bytes_now(const struct explore_run *r)
{
	return state_set_bytes(r->set) + r->waiting_bytes +
	       (uint64_t)r->origins->len * sizeof(struct origin) +
	       (uint64_t)r->graph.edges->len * sizeof(struct edge) +
	       (uint64_t)r->graph.of->len * sizeof(struct edges_of);
}

static const char *bound_hit(const struct explore_run *r)
{
	const struct explore_cfg *c = r->cfg;

	if (c->max_states && r->result->states >= c->max_states)
		return "--max-states";
	if (r->result->states >= STATE_NONE - ROUND_STATES * MOVES_MAX)
		return "room for 2^32 states";
	return NULL;
}

static bool run_rounds(struct explore_run *r, GError **error)
{
	for (unsigned int i = 0; r->nr_waiting; i++) {
		const char *bound = bound_hit(r);

		if (bound) {
			r->result->bound = bound;
			return true;
		}
		if (!run_round(r, error))
			return false;
		r->result->bytes = MAX(r->result->bytes, bytes_now(r));
		if (r->cfg->tick && i % TICK_ROUNDS == 0)
			r->cfg->tick(r->cfg->tick_arg, r->result->states, r->nr_waiting);
		if (r->result->findings->len && !r->cfg->keep_going)
			return true;
	}
	r->result->complete = !r->result->bound;
	return true;
}

/* A cycle as a finding: the way to a state on it. */
static void look_for_cycles(struct explore_run *r)
{
	struct found f = { .inv = INV_PROG, .gfn = UINT64_MAX, .mv = { .kind = NR_MOVE_KINDS } };

	if (!r->result->complete || r->cfg->no_progress || r->cfg->reduce ||
	    !(r->start.mask >> INV_PROG & 1))
		return;
	f.from = progress_search(r, &f.why);
	if (f.from != STATE_NONE)
		add_finding(r, &f);
}

static void make_workers(struct explore_run *r)
{
	const struct vm_cfg *cfg = r->start.vm->cfg;

	r->workers = g_new0(struct worker, r->cfg->jobs);
	for (unsigned int j = 0; j < r->cfg->jobs; j++) {
		struct worker *w = &r->workers[j];

		w->run = r;
		w->parent = vm_new(cfg);
		w->child = vm_new(cfg);
		w->ctx = explore_ctx(w->child, w->notes);
		vm_copy(w->parent, r->start.vm);
		vm_copy(w->child, r->start.vm);
		w->code = g_malloc(state_code_max(r->start.vm));
		w->out = g_byte_array_new();
	}
}

static void run_init(struct explore_run *r, const struct explore_cfg *cfg)
{
	struct found f = { .from = STATE_NONE };

	r->cfg = cfg;
	r->set = state_set_new();
	r->origins = g_array_new(FALSE, FALSE, sizeof(struct origin));
	r->graph.edges = g_array_new(FALSE, FALSE, sizeof(struct edge));
	r->graph.of = g_array_new(FALSE, TRUE, sizeof(struct edges_of));
	g_queue_init(&r->waiting);
	r->result = g_new0(struct explore_result, 1);
	r->result->findings = g_ptr_array_new();
	r->result->setup_inv = r->start.setup_inv;
	r->result->setup_why = g_steal_pointer(&r->start.setup_why);
	make_workers(r);
	f.hash = state_hash(r->start.vm);
	(void)state_set_add(r->set, f.hash, 0);
	add_state(r, &f, r->workers[0].code);
}

static void run_fini(struct explore_run *r)
{
	for (unsigned int j = 0; j < r->cfg->jobs; j++) {
		vm_free(r->workers[j].parent);
		vm_free(r->workers[j].child);
		g_free(r->workers[j].code);
		g_byte_array_free(r->workers[j].out, TRUE);
	}
	g_free(r->workers);
	state_set_free(r->set);
	g_array_free(r->origins, TRUE);
	g_array_free(r->graph.edges, TRUE);
	g_array_free(r->graph.of, TRUE);
	g_queue_clear_full(&r->waiting, batch_free);
	explore_start_fini(&r->start);
}

struct explore_result *explore(const struct explore_cfg *cfg, GError **error)
{
	struct explore_run r = { .cfg = cfg };
	gint64 began = g_get_monotonic_time();
	struct explore_result *result;
	bool ok;

	g_assert(cfg->jobs >= 1 && cfg->jobs <= EXPLORE_JOBS_MAX);
	if (!explore_start(cfg, &r.start, error))
		return NULL;
	run_init(&r, cfg);
	ok = run_rounds(&r, error);
	if (ok)
		look_for_cycles(&r);
	result = r.result;
	result->seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	run_fini(&r);
	if (ok)
		return result;
	explore_result_free(result);
	return NULL;
}

void explore_result_free(struct explore_result *r)
{
	if (!r)
		return;
	for (guint i = 0; i < r->findings->len; i++) {
		struct explore_finding *f = g_ptr_array_index(r->findings, i);

		g_free(f->why);
		g_array_free(f->path, TRUE);
		g_free(f);
	}
	g_ptr_array_free(r->findings, TRUE);
	g_free(r->setup_why);
	g_free(r);
}
