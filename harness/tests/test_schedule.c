/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: written, read again, they make the same moves; what does not fit is refused. And what a scenario
 * expects of its exploration.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "harness/expect.h"
#include "harness/schedule.h"
#include "harness/tests/explore_text.h"

#define X86 "x86-6.12+machine=ept"
#define ARM "arm64-6.12"
#define UF  "arm64-sean-rewrite"

#define SLOT                                                                                       \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x1000 flags=none map=m0+0x0\n"
#define DELETED                                                                                    \
	SLOT "par\n"                                                                               \
	     "guest write vcpu=0 gpa=0x0 repeat=2\n"                                               \
	     "op set_region slot=0 gpa=0x0 size=0 flags=none map=m0+0x0\n"                         \
	     "join\n"
/* A step that has two ways to go on. */
#define PICKED                                                                                     \
	"scenario name=off code=0 geom=ept-1x2 inject=skip-enable-flush\n"                         \
	"host map name=m0 size=0x2000 backing=thp\n"                                               \
	"host touch map=m0+0x0 len=0x2000 mode=w\n"                                                \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                          \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"par\n"                                                                                    \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"                         \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                          \
	"join\n"
#define CHOSEN                                                                                     \
	"scenario name=any code=0 geom=ept-1x2 inject=skip-enable-flush\n" SLOT "par\n"            \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"choose n=1\n"                                                                             \
	"op get_dirty slot=0\n"                                                                    \
	"op set_region slot=0 gpa=0x0 size=0x1000 flags=log map=m0+0x0\n"                          \
	"endchoose\n"                                                                              \
	"join\n"
/* Steps that repeat for ever: the translation that faults is never invalidated. */
#define ENDLESS                                                                                    \
	"scenario name=huge code=0 geom=arm64-1x2 inject=skip-tlbi\n"                              \
	"host map name=m0 size=0x2000 backing=thp\n"                                               \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"                         \
	"par\n"                                                                                    \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"host madvise map=m0+0x0 len=0x1000 advice=dontneed\n"                                     \
	"host madvise map=m0+0x0 len=0x2000 advice=collapse\n"                                     \
	"join\n"

static const struct {
	const char *text, *policy;
	const char *invariants; /* NULL: all */
	enum inv inv;
	const char *has; /* in the text that is written */
} cases[] = {
	{ "scenario name=a code=0 geom=ept-1x2 inject=skip-zap\n" DELETED, X86, NULL, INV_SLOT,
	  "scenario name=a policy=x86-6.12+machine=ept geom=ept-1x2 code=0 inject=skip-zap "
	  "tlb=set\nhost map" },
	{ "scenario name=a code=0 geom=arm64-1x2 inject=skip-zap\n" DELETED, ARM, "I15", INV_I15,
	  " tlb=set\nscope invariants=I15\nhost map" },
	{ "scenario name=a vcpus=2 code=0 inject=skip-zap\nscope slots=3 tables=12\n" DELETED, X86,
	  NULL, INV_SLOT, " geom=ept-2x2 " },
	{ PICKED, X86 "-nopml", NULL, INV_I10, " pick=1 at=hw:walk\n" },
	{ CHOSEN, X86 "-nopml", NULL, INV_I10, "sched vmm0 line=2 " },
	{ ENDLESS, ARM, "INV-PROG", INV_PROG, "\nexpect violated inv=INV-PROG\n" },
};

static void read_scope(struct text_explore *t, uint64_t *mask)
{
	*mask = 0;
	ck_assert(expect_scope(t->scen, &t->cfg.scope, mask, NULL));
	t->cfg.invariants = *mask ? mask : NULL;
}

static void same_path(const GArray *a, const GArray *b)
{
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_int_eq(memcmp(a->data, b->data, a->len * sizeof(struct move)), 0);
}

static GString *print(const struct explore_cfg *cfg, const struct explore_finding *f)
{
	GString *out = g_string_new(NULL);
	GError *error = NULL;

	ck_assert_msg(schedule_print(cfg, f, out, &error), "%s", error ? error->message : "");
	return out;
}

static struct schedule_result run(struct text_explore *t)
{
	struct schedule_result r;
	struct expects e;
	GError *error = NULL;

