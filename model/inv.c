/* SPDX-License-Identifier: Apache-2.0 */
#include "model/inv.h"

#include "mmu/s2_pte.h"
#include "model/hostmm.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/vcpu.h"
#include "model/x86.h"

enum inv_arch { INV_X86 = 1, INV_ARM = 2, INV_BOTH = 3 };

static const struct inv_row {
	const char *name, *where, *text;
	uint8_t arch;
	inv_fn check;
} rows[NR_INVS] = {
	[INV_NONE] = { "none", "never", "nothing is asked", 0, NULL },
#define X(id, name, where, applies, check, text) [INV_##id] = { name, where, text, applies, check },
#include "model/inv.def"
#undef X
};

_Static_assert(NR_INVS <= 64, "a bit each");

const char *inv_name(enum inv i)
{
	return rows[i].name;
}

const char *inv_text(enum inv i)
{
	return rows[i].text;
}

const char *inv_where(enum inv i)
{
	return rows[i].where;
}

const char *inv_arch(enum inv i)
{
	return rows[i].arch == INV_BOTH ? "both" : rows[i].arch == INV_X86 ? "x86" : "arm64";
}

enum inv inv_find(const char *name)
{
	unsigned int i = 1;

	while (i < NR_INVS && strcmp(rows[i].name, name) != 0)
		i++;
	return i < NR_INVS ? (enum inv)i : INV_NONE;
}

uint64_t inv_applies(const struct vm_cfg *cfg)
{
	uint64_t mask = 0;

	for (unsigned int i = 1; i < NR_INVS; i++)
		if (rows[i].arch & (cfg->rules.arch == PT_X86 ? INV_X86 : INV_ARM))
			mask |= BIT(i);
	if (vm_cfg_mem(cfg) == MEM_SC)
		mask &= ~BIT(INV_DATA); /* nothing is older than anything */
	return mask;
}

static struct leaf change_of(const struct transition *t, uint32_t table, uint32_t index, size_t at)
{
	const struct pt *b = &t->before->pt, *a = &t->after->pt;

	return (struct leaf){ .gfn = pt_entry_gfn(a, table, index),
			      .table = table,
			      .index = index,
			      .height = a->meta[table].height,
			      .as_id = a->meta[table].as_id,
			      .old = b->meta[table].state == PT_LIVE ? b->entries[at]
								     : (pte_t){ a->fmt->empty },
			      .now = a->entries[at] };
}

void inv_changes(struct transition *t, struct leaf *out)
{
	const struct pt *b = &t->before->pt, *a = &t->after->pt;
	uint32_t tables = max_u32(b->head->high_water, a->head->high_water);
	uint32_t entries = (uint32_t)geom_entries(&a->geom);
	unsigned int n = 0;

	for (uint32_t table = 1; table < tables; table++) {
		size_t first = (size_t)table * entries;

		if (a->meta[table].state != PT_LIVE ||
		    memcmp(a->entries + first, b->entries + first, entries * sizeof(pte_t)) == 0)
			continue;
		for (uint32_t i = 0; i < entries; i++) {
			if (pte_eq(a->entries[first + i], b->entries[first + i]))
				continue;
			g_assert(n < INV_CHANGES_MAX);
			out[n++] = change_of(t, table, i, first + i);
		}
	}
	t->changes = out;
	t->nr_changes = n;
}

static bool is_at_end(enum inv i)
{
	return i == INV_PROG || i == INV_REST || i == INV_LEAK;
}

enum inv inv_check(const struct transition *t, uint64_t mask, struct witness *out)
{
	enum inv found = INV_NONE;

	for (unsigned int i = 1; i < NR_INVS && !found; i++) {
		if (!(mask >> i & 1) || is_at_end((enum inv)i))
			continue;
		*out = (struct witness){ .actor = t->mv.who };
		if (!rows[i].check(t, out))
			found = (enum inv)i;
	}
	return found;
}

