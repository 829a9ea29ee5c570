/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The comparison: each level finds its own differences and no others, state is carried forward,
 * racy scenarios are compared at level 1 only; the list of known differences; the printed results.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <json-glib/json-glib.h>

#include "harness/conform.h"

static struct record *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct record *r = record_parse(text, strlen(text), "f", &error);

	ck_assert_msg(r != NULL, "%s", error ? error->message : "no message");
	return r;
}

/* Compare the only scenarios of two records. */
static struct conform_scenario *compare_by(const char *recorded, const char *replayed,
					   const struct conform_how *how)
{
	struct record *a = parse(recorded), *b = parse(replayed);
	struct conform_scenario *s = conform_scenario_compare(
		g_ptr_array_index(a->scenarios, 0), g_ptr_array_index(b->scenarios, 0), how);

	record_free(a);
	record_free(b);
	return s;
}

static struct conform_scenario *compare_at(const char *recorded, const char *replayed,
					   unsigned level)
{
	return compare_by(recorded, replayed, &(struct conform_how){ .level = level });
}

#define STEP  "guest write vcpu=0 gpa=0x0\n"
#define HEAD  "scenario name=a\n" STEP
#define EXIT  "exit vcpu=0 done\n"
#define TRACE "trace load_pgd\ntrace set_spte gfn=0x0\n"
#define STAT  "stat vm pages_4k=+2 remote_tlb_flush_requests=+1\nstat vcpu0 pf_taken=+1\n"
#define TIMED                                                                                      \
	"stat vcpu0 tlb_flush=+3 pf_taken=+1\n"                                                    \
	"stat vm remote_tlb_flush=+1 remote_tlb_flush_requests=+1 pages_4k=+2\n"
#define PAGES    "pages 4k=2 2m=0 1g=0\n"
#define SUM      "sum 4k=2 2m=0 1g=0 mmio=0 tables=1/1/1/1\n"
#define TAB      "tab gfn=0x0 n=0x2 size=4k to=m0+0x0 perm=rwx a=1 d=1\n"
#define RECORDED HEAD EXIT TRACE STAT PAGES SUM TAB "end\n"

