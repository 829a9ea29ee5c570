/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/states.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	RUN_WORDS = 64,
	RUN_BYTES = RUN_WORDS * 8,
	HEAD_BYTES = 2 + 8, /* number of the run, mask of its words */
	FIRST_CAPACITY = 1 << 12,
};

static const uint64_t *words_of(const struct vm *vm)
{
	return (const uint64_t *)(const void *)(vm->arena->base +
						vm->arena->region_start[REGION_STATE]);
}

size_t state_words(const struct vm *vm)
{
	return vm_state_bytes(vm) / sizeof(uint64_t);
}

size_t state_code_max(size_t words)
{
	return (words / RUN_WORDS + 1) * (HEAD_BYTES + RUN_BYTES);
}

/* One run of up to 64 words; bytes written. */
static size_t encode_run(const uint64_t *now, const uint64_t *was, size_t n, uint16_t run,
			 uint8_t *out)
{
	uint64_t mask = 0;
	size_t at = HEAD_BYTES;

	for (size_t i = 0; i < n; i++) {
		if (now[i] == was[i])
			continue;
		mask |= BIT(i);
		memcpy(out + at, &now[i], sizeof(now[i]));
		at += sizeof(now[i]);
	}
	memcpy(out, &run, sizeof(run));
	memcpy(out + sizeof(run), &mask, sizeof(mask));
	return at;
}

size_t state_encode(const struct vm *vm, const struct vm *origin, uint8_t *out)
{
	const uint64_t *now = words_of(vm), *was = words_of(origin);
	size_t words = state_words(vm), bytes = 0;

	for (size_t at = 0; at < words; at += RUN_WORDS) {
		size_t n = words - at < RUN_WORDS ? words - at : RUN_WORDS;

		if (memcmp(now + at, was + at, n * sizeof(*now)) != 0)
			bytes += encode_run(now + at, was + at, n, (uint16_t)(at / RUN_WORDS),
					    out + bytes);
	}
	return bytes;
}

void state_decode(struct vm *vm, const struct vm *origin, const uint8_t *code, size_t bytes)
{
	uint64_t *now = (uint64_t *)(void *)(vm->arena->base +
					     vm->arena->region_start[REGION_STATE]);
	size_t at = 0;

	vm_copy(vm, origin);
	while (at < bytes) {
		uint64_t mask;
		uint16_t run;

		memcpy(&run, code + at, sizeof(run));
		memcpy(&mask, code + at + sizeof(run), sizeof(mask));
		at += HEAD_BYTES;
		for (; mask; mask &= mask - 1, at += sizeof(uint64_t))
			memcpy(&now[(size_t)run * RUN_WORDS + (size_t)__builtin_ctzll(mask)],
			       code + at, sizeof(uint64_t));
	}
}

struct vm_hash state_hash(const uint8_t *code, size_t bytes)
{
	XXH128_hash_t h = XXH3_128bits(code, bytes);

	return (struct vm_hash){ .low = h.low64, .high = h.high64 };
}

/* ---- the set -------------------------------------------------------------------------------- */

struct state_set {
	struct vm_hash *keys;
	uint32_t *numbers; /* STATE_NONE: free */
	size_t capacity;   /* a power of two */
	size_t used;
};

static void make_room(struct state_set *s, size_t capacity)
{
	s->capacity = capacity;
	s->keys = g_new(struct vm_hash, capacity);
	s->numbers = g_new(uint32_t, capacity);
	memset(s->numbers, 0xff, capacity * sizeof(*s->numbers));
}

struct state_set *state_set_new(void)
{
	struct state_set *s = g_new0(struct state_set, 1);

	make_room(s, FIRST_CAPACITY);
	return s;
}

void state_set_free(struct state_set *s)
{
	if (!s)
		return;
	g_free(s->keys);
	g_free(s->numbers);
	g_free(s);
}

/* Where the hash stands, or where it would. */
static size_t place_of(const struct state_set *s, struct vm_hash h)
{
	size_t at = h.low & (s->capacity - 1);

	while (s->numbers[at] != STATE_NONE &&
	       (s->keys[at].low != h.low || s->keys[at].high != h.high))
		at = (at + 1) & (s->capacity - 1);
	return at;
}

uint32_t state_set_find(const struct state_set *s, struct vm_hash h)
{
	return s->numbers[place_of(s, h)];
}

static void grow(struct state_set *s)
{
	struct state_set old = *s;

	make_room(s, old.capacity * 2);
	for (size_t i = 0; i < old.capacity; i++) {
		size_t at;

		if (old.numbers[i] == STATE_NONE)
			continue;
		at = place_of(s, old.keys[i]);
		s->keys[at] = old.keys[i];
		s->numbers[at] = old.numbers[i];
	}
	g_free(old.keys);
	g_free(old.numbers);
}

uint32_t state_set_add(struct state_set *s, struct vm_hash h, uint32_t number)
{
	size_t at;

	if (s->used * 4 >= s->capacity * 3)
		grow(s);
	at = place_of(s, h);
	if (s->numbers[at] != STATE_NONE)
		return s->numbers[at];
	s->keys[at] = h;
	s->numbers[at] = number;
	s->used++;
	return number;
}

size_t state_set_bytes(const struct state_set *s)
{
	return s->capacity * (sizeof(*s->keys) + sizeof(*s->numbers));
}
