/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/run_stats.h"

#include <string.h>

static void add(GArray *stats, uint64_t value, const char *unit, const char *text,
		const char *format, ...) G_GNUC_PRINTF(5, 6);

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): unit, sentence, then the name as a format */
static void add(GArray *stats, uint64_t value, const char *unit, const char *text,
		const char *format, ...)
{
	struct run_stat s = { .unit = unit, .text = text, .value = value };
	va_list ap;

	va_start(ap, format);
	g_vsnprintf(s.name, sizeof(s.name), format, ap);
	va_end(ap);
	g_array_append_val(stats, s);
}

static void add_kvm(GArray *stats, const struct kvm_stats *k, enum pt_arch arch)
{
#define X(name, text)                                                                              \
	if (arch == PT_X86 || strncmp(#name, "remote_tlb", strlen("remote_tlb")) == 0)             \
		add(stats, (uint64_t)k->name, "", text, #name);
	VM_STAT_LIST(X)
	VCPU_STAT_LIST(X)
#undef X
}

static void add_exits(GArray *stats, const struct timed_totals *t)
{
	static const char *const user[] = {
		[EXIT_DONE] = NULL,
		[EXIT_MMIO_WRITE] = "mmio_write",
		[EXIT_MMIO_READ] = "mmio_read",
		[EXIT_ERR] = "error",
		[EXIT_USERFAULT] = "userfault",
		[EXIT_RING_FULL] = "dirty_ring_full",
		[EXIT_INTERNAL_ERROR] = "internal_error",
		[EXIT_MEMORY_FAULT] = "memory_fault",
		[EXIT_USERFAULT_PRIVATE] = "userfault_private",
	};
	uint64_t sum = 0;

	for (int i = 0; i < TIMED_NR_EXITS; i++)
		sum += t->exits[i];
	add(stats, sum, "", "exits from the guest", "exits");
	for (int i = 0; i < TIMED_NR_EXITS; i++)
		add(stats, t->exits[i], "", "of these for this reason", "s2_exit_%s",
		    timed_exit_names[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(user); i++)
		if (user[i])
			add(stats, t->user_exits[i], "", "returns of KVM_RUN for this reason",
			    "s2_user_exit_%s", user[i]);
}

static void add_work(GArray *stats, const struct work *w)
{
#define X(name, text)                                                                              \
	add(stats, w->name, strcmp(#name, "user_ps") == 0 ? "ps" : "", text, "s2_" #name);
	WORK_LIST(X)
#undef X
}

static void add_locks(GArray *stats, const struct timed_totals *t)
{
	for (int i = 0; i < TIMED_NR_LOCKS; i++) {
		const struct lock_stats *l = &t->lock[i];

		add(stats, l->taken, "", "times taken", "s2_%s_taken", timed_lock_names[i]);
		add(stats, l->contended, "", "of these after waiting", "s2_%s_contended",
		    timed_lock_names[i]);
		add(stats, l->wait_ps, "ps", "waited for it, all actors", "s2_%s_wait",
		    timed_lock_names[i]);
		add(stats, l->wait_max_ps, "ps", "longest wait", "s2_%s_wait_max",
		    timed_lock_names[i]);
	}
}

static void add_stall(GArray *stats, const struct hist *h)
{
	add(stats, h->n, "", "times that a vCPU was outside of the guest in mid-line", "s2_stalls");
	add(stats, h->sum, "ps", "their sum, all vCPUs", "s2_stall");
	add(stats, hist_at(h, 500), "ps", "median", "s2_stall_p50");
	add(stats, hist_at(h, 990), "ps", "99th percentile", "s2_stall_p99");
	add(stats, h->max, "ps", "longest", "s2_stall_max");
}

static void add_states(GArray *stats, const struct timed_totals *t)
{
	for (int i = 0; i < TIMED_NR_STATES; i++)
		add(stats, t->state_ps[i], "ps", "spent so by all actors together", "s2_time_%s",
		    timed_state_names[i]);
	add(stats, t->steps, "", "atomic steps made", "s2_steps");
}

static void add_pages(GArray *stats, const uint64_t pages[3], uint64_t tables)
{
	static const char *const sizes[] = { "4k", "2m", "1g" };

	for (int i = 0; i < 3; i++)
		add(stats, pages[i], "leaves", "present at the end", "s2_pages_%s", sizes[i]);
	add(stats, tables, "pages", "second-stage table pages at the end", "s2_table_pages");
}

static struct run_part *part_new(const char *name, const struct timed_phase *p, enum pt_arch arch)
{
	struct run_part *part = g_new0(struct run_part, 1);

	g_strlcpy(part->name, name, sizeof(part->name));
	part->start_ps = p->start_ps;
	part->end_ps = p->end_ps;
	part->stats = g_array_new(FALSE, TRUE, sizeof(struct run_stat));
	add_exits(part->stats, &p->totals);
	add_kvm(part->stats, &p->totals.kvm, arch);
	add_stall(part->stats, &p->stall);
	add_locks(part->stats, &p->totals);
	add_pages(part->stats, p->pages, p->tables);
	add_states(part->stats, &p->totals);
	add_work(part->stats, &p->totals.work);
	return part;
}

static void part_free(gpointer p)
{
	struct run_part *part = p;

	g_array_unref(part->stats);
	g_free(part);
}

static void hist_merge(struct hist *to, const struct hist *from)
{
	to->n += from->n;
	to->sum += from->sum;
	to->max = MAX(to->max, from->max);
	for (size_t i = 0; i < G_N_ELEMENTS(to->bin); i++)
		to->bin[i] += from->bin[i];
}

/* The gauges of pages count what is there, as KVM's do. */
static void set_gauges(struct timed_phase *p)
{
	p->totals.kvm.pages_4k = (int64_t)p->pages[0];
	p->totals.kvm.pages_2m = (int64_t)p->pages[1];
	p->totals.kvm.pages_1g = (int64_t)p->pages[2];
}

struct run_result *run_result_new(const struct timed *t, const struct run_config *config)
{
	struct run_result *r = g_new0(struct run_result, 1);
	const GArray *phases = timed_phases(t);
	enum pt_arch arch = timed_vm(t)->cfg->rules.arch;
	struct timed_phase *whole = g_new0(struct timed_phase, 1);

	r->config = *config;
	r->timed = t;
	r->phases = g_ptr_array_new_with_free_func(part_free);
	for (guint i = 0; i < phases->len; i++) {
		struct timed_phase *p = &g_array_index(phases, struct timed_phase, i);
		uint64_t longest[TIMED_NR_LOCKS];

		set_gauges(p);
		g_ptr_array_add(r->phases, part_new(p->name, p, arch));
		hist_merge(&whole->stall, &p->stall);
		for (int l = 0; l < TIMED_NR_LOCKS; l++)
			longest[l] = MAX(whole->totals.lock[l].wait_max_ps,
					 p->totals.lock[l].wait_max_ps);
		whole->totals = *timed_totals(t);
		for (int l = 0; l < TIMED_NR_LOCKS; l++)
			whole->totals.lock[l].wait_max_ps = longest[l];
		whole->end_ps = p->end_ps;
		memcpy(whole->pages, p->pages, sizeof(whole->pages));
		whole->tables = p->tables;
	}
	set_gauges(whole);
	r->total = part_new("total", whole, arch);
	g_free(whole);
	return r;
}

void run_result_free(struct run_result *r)
{
	if (!r)
		return;
	g_ptr_array_unref(r->phases);
	part_free(r->total);
	g_free(r);
}

void run_actor_name(const struct vm *vm, uint32_t actor, char *name, size_t size)
{
	if (actor < vm->cfg->nr_vcpus)
		g_snprintf(name, size, "vcpu%u", actor);
	else
		g_strlcpy(name, actor == vm_actor_vmm(vm) ? "vmm" : "mm", size);
}
