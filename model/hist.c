/* SPDX-License-Identifier: Apache-2.0 */
#include "model/hist.h"

#include "mmu/types.h"

enum {
	PERMILLE = 1000,
};

static unsigned int bin_of(uint64_t ps)
{
	unsigned int shift;

	if (ps < BIT(HIST_SUB_BITS))
		return (unsigned int)ps;
	shift = 63U - (unsigned int)__builtin_clzll(ps) - HIST_SUB_BITS;
	return ((shift + 1) << HIST_SUB_BITS) + (unsigned int)((ps >> shift) - BIT(HIST_SUB_BITS));
}

static uint64_t bin_end(unsigned int bin)
{
	unsigned int octave = bin >> HIST_SUB_BITS,
		     sub = bin & (unsigned int)(BIT(HIST_SUB_BITS) - 1);

	if (octave == 0)
		return bin;
	return ((BIT(HIST_SUB_BITS) + sub + 1) << (octave - 1)) - 1;
}

void hist_add(struct hist *h, uint64_t ps)
{
	unsigned int bin = bin_of(ps);

	h->n++;
	h->sum += ps;
	h->max = max_u64(h->max, ps);
	h->bin[bin < HIST_BINS ? bin : HIST_BINS - 1]++;
}

uint64_t hist_at(const struct hist *h, unsigned int permille)
{
	uint64_t rank = (h->n * permille + PERMILLE - 1) / PERMILLE, seen = 0;

	for (unsigned int bin = 0; bin < HIST_BINS; bin++) {
		seen += h->bin[bin];
		if (seen >= rank && seen)
			return min_u64(bin_end(bin), h->max);
	}
	return 0;
}
