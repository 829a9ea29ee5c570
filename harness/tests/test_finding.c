/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings of the explorer told again: as a story, move by move, and as a program. What the program does
 * when it is compiled is for test_repro.sh.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "harness/finding.h"
#include "harness/repro_priv.h"
#include "harness/story_from.h"
#include "harness/story_priv.h"
#include "harness/tests/explore_text.h"

#define X86 "x86-6.12+machine=ept"
#define ARM "arm64-6.12"

#define SLOT                                                                                       \
	"host map name=m0 size=0x4000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x4000 size=0x4000 flags=none map=m0+0x0\n"
#define LOGGED_SLOT                                                                                \
	"host map name=m0 size=0x4000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x4000 size=0x4000 flags=log map=m0+0x0\n"

/* Scenarios with a rule taken out, so that something is found. */
#define DELETED                                                                                    \
	"scenario name=deleted vcpus=1 code=0 inject=skip-zap\n" SLOT "par\n"                      \
	"guest read vcpu=0 gpa=0x4000 n=2\n"                                                       \
	"op set_region slot=0 gpa=0x4000 size=0 flags=none map=m0+0x0\n"                           \
	"join\n"
#define HARVEST                                                                                    \
	"scenario name=harvest vcpus=2 code=0 inject=skip-harvest-flush\n" LOGGED_SLOT             \
	"guest write vcpu=0,1 vstride=0x1000 gpa=0x4000\n"                                         \
	"op get_dirty slot=0\n"                                                                    \
	"par\n"                                                                                    \
	"guest write vcpu=0 gpa=0x4000\n"                                                          \
	"op get_dirty slot=0\n"                                                                    \
	"op get_dirty slot=0\n"                                                                    \
	"join\n"
#define GIVEN_BACK                                                                                 \
	"scenario name=given-back vcpus=2 code=0 inject=skip-retry-check\n" SLOT "par\n"           \
	"guest write vcpu=0 gpa=0x4000\n"                                                          \
	"host munmap map=m0+0x0 len=0x1000\n"                                                      \
	"join\n"
/* A write that no log has; a second block follows the first. */
#define BLOCKS                                                                                     \
	"scenario name=blocks vcpus=2 code=0 inject=skip-dirty-mark\n" LOGGED_SLOT "par\n"         \
	"guest write vcpu=0 gpa=0x5000\n"                                                          \
	"guest read vcpu=1 gpa=0x6000\n"                                                           \
	"join\n"                                                                                   \
	"op get_dirty slot=0\n"

static const struct {
	const char *text, *policy;
	enum inv inv;
	const char *in_table[6]; /* parts of it; the last is NULL */
} cases[] = {
	{ DELETED,
	  X86,
	  INV_I15,
	  { "get_page gfn=0x4 n=0x4 table-level=1",
	    "SPTE gfn=0x4 size=4k frame=0x1 none -> leaf:r-x:a1d0mw0", "drops mmu_lock (read)",
	    "active memslots: slot 0 flags none -> INVALID", "active memslots: slot 0 is gone" } },
	{ DELETED,
	  ARM,
	  INV_I15,
	  { "guest_fault gfn=0x4 n=0x1 r fsc=trans",
	    "PTE gfn=0x4 size=4k frame=0x1 locked -> leaf:r--:a1dbm0",
	    "active memslots: slot 0 flags none -> INVALID" } },
	{ HARVEST,
	  X86,
	  INV_DIRTY,
	  { "IPI to v0", "dirty slot=0 n=0", "the write to gfn=0x4 completes in frame",
	    ": TLB hit" } },
	{ HARVEST,
	  ARM,
	  INV_DIRTY,
	  { "takes slots_lock", "dirty slot=0 n=0", "the write to gfn=0x4 completes in frame",
	    ": TLB hit" } },
	{ GIVEN_BACK,
	  X86,
	  INV_I3,
	  { "unmap_hva_range start=m0+0x0 len=0x1000", "mmu_invalidate_in_progress 0 -> 1",
	    "host page m0+0x0: frame 0xc -> unmapped",
	    "page_fault vcpu=0 gfn=0x4 n=0x1 err=-w---" } },
	{ GIVEN_BACK,
	  ARM,
	  INV_I3,
	  { "mn_active_invalidate_count 0 -> 1", "host page m0+0x0: frame 0xc -> unmapped" } },
	{ BLOCKS,
	  X86,
	  INV_DIRTY,
	  { "v0's TLB fills gfn=0x5 size=4k leaf:rwx", "dirty slot=0 n=0" } },
};

