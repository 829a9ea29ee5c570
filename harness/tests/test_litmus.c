/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publication of a page through its userfault bit: all executions, and whether the outcome that must not be is
 * among them.
 *
 *   UF-MP   VMM: store data; [release] store bit = 0      vCPU: r0 = bit; if 0, ..., r1 = data
 *   must not be: r0 == 0 and r1 == old data
 *   UF-MP3  the vCPU that loads the bit maps the page, another one loads the data through its leaf
 *
 * The verdicts are those of herd7 for AArch64 and x86.  They are asked of model/mem.c alone first, with the values
 * that the loads return as a second opinion about the history that INV-DATA looks at; then of whole faults.
 *
 * Loads may go ahead of a branch, so that "program order" and "control dependency" are the same here.  Not expressible:
 * UF-MP3 where the leaf is stored without a dependency on the bit (Sometimes), for leaves are stored in their turn.
 */
#include <stdlib.h>

#include <check.h>

#include "harness/finding.h"
#include "harness/story_from.h"
#include "harness/story_priv.h"
#include "harness/tests/explore_text.h"
#include "harness/tests/explored.h"
#include "model/mem.h"

/* ---- loads and stores alone ------------------------------------------------------------------ */

/* What the producer has between its two stores. */
enum producer { PLAIN, RELEASE, DMB };

/* What the consumer has between its two loads; a bit each. */
enum consumer { ORDER_NONE, ACQUIRE = 1, ISB = 2, DSB = 4, SRCU_MB = 8 };

static const struct litmus {
	const char *name, *mem;
	enum producer producer;
	unsigned int consumer;
	bool sometimes;
} litmus[] = {
	{ "plain, program order or control", "armlike", PLAIN, ORDER_NONE, true },
	{ "plain, control+ISB", "armlike", PLAIN, ISB, true },
	{ "plain, load-acquire", "armlike", PLAIN, ACQUIRE, true },
	{ "plain, control+store+DSB ISHST", "armlike", PLAIN, DSB, true },
	{ "plain, control+store+DSB ISHST+ISB", "armlike", PLAIN, DSB | ISB, true },
	{ "release, program order", "armlike", RELEASE, ORDER_NONE, true },
	{ "DMB, program order", "armlike", DMB, ORDER_NONE, true },
	{ "release, control", "armlike", RELEASE, ORDER_NONE, true },
	{ "release, control+store, no barrier", "armlike", RELEASE, ORDER_NONE, true },
	{ "release, control+ISB", "armlike", RELEASE, ISB, false },
	{ "release, load-acquire", "armlike", RELEASE, ACQUIRE, false },
	{ "release, control+store+DSB ISHST", "armlike", RELEASE, DSB, false },
	{ "release, control+store+DSB ISHST+ISB", "armlike", RELEASE, DSB | ISB, false },
	{ "DMB, load-acquire", "armlike", DMB, ACQUIRE, false },
	{ "release, smp_mb() of srcu_read_unlock()", "armlike", RELEASE, SRCU_MB, false },
	{ "x86: plain, program order", "tso", PLAIN, ORDER_NONE, false },
	/* KVM itself loads the data after the bit, as for emulation: no map and no entry is between */
	{ "KVM's own load, read-plain, release", "armlike", RELEASE, ORDER_NONE, true },
	{ "KVM's own load, read-acquire, release", "armlike", RELEASE, ACQUIRE, false },
	{ "KVM's own load, read-acquire, relaxed", "armlike", PLAIN, ACQUIRE, true },
	{ "KVM's own load on x86, relaxed", "tso", PLAIN, ORDER_NONE, false },
};

/* A page that user space will fill; its bit is 1. */
#define UNFILLED                                                                                   \
	"host map name=m0 size=0x4000 backing=anon\n"                                              \
	"host touch map=m0+0x0 len=0x4000 mode=w\n"                                                \
	"op user_bit map=b0 page=0 value=1\n"                                                      \
	"op set_region slot=0 size=0x4000 map=m0+0x0 gpa=0x4000 flags=uf bitmap=b0\n"

