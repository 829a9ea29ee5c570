/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs: KVM_RUN, guest entry and exit, the accesses of a guest step, PML
 * [KVM v6.1, v6.12 arch/x86/kvm/x86.c: vcpu_enter_guest; vmx.c: vmx_flush_pml_buffer].
 *
 * Hardware walks run without boundaries here, in the grain of the recorder's
 * emulators, which drop the guest's TLB at every entry and exit: an access is a walk.
 */
#include "model/vcpu.h"

#include <errno.h>

#include "mmu/walk2d.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/userfault.h"
#include "model/vtlb.h"

enum {
	HINT_TABLES = 2048, /* 8 MiB of table pages */
};

static const gfn_t code_gfn = 0xe0000;

const char guest_access_label[] = "guest:access";

void vcpu_log_dirty(struct ctx *c, gfn_t gfn)
{
	struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];

	c->vm->pml[(size_t)c->me_nr * vm_cfg_pml(c->vm->cfg) + vcpu->pml_index] =
		gfn_to_gpa(&c->vm->cfg->geom, gfn);
	vcpu->pml_index--; /* below 0 it wraps: the buffer is full */
}

bool vcpu_pml_is_full(const struct ctx *c)
{
	const struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];

	return vcpu->pml_enabled && vcpu->pml_index >= vm_cfg_pml(c->vm->cfg);
}

/* One access without a TLB that would serve it: the walk, A and D, the PML entry. */
static enum guest_stop walk_access(struct ctx *c, gfn_t gfn, unsigned int acc,
				   struct hw_result *res)
{
	struct vm *vm = c->vm;
	struct vcpu *vcpu = &vm->vcpus[c->me_nr];
	struct hw_mode mode = vtlb_mode(vm);
	uint32_t root = vm->st->roots[vcpu->root - 1].table;
	struct hw_cursor cur = hw_cursor_init(&vm->pt, root, gfn, acc);

	do {
		if (cur.next == HW_NEXT_DIRTY && vcpu_pml_is_full(c))
			return STOP_PML_FULL;
	} while (hw_cursor_step(&vm->pt, &mode, root, &cur, res, &c->work) == HW_STEP_MORE);
	if (res->fault != HW_OK) {
		vtlb_fault(c, root, gfn);
		return STOP_FAULT;
	}
	vtlb_fill(c, root, gfn, res);
	c->work.access_far++;
	if (res->set_dirty && vcpu->pml_enabled)
		vcpu_log_dirty(c, gfn);
	return STOP_END;
}

static struct guest_access access_of(const struct ctx *c, uint64_t i)
{
	const struct access_file *file = c->access_files ? &c->access_files[c->me_nr] : NULL;

	return access_at(&c->vm->ops[c->me_nr], file, i, c->vm->cfg->geom.page_shift);
}

/*
 * Who misses once tends to miss again: what the next walk will read may come from memory meanwhile.  Not
 * worth it while the tables fit a cache (measured: 1 GiB mapped by 4 KiB 5 % slower, 64 GiB 29 % faster).
 */
static void hint_next(const struct ctx *c, const struct vtlb_hw *hw)
{
	const struct actor *me = c->me;
	const struct l_run *f = (const struct l_run *)(const void *)me->fr[me->depth - 1].loc;
	gfn_t gfn;

	if (c->vm->pt.head->nr_live < HINT_TABLES)
		return;
	gfn = gpa_to_gfn(&c->vm->cfg->geom, access_of(c, f->i + 1).gpa);
	if (gfn < geom_limit(&c->vm->pt.geom))
		hw_translate_hint(&hw->x, gfn);
}

/*
 * The same for a CPU with caches.  SIMPLIFIED: while the PML buffer is full, walks for writes go past the
 * data caches, which makes some hundred references free.
 */
