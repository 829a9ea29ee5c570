/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An access of the guest with boundaries where the hardware's own memory accesses are: the look-up,
 * each descriptor that is read, each A or D update, and the completion.
 *
 * The CPU may use whatever its TLB still has, or walk, from the root or from a table entry that its
 * walk cache still has; which of them is a pick.  Of these only what can lead to something else is
 * offered:
 *   - a walk, unless an entry equals what is in memory: completing through that entry later is what a
 *     walk that reads the leaf now and completes later would do;
 *   - a start at a cached table entry, unless it equals the one in memory, which reads the same.
 *
 * An interrupt makes the CPU leave the guest, and what had not completed is done again after the next
 * entry.  An invalidation that takes effect on this PE starts a walk over: the DSB that follows waits for
 * accesses that used the old entries [Arm ARM "Completion of TLB maintenance instructions"; Intel SDM
 * vol. 3C: VM exits and INVEPT are serialising].
 */
#include "mmu/x86_pt.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/userfault.h"
#include "model/vcpu.h"
#include "model/vtlb.h"

static int32_t outcome(enum guest_stop stop, const struct hw_result *res)
{
	return (int32_t)((uint32_t)stop | (uint32_t)res->fault << 8 | (uint32_t)res->height << 16);
}

static uint32_t root_of(const struct ctx *c)
{
	return c->vm->st->roots[c->vm->vcpus[c->me_nr].root - 1].table;
}

/* The access has its data: loaded ahead of its turn, or now. */
static void retire(struct ctx *c, const struct hw_cursor *cur, pte_t leaf, unsigned int height)
{
	const struct pt *pt = &c->vm->pt;
	uint64_t inside = cur->gfn & (geom_pages(&pt->geom, height) - 1);

	note(c, &(struct note){ .kind = NOTE_RETIRE,
				.acc = cur->acc,
				.gfn = cur->gfn,
				.n = height,
				.pfn = pte_pfn(pt->fmt, leaf) + inside });
	mem_load_over(c);
}

/* Does memory have the entry that the CPU holds? */
static bool is_current(const struct ctx *c, const struct tlb_entry *e)
{
	const struct pt *pt = &c->vm->pt;
	uint32_t table = root_of(c);
	unsigned int h = geom_root_height(&pt->geom);

	for (; h > e->height; h--) {
		pte_t up = *pt_entry(pt, table, pt_index(pt, e->gfn, h));

		if (!pte_is_table(pt->fmt, up, h))
			return false;
		table = pt_table_of(pt, up);
	}
	return pte_eq(*pt_entry(pt, table, pt_index(pt, e->gfn, h)), e->pte);
}

/* What the CPU may do for an access: use an entry, or walk from somewhere. */
struct way {
	bool hit;
	struct tlb_entry e; /* the entry, or the table entry where the walk starts */
	bool from_root;
};

/* The @k-th way; returns how many there are. */
static unsigned int find_way(const struct ctx *c, const struct hw_cursor *cur, unsigned int k,
			     struct way *out)
{
	unsigned int ways = 0;
	bool current = false;
	struct tlb_entry e;

	for (unsigned int n = 0; vtlb_match(c, root_of(c), cur->gfn, TLB_S2, n, &e); n++) {
		if (!vtlb_serves(&e, cur->acc))
			continue;
		if (ways++ == k)
			*out = (struct way){ .hit = true, .e = e };
		current |= is_current(c, &e);
	}
	if (current)
		return ways;
	if (ways++ == k)
		*out = (struct way){ .from_root = true };
	for (unsigned int n = 0; vtlb_match(c, root_of(c), cur->gfn, TLB_S2_WALK, n, &e); n++)
		if (!is_current(c, &e) && ways++ == k)
			*out = (struct way){ .e = e };
	return ways;
}

/* Arm: an entry without the right gives a permission fault of its own, even where memory has the right. */
static bool denied_by_tlb(const struct ctx *c, const struct hw_cursor *cur, struct tlb_entry *e)
{
	return c->rules->arch == PT_ARM64 && vtlb_match(c, root_of(c), cur->gfn, TLB_S2, 0, e) &&
	       !vtlb_serves(e, cur->acc);
}

