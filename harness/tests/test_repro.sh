# SPDX-License-Identifier: Apache-2.0
#
# usage: test_repro.sh S2SIM
#
# Counterexamples in files: --story, --svg, --repro.
#
# Programs that 's2sim explore --repro' writes: each compiles without a warning with the compilers that are
# there, for x86 and, where its cross compiler is installed, for arm64; with KVM it runs and sees nothing, since
# the rules that the model had broken are whole; and it sees what a change of the program itself breaks.

LC_ALL=C
export LC_ALL
s2sim=$1
[ -x "$s2sim" ] || { echo "test_repro: expected the s2sim program, found '$s2sim'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

complain()
{
	echo "test_repro: $1"
	failed=1
}

cat >"$dir/test.scn" <<'END'
scenario name=clear vcpus=2 code=0 manual=1 inject=skip-harvest-flush
host map name=m0 size=0x4000 backing=anon
op set_region slot=0 gpa=0x4000 size=0x4000 flags=log map=m0+0x0
guest write vcpu=0,1 vstride=0x1000 gpa=0x4000
op get_dirty slot=0
par
guest write vcpu=0 gpa=0x4000
op clear_dirty slot=0 first=0 n=4 pages=0x0,0x1-0x2
op get_dirty slot=0
join

scenario name=deleted vcpus=1 code=0 inject=skip-zap
host map name=m0 size=0x4000 backing=anon
op set_region slot=0 gpa=0x4000 size=0x4000 flags=none map=m0+0x0
host touch map=m0+0x0 len=0x2000 mode=w
par
guest read vcpu=0 gpa=0x4000 n=2
guest read vcpu=0 gpa=0x4000 repeat=2
op set_region slot=0 gpa=0x4000 size=0 flags=none map=m0+0x0
join

scenario name=mm vcpus=2 code=0 inject=skip-retry-check
host map name=m0 size=0x8000 backing=thp
host map name=m1 size=0x4000 backing=memfd
op set_region slot=0 gpa=0x4000 size=0x4000 flags=none map=m0+0x4000
op set_region slot=1 gpa=0x8000 size=0x4000 flags=ro map=m1+0x0
host madvise map=m0+0x4000 len=0x4000 advice=nohugepage
guest exec vcpu=0 gpa=0x8000
par
guest write vcpu=0 gpa=0x4000
host madvise map=m0+0x4000 len=0x1000 advice=dontneed
host mprotect map=m0+0x4000 len=0x1000 prot=r
join

scenario name=ring arch=x86 vcpus=1 code=0 ring=0x4000 inject=skip-dirty-mark
host map name=m0 size=0x4000 backing=anon
op set_region slot=0 gpa=0x4000 size=0x4000 flags=log map=m0+0x0
par
guest write vcpu=0 gpa=0x5000
op reset_rings
op reset_rings
join

scenario name=params arch=both vcpus=1 code=0 zapall=0 inject=skip-dirty-mark
host map name=m0 size=0x4000 backing=anon
op set_region slot=0 gpa=0x4000 size=0x4000 flags=log map=m0+0x0
par
guest write vcpu=0 gpa=0x5000
host remap map=m0+0x2000 len=0x1000
guest nop vcpu=0
join
op get_dirty slot=0
END

# compile FILE COMPILER...: without a warning.
compile()
{
	file=$1
	shift
	"$@" -std=gnu11 -Wall -Wextra -Werror -O2 -pthread -c -o "$dir/out.o" "$file" >"$dir/cc" 2>&1 ||
		complain "$*: $(basename "$file"): expected no warning, found: $(grep -m 3 -E 'error|warning' "$dir/cc")"
}

# write SCENARIO POLICY FILE
write()
{
	"$s2sim" explore -p "$2" -s "$1" --repro "$3" "$dir/test.scn" >"$dir/report" 2>&1
	found=$?
	[ "$found" -eq 1 ] && [ -s "$3" ] && return 0
	complain "explore $1 $2: expected a finding and a program, found exit code $found: $(head -3 "$dir/report")"
	return 1
}

# A cross compiler may lack the headers.
can_compile()
{
	echo '#include <linux/kvm.h>
#include <pthread.h>' >"$dir/can.c"
	command -v "$1" >/dev/null && "$1" -fsyntax-only "$dir/can.c" 2>"$dir/cc"
}

# compile_all FILE ARCHITECTURES
compile_all()
{
	for arch in $2; do
		case $arch in
		"$(uname -m)")
			compilers="gcc clang"
			;;
		*)
			compilers=$arch-linux-gnu-gcc
			;;
		esac
		for cc in $compilers; do
			can_compile "$cc" && compile "$1" "$cc"
		done
	done
}

