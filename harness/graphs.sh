#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh harness/graphs.sh
#
# Builds, runs the scenarios of workloads/timed/ and draws the results. Leaves in results/timed/:
#   data/*.csv    what was measured, units in the names of the columns
#   manifest.txt  what it was made with, each command
#   *.svg, *.png  the figures, drawn by harness/plot.py from data/ alone
# S2SIM=FILE takes that command and builds nothing. The whole documents stay in build/graphs/.
# Exits with 2 when something is missing, 1 when the build or a run failed; results are replaced
# only after all runs.

set -u
cd "$(dirname "$0")/.." || exit 1
. harness/setup.sh

sim=${S2SIM:-build/release/s2sim}
python=/usr/bin/python3 # Debian's own: another one on PATH sees none of Debian's modules
raw=build/graphs
results=results/timed
timed=workloads/timed

x86="-p x86-6.12+machine=ept --profile intel-cascadelake"
x86_uf="-p x86-uf-v3+machine=ept --profile intel-cascadelake"
arm64="-p arm64-6.12 --profile ampere-altra"
arm64_uf="-p arm64-sean-rewrite --profile ampere-altra"
eager="-D CHUNK=2MiB"

sizes="1 2 4 8 16 32 64"
sizes_4k="1 2 4" # each GiB populates with 262,144 faults, a second or so of this machine's time
sample=20ms

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
	echo "graphs: '$*' failed" >&2
	exit 1
}

# run KIND ARCH MAPPING SPLIT GIB OPTION...: one run, $raw/KIND-ARCH-MAPPING-SPLIT-GIB.json, and its
# line in $raw/runs.tsv.
run()
{
	id=$1-$2-$3-$4-$5
	printf '%s\t%s\t%s\t%s\t%s\t%s\t' "$id" "$1" "$2" "$3" "$4" "$5" >>"$raw/runs.tsv"
	shift 5
	printf 's2sim run %s\n' "$*" >>"$raw/runs.tsv"
	if ! "$sim" run -q --json -o "$raw/$id.json" "$@" 2>"$raw/run.log"; then
		cat "$raw/run.log" >&2
		echo "graphs: '$sim run $*' failed, nothing in $results/ was changed" >&2
		exit 1
	fi
}

# toggle SCENARIO ARCH MAPPING SPLIT "SIZES" OPTION...: the slot populated with pages of one size.
toggle()
{
	scenario=$1 arch=$2 mapping=$3 split=$4 slots=$5
	shift 5
	case $mapping in
	4K) backing=anon stride=4KiB per_gib=262144 ;;
	2M) backing=huge2m stride=2MiB per_gib=512 ;;
	1G) backing=huge1g stride=1GiB per_gib=1 ;;
	esac
	for gib in $slots; do
		quarter=$((gib * 256))MiB
		touches=$((gib * per_gib / 4))
		# Slots of less than a page a vCPU: all vCPUs touch the same pages.
		[ "$touches" -gt 0 ] || touches=1
		run "toggle-$scenario" "$arch" "$mapping" "$split" "$gib" \
			"$timed/toggle.scn" -s "$scenario" "$@" -D SIZE="${gib}GiB" -D QUARTER="$quarter" \
			-D PAGES=$((gib * 262144)) -D BACKING="$backing" -D STRIDE="$stride" -D TOUCHES="$touches"
	done
}

# shellcheck disable=SC2086  # lists of options
toggles()
{
	toggle log x86 4K - "$sizes_4k" $x86
	toggle log x86 2M eager "$sizes" $x86
	toggle log x86 1G eager "$sizes" $x86
	toggle log arm64 4K - "$sizes_4k" $arm64
	toggle log arm64 2M fault "$sizes" $arm64
	toggle log arm64 2M eager "$sizes" $arm64 $eager
	toggle userfault x86 4K - "$sizes_4k" $x86_uf
	toggle userfault x86 2M - "$sizes" $x86_uf
	toggle userfault x86 1G - "$sizes" $x86_uf
	toggle userfault arm64 4K - "$sizes_4k" $arm64_uf
	toggle userfault arm64 2M - "$sizes" $arm64_uf
}

# shellcheck disable=SC2086
timelines()
{
	run timeline x86 2M - 0 "$timed/timeline.scn" $x86 --timeline "$raw/timeline-x86.csv"
	run timeline arm64 2M eager 0 "$timed/timeline.scn" $arm64 $eager \
		--timeline "$raw/timeline-arm64.csv"
}

# shellcheck disable=SC2086
weeks()
{
	run week x86 thp - 64 "$timed/week.scn" $x86_uf --heat "$raw/heat-x86.csv" --sample "$sample"
	run week arm64 thp eager 64 "$timed/week.scn" $arm64_uf $eager \
		--heat "$raw/heat-arm64.csv" --sample "$sample"
}

manifest()
{
	echo "commit:   $(s2_commit)"
	echo "compiler: $(gcc --version | head -n 1)"
	if [ -z "${S2SIM:-}" ]; then
		echo "build:    release"
	else
		echo "build:    none, S2SIM named the command"
	fi
	for package in python3-matplotlib python3-pandas; do
		echo "package:  $package $(dpkg-query -W -f '${Version}' "$package" 2>/dev/null)"
	done
	sed -n 's/^.*"seed" *: *\([0-9]*\).*/seed:     \1/p' "$raw"/*.json | sort -u
	sed -n 's/^.*"profile" *: *"\([^"]*\)".*/profile:  \1/p' "$raw"/*.json | sort -u
	sed -n 's/^.*"policy" *: *"\([^"]*\)".*/policy:   \1/p' "$raw"/*.json | sort -u
	echo "commands:"
	sed '1d; s/^.*\t/  /' "$raw/runs.tsv"
}

say "Packages"
s2_setup build demo
"$python" -c 'import matplotlib, pandas' 2>/dev/null ||
	{ echo "missing packages: python3-matplotlib python3-pandas" >&2; exit 2; }
echo "all there"

mkdir -p "$raw"
if [ -z "${S2SIM:-}" ]; then
	say "Build"
	quietly build/graphs-configure.log cmake --preset release
	quietly build/graphs-build.log cmake --build --preset release --target s2sim
fi
[ -x "$sim" ] || { echo "graphs: no command '$sim'" >&2; exit 2; }

rm -f "$raw"/*.json "$raw"/*.csv
printf 'run\tkind\tarch\tmapping\tsplit\tgib\tcommand\n' >"$raw/runs.tsv"
say "One flag toggled on slots of $sizes GiB (4K: $sizes_4k)"
toggles
say "Who waits for whom"
timelines
say "A VM's life, x86 and arm64"
weeks

say "Figures"
mkdir -p "$results/data"
"$python" harness/plot.py --collect "$raw" --data "$results/data" || exit
manifest >"$results/manifest.txt.new" && mv "$results/manifest.txt.new" "$results/manifest.txt" || exit 1
"$python" harness/plot.py --data "$results/data" --out "$results" || exit
ls "$results"/*.svg "$results"/*.png
