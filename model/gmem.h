/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_memfd: files whose pages only the guest sees, which slots they are bound to, and which gfns are
 * private, that is to be served from there [KVM v6.12 virt/kvm/guest_memfd.c].  x86 only.
 *
 * A file is a struct host_map that nobody has mapped: its addresses stand for offsets.  Its bindings are a
 * word a page in the words pool, the slot object that the page belongs to.
 */
#ifndef MODEL_GMEM_H
#define MODEL_GMEM_H

#include "model/engine.h"

enum {
	GMEM_GFNS_MAX = 1 << 22, /* attributes of gfns are kept below this one */
};

/* gmem_supported() - the VM has private memory [kvm_arch_has_private_mem]. */
static inline bool gmem_supported(const struct rules *r)
{
	return r->gmem != GMEM_NONE && r->tdp_mmu && !r->retry_by_hva;
}

static inline bool gmem_is_private(const struct vm *vm, gfn_t gfn)
{
	uint32_t bits = vm->st->private_bits;

	return bits && gfn / 64 < words_len(vm, bits) &&
	       (vm->words[bits + gfn / 64] >> gfn % 64 & 1);
}

/* gmem_is_lost() - a private gfn of a slot that has lost its file: nobody can say what backs it (INV-GMEM). */
static inline bool gmem_is_lost(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	return (vm->slots[slot].flags & MEM_GUEST_MEMFD) && !vm->slots[slot].gmem &&
	       gmem_is_private(vm, gfn);
}

/* gmem_gfns() - so many gfns can be private. */
uint64_t gmem_gfns(const struct vm *vm);

/* gmem_attributes_new() - room for the attributes, if there is none yet; false: not enough of it. */
bool gmem_attributes_new(struct vm *vm);

/* memslot_backing() - place in host memory that a gfn is served from: in the slot's file if it is private. */
hva_t memslot_backing(const struct vm *vm, uint32_t slot, gfn_t gfn);

/* gmem_bound() - slot object that page @page of file @map is bound to; 0 none. */
uint32_t gmem_bound(const struct vm *vm, uint32_t map, uint64_t page);

/*
 * gmem_bind() - binds a new slot object to the file that the ioctl names; @old: one whose pages it takes over.
 * Return: 0 or -errno, with nothing changed.
 */
int gmem_bind(struct vm *vm, const struct op *op, uint32_t slot, uint32_t old);

/* gmem_unbind() - the pages that are bound to @slot are bound to @to, 0 nothing. */
void gmem_unbind(struct vm *vm, uint32_t slot, uint32_t to);

/* gmem_get_page() - the file's page of a private gfn, as gup leaves its own, or -errno. */
int gmem_get_page(struct ctx *c, uint32_t slot, gfn_t gfn);

#endif
