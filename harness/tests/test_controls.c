/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Negative controls: small scenarios whose steps are tried in every order.  Under one policy an invariant
 * holds, under the other, or with a rule taken out, it is broken; so each check is known to be able to
 * fail, and each rule to be needed.
 */
#include <stdlib.h>

#include <check.h>
#include <glib.h>

#include "harness/tests/explored.h"

/* ---- write tracking -------------------------------------------------------------------------------- */

#define TRACK_RACE                                                                                 \
	MAP SLOT("none") PAR WRITE " repeat=2\n"                                                   \
				   "op track slot=0 page=0x0\n" JOIN
#define FAILED_MOVE                                                                                \
	MAP SLOT("none") "op track slot=0 page=0x0\n" PAR WRITE "\n" MOVE("fail=archmeta") JOIN
#define SHADOW_MOVE MAP SLOT("none") PAR "op shadow_root vcpu=0\n" MOVE("") JOIN

/* clang-format off */
static const struct control tracking[] = {
	{ "x86-6.12+machine=ept", "", "INV-WT", true, TRACK_RACE },
	{ "x86-6.1+machine=npt", "", "INV-WT", true, TRACK_RACE },
	{ "x86-6.12+mmu=legacy", "", "INV-WT", true, TRACK_RACE },
	{ "x86-7.2+machine=ept-noad", "", "INV-WT", true, TRACK_RACE },
	{ "x86-6.12+machine=ept+flush-rule=fl-none", "", "INV-WT", false, TRACK_RACE },
	{ "x86-6.12+mmu=legacy+flush-rule=fl-none", "", "INV-WT", false, TRACK_RACE },
	{ "x86-6.1", "", "INV-TRACK", false, FAILED_MOVE },
	{ "x86-6.1+page-track=pt-remove-region", "", "INV-TRACK", true, FAILED_MOVE },
	{ "x86-6.1+page-track=pt-change+movefail", "", "INV-TRACK", true, FAILED_MOVE },
	{ "x86-6.1+order=ms-prepare-first", "", "INV-TRACK", true, FAILED_MOVE },
	{ "x86-6.1+order=ms-flush-after-prepare", "", "INV-TRACK", true, FAILED_MOVE },
	{ "x86-6.12", "", "INV-TRACK", true, FAILED_MOVE },
	{ "x86-6.12", "", "INV-META", true, SHADOW_MOVE },
	{ "x86-6.12+order=ms-prepare-first", "", "INV-META", false, SHADOW_MOVE },
	{ "x86-6.12+order=ms-flush-after-prepare", "", "INV-META", true, SHADOW_MOVE },
};
/* clang-format on */

/* ---- userfault -------------------------------------------------------------------------------------- */

#define BIT_1  "op user_bit map=b0 page=0 value=1\n"
#define SET_UF SLOT_AT "0x4000 flags=uf bitmap=b0\n"
/* the flag is set while a vCPU writes twice */
#define UF_ON MAP SLOT("none") BIT_1 PAR WRITE " repeat=2\n" SET_UF JOIN
/* a slot with the flag is made under a guest that writes, and loses it */
#define UF_NEW MAP BIT_1 PAR WRITE " repeat=2\n" SET_UF SLOT("none") JOIN
/* bits are set later */
#define UF_LATER MAP SET_UF PAR WRITE " repeat=2\n" BIT_1 JOIN
#define RESCAN   MAP SET_UF PAR WRITE " repeat=2\n" BIT_1 "op rescan slot=0\n" JOIN
/* block and neighbour: a page whose bit is 0 is mapped first */
#define NEAR                                                                                       \
	"host map name=m0 size=0x4000 backing=thp\n" BIT_1 SET_UF PAR                              \
	"guest write vcpu=0 gpa=0x5000\n" WRITE "\n" JOIN
#define PREFETCH                                                                                   \
	MAP "host touch map=m0+0x0 len=0x4000 mode=w\n" BIT_1 SET_UF PAR                           \
	    "guest write vcpu=0 gpa=0x5000\n" WRITE "\n" JOIN
