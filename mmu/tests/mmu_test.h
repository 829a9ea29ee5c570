/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the tests of mmu/: random numbers from one printed seed, a pool of table pages on the
 * heap, and the windows of the address space in which random tests work.
 */
#ifndef MMU_TESTS_MMU_TEST_H
#define MMU_TESTS_MMU_TEST_H

#include <check.h>

#include "mmu/pt.h"

/* Like ck_assert_msg(), without its cost on success: for what is checked millions of times. */
#define must(cond, ...)                                                                            \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg("%s", test_text(__VA_ARGS__));                                \
	} while (0)

#define must_be(cond) must((cond), "%s does not hold", #cond)

#define must_eq(a, b)                                                                              \
	do {                                                                                       \
		unsigned long long must_a = (unsigned long long)(a);                               \
		unsigned long long must_b = (unsigned long long)(b);                               \
                                                                                                   \
		must(must_a == must_b, "%s is 0x%llx, %s is 0x%llx", #a, must_a, #b, must_b);      \
	} while (0)

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* Below @n, which is not 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* True once in @n. */
bool rng_once_in(struct rng *r, uint64_t n);

/* Text of a failure, with the seed in use. */
const char *test_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* S2_TEST_SEED of the environment, else @preset; @round gives each round its own. */
uint64_t test_seed(uint64_t preset, uint64_t round);

/* Operations of a random test: @n, or S2_TEST_OPS of the environment. */
unsigned int test_ops(unsigned int n);

struct pool {
	struct pt pt;
	struct pt_head head;
};

/* An empty pool of a geometry; fails the test when the name is unknown. */
void pool_init(struct pool *p, const char *geom, const struct pte_fmt *fmt, uint32_t capacity);
void pool_fini(struct pool *p);
void pool_check(const struct pool *p);

enum {
	WINDOWS_MAX = 3,
};

/*
 * Where random operations happen: all of a small address space, else two windows: at the start of a
 * largest leaf, and across the border to the next one.
 */
struct windows {
	struct gfn_range all; /* from the first window to the end of the second largest leaf */
	struct gfn_range w[WINDOWS_MAX];
	unsigned int nr;
	bool whole; /* the windows are the address space */
};

struct windows windows_of(const struct pt_geom *g);
/* Number of gfns in the windows, and the place of each. */
uint64_t windows_size(const struct windows *ws);
gfn_t windows_gfn(const struct windows *ws, uint64_t i);
bool windows_find(const struct windows *ws, gfn_t gfn, uint64_t *i);
/* A random range inside one window, seldom longer than a few entries of some height. */
struct gfn_range windows_range(const struct windows *ws, const struct pt_geom *g, struct rng *r);

/* A suite of one test case; runs it and returns the exit status. */
int run_suite(const char *name, void (*fill)(TCase *tc));

#endif
