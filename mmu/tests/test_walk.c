/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walker against a recursive reference, for every budget, and across changes between two slices.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/walk.h"
#include "mmu/x86_pt.h"

enum {
	CAPACITY = 4096,
	ROUNDS = 25,
};

static const char *const geoms[] = { "ept-1x2", "ept-1x4", "ept-2x3",     "ept-2x4",
				     "ept4",    "ept5",    "arm64-4k-43", "arm64-16k-40" };
enum {
	NR_GEOMS = 8,
};

static const unsigned int budgets[] = { 1, 2, 7, UINT_MAX };

/* Frames of 16 KiB pages need a format of theirs; the walker reads it as data. */
static const struct x86_fmt *fmt(void)
{
	return x86_fmt_get(X86_SPTE_612, X86_EPT);
}

struct seen {
	gfn_t gfn;
	gfn_t base;
	uint8_t height;
	bool post;
	pte_t old;
};

struct trace {
	struct seen *v;
	unsigned int nr, room;
	unsigned int stop_at; /* the visitor stops at the visits of this number on; 0: never */
	const struct walk *w; /* the cursor, to be compared with each visit */
};

static void trace_add(struct trace *t, const struct visit *v)
{
	if (t->nr == t->room) {
		t->room = 2 * t->room + 64;
		t->v = realloc(t->v, t->room * sizeof(*t->v));
		must(t->v != NULL, "no memory");
	}
	t->v[t->nr++] = (struct seen){ v->gfn, v->base, v->height, v->post, v->old };
}

/* What C3 and struct visit promise about one call. */
static void assert_visit(const struct pt *pt, const struct trace *t, const struct visit *v)
{
	gfn_t at = v->post ? t->w->gfn - 1 : t->w->gfn;

	must(v->height == t->w->height && v->post == t->w->post && v->gfn == at,
	     "visit of 0x%llx+%u where the cursor stands at 0x%llx+%u", (unsigned long long)v->gfn,
	     v->height, (unsigned long long)at, t->w->height);
	must(v->base == geom_base(&pt->geom, at, v->height), "base that is not the entry's");
	must(pt_entry_gfn(pt, v->table, v->index) == v->base, "entry of another gfn");
	must(pt->meta[v->table].height == v->height, "page of another height");
	must(pte_eq(*pt_entry(pt, v->table, v->index), v->old), "value that does not stand there");
}

static int record(struct pt *pt, const struct visit *v, void *arg, struct work *wk)
{
	struct trace *t = arg;

	(void)wk;
	assert_visit(pt, t, v);
	trace_add(t, v);
	return t->stop_at && t->nr >= t->stop_at ? WALK_STOP : VISIT_NEXT;
}

/* The reference: plain recursion over one page. */
struct reference {
	const struct pt *pt;
	struct gfn_range r;
	unsigned int flags, min_height;
	struct trace t;
};

static void refer(struct reference *f, uint32_t table, gfn_t base, unsigned int h)
{
	uint32_t n = geom_entries(&f->pt->geom);
	uint64_t span = geom_pages(&f->pt->geom, h);

	if (h == geom_root_height(&f->pt->geom))
		n *= geom_root_tables(&f->pt->geom);
	for (uint32_t i = 0; i < n; i++) {
		struct visit v = { .base = base + i * span, .height = (uint8_t)h };
		bool table_entry;

		if (v.base + span <= f->r.start || v.base >= f->r.end)
			continue;
		v.gfn = max_u64(v.base, f->r.start);
		v.old = *pt_entry(f->pt, table, i);
		table_entry = pte_is_table(f->pt->fmt, v.old, h);
		if (f->flags & (table_entry                         ? WALK_PRE
				: pte_is_leaf(f->pt->fmt, v.old, h) ? WALK_LEAF
								    : WALK_HOLES))
			trace_add(&f->t, &v);
		if (!table_entry || h <= f->min_height)
			continue;
		refer(f, pt_table_of(f->pt, v.old), v.base, h - 1);
		v.post = true;
		if (f->flags & WALK_POST)
			trace_add(&f->t, &v);
	}
}

static void assert_same(const struct trace *a, const struct trace *b, const char *what)
{
	ck_assert_msg(a->nr == b->nr, "%s: %u visits, expected %u", what, a->nr, b->nr);
	for (unsigned int i = 0; i < a->nr; i++) {
		const struct seen *x = &a->v[i], *y = &b->v[i];

		must(x->base == y->base && x->height == y->height && x->post == y->post &&
			     pte_eq(x->old, y->old) && (x->post || x->gfn == y->gfn),
		     "%s: visit %u differs: gfn 0x%llx height %u", what, i,
		     (unsigned long long)x->gfn, x->height);
	}
}

