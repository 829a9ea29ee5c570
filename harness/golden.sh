#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/golden.sh [--update] [S2SIM]
#
# The flag-transition matrices of all presets beside the tables in results/matrix/. Exits with 1 if one has changed, and
# prints the lines. --update writes them anew, to be committed with the change that they show.

set -u
cd "$(dirname "$0")/.." || exit 1
update=no
if [ "${1-}" = --update ]; then
	update=yes
	shift
fi
s2sim=${1-build/release/s2sim}
[ -x "$s2sim" ] && [ $# -le 1 ] || { echo "golden: expected the s2sim program, found '$*' ($s2sim)" >&2; exit 2; }
jobs=$(nproc)
failed=0
n=0
for policy in $("$s2sim" list policies | awk '$1 == "presets" { p = 1; next } p && /^  [a-z]/ { print $1 } p && !/^ / { exit }'); do
	file=results/matrix/$policy.txt
	n=$((n + 1))
	if [ $update = yes ]; then
		"$s2sim" matrix --jobs "$jobs" -o "$file" "$policy" || failed=1
	else
		"$s2sim" matrix --jobs "$jobs" --golden "$file" "$policy" || failed=1
	fi
done
echo "golden: $n presets"
[ $n -ge 9 ] || { echo "golden: expected nine presets or more"; failed=1; }
exit $failed
