/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm stage-2 descriptors as KVM writes them, for 4, 16 and 64 KiB pages and the 52-bit layouts.
 *
 * Sources: Arm ARM DDI 0487 "VMSAv8-64 translation table format descriptors" (stage 2); KVM's use
 * [KVM v6.12 arch/arm64/include/asm/kvm_pgtable.h, arch/arm64/kvm/hyp/pgtable.c].
 *
 * Invariants, checked by s2_leaf_check()
 *   S1  a page has bits 1:0 = 11, a block bits 1:0 = 01 and stands at an allowed height (I-PT3)
 *   S2  the output address is aligned to the leaf and within the output size (I-PT3)
 *   S3  DBM and contiguous are clear: KVM's stage 2 has neither
 */
#ifndef MMU_S2_PTE_H
#define MMU_S2_PTE_H

#include "mmu/pte.h"

enum s2_granule {
	S2_4K,
	S2_16K,
	S2_64K,
	S2_4K_LPA2,
	S2_16K_LPA2,
	S2_NR_GRANULES,
};

#define S2_VALID      BIT(0)
#define S2_TYPE_TABLE BIT(1) /* table above the last level, page at the last */
#define S2_MEMATTR    GENMASK(5, 2)
#define S2_AP_R       BIT(6)
#define S2_AP_W       BIT(7)
#define S2_SH_INNER   GENMASK(9, 8)
#define S2_AF         BIT(10)
#define S2_DBM        BIT(51)
#define S2_CONT       BIT(52)
#define S2_XN         BIT(54)
#define S2_SW         GENMASK(58, 55)
/* Invalid entry that a break-before-make holds (since 6.2) [KVM v6.12 pgtable.c: KVM_INVALID_PTE_LOCKED]. */
#define S2_LOCKED BIT(10)
/* Bits in which a lost race may differ and still count as "already mapped" [stage2_pte_needs_update]. */
#define S2_PERM_MASK (S2_AP_R | S2_AP_W | S2_XN)

enum s2_memtype {
	S2_NORMAL,
	S2_NORMAL_NC,
	S2_DEVICE,
};

/* s2_fmt_get() - format of a granule; a constant table. */
const struct pte_fmt *s2_fmt_get(enum s2_granule granule);
/* s2_fmt_of() - format that fits a geometry of arch PT_ARM64. */
const struct pte_fmt *s2_fmt_of(const struct pt_geom *g);

/* s2_make_leaf() - @pfn aligned to the height; @access ACC_* bits; new leaves always have AF. */
pte_t s2_make_leaf(const struct pte_fmt *f, unsigned int height, kvm_pfn_t pfn, unsigned int access,
		   enum s2_memtype type, bool fwb);
pte_t s2_make_table(const struct pte_fmt *f, kvm_pfn_t pfn);

static inline bool s2_is_locked(pte_t e)
{
	return e.v == S2_LOCKED;
}

/* Entries that count in a table page's reference count: anything but 0. */
static inline bool s2_is_counted(pte_t e)
{
	return e.v != 0;
}

static inline unsigned int s2_access(pte_t e)
{
	return ((e.v & S2_AP_R) ? ACC_R : 0U) | ((e.v & S2_AP_W) ? ACC_W : 0U) |
	       ((e.v & S2_XN) ? 0U : ACC_X);
}

/* Data side cacheable: needs cleaning on unmap without FWB. */
bool s2_is_cacheable(pte_t e, bool fwb);

bool s2_leaf_check(const struct pte_fmt *f, const struct pt_geom *g, pte_t e, unsigned int height,
		   const char **why);

/* s2_describe() - one line for a reader. */
void s2_describe(const struct pte_fmt *f, pte_t e, unsigned int height, char *buf, size_t size);

#endif
