/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a scenario as statements of C, in the words of harness/repro/core.c and threads.c.
 */
#include <string.h>

#include "harness/repro_priv.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

enum {
	MAPS_MAX = 16,   /* as in core.c */
	SLOTS_MAX = 500, /* above lies the program's own */
	WORDS_MAX = 65536,
};

/* Above lies the program's own memory. */
#define GPA_END 0xd0000000ULL

/* ---- what is possible ------------------------------------------------------------------------- */

static uint64_t real_at(const struct repro_names *names, uint64_t at)
{
	return at / names->block * names->real_block +
	       at % names->block / names->page * names->real_page;
}

static const char *why_not_region(const struct repro_names *names, const struct lang_region *r)
{
	if ((r->flags & LANG_MEM_USERFAULT) || r->has_bitmap)
		return "KVM_MEM_USERFAULT is no part of KVM so far";
	if (r->flags & LANG_MEM_GUEST_MEMFD)
		return "the program has no guest_memfd";
	if (*r->fail)
		return "user space cannot make the kernel's allocations fail at will";
	if (r->slot >= SLOTS_MAX)
		return "slots 0 to 499 of the first address space can be its own";
	if (r->size && r->loc.is_hva)
		return "its memory is what `host map` made";
	if (real_at(names, r->gpa) >= GPA_END || real_at(names, r->gpa + r->size) > GPA_END)
		return "memory from 0xd0000000 on is the program's own";
	return NULL;
}

static const char *why_not_guest(const struct repro_names *names, const struct lang_guest *g)
{
	uint64_t last = g->n - 1;

	if (g->pattern != LANG_PATTERN_SEQ || g->mix != 100 || *g->file)
		return "its vCPUs access one address after the other, all in the same way";
	if (g->limit != LANG_TIME_NONE || g->until_join)
		return "it has no simulated time";
	if (g->n > WORDS_MAX)
		return "at most 65536 accesses of a line are checked";
	if (real_at(names, g->gpa + last * g->stride + LANG_VCPUS_MAX * g->vstride) >= GPA_END)
		return "memory from 0xd0000000 on is the program's own";
	return NULL;
}

/* Range that a line of the host names lies in one mapping; the scenario was run, so it does. */
static const char *why_not_place(const struct lang_loc *loc)
{
	return loc->is_hva ? "its memory is what `host map` made" : NULL;
}

static const char *why_not_param(const struct lang_param *p)
{
	for (const char *c = p->value; *c; c++)
		if (!g_ascii_isalnum(*c))
			return "a parameter's value is letters and digits";
	return NULL;
}

const char *repro_why_not(const struct repro_names *names, const struct lang_line *l)
{
	switch ((int)l->kind) {
	case LANG_HOST_MAP:
		return l->u.host_map.uffd                           ? "it has no userfaultfd"
		       : l->u.host_map.backing >= LANG_BACKING_GMEM ? "it has no guest_memfd"
		       : names->maps->len == MAPS_MAX               ? "it has at most 16 mappings"
								    : NULL;
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
		return why_not_place(&l->u.host.loc);
	case LANG_HOST_PUNCH:
	case LANG_OP_SET_PRIVATE:
		return "it has no guest_memfd";
	case LANG_HOST_AGE:
		return "user space cannot call an ageing notifier at will";
	case LANG_OP_SET_REGION:
		return why_not_region(names, &l->u.region);
	case LANG_OP_GET_DIRTY:
	case LANG_OP_CLEAR_DIRTY:
		return l->u.log.slot >= SLOTS_MAX
			       ? "slots 0 to 499 of the first address space can be its own"
			       : NULL;
	case LANG_OP_PARAM:
		return why_not_param(&l->u.param);
	case LANG_OP_USER_BIT:
		return "KVM_MEM_USERFAULT is no part of KVM so far";
	case LANG_OP_PREFAULT:
		return "it has no KVM_PRE_FAULT_MEMORY";
	case LANG_OP_KVM_READ:
	case LANG_OP_KVM_WRITE:
		return "user space cannot make KVM access guest memory at will";
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
		return why_not_guest(names, &l->u.guest);
	default:
		return NULL;
	}
}

/* ---- statements ------------------------------------------------------------------------------- */

void repro_print_comment(const char *text, GString *out)
{
	for (const char *c = text; *c; c++) {
		g_string_append_c(out, *c);
		if (c[0] == '*' && c[1] == '/')
			g_string_append_c(out, ' ');
	}
}

static unsigned int map_of(const struct repro_names *names, const char *name)
{
	unsigned int i = 0;

	while (strcmp(g_ptr_array_index(names->maps, i), name) != 0)
		i++;
	return i;
}

static void print_region(const struct repro_names *names, const struct lang_region *r, GString *out)
{
	const uint32_t known = LANG_MEM_LOG_DIRTY_PAGES | LANG_MEM_READONLY;

	g_string_append_printf(out, "set_region(%u, " HEX ", " HEX ", ", r->slot, r->gpa, r->size);
	if (r->flags & ~known)
		g_string_append_printf(out, "0x%x", r->flags);
	else
		g_string_append_printf(
			out, "%s%s%s",
			(r->flags & LANG_MEM_LOG_DIRTY_PAGES) ? "KVM_MEM_LOG_DIRTY_PAGES" : "",
			(r->flags & known) == known ? " | " : "",
			(r->flags & LANG_MEM_READONLY) ? "KVM_MEM_READONLY"
			: r->flags                     ? ""
						       : "0");
	if (r->loc.is_hva)
		g_string_append(out, ", -1, 0)");
	else
		g_string_append_printf(out, ", %u, " HEX ")", map_of(names, r->loc.map),
				       r->loc.off);
}

