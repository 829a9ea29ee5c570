# SPDX-License-Identifier: Apache-2.0
#
# usage: test_matrix.sh S2SIM
#
# s2sim matrix: the same for any number of threads, --golden notices a change, --diff tells policies apart and gives a
# program that does, and refusals.

LC_ALL=C
export LC_ALL
s2sim=$1
[ -x "$s2sim" ] || { echo "test_matrix: expected the s2sim program, found '$*'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

complain()
{
	echo "test_matrix: $1"
	failed=1
}

# expect CODE ARGUMENT...
expect()
{
	want=$1
	shift
	"$s2sim" matrix "$@" >"$dir/out" 2>"$dir/err"
	code=$?
	[ $code -eq "$want" ] || complain "matrix $*: expected exit code $want, found $code: $(cat "$dir/err")"
}

# prints TEXT: the last one, on stdout
prints()
{
	grep -q -F -- "$1" "$dir/out" || complain "expected '$1', found:
$(tail -n 5 "$dir/out")"
}

# says TEXT: the last one, on stderr
says()
{
	grep -q -F -- "$1" "$dir/err" || complain "expected '$1', found '$(cat "$dir/err")'"
}

good=arm64-sean-rewrite
expect 0 $good
cp "$dir/out" "$dir/one"
expect 0 --jobs 3 $good
cmp -s "$dir/out" "$dir/one" || complain "expected the same table from three threads"
grep -q '^MOVE       log    log    rw  \*       classic,manual,initset ret 0            1024' "$dir/one" ||
	complain "expected the move of a logged slot to remove 1024 leaves, found:
$(grep '^MOVE  *log  *log' "$dir/one")"

# --- a table that was kept

expect 0 --golden "$dir/one" $good
expect 1 --golden "$dir/one" arm64-no-early-return
prints '+FLAGS_ONLY log    uf+log'
sed '5s/ret 0/ret 1/' "$dir/one" >"$dir/changed"
expect 1 --golden "$dir/changed" $good
[ "$(grep -c '^[-+][A-Z]' "$dir/out")" -eq 2 ] || complain "expected one line on each side, found:
$(cat "$dir/out")"
expect 2 --golden "$dir/none" $good
says "$dir/none"

# --- two policies

expect 0 --diff $good arm64-sean-rewrite+invalidate=inv-common-flush
prints ' combinations: 0 can be told apart from outside, 0 more by actions or costs'
expect 1 --diff $good arm64-sean-rewrite+invalidate=inv-none
prints 'the smallest program that tells them apart:'
sed -n '/^scenario/,/^join/p' "$dir/out" >"$dir/program.scn"
"$s2sim" explore --no-shrink --story /dev/null "$dir/program.scn" >"$dir/seen" ||
	complain "expected the program to hold under $good, found:
$(cat "$dir/seen")"

# --- refusals

expect 2
says 'expected one policy, found 0'
expect 2 --diff $good
says 'expected two policies, found 1'
expect 2 no-such
says "found 'no-such'"
expect 2 x86-uf-v3+mmu=tdp
says 'without mmu='
expect 2 --diff $good x86-uf-v3
says 'of one architecture'
expect 2 --jobs 0 $good
says '--jobs, expected a number from 1 to'
expect 2 --golden "$dir/one" --json $good
says 'found --diff or --json'
expect 0 --json $good
prints '"schema" : "s2sim.matrix/1"'

echo "test_matrix: $(tail -n 1 "$dir/one")"
exit $failed