static enum guest_stop cached_access(struct ctx *c, struct vtlb_hw *hw, gfn_t gfn, unsigned int acc,
				     struct hw_result *res)
{
	const struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];
	enum hw_fault fault = HW_OK;

	switch (tlb_hot_probe(&hw->hot, gfn, acc)) {
	case TLB_HOT_L2:
		c->work.tlb_l2_hit++;
		c->work.access_far++;
		c->work.tlb_hit++;
		return STOP_END;
	case TLB_HOT_L1:
		c->work.tlb_hit++;
		return STOP_END;
	case TLB_HOT_MISS:
		c->work.tlb_miss++;
		hint_next(c, hw);
		if (acc == ACC_W && vcpu_pml_is_full(c))
			return walk_access(c, gfn, acc, res);
		fault = hw_translate_fill(&hw->x, gfn, acc, res, &c->work);
		break;
	case TLB_HOT_NONE:
		if (vtlb_hit(c, hw->root, gfn, acc) != VTLB_NONE)
			return STOP_END;
		if (acc == ACC_W && vcpu_pml_is_full(c))
			return walk_access(c, gfn, acc, res);
		fault = hw_translate(&hw->x, gfn, acc, res, &c->work);
		if (fault == HW_OK) {
			struct tlb_entry e = hw_leaf_entry(&hw->x, gfn, res);

			tlb_hot_fill(&hw->hot, &e, &c->work);
		}
		break;
	}
	if (fault != HW_OK)
		return STOP_FAULT;
	c->work.access_far++;
	if (res->set_dirty && vcpu->pml_enabled)
		vcpu_log_dirty(c, gfn);
	return STOP_END;
}

static enum guest_stop guest_access(struct ctx *c, gfn_t gfn, unsigned int acc,
				    struct hw_result *res)
{
	struct vtlb_hw *hw = vtlb_hw_open(c);
	struct vm *vm = c->vm;

	if (gfn >= geom_limit(&vm->pt.geom)) {
		/* beyond what the table can translate: stops at the root */
		*res = (struct hw_result){ .fault = HW_FAULT_NOT_PRESENT,
					   .height = (uint8_t)geom_root_height(&vm->pt.geom) };
		return STOP_FAULT;
	}
	if (hw)
		return cached_access(c, hw, gfn, acc, res);
	switch (vtlb_hit(c, vm->st->roots[vm->vcpus[c->me_nr].root - 1].table, gfn, acc)) {
	case VTLB_L2:
		c->work.access_far++;
		return STOP_END;
	case VTLB_L1:
		return STOP_END;
	case VTLB_NONE:
		break;
	}
	return walk_access(c, gfn, acc, res);
}

/* x86 error bits, or for arm64 PRESENT for a permission fault. */
static uint32_t fault_bits(const struct ctx *c, const struct hw_result *res, unsigned int acc)
{
	uint32_t err = 0;

	if (acc == ACC_W)
		err |= PFERR_WRITE;
	if (acc == ACC_X)
		err |= PFERR_FETCH;
	if (c->rules->arch == PT_X86 && (c->rules->nested == X86_NPT || acc == ACC_R))
		err |= PFERR_USER;
	if (res->fault == HW_FAULT_PERM)
		err |= PFERR_PRESENT;
	if (res->fault == HW_FAULT_MISCONFIG)
		err |= PFERR_RSVD;
	if (res->fault == HW_FAULT_OVERLAY)
		err |= PFERR_OVERLAY;
	return err;
}

/* Page and kind of the guest's next access; false: there is none. */
static bool next_access(const struct ctx *c, struct l_run *f)
{
	const struct op *op = &c->vm->ops[c->me_nr];

	if (c->vm->cfg->code && !f->fetched) {
		f->gfn = code_gfn;
		f->acc = ACC_X;
	} else if (f->i < op->n && !c->vm->vcpus[c->me_nr].stop_spin) {
		struct guest_access a = access_of(c, f->i);

		f->gfn = gpa_to_gfn(&c->vm->cfg->geom, a.gpa);
		f->acc = (uint8_t)a.acc;
	} else {
		return false;
	}
	return true;
}

