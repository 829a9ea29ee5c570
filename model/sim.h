/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated time: the C face of the discrete-event kernel.  sc_sim.cpp implements it on SystemC and is
 * the only C++ of the project; only the target s2_time links it.
 *
 * Contract
 *   S1  An activation is one call of a method's function.  Activations are ordered by (time,
 *       priority, ticket); the ticket is drawn when the activation is scheduled, so that of two
 *       activations of one instant and priority the one scheduled first runs first.  The kernel's own
 *       order of runnable processes has no say.  A method may have a rank, which then stands between
 *       priority and ticket: the order of such methods does not depend on when they were scheduled.
 *       What an activation schedules for the same instant
 *       runs in that instant, after everything of the instant that stands before it in this order.
 *   S2  A method has at most one activation pending, by time or by event; scheduling again replaces it.
 *   S3  Times are picoseconds since the start of this simulation; they never run backwards.  A time
 *       before sim_now() is a bug of the caller and ends the program.
 *   S4  No C++ type or exception crosses this face.  What goes wrong inside an activation is reported
 *       by sim_fail() or, if the kernel threw, caught: sim_run() returns false with the error, and the
 *       simulation can only be freed.
 *   S5  One simulation lives at a time in a process; any number may follow each other.
 *   S6  Same calls, same order: nothing depends on addresses, clocks or the environment.
 *
 * Ownership: struct sim belongs to the caller of sim_new(); names are copied, arg is borrowed until
 * sim_free().  All functions belong to one thread.
 */
#ifndef MODEL_SIM_H
#define MODEL_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIM_NEVER UINT64_MAX

/* Who goes first at one instant, low first. */
enum sim_prio {
	SIM_PRIO_HW,      /* effects of hardware: acknowledgements, TLB invalidations */
	SIM_PRIO_WAKE,    /* releases and what they wake */
	SIM_PRIO_MM,      /* the host's memory management */
	SIM_PRIO_VCPU,    /* vCPUs */
	SIM_PRIO_VMM,     /* user space threads in ioctls */
	SIM_PRIO_SAMPLER, /* who only looks: sees the instant's final state */
	SIM_NR_PRIOS,
};

enum sim_error {
	SIM_ERROR_FAILED, /* sim_fail(), or something thrown inside an activation */
	SIM_ERROR_KERNEL, /* the discrete-event kernel reported trouble */
	SIM_ERROR_BUSY,   /* another simulation is alive in this process */
};
#define SIM_ERROR sim_error_quark()
GQuark sim_error_quark(void);

struct sim;

/* An activation.  May call everything below but sim_run() and sim_free(). */
typedef void (*sim_fn)(void *arg, uint32_t method);

/* sim_new() - an empty simulation at time 0; NULL with @error when one is alive already. */
struct sim *sim_new(GError **error);
void sim_free(struct sim *s);

/* sim_method() - registers a method with nothing pending; before sim_run(). Numbers count from 0. */
uint32_t sim_method(struct sim *s, const char *name, sim_fn fn, void *arg);

/* sim_rank() - gives a method a rank of 0..8191, low first; without one it is 0. */
void sim_rank(struct sim *s, uint32_t method, uint32_t rank);

/* sim_event() - registers an event; numbers count from 0. */
uint32_t sim_event(struct sim *s);

/* sim_at() - schedules the method's next activation at the absolute time @ps: sim_now() <= @ps < SIM_NEVER. */
void sim_at(struct sim *s, uint32_t method, uint64_t ps, enum sim_prio prio);

/* sim_on() - the method's next activation comes with the event's next notification. */
void sim_on(struct sim *s, uint32_t method, uint32_t event, enum sim_prio prio);

/* sim_notify() - activates whoever waits for @event when it fires, @delay_ps from now, in the order
 * (priority, when sim_on() was called).  An earlier notification that is pending replaces a later one.
 * It fires at the start of its instant, before any activation; with @delay_ps 0 at once.  Who begins to
 * wait after that waits for the next one. */
void sim_notify(struct sim *s, uint32_t event, uint64_t delay_ps);

/* sim_cancel() - the method has nothing pending afterwards. */
void sim_cancel(struct sim *s, uint32_t method);

/* sim_now() - the present: inside an activation its time, or where sim_go_on() moved it; outside, the last one's. */
uint64_t sim_now(const struct sim *s);

/* sim_next() - time of the earliest activation pending for anybody; SIM_NEVER none.  Inside an activation
 * that of another method (the acting one has none unless it scheduled itself). */
uint64_t sim_next(const struct sim *s);

/**
 * sim_go_on() - the acting method goes on at @ps without being scheduled, if nothing else is pending at
 * or before @ps and @ps does not pass the end of this sim_run(): exactly what sim_at() and a return
 * would have done, only faster: what the method has pending itself is replaced. Only inside an activation.
 * Return: true: sim_now() is @ps.  False: nothing changed.
 */
bool sim_go_on(struct sim *s, uint64_t ps);

/* sim_stop() - sim_run() returns true after this activation; what is pending stays pending. Only inside one. */
void sim_stop(struct sim *s);

/* sim_fail() - sim_run() returns false after this activation, with a copy of @message as its error; the first one
 * counts. Only inside one. */
void sim_fail(struct sim *s, const char *message);

/**
 * sim_run() - runs until nothing is pending, the next activation lies after @until_ps, or somebody stops.
 * May be called again to go on.
 * Return: false with @error after a failure.
 */
bool sim_run(struct sim *s, uint64_t until_ps, GError **error);

#ifdef __cplusplus
}
#endif

#endif