/* A replay of RECORDED, and the lowest level at which it differs; 0: it agrees. */
static const struct {
	unsigned level;
	const char *cls, *text;
} replays[] = {
	{ 0, NULL, RECORDED },
	{ 1, "exit", HEAD "exit vcpu=0 err=EFAULT\n" TRACE STAT PAGES SUM TAB "end\n" },
	{ 1, "ret", HEAD "ret 0\n" EXIT TRACE STAT PAGES SUM TAB "end\n" },
	{ 1, "dirty", HEAD EXIT "dirty slot=0 n=0\n" TRACE STAT PAGES SUM TAB "end\n" },
	{ 1, "input",
	  "scenario name=a\nguest read vcpu=0 gpa=0x0\n" EXIT TRACE STAT PAGES SUM TAB "end\n" },
	{ 1, "input", "scenario name=a\nend\n" },
	{ 1, "skip", "scenario name=a\nskip\nend\n" },
	{ 2, "sum",
	  HEAD EXIT TRACE STAT PAGES "sum 4k=3 2m=0 1g=0 mmio=0 tables=1/1/1/1\n" TAB "end\n" },
	{ 2, "sum",
	  HEAD EXIT TRACE STAT PAGES "sum 4k=2 2m=0 1g=0 mmio=1 tables=1/1/1/1\n" TAB "end\n" },
	{ 2, "pages", HEAD EXIT TRACE STAT "pages 4k=1 2m=0 1g=0\n" SUM TAB "end\n" },
	{ 2, "pages", HEAD EXIT TRACE STAT SUM TAB "end\n" },
	{ 2, "stat",
	  HEAD EXIT TRACE "stat vm pages_4k=+2\nstat vcpu0 pf_taken=+1\n" PAGES SUM TAB "end\n" },
	{ 2, "stat", HEAD EXIT TRACE STAT "stat vcpu1 pf_taken=+1\n" PAGES SUM TAB "end\n" },
	{ 2, "stat", HEAD EXIT TRACE STAT "stat vm tlb_flush=+1\n" PAGES SUM TAB "end\n" },
	/* order and grouping of counters, and those that timing changes, do not count */
	{ 0, NULL, HEAD EXIT TRACE TIMED PAGES SUM TAB "end\n" },
	{ 3, "tab", HEAD EXIT TRACE STAT PAGES SUM "end\n" },
	{ 3, "tab",
	  HEAD EXIT TRACE STAT PAGES SUM
	  "tab gfn=0x0 n=0x2 size=4k to=m0+0x0 perm=r-x a=1 d=1\nend\n" },
	{ 3, "tab",
	  HEAD EXIT TRACE STAT PAGES SUM
	  "tab gfn=0x0 n=0x2 size=4k to=m0+0x1000 perm=rwx a=1 d=1\nend\n" },
	{ 3, "tab",
	  HEAD EXIT TRACE STAT PAGES SUM
	  "tab gfn=0x0 n=0x1 size=4k to=m0+0x0 perm=rwx a=1 d=1\n"
	  "tab gfn=0x1 n=0x1 size=4k to=m0+0x2000 perm=rwx a=1 d=1\nend\n" },
	{ 3, "tables",
	  HEAD EXIT TRACE STAT PAGES "sum 4k=2 2m=0 1g=0 mmio=0 tables=1/1/1/2\n" TAB "end\n" },
	{ 4, "tab",
	  HEAD EXIT TRACE STAT PAGES SUM
	  "tab gfn=0x0 n=0x2 size=4k to=m0+0x0 perm=rwx a=1 d=0\nend\n" },
	/* runs that differ in an attribute only are one run at level 3 */
	{ 4, "tab",
	  HEAD EXIT TRACE STAT PAGES SUM
	  "tab gfn=0x0 n=0x1 size=4k to=m0+0x0 perm=rwx a=1 d=1\n"
	  "tab gfn=0x1 n=0x1 size=4k to=m0+0x1000 perm=rwx a=1 d=0\nend\n" },
	{ 4, "trace",
	  HEAD EXIT "trace set_spte gfn=0x0\ntrace load_pgd\n" STAT PAGES SUM TAB "end\n" },
	{ 4, "trace", HEAD EXIT "trace load_pgd\n" STAT PAGES SUM TAB "end\n" },
	{ 4, "trace", HEAD EXIT TRACE "trace load_pgd\n" STAT PAGES SUM TAB "end\n" },
};

START_TEST(each_difference_is_found_at_its_level)
{
	struct conform_scenario *s = compare_at(RECORDED, replays[_i].text, CONFORM_LEVELS);
	unsigned level = replays[_i].level;

	ck_assert_uint_eq(s->steps, 1);
	for (unsigned l = 1; l <= CONFORM_LEVELS; l++)
		ck_assert_msg(s->agree[l - 1] == (level == 0 || l < level), "level %u", l);
	ck_assert(!s->first == (level == 0));
	if (s->first) {
		ck_assert_uint_eq(s->first->level, level);
		ck_assert_str_eq(s->first->cls, replays[_i].cls);
	}
	conform_scenario_free(s);
}
END_TEST