	ck_assert(schedule_is_part(t->lines));
	ck_assert(expect_read(t->scen, &e, &error));
	ck_assert_msg(schedule_run(&t->cfg, e.violated >> INV_PROG & 1, &r, &error), "%s",
		      error ? error->message : "");
	return r;
}

START_TEST(what_was_found_replays)
{
	struct text_explore t, again;
	struct schedule_result r;
	uint64_t mask, mask_again;
	GString *text;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	read_scope(&t, &mask);
	if (cases[_i].invariants) {
		ck_assert(expect_invariants(cases[_i].invariants, &mask, NULL));
		t.cfg.invariants = &mask;
	}
	text_explore_find(&t);
	ck_assert_int_eq(t.f->inv, cases[_i].inv);
	text = print(&t.cfg, t.f);
	ck_assert_msg(strstr(text->str, cases[_i].has) != NULL, "no '%s' in\n%s", cases[_i].has,
		      text->str);

	text_explore_init(&again, text->str);
	read_scope(&again, &mask_again);
	ck_assert_uint_eq(mask, mask_again);
	ck_assert_uint_eq(again.cfg.scope.slots, t.cfg.scope.slots);
	ck_assert_uint_eq(again.cfg.scope.tables, t.cfg.scope.tables);
	r = run(&again);
	ck_assert_int_eq(r.finding.inv, t.f->inv);
	ck_assert_str_eq(r.finding.why, t.f->why);
	ck_assert_uint_eq(r.moves, t.f->path->len);
	same_path(r.finding.path, t.f->path);
	schedule_result_fini(&r);
	text_explore_fini(&again);
	text_explore_fini(&t);
	g_string_free(text, TRUE);
}
END_TEST

/* The same text once more: nothing in it depends on where the finding came from. */
START_TEST(what_replays_is_written_alike)
{
	struct text_explore t, again;
	struct schedule_result r;
	GString *text, *second;
	uint64_t mask;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	read_scope(&t, &mask);
	text_explore_find(&t);
	text = print(&t.cfg, t.f);
	text_explore_init(&again, text->str);
	read_scope(&again, &mask);
	r = run(&again);
	second = print(&again.cfg, &r.finding);
	ck_assert_str_eq(text->str, second->str);
	schedule_result_fini(&r);
	text_explore_fini(&again);
	text_explore_fini(&t);
	g_string_free(text, TRUE);
	g_string_free(second, TRUE);
}
END_TEST

/* ---- any path -------------------------------------------------------------------------------- */

/* Threads, interrupts, grace periods, choices, a step with several ways, lines behind the block. */
#define BUSY                                                                                       \
	"scenario name=busy vcpus=2 code=0 geom=ept-1x2\n"                                         \
	"host map name=m0 size=0x4000 backing=thp\n"                                               \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                          \
	"guest read vcpu=0 gpa=0x0\n"                                                              \
	"par\n"                                                                                    \
	"guest write vcpu=0,1 gpa=0x0 vstride=0x1000 repeat=2\n"                                   \
	"guest read vcpu=1 gpa=0x0 n=2\n"                                                          \
	"choose n=2\n"                                                                             \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"                         \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"                          \
	"op set_region slot=0 gpa=0x0 size=0 flags=none map=m0+0x0\n"                              \
	"op get_dirty slot=0 by=1\n"                                                               \
	"op get_dirty slot=0 by=1 repeat=2\n"                                                      \
	"endchoose\n"                                                                              \
	"host madvise map=m0+0x0 len=0x1000 advice=dontneed\n"                                     \
	"host madvise map=m0+0x0 len=0x2000 advice=collapse by=1\n"                                \
	"join\n"                                                                                   \
	"guest write vcpu=0 gpa=0x1000\n"                                                          \
	"op get_dirty slot=0\n"

enum { MOVES_AT_MOST = 400 };

static uint32_t draw(uint32_t *seed, unsigned int n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 16) % n;
}

/* Some moves from the first `par` on; another answer where a step asks for one. */
static struct explore_finding some_path(const struct explore_cfg *cfg, uint32_t seed)
{
	static char nobody[] = "nobody moves";
	struct explore_finding f = { .inv = INV_PROG, .why = nobody };
	struct note notes[NOTES_MAX];
	struct move list[MOVES_MAX];
	struct explore_start s;
	struct vm *before;
	struct ctx c;

