/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All forms of the TLB against a plain list of entries, each invalidation against a second statement
 * of what it must remove, and single rules of replacement and of the hit path.
 */
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/tlb.h"

enum {
	LIST_MAX = 4096,
	OPS = 6000,
};

struct list {
	struct tlb_entry e[LIST_MAX];
	unsigned int nr;
};

static struct pt_geom geometry(void)
{
	struct pt_geom g;

	ck_assert(geom_find("arm64-2x3", &g));
	return g;
}

static struct tlb *tlb_new(const struct tlb_cfg *cfg)
{
	struct tlb *t = malloc(tlb_bytes(cfg));

	ck_assert_ptr_nonnull(t);
	ck_assert(tlb_cfg_check(cfg));
	ck_assert_uint_eq(tlb_bytes(cfg) % 8, 0);
	tlb_reset(cfg, t);
	return t;
}

static void assert_sound(const struct tlb_cfg *cfg, const struct tlb *t)
{
	const char *why;

	must(tlb_check(cfg, t, &why), "%s", why);
}

static void assert_empty(const struct tlb_cfg *cfg, const struct tlb *t)
{
	for (size_t i = 0; i < tlb_bytes(cfg); i++)
		must(((const uint8_t *)t)[i] == 0, "byte %zu is not zero", i);
}

static uint64_t span(const struct tlb_cfg *cfg, unsigned int height)
{
	return BIT(cfg->index_bits * height);
}

static enum tlb_keep collect(void *arg, const struct tlb_entry *e)
{
	struct list *l = arg;

	must(l->nr < LIST_MAX, "too many entries");
	l->e[l->nr++] = *e;
	return TLB_KEEP;
}

static bool same_tag(const struct tlb_entry *a, const struct tlb_entry *b)
{
	return a->kind == b->kind && a->height == b->height && a->page == b->page &&
	       memcmp(&a->ctx, &b->ctx, sizeof(a->ctx)) == 0 &&
	       (a->flags & TLB_GLOBAL) == (b->flags & TLB_GLOBAL);
}

static struct tlb_entry *list_find(struct list *l, const struct tlb_entry *e)
{
	for (unsigned int i = 0; i < l->nr; i++)
		if (same_tag(&l->e[i], e))
			return &l->e[i];
	return NULL;
}

/* --- Random entries and invalidations over few contexts and pages. */

static struct tlb_ctx random_ctx(struct rng *r, bool ept)
{
	return (struct tlb_ctx){
		.root = ept ? 1 + (uint32_t)rng_below(r, 2) : 0,
		.vmid = (uint16_t)rng_below(r, 3),
		.asid = (uint16_t)rng_below(r, 2),
	};
}

static struct tlb_entry random_entry(const struct tlb_cfg *cfg, struct rng *r, bool ept)
{
	struct tlb_entry e = {
		.kind = (uint8_t)rng_below(r, TLB_NR_KINDS),
		.height = (uint8_t)rng_below(r, cfg->heights),
		.access = (uint8_t)rng_below(r, 8),
		.ctx = random_ctx(r, ept),
		.pte = { rng_next(r) },
	};

	if (e.kind == TLB_S2_WALK && e.height == 0)
		e.height = 1;
	e.gfn = align_down_u64(rng_below(r, 64), span(cfg, e.height));
	e.page = e.gfn;
	if (e.kind == TLB_S1 || e.kind == TLB_COMBINED) {
		e.page = align_down_u64(rng_below(r, 256), span(cfg, e.height));
		e.flags = rng_once_in(r, 4) ? TLB_GLOBAL : 0;
	}
	if (rng_once_in(r, 3))
		e.flags |= TLB_CLEAN;
	return e;
}

static struct tlb_inv random_inv(struct rng *r, bool ept)
{
	struct tlb_inv inv = {
		.op = (uint8_t)rng_below(r, TLB_NR_INV_OPS),
		.gfn = rng_below(r, 64),
		.pages = rng_once_in(r, 2) ? 1 : 1 + rng_below(r, 20),
		.page = rng_below(r, 256),
		.has_page = rng_once_in(r, 2),
		.ctx = random_ctx(r, ept),
		.level = TLB_LEVEL_NONE,
	};

	if (rng_once_in(r, 2))
		inv.level = (int8_t)(1 + rng_below(r, 3));
	return inv;
}

