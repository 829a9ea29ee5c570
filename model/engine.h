/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps.  Everything that can interleave is an actor; an actor moves only through thread_step(), one
 * atomic action at a time, and its whole continuation is data: a stack of frames in the arena.
 *
 * A frame is a procedure number, a resume point and up to FRAME_BYTES of locals.  A procedure is a C
 * function, entered afresh at each step; it jumps to its resume point and returns at the next
 * boundary, so that it reads top to bottom like the kernel function it models:
 *
 *     PROC(set_memslot)
 *     {
 *             BEGIN(l_set_memslot);
 *             AWAIT(W_LOCK_W, OBJ_SLOTS_ARCH_LOCK, 0);
 *             lock_take_write(c, OBJ_SLOTS_ARCH_LOCK);
 *             CALL(P_prepare, l_prepare, .op = f->op);
 *             f->err = c->me->ret;
 *             ...
 *             RETURN(0);
 *             END;
 *     }
 *
 * Rules: no C local lives across a boundary (STEP, AWAIT, CALL); two boundaries never share a source
 * line; CALL and RETURN are not boundaries themselves.  A step never waits: it says what the actor is
 * blocked on, and whether an actor is enabled is a pure function of the state.
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include <string.h>

#include <glib.h>

#include "model/access.h"
#include "model/arena.h"
#include "model/events.h"
#include "model/stats.h"

enum step_result {
	STEP_RAN,
	STEP_BLOCKED,
	STEP_DONE, /* the actor has no frame left */
};

enum flow {
	F_STEP,
	F_WAIT,
	F_CALL,
	F_RET,
};

enum {
	WOKE_MAX = 16,
	NOTES_MAX = 8,
};

/* What a step did that the state before and after it does not show; for invariants. */
enum note_kind {
	NOTE_RETIRE,   /* an access of the guest completed: gfn, acc, pfn, n=height of the leaf */
	NOTE_KVM,      /* KVM itself has accessed guest memory: gfn, acc */
	NOTE_EXIT,     /* an access became an exit: gfn, acc (of MMIO), n=enum exit_kind */
	NOTE_REPORTED, /* a harvest hands dirty pages to user space: slot, gfn of bit 0, n=bits */
	NOTE_ASKED,    /* CLEAR took pages that user space knows of: as above */
	NOTE_STOPPED,  /* invalidate_range_start returns: gfn, n=pages; one a slot part */
	NOTE_RESUMED,  /* invalidate_range_end begins: the same */
	NOTE_LOGGED,   /* the hardware set D of a page whose slot is logged: gfn */
	NOTE_CLOSED,   /* readers of the slot set before the last swap have left */
	NOTE_EMULATED, /* KVM was to write to a tracked page for the guest, whose slot is INVALID: gfn */
	NOTE_WARN, /* a path that the kernel guards with a WARN: what */
	NOTE_MMIO, /* an MMIO entry was honoured: gfn, n=its generation, pfn=the current one */
};

struct note {
	uint8_t kind;
	uint8_t acc;
	uint32_t slot;
	gfn_t gfn;
	uint64_t n;
	kvm_pfn_t pfn;
	const char *what; /* constant */
};

/* One step's surroundings; never in the arena. */
struct ctx {
	struct vm *vm;
	struct actor *me;
	uint32_t me_nr;
	const struct rules *rules;
	const char *label;       /* of the boundary reached last */
	struct work work;        /* of this step */
	struct kvm_stats stats;  /* of this step */
	uint16_t woke[WOKE_MAX]; /* objects whose waiters may have become enabled */
	uint8_t nr_woke;
	uint8_t nr_picks;
	uint8_t locks;        /* bit per lock taken or dropped */
	int ret;              /* of the line that a move ended, see moves.h */
	bool finished;        /* it ended one */
	uint16_t pick;        /* answer to the next pick() */
	uint16_t pick_of;     /* how many answers the step's pick() had; 0: it had none */
	uint8_t nr_notes;     /* of this step */
	const char *short_of; /* of the scope of an exploration: what was used up; or NULL */
	struct note *notes;   /* NOTES_MAX of them; NULL: nobody reads them */
	/* where events go; NULL in exploration */
	void (*event)(void *arg, const struct event *e);
	void *event_arg;
	/* host ranges of the record that stand in for the model's own host mm; NULL: own */
	struct hva_queue *hva_queue;
	/* binary traces that vCPUs take their accesses from, one a vCPU; NULL: none */
	const struct access_file *access_files;
	struct vtlb_hw *hw; /* one a vCPU: its CPU with caches; NULL: not modelled */
};

enum {
	PC_QUIET = 1 << 15, /* of a frame's pc: see QUIET_STEP */
};

typedef enum flow (*proc_fn)(struct ctx *c, void *loc, uint16_t *pc);

struct proc_desc {
	const char *name;
	proc_fn fn;
	uint8_t loc_bytes;
};

/* Every procedure of the model, number and name; the table is in procs.c. */
enum proc {
	P_NONE,
#define X(name) P_##name,
#include "model/procs.def"
#undef X
	NR_PROCS,
};

