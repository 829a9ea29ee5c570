# SPDX-License-Identifier: Apache-2.0
#
# usage: flags.sh COMPILE_COMMANDS FLAG...
#
# Every file of ours is compiled as C11 with every one of these flags, and with warnings as errors.

commands=$1
shift
[ -r "$commands" ] || { echo "flags: $commands: not readable"; exit 1; }
[ $# -gt 0 ] || { echo "flags: no flags given"; exit 1; }

awk -v flags="-std=c11 -Werror $*" '
	BEGIN { nr_flags = split(flags, flag, " ") }
	/^ *"command":/ {
		nr_commands++
		line = $0
		gsub(/[",]/, " ", line)
		for (i = 1; i <= nr_flags; i++) {
			if (index(line " ", " " flag[i] " "))
				continue
			file = line
			sub(/.* -c +/, "", file)
			print "flags: " file ": compiled without " flag[i]
			failed = 1
		}
	}
	END {
		if (!nr_commands) {
			print "flags: no compile command found"
			exit 1
		}
		exit failed
	}' "$commands"
