/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: pairs of right and wrong lines, and the two properties that printing and
 * parsing are inverse and that the recorded lines are reproduced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "model/lang.h"
#include "model/lang_priv.h"

/* Tests start in the root of the source tree. */
#ifndef S2_SOURCE_DIR
#define S2_SOURCE_DIR "."
#endif

#define REGION "op set_region slot=0 gpa=0x0 size=0x1000 "

/* A line, and its canonical text. */
static const struct {
	const char *text, *canonical;
} good[] = {
	{ "", "" },
	{ "  \t ", "" },
	{ "# only a comment \xc3\xa9", "" },
	{ "scenario name=a", "scenario name=a" },
	{ "  scenario\tname=a   # why", "scenario name=a" },
	{ "scenario name=a#b", "scenario name=a" },
	{ "scenario vcpus=1 name=a arch=both manual=0 zapall=1 chunk=0 trace=1 raw=0 code=1 "
	  "inject=none",
	  "scenario name=a" },
	{ "scenario name=a timing=racy vcpus=62 eager=N nx=force manual=3",
	  "scenario name=a vcpus=62 manual=3 eager=N nx=force timing=racy" },
	{ "scenario name=a policy=x86-6.12+userfault=x86-uf-v3 geom=ept-2x2 mem=tso "
	  "inject=skip-flush",
	  "scenario name=a policy=x86-6.12+userfault=x86-uf-v3 geom=ept-2x2 inject=skip-flush "
	  "mem=tso" },
	{ "scenario name=a chunk=2097152 ring=65536",
	  "scenario name=a chunk=0x200000 ring=0x10000" },
	{ "host map name=m0 size=4096 backing=huge1g",
	  "host map name=m0 size=0x1000 backing=huge1g" },
	{ "host touch map=m0+0 len=0x1000 mode=w stride=0x1000",
	  "host touch map=m0+0x0 len=0x1000 mode=w" },
	{ "host madvise map=m0+0x0 len=0x1000 advice=collapse",
	  "host madvise map=m0+0x0 len=0x1000 advice=collapse" },
	{ "host munmap map=m0+0x0 len=1", "host munmap map=m0+0x0 len=0x1" },
	{ "host remap map=m0+0x0 len=0x1000", "host remap map=m0+0x0 len=0x1000" },
	{ "host mprotect map=m0+0x0 len=0x1000 prot=rw",
	  "host mprotect map=m0+0x0 len=0x1000 prot=rw" },
	{ "host age map=m0+0x0 len=0x1000 mode=test_young",
	  "host age map=m0+0x0 len=0x1000 mode=test_young" },
	{ REGION "flags=ro+log map=m0+0x0", REGION "flags=log+ro map=m0+0x0" },
	{ REGION "flags=0 hva=0xffff800000000000", REGION "flags=none hva=0xffff800000000000" },
	{ REGION "flags=0x80 map=m0+0x0", REGION "flags=0x80 map=m0+0x0" },
	{ REGION "flags=8 map=m0+0x0 bitmap=b0 fail=scratch",
	  REGION "flags=uf map=m0+0x0 bitmap=b0 fail=scratch" },
	{ REGION "flags=uf+gmem map=m0+0x0 bitmap=0x7",
	  REGION "flags=gmem+uf map=m0+0x0 bitmap=0x7" },
	{ "op get_dirty slot=4294967295", "op get_dirty slot=4294967295" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=all",
	  "op clear_dirty slot=0 first=0x0 n=0x40 pages=all" },
	{ "op clear_dirty slot=0 first=64 n=1 pages=64,0x41-0x42,0x7f",
	  "op clear_dirty slot=0 first=0x40 n=0x1 pages=0x40,0x41-0x42,0x7f" },
	{ "op reset_rings", "op reset_rings" },
	{ "op dump", "op dump" },
	{ "op param name=eager_page_split value=Y", "op param name=eager_page_split value=Y" },
	{ "op user_bit map=b0 page=1 value=0 order=relaxed",
	  "op user_bit map=b0 page=0x1 value=0" },
	{ "op user_bit map=b0 page=1 value=1 order=release",
	  "op user_bit map=b0 page=0x1 value=1 order=release" },
	{ "op user_bit map=b0 page=0 n=1GiB value=1 delay=1.5us",
	  "op user_bit map=b0 page=0x0 n=0x40000000 value=1 delay=1500ns" },
	{ "op get_dirty slot=0 per_page=0.8ns at=2s repeat=1",
	  "op get_dirty slot=0 per_page=800ps at=2s" },
	{ "op dump delay=1000ms repeat=3", "op dump delay=1s repeat=3" },
	{ "op get_dirty by=1 slot=0", "op get_dirty slot=0 by=1" },
	{ "host munmap map=m0+0 len=1 by=7", "host munmap map=m0+0x0 len=0x1 by=7" },
	{ "choose n=2", "choose n=2" },
	{ "choose n=64 order=fixed", "choose n=64 order=fixed" },
	{ "choose order=any n=1", "choose n=1" },
	{ "endchoose", "endchoose" },
	{ "op track slot=0 page=1 user=ext", "op track slot=0 page=0x1" },
	{ "op untrack page=0x1 slot=65537 user=kvm", "op untrack slot=65537 page=0x1 user=kvm" },
	{ "op shadow_root vcpu=0-1", "op shadow_root vcpu=0,1" },
	{ "phase name=boot", "phase name=boot" },
	{ "par", "par" },
	{ "join # all", "join" },
	{ "guest nop vcpu=0-2,61", "guest nop vcpu=0,1,2,61" },
	{ "guest write vcpu=0 gpa=4KiB pattern=zipf over=1TiB mix=0 seed=3 think=70ns for=1ms",
	  "guest write vcpu=0 gpa=0x1000 pattern=zipf over=0x10000000000 mix=0 seed=3 think=70ns "
	  "for=1ms" },
	{ "guest read vcpu=0 gpa=0 pattern=seq until=join answer=30us file=a/b.acc",
	  "guest read vcpu=0 gpa=0x0 until=join answer=30us file=a/b.acc" },
	{ "guest nop vcpu=61", "guest nop vcpu=61" },
	{ "guest spin vcpu=1,0", "guest spin vcpu=0,1" },
	{ "guest unspin vcpu=1", "guest unspin vcpu=1" },
	{ "guest read vcpu=0 gpa=0x1000 n=0x10 stride=0",
	  "guest read vcpu=0 gpa=0x1000 n=16 stride=0x0" },
	{ "guest write vcpu=0,1 gpa=0x1000 n=2 vstride=0x1000",
	  "guest write vcpu=0,1 gpa=0x1000 vstride=0x1000 n=2" },
	{ "guest exec vcpu=0 gpa=0xfffffffffffffff8", "guest exec vcpu=0 gpa=0xfffffffffffffff8" },
	{ "skip", "skip" },
	{ "end", "end" },
	{ "ret 0", "ret 0" },
	{ "ret   -EINVAL", "ret -EINVAL" },
	{ "exit vcpu=0 done", "exit vcpu=0 done" },
	{ "exit vcpu=0 err=EFAULT", "exit vcpu=0 err=EFAULT" },
	{ "exit vcpu=0 mmio-write gpa=0x1000 len=4 n=1",
	  "exit vcpu=0 mmio-write gpa=0x1000 len=4 n=1" },
	{ "exit vcpu=0 userfault gpa=0x1000", "exit vcpu=0 userfault gpa=0x1000" },
	{ "dirty slot=0 n=0", "dirty slot=0 n=0" },
	{ "dirty slot=0 n=3 pages=0x1,0x3-0x4", "dirty slot=0 n=3 pages=0x1,0x3-0x4" },
	{ "trace load_pgd", "trace load_pgd" },
	{ "trace call flush_remote_tlbs", "trace call flush_remote_tlbs" },
	{ "trace spte_changed gfn=0x0 n=0x1 size=4k none -> leaf:rwx:a1d1mw1",
	  "trace spte_changed gfn=0x0 n=0x1 size=4k none -> leaf:rwx:a1d1mw1" },
	{ "trace unmap_hva_range start=m0+0x0 len=0x1000",
	  "trace unmap_hva_range start=m0+0x0 len=0x1000" },
	{ "stat vm pages_4k=+1 pages_2m=-1", "stat vm pages_4k=+1 pages_2m=-1" },
	{ "stat vcpu12 pf_taken=+1", "stat vcpu12 pf_taken=+1" },
	{ "pages 4k=1 2m=0 1g=0", "pages 4k=1 2m=0 1g=0" },
	{ "sum 4k=0 2m=0 1g=0 mmio=0 tables=-", "sum 4k=0 2m=0 1g=0 mmio=0 tables=-" },
	{ "sum 4k=0 2m=0 1g=0 mmio=1 tables=2/0/0", "sum 4k=0 2m=0 1g=0 mmio=1 tables=2/0/0" },
	{ "tab gfn=0x0 n=0x1 size=4k mmio", "tab gfn=0x0 n=0x1 size=4k mmio" },
	{ "tab gfn=0x0 n=0x1 size=4k to=stale perm=r-- a=1",
	  "tab gfn=0x0 n=0x1 size=4k to=stale perm=r-- a=1" },
	{ "tab gfn=0x0 n=0x200 size=2m to=m0+0x0 perm=rwx",
	  "tab gfn=0x0 n=0x200 size=2m to=m0+0x0 perm=rwx" },
	{ "expect ret -EEXIST", "expect ret -EEXIST" },
	{ "expect holds inv=INV-UF,I2", "expect holds inv=INV-UF,I2" },
	{ "expect violated inv=INV-UF", "expect violated inv=INV-UF" },
	{ "expect no trace", "expect no trace" },
	{ "expect  no trace call  flush_remote_tlbs # why",
	  "expect no trace call flush_remote_tlbs" },
	{ "expect no exit vcpu=0 mmio-write", "expect no exit vcpu=0 mmio-write" },
};

