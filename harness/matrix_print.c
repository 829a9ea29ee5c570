/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices as tables, as JSON, and beside each other. */
#include <inttypes.h>
#include <string.h>

#include "harness/json.h"
#include "harness/matrix.h"

static const char *const change_names[] = {
	[KVM_MR_CREATE] = "CREATE",         [KVM_MR_DELETE] = "DELETE", [KVM_MR_MOVE] = "MOVE",
	[KVM_MR_FLAGS_ONLY] = "FLAGS_ONLY", [KVM_MR_NONE] = "NONE",
};
static const char *const flag_names[] = { "none", "log", "uf", "uf+log" };
static const char *const mode_names[] = { "classic", "manual", "initset", "ring", NULL };
static const char *const mmu_names[] = { "tdp", "legacy", "s2", NULL };

static const char *flag_name(unsigned int flags)
{
	return flag_names[(flags & MEM_LOG_DIRTY_PAGES ? 1 : 0) + (flags & MEM_USERFAULT ? 2 : 0)];
}

/* ---- rows that say the same ---------------------------------------------------------------------- */

/* Several combinations of one transition: the product of three sets, a bit each. */
struct group {
	const struct matrix_row *row; /* one of them */
	uint8_t sets[3];              /* read-only, MMUs, modes */
};

static bool same_result(const struct matrix_row *a, const struct matrix_row *b)
{
	return a->is.change == b->is.change && a->is.old_flags == b->is.old_flags &&
	       a->is.new_flags == b->is.new_flags && strcmp(a->answer, b->answer) == 0 &&
	       strcmp(a->actions, b->actions) == 0 && strcmp(a->costs, b->costs) == 0 &&
	       strcmp(a->invariants, b->invariants) == 0;
}

/* Two products that differ in one set only are one product. */
static bool join(struct group *a, const struct group *b)
{
	unsigned int differ = 0, which = 0;

	for (unsigned int i = 0; i < 3; i++) {
		if (a->sets[i] == b->sets[i])
			continue;
		differ++;
		which = i;
	}
	if (differ != 1 || !same_result(a->row, b->row))
		return false;
	a->sets[which] |= b->sets[which];
	return true;
}

/* Modes first, then MMUs, then the rest: each pass joins what it can. */
static GArray *groups_of(const struct matrix *m)
{
	GArray *groups = g_array_new(FALSE, FALSE, sizeof(struct group));
	bool joined = true;

	for (guint i = 0; i < m->rows->len; i++) {
		const struct matrix_row *row = g_ptr_array_index(m->rows, i);
		struct group g = { row,
				   { (uint8_t)(1U << row->is.read_only),
				     (uint8_t)(1U << row->is.mmu),
				     (uint8_t)(1U << row->is.mode) } };

		g_array_append_val(groups, g);
	}
	while (joined) {
		joined = false;
		for (guint i = 0; i < groups->len; i++) {
			for (guint k = i + 1; k < groups->len && k < i + 64;) {
				if (!join(&g_array_index(groups, struct group, i),
					  &g_array_index(groups, struct group, k))) {
					k++;
					continue;
				}
				g_array_remove_index(groups, k);
				joined = true;
			}
		}
	}
	return groups;
}

/* "classic,ring"; "*" for all that there are. */
static void add_set(GString *out, uint8_t set, uint8_t all, const char *const *names, int width)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; set != all && names[i]; i++)
		if (set >> i & 1)
			g_string_append_printf(text, "%s%s", text->len ? "," : "", names[i]);
	g_string_append_printf(out, " %-*s", width, text->len ? text->str : "*");
}

static void add_transition(GString *out, const struct matrix_case *c)
{
	g_string_append_printf(out, "%-10s %-6s %-6s", change_names[c->change],
			       c->change == KVM_MR_CREATE ? "-" : flag_name(c->old_flags),
			       c->change == KVM_MR_DELETE ? "-" : flag_name(c->new_flags));
}

