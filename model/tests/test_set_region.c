/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM_SET_USER_MEMORY_REGION: which check wins, and what kind of change a request is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/memslots.h"
#include "model/procs.h"
#include "model/set_region.h"
#include "model/tests/model_test.h"

/* ---- the order of the checks ------------------------------------------------------------------- */

/* Makes a request that creates slot 2 fail one check; the bits it needs are not those of others. */
static void slot_id_too_large(const struct vm *vm, struct op *op)
{
	op->slot = (op->slot & ~0xffffU) | vm->cfg->rules.user_slots;
}

static void unknown_flag(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->flags |= 0x10;
}

static void flag_guest_memfd(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->flags |= MEM_GUEST_MEMFD;
}

static void size_unaligned(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->size |= 0x800;
}

static void gpa_unaligned(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->gpa |= 1;
}

static void hva_unaligned(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->hva |= 0x10;
}

static void hva_of_the_kernel(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->hva |= BIT(63);
}

static void address_space_too_large(const struct vm *vm, struct op *op)
{
	op->slot |= (uint32_t)vm->cfg->rules.nr_as << 16;
}

static void gpa_wraps(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->gpa |= ~0xfffULL;
}

static void too_many_pages(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->size = (op->size & 0xfff) | BIT(31 + 12);
}

static void userfault_bitmap_in_the_kernel(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->flags |= MEM_USERFAULT;
	op->uf_bad = UF_POINTER_KERNEL;
}

static void delete_of_nothing(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->size &= 0xfff;
}

static void existing_slot(struct op *op)
{
	op->slot = (op->slot & 0xffff) == 2 ? op->slot & ~0xffffU : op->slot;
}

static void other_size(const struct vm *vm, struct op *op)
{
	(void)vm;
	existing_slot(op);
	op->size += 0x1000;
}

static void other_hva(const struct vm *vm, struct op *op)
{
	(void)vm;
	existing_slot(op);
	op->hva += 0x1000;
}

static void other_readonly(const struct vm *vm, struct op *op)
{
	(void)vm;
	existing_slot(op);
	op->flags ^= MEM_READONLY;
}

static void overlap(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->gpa = (op->gpa & 0xfff) | (GPA_1 + SLOT_BYTES - 0x1000);
}

static void no_memory(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->fail = FP_SLOT;
}

/* In the kernel's order; equal ranks are forms of one check. */
static const struct check_case {
	const char *name;
	void (*make)(const struct vm *vm, struct op *op);
	int rank, err;
} checks[] = {
	{ "slot id", slot_id_too_large, 0, EINVAL },
	{ "unknown flag", unknown_flag, 1, EINVAL },
	{ "guest_memfd", flag_guest_memfd, 1, EINVAL },
	{ "size", size_unaligned, 2, EINVAL },
	{ "gpa", gpa_unaligned, 3, EINVAL },
	{ "hva", hva_unaligned, 4, EINVAL },
	{ "hva of the kernel", hva_of_the_kernel, 4, EINVAL },
	{ "address space", address_space_too_large, 6, EINVAL },
	{ "gpa wraps", gpa_wraps, 7, EINVAL },
	{ "pages", too_many_pages, 8, EINVAL },
	{ "userfault bitmap", userfault_bitmap_in_the_kernel, 9, EINVAL },
	{ "delete of nothing", delete_of_nothing, 10, EINVAL },
	{ "size of an existing slot", other_size, 14, EINVAL },
	{ "hva of an existing slot", other_hva, 14, EINVAL },
	{ "READONLY of an existing slot", other_readonly, 14, EINVAL },
	{ "overlap", overlap, 16, EEXIST },
	{ "slot object", no_memory, 17, ENOMEM },
};

static const char *const check_policies[] = { "x86-uf-v2", "x86-uf-v3", "arm64-james-v2",
					      "arm64-sean-rewrite" };

