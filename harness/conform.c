/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing a recorded scenario with a replayed one, step by step.
 */
#include "harness/conform.h"

#include <string.h>

enum { PAGE_BYTES = 4096 };

/* Lines of context before and after a difference. */
enum { CONTEXT_BEFORE = 3, CONTEXT_AFTER = 2 };

/* One of the two scenarios, up to and including the current step. */
struct side {
	const struct record_step *step; /* NULL: the scenario has no such step */
	const char *sum;                /* last printed; NULL: none yet */
	const char *pages;
	GPtrArray *tab; /* of const char *, borrowed */
	bool all_counters;
};

struct sides {
	struct side recorded, replayed;
};

/* How far a step is compared. */
struct limits {
	unsigned step;     /* its number */
	unsigned compared; /* highest level that is compared */
	unsigned reported; /* highest level whose first difference is kept */
};

/* One thing that is compared: its lines, drawn from a side. */
struct check {
	unsigned level;
	const char *name;
	void (*view)(const struct side *side, GPtrArray *out);
};

static void add_class(const struct side *side, enum lang_obs_class cls, GPtrArray *out)
{
	for (guint i = 0; i < side->step->obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(side->step->obs, i);

		if (l->u.obs.cls == cls)
			g_ptr_array_add(out, g_strdup(l->u.obs.text));
	}
}

static void view_ret(const struct side *side, GPtrArray *out)
{
	add_class(side, LANG_OBS_RET, out);
}

static void view_exit(const struct side *side, GPtrArray *out)
{
	add_class(side, LANG_OBS_EXIT, out);
}

static void view_dirty(const struct side *side, GPtrArray *out)
{
	add_class(side, LANG_OBS_DIRTY, out);
}

static void view_trace(const struct side *side, GPtrArray *out)
{
	add_class(side, LANG_OBS_TRACE, out);
}

/* Before the first `sum` and `pages` nothing is mapped. */
static void view_sum(const struct side *side, GPtrArray *out)
{
	const char *text = side->sum ? side->sum : "sum 4k=0 2m=0 1g=0 mmio=0";
	const char *tables = strstr(text, " tables=");

	g_ptr_array_add(out, tables ? g_strndup(text, (size_t)(tables - text)) : g_strdup(text));
}

static void view_tables(const struct side *side, GPtrArray *out)
{
	const char *tables = side->sum ? strstr(side->sum, "tables=") : NULL;

	if (tables)
		g_ptr_array_add(out, g_strdup_printf("sum %s", tables));
}

static void view_pages(const struct side *side, GPtrArray *out)
{
	g_ptr_array_add(out, g_strdup(side->pages ? side->pages : "pages 4k=0 2m=0 1g=0"));
}

/* How often a vCPU's flushes are done depends on where the host runs its threads, and when. */
static bool is_timed_counter(bool of_vm, const char *word)
{
	return g_str_has_prefix(word, of_vm ? "remote_tlb_flush=" : "tlb_flush=");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One line per counter: their order within a record means nothing. */
static void view_stat(const struct side *side, GPtrArray *out)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

	add_class(side, LANG_OBS_STAT, lines);
	for (guint i = 0; i < lines->len; i++) {
		g_auto(GStrv) words = g_strsplit(g_ptr_array_index(lines, i), " ", 0);
		bool of_vm = strcmp(words[1], "vm") == 0;

		for (char **w = words + 2; *w; w++)
			if (side->all_counters || !is_timed_counter(of_vm, *w))
				g_ptr_array_add(out, g_strdup_printf("stat %s %s", words[1], *w));
	}
	g_ptr_array_sort(out, by_text);
}

static void view_tab(const struct side *side, GPtrArray *out)
{
	for (guint i = 0; i < side->tab->len; i++)
		g_ptr_array_add(out, g_strdup(g_ptr_array_index(side->tab, i)));
}

/* A run of leaves without its further attributes. */
struct run {
	uint64_t gfn, n;
	char *size, *to, *perm; /* to, perm NULL for mmio */
};

