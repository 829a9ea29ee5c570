/* SPDX-License-Identifier: Apache-2.0 */
/* ---- What every reproducer does ------------------------------------------------------------- */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not every scenario needs every helper. */
#define OPTIONAL static __attribute__((unused))

#ifndef KVM_DIRTY_LOG_PAGE_OFFSET
#define KVM_DIRTY_LOG_PAGE_OFFSET 64
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_ACQ_REL
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL 223
#endif
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum {
	NR_SLOTS = 512,
	CODE_SLOT = 500,
	NR_MAPS = 16,
	NR_PARAMS = 8,
	WORDS_MAX = 65536,
	LIST_MAX = 512, /* accesses without leaving the guest */
	SAY_MAX = 8,    /* of a kind of message */
	ROUND_SECONDS = 60,
	MAIN = -1,
	EXIT_VIOLATED = 1,
	EXIT_TROUBLE = 2,
	EXIT_SKIP = 4, /* as KVM's selftests do */
};

#define GIB       (1ULL << 30)
#define TRAP_GPA  0xd0000000ULL /* nothing is there */
#define CODE_GPA  0xe0000000ULL
#define LISTS     0x20000ULL /* in the code's slot: a page of addresses for each vCPU */
#define LIST_SIZE (LIST_MAX * sizeof(uint64_t))
#define CODE_SIZE (LISTS + NR_VCPUS * 0x10000ULL) /* whole pages of any size */
#define HOST_WORD                                                                                  \
	(REAL_PAGE / 2) /* where in a page the host writes, apart from the guest's words */

static int kvm_fd, vm_fd, pagemap_fd;
static unsigned long nr_lost, nr_stale, this_round;
static _Thread_local int me = MAIN;
static _Thread_local uint64_t dice = 1;

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(EXIT_TROUBLE);
}

_Noreturn static void skip(const char *what)
{
	printf("skip: %s: %s\n", what, strerror(errno));
	exit(EXIT_SKIP);
}

/* An ioctl that the scenario asks for may fail; the first few say so. */
static bool tried(const char *what, int ret)
{
	static atomic_int said;

	if (ret < 0 && atomic_fetch_add(&said, 1) < SAY_MAX)
		fprintf(stderr, "round %lu: %s: %s\n", this_round, what, strerror(errno));
	return ret >= 0;
}

/* ---- The scenario's addresses, which may be those of a small machine ------------------------- */

static uint64_t real_at(uint64_t at)
{
	return at / MODEL_BLOCK * REAL_BLOCK + at % MODEL_BLOCK / MODEL_PAGE * REAL_PAGE +
	       at % MODEL_PAGE;
}

/* Bytes of at..at+len-1: whole blocks stay whole, pages stay as many. */
static uint64_t real_len(uint64_t at, uint64_t len)
{
	uint64_t end = at + len;

	if (len == 0)
		return 0;
	if (end % MODEL_BLOCK == 0 && len >= MODEL_BLOCK)
		return real_at(end) - real_at(at);
	return real_at(end - 1) + 1 - real_at(at);
}

/* ---- Host memory ---------------------------------------------------------------------------- */

enum backing { ANON, THP, HUGE2M, HUGE1G, MEMFD };

static struct mapping {
	char *at;
	uint64_t size;
	enum backing backing;
	int fd;
} maps[NR_MAPS];

static int map_flags(const struct mapping *m)
{
	switch (m->backing) {
	case HUGE2M:
		return MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26;
	case HUGE1G:
		return MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << 26;
	case MEMFD:
		return MAP_SHARED;
	case ANON:
	case THP:
		break;
	}
	return MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
}

/* Map @len bytes at @off of the mapping, over what was there. */
static void map_part(struct mapping *m, uint64_t off, uint64_t len)
{
	if (mmap(m->at + off, len, PROT_READ | PROT_WRITE, map_flags(m) | MAP_FIXED, m->fd,
		 m->fd < 0 ? 0 : (off_t)off) == MAP_FAILED)
		die("host memory (huge pages have to be reserved first)");
	if (m->backing == ANON)
		madvise(m->at + off, len, MADV_NOHUGEPAGE);
	if (m->backing == THP)
		madvise(m->at + off, len, MADV_HUGEPAGE);
}

