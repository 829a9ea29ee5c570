# SPDX-License-Identifier: Apache-2.0
#
# usage: test_cli.sh S2SIM
#
# The command's exit codes and messages for right and wrong usage and input, and that a result is
# complete or not there: what an error leaves of an earlier one is all of it.

LC_ALL=C
export LC_ALL
s2sim=$1
[ -x "$s2sim" ] || { echo "test_cli: expected the s2sim program, found '$s2sim'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE TEXT COMMAND...: the exit code, and TEXT in what went to stderr; '': nothing did.
expect()
{
	code=$1
	text=$2
	shift 2
	"$s2sim" "$@" >"$dir/out" 2>"$dir/err"
	found=$?
	if [ "$found" -ne "$code" ]; then
		echo "test_cli: s2sim $*: expected exit code $code, found $found: $(cat "$dir/err")"
		failed=1
	fi
	if [ -z "$text" ] && [ -s "$dir/err" ]; then
		echo "test_cli: s2sim $*: expected no message, found: $(cat "$dir/err")"
		failed=1
	fi
	if [ -n "$text" ] && ! grep -qF -e "$text" "$dir/err"; then
		echo "test_cli: s2sim $*: expected the message '$text', found: $(cat "$dir/err")"
		failed=1
	fi
	if [ "$code" -ge 2 ] && [ -s "$dir/out" ]; then
		echo "test_cli: s2sim $*: expected nothing on stdout, found: $(head -3 "$dir/out")"
		failed=1
	fi
}

complain()
{
	echo "test_cli: $1"
	failed=1
}

# prints TEXT: the last command's stdout has it.
prints()
{
	grep -qF -e "$1" "$dir/out" || complain "expected '$1' on stdout"
}

good=$dir/good.scn
cat >"$good" <<'END'
# about
scenario name=one
host map name=m0 size=0x400000 backing=anon
op set_region slot=0 gpa=0x40000000 size=0x400000 flags=none map=m0+0x0
guest write vcpu=0 gpa=0x40000000 n=2

scenario name=two vcpus=2
host map name=m0 size=0x400000 backing=anon

scenario name=arm arch=arm64
host map name=m0 size=0x400000 backing=anon
END

# --- Usage.
expect 2 'usage: s2sim'
expect 0 '' --help
prints 'exit codes: 0 fine'
expect 0 '' --version
prints 's2sim '
expect 2 "found 'frobnicate'" frobnicate
for command in replay conform list diff-policy; do
	expect 0 '' $command --help
	prints "s2sim $command"
	expect 2 '--frobnicate' $command --frobnicate
done
expect 2 'expected one FILE, found 0' replay
expect 2 'expected one FILE, found 2' replay "$good" "$good"
expect 2 'expected LOG..., found none' conform
expect 2 'expected policies, axes, injections, invariants, profiles [NAME] or scenarios FILE' list
expect 2 "found 'policies x'" list policies x
expect 2 '--level, expected 1 to 4, found 5' conform --level 5 "$good"
expect 2 '--level' conform --level 4x "$good"
expect 2 'Missing argument for --policy' replay --policy
expect 0 '' list policies
prints 'x86-6.12'
prints '  x86-uf-v2              x86-6.12    x86-uf-v2       inv-arch          read-copy    size-4k-at-faultin'
prints '  all: machine=vhe uapi=any-toggle'
expect 0 '' list axes
prints '  page-track=pt-change+movefail'
grep -q 'presets' "$dir/out" && complain "list axes prints the presets, too"
expect 0 '' list injections
prints '  skip-srcu-wait'
expect 0 '' list scenarios "$good"
prints 'one'

# --- Policies compared, with the exit codes of diff.
expect 0 '' diff-policy x86-uf-v2 x86-6.12+machine=ept+userfault=x86-uf-v2
[ ! -s "$dir/out" ] || complain "equal policies differ: $(cat "$dir/out")"
expect 1 '' diff-policy x86-uf-v2 x86-uf-v3
cat >"$dir/diff" <<'END'
--- x86-uf-v2
+++ x86-uf-v3
userfault     x86-uf-v2                  x86-uf-v3
invalidate    inv-arch                   common-hook-v3
bitmap-read   read-copy                  read-plain
size          size-4k-at-faultin         size-4k-at-adjust
END
cmp -s "$dir/out" "$dir/diff" || complain "diff-policy prints something else: $(cat "$dir/out")"
expect 1 '' diff-policy arm64-6.12 x86-6.12
prints 'mmu           -                          tdp'
expect 1 '' diff-policy x86-6.1+page-track=pt-change+movefail x86-6.1
prints 'page-track    pt-change+movefail         pt-flush-slot'
expect 2 'expected two policies, found 1' diff-policy x86-uf-v2
expect 2 "found 'x86-9.9'" diff-policy x86-uf-v2 x86-9.9
expect 2 "found 'mmu=shadow'" diff-policy x86-uf-v2+mmu=shadow x86-uf-v2

# --- Replay: a record, and the same record again from it.
expect 0 '' replay "$good"
prints '# s2sim replay policy=x86-6.12'
prints 'op set_region slot=31 gpa=0xe0000000 size=0x2000 flags=none map=code+0x0'
prints 'guest nop vcpu=1'
grep -q 'name=arm' "$dir/out" && complain "a scenario of another architecture ran"
cp "$dir/out" "$dir/record.txt"
expect 0 '' replay "$dir/record.txt"
cmp -s "$dir/out" "$dir/record.txt" || complain "a record's replay differs from it"
expect 0 '' replay --scenario two "$good"
grep -q 'name=one' "$dir/out" && complain "--scenario ran another one"
expect 0 '' replay --policy arm64-6.12 --scenario arm "$good"
expect 2 "found 'three'" replay --scenario three "$good"
expect 2 'expected a policy of its arch=' replay --scenario arm --policy x86-6.12 "$good"
expect 2 'x86-9.9' replay --policy x86-9.9 "$good"

# --- Findings.
expect 0 '' conform "$dir/record.txt"
prints '100.0%'
expect 0 '' conform --json "$dir/record.txt"
prints '"s2sim.conform/1"'
sed 's/^exit vcpu=0 done$/exit vcpu=0 shutdown/' "$dir/record.txt" >"$dir/wrong.txt"
expect 1 '' conform "$dir/wrong.txt"
prints 'expected: exit vcpu=0 shutdown'
expect 1 '' conform --json --level 1 "$dir/wrong.txt"
prints '"unexplained" : true'
{ cat "$good"; echo 'expect ret 7'; } >"$dir/unmet.scn"
expect 1 "expected 'ret 7'" replay --scenario arm --policy arm64-6.12 "$dir/unmet.scn"
# absent CODE TEXT WORDS: as expect, of a file that ends in `expect no WORDS` after `ret 0`.
absent()
{
	{ cat "$good"; echo "expect no $3"; } >"$dir/absence.scn"
	expect "$1" "$2" replay --scenario arm --policy arm64-6.12 "$dir/absence.scn"
}
absent 1 "expected no 'ret 0', found 'ret 0'" 'ret 0'
absent 1 "expected no 'ret', found 'ret 0'" ret
absent 0 '' trace
prints 'expect no trace'
absent 0 '' 'ret 00'
sed 's/^expect no .*/expect no re/' "$dir/absence.scn" >"$dir/part.scn"
expect 2 "part.scn:12: unknown observation" replay "$dir/part.scn"

# --- Known differences.
cat >"$dir/known" <<'END'
wrong.txt one 1 2 the exit was edited
wrong.txt two 1 1 the exit was edited
END
expect 0 '' conform --known "$dir/known" "$dir/wrong.txt"
prints 'known:    the exit was edited'
expect 0 'not seen in these logs: wrong.txt one level 1' \
	conform --known "$dir/known" "$dir/record.txt"
sed 's/ 1 2 / 1 3 /' "$dir/known" >"$dir/stale"
expect 1 '' conform --known "$dir/stale" "$dir/wrong.txt"
echo 'wrong.txt one 1' >"$dir/known"
expect 2 'known:1: known difference, expected a number' conform --known "$dir/known" "$dir/wrong.txt"
expect 2 "$dir/absent" conform --known "$dir/absent" "$dir/wrong.txt"

# --- Malformed input, one error each; nothing runs, nothing is written.
echo 'an earlier result' >"$dir/result"
# malformed NAME TEXT EDIT: the good file after the sed command EDIT.
malformed()
{
	sed "$3" "$good" >"$dir/$1.scn"
	expect 2 "$dir/$1.scn:$2" replay -o "$dir/result" "$dir/$1.scn"
	expect 2 "$dir/$1.scn:$2" list scenarios "$dir/$1.scn"
}
malformed word "3: unknown word after 'host'" '3s/map/mop/'
malformed key '3: unknown key' '3s/size=/sice=/'
malformed doubled '3: doubled key' '3s/size=/size=1 size=/'
malformed missing "5: missing key 'vcpu='" '5s/vcpu=0//'
malformed number "5: value of 'n'" '5s/n=2/n=2x/'
malformed late '11: unknown mapping' '11s/.*/host munmap map=m1+0x0 len=0x1000/'
malformed vcpu '5: unknown vCPU' '5s/vcpu=0/vcpu=1/'
malformed twice '7: doubled scenario' 's/name=two/name=one/'
tr 'm' '\000' <"$good" >"$dir/nul.scn"
expect 2 'found a NUL byte' replay -o "$dir/result" "$dir/nul.scn"
: >"$dir/empty.scn"
expect 2 'empty.scn:1: empty file' replay -o "$dir/result" "$dir/empty.scn"
expect 2 "$dir/absent.scn: expected a readable" replay -o "$dir/result" "$dir/absent.scn"
expect 2 "$dir: expected a readable" replay -o "$dir/result" "$dir"
sed '$d' "$dir/record.txt" >"$dir/cut.txt"
expect 2 'of a record is not closed' conform "$dir/cut.txt"
expect 2 'of a record is not closed' conform "$dir/record.txt" "$dir/cut.txt"
expect 2 'expected a record, found a scenario file' conform "$good"
sed 's/^# s2sim replay .*/# oracle begin arch=x86 kernel=5.10.0/' \
	"$dir/record.txt" >"$dir/kernel.txt"
expect 2 "found 'x86-5.10'" conform "$dir/kernel.txt"
expect 2 'x86-9.9' replay -o "$dir/result" --policy x86-9.9 "$good"
[ "$(cat "$dir/result")" = 'an earlier result' ] || complain "an earlier result was changed"

# --- Results.
expect 0 '' replay -o "$dir/result" "$good"
[ -s "$dir/out" ] && complain "-o printed to stdout as well"
cmp -s "$dir/result" "$dir/record.txt" || complain "-o wrote another result than stdout"
expect 2 "$dir/no/result" replay -o "$dir/no/result" "$good"
if [ -w /dev/full ]; then
	"$s2sim" replay "$good" >/dev/full 2>"$dir/err"
	[ $? -eq 2 ] || complain "a full disk went unnoticed"
fi
# --- Explorations say what they expect, and counterexamples replay.
cat >"$dir/free.scn" <<'END'
scenario name=deleted vcpus=2 policy=x86-6.12+machine=ept code=0 geom=ept-1x2
host map name=m0 size=0x2000 backing=anon
host map name=m1 size=0x1000 backing=anon
op set_region slot=0 gpa=0x0 size=0x2000 flags=none map=m0+0x0
guest write vcpu=0,1 gpa=0x0 vstride=0x1000
par
op set_region slot=0 gpa=0x0 size=0 flags=none map=m0+0x0
join
expect holds
END
sed 's/^expect.*/expect violated inv=I15/' "$dir/free.scn" >"$dir/broken.scn"
sed 's/^expect.*/expect violated inv=I5,I99/' "$dir/free.scn" >"$dir/unknown.scn"
sed 's/^scenario.*/&\nscope tables=1/' "$dir/free.scn" >"$dir/scope.scn"
expect 0 '' explore "$dir/free.scn"
prints 'as expected'
expect 1 "broken.scn:1: scenario 'deleted': expected I15 violated, found nothing violated" \
	explore "$dir/broken.scn"
expect 1 'expected everything to hold, found I15 violated' explore -i skip-zap "$dir/free.scn"
prints 'not as expected'
expect 1 'expected everything to hold, found that not every order was tried' \
	explore --max-depth 3 "$dir/free.scn"
expect 2 "line 9: expected names that 's2sim list invariants' prints, found 'I99'" \
	explore "$dir/unknown.scn"
expect 2 'found --tables=1 used up' explore "$dir/scope.scn"
expect 0 '' explore --tables 9 "$dir/scope.scn"
expect 0 '' explore -i skip-zap --trace "$dir/trace.scn" "$dir/broken.scn"
prints 'shrunk: 7 lines -> 6, 2 vCPUs -> 1'
expect 0 '' explore -i skip-zap --no-shrink --json "$dir/broken.scn"
prints '"as_expected" : true'
prints '"shrunk" : null'
expect 0 '' explore "$dir/trace.scn"
prints 'as expected'
expect 0 '' replay "$dir/trace.scn"
prints 'deleted: I15 does not hold'
grep -q '^# s2sim replay' "$dir/out" && complain "a schedule was printed as a record"
expect 2 "expected lines that simulated time puts in order, found 'grain'" run "$dir/trace.scn"
sed 's/ inject=skip-zap//' "$dir/trace.scn" >"$dir/mended.scn"
expect 1 'expected I15 violated, found nothing violated' replay "$dir/mended.scn"
sed 's/^sched vmm0/sched mm0/' "$dir/trace.scn" >"$dir/misfit.scn"
expect 2 "misfit.scn:2: scenario 'deleted': line " replay "$dir/misfit.scn"
sed '/^expect/d' "$dir/trace.scn" >"$dir/open.scn"
expect 1 'expected everything to hold, found I15 violated' replay "$dir/open.scn"
sed 's/^expect.*/expect holds/; /^sched/d' "$dir/trace.scn" >"$dir/short.scn"
expect 0 '' replay "$dir/short.scn"
prints 'holds in 0 moves'

# what is no file is written to, and stays what it is
mkfifo "$dir/pipe"
cat "$dir/pipe" >"$dir/piped" &
expect 0 '' explore -o "$dir/pipe" "$dir/free.scn"
if [ -p "$dir/pipe" ]; then
	wait
	grep -q 'holds in all' "$dir/piped" || complain "expected the report through a pipe, found: $(cat "$dir/piped")"
else
	kill $!
	complain "a pipe was replaced by a file"
fi

left=$(find "$dir" -name 'result.*')
[ -z "$left" ] || complain "temporary files are left: $left"

exit $failed