static void run_clear(struct run *r)
{
	g_free(r->size);
	g_free(r->to);
	g_free(r->perm);
	memset(r, 0, sizeof(*r));
}

static struct run run_parse(const char *text)
{
	g_autofree char *gfn = lang_obs_value(text, "gfn");
	g_autofree char *n = lang_obs_value(text, "n");
	struct run r = { 0 };

	g_assert(gfn && n && lang_parse_u64(gfn, &r.gfn) && lang_parse_u64(n, &r.n));
	r.size = lang_obs_value(text, "size");
	r.to = lang_obs_value(text, "to");
	r.perm = lang_obs_value(text, "perm");
	return r;
}

static void run_print(const struct run *r, GPtrArray *out)
{
	GString *s = g_string_new(NULL);

	g_string_append_printf(
		s, "tab gfn=0x%" G_GINT64_MODIFIER "x n=0x%" G_GINT64_MODIFIER "x size=%s", r->gfn,
		r->n, r->size);
	if (r->to)
		g_string_append_printf(s, " to=%s perm=%s", r->to, r->perm);
	else
		g_string_append(s, " mmio");
	g_ptr_array_add(out, g_string_free(s, FALSE));
}

/* Does b's host memory start where a's ends. */
static bool target_continues(const struct run *a, const struct run *b)
{
	struct lang_loc la, lb;

	if (!a->to || !b->to)
		return !a->to && !b->to;
	if (!lang_parse_loc(a->to, &la) || !lang_parse_loc(b->to, &lb))
		return strcmp(a->to, b->to) == 0; /* stale */
	if (la.is_hva != lb.is_hva || strcmp(la.map, lb.map) != 0)
		return false;
	return la.off + la.hva + a->n * PAGE_BYTES == lb.off + lb.hva;
}

static bool run_continues(const struct run *a, const struct run *b)
{
	return a->gfn + a->n == b->gfn && strcmp(a->size, b->size) == 0 &&
	       g_strcmp0(a->perm, b->perm) == 0 && target_continues(a, b);
}

/* Runs that differed in an attribute that is left out here become one. */
static void view_runs(const struct side *side, GPtrArray *out)
{
	struct run last = { 0 };

	for (guint i = 0; i < side->tab->len; i++) {
		struct run r = run_parse(g_ptr_array_index(side->tab, i));

		if (last.size && run_continues(&last, &r)) {
			last.n += r.n;
			run_clear(&r);
			continue;
		}
		if (last.size)
			run_print(&last, out);
		run_clear(&last);
		last = r;
	}
	if (last.size)
		run_print(&last, out);
	run_clear(&last);
}

static const struct check checks[] = {
	{ 1, "ret", view_ret },  { 1, "exit", view_exit },     { 1, "dirty", view_dirty },
	{ 2, "sum", view_sum },  { 2, "pages", view_pages },   { 2, "stat", view_stat },
	{ 3, "tab", view_runs }, { 3, "tables", view_tables }, { 4, "trace", view_trace },
	{ 4, "tab", view_tab },
};

static void side_init(struct side *side, bool all_counters)
{
	memset(side, 0, sizeof(*side));
	side->all_counters = all_counters;
	side->tab = g_ptr_array_new();
}

/* C2: take over what the step printed. `sum` and `tab` are printed together. */
static void side_step(struct side *side, const struct record_step *step)
{
	bool has_tab = false;

	side->step = step;
	for (guint i = 0; i < step->obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(step->obs, i);
		bool is_tab = l->u.obs.cls == LANG_OBS_TAB;

		if (l->u.obs.cls == LANG_OBS_PAGES)
			side->pages = l->u.obs.text;
		if (l->u.obs.cls == LANG_OBS_SUM)
			side->sum = l->u.obs.text;
		if ((l->u.obs.cls == LANG_OBS_SUM || is_tab) && !has_tab) {
			g_ptr_array_set_size(side->tab, 0);
			has_tab = true;
		}
		if (is_tab)
			g_ptr_array_add(side->tab, l->u.obs.text);
	}
}

