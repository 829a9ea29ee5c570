/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/x86_pt.h"

enum {
	CAPACITY = 64,
};

static const char *const geoms[] = { "ept4",        "ept-1x3",      "npt-2x2",
				     "arm64-4k-43", "arm64-16k-40", "arm64-64k-46" };
enum {
	NR_GEOMS = 6,
};

static const struct x86_fmt *fmt(void)
{
	return x86_fmt_get(X86_SPTE_612, X86_EPT); /* its empty value is not zero */
}

static void assert_broken(const struct pool *p, const char *text)
{
	const char *why = NULL;

	must_be(!pt_check(&p->pt, &why));
	ck_assert_str_eq(why, text);
}

START_TEST(new_page_holds_the_empty_value_and_nothing_is_used)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t t;

	pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
	pool_check(&p);
	t = pt_alloc(&p.pt, 0, 0, &wk);
	must_eq(t, 1);
	for (uint32_t i = 0; i < geom_entries(&p.pt.geom); i++)
		must_eq(pt_entry(&p.pt, t, i)->v, fmt()->pte.empty);
	must_eq(p.pt.meta[t].nr_used, 0);
	must_eq(p.head.nr_live, 1);
	must_eq(wk.table_alloc, 1);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(root_takes_as_many_consecutive_pages_as_are_concatenated)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t hole, root, n;

	pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
	n = geom_root_tables(&p.pt.geom);
	hole = pt_alloc(&p.pt, 0, 0, &wk);
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), 2);
	pt_free(&p.pt, hole, &wk);
	root = pt_alloc_root(&p.pt, &wk);
	/* one free page is no room for several */
	must_eq(root, n == 1 ? 1 : 3);
	for (uint32_t i = 0; i < n; i++) {
		must_eq(p.pt.meta[root + i].height, geom_root_height(&p.pt.geom));
		must_eq(p.pt.meta[root + i].base, i * geom_pages(&p.pt.geom, p.pt.geom.heights));
	}
	pool_check(&p);
	/* the hole is still there for a single page */
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), n == 1 ? 3 : 1);
	pt_free(&p.pt, root, &wk);
	must_eq(p.head.nr_live, 2);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(freed_page_is_zero_and_the_lowest_free_one_is_taken_next)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t t[10];

	pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
	for (unsigned int i = 0; i < 10; i++)
		t[i] = pt_alloc(&p.pt, 0, 0, &wk);
	pt_set(&p.pt, t[3], 1, (pte_t){ 0x1234 }, &wk);
	pt_free(&p.pt, t[7], &wk);
	pt_free(&p.pt, t[3], &wk);
	for (uint32_t i = 0; i < geom_entries(&p.pt.geom); i++)
		must_eq(pt_entry(&p.pt, t[3], i)->v, 0);
	pool_check(&p);
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), t[3]);
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), t[7]);
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), t[9] + 1);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(full_pool_gives_page_zero_and_stays_as_it_was)
{
	struct work wk = { 0 };
	struct pool p;

	pool_init(&p, geoms[_i], &fmt()->pte, 4);
	ck_assert_uint_ne(pt_alloc(&p.pt, 0, 0, &wk), 0);
	ck_assert_uint_ne(pt_alloc(&p.pt, 0, 0, &wk), 0);
	ck_assert_uint_ne(pt_alloc(&p.pt, 0, 0, &wk), 0);
	must_eq(pt_alloc(&p.pt, 0, 0, &wk), 0);
	must_eq(p.head.nr_live, 3);
	must_eq(wk.table_alloc, 3);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(unlinked_pages_stay_readable_until_their_list_is_freed)
{
	struct work wk = { 0 };
	uint32_t list = 0, t[3];
	struct pool p;

	pool_init(&p, geoms[_i], &fmt()->pte, CAPACITY);
	for (unsigned int i = 0; i < 3; i++) {
		t[i] = pt_alloc(&p.pt, 0, 0, &wk);
		pt_set(&p.pt, t[i], 0, (pte_t){ fmt()->frozen }, &wk);
		pt_unlink(&p.pt, t[i]);
		p.pt.meta[t[i]].link = list;
		list = t[i];
	}
	must_eq(p.head.nr_live, 0);
	must_eq(p.head.nr_unlinked, 3);
	must_eq(pt_entry(&p.pt, t[1], 0)->v, fmt()->frozen);
	pool_check(&p);
	pt_free_list(&p.pt, &list, &wk);
	must_eq(list, 0);
	must_eq(p.head.nr_unlinked, 0);
	must_eq(wk.table_free, 3);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(set_counts_used_entries_and_links_parents)
{
	const struct x86_fmt *f = fmt();
	struct work wk = { 0 };
	struct pool p;
	uint32_t root, child, last;

	pool_init(&p, geoms[_i], &f->pte, CAPACITY);
	root = pt_alloc_root(&p.pt, &wk);
	last = pt_index(&p.pt, geom_limit(&p.pt.geom) - 1, geom_root_height(&p.pt.geom));
	child = x86_link_table(&p.pt, f, root, last, &wk);
	ck_assert_uint_ne(child, 0);
	must_eq(p.pt.meta[child].parent, root);
	must_eq(p.pt.meta[root + geom_root_tables(&p.pt.geom) - 1].nr_used, 1);
	must_eq(pt_entry_gfn(&p.pt, root, last), p.pt.meta[child].base);
	pool_check(&p);
	pt_set(&p.pt, root, last, (pte_t){ f->pte.empty }, &wk);
	must_eq(p.pt.meta[root + geom_root_tables(&p.pt.geom) - 1].nr_used, 0);
	pt_free(&p.pt, child, &wk);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

START_TEST(lookup_ends_at_the_deepest_entry_of_the_path)
{
	const struct x86_fmt *f = fmt();
	struct spte_parts parts = { .access = ACC_R };
	struct work wk = { 0 };
	struct pt_pos at;
	struct pool p;
	uint32_t root;
	gfn_t gfn;

	pool_init(&p, geoms[_i], &f->pte, CAPACITY);
	root = pt_alloc_root(&p.pt, &wk);
	gfn = geom_limit(&p.pt.geom) - 1;
	at = pt_lookup(&p.pt, root, gfn);
	must_eq(at.height, geom_root_height(&p.pt.geom));
	must_eq(at.value.v, f->pte.empty);
	must_be(x86_map_range(&p.pt, f, root, (struct gfn_range){ gfn, gfn + 1 }, 42, 0, &parts,
			      &wk));
	at = pt_lookup(&p.pt, root, gfn);
	must_eq(at.height, 0);
	must_eq(pte_pfn(&f->pte, at.value), 42);
	at = pt_lookup(&p.pt, root, gfn - 1);
	must_eq(at.height, 0);
	must_eq(at.value.v, f->pte.empty);
	pool_check(&p);
	pool_fini(&p);
}
END_TEST

/* One page mapped under a root: what the bad cases start from. */
static uint32_t small_tree(struct pool *p, struct work *wk)
{
	struct spte_parts parts = { .access = ACC_R };
	uint32_t root;

	pool_init(p, "ept-2x3", &fmt()->pte, CAPACITY);
	root = pt_alloc_root(&p->pt, wk);
	must_be(x86_map_range(&p->pt, fmt(), root, (struct gfn_range){ 0, 1 }, 42, 0, &parts, wk));
	pool_check(p);
	return root;
}

START_TEST(check_finds_a_free_page_that_is_not_zero)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t t;

	small_tree(&p, &wk);
	t = pt_alloc(&p.pt, 0, 0, &wk);
	pt_free(&p.pt, t, &wk);
	pool_check(&p);
	pt_entry(&p.pt, t, 1)->v = 1;
	assert_broken(&p, "free page that is not zero");
	pt_entry(&p.pt, t, 1)->v = 0;
	p.pt.meta[t].link = 1;
	assert_broken(&p, "free page whose metadata is not zero");
	pool_fini(&p);
}
END_TEST

START_TEST(check_finds_a_table_entry_to_the_wrong_page)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t root = small_tree(&p, &wk);

	*pt_entry(&p.pt, root, 0) = spte_make_table(fmt(), pt_table_pfn(&p.pt, root));
	assert_broken(&p, "table entry that points to the wrong page");
	*pt_entry(&p.pt, root, 0) = spte_make_table(fmt(), pt_table_pfn(&p.pt, CAPACITY));
	assert_broken(&p, "table entry that points outside the pool");
	*pt_entry(&p.pt, root, 0) = spte_make_table(fmt(), 5);
	assert_broken(&p, "table entry that points outside the pool");
	pool_fini(&p);
}
END_TEST

START_TEST(check_finds_wrong_counts)
{
	struct work wk = { 0 };
	struct pool p;
	uint32_t root = small_tree(&p, &wk);

	p.pt.meta[root].nr_used++;
	assert_broken(&p, "nr_used differs from the number of entries in use");
	p.pt.meta[root].nr_used--;
	p.head.nr_live++;
	assert_broken(&p, "nr_live differs from the number of live pages");
	p.head.nr_live--;
	p.head.nr_unlinked++;
	assert_broken(&p, "nr_unlinked differs from the number of unlinked pages");
	pool_fini(&p);
}
END_TEST

struct seen {
	unsigned int changed;
	gfn_t gfn;
	unsigned int height;
	pte_t old, now;
};

static void note_change(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t now)
{
	struct seen *s = arg;

	s->changed++;
	s->gfn = gfn;
	s->height = height;
	s->old = old;
	s->now = now;
}

START_TEST(observer_hears_gfn_height_and_both_values_of_a_change)
{
	static const struct pt_observer obs = { .changed = note_change };
	struct work wk = { 0 };
	struct seen seen = { 0 };
	struct pool p;
	uint32_t root = small_tree(&p, &wk);

	p.pt.obs = &obs;
	p.pt.obs_arg = &seen;
	pt_set(&p.pt, root, 3, (pte_t){ fmt()->frozen }, &wk);
	must_eq(seen.changed, 1);
	must_eq(seen.gfn, 48);
	must_eq(seen.height, 2);
	must_eq(seen.old.v, fmt()->pte.empty);
	must_eq(seen.now.v, fmt()->frozen);
	pool_fini(&p);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, new_page_holds_the_empty_value_and_nothing_is_used, 0, NR_GEOMS);
	tcase_add_loop_test(tc, root_takes_as_many_consecutive_pages_as_are_concatenated, 0,
			    NR_GEOMS);
	tcase_add_loop_test(tc, freed_page_is_zero_and_the_lowest_free_one_is_taken_next, 0,
			    NR_GEOMS);
	tcase_add_loop_test(tc, full_pool_gives_page_zero_and_stays_as_it_was, 0, NR_GEOMS);
	tcase_add_loop_test(tc, unlinked_pages_stay_readable_until_their_list_is_freed, 0,
			    NR_GEOMS);
	tcase_add_loop_test(tc, set_counts_used_entries_and_links_parents, 0, NR_GEOMS);
	/* frames of x86 leaves are in 4 KiB */
	tcase_add_loop_test(tc, lookup_ends_at_the_deepest_entry_of_the_path, 0, 4);
	tcase_add_test(tc, check_finds_a_free_page_that_is_not_zero);
	tcase_add_test(tc, check_finds_a_table_entry_to_the_wrong_page);
	tcase_add_test(tc, check_finds_wrong_counts);
	tcase_add_test(tc, observer_hears_gfn_height_and_both_values_of_a_change);
}

int main(void)
{
	return run_suite("pt", fill);
}
