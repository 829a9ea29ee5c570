/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/x86_pte.h"

#include <stdio.h>

/* Software bit "backed by memory" in every format [KVM v6.1 spte.h: SPTE_MMU_PRESENT_MASK]. */
#define SHADOW_PRESENT BIT(11)
#define X86_ADDR_MASK  GENMASK(51, 12)

/* MMIO generation: bits 0..7 stand in SPTE bits 3..10, the rest from bit 52 up [spte.h]. */
enum {
	GEN_LOW_BITS = 8,
	GEN_LOW_SHIFT = 3,
	GEN_HIGH_SHIFT = 52,
};

#define X86_PTE_BASE(n, empty_value)                                                               \
	{                                                                                          \
		.name = (n), .present = SHADOW_PRESENT, .leaf_mask = BIT(7), .leaf_value = BIT(7), \
		.addr_mask = X86_ADDR_MASK, .page_shift = 12, .empty = (empty_value)               \
	}

/* clang-format off */
#define NPT_FMT(n, empty_value, frozen_value, gen_bits) {                         \
	.pte = X86_PTE_BASE(n, empty_value),                                      \
	.r = BIT(0), .w = BIT(1), .user = BIT(2), .nx = BIT(63), .large = BIT(7), \
	.accessed = BIT(5), .dirty = BIT(6),                                      \
	.host_writable = BIT(9), .mmu_writable = BIT(10),                         \
	.ad_mask = BIT(52) | BIT(53), .ad_shift = 52,                             \
	.mmio_mask = BIT(51) | BIT(0), .mmio_value = BIT(51) | BIT(0),            \
	.mmio_gen_bits = (gen_bits), .frozen = (frozen_value) }

#define EPT_FMT(n, empty_value, frozen_value, gen_bits, a, d, hw, mw, adshift, saved, sve) { \
	.pte = X86_PTE_BASE(n, empty_value),                                      \
	.r = BIT(0), .w = BIT(1), .x = BIT(2), .large = BIT(7),                   \
	.accessed = (a), .dirty = (d),                                            \
	.host_writable = BIT(hw), .mmu_writable = BIT(mw),                        \
	.ad_mask = 3ULL << (adshift), .ad_shift = (adshift),                      \
	.saved_shift = (saved),                                                   \
	.memtype = 6ULL << 3 | BIT(6), .suppress_ve = (sve),                      \
	.mmio_mask = 7ULL, .mmio_value = 6ULL,                                    \
	.mmio_gen_bits = (gen_bits), .frozen = (frozen_value) }

static const struct x86_fmt formats[X86_NR_SPTE_VERSIONS][X86_NR_NESTED] = {
	[X86_SPTE_61] = {
		[X86_NPT] = NPT_FMT("npt-6.1", 0, 0x5a0, 19),
		[X86_EPT] = EPT_FMT("ept-6.1", 0, 0x5a0, 19, BIT(8), BIT(9), 57, 58, 52, 54, 0),
		[X86_EPT_NOAD] = EPT_FMT("ept-noad-6.1", 0, 0x5a0, 19, 0, 0, 57, 58, 52, 54, 0),
	},
	[X86_SPTE_612] = {
		[X86_NPT] = NPT_FMT("npt-6.12", BIT(63), BIT(63) | 0x5a0, 19),
		[X86_EPT] = EPT_FMT("ept-6.12", BIT(63), BIT(63) | 0x5a0, 19, BIT(8), BIT(9),
				    57, 58, 52, 54, 0),
		[X86_EPT_NOAD] = EPT_FMT("ept-noad-6.12", BIT(63), BIT(63) | 0x5a0, 19, 0, 0,
					 57, 58, 52, 54, 0),
	},
	[X86_SPTE_72] = {
		[X86_NPT] = NPT_FMT("npt-7.2", BIT(63), BIT(63) | 0x1a0, 18),
		[X86_EPT] = EPT_FMT("ept-7.2", BIT(63), BIT(63) | 0x1a0, 18, BIT(8), BIT(9),
				    53, 55, 60, 52, BIT(63)),
		[X86_EPT_NOAD] = EPT_FMT("ept-noad-7.2", BIT(63), BIT(63) | 0x1a0, 18, 0, 0,
					 53, 55, 60, 52, BIT(63)),
	},
};
/* clang-format on */

