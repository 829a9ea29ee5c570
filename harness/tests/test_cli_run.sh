# SPDX-License-Identifier: Apache-2.0
#
# usage: test_cli_run.sh S2SIM
#
# s2sim run: exit codes and messages, that results come out the same in every format and are complete or
# not there, and that they do not depend on where the program lies in memory.

LC_ALL=C
export LC_ALL
s2sim=$1
[ -x "$s2sim" ] || { echo "test_cli_run: expected the s2sim program, found '$s2sim'"; exit 2; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

complain()
{
	echo "test_cli_run: $1"
	failed=1
}

# expect CODE TEXT OPTION...: the exit code of `s2sim run`, and TEXT in what went to stderr; '': nothing.
expect()
{
	code=$1
	text=$2
	shift 2
	"$s2sim" run "$@" >"$dir/out" 2>"$dir/err"
	found=$?
	[ "$found" -eq "$code" ] || complain "$*: expected exit code $code, found $found: $(cat "$dir/err")"
	[ -n "$text" ] || [ ! -s "$dir/err" ] || complain "$*: expected no message, found: $(cat "$dir/err")"
	grep -qF -e "$text" "$dir/err" || [ -z "$text" ] ||
		complain "$*: expected the message '$text', found: $(cat "$dir/err")"
	[ "$code" -lt 2 ] || [ ! -s "$dir/out" ] || complain "$*: expected nothing on stdout"
}

prints()
{
	grep -qF -e "$1" "$dir/out" || complain "expected '$1' on stdout"
}

good=$dir/good.scn
cat >"$good" <<'END'
scenario name=one arch=both vcpus=2 code=0 trace=0
host map name=m0 size=${SIZE=4MiB} backing=anon
op set_region slot=0 gpa=0 size=${SIZE=4MiB} flags=none map=m0+0
phase name=touch
guest write vcpu=0-1 gpa=0 n=512 vstride=2MiB
phase name=log
par
guest write vcpu=0-1 gpa=0 over=2MiB pattern=uniform vstride=2MiB until=join
op set_region slot=0 gpa=0 size=${SIZE=4MiB} flags=log map=m0+0 delay=10us
op get_dirty slot=0 delay=50us
join

scenario name=two arch=arm64 vcpus=1 code=0
host map name=m0 size=4MiB backing=anon
END

# --- Usage and input.
expect 0 '' --help
prints 's2sim run [OPTION'
expect 2 '--frobnicate' --frobnicate
expect 2 'operands, expected one FILE, found 0'
expect 2 "$dir/absent.scn: expected a readable" "$dir/absent.scn"
expect 2 'found several: one two' -p arm64-6.12 "$good"
expect 2 'for policy' -p arm64-6.12 -s three "$good"
expect 2 "found 'x86-9.9'" -p x86-9.9 "$good"
expect 2 "found \"cray\"" --profile cray "$good"
expect 2 "$dir/absent.yaml" --profile "$dir/absent.yaml" "$good"
expect 2 "expected one of the policy's architecture" --profile ampere-altra "$good"
expect 2 "--seed, expected a number, found 'x'" --seed x "$good"
expect 2 "--quantum, expected a duration such as 10us, found '10'" --quantum 10 "$good"
expect 2 '--heat and --sample, expected both' --heat "$dir/heat" "$good"
expect 2 '--heat and --sample, expected both' --sample 1us "$good"
expect 2 "-D, expected NAME=VALUE, found 'SIZE'" -D SIZE "$good"
expect 2 "found 'OTHER'" -D OTHER=1 "$good"
expect 2 "value of 'size'" -D SIZE=x "$good"
sed 's/SIZE=4MiB/SIZE/' "$good" >"$dir/undefined.scn"
expect 2 "undefined.scn:2: value from outside" "$dir/undefined.scn"
sed 's/^join$//' "$good" >"$dir/open.scn"
expect 2 "'par' is not closed" "$dir/open.scn"
sed 's/over=2MiB/file=absent/' "$good" | sed 's/pattern=uniform//' >"$dir/file.scn"
expect 2 'line 8: absent: expected a readable access trace' -s one "$dir/file.scn"
echo 'guest spin vcpu=0' | cat "$good" - | sed '/name=two/,/anon/d' >"$dir/spin.scn"
expect 2 'expected accesses with until=join' "$dir/spin.scn"
sed 's/arch=both/arch=both chunk=0x200000/' "$good" >"$dir/chunk.scn"
expect 2 'capabilities: expected' -p x86-6.12 "$dir/chunk.scn"
"$s2sim" replay -p x86-6.12 -s one "$good" >/dev/null 2>"$dir/err"
grep -qF "which 's2sim run' has, found 'par'" "$dir/err" || complain "replay runs a par block: $(cat "$dir/err")"

# --- Results: nothing half-written, the same numbers everywhere.
echo 'an earlier result' >"$dir/csv"
expect 2 "found 'x86-9.9'" -p x86-9.9 --csv "$dir/csv" "$good"
[ "$(cat "$dir/csv")" = 'an earlier result' ] || complain "an earlier result was changed"
expect 2 "$dir/no/out" -p x86-6.12 -o "$dir/no/out" "$good"
expect 2 "$dir/no/db" -p x86-6.12 --db "$dir/no/db" "$good"
expect 0 '' -p x86-6.12 --profile intel-icelake --json --csv "$dir/csv" --db "$dir/db" \
	--timeline "$dir/timeline" --heat "$dir/heat" --sample 20us "$good"
prints '"schema" : "s2sim.run/1"'
prints '"profile" : "intel-icelake"'
cp "$dir/out" "$dir/json"
ns=$(sed -n 's/^.*"time_ns" : \([0-9]*\).*/\1/p' "$dir/json" | head -1)
ps=$(sed -n 's/^total,time,\([0-9]*\),ps$/\1/p' "$dir/csv")
[ "$ns" = "$((ps / 1000))" ] || complain "JSON has $ns ns, CSV $ps ps"
grep -q '^log,s2_exit_fault,[1-9]' "$dir/csv" || complain "no faults in the CSV"
grep -q '^vcpu1,guest,' "$dir/timeline" || complain "no guest time in the timeline"
head -1 "$dir/heat" | grep -q '^time_ns,gpa,bytes,none,4k,2m,1g$' || complain "no heat"
if command -v python3 >/dev/null; then
	python3 - "$dir/db" "$ps" <<'END' || complain "the SQLite file is not what was run"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute("SELECT time_ps FROM runs").fetchall() == [(int(sys.argv[2]),)]
assert db.execute("SELECT count(*) FROM stats WHERE name = 'pf_taken'").fetchone()[0] == 4
assert db.execute("SELECT count(*) FROM lines WHERE actor = 'vmm'").fetchone()[0] == 3
END
fi

# --- The same bytes whatever the addresses; a quantum says what it does.
expect 0 '' -p x86-6.12 --profile intel-icelake --json "$good"
cmp -s "$dir/out" "$dir/json" || complain "a second run differs"
if setarch -R true 2>/dev/null; then
	setarch -R "$s2sim" run -p x86-6.12 --profile intel-icelake --json "$good" >"$dir/fixed"
	cmp -s "$dir/fixed" "$dir/json" || complain "a run without address randomisation differs"
fi
expect 0 '' -p x86-6.12 --quantum 50us "$good"
prints 'NOT exact; against the exact run'
expect 0 '' -p x86-6.12 --profile intel-icelake --no-run-ahead --json "$good"
cmp -s "$dir/out" "$dir/json" || complain "a run without run-ahead differs"
expect 0 '' -p x86-6.12 --profile intel-icelake --seed 1 --json "$good"
cmp -s "$dir/out" "$dir/json" && complain "another seed gives the same run"
expect 0 '' -p x86-7.2 "$good"
prints '(unrecorded base)'

# --- A profile of one's own.
sed 's/^profile: .*/profile: mine/' model/profiles/amd-milan.yaml >"$dir/mine.yaml"
expect 0 '' -p x86-6.12 --profile "$dir/mine.yaml" "$good"
prints 'profile mine'
sed '/^  guest_exit:/,/value/s/value: .*/value: 5 kHz/' "$dir/mine.yaml" >"$dir/wrong.yaml"
line=$(grep -n 'value: 5 kHz' "$dir/wrong.yaml" | cut -d : -f 1)
expect 2 "wrong.yaml:$line:" -p x86-6.12 --profile "$dir/wrong.yaml" "$good"

# --- Progress on a terminal only.
if command -v script >/dev/null; then
	script -qec "'$s2sim' run -p x86-6.12 -D SIZE=1GiB '$good'" /dev/null </dev/null >"$dir/tty" 2>&1
	grep -q 'of simulated time' "$dir/tty" || complain "no result on a terminal"
fi

exit $failed
