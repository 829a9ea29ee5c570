#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/designs.sh [S2SIM]
#
# The designs that review threads compared, each question as runs of workloads/timed/designs.scn. Leaves in
# results/designs/ data.csv (one row a run), table.txt and a figure a question, drawn by harness/plot_designs.py from
# data.csv alone. Exits with 2 when something is missing, 1 when a run failed; results are replaced only after all runs.

set -u
cd "$(dirname "$0")/.." || exit 1
s2sim=${1-build/release/s2sim}
python=/usr/bin/python3
results=results/designs
scn=workloads/timed/designs.scn
[ -x "$s2sim" ] && [ $# -le 1 ] || { echo "designs: expected the s2sim program, found '$*' ($s2sim)" >&2; exit 2; }
"$python" -c 'import matplotlib, pandas' 2>/dev/null ||
	{ echo "missing packages: python3-matplotlib python3-pandas" >&2; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# value NAME PHASE: of the last run
value()
{
	sed -n "s/^$2,$1,\([0-9]*\),.*/\1/p" "$dir/run.csv"
}

# run QUESTION ARCH DESIGN X SCENARIO POLICY OPTION...
run()
{
	question=$1 arch=$2 design=$3 x=$4 scenario=$5 policy=$6
	shift 6
	if ! "$s2sim" run -q -p "$policy" -s "$scenario" --csv "$dir/run.csv" "$@" "$scn" >"$dir/out" 2>"$dir/err"; then
		cat "$dir/err" >&2
		echo "designs: '$s2sim run -p $policy -s $scenario $*' failed, nothing in $results/ was changed" >&2
		exit 1
	fi
	echo "$question,$arch,$design,$x,$policy,$(value time change),$(value s2_leaf_removed change),$(value time again),$(value s2_exit_fault again)" \
		>>"$dir/data.csv"
}

# invalidations X OPTION...: every way to make a slot ask, at one point
invalidations()
{
	question=$1 x=$2
	shift 2
	run "$question" x86 "zap all" "$x" invalidate x86-uf-v3+slot-flush=zap-all "$@"
	run "$question" x86 "zap the slot" "$x" invalidate x86-uf-v3+slot-flush=zap-slot-leafs "$@"
	run "$question" x86 selective "$x" invalidate x86-uf-v3+invalidate=inv-selective "$@"
	run "$question" x86 "permission overlay" "$x" invalidate x86-uf-v3+invalidate=perm-reap "$@"
	run "$question" x86 "create only" "$x" create-only x86-uf-v3+uapi=create-only+slot-flush=zap-slot-leafs "$@"
	run "$question" x86 rescan "$x" rescan x86-uf-v3+uapi=rescan-ioctl "$@"
	run "$question" arm64 "zap the slot" "$x" invalidate arm64-sean-rewrite "$@"
	run "$question" arm64 selective "$x" invalidate arm64-sean-rewrite+invalidate=inv-selective "$@"
	run "$question" arm64 "permission overlay" "$x" invalidate arm64-sean-rewrite+invalidate=perm-reap "$@"
	run "$question" arm64 "create only" "$x" create-only arm64-sean-rewrite+uapi=create-only "$@"
	run "$question" arm64 rescan "$x" rescan arm64-sean-rewrite+uapi=rescan-ioctl "$@"
}

echo "question,arch,design,x,policy,change_ps,removed,again_ps,faults" >"$dir/data.csv"
for set in 4 41 410 2048 4096; do
	invalidations "invalidation by share" "$set" -D SET="$set"
done
for mib in 4 8 16 32 64; do
	pages=$((mib * 256))
	invalidations "invalidation by size" "$mib" -D SIZE="${mib}MiB" -D PAGES=$pages -D SET=$((pages / 100))
	for policy in arm64-sean-rewrite arm64-james-v2 arm64-james-flags-only arm64-no-early-return; do
		run "early return" arm64 "$policy" "$mib" early-return $policy -D SIZE="${mib}MiB" -D PAGES=$pages
	done
	for how in rec-zap rec-inplace rec-none; do
		run recovery x86 "$how" "$mib" recovery x86-uf-v3+recovery=$how -D SIZE="${mib}MiB" -D PAGES=$pages
	done
	for how in rec-none rec-unmap-all rec-collapse; do
		run recovery arm64 "$how" "$mib" recovery arm64-sean-rewrite+recovery=$how -D SIZE="${mib}MiB" -D PAGES=$pages
	done
	for order in ms-upstream ms-prepare-first ms-flush-after-prepare; do
		run "order success" x86 $order "$mib" order x86-6.12+machine=ept+order=$order -D SIZE="${mib}MiB" -D PAGES=$pages
		run "order failure" x86 $order "$mib" order x86-6.12+machine=ept+order=$order -D SIZE="${mib}MiB" \
			-D PAGES=$pages -D FAIL=fail=archmeta -D AT=0
	done
done
"$python" harness/plot_designs.py "$dir/data.csv" "$dir/new" || exit 1
mkdir -p $results
cp "$dir/data.csv" "$dir"/new/* $results/
echo "designs: $(($(wc -l <"$dir/data.csv") - 1)) runs, $results/"
