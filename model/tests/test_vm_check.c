/* SPDX-License-Identifier: Apache-2.0 */
/* vm_check() and vtlb_check() notice each invariant that is broken by hand. */
#include <stdlib.h>

#include <check.h>

#include "model/hostmm.h"
#include "model/tests/model_test.h"
#include "model/vtlb.h"
#include "model/x86.h"

enum {
	SLOT_0_GFN = 0x40000,
};

/* The leaf that maps @gfn in the first root. */
static pte_t *leaf_of(const struct vm *vm, gfn_t gfn)
{
	struct pt_pos p = pt_lookup(&vm->pt, vm->st->roots[0].table, gfn);

	return pt_entry(&vm->pt, p.table, p.index);
}

static void break_sets(struct vm *vm)
{
	memslots_ids(vm, 0, 1)[0] = memslots_ids(vm, 0, 1)[1];
}

static void break_order(struct vm *vm)
{
	vm->slots[memslots_ids(vm, 0, 0)[0]].npages += 0x100000;
}

static void leave_invalid(struct vm *vm)
{
	vm->slots[memslots_ids(vm, 0, 0)[0]].flags |= MEMSLOT_INVALID;
}

static void keep_lock(struct vm *vm)
{
	vm->st->lock[OBJ_MMU_LOCK].readers = 1;
}

static void keep_reader(struct vm *vm)
{
	vm->st->srcu.count[1] = 1;
}

static void keep_invalidation(struct vm *vm)
{
	vm->st->mn_active_invalidate_count = 1;
}

static void keep_update(struct vm *vm)
{
	vm->st->sets[0][memslots_active(vm, 0)].generation |= MEMSLOT_GEN_UPDATE_IN_PROGRESS;
}

static void miscount_logging(struct vm *vm)
{
	vm->st->nr_memslots_dirty_logging++;
}

static void lose_slot(struct vm *vm)
{
	memslot_alloc(vm);
}

static void lose_entry(struct vm *vm)
{
	leaf_of(vm, SLOT_0_GFN)->v = vm->pt.fmt->empty; /* behind pt_set()'s back */
}

static void move_frame(struct vm *vm)
{
	leaf_of(vm, SLOT_0_GFN)->v += 1ULL << 12;
}

static void drop_host_page(struct vm *vm)
{
	hostmm_discard(vm, vm->st->maps[0].hva, vm->st->maps[0].hva + 4096);
}

static void protect_host_page(struct vm *vm)
{
	hva_t hva = vm->st->maps[0].hva;

	hostmm_protect(vm, hva, hva + 4096, false);
	hostmm_protect_entries(vm, hva, hva + 4096, false);
}

static void make_slot_read_only(struct vm *vm)
{
	vm->slots[memslots_ids(vm, 0, 0)[0]].flags |= MEM_READONLY;
}

static void shrink_slot(struct vm *vm)
{
	vm->slots[memslots_ids(vm, 0, 0)[0]].base_gfn++;
	vm->slots[memslots_ids(vm, 0, 0)[0]].npages--;
}

static void use_freed_slot(struct vm *vm)
{
	vm->st->freed_slot_used = 1;
}

static const struct {
	const char *what;
	void (*damage)(struct vm *vm);
	const char *number;
} cases[] = {
	{ "sets that differ", break_sets, "V1" },
	{ "slots that overlap", break_order, "V1" },
	{ "an INVALID slot", leave_invalid, "V1" },
	{ "a lock", keep_lock, "V2" },
	{ "a reader", keep_reader, "V2" },
	{ "an invalidation", keep_invalidation, "V3" },
	{ "an update", keep_update, "V3" },
	{ "the logging count", miscount_logging, "V4" },
	{ "a lost slot object", lose_slot, "V4" },
	{ "a lost entry", lose_entry, "nr_used" },
	{ "a wrong frame", move_frame, "V6" },
	{ "a page that is gone", drop_host_page, "V6" },
	{ "a page that became read-only", protect_host_page, "V6" },
	{ "a read-only slot", make_slot_read_only, "V6" },
	{ "a leaf outside its slot", shrink_slot, "V6" },
	{ "a freed slot in use", use_freed_slot, "V7" },
};

/* Two slots of small pages, the first page of the first written. */
static struct script *populated(const char *keys)
{
	struct script *s = test_script("x86-6.12+machine=npt", keys);
	static const char *const lines[] = {
		"host map name=m0 size=0x8000 backing=anon",
		"op set_region slot=0 gpa=0x40000000 size=0x4000 flags=none map=m0+0x0",
		"op set_region slot=1 gpa=0x50000000 size=0x4000 flags=none map=m0+0x4000",
		"guest write vcpu=0 gpa=0x40000000",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
		g_free(test_line(s, lines[i]));
	return s;
}

START_TEST(good_a_populated_vm_satisfies_every_invariant)
{
	struct script *s = populated("code=0 tlb=set");
	const char *why;

	ck_assert_msg(vm_check(script_vm(s), &why), "%s", why);
	ck_assert_msg(vtlb_check(script_vm(s), &why), "%s", why);
	script_free(s);
}
END_TEST

START_TEST(bad_each_damage_is_named)
{
	struct script *s = populated("code=0");
	const char *why = NULL;

	cases[_i].damage(script_vm(s));
	ck_assert_msg(!vm_check(script_vm(s), &why), "%s: nothing found", cases[_i].what);
	ck_assert_msg(strstr(why, cases[_i].number) != NULL, "%s: expected %s, found %s",
		      cases[_i].what, cases[_i].number, why);
	script_free(s);
}
END_TEST

START_TEST(bad_a_tlb_entry_of_a_page_that_is_gone)
{
	struct script *s = populated("code=0 tlb=set");
	const char *why = NULL;

	drop_host_page(script_vm(s));
	ck_assert(!vtlb_check(script_vm(s), &why));
	ck_assert_msg(strstr(why, "T6") != NULL, "%s", why);
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vm_check");
	TCase *tc = tcase_create("invariants");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, good_a_populated_vm_satisfies_every_invariant);
	tcase_add_loop_test(tc, bad_each_damage_is_named, 0, (int)G_N_ELEMENTS(cases));
	tcase_add_test(tc, bad_a_tlb_entry_of_a_page_that_is_gone);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
