/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench_mmu [GIB...]
 *
 * How fast the bulk operations of mmu/ are, each beside a plain loop that does the same to a bare
 * array of descriptors, and how much memory a mapped 4 KiB page costs.  Sizes default to 1 and 64
 * GiB of guest memory; 0 is 16 MiB, for a quick look whether it still runs.
 *
 * Rates are descriptors changed per second; the best of some runs, as long as the others of the
 * machine leave us alone.  "times" is the time of the operation in times of the loop.
 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the C library asks for it */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, MAP_POPULATE */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "harness/bench_clock.h"
#include "mmu/s2_pt.h"
#include "mmu/x86_pt.h"

enum {
	RUNS_MAX = 9,
	DIRTY_BITS_A_PAGE = 2, /* KVM keeps a bitmap and a copy of it to hand out */
	BITS_A_BYTE = 8,
};

/* One machine with its tables, and the bare array. */
struct bench {
	struct pt pt;
	struct pt_head head;
	const struct x86_fmt *f;
	struct s2_cfg cfg;
	uint32_t root;
	uint64_t pages;
	pte_t *array;
	struct work wk;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_mmu: %s\n", what);
	exit(1);
}

/* Zeroed memory, touched already: the first touch is the business of the machine's kernel. */
static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("out of address space");
	return p;
}

/* Table pages for 4 KiB leaves everywhere, with room for the levels above. */
static uint32_t tables_for(const struct bench *b)
{
	return (uint32_t)(b->pages / geom_entries(&b->pt.geom) * 65 / 64) + 64;
}

static void bench_init(struct bench *b, const char *geom, uint64_t pages)
{
	*b = (struct bench){ .pages = pages, .head = { 0 } };
	if (!geom_find(geom, &b->pt.geom))
		die("unknown geometry");
	b->f = x86_fmt_get(X86_SPTE_612, X86_EPT);
	b->pt.fmt = b->pt.geom.arch == PT_X86 ? &b->f->pte : s2_fmt_of(&b->pt.geom);
	b->cfg = (struct s2_cfg){
		.fwb = true, .dic = true, .locked_marker = true, .range_ops = true, .cache_line = 64
	};
	b->pt.capacity = tables_for(b);
	b->pt.pfn0 = BIT(b->pt.geom.pa_bits - b->pt.geom.page_shift - 1);
	b->pt.entries = reserve(((size_t)b->pt.capacity << b->pt.geom.index_bits) * sizeof(pte_t));
	b->pt.meta = reserve(b->pt.capacity * sizeof(struct pt_meta));
	b->pt.head = &b->head;
	b->array = reserve(pages * sizeof(pte_t));
	pt_init(&b->pt);
	b->root = pt_alloc_root(&b->pt, &b->wk);
}

static void bench_fini(struct bench *b)
{
	munmap(b->pt.entries, ((size_t)b->pt.capacity << b->pt.geom.index_bits) * sizeof(pte_t));
	munmap(b->pt.meta, b->pt.capacity * sizeof(struct pt_meta));
	munmap(b->array, b->pages * sizeof(pte_t));
}

/* --- The plain loops: the same decision and the same store for each descriptor of an array. */

static const struct spte_parts rw = { .access = ACC_RWX,
				      .accessed = true,
				      .dirty = true,
				      .host_writable = true,
				      .mmu_writable = true };

static pte_t leaf_for(const struct bench *b, unsigned int height)
{
	if (b->pt.geom.arch == PT_X86)
		return spte_make_leaf(b->f, height, &rw);
	return s2_make_leaf(b->pt.fmt, height, 0, ACC_RWX, S2_NORMAL, true);
}

static __attribute__((noinline)) uint64_t plain_map(struct bench *b)
{
	pte_t *a = b->array;
	uint64_t proto = leaf_for(b, 0).v, n = 0;

	for (uint64_t i = 0; i < b->pages; i++) {
		n += !(a[i].v & b->pt.fmt->present);
		a[i].v = proto | i << b->pt.geom.page_shift;
	}
	return n;
}

static __attribute__((noinline)) uint64_t plain_wrprot(struct bench *b)
{
	pte_t *a = b->array;
	uint64_t w = b->pt.geom.arch == PT_X86 ? b->f->w : S2_AP_W, n = 0;

	for (uint64_t i = 0; i < b->pages; i++)
		if ((a[i].v & b->pt.fmt->present) && (a[i].v & w)) {
			a[i].v &= ~w;
			n++;
		}
	return n;
}

