#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/spin/run.sh [--quick [S2SIM]]
#
# `s2sim explore` beside SPIN: both decide the same small VM (one_slot.pml, harness/spin/one_slot.scn) in
# several sizes, and one table says what it took.  Ratios are against SPIN's plain verifier on the same size.
# Then both have to find rules that were taken out: a model whose assertions cannot fail is no comparison.
# --quick: only the sizes below a million states of SPIN; a test, with S2SIM instead of a release build.
# S2_SPIN_MB bounds the memory of one verifier (12000); the full run needs about 5 GB and half an hour.
# Exits with 0 if all was decided and found, 1 if not, 2 when something is missing (77 if S2SIM is given).

set -u
cd "$(dirname "$0")/../.." || exit 1
. harness/setup.sh
LC_ALL=C
export LC_ALL

quick=no
s2sim=
case "$#:${1-}" in
0:) ;;
1:--quick | 2:--quick)
	quick=yes
	s2sim=${2-}
	;;
*)
	echo "usage: sh harness/spin/run.sh [--quick [S2SIM]]" >&2
	exit 2
	;;
esac

if [ -n "$s2sim" ]; then
	for tool in spin gcc /usr/bin/time; do
		command -v "$tool" >/dev/null || { echo "spin: no $tool"; exit 77; }
	done
else
	s2_setup build bench
	s2sim=build/release/s2sim
	mkdir -p build
	cmake --preset release >build/spin-build.log 2>&1 &&
		cmake --build --preset release --target s2sim >>build/spin-build.log 2>&1 ||
		{ cat build/spin-build.log >&2; exit 1; }
fi

model=$PWD/harness/spin/one_slot.pml
scenarios=harness/spin/one_slot.scn
memory_mb=${S2_SPIN_MB:-12000}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
: >"$work/rows"

# complain WHAT: with the output of what was run last
complain()
{
	echo "spin: $*" >&2
	tail -n 20 "$work/log" >&2
	failed=1
}

# timed COMMAND...: its output to $work/log; wall and CPU seconds and peak memory to $work/cost
timed()
{
	/usr/bin/time -q -o "$work/cost" -f '%e %U %S %M' "$@" >"$work/log" 2>&1
}

# run_pan OPTION...: in $work, where it leaves the path to what it finds
run_pan()
{
	timed sh -c 'cd "$1" && shift && exec ./pan "$@"' sh "$work" "$@"
}

# make_pan "SPIN OPTIONS" "GCC OPTIONS": the verifier, $work/pan
make_pan()
{
	# shellcheck disable=SC2086  # lists of options
	(cd "$work" && spin -a $1 "$model" && gcc -w -DSAFETY -DMEMLIM="$memory_mb" $2 -o pan pan.c) >"$work/log" 2>&1
}

# --- The table.

# row SIZE CHECKER STATES TRANSITIONS: with the costs of what was timed last
row()
{
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$(cat "$work/cost")" >>"$work/rows"
}

# number WORDS: what stands before these words in the log
number()
{
	awk -v words="$1" 'index($0, words) { printf "%.0f", $1; exit }' "$work/log"
}

# by_spin SIZE "DEFINES" CHECKER "GCC OPTIONS"
by_spin()
{
	make_pan "$2" "-O2 $4" || { complain "no verifier for '$1'"; return; }
	run_pan -m100000 "-w$hash_bits"
	if ! grep -q 'errors: 0$' "$work/log" ||
		grep -qE 'search depth too small|MEMLIM|out of memory|search not completed' "$work/log"; then
		complain "SPIN has not verified '$1'"
		return
	fi
	row "$1" "$3" "$(number ' states, stored')" "$(number ' transitions (')"
}

# by_explore SIZE SCENARIO "OPTIONS"
by_explore()
{
	# shellcheck disable=SC2086  # a list of options
	if ! timed "$s2sim" explore --no-progress $3 -s "$2" "$scenarios" ||
		! grep -q '^  holds in all' "$work/log"; then
		complain "explore has not verified '$2'"
		return
	fi
	row "$1" "s2sim $3" \
		"$(sed -n 's/.* holds in all \([0-9]*\) states.*/\1/p' "$work/log")" \
		"$(sed -n 's/.* \([0-9]*\) transitions.*/\1/p' "$work/log")"
}

# size NAME "DEFINES" [SCENARIO]: one size by all checkers; without a scenario by SPIN alone
size()
{
	by_spin "$1" "$2" "SPIN" ""
	by_spin "$1" "$2" "SPIN, COLLAPSE" "-DCOLLAPSE"
	by_spin "$1" "$2" "SPIN, HC4" "-DHC4"
	[ -n "${3-}" ] || return
	by_explore "$1" "$3" "-j 1"
	by_explore "$1" "$3" "-j 2"
	# as SPIN, without orders of steps that commute
	by_explore "$1" "$3" "--reduce"
}

