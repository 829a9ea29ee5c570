/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write tracking: what a tracked page's writes become, what slot changes leave of an external tracker's
 * protections, and the arrays that shadow paging needs of each slot.
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
#include "model/track.h"
#include "model/x86.h"

#define TRACK        "op track slot=0 page=0x1\n= ret 0\n"
#define UNTRACK      "op untrack slot=0 page=0x1\n= ret 0\n"
#define WRITE        "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
#define EMULATED     "= trace call page_track_write gpa=0x1000 len=4\n"
#define NOT_EMULATED "! trace call page_track_write\n"
#define SHADOW       "op shadow_root vcpu=0\n= ret 0\n"
#define MOVE(more)                                                                                 \
	"op set_region slot=0 gpa=0x800000 size=0x400000 flags=none map=m0+0x0 " more "\n"

/* clang-format off */
static const struct scenario tracking[] = {
	{ "a write to a tracked page is done by KVM, which reports it", X86, "code=0",
	  MAP SLOT("none") WRITE TRACK "= trace call flush_remote_tlbs\n"
	  WRITE EMULATED "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" NOT_EMULATED
	  "guest write vcpu=0 gpa=0x2000\n= exit vcpu=0 done\n" NOT_EMULATED },
	{ "also when nothing was mapped", X86, "code=0",
	  MAP SLOT("none") TRACK "! trace call flush_remote_tlbs\n" WRITE EMULATED
	  "guest write vcpu=0 gpa=0x1000\n" EMULATED },
	{ "each write of a row is one", "x86-6.12 x86-6.1+mmu=legacy", "code=0",
	  MAP SLOT("none") TRACK
	  "guest write vcpu=0 gpa=0x0 n=3\n= exit vcpu=0 done\n" EMULATED
	  "! trace call page_track_write gpa=0x0\n! trace call page_track_write gpa=0x2000\n" },
	{ "a TLB that could write is flushed before the lock is dropped",
	  "x86-6.1 x86-6.12+machine=ept x86-7.2 x86-6.1+mmu=legacy", "code=0 tlb=set",
	  MAP SLOT("none") WRITE TRACK WRITE EMULATED },
	{ "after the last user is gone a fault makes it writable", X86, "code=0",
	  MAP SLOT("none") TRACK TRACK WRITE EMULATED UNTRACK WRITE NOT_EMULATED WRITE
	  "! trace page_fault\n" },
	{ "two users count", "x86-6.1 x86-6.12", "code=0",
	  MAP SLOT("none") SHADOW TRACK "op track slot=0 page=0x1 user=kvm\n= ret 0\n" WRITE EMULATED
	  UNTRACK WRITE EMULATED "op untrack slot=0 page=0x1 user=kvm\n= ret 0\n"
	  WRITE NOT_EMULATED },
	{ "no block maps a tracked page", X86, "code=0",
	  MAP SLOT("none") TRACK "guest read vcpu=0 gpa=0x3000\n= sum 4k=1 2m=0\n"
	  "guest read vcpu=0 gpa=0x200000\n= sum 4k=1 2m=1\n" },
	{ "an emulated write is a dirty page", X86, "code=0",
	  MAP SLOT("log") TRACK WRITE EMULATED
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" WRITE EMULATED
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "what can be asked for", "x86-6.12", "code=0",
	  MAP SLOT("none") "op track slot=1 page=0x1\n= ret -ENOENT\n"
	  "op track slot=0 page=0x400\n= ret -ENOENT\n"
	  "op untrack slot=0 page=0x400\n= ret -ENOENT\n"
	  "op track slot=0 page=0x1 user=kvm\n= ret -EINVAL\n"
	  "op untrack slot=0 page=0x5\n= ret 0\n" },
	{ "a tracker's record has an end", "x86-6.12", "code=0",
	  MAP SLOT("none")
	  "op track slot=0 page=0x1\nop track slot=0 page=0x2\nop track slot=0 page=0x3\n"
	  "op track slot=0 page=0x4\nop track slot=0 page=0x5\nop track slot=0 page=0x6\n"
	  "op track slot=0 page=0x7\nop track slot=0 page=0x8\n= ret 0\n"
	  "op track slot=0 page=0x9\n= ret -ENOSPC\nop track slot=0 page=0x8\n= ret 0\n" },
	{ "arm64 tracks nothing", ARM, "code=0",
	  MAP SLOT("none") "op track slot=0 page=0x1\n= ret -ENOTTY\n"
	  "op untrack slot=0 page=0x1\n= ret -ENOTTY\nop shadow_root vcpu=0\n= ret -ENOTTY\n" },
	{ "up to 6.5 a MOVE that fails ends the protection", "x86-6.1 x86-6.12+page-track=pt-flush-slot"
	  "+order=ms-upstream", "code=0",
	  MAP SLOT("none") TRACK MOVE("fail=archmeta")
	  "= ret -ENOMEM\n= trace call track_flush_slot gfn=0x0 n=0x400\n" WRITE NOT_EMULATED },
	{ "not when prepare comes before the flush",
	  "x86-6.1+order=ms-prepare-first x86-6.1+order=ms-flush-after-prepare", "code=0",
	  MAP SLOT("none") TRACK MOVE("fail=archmeta")
	  "= ret -ENOMEM\n! trace call track_flush_slot\n" WRITE EMULATED },
	{ "nor when the tracker hears of deletions only", "x86-6.1+page-track=pt-remove-region "
	  "x86-6.1+page-track=pt-change+movefail x86-6.12+order=ms-upstream", "code=0",
	  MAP SLOT("none") TRACK MOVE("fail=archmeta") "= ret -ENOMEM\n" WRITE EMULATED },
	{ "from 6.6 on a MOVE is refused while somebody tracks, with the mappings gone",
	  "x86-6.12 x86-7.2 x86-6.1+order=ms-move-reject-if-tracked+page-track=pt-remove-region",
	  "code=0",
	  MAP SLOT("none") TRACK "guest write vcpu=0 gpa=0x2000\n" MOVE("") "= ret -EINVAL\n"
	  "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n" WRITE EMULATED },
	{ "and not without a tracker", "x86-6.12 x86-7.2", "code=0",
	  MAP SLOT("none") SHADOW MOVE("") "= ret 0\n" },
	{ "a moved slot counts anew", "x86-6.1 x86-6.12+order=ms-upstream", "code=0",
	  MAP SLOT("none") TRACK MOVE("") "= ret 0\n"
	  "guest write vcpu=0 gpa=0x801000\n= exit vcpu=0 done\n" NOT_EMULATED },
	{ "a deletion is told by the hook that the kernel has", "x86-6.12 x86-7.2", "code=0",
	  MAP SLOT("none") TRACK NO_SLOT "= trace call track_remove_region gfn=0x0 n=0x400\n"
	  "! trace call track_flush_slot\n" SLOT("none") WRITE NOT_EMULATED },
	{ "as before 6.6", "x86-6.1", "code=0",
	  MAP SLOT("none") TRACK NO_SLOT "= trace call track_flush_slot gfn=0x0 n=0x400\n"
	  "! trace call track_remove_region\n" },
	{ "who tracks nothing is told nothing", X86, "code=0",
	  MAP SLOT("none") NO_SLOT "! trace call track_flush_slot\n! trace call track_remove_region\n" },
	{ "a change of flags keeps the counts", X86, "code=0",
	  MAP SLOT("none") TRACK SLOT("log") WRITE EMULATED SLOT("none") WRITE EMULATED },
	{ "a flush for userfault makes an old tracker give up too",
	  "x86-6.1+userfault=x86-uf-v2 x86-6.1+userfault=x86-uf-v3", "code=0",
	  MAP SLOT("none") TRACK SLOT_UF("uf") "= trace call track_flush_slot\n" WRITE NOT_EMULATED },
	{ "but no new one", "x86-uf-v2 x86-uf-v3", "code=0",
	  MAP SLOT("none") TRACK SLOT_UF("uf") WRITE EMULATED },
};
/* clang-format on */

