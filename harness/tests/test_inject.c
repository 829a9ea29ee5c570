/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Injections: each breaks the invariant that it names in a small scenario whose steps are tried in every
 * order, and without it the invariant holds there.  Every invariant has an injection that breaks it.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <glib.h>

#include "harness/tests/explored.h"
#include "model/hostmm.h"
#include "model/inject.h"
#include "model/inv.h"
#include "model/script.h"

#define THP       "host map name=m0 size=0x4000 backing=thp\n"
#define EIGHT     "host map name=m0 size=0x8000 backing=anon\n"
#define DELETE    "op set_region slot=0 size=0x0 map=m0+0x0 gpa=0x4000 flags=none\n"
#define UF        SLOT_AT "0x4000 flags=uf bitmap=b0\n"
#define BIT_1     "op user_bit map=b0 page=0 value=1\n"
#define FILLED    MAP "host touch map=m0+0x0 len=0x4000 mode=w\n"
#define TWICE     WRITE " n=2 stride=0\n"
#define AGAIN     WRITE " repeat=2\n"
#define BOTH      WRITE " n=2\n"
#define ONCE      WRITE "\n"
#define NEXT      "guest write vcpu=0 gpa=0x5000\n"
#define DISCARD   "host madvise map=m0+0x0 len=0x1000 advice=dontneed\n"
#define DISCARD2  "host madvise map=m0+0x0 len=0x2000 advice=dontneed\n"
#define AGED      "host age map=m0+0x0 len=0x1000 mode=clear_young\n"
#define GET       "op get_dirty slot=0\n"
#define GET2      "op get_dirty slot=0 repeat=2\n"
#define RESET2    "op reset_rings repeat=2\n"
#define TRACK     "op track slot=0 page=0\n"
#define KVM_WRITE "op kvm_write vcpu=0 gpa=0x4000\n"
#define SHADOW    "op shadow_root vcpu=0\n"

#define LOGGED MAP SLOT("log") ONCE
#define PLAIN  MAP SLOT("none") ONCE
/* private pages of a file of guest_memfd */
#define GMEM_SLOT(flags) SLOT_AT "0x4000 gmem=g0+0x0 flags=" flags "\n"
#define GMEM                                                                                       \
	MAP "host map name=g0 size=0x4000 backing=gmem\n"                                          \
	    "op set_private gpa=0x4000 size=0x4000 value=1\n" GMEM_SLOT("gmem")
/* KVM writes to the page itself */
#define KVM_LOGGED MAP SLOT("log") PAR KVM_WRITE GET2 JOIN
/* a page is mapped, then something happens to it while a vCPU writes */
#define DISCARDED PLAIN PAR TWICE DISCARD JOIN
#define FAULTING  MAP SLOT("none") PAR ONCE DISCARD JOIN
#define DELETED   MAP SLOT("none") PAR AGAIN DELETE JOIN
#define HARVESTED LOGGED PAR AGAIN GET2 JOIN
#define WORD      MAP SLOT("log") BOTH GET ONCE PAR NEXT GET2 JOIN
#define RINGS     LOGGED PAR ONCE RESET2 JOIN
#define TRACKED   MAP SLOT("none") PAR AGAIN TRACK JOIN
#define UF_SET    MAP SLOT("none") BIT_1 PAR AGAIN UF JOIN
#define COLLAPSE  THP SLOT("log") ONCE PAR BOTH SLOT("none") JOIN
#define MOVED_LOG MAP SLOT("log") PAR ONCE SLOT_AT "0x8000 flags=log\n" GET JOIN

#define RING    "ring=0x1000"
#define X86     "x86-6.12"
#define EPT     "x86-6.12+machine=ept"
#define LEG     "x86-6.12+mmu=legacy"
#define ARM     "arm64-6.12"
#define V3      "x86-uf-v3"
#define GMEM_VM EPT "+gmem=gmem-immutable"
#define SEAN    "arm64-sean-rewrite"
#define ALL     X86 " " LEG " " ARM

/* Under each of @policies; @inv NULL: what the injection names. */
struct broken {
	const char *inject, *policies, *keys, *lines, *inv;
};

