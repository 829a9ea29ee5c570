/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h on SystemC 2.3.4.  Each method is an SC_METHOD sensitive to an event of its own; SystemC owns the
 * time and calls them.  Which one is next is decided here: an indexed heap holds what is pending in the
 * order of S1, and only its top has a notification in the kernel.  So the kernel never has a choice
 * (S1), sim_next() is a look at the top, and replacing or cancelling never reaches the kernel.
 *
 * Invariants
 *   C1  Outside activations and the kernel, no process has a notification pending.  sc_start() therefore
 *       returns when an activation arms nobody: at the end, at a stop, at a bound, at a failure.
 *   C2  The heap's top is never before now_ps; now_ps is never before the kernel's time.
 *   C3  A method is in the list of the event it waits for from sim_on() to its activation, and in the heap
 *       too once the event's notification has a time.  There with time now_ps it has fired.
 *
 * The kernel cannot be reset, so its processes are kept and used again: method n of every simulation runs
 * on process n.  Nothing is killed, nothing piles up, and a process without a simulation is never woken.
 */
#include "model/sim.h"

/* for sc_spawn() */
#define SC_INCLUDE_DYNAMIC_PROCESSES

#include <deque>
#include <exception>
#include <string>
#include <systemc>
#include <vector>

#include <glib.h>

/* The library wants one.  It is never called: sim_run() starts the kernel. */
extern "C" int sc_main(int argc, char *argv[]);
extern "C" int sc_main(int, char *[])
{
	return 0;
}

GQuark sim_error_quark(void)
{
	return g_quark_from_static_string("sim-error-quark");
}

namespace
{

constexpr uint32_t NONE = UINT32_MAX;
constexpr unsigned int PRIO_SHIFT = 61;
constexpr unsigned int RANK_SHIFT = 48; /* tickets have the bits below */
constexpr uint64_t NR_RANKS = UINT64_C(1) << (PRIO_SHIFT - RANK_SHIFT);
constexpr uint64_t NR_TICKETS = UINT64_C(1) << RANK_SHIFT;

/* One pending activation; order holds priority, rank and ticket. */
struct pending {
	uint64_t ps;
	uint64_t order;
	uint32_t method;
};

struct method {
	sim_fn fn;
	void *arg;
	uint64_t order;   /* of its wait for an event */
	uint32_t heap_at; /* index in the heap, NONE: not there */
	uint32_t event;   /* that it waits for, NONE: none */
	uint32_t previous;
	uint32_t next; /* in the event's list */
	uint32_t rank;
};

struct event {
	uint64_t fires_ps; /* last notification; past or present: it has fired */
	uint32_t first;    /* of those who wait, NONE: nobody */
};

/* The processes, each with what wakes it: made when needed, never given back.  A deque moves nothing. */
std::deque<sc_core::sc_event> *wakes;
struct sim *alive;

} // namespace

struct sim {
	std::vector<struct pending>
		heap; /* capacity for all methods: an activation does not allocate */
	std::vector<struct method> methods;
	std::vector<struct event> events;
	std::vector<std::string> names;
	uint64_t origin; /* the kernel's time at our time 0 */
	uint64_t now_ps;
	uint64_t until_ps;
	uint64_t nr_tickets;
	uint32_t acting; /* whose activation this is, NONE: nobody's */
	bool running;
	bool stopped;
	GError *failure;
};

namespace
{

/* --- The heap. */

bool is_before(const struct pending &a, const struct pending &b)
{
	return a.ps != b.ps ? a.ps < b.ps : a.order < b.order;
}

void place(struct sim *s, uint32_t at, const struct pending &p)
{
	s->heap[at] = p;
	s->methods[p.method].heap_at = at;
}

void sift_up(struct sim *s, uint32_t at, const struct pending &p)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (!is_before(p, s->heap[parent]))
			break;
		place(s, at, s->heap[parent]);
		at = parent;
	}
	place(s, at, p);
}

void sift_down(struct sim *s, uint32_t at, const struct pending &p)
{
	uint32_t nr = static_cast<uint32_t>(s->heap.size());

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= nr)
			break;
		if (child + 1 < nr && is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_before(s->heap[child], p))
			break;
		place(s, at, s->heap[child]);
		at = child;
	}
	place(s, at, p);
}

void heap_add(struct sim *s, const struct pending &p)
{
	s->heap.push_back(p);
	sift_up(s, static_cast<uint32_t>(s->heap.size()) - 1, p);
}

void heap_remove(struct sim *s, uint32_t at)
{
	struct pending last = s->heap.back();

	s->methods[s->heap[at].method].heap_at = NONE;
	s->heap.pop_back();
	if (at == s->heap.size())
		return;
	if (at > 0 && is_before(last, s->heap[(at - 1) / 2]))
		sift_up(s, at, last);
	else
		sift_down(s, at, last);
}

/* --- Methods and the events they wait for. */

