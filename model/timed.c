/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arm.h"
#include "model/observe.h"
#include "model/procs.h"
#include "model/timed_priv.h"
#include "model/vcpu.h"

G_DEFINE_QUARK(s2_timed_error, timed_error)

enum {
	WALK_BUDGET_TIMED = 512,   /* one table page of 4 KiB */
	PROGRESS_EVERY = 1U << 16, /* activations between two looks at the progress */
	PERMILLE = 1000,
};

const char *const timed_state_names[TIMED_NR_STATES] = {
	[TIMED_GUEST] = "guest",       [TIMED_KVM] = "kvm",
	[TIMED_USER] = "user",         [TIMED_WAIT_LOCK] = "wait_lock",
	[TIMED_WAIT_ACK] = "wait_ack", [TIMED_WAIT_RCU] = "wait_grace",
};

const char *const timed_exit_names[TIMED_NR_EXITS] = {
	[TIMED_EXIT_FAULT] = "fault",
	[TIMED_EXIT_KICK] = "kick",
	[TIMED_EXIT_PML] = "pml_full",
	[TIMED_EXIT_END] = "end_of_line",
};

const char *const timed_lock_names[TIMED_NR_LOCKS] = {
	[TIMED_SLOTS_LOCK] = "slots_lock",
	[TIMED_SLOTS_ARCH_LOCK] = "slots_arch_lock",
	[TIMED_MMU_LOCK] = "mmu_lock",
};

/* ---- events ---------------------------------------------------------------------------------- */

