/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timed driver: runs a scenario in simulated time.  Each actor is a method of the simulation
 * (sim.h); a step happens at the instant of its activation, the work that it counted becomes time
 * through a cost profile, and the actor's next step comes after that time.
 *
 * What waits is put into the queue of its object and looked at again when a step names the object.
 * Locks are handed over in the order of arrival, as KVM's queued rwlock does: a reader that finds
 * somebody waiting waits behind him.  Three things are serial for the whole machine: the cache line
 * of each lock, broadcast TLB invalidations, and memory bandwidth where pages are zeroed.
 *
 * Lines of the scenario run one after the other, the lines between `par` and `join` side by side, each
 * actor its own in order.  `phase` lines cut the run into parts that are measured apart.
 *
 * A vCPU runs ahead of the others while its accesses hit the TLB: to the earliest instant at which
 * somebody could reach it, which is the earliest other activation and the latency of an interrupt or of
 * a broadcast invalidation.  That is exact: with run_ahead off, one activation an access, every result
 * is the same.  A quantum moves the bound and is not exact.
 *
 * What a step reads and stores happens at its instant, what it releases, sends and wakes at its end.  An
 * interrupt reaches a vCPU in the middle of its computing; it acknowledges once it has left the guest.
 *
 * SIMPLIFIED: every actor has a processor of its own; what a step stores is visible at its instant
 * although its time passes afterwards; data caches serve walk references only, an
 * access is near if the first TLB level translates it and far if not.
 */
#ifndef MODEL_TIMED_H
#define MODEL_TIMED_H

#include "model/access.h"
#include "model/cost.h"
#include "model/hist.h"
#include "model/setup.h"

#define TIMED_ERROR timed_error_quark()
GQuark timed_error_quark(void);

enum timed_error {
	TIMED_ERROR_PROFILE,  /* the profile is for another architecture */
	TIMED_ERROR_REFUSED,  /* the modelled kernel refuses the scenario's capabilities */
	TIMED_ERROR_DEADLOCK, /* nothing is pending, and actors have not finished */
	TIMED_ERROR_LINE,     /* a line cannot be run */
};

/* What an actor does or waits for, for those who watch. */
enum timed_state {
	TIMED_GUEST,     /* a vCPU runs guest code */
	TIMED_KVM,       /* in the kernel: exits, faults, ioctls, notifiers */
	TIMED_USER,      /* user space computes */
	TIMED_WAIT_LOCK, /* for a lock */
	TIMED_WAIT_ACK,  /* for interrupts to be acknowledged */
	TIMED_WAIT_RCU,  /* for a grace period, for notifiers, or for user space to clear a bit */
	TIMED_NR_STATES,
};
extern const char *const timed_state_names[TIMED_NR_STATES];

/* Why a vCPU left the guest. */
enum timed_exit {
	TIMED_EXIT_FAULT, /* second-stage fault */
	TIMED_EXIT_KICK,  /* an interrupt */
	TIMED_EXIT_PML,   /* the PML buffer is full */
	TIMED_EXIT_END,   /* the line's accesses are done */
	TIMED_NR_EXITS,
};
extern const char *const timed_exit_names[TIMED_NR_EXITS];

struct lock_stats {
	uint64_t taken;     /* times that it was taken */
	uint64_t contended; /* of these after waiting */
	uint64_t wait_ps;   /* time waited, all actors */
	uint64_t wait_max_ps;
};

enum timed_lock {
	TIMED_SLOTS_LOCK,
	TIMED_SLOTS_ARCH_LOCK,
	TIMED_MMU_LOCK,
	TIMED_NR_LOCKS,
};
extern const char *const timed_lock_names[TIMED_NR_LOCKS];

struct vcpu_totals {
	struct kvm_stats kvm;
	uint64_t accesses, exits, guest_ps;
	struct hist stall; /* from an exit in mid-line until the guest runs again */
};

/* Everything that is counted; a phase's are the difference of two. */
struct timed_totals {
	struct work work;
	struct kvm_stats kvm; /* VM's, and the sum of the vCPUs' */
	struct lock_stats lock[TIMED_NR_LOCKS];
	uint64_t exits[TIMED_NR_EXITS];
	uint64_t user_exits[NR_EXITS]; /* by enum exit_kind */
	uint64_t steps, activations;
	uint64_t state_ps[TIMED_NR_STATES];
};

struct timed_phase {
	char name[32];
	uint64_t start_ps, end_ps;
	struct timed_totals totals; /* of this phase */
	struct hist stall;          /* all vCPUs */
	uint64_t pages[3];          /* leaves of 4 KiB, 2 MiB, 1 GiB at its end */
	uint64_t tables;            /* table pages at its end */
};

/* One line that one actor ran. */
struct timed_line {
	const struct lang_line *line;
	uint32_t actor;
	int ret;
	uint64_t start_ps, end_ps;
};

struct timed;

struct timed_cfg {
	const struct lang_scenario *scenario;
	const char *policy;
	const struct kvm_params *params; /* may be NULL */
	const struct cost_profile *profile;
	const struct lang_line *const *lines; /* borrowed */
	uint32_t nr_lines;
	uint64_t seed;        /* added to each line's own */
	uint64_t quantum_ps;  /* a vCPU may run ahead at least so long; 0: exact */
	bool no_run_ahead;    /* one activation an access */
	uint32_t walk_budget; /* entries that a walk looks at in one step; 0: a table page */
	const struct access_file *(*file)(void *arg, const char *name, GError **error);
	/* each interval that an actor spends in a state, in order of its end; NULL: nobody watches */
	void (*watch)(void *arg, uint32_t actor, enum timed_state state, uint64_t from_ps,
		      uint64_t to_ps);
	uint64_t sample_ps; /* .sample is called at multiples of this time; 0: never */
	void (*sample)(void *arg, const struct timed *t, uint64_t now_ps);
	/* now and then, for a display: how much of the lines is done, in 1/1000 */
	void (*progress)(void *arg, uint64_t now_ps, unsigned int permille);
	void *arg;
};

/**
 * timed_new() - a fresh VM in the grain of simulated time.
 * Return: NULL with @error when the scenario, its policy or its profile do not fit.
 */
struct timed *timed_new(const struct timed_cfg *cfg, GError **error);
void timed_free(struct timed *t);

/* timed_run() - all lines; false with @error when one cannot be run or nobody can go on. */
bool timed_run(struct timed *t, GError **error);

/* timed_end() - after the run: another one may begin in this process; the results stay. */
void timed_end(struct timed *t);

/* Results; borrowed until timed_free(). */
const struct vm *timed_vm(const struct timed *t);
uint64_t timed_now(const struct timed *t);
const struct timed_totals *timed_totals(const struct timed *t);
const struct vcpu_totals *timed_vcpu(const struct timed *t, uint32_t vcpu);
const GArray *timed_phases(const struct timed *t); /* of struct timed_phase */
const GArray *timed_lines(const struct timed *t);  /* of struct timed_line */

/* timed_work_price() - time of counted work that nobody shares: the pure sum over the profile. */
uint64_t timed_work_price(const struct cost_profile *p, const struct work *w);

#endif
