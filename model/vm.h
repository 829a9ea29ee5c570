/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one virtual machine: everything that a step reads or writes, as plain data in one
 * arena (arena.h).  Parts refer to each other by element number of a typed pool.
 *
 * Names are KVM's: memslot, gfn, hva, mmu_lock, slots_lock, srcu
 * [KVM v6.12 include/linux/kvm_host.h, arch/x86/include/asm/kvm_host.h].
 *
 * Invariants of the state at rest (no actor inside an ioctl, a fault or a notifier), vm_check():
 *   V1  both memslot sets of an address space hold the same slots, sorted by base_gfn, disjoint
 *   V2  no lock is owned, every SRCU and RCU side counts no reader
 *   V3  bit 63 of every generation is clear; mn_active_invalidate_count and in_progress are 0
 *   V4  the number of slots with LOG_DIRTY_PAGES equals nr_memslots_dirty_logging
 *   V5  the table pool satisfies pt_check()
 *   V6  every leaf lies within one slot, holds the frame that the host page table has there, is no
 *       larger than the host's mapping and not more permissive than host and slot allow
 *   V7  no step used a memslot object after it was freed
 *   V8  every live table page below a root is linked from a live one (not in the legacy MMU)
 */
#ifndef MODEL_VM_H
#define MODEL_VM_H

#include "mmu/s2_pt.h"
#include "mmu/tlb.h"
#include "mmu/x86_pt.h"
#include "model/policy.h"

enum {
	VM_MAX_VCPUS = 62, /* with VMM and host mm a bit each in 64 */
	VM_MAX_AS = 2,
	VM_MAX_MAPS = 16,
	VM_MAX_ROOTS = 8,
	VM_MAX_TRACKED = 8,
	VM_USER_MEM_SLOTS_X86 = 32764, /* KVM_USER_MEM_SLOTS: SHRT_MAX minus 3 internal slots */
	VM_MEM_SLOTS_NUM = 32767,      /* KVM_MEM_SLOTS_NUM = SHRT_MAX */
	FRAME_BYTES = 56,              /* locals of a procedure: with its header one cache line */
	FRAMES_MAX = 10,
	PML_ENTRIES = 512,  /* of the hardware; an exploration may have fewer */
	VM_MAX_THREADS = 8, /* VMM threads; threads of the host's mm */
	GHOST_PAGES = 64,   /* gfns that the history of an exploration covers: a bit each */
	MEM_STORES = 8,     /* of a thread that others do not see yet */
};

#define MEMSLOT_GEN_UPDATE_IN_PROGRESS BIT(63)

/* Memslot flags: userspace bits 0..15, KVM's own above. */
enum memslot_flags {
	MEM_LOG_DIRTY_PAGES = 1 << 0,
	MEM_READONLY = 1 << 1,
	MEM_GUEST_MEMFD = 1 << 2,
	MEM_USERFAULT = 1 << 3,
	MEMSLOT_INVALID = 1 << 16,
};

enum mr_change {
	KVM_MR_CREATE,
	KVM_MR_DELETE,
	KVM_MR_MOVE,
	KVM_MR_FLAGS_ONLY,
	KVM_MR_NONE,
};

/* ---- actors ---------------------------------------------------------------------------------- */

/* What an actor waits for; whether it may run is a pure function of this and the state. */
enum wait_kind {
	W_RUN,    /* nothing */
	W_LOCK_R, /* obj may be taken for reading */
	W_LOCK_W, /* obj may be taken for writing */
	W_ZERO,   /* counter obj is 0 */
	W_EPOCH,  /* side arg of epoch obj has no reader */
	W_ACKS,   /* no vCPU owes this actor an acknowledgement */
	W_BIT,    /* bit arg of the words pool is 0 */
	W_PAGE,   /* host page arg (element of the page pool) is there, or no longer mapped */
	W_GUEST,  /* spinning in guest mode: a kick or the end of the loop */
};

