/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench_run [GIB...]
 *
 * How fast the timed driver is, end to end.  One vCPU: accesses a second that mostly hit the first TLB
 * level, mostly the second, and that mostly miss and walk over guest memory of the sizes given, all mapped
 * by 4 KiB leaves of EPT (default 1, 64 and 1024 GiB), from a generator and from a binary trace file, each
 * beside a bare loop (bench_bare.h) over the same accesses in the same run.  Then faults a second, events a
 * second with 16 vCPUs, and peak memory.  0 is 16 MiB and few accesses, to see whether it still runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <glib/gstdio.h>

#include "harness/access_trace.h"
#include "harness/bench_bare.h"
#include "harness/bench_clock.h"
#include "harness/profile.h"
#include "mmu/x86_pt.h"
#include "model/timed.h"
#include "traces/record.h"

enum {
	RUNS = 3,
	ACCESSES = 1 << 25,
	ACCESSES_WALK = 1 << 23,
	ACCESSES_QUICK = 1 << 14,
	TRACE_MAX = 1 << 23,
	MAX_GIB = 2048,
};

static const char policy[] = "x86-6.12+machine=ept";

/* What the run under way is to do when a line asks for a file. */
struct bench {
	struct cost_profile profile;
	struct access_traces *traces;
	struct timed *timed;
	uint64_t gib, pages;
	uint64_t n;        /* accesses measured */
	uint64_t began_ns; /* when the measured line began */
	uint64_t ended_ns; /* when it was over; then pages are counted, which is not measured */
};

static void die(const char *what)
{
	fprintf(stderr, "bench_run: %s\n", what);
	exit(1);
}

/* The VM's tables as if every page had been touched long ago. */
static void map_all(struct bench *b)
{
	static const struct spte_parts rwx = { .access = ACC_RWX,
					       .accessed = true,
					       .dirty = true,
					       .host_writable = true,
					       .mmu_writable = true };
	struct pt pt = timed_vm(b->timed)->pt;
	const struct vm_state *st = timed_vm(b->timed)->st;
	struct work wk = { 0 };

	if (!x86_map_range(&pt, x86_fmt_get(X86_SPTE_612, X86_EPT), st->roots[0].table,
			   (struct gfn_range){ 0, b->pages }, st->maps[0].pfn0, 0, &rwx, &wk))
		die("the pool of table pages is full");
}

/* Lines before the measured one name these files. */
static const struct access_file *on_file(void *arg, const char *name, GError **error)
{
	static const uint64_t word;
	static const struct access_file one = { &word, 1 };
	struct bench *b = arg;

	if (strcmp(name, "map") == 0)
		map_all(b);
	else if (strcmp(name, "go") == 0)
		b->began_ns = now_ns();
	else if (strcmp(name, "end") == 0)
		b->ended_ns = now_ns();
	else
		return access_traces_get(b->traces, name, error);
	return &one;
}

/* Runs a scenario; the time of its last block in ns. */
static uint64_t run_text(struct bench *b, const char *text, uint64_t *steps)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) lines = g_ptr_array_new();
	struct record *file = record_parse(text, strlen(text), "bench", &error);
	const struct record_scenario *scen;
	struct timed_cfg cfg;
	uint64_t ns;

	if (!file)
		die(error->message);
	scen = g_ptr_array_index(file->scenarios, 0);
	for (guint i = 0; i < scen->steps->len; i++) {
		struct record_step *step = g_ptr_array_index(scen->steps, i);

		g_ptr_array_add(lines, &step->input);
	}
	cfg = (struct timed_cfg){ .scenario = &scen->header.u.scenario,
				  .policy = policy,
				  .profile = &b->profile,
				  .lines = (const struct lang_line *const *)lines->pdata,
				  .nr_lines = lines->len,
				  .file = on_file,
				  .arg = b };
	b->timed = timed_new(&cfg, &error);
	if (!b->timed || !timed_run(b->timed, &error))
		die(error->message);
	ns = b->ended_ns - b->began_ns;
	if (steps)
		*steps = timed_totals(b->timed)->activations;
	timed_free(b->timed);
	record_free(file);
	return ns;
}

/* ---- accesses -------------------------------------------------------------------------------- */

struct stream {
	const char *name;
	uint64_t pages;
	uint64_t n;
};

static struct op op_of(const struct stream *s)
{
	return (struct op){
		.n = s->n, .over = s->pages, .pattern = ACCESS_UNIFORM, .access = ACC_R
	};
}