	ck_assert(explore_start(cfg, &s, NULL));
	before = vm_new(s.vm->cfg);
	f.path = g_array_new(FALSE, FALSE, sizeof(struct move));
	c = (struct ctx){ .vm = s.vm, .rules = &s.vm->cfg->rules, .notes = notes };
	for (unsigned int i = 0; i < MOVES_AT_MOST; i++) {
		unsigned int n = moves_list(s.moves, s.vm, list);
		struct move mv;

		if (!n)
			break;
		mv = list[draw(&seed, n)];
		vm_copy(before, s.vm);
		ck_assert(moves_make(s.moves, &c, mv, NULL));
		if (mv.kind == MOVE_STEP && c.pick_of > 1) {
			mv.k = (uint8_t)draw(&seed, c.pick_of);
			vm_copy(s.vm, before);
			ck_assert(moves_make(s.moves, &c, mv, NULL));
		}
		g_array_append_val(f.path, mv);
	}
	vm_free(before);
	explore_start_fini(&s);
	return f;
}

/* A path of the scenario: written, read again, the same; what was written. */
static GString *write_and_read(const struct explore_cfg *cfg, uint32_t seed)
{
	const uint64_t none = BIT(INV_NONE);
	struct explore_finding f = some_path(cfg, seed);
	GString *text = print(cfg, &f);
	struct schedule_result r;
	struct text_explore again;

	text_explore_init(&again, text->str);
	again.cfg.invariants = &none;
	ck_assert(schedule_run(&again.cfg, false, &r, NULL));
	same_path(r.finding.path, f.path);
	schedule_result_fini(&r);
	text_explore_fini(&again);
	g_array_unref(f.path);
	return text;
}

START_TEST(any_path_is_read_as_it_was_written)
{
	bool picks = false, lines = false, acks = false, rcu = false, threads = false;
	struct text_explore t;

	text_explore_under(&t, BUSY, X86);
	for (uint32_t seed = 0; seed < 60; seed++) {
		GString *text = write_and_read(&t.cfg, seed);

		picks |= strstr(text->str, " pick=") != NULL;
		lines |= strstr(text->str, " line=") != NULL;
		acks |= strstr(text->str, "sched ack1") != NULL;
		rcu |= strstr(text->str, "sched rcu") != NULL;
		threads |= strstr(text->str, "sched vmm1") && strstr(text->str, "sched mm1");
		g_string_free(text, TRUE);
	}
	ck_assert(picks);
	ck_assert(lines);
	ck_assert(acks);
	ck_assert(rcu);
	ck_assert(threads);
	text_explore_fini(&t);
}
END_TEST

/* Stores of two threads of the VMM and of a vCPU's, which answers its own exit. */
#define STORES                                                                                     \
	"scenario name=stores vcpus=2 code=0 geom=arm64-2x2 mem=armlike\n"                         \
	"host map name=m0 size=0x2000 backing=memfd\n"                                             \
	"op user_bit map=b0 page=0 n=2 value=1\n"                                                  \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=uf map=m0+0x0 bitmap=b0\n"                 \
	"par\n"                                                                                    \
	"guest read vcpu=0,1 vstride=0x1000 gpa=0x0 answer=1ns\n"                                  \
	"host touch map=m0+0x0 len=0x2000 mode=w\n"                                                \
	"op user_bit map=b0 page=0 value=0\n"                                                      \
	"host touch map=m0+0x0 len=0x1000 mode=w by=1\n"                                           \
	"join\n"

START_TEST(stores_are_part_of_a_path)
{
	bool vcpu = false, vmm0 = false, vmm1 = false, picks = false;
	struct text_explore t;

	text_explore_under(&t, STORES, UF);
	for (uint32_t seed = 0; seed < 60; seed++) {
		GString *text = write_and_read(&t.cfg, seed);

		vcpu |= strstr(text->str, "sched store-v1") != NULL;
		vmm0 |= strstr(text->str, "sched store-vmm0") != NULL;
		vmm1 |= strstr(text->str, "sched store-vmm1") != NULL;
		picks |= strstr(text->str, "sched store-vmm0 pick=1") != NULL;
		g_string_free(text, TRUE);
	}
	ck_assert(vcpu);
	ck_assert(vmm0);
	ck_assert(vmm1);
	ck_assert(picks);
	text_explore_fini(&t);
}
END_TEST