/* Objects that can be waited for; also the wake lists. */
enum obj {
	OBJ_NONE,
	OBJ_SLOTS_LOCK,
	OBJ_SLOTS_ARCH_LOCK,
	OBJ_MMU_LOCK,
	OBJ_GMEM_LOCK, /* of files of guest_memfd: their pages and bindings */
	OBJ_NR_LOCKS,
	OBJ_MN_ACTIVE = OBJ_NR_LOCKS, /* counter mn_active_invalidate_count */
	OBJ_SRCU,
	OBJ_RCU,
	OBJ_ACKS,
	OBJ_PAGES, /* host pages that user space fills in */
	OBJ_BITS,  /* userfault bits that user space has cleared */
	OBJ_VCPU0, /* one object a vCPU from here on: its mode and requests */
};

struct wait {
	uint8_t kind;
	uint8_t flags;
	uint16_t obj;
	uint32_t arg;
};

struct frame {
	uint16_t proc, pc;
	uint32_t spare;
	_Alignas(8) uint8_t loc[FRAME_BYTES];
};

struct actor {
	struct wait wait;
	int32_t ret; /* of the procedure that returned last */
	uint8_t depth;
	uint8_t spare0;
	uint16_t flags;
	uint8_t srcu_side; /* side of the SRCU read section this actor is in, see ACTOR_SRCU */
	uint8_t rcu_side;
	uint16_t spare;
	uint32_t spare2[11];
	struct frame fr[FRAMES_MAX];
};

enum actor_flags {
	ACTOR_SRCU = 1, /* inside an SRCU read section */
	ACTOR_RCU = 2,
};

_Static_assert(sizeof(struct frame) == 64, "a frame is one cache line");
_Static_assert(sizeof(struct actor) == 64 + 64 * FRAMES_MAX, "an actor is whole cache lines");

/* Range operation that is too large for a frame; one an actor. */
struct scratch {
	struct s2_op s2;
	struct walk walk;
	uint64_t word[4];
};

/* A userfault bitmap pointer that is no bitmap; without one of these and without bitmap it is NULL. */
enum uf_pointer {
	UF_POINTER_OK,
	UF_POINTER_UNREADABLE, /* a user address with nothing behind it */
	UF_POINTER_KERNEL,     /* fails access_ok() */
};

/* What a line of the script asks of an actor: arguments too large for a frame. */
struct op {
	uint32_t slot; /* as_id << 16 | id */
	uint32_t flags;
	gpa_t gpa;
	uint64_t size; /* bytes; also host ranges */
	hva_t hva;
	uint64_t first, n; /* pages; accesses */
	uint64_t stride;
	uint32_t mask_words; /* first word of the user's bitmap in the words pool */
	uint32_t nr_mask_words;
	uint32_t uf_bitmap; /* words index of the userfault bitmap */
	uint32_t uf_pages;
	uint8_t access;       /* ACC_* of a guest step; host touch: ACC_W or ACC_R */
	uint8_t kind;         /* host operation */
	uint8_t fail;         /* enum fail_point forced in this ioctl */
	uint8_t uf_bad;       /* enum uf_pointer */
	uint8_t pattern;      /* enum access_pattern of a guest step */
	uint8_t reads;        /* of 100 accesses so many read, whatever the others do */
	uint8_t resolve;      /* an exit is answered by user space, and the guest goes on */
	uint8_t gmem;         /* file of guest_memfd, map + 1 */
	uint64_t gmem_off;    /* bytes */
	uint64_t over;        /* pages that a pattern other than sequential ranges over */
	uint64_t seed;        /* of a pattern */
	uint64_t think_ps;    /* guest: computes so long before each access */
	uint64_t resolve_ps;  /* user space needs so long to answer an exit */
	uint64_t per_page_ps; /* user space needs so long for each dirty page that it was told of */
};

/* ---- locks and epochs ------------------------------------------------------------------------ */

struct lock {
	int32_t writer; /* actor number + 1, 0 is free */
	int32_t readers;
};

