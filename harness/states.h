/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of an exploration: their hash, their short form, and the set of those that were seen.
 *
 * A state is a row of lines of 64 bytes.  Its hash is the sum of the hashes of its lines, XXH3 to 128 bits
 * seeded with the line's number, so that a move costs only the lines that it changed.  The short form is
 * the difference from one origin: for each line that differs, which words do and what they are.
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

enum {
	STATE_BYTES_MAX = 1 << 18,
	STATE_LINES_MAX = STATE_BYTES_MAX / 64,
};

/* A set of lines. */
struct state_lines {
	uint64_t bits[STATE_LINES_MAX / 64];
	uint32_t words; /* of .bits that are in use */
};

/* state_fits() - whether a VM's state has at most STATE_BYTES_MAX; nothing here may be asked of others. */
bool state_fits(const struct vm *vm);

/* Bytes that a short form takes at most. */
size_t state_code_max(const struct vm *vm);

/* state_diff() - the lines in which two VMs of one configuration differ. */
void state_diff(const struct vm *a, const struct vm *b, struct state_lines *out);

/* state_encode() - short form of @vm against @origin, which differ in no more than @lines; its bytes. */
size_t state_encode(const struct vm *vm, const struct vm *origin, const struct state_lines *lines,
		    uint8_t *out);

/* state_decode() - makes @vm, equal to @origin now, the state with the short form; @lines: its lines. */
void state_decode(struct vm *vm, const uint8_t *code, size_t bytes, struct state_lines *lines);

/* state_restore() - copies @lines of @from. */
void state_restore(struct vm *vm, const struct vm *from, const struct state_lines *lines);

/* state_hash() - of all lines; state_rehash() - of @vm, when @was with hash @h differs in @lines only. */
struct vm_hash state_hash(const struct vm *vm);
struct vm_hash state_rehash(struct vm_hash h, const struct vm *was, const struct vm *vm,
			    const struct state_lines *lines);

/* The lines of both. */
static inline void state_lines_add(struct state_lines *to, const struct state_lines *l)
{
	for (uint32_t i = 0; i < l->words; i++)
		to->bits[i] |= l->bits[i];
}

struct state_set;

struct state_set *state_set_new(void);
void state_set_free(struct state_set *s);

/* state_set_find() - number of the state, or STATE_NONE; several threads may ask while nobody adds. */
uint32_t state_set_find(const struct state_set *s, struct vm_hash h);

/* state_set_add() - number of the state: @number if it is new, else what it was added as. */
uint32_t state_set_add(struct state_set *s, struct vm_hash h, uint32_t number);

size_t state_set_bytes(const struct state_set *s);

#endif
