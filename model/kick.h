/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: effects without frames that happen on their own once their guard holds.
 *
 * ack_rule: a vCPU that got an IPI has left the guest (or was outside) and acknowledges it.
 * rcu_rule: a grace period begins for all unlinked table pages, and ends when the readers of its side
 * have left; then they are freed.
 */
#ifndef MODEL_KICK_H
#define MODEL_KICK_H

#include "model/engine.h"

bool ack_rule_enabled(const struct vm *vm, uint32_t v);
void ack_rule(struct ctx *c, uint32_t v);
bool rcu_rule_enabled(const struct vm *vm);
void rcu_rule(struct ctx *c);

/* rules_run() - every rule whose guard holds, once; false: none did. */
bool rules_run(struct ctx *c);

#endif
