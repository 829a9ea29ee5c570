/* SPDX-License-Identifier: Apache-2.0 */
#include "model/moves.h"

#include "model/kick.h"
#include "model/mem.h"

G_DEFINE_QUARK(s2_moves_error, moves_error)

enum {
	NAME_BYTES = 8,
};

/* ---- the program ---------------------------------------------------------------------------- */

static const GArray *items_of(const struct moves *m, const struct vm *vm, uint32_t actor)
{
	return g_ptr_array_index(m->blocks, vm->progress[0].block * m->nr_actors + actor);
}

static const struct move_item *item_at(const GArray *items, uint32_t i)
{
	return &g_array_index(items, struct move_item, i);
}

bool moves_done(const struct moves *m, const struct vm *vm)
{
	return vm->progress[0].block * m->nr_actors >= m->blocks->len;
}

/* A program under construction. */
struct build {
	struct moves *m;
	const struct vm *vm;
	bool in_par;
	uint8_t group, groups;  /* the group that is open, 0 none; how many there were */
	struct move_item model; /* group, of, fixed of the next line */
	GError **error;
};

static bool bad_line(const struct build *b, const struct lang_line *l, const char *expected)
{
	g_set_error(b->error, MOVES_ERROR, MOVES_ERROR_LINE, "%u: expected %s, found '%s'", l->line,
		    expected, l->text ? l->text : lang_kind_name(l->kind));
	return false;
}

static void begin_block(struct build *b)
{
	for (uint32_t a = 0; a < b->m->nr_actors; a++)
		g_ptr_array_add(b->m->blocks, g_array_new(FALSE, FALSE, sizeof(struct move_item)));
}

static bool add_to_actors(struct build *b, const struct lang_line *l, uint64_t actors)
{
	struct move_item item = b->model;

	item.line = l;
	for (uint32_t a = 0; a < b->m->nr_actors; a++) {
		GArray *items =
			g_ptr_array_index(b->m->blocks, b->m->blocks->len - b->m->nr_actors + a);

		if (!(actors >> a & 1))
			continue;
		for (uint64_t i = 0; i < MAX(l->when.repeat, 1); i++) {
			if (items->len == BLOCK_LINES_MAX)
				return bad_line(b, l,
						"at most 64 lines of an actor between `par` "
						"and `join`");
			g_array_append_val(items, item);
		}
	}
	return true;
}

/* `choose` and `endchoose`. */
static bool add_group(struct build *b, const struct lang_line *l)
{
	if (l->kind == LANG_ENDCHOOSE) {
		if (!b->group)
			return bad_line(b, l, "a `choose` before its end");
		b->group = 0;
		b->model = (struct move_item){ .group = 0 };
		return true;
	}
	if (!b->in_par || b->group)
		return bad_line(b, l, "`choose` between `par` and `join`, not within another");
	b->group = ++b->groups;
	b->model = (struct move_item){ .group = b->group,
				       .of = (uint8_t)l->u.choose.n,
				       .fixed = l->u.choose.fixed };
	return true;
}

static bool add_line(struct build *b, const struct lang_line *l)
{
	uint64_t actors = lines_actors(&b->m->lines, l);

	switch ((int)l->kind) {
	case LANG_PAR:
		if (b->in_par)
			return bad_line(b, l, "`join` before another `par`");
		b->in_par = true;
		if (b->m->first_par == UINT32_MAX)
			b->m->first_par = b->m->blocks->len / b->m->nr_actors;
		begin_block(b);
		return true;
	case LANG_JOIN:
		if (!b->in_par || b->group)
			return bad_line(b, l, "`par` before it, and every `choose` ended");
		b->in_par = false;
		return true;
	case LANG_CHOOSE:
	case LANG_ENDCHOOSE:
		return add_group(b, l);
	case LANG_GUEST_SPIN:
	case LANG_GUEST_UNSPIN:
		return bad_line(b, l, "a line that has a place where the order is free");
	default:
		break;
	}
	if (!actors)
		return true;
	if (l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC &&
	    (l->u.guest.until_join || l->u.guest.limit != LANG_TIME_NONE || *l->u.guest.file))
		return bad_line(b, l, "accesses that end without simulated time");
	if (l->kind == LANG_HOST_MAP && b->m->first_par != UINT32_MAX)
		return bad_line(b, l, "mappings before the first `par`");
	if (l->kind == LANG_OP_PARAM && b->m->first_par != UINT32_MAX)
		return bad_line(b, l,
				"parameters before the first `par`"); /* no part of the state */
	if (!b->in_par)
		begin_block(b);
	return add_to_actors(b, l, actors);
}

