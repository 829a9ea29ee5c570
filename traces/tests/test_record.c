/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenario files and records: where lines may stand, and the policy that a header stands for.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "traces/record.h"

/* Tests start in the root of the source tree. */
#ifndef S2_SOURCE_DIR
#define S2_SOURCE_DIR "."
#endif

#define MAP   "host map name=m0 size=0x1000 backing=anon\n"
#define GRAIN "grain walk=1 hw=1 queue=any tlb=set\n"
#define SLOT  "op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x0\n"

static struct record *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct record *r = record_parse(text, strlen(text), "f", &error);

	ck_assert_msg(r != NULL, "%s", error ? error->message : "no message");
	return r;
}

static const struct record_scenario *scenario(const struct record *r, guint i)
{
	ck_assert_uint_lt(i, r->scenarios->len);
	return g_ptr_array_index(r->scenarios, i);
}

static const struct record_step *step(const struct record *r, guint i, guint j)
{
	ck_assert_uint_lt(j, scenario(r, i)->steps->len);
	return g_ptr_array_index(scenario(r, i)->steps, j);
}

START_TEST(scenario_file_ends_a_scenario_at_the_next)
{
	struct record *r = parse("# about\nscenario name=a\n" MAP SLOT
				 "\nscenario name=b vcpus=2\n" MAP "guest nop vcpu=1\n");

	ck_assert(!r->is_record);
	ck_assert_uint_eq(r->scenarios->len, 2);
	ck_assert_uint_eq(scenario(r, 0)->steps->len, 2);
	ck_assert_uint_eq(step(r, 1, 1)->input.line, 8);
	ck_assert_ptr_eq(record_find(r, "b"), scenario(r, 1));
	ck_assert_ptr_null(record_find(r, "c"));
	ck_assert_uint_eq(r->header->len, 1);
	record_free(r);
}
END_TEST

START_TEST(record_keeps_observations_with_their_input)
{
	struct record *r = parse("scenario name=a\n" MAP "ret 0\n" SLOT
				 "ret -EINVAL\ntrace load_pgd\nsum 4k=0 2m=0 1g=0 mmio=0 tables=-\n"
				 "# took 3 ms\nend\n\nscenario name=b\nskip\nend\n# oracle end\n");
	const struct lang_line *l;

	ck_assert(r->is_record);
	ck_assert_uint_eq(step(r, 0, 1)->obs->len, 3);
	l = g_ptr_array_index(step(r, 0, 1)->obs, 1);
	ck_assert_str_eq(l->u.obs.text, "trace load_pgd");
	ck_assert_uint_eq(l->line, 6);
	ck_assert(!scenario(r, 0)->skip && scenario(r, 1)->skip && scenario(r, 1)->ended);
	record_free(r);
}
END_TEST

START_TEST(a_schedule_stands_below_the_inputs_of_its_scenario)
{
	struct record *r = parse("scenario name=a\nscope slots=2\npar\n" MAP "join\n" GRAIN
				 "sched v0 n=2\nsched rcu\nexpect violated inv=I15\n"
				 "scenario name=b\n" MAP GRAIN "expect holds\n");

	ck_assert_int_eq(step(r, 0, 0)->input.kind, LANG_SCOPE);
	ck_assert_int_eq(step(r, 0, 4)->input.kind, LANG_GRAIN);
	ck_assert_uint_eq(step(r, 0, 5)->input.u.sched.n, 2);
	ck_assert_uint_eq(step(r, 0, 6)->expects->len, 1);
	ck_assert_uint_eq(step(r, 1, 1)->expects->len, 1);
	record_free(r);
}
END_TEST

START_TEST(expectations_belong_to_their_input_in_either_kind_of_file)
{
	struct record *r = parse("scenario name=a\n" MAP "expect ret 0\n");

	ck_assert(!r->is_record);
	ck_assert_uint_eq(step(r, 0, 0)->expects->len, 1);
	ck_assert_uint_eq(step(r, 0, 0)->obs->len, 0);
	record_free(r);
}
END_TEST