/* Two-sided epoch, as SRCU counts its readers. */
struct epoch {
	uint32_t count[2];
	uint8_t idx;
	uint8_t spare[7];
};

/* ---- memslots -------------------------------------------------------------------------------- */

struct memslot {
	gfn_t base_gfn;
	uint64_t npages;
	hva_t hva;
	uint32_t flags;
	uint16_t id;
	uint8_t as_id;
	uint8_t in_use;
	uint32_t bitmap;    /* words index: first half live, second half scratch; 0 none */
	uint32_t uf_bitmap; /* words index of the userfault bitmap in user memory; 0 none */
	uint32_t track;     /* words index: write-tracking counts of 16 bits a page; 0 none */
	uint32_t reap;      /* words index: pages that the permission overlay denies; 0 none */
	uint8_t uf_bad;     /* enum uf_pointer */
	uint8_t has_rmaps;  /* reverse maps exist: what shadow paging needs of each slot */
	uint8_t gmem;       /* its file of guest_memfd, map + 1; 0 none */
	uint8_t spare;
	uint32_t hva_rank;  /* order among slots of one hva: the later inserted, the higher */
	uint64_t gmem_page; /* where it begins in the file */
};

struct memslots {
	uint64_t generation;
	uint32_t count;
	uint32_t spare;
};

/* ---- host memory ----------------------------------------------------------------------------- */

enum {
	HOST_COPIES =
		4, /* frames per page of a mapping, so that a new page differs from the last */
};

enum host_backing {
	HOST_ANON,
	HOST_THP,
	HOST_HUGE2M,
	HOST_HUGE1G,
	HOST_MEMFD,
	HOST_GMEM, /* guest_memfd: nobody has it mapped */
	HOST_GMEM_HUGE,
};

struct host_map {
	char name[32];
	hva_t hva;
	uint64_t npages;
	kvm_pfn_t pfn0; /* frames of copy 0; copy c adds c * span */
	uint64_t span;
	uint32_t unit0; /* first huge-page unit in the unit pool */
	uint32_t page0; /* first page record in the page pool */
	uint8_t backing;
	uint8_t in_use;
	uint8_t uffd; /* registered with a userfaultfd: who misses a page waits for it */
	uint8_t spare;
	uint32_t bindings; /* words index: guest_memfd, slot object of each page */
};

/* State of the host page table at one 2 MiB unit (hugetlb 1 GiB: the first unit of the GiB). */
enum unit_kind {
	UNIT_NONE,  /* no entry at all: a huge page may still be installed */
	UNIT_SMALL, /* a page table: see the page records */
	UNIT_HUGE,  /* one huge page */
	UNIT_HZERO, /* the huge zero page */
};

struct host_unit {
	uint8_t kind;
	uint8_t copy;
	uint8_t writable;    /* the host entry grants write */
	uint8_t no_huge : 1; /* madvise nohugepage */
	uint8_t tables : 1;  /* first unit of a GiB: the GiB has a table of units */
	uint8_t spare : 6;
};

enum page_kind {
	PAGE_NONE,
	PAGE_ZERO, /* the zero page, read-only */
	PAGE_OWN,
	PAGE_CLEAN, /* own, by an entry that is not dirty */
};

/* One 4 KiB page: host page table entry and what its VMA says. */
struct host_page {
	uint8_t kind : 2;
	uint8_t writable : 1; /* host entry grants write */
	uint8_t vma_gone : 1; /* unmapped */
	uint8_t vma_ro : 1;   /* mprotect(PROT_READ) */
	uint8_t vma_edge : 1; /* a VMA begins at this page */
	uint8_t copy : 2;
};

/* ---- vCPUs ----------------------------------------------------------------------------------- */

enum vcpu_mode {
	OUTSIDE_GUEST_MODE,
	IN_GUEST_MODE,
	EXITING_GUEST_MODE,
	READING_SHADOW_PAGE_TABLES,
};

