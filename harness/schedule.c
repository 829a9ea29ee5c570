/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/schedule.h"

G_DEFINE_QUARK(s2_schedule_error, schedule_error)

bool schedule_is_part(const GPtrArray *lines)
{
	for (guint i = 0; i < lines->len; i++)
		if (((const struct lang_line *)g_ptr_array_index(lines, i))->kind == LANG_GRAIN)
			return true;
	return false;
}

/* The grain of explorer and replay, see setup_free_order(). */
struct lang_grain schedule_grain(const struct vm *vm)
{
	return (struct lang_grain){ .walk = vm->cfg->walk_budget,
				    .hw = vm->cfg->hw_steps,
				    .drop = vm->cfg->tlb.form == TLB_DROP };
}

/* ---- who moves ------------------------------------------------------------------------------- */

struct lang_sched schedule_mover(const struct vm *vm, struct move mv)
{
	struct lang_sched s = { .mover = LANG_MOVER_RCU, .n = 1 };
	bool store = mv.kind == MOVE_STORE, thread = store || mv.kind <= MOVE_STEP;

	if (mv.kind == MOVE_ACK || (thread && mv.who < vm->cfg->nr_vcpus)) {
		s.mover = mv.kind == MOVE_ACK ? LANG_MOVER_ACK
			  : store             ? LANG_MOVER_STORE_VCPU
					      : LANG_MOVER_VCPU;
		s.who = mv.who;
	} else if (thread) {
		s.mover = store ? LANG_MOVER_STORE_VMM : LANG_MOVER_VMM;
		while (s.who < vm->cfg->nr_vmms && vm_vmm_thread(vm, s.who) != mv.who)
			s.who++;
		if (s.who < vm->cfg->nr_vmms)
			return s;
		s.mover = store ? LANG_MOVER_STORE_MM : LANG_MOVER_MM;
		for (s.who = 0; vm_mm_thread(vm, s.who) != mv.who;)
			s.who++;
	}
	return s;
}

static bool is_mover(const struct vm *vm, const struct lang_sched *s, struct move mv)
{
	struct lang_sched of = schedule_mover(vm, mv);

	return of.mover == s->mover && of.who == s->who;
}

/* ---- lines as moves -------------------------------------------------------------------------- */

/* A schedule on its way. */
struct schedule_walk {
	const struct explore_cfg *cfg;
	struct explore_start start;
	struct vm *before;
	struct ctx c;
	struct note notes[NOTES_MAX];
	uint64_t mask;
	struct schedule_result *out;
	const struct lang_line *line; /* the `sched` line */
	uint64_t number;              /* of its move, from 1 */
	GError **error;
};

/* Takes both texts over. */
static bool misfit(const struct schedule_walk *w, char *expected, char *found)
{
	g_autoptr(GString) line = g_string_new(NULL);

	lang_print_line(w->line, line);
	g_set_error(w->error, SCHEDULE_ERROR, SCHEDULE_ERROR_MOVE,
		    "line %u: '%s', move %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
		    ": expected %s, found %s",
		    w->line->line, line->str, w->number, w->line->u.sched.n, expected, found);
	g_free(expected);
	g_free(found);
	return false;
}

/* Who can move, each once, as `sched` lines name them. */
static char *movers_text(const struct vm *vm, const struct move *list, unsigned int n)
{
	GString *out = g_string_new(NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct lang_sched s = schedule_mover(vm, list[i]);

		if (i && is_mover(vm, &s, list[i - 1]))
			continue;
		g_string_append(out, i ? ", " : "");
		lang_print_mover(&s, out);
	}
	if (!n)
		g_string_append(out, "the end of the schedule");
	return g_string_free(out, FALSE);
}

