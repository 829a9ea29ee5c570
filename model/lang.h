/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: one line of text to one struct, and back.
 *
 * Scenario files hold inputs only, records hold inputs and the observations that answer them; both
 * are sequences of lines of this one grammar, `word [word] key=value ...`, with comments from '#'
 * to the end of the line. The vocabulary of the operations is that of the KVM ioctls; the
 * observations are spelled as the recorder of a real kernel spells them.
 *
 * Invariants:
 *  L1 A line that was parsed keeps its words: lang_print_line() repeats them, separated by single
 *     spaces, so that a record is reproduced byte for byte.
 *  L2 parse(print(x)) equals x, for the kept text and for the canonical text; printing the
 *     canonical text's parse canonically gives the same text.
 *  L3 Everything unknown, doubled, missing, out of range or followed by junk is an error that names
 *     the file, the line, what was expected and what was found. Nothing is clamped or defaulted
 *     except the optional keys whose defaults are listed at their fields.
 *
 * Ownership: a struct lang_line owns the strings and arrays it points to; lang_line_clear() frees
 * them. Nothing here keeps state between calls.
 */
#ifndef MODEL_LANG_H
#define MODEL_LANG_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* A line with its terminator removed may be this many bytes long. */
enum { LANG_LINE_MAX = 64 * 1024 };

/* Size of the arrays that hold the names of mappings and bitmaps, terminator included. */
enum { LANG_NAME_MAX = 32 };

/* Room for two more actors in a 64-bit mask. */
enum { LANG_VCPUS_MAX = 62 };

/* Threads of the VMM, and of the host's mm. */
enum { LANG_THREADS_MAX = 8 };

/* Bits of struct lang_region::flags, as in KVM_SET_USER_MEMORY_REGION2. */
enum {
	LANG_MEM_LOG_DIRTY_PAGES = 1 << 0, /* log */
	LANG_MEM_READONLY = 1 << 1,        /* ro */
	LANG_MEM_GUEST_MEMFD = 1 << 2,     /* gmem */
	LANG_MEM_USERFAULT = 1 << 3,       /* uf */
};

#define LANG_ERROR lang_error_quark()

/* Codes of the LANG_ERROR domain. */
enum lang_error {
	LANG_ERROR_SYNTAX,      /* bytes that cannot be a line: NUL, control characters, too long */
	LANG_ERROR_WORD,        /* an unknown word, key or value */
	LANG_ERROR_MISSING,     /* a word or key that the line needs is not there */
	LANG_ERROR_DOUBLED,     /* a key that stands twice */
	LANG_ERROR_NUMBER,      /* not a number, junk after it, or it does not fit */
	LANG_ERROR_UNSUPPORTED, /* known to the language, not to this version */
};