/* ---- what does not fit ----------------------------------------------------------------------- */

#define GRAIN "grain walk=1 hw=1 queue=any tlb=set\n"
#define OPEN                                                                                       \
	"scenario name=a code=0 geom=ept-1x2\n" SLOT "par\n"                                       \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"choose n=2\n"                                                                             \
	"op get_dirty slot=0\n"                                                                    \
	"op reset_rings\n"                                                                         \
	"endchoose\n"                                                                              \
	"join\n"

static const struct {
	const char *schedule;
	enum schedule_error code;
	const char *says;
} bad[] = {
	{ "grain walk=2 hw=1 queue=any tlb=set\n", SCHEDULE_ERROR_GRAIN,
	  "line 11: expected 'grain walk=1 hw=1 queue=any tlb=set', in which this scenario's steps "
	  "are made, found 'grain walk=2 hw=1 queue=any tlb=set'" },
	{ "grain walk=1 hw=0 queue=any tlb=set\n", SCHEDULE_ERROR_GRAIN,
	  "found 'grain walk=1 hw=0" },
	{ "grain walk=1 hw=1 queue=fifo tlb=set\n", SCHEDULE_ERROR_GRAIN, "queue=fifo" },
	{ "grain walk=1 hw=1 queue=any tlb=drop\n", SCHEDULE_ERROR_GRAIN, "tlb=drop'" },
	{ GRAIN "sched v1\n", SCHEDULE_ERROR_MOVE,
	  "line 12: 'sched v1', move 1 of 1: expected somebody who can move (v0, vmm0), found v1, "
	  "who cannot" },
	{ GRAIN "sched v0\nsched mm0\n", SCHEDULE_ERROR_MOVE, "line 13: 'sched mm0', move 1 of 1" },
	{ GRAIN "sched vmm1\n", SCHEDULE_ERROR_MOVE, "found vmm1, who cannot" },
	{ GRAIN "sched ack0\n", SCHEDULE_ERROR_MOVE, "found ack0, who cannot" },
	{ GRAIN "sched rcu\n", SCHEDULE_ERROR_MOVE, "found rcu, who cannot" },
	{ GRAIN "sched v0 n=1000\n", SCHEDULE_ERROR_MOVE, " of 1000: expected somebody who can" },
	{ GRAIN "sched vmm0\n", SCHEDULE_ERROR_MOVE,
	  "move 1 of 1: expected line=1 or 2, found none" },
	{ GRAIN "sched vmm0 line=3\n", SCHEDULE_ERROR_MOVE,
	  "expected a line that can begin (line=1 or 2), found line=3" },
	{ GRAIN "sched v0\nsched v0 line=1\n", SCHEDULE_ERROR_MOVE,
	  "expected no line= in the middle of a line, found line=1" },
	{ GRAIN "sched v0 pick=1\n", SCHEDULE_ERROR_MOVE,
	  "expected no pick= where a line begins, found pick=1" },
	{ GRAIN "sched v0\nsched v0 pick=1\n", SCHEDULE_ERROR_MOVE,
	  "expected pick= below 1, found pick=1" },
	{ GRAIN "sched v0 at=tdp_map:install\n", SCHEDULE_ERROR_MOVE,
	  "expected 'tdp_map:install', found an end, or a wait" },
	{ GRAIN "sched vmm0 line=2 at=vcpu_enter:requests\n", SCHEDULE_ERROR_MOVE,
	  "expected 'vcpu_enter:requests', found an end, or a wait" },
};

START_TEST(bad_schedules_are_refused_with_their_message)
{
	g_autofree char *text = g_strconcat(OPEN, bad[_i].schedule, NULL);
	g_autoptr(GError) error = NULL;
	struct schedule_result r;
	struct text_explore t;

	text_explore_under(&t, text, X86);
	ck_assert(!schedule_run(&t.cfg, false, &r, &error));
	ck_assert_msg(g_error_matches(error, SCHEDULE_ERROR, (int)bad[_i].code), "%s",
		      error->message);
	ck_assert_msg(strstr(error->message, bad[_i].says) != NULL, "%s", error->message);
	text_explore_fini(&t);
}
END_TEST