/* logging goes on when the flag goes */
#define UF_OFF MAP SLOT_AT "0x4000 flags=log+uf bitmap=b0\n" PAR SLOT("log") JOIN
/* an attribute makes KVM's own accesses wait; a bitmap does not */
#define KVM_READS MAP BIT_1 SET_UF PAR "op kvm_read vcpu=0 gpa=0x4000\n" JOIN
#define KVM_ASKS                                                                                   \
	MAP BIT_1 SET_UF PAR "op kvm_read vcpu=0 gpa=0x4000\n"                                     \
			     "op user_bit map=b0 page=0 value=0\n" JOIN
/* ... nor does a userfaultfd let them pass: they wait for the host page, as faults do */
#define WAITS    "host map name=m0 size=0x4000 backing=anon uffd=1\n"
#define COPY     "host copy map=m0+0x0 len=0x1000\n"
#define KVM_UFFD WAITS BIT_1 SET_UF PAR "op kvm_read vcpu=0 gpa=0x4000\n"
#define FAULT_UF WAITS SLOT("none") BIT_1 PAR WRITE "\n" SET_UF
#define SEAN     "arm64-sean-rewrite+"
#define V3       "x86-uf-v3+"

/* clang-format off */
static const struct control userfault[] = {
	{ "x86-uf-v2", "", "INV-UF", true, UF_ON },
	{ "x86-uf-v3", "", "INV-UF", true, UF_ON },
	{ "x86-uf-guarded+machine=npt", "", "INV-UF", true, UF_ON },
	{ "arm64-uf-v1", "", "INV-UF", true, UF_ON },
	{ "arm64-james-v2", "", "INV-UF", true, UF_ON },
	{ "arm64-sean-rewrite", "", "INV-UF", true, UF_ON },
	{ "arm64-no-early-return", "", "INV-UF", true, UF_ON },
	{ V3 "invalidate=inv-none", "", "INV-UF", false, UF_ON },
	{ SEAN "invalidate=inv-none", "", "INV-UF", false, UF_ON },
	{ V3 "invalidate=inv-arch", "", "INV-UF", true, UF_ON },
	{ V3 "invalidate=inv-changed-hook", "", "INV-UF", true, UF_ON },
	{ V3 "invalidate=inv-selective", "", "INV-UF", true, UF_ON },
	{ SEAN "invalidate=inv-selective", "", "INV-UF", true, UF_ON },
	{ V3 "invalidate=perm-reap", "", "INV-UF", true, UF_ON },
	{ SEAN "invalidate=perm-reap", "", "INV-UF", true, UF_ON },
	{ V3 "invalidate=perm-reap-tlbcached", "", "INV-UF", false, UF_ON },
	{ SEAN "invalidate=perm-reap-tlbcached", "", "INV-UF", false, UF_ON },
	{ V3 "invalidate=inv-before-swap", "", "INV-UF", false, UF_ON },
	{ SEAN "invalidate=inv-before-swap", "", "INV-UF", false, UF_ON },
	{ V3 "uapi=create-only+invalidate=inv-none", "", "INV-UF", true, UF_NEW },
	{ SEAN "uapi=create-only+invalidate=inv-none", "", "INV-UF", true, UF_NEW },
	{ V3 "uapi=attr-rfc", "", "INV-UF", true, UF_LATER },
	{ SEAN "uapi=attr-rfc", "", "INV-UF", true, UF_LATER },
	{ "x86-uf-v3", "", "INV-PROG", true, KVM_READS },
	{ "arm64-sean-rewrite", "", "INV-PROG", true, KVM_READS },
	{ V3 "uapi=attr-rfc", "", "INV-PROG", false, KVM_READS },
	{ SEAN "uapi=attr-rfc", "", "INV-PROG", false, KVM_READS },
	{ V3 "uapi=attr-rfc", "", "INV-PROG", true, KVM_ASKS },
	{ SEAN "uapi=attr-rfc", "", "INV-PROG", true, KVM_ASKS },
	{ "x86-uf-v3", "", "INV-PROG", false, KVM_UFFD JOIN },
	{ "x86-uf-v3", "", "INV-PROG", true, KVM_UFFD COPY JOIN },
	{ "arm64-sean-rewrite", "", "INV-PROG", false, KVM_UFFD JOIN },
	{ "arm64-sean-rewrite", "", "INV-PROG", true, KVM_UFFD COPY JOIN },
	/* a fault that sleeps there holds up the ioctl, and maps nothing behind it */
	{ "x86-uf-v3", "", "INV-UF", true, FAULT_UF COPY JOIN },
	{ "x86-uf-v3", "", "INV-PROG", true, FAULT_UF COPY JOIN },
	{ "x86-uf-v3", "", "INV-PROG", false, FAULT_UF JOIN COPY },
	{ "arm64-sean-rewrite", "", "INV-UF", true, FAULT_UF COPY JOIN },
	{ "arm64-sean-rewrite", "", "INV-PROG", true, FAULT_UF COPY JOIN },
	{ "arm64-sean-rewrite", "", "INV-PROG", false, FAULT_UF JOIN COPY },
	{ V3 "uapi=rescan-ioctl", "", "INV-UF", true, RESCAN },
	{ SEAN "uapi=rescan-ioctl", "", "INV-UF", true, RESCAN },
	{ "x86-uf-v2", "", "INV-UF", true, NEAR },
	{ "x86-uf-v3", "", "INV-UF", true, NEAR },
	{ "x86-uf-v3", "", "INV-UFMAP", true, NEAR },
	{ "arm64-sean-rewrite", "", "INV-UFMAP", true, NEAR },
	{ V3 "size=size-free", "", "INV-UF", false, NEAR },
	{ SEAN "size=size-free", "", "INV-UF", false, NEAR },
	{ V3 "size=size-free", "", "INV-UFMAP", false, NEAR },
	{ SEAN "size=size-free", "", "INV-UFMAP", false, NEAR },
	{ V3 "size=size-block-if-all-clear", "", "INV-UF", true, NEAR },
	{ SEAN "size=size-block-if-all-clear", "", "INV-UF", true, NEAR },
	{ V3 "mmu=legacy", "", "INV-UF", false, PREFETCH },
	{ V3 "mmu=legacy+prefetch=pf-test-bits", "", "INV-UF", true, PREFETCH },
	{ V3 "mmu=legacy+prefetch=pf-not-uf", "", "INV-UF", true, PREFETCH },
	{ "x86-uf-v3", "", "INV-UF", true, PREFETCH },
	{ V3 "recovery=rec-inplace", "", "INV-WARN", false, UF_OFF },
	{ V3 "recovery=rec-zap", "", "INV-WARN", true, UF_OFF },
	{ "x86-uf-guarded+recovery=rec-inplace", "", "INV-WARN", true, UF_OFF },
};
/* clang-format on */

