/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One memslot of two pages under two vCPUs, a VMM thread and the host's memory manager: the problem of
 * harness/spin/one_slot.scn for another model checker.  It is a benchmark and a second opinion about the
 * rules, not a second model: what s2sim says about KVM comes from model/ alone.
 *
 * One transition is one atomic step of about the grain of model/: a flag published, an entry written, a
 * request bit set, a lock taken.  Each is one d_step (an atomic where it chooses), so a state of SPIN is a
 * state between two steps.
 *
 * What must hold, and where it is asserted:
 *   DIRTY      a guest write that retired with logging on before a harvest began is in that harvest, or in
 *              one that ended later than the write; not yet, if a fault that made its page writable has
 *              still to mark it (get_dirty_log)
 *   USERFAULT  no access retires on a page whose bit was 1 when the ioctl that set USERFAULT began, from the
 *              return of that ioctl until the bit or the flag is cleared (retire)
 *   FRAME      no access retires in a frame that the host took away (retire); a leaf is installed with the
 *              frame that the host has (install); an invalidation ends with no leaf in its range (discard)
 *   PROGRESS   no state in which somebody waits and nobody moves (SPIN's invalid end states)
 *
 * Programs, side by side.  Both pages are mapped writable at first, and vCPU 0 holds both translations.
 *   vCPU 0     writes pages 0, 1, 0, ...: WRITES of them
 *   vCPU 1     reads pages 0, 1, 0, ...: READS of them
 *   VMM        ROUNDS times: sets LOG_DIRTY; harvests; sets USERFAULT too, all bits of its bitmap being 1;
 *              clears the bit of page 0; clears USERFAULT; harvests; clears LOG_DIRTY
 *   host       discards page 0, DISCARDS times
 * An access to a page whose userfault bit is 1 ends its vCPU's program with the exit to user space.
 *
 * -DBUG_... takes one rule out, and then an assertion must fail:
 *   NO_RETRY_CHECK  a fault does not look at the sequence count under mmu_lock      FRAME
 *   CLEAR_EARLY     an invalidation ends before the host's entry changes            FRAME
 *   NO_MN_FLUSH     an invalidation does not flush                                  FRAME
 *   NO_FLUSH        a harvest does not flush                                        DIRTY
 *   NO_ENABLE_FLUSH setting LOG_DIRTY does not flush                                DIRTY
 *   MARK_EARLY      the fast path marks its page before it makes the leaf writable  DIRTY
 *   NO_MARK         the slow path does not mark its page                            DIRTY
 *   NO_SRCU_WAIT    a new set of slots does not wait for readers of the old one     DIRTY, USERFAULT
 *   NO_ZAP          setting USERFAULT does not zap                                  USERFAULT
 *   NO_ACK_WAIT     a flush does not wait for those inside the guest                any of the three
 *   LOST_ACK        an IPI arrives inside the guest only                            PROGRESS
 *
 * Coarser than model/: one level of tables, so a walk is one step; no A/D bits; a host page is never absent;
 * mmu_lock is not yielded inside a pass; slots_lock is not there; a swap of slot sets is two steps of eight.
 */

#ifndef WRITES
#define WRITES 1
#endif
#ifndef READS
#define READS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DISCARDS
#define DISCARDS 1
#endif

#define NR_VCPUS 2
#define VMM      2 /* its place among the readers of mmu_lock, after the vCPUs */
#define BOTH     3 /* both pages, or both vCPUs: sets of two are masks of two bits */
#define BIT(n)   (1 << (n))
#define HAS(m, n) (((m) >> (n)) & 1)
#define PUT(m, n, value) m = (m & ~BIT(n)) | ((value) << (n))

/* The published slot: its flags. Both sets of slots of the kernel come down to these. */
bit slot_log, slot_uf;
unsigned uf_bits : 2 = BOTH; /* the userfault bitmap, in the VMM's memory */
unsigned dirty : 2;          /* the live dirty bitmap */

/* Second-stage leaves, by page. */
unsigned leaf : 2 = BOTH, leaf_w : 2 = BOTH, leaf_frame : 2;

/* The host's page table: a discarded page comes back with its other frame. */
unsigned host_frame : 2;

/* mmu_lock. */
bit mmu_writer;
unsigned mmu_readers : 3;

/* Invalidation: its pages, and the count of ends. */
unsigned invalidating : 2;
unsigned seq : 2;
bit mn_active; /* holds back a swap of slot sets */

/* By vCPU: inside the guest; inside an SRCU section; inside one that began before the swap. */
unsigned in_guest : 2, srcu : 2, srcu_old : 2;

/*
 * By vCPU: a request to flush; an IPI under way; one that has arrived inside the guest, which the vCPU
 * leaves next; acknowledgements that the VMM's and the host's thread wait for.
 */
unsigned flush_request : 2, kicked : 2, stopped : 2, vmm_acks : 2, host_acks : 2;

/* Ghosts: nothing but assertions reads them. */
bit logging;            /* the ioctl that set LOG_DIRTY has returned */
unsigned written : 2;   /* written with logging on, and no harvest since has it */
unsigned unmarked : 4;  /* by page and vCPU: made writable by the fast path, which has still to mark it */
unsigned late : 2;      /* marked so since the harvest began */
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

/* kvm_make_all_cpus_request() for one vCPU: the request, then the look at its mode. */
inline kick(v, acks)
{
	d_step {
		PUT(flush_request, v, 1);
		if
		:: HAS(in_guest, v) -> PUT(kicked, v, 1); PUT(acks, v, 1)
		:: else
		fi
	}
}

/* kvm_flush_remote_tlbs(): returns when each vCPU has been outside of the guest since. */
inline flush_remote_tlbs(acks)
{
	kick(0, acks)
	kick(1, acks)
#ifndef BUG_NO_ACK_WAIT
	d_step { acks == 0 -> skip }
#endif
}

inline zap(page)
{
	PUT(leaf, page, 0);
	PUT(leaf_w, page, 0);
	PUT(leaf_frame, page, 0)
}

/* --- A vCPU: enters, makes its accesses, handles its faults. */

#define NR_ACCESSES (_pid == 0 -> WRITES : READS)
#define TLB_HITS    (HAS(tlb, page) && (!write || HAS(tlb_w, page)))
#define WALK_HITS   (HAS(leaf, page) && (!write || HAS(leaf_w, page)))
/* The translation is still what a walk would give. */
#define TLB_FRESH                                                                                  \
	(HAS(leaf, page) && HAS(leaf_w, page) == HAS(tlb_w, page) &&                               \
	 HAS(leaf_frame, page) == HAS(tlb_frame, page))

inline tlb_drop(p)
{
	PUT(tlb, p, 0);
	PUT(tlb_w, p, 0);
	PUT(tlb_frame, p, 0)
}

inline leave_guest()
{
	PUT(in_guest, _pid, 0);
	PUT(stopped, _pid, 0);
	PUT(srcu, _pid, 1)
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

/* What was seen of the leaf, for a compare-and-exchange later. */
inline read_leaf()
{
	saw = HAS(leaf, page);
	saw_w = HAS(leaf_w, page)
}

#define LEAF_CHANGED (saw != HAS(leaf, page) || saw_w != HAS(leaf_w, page))

inline mark_unless_read(marks)
{
	if
	:: marks -> PUT(dirty, page, 1)
	:: else
	fi
}

inline install()
{
	if
	:: LEAF_CHANGED /* the access is made again */
	:: !LEAF_CHANGED ->
		assert(frame == HAS(host_frame, page)); /* FRAME */
		PUT(leaf, page, 1);
		PUT(leaf_w, page, 1);
		PUT(leaf_frame, page, frame);
#ifndef BUG_NO_MARK
		mark_unless_read(log) /* a writable leaf of a logged slot counts as written */
#endif
	fi;
	log = 0;
	frame = 0;
	saw = 0;
	saw_w = 0
}

inline forget_fault()
{
	log = 0;
	uf = 0;
	frame = 0;
	stale = 0;
	sample = 0
}

/* fast_page_fault(), behind its read of the leaf: makes the leaf writable without mmu_lock, then marks the page. */
inline fast_page_fault()
{
#ifdef BUG_MARK_EARLY
	d_step { mark_unless_read(log && saw && !saw_w) }
#endif
	if
	:: d_step {
			saw && saw_w && !LEAF_CHANGED -> /* somebody was faster */
			forget_fault();
			saw = 0;
			saw_w = 0
		}
		goto enter
	:: d_step {
			saw && !saw_w && !LEAF_CHANGED ->
			PUT(leaf_w, page, 1);
			PUT(unmarked, 2 * _pid + page, log);
			saw = 0
		}
		d_step {
#ifndef BUG_MARK_EARLY
			mark_unless_read(log);
			if
			:: HAS(unmarked, 2 * _pid + page) -> PUT(late, page, 1)
			:: else
			fi;
#endif
			PUT(unmarked, 2 * _pid + page, 0);
			forget_fault()
		}
		goto enter
	:: d_step { !saw || LEAF_CHANGED -> saw = 0; saw_w = 0 }
	fi
}

active [NR_VCPUS] proctype vcpu()
{
	unsigned left : 3 = NR_ACCESSES;
	bit page, write;                                  /* the access */
	unsigned tlb : 2, tlb_w : 2, tlb_frame : 2;       /* by page; kept until invalidated */
	bit log, uf, frame, stale;                        /* of the fault: the slot it saw, what the host said */
	bit saw, saw_w;
	unsigned sample : 2;

	/* KVM_RUN. */
	atomic {
		if
		:: left == 0 -> goto out
		:: else
		fi;
		PUT(srcu, _pid, 1);
		tlb = (_pid == 0 -> BOTH : 0);
		tlb_w = tlb;
		write = (_pid == 0)
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
	d_step { PUT(in_guest, _pid, 1); srcu_leave() }
	if
	:: d_step { HAS(flush_request | stopped, _pid) -> leave_guest() }
		goto enter
	:: d_step { !HAS(flush_request | stopped, _pid) -> skip }
	fi;

guest:
	/* An access may use a translation as long as it is there, or walk if that gives another one. */
	if
	:: d_step { HAS(stopped, _pid) -> leave_guest() }
		goto enter
	:: atomic {
			!HAS(stopped, _pid) && TLB_HITS ->
			d_step {
				retire();
				left--;
				page = 1 - page
			}
			if
			:: left == 0 -> goto finished
			:: else -> goto guest
			fi
		}
	:: d_step {
			!HAS(stopped, _pid) && !(TLB_HITS && TLB_FRESH) && WALK_HITS ->
			PUT(tlb, page, 1);
			PUT(tlb_w, page, HAS(leaf_w, page));
			PUT(tlb_frame, page, HAS(leaf_frame, page))
		}
		goto guest
	:: d_step {
			!HAS(stopped, _pid) && !(TLB_HITS && TLB_FRESH) && !WALK_HITS ->
			/* A violation drops the translation that led to it. */
			stale = HAS(leaf, page);
			tlb_drop(page)
		}
	fi;
	d_step { leave_guest() }

	/* The fault: the slot; the fast path, if there was a leaf; the sequence count; bitmap and host; the lock. */
	d_step { log = slot_log; uf = slot_uf }
	if
	:: d_step { stale -> stale = 0; read_leaf() }
		fast_page_fault()
	:: d_step { !stale -> skip }
	fi;
	d_step { sample = seq }
	if
	:: atomic {
			uf && HAS(uf_bits, page) ->
			/* Exit to user space: the program ends. */
			d_step { forget_fault(); left = 0; srcu_leave() }
			goto out
		}
	:: d_step { !(uf && HAS(uf_bits, page)) -> uf = 0; frame = HAS(host_frame, page) }
	fi;
	d_step {
		!mmu_writer ->
		PUT(mmu_readers, _pid, 1);
#ifndef BUG_NO_RETRY_CHECK
		stale = HAS(invalidating, page) || seq != sample;
#endif
		sample = 0
	}
	if
	:: d_step { !stale -> read_leaf() }
		d_step { install() }
	:: d_step { stale -> forget_fault() }
	fi;
	d_step { PUT(mmu_readers, _pid, 0) }
	goto enter;

finished:
	atomic { leave_guest() }
	d_step { srcu_leave() }
out:
	atomic { page = 0; write = 0; tlb = 0; tlb_w = 0; tlb_frame = 0 }
}

/* --- An IPI arrives, wherever its vCPU is. */

#define V (_pid - NR_VCPUS)

active [NR_VCPUS] proctype interrupt()
{
end:
	do
	:: d_step {
#ifdef BUG_LOST_ACK
			HAS(kicked & in_guest, V) ->
#else
			HAS(kicked, V) ->
#endif
			PUT(kicked, V, 0);
			PUT(stopped, V, HAS(in_guest, V));
			PUT(vmm_acks, V, 0);
			PUT(host_acks, V, 0)
		}
	od
}

/* --- The VMM: a fixed program of ioctls and stores to its bitmap. */

/* kvm_swap_active_memslots(): waits for invalidations, publishes, waits for readers of what was before. */
inline swap(log, uf)
{
	d_step {
		!mn_active ->
		slot_log = log;
		slot_uf = uf;
		srcu_old = srcu;
		must_trap = (uf -> must_trap : 0);
		logging = logging && log;
		written = (log -> written : 0)
	}
#ifndef BUG_NO_SRCU_WAIT
	d_step { srcu_old == 0 -> skip }
#endif
}

/* KVM_SET_USER_MEMORY_REGION2 with other flags, by what changes: swap, then commit. */
inline set_log(uf)
{
	swap(1, uf);
	d_step { !mmu_writer -> PUT(mmu_readers, VMM, 1) }
	d_step { PUT(leaf_w, 0, 0) }
	d_step { PUT(leaf_w, 1, 0) }
	d_step { PUT(mmu_readers, VMM, 0) }
#ifndef BUG_NO_ENABLE_FLUSH
	flush_remote_tlbs(vmm_acks);
#endif
	d_step { logging = 1 }
}

inline set_userfault(log)
{
	d_step { promised = uf_bits }
	swap(log, 1);
#ifndef BUG_NO_ZAP
	mmu_lock_write();
	d_step { any = HAS(leaf, 0); zap(0) }
	if
	:: d_step { any || HAS(leaf, 1) -> zap(1); any = 0 }
		flush_remote_tlbs(vmm_acks)
	:: d_step { !any && !HAS(leaf, 1) -> skip }
	fi;
	mmu_unlock_write();
#endif
	d_step { must_trap = promised; promised = 0 }
}

/* KVM_GET_DIRTY_LOG: takes the bits, protects those pages again, flushes after the lock. */
inline protect_again(page)
{
	d_step { PUT(leaf_w, page, HAS(leaf_w & ~reaped, page)) }
}

inline get_dirty_log()
{
	d_step { must_report = written; late = 0 }
	mmu_lock_write();
	if
	:: d_step { dirty != 0 -> reaped = dirty; dirty = 0 }
		protect_again(0);
		protect_again(1);
		mmu_unlock_write();
#ifndef BUG_NO_FLUSH
		flush_remote_tlbs(vmm_acks)
#endif
	:: d_step { dirty == 0 -> skip }
		mmu_unlock_write()
	fi;
	d_step {
		/* DIRTY */
		assert((must_report & written & ~reaped & ~late & ~unmarked & ~(unmarked >> 2)) == 0);
		written = written & ~reaped;
		must_report = 0;
		reaped = 0;
		late = 0
	}
}

inline clear_uf_bit(page)
{
	d_step { PUT(must_trap, page, 0); PUT(uf_bits, page, 0) }
}

active proctype vmm()
{
	bit any;
	unsigned reaped : 2, must_report : 2, promised : 2;
	unsigned round : 2 = ROUNDS;

	do
	:: d_step { round > 0 -> round--; uf_bits = BOTH; dirty = 0 }
		set_log(0);
		get_dirty_log();
		set_userfault(1);
		clear_uf_bit(0);
		swap(1, 0);
		get_dirty_log();
		swap(0, 0)
	:: round == 0 -> break
	od
}

/* --- The host: discards page 0 inside an invalidation; it comes back with another frame. */

inline change_frame()
{
	d_step { host_frame = host_frame ^ BIT(0) }
}

inline discard()
{
	d_step { mn_active = 1 }
	d_step { !mmu_writer && mmu_readers == 0 -> mmu_writer = 1; PUT(invalidating, 0, 1) }
	if
	:: d_step { HAS(leaf, 0) -> zap(0) }
#ifndef BUG_NO_MN_FLUSH
		flush_remote_tlbs(host_acks)
#endif
	:: d_step { !HAS(leaf, 0) -> skip }
	fi;
	mmu_unlock_write();
#ifndef BUG_CLEAR_EARLY
	change_frame();
#endif
	d_step {
		!mmu_writer && mmu_readers == 0 ->
		assert(!HAS(leaf, 0)); /* FRAME */
		seq++;
		PUT(invalidating, 0, 0)
	}
#ifdef BUG_CLEAR_EARLY
	change_frame();
#endif
	d_step { mn_active = 0 }
}

active proctype host_mm()
{
	unsigned left : 2 = DISCARDS;

	do
	:: d_step { left > 0 -> left-- }
		discard()
	:: left == 0 -> break
	od
}
