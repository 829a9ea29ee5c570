/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a comparison, for people and as JSON.
 */
#include <string.h>

#include "harness/conform.h"
#include "harness/json.h"

/* Of a log, of a kernel's logs, or of all. */
struct count {
	unsigned scenarios, steps, agree[CONFORM_LEVELS];
	unsigned racy, refused; /* steps that agree without having been compared at all levels */
};

static void count_scenario(struct count *c, const struct conform_scenario *s)
{
	c->scenarios++;
	c->steps += s->steps;
	c->racy += s->racy ? s->steps : 0;
	c->refused += s->refused ? s->steps : 0;
	for (unsigned l = 0; l < CONFORM_LEVELS; l++)
		c->agree[l] += s->agree[l];
}

static void count_log(struct count *c, const struct conform_log *log)
{
	for (guint i = 0; i < log->scenarios->len; i++)
		count_scenario(c, g_ptr_array_index(log->scenarios, i));
}

/* A policy's kernel: its name up to the first axis, "x86-6.1" of "x86-6.1+machine=npt". */
static GQuark log_kernel(const struct conform_log *log)
{
	g_autofree char *name = g_strndup(log->policy, strcspn(log->policy, "+"));

	return g_quark_from_string(name);
}

/* kernel: 0 for all. */
static struct count count_logs(const GPtrArray *logs, GQuark kernel)
{
	struct count c = { 0 };

	for (guint i = 0; i < logs->len; i++) {
		const struct conform_log *log = g_ptr_array_index(logs, i);

		if (!kernel || log_kernel(log) == kernel)
			count_log(&c, log);
	}
	return c;
}

/* GQuarks of all logs' kernels, each once, as they first appear. */
static GArray *list_kernels(const GPtrArray *logs)
{
	GArray *kernels = g_array_new(FALSE, FALSE, sizeof(GQuark));

	for (guint i = 0; i < logs->len; i++) {
		GQuark kernel = log_kernel(g_ptr_array_index(logs, i));
		guint k = 0;

		while (k < kernels->len && g_array_index(kernels, GQuark, k) != kernel)
			k++;
		if (k == kernels->len)
			g_array_append_val(kernels, kernel);
	}
	return kernels;
}

/* The table's shape. */
struct columns {
	int file, policy; /* characters */
	unsigned level;   /* of the last column */
};

/* Tenths of a percent are cut, not rounded: 100.0 % means all. */
static void print_row(const struct columns *cols, const char *file, const char *policy,
		      const struct count *c, GString *out)
{
	uint64_t agree = c->agree[cols->level - 1];
	unsigned permille = c->steps ? (unsigned)(1000 * agree / c->steps) : 1000;

	g_string_append_printf(out, "%-*s  %-*s %9u %6u", cols->file, file, cols->policy, policy,
			       c->scenarios, c->steps);
	for (unsigned l = 0; l < CONFORM_LEVELS; l++)
		g_string_append_printf(out, " %6u", c->agree[l]);
	g_string_append_printf(out, " %4u.%u%%\n", permille / 10, permille % 10);
}

static void widen(int *width, const char *s)
{
	*width = MAX(*width, (int)strlen(s));
}

static void print_table(const GPtrArray *logs, unsigned level, GString *out)
{
	const struct count all = count_logs(logs, 0);
	g_autoptr(GArray) kernels = list_kernels(logs);
	struct columns cols = { .file = 5, .policy = 6, .level = level };

	for (guint i = 0; i < logs->len; i++) {
		const struct conform_log *log = g_ptr_array_index(logs, i);

		widen(&cols.file, log->file);
		widen(&cols.policy, log->policy);
	}
	g_string_append_printf(out,
			       "%-*s  %-*s scenarios  steps     L1     L2     L3     L4  at L%u\n",
			       cols.file, "log", cols.policy, "policy", level);
	for (guint i = 0; i < logs->len; i++) {
		const struct conform_log *log = g_ptr_array_index(logs, i);
		struct count c = { 0 };

		count_log(&c, log);
		print_row(&cols, log->file, log->policy, &c, out);
	}
	for (guint k = 0; kernels->len > 1 && k < kernels->len; k++) {
		GQuark kernel = g_array_index(kernels, GQuark, k);
		struct count c = count_logs(logs, kernel);

		print_row(&cols, "kernel", g_quark_to_string(kernel), &c, out);
	}
	if (logs->len > 1)
		print_row(&cols, "total", "", &all, out);
	if (all.racy)
		g_string_append_printf(
			out,
			"%u of the steps are of scenarios with timing=racy: compared at level 1, "
			"counted at each\n",
			all.racy);
	if (all.refused)
		g_string_append_printf(out, "%u of the steps are scenarios that both refuse\n",
				       all.refused);
}