/* The producer's thread has done .stored of its two stores, the vCPU .loaded of its four steps. */
struct execution {
	struct vm *vm;
	unsigned int stored, loaded;
	bool r0, r1;    /* what the loads returned: the bit, and whether the data is new */
	bool was_ahead; /* what was loaded ahead was new */
};

/* All executions of a row from one state on. */
struct search {
	const struct litmus *row;
	hva_t hva;
	uint32_t word;
	unsigned int executions;
	bool found;
};

static bool data_is_visible(const struct search *s, const struct execution *e)
{
	const struct mem_thread *t = &e->vm->mem[vm_actor_vmm(e->vm)];

	for (unsigned int i = 0; i < MEM_STORES; i++)
		if (t->stores[i].kind == MEM_STORE_DATA && t->stores[i].at == s->hva)
			return false;
	return e->stored > 0;
}

static void produce(const struct search *s, struct execution *e)
{
	uint32_t vmm = vm_actor_vmm(e->vm);
	struct ctx c = { .vm = e->vm, .rules = &e->vm->cfg->rules, .me_nr = vmm };

	if (e->stored++ == 0) {
		mem_store_data(e->vm, vmm, s->hva);
		return;
	}
	if (s->row->producer == DMB)
		mem_drain(&c);
	mem_store_bits(e->vm, vmm,
		       &(struct mem_bits){ .word = s->word,
					   .mask = 1,
					   .release = s->row->producer == RELEASE });
}

/* The data is loaded: the same answer from values and from history. */
static void load_data(struct search *s, struct execution *e)
{
	e->r1 = e->vm->mem[0].ahead.used ? e->was_ahead : data_is_visible(s, e);
	ck_assert_msg(mem_is_stale(e->vm, 0, s->hva) == !e->r1, "%s: expected data that is %s",
		      s->row->name, e->r1 ? "new" : "old");
	s->found |= !e->r0 && !e->r1;
}

/* The vCPU's next step; @ahead: the first of them loads the data ahead of its turn. */
static void consume(struct search *s, struct execution *e, bool ahead)
{
	struct ctx c = { .vm = e->vm, .rules = &e->vm->cfg->rules, .pick = ahead };

	switch (e->loaded++) {
	case 0:
		mem_load_ahead(&c, s->hva);
		e->was_ahead = data_is_visible(s, e);
		break;
	case 1:
		e->r0 = e->vm->words[s->word] & 1;
		mem_bit_seen(&c, s->hva, e->r0);
		if (e->r0)
			e->loaded = 4; /* an exit */
		break;
	case 2:
		if (s->row->consumer & DSB)
			mem_barrier(&c, MEM_MAP_DSB);
		if (s->row->consumer & SRCU_MB)
			mem_barrier(&c, MEM_SRCU_MB);
		if (s->row->consumer & ISB)
			mem_barrier(&c, MEM_ENTRY_ISB);
		break;
	default:
		load_data(s, e);
		break;
	}
}

static void search_all(struct search *s, const struct execution *from);

static void search_move(struct search *s, const struct execution *from, struct move mv)
{
	struct execution e = *from;

	e.vm = vm_new(from->vm->cfg);
	vm_copy(e.vm, from->vm);
	if (mv.kind == MOVE_STORE)
		mem_commit(e.vm, mv.who, mv.k);
	else if (mv.who == 0)
		consume(s, &e, mv.k);
	else
		produce(s, &e);
	search_all(s, &e);
	vm_free(e.vm);
}

static void search_all(struct search *s, const struct execution *from)
{
	uint32_t vmm = vm_actor_vmm(from->vm), can = mem_visible_next(from->vm, vmm);

	if (from->loaded == 4)
		s->executions++;
	for (uint8_t k = 0; from->loaded < 4 && k < (from->loaded ? 1 : 2); k++)
		search_move(s, from, (struct move){ MOVE_STEP, 0, k });
	if (from->stored < 2)
		search_move(s, from, (struct move){ MOVE_STEP, (uint8_t)vmm, 0 });
	for (; can; can &= can - 1)
		search_move(s, from,
			    (struct move){ MOVE_STORE, (uint8_t)vmm, (uint8_t)__builtin_ctz(can) });
}