/* What a line is. */
enum lang_kind {
	LANG_BLANK,          /* nothing, or a comment only */
	LANG_SCENARIO,       /* u.scenario */
	LANG_HOST_MAP,       /* u.host_map */
	LANG_HOST_TOUCH,     /* u.host: loc, len, write, stride */
	LANG_HOST_MADVISE,   /* u.host: loc, len, advice */
	LANG_HOST_MUNMAP,    /* u.host: loc, len */
	LANG_HOST_REMAP,     /* u.host: loc, len */
	LANG_HOST_MPROTECT,  /* u.host: loc, len, prot_write */
	LANG_HOST_COPY,      /* u.host: loc, len */
	LANG_HOST_PUNCH,     /* u.host: loc, len */
	LANG_HOST_AGE,       /* u.host: loc, len, age */
	LANG_OP_SET_REGION,  /* u.region */
	LANG_OP_GET_DIRTY,   /* u.log: slot */
	LANG_OP_CLEAR_DIRTY, /* u.log */
	LANG_OP_RESET_RINGS, /* no arguments */
	LANG_OP_TRACK,       /* u.track */
	LANG_OP_UNTRACK,     /* u.track */
	LANG_OP_SHADOW_ROOT, /* u.guest: vcpu_mask */
	LANG_OP_PARAM,       /* u.param */
	LANG_OP_DUMP,        /* no arguments */
	LANG_OP_USER_BIT,    /* u.user_bit */
	LANG_OP_RESCAN,      /* u.log: slot */
	LANG_OP_SET_PRIVATE, /* u.private: gpa, size, value */
	LANG_OP_PREFAULT,    /* u.guest: vcpu_mask, gpa, n */
	LANG_OP_KVM_READ,    /* u.guest: vcpu_mask, gpa */
	LANG_OP_KVM_WRITE,   /* u.guest: vcpu_mask, gpa */
	LANG_GUEST_NOP,      /* u.guest: vcpu_mask */
	LANG_GUEST_READ,     /* u.guest */
	LANG_GUEST_WRITE,    /* u.guest */
	LANG_GUEST_EXEC,     /* u.guest */
	LANG_GUEST_SPIN,     /* u.guest: vcpu_mask */
	LANG_GUEST_UNSPIN,   /* u.guest: vcpu_mask */
	LANG_PHASE,          /* u.phase: what follows is measured under this name */
	LANG_PAR,            /* lines up to LANG_JOIN run side by side */
	LANG_JOIN,           /* ends LANG_PAR; no arguments */
	LANG_CHOOSE,         /* u.choose: of the lines up to LANG_ENDCHOOSE so many, in any order */
	LANG_ENDCHOOSE,      /* no arguments */
	LANG_SCOPE,          /* u.scope: room, and what is asked, when the order is free */
	LANG_GRAIN,          /* u.grain: a schedule follows, and how fine its steps are */
	LANG_SCHED,          /* u.sched: who moves next */
	LANG_EXPECT,         /* u.obs: what the line before must (not) have given */
	LANG_SKIP,           /* the scenario was refused; no arguments */
	LANG_END,            /* the end of a scenario of a record; no arguments */
	LANG_OBS,            /* u.obs */
};

/* The classes of observations, in the order in which a step prints them. */
enum lang_obs_class {
	LANG_OBS_RET,
	LANG_OBS_EXIT,
	LANG_OBS_DIRTY,
	LANG_OBS_TRACE,
	LANG_OBS_STAT,
	LANG_OBS_PAGES,
	LANG_OBS_SUM,
	LANG_OBS_TAB,
	LANG_OBS_HOLDS,    /* after `expect` only */
	LANG_OBS_VIOLATED, /* after `expect` only */
	LANG_OBS_CLASSES,  /* how many there are */
};

enum lang_arch { LANG_ARCH_BOTH, LANG_ARCH_X86, LANG_ARCH_ARM64 };

enum lang_nx { LANG_NX_UNSET, LANG_NX_OFF, LANG_NX_FORCE };

enum lang_backing {
	LANG_BACKING_ANON,      /* 4 KiB pages only */
	LANG_BACKING_THP,       /* anonymous, transparent huge pages */
	LANG_BACKING_HUGE2M,    /* hugetlb */
	LANG_BACKING_HUGE1G,    /* hugetlb */
	LANG_BACKING_MEMFD,     /* shared file */
	LANG_BACKING_GMEM,      /* guest_memfd, pages of 4 KiB */
	LANG_BACKING_GMEM_HUGE, /* guest_memfd, huge pages (proposed) */
};

enum lang_advice {
	LANG_ADVICE_DONTNEED,
	LANG_ADVICE_HUGEPAGE,
	LANG_ADVICE_NOHUGEPAGE,
	LANG_ADVICE_COLLAPSE,
	LANG_ADVICE_FREE,
	LANG_ADVICE_COLD,
	LANG_ADVICE_PAGEOUT,
	LANG_ADVICE_REMOVE,
	LANG_ADVICE_POPULATE_READ,
	LANG_ADVICE_POPULATE_WRITE,
};

/* The three ageing notifiers of Linux's mm. */
enum lang_age { LANG_AGE_CLEAR_FLUSH_YOUNG, LANG_AGE_CLEAR_YOUNG, LANG_AGE_TEST_YOUNG };

/* Who has a page write-tracked: a device model in the kernel, or KVM for its shadow paging. */
enum lang_tracker { LANG_TRACKER_EXT, LANG_TRACKER_KVM };

enum lang_order { LANG_ORDER_RELAXED, LANG_ORDER_RELEASE };

/**
 * struct lang_loc - a place in host memory
 * @map: name of the mapping; empty when @is_hva
 * @off: offset in it, in bytes
 * @is_hva: given as a plain address
 * @hva: that address; 0 unless @is_hva
 */