/* A line, its error, and what the message must say after "f:7: ". */
static const struct {
	const char *text;
	enum lang_error code;
	const char *says;
} bad[] = {
	{ "guset nop vcpu=0", LANG_ERROR_WORD, "unknown first word, expected one of scenario" },
	{ "guest", LANG_ERROR_WORD, "unknown word after 'guest', expected one of nop read" },
	{ "guest jump vcpu=0", LANG_ERROR_WORD, "found 'jump'" },
	{ "guest nop", LANG_ERROR_MISSING, "missing key 'vcpu=' of 'guest nop'" },
	{ "guest nop vcpu=0 gpa=0", LANG_ERROR_WORD, "unknown key of 'guest nop'" },
	{ "guest nop vcpu=62", LANG_ERROR_WORD, "found '62'" },
	{ "guest nop vcpu=0,0", LANG_ERROR_WORD, "each once" },
	{ "guest nop vcpu=", LANG_ERROR_WORD, "found ''" },
	{ "guest nop vcpu", LANG_ERROR_WORD, "found 'vcpu'" },
	{ "guest nop vcpu=0 vcpu=0", LANG_ERROR_DOUBLED, "doubled key 'vcpu'" },
	{ "guest write vcpu=0 gpa=", LANG_ERROR_NUMBER, "found ''" },
	{ "guest write vcpu=0 gpa=0x", LANG_ERROR_NUMBER, "found '0x'" },
	{ "guest write vcpu=0 gpa=0x10g", LANG_ERROR_NUMBER, "found '0x10g'" },
	{ "guest write vcpu=0 gpa=010", LANG_ERROR_NUMBER, "found '010'" },
	{ "guest write vcpu=0 gpa=-1", LANG_ERROR_NUMBER, "found '-1'" },
	{ "guest write vcpu=0 gpa=+1", LANG_ERROR_NUMBER, "found '+1'" },
	{ "guest write vcpu=0 gpa=0x10000000000000000", LANG_ERROR_NUMBER, "value of 'gpa'" },
	{ "guest write vcpu=0 gpa=18446744073709551616", LANG_ERROR_NUMBER, "value of 'gpa'" },
	{ "guest write vcpu=0 gpa=1pg", LANG_ERROR_UNSUPPORTED, "pg and blk are not supported" },
	{ "guest write vcpu=0 gpa=0x0 n=0", LANG_ERROR_NUMBER, "a number from 1" },
	{ "guest write vcpu=0 gpa=0xfffffffffffffff0 n=2", LANG_ERROR_NUMBER, "accesses of" },
	{ "guest write vcpu=0,1 gpa=0 vstride=0xffffffffffffffff", LANG_ERROR_NUMBER, "64 bits" },
	{ "scenario", LANG_ERROR_MISSING, "missing key 'name='" },
	{ "scenario name=", LANG_ERROR_WORD, "found ''" },
	{ "scenario name=a/b", LANG_ERROR_WORD, "found 'a/b'" },
	{ "scenario name=a vcpus=0", LANG_ERROR_NUMBER, "a number from 1 to 0x3e" },
	{ "scenario name=a vcpus=63", LANG_ERROR_NUMBER, "found '63'" },
	{ "scenario name=a manual=2", LANG_ERROR_WORD, "one of 0|1|3, found '2'" },
	{ "scenario name=a eager=y", LANG_ERROR_WORD, "one of Y|N" },
	{ "scenario name=a timing=exact", LANG_ERROR_WORD, "one of racy" },
	{ "scenario name=a ring=0x100000000", LANG_ERROR_NUMBER, "value of 'ring'" },
	{ "scenario name=a policy=x{}", LANG_ERROR_WORD, "value of 'policy'" },
	{ "host map name=m0 size=0 backing=anon", LANG_ERROR_NUMBER, "value of 'size'" },
	{ "host map name=m+0 size=1 backing=anon", LANG_ERROR_WORD, "value of 'name'" },
	{ "host map name=m0 size=1 backing=swap", LANG_ERROR_WORD, "one of anon|thp" },
	{ "host map name=m0123456789012345678901234567890 size=1 backing=anon", LANG_ERROR_WORD,
	  "1 to 31 of the characters" },
	{ "host touch map=m0 len=1 mode=w", LANG_ERROR_WORD, "NAME+OFFSET" },
	{ "host touch map=+0 len=1 mode=w", LANG_ERROR_WORD, "NAME+OFFSET" },
	{ "host touch map=m0+ len=1 mode=w", LANG_ERROR_WORD, "NAME+OFFSET" },
	{ "host touch map=0x1000 len=1 mode=w", LANG_ERROR_WORD, "NAME+OFFSET" },
	{ "host touch map=m0+0 len=1 mode=x", LANG_ERROR_WORD, "one of r|w" },
	{ "host touch map=m0+0 len=1 mode=r stride=0", LANG_ERROR_NUMBER, "value of 'stride'" },
	{ "host munmap map=m0+0xffffffffffffffff len=1", LANG_ERROR_NUMBER, "'host munmap'" },
	{ "host munmap map=m0+0 len=1 prot=r", LANG_ERROR_WORD, "unknown key of 'host munmap'" },
	{ REGION "flags=none", LANG_ERROR_MISSING, "missing place of 'op set_region'" },
	{ REGION "flags=none map=m0+0 hva=0x0", LANG_ERROR_DOUBLED, "doubled place" },
	{ REGION "flags=log+log map=m0+0", LANG_ERROR_WORD, "value of 'flags'" },
	{ REGION "flags=log+none map=m0+0", LANG_ERROR_WORD, "value of 'flags'" },
	{ REGION "flags=0x100000000 map=m0+0", LANG_ERROR_WORD, "value of 'flags'" },
	{ REGION "flags= map=m0+0", LANG_ERROR_WORD, "value of 'flags'" },
	{ REGION "flags=none hva=m0", LANG_ERROR_NUMBER, "an address" },
	{ REGION "flags=none map=m0+0 bitmap=0xz", LANG_ERROR_WORD, "value of 'bitmap'" },
	{ "op get_dirty slot=0x100000000", LANG_ERROR_NUMBER, "value of 'slot'" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=", LANG_ERROR_WORD, "value of 'pages'" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=3,1", LANG_ERROR_WORD, "ascending" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=3-1", LANG_ERROR_WORD, "ascending" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=1-2-3", LANG_ERROR_WORD, "ascending" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=1,,2", LANG_ERROR_WORD, "ascending" },
	{ "op clear_dirty slot=0 first=0 n=64 pages=0x40", LANG_ERROR_NUMBER, "words" },
	{ "op clear_dirty slot=0 first=64 n=64 pages=1", LANG_ERROR_NUMBER, "the bitmap's words" },
	{ "op clear_dirty slot=0 first=0 n=0x100000000 pages=all", LANG_ERROR_NUMBER,
	  "value of 'n'" },
	{ "op dump now=1", LANG_ERROR_WORD, "one of at= delay= repeat= by=, found 'now=1'" },
	{ "op dump delay=5", LANG_ERROR_NUMBER, "then ps, ns, us, ms or s, found '5'" },
	{ "op dump delay=us", LANG_ERROR_NUMBER, "found 'us'" },
	{ "op dump delay=-1us", LANG_ERROR_NUMBER, "found '-1us'" },
	{ "op dump delay=1.us", LANG_ERROR_NUMBER, "found '1.us'" },
	{ "op dump delay=1.2345us", LANG_ERROR_NUMBER, "at most three decimals" },
	{ "op dump delay=1.5.5us", LANG_ERROR_NUMBER, "found '1.5.5us'" },
	{ "op dump delay=0.5ps", LANG_ERROR_NUMBER, "found '0.5ps'" },
	{ "op dump delay=99999999s", LANG_ERROR_NUMBER, "found '99999999s'" },
	{ "op dump delay=1usx", LANG_ERROR_NUMBER, "found '1usx'" },
	{ "op dump repeat=0", LANG_ERROR_NUMBER, "value of 'repeat'" },
	{ "op dump by=8", LANG_ERROR_NUMBER, "value of 'by'" },
	{ "guest nop vcpu=0 by=1", LANG_ERROR_WORD, "expected one of vcpu= at= delay= repeat=" },
	{ "op shadow_root vcpu=0 by=1", LANG_ERROR_WORD, "unknown key of 'op shadow_root'" },
	{ "op shadow_root", LANG_ERROR_MISSING, "missing key 'vcpu='" },
	{ "op track slot=0", LANG_ERROR_MISSING, "missing key 'page='" },
	{ "op untrack slot=0 page=0 user=gvt", LANG_ERROR_WORD, "one of ext|kvm" },
	{ "choose", LANG_ERROR_MISSING, "missing key 'n='" },
	{ "choose n=0", LANG_ERROR_NUMBER, "a number from 1 to 0x40" },
	{ "choose n=1 order=free", LANG_ERROR_WORD, "one of any|fixed" },
	{ "endchoose n=1", LANG_ERROR_WORD, "found 'n=1'" },
	{ "par now", LANG_ERROR_WORD, "found 'now'" },
	{ "phase", LANG_ERROR_MISSING, "missing key 'name='" },
	{ "guest nop vcpu=2-1", LANG_ERROR_WORD, "found '2-1'" },
	{ "guest nop vcpu=0-2,1", LANG_ERROR_WORD, "each once" },
	{ "guest nop vcpu=0-62", LANG_ERROR_WORD, "found '0-62'" },
	{ "guest write vcpu=0 gpa=0x10MiB", LANG_ERROR_NUMBER, "or in KiB MiB GiB TiB" },
	{ "guest write vcpu=0 gpa=16777216TiB", LANG_ERROR_NUMBER, "value of 'gpa'" },
	{ "guest write vcpu=0 gpa=4G", LANG_ERROR_NUMBER, "found '4G'" },
	{ "guest write vcpu=0 gpa=0 n=1KiB", LANG_ERROR_NUMBER, "value of 'n'" },
	{ "guest write vcpu=0 gpa=0 pattern=zipf", LANG_ERROR_MISSING, "missing key 'over='" },
	{ "guest write vcpu=0 gpa=0 mix=101", LANG_ERROR_NUMBER, "value of 'mix'" },
	{ "guest write vcpu=0 gpa=0 until=end", LANG_ERROR_WORD, "one of join" },
	{ "guest write vcpu=0 gpa=0x1000 over=0xffffffffffffffff", LANG_ERROR_NUMBER, "64 bits" },
	{ "op user_bit map=b0 page=1 value=2", LANG_ERROR_WORD, "one of 0|1" },
	{ "end of it", LANG_ERROR_WORD, "expected the end of the line, found 'of'" },
	{ "skip 1", LANG_ERROR_WORD, "found '1'" },
	{ "expect", LANG_ERROR_MISSING, "expected an observation" },
	{ "expect guest nop", LANG_ERROR_WORD, "unknown observation" },
	{ "expect holds", LANG_ERROR_WORD, "inv=" },
	{ "expect no", LANG_ERROR_MISSING, "expected the first words of an observation" },
	{ "expect no no trace", LANG_ERROR_WORD, "unknown observation" },
	{ "expect no guest nop", LANG_ERROR_WORD, "found 'guest'" },
	{ "expect no holds inv=I1", LANG_ERROR_WORD, "found 'holds'" },
	{ "no trace", LANG_ERROR_WORD, "unknown first word" },
	{ "holds inv=I1", LANG_ERROR_WORD, "unknown first word" },
	{ "ret", LANG_ERROR_WORD, "a number or -ERRNO" },
	{ "ret EINVAL", LANG_ERROR_WORD, "found 'EINVAL'" },
	{ "ret -EWHAT", LANG_ERROR_WORD, "found '-EWHAT'" },
	{ "ret 0 0", LANG_ERROR_WORD, "the end of the line" },
	{ "exit done", LANG_ERROR_WORD, "vcpu=NUMBER" },
	{ "exit vcpu=0", LANG_ERROR_WORD, "found the end of the line" },
	{ "exit vcpu=0 dead", LANG_ERROR_WORD, "found 'dead'" },
	{ "exit vcpu=0 mmio-read gpa=0x0 n=1", LANG_ERROR_WORD, "len=NUMBER" },
	{ "exit vcpu=0 err=EWHAT", LANG_ERROR_WORD, "err=ERRNO" },
	{ "dirty slot=0 n=1", LANG_ERROR_WORD, "pages=" },
	{ "dirty slot=0 n=0 pages=0x0", LANG_ERROR_WORD, "the end of the line" },
	{ "dirty slot=0 n=2 pages=0x0", LANG_ERROR_WORD, "as many pages as n=" },
	{ "trace", LANG_ERROR_WORD, "the name of an event" },
	{ "trace a=b", LANG_ERROR_WORD, "the name of an event" },
	{ "trace call", LANG_ERROR_WORD, "the name of a function" },
	{ "trace unmap_hva_range start=m0 len=0x1000", LANG_ERROR_WORD, "start=NAME+OFFSET" },
	{ "trace unmap_hva_range start=m0+0x0", LANG_ERROR_WORD, "len=NUMBER" },
	{ "stat", LANG_ERROR_WORD, "vm or vcpuN" },
	{ "stat vcpu pf=+1", LANG_ERROR_WORD, "vm or vcpuN" },
	{ "stat vm", LANG_ERROR_WORD, "NAME=+CHANGE" },
	{ "stat vm pages_4k=1", LANG_ERROR_WORD, "NAME=+CHANGE" },
	{ "pages 4k=1 1g=0 2m=0", LANG_ERROR_WORD, "2m=NUMBER" },
	{ "pages 4k=1 2m=0 1g=0 512g=0", LANG_ERROR_WORD, "the end of the line" },
	{ "sum 4k=0 2m=0 1g=0 mmio=0", LANG_ERROR_WORD, "tables=" },
	{ "sum 4k=0 2m=0 1g=0 mmio=0 tables=1//1", LANG_ERROR_WORD, "tables=" },
	{ "tab gfn=0x0 n=0x1 size=4k", LANG_ERROR_WORD, "mmio, to=" },
	{ "tab gfn=0x0 n=0x1 size=4q mmio", LANG_ERROR_WORD, "size=" },
	{ "tab gfn=0x0 n=0x1 size=4k to=m0+0x0", LANG_ERROR_WORD, "perm=" },
	{ "tab gfn=0x0 n=0x1 size=4k to=m0+0x0 perm=wrx", LANG_ERROR_WORD, "perm=" },
	{ "guest nop vcpu=0\r\n", LANG_ERROR_SYNTAX, "byte 0x0d in column 17" },
	{ "guest nop\nvcpu=0", LANG_ERROR_SYNTAX, "byte 0x0a in column 10" },
	{ "# two\nlines", LANG_ERROR_SYNTAX, "byte 0x0a in column 6" },
	{ "guest n\xc3\xb6p vcpu=0", LANG_ERROR_SYNTAX, "byte 0xc3 in column 8" },
};

static bool same_loc(const struct lang_loc *a, const struct lang_loc *b)
{
	return strcmp(a->map, b->map) == 0 && a->off == b->off && a->is_hva == b->is_hva &&
	       a->hva == b->hva;
}

static bool same_log(const struct lang_log *a, const struct lang_log *b)
{
	if (a->all != b->all || a->nr_ranges != b->nr_ranges)
		return false;
	for (unsigned i = 0; i < a->nr_ranges; i++)
		if (a->ranges[i].start != b->ranges[i].start ||
		    a->ranges[i].end != b->ranges[i].end)
			return false;
	return true;
}

static bool same_field(const struct lang_line *a, const struct lang_line *b,
		       const struct lang_field *f)
{
	switch (f->type) {
	case FIELD_DEC:
	case FIELD_HEX:
	case FIELD_CHOICE:
	case FIELD_TIME:
		return lang_field_get(a, f) == lang_field_get(b, f);
	case FIELD_NAME:
	case FIELD_TEXT:
		return strcmp(lang_field_at_const(a, f), lang_field_at_const(b, f)) == 0;
	case FIELD_LOC:
	case FIELD_HVA:
		return same_loc(lang_field_at_const(a, f), lang_field_at_const(b, f));
	case FIELD_BITMAP:
		return a->u.region.has_bitmap == b->u.region.has_bitmap &&
		       same_loc(&a->u.region.bitmap, &b->u.region.bitmap);
	case FIELD_FLAGS:
		return a->u.region.flags == b->u.region.flags;
	case FIELD_PAGES:
		return same_log(&a->u.log, &b->u.log);
	case FIELD_VCPUS:
		return a->u.guest.vcpu_mask == b->u.guest.vcpu_mask;
	}
	return false;
}

/* Field by field, not by text as lang_line_equal() does it. */
static bool same_line(const struct lang_line *a, const struct lang_line *b)
{
	const struct lang_shape *shape = lang_shape_of(a->kind);

	if (a->kind != b->kind)
		return false;
	if (a->kind == LANG_OBS || a->kind == LANG_EXPECT)
		return a->u.obs.cls == b->u.obs.cls && a->u.obs.absent == b->u.obs.absent &&
		       strcmp(a->u.obs.text, b->u.obs.text) == 0;
	for (const struct lang_field *f = shape ? shape->fields : NULL; f && f->key; f++)
		if (!same_field(a, b, f))
			return false;
	return true;
}

static struct lang_line parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	if (!lang_parse_line(text, "f", 7, &l, &error))
		ck_abort_msg("'%s': %s", text, error ? error->message : "no message");
	return l;
}

