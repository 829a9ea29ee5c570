/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/expect.h"

#include <string.h>

G_DEFINE_QUARK(s2_expect_error, expect_error)

GPtrArray *expect_lines(const struct record_scenario *scen)
{
	GPtrArray *lines = g_ptr_array_new();

	for (guint i = 0; i < scen->steps->len; i++)
		g_ptr_array_add(lines,
				&((struct record_step *)g_ptr_array_index(scen->steps, i))->input);
	return lines;
}

bool expect_invariants(const char *names, uint64_t *mask, char **bad)
{
	g_auto(GStrv) list = g_strsplit(names, ",", -1);

	*mask = 0;
	for (char **n = list; *n; n++) {
		enum inv i = inv_find(*n);

		if (i == INV_NONE) {
			*bad = g_strdup(*n);
			return false;
		}
		*mask |= BIT(i);
	}
	return true;
}

static bool read_names(const struct lang_line *l, const char *names, uint64_t *mask, GError **error)
{
	g_autofree char *bad = NULL;

	if (expect_invariants(names, mask, &bad))
		return true;
	g_set_error(error, EXPECT_ERROR, EXPECT_ERROR_LINE,
		    "line %u: expected names that 's2sim list invariants' prints, found '%s'",
		    l->line, bad);
	return false;
}

static uint32_t or_else(uint32_t asked, uint32_t otherwise)
{
	return asked ? asked : otherwise;
}

bool expect_scope(const struct record_scenario *scen, struct setup_scope *scope,
		  uint64_t *invariants, GError **error)
{
	const struct record_step *first =
		scen->steps->len ? g_ptr_array_index(scen->steps, 0) : NULL;
	const struct lang_scope *s;
	uint64_t mask = 0;

	if (!first || first->input.kind != LANG_SCOPE)
		return true;
	s = &first->input.u.scope;
	if (*s->invariants && !read_names(&first->input, s->invariants, &mask, error))
		return false;
	if (!*invariants)
		*invariants = mask;
	scope->tables = or_else(scope->tables, s->tables);
	scope->slots = or_else(scope->slots, s->slots);
	scope->words = or_else(scope->words, s->words);
	scope->tlb = or_else(scope->tlb, s->tlb);
	scope->pml = or_else(scope->pml, s->pml);
	return true;
}

static bool read_line(const struct lang_line *l, struct expects *out, GError **error)
{
	g_autofree char *names = lang_obs_value(l->u.obs.text, "inv");
	uint64_t mask = ~0ULL;

	if (l->u.obs.cls < LANG_OBS_HOLDS) {
		g_set_error(error, EXPECT_ERROR, EXPECT_ERROR_LINE,
			    "line %u: expected 'expect holds' or 'expect violated', which is what "
			    "can be said where the order is free, found '%s'",
			    l->line, l->text);
		return false;
	}
	if (names && !read_names(l, names, &mask, error))
		return false;
	*(l->u.obs.cls == LANG_OBS_HOLDS ? &out->holds : &out->violated) |= mask;
	out->any = true;
	return true;
}

bool expect_read(const struct record_scenario *scen, struct expects *out, GError **error)
{
	*out = (struct expects){ .any = false };
	for (guint i = 0; i < scen->steps->len; i++) {
		const struct record_step *step = g_ptr_array_index(scen->steps, i);

		for (guint k = 0; k < step->expects->len; k++)
			if (!read_line(g_ptr_array_index(step->expects, k), out, error))
				return false;
	}
	return true;
}

static char *names_of(uint64_t mask)
{
	GString *out = g_string_new(NULL);

	if (mask == ~0ULL)
		g_string_append(out, "everything");
	for (unsigned int i = 1; mask != ~0ULL && i < NR_INVS; i++)
		if (mask >> i & 1)
			g_string_append_printf(out, "%s%s", out->len ? "," : "",
					       inv_name((enum inv)i));
	return g_string_free(out, FALSE);
}

static char *expected_text(const struct expects *e)
{
	g_autofree char *holds = names_of(e->holds);
	g_autofree char *violated = names_of(e->violated);

	return g_strdup_printf("%s%s%s%s%s", e->violated ? violated : "",
			       e->violated ? " violated" : "",
			       e->violated && e->holds ? " and " : "", e->holds ? holds : "",
			       e->holds ? " to hold" : "");
}

char *expect_check(const struct expects *e, const struct expect_found *found)
{
	g_autofree char *expected = expected_text(e);
	g_autofree char *names = NULL;
	uint64_t mask = 0;
	bool met;

	for (unsigned int i = 0; i < found->n && (i == 0 || found->all); i++)
		mask |= BIT(found->invs[i]);
	if (!mask && !e->violated)
		return found->complete ? NULL
				       : g_strdup_printf("expected %s, found that not every order "
							 "was tried",
							 expected);
	met = mask && !(mask & (e->holds | ~e->violated)) && (!found->all || mask == e->violated);
	if (met)
		return NULL;
	names = mask ? names_of(mask) : g_strdup("nothing");
	return g_strdup_printf("expected %s, found %s violated%s", expected, names,
			       !mask && !found->complete ? " so far" : "");
}
