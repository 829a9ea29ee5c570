/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories: the table as a mail shows it, in its three forms; the diagram as XML that a parser takes;
 * texts that need cutting, cleaning or escaping; the same bytes each time.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "harness/story_priv.h"
#include "harness/tests/story_sample.h"

typedef struct story *(*sample_fn)(void);

static const sample_fn samples[] = { story_sample_dirty, story_sample_kick, story_sample_many };

static struct story *new_story(const char *scenario)
{
	return story_new(&(struct story_about){ .scenario = scenario, .policy = "p" });
}

static GString *print(struct story *s, void (*how)(const struct story *, GString *))
{
	GString *out = g_string_new(NULL);

	how(s, out);
	story_free(s);
	return out;
}

/* ---- The table ------------------------------------------------------------------------------- */

/* clang-format off */
static const char dirty_table[] =
"lost-page: INV-DIRTY does not hold at gfn 0x1 after 5 steps.\n"
"policy    x86-6.12+machine=ept\n"
"geometry  ept-2x2: 4 KiB pages, 16 KiB blocks\n"
"injected  skip-dirty-mark (this rule was taken out of the kernel)\n"
"to read   > begins a line of the scenario, | goes on with it; * the violation is about this step\n"
"\n"
" step  v0                                                               vmm0\n"
" ----  ---------------------------------------------------------------  ------------------------\n"
"       > guest write vcpu=0 gpa=0x1000\n"
"    1  | tdp_page_fault:slot\n"
"    2* | tdp_map:install\n"
"       |     trace spte_changed gfn=0x1 n=0x1 size=4k none -> leaf:rwx\n"
"       |\n"
"       |                                                                > op get_dirty slot=0\n"
"    3  |                                                                | get_dirty_log:lock\n"
"    4* |                                                                | get_dirty_log:exchange\n"
"       |                                                                |     dirty slot=0 n=0\n"
"       |\n"
"    5* | vcpu_run:entered\n"
"====================================================================================================\n"
" !!!!  INV-DIRTY does not hold at gfn 0x1 after 5 steps.\n"
"       The page can be written, but neither its bit nor a log says so.\n"
"       1,234 states were searched.\n";

static const char kick_head[] =
" step  v0            v1            vmm0          mm0\n"
" ----  ------------  ------------  ------------  ---------------------------------------------------\n";

static const char kick_middle[] =
"    5                |                           | make_all_cpus_request:send --> v1\n"
"                     |                           |     request TLB_FLUSH, vcpu=1 is in the guest\n"
"                     |                           |\n"
"       > guest write vcpu=0 gpa=0x1000           |\n"
"    6  | tdp_page_fault:slot                     |\n"
"       |             |                           |\n"
"    7* |             | guest:ack --> mm0         |\n";

static const char many_start[] =
" step  who  what\n"
"       v0   > guest exec vcpu=0 gpa=0x1000\n"
"    1       | user_mem_abort:seq\n"
"\n"
"       v1   > guest exec vcpu=1 gpa=0x1000\n";
/* clang-format on */

START_TEST(two_actors_stand_side_by_side)
{
	GString *out = print(story_sample_dirty(), story_print_table);

	ck_assert_str_eq(out->str, dirty_table);
	g_string_free(out, TRUE);
}
END_TEST

START_TEST(texts_too_wide_for_columns_make_a_staircase)
{
	GString *out = print(story_sample_kick(), story_print_table);

	ck_assert_msg(strstr(out->str, kick_head) != NULL, "%s", out->str);
	ck_assert_msg(strstr(out->str, kick_middle) != NULL, "%s", out->str);
	g_string_free(out, TRUE);
}
END_TEST

START_TEST(a_crowd_is_one_column_with_names)
{
	GString *out = print(story_sample_many(), story_print_table);
	const char *head = strstr(out->str, " step  who");

	ck_assert_msg(strstr(out->str, many_start) == head && head, "%s", out->str);
	/* a long table names its columns again, and not before each row */
	head = strstr(head + 1, " step  who");
	ck_assert_ptr_nonnull(head);
	ck_assert_ptr_null(strstr(head + 1, " step  who"));
	g_string_free(out, TRUE);
}
END_TEST