/* Some leaves at random heights inside the windows, and some empty tables. */
static void populate(struct pool *p, const struct windows *ws, uint32_t root, struct rng *r)
{
	struct spte_parts parts = { .access = ACC_R };
	struct work wk = { 0 };

	for (unsigned int i = 0; i < 12; i++) {
		struct gfn_range range = windows_range(ws, &p->pt.geom, r);
		unsigned int goal = (unsigned int)rng_below(r, p->pt.geom.max_leaf_height + 1U);
		uint64_t span = geom_pages(&p->pt.geom, goal);

		range.start = align_down_u64(range.start, span);
		range.end = min_u64(range.start + span * (1 + rng_below(r, 3)), ws->all.end);
		ck_assert(
			x86_map_range(&p->pt, fmt(), root, range, range.start, goal, &parts, &wk));
		if (rng_once_in(r, 3)) {
			struct x86_visit a = { .f = fmt() };
			struct walk w =
				walk_init(&p->pt, root, windows_range(ws, &p->pt.geom, r), 0, 0);

			x86_zap_leafs(&p->pt, &w, &a, UINT_MAX, &wk);
		}
	}
	pool_check(p);
}

static struct gfn_range random_range(const struct windows *ws, const struct pt_geom *g,
				     struct rng *r)
{
	if (rng_once_in(r, 4))
		return (struct gfn_range){ 0, geom_limit(g) };
	if (rng_once_in(r, 4)) {
		gfn_t a = windows_gfn(ws, rng_below(r, windows_size(ws)));
		gfn_t b = windows_gfn(ws, rng_below(r, windows_size(ws)));

		return (struct gfn_range){ min_u64(a, b), max_u64(a, b) + 1 };
	}
	return windows_range(ws, g, r);
}

static void compare_all_budgets(struct pool *p, uint32_t root, struct reference *f)
{
	char what[64];

	f->t.nr = 0;
	refer(f, root, 0, geom_root_height(&p->pt.geom));
	for (unsigned int b = 0; b < 4; b++) {
		struct trace t = { .nr = 0 };
		struct work wk = { 0 };
		struct walk w = walk_init(&p->pt, root, f->r, f->flags, f->min_height);
		int res;

		t.w = &w;
		do {
			gfn_t before = w.gfn;
			unsigned int had = t.nr;

			res = walk_run(&p->pt, &w, record, &t, budgets[b], &wk);
			must(w.gfn >= before, "the cursor moved back");
			must(res == WALK_DONE || (res == WALK_BUDGET && t.nr - had == budgets[b]),
			     "result %d after %u visits", res, t.nr - had);
		} while (res == WALK_BUDGET);
		snprintf(what, sizeof(what), "budget %u flags %u min %u", budgets[b], f->flags,
			 f->min_height);
		assert_same(&t, &f->t, what);
		free(t.v);
	}
}

START_TEST(walk_visits_what_recursion_visits_for_every_budget)
{
	struct reference f = { .t = { .nr = 0 } };

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct rng r = { test_seed(5, (uint64_t)_i * ROUNDS + round) };
		struct work wk = { 0 };
		struct windows ws;
		struct pool p;
		uint32_t root;

		pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
		ws = windows_of(&p.pt.geom);
		root = pt_alloc_root(&p.pt, &wk);
		populate(&p, &ws, root, &r);
		f.pt = &p.pt;
		for (unsigned int i = 0; i < 4; i++) {
			f.r = random_range(&ws, &p.pt.geom, &r);
			f.flags = 1 + (unsigned int)rng_below(&r, 15);
			/* reports after children need the children */
			f.min_height = f.flags & WALK_POST
					       ? 0
					       : (unsigned int)rng_below(&r, p.pt.geom.heights);
			compare_all_budgets(&p, root, &f);
		}
		pool_fini(&p);
	}
	free(f.t.v);
}
END_TEST

START_TEST(walk_that_is_stopped_at_each_entry_and_led_on_visits_the_same)
{
	struct reference f = { .t = { .nr = 0 } };

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct rng r = { test_seed(6, (uint64_t)_i * ROUNDS + round) };
		struct trace t = { .nr = 0 };
		struct work wk = { 0 };
		struct windows ws;
		struct walk w;
		struct pool p;
		uint32_t root;

		pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
		ws = windows_of(&p.pt.geom);
		root = pt_alloc_root(&p.pt, &wk);
		populate(&p, &ws, root, &r);
		f.pt = &p.pt;
		f.r = random_range(&ws, &p.pt.geom, &r);
		f.flags = 1 + (unsigned int)rng_below(&r, 15);
		f.t.nr = 0;
		refer(&f, root, 0, geom_root_height(&p.pt.geom));
		w = walk_init(&p.pt, root, f.r, f.flags, 0);
		t.w = &w;
		t.stop_at = 1;
		while (walk_run(&p.pt, &w, record, &t, UINT_MAX, &wk) == WALK_STOP) {
			const struct seen *last = &t.v[t.nr - 1];

			if (!last->post && pte_is_table(p.pt.fmt, last->old, last->height))
				walk_enter(&w);
			else
				walk_leave(&p.pt, &w);
		}
		assert_same(&t, &f.t, "stopped");
		free(t.v);
		pool_fini(&p);
	}
	free(f.t.v);
}
END_TEST