/* clang-format off */
static const struct broken broken[] = {
	{ "skip-zap", EPT " " ARM, NULL, DELETED, NULL },
	{ "skip-slot-flush", X86 "+slot-flush=zap-slot-leafs", NULL, DELETED, NULL },
	{ "skip-reload", X86 " x86-6.1+machine=ept", NULL, DELETED, NULL },
	{ "skip-enable-flush", X86 " " EPT " " ARM, NULL, PLAIN PAR AGAIN SLOT("log") GET JOIN, NULL },
	{ "skip-harvest-flush", X86 " " EPT " " ARM, NULL, HARVESTED, NULL },
	{ "skip-ring-flush", X86 " " ARM, RING, RINGS, NULL },
	{ "skip-notifier-flush", EPT " " LEG, NULL, DISCARDED, NULL },
	{ "skip-yield-flush", EPT, NULL, MAP SLOT("none") BOTH PAR TWICE DISCARD2
	  "host madvise map=m0+0x0 len=0x1000 advice=dontneed by=1\n" JOIN, NULL },
	{ "flush-forgotten", EPT, NULL, MAP SLOT("none")
	  "op set_region slot=1 size=0x4000 map=m0+0x0 gpa=0x8000 flags=none\n" ONCE PAR TWICE DISCARD JOIN, NULL },
	{ "skip-merge-flush", EPT "+recovery=rec-none x86-6.1+recovery=rec-none", "vcpus=2", THP
	  SLOT("log") ONCE SLOT("none") PAR TWICE "guest write vcpu=1 gpa=0x6000\n" JOIN, NULL },
	{ "skip-collapse-flush", EPT " " X86 "+recovery=rec-inplace", NULL, COLLAPSE, NULL },
	{ "skip-track-flush", EPT, NULL, TRACKED, NULL },
	{ "track-flush-late", EPT " " LEG, NULL, TRACKED, NULL },
	{ "skip-acks", EPT, NULL, DISCARDED, NULL },
	{ "skip-retry-check", ALL, NULL, FAULTING, NULL },
	{ "retry-before-lock", ALL, NULL, FAULTING, NULL },
	{ "seq-one-bit", ALL, NULL, MAP SLOT("none") PAR ONCE
	  "host madvise map=m0+0x0 len=0x1000 advice=dontneed repeat=2\n" JOIN, NULL },
	{ "stale-root", X86, NULL, EIGHT SLOT("none")
	  "op set_region slot=1 size=0x4000 map=m0+0x4000 gpa=0x8000 flags=none\n" PAR
	  "guest write vcpu=0 gpa=0x8000 repeat=2\n" DELETE JOIN, NULL },
	{ "map-invalid-slot", X86 " " ARM, NULL, MAP SLOT("none") PAR ONCE MOVE("") JOIN, NULL },
	{ "invalid-is-mmio", X86 " " LEG, NULL, MAP SLOT("none") PAR ONCE MOVE("fail=archmeta") JOIN, NULL },
	{ "generation-cut", X86 " " EPT, NULL,
	  MAP PAR "guest read vcpu=0 gpa=0x4000 repeat=2\n" SLOT("none") JOIN, NULL },
	{ "skip-srcu-wait", X86 " " ARM, NULL, MAP SLOT("log") PAR ONCE SLOT("none") JOIN, NULL },
	{ "failed-keeps-bitmap", X86 " " ARM, NULL, MAP SLOT("none") PAR SLOT("log fail=archveto") JOIN, NULL },
	{ "skip-notifier-wait", X86 " " ARM, NULL, MAP SLOT("none") PAR DISCARD DELETE JOIN, NULL },
	{ "no-invalid-copy", X86 " " ARM, NULL, PLAIN PAR TWICE DELETE JOIN, NULL },
	{ "flush-wants-arch-lock", X86 "+order=ms-flush-after-prepare " ARM "+order=ms-flush-after-prepare",
	  NULL, MAP SLOT("none") PAR MOVE("") JOIN, NULL },
	{ "requests-read-twice", EPT, NULL, PLAIN PAR AGAIN DISCARD JOIN, NULL },
	{ "skip-entry-check", EPT, NULL, PLAIN PAR ONCE DISCARD JOIN, NULL },
	{ "mode-before-request", EPT, NULL, DISCARDED, NULL },
	{ "yield-skips", EPT, "vcpus=2", MAP SLOT("none") BOTH PAR NEXT "guest write vcpu=1 gpa=0x6000\n"
	  DISCARD2 JOIN, NULL },
	{ "wrong-frame", ALL, NULL, MAP SLOT("none") PAR NEXT JOIN, NULL },
	{ "notifier-short", ALL, NULL, DISCARDED, NULL },
	{ "skip-notifier-zap", X86 " " LEG, NULL,
	  MAP SLOT("none") PAR "guest read vcpu=0 gpa=0x4000\n" ONCE JOIN, NULL },
	{ "skip-notifier-zap", X86, NULL, DISCARDED, "I2" },
	{ "slot-edge", ALL, NULL, THP "op set_region slot=0 size=0x2000 map=m0+0x0 gpa=0x4000 flags=none\n"
	  PAR ONCE JOIN, NULL },
	{ "slot-edge", ALL, NULL, THP "op set_region slot=0 size=0x3000 map=m0+0x1000 gpa=0x5000 flags=none\n"
	  PAR NEXT JOIN, NULL },
	{ "huge-while-logged", ALL, NULL, THP SLOT("log") PAR ONCE JOIN, NULL },
	{ "read-only-ignored", ALL, NULL, MAP "host touch map=m0+0x0 len=0x1000 mode=w\n" SLOT("ro")
	  PAR "guest read vcpu=0 gpa=0x4000\n" JOIN, NULL },
	{ "w-alone", X86 " " LEG " " EPT, NULL, MAP SLOT("none") PAR ONCE JOIN, NULL },
	{ "skip-track-check", X86 " " LEG, NULL, MAP SLOT("none") TRACK PAR AGAIN JOIN, NULL },
	{ "skip-punch-zap", GMEM_VM, NULL, GMEM PAR TWICE "host punch map=g0+0x0 len=0x1000\n" JOIN, NULL },
	{ "skip-gmem-unbind", GMEM_VM, NULL, GMEM PAR DELETE JOIN, NULL },
	{ "bind-create-only", V3 "+gmem=bind-new-unbind-old", NULL, GMEM BIT_1 PAR ONCE GMEM_SLOT("gmem+uf bitmap=b0") JOIN, NULL },
	{ "log-takes-mmuw", X86 " " LEG " " X86 "+machine=ept-noad", NULL, PLAIN PAR SLOT("log") JOIN, NULL },
	{ "log-takes-mmuw", EPT, "eager=N", THP SLOT("none") ONCE PAR SLOT("log") JOIN, NULL },
	{ "skip-arrays", X86 " " LEG, NULL, MAP SLOT("none") SHADOW PAR MOVE("") JOIN, NULL },
	{ "skip-track-follow", X86, NULL, MAP SLOT("none") TRACK PAR DELETE JOIN, NULL },
	{ "plain-store", EPT, NULL, LOGGED GET PAR ONCE AGED JOIN, NULL },
	{ "fast-plain-store", X86, NULL, LOGGED GET PAR ONCE DISCARD JOIN, NULL },
	{ "map-plain-store", X86, "vcpus=2",
	  MAP SLOT("none") PAR ONCE "guest write vcpu=1 gpa=0x5000\n" JOIN, NULL },
	{ "free-at-once", X86 " x86-6.1", NULL, THP SLOT("log") BOTH GET PAR BOTH SLOT("none") JOIN, NULL },
	{ "free-at-once", "x86-6.1 x86-6.1+machine=ept", NULL, COLLAPSE, "I4" },
	{ "slots-lock-early", V3 " " SEAN, NULL, UF_SET, NULL },
	{ "skip-dirty-mark", ALL " " EPT, NULL, MAP SLOT("log") PAR ONCE GET JOIN, NULL },
	{ "kvm-mark-early", X86 " " LEG " " ARM, NULL, KVM_LOGGED, NULL },
	{ "kvm-mark-early", X86 " " ARM, RING, MAP SLOT("log") PAR KVM_WRITE RESET2 JOIN, NULL },
	{ "skip-dirty-mark", X86 " " ARM, NULL, KVM_LOGGED, NULL },
	{ "kvm-no-srcu", X86 " " ARM, NULL, MAP SLOT("log") PAR KVM_WRITE DELETE JOIN, NULL },
	{ "kvm-no-srcu", X86 " " ARM, NULL, MAP SLOT("log") PAR KVM_WRITE DELETE JOIN, "INV-FREED" },
	{ "fast-mark-early", X86, NULL, LOGGED GET PAR AGAIN GET2 JOIN, NULL },
	{ "skip-rearm", ALL " " EPT, NULL, HARVESTED, NULL },
	{ "skip-ring-rearm", X86 " " ARM, RING, RINGS, NULL },
	{ "ring-reset-unseen", X86 " " ARM, RING, LOGGED PAR NEXT RESET2 JOIN, NULL },
	{ "rearm-first", X86 " " EPT, NULL, WORD, NULL },
	{ "harvest-not-atomic", X86 " " EPT, NULL, WORD, NULL },
	{ "log-wrong-base", ALL " " EPT, NULL, HARVESTED, NULL },
	{ "skip-pml-kick", EPT, NULL, MAP SLOT("log") PAR TWICE GET2 JOIN, NULL },
	{ "pml-no-drain", EPT, NULL, HARVESTED, NULL },
	{ "pml-off-by-one", EPT, NULL, HARVESTED, NULL },
	{ "skip-uf-zap", V3 " x86-uf-v2 " SEAN " arm64-james-v2", NULL, UF_SET, NULL },
	{ "skip-uf-zap", V3 "+invalidate=inv-changed-hook", NULL, UF_SET, "I20" },
	{ "uf-hook-first", V3 "+machine=npt+recovery=rec-inplace+slot-flush=zap-slot-leafs", NULL, THP
	  SLOT("log") "op user_bit map=b0 page=1 value=1\n" PAR BOTH UF JOIN, NULL },
	{ "selective-misses-last", V3 "+invalidate=inv-selective " SEAN "+invalidate=inv-selective", NULL,
	  MAP SLOT("none") BIT_1 "op user_bit map=b0 page=1 value=1\n" PAR
	  "guest write vcpu=0 gpa=0x5000 repeat=2\n" UF JOIN, NULL },
	{ "rescan-no-seq", V3 "+uapi=rescan-ioctl " SEAN "+uapi=rescan-ioctl", NULL,
	  MAP UF PAR AGAIN BIT_1 "op rescan slot=0\n" JOIN, NULL },
	{ "attr-no-begin", V3 "+uapi=attr-rfc " SEAN "+uapi=attr-rfc", NULL, MAP UF PAR AGAIN BIT_1 JOIN, NULL },
	{ "inv-none", V3 " " SEAN, NULL, UF_SET, NULL },
	{ "inv-before-swap", V3 " " SEAN, NULL, UF_SET, NULL },
	{ "perm-reap-tlbcached", V3 " " SEAN, NULL, UF_SET, NULL },
	{ "size-free", V3 " " SEAN, NULL, THP BIT_1 UF PAR NEXT JOIN, NULL },
	{ "fl-none", EPT " " LEG, NULL, TRACKED, NULL },
	{ "fl-Wcleared", X86 "+machine=ept-noad", NULL, PLAIN AGED PAR AGAIN TRACK JOIN, NULL },
	{ "dl-if-modified", X86 "+machine=ept-noad", NULL, PLAIN AGED PAR AGAIN SLOT("log") GET JOIN, NULL },
	{ "bm-shift", X86 " " ARM, NULL, MOVED_LOG, NULL },
	{ "bm-clear", X86 " " ARM, NULL, MOVED_LOG, NULL },
	{ "ms-prepare-first", X86, NULL, MAP SLOT("none") PAR SHADOW MOVE("") JOIN, NULL },
	{ "pt-flush-slot", X86, NULL, MAP SLOT("none") TRACK PAR MOVE("") JOIN, NULL },
	{ "skip-tlbi", ARM " arm64-6.1", NULL, DISCARDED, NULL },
	{ "tlbi-before-store", ARM " arm64-6.1", NULL, DISCARDED, NULL },
	{ "tlbi-stage1-only", ARM " arm64-6.1", NULL, DISCARDED, NULL },
	{ "skip-relax-tlbi", ARM " arm64-6.1", NULL, LOGGED GET PAR "guest read vcpu=0 gpa=0x4000\n" ONCE JOIN, NULL },
	{ "skip-table-tlbi", ARM " arm64-6.1", NULL, PLAIN PAR TWICE DELETE JOIN, NULL },
	{ "generation-stuck", X86 " " ARM, NULL, MAP SLOT("none") PAR SLOT("log") JOIN, NULL },
	{ "skip-reinstate", X86, NULL, MAP SLOT("none") PAR MOVE("fail=archmeta") JOIN, NULL },
	{ "bitmap-leak", ALL, NULL, MAP SLOT("log") PAR SLOT("none") JOIN, NULL },
	{ "read-makes-writable", ARM, NULL, MAP "host touch map=m0+0x0 len=0x1000 mode=w\n" SLOT("log")
	  PAR "guest read vcpu=0 gpa=0x4000\n" JOIN, NULL },
	{ "skip-retry-check", ALL, NULL, FAULTING, "I-MN2" },
	{ "skip-harvest-flush", X86 " " EPT " " ARM, NULL, HARVESTED, "I11" },
	{ "pml-off-by-one", EPT, NULL, MAP SLOT("none") PAR ONCE SLOT("log") JOIN, "I13" },
	{ "generation-cut", X86 " " EPT, NULL,
	  MAP PAR "guest read vcpu=0 gpa=0x4000 repeat=2\n" SLOT("none") JOIN, "INV-MMIO" },
	{ "map-plain-store", X86, "vcpus=2",
	  MAP SLOT("none") PAR ONCE "guest write vcpu=1 gpa=0x5000\n" JOIN, "I23" },
	{ "skip-yield-flush", EPT, NULL, MAP SLOT("none") BOTH PAR TWICE DISCARD2
	  "host madvise map=m0+0x0 len=0x1000 advice=dontneed by=1\n" JOIN, "I25" },
	{ "uf-ignored", V3 " x86-uf-v2 " SEAN, NULL, UF_SET, NULL },
	{ "loads-unordered", SEAN " arm64-james-v2", "mem=armlike", FILLED BIT_1 UF PAR
	  "guest read vcpu=0 gpa=0x4000 repeat=2\nhost touch map=m0+0x0 len=0x1000 mode=w\n"
	  "op user_bit map=b0 page=0 value=0 order=release\n" JOIN, NULL },
	{ "no-break", ARM " arm64-6.1", NULL, THP SLOT("log") ONCE SLOT("none") PAR NEXT JOIN, NULL },
};
/* clang-format on */

