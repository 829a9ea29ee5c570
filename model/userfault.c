/* SPDX-License-Identifier: Apache-2.0 */
#include "model/userfault.h"

#include <errno.h>

#include "model/hostmm.h"
#include "model/inject.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/notifier.h"
#include "model/procs.h"

/* ---- bits ------------------------------------------------------------------------------------ */

/* One word of user memory, then the page's bit [kvm_gfn_userfault, kvm_do_userfault]. */
int userfault_bit(const struct vm *vm, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &vm->slots[slot];
	uint64_t rel = gfn - s->base_gfn;

	if (!(s->flags & MEM_USERFAULT))
		return 0;
	if (!s->uf_bitmap && !s->uf_bad && vm->cfg->rules.uf_null_is_off)
		return 0;
	if (s->uf_bad || !s->uf_bitmap || rel / 64 >= words_len(vm, s->uf_bitmap))
		return -EFAULT;
	return (int)(vm->words[s->uf_bitmap + rel / 64] >> (rel % 64) & 1);
}

/* KVM_MEM_EXIT_ON_MISSING: the host's page table answers, without resolving anything. */
static bool is_missing(const struct vm *vm, uint32_t slot, gfn_t gfn, bool write)
{
	return (vm->slots[slot].flags & MEM_USERFAULT) &&
	       hostmm_fault(vm, memslot_hva(vm, slot, gfn), write) != HF_NONE;
}

int userfault_test(struct ctx *c, uint32_t slot, gfn_t gfn, bool write)
{
	int bit;

	if (c->rules->uf_uapi == UAPI_EXIT_ON_MISSING)
		return is_missing(c->vm, slot, gfn, write);
	if (injects(c, INJ_UF_IGNORED))
		return 0;
	bit = userfault_bit(c->vm, slot, gfn);
	if (c->vm->slots[slot].flags & MEM_USERFAULT)
		mem_bit_seen(c, memslot_hva(c->vm, slot, gfn), bit != 0);
	return bit < 0 && c->rules->uf_read_error == UF_ERR_AS_USERFAULT ? 1 : bit;
}

void userfault_clear(struct ctx *c, uint32_t slot, gfn_t gfn)
{
	const struct memslot *s = &c->vm->slots[slot];
	uint64_t rel = gfn - s->base_gfn;

	if (s->uf_bitmap && rel / 64 < words_len(c->vm, s->uf_bitmap))
		mem_store_bits(c->vm, c->me_nr,
			       &(struct mem_bits){ .word = s->uf_bitmap + (uint32_t)(rel / 64),
						   .mask = BIT(rel % 64),
						   .release = true });
}

unsigned int userfault_max_height(const struct vm *vm, uint32_t slot, gfn_t gfn, unsigned int max)
{
	unsigned int h = 0;

	if (vm->cfg->rules.uf_size != UF_SIZE_IF_CLEAR || !(vm->slots[slot].flags & MEM_USERFAULT))
		return max;
	for (; h < max; h++) {
		gfn_t at = geom_base(&vm->cfg->geom, gfn, h + 1);
		gfn_t end = at + geom_pages(&vm->cfg->geom, h + 1);

		while (at < end && userfault_bit(vm, slot, at) == 0)
			at++;
		if (at < end)
			break;
	}
	return h;
}

/* ---- zapping what is asked for --------------------------------------------------------------- */

/* The next pages of the slot from f->end on whose bit is 1, or cannot be read; false: none. */
static bool next_run(const struct vm *vm, struct l_range *f)
{
	const struct memslot *s = &vm->slots[f->slot];
	gfn_t end = s->base_gfn + s->npages;

	for (f->start = f->end; f->start < end && userfault_bit(vm, f->slot, f->start) == 0;)
		f->start++;
	for (f->end = f->start; f->end < end && userfault_bit(vm, f->slot, f->end) != 0;)
		f->end++;
	return f->start < f->end;
}

/*
 * Zaps the pages of the slot whose bit is 1.  On a commit no fault is left that found the old slot; at
 * any other time (f->flag) faults that have read a bit before must look again.
 */