static void on_event(void *arg, const struct event *e)
{
	struct timed *t = arg;

	if (e->kind == EV_EXIT)
		t->totals.user_exits[e->a]++;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The vCPU has just left the guest: its top frame knows why. */
static enum timed_exit exit_reason(const struct timed *t, uint32_t a)
{
	static const uint8_t of_stop[] = { [STOP_END] = TIMED_EXIT_END,
					   [STOP_FAULT] = TIMED_EXIT_FAULT,
					   [STOP_PML_FULL] = TIMED_EXIT_PML,
					   [STOP_MORE] = TIMED_EXIT_END,
					   [STOP_KICK] = TIMED_EXIT_KICK };
	const struct actor *me = &t->vm->actors[a];
	const struct l_run *f;

	if (me->depth == 0)
		return TIMED_EXIT_END;
	f = (const struct l_run *)(const void *)me->fr[me->depth - 1].loc;
	return (enum timed_exit)of_stop[f->what];
}

/* What the vCPU's step meant for its being inside or outside of the guest. */
static void follow_guest(struct timed *t, uint32_t a, bool was_in, uint64_t now)
{
	struct timed_actor *ta = &t->actor[a];
	struct vcpu_totals *vt = &t->vcpu[a];
	const struct vcpu *v = &t->vm->vcpus[a];
	uint64_t entry = t->cfg.profile->v[COST_guest_entry];

	if (t->ctx.work.guest_entry && ta->exit_ps) {
		hist_add(&vt->stall, now + entry - ta->exit_ps);
		hist_add(&t->stall, now + entry - ta->exit_ps);
		ta->exit_ps = 0;
	}
	if (was_in && v->mode == OUTSIDE_GUEST_MODE && t->ctx.work.guest_exit) {
		enum timed_exit why = exit_reason(t, a);

		vt->exits++;
		t->totals.exits[why]++;
		ta->exit_ps = why == TIMED_EXIT_END ? 0 : now;
	}
	vt->accesses += t->ctx.work.access;
}

static void add_stats(struct timed *t, uint32_t a)
{
	const struct kvm_stats *s = &t->ctx.stats;
	struct kvm_stats *sum = &t->totals.kvm;

#define X(name, text) sum->name += s->name;
	VM_STAT_LIST(X)
	VCPU_STAT_LIST(X)
#undef X
	if (a >= t->vm->cfg->nr_vcpus)
		return;
#define X(name, text) t->vcpu[a].kvm.name += s->name;
	VCPU_STAT_LIST(X)
#undef X
}

static enum timed_state state_of_step(const struct timed *t, bool was_in)
{
	if (t->ctx.work.user_ps && !was_in)
		return TIMED_USER;
	return was_in && !t->ctx.work.guest_exit ? TIMED_GUEST : TIMED_KVM;
}

/* A vCPU that has left the guest answers what made it leave. */
static void answer_interrupts(struct timed *t, uint32_t v, bool was_in, uint64_t now)
{
	const struct vcpu *vcpu = &t->vm->vcpus[v];

	if (was_in && vcpu->mode == OUTSIDE_GUEST_MODE && vcpu->acks_for && !vcpu->kicked)
		timed_acknowledge(t, v, now);
}

/*
 * After a step of @a at @now: books what it counted; the time of its next activation.  What the step read
 * and stored happened at @now; what it released, sent and woke counts from its end on.
 * @paid: price of the part of the work whose time has passed already.
 */
static uint64_t end_step(struct timed *t, uint32_t a, bool was_in, uint64_t now, uint64_t paid)
{
	struct timed_actor *ta = &t->actor[a];
	uint64_t next = timed_charge(t, a, now) - paid;

	ta->label = t->ctx.label;
	work_add(&t->totals.work, &t->ctx.work);
	add_stats(t, a);
	if (a < t->vm->cfg->nr_vcpus)
		follow_guest(t, a, was_in, now);
	if (t->ctx.work.guest_entry) {
		next += ta->owed_ps;
		ta->owed_ps = 0;
	}
	timed_spend(t, a, state_of_step(t, was_in), now, next);
	timed_wake_others(t, next);
	if (a < t->vm->cfg->nr_vcpus)
		answer_interrupts(t, a, was_in, next);
	if (actor_idle(t->vm, a))
		ta->part = PART_FINISH;
	return next;
}

/* One step of @a at @now; the time of its next activation. */
static uint64_t make_step(struct timed *t, uint32_t a, uint64_t now)
{
	bool was_in = a < t->vm->cfg->nr_vcpus && t->vm->vcpus[a].mode != OUTSIDE_GUEST_MODE;

	thread_step(&t->ctx);
	t->totals.steps++;
	return end_step(t, a, was_in, now, 0);
}

static void show_progress(struct timed *t)
{
	if (!t->cfg.progress || ++t->progress_steps % PROGRESS_EVERY != 0)
		return;
	t->cfg.progress(t->cfg.arg, sim_now(t->sim),
			t->cfg.nr_lines ? t->block_first * PERMILLE / t->cfg.nr_lines : 0);
}

static bool stands_in_guest(const struct timed *t, uint32_t a)
{
	return a < t->vm->cfg->nr_vcpus && t->actor[a].label == guest_access_label;
}

/*
 * Accesses one after the other while the vCPU stays in the guest: hits in a loop, then a step.  What
 * such steps count adds up in the context, and is priced by what accesses can count alone.
 */
static uint64_t stay_in_guest(struct timed *t, uint32_t a, uint64_t now)
{
	const struct work *w = &t->ctx.work;
	uint64_t next = now, paid = 0, misses, price;
	bool missed = false;

	for (;;) {
		if (!missed) {
			next = run_ahead(t, a, now);
			if (next > now && !sim_go_on(t->sim, next))
				break;
			now = next;
		}
		misses = w->tlb_miss;
		t->ctx.label = NULL;
		thread_step(&t->ctx);
		t->totals.steps++;
		if (t->ctx.label != guest_access_label)
			return end_step(t, a, true, now, paid);
		price = timed_guest_price(t->cfg.profile, w);
		next = now + price - paid;
		paid = price;
		timed_spend(t, a, TIMED_GUEST, now, next);
		show_progress(t);
		if (!sim_go_on(t->sim, next))
			break;
		now = next;
		missed = w->tlb_miss > misses;
	}
	work_add(&t->totals.work, w);
	t->vcpu[a].accesses += w->access;
	return next;
}

/* Everything the actor does at this instant; false: it waits or has nothing left. */
static bool act(struct timed *t, uint32_t a, uint64_t now, uint64_t *next)
{
	if (t->actor[a].part != PART_RUN)
		return program_actor(t, a, next);
	timed_clear_ctx(t, a);
	if (!timed_may_step(t, a, now, next))
		return *next != SIM_NEVER;
	*next = stands_in_guest(t, a) ? stay_in_guest(t, a, now) : make_step(t, a, now);
	return true;
}

static void activate(void *arg, uint32_t a)
{
	struct timed *t = arg;
	uint64_t next;

	t->totals.activations++;
	show_progress(t);
	t->actor[a].at = SIM_NEVER;
	while (!t->error && act(t, a, sim_now(t->sim), &next)) {
		if (sim_go_on(t->sim, next))
			continue;
		timed_at(t, a, next);
		return;
	}
}

/* ---- set-up ---------------------------------------------------------------------------------- */

/* The TLB of the profile's core. */
static void size_tlb(struct vm_cfg *cfg, const struct cost_profile *p)
{
	const uint64_t *v = p->v;
	struct tlb_cfg tlb = tlb_cfg_sized(&cfg->geom);

	tlb.l1 = (struct tlb_array_cfg){ (uint16_t)(v[COST_tlb_l1_entries] / v[COST_tlb_l1_ways]),
					 (uint16_t)v[COST_tlb_l1_ways] };
	tlb.l2 = (struct tlb_array_cfg){ (uint16_t)(v[COST_tlb_l2_entries] / v[COST_tlb_l2_ways]),
					 (uint16_t)v[COST_tlb_l2_ways] };
	tlb.walk = (struct tlb_array_cfg){ (uint16_t)(v[COST_walk_cache_entries] /
						      v[COST_walk_cache_ways]),
					   (uint16_t)v[COST_walk_cache_ways] };
	cfg->tlb = tlb;
}

/* Simulated time decides who moves, and all lines are run. */
static bool check_order(const struct timed_cfg *c, GError **error)
{
	for (uint32_t i = 0; i < c->nr_lines; i++) {
		const struct lang_line *l = c->lines[i];

		if (l->kind != LANG_GRAIN && l->kind != LANG_SCHED && l->kind != LANG_CHOOSE)
			continue;
		g_set_error(
			error, TIMED_ERROR, TIMED_ERROR_LINE,
			"line %u: expected lines that simulated time puts in order, found '%s', "
			"which 's2sim %s' has",
			l->line, lang_kind_name(l->kind),
			l->kind == LANG_CHOOSE ? "explore" : "replay");
		return false;
	}
	return true;
}

static bool make_cfg(const struct timed_cfg *c, struct vm_cfg *cfg, GError **error)
{
	if (!check_order(c, error))
		return false;
	if (!setup_cfg(c->scenario, c->policy, c->params, cfg, error))
		return false;
	if (c->profile->arch != cfg->rules.arch) {
		g_set_error(error, TIMED_ERROR, TIMED_ERROR_PROFILE,
			    "profile: expected one of the policy's architecture, found '%s'",
			    c->profile->name);
		return false;
	}
	if (setup_is_refused(c->scenario, cfg)) {
		g_set_error(error, TIMED_ERROR, TIMED_ERROR_REFUSED,
			    "capabilities: expected some that '%s' has, found others", c->policy);
		return false;
	}
	cfg->walk_budget = c->walk_budget ? c->walk_budget : WALK_BUDGET_TIMED;
	cfg->guest_budget = 1;
	if (!*c->scenario->tlb || strcmp(c->scenario->tlb, "sized") == 0)
		size_tlb(cfg, c->profile);
	if (!tlb_cfg_check(&cfg->tlb)) {
		g_set_error(error, TIMED_ERROR, TIMED_ERROR_PROFILE,
			    "profile: expected TLBs with a power of two of sets, found '%s'",
			    c->profile->name);
		return false;
	}
	return true;
}

static uint32_t add_methods(struct timed *t, uint32_t n, const char *name, sim_fn fn)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < n; i++) {
		g_autofree char *text = g_strdup_printf("%s%u", name, i);
		uint32_t m = sim_method(t->sim, text, fn, t);

		if (i == 0)
			first = m;
	}
	return first;
}