/* Adds or takes something somewhere, as another actor would between two slices. */
static void disturb(struct pool *p, const struct windows *ws, uint32_t root, struct rng *r)
{
	struct x86_visit a = { .f = fmt(), .height = 1 };
	struct gfn_range range = windows_range(ws, &p->pt.geom, r);
	struct spte_parts parts = { .access = ACC_R };
	struct work wk = { 0 };
	uint32_t deferred = 0;
	struct walk w;

	if (rng_once_in(r, 2)) {
		a.height = (uint8_t)rng_below(r, p->pt.geom.heights);
		a.deferred = &deferred;
		w = walk_init(&p->pt, root, range, 0, 0);
		x86_zap_level(&p->pt, &w, &a, UINT_MAX, &wk);
		pt_free_list(&p->pt, &deferred, &wk);
	} else {
		x86_map_range(&p->pt, fmt(), root, range, range.start, 0, &parts, &wk);
	}
}

/* Order of two visits: by address; before children, then they, then after. */
static bool comes_later(const struct pt *pt, const struct seen *a, const struct seen *b)
{
	gfn_t pos_a = a->base + (a->post ? geom_pages(&pt->geom, a->height) : 0);
	gfn_t pos_b = b->base + (b->post ? geom_pages(&pt->geom, b->height) : 0);

	if (pos_a != pos_b)
		return pos_b > pos_a;
	if (a->post != b->post)
		return a->post; /* what ends here comes before what begins here */
	return a->post ? b->height > a->height : b->height < a->height;
}

START_TEST(walk_keeps_its_order_while_tables_come_and_go_between_slices)
{
	for (unsigned int round = 0; round < 4 * ROUNDS; round++) {
		struct rng r = { test_seed(7, (uint64_t)_i * 1000 + round) };
		unsigned int budget = budgets[rng_below(&r, 3)];
		struct trace t = { .nr = 0 };
		struct work wk = { 0 };
		struct windows ws;
		struct walk w;
		struct pool p;
		uint32_t root;
		int res;

		pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
		ws = windows_of(&p.pt.geom);
		root = pt_alloc_root(&p.pt, &wk);
		populate(&p, &ws, root, &r);
		w = walk_init(&p.pt, root, random_range(&ws, &p.pt.geom, &r),
			      1 + (unsigned int)rng_below(&r, 15), 0);
		t.w = &w;
		do {
			gfn_t before = w.gfn;

			res = walk_run(&p.pt, &w, record, &t, budget, &wk);
			must(w.gfn >= before, "the cursor moved back");
			if (rng_once_in(&r, 2))
				disturb(&p, &ws, root, &r);
		} while (res == WALK_BUDGET && t.nr < 3000);
		for (unsigned int i = 1; i < t.nr; i++) {
			const struct seen *a = &t.v[i - 1], *b = &t.v[i];
			/* where tables went, the entry above them is met in its new role */
			gfn_t done = a->post ? a->base + geom_pages(&p.pt.geom, a->height) : a->gfn;
			bool raised = !b->post && b->height >= a->height && b->gfn >= done;

			must(raised || comes_later(&p.pt, a, b),
			     "round %u: visit %u at 0x%llx+%u after 0x%llx+%u", round, i,
			     (unsigned long long)b->base, b->height, (unsigned long long)a->base,
			     a->height);
		}
		free(t.v);
		pool_fini(&p);
	}
}
END_TEST

START_TEST(walk_over_nothing_is_done_at_once)
{
	struct trace t = { .nr = 0 };
	struct work wk = { 0 };
	struct walk w;
	struct pool p;
	uint32_t root;

	pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
	root = pt_alloc_root(&p.pt, &wk);
	w = walk_init(&p.pt, root, (struct gfn_range){ 1, 1 }, 15, 0);
	t.w = &w;
	ck_assert_int_eq(walk_run(&p.pt, &w, record, &t, 0, &wk), WALK_DONE);
	w = walk_init(&p.pt, root,
		      (struct gfn_range){ geom_limit(&p.pt.geom), geom_limit(&p.pt.geom) + 9 }, 15,
		      0);
	ck_assert_int_eq(walk_run(&p.pt, &w, record, &t, 0, &wk), WALK_DONE);
	ck_assert_uint_eq(t.nr, 0);
	free(t.v);
	pool_fini(&p);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, walk_visits_what_recursion_visits_for_every_budget, 0, NR_GEOMS);
	tcase_add_loop_test(tc, walk_that_is_stopped_at_each_entry_and_led_on_visits_the_same, 0,
			    NR_GEOMS);
	tcase_add_loop_test(tc, walk_keeps_its_order_while_tables_come_and_go_between_slices, 0,
			    NR_GEOMS);
	tcase_add_loop_test(tc, walk_over_nothing_is_done_at_once, 0, NR_GEOMS);
}

int main(void)
{
	return run_suite("walk", fill);
}
