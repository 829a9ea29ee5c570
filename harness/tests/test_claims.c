/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers of claims: what is refused, what each kind of run says, and how verdicts come from runs.
 */
#include <string.h>

#include <check.h>
#include <glib/gstdio.h>

#include "harness/claims.h"

#define SCENARIOS                                                                                  \
	"scenario name=del vcpus=1 code=0 policy=x86-6.12+machine=ept geom=ept-1x2\n"              \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=${F=none} map=m0+0x0\n"                    \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"par\n"                                                                                    \
	"op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0\n"                            \
	"join\n"                                                                                   \
	"scenario name=log vcpus=1 code=0 policy=x86-6.12+machine=ept geom=ept-1x2\n"              \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                          \
	"par\n"                                                                                    \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"join\n"                                                                                   \
	"scenario name=refused vcpus=1 code=0 ring=${RING=0} policy=x86-6.12\n"                    \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x800 size=0x2000 flags=none map=m0+0x0\n"                       \
	"expect ret -EINVAL\n"                                                                     \
	"scenario name=cost vcpus=1 code=0 trace=0 policy=x86-6.12+machine=ept\n"                  \
	"host map name=m0 size=0x20000 backing=anon\n"                                             \
	"op set_region slot=0 gpa=0 size=0x20000 flags=none map=m0+0\n"                            \
	"phase name=fill\n"                                                                        \
	"guest write vcpu=0 gpa=0 n=${N=8}\n"                                                      \
	"scenario name=more vcpus=1 code=0 trace=0\n"                                              \
	"host map name=m0 size=0x20000 backing=anon\n"                                             \
	"op set_region slot=0 gpa=0 size=0x20000 flags=none map=m0+0\n"                            \
	"phase name=fill\n"                                                                        \
	"guest write vcpu=0 gpa=0 n=9\n"