START_TEST(loads_and_stores_alone)
{
	const struct litmus *row = &litmus[_i];
	bool arm = row->mem[0] == 'a';
	g_autofree char *text = g_strdup_printf(
		"scenario name=t code=0 mem=%s\n" UNFILLED PAR "guest nop vcpu=0\n" JOIN, row->mem);
	struct text_explore t;
	struct explore_start start;
	struct search s = { .row = row };
	GError *error = NULL;

	text_explore_under(&t, text, arm ? "arm64-sean-rewrite" : "x86-uf-v3");
	ck_assert_msg(explore_start(&t.cfg, &start, &error), "%s", error ? error->message : "");
	if (row->consumer & ACQUIRE)
		start.vm->cfg->rules.uf_read = UF_READ_ACQUIRE;
	s.hva = start.vm->st->maps[0].hva;
	s.word = start.moves->lines.bitmaps[0].words;
	ck_assert_uint_eq(start.vm->words[s.word], 1);
	search_all(&s, &(struct execution){ .vm = start.vm });
	ck_assert_uint_gt(s.executions, 1);
	ck_assert_msg(s.found == row->sometimes, "%s: expected %s", row->name,
		      row->sometimes ? "Sometimes" : "Never");
	explore_start_fini(&start);
	text_explore_fini(&t);
}
END_TEST

/* ---- whole faults ---------------------------------------------------------------------------- */

#define SET          "op user_bit map=b0 page=0 value=1\n"
#define SET_UF       "op set_region slot=0 size=0x4000 map=m0+0x0 gpa=0x4000 flags=uf bitmap=b0\n"
#define READS        "guest read vcpu=0 gpa=0x4000 repeat=2\n"
#define READS_OTHER  "guest read vcpu=1 gpa=0x4000\n"
#define FILL         "host touch map=m0+0x0 len=0x1000 mode=w\n"
#define CLEAR        "op user_bit map=b0 page=0 value=0"
#define MP(order)    UNFILLED PAR READS FILL CLEAR order "\n" JOIN
#define MP3(order)   UNFILLED PAR READS READS_OTHER FILL CLEAR order "\n" JOIN
#define OTHER_THREAD UNFILLED PAR READS FILL CLEAR " order=release by=1\n" JOIN
#define ABSENT(order)                                                                              \
	"host map name=m0 size=0x4000 backing=memfd\n" SET SET_UF PAR READS FILL CLEAR order       \
	"\n" JOIN
#define DOUBLE                                                                                     \
	UNFILLED PAR READS FILL CLEAR " order=release\n"                                           \
				      "op user_bit map=b0 page=0 value=1\n" FILL CLEAR             \
				      " order=release\n" JOIN
#define ANSWERS                                                                                    \
	UNFILLED PAR "guest read vcpu=0 gpa=0x4000 answer=1ns\n"                                   \
		     "guest read vcpu=1 gpa=0x4000\n" JOIN

#define RELEASED " order=release"
#define RELAXED  ""
#define SEAN     "arm64-sean-rewrite"
#define JAMES    "arm64-james-v2"
#define ACQUIRES "+bitmap-read=read-acquire"

