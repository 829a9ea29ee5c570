/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "harness/schedule.h"

enum {
	COMMENT_COLUMN = 48,
};

/* A schedule that is being written. */
struct writer {
	struct explore_start start;
	struct lang_line pending;      /* LANG_BLANK: there is none */
	const struct lang_line *begun; /* with the first move of .pending */
	GString *out;
};

static void flush(struct writer *w)
{
	gsize start = w->out->len;

	if (w->pending.kind == LANG_BLANK)
		return;
	lang_print_line(&w->pending, w->out);
	if (w->begun) {
		g_string_append_printf(w->out, "%*s # ",
				       (int)MAX(0, COMMENT_COLUMN - (int)(w->out->len - start)),
				       "");
		lang_print_line(w->begun, w->out);
	}
	g_string_append_c(w->out, '\n');
	w->pending = (struct lang_line){ .kind = LANG_BLANK };
	w->begun = NULL;
}

/* Are there several lines that the actor may begin? */
static bool has_choice(const struct writer *w, struct move mv)
{
	struct move list[MOVES_MAX];
	unsigned int n = moves_list(w->start.moves, w->start.vm, list), can = 0;

	for (unsigned int i = 0; i < n; i++)
		can += list[i].kind == MOVE_LINE && list[i].who == mv.who;
	return can > 1;
}

/* Could the move be one more of the pending line's? */
static bool is_more(const struct lang_line *pending, const struct lang_sched *s)
{
	const struct lang_sched *p = &pending->u.sched;

	return pending->kind == LANG_SCHED && p->mover == s->mover && p->who == s->who &&
	       !p->line && !p->pick && !s->pick;
}

static void add_move(struct writer *w, struct ctx *c, struct move mv)
{
	struct lang_sched s = schedule_mover(w->start.vm, mv);
	GError *error = NULL;

	if (mv.kind == MOVE_LINE && has_choice(w, mv))
		s.line = mv.k + 1U;
	if (mv.kind == MOVE_STEP || mv.kind == MOVE_STORE)
		s.pick = mv.k;
	if (mv.kind == MOVE_LINE || !is_more(&w->pending, &s)) {
		flush(w);
		w->pending = (struct lang_line){ .kind = LANG_SCHED, .u.sched = s };
	} else {
		w->pending.u.sched.n++;
	}
	if (mv.kind == MOVE_LINE)
		w->begun = moves_line(w->start.moves, w->start.vm, mv);
	if (!moves_make(w->start.moves, c, mv, &error))
		g_error("%s", error->message);
	s = (struct lang_sched){ .n = 0 };
	if (mv.kind <= MOVE_STEP && c->label)
		g_assert(g_strlcpy(s.at, c->label, sizeof(s.at)) < sizeof(s.at));
	memcpy(w->pending.u.sched.at, s.at, sizeof(s.at));
}

static void add_schedule(struct writer *w, const GArray *path)
{
	struct lang_line grain = { .kind = LANG_GRAIN, .u.grain = schedule_grain(w->start.vm) };
	struct note notes[NOTES_MAX];
	struct ctx c = { .vm = w->start.vm, .rules = &w->start.vm->cfg->rules, .notes = notes };

	lang_print_line(&grain, w->out);
	g_string_append_c(w->out, '\n');
	for (guint i = 0; i < path->len; i++)
		add_move(w, &c, g_array_index(path, struct move, i));
	flush(w);
}

/* Everything that the explorer would choose itself is said: another version may choose otherwise. */
static bool add_header(const struct writer *w, const struct explore_cfg *cfg, GError **error)
{
	struct lang_line l = { .kind = LANG_SCENARIO, .u.scenario = *cfg->scenario };
	struct lang_scenario *s = &l.u.scenario;
	const struct vm_cfg *vm = w->start.vm->cfg;

	if (g_strlcpy(s->policy, cfg->policy, sizeof(s->policy)) >= sizeof(s->policy)) {
		g_set_error(
			error, SCHEDULE_ERROR, SCHEDULE_ERROR_PRINT,
			"policy: expected at most %zu characters, which is what policy= has room "
			"for, found '%s'",
			sizeof(s->policy) - 1, cfg->policy);
		return false;
	}
	g_strlcpy(s->geom, vm->geom.name, sizeof(s->geom));
	g_strlcpy(s->tlb, vm->tlb.form == TLB_DROP ? "drop" : "set", sizeof(s->tlb));
	lang_print_line(&l, w->out);
	g_string_append_c(w->out, '\n');
	return true;
}

/* Room and questions, where they are not the explorer's own. */
static bool add_scope(const struct writer *w, const struct explore_cfg *cfg, GError **error)
{
	const struct setup_scope *sc = &cfg->scope;
	struct lang_line l = { .kind = LANG_SCOPE,
			       .u.scope = { .tables = sc->tables,
					    .slots = sc->slots,
					    .words = sc->words,
					    .tlb = sc->tlb,
					    .pml = sc->pml } };
	g_autoptr(GString) names = g_string_new(NULL);
	struct lang_line none = { .kind = LANG_SCOPE };

	for (unsigned int i = 1; cfg->invariants && i < NR_INVS; i++)
		if (*cfg->invariants >> i & 1)
			g_string_append_printf(names, "%s%s", names->len ? "," : "",
					       inv_name((enum inv)i));
	if (g_strlcpy(l.u.scope.invariants, names->str, sizeof(l.u.scope.invariants)) >=
	    sizeof(l.u.scope.invariants)) {
		g_set_error(error, SCHEDULE_ERROR, SCHEDULE_ERROR_PRINT,
			    "invariants: expected at most %zu characters, which is what "
			    "`scope` has room for, found '%s'",
			    sizeof(l.u.scope.invariants) - 1, names->str);
		return false;
	}
	if (lang_line_equal(&l, &none))
		return true;
	lang_print_line(&l, w->out);
	g_string_append_c(w->out, '\n');
	return true;
}

static void add_inputs(const struct explore_cfg *cfg, GString *out)
{
	for (guint i = 0; i < cfg->lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(cfg->lines, i);

		if (l->kind == LANG_SCOPE || l->kind == LANG_GRAIN || l->kind == LANG_SCHED)
			continue;
		lang_print_line(l, out);
		g_string_append_c(out, '\n');
	}
}

bool schedule_print(const struct explore_cfg *cfg, const struct explore_finding *f, GString *out,
		    GError **error)
{
	struct writer w = { .out = out };
	bool ok;

	if (!explore_start(cfg, &w.start, error))
		return false;
	g_string_append_printf(out, "# s2sim explore: %s is violated after %u moves: %s\n",
			       inv_name(f->inv), f->path->len, f->why);
	ok = add_header(&w, cfg, error) && add_scope(&w, cfg, error);
	if (ok) {
		add_inputs(cfg, out);
		add_schedule(&w, f->path);
		g_string_append_printf(out, "expect violated inv=%s\n", inv_name(f->inv));
	}
	explore_start_fini(&w.start);
	return ok;
}