static void access_done(struct ctx *c, struct l_run *f)
{
	if (f->fetched || !c->vm->cfg->code) {
		f->i++;
		c->work.access++;
		c->work.user_ps += c->vm->ops[c->me_nr].think_ps;
	}
	f->fetched = c->vm->cfg->code;
}

/* What P_hw_access found of the access f->gfn. */
static enum guest_stop take_outcome(struct ctx *c, struct l_run *f)
{
	struct hw_outcome o = hw_outcome_of(c->me->ret);
	struct hw_result res = { .fault = (enum hw_fault)o.fault, .height = o.height };

	if (o.stop == STOP_FAULT) {
		f->fault = fault_bits(c, &res, f->acc);
		f->height = o.height;
	} else if (o.stop == STOP_END) {
		access_done(c, f);
		return STOP_MORE;
	}
	return (enum guest_stop)o.stop;
}

/* The permission overlay denies the access, if a TLB entry does not have the right still. */
static bool is_denied(const struct ctx *c, gfn_t gfn, unsigned int acc)
{
	uint32_t root = c->vm->st->roots[c->vm->vcpus[c->me_nr].root - 1].table;
	struct tlb_entry e;
	bool hit = false;

	if (!c->vm->st->nr_reaped)
		return false;
	for (unsigned int n = 0; vtlb_match(c, root, gfn, TLB_S2, n, &e); n++)
		hit |= vtlb_serves(&e, acc);
	return userfault_withheld(c, gfn, hit);
}

/* Runs the guest for a step's worth of accesses, until they are done or one of them leaves the guest. */
static enum guest_stop run_guest(struct ctx *c, struct l_run *f)
{
	struct hw_result res = { .fault = HW_OK };
	enum guest_stop stop;

	for (uint32_t budget = c->vm->cfg->guest_budget; budget > 0; budget--) {
		if (!next_access(c, f))
			return STOP_END;
		if (is_denied(c, f->gfn, f->acc)) {
			res = (struct hw_result){ .fault = HW_FAULT_OVERLAY };
			stop = STOP_FAULT;
		} else {
			stop = guest_access(c, f->gfn, f->acc, &res);
		}
		if (stop == STOP_FAULT) {
			f->fault = fault_bits(c, &res, f->acc);
			f->height = res.height;
		}
		if (stop != STOP_END)
			return stop;
		access_done(c, f);
	}
	return STOP_MORE;
}

/* Handles requests, loads a root, enters.  Return: 0 in the guest, -EXDEV: dirty ring full. */
PROC(vcpu_enter)
{
	BEGIN(l_req);
	for (;;) {
		f->req = c->vm->vcpus[c->me_nr].requests;
		if ((f->req & REQ_DIRTY_RING_SOFT_FULL) && dirty_ring_is_full(c->vm, c->me_nr))
			RETURN(-EXDEV);
		if (f->req & REQ_MMU_FREE_OBSOLETE_ROOTS) {
			/* bits are taken one by one: a flush that comes meanwhile is done below */
			c->vm->vcpus[c->me_nr].requests &= ~(uint32_t)REQ_MMU_FREE_OBSOLETE_ROOTS;
			CALL(P_free_obsolete_root, l_req, 0);
			f->req = c->vm->vcpus[c->me_nr].requests;
		}
		if (!injects(c, INJ_REQUESTS_TWICE))
			c->vm->vcpus[c->me_nr].requests = 0;
		if (f->req & REQ_TLB_FLUSH) {
			c->stats.tlb_flush++;
			vtlb_flush(c, c->me_nr);
		}
		if (f->req & REQ_TLB_FLUSH_GUEST)
			c->stats.tlb_flush++; /* before the first entry: nothing to lose */
		if (f->req & REQ_UPDATE_CPU_DIRTY_LOGGING) {
			emit(c, &(struct event){ .kind = EV_CALL,
						 .name = CALL_UPDATE_CPU_DIRTY_LOGGING });
			c->vm->vcpus[c->me_nr].pml_enabled = c->vm->st->nr_memslots_dirty_logging >
							     injects(c, INJ_PML_OFF_BY_ONE);
		}
		f->req = 0;
		if (!c->vm->vcpus[c->me_nr].root)
			CALL(P_load_root, l_req, 0);
		STEP("vcpu_enter:requests");
		if (injects(c, INJ_REQUESTS_TWICE))
			c->vm->vcpus[c->me_nr].requests = 0;
		c->vm->vcpus[c->me_nr].mode = IN_GUEST_MODE;
		if (c->rules->arch == PT_X86)
			srcu_exit(c);
		STEP("vcpu_enter:mode");
		if (injects(c, INJ_SKIP_ENTRY_CHECK) ||
		    (!c->vm->vcpus[c->me_nr].requests &&
		     c->vm->vcpus[c->me_nr].mode == IN_GUEST_MODE)) {
			c->work.guest_entry++;
			mem_barrier(c, MEM_ENTRY_ISB);
			RETURN(0);
		}
		vcpu_set_outside(c);
		if (c->rules->arch == PT_X86)
			srcu_enter(c);
	}
	END;
}

