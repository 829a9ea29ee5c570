/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timed runs: waiting, order and exactness, by small scenarios.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib/gstdio.h>

#include "harness/access_trace.h"
#include "harness/run_watch.h"
#include "harness/tests/run_text.h"

static const char x86[] = "intel-cascadelake";
static const char arm[] = "ampere-altra";

/* vCPUs write, read and fault while logging is toggled and the host takes memory away. */
static const char busy[] =
	"scenario name=busy arch=both vcpus=4 code=0 trace=0 chunk=${CHUNK=0}\n"
	"host map name=m0 size=64MiB backing=thp\n"
	"op set_region slot=0 gpa=0 size=64MiB flags=none map=m0+0\n"
	"phase name=populate\n"
	"guest write vcpu=0-3 gpa=0 n=4096 vstride=16MiB\n"
	"phase name=toggle\n"
	"par\n"
	"guest write vcpu=0,1 gpa=0 vstride=16MiB over=16MiB pattern=zipf mix=50 until=join\n"
	"guest write vcpu=2 gpa=32MiB over=16MiB pattern=chase think=70ns until=join\n"
	"guest read vcpu=3 gpa=48MiB over=1MiB pattern=uniform for=700us\n"
	"guest write vcpu=3 gpa=48MiB n=100 stride=64 repeat=3 delay=5us\n"
	"op set_region slot=0 gpa=0 size=64MiB flags=log map=m0+0 delay=100us\n"
	"op get_dirty slot=0 at=800us\n"
	"op set_region slot=0 gpa=0 size=64MiB flags=none map=m0+0 delay=200us\n"
	"host madvise map=m0+0x1000000 len=8MiB advice=dontneed at=300us\n"
	"host age map=m0+0 len=64MiB mode=clear_flush_young delay=100us\n"
	"join\n";

/* Userfault, answered by user space while the VMM clears the rest. */
static const char fetching[] =
	"scenario name=fetching arch=both vcpus=3 code=0 trace=0\n"
	"host map name=m0 size=8MiB backing=huge2m\n"
	"op set_region slot=0 gpa=0 size=8MiB flags=none map=m0+0\n"
	"guest write vcpu=0-2 gpa=0 n=4 stride=2MiB\n"
	"op user_bit map=b0 page=0 n=0x800 value=1\n"
	"par\n"
	"guest write vcpu=0-2 gpa=0 over=8MiB pattern=uniform until=join answer=30us\n"
	"op set_region slot=0 gpa=0 size=8MiB flags=uf bitmap=b0 map=m0+0 delay=50us\n"
	"op user_bit map=b0 page=0 n=0x800 value=0 delay=3ms\n"
	"op set_region slot=0 gpa=0 size=8MiB flags=none map=m0+0 delay=100us\n"
	"join\n";

static const struct setting {
	const char *text, *policy, *profile, *chunk;
} settings[] = {
	{ busy, "x86-6.12+machine=ept", x86, NULL },
	{ busy, "x86-6.12+machine=ept-noad", x86, NULL },
	{ busy, "x86-6.1", "amd-milan", NULL },
	{ busy, "x86-7.2+machine=ept", "intel-icelake", NULL },
	{ busy, "x86-6.1+mmu=legacy", "amd-genoa", NULL },
	{ busy, "arm64-6.12", arm, "2MiB" },
	{ busy, "arm64-6.1", "kunpeng-920", NULL },
	{ busy, "arm64-7.0", "neoverse-v2", NULL },
	{ fetching, "x86-uf-v3", x86, NULL },
	{ fetching, "arm64-sean-rewrite", "ampereone", NULL },
};

static void start(struct text_run *r, const struct setting *s)
{
	struct define defs[] = { { "CHUNK", s->chunk, false }, { NULL, NULL, false } };

	text_run_init(r, s->text, NULL, s->policy, s->profile, s->chunk ? defs : NULL);
}

static char *dump_of(const struct setting *s, bool no_run_ahead, uint64_t seed)
{
	struct text_run r;
	char *text;

	start(&r, s);
	r.cfg.no_run_ahead = no_run_ahead;
	r.cfg.seed = seed;
	text_run(&r);
	text = text_run_dump(&r);
	text_run_fini(&r);
	return text;
}

