/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware walks: verdicts per entry, both grains alike, updates that lose, and the references of
 * nested walks, computed and counted.
 */
#include <stdio.h>
#include <string.h>

#include "mmu/s2_pt.h"
#include "mmu/tests/mmu_test.h"
#include "mmu/walk2d.h"
#include "mmu/x86_pt.h"

enum {
	CAPACITY = 64,
};

/* --- One entry under a root of two levels: what the hardware says to it. */

struct x86_case {
	const char *name;
	uint64_t entry; /* stands for gfn 0 at .height */
	enum x86_nested nested;
	unsigned int height;
	unsigned int acc;
	enum hw_fault fault;
};

#define EPT_LEAF (BIT(11) | 6ULL << 3 | BIT(6))
#define NPT_LEAF (BIT(11) | BIT(0) | BIT(2))

/* clang-format off */
static const struct x86_case x86_cases[] = {
	{ "empty",                 BIT(63),                        X86_EPT, 0, ACC_R, HW_FAULT_NOT_PRESENT },
	{ "frozen",                BIT(63) | 0x5a0,                X86_EPT, 0, ACC_R, HW_FAULT_NOT_PRESENT },
	{ "access-tracked",        EPT_LEAF,                       X86_EPT, 0, ACC_R, HW_FAULT_NOT_PRESENT },
	{ "mmio",                  6,                              X86_EPT, 0, ACC_R, HW_FAULT_MISCONFIG },
	{ "write-only",            EPT_LEAF | 2,                   X86_EPT, 0, ACC_W, HW_FAULT_MISCONFIG },
	{ "read-only, read",       EPT_LEAF | 1,                   X86_EPT, 0, ACC_R, HW_OK },
	{ "read-only, write",      EPT_LEAF | 1,                   X86_EPT, 0, ACC_W, HW_FAULT_PERM },
	{ "read-only, execute",    EPT_LEAF | 1,                   X86_EPT, 0, ACC_X, HW_FAULT_PERM },
	{ "execute-only, execute", EPT_LEAF | 4,                   X86_EPT, 0, ACC_X, HW_OK },
	{ "execute-only, read",    EPT_LEAF | 4,                   X86_EPT, 0, ACC_R, HW_FAULT_PERM },
	{ "read-write",            EPT_LEAF | 3,                   X86_EPT, 0, ACC_R | ACC_W, HW_OK },
	{ "memory type 2",         BIT(11) | 2ULL << 3 | 3,        X86_EPT, 0, ACC_R, HW_FAULT_MISCONFIG },
	{ "memory type 0",         BIT(11) | 3,                    X86_EPT, 0, ACC_R, HW_OK },
	{ "huge",                  EPT_LEAF | BIT(7) | 3,          X86_EPT, 1, ACC_W, HW_OK },
	{ "huge, misaligned",      EPT_LEAF | BIT(7) | BIT(12) | 3, X86_EPT, 1, ACC_R, HW_FAULT_MISCONFIG },
	{ "leaf at the root",      EPT_LEAF | BIT(7) | 3,          X86_EPT, 3, ACC_R, HW_FAULT_MISCONFIG },
	{ "table, reserved bit",   BIT(11) | BIT(3) | 7,           X86_EPT, 2, ACC_R, HW_FAULT_MISCONFIG },
	{ "table, nowhere",        BIT(11) | BIT(8) | 7,           X86_EPT, 2, ACC_R, HW_FAULT_WILD },
	{ "read-write",       EPT_LEAF | 3,                   X86_EPT_NOAD, 0, ACC_W, HW_OK },
	{ "empty",                 BIT(63),                        X86_NPT, 0, ACC_R, HW_FAULT_NOT_PRESENT },
	{ "frozen",                BIT(63) | 0x5a0,                X86_NPT, 0, ACC_R, HW_FAULT_NOT_PRESENT },
	{ "mmio",                  BIT(51) | 5,                    X86_NPT, 0, ACC_R, HW_FAULT_MISCONFIG },
	{ "read-only, read",       NPT_LEAF,                       X86_NPT, 0, ACC_R, HW_OK },
	{ "read-only, write",      NPT_LEAF,                       X86_NPT, 0, ACC_W, HW_FAULT_PERM },
	{ "supervisor",            BIT(11) | BIT(0),               X86_NPT, 0, ACC_R, HW_FAULT_PERM },
	{ "execute",               NPT_LEAF,                       X86_NPT, 0, ACC_X, HW_OK },
	{ "no execute",            NPT_LEAF | BIT(63),             X86_NPT, 0, ACC_X, HW_FAULT_PERM },
	{ "huge, misaligned",      NPT_LEAF | BIT(7) | BIT(12),    X86_NPT, 1, ACC_R, HW_FAULT_MISCONFIG },
};
/* clang-format on */

