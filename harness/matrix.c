/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/matrix.h"

#include <inttypes.h>
#include <string.h>

#include "harness/ends.h"
#include "harness/expect.h"
#include "model/script.h"
#include "traces/record.h"

enum {
	FLAGS = 4, /* combinations of LOG_DIRTY_PAGES and USERFAULT */
	MOST_STATES = 1000000,
	PAGES = 1024,
	FULL = PAGES << 12, /* bytes of the slot in the VM of full size, and in the small one */
	SMALL = 4 << 12,
};

static const char *const mode_keys[NR_MODES] = {
	[MODE_CLASSIC] = "",
	[MODE_MANUAL] = " manual=1",
	[MODE_INITSET] = " manual=3",
	[MODE_RING] = " ring=0x4000", /* the smallest that leaves room beside a PML buffer */
};

static const char *const mmu_axes[NR_MMUS] = {
	[MMU_TDP] = "+mmu=tdp",
	[MMU_LEGACY] = "+mmu=legacy",
	[MMU_S2] = "",
};

/* All rows on their way. */
struct job {
	struct matrix *m;
	struct rules rules;
	bool ends;
	GMutex lock;
	GError *error; /* the first */
};

/* ---- programs --------------------------------------------------------------------------------- */

static uint8_t flags_of(unsigned int nr)
{
	return (uint8_t)((nr & 1 ? MEM_LOG_DIRTY_PAGES : 0) | (nr & 2 ? MEM_USERFAULT : 0));
}

static void add_flags(GString *out, unsigned int flags, bool read_only)
{
	if (!flags && !read_only)
		g_string_append(out, "none");
	if (flags & MEM_USERFAULT)
		g_string_append(out, "uf");
	if (flags & MEM_LOG_DIRTY_PAGES)
		g_string_append(out, flags & MEM_USERFAULT ? "+log" : "log");
	if (read_only)
		g_string_append(out, flags ? "+ro" : "ro");
}

/* A line that makes the slot, moves it, changes its flags or deletes it; in bytes. */
static void add_region(GString *out, uint64_t gpa, uint64_t size, unsigned int flags,
		       bool read_only)
{
	g_string_append_printf(
		out, "op set_region slot=0 gpa=0x%" PRIx64 " size=0x%" PRIx64 " flags=", gpa, size);
	add_flags(out, flags, read_only);
	g_string_append(out, " map=m0+0x0 bitmap=b0\n");
}

/* Host memory: the first half in huge pages, the other half in small ones. */
static void add_memory(GString *out, unsigned int size)
{
	g_string_append_printf(out,
			       "host map name=m0 size=0x%x backing=thp\n"
			       "host madvise map=m0+0x%x len=0x%x advice=nohugepage\n"
			       "host touch map=m0+0x0 len=0x%x mode=w\n",
			       size, size / 2, size / 2, size);
}

/* The line that is looked at. */
static void add_change(GString *out, const struct matrix_case *c, uint64_t size)
{
	switch (c->change) {
	case KVM_MR_DELETE:
		add_region(out, 0, 0, 0, false);
		return;
	case KVM_MR_MOVE:
		add_region(out, size, size, c->new_flags, c->read_only);
		return;
	case KVM_MR_CREATE:
	case KVM_MR_FLAGS_ONLY:
	case KVM_MR_NONE:
		add_region(out, 0, size, c->new_flags, c->read_only);
		return;
	}
	g_assert_not_reached();
}

/*
 * A slot of four pages, all that there are: a block of the host's, page 0 of which is asked for, and two small
 * pages.  A slot that moves has half of that: two small pages.
 */
