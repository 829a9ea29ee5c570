/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory as KVM sees it: what Linux's page tables hold at an hva and what its mm does when a
 * page is touched, discarded, unmapped, protected or collapsed.  The notifiers that go with it are
 * in notifier.c; ranges that a record gives replace the model's own (struct hva_queue).
 *
 * State is kept per huge-page unit (2 MiB with 4 KiB pages) and per page only inside units that hold
 * a page table.  A new allocation takes the next of four copies of the map's frames, so that a
 * stale leaf is one whose frame differs from the host page table's.
 *
 * Invariants: H1 a HUGE or HZERO unit has no page records in use; H2 the zero page is never writable;
 * H3 hugetlb units are NONE or HUGE.
 */
#ifndef MODEL_HOSTMM_H
#define MODEL_HOSTMM_H

#include "model/engine.h"

enum {
	HOST_ZERO_PFN = 1,
};

/* Ranges of notifiers taken from a record: hva bytes, in order. */
struct hva_queue {
	const struct gfn_range *ranges; /* start, end as hva */
	unsigned int n, next;
	unsigned int mismatches; /* asked for a range that the record does not have */
};

/* What stands at one host address. */
struct host_view {
	int map;       /* -1: no mapping ever */
	uint64_t page; /* within the map */
	uint32_t unit; /* pool element */
	bool vma, vma_writable;
	bool present, writable;
	kvm_pfn_t pfn;
	unsigned int height; /* height of the host leaf */
};

struct host_view hostmm_view(const struct vm *vm, hva_t hva);

/**
 * hostmm_map_new() - a new mapping of @size bytes at the next free 1 GiB-aligned address.
 * Return: map number, -1 when a limit of the VM is reached.
 */
int hostmm_map_new(struct vm *vm, const char *name, uint64_t size, enum host_backing backing);
int hostmm_map_find(const struct vm *vm, const char *name);

/* Pool elements that a mapping of @size bytes needs. */
void hostmm_map_cost(const struct pt_geom *g, uint64_t size, uint64_t *units, uint64_t *pages);

/* What a touch of @hva makes the host do. */
enum host_fault {
	HF_NONE,   /* the entry grants the access */
	HF_PLAIN,  /* install or upgrade without a notifier */
	HF_COW,    /* copy on write: notifier over the page */
	HF_UNZERO, /* the huge zero page is split first: notifier over the unit */
	HF_UFFD,   /* wait until user space has filled the page in */
	HF_EFAULT, /* no mapping, or a write to a read-only one */
};
enum host_fault hostmm_fault(const struct vm *vm, hva_t hva, bool write);
uint32_t hostmm_page(const struct vm *vm, hva_t hva); /* its element of the page pool */
void hostmm_install(struct vm *vm, hva_t hva, bool write);
void hostmm_split_unit(struct vm *vm, hva_t hva);

bool hostmm_is_hugetlb(const struct vm *vm, hva_t hva);
bool hostmm_is_shared(const struct vm *vm, hva_t hva);
bool hostmm_is_huge_zero(const struct vm *vm, hva_t hva);

/* hva range of the huge-page unit around @hva. */
struct gfn_range hostmm_unit_range(const struct vm *vm, hva_t hva);

/* Does a range partly cover a huge unit, which must then be split?  At or after @hva, below @end. */
bool hostmm_partial_huge(const struct vm *vm, hva_t hva, struct gfn_range range);

/* End of the VMA, or of the hole, that holds @hva; at most @end. */
hva_t hostmm_vma_end(const struct vm *vm, hva_t hva, hva_t end);
bool hostmm_any_vma(const struct vm *vm, hva_t start, hva_t end);

/* A VMA boundary may stand at multiples of this: a hugetlb page, else a page. */
uint64_t hostmm_cut_bytes(const struct vm *vm, hva_t hva);

/*
 * A VMA boundary at @hva makes Linux split a huge entry around it, whether there is one or not, but
 * only below a table of units [split_huge_pmd_if_needed].
 */
bool hostmm_cut_notifies(const struct vm *vm, hva_t hva);
void hostmm_cut(struct vm *vm, hva_t hva);

/* Takes the pages out of the shared file too: the next ones are new. */
void hostmm_remove(struct vm *vm, hva_t start, hva_t end);

/* Zap, unmap, map again: state of [start, end), page aligned. */
void hostmm_discard(struct vm *vm, hva_t start, hva_t end);
void hostmm_unmap(struct vm *vm, hva_t start, hva_t end);
void hostmm_remap(struct vm *vm, hva_t start, hva_t end);

/* mprotect of a part of one VMA: the VMA, then the entries, in ranges with a notifier each. */
void hostmm_protect(struct vm *vm, hva_t start, hva_t end, bool writable);
void hostmm_protect_entries(struct vm *vm, hva_t start, hva_t end, bool writable);

/* First range at or after @at that change_protection() notifies for; empty: none is left. */
struct gfn_range hostmm_protect_range(const struct vm *vm, hva_t at, hva_t end);

/* The VMM has written through an entry that grants it. */
void hostmm_write(struct vm *vm, hva_t hva);

bool hostmm_advice_changes(const struct vm *vm, hva_t start, hva_t end, bool huge);
void hostmm_advise_huge(struct vm *vm, hva_t start, hva_t end, bool huge);

/*
 * MADV_COLLAPSE: does the VMA admit it; of one whole unit: 1 to be done, 0 already huge, -ENOENT
 * nothing there, which ends the call, -EINVAL no entry that grants write, or no table of units.
 */
bool hostmm_may_collapse(const struct vm *vm, hva_t hva);
int hostmm_can_collapse(const struct vm *vm, hva_t hva);
void hostmm_collapse(struct vm *vm, hva_t hva);

static inline uint64_t host_page_bytes(const struct vm *vm)
{
	return 1ULL << vm->cfg->geom.page_shift;
}

static inline uint64_t host_unit_bytes(const struct vm *vm)
{
	return host_page_bytes(vm) << vm->cfg->geom.index_bits;
}

/* The page that gup left in the acting actor's scratch; taken once, so that nothing stale stays. */
struct gup_page {
	kvm_pfn_t pfn;
	bool writable;
};

static inline struct gup_page gup_take(struct ctx *c)
{
	uint64_t *word = c->vm->scratch[c->me_nr].word;
	struct gup_page p = { .pfn = word[0], .writable = word[1] != 0 };

	word[0] = word[1] = 0;
	return p;
}

#endif
