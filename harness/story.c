/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/story.h"

#include <string.h>

#include "harness/story_priv.h"

/* S3, and nothing that XML forbids: the last two characters of the first plane. Caller owns. */
static char *clean(const char *text)
{
	char *line = g_utf8_make_valid(text ? text : "", -1);

	for (char *c = line; *c; c++) {
		if (g_ascii_iscntrl(*c))
			*c = ' ';
		else if (strncmp(c, "\xef\xbf\xbe", 3) == 0 || strncmp(c, "\xef\xbf\xbf", 3) == 0)
			c[2] = '\xbd'; /* the replacement character */
	}
	return line;
}

static void step_free(gpointer p)
{
	struct story_step *step = p;

	g_free(step->op);
	g_free(step->label);
	g_ptr_array_unref(step->notes);
	g_free(step);
}

struct story *story_new(const struct story_about *about)
{
	struct story *s = g_new0(struct story, 1);

	g_assert(about->scenario && about->policy);
	s->scenario = clean(about->scenario);
	s->policy = clean(about->policy);
	s->geometry = clean(about->geometry);
	s->inject = clean(g_strcmp0(about->inject, "none") == 0 ? NULL : about->inject);
	s->actors = g_ptr_array_new_with_free_func(g_free);
	s->steps = g_ptr_array_new_with_free_func(step_free);
	s->verdict.invariant = g_strdup("");
	s->verdict.reason = g_strdup("");
	return s;
}

unsigned story_add_actor(struct story *s, const char *name)
{
	g_ptr_array_add(s->actors, clean(name));
	return s->actors->len - 1;
}

struct story_step *story_add_step(struct story *s, unsigned actor, const char *op,
				  const char *label)
{
	struct story_step *step = g_new0(struct story_step, 1);

	g_assert(actor < s->actors->len && label);
	step->actor = actor;
	step->op = op ? clean(op) : NULL;
	step->label = clean(label);
	step->notes = g_ptr_array_new_with_free_func(g_free);
	step->to = STORY_NOBODY;
	step->moves = 1;
	g_ptr_array_add(s->steps, step);
	return step;
}

void story_step_relabel(struct story_step *step, const char *label)
{
	g_free(step->label);
	step->label = clean(label);
}

void story_step_note(struct story_step *step, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_ptr_array_add(step->notes, clean(text));
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the name, then what it says */
void story_set_verdict(struct story *s, const char *invariant, const char *reason,
		       const uint64_t *gfn, uint64_t states)
{
	struct story_verdict *v = &s->verdict;

	g_free(v->invariant);
	g_free(v->reason);
	v->invariant = clean(invariant);
	v->reason = clean(reason);
	v->has_gfn = gfn != NULL;
	v->gfn = gfn ? *gfn : 0;
	v->states = states;
}

void story_free(struct story *s)
{
	if (!s)
		return;
	g_free(s->scenario);
	g_free(s->policy);
	g_free(s->geometry);
	g_free(s->inject);
	g_ptr_array_unref(s->actors);
	g_ptr_array_unref(s->steps);
	g_free(s->verdict.invariant);
	g_free(s->verdict.reason);
	g_free(s);
}

/* ---- For the pictures ------------------------------------------------------------------------ */

bool story_takes_part(const struct story *s, unsigned actor)
{
	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);

		g_assert(step->to == STORY_NOBODY || (unsigned)step->to < s->actors->len);
		if (step->actor == actor || step->to == (int)actor)
			return true;
	}
	return false;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): an actor, then a step */
bool story_is_busy(const struct story *s, unsigned actor, unsigned i)
{
	unsigned before = i + 1, after;

	while (before > 0 && story_step_at(s, before - 1)->actor != actor)
		before--;
	if (before == 0)
		return false;
	if (before - 1 == i)
		return true;
	if (story_step_at(s, before - 1)->ends)
		return false;
	after = i + 1;
	while (after < s->steps->len && story_step_at(s, after)->actor != actor)
		after++;
	return after == s->steps->len || !story_step_at(s, after)->op;
}

unsigned story_number(const struct story *s, unsigned i)
{
	unsigned number = 0;

	for (unsigned k = 0; k <= i; k++)
		number += story_step_at(s, k)->moves;
	return number;
}

unsigned story_run_end(const struct story *s, unsigned i)
{
	unsigned actor = story_step_at(s, i)->actor;

	while (i < s->steps->len && story_step_at(s, i)->actor == actor)
		i++;
	return i;
}

/* Where to cut @text, which is longer than @width characters: bytes of the first line. */
static size_t cut_at(const char *text, unsigned width)
{
	const char *limit = g_utf8_offset_to_pointer(text, width);

	for (const char *c = limit; c > text; c--)
		if (*c == ' ')
			return (size_t)(c - text);
	for (const char *c = limit; c > text + (limit - text) / 3; c--)
		if (strchr(":_,;/=-+.", c[-1]))
			return (size_t)(c - text);
	return (size_t)(limit - text);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the whole, then what is taken off it */
void story_wrap(const char *text, unsigned width, unsigned hang, GPtrArray *lines)
{
	guint first = lines->len;

	g_assert(width > hang);
	while (g_utf8_strlen(text, -1) > (glong)width) {
		size_t len = cut_at(text, width);
		char *line = g_strndup(text, len);

		g_ptr_array_add(lines, g_strchomp(line));
		if (lines->len == first + 1)
			width -= hang;
		text += len;
		while (*text == ' ')
			text++;
	}
	g_ptr_array_add(lines, g_strdup(text));
}

void story_print_claim(const struct story *s, GString *out)
{
	const struct story_verdict *v = &s->verdict;
	unsigned moves = s->steps->len ? story_number(s, s->steps->len - 1) : 0;

	g_string_append_printf(out, "%s does not hold", v->invariant);
	if (v->has_gfn)
		g_string_append_printf(out, " at gfn 0x%" G_GINT64_MODIFIER "x", v->gfn);
	g_string_append_printf(out, " after %u step%s", moves, moves == 1 ? "" : "s");
}

void story_print_states(const struct story *s, GString *out)
{
	char digits[24];
	size_t len;

	if (s->verdict.states == 0)
		return;
	g_snprintf(digits, sizeof(digits), "%" G_GUINT64_FORMAT, s->verdict.states);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			g_string_append_c(out, ',');
		g_string_append_c(out, digits[i]);
	}
	g_string_append(out,
			s->verdict.states == 1 ? " state was searched." : " states were searched.");
}
