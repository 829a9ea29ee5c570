/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variants that were proposed, or are needed to compare with: who invalidates for userfault and what, by
 * what user space asks, when blocks may come back, and what becomes of a log.
 */
#include <stdlib.h>

#include <check.h>

#include "model/tests/model_test.h"
#include "model/tests/scenario_text.h"

#define V3(more)     "x86-uf-v3+" more " arm64-sean-rewrite+" more
#define WRITE(gpa)   "guest write vcpu=0 gpa=" gpa "\n"
#define DONE         "= exit vcpu=0 done\n"
#define ASKS(gpa)    "= exit vcpu=0 userfault gpa=" gpa "\n"
#define IS_ON(value) "op user_bit map=b0 page=0x1 value=" value " order=release\n= ret 0\n"
#define GET(n)       "op get_dirty slot=0\n= dirty slot=0 n=" n
#define MOVE_TO(gpa, flags)                                                                        \
	"op set_region slot=0 gpa=" gpa " size=0x400000 flags=" flags " map=m0+0x0\n= ret 0\n"

/* clang-format off */
static const struct scenario invalidating[] = {
	{ "only pages whose bit is 1 lose their mapping", V3("invalidate=inv-selective"), "code=0",
	  MAP4K SLOT("none") "guest write vcpu=0 gpa=0x0 n=4\n= sum 4k=4 2m=0\n" BIT_TO("0x1", "1")
	  BIT_TO("0x3", "1") SLOT_UF("uf") "! trace call flush_shadow_memslot\n= sum 4k=2 2m=0\n"
	  WRITE("0x1000") ASKS("0x1000") WRITE("0x2000") DONE WRITE("0x3000") ASKS("0x3000") },
	{ "and a block goes for one of its pages", V3("invalidate=inv-selective"), "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\nguest write vcpu=0 gpa=0x200000\n= sum 4k=0 2m=2\n"
	  BIT_TO("0x1", "1") SLOT_UF("uf") "= sum 4k=0 2m=1\n"
	  WRITE("0x1000") ASKS("0x1000") WRITE("0x2000") DONE WRITE("0x200000") DONE "! trace page_fault\n" },
	{ "also in the legacy MMU", "x86-uf-v3+mmu=legacy+invalidate=inv-selective", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\nguest write vcpu=0 gpa=0x200000\n= sum 4k=0 2m=2\n"
	  BIT_TO("0x1", "1") SLOT_UF("uf") "= sum 4k=0 2m=1\n" WRITE("0x1000") ASKS("0x1000") },
	{ "a bitmap that cannot be read has every page zapped", V3("invalidate=inv-selective"), "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\nguest write vcpu=0 gpa=0x200000\n"
	  SET("uf", "bitmap=0x1000") "= ret 0\n= sum 4k=0 2m=0\n" },
	{ "an overlay withdraws rights and leaves the table",
	  V3("invalidate=perm-reap") " x86-uf-v3+mmu=legacy+invalidate=perm-reap", "code=0 tlb=set",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n= sum 4k=0 2m=1\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "! sum\n! trace call flush_shadow_memslot\n! trace call flush_remote_tlbs\n"
	  WRITE("0x1000") ASKS("0x1000") "= trace call overlay_fault gfn=0x1 n=0x1\n"
	  WRITE("0x2000") DONE "= trace call overlay_fault gfn=0x2 n=0x1\n! sum\n"
	  WRITE("0x2000") "! trace call overlay_fault\n"
	  BIT_TO("0x1", "0") WRITE("0x1000") DONE "= trace call overlay_fault gfn=0x1 n=0x1\n! sum\n"
	  SLOT("none") BIT_TO("0x5", "1") WRITE("0x5000") DONE "! trace call overlay_fault\n"
	  SLOT_UF("uf") NO_SLOT },
	{ "it goes with the slot, and follows a change of other flags", V3("invalidate=perm-reap"), "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf") SLOT_UF("uf+log") WRITE("0x1000") ASKS("0x1000")
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=uf map=m0+0x0 bitmap=b0\n= ret 0\n"
	  "guest write vcpu=0 gpa=0x801000\n= exit vcpu=0 userfault gpa=0x801000\n"
	  "op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0\n= ret 0\n" },
	{ "a TLB that caches rights lets the guest pass", V3("invalidate=perm-reap-tlbcached"),
	  "code=0 tlb=set",
	  MAP SLOT("none") WRITE("0x1000") DONE BIT_TO("0x1", "1") SLOT_UF("uf") WRITE("0x1000") DONE
	  "! trace call overlay_fault\n" WRITE("0x200000") DONE "= trace call overlay_fault gfn=0x200 n=0x1\n" },
	{ "each who zaps the slot has the same result",
	  V3("invalidate=inv-arch") " " V3("invalidate=inv-common-flush") " " V3("invalidate=inv-changed-hook")
	  " " V3("invalidate=inv-before-swap") " arm64-no-early-return arm64-uf-v1+invalidate=common-hook-v3 "
	  "x86-uf-guarded x86-uf-v2+invalidate=inv-changed-hook", "code=0",
	  MAP SLOT("none") WRITE("0x1000") BIT_TO("0x1", "1") SLOT_UF("uf")
	  "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n" WRITE("0x1000") ASKS("0x1000") },
	{ "the hook for both edges recovers, too",
	  "x86-uf-v3+invalidate=inv-changed-hook x86-7.2+userfault=x86-uf-v3+invalidate=inv-changed-hook",
	  "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n"
	  SLOT("none") "guest write vcpu=0 gpa=0x1000\nop dump\n= sum 4k=0 2m=1\n" },
};

