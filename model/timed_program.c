/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario's lines in simulated time.  A block is one line, or the lines between `par` and `join`;
 * its actors run their lines in order, side by side; the next block begins when all have ended.
 */
#include "model/observe.h"
#include "model/timed_priv.h"

static const struct lang_line *line_at(const struct timed *t, uint32_t i)
{
	return t->cfg.lines[i];
}

static bool is_access(const struct lang_line *l)
{
	return l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC;
}

static bool waits_for_join(const struct lang_line *l)
{
	return is_access(l) && l->u.guest.until_join;
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void subtract(struct timed_totals *a, const struct timed_totals *b)
{
#define X(name, text) a->work.name -= b->work.name;
	WORK_LIST(X)
#undef X
#define X(name, text) a->kvm.name -= b->kvm.name;
	VM_STAT_LIST(X)
	VCPU_STAT_LIST(X)
#undef X
	for (int i = 0; i < TIMED_NR_LOCKS; i++) {
		a->lock[i].taken -= b->lock[i].taken;
		a->lock[i].contended -= b->lock[i].contended;
		a->lock[i].wait_ps -= b->lock[i].wait_ps;
	}
	for (int i = 0; i < TIMED_NR_EXITS; i++)
		a->exits[i] -= b->exits[i];
	for (size_t i = 0; i < G_N_ELEMENTS(a->user_exits); i++)
		a->user_exits[i] -= b->user_exits[i];
	for (int i = 0; i < TIMED_NR_STATES; i++)
		a->state_ps[i] -= b->state_ps[i];
	a->steps -= b->steps;
	a->activations -= b->activations;
}

/* Maxima begin anew with each phase. */
static void end_phase(struct timed *t)
{
	struct timed_phase p = { .start_ps = t->phase_start,
				 .end_ps = sim_now(t->sim),
				 .totals = t->totals,
				 .stall = t->stall,
				 .tables = t->vm->st->pt_head.nr_live };
	int64_t nx;

	subtract(&p.totals, &t->phase_base);
	g_strlcpy(p.name, t->phase_name, sizeof(p.name));
	observe_pages(t->vm, p.pages, &nx);
	g_array_append_val(t->phases, p);
	memset(&t->stall, 0, sizeof(t->stall));
	for (int i = 0; i < TIMED_NR_LOCKS; i++)
		t->totals.lock[i].wait_max_ps = 0;
	t->phase_base = t->totals;
	t->phase_start = p.end_ps;
}

static void begin_phase(struct timed *t, const char *name)
{
	if (t->block_first > 0 || t->phases->len > 0)
		end_phase(t);
	g_strlcpy(t->phase_name, name, sizeof(t->phase_name));
}

/* ---- actors ---------------------------------------------------------------------------------- */

/* The actor's next line in the block from t->actor[a].next on; false: none. */
static bool next_line(struct timed *t, uint32_t a)
{
	struct timed_actor *ta = &t->actor[a];

	for (; ta->next < t->block_end; ta->next++) {
		const struct lang_line *l = line_at(t, ta->next);

		if (!(lines_actors(&t->lines, l) >> a & 1))
			continue;
		ta->next++;
		ta->line = l;
		ta->repeats = max_u64(l->when.repeat, 1);
		ta->part = PART_START;
		return true;
	}
	ta->line = NULL;
	ta->part = PART_NONE;
	return false;
}

static uint64_t line_begin(const struct timed *t, uint32_t a, uint64_t now)
{
	const struct lang_when *w = &t->actor[a].line->when;

	return max_u64(now + w->delay, t->block_start + w->at);
}

/* All that is left runs until the others are done: they are. */
static void stop_rest(struct timed *t, uint64_t now)
{
	uint64_t at = now + t->cfg.profile->v[COST_ipi_send] + t->cfg.profile->v[COST_ipi_latency];

	t->rest_stopped = true;
	for (uint32_t v = 0; v < t->vm->cfg->nr_vcpus; v++) {
		if (!t->actor[v].line || !waits_for_join(t->actor[v].line))
			continue;
		t->stop_at[v] = at;
		sim_at(t->sim, t->m_stop + v, at, SIM_PRIO_HW);
	}
}

static void account(struct timed *t, const struct lang_line *l, int by)
{
	uint32_t *n = waits_for_join(l) ? &t->until_join : &t->busy;

	*n += (uint32_t)by;
}

static void actor_left(struct timed *t, uint64_t now)
{
	if (t->busy)
		return;
	if (t->until_join && !t->rest_stopped)
		stop_rest(t, now);
	else if (!t->until_join)
		sim_at(t->sim, t->m_block, now, SIM_PRIO_WAKE);
}

static void finish_line(struct timed *t, uint32_t a, uint64_t now)
{
	struct timed_actor *ta = &t->actor[a];
	struct timed_line done = { .line = ta->line,
				   .actor = a,
				   .ret = lines_finish(&t->lines, a),
				   .start_ps = ta->line_start,
				   .end_ps = now };

	ta->exit_ps = ta->owed_ps = 0;
	ta->label = NULL;
	if (a < t->vm->cfg->nr_vcpus) {
		/* a stop that comes too late must not end the next line */
		t->vm->vcpus[a].stop_spin = 0;
		t->stop_at[a] = SIM_NEVER;
		sim_cancel(t->sim, t->m_stop + a);
	}
	g_array_append_val(t->done, done);
}

static bool open_file(struct timed *t, uint32_t a, const struct lang_line *l, GError **error)
{
	const struct access_file *f;

	if (!is_access(l) || !*l->u.guest.file)
		return true;
	f = t->cfg.file ? t->cfg.file(t->cfg.arg, l->u.guest.file, error) : NULL;
	if (!f)
		return false;
	t->files[a] = *f;
	return true;
}

/* A loop without end has no place among lines that wait for each other; until=join does its work. */
static bool check_kind(const struct lang_line *l, GError **error)
{
	if (l->kind != LANG_GUEST_SPIN && l->kind != LANG_GUEST_UNSPIN)
		return true;
	g_set_error(error, TIMED_ERROR, TIMED_ERROR_LINE,
		    "expected accesses with until=join, found '%s'", lang_kind_name(l->kind));
	return false;
}

/* Starts the line; false: the run has failed. */
static bool start_line(struct timed *t, uint32_t a, uint64_t now)
{
	struct timed_actor *ta = &t->actor[a];
	const struct lang_line *l = ta->line;
	GError *error = NULL;

	ta->line_start = now;
	if (!check_kind(l, &error) || !open_file(t, a, l, &error) ||
	    !lines_start(&t->lines, l, a, &error)) {
		g_prefix_error(&error, "line %u: ", l->line);
		timed_fail(t, error);
		return false;
	}
	t->vm->ops[a].seed += t->cfg.seed;
	if (is_access(l) && l->u.guest.limit != LANG_TIME_NONE) {
		t->stop_at[a] = now + l->u.guest.limit;
		sim_at(t->sim, t->m_stop + a, t->stop_at[a], SIM_PRIO_HW);
	}
	return true;
}

/* After a line: once more, the actor's next one, or nothing; false: nothing. */
static bool go_to_next(struct timed *t, uint32_t a, uint64_t now, uint64_t *next)
{
	struct timed_actor *ta = &t->actor[a];
	const struct lang_line *was = ta->line;

	finish_line(t, a, now);
	if (--ta->repeats > 0) {
		ta->part = PART_START;
		*next = now + was->when.delay;
		return true;
	}
	account(t, was, -1);
	if (next_line(t, a)) {
		account(t, ta->line, 1);
		*next = line_begin(t, a, now);
		return true;
	}
	actor_left(t, now);
	return false;
}

bool program_actor(struct timed *t, uint32_t a, uint64_t *next)
{
	struct timed_actor *ta = &t->actor[a];
	uint64_t now = sim_now(t->sim);

	if (ta->part == PART_FINISH)
		return go_to_next(t, a, now, next);
	if (ta->part == PART_NONE || !start_line(t, a, now))
		return false;
	if (actor_idle(t->vm, a))
		return go_to_next(t, a, now, next);
	ta->part = PART_RUN;
	*next = now + (a == vm_actor_mm(t->vm) ? 0 : t->cfg.profile->v[COST_syscall]);
	timed_spend(t, a, TIMED_KVM, now, *next);
	return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Sets the bounds of the block at t->pc; false: there is none left. */
static bool find_block(struct timed *t)
{
	while (t->pc < t->cfg.nr_lines && line_at(t, t->pc)->kind == LANG_PHASE) {
		t->block_first = t->pc;
		begin_phase(t, line_at(t, t->pc++)->u.phase.name);
	}
	t->block_first = t->pc;
	if (t->pc >= t->cfg.nr_lines)
		return false;
	if (line_at(t, t->pc)->kind != LANG_PAR) {
		t->block_end = ++t->pc;
		return true;
	}
	t->block_first = ++t->pc;
	while (line_at(t, t->pc)->kind != LANG_JOIN)
		t->pc++;
	t->block_end = t->pc++;
	return true;
}

void program_block(void *arg, uint32_t method)
{
	struct timed *t = arg;
	uint64_t now = sim_now(t->sim);

	(void)method;
	if (!find_block(t)) {
		/* what is still pending is of no line */
		end_phase(t);
		timed_show_spans(t);
		sim_stop(t->sim);
		return;
	}
	t->block_start = now;
	t->rest_stopped = false;
	for (uint32_t a = 0; a < t->vm->nr_actors; a++) {
		t->actor[a].next = t->block_first;
		if (!next_line(t, a))
			continue;
		account(t, t->actor[a].line, 1);
		timed_at(t, a, line_begin(t, a, now));
	}
	if (!t->busy)
		actor_left(t, now);
}

void program_start(struct timed *t)
{
	g_strlcpy(t->phase_name, "run", sizeof(t->phase_name));
	sim_at(t->sim, t->m_block, 0, SIM_PRIO_WAKE);
}