/* What the TLB makes of a filled entry: members that the kind does not have are gone. */
static struct tlb_entry as_stored(struct tlb_entry e)
{
	bool stage1 = e.kind == TLB_S1 || e.kind == TLB_COMBINED;

	if (!stage1 || (e.flags & TLB_GLOBAL))
		e.ctx.asid = 0;
	if (!stage1 && e.ctx.root)
		e.ctx.vmid = 0;
	return e;
}

/* --- A second statement of the invalidation rules, operation by operation. */

static bool gfn_met(const struct tlb_cfg *cfg, const struct tlb_inv *inv, const struct tlb_entry *e)
{
	gfn_t end = e->gfn + span(cfg, e->height);

	return inv->gfn < end && inv->gfn + inv->pages > e->gfn;
}

static bool stage2_by_gfn(const struct tlb_cfg *cfg, const struct tlb_inv *inv,
			  const struct tlb_entry *e, bool walk_too)
{
	bool hint = inv->level != TLB_LEVEL_NONE;

	if (!gfn_met(cfg, inv, e))
		return false;
	if (cfg->scope == TLB_GENEROUS)
		return e->kind != TLB_S1;
	if (e->kind == TLB_S2)
		return !hint || inv->level == 3 - (int)e->height;
	return e->kind == TLB_S2_WALK && walk_too && !hint;
}

static bool violation_removes(const struct tlb_cfg *cfg, const struct tlb_inv *inv,
			      const struct tlb_entry *e)
{
	bool asid = (e->flags & TLB_GLOBAL) || e->ctx.asid == inv->ctx.asid;

	if (e->ctx.root != inv->ctx.root)
		return false;
	if (e->kind == TLB_S2 || e->kind == TLB_S2_WALK)
		return gfn_met(cfg, inv, e) && (e->ctx.root || e->ctx.vmid == inv->ctx.vmid);
	if (e->kind != TLB_COMBINED || e->ctx.vmid != inv->ctx.vmid || !asid)
		return false;
	if (cfg->scope == TLB_GENEROUS && gfn_met(cfg, inv, e))
		return true;
	return inv->has_page && inv->page - e->page < span(cfg, e->height);
}

static bool expected_to_go(const struct tlb_cfg *cfg, const struct tlb_inv *inv,
			   const struct tlb_entry *e)
{
	bool vmid = e->ctx.vmid == inv->ctx.vmid;
	bool stage1 = e->kind == TLB_S1 || e->kind == TLB_COMBINED;

	switch ((enum tlb_inv_op)inv->op) {
	case TLB_INV_IPAS2E1:
		return vmid && stage2_by_gfn(cfg, inv, e, true);
	case TLB_INV_IPAS2LE1:
		return vmid && stage2_by_gfn(cfg, inv, e, false);
	case TLB_INV_VMALLE1:
	case TLB_INV_VPID:
		return vmid && stage1;
	case TLB_INV_VMALLS12E1:
	case TLB_INV_SVM_ASID:
		return vmid;
	case TLB_INV_ALLE1:
	case TLB_INV_SVM_ALL:
		return true;
	case TLB_INV_EPT_SINGLE:
		return e->kind != TLB_S1 && e->ctx.root == inv->ctx.root;
	case TLB_INV_EPT_ALL:
		return e->kind != TLB_S1;
	case TLB_INV_VPID_ADDR:
		return vmid && stage1 && inv->page - e->page < span(cfg, e->height);
	case TLB_INV_VPID_ALL:
		return stage1;
	case TLB_INV_ENTRY_NOVPID:
		return stage1 && e->ctx.vmid == 0;
	case TLB_INV_EPT_VIOLATION:
		return violation_removes(cfg, inv, e);
	case TLB_NR_INV_OPS:
		break;
	}
	return false;
}

START_TEST(rule_of_each_invalidation_agrees_with_its_second_statement)
{
	struct pt_geom g = geometry();
	struct tlb_cfg cfg = tlb_cfg_set(&g, 1);
	struct rng r = { test_seed(31, (uint64_t)_i) };

	cfg.scope = (uint8_t)(_i & 1);
	for (unsigned int i = 0; i < 200000; i++) {
		struct tlb_entry e = as_stored(random_entry(&cfg, &r, _i & 2));
		struct tlb_inv inv = random_inv(&r, _i & 2);

		must(tlb_inv_removes(&cfg, &inv, &e) == expected_to_go(&cfg, &inv, &e),
		     "op %u kind %u height %u level %d", inv.op, e.kind, e.height, inv.level);
	}
}
END_TEST