static void check_same(const char *a, const char *b)
{
	for (size_t i = 0; a[i] || b[i]; i++)
		if (a[i] != b[i]) {
			while (i && a[i - 1] != '\n')
				i--;
			ck_abort_msg("'%.80s' and '%.80s'", a + i, b + i);
		}
}

START_TEST(running_ahead_changes_no_byte)
{
	for (uint64_t seed = 0; seed < 3; seed++) {
		g_autofree char *fast = dump_of(&settings[_i], false, seed);
		g_autofree char *slow = dump_of(&settings[_i], true, seed);

		check_same(fast, slow);
	}
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes_and_another_one_others)
{
	g_autofree char *a = dump_of(&settings[_i], false, 7);
	g_autofree char *b = dump_of(&settings[_i], false, 7);
	g_autofree char *c = dump_of(&settings[_i], false, 8);

	check_same(a, b);
	ck_assert_str_ne(a, c);
}
END_TEST

/* Each vCPU is always in exactly one state; what all count is the sum of what each counts. */
START_TEST(time_and_accesses_are_conserved)
{
	struct text_run r;
	const struct timed_totals *t;
	uint64_t exits = 0, accesses = 0, guest = 0, refs;

	start(&r, &settings[_i]);
	text_run(&r);
	t = timed_totals(r.timed);
	for (uint32_t v = 0; v < r.config.vcpus; v++) {
		exits += timed_vcpu(r.timed, v)->exits;
		accesses += timed_vcpu(r.timed, v)->accesses;
		guest += timed_vcpu(r.timed, v)->guest_ps;
	}
	ck_assert_uint_eq(exits, t->work.guest_exit);
	ck_assert_uint_eq(exits, text_run_stat(&r, NULL, "exits"));
	ck_assert_uint_eq(accesses, t->work.access);
	ck_assert_uint_eq(guest, t->state_ps[TIMED_GUEST]);
	/* each look-up serves an access, or ends in a fault or with a full PML buffer */
	ck_assert_uint_eq(t->work.tlb_hit + t->work.tlb_miss + t->work.tlb_denied,
			  t->work.access + t->exits[TIMED_EXIT_FAULT] + t->exits[TIMED_EXIT_PML]);
	/* the data caches serve every reference, but of walks that look whether D meets a full buffer */
	refs = t->work.walk_ref_l1 + t->work.walk_ref_l2 + t->work.walk_ref_llc +
	       t->work.walk_ref_dram;
	if (t->exits[TIMED_EXIT_PML])
		ck_assert_uint_le(refs, t->work.hw_refs);
	else
		ck_assert_uint_eq(refs, t->work.hw_refs);
	/* every phase's numbers add up to the run's */
	exits = 0;
	for (guint i = 0; i < r.result->phases->len; i++) {
		const struct run_part *p = g_ptr_array_index(r.result->phases, i);

		exits += text_run_stat(&r, p->name, "exits");
	}
	ck_assert_uint_eq(exits, t->work.guest_exit);
	ck_assert_uint_eq(t->exits[TIMED_EXIT_FAULT], t->work.fault_dispatch);
	text_run_fini(&r);
}
END_TEST

