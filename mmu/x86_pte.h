/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT and NPT descriptors as KVM writes them (SPTEs), bit by bit, for three generations of KVM:
 * X86_SPTE_61 (6.1), X86_SPTE_612 (6.12) and X86_SPTE_72 (7.2, never recorded).
 *
 * Sources: Intel SDM vol. 3C tables "Format of an EPT ... Entry"; AMD APM vol. 2 page-translation
 * tables; software bits [KVM v6.1, v6.12, v7.2 arch/x86/kvm/mmu/spte.h, spte.c].
 *
 * Invariants of a leaf, checked by spte_leaf_check() (the writable-state automaton)
 *   W1  writable implies MMU-writable implies host-writable
 *   W2  host-writable and not MMU-writable only with W clear (write-tracked)
 *   W3  frozen, MMIO and empty values are not shadow-present
 *   W4  a table entry never restricts access
 *   W5  no reserved or misaligned address bit is set
 */
#ifndef MMU_X86_PTE_H
#define MMU_X86_PTE_H

#include "mmu/pte.h"

enum x86_spte_version {
	X86_SPTE_61,
	X86_SPTE_612,
	X86_SPTE_72,
	X86_NR_SPTE_VERSIONS,
};

enum x86_nested {
	X86_NPT,
	X86_EPT,
	X86_EPT_NOAD, /* EPT without accessed/dirty flags: access tracking in software */
	X86_NR_NESTED,
};

/*
 * One format.  For EPT .r is bit 0, .x bit 2 and .nx 0; for NPT .r is the present bit, .x is 0 and
 * .nx bit 63.  Masks that a format lacks are 0.
 */
struct x86_fmt {
	struct pte_fmt pte;
	uint64_t r, w, x, nx, user;
	uint64_t large;
	uint64_t accessed, dirty; /* 0 without A/D flags */
	uint64_t host_writable, mmu_writable;
	uint64_t ad_mask; /* two bits: A/D type */
	uint8_t ad_shift;
	uint8_t saved_shift; /* saved R and X stand at (bit + saved_shift) */
	uint8_t mmio_gen_bits;
	uint64_t memtype;     /* write-back, ignore guest PAT */
	uint64_t suppress_ve; /* in every entry but MMIO */
	uint64_t mmio_mask, mmio_value;
	uint64_t frozen;
};

/* A/D type, the value of the two ad_mask bits. */
enum x86_ad_type {
	X86_AD_ENABLED = 0,
	X86_AD_DISABLED = 1,
	X86_AD_WRPROT_ONLY = 2,
};

/**
 * x86_fmt_get() - the format of a KVM version on a machine.
 * Return: a constant table; never NULL for enumerators of both enums.
 */
const struct x86_fmt *x86_fmt_get(enum x86_spte_version version, enum x86_nested nested);

/* What goes into a leaf; bools as in KVM's make_spte. */
struct spte_parts {
	kvm_pfn_t pfn;
	uint8_t access; /* ACC_* bits; ACC_R implied */
	bool accessed, dirty;
	bool host_writable, mmu_writable;
	enum x86_ad_type ad;
};

/* spte_make_leaf() - encodes a leaf at @height; @p->pfn must be aligned to the height's span. */
pte_t spte_make_leaf(const struct x86_fmt *f, unsigned int height, const struct spte_parts *p);
/* spte_make_table() - entry that points to the table page @pfn; never restricts access. */
pte_t spte_make_table(const struct x86_fmt *f, kvm_pfn_t pfn);
/* spte_make_mmio() - marker of an access without memslot; @gen is the memslot generation. */
pte_t spte_make_mmio(const struct x86_fmt *f, gfn_t gfn, uint64_t gen, unsigned int access);
/* spte_make_small() - child @index of a huge leaf at @height, one height lower. */
pte_t spte_make_small(const struct x86_fmt *f, const struct pt_geom *g, pte_t huge,
		      unsigned int height, unsigned int index, bool restore_exec);
/* spte_make_huge() - leaf at @height from one child leaf below it. */
pte_t spte_make_huge(const struct x86_fmt *f, const struct pt_geom *g, pte_t small,
		     unsigned int height, bool drop_exec);

bool spte_is_mmio(const struct x86_fmt *f, pte_t e);
gfn_t spte_mmio_gfn(const struct x86_fmt *f, pte_t e);
/* Generation stored in an MMIO SPTE; compare with spte_mmio_gen_of(current). */
uint64_t spte_mmio_gen(const struct x86_fmt *f, pte_t e);
uint64_t spte_mmio_gen_of(const struct x86_fmt *f, uint64_t memslot_gen);

static inline bool spte_is_frozen(const struct x86_fmt *f, pte_t e)
{
	return e.v == f->frozen;
}

static inline bool spte_is_writable(const struct x86_fmt *f, pte_t e)
{
	return (e.v & f->w) != 0;
}

static inline bool spte_is_executable(const struct x86_fmt *f, pte_t e)
{
	return f->nx ? (e.v & f->nx) == 0 : (e.v & f->x) != 0;
}

static inline bool spte_is_readable(const struct x86_fmt *f, pte_t e)
{
	return (e.v & f->r) != 0;
}

/* Hardware keeps A and D in this entry. */
static inline bool spte_ad_enabled(const struct x86_fmt *f, pte_t e)
{
	return f->accessed && ((e.v & f->ad_mask) >> f->ad_shift) != X86_AD_DISABLED;
}

/* R, W and X are taken away and R, X saved: software access tracking of formats without A/D. */
static inline bool spte_is_access_tracked(const struct x86_fmt *f, pte_t e)
{
	return !f->accessed && pte_is_present(&f->pte, e) && (e.v & (f->r | f->w | f->x)) == 0;
}

/* ACC_* bits that the hardware would grant through @e. */
static inline unsigned int spte_access(const struct x86_fmt *f, pte_t e)
{
	return (spte_is_readable(f, e) ? ACC_R : 0U) | (spte_is_writable(f, e) ? ACC_W : 0U) |
	       (spte_is_executable(f, e) ? ACC_X : 0U);
}

pte_t spte_mark_access_tracked(const struct x86_fmt *f, pte_t e);
pte_t spte_restore_access_tracked(const struct x86_fmt *f, pte_t e);

/**
 * spte_leaf_check() - W1 to W5 for a present leaf.
 * @why: set to a constant sentence on failure.
 */
bool spte_leaf_check(const struct x86_fmt *f, const struct pt_geom *g, pte_t e, unsigned int height,
		     const char **why);

/* spte_describe() - one line for a reader: "leaf rwx a=1 d=0 hw=1 mw=1 pfn=0x..". */
void spte_describe(const struct x86_fmt *f, pte_t e, unsigned int height, char *buf, size_t size);

#endif
