/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault injections: inject.def lists them, each with the invariant that it violates; a step that obeys the
 * rule in question asks injects() at the one place where it would break it.
 *
 * Off by default: rules without an injection take the same steps as if there were none.
 */
#ifndef MODEL_INJECT_H
#define MODEL_INJECT_H

#include "model/engine.h"

/* injects() - the rule that @i takes out is out. */
static inline bool injects(const struct ctx *c, enum injection i)
{
	return c->rules->inject == i;
}

/* injection_applies() - it means something for an architecture. */
bool injection_applies(enum injection i, enum pt_arch arch);
const char *injection_name(enum injection i);
const char *injection_invariant(enum injection i); /* its name, or "-" */
const char *injection_text(enum injection i);      /* a sentence */

#endif