char *matrix_program(const struct matrix_case *c, const char *policy)
{
	GString *out = g_string_new(NULL);
	unsigned int size = c->change == KVM_MR_MOVE ? SMALL / 2 : SMALL;
	struct rules r;
	bool ok = policy_parse(policy, &r, NULL);

	g_assert(ok);
	g_string_append_printf(
		out, "scenario name=transition vcpus=1 code=0%s geom=%s-1x2 policy=%s%s\n",
		mode_keys[c->mode],
		r.arch == PT_ARM64    ? "arm64"
		: r.nested == X86_NPT ? "npt"
				      : "ept",
		policy, mmu_axes[c->mmu]);
	add_memory(out, size);
	g_string_append(out, "op user_bit map=b0 page=0x0 value=1\n");
	if (c->change != KVM_MR_CREATE) {
		add_region(out, 0, size, c->old_flags, c->read_only);
		g_string_append_printf(out, "guest %s vcpu=0 gpa=0x1000 n=%d\n",
				       c->read_only ? "read" : "write", size > SMALL / 2 ? 2 : 1);
	}
	g_string_append_printf(out, "par\nguest write vcpu=0 gpa=0x%x\n",
			       c->change == KVM_MR_MOVE ? size : 0);
	add_change(out, c, size);
	g_string_append(out, "join\n");
	return g_string_free(out, FALSE);
}

/* ---- one line after the other -------------------------------------------------------------------- */

/* A VM of full size under construction. */
struct full {
	struct script *script;
	GError **error;
};

static bool run_text(const struct full *f, const char *text, GString *out)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	bool ok = true;

	for (char **l = lines; ok && **l; l++) {
		struct lang_line line;

		g_string_truncate(out, 0);
		if (!lang_parse_line(*l, "matrix", 1, &line, f->error))
			return false;
		ok = script_run_line(f->script, &line, NULL, out, f->error);
		lang_line_clear(&line);
	}
	return ok;
}

/* Names in a trace that are actions of KVM, each once, in order: calls, range work, splits. */
static char *actions_in(const char *out)
{
	g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GString *names = g_string_new(NULL);

	for (char **l = lines; *l; l++) {
		g_auto(GStrv) words = g_strsplit(*l, " ", 4);
		const char *name;

		if (g_strv_length(words) < 2 || strcmp(words[0], "trace") != 0)
			continue;
		name = strcmp(words[1], "call") == 0 ? words[2] : words[1];
		if (name == words[1] && !g_str_has_prefix(name, "s2_") &&
		    strcmp(name, "zap_all_fast") != 0 && strcmp(name, "split_huge_page") != 0)
			continue;
		if (g_hash_table_add(seen, g_strdup(name)))
			g_string_append_printf(names, "%s%s", names->len ? " " : "", name);
	}
	if (!names->len)
		g_string_append_c(names, '-');
	return g_string_free(names, FALSE);
}

static uint64_t flushes_of(const struct work *w)
{
	return w->flush_request + w->tlbi_ipa + w->tlbi_ipa_local + w->tlbi_range + w->tlbi_vmid;
}

static bool run_full(const struct full *f, const struct matrix_case *c, struct matrix_row *row)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GString) out = g_string_new(NULL), change = g_string_new(NULL);
	g_autofree char *guest =
		g_strdup_printf("guest %s vcpu=0 gpa=0x%x n=%d\n", c->read_only ? "read" : "write",
				c->change == KVM_MR_MOVE ? FULL : 0, PAGES);
	struct work before, after;

	add_memory(text, FULL);
	g_string_append_printf(text, "op user_bit map=b0 page=0x0 n=%d value=0\n", PAGES);
	if (c->change != KVM_MR_CREATE) {
		add_region(text, 0, FULL, c->old_flags, c->read_only);
		g_string_append_printf(text, "guest %s vcpu=0 gpa=0x0 n=%d\n",
				       c->read_only ? "read" : "write", PAGES);
	}
	add_change(change, c, FULL);
	if (!run_text(f, text->str, out))
		return false;
	before = *script_work(f->script);
	if (!run_text(f, change->str, out))
		return false;
	after = *script_work(f->script);
	row->answer = g_strndup(out->str, strcspn(out->str, "\n"));
	row->actions = actions_in(out->str);
	g_string_truncate(out, 0);
	if (c->change != KVM_MR_DELETE && !run_text(f, guest, out))
		return false;
	row->costs = g_strdup_printf("%5" PRIu64 " %5" PRIu64 " %3" PRIu64 " %5" PRIu64,
				     after.leaf_removed - before.leaf_removed,
				     after.pte_write + after.pte_cmpxchg - before.pte_write -
					     before.pte_cmpxchg,
				     flushes_of(&after) - flushes_of(&before),
				     script_work(f->script)->fault_dispatch - after.fault_dispatch);
	return true;
}

