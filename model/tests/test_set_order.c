/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of prepare, invalidation, flush and installation of a memslot update, and what a failure
 * leaves under each: T2 of the discussion of Nov 2022.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/memslots.h"
#include "model/procs.h"
#include "model/set_region.h"
#include "model/tests/model_test.h"
#include "model/tests/scenario_text.h"

#define MOVE(more)                                                                                 \
	"op set_region slot=0 gpa=0x800000 size=0x400000 flags=none map=m0+0x0 " more "\n"
#define DELETE(more) "op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0 " more "\n"
#define MAPPED       MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n= sum 4k=0 2m=1\n"
#define STILL_MAPPED "! sum\n! trace call flush_shadow_memslot\n"
#define LOST         "= sum 4k=0 2m=0\n= trace call flush_shadow_memslot\n"
#define GOES_ON      "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"

/* clang-format off */
static const struct scenario orders[] = {
	{ "upstream a MOVE that fails has lost the slot's mappings",
	  "x86-6.1 x86-6.12 arm64-6.12 x86-6.12+order=ms-upstream "
	  "x86-6.12+order=ms-skip-prepare-on-delete", "code=0",
	  MAPPED MOVE("fail=archveto") "= ret -EINVAL\n" LOST GOES_ON },
	{ "who prepares first, or flushes after it, keeps them",
	  "x86-6.1+order=ms-prepare-first x86-6.12+order=ms-prepare-first "
	  "arm64-6.12+order=ms-prepare-first x86-6.1+order=ms-flush-after-prepare "
	  "x86-6.12+order=ms-flush-after-prepare arm64-6.1+order=ms-flush-after-prepare", "code=0",
	  MAPPED MOVE("fail=archveto") "= ret -EINVAL\n" STILL_MAPPED GOES_ON },
	{ "also when memory for metadata is short",
	  "x86-6.12+order=ms-prepare-first x86-6.12+order=ms-flush-after-prepare", "code=0",
	  MAPPED MOVE("fail=archmeta") "= ret -ENOMEM\n" STILL_MAPPED GOES_ON },
	{ "in every order a MOVE that succeeds takes them away",
	  "x86-6.12 x86-6.12+order=ms-prepare-first x86-6.1+order=ms-flush-after-prepare "
	  "arm64-6.12+order=ms-prepare-first arm64-6.12+order=ms-flush-after-prepare "
	  "arm64-6.12+order=ms-skip-prepare-on-delete", "code=0",
	  MAPPED MOVE("") "= ret 0\n" LOST
	  "guest write vcpu=0 gpa=0x801000\n= exit vcpu=0 done\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-write gpa=0x1000\n"
	  "op set_region slot=0 gpa=0x800000 size=0x0 flags=none map=m0+0x0\n= ret 0\n"
	  "guest write vcpu=0 gpa=0x801000\n= exit vcpu=0 mmio-write gpa=0x801000\n" },
	{ "no memory for the INVALID copy fails before anything happened",
	  "x86-6.12 x86-6.12+order=ms-prepare-first x86-6.12+order=ms-flush-after-prepare", "code=0",
	  MAPPED MOVE("fail=scratch") "= ret -ENOMEM\n" STILL_MAPPED
	  DELETE("fail=scratch") "= ret -ENOMEM\n" STILL_MAPPED },
	{ "x86 and arm64 cannot veto a DELETE", "x86-6.1 x86-6.12 arm64-6.1 arm64-6.12", "code=0",
	  MAPPED DELETE("fail=archveto") "= ret 0\n" LOST },
	{ "an architecture that can has the slot back without its mappings",
	  "x86-6.12+delete-veto=veto-arch arm64-6.12+delete-veto=veto-arch", "code=0",
	  MAPPED DELETE("fail=archveto") "= ret -EINVAL\n" LOST GOES_ON },
	{ "or with them when it is asked first",
	  "x86-6.12+delete-veto=veto-arch+order=ms-prepare-first "
	  "x86-6.12+delete-veto=veto-arch+order=ms-flush-after-prepare", "code=0",
	  MAPPED DELETE("fail=archveto") "= ret -EINVAL\n" STILL_MAPPED GOES_ON },
	{ "and is not heard when a DELETE does not prepare",
	  "x86-6.12+delete-veto=veto-arch+order=ms-skip-prepare-on-delete", "code=0",
	  MAPPED DELETE("fail=archveto") "= ret 0\n" LOST },
	{ "slots that may not move stay where they are",
	  "x86-6.12+order=ms-move-disabled arm64-6.12+order=ms-move-disabled", "code=0",
	  MAPPED MOVE("") "= ret -EINVAL\n" STILL_MAPPED GOES_ON
	  SET("log", "") "= ret 0\n" SLOT("none") DELETE("") "= ret 0\n" },
};
/* clang-format on */