static void host_map(int map, uint64_t size, enum backing backing)
{
	struct mapping *m = &maps[map];
	char *any;

	m->size = (real_len(0, size) + REAL_PAGE - 1) / REAL_PAGE * REAL_PAGE;
	if (backing == HUGE1G)
		m->size = (m->size + GIB - 1) / GIB * GIB;
	m->backing = backing;
	m->fd = backing == MEMFD ? memfd_create("repro", MFD_CLOEXEC) : -1;
	if (m->fd >= 0 && ftruncate(m->fd, (off_t)m->size))
		die("memfd");
	any = mmap(NULL, m->size + GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	if (any == MAP_FAILED)
		die("address space");
	m->at = (char *)(((uintptr_t)any + GIB - 1) / GIB * GIB);
	if (m->at > any)
		munmap(any, (size_t)(m->at - any));
	if (any + GIB > m->at)
		munmap(m->at + m->size, (size_t)(any + GIB - m->at));
	map_part(m, 0, m->size);
}

static void drop_maps(void)
{
	for (int i = 0; i < NR_MAPS; i++) {
		struct mapping *m = &maps[i];

		if (!m->at)
			continue;
		munmap(m->at, m->size);
		if (m->fd >= 0)
			close(m->fd);
		m->at = NULL;
	}
}

/* Read or write a word of our own memory through the kernel: a hole is an error, not a signal. */
static bool copy_word(char *at, uint32_t *word, bool write)
{
	struct iovec here = { word, sizeof(*word) }, there = { at, sizeof(*word) };
	ssize_t n = write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
			  : process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	return n == sizeof(*word);
}

/* The word if its page is there; does not make the page come. */
static uint32_t peek(char *at)
{
	const uint64_t there = 3ULL << 62; /* present or swapped */
	uint64_t entry = there;
	uint32_t word;

	if (pagemap_fd >= 0 &&
	    pread(pagemap_fd, &entry, sizeof(entry),
		  (off_t)((uintptr_t)at / REAL_PAGE * sizeof(entry))) != sizeof(entry))
		entry = there;
	return (entry & there) && copy_word(at, &word, false) ? word : 0;
}

static atomic_uint counter;

OPTIONAL void host_touch(int map, uint64_t off, uint64_t len, uint64_t stride, bool write)
{
	for (uint64_t at = off; at < off + len; at += stride) {
		uint64_t page = real_at(at) / REAL_PAGE * REAL_PAGE;
		uint32_t word = atomic_fetch_add(&counter, 1) + 1;

		copy_word(maps[map].at + page + HOST_WORD, &word, write);
	}
}

OPTIONAL void host_madvise(int map, uint64_t off, uint64_t len, int advice)
{
	tried("madvise", madvise(maps[map].at + real_at(off), real_len(off, len), advice));
}

OPTIONAL void host_munmap(int map, uint64_t off, uint64_t len)
{
	tried("munmap", munmap(maps[map].at + real_at(off), real_len(off, len)));
}

OPTIONAL void host_remap(int map, uint64_t off, uint64_t len)
{
	map_part(&maps[map], real_at(off), real_len(off, len));
}

OPTIONAL void host_mprotect(int map, uint64_t off, uint64_t len, int prot)
{
	tried("mprotect", mprotect(maps[map].at + real_at(off), real_len(off, len), prot));
}

/* ---- Memslots, and a copy of the guest's words as a migration would make it ------------------- */

/* Of slots and words, over the ioctls that change them: KVM lets only one of those in, too. */
static pthread_mutex_t book = PTHREAD_MUTEX_INITIALIZER;

static struct slot {
	bool used, logged;
	uint64_t model_gpa, model_size; /* of the scenario */
	uint64_t gpa, size;
	char *host;
} slots[NR_SLOTS];

/* A word that guest lines access. The VMM's thread copies it when the log says so. */
static struct word {
	uint64_t gpa;
	uint32_t copied;
	bool written; /* by a line of the scenario */
	bool told;    /* the log names its page */
} * words;
static unsigned nr_words;

static void note_word(uint64_t gpa, bool write)
{
	unsigned i = 0;

	while (i < nr_words && words[i].gpa != gpa)
		i++;
	if (i == WORDS_MAX) {
		fprintf(stderr, "more than %d words\n", WORDS_MAX);
		exit(EXIT_TROUBLE);
	}
	words[i].gpa = gpa;
	words[i].written |= write;
	if (i == nr_words)
		nr_words++;
}

static bool slot_has(const struct slot *s, uint64_t gpa)
{
	return s->used && gpa >= s->gpa && gpa - s->gpa < s->size;
}

static char *host_of(const struct slot *s, uint64_t gpa)
{
	return s->host + (gpa - s->gpa);
}

static const struct slot *slot_of(uint64_t gpa)
{
	for (int i = 0; i < NR_SLOTS; i++)
		if (slot_has(&slots[i], gpa))
			return &slots[i];
	return NULL;
}

static void tell_all(const struct slot *s)
{
	for (unsigned i = 0; i < nr_words; i++)
		words[i].told |= slot_has(s, words[i].gpa);
}

/* Bit n of @bitmap is page @first + n of the slot. */
static void tell(const struct slot *s, const uint64_t *bitmap, uint64_t first, uint64_t n)
{
	for (unsigned i = 0; i < nr_words; i++) {
		uint64_t page = (words[i].gpa - s->gpa) / REAL_PAGE;

		if (slot_has(s, words[i].gpa) && page >= first && page - first < n)
			words[i].told |= bitmap[(page - first) / 64] >> (page - first) % 64 & 1;
	}
}

/* Copy what was told. Whoever writes later than this must be in the log again. */
static void copy_told(void)
{
	for (unsigned i = 0; i < nr_words; i++) {
		const struct slot *s = words[i].told ? slot_of(words[i].gpa) : NULL;

		if (s)
			words[i].copied = peek(host_of(s, words[i].gpa));
		words[i].told = false;
	}
}

OPTIONAL void set_region(unsigned slot, uint64_t gpa, uint64_t size, uint32_t flags, int map,
			 uint64_t off)
{
	struct slot *s = &slots[slot];
	struct slot new = {
		.used = size != 0,
		.logged = size != 0 && (flags & KVM_MEM_LOG_DIRTY_PAGES),
		.model_gpa = gpa,
		.model_size = size,
		.gpa = real_at(gpa),
		.size = (real_len(gpa, size) + REAL_PAGE - 1) / REAL_PAGE * REAL_PAGE,
		.host = map < 0 ? NULL : maps[map].at + real_at(off),
	};
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = new.gpa,
		.memory_size = new.size,
		.userspace_addr = (uintptr_t) new.host,
	};

	pthread_mutex_lock(&book);
	if (tried("KVM_SET_USER_MEMORY_REGION",
		  ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region))) {
		bool logs_anew = new.logged && (!s->logged || s->gpa != new.gpa);

		*s = new;
		if (logs_anew) {
			tell_all(s);
			copy_told();
		}
	}
	pthread_mutex_unlock(&book);
}

