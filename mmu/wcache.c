/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/wcache.h"

#include <string.h>

enum {
	ORDER_WORDS = 2, /* sixteen way numbers of four bits, the most recent one lowest */
	ORDER_BITS = 4,
	LANES = 4,
};

/* The order in which an empty set would be used; a set keeps the difference from it. */
#define ORDER_EMPTY 0xfedcba9876543210ULL
#define ORDER_ONES  0x1111111111111111ULL
#define ORDER_HIGH  0x8888888888888888ULL

/* Four tags at a time. */
typedef uint32_t lanes __attribute__((vector_size(LANES * sizeof(uint32_t))));

static uint32_t padded(uint32_t ways)
{
	return (ways + LANES - 1) / LANES * LANES;
}

static bool array_init(struct wcache_array *a, const struct wcache_size *size)
{
	uint64_t lines = size->bytes / WCACHE_LINE_BYTES;
	uint32_t ways = size->ways < WCACHE_WAYS_MAX ? size->ways : WCACHE_WAYS_MAX;
	uint64_t words;

	*a = (struct wcache_array){ .sets = 0 };
	if (size->bytes == 0)
		return true;
	if (ways == 0 || size->bytes % WCACHE_LINE_BYTES || lines < ways || lines > BIT(26) ||
	    (ways == size->ways && lines % ways))
		return false;
	a->sets = (uint32_t)(lines / ways);
	a->ways = ways;
	a->stride = ORDER_WORDS + padded(ways);
	a->mask = (a->sets & (a->sets - 1)) == 0 ? a->sets - 1 : 0;
	a->inverse = a->sets > 1 ? (uint32_t)(BIT(32) / a->sets) : 0;
	words = (uint64_t)a->sets * a->stride;
	return words < BIT(31);
}

bool wcache_cfg_init(struct wcache_cfg *cfg, const struct wcache_size size[WCACHE_NR_LEVELS])
{
	for (unsigned int i = 0; i < WCACHE_NR_LEVELS; i++)
		if (!array_init(&cfg->level[i], &size[i]))
			return false;
	cfg->level[WCACHE_L2].start = cfg->level[WCACHE_L1].sets * cfg->level[WCACHE_L1].stride;
	return true;
}

static size_t end_of(const struct wcache_array *a)
{
	return (a->start + (size_t)a->sets * a->stride) * sizeof(uint32_t);
}

size_t wcache_priv_bytes(const struct wcache_cfg *cfg)
{
	return end_of(&cfg->level[WCACHE_L2]);
}

size_t wcache_shared_bytes(const struct wcache_cfg *cfg)
{
	return end_of(&cfg->level[WCACHE_LLC]);
}

bool wcache_fits(const struct pt *pt)
{
	/* tags are line numbers plus one */
	return ((uint64_t)pt->capacity << pt->geom.index_bits) * sizeof(pte_t) / WCACHE_LINE_BYTES <
	       UINT32_MAX;
}

/* Modulo by the rounded inverse: the quotient is at most one too small. */
static inline uint32_t set_of(const struct wcache_array *a, uint32_t line)
{
	uint32_t rest;

	if (a->mask)
		return line & a->mask;
	if (a->inverse == 0)
		return 0;
	rest = line - (uint32_t)((uint64_t)line * a->inverse >> 32) * a->sets;
	return rest >= a->sets ? rest - a->sets : rest;
}

/* Bit w of the result: way w holds the tag. */
static inline uint32_t ways_with(const struct wcache_array *a, const uint32_t *tags, uint32_t tag)
{
	const lanes want = { tag, tag, tag, tag };
	lanes bits = { 1, 2, 4, 8 }, sum = { 0 }, four;

	for (uint32_t w = 0; w < a->ways; w += LANES) {
		memcpy(&four, &tags[w], sizeof(four));
		sum |= (lanes)(four == want) & bits;
		bits <<= LANES;
	}
	return sum[0] | sum[1] | sum[2] | sum[3];
}

/* Moves the number at @place to the front of the order. */
static inline uint64_t order_front(uint64_t order, uint32_t place)
{
	uint64_t below = (1ULL << (place * ORDER_BITS)) - 1;
	uint64_t way = order >> (place * ORDER_BITS) & 15;

	return (order & ~(below << ORDER_BITS | 15)) | (order & below) << ORDER_BITS | way;
}

/*
 * True when the set had the line; in any case it is its most recent one afterwards.  A hit and a miss
 * do the same: whether it is one is what a caller's branch cannot foresee.
 */
