/* SPDX-License-Identifier: Apache-2.0 */
#include "model/engine.h"

#include "model/mem.h"
#include "model/procs.h"

const struct proc_desc procs[NR_PROCS] = {
	[P_NONE] = { "none", NULL, 0 },
#define X(n) [P_##n] = { #n, n, FRAME_BYTES },
#include "model/procs.def"
#undef X
};

enum step_result thread_step(struct ctx *c)
{
	c->me->wait = (struct wait){ .kind = W_RUN };
	while (c->me->depth) {
		struct frame *fr = &c->me->fr[c->me->depth - 1];

		switch (procs[fr->proc].fn(c, fr->loc, &fr->pc)) {
		case F_STEP:
			c->me->ret = 0; /* nobody looks at it across a boundary */
			return STEP_RAN;
		case F_WAIT:
			c->me->ret = 0;
			return STEP_BLOCKED;
		case F_CALL:
			break; /* run the callee up to its first boundary */
		case F_RET:
			memset(fr, 0, sizeof(*fr));
			c->me->depth--;
			break;
		}
	}
	return STEP_DONE;
}

enum flow proc_push(struct ctx *c, enum proc p, const void *locals, size_t size)
{
	struct frame *fr = &c->me->fr[c->me->depth];

	g_assert(c->me->depth < FRAMES_MAX && size <= FRAME_BYTES && p != P_NONE);
	fr->proc = (uint16_t)p;
	fr->pc = 0;
	memcpy(fr->loc, locals, size);
	c->me->depth++;
	return F_CALL;
}

void actor_start(struct vm *vm, uint32_t a, enum proc p, const void *locals, size_t size)
{
	struct actor *me = &vm->actors[a];

	g_assert(me->depth == 0 && size <= FRAME_BYTES);
	me->wait = (struct wait){ .kind = W_RUN };
	me->ret = 0;
	me->fr[0].proc = (uint16_t)p;
	me->fr[0].pc = 0;
	memcpy(me->fr[0].loc, locals, size);
	me->depth = 1;
}

void actor_wait(struct ctx *c, enum wait_kind kind, uint16_t obj, uint32_t arg)
{
	c->me->wait = (struct wait){ .kind = (uint8_t)kind, .obj = obj, .arg = arg };
}

static bool acks_done(const struct vm *vm, uint32_t a)
{
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++)
		if (vm->vcpus[v].acks_for >> a & 1)
			return false;
	return true;
}

bool actor_enabled(const struct vm *vm, uint32_t a)
{
	const struct actor *me = &vm->actors[a];
	const struct wait *w = &me->wait;

	if (me->depth == 0)
		return false;
	switch ((enum wait_kind)w->kind) {
	case W_RUN:
		return true;
	case W_LOCK_R:
		return vm->st->lock[w->obj].writer == 0;
	case W_LOCK_W:
		return vm->st->lock[w->obj].writer == 0 && vm->st->lock[w->obj].readers == 0;
	case W_ZERO:
		return vm->st->mn_active_invalidate_count == 0;
	case W_EPOCH:
		return vm->st->srcu.count[w->arg] == 0;
	case W_ACKS:
		return acks_done(vm, a);
	case W_BIT:
		return !(vm->words[w->arg / 64] >> w->arg % 64 & 1);
	case W_PAGE:
		return vm->pages[w->arg].kind != PAGE_NONE || vm->pages[w->arg].vma_gone;
	case W_GUEST:
		return vm->vcpus[a].mode == EXITING_GUEST_MODE || vm->vcpus[a].stop_spin;
	}
	return false;
}

void wake(struct ctx *c, uint16_t obj)
{
	for (uint8_t i = 0; i < c->nr_woke; i++)
		if (c->woke[i] == obj)
			return;
	g_assert(c->nr_woke < WOKE_MAX);
	c->woke[c->nr_woke++] = obj;
}

void lock_take_write(struct ctx *c, enum obj o)
{
	struct lock *l = &c->vm->st->lock[o];

	g_assert(l->writer == 0 && l->readers == 0);
	l->writer = (int32_t)c->me_nr + 1;
	c->work.lock_write_op++;
	c->locks |= (uint8_t)(1U << o);
}

void lock_take_read(struct ctx *c, enum obj o)
{
	struct lock *l = &c->vm->st->lock[o];

	g_assert(l->writer == 0);
	l->readers++;
	c->work.lock_op++;
	c->locks |= (uint8_t)(1U << o);
}

void lock_drop_write(struct ctx *c, enum obj o)
{
	struct lock *l = &c->vm->st->lock[o];

	g_assert(l->writer == (int32_t)c->me_nr + 1);
	mem_drain(c);
	l->writer = 0;
	wake(c, (uint16_t)o);
	c->work.lock_write_op++;
	c->locks |= (uint8_t)(1U << o);
}

void lock_drop_read(struct ctx *c, enum obj o)
{
	struct lock *l = &c->vm->st->lock[o];

	g_assert(l->readers > 0);
	mem_drain(c);
	l->readers--;
	wake(c, (uint16_t)o);
	c->work.lock_op++;
	c->locks |= (uint8_t)(1U << o);
}

bool lock_is_contended(const struct vm *vm, enum obj o)
{
	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		const struct wait *w = &vm->actors[a].wait;

		if (w->obj == o && (w->kind == W_LOCK_R || w->kind == W_LOCK_W))
			return true;
	}
	return false;
}

void srcu_enter(struct ctx *c)
{
	struct epoch *e = &c->vm->st->srcu;

	g_assert(!(c->me->flags & ACTOR_SRCU));
	mem_drain(c);
	c->me->flags |= ACTOR_SRCU;
	c->me->srcu_side = e->idx;
	e->count[e->idx]++;
}

void srcu_exit(struct ctx *c)
{
	struct epoch *e = &c->vm->st->srcu;

	g_assert(c->me->flags & ACTOR_SRCU);
	mem_drain(c);
	mem_barrier(c, MEM_SRCU_MB);
	c->me->flags &= (uint16_t)~ACTOR_SRCU;
	e->count[c->me->srcu_side]--;
	c->me->srcu_side = 0;
	wake(c, OBJ_SRCU);
}

void rcu_enter(struct ctx *c)
{
	struct epoch *e = &c->vm->st->rcu;

	g_assert(!(c->me->flags & ACTOR_RCU));
	c->me->flags |= ACTOR_RCU;
	c->me->rcu_side = e->idx;
	e->count[e->idx]++;
}

void rcu_exit(struct ctx *c)
{
	struct epoch *e = &c->vm->st->rcu;

	g_assert(c->me->flags & ACTOR_RCU);
	c->me->flags &= (uint16_t)~ACTOR_RCU;
	e->count[c->me->rcu_side]--;
	c->me->rcu_side = 0;
	wake(c, OBJ_RCU);
}

unsigned int pick(struct ctx *c, unsigned int n)
{
	unsigned int answer = c->pick < n ? c->pick : 0;

	c->nr_picks++;
	c->pick_of = (uint16_t)n;
	c->pick = 0;
	return answer;
}
