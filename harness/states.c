/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/states.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	LINE_WORDS = 8,
	LINE_BYTES = 64,
	BLOCK_LINES = 8,
	HEAD_BYTES = 2 + 1, /* number of the line, mask of its words */
	FIRST_CAPACITY = 1 << 12,
};

static const uint64_t *line_of(const struct vm *vm, size_t i)
{
	return (const uint64_t *)(const void *)(vm->arena->base +
						vm->arena->region_start[REGION_STATE]) +
	       i * LINE_WORDS;
}

static uint64_t *line_for_write(struct vm *vm, size_t i)
{
	return (uint64_t *)(void *)(vm->arena->base + vm->arena->region_start[REGION_STATE]) +
	       i * LINE_WORDS;
}

static size_t nr_lines(const struct vm *vm)
{
	return vm_state_bytes(vm) / LINE_BYTES;
}

bool state_fits(const struct vm *vm)
{
	return vm_state_bytes(vm) % LINE_BYTES == 0 && nr_lines(vm) <= STATE_LINES_MAX;
}

size_t state_code_max(const struct vm *vm)
{
	return nr_lines(vm) * (HEAD_BYTES + LINE_BYTES);
}

/* Most of two states is equal: blocks first, which memcmp() compares with the CPU's widest vectors. */
void state_diff(const struct vm *a, const struct vm *b, struct state_lines *out)
{
	const uint64_t *x = line_of(a, 0), *y = line_of(b, 0);
	size_t lines = nr_lines(a);

	out->words = (uint32_t)((lines + 63) / 64);
	memset(out->bits, 0, out->words * sizeof(out->bits[0]));
	for (size_t block = 0; block < lines; block += BLOCK_LINES) {
		size_t n = lines - block < BLOCK_LINES ? lines - block : BLOCK_LINES;

		if (memcmp(x + block * LINE_WORDS, y + block * LINE_WORDS, n * LINE_BYTES) == 0)
			continue;
		for (size_t i = block; i < block + n; i++)
			if (memcmp(x + i * LINE_WORDS, y + i * LINE_WORDS, LINE_BYTES) != 0)
				out->bits[i / 64] |= BIT(i % 64);
	}
}

/* One line: its head, then the words that differ; bytes written, 0 for a line that does not. */
static size_t encode_line(const uint64_t *now, const uint64_t *was, uint16_t line, uint8_t *out)
{
	size_t at = HEAD_BYTES;
	uint8_t mask = 0;

	for (size_t i = 0; i < LINE_WORDS; i++) {
		bool differs = now[i] != was[i];

		mask |= (uint8_t)(differs << i);
		memcpy(out + at, &now[i], sizeof(now[i]));
		at += differs ? sizeof(now[i]) : 0;
	}
	memcpy(out, &line, sizeof(line));
	out[2] = mask;
	return mask ? at : 0;
}

size_t state_encode(const struct vm *vm, const struct vm *origin, const struct state_lines *lines,
		    uint8_t *out)
{
	size_t bytes = 0;

	for (size_t w = 0; w < lines->words; w++) {
		for (uint64_t bits = lines->bits[w]; bits; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);

			bytes += encode_line(line_of(vm, i), line_of(origin, i), (uint16_t)i,
					     out + bytes);
		}
	}
	return bytes;
}

void state_decode(struct vm *vm, const uint8_t *code, size_t bytes, struct state_lines *lines)
{
	size_t at = 0;

	lines->words = (uint32_t)((nr_lines(vm) + 63) / 64);
	memset(lines->bits, 0, lines->words * sizeof(lines->bits[0]));
	while (at < bytes) {
		uint64_t *line;
		uint16_t i;

		memcpy(&i, code + at, sizeof(i));
		line = line_for_write(vm, i);
		lines->bits[i / 64] |= BIT(i % 64);
		at += HEAD_BYTES;
		for (unsigned int mask = code[at - 1]; mask; mask &= mask - 1) {
			memcpy(&line[__builtin_ctz(mask)], code + at, sizeof(uint64_t));
			at += sizeof(uint64_t);
		}
	}
}

void state_restore(struct vm *vm, const struct vm *from, const struct state_lines *lines)
{
	for (size_t w = 0; w < lines->words; w++) {
		for (uint64_t bits = lines->bits[w]; bits; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);

			memcpy(line_for_write(vm, i), line_of(from, i), LINE_BYTES);
		}
	}
}

static void add_line(struct vm_hash *h, const struct vm *vm, size_t i, bool add)
{
	XXH128_hash_t x = XXH3_128bits_withSeed(line_of(vm, i), LINE_BYTES, i);

	h->low += add ? x.low64 : 0 - x.low64;
	h->high += add ? x.high64 : 0 - x.high64;
}

struct vm_hash state_hash(const struct vm *vm)
{
	struct vm_hash h = { 0, 0 };

	for (size_t i = 0; i < nr_lines(vm); i++)
		add_line(&h, vm, i, true);
	return h;
}

struct vm_hash state_rehash(struct vm_hash h, const struct vm *was, const struct vm *vm,
			    const struct state_lines *lines)
{
	for (size_t w = 0; w < lines->words; w++) {
		for (uint64_t bits = lines->bits[w]; bits; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);

			add_line(&h, was, i, false);
			add_line(&h, vm, i, true);
		}
	}
	return h;
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
	s->keys = g_new0(struct vm_hash, capacity);
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
