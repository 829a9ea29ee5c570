/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a timed run has to say, as one list: the table, JSON, CSV and SQLite all print these.
 */
#ifndef HARNESS_RUN_STATS_H
#define HARNESS_RUN_STATS_H

#include <glib.h>

#include "model/timed.h"

#define RUN_ERROR run_error_quark()
GQuark run_error_quark(void);

enum run_error {
	RUN_ERROR_DB, /* the results cannot be stored */
};

/* One number.  Names are KVM's own where KVM has one; ours begin with s2_. */
struct run_stat {
	char name[48];
	const char *unit; /* "", "ps", "pages"; static */
	const char *text; /* static */
	uint64_t value;
};

/* A phase, or the whole run. */
struct run_part {
	char name[32];
	uint64_t start_ps, end_ps;
	GArray *stats; /* of struct run_stat */
};

/* What the run was made with. */
struct run_config {
	const char *file, *scenario, *policy, *profile, *commit;
	uint64_t seed, quantum_ps;
	bool recorded; /* recordings of this base exist */
	unsigned int vcpus;
};

/* The difference that a quantum makes, against the exact run. */
struct run_difference {
	bool known;
	uint64_t exact_ps;
	double max_percent; /* of a phase's time */
	char phase[32];
};

struct run_result {
	struct run_config config;
	const struct timed *timed; /* borrowed */
	GPtrArray *phases;         /* of struct run_part */
	struct run_part *total;
	struct run_difference difference;
};

/* run_result_new() - reads a finished run, which must outlive the result. */
struct run_result *run_result_new(const struct timed *t, const struct run_config *config);
void run_result_free(struct run_result *r);

/* "vcpu3", "vmm" or "mm". */
void run_actor_name(const struct vm *vm, uint32_t actor, char *name, size_t size);

/* The table for people. */
void run_print(const struct run_result *r, GString *out);

/* One JSON document, s2sim.run/1. */
void run_json(const struct run_result *r, GString *out);

/* One row a number: phase, name, value, unit. */
void run_csv(const struct run_result *r, GString *out);

/* Adds the run to an SQLite file, which is made if it is not there. One transaction. */
bool run_db(const struct run_result *r, const char *path, GError **error);

#endif
