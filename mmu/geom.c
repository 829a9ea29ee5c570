/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/geom.h"

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
	unsigned int covered = (unsigned int)g->page_shift +
			       (unsigned int)g->heights * g->index_bits + g->root_extra_bits;

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
static bool geom_small(struct pt_geom *g, enum pt_arch arch, unsigned int bits, unsigned int levels)
{
	if (bits < 1 || bits > 2 || levels < 2 || levels > 4)
		return false;
	g->arch = (uint8_t)arch;
	g->page_shift = 12;
	g->index_bits = (uint8_t)bits;
	g->heights = (uint8_t)levels;
	g->max_leaf_height = (uint8_t)(levels > 2 ? 2 : levels - 1);
	g->ia_bits = (uint8_t)(12 + bits * levels);
	g->pa_bits = g->arch == PT_X86 ? PA_BITS_X86 : PA_BITS_ARM;
	return geom_check(g);
}

/* A decimal number without sign, blank or leading zero; goes past it in @text. */
static bool take_number(const char **text, unsigned int *out)
{
	const char *s = *text;
	unsigned int n = 0;

	if (*s < '1' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (unsigned int)(*s - '0');
		if (n > 99)
			return false;
	}
	*text = s;
	*out = n;
	return true;
}

static bool take_word(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*text, word, n) != 0)
		return false;
	*text += n;
	return true;
}

/* "4", "5" after ept or npt. */
static bool parse_x86(struct pt_geom *g, const char *name)
{
	unsigned int levels;

	if (!take_word(&name, "ept") && !take_word(&name, "npt"))
		return false;
	if (!take_number(&name, &levels) || *name != '\0' || (levels != 4 && levels != 5))
		return false;
	geom_x86(g, levels);
	return true;
}

static bool parse_arm(struct pt_geom *g, const char *name)
{
	unsigned int kib, bits;

	if (!take_word(&name, "arm64-") || !take_number(&name, &kib) || !take_word(&name, "k-") ||
	    !take_number(&name, &bits) || *name != '\0')
		return false;
	if (kib != 4 && kib != 16 && kib != 64)
		return false;
	return geom_arm(g, kib == 4 ? 12 : kib == 16 ? 14 : 16, bits);
}

static bool parse_small(struct pt_geom *g, const char *name)
{
	unsigned int bits, levels;
	bool arm = take_word(&name, "arm64-");

	if (!arm && !take_word(&name, "ept-") && !take_word(&name, "npt-"))
		return false;
	return take_number(&name, &bits) && take_word(&name, "x") && take_number(&name, &levels) &&
	       *name == '\0' && geom_small(g, arm ? PT_ARM64 : PT_X86, bits, levels);
}

bool geom_find(const char *name, struct pt_geom *out)
{
	struct pt_geom g = { .arch = PT_X86 };

	if (strlen(name) >= sizeof(g.name))
		return false;
	if (!parse_x86(&g, name) && !parse_arm(&g, name) && !parse_small(&g, name))
		return false;
	memcpy(g.name, name, strlen(name) + 1);
	*out = g;
	return true;
}
