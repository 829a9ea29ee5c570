/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the data caches against lists in order of use.
 */
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/wcache.h"

enum {
	OPS = 100000,
};

#define KIB  UINT64_C(1024)
#define LINE UINT64_C(64)

static const struct wcache_size shapes[][WCACHE_NR_LEVELS] = {
	{ { 1 * KIB, 4 }, { 4 * KIB, 8 }, { 16 * KIB, 16 } },
	{ { 48 * LINE, 12 }, { 55 * LINE, 11 }, { 105 * LINE, 15 } },
	{ { 64, 1 }, { 0, 0 }, { 2 * KIB, 2 } },
	{ { 0, 0 }, { 3 * LINE, 3 }, { 0, 0 } },
	{ { 512, 8 }, { 1 * KIB, 16 }, { 1920 * LINE, 48 } },
};

enum {
	NR_SHAPES = sizeof(shapes) / sizeof(shapes[0]),
};

struct caches {
	struct wcache_cfg cfg;
	struct wcache *priv, *shared;
};

static void caches_init(struct caches *c, const struct wcache_size *size)
{
	ck_assert(wcache_cfg_init(&c->cfg, size));
	c->priv = calloc(1, wcache_priv_bytes(&c->cfg) + 1);
	c->shared = calloc(1, wcache_shared_bytes(&c->cfg) + 1);
	ck_assert(c->priv && c->shared);
}

static void caches_fini(struct caches *c)
{
	free(c->priv);
	free(c->shared);
}

/* One level: each set is a list of lines plus one, the most recent one first. */
struct plain {
	uint32_t sets, ways;
	uint32_t line[128][WCACHE_WAYS_MAX];
};

static bool plain_ref(struct plain *p, uint32_t line)
{
	uint32_t *set = p->line[line % p->sets], w = 0;
	bool there;

	while (w < p->ways - 1 && set[w] != line + 1)
		w++;
	there = set[w] == line + 1;
	memmove(&set[1], &set[0], w * sizeof(*set));
	set[0] = line + 1;
	return there;
}

START_TEST(each_reference_is_served_by_the_level_that_lists_say)
{
	const struct wcache_size *size = shapes[_i];
	static struct plain plain[WCACHE_NR_LEVELS];
	struct rng r = { test_seed(51, (uint64_t)_i) };
	uint64_t served[WCACHE_NR_LEVELS + 1] = { 0 };
	struct caches c;
	const char *why;

	caches_init(&c, size);
	memset(plain, 0, sizeof(plain));
	for (unsigned int k = 0; k < WCACHE_NR_LEVELS; k++) {
		plain[k].ways = (uint32_t)min_u64(size[k].ways, WCACHE_WAYS_MAX);
		if (size[k].bytes)
			plain[k].sets = (uint32_t)(size[k].bytes / 64 / plain[k].ways);
	}
	for (unsigned int i = 0; i < test_ops(OPS); i++) {
		uint32_t line = (uint32_t)rng_below(&r, rng_once_in(&r, 3) ? 1000 : 12);
		unsigned int want = 0;

		if (rng_once_in(&r, 50))
			line = UINT32_MAX - 1 - line;
		while (want < WCACHE_NR_LEVELS &&
		       (plain[want].sets == 0 || !plain_ref(&plain[want], line)))
			want++;
		must_eq(wcache_ref(&c.cfg, c.priv, c.shared, line), want);
		served[want]++;
		if (i % 256 == 0)
			must(wcache_check(&c.cfg, c.priv, c.shared, &why), "%s", why);
	}
	for (unsigned int k = 0; k < WCACHE_NR_LEVELS; k++)
		ck_assert_int_eq(served[k] > 0, size[k].bytes > 0);
	caches_fini(&c);
}
END_TEST

START_TEST(last_level_serves_what_another_pe_brought)
{
	struct caches a, b;

	caches_init(&a, shapes[0]);
	caches_init(&b, shapes[0]);
	ck_assert_int_eq(wcache_ref(&a.cfg, a.priv, a.shared, 7), WCACHE_MEMORY);
	ck_assert_int_eq(wcache_ref(&a.cfg, b.priv, a.shared, 7), WCACHE_LLC);
	ck_assert_int_eq(wcache_ref(&a.cfg, b.priv, a.shared, 7), WCACHE_L1);
	caches_fini(&a);
	caches_fini(&b);
}
END_TEST

static const struct wcache_size bad[] = {
	{ 100, 1 }, { 64, 0 }, { 64, 2 }, { 7 * LINE, 2 }, { 8ULL << 30, 16 },
};

START_TEST(size_that_makes_no_sets_is_refused)
{
	struct wcache_size size[WCACHE_NR_LEVELS] = { { 0, 0 } };
	struct wcache_cfg cfg;

	ck_assert(wcache_cfg_init(&cfg, size));
	size[_i % 3] = bad[_i];
	ck_assert(!wcache_cfg_init(&cfg, size));
}
END_TEST

START_TEST(check_finds_a_changed_bit)
{
	struct caches c;
	const char *why;
	uint8_t *bytes;

	caches_init(&c, shapes[_i]);
	bytes = (uint8_t *)c.priv;
	for (uint32_t line = 0; line < 30; line++)
		wcache_ref(&c.cfg, c.priv, c.shared, line);
	ck_assert(wcache_check(&c.cfg, c.priv, c.shared, &why));
	bytes[0] ^= 1; /* an order that names a way twice, or one that is not there */
	ck_assert(!wcache_check(&c.cfg, c.priv, c.shared, &why));
	bytes[0] ^= 1;
	bytes[8] ^= 1; /* a line of another set */
	ck_assert(!wcache_check(&c.cfg, c.priv, c.shared, &why));
	caches_fini(&c);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_reference_is_served_by_the_level_that_lists_say, 0, NR_SHAPES);
	tcase_add_test(tc, last_level_serves_what_another_pe_brought);
	tcase_add_loop_test(tc, size_that_makes_no_sets_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(tc, check_finds_a_changed_bit, 0, 2);
}

int main(void)
{
	return run_suite("wcache", fill);
}
