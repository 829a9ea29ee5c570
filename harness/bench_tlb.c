/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench_tlb [GIB...]
 *
 * How many accesses a second the TLB and its walks take, each stream beside a bare loop over the same
 * geometry in the same run.  Hits of the first and of the second level are few pages; then random pages
 * of guest memory of the sizes given, all mapped by 4 KiB leaves of EPT: 1, 64 and 1024 GiB by default;
 * 0 is 16 MiB and few accesses, for a quick look whether it still runs.
 *
 * The bare loop is bench_bare.h's.
 * The best of some runs counts.
 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the C library asks for it */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, MAP_POPULATE */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/bench_bare.h"
#include "harness/bench_clock.h"
#include "mmu/translate.h"
#include "mmu/x86_pt.h"

enum {
	RUNS = 5,
	ACCESSES = 1 << 22,
	ACCESSES_QUICK = 1 << 14,
	MAX_GIB = 2048,
};

static const struct wcache_size cache_sizes[WCACHE_NR_LEVELS] = {
	{ 48 << 10, 12 },
	{ 2 << 20, 16 },
	{ 32 << 20, 16 },
};

struct bench {
	struct pt pt;
	struct pt_head head;
	const struct x86_fmt *f;
	uint32_t root;
	uint64_t pages;
	struct tlb_cfg cfg;
	struct tlb *tlb;
	struct tlb_hot hot;
	struct wcache_cfg wc;
	struct hw_caches caches;
	struct hw_xlate x;
	struct bare bare;
	struct work wk;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_tlb: %s\n", what);
	exit(1);
}

/* Zeroed memory, touched already. */
static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("out of address space");
	return p;
}

static void map_all(struct bench *b)
{
	static const struct spte_parts rwx = { .access = ACC_RWX,
					       .accessed = true,
					       .dirty = true,
					       .host_writable = true,
					       .mmu_writable = true };

	if (!geom_find("ept4", &b->pt.geom))
		die("unknown geometry");
	b->f = x86_fmt_get(X86_SPTE_612, X86_EPT);
	b->pt.fmt = &b->f->pte;
	b->pt.capacity = (uint32_t)(b->pages / geom_entries(&b->pt.geom) * 65 / 64) + 64;
	b->pt.pfn0 = BIT(b->pt.geom.pa_bits - b->pt.geom.page_shift - 1);
	b->pt.entries = reserve(((size_t)b->pt.capacity << b->pt.geom.index_bits) * sizeof(pte_t));
	b->pt.meta = reserve(b->pt.capacity * sizeof(struct pt_meta));
	b->pt.head = &b->head;
	pt_init(&b->pt);
	b->root = pt_alloc_root(&b->pt, &b->wk);
	if (!x86_map_range(&b->pt, b->f, b->root, (struct gfn_range){ 0, b->pages }, 0, 0, &rwx,
			   &b->wk))
		die("pool is full");
	if (!wcache_fits(&b->pt))
		die("pool is too large for the data caches");
}

static void bench_init(struct bench *b, uint64_t pages)
{
	struct hw_mode mode;

	memset(b, 0, sizeof(*b));
	b->pages = pages;
	map_all(b);
	b->cfg = tlb_cfg_sized(&b->pt.geom);
	b->cfg.l1 = (struct tlb_array_cfg){ BARE_L1_SETS, BARE_L1_WAYS };
	b->cfg.l2 = (struct tlb_array_cfg){ BARE_L2_SETS, BARE_L2_WAYS };
	b->tlb = reserve(tlb_bytes(&b->cfg));
	b->hot = tlb_hot_open(&b->cfg, b->tlb, (struct tlb_ctx){ .root = b->root });
	if (!wcache_cfg_init(&b->wc, cache_sizes))
		die("bad sizes of the data caches");
	b->caches = (struct hw_caches){ .cfg = &b->wc,
					.priv = reserve(wcache_priv_bytes(&b->wc)),
					.shared = reserve(wcache_shared_bytes(&b->wc)) };
	mode = (struct hw_mode){ .x86 = b->f, .update_ad = true };
	hw_xlate_init(&b->x, &b->pt, b->root, &mode, &b->hot, &b->caches);
}

static void bench_fini(struct bench *b)
{
	munmap(b->pt.entries, ((size_t)b->pt.capacity << b->pt.geom.index_bits) * sizeof(pte_t));
	munmap(b->pt.meta, b->pt.capacity * sizeof(struct pt_meta));
	munmap(b->tlb, tlb_bytes(&b->cfg));
	munmap(b->caches.priv, wcache_priv_bytes(&b->wc));
	munmap(b->caches.shared, wcache_shared_bytes(&b->wc));
}

/* --- Random pages: Marsaglia's xorshift, scaled to the number of pages. */

static inline gfn_t next_page(uint64_t *state, uint64_t pages)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (x >> 32) * pages >> 32;
}

/* Accesses to random pages. */
struct stream {
	const char *name;
	uint64_t pages;
	uint64_t n;
};