START_TEST(no_line_of_a_table_is_longer_than_a_mail_takes)
{
	GString *out = print(samples[_i](), story_print_table);
	char **lines = g_strsplit(out->str, "\n", -1);

	for (char **l = lines; *l; l++) {
		size_t len = strlen(*l);

		ck_assert_msg(g_utf8_strlen(*l, -1) <= 100, "%s", *l);
		ck_assert_msg(len == 0 || (*l)[len - 1] != ' ', "'%s' ends with a space", *l);
	}
	g_strfreev(lines);
	g_string_free(out, TRUE);
}
END_TEST

START_TEST(a_story_of_nothing_can_be_printed)
{
	GString *table = print(new_story("empty"), story_print_table);
	GString *svg = print(new_story("empty"), story_print_svg);

	ck_assert(g_str_has_prefix(table->str,
				   "empty:  does not hold after 0 steps.\npolicy    p\n"));
	ck_assert(g_str_has_suffix(svg->str, "</svg>\n"));
	g_string_free(table, TRUE);
	g_string_free(svg, TRUE);
}
END_TEST

START_TEST(who_takes_no_part_has_no_column)
{
	GString *table = print(story_sample_dirty(), story_print_table);
	GString *svg = print(story_sample_dirty(), story_print_svg);

	ck_assert_ptr_null(strstr(table->str, "mm0 "));
	ck_assert_ptr_null(strstr(svg->str, ">mm0<"));
	ck_assert_ptr_nonnull(strstr(svg->str, ">vmm0<"));
	g_string_free(table, TRUE);
	g_string_free(svg, TRUE);
}
END_TEST

/* ---- The diagram ----------------------------------------------------------------------------- */

struct seen {
	guint rects, texts, paths;
	GString *text; /* all that stands in elements, one line each */
};

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as glib has it */
static void on_start(GMarkupParseContext *c, const char *name, const char **keys,
		     const char **values, gpointer data, GError **error)
{
	struct seen *seen = data;

	(void)c;
	(void)keys;
	(void)values;
	(void)error;
	seen->rects += strcmp(name, "rect") == 0;
	seen->texts += strcmp(name, "text") == 0;
	seen->paths += strcmp(name, "path") == 0;
}

static void on_text(GMarkupParseContext *c, const char *text, gsize len, gpointer data,
		    GError **error)
{
	struct seen *seen = data;

	(void)c;
	(void)error;
	g_string_append_len(seen->text, text, (gssize)len);
	g_string_append_c(seen->text, '\n');
}

static struct seen parse(const GString *svg)
{
	static const GMarkupParser parser = { .start_element = on_start, .text = on_text };
	struct seen seen = { .text = g_string_new(NULL) };
	GMarkupParseContext *c = g_markup_parse_context_new(&parser, 0, &seen, NULL);
	GError *error = NULL;

	ck_assert_msg(g_markup_parse_context_parse(c, svg->str, (gssize)svg->len, &error) &&
			      g_markup_parse_context_end_parse(c, &error),
		      "%s\n%s", error ? error->message : "", svg->str);
	g_markup_parse_context_free(c);
	return seen;
}