static void print_clear(const struct lang_log *g, GString *out)
{
	g_string_append_printf(
		out, "clear_dirty(&(struct clear){ .slot = %u, .first = " HEX ", .n = " HEX,
		g->slot, g->first, g->n);
	if (!g->all) {
		g_string_append_printf(out, ", .nr_ranges = %u, .ranges = (const uint64_t[][2]){",
				       g->nr_ranges);
		for (unsigned int i = 0; i < g->nr_ranges; i++)
			g_string_append_printf(out, "%s { " HEX ", " HEX " }", i ? "," : "",
					       g->ranges[i].start, g->ranges[i].end);
		g_string_append(out, " }");
	}
	g_string_append(out, " })");
}

static void print_host(const struct repro_names *names, const struct lang_line *l, GString *out)
{
	static const char *const advice[] = {
		[LANG_ADVICE_DONTNEED] = "MADV_DONTNEED",
		[LANG_ADVICE_HUGEPAGE] = "MADV_HUGEPAGE",
		[LANG_ADVICE_NOHUGEPAGE] = "MADV_NOHUGEPAGE",
		[LANG_ADVICE_COLLAPSE] = "MADV_COLLAPSE",
		[LANG_ADVICE_FREE] = "MADV_FREE",
		[LANG_ADVICE_COLD] = "MADV_COLD",
		[LANG_ADVICE_PAGEOUT] = "MADV_PAGEOUT",
		[LANG_ADVICE_REMOVE] = "MADV_REMOVE",
		[LANG_ADVICE_POPULATE_READ] = "MADV_POPULATE_READ",
		[LANG_ADVICE_POPULATE_WRITE] = "MADV_POPULATE_WRITE",
	};
	const struct lang_host *h = &l->u.host;
	const char *name = strchr(lang_kind_name(l->kind), ' ') + 1;

	g_string_append_printf(out, "host_%s(%u, " HEX ", " HEX, name, map_of(names, h->loc.map),
			       h->loc.off, h->len);
	if (l->kind == LANG_HOST_TOUCH)
		g_string_append_printf(out, ", " HEX ", %s", h->stride,
				       h->write ? "true" : "false");
	else if (l->kind == LANG_HOST_MADVISE)
		g_string_append_printf(out, ", %s", advice[h->advice]);
	else if (l->kind == LANG_HOST_MPROTECT)
		g_string_append_printf(out, ", PROT_READ%s", h->prot_write ? " | PROT_WRITE" : "");
	g_string_append_c(out, ')');
}

static void print_map(const struct repro_names *names, const struct lang_host_map *m, GString *out)
{
	static const char *const backing[] = {
		[LANG_BACKING_ANON] = "ANON",     [LANG_BACKING_THP] = "THP",
		[LANG_BACKING_HUGE2M] = "HUGE2M", [LANG_BACKING_HUGE1G] = "HUGE1G",
		[LANG_BACKING_MEMFD] = "MEMFD",
	};

	g_string_append_printf(out, "host_map(%u, " HEX ", %s)", map_of(names, m->name), m->size,
			       backing[m->backing]);
}

void repro_print_request(const struct lang_guest *g, enum lang_kind kind, GString *out)
{
	const char *what = kind == LANG_GUEST_NOP    ? "NOP"
			   : kind == LANG_GUEST_READ ? "READ"
			   : kind == LANG_GUEST_EXEC ? "EXEC"
						     : "WRITE";

	g_string_append_printf(out, "{ .mask = " HEX ", .kind = %s, .gpa = " HEX, g->vcpu_mask,
			       what, g->gpa);
	g_string_append_printf(out, ", .n = %" G_GUINT64_FORMAT, kind == LANG_GUEST_NOP ? 1 : g->n);
	if (g->n > 1)
		g_string_append_printf(out, ", .stride = " HEX, g->stride);
	if (g->vstride)
		g_string_append_printf(out, ", .vstride = " HEX, g->vstride);
	if (g->over)
		g_string_append_printf(out, ", .over = " HEX, g->over);
	g_string_append(out, " }");
}

bool repro_has_code(const struct lang_line *l)
{
	return (l->kind >= LANG_HOST_MAP && l->kind <= LANG_OP_PARAM) ||
	       (l->kind >= LANG_GUEST_NOP && l->kind <= LANG_GUEST_EXEC);
}

void repro_print_line(const struct repro_names *names, const struct lang_line *l, GString *out)
{
	switch ((int)l->kind) {
	case LANG_HOST_MAP:
		print_map(names, &l->u.host_map, out);
		break;
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
		print_host(names, l, out);
		break;
	case LANG_OP_SET_REGION:
		print_region(names, &l->u.region, out);
		break;
	case LANG_OP_GET_DIRTY:
		g_string_append_printf(out, "get_dirty(%u)", l->u.log.slot);
		break;
	case LANG_OP_CLEAR_DIRTY:
		print_clear(&l->u.log, out);
		break;
	case LANG_OP_RESET_RINGS:
		g_string_append(out, "reset_rings()");
		break;
	case LANG_OP_PARAM:
		g_string_append_printf(out, "set_param(\"%s\", \"%s\")", l->u.param.name,
				       l->u.param.value);
		break;
	case LANG_GUEST_NOP:
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
		g_string_append(out, "guest(&(const struct request)");
		repro_print_request(&l->u.guest, l->kind, out);
		g_string_append_c(out, ')');
		break;
	default:
		g_assert_not_reached();
	}
	g_string_append_c(out, ';');
}