/* The texts of a table are wrapped: a story's own are not. */
static bool story_has(const struct story *s, const char *part)
{
	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);

		for (guint n = 0; n < step->notes->len; n++)
			if (strstr(g_ptr_array_index(step->notes, n), part))
				return true;
	}
	return false;
}

static GString *table_of(const struct story *s)
{
	GString *out = g_string_new(NULL);

	story_print_table(s, out);
	return out;
}

START_TEST(a_story_says_what_happened)
{
	const uint64_t only = BIT(cases[_i].inv);
	struct text_explore t;
	struct story *s;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	t.cfg.invariants = &only; /* others may see it earlier */
	text_explore_find(&t);
	ck_assert_str_eq(inv_name(t.f->inv), inv_name(cases[_i].inv));
	s = story_from_finding(&t.cfg, t.f);
	for (const char *const *part = cases[_i].in_table; *part; part++) {
		GString *table = table_of(s);

		ck_assert_msg(story_has(s, *part), "no '%s' in\n%s", *part, table->str);
		g_string_free(table, TRUE);
	}
	ck_assert_str_eq(s->verdict.invariant, inv_name(cases[_i].inv));
	ck_assert(g_str_has_prefix(t.f->why + 1, s->verdict.reason + 1) ||
		  strncmp(t.f->why + 1, s->verdict.reason + 1, strlen(s->verdict.reason) - 2) == 0);
	story_free(s);
	text_explore_fini(&t);
}
END_TEST

static unsigned lines_begun(const struct explore_finding *f)
{
	unsigned n = 0;

	for (guint i = 0; i < f->path->len; i++)
		n += g_array_index(f->path, struct move, i).kind == MOVE_LINE;
	return n;
}

static unsigned nr_clashes(const struct story *s)
{
	unsigned n = 0;

	for (guint i = 0; i < s->steps->len; i++)
		n += story_step_at(s, i)->clash;
	return n;
}

START_TEST(no_move_is_left_out)
{
	struct text_explore t;
	struct story *s;
	unsigned ops = 0;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	text_explore_find(&t);
	s = story_from_finding(&t.cfg, t.f);
	ck_assert_uint_eq(story_number(s, s->steps->len - 1), t.f->path->len);
	for (guint i = 0; i < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i);

		ck_assert(*step->label);
		ck_assert_uint_ge(step->moves, 1);
		ops += step->op != NULL;
	}
	ck_assert_uint_eq(ops, lines_begun(t.f));
	ck_assert(story_step_at(s, s->steps->len - 1)->clash);
	ck_assert_uint_eq(nr_clashes(s), 2);
	story_free(s);
	text_explore_fini(&t);
}
END_TEST

/* A step that does nothing that others see is part of the next one, unless somebody moves in between. */
START_TEST(quiet_steps_are_folded)
{
	struct text_explore t;
	struct story *s;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	text_explore_find(&t);
	s = story_from_finding(&t.cfg, t.f);
	ck_assert_uint_lt(s->steps->len, t.f->path->len);
	for (guint i = 0; i + 1 < s->steps->len; i++) {
		const struct story_step *step = story_step_at(s, i),
					*next = story_step_at(s, i + 1);

		ck_assert_msg(step->notes->len || step->ends || step->actor != next->actor ||
				      next->op || step->to != STORY_NOBODY,
			      "step %u could be part of the next", story_number(s, i));
	}
	story_free(s);
	text_explore_fini(&t);
}
END_TEST

START_TEST(the_same_finding_gives_the_same_story_and_program)
{
	GString *out[2];
	struct text_explore t;

	text_explore_under(&t, cases[_i].text, cases[_i].policy);
	text_explore_find(&t);
	for (unsigned i = 0; i < 2; i++) {
		struct story *s = story_from_finding(&t.cfg, t.f);

		out[i] = table_of(s);
		story_print_svg(s, out[i]);
		ck_assert(repro_print(&t.cfg, t.f, "appendix", out[i], NULL));
		story_free(s);
	}
	ck_assert_str_eq(out[0]->str, out[1]->str);
	g_string_free(out[0], TRUE);
	g_string_free(out[1], TRUE);
	text_explore_fini(&t);
}
END_TEST