enum {
	NR_X86_CASES = sizeof(x86_cases) / sizeof(x86_cases[0]),
};

/* Tables down to @height for gfn 0; returns the page that holds the entry. */
static uint32_t x86_path(struct pool *p, const struct x86_fmt *f, uint32_t root,
			 unsigned int height)
{
	struct work wk = { 0 };
	uint32_t table = root;

	for (unsigned int h = geom_root_height(&p->pt.geom); h > height; h--)
		table = x86_link_table(&p->pt, f, table, 0, &wk);
	ck_assert_uint_ne(table, 0);
	return table;
}

START_TEST(verdict_on_each_x86_entry_is_that_of_the_manual)
{
	const struct x86_case *c = &x86_cases[_i];
	const struct x86_fmt *f = x86_fmt_get(X86_SPTE_612, c->nested);
	struct work wk = { 0 };
	struct hw_result res;
	struct pool p;
	uint32_t root, table;

	pool_init(&p, "ept4", &f->pte, CAPACITY);
	root = pt_alloc_root(&p.pt, &wk);
	table = x86_path(&p, f, root, c->height);
	*pt_entry(&p.pt, table, 0) = (pte_t){ c->entry };
	res = hw_walk_x86(&p.pt, f, root, 0, c->acc, true, &wk);
	ck_assert_msg(res.fault == c->fault, "%s: %d, expected %d", c->name, res.fault, c->fault);
	ck_assert_uint_eq(res.height, c->height);
	ck_assert_uint_eq(res.table, table);
	ck_assert_uint_eq(wk.hw_refs, geom_root_height(&p.pt.geom) - c->height + 1);
	if (c->fault != HW_OK)
		ck_assert_uint_eq(pt_entry(&p.pt, table, 0)->v, c->entry);
	else
		ck_assert_uint_eq(pt_entry(&p.pt, table, 0)->v,
				  c->entry | f->accessed | (c->acc & ACC_W ? f->dirty : 0));
	ck_assert_uint_eq(res.pte.v, pt_entry(&p.pt, table, 0)->v);
	ck_assert_int_eq(res.set_dirty, c->fault == HW_OK && (c->acc & ACC_W) && f->dirty);
	pool_fini(&p);
}
END_TEST

struct s2_case {
	const char *name;
	uint64_t entry;
	unsigned int height;
	unsigned int acc;
	bool hw_af;
	enum hw_fault fault;
};

#define S2_RW (S2_AP_R | S2_AP_W)