START_TEST(no_guest_passes_a_bit_that_was_set)
{
	check_control(&userfault[_i], "");
}
END_TEST

/* ---- guest_memfd ------------------------------------------------------------------------------------- */

/* a private page, and USERFAULT set while it faults */
#define GMEM_SLOT SLOT_AT "0x4000 gmem=g0+0x0 flags=gmem"
#define GMEM_FILE(kind)                                                                            \
	"host map name=m0 size=0x4000 backing=anon\n"                                              \
	"host map name=g0 size=0x4000 backing=" kind "\n"                                          \
	"op set_private gpa=0x4000 size=0x4000 value=1\n"
#define GMEM_UF                                                                                    \
	GMEM_FILE("gmem") BIT_1 GMEM_SLOT "\n" PAR WRITE "\n" GMEM_SLOT "+uf bitmap=b0\n" JOIN
/* flags change twice, then the slot goes and the file gets a hole */
#define GMEM_OFF                                                                                   \
	GMEM_FILE("gmem")                                                                          \
	BIT_1 GMEM_SLOT "\n" PAR GMEM_SLOT "+uf bitmap=b0\n" GMEM_SLOT "\n"                        \
			"op set_region slot=0 size=0x0 map=m0+0x0 gpa=0x4000 flags=none\n"         \
			"host punch map=g0+0x0 len=0x4000\n" JOIN
#define GMEM_NEAR                                                                                  \
	GMEM_FILE("gmem_huge")                                                                     \
	BIT_1 GMEM_SLOT "+uf bitmap=b0\n" PAR "guest write vcpu=0 gpa=0x5000\n" WRITE "\n" JOIN

