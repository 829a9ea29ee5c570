/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tests/story_sample.h"

struct story *story_sample_dirty(void)
{
	struct story *s = story_new(&(struct story_about){
		.scenario = "lost-page",
		.policy = "x86-6.12+machine=ept",
		.geometry = "ept-2x2: 4 KiB pages, 16 KiB blocks",
		.inject = "skip-dirty-mark",
	});
	unsigned v0 = story_add_actor(s, "v0"), vmm = story_add_actor(s, "vmm0");
	const uint64_t gfn = 1;
	struct story_step *step;

	story_add_actor(s, "mm0"); /* takes no part */
	story_add_step(s, v0, "guest write vcpu=0 gpa=0x1000", "tdp_page_fault:slot");
	step = story_add_step(s, v0, NULL, "tdp_map:install");
	story_step_note(step, "trace spte_changed gfn=0x1 n=0x1 size=4k none -> leaf:rwx");
	step->clash = true;
	story_add_step(s, vmm, "op get_dirty slot=0", "get_dirty_log:lock");
	step = story_add_step(s, vmm, NULL, "get_dirty_log:exchange");
	story_step_note(step, "dirty slot=0 n=0");
	step->clash = true;
	step->ends = true;
	step = story_add_step(s, v0, NULL, "vcpu_run:entered");
	step->clash = true;
	story_set_verdict(s, "INV-DIRTY",
			  "The page can be written, but neither its bit nor a log says so.", &gfn,
			  1234);
	return s;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): who zaps, then who is kicked */
static void zap(struct story *s, unsigned mm, unsigned v1)
{
	struct story_step *step;

	story_add_step(s, mm, "host madvise map=m0+0x1000 len=0x1000 advice=dontneed",
		       "invalidate_range_start:active");
	step = story_add_step(s, mm, NULL, "kvm_tdp_mmu_unmap_gfn_range:zapped");
	story_step_note(step, "trace unmap_hva_range start=m0+0x1000 end=m0+0x2000");
	story_step_note(step, "trace spte_changed gfn=0x1 n=0x1 size=4k leaf:rwx:a1d1mw1 -> none");
	step->clash = true;
	step = story_add_step(s, mm, NULL, "make_all_cpus_request:send");
	step->to = (int)v1;
	story_step_note(step, "request TLB_FLUSH, vcpu=1 is in the guest");
}

struct story *story_sample_kick(void)
{
	struct story *s = story_new(&(struct story_about){
		.scenario = "zap & kick <1>", .policy = "x86-6.12+machine=ept", .inject = "none" });
	unsigned v0 = story_add_actor(s, "v0"), v1 = story_add_actor(s, "v1");
	unsigned vmm = story_add_actor(s, "vmm0"), mm = story_add_actor(s, "mm0");
	struct story_step *step;

	story_add_step(s, vmm, "op set_region slot=0 gpa=0x0 size=0x4000 flags=log map=m0+0x0",
		       "set_memslot:install")
		->ends = true;
	step = story_add_step(s, v1, "guest read vcpu=1 gpa=0x1000 n=64 stride=0x4",
			      "guest:entered");
	story_step_note(step, "tlb fill gfn=0x1 perm=r--");
	zap(s, mm, v1);
	story_add_step(s, v0, "guest write vcpu=0 gpa=0x1000", "tdp_page_fault:slot");
	step = story_add_step(s, v1, NULL, "guest:ack");
	step->to = (int)mm;
	step->clash = true;
	story_step_note(step, "tlb: everything of vcpu=1 is dropped \"at once\" & for good");
	story_add_step(s, mm, NULL, "invalidate_range_end:seq")->ends = true;
	story_add_step(s, v0, NULL, "tdp_page_fault:retry")->clash = true;
	story_set_verdict(
		s, "INV-STALE",
		"vcpu=0 maps the page frame that mm0 has given back: the sequence was read "
		"before the range became active, and was not looked at again <under> the lock.",
		NULL, 1);
	return s;
}

struct story *story_sample_many(void)
{
	enum { VCPUS = 12 };
	struct story *s =
		story_new(&(struct story_about){ .scenario = "crowd", .policy = "arm64-6.12" });

	for (unsigned v = 0; v < VCPUS; v++) {
		g_autofree char *name = g_strdup_printf("v%u", v);
		g_autofree char *op = g_strdup_printf("guest exec vcpu=%u gpa=0x1000", v);

		story_add_step(s, story_add_actor(s, name), op, "user_mem_abort:seq");
	}
	for (unsigned v = 0; v < VCPUS; v++)
		story_step_note(story_add_step(s, v, NULL, "tlbi:complete"),
				"trace tlbi_ipa gfn=0x1 n=0x1");
	story_set_verdict(s, "I3", "", NULL, 0);
	return s;
}
