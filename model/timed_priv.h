/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the timed driver, for model/timed*.c only. */
#ifndef MODEL_TIMED_PRIV_H
#define MODEL_TIMED_PRIV_H

#include "model/lines.h"
#include "model/sim.h"
#include "model/timed.h"
#include "model/vtlb.h"

enum {
	MAX_ACTORS = VM_MAX_VCPUS + 2,
	NR_OBJS = OBJ_VCPU0 + VM_MAX_VCPUS,
};

/* Where an actor stands between the lines. */
enum part {
	PART_NONE,   /* no line left */
	PART_START,  /* its next line begins at the next activation */
	PART_RUN,    /* inside the line */
	PART_FINISH, /* the line is done at the next activation */
};

/* Actors that wait for an object, in the order of arrival. */
struct queue {
	uint8_t n;
	uint8_t actor[MAX_ACTORS];
};

/* An interval that an actor spends in one state; it may still grow. */
struct timed_span {
	uint64_t from_ps, to_ps;
	uint32_t state; /* enum timed_state */
};

struct timed_actor {
	struct timed_span span;
	uint64_t owed_ps;  /* vCPU: of its computing, cut short by an interrupt */
	const char *label; /* of the boundary it stands at */
	uint64_t at;       /* time of its pending activation; SIM_NEVER: none */
	uint64_t waits_since;
	uint64_t grace_end; /* W_EPOCH: earliest end of the grace period; 0 not begun */
	uint64_t
		exit_ps; /* vCPU: when it left the guest in mid-line; 0: inside, or between lines */
	uint64_t fault_gfn;
	bool waits;       /* stands in the queue of its wait object */
	bool granted;     /* the lock that it waits for is its own, from its next activation on */
	uint8_t part;     /* enum part */
	uint8_t exit;     /* enum timed_exit of the last exit */
	uint32_t next;    /* index into the block's lines */
	uint64_t repeats; /* left of the present line, this one included */
	uint64_t line_start;
	const struct lang_line *line;
};

struct timed {
	struct timed_cfg cfg;
	struct vm *vm;
	struct ctx ctx;
	struct lines lines;
	struct sim *sim;
	struct timed_actor actor[MAX_ACTORS];
	struct queue queue[NR_OBJS];
	struct timed_totals totals;
	struct vcpu_totals *vcpu; /* one a vCPU */
	struct hist stall;        /* of the present phase */
	struct access_file files[MAX_ACTORS];
	/* the CPUs' caches */
	struct vtlb_hw *hw; /* one a vCPU; NULL: the TLB's form has no levels */
	struct wcache_cfg wcache;
	uint8_t *wcache_mem;
	uint64_t hit_ps, l2_hit_ps; /* an access that hits the TLB; more for its second level */
	uint64_t lookahead_ps;
	/* methods beside the actors' own, whose numbers are the actors' */
	uint32_t m_ack, m_stop, m_rcu, m_block, m_sample;
	uint64_t ack_at[VM_MAX_VCPUS];  /* an interrupt arrives then; SIM_NEVER none */
	uint64_t stop_at[VM_MAX_VCPUS]; /* the line's time is over then */
	bool rcu_pending;
	/* what is serial for the machine: the time from which it is free */
	uint32_t left; /* lock whose queue the acting actor has just left, or OBJ_NONE */
	uint64_t free_at[OBJ_NR_LOCKS]; /* the last release of each lock has passed then */
	uint64_t line_free[OBJ_NR_LOCKS], tlbi_free, zero_free;
	uint32_t line_owner[OBJ_NR_LOCKS]; /* actor + 1 */
	/* program */
	uint32_t pc;          /* next line */
	uint32_t block_first; /* lines of the block that runs */
	uint32_t block_end;
	uint64_t block_start;
	uint32_t busy;       /* actors with lines left, but for those that wait for join */
	bool rest_stopped;   /* those that run until the others are done were told to stop */
	uint32_t until_join; /* actors that run until the others are done */
	GArray *phases, *done;
	struct timed_totals phase_base;
	uint64_t phase_start;
	char phase_name[32];
	uint64_t end_ps; /* when the simulation ended */
	uint64_t progress_steps;
	GError *error;
};

/* Methods are numbered: actors, then one a vCPU for interrupts, one a vCPU for ends of time, the rest. */
static inline enum sim_prio timed_prio(const struct timed *t, uint32_t a)
{
	return a < t->vm->cfg->nr_vcpus   ? SIM_PRIO_VCPU
	       : a == vm_actor_vmm(t->vm) ? SIM_PRIO_VMM
					  : SIM_PRIO_MM;
}

/* timed_charge() - the time that the step just made takes, from @now on; books what is shared. */
uint64_t timed_charge(struct timed *t, uint32_t a, uint64_t now);

/* timed_guest_price() - the part of the price that accesses inside the guest can have. */
uint64_t timed_guest_price(const struct cost_profile *p, const struct work *w);

/* timed_at() - schedules an actor. */
void timed_at(struct timed *t, uint32_t a, uint64_t ps);

/* timed_spend() - books and shows an interval that an actor spends in a state. */
void timed_spend(struct timed *t, uint32_t a, enum timed_state state, uint64_t from, uint64_t to);

/* timed_show_spans() - shows what has not been shown yet. */
void timed_show_spans(struct timed *t);

/* timed_acknowledge() - the vCPU answers the interrupts that have arrived. */
void timed_acknowledge(struct timed *t, uint32_t v, uint64_t now);

/* timed_fail() - ends the run with an error, which is taken over. */
void timed_fail(struct timed *t, GError *error);

/* Waiting: see timed_wait.c. */

/* timed_may_step() - may the actor, activated now, step?  If not it waits, or comes back at *@again. */
bool timed_may_step(struct timed *t, uint32_t a, uint64_t now, uint64_t *again);

/* timed_wake_others() - after a step: who it may have set free. */
void timed_wake_others(struct timed *t, uint64_t now);

/* timed_clear_ctx() - the context of a step of @a with nothing counted. */
void timed_clear_ctx(struct timed *t, uint32_t a);

/* Activations of what is no actor: interrupts, ends of time, grace periods, samples. */
void timed_activate_ack(void *arg, uint32_t method);
void timed_activate_stop(void *arg, uint32_t method);
void timed_activate_rcu(void *arg, uint32_t method);
void timed_activate_sample(void *arg, uint32_t method);

/* The program: see timed_program.c. */
void program_start(struct timed *t);
void program_block(void *arg, uint32_t method);
/* program_step() - the actor's activation concerns the line, not a step; true: handled, @next is set. */
bool program_actor(struct timed *t, uint32_t a, uint64_t *next);

/* run_ahead() - TLB hits of vCPU @a from @now on; the time of its next access. */
uint64_t run_ahead(struct timed *t, uint32_t a, uint64_t now);

#endif
