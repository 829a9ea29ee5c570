/* SPDX-License-Identifier: Apache-2.0 */
/* KVM_MEM_USERFAULT of each published series, alone and together with dirty logging. */
#include <stdlib.h>

#include <check.h>

#include "model/tests/model_test.h"
#include "model/tests/scenario_text.h"

/* clang-format off */
static const struct scenario userfault[] = {
	{ "a set bit turns every access into an exit with the page's address",
	  X86_UF " " ARM_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf")
	  "guest read vcpu=0 gpa=0x1404\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "! exit vcpu=0 done\n"
	  "guest write vcpu=0 gpa=0x1ffc\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "guest exec vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "guest read vcpu=0 gpa=0x0 n=3\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "= sum 4k=1 2m=0\n" },
	{ "a clear bit lets the access through, page by page", X86_UF " " ARM_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  BIT_TO("0x1", "0")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n= sum 4k=1 2m=0\n" },
	{ "bits count from the start of the slot", X86_UF " " ARM_UF, "code=0",
	  MAP BIT_TO("0x47", "1")
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=uf map=m0+0x0 bitmap=b0\n"
	  "guest read vcpu=0 gpa=0x846000\n= exit vcpu=0 done\n"
	  "guest read vcpu=0 gpa=0x847000\n= exit vcpu=0 userfault gpa=0x847000\n" },
	{ "setting the flag takes the slot's mappings away", X86_UF " " ARM_UF, "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n= sum 4k=0 2m=1\n"
	  BIT_TO("0x1", "1")
	  SLOT_UF("uf") "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "nobody does so when nobody is asked to",
	  "x86-uf-v3+invalidate=inv-none arm64-sean-rewrite+invalidate=inv-none", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "! trace call flush_shadow_memslot\n! sum\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" },
	{ "clearing the flag zaps collapsible tables up to 6.12", X86_UF, "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n"
	  SLOT("none") "= trace call zap_collapsible_sptes\n= sum 4k=0 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= sum 4k=0 2m=1\n" },
	{ "and makes blocks at once from 6.13 on",
	  "x86-uf-v2+recovery=rec-inplace x86-uf-v3+recovery=rec-inplace "
	  "x86-7.2+userfault=x86-uf-v3 x86-7.2+machine=ept+userfault=x86-uf-v2", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n"
	  SLOT("none") "= trace call recover_huge_pages\n= sum 4k=0 2m=1\n" },
	{ "without recovery the small pages stay", "x86-uf-v3+recovery=rec-none", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n" SLOT("none") "! sum\n" },
	{ "on arm64 clearing the flag does nothing",
	  "arm64-james-v2 arm64-sean-rewrite arm64-james-flags-only", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n= sum 4k=2 2m=0\n"
	  SLOT("none") "! trace\n! sum\nguest write vcpu=0 gpa=0x1000\n! sum\n"
	  "guest write vcpu=0 gpa=0x3000\n= sum 4k=0 2m=1\n" },
	{ "but v1 zapped there too", "arm64-uf-v1", "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n"
	  SLOT("none") "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n" },
	{ "an unreadable bitmap is a plain EFAULT", X86_UF " " ARM_UF_V3, "code=0",
	  MAP SET("uf", "bitmap=0x1000") "= ret 0\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 err=EFAULT\n"
	  "! exit vcpu=0 userfault\n! sum 4k=1\n" },
	{ "which v1 and v2 on arm64 call a userfault", "arm64-uf-v1 arm64-james-v2", "code=0",
	  MAP SET("uf", "bitmap=0x1000") "= ret 0\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "! exit vcpu=0 err\n" },
	{ "a pointer outside user space is refused",
	  X86_UF " arm64-james-v2 " ARM_UF_V3, "code=0",
	  MAP SET("uf", "bitmap=0xffff800000000000") "= ret -EINVAL\n" },
	{ "user space ends at 2^47 on x86", X86_UF, "code=0",
	  MAP SET("uf", "bitmap=0x800000000000") "= ret -EINVAL\n"
	  SET("uf", "bitmap=0x7fff00000000") "= ret 0\n" },
	{ "and at 2^48 on arm64", "arm64-james-v2 " ARM_UF_V3, "code=0",
	  MAP SET("uf", "bitmap=0x1000000000000") "= ret -EINVAL\n"
	  SET("uf", "bitmap=0x800000000000") "= ret 0\n" },
	{ "only v1 on arm64 takes it", "arm64-uf-v1", "code=0",
	  MAP SET("uf", "bitmap=0xffff800000000000") "= ret 0\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "a kernel without the series knows no such flag", X86 " " ARM, "code=0",
	  MAP SET("uf", "bitmap=b0") "= ret -EINVAL\n" },
	{ "another pointer alone changes nothing", X86_UF " " ARM_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf") SET("uf", "bitmap=b1") "= ret 0\n! trace\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  SET("none", "") SET("uf", "bitmap=b1")
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" },
	{ "a bit that is set after the page was mapped has no effect",
	  X86_UF " " ARM_UF, "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
	  BIT_TO("0x1", "1") "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
	  SLOT("none") SLOT_UF("uf")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "x86 reads the bit before it sees that the slot is read-only", X86_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("ro+uf")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "! exit vcpu=0 mmio-write\n" BIT_TO("0x1", "0")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-write gpa=0x1000\n"
	  "! exit vcpu=0 userfault\n" },
	{ "arm64 never reads the bit of a write to a read-only slot", ARM_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("ro+uf")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-write gpa=0x1000\n"
	  "! exit vcpu=0 userfault\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "a deletion may name its flag and bitmap", X86_UF " " ARM_UF, "code=0",
	  MAP SLOT_UF("uf")
	  "op set_region slot=0 gpa=0x0 size=0x0 flags=uf map=m0+0x0 bitmap=b0\n= ret 0\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-read gpa=0x1000\n" },
	{ "without the size rule a block maps pages whose bit is set",
	  "x86-uf-v2+size=size-free x86-uf-v3+size=size-free arm64-uf-v1+size=size-free "
	  "arm64-sean-rewrite+size=size-free", "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf")
	  "guest write vcpu=0 gpa=0x2000\n= sum 4k=0 2m=1\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" },
	{ "each size rule keeps to pages",
	  "x86-uf-v2+size=size-4k-at-faultin x86-uf-v2+size=size-4k-at-adjust "
	  "x86-uf-v3+size=size-4k-at-faultin x86-uf-v3+size=size-4k-at-adjust arm64-uf-v1 "
	  "arm64-sean-rewrite", "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("uf")
	  "guest write vcpu=0 gpa=0x2000\n= sum 4k=1 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "hugetlb memory keeps to it too", X86_UF " " ARM_UF, "code=0",
	  "host map name=m0 size=0x400000 backing=huge2m\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "guest write vcpu=0 gpa=0x2000\n= sum 4k=1 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "the legacy MMU prefetches neighbours without looking at their bits",
	  "x86-6.1+mmu=legacy+userfault=x86-uf-v2 x86-6.1+mmu=legacy+userfault=x86-uf-v3", "code=0",
	  MAP "host touch map=m0+0x0 len=0x400000 mode=w\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "guest write vcpu=0 gpa=0x2000\n= sum 4k=8 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" },
	{ "v3 flushes once more when a move sets the flag",
	  "x86-uf-v3 arm64-sean-rewrite", "code=0 trace=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n" BIT_TO("0x1", "1")
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=uf map=m0+0x0 bitmap=b0\n"
	  "= ret 0\n"
	  "guest read vcpu=0 gpa=0x801000\n= exit vcpu=0 userfault gpa=0x801000\n"
	  "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-read gpa=0x1000\n" },
};
/* clang-format on */

/* USERFAULT and LOG_DIRTY_PAGES on one slot. */
/* clang-format off */
static const struct scenario userfault_and_log[] = {
	{ "both flags: the bit is asked first, what passes is logged",
	  X86_UF " " ARM_UF, "code=0",
	  MAP BIT_TO("0x1", "1") SLOT_UF("log+uf")
	  "guest write vcpu=0 gpa=0x0 n=2\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x0\n" BIT_TO("0x1", "0")
	  "guest write vcpu=0 gpa=0x0 n=2\n= exit vcpu=0 done\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=2 pages=0x0-0x1\n" },
	{ "USERFAULT set while logging: mappings go, bits stay", X86_UF " " ARM_UF, "code=0",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x1000\n" BIT_TO("0x1", "1")
	  SLOT_UF("log+uf") "= sum 4k=0 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "both set at once: mappings go", X86_UF " " ARM_UF, "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x1000\n" BIT_TO("0x1", "1")
	  SLOT_UF("log+uf") "= sum 4k=0 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "USERFAULT cleared while logging: tables are zapped for nothing up to 6.12",
	  X86_UF, "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000\n"
	  SLOT("log") "= trace call zap_collapsible_sptes\n= sum 4k=0 2m=0\n" },
	{ "and in place recovery refuses",
	  "x86-uf-v2+recovery=rec-inplace x86-uf-v3+recovery=rec-inplace", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000\n= sum 4k=1 2m=0\n"
	  SLOT("log") "= trace call recover_huge_pages\n! sum\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "logging off under USERFAULT: zapping tables is safe", X86_UF, "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x2000\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "= sum 4k=0 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "recovery in place then maps pages whose bit is set",
	  "x86-uf-v2+recovery=rec-inplace x86-uf-v3+recovery=rec-inplace "
	  "x86-7.2+userfault=x86-uf-v3", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x2000\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "= sum 4k=0 2m=1\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n" },
	{ "arm64 leaves the pages alone",
	  "arm64-uf-v1 arm64-james-v2 arm64-sean-rewrite arm64-james-flags-only", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x2000\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "! sum\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "USERFAULT on and logging off at once: v3 zaps last",
	  "x86-uf-v3+recovery=rec-inplace", "code=0",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x2000\n" BIT_TO("0x1", "1")
	  SLOT_UF("uf") "= trace call recover_huge_pages\n"
	  "= trace call flush_shadow_memslot\n= sum 4k=0 2m=0\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "USERFAULT off and logging on at once: logging starts as ever",
	  X86_UF " x86-uf-v3+recovery=rec-inplace " ARM_UF, "code=0",
	  MAP SLOT_UF("uf") "guest write vcpu=0 gpa=0x1000 n=2\n" SLOT("log")
	  "op get_dirty slot=0\n= dirty slot=0 n=0\nguest write vcpu=0 gpa=0x2000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x2\n" },
	{ "arm64 reads the bit again on a permission fault", ARM_UF, "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000\nop get_dirty slot=0\n"
	  BIT_TO("0x1", "1") "guest read vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 userfault gpa=0x1000\n" },
	{ "the fast path of x86 does not",
	  "x86-uf-v2+machine=npt x86-uf-v3+machine=npt x86-uf-v3+machine=ept-nopml "
	  "x86-uf-v3+machine=ept-noad", "code=0",
	  MAP SLOT_UF("log+uf") "guest write vcpu=0 gpa=0x1000\nop get_dirty slot=0\n"
	  BIT_TO("0x1", "1")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
	  "= stat vcpu0 pf_taken=+1 pf_fixed=+1 pf_fast=+1\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
};
/* clang-format on */

START_TEST(userfault_stops_what_its_bits_say)
{
	test_scenario(&userfault[_i]);
}
END_TEST

START_TEST(userfault_and_logging_share_a_slot)
{
	test_scenario(&userfault_and_log[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("userfault");
	TCase *tcase = tcase_create("scenarios");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, userfault_stops_what_its_bits_say, 0, G_N_ELEMENTS(userfault));
	tcase_add_loop_test(tcase, userfault_and_logging_share_a_slot, 0,
			    G_N_ELEMENTS(userfault_and_log));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
