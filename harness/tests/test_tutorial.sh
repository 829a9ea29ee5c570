# SPDX-License-Identifier: Apache-2.0
#
# usage: test_tutorial.sh
#
# The README's tutorial about one's own patch, its commands as they stand there, in a copy of the tree: the planted bug
# must be in the first matrix and in the counterexample, and gone at the end.

LC_ALL=C
export LC_ALL
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

complain()
{
	echo "test_tutorial: $1"
	failed=1
}

awk '/^## / { on = $0 == "## One'"'"'s own patch" } on && sub(/^    /, "") { print }' README.md >"$dir/commands"
[ "$(wc -l <"$dir/commands")" -gt 40 ] || { echo "test_tutorial: expected the tutorial in README.md, found none"; exit 1; }
mkdir "$dir/tree"
git ls-files -z 2>"$dir/err" | xargs -0 -r cp --parents -t "$dir/tree" 2>>"$dir/err"
[ -e "$dir/tree/CMakeLists.txt" ] || cp -r CMakeLists.txt CMakePresets.json README.md harness mmu model traces workloads results "$dir/tree"
cd "$dir/tree" || exit 2
sh -e -x "$dir/commands" >"$dir/out" 2>"$dir/err" || complain "expected commands that end with 0, found:
$(tail -n 20 "$dir/err")"
grep -q '^FLAGS_ONLY uf     log .*I1[01]\|^FLAGS_ONLY uf     log .*INV-DIRTY' "$dir/out" ||
	complain "expected the planted bug in the matrix, found:
$(grep '^[A-Z]' "$dir/out" | head -n 20)"
grep -q 'INV-DIRTY does not hold' "$dir/out" || complain "expected a counterexample"
[ -s my.svg ] || complain "expected a diagram"
[ "$(grep -c 'holds in all' "$dir/out")" -eq 1 ] || complain "expected that the mended patch holds"
tail -n 1 "$dir/out"
exit $failed