static char *canonical(const struct lang_line *l)
{
	GString *s = g_string_new(NULL);

	lang_print_canonical(l, s);
	return g_string_free(s, FALSE);
}

/*
 * L2 for one line; note says where it comes from. No ck_assert here: Check notes each one that it
 * passes in a file, which takes longer than the parsing.
 */
static void check_inverse(const struct lang_line *l, const char *note)
{
	g_autofree char *text = canonical(l);
	g_autofree char *again = NULL;
	struct lang_line back = parse(text);

	again = canonical(&back);
	if (!same_line(l, &back))
		ck_abort_msg("%s: parsed differently: '%s'", note, text);
	if (!lang_line_equal(l, &back))
		ck_abort_msg("%s: not equal: '%s'", note, text);
	if (strcmp(text, again) != 0)
		ck_abort_msg("%s: '%s' became '%s'", note, text, again);
	lang_line_clear(&back);
}

START_TEST(good_lines_have_their_canonical_text)
{
	struct lang_line l = parse(good[_i].text);
	g_autofree char *text = canonical(&l);

	ck_assert_str_eq(text, good[_i].canonical);
	ck_assert_uint_eq(l.line, 7);
	check_inverse(&l, good[_i].text);
	lang_line_clear(&l);
}
END_TEST

START_TEST(bad_lines_are_refused_with_their_message)
{
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	ck_assert_msg(!lang_parse_line(bad[_i].text, "f", 7, &l, &error), "accepted: '%s'",
		      bad[_i].text);
	ck_assert_msg(g_error_matches(error, LANG_ERROR, (gint)bad[_i].code), "'%s': code %d: %s",
		      bad[_i].text, error->code, error->message);
	ck_assert_msg(g_str_has_prefix(error->message, "f:7: "), "%s", error->message);
	ck_assert_msg(strstr(error->message, bad[_i].says) != NULL, "'%s': %s", bad[_i].text,
		      error->message);
	ck_assert_msg(strstr(error->message, "expected ") && strstr(error->message, "found "), "%s",
		      error->message);
	lang_line_clear(&l);
}
END_TEST

