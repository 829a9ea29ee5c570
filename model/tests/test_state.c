/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state as a value: a copy goes on like the original, equal states have equal hashes, every
 * change shows in the hash, dead data is zero, and the grain of a walk does not matter in the end.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/host_op.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/tests/model_test.h"

/* Policies, each with a geometry in which a VM has a few kilobytes. */
static const struct {
	const char *policy, *keys;
} small[] = {
	{ "x86-uf-v3", "code=0 geom=ept-2x2 vcpus=2" },
	{ "x86-uf-v2+machine=npt", "code=0 geom=npt-1x4 vcpus=2" },
	{ "x86-6.1+mmu=legacy+userfault=x86-uf-v3", "code=0 geom=ept-2x3 vcpus=2" },
	{ "x86-7.2+machine=ept-noad+userfault=x86-uf-v3", "code=0 geom=ept-2x2 vcpus=2" },
	{ "arm64-6.1+userfault=arm64-uf-v1", "code=0 geom=arm64-2x2 vcpus=2" },
	{ "arm64-sean-rewrite", "code=0 geom=arm64-1x4 vcpus=2" },
	/* the last one keeps its tables when slots go */
	{ "x86-uf-v2+slot-flush=zap-slot-leafs", "code=0 geom=npt-2x2 vcpus=2" },
};

enum { NR_SMALL = G_N_ELEMENTS(small) };

#define SLOT "op set_region slot=0 gpa=0x0 size=0x8000 map=m0+0x0 bitmap=b0 flags="

/* A slot of eight pages, half of them mapped, logged. */
static struct script *small_vm(int i)
{
	struct script *s = test_script(small[i].policy, small[i].keys);

	test_do(s, "host map name=m0 size=0x10000 backing=thp");
	test_do(s, SLOT "log");
	test_do(s, "guest write vcpu=0 gpa=0x0 n=3");
	test_do(s, "guest write vcpu=1 gpa=0x4000");
	return s;
}