/* How finely range walks are cut decides when others may look in between, not what is left behind. */
START_TEST(the_walk_budget_does_not_change_the_outcome)
{
	static const char quiet[] =
		"scenario name=quiet arch=both vcpus=2 code=0 trace=0 chunk=${CHUNK=0}\n"
		"host map name=m0 size=16MiB backing=thp\n"
		"op set_region slot=0 gpa=0 size=16MiB flags=none map=m0+0\n"
		"guest write vcpu=0-1 gpa=0 n=2048 vstride=8MiB\n"
		"op set_region slot=0 gpa=0 size=16MiB flags=log map=m0+0\n"
		"guest write vcpu=0-1 gpa=0 n=700 vstride=8MiB\n"
		"op get_dirty slot=0\n"
		"host madvise map=m0+0x200000 len=4MiB advice=dontneed\n"
		"op set_region slot=0 gpa=0 size=16MiB flags=none map=m0+0\n"
		"guest write vcpu=0-1 gpa=0 n=300 vstride=8MiB\n";
	static const char *const same[] = { "s2_pages_4k",     "s2_pages_2m",   "s2_table_pages",
					    "exits",           "s2_exit_fault", "s2_leaf_installed",
					    "s2_leaf_removed", "s2_mark_dirty", "s2_block_split" };
	struct setting s = settings[_i];
	struct text_run a, b;

	if (s.text != busy)
		return;
	s.text = quiet;
	start(&a, &s);
	text_run(&a);
	start(&b, &s);
	b.cfg.walk_budget = 1;
	text_run(&b);
	for (size_t i = 0; i < G_N_ELEMENTS(same); i++)
		ck_assert_msg(text_run_stat(&a, NULL, same[i]) == text_run_stat(&b, NULL, same[i]),
			      "%s: %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT, same[i],
			      text_run_stat(&a, NULL, same[i]), text_run_stat(&b, NULL, same[i]));
	text_run_fini(&a);
	text_run_fini(&b);
}
END_TEST

/* The last line of a kind that an actor ran; fails the test when there is none. */
static const struct timed_line *line_of(const struct text_run *r, enum lang_kind kind)
{
	const GArray *lines = timed_lines(r->timed);
	guint n = lines->len;

	while (n > 0 && g_array_index(lines, struct timed_line, n - 1).line->kind != kind)
		n--;
	ck_assert_uint_gt(n, 0);
	return &g_array_index(lines, struct timed_line, n - 1);
}

static uint64_t took_ps(const struct text_run *r, enum lang_kind kind)
{
	const struct timed_line *l = line_of(r, kind);

	return l->end_ps - l->start_ps;
}

/* ---- waiting --------------------------------------------------------------------------------- */

START_TEST(deleting_a_slot_waits_for_two_grace_periods)
{
	static const char text[] = "scenario name=move arch=both vcpus=1 code=0 trace=0\n"
				   "host map name=m0 size=2MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=2MiB flags=none map=m0+0\n"
				   "phase name=delete\n"
				   "op set_region slot=0 gpa=0 size=0 flags=none map=m0+0\n";
	struct text_run r;
	uint64_t grace;

	text_run_init(&r, text, NULL, "x86-6.12", x86, NULL);
	grace = r.profile.v[COST_srcu_grace];
	text_run(&r);
	ck_assert_uint_ge(text_run_time(&r, "delete"), 2 * grace);
	ck_assert_uint_lt(text_run_time(&r, "delete"), 2 * grace + 10000000);
	text_run_fini(&r);
}
END_TEST

/* A reader inside user space's answer holds no SRCU; one inside the host's page-in does. */
START_TEST(a_grace_period_waits_for_a_fault_that_sleeps_in_host_page_in)
{
	static const char text[] =
		"scenario name=sleep arch=x86 vcpus=1 code=0 trace=0\n"
		"host map name=m0 size=1GiB backing=huge1g\n"
		"host map name=m1 size=2MiB backing=anon\n"
		"op set_region slot=0 gpa=0 size=1GiB flags=none map=m0+0\n"
		"op set_region slot=1 gpa=0x80000000 size=2MiB flags=none map=m1+0\n"
		"phase name=both\n"
		"par\n"
		"guest write vcpu=0 gpa=0\n"
		"op set_region slot=1 gpa=0x80000000 size=0 flags=none map=m1+0 delay=20us\n"
		"join\n";
	struct text_run r;
	const struct timed_line *l;

	text_run_init(&r, text, NULL, "x86-6.12+machine=ept", x86, NULL);
	text_run(&r);
	/* zeroing 1 GiB takes longer than everything else */
	for (guint i = 0; i < timed_lines(r.timed)->len; i++) {
		l = &g_array_index(timed_lines(r.timed), struct timed_line, i);
		if (l->line->kind == LANG_OP_SET_REGION && l->line->u.region.size == 0)
			ck_assert_uint_ge(l->end_ps - l->start_ps,
					  262144 * r.profile.v[COST_zero_page]);
	}
	text_run_fini(&r);
}
END_TEST

