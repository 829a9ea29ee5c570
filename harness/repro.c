/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/repro.h"

#include <string.h>

#include "harness/finding.h"
#include "harness/repro_priv.h"

G_DEFINE_QUARK(s2_repro_error, repro_error)

#define HEX   "0x%" G_GINT64_MODIFIER "x"
#define NEVER UINT32_MAX

enum {
	PAGE_4K = 1 << 12,
	BLOCK_4K = 1 << 21, /* that a table of 4 KiB pages can map at once */
	SMALL_BITS = 8,     /* geometries with fewer index bits are small ones of the model */
	COLUMNS = 96,       /* of a comment's text */
};

/* A line that the counterexample began, by one actor. */
struct run {
	const struct lang_line *line;
	uint32_t actor;
	uint32_t began, ended; /* moves; NEVER: it was under way at the end */
	uint32_t done;         /* all its accesses had completed or become exits; NEVER: no */
	uint64_t accesses;     /* that have, so far */
};

struct repro {
	const struct explore_cfg *cfg;
	const struct explore_finding *f;
	struct repro_names names;
	uint32_t nr_actors;
	GPtrArray *who; /* of char *: the actors' names */
	GArray *runs;   /* struct run, by .began */
	uint32_t *open; /* an element an actor: the run that goes on, plus 1 */
	GString *out;
};

/* ---- what user space sees of a broken invariant --------------------------------------------- */

static const char shows_log[] = "a page that was written and that the dirty log does not name";
static const char shows_stale[] = "a vCPU that reads what the host has not there";
static const char shows_hang[] = "a round that does not end";
static const char shows_nothing[] = "nothing in user space; a kernel with CONFIG_KVM_PROVE_MMU and "
				    "KASAN may warn in its log";

static const char *shows(enum inv inv)
{
	switch ((int)inv) {
	case INV_DIRTY:
	case INV_I9:
	case INV_I10:
		return shows_log;
	case INV_SLOT:
	case INV_I2:
	case INV_I3:
	case INV_I4:
	case INV_I6:
	case INV_I8:
	case INV_I15:
	case INV_I16:
	case INV_PT1:
		return shows_stale;
	case INV_PROG:
		return shows_hang;
	default:
		return shows_nothing;
	}
}

/* ---- what the counterexample did ------------------------------------------------------------- */

static void names_init(struct repro_names *names, const struct vm *vm)
{
	const struct pt_geom *g = &vm->cfg->geom;
	bool small = g->index_bits < SMALL_BITS;

	names->maps = g_ptr_array_new();
	names->page = geom_page_size(g);
	names->block = geom_pages(g, 1) << g->page_shift;
	names->real_page = small ? PAGE_4K : names->page;
	names->real_block = small ? BLOCK_4K : names->block;
}

static void on_start(void *arg, struct vm *vm)
{
	struct repro *r = arg;
	char name[FINDING_NAME_MAX];

	names_init(&r->names, vm);
	r->nr_actors = vm->nr_actors;
	r->open = g_new0(uint32_t, vm->nr_actors);
	for (uint32_t a = 0; a < vm->nr_actors; a++) {
		moves_actor_name(vm, a, name);
		g_ptr_array_add(r->who, g_strdup(name));
	}
}

static bool is_access(const struct lang_line *l)
{
	return l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC;
}

static void count_accesses(struct run *run, const struct finding_move *m)
{
	for (unsigned int i = 0; i < m->c->nr_notes; i++)
		run->accesses +=
			m->c->notes[i].kind == NOTE_RETIRE || m->c->notes[i].kind == NOTE_EXIT;
	if (run->done == NEVER && run->accesses >= run->line->u.guest.n)
		run->done = m->number;
}

static void on_move(void *arg, const struct finding_move *m)
{
	struct repro *r = arg;
	uint32_t *open = &r->open[m->mv.who];
	struct run *run;

	if (m->mv.kind > MOVE_STEP)
		return; /* of a vCPU's hardware, or of nobody */
	if (m->begins && repro_has_code(m->line)) {
		struct run new_run = { .line = m->line,
				       .actor = m->mv.who,
				       .began = m->number,
				       .ended = NEVER,
				       .done = NEVER };

		g_array_append_val(r->runs, new_run);
		*open = r->runs->len;
	}
	if (!*open)
		return;
	run = &g_array_index(r->runs, struct run, *open - 1);
	if (is_access(run->line))
		count_accesses(run, m);
	if (!m->ends)
		return;
	run->ended = m->number;
	*open = 0;
}

static const struct run *run_at(const struct repro *r, guint i)
{
	return &g_array_index(r->runs, struct run, i);
}

static bool overlaps(const struct run *a, const struct run *b)
{
	return a != b && a->began < b->ended && b->began < a->ended;
}

