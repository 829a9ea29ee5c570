/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script driver: runs the lines of a scenario through the steps, each line to its end before the
 * next, and prints what was observed.
 *
 * A line's actor (vCPU, VMM, host mm) is run until it is done.  While it is blocked, rules run first
 * (acknowledgements, freed tables), then the enabled actor with the smallest number; when nobody can
 * run, that is a deadlock and an error.  After the line, vCPUs that were kicked out of a spin go on
 * until they spin again.
 */
#ifndef MODEL_SCRIPT_H
#define MODEL_SCRIPT_H

#include <glib.h>

#include "model/setup.h"

struct script;

#define SCRIPT_ERROR script_error_quark()
GQuark script_error_quark(void);

enum script_error {
	SCRIPT_ERROR_DEADLOCK, /* no actor is enabled */
	SCRIPT_ERROR_TIMED,    /* the line needs simulated time, or another order of steps */
};

/**
 * script_new() - a fresh VM.
 * @policy: policy line, see policy_parse(); @params may be NULL.
 * Return: NULL with @error when policy, geometry or injection are not known.
 */
struct script *script_new(const struct lang_scenario *s, const char *policy,
			  const struct kvm_params *params, GError **error);
void script_free(struct script *s);

/* The modelled KVM refuses the scenario's capabilities: a record says `skip`. */
bool script_is_refused(const struct script *s);

/**
 * script_run_line() - one input line.
 * @recorded: struct lang_line * observations of the record's step, whose unmap_hva_range lines stand
 *            in for the host mm's; NULL: the model's own.
 * @out: the observations are appended.
 * Return: false with @error when the line cannot be run; the VM is then in an undefined state.
 */
bool script_run_line(struct script *s, const struct lang_line *input, const GPtrArray *recorded,
		     GString *out, GError **error);

/* script_work() - what all lines so far have counted. */
const struct work *script_work(const struct script *s);

/* The VM, for tests; borrowed. */
struct vm *script_vm(struct script *s);

#endif