START_TEST(a_flush_waits_for_vcpus_inside_the_guest_only)
{
	static const char text[] = "scenario name=flush arch=x86 vcpus=2 code=0 trace=0\n"
				   "host map name=m0 size=2MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=2MiB flags=none map=m0+0\n"
				   "guest read vcpu=0-1 gpa=0\n"
				   "phase name=outside\n"
				   "host age map=m0+0 len=2MiB mode=clear_flush_young\n"
				   "guest read vcpu=0-1 gpa=0\n"
				   "phase name=inside\n"
				   "par\n"
				   "guest read vcpu=0-1 gpa=0 stride=0 until=join\n"
				   "host age map=m0+0 len=2MiB mode=clear_flush_young delay=100us\n"
				   "join\n";
	struct text_run r;

	text_run_init(&r, text, NULL, "x86-6.12+machine=ept", x86, NULL);
	text_run(&r);
	ck_assert_uint_eq(text_run_stat(&r, "outside", "s2_ipi"), 0);
	ck_assert_uint_eq(text_run_stat(&r, "outside", "remote_tlb_flush_requests"), 1);
	ck_assert_uint_eq(text_run_stat(&r, "inside", "s2_ipi"), 2);
	ck_assert_uint_eq(text_run_stat(&r, "inside", "s2_exit_kick"), 2);
	ck_assert_uint_ge(text_run_stat(&r, "inside", "s2_time_wait_ack"),
			  r.profile.v[COST_ipi_latency]);
	text_run_fini(&r);
}
END_TEST

/* The last interval of each actor in each state that began behind the first 50 us. */
struct seen {
	uint64_t from_ps[VM_MAX_VCPUS + 2][TIMED_NR_STATES],
		to_ps[VM_MAX_VCPUS + 2][TIMED_NR_STATES];
};

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the type of the callback */
static void see(void *arg, uint32_t actor, enum timed_state state, uint64_t from, uint64_t to)
{
	struct seen *s = arg;

	s->from_ps[actor][state] = from;
	s->to_ps[actor][state] = to;
}

/* A vCPU that computes for a long time is stopped when the interrupt reaches it: after it was sent, and the
 * sender waits until the vCPU is out.  What it had left to compute is not lost. */
START_TEST(an_interrupt_arrives_after_it_was_sent_and_before_it_is_answered)
{
	static const char text[] =
		"scenario name=kick arch=x86 vcpus=2 code=0 trace=0\n"
		"host map name=m0 size=8MiB backing=anon\n"
		"op set_region slot=0 gpa=0 size=8MiB flags=none map=m0+0\n"
		"guest read vcpu=0-1 gpa=0 n=2048\n"
		"phase name=both\n"
		"par\n"
		"guest read vcpu=0-1 gpa=0 stride=0 n=4 think=1ms\n"
		"host age map=m0+0 len=8MiB mode=clear_flush_young delay=1500us\n"
		"join\n";
	struct seen *seen = g_new0(struct seen, 1);
	struct text_run r;
	uint64_t latency;

	text_run_init(&r, text, NULL, "x86-6.12+machine=ept", x86, NULL);
	r.cfg.watch = see;
	r.cfg.arg = seen;
	text_run(&r);
	latency = r.profile.v[COST_ipi_latency];
	for (uint32_t v = 0; v < 2; v++) {
		const uint64_t *mm = seen->from_ps[3], *mm_to = seen->to_ps[3];
		/* out of the guest for the flush: the second but last time in KVM */
		uint64_t back = seen->from_ps[v][TIMED_GUEST], done = seen->to_ps[v][TIMED_GUEST];

		ck_assert_uint_gt(mm[TIMED_WAIT_ACK], 0);
		ck_assert_uint_gt(back, mm[TIMED_WAIT_ACK]);
		ck_assert_uint_lt(back, mm_to[TIMED_WAIT_ACK] + 10 * latency);
		ck_assert_uint_ge(mm_to[TIMED_WAIT_ACK] - mm[TIMED_WAIT_ACK],
				  r.profile.v[COST_guest_exit]);
		/* four milliseconds of computing, however often it was stopped */
		ck_assert_uint_ge(timed_vcpu(r.timed, v)->guest_ps, 4000000000);
		ck_assert_uint_lt(done, text_run_time(&r, NULL) + 1);
	}
	ck_assert_uint_lt(text_run_time(&r, "both"), 4100000000);
	ck_assert_uint_eq(text_run_stat(&r, "both", "s2_exit_kick"), 2);
	text_run_fini(&r);
	g_free(seen);
}
END_TEST