/* A ledger in a directory of its own. */
struct dir {
	char *path;
	struct ledger *ledger;
	GError *error;
};

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a name, then its text */
static void put(const struct dir *d, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(d->path, name, NULL);

	ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static void dir_init(struct dir *d, const char *rows)
{
	*d = (struct dir){ .path = g_dir_make_tmp(NULL, NULL) };
	ck_assert_ptr_nonnull(d->path);
	put(d, "a.scn", SCENARIOS);
	put(d, "a.yaml", rows);
	d->ledger = ledger_read(d->path, &d->error);
}

static void dir_fini(struct dir *d)
{
	static const char *const names[] = { "a.scn", "a.yaml" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(d->path, names[i], NULL);

		(void)g_unlink(path);
	}
	(void)g_rmdir(d->path);
	g_free(d->path);
	ledger_free(d->ledger);
	g_clear_error(&d->error);
}

#define ROW       "- claim: A-1\n  who: W\n  says: S\n"
#define RUNS      ROW "  runs:\n"
#define RUN(keys) "  - {" keys "}\n"

/* ---- reading ---------------------------------------------------------------------------------- */

static const struct {
	const char *rows, *says;
} bad[] = {
	{ "", "expected .yaml files with claims, found none" },
	{ "a: 1\n", "a.yaml:1:1: expected a list of claims, found 'a mapping'" },
	{ "- claim: [\n", "expected YAML, found" },
	{ "- claim: A\n  who: W\n", "a.yaml:1:3: expected claim, who and says" },
	{ ROW, "expected either runs or skip, found 'neither'" },
	{ RUNS RUN("scenario: del, holds: all") "  skip: no\n",
	  "expected either runs or skip, found 'both'" },
	{ ROW "  skip: no\n" ROW "  skip: no\n",
	  "a.yaml:5:3: expected each claim once, found 'A-1'" },
	{ ROW "  says: again\n  skip: no\n", "a.yaml:4:3: expected each key once, found 'says'" },
	{ ROW "  verdict: x\n",
	  "expected one of claim who says expect differs note skip runs, found 'verdict'" },
	{ ROW "  expect: yes\n  skip: no\n",
	  "expected expect: TRUE, FALSE, DEPENDS, SKIP or open, found 'yes'" },
	{ RUNS RUN("holds: all"), "a.yaml:5:5: expected a scenario, found 'none'" },
	{ RUNS RUN("scenario: nowhere, holds: all"),
	  "a.yaml:5: expected a scenario of the ledger's files, found 'nowhere'" },
	{ RUNS RUN("scenario: del"),
	  "expected one of holds, violated, replay, same-as, differs-from and count" },
	{ RUNS RUN("scenario: del, holds: all, violated: I15"), "and count, found 'several'" },
	{ RUNS RUN("scenario: cost, count: time, more: 1"), "expected a phase and one of less" },
	{ RUNS RUN("scenario: cost, count: time, phase: fill"),
	  "expected a phase and one of less" },
	{ RUNS RUN("scenario: del, holds: all, phase: fill"), "expected a phase and one of less" },
	{ RUNS RUN("scenario: refused, replay: maybe"),
	  "expected replay: met or unmet, found 'maybe'" },
	{ RUNS RUN("scenario: del, holds: all, control: 1"), "expected true, found '1'" },
	{ RUNS RUN("scenario: del, holds: all, policy: []"),
	  "expected a text, or a list of at least one" },
	{ RUNS RUN("scenario: del, holds: all, with: F"),
	  "expected a mapping of names to values, found 'F'" },
	{ RUNS RUN("scenario: del, holds: {}"), "expected a text for 'holds', found 'a mapping'" },
};

START_TEST(a_bad_ledger_is_refused)
{
	struct dir d;

	dir_init(&d, bad[_i].rows);
	ck_assert_ptr_null(d.ledger);
	ck_assert_msg(strstr(d.error->message, bad[_i].says) != NULL, "%s", d.error->message);
	dir_fini(&d);
}
END_TEST

static const struct {
	const char *run, *says;
} impossible[] = {
	{ "scenario: del, holds: I99",
	  "expected names that 's2sim list invariants' prints, found 'I99'" },
	{ "scenario: del, holds: all, policy: x86-9", "expected a base or preset" },
	{ "scenario: del, holds: all, inject: nothing",
	  "expected one of `list injections`, found 'nothing'" },
	{ "scenario: del, holds: all, with: {G: x}",
	  "expected names that its file has, found 'G'" },
	{ "scenario: del, replay: met", "expected `expect` lines in it, found 'none'" },
	{ "scenario: refused, replay: met, policy: arm64-6.1, with: {RING: \"0x10000\"}",
	  "expected a policy with the scenario's capabilities, found 'arm64-6.1'" },
	{ "scenario: cost, count: time, phase: nowhere, more: 1",
	  "expected a phase of the scenario" },
	{ "scenario: cost, count: luck, phase: fill, more: 1",
	  "that 's2sim run --csv' has, found 'luck'" },
	{ "scenario: cost, count: time, phase: fill, more: 1, beside: cost",
	  "expected a policy to compare" },
};

START_TEST(a_run_that_cannot_be_made_is_an_error)
{
	g_autofree char *rows = g_strdup_printf(RUNS "  - {%s}\n", impossible[_i].run);
	const struct decide_cfg cfg = { .jobs = 1 };
	struct dir d;

	dir_init(&d, rows);
	ck_assert_msg(d.ledger != NULL, "%s", d.error ? d.error->message : "");
	ck_assert_ptr_null(decide(d.ledger, ledger_find(d.ledger, "A-1"), &cfg, &d.error));
	ck_assert_msg(g_str_has_prefix(d.error->message, "A-1: "), "%s", d.error->message);
	ck_assert_msg(strstr(d.error->message, impossible[_i].says) != NULL, "%s",
		      d.error->message);
	dir_fini(&d);
}
END_TEST

/* ---- deciding --------------------------------------------------------------------------------- */

#define HOLDS  RUN("scenario: del, holds: all")
#define BREAKS RUN("scenario: del, violated: I15, inject: skip-zap")
#define WRONG  RUN("scenario: del, violated: I15")

static const struct {
	const char *runs;
	enum verdict verdict;
} rows[] = {
	{ HOLDS, VERDICT_TRUE },
	{ BREAKS, VERDICT_TRUE },
	{ HOLDS BREAKS, VERDICT_TRUE },
	{ WRONG, VERDICT_FALSE },
	{ HOLDS WRONG, VERDICT_FALSE },
	{ RUN("scenario: del, holds: I15, inject: skip-zap"), VERDICT_FALSE },
	/* another invariant is not asked about */
	{ RUN("scenario: del, holds: INV-DIRTY, inject: skip-zap"), VERDICT_TRUE },
	{ RUN("scenario: del, case: a, holds: all") RUN("scenario: del, case: b, violated: all"),
	  VERDICT_DEPENDS },
	{ RUN("scenario: del, case: a, holds: all") RUN("scenario: del, case: b, holds: all"),
	  VERDICT_TRUE },
	{ RUN("scenario: del, control: true, violated: all") HOLDS, VERDICT_SKIP },
	{ RUN("scenario: del, control: true, holds: all") WRONG, VERDICT_FALSE },
	{ RUN("scenario: del, holds: all, with: {F: [none, log]}"), VERDICT_TRUE },
	{ RUN("scenario: del, holds: all, policy: [x86-6.12+machine=ept, x86-6.1+machine=ept]"),
	  VERDICT_TRUE },
	{ RUN("scenario: refused, replay: met"), VERDICT_TRUE },
	{ RUN("scenario: refused, replay: unmet"), VERDICT_FALSE },
	{ RUN("scenario: log, same-as: x86-6.12+machine=ept"), VERDICT_TRUE },
	{ RUN("scenario: log, differs-from: x86-6.12+machine=ept"), VERDICT_FALSE },
	/* PML or a write-protected leaf: not the same bits */
	{ RUN("scenario: log, differs-from: x86-6.12+machine=ept-noad"), VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, equal: 8"), VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, equal: 9"), VERDICT_FALSE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, less: 9"), VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, less: 8"), VERDICT_FALSE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, at-most: 8"), VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, at-least: 9"),
	  VERDICT_FALSE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, more: 7"), VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, more: 8"), VERDICT_FALSE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, equal: x86-6.1"),
	  VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: total, equal: 16, with: {N: 16}"),
	  VERDICT_TRUE },
	{ RUN("scenario: cost, count: s2_leaf_installed, phase: fill, less: x86-6.12, beside: "
	      "more"),
	  VERDICT_TRUE },
};

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a row in its order */
static enum verdict verdict_of(const char *runs, const char *more, const char *inject)
{
	g_autofree char *text = g_strdup_printf("%s%s  runs:\n%s", ROW, more, runs);
	const struct decide_cfg cfg = { .jobs = 1, .inject = inject };
	struct decision *d;
	enum verdict v;
	struct dir dir;