/* Index of the first line in which two lists differ; the length of both if they do not. */
static guint first_mismatch(const GPtrArray *a, const GPtrArray *b)
{
	guint i = 0;

	while (i < a->len && i < b->len &&
	       strcmp(g_ptr_array_index(a, i), g_ptr_array_index(b, i)) == 0)
		i++;
	return i;
}

static const char *line_at(const GPtrArray *lines, guint i)
{
	return i < lines->len ? g_ptr_array_index(lines, i) : NULL;
}

/* Append lines start..end-1, as far as there are any. */
static void add_context(GPtrArray *context, char mark, const GPtrArray *lines,
			struct lang_range range)
{
	for (guint i = (guint)range.start; i < range.end && i < lines->len; i++)
		g_ptr_array_add(context, g_strdup_printf("%c %s", mark, line_at(lines, i)));
}

/* The line number in the record of an observation with this text, else of the input. */
static unsigned find_line(const struct record_step *step, const char *text)
{
	for (guint i = 0; text && i < step->obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(step->obs, i);

		if (strcmp(l->u.obs.text, text) == 0)
			return l->line;
	}
	return step->input.line;
}

static struct conform_diff *diff_new(unsigned level, const char *cls, const struct lang_line *input)
{
	struct conform_diff *d = g_new0(struct conform_diff, 1);

	d->level = level;
	d->cls = cls;
	d->line = input->line;
	d->input = g_strdup(input->text);
	d->context = g_ptr_array_new_with_free_func(g_free);
	return d;
}

static struct conform_diff *diff_of_lists(const struct check *c, const struct record_step *recorded,
					  const GPtrArray *const lists[2], guint at)
{
	const GPtrArray *a = lists[0], *b = lists[1];
	struct conform_diff *d = diff_new(c->level, c->name, &recorded->input);
	const struct lang_range before = { at > CONTEXT_BEFORE ? at - CONTEXT_BEFORE : 0, at };
	const struct lang_range after = { at, (uint64_t)at + 1 + CONTEXT_AFTER };

	d->expected = g_strdup(line_at(a, at));
	d->found = g_strdup(line_at(b, at));
	d->line = find_line(recorded, d->expected);
	add_context(d->context, ' ', a, before);
	add_context(d->context, '-', a, after);
	add_context(d->context, '+', b, after);
	return d;
}

static GPtrArray *view(const struct check *c, const struct side *side)
{
	GPtrArray *out = g_ptr_array_new_with_free_func(g_free);

	c->view(side, out);
	return out;
}

/* The first difference of a step up to a level; NULL if it agrees there. */
static struct conform_diff *step_compare(const struct sides *s, unsigned max_level)
{
	for (size_t i = 0; i < G_N_ELEMENTS(checks) && checks[i].level <= max_level; i++) {
		g_autoptr(GPtrArray) a = view(&checks[i], &s->recorded);
		g_autoptr(GPtrArray) b = view(&checks[i], &s->replayed);
		const GPtrArray *const lists[2] = { a, b };
		guint at = first_mismatch(a, b);

		if (at < a->len || at < b->len)
			return diff_of_lists(&checks[i], s->recorded.step, lists, at);
	}
	return NULL;
}

static void diff_free(struct conform_diff *d)
{
	if (!d)
		return;
	g_ptr_array_unref(d->context);
	g_free(d->input);
	g_free(d->expected);
	g_free(d->found);
	g_free(d);
}

void conform_scenario_free(struct conform_scenario *s)
{
	if (!s)
		return;
	diff_free(s->first);
	g_free(s->name);
	g_free(s->trouble);
	g_free(s->known);
	g_free(s);
}