/* A step that walks and then sends: the interrupt is sent when the walk's time has passed. */
START_TEST(what_a_step_sends_leaves_at_its_end)
{
	static const char text[] = "scenario name=late arch=x86 vcpus=1 code=0 trace=0\n"
				   "host map name=m0 size=2MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=2MiB flags=none map=m0+0\n"
				   "guest read vcpu=0 gpa=0 n=512\n"
				   "par\n"
				   "guest read vcpu=0 gpa=0 stride=0 for=2ms\n"
				   "host age map=m0+0 len=2MiB mode=clear_flush_young delay=1ms\n"
				   "join\n";
	struct seen *seen = g_new0(struct seen, 1);
	struct text_run r;

	text_run_init(&r, text, NULL, "x86-6.12+machine=ept", x86, NULL);
	r.cfg.watch = see;
	r.cfg.arg = seen;
	text_run(&r);
	/* 512 entries are aged first */
	ck_assert_uint_ge(seen->from_ps[0][TIMED_GUEST],
			  line_of(&r, LANG_HOST_AGE)->start_ps + 512 * r.profile.v[COST_pte_write]);
	text_run_fini(&r);
	g_free(seen);
}
END_TEST

/* On arm64 a broadcast invalidation interrupts nobody, and two at once take turns. */
START_TEST(broadcast_invalidations_are_serial)
{
	enum { VCPUS = 8, PAGES = 512, FAULTS = VCPUS * PAGES };
	static const char text[] = "scenario name=tlbi arch=arm64 vcpus=8 code=0 trace=0\n"
				   "host map name=m0 size=16MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=16MiB flags=none map=m0+0\n"
				   "guest write vcpu=0-7 gpa=0 n=512 vstride=2MiB\n"
				   "op set_region slot=0 gpa=0 size=16MiB flags=log map=m0+0\n"
				   "phase name=relax\n"
				   "guest write vcpu=0-7 gpa=0 n=512 vstride=2MiB\n";
	struct text_run r;
	uint64_t least;

	text_run_init(&r, text, NULL, "arm64-6.1", arm, NULL);
	least = 2ULL * FAULTS * r.profile.v[COST_tlbi_broadcast];
	text_run(&r);
	ck_assert_uint_eq(text_run_stat(&r, "relax", "s2_tlbi_ipa"), FAULTS);
	ck_assert_uint_eq(text_run_stat(&r, "relax", "s2_ipi"), 0);
	ck_assert_uint_ge(text_run_time(&r, "relax"), least);
	text_run_fini(&r);
}
END_TEST

/* mmu_lock is fair: a writer among a stream of readers waits for those before him only. */
START_TEST(a_writer_is_not_starved_by_readers)
{
	static const char text[] =
		"scenario name=fair arch=arm64 vcpus=16 code=0 trace=0\n"
		"host map name=m0 size=256MiB backing=anon\n"
		"host touch map=m0+0 len=256MiB mode=w\n"
		"op set_region slot=0 gpa=0 size=256MiB flags=none map=m0+0\n"
		"phase name=both\n"
		"par\n"
		"guest write vcpu=0-15 gpa=0 n=4096 vstride=16MiB\n"
		"host madvise map=m0+0xff00000 len=0x1000 advice=dontneed at=200us\n"
		"join\n";
	struct text_run r;

	text_run_init(&r, text, NULL, "arm64-6.12", arm, NULL);
	text_run(&r);
	ck_assert_uint_lt(took_ps(&r, LANG_HOST_MADVISE), 50000000); /* 50 us */
	ck_assert_uint_gt(text_run_stat(&r, "both", "s2_mmu_lock_contended"), 0);
	text_run_fini(&r);
}
END_TEST