static uint64_t *new_bitmap(uint64_t pages)
{
	uint64_t *bitmap = calloc(pages / 64 + 1, sizeof(*bitmap));

	if (!bitmap)
		die("bitmap");
	return bitmap;
}

static bool get_dirty(unsigned slot)
{
	struct slot *s = &slots[slot];
	uint64_t pages, *bitmap;
	bool ok;

	pthread_mutex_lock(&book);
	pages = s->size / REAL_PAGE;
	bitmap = new_bitmap(pages);
	ok = tried("KVM_GET_DIRTY_LOG",
		   ioctl(vm_fd, KVM_GET_DIRTY_LOG,
			 &(struct kvm_dirty_log){ .slot = slot, .dirty_bitmap = bitmap }));
	/* with manual protection only CLEAR makes later writes show, so only then it may be copied */
	if (ok && !MANUAL) {
		tell(s, bitmap, 0, pages);
		copy_told();
	}
	pthread_mutex_unlock(&book);
	free(bitmap);
	return ok;
}

/* Pages of the scenario's slot to those of ours. */
static uint64_t slot_page(const struct slot *s, uint64_t page)
{
	return (real_at(s->model_gpa + page * MODEL_PAGE) - s->gpa) / REAL_PAGE;
}

/* Pages of the scenario, as a CLEAR line names them. */
struct clear {
	unsigned slot;
	uint64_t first, n;
	const uint64_t (*ranges)[2]; /* pairs of first page and one past the last */
	unsigned nr_ranges;          /* 0: all n pages from first on */
};

