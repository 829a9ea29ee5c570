/* SPDX-License-Identifier: Apache-2.0 */
/* The body of access_at(), for the loop that is made of it: a call costs as much as the work. */
#ifndef MODEL_ACCESS_INLINE_H
#define MODEL_ACCESS_INLINE_H

#include "model/access.h"

enum {
	PERCENT = 100,
};

/* SplitMix64's finaliser [Steele, Lea, Flood, OOPSLA 2014]: position and seed to 64 random bits. */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t random_at(uint64_t seed, uint64_t i)
{
	return mix64(seed + (i + 1) * 0x9e3779b97f4a7c15ULL);
}

__extension__ typedef unsigned __int128 u128;

/* 0..n-1 from 64 random bits, by multiplication: no division. */
static inline uint64_t below(uint64_t random, uint64_t n)
{
	return (uint64_t)(((u128)random * n) >> 64);
}

static inline unsigned int bits_of(uint64_t n)
{
	return n > 1 ? 64U - (unsigned int)__builtin_clzll(n - 1) : 0;
}

/*
 * A bijection of 0..n-1: one of the next power of two, applied again while it leaves the range, which
 * is less than twice on average.
 */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a number below n, n, the seed */
static inline uint64_t shuffle(uint64_t x, uint64_t n, uint64_t seed)
{
	unsigned int bits = bits_of(n);
	uint64_t mask = bits ? GENMASK(bits - 1, 0) : 0;
	unsigned int half = (bits + 1) / 2;

	if (n < 2)
		return 0;
	do {
		x = (x + seed) & mask;
		x ^= x >> half;
		x = x * 0x9e3779b97f4a7c15ULL & mask;
		x ^= x >> half;
		x = x * 0xd1b54a32d192ed03ULL & mask;
		x ^= x >> half;
	} while (x >= n);
	return x;
}

/*
 * Zipf with exponent 1: an octave of ranks has the weight ln 2 wherever it lies, so an octave is
 * drawn, then a rank in it.
 * SIMPLIFIED: within an octave ranks are equally likely, and a last octave that n cuts off weighs as
 * much as a whole one; the share of the hottest 2^k pages is right but for that.
 */
static inline uint64_t zipf(uint64_t random, uint64_t n)
{
	uint64_t octave = below(random, bits_of(n + 1));
	uint64_t low = 1ULL << octave;
	uint64_t size = low < n + 1 - low ? low : n + 1 - low;

	return low - 1 + below(mix64(random), size);
}

static inline gpa_t sequential(const struct op *op, uint64_t i, unsigned int page_shift)
{
	uint64_t bytes = op->over << page_shift;
	uint64_t each = bytes && op->stride ? (bytes + op->stride - 1) / op->stride : 0;

	return op->gpa + (each ? i % each : i) * op->stride;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a position and its random bits */
static inline gpa_t place(const struct op *op, uint64_t i, uint64_t random, unsigned int page_shift)
{
	uint64_t page = 0;

	switch ((enum access_pattern)op->pattern) {
	case ACCESS_SEQ:
	case ACCESS_FILE:
		return sequential(op, i, page_shift);
	case ACCESS_UNIFORM:
		page = below(random, op->over);
		break;
	case ACCESS_ZIPF:
		page = shuffle(zipf(random, op->over), op->over, op->seed);
		break;
	case ACCESS_CHASE:
		page = shuffle(i % op->over, op->over, op->seed);
		break;
	}
	return op->gpa + (page << page_shift);
}

static inline __attribute__((always_inline)) struct guest_access
access_inline(const struct op *op, const struct access_file *file, uint64_t i,
	      unsigned int page_shift)
{
	uint64_t random;
	struct guest_access a;

	if (op->pattern == ACCESS_FILE) {
		uint64_t word = file->words[i < file->n ? i : i % file->n];

		return (struct guest_access){ .gpa = word & ~3ULL,
					      .acc = word & 1   ? ACC_W
						     : word & 2 ? ACC_X
								: ACC_R };
	}
	if (op->pattern == ACCESS_SEQ && op->reads == 0)
		return (struct guest_access){ sequential(op, i, page_shift), op->access };
	random = random_at(op->seed, i);
	a.gpa = place(op, i, random, page_shift);
	a.acc = op->reads && below(mix64(random ^ op->seed), PERCENT) < op->reads ? ACC_R
										  : op->access;
	return a;
}

#endif