/* clang-format off */
static const struct s2_case s2_cases[] = {
	{ "empty",                     0,                               0, ACC_R, true,  HW_FAULT_NOT_PRESENT },
	{ "locked",                    S2_LOCKED,                       0, ACC_R, true,  HW_FAULT_NOT_PRESENT },
	{ "page",                      S2_AF | S2_RW | 3,               0, ACC_W, false, HW_OK },
	{ "page without bit 1",        S2_AF | S2_RW | 1,               0, ACC_R, true,  HW_FAULT_NOT_PRESENT },
	{ "page, AF clear",            S2_RW | 3,                       0, ACC_R, false, HW_FAULT_ACCESS_FLAG },
	{ "page, AF by hardware",      S2_RW | 3,                       0, ACC_R, true,  HW_OK },
	{ "AF comes before rights",    S2_AP_R | 3,                     0, ACC_W, false, HW_FAULT_ACCESS_FLAG },
	{ "no AF for a refused write", S2_AP_R | 3,                     0, ACC_W, true,  HW_FAULT_PERM },
	{ "read-only, write",          S2_AF | S2_AP_R | 3,             0, ACC_W, true,  HW_FAULT_PERM },
	{ "XN, execute",               S2_AF | S2_RW | S2_XN | 3,       0, ACC_X, true,  HW_FAULT_PERM },
	{ "block",                     S2_AF | S2_RW | 1,               1, ACC_R, false, HW_OK },
	{ "block, misaligned",         S2_AF | S2_RW | BIT(12) | 1,     1, ACC_R, false, HW_FAULT_MISCONFIG },
	{ "block where none may be",   S2_AF | S2_RW | 1,               3, ACC_R, false, HW_FAULT_NOT_PRESENT },
	{ "table to nowhere",          3,                               1, ACC_R, false, HW_FAULT_WILD },
};
/* clang-format on */

enum {
	NR_S2_CASES = sizeof(s2_cases) / sizeof(s2_cases[0]),
};

START_TEST(verdict_on_each_stage2_entry_is_that_of_the_manual)
{
	const struct s2_case *c = &s2_cases[_i];
	struct work wk = { 0 };
	struct hw_result res;
	struct pool p;
	uint32_t root, table;

	pool_init(&p, "arm64-4k-48", s2_fmt_get(S2_4K), CAPACITY);
	root = pt_alloc_root(&p.pt, &wk);
	table = root;
	for (unsigned int h = geom_root_height(&p.pt.geom); h > c->height; h--) {
		uint32_t child = pt_alloc(&p.pt, h - 1, 0, &wk);

		pt_set(&p.pt, table, 0, s2_make_table(p.pt.fmt, pt_table_pfn(&p.pt, child)), &wk);
		table = child;
	}
	*pt_entry(&p.pt, table, 0) = (pte_t){ c->entry };
	res = hw_walk_s2(&p.pt, root, 0, c->acc, c->hw_af, &wk);
	ck_assert_msg(res.fault == c->fault, "%s: %d, expected %d", c->name, res.fault, c->fault);
	ck_assert_uint_eq(res.height, c->height);
	ck_assert_uint_eq(pt_entry(&p.pt, table, 0)->v, c->entry | (c->fault == HW_OK ? S2_AF : 0));
	ck_assert_int_eq(res.set_accessed, c->fault == HW_OK && !(c->entry & S2_AF));
	ck_assert(!res.set_dirty);
	ck_assert_uint_eq(wk.hw_ad_update, res.set_accessed);
	pool_fini(&p);
}
END_TEST

/* --- Steps. */

struct one_page {
	struct pool p;
	const struct x86_fmt *f;
	struct hw_mode mode;
	uint32_t root;
	struct work wk;
};

/* gfn 5 mapped writable, A and D clear everywhere. */
static void one_page(struct one_page *o, bool ad)
{
	struct spte_parts parts = { .access = ACC_RWX,
				    .host_writable = true,
				    .mmu_writable = true };
	struct walk w;

	*o = (struct one_page){ .f = x86_fmt_get(X86_SPTE_612, X86_EPT) };
	o->mode = (struct hw_mode){ .x86 = o->f, .update_ad = ad };
	pool_init(&o->p, "ept-2x3", &o->f->pte, CAPACITY);
	o->root = pt_alloc_root(&o->p.pt, &o->wk);
	ck_assert(x86_map_range(&o->p.pt, o->f, o->root, (struct gfn_range){ 5, 6 }, 42, 0, &parts,
				&o->wk));
	w = walk_init(&o->p.pt, o->root, (struct gfn_range){ 5, 6 }, 0, 0);
	for (unsigned int h = 1; h < 3; h++) {
		struct pt_pos at = pt_lookup(&o->p.pt, o->root, w.gfn);

		while (o->p.pt.meta[at.table].height < h)
			at.table = o->p.pt.meta[at.table].parent;
		pt_entry(&o->p.pt, at.table, pt_index(&o->p.pt, 5, h))->v &= ~o->f->accessed;
	}
	memset(&o->wk, 0, sizeof(o->wk));
}

