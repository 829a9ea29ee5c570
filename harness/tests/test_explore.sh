# SPDX-License-Identifier: Apache-2.0
#
# usage: test_explore.sh S2SIM MOST
#
# The suite of scopes: every scenario of workloads/explore holds, with the same numbers for two threads and, as a
# verdict, with partial-order reduction; every injection is noticed where results/explore/injections.txt says,
# by that invariant, with and without reduction.  Scenarios that have more than MOST
# states (as far as exploring up to there) are left to other builds.

LC_ALL=C
export LC_ALL
s2sim=$1
most=$2
table=results/explore/injections.txt
[ -x "$s2sim" ] && [ "$most" -gt 0 ] && [ -r "$table" ] ||
	{ echo "test_explore: expected the s2sim program, a number, and $table; found '$*'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0
checks=0

complain()
{
	echo "test_explore: $1"
	failed=1
}

# verdicts FILE: a line per scenario with its name, verdict and states; no times
verdicts()
{
	awk '/: policy / { name = $1 } /^  (holds|violated|incomplete)/ { sub(/ transitions.*/, ""); print name, $0 }' "$1"
}

# --- good policies hold

for file in workloads/explore/*.scn; do
	"$s2sim" explore --max-states "$most" "$file" >"$dir/one" || complain "$file: expected no violation, found:
$(grep -A 3 violated "$dir/one")"
	"$s2sim" explore --max-states "$most" --jobs 2 "$file" >"$dir/two"
	verdicts "$dir/one" >"$dir/one.v"
	verdicts "$dir/two" >"$dir/two.v"
	cmp -s "$dir/one.v" "$dir/two.v" || complain "$file: expected the same from two threads, found:
$(diff "$dir/one.v" "$dir/two.v")"
	"$s2sim" explore --max-states "$most" --reduce "$file" >"$dir/two" || complain "$file: --reduce: expected no violation"
	checks=$((checks + $(grep -c 'holds in all' "$dir/one")))
done
good=$checks

# --- each injection is noticed

# file_of SCENARIO
file_of()
{
	grep -l "^scenario name=$1 " workloads/explore/*.scn | head -n 1
}

awk 'NR > 1 && /^[a-z]/ && $1 !~ /^[0-9]/ { print $1, $2, $3, $4 }' "$table" >"$dir/rows"
unnoticed=0
while read -r inject invariant scenario states; do
	# test_inject has a scenario for each; the suite need not have one
	[ "$invariant" != not ] || { unnoticed=$((unnoticed + 1)); continue; }
	[ "$states" -le "$most" ] || continue
	"$s2sim" explore --no-shrink --story /dev/null -s "$scenario" -i "$inject" "$(file_of "$scenario")" >"$dir/one"
	grep -q "^  $invariant: " "$dir/one" || complain "$inject at $scenario: expected $invariant, found:
$(sed -n 2,3p "$dir/one")"
	checks=$((checks + 1))
	[ "$invariant" != INV-PROG ] || continue # endless retries are not looked for with --reduce
	"$s2sim" explore --no-shrink --story /dev/null --reduce -s "$scenario" -i "$inject" "$(file_of "$scenario")" >"$dir/two" &&
		complain "$inject at $scenario: expected a violation with --reduce, found none"
done <"$dir/rows"
"$s2sim" list injections | awk 'NR > 1 { print $1 }' | while read -r inject; do
	grep -q "^$inject " "$dir/rows" || echo "$inject"
done >"$dir/missing"
[ ! -s "$dir/missing" ] || complain "$table: expected every injection, found none of: $(tr '\n' ' ' <"$dir/missing")"

echo "test_explore: $good scenarios hold, $((checks - good)) injections are noticed, $unnoticed not in this suite"
[ "$good" -ge 12 ] || complain "expected a dozen scenarios or more, found $good"
exit $failed