static char *write_trace(const struct stream *s)
{
	uint64_t n = s->n < TRACE_MAX ? s->n : TRACE_MAX;
	g_autofree uint64_t *words = g_new(uint64_t, n + 2);
	g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
	char *path = g_build_filename(dir, "accesses", NULL);
	struct op op = op_of(s);

	memcpy(words, ACCESS_TRACE_MAGIC, sizeof(*words));
	words[1] = n;
	for (uint64_t i = 0; i < n; i++)
		words[2 + i] = access_at(&op, NULL, i, 12).gpa;
	if (!g_file_set_contents(path, (const char *)words, (gssize)((n + 2) * sizeof(*words)),
				 NULL))
		die("cannot write a trace");
	return path;
}

static uint64_t run_stream(struct bench *b, const struct stream *s, const char *trace)
{
	uint64_t bytes = b->pages << 12;
	g_autofree char *source =
		trace ? g_strdup_printf("file=%s", trace)
		      : g_strdup_printf("pattern=uniform over=%" G_GUINT64_FORMAT, s->pages << 12);
	g_autofree char *text = g_strdup_printf(
		"scenario name=bench arch=x86 vcpus=1 code=0 trace=0\n"
		"host map name=m0 size=%" G_GUINT64_FORMAT " backing=anon\n"
		"op set_region slot=0 gpa=0 size=%" G_GUINT64_FORMAT " flags=none map=m0+0\n"
		"guest read vcpu=0 gpa=0\n"
		"guest read vcpu=0 gpa=0 file=map\n"
		"guest read vcpu=0 gpa=0 file=go\n"
		"guest read vcpu=0 gpa=0 n=%" G_GUINT64_FORMAT " %s\n"
		"guest read vcpu=0 gpa=0 file=end\n",
		bytes, bytes, s->n, source);

	return run_text(b, text, NULL);
}

/* A table of its own for the bare loop. */
struct bare_vm {
	struct pt pt;
	struct pt_head head;
	uint32_t root;
	const struct x86_fmt *f;
};

static struct bare_vm *bare_new(const struct bench *b)
{
	static const struct spte_parts rwx = { .access = ACC_RWX, .accessed = true, .dirty = true };
	struct bare_vm *v = g_new0(struct bare_vm, 1);
	struct work wk = { 0 };

	if (!geom_find("ept4", &v->pt.geom))
		die("no geometry");
	v->f = x86_fmt_get(X86_SPTE_612, X86_EPT);
	v->pt.fmt = &v->f->pte;
	v->pt.capacity = (uint32_t)(b->pages / geom_entries(&v->pt.geom) * 65 / 64) + 64;
	v->pt.pfn0 = BIT(v->pt.geom.pa_bits - v->pt.geom.page_shift - 1);
	v->pt.entries =
		g_malloc0(((size_t)v->pt.capacity << v->pt.geom.index_bits) * sizeof(pte_t));
	v->pt.meta = g_new0(struct pt_meta, v->pt.capacity);
	v->pt.head = &v->head;
	pt_init(&v->pt);
	v->root = pt_alloc_root(&v->pt, &wk);
	if (!x86_map_range(&v->pt, v->f, v->root, (struct gfn_range){ 0, b->pages }, 0, 0, &rwx,
			   &wk))
		die("the bare pool is full");
	return v;
}

static void bare_free(struct bare_vm *v)
{
	g_free(v->pt.entries);
	g_free(v->pt.meta);
	g_free(v);
}

static __attribute__((noinline)) uint64_t run_bare(const struct bare_vm *v, const struct stream *s)
{
	struct bare *bare = g_new0(struct bare, 1);
	struct op op = op_of(s);
	uint64_t sum = 0, t0 = now_ns(), ns;

	for (uint64_t i = 0; i < s->n; i++) {
		gfn_t gfn = access_at(&op, NULL, i, 12).gpa >> 12;

		if (!bare_ref(bare->l1[gfn % BARE_L1_SETS], BARE_L1_WAYS, gfn + 1) &&
		    !bare_ref(bare->l2[gfn % BARE_L2_SETS], BARE_L2_WAYS, gfn + 1))
			sum += bare_walk(&v->pt, v->root, v->f->r, gfn);
	}
	ns = now_ns() - t0;
	if (sum == 1)
		die("impossible"); /* so that no walk is left out */
	g_free(bare);
	return ns;
}

static void measure(struct bench *b, const struct bare_vm *v, const struct stream *s, double floor)
{
	g_autofree char *trace = write_trace(s);
	g_autofree char *dir = g_path_get_dirname(trace);
	uint64_t generator = UINT64_MAX, file = UINT64_MAX, bare = UINT64_MAX;
	double rate, n = (double)s->n * 1e3;

	for (int i = 0; i < RUNS; i++) {
		generator = MIN(generator, run_stream(b, s, NULL));
		file = MIN(file, run_stream(b, s, trace));
		bare = MIN(bare, run_bare(v, s));
	}
	g_unlink(trace);
	g_rmdir(dir);
	rate = n / (double)MAX(generator, file);
	printf("%8.3f  %-22s %9.1f %9.1f %9.1f %7.2f %s\n", (double)b->pages * 4096 / (1 << 30),
	       s->name, n / (double)generator, n / (double)file, n / (double)bare,
	       (double)bare / (double)MAX(generator, file), floor > 0 && rate < floor ? "!" : "");
	fflush(stdout);
}