/* What a loop met. */
struct met {
	uint64_t l1;
	uint64_t l2;
	uint64_t walks;
	uint64_t sum; /* so that no walk is left out */
};

static __attribute__((noinline)) struct met run_model(struct bench *b, const struct stream *s)
{
	uint64_t state = 88172645463325252ULL;
	struct met m = { 0 };

	for (uint64_t i = 0; i < s->n; i++) {
		gfn_t gfn = next_page(&state, s->pages);
		struct hw_result res;

		switch (tlb_hot_probe(&b->hot, gfn, ACC_R)) {
		case TLB_HOT_L1:
			m.l1++;
			continue;
		case TLB_HOT_L2:
			m.l2++;
			continue;
		case TLB_HOT_NONE:
			if (tlb_probe(&b->cfg, b->tlb,
				      &(struct tlb_key){
					      .page = gfn, .ctx = b->hot.ctx, .kind = TLB_S2 },
				      ACC_R, NULL, &b->wk) == TLB_HIT)
				continue;
			break;
		case TLB_HOT_MISS:
			break;
		}
		if (hw_translate_fill(&b->x, gfn, ACC_R, &res, &b->wk) != HW_OK)
			die("a page is not mapped");
		m.walks++;
		m.sum += res.pte.v;
	}
	return m;
}

/* --- The bare loop. */

static __attribute__((noinline)) struct met run_bare(struct bench *b, const struct stream *s)
{
	uint64_t state = 88172645463325252ULL;
	struct met m = { 0 };

	for (uint64_t i = 0; i < s->n; i++) {
		gfn_t gfn = next_page(&state, s->pages);

		if (bare_ref(b->bare.l1[gfn % BARE_L1_SETS], BARE_L1_WAYS, gfn + 1)) {
			m.l1++;
		} else if (bare_ref(b->bare.l2[gfn % BARE_L2_SETS], BARE_L2_WAYS, gfn + 1)) {
			m.l2++;
		} else {
			uint64_t e = bare_walk(&b->pt, b->root, b->f->r, gfn);

			if (!e)
				die("a page is not mapped");
			m.walks++;
			m.sum += e;
		}
	}
	return m;
}

/* --- Measuring. */

static void measure(struct bench *b, const struct stream *s)
{
	double n = (double)s->n;
	uint64_t best = UINT64_MAX, best_bare = UINT64_MAX;
	struct met m = { 0 }, bare = { 0 };

	for (unsigned int i = 0; i < RUNS; i++) {
		uint64_t t0 = now_ns(), t1, t2;

		m = run_model(b, s);
		t1 = now_ns();
		bare = run_bare(b, s);
		t2 = now_ns();
		best = min_u64(best, t1 - t0);
		best_bare = min_u64(best_bare, t2 - t1);
	}
	if (m.l1 + m.l2 + m.walks != s->n || bare.l1 + bare.l2 + bare.walks != s->n)
		die("hits and walks are not all accesses");
	printf("%8.3f  %-10s %6.1f %6.1f %6.1f %8.1f %8.1f %7.2f %8.1f\n",
	       (double)b->pages * (double)geom_page_size(&b->pt.geom) / (1 << 30), s->name,
	       100.0 * (double)m.l1 / n, 100.0 * (double)m.l2 / n, 100.0 * (double)m.walks / n,
	       n * 1e3 / (double)best, n * 1e3 / (double)best_bare,
	       (double)best_bare / (double)best, (double)best / n);
}

static void bench_size(uint64_t gib)
{
	uint64_t pages = gib ? gib << 18 : 1U << 12;
	uint64_t n = gib ? ACCESSES : ACCESSES_QUICK;
	struct bench *b = malloc(sizeof(*b));

	if (!b)
		die("out of memory");
	bench_init(b, pages);
	measure(b, &(struct stream){ "L1 hits", BARE_L1_PAGES, n });
	measure(b, &(struct stream){ "L2 hits", BARE_L2_PAGES, n });
	measure(b, &(struct stream){ "walks", pages, n });
	bench_fini(b);
	free(b);
}

int main(int argc, char **argv)
{
	const char *preset[] = { "1", "64", "1024" };
	int n = argc > 1 ? argc - 1 : 3;

	printf("%8s  %-10s %6s %6s %6s %8s %8s %7s %8s\n", "GiB", "stream", "L1 %", "L2 %",
	       "walk %", "M/s", "bare M/s", "ratio", "ns");
	for (int i = 0; i < n; i++) {
		const char *text = argc > 1 ? argv[i + 1] : preset[i];
		char *end;
		unsigned long gib = strtoul(text, &end, 10);

		if (end == text || *end != '\0' || gib > MAX_GIB) {
			fprintf(stderr, "usage: bench_tlb [GIB...]   0 to %d, found '%s'\n",
				MAX_GIB, text);
			return 2;
		}
		bench_size(gib);
	}
	return 0;
}