/* A walk over a whole slot lets waiting faults in: nobody waits for all of it. */
START_TEST(a_long_walk_yields_the_lock)
{
	static const char text[] = "scenario name=yield arch=arm64 vcpus=2 code=0 trace=0\n"
				   "host map name=m0 size=3GiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=3GiB flags=none map=m0+0\n"
				   "guest write vcpu=0-1 gpa=0 vstride=1GiB n=8192\n"
				   "phase name=both\n"
				   "par\n"
				   "guest write vcpu=1 gpa=2GiB n=4096\n"
				   "op set_region slot=0 gpa=0 size=3GiB flags=log map=m0+0\n"
				   "join\n";
	struct text_run r;
	uint64_t longest, walk;

	text_run_init(&r, text, NULL, "arm64-6.12", arm, NULL);
	text_run(&r);
	walk = took_ps(&r, LANG_OP_SET_REGION);
	longest = text_run_stat(&r, "both", "s2_mmu_lock_wait_max");
	ck_assert_uint_gt(longest, 0);
	ck_assert_uint_lt(longest, walk * 7 / 10); /* two pieces of the same size */
	text_run_fini(&r);
}
END_TEST

/* ---- lines and patterns ---------------------------------------------------------------------- */

START_TEST(lines_begin_when_they_are_told_to)
{
	static const char text[] = "scenario name=when arch=x86 vcpus=1 code=0 trace=0\n"
				   "host map name=m0 size=2MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=2MiB flags=none map=m0+0\n"
				   "par\n"
				   "guest write vcpu=0 gpa=0 n=10 at=1ms\n"
				   "guest write vcpu=0 gpa=0 for=2ms think=1us\n"
				   "op dump delay=3us repeat=4\n"
				   "join\n"
				   "phase name=both\n"
				   "guest write vcpu=0 gpa=0 n=7 for=2ms\n";
	struct text_run r;
	const struct timed_line *l;
	uint64_t begin, dumps = 0;

	text_run_init(&r, text, NULL, "x86-6.12", x86, NULL);
	text_run(&r);
	begin = g_array_index(timed_lines(r.timed), struct timed_line, 1).end_ps;
	for (guint i = 2; i < timed_lines(r.timed)->len; i++) {
		l = &g_array_index(timed_lines(r.timed), struct timed_line, i);
		if (l->line->kind == LANG_OP_DUMP)
			ck_assert_uint_eq(l->start_ps, begin + ++dumps * 3000000);
		else if (l->line->u.guest.limit == LANG_TIME_NONE)
			ck_assert_uint_eq(l->start_ps, begin + 1000000000);
		else if (l->line->u.guest.n == 1)
			ck_assert_uint_ge(l->end_ps - l->start_ps, 2000000000);
	}
	ck_assert_uint_eq(dumps, 4);
	ck_assert_uint_eq(text_run_stat(&r, "both", "s2_access"), 7);
	text_run_fini(&r);
}
END_TEST

/* Every page of a chase is met once a round, and stays inside; zipf prefers few pages; others are fair. */
START_TEST(patterns_keep_their_promise)
{
	enum { PAGES = 1000, ROUNDS = 8 };
	struct op op = { .gpa = 0x10000, .over = PAGES, .access = ACC_W, .reads = 70 };

	for (op.pattern = ACCESS_UNIFORM; op.pattern <= ACCESS_CHASE; op.pattern++) {
		unsigned int seen[PAGES] = { 0 }, max = 0, min = UINT_MAX, writes = 0;

		for (op.seed = 0; op.seed < 64; op.seed += 63) {
			memset(seen, 0, sizeof(seen));
			max = writes = 0;
			min = UINT_MAX;
			for (uint64_t i = 0; i < (uint64_t)PAGES * ROUNDS; i++) {
				struct guest_access a = access_at(&op, NULL, i, 12);
				uint64_t page = (a.gpa - op.gpa) >> 12;

				ck_assert_uint_lt(page, PAGES);
				seen[page]++;
				writes += a.acc == ACC_W;
			}
			for (int p = 0; p < PAGES; p++) {
				max = MAX(max, seen[p]);
				min = MIN(min, seen[p]);
			}
			ck_assert_uint_gt(writes, PAGES * ROUNDS * 27 / 100);
			ck_assert_uint_lt(writes, PAGES * ROUNDS * 33 / 100);
			if (op.pattern == ACCESS_CHASE) {
				ck_assert_uint_eq(min, ROUNDS);
				ck_assert_uint_eq(max, ROUNDS);
			} else if (op.pattern == ACCESS_UNIFORM) {
				ck_assert_uint_lt(max, 32); /* eight expected */
			} else {
				/* the hottest page has a tenth: one of ten octaves */
				ck_assert_uint_gt(max, PAGES * ROUNDS * 8 / 100);
			}
		}
	}
}
END_TEST