START_TEST(steps_read_set_a_on_the_way_down_and_d_last)
{
	static const enum hw_next expected[] = {
		HW_NEXT_READ, HW_NEXT_ACCESSED, HW_NEXT_READ,  HW_NEXT_ACCESSED,
		HW_NEXT_READ, HW_NEXT_ACCESSED, HW_NEXT_DIRTY,
	};
	struct hw_cursor c;
	struct hw_result res;
	struct one_page o;

	one_page(&o, true);
	c = hw_cursor_init(&o.p.pt, o.root, 5, ACC_W);
	for (unsigned int i = 0; i < 7; i++) {
		ck_assert_uint_eq(c.next, expected[i]);
		ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk),
				 i == 6 ? HW_STEP_END : HW_STEP_MORE);
	}
	ck_assert_int_eq(res.fault, HW_OK);
	ck_assert(res.set_accessed && res.set_dirty);
	ck_assert_uint_eq(pte_pfn(&o.f->pte, res.pte), 42);
	ck_assert_uint_eq(o.wk.hw_refs, 3);
	ck_assert_uint_eq(o.wk.hw_ad_update, 4);
	ck_assert_uint_eq(o.wk.pte_write, 0);
	/* a second write finds all flags set */
	res = hw_walk_x86(&o.p.pt, o.f, o.root, 5, ACC_W, true, &o.wk);
	ck_assert(!res.set_accessed && !res.set_dirty);
	ck_assert_uint_eq(o.wk.hw_ad_update, 4);
	pool_fini(&o.p);
}
END_TEST

START_TEST(walk_without_flags_enabled_changes_nothing)
{
	struct hw_result res;
	struct one_page o;
	pte_t before;

	one_page(&o, false);
	before = pt_lookup(&o.p.pt, o.root, 5).value;
	res = hw_walk_x86(&o.p.pt, o.f, o.root, 5, ACC_W, false, &o.wk);
	ck_assert_int_eq(res.fault, HW_OK);
	ck_assert_uint_eq(pt_lookup(&o.p.pt, o.root, 5).value.v, before.v);
	ck_assert_uint_eq(o.wk.hw_ad_update, 0);
	pool_fini(&o.p);
}
END_TEST

START_TEST(update_of_an_entry_that_changed_meanwhile_starts_the_walk_over)
{
	struct hw_cursor c;
	struct hw_result res;
	struct one_page o;
	struct pt_pos at;

	one_page(&o, true);
	at = pt_lookup(&o.p.pt, o.root, 5);
	c = hw_cursor_init(&o.p.pt, o.root, 5, ACC_W);
	while (c.next != HW_NEXT_DIRTY)
		ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk),
				 HW_STEP_MORE);
	/* write protection comes between the check of W and the setting of D */
	pt_set(&o.p.pt, at.table, at.index,
	       (pte_t){ pt_entry(&o.p.pt, at.table, at.index)->v & ~o.f->w }, &o.wk);
	ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk), HW_STEP_MORE);
	ck_assert_uint_eq(c.height, 2);
	ck_assert_uint_eq(c.table, o.root);
	while (hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk) == HW_STEP_MORE)
		;
	ck_assert_int_eq(res.fault, HW_FAULT_PERM);
	ck_assert(res.set_accessed && !res.set_dirty);
	ck_assert_uint_eq(pt_entry(&o.p.pt, at.table, at.index)->v & o.f->dirty, 0);
	pool_fini(&o.p);
}
END_TEST

