/* SPDX-License-Identifier: Apache-2.0 */
/* The axes: each variant sets its rule, and none is listed that is not asked here. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>

#include "model/policy.h"
#include "model/vm.h"

static struct rules rules_of(const char *line)
{
	g_autoptr(GError) error = NULL;
	struct rules r;

	if (!policy_parse(line, &r, &error))
		ck_abort_msg("%s: %s", line, error->message);
	return r;
}

/* What a word must have set, behind a base where that is not so already. */
#define SETS(base, word, field, value)                                                             \
	{                                                                                          \
		base, word, #field, offsetof(struct rules, field), (uint8_t)(value)                \
	}

static const struct axis_case {
	const char *base, *word, *field;
	size_t offset;
	uint8_t value;
} axes[] = {
	SETS("x86-uf-v2", "machine=npt", nested, X86_NPT),
	SETS("x86-6.12", "machine=ept", pml, true),
	SETS("x86-6.12", "machine=ept-nopml", nested, X86_EPT),
	SETS("x86-6.12", "machine=ept-noad", nested, X86_EPT_NOAD),
	SETS("arm64-6.12+machine=nvhe", "machine=vhe", trace_tlbi, true),
	SETS("arm64-6.12", "machine=nvhe", trace_tlbi, false),
	SETS("x86-6.1+mmu=legacy", "mmu=tdp", tdp_mmu, true),
	SETS("x86-6.1", "mmu=legacy", tdp_mmu, false),
	SETS("x86-6.12", "userfault=x86-uf-v2", commit, COMMIT_X86_UF_V2),
	SETS("x86-6.12", "userfault=x86-uf-sean", commit, COMMIT_X86_UF_SEAN),
	SETS("x86-6.12", "userfault=x86-uf-v3", commit, COMMIT_X86_UF_V3),
	SETS("x86-6.12", "userfault=x86-uf-v3", uf_inval, UF_INV_HOOK),
	SETS("x86-6.12", "userfault=x86-uf-v3", uf_size, UF_SIZE_ADJUST),
	SETS("x86-6.12", "userfault=x86-uf-v3", uf_validate_pointer, true),
	SETS("x86-uf-v3", "userfault=x86-none", commit, COMMIT_X86),
	SETS("x86-uf-v3", "userfault=x86-none", uf_inval, UF_INV_NONE),
	SETS("x86-6.12", "userfault=x86-uf-guarded", commit, COMMIT_X86_UF_GUARDED),
	SETS("arm64-6.1+userfault=arm64-uf-v1", "userfault=arm64-upstream", commit, COMMIT_ARM_61),
	SETS("arm64-uf-v1", "userfault=arm64-upstream", recovery, REC_NONE),
	SETS("arm64-uf-v1", "userfault=arm64-james-v2", recovery, REC_NONE),
	SETS("arm64-6.12", "userfault=arm64-uf-v1", recovery, REC_UNMAP_ALL),
	SETS("arm64-6.12", "userfault=arm64-no-early-return", commit, COMMIT_ARM_NO_EARLY_RETURN),
	SETS("arm64-6.12", "userfault=arm64-uf-v1", commit, COMMIT_ARM_UF_V1),
	SETS("arm64-6.12", "userfault=arm64-uf-v1", uf_read_error, UF_ERR_AS_USERFAULT),
	SETS("arm64-6.12", "userfault=arm64-james-v2", commit, COMMIT_ARM_JAMES_V2),
	SETS("arm64-6.12", "userfault=arm64-james-v2", uf_read_error, UF_ERR_AS_USERFAULT),
	SETS("arm64-6.12", "userfault=arm64-james-v2", uf_validate_pointer, true),
	SETS("arm64-6.12", "userfault=arm64-sean-rewrite", commit, COMMIT_ARM_SEAN),
	SETS("arm64-6.12", "userfault=arm64-sean-rewrite", uf_inval, UF_INV_HOOK),
	SETS("arm64-6.12", "userfault=arm64-james-flags-only", commit, COMMIT_ARM_JAMES_FLAGS_ONLY),
	SETS("x86-uf-v3", "invalidate=inv-none", uf_inval, UF_INV_NONE),
	SETS("arm64-sean-rewrite", "invalidate=inv-none", uf_inval, UF_INV_NONE),
	SETS("x86-uf-v3", "invalidate=inv-arch", uf_inval, UF_INV_ARCH),
	SETS("x86-uf-v2", "invalidate=inv-common-flush", uf_inval, UF_INV_COMMON),
	SETS("arm64-uf-v1", "invalidate=inv-common-flush", uf_inval, UF_INV_COMMON),
	SETS("arm64-james-v2", "invalidate=common-hook-v3", uf_inval, UF_INV_HOOK),
	SETS("x86-uf-v3", "invalidate=inv-changed-hook", uf_inval, UF_INV_CHANGED_HOOK),
	SETS("x86-uf-v3", "invalidate=perm-reap", uf_inval, UF_INV_PERM_REAP),
	SETS("arm64-james-v2", "invalidate=perm-reap-tlbcached", uf_inval, UF_INV_PERM_REAP_TLB),
	SETS("x86-uf-v3", "invalidate=inv-selective", uf_inval, UF_INV_SELECTIVE),
	SETS("x86-uf-v3", "invalidate=inv-before-swap", uf_inval, UF_INV_BEFORE_SWAP),
	SETS("x86-uf-v3+uapi=create-only", "uapi=any-toggle", uf_uapi, UAPI_ANY_TOGGLE),
	SETS("x86-uf-v3", "uapi=create-only", uf_uapi, UAPI_CREATE_ONLY),
	SETS("x86-uf-v3", "uapi=attr-rfc", uf_uapi, UAPI_ATTR_RFC),
	SETS("arm64-sean-rewrite", "uapi=exit-on-missing", uf_uapi, UAPI_EXIT_ON_MISSING),
	SETS("arm64-sean-rewrite", "uapi=rescan-ioctl", uf_uapi, UAPI_RESCAN),
	SETS("x86-6.12", "userfault=x86-uf-v2", uf_read, UF_READ_COPY),
	SETS("arm64-6.12", "userfault=arm64-uf-v1", uf_read, UF_READ_COPY),
	SETS("arm64-6.12", "userfault=arm64-james-v2", uf_read, UF_READ_COPY),
	SETS("arm64-james-v2", "userfault=arm64-sean-rewrite", uf_read, UF_READ_PLAIN),
	SETS("x86-uf-v3", "bitmap-read=read-copy", uf_read, UF_READ_COPY),
	SETS("arm64-james-v2", "bitmap-read=read-plain", uf_read, UF_READ_PLAIN),
	SETS("arm64-sean-rewrite", "bitmap-read=read-acquire", uf_read, UF_READ_ACQUIRE),
	SETS("arm64-james-v2", "read-error=err-bare", uf_read_error, UF_ERR_BARE),
	SETS("x86-uf-v3", "read-error=err-as-userfault", uf_read_error, UF_ERR_AS_USERFAULT),
	SETS("x86-uf-v3", "prefetch=pf-test-bits", uf_prefetch, PF_TEST_BITS),
	SETS("x86-uf-v3", "prefetch=pf-not-uf", uf_prefetch, PF_NOT_UF),
	SETS("x86-uf-v3+prefetch=pf-not-uf", "prefetch=pf-plain", uf_prefetch, PF_PLAIN),
	SETS("x86-uf-v3", "size=size-4k-at-faultin", uf_size, UF_SIZE_FAULTIN),
	SETS("x86-uf-v2", "size=size-4k-at-adjust", uf_size, UF_SIZE_ADJUST),
	SETS("x86-uf-v2", "size=size-free", uf_size, UF_SIZE_FREE),
	SETS("arm64-uf-v1", "size=size-free", uf_size, UF_SIZE_FREE),
	SETS("x86-uf-v3", "size=size-block-if-all-clear", uf_size, UF_SIZE_IF_CLEAR),
	SETS("x86-7.2", "recovery=rec-zap", recovery, REC_ZAP),
	SETS("x86-6.12", "recovery=rec-inplace", recovery, REC_INPLACE),
	SETS("x86-6.12", "recovery=rec-none", recovery, REC_NONE),
	SETS("arm64-uf-v1", "recovery=rec-none", recovery, REC_NONE),
	SETS("arm64-6.12", "recovery=rec-unmap-all", recovery, REC_UNMAP_ALL),
	SETS("arm64-6.12", "recovery=rec-collapse", recovery, REC_COLLAPSE),
	SETS("x86-6.12", "flush-rule=fl-W", flush_install, FL_W),
	SETS("x86-6.12", "flush-rule=fl-W", flush_ad_lost, false),
	SETS("x86-6.12", "flush-rule=fl-MMUW", flush_update, FL_MMUW),
	SETS("x86-7.2", "flush-rule=fl-Wcleared", flush_track, FL_W_CLEARED),
	SETS("x86-6.1", "flush-rule=fl-none", flush_track, FL_NONE),
	SETS("x86-7.2", "flush-rule=fl-before-6.13", flush_update, FL_W),
	SETS("x86-7.2", "flush-rule=fl-before-6.13", flush_ad_lost, true),
	SETS("x86-6.12+external=ext-each-change", "external=ext-none", external, EXT_NONE),
	SETS("x86-6.12", "external=ext-each-change", external, EXT_EACH_CHANGE),
	SETS("x86-7.2", "external=ext-when-absent", external, EXT_WHEN_ABSENT),
	SETS("x86-6.12+log-flush=dl-if-modified", "log-flush=dl-upstream", log_flush, DL_UPSTREAM),
	SETS("arm64-6.12", "log-flush=dl-if-modified", log_flush, DL_IF_MODIFIED),
	SETS("x86-6.12+order=ms-prepare-first", "order=ms-upstream", ms_order, MS_UPSTREAM),
	SETS("x86-6.12", "order=ms-prepare-first", ms_order, MS_PREPARE_FIRST),
	SETS("arm64-6.12", "order=ms-flush-after-prepare", ms_order, MS_FLUSH_AFTER_PREPARE),
	SETS("x86-6.12", "order=ms-skip-prepare-on-delete", ms_order, MS_SKIP_PREPARE_ON_DELETE),
	SETS("arm64-6.1", "order=ms-move-disabled", ms_order, MS_MOVE_DISABLED),
	SETS("x86-6.1", "order=ms-move-reject-if-tracked", ms_order, MS_MOVE_REJECT_IF_TRACKED),
	SETS("x86-6.12", "page-track=pt-flush-slot", page_track, PT_FLUSH_SLOT),
	SETS("x86-6.1", "page-track=pt-remove-region", page_track, PT_REMOVE_REGION),
	SETS("x86-6.1", "page-track=pt-change+movefail", page_track, PT_CHANGE_MOVEFAIL),
	SETS("x86-6.12+delete-veto=veto-arch", "delete-veto=veto-none", delete_veto, false),
	SETS("x86-6.12", "delete-veto=veto-arch", delete_veto, true),
	SETS("x86-6.12+move-log=bm-clear", "move-log=bm-reuse", move_log, BM_REUSE),
	SETS("x86-6.12", "move-log=bm-shift", move_log, BM_SHIFT),
	SETS("arm64-6.12", "move-log=bm-clear", move_log, BM_CLEAR),
	SETS("arm64-6.12", "move-log=reject-move-log", move_log, BM_REJECT),
	SETS("x86-6.12+gmem=bind-create-only", "gmem=gmem-none", gmem, GMEM_NONE),
	SETS("x86-6.12", "gmem=gmem-immutable", gmem, GMEM_IMMUTABLE),
	SETS("x86-6.12", "gmem=bind-create-only", gmem, GMEM_CREATE_ONLY),
	SETS("x86-6.12", "gmem=bind-new-unbind-old", gmem, GMEM_NEW_UNBIND_OLD),
	SETS("x86-6.12", "prefault=pre-none", prefault, PREFAULT_NONE),
	SETS("x86-6.1", "prefault=retry-in-srcu", prefault, PREFAULT_RETRY_LOCKED),
	SETS("x86-6.12", "prefault=eagain", prefault, PREFAULT_EAGAIN),
	SETS("x86-6.12", "prefault=eagain-reload", prefault, PREFAULT_RELOAD),
	SETS("x86-6.12+dirty-mode=ring", "dirty-mode=by-scenario", dirty_mode, DIRTY_BY_SCENARIO),
	SETS("x86-6.12", "dirty-mode=classic", dirty_mode, DIRTY_CLASSIC),
	SETS("x86-6.12", "dirty-mode=manual", dirty_mode, DIRTY_MANUAL),
	SETS("arm64-6.12", "dirty-mode=manual-initset", dirty_mode, DIRTY_MANUAL_INITSET),
	SETS("arm64-6.12", "dirty-mode=ring", dirty_mode, DIRTY_RING),
	SETS("x86-6.12", "slot-flush=zap-all", slot_flush, SLOT_FLUSH_ALL),
	SETS("x86-6.1", "slot-flush=zap-all-quirk", slot_flush, SLOT_FLUSH_QUIRK),
	SETS("x86-6.12", "slot-flush=zap-slot-leafs", slot_flush, SLOT_FLUSH_SLOT),
	SETS("arm64-6.12+cache=nofwb", "cache=fwb", s2_fwb, true),
	SETS("arm64-6.12", "cache=nofwb", s2_fwb, false),
	SETS("arm64-6.12", "fault-lock=exclusive", s2_fault_read_lock, false),
	SETS("arm64-6.1", "fault-lock=exclusive", s2_perm_read_lock, false),
	SETS("arm64-6.12", "fault-lock=perm-shared", s2_perm_read_lock, true),
	SETS("arm64-6.1", "fault-lock=shared", s2_fault_read_lock, true),
	SETS("x86-6.12", "spte=spte-6.1", spte_version, X86_SPTE_61),
	SETS("x86-6.1", "spte=spte-6.12", spte_version, X86_SPTE_612),
	SETS("x86-6.1", "spte=spte-7.2", spte_version, X86_SPTE_72),
	SETS("x86-6.12", "huge-fault=zap-empty", fault_huge, HUGE_ZAP_EMPTY),
	SETS("x86-6.1", "huge-fault=split", fault_huge, HUGE_SPLIT),
	SETS("x86-6.12", "zap-order=freeze-drop-flush", zap_order, ZAP_FREEZE_DROP_FLUSH),
	SETS("x86-6.1", "zap-order=flush-clear-drop", zap_order, ZAP_FLUSH_CLEAR_DROP),
	SETS("x86-6.12", "zap-passes=blocks-first", zap_passes, 4),
	SETS("x86-6.1", "zap-passes=each-level", zap_passes, 7),
	SETS("x86-6.12", "merge-flush=parent", merge_flush_parent, true),
	SETS("x86-6.1", "merge-flush=block", merge_flush_parent, false),
	SETS("x86-6.12", "retry-hull=hva", retry_by_hva, true),
	SETS("x86-6.1", "retry-hull=gfn", retry_by_hva, false),
	SETS("x86-6.12", "root-lock=exclusive", root_lock_write, true),
	SETS("x86-6.1", "root-lock=shared", root_lock_write, false),
	SETS("x86-6.12", "nx-table=any", nx_any_table, true),
	SETS("x86-6.1", "nx-table=tagged", nx_any_table, false),
	SETS("x86-6.12", "log-split=short", log_split_last, false),
	SETS("x86-6.1", "log-split=whole", log_split_last, true),
	SETS("x86-7.2", "spurious=overwritten", spurious_no_overwrite, false),
	SETS("x86-6.1", "spurious=kept", spurious_no_overwrite, true),
	SETS("x86-7.2", "pml-order=newest-first", pml_drain_upward, false),
	SETS("x86-6.1", "pml-order=as-written", pml_drain_upward, true),
	SETS("arm64-6.12", "log-commit=new-flags", commit, COMMIT_ARM_61),
	SETS("arm64-6.1", "log-commit=with-split", commit, COMMIT_ARM_CUR),
	SETS("arm64-6.12", "break-marker=empty", s2_locked_marker, false),
	SETS("arm64-6.1", "break-marker=locked", s2_locked_marker, true),
	SETS("arm64-6.12", "range-tlbi=vmid", s2_range_ops, false),
	SETS("arm64-6.1", "range-tlbi=range", s2_range_ops, true),
	SETS("arm64-6.12", "relax-tlbi=all", s2_relax_local, false),
	SETS("arm64-6.1", "relax-tlbi=local", s2_relax_local, true),
	SETS("arm64-6.12", "eager-split=none", s2_eager_split, false),
	SETS("arm64-6.1", "eager-split=chunks", s2_eager_split, true),
	SETS("arm64-6.12", "change-pte=maps", s2_change_pte, true),
	SETS("arm64-6.1", "change-pte=none", s2_change_pte, false),
	SETS("arm64-6.12", "dirty-mark=under-lock", s2_mark_after_unlock, false),
	SETS("arm64-6.1", "dirty-mark=after-unlock", s2_mark_after_unlock, true),
	SETS("arm64-6.12", "age=first-leaf", s2_age_one, true),
	SETS("arm64-6.1", "age=range", s2_age_one, false),
	SETS("arm64-6.12", "ring=none", ring_supported, false),
	SETS("arm64-6.1", "ring=supported", ring_supported, true),
	SETS("arm64-6.12", "host-protect=by-unit", host_protect_tables, false),
	SETS("arm64-6.1", "host-protect=by-table", host_protect_tables, true),
	SETS("arm64-sean-rewrite", "log-commit=new-flags", commit_base, COMMIT_ARM_61),
};