static struct op create_slot_2(const struct vm *vm)
{
	return (struct op){
		.slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = test_map_hva(vm)
	};
}

static int check(const struct vm *vm, const struct op *op)
{
	uint8_t change = KVM_MR_NONE;
	uint32_t old = 0;

	return set_region_check(vm, op, &change, &old);
}

START_TEST(good_a_request_that_creates_a_slot_passes)
{
	struct script *s = test_two_slots(check_policies[_i], "", "none");
	struct op op = create_slot_2(script_vm(s));
	uint8_t change = KVM_MR_NONE;
	uint32_t old = 99;

	ck_assert_int_eq(set_region_check(script_vm(s), &op, &change, &old), 0);
	ck_assert_uint_eq(change, KVM_MR_CREATE);
	ck_assert_uint_eq(old, 0);
	script_free(s);
}
END_TEST

START_TEST(bad_each_check_alone_gives_its_errno)
{
	struct script *s = test_two_slots(check_policies[_i], "", "none");

	for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
		struct op op = create_slot_2(script_vm(s));
		int err;

		checks[i].make(script_vm(s), &op);
		err = check(script_vm(s), &op);
		ck_assert_msg(err == -checks[i].err, "%s, %s: expected -%d, found %d",
			      check_policies[_i], checks[i].name, checks[i].err, err);
	}
	script_free(s);
}
END_TEST

/* Forms of one check, a range that wraps and one that overlaps, a deletion and what it has not. */
static bool exclude_each_other(const struct check_case *a, const struct check_case *b)
{
	bool deletes = a->rank == 10 || b->rank == 10;
	int other = a->rank == 10 ? b->rank : a->rank;

	return a->rank == b->rank || (a->rank == 7 && b->rank == 16) ||
	       (deletes && (other == 7 || other == 8 || other >= 14));
}

START_TEST(the_first_of_two_failing_checks_wins)
{
	struct script *s = test_two_slots(check_policies[_i], "", "none");
	unsigned int pairs = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
		for (size_t j = i + 1; j < G_N_ELEMENTS(checks); j++) {
			struct op op = create_slot_2(script_vm(s));
			int err;

			if (exclude_each_other(&checks[i], &checks[j]))
				continue;
			checks[i].make(script_vm(s), &op);
			checks[j].make(script_vm(s), &op);
			err = check(script_vm(s), &op);
			ck_assert_msg(err == -checks[i].err,
				      "%s, %s before %s: expected -%d, found %d",
				      check_policies[_i], checks[i].name, checks[j].name,
				      checks[i].err, err);
			pairs++;
		}
	}
	ck_assert_uint_gt(pairs, 100);
	script_free(s);
}
END_TEST

