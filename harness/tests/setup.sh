# SPDX-License-Identifier: Apache-2.0
#
# Tests harness/setup.sh with stand-ins for dpkg-query, apt-get and id: nothing is installed.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin"
printf 'build there\nbuild gone\ntest gone-too\ndemo there\n' >"$dir/packages.txt"

cat >"$dir/bin/dpkg-query" <<'EOF'
#!/bin/sh
for package; do :; done
grep -qx "$package" "$STATE/installed" && printf installed
EOF
# What apt-get "installs" is there afterwards, unless the network is said to be down.
cat >"$dir/bin/apt-get" <<'EOF'
#!/bin/sh
echo "$*" >>"$STATE/calls"
[ -e "$STATE/offline" ] && exit 100
for package; do echo "$package" >>"$STATE/installed"; done
EOF
cat >"$dir/bin/id" <<'EOF'
#!/bin/sh
cat "$STATE/uid"
EOF
chmod +x "$dir"/bin/*

failed=0

# run UID GROUP...: a fresh machine; leaves exit status and messages behind.
run()
{
	echo "$1" >"$dir/uid"
	shift
	echo there >"$dir/installed"
	: >"$dir/calls"
	(
		STATE=$dir
		PATH=$dir/bin:$PATH
		S2_PACKAGES=$dir/packages.txt
		export STATE PATH S2_PACKAGES
		. harness/setup.sh
		s2_setup "$@"
	) 2>"$dir/messages"
	status=$?
}

# expect WHAT CONDITION...
expect()
{
	what=$1
	shift
	"$@" && return
	echo "setup: $what: expected '$*'; exit status $status, messages:"
	cat "$dir/messages"
	failed=1
}

run 0 demo
expect "nothing missing" [ "$status" -eq 0 ]
expect "nothing missing: apt-get is left alone" [ ! -s "$dir/calls" ]

run 1000 build test
expect "missing, not root" [ "$status" -eq 2 ]
expect "missing, not root: apt-get is left alone" [ ! -s "$dir/calls" ]
expect "missing, not root: names what is missing, and how to get it" grep -qx \
	"missing packages: gone gone-too; install them with: apt-get install --no-install-recommends gone gone-too" \
	"$dir/messages"

run 0 build test
expect "missing, root" [ "$status" -eq 0 ]
expect "missing, root: installs just that" grep -q "install -y --no-install-recommends gone gone-too$" "$dir/calls"

: >"$dir/offline"
run 0 build
expect "missing, root, no network" [ "$status" -eq 2 ]
expect "missing, root, no network: names what is missing" grep -q "^missing packages: gone;" "$dir/messages"

exit $failed