	dir_init(&dir, text);
	ck_assert_msg(dir.ledger != NULL, "%s", dir.error ? dir.error->message : "");
	d = decide(dir.ledger, ledger_find(dir.ledger, "A-1"), &cfg, &dir.error);
	ck_assert_msg(d != NULL, "%s", dir.error ? dir.error->message : "");
	v = d->verdict;
	ck_assert((v == VERDICT_SKIP) == (d->why != NULL));
	decision_free(d);
	dir_fini(&dir);
	return v;
}

/* Whatever is expected, and whatever else the row says, the verdict is of the runs alone. */
START_TEST(a_verdict_comes_from_the_runs)
{
	static const char *const more[] = { "", "  expect: \"TRUE\"\n", "  expect: \"FALSE\"\n",
					    "  expect: DEPENDS\n  differs: because\n  note: n\n" };

	for (size_t i = 0; i < G_N_ELEMENTS(more); i++)
		ck_assert_msg(verdict_of(rows[_i].runs, more[i], NULL) == rows[_i].verdict, "%s",
			      rows[_i].runs);
}
END_TEST

START_TEST(a_rule_that_is_broken_turns_a_verdict)
{
	ck_assert_int_eq(verdict_of(HOLDS, "", "skip-zap"), VERDICT_FALSE);
	ck_assert_int_eq(verdict_of(WRONG, "", "skip-zap"), VERDICT_TRUE);
	/* what other architectures have is no rule of this one */
	ck_assert_int_eq(verdict_of(HOLDS, "", "skip-tlbi"), VERDICT_TRUE);
	/* a run's own goes before */
	ck_assert_int_eq(verdict_of(BREAKS, "", "skip-dirty-mark"), VERDICT_TRUE);
}
END_TEST

START_TEST(expectations_are_held_against_verdicts)
{
	static const struct {
		const char *more;
		enum expectation is;
	} cases[] = {
		{ "", EXPECT_NOTHING },
		{ "  expect: open\n", EXPECT_NOTHING },
		{ "  expect: \"TRUE\"\n", EXPECT_MET },
		{ "  expect: \"FALSE\"\n", EXPECT_NOT_MET },
		{ "  expect: \"FALSE\"\n  differs: because\n", EXPECT_KNOWN_OTHER },
	};
	g_autofree char *text = g_strdup_printf("%s%s  runs:\n%s", ROW, cases[_i].more, HOLDS);
	const struct decide_cfg cfg = { .jobs = 1 };
	struct decision *d;
	struct dir dir;

	dir_init(&dir, text);
	d = decide(dir.ledger, ledger_find(dir.ledger, "A-1"), &cfg, NULL);
	ck_assert_int_eq(decision_expected(d), cases[_i].is);
	decision_free(d);
	dir_fini(&dir);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("claims");
	TCase *t = tcase_create("claims");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_bad_ledger_is_refused, 0, G_N_ELEMENTS(bad));
	tcase_add_loop_test(t, a_run_that_cannot_be_made_is_an_error, 0, G_N_ELEMENTS(impossible));
	tcase_add_loop_test(t, a_verdict_comes_from_the_runs, 0, G_N_ELEMENTS(rows));
	tcase_add_test(t, a_rule_that_is_broken_turns_a_verdict);
	tcase_add_loop_test(t, expectations_are_held_against_verdicts, 0, 5);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
