/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When overwriting an SPTE needs a flush, and when dirty logging flushes: the rules of each axis, and
 * the writes that are lost under the wrong ones.
 */
#include <stdlib.h>

#include <check.h>

#include "model/tests/model_test.h"
#include "model/tests/scenario_text.h"
#include "model/x86.h"

/* ---- overwritten leaves ------------------------------------------------------------------------- */

/* The legal states of a present leaf whose host page is writable, as bits of w and mmu_writable. */
static pte_t leaf(const struct x86_fmt *fmt, char state)
{
	struct spte_parts p = { .pfn = 0x1234,
				.access = state == 'a' ? ACC_RWX : ACC_R | ACC_X,
				.accessed = true,
				.ad = fmt->accessed ? X86_AD_ENABLED : X86_AD_DISABLED,
				.host_writable = true,
				.mmu_writable = state != 'c' };

	return spte_make_leaf(fmt, 0, &p);
}

static const struct {
	enum flush_rule rule;
	const char *flushes; /* pairs old new */
} tables[] = {
	{ FL_NONE, "" },
	{ FL_W, "ab ac bb bc" },
	{ FL_MMUW, "ac bc" },
	{ FL_W_CLEARED, "ab ac" },
};

START_TEST(each_rule_flushes_its_transitions_and_no_others)
{
	for (int v = X86_SPTE_61; v <= X86_SPTE_72; v++) {
		for (int n = X86_NPT; n <= X86_EPT_NOAD; n++) {
			const struct x86_fmt *fmt =
				x86_fmt_get((enum x86_spte_version)v, (enum x86_nested)n);

			for (int i = 0; i < 9; i++) {
				char pair[] = { (char)('a' + i / 3), (char)('a' + i % 3), '\0' };
				bool found =
					spte_change_flushes(fmt, tables[_i].rule,
							    leaf(fmt, pair[0]), leaf(fmt, pair[1]));

				ck_assert_msg(found == (strstr(tables[_i].flushes, pair) != NULL),
					      "rule %d, %s", tables[_i].rule, pair);
			}
		}
	}
}
END_TEST

/* ---- dirty logging -------------------------------------------------------------------------------- */

#define NOAD   "x86-6.12+machine=ept-noad x86-6.1+machine=ept-noad"
#define IF     "+log-flush=dl-if-modified"
#define NOADIF "x86-6.12+machine=ept-noad" IF " x86-6.1+machine=ept-noad" IF
/* one page, written, then aged without a flush: not writable in the table, writable in the TLB */
#define AGED                                                                                       \
	"guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"                                      \
	"host age map=m0+0x1000 len=0x1000 mode=clear_young\n"

/* clang-format off */
static const struct scenario logs[] = {
	{ "enabling always flushes, whatever the walk found", NOAD, "code=0 tlb=set",
	  MAP4K SLOT("none") AGED
	  SLOT("log") "= trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "a flush only for changed entries loses a write after ageing", NOADIF, "code=0 tlb=set",
	  MAP4K SLOT("none") AGED
	  SLOT("log") "! trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 done\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "but flushes where it changed one", NOADIF, "code=0 tlb=set",
	  MAP4K SLOT("none") "guest write vcpu=0 gpa=0x1000\n"
	  SLOT("log") "= trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "a harvest flushes for what it reaped", NOAD, "code=0 tlb=set",
	  MAP4K SLOT("log") AGED
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n= trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "not for what it changed", NOADIF, "code=0 tlb=set",
	  MAP4K SLOT("log") AGED
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n! trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "nor when the range of a CLEAR is aged", NOADIF, "code=0 tlb=set manual=1",
	  MAP4K SLOT("log") AGED
	  "op clear_dirty slot=0 first=0x0 n=0x40 pages=all\n! trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "which upstream does flush", NOAD, "code=0 tlb=set manual=1",
	  MAP4K SLOT("log") AGED
	  "op clear_dirty slot=0 first=0x0 n=0x40 pages=all\n= trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
	{ "the rings' reset follows the same rule", "x86-6.12+machine=ept-noad" IF,
	  "code=0 tlb=set ring=0x1000",
	  MAP4K SLOT("log") AGED "op reset_rings\n= ret 1\n! trace call flush_remote_tlbs\n" },
	{ "and upstream flushes after it", "x86-6.12+machine=ept-noad", "code=0 tlb=set ring=0x1000",
	  MAP4K SLOT("log") AGED "op reset_rings\n= ret 1\n= trace call flush_remote_tlbs\n" },
	{ "arm64 flushes an empty slot upstream", "arm64-6.12", "code=0",
	  MAP4K SLOT("none") SLOT("log") "= trace call flush_remote_tlbs_memslot\n" },
	{ "not if that changed nothing", "arm64-6.12" IF " arm64-6.1" IF, "code=0",
	  MAP4K SLOT("none") SLOT("log") "! trace call flush_remote_tlbs_memslot\n"
	  "! trace tlbi_range\n! trace tlbi_vmid\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n"
	  "guest write vcpu=0 gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x1\n" },
};
/* clang-format on */

START_TEST(dirty_logging_flushes_as_its_rule_says)
{
	test_scenario(&logs[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flush_rules");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(rules, each_rule_flushes_its_transitions_and_no_others, 0,
			    G_N_ELEMENTS(tables));
	tcase_add_loop_test(rules, dirty_logging_flushes_as_its_rule_says, 0, G_N_ELEMENTS(logs));
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