START_TEST(good_line_of_greatest_length_and_bad_longer_one)
{
	static char text[LANG_LINE_MAX + 2];
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	memset(text, ' ', LANG_LINE_MAX + 1);
	memcpy(text, "op dump", strlen("op dump"));
	text[LANG_LINE_MAX] = '\0';
	l = parse(text);
	ck_assert_int_eq(l.kind, LANG_OP_DUMP);
	lang_line_clear(&l);
	text[LANG_LINE_MAX] = ' ';
	text[LANG_LINE_MAX + 1] = '\0';
	ck_assert(!lang_parse_line(text, "f", 7, &l, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "at most 65536 bytes"));
}
END_TEST

START_TEST(defaults_are_those_of_the_header)
{
	struct lang_line l = parse("scenario name=a");
	const struct lang_scenario *s = &l.u.scenario;

	ck_assert_uint_eq(s->vcpus, 1);
	ck_assert_uint_eq(s->manual, 0);
	ck_assert_int_eq(s->eager, -1);
	ck_assert_int_eq(s->nx, LANG_NX_UNSET);
	ck_assert(s->zapall && s->trace && s->code && !s->racy && !s->raw);
	ck_assert_uint_eq(s->chunk, 0);
	ck_assert_uint_eq(s->ring, 0);
	ck_assert_str_eq(s->policy, "");
	lang_line_clear(&l);
	l = parse("guest read vcpu=0 gpa=0x0");
	ck_assert_uint_eq(l.u.guest.n, 1);
	ck_assert_uint_eq(l.u.guest.stride, 0x1000);
	lang_line_clear(&l);
}
END_TEST

