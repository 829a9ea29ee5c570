/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated time (model/sim.h): each rule of the contract by itself. test_sim_random.c has them all at once. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>

#include "model/sim.h"

enum { LOG_SIZE = 256 };

/* tests/throw.cpp */
void throw_activation(void *arg, uint32_t method);

/* --- What the tests by rule share: actors that write their letter and the time. */

struct diary {
	struct sim *sim;
	char text[LOG_SIZE];
};

static void note(struct diary *d, uint32_t method)
{
	size_t used = strlen(d->text);

	g_snprintf(d->text + used, sizeof(d->text) - used, "%c%" G_GUINT64_FORMAT " ",
		   (char)('a' + method), sim_now(d->sim));
}

static void act_note(void *arg, uint32_t method)
{
	note(arg, method);
}

/* diary_new() - a simulation with @nr methods that only note. */
static struct diary *diary_new(uint32_t nr, sim_fn fn)
{
	struct diary *d = g_new0(struct diary, 1);
	GError *error = NULL;
	uint32_t i;

	d->sim = sim_new(&error);
	ck_assert_msg(d->sim, "%s", error ? error->message : "no error");
	for (i = 0; i < nr; i++)
		ck_assert_uint_eq(sim_method(d->sim, "actor", fn, d), i);
	return d;
}

static void diary_free(struct diary *d)
{
	sim_free(d->sim);
	g_free(d);
}

static void run(struct diary *d, uint64_t until_ps)
{
	GError *error = NULL;

	ck_assert_msg(sim_run(d->sim, until_ps, &error), "%s", error ? error->message : "no error");
	ck_assert_ptr_null(error);
}

/* run_fails() - the run ends with this error; frees the simulation. */
static void run_fails(struct diary *d, enum sim_error code, const char *message)
{
	GError *error = NULL;

	ck_assert(!sim_run(d->sim, SIM_NEVER, &error));
	ck_assert_msg(g_error_matches(error, SIM_ERROR, (gint)code), "%s", error->message);
	ck_assert_str_eq(error->message, message);
	g_clear_error(&error);
	/* and again: it can only be freed */
	ck_assert(!sim_run(d->sim, SIM_NEVER, NULL));
	diary_free(d);
}

/* --- Order: time, priority, ticket. */

START_TEST(activations_run_by_time_then_priority_then_ticket)
{
	struct diary *d = diary_new(5, act_note);

	sim_at(d->sim, 0, 20, SIM_PRIO_HW);
	sim_at(d->sim, 1, 10, SIM_PRIO_VMM);
	sim_at(d->sim, 2, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 4, 10, SIM_PRIO_HW);
	sim_at(d->sim, 3, 10, SIM_PRIO_VCPU);
	ck_assert_uint_eq(sim_next(d->sim), 10);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "e10 c10 d10 b10 a20 ");
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER);
	ck_assert_uint_eq(sim_now(d->sim), 20);
	diary_free(d);
}
END_TEST

START_TEST(a_rank_stands_between_priority_and_ticket)
{
	struct diary *d = diary_new(4, act_note);

	for (uint32_t i = 0; i < 3; i++)
		sim_rank(d->sim, i, 2 - i);
	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 2, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 3, 10, SIM_PRIO_HW);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "d10 c10 b10 a10 ");
	diary_free(d);
}
END_TEST

/* a schedules three others and itself at its own instant, with priorities on both sides of what waits. */
static void act_same_instant(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	if (method || strlen(d->text) > 6)
		return;
	sim_at(d->sim, 1, sim_now(d->sim), SIM_PRIO_SAMPLER);
	sim_at(d->sim, 2, sim_now(d->sim), SIM_PRIO_VCPU);
	sim_at(d->sim, 3, sim_now(d->sim), SIM_PRIO_HW);
	sim_at(d->sim, 0, sim_now(d->sim), SIM_PRIO_VMM);
}

START_TEST(what_is_scheduled_for_the_same_instant_finds_its_place_in_it)
{
	struct diary *d = diary_new(5, act_same_instant);

	sim_at(d->sim, 0, 5, SIM_PRIO_MM);
	sim_at(d->sim, 4, 5, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "a5 d5 e5 c5 a5 b5 ");
	diary_free(d);
}
END_TEST

START_TEST(scheduling_again_replaces_and_draws_a_new_ticket)
{
	struct diary *d = diary_new(3, act_note);

	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 2, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 2, 30, SIM_PRIO_VCPU);
	sim_at(d->sim, 2, 7, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "c7 b10 a10 ");
	diary_free(d);
}
END_TEST

