/* SPDX-License-Identifier: Apache-2.0 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): glibc names its switch so */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include "model/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "model/vtlb.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	POOL_ALIGN = 64,
};

static size_t align_up(size_t x)
{
	return (x + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
}

/* Lays the pools out region by region; sets the pointers of @vm when @base is given. */
static size_t lay_out(const struct vm_cfg *c, struct arena *a, struct vm *vm, uint8_t *base)
{
	size_t at = 0;

	for (int region = 0; region < NR_REGIONS; region++) {
		a->region_start[region] = at;
#define X(name, type, where, n)                                                                    \
	if ((where) == region) {                                                                   \
		if (base)                                                                          \
			vm->name = (type *)(void *)(base + at);                                    \
		at += align_up(sizeof(type) * (size_t)(n));                                        \
	}
		POOL_LIST(X)
#undef X
	}
	a->region_start[NR_REGIONS] = at;
	return at;
}

struct vm *vm_new(const struct vm_cfg *cfg)
{
	struct vm *vm = g_new0(struct vm, 1);
	struct arena *a = g_new0(struct arena, 1);

	a->size = lay_out(cfg, a, vm, NULL);
	a->base = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->base == MAP_FAILED)
		g_error("cannot reserve %zu bytes of address space", a->size);
	lay_out(cfg, a, vm, a->base);
	*vm->cfg = *cfg;
	vm->arena = a;
	vm->nr_actors = vm_cfg_actors(cfg);
	vm->pt.geom = cfg->geom;
	vm->pt.fmt = cfg->rules.arch == PT_X86
			     ? &x86_fmt_get((enum x86_spte_version)cfg->rules.spte_version,
					    (enum x86_nested)cfg->rules.nested)
					->pte
			     : s2_fmt_of(&cfg->geom);
	vm->pt.head = &vm->st->pt_head;
	vm->pt.capacity = cfg->limits.nr_tables;
	vm->pt.pfn0 = 1ULL << (cfg->geom.pa_bits - cfg->geom.page_shift - 1);
	pt_init(&vm->pt);
	vm->st->next_pfn = 2ULL << cfg->geom.index_bits;
	vm->st->words_used = 1;
	for (uint32_t v = 0; v < cfg->nr_vcpus; v++) {
		vm->vcpus[v].pml_index = (uint16_t)(vm_cfg_pml(cfg) - 1);
		vm->vcpus[v].requests = cfg->rules.first_requests;
	}
	for (unsigned int as = 0; as < VM_MAX_AS; as++)
		vm->st->sets[as][0].generation = vm->st->sets[as][1].generation = as;
	return vm;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	munmap(vm->arena->base, vm->arena->size);
	g_free(vm->arena);
	g_free(vm);
}

static size_t hashed_bytes(const struct arena *a)
{
	return a->region_start[REGION_OBS] - a->region_start[REGION_STATE];
}

size_t vm_state_bytes(const struct vm *vm)
{
	return hashed_bytes(vm->arena);
}

void vm_copy(struct vm *dst, const struct vm *src)
{
	g_assert(dst->arena->size == src->arena->size);
	memcpy(dst->arena->base + dst->arena->region_start[REGION_STATE],
	       src->arena->base + src->arena->region_start[REGION_STATE], hashed_bytes(src->arena));
}

struct vm_hash vm_hash(const struct vm *vm)
{
	const struct arena *a = vm->arena;
	XXH128_hash_t h = XXH3_128bits(a->base + a->region_start[REGION_STATE], hashed_bytes(a));

	return (struct vm_hash){ .low = h.low64, .high = h.high64 };
}

/*
 * The pool is a row of blocks, each one header word (length << 1 | used) and its words.  First fit;
 * neighbours that are free are joined when passed.  Free words are zero.
 */
static uint64_t block_len(const struct vm *vm, uint32_t at)
{
	return vm->words[at] >> 1;
}

static bool block_used(const struct vm *vm, uint32_t at)
{
	return vm->words[at] & 1;
}

static void join_free(struct vm *vm, uint32_t at)
{
	for (;;) {
		uint64_t next = at + 1 + block_len(vm, at);

		if (next >= vm->st->words_used)
			break;
		if (block_used(vm, (uint32_t)next))
			return;
		vm->words[at] += (block_len(vm, (uint32_t)next) + 1) << 1;
		vm->words[next] = 0;
	}
	vm->words[at] = 0; /* the last free block is no block at all */
	vm->st->words_used = at;
}

uint32_t words_alloc(struct vm *vm, uint64_t n)
{
	uint32_t at = 1;

	while (at < vm->st->words_used) {
		uint64_t len = block_len(vm, at);

		if (!block_used(vm, at) && (len == n || len > n)) {
			if (len > n)
				vm->words[at + 1 + n] = (len - n - 1) << 1;
			vm->words[at] = n << 1 | 1;
			return at + 1;
		}
		at += (uint32_t)(1 + len);
	}
	if ((uint64_t)at + 1 + n > vm->cfg->limits.nr_words)
		return 0;
	vm->words[at] = n << 1 | 1;
	vm->st->words_used = (uint32_t)(at + 1 + n);
	return at + 1;
}

uint64_t words_len(const struct vm *vm, uint32_t first)
{
	return block_len(vm, first - 1);
}

void words_free(struct vm *vm, uint32_t first)
{
	uint32_t at = 1;

	if (first == 0)
		return;
	memset(&vm->words[first], 0, sizeof(uint64_t) * words_len(vm, first));
	vm->words[first - 1] &= ~1ULL;
	while (at < vm->st->words_used) {
		if (!block_used(vm, at))
			join_free(vm, at);
		if (at >= vm->st->words_used)
			break;
		at += (uint32_t)(1 + block_len(vm, at));
	}
}