/* Just inside and just outside a limit. */
static const struct edge_case {
	const char *name, *policy;
	struct op op; /* hva 0: that of the mapping */
	int err;
} edges[] = {
	{ "the last slot id",
	  "x86-6.12",
	  { .slot = 32763, .gpa = GPA_FREE, .size = SLOT_BYTES },
	  0 },
	{ "one beyond it",
	  "x86-6.12",
	  { .slot = 32764, .gpa = GPA_FREE, .size = SLOT_BYTES },
	  EINVAL },
	{ "arm64 has three more",
	  "arm64-6.12",
	  { .slot = 32766, .gpa = GPA_FREE, .size = SLOT_BYTES },
	  0 },
	{ "one beyond them",
	  "arm64-6.12",
	  { .slot = 32767, .gpa = GPA_FREE, .size = SLOT_BYTES },
	  EINVAL },
	{ "SMM", "x86-6.12", { .slot = 1 << 16, .gpa = GPA_1, .size = SLOT_BYTES }, 0 },
	{ "no SMM", "arm64-6.12", { .slot = 1 << 16, .gpa = GPA_1, .size = SLOT_BYTES }, EINVAL },
	{ "2^31 - 1 pages",
	  "x86-6.12",
	  { .slot = 2, .gpa = BIT(44), .size = (BIT(31) - 1) << 12 },
	  0 },
	{ "2^31 pages", "x86-6.12", { .slot = 2, .gpa = BIT(44), .size = BIT(43) }, EINVAL },
	{ "the end of user space",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = BIT(47) - 4096 - SLOT_BYTES },
	  0 },
	{ "a page beyond it",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = BIT(47) - SLOT_BYTES },
	  EINVAL },
	{ "arm64's is twice as far",
	  "arm64-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = BIT(48) - SLOT_BYTES },
	  0 },
	{ "and ends there",
	  "arm64-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = BIT(48) - SLOT_BYTES + 4096 },
	  EINVAL },
	{ "the last gpa does not count as wrapping",
	  "x86-6.12",
	  { .slot = 2, .gpa = 0 - 2ULL * SLOT_BYTES, .size = SLOT_BYTES },
	  0 },
	{ "its end does",
	  "x86-6.12",
	  { .slot = 2, .gpa = 0 - 1ULL * SLOT_BYTES, .size = SLOT_BYTES },
	  EINVAL },
	{ "next to a slot",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 + SLOT_BYTES, .size = SLOT_BYTES },
	  0 },
	{ "before a slot",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 - SLOT_BYTES, .size = SLOT_BYTES },
	  0 },
	{ "on its last page",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 + SLOT_BYTES - 0x1000, .size = SLOT_BYTES },
	  EEXIST },
	{ "on its first page",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 - SLOT_BYTES + 0x1000, .size = SLOT_BYTES },
	  EEXIST },
	{ "around it",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 - SLOT_BYTES, .size = 3ULL * SLOT_BYTES },
	  EEXIST },
	{ "a move over its own range",
	  "x86-6.12",
	  { .slot = 0, .gpa = GPA_0 + 0x1000, .size = SLOT_BYTES },
	  0 },
	{ "a move onto another slot",
	  "x86-6.12",
	  { .slot = 0, .gpa = GPA_1, .size = SLOT_BYTES },
	  EEXIST },
	{ "a deletion looks at no range", "x86-6.12", { .slot = 0, .gpa = GPA_1 }, 0 },
	{ "but at its hva", "x86-6.12", { .slot = 0, .hva = BIT(63) }, EINVAL },
	{ "and at its flags", "x86-6.12", { .slot = 0, .flags = MEM_USERFAULT }, EINVAL },
	{ "a readable userfault bitmap",
	  "x86-uf-v3",
	  { .slot = 2,
	    .gpa = GPA_FREE,
	    .size = SLOT_BYTES,
	    .flags = MEM_USERFAULT,
	    .uf_bitmap = 2 },
	  0 },
	{ "an unreadable one in user space",
	  "x86-uf-v3",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .flags = MEM_USERFAULT, .uf_bad = 1 },
	  0 },
	{ "NULL is a user address",
	  "x86-uf-v3",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .flags = MEM_USERFAULT },
	  0 },
	{ "one in the kernel's half",
	  "x86-uf-v3",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .flags = MEM_USERFAULT, .uf_bad = 2 },
	  EINVAL },
	{ "v1 on arm64 looks at no pointer",
	  "arm64-uf-v1",
	  { .slot = 2, .gpa = GPA_FREE, .size = SLOT_BYTES, .flags = MEM_USERFAULT, .uf_bad = 2 },
	  0 },
	{ "without the series no userfault",
	  "arm64-6.12",
	  { .slot = 2,
	    .gpa = GPA_FREE,
	    .size = SLOT_BYTES,
	    .flags = MEM_USERFAULT,
	    .uf_bitmap = 2 },
	  EINVAL },
};