/* Lines that the mover may begin, from 1; empty: it is in the middle of one. */
static char *choices_text(const struct schedule_walk *w, const struct move *list, unsigned int n)
{
	GString *out = g_string_new(NULL);

	for (unsigned int i = 0; i < n; i++)
		if (list[i].kind == MOVE_LINE && is_mover(w->start.vm, &w->line->u.sched, list[i]))
			g_string_append_printf(out, "%s%u", out->len ? " or " : "", list[i].k + 1U);
	return g_string_free(out, FALSE);
}

/* The move of the list that the line means. */
static bool find_move(const struct schedule_walk *w, struct move *out)
{
	const struct lang_sched *s = &w->line->u.sched;
	const struct vm *vm = w->start.vm;
	struct move list[MOVES_MAX];
	unsigned int n = moves_list(w->start.moves, vm, list), fit = 0, can = 0;
	g_autofree char *choices = choices_text(w, list, n);
	g_autofree char *movers = movers_text(vm, list, n);

	for (unsigned int i = 0; i < n; i++) {
		if (!is_mover(vm, s, list[i]))
			continue;
		can++;
		if (s->line && (list[i].kind != MOVE_LINE || list[i].k + 1U != s->line))
			continue;
		if (list[i].kind == MOVE_STORE && list[i].k != s->pick)
			continue;
		*out = list[i];
		fit++;
	}
	if (!can) {
		g_autoptr(GString) who = g_string_new(NULL);

		lang_print_mover(s, who);
		return misfit(w, g_strdup_printf("somebody who can move (%s)", movers),
			      g_strdup_printf("%s, who cannot", who->str));
	}
	if (s->line && !fit)
		return misfit(w,
			      *choices ? g_strdup_printf("a line that can begin (line=%s)", choices)
				       : g_strdup("no line= in the middle of a line"),
			      g_strdup_printf("line=%" G_GUINT64_FORMAT, s->line));
	if (fit > 1)
		return misfit(w, g_strdup_printf("line=%s", choices), g_strdup("none"));
	if (!fit)
		return misfit(w, g_strdup("pick= of a store that can become visible"),
			      g_strdup_printf("pick=%" G_GUINT64_FORMAT, s->pick));
	if (s->pick && out->kind == MOVE_LINE)
		return misfit(w, g_strdup("no pick= where a line begins"),
			      g_strdup_printf("pick=%" G_GUINT64_FORMAT, s->pick));
	if (out->kind == MOVE_STEP)
		out->k = (uint8_t)s->pick;
	return true;
}

/* Makes one move; what it violates is in w->out. */
static bool make_move(struct schedule_walk *w)
{
	const struct lang_sched *s = &w->line->u.sched;
	struct explore_finding *f = &w->out->finding;
	struct transition t = { .before = w->before, .after = w->start.vm, .c = &w->c };
	struct witness wit;

	if (!find_move(w, &t.mv))
		return false;
	vm_copy(w->before, w->start.vm);
	t.line = moves_line(w->start.moves, w->before, t.mv);
	if (!moves_make(w->start.moves, &w->c, t.mv, w->error))
		return false;
	if (t.mv.kind == MOVE_STEP && s->pick && s->pick >= w->c.pick_of)
		return misfit(w, g_strdup_printf("pick= below %d", MAX(w->c.pick_of, 1)),
			      g_strdup_printf("pick=%" G_GUINT64_FORMAT, s->pick));
	if (*s->at && w->number == s->n && g_strcmp0(w->c.label, s->at) != 0)
		return misfit(w, g_strdup_printf("'%s'", s->at),
			      w->c.label ? g_strdup_printf("'%s'", w->c.label)
					 : g_strdup("an end, or a wait"));
	g_array_append_val(f->path, t.mv);
	f->inv = explore_look(w->start.moves, &t, w->mask, &wit);
	if (f->inv)
		f->why = explore_why(wit.why, wit.has_gfn ? &wit.gfn : NULL);
	return true;
}

static bool run_line(struct schedule_walk *w)
{
	for (w->number = 1; w->number <= w->line->u.sched.n && !w->out->finding.inv; w->number++)
		if (!make_move(w))
			return false;
	return true;
}

