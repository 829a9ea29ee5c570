/* SPDX-License-Identifier: Apache-2.0 */
/* Short forms and hashes of states: random states, moved at random. */
#include <string.h>

#include <check.h>

#include "harness/states.h"
#include "harness/tests/explore_text.h"

#define TEXT                                                                                       \
	"scenario name=x vcpus=2 code=0 geom=ept-1x2 policy=x86-6.12+machine=ept\n"                \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"                         \
	"par\nguest write vcpu=0 gpa=0x0\njoin\n"

/* The start of an exploration, two copies of it, and a stream of random numbers. */
struct copies {
	struct text_explore t;
	struct explore_start start;
	struct vm *a, *b;
	uint8_t *code;
	GRand *rand;
};

static void copies_init(struct copies *c, guint32 seed)
{
	GError *error = NULL;

	text_explore_init(&c->t, TEXT);
	ck_assert(explore_start(&c->t.cfg, &c->start, &error));
	ck_assert(state_fits(c->start.vm));
	c->a = vm_new(c->start.vm->cfg);
	c->b = vm_new(c->start.vm->cfg);
	vm_copy(c->a, c->start.vm);
	vm_copy(c->b, c->start.vm);
	c->code = g_malloc(state_code_max(c->start.vm));
	c->rand = g_rand_new_with_seed(seed);
}

static void copies_fini(struct copies *c)
{
	g_rand_free(c->rand);
	g_free(c->code);
	vm_free(c->a);
	vm_free(c->b);
	explore_start_fini(&c->start);
	text_explore_fini(&c->t);
}

/* Changes some bytes of the state, near each other or all over. */
static void scribble(struct copies *c, struct vm *vm)
{
	uint8_t *base = vm->arena->base + vm->arena->region_start[REGION_STATE];
	size_t bytes = vm_state_bytes(vm);
	int n = g_rand_int_range(c->rand, 1, 40);

	for (int i = 0; i < n; i++)
		base[g_rand_int_range(c->rand, 0, (gint32)bytes)] =
			(uint8_t)g_rand_int_range(c->rand, 0, 256);
}

static bool same(const struct vm *a, const struct vm *b)
{
	return memcmp(a->arena->base + a->arena->region_start[REGION_STATE],
		      b->arena->base + b->arena->region_start[REGION_STATE],
		      vm_state_bytes(a)) == 0;
}

/* What was encoded against the origin is decoded to the same, and restored to the origin. */
START_TEST(a_short_form_comes_back)
{
	struct state_lines lines, decoded;
	struct copies c;

	copies_init(&c, (guint32)_i + 1);
	for (int k = 0; k < 50; k++) {
		size_t bytes;

		scribble(&c, c.a);
		state_diff(c.a, c.start.vm, &lines);
		bytes = state_encode(c.a, c.start.vm, &lines, c.code);
		ck_assert_uint_le(bytes, state_code_max(c.a));
		state_decode(c.b, c.code, bytes, &decoded);
		ck_assert(same(c.a, c.b));
		state_restore(c.b, c.start.vm, &decoded);
		ck_assert(same(c.b, c.start.vm));
		if (k % 7 == 0) {
			vm_copy(c.a, c.start.vm);
			ck_assert_uint_eq(state_encode(c.a, c.start.vm, &lines, c.code), 0);
		}
	}
	copies_fini(&c);
}
END_TEST

/* A hash that goes along with changes is that of the whole; equal states have equal hashes, others not. */
START_TEST(a_hash_goes_along)
{
	struct state_lines lines;
	struct vm_hash h, now, whole;
	struct copies c;

	copies_init(&c, (guint32)_i + 100);
	h = state_hash(c.start.vm);
	for (int k = 0; k < 50; k++) {
		vm_copy(c.b, c.a);
		scribble(&c, c.a);
		state_diff(c.a, c.b, &lines);
		now = state_rehash(h, c.b, c.a, &lines);
		whole = state_hash(c.a);
		ck_assert(now.low == whole.low && now.high == whole.high);
		ck_assert(same(c.a, c.b) == (now.low == h.low && now.high == h.high));
		h = now;
	}
	copies_fini(&c);
}
END_TEST

/* Lines that change places are no equal states. */
START_TEST(a_line_counts_where_it_stands)
{
	struct vm_hash x, y;
	struct copies c;

	copies_init(&c, 7);
	memset(&c.a->pt.entries[0], 0x11, 64);
	memset(&c.b->pt.entries[8], 0x11, 64);
	x = state_hash(c.a);
	y = state_hash(c.b);
	ck_assert(x.low != y.low);
	ck_assert(x.high != y.high);
	copies_fini(&c);
}
END_TEST

START_TEST(the_set_keeps_numbers)
{
	struct state_set *s = state_set_new();
	enum { N = 8000 };

	for (uint32_t i = 0; i < N; i++) {
		/* many share the low bits that choose the place */
		struct vm_hash h = { .low = i % 1000, .high = i };

		ck_assert_uint_eq(state_set_find(s, h), STATE_NONE);
		ck_assert_uint_eq(state_set_add(s, h, i), i);
	}
	for (uint32_t i = 0; i < N; i += 17) {
		struct vm_hash h = { .low = i % 1000, .high = i };

		ck_assert_uint_eq(state_set_find(s, h), i);
		ck_assert_uint_eq(state_set_add(s, h, N), i);
	}
	ck_assert_uint_ge(state_set_bytes(s), (size_t)N * (16 + 4));
	state_set_free(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("states");
	TCase *t = tcase_create("states");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_short_form_comes_back, 0, 4);
	tcase_add_loop_test(t, a_hash_goes_along, 0, 4);
	tcase_add_test(t, a_line_counts_where_it_stands);
	tcase_add_test(t, the_set_keeps_numbers);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
