/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memslot sets and the words pool against a second, trivial representation: an array of pages for the
 * slots, a list of blocks for the words.  Random sequences; the seed is printed on failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/memslots.h"
#include "model/set_region.h"
#include "model/tests/model_test.h"

/* ---- words --------------------------------------------------------------------------------------- */

enum {
	BLOCKS_MAX = 64,
	WORDS_OPS = 20000,
};

struct block {
	uint32_t first;
	uint64_t n, pattern;
};

struct blocks {
	struct block b[BLOCKS_MAX];
	unsigned int nr;
};

/* Lowest place for a header and @n words between blocks that each take a header too; 0 none. */
static uint32_t lowest_fit(const struct blocks *used, uint64_t n, uint64_t limit)
{
	for (uint64_t at = 1; at + 1 + n <= limit; at++) {
		bool is_free = true;

		for (unsigned int i = 0; i < used->nr && is_free; i++)
			is_free = at + 1 + n <= used->b[i].first - 1ULL ||
				  at >= used->b[i].first + used->b[i].n;
		if (is_free)
			return (uint32_t)(at + 1);
	}
	return 0;
}

static void take_words(struct vm *vm, struct blocks *used, struct rng *rng)
{
	uint64_t n = rng_once_in(rng, 8) ? 1 + rng_below(rng, 200) : 1 + rng_below(rng, 12);
	uint32_t want = lowest_fit(used, n, vm->cfg->limits.nr_words);
	uint32_t first = words_alloc(vm, n);
	struct block *b = &used->b[used->nr];

	must(first == want, "%llu words: expected them at %u, found %u", (unsigned long long)n,
	     want, first);
	if (!first)
		return;
	must(words_len(vm, first) == n, "length %llu of %llu",
	     (unsigned long long)words_len(vm, first), (unsigned long long)n);
	*b = (struct block){ .first = first, .n = n, .pattern = rng_next(rng) };
	used->nr++;
	for (uint64_t i = 0; i < n; i++) {
		must(vm->words[first + i] == 0, "word %llu is not zero", (unsigned long long)i);
		vm->words[first + i] = b->pattern + i;
	}
}

static void give_words(struct vm *vm, struct blocks *used, unsigned int i)
{
	struct block b = used->b[i];

	for (uint64_t k = 0; k < b.n; k++)
		must(vm->words[b.first + k] == b.pattern + k, "word %llu of block %u was changed",
		     (unsigned long long)k, b.first);
	words_free(vm, b.first);
	used->b[i] = used->b[--used->nr];
}

START_TEST(words_are_given_out_at_the_lowest_place_and_are_zero)
{
	struct script *s = test_script("x86-6.12+machine=ept", "code=0 geom=ept-2x3");
	struct vm *vm = script_vm(s);
	struct rng rng = { test_seed(1, (uint64_t)_i) };
	struct blocks used = { .nr = 0 };

	for (unsigned int op = 0; op < test_ops(WORDS_OPS); op++) {
		bool take = used.nr == 0 || (used.nr < BLOCKS_MAX && rng_below(&rng, 100) < 55);

		if (take)
			take_words(vm, &used, &rng);
		else
			give_words(vm, &used, (unsigned int)rng_below(&rng, used.nr));
	}
	while (used.nr)
		give_words(vm, &used, (unsigned int)rng_below(&rng, used.nr));
	must(vm->st->words_used == 1, "%u words are in use", vm->st->words_used);
	for (uint32_t i = 0; i < vm->cfg->limits.nr_words; i++)
		must(vm->words[i] == 0, "word %u is not zero", i);
	script_free(s);
}
END_TEST

