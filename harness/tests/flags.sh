# SPDX-License-Identifier: Apache-2.0
#
# usage: flags.sh COMPILE_COMMANDS FLAG... -- C-FLAG...
#
# Every file of ours is compiled as C11 (C++17) with every one of these flags, C files with those after
# "--" too, and with warnings as errors.

commands=$1
shift
[ -r "$commands" ] || { echo "flags: $commands: not readable"; exit 1; }
[ $# -gt 0 ] || { echo "flags: no flags given"; exit 1; }

awk -v flags="$*" '
	BEGIN {
		cut = index(flags, " -- ")
		if (!cut) {
			print "flags: expected FLAG... -- C-FLAG..., found " flags
			exit failed = 1
		}
		both = substr(flags, 1, cut - 1)
		nr["c"] = split("-std=c11 -Werror " both " " substr(flags, cut + 4), c)
		nr["c++"] = split("-std=c++17 -Werror " both, cxx)
	}
	/^ *"command":/ {
		nr_commands++
		line = $0
		gsub(/[",]/, " ", line)
		file = line
		sub(/.* -c +/, "", file)
		language = file ~ /\.cpp *$/ ? "c++" : "c"
		for (i = 1; i <= nr[language]; i++) {
			flag = language == "c" ? c[i] : cxx[i]
			if (index(line " ", " " flag " "))
				continue
			print "flags: " file ": compiled without " flag
			failed = 1
		}
	}
	END {
		if (!failed && !nr_commands) {
			print "flags: no compile command found"
			exit 1
		}
		exit failed
	}' "$commands"
