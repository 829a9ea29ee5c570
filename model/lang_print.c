/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: from struct lang_line to text, by the list of keys that the parser uses.
 */
#include <string.h>

#include "model/lang.h"
#include "model/lang_priv.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

void lang_print_flags(uint32_t flags, GString *out)
{
	static const char *const names[] = { "log", "ro", "gmem", "uf" };
	const char *sep = "";

	if (flags == 0) {
		g_string_append(out, "none");
		return;
	}
	if (flags >> G_N_ELEMENTS(names)) {
		g_string_append_printf(out, "0x%x", flags);
		return;
	}
	for (size_t bit = 0; bit < G_N_ELEMENTS(names); bit++) {
		if (!(flags & 1u << bit))
			continue;
		g_string_append_printf(out, "%s%s", sep, names[bit]);
		sep = "+";
	}
}

void lang_print_ranges(const struct lang_range *ranges, unsigned nr_ranges, GString *out)
{
	for (unsigned i = 0; i < nr_ranges; i++) {
		const struct lang_range *r = &ranges[i];

		g_string_append_printf(out, "%s" HEX, i ? "," : "", r->start);
		if (r->end - r->start > 1)
			g_string_append_printf(out, "-" HEX, r->end - 1);
	}
}

void lang_print_loc(const struct lang_loc *loc, GString *out)
{
	if (loc->is_hva)
		g_string_append_printf(out, HEX, loc->hva);
	else
		g_string_append_printf(out, "%s+" HEX, loc->map, loc->off);
}

static void print_vcpus(uint64_t mask, GString *out)
{
	const char *sep = "";

	for (unsigned v = 0; v < LANG_VCPUS_MAX; v++) {
		if (!(mask >> v & 1))
			continue;
		g_string_append_printf(out, "%s%u", sep, v);
		sep = ",";
	}
}

static void print_choice(const struct lang_field *f, uint64_t value, GString *out)
{
	const struct lang_choice *c = f->choices;

	while (c->word && c->value != value)
		c++;
	g_assert(c->word);
	g_string_append(out, c->word);
}

void lang_print_time(uint64_t ps, GString *out)
{
	static const struct {
		const char *unit;
		uint64_t ps;
	} units[] = {
		{ "s", 1000000000000 }, { "ms", 1000000000 }, { "us", 1000000 },
		{ "ns", 1000 },         { "ps", 1 },
	};
	size_t i = 0;

	while (ps % units[i].ps != 0 || (ps == 0 && units[i].ps > 1))
		i++;
	g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", ps / units[i].ps, units[i].unit);
}

static void print_value(const struct lang_line *l, const struct lang_field *f, GString *out)
{
	switch (f->type) {
	case FIELD_DEC:
		g_string_append_printf(out, "%" G_GUINT64_FORMAT, lang_field_get(l, f));
		break;
	case FIELD_HEX:
		g_string_append_printf(out, HEX, lang_field_get(l, f));
		break;
	case FIELD_TIME:
		lang_print_time(lang_field_get(l, f), out);
		break;
	case FIELD_CHOICE:
		print_choice(f, lang_field_get(l, f), out);
		break;
	case FIELD_NAME:
	case FIELD_TEXT:
		g_string_append(out, lang_field_at_const(l, f));
		break;
	case FIELD_LOC:
	case FIELD_HVA:
		lang_print_loc(lang_field_at_const(l, f), out);
		break;
	case FIELD_BITMAP:
		if (l->u.region.bitmap.is_hva)
			lang_print_loc(&l->u.region.bitmap, out);
		else
			g_string_append(out, l->u.region.bitmap.map);
		break;
	case FIELD_FLAGS:
		lang_print_flags(l->u.region.flags, out);
		break;
	case FIELD_PAGES:
		if (l->u.log.all)
			g_string_append(out, "all");
		else
			lang_print_ranges(l->u.log.ranges, l->u.log.nr_ranges, out);
		break;
	case FIELD_VCPUS:
		print_vcpus(l->u.guest.vcpu_mask, out);
		break;
	}
}

/* Does the canonical text name the field. */
static bool is_printed(const struct lang_line *l, const struct lang_field *f)
{
	const struct lang_loc *loc = &l->u.region.loc;

	if (f->need == NEED_EITHER)
		return (f->type == FIELD_HVA) == loc->is_hva;
	if (f->need == NEED_YES)
		return true;
	if (f->type == FIELD_BITMAP)
		return l->u.region.has_bitmap;
	if (f->type == FIELD_LOC)
		return *((const struct lang_loc *)lang_field_at_const(l, f))->map != '\0';
	if (f->type == FIELD_NAME || f->type == FIELD_TEXT)
		return *(const char *)lang_field_at_const(l, f) != '\0';
	return lang_field_get(l, f) != f->dflt;
}

void lang_print_canonical(const struct lang_line *l, GString *out)
{
	const struct lang_shape *shape = lang_shape_of(l->kind);

	if (l->kind == LANG_EXPECT)
		g_string_append(out, l->u.obs.absent ? "expect no " : "expect ");
	if (l->kind == LANG_EXPECT || l->kind == LANG_OBS)
		g_string_append(out, l->u.obs.text);
	if (!shape)
		return;
	g_string_append(out, shape->word);
	if (shape->verb)
		g_string_append_printf(out, " %s", shape->verb);
	if (l->kind == LANG_SCHED) {
		g_string_append_c(out, ' ');
		lang_print_mover(&l->u.sched, out);
	}
	for (const struct lang_field *f = shape->fields; f && f->key; f++) {
		if (!is_printed(l, f))
			continue;
		g_string_append_printf(out, " %s=", f->key);
		print_value(l, f, out);
	}
}

void lang_print_line(const struct lang_line *l, GString *out)
{
	if (l->text)
		g_string_append(out, l->text);
	else
		lang_print_canonical(l, out);
}