bool inv_fail(struct witness *w, gfn_t gfn, const char *why)
{
	w->gfn = gfn;
	w->has_gfn = true;
	w->why = why;
	return false;
}

uint64_t ghost_bits(gfn_t first, uint64_t n)
{
	if (first >= GHOST_PAGES)
		return 0;
	n = min_u64(n, GHOST_PAGES - first);
	return (n == GHOST_PAGES ? ~0ULL : BIT(n) - 1) << first;
}

bool inv_returned(const struct transition *t, enum lang_kind kind)
{
	return t->c->finished && t->c->ret >= 0 && t->line && t->line->kind == kind;
}

bool inv_quiet(const struct vm *vm, uint32_t v)
{
	const struct vcpu *vcpu = &vm->vcpus[v];
	const struct actor *a = &vm->actors[v];
	bool inside = vcpu->mode != OUTSIDE_GUEST_MODE && !vcpu->stopped;
	/* a root that is loaded is flushed for, and loading is under way */
	bool will = vm->cfg->rules.arch == PT_X86 && !vcpu->root;

	for (uint32_t d = 0; d < a->depth; d++) {
		if (a->fr[d].proc == P_vcpu_enter)
			inside = false; /* requests are looked at once more before it enters */
		will |= a->fr[d].proc == P_free_obsolete_root;
	}
	return !inside &&
	       (will || (vcpu->requests & (REQ_TLB_FLUSH | REQ_MMU_FREE_OBSOLETE_ROOTS)));
}

unsigned int inv_leaf_access(const struct vm *vm, pte_t e, unsigned int height)
{
	if (!pte_is_leaf(vm->pt.fmt, e, height))
		return 0;
	if (vm->cfg->rules.arch == PT_ARM64)
		return s2_access(e) | ACC_R;
	return spte_access(vm_x86_fmt(vm), e) | ACC_R;
}

/* A vCPU in the guest that no interrupt has been sent to. */
static bool is_let_alone(const struct vm *vm, uint32_t v)
{
	return vm->vcpus[v].mode != OUTSIDE_GUEST_MODE && !vm->vcpus[v].kicked &&
	       !vm->vcpus[v].stopped;
}

/* Pages in a vCPU's PML buffer: in the log as soon as it has left the guest. */
static uint64_t pml_bits(const struct vm *vm, uint32_t v)
{
	uint32_t n = vm_cfg_pml(vm->cfg);
	uint32_t first = vm->vcpus[v].pml_index + 1U;
	uint64_t bits = 0;

	for (uint32_t i = vm->vcpus[v].pml_index >= n ? 0 : first; vm->cfg->rules.pml && i < n; i++)
		bits |= ghost_bit(gpa_to_gfn(&vm->cfg->geom, vm->pml[(size_t)v * n + i]));
	return bits;
}

/* Pages that a fault of the vCPU, or an access by KVM, is about: it may still have to mark them. */
static uint64_t fault_bits(const struct vm *vm, uint32_t v)
{
	const struct actor *a = &vm->actors[v];
	uint64_t bits = 0;

	for (uint32_t d = 0; d < a->depth; d++) {
		const struct l_fault *f = (const struct l_fault *)(const void *)a->fr[d].loc;
		const struct l_kvm_access *k =
			(const struct l_kvm_access *)(const void *)a->fr[d].loc;

		if (a->fr[d].proc == P_x86_page_fault || a->fr[d].proc == P_user_mem_abort)
			bits |= ghost_bit(f->gfn);
		if (a->fr[d].proc == P_kvm_access && k->marks)
			bits |= ghost_bit(k->gfn);
	}
	return bits;
}

uint64_t inv_unmarked(const struct vm *vm, bool leaving)
{
	uint64_t bits = 0;

	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		bits |= fault_bits(vm, v);
		if (!leaving || !is_let_alone(vm, v))
			bits |= pml_bits(vm, v);
	}
	return bits;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Decided by the explorer, which sees whole paths. */