START_TEST(freeing_no_words_does_nothing)
{
	struct script *s = test_script("x86-6.12+machine=ept", "code=0 geom=ept-2x3");
	struct vm *vm = script_vm(s);
	uint32_t first = words_alloc(vm, 3);
	struct vm_hash before = vm_hash(vm), after;

	words_free(vm, 0);
	after = vm_hash(vm);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(words_alloc(vm, vm->cfg->limits.nr_words), 0);
	after = vm_hash(vm);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	words_free(vm, first);
	script_free(s);
}
END_TEST

/* ---- slots --------------------------------------------------------------------------------------- */

enum {
	NR_PAGES = 64, /* all that ept-2x3 translates */
	NR_IDS = 7,
	SLOT_OPS = 3000,
};

/* A slot as the reference knows it; npages 0: absent. */
struct ref_slot {
	unsigned int base, npages, hva_page;
	uint32_t flags;
	bool dirty[NR_PAGES]; /* by page of the slot */
};

struct ref {
	struct ref_slot slot[VM_MAX_AS][NR_IDS];
	hva_t hva;
};

/* The slot at @gfn, found by looking at all; NULL none. */
static struct ref_slot *ref_at(struct ref *r, unsigned int as, gfn_t gfn, int *id)
{
	for (*id = 0; *id < NR_IDS; ++*id) {
		struct ref_slot *s = &r->slot[as][*id];

		if (gfn >= s->base && gfn < s->base + s->npages)
			return s;
	}
	return NULL;
}

/* Does a page of [base, base + npages) belong to another slot than @id? */
static bool ref_overlaps(struct ref *r, unsigned int as, int id, unsigned int base,
			 unsigned int npages)
{
	int other;

	for (unsigned int gfn = base; gfn < base + npages; gfn++) {
		const struct ref_slot *s = ref_at(r, as, gfn, &other);

		if (s && other != id)
			return true;
	}
	/* a slot may lie under two others' ranges only if the sets are wrong already */
	for (other = 0; other < NR_IDS; other++)
		if (other != id && r->slot[as][other].npages &&
		    r->slot[as][other].base < base + npages &&
		    base < r->slot[as][other].base + r->slot[as][other].npages)
			return true;
	return false;
}

/* What the ioctl must return; on 0 the reference has changed too. */
static int ref_apply(struct ref *r, const struct op *op)
{
	struct ref_slot *s = &r->slot[op->slot >> 16][op->slot & 0xffff];
	unsigned int base = (unsigned int)(op->gpa >> 12), npages = (unsigned int)(op->size >> 12);
	unsigned int hva_page = (unsigned int)((op->hva - r->hva) >> 12);
	bool had_log = s->npages && (s->flags & MEM_LOG_DIRTY_PAGES);

	if (npages == 0) {
		if (!s->npages)
			return -EINVAL;
		*s = (struct ref_slot){ .npages = 0 };
		return 0;
	}
	if (s->npages && (s->npages != npages || s->hva_page != hva_page ||
			  ((s->flags ^ op->flags) & MEM_READONLY)))
		return -EINVAL;
	if (s->npages && s->base == base && s->flags == op->flags)
		return 0;
	if ((!s->npages || s->base != base) &&
	    ref_overlaps(r, op->slot >> 16, (int)(op->slot & 0xffff), base, npages))
		return -EEXIST;
	s->base = base;
	s->npages = npages;
	s->hva_page = hva_page;
	s->flags = op->flags;
	if (!had_log || !(op->flags & MEM_LOG_DIRTY_PAGES))
		memset(s->dirty, 0, sizeof(s->dirty));
	return 0;
}

/* A request of any kind: mostly a possible one, sometimes wrong. */
static struct op random_request(struct ref *r, struct rng *rng)
{
	unsigned int as = rng_once_in(rng, 4), id = (unsigned int)rng_below(rng, NR_IDS);
	const struct ref_slot *s = &r->slot[as][id];
	unsigned int base = (unsigned int)rng_below(rng, NR_PAGES - 20);
	struct op op = { .slot = as << 16 | id,
			 .gpa = (uint64_t)base << 12,
			 .size = (1 + rng_below(rng, 20)) << 12,
			 .hva = r->hva + (rng_below(rng, NR_PAGES - 20) << 12),
			 .flags = (uint32_t)rng_below(rng, 4) };

