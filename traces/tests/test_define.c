/* SPDX-License-Identifier: Apache-2.0 */
/* Values from outside in scenario files. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "traces/define.h"
#include "traces/record.h"

static const struct {
	const char *text, *expanded;
} good[] = {
	{ "", "" },
	{ "no value\n", "no value\n" },
	{ "a=${SIZE=1GiB} b=${SIZE=2MiB}", "a=64GiB b=64GiB" },
	{ "${NEW=x y}${NEW=}", "x y" },
	{ "# ${UNKNOWN} in a comment\n${SIZE}", "# ${UNKNOWN} in a comment\n64GiB" },
	{ "cost $5 $SIZE }", "cost $5 $SIZE }" },
	{ "${N=a=b}", "a=b" },
};

START_TEST(good_values_are_put_in)
{
	struct define defs[] = { { "SIZE", "64GiB", false },
				 { "OTHER", "1", false },
				 { NULL, NULL, false } };
	g_autoptr(GError) error = NULL;
	GString *out = define_expand("f", good[_i].text, strlen(good[_i].text), defs, &error);

	ck_assert_msg(out != NULL, "%s", error ? error->message : "");
	ck_assert_str_eq(out->str, good[_i].expanded);
	ck_assert_int_eq(defs[0].used, strstr(good[_i].text, "${SIZE") != NULL);
	ck_assert(!defs[1].used);
	g_string_free(out, TRUE);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{ "ok\n${UNKNOWN}\n", "f:2: value from outside, expected ${NAME=DEFAULT}" },
	{ "${SIZE", "f:1: value from outside" },
	{ "a\nb\n${SIZE\n}", "f:3: value from outside" },
	{ "${}", "found '${}'" },
};

START_TEST(bad_values_are_refused)
{
	g_autoptr(GError) error = NULL;

	ck_assert_ptr_null(define_expand("f", bad[_i].text, strlen(bad[_i].text), NULL, &error));
	ck_assert(g_error_matches(error, RECORD_ERROR, RECORD_ERROR_FORMAT));
	ck_assert_msg(strstr(error->message, bad[_i].says) != NULL, "%s", error->message);
}
END_TEST

/* Blocks of lines that run side by side. */
static const struct {
	const char *text, *says; /* NULL: it is right */
} blocks[] = {
	{ "scenario name=a\npar\nop dump\njoin\npar\njoin\n", NULL },
	{ "scenario name=a\npar\npar\n",
	  "f:3: misplaced line, expected 'join' before the next 'par'" },
	{ "scenario name=a\njoin\n", "f:2: misplaced line, expected 'par' before it" },
	{ "scenario name=a\npar\nop dump\n",
	  "'par' is not closed, expected 'join', found the end" },
	{ "scenario name=a\npar\nscenario name=b\n", "f:3: 'par' is not closed, expected 'join'" },
};

START_TEST(blocks_are_closed_where_they_must)
{
	g_autoptr(GError) error = NULL;
	struct record *r = record_parse(blocks[_i].text, strlen(blocks[_i].text), "f", &error);

	if (blocks[_i].says)
		ck_assert_msg(!r && strstr(error->message, blocks[_i].says), "%s",
			      error ? error->message : "no error");
	else
		ck_assert_msg(r != NULL, "%s", error ? error->message : "");
	record_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("define");
	TCase *tc = tcase_create("define");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, good_values_are_put_in, 0, (int)G_N_ELEMENTS(good));
	tcase_add_loop_test(tc, bad_values_are_refused, 0, (int)G_N_ELEMENTS(bad));
	tcase_add_loop_test(tc, blocks_are_closed_where_they_must, 0, (int)G_N_ELEMENTS(blocks));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
