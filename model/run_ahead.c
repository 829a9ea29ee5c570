/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only code besides a step that moves an actor: TLB hits of a vCPU in a tight loop.  It does exactly
 * what steps of one access each would do, see the test that compares both.
 */
#include "model/access_inline.h"
#include "model/arm.h"
#include "model/procs.h"
#include "model/timed_priv.h"
#include "model/vtlb.h"

enum {
	RUN_MAX = 1U << 22, /* hits in one go, so that a display of the progress moves */
};

/* Does the actor's next step act on the TLB of another's processor? */
static bool reaches_tlbs(const struct timed_actor *ta)
{
	return ta->label == tlbi_issue_label || ta->label == tlbi_effect_label;
}

/*
 * The first instant at which anything could reach the vCPU: what is on its way already, or what
 * somebody begins at the earliest other activation, which takes the lookahead to arrive.
 */
static uint64_t horizon(const struct timed *t, uint32_t a, uint64_t now)
{
	uint64_t next = sim_next(t->sim);
	uint64_t at = min_u64(t->ack_at[a], t->stop_at[a]);

	if (next != SIM_NEVER)
		at = min_u64(at, next + t->lookahead_ps);
	for (uint32_t i = 0; t->lookahead_ps && i < t->vm->nr_actors; i++)
		if (i != a && reaches_tlbs(&t->actor[i]))
			at = min_u64(at, t->actor[i].at);
	return max_u64(at, t->cfg.quantum_ps ? now + t->cfg.quantum_ps : 0);
}

struct hits {
	uint64_t n, l2; /* all, and those of the second level */
	uint64_t from_ps, to_ps;
};

/* What steps would have counted. */
static void count_hits(struct timed *t, uint32_t a, struct hits h)
{
	struct work *w = &t->totals.work;

	w->access += h.n;
	w->tlb_hit += h.n;
	w->tlb_l2_hit += h.l2;
	w->access_far += h.l2;
	w->user_ps += h.n * t->vm->ops[a].think_ps;
	t->totals.steps += h.n;
	t->vcpu[a].accesses += h.n;
	if (h.n)
		timed_spend(t, a, TIMED_GUEST, h.from_ps, h.to_ps);
}

uint64_t run_ahead(struct timed *t, uint32_t a, uint64_t now)
{
	const struct vcpu *vcpu = &t->vm->vcpus[a];
	struct actor *me = &t->vm->actors[a];
	struct l_run *f = (struct l_run *)(void *)me->fr[me->depth - 1].loc;
	const struct op *op = &t->vm->ops[a];
	unsigned int shift = t->vm->cfg->geom.page_shift;
	uint64_t each = t->hit_ps + op->think_ps, l2 = t->l2_hit_ps;
	uint64_t end, at = now, i = f->i, l2_hits = 0;
	struct vtlb_hw *hw = vtlb_hw_open(&t->ctx);

	if (t->cfg.no_run_ahead || !hw || vcpu->mode != IN_GUEST_MODE || vcpu->stop_spin ||
	    (t->vm->cfg->code && !f->fetched) || t->vm->st->nr_reaped)
		return now;
	end = horizon(t, a, now);
	for (; at < end && i < op->n && i - f->i < RUN_MAX; i++) {
		struct guest_access x = access_inline(op, &t->files[a], i, shift);
		enum tlb_hot_found found = tlb_hot_probe(&hw->hot, x.gpa >> shift, x.acc);

		if (found < TLB_HOT_L1)
			break;
		at += each + (found == TLB_HOT_L2 ? l2 : 0);
		l2_hits += found == TLB_HOT_L2;
	}
	count_hits(t, a, (struct hits){ i - f->i, l2_hits, now, at });
	f->i = i;
	return at;
}