START_TEST(copy_owns_its_own_strings)
{
	struct lang_line l = parse("op clear_dirty slot=0 first=0 n=64 pages=1,3-5");
	struct lang_line copy;

	lang_line_copy(&copy, &l);
	ck_assert(same_line(&l, &copy));
	ck_assert_ptr_ne(copy.u.log.ranges, l.u.log.ranges);
	lang_line_clear(&l);
	ck_assert_uint_eq(copy.u.log.ranges[1].end, 6);
	lang_line_clear(&copy);
}
END_TEST

START_TEST(values_are_found_in_observations)
{
	static const char text[] = "tab gfn=0x1 n=0x2 size=4k to=m0+0x0 perm=rwx";
	g_autofree char *n = lang_obs_value(text, "n");
	g_autofree char *perm = lang_obs_value(text, "perm");

	ck_assert_str_eq(n, "0x2");
	ck_assert_str_eq(perm, "rwx");
	ck_assert_ptr_null(lang_obs_value(text, "fn"));
}
END_TEST

START_TEST(errno_names_go_both_ways)
{
	ck_assert_str_eq(lang_errno_name(-EINVAL), "EINVAL");
	ck_assert_str_eq(lang_errno_name(ENOENT), "ENOENT");
	ck_assert_ptr_null(lang_errno_name(100000));
	ck_assert_int_eq(lang_errno_from_name("EFAULT"), EFAULT);
	ck_assert_int_eq(lang_errno_from_name("EFAUL"), 0);
}
END_TEST

