# SPDX-License-Identifier: Apache-2.0
#
# Rules that no compiler checks, over the whole tree. Prints "file:line: what" for each breach and
# exits with 1 if there is one. Starts in the root of the tree.

LC_ALL=C
export LC_ALL
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

folders="mmu model workloads traces harness"
code=$(find $folders \( -name '*.[ch]' -o -name '*.cpp' \) | sort)
# All we wrote, and all that we ship; build trees and version control are not ours.
text=$(find . \( -name .git -o -name build \) -prune -o -type f -print | sort)

# each MESSAGE: every line that arrives here, "file:line:text", is a breach.
each()
{
	while IFS= read -r line; do
		echo "$line" | sed "s|^\([^:]*:[0-9]*\):\(.*\)|\1: $1: \2|"
	done >>"$out"
}

# --- Includes follow the arrows and start at the root.

# may_include FOLDER FOLDER...: the first may include the others and itself, nothing else of ours.
may_include()
{
	from=$1
	allowed=$(echo "$*" | tr ' ' '|')
	find "$from" \( -name '*.[ch]' -o -name '*.cpp' \) -exec grep -nE '^ *# *include *"' /dev/null {} + |
		grep -vE "include *\"($allowed)/" | each "$from/ may not include this"
}
may_include mmu
may_include model mmu
may_include workloads model mmu
may_include traces model mmu
may_include harness workloads traces model mmu

find $folders \( -name '*.[ch]' -o -name '*.cpp' \) -exec grep -nE '^ *# *include *"([^"]*/)?\.\.?/' /dev/null {} + |
	each "an include starts at the root of the tree"
find mmu -name '*.[ch]' ! -path '*/tests/*' -exec grep -nE '^ *# *include *<(glib|time|pthread)' /dev/null {} + |
	each "mmu/ is pure"

find $folders \( -name '*.[ch]' -o -name '*.cpp' \) ! -name 'sc_*.cpp' -exec grep -nE '^ *# *include *[<]systemc' /dev/null {} + |
	each "only model/sc_*.cpp knows SystemC"

# --- Below harness/ there is no clock, no dice, no environment.

find mmu model workloads traces \( -name '*.[ch]' -o -name '*.cpp' \) ! -path '*/tests/*' \
	-exec grep -nE '(^|[^A-Za-z0-9_>."])(time|rand|srand|random|clock|clock_gettime|gettimeofday|getenv|setlocale|g_get_(monotonic|real)_time|g_random_[a-z_]*) *\(' /dev/null {} + |
	grep -vE '^[^:]*:[0-9]*:[[:space:]]*(\*|/\*)' | each "no clock, dice or environment below harness/"

# --- Sizes. A bare table or flat switch may say NOLINT(readability-function-size) and why.

for file in $code; do
	awk '
	FNR > 800 { if (FNR == 801) print FILENAME ":" FNR ": file longer than 800 lines" }
	/readability-function-size/ { exempt = FNR }
	/^\{/ { start = FNR; head = before }
	/^}/ && start {
		if (FNR - start - 1 > 70 && !(exempt && exempt >= start - 3))
			print FILENAME ":" start ": function longer than 70 lines: " head
		start = 0
		exempt = 0
	}
	{ before = $0 }' "$file"
done >>"$out"

# --- First line, guards.

for file in $code; do
	head -n 1 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
		echo "$file:1: the first line is not the licence line" >>"$out"
	case $file in
	*.h)
		guard=$(echo "$file" | tr 'a-z/.-' 'A-Z___')
		grep -q "^#ifndef $guard\$" "$file" ||
			echo "$file:1: no include guard $guard" >>"$out"
		;;
	esac
done

# --- Every source and every recording is named in its folder's CMakeLists.txt.

for file in $code; do
	folder=${file%%/*}
	name=${file#"$folder"/}
	case $name in
	*.h | patches/*) continue ;; # patches are found by themselves
	tests/*) name=$(basename "$name" .c) ;;
	esac
	grep -qF "$name" "$folder/CMakeLists.txt" ||
		echo "$file:1: not named in $folder/CMakeLists.txt" >>"$out"
done
for file in $(find traces/oracle -name '*.txt' 2>/dev/null | sort); do
	name=${file#traces/oracle/}
	grep -qE "^[[:space:]]*${name%.txt}\$" harness/CMakeLists.txt ||
		echo "$file:1: not named in harness/CMakeLists.txt" >>"$out"
done

# --- Every key of the scenario language is in its description.

for key in $(grep -oE '(NUMBER|CHOICE|OTHER)\("[a-z]+"' model/lang.c | sed 's/.*"\(.*\)"/\1/' | sort -u); do
	grep -qE "(^|[^a-z])$key=" workloads/LANGUAGE.md ||
		echo "workloads/LANGUAGE.md:1: does not describe the key $key=" >>"$out"
done

# --- Nothing left undone, nothing of one machine. (The words are taken apart: this file is read too.)

for file in $code $(find harness .ci \( -name '*.sh' -o -name '*.cmake' -o -name run \) | sort) $(find . -name CMakeLists.txt | grep -v '^./build/'); do
	grep -nE "(TO""DO|FIX""ME|XX""X)([^A-Za-z]|\$)" /dev/null "$file" | each "left undone"
done
for file in $text; do
	grep -nIE "(^|[^A-Za-z0-9_.])/(ho""me|ro""ot|wo""rk|Us""ers|t""mp)/" /dev/null "$file" |
		each "a path of one machine"
done

sort -u -o "$out" "$out"
cut -c 1-200 "$out"
[ ! -s "$out" ]