START_TEST(every_axis_sets_its_rule)
{
	const struct axis_case *a = &axes[_i];
	g_autofree char *line = g_strconcat(a->base, "+", a->word, NULL);
	struct rules without = rules_of(a->base), with = rules_of(line);
	uint8_t before = *((const uint8_t *)&without + a->offset);
	uint8_t after = *((const uint8_t *)&with + a->offset);

	ck_assert_msg(before != a->value, "%s has %s already", a->base, a->field);
	ck_assert_msg(after == a->value, "%s: expected %s %u, found %u", line, a->field, a->value,
		      after);
}
END_TEST

/* A word is what the rules are said to stand on after it. */
START_TEST(every_variant_is_found_again)
{
	const struct axis_case *a = &axes[_i];
	g_autofree char *line = g_strconcat(a->base, "+", a->word, NULL);
	struct rules r = rules_of(line);
	size_t n = strcspn(a->word, "=");
	unsigned int i = 0;

	while (strncmp(policy_axis(i), a->word, n) != 0 || policy_axis(i)[n] != '\0')
		ck_assert_uint_lt(++i, policy_nr_axes());
	ck_assert_str_eq(policy_variant(&r, i), a->word + n + 1);
}
END_TEST

static const char *const named[] = {
	"x86-6.1",
	"x86-6.12",
	"x86-7.2",
	"arm64-6.1",
	"arm64-6.12",
	"arm64-7.0",
	"x86-uf-v2",
	"x86-uf-sean",
	"x86-uf-v3",
	"x86-uf-guarded",
	"arm64-uf-v1",
	"arm64-james-v2",
	"arm64-sean-rewrite",
	"arm64-james-flags-only",
	"arm64-no-early-return",
};

