/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for whom: the queues of what actors wait for, locks handed over in order, interrupts and
 * grace periods on their way.
 */
#include "model/kick.h"
#include "model/timed_priv.h"
#include "model/vcpu.h"

void timed_at(struct timed *t, uint32_t a, uint64_t ps)
{
	t->actor[a].at = ps;
	sim_at(t->sim, a, ps, timed_prio(t, a));
}

void timed_fail(struct timed *t, GError *error)
{
	if (t->error)
		g_error_free(error);
	else
		t->error = error;
	sim_fail(t->sim, t->error->message);
}

static bool is_lock_wait(const struct wait *w)
{
	return w->kind == W_LOCK_R || w->kind == W_LOCK_W;
}

static enum timed_state state_of_wait(const struct wait *w)
{
	return is_lock_wait(w)     ? TIMED_WAIT_LOCK
	       : w->kind == W_ACKS ? TIMED_WAIT_ACK
				   : TIMED_WAIT_RCU;
}

static void show_span(struct timed *t, uint32_t a)
{
	struct timed_span *p = &t->actor[a].span;

	if (t->cfg.watch && p->to_ps > p->from_ps)
		t->cfg.watch(t->cfg.arg, a, (enum timed_state)p->state, p->from_ps, p->to_ps);
	*p = (struct timed_span){ 0 };
}

void timed_spend(struct timed *t, uint32_t a, enum timed_state state, uint64_t from, uint64_t to)
{
	struct timed_span *p = &t->actor[a].span;

	t->totals.state_ps[state] += to - from;
	if (a < t->vm->cfg->nr_vcpus && state == TIMED_GUEST)
		t->vcpu[a].guest_ps += to - from;
	if (p->state == state && p->to_ps == from) {
		p->to_ps = to;
		return;
	}
	show_span(t, a);
	*p = (struct timed_span){ from, to, state };
}

void timed_show_spans(struct timed *t)
{
	for (uint32_t a = 0; a < t->vm->nr_actors; a++)
		show_span(t, a);
}

/*
 * Something reaches a vCPU inside the guest while it computes: it stops at once, and owes the rest of the
 * time that was booked.
 */
static void interrupt_guest(struct timed *t, uint32_t v, uint64_t now)
{
	struct timed_actor *ta = &t->actor[v];
	uint64_t rest;

	if (ta->label != guest_access_label || ta->at == SIM_NEVER || ta->at <= now)
		return;
	g_assert(ta->span.state == TIMED_GUEST && ta->span.to_ps == ta->at);
	rest = ta->at - now;
	ta->owed_ps += rest;
	ta->span.to_ps -= rest;
	t->totals.state_ps[TIMED_GUEST] -= rest;
	t->vcpu[v].guest_ps -= rest;
	timed_at(t, v, now);
}

static void enqueue(struct timed *t, uint32_t a, uint64_t now)
{
	struct queue *q = &t->queue[t->vm->actors[a].wait.obj];

	q->actor[q->n++] = (uint8_t)a;
	t->actor[a].waits = true;
	t->actor[a].waits_since = now;
	t->actor[a].at = SIM_NEVER;
}

static void dequeue(struct timed *t, uint32_t a)
{
	struct queue *q = &t->queue[t->vm->actors[a].wait.obj];
	uint8_t i = 0;

	while (q->actor[i] != a)
		i++;
	q->n--;
	memmove(&q->actor[i], &q->actor[i + 1], (size_t)(q->n - i));
	t->actor[a].waits = false;
	t->actor[a].granted = false;
}

/* mmu_lock is spun for; who waits for the others sleeps. */
static uint64_t handoff_ps(const struct timed *t, uint32_t obj)
{
	const uint64_t *v = t->cfg.profile->v;

	if (obj != OBJ_MMU_LOCK)
		return v[COST_wake_up];
	return v[COST_lock_handoff] + (t->queue[obj].n - 1U) * v[COST_lock_handoff_waiter];
}

