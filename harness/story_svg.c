/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A story as a sequence diagram: a lifeline for each actor, a box for each run of its steps, the
 * violation in red at the bottom. All coordinates are whole pixels.
 */
#include "harness/story_priv.h"

enum {
	EDGE = 20,           /* around everything, px as all below */
	FONT = 12,           /* of all but the title */
	LINE = 17,           /* from one baseline to the next */
	BASELINE = 12,       /* from a line's top */
	PAD = 8,             /* inside a box */
	COLUMN_GAP = 28,     /* between boxes of neighbours */
	RUN_GAP = 14,        /* between a box and the next one below */
	HEAD_HEIGHT = 28,    /* actor's name */
	HEAD_EVERY = 900,    /* a long diagram names its actors again, between two boxes */
	NUMBER_CHARS = 4,    /* "12  " before a label */
	NOTE_CHARS = 6,      /* a note's indent */
	TEXT_CHARS = 52,     /* longer texts are wrapped ... */
	TEXT_CHARS_TWO = 72, /* ... with two actors only longer ones */
	HANG = 2,            /* indent of a wrapped text's further lines, in characters */
	PAGE_CHARS_MIN = 72, /* head and verdict are at least so wide */
	BAR = 8,             /* on the lifeline of a busy actor */
	ARROW = 7,           /* length of its head */
};

#define INK      "#1b1f24"
#define INK_NOTE "#5b6470"
#define RED      "#b3261e"
#define RED_FILL "#fdecea"

/* How a text looks. */
enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_NOTE,
	STYLE_CLASH,
	STYLE_TITLE,
	STYLE_HEAD,
};

/* Attributes of the element. */
static const char *const styles[] = {
	[STYLE_PLAIN] = "",
	[STYLE_BOLD] = " font-weight=\"bold\"",
	[STYLE_NOTE] = " fill=\"" INK_NOTE "\"",
	[STYLE_CLASH] = " font-weight=\"bold\" fill=\"" RED "\"",
	[STYLE_TITLE] = " font-weight=\"bold\" font-size=\"16\"",
	[STYLE_HEAD] = " font-weight=\"bold\" font-size=\"14\" text-anchor=\"middle\"",
};

/* Colours of an actor. */
struct paint {
	const char *line, *fill;
};

struct lane {
	bool shown;
	struct paint paint;
	int centre, width; /* of its boxes */
	int busy_from;     /* bottom of its last box while its operation goes on; else 0 */
};

struct svg {
	const struct story *s;
	struct lane *lanes; /* one for each actor */
	int text_chars;     /* of a box */
	int width;          /* of the page */
	int y;              /* top of what comes next */
	GString *behind;    /* lifelines and bars */
	GString *body;
};

/* A monospaced character is some 0.6 of the font's size wide; rounded up, texts never stick out. */
static int chars_px(glong chars)
{
	return (int)(chars * 29 + 3) / 4;
}

static struct paint paint_of(const char *name)
{
	static const struct paint vcpu = { "#1f5fa8", "#e6f0fb" }, vmm = { "#2b7a3d", "#e7f5ea" },
				  mm = { "#a85a00", "#fdf1e0" }, other = { "#5b6470", "#eef0f2" };

	if (name[0] == 'v' && g_ascii_isdigit(name[1]))
		return vcpu;
	if (g_str_has_prefix(name, "vmm"))
		return vmm;
	return g_str_has_prefix(name, "mm") ? mm : other;
}

/* ---- Elements -------------------------------------------------------------------------------- */

static void put_rect(GString *out, const int box[4], const struct paint *paint, int round)
{
	g_string_append_printf(out,
			       "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" "
			       "fill=\"%s\" stroke=\"%s\"/>\n",
			       box[0], box[1], box[2], box[3], round, paint->fill, paint->line);
}

