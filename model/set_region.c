/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM_SET_USER_MEMORY_REGION(2): checks, classification, and the update state machine
 * [KVM v6.1, v6.12 virt/kvm/kvm_main.c: __kvm_set_memory_region, kvm_set_memslot,
 *  kvm_swap_active_memslots, kvm_prepare_memory_region, kvm_commit_memory_region].
 *
 *   CREATE      prepare -> swap in new -> commit
 *   DELETE      INVALID copy -> swap -> flush_shadow -> prepare -> swap in absence -> commit
 *   MOVE        INVALID copy -> swap -> flush_shadow -> prepare -> swap in new -> commit
 *   FLAGS_ONLY  prepare -> swap in new -> commit
 *
 * A failure in prepare leaves CREATE and FLAGS_ONLY without effect; DELETE and MOVE swap the old slot
 * back, but its mappings are gone.  Other orders that were proposed are rules, see enum ms_order
 * ["KVM: move memslot invalidation later than possible failures", Nov 2022].
 */
#include "model/set_region.h"

#include <errno.h>

#include "model/gmem.h"
#include "model/inject.h"
#include "model/kick.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/track.h"
#include "model/userfault.h"

/* What the checks need to know. */
struct region_check {
	const struct vm *vm;
	const struct op *op;
	uint32_t old; /* slot with this id, 0 none */
	uint64_t npages;
	gfn_t base_gfn;
	uint8_t change;
};

bool is_user_range(const struct vm *vm, hva_t start, uint64_t size)
{
	uint64_t limit = vm->cfg->rules.arch == PT_X86 ? BIT(47) - 4096 : BIT(48);

	return size <= limit && start <= limit - size;
}

static bool bad_slot(const struct region_check *r)
{
	return (r->op->slot & 0xffff) >= r->vm->cfg->rules.user_slots;
}

static bool bad_flags(const struct region_check *r)
{
	uint32_t allowed = r->vm->cfg->rules.allowed_flags;

	if (gmem_supported(&r->vm->cfg->rules) && (r->op->flags & MEM_GUEST_MEMFD))
		allowed = (allowed & ~(uint32_t)(MEM_LOG_DIRTY_PAGES | MEM_READONLY)) |
			  MEM_GUEST_MEMFD;
	return (r->op->flags & ~allowed) != 0;
}

static bool unaligned(const struct region_check *r, uint64_t x)
{
	return (x & (geom_page_size(&r->vm->cfg->geom) - 1)) != 0;
}

static bool bad_size(const struct region_check *r)
{
	return unaligned(r, r->op->size);
}

static bool bad_gpa(const struct region_check *r)
{
	return unaligned(r, r->op->gpa);
}

static bool bad_hva(const struct region_check *r)
{
	return unaligned(r, r->op->hva) || !is_user_range(r->vm, r->op->hva, r->op->size);
}

static bool bad_gmem_offset(const struct region_check *r)
{
	return (r->op->flags & MEM_GUEST_MEMFD) &&
	       (unaligned(r, r->op->gmem_off) || r->op->gmem_off + r->op->size < r->op->gmem_off);
}

static bool bad_as(const struct region_check *r)
{
	return (r->op->slot >> 16) >= r->vm->cfg->rules.nr_as ||
	       (r->op->slot & 0xffff) >= VM_MEM_SLOTS_NUM;
}

static bool gpa_wraps(const struct region_check *r)
{
	return r->op->gpa + r->op->size < r->op->gpa;
}

static bool too_many_pages(const struct region_check *r)
{
	return r->npages > INT32_MAX; /* KVM_MEM_MAX_NR_PAGES */
}

static bool bad_uf_pointer(const struct region_check *r)
{
	return (r->op->flags & MEM_USERFAULT) && r->vm->cfg->rules.uf_validate_pointer &&
	       r->op->uf_bad == UF_POINTER_KERNEL;
}

static bool delete_nothing(const struct region_check *r)
{
	return r->npages == 0 && !r->old;
}

static bool modifies_fixed(const struct region_check *r)
{
	const struct memslot *s = &r->vm->slots[r->old];

	return r->npages && r->old &&
	       (s->hva != r->op->hva || s->npages != r->npages ||
		((s->flags ^ r->op->flags) & MEM_READONLY));
}