/* One memory access of the walk; the PML entry is written with the D flag. */
static void walk_step(struct ctx *c, struct l_hw *f)
{
	struct hw_mode mode = vtlb_mode(c->vm);
	uint32_t table = f->cur.table;
	uint8_t height = f->cur.height, set = f->cur.set;

	if (c->vm->pt.meta[table].state == PT_FREE)
		note(c, &(struct note){ .kind = NOTE_WARN,
					.gfn = f->cur.gfn,
					.what = "the hardware walks a freed table page" });
	(void)hw_cursor_step(&c->vm->pt, &mode, root_of(c), &f->cur, &f->res, &c->work);
	if (f->cur.set & ~set & HW_SET_DIRTY) {
		note(c, &(struct note){ .kind = NOTE_LOGGED, .gfn = f->cur.gfn });
		if (c->vm->vcpus[c->me_nr].pml_enabled)
			vcpu_log_dirty(c, f->cur.gfn);
	}
	if (f->cur.height + 1 == height)
		vtlb_fill_walk(
			c, root_of(c), f->cur.gfn, height,
			*pt_entry(&c->vm->pt, table, pt_index(&c->vm->pt, f->cur.gfn, height)));
}

/* NOLINTNEXTLINE(readability-function-size): one access, from its first read to its end */
PROC(hw_access)
{
	BEGIN(l_hw);
	if (f->cur.gfn >= geom_limit(&c->vm->cfg->geom)) {
		f->res.fault = HW_FAULT_NOT_PRESENT;
		f->res.height = (uint8_t)geom_root_height(&c->vm->cfg->geom);
		RETURN(outcome(STOP_FAULT, &f->res));
	}
	for (;;) {
		c->vm->vcpus[c->me_nr].walk_again = 0;
		if (vcpu_was_kicked(c))
			RETURN(outcome(STOP_KICK, &f->res));
		{
			struct way w = { .hit = false };
			unsigned int n = find_way(c, &f->cur, UINT32_MAX, &w);
			unsigned int k = n > 1 ? pick(c, n) : 0;

			(void)find_way(c, &f->cur, k, &w);
			if (w.hit && userfault_withheld(c, f->cur.gfn, true)) {
				f->res.fault = HW_FAULT_OVERLAY;
				RETURN(outcome(STOP_FAULT, &f->res));
			}
			if (w.hit) {
				retire(c, &f->cur, w.e.pte, w.e.height);
				RETURN(outcome(STOP_END, &f->res));
			}
			f->res = (struct hw_result){ .fault = HW_OK };
			if (w.from_root && denied_by_tlb(c, &f->cur, &w.e)) {
				f->res.fault = HW_FAULT_PERM;
				f->res.height = w.e.height;
				RETURN(outcome(STOP_FAULT, &f->res));
			}
			f->cur = w.from_root
					 ? hw_cursor_init(&c->vm->pt, root_of(c), f->cur.gfn,
							  f->cur.acc)
					 : hw_cursor_at(pt_table_of(&c->vm->pt, w.e.pte),
							w.e.height - 1U, f->cur.gfn, f->cur.acc);
		}
		while (f->res.table == 0) {
			if (f->cur.next == HW_NEXT_DIRTY && vcpu_pml_is_full(c))
				RETURN(outcome(STOP_PML_FULL, &f->res));
			walk_step(c, f);
			STEP("hw:walk");
			if (vcpu_was_kicked(c))
				RETURN(outcome(STOP_KICK, &f->res));
			if (c->vm->vcpus[c->me_nr].walk_again)
				break;
		}
		if (!c->vm->vcpus[c->me_nr].walk_again)
			break;
	}
	if (f->res.fault == HW_OK && userfault_withheld(c, f->cur.gfn, false)) {
		f->res.fault = HW_FAULT_OVERLAY;
		RETURN(outcome(STOP_FAULT, &f->res));
	}
	if (f->res.fault != HW_OK) {
		vtlb_fault(c, root_of(c), f->cur.gfn);
		RETURN(outcome(STOP_FAULT, &f->res));
	}
	vtlb_fill(c, root_of(c), f->cur.gfn, &f->res);
	retire(c, &f->cur, f->res.pte, f->res.height);
	RETURN(outcome(STOP_END, &f->res));
	END;
}