static void put_line(GString *out, int x, int y, enum style style, const char *text)
{
	g_autofree char *escaped = g_markup_escape_text(text, -1);

	g_string_append_printf(out, "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", x, y + BASELINE,
			       styles[style], escaped);
}

/* A text of at most @chars characters a line from @at (x, y) down; how many lines. */
static int put_lines(GString *out, const int at[2], int chars, enum style style, const char *text)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

	story_wrap(text, (unsigned)chars, HANG, lines);
	for (guint i = 0; i < lines->len; i++)
		put_line(out, at[0] + (i ? chars_px(HANG) : 0), at[1] + (int)i * LINE, style,
			 g_ptr_array_index(lines, i));
	return (int)lines->len;
}

/* ---- Layout ---------------------------------------------------------------------------------- */

static void widen(const struct svg *v, int *chars, const char *text, int indent)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

	story_wrap(text, (unsigned)(v->text_chars - indent), HANG, lines);
	for (guint i = 0; i < lines->len; i++)
		*chars = MAX(*chars, indent + (i ? HANG : 0) +
					     (int)g_utf8_strlen(g_ptr_array_index(lines, i), -1));
}

/* Characters of the widest line of an actor. */
static int lane_chars(const struct svg *v, unsigned actor)
{
	const struct story *s = v->s;
	int chars = (int)g_utf8_strlen(story_actor(s, actor), -1);

	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);

		if (step->actor != actor)
			continue;
		if (step->op)
			widen(v, &chars, step->op, 0);
		widen(v, &chars, step->label, NUMBER_CHARS);
		for (guint n = 0; n < step->notes->len; n++)
			widen(v, &chars, g_ptr_array_index(step->notes, n), NOTE_CHARS);
	}
	return chars;
}

static void lay_out(struct svg *v)
{
	unsigned nr_shown = 0;
	int x = EDGE;

	for (unsigned a = 0; a < v->s->actors->len; a++) {
		v->lanes[a].shown = story_takes_part(v->s, a);
		nr_shown += v->lanes[a].shown;
	}
	v->text_chars = nr_shown <= 2 ? TEXT_CHARS_TWO : TEXT_CHARS;
	for (unsigned a = 0; a < v->s->actors->len; a++) {
		struct lane *lane = &v->lanes[a];

		if (!lane->shown)
			continue;
		lane->paint = paint_of(story_actor(v->s, a));
		lane->width = chars_px(lane_chars(v, a)) + 2 * PAD;
		lane->centre = x + lane->width / 2;
		x += lane->width + COLUMN_GAP;
	}
	v->width = MAX(x - COLUMN_GAP, EDGE + chars_px(PAGE_CHARS_MIN)) + EDGE;
}

/* ---- Runs of steps --------------------------------------------------------------------------- */

/* The inside of a box. */
struct run {
	GString *ground; /* strips of operations, red grounds */
	GString *text;
};

static void put_arrow(struct svg *v, const struct story_step *step, int y)
{
	const struct lane *from = &v->lanes[step->actor], *to = &v->lanes[step->to];
	int side = to->centre > from->centre ? 1 : -1;
	int start = from->centre + side * (from->width / 2), end = to->centre - side * (BAR / 2);

	if (step->to == (int)step->actor)
		return;
	g_string_append_printf(v->body,
			       "<path d=\"M%d %dH%d\" stroke=\"%s\" stroke-width=\"2\" "
			       "fill=\"none\"/>\n<path d=\"M%d %dl%d -4v8z\" fill=\"%s\"/>\n",
			       start, y, end - side * ARROW, from->paint.line, end, y,
			       -side * ARROW, from->paint.line);
}

