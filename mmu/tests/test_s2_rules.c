/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single rules of stage-2 operations, and the proof that the checker of s2_checker.h finds each way
 * of doing a TLBI wrong.
 */
#include <limits.h>

#include "mmu/tests/s2_checker.h"

static uint64_t span(const struct s2_test *t, unsigned int height)
{
	return geom_pages(&t->p.pt.geom, height);
}

/* --- The checker finds each wrong TLBI. */

struct scene {
	const char *name;
	struct gfn_range map;    /* what is there before, and cached by all */
	struct gfn_range change; /* what the operation is about */
	enum s2_op_kind kind;
	bool pages; /* mapped page by page */
};

/* Two levels of four entries: a block is four pages. */
static const struct scene scenes[] = {
	{ "unmap of a page", { 0, 4 }, { 1, 2 }, S2_OP_UNMAP, true },
	{ "unmap of a table", { 0, 4 }, { 0, 4 }, S2_OP_UNMAP, true },
	{ "unmap of a block", { 0, 4 }, { 0, 4 }, S2_OP_UNMAP, false },
	{ "block over a table", { 0, 4 }, { 0, 4 }, S2_OP_MAP, true },
	{ "page into a block", { 0, 4 }, { 2, 3 }, S2_OP_MAP, false },
	{ "another block", { 0, 4 }, { 0, 4 }, S2_OP_MAP, false },
	{ "split of a block", { 0, 4 }, { 0, 4 }, S2_OP_SPLIT, false },
};

enum {
	NR_SCENES = sizeof(scenes) / sizeof(scenes[0]),
};

/* What the checker says of a scene; @nr_tlbi: how many TLBIs it had that @wrong can spoil. */
static const char *play(const struct scene *s, const struct s2_cfg *cfg, enum wrong wrong,
			unsigned int *nr_tlbi)
{
	const char *violation;
	struct s2_op op;
	struct s2_test t;
	enum s2_act act;

	s2_test_init(&t, "arm64-2x2", cfg);
	t.r.state = 1;
	op = s2_test_op(&t, S2_OP_MAP, s->map);
	op.pfn = 64;
	op.access = ACC_RWX;
	op.force_pte = s->pages;
	s2_test_run(&t, &op);
	s2_test_fill_all(&t, s->map);
	must(t.violation == NULL, "%s: before: %s", s->name, t.violation);
	op = s2_test_op(&t, s->kind, s->change);
	op.pfn = 128;
	op.access = ACC_R;
	op.force_pte = s->change.end - s->change.start < 4;
	*nr_tlbi = 0;
	t.wrong = wrong;
	do {
		act = s2_op_run(&t.p.pt, &t.cfg, &op, UINT_MAX, &t.wk);
		if (act != S2_TLBI)
			continue;
		/* one VMID-wide instruction has neither parts nor hint */
		*nr_tlbi += op.tlbi.kind != S2_TLBI_VMID || wrong == WRONG_SKIPPED ||
			    wrong == WRONG_LOCAL;
		s2_test_tlbi(&t, &op.tlbi);
	} while (act == S2_TLBI || act == S2_STEP);
	must(act == S2_DONE, "%s ended with %d", s->name, act);
	s2_test_check(&t);
	violation = t.violation;
	s2_test_fini(&t);
	return violation;
}

START_TEST(checker_finds_each_wrong_tlbi_and_nothing_wrong_in_the_right_ones)
{
	const struct scene *s = &scenes[_i / NR_CFGS];
	unsigned int nr;

	for (unsigned int wrong = RIGHT; wrong < NR_WRONG; wrong++) {
		const char *found = play(s, &s2_cfgs[_i % NR_CFGS], (enum wrong)wrong, &nr);

		if (wrong == RIGHT || nr == 0)
			must(found == NULL, "%s: %s", s->name, found);
		else
			must(found != NULL, "%s: wrong TLBI %u was not found", s->name, wrong);
	}
}
END_TEST

/* --- Single rules. */