extern const struct proc_desc procs[NR_PROCS];

#define PROC(n)                                                                                    \
	enum flow n(struct ctx *c, void *loc_, uint16_t *pc_);                                     \
	enum flow n(struct ctx *c, void *loc_, uint16_t *pc_)
#define BEGIN(T)                                                                                   \
	struct T *f = loc_;                                                                        \
	_Static_assert(sizeof(struct T) <= FRAME_BYTES, "locals fit a frame");                     \
	(void)f;                                                                                   \
	switch (*pc_) {                                                                            \
	case 0:
#define STEP(txt)                                                                                  \
	do {                                                                                       \
		c->label = (txt);                                                                  \
		*pc_ = __LINE__;                                                                   \
		return F_STEP;                                                                     \
	case __LINE__:;                                                                            \
	} while (0)
/*
 * A boundary behind which nothing happens that another actor can see or hinder, up to the next one: what
 * follows commutes with every step of the others.  An exploration that is reduced goes on at once.
 */
#define QUIET_STEP(txt)                                                                            \
	do {                                                                                       \
		c->label = (txt);                                                                  \
		*pc_ = __LINE__ | PC_QUIET;                                                        \
		return F_STEP;                                                                     \
	case __LINE__ | PC_QUIET:;                                                                 \
	} while (0)
#define AWAIT(k, o, a)                                                                             \
	do {                                                                                       \
		actor_wait(c, (k), (o), (a));                                                      \
		*pc_ = __LINE__;                                                                   \
		return F_WAIT;                                                                     \
	case __LINE__:;                                                                            \
	} while (0)
#define CALL(p, T, ...)                                                                            \
	do {                                                                                       \
		*pc_ = __LINE__;                                                                   \
		return proc_push(c, (p), &(struct T){ __VA_ARGS__ }, sizeof(struct T));            \
	case __LINE__:;                                                                            \
	} while (0)
/* CALL with a copy of a whole struct as the callee's locals */
#define CALL_WITH(p, locals)                                                                       \
	do {                                                                                       \
		*pc_ = __LINE__;                                                                   \
		return proc_push(c, (p), (locals), sizeof(*(locals)));                             \
	case __LINE__:;                                                                            \
	} while (0)
#define RETURN(v)                                                                                  \
	do {                                                                                       \
		c->me->ret = (int32_t)(v);                                                         \
		return F_RET;                                                                      \
	} while (0)
#define END                                                                                        \
	}                                                                                          \
	g_assert_not_reached()

/* Locals of a procedure that has none. */
struct l_none {
	uint32_t unused;
};

/* thread_step() - moves @c->me to its next boundary.  The caller has checked actor_enabled(). */
enum step_result thread_step(struct ctx *c);

/* actor_enabled() - whether @a may run now; reads state only. */
bool actor_enabled(const struct vm *vm, uint32_t a);

/* actor_start() - gives an idle actor its first frame. */
void actor_start(struct vm *vm, uint32_t a, enum proc p, const void *locals, size_t size);

static inline bool actor_idle(const struct vm *vm, uint32_t a)
{
	return vm->actors[a].depth == 0;
}

/* actor_is_quiet() - whether the actor's next step is behind a QUIET_STEP. */
static inline bool actor_is_quiet(const struct vm *vm, uint32_t a)
{
	const struct actor *me = &vm->actors[a];

	return me->depth && me->wait.kind == W_RUN && (me->fr[me->depth - 1].pc & PC_QUIET);
}

/* For the macros. */
enum flow proc_push(struct ctx *c, enum proc p, const void *locals, size_t size);
void actor_wait(struct ctx *c, enum wait_kind kind, uint16_t obj, uint32_t arg);

/* Locks: taken in the step after AWAIT(W_LOCK_*); dropping wakes. */
void lock_take_write(struct ctx *c, enum obj o);
void lock_take_read(struct ctx *c, enum obj o);
void lock_drop_write(struct ctx *c, enum obj o);
void lock_drop_read(struct ctx *c, enum obj o);

/* lock_is_contended() - somebody waits for it [rwlock_needbreak]; the holder is not among the waiters. */
bool lock_is_contended(const struct vm *vm, enum obj o);

/* SRCU and RCU read sections of the acting thread; not nested. */
void srcu_enter(struct ctx *c);
void srcu_exit(struct ctx *c);
void rcu_enter(struct ctx *c);
void rcu_exit(struct ctx *c);

/* Names an object whose waiters should look again. */
void wake(struct ctx *c, uint16_t obj);

/* pick() - nondeterminism: 0..n-1, before the step's first write.  Script answers 0. */
unsigned int pick(struct ctx *c, unsigned int n);

/* note() - for invariants; costs nothing while nobody reads. */
static inline void note(struct ctx *c, const struct note *n)
{
	if (!c->notes)
		return;
	g_assert(c->nr_notes < NOTES_MAX);
	c->notes[c->nr_notes++] = *n;
}

/* Emits an event if somebody listens. */
static inline void emit(struct ctx *c, const struct event *e)
{
	if (c->event)
		c->event(c->event_arg, e);
}

#endif
