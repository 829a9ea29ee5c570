/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written while a timed run goes on: who does what when, and the page sizes of guest memory
 * over time; and the line on a terminal that shows how far the run is.
 */
#ifndef HARNESS_RUN_WATCH_H
#define HARNESS_RUN_WATCH_H

#include "model/timed.h"

struct watch_span {
	uint64_t from_ps, to_ps;
	uint32_t actor;
	uint32_t state; /* enum timed_state */
};

struct run_watch {
	GArray *spans;  /* of struct watch_span, NULL: not wanted */
	bool full;      /* more spans than are kept: the rest was left out */
	GString *heat;  /* CSV, NULL: not wanted */
	gint64 started; /* of the machine's clock, for the display; 0: no display */
	gint64 shown;
};

/* Callbacks for struct timed_cfg; arg is the struct run_watch. */
void watch_span(void *arg, uint32_t actor, enum timed_state state, uint64_t from_ps,
		uint64_t to_ps);
void watch_heat(void *arg, const struct timed *t, uint64_t now_ps);
void watch_progress(void *arg, uint64_t now_ps, unsigned int permille);

/* watch_end() - clears the display. */
void watch_end(const struct run_watch *w);

/* watch_timeline() - the spans as CSV. */
void watch_timeline(const struct run_watch *w, const struct vm *vm, GString *out);

#endif
