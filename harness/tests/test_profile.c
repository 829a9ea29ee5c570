/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost profiles: the built-in ones, and for each rule of the
 * format a text that breaks it, with the place and the words of the message.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "harness/profile.h"

/* --- The built-in profiles. */

static const char *const wanted[] = {
	"amd-genoa",         "amd-milan",     "ampere-altra", "ampereone",
	"intel-cascadelake", "intel-icelake", "kunpeng-920",  "neoverse-v2",
};

START_TEST(each_built_in_profile_loads_and_is_complete)
{
	const char *name = wanted[_i];
	struct cost_profile *p = g_new(struct cost_profile, 1);
	GError *error = NULL;
	int i;

	ck_assert_msg(profile_find(name, p, &error), "%s", error ? error->message : "");
	ck_assert_str_eq(p->name, name);
	ck_assert_str_eq(profile_names()[_i], name);
	for (i = 0; i < NR_COST_PARAMS; i++) {
		const struct cost_desc *d = &cost_desc[i];
		bool applies = cost_applies((enum cost_param)i, p->arch);

		ck_assert_msg(!applies == !p->tag[i], "%s: %s", name, d->name);
		ck_assert_msg(!applies == !p->source[i][0], "%s: %s", name, d->name);
		ck_assert(applies || !p->v[i]);
		ck_assert(!applies || (p->low[i] <= p->v[i] && p->v[i] <= p->high[i]));
		ck_assert(!applies || (d->low <= p->low[i] && p->high[i] <= d->high));
		/* what is assumed says so, what is not does not */
		ck_assert_msg(!applies || g_str_has_prefix(p->source[i], "assumption: ") ==
						  (p->tag[i] == COST_ASSUMED),
			      "%s: %s: tag %c with this source", name, d->name, p->tag[i]);
	}
	g_free(p);
}
END_TEST

START_TEST(the_built_in_profiles_are_the_files)
{
	struct cost_profile *built_in = g_new(struct cost_profile, 1);
	struct cost_profile *file = g_new(struct cost_profile, 1);
	g_autofree char *path = g_strdup_printf("model/profiles/%s.yaml", wanted[_i]);
	int i;

	ck_assert(profile_find(wanted[_i], built_in, NULL));
	ck_assert(profile_load_file(path, file, NULL));
	ck_assert_str_eq(built_in->name, file->name);
	ck_assert_str_eq(built_in->text, file->text);
	ck_assert(built_in->arch == file->arch);
	for (i = 0; i < NR_COST_PARAMS; i++) {
		ck_assert_uint_eq(built_in->v[i], file->v[i]);
		ck_assert_uint_eq(built_in->low[i], file->low[i]);
		ck_assert_uint_eq(built_in->high[i], file->high[i]);
		ck_assert_int_eq(built_in->tag[i], file->tag[i]);
		ck_assert_str_eq(built_in->source[i], file->source[i]);
	}
	g_free(built_in);
	g_free(file);
}
END_TEST

START_TEST(there_are_eight)
{
	size_t nr = 0;

	while (profile_names()[nr])
		nr++;
	ck_assert_uint_eq(nr, G_N_ELEMENTS(wanted));
}
END_TEST

START_TEST(bad_an_unknown_profile_is_refused)
{
	struct cost_profile *p = g_new(struct cost_profile, 1);
	GError *error = NULL;

	ck_assert(!profile_find("intel", p, &error));
	ck_assert(g_error_matches(error, PROFILE_ERROR, PROFILE_ERROR_UNKNOWN));
	ck_assert_ptr_nonnull(strstr(error->message, "amd-genoa, amd-milan"));
	ck_assert(g_str_has_suffix(error->message, "found \"intel\""));
	g_clear_error(&error);
	g_free(p);
}
END_TEST

/* --- A text of our own: line 4 "parameters:", clock in 5 to 9, then five lines each. */

static void print_quantity(GString *text, uint64_t n, enum cost_unit unit)
{
	static const char *const suffix[] = {
		[COST_UNIT_PS] = " ps",
		[COST_UNIT_KHZ] = " kHz",
		[COST_UNIT_COUNT] = "",
		[COST_UNIT_BYTES] = " B",
	};

	g_string_append_printf(text, "%" G_GUINT64_FORMAT "%s", n, suffix[unit]);
}