START_TEST(bad_lines_that_time_cannot_run_are_refused)
{
	static const char spin[] = "scenario name=spin arch=x86 vcpus=1 code=0\n"
				   "guest spin vcpu=0\n";
	static const char overlap[] = "scenario name=map arch=x86 vcpus=1 code=0\n"
				      "host map name=m0 size=2MiB backing=anon\n"
				      "host touch map=m0+0x100000 len=2MiB mode=w\n";
	struct text_run r;
	char *text;

	text_run_init(&r, spin, NULL, "x86-6.12", x86, NULL);
	text = text_run_error(&r);
	ck_assert_str_eq(text, "line 2: expected accesses with until=join, found 'guest spin'");
	g_free(text);
	text_run_fini(&r);
	text_run_init(&r, overlap, NULL, "x86-6.12", x86, NULL);
	text = text_run_error(&r);
	ck_assert_ptr_nonnull(strstr(text, "line 3: expected a range inside one mapping"));
	g_free(text);
	text_run_fini(&r);
	/* and a simulation that failed does not disturb the next one */
	text_run_init(&r, busy, NULL, "x86-6.12", x86, NULL);
	text_run(&r);
	text_run_fini(&r);
}
END_TEST

/* A binary trace says what the pattern would have said; a damaged one is refused with its place. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the header and what follows it */
static char *trace_file(uint64_t said, uint64_t n, const char *magic)
{
	g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
	GString *bytes = g_string_new_len(magic, 8);
	char *path = g_build_filename(dir, "accesses", NULL);

	g_string_append_len(bytes, (const char *)&said, sizeof(said));
	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = (i * 4096) | 1;

		g_string_append_len(bytes, (const char *)&word, sizeof(word));
	}
	ck_assert(g_file_set_contents(path, bytes->str, (gssize)bytes->len, NULL));
	g_string_free(bytes, TRUE);
	return path;
}

static void remove_trace(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);

	g_unlink(path);
	g_rmdir(dir);
}

static const struct access_file *open_trace(void *arg, const char *name, GError **error)
{
	return access_traces_get(arg, name, error);
}

START_TEST(a_trace_file_is_as_good_as_a_pattern)
{
	static const char head[] = "scenario name=a arch=x86 vcpus=1 code=0 trace=0\n"
				   "host map name=m0 size=4MiB backing=anon\n"
				   "op set_region slot=0 gpa=0 size=4MiB flags=none map=m0+0\n"
				   "guest write vcpu=0 gpa=0 n=3000";
	g_autofree char *path = trace_file(1024, 1024, ACCESS_TRACE_MAGIC);
	g_autofree char *from_file = g_strdup_printf("%s file=%s\n", head, path);
	g_autofree char *from_pattern = g_strdup_printf("%s over=4MiB\n", head);
	struct access_traces *traces = access_traces_new();
	struct text_run a, b;

	text_run_init(&a, from_file, NULL, "x86-6.12", x86, NULL);
	a.cfg.file = open_trace;
	a.cfg.arg = traces;
	text_run(&a);
	text_run_init(&b, from_pattern, NULL, "x86-6.12", x86, NULL);
	text_run(&b);
	ck_assert_uint_eq(timed_now(a.timed), timed_now(b.timed));
	ck_assert_mem_eq(timed_totals(a.timed), timed_totals(b.timed), sizeof(struct timed_totals));
	text_run_fini(&a);
	text_run_fini(&b);
	access_traces_free(traces);
	remove_trace(path);
}
END_TEST