START_TEST(walk_follows_a_table_page_that_was_freed_under_it)
{
	struct hw_cursor c;
	struct hw_result res;
	struct one_page o;
	struct pt_pos at;
	uint32_t reused;

	one_page(&o, false);
	at = pt_lookup(&o.p.pt, o.root, 5);
	c = hw_cursor_init(&o.p.pt, o.root, 5, ACC_R);
	ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk), HW_STEP_MORE);
	ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk), HW_STEP_MORE);
	ck_assert_uint_eq(c.table, at.table);
	pt_free(&o.p.pt, at.table, &o.wk);
	/* the page is now a table of something else: the walk reads what stands there */
	reused = pt_alloc(&o.p.pt, 1, 0, &o.wk);
	ck_assert_uint_eq(reused, at.table);
	*pt_entry(&o.p.pt, reused, at.index) = (pte_t){ EPT_LEAF | 7 | 99ULL << 12 };
	ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk), HW_STEP_END);
	ck_assert_int_eq(res.fault, HW_OK);
	ck_assert_uint_eq(pte_pfn(&o.f->pte, res.pte), 99);
	pool_fini(&o.p);
}
END_TEST

START_TEST(walk_from_a_cached_table_reads_only_what_is_below)
{
	struct hw_cursor c;
	struct hw_result res;
	struct one_page o;
	uint32_t table;

	one_page(&o, false);
	table = pt_lookup(&o.p.pt, o.root, 5).table;
	c = hw_cursor_at(table, 0, 5, ACC_R);
	ck_assert_int_eq(hw_cursor_step(&o.p.pt, &o.mode, o.root, &c, &res, &o.wk), HW_STEP_END);
	ck_assert_int_eq(res.fault, HW_OK);
	ck_assert_uint_eq(o.wk.hw_refs, 1);
	pool_fini(&o.p);
}
END_TEST

/* --- References of a nested walk. */

struct ref_row {
	unsigned int n, m, refs;
};

/* Stage-1 levels, stage-2 levels, references: 4K/48/40, 4K/48/48, 4K/39/40, 16K, 16K, 64K, 64K. */
static const struct ref_row ref_rows[] = {
	{ 4, 3, 19 }, { 4, 4, 24 }, { 3, 3, 15 }, { 3, 2, 11 }, { 3, 3, 15 },
	{ 2, 2, 8 },  { 3, 3, 15 }, { 0, 3, 3 },  { 0, 4, 4 },  { 0, 2, 2 },
};

START_TEST(computed_references_are_those_of_the_formula)
{
	const struct ref_row *row = &ref_rows[_i];
	uint8_t m[WALK2D_S1_MAX + 1];

	memset(m, (int)row->m, sizeof(m));
	ck_assert_uint_eq(walk2d_refs(row->n, m, NULL), row->refs);
	ck_assert_uint_eq(row->refs, row->n * row->m + row->n + row->m);
}
END_TEST

START_TEST(blocks_and_caches_take_their_share_off)
{
	uint8_t all_huge[] = { 3, 3, 3, 3, 3 }, final_huge[] = { 4, 4, 4, 4, 3 };
	uint8_t m[] = { 4, 4, 4, 4, 4 };
	struct walk2d_warm warm = { .s1_levels = 3 };

	ck_assert_uint_eq(walk2d_refs(4, all_huge, NULL), 19);
	ck_assert_uint_eq(walk2d_refs(4, final_huge, NULL), 23);
	/* one stage-1 block less: one fetch and its stage-2 walk */
	ck_assert_uint_eq(walk2d_refs(3, m, NULL), 24 - 5);
	ck_assert_uint_eq(walk2d_refs(4, m, &warm), 4 + 1 + 4);
	warm.s1_levels = 9; /* the stage-1 leaf is always read */
	ck_assert_uint_eq(walk2d_refs(4, m, &warm), 4 + 1 + 4);
	warm = (struct walk2d_warm){ .s2_levels = 3 };
	ck_assert_uint_eq(walk2d_refs(4, m, &warm), 4 + 5 * 1);
	warm.s2_levels = 9; /* so is each stage-2 leaf */
	ck_assert_uint_eq(walk2d_refs(4, m, &warm), 4 + 5 * 1);
	warm = (struct walk2d_warm){ .s2_leaf_tables = true };
	ck_assert_uint_eq(walk2d_refs(4, m, &warm), 4 + 4);
}
END_TEST

/* A guest with @n levels of stage 1 over a stage 2; all by name. */
struct nest {
	const char *s1, *s2;
	unsigned int n, m;
};

