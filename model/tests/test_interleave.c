/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random interleavings of vCPUs, ioctls and host events, one step at a time.  After every step no
 * actor may have become enabled without being woken; at the end nobody is stuck and the VM satisfies
 * its invariants, the one of dirty logging included.
 */
#include <stdlib.h>

#include <check.h>

#include "model/host_op.h"
#include "model/hostmm.h"
#include "model/kick.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/script.h"
#include "model/vtlb.h"
#include "model/x86.h"

enum {
	NR_VCPUS = 2,
	NR_OPS = 60,
	MAP_UNITS = 2,
	SLOT_GPA_STEP = 4, /* units between the places of a slot */
	MAX_STEPS = 400000,
	NR_SEEDS = 150,
};

/* What to run; @inject NULL: none, and nothing may go wrong. */
struct sim_case {
	const char *policy, *geom, *inject;
	unsigned int host_ops; /* 0: as many as everybody */
	const char *says;      /* what the failure of a bad one says; NULL: it is good */
};

struct sim {
	struct script *script;
	struct vm *vm;
	struct ctx ctx;
	uint64_t rng;
	uint64_t unit_bytes;
	hva_t hva[2];
	unsigned int left[NR_VCPUS + 2];
	bool watch_wakes;
	bool watch_frames;
	const char *fail;
};

