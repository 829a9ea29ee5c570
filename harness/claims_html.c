/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger as one page that can be sent to somebody. */
#include <inttypes.h>
#include <string.h>

#include "harness/claims_priv.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<title>Claims of the userfault and memslot reviews, decided</title>\n<style>\n"
	"body { font: 15px/1.45 sans-serif; color: #1b1f24; max-width: 62em; margin: 2em auto; "
	"padding: 0 1em }\n"
	"h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em }\n"
	"article { border-left: 4px solid #9aa4af; padding: .2em 0 .2em 1em; margin: 1.4em 0 }\n"
	"article.TRUE { border-color: #2e7d32 } article.FALSE { border-color: #b3261e }\n"
	"article.DEPENDS { border-color: #b26a00 }\n"
	"h3 { font-size: 1em; margin: 0 } h3 a { color: inherit; text-decoration: none }\n"
	"p { margin: .4em 0 } .who, .foot { color: #5b6470 } .says { font-size: 1.05em }\n"
	"table { border-collapse: collapse; font-size: .86em; margin: .5em 0 }\n"
	"th, td { text-align: left; vertical-align: top; padding: .15em .8em .15em 0; border-top: "
	"1px solid #dde1e6 }\n"
	"td.no { color: #b3261e } code { font-size: .95em } .warn { color: #b3261e; font-weight: "
	"bold }\n"
	"</style>\n</head>\n<body>\n";

/* Sections in the order in which they matter. */
static const struct {
	const char *prefix, *title;
} sections[] = {
	{ "D-",
	  "Found on the way: what is wrong in posted versions, how to see it, what mends it" },
	{ "T0-", "Userfault on arm64: the commit hook" },
	{ "T1-", "Userfault on x86" },
	{ "T2-", "Memslots: the order of invalidation and prepare" },
	{ "T3-", "x86: flushes when SPTEs are overwritten" },
	{ "T4-", "Userfault: common code" },
	{ "", "Others" },
};

static bool is_in_section(const struct decision *d, size_t section)
{
	for (size_t i = 0; i < section; i++)
		if (g_str_has_prefix(d->claim->id, sections[i].prefix))
			return false;
	return g_str_has_prefix(d->claim->id, sections[section].prefix);
}

static void put(GString *out, const char *text)
{
	g_autofree char *escaped = g_markup_escape_text(text, -1);

	g_string_append(out, escaped);
}

/* <p class="CLASS">NAME TEXT</p>; nothing without a text. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of the output */
static void put_paragraph(GString *out, const char *class, const char *name, const char *text)
{
	if (!text)
		return;
	g_string_append_printf(out, "<p class=\"%s\">%s", class, name);
	put(out, text);
	g_string_append(out, "</p>\n");
}

static void put_links(GString *out, const struct evidence *e)
{
	g_autofree char *stem =
		e->path ? g_strndup(e->path, strlen(e->path) - strlen(".svg")) : NULL;

	if (!stem)
		return;
	g_string_append_printf(
		out, "<br>%u steps: <a href=\"%s.svg\">diagram</a>, <a href=\"%s.txt\">table</a>",
		e->story->steps, stem, stem);
	if (e->story->trace)
		g_string_append_printf(out, ", <a href=\"%s.scn\">scenario that replays</a>", stem);
}

static void put_evidence(GString *out, const struct decision *d, const struct evidence *e)
{
	const struct claim_run *run = e->run;

	g_string_append(out, "<tr><td>");
	if (run->control)
		g_string_append(out, "<i>control</i>");
	else if (run->label)
		put(out, run->label);
	if (!run->control && run->label)
		g_string_append_printf(out, ": %s", decision_case(d, run) ? "TRUE" : "FALSE");
	g_string_append(out, "</td><td><code>");
	put(out, run->scenario);
	if (*e->with) {
		g_string_append_c(out, ' ');
		put(out, e->with);
	}
	g_string_append(out, "</code></td><td><code>");
	put(out, e->policy);
	g_string_append(out, "</code>");
	if (run->inject)
		g_string_append_printf(out, "<br>without rule <code>%s</code>", run->inject);
	g_string_append_printf(out, "</td><td%s>", e->met ? "" : " class=\"no\"");
	put(out, e->found);
	put_links(out, e);
	g_string_append(out, "</td></tr>\n");
}

static void put_row(GString *out, const struct decision *d)
{
	const struct claim *c = d->claim;
	enum expectation is = decision_expected(d);
	const char *verdict = verdict_names[d->verdict];

	g_string_append_printf(
		out, "<article id=\"%s\" class=\"%s\">\n<h3><a href=\"#%s\">%s</a> %s%s</h3>\n",
		c->id, verdict, c->id, c->id, verdict,
		is == EXPECT_NOT_MET ? " <span class=\"warn\">not as expected</span>" : "");
	put_paragraph(out, "who", "", c->who);
	put_paragraph(out, "says", "", c->says);
	put_paragraph(out, "", "Not decided: ", d->why);
	put_paragraph(out, "", "Otherwise than expected: ", c->differs);
	put_paragraph(out, "", "", c->note);
	if (d->evidence->len) {
		g_string_append(
			out,
			"<details><summary>What was run</summary>\n<table>\n"
			"<tr><th>case</th><th>scenario</th><th>policy</th><th>found</th></tr>\n");
		for (guint i = 0; i < d->evidence->len; i++)
			put_evidence(out, d, g_ptr_array_index(d->evidence, i));
		g_string_append(out, "</table></details>\n");
	}
	g_string_append(out, "</article>\n");
}

void claims_print_html(const GPtrArray *decisions, GString *out)
{
	g_autoptr(GString) sum = g_string_new(NULL);

	claims_print_sum(decisions, sum);
	g_string_append(out, head);
	g_string_append(out,
			"<h1>Claims of the userfault and memslot reviews, decided</h1>\n"
			"<p>Each row is something that was said in a review thread on the KVM "
			"list, or found while "
			"checking it. The verdict is computed: every order of the steps of a small "
			"VM is tried, or a VM "
			"is run in simulated time, under the policies that the row names.</p>\n");
	put_paragraph(out, "foot", "", sum->str);
	for (size_t s = 0; s < G_N_ELEMENTS(sections); s++) {
		bool titled = false;

		for (guint i = 0; i < decisions->len; i++) {
			const struct decision *d = g_ptr_array_index(decisions, i);

			if (!is_in_section(d, s))
				continue;
			if (!titled)
				g_string_append_printf(out, "<h2>%s</h2>\n", sections[s].title);
			titled = true;
			put_row(out, d);
		}
	}
	g_string_append(out, "</body>\n</html>\n");
}
