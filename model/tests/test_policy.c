/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: every name parses, every wrong one is refused by name, and the commit tables do what the
 * kernels and the published series do.  The expected actions below were entered from those sources,
 * row by row, not from the tables under test.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>

#include "model/inject.h"
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

/* ---- names ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t arch, commit, recovery;
} bases[] = {
	{ "x86-6.1", PT_X86, COMMIT_X86, REC_ZAP },
	{ "x86-6.12", PT_X86, COMMIT_X86, REC_ZAP },
	{ "x86-7.2", PT_X86, COMMIT_X86, REC_INPLACE },
	{ "arm64-6.1", PT_ARM64, COMMIT_ARM_61, REC_NONE },
	{ "arm64-6.12", PT_ARM64, COMMIT_ARM_CUR, REC_NONE },
	{ "arm64-7.0", PT_ARM64, COMMIT_ARM_CUR, REC_NONE },
};

static const struct {
	const char *name, *line;
} presets[] = {
	{ "x86-uf-v2", "x86-6.12+machine=ept+userfault=x86-uf-v2" },
	{ "x86-uf-sean", "x86-6.12+machine=ept+userfault=x86-uf-sean" },
	{ "x86-uf-v3", "x86-6.12+machine=ept+userfault=x86-uf-v3" },
	{ "x86-uf-guarded", "x86-6.12+machine=ept+userfault=x86-uf-guarded" },
	{ "arm64-uf-v1", "arm64-6.12+userfault=arm64-uf-v1" },
	{ "arm64-james-v2", "arm64-6.12+userfault=arm64-james-v2" },
	{ "arm64-sean-rewrite", "arm64-6.12+userfault=arm64-sean-rewrite" },
	{ "arm64-james-flags-only", "arm64-6.12+userfault=arm64-james-flags-only" },
	{ "arm64-no-early-return", "arm64-6.12+userfault=arm64-no-early-return" },
};

/* A line, and the word that the message must quote. */
static const struct {
	const char *line, *word;
} bad[] = {
	{ "", "''" },
	{ "x86", "'x86'" },
	{ "x86-6.2", "'x86-6.2'" },
	{ "X86-6.12", "'X86-6.12'" },
	{ " x86-6.12", "' x86-6.12'" },
	{ "machine=ept", "'machine=ept'" },
	{ "x86-6.12+", "''" },
	{ "x86-6.12+ept", "'ept'" },
	{ "x86-6.12+machine=", "'machine='" },
	{ "x86-6.12+=ept", "'=ept'" },
	{ "x86-6.12+machine=sgx", "'machine=sgx'" },
	{ "x86-6.12+machin=ept", "'machin=ept'" },
	{ "x86-6.12+machine=ept-", "'machine=ept-'" },
	{ "x86-6.12+recovery=ept", "'recovery=ept'" },
	{ "x86-6.12+machine=ept+mmu=shadow", "'mmu=shadow'" },
	{ "x86-uf-v3+x86-uf-v2", "'x86-uf-v2'" },
	{ "x86-6.12+x86-6.1", "'x86-6.1'" },
	{ "x86-uf-v3+machine=vhe", "'machine=vhe'" },
	{ "arm64-6.12+machine=npt", "'machine=npt'" },
	{ "arm64-6.12+recovery=rec-zap", "'recovery=rec-zap'" },
	{ "arm64-6.12+userfault=x86-uf-v3", "'userfault=x86-uf-v3'" },
	{ "x86-6.12+userfault=arm64-uf-v1", "'userfault=arm64-uf-v1'" },
	{ "x86-6.12+cache=fwb", "'cache=fwb'" },
};

START_TEST(every_base_parses_to_its_architecture_and_hook)
{
	struct rules r = rules_of(bases[_i].name);

	ck_assert_int_eq(r.arch, bases[_i].arch);
	ck_assert_int_eq(r.commit, bases[_i].commit);
	ck_assert_int_eq(r.recovery, bases[_i].recovery);
	ck_assert(!(r.allowed_flags & MEM_USERFAULT));
	ck_assert_int_eq(r.inject, INJ_NONE);
}
END_TEST