static void mark_from_pml(struct ctx *c, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(&c->vm->cfg->geom, gpa);
	uint32_t slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, gfn);

	c->work.pml_entry++;
	emit(c, &(struct event){ .kind = EV_PML_DIRTY,
				 .vcpu = c->me_nr,
				 .gfn = gfn,
				 .n = 1,
				 .a = c->rules->pml_drain_upward });
	if (slot)
		mark_page_dirty(c, slot, gfn);
}

/*
 * Drains the PML buffer.  The CPU fills it from index 511 down; 6.1 and 6.12 read from the index
 * upwards, the newest entry first, later kernels in the order of writing.
 */
static void drain_pml(struct ctx *c)
{
	struct vcpu *vcpu = &c->vm->vcpus[c->me_nr];
	unsigned int n = vm_cfg_pml(c->vm->cfg);
	gpa_t *buf = c->vm->pml + (size_t)c->me_nr * n;
	unsigned int first = vcpu->pml_index >= n ? 0 : vcpu->pml_index + 1U;

	for (unsigned int i = first; i < n; i++)
		mark_from_pml(c, buf[c->rules->pml_drain_upward ? n - 1 - (i - first) : i]);
	memset(buf, 0, sizeof(gpa_t) * n);
	vcpu->pml_index = (uint16_t)(n - 1);
}

static void vcpu_exit(struct ctx *c)
{
	vcpu_set_outside(c);
	c->work.guest_exit++;
	if (c->rules->arch == PT_X86)
		srcu_enter(c);
	if (injects(c, INJ_PML_NO_DRAIN) && !vcpu_pml_is_full(c))
		return;
	if (c->rules->pml && c->vm->vcpus[c->me_nr].pml_index != vm_cfg_pml(c->vm->cfg) - 1)
		drain_pml(c);
}

static void exit_event(struct ctx *c, enum exit_kind kind, gpa_t gpa, int err)
{
	emit(c, &(struct event){ .kind = EV_EXIT,
				 .vcpu = c->me_nr,
				 .a = (uint8_t)kind,
				 .gfn = gpa,
				 .b = (uint8_t)err });
	note(c, &(struct note){ .kind = NOTE_EXIT,
				.acc = kind == EXIT_MMIO_WRITE ? ACC_W : ACC_R,
				.gfn = gpa_to_gfn(&c->vm->cfg->geom, gpa),
				.n = kind });
}

/* An access that became MMIO: the exit to user space, then the guest goes on behind it. */
static void mmio_exit(struct ctx *c, struct l_run *f)
{
	exit_event(c, f->acc == ACC_W ? EXIT_MMIO_WRITE : EXIT_MMIO_READ, access_of(c, f->i).gpa,
		   0);
	c->work.user_exit++;
	f->i++;
}

