/* SPDX-License-Identifier: Apache-2.0 */
/* Policies as points on the axes: where each stands, and in what two of them differ. */
#include <string.h>

#include "model/patch.h"
#include "model/policy_priv.h"

enum {
	ROWS_MAX = 32,
	GAP = 2, /* blanks between columns */
};

unsigned int policy_nr_axes(void)
{
	return policy_axes_len;
}

const char *policy_axis(unsigned int axis)
{
	return policy_axes[axis].name;
}

enum axis_kind policy_axis_kind(unsigned int axis)
{
	return (enum axis_kind)policy_axes[axis].kind;
}

const char *policy_variant(const struct rules *r, unsigned int axis)
{
	for (const struct variant *v = policy_variants; v->axis; v++)
		if (strcmp(v->axis, policy_axes[axis].name) == 0 && variant_is(v, r))
			return v->name;
	return NULL;
}

/* ---- where the named policies stand ------------------------------------------------------------ */

/* Policies of one architecture. */
struct rows {
	const char *name[ROWS_MAX];
	struct rules rules[ROWS_MAX];
	unsigned int n;
};

static void take_rows(struct rows *rows, uint8_t arch, bool presets)
{
	struct policy_name p;

	rows->n = 0;
	for (unsigned int i = 0; policy_name(i, &p); i++) {
		struct rules *r = &rows->rules[rows->n];

		g_assert(rows->n < ROWS_MAX);
		if ((p.line != NULL) != presets || !policy_parse(p.name, r, NULL) ||
		    r->arch != arch)
			continue;
		rows->name[rows->n++] = p.name;
	}
}

/* Width of the column of an axis; 0: all rows stand alike. */
static size_t column_width(const struct rows *rows, unsigned int axis)
{
	const char *first = policy_variant(&rows->rules[0], axis);
	size_t width = strlen(policy_axes[axis].name);
	bool differ = false;

	for (unsigned int i = 0; i < rows->n && first; i++) {
		const char *v = policy_variant(&rows->rules[i], axis);

		differ |= strcmp(v, first) != 0;
		width = MAX(width, strlen(v));
	}
	return differ ? width + GAP : 0;
}

static void cell(GString *out, const char *text, size_t width)
{
	g_string_append_printf(out, "%-*s", (int)width, text);
}

