/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the benchmarks. */
#ifndef HARNESS_BENCH_CLOCK_H
#define HARNESS_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

#endif
