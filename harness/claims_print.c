/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as a table, in prose and as JSON. */
#include <inttypes.h>
#include <string.h>

#include "harness/claims_priv.h"
#include "harness/json.h"

enum {
	COLUMNS = 100,
};

static const char *const expectations[] = {
	[EXPECT_NOTHING] = "",
	[EXPECT_MET] = "as expected",
	[EXPECT_KNOWN_OTHER] = "not as expected, see its row",
	[EXPECT_NOT_MET] = "NOT AS EXPECTED",
};

void claims_print_line(const struct decision *d, GString *out)
{
	g_string_append_printf(out, "%-6s %-8s %-30s", d->claim->id, verdict_names[d->verdict],
			       expectations[decision_expected(d)]);
	if (d->why)
		g_string_append_printf(out, " %s", d->why);
	else
		g_string_append_printf(out, " %u runs, %" PRIu64 " states, %.2f s",
				       d->evidence->len, d->states, d->seconds);
	g_string_append_c(out, '\n');
}

/* Words in lines of at most COLUMNS, behind @indent blanks. */
static void wrap(GString *out, unsigned int indent, const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
	size_t at = 0;

	for (char **w = words; *w; w++) {
		if (!**w)
			continue;
		if (at && at + 1 + strlen(*w) > COLUMNS) {
			g_string_append_c(out, '\n');
			at = 0;
		}
		if (at)
			g_string_append_c(out, ' ');
		else
			g_string_append_printf(out, "%*s", (int)indent, "");
		at = (at ? at + 1 : indent) + strlen(*w);
		g_string_append(out, *w);
	}
	g_string_append_c(out, '\n');
}

static void wrap_part(GString *out, const char *name, const char *text)
{
	g_autofree char *whole = text ? g_strdup_printf("%s%s", name, text) : NULL;

	if (whole)
		wrap(out, 2, whole);
}

static void print_evidence(const struct evidence *e, GString *out)
{
	const struct claim_run *run = e->run;
	g_autofree char *text = g_strdup_printf("%s %s%s%s under %s%s%s: %s",
						run->control ? "(control)"
						: e->met     ? "[x]"
							     : "[ ]",
						run->scenario, *e->with ? " " : "", e->with,
						e->policy, run->inject ? ", without rule " : "",
						run->inject ? run->inject : "", e->found);

	wrap(out, 4, text);
}

static void print_case(const struct decision *d, guint first, GString *out)
{
	const struct claim_run *of =
		((const struct evidence *)g_ptr_array_index(d->evidence, first))->run;

	if (of->label)
		g_string_append_printf(out, "  %s: %s\n", of->label,
				       decision_case(d, of) ? "TRUE" : "FALSE");
	for (guint i = first; i < d->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(d->evidence, i);

		if (g_strcmp0(e->run->label, of->label) == 0)
			print_evidence(e, out);
	}
}

static bool is_first_of_case(const struct decision *d, guint n)
{
	const struct evidence *e = g_ptr_array_index(d->evidence, n);

	for (guint i = 0; i < n; i++) {
		const struct evidence *x = g_ptr_array_index(d->evidence, i);

		if (g_strcmp0(x->run->label, e->run->label) == 0)
			return false;
	}
	return true;
}

void claims_print_row(const struct decision *d, bool story, GString *out)
{
	const struct claim *c = d->claim;
	const char *expected = expectations[decision_expected(d)];

	g_string_append_printf(out, "%s: %s%s%s\n", c->id, verdict_names[d->verdict],
			       *expected ? ", " : "", *expected ? expected : "");
	wrap_part(out, "", c->who);
	wrap_part(out, "", c->says);
	if (d->why)
		wrap_part(out, "not decided: ", d->why);
	for (guint i = 0; i < d->evidence->len; i++)
		if (is_first_of_case(d, i))
			print_case(d, i, out);
	wrap_part(out, "expected otherwise: ", c->differs);
	wrap_part(out, "note: ", c->note);
	for (guint i = 0; i < d->evidence->len; i++) {
		const struct evidence *e = g_ptr_array_index(d->evidence, i);

		if (!e->story || !story)
			continue;
		g_string_append_printf(out, "\n%s\n", e->story->table);
		break;
	}
}

void claims_print_sum(const GPtrArray *decisions, GString *out)
{
	unsigned int verdicts[NR_VERDICTS] = { 0 }, expected[EXPECT_NOT_MET + 1] = { 0 };
	uint64_t states = 0;

	for (guint i = 0; i < decisions->len; i++) {
		const struct decision *d = g_ptr_array_index(decisions, i);

		verdicts[d->verdict]++;
		expected[decision_expected(d)]++;
		states += d->states;
	}
	g_string_append_printf(out, "%u claims:", decisions->len);
	for (int v = 0; v < NR_VERDICTS; v++)
		g_string_append_printf(out, "%s %u %s", v ? "," : "", verdicts[v],
				       verdict_names[v]);
	g_string_append_printf(
		out,
		"; %u as expected, %u not for a reason that is given, %u not, %u without "
		"expectation; %" PRIu64 " states\n",
		expected[EXPECT_MET], expected[EXPECT_KNOWN_OTHER], expected[EXPECT_NOT_MET],
		expected[EXPECT_NOTHING], states);
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static void put_run(JsonBuilder *b, const struct evidence *e)
{
	const struct claim_run *run = e->run;

	json_builder_begin_object(b);
	json_put_string(b, "scenario", run->scenario);
	json_put_string(b, "policy", e->policy);
	json_put_string(b, "with", *e->with ? e->with : NULL);
	json_put_string(b, "inject", run->inject);
	json_put_string(b, "case", run->label);
	json_put_bool(b, "control", run->control);
	json_put_bool(b, "as_claimed", e->met);
	json_put_string(b, "outcome",
			run->check > CHECK_VIOLATED ? "cost"
			: e->violated               ? "violated"
						    : "holds");
	json_put_string(b, "invariant", e->invariant);
	json_put_int(b, "states", e->states);
	json_put_string(b, "counterexample", e->path);
	json_put_string(b, "found", e->found);
	json_builder_set_member_name(b, "counters");
	json_builder_begin_object(b);
	if (run->check == CHECK_COUNT) {
		json_put_int(b, run->arg, e->value);
		json_put_int(b, "against", e->other);
	}
	json_builder_end_object(b);
	json_builder_end_object(b);
}

static void put_decision(JsonBuilder *b, const struct decision *d)
{
	const char *expect = d->claim->expect;

	json_builder_begin_object(b);
	json_put_string(b, "id", d->claim->id);
	json_put_string(b, "verdict", verdict_names[d->verdict]);
	json_put_string(b, "expected", expect && strcmp(expect, "open") != 0 ? expect : NULL);
	json_put_string(b, "why", d->why);
	json_put_int(b, "states", d->states);
	json_builder_set_member_name(b, "runs");
	json_builder_begin_array(b);
	for (guint i = 0; i < d->evidence->len; i++)
		put_run(b, g_ptr_array_index(d->evidence, i));
	json_builder_end_array(b);
	json_builder_end_object(b);
}

void claims_print_json(const GPtrArray *decisions, GString *out)
{
	g_autoptr(JsonBuilder) b = json_builder_new();

	json_builder_begin_object(b);
	json_put_string(b, "schema", "s2sim.verify/1");
	json_builder_set_member_name(b, "claims");
	json_builder_begin_array(b);
	for (guint i = 0; i < decisions->len; i++)
		put_decision(b, g_ptr_array_index(decisions, i));
	json_builder_end_array(b);
	json_builder_end_object(b);
	json_print(b, out);
}