static void put_step(struct svg *v, unsigned i, struct run *run)
{
	const struct story_step *step = story_step_at(v->s, i);
	const struct lane *lane = &v->lanes[step->actor];
	const struct paint red = { RED_FILL, RED_FILL },
			   strip = { lane->paint.fill, lane->paint.fill };
	int left = lane->centre - lane->width / 2, x = left + PAD, top;
	char number[16];

	if (step->op) {
		top = v->y;
		v->y += LINE * put_lines(run->text, (int[]){ x, v->y }, v->text_chars, STYLE_BOLD,
					 step->op);
		put_rect(run->ground, (int[]){ left + 1, top - 1, lane->width - 2, v->y - top },
			 &strip, 3);
	}
	top = v->y;
	g_snprintf(number, sizeof(number), "%u", story_number(v->s, i));
	put_line(run->text, x, v->y, step->clash ? STYLE_CLASH : STYLE_NOTE, number);
	if (step->to != STORY_NOBODY)
		put_arrow(v, step, v->y + LINE / 2);
	v->y += LINE * put_lines(run->text, (int[]){ x + chars_px(NUMBER_CHARS), v->y },
				 v->text_chars - NUMBER_CHARS, STYLE_PLAIN, step->label);
	for (guint n = 0; n < step->notes->len; n++)
		v->y += LINE * put_lines(run->text, (int[]){ x + chars_px(NOTE_CHARS), v->y },
					 v->text_chars - NOTE_CHARS, STYLE_NOTE,
					 g_ptr_array_index(step->notes, n));
	if (step->clash)
		put_rect(run->ground, (int[]){ left + 1, top, lane->width - 2, v->y - top - 1 },
			 &red, 3);
}

/* Ends the bar of an actor whose operation went on since its last box. */
static void end_bar(struct svg *v, struct lane *lane, int bottom)
{
	if (lane->busy_from)
		put_rect(v->behind,
			 (int[]){ lane->centre - BAR / 2, lane->busy_from, BAR,
				  bottom - lane->busy_from },
			 &lane->paint, 0);
	lane->busy_from = 0;
}

static void put_run(struct svg *v, unsigned first, unsigned end)
{
	unsigned actor = story_step_at(v->s, first)->actor;
	struct lane *lane = &v->lanes[actor];
	const struct paint paper = { lane->paint.line, "#ffffff" };
	struct run run = { .ground = g_string_new(NULL), .text = g_string_new(NULL) };
	int top = v->y;

	end_bar(v, lane, top);
	v->y += PAD / 2;
	for (unsigned i = first; i < end; i++)
		put_step(v, i, &run);
	v->y += PAD / 2;
	put_rect(v->body, (int[]){ lane->centre - lane->width / 2, top, lane->width, v->y - top },
		 &paper, 4);
	g_string_append_len(v->body, run.ground->str, (gssize)run.ground->len);
	g_string_append_len(v->body, run.text->str, (gssize)run.text->len);
	g_string_free(run.ground, TRUE);
	g_string_free(run.text, TRUE);
	if (end < v->s->steps->len && story_is_busy(v->s, actor, end))
		lane->busy_from = v->y;
	v->y += RUN_GAP;
}

/* ---- The page -------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a name and its value */
static void put_fact(struct svg *v, const char *name, const char *value)
{
	const int name_px = chars_px(10);
	int chars = (v->width - 2 * EDGE - name_px) * 4 / 29;

	if (!*value)
		return;
	put_line(v->body, EDGE, v->y, STYLE_NOTE, name);
	v->y += LINE *
		put_lines(v->body, (int[]){ EDGE + name_px, v->y }, chars, STYLE_PLAIN, value);
}

static void put_title(struct svg *v)
{
	g_autoptr(GString) claim = g_string_new(NULL);

	g_string_append_printf(claim, "%s: ", v->s->scenario);
	story_print_claim(v->s, claim);
	v->y = EDGE;
	v->y += 22 * put_lines(v->body, (int[]){ EDGE, v->y }, (v->width - 2 * EDGE) / 10,
			       STYLE_TITLE, claim->str);
	put_fact(v, "policy", v->s->policy);
	put_fact(v, "geometry", v->s->geometry);
	put_fact(v, "injected", v->s->inject);
	v->y += LINE;
}