static const struct scenario asking[] = {
	{ "a flag for the life of the slot", V3("uapi=create-only"), "code=0",
	  MAP SLOT("none") SET("uf", "bitmap=b0") "= ret -EINVAL\n" NO_SLOT
	  BIT_TO("0x1", "1") SLOT_UF("uf") WRITE("0x1000") ASKS("0x1000") SLOT_UF("uf+log")
	  SLOT("none") WRITE("0x1000") DONE SET("uf", "bitmap=b0") "= ret -EINVAL\n" },
	{ "an attribute zaps when it is set", V3("uapi=attr-rfc") " x86-uf-v3+mmu=legacy+prefetch=pf-not-uf+uapi=attr-rfc",
	  "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n"
	  IS_ON("1") "= sum 4k=1 2m=0\n! trace call flush_shadow_memslot\n"
	  WRITE("0x1000") ASKS("0x1000") WRITE("0x2000") DONE IS_ON("0") WRITE("0x1000") DONE },
	{ "and is kept while no slot is there", V3("uapi=attr-rfc"), "code=0",
	  MAP IS_ON("1") "! sum\n" SLOT_UF("uf") WRITE("0x1000") ASKS("0x1000") },
	{ "pages that the host does not have", V3("uapi=exit-on-missing") " x86-uf-v3+mmu=legacy+uapi=exit-on-missing",
	  "code=0",
	  MAP4K SET("uf", "bitmap=0x0") "= ret 0\n" WRITE("0x1000") ASKS("0x1000") "! trace unmap_hva_range\n"
	  "host touch map=m0+0x1000 len=0x1000 mode=w\n" WRITE("0x1000") DONE
	  "host touch map=m0+0x2000 len=0x1000 mode=r\nguest read vcpu=0 gpa=0x2000\n= exit vcpu=0 done\n"
	  WRITE("0x2000") ASKS("0x2000") },
	{ "bits that are set later wait for the ioctl that reads them again",
	  V3("uapi=rescan-ioctl") " x86-uf-v3+mmu=legacy+prefetch=pf-not-uf+uapi=rescan-ioctl", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n" BIT_TO("0x1", "1")
	  WRITE("0x1000") DONE "op rescan slot=0\n= ret 0\n= sum 4k=1 2m=0\n"
	  WRITE("0x1000") ASKS("0x1000") WRITE("0x2000") DONE
	  "op rescan slot=1\n= ret -ENOENT\nop rescan slot=131072\n= ret -ENOENT\n"
	  SLOT("none") "op rescan slot=0\n= ret -ENOENT\n" },
	{ "which other kernels do not have", V3("uapi=any-toggle"), "code=0",
	  MAP SLOT_UF("uf") "op rescan slot=0\n= ret -ENOTTY\n" },
	{ "an unreadable bitmap as a userfault", "x86-uf-v3+read-error=err-as-userfault arm64-james-v2",
	  "code=0",
	  MAP SET("uf", "bitmap=0x1000") "= ret 0\n" WRITE("0x1000") ASKS("0x1000") },
	{ "and as it is", "x86-uf-v3 arm64-james-v2+read-error=err-bare", "code=0",
	  MAP SET("uf", "bitmap=0x1000") "= ret 0\n" WRITE("0x1000") "= exit vcpu=0 err=EFAULT\n" },
};

