# SPDX-License-Identifier: Apache-2.0
#
# Sourced, from the root of the tree: . harness/setup.sh
#
#   s2_setup GROUP...   makes sure that the packages of these groups (harness/packages.txt) are
#                       installed. Installs what is missing when it may; otherwise names it and
#                       exits with 2. With nothing missing, apt is not called at all.
#   s2_commit           prints the commit of the tree, "+changes" after it if it was changed.
#
# S2_PACKAGES names another list, for the tests of this file.

s2_missing_packages()
{
	for s2_group in "$@"; do
		sed -n "s/^$s2_group  *\([^ ]*\).*/\1/p" "${S2_PACKAGES:-harness/packages.txt}"
	done | sort -u | while read -r s2_package; do
		s2_status=$(dpkg-query -W -f '${db:Status-Status}' "$s2_package" 2>/dev/null)
		[ "$s2_status" = installed ] || printf '%s ' "$s2_package"
	done
}

s2_install()
{
	export DEBIAN_FRONTEND=noninteractive
	apt-get -o DPkg::Lock::Timeout=120 update >&2 &&
		apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" >&2
}

s2_setup()
{
	if ! command -v dpkg-query >/dev/null; then
		echo "setup: no dpkg on this system: cannot tell whether the packages of" \
			"${S2_PACKAGES:-harness/packages.txt} are there, going on" >&2
		return 0
	fi
	s2_missing=$(s2_missing_packages "$@")
	[ -n "$s2_missing" ] || return 0
	s2_missing=${s2_missing% }

	if [ "$(id -u)" -eq 0 ]; then
		echo "setup: installing $s2_missing" >&2
		# shellcheck disable=SC2086  # a list of names
		s2_install $s2_missing || echo "setup: apt-get failed" >&2
		s2_missing=$(s2_missing_packages "$@")
		[ -n "$s2_missing" ] || return 0
		s2_missing=${s2_missing% }
	fi
	echo "missing packages: $s2_missing; install them with:" \
		"apt-get install --no-install-recommends $s2_missing" >&2
	exit 2
}

s2_commit()
{
	# -c: the tree may belong to somebody else, which git refuses otherwise.
	if command -v git >/dev/null && s2_head=$(git -c safe.directory='*' rev-parse --verify -q HEAD); then
		s2_changes=$(git -c safe.directory='*' status --porcelain -- . ':!results')
		echo "$s2_head${s2_changes:++changes}"
		return
	fi
	# No git here: follow HEAD by hand.
	s2_head=$(cat .git/HEAD 2>/dev/null) || s2_head=unknown
	case $s2_head in
	"ref: "*)
		s2_ref=${s2_head#ref: }
		s2_head=$(cat ".git/$s2_ref" 2>/dev/null ||
			sed -n "s|^\([0-9a-f]*\) $s2_ref\$|\1|p" .git/packed-refs 2>/dev/null)
		;;
	esac
	echo "${s2_head:-unknown}"
}