bool inv_prog(const struct transition *t, struct witness *w)
{
	(void)t;
	(void)w;
	return true;
}

bool inv_rest(const struct transition *t, struct witness *w)
{
	return vm_check(t->after, &w->why);
}

/* Blocks of the words pool that no slot owns. */
static uint64_t foreign_words(const struct vm *vm)
{
	uint64_t n = 0;

	for (uint32_t at = 1; at < vm->st->words_used; at += 1 + (uint32_t)(vm->words[at] >> 1))
		n += vm->words[at] & 1;
	for (uint32_t s = 1; s < memslot_objects(&vm->cfg->limits); s++)
		for (unsigned int i = 0; vm->slots[s].in_use && i < 3; i++)
			n -= (uint32_t[]){ vm->slots[s].bitmap, vm->slots[s].track,
					   vm->slots[s].reap }[i] != 0;
	return n;
}

void inv_ghost_begin(struct vm *vm)
{
	struct ghost *g = vm->ghost;

	for (uint32_t s = 1; s < memslot_objects(&vm->cfg->limits); s++)
		if (vm->slots[s].in_use)
			g->made |= ghost_bits(vm->slots[s].base_gfn, vm->slots[s].npages);
	g->foreign_words = foreign_words(vm);
}

bool inv_leak(const struct transition *t, struct witness *w)
{
	w->why = "a bitmap or an array of a slot was not freed, or freed twice";
	return foreign_words(t->after) == t->after->ghost->foreign_words;
}

enum inv inv_check_end(struct vm *vm, uint64_t mask, struct witness *out)
{
	struct transition t = { .before = vm, .after = vm };

	for (unsigned int i = 1; i < NR_INVS; i++) {
		*out = (struct witness){ .why = NULL };
		if ((mask >> i & 1) && is_at_end((enum inv)i) && !rows[i].check(&t, out))
			return (enum inv)i;
	}
	return INV_NONE;
}

/* ---- history -------------------------------------------------------------------------------- */

/* gfns of the slot that a region line is about, as the state has it; 0 none. */
static uint64_t slot_bits(const struct vm *vm, const struct lang_region *r)
{
	unsigned int as = r->slot >> 16;
	uint32_t s = memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)r->slot);

	return s ? ghost_bits(vm->slots[s].base_gfn, vm->slots[s].npages) : 0;
}

/* What a failed ioctl must leave alone: flags, and which bitmap. */
static uint64_t slot_contents(const struct vm *vm, const struct lang_region *r)
{
	unsigned int as = r->slot >> 16;
	uint32_t s = memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)r->slot);

	return s ? (uint64_t)vm->slots[s].bitmap << 32 | vm->slots[s].flags : 0;
}

/* Pages whose userfault bit is 1, as the actor sees it, in the bitmap that its region line names; bits of gfns. */
static uint64_t uf_bits(const struct vm *vm, uint32_t actor, const struct op *op)
{
	gfn_t base = gpa_to_gfn(&vm->cfg->geom, op->gpa);
	uint64_t pages = op->size >> vm->cfg->geom.page_shift, bits = 0;

	if (!(op->flags & MEM_USERFAULT) || !op->uf_bitmap)
		return 0;
	for (uint64_t p = 0; p < pages; p++)
		if (mem_own_word(vm, actor, op->uf_bitmap + (uint32_t)(p / 64)) >> (p % 64) & 1)
			bits |= ghost_bit(base + p);
	return bits;
}

/* Pages whose bit is 1, as the actor sees it, in the bitmap of a slot that has USERFAULT. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): an actor, a slot as ioctls name it */
static uint64_t set_bits(const struct vm *vm, uint32_t actor, uint32_t id)
{
	unsigned int as = id >> 16;
	const struct memslot *s =
		&vm->slots[memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)id)];
	uint64_t bits = 0;

	for (uint64_t p = 0; s->uf_bitmap && p < s->npages; p++)
		if (mem_own_word(vm, actor, s->uf_bitmap + (uint32_t)(p / 64)) >> (p % 64) & 1)
			bits |= ghost_bit(s->base_gfn + p);
	return bits;
}