START_TEST(kind_names_are_the_first_words)
{
	for (const struct lang_shape *s = lang_shapes(); s->word; s++) {
		g_autofree char *words = g_strjoin(" ", s->word, s->verb, NULL);

		ck_assert_str_eq(lang_kind_name(s->kind), words);
	}
}
END_TEST

/* L1 and L2 for a recorded line. */
static void check_recorded(const char *line, const char *path)
{
	struct lang_line l = parse(line);
	g_autoptr(GString) text = g_string_new(NULL);

	lang_print_line(&l, text);
	if (*line != '#' && strcmp(text->str, line) != 0)
		ck_abort_msg("%s: '%s' became '%s'", path, line, text->str);
	check_inverse(&l, path);
	lang_line_clear(&l);
}

/* The lines of a file that no file before had; most stand many times in the records. */
static void check_file(const char *path, GHashTable *seen)
{
	g_autofree char *data = NULL;
	size_t len;
	char *nl;

	ck_assert_msg(g_file_get_contents(path, &data, &len, NULL), "cannot read %s", path);
	for (char *line = data; (nl = memchr(line, '\n', len)); line = nl + 1) {
		*nl = '\0';
		len -= (size_t)(nl + 1 - line);
		if (g_hash_table_add(seen, g_strdup(line)))
			check_recorded(line, path);
	}
}