START_TEST(tracked_pages_do_what_the_table_says)
{
	test_scenario(&tracking[_i]);
}
END_TEST

/* ---- INV-TRACK, INV-WT ---------------------------------------------------------------------------- */

#define SLOT_LINE "op set_region slot=0 size=0x400000 flags=none map=m0+0x0 gpa="

static const struct {
	const char *policy, *lines;
	bool holds;
} records[] = {
	{ "x86-6.1", SLOT_LINE "0x5000000 fail=archmeta", false },
	{ "x86-6.1+page-track=pt-remove-region", SLOT_LINE "0x5000000 fail=archmeta", true },
	{ "x86-6.1+page-track=pt-change+movefail", SLOT_LINE "0x5000000 fail=archmeta", true },
	{ "x86-6.1+order=ms-prepare-first", SLOT_LINE "0x5000000 fail=archmeta", true },
	{ "x86-6.1+order=ms-flush-after-prepare", SLOT_LINE "0x5000000 fail=archmeta", true },
	{ "x86-6.12", SLOT_LINE "0x5000000", true },
	/* a page that is in the slot before and after */
	{ "x86-6.1", SLOT_LINE "0x1001000", false },
	{ "x86-6.12+order=ms-upstream", SLOT_LINE "0x1001000", false },
	{ "x86-6.12+order=ms-upstream+page-track=pt-change+movefail", SLOT_LINE "0x1001000", true },
	{ "x86-6.12", SLOT_LINE "0x1001000", true },
	/* a page that is in it no longer */
	{ "x86-6.1", SLOT_LINE "0x5000000", true },
	{ "x86-6.12+order=ms-upstream", SLOT_LINE "0x5000000", true },
};