	if (s->npages && !rng_once_in(rng, 10)) {
		op.size = (uint64_t)s->npages << 12;
		op.hva = r->hva + ((uint64_t)s->hva_page << 12);
		op.flags = (s->flags & MEM_READONLY) |
			   ((uint32_t)rng_below(rng, 2) * MEM_LOG_DIRTY_PAGES);
		if (rng_once_in(rng, 3))
			op.gpa = (uint64_t)s->base << 12;
	}
	if (rng_once_in(rng, 4))
		op.size = 0;
	return op;
}

/* Every place where a failure is injected is a failure; the reference is then left alone. */
static bool fails_at(struct ref *r, const struct op *op, uint8_t fail)
{
	struct ref after = *r;
	const struct ref_slot *s = &r->slot[op->slot >> 16][op->slot & 0xffff];
	bool deletes = op->size == 0, creates = !s->npages;
	bool moves = !creates && s->base != op->gpa >> 12;
	bool logs = op->flags & MEM_LOG_DIRTY_PAGES;
	bool same = !creates && !moves && s->flags == op->flags;

	if (ref_apply(&after, op) != 0 || (same && !deletes))
		return false;
	if (fail == FP_SCRATCH)
		return deletes || moves;
	if (fail == FP_BITMAP)
		return !deletes && logs && (creates || !(s->flags & MEM_LOG_DIRTY_PAGES));
	if (fail == FP_ARCHMETA)
		return !deletes && (creates || moves);
	return !deletes && (fail == FP_SLOT || fail == FP_ARCHVETO);
}

static void compare_gfns(const struct vm *vm, struct ref *r, unsigned int as)
{
	for (unsigned int gfn = 0; gfn < NR_PAGES; gfn++) {
		uint32_t slot = memslot_find(vm, as, gfn);
		int id;
		const struct ref_slot *s = ref_at(r, as, gfn, &id);

		must((slot != 0) == (s != NULL), "as %u gfn %u: slot %u", as, gfn, slot);
		if (!s)
			continue;
		must(vm->slots[slot].id == id && vm->slots[slot].base_gfn == s->base &&
			     vm->slots[slot].npages == s->npages &&
			     vm->slots[slot].flags == s->flags && vm->slots[slot].as_id == as,
		     "as %u gfn %u: not slot %d", as, gfn, id);
		must(memslot_hva(vm, slot, gfn) == r->hva + ((s->hva_page + gfn - s->base) << 12),
		     "as %u gfn %u: wrong hva", as, gfn);
	}
}

/* By id in both sets, and the dirty bits; returns the words that the bitmaps take. */
static uint64_t compare_ids(const struct vm *vm, struct ref *r, unsigned int as)
{
	uint64_t words = 0;

	for (unsigned int id = 0; id < NR_IDS; id++) {
		const struct ref_slot *s = &r->slot[as][id];
		uint32_t slot = memslot_by_id(vm, as, 0, (uint16_t)id);
		bool logs = s->npages && (s->flags & MEM_LOG_DIRTY_PAGES);

		must((slot != 0) == (s->npages != 0), "as %u id %u: slot %u", as, id, slot);
		must(memslot_by_id(vm, as, 1, (uint16_t)id) == slot, "as %u id %u: the sets differ",
		     as, id);
		must(!slot || (vm->slots[slot].bitmap != 0) == logs, "as %u id %u: bitmap", as, id);
		if (!logs)
			continue;
		words += 2 * bitmap_words(s->npages);
		for (unsigned int p = 0; p < s->npages; p++)
			must((vm->words[vm->slots[slot].bitmap + p / 64] >> (p % 64) & 1) ==
				     s->dirty[p],
			     "as %u id %u page %u: dirty bit", as, id, p);
	}
	return words;
}

