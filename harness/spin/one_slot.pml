/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One memslot of two pages under two vCPUs, a VMM thread and the host's memory manager: a problem of the kind
 * that the explorer decides, for another model checker. It is a benchmark and a second opinion about the rules,
 * not a second model: what s2sim says about KVM comes from model/ alone.
 *
 * One transition is one atomic step of the same grain as in model/: a flag published, an entry written, a
 * request bit set, a lock taken. Each is one d_step (or an atomic where it chooses), so a state of SPIN is a
 * state between two steps.
 *
 * What must hold, and where it is asserted:
 *   DIRTY     a guest write that retired with logging on before a harvest began is in that harvest, unless
 *             one that ended later than the write already had it (get_dirty_log)
 *   USERFAULT no access retires on a page whose bit was 1 when the ioctl that set USERFAULT began, from the
 *             return of that ioctl until the bit or the flag is cleared (retire)
 *   FRAME     a leaf is installed with the frame that the host has (install); an invalidation ends with no
 *             leaf for its page (host_mm); no access retires on a frame that the host took away (retire)
 *   PROGRESS  no state in which somebody waits and nobody moves (SPIN's invalid end states)
 *
 * Programs, all side by side:
 *   vCPU 0    writes page 1, then page 0, then page 1 again
 *   vCPU 1    reads page 0, then writes it
 *   VMM       sets LOG_DIRTY; harvests; sets USERFAULT too, both bits of its bitmap being 1; clears the bit of
 *             page 0; clears USERFAULT; harvests
 *   host      discards page 0 once
 * An access that meets a set bit ends with the exit to user space. Nothing is mapped at first.
 *   -DFREE    instead one access of each vCPU, its page and kind chosen freely
 *   -DQUICK   only the last access of each vCPU: a few seconds
 *
 * Broken by:  SKIP_FLUSH a harvest does not flush                        breaks DIRTY
 *             SKIP_RETRY a fault does not look at the sequence count      breaks FRAME
 *             SKIP_SRCU  a new slot set does not wait for readers         breaks DIRTY, USERFAULT
 *             SKIP_ACK   a vCPU that leaves for a fault takes no IPI       breaks PROGRESS
 *
 * Left out, because it would not change the verdict here or because the model would no longer be small: page sizes,
 * tables above the leaf, hardware A/D bits and PML, the lockless fast path of write-protection faults (all faults
 * take the slow path), eviction of TLB entries, slots_lock (one thread calls ioctls), the invalidation's own
 * SRCU section (a swap waits for invalidations first), the slot generation, weak memory.
 */

#if defined(QUICK) || defined(FREE)
#define ACCESSES 1
#else
#define ACCESSES (3 - _pid)
#endif

#define NR_VCPUS  2
#define DISCARDED 0 /* the page that the host takes away */
#define BOTH      3 /* both pages, or both vCPUs: sets of two are masks of two bits */
#define BIT(n)    (1 << (n))
#define HAS(m, n) (((m) >> (n)) & 1)
#define PUT(m, n, value) m = (m & ~BIT(n)) | ((value) << (n))

/* The published slot: its flags. Both sets of slots of the kernel come down to these. */
bit slot_log, slot_uf;
unsigned uf_bits : 2 = BOTH; /* the userfault bitmap, in the VMM's memory */
unsigned dirty : 2;          /* the live dirty bitmap */

/* Second-stage leaves, by page. */
unsigned leaf : 2, leaf_w : 2, leaf_frame : 2;

/* The host's page table: a discarded page comes back with its other frame. */
unsigned host_frame : 2;

/* mmu_lock: faults share it, everybody else writes. */
bit mmu_writer;
unsigned mmu_readers : 2; /* by vCPU */

/* Invalidation: pages between start and end, and the count of ends. */
unsigned invalidating : 2;
unsigned seq : 2;
bit mn_active; /* holds back a swap of slot sets */

/* By vCPU: inside the guest; inside an SRCU section; inside one that began before the swap. */
unsigned in_guest : 2, srcu : 2, srcu_old : 2;

/* Requests to flush, by vCPU, and the IPIs that the VMM's and the host's thread wait for. */
unsigned flush_request : 2, vmm_ipi : 2, host_ipi : 2;

/* Ghosts: nothing but assertions reads them. */
bit logging;            /* the ioctl that set LOG_DIRTY has returned */
unsigned written : 2;   /* written with logging on, and no harvest since has it */
unsigned must_trap : 2; /* the bits that USERFAULT promises to trap */

/* --- Steps that several actors take. */

inline mmu_lock_write()
{
	d_step { !mmu_writer && mmu_readers == 0 -> mmu_writer = 1 }
}

inline mmu_unlock_write()
{
	d_step { mmu_writer = 0 }
}

/* kvm_make_all_cpus_request() for one vCPU: the request first, then the look at its mode. */
inline kick(v, ipi)
{
	d_step { PUT(flush_request, v, 1) }
	d_step { PUT(ipi, v, HAS(in_guest, v)) }
}

/* kvm_flush_remote_tlbs(): returns when each vCPU has been outside of the guest since. */
inline flush_remote_tlbs(ipi)
{
	kick(0, ipi)
	kick(1, ipi)
	d_step { ipi == 0 -> skip }
}

/* --- A vCPU: enters, makes its accesses, handles its faults. */

#define TLB_HITS  (HAS(tlb, page) && (!write || HAS(tlb_w, page)))
#define WALK_HITS (HAS(leaf, page) && (!write || HAS(leaf_w, page)))

/* The next access. Inside an atomic: the choice and the step before it are one step. */
inline next_access()
{
#ifdef FREE
	if
	:: page = 0; write = 0
	:: page = 0; write = 1
	:: page = 1; write = 0
	:: page = 1; write = 1
	fi
#else
	page = (_pid == 0 && left != 2);
	write = !(_pid == 1 && left == 2)
#endif
}

/* Takes the IPIs with it: they arrive at the latest when the exit enables interrupts. */
inline leave_guest()
{
	PUT(in_guest, _pid, 0);
	PUT(srcu, _pid, 1);
	PUT(vmm_ipi, _pid, 0);
	PUT(host_ipi, _pid, 0)
}

inline srcu_leave()
{
	PUT(srcu, _pid, 0);
	PUT(srcu_old, _pid, 0)
}

inline retire()
{
	assert(HAS(tlb_frame, page) == HAS(host_frame, page)); /* FRAME */
	assert(!HAS(must_trap, page));                         /* USERFAULT */
	if
	:: write && logging -> PUT(written, page, 1)
	:: else
	fi
}

inline install()
{
	assert(frame == HAS(host_frame, page)); /* FRAME */
	PUT(leaf, page, 1);
	PUT(leaf_w, page, 1);
	PUT(leaf_frame, page, frame);
	if
	:: log -> PUT(dirty, page, 1) /* a writable leaf of a logged slot counts as written */
	:: else
	fi
}

active [NR_VCPUS] proctype vcpu()
{
	unsigned left : 3 = ACCESSES;
	bit page, write;                          /* the access */
	unsigned tlb : 2, tlb_w : 2, tlb_frame : 2; /* by page; kept until invalidated */
	bit log, uf, frame, stale;                /* of the fault: the slot it saw, what the host said */
	unsigned sample : 2;

user:
	/* KVM_RUN, with the next access ahead. */
	atomic {
		next_access();
		PUT(srcu, _pid, 1)
	}

enter:
	/* Requests first; then the mode, for others to see; then whether a request came in between. */
	if
	:: d_step {
			HAS(flush_request, _pid) ->
			PUT(flush_request, _pid, 0);
			tlb = 0;
			tlb_w = 0;
			tlb_frame = 0
		}
	:: d_step { !HAS(flush_request, _pid) -> skip }
	fi;
	d_step { PUT(in_guest, _pid, 1) }
	d_step { srcu_leave() }
	if
	:: d_step { HAS(flush_request | vmm_ipi | host_ipi, _pid) -> leave_guest() }
		goto enter
	:: d_step { !HAS(flush_request | vmm_ipi | host_ipi, _pid) -> skip }
	fi;

guest:
	if
	:: d_step { HAS(vmm_ipi | host_ipi, _pid) -> leave_guest() }
		goto enter
	:: atomic {
			TLB_HITS ->
			retire();
			left--;
			if
			:: left > 0 -> next_access()
			:: else ->
				page = 0;
				write = 0;
				goto finished
			fi
		}
		goto guest
	:: d_step {
			!TLB_HITS && WALK_HITS ->
			PUT(tlb, page, 1);
			PUT(tlb_w, page, HAS(leaf_w, page));
			PUT(tlb_frame, page, HAS(leaf_frame, page))
		}
		goto guest
	:: d_step {
			!TLB_HITS && !WALK_HITS ->
			/* A violation drops the translation that led to it. */
			PUT(tlb, page, 0);
			PUT(tlb_w, page, 0);
			PUT(tlb_frame, page, 0);
#ifdef SKIP_ACK
			PUT(in_guest, _pid, 0);
			PUT(srcu, _pid, 1)
#else
			leave_guest()
#endif
		}
	fi;

	/* The fault: the slot, the sequence count, the bitmap, the host's page, then the lock. */
	d_step { log = slot_log; uf = slot_uf }
	d_step { sample = seq }
	if
	:: atomic {
			uf && HAS(uf_bits, page) ->
			/* Exit to user space: the access is over. */
			srcu_leave();
			log = 0;
			uf = 0;
			sample = 0;
			page = 0;
			write = 0;
			left--;
			if
			:: left > 0 -> goto user
			:: else -> goto out
			fi
		}
	:: d_step { !(uf && HAS(uf_bits, page)) -> uf = 0 }
	fi;
	d_step { frame = HAS(host_frame, page) }
	d_step {
		!mmu_writer ->
		PUT(mmu_readers, _pid, 1);
#ifndef SKIP_RETRY
		stale = HAS(invalidating, page) || seq != sample;
#endif
		sample = 0
	}
	if
	:: d_step { !stale -> install(); log = 0; frame = 0 }
		d_step { PUT(mmu_readers, _pid, 0) }
	:: d_step { stale -> PUT(mmu_readers, _pid, 0); log = 0; frame = 0; stale = 0 }
	fi;
	goto enter;

finished:
	if
	:: d_step { leave_guest() }
	fi;
	d_step { srcu_leave() }
out:
	skip
}

/* --- The VMM: a fixed program of ioctls and one store. */

inline zap(page)
{
	PUT(leaf, page, 0);
	PUT(leaf_w, page, 0);
	PUT(leaf_frame, page, 0)
}

/* kvm_swap_active_memslots(): waits for invalidations, publishes, waits for readers of what was before. */
inline swap(log, uf)
{
	d_step {
		!mn_active ->
		slot_log = log;
		slot_uf = uf;
		srcu_old = srcu;
		must_trap = (uf -> must_trap : 0)
	}
#ifndef SKIP_SRCU
	d_step { srcu_old == 0 -> skip }
#endif
}

/* KVM_SET_USER_MEMORY_REGION2 with other flags, by what changes: swap, then commit. */
inline set_log(uf)
{
	swap(1, uf);
	mmu_lock_write();
	d_step { PUT(leaf_w, 0, 0) }
	d_step { PUT(leaf_w, 1, 0) }
	mmu_unlock_write();
	flush_remote_tlbs(vmm_ipi);
	d_step { logging = 1 }
}

inline set_userfault(log)
{
	swap(log, 1);
	mmu_lock_write();
	d_step { any = HAS(leaf, 0); zap(0) }
	if
	:: d_step { any || HAS(leaf, 1) -> zap(1); any = 0 }
		flush_remote_tlbs(vmm_ipi)
	:: d_step { !any && !HAS(leaf, 1) -> skip }
	fi;
	mmu_unlock_write();
	d_step { must_trap = uf_bits }
}

inline clear_userfault(log)
{
	swap(log, 0)
}

/* KVM_GET_DIRTY_LOG: takes the bits, protects those pages again, flushes after the lock. */
inline protect_again(page)
{
	d_step { PUT(leaf_w, page, HAS(leaf_w & ~reaped, page)) }
}

inline get_dirty_log()
{
	d_step {
		!mmu_writer && mmu_readers == 0 ->
		mmu_writer = 1;
		must_report = written
	}
	if
	:: d_step { dirty != 0 -> reaped = dirty; dirty = 0 }
		protect_again(0);
		protect_again(1);
		mmu_unlock_write();
#ifndef SKIP_FLUSH
		flush_remote_tlbs(vmm_ipi)
#endif
	:: d_step { dirty == 0 -> skip }
		mmu_unlock_write()
	fi;
	d_step {
		assert((must_report & ~reaped) == 0); /* DIRTY */
		written = written & ~reaped;
		must_report = 0;
		reaped = 0
	}
}

inline clear_uf_bit(page)
{
	d_step { PUT(must_trap, page, 0); PUT(uf_bits, page, 0) }
}

active proctype vmm()
{
	bit any;
	unsigned reaped : 2, must_report : 2;

	set_log(0);
	get_dirty_log();
	set_userfault(1);
	clear_uf_bit(0);
	clear_userfault(1);
	get_dirty_log()
}

/* --- The host: discards a page inside an invalidation; it comes back with another frame. */

active proctype host_mm()
{
	d_step { mn_active = 1 }
	d_step {
		!mmu_writer && mmu_readers == 0 ->
		mmu_writer = 1;
		PUT(invalidating, DISCARDED, 1)
	}
	if
	:: d_step { HAS(leaf, DISCARDED) -> zap(DISCARDED) }
		flush_remote_tlbs(host_ipi)
	:: d_step { !HAS(leaf, DISCARDED) -> skip }
	fi;
	mmu_unlock_write();
	d_step { PUT(host_frame, DISCARDED, 1) }
	d_step {
		!mmu_writer && mmu_readers == 0 ->
		assert(!HAS(leaf, DISCARDED)); /* FRAME */
		seq++;
		PUT(invalidating, DISCARDED, 0)
	}
	d_step { mn_active = 0 }
}