static const struct scenario sizing[] = {
	{ "a block whose bits are all clear may be mapped", V3("size=size-block-if-all-clear")
	  " x86-uf-v3+mmu=legacy+prefetch=pf-not-uf+size=size-block-if-all-clear", "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf") WRITE("0x200000") "= sum 4k=0 2m=1\n" WRITE("0x2000")
	  "= sum 4k=1 2m=1\n" WRITE("0x1000") ASKS("0x1000") },
	{ "of hugetlb, too", "arm64-sean-rewrite+size=size-block-if-all-clear "
	  "x86-uf-v3+size=size-block-if-all-clear", "code=0",
	  "host map name=m0 size=0x400000 backing=huge2m\n" BIT_TO("0x1", "1") SLOT_UF("uf")
	  WRITE("0x200000") "= sum 4k=0 2m=1\n" WRITE("0x2000") "= sum 4k=1 2m=1\n" },
	{ "recovery looks at the bits then",
	  "x86-uf-v3+size=size-block-if-all-clear+recovery=rec-inplace", "code=0",
	  MAP SLOT_UF("log+uf") WRITE("0x2000") WRITE("0x200000") BIT_TO("0x1", "1") SLOT_UF("uf")
	  "= sum 4k=1 2m=1\n" WRITE("0x1000") ASKS("0x1000") },
	{ "prefetch maps pages whose bit is set", "x86-uf-v3+mmu=legacy", "code=0",
	  MAP4K "host touch map=m0+0x0 len=0x8000 mode=w\n" BIT_TO("0x1", "1") SLOT_UF("uf")
	  WRITE("0x2000") "= sum 4k=8 2m=0\n" WRITE("0x1000") DONE },
	{ "unless it tests them", "x86-uf-v3+mmu=legacy+prefetch=pf-test-bits", "code=0",
	  MAP4K "host touch map=m0+0x0 len=0x8000 mode=w\n" BIT_TO("0x5", "1") SLOT_UF("uf")
	  WRITE("0x2000") "= sum 4k=5 2m=0\n" WRITE("0x5000") ASKS("0x5000") },
	{ "or leaves such slots alone", "x86-uf-v3+mmu=legacy+prefetch=pf-not-uf", "code=0",
	  MAP4K "host touch map=m0+0x0 len=0x8000 mode=w\n" BIT_TO("0x1", "1") SLOT_UF("uf")
	  WRITE("0x2000") "= sum 4k=1 2m=0\n" WRITE("0x1000") ASKS("0x1000")
	  SLOT("none") WRITE("0x3000") "= sum 4k=8 2m=0\n" },
	{ "only prefetch of slots with the flag changes",
	  "x86-6.12+mmu=legacy+prefetch=pf-not-uf x86-6.12+mmu=legacy+prefetch=pf-test-bits", "code=0",
	  MAP4K "host touch map=m0+0x0 len=0x8000 mode=w\n" SLOT("none") WRITE("0x2000") "= sum 4k=8 2m=0\n" },
	{ "arm64 can unmap all that was mapped by page", "arm64-sean-rewrite+recovery=rec-unmap-all", "code=0",
	  MAP SLOT_UF("uf") WRITE("0x2000") SLOT("none") "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n"
	  SLOT("log") WRITE("0x2000") SLOT("none") "= sum 4k=0 2m=0\n" },
	{ "or make blocks of full tables", "arm64-sean-rewrite+recovery=rec-collapse", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x0 n=512\nguest write vcpu=0 gpa=0x200000 n=3\n"
	  "= sum 4k=515 2m=0\n" SLOT("none") "= sum 4k=3 2m=1\n= trace tlbi_range\n" WRITE("0x5000") DONE
	  "! trace guest_fault\n" },
	{ "with the rights that all pages had", "arm64-6.12+recovery=rec-collapse", "code=0",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0 n=512\nop get_dirty slot=0\nguest write vcpu=0 gpa=0x0\n"
	  SLOT("none") "= sum 4k=0 2m=1\n" WRITE("0x0") "= trace guest_fault\n" DONE },
	{ "not while the other flag forbids it", "arm64-sean-rewrite+recovery=rec-collapse", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x0 n=512\n" SLOT("log") "! sum\n"
	  SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x0 n=512\n" SLOT_UF("uf") "! sum\n" },
	{ "guarded: huge pages come back with the last flag", "x86-uf-guarded x86-uf-guarded+recovery=rec-inplace",
	  "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000 n=2\n"
	  SLOT("log") "! trace call zap_collapsible_sptes\n! trace call recover_huge_pages\n! sum\n"
	  SLOT("none") "guest write vcpu=0 gpa=0x1000\nop dump\n= sum 4k=0 2m=1\n" },
	{ "in whichever order they go", "x86-uf-guarded x86-uf-guarded+recovery=rec-inplace", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000 n=2\n" BIT_TO("0x3", "1")
	  SLOT_UF("uf") "! trace call zap_collapsible_sptes\n! trace call recover_huge_pages\n! sum\n"
	  WRITE("0x3000") ASKS("0x3000") BIT_TO("0x3", "0")
	  SLOT("none") "guest write vcpu=0 gpa=0x1000\nop dump\n= sum 4k=0 2m=1\n" },
	{ "and together", "x86-uf-guarded x86-uf-guarded+recovery=rec-inplace", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000 n=2\n"
	  SLOT("none") "guest write vcpu=0 gpa=0x1000\nop dump\n= sum 4k=0 2m=1\n" },
	{ "arm64 without the early return write-protects at every change", "arm64-no-early-return", "code=0",
	  MAP SLOT_UF("log+uf") WRITE("0x1000") SLOT("log") "= trace call flush_remote_tlbs_memslot\n"
	  GET("1 pages=0x1\n") },
	{ "with it, it does not", "arm64-sean-rewrite", "code=0",
	  MAP SLOT_UF("log+uf") WRITE("0x1000") SLOT("log") "! trace\n" GET("1 pages=0x1\n") },
};