static void print_diff(const struct conform_log *log, const struct conform_scenario *s,
		       unsigned level, GString *out)
{
	const struct conform_diff *d = s->first;

	g_string_append_printf(out,
			       "\n%s:%u: %s: %u of %u steps differ, the first at level %u (%s)%s\n",
			       log->file, d->line, s->name, s->steps - s->agree[level - 1],
			       s->steps, d->level, d->cls, s->unexplained ? "" : ", known");
	if (s->known)
		g_string_append_printf(out, "  known:    %s\n", s->known);
	if (s->trouble)
		g_string_append_printf(out, "  trouble:  %s\n", s->trouble);
	g_string_append_printf(out, "  step %u:   %s\n", d->step + 1, d->input);
	g_string_append_printf(out, "  expected: %s\n", d->expected ? d->expected : "nothing");
	g_string_append_printf(out, "  found:    %s\n", d->found ? d->found : "nothing");
	for (guint i = 0; i < d->context->len; i++)
		g_string_append_printf(out, "    %s\n",
				       (const char *)g_ptr_array_index(d->context, i));
}

void conform_print(const GPtrArray *logs, unsigned level, GString *out)
{
	print_table(logs, level, out);
	for (guint i = 0; i < logs->len; i++) {
		const struct conform_log *log = g_ptr_array_index(logs, i);

		for (guint j = 0; j < log->scenarios->len; j++) {
			const struct conform_scenario *s = g_ptr_array_index(log->scenarios, j);

			if (s->first)
				print_diff(log, s, level, out);
		}
	}
}

static void json_counts(JsonBuilder *b, const struct count *c, unsigned level)
{
	json_put_int(b, "agree", c->agree[level - 1]);
	json_put_int(b, "of", c->steps);
	json_builder_set_member_name(b, "levels");
	json_builder_begin_array(b);
	for (unsigned l = 0; l < CONFORM_LEVELS; l++)
		json_builder_add_int_value(b, (gint64)c->agree[l]);
	json_builder_end_array(b);
	json_put_int(b, "of_racy", c->racy);
	json_put_int(b, "of_refused", c->refused);
}

static void json_diff(JsonBuilder *b, const struct conform_diff *d)
{
	json_builder_set_member_name(b, "first_difference");
	if (!d) {
		json_builder_add_null_value(b);
		return;
	}
	json_builder_begin_object(b);
	json_put_int(b, "level", d->level);
	json_put_string(b, "class", d->cls);
	json_put_int(b, "step", d->step + 1);
	json_put_int(b, "line", d->line);
	json_put_string(b, "input", d->input);
	json_put_string(b, "expected", d->expected);
	json_put_string(b, "found", d->found);
	json_builder_set_member_name(b, "context");
	json_builder_begin_array(b);
	for (guint i = 0; i < d->context->len; i++)
		json_builder_add_string_value(b, g_ptr_array_index(d->context, i));
	json_builder_end_array(b);
	json_builder_end_object(b);
}

static void json_scenario(JsonBuilder *b, const struct conform_scenario *s, unsigned level)
{
	struct count c = { 0 };

	count_scenario(&c, s);
	json_builder_begin_object(b);
	json_put_string(b, "name", s->name);
	json_put_int(b, "steps", s->steps);
	json_counts(b, &c, level);
	json_diff(b, s->first);
	json_put_string(b, "trouble", s->trouble);
	json_put_string(b, "known", s->known);
	json_builder_set_member_name(b, "unexplained");
	json_builder_add_boolean_value(b, s->unexplained);
	json_builder_end_object(b);
}

static void json_log(JsonBuilder *b, const struct conform_log *log, unsigned level)
{
	struct count c = { 0 };

	count_log(&c, log);
	json_builder_begin_object(b);
	json_put_string(b, "file", log->file);
	json_put_string(b, "policy", log->policy);
	json_builder_set_member_name(b, "scenarios");
	json_builder_begin_array(b);
	for (guint i = 0; i < log->scenarios->len; i++)
		json_scenario(b, g_ptr_array_index(log->scenarios, i), level);
	json_builder_end_array(b);
	json_counts(b, &c, level);
	json_builder_end_object(b);
}

static void json_kernels(JsonBuilder *b, const GPtrArray *logs, unsigned level)
{
	g_autoptr(GArray) kernels = list_kernels(logs);

	json_builder_set_member_name(b, "kernels");
	json_builder_begin_array(b);
	for (guint k = 0; k < kernels->len; k++) {
		GQuark kernel = g_array_index(kernels, GQuark, k);
		struct count c = count_logs(logs, kernel);

		json_builder_begin_object(b);
		json_put_string(b, "kernel", g_quark_to_string(kernel));
		json_counts(b, &c, level);
		json_builder_end_object(b);
	}
	json_builder_end_array(b);
}

void conform_print_json(const GPtrArray *logs, unsigned level, GString *out)
{
	const struct count all = count_logs(logs, 0);
	g_autoptr(JsonBuilder) b = json_builder_new();

	json_builder_begin_object(b);
	json_put_string(b, "schema", "s2sim.conform/1");
	json_put_int(b, "level", level);
	json_builder_set_member_name(b, "logs");
	json_builder_begin_array(b);
	for (guint i = 0; i < logs->len; i++)
		json_log(b, g_ptr_array_index(logs, i), level);
	json_builder_end_array(b);
	json_kernels(b, logs, level);
	json_counts(b, &all, level);
	json_builder_end_object(b);
	json_print(b, out);
}