static enum injection injection_of(const char *name)
{
	int i = 1;

	while (i < NR_INJECTIONS && strcmp(injection_name((enum injection)i), name) != 0)
		i++;
	ck_assert_msg(i < NR_INJECTIONS, "%s", name);
	return (enum injection)i;
}

static const char *invariant_of(const struct broken *b)
{
	return b->inv ? b->inv : injection_invariant(injection_of(b->inject));
}

START_TEST(an_injection_breaks_what_holds_without_it)
{
	const struct broken *b = &broken[_i];
	g_auto(GStrv) policies = g_strsplit(b->policies, " ", -1);

	for (size_t i = 0; policies[i]; i++) {
		struct control t = { .policy = policies[i],
				     .inject = "",
				     .inv = invariant_of(b),
				     .holds = true,
				     .lines = b->lines };
		const char *keys = b->keys ? b->keys : "";

		check_control(&t, keys);
		t.inject = b->inject;
		t.holds = false;
		check_control(&t, keys);
	}
}
END_TEST

START_TEST(every_injection_is_shown)
{
	for (int i = 1; i < NR_INJECTIONS; i++) {
		const char *name = injection_name((enum injection)i);
		bool shown = strcmp(injection_invariant((enum injection)i), "-") == 0;

		for (size_t k = 0; k < G_N_ELEMENTS(broken); k++)
			shown |= strcmp(broken[k].inject, name) == 0 && !broken[k].inv;
		ck_assert_msg(shown, "no scenario shows %s", name);
	}
}
END_TEST