static inline bool array_ref(const struct wcache_array *a, uint32_t *words, uint32_t line)
{
	uint32_t *set = &words[a->start + (size_t)set_of(a, line) * a->stride];
	uint32_t *tags = &set[ORDER_WORDS];
	uint32_t found = ways_with(a, tags, line + 1), last, way;
	uint64_t order, x;

	memcpy(&order, set, sizeof(order));
	order ^= ORDER_EMPTY;
	last = (uint32_t)(order >> ((a->ways - 1) * ORDER_BITS)) & 15;
	way = (uint32_t)__builtin_ctz(found | 1U << WCACHE_WAYS_MAX);
	way = found ? way : last;
	/* the lowest zero digit of the difference is exact: the place of the way in the order */
	x = order ^ way * ORDER_ONES;
	x = (x - ORDER_ONES) & ~x & ORDER_HIGH;
	order = order_front(order, (uint32_t)__builtin_ctzll(x) / ORDER_BITS) ^ ORDER_EMPTY;
	tags[way] = line + 1;
	memcpy(set, &order, sizeof(order));
	return found != 0;
}

static uint32_t *words_of(struct wcache *w)
{
	return (uint32_t *)(void *)w;
}

enum wcache_level wcache_ref(const struct wcache_cfg *cfg, struct wcache *priv,
			     struct wcache *shared, uint32_t line)
{
	const struct wcache_array *a = cfg->level;

	if (a[WCACHE_L1].sets && array_ref(&a[WCACHE_L1], words_of(priv), line))
		return WCACHE_L1;
	if (a[WCACHE_L2].sets && array_ref(&a[WCACHE_L2], words_of(priv), line))
		return WCACHE_L2;
	if (a[WCACHE_LLC].sets && array_ref(&a[WCACHE_LLC], words_of(shared), line))
		return WCACHE_LLC;
	return WCACHE_MEMORY;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as wcache_ref() has them */
void wcache_hint(const struct wcache_cfg *cfg, const struct wcache *priv,
		 const struct wcache *shared, uint32_t line)
{
	const struct wcache_array *l2 = &cfg->level[WCACHE_L2], *llc = &cfg->level[WCACHE_LLC];
	const uint32_t *p = (const uint32_t *)(const void *)priv;
	const uint32_t *s = (const uint32_t *)(const void *)shared;

	if (l2->sets)
		__builtin_prefetch(&p[l2->start + (size_t)set_of(l2, line) * l2->stride], 1);
	if (llc->sets)
		__builtin_prefetch(&s[llc->start + (size_t)set_of(llc, line) * llc->stride], 1);
}

static bool order_check(const struct wcache_array *a, const uint32_t *set)
{
	uint32_t seen = 0;
	uint64_t order;

	memcpy(&order, set, sizeof(order));
	order ^= ORDER_EMPTY;
	for (uint32_t i = 0; i < WCACHE_WAYS_MAX; i++) {
		uint32_t way = (uint32_t)(order >> (i * ORDER_BITS)) & 15;

		if (i >= a->ways && way != i)
			return false;
		seen |= 1U << way;
	}
	return seen == (1U << WCACHE_WAYS_MAX) - 1;
}

static bool set_check(const struct wcache_array *a, const uint32_t *set, uint32_t nr,
		      const char **why)
{
	const uint32_t *tags = &set[ORDER_WORDS];
	bool used = false;

	if (!order_check(a, set))
		*why = "order that does not name each way once";
	for (uint32_t w = 0; w < padded(a->ways); w++) {
		used |= tags[w] != 0;
		if (tags[w] && w >= a->ways)
			*why = "line in a way that does not exist";
		else if (tags[w] && set_of(a, tags[w] - 1) != nr)
			*why = "line in a set of others";
		for (uint32_t i = 0; tags[w] && i < w; i++)
			if (tags[i] == tags[w])
				*why = "line that is held twice";
	}
	if (!used && (set[0] | set[1]))
		*why = "order of a set that holds nothing";
	return *why == NULL;
}

bool wcache_check(const struct wcache_cfg *cfg, const struct wcache *priv,
		  const struct wcache *shared, const char **why)
{
	*why = NULL;
	for (unsigned int i = 0; i < WCACHE_NR_LEVELS; i++) {
		const struct wcache_array *a = &cfg->level[i];
		const void *object = i == WCACHE_LLC ? shared : priv;
		const uint32_t *words = object;

		for (uint32_t set = 0; set < a->sets && *why == NULL; set++)
			set_check(a, &words[a->start + (size_t)set * a->stride], set, why);
	}
	return *why == NULL;
}
