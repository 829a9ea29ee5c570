# SPDX-License-Identifier: Apache-2.0
#
# usage: test_trace.sh S2SIM STATES STRIDE
#
# Counterexamples replay: every scenario of workloads/explore is explored with every injection, with at most about
# STATES states; what is found is written by --trace, and 's2sim replay' of it makes as many moves and comes to
# the same invariant.  Of the combinations only every STRIDEth is tried.

LC_ALL=C
export LC_ALL
s2sim=$1
states=$2
stride=$3
[ -x "$s2sim" ] && [ "$states" -gt 0 ] && [ "$stride" -gt 0 ] ||
	{ echo "test_trace: expected the s2sim program and two numbers, found '$*'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0
tried=0
found=0

complain()
{
	echo "test_trace: $1"
	failed=1
}

# verdicts FILE: "INVARIANT MOVES" of a report of explore or of replay.
verdicts()
{
	sed -n 's/^  \([A-Z0-9-]*\): .*, after \([0-9]*\) moves.*/\1 \2/p' "$1"
}

# check FILE SCENARIO INJECTION [OPTION]
check()
{
	rm -f "$dir/trace.scn"
	"$s2sim" explore --max-states "$states" -s "$2" -i "$3" $4 --trace "$dir/trace.scn" "$1" >"$dir/report" 2>"$dir/err"
	code=$?
	[ "$code" -le 1 ] || complain "explore -s $2 -i $3 $1: expected exit code 0 or 1, found $code: $(cat "$dir/err")"
	[ "$code" -eq 1 ] || return
	# what the set-up breaks, in its one order, has no schedule
	[ -e "$dir/trace.scn" ] || ! grep -q 'before the first `par`' "$dir/report" || return
	found=$((found + 1))
	"$s2sim" replay "$dir/trace.scn" >"$dir/replayed" 2>"$dir/err" ||
		complain "$2 $3 $4: expected a trace that replays, found exit code $?: $(cat "$dir/err")"
	verdicts "$dir/report" | head -n 1 >"$dir/expected"
	verdicts "$dir/replayed" | cmp -s - "$dir/expected" ||
		complain "$2 $3 $4: expected '$(cat "$dir/expected")', found '$(verdicts "$dir/replayed")'"
}

"$s2sim" list injections | awk 'NR > 1 { print $1, $3 }' >"$dir/injections"
for file in workloads/explore/*.scn; do
	"$s2sim" list scenarios "$file" | awk '{ print $1 }' >"$dir/scenarios"
	while read -r scenario; do
		while read -r injection where; do
			case "$scenario:$where" in
			arm-*:x86) continue ;;
			arm-*) ;;
			*:arm64) continue ;;
			esac
			tried=$((tried + 1))
			[ $((tried % stride)) -eq 0 ] && check "$file" "$scenario" "$injection"
		done <"$dir/injections"
	done <"$dir/scenarios"
done
# as it was found, and to the end of what can be: some
check workloads/explore/slot.scn slot-delete skip-zap --no-shrink
check workloads/explore/log.scn log-pml skip-dirty-mark --keep-going
echo "test_trace: $found counterexamples in $tried combinations, every $stride. of them"
[ "$found" -ge 10 ] || complain "expected at least 10 counterexamples, found $found"
exit $failed