/* What user space sees of a fault that was handled; true: KVM_RUN has returned for good. */
static bool fault_ends_run(struct ctx *c, struct l_run *f)
{
	if (f->ret == RET_PF_EMULATE && f->acc == ACC_X) {
		exit_event(c, EXIT_INTERNAL_ERROR, 0, 0);
	} else if (f->ret == RET_PF_EMULATE) {
		mmio_exit(c, f);
		return false;
	} else if (f->ret == RET_PF_USER) {
		exit_event(c, EXIT_USERFAULT, gfn_to_gpa(&c->vm->cfg->geom, f->gfn), EFAULT);
	} else if (f->ret == RET_PF_USER_PRIVATE || f->ret == RET_PF_MEMORY_FAULT) {
		exit_event(c,
			   f->ret == RET_PF_MEMORY_FAULT ? EXIT_MEMORY_FAULT
							 : EXIT_USERFAULT_PRIVATE,
			   gfn_to_gpa(&c->vm->cfg->geom, f->gfn), EFAULT);
	} else if (f->ret < 0) {
		exit_event(c, EXIT_ERR, 0, -f->ret);
	} else {
		return false;
	}
	c->work.user_exit++;
	return true;
}

/* User space answers a userfault exit: it fills the page, then clears its bit. */
PROC(resolve_userfault)
{
	BEGIN(l_fault);
	c->work.user_ps += c->vm->ops[c->me_nr].resolve_ps;
	STEP("user:fetch");
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (!f->slot)
		RETURN(-ENOENT);
	CALL(P_gup, l_gup, .hva = memslot_hva(c->vm, f->slot, f->gfn), .write = 1);
	(void)gup_take(c);
	if (c->me->ret == 0)
		mem_store_data(c->vm, c->me_nr, memslot_hva(c->vm, f->slot, f->gfn));
	STEP("user:fill");
	/* the slot may be another one by now, or without a bitmap */
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (f->slot)
		userfault_clear(c, f->slot, f->gfn);
	wake(c, OBJ_BITS);
	RETURN(0);
	END;
}

/* What is not needed any more is 0, so that equal futures are equal states. */
static void forget_access(struct l_run *f)
{
	*f = (struct l_run){ .i = f->i, .fetched = f->fetched, .what = f->what };
}

/*
 * A write to a tracked page (the vCPU's access number f->seq): KVM does it for the guest, then tells who
 * tracks the page [x86.c: emulator_write_phys].  Without a place to write to it is MMIO.
 */
PROC(emulate_write)
{
	BEGIN(l_fault);
	f->slot = memslot_find(c->vm, c->vm->vcpus[c->me_nr].as_id, f->gfn);
	if (f->slot && (c->vm->slots[f->slot].flags & MEMSLOT_INVALID))
		note(c, &(struct note){ .kind = NOTE_EMULATED, .gfn = f->gfn });
	if (!f->slot || (c->vm->slots[f->slot].flags & (MEMSLOT_INVALID | MEM_READONLY)))
		RETURN(RET_PF_EMULATE);
	CALL(P_gup, l_gup, .hva = memslot_hva(c->vm, f->slot, f->gfn), .write = 1);
	if (c->me->ret < 0)
		RETURN(RET_PF_EMULATE);
	(void)gup_take(c);
	STEP("emulate_write:written");
	mark_page_dirty(c, f->slot, f->gfn);
	emit(c, &(struct event){ .kind = EV_CALL,
				 .name = CALL_TRACK_WRITE,
				 .gfn = access_of(c, f->seq).gpa });
	RETURN(RET_PF_FIXED);
	END;
}

static uint16_t fault_proc(const struct ctx *c, uint32_t err)
{
	if (err & PFERR_OVERLAY)
		return P_overlay_fault;
	return c->rules->arch == PT_X86 ? P_x86_page_fault : P_arm_abort;
}