START_TEST(a_cancelled_method_does_not_run)
{
	struct diary *d = diary_new(3, act_note);
	uint32_t event = sim_event(d->sim);

	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 10, SIM_PRIO_VCPU);
	sim_on(d->sim, 2, event, SIM_PRIO_VCPU);
	sim_notify(d->sim, event, 3);
	sim_cancel(d->sim, 0);
	sim_cancel(d->sim, 0);
	sim_cancel(d->sim, 2);
	ck_assert_uint_eq(sim_next(d->sim), 10);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "b10 ");
	diary_free(d);
}
END_TEST

/* --- Events. */

START_TEST(who_waits_runs_by_priority_then_by_when_it_began_to_wait)
{
	struct diary *d = diary_new(4, act_note);
	uint32_t event = sim_event(d->sim);

	sim_on(d->sim, 3, event, SIM_PRIO_VCPU);
	sim_on(d->sim, 0, event, SIM_PRIO_VMM);
	sim_on(d->sim, 1, event, SIM_PRIO_VCPU);
	sim_notify(d->sim, event, 4);
	/* before it fires counts too */
	sim_on(d->sim, 2, event, SIM_PRIO_WAKE);
	ck_assert_uint_eq(sim_next(d->sim), 4);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "c4 d4 b4 a4 ");
	diary_free(d);
}
END_TEST

START_TEST(an_earlier_notification_replaces_a_later_one_and_no_other)
{
	struct diary *d = diary_new(2, act_note);
	uint32_t event = sim_event(d->sim);

	sim_on(d->sim, 0, event, SIM_PRIO_VCPU);
	sim_notify(d->sim, event, 9);
	sim_notify(d->sim, event, 5);
	sim_notify(d->sim, event, 7);
	run(d, 5);
	ck_assert_str_eq(d->text, "a5 ");
	/* nothing is left of the one at 9 */
	sim_on(d->sim, 0, event, SIM_PRIO_VCPU);
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER);
	diary_free(d);
}
END_TEST

START_TEST(a_notification_that_nobody_waits_for_is_lost)
{
	struct diary *d = diary_new(2, act_note);
	uint32_t event = sim_event(d->sim);

	sim_notify(d->sim, event, 0);
	sim_on(d->sim, 0, event, SIM_PRIO_VCPU);
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER);
	sim_notify(d->sim, event, 3);
	sim_cancel(d->sim, 0);
	sim_at(d->sim, 1, 8, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	sim_on(d->sim, 0, event, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "b8 ");
	diary_free(d);
}
END_TEST

/* a notifies at once, then for later: b, fired already, is not moved. */
static void act_notify_twice(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	if (method)
		return;
	sim_notify(d->sim, 0, 0);
	sim_notify(d->sim, 0, 6);
}

START_TEST(a_notification_after_the_event_fired_is_for_the_next_wait)
{
	struct diary *d = diary_new(2, act_notify_twice);

	ck_assert_uint_eq(sim_event(d->sim), 0);
	sim_on(d->sim, 1, 0, SIM_PRIO_VCPU);
	sim_at(d->sim, 0, 2, SIM_PRIO_VCPU);
	run(d, 2);
	ck_assert_str_eq(d->text, "a2 b2 ");
	sim_on(d->sim, 1, 0, SIM_PRIO_VCPU);
	ck_assert_uint_eq(sim_next(d->sim), 8);
	diary_free(d);
}
END_TEST

/* --- Going on, stopping, bounds. */

static void act_go_on(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	if (method)
		return;
	ck_assert_uint_eq(sim_next(d->sim), 40);
	ck_assert(sim_go_on(d->sim, 39));
	note(d, method);
	ck_assert(!sim_go_on(d->sim, 40));
	ck_assert_uint_eq(sim_now(d->sim), 39);
	sim_cancel(d->sim, 1);
	/* its own is no obstacle, and is replaced */
	sim_at(d->sim, 0, 41, SIM_PRIO_VCPU);
	ck_assert(sim_go_on(d->sim, 60));
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER);
	note(d, method);
	/* not past the end of this run */
	ck_assert(!sim_go_on(d->sim, 101));
	sim_stop(d->sim);
	ck_assert(!sim_go_on(d->sim, 61));
}

START_TEST(going_on_needs_that_nothing_else_is_pending_until_there)
{
	struct diary *d = diary_new(2, act_go_on);

	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 40, SIM_PRIO_SAMPLER);
	run(d, 100);
	ck_assert_str_eq(d->text, "a10 a39 a60 ");
	diary_free(d);
}
END_TEST