static void map_block(struct s2_test *t, unsigned int access)
{
	struct s2_op op = s2_test_op(t, S2_OP_MAP, (struct gfn_range){ 0, span(t, 1) });

	op.access = (uint8_t)access;
	ck_assert_int_eq(s2_op_sync(&t->p.pt, &t->cfg, &op, NULL, NULL, &t->wk), S2_DONE);
	t->nr_broken = 0;
}

START_TEST(map_without_a_table_page_leaves_all_as_it_was)
{
	struct s2_test t;
	struct s2_op op;
	pte_t before;

	s2_test_init(&t, "arm64-2x2", &s2_cfgs[_i]);
	map_block(&t, ACC_RWX);
	before = s2_test_entry(&t, 0, 1);
	t.p.pt.capacity = t.p.head.high_water;
	op = s2_test_op(&t, S2_OP_MAP, (struct gfn_range){ 1, 2 });
	op.pfn = 77;
	op.access = ACC_R;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_NEED_TABLE);
	ck_assert_uint_eq(s2_test_entry(&t, 0, 1).v, before.v);
	ck_assert_uint_eq(s2_test_entry(&t, 4, 1).v, 0);
	op = s2_test_op(&t, S2_OP_SPLIT, (struct gfn_range){ 1, 2 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_NEED_TABLE);
	ck_assert_uint_eq(s2_test_entry(&t, 0, 1).v, before.v);
	pool_check(&t.p);
	/* with a page the same operation goes on */
	t.p.pt.capacity = CAPACITY;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert(pte_is_table(t.p.pt.fmt, s2_test_entry(&t, 0, 1), 1));
	pool_check(&t.p);
	s2_test_fini(&t);
}
END_TEST

START_TEST(split_without_room_for_the_whole_tree_leaves_all_as_it_was)
{
	struct gfn_range block = { 0, 16 };
	struct s2_test t;
	struct s2_op op;
	pte_t before;

	s2_test_init(&t, "arm64-2x3", &s2_cfgs[2]);
	op = s2_test_op(&t, S2_OP_MAP, block);
	op.access = ACC_R;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	before = s2_test_entry(&t, 0, 2);
	for (uint32_t room = 0; room <= 5; room++) {
		t.p.pt.capacity = t.p.head.nr_live + 1 + room;
		op = s2_test_op(&t, S2_OP_SPLIT, block);
		op.whole = 2;
		ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk),
				 room < 5 ? S2_NEED_TABLE : S2_DONE);
		pool_check(&t.p);
		if (room < 5) {
			ck_assert_uint_eq(s2_test_entry(&t, 0, 2).v, before.v);
			ck_assert_uint_eq(t.wk.leaf_installed, 1);
			ck_assert_uint_eq(t.p.head.nr_live, 1);
		}
	}
	ck_assert_uint_eq(t.wk.leaf_installed - t.wk.leaf_removed, 16);
	s2_test_fini(&t);
}
END_TEST

START_TEST(map_that_finds_its_leaf_gives_up_and_a_locked_entry_stops_it)
{
	struct s2_test t;
	struct s2_op op;
	struct pt_pos at;

	s2_test_init(&t, "arm64-2x2", &s2_cfgs[2]);
	map_block(&t, ACC_R);
	op = s2_test_op(&t, S2_OP_MAP, (struct gfn_range){ 0, 4 });
	op.access = ACC_RWX; /* differs in rights only */
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_AGAIN);
	ck_assert_uint_eq(s2_access(s2_test_entry(&t, 0, 1)), ACC_R);
	at = pt_lookup(&t.p.pt, t.root, 4);
	pt_set(&t.p.pt, at.table, at.index, (pte_t){ S2_LOCKED }, &t.wk);
	op = s2_test_op(&t, S2_OP_MAP, (struct gfn_range){ 4, 5 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_AGAIN);
	ck_assert_uint_eq(t.p.head.nr_live, 1);
	pool_check(&t.p);
	s2_test_fini(&t);
}
END_TEST