START_TEST(a_failed_update_leaves_what_its_order_says)
{
	test_scenario(&orders[_i]);
}
END_TEST

/* ---- what is seen at the flush -------------------------------------------------------------------- */

struct watch {
	struct vm *vm;
	unsigned int flushes;
	bool invalid, arch_locked; /* at the flush: the slot that readers see, slots_arch_lock */
};

static void at_event(void *arg, const struct event *e)
{
	struct watch *w = arg;
	uint32_t slot = memslot_find(w->vm, 0, GPA_0 >> 12);

	if (e->kind != EV_CALL || e->name != CALL_FLUSH_SHADOW_MEMSLOT)
		return;
	w->flushes++;
	w->invalid = slot && (w->vm->slots[slot].flags & MEMSLOT_INVALID);
	w->arch_locked = w->vm->st->lock[OBJ_SLOTS_ARCH_LOCK].writer != 0;
}

static struct watch watch_move(const char *policy, uint8_t fail, int *ret)
{
	struct script *s = test_two_slots(policy, "", "none");
	struct watch w = { .vm = script_vm(s) };
	struct stepper st = stepper_of(w.vm);
	struct op op = {
		.gpa = GPA_FREE, .size = SLOT_BYTES, .hva = test_map_hva(w.vm), .fail = fail
	};

	st.ctx.event = at_event;
	st.ctx.event_arg = &w;
	*ret = stepper_set_region(&st, &op);
	test_check_rest(w.vm);
	w.vm = NULL;
	script_free(s);
	return w;
}

static const struct {
	const char *policy;
	bool arch_locked; /* the flush runs under slots_arch_lock */
	bool on_failure;  /* ... and before a failure of prepare is known */
} flushes[] = {
	{ "x86-6.12", false, true },
	{ "arm64-6.12", false, true },
	{ "x86-6.12+order=ms-prepare-first", false, false },
	{ "arm64-6.12+order=ms-prepare-first", false, false },
	{ "x86-6.12+order=ms-flush-after-prepare", true, false },
	{ "arm64-6.1+order=ms-flush-after-prepare", true, false },
	{ "x86-6.12+order=ms-skip-prepare-on-delete", false, true },
};

START_TEST(the_flush_has_its_place_in_each_order)
{
	int ret;
	struct watch w = watch_move(flushes[_i].policy, FP_NONE, &ret);

	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(w.flushes, 1);
	ck_assert(w.invalid);
	ck_assert_int_eq(w.arch_locked, flushes[_i].arch_locked);
	w = watch_move(flushes[_i].policy, FP_ARCHVETO, &ret);
	ck_assert_int_lt(ret, 0);
	ck_assert_uint_eq(w.flushes, flushes[_i].on_failure);
}
END_TEST

/* ---- what readers see of a failure -------------------------------------------------------------- */

static const struct {
	const char *policy;
	bool invalid; /* readers meet the INVALID copy */
} failures[] = {
	{ "x86-6.12", true },
	{ "x86-6.12+order=ms-prepare-first", false },
	{ "arm64-6.12+order=ms-prepare-first", false },
	{ "x86-6.12+order=ms-flush-after-prepare", true },
};

START_TEST(only_who_prepares_first_hides_a_failure_from_readers)
{
	struct script *s = test_two_slots(failures[_i].policy, "", "none");
	struct stepper st = stepper_of(script_vm(s));
	uint32_t a = vm_actor_vmm(st.vm);
	uint64_t generation = memslots_generation(st.vm, 0);
	bool invalid = false;

	st.vm->ops[a] = (struct op){
		.gpa = GPA_FREE, .size = SLOT_BYTES, .hva = test_map_hva(st.vm), .fail = FP_ARCHVETO
	};
	actor_start(st.vm, a, P_set_memory_region, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	do {
		invalid |= (st.vm->slots[memslot_find(st.vm, 0, GPA_0 >> 12)].flags &
			    MEMSLOT_INVALID) != 0;
		while (!actor_enabled(st.vm, a))
			ck_assert(stepper_rules(&st));
	} while (stepper_step(&st, a) != STEP_DONE);
	ck_assert_int_eq(st.vm->actors[a].ret, -EINVAL);
	st.vm->actors[a].ret = 0;
	ck_assert_int_eq(invalid, failures[_i].invalid);
	ck_assert_int_eq(memslots_generation(st.vm, 0) != generation, failures[_i].invalid);
	test_check_rest(st.vm);
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("set_order");
	TCase *order = tcase_create("order");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(order, a_failed_update_leaves_what_its_order_says, 0,
			    G_N_ELEMENTS(orders));
	tcase_add_loop_test(order, the_flush_has_its_place_in_each_order, 0, G_N_ELEMENTS(flushes));
	tcase_add_loop_test(order, only_who_prepares_first_hides_a_failure_from_readers, 0,
			    G_N_ELEMENTS(failures));
	suite_add_tcase(suite, order);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
