/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM_SET_USER_MEMORY_REGION: which check wins, what kind of change a request is, what an update does
 * to the generation, and what each way to fail leaves behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/memslots.h"
#include "model/procs.h"
#include "model/set_region.h"
#include "model/tests/model_test.h"

enum {
	SIZE = 0x400000,
	GPA_0 = 0x1000000, /* slots 0 and 1, and a place for a third */
	GPA_1 = 0x2000000,
	GPA_FREE = 0x4000000,
};

static hva_t map_hva(const struct vm *vm)
{
	return vm->st->maps[0].hva;
}

/* Slots 0 (flags as given) and 1 over the two halves of a mapping m0, no code page. */
static struct script *two_slots(const char *policy, const char *keys, const char *flags)
{
	g_autofree char *all = g_strconcat("code=0 ", keys, NULL);
	struct script *s = test_script(policy, all);
	g_autofree char *line =
		g_strdup_printf("op set_region slot=0 gpa=0x%x size=0x%x flags=%s map=m0+0x0%s",
				GPA_0, SIZE, flags, strstr(flags, "uf") ? " bitmap=b0" : "");

	test_do(s, "host map name=m0 size=0x800000 backing=thp");
	test_do(s, line);
	test_do(s, "op set_region slot=1 gpa=0x2000000 size=0x400000 flags=none map=m0+0x400000");
	return s;
}

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

static void userfault_without_bitmap(const struct vm *vm, struct op *op)
{
	(void)vm;
	op->flags |= MEM_USERFAULT;
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
	op->gpa = (op->gpa & 0xfff) | (GPA_1 + SIZE - 0x1000);
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
	{ "userfault bitmap", userfault_without_bitmap, 9, EINVAL },
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
	return (struct op){ .slot = 2, .gpa = GPA_FREE, .size = SIZE, .hva = map_hva(vm) };
}

static int check(const struct vm *vm, const struct op *op)
{
	uint8_t change = KVM_MR_NONE;
	uint32_t old = 0;

	return set_region_check(vm, op, &change, &old);
}

START_TEST(good_a_request_that_creates_a_slot_passes)
{
	struct script *s = two_slots(check_policies[_i], "", "none");
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
	struct script *s = two_slots(check_policies[_i], "", "none");

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

	return a->rank == b->rank || (a->rank == 7 && b->rank == 16) || (deletes && (other == 7 || other == 8 || other >= 14));
}

