/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants: what must never happen under any policy that claims to be right.
 *
 * Each is a named function of one move: the state before and after it, and what the step noted.  inv.def
 * lists them, with the point at which each must hold and where it is written down: I1 to I27 are properties
 * of x86's MMU, I-PT, I-TLB, I-MN, I-MS, I-DL, I-UF of arm64's, INV-* of both.
 *
 * History that an invariant needs is in struct ghost, which inv_ghost() keeps; it is part of the state, so
 * that two states with different pasts are different where the past matters.
 */
#ifndef MODEL_INV_H
#define MODEL_INV_H

#include "model/moves.h"

enum inv {
	INV_NONE,
#define X(id, name, where, applies, check, text) INV_##id,
#include "model/inv.def"
#undef X
	NR_INVS,
};

/* An entry that a move stored. */
struct leaf {
	gfn_t gfn;
	uint32_t table, index;
	uint8_t height, as_id;
	pte_t old, now; /* .old: empty in a table that was not linked */
};

/* One move that was made. */
struct transition {
	const struct vm *before;
	struct vm *after;
	const struct ctx *c; /* as moves_make() left it */
	struct move mv;
	const struct lang_line
		*line; /* the mover's, at the move's end or which the move ended; or NULL */
	/* entries of linked tables that the move changed, see inv_changes() */
	const struct leaf *changes;
	unsigned int nr_changes;
	uint64_t lints; /* bit per enum lint, when they are asked for */
};

/* What is wrong. */
struct witness {
	const char *why; /* constant sentence */
	gfn_t gfn;
	bool has_gfn;
	uint8_t actor; /* whose access or table entry it is; the mover otherwise */
};

enum {
	INV_CHANGES_MAX = 256, /* entries that a step changes: a table's, of small geometries */
};

/* inv_changes() - fills @out, room for INV_CHANGES_MAX, with what the move changed; before inv_check(). */
void inv_changes(struct transition *t, struct leaf *out);

/* inv_ghost_begin() - history as it stands when an exploration begins. */
void inv_ghost_begin(struct vm *vm);

/* inv_ghost(), inv_ghost_end() - history after a move: before and after inv_check(). */
void inv_ghost(struct transition *t);
void inv_ghost_end(struct transition *t);

/**
 * inv_check() - the first invariant of @mask (bit per enum inv) that the move breaks.
 * Return: INV_NONE when it breaks none.
 */
enum inv inv_check(const struct transition *t, uint64_t mask, struct witness *out);

/* inv_check_end() - the same for a state at the end of the program. */
enum inv inv_check_end(struct vm *vm, uint64_t mask, struct witness *out);

/* inv_applies() - those that mean something for a configuration, as a mask. */
uint64_t inv_applies(const struct vm_cfg *cfg);

const char *inv_name(enum inv i);
const char *inv_text(enum inv i);  /* a sentence */
const char *inv_where(enum inv i); /* when it must hold */
const char *inv_arch(enum inv i);  /* "x86", "arm64" or "both" */
enum inv inv_find(const char *name);

/* ---- for the files of the invariants --------------------------------------------------------- */

typedef bool (*inv_fn)(const struct transition *t, struct witness *w);

#define X(id, name, where, applies, check, text)                                                   \
	bool check(const struct transition *t, struct witness *w);
#include "model/inv.def"
#undef X

/* Bit of a gfn in struct ghost; 0 beyond what it covers. */
static inline uint64_t ghost_bit(gfn_t gfn)
{
	return gfn < GHOST_PAGES ? BIT(gfn) : 0;
}

/* Bits of a range of gfns. */
uint64_t ghost_bits(gfn_t first, uint64_t n);

/* inv_fail() - fills a witness; false, for `return inv_fail(...)`. */
bool inv_fail(struct witness *w, gfn_t gfn, const char *why);

/* inv_retired() - the access that the move completed; NULL when it completed none. */
const struct note *inv_retired(const struct transition *t);

/* ACC_* bits that a leaf grants; 0: no leaf. */
unsigned int inv_leaf_access(const struct vm *vm, pte_t e, unsigned int height);

/*
 * inv_quiet() - the vCPU uses nothing that it holds before it has flushed it: it is not inside the guest,
 * or an interrupt has stopped it there, and a flush or a reload is asked of it ("quiet", x86-mmu I2).
 */
bool inv_quiet(const struct vm *vm, uint32_t v);

/*
 * inv_unmarked() - pages that a vCPU may have written and that are in the log only when it has left the guest
 * (its PML buffer) or ended its fault; bits of gfns.
 * @leaving: of PML buffers only those whose vCPUs have left or are asked to leave the guest
 */
uint64_t inv_unmarked(const struct vm *vm, bool leaving);

/* The mover has just returned from an ioctl, without an error. */
bool inv_returned(const struct transition *t, enum lang_kind kind);

#endif