START_TEST(a_diagram_is_well_formed_xml)
{
	GString *svg = print(samples[_i](), story_print_svg);
	struct seen seen = parse(svg);

	ck_assert(g_str_has_prefix(svg->str, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg "));
	ck_assert_uint_gt(seen.rects, 3);
	ck_assert_uint_gt(seen.texts, 8);
	ck_assert_uint_gt(seen.paths, 1);
	g_string_free(seen.text, TRUE);
	g_string_free(svg, TRUE);
}
END_TEST

START_TEST(what_xml_reserves_comes_back_as_it_was)
{
	GString *svg = print(story_sample_kick(), story_print_svg);
	struct seen seen = parse(svg);

	ck_assert_ptr_nonnull(strstr(seen.text->str, "zap & kick <1>\n"));
	ck_assert_ptr_nonnull(strstr(seen.text->str, "dropped \"at once\"\n"));
	ck_assert_ptr_nonnull(strstr(seen.text->str, "& for good\n"));
	ck_assert_ptr_nonnull(strstr(seen.text->str, "<under> the lock"));
	ck_assert_ptr_null(strstr(svg->str, "<under>"));
	g_string_free(seen.text, TRUE);
	g_string_free(svg, TRUE);
}
END_TEST

/* An arrow is a line and a head; the others are lifelines. */
START_TEST(a_step_that_talks_to_another_actor_has_an_arrow)
{
	GString *without = print(story_sample_dirty(), story_print_svg);
	GString *with = print(story_sample_kick(), story_print_svg);
	struct seen none = parse(without), two = parse(with);

	ck_assert_uint_eq(none.paths, 2);
	ck_assert_uint_eq(two.paths, 4 + 2 * 2);
	g_string_free(none.text, TRUE);
	g_string_free(two.text, TRUE);
	g_string_free(without, TRUE);
	g_string_free(with, TRUE);
}
END_TEST

START_TEST(a_wider_cast_makes_a_wider_diagram)
{
	GString *few = print(story_sample_dirty(), story_print_svg);
	GString *many = print(story_sample_many(), story_print_svg);
	const char *w = " width=\"";

	ck_assert_int_lt(strtol(strstr(few->str, w) + strlen(w), NULL, 10),
			 strtol(strstr(many->str, w) + strlen(w), NULL, 10));
	g_string_free(few, TRUE);
	g_string_free(many, TRUE);
}
END_TEST

START_TEST(the_same_story_gives_the_same_bytes)
{
	struct story *s = samples[_i]();
	GString *a = g_string_new(NULL), *b = g_string_new(NULL);

	story_print_table(s, a);
	story_print_svg(s, a);
	story_print_table(s, b);
	story_print_svg(s, b);
	ck_assert(g_string_equal(a, b));
	g_string_free(a, TRUE);
	g_string_free(b, TRUE);
	story_free(s);
}
END_TEST

/* ---- The story ------------------------------------------------------------------------------- */

START_TEST(texts_become_single_lines_of_utf8)
{
	struct story *s = story_new(&(struct story_about){
		.scenario = "a\nb", .policy = "p\x01q", .geometry = "\xff", .inject = "x\ty" });
	struct story_step *step =
		story_add_step(s, story_add_actor(s, "v\r0"), "\xef\xbf\xbf", "l\x1b[1m");
	GString *svg;

	story_step_note(step, "%s\n%d", "one", 2);
	ck_assert_str_eq(s->scenario, "a b");
	ck_assert_str_eq(s->policy, "p q");
	ck_assert_str_eq(s->geometry, "\xef\xbf\xbd");
	ck_assert_str_eq(s->inject, "x y");
	ck_assert_str_eq(step->op, "\xef\xbf\xbd");
	ck_assert_str_eq(step->label, "l [1m");
	ck_assert_str_eq(g_ptr_array_index(step->notes, 0), "one 2");
	svg = print(s, story_print_svg);
	g_string_free(parse(svg).text, TRUE);
	g_string_free(svg, TRUE);
}
END_TEST

START_TEST(a_second_verdict_replaces_the_first)
{
	const uint64_t gfn = 0x10;
	struct story *s = story_new(
		&(struct story_about){ .scenario = "a", .policy = "p", .inject = "none" });
	GString *claim = g_string_new(NULL), *states = g_string_new(NULL);

	ck_assert_str_eq(s->inject, "");
	story_set_verdict(s, "I1", "One.", &gfn, 1);
	story_set_verdict(s, "I2", "Two.", NULL, 1234567);
	ck_assert(!s->verdict.has_gfn);
	story_print_claim(s, claim);
	story_print_states(s, states);
	ck_assert_str_eq(claim->str, "I2 does not hold after 0 steps");
	ck_assert_str_eq(states->str, "1,234,567 states were searched.");
	g_string_free(claim, TRUE);
	g_string_free(states, TRUE);
	story_free(s);
	story_free(NULL);
}
END_TEST

START_TEST(an_actor_is_busy_from_the_first_step_of_a_line_to_its_end)
{
	static const char expected[][6] = { "##.##", "..###" };
	struct story *s = new_story("a");
	unsigned v0 = story_add_actor(s, "v0"), v1 = story_add_actor(s, "v1");

	story_add_step(s, v0, "guest read", "a");
	story_add_step(s, v0, NULL, "b")->ends = true;
	story_add_step(s, v1, "guest read", "a");
	story_add_step(s, v0, "guest write", "c");
	story_add_step(s, v1, NULL, "b");
	for (unsigned a = 0; a < 2; a++)
		for (unsigned i = 0; i < s->steps->len; i++)
			ck_assert_msg(story_is_busy(s, a, i) == (expected[a][i] == '#'), "%u %u", a,
				      i);
	ck_assert_uint_eq(story_run_end(s, 0), 2);
	ck_assert_uint_eq(story_run_end(s, 1), 2);
	ck_assert_uint_eq(story_run_end(s, 4), 5);
	story_free(s);
}
END_TEST

static const struct {
	const char *text;
	unsigned width, hang;
	const char *lines; /* joined by '/' */
} wraps[] = {
	{ "", 4, 0, "" },
	{ "four", 4, 0, "four" },
	{ "one two", 7, 0, "one two" },
	{ "one two", 6, 0, "one/two" },
	{ "one  two", 4, 0, "one/two" },
	{ "make:send", 6, 0, "make:/send" },
	{ "abcdefgh", 3, 0, "abc/def/gh" },
	{ "abcdefgh", 4, 2, "abcd/ef/gh" },
	/* characters, not bytes */
	{ "\xc3\xa4\xc3\xa4\xc3\xa4", 2, 0, "\xc3\xa4\xc3\xa4/\xc3\xa4" },
};

START_TEST(texts_are_cut_at_spaces_then_behind_punctuation)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	char *joined;

	story_wrap(wraps[_i].text, wraps[_i].width, wraps[_i].hang, lines);
	g_ptr_array_add(lines, NULL);
	joined = g_strjoinv("/", (char **)lines->pdata);
	ck_assert_str_eq(joined, wraps[_i].lines);
	g_free(joined);
	g_ptr_array_unref(lines);
}
END_TEST

/* Bugs of a caller end the program: these tests need a process of their own. */
START_TEST(bad_actor_of_a_step)
{
	struct story *s = new_story("a");

	story_add_step(s, 0, NULL, "label");
}
END_TEST

START_TEST(bad_actor_of_an_arrow)
{
	struct story *s = new_story("a");

	story_add_step(s, story_add_actor(s, "v0"), NULL, "label")->to = 1;
	story_print_svg(s, g_string_new(NULL));
}
END_TEST

static void add_signal_tests(TCase *tc)
{
	const char *fork = g_getenv("CK_FORK");

	if (g_strcmp0(fork, "no") == 0)
		return;
	tcase_add_test_raise_signal(tc, bad_actor_of_a_step, SIGABRT);
	tcase_add_test_raise_signal(tc, bad_actor_of_an_arrow, SIGABRT);
}

int main(void)
{
	Suite *suite = suite_create("story");
	TCase *table = tcase_create("table"), *svg = tcase_create("svg");
	TCase *story = tcase_create("story");
	SRunner *runner;
	int failed;

	tcase_add_test(table, two_actors_stand_side_by_side);
	tcase_add_test(table, texts_too_wide_for_columns_make_a_staircase);
	tcase_add_test(table, a_crowd_is_one_column_with_names);
	tcase_add_loop_test(table, no_line_of_a_table_is_longer_than_a_mail_takes, 0,
			    G_N_ELEMENTS(samples));
	tcase_add_test(table, a_story_of_nothing_can_be_printed);
	tcase_add_test(table, who_takes_no_part_has_no_column);
	tcase_add_loop_test(svg, a_diagram_is_well_formed_xml, 0, G_N_ELEMENTS(samples));
	tcase_add_test(svg, what_xml_reserves_comes_back_as_it_was);
	tcase_add_test(svg, a_step_that_talks_to_another_actor_has_an_arrow);
	tcase_add_test(svg, a_wider_cast_makes_a_wider_diagram);
	tcase_add_loop_test(svg, the_same_story_gives_the_same_bytes, 0, G_N_ELEMENTS(samples));
	tcase_add_test(story, texts_become_single_lines_of_utf8);
	tcase_add_test(story, a_second_verdict_replaces_the_first);
	tcase_add_test(story, an_actor_is_busy_from_the_first_step_of_a_line_to_its_end);
	tcase_add_loop_test(story, texts_are_cut_at_spaces_then_behind_punctuation, 0,
			    G_N_ELEMENTS(wraps));
	add_signal_tests(story);
	suite_add_tcase(suite, table);
	suite_add_tcase(suite, svg);
	suite_add_tcase(suite, story);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