/* --- Whole TLBs against the list. */

static struct tlb_cfg config(int i)
{
	struct pt_geom g = geometry();
	struct tlb_cfg cfg = tlb_cfg_sized(&g);

	switch (i / 2) {
	case 0:
		cfg = tlb_cfg_set(&g, 1000);
		break;
	case 1: /* small: much eviction */
		cfg.l1 = (struct tlb_array_cfg){ 2, 2 };
		cfg.l2 = (struct tlb_array_cfg){ 4, 3 };
		cfg.walk = (struct tlb_array_cfg){ 1, 4 };
		cfg.contexts = 3;
		break;
	case 2: /* one level, oldest first, no walk cache */
		cfg.l1 = (struct tlb_array_cfg){ 4, 1 };
		cfg.l2 = (struct tlb_array_cfg){ 0, 0 };
		cfg.walk = (struct tlb_array_cfg){ 0, 0 };
		cfg.replacement = TLB_FIFO;
		break;
	case 3:
		cfg.contexts = 40;
		break;
	case 4: /* a fully associative first level, larger than the second */
		cfg.l1 = (struct tlb_array_cfg){ 1, 48 };
		cfg.l2 = (struct tlb_array_cfg){ 2, 5 };
		cfg.walk = (struct tlb_array_cfg){ 1, 9 };
		break;
	case 5: /* as many ways as there can be */
		cfg.l1 = (struct tlb_array_cfg){ 1, 70 };
		cfg.l2 = (struct tlb_array_cfg){ 1, TLB_WAYS_MAX };
		break;
	default:
		cfg = tlb_cfg_drop(&g);
		break;
	}
	cfg.scope = (uint8_t)(i % 2);
	return cfg;
}

enum {
	NR_CONFIGS = 14,
};

/* Every entry held is in the list as it is there; a set holds all of it. */
static void assert_subset(const struct tlb_cfg *cfg, struct tlb *t, struct list *model)
{
	static struct list held;

	held.nr = 0;
	tlb_visit(cfg, t, collect, &held);
	must(held.nr == t->nr, "%u visited, %u held", held.nr, t->nr);
	must(cfg->form != TLB_SET || held.nr == model->nr, "set holds %u of %u", held.nr,
	     model->nr);
	for (unsigned int i = 0; i < held.nr; i++) {
		const struct tlb_entry *e = list_find(model, &held.e[i]);

		must(e && memcmp(e, &held.e[i], sizeof(*e)) == 0,
		     "an entry that was not filled so");
	}
}

static void model_fill(struct list *model, const struct tlb_entry *e)
{
	struct tlb_entry own = as_stored(*e);
	struct tlb_entry *old = list_find(model, &own);

	must(model->nr < LIST_MAX, "model is full");
	*(old ? old : &model->e[model->nr++]) = own;
}

static void invalidate_both(const struct tlb_cfg *cfg, struct tlb *t, struct list *model,
			    const struct tlb_inv *inv, struct work *wk)
{
	uint64_t before = t->nr, removed = 0, kept = 0;
	unsigned int n = 0;
	static struct list held;

	held.nr = 0;
	tlb_visit(cfg, t, collect, &held);
	for (unsigned int i = 0; i < held.nr; i++)
		kept += !expected_to_go(cfg, inv, &held.e[i]);
	removed = tlb_invalidate(cfg, t, inv, wk);
	must(removed == before - t->nr, "%llu removed, %llu gone", (unsigned long long)removed,
	     (unsigned long long)(before - t->nr));
	must(t->nr == kept, "op %u: %u left, expected %llu", inv->op, t->nr,
	     (unsigned long long)kept);
	for (unsigned int i = 0; i < model->nr; i++)
		if (!expected_to_go(cfg, inv, &model->e[i]))
			model->e[n++] = model->e[i];
	model->nr = n;
}