/* clang-format off */
static const struct control gmem[] = {
	{ V3 "gmem=bind-create-only", "", "INV-GMEM", false, GMEM_UF },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-GMEM", true, GMEM_UF },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-UF", true, GMEM_UF },
	/* between bind and swap a fault of the old object finds the new one's binding */
	{ V3 "gmem=bind-new-unbind-old", "", "INV-WARN", false, GMEM_UF },
	{ V3 "gmem=gmem-immutable", "", "INV-WARN", true, GMEM_UF },
	{ V3 "gmem=bind-create-only", "", "INV-FREED", false, GMEM_OFF },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-FREED", true, GMEM_OFF },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-GMEM", true, GMEM_OFF },
	{ V3 "gmem=gmem-immutable", "", "INV-GMEM", true, GMEM_OFF },
	{ "x86-uf-v2+gmem=bind-new-unbind-old", "", "INV-UFMAP", true, GMEM_NEAR },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-UFMAP", true, GMEM_NEAR },
	{ V3 "gmem=bind-new-unbind-old", "", "INV-UF", true, GMEM_NEAR },
	{ V3 "gmem=bind-new-unbind-old+size=size-free", "", "INV-UF", false, GMEM_NEAR },
	{ V3 "gmem=bind-new-unbind-old+size=size-free", "", "INV-UFMAP", false, GMEM_NEAR },
};
/* clang-format on */

START_TEST(no_binding_outlives_its_slot)
{
	check_control(&gmem[_i], "");
}
END_TEST

/* ---- KVM_PRE_FAULT_MEMORY ---------------------------------------------------------------------------- */

#define PREFAULT "op prefault vcpu=0 gpa=0x4000\n"
#define FETCH                                                                                      \
	MAP SLOT("none") PAR PREFAULT                                                              \
		"op set_region slot=0 size=0x0 map=m0+0x0 gpa=0x4000 flags=none\n" JOIN
/* ... while another slot goes */
#define FETCH_OTHER                                                                                \
	"host map name=m0 size=0x8000 backing=anon\n" SLOT(                                        \
		"none") "op set_region slot=1 size=0x4000 map=m0+0x4000 gpa=0x8000 "               \
			"flags=none\n" PAR PREFAULT                                                \
			"op set_region slot=1 size=0x0 map=m0+0x4000 gpa=0x8000 flags=none\n" JOIN
#define LEAFS "x86-6.12+slot-flush=zap-slot-leafs+prefault="
#define ALL   "x86-6.12+slot-flush=zap-all+prefault="

/* clang-format off */
static const struct control prefault[] = {
	{ LEAFS "retry-in-srcu", "", "INV-PROG", false, FETCH },
	{ LEAFS "eagain", "", "INV-PROG", true, FETCH },
	{ LEAFS "retry-in-srcu", "", "INV-PROG", true, FETCH_OTHER },
	/* a root that becomes obsolete between two tries is never replaced */
	{ ALL "eagain", "", "INV-PROG", false, FETCH_OTHER },
	{ ALL "eagain", "", "INV-PROG", false, FETCH },
	{ ALL "eagain-reload", "", "INV-PROG", true, FETCH_OTHER },
	{ ALL "eagain-reload", "", "INV-PROG", true, FETCH },
	{ ALL "eagain-reload", "", "I3", true, FETCH },
};
/* clang-format on */

START_TEST(who_prefaults_does_not_hang)
{
	check_control(&prefault[_i], "");
}
END_TEST

/* ---- dirty logging --------------------------------------------------------------------------------- */

#define LOG_MOVES                                                                                  \
	MAP SLOT("log") PAR WRITE "\n" SLOT_AT "0x8000 flags=log\n"                                \
				  "op get_dirty slot=0\n" JOIN
/* ... to a range that overlaps the old one, and a page of both is written at any time */
#define LOG_SHIFTS                                                                                 \
	MAP SLOT("log") "guest write vcpu=0 gpa=0x5000\n" PAR                                      \
			"guest write vcpu=0 gpa=0x5000\n" SLOT_AT "0x5000 flags=log\n"             \
			"op get_dirty slot=0\n"                                                    \
			"op get_dirty slot=0\n" JOIN