enum vcpu_request {
	REQ_TLB_FLUSH = 1,
	REQ_MMU_FREE_OBSOLETE_ROOTS = 2,
	REQ_UPDATE_CPU_DIRTY_LOGGING = 4,
	REQ_DIRTY_RING_SOFT_FULL = 8,
	REQ_TLB_FLUSH_GUEST = 16,
};

struct vcpu {
	uint32_t requests;
	uint8_t mode;
	uint8_t kicked; /* an IPI is on its way: the ack rule is enabled */
	uint8_t pml_enabled : 1;
	uint8_t spinning : 1;
	uint8_t spare0 : 6;
	uint8_t stop_spin;
	uint8_t stopped; /* an interrupt has made the CPU leave the guest; KVM does not know yet */
	uint8_t walk_again; /* an invalidation took effect on the PE: a walk under way starts over */
	uint16_t pml_index; /* next entry to be written, counts down; PML_NONE wraps */
	uint32_t root;      /* root slot index + 1 in struct vm_state, 0 none */
	uint64_t acks_for;  /* bit per actor that waits for this vCPU's ack */
	uint64_t mmio_gfn;  /* last MMIO access cached, valid with mmio_gen */
	uint64_t mmio_gen;
	uint8_t mmio_valid;
	uint8_t as_id;
	uint16_t spare2;
	uint32_t ring_dirty; /* dirty ring: producer index */
	uint32_t ring_reset; /* reset index */
	uint32_t spare;
};

struct ring_entry {
	uint32_t flags; /* 0 free, 1 dirty, 2 harvested */
	uint32_t slot;
	uint64_t offset;
};

/* A page that a device model in the kernel asked to be told about [intel_vgpu_page_track]. */
struct tracked {
	gfn_t gfn;
	uint64_t held; /* it counts in the slot's array [kvmgt: its protect table] */
};

/* ---- memory order (mem.h) -------------------------------------------------------------------- */

enum mem_model {
	MEM_SC, /* stores are visible at once, loads are in order */
	MEM_TSO,
	MEM_ARMLIKE,
};

enum mem_store_kind {
	MEM_STORE_NONE,
	MEM_STORE_DATA, /* of a page */
	MEM_STORE_BITS, /* of a word of a userfault bitmap */
};

struct mem_store {
	uint64_t at;   /* hva of the page; element of the words pool */
	uint64_t mask; /* bits that change */
	uint8_t kind;  /* enum mem_store_kind */
	uint8_t value;
	uint8_t release;
	uint8_t due, promised; /* history, see mem.h */
	uint8_t spare[3];
};

/* Data that a vCPU thread has loaded ahead of its turn. */
struct mem_ahead {
	hva_t hva;
	uint8_t used;
	uint8_t old, due, bad; /* history, see mem.h */
	uint8_t spare[4];
};

/* An element an actor. */
struct mem_thread {
	struct mem_store stores[MEM_STORES]; /* in the order of the program */
	struct mem_ahead ahead;
};

/* ---- roots and the VM ------------------------------------------------------------------------ */

struct root {
	uint32_t table;
	uint32_t refs; /* vCPUs that hold it */
	uint8_t in_use;
	uint8_t invalid;
	uint8_t scheduled; /* to be zapped by the fast zap in progress */
	uint8_t as_id;
	uint32_t spare;
};

/* Where a line of the program stands, an element an actor; only where the order of steps is free. */
struct progress {
	uint64_t done;    /* bit per item of the actor's lines in the block: begun */
	uint32_t running; /* item + 1 under way, 0 none */
	uint32_t block;   /* of element 0: block of the program that runs */
};

/*
 * History that invariants need; a bit a gfn.  The rules that write and read it are in inv.c.
 */