/* NOLINTNEXTLINE(readability-function-size): entries, exits and faults of a run, in their order */
PROC(guest_op)
{
	BEGIN(l_run);
	if (c->rules->arch == PT_X86)
		srcu_enter(c);
	for (;;) {
		f->what = STOP_MORE;
		forget_access(f);
		CALL(P_vcpu_enter, l_req, 0);
		if (c->me->ret == -EXDEV) {
			exit_event(c, EXIT_RING_FULL, 0, 0);
			break;
		}
		for (;;) {
			if (c->vm->cfg->hw_steps && next_access(c, f)) {
				CALL(P_hw_access, l_hw, .cur = { .gfn = f->gfn, .acc = f->acc });
				f->what = (uint8_t)take_outcome(c, f);
			} else {
				f->what = (uint8_t)run_guest(c, f);
			}
			if (f->what != STOP_FAULT)
				forget_access(f);
			if (f->what != STOP_MORE)
				break;
			STEP(guest_access_label);
			if (vcpu_was_kicked(c)) {
				f->what = STOP_KICK;
				break;
			}
		}
		STEP("guest:exit");
		vcpu_exit(c);
		f->fetched = 0; /* the code page may have lost its mapping meanwhile */
		if (f->what == STOP_END) {
			exit_event(c, EXIT_DONE, 0, 0);
			break;
		}
		STEP("guest:exited");
		if (f->what == STOP_KICK)
			continue;
		if (f->what == STOP_PML_FULL) {
			emit(c, &(struct event){ .kind = EV_PML_FULL, .vcpu = c->me_nr });
			continue;
		}
		CALL(fault_proc(c, f->fault), l_fault, .gfn = f->gfn, .err = (uint8_t)f->fault,
		     .goal = f->height);
		f->ret = c->me->ret;
		if (f->ret == RET_PF_WRITE_PROTECTED) {
			CALL(P_emulate_write, l_fault, .gfn = f->gfn, .seq = f->i);
			f->ret = c->me->ret;
			f->i += f->ret == RET_PF_FIXED;
		}
		if (!fault_ends_run(c, f))
			continue;
		if (f->ret != RET_PF_USER || !c->vm->ops[c->me_nr].resolve)
			break;
		if (c->rules->arch == PT_X86)
			srcu_exit(c);
		CALL(P_resolve_userfault, l_fault, .gfn = f->gfn);
		if (c->me->ret < 0)
			break;
		if (c->rules->arch == PT_X86)
			srcu_enter(c);
	}
	c->vm->vcpus[c->me_nr].stop_spin = 0;
	mem_load_over(c);
	if (c->me->flags & ACTOR_SRCU)
		srcu_exit(c);
	RETURN(0);
	END;
}

/* Loops inside the guest until told to stop; leaves it only when kicked. */
PROC(guest_spin)
{
	BEGIN(l_run);
	if (c->rules->arch == PT_X86)
		srcu_enter(c);
	c->vm->vcpus[c->me_nr].spinning = 1;
	for (;;) {
		CALL(P_vcpu_enter, l_req, 0);
		if (c->me->ret == -EXDEV) {
			exit_event(c, EXIT_RING_FULL, 0, 0);
			break;
		}
		f->what = (uint8_t)run_guest(c, f);
		if (f->what == STOP_END) {
			AWAIT(W_GUEST, (uint16_t)(OBJ_VCPU0 + c->me_nr), 0);
			f->fetched = 0; /* after each exit the loop's code is fetched again */
		}
		vcpu_exit(c);
		if (c->vm->vcpus[c->me_nr].stop_spin)
			break;
		if (f->what == STOP_FAULT) {
			CALL(fault_proc(c, f->fault), l_fault, .gfn = f->gfn,
			     .err = (uint8_t)f->fault, .goal = f->height);
			f->ret = c->me->ret;
			if (fault_ends_run(c, f))
				break;
		}
		STEP("guest:spin");
	}
	c->vm->vcpus[c->me_nr].spinning = 0;
	c->vm->vcpus[c->me_nr].stop_spin = 0;
	if (c->rules->arch == PT_X86)
		srcu_exit(c);
	RETURN(0);
	END;
}