START_TEST(each_limit_holds_to_the_page)
{
	const struct edge_case *e = &edges[_i];
	struct script *s = test_two_slots(e->policy, "", "none");
	struct op op = e->op;
	int err;

	if (!op.hva)
		op.hva = test_map_hva(script_vm(s));
	err = check(script_vm(s), &op);
	ck_assert_msg(err == -e->err, "%s: expected -%d, found %d", e->name, e->err, err);
	script_free(s);
}
END_TEST

/* What the checks let pass the architecture may still refuse, after the bitmap was made. */
static const struct {
	const char *policy;
	struct op op;
	int err;
} late[] = {
	{ "x86-6.12", { .gpa = BIT(40), .size = SLOT_BYTES }, EINVAL },
	{ "arm64-6.12", { .gpa = BIT(40), .size = SLOT_BYTES }, EFAULT },
	{ "x86-6.12", { .gpa = BIT(40) - SLOT_BYTES, .size = SLOT_BYTES }, 0 },
	{ "arm64-6.12", { .gpa = BIT(40) - SLOT_BYTES, .size = SLOT_BYTES }, 0 },
	{ "arm64-6.12", { .gpa = BIT(40), .size = SLOT_BYTES, .fail = FP_SLOT }, ENOMEM },
	{ "arm64-6.12",
	  { .gpa = BIT(40), .size = SLOT_BYTES, .flags = MEM_LOG_DIRTY_PAGES, .fail = FP_BITMAP },
	  ENOMEM },
	{ "arm64-6.12",
	  { .gpa = BIT(40), .size = SLOT_BYTES, .flags = MEM_LOG_DIRTY_PAGES },
	  EFAULT },
	{ "x86-6.12", { .gpa = BIT(40), .size = SLOT_BYTES, .fail = FP_ARCHMETA }, EINVAL },
	{ "x86-6.12", { .gpa = GPA_FREE, .size = SLOT_BYTES, .fail = FP_ARCHMETA }, ENOMEM },
	{ "arm64-6.12", { .gpa = GPA_FREE, .size = SLOT_BYTES, .fail = FP_ARCHMETA }, 0 },
	{ "x86-6.12", { .gpa = GPA_FREE, .size = SLOT_BYTES, .fail = FP_ARCHVETO }, EINVAL },
};

START_TEST(the_architecture_is_asked_last)
{
	struct script *s = test_two_slots(late[_i].policy, "", "none");
	struct stepper st = stepper_of(script_vm(s));
	struct op op = late[_i].op;
	uint64_t words = test_words_in_use(st.vm);
	int err;

	op.slot = 2;
	op.hva = test_map_hva(st.vm);
	err = stepper_set_region(&st, &op);
	ck_assert_msg(err == -late[_i].err, "row %d: expected -%d, found %d", _i, late[_i].err,
		      err);
	test_check_rest(st.vm);
	ck_assert_uint_eq(st.vm->st->nr_slots, err ? 2 : 3);
	if (err)
		ck_assert_uint_eq(test_words_in_use(st.vm), words);
	script_free(s);
}
END_TEST

START_TEST(a_small_vm_that_is_full_has_no_memory_for_one_more_slot)
{
	struct script *s = test_script("x86-6.12+machine=ept", "code=0 geom=ept-2x3");
	uint32_t n = script_vm(s)->cfg->limits.nr_slots;
	g_autofree char *out = NULL;

	test_do(s, "host map name=m0 size=0x40000 backing=anon");
	for (uint32_t i = 0; i <= n; i++) {
		g_autofree char *line = g_strdup_printf(
			"op set_region slot=%u gpa=0x%x size=0x1000 flags=none map=m0+0x%x", i,
			i << 12, i << 12);

		if (i < n)
			test_do(s, line);
		else
			out = test_line(s, line);
	}
	ck_assert(test_has_line(out, "ret -ENOMEM"));
	test_check_rest(script_vm(s));
	/* one object for the new slot and one for the INVALID copy are kept for changes */
	test_do(s, "op set_region slot=0 gpa=0x0 size=0x1000 flags=log map=m0+0x0");
	test_do(s, "op set_region slot=0 gpa=0x20000 size=0x1000 flags=log map=m0+0x0");
	test_do(s, "op set_region slot=1 gpa=0x0 size=0x0 flags=none map=m0+0x0");
	script_free(s);
}
END_TEST