START_TEST(first_difference_has_both_lines_and_the_place)
{
	struct conform_scenario *s = compare_at(
		RECORDED,
		HEAD EXIT "trace load_pgd\ntrace set_spte gfn=0x1\n" STAT PAGES SUM TAB "end\n", 4);
	const GPtrArray *context;

	ck_assert_str_eq(s->name, "a");
	ck_assert_uint_eq(s->first->step, 0);
	ck_assert_uint_eq(s->first->line, 5);
	ck_assert_str_eq(s->first->input, "guest write vcpu=0 gpa=0x0");
	ck_assert_str_eq(s->first->expected, "trace set_spte gfn=0x0");
	ck_assert_str_eq(s->first->found, "trace set_spte gfn=0x1");
	context = s->first->context;
	ck_assert_uint_eq(context->len, 3);
	ck_assert_str_eq(g_ptr_array_index(context, 0), "  trace load_pgd");
	ck_assert_str_eq(g_ptr_array_index(context, 1), "- trace set_spte gfn=0x0");
	conform_scenario_free(s);
}
END_TEST

START_TEST(differences_above_the_level_are_not_reported_but_counted)
{
	struct conform_scenario *s = compare_at(RECORDED, HEAD EXIT STAT PAGES SUM TAB "end\n", 3);

	ck_assert_ptr_null(s->first);
	ck_assert_uint_eq(s->agree[2], 1);
	ck_assert_uint_eq(s->agree[3], 0);
	conform_scenario_free(s);
}
END_TEST

#define EMPTY_SUM "sum 4k=0 2m=0 1g=0 mmio=0 tables=1/0/0/0\n"

START_TEST(state_that_is_printed_again_agrees_with_state_that_is_not)
{
	struct conform_scenario *s =
		compare_at(HEAD EXIT PAGES SUM TAB STEP EXIT "end\n",
			   HEAD EXIT PAGES SUM TAB STEP EXIT PAGES SUM TAB "end\n", 4);

	ck_assert_uint_eq(s->agree[3], 2);
	conform_scenario_free(s);
	s = compare_at(HEAD EXIT PAGES SUM TAB STEP EXIT PAGES SUM TAB "end\n",
		       HEAD EXIT PAGES SUM TAB STEP EXIT "end\n", 4);
	ck_assert_uint_eq(s->agree[3], 2);
	conform_scenario_free(s);
}
END_TEST

START_TEST(state_that_should_have_changed_differs_until_it_does)
{
	struct conform_scenario *s =
		compare_at(HEAD EXIT SUM TAB STEP EXIT EMPTY_SUM STEP EXIT STEP EXIT "end\n",
			   HEAD EXIT SUM TAB STEP EXIT STEP EXIT STEP EXIT EMPTY_SUM "end\n", 4);

	ck_assert_uint_eq(s->steps, 4);
	ck_assert_uint_eq(s->agree[0], 4);
	ck_assert_uint_eq(s->agree[1], 2);
	ck_assert_uint_eq(s->agree[3], 2);
	ck_assert_uint_eq(s->first->step, 1);
	conform_scenario_free(s);
}
END_TEST

#define RACY "scenario name=a timing=racy\n" STEP

START_TEST(racy_scenarios_are_compared_by_what_user_space_sees)
{
	struct conform_scenario *s =
		compare_at(RACY EXIT TRACE STAT PAGES SUM TAB "end\n", RACY EXIT "end\n", 4);

	ck_assert_uint_eq(s->agree[3], 1);
	conform_scenario_free(s);
	s = compare_at(RACY EXIT "end\n", RACY "exit vcpu=0 shutdown\nend\n", 4);
	ck_assert_uint_eq(s->agree[0], 0);
	conform_scenario_free(s);
}
END_TEST

START_TEST(counters_that_timing_changes_are_compared_if_asked_for)
{
	const struct conform_how how = { 4, true };
	struct conform_scenario *s =
		compare_by(RECORDED, HEAD EXIT TRACE TIMED PAGES SUM TAB "end\n", &how);

	ck_assert_uint_eq(s->agree[0], 1);
	ck_assert_uint_eq(s->agree[1], 0);
	ck_assert_str_eq(s->first->cls, "stat");
	conform_scenario_free(s);
}
END_TEST

