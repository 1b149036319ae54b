#!/usr/bin/env bash
# What the garden costs: programs that live on system calls, untraced, traced, traced in bent time, and under strace -f; then
# how fast bent time passes. usage: bench-garden.sh BUILD [ROUNDS]    each figure is the best of ROUNDS (3)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: bench-garden.sh BUILD [ROUNDS]} rounds=${2:-3}
case $build in /*) ;; *) build=$PWD/$build ;; esac
here=$PWD
export LC_ALL=C

# Seconds of the run itself: the garden's own start is another figure.
garden() { # option... program
	"$build/t/ingarden" -v "$@" 2>&1 >/dev/null | sed -n 's/^status 0, \([0-9.]*\) s.*/\1/p'
}
native() { # command...
	local begin=$EPOCHREALTIME
	"$@" >/dev/null 2>&1
	echo "$begin $EPOCHREALTIME" | awk '{ printf "%.3f\n", $2 - $1 }'
}
best() { # function argument...
	for ((i = 0; i < rounds; i++)); do "$@"; done | sort -n | head -n 1
}
row() { # name command...
	local name=$1 plain traced bent host stracing
	shift
	plain=$(best garden "$@") traced=$(best garden -t "$@") bent=$(best garden -b "$@")
	host=$(best native "$@") stracing=$(best native strace -f -o /dev/null "$@")
	echo "$name $plain $traced $bent $host $stracing" |
		awk '{ printf "%-24s untraced %6.3f s  traced %5.2fx  bent %5.2fx  strace -f %5.2fx\n", $1, $2, $3 / $2, $4 / $2, $6 / $5 }'
}

echo "costs of tracing (the garden's own untraced run is 1)"
row find-usr /usr/bin/find /usr -xdev -newermt 2100-01-01
row compile /bin/sh -c "cd '$here' && for f in lib/base/*.c; do cc -D_GNU_SOURCE -Ilib -O1 -c -o /dev/null \$f || exit 1; done"
row read-headers /bin/sh -c "cat /usr/include/*.h /usr/include/*/*.h | cksum"

program=$(mktemp "${TMPDIR:-/tmp}/bench-garden.XXXXXX")
trap 'rm -f "$program"' EXIT
cc -O1 -w -pthread -o "$program" testdata/garden/clock.c
in_bent() { best garden -b -p "$program" "/opt/$(basename "$program")" "$1"; }
echo "bent time"
printf '%-40s %s s\n' "a sleep of 7 days" "$(best garden -b /bin/sleep 604800)" \
	"a thousand sleeps of a second" "$(in_bent chain)" \
	"a loop that asks for the time, 7 days" "$(in_bent spin)" \
	"a million readings of the clock" "$(in_bent readings)"