static const struct fault_litmus {
	const char *policy, *inject, *keys;
	bool holds;
	const char *lines;
} fault_litmus[] = {
	/* what was posted, with a release by user space */
	{ SEAN, "", "mem=armlike", true, MP(RELEASED) },
	{ JAMES, "", "mem=armlike", true, MP(RELEASED) },
	{ "arm64-uf-v1", "", "mem=armlike", true, MP(RELEASED) },
	{ SEAN ACQUIRES, "", "mem=armlike", true, MP(RELEASED) },
	/* without one nothing that the kernel does helps */
	{ SEAN, "", "mem=armlike", false, MP(RELAXED) },
	{ JAMES, "", "mem=armlike", false, MP(RELAXED) },
	{ SEAN ACQUIRES, "", "mem=armlike", false, MP(RELAXED) },
	{ SEAN, "only-map-dsb", "mem=armlike", false, MP(RELAXED) },
	{ SEAN, "only-entry-isb", "mem=armlike", false, MP(RELAXED) },
	/* each of what orders the loads is enough, and one is needed */
	{ SEAN, "only-map-dsb", "mem=armlike", true, MP(RELEASED) },
	{ SEAN, "only-srcu-mb", "mem=armlike", true, MP(RELEASED) },
	{ SEAN, "only-entry-isb", "mem=armlike", true, MP(RELEASED) },
	{ SEAN, "loads-unordered", "mem=armlike", false, MP(RELEASED) },
	{ JAMES, "loads-unordered", "mem=armlike", false, MP(RELEASED) },
	{ SEAN ACQUIRES, "loads-unordered", "mem=armlike", true, MP(RELEASED) },
	/* x86 keeps both orders; so does anything that is sequentially consistent */
	{ "x86-uf-v3", "", "mem=tso", true, MP(RELAXED) },
	{ "x86-uf-v2", "", "mem=tso", true, MP(RELAXED) },
	{ "x86-uf-v3", "", "mem=tso", true, MP(RELEASED) },
	{ SEAN, "loads-unordered", "mem=tso", true, MP(RELAXED) },
	{ SEAN, "loads-unordered", "", true, MP(RELAXED) },
	/* UF-MP3 */
	{ SEAN, "", "mem=armlike vcpus=2", true, MP3(RELEASED) },
	{ SEAN, "", "mem=armlike vcpus=2", false, MP3(RELAXED) },
	{ "x86-uf-v3", "", "mem=tso vcpus=2", true, MP3(RELAXED) },
	/* nobody said that the page was written before */
	{ SEAN, "", "mem=armlike", true, OTHER_THREAD },
	/* twice */
	{ SEAN, "", "mem=armlike", true, DOUBLE },
	{ SEAN, "loads-unordered", "mem=armlike", false, DOUBLE },
	/* a vCPU's thread fills the page and clears the bit */
	{ SEAN, "", "mem=armlike vcpus=2", true, ANSWERS },
	{ "x86-uf-v3", "", "mem=tso vcpus=2", true, ANSWERS },
	{ SEAN, "loads-unordered", "mem=armlike vcpus=2", false, ANSWERS },
	/* the host has no page before */
	{ SEAN, "", "mem=armlike", true, ABSENT(RELEASED) },
	{ SEAN, "", "mem=armlike", false, ABSENT(RELAXED) },
};

START_TEST(whole_faults)
{
	const struct fault_litmus *row = &fault_litmus[_i];
	struct control c = { .policy = row->policy,
			     .inject = row->inject,
			     .inv = "INV-DATA",
			     .holds = row->holds,
			     .lines = row->lines };

	check_control(&c, row->keys);
}
END_TEST

/* ---- what empties a buffer ------------------------------------------------------------------- */

/* Bits that are set before the ioctl that they are for; asked of INV-UF. */
#define NO_BITS  "host map name=m0 size=0x4000 backing=anon\n"
#define TOGGLED  NO_BITS SLOT("none") PAR READS SET SET_UF JOIN
#define CREATED  NO_BITS PAR READS SET SET_UF JOIN
#define RESCAN   NO_BITS SET_UF PAR READS SET "op rescan slot=0\n" JOIN
#define BY_IOCTL "+uapi=rescan-ioctl"

START_TEST(bits_are_visible_to_the_ioctl_that_follows)
{
	static const struct control cases[] = {
		{ SEAN, "", "INV-UF", true, TOGGLED },
		{ SEAN, "skip-uf-zap", "INV-UF", false, TOGGLED },
		{ SEAN, "", "INV-UF", true, CREATED },
		{ "x86-uf-v3", "", "INV-UF", true, CREATED },
		{ SEAN BY_IOCTL, "", "INV-UF", true, RESCAN },
		{ SEAN BY_IOCTL, "rescan-no-seq", "INV-UF", false, RESCAN },
		{ "x86-uf-v3", "", "INV-UF", true, TOGGLED },
		{ "x86-uf-v3" BY_IOCTL, "", "INV-UF", true, RESCAN },
		{ "x86-uf-v3" BY_IOCTL, "rescan-no-seq", "INV-UF", false, RESCAN },
	};

	check_control(&cases[_i],
		      g_str_has_prefix(cases[_i].policy, "x86") ? "mem=tso" : "mem=armlike");
}
END_TEST