/* A look-up finds what the list has, smallest span first; a set finds all of it. */
static void probe_both(const struct tlb_cfg *cfg, struct tlb *t, struct list *model, struct rng *r,
		       struct work *wk)
{
	struct tlb_entry e = random_entry(cfg, r, rng_once_in(r, 4)), found, first;
	struct tlb_key key = { .page = rng_below(r, 256), .ctx = e.ctx, .kind = e.kind };
	unsigned int acc = 1 + (unsigned int)rng_below(r, 7), n = 0, expected = 0;
	bool any = tlb_match(cfg, t, &key, 0, &first);
	enum tlb_found res = tlb_probe(cfg, t, &key, acc, &found, wk);

	for (unsigned int i = 0; i < model->nr; i++) {
		const struct tlb_entry *m = &model->e[i];
		struct tlb_entry want = as_stored((struct tlb_entry){
			.kind = key.kind, .ctx = key.ctx, .flags = m->flags & TLB_GLOBAL });

		expected += m->kind == key.kind && key.page - m->page < span(cfg, m->height) &&
			    memcmp(&m->ctx, &want.ctx, sizeof(want.ctx)) == 0;
	}
	while (tlb_match(cfg, t, &key, n, &e)) {
		must(key.page - e.page < span(cfg, e.height),
		     "an entry that does not cover the page");
		n++;
	}
	must(cfg->form != TLB_SET || n == expected, "%u matches, expected %u", n, expected);
	must(n <= expected, "more matches than were filled");
	must((res != TLB_MISS) == any, "probe and match differ");
	if (!any)
		return;
	must(memcmp(&first, &found, sizeof(found)) == 0, "probe and first match differ");
	must((res == TLB_DENIED) == ((found.access & acc) != acc), "rights: result %d", res);
	must(res != TLB_HIT || !(acc & ACC_W) || !(found.flags & TLB_CLEAN),
	     "write hit while clean");
}

START_TEST(random_use_agrees_with_a_list_of_entries)
{
	struct tlb_cfg cfg = config(_i);
	struct rng r = { test_seed(32, (uint64_t)_i) };
	struct tlb *t = tlb_new(&cfg);
	static struct list model;
	struct work wk = { 0 };
	uint64_t probes = 0;

	model.nr = 0;
	for (unsigned int i = 0; i < test_ops(OPS); i++) {
		if (rng_once_in(&r, 12)) {
			struct tlb_inv inv = random_inv(&r, rng_once_in(&r, 4));

			invalidate_both(&cfg, t, &model, &inv, &wk);
		} else if (rng_once_in(&r, 2)) {
			struct tlb_entry e = random_entry(&cfg, &r, rng_once_in(&r, 4));

			must(tlb_fill(&cfg, t, &e, &wk), "fill failed");
			model_fill(&model, &e);
		} else {
			probe_both(&cfg, t, &model, &r, &wk);
			probes++;
		}
		assert_subset(&cfg, t, &model);
		assert_sound(&cfg, t);
	}
	ck_assert_uint_eq(wk.tlb_hit + wk.tlb_miss + wk.tlb_denied, probes);
	ck_assert(cfg.form == TLB_DROP || wk.tlb_inv > 0);
	invalidate_both(&cfg, t, &model, &(struct tlb_inv){ .op = TLB_INV_ALLE1 }, &wk);
	assert_empty(&cfg, t);
	free(t);
}
END_TEST

START_TEST(equal_sets_are_equal_bytes_whatever_the_order_of_fills)
{
	struct pt_geom g = geometry();
	struct tlb_cfg cfg = tlb_cfg_set(&g, 64);
	struct rng r = { test_seed(33, 0) };
	struct tlb *a = tlb_new(&cfg), *b = tlb_new(&cfg);
	struct tlb_entry e[40];
	struct work wk = { 0 };

	for (unsigned int i = 0; i < 40; i++) {
		e[i] = random_entry(&cfg, &r, false);
		e[i].pte.v = 0; /* of two with the same tag the last one stays */
		e[i].access = ACC_R;
		e[i].flags &= TLB_GLOBAL;
		e[i].gfn = e[i].page % 64;
		ck_assert(tlb_fill(&cfg, a, &e[i], &wk));
	}
	for (unsigned int i = 40; i-- > 0;)
		ck_assert(tlb_fill(&cfg, b, &e[i], &wk));
	ck_assert_mem_eq(a, b, tlb_bytes(&cfg));
	free(a);
	free(b);
}
END_TEST

/* --- Single rules. */

