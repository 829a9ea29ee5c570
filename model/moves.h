/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can happen next when the order of steps is free: the moves of a state, and making one.
 *
 * A scenario's lines are a row of blocks: a single line, or the lines between `par` and `join`.  Within
 * a block each actor runs its own lines in order, a `choose` group in any order; the next block begins
 * when all have ended.  Where each actor stands is part of the state (struct progress), the lines are not.
 *
 * The explorer tries every move; a schedule names one after the other.  Both make them here.
 *
 * Invariants: M1 moves_list() depends on the state only; M2 making a move depends on the state and the
 * move only; M3 a state without moves is the end of the program or a deadlock, moves_done() tells which.
 *
 * SIMPLIFIED: beginning a line and its first step are one move: nothing but the line's own actor is
 * touched in between.
 */
#ifndef MODEL_MOVES_H
#define MODEL_MOVES_H

#include "model/lines.h"

enum {
	MOVES_MAX = 256,
	BLOCK_LINES_MAX = 64, /* of one actor: a bit each */
};

enum move_kind {
	MOVE_LINE,  /* actor .who begins line .k of its block */
	MOVE_STEP,  /* actor .who runs to its next boundary; .k answers its pick() */
	MOVE_ACK,   /* the interrupt sent to vCPU .who arrives, and it leaves the guest */
	MOVE_RCU,   /* a grace period begins, or ends */
	MOVE_STORE, /* store .k of actor .who's buffer becomes visible, see mem.h */
	NR_MOVE_KINDS,
};

struct move {
	uint8_t kind; /* enum move_kind */
	uint8_t who;
	uint8_t k;
};

#define MOVES_ERROR moves_error_quark()
GQuark moves_error_quark(void);

enum moves_error {
	MOVES_ERROR_LINE, /* the line has no place in a program whose order is free */
};

/* One line of one actor. */
struct move_item {
	const struct lang_line *line; /* borrowed */
	uint8_t group;                /* of a `choose`; 0: in its place */
	uint8_t of;                   /* so many lines of the group are run */
	bool fixed;                   /* the group's lines keep their order */
};

/* The program: fixed once made; the same for all copies of a VM. */
struct moves {
	struct lines lines; /* its .vm is set to the VM that moves */
	GPtrArray *blocks;  /* of GArray * of struct move_item, one an actor */
	uint32_t nr_actors;
	uint32_t first_par; /* block of the first `par`; UINT32_MAX: there is none */
};

/**
 * moves_new() - the program of @lines (struct lang_line *, borrowed), and where it begins in @vm.
 * @lines_now: what set-up lines have named; copied.
 * @vm: made with vm_cfg.free_order; its program begins.
 * Return: NULL with @error for a line that cannot stand here.
 */
struct moves *moves_new(const struct lines *lines_now, struct vm *vm, const GPtrArray *lines,
			GError **error);
void moves_free(struct moves *m);

/* moves_list() - what can happen next; MOVE_STEP with .k 0 only, see moves_make(). */
unsigned int moves_list(const struct moves *m, const struct vm *vm, struct move *out);

/**
 * moves_make() - makes a move of moves_list() in c->vm.
 * c->pick_of says afterwards how many answers a pick had: with another .k the same step goes on
 * otherwise.
 * Return: false with @error when a line cannot be run in this VM.
 */
bool moves_make(const struct moves *m, struct ctx *c, struct move mv, GError **error);

/* moves_done() - every line has been run to its end. */
bool moves_done(const struct moves *m, const struct vm *vm);

/* moves_in_order() - the move that the script driver would make: line by line, one actor at a time. */
struct move moves_in_order(const struct vm *vm, const struct move *list, unsigned int n);

/* moves_line() - the line that a move of @vm begins or carries on; NULL for a rule. */
const struct lang_line *moves_line(const struct moves *m, const struct vm *vm, struct move mv);

/* moves_actor_name() - "v0", "vmm0", "mm1", ...; @out: room for 8 bytes. */
void moves_actor_name(const struct vm *vm, uint32_t actor, char *out);

#endif