const struct x86_fmt *x86_fmt_get(enum x86_spte_version version, enum x86_nested nested)
{
	return &formats[version][nested];
}

pte_t spte_make_leaf(const struct x86_fmt *f, unsigned int height, const struct spte_parts *p)
{
	pte_t e = { f->pte.present | f->r | f->user | f->memtype | f->suppress_ve };

	e.v |= pte_addr_bits(&f->pte, p->pfn);
	e.v |= (uint64_t)p->ad << f->ad_shift;
	if (p->access & ACC_W)
		e.v |= f->w;
	if (p->access & ACC_X)
		e.v |= f->x;
	else
		e.v |= f->nx;
	if (height > 0)
		e.v |= f->large;
	if (p->accessed)
		e.v |= f->accessed;
	if (p->dirty)
		e.v |= f->dirty;
	if (p->host_writable)
		e.v |= f->host_writable;
	if (p->mmu_writable)
		e.v |= f->mmu_writable;
	return e;
}

pte_t spte_make_table(const struct x86_fmt *f, kvm_pfn_t pfn)
{
	pte_t e = { f->pte.present | f->r | f->w | f->x | f->user | f->accessed | f->suppress_ve };

	e.v |= pte_addr_bits(&f->pte, pfn);
	if (!f->accessed)
		e.v |= (uint64_t)X86_AD_DISABLED << f->ad_shift;
	return e;
}

uint64_t spte_mmio_gen_of(const struct x86_fmt *f, uint64_t memslot_gen)
{
	return memslot_gen & (BIT(f->mmio_gen_bits) - 1);
}

/*
 * The gfn stands at its own place; NPT's marker bit 51 is a reserved address bit, so a gfn never
 * reaches it.  SIMPLIFIED: KVM moves the gfn's top bits on hosts with L1TF; the gfn here is below
 * 2^39, where nothing moves.  NPT entries carry the access bits W and U beside the marker.
 */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of KVM's make_mmio_spte */
pte_t spte_make_mmio(const struct x86_fmt *f, gfn_t gfn, uint64_t gen, unsigned int access)
{
	uint64_t g = spte_mmio_gen_of(f, gen);
	pte_t e = { f->mmio_value | ((gfn << 12) & X86_ADDR_MASK) };

	e.v |= (g & (BIT(GEN_LOW_BITS) - 1)) << GEN_LOW_SHIFT;
	e.v |= (g >> GEN_LOW_BITS) << GEN_HIGH_SHIFT;
	if (f->nx)
		e.v |= ((access & ACC_W) ? f->w : 0) | f->user;
	return e;
}

bool spte_is_mmio(const struct x86_fmt *f, pte_t e)
{
	return (e.v & f->mmio_mask) == f->mmio_value && !pte_is_present(&f->pte, e);
}

gfn_t spte_mmio_gfn(const struct x86_fmt *f, pte_t e)
{
	return (e.v & X86_ADDR_MASK & ~f->mmio_value) >> 12;
}

uint64_t spte_mmio_gen(const struct x86_fmt *f, pte_t e)
{
	uint64_t low = (e.v >> GEN_LOW_SHIFT) & (BIT(GEN_LOW_BITS) - 1);
	uint64_t high = e.v >> GEN_HIGH_SHIFT;

	return (low | high << GEN_LOW_BITS) & (BIT(f->mmio_gen_bits) - 1);
}

/* Grants or takes execute; in an access-tracked entry the saved bit stands for it. */
static pte_t set_exec(const struct x86_fmt *f, pte_t e, bool exec)
{
	uint64_t x = spte_is_access_tracked(f, e) ? f->x << f->saved_shift : f->x;

	if (exec)
		return (pte_t){ (e.v | x) & ~f->nx };
	return (pte_t){ (e.v & ~x) | f->nx };
}