/* A file, and what the message must say. */
static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "f:1: empty file, expected 'scenario'" },
	{ "# nothing\n\n", "f:2: empty file" },
	{ MAP, "f:1: misplaced input, expected 'scenario' first" },
	{ "ret 0\n", "f:1: misplaced observation" },
	{ "end\n", "f:1: misplaced line, expected 'scenario'" },
	{ "scenario name=a\nret 0\n", "f:2: misplaced observation" },
	{ "scenario name=a\nexpect ret 0\n", "f:2: misplaced observation" },
	{ "scenario name=a\nscenario name=a\n", "f:2: doubled scenario" },
	{ "scenario name=a\n" MAP MAP, "f:3: doubled mapping" },
	{ "scenario name=a\n" SLOT,
	  "f:2: unknown mapping, expected one made by 'host map' above, found 'm0'" },
	{ "scenario name=a\n" MAP "scenario name=b\n" SLOT, "f:4: unknown mapping" },
	{ "scenario name=a\nguest nop vcpu=1\n",
	  "f:2: unknown vCPU, expected numbers below vcpus=1" },
	{ "scenario name=a\n" MAP "ret 0\n", "f:1: scenario 'a' of a record is not closed" },
	{ "scenario name=a\n" MAP "ret 0\nscenario name=b\nend\n",
	  "f:4: scenario 'a' is not closed" },
	{ "scenario name=a\n" MAP "scenario name=b\nend\n", "found another scenario" },
	{ "# oracle begin arch=x86 kernel=6.1\nscenario name=a\n",
	  "f:2: scenario 'a' of a record" },
	{ "scenario name=a\n" MAP "skip\nend\n", "f:3: misplaced line, expected 'skip' once" },
	{ "scenario name=a\nskip\nskip\nend\n", "f:3: misplaced line, expected 'skip' once" },
	{ "scenario name=a\nskip\n" MAP "end\n",
	  "f:3: misplaced input, expected 'end' after 'skip'" },
	{ "scenario name=a\nend\n" MAP, "f:3: misplaced input" },
	{ "scenario name=a\n" MAP "sum 4k=0 2m=0 1g=0 mmio=0 tables=-\nret 0\nend\n",
	  "f:4: misplaced observation, expected it above the 'sum' line" },
	{ "scenario name=a\n" MAP "rte 0\nend\n", "f:3: unknown first word" },
	{ "scenario name=a\n" MAP "scope slots=2\n",
	  "f:3: misplaced line, expected it above all inputs, found 'scope slots=2'" },
	{ "scenario name=a\nscope slots=2\nscope slots=2\n", "f:3: misplaced line" },
	{ "scenario name=a\nsched v0\n",
	  "f:2: misplaced line, expected 'grain' and then the schedule, found 'sched v0'" },
	{ "scenario name=a\n" GRAIN GRAIN,
	  "f:3: misplaced line, expected it once, behind the last input" },
	{ "scenario name=a\npar\n" GRAIN, "f:3: misplaced line, expected it once" },
	{ "scenario name=a\npar\n" GRAIN "join\n", "f:3: misplaced line, expected it once" },
	{ "scenario name=a\n" GRAIN MAP, "f:3: misplaced input, expected it above the schedule" },
	{ "scenario name=a\n" GRAIN "sched v0\n" MAP, "f:4: misplaced input" },
	{ "scenario name=a\n" GRAIN "sched v0\n" GRAIN, "f:4: misplaced line" },
};

START_TEST(bad_files_are_refused_with_their_message)
{
	g_autoptr(GError) error = NULL;
	struct record *r = record_parse(bad[_i].text, strlen(bad[_i].text), "f", &error);

	ck_assert_msg(r == NULL, "accepted: %s", bad[_i].text);
	ck_assert_msg(strstr(error->message, bad[_i].says) != NULL, "%s", error->message);
	ck_assert_ptr_nonnull(strstr(error->message, "found "));
}
END_TEST

START_TEST(bad_bytes_are_refused)
{
	static const char nul[] = "scenario name=a\nop\0dump\n";
	g_autoptr(GError) nul_error = NULL;
	g_autoptr(GError) long_error = NULL;
	g_autofree char *line = g_strnfill(LANG_LINE_MAX + 1, ' ');

	ck_assert_ptr_null(record_parse(nul, sizeof(nul) - 1, "f", &nul_error));
	ck_assert_ptr_nonnull(
		strstr(nul_error->message, "f:2: character, expected text, found a NUL"));
	ck_assert_ptr_null(record_parse(line, LANG_LINE_MAX + 1, "f", &long_error));
	ck_assert_ptr_nonnull(strstr(long_error->message, "found 65537"));
}
END_TEST

