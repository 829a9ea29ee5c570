/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/finding.h"

#include "harness/schedule.h"

void finding_who(const struct vm *vm, struct move mv, char out[FINDING_NAME_MAX])
{
	g_autoptr(GString) name = g_string_new(NULL);
	struct lang_sched s;

	if (mv.kind == MOVE_STORE) {
		s = schedule_mover(vm, mv);
		lang_print_mover(&s, name);
		g_strlcpy(out, name->str, FINDING_NAME_MAX);
	} else if (mv.kind <= MOVE_STEP)
		moves_actor_name(vm, mv.who, out);
	else if (mv.kind == MOVE_ACK)
		(void)g_snprintf(out, FINDING_NAME_MAX, "ipi%u", mv.who);
	else
		g_strlcpy(out, "rcu", FINDING_NAME_MAX);
}

/* A walk under way. */
struct walk_on {
	const struct explore_finding *f;
	const struct finding_visitor *v;
	void *arg;
	struct explore_start start;
	struct vm *before;
	struct ctx c;
};

/* What the explorer saw after the last move; NULL: not a matter of one move. */
static const struct witness *last_look(const struct walk_on *w, struct transition *t,
				       struct witness *wit)
{
	enum inv inv = explore_look(w->start.moves, t, BIT(w->f->inv), wit);

	if (w->f->inv == INV_PROG)
		return NULL;
	g_assert(inv == w->f->inv);
	return wit;
}

static void make_move(struct walk_on *w, unsigned int i)
{
	struct vm *vm = w->start.vm;
	struct transition t = { .before = w->before, .after = vm, .c = &w->c };
	struct witness wit;
	struct finding_move m = { .number = i + 1, .before = w->before, .after = vm, .c = &w->c };
	GError *error = NULL;

	m.mv = t.mv = g_array_index(w->f->path, struct move, i);
	vm_copy(w->before, vm);
	m.line = t.line = moves_line(w->start.moves, w->before, t.mv);
	m.begins = t.mv.kind == MOVE_LINE;
	if (!moves_make(w->start.moves, &w->c, t.mv, &error))
		g_error("%s", error->message);
	m.ends = w->c.finished;
	if (i + 1 == w->f->path->len)
		m.wit = last_look(w, &t, &wit);
	else
		(void)explore_look(w->start.moves, &t, 0, &wit);
	w->v->move(w->arg, &m);
}

void finding_walk(const struct explore_cfg *cfg, const struct explore_finding *f,
		  const struct finding_visitor *v, void *arg)
{
	struct note notes[NOTES_MAX];
	struct walk_on w = { .f = f, .v = v, .arg = arg };
	GError *error = NULL;

	if (!explore_start(cfg, &w.start, &error))
		g_error("%s", error->message);
	w.before = vm_new(w.start.vm->cfg);
	w.c = (struct ctx){ .vm = w.start.vm,
			    .rules = &w.start.vm->cfg->rules,
			    .notes = notes,
			    .event = v->event,
			    .event_arg = arg };
	if (v->start)
		v->start(arg, w.start.vm);
	for (guint i = 0; i < f->path->len; i++)
		make_move(&w, i);
	vm_free(w.before);
	explore_start_fini(&w.start);
}