static char *plain_text(void)
{
	GString *text = g_string_new("profile: plain\narch: x86\ntext: of a test\nparameters:\n");
	int i;

	for (i = 0; i < NR_COST_PARAMS; i++) {
		const struct cost_desc *d = &cost_desc[i];

		if (!cost_applies((enum cost_param)i, PT_X86))
			continue;
		g_string_append_printf(text, "  %s:\n    value: ", d->name);
		print_quantity(text, d->low, d->unit);
		g_string_append(text, "\n    range: ");
		print_quantity(text, d->low, d->unit);
		g_string_append(text, " .. ");
		print_quantity(text, d->high, d->unit);
		g_string_append_printf(text, "\n    tag: A\n    source: s%d\n", i % 90 + 10);
	}
	return g_string_free(text, FALSE);
}

/* changed() - the plain text with the first @from replaced; caller frees. */
static char *changed(const char *from, const char *to)
{
	g_autofree char *text = plain_text();
	const char *at = strstr(text, from);

	ck_assert_msg(at, "no \"%s\"", from);
	return g_strdup_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

#define CLOCK_VALUE "value: 100000 kHz"
#define BASE        "access_base:\n    value: 0 ps"
#define BASE_RANGE  "range: 0 ps .. 1000000 ps"
#define TIME        "a time in ps, ns, us, ms or cycles"

static const struct bad {
	/* behind "t:"; LINE is where to ends, END the line behind the last, RMAP that of rmap_visit */
	const char *from, *to, *message;
} bads[] = {
	/* keys */
	{ "arch: x86", "arch: x86\ncolour: red",
	  "3:1: expected one of profile, arch, text, parameters, found \"colour\"" },
	{ "arch: x86", "arch: x86\narch: x86", "3:1: expected each key once, found \"arch\"" },
	{ "arch: x86\n", "", "END:1: expected the key arch, found the end" },
	{ "  clock:", "  clack:", "5:3: expected the name of a parameter, found \"clack\"" },
	{ "  access_base:", "  clock:", "10:3: expected each parameter once, found \"clock\"" },
	{ "tag: A", "tag: A\n    tog: A",
	  "9:5: expected one of value, range, tag, source, found \"tog\"" },
	{ "tag: A", "tag: A\n    tag: A", "9:5: expected each key once, found \"tag\"" },
	{ "    tag: A\n", "", "5:3: expected also the key tag, found \"clock\"" },
	{ "  clock:\n    " CLOCK_VALUE
	  "\n    range: 100000 kHz .. 10000000 kHz\n    tag: A\n    source: s10\n",
	  "", "4:1: expected also the parameter clock, found \"parameters\"" },
	{ "  clock:",
	  "  dsb:\n    value: 1 ps\n    range: 1 ps .. 1 ps\n    tag: A\n    source: s\n  clock:",
	  "5:3: expected parameters of x86, found \"dsb\"" },
	{ "arch: x86", "arch: arm64",
	  "RMAP:3: expected parameters of arm64, found \"rmap_visit\"" },
	/* the top */
	{ "profile: plain", "profile: Plain",
	  "1:10: expected a name of at most 31 lower-case letters, digits and dashes, found "
	  "\"Plain\"" },
	{ "profile: plain", "profile: ''",
	  "1:10: expected a name of at most 31 lower-case letters, digits and dashes, found \"\"" },
	{ "profile: plain", "profile: abcdefghijklmnopqrstuvwxyz-01234",
	  "1:10: expected a name of at most 31 lower-case letters, digits and dashes, found "
	  "\"abcdefghijklmnopqrstuvwxyz-01234\"" },
	{ "arch: x86", "arch: riscv", "2:7: expected x86 or arm64, found \"riscv\"" },
	{ "text: of a test", "text: ' '", "3:7: expected a sentence, found \" \"" },
	/* units and numbers */
	{ CLOCK_VALUE, "value: 100000 khz",
	  "6:12: expected a clock in kHz, MHz or GHz, found \"100000 khz\"" },
	{ CLOCK_VALUE, "value: 100000",
	  "6:12: expected a clock in kHz, MHz or GHz, found \"100000\"" },
	{ CLOCK_VALUE, "value: 5 ns", "6:12: expected a clock in kHz, MHz or GHz, found \"5 ns\"" },
	{ CLOCK_VALUE, "value: 5 cycles",
	  "6:12: expected a clock in kHz, MHz or GHz, found \"5 cycles\"" },
	{ BASE, "access_base:\n    value: 1ns", "11:12: expected " TIME ", found \"1ns\"" },
	{ BASE, "access_base:\n    value: 1  ns", "11:12: expected " TIME ", found \"1  ns\"" },
	{ BASE, "access_base:\n    value: '1 ns '", "11:12: expected " TIME ", found \"1 ns \"" },
	{ BASE, "access_base:\n    value: -1 ns", "11:12: expected " TIME ", found \"-1 ns\"" },
	{ BASE, "access_base:\n    value: 01 ns", "11:12: expected " TIME ", found \"01 ns\"" },
	{ BASE, "access_base:\n    value: 0x1 ns", "11:12: expected " TIME ", found \"0x1 ns\"" },
	{ BASE, "access_base:\n    value: 1. ns", "11:12: expected " TIME ", found \"1. ns\"" },
	{ BASE, "access_base:\n    value: .5 ns", "11:12: expected " TIME ", found \".5 ns\"" },
	{ BASE, "access_base:\n    value: 1.2345 ns",
	  "11:12: expected " TIME ", found \"1.2345 ns\"" },
	{ BASE, "access_base:\n    value: 1.2.3 ns",
	  "11:12: expected " TIME ", found \"1.2.3 ns\"" },
	{ BASE, "access_base:\n    value: 1.5 ps", "11:12: expected " TIME ", found \"1.5 ps\"" },
	{ BASE, "access_base:\n    value: 1 s", "11:12: expected " TIME ", found \"1 s\"" },
	{ BASE, "access_base:\n    value: 1 ns 2", "11:12: expected " TIME ", found \"1 ns 2\"" },
	{ BASE, "access_base:\n    value: ''", "11:12: expected " TIME ", found \"\"" },
	{ BASE, "access_base:\n    value: 18446744073709551616 ps",
	  "11:12: expected " TIME ", found \"18446744073709551616 ps\"" },
	{ BASE, "access_base:\n    value: 18446744073709551 ms",
	  "11:12: expected " TIME ", found \"18446744073709551 ms\"" },
	{ BASE, "access_base:\n    value: 18446744073709551 cycles",
	  "11:12: expected " TIME ", found \"18446744073709551 cycles\"" },
	{ "tlb_l1_entries:\n    value: 1", "tlb_l1_entries:\n    value: 1.0",
	  "LINE:12: expected a count without unit, found \"1.0\"" },
	{ "tlb_l1_entries:\n    value: 1", "tlb_l1_entries:\n    value: 1 B",
	  "LINE:12: expected a count without unit, found \"1 B\"" },
	{ "value: 4096 B", "value: 4 KB",
	  "LINE:12: expected a size in B, KiB, MiB or GiB, found \"4 KB\"" },
	/* ranges */
	{ BASE_RANGE, "range: 0 ps..1 ns",
	  "12:12: expected LOW .. HIGH, each " TIME ", found \"0 ps..1 ns\"" },
	{ BASE_RANGE, "range: 0 ps", "12:12: expected LOW .. HIGH, each " TIME ", found \"0 ps\"" },
	{ BASE_RANGE, "range: 0 ps .. 1 B",
	  "12:12: expected LOW .. HIGH, each " TIME ", found \"0 ps .. 1 B\"" },
	{ BASE_RANGE, "range: 2 ps .. 1 ps",
	  "12:12: expected LOW .. HIGH in this order, found \"2 ps .. 1 ps\"" },
	{ BASE_RANGE, "range: 1 ps .. 2 ps",
	  "11:12: expected a value inside its range, found \"0 ps\"" },
	{ BASE_RANGE, "range: 0 ps .. 1000001 ps",
	  "12:12: expected at least 0 and at most 1000000, found \"0 ps .. 1000001 ps\"" },
	{ BASE, "access_base:\n    value: 2 us",
	  "11:12: expected at least 0 and at most 1000000, found \"2 us\"" },
	{ CLOCK_VALUE, "value: 1 kHz",
	  "6:12: expected at least 100000 and at most 10000000, found \"1 kHz\"" },
	/* tag and source */
	{ "tag: A", "tag: B", "8:10: expected one of M, D, R, A, found \"B\"" },
	{ "tag: A", "tag: MD", "8:10: expected one of M, D, R, A, found \"MD\"" },
	{ "tag: A", "tag: ''", "8:10: expected one of M, D, R, A, found \"\"" },
	{ "source: s10", "source: ''", "9:13: expected a sentence, found \"\"" },
	{ "source: s10", "source:", "9:12: expected a sentence, found \"\"" },
	{ "source: s10", "source: \"a\\nb\"", "9:13: expected one line, found \"a\\nb\"" },
	{ "source: s10", "source: \"a\\0b\"", "9:13: expected a value, found a NUL byte" },
	/* YAML */
	{ "tag: A", "tag: &a A", "8:10: expected a plain value, found an anchor" },
	{ "tag: A", "tag: *a", "8:10: expected a plain value, found an alias" },
	{ "tag: A", "tag: !!str A", "8:10: expected a plain value, found a tag" },
	{ "  clock:\n", "  clock: &c\n", "5:10: expected a plain value, found an anchor" },
	{ "  clock:\n", "  clock: !c\n", "5:10: expected a plain value, found a tag" },
	{ "tag: A", "tag: [A]", "8:10: expected a value, found a list" },
	{ "tag: A", "tag: {A: B}", "8:10: expected a value, found a mapping" },
	{ "tag: A", "[tag]: A", "8:5: expected one of value, range, tag, source, found a list" },
	{ "profile: plain", "- plain", "1:1: expected a profile, found a list" },
	{ "tag: A", "\ttag: A",
	  "8:5: expected YAML, found a fault: found a tab character that violates indentation" },
	{ "source: s10", "source: \"s0",
	  "END:1: expected YAML, found a fault: found unexpected end of stream" },
	{ "source: s10", "source: \xff",
	  "9:13: expected YAML, found a fault: invalid leading UTF-8 octet" },
	{ "profile: plain", "--- a\n---\nprofile: plain",
	  "1:5: expected a profile, found a value" },
	{ "profile: plain", "%YAML 1.1\n--- 7\n...\n---\nprofile: plain",
	  "2:5: expected a profile, found a value" },
};

/* load() - reads @text as file "t"; the message behind "t:", or NULL; caller frees. */
static char *load(const char *text, size_t size, struct cost_profile *p)
{
	GError *error = NULL;
	char *message;

	if (profile_load_text("t", text, size, p, &error)) {
		ck_assert_ptr_null(error);
		return NULL;
	}
	ck_assert(g_error_matches(error, PROFILE_ERROR, PROFILE_ERROR_INPUT));
	ck_assert(g_str_has_prefix(error->message, "t:"));
	ck_assert_ptr_null(strchr(error->message, '\n'));
	message = g_strdup(error->message + 2);
	g_error_free(error);
	return message;
}

static size_t line_of(const char *text, const char *at)
{
	size_t line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

/* with_line() - the message with its line as a number; caller frees. */
static char *with_line(const struct bad *b, const char *text)
{
	const char *rest = strchr(b->message, ':');
	size_t line;

	if (g_str_has_prefix(b->message, "LINE"))
		line = line_of(text, strstr(text, b->to) + strlen(b->to));
	else if (g_str_has_prefix(b->message, "RMAP"))
		line = line_of(text, strstr(text, "rmap_visit"));
	else if (g_str_has_prefix(b->message, "END"))
		line = line_of(text, text + strlen(text));
	else
		return g_strdup(b->message);
	return g_strdup_printf("%zu%s", line, rest);
}

START_TEST(bad_texts_are_refused_with_place_and_reason)
{
	const struct bad *b = &bads[_i];
	struct cost_profile *p = g_new(struct cost_profile, 1);
	g_autofree char *text = changed(b->from, b->to);
	g_autofree char *message = load(text, strlen(text), p);
	g_autofree char *expected = NULL;

	ck_assert_msg(message, "\"%s\" was accepted", b->to);
	expected = with_line(b, text);
	ck_assert_str_eq(message, expected);
	g_free(p);
}
END_TEST

START_TEST(bad_a_second_document_is_refused)
{
	struct cost_profile *p = g_new(struct cost_profile, 1);
	g_autofree char *text = plain_text();
	g_autofree char *both = g_strconcat(text, "---\nprofile: other\n", NULL);
	g_autofree char *expected =
		g_strdup_printf("%zu:1: expected the end, found one more document",
				line_of(text, text + strlen(text)));
	g_autofree char *message = load(both, strlen(both), p);

	ck_assert_msg(message, "accepted");
	ck_assert_str_eq(message, expected);
	g_free(p);
}
END_TEST

START_TEST(a_source_has_at_most_255_characters)
{
	struct cost_profile *p = g_new(struct cost_profile, 1);
	size_t length;

	for (length = COST_TEXT_SIZE - 1; length <= COST_TEXT_SIZE; length++) {
		g_autofree char *source = g_strnfill(length, 'x');
		g_autofree char *line = g_strdup_printf("source: %s", source);
		g_autofree char *text = changed("source: s10", line);
		g_autofree char *message = load(text, strlen(text), p);

		if (length < COST_TEXT_SIZE)
			ck_assert_msg(!message, "%s", message);
		else
			ck_assert(message &&
				  g_str_has_prefix(message, "9:13: expected at most 255"));
	}
	g_free(p);
}
END_TEST

/* The same edits with something allowed in place. */
static const struct good {
	const char *from, *to;
	enum cost_param param;
	uint64_t v;
} goods[] = {
	{ "arch: x86", "arch: x86", COST_clock, 100000 },
	{ "profile: plain", "# a comment\n---\nprofile: plain", COST_clock, 100000 },
	{ CLOCK_VALUE, "value: 2.6 GHz", COST_clock, 2600000 },
	{ CLOCK_VALUE, "value: 300.5 MHz", COST_clock, 300500 },
	{ BASE, "access_base:\n    value: '1.234 ns'", COST_access_base, 1234 },
	{ BASE, "access_base:\n    value: 1.0 ps", COST_access_base, 1 },
	{ BASE, "access_base:\n    value: 1 us", COST_access_base, 1000000 },
	{ BASE, "access_base:\n    value: 0.001 ms", COST_access_base, 1000000 },
	/* 100 MHz: 10 ns a cycle */
	{ BASE, "access_base:\n    value: 7 cycles", COST_access_base, 70000 },
	{ BASE, "access_base:\n    value: 0.001 cycles", COST_access_base, 10 },
	{ "value: 4096 B", "value: 32 KiB", COST_l1d_bytes, 32768 },
	{ "value: 4096 B", "value: 0.5 MiB", COST_l1d_bytes, 524288 },
	{ BASE_RANGE, "range: 0 cycles .. 1 us", COST_access_base, 0 },
	{ "tag: A", "tag: M", COST_clock, 100000 },
};

START_TEST(good_texts_are_read)
{
	const struct good *g = &goods[_i];
	struct cost_profile *p = g_new(struct cost_profile, 1);
	g_autofree char *text = changed(g->from, g->to);
	g_autofree char *message = load(text, strlen(text), p);

	ck_assert_msg(!message, "\"%s\": %s", g->to, message);
	ck_assert_uint_eq(p->v[g->param], g->v);
	ck_assert_str_eq(p->name, "plain");
	ck_assert_str_eq(p->text, "of a test");
	g_free(p);
}
END_TEST

START_TEST(cycles_are_rounded_half_up)
{
	static const struct {
		const char *clock, *cycles;
		uint64_t ps;
	} rows[] = {
		{ "3 GHz", "1 cycles", 333 },   { "3 GHz", "2 cycles", 667 },
		{ "1.6 GHz", "1 cycles", 625 }, { "2 GHz", "0.001 cycles", 1 },
		{ "3 GHz", "0.001 cycles", 0 }, { "8 GHz", "0.1 cycles", 13 },
		{ "8 GHz", "0.004 cycles", 1 }, { "8 GHz", "0.003 cycles", 0 },
	};
	struct cost_profile *p = g_new(struct cost_profile, 1);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *first = changed("value: 100000 kHz", "value: CLOCK");
		g_autofree char *clock = g_strdup_printf("value: %s", rows[i].clock);
		g_autofree char *value =
			g_strdup_printf("access_base:\n    value: %s", rows[i].cycles);
		g_auto(GStrv) at_clock = g_strsplit(first, "value: CLOCK", 2);
		g_autofree char *second = g_strjoinv(clock, at_clock);
		g_auto(GStrv) at_value = g_strsplit(second, BASE, 2);
		g_autofree char *text = g_strjoinv(value, at_value);
		g_autofree char *message = load(text, strlen(text), p);

		ck_assert_msg(!message, "%s", message);
		ck_assert_uint_eq(p->v[COST_access_base], rows[i].ps);
	}
	g_free(p);
}
END_TEST

START_TEST(a_text_cut_anywhere_is_read_or_refused)
{
	struct cost_profile *p = g_new(struct cost_profile, 1);
	g_autofree char *text = plain_text();
	size_t size = strlen(text), cut, nr_good = 0;

	for (cut = 0; cut <= size; cut++) {
		/* of its own, so that a read behind the end is seen */
		g_autofree char *part = g_memdup2(text, cut);
		g_autofree char *message = load(part ? part : "", cut, p);

		nr_good += !message;
	}
	/* whole, without the last newline, and with one or two digits less in the last source */
	ck_assert_uint_eq(nr_good, 4);
	g_free(p);
}
END_TEST

START_TEST(bad_files_are_refused)
{
	struct cost_profile *p = g_new(struct cost_profile, 1);
	g_autofree char *path = NULL;
	g_autofree char *big = g_strnfill(PROFILE_MAX_BYTES + 1, '\n');
	g_autofree char *expected = NULL;
	GError *error = NULL;
	int fd = g_file_open_tmp(NULL, &path, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert(!profile_load_file("model/profiles/none.yaml", p, &error));
	ck_assert(g_error_matches(error, PROFILE_ERROR, PROFILE_ERROR_FILE));
	ck_assert(g_str_has_prefix(error->message,
				   "model/profiles/none.yaml: expected a profile, found: "));
	g_clear_error(&error);
	ck_assert(!profile_load_file("model/profiles", p, &error));
	ck_assert(g_error_matches(error, PROFILE_ERROR, PROFILE_ERROR_FILE));
	g_clear_error(&error);

	ck_assert(g_file_set_contents(path, big, PROFILE_MAX_BYTES + 1, NULL));
	ck_assert(!profile_load_file(path, p, &error));
	expected = g_strdup_printf("%s:1:1: expected at most 1 MiB, found more", path);
	ck_assert_str_eq(error->message, expected);
	g_clear_error(&error);
	ck_assert(g_close(fd, NULL));
	ck_assert_int_eq(g_unlink(path), 0);
	g_free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profile");
	TCase *tcase = tcase_create("profile");
	SRunner *runner = srunner_create(suite);
	int failed;

#define ADD(test, table) tcase_add_loop_test(tcase, test, 0, G_N_ELEMENTS(table))
	ADD(each_built_in_profile_loads_and_is_complete, wanted);
	ADD(the_built_in_profiles_are_the_files, wanted);
	tcase_add_test(tcase, there_are_eight);
	tcase_add_test(tcase, bad_an_unknown_profile_is_refused);
	ADD(good_texts_are_read, goods);
	ADD(bad_texts_are_refused_with_place_and_reason, bads);
	tcase_add_test(tcase, bad_a_second_document_is_refused);
	tcase_add_test(tcase, a_source_has_at_most_255_characters);
	tcase_add_test(tcase, cycles_are_rounded_half_up);
	tcase_add_test(tcase, a_text_cut_anywhere_is_read_or_refused);
	tcase_add_test(tcase, bad_files_are_refused);
#undef ADD
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