/* Some way to the program's end, another one for each seed; as if it led to a deadlock. */
static struct explore_finding some_path(const struct explore_cfg *cfg, uint32_t seed)
{
	static char nobody[] = "nobody moves";
	struct explore_finding f = { .inv = INV_PROG, .why = nobody };
	struct note notes[NOTES_MAX];
	struct move list[MOVES_MAX];
	struct explore_start s;
	struct ctx c;

	ck_assert(explore_start(cfg, &s, NULL));
	f.path = g_array_new(FALSE, FALSE, sizeof(struct move));
	c = (struct ctx){ .vm = s.vm, .rules = &s.vm->cfg->rules, .notes = notes };
	while (!moves_done(s.moves, s.vm)) {
		unsigned int n = moves_list(s.moves, s.vm, list);

		ck_assert_uint_gt(n, 0);
		seed = seed * 1664525 + 1013904223;
		g_array_append_val(f.path, list[(seed >> 16) % n]);
		ck_assert(moves_make(s.moves, &c, list[(seed >> 16) % n], NULL));
	}
	explore_start_fini(&s);
	return f;
}

/* x86: a request, the interrupt that it sends, and the answer, each to its actor. */
START_TEST(requests_and_answers_are_arrows)
{
	static const char text[] =
		"scenario name=kick vcpus=1 code=0\n" SLOT "guest read vcpu=0 gpa=0x4000\n"
		"par\n"
		"guest read vcpu=0 gpa=0x4000 n=4 stride=4\n"
		"host munmap map=m0+0x0 len=0x1000\n"
		"join\n";
	bool sent = false, answered = false;
	struct text_explore t;

	text_explore_under(&t, text, X86);
	for (uint32_t seed = 0; seed < 200 && !answered; seed++) {
		struct explore_finding f = some_path(&t.cfg, seed);
		struct story *s = story_from_finding(&t.cfg, &f);

		ck_assert_str_eq(s->verdict.reason, "Nobody moves.");
		for (guint i = 0; i < s->steps->len; i++) {
			const struct story_step *step = story_step_at(s, i);
			bool interrupt = g_str_has_prefix(step->label, "interrupt");

			sent |= step->to == 0 && step->actor != 0;
			answered |= interrupt && step->actor == 0 && step->to > 0;
		}
		story_free(s);
		g_array_unref(f.path);
	}
	ck_assert(sent);
	ck_assert(answered);
	text_explore_fini(&t);
}
END_TEST

/* ---- programs -------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as above */
static GString *program_of(struct text_explore *t, const char *text, const char *policy)
{
	GString *out = g_string_new(NULL);
	GError *error = NULL;

	text_explore_under(t, text, policy);
	text_explore_find(t);
	ck_assert_msg(repro_print(&t->cfg, t->f, NULL, out, &error), "%s",
		      error ? error->message : "");
	return out;
}

static void has(const GString *out, const char *part)
{
	const char *scenario = strstr(out->str, "/* ---- The scenario ---- */");

	ck_assert_msg(strstr(out->str, part) != NULL, "no '%s' in\n%s", part, scenario);
}

START_TEST(a_program_keeps_the_order_of_lines)
{
	struct text_explore t;
	GString *out = program_of(&t, BLOCKS, X86);

	/* the second block's line behind both of the first; those have no order */
	has(out, "\tawait(0, ENDED);\n\tawait(1, ENDED);\n\tset_progress(2, BEGUN);\n"
		 "\tget_dirty(0);\n\tset_progress(2, ENDED);\n");
	ck_assert_ptr_null(strstr(out->str, "await(2,"));
	has(out, "together((const struct part[]){ { 0, job_v0 }, { 1, job_v1 }, "
		 "{ 2, job_vmm0 } }, 3);");
	g_string_free(out, TRUE);
	text_explore_fini(&t);
}
END_TEST

