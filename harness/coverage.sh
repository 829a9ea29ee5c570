#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/coverage.sh
#
# Lines of each file and folder that the tests execute, by gcc's own gcov.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh
s2_setup build

cmake --preset coverage >&2 || exit 1
cmake --build --preset coverage >&2 || exit 1
# Counters add up over runs: start from zero.
find build/coverage -name '*.gcda' -exec rm -f {} +
ctest --preset coverage >&2
status=$?

# gcov names a file, then its share: "File 'x'", "Lines executed:85.00% of 20". Sources are
# compiled once; headers and tests are left out.
find build/coverage -path '*/CMakeFiles/s2*' -name '*.gcno' | LC_ALL=C sort |
	while read -r notes; do
		gcov -n -r -s "$PWD" "$notes" 2>/dev/null
	done |
	awk -F "'" '
		/^File / { file = $2 }
		/^Lines executed:/ && file ~ /\.c$/ && file !~ /tests\// {
			split($0, part, /[:% ]+/)
			share = part[3]
			lines = part[5]
			hit = int(share * lines / 100 + 0.5)
			printf "%-40s %6d of %6d  %6.1f %%\n", file, hit, lines, share
			folder = file
			sub(/\/.*/, "", folder)
			all_hit[folder] += hit
			all_lines[folder] += lines
			file = ""
		}
		/^Lines executed:/ { file = "" }
		END {
			split("mmu model workloads traces harness", order, " ")
			print ""
			for (i = 1; i <= 5; i++) {
				folder = order[i]
				if (!all_lines[folder])
					continue
				printf "%-40s %6d of %6d  %6.1f %%\n", folder "/", all_hit[folder], \
					all_lines[folder], 100 * all_hit[folder] / all_lines[folder]
			}
		}'
exit $status
