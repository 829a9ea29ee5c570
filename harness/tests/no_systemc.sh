# SPDX-License-Identifier: Apache-2.0
#
# usage: no_systemc.sh PROGRAM...
#
# These programs do not need the discrete-event kernel.

failed=0
for program in "$@"; do
	needed=$(ldd "$program") || { echo "no_systemc: expected a program, found '$program'"; exit 2; }
	case $needed in
	*libsystemc*)
		echo "no_systemc: $program: expected no libsystemc among what it needs, found it"
		failed=1
		;;
	esac
done
exit $failed
