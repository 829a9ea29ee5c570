/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "harness/explore_priv.h"

/* A place where a thread stands: procedure and point in it, of its innermost frame. */
static struct mover *place(struct movers *m, const struct vm *vm, uint32_t a)
{
	const struct actor *me = &vm->actors[a];
	const struct frame *fr = &me->fr[me->depth - 1];

	return &m->at[fr->proc][fr->pc % MOVERS_PC];
}

struct after {
	struct vm_hash hash;
	struct move list[MOVES_MAX];
	unsigned int n;
};

static bool same(struct vm_hash a, struct vm_hash b)
{
	return a.low == b.low && a.high == b.high;
}

static bool has(const struct move *list, unsigned int n, struct move mv)
{
	for (unsigned int i = 0; i < n; i++)
		if (list[i].kind == mv.kind && list[i].who == mv.who && list[i].k == mv.k)
			return true;
	return false;
}

/* Makes mv in a copy of from; the number of answers that a pick had, at least 1. */
static unsigned int make(struct worker *w, struct vm *to, const struct vm *from, struct move mv)
{
	struct transition t = { .before = from, .after = to, .c = &w->ctx, .mv = mv };
	GError *error = NULL;

	vm_copy(to, from);
	w->ctx.vm = to;
	t.line = moves_line(w->run->start.moves, from, mv);
	if (!moves_make(w->run->start.moves, &w->ctx, mv, &error))
		g_error("%s", error->message);
	inv_ghost(&t);
	inv_ghost_end(&t);
	return w->ctx.pick_of ? w->ctx.pick_of : 1;
}

static struct vm_hash hash_of(const struct vm *vm)
{
	return state_hash(vm);
}

/* Do a and b of the state lead to the same in both orders? */
static bool commute(struct worker *w, struct vm *s_a, struct move a, struct move b,
		    bool *b_after_a, bool *a_after_b)
{
	struct movers *m = w->run->cfg->movers;
	struct move list[MOVES_MAX];
	struct vm_hash ab, ba;
	unsigned int n;

	n = moves_list(w->run->start.moves, s_a, list);
	*b_after_a = has(list, n, (struct move){ b.kind, b.who, b.kind == MOVE_STEP ? 0 : b.k });
	make(w, m->s_b, w->parent, b);
	n = moves_list(w->run->start.moves, m->s_b, list);
	*a_after_b = has(list, n, a);
	if (!*b_after_a || !*a_after_b)
		return false;
	make(w, m->s_2, s_a, b);
	ab = hash_of(m->s_2);
	make(w, m->s_2, m->s_b, a);
	ba = hash_of(m->s_2);
	return same(ab, ba);
}

void movers_look(struct worker *w, const struct move *list, unsigned int n)
{
	struct movers *m = w->run->cfg->movers;
	struct vm *s = w->parent;

	if (!m->s_a) {
		m->s_a = vm_new(s->cfg);
		m->s_b = vm_new(s->cfg);
		m->s_2 = vm_new(s->cfg);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct mover *p;
		struct move after[MOVES_MAX];
		unsigned int na;
		struct actor *me;
		uint16_t proc, pc;

		if (list[i].kind != MOVE_STEP)
			continue;
		p = place(m, s, list[i].who);
		p->states++;
		if (make(w, m->s_a, s, list[i]) > 1) {
			p->left++;
			p->right++;
			continue;
		}
		me = &m->s_a->actors[list[i].who];
		if (w->ctx.label && me->depth)
			place(m, m->s_a, list[i].who)->label = w->ctx.label;
		if (me->depth) {
			proc = me->fr[me->depth - 1].proc;
			pc = me->fr[me->depth - 1].pc;
			if (!has((struct move *)p->next, p->nr_next, (struct move){ (uint8_t)proc, (uint8_t)pc, (uint8_t)(pc >> 8) }) && p->nr_next < 16)
				p->next[p->nr_next++] = (struct move){ (uint8_t)proc, (uint8_t)pc, (uint8_t)(pc >> 8) };
		}
		na = moves_list(w->run->start.moves, m->s_a, after);
		for (unsigned int j = 0; j < n; j++) {
			unsigned int picks = 1;
			for (unsigned int k = 0; k < picks; k++) {
				bool ba, ab;
				struct move b = list[j];

				if ((list[j].kind <= MOVE_STEP && list[j].who == list[i].who))
					continue;
				if (b.kind == MOVE_STEP)
					b.k = (uint8_t)k;
				if (b.kind == MOVE_STEP && k == 0)
					picks = make(w, m->s_b, s, b);
				if (commute(w, m->s_a, list[i], b, &ba, &ab))
					continue;
				if (ab)
					p->left++;
				if (ba)
					p->right++;
				if (p->nr_why < 6) {
					const char *t = b.kind <= MOVE_STEP ? (s->actors[b.who].depth ? place(m, s, b.who)->label : "idle") : b.kind == MOVE_ACK ? "ACK" : "RCU";
					bool known = false;
					for (unsigned q = 0; q < p->nr_why; q++) known |= p->why[q] == t;
					if (!known) p->why[p->nr_why++] = t;
				}
			}
		}
		/* newly enabled by a: not a right mover */
		for (unsigned int j = 0; j < na; j++)
			if (!(after[j].kind <= MOVE_STEP && after[j].who == list[i].who) && !has(list, n, after[j]))
				p->right++;
	}
	/* waiting: enabled by another */
	for (uint32_t a = 0; a < s->nr_actors; a++) {
		struct mover *p;

		if (!s->actors[a].depth || has(list, n, (struct move){ MOVE_STEP, (uint8_t)a, 0 }))
			continue;
		p = place(m, s, a);
		p->blocked++;
	}
}

void movers_print(const struct movers *m)
{
	for (unsigned int p = 0; p < NR_PROCS; p++)
		for (unsigned int c = 0; c < MOVERS_PC; c++) {
			const struct mover *x = &m->at[p][c];
			if (!x->states)
				continue;
			printf("%-28s %4u %-34s states %8lu left %8lu right %8lu blocked %8lu |", procs[p].name, c,
			       x->label ? x->label : "?", x->states, x->left, x->right, x->blocked);
			for (unsigned q = 0; q < x->nr_why; q++)
				printf(" %s", x->why[q] ? x->why[q] : "?");
			printf(" ->");
			for (unsigned q = 0; q < x->nr_next; q++) {
				const struct mover *y = &m->at[x->next[q].kind][x->next[q].who | x->next[q].k << 8];
				printf(" %s", y->label ? y->label : procs[x->next[q].kind].name);
			}
			printf("\n");
		}
}