static uint64_t rnd(struct sim *s)
{
	uint64_t z = (s->rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t below(struct sim *s, uint64_t n)
{
	return rnd(s) % n;
}

static gpa_t slot_place(struct sim *s, unsigned int slot)
{
	return (1 + slot * 8 + below(s, 2) * SLOT_GPA_STEP) * s->unit_bytes;
}

static void start_guest(struct sim *s, uint32_t v)
{
	struct op *op = &s->vm->ops[v];
	uint64_t page = 1ULL << s->vm->cfg->geom.page_shift;
	static const uint8_t access[] = { ACC_R, ACC_W, ACC_W, ACC_X };

	*op = (struct op){ .n = 1 + below(s, 3), .stride = page };
	op->gpa = slot_place(s, (unsigned int)below(s, 2)) +
		  below(s, (MAP_UNITS * s->unit_bytes) / page) * page;
	op->access = access[below(s, G_N_ELEMENTS(access))];
	actor_start(s->vm, v, P_guest_op, &(struct l_run){ 0 }, sizeof(struct l_run));
}

static void start_ioctl(struct sim *s, uint32_t a)
{
	struct op *op = &s->vm->ops[a];
	uint32_t slot = (uint32_t)below(s, 2);
	enum proc p = P_set_memory_region;

	*op = (struct op){ .slot = slot, .hva = s->hva[slot], .size = MAP_UNITS * s->unit_bytes };
	switch (below(s, 6)) {
	case 0:
		p = P_get_dirty_log;
		break;
	case 1:
		p = P_clear_dirty_log;
		op->n = op->size >> s->vm->cfg->geom.page_shift;
		break;
	case 2:
		op->size = 0;
		break;
	default:
		op->gpa = slot_place(s, slot);
		op->flags = below(s, 2) ? MEM_LOG_DIRTY_PAGES : 0;
		op->fail = (uint8_t)(below(s, 8) == 0 ? 1 + below(s, 5) : 0);
		break;
	}
	actor_start(s->vm, a, p, &(struct l_slot){ 0 }, sizeof(struct l_slot));
}

static void start_host(struct sim *s, uint32_t a)
{
	static const uint8_t kinds[] = { HOST_TOUCH, HOST_DONTNEED, HOST_DONTNEED, HOST_COLLAPSE,
					 HOST_AGE };
	struct op *op = &s->vm->ops[a];
	uint64_t page = 1ULL << s->vm->cfg->geom.page_shift;
	uint64_t pages = MAP_UNITS * s->unit_bytes / page;
	uint64_t first = below(s, pages);

	*op = (struct op){ .kind = kinds[below(s, G_N_ELEMENTS(kinds))], .stride = page };
	op->access = below(s, 2) ? ACC_W : ACC_R;
	op->flags = (uint32_t)below(s, 3);
	op->hva = s->hva[below(s, 2)];
	op->size = MAP_UNITS * s->unit_bytes;
	if (op->kind != HOST_COLLAPSE && below(s, 2)) {
		op->hva += first * page;
		op->size = (1 + below(s, MIN(pages - first, 8))) * page;
	}
	actor_start(s->vm, a, P_host_op, &(struct l_req){ 0 }, sizeof(struct l_req));
}

static void start(struct sim *s, uint32_t a)
{
	s->left[a]--;
	if (a < NR_VCPUS)
		start_guest(s, a);
	else if (a == vm_actor_vmm(s->vm))
		start_ioctl(s, a);
	else
		start_host(s, a);
}

static bool was_woken(const struct sim *s, uint32_t a)
{
	uint16_t obj = s->vm->actors[a].wait.obj;

	for (unsigned int i = 0; i < s->ctx.nr_woke; i++)
		if (s->ctx.woke[i] == obj)
			return true;
	return false;
}

/* While no notifier runs, every leaf of a slot holds the host's frame (I3). */
static const char *check_frames(const struct vm *vm)
{
	for (uint32_t t = 1; t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		for (uint32_t i = 0;
		     m->state == PT_LIVE && m->nr_used && i < geom_entries(&vm->cfg->geom); i++) {
			pte_t e = *pt_entry(&vm->pt, t, i);
			gfn_t gfn = pt_entry_gfn(&vm->pt, t, i);
			uint32_t slot = memslot_find(vm, m->as_id, gfn);

			if (slot && pte_is_leaf(vm->pt.fmt, e, m->height) &&
			    hostmm_view(vm, memslot_hva(vm, slot, gfn)).pfn !=
				    pte_pfn(vm->pt.fmt, e))
				return "I3: a leaf that the host page table does not back";
		}
	}
	return NULL;
}

static void one_step(struct sim *s, uint32_t a)
{
	bool before[NR_VCPUS + 2] = { false };

	for (uint32_t i = 0; i < s->vm->nr_actors; i++)
		before[i] = actor_enabled(s->vm, i);
	s->ctx.nr_woke = 0;
	s->ctx.me = &s->vm->actors[a];
	s->ctx.me_nr = a;
	thread_step(&s->ctx);
	for (uint32_t i = 0; i < s->vm->nr_actors && s->watch_wakes; i++)
		if (i != a && !before[i] && actor_enabled(s->vm, i) && !was_woken(s, i))
			s->fail = "an actor became enabled without a wake";
	if (!s->fail && s->vm->st->mn_active_invalidate_count == 0 && s->watch_frames)
		s->fail = check_frames(s->vm);
}

/* Anything that can move: rules, enabled actors, idle actors with work left. */
static bool move(struct sim *s)
{
	uint32_t can[NR_VCPUS * 2 + 4], n = 0, k;

	for (uint32_t a = 0; a < s->vm->nr_actors; a++)
		if (actor_enabled(s->vm, a) || (actor_idle(s->vm, a) && s->left[a]))
			can[n++] = a;
	for (uint32_t v = 0; v < NR_VCPUS; v++)
		if (ack_rule_enabled(s->vm, v))
			can[n++] = 100 + v;
	if (rcu_rule_enabled(s->vm))
		can[n++] = 200;
	if (n == 0)
		return false;
	k = can[below(s, n)];
	s->ctx.nr_woke = 0;
	if (k == 200)
		rcu_rule(&s->ctx);
	else if (k >= 100)
		ack_rule(&s->ctx, k - 100);
	else if (actor_idle(s->vm, k))
		start(s, k);
	else
		one_step(s, k);
	return true;
}

/* Why one leaf breaks the rule of dirty logging; NULL when it does not. */
static const char *check_logged_leaf(const struct vm *vm, gfn_t gfn, pte_t e, unsigned int height)
{
	const struct memslot *s = &vm->slots[memslot_find(vm, 0, gfn)];
	bool arm = vm->cfg->rules.arch == PT_ARM64;
	uint64_t rel = gfn - s->base_gfn;

	if (!s->bitmap || !(e.v & (arm ? S2_AP_W : vm_x86_fmt(vm)->w)))
		return NULL;
	if (vm->cfg->rules.pml && height == 0 && !(e.v & vm_x86_fmt(vm)->dirty))
		return NULL; /* the hardware will log it */
	if (height > 0)
		return "a writable block in a logged slot";
	return vm->words[s->bitmap + rel / 64] >> (rel % 64) & 1
		       ? NULL
		       : "a writable leaf whose dirty bit is clear";
}

/* A leaf through which the guest can write unnoticed must have its dirty bit set. */
static const char *check_logging(const struct vm *vm)
{
	const char *why = NULL;

	for (uint32_t t = 1; !why && t < vm->pt.head->high_water; t++) {
		const struct pt_meta *m = &vm->pt.meta[t];

		for (uint32_t i = 0;
		     !why && m->state == PT_LIVE && i < geom_entries(&vm->cfg->geom); i++) {
			pte_t e = *pt_entry(&vm->pt, t, i);

			if (pte_is_leaf(vm->pt.fmt, e, m->height))
				why = check_logged_leaf(vm, pt_entry_gfn(&vm->pt, t, i), e,
							m->height);
		}
	}
	return why;
}

static void sim_init(struct sim *s, const struct sim_case *k, uint64_t seed)
{
	struct lang_scenario sc = { .vcpus = NR_VCPUS, .eager = -1, .zapall = true };
	GError *error = NULL;

	*s = (struct sim){ .rng = seed, .watch_wakes = true };
	g_strlcpy(sc.name, "interleave", sizeof(sc.name));
	g_strlcpy(sc.geom, k->geom, sizeof(sc.geom));
	g_strlcpy(sc.inject, k->inject ? k->inject : "none", sizeof(sc.inject));
	g_strlcpy(sc.tlb, seed & 2 ? "sized" : "set", sizeof(sc.tlb));
	sc.eager = seed & 1;
	s->script = script_new(&sc, k->policy, NULL, &error);
	ck_assert_msg(s->script != NULL, "%s: %s", k->policy, error ? error->message : "");
	s->vm = script_vm(s->script);
	/* change_pte breaks this rule by itself: only its own row watches it */
	s->watch_frames = !s->vm->cfg->rules.s2_change_pte || (k->says && !k->inject);
	s->vm->pt.obs = NULL;
	s->vm->cfg->walk_budget = 1 + (uint32_t)(seed % 3);
	s->vm->cfg->code = false;
	s->ctx = (struct ctx){ .vm = s->vm, .rules = &s->vm->cfg->rules };
	s->unit_bytes = host_unit_bytes(s->vm);
	for (int i = 0; i < 2; i++) {
		int m = hostmm_map_new(s->vm, i ? "m1" : "m0", MAP_UNITS * s->unit_bytes,
				       i ? HOST_ANON : HOST_THP);

		ck_assert_int_ge(m, 0);
		s->hva[i] = s->vm->st->maps[m].hva;
	}
	for (uint32_t a = 0; a < s->vm->nr_actors; a++)
		s->left[a] = a == vm_actor_mm(s->vm) && k->host_ops ? k->host_ops : NR_OPS;
}

/* What is wrong at the end of a run; NULL when all is well. */
static const char *run(const struct sim_case *k, uint64_t seed)
{
	struct sim s;
	const char *why = NULL;
	int steps = 0;

	sim_init(&s, k, seed);
	while (!s.fail && steps++ < MAX_STEPS && move(&s))
		continue;
	why = s.fail;
	for (uint32_t a = 0; a < s.vm->nr_actors && !why; a++)
		why = actor_idle(s.vm, a) ? NULL : "an actor is stuck";
	if (!why && vm_check(s.vm, &why) && vtlb_check(s.vm, &why))
		why = check_logging(s.vm);
	script_free(s.script);
	return why;
}

static const struct sim_case cases[] = {
	{ "x86-6.12+machine=npt", "npt-2x3", NULL, 0, NULL },
	{ "x86-6.12+machine=ept", "ept-2x3", NULL, 0, NULL },
	{ "x86-6.12+machine=ept-noad", "ept-2x3", NULL, 0, NULL },
	{ "x86-6.12+machine=ept+slot-flush=zap-slot-leafs", "ept-1x4", NULL, 0, NULL },
	{ "x86-6.1+machine=npt", "npt-2x3", NULL, 0, NULL },
	{ "x86-6.1+machine=ept", "ept-1x4", NULL, 0, NULL },
	{ "x86-6.1+machine=npt+mmu=legacy", "npt-2x3", NULL, 0, NULL },
	{ "x86-7.2+machine=ept", "ept-2x3", NULL, 0, NULL },
	{ "arm64-6.1", "arm64-2x3", NULL, 0, NULL },
	{ "arm64-6.12", "arm64-2x3", NULL, 0, NULL },
	{ "arm64-6.12+cache=nofwb", "arm64-1x4", NULL, 0, NULL },
};

static uint64_t base_seed(void)
{
	const char *text = getenv("S2_TEST_SEED");

	return text ? strtoull(text, NULL, 0) : 1;
}

START_TEST(good_policies_keep_the_invariants_in_random_interleavings)
{
	for (uint64_t i = 0; i < NR_SEEDS; i++) {
		const char *why = run(&cases[_i], base_seed() + i);

		ck_assert_msg(!why, "%s geom=%s S2_TEST_SEED=%llu: %s", cases[_i].policy,
			      cases[_i].geom, (unsigned long long)(base_seed() + i), why);
	}
}
END_TEST

/* Each injection removes one rule; some seed must show it. */
static const struct sim_case bad[] = {
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-retry-check", 120, "I3: " },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-srcu-wait", 0, "V7: " },
	{ "x86-6.1+machine=npt+mmu=legacy", "npt-2x3", "skip-retry-check", 120, "I3: " },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-zap", 0, "V6: a leaf outside its slot" },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-dirty-mark", 0,
	  "a writable leaf whose dirty bit is clear" },
	{ "arm64-6.12", "arm64-2x3", "skip-retry-check", 120, "I3: " },
	/*
	 * 6.1's change_pte (removed in 6.10) maps the page of one thread's copy on write although
	 * another thread's invalidation of that page has already zapped and not yet cleared it: the
	 * leaf outlives the host's entry.  Found here; no upstream report of it is known to us.
	 */
	{ "arm64-6.1", "arm64-2x3", NULL, 0, "I3: " },
	{ "arm64-6.12", "arm64-2x3", "skip-zap", 0, "V6: a leaf outside its slot" },
	{ "arm64-6.1", "arm64-2x3", "skip-dirty-mark", 0,
	  "a writable leaf whose dirty bit is clear" },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-notifier-flush", 0,
	  "T6: a TLB entry whose frame" },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-enable-flush", 0, "T6: a writable TLB entry" },
	{ "x86-6.12+machine=npt", "npt-2x3", "skip-harvest-flush", 0, "T6: a writable TLB entry" },
	{ "arm64-6.12", "arm64-2x3", "skip-tlbi", 0, "T6: " },
	{ "arm64-6.1", "arm64-2x3", "skip-enable-flush", 0, "T6: a writable TLB entry" },
};

START_TEST(bad_policies_are_caught)
{
	for (uint64_t i = 0; i < 20ULL * NR_SEEDS; i++) {
		const char *why = run(&bad[_i], base_seed() + i);

		if (why && strstr(why, bad[_i].says))
			return;
	}
	ck_abort_msg("%s inject=%s: no seed shows '%s'", bad[_i].policy,
		     bad[_i].inject ? bad[_i].inject : "none", bad[_i].says);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("interleave");
	TCase *tc = tcase_create("random");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, good_policies_keep_the_invariants_in_random_interleavings, 0,
			    (int)G_N_ELEMENTS(cases));
	tcase_add_loop_test(tc, bad_policies_are_caught, 0, (int)G_N_ELEMENTS(bad));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