/* What the kernel calls immutable, and what was proposed instead. */
static bool gmem_is_fixed(const struct region_check *r)
{
	bool old = r->old && (r->vm->slots[r->old].flags & MEM_GUEST_MEMFD);
	bool now = (r->op->flags & MEM_GUEST_MEMFD) != 0;

	if (!r->npages || !r->old)
		return false;
	switch ((enum gmem_bind)r->vm->cfg->rules.gmem) {
	case GMEM_NONE:
		return false;
	case GMEM_IMMUTABLE:
		return now;
	case GMEM_CREATE_ONLY:
		return now && r->change == KVM_MR_MOVE;
	case GMEM_NEW_UNBIND_OLD:
		return old != now || (now && r->change == KVM_MR_MOVE);
	}
	return false;
}

static bool may_not_move(const struct region_check *r)
{
	const struct rules *rules = &r->vm->cfg->rules;

	return r->change == KVM_MR_MOVE &&
	       (rules->ms_order == MS_MOVE_DISABLED ||
		(rules->move_log == BM_REJECT && memslot_is_logging(&r->vm->slots[r->old])));
}

static bool userfault_too_late(const struct region_check *r)
{
	return r->vm->cfg->rules.uf_uapi == UAPI_CREATE_ONLY && r->old &&
	       (r->op->flags & ~r->vm->slots[r->old].flags & MEM_USERFAULT);
}

static bool overlaps(const struct region_check *r)
{
	return (r->change == KVM_MR_CREATE || r->change == KVM_MR_MOVE) &&
	       memslots_overlap(r->vm, r->op->slot >> 16, (uint16_t)r->op->slot, r->base_gfn,
				r->base_gfn + r->npages);
}

static bool no_slot_object(const struct region_check *r)
{
	unsigned int as = r->op->slot >> 16;

	if (r->change == KVM_MR_CREATE &&
	    r->vm->st->sets[as][memslots_active(r->vm, as)].count == r->vm->cfg->limits.nr_slots)
		return true; /* a limit of small VMs; KVM's own is the range of ids */
	return r->change != KVM_MR_DELETE && r->change != KVM_MR_NONE && r->op->fail == FP_SLOT;
}

/* In the kernel's order: the first failing check decides. */
static const struct region_rule {
	bool (*fails)(const struct region_check *r);
	int err;
	bool after_lookup; /* needs the old slot and the change */
	const char *text;
} region_rules[] = {
	{ bad_slot, EINVAL, false, "slot id beyond KVM_USER_MEM_SLOTS" },
	{ bad_flags, EINVAL, false, "flag outside the allowed mask" },
	{ bad_size, EINVAL, false, "memory_size not page aligned" },
	{ bad_gpa, EINVAL, false, "guest_phys_addr not page aligned" },
	{ bad_hva, EINVAL, false, "userspace_addr not aligned or not user memory" },
	{ bad_gmem_offset, EINVAL, false,
	  "guest_memfd_offset not page aligned, or the range wraps" },
	{ bad_as, EINVAL, false, "address space or id out of range" },
	{ gpa_wraps, EINVAL, false, "guest range wraps" },
	{ too_many_pages, EINVAL, false, "more than 2^31 - 1 pages" },
	{ bad_uf_pointer, EINVAL, false, "userfault bitmap is not user memory" },
	{ delete_nothing, EINVAL, true, "deletes a slot that does not exist" },
	{ gmem_is_fixed, EINVAL, true, "changes what is fixed of a slot backed by guest_memfd" },
	{ modifies_fixed, EINVAL, true, "changes size, userspace_addr or READONLY" },
	{ may_not_move, EINVAL, true, "moves a slot where none may be moved" },
	{ userfault_too_late, EINVAL, true, "sets USERFAULT on a slot that exists" },
	{ overlaps, EEXIST, true, "overlaps another slot" },
	{ no_slot_object, ENOMEM, true, "no memory for the slot object" },
};

static uint8_t classify(const struct region_check *r)
{
	const struct memslot *s = &r->vm->slots[r->old];

	if (r->npages == 0)
		return KVM_MR_DELETE;
	if (!r->old)
		return KVM_MR_CREATE;
	if (s->base_gfn != r->base_gfn)
		return KVM_MR_MOVE;
	return s->flags == r->op->flags ? KVM_MR_NONE : KVM_MR_FLAGS_ONLY;
}

