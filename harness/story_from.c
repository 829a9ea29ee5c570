/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/story_from.h"

#include <string.h>

#include "harness/finding.h"
#include "harness/story_diff.h"
#include "harness/story_priv.h"
#include "model/observe.h"

/* What a step of the story was about. */
struct touched {
	unsigned step; /* index */
	struct gfn_range range;
};

struct build {
	const struct explore_cfg *cfg;
	const struct explore_finding *f;
	struct story *story;
	struct recorder *rec;
	unsigned rcu;    /* actor, behind those of the VM */
	bool quiet;      /* the last step did nothing that others see */
	char *first;     /* its first label */
	GString *text;   /* observations of a move */
	GArray *about;   /* struct gfn_range, of a move */
	GArray *touched; /* struct touched */
};

/* ---- events: the recorder spells them -------------------------------------------------------- */

static void on_event(void *arg, const struct event *e)
{
	recorder_event(((struct build *)arg)->rec, e);
}

static void on_table_new(void *arg, gfn_t base, unsigned int height)
{
	on_event(arg,
		 &(struct event){ .kind = EV_GET_PAGE, .gfn = base, .height = (uint8_t)height });
}

static void on_table_gone(void *arg, gfn_t base, unsigned int height)
{
	on_event(arg,
		 &(struct event){ .kind = EV_PREPARE_ZAP, .gfn = base, .height = (uint8_t)height });
}

/* Changed entries are seen in the states, those of machines without a tracepoint too. */
static void on_changed(void *arg, gfn_t gfn, unsigned int height, pte_t old, pte_t now)
{
	(void)arg;
	(void)gfn;
	(void)height;
	(void)old;
	(void)now;
}

static const struct pt_observer observer = { on_changed, on_table_new, on_table_gone };

static void geometry_text(const struct pt_geom *g, GString *out)
{
	char page[16], block[16];

	height_name(g, 0, page, sizeof(page));
	height_name(g, 1, block, sizeof(block));
	g_string_append_printf(out, "%s: pages of %s, blocks of %s, %u levels", g->name, page,
			       block, g->heights);
}

static void on_start(void *arg, struct vm *vm)
{
	g_autoptr(GString) geometry = g_string_new(NULL);
	struct build *b = arg;
	char name[FINDING_NAME_MAX];

	geometry_text(&vm->cfg->geom, geometry);
	b->story = story_new(&(struct story_about){ .scenario = b->cfg->scenario->name,
						    .policy = b->cfg->policy,
						    .geometry = geometry->str,
						    .inject = b->cfg->scenario->inject });

	b->rec = recorder_new(vm, true);
	if (recorder_pt_observer(vm)) {
		vm->pt.obs = &observer;
		vm->pt.obs_arg = b;
	}
	recorder_print(b->rec, NULL, false, b->text); /* the table as it is */
	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		moves_actor_name(vm, a, name);
		(void)story_add_actor(b->story, name);
	}
	b->rcu = story_add_actor(b->story, "rcu");
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void waits_text(const struct vm *vm, uint32_t actor, GString *out)
{
	static const char *const locks[] = { "", "slots_lock", "slots_arch_lock", "mmu_lock",
					     "the lock of guest_memfd" };
	const struct wait *w = &vm->actors[actor].wait;

	switch ((enum wait_kind)w->kind) {
	case W_LOCK_R:
		g_string_append_printf(out, "wants %s (read)", locks[w->obj]);
		break;
	case W_LOCK_W:
		g_string_append_printf(out, "wants %s%s", locks[w->obj],
				       w->obj == OBJ_MMU_LOCK ? " (write)" : "");
		break;
	case W_ZERO:
		g_string_append(out, "wants mn_active_invalidate_count to be 0");
		break;
	case W_EPOCH:
		g_string_append(out, "wants readers of the old memslots to leave (SRCU)");
		break;
	case W_ACKS:
		g_string_append(out, "wants answers to its requests");
		break;
	case W_PAGE:
		g_string_append(out, "wants user space to fill in the host page (userfaultfd)");
		break;
	case W_BIT:
		g_string_append(out, "wants the page's userfault bit to be 0");
		break;
	case W_GUEST:
		g_string_append(out, "is inside the guest");
		break;
	case W_RUN:
		g_string_append(out, "goes on");
		break;
	}
	if (!actor_enabled(vm, actor))
		g_string_append(out, ": has to wait");
}

static void label_text(const struct finding_move *m, GString *out)
{
	const struct ctx *c = m->c;

	if (m->mv.kind == MOVE_ACK)
		g_string_append(out, "interrupt");
	else if (m->mv.kind == MOVE_RCU)
		g_string_append_printf(out, "grace period %s",
				       m->before->st->grace ? "ends: table pages are freed"
							    : "begins");
	else if (m->mv.kind == MOVE_STORE)
		g_string_append(out, "store buffer");
	else if (m->ends && c->ret < 0)
		g_string_append_printf(out, "returns -%s", lang_errno_name(c->ret));
	else if (m->ends)
		g_string_append(out, m->mv.who < m->after->cfg->nr_vcpus ? "done" : "returns");
	else if (c->label)
		g_string_append(out, c->label);
	else
		waits_text(m->after, m->mv.who, out);
	if (c->pick_of > 1)
		g_string_append_printf(out, " (choice %u of %u)", m->mv.k + 1U, c->pick_of);
}