static void free_items(void *items)
{
	g_array_free(items, TRUE);
}

/* Blocks without anything to do are passed over. */
static void skip_empty(const struct moves *m, struct vm *vm)
{
	for (; !moves_done(m, vm); vm->progress[0].block++)
		for (uint32_t a = 0; a < m->nr_actors; a++)
			if (items_of(m, vm, a)->len)
				return;
}

struct moves *moves_new(const struct lines *lines_now, struct vm *vm, const GPtrArray *lines,
			GError **error)
{
	struct moves *m = g_new0(struct moves, 1);
	struct build b = { .m = m, .vm = vm, .error = error };

	m->lines = *lines_now;
	m->lines.vm = vm;
	m->nr_actors = vm->nr_actors;
	m->first_par = UINT32_MAX;
	m->blocks = g_ptr_array_new_with_free_func(free_items);
	for (guint i = 0; i < lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(lines, i);

		lines_name(&m->lines, l);
		if (add_line(&b, l))
			continue;
		moves_free(m);
		return NULL;
	}
	skip_empty(m, vm);
	return m;
}

void moves_free(struct moves *m)
{
	if (!m)
		return;
	g_ptr_array_free(m->blocks, TRUE);
	g_free(m);
}

/* ---- what can happen ------------------------------------------------------------------------ */

/* Lines of a group that have begun, and the last of them. */
static unsigned int group_done(const GArray *items, uint64_t done, uint8_t group, uint32_t *last)
{
	unsigned int n = 0;

	*last = 0;
	for (uint32_t i = 0; i < items->len; i++) {
		if (item_at(items, i)->group != group || !(done >> i & 1))
			continue;
		n++;
		*last = i + 1;
	}
	return n;
}

/* Lines of a group from @from on that have not begun. */
static unsigned int group_left(const GArray *items, uint64_t done, uint8_t group, uint32_t from)
{
	unsigned int n = 0;

	for (uint32_t i = from; i < items->len; i++)
		n += item_at(items, i)->group == group && !(done >> i & 1);
	return n;
}

/* Lines that an idle actor may begin, a bit each. */
static uint64_t may_begin(const GArray *items, uint64_t done)
{
	for (uint32_t i = 0; i < items->len; i++) {
		const struct move_item *it = item_at(items, i);
		unsigned int begun;
		uint64_t can = 0;
		uint32_t last;

		if (done >> i & 1)
			continue;
		if (!it->group)
			return BIT(i);
		begun = group_done(items, done, it->group, &last);
		if (begun == it->of)
			continue;
		/* in their order: those behind must be enough */
		for (uint32_t j = it->fixed ? MAX(i, last) : i; j < items->len; j++)
			if (item_at(items, j)->group == it->group && !(done >> j & 1) &&
			    (!it->fixed || begun + group_left(items, done, it->group, j) >= it->of))
				can |= BIT(j);
		if (can)
			return can;
	}
	return 0;
}

static uint64_t actor_may_begin(const struct moves *m, const struct vm *vm, uint32_t a)
{
	if (moves_done(m, vm) || !actor_idle(vm, a))
		return 0;
	return may_begin(items_of(m, vm, a), vm->progress[a].done);
}

unsigned int moves_list(const struct moves *m, const struct vm *vm, struct move *out)
{
	unsigned int n = 0;

	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		if (actor_enabled(vm, a))
			out[n++] = (struct move){ MOVE_STEP, (uint8_t)a, 0 };
		for (uint64_t can = actor_may_begin(m, vm, a); can && n < MOVES_MAX; can &= can - 1)
			out[n++] = (struct move){ MOVE_LINE, (uint8_t)a,
						  (uint8_t)__builtin_ctzll(can) };
	}
	g_assert(n + vm->cfg->nr_vcpus + 1 + vm->nr_actors * MEM_STORES < MOVES_MAX);
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++)
		if (ack_rule_enabled(vm, v))
			out[n++] = (struct move){ MOVE_ACK, (uint8_t)v, 0 };
	if (rcu_rule_enabled(vm))
		out[n++] = (struct move){ MOVE_RCU, 0, 0 };
	for (uint32_t a = 0; a < vm->nr_actors; a++)
		for (uint32_t can = mem_visible_next(vm, a); can; can &= can - 1)
			out[n++] = (struct move){ MOVE_STORE, (uint8_t)a,
						  (uint8_t)__builtin_ctz(can) };
	return n;
}