int set_region_check(const struct vm *vm, const struct op *op, uint8_t *change, uint32_t *old)
{
	struct region_check r = { .vm = vm,
				  .op = op,
				  .npages = op->size >> vm->cfg->geom.page_shift,
				  .base_gfn = gpa_to_gfn(&vm->cfg->geom, op->gpa) };
	bool looked_up = false;

	for (size_t i = 0; i < G_N_ELEMENTS(region_rules); i++) {
		if (region_rules[i].after_lookup && !looked_up) {
			unsigned int as = op->slot >> 16;

			r.old = memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)op->slot);
			r.change = classify(&r);
			looked_up = true;
		}
		if (region_rules[i].fails(&r))
			return -region_rules[i].err;
	}
	*change = r.change;
	*old = r.old;
	return 0;
}

/* The new slot object of CREATE, MOVE and FLAGS_ONLY, from the ioctl's arguments; 0 when none is left. */
static uint32_t new_slot(struct vm *vm, const struct op *op)
{
	uint32_t slot = memslot_alloc(vm);
	struct memslot *s = &vm->slots[slot];
	bool uf = (op->flags & MEM_USERFAULT) != 0;

	if (!slot)
		return 0;
	s->base_gfn = gpa_to_gfn(&vm->cfg->geom, op->gpa);
	s->npages = op->size >> vm->cfg->geom.page_shift;
	s->hva = op->hva;
	s->flags = op->flags;
	s->id = (uint16_t)op->slot;
	s->as_id = (uint8_t)(op->slot >> 16);
	s->uf_bitmap = uf ? op->uf_bitmap : 0;
	s->uf_bad = uf ? op->uf_bad : UF_POINTER_OK;
	return slot;
}

/* The new slot object takes pages of a file. */
static bool binds(const struct ctx *c, const struct l_slot *f)
{
	return (c->vm->slots[f->slot2].flags & MEM_GUEST_MEMFD) &&
	       (f->change == KVM_MR_CREATE || c->rules->gmem == GMEM_NEW_UNBIND_OLD);
}

PROC(set_memory_region)
{
	BEGIN(l_slot);
	AWAIT(W_LOCK_W, OBJ_SLOTS_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_LOCK);
	f->err = set_region_check(c->vm, &c->vm->ops[c->me_nr], &f->change, &f->slot);
	if (f->err == 0 && f->change != KVM_MR_DELETE && f->change != KVM_MR_NONE) {
		f->slot2 = new_slot(c->vm, &c->vm->ops[c->me_nr]);
		f->err = f->slot2 ? 0 : -ENOMEM;
		if (f->slot2 && binds(c, f)) {
			AWAIT(W_LOCK_W, OBJ_GMEM_LOCK, 0);
			f->err = gmem_bind(c->vm, &c->vm->ops[c->me_nr], f->slot2, f->slot);
			if (f->err)
				memslot_free(c->vm, f->slot2);
		}
	}
	if (f->err == 0 && f->change != KVM_MR_NONE) {
		QUIET_STEP("set_memory_region:new");
		CALL(P_set_memslot, l_slot, .slot = f->slot, .slot2 = f->slot2, .change = f->change,
		     .as = (uint8_t)(c->vm->ops[c->me_nr].slot >> 16));
		f->err = c->me->ret;
		if (f->err < 0 && f->slot2 && c->vm->slots[f->slot2].gmem) {
			AWAIT(W_LOCK_W, OBJ_GMEM_LOCK, 0);
			gmem_unbind(c->vm, f->slot2, f->slot);
		}
		if (f->err < 0 && f->slot2)
			memslot_free(c->vm, f->slot2);
		if (f->err == 0 && injects(c, INJ_SLOTS_LOCK_EARLY))
			RETURN(0);
	}
	lock_drop_write(c, OBJ_SLOTS_LOCK);
	RETURN(f->err);
	END;
}

/* The object that will stand for the old slot while it is being invalidated; 0: none is left. */
static uint32_t new_invalid(struct vm *vm, const struct op *op, uint32_t old)
{
	uint32_t s = op->fail == FP_SCRATCH ? 0 : memslot_alloc(vm);

	if (!s)
		return 0;
	vm->slots[s] = vm->slots[old];
	vm->slots[s].flags |= MEMSLOT_INVALID;
	return s;
}

