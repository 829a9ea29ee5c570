/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paging geometry as data: how many levels, how many index bits each, which heights may hold leaves.
 *
 * Inside mmu/ *height* 0 is the page level and heights grow towards the root.  KVM/x86 levels
 * (1 = 4 KiB .. 5) and Arm lookup levels (3 = page .. -1) exist in architecture files and in print
 * only, each by one function here.
 *
 * Sources: Intel SDM vol. 3C "EPT translation mechanism"; AMD APM vol. 2 "Nested paging"; Arm ARM
 * DDI 0487 "Concatenated translation tables" with KVM's choice of levels and start tables
 * [KVM v6.12 arch/arm64/include/asm/stage2_pgtable.h, arch/arm64/kvm/hyp/pgtable.c: kvm_pgd_pages].
 *
 * Invariants
 *   G1  1 <= index_bits <= 13, 1 <= heights <= 5, max_leaf_height < heights
 *   G2  root_extra_bits <= 4 (Arm concatenation), 0 on x86
 *   G3  ia_bits == page_shift + heights * index_bits + root_extra_bits for small granules, never more
 */
#ifndef MMU_GEOM_H
#define MMU_GEOM_H

#include "mmu/types.h"

enum pt_arch {
	PT_X86,
	PT_ARM64,
};

enum {
	GEOM_MAX_HEIGHTS = 5,
	GEOM_NAME_MAX = 32,
};

struct pt_geom {
	char name[GEOM_NAME_MAX];
	uint8_t arch;            /* enum pt_arch */
	uint8_t page_shift;      /* log2 of the page size in bytes */
	uint8_t index_bits;      /* index bits of one table page */
	uint8_t heights;         /* levels, root included */
	uint8_t root_extra_bits; /* log2 of the number of concatenated root tables */
	uint8_t max_leaf_height; /* largest height at which a leaf may stand */
	uint8_t ia_bits;         /* input address size in bits */
	uint8_t pa_bits;         /* output address size in bits */
	uint8_t lpa2;            /* Arm: descriptors use the LPA2 address layout */
};

/**
 * geom_find() - geometry by name.
 * @name: "ept4", "ept5", "npt4", "npt5", "arm64-4k-40", "arm64-16k-48", "arm64-64k-42" (granule and
 *        IPA bits, 32 and up), or a small granule "KIND-BxH" with B index bits (1 or 2) and H levels,
 *        for example "ept-2x2", "npt-1x3", "arm64-2x2".
 * @out:  filled on success.
 * Return: false when the name is none of these or asks for an impossible size.
 */
bool geom_find(const char *name, struct pt_geom *out);

/* geom_check() - true when G1 to G3 hold. */
bool geom_check(const struct pt_geom *g);

/* Number of entries of one table page. */
static inline uint32_t geom_entries(const struct pt_geom *g)
{
	return 1U << g->index_bits;
}

/* Table pages that make up the root. */
static inline uint32_t geom_root_tables(const struct pt_geom *g)
{
	return 1U << g->root_extra_bits;
}

static inline unsigned int geom_root_height(const struct pt_geom *g)
{
	return g->heights - 1U;
}

/* log2 of the pages that one entry at @height spans. */
static inline unsigned int geom_shift(const struct pt_geom *g, unsigned int height)
{
	return g->index_bits * height;
}

/* Pages that one entry at @height spans. */
static inline uint64_t geom_pages(const struct pt_geom *g, unsigned int height)
{
	return 1ULL << geom_shift(g, height);
}

/* First gfn of the entry at @height that covers @gfn. */
static inline gfn_t geom_base(const struct pt_geom *g, gfn_t gfn, unsigned int height)
{
	return align_down_u64(gfn, geom_pages(g, height));
}

/* One past the last gfn that the geometry can translate. */
static inline gfn_t geom_limit(const struct pt_geom *g)
{
	return 1ULL << (g->ia_bits - g->page_shift);
}

static inline gfn_t gpa_to_gfn(const struct pt_geom *g, gpa_t gpa)
{
	return gpa >> g->page_shift;
}

static inline gpa_t gfn_to_gpa(const struct pt_geom *g, gfn_t gfn)
{
	return gfn << g->page_shift;
}

static inline uint64_t geom_page_size(const struct pt_geom *g)
{
	return 1ULL << g->page_shift;
}

/* KVM/x86 level of a height: 1 is 4 KiB. */
static inline int geom_x86_level(unsigned int height)
{
	return (int)height + 1;
}

/* Arm lookup level of a height: 3 is the page level, 0 and -1 are near the root. */
static inline int geom_arm_level(unsigned int height)
{
	return 3 - (int)height;
}

#endif
