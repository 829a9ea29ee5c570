/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/tests/mmu_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Steele, Lea, Flood: SplitMix64. */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool rng_once_in(struct rng *r, uint64_t n)
{
	return rng_below(r, n) == 0;
}

/* What the last test_seed() gave: for messages only. */
static uint64_t last_seed, last_round;

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the seed of a test, then its round */
uint64_t test_seed(uint64_t preset, uint64_t round)
{
	const char *text = getenv("S2_TEST_SEED");

	last_seed = text ? strtoull(text, NULL, 0) : preset;
	last_round = round;
	return last_seed + round * 1000003;
}

const char *test_text(const char *format, ...)
{
	static char text[512];
	int n = snprintf(text, sizeof(text),
			 "S2_TEST_SEED=%llu, round %llu: ", (unsigned long long)last_seed,
			 (unsigned long long)last_round);
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is the line above */
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	return text;
}

unsigned int test_ops(unsigned int n)
{
	const char *text = getenv("S2_TEST_OPS");

	return text ? (unsigned int)strtoul(text, NULL, 0) : n;
}

void pool_init(struct pool *p, const char *geom, const struct pte_fmt *fmt, uint32_t capacity)
{
	*p = (struct pool){ .head = { 0 } };
	ck_assert_msg(geom_find(geom, &p->pt.geom), "unknown geometry %s", geom);
	p->pt.fmt = fmt;
	p->pt.capacity = capacity;
	p->pt.pfn0 = BIT(p->pt.geom.pa_bits - p->pt.geom.page_shift - 1);
	p->pt.entries = calloc((size_t)capacity << p->pt.geom.index_bits, sizeof(pte_t));
	p->pt.meta = calloc(capacity, sizeof(struct pt_meta));
	p->pt.head = &p->head;
	ck_assert(p->pt.entries && p->pt.meta);
	pt_init(&p->pt);
}

void pool_fini(struct pool *p)
{
	free(p->pt.entries);
	free(p->pt.meta);
}

void pool_check(const struct pool *p)
{
	const char *why;

	ck_assert_msg(pt_check(&p->pt, &why), "%s", why);
}

struct windows windows_of(const struct pt_geom *g)
{
	uint64_t block = geom_pages(g, 1), top = geom_pages(g, g->max_leaf_height);
	struct windows ws = { .all = { 0, geom_limit(g) } };

	if (geom_limit(g) <= 1024) {
		ws.w[0] = ws.all;
		ws.nr = 1;
		ws.whole = true;
		return ws;
	}
	ws.all = (struct gfn_range){ 2 * top, 4 * top };
	ws.w[0] = (struct gfn_range){ 2 * top, 2 * top + block };
	ws.w[1] = (struct gfn_range){ 3 * top - block, 3 * top + block };
	ws.nr = 2;
	if (top == block) { /* adjoining windows are one */
		ws.w[0].end = 3 * top + block;
		ws.nr = 1;
	}
	return ws;
}

uint64_t windows_size(const struct windows *ws)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < ws->nr; i++)
		n += ws->w[i].end - ws->w[i].start;
	return n;
}

gfn_t windows_gfn(const struct windows *ws, uint64_t i)
{
	unsigned int k = 0;

	while (i >= ws->w[k].end - ws->w[k].start) {
		i -= ws->w[k].end - ws->w[k].start;
		k++;
	}
	return ws->w[k].start + i;
}

bool windows_find(const struct windows *ws, gfn_t gfn, uint64_t *i)
{
	*i = 0;
	for (unsigned int k = 0; k < ws->nr; k++) {
		if (gfn >= ws->w[k].start && gfn < ws->w[k].end) {
			*i += gfn - ws->w[k].start;
			return true;
		}
		*i += ws->w[k].end - ws->w[k].start;
	}
	return false;
}

struct gfn_range windows_range(const struct windows *ws, const struct pt_geom *g, struct rng *r)
{
	const struct gfn_range *w = &ws->w[rng_below(r, ws->nr)];
	uint64_t unit = geom_pages(g, (unsigned int)rng_below(r, g->max_leaf_height + 1U));
	uint64_t size = w->end - w->start;
	struct gfn_range out;

	if (unit > size || rng_once_in(r, 8))
		unit = 1;
	out.start = w->start + rng_below(r, size / unit) * unit;
	out.end = min_u64(w->end, out.start + (1 + rng_below(r, 5)) * unit);
	if (rng_once_in(r, 6))
		out.end = out.start + 1 + rng_below(r, w->end - out.start);
	return out;
}

int run_suite(const char *name, void (*fill)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	fill(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