static bool has_uf(const struct vm *vm, const struct lang_region *r)
{
	unsigned int as = r->slot >> 16;
	uint32_t s = memslot_by_id(vm, as, memslots_active(vm, as), (uint16_t)r->slot);

	return s && (vm->slots[s].flags & MEM_USERFAULT);
}

/* A line begins: what its end will be measured against. */
static void ghost_begin(struct transition *t)
{
	struct ghost *g = t->after->ghost;
	struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	const struct lang_line *l = t->line;
	const struct lang_region *r = &l->u.region;
	uint64_t slot;

	if (l->kind == LANG_OP_GET_DIRTY || l->kind == LANG_OP_RESET_RINGS) {
		gl->due = g->written;
		gl->reported = gl->late = 0;
		return;
	}
	if (l->kind == LANG_OP_RESCAN)
		gl->uf_before = set_bits(t->before, t->mv.who, l->u.log.slot);
	if (l->kind != LANG_OP_SET_REGION)
		return;
	slot = slot_bits(t->before, r);
	gl->slot = slot;
	gl->was = slot_contents(t->before, r);
	gl->target = ghost_bits(gpa_to_gfn(&t->after->cfg->geom, r->gpa),
				r->size >> t->after->cfg->geom.page_shift);
	g->removed &= ~gl->target;
	gl->uf_before =
		has_uf(t->before, r) ? 0 : uf_bits(t->before, t->mv.who, &t->after->ops[t->mv.who]);
	if (!(r->flags & MEM_USERFAULT) || r->size == 0) {
		g->uf_armed &= ~slot;
		g->uf_on &= ~slot;
	}
	if (!(r->flags & MEM_LOG_DIRTY_PAGES) || r->size == 0) {
		g->written &= ~slot;
		g->logged &= ~slot;
	}
}

static uint64_t shifted(uint64_t bits, int by)
{
	return by > 0 ? bits << by : bits >> -by;
}

/*
 * The transition publishes a slot at another place: its log goes along, and has what is written there from
 * now on.  At the end of the ioctl it would be too late: where the ranges overlap such a write would be
 * taken for an old one.
 */
static void ghost_move(struct transition *t)
{
	struct ghost *g = t->after->ghost;
	uint64_t was = slot_bits(t->before, &t->line->u.region);
	uint64_t is = slot_bits(t->after, &t->line->u.region);
	int by;

	if (!was || !is || was == is)
		return;
	by = __builtin_ctzll(is) - __builtin_ctzll(was);
	g->written = (g->written & ~was) | shifted(g->written & was, by);
	g->logged = (g->logged & ~was) | shifted(g->logged & was, by);
}

/* Pages that ioctls under way may give a slot. */
static uint64_t targets(const struct vm *vm)
{
	uint64_t bits = 0;

	for (uint32_t a = 0; a < vm->nr_actors; a++)
		bits |= vm->ghost_line[a].target;
	return bits;
}

static uint64_t slots_in_change(const struct vm *vm)
{
	uint64_t bits = targets(vm);

	for (uint32_t a = 0; a < vm->nr_actors; a++)
		bits |= vm->ghost_line[a].slot;
	return bits;
}

static void ghost_region_end(struct transition *t)
{
	struct ghost *g = t->after->ghost;
	struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	uint64_t is = slot_bits(t->after, &t->line->u.region);

	gl->target = 0;
	if (t->c->ret == 0) {
		g->uf_armed |= gl->uf_before;
		if (t->line->u.region.flags & MEM_USERFAULT)
			g->uf_on |= is;
		g->removed |= gl->slot & ~is & ~targets(t->after);
		if (t->line->u.region.flags & MEM_LOG_DIRTY_PAGES)
			g->logged |= is;
	}
	gl->uf_before = gl->slot = gl->closed = gl->was = 0;
	g->made |= is & ~slots_in_change(t->after);
}