/*
 * Bytes of a struct between its members: what they hold is the compiler's choice, and no part of a state.
 * Asked of the compiler that can say.
 */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define CHECK_PADDING(type)                                                                        \
	do {                                                                                       \
		union {                                                                            \
			type value;                                                                \
			uint8_t bytes[sizeof(type)];                                               \
		} u;                                                                               \
		memset(u.bytes, 0xff, sizeof(u.bytes));                                            \
		__builtin_clear_padding(&u.value);                                                 \
		for (size_t i = 0; i < sizeof(u.bytes); i++)                                       \
			ck_assert_msg(u.bytes[i] == 0xff, #type ": padding at byte %zu", i);       \
	} while (0);

START_TEST(nothing_lies_between_members)
{
#define X(name, type, where, n)                                                                    \
	if ((where) != REGION_CFG)                                                                 \
	CHECK_PADDING(type)
	POOL_LIST(X)
#undef X
	CHECK_PADDING(struct l_none)
	CHECK_PADDING(struct l_run)
	CHECK_PADDING(struct l_hw)
	CHECK_PADDING(struct l_fault)
	CHECK_PADDING(struct l_gup)
	CHECK_PADDING(struct l_range)
	CHECK_PADDING(struct l_slot)
	CHECK_PADDING(struct l_req)
	CHECK_PADDING(struct l_log)
	CHECK_PADDING(struct l_tlbi)
}
END_TEST
#define ADD_PADDING_TEST(t) tcase_add_test(t, nothing_lies_between_members)
#else
#define ADD_PADDING_TEST(t) (void)0
#endif

static bool same_hash(const struct vm *a, const struct vm *b)
{
	struct vm_hash x = vm_hash(a), y = vm_hash(b);

	return x.low == y.low && x.high == y.high;
}

/* The pool in which the states of two VMs differ first, and where; NULL when they are equal. */
static char *first_difference(const struct vm *a, const struct vm *b)
{
	const uint8_t *x = a->arena->base, *y = b->arena->base, *pool = x;
	const char *name = "none";
	size_t i = a->arena->region_start[REGION_STATE];

	while (i < a->arena->region_start[REGION_OBS] && x[i] == y[i])
		i++;
	if (i == a->arena->region_start[REGION_OBS])
		return NULL;
#define X(p, type, region, n)                                                                      \
	if ((const uint8_t *)a->p <= x + i && (const uint8_t *)a->p >= pool) {                     \
		pool = (const uint8_t *)a->p;                                                      \
		name = #p;                                                                         \
	}
	POOL_LIST(X)
#undef X
	return g_strdup_printf("byte %td of %s: 0x%x and 0x%x", x + i - pool, name, x[i], y[i]);
}

/* ---- copies ------------------------------------------------------------------------------------ */

/* What the VMM, the host or both vCPUs do while the other actors go on. */
static const struct {
	const char *name;
	gpa_t gpa;
	uint64_t size;
	uint32_t flags;
	enum proc proc;
} ioctls[] = {
	{ "delete", 0, 0, 0, P_set_memory_region },
	{ "move", 0x8000, 0x8000, MEM_LOG_DIRTY_PAGES, P_set_memory_region },
	{ "log off", 0, 0x8000, 0, P_set_memory_region },
	{ "userfault on", 0, 0x8000, MEM_LOG_DIRTY_PAGES | MEM_USERFAULT, P_set_memory_region },
	{ "get dirty", 0, 0, 0, P_get_dirty_log },
};

static void start_ioctl(struct vm *vm, int i)
{
	uint32_t a = vm_actor_vmm(vm);

	vm->ops[a] = (struct op){ .flags = ioctls[i].flags,
				  .gpa = ioctls[i].gpa,
				  .size = ioctls[i].size,
				  .hva = vm->st->maps[0].hva,
				  .uf_bad = (ioctls[i].flags & MEM_USERFAULT) != 0 };
	actor_start(vm, a, ioctls[i].proc, &(struct l_slot){ 0 }, sizeof(struct l_slot));
}

static void start_guest(struct vm *vm, uint32_t v, gpa_t gpa, uint64_t n, uint8_t access)
{
	vm->ops[v] = (struct op){ .gpa = gpa, .n = n, .stride = 0x1000, .access = access };
	actor_start(vm, v, P_guest_op, &(struct l_run){ 0 }, sizeof(struct l_run));
}

static void start_host(struct vm *vm, enum host_op_kind kind, uint64_t off, uint64_t size)
{
	uint32_t a = vm_actor_mm(vm);

	vm->ops[a] = (struct op){ .kind = (uint8_t)kind,
				  .hva = vm->st->maps[0].hva + off,
				  .size = size,
				  .stride = 0x1000,
				  .access = ACC_W };
	actor_start(vm, a, P_host_op, &(struct l_req){ 0 }, sizeof(struct l_req));
}

static void start_all(struct vm *vm, int ioctl)
{
	start_ioctl(vm, ioctl);
	start_guest(vm, 0, 0x1000, 6, ACC_W);
	start_guest(vm, 1, 0x5000, 2, ACC_R);
	start_host(vm, HOST_DONTNEED, 0x4000, 0x4000);
}

/* One step of some enabled actor or rule, chosen by @rng; false: all are done. */
static bool random_step(struct stepper *s, struct rng *rng)
{
	uint32_t enabled[VM_MAX_VCPUS + 2], n = 0;
	bool busy = false;

	for (uint32_t a = 0; a < s->vm->nr_actors; a++) {
		busy |= !actor_idle(s->vm, a);
		if (actor_enabled(s->vm, a))
			enabled[n++] = a;
	}
	if ((n == 0 || rng_once_in(rng, 4)) && stepper_rules(s))
		return true;
	if (n == 0) {
		must(!busy, "a deadlock");
		return false;
	}
	stepper_step(s, enabled[rng_below(rng, n)]);
	return true;
}

static unsigned int run_random(struct stepper *s, struct rng *rng, unsigned int limit)
{
	unsigned int steps = 0;

	while (steps < limit && random_step(s, rng)) {
		steps++;
		must(steps < 20000, "no end after %u steps", steps);
	}
	return steps;
}

/* Runs with one copy taken after @at steps; both must end alike. */
static unsigned int copy_after(int vm_nr, int ioctl, unsigned int at, uint64_t seed)
{
	struct script *script = small_vm(vm_nr);
	struct stepper a = stepper_of(script_vm(script)), b = stepper_of(vm_new(a.vm->cfg));
	struct rng rng = { seed }, same;
	unsigned int steps;

	start_all(a.vm, ioctl);
	steps = run_random(&a, &rng, at);
	vm_copy(b.vm, a.vm);
	must(same_hash(a.vm, b.vm), "%s, %s: the copy after %u steps differs", small[vm_nr].policy,
	     ioctls[ioctl].name, at);
	same = rng;
	steps += run_random(&a, &rng, UINT32_MAX);
	must(steps == at || !same_hash(a.vm, b.vm) || steps < at, "the original did not move");
	run_random(&b, &same, UINT32_MAX);
	must(same_hash(a.vm, b.vm), "%s, %s: a copy taken after %u of %u steps ends differently",
	     small[vm_nr].policy, ioctls[ioctl].name, at, steps);
	test_check_rest(b.vm);
	vm_free(b.vm);
	script_free(script);
	return steps;
}

START_TEST(a_copy_taken_at_any_step_ends_as_the_original)
{
	for (int ioctl = 0; ioctl < (int)G_N_ELEMENTS(ioctls); ioctl++) {
		uint64_t seed = test_seed(4, (uint64_t)ioctl);
		unsigned int steps = copy_after(_i, ioctl, 0, seed);

		must(steps > 50, "only %u steps", steps);
		for (unsigned int at = 1; at <= steps; at += 3)
			copy_after(_i, ioctl, at, seed);
	}
}
END_TEST

/* ---- hashes ------------------------------------------------------------------------------------- */

START_TEST(every_byte_of_the_state_is_hashed_and_copied)
{
	struct script *script = small_vm(_i);
	struct vm *vm = script_vm(script), *copy = vm_new(vm->cfg);
	uint8_t *state = vm->arena->base + vm->arena->region_start[REGION_STATE];
	const uint8_t *there = copy->arena->base + copy->arena->region_start[REGION_STATE];
	size_t size = vm->arena->region_start[REGION_OBS] - vm->arena->region_start[REGION_STATE];
	size_t step = 1; /* all of the beginning and of the end */
	struct vm_hash clean = vm_hash(vm), now;

	ck_assert_uint_eq(vm_state_bytes(vm), size);
	for (size_t i = 0; i < size; i += step) {
		step = i > 8192 && i + 256 < size ? 61 : 1;
		state[i] ^= 0x40;
		now = vm_hash(vm);
		ck_assert_msg(now.low != clean.low && now.high != clean.high,
			      "byte %zu is not hashed", i);
		vm_copy(copy, vm);
		ck_assert_msg(there[i] == state[i], "byte %zu is not copied", i);
		state[i] ^= 0x40;
	}
	now = vm_hash(vm);
	ck_assert_mem_eq(&now, &clean, sizeof(now));
	vm_free(copy);
	script_free(script);
}
END_TEST

START_TEST(configuration_is_not_hashed)
{
	struct script *script = small_vm(_i);
	struct vm *vm = script_vm(script);
	struct vm_hash before = vm_hash(vm), after;

	vm->cfg->walk_budget = 1;
	vm->cfg->eager_split = !vm->cfg->eager_split;
	after = vm_hash(vm);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	script_free(script);
}
END_TEST

/* Each changes something that user space or the guest can see, now or later. */
static const char *const observable[] = {
	"op user_bit map=b0 page=0x5 value=1",
	"op user_bit map=b0 page=0x6 value=1",
	"op user_bit map=b1 page=0x6 value=1",
	"op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0",
	"op set_region slot=0 gpa=0x8000 size=0x8000 flags=log map=m0+0x0",
	"op set_region slot=0 gpa=0x0 size=0x8000 flags=none map=m0+0x0",
	"op set_region slot=1 gpa=0x8000 size=0x8000 flags=none map=m0+0x0",
	"op set_region slot=1 gpa=0x8000 size=0x8000 flags=ro map=m0+0x0",
	"op set_region slot=1 gpa=0x8000 size=0x4000 flags=ro map=m0+0x0",
	"op set_region slot=1 gpa=0x8000 size=0x8000 flags=none map=m0+0x8000",
	"op set_region slot=2 gpa=0x8000 size=0x8000 flags=none map=m0+0x0",
	"op get_dirty slot=0",
	"guest write vcpu=0 gpa=0x3000",
	"guest write vcpu=1 gpa=0x5000",
	"guest write vcpu=0 gpa=0x7000",
	"host madvise map=m0+0x0 len=0x4000 advice=dontneed",
	"host touch map=m0+0x8000 len=0x1000 mode=w",
	"host mprotect map=m0+0x8000 len=0x4000 prot=r",
	"host munmap map=m0+0x8000 len=0x4000",
	"host map name=m1 size=0x4000 backing=thp",
	"host map name=m1 size=0x4000 backing=anon",
	"host map name=m2 size=0x4000 backing=thp",
	"host age map=m0+0x0 len=0x4000 mode=clear_young",
};

START_TEST(states_that_differ_in_one_thing_have_different_hashes)
{
	struct vm_hash seen[G_N_ELEMENTS(observable) + 1];
	struct script *s = small_vm(_i);

	seen[G_N_ELEMENTS(observable)] = vm_hash(script_vm(s));
	script_free(s);
	for (size_t i = 0; i < G_N_ELEMENTS(observable); i++) {
		s = small_vm(_i);
		g_free(test_line(s, observable[i]));
		seen[i] = vm_hash(script_vm(s));
		script_free(s);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(seen); i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(memcmp(&seen[i], &seen[j], sizeof(seen[i])) != 0,
				      "%s: '%s' and '%s' give equal states", small[_i].policy,
				      i < G_N_ELEMENTS(observable) ? observable[i] : "nothing",
				      observable[j]);
}
END_TEST

START_TEST(a_vm_made_twice_has_one_hash)
{
	struct script *a = small_vm(_i), *b = small_vm(_i);

	ck_assert(same_hash(script_vm(a), script_vm(b)));
	script_free(a);
	script_free(b);
}
END_TEST

/* ---- orders ---------------------------------------------------------------------------------------- */

/* Pairs of lines that do not touch what the other does. */
static const char *const independent[][2] = {
	{ "op user_bit map=b0 page=0x5 value=1", "op user_bit map=b0 page=0x6 value=1" },
	{ "op user_bit map=b0 page=0x5 value=1", "guest write vcpu=0 gpa=0x3000" },
	{ "guest write vcpu=0 gpa=0x3000", "guest write vcpu=1 gpa=0x5000" },
	{ "guest read vcpu=0 gpa=0x5000", "guest write vcpu=1 gpa=0x7000" },
	{ "guest write vcpu=0 gpa=0x3000", "host touch map=m0+0xc000 len=0x4000 mode=w" },
	{ "host madvise map=m0+0xc000 len=0x4000 advice=nohugepage",
	  "host touch map=m0+0x8000 len=0x4000 mode=w" },
	{ "host age map=m0+0x0 len=0x1000 mode=clear_young",
	  "host age map=m0+0x1000 len=0x1000 mode=clear_young" },
};

START_TEST(independent_operations_commute)
{
	for (size_t i = 0; i < G_N_ELEMENTS(independent); i++) {
		struct script *a = small_vm(_i), *b = small_vm(_i);
		g_autofree char *left = NULL;

		g_free(test_line(a, independent[i][0]));
		ck_assert(!same_hash(script_vm(a), script_vm(b)));
		g_free(test_line(a, independent[i][1]));
		g_free(test_line(b, independent[i][1]));
		g_free(test_line(b, independent[i][0]));
		left = first_difference(script_vm(a), script_vm(b));
		ck_assert_msg(left == NULL, "%s: '%s' and '%s': %s", small[_i].policy,
			      independent[i][0], independent[i][1], left);
		script_free(a);
		script_free(b);
	}
}
END_TEST

START_TEST(faults_on_two_pages_end_alike_in_every_order_of_steps)
{
	struct vm_hash first = { 0, 0 };

	for (uint64_t round = 0; round < 60; round++) {
		struct script *script = small_vm(_i);
		struct stepper st = stepper_of(script_vm(script));
		struct rng rng = { test_seed(5, round) };
		struct vm_hash now;

		start_guest(st.vm, 0, 0x3000, 1, ACC_W);
		start_guest(st.vm, 1, 0x5000, 1, ACC_W);
		run_random(&st, &rng, UINT32_MAX);
		while (stepper_rules(&st))
			;
		now = vm_hash(st.vm);
		if (round == 0)
			first = now;
		must(memcmp(&now, &first, sizeof(now)) == 0, "%s: another end", small[_i].policy);
		script_free(script);
	}
}
END_TEST

/* ---- dead data -------------------------------------------------------------------------------------- */

/*
 * What a VM keeps when all slots are gone: counters that only grow, the host's memory, and what each
 * vCPU knows of its root.  Everything else must be as it was in the beginning.
 */
static void forget_history(struct vm *vm)
{
	struct vm_state *st = vm->st;

	for (unsigned int as = 0; as < VM_MAX_AS; as++) {
		st->sets[as][0].generation = st->sets[as][1].generation = as;
		st->active[as] = 0;
	}
	st->mmu_invalidate_seq = 0;
	st->mmu_valid_gen = 0;
	st->srcu.idx = 0;
	st->serial = 0;
	memset(vm->units, 0, sizeof(*vm->units) * vm->cfg->limits.nr_units);
	memset(vm->pages, 0, sizeof(*vm->pages) * vm->cfg->limits.nr_pages);
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		struct vcpu *vcpu = &vm->vcpus[v];

		vcpu->root = 0;
		vcpu->requests = vm->cfg->rules.first_requests;
		vcpu->mmio_valid = 0;
		vcpu->mmio_gfn = vcpu->mmio_gen = 0;
	}
}

/* Tables: all but the root of arm64 must have gone; the marks of the pool are history. */
static void forget_tables(struct vm *vm)
{
	for (uint32_t i = 0; i < VM_MAX_ROOTS; i++) {
		struct root *r = &vm->st->roots[i];
		struct work work = { 0 };

		r->refs = 0;
		if (!r->in_use || vm->cfg->rules.arch == PT_ARM64)
			continue;
		ck_assert_uint_eq(vm->pt.meta[r->table].nr_used, 0);
		pt_free(&vm->pt, r->table, &work);
		*r = (struct root){ 0 };
	}
	vm->pt.head->free_hint = 0;
	vm->pt.head->high_water = 0;
}

static const char *const busy_life[] = {
	"guest write vcpu=0 gpa=0x0 n=8",
	"guest read vcpu=1 gpa=0x2000 n=4",
	"op get_dirty slot=0",
	"guest write vcpu=1 gpa=0x1000",
	"op set_region slot=1 gpa=0x8000 size=0x8000 flags=log map=m0+0x8000",
	"guest write vcpu=0,1 gpa=0x8000 vstride=0x4000",
	"host madvise map=m0+0x8000 len=0x4000 advice=dontneed",
	"guest read vcpu=0 gpa=0x8000",
	"guest write vcpu=0 gpa=0x8000",
	"host age map=m0+0x0 len=0x10000 mode=clear_flush_young",
	"op set_region slot=1 gpa=0x8000 size=0x8000 flags=none map=m0+0x8000",
	"op set_region slot=0 gpa=0x8000 size=0x8000 flags=log map=m0+0x0",
	"op set_region slot=0 gpa=0x0 size=0x8000 flags=log map=m0+0x8000",
	"op set_region slot=1 gpa=0x8000 size=0x0 flags=none map=m0+0x8000 fail=scratch",
	"op set_region slot=1 gpa=0x8000 size=0x0 flags=none map=m0+0x8000",
	"op set_region slot=0 gpa=0x8000 size=0x8000 flags=none map=m0+0x0 fail=archveto",
	"guest spin vcpu=1",
	"op set_region slot=0 gpa=0x0 size=0x8000 flags=none map=m0+0x0",
	"guest unspin vcpu=1",
	"guest write vcpu=1 gpa=0x8000",
	"op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0",
	"guest nop vcpu=0,1",
};

START_TEST(a_vm_whose_slots_are_gone_is_a_fresh_vm)
{
	struct script *used = test_script(small[_i].policy, small[_i].keys);
	struct script *fresh = test_script(small[_i].policy, small[_i].keys);
	struct vm *a = script_vm(used), *b = script_vm(fresh);
	g_autofree char *left = NULL;

	test_do(used, "host map name=m0 size=0x10000 backing=thp");
	test_do(fresh, "host map name=m0 size=0x10000 backing=thp");
	test_do(used, "op set_region slot=0 gpa=0x0 size=0x8000 flags=log map=m0+0x0");
	for (size_t i = 0; i < G_N_ELEMENTS(busy_life); i++)
		g_free(test_line(used, busy_life[i]));
	test_check_rest(a);
	ck_assert_uint_eq(a->st->nr_slots, 0);
	ck_assert_uint_eq(a->st->words_used, 1);
	ck_assert_uint_eq(a->st->deferred, 0);
	forget_history(a);
	forget_history(b);
	forget_tables(a);
	forget_tables(b);
	left = first_difference(a, b);
	ck_assert_msg(left == NULL, "%s: something is left, %s", small[_i].policy, left);
	ck_assert(same_hash(a, b));
	script_free(used);
	script_free(fresh);
}
END_TEST

/* ---- grain -------------------------------------------------------------------------------------------- */

START_TEST(walks_of_one_entry_a_step_end_as_whole_walks)
{
	struct script *whole = small_vm(_i), *fine = small_vm(_i);

	script_vm(fine)->cfg->walk_budget = 1;
	for (size_t i = 0; i < G_N_ELEMENTS(busy_life); i++) {
		g_autofree char *a = test_line(whole, busy_life[i]);
		g_autofree char *b = test_line(fine, busy_life[i]);

		ck_assert_msg(strcmp(a, b) == 0, "%s: '%s' shows\n%sin one and\n%sin the other",
			      small[_i].policy, busy_life[i], a, b);
		ck_assert_msg(same_hash(script_vm(whole), script_vm(fine)), "%s: after '%s'",
			      small[_i].policy, busy_life[i]);
	}
	script_free(whole);
	script_free(fine);
}
END_TEST

/* ---- rules that only a second actor can miss ------------------------------------------------------------ */

/* Steps vCPU 0 until it has its host page and asks for mmu_lock. */
static void fault_up_to_mmu_lock(struct stepper *s, gpa_t gpa)
{
	start_guest(s->vm, 0, gpa, 1, ACC_W);
	for (int i = 0; i < 200; i++) {
		const struct wait *w = &s->vm->actors[0].wait;

		if ((w->kind == W_LOCK_R || w->kind == W_LOCK_W) && w->obj == OBJ_MMU_LOCK)
			return;
		stepper_step(s, 0);
	}
	ck_abort_msg("the fault never asks for mmu_lock");
}

static const struct race {
	const char *policy, *geom, *inject;
	bool deletes; /* else the host takes the page */
} races[] = {
	{ "x86-6.12+machine=ept+slot-flush=zap-slot-leafs", "ept-2x2", "skip-srcu-wait", true },
	{ "x86-6.1+machine=ept+mmu=legacy+slot-flush=zap-slot-leafs", "ept-2x2", "skip-srcu-wait",
	  true },
	{ "arm64-6.12", "arm64-2x2", "skip-srcu-wait", true },
	{ "x86-6.12+machine=ept", "ept-2x2", "skip-retry-check", false },
	{ "x86-6.1+machine=npt", "npt-2x2", "skip-retry-check", false },
	{ "x86-6.1+machine=ept+mmu=legacy", "ept-2x2", "skip-retry-check", false },
	{ "arm64-6.1", "arm64-2x2", "skip-retry-check", false },
	{ "arm64-6.12", "arm64-2x2", "skip-retry-check", false },
};

/* A deletion or a notifier between the fault's look-ups and its map; is the end sound? */
static bool race_is_sound(const struct race *r, const char *inject, bool *waited, const char **why)
{
	g_autofree char *keys = g_strdup_printf("code=0 geom=%s inject=%s", r->geom, inject);
	struct script *script = test_script(r->policy, keys);
	struct stepper s = stepper_of(script_vm(script));
	uint32_t other = r->deletes ? vm_actor_vmm(s.vm) : vm_actor_mm(s.vm);
	bool sound;

	test_do(script, "host map name=m0 size=0x10000 backing=anon");
	test_do(script, "op set_region slot=0 gpa=0x0 size=0x8000 flags=none map=m0+0x0");
	test_do(script, "guest write vcpu=0 gpa=0x0");
	fault_up_to_mmu_lock(&s, 0x2000);
	if (r->deletes)
		start_ioctl(s.vm, 0);
	else
		start_host(s.vm, HOST_DONTNEED, 0x2000, 0x1000);
	while (actor_enabled(s.vm, other))
		stepper_step(&s, other);
	*waited = !actor_idle(s.vm, other);
	ck_assert(stepper_run(&s, 0) && stepper_run(&s, other));
	sound = vm_check(s.vm, why);
	script_free(script);
	return sound;
}

START_TEST(good_a_fault_that_was_overtaken_maps_nothing_stale)
{
	const struct race *r = &races[_i];
	const char *why = "";
	bool waited;

	ck_assert_msg(race_is_sound(r, "none", &waited, &why), "%s: %s", r->policy, why);
	ck_assert_int_eq(waited, r->deletes);
}
END_TEST

START_TEST(bad_without_the_rule_it_does)
{
	const struct race *r = &races[_i];
	const char *why = "";
	bool waited;

	ck_assert_msg(!race_is_sound(r, r->inject, &waited, &why), "%s %s: nothing found",
		      r->policy, r->inject);
	ck_assert(!waited);
	ck_assert_msg(g_str_has_prefix(why, r->deletes ? "V7: a memslot object was used"
						       : "V6: a leaf that the host page table"),
		      "%s: %s", r->policy, why);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("state");
	SRunner *runner = srunner_create(suite);
	int failed;

#define ADD(test, table) tcase_add_loop_test(tcase, test, 0, G_N_ELEMENTS(table))
	ADD(a_copy_taken_at_any_step_ends_as_the_original, small);
	ADD(every_byte_of_the_state_is_hashed_and_copied, small);
	ADD(configuration_is_not_hashed, small);
	ADD(states_that_differ_in_one_thing_have_different_hashes, small);
	ADD(a_vm_made_twice_has_one_hash, small);
	ADD(independent_operations_commute, small);
	ADD(faults_on_two_pages_end_alike_in_every_order_of_steps, small);
	ADD_PADDING_TEST(tcase);
	tcase_add_loop_test(tcase, a_vm_whose_slots_are_gone_is_a_fresh_vm, 0, NR_SMALL - 1);
	ADD(walks_of_one_entry_a_step_end_as_whole_walks, small);
	ADD(good_a_fault_that_was_overtaken_maps_nothing_stale, races);
	ADD(bad_without_the_rule_it_does, races);
#undef ADD
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
