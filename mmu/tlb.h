/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLBs and walk caches of one processing element, in three forms behind one interface.
 *
 *   TLB_SIZED  two levels and a walk cache, sets and ways as parameters: for timed runs
 *   TLB_DROP   holds nothing: the machine that the recordings were made on forgets at each entry
 *   TLB_SET    a sorted array of all distinct entries: for exploration, where an access may use any
 *              entry that matches, or walk
 *
 * Entries are of four kinds.  Arm's names stand first, x86's second: an S2 entry is a guest-physical
 * mapping, an S2 walk entry an EPT paging-structure cache entry, a combined entry one from a linear
 * address.  x86 tags guest-physical mappings with the EPT root (EP4TA) and combined ones with VPID,
 * PCID and the root; AMD tags all with the ASID; Arm with VMID and, for stage 1, ASID.
 *
 * Sources: Arm ARM DDI 0487 "TLB maintenance instructions", "Scope of TLB maintenance", "TTL field";
 * Intel SDM vol. 3C "Caching translation information" (INVEPT, INVVPID, EPT violations); AMD APM
 * vol. 2 "TLB control".
 *
 * Invariants, checked by tlb_check()
 *   T1  an entry covers a naturally aligned span; walk entries stand above the page level
 *   T2  no two entries have the same tag (kind, context, height, page)
 *   T3  TLB_SET: entries are sorted, nothing is ever evicted
 *   T4  TLB_SIZED: what both levels hold is equal in both, each array holds an entry once, counts are
 *       exact; an entry in both levels counts as one
 *   T5  all bytes that hold no entry are zero
 *
 * All memory is the caller's: tlb_bytes() bytes, 8-byte aligned, plain data without pointers.
 * Two TLBs with equal content of form TLB_SET are equal byte by byte.
 *
 * SIMPLIFIED: stage 1 and stage 2 have the same granule.  x86's combined paging-structure caches are
 * left out: a freed guest table stays the guest's own affair.
 */
#ifndef MMU_TLB_H
#define MMU_TLB_H

#include "mmu/geom.h"
#include "mmu/work.h"

enum tlb_form {
	TLB_SIZED,
	TLB_DROP,
	TLB_SET,
};

enum tlb_kind {
	TLB_S2,       /* gfn -> frame */
	TLB_S2_WALK,  /* gfn prefix -> table page */
	TLB_S1,       /* va -> gfn, Arm only */
	TLB_COMBINED, /* va -> frame */
	TLB_NR_KINDS,
};

enum tlb_replacement {
	TLB_LRU,  /* least recently used way of the set */
	TLB_FIFO, /* oldest way of the set */
};

/* How much an invalidation removes. */
enum tlb_scope {
	TLB_STRICT,   /* exactly what the architecture requires; a wrong hint removes nothing */
	TLB_GENEROUS, /* hints are ignored, invalidation by gfn takes combined entries along */
};

enum {
	TLB_WAYS_MAX = 256,
};

/* One array: sets a power of two, 1 to TLB_WAYS_MAX ways; no sets: no array. */
struct tlb_array_cfg {
	uint16_t sets;
	uint16_t ways;
};

/*
 * Set-up of a TLB; constant afterwards.  A sized TLB is as large as the machine's: defaults of
 * tlb_cfg_sized() are 16 x 4, 128 x 12 and a walk cache of 8 x 4.
 */
struct tlb_cfg {
	uint8_t form;        /* enum tlb_form */
	uint8_t scope;       /* enum tlb_scope */
	uint8_t replacement; /* enum tlb_replacement, TLB_SIZED */
	uint8_t index_bits; /* of the geometry: an entry at height h spans 2^(index_bits * h) pages */
	uint8_t heights;    /* of the geometry */
	uint8_t contexts;   /* TLB_SIZED: contexts held at once, 1..63 */
	uint16_t capacity;                 /* TLB_SET: entries */
	struct tlb_array_cfg l1, l2, walk; /* TLB_SIZED */
};