pte_t spte_make_small(const struct x86_fmt *f, const struct pt_geom *g, pte_t huge,
		      unsigned int height, unsigned int index, bool restore_exec)
{
	kvm_pfn_t pfn = pte_pfn(&f->pte, huge) + (uint64_t)index * geom_pages(g, height - 1);
	pte_t e = { huge.v & ~(X86_ADDR_MASK) };

	e.v |= pte_addr_bits(&f->pte, pfn);
	if (height == 1) {
		e.v &= ~f->large;
		if (restore_exec)
			e = set_exec(f, e, true);
	}
	return e;
}

pte_t spte_make_huge(const struct x86_fmt *f, const struct pt_geom *g, pte_t small,
		     unsigned int height, bool drop_exec)
{
	kvm_pfn_t pfn = align_down_u64(pte_pfn(&f->pte, small), geom_pages(g, height));
	pte_t e = { (small.v & ~X86_ADDR_MASK) | f->large };

	e.v |= pte_addr_bits(&f->pte, pfn);
	return drop_exec ? set_exec(f, e, false) : e;
}

/* R and X move to their saved places, RWX goes; W never comes back without a write fault. */
pte_t spte_mark_access_tracked(const struct x86_fmt *f, pte_t e)
{
	uint64_t rx = f->r | f->x;

	if (f->accessed)
		return (pte_t){ e.v & ~f->accessed };
	if (spte_is_access_tracked(f, e))
		return e;
	return (pte_t){ (e.v & ~(rx | f->w)) | (e.v & rx) << f->saved_shift };
}

pte_t spte_restore_access_tracked(const struct x86_fmt *f, pte_t e)
{
	uint64_t rx = f->r | f->x;
	uint64_t saved = (e.v >> f->saved_shift) & rx;

	return (pte_t){ (e.v & ~(rx << f->saved_shift)) | saved };
}

bool spte_leaf_check(const struct x86_fmt *f, const struct pt_geom *g, pte_t e, unsigned int height,
		     const char **why)
{
	bool w = spte_is_writable(f, e);
	bool mw = (e.v & f->mmu_writable) != 0, hw = (e.v & f->host_writable) != 0;

	*why = NULL;
	if (!pte_is_leaf(&f->pte, e, height))
		*why = "not a present leaf";
	else if (w && !mw)
		*why = "writable but not MMU-writable";
	else if (mw && !hw)
		*why = "MMU-writable but not host-writable";
	else if (height > 0 && !(e.v & f->large))
		*why = "leaf above the page level without the large bit";
	else if (height > g->max_leaf_height)
		*why = "leaf higher than the geometry allows";
	else if (pte_pfn(&f->pte, e) & (geom_pages(g, height) - 1))
		*why = "frame not aligned to the leaf";
	else if (pte_pfn(&f->pte, e) >> (g->pa_bits - g->page_shift))
		*why = "frame beyond the physical address width";
	else if (spte_is_mmio(f, e) || spte_is_frozen(f, e))
		*why = "special value with the shadow-present bit";
	return *why == NULL;
}

void spte_describe(const struct x86_fmt *f, pte_t e, unsigned int height, char *buf, size_t size)
{
	if (e.v == f->pte.empty)
		snprintf(buf, size, "none");
	else if (spte_is_frozen(f, e))
		snprintf(buf, size, "frozen");
	else if (spte_is_mmio(f, e))
		snprintf(buf, size, "mmio gfn=0x%llx gen=%llu",
			 (unsigned long long)spte_mmio_gfn(f, e),
			 (unsigned long long)spte_mmio_gen(f, e));
	else if (pte_is_table(&f->pte, e, height))
		snprintf(buf, size, "table pfn=0x%llx", (unsigned long long)pte_pfn(&f->pte, e));
	else if (pte_is_leaf(&f->pte, e, height))
		snprintf(buf, size, "leaf %c%c%c a=%d d=%d hw=%d mw=%d pfn=0x%llx",
			 spte_is_readable(f, e) ? 'r' : '-', spte_is_writable(f, e) ? 'w' : '-',
			 spte_is_executable(f, e) ? 'x' : '-', (e.v & f->accessed) != 0,
			 (e.v & f->dirty) != 0, (e.v & f->host_writable) != 0,
			 (e.v & f->mmu_writable) != 0, (unsigned long long)pte_pfn(&f->pte, e));
	else
		snprintf(buf, size, "unknown 0x%016llx", (unsigned long long)e.v);
}