/* Data, then the bit with release: the second store waits for the first. */
#define RELEASED                                                                                   \
	"scenario name=a code=0 geom=arm64-2x2 mem=armlike\n"                                      \
	"host map name=m0 size=0x1000 backing=memfd\n"                                             \
	"par\n"                                                                                    \
	"host touch map=m0+0x0 len=0x1000 mode=w\n"                                                \
	"op user_bit map=b0 page=0 value=1 order=release\n"                                        \
	"join\n" GRAIN "sched vmm0 n=3\n"

static const struct {
	const char *schedule, *says; /* NULL: it fits */
} stores[] = {
	{ "sched store-vmm0 n=2\n", NULL },
	{ "sched store-vmm0 pick=1\n",
	  "'sched store-vmm0 pick=1', move 1 of 1: expected pick= of a store that can become "
	  "visible, found pick=1" },
	{ "sched store-vmm0 n=3\n", "move 3 of 3: expected somebody who can move" },
	{ "sched store-v0\n", "(store-vmm0), found store-v0, who cannot" },
};

START_TEST(a_schedule_cannot_make_a_store_visible_that_waits)
{
	g_autofree char *text = g_strconcat(RELEASED, stores[_i].schedule, NULL);
	g_autoptr(GError) error = NULL;
	struct schedule_result r;
	struct text_explore t;
	bool fits;

	text_explore_under(&t, text, UF);
	fits = schedule_run(&t.cfg, false, &r, &error);
	ck_assert_msg(fits == !stores[_i].says, "%s", error ? error->message : "it fits");
	if (fits) {
		ck_assert_int_eq(r.finding.inv, INV_NONE);
		schedule_result_fini(&r);
	} else {
		ck_assert_msg(strstr(error->message, stores[_i].says) != NULL, "%s",
			      error->message);
	}
	text_explore_fini(&t);
}
END_TEST

START_TEST(good_schedules_may_end_early_and_go_on_too_long)
{
	static const char early[] = OPEN GRAIN "sched v0 n=3\nsched vmm0 line=2\n";
	struct schedule_result r;
	struct text_explore t;

	text_explore_under(&t, early, X86);
	r = run(&t);
	ck_assert_int_eq(r.finding.inv, INV_NONE);
	ck_assert_uint_eq(r.finding.path->len, 4);
	schedule_result_fini(&r);
	text_explore_fini(&t);

	/* what stands behind a violation is not made */
	{
		struct text_explore found;
		GString *text;

		text_explore_under(&found, cases[0].text, cases[0].policy);
		text_explore_find(&found);
		text = print(&found.cfg, found.f);
		g_string_truncate(text, (gsize)(strstr(text->str, "expect") - text->str));
		g_string_append(text, "sched mm7 n=9\n");
		text_explore_init(&t, text->str);
		r = run(&t);
		ck_assert_int_eq(r.finding.inv, INV_SLOT);
		ck_assert_uint_eq(r.moves, found.f->path->len + 9);
		ck_assert_uint_eq(r.finding.path->len, found.f->path->len);
		schedule_result_fini(&r);
		text_explore_fini(&t);
		text_explore_fini(&found);
		g_string_free(text, TRUE);
	}
}
END_TEST

/*
 * Both vCPUs write to a page of a logged slot; who faults late overwrites the entry and loses its D, so that
 * each has the page in its PML buffer. The second harvest finds neither: one vCPU is leaving, one was not there.
 */