struct lang_loc {
	char map[LANG_NAME_MAX];
	uint64_t off;
	bool is_hva;
	uint64_t hva;
};

/* Pages start..end-1; never empty. */
struct lang_range {
	uint64_t start, end;
};

struct lang_scenario {
	char name[64];
	enum lang_arch arch; /* arch=x86|arm64|both; default both */
	unsigned vcpus;      /* 1..LANG_VCPUS_MAX; default 1 */
	unsigned manual;  /* argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: 0, 1 or 3; default 0 */
	int eager;        /* kvm.eager_page_split: -1 not set, 0 N, 1 Y; default -1 */
	enum lang_nx nx;  /* nx=off|force; default not set */
	bool zapall;      /* KVM_X86_QUIRK_SLOT_ZAP_ALL; default true */
	uint64_t chunk;   /* KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE in bytes; default 0, not set */
	bool trace;       /* default true */
	bool racy;        /* timing=racy; default false */
	bool raw;         /* default false */
	char policy[128]; /* default empty: from the record or the command line */
	char geom[32];    /* default empty: the policy's own */
	bool code;        /* slot 31 and the fetch before each guest step; default true */
	char inject[64];  /* fault injection; default empty, also for inject=none */
	char mem[16];     /* memory model; default empty: the policy's own */
	char tlb[16];     /* form of the vCPUs' TLBs: drop, set, sized; default empty: drop */
	uint32_t ring;    /* argument of KVM_CAP_DIRTY_LOG_RING in bytes; default 0, no ring */
};

/* In what order a guest line goes over its pages, see model/access.h. */
enum lang_pattern {
	LANG_PATTERN_SEQ,
	LANG_PATTERN_UNIFORM,
	LANG_PATTERN_ZIPF,
	LANG_PATTERN_CHASE,
};

/* A duration that is not given; no guest line runs so long. */
#define LANG_TIME_NONE UINT64_MAX

/* When a line of an actor starts; simulated time only, other drivers pass over it at once. */
struct lang_when {
	uint64_t at;     /* not before this time of the block, in ps; default 0 */
	uint64_t delay;  /* so long after the line before, in ps; default 0 */
	uint64_t repeat; /* the line is run so often; default 1 */
	uint64_t by;     /* thread of the VMM (op) or of the host's mm (host); default 0 */
};

struct lang_host_map {
	char name[LANG_NAME_MAX];
	uint64_t size; /* bytes, not 0 */
	enum lang_backing backing;
	bool uffd; /* registered with a userfaultfd; default false */
};

struct lang_host {
	struct lang_loc loc;
	uint64_t len;    /* bytes, not 0 */
	bool write;      /* touch: mode=w */
	uint64_t stride; /* touch: bytes from one access to the next, not 0; default 0x1000 */
	enum lang_advice advice;
	bool prot_write; /* mprotect: prot=rw */
	enum lang_age age;
};

struct lang_region {
	uint32_t slot; /* address space in the upper half, as in the ioctl */
	uint64_t gpa, size;
	uint32_t flags; /* LANG_MEM_* or any other number */
	struct lang_loc loc;
	bool has_bitmap;
	struct lang_loc bitmap; /* bitmap=NAME or bitmap=ADDRESS; its off is 0 */
	struct lang_loc gmem;   /* file of guest_memfd and place in it; default none: empty map */
	char fail[16];          /* point at which the call is made to fail; default empty */
};

struct lang_log {
	uint32_t slot;
	uint64_t first, n; /* page numbers within the slot */
	uint64_t per_page; /* user space needs so long for each dirty page, in ps; default 0 */
	bool all;          /* pages=all: the n pages from first */
	struct lang_range *ranges; /* otherwise these, ascending, not overlapping; owned */
	unsigned nr_ranges;
};

struct lang_private {
	uint64_t gpa, size; /* bytes, size not 0 */
	bool value;
};

struct lang_param {
	char name[32], value[32];
};

struct lang_track {
	uint32_t slot;
	uint64_t page;          /* within the slot */
	enum lang_tracker user; /* default ext */
};

struct lang_user_bit {
	char map[LANG_NAME_MAX];
	uint64_t page; /* within the slot */
	uint64_t n;    /* bits from there on; default 1 */
	bool value;
	enum lang_order order; /* default relaxed */
};