START_TEST(guest_lines_go_on_while_others_overlap_them)
{
	struct text_explore t;
	GString *out = program_of(&t, DELETED, X86);

	has(out, "\tjitter();\n\tset_progress(0, BEGUN);\n\tdo\n\t\tguest(");
	has(out, "\twhile (hammers() && !(is_past(1, ENDED)));\n");
	has(out, "\tawait(0, BEGUN);\n\tjitter();\n\tset_progress(1, BEGUN);\n");
	g_string_free(out, TRUE);
	text_explore_fini(&t);
}
END_TEST

/* In the model the vCPU may be inside the guest still when the harvest begins; its write is done. */
START_TEST(what_has_completed_is_awaited_in_every_other_round)
{
	struct text_explore t;
	GString *out = program_of(&t, HARVEST, X86);

	has(out, "\tawait(0, hammers() ? BEGUN : ENDED);\n\tjitter();\n\tset_progress(1, BEGUN);\n"
		 "\tget_dirty(0);\n");
	g_string_free(out, TRUE);
	text_explore_fini(&t);
}
END_TEST

START_TEST(a_program_says_where_it_is_from)
{
	struct text_explore t;
	GString *out = program_of(&t, HARVEST, X86);

	has(out, "\n * harvest: INV-DIRTY does not hold: ");
	has(out, "\n * The model had injection skip-harvest-flush: ");
	has(out, "#define INVARIANT   \"INV-DIRTY\"\n");
	has(out, "#define MODEL_BLOCK 0x4000ULL\n");
	has(out, "#define REAL_BLOCK  0x200000ULL\n");
	ck_assert_ptr_eq(strstr(strstr(out->str, "SPDX") + 1, "SPDX"), NULL);
	ck_assert(g_str_has_suffix(out->str, "}\n"));
	g_string_free(out, TRUE);
	text_explore_fini(&t);
}
END_TEST

START_TEST(an_architecture_of_its_own_has_no_other_half)
{
	static const char text[] =
		"scenario name=a arch=x86 code=0 inject=skip-dirty-mark\n" LOGGED_SLOT
		"par\nguest write vcpu=0 gpa=0x5000\njoin\nop get_dirty slot=0\n";
	struct text_explore t;
	GString *out = program_of(&t, text, X86), *both;

	ck_assert_ptr_nonnull(strstr(out->str, "#if defined(__x86_64__)"));
	ck_assert_ptr_null(strstr(out->str, "__aarch64__"));
	text_explore_fini(&t);
	both = program_of(&t, BLOCKS, X86);
	ck_assert_ptr_nonnull(strstr(both->str, "#elif defined(__aarch64__)"));
	g_string_free(out, TRUE);
	g_string_free(both, TRUE);
	text_explore_fini(&t);
}
END_TEST

/* Lines as statements; in a scenario that is not run. */
static const struct {
	const char *line, *statement;
} statements[] = {
	{ "host touch map=m1+0x1000 len=0x2000 mode=w",
	  "host_touch(1, 0x1000, 0x2000, 0x1000, true);" },
	{ "host madvise map=m0+0x0 len=0x1000 advice=collapse",
	  "host_madvise(0, 0x0, 0x1000, MADV_COLLAPSE);" },
	{ "host remap map=m0+0x0 len=0x1000", "host_remap(0, 0x0, 0x1000);" },
	{ "host mprotect map=m0+0x0 len=0x1000 prot=rw",
	  "host_mprotect(0, 0x0, 0x1000, PROT_READ | PROT_WRITE);" },
	{ "host mprotect map=m0+0x0 len=0x1000 prot=r",
	  "host_mprotect(0, 0x0, 0x1000, PROT_READ);" },
	{ "op set_region slot=3 gpa=0x4000 size=0x1000 flags=log+ro map=m1+0x0",
	  "set_region(3, 0x4000, 0x1000, KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY, 1, 0x0);" },
	{ "op set_region slot=3 gpa=0x4000 size=0x1000 flags=ro map=m1+0x0",
	  "set_region(3, 0x4000, 0x1000, KVM_MEM_READONLY, 1, 0x0);" },
	{ "op set_region slot=3 gpa=0x4000 size=0x1000 flags=0x40 map=m1+0x0",
	  "set_region(3, 0x4000, 0x1000, 0x40, 1, 0x0);" },
	{ "op set_region slot=3 gpa=0x4000 size=0 flags=none hva=0x0",
	  "set_region(3, 0x4000, 0x0, 0, -1, 0);" },
	{ "op clear_dirty slot=1 first=0 n=64 pages=all",
	  "clear_dirty(&(struct clear){ .slot = 1, .first = 0x0, .n = 0x40 });" },
	{ "op clear_dirty slot=1 first=0 n=64 pages=0x1,0x3-0x5",
	  "clear_dirty(&(struct clear){ .slot = 1, .first = 0x0, .n = 0x40, .nr_ranges = 2, "
	  ".ranges = (const uint64_t[][2]){ { 0x1, 0x2 }, { 0x3, 0x6 } } });" },
	{ "op reset_rings", "reset_rings();" },
	{ "op param name=nx_huge_pages value=force", "set_param(\"nx_huge_pages\", \"force\");" },
	{ "guest nop vcpu=0,2",
	  "guest(&(const struct request){ .mask = 0x5, .kind = NOP, .gpa = 0x0, .n = 1 });" },
	{ "guest exec vcpu=1 gpa=0x1000 n=3 stride=0x40 over=0x80",
	  "guest(&(const struct request){ .mask = 0x2, .kind = EXEC, .gpa = 0x1000, .n = 3, "
	  ".stride = 0x40, .over = 0x80 });" },
};