#define PML_TWICE                                                                                  \
	"scenario name=late vcpus=2 policy=" X86 " geom=ept-1x2 code=0 tlb=set\n"                  \
	"host map name=m0 size=0x1000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x1000 flags=log map=m0+0x0\n"                          \
	"par\n"                                                                                    \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"guest write vcpu=1 gpa=0x0\n"                                                             \
	"op get_dirty slot=0 repeat=2\n"                                                           \
	"join\n"                                                                                   \
	"grain walk=1 hw=1 queue=any tlb=set\n"                                                    \
	"sched v0 n=13 at=tdp_map:read\nsched v1 n=4 at=hw:walk\n"                                 \
	"sched v0 n=4 at=vcpu_enter:requests\nsched v1 n=6\n"                                      \
	"sched vmm0 n=7 at=make_all_cpus_request:send\nsched v0 n=6 at=hw:walk\nsched vmm0 n=3\n"  \
	"sched v0 n=2 at=guest:exit\nsched vmm0 n=5 at=get_dirty_log:unlock\n"                     \
	"sched v1 n=8 at=hw:walk\nsched v0\nsched vmm0 n=2\n"

START_TEST(what_a_vcpu_drains_is_late_even_if_another_holds_it)
{
	struct schedule_result r;
	struct text_explore t;

	text_explore_init(&t, PML_TWICE);
	r = run(&t);
	ck_assert_msg(r.finding.inv == INV_NONE, "%s", inv_name(r.finding.inv));
	ck_assert_uint_eq(r.moves, 61);
	schedule_result_fini(&r);
	text_explore_fini(&t);
}
END_TEST

START_TEST(a_policy_too_long_for_the_language_is_not_cut)
{
	g_autoptr(GString) policy = g_string_new(X86), out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct text_explore t;

	while (policy->len < sizeof(t.scenario.policy))
		g_string_append(policy, "+machine=ept");
	text_explore_under(&t, cases[0].text, X86);
	text_explore_find(&t);
	t.cfg.policy = policy->str;
	ck_assert(!schedule_print(&t.cfg, t.f, out, &error));
	ck_assert_msg(g_error_matches(error, SCHEDULE_ERROR, SCHEDULE_ERROR_PRINT), "%s",
		      error->message);
	text_explore_fini(&t);
}
END_TEST

/* ---- expectations ---------------------------------------------------------------------------- */

static const struct {
	const char *expects;
	enum inv found[2];
	bool complete, all;
	const char *says; /* NULL: met */
} expectations[] = {
	{ "expect holds\n", { 0 }, true, false, NULL },
	{ "expect holds inv=I5,I15\n", { 0 }, true, false, NULL },
	{ "expect holds\n",
	  { 0 },
	  false,
	  false,
	  "expected everything to hold, found that not every order was tried" },
	{ "expect holds\n",
	  { INV_I5 },
	  false,
	  false,
	  "expected everything to hold, found I5 violated" },
	{ "expect holds inv=I15\n",
	  { INV_I5 },
	  false,
	  false,
	  "expected I15 to hold, found I5 violated" },
	{ "expect violated inv=I5\n", { INV_I5 }, false, false, NULL },
	{ "expect violated inv=I5,I15\n", { INV_I15 }, false, false, NULL },
	{ "expect violated inv=I5\nexpect violated inv=I15\n", { INV_I15 }, false, false, NULL },
	/* the first counts, unless all were asked for */
	{ "expect violated inv=I5\n", { INV_I5, INV_I15 }, false, false, NULL },
	{ "expect violated inv=I15\n",
	  { INV_I5, INV_I15 },
	  false,
	  false,
	  "expected I15 violated, found I5 violated" },
	{ "expect violated inv=I5\n",
	  { INV_I5, INV_I15 },
	  true,
	  true,
	  "expected I5 violated, found I5,I15 violated" },
	{ "expect violated inv=I5,I15\n",
	  { INV_I5 },
	  true,
	  true,
	  "expected I5,I15 violated, found I5 violated" },
	{ "expect violated inv=I15,I5\n", { INV_I5, INV_I15 }, true, true, NULL },
	{ "expect violated inv=I5\n",
	  { 0 },
	  true,
	  false,
	  "expected I5 violated, found nothing violated" },
	{ "expect violated inv=I5\n", { 0 }, false, false, "found nothing violated so far" },
	{ "expect violated inv=I5\nexpect holds inv=I15\n", { INV_I5 }, false, false, NULL },
	{ "expect violated inv=I5\nexpect holds\n",
	  { INV_I5 },
	  false,
	  false,
	  "expected I5 violated and everything to hold, found I5 violated" },
};