static const struct nest nests[] = {
	{ "arm64-4k-48", "arm64-4k-40", 4, 3 },   { "arm64-4k-48", "arm64-4k-48", 4, 4 },
	{ "arm64-4k-39", "arm64-4k-40", 3, 3 },   { "arm64-16k-47", "arm64-16k-40", 3, 2 },
	{ "arm64-16k-47", "arm64-16k-48", 3, 3 }, { "arm64-64k-42", "arm64-64k-42", 2, 2 },
	{ "arm64-64k-48", "arm64-64k-48", 3, 3 }, { "arm64-1x4", "arm64-1x4", 4, 4 },
	{ "arm64-2x3", "arm64-2x3", 3, 3 },
};

enum {
	NR_NESTS = sizeof(nests) / sizeof(nests[0]),
	DATA_GFN = 1, /* gfn of the guest's page; its tables lie elsewhere */
};

struct nested {
	struct pool s1, s2;
	struct walk2d w;
	struct work wk;
};

static void map_one(struct nested *d, gfn_t gfn, unsigned int height)
{
	static const struct s2_cfg cfg = { .cache_line = 64, .fwb = true };
	uint64_t pages = geom_pages(&d->s2.pt.geom, height);
	gfn_t start = align_down_u64(gfn, pages);
	struct s2_op op = s2_op_init(&d->s2.pt, S2_OP_MAP, d->w.s2_root,
				     (struct gfn_range){ start, start + pages });
	enum s2_act act;

	op.pfn = start + 8 * geom_pages(&d->s2.pt.geom, 2); /* frames differ from gfns */
	op.access = ACC_RWX;
	op.force_pte = height == 0;
	act = s2_op_sync(&d->s2.pt, &cfg, &op, NULL, NULL, &d->wk);
	ck_assert(act == S2_DONE || act == S2_AGAIN);
}

/*
 * Page 0 of the guest-virtual space is mapped to DATA_GFN at stage-1 height @s1_height; all that
 * is needed is mapped at stage 2 by leaves of @s2_height, the data page by one of @data_height.
 */
static void nested_init(struct nested *d, const struct nest *n, unsigned int s2_height,
			unsigned int data_height)
{
	struct pt *s1 = &d->s1.pt;
	uint32_t table;

	memset(d, 0, sizeof(*d));
	pool_init(&d->s2, n->s2, NULL, 4 * CAPACITY);
	d->s2.pt.fmt = s2_fmt_of(&d->s2.pt.geom);
	pool_init(&d->s1, n->s1, NULL, CAPACITY);
	s1->fmt = s2_fmt_of(&s1->geom);
	/* the guest's tables: some gfns apart from the data page, inside the small spaces too */
	s1->pfn0 = geom_limit(&d->s2.pt.geom) / 2;
	d->w = (struct walk2d){ .s1 = s1, .s2 = &d->s2.pt };
	d->w.s1_root = pt_alloc_root(s1, &d->wk);
	d->w.s2_root = pt_alloc_root(&d->s2.pt, &d->wk);
	table = d->w.s1_root;
	map_one(d, pt_table_pfn(s1, table), s2_height);
	for (unsigned int h = geom_root_height(&s1->geom); h > 0; h--) {
		uint32_t child = pt_alloc(s1, h - 1, 0, &d->wk);

		pt_set(s1, table, 0, s2_make_table(s1->fmt, pt_table_pfn(s1, child)), &d->wk);
		table = child;
		map_one(d, pt_table_pfn(s1, table), s2_height);
	}
	pt_set(s1, table, 0, s2_make_leaf(s1->fmt, 0, DATA_GFN, ACC_RWX, S2_NORMAL, true), &d->wk);
	map_one(d, DATA_GFN, data_height);
}

static void nested_fini(struct nested *d)
{
	pool_fini(&d->s1);
	pool_fini(&d->s2);
}