static void compare_all(const struct vm *vm, struct ref *r, struct rng *rng)
{
	uint64_t words = 0;
	const char *why;

	for (unsigned int as = 0; as < VM_MAX_AS; as++) {
		unsigned int base = (unsigned int)rng_below(rng, NR_PAGES - 1);
		unsigned int n = 1 + (unsigned int)rng_below(rng, NR_PAGES - base);
		uint16_t id = (uint16_t)rng_below(rng, NR_IDS + 1);

		compare_gfns(vm, r, as);
		words += compare_ids(vm, r, as);
		must(memslots_overlap(vm, as, id, base, base + n) ==
			     ref_overlaps(r, as, id, base, n),
		     "as %u: overlap of %u pages at %u with all but %u", as, n, base, id);
	}
	must(test_words_in_use(vm) == words, "%llu words in use, %llu expected",
	     (unsigned long long)test_words_in_use(vm), (unsigned long long)words);
	must(test_at_rest(vm, &why) && vm_check(vm, &why), "%s", why);
}

/* Marks some pages dirty as KVM's own writes do. */
static void dirty_some(struct stepper *st, struct ref *r, struct rng *rng)
{
	unsigned int as = rng_once_in(rng, 4);
	unsigned int gfn = (unsigned int)rng_below(rng, NR_PAGES);
	uint32_t slot = memslot_find(st->vm, as, gfn);
	int id;
	struct ref_slot *s = ref_at(r, as, gfn, &id);

	if (!slot || !s)
		return;
	st->ctx.me_nr = vm_actor_vmm(st->vm);
	st->ctx.me = &st->vm->actors[st->ctx.me_nr];
	mark_page_dirty(&st->ctx, slot, gfn);
	if (s->flags & MEM_LOG_DIRTY_PAGES)
		s->dirty[gfn - s->base] = true;
}

START_TEST(slots_are_found_as_an_array_of_pages_finds_them)
{
	struct script *s = test_script("x86-6.12+machine=ept", "code=0 geom=ept-2x3");
	struct stepper st = stepper_of(script_vm(s));
	struct rng rng = { test_seed(2, (uint64_t)_i) };
	struct ref ref = { .hva = 0 };
	unsigned int done = 0;

	test_do(s, "host map name=m0 size=0x40000 backing=anon");
	ref.hva = st.vm->st->maps[0].hva;
	for (unsigned int i = 0; i < test_ops(SLOT_OPS); i++) {
		struct op op = random_request(&ref, &rng);
		int want = 0, found;

		if (rng_once_in(&rng, 4))
			op.fail = (uint8_t)(1 + rng_below(&rng, NR_FAIL_POINTS - 1));
		if (op.fail && fails_at(&ref, &op, op.fail))
			want = op.fail == FP_ARCHVETO ? -EINVAL : -ENOMEM;
		else
			want = ref_apply(&ref, &op);
		found = stepper_set_region(&st, &op);
		must(found == want,
		     "request %u (slot 0x%x, flags %u, fail %u): expected %d, found %d", i, op.slot,
		     op.flags, op.fail, want, found);
		dirty_some(&st, &ref, &rng);
		compare_all(st.vm, &ref, &rng);
		done += found == 0;
	}
	must(done > test_ops(SLOT_OPS) / 8, "only %u requests succeeded", done);
	script_free(s);
}
END_TEST