static void end_row(GString *out)
{
	while (out->len && out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
	g_string_append_c(out, '\n');
}

/* Where all rows stand alike: once, below. */
static void common_point(const struct rows *rows, enum axis_kind kind, GString *out)
{
	enum { LINE = 100, INDENT = 4 };
	size_t start = out->len, empty;

	g_string_append(out, "  all:");
	empty = out->len;
	for (unsigned int a = 0; a < policy_axes_len; a++) {
		const char *v = policy_variant(&rows->rules[0], a);
		size_t more = v ? strlen(v) + strlen(policy_axes[a].name) + GAP : 0;

		if (!v || policy_axes[a].kind != kind || column_width(rows, a))
			continue;
		if (out->len - start + more > LINE) {
			g_string_append_printf(out, "\n%*s", INDENT, "");
			start = out->len - INDENT - 1;
		}
		g_string_append_printf(out, " %s=%s", policy_axes[a].name, v);
	}
	if (out->len > empty)
		g_string_append_c(out, '\n');
	else
		g_string_truncate(out, start);
}

static void table(GString *out, const char *title, uint8_t arch, bool presets, enum axis_kind kind)
{
	struct rows *rows = g_new0(struct rows, 1);
	size_t name = strlen(title), base = strlen("x86-6.12") + (size_t)2 * GAP;

	take_rows(rows, arch, presets);
	for (unsigned int i = 0; i < rows->n; i++)
		name = MAX(name, strlen(rows->name[i]) + GAP);
	cell(out, title, name + GAP);
	if (presets)
		cell(out, "base", base);
	for (unsigned int a = 0; a < policy_axes_len; a++)
		if (policy_axes[a].kind == kind)
			cell(out, column_width(rows, a) ? policy_axes[a].name : "",
			     column_width(rows, a));
	end_row(out);
	for (unsigned int i = 0; i < rows->n; i++) {
		g_string_append(out, "  ");
		cell(out, rows->name[i], name);
		if (presets)
			cell(out, policy_base(&rows->rules[i]), base);
		for (unsigned int a = 0; a < policy_axes_len; a++)
			if (policy_axes[a].kind == kind && column_width(rows, a))
				cell(out, policy_variant(&rows->rules[i], a),
				     column_width(rows, a));
		end_row(out);
	}
	common_point(rows, kind, out);
	g_free(rows);
}

void policy_list(GString *out)
{
	struct policy_name p;

	g_string_append(out, "bases\n");
	for (unsigned int i = 0; policy_name(i, &p) && !p.line; i++)
		g_string_append_printf(out, "  %-24s %s\n", p.name, p.text);
	g_string_append(out, "presets\n");
	for (unsigned int i = 0; policy_name(i, &p); i++)
		if (p.line)
			g_string_append_printf(out, "  %-24s %s\n    = %s\n", p.name, p.text,
					       p.line);
	g_string_append(out, "patches\n");
	for (unsigned int i = 0; patch_get(i); i++)
		g_string_append_printf(out, "  %-24s %s\n    = %s, and its hook in C\n",
				       patch_get(i)->name, patch_get(i)->text, patch_get(i)->line);
	table(out, "x86 presets on the axes", PT_X86, true, AXIS_POLICY);
	table(out, "arm64 presets on the axes", PT_ARM64, true, AXIS_POLICY);
	table(out, "x86 bases on the axes", PT_X86, false, AXIS_POLICY);
	table(out, "arm64 bases on the axes", PT_ARM64, false, AXIS_POLICY);
	table(out, "x86 kernels", PT_X86, false, AXIS_KERNEL);
	table(out, "arm64 kernels", PT_ARM64, false, AXIS_KERNEL);
	policy_list_axes(out);
}

void policy_list_axes(GString *out)
{
	enum { WORD = 38 };

	for (int kind = AXIS_POLICY; kind <= AXIS_KERNEL; kind++) {
		g_string_append(out, kind == AXIS_POLICY ? "axes\n" : "axes of released kernels\n");
		for (unsigned int a = 0; a < policy_axes_len; a++)
			for (const struct variant *v = policy_variants; v->axis; v++)
				if (policy_axes[a].kind == kind &&
				    strcmp(policy_axes[a].name, v->axis) == 0)
					g_string_append_printf(out, "  %s=%-*s %s\n", v->axis,
							       (int)(WORD - strlen(v->axis)),
							       v->name, v->text);
	}
}

/* ---- differences ------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): an axis, then the variants of both */
static void differ(GString *out, const char *axis, const char *a, const char *b)
{
	enum { AXIS = 14, VARIANT = 26 };

	cell(out, axis, AXIS);
	cell(out, a ? a : "-", VARIANT);
	g_string_append_c(out, ' ');
	cell(out, b ? b : "-", 0);
	end_row(out);
}

int policy_diff(const char *a, const char *b, GString *out, GError **error)
{
	struct rules ra, rb;
	int n = 0;

	if (!policy_parse(a, &ra, error) || !policy_parse(b, &rb, error))
		return -1;
	for (unsigned int i = 0; i < policy_axes_len; i++) {
		const char *va = policy_variant(&ra, i), *vb = policy_variant(&rb, i);

		if (g_strcmp0(va, vb) == 0)
			continue;
		differ(out, policy_axes[i].name, va, vb);
		n++;
	}
	if (ra.base != rb.base) {
		differ(out, "base", policy_base(&ra), policy_base(&rb));
		n++;
	}
	return n;
}
