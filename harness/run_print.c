/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a timed run, in the manner of perf stat.
 */
#include <string.h>

#include "harness/run_stats.h"

/* A number with its thousands apart. */
static void print_grouped(uint64_t value, int width, GString *out)
{
	char text[32], digits[24];
	size_t len, n = 0;

	g_snprintf(digits, sizeof(digits), "%" G_GUINT64_FORMAT, value);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[n++] = ',';
		text[n++] = digits[i];
	}
	text[n] = '\0';
	g_string_append_printf(out, "%*s", width, text);
}

/* Four digits in the unit that fits. */
static void print_time(uint64_t ps, int width, GString *out)
{
	static const struct {
		const char *unit;
		uint64_t ps;
	} units[] = {
		{ "s ", 1000000000000 },
		{ "ms", 1000000000 },
		{ "us", 1000000 },
		{ "ns", 1000 },
	};
	size_t i = 0;

	while (i + 1 < G_N_ELEMENTS(units) && ps < units[i].ps)
		i++;
	g_string_append_printf(out, "%*.3f %s", width - 3, (double)ps / (double)units[i].ps,
			       units[i].unit);
}

static uint64_t stat_of(const struct run_part *p, const char *name)
{
	for (guint i = 0; i < p->stats->len; i++) {
		const struct run_stat *s = &g_array_index(p->stats, struct run_stat, i);

		if (strcmp(s->name, name) == 0)
			return s->value;
	}
	return 0;
}

static void print_config(const struct run_result *r, GString *out)
{
	const struct run_config *c = &r->config;

	g_string_append_printf(out, "\n Run of '%s', scenario '%s'\n", c->file, c->scenario);
	g_string_append_printf(out,
			       " policy %s%s, profile %s, %u vCPU%s, seed %" G_GUINT64_FORMAT "\n",
			       c->policy, c->recorded ? "" : " (unrecorded base)", c->profile,
			       c->vcpus, c->vcpus == 1 ? "" : "s", c->seed);
	if (!c->quantum_ps)
		return;
	g_string_append(out, " quantum ");
	lang_print_time(c->quantum_ps, out);
	if (r->difference.known)
		g_string_append_printf(
			out,
			": NOT exact; against the exact run a phase's time differs by "
			"at most %.3f %% ('%s')\n",
			r->difference.max_percent, r->difference.phase);
	else
		g_string_append(out, ": NOT exact\n");
}

static void print_phases(const struct run_result *r, GString *out)
{
	static const char *const columns[] = { "s2_access", "exits", "s2_exit_fault",
					       "remote_tlb_flush_requests", "s2_ipi" };

	g_string_append_printf(out, "\n %-18s %13s %14s %12s %12s %9s %9s %12s %12s\n", "phase",
			       "time", "accesses", "exits", "faults", "flushes", "IPIs",
			       "mmu_lock wait", "stall p99");
	for (guint i = 0; i < r->phases->len; i++) {
		const struct run_part *p = g_ptr_array_index(r->phases, i);
		static const int width[] = { 14, 12, 12, 9, 9 };

		g_string_append_printf(out, " %-18s ", p->name);
		print_time(p->end_ps - p->start_ps, 13, out);
		for (size_t k = 0; k < G_N_ELEMENTS(columns); k++) {
			g_string_append_c(out, ' ');
			print_grouped(stat_of(p, columns[k]), width[k], out);
		}
		g_string_append_c(out, ' ');
		print_time(stat_of(p, "s2_mmu_lock_wait"), 13, out);
		g_string_append_c(out, ' ');
		print_time(stat_of(p, "s2_stall_p99"), 12, out);
		g_string_append_c(out, '\n');
	}
}

static void print_vcpus(const struct run_result *r, GString *out)
{
	const struct vm *vm = timed_vm(r->timed);

	g_string_append_printf(out, "\n %-8s %14s %13s %12s %12s %12s %12s %12s\n", "vCPU",
			       "accesses", "in guest", "exits", "stall", "p50", "p99", "max");
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		const struct vcpu_totals *t = timed_vcpu(r->timed, v);

		g_string_append_printf(out, " vcpu%-4u ", v);
		print_grouped(t->accesses, 14, out);
		g_string_append_c(out, ' ');
		print_time(t->guest_ps, 13, out);
		g_string_append_c(out, ' ');
		print_grouped(t->exits, 12, out);
		g_string_append_c(out, ' ');
		print_time(t->stall.sum, 12, out);
		g_string_append_c(out, ' ');
		print_time(hist_at(&t->stall, 500), 12, out);
		g_string_append_c(out, ' ');
		print_time(hist_at(&t->stall, 990), 12, out);
		g_string_append_c(out, ' ');
		print_time(t->stall.max, 12, out);
		g_string_append_c(out, '\n');
	}
}

static void print_lines(const struct run_result *r, GString *out)
{
	const GArray *lines = timed_lines(r->timed);

	g_string_append_printf(out, "\n %-6s %13s %13s %8s  %s\n", "actor", "begins", "takes",
			       "ret", "ioctl or host operation");
	for (guint i = 0; i < lines->len; i++) {
		const struct timed_line *l = &g_array_index(lines, struct timed_line, i);
		char name[16];

		if (l->actor < timed_vm(r->timed)->cfg->nr_vcpus)
			continue;
		run_actor_name(timed_vm(r->timed), l->actor, name, sizeof(name));
		g_string_append_printf(out, " %-6s ", name);
		print_time(l->start_ps, 13, out);
		g_string_append_c(out, ' ');
		print_time(l->end_ps - l->start_ps, 13, out);
		if (l->ret < 0)
			g_string_append_printf(out, " -%7s", lang_errno_name(l->ret));
		else
			g_string_append_printf(out, " %8d", l->ret);
		g_string_append(out, "  ");
		lang_print_line(l->line, out);
		g_string_append_c(out, '\n');
	}
}

static void print_stats(const struct run_result *r, GString *out)
{
	g_string_append_printf(out, "\n Counters of the whole run:\n\n");
	for (guint i = 0; i < r->total->stats->len; i++) {
		const struct run_stat *s = &g_array_index(r->total->stats, struct run_stat, i);

		if (s->value == 0)
			continue;
		if (strcmp(s->unit, "ps") == 0) {
			print_time(s->value, 20, out);
		} else {
			print_grouped(s->value, 17, out);
			g_string_append(out, "   ");
		}
		g_string_append_printf(out, "  %-30s # %s\n", s->name, s->text);
	}
	g_string_append_c(out, '\n');
	print_time(r->total->end_ps, 20, out);
	g_string_append(out, "  of simulated time\n\n");
}

void run_print(const struct run_result *r, GString *out)
{
	print_config(r, out);
	print_phases(r, out);
	print_lines(r, out);
	print_vcpus(r, out);
	print_stats(r, out);
}