/* ---- kinds of change --------------------------------------------------------------------------- */

enum {
	D_SIZE = 1,
	D_HVA = 2,
	D_RO = 4,
	D_GFN = 8,
	D_LOG = 16,
	D_UF = 32,
	NR_DIFFERENCES = 64,
};

static struct op with_differences(const struct vm *vm, const struct memslot *old, unsigned int d)
{
	struct op op = { .slot = old->id,
			 .gpa = gfn_to_gpa(&vm->cfg->geom, old->base_gfn),
			 .size = old->npages << 12,
			 .hva = old->hva,
			 .flags = old->flags,
			 .uf_bad = 1 };

	op.size += d & D_SIZE ? 0x1000 : 0;
	op.hva += d & D_HVA ? 0x1000 : 0;
	op.gpa += d & D_GFN ? 0x100000 : 0;
	op.flags ^= d & D_RO ? MEM_READONLY : 0;
	op.flags ^= d & D_LOG ? MEM_LOG_DIRTY_PAGES : 0;
	op.flags ^= d & D_UF ? MEM_USERFAULT : 0;
	return op;
}

static const char *const old_flags[] = { "none",   "log",    "uf",        "ro",
					 "log+uf", "log+ro", "log+ro+uf", "ro+uf" };

START_TEST(every_set_of_differences_is_one_kind_of_change)
{
	struct script *s = test_two_slots("x86-uf-v3", "", old_flags[_i]);
	const struct vm *vm = script_vm(s);
	uint32_t slot = memslot_by_id(vm, 0, memslots_active(vm, 0), 0);

	for (unsigned int d = 0; d < NR_DIFFERENCES; d++) {
		struct op op = with_differences(vm, &vm->slots[slot], d);
		int want = d & D_GFN            ? KVM_MR_MOVE
			   : d & (D_LOG | D_UF) ? KVM_MR_FLAGS_ONLY
						: KVM_MR_NONE;
		uint8_t change = 99;
		uint32_t old = 0;
		int err = set_region_check(vm, &op, &change, &old);

		if (d & (D_SIZE | D_HVA | D_RO)) {
			ck_assert_msg(err == -EINVAL, "differences %u: %d", d, err);
			continue;
		}
		ck_assert_msg(err == 0 && change == want && old == slot,
			      "differences %u: expected change %d of slot %u, found %d, %u, %u", d,
			      want, slot, err, change, old);
		op.size = 0;
		ck_assert_int_eq(set_region_check(vm, &op, &change, &old), 0);
		ck_assert(change == KVM_MR_DELETE && old == slot);
	}
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("set_region");
	TCase *order = tcase_create("checks");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(order, good_a_request_that_creates_a_slot_passes, 0,
			    G_N_ELEMENTS(check_policies));
	tcase_add_loop_test(order, bad_each_check_alone_gives_its_errno, 0,
			    G_N_ELEMENTS(check_policies));
	tcase_add_loop_test(order, the_first_of_two_failing_checks_wins, 0,
			    G_N_ELEMENTS(check_policies));
	tcase_add_loop_test(order, each_limit_holds_to_the_page, 0, G_N_ELEMENTS(edges));
	tcase_add_loop_test(order, the_architecture_is_asked_last, 0, G_N_ELEMENTS(late));
	tcase_add_test(order, a_small_vm_that_is_full_has_no_memory_for_one_more_slot);
	tcase_add_loop_test(order, every_set_of_differences_is_one_kind_of_change, 0,
			    G_N_ELEMENTS(old_flags));
	suite_add_tcase(suite, order);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