void unlink_waiter(struct sim *s, uint32_t method)
{
	struct method *m = &s->methods[method];

	if (m->event == NONE)
		return;
	if (m->previous != NONE)
		s->methods[m->previous].next = m->next;
	else
		s->events[m->event].first = m->next;
	if (m->next != NONE)
		s->methods[m->next].previous = m->previous;
	m->event = NONE;
}

/* link_waiter() - into the list of the event that the method names. */
void link_waiter(struct sim *s, uint32_t method)
{
	struct method *m = &s->methods[method];
	struct event *e = &s->events[m->event];

	m->previous = NONE;
	m->next = e->first;
	if (e->first != NONE)
		s->methods[e->first].previous = method;
	e->first = method;
}

void drop(struct sim *s, uint32_t method)
{
	g_assert(method < s->methods.size());
	unlink_waiter(s, method);
	if (s->methods[method].heap_at != NONE)
		heap_remove(s, s->methods[method].heap_at);
}

bool is_notified(const struct sim *s, const struct event &e)
{
	return e.fires_ps != SIM_NEVER && e.fires_ps > s->now_ps;
}

uint64_t draw_order(struct sim *s, uint32_t method, enum sim_prio prio)
{
	g_assert(prio < SIM_NR_PRIOS && s->nr_tickets < NR_TICKETS);
	return (static_cast<uint64_t>(prio) << PRIO_SHIFT) |
	       (static_cast<uint64_t>(s->methods[method].rank) << RANK_SHIFT) | s->nr_tickets++;
}

/* --- Failures: the first one counts. */

void fail(struct sim *s, enum sim_error code, const char *who, const char *message)
{
	if (s->failure)
		return;
	s->failure =
		g_error_new(SIM_ERROR, code, "%s%s%s", who ? who : "", who ? ": " : "", message);
}

/* fail_by_exception() - inside a catch: turns what was caught into the failure. */
void fail_by_exception(struct sim *s, const char *who)
{
	try {
		throw;
	} catch (const sc_core::sc_report &report) {
		fail(s, SIM_ERROR_KERNEL, who, report.what());
	} catch (const std::exception &e) {
		fail(s, SIM_ERROR_FAILED, who, e.what());
	} catch (...) {
		fail(s, SIM_ERROR_FAILED, who, "threw something that is no std::exception");
	}
}

/* --- The kernel. */

/* arm_next() - has the kernel call the heap's top in its time, or nobody if this run ends here. */
void arm_next(struct sim *s)
{
	uint64_t kernel_ps = sc_core::sc_time_stamp().value();
	const struct pending *top = s->heap.data();
	sc_core::sc_event *wake;

	if (s->heap.empty() || s->stopped || s->failure || top->ps > s->until_ps)
		return;
	if (top->ps >= UINT64_MAX - s->origin) {
		fail(s, SIM_ERROR_KERNEL, nullptr,
		     "expected times whose sum over the simulations of a process fits 64 bits of "
		     "ps");
		return;
	}
	wake = &(*wakes)[top->method];
	/* A process cannot wake itself in the delta cycle that it runs in. */
	if (s->origin + top->ps == kernel_ps && s->acting != NONE && s->acting != top->method)
		wake->notify();
	else
		wake->notify(sc_core::sc_time::from_value(s->origin + top->ps - kernel_ps));
}

/* activate() - the body of process @method. */
void activate(uint32_t method)
{
	struct sim *s = alive;

	g_assert(s && s->running && !s->heap.empty() && s->heap[0].method == method);
	s->now_ps = s->heap[0].ps;
	s->acting = method;
	heap_remove(s, 0);
	unlink_waiter(s, method);
	try {
		s->methods[method].fn(s->methods[method].arg, method);
		arm_next(s);
	} catch (const sc_core::sc_unwind_exception &) {
		throw; /* the kernel's own */
	} catch (...) {
		fail_by_exception(s, s->names[method].c_str());
	}
	s->acting = NONE;
}

void kernel_setup()
{
	using sc_core::sc_report_handler;

	sc_core::sc_set_time_resolution(1, sc_core::SC_PS);
	sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
	sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
	sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
	sc_report_handler::set_actions(sc_core::SC_FATAL, sc_core::SC_THROW);
	wakes = new std::deque<sc_core::sc_event>();
}

void spawn_process()
{
	uint32_t method = static_cast<uint32_t>(wakes->size());
	std::string name = "method_" + std::to_string(method);
	sc_core::sc_spawn_options options;

	wakes->emplace_back();
	options.spawn_method();
	options.dont_initialize();
	options.set_sensitivity(&wakes->back());
	sc_core::sc_spawn([method] { activate(method); }, name.c_str(), &options);
}

/* run_kernel() - until the heap's top is not for this run; nothing escapes. */
void run_kernel(struct sim *s) noexcept
{
	try {
		arm_next(s);
		if (!s->failure)
			sc_core::sc_start();
	} catch (...) {
		fail_by_exception(s, nullptr);
	}
}

/* Trouble while a simulation is set up is no memory or a bug: the program ends with a message. */
template <typename Body> auto set_up(const Body &body) noexcept
{
	try {
		return body();
	} catch (const std::exception &e) {
		g_error("setting up a simulation: %s", e.what());
	}
}

} // namespace

