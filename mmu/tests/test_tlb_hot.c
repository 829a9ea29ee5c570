/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop's access to a TLB does what the general look-up does, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/tlb.h"

enum {
	OPS = 30000,
	PAGES = 2048,
	NR_CONTEXTS = 3,
};

static const struct {
	struct tlb_array_cfg l1, l2, walk;
	uint8_t replacement, contexts;
} shapes[] = {
	{ { 16, 4 }, { 128, 12 }, { 8, 4 }, TLB_LRU, 8 },
	{ { 2, 2 }, { 4, 3 }, { 1, 2 }, TLB_LRU, 1 },
	{ { 1, 48 }, { 16, 5 }, { 2, 2 }, TLB_LRU, 2 },
	{ { 1, 48 }, { 16, 5 }, { 1, 3 }, TLB_FIFO, 3 },
	{ { 16, 6 }, { 0, 0 }, { 0, 0 }, TLB_LRU, 3 },
	{ { 4, 1 }, { 1, 256 }, { 1, 1 }, TLB_FIFO, 3 },
};

enum {
	NR_SHAPES = sizeof(shapes) / sizeof(shapes[0]),
};

/* Two TLBs with the same history, the second one used through a hot path for each context. */
struct pair {
	struct tlb_cfg cfg;
	struct tlb *a, *b;
	struct tlb_hot hot[NR_CONTEXTS];
	struct work wk_a, wk_b;
	struct rng r;
	uint64_t found[4];
};

static struct tlb_ctx context(unsigned int n)
{
	return (struct tlb_ctx){ .vmid = (uint16_t)(n + 1) };
}

static void pair_init(struct pair *p, int shape, const char *geom)
{
	struct pt_geom g;

	ck_assert(geom_find(geom, &g));
	*p = (struct pair){ .r = { test_seed(41, (uint64_t)shape) } };
	p->cfg = tlb_cfg_sized(&g);
	p->cfg.l1 = shapes[shape].l1;
	p->cfg.l2 = shapes[shape].l2;
	p->cfg.walk = shapes[shape].walk;
	p->cfg.replacement = shapes[shape].replacement;
	p->cfg.contexts = shapes[shape].contexts;
	ck_assert(tlb_cfg_check(&p->cfg));
	p->a = calloc(1, tlb_bytes(&p->cfg));
	p->b = calloc(1, tlb_bytes(&p->cfg));
	ck_assert(p->a && p->b);
	for (unsigned int i = 0; i < NR_CONTEXTS; i++)
		p->hot[i] = tlb_hot_open(&p->cfg, p->b, context(i));
}

static void pair_fini(struct pair *p)
{
	free(p->a);
	free(p->b);
}

static uint64_t span(const struct pair *p, unsigned int height)
{
	return BIT(p->cfg.index_bits * height);
}

static gfn_t random_gfn(struct pair *p)
{
	return rng_below(&p->r, rng_once_in(&p->r, 2) ? 64 : PAGES);
}

static void fill_both(struct pair *p, unsigned int ctx)
{
	struct tlb_entry e = {
		.kind = rng_once_in(&p->r, 4) ? TLB_S2_WALK : TLB_S2,
		.height = (uint8_t)(rng_once_in(&p->r, 3) ? rng_below(&p->r, p->cfg.heights) : 0),
		.access = (uint8_t)(rng_once_in(&p->r, 3) ? rng_below(&p->r, 8) : ACC_RWX),
		.flags = rng_once_in(&p->r, 4) ? TLB_CLEAN : 0,
		.ctx = context(ctx),
		.pte = { rng_next(&p->r) },
	};
	struct tlb_entry held;
	struct tlb_key key;
	bool is_new;

	if (e.kind == TLB_S2_WALK && e.height == 0)
		e.height = 1;
	e.page = e.gfn = align_down_u64(random_gfn(p), span(p, e.height));
	key = (struct tlb_key){ .page = e.page, .ctx = context(ctx), .kind = e.kind };
	is_new = !tlb_match(&p->cfg, p->a, &key, 0, &held);
	tlb_fill(&p->cfg, p->a, &e, &p->wk_a);
	if (is_new && rng_once_in(&p->r, 2))
		tlb_hot_fill_new(&p->hot[ctx], &e, &p->wk_b);
	else if (rng_once_in(&p->r, 2))
		tlb_hot_fill(&p->hot[ctx], &e, &p->wk_b);
	else
		tlb_fill(&p->cfg, p->b, &e, &p->wk_b);
}