struct ghost {
	uint64_t logged;  /* the ioctl that set LOG_DIRTY_PAGES has returned */
	uint64_t written; /* guest writes to such pages that no harvest has reported */
	uint64_t
		uf_on; /* the ioctl that set USERFAULT has returned, none that clears it has begun */
	uint64_t uf_armed; /* bit was 1 before the ioctl that set USERFAULT, and is since */
	uint64_t
		removed; /* slot deleted or moved away, the ioctl has returned, no new one asked for */
	uint64_t stopped;       /* between return of invalidate_range_start and begin of _end */
	uint64_t made;          /* in a slot that no ioctl under way is about */
	uint64_t foreign_words; /* blocks of the words pool that are not KVM's */
};

/* The same for the line that an actor runs; an element an actor. */
struct ghost_line {
	uint64_t slot;      /* pages of the slot that an ioctl is about, as it found it */
	uint64_t target;    /* pages where it wants the slot to be */
	uint64_t due;       /* written when the harvest began */
	uint64_t reported;  /* by the harvest */
	uint64_t late;      /* marked while the harvest went on: it may have looked before */
	uint64_t uf_before; /* bit was 1 when the ioctl began that sets USERFAULT */
	uint64_t was;       /* flags and bitmap of the slot as an ioctl found it */
	uint64_t protected; /* leaves that the line has write-protected; only when lints are asked for */
	uint64_t left;      /* of a vCPU: .made when it left the guest */
	uint64_t closed; /* the slot is INVALID and readers of the old one have left */
};

struct vm_state {
	struct lock lock[OBJ_NR_LOCKS];
	struct epoch srcu, rcu;
	uint64_t mmu_invalidate_seq;
	uint32_t mmu_invalidate_in_progress;
	uint32_t mn_active_invalidate_count;
	uint64_t inv_start, inv_end; /* hull: hva or gfn, by policy */
	struct memslots sets[VM_MAX_AS][2];
	uint8_t active[VM_MAX_AS];
	uint8_t mmu_valid_gen;
	uint8_t spare;
	uint32_t nr_memslots_dirty_logging;
	struct root roots[VM_MAX_ROOTS];
	struct pt_head pt_head;
	uint32_t deferred; /* unlinked table pages that wait for an RCU grace period to begin */
	uint32_t
		grace; /* those that wait for its end; readers of the other side may still see them */
	uint32_t nr_slots; /* slot objects in use */
	uint32_t spare3;
	uint64_t nr_memslot_pages;
	uint64_t next_pfn; /* host frames handed out so far */
	uint64_t next_hva;
	uint32_t next_unit, next_page;
	uint32_t nr_maps;
	uint32_t serial;               /* creation order of shadow pages */
	uint32_t words_used;           /* high water of the words pool */
	uint32_t freed_slot_used;      /* V7: steps that used a slot object after it was freed */
	uint8_t shadow_root_allocated; /* slots that are made have reverse maps and counts */
	uint8_t tracker;               /* an external user of write tracking is registered */
	uint8_t spare2[2];
	uint32_t nr_tracked; /* pages that it believes to be protected, ascending */
	struct tracked tracked[VM_MAX_TRACKED];
	uint32_t split_cache;  /* arm64: pages in the VM-wide split cache */
	uint32_t nr_reaped;    /* overlays in use */
	uint32_t private_bits; /* words index: attribute of gfns */
	uint32_t spare4;
	struct host_map maps[VM_MAX_MAPS];
};

/* ---- configuration --------------------------------------------------------------------------- */

struct vm_limits {
	uint32_t nr_tables;
	uint32_t nr_slots;
	uint32_t nr_words;
	uint32_t nr_units;
	uint32_t nr_pages;
};

/* Slot objects: element 0 is unused; a MOVE in a full set needs the new object and the INVALID copy. */
static inline uint32_t memslot_objects(const struct vm_limits *l)
{
	return l->nr_slots + 3;
}