static void ghost_end(struct transition *t)
{
	struct ghost *g = t->after->ghost;
	struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	const struct lang_line *l = t->line;

	if (l->kind == LANG_OP_GET_DIRTY || l->kind == LANG_OP_RESET_RINGS) {
		if (!t->after->cfg->manual)
			g->written &= ~gl->reported;
		gl->due = gl->reported = gl->late = 0;
	} else if (l->kind == LANG_OP_CLEAR_DIRTY) {
		g->written &= ~gl->reported;
		gl->reported = 0;
	} else if (l->kind == LANG_OP_SET_REGION) {
		ghost_region_end(t);
	} else if (l->kind == LANG_OP_RESCAN) {
		g->uf_armed |= t->c->ret == 0 ? gl->uf_before : 0;
		gl->uf_before = 0;
	} else if (l->kind == LANG_OP_USER_BIT && t->after->cfg->rules.uf_uapi == UAPI_ATTR_RFC) {
		for (uint32_t s = 1; s < memslot_objects(&t->after->cfg->limits); s++)
			if (t->after->slots[s].in_use)
				g->uf_armed |= set_bits(t->after, t->mv.who,
							(uint32_t)t->after->slots[s].as_id << 16 |
								t->after->slots[s].id);
	}
}

static bool any_armed(const struct vm *vm)
{
	uint64_t bits = vm->ghost->uf_armed;

	for (uint32_t a = 0; a < vm->nr_actors; a++)
		bits |= vm->ghost_line[a].uf_before;
	return bits != 0;
}

/* Pages whose bit is 0, for everybody or, with its own stores, for one actor; bits of gfns. */
static uint64_t clear_bits(const struct vm *vm, const uint32_t *actor)
{
	uint64_t bits = 0;

	for (uint32_t s = 1; s < memslot_objects(&vm->cfg->limits); s++) {
		const struct memslot *m = &vm->slots[s];

		for (uint64_t p = 0; m->in_use && m->uf_bitmap && p < m->npages; p++) {
			uint32_t at = m->uf_bitmap + (uint32_t)(p / 64);

			if (!((actor ? mem_own_word(vm, *actor, at) : vm->words[at]) >> (p % 64) &
			      1))
				bits |= ghost_bit(m->base_gfn + p);
		}
	}
	return bits;
}

/* User space clears bits, by a line or in answer to an exit: pages that trap no longer. */
static void ghost_user_bits(struct transition *t)
{
	t->after->ghost->uf_armed &= ~clear_bits(t->after, NULL);
	for (uint32_t a = 0; a < t->after->nr_actors; a++)
		if (t->after->ghost_line[a].uf_before)
			t->after->ghost_line[a].uf_before &= ~clear_bits(t->after, &a);
}

static void ghost_note(struct transition *t, const struct note *n)
{
	struct ghost *g = t->after->ghost;
	struct ghost_line *gl = &t->after->ghost_line[t->mv.who];
	uint32_t slot;

	switch ((enum note_kind)n->kind) {
	case NOTE_RETIRE:
	case NOTE_KVM:
		slot = memslot_find(t->after, t->after->vcpus[t->mv.who].as_id, n->gfn);
		if ((n->acc & ACC_W) && slot && memslot_is_logging(&t->after->slots[slot]))
			g->written |= g->logged & ghost_bit(n->gfn);
		break;
	case NOTE_REPORTED:
	case NOTE_ASKED:
		gl->reported |= n->gfn < GHOST_PAGES ? n->n << n->gfn : 0;
		break;
	case NOTE_STOPPED:
		g->stopped |= ghost_bits(n->gfn, n->n);
		break;
	case NOTE_RESUMED:
		g->stopped &= ~ghost_bits(n->gfn, n->n);
		break;
	case NOTE_CLOSED:
		gl->closed = gl->slot;
		break;
	case NOTE_EXIT:
	case NOTE_EMULATED:
	case NOTE_LOGGED:
	case NOTE_MMIO:
	case NOTE_WARN:
		break;
	}
}