static struct repro_names some_names(GPtrArray *maps)
{
	static char m0[] = "m0", m1[] = "m1";

	g_ptr_array_add(maps, m0);
	g_ptr_array_add(maps, m1);
	return (struct repro_names){ .maps = maps,
				     .page = 0x1000,
				     .block = 0x4000,
				     .real_page = 0x1000,
				     .real_block = 0x200000 };
}

START_TEST(a_line_is_a_statement)
{
	GPtrArray *maps = g_ptr_array_new();
	struct repro_names names = some_names(maps);
	GString *out = g_string_new(NULL);
	GError *error = NULL;
	struct lang_line l;

	ck_assert_msg(lang_parse_line(statements[_i].line, "t", 1, &l, &error), "%s",
		      error ? error->message : "");
	ck_assert(repro_has_code(&l));
	ck_assert_ptr_null(repro_why_not(&names, &l));
	repro_print_line(&names, &l, out);
	ck_assert_str_eq(out->str, statements[_i].statement);
	g_string_free(out, TRUE);
	lang_line_clear(&l);
	g_ptr_array_unref(maps);
}
END_TEST

static const struct {
	const char *line, *why; /* NULL: it can be */
} refusals[] = {
	{ "op user_bit map=b page=0 value=1", "KVM_MEM_USERFAULT is no part of KVM" },
	{ "op set_region slot=0 gpa=0 size=0x1000 flags=uf map=m0+0x0 bitmap=b",
	  "KVM_MEM_USERFAULT is no part of KVM" },
	{ "op set_region slot=0 gpa=0 size=0x1000 flags=gmem map=m0+0x0", "guest_memfd" },
	{ "op set_region slot=0 gpa=0 size=0x1000 flags=log map=m0+0x0 fail=bitmap",
	  "allocations" },
	{ "op set_region slot=500 gpa=0 size=0x1000 flags=none map=m0+0x0", "slots 0 to 499" },
	{ "op set_region slot=0x10000 gpa=0 size=0x1000 flags=none map=m0+0x0", "slots 0 to 499" },
	{ "op set_region slot=499 gpa=0 size=0x1000 flags=none map=m0+0x0", NULL },
	{ "op set_region slot=0 gpa=0 size=0x1000 flags=none hva=0x1000", "`host map`" },
	{ "op set_region slot=0 gpa=0x1a04000 size=0x1000 flags=none map=m0+0x0", "0xd0000000" },
	{ "op set_region slot=0 gpa=0x19fc000 size=0x4000 flags=none map=m0+0x0", NULL },
	{ "op get_dirty slot=501", "slots 0 to 499" },
	{ "host age map=m0+0x0 len=0x1000 mode=test_young", "ageing" },
	{ "host munmap hva=0x1000 len=0x1000", "`host map`" },
	{ "op param name=eager_page_split value=a\"b", "letters and digits" },
	{ "guest read vcpu=0 gpa=0x1000 n=4 pattern=uniform over=0x4000",
	  "one address after the other" },
	{ "guest read vcpu=0 gpa=0x1000 n=4 mix=50", "one address after the other" },
	{ "guest read vcpu=0 gpa=0x1000 for=1us", "simulated time" },
	{ "guest read vcpu=0 gpa=0x1000 n=65537 stride=4", "65536" },
	{ "guest read vcpu=0 gpa=0x1a00000", "0xd0000000" },
	{ "guest read vcpu=0 gpa=0x19ff000", NULL },
};

