/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data caches as far as table walks meet them: which level serves a reference to a descriptor.
 *
 * Three levels of tags.  The first two belong to one PE, the last is shared by all PEs that are given
 * the same object.  A reference fills every level above the one that served it; each level replaces
 * its least recently used line by itself.
 *
 * A line is named by its number among the lines of the pool of table pages (wcache_line()), which
 * fits 32 bits for pools up to 256 GiB.
 *
 * SIMPLIFIED: what guests and hypervisor read and store does not pass through: their data would push
 * table lines out, and their stores to descriptors would move lines between PEs.  So walks look
 * cheaper here than next to a guest that streams through its memory; a profile can give the caches
 * less than their size.  No level is inclusive of another by force.  More than 16 ways count as 16
 * with more sets instead, of which the last may be lost to rounding.
 *
 * Invariants, checked by wcache_check()
 *   C1  each set's order names each of its ways once
 *   C2  a set holds a line once, and only lines that belong there
 *   C3  all bytes that hold no line are zero, but for the order of a set in use
 *
 * Memory is the caller's, wcache_priv_bytes() and wcache_shared_bytes(), 4-byte aligned, plain data.
 * All zero is the empty state.
 */
#ifndef MMU_WCACHE_H
#define MMU_WCACHE_H

#include "mmu/pt.h"

enum wcache_level {
	WCACHE_L1,
	WCACHE_L2,
	WCACHE_LLC,
	WCACHE_NR_LEVELS,
	WCACHE_MEMORY = WCACHE_NR_LEVELS, /* none of them had it */
};

enum {
	WCACHE_LINE_BYTES = 64,
	WCACHE_WAYS_MAX = 16,
};

/* A level as data sheets give it; no bytes: there is no such level. */
struct wcache_size {
	uint64_t bytes;
	uint32_t ways;
};

/* One level, worked out.  A set number is the line number modulo the number of sets. */
struct wcache_array {
	uint32_t start;   /* word of the first set in its object */
	uint32_t sets;    /* 0: no such level */
	uint32_t ways;    /* 1..WCACHE_WAYS_MAX */
	uint32_t stride;  /* words of a set: its order, then tags up to a multiple of four */
	uint32_t mask;    /* sets - 1 for a power of two, else 0 */
	uint32_t inverse; /* 2^32 / sets, rounded down; 0 for one set */
};

struct wcache_cfg {
	struct wcache_array level[WCACHE_NR_LEVELS];
};

/* The tags of one PE, or the shared ones: words that wcache.c alone looks at. */
struct wcache;

/**
 * wcache_cfg_init() - works out three levels.
 * Return: false when up to 16 ways make no whole sets of the bytes, or there are too many lines.
 */
bool wcache_cfg_init(struct wcache_cfg *cfg, const struct wcache_size size[WCACHE_NR_LEVELS]);

/* wcache_priv_bytes(), wcache_shared_bytes() - of L1 and L2 of a PE, of the last level. */
size_t wcache_priv_bytes(const struct wcache_cfg *cfg);
size_t wcache_shared_bytes(const struct wcache_cfg *cfg);

/* wcache_fits() - every line of the pool has a number. */
bool wcache_fits(const struct pt *pt);

/* wcache_line() - the line that holds an entry of a table page. */
static inline uint32_t wcache_line(const struct pt *pt, uint32_t table, uint32_t index)
{
	return (uint32_t)((((uint64_t)table << pt->geom.index_bits) + index) /
			  (WCACHE_LINE_BYTES / sizeof(pte_t)));
}

/**
 * wcache_ref() - one reference to @line.
 * @priv: tags of the PE; @shared: the last level's.
 * Return: the level that had the line; it is in all levels now.
 */
enum wcache_level wcache_ref(const struct wcache_cfg *cfg, struct wcache *priv,
			     struct wcache *shared, uint32_t line);

/* wcache_hint() - @line will be referenced soon: fetches the tags that it will be looked for in.  Changes nothing. */
void wcache_hint(const struct wcache_cfg *cfg, const struct wcache *priv,
		 const struct wcache *shared, uint32_t line);

/* wcache_check() - C1 to C3 of both objects; @why receives a constant sentence on failure. */
bool wcache_check(const struct wcache_cfg *cfg, const struct wcache *priv,
		  const struct wcache *shared, const char **why);

#endif