/* --- Life. */

struct sim *sim_new(GError **error)
{
	if (alive) {
		g_set_error_literal(
			error, SIM_ERROR, SIM_ERROR_BUSY,
			"expected no other simulation in this process, found one alive");
		return nullptr;
	}
	set_up([] {
		if (!wakes)
			kernel_setup();
		alive = new struct sim();
	});
	alive->origin = sc_core::sc_time_stamp().value();
	alive->acting = NONE;
	return alive;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	g_assert(s == alive && !s->running);
	/* after a failure of the kernel a notification may be left */
	for (size_t i = 0; i < s->methods.size(); i++)
		(*wakes)[i].cancel();
	alive = nullptr;
	g_clear_error(&s->failure);
	delete s;
}

uint32_t sim_method(struct sim *s, const char *name, sim_fn fn, void *arg)
{
	uint32_t method = static_cast<uint32_t>(s->methods.size());

	g_assert(!s->running && fn && method < NONE);
	set_up([&] {
		s->methods.push_back({ fn, arg, 0, NONE, NONE, NONE, NONE, 0 });
		s->names.emplace_back(name);
		s->heap.reserve(s->methods.capacity());
		if (wakes->size() == method)
			spawn_process();
	});
	return method;
}

void sim_rank(struct sim *s, uint32_t method, uint32_t rank)
{
	g_assert(method < s->methods.size() && rank < NR_RANKS);
	s->methods[method].rank = rank;
}

uint32_t sim_event(struct sim *s)
{
	uint32_t event = static_cast<uint32_t>(s->events.size());

	g_assert(event < NONE);
	set_up([&] { s->events.push_back({ SIM_NEVER, NONE }); });
	return event;
}

/* --- Scheduling. */

void sim_at(struct sim *s, uint32_t method, uint64_t ps, enum sim_prio prio)
{
	g_assert(ps >= s->now_ps && ps != SIM_NEVER);
	drop(s, method);
	heap_add(s, { ps, draw_order(s, method, prio), method });
}

void sim_on(struct sim *s, uint32_t method, uint32_t event, enum sim_prio prio)
{
	struct method *m;

	g_assert(event < s->events.size());
	drop(s, method);
	m = &s->methods[method];
	m->order = draw_order(s, method, prio);
	m->event = event;
	link_waiter(s, method);
	if (is_notified(s, s->events[event]))
		heap_add(s, { s->events[event].fires_ps, m->order, method });
}

void sim_notify(struct sim *s, uint32_t event, uint64_t delay_ps)
{
	uint64_t ps = s->now_ps + delay_ps;
	struct event *e;

	g_assert(event < s->events.size() && delay_ps < SIM_NEVER - s->now_ps);
	e = &s->events[event];
	if (is_notified(s, *e) && e->fires_ps <= ps)
		return;
	e->fires_ps = ps;
	for (uint32_t i = e->first; i != NONE; i = s->methods[i].next) {
		struct method *m = &s->methods[i];
		struct pending p = { ps, m->order, i };

		if (m->heap_at == NONE)
			heap_add(s, p);
		else if (s->heap[m->heap_at].ps > ps) /* not fired yet: C3 */
			sift_up(s, m->heap_at, p);
	}
}

void sim_cancel(struct sim *s, uint32_t method)
{
	drop(s, method);
}

uint64_t sim_now(const struct sim *s)
{
	return s->now_ps;
}

uint64_t sim_next(const struct sim *s)
{
	return s->heap.empty() ? SIM_NEVER : s->heap[0].ps;
}

bool sim_go_on(struct sim *s, uint64_t ps)
{
	struct method *m;
	struct pending own = { 0, 0, NONE };

	g_assert(s->acting != NONE && ps >= s->now_ps);
	if (s->stopped || s->failure || ps > s->until_ps)
		return false;
	m = &s->methods[s->acting];
	/* What it scheduled for itself does not stand in its way, and sim_at() would replace it. */
	if (m->heap_at != NONE) {
		own = s->heap[m->heap_at];
		heap_remove(s, m->heap_at);
	}
	if (sim_next(s) <= ps) {
		if (own.method != NONE)
			heap_add(s, own);
		return false;
	}
	unlink_waiter(s, s->acting);
	s->now_ps = ps;
	return true;
}

/* --- Running. */

void sim_stop(struct sim *s)
{
	g_assert(s->acting != NONE);
	s->stopped = true;
}

void sim_fail(struct sim *s, const char *message)
{
	g_assert(s->acting != NONE);
	fail(s, SIM_ERROR_FAILED, nullptr, message);
}

bool sim_run(struct sim *s, uint64_t until_ps, GError **error)
{
	g_assert(!s->running);
	s->until_ps = until_ps;
	s->stopped = false;
	s->running = true;
	if (!s->failure && !s->heap.empty() && s->heap[0].ps <= until_ps)
		run_kernel(s);
	s->running = false;
	if (!s->failure)
		return true;
	if (error)
		*error = g_error_copy(s->failure);
	return false;
}
