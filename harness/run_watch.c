/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/run_watch.h"

#include <stdio.h>

#include "harness/run_stats.h"
#include "model/memslots.h"

enum {
	SPANS_MAX = 4000000,
	HEAT_ROWS = 128,  /* equal parts of each slot */
	HEAT_PROBES = 16, /* pages looked at in each */
	SHOW_EVERY_US = 200000,
	PERMILLE = 1000,
	US_PER_S = 1000000,
};

static const double ps_per_s = 1e12;

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the type of the callback */
void watch_span(void *arg, uint32_t actor, enum timed_state state, uint64_t from_ps, uint64_t to_ps)
{
	struct run_watch *w = arg;
	struct watch_span s = { from_ps, to_ps, actor, (uint32_t)state };

	w->full |= w->spans->len >= SPANS_MAX;
	if (!w->full)
		g_array_append_val(w->spans, s);
}

/* Of the probes in one part of a slot: how many stand in no leaf, and in leaves of each size. */
static void heat_row(const struct vm *vm, uint32_t root, struct gfn_range r, unsigned int count[4])
{
	uint64_t part = MAX((r.end - r.start) / HEAT_PROBES, 1);

	for (uint64_t i = 0; i < HEAT_PROBES; i++) {
		/* scattered: at the same place of each part all would stand at the start of a block */
		uint64_t scatter = (r.start + i) * 0x9e3779b97f4a7c15ULL >> 32;
		gfn_t gfn = r.start + (r.end - r.start) * i / HEAT_PROBES + scatter % part;
		struct pt_pos p = pt_lookup(&vm->pt, root, gfn);

		if (!pte_is_leaf(vm->pt.fmt, p.value, p.height))
			count[0]++;
		else
			count[1 + MIN(p.height, 2)]++;
	}
}

static uint32_t valid_root(const struct vm *vm)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++)
		if (vm->st->roots[i].in_use && !vm->st->roots[i].invalid)
			return vm->st->roots[i].table;
	return 0;
}

void watch_heat(void *arg, const struct timed *t, uint64_t now_ps)
{
	struct run_watch *w = arg;
	const struct vm *vm = timed_vm(t);
	unsigned int set = memslots_active(vm, 0);
	uint32_t root = valid_root(vm);

	if (w->heat->len == 0)
		g_string_append(w->heat, "time_ns,gpa,bytes,none,4k,2m,1g\n");
	for (uint32_t i = 0; i < vm->st->sets[0][set].count; i++) {
		const struct memslot *s = &vm->slots[memslots_ids(vm, 0, set)[i]];

		for (uint64_t row = 0; row < HEAT_ROWS; row++) {
			struct gfn_range r = { s->base_gfn + s->npages * row / HEAT_ROWS,
					       s->base_gfn + s->npages * (row + 1) / HEAT_ROWS };
			unsigned int count[4] = { 0 };

			if (r.end == r.start)
				continue;
			if (root)
				heat_row(vm, root, r, count);
			else
				count[0] = HEAT_PROBES;
			g_string_append_printf(w->heat,
					       "%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT
					       ",%" G_GUINT64_FORMAT ",%u,%u,%u,%u\n",
					       now_ps / 1000, r.start << vm->cfg->geom.page_shift,
					       (r.end - r.start) << vm->cfg->geom.page_shift,
					       count[0], count[1], count[2], count[3]);
		}
	}
}

void watch_progress(void *arg, uint64_t now_ps, unsigned int permille)
{
	struct run_watch *w = arg;
	gint64 now;

	if (!w->started)
		return;
	now = g_get_monotonic_time();
	if (now - w->shown < SHOW_EVERY_US)
		return;
	w->shown = now;
	fprintf(stderr, "\r\033[K%5.1f %% of the lines, %.6f s simulated, %.0f s", permille / 10.0,
		(double)now_ps / ps_per_s, (double)(now - w->started) / US_PER_S);
	if (permille > 0)
		fprintf(stderr, ", about %.0f s left",
			(double)(now - w->started) / US_PER_S * (PERMILLE - permille) / permille);
	fflush(stderr);
}

void watch_end(const struct run_watch *w)
{
	if (w->started && w->shown) {
		fprintf(stderr, "\r\033[K");
		fflush(stderr);
	}
}

void watch_timeline(const struct run_watch *w, const struct vm *vm, GString *out)
{
	g_string_append(out, "actor,state,start_ns,end_ns\n");
	for (guint i = 0; i < w->spans->len; i++) {
		const struct watch_span *s = &g_array_index(w->spans, struct watch_span, i);
		char name[16];

		run_actor_name(vm, s->actor, name, sizeof(name));
		g_string_append_printf(
			out, "%s,%s,%" G_GUINT64_FORMAT ".%03u,%" G_GUINT64_FORMAT ".%03u\n", name,
			timed_state_names[s->state], s->from_ps / 1000,
			(unsigned int)(s->from_ps % 1000), s->to_ps / 1000,
			(unsigned int)(s->to_ps % 1000));
	}
}
