/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small scenarios with the observations they must and must not give.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/hostmm.h"
#include "model/tests/model_test.h"
#include "model/tests/scenario_text.h"

/* ---- dirty logging --------------------------------------------------------------------------- */

/* clang-format off */
static const struct scenario dirty_logging[] = {
	{ "every write after the start and after each harvest is reported once",
	  X86 " " ARM, "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0 n=8\n" SLOT("log")
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n"
	  "guest write vcpu=0 gpa=0x1000 n=2\n= exit vcpu=0 done\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=2 pages=0x1-0x2\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\nguest write vcpu=0 gpa=0x1000 n=2\n"
	  "guest write vcpu=0 gpa=0x7000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=3 pages=0x1-0x2,0x7\n" },
	{ "writes before logging is on are not reported, nor after it is off",
	  X86 " " ARM, "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0 n=4\n"
	  "op get_dirty slot=0\n= ret -ENOENT\n" SLOT("log")
	  "guest write vcpu=0 gpa=0x3000\n" SLOT("none")
	  "op get_dirty slot=0\n= ret -ENOENT\n" SLOT("log")
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "a read maps a logged page writable on x86 and marks it", X86, "code=0",
	  MAP "host touch map=m0+0x0 len=0x400000 mode=w\n" SLOT("log")
	  "guest read vcpu=0 gpa=0x5000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x5\n" },
	{ "a read maps a logged page read-only on arm64 and marks nothing", ARM, "code=0",
	  MAP "host touch map=m0+0x0 len=0x400000 mode=w\n" SLOT("log")
	  "guest read vcpu=0 gpa=0x5000\n"
	  "= tab gfn=0x5 n=0x1 size=4k to=m0+0x5000 perm=r--\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\nguest write vcpu=0 gpa=0x5000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x5\n" },
	{ "with manual protection GET clears nothing and CLEAR only what it names",
	  X86 " " ARM, "code=0 manual=1",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0 n=4\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=4 pages=0x0-0x3\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=4 pages=0x0-0x3\n"
	  "op clear_dirty slot=0 first=0x0 n=0x40 pages=0x1-0x2,0x9\n= ret 0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=2 pages=0x0,0x3\n"
	  "guest write vcpu=0 gpa=0x2000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=3 pages=0x0,0x2-0x3\n"
	  "op clear_dirty slot=0 first=0x0 n=0x400 pages=all\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "initially all set: the start reports all and protects nothing",
	  X86 " " ARM, "code=0 manual=3",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  SLOT("log") "! trace call slot_remove_write_access\n! trace s2_wrprotect\n"
	  "! trace call flush_remote_tlbs\n! sum\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1024 pages=0x0-0x3ff\n" },
	{ "initially all set: a cleared page is reported again when it is written",
	  X86 " " ARM, "code=0 manual=3",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n" SLOT("log")
	  "op clear_dirty slot=0 first=0x0 n=0x400 pages=all\n= ret 0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n"
	  "guest write vcpu=0 gpa=0x6000\n= exit vcpu=0 done\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x6\n" },
	{ "the log ioctls refuse what the kernel refuses", X86 " " ARM, "code=0 manual=1",
	  MAP SLOT("log") "op get_dirty slot=1\n= ret -ENOENT\n"
	  "op get_dirty slot=32767\n= ret -EINVAL\n"
	  "op get_dirty slot=131072\n= ret -EINVAL\n"
	  "op clear_dirty slot=1 first=0x0 n=0x40 pages=all\n= ret -ENOENT\n"
	  "op clear_dirty slot=1 first=0x1 n=0x40 pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x20 n=0x40 pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x440 n=0x40 pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x3c0 n=0x80 pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x0 n=0x3f pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x3c0 n=0x40 pages=all\n= ret 0\n" },
	{ "the last piece of CLEAR may be short", X86_612 " " ARM, "code=0 manual=1",
	  "host map name=m0 size=0x50000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x50000 flags=log map=m0+0x0\n"
	  "guest write vcpu=0 gpa=0x4f000\n"
	  "op clear_dirty slot=0 first=0x40 n=0xf pages=all\n= ret -EINVAL\n"
	  "op clear_dirty slot=0 first=0x40 n=0x10 pages=0x4f\n= ret 0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
	{ "enabling flushes always, a harvest only when it takes a bit", X86_612, "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  SLOT("log") "= trace call flush_remote_tlbs\n"
	  "op get_dirty slot=0\n! trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x0\n"
	  "op get_dirty slot=0\n= trace call flush_remote_tlbs\n" },
	{ "the same on arm64", "arm64-6.12 arm64-7.0", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  SLOT("log") "= trace s2_wrprotect gfn=0x0 n=0x400\n= trace tlbi_range gfn=0x0\n"
	  "op get_dirty slot=0\n! trace tlbi_range\nguest write vcpu=0 gpa=0x0\n"
	  "op get_dirty slot=0\n= trace tlbi_range gfn=0x0\n" },
	{ "eager split takes blocks apart at the start", X86_612, "code=0 eager=Y",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n= sum 4k=0 2m=1\n"
	  SLOT("log") "= sum 4k=512 2m=0\n" },
	{ "without it the first write does", X86_612, "code=0 eager=N",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n" SLOT("log") "! sum 4k=512\n"
	  "guest write vcpu=0 gpa=0x0\n= sum 4k=512 2m=0\n" },
	{ "arm64 splits by chunk", "arm64-6.12", "code=0 chunk=0x200000",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n= sum 4k=0 2m=1\n"
	  SLOT("log") "= sum 4k=512 2m=0\n" },
	{ "a moved slot keeps its bitmap, by page of the slot", X86 " " ARM, "code=0",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x3000\n"
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=log map=m0+0x0\n"
	  "= ret 0\nguest write vcpu=0 gpa=0x805000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=2 pages=0x3,0x5\n" },
	{ "a read-only slot can be logged and stays clean", X86 " " ARM, "code=0",
	  MAP SLOT("ro") SLOT("log+ro")
	  "guest write vcpu=0 gpa=0x1000\n= exit vcpu=0 mmio-write gpa=0x1000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
};
/* clang-format on */

/* ---- rings, PML ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct scenario rings[] = {
	/* 256 entries, 64 reserved */
	{ "a ring that is full up to its reserve ends KVM_RUN",
	  "x86-6.1 x86-6.12 x86-6.1+mmu=legacy", "code=0 ring=0x1000",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0 n=191\n= exit vcpu=0 done\n"
	  "guest write vcpu=0 gpa=0x0 n=191\n= exit vcpu=0 done\n"
	  "guest write vcpu=0 gpa=0xbf000 n=2\n= exit vcpu=0 dirty_ring_full\n"
	  "guest write vcpu=0 gpa=0x200000\n= exit vcpu=0 dirty_ring_full\n"
	  "! exit vcpu=0 done\nop reset_rings\n= ret 192\n"
	  "op reset_rings\n= ret 0\n! trace call flush_remote_tlbs\n"
	  "guest write vcpu=0 gpa=0x200000\n= exit vcpu=0 done\n"
	  "op reset_rings\n= ret 1\n= trace call flush_remote_tlbs\n" },
	{ "a page that was reset is pushed again",
	  "x86-6.12 x86-6.12+machine=ept-nopml arm64-6.12", "code=0 ring=0x1000",
	  MAP4K SLOT("log") "guest write vcpu=0 gpa=0x0 n=3\n"
	  "guest write vcpu=0 gpa=0x0 n=3\nop reset_rings\n= ret 3\n"
	  "guest write vcpu=0 gpa=0x1000\nop reset_rings\n= ret 1\n" },
	/* 1024 entries, 64 + 512 reserved */
	{ "PML fills the ring too",
	  "x86-6.1+machine=ept x86-6.12+machine=ept x86-7.2+machine=ept", "code=0 ring=0x4000 manual=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\nguest write vcpu=0 gpa=0x200000\n"
	  SLOT("log") "guest write vcpu=0 gpa=0x0 n=448\n"
	  "guest nop vcpu=0\n= exit vcpu=0 dirty_ring_full\nop reset_rings\n= ret 448\n"
	  "guest nop vcpu=0\n= exit vcpu=0 done\n" },
	{ "a ring has no bitmap", "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP SLOT("log") "op get_dirty slot=0\n= ret -ENXIO\n"
	  "op clear_dirty slot=0 first=0x0 n=0x40 pages=all\n= ret -ENXIO\n" },
	{ "without a ring there is nothing to reset", X86 " " ARM, "code=0",
	  MAP "op reset_rings\n= ret -EINVAL\n" },
	{ "entries of a slot that is gone are counted and ignored",
	  "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP4K SLOT("log") "guest write vcpu=0 gpa=0x0 n=5\n" NO_SLOT
	  "op reset_rings\n= ret 5\n! trace call enable_log_dirty_pt_masked\n" },
	{ "so are those beyond the end of a smaller slot",
	  "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP4K SLOT("log") "guest write vcpu=0 gpa=0x0 n=4\n" NO_SLOT
	  "op set_region slot=0 gpa=0x0 size=0x2000 flags=log map=m0+0x0\n= ret 0\n"
	  "op reset_rings\n= ret 4\n! trace call enable_log_dirty_pt_masked\n" },
	{ "and not those that still fit", "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP4K SLOT("log") "guest write vcpu=0 gpa=0x0 n=4\n" NO_SLOT
	  "op set_region slot=0 gpa=0x0 size=0x4000 flags=log map=m0+0x0\n= ret 0\n"
	  "op reset_rings\n= ret 4\n= trace call enable_log_dirty_pt_masked\n" },
	{ "a moved slot takes its entries along",
	  "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP4K SLOT("log") "guest write vcpu=0 gpa=0x3000\n"
	  "op set_region slot=0 gpa=0x800000 size=0x400000 flags=log map=m0+0x0\n"
	  "guest write vcpu=0 gpa=0x803000\nop reset_rings\n= ret 2\n"
	  "guest write vcpu=0 gpa=0x803000\nop reset_rings\n= ret 1\n" },
	{ "each vCPU has its own ring",
	  "x86-6.12 arm64-6.12 arm64-7.0", "code=0 ring=0x1000 vcpus=2",
	  MAP4K SLOT("log")
	  "guest write vcpu=0 gpa=0x0 n=192\n= exit vcpu=0 dirty_ring_full\n"
	  "guest write vcpu=1 gpa=0x200000\n= exit vcpu=1 done\n"
	  "op reset_rings\n= ret 193\n" },
	/* the pointer decides on arm64, and with a ring there is none */
	{ "arm64 with a ring alone maps reads writable and blocks",
	  "arm64-6.12 arm64-7.0", "code=0 ring=0x1000",
	  MAP "host touch map=m0+0x0 len=0x400000 mode=w\n" SLOT("log")
	  "guest read vcpu=0 gpa=0x5000\n= sum 4k=0 2m=1\nop reset_rings\n= ret 1\n" },
	{ "a vCPU that cannot enter does not spin", "x86-6.12 arm64-6.12", "ring=0x1000",
	  "host map name=c size=0x2000 backing=anon\n" MAP4K
	  "op set_region slot=31 gpa=0xe0000000 size=0x2000 flags=none map=c+0x0\n"
	  SLOT("log") "guest write vcpu=0 gpa=0x0 n=200\n= exit vcpu=0 dirty_ring_full\n"
	  "guest spin vcpu=0\n= exit vcpu=0 dirty_ring_full\nop reset_rings\n= ret 192\n"
	  "guest nop vcpu=0\n= exit vcpu=0 done\n" },
	{ "a vCPU without code to spin in gives up", "x86-6.12 arm64-6.12", "",
	  MAP SLOT("none") "guest spin vcpu=0\n= exit vcpu=0 internal_error\n"
	  "guest write vcpu=0 gpa=0x0\n= exit vcpu=0 internal_error\n" },
	{ "the first and the last logged slot switch PML, others do not",
	  "x86-6.1+machine=ept x86-6.12+machine=ept x86-7.2+machine=ept", "code=0",
	  MAP "guest nop vcpu=0\n" SLOT("none")
	  "op set_region slot=1 gpa=0x800000 size=0x200000 flags=none map=m0+0x0\n"
	  "op set_region slot=2 gpa=0xa00000 size=0x200000 flags=log map=m0+0x0\n"
	  "guest nop vcpu=0\n= trace call update_cpu_dirty_logging\n"
	  "op set_region slot=1 gpa=0x800000 size=0x200000 flags=log map=m0+0x0\n"
	  "guest nop vcpu=0\n! trace call update_cpu_dirty_logging\n" SLOT("log")
	  "op set_region slot=1 gpa=0x800000 size=0x200000 flags=none map=m0+0x0\n"
	  "guest nop vcpu=0\n! trace call update_cpu_dirty_logging\n"
	  "op set_region slot=2 gpa=0xa00000 size=0x0 flags=none map=m0+0x0\n"
	  "guest nop vcpu=0\n! trace call update_cpu_dirty_logging\n" NO_SLOT
	  "guest nop vcpu=0\n= trace call update_cpu_dirty_logging\n" },
	{ "513 writes fill the PML buffer and all are reported",
	  "x86-6.1+machine=ept x86-6.12+machine=ept x86-7.2+machine=ept", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\nguest write vcpu=0 gpa=0x200000\n"
	  SLOT("log") "guest write vcpu=0 gpa=0x0 n=512\n! trace pml_full\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=512 pages=0x0-0x1ff\n"
	  "guest write vcpu=0 gpa=0x0 n=513\n= trace pml_full vcpu=0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=513 pages=0x0-0x200\n" },
};
/* clang-format on */

/* ---- ageing ----------------------------------------------------------------------------------- */

#define AGE(mode) "host age map=m0+0x0 len=0x2000 mode=" mode "\n= ret 0\n"
#define ANON_SLOT                                                                                  \
	"host map name=m0 size=0x2000 backing=anon\n"                                              \
	"op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n= ret 0\n"                \
	"guest write vcpu=0 gpa=0x0 n=2\n"
#define AD   "x86-6.1 x86-6.12 x86-6.12+machine=ept x86-6.12+machine=ept-nopml x86-6.1+mmu=legacy"
#define NOAD "x86-6.1+machine=ept-noad x86-6.12+machine=ept-noad"
#define TAB0 "tab gfn=0x0 n=0x2 size=4k to=m0+0x0 "

/* clang-format off */
static const struct scenario ageing[] = {
	{ "clear_flush_young clears the accessed flag and flushes while something was young",
	  AD, "code=0",
	  ANON_SLOT AGE("clear_flush_young") "= trace call flush_remote_tlbs\n= " TAB0
	  "perm=rwx a=0\n"
	  AGE("clear_flush_young") "! trace call flush_remote_tlbs\n! tab\n"
	  "guest read vcpu=0 gpa=0x1000\n! trace page_fault\n= exit vcpu=0 done\n"
	  AGE("clear_flush_""young") "= trace call flush_remote_tlbs\n" },
	{ "clear_young does not flush", AD, "code=0",
	  ANON_SLOT AGE("clear_young") "! trace call flush_remote_tlbs\n= " TAB0
	  "perm=rwx a=0\n" },
	{ "test_young changes nothing", AD " " NOAD " " ARM, "code=0",
	  ANON_SLOT AGE("test_young") "! trace\n! tab\n" },
	{ "without the flag rights are taken and given back by a fast fault", NOAD, "code=0",
	  ANON_SLOT AGE("clear_flush_young") "= trace call flush_remote_tlbs\n= " TAB0
	  "perm=---\n" AGE("clear_flush_young") "! trace call flush_remote_tlbs\n"
	  "guest read vcpu=0 gpa=0x0\n= exit vcpu=0 done\n= trace fast_page_fault\n"
	  "= tab gfn=0x0 n=0x1 size=4k to=m0+0x0 perm=r-x\n"
	  "guest write vcpu=0 gpa=0x0\n= exit vcpu=0 done\n= trace fast_page_fault\n" },
	{ "arm64 clears AF of the range from 6.2 on", "arm64-6.12 arm64-7.0", "code=0",
	  ANON_SLOT AGE("clear_flush_young") "= trace call flush_remote_tlbs\n= " TAB0
	  "perm=rw- a=0\n" AGE("clear_flush_young") "! trace call flush_remote_tlbs\n"
	  "guest read vcpu=0 gpa=0x0 n=2\n! trace guest_fault\n= " TAB0 "perm=rw- a=1\n" },
	{ "and of its first leaf in 6.1", "arm64-6.1", "code=0",
	  ANON_SLOT
	  AGE("clear_young") "= tab gfn=0x0 n=0x1 size=4k to=m0+0x0 perm=rw- a=0\n"
	  "= tab gfn=0x1 n=0x1 size=4k to=m0+0x1000 perm=rw- a=1\n" },
	{ "pages that no slot maps are not aged", AD " " ARM, "code=0",
	  ANON_SLOT "host map name=m1 size=0x2000 backing=anon\n"
	  "host age map=m1+0x0 len=0x2000 mode=clear_flush_young\n= ret 0\n! trace\n"
	  "! tab\n" },
};
/* clang-format on */

/* ---- small geometries --------------------------------------------------------------------------- */

#define SMALL_MAP "host map name=m0 size=0x10000 backing=thp\n"
#define SMALL(flags)                                                                               \
	"op set_region slot=0 gpa=0x0 size=0x10000 flags=" flags " map=m0+0x0\n= ret 0\n"
#define SMALL_UF(flags)                                                                            \
	"op set_region slot=0 gpa=0x0 size=0x10000 flags=" flags " map=m0+0x0 bitmap=b0\n= ret "   \
	"0\n"
#define EPT_2X2 "x86-6.1+machine=ept x86-6.12+machine=ept x86-7.2+machine=ept"

/* clang-format off */
static const struct scenario small[] = {
	{ "two levels of four entries: a block is four pages", EPT_2X2, "geom=ept-2x2 code=0",
	  SMALL_MAP SMALL("none")
	  "guest write vcpu=0 gpa=0x5000\n= exit vcpu=0 done\n"
	  "= sum 4k=0 2m=1 1g=0 mmio=0 tables=1/0\n"
	  "= tab gfn=0x4 n=0x4 size=16k to=m0+0x4000 perm=rwx\n"
	  "guest write vcpu=0 gpa=0x0 n=16\n= sum 4k=0 2m=4\n" },
	{ "four levels of two: a block is two pages",
	  "x86-6.12+machine=npt", "geom=npt-1x4 code=0",
	  SMALL_MAP SMALL("none")
	  "guest write vcpu=0 gpa=0x5000\n= sum 4k=0 2m=1 1g=0 mmio=0 tables=1/1/1/0\n" },
	{ "arm64 likewise", "arm64-6.1 arm64-6.12 arm64-7.0", "geom=arm64-2x2 code=0",
	  SMALL_MAP SMALL("none")
	  "guest write vcpu=0 gpa=0x5000\n= exit vcpu=0 done\n= sum 4k=0 2m=1\n"
	  "= tab gfn=0x4 n=0x4 size=16k to=m0+0x4000 perm=rw-\n" },
	{ "logging splits a small block", EPT_2X2, "geom=ept-2x2 code=0 eager=Y",
	  SMALL_MAP SMALL("none") "guest write vcpu=0 gpa=0x5000\n"
	  SMALL("log") "= sum 4k=4 2m=0\nguest write vcpu=0 gpa=0x6000\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x6\n" },
	{ "userfault works in it", "x86-uf-v3 x86-uf-v2", "geom=ept-2x2 code=0",
	  SMALL_MAP BIT_TO("0xf", "1") SMALL_UF("uf")
	  "guest write vcpu=0 gpa=0xe000 n=2\n= exit vcpu=0 userfault gpa=0xf000\n"
	  "= sum 4k=1 2m=0\n" BIT_TO("0xf", "0")
	  "guest write vcpu=0 gpa=0xf000\n= exit vcpu=0 done\n" },
	{ "and on arm64", ARM_UF, "geom=arm64-2x2 code=0",
	  SMALL_MAP BIT_TO("0x0", "1") SMALL_UF("uf")
	  "guest write vcpu=0 gpa=0x0\n= exit vcpu=0 userfault gpa=0x0\n" },
	{ "the bitmap has room for all of the geometry and the words for several",
	  "x86-uf-v3", "geom=ept-2x4 code=0",
	  "op user_bit map=b0 page=0xff value=1\n= ret 0\n"
	  "op user_bit map=b1 page=0xff value=1\n= ret 0\n"
	  "op user_bit map=b1 page=0x100 value=1\n? pages inside the bitmap\n" },
	{ "memory beyond the geometry is refused by the architecture",
	  EPT_2X2, "geom=ept-2x2 code=0",
	  "host map name=m0 size=0x20000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x11000 flags=none map=m0+0x0\n"
	  "= ret -EINVAL\n"
	  "op set_region slot=0 gpa=0x1000 size=0x10000 flags=none map=m0+0x0\n"
	  "= ret -EINVAL\n"
	  "op set_region slot=0 gpa=0x1000 size=0xf000 flags=none map=m0+0x0\n= ret 0\n" },
	{ "and by arm64 with its own errno", "arm64-6.1 arm64-6.12", "geom=arm64-2x2 code=0",
	  "host map name=m0 size=0x20000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x11000 flags=none map=m0+0x0\n"
	  "= ret -EFAULT\n" },
	{ "an access beyond the geometry is not memory", EPT_2X2, "geom=ept-2x2 code=0",
	  SMALL_MAP SMALL("none")
	  "guest read vcpu=0 gpa=0x10000\n= exit vcpu=0 mmio-read gpa=0x10000\n"
	  "guest read vcpu=0 gpa=0xffff000000000000\n= exit vcpu=0 mmio-read\n" },
	{ "nor on arm64, whatever its size", "arm64-6.12", "code=0",
	  MAP SLOT("none")
	  "guest read vcpu=0 gpa=0xffff000000000000\n= exit vcpu=0 mmio-read\n" },
	{ "a CLEAR that asks for more than there is gets no room for its mask",
	  EPT_2X2, "geom=ept-2x2 code=0 manual=1",
	  SMALL_MAP SMALL("log") "guest write vcpu=0 gpa=0x0\n"
	  "op clear_dirty slot=0 first=0x0 n=0x20000 pages=0x40\n"
	  "? room for the pages' mask\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1 pages=0x0\n" },
};
/* clang-format on */

/* ---- fault injections ----------------------------------------------------------------------------- */

/* Each rule as it is, and with the injection that removes it. */
/* clang-format off */
static const struct scenario injections[] = {
	{ "skip-zap: good", "x86-6.12 arm64-6.12", "code=0 inject=none",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n" NO_SLOT "= sum 4k=0 2m=0\n"
	  "guest read vcpu=0 gpa=0x0\n= exit vcpu=0 mmio-read\n" },
	{ "skip-zap: a deleted slot can still be used",
	  "x86-6.12 arm64-6.12", "code=0 inject=skip-zap",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n" NO_SLOT "! sum\n"
	  "guest read vcpu=0 gpa=0x0\n= exit vcpu=0 done\n" },
	{ "skip-zap: so can a page with its bit set", X86_UF " " ARM_UF, "code=0 inject=skip-zap",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n" BIT_TO("0x0", "1") SLOT_UF("uf")
	  "guest read vcpu=0 gpa=0x0\n= exit vcpu=0 done\n" },
	{ "skip-enable-flush: logging starts without a flush",
	  X86_612, "code=0 inject=skip-enable-flush",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  SLOT("log") "= trace call slot_remove_write_access\n"
	  "! trace call flush_remote_tlbs\n" },
	{ "skip-enable-flush: on arm64 without TLBI",
	  "arm64-6.12", "code=0 inject=skip-enable-flush",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  SLOT("log") "= trace s2_wrprotect gfn=0x0\n! trace tlbi_range\n"
	  "! trace call flush_remote_tlbs_memslot\n" },
	{ "skip-harvest-flush: GET takes bits without a flush",
	  X86_612, "code=0 inject=skip-harvest-flush",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1\n! trace call flush_remote_tlbs\n" },
	{ "skip-harvest-flush: on arm64 without TLBI",
	  "arm64-6.12", "code=0 inject=skip-harvest-flush",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=1\n! trace tlbi_range\n" },
	{ "skip-notifier-flush: good", X86_612 " x86-6.1", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  "host madvise map=m0+0x0 len=0x200000 advice=dontneed\n= sum 4k=0 2m=0\n"
	  "= trace call flush_remote_tlbs\n" },
	{ "skip-notifier-flush: the host takes memory without a flush",
	  X86_612 " x86-6.1", "code=0 inject=skip-notifier-flush",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  "host madvise map=m0+0x0 len=0x200000 advice=dontneed\n= sum 4k=0 2m=0\n"
	  "! trace call flush_remote_tlbs\n" },
	{ "skip-retry-check: good: a fault that copied on write faults again", X86_612, "code=0",
	  "host map name=m0 size=0x2000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
	  "guest read vcpu=0 gpa=0x0\n"
	  "guest write vcpu=0 gpa=0x0\n= stat vcpu0 pf_taken=+2 pf_fixed=+1\n" },
	{ "skip-retry-check: it maps at once", X86_612, "code=0 inject=skip-retry-check",
	  "host map name=m0 size=0x2000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
	  "guest read vcpu=0 gpa=0x0\n"
	  "guest write vcpu=0 gpa=0x0\n= stat vcpu0 pf_taken=+1 pf_fixed=+1\n" },
	{ "skip-retry-check: on arm64 too", "arm64-6.12", "code=0 inject=skip-retry-check",
	  "host map name=m0 size=0x2000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
	  "guest read vcpu=0 gpa=0x0\n"
	  "guest write vcpu=0 gpa=0x0\n= trace s2_relax_perms gfn=0x0\n" },
	{ "skip-retry-check: where it is good", "arm64-6.12", "code=0",
	  "host map name=m0 size=0x2000 backing=anon\n"
	  "op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0\n"
	  "guest read vcpu=0 gpa=0x0\n"
	  "guest write vcpu=0 gpa=0x0\n! trace s2_relax_perms\n" },
	{ "skip-tlbi: good", "arm64-6.1 arm64-6.12 arm64-7.0", "code=0",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  NO_SLOT "= trace tlbi_ipa gfn=0x0\n" },
	{ "skip-tlbi: a slot goes without any",
	  "arm64-6.1 arm64-6.12 arm64-7.0", "code=0 inject=skip-tlbi",
	  MAP SLOT("none") "guest write vcpu=0 gpa=0x0\n"
	  NO_SLOT "= sum 4k=0 2m=0\n! trace tlbi_ipa\n! trace tlbi_range\n"
	  "! trace tlbi_vmid\n" },
	{ "skip-dirty-mark: a write is lost",
	  "x86-6.1 x86-6.12 x86-6.12+machine=ept arm64-6.1 arm64-6.12", "code=0 inject=skip-dirty-mark",
	  MAP SLOT("log") "guest write vcpu=0 gpa=0x0\n= exit vcpu=0 done\n"
	  "op get_dirty slot=0\n= dirty slot=0 n=0\n" },
};
/* clang-format on */

/* ---- what the driver refuses ------------------------------------------------------------------------ */

/* clang-format off */
static const struct scenario refusals[] = {
	{ "lines that name what is not there", "x86-6.12 arm64-6.12", "code=0",
	  MAP SLOT("none")
	  "op set_region slot=1 gpa=0x800000 size=0x1000 flags=none map=m1+0x0\n"
	  "? found 'm1'\n"
	  "op set_region slot=1 gpa=0x800000 size=0x1000 flags=none map=m0+0x0 fail=disk\n"
	  "? found 'disk'\nhost touch map=m9+0x0 len=0x1000 mode=w\n? found 'm9'\n"
	  "host munmap map=m0+0x3ff000 len=0x2000\n? a range inside one mapping\n"
	  "op param name=halt_poll_ns value=0\n? found 'halt_poll_ns'\n" },
	{ "a line for a vCPU that spins", "x86-6.12", "code=0 vcpus=2",
	  MAP SLOT("none") "guest spin vcpu=1\n"
	  "guest read vcpu=0 gpa=0x0\n= exit vcpu=0 done\n"
	  "guest read vcpu=1 gpa=0x0\n? found vcpu=1\nguest unspin vcpu=1\n"
	  "guest read vcpu=1 gpa=0x0\n= exit vcpu=1 done\n" },
};
/* clang-format on */

/* Capabilities that the modelled kernel does not have. */
static const struct {
	const char *policy, *keys;
	bool refused;
} capabilities[] = {
	{ "x86-6.12", "ring=0x1000", false },
	{ "x86-6.12", "ring=0x800", true },     /* less than a page */
	{ "x86-6.12", "ring=0x3000", true },    /* not a power of two */
	{ "x86-6.12", "ring=0x100000", false }, /* 65536 entries */
	{ "x86-6.12", "ring=0x200000", true },
	{ "x86-6.12+machine=ept", "ring=0x2000", true }, /* less than the reserve for PML */
	{ "x86-6.12+machine=ept", "ring=0x4000", false },
	{ "arm64-6.1", "ring=0x1000", true },
	{ "arm64-6.12", "ring=0x1000", false },
	{ "arm64-6.12", "chunk=0x200000", false },
	{ "arm64-6.12", "chunk=0x300000", true },
	{ "arm64-6.1", "chunk=0x200000", true },
	{ "x86-6.12", "chunk=0x200000", true },
	{ "x86-6.12", "zapall=0", false },
	{ "x86-6.1", "zapall=0", true },
	{ "arm64-6.12", "zapall=0", true },
	{ "x86-6.12", "arch=arm64", true },
	{ "x86-6.12", "arch=both", false },
};

START_TEST(capabilities_are_refused_where_the_kernel_refuses_them)
{
	struct script *s = test_script(capabilities[_i].policy, capabilities[_i].keys);

	ck_assert_msg(script_is_refused(s) == capabilities[_i].refused, "%s %s",
		      capabilities[_i].policy, capabilities[_i].keys);
	script_free(s);
}
END_TEST

/* What a VM cannot be made of, and what the message quotes. */
static const struct {
	const char *policy, *keys, *says;
} no_vm[] = {
	{ "x86-9.9", "", "'x86-9.9'" },
	{ "x86-6.12", "geom=arm64-2x2", "'arm64-2x2'" },
	{ "arm64-6.12", "geom=ept-2x2", "'ept-2x2'" },
	{ "x86-6.12", "geom=ept-2x2", "expected code=0" },
	{ "x86-6.12", "geom=ept-3x9", "'ept-3x9'" },
	{ "x86-6.12", "inject=skip-all", "'skip-all'" },
};

START_TEST(a_vm_that_cannot_be_is_refused_by_name)
{
	g_autofree char *text = g_strdup_printf("scenario name=t %s", no_vm[_i].keys);
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	ck_assert(lang_parse_line(text, "test", 1, &l, NULL));
	ck_assert_ptr_null(script_new(&l.u.scenario, no_vm[_i].policy, NULL, &error));
	ck_assert_msg(strstr(error->message, no_vm[_i].says) != NULL, "%s", error->message);
	lang_line_clear(&l);
}
END_TEST

/* What needs simulated time, or an order of steps. */
static const struct {
	const char *line, *says;
} no_order[] = {
	{ "par", "expected a line without simulated time, which 's2sim run' has, found 'par'" },
	{ "guest read vcpu=0 gpa=0x0 for=1us", "found 'for='" },
	{ "op dump repeat=2", "found 'repeat='" },
	{ "grain walk=1 hw=1 queue=any tlb=set",
	  "expected lines in the order written down, found 'grain', which 's2sim replay' has" },
	{ "sched v0 n=3", "found 'sched'" },
};

START_TEST(a_line_that_is_not_run_in_its_place_is_refused)
{
	struct script *s = test_script("x86-6.12", "code=0");
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	ck_assert(lang_parse_line(no_order[_i].line, "test", 1, &l, NULL));
	ck_assert(!script_run_line(s, &l, NULL, out, &error));
	ck_assert(g_error_matches(error, SCRIPT_ERROR, SCRIPT_ERROR_TIMED));
	ck_assert_msg(strstr(error->message, no_order[_i].says) != NULL, "%s", error->message);
	lang_line_clear(&l);
	script_free(s);
}
END_TEST

/* More acknowledgements than a step has objects to wake, more actors than 32. */
START_TEST(a_flush_reaches_more_vcpus_than_a_word_has_bits)
{
	struct script *s = test_script("x86-6.12+machine=ept", "vcpus=62 code=0");
	g_autofree char *out = NULL;

	test_do(s, "host map name=m0 size=0x200000 backing=anon");
	test_do(s, "op set_region slot=0 gpa=0x0 size=0x200000 flags=none map=m0+0x0");
	test_do(s, "guest write vcpu=0 gpa=0x0 n=2");
	for (unsigned int v = 1; v < 62; v++) {
		g_autofree char *spin = g_strdup_printf("guest spin vcpu=%u", v);

		test_do(s, spin);
	}
	out = test_line(s, "op set_region slot=0 gpa=0x0 size=0x200000 flags=log map=m0+0x0");
	ck_assert(test_has_line(out, "ret 0"));
	ck_assert(test_has_line(out, "trace call flush_remote_tlbs_memslot"));
	test_do(s, "guest write vcpu=0 gpa=0x0 n=2");
	script_free(s);
}
END_TEST

/* The frame of a page that went is not the frame of the next, or a stale leaf would look right. */
START_TEST(a_new_page_has_another_frame_than_the_last)
{
	static const char *const next[] = {
		"host madvise map=m0+0x0 len=0x200000 advice=nohugepage",
		"host madvise map=m0+0x0 len=0x200000 advice=hugepage",
	};
	struct script *s = test_script("x86-6.12", "code=0");
	kvm_pfn_t last;
	hva_t hva;

	test_do(s, "host map name=m0 size=0x200000 backing=thp");
	test_do(s, "host touch map=m0+0x0 len=0x200000 mode=w");
	hva = script_vm(s)->st->maps[hostmm_map_find(script_vm(s), "m0")].hva;
	last = hostmm_view(script_vm(s), hva).pfn;
	for (unsigned int i = 0; i < 6; i++) {
		test_do(s, "host madvise map=m0+0x0 len=0x200000 advice=dontneed");
		test_do(s, next[i % 2]);
		test_do(s, "host touch map=m0+0x0 len=0x200000 mode=w");
		ck_assert_uint_ne(hostmm_view(script_vm(s), hva).pfn, last);
		last = hostmm_view(script_vm(s), hva).pfn;
	}
	script_free(s);
}
END_TEST

/* clang-format off */
#define SCENARIO_TEST(name, table) \
	START_TEST(name) \
	{ \
		test_scenario(&(table)[_i]); \
	} \
	END_TEST
/* clang-format on */

SCENARIO_TEST(dirty_logging_reports_each_write, dirty_logging)
SCENARIO_TEST(rings_and_pml_report_each_write, rings)
SCENARIO_TEST(ageing_follows_the_notifier, ageing)
SCENARIO_TEST(small_geometries_behave_like_large_ones, small)
SCENARIO_TEST(each_injection_changes_what_is_seen, injections)
SCENARIO_TEST(the_driver_refuses_by_name, refusals)

int main(void)
{
	Suite *suite = suite_create("script");
	TCase *tcase = tcase_create("scenarios");
	SRunner *runner = srunner_create(suite);
	int failed;

#define ADD(test, table) tcase_add_loop_test(tcase, test, 0, G_N_ELEMENTS(table))
	ADD(dirty_logging_reports_each_write, dirty_logging);
	ADD(rings_and_pml_report_each_write, rings);
	ADD(ageing_follows_the_notifier, ageing);
	ADD(small_geometries_behave_like_large_ones, small);
	ADD(each_injection_changes_what_is_seen, injections);
	ADD(the_driver_refuses_by_name, refusals);
	ADD(capabilities_are_refused_where_the_kernel_refuses_them, capabilities);
	ADD(a_vm_that_cannot_be_is_refused_by_name, no_vm);
	ADD(a_line_that_is_not_run_in_its_place_is_refused, no_order);
#undef ADD
	tcase_add_test(tcase, a_flush_reaches_more_vcpus_than_a_word_has_bits);
	tcase_add_test(tcase, a_new_page_has_another_frame_than_the_last);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