START_TEST(every_preset_is_its_line)
{
	struct rules a = rules_of(presets[_i].name), b = rules_of(presets[_i].line);

	ck_assert_mem_eq(&a, &b, sizeof(a));
	ck_assert(a.allowed_flags & MEM_USERFAULT);
}
END_TEST

START_TEST(more_axes_may_follow_a_preset)
{
	g_autofree char *longer = g_strconcat(presets[_i].name, "+invalidate=inv-none", NULL);
	struct rules a = rules_of(presets[_i].name), b = rules_of(longer);

	ck_assert_int_eq(b.uf_inval, UF_INV_NONE);
	ck_assert_int_eq(b.commit, a.commit);
}
END_TEST

START_TEST(the_last_variant_of_an_axis_counts)
{
	struct rules r = rules_of("x86-6.12+machine=ept+machine=ept-nopml+machine=npt");

	ck_assert_int_eq(r.nested, X86_NPT);
	ck_assert(!r.pml);
	ck_assert_str_eq(r.geom, "npt4");
}
END_TEST

START_TEST(bad_words_are_named)
{
	struct rules r;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(!policy_parse(bad[_i].line, &r, &error), "'%s' was taken", bad[_i].line);
	ck_assert(error->domain == POLICY_ERROR && error->code == POLICY_ERROR_NAME);
	ck_assert_msg(strstr(error->message, bad[_i].word) != NULL, "expected %s in: %s",
		      bad[_i].word, error->message);
	ck_assert_ptr_nonnull(strstr(error->message, "expected"));
}
END_TEST

START_TEST(every_injection_has_a_name_and_no_other_word_has)
{
	struct rules x86 = rules_of("x86-6.12"), arm = rules_of("arm64-6.12");
	g_autoptr(GError) error = NULL;

	for (int i = 1; i < NR_INJECTIONS; i++) {
		const char *name = injection_name((enum injection)i);
		bool on_x86 = policy_set_injection(&x86, name, NULL);
		bool on_arm = policy_set_injection(&arm, name, NULL);

		ck_assert_msg(on_x86 || on_arm, "%s is for no architecture", name);
		ck_assert(!on_x86 || x86.inject == i);
		ck_assert(!on_arm || arm.inject == i);
		ck_assert_uint_gt(strlen(injection_text((enum injection)i)), 20);
	}
	ck_assert(policy_set_injection(&x86, "none", &error));
	ck_assert_uint_eq(x86.inject, INJ_NONE);
	ck_assert(!policy_set_injection(&x86, "skip-zapp", &error));
	ck_assert_ptr_nonnull(strstr(error->message, "'skip-zapp'"));
}
END_TEST

START_TEST(an_injection_of_another_architecture_is_refused)
{
	struct rules x86 = rules_of("x86-6.12"), arm = rules_of("arm64-6.12");
	g_autoptr(GError) e1 = NULL;
	g_autoptr(GError) e2 = NULL;

	ck_assert(!policy_set_injection(&x86, "no-break", &e1));
	ck_assert_ptr_nonnull(strstr(e1->message, "'no-break'"));
	ck_assert(!policy_set_injection(&arm, "skip-acks", &e2));
	ck_assert_ptr_nonnull(
		strstr(e2->message, "expected one that the policy's architecture has"));
	ck_assert(x86.inject == INJ_NONE && arm.inject == INJ_NONE);
}
END_TEST

/* An injection that is a variant sets that and nothing else; the others set nothing but themselves. */
START_TEST(an_injection_sets_no_rule_but_its_variant)
{
	for (int i = 1; i < NR_INJECTIONS; i++) {
		const char *name = injection_name((enum injection)i);
		struct rules was = rules_of("x86-uf-v3"), is = was;
		unsigned int differ = 0;

		if (!policy_set_injection(&is, name, NULL))
			continue;
		for (unsigned int a = 0; a < policy_nr_axes(); a++)
			differ += g_strcmp0(policy_variant(&was, a), policy_variant(&is, a)) != 0;
		if (differ == 0) {
			is.inject = INJ_NONE;
			ck_assert_mem_eq(&was, &is, sizeof(is));
		}
		ck_assert_msg(differ <= 1, "%s changes %u axes", name, differ);
	}
}
END_TEST