/* C4. */
static void compare_skips(struct conform_scenario *s, const struct record_scenario *recorded,
			  const struct record_scenario *replayed)
{
	s->steps = MAX(recorded->steps->len, 1);
	if (recorded->skip == replayed->skip) {
		s->refused = true;
		for (unsigned i = 0; i < CONFORM_LEVELS; i++)
			s->agree[i] = s->steps;
		return;
	}
	s->first = diff_new(1, "skip", &recorded->header);
	s->first->expected = g_strdup(recorded->skip ? "skip" : NULL);
	s->first->found = g_strdup(replayed->skip ? "skip" : NULL);
}

/* Inputs that only the replay has. */
static struct conform_diff *surplus(const struct record_scenario *recorded,
				    const struct record_scenario *replayed)
{
	const struct record_step *extra;
	struct conform_diff *d;

	if (replayed->steps->len <= recorded->steps->len)
		return NULL;
	extra = g_ptr_array_index(replayed->steps, recorded->steps->len);
	d = diff_new(1, "input", &recorded->header);
	d->step = recorded->steps->len;
	d->found = g_strdup(extra->input.text);
	return d;
}

/* The step as a difference of its input: the replay lacks it, or has another one there. */
static struct conform_diff *input_compare(const struct record_step *a, const struct record_step *b)
{
	struct conform_diff *d;

	if (b && lang_line_equal(&a->input, &b->input))
		return NULL;
	d = diff_new(1, "input", &a->input);
	d->expected = g_strdup(a->input.text);
	d->found = g_strdup(b ? b->input.text : NULL);
	return d;
}

/* Compare step i of both and take its result over. */
static void compare_step(struct conform_scenario *result, struct sides *sides,
			 const struct record_step *recorded, const struct record_step *replayed,
			 const struct limits *limits)
{
	struct conform_diff *d = input_compare(recorded, replayed);

	side_step(&sides->recorded, recorded);
	if (!d) {
		side_step(&sides->replayed, replayed);
		d = step_compare(sides, limits->compared);
	}
	for (unsigned l = 1; l <= CONFORM_LEVELS; l++)
		result->agree[l - 1] += !d || l < d->level;
	if (d && !result->first && d->level <= limits->reported) {
		d->step = limits->step;
		result->first = g_steal_pointer(&d);
	}
	diff_free(d);
}

struct conform_scenario *conform_scenario_compare(const struct record_scenario *recorded,
						  const struct record_scenario *replayed,
						  const struct conform_how *how)
{
	struct conform_scenario *s = g_new0(struct conform_scenario, 1);
	struct limits limits = { .compared = CONFORM_LEVELS, .reported = how->level };
	struct sides sides;

	g_assert(how->level >= 1 && how->level <= CONFORM_LEVELS);
	s->name = g_strdup(recorded->header.u.scenario.name);
	if (recorded->skip || replayed->skip) {
		compare_skips(s, recorded, replayed);
		return s;
	}
	s->racy = recorded->header.u.scenario.racy;
	if (s->racy)
		limits.compared = 1;
	side_init(&sides.recorded, how->all_counters);
	side_init(&sides.replayed, how->all_counters);
	s->steps = MAX(recorded->steps->len, replayed->steps->len);
	for (guint i = 0; i < recorded->steps->len; i++) {
		limits.step = i;
		compare_step(s, &sides, g_ptr_array_index(recorded->steps, i),
			     i < replayed->steps->len ? g_ptr_array_index(replayed->steps, i)
						      : NULL,
			     &limits);
	}
	if (!s->first)
		s->first = surplus(recorded, replayed);
	g_ptr_array_unref(sides.recorded.tab);
	g_ptr_array_unref(sides.replayed.tab);
	return s;
}

static void scenario_free(void *s)
{
	conform_scenario_free(s);
}

struct conform_log *conform_log_new(const char *file, const char *policy)
{
	struct conform_log *log = g_new0(struct conform_log, 1);

	log->file = g_strdup(file);
	log->policy = g_strdup(policy);
	log->scenarios = g_ptr_array_new_with_free_func(scenario_free);
	return log;
}

void conform_log_free(struct conform_log *log)
{
	if (!log)
		return;
	g_ptr_array_unref(log->scenarios);
	g_free(log->file);
	g_free(log->policy);
	g_free(log);
}
