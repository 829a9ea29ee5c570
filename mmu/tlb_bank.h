/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One array of the sized TLB: sets of ways in the words of the TLB's block.
 *
 * An entry stays in the way where it was filled.  The order of use is a ring of way numbers beside
 * the tags, most recent first, so that a hit or a replacement changes a few bytes and moves nothing.
 * A signature byte of each tag lets a look-up ask eight ways at once; the tag decides.
 *
 * A set, in words:
 *   [0]     bits 15..0 front of the ring, 31..16 S2 and S2 walk entries, 47..32 the others
 *   groups  signatures, a byte a way
 *   groups  ring: the way before (of the front: the last)
 *   groups  ring: the way after
 *   ways    tag words, see enum in tlb.h; the ways in use stand in front
 * and apart from it two words a way: descriptor and gfn.
 *
 * The functions have bodies here because the look-up of a TLB hit is made of them.
 */
#ifndef MMU_TLB_BANK_H
#define MMU_TLB_BANK_H

#include "mmu/tlb.h"

enum {
	BANK_GROUP = 8,       /* signatures in a word */
	BANK_NO_WAY = 0xffff, /* bank_find(): not there */
	BANK_NR_SHIFT = 16,   /* in the first word, for each class */
	BANK_DATA_WORDS = 2,
	BANK_SIG_AT = 1, /* first word of the signatures */
};

/* What a hit runs through: a call would cost as much as the work. */
#define BANK_INLINE inline __attribute__((always_inline))

#define BANK_LOW_BITS  0x0101010101010101ULL
#define BANK_HIGH_BITS 0x8080808080808080ULL
#define BANK_FRONT     GENMASK(15, 0)
/* What a tag word says beside the identity of its entry. */
#define BANK_ATTR GENMASK(TLB_TAG_VALID - 1, 0)

/* Each bit of the identity decides about one bit of the signature. */
static inline uint8_t bank_sig(uint64_t tag)
{
	uint64_t x = tag >> TLB_TAG_VALID;

	x ^= x >> 32;
	x ^= x >> 16;
	return (uint8_t)(x ^ x >> 8);
}

static inline bool bank_same(uint64_t tag, uint64_t want)
{
	return ((tag ^ want) & ~BANK_ATTR) == 0;
}

static inline uint32_t bank_set_at(const struct tlb_bank *b, uint32_t set)
{
	return b->start + set * b->stride;
}

static inline uint32_t bank_data_at(const struct tlb_bank *b, uint32_t set, uint32_t way)
{
	return b->data + (set * b->ways + way) * BANK_DATA_WORDS;
}

/* Ways in use; they stand in front. */
static inline uint32_t bank_nr(const uint64_t *set)
{
	return (uint32_t)((set[0] >> BANK_NR_SHIFT & 0xffff) +
			  (set[0] >> 2 * BANK_NR_SHIFT & 0xffff));
}

static inline uint32_t bank_front(const uint64_t *set)
{
	return (uint32_t)(set[0] & BANK_FRONT);
}

/* The way that goes next when the set is full. */
static inline uint32_t bank_last(const struct tlb_bank *b, const uint64_t *set)
{
	const uint8_t *before = (const uint8_t *)&set[BANK_SIG_AT + b->groups];

	return before[bank_front(set)];
}

/* High bit of each byte that is zero; above the lowest such byte it may be of others too. */
static inline uint64_t bank_zero_bytes(uint64_t x)
{
	return (x - BANK_LOW_BITS) & ~x & BANK_HIGH_BITS;
}

/* The way among candidates: bit 8 * j + k of @mask is byte j of signature word @base + k. */
static BANK_INLINE uint32_t bank_pick(const struct tlb_bank *b, const uint64_t *set, uint64_t want,
				      uint32_t base, uint64_t mask)
{
	const uint64_t *tags = &set[b->tags];

	for (; mask; mask &= mask - 1) {
		uint32_t bit = (uint32_t)__builtin_ctzll(mask);
		uint32_t way = (base + bit % BANK_GROUP) * BANK_GROUP + bit / BANK_GROUP;

		if (way < b->ways && bank_same(tags[way], want))
			return way;
	}
	return BANK_NO_WAY;
}

/* bank_pattern() - the signature of a tag, eight times. */
static inline uint64_t bank_pattern(uint64_t tag)
{
	return bank_sig(tag) * BANK_LOW_BITS;
}