/* ---- the program: head ----------------------------------------------------------------------- */

/* A paragraph of a comment. */
static void put_paragraph(const struct repro *r, const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	gsize column = 0;

	for (char **w = words; *w; w++) {
		gsize len = strlen(*w);

		if (column && column + 1 + len > COLUMNS)
			column = 0;
		g_string_append(r->out, column ? " " : w == words ? " * " : "\n * ");
		repro_print_comment(*w, r->out);
		column += len + (column > 0);
	}
	g_string_append_c(r->out, '\n');
}

static void put_head(const struct repro *r)
{
	const struct explore_cfg *cfg = r->cfg;
	g_autofree char *claim = g_strdup_printf("%s: %s does not hold: %s.", cfg->scenario->name,
						 inv_name(r->f->inv), r->f->why);
	g_autofree char *policy = g_strdup_printf("Policy %s.", cfg->policy);
	g_autofree char *inject = g_strdup_printf(
		"The model had injection %s: a rule taken out of the kernel. A correct kernel "
		"does not fail here.",
		cfg->scenario->inject);

	g_string_append(r->out, "/* SPDX-License-Identifier: Apache-2.0 */\n/*\n");
	put_paragraph(r, claim);
	g_string_append(r->out, " *\n");
	put_paragraph(r, "A counterexample that s2sim, a model of KVM, has found, as a program for "
			 "a real one.");
	put_paragraph(r, policy);
	if (*cfg->scenario->inject)
		put_paragraph(r, inject);
	g_string_append(r->out, " *\n *     cc -std=gnu11 -O2 -pthread -o repro THIS.c && ./repro "
				"[ROUNDS [SEED]]\n *\n");
	put_paragraph(r, "Exit code 0: nothing seen; 1: violated; 2: something else went wrong; 4: "
			 "this machine cannot run it (no /dev/kvm, a capability that is missing).");
	put_paragraph(r,
		      "A line that had ended in the counterexample before another one began does "
		      "so here. Lines that overlapped start after random delays; in every other "
		      "round vCPUs go on accessing for as long as the others need.");
	g_string_append(r->out, " */\n\n");
}

static void put_constants(const struct repro *r)
{
	const struct lang_scenario *s = r->cfg->scenario;

	g_string_append_printf(r->out, "#define INVARIANT   \"%s\"\n#define SHOWS       \"%s\"\n",
			       inv_name(r->f->inv), shows(r->f->inv));
	g_string_append_printf(r->out,
			       "#define NR_VCPUS    %u\n#define NR_WORKERS  %u\n"
			       "#define NR_LINES    %u\n",
			       s->vcpus, r->nr_actors, r->runs->len);
	g_string_append_printf(r->out,
			       "#define MANUAL      %u\n#define RING_BYTES  %u\n"
			       "#define SPLIT_CHUNK " HEX "ULL\n#define ZAP_ALL     %d\n",
			       s->manual, s->ring, s->chunk, s->zapall);
	g_string_append_printf(
		r->out,
		"/* pages and the blocks above them: of the model, of the machine */\n"
		"#define MODEL_PAGE  " HEX "ULL\n#define MODEL_BLOCK " HEX "ULL\n",
		r->names.page, r->names.block);
	g_string_append_printf(r->out,
			       "#define REAL_PAGE   " HEX "ULL\n#define REAL_BLOCK  " HEX "ULL\n\n",
			       r->names.real_page, r->names.real_block);
}

/* A built-in part without its line of licence, which the program has at its head. */
static void put_builtin(const struct repro *r, const char *name)
{
	guint i = 0;

	while (strcmp(repro_builtin_names[i], name) != 0)
		i++;
	g_string_append(r->out, strchr(repro_builtins[i].text, '\n') + 1);
	g_string_append_c(r->out, '\n');
}

static void put_machine(const struct repro *r)
{
	enum lang_arch arch = r->cfg->scenario->arch;
	const char *sep = "#if";

	if (arch != LANG_ARCH_ARM64) {
		g_string_append_printf(r->out, "%s defined(__x86_64__)\n\n", sep);
		put_builtin(r, "x86");
		sep = "#elif";
	}
	if (arch != LANG_ARCH_X86) {
		g_string_append_printf(r->out, "%s defined(__aarch64__)\n\n", sep);
		put_builtin(r, "arm64");
	}
	g_string_append(r->out,
			"#else\n#error \"the scenario is for another machine\"\n#endif\n\n");
}

/* ---- the program: lines ---------------------------------------------------------------------- */

static void put_line_comment(const struct repro *r, const struct lang_line *l, const char *indent)
{
	g_autoptr(GString) text = g_string_new(NULL);

	lang_print_line(l, text);
	g_string_append_printf(r->out, "%s/* ", indent);
	repro_print_comment(text->str, r->out);
	g_string_append(r->out, " */\n");
}

