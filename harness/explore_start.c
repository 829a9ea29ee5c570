/* SPDX-License-Identifier: Apache-2.0 */
/* What an exploration begins with: the VM at the first `par`, or behind a path. */
#include <inttypes.h>
#include <string.h>

#include "harness/explore_priv.h"

static const char *small_geom(const struct rules *r)
{
	if (r->arch == PT_ARM64)
		return "arm64-2x2";
	return r->nested == X86_NPT ? "npt-2x2" : "ept-2x2";
}

/* A scenario of one's own choosing needs neither the recorder's code page nor its geometry. */
static bool make_cfg(const struct explore_cfg *cfg, struct vm_cfg *out, GError **error)
{
	struct lang_scenario s = *cfg->scenario;
	struct rules rules;

	if (!policy_parse(cfg->policy, &rules, error))
		return false;
	if (!*s.geom)
		g_strlcpy(s.geom, small_geom(&rules), sizeof(s.geom));
	if (!*s.tlb)
		g_strlcpy(s.tlb, "set", sizeof(s.tlb));
	if (strcmp(s.tlb, "sized") == 0 || s.code) {
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCENARIO, "expected %s, found %s",
			    s.code ? "code=0" : "tlb=set or tlb=drop", s.code ? "code=1" : s.tlb);
		return false;
	}
	if (!setup_cfg(&s, cfg->policy, NULL, out, error))
		return false;
	if (setup_is_refused(&s, out)) {
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCENARIO,
			    "expected capabilities that '%s' has, found others", cfg->policy);
		return false;
	}
	setup_free_order(out, cfg->lines, &cfg->scope);
	out->lints = cfg->lints;
	return true;
}

struct ctx explore_ctx(struct vm *vm, struct note *notes)
{
	return (struct ctx){ .vm = vm, .rules = &vm->cfg->rules, .notes = notes };
}

bool explore_has_room(const struct ctx *c, GError **error)
{
	const struct vm_limits *l = &c->vm->cfg->limits;
	uint32_t used = c->vm->pt.head->nr_live + c->vm->pt.head->nr_unlinked;

	if (!c->short_of && used + 1 < l->nr_tables)
		return true;
	g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCOPE,
		    "scope: expected room for all %s=%u used up",
		    c->short_of ? c->short_of : "table pages, found --tables",
		    c->short_of ? c->vm->cfg->tlb.capacity : l->nr_tables);
	return false;
}

/* History has a bit a page, and a step changes no more than a table: neither is so in a VM of full size. */
static bool check_size(const struct vm *vm, const GPtrArray *lines, GError **error)
{
	unsigned int shift = vm->cfg->geom.page_shift;

	if (geom_entries(&vm->cfg->geom) > INV_CHANGES_MAX) {
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCENARIO,
			    "geom: expected a small granule, such as %s, found '%s'",
			    small_geom(&vm->cfg->rules), vm->cfg->geom.name);
		return false;
	}
	if (!state_fits(vm)) {
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCOPE,
			    "scope: expected a state of at most %d KiB, found %zu (--tables=%u "
			    "--slots=%u --words=%u --tlb=%u, %u vCPUs)",
			    STATE_BYTES_MAX / 1024, vm_state_bytes(vm) / 1024,
			    vm->cfg->limits.nr_tables, vm->cfg->limits.nr_slots,
			    vm->cfg->limits.nr_words, vm->cfg->tlb.capacity, vm->cfg->nr_vcpus);
		return false;
	}
	for (guint i = 0; i < lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(lines, i);
		const struct lang_region *r = &l->u.region;

		if (l->kind != LANG_OP_SET_REGION ||
		    (r->gpa >> shift) + (r->size >> shift) <= GHOST_PAGES)
			continue;
		g_set_error(
			error, EXPLORE_ERROR, EXPLORE_ERROR_SCENARIO,
			"%u: expected slots below gfn %u, found one that ends at gfn 0x%" PRIx64,
			l->line, GHOST_PAGES, (r->gpa >> shift) + (r->size >> shift));
		return false;
	}
	return true;
}

enum inv explore_look(const struct moves *m, struct transition *t, uint64_t mask,
		      struct witness *out)
{
	struct leaf changes[INV_CHANGES_MAX];
	enum inv inv;