/* The actor whose column a move stands in. */
static unsigned actor_of(const struct build *b, struct move mv)
{
	return mv.kind == MOVE_RCU ? b->rcu : mv.who;
}

/* A stored entry is seen in the states; counters and the table as a whole are no part of a story. */
static bool is_kept(const char *line)
{
	return (g_str_has_prefix(line, "trace ") && !g_str_has_prefix(line, "trace set_spte ")) ||
	       g_str_has_prefix(line, "exit ") || g_str_has_prefix(line, "dirty ");
}

/* The observations of a move: what a record has, without the state, which has its own notes. */
static void take_observations(struct build *b, GPtrArray *notes)
{
	g_auto(GStrv) lines = NULL;

	g_string_truncate(b->text, 0);
	recorder_print(b->rec, NULL, false, b->text);
	lines = g_strsplit(b->text->str, "\n", -1);
	for (char **l = lines; *l; l++)
		if (is_kept(*l))
			g_ptr_array_add(notes,
					g_strdup(g_str_has_prefix(*l, "trace ") ? *l + 6 : *l));
}

static char *op_text(const struct finding_move *m)
{
	GString *text;

	if (!m->begins)
		return NULL;
	text = g_string_new(NULL);
	lang_print_line(m->line, text);
	return g_string_free(text, FALSE);
}

/* The last step goes on with this move: nobody else moved, and it had not been seen. */
static struct story_step *fold(struct build *b, unsigned actor, const struct finding_move *m,
			       const char *label)
{
	GPtrArray *steps = b->story->steps;
	struct story_step *last = steps->len ? g_ptr_array_index(steps, steps->len - 1) : NULL;
	g_autofree char *both = NULL;

	if (!last || !b->quiet || last->actor != actor || last->ends || m->begins)
		return NULL;
	both = g_strdup_printf("%s .. %s", b->first, label);
	story_step_relabel(last, strcmp(b->first, label) == 0 ? label : both);
	last->moves++;
	return last;
}

static struct story_step *step_for(struct build *b, const struct finding_move *m)
{
	g_autoptr(GString) label = g_string_new(NULL);
	g_autofree char *op = op_text(m);
	unsigned actor = actor_of(b, m->mv);
	struct story_step *step;

	label_text(m, label);
	step = fold(b, actor, m, label->str);
	if (step)
		return step;
	g_free(b->first);
	b->first = g_strdup(label->str);
	return story_add_step(b->story, actor, op, label->str);
}

static void note_touched(struct build *b)
{
	for (guint i = 0; i < b->about->len; i++) {
		struct touched t = { b->story->steps->len - 1,
				     g_array_index(b->about, struct gfn_range, i) };

		g_array_append_val(b->touched, t);
	}
	g_array_set_size(b->about, 0);
}

/* The last step before @last that was about the gfn. */
static void mark_cause(struct build *b, gfn_t gfn, unsigned last)
{
	for (guint i = b->touched->len; i-- > 0;) {
		const struct touched *t = &g_array_index(b->touched, struct touched, i);
		struct story_step *step = g_ptr_array_index(b->story->steps, t->step);

		if (t->step == last || gfn < t->range.start || gfn >= t->range.end)
			continue;
		step->clash = true;
		return;
	}
}

/* Witnesses are clauses; a verdict is a sentence. */
static void set_verdict(struct build *b, const struct witness *wit)
{
	const uint64_t *gfn = wit && wit->has_gfn ? &wit->gfn : NULL;
	g_autofree char *text = g_strdup_printf("%s.", wit ? wit->why : b->f->why);

	*text = g_ascii_toupper(*text);
	story_set_verdict(b->story, inv_name(b->f->inv), text, gfn, b->f->states);
}

static void on_move(void *arg, const struct finding_move *m)
{
	struct build *b = arg;
	g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
	struct story_diff diff = { .notes = notes, .about = b->about };
	struct story_step *step;

	take_observations(b, notes);
	diff.matters = notes->len > 0;
	story_diff(m, &diff);
	step = step_for(b, m);
	for (guint i = 0; i < notes->len; i++)
		story_step_note(step, "%s", (const char *)g_ptr_array_index(notes, i));
	b->quiet = !diff.matters && diff.to == STORY_NOBODY;
	step->to = diff.to;
	step->ends = m->mv.kind > MOVE_STEP ? actor_idle(m->after, m->mv.who) : m->ends;
	note_touched(b);
	if (m->number < b->f->path->len)
		return;
	step->clash = true;
	if (m->wit && m->wit->has_gfn)
		mark_cause(b, m->wit->gfn, b->story->steps->len - 1);
	set_verdict(b, m->wit);
}

struct story *story_from_finding(const struct explore_cfg *cfg, const struct explore_finding *f)
{
	static const struct finding_visitor visitor = { on_start, on_event, on_move };
	struct build b = { .cfg = cfg, .f = f };

	b.text = g_string_new(NULL);
	b.about = g_array_new(FALSE, FALSE, sizeof(struct gfn_range));
	b.touched = g_array_new(FALSE, FALSE, sizeof(struct touched));
	finding_walk(cfg, f, &visitor, &b);
	if (!f->path->len)
		set_verdict(&b, NULL);
	recorder_free(b.rec);
	g_string_free(b.text, TRUE);
	g_array_unref(b.about);
	g_array_unref(b.touched);
	g_free(b.first);
	return b.story;
}