static void put_heads(struct svg *v)
{
	for (unsigned a = 0; a < v->s->actors->len; a++) {
		const struct lane *lane = &v->lanes[a];

		if (!lane->shown)
			continue;
		put_rect(v->body,
			 (int[]){ lane->centre - lane->width / 2, v->y, lane->width, HEAD_HEIGHT },
			 &lane->paint, 6);
		put_line(v->body, lane->centre, v->y + 6, STYLE_HEAD, story_actor(v->s, a));
	}
	v->y += HEAD_HEIGHT + RUN_GAP;
}

static void put_lifelines(struct svg *v, int top, GString *out)
{
	for (unsigned a = 0; a < v->s->actors->len; a++)
		if (v->lanes[a].shown)
			g_string_append_printf(out,
					       "<path d=\"M%d %dV%d\" stroke=\"#9aa3ad\" "
					       "stroke-dasharray=\"4 4\" fill=\"none\"/>\n",
					       v->lanes[a].centre, top, v->y);
}

static void put_verdict(struct svg *v)
{
	const struct paint red = { RED, RED_FILL };
	g_autoptr(GString) claim = g_string_new(NULL);
	g_autoptr(GString) states = g_string_new(NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	int top = v->y, x = EDGE + 2 * PAD, chars = (v->width - 2 * x) * 4 / 29;

	story_print_claim(v->s, claim);
	story_print_states(v->s, states);
	v->y += PAD;
	v->y += LINE * put_lines(text, (int[]){ x, v->y }, chars, STYLE_CLASH, claim->str);
	if (*v->s->verdict.reason)
		v->y += LINE * put_lines(text, (int[]){ x, v->y }, chars, STYLE_PLAIN,
					 v->s->verdict.reason);
	if (states->len)
		v->y += LINE * put_lines(text, (int[]){ x, v->y }, chars, STYLE_NOTE, states->str);
	v->y += PAD;
	put_rect(v->body, (int[]){ EDGE, top, v->width - 2 * EDGE, v->y - top }, &red, 6);
	g_string_append_len(v->body, text->str, (gssize)text->len);
	v->y += EDGE;
}

static void put_page(const struct svg *v, const GString *lifelines, GString *out)
{
	g_autofree char *title = g_markup_escape_text(v->s->scenario, -1);

	g_string_append_printf(
		out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\" font-size=\"%d\" fill=\"" INK "\"\n"
		" font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\">\n"
		"<title>%s</title>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fbfbfa\"/>\n",
		v->width, v->y, v->width, v->y, FONT, title, v->width, v->y);
	g_string_append_len(out, lifelines->str, (gssize)lifelines->len);
	g_string_append_len(out, v->behind->str, (gssize)v->behind->len);
	g_string_append_len(out, v->body->str, (gssize)v->body->len);
	g_string_append(out, "</svg>\n");
}

void story_print_svg(const struct story *s, GString *out)
{
	g_autoptr(GString) lifelines = g_string_new(NULL);
	struct svg v = { .s = s };
	int top, head;

	v.lanes = g_new0(struct lane, s->actors->len);
	v.behind = g_string_new(NULL);
	v.body = g_string_new(NULL);
	lay_out(&v);
	put_title(&v);
	put_heads(&v);
	top = v.y - RUN_GAP;
	head = v.y;
	for (unsigned i = 0; i < s->steps->len;) {
		unsigned end = story_run_end(s, i);

		if (v.y - head > HEAD_EVERY) {
			put_heads(&v);
			head = v.y;
		}
		put_run(&v, i, end);
		i = end;
	}
	for (unsigned a = 0; a < s->actors->len; a++)
		end_bar(&v, &v.lanes[a], v.y);
	put_lifelines(&v, top, lifelines);
	put_verdict(&v);
	put_page(&v, lifelines, out);
	g_string_free(v.behind, TRUE);
	g_string_free(v.body, TRUE);
	g_free(v.lanes);
}
