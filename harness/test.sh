#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/test.sh [--quick]
#
# Everything that is checked on a change, in stages; a stage that fails does not stop the later
# ones. --quick is only the gcc build with sanitizers and its tests. Ends with a summary and the
# line "N passed, N failed", which counts stages and the tests that ctest ran in them.
# Exits with 0 if nothing failed, 1 if something did, 2 on bad usage or missing packages.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh

quick=no
case "$#:${1-}" in
0:) ;;
1:--quick) quick=yes ;;
*)
	echo "usage: sh harness/test.sh [--quick]" >&2
	exit 2
	;;
esac

jobs=$(nproc)
folders="mmu model workloads traces harness"
began=$(date +%s)
passed=0
failed=0
skipped=0
summary=
mkdir -p build
log=build/test-stage.log

# --- Stages: each a function that fails if what it checks does.

# One line per file: the places themselves are mended by clang-format -i.
format_check()
{
	find $folders \( -name '*.[ch]' -o -name '*.cpp' \) -exec clang-format-14 --dry-run -Werror {} + >build/format.log 2>&1 &&
		return
	awk -F : '/error: code should be clang-formatted/ {
			if (!places[$1]++)
				first[$1] = $2
		}
		END {
			for (file in places)
				print file ":" first[file] ": not in format, here and in " \
					places[file] - 1 " more places: clang-format-14 -i " file
		}' build/format.log | LC_ALL=C sort
	grep -v 'code should be clang-formatted' build/format.log | grep 'error:'
	return 1
}

# build_and_test PRESET [CTEST OPTION...]
build_and_test()
{
	preset=$1
	shift
	cmake --preset "$preset" && cmake --build --preset "$preset" &&
		ctest --preset "$preset" -j "$jobs" "$@"
}

cppcheck_check()
{
	mkdir -p build/cppcheck
	cppcheck -q -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr \
		--library=gtk --library=harness/cppcheck.cfg --error-exitcode=1 --cppcheck-build-dir=build/cppcheck -I . $folders
}

# The compile commands of the clang build know every file, fuzz targets included. The largest
# files go first, so that the processors finish together.
clang_tidy_check()
{
	sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/dev-clang/compile_commands.json | sort -u |
		xargs -r -d '\n' ls -S |
		xargs -r -d '\n' -n 1 -P "$jobs" clang-tidy-14 -p build/dev-clang --quiet >build/clang-tidy.log 2>&1
	tidy_status=$?
	# How much it suppressed in headers of others is of no interest.
	grep -vE '^[0-9]+ warnings?( and [0-9]+ errors?)? generated\.$' build/clang-tidy.log
	return $tidy_status
}

# Runs in simulated time give the same bytes whatever compiler built the program, and optimised or not.
same_bytes_check()
{
	differ=0
	for run in "timeline.scn -p x86-6.12+machine=ept" "timeline.scn -p arm64-6.12 -D CHUNK=2MiB" \
		"timeline.scn -p x86-7.2 --profile amd-genoa --seed 7" \
		"toggle.scn -s userfault -p arm64-sean-rewrite -D SIZE=256MiB -D QUARTER=64MiB -D TOUCHES=32 -D PAGES=65536"; do
		for preset in dev dev-clang release; do
			# shellcheck disable=SC2086  # words of a command line
			"build/$preset/s2sim" run --json -o "build/same.$preset" workloads/timed/$run || differ=1
		done
		if cmp build/same.dev build/same.dev-clang && cmp build/same.dev build/same.release; then
			echo "$run: the same bytes from three builds"
		else
			differ=1
		fi
	done
	return $differ
}

# --- Running and counting them.

# count_tests: adds the counts of ctest's closing lines in the log of the stage.
count_tests()
{
	closing=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests* failed out of \([0-9]*\)$/\1 \2/p' "$log")
	[ -n "$closing" ] || return 0
	stage_failed=${closing% *}
	stage_skipped=$(grep -cE '\*\*\*(Skipped|Not Run \(Disabled\))' "$log")
	stage_passed=$((${closing#* } - stage_failed - stage_skipped))
	passed=$((passed + stage_passed))
	failed=$((failed + stage_failed))
	skipped=$((skipped + stage_skipped))
	note="$stage_passed tests passed, $stage_failed failed, $stage_skipped skipped"
}

# stage NAME COMMAND...
stage()
{
	name=$1
	shift
	printf '\n== %s\n' "$name"
	from=$(date +%s)
	: >"$log"
	note=
	# The status goes through a file: that of a pipe is tee's.
	{
		"$@" 2>&1
		echo $? >"$log.status"
	} | tee "$log"
	if [ "$(cat "$log.status")" -eq 0 ]; then
		verdict=passed
		passed=$((passed + 1))
	else
		verdict=FAILED
		failed=$((failed + 1))
	fi
	count_tests
	line=$(printf '%-40s %-6s %4d s  %s' "$name" "$verdict" $(($(date +%s) - from)) "$note")
	echo "-- $line"
	summary="$summary$line
"
}

if [ "$quick" = yes ]; then
	s2_setup build
	stage "gcc with sanitizers" build_and_test dev
else
	s2_setup build demo bench test
	stage "format" format_check
	stage "gcc with sanitizers" build_and_test dev
	stage "clang with sanitizers, fuzz targets" build_and_test dev-clang
	stage "cppcheck" cppcheck_check
	stage "clang-tidy" clang_tidy_check
	stage "release: recordings, all scopes" build_and_test release -L "conformance|scopes"
	stage "matrices of the presets" sh harness/golden.sh build/release/s2sim
	stage "the same bytes from every build" same_bytes_check
fi

printf '\n== Summary after %d s\n' $(($(date +%s) - began))
printf '%s' "$summary"
[ "$skipped" -eq 0 ] || echo "$skipped tests were skipped: they need what this machine has not"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