START_TEST(the_first_of_two_failing_checks_wins)
{
	struct script *s = two_slots(check_policies[_i], "", "none");
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
	{ "the last slot id", "x86-6.12", { .slot = 32763, .gpa = GPA_FREE, .size = SIZE }, 0 },
	{ "one beyond it", "x86-6.12", { .slot = 32764, .gpa = GPA_FREE, .size = SIZE }, EINVAL },
	{ "arm64 has three more", "arm64-6.12", { .slot = 32766, .gpa = GPA_FREE, .size = SIZE }, 0 },
	{ "one beyond them", "arm64-6.12", { .slot = 32767, .gpa = GPA_FREE, .size = SIZE }, EINVAL },
	{ "SMM", "x86-6.12", { .slot = 1 << 16, .gpa = GPA_1, .size = SIZE }, 0 },
	{ "no SMM", "arm64-6.12", { .slot = 1 << 16, .gpa = GPA_1, .size = SIZE }, EINVAL },
	{ "2^31 - 1 pages", "x86-6.12", { .slot = 2, .gpa = BIT(44), .size = (BIT(31) - 1) << 12 }, 0 },
	{ "2^31 pages", "x86-6.12", { .slot = 2, .gpa = BIT(44), .size = BIT(43) }, EINVAL },
	{ "the end of user space",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .hva = BIT(47) - 4096 - SIZE },
	  0 },
	{ "a page beyond it",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .hva = BIT(47) - SIZE },
	  EINVAL },
	{ "arm64's is twice as far",
	  "arm64-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .hva = BIT(48) - SIZE },
	  0 },
	{ "and ends there",
	  "arm64-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .hva = BIT(48) - SIZE + 4096 },
	  EINVAL },
	{ "the last gpa does not count as wrapping",
	  "x86-6.12",
	  { .slot = 2, .gpa = 0 - 2ULL * SIZE, .size = SIZE },
	  0 },
	{ "its end does", "x86-6.12", { .slot = 2, .gpa = 0 - 1ULL * SIZE, .size = SIZE }, EINVAL },
	{ "next to a slot", "x86-6.12", { .slot = 2, .gpa = GPA_1 + SIZE, .size = SIZE }, 0 },
	{ "before a slot", "x86-6.12", { .slot = 2, .gpa = GPA_1 - SIZE, .size = SIZE }, 0 },
	{ "on its last page",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 + SIZE - 0x1000, .size = SIZE },
	  EEXIST },
	{ "on its first page",
	  "x86-6.12",
	  { .slot = 2, .gpa = GPA_1 - SIZE + 0x1000, .size = SIZE },
	  EEXIST },
	{ "around it", "x86-6.12", { .slot = 2, .gpa = GPA_1 - SIZE, .size = 3 * SIZE }, EEXIST },
	{ "a move over its own range", "x86-6.12", { .slot = 0, .gpa = GPA_0 + 0x1000, .size = SIZE }, 0 },
	{ "a move onto another slot", "x86-6.12", { .slot = 0, .gpa = GPA_1, .size = SIZE }, EEXIST },
	{ "a deletion looks at no range", "x86-6.12", { .slot = 0, .gpa = GPA_1 }, 0 },
	{ "but at its hva", "x86-6.12", { .slot = 0, .hva = BIT(63) }, EINVAL },
	{ "and at its flags", "x86-6.12", { .slot = 0, .flags = MEM_USERFAULT }, EINVAL },
	{ "a readable userfault bitmap",
	  "x86-uf-v3",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .flags = MEM_USERFAULT, .uf_bitmap = 2 },
	  0 },
	{ "an unreadable one in user space",
	  "x86-uf-v3",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .flags = MEM_USERFAULT, .uf_bad = 1 },
	  0 },
	{ "v1 on arm64 looks at no pointer",
	  "arm64-uf-v1",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .flags = MEM_USERFAULT },
	  0 },
	{ "without the series no userfault",
	  "arm64-6.12",
	  { .slot = 2, .gpa = GPA_FREE, .size = SIZE, .flags = MEM_USERFAULT, .uf_bitmap = 2 },
	  EINVAL },
};

START_TEST(each_limit_holds_to_the_page)
{
	const struct edge_case *e = &edges[_i];
	struct script *s = two_slots(e->policy, "", "none");
	struct op op = e->op;
	int err;

	if (!op.hva)
		op.hva = map_hva(script_vm(s));
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
	{ "x86-6.12", { .gpa = BIT(40), .size = SIZE }, EINVAL },
	{ "arm64-6.12", { .gpa = BIT(40), .size = SIZE }, EFAULT },
	{ "x86-6.12", { .gpa = BIT(40) - SIZE, .size = SIZE }, 0 },
	{ "arm64-6.12", { .gpa = BIT(40) - SIZE, .size = SIZE }, 0 },
	{ "arm64-6.12", { .gpa = BIT(40), .size = SIZE, .fail = FP_SLOT }, ENOMEM },
	{ "arm64-6.12",
	  { .gpa = BIT(40), .size = SIZE, .flags = MEM_LOG_DIRTY_PAGES, .fail = FP_BITMAP },
	  ENOMEM },
	{ "arm64-6.12", { .gpa = BIT(40), .size = SIZE, .flags = MEM_LOG_DIRTY_PAGES }, EFAULT },
	{ "x86-6.12", { .gpa = BIT(40), .size = SIZE, .fail = FP_ARCHMETA }, EINVAL },
	{ "x86-6.12", { .gpa = GPA_FREE, .size = SIZE, .fail = FP_ARCHMETA }, ENOMEM },
	{ "arm64-6.12", { .gpa = GPA_FREE, .size = SIZE, .fail = FP_ARCHMETA }, 0 },
	{ "x86-6.12", { .gpa = GPA_FREE, .size = SIZE, .fail = FP_ARCHVETO }, EINVAL },
};

