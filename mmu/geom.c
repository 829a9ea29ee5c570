/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/geom.h"

#include <stdio.h>
#include <string.h>

enum {
	KVM_ARM_MIN_IPA_BITS = 32, /* [KVM v6.12 arch/arm64/kvm/reset.c: kvm_arm_setup_stage2] */
	X86_GPA_BITS_4 = 48,
	X86_GPA_BITS_5 = 52, /* 57 translated bits, but a guest-physical address has at most 52 */
	PA_BITS_X86 = 52,
	PA_BITS_ARM = 48,
	PA_BITS_ARM_WIDE = 52,
};

bool geom_check(const struct pt_geom *g)
{
	unsigned int covered =
		(unsigned int)g->page_shift + (unsigned int)g->heights * g->index_bits + g->root_extra_bits;

	return g->index_bits >= 1 && g->index_bits <= 13 && g->heights >= 1 &&
	       g->heights <= GEOM_MAX_HEIGHTS && g->max_leaf_height < g->heights &&
	       g->root_extra_bits <= 4 && (g->arch == PT_ARM64 || g->root_extra_bits == 0) &&
	       g->ia_bits <= covered && g->ia_bits > g->page_shift;
}

static void geom_x86(struct pt_geom *g, unsigned int levels)
{
	g->arch = PT_X86;
	g->page_shift = 12;
	g->index_bits = 9;
	g->heights = (uint8_t)levels;
	g->max_leaf_height = 2; /* 1 GiB [KVM v6.12 kvm_host.h: KVM_MAX_HUGEPAGE_LEVEL] */
	g->ia_bits = levels == 5 ? X86_GPA_BITS_5 : X86_GPA_BITS_4;
	g->pa_bits = PA_BITS_X86;
}

/*
 * levels = floor((ipa_bits - 8) / b), at least 2, b index bits a level; up to 16 concatenated start
 * tables [KVM v6.12 asm/stage2_pgtable.h: stage2_pgtable_levels].
 */
static bool geom_arm(struct pt_geom *g, unsigned int page_shift, unsigned int ipa_bits)
{
	unsigned int b = page_shift - 3;
	unsigned int levels, covered;

	if (ipa_bits < KVM_ARM_MIN_IPA_BITS || ipa_bits > PA_BITS_ARM_WIDE)
		return false;
	g->lpa2 = ipa_bits > PA_BITS_ARM && page_shift != 16;
	levels = (ipa_bits - 8) / b;
	if (levels < 2)
		levels = 2;
	covered = page_shift + levels * b;
	g->arch = PT_ARM64;
	g->page_shift = (uint8_t)page_shift;
	g->index_bits = (uint8_t)b;
	g->heights = (uint8_t)levels;
	g->root_extra_bits = (uint8_t)(ipa_bits > covered ? ipa_bits - covered : 0);
	/* KVM_PGTABLE_MIN_BLOCK_LEVEL: 1 for 4 KiB pages, else 2 */
	g->max_leaf_height = page_shift == 12 ? 2 : 1;
	if (g->max_leaf_height >= levels)
		g->max_leaf_height = (uint8_t)(levels - 1);
	g->ia_bits = (uint8_t)ipa_bits;
	g->pa_bits = page_shift == 16 || g->lpa2 ? PA_BITS_ARM_WIDE : PA_BITS_ARM;
	return geom_check(g);
}

/* The page stays 4 KiB and descriptors keep every bit position; only the index bits shrink. */
static bool geom_small(struct pt_geom *g, const char *kind, unsigned int bits, unsigned int levels)
{
	if (bits < 1 || bits > 2 || levels < 2 || levels > 4)
		return false;
	if (strcmp(kind, "ept") != 0 && strcmp(kind, "npt") != 0 && strcmp(kind, "arm64") != 0)
		return false;
	g->arch = strcmp(kind, "arm64") == 0 ? PT_ARM64 : PT_X86;
	g->page_shift = 12;
	g->index_bits = (uint8_t)bits;
	g->heights = (uint8_t)levels;
	g->max_leaf_height = (uint8_t)(levels > 2 ? 2 : levels - 1);
	g->ia_bits = (uint8_t)(12 + bits * levels);
	g->pa_bits = g->arch == PT_X86 ? PA_BITS_X86 : PA_BITS_ARM;
	return geom_check(g);
}

bool geom_find(const char *name, struct pt_geom *out)
{
	struct pt_geom g = { .arch = PT_X86 };
	unsigned int a = 0, b = 0;
	char kind[8] = "";
	int used = 0;
	bool ok = false;

	if (strlen(name) >= sizeof(g.name))
		return false;
	if (strcmp(name, "ept4") == 0 || strcmp(name, "npt4") == 0 || strcmp(name, "ept5") == 0 ||
	    strcmp(name, "npt5") == 0) {
		geom_x86(&g, (unsigned int)(name[3] - '0'));
		ok = true;
	} else if (sscanf(name, "arm64-%uk-%u%n", &a, &b, &used) == 2 && name[used] == '\0') {
		unsigned int shift = a == 4 ? 12 : a == 16 ? 14 : a == 64 ? 16 : 0;

		ok = shift != 0 && geom_arm(&g, shift, b);
	} else if (sscanf(name, "%7[a-z0-9]-%ux%u%n", kind, &a, &b, &used) == 3 &&
		   name[used] == '\0') {
		ok = geom_small(&g, kind, a, b);
	}
	if (!ok)
		return false;
	memcpy(g.name, name, strlen(name) + 1);
	*out = g;
	return true;
}