static void put_words(const struct repro *r)
{
	g_string_append(r->out,
			"/* ---- The scenario ---- */\n\nstatic void note_words(void)\n{\n");
	for (guint i = 0; i < r->cfg->lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(r->cfg->lines, i);

		if (!is_access(l))
			continue;
		g_string_append(r->out, "\tnote_request(&(const struct request)");
		repro_print_request(&l->u.guest, l->kind, r->out);
		g_string_append(r->out, ");\n");
	}
	g_string_append(r->out, "}\n\n");
}

/* How far a run of another actor has to be before a run that began with move @began. */
enum await {
	AWAIT_BEGUN,
	AWAIT_DONE, /* its accesses; the guest may still be inside */
	AWAIT_ENDED,
};

static enum await await_of(const struct run *other, uint32_t began)
{
	if (other->ended < began)
		return AWAIT_ENDED;
	return other->done < began ? AWAIT_DONE : AWAIT_BEGUN;
}

/*
 * What has to be over, or at least begun, before run @i: the last run of each other actor. A vCPU whose
 * accesses are done and that is still inside the guest has ended its line here, or is hammering.
 * @known: of each actor the run and the progress that were awaited last, as 4 * run + progress.
 */
static void put_awaits(const struct repro *r, guint i, uint32_t *known)
{
	static const char *const progress[] = { "BEGUN", "hammers() ? BEGUN : ENDED", "ENDED" };
	const struct run *run = run_at(r, i);

	for (uint32_t a = 0; a < r->nr_actors; a++) {
		enum await await;
		guint j = i;

		while (a != run->actor && j > 0 && run_at(r, j - 1)->actor != a)
			j--;
		if (a == run->actor || j == 0)
			continue;
		await = await_of(run_at(r, j - 1), run->began);
		if (4 * j + await > known[a])
			g_string_append_printf(r->out, "\tawait(%u, %s);\n", j - 1,
					       progress[await]);
		known[a] = MAX(known[a], 4 * j + await);
	}
}

static bool has_overlap(const struct repro *r, const struct run *run)
{
	for (guint j = 0; j < r->runs->len; j++)
		if (overlaps(run, run_at(r, j)))
			return true;
	return false;
}

/*
 * A guest line goes on while lines of VMM and host overlap it.  Those wait only for what ended before
 * they began, and so never for this one: no two lines wait for each other.
 */
static void put_hammer(const struct repro *r, const struct run *run)
{
	const char *sep = "";

	g_string_append(r->out, "\twhile (hammers() && !(");
	for (guint j = 0; j < r->runs->len; j++) {
		const struct run *other = run_at(r, j);

		if (!overlaps(run, other) || other->actor < r->cfg->scenario->vcpus)
			continue;
		g_string_append_printf(r->out, "%sis_past(%u, ENDED)", sep, j);
		sep = " && ";
	}
	g_string_append(r->out, "));\n");
}

static bool can_hammer(const struct repro *r, const struct run *run)
{
	for (guint j = 0; is_access(run->line) && j < r->runs->len; j++)
		if (overlaps(run, run_at(r, j)) && run_at(r, j)->actor >= r->cfg->scenario->vcpus)
			return true;
	return false;
}

static void put_run(const struct repro *r, guint i, uint32_t *known)
{
	const struct run *run = run_at(r, i);
	bool hammer = can_hammer(r, run);

	g_string_append_c(r->out, '\n');
	put_line_comment(r, run->line, "\t");
	put_awaits(r, i, known);
	if (has_overlap(r, run))
		g_string_append(r->out, "\tjitter();\n");
	g_string_append_printf(r->out, "\tset_progress(%u, BEGUN);\n%s\t", i,
			       hammer ? "\tdo\n\t" : "");
	repro_print_line(&r->names, run->line, r->out);
	g_string_append_c(r->out, '\n');
	if (hammer)
		put_hammer(r, run);
	g_string_append_printf(r->out, "\tset_progress(%u, ENDED);\n", i);
}

/* The runs of one actor as a function; false if it has none. */
static bool put_job(const struct repro *r, uint32_t actor)
{
	uint32_t *known = g_new0(uint32_t, r->nr_actors);
	bool any = false;

	for (guint i = 0; i < r->runs->len; i++) {
		if (run_at(r, i)->actor != actor)
			continue;
		if (!any)
			g_string_append_printf(r->out,
					       "static void job_%s(void)\n{\n\tline_up();\n",
					       (char *)g_ptr_array_index(r->who, actor));
		any = true;
		put_run(r, i, known);
	}
	if (any)
		g_string_append(r->out, "}\n\n");
	g_free(known);
	return any;
}

