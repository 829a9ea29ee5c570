/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of an exploration: their short form, and the set of those that were seen.
 *
 * The short form of a state is its difference from one origin: for each run of 64 words that differs
 * somewhere, which of them do and what they are.  Equal states have equal short forms, so that it is
 * the short form that is hashed, by XXH3 to 128 bits.
 *
 * The set holds hashes alone: 16 bytes and the state's number, by open addressing.  Two different states
 * with one hash would be taken for one; with n states that happens with probability below n^2 / 2^129.
 */
#ifndef HARNESS_STATES_H
#define HARNESS_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/arena.h"

#define STATE_NONE UINT32_MAX

/* Words of hashed state that a VM has. */
size_t state_words(const struct vm *vm);

/* Bytes that a short form of @words words takes at most. */
size_t state_code_max(size_t words);

/* state_encode() - short form of @vm against @origin, VMs of one configuration; returns its bytes. */
size_t state_encode(const struct vm *vm, const struct vm *origin, uint8_t *out);

/* state_decode() - makes @vm the state with the short form; @origin is copied first. */
void state_decode(struct vm *vm, const struct vm *origin, const uint8_t *code, size_t bytes);

struct vm_hash state_hash(const uint8_t *code, size_t bytes);

struct state_set;

struct state_set *state_set_new(void);
void state_set_free(struct state_set *s);

/* state_set_find() - number of the state, or STATE_NONE; several threads may ask while nobody adds. */
uint32_t state_set_find(const struct state_set *s, struct vm_hash h);

/* state_set_add() - number of the state: @number if it is new, else what it was added as. */
uint32_t state_set_add(struct state_set *s, struct vm_hash h, uint32_t number);

size_t state_set_bytes(const struct state_set *s);

#endif