void matrix_print(const struct matrix *m, GString *out)
{
	static const char *const ro_names[] = { "rw", "ro", NULL };
	const struct matrix_row *first = g_ptr_array_index(m->rows, 0);
	g_autoptr(GArray) groups = groups_of(m);
	uint8_t mmus = first->is.mmu == MMU_S2 ? 1U << MMU_S2 : 1U << MMU_TDP | 1U << MMU_LEGACY;

	g_string_append_printf(out,
			       "policy %s\n"
			       "a slot of 1024 pages, half of them in a huge page of the host, all "
			       "written: leaves "
			       "removed, entries written, "
			       "flushes; then faults of %d accesses\n"
			       "%-10s %-6s %-6s %-3s %-7s %-22s %-13s %23s  %-24s %s\n",
			       m->policy, 1024, "change", "old", "new", "ro", "mmu", "dirty mode",
			       "answer", "removed write flush fault", "invariants", "actions");
	for (guint i = 0; i < groups->len; i++) {
		const struct group *g = &g_array_index(groups, struct group, i);

		add_transition(out, &g->row->is);
		add_set(out, g->sets[0], 3, ro_names, 3);
		add_set(out, g->sets[1], mmus, mmu_names, 7);
		add_set(out, g->sets[2], (1U << NR_MODES) - 1, mode_names, 22);
		g_string_append_printf(out, " %-13s   %s   %-24s %s\n", g->row->answer,
				       g->row->costs, g->row->invariants, g->row->actions);
	}
	g_string_append_printf(out, "%u combinations in %u lines\n", m->rows->len, groups->len);
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static void put_row(JsonBuilder *b, const struct matrix_row *row)
{
	static const char *const names[] = { "removed", "written", "flushes", "faults" };
	g_auto(GStrv) costs = g_strsplit_set(row->costs, " ", -1);
	unsigned int n = 0;

	json_builder_begin_object(b);
	json_put_string(b, "change", change_names[row->is.change]);
	json_put_string(b, "old",
			row->is.change == KVM_MR_CREATE ? "-" : flag_name(row->is.old_flags));
	json_put_string(b, "new",
			row->is.change == KVM_MR_DELETE ? "-" : flag_name(row->is.new_flags));
	json_put_bool(b, "read_only", row->is.read_only);
	json_put_string(b, "mode", mode_names[row->is.mode]);
	json_put_string(b, "mmu", mmu_names[row->is.mmu]);
	json_put_string(b, "answer", row->answer);
	json_put_string(b, "actions", row->actions);
	json_put_string(b, "invariants", row->invariants);
	for (char **c = costs; *c && n < G_N_ELEMENTS(names); c++) {
		if (!**c)
			continue;
		json_builder_set_member_name(b, names[n++]);
		if (strcmp(*c, "-") == 0)
			json_builder_add_null_value(b);
		else
			json_builder_add_int_value(b, (gint64)g_ascii_strtoull(*c, NULL, 10));
	}
	json_put_int(b, "states", row->states);
	json_builder_end_object(b);
}

void matrix_json(const struct matrix *m, GString *out)
{
	g_autoptr(JsonBuilder) b = json_builder_new();

	json_builder_begin_object(b);
	json_put_string(b, "schema", "s2sim.matrix/1");
	json_put_string(b, "policy", m->policy);
	json_builder_set_member_name(b, "rows");
	json_builder_begin_array(b);
	for (guint i = 0; i < m->rows->len; i++)
		put_row(b, g_ptr_array_index(m->rows, i));
	json_builder_end_array(b);
	json_builder_end_object(b);
	json_print(b, out);
}

/* ---- two of them ------------------------------------------------------------------------------------ */

static bool same_ends(const struct matrix_row *a, const struct matrix_row *b)
{
	if (!a->ends || !b->ends)
		return a->ends == b->ends;
	if (a->ends->len != b->ends->len)
		return false;
	for (guint i = 0; i < a->ends->len; i++)
		if (strcmp(g_ptr_array_index(a->ends, i), g_ptr_array_index(b->ends, i)) != 0)
			return false;
	return true;
}

/* From outside: the answer, what is violated, and the ends. */
static bool is_seen(const struct matrix_row *a, const struct matrix_row *b)
{
	return strcmp(a->answer, b->answer) != 0 || strcmp(a->invariants, b->invariants) != 0 ||
	       !same_ends(a, b);
}

/* An end of @a that @b has not; NULL: none. */
static const char *example(const struct matrix_row *a, const struct matrix_row *b)
{
	for (guint i = 0; a->ends && b->ends && i < a->ends->len; i++) {
		bool found = false;

		for (guint k = 0; k < b->ends->len && !found; k++)
			found = strcmp(g_ptr_array_index(a->ends, i),
				       g_ptr_array_index(b->ends, k)) == 0;
		if (!found)
			return g_ptr_array_index(a->ends, i);
	}
	return NULL;
}

static void add_side(GString *out, char sign, const struct matrix *m, const struct matrix_row *row)
{
	g_string_append_printf(out, "%c %s: %s, %s, %u ends; %s; %s\n", sign, m->policy,
			       row->answer, row->invariants, row->ends ? row->ends->len : 0,
			       row->costs, row->actions);
}

static void add_difference(GString *out, const struct matrix *a, const struct matrix *b, guint i)
{
	const struct matrix_row *x = g_ptr_array_index(a->rows, i),
				*y = g_ptr_array_index(b->rows, i);

	add_transition(out, &x->is);
	g_string_append_printf(out, " %s %s %s\n", x->is.read_only ? "ro" : "rw",
			       mmu_names[x->is.mmu], mode_names[x->is.mode]);
	add_side(out, '-', a, x);
	add_side(out, '+', b, y);
}

/* The one with the fewest states of both: a program and what tells the two apart. */
static void add_program(GString *out, const struct matrix *a, const struct matrix *b, guint i)
{
	const struct matrix_row *x = g_ptr_array_index(a->rows, i),
				*y = g_ptr_array_index(b->rows, i);
	g_autofree char *program = matrix_program(&x->is, a->policy);
	const char *end = example(x, y), *other = example(y, x);

	g_string_append_printf(out, "\nthe smallest program that tells them apart:\n\n%s", program);
	if (end)
		g_string_append_printf(out, "\nonly under %s it may end in\n%s", a->policy, end);
	if (other)
		g_string_append_printf(out, "\nonly under %s it may end in\n%s", b->policy, other);
}

unsigned int matrix_diff(const struct matrix *a, const struct matrix *b, GString *out)
{
	unsigned int seen = 0, inside = 0;
	uint64_t fewest = UINT64_MAX;
	guint smallest = 0;

	g_assert(a->rows->len == b->rows->len);
	for (guint i = 0; i < a->rows->len; i++) {
		const struct matrix_row *x = g_ptr_array_index(a->rows, i),
					*y = g_ptr_array_index(b->rows, i);
		bool from_outside = is_seen(x, y);

		if (!from_outside && strcmp(x->actions, y->actions) == 0 &&
		    strcmp(x->costs, y->costs) == 0)
			continue;
		add_difference(out, a, b, i);
		seen += from_outside;
		inside += !from_outside;
		if (!from_outside || x->states + y->states >= fewest)
			continue;
		fewest = x->states + y->states;
		smallest = i;
	}
	g_string_append_printf(out,
			       "%u combinations: %u can be told apart from outside, %u more by "
			       "actions or costs; %" PRIu64 " states\n",
			       a->rows->len, seen, inside, a->states + b->states);
	if (seen)
		add_program(out, a, b, smallest);
	return seen;
}