START_TEST(first_mapping_stores_a_marker_only_where_the_kernel_does)
{
	struct s2_test t;

	s2_test_init(&t, "arm64-2x2", &s2_cfgs[_i]);
	map_block(&t, ACC_R);
	ck_assert_uint_eq(t.wk.pte_write, t.cfg.locked_marker ? 2 : 1);
	s2_test_fini(&t);
}
END_TEST

static void count_tlbi(void *arg, const struct s2_tlbi *tlbi)
{
	unsigned int *n = arg;

	(void)tlbi;
	++*n;
}

START_TEST(deferred_unmap_issues_one_range_even_where_nothing_was_mapped)
{
	unsigned int n = 0;
	struct s2_test t;
	struct s2_op op;

	s2_test_init(&t, "arm64-2x3", &s2_cfgs[3]);
	op = s2_test_op(&t, S2_OP_UNMAP, (struct gfn_range){ 3, 9 });
	op.defer = true;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, count_tlbi, &n, &t.wk), S2_DONE);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(op.tlbi.kind, S2_TLBI_RANGE);
	ck_assert_uint_eq(op.tlbi.gfn, 3);
	ck_assert_uint_eq(op.tlbi.pages, 6);
	op = s2_test_op(&t, S2_OP_UNMAP, (struct gfn_range){ 3, 9 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, count_tlbi, &n, &t.wk), S2_DONE);
	ck_assert_uint_eq(n, 1);
	s2_test_fini(&t);
}
END_TEST

START_TEST(unmap_inside_a_block_takes_all_of_it_with_the_address_of_entry)
{
	struct s2_test t;
	struct s2_op op;

	s2_test_init(&t, "arm64-2x2", &s2_cfgs[2]);
	map_block(&t, ACC_RWX);
	op = s2_test_op(&t, S2_OP_UNMAP, (struct gfn_range){ 2, 3 });
	ck_assert_int_eq(s2_op_run(&t.p.pt, &t.cfg, &op, UINT_MAX, &t.wk), S2_TLBI);
	ck_assert_uint_eq(op.tlbi.kind, S2_TLBI_IPA);
	ck_assert_uint_eq(op.tlbi.gfn, 2);
	ck_assert_int_eq(op.tlbi.level, 2);
	ck_assert_uint_eq(s2_test_entry(&t, 0, 1).v, 0);
	s2_test_fini(&t);
}
END_TEST

START_TEST(cache_lines_are_those_of_the_leaf_and_none_with_fwb_or_dic)
{
	struct s2_test t;
	struct s2_op op;
	uint64_t lines;

	s2_test_init(&t, "arm64-4k-40", &s2_cfgs[_i]);
	lines = (2 << 20) / t.cfg.cache_line;
	map_block(&t, ACC_R | ACC_X);
	ck_assert_uint_eq(t.wk.cmo_lines, t.cfg.fwb ? 0 : lines);
	ck_assert_uint_eq(t.wk.icache_lines, t.cfg.dic ? 0 : lines);
	/* execute that is there already costs nothing more */
	op = s2_test_op(&t, S2_OP_RELAX, (struct gfn_range){ 7, 8 });
	op.access = ACC_W | ACC_X;
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert_uint_eq(t.wk.icache_lines, t.cfg.dic ? 0 : lines);
	op = s2_test_op(&t, S2_OP_UNMAP, (struct gfn_range){ 0, 1 });
	ck_assert_int_eq(s2_op_sync(&t.p.pt, &t.cfg, &op, NULL, NULL, &t.wk), S2_DONE);
	ck_assert_uint_eq(t.wk.cmo_lines, t.cfg.fwb ? 0 : 2 * lines);
	s2_test_fini(&t);
}
END_TEST

START_TEST(split_needs_a_page_per_table_of_the_whole_tree)
{
	struct pt_geom g;

	ck_assert(geom_find("arm64-4k-40", &g));
	ck_assert_uint_eq(s2_split_tables(&g, 0), 0);
	ck_assert_uint_eq(s2_split_tables(&g, 1), 1);
	ck_assert_uint_eq(s2_split_tables(&g, 2), 513);
	ck_assert(geom_find("arm64-64k-42", &g));
	ck_assert_uint_eq(s2_split_tables(&g, 1), 1);
}
END_TEST

