/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The update of a memslot: what it does to slots, bitmaps, mappings and the generation, what each way
 * to fail leaves behind, and what readers see meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/memslots.h"
#include "model/procs.h"
#include "model/set_region.h"
#include "model/tests/model_test.h"

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
	bool zapped;        /* the slot's mappings are gone, whatever else happens */
};

static struct outcome expected_outcome(unsigned int change, uint8_t fail, bool x86)
{
	uint8_t kind = changes[change].kind;
	bool swaps_twice = kind == KVM_MR_DELETE || kind == KVM_MR_MOVE;
	struct outcome o = { .ret = "ret 0", .steps = swaps_twice ? 2 : 1, .zapped = swaps_twice };

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

/* Present leaves that map a page of [gpa, gpa + SLOT_BYTES), in any live table, linked or not. */
static unsigned int leaves_at(const struct vm *vm, gpa_t gpa)
{
	const struct pt *pt = &vm->pt;
	gfn_t start = gpa_to_gfn(&pt->geom, gpa), end = start + (SLOT_BYTES >> 12);
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
	ck_assert_uint_eq(now.pages, b->pages + (created ? SLOT_BYTES >> 12 : 0) -
					     (gone ? SLOT_BYTES >> 12 : 0));
	ck_assert_uint_eq(now.words, logs ? 2 * bitmap_words(SLOT_BYTES >> 12) : 0);
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
			       kind == KVM_MR_DELETE ? 0 : SLOT_BYTES,
			       kind == KVM_MR_DELETE ? "none" : changes[change].new_flags,
			       *fail ? "fail=" : "", fail);
}

static struct script *before_change(int machine, unsigned int change)
{
	bool creates = changes[change].kind == KVM_MR_CREATE;
	struct script *s = test_two_slots(machines[machine].policy, machines[machine].keys,
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

	ck_assert_msg(recovers || (leaves_at(vm, GPA_0) == 0) == (o->zapped || creates),
		      "%s, %s: %u leaves", machines[machine].policy, changes[change].name,
		      leaves_at(vm, GPA_0));
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
	g_autofree char *line = change_line(change, fail == FP_NONE ? "" : fail_point_names[fail]);
	g_autofree char *out = test_line(s, line);

	ck_assert_msg(test_has_line(out, o.ret), "%s, %s: %s: expected %s, found\n%s",
		      machines[machine].policy, changes[change].name, line, o.ret, out);
	test_check_rest(vm);
	ck_assert_uint_eq(memslots_generation(vm, 0),
			  b.generation + (uint64_t)o.steps * vm->cfg->rules.nr_as);
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
		for (unsigned int fail = FP_NONE; fail < NR_FAIL_POINTS; fail++)
			check_failure(_i, change, (uint8_t)fail);
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
	struct script *s = test_two_slots("x86-6.12", "", "none");
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
	{ "op set_region slot=2 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0", "o", "nw",
	  ".!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x0 flags=none map=m0+0x0", "oin", "n",
	  ".!.!." },
	{ "op set_region slot=0 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0", "oin", "nw",
	  ".!.!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x400000 flags=log map=m0+0x0", "ow", "n",
	  ".!." },
	{ "op set_region slot=0 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0 fail=archveto",
	  "oio", "n", ".!.!." },
	{ "op set_region slot=0 gpa=0x1000000 size=0x0 flags=none map=m0+0x0 fail=scratch", "o",
	  "n", "." },
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
	op.hva = test_map_hva(script_vm(s)) + l.u.region.loc.off;
	while (*l.u.region.fail && strcmp(fail_point_names[op.fail], l.u.region.fail) != 0)
		op.fail++;
	lang_line_clear(&l);
	return op;
}

START_TEST(readers_see_old_then_invalid_then_the_outcome)
{
	static const char letters[] = { 'n', 'o', 'i', 'w' };
	struct script *s = test_two_slots("x86-6.12", "", "none");
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
	Suite *suite = suite_create("set_memslot");
	TCase *update = tcase_create("updates");
	SRunner *runner = srunner_create(suite);
	int failed;

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