static void invalidate_both(struct pair *p, unsigned int ctx)
{
	static const uint8_t ops[] = { TLB_INV_IPAS2E1, TLB_INV_VMALLS12E1, TLB_INV_EPT_VIOLATION };
	struct tlb_inv inv = {
		.op = ops[rng_below(&p->r, 3)],
		.gfn = random_gfn(p),
		.pages = 1 + rng_below(&p->r, 3),
		.ctx = context(ctx),
		.level = TLB_LEVEL_NONE,
	};

	if (rng_once_in(&p->r, 50))
		inv.op = TLB_INV_ALLE1;
	tlb_invalidate(&p->cfg, p->a, &inv, &p->wk_a);
	tlb_invalidate(&p->cfg, p->b, &inv, &p->wk_b);
}

static void probe_both(struct pair *p, unsigned int ctx)
{
	struct tlb_key key = { .page = random_gfn(p), .ctx = context(ctx), .kind = TLB_S2 };
	unsigned int acc = 1U << rng_below(&p->r, 3);
	enum tlb_found res = tlb_probe(&p->cfg, p->a, &key, acc, NULL, &p->wk_a);
	enum tlb_hot_found hot = tlb_hot_probe(&p->hot[ctx], key.page, acc);

	p->found[hot]++;
	if (hot == TLB_HOT_NONE) {
		must(tlb_probe(&p->cfg, p->b, &key, acc, NULL, &p->wk_b) == res,
		     "the same TLBs answer differently");
		return;
	}
	if (hot == TLB_HOT_MISS) {
		must(res == TLB_MISS, "the hot path misses, the general one does not: %d", res);
		p->wk_b.tlb_miss++;
		return;
	}
	must(res == TLB_HIT, "the hot path hits, the general one does not: %d", res);
	p->wk_b.tlb_hit++;
	p->wk_b.tlb_l2_hit += hot == TLB_HOT_L2;
}

START_TEST(hot_path_does_to_the_tlb_what_a_probe_does_byte_for_byte)
{
	struct pair p;
	const char *why;

	pair_init(&p, _i % NR_SHAPES, _i < NR_SHAPES ? "arm64-2x3" : "ept4");
	for (unsigned int i = 0; i < test_ops(OPS); i++) {
		unsigned int ctx =
			rng_once_in(&p.r, 8) ? (unsigned int)rng_below(&p.r, NR_CONTEXTS) : 0;

		if (rng_once_in(&p.r, 100))
			invalidate_both(&p, ctx);
		else if (rng_once_in(&p.r, 4))
			fill_both(&p, ctx);
		else
			probe_both(&p, ctx);
		must(memcmp(p.a, p.b, tlb_bytes(&p.cfg)) == 0, "operation %u: bytes differ", i);
		must(memcmp(&p.wk_a, &p.wk_b, sizeof(p.wk_a)) == 0, "counts differ");
		if (i % 64 == 0)
			must(tlb_check(&p.cfg, p.b, &why), "%s", why);
	}
	ck_assert_uint_gt(p.found[TLB_HOT_NONE], 0);
	ck_assert_uint_gt(p.found[TLB_HOT_MISS], 0);
	ck_assert_uint_gt(p.found[TLB_HOT_L1], 0);
	ck_assert_int_eq(p.found[TLB_HOT_L2] > 0, p.cfg.l2.sets > 0);
	pair_fini(&p);
}
END_TEST

START_TEST(walk_entry_found_is_the_lowest_that_grants_the_access)
{
	struct pair p;
	struct tlb_entry high = {
		.kind = TLB_S2_WALK, .height = 2, .access = ACC_RWX, .pte = { 22 }
	};
	struct tlb_entry low = { .kind = TLB_S2_WALK, .height = 1, .access = ACC_R, .pte = { 11 } };
	struct tlb_step s;

	pair_init(&p, 0, "ept4");
	ck_assert(!tlb_hot_walk(&p.hot[0], 5, ACC_R, &s));
	tlb_hot_fill(&p.hot[0], &high, &p.wk_b);
	tlb_hot_fill(&p.hot[0], &low, &p.wk_b);
	ck_assert(tlb_hot_walk(&p.hot[0], 5, ACC_R, &s));
	ck_assert(s.height == 1 && s.pte.v == 11 && s.access == ACC_R);
	ck_assert(tlb_hot_walk(&p.hot[0], 5, ACC_W, &s));
	ck_assert(s.height == 2 && s.pte.v == 22 && s.access == ACC_RWX);
	ck_assert(tlb_hot_walk(&p.hot[0], span(&p, 1), ACC_R, &s) && s.height == 2);
	ck_assert(!tlb_hot_walk(&p.hot[0], span(&p, 2), ACC_R, &s));
	ck_assert(!tlb_hot_walk(&p.hot[1], 5, ACC_R, &s));
	pair_fini(&p);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, hot_path_does_to_the_tlb_what_a_probe_does_byte_for_byte, 0,
			    2 * NR_SHAPES);
	tcase_add_test(tc, walk_entry_found_is_the_lowest_that_grants_the_access);
}

int main(void)
{
	return run_suite("tlb_hot", fill);
}