/*
 * To whom an entry belongs; members that a machine lacks are 0.  S2 and S2 walk entries never carry
 * .asid, nor .vmid where there is a root (EPT): fills and look-ups drop them, so that one context
 * serves for all kinds.
 */
struct tlb_ctx {
	uint32_t root; /* EPT: element number of the root page, for EP4TA */
	uint16_t vmid; /* Arm VMID; Intel VPID; AMD ASID */
	uint16_t asid; /* Arm ASID or x86 PCID of the guest */
};

enum tlb_flags {
	TLB_GLOBAL = 1, /* S1, combined: matches every asid; .ctx.asid is 0 */
	TLB_CLEAN = 2,  /* D was clear: a write must walk and set it first */
};

/* One entry, as it is filled, found and visited. */
struct tlb_entry {
	uint64_t
		page; /* first page of the span: gfn (S2, S2 walk) or virtual page (S1, combined) */
	gfn_t gfn;    /* first gfn of the span; equal to .page for S2 and S2 walk */
	pte_t pte;    /* the descriptor it came from: S2's, but S1's own for TLB_S1 */
	struct tlb_ctx ctx;
	uint8_t kind;   /* enum tlb_kind */
	uint8_t height; /* the span; for S2 walk that of the table entry, at least 1 */
	uint8_t access; /* ACC_* bits that it grants; combined: AND of both stages */
	uint8_t flags;  /* enum tlb_flags */
	uint32_t spare; /* 0 */
};

_Static_assert(sizeof(struct tlb_entry) == 40, "40 bytes an entry");

/* What an access looks for. */
struct tlb_key {
	uint64_t page;
	struct tlb_ctx ctx;
	uint8_t kind;
};

enum tlb_found {
	TLB_MISS,
	TLB_HIT,
	TLB_DENIED, /* an entry matches but lacks the right: x86 walks again, Arm faults */
	TLB_DIRTY,  /* an entry matches and may write, but D must be set first: walk */
};

/* Invalidations.  IS forms are the same operation on every PE: the caller applies it to each. */
enum tlb_inv_op {
	TLB_INV_IPAS2E1,      /* one gfn or, as RIPAS2E1, .pages from .gfn on; .level may hint */
	TLB_INV_IPAS2LE1,     /* the same, last level only: walk entries stay */
	TLB_INV_VMALLE1,      /* S1 and combined of a VMID */
	TLB_INV_VMALLS12E1,   /* all of a VMID */
	TLB_INV_ALLE1,        /* all */
	TLB_INV_EPT_SINGLE,   /* INVEPT single-context: all of ctx.root */
	TLB_INV_EPT_ALL,      /* INVEPT all-context */
	TLB_INV_VPID_ADDR,    /* INVVPID individual-address: combined of VPID and .page */
	TLB_INV_VPID,         /* INVVPID single-context: combined of a VPID */
	TLB_INV_VPID_ALL,     /* INVVPID all-context */
	TLB_INV_ENTRY_NOVPID, /* VM entry or exit without VPID: combined of VPID 0 */
	TLB_INV_SVM_ASID,     /* TLB control 3: all of an ASID */
	TLB_INV_SVM_ALL,      /* TLB control 1: all */
	TLB_INV_EPT_VIOLATION, /* mappings of .gfn in ctx.root; with .has_page combined of .page too */
	TLB_NR_INV_OPS,
};

enum {
	TLB_LEVEL_NONE = 127, /* no level hint */
};

struct tlb_inv {
	gfn_t gfn;
	uint64_t pages;
	uint64_t page;
	struct tlb_ctx ctx;
	uint8_t op;   /* enum tlb_inv_op */
	int8_t level; /* Arm lookup level of the leaf, as TTL hint, or TLB_LEVEL_NONE */
	bool has_page;
};

enum tlb_keep {
	TLB_KEEP,
	TLB_REMOVE,
};