/* The head of a lock's queue, if the lock is free for it: a writer, or all readers in a row. */
static void grant(struct timed *t, uint32_t obj, uint64_t now)
{
	struct queue *q = &t->queue[obj];

	for (uint8_t i = 0; i < q->n; i++) {
		uint32_t a = q->actor[i];
		bool writer = t->vm->actors[a].wait.kind == W_LOCK_W;

		if ((writer && i > 0) || !actor_enabled(t->vm, a))
			return;
		if (!t->actor[a].granted)
			timed_at(t, a, max_u64(now, t->free_at[obj]) + handoff_ps(t, obj));
		t->actor[a].granted = true;
		if (writer)
			return;
	}
}

/* Spins in the guest until the interrupt has arrived, not until it is sent. */
static bool is_free(const struct timed *t, uint32_t a)
{
	if (!actor_enabled(t->vm, a))
		return false;
	return t->vm->actors[a].wait.kind != W_GUEST || !t->vm->vcpus[a].kicked;
}

static void look_again(struct timed *t, uint32_t obj, uint64_t now)
{
	struct queue *q = &t->queue[obj];
	uint64_t wake = t->cfg.profile->v[COST_wake_up];

	if (obj < OBJ_NR_LOCKS) {
		grant(t, obj, now);
		return;
	}
	for (uint8_t i = 0; i < q->n; i++) {
		uint32_t a = q->actor[i];
		bool sleeps = t->vm->actors[a].wait.kind == W_ZERO ||
			      t->vm->actors[a].wait.kind == W_EPOCH;

		if (t->actor[a].at == SIM_NEVER && is_free(t, a))
			timed_at(t, a, now + (sleeps ? wake : 0));
	}
}

/* An interrupt was sent to the vCPU, or its requests changed. */
static void send_ipi(struct timed *t, uint32_t v, uint64_t now)
{
	uint64_t at = now + t->cfg.profile->v[COST_ipi_send] + t->cfg.profile->v[COST_ipi_latency];

	if (!t->vm->vcpus[v].kicked || t->ack_at[v] != SIM_NEVER)
		return;
	t->ack_at[v] = at;
	sim_at(t->sim, t->m_ack + v, at, SIM_PRIO_HW);
}

/* After a step: who it may have set free. */
void timed_wake_others(struct timed *t, uint64_t now)
{
	/* who stood behind somebody that took nothing, or only a part, may go on */
	if (t->left != OBJ_NONE)
		grant(t, t->left, now);
	t->left = OBJ_NONE;
	for (uint8_t i = 0; i < t->ctx.nr_woke; i++) {
		uint32_t obj = t->ctx.woke[i];

		if (obj < OBJ_NR_LOCKS)
			t->free_at[obj] = max_u64(t->free_at[obj], now);
		if (obj >= OBJ_VCPU0)
			send_ipi(t, obj - OBJ_VCPU0, now);
		if (t->queue[obj].n)
			look_again(t, obj, now);
	}
	if (!t->rcu_pending && rcu_rule_enabled(t->vm)) {
		t->rcu_pending = true;
		sim_at(t->sim, t->m_rcu,
		       now + (t->vm->st->grace ? 0 : t->cfg.profile->v[COST_rcu_grace]),
		       SIM_PRIO_WAKE);
	}
}

