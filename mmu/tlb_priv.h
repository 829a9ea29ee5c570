/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the TLB only: identity of entries, and the sized form (tlb_sized.c) as
 * tlb.c and tlb_inv.c see it.
 */
#ifndef MMU_TLB_PRIV_H
#define MMU_TLB_PRIV_H

#include "mmu/tlb.h"

enum {
	TLB_CLASS_S2, /* S2 and S2 walk */
	TLB_CLASS_S1, /* S1 and combined */
	TLB_NR_CLASSES,
};

/* Identity of an entry: two entries never share it. */
struct ident {
	uint64_t page;
	struct tlb_ctx ctx;
	uint8_t kind;
	uint8_t height;
	bool global;
};

/* One way of one set. */
struct place {
	unsigned int array; /* enum tlb_array */
	uint32_t set;
	uint32_t way;
};

/* Which entries to remove. */
struct filter {
	enum tlb_keep (*fn)(void *arg, const struct tlb_entry *e);
	void *arg;
	/* sized form: only entries whose tag word agrees in these bits are asked about */
	uint64_t tag_mask, tag;
	/* and, of S2 and S2 walk entries, only those that meet these pages; 0 pages: all */
	uint64_t first, pages;
};

static inline unsigned int class_of(unsigned int kind)
{
	return kind == TLB_S1 || kind == TLB_COMBINED ? TLB_CLASS_S1 : TLB_CLASS_S2;
}

static inline uint64_t span_of(const struct tlb_cfg *cfg, unsigned int height)
{
	return 1ULL << (cfg->index_bits * height);
}

static inline bool ctx_eq(struct tlb_ctx a, struct tlb_ctx b)
{
	return a.root == b.root && a.vmid == b.vmid && a.asid == b.asid;
}

static inline struct ident ident_of(const struct tlb_entry *e)
{
	return (struct ident){ e->page, e->ctx, e->kind, e->height, (e->flags & TLB_GLOBAL) != 0 };
}

/* tlb_ctx_for() - the members of a context that tag entries of this kind. */
struct tlb_ctx tlb_ctx_for(unsigned int kind, struct tlb_ctx ctx);

/* A context in use of the sized form; its number stands in the tag words.  All zero while unused. */
struct slot {
	struct tlb_ctx ctx;
	uint32_t refs;   /* entries that name it; what both levels hold is one */
	uint32_t global; /* entries of every asid */
};

/* Bytes of the sized form behind the head. */
size_t sized_bytes(const struct tlb_cfg *cfg);

/* sized_bank() - where an array lies. */
struct tlb_bank sized_bank(const struct tlb_cfg *cfg, unsigned int array);

/* sized_slot() - number of the context of an entry; cfg->contexts when it holds none. */
uint32_t sized_slot(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id);

/* sized_tag() - tag word without what lies below TLB_TAG_VALID; sized_tag_attr() - those, but the twin. */
uint64_t sized_tag(const struct tlb_cfg *cfg, const struct ident *id, uint32_t slot);
uint64_t sized_tag_attr(const struct tlb_entry *e);

/* Word of the tag of a way. */
static inline size_t tlb_tag_at(const struct tlb_cfg *cfg, struct place p)
{
	struct tlb_bank b = sized_bank(cfg, p.array);

	return b.start + (size_t)p.set * b.stride + b.tags + p.way;
}

/* sized_fill() - enters @e, whose context is already that of its kind. */
void sized_fill(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e,
		struct work *wk);

/* sized_find() - the place of an entry in array @p->array. */
bool sized_find(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id,
		struct place *p);

/* sized_is_twin() - @p is in the second level, and the first holds the entry too. */
bool sized_is_twin(const struct tlb_cfg *cfg, const struct tlb *t, struct place p);

struct tlb_entry sized_entry(const struct tlb_cfg *cfg, const struct tlb *t, struct place p);

/* sized_touch() - a hit at @p: the entry is the most recent one of the first level, and where it was. */
void sized_touch(const struct tlb_cfg *cfg, struct tlb *t, struct place p, struct work *wk);

/* sized_filter() - over all entries of the classes; visits occupied sets only. */
uint64_t sized_filter(const struct tlb_cfg *cfg, struct tlb *t, const bool *classes,
		      const struct filter *f);

/* sized_filter_page() - over the sets that can hold an entry for this page. */
uint64_t sized_filter_page(const struct tlb_cfg *cfg, struct tlb *t, uint64_t page,
			   const struct filter *f);

/* list_filter() - over the sorted list of TLB_SET. */
uint64_t list_filter(struct tlb *t, const struct filter *f);

/* tlb_entry_check() - T1; sized_check() - T1, T2, T4, T5 of the sized form. */
bool tlb_entry_check(const struct tlb_cfg *cfg, const struct tlb_entry *e, const char **why);
bool sized_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why);

#endif