#define LOG_AGED                                                                                   \
	MAP SLOT("none") WRITE "\n"                                                                \
			       "host age map=m0+0x0 len=0x1000 mode=clear_young\n" PAR WRITE       \
			       " repeat=2\n" SLOT("log") "op get_dirty slot=0\n" JOIN

/* clang-format off */
static const struct control logging[] = {
	{ "x86-6.12+machine=ept", "", "INV-DIRTY", true, LOG_MOVES },
	{ "arm64-6.12", "", "INV-DIRTY", true, LOG_MOVES },
	{ "x86-6.12+machine=ept+move-log=bm-clear", "", "INV-DIRTY", false, LOG_MOVES },
	{ "arm64-6.12+move-log=bm-shift", "", "INV-DIRTY", false, LOG_MOVES },
	{ "x86-6.12+move-log=reject-move-log", "", "INV-DIRTY", true, LOG_MOVES },
	{ "x86-6.12", "", "INV-DIRTY", true, LOG_SHIFTS },
	{ "arm64-6.12", "", "INV-DIRTY", true, LOG_SHIFTS },
	{ "x86-6.12+move-log=bm-shift", "", "INV-DIRTY", false, LOG_SHIFTS },
	{ "arm64-6.12", "skip-dirty-mark", "INV-DIRTY", false, LOG_SHIFTS },
	{ "x86-6.12+machine=ept-noad", "", "INV-DIRTY", true, LOG_AGED },
	{ "x86-6.12+machine=ept-noad+log-flush=dl-if-modified", "", "INV-DIRTY", false, LOG_AGED },
};
/* clang-format on */

/* ---- external tables --------------------------------------------------------------------------------- */

#define TWO_WRITE MAP SLOT("none") PAR WRITE "\nguest write vcpu=1 gpa=0x4000\n" JOIN
/* the host makes the page writable in place while a read is under way */
#define TWO_RIGHTS                                                                                 \
	"host map name=m0 size=0x4000 backing=huge2m\n" SLOT("none") PAR                           \
		"guest read vcpu=1 gpa=0x4000\n" WRITE "\n" JOIN

/* clang-format off */
static const struct control external[] = {
	{ "x86-6.12", "", "INV-WARN", true, TWO_WRITE },
	{ "x86-6.12+external=ext-each-change", "", "INV-WARN", false, TWO_WRITE },
	{ "x86-6.12+external=ext-when-absent", "", "INV-WARN", true, TWO_WRITE },
	{ "x86-7.2+external=ext-each-change", "", "INV-WARN", true, TWO_WRITE },
	{ "x86-6.12", "", "INV-WARN", true, TWO_RIGHTS },
	{ "x86-6.12+external=ext-when-absent", "", "INV-WARN", false, TWO_RIGHTS },
};
/* clang-format on */

START_TEST(an_external_table_is_told_of_what_it_has_not)
{
	check_control(&external[_i], "vcpus=2");
}
END_TEST

START_TEST(no_write_is_lost)
{
	check_control(&logging[_i], "");
}
END_TEST

START_TEST(tracked_pages_stay_protected)
{
	check_control(&tracking[_i], "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("controls");
	TCase *policies = tcase_create("policies");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(policies, 60);
	tcase_add_loop_test(policies, no_guest_passes_a_bit_that_was_set, 0,
			    G_N_ELEMENTS(userfault));
	tcase_add_loop_test(policies, no_binding_outlives_its_slot, 0, G_N_ELEMENTS(gmem));
	tcase_add_loop_test(policies, who_prefaults_does_not_hang, 0, G_N_ELEMENTS(prefault));
	tcase_add_loop_test(policies, no_write_is_lost, 0, G_N_ELEMENTS(logging));
	tcase_add_loop_test(policies, an_external_table_is_told_of_what_it_has_not, 0,
			    G_N_ELEMENTS(external));
	tcase_add_loop_test(policies, tracked_pages_stay_protected, 0, G_N_ELEMENTS(tracking));
	suite_add_tcase(suite, policies);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