/* Module parameters that the scenario's first line names. */
static void put_params(const struct repro *r)
{
	const struct lang_scenario *s = r->cfg->scenario;

	if (s->eager >= 0)
		g_string_append_printf(r->out, "\tset_param(\"eager_page_split\", \"%s\");\n",
				       s->eager ? "Y" : "N");
	if (s->nx != LANG_NX_UNSET)
		g_string_append_printf(r->out, "\tset_param(\"nx_huge_pages\", \"%s\");\n",
				       s->nx == LANG_NX_FORCE ? "force" : "off");
}

/* Lines before the first `par`, one after the other. */
static void put_set_up(const struct repro *r)
{
	for (guint i = 0; i < r->cfg->lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(r->cfg->lines, i);

		if (l->kind == LANG_PAR)
			return;
		if (!repro_has_code(l))
			continue;
		put_line_comment(r, l, "\t");
		if (l->when.repeat > 1)
			g_string_append_printf(
				r->out, "\tfor (int i = 0; i < %" G_GUINT64_FORMAT "; i++)\n\t",
				l->when.repeat);
		g_string_append_c(r->out, '\t');
		repro_print_line(&r->names, l, r->out);
		g_string_append_c(r->out, '\n');
	}
}

static void put_scenario(const struct repro *r)
{
	g_autoptr(GString) parts = g_string_new(NULL);
	unsigned int n = 0;

	put_words(r);
	for (uint32_t a = 0; a < r->nr_actors; a++) {
		if (!put_job(r, a))
			continue;
		g_string_append_printf(parts, "%s{ %u, job_%s }", n ? ", " : "", a,
				       (char *)g_ptr_array_index(r->who, a));
		n++;
	}
	g_string_append(r->out, "static void scenario(void)\n{\n");
	put_params(r);
	put_set_up(r);
	if (n)
		g_string_append_printf(r->out, "\ttogether((const struct part[]){ %s }, %u);\n",
				       parts->str, n);
	g_string_append(r->out, "}\n\n");
}

static void put_appendix(const struct repro *r, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	g_string_append(r->out, "/*\n");
	for (char **l = lines; *l; l++) {
		if (!l[1] && !**l)
			break;
		g_string_append(r->out, **l ? " * " : " *");
		repro_print_comment(*l, r->out);
		g_string_append_c(r->out, '\n');
	}
	g_string_append(r->out, " */\n");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool check_lines(struct repro_names *names, const GPtrArray *lines, GError **error)
{
	for (guint i = 0; i < lines->len; i++) {
		struct lang_line *l = g_ptr_array_index(lines, i);
		const char *why = repro_why_not(names, l);

		if (l->kind == LANG_HOST_MAP)
			g_ptr_array_add(names->maps, l->u.host_map.name);
		if (!why)
			continue;
		g_set_error(error, REPRO_ERROR, REPRO_ERROR_LINE,
			    "line %u: expected a line that a program can have (%s), found '%s'",
			    l->line, why, l->text ? l->text : lang_kind_name(l->kind));
		return false;
	}
	return true;
}

bool repro_check(const struct explore_cfg *cfg, GError **error)
{
	struct explore_start s;
	struct repro_names names;
	bool ok;

	if (!explore_start(cfg, &s, error))
		return false;
	names_init(&names, s.vm);
	ok = check_lines(&names, cfg->lines, error);
	g_ptr_array_unref(names.maps);
	explore_start_fini(&s);
	return ok;
}

static void put_all(const struct repro *r, const char *appendix)
{
	put_head(r);
	put_constants(r);
	put_builtin(r, "core");
	put_builtin(r, "threads");
	put_machine(r);
	put_scenario(r);
	put_builtin(r, "main");
	if (appendix)
		put_appendix(r, appendix);
	else
		g_string_truncate(r->out, r->out->len - 1); /* the empty line behind a part */
}

bool repro_print(const struct explore_cfg *cfg, const struct explore_finding *f,
		 const char *appendix, GString *out, GError **error)
{
	static const struct finding_visitor visitor = { .start = on_start, .move = on_move };
	struct repro r = { .cfg = cfg, .f = f, .out = out };
	bool ok;

	r.who = g_ptr_array_new_with_free_func(g_free);
	r.runs = g_array_new(FALSE, FALSE, sizeof(struct run));
	finding_walk(cfg, f, &visitor, &r);
	ok = check_lines(&r.names, cfg->lines, error);
	if (ok)
		put_all(&r, appendix);
	g_ptr_array_unref(r.names.maps);
	g_ptr_array_unref(r.who);
	g_array_unref(r.runs);
	g_free(r.open);
	return ok;
}