/* The arrays of a sized TLB. */
enum tlb_array {
	TLB_L1,
	TLB_L2,
	TLB_WALK,
	TLB_NR_ARRAYS,
};

/* The TLB itself: the head of the caller's block.  What follows belongs to tlb.c alone. */
struct tlb {
	uint32_t nr;                                  /* entries held */
	uint32_t nr_slots;                            /* TLB_SIZED: contexts in use */
	uint32_t at[TLB_NR_ARRAYS][GEOM_MAX_HEIGHTS]; /* TLB_SIZED: entries per array and height */
	uint32_t heights; /* TLB_SIZED: bit 8 * array + height: there are such entries */
	uint64_t words[];
};

/* tlb_cfg_sized(), tlb_cfg_drop(), tlb_cfg_set() - configurations with defaults for a geometry. */
struct tlb_cfg tlb_cfg_sized(const struct pt_geom *g);
struct tlb_cfg tlb_cfg_drop(const struct pt_geom *g);
struct tlb_cfg tlb_cfg_set(const struct pt_geom *g, uint16_t capacity);

/* tlb_cfg_check() - every member in its range. */
bool tlb_cfg_check(const struct tlb_cfg *cfg);

/* tlb_bytes() - size of the caller's block, a multiple of 8. */
size_t tlb_bytes(const struct tlb_cfg *cfg);

/* tlb_reset() - empties the TLB: all bytes of the block become zero.  Also the way to set one up. */
void tlb_reset(const struct tlb_cfg *cfg, struct tlb *t);

/**
 * tlb_fill() - enters a translation; one with the same tag is replaced.
 * @e: aligned to its height; never from a non-present entry or one with AF clear (the caller's duty).
 * Return: false when a TLB_SET is full: nothing was stored, the scope's capacity is too small.
 *         The other forms evict, or hold nothing, and return true.
 */
bool tlb_fill(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e, struct work *wk);

/**
 * tlb_probe() - looks for a translation that serves an access; smaller spans are preferred, but in
 * TLB_SIZED whatever the first level has to whatever only the second has.
 * @acc: ACC_* bits needed.  @out: the entry, unless the result is TLB_MISS; may be NULL.
 * For S2 and combined entries.  Each call counts one of tlb_hit, tlb_denied, tlb_miss.
 */
enum tlb_found tlb_probe(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_key *key,
			 unsigned int acc, struct tlb_entry *out, struct work *wk);

/**
 * tlb_match() - the @n-th entry (from 0) of the key's kind, context and page, in the order in which
 * tlb_probe() prefers them.
 * Changes nothing and counts nothing: exploration tries each one; for S2 walk entries the first is
 * where a walk may start lowest.
 * Return: false when there are not so many.
 */
bool tlb_match(const struct tlb_cfg *cfg, const struct tlb *t, const struct tlb_key *key,
	       unsigned int n, struct tlb_entry *out);

/* tlb_inv_removes() - the rule: does the invalidation have to remove this entry? */
bool tlb_inv_removes(const struct tlb_cfg *cfg, const struct tlb_inv *inv,
		     const struct tlb_entry *e);

/* tlb_invalidate() - removes all entries for which tlb_inv_removes() says so; returns how many. */
uint64_t tlb_invalidate(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_inv *inv,
			struct work *wk);

/**
 * tlb_visit() - shows each entry once, in an order that depends on the TLB's bytes only.
 * @fn: returns TLB_REMOVE to drop the entry (an eviction rule, a filter).
 */
void tlb_visit(const struct tlb_cfg *cfg, struct tlb *t,
	       enum tlb_keep (*fn)(void *arg, const struct tlb_entry *e), void *arg);

/* tlb_check() - T1 to T5; @why receives a constant sentence on failure. */
bool tlb_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why);