START_TEST(counted_references_are_the_computed_ones_with_every_cache)
{
	const struct nest *n = &nests[_i];
	struct nested d;

	for (unsigned int h = 0; h < 4; h++) {
		nested_init(&d, n, h & 1, h >> 1);
		for (unsigned int warm = 0; warm < 32; warm++) {
			struct walk2d_result r;
			uint64_t before = d.wk.hw_refs;

			d.w.warm = (struct walk2d_warm){ .s1_levels = (uint8_t)(warm & 3),
							 .s2_levels = (uint8_t)(warm >> 2 & 3),
							 .s2_leaf_tables = warm >> 4 };
			r = walk2d_run(&d.w, 0, &d.wk);
			must(r.fault == HW_OK && r.n == n->n, "fault %d, %u levels", r.fault, r.n);
			must(r.refs == walk2d_refs(r.n, r.m, &d.w.warm), "%u counted, %u computed",
			     r.refs, walk2d_refs(r.n, r.m, &d.w.warm));
			must(d.wk.hw_refs - before == r.refs, "work counter");
			must(r.gfn == DATA_GFN && r.pfn == r.gfn + 8 * geom_pages(&d.s2.pt.geom, 2),
			     "frame 0x%llx", (unsigned long long)r.pfn);
			must(r.m[r.n] == n->m - (h >> 1), "%u stage-2 levels", r.m[r.n]);
			if (warm == 0 && h == 0)
				must(r.refs == n->n * n->m + n->n + n->m, "%u references", r.refs);
		}
		nested_fini(&d);
	}
}
END_TEST

START_TEST(fault_says_which_stage_and_whether_a_table_was_meant)
{
	const struct nest *n = &nests[1];
	struct walk2d_result r;
	struct nested d;
	struct pt_pos at;

	nested_init(&d, n, 0, 0);
	r = walk2d_run(&d.w, 1, &d.wk); /* no stage-1 leaf */
	ck_assert_int_eq(r.fault, HW_FAULT_NOT_PRESENT);
	ck_assert(!r.s2_fault && !r.s1ptw);
	ck_assert_uint_eq(r.s1_height, 0);
	at = pt_lookup(&d.s2.pt, d.w.s2_root, DATA_GFN);
	pt_set(&d.s2.pt, at.table, at.index, (pte_t){ 0 }, &d.wk);
	r = walk2d_run(&d.w, 0, &d.wk);
	ck_assert_int_eq(r.fault, HW_FAULT_NOT_PRESENT);
	ck_assert(r.s2_fault && !r.s1ptw);
	ck_assert_uint_eq(r.gfn, DATA_GFN);
	at = pt_lookup(&d.s2.pt, d.w.s2_root, pt_table_pfn(&d.s1.pt, d.w.s1_root));
	pt_set(&d.s2.pt, at.table, at.index, (pte_t){ 0 }, &d.wk);
	r = walk2d_run(&d.w, 0, &d.wk);
	ck_assert(r.s2_fault && r.s1ptw);
	ck_assert_uint_eq(r.n, 0);
	ck_assert_uint_eq(r.refs, 4);
	nested_fini(&d);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, verdict_on_each_x86_entry_is_that_of_the_manual, 0, NR_X86_CASES);
	tcase_add_loop_test(tc, verdict_on_each_stage2_entry_is_that_of_the_manual, 0, NR_S2_CASES);
	tcase_add_test(tc, steps_read_set_a_on_the_way_down_and_d_last);
	tcase_add_test(tc, walk_without_flags_enabled_changes_nothing);
	tcase_add_test(tc, update_of_an_entry_that_changed_meanwhile_starts_the_walk_over);
	tcase_add_test(tc, walk_follows_a_table_page_that_was_freed_under_it);
	tcase_add_test(tc, walk_from_a_cached_table_reads_only_what_is_below);
	tcase_add_loop_test(tc, computed_references_are_those_of_the_formula, 0,
			    (int)(sizeof(ref_rows) / sizeof(ref_rows[0])));
	tcase_add_test(tc, blocks_and_caches_take_their_share_off);
	tcase_add_loop_test(tc, counted_references_are_the_computed_ones_with_every_cache, 0,
			    NR_NESTS);
	tcase_add_test(tc, fault_says_which_stage_and_whether_a_table_was_meant);
}

int main(void)
{
	return run_suite("walk2d", fill);
}