START_TEST(two_refusals_agree_as_one_step)
{
	struct conform_scenario *s =
		compare_at("scenario name=a\nskip\nend\n", "scenario name=a\nskip\nend\n", 4);

	ck_assert_uint_eq(s->steps, 1);
	ck_assert_uint_eq(s->agree[3], 1);
	conform_scenario_free(s);
}
END_TEST

START_TEST(inputs_that_only_the_replay_has_differ)
{
	struct conform_scenario *s = compare_at(HEAD EXIT "end\n", HEAD EXIT STEP EXIT "end\n", 4);

	ck_assert_uint_eq(s->steps, 2);
	ck_assert_uint_eq(s->agree[0], 1);
	ck_assert_str_eq(s->first->cls, "input");
	conform_scenario_free(s);
}
END_TEST

START_TEST(steps_that_were_not_compared_at_all_levels_are_counted)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	struct conform_log *log = conform_log_new("a", "x86-6.12");
	g_autoptr(GPtrArray) logs = g_ptr_array_new();
	JsonObject *root;

	g_ptr_array_add(logs, log);
	g_ptr_array_add(log->scenarios, compare_at(RACY EXIT "end\n", RACY EXIT "end\n", 4));
	g_ptr_array_add(log->scenarios, compare_at("scenario name=b\nskip\nend\n",
						   "scenario name=b\nskip\nend\n", 4));
	g_ptr_array_add(log->scenarios, compare_at(RECORDED, RECORDED, 4));
	conform_print(logs, 4, out);
	ck_assert_ptr_nonnull(strstr(out->str, "\n1 of the steps are of scenarios with "
					       "timing=racy: compared at level 1, counted at "
					       "each\n1 of the steps are scenarios that both "
					       "refuse\n"));
	g_string_truncate(out, 0);
	conform_print_json(logs, 4, out);
	ck_assert(json_parser_load_from_data(parser, out->str, -1, NULL));
	root = json_node_get_object(json_parser_get_root(parser));
	ck_assert_int_eq(json_object_get_int_member(root, "of"), 3);
	ck_assert_int_eq(json_object_get_int_member(root, "of_racy"), 1);
	ck_assert_int_eq(json_object_get_int_member(root, "of_refused"), 1);
	conform_log_free(log);
}
END_TEST

/* A log with one scenario in which one step differs at level 4. */
static struct conform_log *differing_log(const char *file, const char *policy)
{
	struct conform_log *log = conform_log_new(file, policy);

	g_ptr_array_add(log->scenarios,
			compare_at(RECORDED, HEAD EXIT STAT PAGES SUM TAB "end\n", 4));
	return log;
}

static GPtrArray *one_log(void)
{
	GPtrArray *logs = g_ptr_array_new();

	g_ptr_array_add(logs, differing_log("oracle/random/x.txt", "x86-6.12+machine=npt"));
	return logs;
}

/* Two machines of one kernel, then another kernel, which agrees. */
static GPtrArray *logs_of_two_kernels(void)
{
	GPtrArray *logs = one_log();
	struct conform_log *agreeing = conform_log_new("z", "x86-6.1+machine=npt");

	g_ptr_array_add(agreeing->scenarios, compare_at(RECORDED, RECORDED, 4));
	g_ptr_array_add(logs, agreeing);
	g_ptr_array_add(logs, differing_log("y", "x86-6.12+machine=ept"));
	return logs;
}

static void free_logs(GPtrArray *logs)
{
	for (guint i = 0; i < logs->len; i++)
		conform_log_free(g_ptr_array_index(logs, i));
	g_ptr_array_unref(logs);
}