struct lang_guest {
	uint64_t vcpu_mask; /* never 0 */
	uint64_t gpa;
	uint64_t n;       /* accesses of 4 bytes per vCPU, not 0; default 1 */
	uint64_t stride;  /* bytes from one access to the next; default 0x1000 */
	uint64_t vstride; /* bytes from one vCPU's first access to the next vCPU's; default 0 */
	enum lang_pattern pattern; /* default seq */
	uint64_t
		over; /* bytes that the pattern goes over; default 0: seq without end, else needed */
	uint64_t mix;    /* of 100 accesses so many are of the line's kind, the others read; 100 */
	uint64_t seed;   /* of the pattern; default 0, each vCPU has its own stream */
	uint64_t think;  /* the guest computes so long before each access, in ps; default 0 */
	uint64_t limit;  /* for=: ends after this time, in ps; default LANG_TIME_NONE */
	bool until_join; /* until=join: ends when all other lines of the block have ended */
	uint64_t answer; /* user space answers userfault exits and takes so long, in ps;
			    default LANG_TIME_NONE: the exit ends the line */
	char file[96];   /* accesses from a binary trace; default empty */
};

struct lang_phase {
	char name[32];
};

struct lang_choose {
	uint64_t n; /* lines that each actor of the group runs, each at most once */
	bool fixed; /* order=fixed: as they are written; default any */
};

/* Room that a VM has whose order of steps is free; 0: the explorer's default. */
struct lang_scope {
	uint32_t tables, slots, words, tlb, pml;
	char invariants[256]; /* names joined by ','; default empty: all that apply */
};

/* How fine the steps of a schedule are; in another grain it means nothing. */
struct lang_grain {
	uint32_t walk; /* entries that a walk looks at in one step */
	bool hw;       /* each access of the hardware's walk is a step of its own */
	bool fifo;     /* queue=fifo: a lock goes to who waited longest; queue=any: to anyone */
	bool drop;     /* tlb=drop or set, as in the scenario's line */
};

/* Who can move. */
enum lang_mover {
	LANG_MOVER_VCPU,       /* v0 */
	LANG_MOVER_VMM,        /* vmm0: a thread of the VMM */
	LANG_MOVER_MM,         /* mm0: a thread of the host's mm */
	LANG_MOVER_STORE_VCPU, /* store-v0: one of its stores becomes visible */
	LANG_MOVER_STORE_VMM,  /* store-vmm0 */
	LANG_MOVER_STORE_MM,   /* store-mm0 */
	LANG_MOVER_ACK,        /* ack0: the interrupt sent to vCPU 0 arrives */
	LANG_MOVER_RCU,        /* rcu: a grace period begins, or ends */
	LANG_MOVERS,           /* how many there are */
};

/* Moves of one mover. */
struct lang_sched {
	enum lang_mover mover;
	unsigned who;  /* which vCPU or thread; 0 for rcu */
	uint64_t n;    /* so many moves; default 1 */
	uint64_t line; /* begins this one of its lines in the block, from 1; default 0: its next */
	uint64_t pick; /* answer where the step has several ways to go on; default 0 */
	char at[64];   /* label of the boundary that the last of them reaches; default empty */
};

struct lang_obs {
	enum lang_obs_class cls;
	bool absent; /* `expect no`: @text is the first words of what must not be there */
	char *text;  /* the whole observation, words separated by one space; owned */
};

struct lang_line {
	enum lang_kind kind;
	unsigned line;         /* 1-based */
	struct lang_when when; /* of op, host and guest lines */
	char *text;            /* L1; NULL in a line that was built, not parsed; owned */
	union {
		struct lang_scenario scenario;
		struct lang_host_map host_map;
		struct lang_host host;
		struct lang_region region;
		struct lang_log log;
		struct lang_track track;
		struct lang_param param;
		struct lang_user_bit user_bit;
		struct lang_private private;
		struct lang_guest guest;
		struct lang_phase phase;
		struct lang_choose choose;
		struct lang_scope scope;
		struct lang_grain grain;
		struct lang_sched sched;
		struct lang_obs obs;
	} u;
};

GQuark lang_error_quark(void);