START_TEST(the_tracker_believes_what_its_policy_lets_it)
{
	struct script *s = test_two_slots(records[_i].policy, "", "none");
	const char *why;

	test_do(s, "guest write vcpu=0 gpa=0x1005000");
	test_do(s, "op track slot=0 page=0x5");
	ck_assert(track_check_record(script_vm(s), &why));
	ck_assert(track_check_leaves(script_vm(s), &why));
	g_free(test_line(s, records[_i].lines));
	ck_assert_int_eq(track_check_record(script_vm(s), &why), records[_i].holds);
	test_do(s, "guest write vcpu=0 gpa=0x1005000");
	ck_assert(track_check_leaves(script_vm(s), &why));
	test_check_rest(script_vm(s));
	/* no array is left when all slots are gone */
	g_free(test_line(s, "op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0"));
	g_free(test_line(s, "op set_region slot=1 gpa=0x0 size=0x0 flags=none map=m0+0x0"));
	ck_assert_uint_eq(test_words_in_use(script_vm(s)), 0);
	ck_assert_uint_eq(script_vm(s)->st->nr_tracked, 0);
	script_free(s);
}
END_TEST

START_TEST(a_leaf_that_is_made_writable_behind_the_counts_is_found)
{
	struct script *s = test_two_slots("x86-6.12", "", "none");
	struct vm *vm = script_vm(s);
	const char *why = "";
	struct pt_pos p;

	test_do(s, "op track slot=0 page=0x5");
	test_do(s, "guest read vcpu=0 gpa=0x1005000");
	p = pt_lookup(&vm->pt, vm->st->roots[0].table, GPA_0 / 4096 + 5);
	pt_entry(&vm->pt, p.table, p.index)->v |= vm_x86_fmt(vm)->mmu_writable;
	ck_assert(!track_check_leaves(vm, &why));
	ck_assert_ptr_nonnull(strstr(why, "can become writable"));
	script_free(s);
}
END_TEST

/* ---- which flush rule protects ---------------------------------------------------------------- */

#define WT_LOST "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" NOT_EMULATED
/* state a: writable; state b: write-protected by the log, the TLB of vCPU 0 can write still */
#define STATE_A MAP4K SLOT("none") WRITE
#define STATE_B MAP4K SLOT("none") WRITE "host age map=m0+0x1000 len=0x1000 mode=clear_young\n"