/* A list of known differences, the level asked for, and whether something is left. */
static const struct {
	const char *known;
	unsigned level;
	bool unexplained;
} explanations[] = {
	{ "", 4, true },
	{ "", 3, false },
	{ "x.txt a 4 1 emulator bug # really\n", 4, false },
	{ "# comment\n\n  random/x.txt a 4 1 why\n", 4, false },
	{ "x.txt a 4 2 one step too many\n", 4, true },
	{ "x.txt a 4 1 why\nx.txt a 3 1 nothing differs there\n", 4, true },
	{ "x.txt a 3 1 nothing differs there\n", 3, true },
	{ "x.txt a 4 9 above the level\n", 3, false },
	{ "oracle/random/x.txt a 4 1 why\n", 4, false },
	{ "y.txt a 4 1 why\n", 4, true },
	{ "dom/x.txt a 4 1 why\n", 4, true },
	{ "x.txt b 4 1 why\n", 4, true },
	{ "x.txt a 3 1 why\n", 4, true },
};

START_TEST(known_differences_explain_no_more_than_they_say)
{
	g_autoptr(GPtrArray) known = conform_known_parse(explanations[_i].known, "k", NULL);
	GPtrArray *logs = one_log();

	ck_assert_ptr_nonnull(known);
	conform_known_apply(g_ptr_array_index(logs, 0), known, explanations[_i].level);
	ck_assert(conform_has_unexplained(logs) == explanations[_i].unexplained);
	free_logs(logs);
}
END_TEST

static const struct {
	const char *text, *says;
} bad_known[] = {
	{ "x.txt a\n", "k:1: known difference, expected a level" },
	{ "\nx.txt a 5 1 why\n",
	  "k:2: known difference, expected a level from 1 to 4 as its third word, found '5'" },
	{ "x.txt a 4 0 why\n", "k:1: known difference, expected a number of steps" },
	{ "x.txt a 4 1\n", "k:1: known difference, expected a reason" },
	{ "x.txt a 4 1 why\nx.txt a 4 2 why\n",
	  "k:2: known difference, expected one row for each" },
};

START_TEST(bad_lists_of_known_differences_are_refused)
{
	g_autoptr(GError) error = NULL;

	ck_assert_ptr_null(conform_known_parse(bad_known[_i].text, "k", &error));
	ck_assert_msg(strstr(error->message, bad_known[_i].says) != NULL, "%s", error->message);
}
END_TEST

START_TEST(text_has_counts_and_the_first_difference)
{
	g_autoptr(GString) out = g_string_new(NULL);
	GPtrArray *logs = one_log();

	conform_known_apply(g_ptr_array_index(logs, 0), NULL, 4);
	conform_print(logs, 4, out);
	ck_assert_ptr_nonnull(strstr(out->str,
				     "oracle/random/x.txt  x86-6.12+machine=npt         1      1"
				     "      1      1      1      0    0.0%"));
	ck_assert_ptr_nonnull(strstr(out->str,
				     "oracle/random/x.txt:4: a: 1 of 1 steps differ, the first at "
				     "level 4 (trace)\n"));
	ck_assert_ptr_nonnull(
		strstr(out->str, "  expected: trace load_pgd\n  found:    nothing\n"));
	free_logs(logs);
}
END_TEST

START_TEST(json_has_the_documented_members)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	GPtrArray *logs = one_log();
	JsonObject *root, *log, *scen, *diff;

	conform_known_apply(g_ptr_array_index(logs, 0), NULL, 3);
	conform_print_json(logs, 3, out);
	ck_assert(json_parser_load_from_data(parser, out->str, -1, NULL));
	root = json_node_get_object(json_parser_get_root(parser));
	ck_assert_str_eq(json_object_get_string_member(root, "schema"), "s2sim.conform/1");
	ck_assert_int_eq(json_object_get_int_member(root, "agree"), 1);
	ck_assert_int_eq(json_object_get_int_member(root, "of"), 1);
	log = json_array_get_object_element(json_object_get_array_member(root, "logs"), 0);
	ck_assert_str_eq(json_object_get_string_member(log, "policy"), "x86-6.12+machine=npt");
	scen = json_array_get_object_element(json_object_get_array_member(log, "scenarios"), 0);
	ck_assert_str_eq(json_object_get_string_member(scen, "name"), "a");
	ck_assert_int_eq(
		json_array_get_int_element(json_object_get_array_member(scen, "levels"), 3), 0);
	diff = json_object_get_object_member(scen, "first_difference");
	ck_assert_int_eq(json_object_get_int_member(diff, "level"), 4);
	ck_assert(json_object_get_null_member(diff, "found"));
	free_logs(logs);
}
END_TEST