static struct tlb_entry page_entry(gfn_t gfn, unsigned int height)
{
	return (struct tlb_entry){ .kind = TLB_S2,
				   .height = (uint8_t)height,
				   .page = gfn,
				   .gfn = gfn,
				   .access = ACC_RWX,
				   .ctx = { .vmid = 1 } };
}

static struct tlb_key page_key(gfn_t gfn)
{
	return (struct tlb_key){ .kind = TLB_S2, .page = gfn, .ctx = { .vmid = 1 } };
}

static bool holds(const struct tlb_cfg *cfg, const struct tlb *t, gfn_t gfn)
{
	struct tlb_key key = page_key(gfn);
	struct tlb_entry e;

	return tlb_match(cfg, t, &key, 0, &e);
}

START_TEST(full_set_refuses_a_new_entry_and_stays_as_it_was)
{
	struct pt_geom g = geometry();
	struct tlb_cfg cfg = tlb_cfg_set(&g, 2);
	struct tlb *t = tlb_new(&cfg), *before = malloc(tlb_bytes(&cfg));
	struct tlb_entry a = page_entry(1, 0), b = page_entry(2, 0), c = page_entry(3, 0);
	struct work wk = { 0 };

	ck_assert_ptr_nonnull(before);
	ck_assert(tlb_fill(&cfg, t, &a, &wk) && tlb_fill(&cfg, t, &b, &wk));
	memcpy(before, t, tlb_bytes(&cfg));
	ck_assert(!tlb_fill(&cfg, t, &c, &wk));
	ck_assert_mem_eq(t, before, tlb_bytes(&cfg));
	ck_assert_uint_eq(wk.tlb_fill, 2);
	b.access = ACC_R; /* the same tag needs no room */
	ck_assert(tlb_fill(&cfg, t, &b, &wk));
	ck_assert_uint_eq(wk.tlb_evict, 0);
	free(before);
	free(t);
}
END_TEST

static void fill_page(const struct tlb_cfg *cfg, struct tlb *t, gfn_t gfn, struct work *wk)
{
	struct tlb_entry e = page_entry(gfn, 0);

	ck_assert(tlb_fill(cfg, t, &e, wk));
}

static enum tlb_found read_page(const struct tlb_cfg *cfg, struct tlb *t, gfn_t gfn,
				struct work *wk)
{
	struct tlb_key key = page_key(gfn);

	return tlb_probe(cfg, t, &key, ACC_R, NULL, wk);
}

/* One set of two ways, and nothing behind it. */
static struct tlb_cfg two_ways(enum tlb_replacement replacement)
{
	struct pt_geom g = geometry();
	struct tlb_cfg cfg = tlb_cfg_sized(&g);

	cfg.l1 = (struct tlb_array_cfg){ 1, 2 };
	cfg.l2 = (struct tlb_array_cfg){ 0, 0 };
	cfg.replacement = (uint8_t)replacement;
	return cfg;
}

START_TEST(a_hit_saves_an_entry_with_lru_and_does_not_with_fifo)
{
	struct tlb_cfg cfg = two_ways(_i ? TLB_FIFO : TLB_LRU);
	struct tlb *t = tlb_new(&cfg);
	struct work wk = { 0 };

	for (gfn_t gfn = 1; gfn <= 2; gfn++)
		fill_page(&cfg, t, gfn, &wk);
	ck_assert_int_eq(read_page(&cfg, t, 1, &wk), TLB_HIT);
	fill_page(&cfg, t, 3, &wk);
	ck_assert(holds(&cfg, t, 3));
	ck_assert_int_eq(holds(&cfg, t, 1), _i == 0);
	ck_assert_int_eq(holds(&cfg, t, 2), _i == 1);
	ck_assert_uint_eq(wk.tlb_evict, 1);
	assert_sound(&cfg, t);
	free(t);
}
END_TEST