void timed_clear_ctx(struct timed *t, uint32_t a)
{
	struct ctx *c = &t->ctx;

	c->me = &t->vm->actors[a];
	c->me_nr = a;
	c->nr_woke = 0;
	c->locks = 0;
	c->label = NULL;
	memset(&c->work, 0, sizeof(c->work));
	memset(&c->stats, 0, sizeof(c->stats));
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* A vCPU inside the guest leaves it at once, and acknowledges when it is out. */
void timed_activate_ack(void *arg, uint32_t method)
{
	struct timed *t = arg;
	uint32_t v = method - t->m_ack;

	t->ack_at[v] = SIM_NEVER;
	if (t->vm->vcpus[v].mode == OUTSIDE_GUEST_MODE) {
		timed_clear_ctx(t, v);
		timed_acknowledge(t, v, sim_now(t->sim));
		return;
	}
	/* also when it left and came back since the interrupt was sent */
	t->vm->vcpus[v].mode = EXITING_GUEST_MODE;
	t->vm->vcpus[v].kicked = 0;
	t->vm->vcpus[v].stopped = 1;
	interrupt_guest(t, v, sim_now(t->sim));
}

void timed_acknowledge(struct timed *t, uint32_t v, uint64_t now)
{
	t->ctx.nr_woke = 0;
	ack_rule(&t->ctx, v);
	wake(&t->ctx, (uint16_t)(OBJ_VCPU0 + v));
	timed_wake_others(t, now);
}

void timed_activate_stop(void *arg, uint32_t method)
{
	struct timed *t = arg;
	uint32_t v = method - t->m_stop;

	t->stop_at[v] = SIM_NEVER;
	t->vm->vcpus[v].stop_spin = 1;
	interrupt_guest(t, v, sim_now(t->sim));
}

void timed_activate_rcu(void *arg, uint32_t method)
{
	struct timed *t = arg;

	(void)method;
	timed_clear_ctx(t, 0);
	t->rcu_pending = false;
	if (rcu_rule_enabled(t->vm))
		rcu_rule(&t->ctx);
	work_add(&t->totals.work, &t->ctx.work);
	timed_wake_others(t, sim_now(t->sim));
}

void timed_activate_sample(void *arg, uint32_t method)
{
	struct timed *t = arg;
	uint64_t now = sim_now(t->sim);

	t->cfg.sample(t->cfg.arg, t, now);
	if (sim_next(t->sim) != SIM_NEVER)
		sim_at(t->sim, method, now + t->cfg.sample_ps, SIM_PRIO_SAMPLER);
}

static void count_lock(struct timed *t, uint32_t a, uint64_t now)
{
	const struct wait *w = &t->vm->actors[a].wait;
	struct lock_stats *s = &t->totals.lock[w->obj - OBJ_SLOTS_LOCK];
	uint64_t waited = now - t->actor[a].waits_since;

	s->taken++;
	if (!t->actor[a].waits)
		return;
	s->contended++;
	s->wait_ps += waited;
	s->wait_max_ps = max_u64(s->wait_max_ps, waited);
}

/* May the actor, which was activated now, step?  If not it waits, or comes back at *@again. */
bool timed_may_step(struct timed *t, uint32_t a, uint64_t now, uint64_t *again)
{
	struct timed_actor *ta = &t->actor[a];
	const struct wait *w = &t->vm->actors[a].wait;
	bool free = is_free(t, a);

	*again = SIM_NEVER;
	if (w->kind == W_RUN)
		return true;
	/* a step that releases a lock has it until its time has passed */
	if (is_lock_wait(w) && !ta->granted)
		free = free && t->queue[w->obj].n == 0 && now >= t->free_at[w->obj];
	if (w->kind == W_EPOCH && !ta->grace_end) {
		ta->grace_end = now + t->cfg.profile->v[COST_srcu_grace];
		timed_spend(t, a, TIMED_WAIT_RCU, now, ta->grace_end);
		*again = ta->grace_end;
		return false;
	}
	if (!free) {
		ta->at = SIM_NEVER;
		if (!ta->waits)
			enqueue(t, a, now);
		if (is_lock_wait(w))
			grant(t, w->obj, now);
		return false;
	}
	if (is_lock_wait(w))
		count_lock(t, a, now);
	if (ta->waits) {
		timed_spend(t, a, state_of_wait(w), ta->waits_since, now);
		dequeue(t, a);
		t->left = w->obj < OBJ_NR_LOCKS ? w->obj : OBJ_NONE;
	}
	ta->grace_end = 0;
	return true;
}