/* clang-format off */
static const struct scenario flushing[] = {
	{ "each rule but none flushes when a writable leaf is tracked",
	  "x86-6.12 x86-6.12+flush-rule=fl-W x86-6.12+flush-rule=fl-MMUW x86-6.12+flush-rule=fl-Wcleared "
	  "x86-6.1+mmu=legacy+flush-rule=fl-W x86-6.1+mmu=legacy+flush-rule=fl-MMUW "
	  "x86-6.1+mmu=legacy+flush-rule=fl-Wcleared", "code=0 tlb=set",
	  STATE_A TRACK "= trace call flush_remote_tlbs\n" WRITE EMULATED },
	{ "without one a write goes past the tracker",
	  "x86-6.12+flush-rule=fl-none x86-6.1+mmu=legacy+flush-rule=fl-none", "code=0 tlb=set",
	  STATE_A TRACK "! trace call flush_remote_tlbs\n" WT_LOST },
	{ "a leaf that only lost W may be writable in a TLB",
	  "x86-6.12+machine=ept-noad x86-6.12+machine=ept-noad+flush-rule=fl-W "
	  "x86-6.12+machine=ept-noad+flush-rule=fl-MMUW x86-7.2+machine=ept-noad "
	  "x86-6.1+machine=ept-noad+mmu=legacy", "code=0 tlb=set",
	  STATE_B TRACK "= trace call flush_remote_tlbs\n" WRITE EMULATED },
	{ "which who looks at the change of W misses",
	  "x86-6.12+machine=ept-noad+flush-rule=fl-Wcleared "
	  "x86-6.12+machine=ept-noad+flush-rule=fl-none "
	  "x86-6.1+machine=ept-noad+mmu=legacy+flush-rule=fl-Wcleared", "code=0 tlb=set",
	  STATE_B TRACK "! trace call flush_remote_tlbs\n" WT_LOST },
};
/* clang-format on */

START_TEST(tracking_flushes_as_its_rule_says)
{
	test_scenario(&flushing[_i]);
}
END_TEST

/* A fault that overwrites a MMU-writable leaf of a tracked page: no flow of KVM's makes one today. */
static const struct {
	const char *policy;
	bool flushes;
} installs[] = {
	{ "x86-6.1", false },
	{ "x86-6.12", false },
	{ "x86-7.2", true },
	{ "x86-6.12+flush-rule=fl-W", true },
	{ "x86-6.12+flush-rule=fl-MMUW", true },
	{ "x86-6.12+flush-rule=fl-Wcleared", true },
	{ "x86-7.2+flush-rule=fl-none", false },
	{ "x86-7.2+flush-rule=fl-before-6.13", false },
	{ "x86-6.1+mmu=legacy", true },
	{ "x86-6.1+mmu=legacy+flush-rule=fl-none", false },
};

START_TEST(a_fault_that_takes_w_away_flushes_as_its_rule_says)
{
	struct script *s = test_two_slots(installs[_i].policy, "", "log");
	struct vm *vm = script_vm(s);
	const struct x86_fmt *fmt = vm_x86_fmt(vm);
	g_autofree char *out = NULL;
	struct pt_pos p;
	pte_t *e;

	test_do(s, "op track slot=0 page=0x5");
	test_do(s, "guest read vcpu=0 gpa=0x1005000");
	p = pt_lookup(&vm->pt, vm->st->roots[0].table, GPA_0 / 4096 + 5);
	e = pt_entry(&vm->pt, p.table, p.index);
	e->v |= fmt->w | fmt->mmu_writable | fmt->dirty;
	/* not executable, so that a fetch faults */
	e->v = (e->v & ~fmt->x) | fmt->nx;
	out = test_line(s, "guest exec vcpu=0 gpa=0x1005000");
	ck_assert_msg(test_has_line(out, "exit vcpu=0 done"), "%s", out);
	ck_assert(!(e->v & (fmt->w | fmt->mmu_writable)));
	ck_assert_msg(test_has_line(out, "trace call flush_remote_tlbs") == installs[_i].flushes,
		      "%s: %s", installs[_i].policy, out);
	script_free(s);
}
END_TEST

/* ---- INV-META -------------------------------------------------------------------------------------- */

