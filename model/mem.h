/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory order, where an exploration asks for it (`mem=`).  Two kinds of locations have it: the data of a
 * page as user space writes it, and the words of userfault bitmaps.  All else is sequentially consistent.
 *
 * Producer.  A store of a thread waits in the thread's store buffer; that one becomes visible is a move of
 * its own (MOVE_STORE):
 *   tso      in the order of the program
 *   armlike  in any order, but two stores to one location keep theirs, and a store-release waits for all
 *            stores before it [Arm ARM, "Barrier-ordered-before"]
 * A word of a bitmap is changed by an atomic and-not or or, which takes effect when it becomes visible.
 * A buffer is empty behind a full barrier of its thread (srcu_read_lock, srcu_read_unlock: smp_mb())
 * [Linux v6.12 kernel/rcu/srcutree.c], and before what the thread releases itself: a lock, or memslots that
 * it publishes (rcu_assign_pointer).  System calls as such order nothing, and other stores of the kernel may be
 * seen before those in the buffer, even under tso: more than the hardware does, not less.  Emptying all at once loses no
 * behaviour: that part of it was visible earlier is another order of the moves.
 *
 * Consumer, armlike only.  A vCPU thread that has found the memslot of a fault may load the page's data ahead
 * of its turn, before it loads the bit: a pick.  What was loaded is given up, and loaded again in its turn, where
 * the order of loads is kept:
 *   load-acquire of the bit                                     bitmap-read=read-acquire
 *   control dependency, store of the leaf, DSB ISHST behind it  [hyp/pgtable.c: kvm_pgtable_stage2_map]
 *   smp_mb() of srcu_read_unlock() at the end of the abort      [kernel/rcu/srcutree.c]
 *   control dependency, ISB: a guest entry synchronises context [Arm ARM, "Context synchronization event"]
 * The injections only-map-dsb, only-srcu-mb and only-entry-isb leave one of the last three, loads-unordered none.
 * A load in its turn takes what is visible.  KVM's own load of the data behind the bit is the same without
 * the last three.  tso keeps loads in order.
 *
 * Data has no value here, only history, which is what INV-DATA asks for: of a store of page data whether a
 * store that cleared the page's bit, later in its thread, has become visible before it (.due), and whether a fault
 * has seen the bit 0 since (.promised); of data loaded ahead whether it is older than such a store (.old, .due),
 * and whether the bit was seen 0 then (.bad).
 *
 * Invariants: O1 entries of a buffer are used from 0 on, the others are zero; O2 without `mem=` nothing of this
 * exists and stores take effect at once.
 *
 * SIMPLIFIED: data belongs to a host address, not to a frame.  Data that any thread has made visible counts as
 * written before a clearing store, as if threads of user space told each other.  A buffer holds MEM_STORES stores;
 * one more pushes the oldest out in the same move.  A leaf is stored in its turn (as behind the control dependency).
 */
#ifndef MODEL_MEM_H
#define MODEL_MEM_H

#include "model/engine.h"

/* mem_store_data() - user space, as actor @a, writes the page at @hva. */
void mem_store_data(struct vm *vm, uint32_t a, hva_t hva);

/* Bits of one word of a userfault bitmap that user space sets or clears. */
struct mem_bits {
	uint32_t word; /* element of the words pool */
	bool value;
	bool release;
	uint64_t mask;
};

/* mem_store_bits() - user space, as actor @a, changes bits of a word. */
void mem_store_bits(struct vm *vm, uint32_t a, const struct mem_bits *b);

/* mem_visible_next() - stores of actor @a that may become visible next: a bit an entry of its buffer. */
uint32_t mem_visible_next(const struct vm *vm, uint32_t a);

/* mem_commit() - store @k of actor @a becomes visible; @k: of mem_visible_next(). */
void mem_commit(struct vm *vm, uint32_t a, unsigned int k);

/* mem_own_word() - a word of the pool as actor @a sees it: with its own stores. */
uint64_t mem_own_word(const struct vm *vm, uint32_t a, uint32_t word);

/* mem_drain() - all stores of the acting thread become visible: it has passed a barrier, or releases. */
void mem_drain(struct ctx *c);

/* mem_pending() - whether stores of actor @a are not visible yet. */
bool mem_pending(const struct vm *vm, uint32_t a);

/* mem_load_ahead() - the acting vCPU may load the data at @hva now, ahead of its turn: a pick. */
void mem_load_ahead(struct ctx *c, hva_t hva);

/* Behind the load of the bit, what keeps other loads behind it, too. */
enum mem_place {
	MEM_MAP_DSB,
	MEM_SRCU_MB,
	MEM_ENTRY_ISB,
};

/* mem_barrier() - the acting thread passes it: what it has loaded ahead of its turn is given up. */
void mem_barrier(struct ctx *c, enum mem_place place);

/* mem_load_over() - nothing is ahead any more: the load was used, or its fault has come to nothing. */
void mem_load_over(struct ctx *c);

/* mem_bit_seen() - the acting vCPU has loaded the userfault bit of the page at @hva. */
void mem_bit_seen(struct ctx *c, hva_t hva, bool bit);

/* mem_is_stale() - a load of the data at @hva by actor @a now has less than a bit that was seen 0 promised. */
bool mem_is_stale(const struct vm *vm, uint32_t a, hva_t hva);

#endif
