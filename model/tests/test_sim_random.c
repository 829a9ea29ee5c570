/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated time (model/sim.h): random programs run on the kernel and on a plain model of the contract, lists
 * that are searched, which must agree in every activation; and with and without going on.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>

#include "model/sim.h"

enum { NR_ACTORS = 6, NR_EVENTS = 3, NR_SEEDS = 60 };

struct plain_method {
	uint64_t ps; /* SIM_NEVER: none */
	uint64_t order;
	int event; /* -1: none */
};

struct plain {
	struct plain_method methods[NR_ACTORS];
	uint64_t fires_ps[NR_EVENTS];
	uint64_t now_ps, tickets;
};

struct world {
	struct sim *sim;    /* or NULL: the plain lists */
	struct plain plain; /* every event fires at the start of its instant */
	bool goes_on;
	uint32_t dice;
	bool stopped;
	unsigned int left; /* activations until the end */
	GString *trace;
};

static uint32_t roll(struct world *w, uint32_t sides)
{
	w->dice = w->dice * 1664525u + 1013904223u;
	return (w->dice >> 16) % sides;
}

static uint64_t world_now(const struct world *w)
{
	return w->sim ? sim_now(w->sim) : w->plain.now_ps;
}

static uint64_t plain_next(const struct plain *p)
{
	uint64_t next = SIM_NEVER;
	int i;

	for (i = 0; i < NR_ACTORS; i++) {
		const struct plain_method *m = &p->methods[i];

		next = MIN(next, m->event < 0 ? m->ps : p->fires_ps[m->event]);
	}
	return next;
}

static void plain_fire(struct plain *p, int event)
{
	int i;

	p->fires_ps[event] = SIM_NEVER;
	for (i = 0; i < NR_ACTORS; i++) {
		if (p->methods[i].event != event)
			continue;
		p->methods[i].event = -1;
		p->methods[i].ps = p->now_ps;
	}
}

static void world_at(struct world *w, uint32_t method, uint64_t ps, enum sim_prio prio)
{
	struct plain *p = &w->plain;

	if (w->sim)
		sim_at(w->sim, method, ps, prio);
	else
		p->methods[method] =
			(struct plain_method){ ps, (uint64_t)prio << 32 | p->tickets++, -1 };
}

static void world_on(struct world *w, uint32_t method, uint32_t event, enum sim_prio prio)
{
	struct plain *p = &w->plain;

	if (w->sim)
		sim_on(w->sim, method, event, prio);
	else
		p->methods[method] =
			(struct plain_method){ SIM_NEVER, (uint64_t)prio << 32 | p->tickets++,
					       (int)event };
}

static void world_notify(struct world *w, uint32_t event, uint64_t delay_ps)
{
	struct plain *p = &w->plain;

	if (w->sim) {
		sim_notify(w->sim, event, delay_ps);
		return;
	}
	p->fires_ps[event] = MIN(p->fires_ps[event], p->now_ps + delay_ps);
	if (p->fires_ps[event] == p->now_ps)
		plain_fire(p, (int)event);
}

static void world_cancel(struct world *w, uint32_t method)
{
	if (w->sim)
		sim_cancel(w->sim, method);
	else
		w->plain.methods[method] = (struct plain_method){ SIM_NEVER, 0, -1 };
}

/* One random thing that an activation does to anybody. */
static void do_something(struct world *w)
{
	uint32_t other = roll(w, NR_ACTORS);
	enum sim_prio prio = (enum sim_prio)roll(w, SIM_NR_PRIOS);

	switch (roll(w, 6)) {
	case 0:
	case 1:
		world_at(w, other, world_now(w) + roll(w, 8), prio);
		break;
	case 2:
		world_on(w, other, roll(w, NR_EVENTS), prio);
		break;
	case 3:
	case 4:
		world_notify(w, roll(w, NR_EVENTS), roll(w, 6));
		break;
	default:
		world_cancel(w, other);
		break;
	}
}

static void act_random(void *arg, uint32_t method)
{
	struct world *w = arg;
	uint64_t ps;

	do {
		g_string_append_printf(w->trace, "%" G_GUINT64_FORMAT " %u %" G_GUINT64_FORMAT "\n",
				       world_now(w), method,
				       w->sim ? sim_next(w->sim) : plain_next(&w->plain));
		if (!w->left)
			return;
		w->left--;
		while (roll(w, 3))
			do_something(w);
		if (!roll(w, 20)) {
			w->stopped = true;
			if (w->sim)
				sim_stop(w->sim);
		}
		ps = world_now(w) + roll(w, 10);
	} while (w->goes_on && sim_go_on(w->sim, ps));
	world_at(w, method, ps, (enum sim_prio)roll(w, SIM_NR_PRIOS));
}

/* The next to act at this instant, or -1. */
static int plain_top(const struct plain *p)
{
	int top = -1, i;

	for (i = 0; i < NR_ACTORS; i++) {
		const struct plain_method *m = &p->methods[i];

		if (m->event < 0 && m->ps == p->now_ps &&
		    (top < 0 || m->order < p->methods[top].order))
			top = i;
	}
	return top;
}