/* A guest that runs between the changes: nothing of a slot that went stays mapped. */
START_TEST(a_guest_between_changes_finds_its_slots_or_mmio)
{
	static const char *const policies[] = { "x86-6.12+machine=ept", "x86-6.1+mmu=legacy",
						"arm64-6.12", "arm64-6.1" };
	bool arm = g_str_has_prefix(policies[_i % 4], "arm64");
	struct script *s = test_script(policies[_i % 4],
				       arm ? "code=0 geom=arm64-2x3" : "code=0 geom=ept-2x3");
	struct stepper st = stepper_of(script_vm(s));
	struct rng rng = { test_seed(3, (uint64_t)_i) };
	struct ref ref = { .hva = 0 };

	test_do(s, "host map name=m0 size=0x40000 backing=thp");
	ref.hva = st.vm->st->maps[0].hva;
	for (unsigned int i = 0; i < test_ops(300); i++) {
		struct op op = random_request(&ref, &rng);
		unsigned int gfn = (unsigned int)rng_below(&rng, NR_PAGES);
		g_autofree char *line =
			g_strdup_printf("guest %s vcpu=0 gpa=0x%x",
					rng_once_in(&rng, 2) ? "read" : "write", gfn << 12);
		g_autofree char *out = NULL;
		const struct ref_slot *slot;
		int id, want;

		op.slot &= 0xffff;
		want = ref_apply(&ref, &op);
		must(stepper_set_region(&st, &op) == want, "request %u", i);
		out = test_line(s, line);
		slot = ref_at(&ref, 0, gfn, &id);
		if (slot && (!(slot->flags & MEM_READONLY) || strstr(line, "read")))
			must(!strstr(out, "mmio-"), "%s: expected no MMIO, found\n%s", line, out);
		else
			must(strstr(out, "mmio-") != NULL, "%s: expected MMIO, found\n%s", line,
			     out);
		if (slot && strstr(line, "write") && !(slot->flags & MEM_READONLY) &&
		    (slot->flags & MEM_LOG_DIRTY_PAGES))
			ref.slot[0][id].dirty[gfn - slot->base] = true;
		test_check_rest(st.vm);
	}
	script_free(s);
}
END_TEST

/* ---- the largest mapping that a slot allows ---------------------------------------------------------- */

/* Every page of the block is in the slot, and the block starts at an aligned host address. */
static bool block_fits(const struct memslot *s, gfn_t gfn, uint64_t pages)
{
	gfn_t first = gfn / pages * pages;

	for (gfn_t g = first; g < first + pages; g++)
		if (g < s->base_gfn || g >= s->base_gfn + s->npages)
			return false;
	return ((s->hva >> 12) + first - s->base_gfn) % pages == 0;
}

START_TEST(a_mapping_is_as_large_as_slot_and_host_address_allow)
{
	struct script *s = test_script("x86-6.12+machine=ept", "code=0 geom=ept-1x4");
	struct vm *vm = script_vm(s);
	struct memslot *slot = &vm->slots[1];

	for (unsigned int n = 0; n < 16 * 16 * 8; n++) {
		*slot = (struct memslot){ .base_gfn = n & 15,
					  .npages = 1 + (n >> 4 & 15),
					  .hva = 0x100000 + ((hva_t)(n >> 8) << 12) };
		for (gfn_t gfn = slot->base_gfn; gfn < slot->base_gfn + slot->npages; gfn++) {
			unsigned int want = 2;

			while (want && !block_fits(slot, gfn, 1ULL << want))
				want--;
			ck_assert_uint_eq(memslot_max_height(vm, 1, gfn, 2), want);
			ck_assert_uint_eq(memslot_max_height(vm, 1, gfn, 0), 0);
		}
	}
	*slot = (struct memslot){ .npages = 0 };
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memslots");
	TCase *tcase = tcase_create("memslots");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, words_are_given_out_at_the_lowest_place_and_are_zero, 0, 4);
	tcase_add_test(tcase, freeing_no_words_does_nothing);
	tcase_add_loop_test(tcase, slots_are_found_as_an_array_of_pages_finds_them, 0, 4);
	tcase_add_loop_test(tcase, a_guest_between_changes_finds_its_slots_or_mmio, 0, 8);
	tcase_add_test(tcase, a_mapping_is_as_large_as_slot_and_host_address_allow);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