/*
 * What was in a vCPU's PML buffer or fault and is so no longer, is late for harvests under way, even if
 * another vCPU has it as well: that one may be left alone for long.
 */
static void ghost_late(struct transition *t)
{
	uint64_t due = 0, marked = 0;

	for (uint32_t a = 0; a < t->after->nr_actors; a++)
		due |= t->after->ghost_line[a].due;
	if (!due)
		return;
	for (uint32_t v = 0; v < t->after->cfg->nr_vcpus; v++)
		marked |= (pml_bits(t->before, v) & ~pml_bits(t->after, v)) |
			  (fault_bits(t->before, v) & ~fault_bits(t->after, v));
	for (uint32_t a = 0; a < t->after->nr_actors; a++)
		t->after->ghost_line[a].late |= t->after->ghost_line[a].due & marked;
}

/* What a vCPU that is outside the guest knew when it left. */
static void ghost_left(struct transition *t)
{
	uint32_t v = t->mv.who;
	bool was = t->before->vcpus[v].mode != OUTSIDE_GUEST_MODE;
	bool is = t->after->vcpus[v].mode != OUTSIDE_GUEST_MODE;

	if (was && !is)
		t->after->ghost_line[v].left = t->after->ghost->made;
	else if (is || actor_idle(t->after, v))
		t->after->ghost_line[v].left = 0;
}

/*
 * Pages of slots, seen by who looks them up now.  To a fault on arm64 an INVALID slot is none; on x86 the
 * vCPU enters again until it is one thing or the other.
 */
static uint64_t reachable(const struct vm *vm)
{
	uint32_t hidden = vm->cfg->rules.arch == PT_ARM64 ? MEMSLOT_INVALID : 0;
	uint64_t bits = 0;

	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		unsigned int set = memslots_active(vm, as);

		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
			const struct memslot *s = &vm->slots[memslots_ids(vm, as, set)[i]];

			bits |= s->flags & hidden ? 0 : ghost_bits(s->base_gfn, s->npages);
		}
	}
	return bits;
}

void inv_ghost(struct transition *t)
{
	if (t->mv.kind == MOVE_LINE && t->line)
		ghost_begin(t);
	if (memcmp(t->before->st->active, t->after->st->active, sizeof(t->after->st->active)) != 0)
		t->after->ghost->made &= reachable(t->after);
	if (t->mv.kind <= MOVE_STEP && t->line && t->line->kind == LANG_OP_SET_REGION)
		ghost_move(t);
	for (unsigned int i = 0; i < t->c->nr_notes; i++)
		ghost_note(t, &t->c->notes[i]);
	if (t->mv.who < t->after->cfg->nr_vcpus && t->mv.kind <= MOVE_STEP)
		ghost_left(t);
	if (any_armed(t->after))
		ghost_user_bits(t);
	ghost_late(t);
}

/* Leaves that the mover's line has taken W from; what is removed or given back is no longer one. */
static void ghost_protected(struct transition *t)
{
	struct ghost_line *gl = &t->after->ghost_line[t->mv.who];

	for (unsigned int i = 0; i < t->nr_changes; i++) {
		const struct leaf *l = &t->changes[i];
		unsigned int was = inv_leaf_access(t->after, l->old, l->height);
		unsigned int is = inv_leaf_access(t->after, l->now, l->height);

		if (is && (was & ACC_W) && !(is & ACC_W))
			gl->protected |= ghost_bit(l->gfn);
		else
			gl->protected &= ~ghost_bit(l->gfn);
	}
	if (t->c->finished)
		gl->protected = 0;
}

void inv_ghost_end(struct transition *t)
{
	if (t->after->cfg->lints && t->mv.kind <= MOVE_STEP)
		ghost_protected(t);
	if (t->c->finished && t->line)
		ghost_end(t);
}