/*
 * The INVALID copy (f->scratch) becomes what readers see; slots_arch_lock is dropped meanwhile.  With
 * the flush in its place behind that, no mapping of the slot is left.
 */
PROC(invalidate_memslot)
{
	BEGIN(l_slot);
	memslots_replace(c->vm, f->as, !memslots_active(c->vm, f->as), f->slot, f->scratch);
	STEP("set_memslot:invalid");
	CALL(P_swap_active_memslots, l_slot, .as = f->as);
	if (c->rules->ms_order != MS_FLUSH_AFTER_PREPARE)
		CALL(P_flush_shadow_memslot, l_range, .slot = f->slot);
	AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
	/* who found the copy meanwhile may have given it arrays */
	c->vm->slots[f->slot].track = c->vm->slots[f->scratch].track;
	c->vm->slots[f->slot].has_rmaps = c->vm->slots[f->scratch].has_rmaps;
	RETURN(0);
	END;
}

/* After a failure: the set that still holds the old slot becomes active again. */
PROC(reinstate_memslot)
{
	BEGIN(l_slot);
	CALL(P_swap_active_memslots, l_slot, .as = f->as);
	memslots_replace(c->vm, f->as, !memslots_active(c->vm, f->as), f->scratch, f->slot);
	memslot_free(c->vm, f->scratch);
	if (c->vm->st->nr_tracked && c->rules->page_track == PT_CHANGE_MOVEFAIL)
		CALL(P_track_slot_change, l_slot, .slot = f->slot, .slot2 = f->slot, .flag = 1);
	RETURN(0);
	END;
}

static int prepare(struct ctx *c, const struct l_slot *f)
{
	if (f->change == KVM_MR_DELETE && c->rules->ms_order == MS_SKIP_PREPARE_ON_DELETE)
		return 0;
	return prepare_memory_region(c->vm, &c->vm->ops[c->me_nr], f->change, f->slot, f->slot2);
}

/* The negative control of who invalidates for userfault: faults that hold the old slot map again. */
static bool zaps_before_swap(const struct ctx *c, const struct l_slot *f)
{
	return c->rules->uf_inval == UF_INV_BEFORE_SWAP && f->change == KVM_MR_FLAGS_ONLY &&
	       (c->vm->slots[f->slot2].flags & ~c->vm->slots[f->slot].flags & MEM_USERFAULT);
}

/* old (f->slot) and new (f->slot2) by element number; 0 for CREATE's old and DELETE's new */
/* NOLINTNEXTLINE(readability-function-size): the orders of an update stand side by side */
PROC(set_memslot)
{
	BEGIN(l_slot);
	AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
	lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
	f->flag = (f->change == KVM_MR_DELETE || f->change == KVM_MR_MOVE) &&
		  !injects(c, INJ_NO_INVALID_COPY);
	if (f->flag) {
		f->scratch = new_invalid(c->vm, &c->vm->ops[c->me_nr], f->slot);
		if (!f->scratch) {
			lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
			RETURN(-ENOMEM);
		}
		if (c->rules->ms_order == MS_PREPARE_FIRST) {
			f->err = prepare(c, f);
			if (f->err < 0) {
				memslot_free(c->vm, f->scratch);
				lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
				RETURN(f->err);
			}
		}
		CALL_WITH(P_invalidate_memslot, f);
	}
	if (!f->flag || c->rules->ms_order != MS_PREPARE_FIRST)
		f->err = prepare(c, f);
	if (f->err < 0) {
		if (f->flag && !injects(c, INJ_SKIP_REINSTATE))
			CALL_WITH(P_reinstate_memslot, f);
		else
			lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
		RETURN(f->err);
	}
	QUIET_STEP("set_memslot:prepared");
	if ((f->flag && c->rules->ms_order == MS_FLUSH_AFTER_PREPARE) || zaps_before_swap(c, f))
		CALL(P_flush_shadow_memslot, l_range, .slot = f->slot);
	memslots_replace(c->vm, f->as, !memslots_active(c->vm, f->as), f->slot, f->slot2);
	STEP("set_memslot:install");
	CALL(P_swap_active_memslots, l_slot, .as = f->as);
	memslots_replace(c->vm, f->as, !memslots_active(c->vm, f->as),
			 f->flag ? f->scratch : f->slot, f->slot2);
	if (f->flag)
		memslot_free(c->vm, f->scratch);
	STEP("set_memslot:both");
	if (injects(c, INJ_NO_INVALID_COPY) &&
	    (f->change == KVM_MR_DELETE || f->change == KVM_MR_MOVE))
		CALL(P_flush_shadow_memslot, l_range, .slot = f->slot);
	if (injects(c, INJ_SLOTS_LOCK_EARLY))
		lock_drop_write(c, OBJ_SLOTS_LOCK);
	CALL(P_commit_memory_region, l_slot, .slot = f->slot, .slot2 = f->slot2,
	     .change = f->change, .as = f->as);
	RETURN(0);
	END;
}