START_TEST(expectations_are_met_or_not)
{
	g_autofree char *text = g_strconcat(OPEN, expectations[_i].expects, NULL);
	struct expect_found found = { .invs = expectations[_i].found,
				      .complete = expectations[_i].complete,
				      .all = expectations[_i].all };
	g_autofree char *message = NULL;
	struct expects e;
	struct text_explore t;

	while (found.n < 2 && expectations[_i].found[found.n])
		found.n++;
	text_explore_under(&t, text, X86);
	ck_assert(expect_read(t.scen, &e, NULL));
	ck_assert(e.any);
	message = expect_check(&e, &found);
	if (!expectations[_i].says)
		ck_assert_msg(message == NULL, "%s", message);
	else
		ck_assert_msg(message && strstr(message, expectations[_i].says), "%s",
			      message ? message : "met");
	text_explore_fini(&t);
}
END_TEST

START_TEST(bad_expectations_and_scopes_name_their_line)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ OPEN "expect violated inv=I5,I99\n",
		  "line 11: expected names that 's2sim list invariants' prints, found 'I99'" },
		{ "scenario name=a\nscope slots=1\nexpect no trace call x\n",
		  "line 3: expected 'expect holds' or 'expect violated'" },
		{ "scenario name=a\nscope invariants=I5,I6,i7\n",
		  "line 2: expected names that 's2sim list invariants' prints, found 'i7'" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		struct setup_scope scope = { .slots = 0 };
		uint64_t mask = 0;
		struct expects e;
		struct text_explore t;

		text_explore_under(&t, wrong[i].text, X86);
		ck_assert(!expect_read(t.scen, &e, &error) ||
			  !expect_scope(t.scen, &scope, &mask, &error));
		ck_assert_msg(strstr(error->message, wrong[i].says) != NULL, "%s", error->message);
		ck_assert(g_error_matches(error, EXPECT_ERROR, EXPECT_ERROR_LINE));
		text_explore_fini(&t);
	}
}
END_TEST

START_TEST(options_go_before_the_scope)
{
	struct setup_scope scope = { .slots = 7 };
	uint64_t mask = 0, own = BIT(INV_I5);
	struct text_explore t;

	text_explore_under(&t, "scenario name=a\nscope slots=2 tables=9 invariants=I15,I16\n", X86);
	ck_assert(expect_scope(t.scen, &scope, &mask, NULL));
	ck_assert_uint_eq(scope.slots, 7);
	ck_assert_uint_eq(scope.tables, 9);
	ck_assert_uint_eq(scope.words, 0);
	ck_assert_uint_eq(mask, BIT(INV_I15) | BIT(INV_I16));
	ck_assert(expect_scope(t.scen, &scope, &own, NULL));
	ck_assert_uint_eq(own, BIT(INV_I5));
	text_explore_fini(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedule");
	TCase *inverse = tcase_create("inverse"), *pairs = tcase_create("pairs");
	SRunner *runner;
	int failed;

	tcase_set_timeout(inverse, 120);
	tcase_add_loop_test(inverse, what_was_found_replays, 0, G_N_ELEMENTS(cases));
	tcase_add_loop_test(inverse, what_replays_is_written_alike, 0, G_N_ELEMENTS(cases) - 1);
	tcase_add_test(inverse, any_path_is_read_as_it_was_written);
	tcase_add_test(inverse, stores_are_part_of_a_path);
	suite_add_tcase(s, inverse);
	tcase_add_loop_test(pairs, a_schedule_cannot_make_a_store_visible_that_waits, 0,
			    G_N_ELEMENTS(stores));
	tcase_add_loop_test(pairs, bad_schedules_are_refused_with_their_message, 0,
			    G_N_ELEMENTS(bad));
	tcase_add_test(pairs, good_schedules_may_end_early_and_go_on_too_long);
	tcase_add_test(pairs, what_a_vcpu_drains_is_late_even_if_another_holds_it);
	tcase_add_test(pairs, a_policy_too_long_for_the_language_is_not_cut);
	tcase_add_loop_test(pairs, expectations_are_met_or_not, 0, G_N_ELEMENTS(expectations));
	tcase_add_test(pairs, bad_expectations_and_scopes_name_their_line);
	tcase_add_test(pairs, options_go_before_the_scope);
	suite_add_tcase(s, pairs);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
