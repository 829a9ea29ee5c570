/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's own accesses to guest memory: emulation, steal time and the like.  They use no second-stage table:
 * a memslot gives the host address, the host's page tables decide, and a write is marked in the slot's log
 * after the copy [KVM v6.12 virt/kvm/kvm_main.c: __kvm_read_guest_page, __kvm_write_guest_page; arm64
 * pvtime.c: kvm_update_stolen_time takes the SRCU section that x86's KVM_RUN is in anyway].
 */
#include <errno.h>

#include "model/hostmm.h"
#include "model/inject.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/userfault.h"

/* No slot, or one that does not allow the access, has no host address [__gfn_to_hva_many]. */
static bool has_hva(const struct vm *vm, const struct l_kvm_access *f)
{
	uint32_t flags = vm->slots[f->slot].flags;

	return f->slot && !(flags & MEMSLOT_INVALID) && !(f->write && (flags & MEM_READONLY));
}

/*
 * As an attribute that KVM keeps, a set bit made KVM's accesses wait; a bitmap in user memory does not
 * concern them ["[RFC PATCH 00/18] KVM: Post-copy live migration for guest_memfd", July 2024].
 */
static bool must_wait(const struct ctx *c, const struct l_kvm_access *f)
{
	return c->rules->uf_uapi == UAPI_ATTR_RFC && userfault_bit(c->vm, f->slot, f->gfn) > 0;
}

static uint32_t bit_of(const struct vm *vm, const struct l_kvm_access *f)
{
	const struct memslot *s = &vm->slots[f->slot];

	g_assert(s->uf_bitmap < UINT32_MAX / 64 - s->npages / 64);
	return s->uf_bitmap * 64 + (uint32_t)(f->gfn - s->base_gfn);
}

static void leave(struct ctx *c)
{
	if (c->me->flags & ACTOR_SRCU)
		srcu_exit(c);
}

/* One page, by a vCPU's thread outside the guest.  Return: 0, -EFAULT, -EXDEV: dirty ring full. */
PROC(kvm_access)
{
	BEGIN(l_kvm_access);
	/* KVM_RUN comes back before it does anything that could overrun the ring */
	if (dirty_ring_is_full(c->vm, c->me_nr))
		RETURN(-EXDEV);
	srcu_enter(c);
	c->work.slot_lookup++;
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (!has_hva(c->vm, f)) {
		srcu_exit(c);
		RETURN(-EFAULT);
	}
	while (must_wait(c, f))
		AWAIT(W_BIT, OBJ_BITS, bit_of(c->vm, f));
	f->hva = memslot_hva(c->vm, f->slot, f->gfn);
	if (injects(c, INJ_KVM_NO_SRCU))
		srcu_exit(c);
	STEP("kvm_access:slot");
	if (f->write && injects(c, INJ_KVM_MARK_EARLY)) {
		mark_page_dirty(c, f->slot, f->gfn);
		STEP("kvm_access:early");
	}
	/* the copy faults until the host's entry grants it */
	while (hostmm_fault(c->vm, f->hva, f->write) != HF_NONE) {
		CALL(P_gup, l_gup, .hva = f->hva, .write = f->write);
		(void)gup_take(c);
		if (c->me->ret < 0) {
			leave(c);
			RETURN(-EFAULT);
		}
	}
	note(c, &(struct note){ .kind = NOTE_KVM, .gfn = f->gfn, .acc = f->write ? ACC_W : ACC_R });
	if (f->write) {
		hostmm_write(c->vm, f->hva);
		f->marks = !injects(c, INJ_KVM_MARK_EARLY);
	}
	STEP("kvm_access:copied");
	if (f->marks)
		mark_page_dirty(c, f->slot, f->gfn);
	f->marks = 0;
	STEP("kvm_access:marked");
	leave(c);
	RETURN(0);
	END;
}