/* ---- in every order ------------------------------------------------------------------------------- */

/* The small program, read. */
struct small {
	struct record *file;
	GPtrArray *lines;
	struct explore_cfg cfg;
};

static bool small_init(struct small *s, const struct matrix_case *c, const char *policy,
		       GError **error)
{
	g_autofree char *text = matrix_program(c, policy);
	const struct record_scenario *scen;

	s->file = record_parse(text, strlen(text), "matrix", error);
	if (!s->file)
		return false;
	scen = g_ptr_array_index(s->file->scenarios, 0);
	s->lines = expect_lines(scen);
	s->cfg = (struct explore_cfg){ .scenario = &scen->header.u.scenario,
				       .lines = s->lines,
				       .policy = scen->header.u.scenario.policy,
				       .max_states = MOST_STATES,
				       .jobs = 1,
				       .keep_going = true };
	return true;
}

static void small_fini(struct small *s)
{
	if (s->lines)
		g_ptr_array_unref(s->lines);
	record_free(s->file);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All invariants that are violated, by name. */
static char *violated_in(const struct explore_result *r)
{
	g_autoptr(GArray) names = g_array_new(FALSE, FALSE, sizeof(const char *));
	GString *out = g_string_new(NULL);
	const char *last = "";

	for (guint i = 0; i < r->findings->len; i++) {
		const struct explore_finding *f = g_ptr_array_index(r->findings, i);
		const char *name = inv_name(f->inv);

		g_array_append_val(names, name);
	}
	if (r->setup_inv) {
		const char *name = inv_name(r->setup_inv);

		g_array_append_val(names, name);
	}
	g_array_sort(names, by_text);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_array_index(names, const char *, i);

		if (strcmp(name, last) != 0)
			g_string_append_printf(out, "%s%s", out->len ? "," : "", name);
		last = name;
	}
	if (!out->len)
		g_string_append(out, r->complete ? "holds" : "incomplete");
	return g_string_free(out, FALSE);
}

static bool keep_ends(const struct small *s, struct matrix_row *row, GError **error)
{
	struct ends ends;
	GHashTableIter i;
	gpointer text;
	bool ok;

	ends_init(&ends);
	ok = ends_find(&s->cfg, &ends, &row->states, error);
	row->ends = g_ptr_array_new_with_free_func(g_free);
	g_hash_table_iter_init(&i, ends.texts);
	while (g_hash_table_iter_next(&i, &text, NULL))
		g_ptr_array_add(row->ends, g_strdup(text));
	g_ptr_array_sort(row->ends, by_text);
	ends_fini(&ends);
	return ok;
}

static bool run_small(const struct job *j, struct matrix_row *row, GError **error)
{
	struct small s = { .file = NULL };
	struct explore_result *r = NULL;
	bool ok = false;

	if (small_init(&s, &row->is, j->m->policy, error))
		r = explore(&s.cfg, error);
	if (r) {
		row->states = r->states;
		row->invariants = violated_in(r);
		ok = !j->ends || keep_ends(&s, row, error);
	}
	explore_result_free(r);
	small_fini(&s);
	return ok;
}

/* ---- a row ----------------------------------------------------------------------------------------- */

static struct script *new_full(const struct job *j, const struct matrix_case *c, GError **error)
{
	g_autofree char *head =
		g_strdup_printf("scenario name=full vcpus=1 code=0%s", mode_keys[c->mode]);
	g_autofree char *policy = g_strconcat(j->m->policy, mmu_axes[c->mmu], NULL);
	struct lang_line line;
	struct script *s;

	if (!lang_parse_line(head, "matrix", 1, &line, error))
		return NULL;
	s = script_new(&line.u.scenario, policy, NULL, error);
	lang_line_clear(&line);
	return s;
}