/* Refused, going on leaves what it has pending; done, it takes the place of it. */
static void act_go_on_with_own(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	if (method || sim_now(d->sim) != 10)
		return;
	sim_at(d->sim, 0, 30, SIM_PRIO_VCPU);
	ck_assert(!sim_go_on(d->sim, 20));
	ck_assert_uint_eq(sim_next(d->sim), 20);
	if (strlen(d->text) < 5)
		return;
	sim_cancel(d->sim, 1);
	sim_on(d->sim, 0, 0, SIM_PRIO_VCPU);
	ck_assert(sim_go_on(d->sim, 20));
	sim_notify(d->sim, 0, 5);
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER);
}

START_TEST(going_on_replaces_what_the_method_has_pending_and_refused_does_not)
{
	struct diary *d = diary_new(2, act_go_on_with_own);

	sim_event(d->sim);
	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 20, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "a10 b20 a30 ");
	diary_free(d);

	d = diary_new(2, act_go_on_with_own);
	g_strlcpy(d->text, "again ", sizeof(d->text));
	sim_event(d->sim);
	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 20, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "again a10 ");
	diary_free(d);
}
END_TEST

static void act_stop(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	if (method == 1)
		sim_stop(d->sim);
}

START_TEST(a_stop_keeps_what_is_pending)
{
	struct diary *d = diary_new(3, act_stop);

	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 2, 10, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "a10 b10 ");
	ck_assert_uint_eq(sim_next(d->sim), 10);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "a10 b10 c10 ");
	diary_free(d);
}
END_TEST

START_TEST(a_run_ends_at_its_bound_and_goes_on_behind_it)
{
	struct diary *d = diary_new(2, act_note);

	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 11, SIM_PRIO_VCPU);
	run(d, 9);
	ck_assert_str_eq(d->text, "");
	run(d, 10);
	ck_assert_str_eq(d->text, "a10 ");
	ck_assert_uint_eq(sim_now(d->sim), 10);
	sim_at(d->sim, 0, 10, SIM_PRIO_VCPU);
	run(d, 11);
	ck_assert_str_eq(d->text, "a10 a10 b11 ");
	run(d, SIM_NEVER);
	diary_free(d);
}
END_TEST

/* --- Failures. */

static void act_fail(void *arg, uint32_t method)
{
	struct diary *d = arg;

	note(d, method);
	sim_fail(d->sim, "first");
	sim_fail(d->sim, "second");
	sim_at(d->sim, method, sim_now(d->sim) + 1, SIM_PRIO_VCPU);
}