/* Sets of more than 16 ways. */
static __attribute__((noinline)) uint32_t bank_find_many(const struct tlb_bank *b,
							 const uint64_t *set, uint64_t want)
{
	uint64_t pattern = bank_pattern(want);

	for (uint32_t base = 0; base < b->groups; base += BANK_GROUP) {
		uint32_t end = b->groups - base < BANK_GROUP ? b->groups - base : BANK_GROUP;
		const uint64_t *sigs = &set[BANK_SIG_AT + base];
		uint64_t mask = 0;
		uint32_t way;

		for (uint32_t k = 0; k < end; k++)
			mask |= bank_zero_bytes(sigs[k] ^ pattern) >> (7 - k);
		way = bank_pick(b, set, want, base, mask);
		if (way != BANK_NO_WAY)
			return way;
	}
	return BANK_NO_WAY;
}

/* bank_find_as() - the way with this identity, whose pattern is known; up to 16 ways without a loop. */
static BANK_INLINE uint32_t bank_find_as(const struct tlb_bank *b, uint64_t pattern,
					 const uint64_t *set, uint64_t want)
{
	uint64_t mask;

	if (b->groups > 2)
		return bank_find_many(b, set, want);
	mask = bank_zero_bytes(set[BANK_SIG_AT] ^ pattern) >> 7;
	if (b->groups == 2)
		mask |= bank_zero_bytes(set[BANK_SIG_AT + 1] ^ pattern) >> 6;
	return bank_pick(b, set, want, 0, mask);
}

static BANK_INLINE uint32_t bank_find(const struct tlb_bank *b, const uint64_t *set, uint64_t want)
{
	return bank_find_as(b, bank_pattern(want), set, want);
}

/* The signature's word is stored whole: a load of all eight that follows soon need not wait. */
static inline void bank_sig_put(uint64_t *set, uint32_t way, uint8_t sig)
{
	uint64_t *word = &set[BANK_SIG_AT + way / BANK_GROUP];
	uint32_t shift = way % BANK_GROUP * 8;

	*word = (*word & ~(0xffULL << shift)) | (uint64_t)sig << shift;
}

/* Bit of tlb.heights. */
static inline uint32_t bank_height_bit(unsigned int array, unsigned int height)
{
	return 1U << (8 * array + height);
}

static BANK_INLINE void bank_ring_remove(const struct tlb_bank *b, uint64_t *set, uint32_t way)
{
	uint8_t *before = (uint8_t *)&set[BANK_SIG_AT + b->groups];
	uint8_t *after = (uint8_t *)&set[BANK_SIG_AT + 2 * b->groups];
	uint8_t p = before[way], n = after[way];

	after[p] = n;
	before[n] = p;
	set[0] = bank_front(set) == way ? (set[0] & ~BANK_FRONT) | n : set[0];
}

/* In front of a ring that is not empty. */
static BANK_INLINE void bank_ring_put(const struct tlb_bank *b, uint64_t *set, uint32_t way)
{
	uint8_t *before = (uint8_t *)&set[BANK_SIG_AT + b->groups];
	uint8_t *after = (uint8_t *)&set[BANK_SIG_AT + 2 * b->groups];
	uint32_t front = bank_front(set);
	uint8_t last = before[front];

	after[last] = before[front] = (uint8_t)way;
	before[way] = last;
	after[way] = (uint8_t)front;
	set[0] = (set[0] & ~BANK_FRONT) | way;
}

/* bank_touch() - the way becomes the most recent one of its set. */
static BANK_INLINE void bank_touch(const struct tlb_bank *b, uint64_t *set, uint32_t way)
{
	if (bank_front(set) == way)
		return;
	bank_ring_remove(b, set, way);
	bank_ring_put(b, set, way);
}

/* bank_take() - a way for a new entry, now the front: a free one, else the last of the ring. */
static BANK_INLINE uint32_t bank_take(const struct tlb_bank *b, uint64_t *set)
{
	uint32_t way = bank_nr(set);

	if (way == b->ways) {
		way = bank_last(b, set);
		set[0] = (set[0] & ~BANK_FRONT) | way;
	} else if (way) {
		bank_ring_put(b, set, way);
	} /* else way 0, before and after itself: zeroes already */
	return way;
}

#endif