static bool run_row(const struct job *j, struct matrix_row *row, GError **error)
{
	struct full f = { .script = new_full(j, &row->is, error), .error = error };
	bool ok = f.script != NULL;

	if (ok && script_is_refused(f.script)) {
		row->answer = g_strdup("refused");
		row->actions = g_strdup("-");
		row->costs = g_strdup("    -     -   -     -");
		row->invariants = g_strdup("-");
	} else {
		ok = ok && run_full(&f, &row->is, row) && run_small(j, row, error);
	}
	script_free(f.script);
	return ok;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as GLib calls it */
static void work(gpointer data, gpointer arg)
{
	struct matrix_row *row = data;
	struct job *j = arg;
	GError *error = NULL;

	if (run_row(j, row, &error))
		return;
	g_mutex_lock(&j->lock);
	if (j->error)
		g_error_free(error);
	else
		j->error = error;
	g_mutex_unlock(&j->lock);
}

/* ---- all of them ------------------------------------------------------------------------------------ */

static void free_row(void *p)
{
	struct matrix_row *row = p;

	g_free(row->answer);
	g_free(row->actions);
	g_free(row->costs);
	g_free(row->invariants);
	if (row->ends)
		g_ptr_array_unref(row->ends);
	g_free(row);
}

static void add_case(struct matrix *m, const struct matrix_case *c)
{
	struct matrix_row *row = g_new0(struct matrix_row, 1);

	row->is = *c;
	g_ptr_array_add(m->rows, row);
}

/* In each mode, read-only or not, with each MMU. */
static void add_transition(struct matrix *m, const struct rules *r, struct matrix_case c)
{
	unsigned int first = r->arch == PT_ARM64 ? MMU_S2 : MMU_TDP;
	unsigned int last = r->arch == PT_ARM64 ? MMU_S2 : MMU_LEGACY;

	for (int ro = 0; ro < 2; ro++) {
		for (unsigned int mmu = first; mmu <= last; mmu++) {
			for (unsigned int mode = 0; mode < NR_MODES; mode++) {
				c.read_only = ro != 0;
				c.mmu = (uint8_t)mmu;
				c.mode = (uint8_t)mode;
				add_case(m, &c);
			}
		}
	}
}

static void add_cases(struct matrix *m, const struct rules *r)
{
	static const enum mr_change changes[] = { KVM_MR_CREATE, KVM_MR_DELETE, KVM_MR_MOVE,
						  KVM_MR_FLAGS_ONLY };

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		for (unsigned int old = 0; old < FLAGS; old++) {
			for (unsigned int now = 0; now < FLAGS; now++) {
				if ((changes[i] == KVM_MR_CREATE && old) ||
				    (changes[i] == KVM_MR_DELETE && now) ||
				    (changes[i] == KVM_MR_FLAGS_ONLY && old == now))
					continue;
				add_transition(m, r,
					       (struct matrix_case){ .change = changes[i],
								     .old_flags = flags_of(old),
								     .new_flags = flags_of(now) });
			}
		}
	}
}

struct matrix *matrix_new(const char *policy, bool ends, unsigned int jobs, GError **error)
{
	struct job j = { .ends = ends };
	GThreadPool *pool;

	if (!policy_parse(policy, &j.rules, error))
		return NULL;
	j.m = g_new0(struct matrix, 1);
	j.m->policy = g_strdup(policy);
	j.m->rows = g_ptr_array_new_with_free_func(free_row);
	add_cases(j.m, &j.rules);
	g_mutex_init(&j.lock);
	pool = g_thread_pool_new(work, &j, (gint)jobs, TRUE, NULL);
	for (guint i = 0; i < j.m->rows->len; i++)
		g_thread_pool_push(pool, g_ptr_array_index(j.m->rows, i), NULL);
	g_thread_pool_free(pool, FALSE, TRUE);
	g_mutex_clear(&j.lock);
	for (guint i = 0; i < j.m->rows->len; i++)
		j.m->states += ((const struct matrix_row *)g_ptr_array_index(j.m->rows, i))->states;
	if (!j.error)
		return j.m;
	g_propagate_error(error, j.error);
	matrix_free(j.m);
	return NULL;
}

void matrix_free(struct matrix *m)
{
	if (!m)
		return;
	g_ptr_array_unref(m->rows);
	g_free(m->policy);
	g_free(m);
}