/* one simulation that works */
static void check_that_the_next_works(void)
{
	struct diary *d = diary_new(2, act_note);

	sim_at(d->sim, 1, 3, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	ck_assert_str_eq(d->text, "b3 ");
	diary_free(d);
}

START_TEST(bad_a_failure_ends_the_run_with_its_message)
{
	struct diary *d = diary_new(2, act_fail);

	sim_at(d->sim, 0, 1, SIM_PRIO_VCPU);
	sim_at(d->sim, 1, 1, SIM_PRIO_VCPU);
	run_fails(d, SIM_ERROR_FAILED, "first");
	check_that_the_next_works();
}
END_TEST

START_TEST(bad_an_exception_inside_an_activation_is_a_failure)
{
	static int any;
	struct diary *d = diary_new(1, act_note);
	uint32_t method = sim_method(d->sim, "thrower", throw_activation, _i ? &any : NULL);

	sim_at(d->sim, method, 1, SIM_PRIO_VCPU);
	sim_at(d->sim, 0, 2, SIM_PRIO_VCPU);
	run_fails(d, SIM_ERROR_FAILED,
		  _i ? "thrower: threw something that is no std::exception"
		     : "thrower: thrown inside");
	check_that_the_next_works();
}
END_TEST

START_TEST(bad_times_beyond_the_kernels_are_reported)
{
	struct diary *d = diary_new(1, act_note);

	sim_at(d->sim, 0, SIM_NEVER - 1, SIM_PRIO_VCPU);
	ck_assert_uint_eq(sim_next(d->sim), SIM_NEVER - 1);
	run(d, SIM_NEVER - 2);
	sim_at(d->sim, 0, 5, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	diary_free(d);
	d = diary_new(1, act_note);
	sim_at(d->sim, 0, SIM_NEVER - 4, SIM_PRIO_VCPU);
	run_fails(d, SIM_ERROR_KERNEL,
		  "expected times whose sum over the simulations of a process fits 64 bits of ps");
	check_that_the_next_works();
}
END_TEST

START_TEST(bad_a_second_simulation_is_refused)
{
	struct diary *d = diary_new(1, act_note);
	GError *error = NULL;

	ck_assert_ptr_null(sim_new(&error));
	ck_assert(g_error_matches(error, SIM_ERROR, SIM_ERROR_BUSY));
	g_clear_error(&error);
	sim_at(d->sim, 0, 1, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	diary_free(d);
	check_that_the_next_works();
	sim_free(NULL);
}
END_TEST

static void act_into_the_past(void *arg, uint32_t method)
{
	struct diary *d = arg;

	sim_at(d->sim, method, sim_now(d->sim) - 1, SIM_PRIO_VCPU);
}

START_TEST(bad_a_time_in_the_past_ends_the_program)
{
	struct diary *d = diary_new(1, act_into_the_past);

	sim_at(d->sim, 0, 1, SIM_PRIO_VCPU);
	run(d, SIM_NEVER);
	diary_free(d);
}
END_TEST

/* --- Many. */

START_TEST(a_thousand_simulations_follow_each_other)
{
	int i;

	for (i = 0; i < 1000; i++) {
		struct diary *d = diary_new((uint32_t)(1 + i % 5), act_note);

		sim_at(d->sim, 0, (uint64_t)i, SIM_PRIO_VCPU);
		/* half of them are given up with something pending */
		run(d, i % 2 ? SIM_NEVER : 0);
		ck_assert_uint_eq(sim_now(d->sim), i % 2 ? (uint64_t)i : 0);
		diary_free(d);
	}
}
END_TEST

struct crowd {
	struct sim *sim;
	uint64_t seen;
	uint32_t last;
};

static void act_crowd(void *arg, uint32_t method)
{
	struct crowd *c = arg;

	ck_assert_uint_eq(method, (uint32_t)(c->seen % 1000));
	c->seen++;
	if (sim_now(c->sim) < 900)
		sim_at(c->sim, method, sim_now(c->sim) + 100, SIM_PRIO_VCPU);
}

START_TEST(a_thousand_actors_keep_their_order)
{
	struct crowd c = { 0 };
	uint32_t i;

	c.sim = sim_new(NULL);
	for (i = 0; i < 1000; i++)
		sim_at(c.sim, sim_method(c.sim, "one of many", act_crowd, &c), 0, SIM_PRIO_VCPU);
	ck_assert(sim_run(c.sim, SIM_NEVER, NULL));
	ck_assert_uint_eq(c.seen, 10000);
	sim_free(c.sim);
}
END_TEST

static void add_rules(TCase *tcase)
{
	tcase_add_test(tcase, activations_run_by_time_then_priority_then_ticket);
	tcase_add_test(tcase, a_rank_stands_between_priority_and_ticket);
	tcase_add_test(tcase, what_is_scheduled_for_the_same_instant_finds_its_place_in_it);
	tcase_add_test(tcase, scheduling_again_replaces_and_draws_a_new_ticket);
	tcase_add_test(tcase, a_cancelled_method_does_not_run);
	tcase_add_test(tcase, who_waits_runs_by_priority_then_by_when_it_began_to_wait);
	tcase_add_test(tcase, an_earlier_notification_replaces_a_later_one_and_no_other);
	tcase_add_test(tcase, a_notification_that_nobody_waits_for_is_lost);
	tcase_add_test(tcase, a_notification_after_the_event_fired_is_for_the_next_wait);
	tcase_add_test(tcase, going_on_needs_that_nothing_else_is_pending_until_there);
	tcase_add_test(tcase, going_on_replaces_what_the_method_has_pending_and_refused_does_not);
	tcase_add_test(tcase, a_stop_keeps_what_is_pending);
	tcase_add_test(tcase, a_run_ends_at_its_bound_and_goes_on_behind_it);
}

int main(void)
{
	Suite *suite = suite_create("sim");
	TCase *tcase = tcase_create("sim");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_rules(tcase);
	tcase_add_test(tcase, bad_a_failure_ends_the_run_with_its_message);
	tcase_add_loop_test(tcase, bad_an_exception_inside_an_activation_is_a_failure, 0, 2);
	tcase_add_test(tcase, bad_times_beyond_the_kernels_are_reported);
	tcase_add_test(tcase, bad_a_second_simulation_is_refused);
	if (srunner_fork_status(runner) == CK_FORK)
		tcase_add_test_raise_signal(tcase, bad_a_time_in_the_past_ends_the_program,
					    SIGABRT);
	tcase_add_test(tcase, a_thousand_simulations_follow_each_other);
	tcase_add_test(tcase, a_thousand_actors_keep_their_order);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