for what in clear:x86-6.12+machine=ept clear:arm64-6.12 deleted:x86-6.12+machine=npt deleted:arm64-6.1 \
	mm:x86-6.1+machine=ept mm:arm64-6.12 params:x86-6.12+machine=ept ring:x86-6.12+machine=ept; do
	name=${what%%:*}
	policy=${what#*:}
	program=$dir/$name.${policy%%-*}.c
	archs="x86_64 aarch64"
	[ "$name" = ring ] && archs=x86_64
	write "$name" "$policy" "$program" && compile_all "$program" "$archs"
done

# --- Files and refusals.

# explore CODE ARGUMENT...: on the test's scenarios; the report is in $dir/report.
explore()
{
	code=$1
	shift
	"$s2sim" explore "$@" >"$dir/report" 2>"$dir/err"
	found=$?
	[ "$found" -eq "$code" ] || complain "explore $*: expected exit code $code, found $found: $(cat "$dir/err")"
}

deleted="-p x86-6.12+machine=ept -s deleted"
explore 1 $deleted "$dir/test.scn"
sed -n '/^deleted: INV-SLOT/,$p' "$dir/report" >"$dir/table"
explore 1 $deleted --story "$dir/story" --svg "$dir/story.svg" "$dir/test.scn"
grep -q '^ step  v0 ' "$dir/report" && complain "--story: expected no table in the report, found one"
[ -s "$dir/story" ] && diff -B "$dir/story" "$dir/table" >/dev/null ||
	complain "--story: expected the table of the report, found: $(head -3 "$dir/story")"
tail -1 "$dir/story.svg" | grep -qx '</svg>' || complain "--svg: expected a whole picture"
# the program ends with the table as a comment
sed -n '/^ \* deleted: INV-SLOT does not hold at/,/^ \*\/$/p' "$dir/deleted.x86.c" | grep -qx ' \*  step  v0 .*vmm0' ||
	complain "--repro: expected the table at the end"

# nothing is found, nothing is written
explore 0 $deleted --invariants I5 --story "$dir/no-story" --svg "$dir/no.svg" --repro "$dir/no.c" "$dir/test.scn"
ls "$dir" | grep -q '^no[-.]' && complain "no finding: expected no files, found: $(ls "$dir")"

# what cannot be a program is said before anything is explored
sed 's/^op set_region slot=0 gpa=0x4000 size=0 .*/host age map=m0+0x0 len=0x1000 mode=test_young/' \
	"$dir/test.scn" >"$dir/age.scn"
explore 2 $deleted --repro "$dir/no.c" "$dir/age.scn"
grep -q "line 19: expected a line that a program can have (user space cannot call an ageing" "$dir/err" ||
	complain "host age: expected line and reason, found: $(cat "$dir/err")"
[ -e "$dir/no.c" ] && complain "host age: expected no program, found one"
explore 2 $deleted --svg "$dir/none/story.svg" "$dir/test.scn"

# --- Running them.

# run FILE ROUNDS: compiles and runs; the exit code is in $found.
run()
{
	gcc -std=gnu11 -O2 -pthread -o "$dir/program" "$1" 2>"$dir/cc" || { complain "$(cat "$dir/cc")"; return; }
	timeout 300 "$dir/program" "$2" >"$dir/out" 2>&1
	found=$?
}

# seen FILE CODE WORDS: what a run says, if the machine can run it.
seen()
{
	run "$1" 24
	[ "$found" -eq 4 ] && grep -q '^skip: ' "$dir/out" && return
	[ "$found" -eq "$2" ] || complain "$(basename "$1"): expected exit code $2, found $found: $(tail -3 "$dir/out")"
	grep -q -e "$3" "$dir/out" || complain "$(basename "$1"): expected '$3', found: $(tail -3 "$dir/out")"
}

if [ "$(uname -m)" = x86_64 ] && command -v gcc >/dev/null; then
	for name in clear deleted mm params ring; do
		seen "$dir/$name.x86.c" 0 '^verdict: .* nothing seen\.'
	done
	# a log that loses what it is told, and reads that miss what the host has
	sed 's/words\[i\]\.told |= bitmap/words[i].told |= 0 \& bitmap/' "$dir/clear.x86.c" >"$dir/lost.c"
	seen "$dir/lost.c" 1 'lost from the dirty log'
	sed 's/return s->host + (gpa - s->gpa);/return s->host + (gpa - s->gpa) + REAL_PAGE;/' \
		"$dir/clear.x86.c" >"$dir/stale.c"
	seen "$dir/stale.c" 1 'stale mapping'
	# a slot that is not deleted after all
	sed 's/\.memory_size = new\.size,/.memory_size = new.size ? new.size : s->size,/' \
		"$dir/deleted.x86.c" >"$dir/kept.c"
	seen "$dir/kept.c" 1 'no slot is there'
	# without a device it says so
	sed 's|/dev/kvm|/dev/no-kvm|' "$dir/clear.x86.c" >"$dir/none.c"
	run "$dir/none.c" 1
	[ "$found" -eq 4 ] && grep -q '^skip: /dev/no-kvm: ' "$dir/out" ||
		complain "no device: expected exit code 4, found $found: $(cat "$dir/out")"
fi
exit $failed