/**
 * lang_parse_line() - parse one line
 * @text: the line; a newline at its end is allowed
 * @file: name for messages
 * @lineno: 1-based number for messages
 * @out: filled on success, zero (and so safe to clear) on failure; what it held is overwritten
 * @error: set on failure
 *
 * A blank line or one that holds only a comment is LANG_BLANK. Whether the line may stand where it
 * stands, and whether the names in it exist, is for the reader of the whole file.
 *
 * Return: true if the line is right.
 */
bool lang_parse_line(const char *text, const char *file, unsigned lineno, struct lang_line *out,
		     GError **error);

/**
 * lang_line_clear() - free what a line owns and set it to zero
 * @l: may hold zeros
 */
void lang_line_clear(struct lang_line *l);

/**
 * lang_line_copy() - copy a line with all that it owns
 * @dst: what it held is overwritten
 * @src: not changed
 */
void lang_line_copy(struct lang_line *dst, const struct lang_line *src);

/**
 * lang_line_equal() - do two lines mean the same
 * @a: one
 * @b: the other
 *
 * Compares meaning: neither the line number nor the kept text takes part.
 */
bool lang_line_equal(const struct lang_line *a, const struct lang_line *b);

/**
 * lang_print_line() - append a line's text, without a newline
 * @l: to print; its kept text if it has one, else its canonical text
 * @out: appended to; LANG_BLANK appends nothing
 *
 * Who changes a parsed line frees @l->text and sets it to NULL.
 */
void lang_print_line(const struct lang_line *l, GString *out);

/**
 * lang_print_canonical() - append a line's canonical text, without a newline
 * @l: to print
 * @out: appended to
 *
 * Keys in the order of the language's description, those at their default left out, addresses and
 * sizes in hex, counts and slots in decimal.
 */
void lang_print_canonical(const struct lang_line *l, GString *out);

/* Append "v0", "vmm1", "mm0", "ack0" or "rcu". */
void lang_print_mover(const struct lang_sched *s, GString *out);

/* Is a line of this kind for vCPUs, named by vcpu=? */
bool lang_has_vcpus(enum lang_kind kind);

/* The first words of a kind ("op set_region"); a description for LANG_BLANK and LANG_OBS. */
const char *lang_kind_name(enum lang_kind kind);

/* The first word of an observation of a class. */
const char *lang_obs_name(enum lang_obs_class cls);

/* "EINVAL" for EINVAL or -EINVAL; NULL if the language has no name for it. */
const char *lang_errno_name(int err);

/* EINVAL (positive) for "EINVAL"; 0 if there is no such name. */
int lang_errno_from_name(const char *name);

/* Append none, log, ro, gmem, uf joined by '+', or a hex number if another bit is set. */
void lang_print_flags(uint32_t flags, GString *out);

/* Append 0x1,0x3-0x5 for ranges. */
void lang_print_ranges(const struct lang_range *ranges, unsigned nr_ranges, GString *out);

/**
 * lang_parse_u64() - a whole string as a number
 * @s: decimal without leading zeros, or 0x and hex digits
 * @value: set on success
 *
 * Return: false if it is anything else, or does not fit in 64 bits.
 */
bool lang_parse_u64(const char *s, uint64_t *value);

/**
 * lang_parse_time() - a whole string as a duration
 * @s: decimal number with up to three decimals, then ps, ns, us, ms or s
 * @ps: set on success, in picoseconds
 *
 * Return: false if it is anything else, is no whole number of ps, or does not fit below
 *         LANG_TIME_NONE.
 */
bool lang_parse_time(const char *s, uint64_t *ps);

/* Append a duration in its largest whole unit. */
void lang_print_time(uint64_t ps, GString *out);

/**
 * lang_parse_loc() - a place as the values of map=, start= and to= spell it
 * @s: NAME+OFFSET, or a plain address 0x...
 * @loc: set on success
 *
 * Return: false if it is anything else.
 */
bool lang_parse_loc(const char *s, struct lang_loc *loc);

/* Append NAME+0xOFFSET or 0xADDRESS. */
void lang_print_loc(const struct lang_loc *loc, GString *out);

/**
 * lang_obs_value() - the value of a key in an observation's text
 * @text: words separated by single spaces
 * @key: without '='
 *
 * Return: newly allocated, NULL if there is no such key.
 */
char *lang_obs_value(const char *text, const char *key);

#endif