START_TEST(bad_paths_are_refused)
{
	g_autoptr(GError) absent = NULL;
	g_autoptr(GError) folder = NULL;

	ck_assert_ptr_null(record_read("no/such/file", &absent));
	ck_assert(g_error_matches(absent, RECORD_ERROR, RECORD_ERROR_READ));
	ck_assert_ptr_null(record_read(S2_SOURCE_DIR, &folder));
	ck_assert(g_error_matches(folder, RECORD_ERROR, RECORD_ERROR_READ));
}
END_TEST

#define ORACLE(arch, kernel) "# oracle begin arch=" arch " kernel=" kernel " #1 SMP\n"
#define PARAM(text)          "# /sys/module/" text "\n"
#define ARM_STEP             "scenario name=a\nguest nop vcpu=0\nexit vcpu=0 done\ntrace s2_map\n"

/* A header, its policy (NULL: none), and for wrong ones what the message must say. */
static const struct {
	const char *text, *policy, *says;
} headers[] = {
	{ "scenario name=a\n", NULL, NULL },
	{ ORACLE("x86", "6.12.95+deb12-amd64")
		  PARAM("kvm_amd/parameters/npt = Y") "scenario name=a\nend\n",
	  "x86-6.12+machine=npt", NULL },
	{ ORACLE("x86", "6.1.0-56-amd64") PARAM("kvm/parameters/tdp_mmu = N")
		  PARAM("kvm_amd/parameters/npt = Y") "scenario name=a\nend\n",
	  "x86-6.1+machine=npt+mmu=legacy", NULL },
	{ ORACLE("x86", "6.12.95") PARAM("kvm_intel/parameters/ept = Y")
		  PARAM("kvm_intel/parameters/eptad = Y")
			  PARAM("kvm_intel/parameters/pml = Y") "scenario name=a\nend\n",
	  "x86-6.12+machine=ept", NULL },
	{ ORACLE("x86", "6.12.95") PARAM("kvm_intel/parameters/ept = Y")
		  PARAM("kvm_intel/parameters/eptad = Y")
			  PARAM("kvm_intel/parameters/pml = N") "scenario name=a\nend\n",
	  "x86-6.12+machine=ept-nopml", NULL },
	{ ORACLE("x86", "6.12.95") PARAM("kvm_intel/parameters/ept = Y")
		  PARAM("kvm_intel/parameters/eptad = N")
			  PARAM("kvm_intel/parameters/pml = N") "scenario name=a\nend\n",
	  "x86-6.12+machine=ept-noad", NULL },
	{ ORACLE("x86", "6.1.0") "scenario name=a\nend\n", "x86-6.1", NULL },
	{ ORACLE("arm64", "6.1.0-56-arm64") ARM_STEP "end\n", "arm64-6.1+machine=nvhe", NULL },
	{ ORACLE("arm64", "6.12.9") ARM_STEP "trace tlbi_ipa gfn=0x0 level=3\nend\n",
	  "arm64-6.12+machine=vhe", NULL },
	{ ORACLE("arm64", "6.12.9") "scenario name=a\nend\n", "arm64-6.12+machine=vhe", NULL },
	{ ORACLE("x86",
		 "6.1.0") "# s2sim replay policy=x86-6.12+machine=npt\nscenario name=a\nend\n",
	  "x86-6.12+machine=npt", NULL },
	{ ORACLE("x86", "6.10.0") "scenario name=a\nend\n", NULL, "found 'x86-6.10'" },
	{ ORACLE("x86", "6.120") "scenario name=a\nend\n", NULL, "found 'x86-6.120'" },
	{ ORACLE("x86", "linux") "scenario name=a\nend\n", NULL, "found 'x86-linux'" },
	{ ORACLE("riscv", "6.1.0") "scenario name=a\nend\n", NULL, "found 'riscv-6.1'" },
	{ "# oracle begin arch=x86\nscenario name=a\nend\n", NULL, "expected arch= and kernel=" },
	{ ORACLE("x86", "6.1.0") PARAM("kvm_amd/parameters/npt = N") "scenario name=a\nend\n", NULL,
	  "npt or ept" },
	{ ORACLE("x86", "6.1.0") PARAM("kvm_amd/parameters/npt = Y")
		  PARAM("kvm_intel/parameters/ept = Y") "scenario name=a\nend\n",
	  NULL, "one of them" },
};