START_TEST(the_list_names_every_word)
{
	g_autoptr(GString) list = g_string_new(NULL);

	policy_list(list);
	policy_list_injections(list);
	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++)
		ck_assert_ptr_nonnull(strstr(list->str, bases[i].name));
	for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
		ck_assert_ptr_nonnull(strstr(list->str, presets[i].line));
	for (int i = 1; i < NR_INJECTIONS; i++)
		ck_assert_ptr_nonnull(strstr(list->str, injection_name((enum injection)i)));
}
END_TEST

/* ---- expected actions ------------------------------------------------------------------------ */

static const struct {
	const char *word;
	enum commit_action act;
} words[] = {
	{ "CNT", ACT_CNT }, { "REC", ACT_REC },    { "SPLIT", ACT_SPLIT }, { "CLR", ACT_CLR },
	{ "WP2", ACT_WP2 }, { "WP4", ACT_WP4 },    { "FLUSH", ACT_FLUSH }, { "Z", ACT_ZAP },
	{ "W", ACT_WP_S2 }, { "S", ACT_SPLIT_S2 }, { "C", ACT_CACHE },
};

static enum commit_action act_of(const char *word)
{
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].act;
	ck_abort_msg("no action %s", word);
	return ACT_NONE;
}

static char *names(const uint8_t *act, unsigned int n)
{
	GString *s = g_string_new(NULL);

	for (unsigned int i = 0; i < n; i++)
		g_string_append_printf(s, "%s ", policy_action_name((enum commit_action)act[i]));
	return g_string_free(s, FALSE);
}

/* The hook's actions are exactly @expected: words in order, "" for none. */
static void check_actions(const char *policy, const struct rules *r, const struct commit_in *in,
			  const char *expected)
{
	g_auto(GStrv) word = g_strsplit(expected, " ", -1);
	uint8_t want[COMMIT_ACTIONS_MAX] = { 0 }, found[COMMIT_ACTIONS_MAX] = { 0 };
	unsigned int n = 0, nr = policy_commit_actions(r, in, found);

	for (size_t i = 0; word[i]; i++) {
		if (*word[i] == '\0')
			continue;
		ck_assert_uint_lt(n, COMMIT_ACTIONS_MAX);
		want[n++] = (uint8_t)act_of(word[i]);
	}
	if (nr != n || memcmp(want, found, n) != 0) {
		g_autofree char *a = names(want, n), *b = names(found, nr);

		ck_abort_msg("%s: change %u, flags 0x%x -> 0x%x, init-set %d, eager %d, pml %d: "
			     "expected %s, found %s",
			     policy, in->change, in->old_flags, in->new_flags, in->init_set,
			     in->eager, r->pml, a, b);
	}
}

static uint32_t flags(bool log, bool uf, bool ro)
{
	return (log ? MEM_LOG_DIRTY_PAGES : 0U) | (uf ? MEM_USERFAULT : 0U) |
	       (ro ? MEM_READONLY : 0U);
}

/* ---- arm64 ----------------------------------------------------------------------------------- */

/*
 * Columns of the arm64 commit table.  Z flush of the slot, W write-protect and flush, S eager split,
 * C free the split cache.  The SEAN and JAMES columns show the arch hook alone.
 */
enum { A61, CUR, V1, V2, SEAN, JAMES, V3, NR_ARM_COLUMNS };

static const char *const arm_policies[NR_ARM_COLUMNS] = {
	[A61] = "arm64-6.1",
	[CUR] = "arm64-6.12",
	[V1] = "arm64-6.12+userfault=arm64-uf-v1",
	[V2] = "arm64-james-v2",
	[SEAN] = "arm64-sean-rewrite+invalidate=inv-none",
	[JAMES] = "arm64-james-flags-only+invalidate=inv-none",
	[V3] = "arm64-sean-rewrite",
};

