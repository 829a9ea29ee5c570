/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of durations with a known relative error, for medians and tails. */
#ifndef MODEL_HIST_H
#define MODEL_HIST_H

#include <stdint.h>

enum {
	HIST_SUB_BITS = 5, /* 32 bins an octave: a value is known to 3 % */
	HIST_BINS = (64 - HIST_SUB_BITS) << HIST_SUB_BITS,
};

/* Durations in ps, in bins of equal relative width. */
struct hist {
	uint64_t n, sum, max;
	uint32_t bin[HIST_BINS];
};

void hist_add(struct hist *h, uint64_t ps);

/* hist_at() - upper end of the bin that holds the value below which @permille of the values lie. */
uint64_t hist_at(const struct hist *h, unsigned int permille);

#endif
