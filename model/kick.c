/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, kicks and acknowledgements [KVM v6.12 virt/kvm/kvm_main.c: kvm_make_all_cpus_request,
 * kvm_flush_remote_tlbs].  On x86 a remote flush is a request bit for every vCPU, an IPI to those
 * inside the guest and a wait until each has left it.  Arm broadcasts instead (arm_tlbi.c).
 */
#include "model/kick.h"

#include "model/inject.h"
#include "model/procs.h"

/* Request bit, then mode IN_GUEST -> EXITING; says whether an IPI is needed.  Only who asked to wait does. */
static bool request_one(struct ctx *c, uint32_t v, const struct l_req *f)
{
	struct vcpu *vcpu = &c->vm->vcpus[v];
	bool ipi = vcpu->mode != OUTSIDE_GUEST_MODE && !f->outside;

	vcpu->requests |= f->req;
	if (vcpu->mode == IN_GUEST_MODE && ipi)
		vcpu->mode = EXITING_GUEST_MODE;
	wake(c, (uint16_t)(OBJ_VCPU0 + v));
	if (!ipi || v == c->me_nr)
		return false;
	vcpu->kicked = 1;
	if (f->wait && !injects(c, INJ_SKIP_ACKS))
		vcpu->acks_for |= BIT(c->me_nr);
	c->work.ipi++;
	return true;
}

PROC(make_all_cpus_request)
{
	BEGIN(l_req);
	for (f->i = 0; f->i < c->vm->cfg->nr_vcpus; f->i++) {
		if (injects(c, INJ_MODE_FIRST)) {
			f->outside = c->vm->vcpus[f->i].mode == OUTSIDE_GUEST_MODE;
			STEP("make_all_cpus_request:mode");
		}
		if (request_one(c, f->i, f))
			f->sent = f->wait;
		STEP("make_all_cpus_request:send");
	}
	if (f->sent && f->wait && !injects(c, INJ_SKIP_ACKS))
		AWAIT(W_ACKS, OBJ_ACKS, 0);
	RETURN(f->sent);
	END;
}

PROC(flush_remote_tlbs)
{
	BEGIN(l_req);
	emit(c, &(struct event){ .kind = EV_CALL, .name = CALL_FLUSH_REMOTE_TLBS });
	c->stats.remote_tlb_flush_requests++;
	c->work.flush_request++;
	CALL(P_make_all_cpus_request, l_req, .req = REQ_TLB_FLUSH, .wait = 1);
	if (c->me->ret > 0)
		c->stats.remote_tlb_flush++;
	RETURN(0);
	END;
}

bool ack_rule_enabled(const struct vm *vm, uint32_t v)
{
	return vm->vcpus[v].kicked;
}

void ack_rule(struct ctx *c, uint32_t v)
{
	c->vm->vcpus[v].kicked = 0;
	c->vm->vcpus[v].stopped = c->vm->vcpus[v].mode != OUTSIDE_GUEST_MODE;
	c->vm->vcpus[v].acks_for = 0;
	wake(c, OBJ_ACKS);
}

bool rcu_rule_enabled(const struct vm *vm)
{
	const struct epoch *e = &vm->st->rcu;

	if (vm->cfg->rules.inject == INJ_FREE_AT_ONCE)
		return vm->st->deferred != 0;
	return vm->st->grace ? e->count[!e->idx] == 0 : vm->st->deferred != 0;
}

void rcu_rule(struct ctx *c)
{
	struct vm_state *st = c->vm->st;

	if (injects(c, INJ_FREE_AT_ONCE)) {
		pt_free_list(&c->vm->pt, &st->deferred, &c->work);
		return;
	}
	if (!st->grace) {
		st->grace = st->deferred;
		st->deferred = 0;
		st->rcu.idx = !st->rcu.idx;
		return;
	}
	pt_free_list(&c->vm->pt, &st->grace, &c->work);
	if (st->rcu.count[0] == 0 && st->rcu.count[1] == 0)
		st->rcu.idx = 0; /* equal states are equal bytes */
}

bool rules_run(struct ctx *c)
{
	bool ran = false;

	c->nr_woke = 0;
	for (uint32_t v = 0; v < c->vm->cfg->nr_vcpus; v++) {
		if (!ack_rule_enabled(c->vm, v))
			continue;
		ack_rule(c, v);
		ran = true;
	}
	if (rcu_rule_enabled(c->vm)) {
		rcu_rule(c);
		ran = true;
	}
	return ran;
}