START_TEST(bad_trace_files_are_refused)
{
	static const struct {
		uint64_t said, n;
		const char *magic, *says;
	} bad[] = {
		{ 4, 4, "s2acc 2\n", "byte 0, expected an access trace" },
		{ 5, 4, ACCESS_TRACE_MAGIC, "byte 8, expected the number of accesses" },
		{ 3, 4, ACCESS_TRACE_MAGIC, "found 3 and 32 bytes" },
		{ 0, 0, ACCESS_TRACE_MAGIC, "at least 1" },
		{ UINT64_MAX, 1, ACCESS_TRACE_MAGIC, "byte 8" },
	};
	struct access_traces *traces = access_traces_new();

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *path = trace_file(bad[i].said, bad[i].n, bad[i].magic);
		g_autoptr(GError) error = NULL;

		ck_assert_ptr_null(access_traces_get(traces, path, &error));
		ck_assert_msg(strstr(error->message, bad[i].says) != NULL, "%s", error->message);
		remove_trace(path);
		g_clear_error(&error);
		ck_assert_ptr_null(access_traces_get(traces, path, &error));
		ck_assert_ptr_nonnull(strstr(error->message, "expected a readable access trace"));
	}
	access_traces_free(traces);
}
END_TEST

START_TEST(bad_a_profile_of_the_other_architecture_is_refused)
{
	struct text_run r;
	char *text;

	text_run_init(&r, busy, NULL, "x86-6.12", arm, NULL);
	text = text_run_error(&r);
	ck_assert_ptr_nonnull(strstr(text, "expected one of the policy's architecture"));
	g_free(text);
	text_run_fini(&r);
}
END_TEST

/* A median and a tail are known to a bin, 3 %. */
START_TEST(histograms_are_right_within_a_bin)
{
	struct hist *h = g_new0(struct hist, 1);
	uint64_t rng = 1;

	for (uint64_t i = 1; i <= 100000; i++)
		hist_add(h, i * 1000);
	ck_assert_uint_ge(hist_at(h, 500), 50000000);
	ck_assert_uint_le(hist_at(h, 500), 51600000);
	ck_assert_uint_ge(hist_at(h, 990), 99000000);
	ck_assert_uint_le(hist_at(h, 990), 100000000);
	ck_assert_uint_eq(hist_at(h, 1000), 100000000);
	ck_assert_uint_eq(h->max, 100000000);
	for (unsigned int bit = 0; bit < 63; bit++) {
		memset(h, 0, sizeof(*h));
		rng = BIT(bit) + BIT(bit) / 3;
		hist_add(h, rng);
		ck_assert_uint_eq(hist_at(h, 500), rng);
	}
	g_free(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("run");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, running_ahead_changes_no_byte, 0, (int)G_N_ELEMENTS(settings));
	tcase_add_loop_test(tc, the_same_seed_gives_the_same_bytes_and_another_one_others, 0,
			    (int)G_N_ELEMENTS(settings));
	tcase_add_loop_test(tc, time_and_accesses_are_conserved, 0, (int)G_N_ELEMENTS(settings));
	tcase_add_loop_test(tc, the_walk_budget_does_not_change_the_outcome, 0,
			    (int)G_N_ELEMENTS(settings));
	tcase_add_test(tc, deleting_a_slot_waits_for_two_grace_periods);
	tcase_add_test(tc, a_grace_period_waits_for_a_fault_that_sleeps_in_host_page_in);
	tcase_add_test(tc, a_flush_waits_for_vcpus_inside_the_guest_only);
	tcase_add_test(tc, an_interrupt_arrives_after_it_was_sent_and_before_it_is_answered);
	tcase_add_test(tc, what_a_step_sends_leaves_at_its_end);
	tcase_add_test(tc, broadcast_invalidations_are_serial);
	tcase_add_test(tc, a_writer_is_not_starved_by_readers);
	tcase_add_test(tc, a_long_walk_yields_the_lock);
	tcase_add_test(tc, lines_begin_when_they_are_told_to);
	tcase_add_test(tc, patterns_keep_their_promise);
	tcase_add_test(tc, bad_lines_that_time_cannot_run_are_refused);
	tcase_add_test(tc, a_trace_file_is_as_good_as_a_pattern);
	tcase_add_test(tc, bad_trace_files_are_refused);
	tcase_add_test(tc, bad_a_profile_of_the_other_architecture_is_refused);
	tcase_add_test(tc, histograms_are_right_within_a_bin);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