START_TEST(what_kvm_or_user_space_has_not_is_refused)
{
	GPtrArray *maps = g_ptr_array_new();
	struct repro_names names = some_names(maps);
	GError *error = NULL;
	const char *why;
	struct lang_line l;

	if (!lang_parse_line(refusals[_i].line, "t", 1, &l, &error)) {
		/* the language has no such line to begin with */
		ck_assert_msg(strstr(refusals[_i].line, "a\"b") ||
				      strstr(refusals[_i].line, "hva="),
			      "%s", error->message);
		g_error_free(error);
		g_ptr_array_unref(maps);
		return;
	}
	why = repro_why_not(&names, &l);
	if (!refusals[_i].why)
		ck_assert_msg(why == NULL, "%s", why);
	else
		ck_assert_msg(why && strstr(why, refusals[_i].why), "%s: %s", refusals[_i].line,
			      why ? why : "no reason");
	lang_line_clear(&l);
	g_ptr_array_unref(maps);
}
END_TEST

START_TEST(a_refusal_names_line_and_reason)
{
	static const char text[] = "scenario name=a vcpus=1 code=0\n" SLOT "par\n"
				   "guest read vcpu=0 gpa=0x4000\n"
				   "host age map=m0+0x0 len=0x1000 mode=clear_young\n"
				   "join\n";
	GError *error = NULL;
	struct text_explore t;

	text_explore_under(&t, text, X86);
	ck_assert(!repro_check(&t.cfg, &error));
	ck_assert_str_eq(error->message,
			 "line 6: expected a line that a program can have (user space cannot call "
			 "an ageing notifier at will), found 'host age map=m0+0x0 len=0x1000 "
			 "mode=clear_young'");
	ck_assert(g_error_matches(error, REPRO_ERROR, REPRO_ERROR_LINE));
	g_error_free(error);
	text_explore_fini(&t);
}
END_TEST

START_TEST(no_text_ends_a_comment)
{
	GString *out = g_string_new(NULL);

	repro_print_comment("a*/b**/c*", out);
	ck_assert_str_eq(out->str, "a* /b** /c*");
	g_string_free(out, TRUE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("finding");
	TCase *story = tcase_create("story"), *program = tcase_create("program");
	SRunner *runner;
	int failed;

	tcase_set_timeout(story, 120);
	tcase_add_loop_test(story, a_story_says_what_happened, 0, G_N_ELEMENTS(cases));
	tcase_add_loop_test(story, no_move_is_left_out, 0, G_N_ELEMENTS(cases));
	tcase_add_loop_test(story, quiet_steps_are_folded, 0, G_N_ELEMENTS(cases));
	tcase_add_loop_test(story, the_same_finding_gives_the_same_story_and_program, 0,
			    G_N_ELEMENTS(cases));
	tcase_add_test(story, requests_and_answers_are_arrows);
	suite_add_tcase(s, story);
	tcase_set_timeout(program, 120);
	tcase_add_test(program, a_program_keeps_the_order_of_lines);
	tcase_add_test(program, guest_lines_go_on_while_others_overlap_them);
	tcase_add_test(program, what_has_completed_is_awaited_in_every_other_round);
	tcase_add_test(program, a_program_says_where_it_is_from);
	tcase_add_test(program, an_architecture_of_its_own_has_no_other_half);
	tcase_add_loop_test(program, a_line_is_a_statement, 0, G_N_ELEMENTS(statements));
	tcase_add_loop_test(program, what_kvm_or_user_space_has_not_is_refused, 0,
			    G_N_ELEMENTS(refusals));
	tcase_add_test(program, a_refusal_names_line_and_reason);
	tcase_add_test(program, no_text_ends_a_comment);
	suite_add_tcase(s, program);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