/* --- Ranges: instructions are replayed and must cover the range exactly. */

/* As the kernel's loop decomposes it, page by page [KVM v6.12 tlbflush.h: __flush_tlb_range_op]. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): start, then length */
static unsigned int replay(const struct pt_geom *g, gfn_t gfn, uint64_t pages,
			   unsigned int *singles)
{
	unsigned int n = 0;

	*singles = 0;
	while (pages > 0) {
		uint64_t chunk = min_u64(pages, BIT(21)), left = chunk;
		int scale = 3;

		while (left > 0) {
			uint64_t unit = BIT(5 * scale + 1), num = min_u64(left, 32 * unit) / unit;

			if (left == 1 || (g->lpa2 && gfn_to_gpa(g, gfn) % 65536 != 0)) {
				++*singles;
				gfn++;
				left--;
				continue;
			}
			if (num > 0) {
				n++;
				gfn += num * unit;
				left -= num * unit;
			}
			scale -= scale > 0;
		}
		pages -= chunk;
	}
	return n;
}

START_TEST(range_instructions_are_those_of_the_kernels_loop)
{
	static const char *const names[] = { "arm64-4k-48", "arm64-4k-52", "arm64-16k-52" };
	struct rng r = { test_seed(22, (uint64_t)_i) };
	struct pt_geom g;
	unsigned int s1, s2;

	ck_assert(geom_find(names[_i], &g));
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t pages = 1 + rng_below(&r, BIT(1 + rng_below(&r, 24)));
		gfn_t gfn = rng_below(&r, BIT(30));
		unsigned int a = s2_range_instructions(&g, gfn, pages, &s1);
		unsigned int b = replay(&g, gfn, pages, &s2);

		must(a == b && s1 == s2, "0x%llx + %llu pages: %u + %u, expected %u + %u",
		     (unsigned long long)gfn, (unsigned long long)pages, a, s1, b, s2);
	}
	/* 1 GiB of 4 KiB pages is one instruction, an odd page one single more */
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(18), &s1), 1);
	ck_assert_uint_eq(s1, 0);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(18) + 1, &s1), 1);
	ck_assert_uint_eq(s1, 1);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, BIT(21), &s1), 1);
	ck_assert_uint_eq(s2_range_instructions(&g, 0, 1, &s1), 0);
	ck_assert_uint_eq(s1, 1);
}
END_TEST

static void fill_suite(TCase *tc)
{
	tcase_add_loop_test(tc, checker_finds_each_wrong_tlbi_and_nothing_wrong_in_the_right_ones,
			    0, NR_SCENES * NR_CFGS);
	tcase_add_loop_test(tc, map_without_a_table_page_leaves_all_as_it_was, 0, NR_CFGS);
	tcase_add_test(tc, split_without_room_for_the_whole_tree_leaves_all_as_it_was);
	tcase_add_test(tc, map_that_finds_its_leaf_gives_up_and_a_locked_entry_stops_it);
	tcase_add_loop_test(tc, first_mapping_stores_a_marker_only_where_the_kernel_does, 0,
			    NR_CFGS);
	tcase_add_test(tc, deferred_unmap_issues_one_range_even_where_nothing_was_mapped);
	tcase_add_test(tc, unmap_inside_a_block_takes_all_of_it_with_the_address_of_entry);
	tcase_add_loop_test(tc, cache_lines_are_those_of_the_leaf_and_none_with_fwb_or_dic, 0,
			    NR_CFGS);
	tcase_add_test(tc, split_needs_a_page_per_table_of_the_whole_tree);
	tcase_add_loop_test(tc, range_instructions_are_those_of_the_kernels_loop, 0, 3);
}

int main(void)
{
	return run_suite("s2_rules", fill_suite);
}
