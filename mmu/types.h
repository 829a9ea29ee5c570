/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address kinds, as KVM names them [KVM v6.12 include/linux/kvm_types.h], the descriptor type and
 * the few bit helpers that everything in mmu/ uses.
 *
 * gva guest virtual, gpa guest physical (IPA on Arm), gfn guest frame (gpa in pages), hva host
 * virtual, pfn host frame.  A descriptor is a one-field struct so that it cannot pass as an address.
 */
#ifndef MMU_TYPES_H
#define MMU_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gpa_t;
typedef uint64_t gfn_t;
typedef uint64_t hva_t;
typedef uint64_t kvm_pfn_t;

/* One raw descriptor in the architecture's own format. */
typedef struct {
	uint64_t v;
} pte_t;

/* Half-open range of guest frames. */
struct gfn_range {
	gfn_t start;
	gfn_t end;
};

#define BIT(n)             (1ULL << (n))
#define GENMASK(high, low) ((~0ULL >> (63 - (high))) & (~0ULL << (low)))

/* What an access wants, and what a leaf grants. */
enum access {
	ACC_R = 1,
	ACC_W = 2,
	ACC_X = 4,
	ACC_RWX = 7,
};

static inline uint64_t align_down_u64(uint64_t x, uint64_t size)
{
	return x & ~(size - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