static void make_methods(struct timed *t)
{
	uint32_t vcpus = t->vm->cfg->nr_vcpus;

	add_methods(t, t->vm->nr_actors, "actor", activate);
	/* who ran ahead was scheduled earlier: that must not decide */
	for (uint32_t a = 0; a < t->vm->nr_actors; a++)
		sim_rank(t->sim, a, a);
	t->m_ack = add_methods(t, vcpus, "ack", timed_activate_ack);
	t->m_stop = add_methods(t, vcpus, "stop", timed_activate_stop);
	t->m_rcu = add_methods(t, 1, "rcu", timed_activate_rcu);
	t->m_block = add_methods(t, 1, "block", program_block);
	t->m_sample = add_methods(t, 1, "sample", timed_activate_sample);
}

/* The data caches that serve walks: a private object a CPU, and the last level behind them. */
static bool make_caches(struct timed *t, GError **error)
{
	const uint64_t *v = t->cfg.profile->v;
	const struct wcache_size size[WCACHE_NR_LEVELS] = {
		[WCACHE_L1] = { v[COST_l1d_bytes], (uint32_t)v[COST_l1d_ways] },
		[WCACHE_L2] = { v[COST_l2_bytes], (uint32_t)v[COST_l2_ways] },
		[WCACHE_LLC] = { v[COST_llc_bytes], (uint32_t)v[COST_llc_ways] },
	};
	uint32_t vcpus = t->vm->cfg->nr_vcpus;
	size_t priv;

	if (t->vm->cfg->tlb.form != TLB_SIZED)
		return true;
	if (!wcache_cfg_init(&t->wcache, size) || !wcache_fits(&t->vm->pt)) {
		g_set_error(error, TIMED_ERROR, TIMED_ERROR_PROFILE,
			    "profile: expected data caches of whole sets, found '%s'",
			    t->cfg.profile->name);
		return false;
	}
	priv = wcache_priv_bytes(&t->wcache);
	t->hw = g_new0(struct vtlb_hw, vcpus);
	t->wcache_mem = g_malloc0(priv * vcpus + wcache_shared_bytes(&t->wcache));
	for (uint32_t i = 0; i < vcpus; i++)
		t->hw[i].caches = (struct hw_caches){
			.cfg = &t->wcache,
			.priv = (struct wcache *)(void *)(t->wcache_mem + priv * i),
			.shared = (struct wcache *)(void *)(t->wcache_mem + priv * vcpus),
		};
	t->ctx.hw = t->hw;
	return true;
}