/* A thread of the VMM with a store that others do not see; then one of what a thread does. */
START_TEST(a_barrier_or_a_release_empties_the_buffer)
{
	static const char text[] = "scenario name=t code=0 mem=armlike\n" MP(RELEASED);
	struct text_explore t;
	struct explore_start start;
	struct ctx c = { .me_nr = 1 };

	text_explore_under(&t, text, SEAN);
	ck_assert(explore_start(&t.cfg, &start, NULL));
	c.vm = start.vm;
	c.rules = &start.vm->cfg->rules;
	c.me = &start.vm->actors[c.me_nr];
	if (_i == 1)
		srcu_enter(&c);
	else if (_i == 2)
		lock_take_write(&c, OBJ_MMU_LOCK);
	else if (_i == 3)
		lock_take_read(&c, OBJ_MMU_LOCK);
	mem_store_data(c.vm, c.me_nr, start.vm->st->maps[0].hva);
	mem_store_data(c.vm, 0, start.vm->st->maps[0].hva);
	ck_assert(mem_pending(c.vm, c.me_nr));
	if (_i == 0)
		srcu_enter(&c);
	else if (_i == 1)
		srcu_exit(&c);
	else if (_i == 2)
		lock_drop_write(&c, OBJ_MMU_LOCK);
	else
		lock_drop_read(&c, OBJ_MMU_LOCK);
	ck_assert(!mem_pending(c.vm, c.me_nr));
	ck_assert(mem_pending(c.vm, 0)); /* another thread's is its own */
	explore_start_fini(&start);
	text_explore_fini(&t);
}
END_TEST

START_TEST(a_buffer_holds_what_it_has_room_for)
{
	static const char text[] = "scenario name=t code=0 mem=armlike\n" MP(RELEASED);
	struct text_explore t;
	struct explore_start start;
	struct ctx c = { .me_nr = 1 };
	struct mem_bits set = { .value = true, .mask = 2 };
	const struct mem_thread none = { .ahead = { .used = 0 } };

	text_explore_under(&t, text, SEAN);
	ck_assert(explore_start(&t.cfg, &start, NULL));
	c.vm = start.vm;
	c.rules = &start.vm->cfg->rules;
	set.word = start.moves->lines.bitmaps[0].words;
	mem_store_bits(c.vm, 1, &set);
	for (unsigned int i = 1; i < MEM_STORES; i++)
		mem_store_data(c.vm, 1, start.vm->st->maps[0].hva);
	ck_assert_uint_eq(c.vm->words[set.word], 1);
	ck_assert_uint_eq(mem_own_word(c.vm, 1, set.word), 3);
	ck_assert_uint_eq(mem_own_word(c.vm, 0, set.word), 1);
	/* stores to one location keep their order */
	ck_assert_uint_eq(mem_visible_next(c.vm, 1), 3);
	mem_store_data(c.vm, 1, start.vm->st->maps[0].hva);
	ck_assert_uint_eq(c.vm->words[set.word], 3);
	ck_assert_uint_eq(mem_visible_next(c.vm, 1), 1);
	mem_drain(&c);
	ck_assert_mem_eq(&c.vm->mem[1], &none, sizeof(none)); /* O1 */
	explore_start_fini(&start);
	text_explore_fini(&t);
}
END_TEST