PROC(zap_userfault)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	if (f->flag && !injects(c, INJ_RESCAN_NO_SEQ))
		c->vm->st->mmu_invalidate_seq++;
	f->end = c->vm->slots[f->slot].base_gfn;
	while (next_run(c->vm, f)) {
		CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = f->start,
		     .end = f->end - injects(c, INJ_SELECTIVE_SHORT));
		f->hit |= c->me->ret > 0;
	}
	if (f->hit && c->rules->arch == PT_X86)
		CALL(P_flush_remote_tlbs, l_req, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	RETURN(0);
	END;
}

/* An ioctl that nobody has written: user space has set bits of a slot whose flag is on already. */
PROC(rescan_userfault)
{
	BEGIN(l_range);
	if (c->rules->uf_uapi != UAPI_RESCAN)
		RETURN(-ENOTTY);
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	mem_drain(c); /* the bits that its caller has set are what it is about */
	f->as = (uint8_t)(c->vm->ops[c->me_nr].slot >> 16);
	f->slot = f->as < c->rules->nr_as
			  ? memslot_by_id(c->vm, f->as, memslots_active(c->vm, f->as),
					  (uint16_t)c->vm->ops[c->me_nr].slot)
			  : 0;
	f->hit = f->slot && (c->vm->slots[f->slot].flags & MEM_USERFAULT);
	if (f->hit)
		CALL(P_zap_userfault, l_range, .slot = f->slot, .flag = 1);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(f->hit ? 0 : -ENOENT);
	END;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* Part of the slot that bits [first, first + n) of a bitmap cover, in f->start, f->end. */
static void part_of_slot(const struct vm *vm, const struct op *op, struct l_range *f)
{
	const struct memslot *s = &vm->slots[f->slot];

	f->start = s->base_gfn + min_u64(op->first, s->npages);
	f->end = s->base_gfn + min_u64(op->first + op->n, s->npages);
}

/* Next slot, in the order of gfns, whose attributes the bitmap of the line holds; 0 none. */
static uint32_t next_slot_of(const struct vm *vm, struct l_range *f, uint32_t bitmap)
{
	for (; f->as < vm->cfg->rules.nr_as; f->as++, f->i = 0) {
		unsigned int set = memslots_active(vm, f->as);

		while (f->i < vm->st->sets[f->as][set].count) {
			uint32_t slot = memslots_ids(vm, f->as, set)[f->i++];

			if (vm->slots[slot].uf_bitmap == bitmap)
				return slot;
		}
	}
	return 0;
}

static void store_bits(struct vm *vm, const struct op *op)
{
	for (uint64_t p = op->first; p < op->first + op->n; p++) {
		uint64_t *word = &vm->words[op->uf_bitmap + p / 64];

		*word = op->kind ? *word | BIT(p % 64) : *word & ~BIT(p % 64);
	}
}

/*
 * The bits as an attribute of pages that KVM keeps: begin of an invalidation, zap, store, end; faults in
 * between retry ["[RFC PATCH 00/18] KVM: Post-copy live migration for guest_memfd", July 2024;
 * KVM v6.12 virt/kvm/kvm_main.c: kvm_vm_set_mem_attributes].
 * SIMPLIFIED: attributes are those of the slots with the bitmap, and the invalidation covers all gfns.
 */
PROC(set_attributes)
{
	BEGIN(l_range);
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	lock_take_write(c, OBJ_MMU_LOCK);
	if (!injects(c, INJ_ATTR_NO_BEGIN))
		mmu_invalidate_begin(c->vm, 0, UINT64_MAX);
	while ((f->slot = next_slot_of(c->vm, f, c->vm->ops[c->me_nr].uf_bitmap)) != 0) {
		part_of_slot(c->vm, &c->vm->ops[c->me_nr], f);
		CALL(P_unmap_gfn_range, l_range, .slot = f->slot, .start = f->start, .end = f->end);
		f->hit |= c->me->ret > 0;
	}
	if (f->hit && c->rules->arch == PT_X86)
		CALL(P_flush_remote_tlbs, l_req, 0);
	lock_drop_write(c, OBJ_MMU_LOCK);
	STEP("set_attributes:zapped");
	store_bits(c->vm, &c->vm->ops[c->me_nr]);
	wake(c, OBJ_BITS);
	STEP("set_attributes:stored");
	AWAIT(W_LOCK_W, OBJ_MMU_LOCK, 0);
	if (!injects(c, INJ_ATTR_NO_BEGIN))
		mmu_invalidate_end(c->vm);
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(0);
	END;
}

/* ---- the permission overlay ------------------------------------------------------------------ */

static bool has_overlay(const struct rules *r)
{
	return r->uf_inval == UF_INV_PERM_REAP || r->uf_inval == UF_INV_PERM_REAP_TLB;
}

bool userfault_overlay_alloc(struct vm *vm, uint32_t old, uint32_t now)
{
	struct memslot *s = &vm->slots[now];

	if (!has_overlay(&vm->cfg->rules) || !(s->flags & MEM_USERFAULT))
		return true;
	if (old && s->base_gfn == vm->slots[old].base_gfn)
		s->reap = vm->slots[old].reap;
	if (s->reap)
		return true;
	s->reap = words_alloc(vm, bitmap_words(s->npages));
	vm->st->nr_reaped += s->reap != 0;
	return s->reap != 0;
}

void userfault_overlay_free(struct vm *vm, uint32_t old, uint32_t now)
{
	uint32_t reap = vm->slots[old].reap;

	if (!reap || (now && vm->slots[now].reap == reap))
		return;
	words_free(vm, reap);
	vm->st->nr_reaped--;
}

bool userfault_withheld(const struct ctx *c, gfn_t gfn, bool tlb_hit)
{
	uint32_t slot;
	uint64_t rel;

	if (!c->vm->st->nr_reaped || (tlb_hit && c->rules->uf_inval == UF_INV_PERM_REAP_TLB))
		return false;
	slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, gfn);
	if (!slot || !c->vm->slots[slot].reap)
		return false;
	rel = gfn - c->vm->slots[slot].base_gfn;
	return c->vm->words[c->vm->slots[slot].reap + rel / 64] >> (rel % 64) & 1;
}

