#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/bench.sh [GIB... | spin]
#
# Builds the release preset and prints, for 1, 64 and 1024 GiB of guest memory unless sizes are given, each
# beside plain loops in the same run:
#   tables  the bulk operations of mmu/ (up to 64 GiB), and what a mapped page costs in memory
#   tlb     look-ups, fills and walks of the TLB alone
#   run     the timed driver end to end: accesses, faults and events a second, peak memory
#   spin    `s2sim explore` beside SPIN on a small size; with the word "spin" on all sizes and nothing else
# Ends with what was measured and how. Aims: table operations at most 3 times their loop and 9 bytes a page;
# 45, 40 and 15 million accesses a second of first-level hits, second-level hits and walks over 1 GiB. A line that
# misses its aim ends with "!". Exits with 1 if there is one, 2 when something is missing.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh

[ "$*" != spin ] || exec sh harness/spin/run.sh

s2_setup build bench
mkdir -p build
cmake --preset release >build/bench-build.log 2>&1 &&
	cmake --build --preset release --target bench_mmu bench_tlb bench_run s2sim >>build/bench-build.log 2>&1 ||
	{ cat build/bench-build.log >&2; exit 1; }

[ $# -gt 0 ] || set -- 1 64 1024
small=
for gib in "$@"; do
	[ "$gib" -gt 64 ] 2>/dev/null || small="$small $gib"
done

# shellcheck disable=SC2086  # a list of sizes
{
	if [ -n "$small" ]; then
		build/release/harness/bench_mmu $small || exit
		echo
	fi
	build/release/harness/bench_tlb "$@" || exit
	echo
	build/release/harness/bench_run "$@" || exit
} >build/bench.txt || exit
awk '
	/^tables / { tables = 1 }
	/^$/ { tables = 0 }
	tables && !/^tables / && $NF > (/bytes a page/ ? 9 : 3) { $0 = $0 " !" }
	/!$/ { missed = 1 }
	{ print }
	END { exit missed }' build/bench.txt
status=$?
echo
sh harness/spin/run.sh --quick build/release/s2sim || status=$?
echo
echo "commit $(s2_commit), $(gcc --version | head -n 1)"
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) processors"
exit $status