START_TEST(both_levels_hold_a_fill_and_a_hit_in_the_second_brings_it_back_to_the_first)
{
	struct tlb_cfg cfg = two_ways(TLB_LRU);
	struct work wk = { 0 };
	struct tlb *t;

	cfg.l2 = (struct tlb_array_cfg){ 1, 4 };
	t = tlb_new(&cfg);
	for (gfn_t gfn = 1; gfn <= 4; gfn++)
		fill_page(&cfg, t, gfn, &wk);
	ck_assert_uint_eq(t->at[TLB_L1][0], 2);
	ck_assert_uint_eq(t->at[TLB_L2][0], 4);
	ck_assert_uint_eq(t->nr, 4);
	ck_assert_uint_eq(wk.tlb_evict, 0);
	ck_assert_int_eq(read_page(&cfg, t, 1, &wk), TLB_HIT);
	ck_assert_uint_eq(wk.tlb_l2_hit, 1);
	ck_assert_int_eq(read_page(&cfg, t, 1, &wk), TLB_HIT);
	ck_assert_uint_eq(wk.tlb_l2_hit, 1);
	fill_page(&cfg, t, 5, &wk);
	ck_assert_uint_eq(wk.tlb_evict, 1);
	ck_assert(!holds(&cfg, t, 2)); /* the one unused for longest */
	ck_assert(holds(&cfg, t, 1));
	assert_sound(&cfg, t);
	free(t);
}
END_TEST

START_TEST(what_the_second_level_gives_up_stays_in_the_first_until_that_needs_the_way)
{
	struct tlb_cfg cfg = two_ways(TLB_LRU);
	struct work wk = { 0 };
	struct tlb *t;

	cfg.l1.ways = 3;
	cfg.l2 = (struct tlb_array_cfg){ 1, 2 };
	t = tlb_new(&cfg);
	for (gfn_t gfn = 1; gfn <= 3; gfn++)
		fill_page(&cfg, t, gfn, &wk);
	ck_assert_uint_eq(t->nr, 3);
	ck_assert_uint_eq(wk.tlb_evict, 0);
	ck_assert_int_eq(read_page(&cfg, t, 1, &wk), TLB_HIT);
	ck_assert_uint_eq(wk.tlb_l2_hit, 0);
	fill_page(&cfg, t, 4, &wk); /* 2 leaves the first level, then 2 had left the second */
	ck_assert(holds(&cfg, t, 1) && !holds(&cfg, t, 2));
	ck_assert_uint_eq(wk.tlb_evict, 1);
	assert_sound(&cfg, t);
	free(t);
}
END_TEST

START_TEST(more_contexts_than_fit_push_out_the_one_with_the_fewest_entries)
{
	struct tlb_cfg cfg = config(6);
	struct work wk = { 0 };
	struct tlb *t;

	cfg.contexts = 2;
	t = tlb_new(&cfg);
	for (unsigned int vmid = 1; vmid <= 2; vmid++)
		for (gfn_t gfn = 0; gfn < vmid; gfn++) {
			struct tlb_entry e = page_entry(gfn, 0);

			e.ctx.vmid = (uint16_t)vmid;
			tlb_fill(&cfg, t, &e, &wk);
		}
	tlb_fill(&cfg, t,
		 &(struct tlb_entry){ .kind = TLB_S2, .access = ACC_R, .ctx = { .vmid = 3 } }, &wk);
	ck_assert_uint_eq(t->nr, 3);
	ck_assert(!holds(&cfg, t, 0)); /* VMID 1 had one entry */
	ck_assert_uint_eq(wk.tlb_evict, 1);
	assert_sound(&cfg, t);
	free(t);
}
END_TEST

START_TEST(wrong_level_hint_removes_nothing_where_hardware_is_strict)
{
	struct tlb_cfg cfg = config(_i);
	struct tlb *t = tlb_new(&cfg);
	struct tlb_inv inv = { .op = TLB_INV_IPAS2E1, .gfn = 6, .pages = 1, .ctx = { .vmid = 1 } };
	struct tlb_entry e = page_entry(4, 1);
	struct work wk = { 0 };

	ck_assert(tlb_fill(&cfg, t, &e, &wk));
	inv.level = 3; /* the block is of level 2 */
	ck_assert_uint_eq(tlb_invalidate(&cfg, t, &inv, &wk), cfg.scope == TLB_GENEROUS);
	inv.level = 2;
	ck_assert_uint_eq(tlb_invalidate(&cfg, t, &inv, &wk), cfg.scope == TLB_STRICT);
	assert_empty(&cfg, t);
	free(t);
}
END_TEST

