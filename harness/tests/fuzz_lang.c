/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a scenario file or record. What is accepted prints in both forms to
 * text that is accepted again and means the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "traces/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct lang_line *l)
{
	g_autoptr(GString) kept = g_string_new(NULL);
	g_autoptr(GString) canonical = g_string_new(NULL);
	g_autoptr(GString) again = g_string_new(NULL);
	struct lang_line a, b;

	lang_print_line(l, kept);
	lang_print_canonical(l, canonical);
	g_assert(lang_parse_line(kept->str, "kept", 1, &a, NULL));
	g_assert(lang_parse_line(canonical->str, "canonical", 1, &b, NULL));
	g_assert(lang_line_equal(l, &a) && lang_line_equal(l, &b));
	lang_print_canonical(&b, again);
	g_assert(g_string_equal(canonical, again));
	lang_line_clear(&a);
	lang_line_clear(&b);
}

static void print(const struct lang_line *l, GString *out)
{
	check_line(l);
	lang_print_line(l, out);
	g_string_append_c(out, '\n');
}

static void print_lines(const GPtrArray *lines, GString *out)
{
	for (guint i = 0; i < lines->len; i++)
		print(g_ptr_array_index(lines, i), out);
}

static void print_scenario(const struct record *r, const struct record_scenario *scen, GString *out)
{
	print(&scen->header, out);
	if (scen->skip)
		g_string_append(out, "skip\n");
	for (guint i = 0; i < scen->steps->len; i++) {
		const struct record_step *step = g_ptr_array_index(scen->steps, i);

		print(&step->input, out);
		print_lines(step->obs, out);
		print_lines(step->expects, out);
	}
	if (r->is_record)
		g_string_append(out, "end\n");
}

static GString *print_record(const struct record *r)
{
	GString *out = g_string_new(NULL);

	for (guint i = 0; i < r->header->len; i++)
		g_string_append_printf(out, "%s\n", (const char *)g_ptr_array_index(r->header, i));
	for (guint i = 0; i < r->scenarios->len; i++)
		print_scenario(r, g_ptr_array_index(r->scenarios, i), out);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *policy = NULL;
	struct record *r = record_parse((const char *)data, size, "fuzz", &error);
	struct record *back;
	GString *once, *twice;

	g_assert(!r == !!error);
	if (!r)
		return 0;
	g_assert(record_policy(r, &policy, &error) == !error);
	once = print_record(r);
	back = record_parse(once->str, once->len, "printed", NULL);
	g_assert(back);
	twice = print_record(back);
	g_assert(g_string_equal(once, twice));
	g_string_free(once, TRUE);
	g_string_free(twice, TRUE);
	record_free(back);
	record_free(r);
	return 0;
}
