/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What benchmarks of the TLB are measured against: two levels of tags, moved to the front of their set
 * on each use, and a plain radix walk over the same tables.  No kinds, contexts, page sizes, rights, walk
 * cache, data caches or time.  With bodies, because a loop is made of them.
 */
#ifndef HARNESS_BENCH_BARE_H
#define HARNESS_BENCH_BARE_H

#include "mmu/pt.h"

enum {
	BARE_L1_PAGES = 48,   /* three in each set of four ways */
	BARE_L2_PAGES = 1280, /* ten in each set of twelve ways */
	BARE_L1_SETS = 16,
	BARE_L1_WAYS = 4,
	BARE_L2_SETS = 128,
	BARE_L2_WAYS = 12,
};

/* The bare TLB: page numbers plus one. */
struct bare {
	uint64_t l1[BARE_L1_SETS][BARE_L1_WAYS];
	uint64_t l2[BARE_L2_SETS][BARE_L2_WAYS];
};

static inline bool bare_ref(uint64_t *set, unsigned int ways, uint64_t tag)
{
	unsigned int w = 0;
	bool hit;

	while (w < ways - 1 && set[w] != tag)
		w++;
	hit = set[w] == tag;
	for (; w > 0; w--)
		set[w] = set[w - 1];
	set[0] = tag;
	return hit;
}

/* The descriptor of a page; 0 when something is missing on the way. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): where, then what, as hw_translate() has it */
static inline uint64_t bare_walk(const struct pt *pt, uint32_t root, uint64_t readable, gfn_t gfn)
{
	unsigned int bits = pt->geom.index_bits;
	uint64_t table = root, mask = geom_entries(&pt->geom) - 1;
	pte_t e;

	for (unsigned int h = geom_root_height(&pt->geom); h > 0; h--) {
		e = pt->entries[table << bits | (gfn >> (bits * h) & mask)];
		if (!(e.v & readable))
			return 0;
		table = ((e.v & pt->fmt->addr_mask) >> pt->fmt->page_shift) - pt->pfn0;
	}
	e = pt->entries[table << bits | (gfn & mask)];
	return e.v & readable ? e.v : 0;
}

#endif