/*
 * w1 generation with bit 63; w2 wait for notifiers, w3 publish; w4 drop slots_arch_lock; w5 SRCU;
 * w6 next generation; w7 store it.
 */
PROC(swap_active_memslots)
{
	BEGIN(l_slot);
	{
		struct memslots *s = c->vm->st->sets[f->as];
		unsigned int a = memslots_active(c->vm, f->as);

		s[!a].generation = s[a].generation | MEMSLOT_GEN_UPDATE_IN_PROGRESS;
	}
	QUIET_STEP("swap_active_memslots:generation");
	if (!injects(c, INJ_SKIP_NOTIFIER_WAIT))
		AWAIT(W_ZERO, OBJ_MN_ACTIVE, 0);
	mem_drain(c); /* rcu_assign_pointer() is a store-release */
	c->vm->st->active[f->as] = !c->vm->st->active[f->as];
	QUIET_STEP("swap_active_memslots:publish");
	lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
	STEP("swap_active_memslots:arch_unlock");
	if (!injects(c, INJ_SKIP_SRCU_WAIT)) {
		f->i = c->vm->st->srcu.idx;
		c->vm->st->srcu.idx = !f->i;
		AWAIT(W_EPOCH, OBJ_SRCU, f->i);
	}
	note(c, &(struct note){ .kind = NOTE_CLOSED });
	{
		struct memslots *s = &c->vm->st->sets[f->as][memslots_active(c->vm, f->as)];
		uint64_t next = s->generation & ~MEMSLOT_GEN_UPDATE_IN_PROGRESS;

		if (!injects(c, INJ_GENERATION_STUCK))
			next += c->rules->nr_as;

		/* SIMPLIFIED: 2^18 swaps away, the MMIO generation's wrap does not zap all */
		s->generation = next;
	}
	QUIET_STEP("swap_active_memslots:next");
	RETURN(0);
	END;
}

static int prepare_arch(const struct vm *vm, const struct op *op, uint8_t change, uint32_t slot)
{
	const struct memslot *s = &vm->slots[slot];
	gfn_t end = s->base_gfn + s->npages;
	gfn_t limit = 1ULL << (vm->cfg->rules.gpa_bits - vm->cfg->geom.page_shift);

	if (change == KVM_MR_DELETE)
		return vm->cfg->rules.delete_veto && op->fail == FP_ARCHVETO ? -EINVAL : 0;
	if (vm->cfg->rules.arch == PT_ARM64)
		return end > limit ? -EFAULT : op->fail == FP_ARCHVETO ? -EINVAL : 0;
	if (op->fail == FP_ARCHVETO ||
	    (change == KVM_MR_MOVE && vm->cfg->rules.ms_order == MS_MOVE_REJECT_IF_TRACKED &&
	     vm->st->tracker))
		return -EINVAL;
	if (change == KVM_MR_FLAGS_ONLY)
		return 0;
	if (end - 1 >= limit)
		return -EINVAL;
	return op->fail == FP_ARCHMETA ? -ENOMEM : 0;
}

/* Upstream the bitmap stays as it is: its bits are relative to the slot, whose pages are the same. */
static void move_log(struct vm *vm, uint32_t old, uint32_t now)
{
	const struct memslot *from = &vm->slots[old], *to = &vm->slots[now];
	uint64_t by = to->base_gfn - from->base_gfn, n = to->npages;
	uint64_t *bits = &vm->words[to->bitmap];

	if (vm->cfg->rules.move_log == BM_CLEAR)
		memset(bits, 0, sizeof(*bits) * bitmap_words(n));
	if (vm->cfg->rules.move_log != BM_SHIFT)
		return;
	/* each page's bit is that of the page which had its gfn; towards the end that moves away first */
	for (uint64_t k = 0; k < n; k++) {
		uint64_t p = to->base_gfn < from->base_gfn ? n - 1 - k : k, q = p + by;
		bool set = q < n && (bits[q / 64] >> (q % 64) & 1);

		bits[p / 64] = (bits[p / 64] & ~BIT(p % 64)) | (set ? BIT(p % 64) : 0);
	}
}