static bool check_grain(const struct schedule_walk *w)
{
	const struct lang_grain *g = &w->line->u.grain;
	struct lang_line is = { .kind = LANG_GRAIN, .u.grain = schedule_grain(w->start.vm) };
	g_autoptr(GString) expected = g_string_new(NULL), found = g_string_new(NULL);

	if (g->walk == is.u.grain.walk && g->hw == is.u.grain.hw && g->fifo == is.u.grain.fifo &&
	    g->drop == is.u.grain.drop)
		return true;
	lang_print_line(&is, expected);
	lang_print_line(w->line, found);
	g_set_error(w->error, SCHEDULE_ERROR, SCHEDULE_ERROR_GRAIN,
		    "line %u: expected '%s', in which this scenario's steps are made, found '%s'",
		    w->line->line, expected->str, found->str);
	return false;
}

static bool run_lines(struct schedule_walk *w)
{
	for (guint i = 0; i < w->cfg->lines->len; i++) {
		w->line = g_ptr_array_index(w->cfg->lines, i);
		if (w->line->kind == LANG_GRAIN && !check_grain(w))
			return false;
		if (w->line->kind != LANG_SCHED)
			continue;
		w->out->moves += w->line->u.sched.n;
		if (!w->out->finding.inv && !run_line(w))
			return false;
	}
	return true;
}

static void look_for_deadlock(struct schedule_walk *w)
{
	struct explore_finding *f = &w->out->finding;
	struct move list[MOVES_MAX];

	if (f->inv || moves_list(w->start.moves, w->start.vm, list) ||
	    moves_done(w->start.moves, w->start.vm))
		return;
	f->inv = INV_PROG;
	f->why = g_strdup(explore_deadlock);
}

/* That steps repeat for ever is no matter of one path: everything behind this one is tried. */
static bool look_for_cycles(const struct schedule_walk *w)
{
	const uint64_t prog = BIT(INV_PROG);
	struct explore_finding *f = &w->out->finding;
	struct explore_cfg cfg = *w->cfg;
	struct explore_result *r;

	cfg.after = f->path;
	cfg.invariants = &prog;
	cfg.no_progress = cfg.reduce = cfg.depth_first = cfg.keep_going = false;
	r = explore(&cfg, w->error);
	if (!r)
		return false;
	w->out->progress = true;
	f->states = r->states;
	if (r->findings->len) {
		const struct explore_finding *cycle = g_ptr_array_index(r->findings, 0);

		f->inv = cycle->inv;
		f->why = g_strdup(cycle->why);
	}
	explore_result_free(r);
	return true;
}

bool schedule_run(const struct explore_cfg *cfg, bool progress, struct schedule_result *out,
		  GError **error)
{
	struct schedule_walk w = { .cfg = cfg, .out = out, .error = error };
	bool ok;

	*out = (struct schedule_result){ .moves = 0 };
	if (!explore_start(cfg, &w.start, error))
		return false;
	out->finding.path = g_array_new(FALSE, FALSE, sizeof(struct move));
	w.before = vm_new(w.start.vm->cfg);
	w.mask = inv_applies(w.start.vm->cfg);
	if (cfg->invariants)
		w.mask &= *cfg->invariants;
	w.c = (struct ctx){ .vm = w.start.vm, .rules = &w.start.vm->cfg->rules, .notes = w.notes };
	ok = run_lines(&w);
	if (ok)
		look_for_deadlock(&w);
	if (ok && progress && !out->finding.inv)
		ok = look_for_cycles(&w);
	vm_free(w.before);
	explore_start_fini(&w.start);
	if (!ok)
		schedule_result_fini(out);
	return ok;
}

void schedule_result_fini(struct schedule_result *r)
{
	g_free(r->finding.why);
	if (r->finding.path)
		g_array_free(r->finding.path, TRUE);
	*r = (struct schedule_result){ .moves = 0 };
}