	inv_ghost(t);
	inv_changes(t, changes);
	inv = inv_check(t, mask, out);
	t->lints = t->after->cfg->lints && !inv ? lint_check(t) : 0;
	inv_ghost_end(t);
	t->changes = NULL;
	if (!inv && moves_done(m, t->after) && !t->after->st->deferred && !t->after->st->grace)
		inv = inv_check_end(t->after, mask, out);
	return inv;
}

char *explore_why(const char *why, const gfn_t *gfn)
{
	return gfn ? g_strdup_printf("%s (gfn 0x%" G_GINT64_MODIFIER "x)", why, *gfn)
		   : g_strdup(why);
}

/* The way to what is explored. */
struct way {
	struct explore_start *s;
	struct ctx c;
	struct note notes[NOTES_MAX];
	struct vm *before;
	uint64_t mask; /* invariants that are asked about */
};

static bool make_move(struct way *y, struct move mv, GError **error)
{
	struct explore_start *s = y->s;
	struct transition t = { .before = y->before, .after = s->vm, .c = &y->c, .mv = mv };
	struct witness wit;
	enum inv inv;

	vm_copy(y->before, s->vm);
	t.line = moves_line(s->moves, y->before, mv);
	if (!moves_make(s->moves, &y->c, mv, error) || !explore_has_room(&y->c, error))
		return false;
	inv = explore_look(s->moves, &t, y->mask, &wit);
	if (inv && !s->setup_inv) {
		s->setup_inv = inv;
		s->setup_why = explore_why(wit.why, wit.has_gfn ? &wit.gfn : NULL);
	}
	return true;
}

/* The next move of the set-up: as the lines are written; behind them rules only. */
static bool setup_move(const struct explore_start *s, struct move *out)
{
	struct move list[MOVES_MAX];
	unsigned int n = moves_list(s->moves, s->vm, list);
	bool over = s->vm->progress[0].block >= s->moves->first_par;

	if (n == 0 || (over && list[n - 1].kind < MOVE_ACK))
		return false;
	*out = over ? list[n - 1] : moves_in_order(s->vm, list, n);
	return true;
}

/* Everything before the first `par`, in the order written down. */
static bool run_setup(struct way *y, GError **error)
{
	struct explore_start *s = y->s;
	struct move mv;

	/* what a leak is measured against is known behind it */
	y->mask = s->mask & ~BIT(INV_LEAK);
	while (!moves_done(s->moves, s->vm) && setup_move(s, &mv))
		if (!make_move(y, mv, error))
			return false;
	if (!moves_done(s->moves, s->vm) && s->vm->progress[0].block < s->moves->first_par) {
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCENARIO,
			    "set-up: expected lines that end, found a deadlock");
		return false;
	}
	inv_ghost_begin(s->vm);
	return true;
}

/* The moves that come before what is explored. */
static bool run_after(struct way *y, const GArray *path, GError **error)
{
	y->mask = 0;
	for (guint i = 0; path && i < path->len; i++)
		if (!make_move(y, g_array_index(path, struct move, i), error))
			return false;
	return true;
}

static bool run_to_start(struct explore_start *s, const GArray *after, GError **error)
{
	struct way y = { .s = s, .before = vm_new(s->vm->cfg) };
	bool ok;

	y.c = explore_ctx(s->vm, y.notes);
	ok = run_setup(&y, error) && run_after(&y, after, error);
	vm_free(y.before);
	return ok;
}

bool explore_start(const struct explore_cfg *cfg, struct explore_start *out, GError **error)
{
	struct vm_cfg vm_cfg = { .nr_vcpus = 0 };
	struct lines lines = { .vm = NULL };
	struct work work = { 0 };

	*out = (struct explore_start){ .vm = NULL };
	if (!make_cfg(cfg, &vm_cfg, error))
		return false;
	out->mask = inv_applies(&vm_cfg) & (cfg->invariants ? *cfg->invariants : ~0ULL);
	out->vm = lines.vm = vm_new(&vm_cfg);
	setup_contents(out->vm, &work);
	if (check_size(out->vm, cfg->lines, error))
		out->moves = moves_new(&lines, out->vm, cfg->lines, error);
	if (out->moves && run_to_start(out, cfg->after, error))
		return true;
	explore_start_fini(out);
	return false;
}

void explore_start_fini(struct explore_start *s)
{
	moves_free(s->moves);
	vm_free(s->vm);
	g_free(s->setup_why);
	*s = (struct explore_start){ .vm = NULL };
}
