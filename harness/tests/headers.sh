# SPDX-License-Identifier: Apache-2.0
#
# usage: headers.sh COMPILER
#
# Every header compiles on its own.

cc=${1:-gcc}
cflags=$(pkg-config --cflags glib-2.0 json-glib-1.0 libxxhash) || exit 1
failed=0
for header in $(find mmu model workloads traces harness -name '*.h' | LC_ALL=C sort); do
	# shellcheck disable=SC2086  # a list of flags
	printf '#include "%s"\n' "$header" |
		"$cc" -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Werror -I. $cflags -fsyntax-only -x c - ||
		{ echo "headers: $header does not compile on its own"; failed=1; }
done
exit $failed