/* The same point by words: the base, and every axis on which the policy stands. */
static char *point_of(const char *base, const struct rules *r)
{
	GString *s = g_string_new(base);

	/* a userfault series sets more than its own axis, so that it stands before the others */
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < policy_nr_axes(); i++) {
			bool first = strcmp(policy_axis(i), "userfault") == 0 ||
				     policy_axis_kind(i) == AXIS_KERNEL;
			const char *v = policy_variant(r, i);

			if (v && first == (pass == 0))
				g_string_append_printf(s, "+%s=%s", policy_axis(i), v);
		}
	}
	return g_string_free(s, FALSE);
}

START_TEST(every_named_policy_stands_on_every_axis)
{
	struct rules r = rules_of(named[_i]);
	bool x86 = r.arch == PT_X86;
	g_autofree char *line = point_of(policy_base(&r), &r);
	struct rules again = rules_of(line);
	unsigned int n = 0;

	for (unsigned int i = 0; i < policy_nr_axes(); i++)
		n += policy_variant(&r, i) != NULL;
	ck_assert_uint_eq(n, x86 ? 34 : 25);
	again.first_requests = r.first_requests; /* a machine's: what is pending at first adds up */
	ck_assert_mem_eq(&r, &again, sizeof(r));
}
END_TEST

