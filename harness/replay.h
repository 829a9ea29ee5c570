/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the inputs of a scenario file or a record through the script driver, and printing what
 * the model answers as a record.
 *
 * A record's own inputs already contain what the recorder added; for a scenario file with code=1
 * they are added here: slot 31 with two pages of code, and one `guest nop` per vCPU.
 */
#ifndef HARNESS_REPLAY_H
#define HARNESS_REPLAY_H

#include <stdbool.h>

#include <glib.h>

#include "model/setup.h"
#include "traces/record.h"

/* What the scenarios of one file are run with. */
struct replay {
	const struct record *file; /* borrowed */
	char *policy;              /* of every scenario that does not choose its own */
	bool forced;               /* the policy was given by the user and goes before any other */
	bool own_mm;               /* the model's host mm decides, whatever ranges a record has */
};

/**
 * replay_init() - find and check the policies that a file is to be run with
 * @r: filled on success
 * @file: borrowed as long as @r is used
 * @policy: as the user gave it; NULL: the record's header decides, and x86-6.12 or, if no scenario
 *          is for x86, arm64-6.12 without a header
 * @error: set if the header names a machine that no policy stands for, or if the policy of the file
 *         or of one of its scenarios is no policy
 */
bool replay_init(struct replay *r, const struct record *file, const char *policy, GError **error);

void replay_fini(struct replay *r);

/**
 * replay_applies() - is a scenario meant for the architecture of its policy
 * @r: the run
 * @scen: one of its file's scenarios
 *
 * A recorder leaves the others out of the record.
 */
bool replay_applies(const struct replay *r, const struct record_scenario *scen);

/* replay_policy() - the policy that a scenario of the file is run with. */
const char *replay_policy(const struct replay *r, const struct record_scenario *scen);

/* replay_params() - the kernel's parameters that the file's header lists. */
struct kvm_params replay_params(const struct replay *r);

/**
 * replay_header() - append the comment lines that a replayed record starts with
 * @r: the run
 * @out: appended to
 *
 * The header of a record is kept and followed by the policy, which a reader derives from either.
 */
void replay_header(const struct replay *r, GString *out);

/**
 * replay_scenario() - run one scenario
 * @r: the run
 * @scen: one of its file's scenarios
 * @out: the scenario as a part of a record is appended; after an error, as far as it ran, closed
 * @unmet: one message is added for each `expect` line that was not met; NULL: not looked at
 * @error: set if the scenario cannot be run (its policy, its geometry) or a line of it cannot
 */
bool replay_scenario(const struct replay *r, const struct record_scenario *scen, GString *out,
		     GPtrArray *unmet, GError **error);

#endif
