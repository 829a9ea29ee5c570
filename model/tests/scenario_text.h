/* SPDX-License-Identifier: Apache-2.0 */
/* Words of which the scenarios of test_script.c and test_userfault.c are made. */
#ifndef MODEL_TESTS_SCENARIO_TEXT_H
#define MODEL_TESTS_SCENARIO_TEXT_H

/* Policies for .policies, and lines for .text. */
#define X86                                                                                        \
	"x86-6.1 x86-6.12 x86-6.12+machine=ept x86-6.12+machine=ept-nopml "                        \
	"x86-6.1+machine=ept-noad x86-6.12+machine=ept-noad x86-6.1+mmu=legacy "                   \
	"x86-7.2+machine=ept"
#define X86_612   "x86-6.12 x86-6.12+machine=ept x86-6.12+machine=ept-nopml x86-6.12+machine=ept-noad"
#define ARM       "arm64-6.1 arm64-6.1+machine=nvhe arm64-6.12 arm64-6.12+cache=nofwb arm64-7.0"
#define X86_UF    "x86-uf-v2 x86-uf-sean x86-uf-v3 x86-uf-v3+machine=npt x86-uf-v2+machine=ept-noad"
#define ARM_UF    "arm64-uf-v1 arm64-james-v2 arm64-sean-rewrite arm64-james-flags-only"
#define ARM_UF_V3 "arm64-sean-rewrite arm64-james-flags-only arm64-7.0+userfault=arm64-sean-rewrite"

/* Two units of huge pages, and a slot over them. */
#define MAP   "host map name=m0 size=0x400000 backing=thp\n"
#define MAP4K "host map name=m0 size=0x400000 backing=anon\n"
#define SET(flags, more)                                                                           \
	"op set_region slot=0 gpa=0x0 size=0x400000 flags=" flags " map=m0+0x0 " more "\n"
#define SLOT(flags)         SET(flags, "") "= ret 0\n"
#define SLOT_UF(flags)      SET(flags, "bitmap=b0") "= ret 0\n"
#define BIT_TO(page, value) "op user_bit map=b0 page=" page " value=" value " order=release\n"
#define NO_SLOT             "op set_region slot=0 gpa=0x0 size=0x0 flags=none map=m0+0x0\n= ret 0\n"

#endif