static const struct {
	const char *policy;
	bool holds;
} gaps[] = {
	{ "x86-6.1", true },
	{ "x86-6.12", true },
	{ "x86-6.12+order=ms-flush-after-prepare", true },
	{ "x86-6.1+order=ms-prepare-first", false },
	{ "x86-6.12+order=ms-prepare-first", false },
};

/* A MOVE, with the first shadow root made at the boundary @when of it; false: it has fewer. */
static bool shadow_during_move(const char *policy, unsigned int when, bool *holds)
{
	struct script *s = test_two_slots(policy, "", "none");
	struct stepper st = stepper_of(script_vm(s));
	uint32_t a = vm_actor_vmm(st.vm);
	unsigned int n = 0;
	bool started = false;
	const char *why;

	st.vm->ops[a] =
		(struct op){ .gpa = GPA_FREE, .size = SLOT_BYTES, .hva = test_map_hva(st.vm) };
	actor_start(st.vm, a, P_set_memory_region, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	while (!actor_idle(st.vm, a)) {
		if (n++ == when) {
			actor_start(st.vm, 0, P_first_shadow_root, &(struct l_range){ 0 },
				    sizeof(struct l_range));
			started = true;
		}
		/* the vCPU first, whenever it can */
		if (actor_enabled(st.vm, 0))
			stepper_step(&st, 0);
		else if (actor_enabled(st.vm, a))
			stepper_step(&st, a);
		else
			ck_assert(stepper_rules(&st));
	}
	ck_assert(actor_idle(st.vm, 0) || stepper_run(&st, 0));
	*holds &= track_check_meta(st.vm, &why);
	st.vm->actors[a].ret = st.vm->actors[0].ret = 0;
	test_check_rest(st.vm);
	script_free(s);
	return started;
}

START_TEST(a_slot_has_its_arrays_whenever_shadow_paging_begins)
{
	bool holds = true;
	unsigned int when = 0;

	while (shadow_during_move(gaps[_i].policy, when, &holds))
		when++;
	ck_assert_uint_gt(when, 10);
	ck_assert_int_eq(holds, gaps[_i].holds);
}
END_TEST

START_TEST(slots_made_later_have_arrays_too)
{
	static const char *const policies[] = { "x86-6.12", "x86-6.1+mmu=legacy" };
	struct script *s = test_two_slots(policies[_i], "", "none");
	struct vm *vm = script_vm(s);
	const char *why;

	ck_assert_int_eq(vm->slots[memslot_find(vm, 0, GPA_0 / 4096)].has_rmaps, _i);
	test_do(s, "op shadow_root vcpu=0");
	test_do(s, "op set_region slot=2 gpa=0x4000000 size=0x400000 flags=none map=m0+0x0");
	test_do(s, "op set_region slot=0 gpa=0x1000000 size=0x400000 flags=log map=m0+0x0");
	test_do(s, "op set_region slot=1 gpa=0x5000000 size=0x400000 flags=none map=m0+0x400000");
	ck_assert(track_check_meta(vm, &why));
	vm->slots[memslot_find(vm, 0, GPA_0 / 4096)].has_rmaps = 0;
	ck_assert(!track_check_meta(vm, &why));
	ck_assert_ptr_nonnull(strstr(why, "without the arrays"));
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("track");
	TCase *track = tcase_create("track");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(track, tracked_pages_do_what_the_table_says, 0, G_N_ELEMENTS(tracking));
	tcase_add_loop_test(track, the_tracker_believes_what_its_policy_lets_it, 0,
			    G_N_ELEMENTS(records));
	tcase_add_test(track, a_leaf_that_is_made_writable_behind_the_counts_is_found);
	tcase_add_loop_test(track, tracking_flushes_as_its_rule_says, 0, G_N_ELEMENTS(flushing));
	tcase_add_loop_test(track, a_fault_that_takes_w_away_flushes_as_its_rule_says, 0,
			    G_N_ELEMENTS(installs));
	tcase_add_loop_test(track, a_slot_has_its_arrays_whenever_shadow_paging_begins, 0,
			    G_N_ELEMENTS(gaps));
	tcase_add_loop_test(track, slots_made_later_have_arrays_too, 0, 2);
	suite_add_tcase(suite, track);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
