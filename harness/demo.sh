#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/demo.sh
#
# Installs what is missing, builds, replays the recordings of real kernels in traces/oracle/
# through the model, runs VMs in simulated time and draws what flag transitions cost. Leaves in
# results/timed/ what harness/graphs.sh says, and in results/conformance/:
#   report.txt    the comparison, observation by observation
#   report.json   the same for programs
#   own-mm.txt    the same comparison without the recorded host ranges: the model's own host memory
#   manifest.txt  what it was made with
# Exits 0 also when the model differs from a kernel (the report says where), 2 when something is
# missing, 1 when the build or the comparison itself failed; results are replaced only on 0.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh

sim=build/release/s2sim
results=results/conformance

say()
{
	printf '\n== %s\n' "$*"
}

# quietly LOG COMMAND...: the output only if it fails.
quietly()
{
	log=$1
	shift
	"$@" >"$log" 2>&1 && return
	cat "$log" >&2
	echo "demo: '$*' failed" >&2
	exit 1
}

# replay OUT OPTION...: the comparison of all recordings, to a temporary name. 1 is a finding.
replay()
{
	out=$1
	shift
	"$sim" conform --all-counters --known traces/known-differences.txt "$@" traces/oracle/*.txt traces/oracle/random/*.txt >"$out.new"
	status=$?
	[ "$status" -le 1 ] && return
	rm -f "$results"/*.new
	echo "demo: '$sim conform' exits with $status, nothing in $results/ was changed" >&2
	exit 1
}

manifest()
{
	echo "commit:   $(s2_commit)"
	echo "compiler: $(gcc --version | head -n 1)"
	echo "build:    release"
	echo "command:  s2sim conform --all-counters --known traces/known-differences.txt traces/oracle/*.txt traces/oracle/random/*.txt"
	echo "policies:"
	# second column of the report: the policy that each recording was replayed with
	sed -n 's/^\(traces[^ ]*\)  *\([^ ]*\) .*/  \1 \2/p' "$results/report.txt.new"
}

# total NAME: the last number of that name in the JSON document is that of all recordings.
total()
{
	grep -o "\"$1\" *: *[0-9]*" "$results/report.json" | tail -n 1 | sed 's/.*: *//'
}

say "Packages"
s2_setup build demo
echo "all there"

say "Build"
mkdir -p build
quietly build/demo-configure.log cmake --preset release
quietly build/demo-build.log cmake --build --preset release --target s2sim
[ -x "$sim" ] || { echo "demo: the build left no $sim" >&2; exit 1; }
echo "$sim"

say "Replay of the recordings of real kernels"
mkdir -p "$results"
replay "$results/report.txt"
replay "$results/report.json" --json
replay "$results/own-mm.txt" --own-mm
manifest >"$results/manifest.txt.new"
for file in report.txt report.json own-mm.txt manifest.txt; do
	mv "$results/$file.new" "$results/$file" || exit 1
done
cat "$results/report.txt"

say "Result"
agree=$(total agree)
of=$(total of)
echo "$agree of $of steps agree in every observation that is compared (end of the table)."
if [ "$agree" != "$of" ]; then
	echo "The model differs from a kernel in the rest. That is a finding, not a failure."
fi

say "What flag transitions cost, in simulated time"
"$sim" run -q workloads/timed/timeline.scn -p x86-6.12+machine=ept || exit 1
sh harness/graphs.sh || exit

say "What to look at"
echo "$results/report.txt    per recording and scenario: how many observations agree, the first difference"
echo "$results/report.json   the same, for programs"
echo "$results/own-mm.txt    the same without the host ranges of the records: the model's own host memory"
echo "$results/manifest.txt  commit, compiler, policies"
echo "results/timed/*.png     what toggling dirty logging and KVM Userfault costs, and who waits for whom"
echo "$sim conform traces/oracle/x86-6.12.txt    one recording alone"
echo "$sim run workloads/timed/week.scn          a VM's life in simulated time"