START_TEST(ept_entries_are_found_under_any_vpid_and_combined_ones_are_not)
{
	struct tlb_cfg cfg = config(_i);
	struct tlb *t = tlb_new(&cfg);
	struct tlb_entry e = page_entry(4, 0), found;
	struct tlb_key key = page_key(4);
	struct work wk = { 0 };

	e.ctx = (struct tlb_ctx){ .root = 9, .vmid = 1, .asid = 3 };
	ck_assert(tlb_fill(&cfg, t, &e, &wk));
	e.kind = TLB_COMBINED;
	ck_assert(tlb_fill(&cfg, t, &e, &wk));
	key.ctx = (struct tlb_ctx){ .root = 9, .vmid = 2, .asid = 4 };
	ck_assert(tlb_match(&cfg, t, &key, 0, &found));
	key.kind = TLB_COMBINED;
	ck_assert(!tlb_match(&cfg, t, &key, 0, &found));
	key.ctx = e.ctx;
	ck_assert(tlb_match(&cfg, t, &key, 0, &found));
	key.ctx.root = 8;
	ck_assert(!tlb_match(&cfg, t, &key, 0, &found));
	free(t);
}
END_TEST

static enum tlb_keep drop_odd(void *arg, const struct tlb_entry *e)
{
	unsigned int *seen = arg;

	++*seen;
	return e->page & 1 ? TLB_REMOVE : TLB_KEEP;
}

START_TEST(visitor_sees_each_entry_once_and_may_evict)
{
	struct tlb_cfg cfg = config(_i);
	struct tlb *t = tlb_new(&cfg);
	struct work wk = { 0 };
	unsigned int seen = 0;

	for (gfn_t gfn = 0; gfn < 8; gfn++)
		fill_page(&cfg, t, gfn, &wk);
	tlb_visit(&cfg, t, drop_odd, &seen);
	ck_assert_uint_eq(seen, 8);
	ck_assert_uint_eq(t->nr, 4);
	for (gfn_t gfn = 0; gfn < 8; gfn++)
		ck_assert_int_eq(holds(&cfg, t, gfn), gfn % 2 == 0);
	assert_sound(&cfg, t);
	free(t);
}
END_TEST

/* --- The hit path. */

START_TEST(write_through_a_clean_entry_is_no_hit)
{
	struct tlb_cfg cfg = config(_i);
	struct tlb *t = tlb_new(&cfg);
	struct tlb_entry e = page_entry(5, 0), found;
	struct tlb_key key = page_key(5);
	struct work wk = { 0 };

	e.flags = TLB_CLEAN;
	ck_assert(tlb_fill(&cfg, t, &e, &wk));
	ck_assert_int_eq(tlb_probe(&cfg, t, &key, ACC_R, &found, &wk), TLB_HIT);
	ck_assert_int_eq(tlb_probe(&cfg, t, &key, ACC_W, &found, &wk), TLB_DIRTY);
	e.flags = 0;
	e.access = ACC_R;
	ck_assert(tlb_fill(&cfg, t, &e, &wk));
	ck_assert_int_eq(tlb_probe(&cfg, t, &key, ACC_W, &found, &wk), TLB_DENIED);
	ck_assert_uint_eq(wk.tlb_denied, 2);
	free(t);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rule_of_each_invalidation_agrees_with_its_second_statement, 0, 4);
	tcase_add_loop_test(tc, random_use_agrees_with_a_list_of_entries, 0, NR_CONFIGS);
	tcase_add_test(tc, equal_sets_are_equal_bytes_whatever_the_order_of_fills);
	tcase_add_test(tc, full_set_refuses_a_new_entry_and_stays_as_it_was);
	tcase_add_loop_test(tc, a_hit_saves_an_entry_with_lru_and_does_not_with_fifo, 0, 2);
	tcase_add_test(tc,
		       both_levels_hold_a_fill_and_a_hit_in_the_second_brings_it_back_to_the_first);
	tcase_add_test(tc,
		       what_the_second_level_gives_up_stays_in_the_first_until_that_needs_the_way);
	tcase_add_test(tc, more_contexts_than_fit_push_out_the_one_with_the_fewest_entries);
	tcase_add_loop_test(tc, wrong_level_hint_removes_nothing_where_hardware_is_strict, 0, 4);
	tcase_add_loop_test(tc, ept_entries_are_found_under_any_vpid_and_combined_ones_are_not, 0,
			    4);
	tcase_add_loop_test(tc, visitor_sees_each_entry_once_and_may_evict, 0, 4);
	tcase_add_loop_test(tc, write_through_a_clean_entry_is_no_hit, 0, 8);
}

int main(void)
{
	return run_suite("tlb", fill);
}