START_TEST(text_has_a_total_for_each_kernel)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) one = g_string_new(NULL);
	GPtrArray *logs = logs_of_two_kernels();
	GPtrArray *alone = one_log();

	conform_print(logs, 4, out);
	ck_assert_ptr_nonnull(strstr(out->str,
				     "\nkernel               x86-6.12                     2      2"
				     "      2      2      2      0    0.0%\n"
				     "kernel               x86-6.1                      1      1"
				     "      1      1      1      1  100.0%\n"
				     "total                                             3      3"
				     "      3      3      3      1   33.3%\n"));
	conform_print(alone, 4, one);
	ck_assert_ptr_null(strstr(one->str, "\nkernel"));
	free_logs(alone);
	free_logs(logs);
}
END_TEST

START_TEST(json_has_a_total_for_each_kernel)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(JsonParser) parser = json_parser_new();
	GPtrArray *logs = logs_of_two_kernels();
	JsonArray *kernels;
	JsonObject *k;

	conform_print_json(logs, 4, out);
	ck_assert(json_parser_load_from_data(parser, out->str, -1, NULL));
	kernels = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)),
					       "kernels");
	ck_assert_uint_eq(json_array_get_length(kernels), 2);
	k = json_array_get_object_element(kernels, 0);
	ck_assert_str_eq(json_object_get_string_member(k, "kernel"), "x86-6.12");
	ck_assert_int_eq(json_object_get_int_member(k, "agree"), 0);
	ck_assert_int_eq(json_object_get_int_member(k, "of"), 2);
	k = json_array_get_object_element(kernels, 1);
	ck_assert_str_eq(json_object_get_string_member(k, "kernel"), "x86-6.1");
	ck_assert_int_eq(json_object_get_int_member(k, "agree"), 1);
	free_logs(logs);
}
END_TEST

static Suite *conform_suite(void)
{
	Suite *s = suite_create("conform");
	TCase *compare = tcase_create("compare");
	TCase *report = tcase_create("report");

	tcase_add_loop_test(compare, each_difference_is_found_at_its_level, 0,
			    (int)G_N_ELEMENTS(replays));
	tcase_add_test(compare, first_difference_has_both_lines_and_the_place);
	tcase_add_test(compare, differences_above_the_level_are_not_reported_but_counted);
	tcase_add_test(compare, state_that_is_printed_again_agrees_with_state_that_is_not);
	tcase_add_test(compare, state_that_should_have_changed_differs_until_it_does);
	tcase_add_test(compare, racy_scenarios_are_compared_by_what_user_space_sees);
	tcase_add_test(compare, counters_that_timing_changes_are_compared_if_asked_for);
	tcase_add_test(compare, two_refusals_agree_as_one_step);
	tcase_add_test(compare, inputs_that_only_the_replay_has_differ);
	suite_add_tcase(s, compare);
	tcase_add_loop_test(report, known_differences_explain_no_more_than_they_say, 0,
			    (int)G_N_ELEMENTS(explanations));
	tcase_add_loop_test(report, bad_lists_of_known_differences_are_refused, 0,
			    (int)G_N_ELEMENTS(bad_known));
	tcase_add_test(report, text_has_counts_and_the_first_difference);
	tcase_add_test(report, json_has_the_documented_members);
	tcase_add_test(report, steps_that_were_not_compared_at_all_levels_are_counted);
	tcase_add_test(report, text_has_a_total_for_each_kernel);
	tcase_add_test(report, json_has_a_total_for_each_kernel);
	suite_add_tcase(s, report);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(conform_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