static void set_bits(uint64_t *bitmap, uint64_t from, uint64_t end)
{
	for (uint64_t p = from; p < end; p++)
		bitmap[p / 64] |= 1ULL << p % 64;
}

/* KVM wants whole words, but for the slot's end. */
static void clear_pages(const struct slot *s, const struct clear *c,
			struct kvm_clear_dirty_log *log, uint64_t *bitmap)
{
	uint64_t pages = s->size / REAL_PAGE, from = slot_page(s, c->first) / 64 * 64, end = pages;

	if ((c->first + c->n) * MODEL_PAGE < s->model_size)
		end = (slot_page(s, c->first + c->n) + 63) / 64 * 64;
	end = end < pages ? end : pages;
	end = end < from ? from : end;
	log->first_page = from;
	log->num_pages = (uint32_t)(end - from);
	if (c->nr_ranges == 0)
		set_bits(bitmap, 0, end - from);
	for (unsigned i = 0; i < c->nr_ranges; i++)
		for (uint64_t k = c->ranges[i][0]; k < c->ranges[i][1]; k++) {
			uint64_t p = slot_page(s, k);

			if (p >= from && p < end)
				set_bits(bitmap, p - from, p - from + 1);
		}
}

static void clear_dirty(const struct clear *c)
{
	struct kvm_clear_dirty_log log = { .slot = c->slot };
	struct slot *s = &slots[c->slot];
	uint64_t *bitmap;

	pthread_mutex_lock(&book);
	bitmap = new_bitmap(s->size / REAL_PAGE);
	log.dirty_bitmap = bitmap;
	clear_pages(s, c, &log, bitmap);
	if (tried("KVM_CLEAR_DIRTY_LOG", ioctl(vm_fd, KVM_CLEAR_DIRTY_LOG, &log))) {
		tell(s, bitmap, log.first_page, log.num_pages);
		copy_told();
	}
	pthread_mutex_unlock(&book);
	free(bitmap);
}

/* ---- Module parameters, for all VMs of the host: put back at the end --------------------------- */

static struct param {
	char path[80], old[16];
} params[NR_PARAMS];
static int nr_params;

static bool write_param(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void keep_param(const char *path)
{
	struct param *p = &params[nr_params];
	FILE *file;

	for (int i = 0; i < nr_params; i++)
		if (strcmp(params[i].path, path) == 0)
			return;
	file = nr_params < NR_PARAMS ? fopen(path, "re") : NULL;
	if (file && fgets(p->old, sizeof(p->old), file)) {
		snprintf(p->path, sizeof(p->path), "%s", path);
		nr_params++;
	}
	if (file)
		fclose(file);
}

OPTIONAL void set_param(const char *name, const char *value)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/%s", name);
	keep_param(path);
	tried(path, write_param(path, value) ? 0 : -1);
}

static void restore_params(void)
{
	for (int i = 0; i < nr_params; i++)
		write_param(params[i].path, params[i].old);
}

/* ---- vCPUs ---------------------------------------------------------------------------------- */

enum kind { NOP, READ, WRITE, EXEC };

/* How an access ended. */
enum outcome { DONE, MMIO, FAULT, RING_FULL, OTHER, NR_OUTCOMES };

static struct vcpu {
	int fd;
	struct kvm_run *run;
	struct kvm_dirty_gfn *ring;
	uint32_t next;  /* in the ring */
	uint64_t *list; /* its page of addresses, and where the guest sees it */
	uint64_t list_gpa;
	bool lost;            /* registers have to be set anew */
	enum outcome outcome; /* of the last accesses, with the word read last */
	uint32_t word;
} vcpus[NR_VCPUS];