static __attribute__((noinline)) uint64_t plain_unmap(struct bench *b)
{
	pte_t *a = b->array;
	uint64_t n = 0;

	for (uint64_t i = 0; i < b->pages; i++)
		if (a[i].v & b->pt.fmt->present) {
			a[i].v = b->pt.fmt->empty;
			n++;
		}
	return n;
}

/* Children of blocks whose descriptors are made on the way. */
static __attribute__((noinline)) uint64_t plain_split(struct bench *b)
{
	uint32_t entries = geom_entries(&b->pt.geom);
	uint64_t block = leaf_for(b, 1).v, page = leaf_for(b, 0).v;
	uint64_t step = 1ULL << b->pt.geom.page_shift;
	pte_t *a = b->array;

	for (uint64_t i = 0; i < b->pages; i += entries) {
		uint64_t first = (block & page) | (page & ~block) | i * step;

		for (uint32_t k = 0; k < entries; k++)
			a[i + k].v = first + k * step;
	}
	return b->pages;
}

/* --- The operations. */

static struct gfn_range all(const struct bench *b)
{
	return (struct gfn_range){ 0, b->pages };
}

static uint64_t x86_map(struct bench *b, unsigned int height)
{
	if (!x86_map_range(&b->pt, b->f, b->root, all(b), 0, height, &rw, &b->wk))
		die("pool is full");
	return b->pages >> geom_shift(&b->pt.geom, height);
}

static uint64_t s2_run(struct bench *b, struct s2_op *op, uint64_t entries)
{
	op->access = ACC_RWX;
	if (s2_op_sync(&b->pt, &b->cfg, op, NULL, NULL, &b->wk) != S2_DONE)
		die("operation did not end");
	return entries;
}

static uint64_t s2_map(struct bench *b, bool pages)
{
	struct s2_op op = s2_op_init(&b->pt, S2_OP_MAP, b->root, all(b));

	op.force_pte = pages;
	return s2_run(b, &op, b->pages >> (pages ? 0 : geom_shift(&b->pt.geom, 1)));
}

static uint64_t do_map(struct bench *b)
{
	return b->pt.geom.arch == PT_X86 ? x86_map(b, 0) : s2_map(b, true);
}

static uint64_t do_wrprot(struct bench *b)
{
	struct x86_visit a = { .f = b->f };
	struct walk w = walk_init(&b->pt, b->root, all(b), 0, 0);
	struct s2_op op = s2_op_init(&b->pt, S2_OP_WRPROT, b->root, all(b));

	if (b->pt.geom.arch == PT_ARM64)
		return s2_run(b, &op, b->pages);
	x86_wrprot(&b->pt, &w, &a, UINT_MAX, &b->wk);
	return a.count;
}

/* Arm: with range invalidation and forced write-back, leaves go without a TLBI each. */
static uint64_t do_unmap(struct bench *b)
{
	struct x86_visit a = { .f = b->f };
	struct walk w = walk_init(&b->pt, b->root, all(b), 0, 0);
	struct s2_op op = s2_op_init(&b->pt, S2_OP_UNMAP, b->root, all(b));

	op.defer = true;
	if (b->pt.geom.arch == PT_ARM64)
		return s2_run(b, &op, b->pages);
	x86_zap_leafs(&b->pt, &w, &a, UINT_MAX, &b->wk);
	return a.count;
}

/* Each block becomes a full table; x86 as KVM does it, leaf found by leaf found. */
static uint64_t do_split(struct bench *b)
{
	struct x86_visit a = { .f = b->f, .height = 1 };
	struct walk w = walk_init(&b->pt, b->root, all(b), 0, 0);
	struct s2_op op = s2_op_init(&b->pt, S2_OP_SPLIT, b->root, all(b));

	if (b->pt.geom.arch == PT_ARM64)
		return s2_run(b, &op, b->pages);
	while (x86_find_leaf(&b->pt, &w, &a, UINT_MAX, &b->wk) == WALK_STOP) {
		struct pt_pos at = pt_lookup(&b->pt, b->root, w.gfn);

		if (!x86_split_leaf(&b->pt, b->f, at.table, at.index, false, &b->wk))
			die("pool is full");
		walk_leave(&b->pt, &w);
	}
	return b->pages;
}