print_table()
{
	awk -F '\t' '
	BEGIN {
		print "                                            a second: M       seconds    MiB  bytes a        ratio to SPIN"
		print "  checker            states  transitions  states trans.    wall    CPU   peak   state   wall    CPU trans./CPU bytes"
	}
	function at_least(seconds) {
		return seconds > 0.01 ? seconds : 0.01
	}
	{
		split($5, cost, " ")
		wall = at_least(cost[1])
		cpu = at_least(cost[2] + cost[3])
		bytes = cost[4] * 1024 / $3
		if ($1 != size) {
			print "\n" $1
			first["wall"] = wall
			first["cpu"] = cpu
			first["bytes"] = bytes
			first["rate"] = $4 / cpu
		}
		size = $1
		printf "  %-14s %10d   %10d  %6.2f %6.2f %7.2f %6.1f %6.0f %7.0f %6.2f %6.2f %10.2f %5.2f\n", $2, $3, $4,
			$3 / wall / 1e6, $4 / wall / 1e6, cost[1], cpu, cost[4] / 1024, bytes,
			wall / first["wall"], cpu / first["cpu"], $4 / cpu / first["rate"], bytes / first["bytes"]
	}' "$work/rows"
}

# --- Rules taken out: BUG_ option of the Promela model, the assertion that must fail, the same by s2sim's --inject.

bugs="NO_RETRY_CHECK FRAME skip-retry-check
CLEAR_EARLY FRAME -
NO_MN_FLUSH FRAME skip-notifier-flush
NO_FLUSH DIRTY skip-harvest-flush
NO_ENABLE_FLUSH DIRTY skip-enable-flush
MARK_EARLY DIRTY -
NO_MARK DIRTY skip-dirty-mark
NO_SRCU_WAIT USERFAULT skip-srcu-wait
NO_ZAP USERFAULT skip-zap
NO_ACK_WAIT USERFAULT -
LOST_ACK PROGRESS -"

# The property whose assertion failed, from what the assertion reads.
property()
{
	sed -n -e '/^pan:1: invalid end state/s/.*/PROGRESS/p' \
		-e '/^pan:1: assertion violated.*must_report/s/.*/DIRTY/p' \
		-e '/^pan:1: assertion violated.*must_trap/s/.*/USERFAULT/p' \
		-e '/^pan:1: assertion violated.*\(frame\|leaf\)/s/.*/FRAME/p' "$work/log"
}

find_bug()
{
	if ! make_pan "-DREADS=0 -DBUG_$1" "-O1"; then
		complain "no verifier with BUG_$1"
		return
	fi
	run_pan -m100000
	found=$(property)
	[ "$found" = "$2" ] || complain "BUG_$1, expected SPIN to find $2 violated, found '$found'"
	states=$(number ' states, stored')
	theirs=-
	if [ "$3" != - ]; then
		timed "$s2sim" explore --no-progress --no-shrink -s spin-host -i "$3" "$scenarios"
		theirs=$(sed -n 's/^  \([A-Z][A-Z0-9-]*\): .*(\([0-9]*\) states)$/\1, \2 states/p' "$work/log")
		[ -n "$theirs" ] || complain "explore --inject $3, expected a violation, found none"
	fi
	printf '%-16s %-9s %7s states   %-20s %s\n' "$1" "$found" "$states" "$3" "$theirs"
}

find_bugs()
{
	echo "A rule taken out (one vCPU and the host): what is found first, and after how many states"
	echo "BUG_...          SPIN, depth first          s2sim explore --inject, breadth first"
	echo "$bugs" | while read -r bug expected inject; do
		find_bug "$bug" "$expected" "$inject"
		[ "$failed" -eq 0 ] || : >"$work/failed"
	done
	[ ! -e "$work/failed" ] || failed=1
}

# Verified and never reached would be verified in vain; the interrupts' loops do not end.
all_reached()
{
	make_pan "-DREADS=0" "-O1" && run_pan -m100000
	[ "$(grep -c '(0 of [0-9]* states)' "$work/log")" -eq 3 ] ||
		complain "expected every statement of the Promela model to be reached"
}

load_before=$(cut -d ' ' -f 1 /proc/loadavg)
hash_bits=24
size "one vCPU and the host (-DREADS=0, spin-host)" "-DREADS=0" spin-host
all_reached
if [ "$quick" = yes ]; then
	by_spin "two vCPUs (-DDISCARDS=0)" "-DDISCARDS=0" "SPIN" ""
else
	size "two vCPUs (-DDISCARDS=0, spin-vcpus)" "-DDISCARDS=0" spin-vcpus
	hash_bits=26
	size "two vCPUs, both pages (-DDISCARDS=0 -DWRITES=2 -DREADS=2, spin-pages)" \
		"-DDISCARDS=0 -DWRITES=2 -DREADS=2" spin-pages
	size "two vCPUs and the host (spin-all)" "" spin-all
	size "two vCPUs and the host, one access more (-DWRITES=2)" "-DWRITES=2"
fi
echo "s2sim explore beside $(spin -V)"
print_table
echo
find_bugs
[ "$quick" = no ] || exit $failed
echo
echo "load average before and after: $load_before, $(cut -d ' ' -f 1 /proc/loadavg); above 2 somebody else computed, too"
echo "commit $(s2_commit), $(gcc --version | head -n 1)"
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) processors"
exit $failed
