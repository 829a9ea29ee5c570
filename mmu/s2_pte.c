/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/s2_pte.h"

#include <stdio.h>

/* Leaves above the page level have bit 1 clear; the page itself has it set. */
#define S2_FMT(n, shift, mask, himask, hishift)                                                    \
	{                                                                                          \
		.name = (n), .present = S2_VALID, .leaf_mask = S2_TYPE_TABLE, .leaf_value = 0,     \
		.addr_mask = (mask), .hi_mask = (himask), .hi_shift = (hishift),                   \
		.page_shift = (shift), .empty = 0                                                  \
	}

/* 64 KiB pages keep OA[51:48] in bits 15:12; LPA2 keeps OA[51:50] in bits 9:8. */
static const struct pte_fmt formats[S2_NR_GRANULES] = {
	[S2_4K] = S2_FMT("s2-4k", 12, GENMASK(47, 12), 0, 0),
	[S2_16K] = S2_FMT("s2-16k", 14, GENMASK(47, 14), 0, 0),
	[S2_64K] = S2_FMT("s2-64k", 16, GENMASK(47, 16), GENMASK(15, 12), 36),
	[S2_4K_LPA2] = S2_FMT("s2-4k-lpa2", 12, GENMASK(49, 12), GENMASK(9, 8), 42),
	[S2_16K_LPA2] = S2_FMT("s2-16k-lpa2", 14, GENMASK(49, 14), GENMASK(9, 8), 42),
};

/* MemAttr[3:0] without and with FWB [Arm ARM "Stage 2 memory region type and cacheability"]. */
static const uint8_t memattr[2][3] = {
	{ [S2_NORMAL] = 0xf, [S2_NORMAL_NC] = 0x5, [S2_DEVICE] = 0x1 },
	{ [S2_NORMAL] = 0x6, [S2_NORMAL_NC] = 0x5, [S2_DEVICE] = 0x1 },
};

const struct pte_fmt *s2_fmt_get(enum s2_granule granule)
{
	return &formats[granule];
}

const struct pte_fmt *s2_fmt_of(const struct pt_geom *g)
{
	if (g->page_shift == 16)
		return &formats[S2_64K];
	if (g->page_shift == 14)
		return &formats[g->lpa2 ? S2_16K_LPA2 : S2_16K];
	return &formats[g->lpa2 ? S2_4K_LPA2 : S2_4K];
}

pte_t s2_make_leaf(const struct pte_fmt *f, unsigned int height, kvm_pfn_t pfn, unsigned int access,
		   enum s2_memtype type, bool fwb)
{
	pte_t e = { S2_VALID | S2_AF | (uint64_t)memattr[fwb][type] << 2 };

	if (height == 0)
		e.v |= S2_TYPE_TABLE;
	/* with LPA2 the shareability comes from VTCR_EL2 and bits 9:8 belong to the address */
	if (f->hi_mask != GENMASK(9, 8))
		e.v |= S2_SH_INNER;
	if (access & ACC_R)
		e.v |= S2_AP_R;
	if (access & ACC_W)
		e.v |= S2_AP_W;
	if (!(access & ACC_X))
		e.v |= S2_XN;
	e.v |= pte_addr_bits(f, pfn);
	return e;
}

pte_t s2_make_table(const struct pte_fmt *f, kvm_pfn_t pfn)
{
	return (pte_t){ S2_VALID | S2_TYPE_TABLE | pte_addr_bits(f, pfn) };
}

bool s2_is_cacheable(pte_t e, bool fwb)
{
	return ((e.v & S2_MEMATTR) >> 2) == memattr[fwb][S2_NORMAL];
}

bool s2_leaf_check(const struct pte_fmt *f, const struct pt_geom *g, pte_t e, unsigned int height,
		   const char **why)
{
	*why = NULL;
	if (!pte_is_leaf(f, e, height))
		*why = "not a valid leaf";
	else if (height == 0 && !(e.v & S2_TYPE_TABLE))
		*why = "page without bit 1";
	else if (height > g->max_leaf_height)
		*why = "block at a level that allows none";
	else if (pte_pfn(f, e) & (geom_pages(g, height) - 1))
		*why = "output address not aligned to the leaf";
	else if (pte_pfn(f, e) >> (g->pa_bits - g->page_shift))
		*why = "output address beyond the output size";
	else if (e.v & (S2_CONT | S2_DBM))
		*why = "contiguous or DBM bit set";
	return *why == NULL;
}

void s2_describe(const struct pte_fmt *f, pte_t e, unsigned int height, char *buf, size_t size)
{
	if (e.v == 0)
		snprintf(buf, size, "none");
	else if (s2_is_locked(e))
		snprintf(buf, size, "locked");
	else if (pte_is_table(f, e, height))
		snprintf(buf, size, "table pfn=0x%llx", (unsigned long long)pte_pfn(f, e));
	else if (pte_is_leaf(f, e, height))
		snprintf(buf, size, "leaf %c%c%c af=%d sw=0x%llx pfn=0x%llx",
			 (e.v & S2_AP_R) ? 'r' : '-', (e.v & S2_AP_W) ? 'w' : '-',
			 (e.v & S2_XN) ? '-' : 'x', (e.v & S2_AF) != 0,
			 (unsigned long long)((e.v & S2_SW) >> 55),
			 (unsigned long long)pte_pfn(f, e));
	else
		snprintf(buf, size, "unknown 0x%016llx", (unsigned long long)e.v);
}