START_TEST(header_gives_the_policy)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *policy = NULL;
	struct record *r = parse(headers[_i].text);
	bool ok = record_policy(r, &policy, &error);

	ck_assert_msg(ok == !headers[_i].says, "%s", error ? error->message : "accepted");
	ck_assert_msg(g_strcmp0(policy, headers[_i].policy) == 0, "found %s", policy);
	if (headers[_i].says)
		ck_assert_msg(strstr(error->message, headers[_i].says) != NULL, "%s",
			      error->message);
	record_free(r);
}
END_TEST

START_TEST(header_keeps_the_parameters)
{
	struct record *r = parse(
		PARAM("kvm/parameters/eager_page_split = Y")
			PARAM("kvm/parameters/nx_huge_pages = force")
				PARAM("kvm/parameters/mmio_caching = N") PARAM(
					"other/parameters/mmio_caching = Y") "scenario name=a\n");

	ck_assert_str_eq(r->params.eager_page_split, "Y");
	ck_assert_str_eq(r->params.nx_huge_pages, "force");
	ck_assert_str_eq(r->params.mmio_caching, "N");
	record_free(r);
}
END_TEST

/* The committed records, and the policy of the machine each was made on. */
static const struct {
	const char *path, *policy;
	guint nr_scenarios;
} oracles[] = {
	{ "x86-6.12.txt", "x86-6.12+machine=npt", 35 },
	{ "x86-6.1.txt", "x86-6.1+machine=npt", 35 },
	{ "x86-6.1-shadow.txt", "x86-6.1+machine=npt+mmu=legacy", 35 },
	{ "x86-6.12-ept.txt", "x86-6.12+machine=ept", 35 },
	{ "x86-6.1-ept.txt", "x86-6.1+machine=ept", 35 },
	{ "x86-6.12-ept-nopml.txt", "x86-6.12+machine=ept-nopml", 35 },
	{ "x86-6.12-ept-noad.txt", "x86-6.12+machine=ept-noad", 35 },
	{ "x86-6.12-ept-only.txt", "x86-6.12+machine=ept", 5 },
	{ "arm64-6.12.txt", "arm64-6.12+machine=vhe", 34 },
	{ "arm64-6.1.txt", "arm64-6.1+machine=vhe", 34 },
	{ "arm64-6.1-nvhe.txt", "arm64-6.1+machine=nvhe", 34 },
	{ "random/x86-6.12.txt", "x86-6.12+machine=npt", 20 },
	{ "random/x86-6.1.txt", "x86-6.1+machine=npt", 20 },
	{ "random/arm64-6.12.txt", "arm64-6.12+machine=vhe", 20 },
	{ "random/arm64-6.1.txt", "arm64-6.1+machine=vhe", 20 },
};

START_TEST(recorded_files_are_read)
{
	g_autofree char *path =
		g_strconcat(S2_SOURCE_DIR "/traces/oracle/", oracles[_i].path, NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *policy = NULL;
	struct record *r = record_read(path, &error);

	ck_assert_msg(r != NULL, "%s", error ? error->message : "no message");
	ck_assert(r->is_record);
	ck_assert_uint_eq(r->scenarios->len, oracles[_i].nr_scenarios);
	ck_assert(record_policy(r, &policy, &error));
	ck_assert_str_eq(policy, oracles[_i].policy);
	record_free(r);
}
END_TEST

static Suite *record_suite(void)
{
	Suite *s = suite_create("record");
	TCase *files = tcase_create("files");
	TCase *policies = tcase_create("policies");

	tcase_add_test(files, scenario_file_ends_a_scenario_at_the_next);
	tcase_add_test(files, record_keeps_observations_with_their_input);
	tcase_add_test(files, a_schedule_stands_below_the_inputs_of_its_scenario);
	tcase_add_test(files, expectations_belong_to_their_input_in_either_kind_of_file);
	tcase_add_loop_test(files, bad_files_are_refused_with_their_message, 0,
			    (int)G_N_ELEMENTS(bad));
	tcase_add_test(files, bad_bytes_are_refused);
	tcase_add_test(files, bad_paths_are_refused);
	suite_add_tcase(s, files);
	tcase_add_loop_test(policies, header_gives_the_policy, 0, (int)G_N_ELEMENTS(headers));
	tcase_add_test(policies, header_keeps_the_parameters);
	tcase_add_loop_test(policies, recorded_files_are_read, 0, (int)G_N_ELEMENTS(oracles));
	suite_add_tcase(s, policies);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(record_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
