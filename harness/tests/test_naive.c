/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explorer against a search that does nothing clever: whole states in a queue, a hash of all their
 * bytes (model/arena.h), one thread.  States, transitions, depth, and the length of a shortest path to a
 * violation must be the same.
 */
#include <string.h>

#include <check.h>

#include "harness/tests/explore_text.h"

#define SLOT                                                                                       \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"host touch map=m0+0x0 len=0x2000 mode=w\n"                                                \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
#define X86 "scenario name=x vcpus=1 code=0 geom=ept-1x2 policy=x86-6.12+machine=ept\n" SLOT
#define MEM                                                                                        \
	"scenario name=x vcpus=1 code=0 geom=arm64-1x2 policy=arm64-sean-rewrite mem=armlike\n"    \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"host touch map=m0+0x0 len=0x2000 mode=w\n"                                                \
	"op user_bit map=b0 page=0 value=1\n"                                                      \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=uf map=m0+0x0 bitmap=b0\n"                 \
	"par\nguest read vcpu=0 gpa=0x0 repeat=2\n"                                                \
	"host touch map=m0+0x0 len=0x1000 mode=w\n"                                                \
	"op user_bit map=b0 page=0 value=0 order=release\njoin\n"
#define ARM "scenario name=x vcpus=2 code=0 geom=arm64-1x2 policy=arm64-6.12\n" SLOT

static const struct naive_case {
	const char *text, *inject; /* "": as it is */
} cases[] = {
	{ X86 "par\nguest write vcpu=0 gpa=0x0 repeat=2\n"
	      "host madvise map=m0+0x0 len=0x1000 advice=dontneed\njoin\n",
	  "" },
	{ X86 "par\nguest write vcpu=0 gpa=0x0\n"
	      "op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"
	      "op get_dirty slot=0\njoin\n",
	  "" },
	{ X86 "par\nchoose n=2 order=any\nop get_dirty slot=0\n"
	      "op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"
	      "op set_region slot=0 gpa=0x0 size=0 flags=none map=m0+0x0\nendchoose\n"
	      "guest read vcpu=0 gpa=0x1000\njoin\n",
	  "" },
	{ ARM "par\nguest write vcpu=0,1 gpa=0x0\n"
	      "host madvise map=m0+0x0 len=0x1000 advice=dontneed\njoin\n",
	  "" },
	{ X86 "par\nguest write vcpu=0 gpa=0x0 repeat=2\n"
	      "host madvise map=m0+0x0 len=0x1000 advice=dontneed\njoin\n",
	  "skip-notifier-flush" },
	{ X86 "par\nguest write vcpu=0 gpa=0x0\n"
	      "op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n"
	      "op get_dirty slot=0\njoin\n",
	  "skip-srcu-wait" },
	{ MEM, "" },
	{ MEM, "loads-unordered" },
};

/* One state that waits. */
struct waiting {
	struct vm *vm;
	uint32_t depth;
};

struct naive {
	const struct explore_start *start;
	GHashTable *seen; /* of struct vm_hash */
	GQueue queue;     /* of struct waiting * */
	GPtrArray *spare; /* of struct vm *: making one asks the kernel for memory */
	uint64_t transitions;
	uint32_t depth;
	uint32_t violation; /* moves up to the first one; 0 none */
};

static void free_vm(void *vm)
{
	vm_free(vm);
}

static guint hash_key(gconstpointer p)
{
	return (guint)((const struct vm_hash *)p)->low;
}

static gboolean same_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct vm_hash)) == 0;
}

static struct vm *copy_of(struct naive *n, const struct vm *vm)
{
	struct vm *copy = n->spare->len ? g_ptr_array_steal_index_fast(n->spare, n->spare->len - 1)
					: vm_new(vm->cfg);

	vm_copy(copy, vm);
	return copy;
}