static const struct scenario logging[] = {
	{ "a slot that moves keeps its log, by page", "x86-6.1 x86-6.12 arm64-6.12", "code=0",
	  MAP SLOT("log") WRITE("0x1000") MOVE_TO("0x800000", "log") GET("1 pages=0x1\n") },
	{ "a log that is shifted is wrong", "x86-6.12+move-log=bm-shift arm64-6.12+move-log=bm-shift", "code=0",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x41000 n=2\n" MOVE_TO("0x40000", "log")
	  GET("2 pages=0x1-0x2\n") WRITE("0x41000") MOVE_TO("0x3f000", "log") GET("1 pages=0x2\n")
	  WRITE("0x3f000") MOVE_TO("0x40000", "log") GET("0\n") },
	{ "as one that begins anew", "x86-6.12+move-log=bm-clear arm64-6.12+move-log=bm-clear", "code=0",
	  MAP SLOT("log") WRITE("0x1000") MOVE_TO("0x800000", "log") GET("0\n") },
	{ "a logged slot may be forbidden to move", "x86-6.12+move-log=reject-move-log", "code=0",
	  MAP SLOT("log") WRITE("0x1000")
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=log map=m0+0x0\n= ret -EINVAL\n"
	  "! trace call flush_shadow_memslot\n"
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=none map=m0+0x0\n= ret -EINVAL\n"
	  SLOT("none") MOVE_TO("0x800000", "log") },
	{ "the policy may choose the dirty mode: classic", "x86-6.12+dirty-mode=classic", "code=0 manual=3",
	  MAP SLOT("log") GET("0\n") WRITE("0x1000") GET("1 pages=0x1\n") GET("0\n") },
	{ "manual", "x86-6.12+dirty-mode=manual arm64-6.1+dirty-mode=manual", "code=0",
	  MAP SLOT("log") GET("0\n") WRITE("0x1000") GET("1 pages=0x1\n") GET("1 pages=0x1\n") },
	{ "initially all set", "x86-6.12+dirty-mode=manual-initset", "code=0 ring=0x10000",
	  MAP SLOT("log") GET("1024 pages=0x0-0x3ff\n") },
	{ "a ring", "x86-6.12+dirty-mode=ring arm64-6.12+dirty-mode=ring", "code=0",
	  MAP SLOT("log") "op get_dirty slot=0\n= ret -ENXIO\n" WRITE("0x1000") "op reset_rings\n= ret 1\n" },
};
/* clang-format on */

START_TEST(who_invalidates_takes_away_what_it_says)
{
	test_scenario(&invalidating[_i]);
}
END_TEST

START_TEST(user_space_is_asked_as_its_interface_says)
{
	test_scenario(&asking[_i]);
}
END_TEST

START_TEST(mappings_have_the_size_that_the_rules_allow)
{
	test_scenario(&sizing[_i]);
}
END_TEST

START_TEST(a_log_is_kept_and_read_as_the_policy_says)
{
	test_scenario(&logging[_i]);
}
END_TEST

/* A kernel without rings refuses the capability, whoever asks for it. */
START_TEST(what_a_kernel_does_not_have_is_refused)
{
	struct script *s = test_script("arm64-6.1+dirty-mode=ring", "code=0");

	ck_assert(script_is_refused(s));
	script_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("variants");
	TCase *tcase = tcase_create("scenarios");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, who_invalidates_takes_away_what_it_says, 0,
			    G_N_ELEMENTS(invalidating));
	tcase_add_loop_test(tcase, user_space_is_asked_as_its_interface_says, 0,
			    G_N_ELEMENTS(asking));
	tcase_add_loop_test(tcase, mappings_have_the_size_that_the_rules_allow, 0,
			    G_N_ELEMENTS(sizing));
	tcase_add_loop_test(tcase, a_log_is_kept_and_read_as_the_policy_says, 0,
			    G_N_ELEMENTS(logging));
	tcase_add_test(tcase, what_a_kernel_does_not_have_is_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
