# SPDX-License-Identifier: Apache-2.0
#
# usage: test_verify.sh S2SIM all | core
#
# The project's ledger of claims: each verdict is what the ledger expects or is explained, verdicts do not come from
# expectations, and turn when the rule that they are about is taken out; counterexamples replay.

LC_ALL=C
export LC_ALL
s2sim=$1
case "$2" in
all) rows=--all ;;
core) rows="T0-01 T0-02 T0-11 T0-12 T1-02 T1-12 T1-18" ;;
*)
	echo "test_verify: expected the s2sim program, then all or core; found '$*'"
	exit 2
	;;
esac
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

complain()
{
	echo "test_verify: $1"
	failed=1
}

# verdicts FILE: "ID VERDICT" of each line
verdicts()
{
	awk '$1 ~ /^[A-Z][0-9]*-[0-9]+$/ { print $1, $2 }' "$1"
}

# shellcheck disable=SC2086  # words
"$s2sim" verify --jobs 2 $rows >"$dir/out" || complain "expected verdicts as expected or explained, found:
$(grep -E 'NOT AS' "$dir/out")"
tail -n 1 "$dir/out"
verdicts "$dir/out" >"$dir/verdicts"

# --- without expectations

mkdir "$dir/bare"
cp workloads/claims/*.scn "$dir/bare/"
for file in workloads/claims/*.yaml; do
	grep -v -E '^  expect:' "$file" >"$dir/bare/${file##*/}"
done
# shellcheck disable=SC2086
"$s2sim" verify --ledger "$dir/bare" $rows >"$dir/out" || complain "without expectations: expected exit code 0, found $?"
verdicts "$dir/out" | cmp -s - "$dir/verdicts" || complain "without expectations: expected the same verdicts, found:
$(verdicts "$dir/out" | diff "$dir/verdicts" -)"

# --- a verdict turns with the rule that it is about

turns=0
while read -r row inject verdict; do
	before=$("$s2sim" verify "$row" T0-17 | awk -v row="$row" '$1 == row { print $2 }')
	after=$("$s2sim" verify --inject "$inject" "$row" T0-17 | awk -v row="$row" '$1 == row { print $2 }')
	[ "$before" != "$after" ] && [ "$after" = "$verdict" ] ||
		complain "$row without $inject: expected $verdict instead of $before, found $after"
	turns=$((turns + 1))
done <<'END'
T0-01 skip-uf-zap FALSE
T0-02 uf-ignored FALSE
T0-04 uf-test-late FALSE
T0-16 skip-zap FALSE
T1-18 uf-ignored FALSE
END

# --- one row in prose, its counterexamples as files, which replay

"$s2sim" verify --report "$dir" T0-01 >"$dir/out"
grep -q '^T0-01: TRUE, as expected' "$dir/out" || complain "expected the row in prose, found '$(head -n 1 "$dir/out")'"
grep -q 'INV-UF does not hold' "$dir/out" || complain "expected a counterexample, found none"
for n in 1; do
	"$s2sim" replay "$dir/T0-01-$n.scn" >"$dir/replayed" || complain "T0-01-$n.scn: expected a trace that replays"
	grep -q 'INV-UF' "$dir/replayed" || complain "T0-01-$n.scn: expected INV-UF, found:
$(cat "$dir/replayed")"
	[ -s "$dir/T0-01-$n.svg" ] && [ -s "$dir/T0-01-$n.txt" ] || complain "T0-01-$n: expected .svg and .txt"
done
grep -q 'T0-01-1.svg' "$dir/index.html" || complain "index.html: expected a link to the diagram"
grep -q '^T0-01: TRUE' "$dir/index.txt" || complain "index.txt: expected the row"
"$s2sim" verify --json T0-01 T0-17 >"$dir/out"
for part in '"schema" : "s2sim.verify/1"' '"verdict" : "TRUE"' '"outcome" : "violated"' '"invariant" : "INV-UF"' \
	'"verdict" : "SKIP"'; do
	grep -q -F "$part" "$dir/out" || complain "--json: expected '$part'"
done

# --- refusals

# refuses MESSAGE ARGUMENT...
refuses()
{
	message=$1
	shift
	"$s2sim" verify "$@" >"$dir/out" 2>"$dir/err"
	code=$?
	[ $code -eq 2 ] || complain "verify $*: expected exit code 2, found $code"
	grep -q -F -- "$message" "$dir/err" || complain "verify $*: expected '$message', found '$(cat "$dir/err")'"
}

refuses "expected claims such as T0-01 or T0, or --all, found none"
refuses "found both" --all T0
refuses "expected claims such as T0-01 or T0, found 'T9-99'" T9-99
refuses "--inject, expected one of 's2sim list injections', found 'none-such'" --inject none-such T0-01
refuses "--jobs, expected a number from 1 to" --jobs 0 T0-01
refuses "$dir/none" --ledger "$dir/none" T0-01
echo "- claim: 1" >"$dir/bare/x.yaml"
refuses "x.yaml:1:3: expected claim, who and says" --ledger "$dir/bare" T0-01

echo "test_verify: $(wc -l <"$dir/verdicts") rows, $turns turn with their rule"
exit $failed