/* Takes the VM over. */
static void arrive(struct naive *n, struct vm *vm, uint32_t depth)
{
	struct vm_hash h = vm_hash(vm);
	struct waiting *w;

	if (!g_hash_table_add(n->seen, g_memdup2(&h, sizeof(h)))) {
		g_ptr_array_add(n->spare, vm);
		return;
	}
	w = g_new(struct waiting, 1);
	*w = (struct waiting){ vm, depth };
	g_queue_push_tail(&n->queue, w);
	n->depth = depth;
}

/* Makes a move of a copy; picks that the step has. */
static unsigned int make(struct naive *n, const struct waiting *w, struct move mv)
{
	struct vm *vm = copy_of(n, w->vm);
	struct note notes[NOTES_MAX];
	struct ctx c = { .vm = vm, .rules = &vm->cfg->rules, .notes = notes };
	struct transition t = { .before = w->vm, .after = vm, .c = &c, .mv = mv };
	struct witness wit;

	t.line = moves_line(n->start->moves, w->vm, mv);
	ck_assert(moves_make(n->start->moves, &c, mv, NULL));
	n->transitions++;
	if (explore_look(n->start->moves, &t, n->start->mask, &wit)) {
		if (!n->violation)
			n->violation = w->depth + 1;
		g_ptr_array_add(n->spare, vm);
	} else {
		arrive(n, vm, w->depth + 1);
	}
	return mv.kind == MOVE_STEP && c.pick_of ? c.pick_of : 1;
}

static void expand(struct naive *n, const struct waiting *w)
{
	struct move list[MOVES_MAX];
	unsigned int moves = moves_list(n->start->moves, w->vm, list);

	for (unsigned int i = 0; i < moves; i++) {
		unsigned int picks = make(n, w, list[i]);

		for (unsigned int k = 1; k < picks; k++) {
			list[i].k = (uint8_t)k;
			(void)make(n, w, list[i]);
		}
	}
}

/* Everything, or up to the first violation. */
static void search(struct naive *n)
{
	struct waiting *w;

	arrive(n, copy_of(n, n->start->vm), 0);
	while ((w = g_queue_pop_head(&n->queue))) {
		if (!n->violation)
			expand(n, w);
		g_ptr_array_add(n->spare, w->vm);
		g_free(w);
	}
}

START_TEST(a_plain_search_agrees)
{
	const struct naive_case *c = &cases[_i];
	struct explore_result *r;
	struct explore_start start;
	struct text_explore t;
	struct naive n = { .start = &start };

	text_explore_init(&t, c->text);
	g_strlcpy(t.scenario.inject, c->inject, sizeof(t.scenario.inject));
	ck_assert(explore_start(&t.cfg, &start, NULL));
	n.seen = g_hash_table_new_full(hash_key, same_key, g_free, NULL);
	g_queue_init(&n.queue);
	n.spare = g_ptr_array_new_with_free_func(free_vm);
	search(&n);
	t.cfg.no_progress = true;
	r = text_explore_run(&t);
	ck_assert_uint_eq(n.violation != 0, *c->inject != '\0');
	ck_assert_uint_eq(r->findings->len, n.violation ? 1 : 0);
	if (n.violation) {
		const struct explore_finding *f = g_ptr_array_index(r->findings, 0);

		ck_assert_uint_eq(f->path->len, n.violation);
	} else {
		ck_assert(r->complete);
		ck_assert_uint_gt(r->states, 100);
		ck_assert_uint_eq(r->states, g_hash_table_size(n.seen));
		ck_assert_uint_eq(r->transitions, n.transitions);
		ck_assert_uint_eq(r->depth, n.depth);
	}
	explore_result_free(r);
	g_hash_table_destroy(n.seen);
	g_ptr_array_free(n.spare, TRUE);
	explore_start_fini(&start);
	text_explore_fini(&t);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("naive");
	TCase *t = tcase_create("naive");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_plain_search_agrees, 0, G_N_ELEMENTS(cases));
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
