/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From counted work to time.  Most work has a price of its own in the profile; what several
 * processors share (a lock's cache line, broadcast invalidations, memory bandwidth) is booked: who
 * comes while it is taken waits until it is free.
 */
#include "model/timed_priv.h"

/* counter of struct work, parameter of the profile; first what accesses inside the guest count */
#define GUEST_PRICE_LIST(X)                                                                        \
	X(walk_ref_cached, walk_ref_cached)                                                        \
	X(walk_ref_l1, walk_ref_l1)                                                                \
	X(walk_ref_l2, walk_ref_l2)                                                                \
	X(walk_ref_llc, walk_ref_llc)                                                              \
	X(walk_ref_dram, walk_ref_dram)                                                            \
	X(hw_ad_update, ad_update)                                                                 \
	X(tlb_l2_hit, tlb_l2_hit)                                                                  \
	X(access, access_base)                                                                     \
	X(access_far, data_far)
#define PRICE_LIST(X)                                                                              \
	X(pte_read, pte_read)                                                                      \
	X(pte_write, pte_write)                                                                    \
	X(pte_cmpxchg, pte_cmpxchg)                                                                \
	X(table_alloc, table_alloc)                                                                \
	X(table_free, table_free)                                                                  \
	X(split_entry, split_entry)                                                                \
	X(tlbi_ipa_local, tlbi_local)                                                              \
	X(dsb, dsb)                                                                                \
	X(cmo_lines, cmo_line)                                                                     \
	X(icache_lines, icache_line)                                                               \
	X(ipi, ipi_send)                                                                           \
	X(guest_exit, guest_exit)                                                                  \
	X(guest_entry, guest_entry)                                                                \
	X(user_exit, user_exit)                                                                    \
	X(fault_dispatch, fault_dispatch)                                                          \
	X(slot_lookup, slot_lookup)                                                                \
	X(host_walk, host_walk)                                                                    \
	X(host_fault, host_fault)                                                                  \
	X(mark_dirty, mark_dirty)                                                                  \
	X(bitmap_word, bitmap_word)                                                                \
	X(lock_op, lock_op)                                                                        \
	X(lock_write_op, lock_write_op)                                                            \
	X(vcpu_tlb_flush, tlb_flush)                                                               \
	X(pml_entry, pml_entry)                                                                    \
	X(rmap_visit, rmap_visit)

uint64_t timed_guest_price(const struct cost_profile *p, const struct work *w)
{
	uint64_t ps = w->user_ps;

#define X(counter, param) ps += w->counter * p->v[COST_##param];
	GUEST_PRICE_LIST(X)
#undef X
	return ps;
}

uint64_t timed_work_price(const struct cost_profile *p, const struct work *w)
{
	uint64_t ps = timed_guest_price(p, w);

#define X(counter, param) ps += w->counter * p->v[COST_##param];
	PRICE_LIST(X)
#undef X
	return ps;
}

/* Takes a shared thing from @at on for @ps; returns when it is done with it. */
static uint64_t book(uint64_t *free_at, uint64_t at, uint64_t ps)
{
	*free_at = max_u64(*free_at, at) + ps;
	return *free_at;
}

/* The cache line of each lock that the step touched comes from whoever had it last. */
static uint64_t charge_lines(struct timed *t, uint32_t a, uint64_t at)
{
	for (uint32_t o = OBJ_SLOTS_LOCK; o < OBJ_NR_LOCKS; o++) {
		if (!(t->ctx.locks >> o & 1) || t->line_owner[o] == a + 1)
			continue;
		if (t->line_owner[o])
			at = book(&t->line_free[o], at, t->cfg.profile->v[COST_lock_line]);
		t->line_owner[o] = a + 1;
	}
	return at;
}

static uint64_t charge_tlbi(struct timed *t, uint64_t at)
{
	const struct work *w = &t->ctx.work;
	const uint64_t *v = t->cfg.profile->v;
	uint64_t ps = (w->tlbi_ipa + w->tlbi_range + w->tlbi_stage1) * v[COST_tlbi_broadcast] +
		      w->tlbi_vmid * v[COST_tlbi_vmid];

	if (!(w->tlbi_ipa | w->tlbi_range | w->tlbi_vmid | w->tlbi_stage1))
		return at;
	return book(&t->tlbi_free, at, ps) + v[COST_tlbi_latency];
}

static uint64_t charge_zeroing(struct timed *t, uint64_t at)
{
	const uint64_t *v = t->cfg.profile->v;
	uint64_t pages = t->ctx.work.zero_page;

	if (!pages)
		return at;
	return max_u64(book(&t->zero_free, at, pages * v[COST_zero_page_all]),
		       at + pages * v[COST_zero_page]);
}

uint64_t timed_charge(struct timed *t, uint32_t a, uint64_t now)
{
	uint64_t at = now + timed_work_price(t->cfg.profile, &t->ctx.work);

	if (t->ctx.locks)
		at = charge_lines(t, a, at);
	at = charge_tlbi(t, at);
	at = charge_zeroing(t, at);
	return at;
}