static void plain_run(struct world *w, uint64_t until_ps)
{
	struct plain *p = &w->plain;
	int i;

	while (!w->stopped && plain_next(p) <= until_ps) {
		/* events that nobody waits for fire too, in their time */
		for (i = 0; i < NR_EVENTS; i++)
			if (p->fires_ps[i] < plain_next(p))
				p->fires_ps[i] = SIM_NEVER;
		p->now_ps = plain_next(p);
		for (i = 0; i < NR_EVENTS; i++)
			if (p->fires_ps[i] == p->now_ps)
				plain_fire(p, i);
		i = plain_top(p);
		p->methods[i].ps = SIM_NEVER;
		act_random(w, (uint32_t)i);
	}
}

enum way { WAY_PLAIN, WAY_SIM, WAY_GO_ON };

/* world_trace() - what happened, a line an activation; caller frees. */
static char *world_trace(uint32_t seed, enum way way)
{
	struct world w = { .goes_on = way == WAY_GO_ON, .dice = seed, .left = 2000 };
	uint64_t until_ps = 0;
	uint32_t i;

	w.trace = g_string_new(NULL);
	for (i = 0; i < NR_EVENTS; i++)
		w.plain.fires_ps[i] = SIM_NEVER;
	if (way != WAY_PLAIN)
		w.sim = sim_new(NULL);
	for (i = 0; way != WAY_PLAIN && i < NR_EVENTS; i++)
		sim_event(w.sim);
	for (i = 0; i < NR_ACTORS; i++) {
		if (w.sim)
			sim_method(w.sim, "random", act_random, &w);
		world_at(&w, i, i % 3, SIM_PRIO_VCPU);
	}
	while (w.left && (w.sim ? sim_next(w.sim) : plain_next(&w.plain)) != SIM_NEVER) {
		until_ps += w.stopped ? 0 : 100;
		w.stopped = false;
		if (w.sim)
			ck_assert(sim_run(w.sim, until_ps, NULL));
		else
			plain_run(&w, until_ps);
		g_string_append(w.trace, w.stopped ? "stopped\n" : "bound\n");
	}
	sim_free(w.sim);
	return g_string_free(w.trace, FALSE);
}

/* check_same() - or the lines around the first difference. */
static void check_same(int seed, const char *expected, const char *found)
{
	size_t same = 0, from;

	while (expected[same] && expected[same] == found[same])
		same++;
	from = same > 100 ? same - 100 : 0;
	ck_assert_msg(expected[same] == found[same], "seed %d: expected\n%.140s\nfound\n%.140s",
		      seed, expected + from, found + from);
}

START_TEST(random_programs_run_as_on_plain_lists)
{
	g_autofree char *plain = world_trace((uint32_t)_i, WAY_PLAIN);
	g_autofree char *sim = world_trace((uint32_t)_i, WAY_SIM);

	ck_assert_uint_gt(strlen(plain), 4000);
	check_same(_i, plain, sim);
}
END_TEST

/* An activation that goes on if it can.  Both ways roll the same dice, so a difference stays visible. */
static void act_lone(void *arg, uint32_t method)
{
	struct world *w = arg;
	uint64_t ps;

	do {
		g_string_append_printf(w->trace, "%" G_GUINT64_FORMAT " %u %" G_GUINT64_FORMAT "\n",
				       sim_now(w->sim), method, sim_next(w->sim));
		if (!w->left) {
			sim_stop(w->sim);
			return;
		}
		w->left--;
		if (!roll(w, 4))
			do_something(w);
		ps = sim_now(w->sim) + roll(w, 12);
	} while (w->goes_on && sim_go_on(w->sim, ps));
	sim_at(w->sim, method, ps, SIM_PRIO_VCPU);
}

static char *lone_trace(uint32_t seed, bool goes_on, uint32_t nr)
{
	struct world w = { .goes_on = goes_on, .dice = seed, .left = 3000 };
	uint64_t until_ps = 0;
	uint32_t i;

	w.trace = g_string_new(NULL);
	w.sim = sim_new(NULL);
	for (i = 0; i < NR_EVENTS; i++)
		sim_event(w.sim);
	for (i = 0; i < NR_ACTORS; i++)
		sim_method(w.sim, "lone", act_lone, &w);
	for (i = 0; i < nr; i++)
		sim_at(w.sim, i, i, SIM_PRIO_VCPU);
	while (w.left && sim_next(w.sim) != SIM_NEVER)
		ck_assert(sim_run(w.sim, until_ps += 50, NULL));
	sim_free(w.sim);
	return g_string_free(w.trace, FALSE);
}

START_TEST(going_on_is_the_same_as_coming_back)
{
	uint32_t nr = 1 + (uint32_t)_i % NR_ACTORS;
	g_autofree char *back = lone_trace((uint32_t)_i, false, nr);
	g_autofree char *on = lone_trace((uint32_t)_i, true, nr);

	ck_assert_uint_gt(strlen(back), 4000);
	check_same(_i, back, on);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_random");
	TCase *tcase = tcase_create("sim_random");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, random_programs_run_as_on_plain_lists, 0, NR_SEEDS);
	tcase_add_loop_test(tcase, going_on_is_the_same_as_coming_back, 0, NR_SEEDS);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