START_TEST(every_invariant_can_be_broken)
{
	for (int i = 1; i < NR_INVS; i++) {
		bool can = false;

		for (size_t k = 0; k < G_N_ELEMENTS(broken); k++)
			can |= strcmp(invariant_of(&broken[k]), inv_name((enum inv)i)) == 0;
		ck_assert_msg(can, "nothing breaks %s", inv_name((enum inv)i));
	}
}
END_TEST

/* ---- what no invariant forbids ----------------------------------------------------------------- */

/* Logging on and off over a huge page; beyond the small geometries. */
#define BIG                                                                                        \
	"host map name=m0 size=0x200000 backing=thp\n"                                             \
	"op set_region slot=0 size=0x200000 map=m0+0x0 gpa=0x0 flags=log\n"                        \
	"guest write vcpu=0 gpa=0x0\n"                                                             \
	"op set_region slot=0 size=0x200000 map=m0+0x0 gpa=0x0 flags=none\n"

/* Runs lines one after the other; what the last one showed. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as in a scenario line */
static struct script *run(const char *policy, const char *inject, const char *text, GString *out)
{
	g_autofree char *head = g_strdup_printf("scenario name=t code=0 inject=%s", inject);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	struct lang_line l;
	struct script *s;

	ck_assert(lang_parse_line(head, "t", 1, &l, NULL));
	s = script_new(&l.u.scenario, policy, NULL, NULL);
	lang_line_clear(&l);
	for (size_t i = 0; *lines[i]; i++) {
		g_string_truncate(out, 0);
		ck_assert(lang_parse_line(lines[i], "t", 1, &l, NULL));
		ck_assert_msg(script_run_line(s, &l, NULL, out, NULL), "%s", lines[i]);
		lang_line_clear(&l);
	}
	return s;
}