/* What only the recorder's probes and counters see, and the base's own name. */
static void forget_what_is_printed(struct rules *r)
{
	r->trace_memslot_flush = r->trace_memslot_flush_log = r->trace_flush_with_address = false;
	r->trace_hugetlb_twice = r->unrecorded = false;
	r->trace_no_level = 0;
	r->first_requests = 0;
	r->base = 0;
}

static const struct {
	const char *from, *to;
} steps[] = {
	{ "x86-6.1", "x86-6.12" },     { "x86-6.12", "x86-6.1" },     { "x86-6.12", "x86-7.2" },
	{ "x86-7.2", "x86-6.1" },      { "arm64-6.1", "arm64-6.12" }, { "arm64-6.12", "arm64-6.1" },
	{ "arm64-6.12", "arm64-7.0" },
};

START_TEST(a_kernel_is_its_choices)
{
	struct rules to = rules_of(steps[_i].to), from;
	g_autofree char *line = point_of(steps[_i].from, &to);

	from = rules_of(line);
	forget_what_is_printed(&from);
	forget_what_is_printed(&to);
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): padding is 0 in both */
	ck_assert_msg(memcmp(&from, &to, sizeof(to)) == 0, "%s is not %s", line, steps[_i].to);
}
END_TEST

START_TEST(nothing_is_listed_that_the_tests_do_not_know)
{
	g_autoptr(GString) list = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;
	unsigned int words = 0;

	policy_list_axes(list);
	lines = g_strsplit(list->str, "\n", -1);
	for (size_t i = 0; lines[i]; i++) {
		g_auto(GStrv) word = g_strsplit_set(g_strstrip(lines[i]), " ", 2);
		bool known = false;

		if (!word[0] || !strchr(word[0], '=') || *word[0] == '=')
			continue;
		for (size_t k = 0; k < G_N_ELEMENTS(axes); k++)
			known |= strcmp(axes[k].word, word[0]) == 0;
		ck_assert_msg(known, "no case for %s", word[0]);
		words++;
	}
	for (size_t k = 0; k < G_N_ELEMENTS(axes); k++)
		ck_assert_msg(strstr(list->str, axes[k].word) != NULL, "%s", axes[k].word);
	ck_assert_uint_gt(words, 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_axes");
	TCase *words = tcase_create("words");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(words, every_axis_sets_its_rule, 0, G_N_ELEMENTS(axes));
	tcase_add_loop_test(words, every_variant_is_found_again, 0, G_N_ELEMENTS(axes));
	tcase_add_loop_test(words, every_named_policy_stands_on_every_axis, 0, G_N_ELEMENTS(named));
	tcase_add_loop_test(words, a_kernel_is_its_choices, 0, G_N_ELEMENTS(steps));
	tcase_add_test(words, nothing_is_listed_that_the_tests_do_not_know);
	suite_add_tcase(suite, words);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