/* Arrays of a slot's pages: fresh ones, but a change of flags hands them on. */
static int prepare_arrays(struct vm *vm, uint8_t change, uint32_t old, uint32_t now)
{
	if (change == KVM_MR_DELETE)
		return 0;
	if (change == KVM_MR_FLAGS_ONLY) {
		vm->slots[now].track = vm->slots[old].track;
		vm->slots[now].has_rmaps = vm->slots[old].has_rmaps;
	} else if (!track_alloc_arrays(vm, now)) {
		return -ENOMEM;
	}
	if (userfault_overlay_alloc(vm, old, now))
		return 0;
	if (change != KVM_MR_FLAGS_ONLY)
		track_free_arrays(vm, now);
	return -ENOMEM;
}

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): arrays and log, in the order of the kernel */
int prepare_memory_region(struct vm *vm, const struct op *op, uint8_t change, uint32_t old,
			  uint32_t now)
{
	struct memslot *s = &vm->slots[now];
	uint64_t half = bitmap_words(s->npages);
	bool fresh = false;
	int err;

	if (change != KVM_MR_DELETE && memslot_is_logging(s)) {
		if (old && vm->slots[old].bitmap) {
			s->bitmap = vm->slots[old].bitmap; /* slot-relative: right for MOVE too */
		} else if (!vm->cfg->ring_entries) {
			s->bitmap = op->fail == FP_BITMAP ? 0 : words_alloc(vm, 2 * half);
			if (!s->bitmap)
				return -ENOMEM;
			fresh = true;
			for (uint64_t i = 0; vm->cfg->manual == 3 && i < s->npages; i++)
				vm->words[s->bitmap + i / 64] |= BIT(i % 64);
		}
	}
	err = prepare_arch(vm, op, change, now);
	if (!err)
		err = prepare_arrays(vm, change, old, now);
	if (!err && change == KVM_MR_MOVE && s->bitmap && !fresh)
		move_log(vm, old, now);
	if (err && fresh && vm->cfg->rules.inject != INJ_FAILED_KEEPS_BITMAP) {
		words_free(vm, s->bitmap);
		s->bitmap = 0;
	}
	return err;
}

/*
 * l_range.flag of an action: does ACT_CNT enable logging; KVM's start level of a write protection; has
 * an action before ACT_FLUSH changed an entry.
 */
static uint8_t action_flag(const struct vm *vm, const struct l_slot *f, uint8_t action)
{
	if (action == ACT_CNT)
		return f->slot2 && memslot_is_logging(&vm->slots[f->slot2]);
	if (action == ACT_FLUSH)
		return f->hit;
	return action == ACT_WP2 ? 2 : 1;
}

/* A DELETE frees the old object with its binding; other changes free the object alone. */
static bool unbinds(const struct ctx *c, const struct l_slot *f)
{
	return c->vm->slots[f->slot].gmem && !injects(c, INJ_SKIP_GMEM_UNBIND) &&
	       (f->change == KVM_MR_DELETE || c->rules->gmem == GMEM_NEW_UNBIND_OLD);
}