START_TEST(the_architecture_is_asked_last)
{
	struct script *s = two_slots(late[_i].policy, "", "none");
	struct stepper st = stepper_of(script_vm(s));
	struct op op = late[_i].op;
	uint64_t words = test_words_in_use(st.vm);
	int err;

	op.slot = 2;
	op.hva = map_hva(st.vm);
	err = stepper_set_region(&st, &op);
	ck_assert_msg(err == -late[_i].err, "row %d: expected -%d, found %d", _i, late[_i].err, err);
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
	struct script *s = two_slots("x86-uf-v3", "", old_flags[_i]);
	const struct vm *vm = script_vm(s);
	uint32_t slot = memslot_by_id(vm, 0, memslots_active(vm, 0), 0);

	for (unsigned int d = 0; d < NR_DIFFERENCES; d++) {
		struct op op = with_differences(vm, &vm->slots[slot], d);
		int want = d & D_GFN	       ? KVM_MR_MOVE
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

/* ---- failures ----------------------------------------------------------------------------------- */

static const struct {
	const char *policy, *keys;
	bool x86, zaps_all;
} machines[] = {
	{ "x86-6.1", "", true, true },
	{ "x86-6.1+mmu=legacy", "", true, true },
	{ "x86-6.12+machine=ept", "", true, true },
	{ "x86-6.12", "zapall=0", true, false },
	{ "x86-6.12+machine=ept-noad+slot-flush=zap-slot-leafs", "", true, false },
	{ "x86-7.2+machine=ept", "manual=3", true, true },
	{ "arm64-6.1", "", false, false },
	{ "arm64-6.12+cache=nofwb", "", false, false },
	{ "arm64-7.0", "manual=3", false, false },
};

static const struct {
	const char *name, *old_flags, *new_flags;
	uint8_t kind;
	bool bitmap; /* allocates one */
} changes[] = {
	{ "create", NULL, "none", KVM_MR_CREATE, false },
	{ "create with log", NULL, "log", KVM_MR_CREATE, true },
	{ "delete", "none", NULL, KVM_MR_DELETE, false },
	{ "delete of a logged slot", "log", NULL, KVM_MR_DELETE, false },
	{ "move", "none", "none", KVM_MR_MOVE, false },
	{ "move with log", "log", "log", KVM_MR_MOVE, false },
	{ "move and log", "none", "log", KVM_MR_MOVE, true },
	{ "move and no log", "log", "none", KVM_MR_MOVE, false },
	{ "log", "none", "log", KVM_MR_FLAGS_ONLY, true },
	{ "no log", "log", "none", KVM_MR_FLAGS_ONLY, false },
};

struct outcome {
	const char *ret;
	unsigned int steps; /* of the generation */
	bool zapped;	    /* the slot's mappings are gone, whatever else happens */
};

static struct outcome expected_outcome(unsigned int change, uint8_t fail, bool x86)
{
	uint8_t kind = changes[change].kind;
	bool swaps_twice = kind == KVM_MR_DELETE || kind == KVM_MR_MOVE;
	struct outcome o = { .ret = "ret 0",
			     .steps = swaps_twice ? 2 : 1,
			     .zapped = swaps_twice };

	if ((fail == FP_SLOT && kind != KVM_MR_DELETE) || (fail == FP_SCRATCH && swaps_twice))
		return (struct outcome){ "ret -ENOMEM", 0, false };
	if ((fail == FP_BITMAP && changes[change].bitmap) ||
	    (fail == FP_ARCHMETA && x86 && (kind == KVM_MR_CREATE || kind == KVM_MR_MOVE)))
		o.ret = "ret -ENOMEM";
	if (fail == FP_ARCHVETO && kind != KVM_MR_DELETE)
		o.ret = "ret -EINVAL";
	if (strcmp(o.ret, "ret 0") != 0)
		o.steps = swaps_twice ? 2 : 0;
	return o;
}

/* Present leaves that map a page of [gpa, gpa + SIZE), in any live table, linked or not. */
static unsigned int leaves_at(const struct vm *vm, gpa_t gpa)
{
	const struct pt *pt = &vm->pt;
	gfn_t start = gpa_to_gfn(&pt->geom, gpa), end = start + (SIZE >> 12);
	unsigned int n = 0;

	for (uint32_t t = 1; t < pt->head->high_water; t++) {
		const struct pt_meta *m = &pt->meta[t];

		for (uint32_t i = 0; m->state == PT_LIVE && i < geom_entries(&pt->geom); i++) {
			gfn_t gfn = pt_entry_gfn(pt, t, i);

			n += pte_is_leaf(pt->fmt, *pt_entry(pt, t, i), m->height) && gfn < end &&
			     gfn + geom_pages(&pt->geom, m->height) > start;
		}
	}
	return n;
}

/* All that must be as before when a change fails. */
struct before {
	struct memslot slot, other;
	uint32_t nr, other_nr, nr_slots, logging;
	uint64_t words, generation, bits, pages;
};

static struct before take(const struct vm *vm)
{
	struct before b = {
		.nr = memslot_by_id(vm, 0, memslots_active(vm, 0), 0),
		.other_nr = memslot_by_id(vm, 0, memslots_active(vm, 0), 1),
		.nr_slots = vm->st->nr_slots,
		.logging = vm->st->nr_memslots_dirty_logging,
		.words = test_words_in_use(vm),
		.generation = memslots_generation(vm, 0),
		.pages = vm->st->nr_memslot_pages,
	};

	b.slot = vm->slots[b.nr];
	b.other = vm->slots[b.other_nr];
	for (uint64_t i = 0; b.slot.bitmap && i < bitmap_words(b.slot.npages); i++)
		b.bits += (uint64_t)__builtin_popcountll(vm->words[b.slot.bitmap + i]);
	return b;
}

static void check_nothing_changed(const struct vm *vm, const struct before *b)
{
	struct before now = take(vm);

	ck_assert_uint_eq(now.nr, b->nr);
	ck_assert_mem_eq(&now.slot, &b->slot, sizeof(now.slot));
	ck_assert_mem_eq(&now.other, &b->other, sizeof(now.other));
	ck_assert_uint_eq(now.nr_slots, b->nr_slots);
	ck_assert_uint_eq(now.logging, b->logging);
	ck_assert_uint_eq(now.words, b->words);
	ck_assert_uint_eq(now.pages, b->pages);
	ck_assert_uint_eq(now.bits, b->bits);
}

/* What a successful change leaves: objects, pages and words that are used, no others. */
static void check_change(const struct vm *vm, unsigned int change, const struct before *b)
{
	struct before now = take(vm);
	uint8_t kind = changes[change].kind;
	bool created = kind == KVM_MR_CREATE, gone = kind == KVM_MR_DELETE;
	bool logs = !gone && strcmp(changes[change].new_flags, "log") == 0;
	bool reuses = logs && changes[change].old_flags && !changes[change].bitmap;

	ck_assert_uint_eq(now.nr_slots, b->nr_slots + created - gone);
	ck_assert_uint_eq(now.pages, b->pages + (created ? SIZE >> 12 : 0) - (gone ? SIZE >> 12 : 0));
	ck_assert_uint_eq(now.words, logs ? 2 * bitmap_words(SIZE >> 12) : 0);
	ck_assert_uint_eq(now.logging, logs);
	ck_assert_int_eq(now.nr == 0, gone);
	if (!gone)
		ck_assert_int_eq(now.slot.flags, logs ? MEM_LOG_DIRTY_PAGES : 0);
	if (reuses) {
		ck_assert_uint_eq(now.slot.bitmap, b->slot.bitmap);
		ck_assert_uint_eq(now.bits, b->bits);
	}
}

static char *change_line(unsigned int change, const char *fail)
{
	uint8_t kind = changes[change].kind;

	return g_strdup_printf("op set_region slot=0 gpa=0x%x size=0x%x flags=%s map=m0+0x0 %s%s",
			       kind == KVM_MR_MOVE ? GPA_FREE : GPA_0,
			       kind == KVM_MR_DELETE ? 0 : SIZE,
			       kind == KVM_MR_DELETE ? "none" : changes[change].new_flags,
			       *fail ? "fail=" : "", fail);
}

static struct script *before_change(int machine, unsigned int change)
{
	bool creates = changes[change].kind == KVM_MR_CREATE;
	struct script *s = two_slots(machines[machine].policy, machines[machine].keys,
				     creates ? "none" : changes[change].old_flags);

	if (creates)
		test_do(s, "op set_region slot=0 gpa=0x1000000 size=0x0 flags=none map=m0+0x0");
	else
		test_do(s, "guest write vcpu=0 gpa=0x1000000 n=3 stride=0x5000");
	test_do(s, "guest write vcpu=0 gpa=0x2000000");
	return s;
}

static void check_mappings(const struct vm *vm, int machine, unsigned int change,
			   const struct outcome *o)
{
	bool creates = changes[change].kind == KVM_MR_CREATE;
	bool recovers = changes[change].kind == KVM_MR_FLAGS_ONLY && !changes[change].bitmap &&
			strcmp(o->ret, "ret 0") == 0;

	ck_assert_msg(recovers || (leaves_at(vm, GPA_0) == 0) == (o->zapped || creates), "%s, %s: %u leaves",
		      machines[machine].policy, changes[change].name, leaves_at(vm, GPA_0));
	ck_assert_uint_eq(leaves_at(vm, GPA_FREE), 0);
	ck_assert_int_eq(leaves_at(vm, GPA_1) == 0, o->zapped && machines[machine].zaps_all);
}

/* One change with one failure point on one machine. */
static void check_failure(int machine, unsigned int change, uint8_t fail)
{
	struct outcome o = expected_outcome(change, fail, machines[machine].x86);
	struct script *s = before_change(machine, change);
	const struct vm *vm = script_vm(s);
	struct before b = take(vm);
	g_autofree char *line =
		change_line(change, fail == FP_NONE ? "" : fail_point_names[fail]);
	g_autofree char *out = test_line(s, line);

	ck_assert_msg(test_has_line(out, o.ret), "%s, %s: %s: expected %s, found\n%s",
		      machines[machine].policy, changes[change].name, line, o.ret, out);
	test_check_rest(vm);
	ck_assert_uint_eq(memslots_generation(vm, 0),
			  b.generation + o.steps * vm->cfg->rules.nr_as);
	check_mappings(vm, machine, change, &o);
	if (strcmp(o.ret, "ret 0") == 0)
		check_change(vm, change, &b);
	else
		check_nothing_changed(vm, &b);
	script_free(s);
}

START_TEST(a_change_either_happens_or_leaves_the_old_slot)
{
	for (unsigned int change = 0; change < G_N_ELEMENTS(changes); change++)
		for (uint8_t fail = FP_NONE; fail < NR_FAIL_POINTS; fail++)
			check_failure(_i, change, fail);
}
END_TEST

START_TEST(after_a_failed_move_the_guest_goes_on_in_the_old_range_and_is_logged)
{
	struct script *s = before_change(_i, 5);
	g_autofree char *out = NULL, *dirty = NULL, *outside = NULL;
	g_autofree char *line = change_line(5, "archveto");

	g_free(test_line(s, line));
	out = test_line(s, "guest write vcpu=0 gpa=0x1007000");
	ck_assert(test_has_line(out, "exit vcpu=0 done"));
	outside = test_line(s, "guest write vcpu=0 gpa=0x4000000");
	ck_assert(test_has_line(outside, "exit vcpu=0 mmio-write gpa=0x4000000"));
	dirty = test_line(s, "op get_dirty slot=0");
	if (script_vm(s)->cfg->manual == 3)
		ck_assert(test_has_line(dirty, "dirty slot=0 n=1024 pages=0x0-0x3ff"));
	else
		ck_assert_msg(test_has_line(dirty, "dirty slot=0 n=4 pages=0x0,0x5,0x7,0xa"), "%s",
			      dirty);
	script_free(s);
}
END_TEST

/* ---- generations, address spaces ------------------------------------------------------------------ */

START_TEST(each_address_space_counts_its_own_generations)
{
	struct script *s = two_slots("x86-6.12", "", "none");
	const struct vm *vm = script_vm(s);
	uint64_t as0 = memslots_generation(vm, 0), as1 = memslots_generation(vm, 1);

	ck_assert_uint_eq(as0, 4);
	ck_assert_uint_eq(as1, 1);
	test_do(s, "op set_region slot=65536 gpa=0x1000000 size=0x400000 flags=none map=m0+0x0");
	ck_assert_uint_eq(memslots_generation(vm, 0), as0);
	ck_assert_uint_eq(memslots_generation(vm, 1), as1 + 2);
	ck_assert_uint_ne(memslot_find(vm, 0, GPA_0 >> 12), memslot_find(vm, 1, GPA_0 >> 12));
	/* the same id and range in both: no overlap, and deleting one leaves the other */
	test_do(s, "op set_region slot=65536 gpa=0x1000000 size=0x0 flags=none map=m0+0x0");
	ck_assert_uint_eq(memslots_generation(vm, 1), as1 + 6);
	ck_assert_uint_eq(memslot_find(vm, 1, GPA_0 >> 12), 0);
	ck_assert_uint_ne(memslot_find(vm, 0, GPA_0 >> 12), 0);
	test_check_rest(vm);
	script_free(s);
}
END_TEST

START_TEST(a_request_that_changes_nothing_touches_nothing)
{
	struct script *s = test_script("arm64-6.12", "code=0 geom=arm64-2x3");
	struct vm_hash before, after;

	test_do(s, "host map name=m0 size=0x10000 backing=thp");
	test_do(s, "op set_region slot=0 gpa=0x0 size=0x10000 flags=log map=m0+0x0");
	before = vm_hash(script_vm(s));
	test_do(s, "op set_region slot=0 gpa=0x0 size=0x10000 flags=log map=m0+0x0");
	after = vm_hash(script_vm(s));
	ck_assert_mem_eq(&before, &after, sizeof(before));
	test_do(s, "op set_region slot=0 gpa=0x0 size=0x10000 flags=none map=m0+0x0");
	after = vm_hash(script_vm(s));
	ck_assert_mem_ne(&before, &after, sizeof(before));
	script_free(s);
}
END_TEST

/* ---- what readers see meanwhile -------------------------------------------------------------------- */

enum seen {
	SEES_NOTHING,
	SEES_OLD,
	SEES_INVALID,
	SEES_NEW,
};

/* What a lookup in slot 0's old range or in its new place finds. */
static enum seen look(const struct vm *vm, gpa_t gpa, uint32_t old)
{
	uint32_t slot = memslot_find(vm, 0, gpa >> 12);

	if (!slot)
		return SEES_NOTHING;
	if (vm->slots[slot].flags & MEMSLOT_INVALID)
		return SEES_INVALID;
	return slot == old ? SEES_OLD : SEES_NEW;
}

static void append_change(GString *s, char c)
{
	if (s->len == 0 || s->str[s->len - 1] != c)
		g_string_append_c(s, c);
}

/* Sequences of what is seen: n nothing, o old, i invalid, w new; '!' while bit 63 is set. */
static const struct {
	const char *line;
	const char *old_place, *new_place, *updates;
} views[] = {
	{ "op set_region slot=2 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0", "o", "nw", ".!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x0 flags=none map=m0+0x0", "oin", "n", ".!.!." },
	{ "op set_region slot=0 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0", "oin", "nw",
	  ".!.!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x400000 flags=log map=m0+0x0", "ow", "n", ".!." },
	{ "op set_region slot=0 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0 fail=archveto",
	  "oio", "n", ".!.!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x0 flags=none map=m0+0x0 fail=scratch", "o", "n",
	  "." },
};

static struct op op_of_line(struct script *s, const char *text)
{
	struct lang_line l;
	struct op op = { 0 };

	ck_assert(lang_parse_line(text, "test", 1, &l, NULL));
	op.slot = l.u.region.slot;
	op.gpa = l.u.region.gpa;
	op.size = l.u.region.size;
	op.flags = l.u.region.flags;
	op.hva = map_hva(script_vm(s)) + l.u.region.loc.off;
	while (*l.u.region.fail && strcmp(fail_point_names[op.fail], l.u.region.fail) != 0)
		op.fail++;
	lang_line_clear(&l);
	return op;
}

START_TEST(readers_see_old_then_invalid_then_the_outcome)
{
	static const char letters[] = { 'n', 'o', 'i', 'w' };
	struct script *s = two_slots("x86-6.12", "", "none");
	struct stepper st = stepper_of(script_vm(s));
	uint32_t a = vm_actor_vmm(st.vm), old = memslot_find(st.vm, 0, GPA_0 >> 12);
	g_autoptr(GString) at_old = g_string_new(NULL), at_new = g_string_new(NULL);
	g_autoptr(GString) updates = g_string_new(NULL);

	st.vm->ops[a] = op_of_line(s, views[_i].line);
	actor_start(st.vm, a, P_set_memory_region, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	do {
		append_change(at_old, letters[look(st.vm, GPA_0, old)]);
		append_change(at_new, letters[look(st.vm, GPA_FREE, old)]);
		append_change(updates, memslots_generation(st.vm, 0) & BIT(63) ? '!' : '.');
		while (!actor_enabled(st.vm, a))
			ck_assert(stepper_rules(&st));
	} while (stepper_step(&st, a) != STEP_DONE);
	append_change(at_old, letters[look(st.vm, GPA_0, old)]);
	append_change(updates, memslots_generation(st.vm, 0) & BIT(63) ? '!' : '.');
	ck_assert_str_eq(at_old->str, views[_i].old_place);
	ck_assert_str_eq(at_new->str, views[_i].new_place);
	ck_assert_str_eq(updates->str, views[_i].updates);
	st.vm->actors[a].ret = 0;
	test_check_rest(st.vm);
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("set_region");
	TCase *order = tcase_create("checks"), *update = tcase_create("updates");
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
	tcase_add_loop_test(update, a_change_either_happens_or_leaves_the_old_slot, 0,
			    G_N_ELEMENTS(machines));
	tcase_add_loop_test(update,
			    after_a_failed_move_the_guest_goes_on_in_the_old_range_and_is_logged, 0,
			    G_N_ELEMENTS(machines));
	tcase_add_test(update, each_address_space_counts_its_own_generations);
	tcase_add_test(update, a_request_that_changes_nothing_touches_nothing);
	tcase_add_loop_test(update, readers_see_old_then_invalid_then_the_outcome, 0,
			    G_N_ELEMENTS(views));
	suite_add_tcase(suite, update);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