static void bench_size(struct bench *b, uint64_t gib)
{
	uint64_t n = gib ? ACCESSES : ACCESSES_QUICK, walks = gib ? ACCESSES_WALK : ACCESSES_QUICK;
	struct bare_vm *v;

	b->pages = gib ? gib << 18 : 1U << 12;
	v = bare_new(b);
	/* the aims hold for a machine like the one of the committed results */
	measure(b, v, &(struct stream){ "first-level hits", BARE_L1_PAGES, n }, gib ? 45 : 0);
	measure(b, v, &(struct stream){ "second-level hits", BARE_L2_PAGES, n }, gib ? 40 : 0);
	measure(b, v, &(struct stream){ "misses and walks", b->pages, walks }, gib == 1 ? 15 : 0);
	bare_free(v);
}

/* ---- faults and events ----------------------------------------------------------------------- */

static void bench_faults(struct bench *b, bool quick)
{
	static const char head[] = "scenario name=bench arch=x86 vcpus=1 code=0 trace=0\n"
				   "host map name=m0 size=4GiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=4GiB flags=none map=m0+0\n"
				   "guest read vcpu=0 gpa=0 file=go\n";
	uint64_t n = quick ? 1024 : 1 << 20, ns = UINT64_MAX;
	g_autofree char *text =
		g_strdup_printf("%sguest write vcpu=0 gpa=0 n=%" G_GUINT64_FORMAT "\n"
				"guest read vcpu=0 gpa=0 file=end\n",
				head, n);

	for (int i = 0; i < RUNS; i++)
		ns = MIN(ns, run_text(b, text, NULL));
	printf("%-52s %9.3f\n", "faults on 4 KiB pages, 1 vCPU, M/s", (double)n * 1e3 / (double)ns);
}

static void bench_events(struct bench *b, bool quick)
{
	g_autofree char *text =
		g_strdup_printf("scenario name=bench arch=x86 vcpus=16 code=0 trace=0\n"
				"host map name=m0 size=4GiB backing=anon\n"
				"op set_region slot=0 gpa=0 size=4GiB flags=none map=m0+0\n"
				"guest read vcpu=0 gpa=0 file=go\n"
				"guest write vcpu=0-15 gpa=0 n=%d vstride=256MiB\n"
				"guest read vcpu=0 gpa=0 file=end\n",
				quick ? 64 : 1 << 15);
	uint64_t ns = UINT64_MAX, events = 0;

	for (int i = 0; i < RUNS; i++)
		ns = MIN(ns, run_text(b, text, &events));
	printf("%-52s %9.3f\n", "faults on 4 KiB pages, 16 vCPUs, M/s",
	       (double)(quick ? 64 : 1 << 15) * 16 * 1e3 / (double)ns);
	printf("%-52s %9.3f\n", "events of the same, M/s", (double)events * 1e3 / (double)ns);
}

int main(int argc, char **argv)
{
	const char *preset[] = { "1", "64", "1024" };
	int n = argc > 1 ? argc - 1 : 3;
	struct bench *b = g_new0(struct bench, 1);
	struct rusage usage;
	bool quick = false;

	if (!profile_find("intel-cascadelake", &b->profile, NULL))
		die("no profile");
	b->traces = access_traces_new();
	printf("%8s  %-22s %9s %9s %9s %7s\n", "GiB", "accesses, M/s", "generator", "file", "bare",
	       "ratio");
	for (int i = 0; i < n; i++) {
		const char *text = argc > 1 ? argv[i + 1] : preset[i];
		char *end;
		unsigned long gib = strtoul(text, &end, 10);

		if (end == text || *end != '\0' || gib > MAX_GIB) {
			fprintf(stderr, "usage: bench_run [GIB...]   0 to %d, found '%s'\n",
				MAX_GIB, text);
			return 2;
		}
		quick |= gib == 0;
		bench_size(b, gib);
	}
	bench_faults(b, quick);
	bench_events(b, quick);
	getrusage(RUSAGE_SELF, &usage);
	printf("%-52s %9.0f\n", "peak memory, MiB", (double)usage.ru_maxrss / 1024);
	access_traces_free(b->traces);
	g_free(b);
	return 0;
}