static void init(struct timed *t)
{
	const uint64_t *v = t->cfg.profile->v;

	t->lines.vm = t->vm;
	t->ctx = (struct ctx){ .vm = t->vm,
			       .rules = &t->vm->cfg->rules,
			       .event = on_event,
			       .event_arg = t,
			       .access_files = t->files };
	setup_contents(t->vm, &t->ctx.work);
	t->vcpu = g_new0(struct vcpu_totals, t->vm->cfg->nr_vcpus);
	for (uint32_t a = 0; a < MAX_ACTORS; a++)
		t->actor[a].at = SIM_NEVER;
	for (uint32_t i = 0; i < VM_MAX_VCPUS; i++)
		t->ack_at[i] = t->stop_at[i] = SIM_NEVER;
	t->hit_ps = v[COST_access_base];
	t->l2_hit_ps = v[COST_tlb_l2_hit] + v[COST_data_far];
	t->lookahead_ps = v[COST_ipi_latency];
	if (t->vm->cfg->rules.arch == PT_ARM64)
		t->lookahead_ps = min_u64(t->lookahead_ps, v[COST_tlbi_latency]);
	t->phases = g_array_new(FALSE, TRUE, sizeof(struct timed_phase));
	t->done = g_array_new(FALSE, TRUE, sizeof(struct timed_line));
}

struct timed *timed_new(const struct timed_cfg *cfg, GError **error)
{
	struct vm_cfg vm_cfg = { .nr_vcpus = 0 };
	struct timed *t;
	struct sim *sim;

	if (!make_cfg(cfg, &vm_cfg, error))
		return NULL;
	sim = sim_new(error);
	if (!sim)
		return NULL;
	t = g_new0(struct timed, 1);
	t->cfg = *cfg;
	t->sim = sim;
	t->vm = vm_new(&vm_cfg);
	make_methods(t);
	init(t);
	if (make_caches(t, error))
		return t;
	timed_free(t);
	return NULL;
}

void timed_free(struct timed *t)
{
	if (!t)
		return;
	timed_end(t);
	vm_free(t->vm);
	g_array_unref(t->phases);
	g_array_unref(t->done);
	g_free(t->vcpu);
	g_free(t->hw);
	g_free(t->wcache_mem);
	g_clear_error(&t->error);
	g_free(t);
}

void timed_end(struct timed *t)
{
	if (!t->sim)
		return;
	t->end_ps = sim_now(t->sim);
	sim_free(t->sim);
	t->sim = NULL;
}

bool timed_run(struct timed *t, GError **error)
{
	g_autoptr(GError) trouble = NULL;
	bool ok;

	program_start(t);
	if (t->cfg.sample_ps)
		sim_at(t->sim, t->m_sample, 0, SIM_PRIO_SAMPLER);
	ok = sim_run(t->sim, SIM_NEVER - 1, &trouble);
	if (t->error) {
		g_propagate_error(error, g_steal_pointer(&t->error));
		return false;
	}
	if (!ok) {
		g_propagate_error(error, g_steal_pointer(&trouble));
		return false;
	}
	if (t->busy || t->block_first < t->cfg.nr_lines) {
		g_set_error(error, TIMED_ERROR, TIMED_ERROR_DEADLOCK,
			    "deadlock: nothing is pending and %u actors have not finished",
			    t->busy);
		return false;
	}
	return true;
}

const struct vm *timed_vm(const struct timed *t)
{
	return t->vm;
}

uint64_t timed_now(const struct timed *t)
{
	return t->sim ? sim_now(t->sim) : t->end_ps;
}

const struct timed_totals *timed_totals(const struct timed *t)
{
	return &t->totals;
}

const struct vcpu_totals *timed_vcpu(const struct timed *t, uint32_t vcpu)
{
	return &t->vcpu[vcpu];
}

const GArray *timed_phases(const struct timed *t)
{
	return t->phases;
}

const GArray *timed_lines(const struct timed *t)
{
	return t->done;
}