/* Generic part: totals, logging count, arch actions in order, then the old slot goes. */
PROC(commit_memory_region)
{
	BEGIN(l_slot);
	{
		struct vm_state *st = c->vm->st;
		const struct memslot *old = &c->vm->slots[f->slot], *now = &c->vm->slots[f->slot2];
		struct commit_in in = {
			.change = f->change,
			.old_flags = f->slot ? old->flags : 0,
			.new_flags = f->slot2 ? now->flags : 0,
			.init_set = c->vm->cfg->manual == 3,
			.eager = c->rules->arch == PT_X86 ? c->vm->cfg->eager_split
							  : c->vm->cfg->chunk_pages != 0,
		};

		if (f->change == KVM_MR_CREATE)
			st->nr_memslot_pages += now->npages;
		if (f->change == KVM_MR_DELETE)
			st->nr_memslot_pages -= old->npages;
		if ((in.old_flags ^ in.new_flags) & MEM_LOG_DIRTY_PAGES)
			st->nr_memslots_dirty_logging +=
				(in.new_flags & MEM_LOG_DIRTY_PAGES) ? 1U : UINT32_MAX;
		f->n = (uint8_t)policy_commit_actions(c->rules, &in, f->act);
	}
	STEP("commit_memory_region:totals");
	if (c->vm->st->nr_tracked && !injects(c, INJ_SKIP_TRACK_FOLLOW) &&
	    (f->change == KVM_MR_DELETE || f->change == KVM_MR_MOVE))
		CALL_WITH(P_track_commit, f);
	for (f->i = 0; f->i < f->n; f->i++) {
		CALL(commit_proc[f->act[f->i]], l_range,
		     .slot = f->act[f->i] == ACT_ZAP || !f->slot2 ? f->slot : f->slot2,
		     .flag = action_flag(c->vm, f, f->act[f->i]));
		f->hit |= c->me->ret > 0;
	}
	if (f->slot) {
		if (c->vm->slots[f->slot].bitmap && (!f->slot2 || !c->vm->slots[f->slot2].bitmap))
			words_free(c->vm,
				   injects(c, INJ_BITMAP_LEAK) ? 0 : c->vm->slots[f->slot].bitmap);
		if (f->change == KVM_MR_DELETE || f->change == KVM_MR_MOVE)
			track_free_arrays(c->vm, f->slot);
		userfault_overlay_free(c->vm, f->slot, f->slot2);
		if (unbinds(c, f)) {
			AWAIT(W_LOCK_W, OBJ_GMEM_LOCK, 0);
			gmem_unbind(c->vm, f->slot, 0);
		}
		memslot_free(c->vm, f->slot);
	}
	RETURN(0);
	END;
}

const uint16_t commit_proc[NR_COMMIT_ACTIONS] = {
	[ACT_CNT] = P_act_count_logging, [ACT_REC] = P_act_recover,
	[ACT_SPLIT] = P_act_split,       [ACT_CLR] = P_act_clear_dirty,
	[ACT_WP2] = P_act_wrprot,        [ACT_WP4] = P_act_wrprot,
	[ACT_FLUSH] = P_act_flush_slot,  [ACT_ZAP] = P_flush_shadow_memslot,
	[ACT_WP_S2] = P_act_s2_wrprot,   [ACT_SPLIT_S2] = P_act_s2_split,
	[ACT_CACHE] = P_act_s2_cache,    [ACT_ZAP_SET] = P_zap_userfault,
	[ACT_REAP] = P_act_reap,
};

/* Dispatch by architecture and MMU. */
PROC(flush_shadow_memslot)
{
	BEGIN(l_range);
	emit(c, &(struct event){ .kind = EV_CALL, .name = CALL_FLUSH_SHADOW_MEMSLOT });
	if (c->vm->st->lock[OBJ_SLOTS_LOCK].writer != (int32_t)c->me_nr + 1)
		note(c,
		     &(struct note){ .kind = NOTE_WARN,
				     .gfn = c->vm->slots[f->slot].base_gfn,
				     .what = "a slot is flushed by who does not hold slots_lock" });
	if (injects(c, INJ_SKIP_ZAP))
		RETURN(0);
	if (injects(c, INJ_FLUSH_WANTS_ARCH_LOCK)) {
		AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
		lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
		lock_drop_write(c, OBJ_SLOTS_ARCH_LOCK);
	}
	if (c->vm->st->nr_tracked && c->rules->page_track == PT_FLUSH_SLOT)
		CALL(P_track_flush_slot, l_range, .slot = f->slot);
	if (c->rules->arch == PT_ARM64)
		CALL(P_s2_flush_slot, l_range, .slot = f->slot);
	else if (c->rules->slot_flush == SLOT_FLUSH_ALL ||
		 (c->rules->slot_flush == SLOT_FLUSH_QUIRK && c->vm->cfg->zap_all_quirk))
		CALL(P_zap_all_fast, l_range, .slot = f->slot);
	else
		CALL(P_zap_slot_leafs, l_range, .slot = f->slot);
	RETURN(0);
	END;
}