static int run_size;
static char *code;
static atomic_ulong outcomes[NR_OUTCOMES];

/*
 * The machine's own part: fill the code page; start a vCPU; accesses to the first n addresses of its
 * list without leaving the guest in between, or to the first one (EXEC); the n-th word to write.
 */
static void guest_code(void);
static void vcpu_start(struct vcpu *v);
static enum outcome vcpu_access(struct vcpu *v, enum kind kind, unsigned n, uint32_t *word);
static uint32_t word_value(uint32_t n);

/* Entries of a ring that the kernel has filled. */
static void harvest_ring(struct vcpu *v)
{
	const uint32_t entries = RING_BYTES / sizeof(*v->ring);

	for (;;) {
		struct kvm_dirty_gfn *e = &v->ring[v->next % (entries ? entries : 1)];
		const struct slot *s = &slots[e->slot % NR_SLOTS];
		const uint64_t one = 1;

		if (!(__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			return;
		tell(s, &one, e->offset, 1);
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		v->next++;
	}
}

static bool reset_rings(void)
{
	bool ok;

	pthread_mutex_lock(&book);
	for (int i = 0; RING_BYTES && i < NR_VCPUS; i++)
		harvest_ring(&vcpus[i]);
	ok = tried("KVM_RESET_DIRTY_RINGS", ioctl(vm_fd, KVM_RESET_DIRTY_RINGS, 0));
	if (ok)
		copy_told();
	pthread_mutex_unlock(&book);
	return ok;
}

static void enable_cap(uint32_t cap, uint64_t arg, const char *what)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	if (ioctl(vm_fd, KVM_ENABLE_CAP, &enable))
		skip(what);
}

static void enable_caps(void)
{
	const int ring = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) > 0
				 ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL
				 : KVM_CAP_DIRTY_LOG_RING;

	if (MANUAL)
		enable_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, MANUAL,
			   "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	if (RING_BYTES)
		enable_cap((uint32_t)ring, RING_BYTES, "KVM_CAP_DIRTY_LOG_RING");
	if (SPLIT_CHUNK)
		enable_cap(KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE, real_len(0, SPLIT_CHUNK),
			   "KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE");
	if (!ZAP_ALL)
		enable_cap(KVM_CAP_DISABLE_QUIRKS2, 1 << 7, "KVM_X86_QUIRK_SLOT_ZAP_ALL");
}

static void vcpu_new(struct vcpu *v, int id)
{
	*v = (struct vcpu){ .fd = ioctl(vm_fd, KVM_CREATE_VCPU, id),
			    .list = (uint64_t *)(void *)(code + LISTS + (size_t)id * LIST_SIZE),
			    .list_gpa = CODE_GPA + LISTS + (uint64_t)id * LIST_SIZE,
			    .lost = true };
	if (v->fd < 0)
		die("KVM_CREATE_VCPU");
	v->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die("kvm_run");
	if (!RING_BYTES)
		return;
	v->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
		       (off_t)(KVM_DIRTY_LOG_PAGE_OFFSET * REAL_PAGE));
	if (v->ring == MAP_FAILED)
		die("dirty ring");
}

static void vm_new(void)
{
	struct kvm_userspace_memory_region region = { .slot = CODE_SLOT,
						      .guest_phys_addr = CODE_GPA,
						      .memory_size = CODE_SIZE,
						      .userspace_addr = (uintptr_t)code };

	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		die("KVM_CREATE_VM");
	enable_caps();
	for (int i = 0; i < NR_VCPUS; i++)
		vcpu_new(&vcpus[i], i);
	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("slot of the code");
}

static void vm_free(void)
{
	for (int i = 0; i < NR_VCPUS; i++) {
		munmap(vcpus[i].run, (size_t)run_size);
		if (vcpus[i].ring)
			munmap(vcpus[i].ring, RING_BYTES);
		close(vcpus[i].fd);
	}
	close(vm_fd);
	memset(slots, 0, sizeof(slots));
	for (unsigned i = 0; i < nr_words; i++)
		words[i].copied = 0;
	atomic_store(&counter, 0);
}