static void check_folder(const char *path, GHashTable *seen)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	ck_assert_msg(dir != NULL, "cannot open %s", path);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		if (g_str_has_suffix(name, "known-differences.txt"))
			continue;
		if (g_str_has_suffix(name, ".txt") || g_str_has_suffix(name, ".scn"))
			check_file(file, seen);
	}
}

START_TEST(recorded_lines_are_reproduced)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	check_folder(S2_SOURCE_DIR "/traces/oracle", seen);
	check_folder(S2_SOURCE_DIR "/traces/oracle/random", seen);
	ck_assert_uint_gt(g_hash_table_size(seen), 10000);
}
END_TEST

/* A small generator of our own: the same lines on every machine. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t draw_below(uint64_t *state, uint64_t limit)
{
	g_assert(limit != 0);
	return draw(state) % limit;
}

/* Small numbers as often as large ones. */
static uint64_t draw_number(uint64_t *state, uint64_t min, uint64_t max)
{
	uint64_t v = draw(state) >> draw_below(state, 64);

	if (max - min == UINT64_MAX)
		return v;
	return min + v % (max - min + 1);
}

static void draw_name(uint64_t *state, char *s, size_t size, bool wide)
{
	static const char chars[] = "abcXYZ019_.-+=,:/@";
	size_t nr_chars = wide ? strlen(chars) : strlen("abcXYZ019_.-");
	size_t len = 1 + draw_below(state, size - 1);

	memset(s, 0, size);
	for (size_t i = 0; i < len; i++)
		s[i] = chars[draw_below(state, nr_chars)];
	if (strcmp(s, "none") == 0 || strncmp(s, "0x", 2) == 0)
		s[0] = 'n';
}

static void draw_loc(uint64_t *state, struct lang_loc *loc, bool is_hva)
{
	memset(loc, 0, sizeof(*loc));
	loc->is_hva = is_hva;
	if (is_hva) {
		loc->hva = draw_number(state, 0, UINT64_MAX);
		return;
	}
	draw_name(state, loc->map, sizeof(loc->map), false);
	loc->off = draw_number(state, 0, UINT32_MAX);
}

static void draw_log(uint64_t *state, struct lang_log *log)
{
	uint64_t at;

	log->first = draw_number(state, 0, UINT32_MAX);
	log->n = 64 * (1 + draw_below(state, 100));
	log->all = draw_below(state, 2);
	if (log->all)
		return;
	log->ranges = g_new0(struct lang_range, 4);
	at = log->first;
	for (unsigned i = 0; i < 4; i++) {
		log->ranges[i].start = at + draw_below(state, 8);
		log->ranges[i].end = log->ranges[i].start + 1 + draw_below(state, 8);
		at = log->ranges[i].end;
	}
	log->nr_ranges = 4;
}

static void draw_choice(uint64_t *state, struct lang_line *l, const struct lang_field *f)
{
	unsigned nr = 0;

	while (f->choices[nr].word)
		nr++;
	lang_field_set(l, f, f->choices[draw_below(state, nr)].value);
}