PROC(act_reap)
{
	BEGIN(l_range);
	for (f->i = 0; f->i < c->vm->slots[f->slot].npages; f->i++)
		c->vm->words[c->vm->slots[f->slot].reap + f->i / 64] |= BIT(f->i % 64);
	STEP("act_reap:withdrawn");
	RETURN(0);
	END;
}

/* The overlay has denied an access: user space is asked, or the page gets its rights back. */
PROC(overlay_fault)
{
	BEGIN(l_fault);
	if (c->rules->arch == PT_ARM64)
		srcu_enter(c);
	emit(c,
	     &(struct event){ .kind = EV_CALL, .name = CALL_OVERLAY_FAULT, .gfn = f->gfn, .n = 1 });
	c->stats.pf_taken += c->rules->arch == PT_X86;
	c->work.fault_dispatch++;
	c->work.slot_lookup++;
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (f->slot && !(f->err & PFERR_WRITE))
		mem_load_ahead(c, memslot_hva(c->vm, f->slot, f->gfn));
	STEP("overlay_fault:slot");
	f->result = RET_PF_RETRY;
	if (f->slot && c->vm->slots[f->slot].reap) {
		int bit = userfault_test(c, f->slot, f->gfn, (f->err & PFERR_WRITE) != 0);

		f->result = (int8_t)(bit < 0 ? bit : bit ? RET_PF_USER : RET_PF_FIXED);
	}
	if (f->result == RET_PF_FIXED) {
		STEP("overlay_fault:bit");
		c->vm->words[c->vm->slots[f->slot].reap +
			     (f->gfn - c->vm->slots[f->slot].base_gfn) / 64] &=
			~BIT((f->gfn - c->vm->slots[f->slot].base_gfn) % 64);
		c->stats.pf_fixed += c->rules->arch == PT_X86;
	}
	if (c->rules->arch == PT_ARM64)
		srcu_exit(c);
	RETURN(f->result);
	END;
}