/*
 * Tag word: bits 63..18 the page in units of the span, 17..12 context slot, 11..10 kind, 9..7
 * height, 6 valid, 5..3 what the entry lacks (R, W, X); W lacks too while D must be set first.
 * Below, what else is known of the entry: 2 the second level holds it as well, 1 it grants W, 0 D is
 * clear.
 */
enum {
	TLB_TAG_PAGE = 18,
	TLB_TAG_SLOT = 12,
	TLB_TAG_KIND = 10,
	TLB_TAG_HEIGHT = 7,
	TLB_TAG_VALID = 6,
	TLB_TAG_LACKS = 3,
	TLB_TAG_TWIN = 2,
	TLB_TAG_WRITE = 1,
	TLB_TAG_CLEAN = 0,
	TLB_TAG_SLOT_BITS = 6,
};

/* Where an array of a sized TLB lies, in words of tlb.words[]; tlb_bank.h says how a set looks. */
struct tlb_bank {
	uint32_t start;
	uint32_t data;
	uint32_t mask;   /* sets - 1 */
	uint32_t stride; /* words of a set */
	uint32_t tags;   /* word of a set's first tag */
	uint16_t ways;   /* 0: there is no such array */
	uint16_t groups; /* words for one byte a way */
};

/*
 * A loop's access to one sized TLB for the stage-2 entries of one context, without the general
 * look-up's cost.  It holds nothing of the contents: it stays good across fills, invalidations and
 * resets, and is opened again when the block moves, or for another context.  Plain data but for its
 * two pointers, which it borrows.
 */
struct tlb_hot {
	const struct tlb_cfg *cfg;
	struct tlb *t;
	struct tlb_bank bank[TLB_NR_ARRAYS];
	struct tlb_ctx ctx; /* as S2 entries have it */
	uint32_t slot;      /* where the context stood last; looked up again when it does not */
};

enum tlb_hot_found {
	TLB_HOT_NONE, /* neither a plain hit nor a miss: nothing was changed, tlb_probe() decides */
	TLB_HOT_MISS, /* no entry covers the page: nothing was changed */
	TLB_HOT_L1,
	TLB_HOT_L2, /* copied to the first level */
};

/* tlb_hot_open() - @cfg of form TLB_SIZED; members of @ctx that S2 entries lack are ignored. */
struct tlb_hot tlb_hot_open(const struct tlb_cfg *cfg, struct tlb *t, struct tlb_ctx ctx);

/**
 * tlb_hot_probe() - a TLB_S2 look-up of @gfn for @acc (ACC_* bits).
 * Unless it returns TLB_HOT_NONE it has done to the TLB exactly what tlb_probe() would have; counting
 * is the caller's: tlb_miss, or tlb_hit and for TLB_HOT_L2 tlb_l2_hit too.
 */
enum tlb_hot_found tlb_hot_probe(struct tlb_hot *hot, gfn_t gfn, unsigned int acc);

/* tlb_hot_fill() - tlb_fill() of an S2 or S2 walk entry; @e->ctx is ignored. */
void tlb_hot_fill(struct tlb_hot *hot, const struct tlb_entry *e, struct work *wk);

/* tlb_hot_fill_new() - the same, faster, for one whose tag the TLB does not hold: after TLB_HOT_MISS. */
void tlb_hot_fill_new(struct tlb_hot *hot, const struct tlb_entry *e, struct work *wk);

/* Where a walk may start. */
struct tlb_step {
	pte_t pte;      /* the table entry */
	uint8_t height; /* at which it stands */
	uint8_t access; /* ACC_* bits that the path grants down to there */
	bool denied;    /* a lower one does not grant the access; set in any case */
};

/**
 * tlb_hot_walk() - the lowest S2 walk entry for @gfn that grants @acc; it becomes the most recent one
 * of its set.  Counts nothing.
 * Return: false when there is none.
 */
bool tlb_hot_walk(struct tlb_hot *hot, gfn_t gfn, unsigned int acc, struct tlb_step *out);

#endif
