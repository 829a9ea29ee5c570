/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A story as text for a mail: time goes down, actors stand side by side.
 */
#include <string.h>

#include "harness/story_priv.h"

enum {
	PAGE_COLUMNS = 100,
	MARGIN = 7,       /* number, mark and space before the first column */
	GAP = 2,          /* between columns */
	MARK = 2,         /* "> " or "| " before a text */
	NOTE_INDENT = 4,  /* of a note below its label */
	CONTINUED = 2,    /* further lines of a text */
	NARROWEST = 24,   /* a column that has to wrap is at least so wide */
	STAIR_TEXT = 50,  /* the last column of a staircase is at least so wide */
	STAIR_STEP = 16,  /* a staircase is at most so steep */
	REPEAT_HEAD = 48, /* lines after which the names stand once more */
	COLUMNS_MAX = 8,  /* side by side */
};

#define READ_LINES "> begins a line of the scenario, | goes on with it"

/* Three forms, from the clearest to the one that always fits. */
enum form {
	FORM_COLUMNS, /* side by side */
	FORM_STAIRS,  /* each actor starts further right, texts run over what is right of them */
	FORM_LIST,    /* one column, the actor's name before it */
};

/* What is printed of a step. */
enum part { PART_OP, PART_LABEL, PART_NOTE };

struct column {
	unsigned actor, start, width;
};

struct table {
	const struct story *s;
	GString *out;
	enum form form;
	unsigned nr_columns; /* actors that take part; of a list more than have a column */
	struct column column[COLUMNS_MAX];
	unsigned name_width; /* of the longest name */
	const char *name;    /* of a list: stands before the next text */
	unsigned since_head; /* lines */
	GPtrArray *lines;    /* of the text being printed */
};

/* ---- Widths ---------------------------------------------------------------------------------- */

static void grow(unsigned *width, const char *text, unsigned around)
{
	*width = MAX(*width, (unsigned)g_utf8_strlen(text, -1) + around);
}

/* What stands behind a step's number. */
static char *label_of(const struct story *s, const struct story_step *step)
{
	return step->to == STORY_NOBODY ? g_strdup(step->label)
					: g_strdup_printf("%s --> %s", step->label,
							  story_actor(s, (unsigned)step->to));
}

/* So wide that no text of the actor has to wrap. */
static unsigned wanted(const struct story *s, unsigned actor)
{
	unsigned width = 0;

	grow(&width, story_actor(s, actor), 0);
	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);
		g_autofree char *label = label_of(s, step);

		if (step->actor != actor)
			continue;
		grow(&width, label, MARK);
		if (step->op)
			grow(&width, step->op, MARK);
		for (guint k = 0; k < step->notes->len; k++)
			grow(&width, g_ptr_array_index(step->notes, k), MARK + NOTE_INDENT);
	}
	return width;
}

/*
 * Columns that want less than their share get what they want, the others share the rest. False if
 * that leaves too little.
 */
static bool share_width(struct table *t)
{
	unsigned left = PAGE_COLUMNS - MARGIN - GAP * (t->nr_columns - 1), takers = t->nr_columns;
	unsigned want[COLUMNS_MAX], share = 0;
	bool changed = true;

	for (unsigned c = 0; c < t->nr_columns; c++)
		want[c] = MAX(wanted(t->s, t->column[c].actor), MARK);
	while (changed && takers > 0) {
		share = left / takers;
		changed = false;
		for (unsigned c = 0; c < t->nr_columns; c++) {
			if (t->column[c].width || want[c] > share)
				continue;
			t->column[c].width = want[c];
			left -= want[c];
			takers--;
			changed = true;
		}
	}
	for (unsigned c = 0, start = MARGIN; c < t->nr_columns; c++) {
		if (!t->column[c].width)
			t->column[c].width = share;
		t->column[c].start = start;
		start += t->column[c].width + GAP;
	}
	return takers == 0 || share >= NARROWEST;
}

/* False if the names would run into each other. */
static bool build_stairs(struct table *t)
{
	unsigned room = PAGE_COLUMNS - MARGIN - STAIR_TEXT;
	unsigned step = MIN(STAIR_STEP, room / MAX(t->nr_columns - 1, 1));

	for (unsigned c = 0; c < t->nr_columns; c++) {
		t->column[c].start = MARGIN + c * step;
		t->column[c].width = PAGE_COLUMNS - t->column[c].start;
	}
	return step >= t->name_width + GAP;
}