const struct lang_line *moves_line(const struct moves *m, const struct vm *vm, struct move mv)
{
	uint32_t item = mv.kind == MOVE_LINE ? mv.k + 1U : vm->progress[mv.who].running;

	if (mv.kind > MOVE_STEP || !item)
		return NULL;
	return item_at(items_of(m, vm, mv.who), item - 1)->line;
}

/* ---- making it happen ----------------------------------------------------------------------- */

/* After the last line of the last actor the next block begins. */
static void end_block(const struct moves *m, struct vm *vm)
{
	for (uint32_t a = 0; a < vm->nr_actors; a++)
		if (!actor_idle(vm, a) || actor_may_begin(m, vm, a))
			return;
	for (uint32_t a = 0; a < vm->nr_actors; a++)
		vm->progress[a].done = 0;
	vm->progress[0].block++;
	skip_empty(m, vm);
}

static void step(const struct moves *m, struct ctx *c, struct move mv)
{
	struct lines lines = m->lines;

	c->me = &c->vm->actors[mv.who];
	c->me_nr = mv.who;
	c->pick = mv.kind == MOVE_STEP ? mv.k : 0;
	if (!actor_idle(c->vm, mv.who))
		thread_step(c);
	if (!actor_idle(c->vm, mv.who))
		return;
	lines.vm = c->vm;
	c->ret = lines_finish(&lines, mv.who);
	c->finished = true;
	c->vm->progress[mv.who].running = 0;
	end_block(m, c->vm);
}

static bool begin(const struct moves *m, struct ctx *c, struct move mv, GError **error)
{
	struct lines lines = m->lines;

	lines.vm = c->vm;
	if (!lines_start(&lines, item_at(items_of(m, c->vm, mv.who), mv.k)->line, mv.who, error))
		return false;
	c->vm->progress[mv.who].done |= BIT(mv.k);
	c->vm->progress[mv.who].running = mv.k + 1U;
	step(m, c, mv);
	return true;
}

bool moves_make(const struct moves *m, struct ctx *c, struct move mv, GError **error)
{
	c->nr_woke = 0;
	c->nr_notes = 0;
	c->nr_picks = 0;
	c->pick_of = 0;
	c->locks = 0;
	c->finished = false;
	c->label = NULL;
	/* what invariants and lints ask of this move */
	c->work.guest_entry = 0;
	c->stats.remote_tlb_flush_requests = 0;
	switch ((enum move_kind)mv.kind) {
	case MOVE_LINE:
		return begin(m, c, mv, error);
	case MOVE_STEP:
		step(m, c, mv);
		return true;
	case MOVE_ACK:
		ack_rule(c, mv.who);
		return true;
	case MOVE_RCU:
		rcu_rule(c);
		return true;
	case MOVE_STORE:
		mem_commit(c->vm, mv.who, mv.k);
		return true;
	case NR_MOVE_KINDS:
		break;
	}
	g_assert_not_reached();
}

struct move moves_in_order(const struct vm *vm, const struct move *list, unsigned int n)
{
	unsigned int best = 0;

	/* last in the list; lines in order see what the ones before have stored */
	if (list[n - 1].kind == MOVE_STORE)
		return list[n - 1];
	for (unsigned int i = 0; i < n; i++) {
		/* the line's own actor, which is the one that does not wait; then rules; then who can */
		if (list[i].kind == MOVE_LINE ||
		    (list[i].kind == MOVE_STEP && vm->progress[list[i].who].running))
			return list[i];
		if (list[i].kind > list[best].kind)
			best = i;
	}
	return list[best];
}

void moves_actor_name(const struct vm *vm, uint32_t actor, char *out)
{
	uint32_t vmms = MAX(vm->cfg->nr_vmms, 1), over;

	if (actor < vm->cfg->nr_vcpus) {
		(void)g_snprintf(out, NAME_BYTES, "v%u", actor);
		return;
	}
	over = actor - vm->cfg->nr_vcpus;
	if (over == 0 || (over >= 2 && over - 1 < vmms))
		(void)g_snprintf(out, NAME_BYTES, "vmm%u", over ? over - 1 : 0);
	else
		(void)g_snprintf(out, NAME_BYTES, "mm%u", over == 1 ? 0 : over - vmms);
}