static const struct arm_row {
	uint8_t change, log[2], uf[2]; /* old, new; an absent slot counts as 0 */
	const char *act[NR_ARM_COLUMNS];
} arm_rows[] = {
	/* clang-format off */
	{ KVM_MR_CREATE,     { 0, 0 }, { 0, 0 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_CREATE,     { 0, 0 }, { 0, 1 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_CREATE,     { 0, 1 }, { 0, 0 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_CREATE,     { 0, 1 }, { 0, 1 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_DELETE,     { 0, 0 }, { 0, 0 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_DELETE,     { 0, 0 }, { 1, 0 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_DELETE,     { 1, 0 }, { 0, 0 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_DELETE,     { 1, 0 }, { 1, 0 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_MOVE,       { 0, 0 }, { 0, 0 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_MOVE,       { 0, 0 }, { 0, 1 }, { "", "C", "", "", "", "C", "Z" } },
	{ KVM_MR_MOVE,       { 0, 0 }, { 1, 0 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_MOVE,       { 0, 0 }, { 1, 1 }, { "", "C", "", "", "", "C", "" } },
	{ KVM_MR_MOVE,       { 0, 1 }, { 0, 0 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_MOVE,       { 0, 1 }, { 0, 1 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S Z" } },
	{ KVM_MR_MOVE,       { 0, 1 }, { 1, 0 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_MOVE,       { 0, 1 }, { 1, 1 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_MOVE,       { 1, 0 }, { 0, 0 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_MOVE,       { 1, 0 }, { 0, 1 }, { "", "C", "C", "C", "C", "C", "C Z" } },
	{ KVM_MR_MOVE,       { 1, 0 }, { 1, 0 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_MOVE,       { 1, 0 }, { 1, 1 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_MOVE,       { 1, 1 }, { 0, 0 }, { "W", "W S", "", "", "", "W S", "" } },
	{ KVM_MR_MOVE,       { 1, 1 }, { 0, 1 }, { "W", "W S", "", "", "", "W S", "Z" } },
	{ KVM_MR_MOVE,       { 1, 1 }, { 1, 0 }, { "W", "W S", "", "", "", "W S", "" } },
	{ KVM_MR_MOVE,       { 1, 1 }, { 1, 1 }, { "W", "W S", "", "", "", "W S", "" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 0 }, { 0, 1 }, { "", "C", "Z", "Z", "", "", "Z" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 0 }, { 1, 0 }, { "", "C", "Z", "", "", "", "" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 1 }, { 0, 0 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 1 }, { 0, 1 }, { "W", "W S", "Z W S", "Z W S", "W S", "W S", "W S Z" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 1 }, { 1, 0 }, { "W", "W S", "Z W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_FLAGS_ONLY, { 0, 1 }, { 1, 1 }, { "W", "W S", "W S", "W S", "W S", "W S", "W S" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 0 }, { 0, 0 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 0 }, { 0, 1 }, { "", "C", "Z C", "Z C", "C", "C", "C Z" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 0 }, { 1, 0 }, { "", "C", "Z C", "C", "C", "C", "C" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 0 }, { 1, 1 }, { "", "C", "C", "C", "C", "C", "C" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 1 }, { 0, 1 }, { "W", "W S", "Z", "Z", "", "", "Z" } },
	{ KVM_MR_FLAGS_ONLY, { 1, 1 }, { 1, 0 }, { "W", "W S", "Z", "", "", "", "" } },
	/* clang-format on */
};

_Static_assert(G_N_ELEMENTS(arm_rows) == 36, "the table has 36 rows");

/* Initially-all-set: every W and S goes, the rest stays. */
static char *without_protection(const char *expected)
{
	GString *s = g_string_new(NULL);
	g_auto(GStrv) word = g_strsplit(expected, " ", -1);

	for (size_t i = 0; word[i]; i++)
		if (*word[i] && strcmp(word[i], "W") != 0 && strcmp(word[i], "S") != 0)
			g_string_append_printf(s, "%s ", word[i]);
	return g_string_free(s, FALSE);
}

static void check_arm_row(const char *policy, const struct arm_row *row, const char *expected)
{
	struct rules r = rules_of(policy);
	g_autofree char *init_set = without_protection(expected);

	for (int ro = 0; ro < 2; ro++) {
		struct commit_in in = { .change = row->change };
		bool created = row->change == KVM_MR_CREATE, gone = row->change == KVM_MR_DELETE;

		in.old_flags = flags(row->log[0], row->uf[0], ro && !created);
		in.new_flags = flags(row->log[1], row->uf[1], ro && !gone);
		for (int eager = 0; eager < 2; eager++) {
			in.eager = eager;
			in.init_set = false;
			check_actions(policy, &r, &in, expected);
			in.init_set = true;
			check_actions(policy, &r, &in, init_set);
		}
	}
}

START_TEST(arm64_commits_as_its_column_says)
{
	for (int col = 0; col < NR_ARM_COLUMNS; col++)
		check_arm_row(arm_policies[col], &arm_rows[_i], arm_rows[_i].act[col]);
}
END_TEST

/* What the rewrite's arch hook leaves to common code: one flush at the end of MOVE and FLAGS_ONLY. */
START_TEST(the_common_hook_adds_a_flush_after_the_arch_hook)
{
	const struct arm_row *row = &arm_rows[_i];
	bool due = !row->uf[0] && row->uf[1] &&
		   (row->change == KVM_MR_MOVE || row->change == KVM_MR_FLAGS_ONLY);
	g_autofree char *james = g_strjoin(" ", row->act[JAMES], due ? "Z" : NULL, NULL);

	check_arm_row("arm64-james-flags-only", row, james);
	check_arm_row("arm64-7.0+userfault=arm64-sean-rewrite", row, row->act[V3]);
	check_arm_row("arm64-6.12+machine=nvhe", row, row->act[CUR]);
}
END_TEST

/* ---- x86 without userfault -------------------------------------------------------------------- */

enum { ANY = 2 };

/* Rows of kvm_mmu_slot_apply_flags(); log is old, new; 2 stands for either. */
static const struct x86_row {
	bool flags_only;
	uint8_t ro, log[2], init_set, eager, pml;
	const char *act;
} x86_rows[] = {
	/* clang-format off */
	{ false, ANY, { 0, 0 }, ANY, ANY, ANY, "" },
	{ false, ANY, { 1, 1 }, ANY, ANY, ANY, "" },
	{ false, ANY, { 0, 1 }, ANY, ANY, ANY, "CNT" },
	{ false, ANY, { 1, 0 }, ANY, ANY, ANY, "CNT" },
	{ true,  1,   { 0, 1 }, ANY, ANY, ANY, "CNT" },
	{ true,  1,   { 1, 0 }, ANY, ANY, ANY, "CNT" },
	{ true,  ANY, { 0, 0 }, ANY, ANY, ANY, "" }, /* impossible without userfault: KVM warns */
	{ true,  ANY, { 1, 1 }, ANY, ANY, ANY, "" },
	{ true,  0,   { 1, 0 }, ANY, ANY, ANY, "CNT REC" },
	{ true,  0,   { 0, 1 }, 1,   ANY, ANY, "CNT" },
	{ true,  0,   { 0, 1 }, 0,   1,   1,   "CNT SPLIT CLR WP2 FLUSH" },
	{ true,  0,   { 0, 1 }, 0,   0,   1,   "CNT CLR WP2 FLUSH" },
	{ true,  0,   { 0, 1 }, 0,   1,   0,   "CNT SPLIT WP4 FLUSH" },
	{ true,  0,   { 0, 1 }, 0,   0,   0,   "CNT WP4 FLUSH" },
	/* clang-format on */
};

static const struct {
	const char *policy;
	bool pml;
} x86_machines[] = {
	{ "x86-6.1", false },
	{ "x86-6.1+machine=ept", true },
	{ "x86-6.12", false },
	{ "x86-6.12+machine=ept", true },
	{ "x86-6.12+machine=ept-nopml", false },
	{ "x86-6.12+machine=ept-noad", false },
	{ "x86-7.2", false },
	{ "x86-7.2+machine=ept", true },
	{ "x86-6.1+mmu=legacy", false },
};

static bool cell(uint8_t want, bool is)
{
	return want == ANY || want == is;
}

/* One point of the input space. */
struct x86_point {
	uint8_t change;
	bool old_log, new_log, ro, init_set, eager;
};

/* Exactly one row must match. */
static const char *x86_expected(const struct x86_point *p, bool pml)
{
	const char *found = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(x86_rows); i++) {
		const struct x86_row *row = &x86_rows[i];

		if (row->flags_only != (p->change == KVM_MR_FLAGS_ONLY) || !cell(row->ro, p->ro) ||
		    row->log[0] != p->old_log || row->log[1] != p->new_log ||
		    !cell(row->init_set, p->init_set) || !cell(row->eager, p->eager) ||
		    !cell(row->pml, pml))
			continue;
		ck_assert_ptr_null(found);
		found = row->act;
	}
	ck_assert_ptr_nonnull(found);
	return found;
}

/* Point number @n of all 4 * 2^5; false when no such change exists. */
static bool x86_point(unsigned int n, struct x86_point *p)
{
	*p = (struct x86_point){ .change = (uint8_t)(n >> 5),
				 .old_log = n & 1,
				 .new_log = n >> 1 & 1,
				 .ro = n >> 2 & 1,
				 .init_set = n >> 3 & 1,
				 .eager = n >> 4 & 1 };
	return !(p->change == KVM_MR_CREATE && p->old_log) &&
	       !(p->change == KVM_MR_DELETE && p->new_log);
}

enum { X86_POINTS = 4 * 32 };

static struct commit_in x86_in(const struct x86_point *p, bool old_uf, bool new_uf)
{
	bool created = p->change == KVM_MR_CREATE, gone = p->change == KVM_MR_DELETE;

	return (struct commit_in){
		.change = p->change,
		.old_flags = flags(p->old_log, old_uf, p->ro && !created),
		.new_flags = flags(p->new_log, new_uf, p->ro && !gone),
		.init_set = p->init_set,
		.eager = p->eager,
	};
}

START_TEST(x86_commits_as_the_truth_table_says)
{
	const char *policy = x86_machines[_i].policy;
	struct rules r = rules_of(policy);
	struct x86_point p;

	ck_assert_int_eq(r.pml, x86_machines[_i].pml);
	for (unsigned int n = 0; n < X86_POINTS; n++) {
		struct commit_in in;

		if (!x86_point(n, &p))
			continue;
		in = x86_in(&p, false, false);
		check_actions(policy, &r, &in, x86_expected(&p, r.pml));
	}
}
END_TEST

/* ---- x86 with userfault ----------------------------------------------------------------------- */

/*
 * FLAGS_ONLY: transitions of USERFAULT and LOG.  R recovery because of USERFAULT, r because of LOG,
 * P the protection that enabling LOG asks for; Z, CNT as above.
 */
static const struct uf_row {
	uint8_t uf[2], log[2];
	const char *v2, *v3;
} uf_rows[] = {
	{ { 0, 1 }, { 0, 0 }, "Z", "Z" },
	{ { 0, 1 }, { 1, 1 }, "Z", "Z" },
	{ { 0, 1 }, { 0, 1 }, "Z CNT P", "CNT P Z" },
	{ { 0, 1 }, { 1, 0 }, "Z CNT r", "CNT r Z" },
	{ { 1, 0 }, { 0, 0 }, "R", "R" },
	{ { 1, 0 }, { 1, 1 }, "R", "R" },
	{ { 1, 0 }, { 0, 1 }, "R CNT P", "R CNT P" },
	{ { 1, 0 }, { 1, 0 }, "R CNT r", "R CNT r" },
	{ { 1, 1 }, { 0, 1 }, "CNT P", "CNT P" },
	{ { 1, 1 }, { 1, 0 }, "CNT r", "CNT r" },
	{ { 0, 0 }, { 0, 1 }, "CNT P", "CNT P" },
	{ { 0, 0 }, { 1, 0 }, "CNT r", "CNT r" },
};

/* On a read-only slot what LOG asks for is left out, what USERFAULT asks for is not. */
static char *uf_expand(const char *act, const struct x86_point *p, bool pml)
{
	GString *s = g_string_new(NULL);
	g_auto(GStrv) word = g_strsplit(act, " ", -1);

	for (size_t i = 0; word[i]; i++) {
		if (strcmp(word[i], "R") == 0 || (strcmp(word[i], "r") == 0 && !p->ro))
			g_string_append(s, " REC");
		else if (strcmp(word[i], "P") == 0 && !p->ro && !p->init_set)
			g_string_append_printf(s, "%s %s FLUSH", p->eager ? " SPLIT" : "",
					       pml ? "CLR WP2" : "WP4");
		else if (!strchr("RrP", *word[i]))
			g_string_append_printf(s, " %s", word[i]);
	}
	return g_string_free(s, FALSE);
}

static void check_uf_row(const char *policy, const struct uf_row *row, const char *act)
{
	struct rules r = rules_of(policy);
	struct x86_point p;

	for (unsigned int n = 0; n < X86_POINTS; n++) {
		g_autofree char *expected = NULL;
		struct commit_in in;

		x86_point(n, &p);
		if (p.change != KVM_MR_FLAGS_ONLY || p.old_log != row->log[0] ||
		    p.new_log != row->log[1])
			continue;
		in = x86_in(&p, row->uf[0], row->uf[1]);
		expected = uf_expand(act, &p, r.pml);
		check_actions(policy, &r, &in, expected);
	}
}

START_TEST(x86_userfault_transitions_act_as_each_series_does)
{
	const struct uf_row *row = &uf_rows[_i];

	check_uf_row("x86-uf-v2", row, row->v2);
	check_uf_row("x86-6.12+userfault=x86-uf-v2", row, row->v2);
	check_uf_row("x86-7.2+machine=ept-noad+userfault=x86-uf-v2", row, row->v2);
	check_uf_row("x86-uf-v3", row, row->v3);
	check_uf_row("x86-uf-sean", row, row->v3);
	check_uf_row("x86-7.2+machine=npt+userfault=x86-uf-v3", row, row->v3);
}
END_TEST

/* CREATE, DELETE and MOVE: only the count; v3 also flushes a MOVE that sets USERFAULT. */
START_TEST(x86_userfault_adds_nothing_to_other_changes_but_v3_flushes_a_move)
{
	static const char *const policies[] = { "x86-uf-v2", "x86-uf-v3" };
	struct rules r = rules_of(policies[_i]);
	struct x86_point p;

	for (unsigned int n = 0; n < X86_POINTS * 4; n++) {
		bool old_uf = n >> 7 & 1, new_uf = n >> 8 & 1, flush;
		g_autofree char *expected = NULL;
		struct commit_in in;

		if (!x86_point(n % X86_POINTS, &p) || p.change == KVM_MR_FLAGS_ONLY ||
		    (p.change == KVM_MR_CREATE && old_uf) || (p.change == KVM_MR_DELETE && new_uf))
			continue;
		in = x86_in(&p, old_uf, new_uf);
		flush = _i == 1 && p.change == KVM_MR_MOVE && !old_uf && new_uf;
		expected = g_strjoin(" ", p.old_log != p.new_log ? "CNT" : "", flush ? "Z" : NULL,
				     NULL);
		check_actions(policies[_i], &r, &in, expected);
	}
}
END_TEST

/* ---- the table of all series side by side ------------------------------------------------------ */

/*
 * F flush of the slot, R recovery, L enabling of logging (x86), P bookkeeping when it is disabled,
 * W write-protect and split, C split cache.  The third column, today's arm64 hook with a flush added,
 * is hypothetical: its flush stands behind the hook here.
 */
enum { M_X86_V2, M_X86_V3, M_ARM_UPSTREAM, M_ARM_V2, M_ARM_V3, NR_M_COLUMNS };

static const char *const m_policies[NR_M_COLUMNS] = {
	"x86-uf-v2",      "x86-uf-v3",          "arm64-6.12+invalidate=inv-common-flush",
	"arm64-james-v2", "arm64-sean-rewrite",
};

static const struct {
	uint8_t log[2], uf[2];
	const char *act[NR_M_COLUMNS];
} m_rows[] = {
	{ { 0, 0 }, { 0, 1 }, { "F", "F", "C F", "F", "F" } },
	{ { 0, 0 }, { 1, 0 }, { "R", "R", "C", "", "" } },
	{ { 1, 1 }, { 0, 1 }, { "F", "F", "W F", "F", "F" } },
	{ { 1, 1 }, { 1, 0 }, { "R", "R", "W", "", "" } },
	{ { 0, 1 }, { 0, 0 }, { "L", "L", "W", "W", "W" } },
	{ { 0, 1 }, { 0, 1 }, { "F L", "L F", "W F", "F W", "W F" } },
	{ { 0, 1 }, { 1, 0 }, { "R L", "R L", "W", "W", "W" } },
	{ { 0, 1 }, { 1, 1 }, { "L", "L", "W", "W", "W" } },
	{ { 1, 0 }, { 0, 0 }, { "P R", "P R", "C", "C", "C" } },
	{ { 1, 0 }, { 0, 1 }, { "F P R", "P R F", "C F", "F C", "C F" } },
	{ { 1, 0 }, { 1, 0 }, { "R P R", "R P R", "C", "C", "C" } },
	{ { 1, 0 }, { 1, 1 }, { "P R", "P R", "C", "C", "C" } },
};

/* With PML and without eager split, the presets' machine. */
static const char *m_word(char letter, bool init_set)
{
	switch (letter) {
	case 'F':
		return "Z";
	case 'R':
		return "REC";
	case 'L':
		return init_set ? "CNT" : "CNT CLR WP2 FLUSH";
	case 'P':
		return "CNT";
	case 'W':
		return init_set ? "" : "W S";
	case 'C':
		return "C";
	default:
		return "";
	}
}

START_TEST(all_series_agree_with_the_table_of_combined_transitions)
{
	for (unsigned int n = 0; n < NR_M_COLUMNS * 2; n++) {
		unsigned int col = n / 2;
		struct rules r = rules_of(m_policies[col]);
		struct commit_in in = {
			.change = KVM_MR_FLAGS_ONLY,
			.init_set = n & 1,
			.old_flags = flags(m_rows[_i].log[0], m_rows[_i].uf[0], false),
			.new_flags = flags(m_rows[_i].log[1], m_rows[_i].uf[1], false),
		};
		g_autoptr(GString) expected = g_string_new(NULL);

		for (const char *c = m_rows[_i].act[col]; *c; c++)
			g_string_append_printf(expected, " %s", m_word(*c, in.init_set));
		check_actions(m_policies[col], &r, &in, expected->str);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *names_case = tcase_create("names"), *commit = tcase_create("commit");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(names_case, every_base_parses_to_its_architecture_and_hook, 0,
			    G_N_ELEMENTS(bases));
	tcase_add_loop_test(names_case, every_preset_is_its_line, 0, G_N_ELEMENTS(presets));
	tcase_add_loop_test(names_case, more_axes_may_follow_a_preset, 0, G_N_ELEMENTS(presets));
	tcase_add_test(names_case, the_last_variant_of_an_axis_counts);
	tcase_add_loop_test(names_case, bad_words_are_named, 0, G_N_ELEMENTS(bad));
	tcase_add_test(names_case, an_injection_of_another_architecture_is_refused);
	tcase_add_test(names_case, an_injection_sets_no_rule_but_its_variant);
	tcase_add_test(names_case, every_injection_has_a_name_and_no_other_word_has);
	tcase_add_test(names_case, the_list_names_every_word);
	suite_add_tcase(suite, names_case);
	tcase_add_loop_test(commit, arm64_commits_as_its_column_says, 0, G_N_ELEMENTS(arm_rows));
	tcase_add_loop_test(commit, the_common_hook_adds_a_flush_after_the_arch_hook, 0,
			    G_N_ELEMENTS(arm_rows));
	tcase_add_loop_test(commit, x86_commits_as_the_truth_table_says, 0,
			    G_N_ELEMENTS(x86_machines));
	tcase_add_loop_test(commit, x86_userfault_transitions_act_as_each_series_does, 0,
			    G_N_ELEMENTS(uf_rows));
	tcase_add_loop_test(
		commit, x86_userfault_adds_nothing_to_other_changes_but_v3_flushes_a_move, 0, 2);
	tcase_add_loop_test(commit, all_series_agree_with_the_table_of_combined_transitions, 0,
			    G_N_ELEMENTS(m_rows));
	suite_add_tcase(suite, commit);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