static void draw_field(uint64_t *state, struct lang_line *l, const struct lang_field *f)
{
	switch (f->type) {
	case FIELD_DEC:
	case FIELD_HEX:
	case FIELD_TIME:
		lang_field_set(l, f, draw_number(state, f->min, f->max));
		break;
	case FIELD_CHOICE:
		draw_choice(state, l, f);
		break;
	case FIELD_NAME:
	case FIELD_TEXT:
		draw_name(state, lang_field_at(l, f), f->size, f->type == FIELD_TEXT);
		break;
	case FIELD_LOC:
	case FIELD_HVA:
		draw_loc(state, lang_field_at(l, f), f->type == FIELD_HVA);
		break;
	case FIELD_BITMAP:
		l->u.region.has_bitmap = true;
		draw_loc(state, &l->u.region.bitmap, draw_below(state, 2));
		l->u.region.bitmap.off = 0;
		break;
	case FIELD_FLAGS:
		l->u.region.flags = (uint32_t)draw_number(state, 0, UINT32_MAX);
		break;
	case FIELD_PAGES:
		draw_log(state, &l->u.log);
		break;
	case FIELD_VCPUS:
		l->u.guest.vcpu_mask = draw_number(state, 1, (UINT64_C(1) << LANG_VCPUS_MAX) - 1);
		break;
	}
}

/* What only makes sense together. */
static void tame(uint64_t *state, struct lang_line *l)
{
	if (l->kind >= LANG_HOST_TOUCH && l->kind <= LANG_HOST_AGE)
		l->u.host.len = draw_number(state, 1, UINT32_MAX);
	if (l->kind < LANG_GUEST_READ || l->kind > LANG_GUEST_EXEC)
		return;
	l->u.guest.gpa >>= 1;
	l->u.guest.stride = draw_number(state, 0, 0x1000000);
	l->u.guest.vstride = draw_number(state, 0, 0x1000000);
	l->u.guest.over = draw_number(state, 1, UINT32_MAX);
}

static void draw_line(uint64_t *state, const struct lang_shape *shape, struct lang_line *l)
{
	memset(l, 0, sizeof(*l));
	l->kind = shape->kind;
	for (const struct lang_field *f = shape->fields; f && f->key; f++) {
		bool is_number = f->type == FIELD_DEC || f->type == FIELD_HEX ||
				 f->type == FIELD_CHOICE || f->type == FIELD_TIME;

		if (f->need == NEED_NO && draw_below(state, 2)) {
			if (is_number)
				lang_field_set(l, f, f->dflt);
			continue;
		}
		if (f->need == NEED_EITHER && f->type == FIELD_HVA && draw_below(state, 2))
			continue;
		draw_field(state, l, f);
	}
	tame(state, l);
}

/* Each run of the two tests below takes the seeds _i * SEEDS to _i * SEEDS + SEEDS - 1. */
enum { SEEDS = 50 };

static void check_random_lines(unsigned seed)
{
	for (const struct lang_shape *shape = lang_shapes(); shape->word; shape++) {
		uint64_t state = seed;
		g_autofree char *note =
			g_strdup_printf("seed %u, %s", seed, lang_kind_name(shape->kind));
		struct lang_line l;

		draw_line(&state, shape, &l);
		check_inverse(&l, note);
		lang_line_clear(&l);
	}
}

/* A good line with a few bytes changed: refused, or understood in a way that prints the same. */
static void check_damaged_line(uint64_t *state, size_t i, const char *note)
{
	g_autofree char *text = g_strdup(good[i].text);
	g_autoptr(GError) error = NULL;
	size_t len = strlen(text);
	struct lang_line l;

	for (unsigned k = 0; len && k < 2; k++)
		text[draw_below(state, len)] = (char)(1 + draw_below(state, 127));
	if (lang_parse_line(text, "f", 7, &l, &error))
		check_inverse(&l, note);
	else if (!error || l.text || l.kind != LANG_BLANK)
		ck_abort_msg("%s: refused without an error or not empty: '%s'", note, text);
	lang_line_clear(&l);
}

START_TEST(random_lines_survive_printing_and_parsing)
{
	for (unsigned seed = 0; seed < SEEDS; seed++)
		check_random_lines((unsigned)_i * SEEDS + seed);
}
END_TEST

START_TEST(damaged_lines_are_refused_or_consistent)
{
	for (unsigned n = 0; n < SEEDS; n++) {
		unsigned seed = (unsigned)_i * SEEDS + n;
		uint64_t state = seed;

		for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
			g_autofree char *note = g_strdup_printf("seed %u, line %zu", seed, i);

			check_damaged_line(&state, i, note);
		}
	}
}
END_TEST

static Suite *lang_suite(void)
{
	Suite *s = suite_create("lang");
	TCase *pairs = tcase_create("pairs");
	TCase *properties = tcase_create("properties");

	tcase_add_loop_test(pairs, good_lines_have_their_canonical_text, 0,
			    (int)G_N_ELEMENTS(good));
	tcase_add_loop_test(pairs, bad_lines_are_refused_with_their_message, 0,
			    (int)G_N_ELEMENTS(bad));
	tcase_add_test(pairs, good_line_of_greatest_length_and_bad_longer_one);
	tcase_add_test(pairs, defaults_are_those_of_the_header);
	tcase_add_test(pairs, copy_owns_its_own_strings);
	tcase_add_test(pairs, values_are_found_in_observations);
	tcase_add_test(pairs, errno_names_go_both_ways);
	tcase_add_test(pairs, kind_names_are_the_first_words);
	suite_add_tcase(s, pairs);
	tcase_set_timeout(properties, 60);
	tcase_add_test(properties, recorded_lines_are_reproduced);
	tcase_add_loop_test(properties, random_lines_survive_printing_and_parsing, 0, 10);
	tcase_add_loop_test(properties, damaged_lines_are_refused_or_consistent, 0, 10);
	suite_add_tcase(s, properties);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(lang_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
