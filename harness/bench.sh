#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/bench.sh [GIB...]
#
# Builds the release preset and prints how fast the bulk operations of mmu/ are beside plain loops,
# and what a mapped page costs in memory; 1 and 64 GiB of guest memory unless sizes are given.
# Ends with what was measured and how. Aims: at most 3 times the loop, at most 9 bytes a page; a
# line that misses its aim ends with "!". Exits with 1 if there is one, 2 when something is missing.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh

bench=build/release/harness/bench_mmu

s2_setup build
mkdir -p build
cmake --preset release >build/bench-build.log 2>&1 &&
	cmake --build --preset release --target bench_mmu >>build/bench-build.log 2>&1 ||
	{ cat build/bench-build.log >&2; exit 1; }

"$bench" "$@" >build/bench.txt || exit
awk '
	NR > 1 && $NF > (/bytes a page/ ? 9 : 3) { $0 = $0 " !"; missed = 1 }
	{ print }
	END { exit missed }' build/bench.txt
status=$?
echo
echo "commit $(s2_commit), $(gcc --version | head -n 1)"
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) processors"
exit $status
