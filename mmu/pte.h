/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the walker must know of a descriptor format, as data, so that one walker serves EPT, NPT and
 * Arm stage 2.  The architecture files (x86_pte.h, s2_pte.h) embed this struct and know the rest.
 */
#ifndef MMU_PTE_H
#define MMU_PTE_H

#include "mmu/geom.h"

struct pte_fmt {
	const char *name;
	uint64_t present;   /* any of these bits set: table or leaf */
	uint64_t leaf_mask; /* above the page level: (v & leaf_mask) == leaf_value means leaf */
	uint64_t leaf_value;
	uint64_t addr_mask; /* output address bits that stand at their own place */
	uint64_t hi_mask;   /* Arm: high output address bits stored low (52-bit formats), or 0 */
	uint8_t hi_shift;   /* how far left they belong */
	uint8_t page_shift;
	uint64_t empty; /* value of a never used entry */
};

static inline bool pte_is_present(const struct pte_fmt *f, pte_t e)
{
	return (e.v & f->present) != 0;
}

static inline bool pte_is_leaf(const struct pte_fmt *f, pte_t e, unsigned int height)
{
	return pte_is_present(f, e) && (height == 0 || (e.v & f->leaf_mask) == f->leaf_value);
}

static inline bool pte_is_table(const struct pte_fmt *f, pte_t e, unsigned int height)
{
	return height > 0 && pte_is_present(f, e) && (e.v & f->leaf_mask) != f->leaf_value;
}

/* Frame that a table or leaf entry points to, in pages of the geometry. */
static inline kvm_pfn_t pte_pfn(const struct pte_fmt *f, pte_t e)
{
	return ((e.v & f->addr_mask) | ((e.v & f->hi_mask) << f->hi_shift)) >> f->page_shift;
}

/* Address bits of a descriptor that points to @pfn. */
static inline uint64_t pte_addr_bits(const struct pte_fmt *f, kvm_pfn_t pfn)
{
	uint64_t pa = pfn << f->page_shift;

	return (pa & f->addr_mask) | (f->hi_mask ? (pa >> f->hi_shift) & f->hi_mask : 0);
}

/*
 * The frames of @n entries from @first on follow each other in the low address bits too: the next
 * descriptor is the one before plus pte_addr_bits(f, 1).
 */
static inline bool pte_is_linear(const struct pte_fmt *f, pte_t first, uint64_t n)
{
	kvm_pfn_t pfn = pte_pfn(f, first);

	return ((pte_addr_bits(f, pfn) ^ pte_addr_bits(f, pfn + n - 1)) & f->hi_mask) == 0;
}

static inline bool pte_eq(pte_t a, pte_t b)
{
	return a.v == b.v;
}

#endif