/* --- Measuring. */

struct sample {
	uint64_t ns;
	uint64_t plain_ns;
};

static void best(uint64_t *to, uint64_t ns)
{
	if (*to == 0 || ns < *to)
		*to = ns;
}

/* An operation and the loop that it is compared with. */
struct pair {
	uint64_t (*op)(struct bench *b);
	uint64_t (*plain)(struct bench *b);
};

static void measure(struct bench *b, struct pair p, struct sample *s)
{
	uint64_t t0 = now_ns(), n = p.op(b), t1 = now_ns(), m = p.plain(b), t2 = now_ns();

	if (n != b->pages || m != b->pages)
		die("an operation changed another number of descriptors than expected");
	best(&s->ns, t1 - t0);
	best(&s->plain_ns, t2 - t1);
}

static void print_rate(const struct bench *b, const char *op, const struct sample *s)
{
	double pages = (double)b->pages;

	printf("%-12s %8.3f  %-14s %10.0f %10.0f %8.2f\n", b->pt.geom.name,
	       pages * (double)geom_page_size(&b->pt.geom) / (1 << 30), op,
	       pages * 1e3 / (double)s->ns, pages * 1e3 / (double)s->plain_ns,
	       (double)s->ns / (double)s->plain_ns);
}

static double bytes_a_page(const struct bench *b)
{
	double table = (double)sizeof(pte_t) * geom_entries(&b->pt.geom) + sizeof(struct pt_meta);

	return b->head.nr_live * table / (double)b->pages + (double)DIRTY_BITS_A_PAGE / BITS_A_BYTE;
}

static void map_blocks(struct bench *b)
{
	if (b->pt.geom.arch == PT_X86)
		x86_map(b, 1);
	else
		s2_map(b, false);
}

/* Arm maps 1 GiB blocks where it can; the first split of those is not what is measured. */
static void to_small_blocks(struct bench *b)
{
	struct s2_op op;

	if (b->pt.geom.arch == PT_X86)
		return;
	b->pt.geom.max_leaf_height = 1;
	op = s2_op_init(&b->pt, S2_OP_UNMAP, b->root, all(b));
	op.defer = true;
	s2_run(b, &op, 0);
}

static void bench_machine(const char *geom, uint64_t pages, unsigned int runs)
{
	struct sample map = { 0 }, wrprot = { 0 }, unmap = { 0 }, split = { 0 };
	double bytes = 0;

	for (unsigned int i = 0; i < runs; i++) {
		struct bench b;

		bench_init(&b, geom, pages);
		measure(&b, (struct pair){ do_map, plain_map }, &map);
		bytes = bytes_a_page(&b);
		measure(&b, (struct pair){ do_wrprot, plain_wrprot }, &wrprot);
		measure(&b, (struct pair){ do_unmap, plain_unmap }, &unmap);
		to_small_blocks(&b);
		map_blocks(&b);
		measure(&b, (struct pair){ do_split, plain_split }, &split);
		if (i + 1 == runs) {
			print_rate(&b, "map", &map);
			print_rate(&b, "write-protect", &wrprot);
			print_rate(&b, "unmap", &unmap);
			print_rate(&b, "split", &split);
			printf("%-12s %8.3f  %-14s %10.3f\n", geom,
			       (double)pages * (double)geom_page_size(&b.pt.geom) / (1 << 30),
			       "bytes a page", bytes);
		}
		bench_fini(&b);
	}
}

int main(int argc, char **argv)
{
	static const char *const geoms[] = { "ept4", "arm64-4k-40" };
	const char *preset[] = { "1", "64" };
	int n = argc > 1 ? argc - 1 : 2;

	printf("%-12s %8s  %-14s %10s %10s %8s\n", "tables", "GiB", "operation", "M/s", "loop M/s",
	       "times");
	for (int i = 0; i < n; i++) {
		const char *text = argc > 1 ? argv[i + 1] : preset[i];
		char *end;
		unsigned long gib = strtoul(text, &end, 10);

		if (end == text || *end != '\0' || gib > 512) {
			fprintf(stderr, "usage: bench_mmu [GIB...]   0 to 512, found '%s'\n", text);
			return 2;
		}
		for (unsigned int g = 0; g < 2; g++)
			bench_machine(geoms[g], gib ? gib << 18 : 1U << 12, gib < 4 ? RUNS_MAX : 2);
	}
	return 0;
}
