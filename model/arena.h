/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: one block of memory that holds a whole VM.
 *
 * Four regions, each a row of typed pools: CFG (fixed after set-up), STATE (what steps read and
 * write), GHOST (history that invariants need), OBS (statistics).  Only STATE and GHOST are hashed
 * and copied.  Elements are named by number; no pointer is ever stored in the arena, so a snapshot is
 * a copy and equality is a hash.
 *
 * Large pools reserve address space (no-reserve mapping) and cost memory only where touched.
 *
 * Invariants: dead data is zero (free slots, frames above an actor's depth, free table pages), so
 * that equal states are equal bytes.
 */
#ifndef MODEL_ARENA_H
#define MODEL_ARENA_H

#include <glib.h>

#include "model/vm.h"

enum region {
	REGION_CFG,
	REGION_STATE,
	REGION_GHOST,
	REGION_OBS,
	NR_REGIONS,
};

/* name in struct vm, element type, region, number of elements */
#define POOL_LIST(X)                                                                               \
	X(cfg, struct vm_cfg, REGION_CFG, 1)                                                       \
	X(st, struct vm_state, REGION_STATE, 1)                                                    \
	X(actors, struct actor, REGION_STATE, vm_cfg_actors(c))                                    \
	X(scratch, struct scratch, REGION_STATE, vm_cfg_actors(c))                                 \
	X(ops, struct op, REGION_STATE, vm_cfg_actors(c))                                          \
	X(progress, struct progress, REGION_STATE, c->free_order ? vm_cfg_actors(c) : 0)           \
	X(mem, struct mem_thread, REGION_STATE, vm_cfg_mem(c) ? vm_cfg_actors(c) : 0)              \
	X(vcpus, struct vcpu, REGION_STATE, c->nr_vcpus)                                           \
	X(slots, struct memslot, REGION_STATE, memslot_objects(&c->limits))                        \
	X(set_ids, uint16_t, REGION_STATE, 4ULL * c->limits.nr_slots)                              \
	X(pml, gpa_t, REGION_STATE, c->rules.pml ? (uint64_t)c->nr_vcpus *vm_cfg_pml(c) : 0)       \
	X(rings, struct ring_entry, REGION_STATE, (uint64_t)c->nr_vcpus * c->ring_entries)         \
	X(tlbs, uint64_t, REGION_STATE, c->nr_vcpus *vtlb_words(c))                                \
	X(units, struct host_unit, REGION_STATE, c->limits.nr_units)                               \
	X(pages, struct host_page, REGION_STATE, c->limits.nr_pages)                               \
	X(words, uint64_t, REGION_STATE, c->limits.nr_words)                                       \
	X(pt.meta, struct pt_meta, REGION_STATE, c->limits.nr_tables)                              \
	X(pt.entries, pte_t, REGION_STATE, (uint64_t)c->limits.nr_tables << c->geom.index_bits)    \
	X(ghost, struct ghost, REGION_GHOST, c->free_order ? 1 : 0)                                \
	X(ghost_line, struct ghost_line, REGION_GHOST, c->free_order ? vm_cfg_actors(c) : 0)

struct arena {
	uint8_t *base;
	size_t size;
	size_t region_start[NR_REGIONS + 1];
};

/**
 * vm_new() - a VM at rest: no memslots, no roots, actors idle.
 * @cfg: copied; limits must allow at least one of everything.
 * Ownership: vm_free().  The address space is reserved here; memory is touched on use.
 */
struct vm *vm_new(const struct vm_cfg *cfg);
void vm_free(struct vm *vm);

/* vm_copy() - makes @dst, created with an equal configuration, the same state as @src. */
void vm_copy(struct vm *dst, const struct vm *src);

struct vm_hash {
	uint64_t low, high;
};

/* vm_hash() - XXH3-128 of STATE and GHOST.  Cost: all bytes of both regions. */
struct vm_hash vm_hash(const struct vm *vm);

/* Bytes of the regions that are copied and hashed. */
size_t vm_state_bytes(const struct vm *vm);

/**
 * words_alloc() - n zero words of the words pool, lowest place first.
 * Return: element number, 0 when the pool has no room (the modelled ENOMEM).
 */
uint32_t words_alloc(struct vm *vm, uint64_t n);
void words_free(struct vm *vm, uint32_t first);
/* Words that words_alloc() gave out for @first. */
uint64_t words_len(const struct vm *vm, uint32_t first);

#endif