static void lay_out(struct table *t)
{
	const struct story *s = t->s;

	for (unsigned a = 0; a < s->actors->len; a++) {
		if (!story_takes_part(s, a))
			continue;
		grow(&t->name_width, story_actor(s, a), 0);
		if (t->nr_columns < COLUMNS_MAX)
			t->column[t->nr_columns].actor = a;
		t->nr_columns++;
	}
	if (t->nr_columns > COLUMNS_MAX)
		t->form = FORM_LIST;
	else if (t->nr_columns == 0 || share_width(t))
		t->form = FORM_COLUMNS;
	else
		t->form = build_stairs(t) ? FORM_STAIRS : FORM_LIST;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Ends a line; no spaces at its end. */
static void end_line(struct table *t)
{
	GString *out = t->out;

	while (out->len && out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
	g_string_append_c(out, '\n');
	t->since_head++;
}

static void put_padded(GString *out, const char *text, unsigned width)
{
	g_string_append(out, text);
	for (unsigned n = (unsigned)g_utf8_strlen(text, -1); n < width; n++)
		g_string_append_c(out, ' ');
}

/* From character @at of a line to where a text starts; the new place. */
static unsigned put_at(GString *out, unsigned at, unsigned start, const char *text)
{
	put_padded(out, "", start - at);
	g_string_append(out, text);
	return start + (unsigned)g_utf8_strlen(text, -1);
}

static void print_names(struct table *t)
{
	unsigned at;

	if (t->form == FORM_LIST) {
		g_string_append(t->out, " step  ");
		put_padded(t->out, "who", MAX(t->name_width, 3) + GAP);
		g_string_append(t->out, "what");
		end_line(t);
		t->since_head = 0;
		return;
	}
	at = put_at(t->out, 0, 1, "step");
	for (unsigned c = 0; c < t->nr_columns; c++)
		at = put_at(t->out, at, t->column[c].start, story_actor(t->s, t->column[c].actor));
	end_line(t);
	at = put_at(t->out, 0, 1, "----");
	for (unsigned c = 0; c < t->nr_columns; c++) {
		unsigned end = c + 1 < t->nr_columns ? t->column[c + 1].start - GAP
						     : t->column[c].start + t->column[c].width;
		g_autofree char *line = g_strnfill(end - t->column[c].start, '-');

		at = put_at(t->out, at, t->column[c].start, line);
	}
	end_line(t);
	t->since_head = 0;
}

/* What is right of the margin: @text of step @i's actor, and the lifelines of the others. */
static void put_columns(struct table *t, unsigned i, const char *text)
{
	unsigned actor = story_step_at(t->s, i)->actor;
	unsigned at = MARGIN;

	for (unsigned c = 0; c < t->nr_columns; c++) {
		const struct column *col = &t->column[c];

		if (col->actor == actor)
			at = put_at(t->out, at, col->start, text);
		else if (col->start > at + (at > MARGIN) - 1 && story_is_busy(t->s, col->actor, i))
			at = put_at(t->out, at, col->start, "|");
	}
	end_line(t);
}

static unsigned text_width(const struct table *t, unsigned actor)
{
	if (t->form == FORM_LIST)
		return PAGE_COLUMNS - MARGIN - MAX(t->name_width, 3) - GAP - MARK;
	for (unsigned c = 0; c < t->nr_columns; c++)
		if (t->column[c].actor == actor)
			return t->column[c].width - MARK;
	g_assert_not_reached();
}

/* A text of step @i, wrapped. */
static void put_text(struct table *t, unsigned i, enum part part, const char *text)
{
	const struct story_step *step = story_step_at(t->s, i);
	unsigned indent = part == PART_NOTE ? NOTE_INDENT : 0;
	unsigned width = text_width(t, step->actor) - indent;
	char margin[MARGIN + 8] = "";

	if (part == PART_LABEL)
		g_snprintf(margin, sizeof(margin), "%5u%s", story_number(t->s, i),
			   step->clash ? "*" : "");
	g_ptr_array_set_size(t->lines, 0);
	story_wrap(text, width, CONTINUED, t->lines);
	for (guint n = 0; n < t->lines->len; n++) {
		g_autofree char *line =
			g_strdup_printf("%s%*s%s", part == PART_OP && n == 0 ? "> " : "| ",
					(int)(indent + (n ? CONTINUED : 0)), "",
					(const char *)g_ptr_array_index(t->lines, n));

		put_padded(t->out, n == 0 ? margin : "", MARGIN);
		if (t->form != FORM_LIST) {
			put_columns(t, i, line);
			continue;
		}
		put_padded(t->out, t->name, MAX(t->name_width, 3) + GAP);
		t->name = "";
		g_string_append(t->out, line);
		end_line(t);
	}
}

static void print_step(struct table *t, unsigned i, bool first_of_run)
{
	const struct story_step *step = story_step_at(t->s, i);
	g_autofree char *label = label_of(t->s, step);

	t->name = first_of_run ? story_actor(t->s, step->actor) : "";
	if (step->op)
		put_text(t, i, PART_OP, step->op);
	put_text(t, i, PART_LABEL, label);
	for (guint n = 0; n < step->notes->len; n++)
		put_text(t, i, PART_NOTE, g_ptr_array_index(step->notes, n));
}

/* Between two runs: the lifelines that go on. */
static void print_pause(struct table *t, unsigned next)
{
	const struct story_step *step = story_step_at(t->s, next);
	unsigned at = 0;

	for (unsigned c = 0; t->form != FORM_LIST && c < t->nr_columns; c++) {
		unsigned actor = t->column[c].actor;

		if (!(step->actor == actor && step->op) && story_is_busy(t->s, actor, next - 1) &&
		    story_is_busy(t->s, actor, next))
			at = put_at(t->out, at, t->column[c].start, "|");
	}
	end_line(t);
}

/* ---- Head and verdict ------------------------------------------------------------------------ */

/* A paragraph whose further lines are indented as far as its first. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order in which they are printed */
static void put_paragraph(struct table *t, const char *head, const char *text)
{
	unsigned indent = (unsigned)strlen(head);

	g_ptr_array_set_size(t->lines, 0);
	story_wrap(text, PAGE_COLUMNS - indent, 0, t->lines);
	for (guint n = 0; n < t->lines->len; n++) {
		put_padded(t->out, n == 0 ? head : "", indent);
		g_string_append(t->out, g_ptr_array_index(t->lines, n));
		end_line(t);
	}
}

static bool has_clash(const struct story *s)
{
	for (guint i = 0; i < s->steps->len; i++)
		if (story_step_at(s, i)->clash)
			return true;
	return false;
}

static void print_head(struct table *t)
{
	const struct story *s = t->s;
	g_autoptr(GString) claim = g_string_new(NULL);
	g_autofree char *inject =
		g_strdup_printf("%s (this rule was taken out of the kernel)", s->inject);

	g_string_append_printf(claim, "%s: ", s->scenario);
	story_print_claim(s, claim);
	g_string_append_c(claim, '.');
	put_paragraph(t, "", claim->str);
	put_paragraph(t, "policy    ", s->policy);
	if (*s->geometry)
		put_paragraph(t, "geometry  ", s->geometry);
	if (*s->inject)
		put_paragraph(t, "injected  ", inject);
	put_paragraph(t, "to read   ",
		      has_clash(s) ? READ_LINES "; * the violation is about this step"
				   : READ_LINES);
	end_line(t);
}

static void print_verdict(struct table *t)
{
	const struct story *s = t->s;
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned n = 0; n < PAGE_COLUMNS; n++)
		g_string_append_c(t->out, '=');
	end_line(t);
	story_print_claim(s, text);
	g_string_append_c(text, '.');
	put_paragraph(t, " !!!!  ", text->str);
	if (*s->verdict.reason)
		put_paragraph(t, "       ", s->verdict.reason);
	g_string_truncate(text, 0);
	story_print_states(s, text);
	if (text->len)
		put_paragraph(t, "       ", text->str);
}

void story_print_table(const struct story *s, GString *out)
{
	struct table t = { .s = s, .out = out };

	t.lines = g_ptr_array_new_with_free_func(g_free);
	lay_out(&t);
	print_head(&t);
	print_names(&t);
	for (unsigned i = 0; i < s->steps->len;) {
		unsigned end = story_run_end(s, i);

		if (i > 0)
			print_pause(&t, i);
		if (t.since_head > REPEAT_HEAD)
			print_names(&t);
		for (unsigned k = i; k < end; k++)
			print_step(&t, k, k == i);
		i = end;
	}
	print_verdict(&t);
	g_ptr_array_unref(t.lines);
}