/* The exit comes either way. */
static bool host_has_page_after_exit(const char *policy, const char *inject)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct script *s = run(policy, inject, MAP BIT_1 UF ONCE, out);
	bool has = hostmm_view(script_vm(s), script_vm(s)->st->maps[0].hva).present;

	ck_assert_msg(strstr(out->str, "exit vcpu=0 userfault gpa=0x4000") != NULL, "%s", out->str);
	script_free(s);
	return has;
}

START_TEST(a_late_test_of_the_bit_asks_the_host_first)
{
	static const char *const policies[] = { V3, "x86-uf-v2", SEAN, "arm64-uf-v1" };

	ck_assert(!host_has_page_after_exit(policies[_i], "none"));
	ck_assert(host_has_page_after_exit(policies[_i], "uf-test-late"));
}
END_TEST

START_TEST(without_recovery_small_pages_stay)
{
	g_autoptr(GString) with = g_string_new(NULL);
	g_autoptr(GString) without = g_string_new(NULL);

	script_free(run(X86, "none", BIG, with));
	script_free(run(X86, "skip-recovery", BIG, without));
	ck_assert_ptr_nonnull(strstr(with->str, "sum 4k=0"));
	ck_assert_ptr_null(strstr(without->str, "sum"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inject");
	TCase *explored = tcase_create("explored");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(explored, 120);
	tcase_add_loop_test(explored, an_injection_breaks_what_holds_without_it, 0,
			    G_N_ELEMENTS(broken));
	tcase_add_test(explored, every_injection_is_shown);
	tcase_add_test(explored, every_invariant_can_be_broken);
	tcase_add_loop_test(explored, a_late_test_of_the_bit_asks_the_host_first, 0, 4);
	tcase_add_test(explored, without_recovery_small_pages_stay);
	suite_add_tcase(suite, explored);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