struct vm_cfg {
	struct pt_geom geom;
	struct rules rules; /* everything in which kernels, machines and patches differ */
	struct vm_limits limits;
	struct tlb_cfg tlb; /* form and size of each vCPU's TLB */
	uint32_t nr_vcpus;
	uint32_t manual;       /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 argument */
	uint32_t ring_entries; /* 0: bitmap mode */
	uint64_t chunk_pages;  /* arm64 eager split chunk; 0 off */
	bool eager_split;
	bool nx_huge_pages;
	bool zap_all_quirk;
	bool code;                /* slot 31 exists: each guest step fetches from it */
	uint32_t walk_budget;     /* entries that a walk over a range looks at in one step */
	uint32_t guest_budget;    /* accesses that a vCPU does in one step */
	uint32_t nr_vmms, nr_mms; /* threads of the VMM and of the host's mm; 0 counts as 1 */
	uint16_t pml_entries;     /* of each vCPU's buffer; 0 counts as PML_ENTRIES */
	bool hw_steps;            /* the hardware's walk of an access has boundaries */
	bool lints;               /* explorations only: what cost lints need to know is kept */
	bool free_order; /* the order of steps is free: struct progress and struct ghost exist */
	uint8_t mem;     /* enum mem_model that is asked for; see vm_cfg_mem() */
};

/* The VM as steps see it: pointers into the arena, recomputed for each copy. */
struct vm {
	struct vm_cfg *cfg;
	struct vm_state *st;
	struct actor *actors;
	struct scratch *scratch;
	struct op *ops; /* one an actor */
	struct vcpu *vcpus;
	struct memslot *slots;    /* element 0 unused */
	uint16_t *set_ids;        /* [VM_MAX_AS][2][nr_slots] slot numbers sorted by base_gfn */
	uint64_t *words;          /* bitmaps; element 0 unused */
	gpa_t *pml;               /* [nr_vcpus][PML_ENTRIES] */
	struct ring_entry *rings; /* [nr_vcpus][ring_entries] */
	uint64_t *tlbs;           /* one TLB a vCPU, see vtlb.h */
	struct host_unit *units;
	struct host_page *pages;
	struct pt pt; /* view of the table pool */
	struct arena *arena;
	struct progress *progress;     /* free_order only */
	struct ghost *ghost;           /* free_order only */
	struct ghost_line *ghost_line; /* free_order only */
	struct mem_thread *mem;        /* where vm_cfg_mem() is not MEM_SC */
	uint32_t nr_actors;            /* vCPUs, VMM, host mm, then their further threads */
};

static inline uint32_t vm_cfg_actors(const struct vm_cfg *c)
{
	return c->nr_vcpus + max_u32(c->nr_vmms, 1) + max_u32(c->nr_mms, 1);
}

/* The memory model that is in force: any but MEM_SC needs moves of its own. */
static inline enum mem_model vm_cfg_mem(const struct vm_cfg *c)
{
	return c->free_order ? (enum mem_model)c->mem : MEM_SC;
}

static inline uint32_t vm_cfg_pml(const struct vm_cfg *c)
{
	return c->pml_entries ? c->pml_entries : PML_ENTRIES;
}

/* Actor of a thread of the VMM, of the host's mm; the first of each stand in front. */
static inline uint32_t vm_vmm_thread(const struct vm *vm, uint32_t thread)
{
	return vm->cfg->nr_vcpus + (thread ? 1 + thread : 0);
}

static inline uint32_t vm_mm_thread(const struct vm *vm, uint32_t thread)
{
	return vm->cfg->nr_vcpus + 1 + (thread ? max_u32(vm->cfg->nr_vmms, 1) - 1 + thread : 0);
}

static inline uint32_t vm_actor_vmm(const struct vm *vm)
{
	return vm_vmm_thread(vm, 0);
}

static inline uint32_t vm_actor_mm(const struct vm *vm)
{
	return vm_mm_thread(vm, 0);
}

/* vm_check() - V1 to V8 at rest; @why receives a constant sentence on failure. */
bool vm_check(const struct vm *vm, const char **why);

/* vm_check_tables() - V5 and V8; they hold whenever mmu_lock is free. */
bool vm_check_tables(const struct vm *vm, const char **why);

#endif