/* Without a memory model there is nothing more to explore. */
START_TEST(nothing_is_added_where_it_is_not_asked_for)
{
	static const char text[] = "scenario name=t code=0\n" MP(RELEASED);
	static const char with[] = "scenario name=t code=0 mem=armlike\n" MP(RELEASED);
	struct text_explore a, b;
	struct explore_result *r, *more;
	struct explore_start start;

	text_explore_under(&a, text, SEAN);
	text_explore_under(&b, with, SEAN);
	r = text_explore_run(&a);
	more = text_explore_run(&b);
	ck_assert(r->complete && more->complete);
	ck_assert_uint_gt(more->states, r->states);
	ck_assert(explore_start(&a.cfg, &start, NULL));
	ck_assert(!(start.mask >> INV_DATA & 1));
	ck_assert_uint_eq(
		(size_t)((const uint8_t *)start.vm->vcpus - (const uint8_t *)start.vm->mem), 0);
	explore_start_fini(&start);
	explore_result_free(r);
	explore_result_free(more);
	text_explore_fini(&a);
	text_explore_fini(&b);
}
END_TEST

START_TEST(a_model_that_the_machine_does_not_have_is_refused)
{
	static const struct {
		const char *policy, *mem, *expected;
	} bad[] = {
		{ "x86-uf-v3", "armlike", "only memory model of x86" },
		{ "x86-uf-v3", "rvwmo", "only memory model of x86" },
		{ SEAN, "rvwmo", "expected tso or armlike, found 'rvwmo'" },
	};
	g_autofree char *text =
		g_strdup_printf("scenario name=t code=0 mem=%s\n" MP(RELEASED), bad[_i].mem);
	g_autoptr(GError) error = NULL;
	struct text_explore t;
	struct explore_start start;

	text_explore_under(&t, text, bad[_i].policy);
	ck_assert(!explore_start(&t.cfg, &start, &error));
	ck_assert_msg(strstr(error->message, bad[_i].expected) != NULL, "%s", error->message);
	text_explore_fini(&t);
}
END_TEST

/* ---- as a story ------------------------------------------------------------------------------ */

static bool story_has(const struct story *s, const char *part)
{
	bool has = false;

	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);

		for (guint n = 0; n < step->notes->len; n++)
			has |= strstr(g_ptr_array_index(step->notes, n), part) != NULL;
	}
	return has;
}

START_TEST(a_story_shows_stores_and_loads)
{
	static const char text[] =
		"scenario name=t code=0 mem=armlike inject=loads-unordered\n" MP(RELEASED);
	static const char *const parts[] = {
		"loads ahead of its turn: data of m0+0x0",
		"into the store buffer: data of m0+0x0",
		"into the store buffer: bits 0x1 = 0 (release)",
		"others see it: data of m0+0x0",
		"others see it: bits 0x1 = 0 (release)",
		"no longer holds what it loaded ahead: data of m0+0x0",
	};
	char name[FINDING_NAME_MAX] = "";
	struct explore_start start;
	struct text_explore t;
	struct story *s;

	text_explore_under(&t, text, SEAN);
	text_explore_find(&t);
	ck_assert_int_eq(t.f->inv, INV_DATA);
	s = story_from_finding(&t.cfg, t.f);
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
		ck_assert_msg(story_has(s, parts[i]), "%s", parts[i]);
	story_free(s);
	ck_assert(explore_start(&t.cfg, &start, NULL));
	finding_who(start.vm, (struct move){ MOVE_STORE, 1, 0 }, name);
	ck_assert_str_eq(name, "store-vmm0");
	explore_start_fini(&start);
	text_explore_fini(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("litmus");
	TCase *tc = tcase_create("litmus");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, loads_and_stores_alone, 0, G_N_ELEMENTS(litmus));
	tcase_add_loop_test(tc, whole_faults, 0, G_N_ELEMENTS(fault_litmus));
	tcase_add_loop_test(tc, bits_are_visible_to_the_ioctl_that_follows, 0, 9);
	tcase_add_loop_test(tc, a_barrier_or_a_release_empties_the_buffer, 0, 4);
	tcase_add_test(tc, a_buffer_holds_what_it_has_room_for);
	tcase_add_test(tc, nothing_is_added_where_it_is_not_asked_for);
	tcase_add_loop_test(tc, a_model_that_the_machine_does_not_have_is_refused, 0, 3);
	tcase_add_test(tc, a_story_shows_stores_and_loads);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
