#!/usr/bin/env bash
# What the garden costs: how long it takes to begin, programs that live on system calls, untraced, traced, traced in bent time, and under
# strace -f; how fast bent time passes; how long the samples of testdata/behaviour take, static and dynamic together. A line each, asked and
# measured; exit 1 when a limit is missed. As root, on a machine that does nothing else.
# usage: bench-garden.sh [BUILD [ROUNDS]]    each of the tracer's figures is the best of ROUNDS (3)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=t/bench.bash
. t/bench.bash
rounds=${2:-3}

# From nothing to the end of a program that does nothing, all in: a machine that looks lived in, the dummy Internet, bent time.
begins() { # option...
	local walls=()
	for _ in $(seq 15); do
		took "$build/t/ingarden" "$@" /bin/true
		walls+=("$wall")
	done
	median "${walls[@]}"
}
check "the garden, from nothing to the end of true" "$(begins -bmn)" s '<=' 0.1
tell "  a bare one" "$(begins)" s

# Seconds of the run itself.
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
	local name=$1 plain
	shift
	plain=$(best garden "$@")
	tell "$name, untraced" "$plain" s
	check "  traced" "$(div "$(best garden -t "$@")" "$plain")" times '<=' 2
	check "  in bent time" "$(div "$(best garden -b "$@")" "$plain")" times '<=' 2
	tell "  strace -f, outside" "$(div "$(best native strace -f -o /dev/null "$@")" "$(best native "$@")")" times
}
row "find /usr" /usr/bin/find /usr -xdev -newermt 2100-01-01
row "a compile" /bin/sh -c "cd '$PWD' && for f in lib/base/*.c; do cc -D_GNU_SOURCE -Ilib -O1 -c -o /dev/null \$f || exit 1; done"
row "all headers read" /bin/sh -c "cat /usr/include/*.h /usr/include/*/*.h | cksum"

cc -O1 -w -pthread -o "$work/clock" testdata/garden/clock.c
in_bent() { best garden -b -p "$work/clock" /opt/clock "$1"; }
check "a sleep of 7 days" "$(best garden -b /bin/sleep 604800)" s '<=' 10
tell "a thousand sleeps of a second" "$(in_bent chain)" s
tell "a loop that asks for the time, 7 days" "$(in_bent spin)" s
tell "a million readings of the clock" "$(in_bent readings)" s

# Those that do nothing are run in each way of rules/garden/runs.json.
took t/behaviours.sh "$build"
samples=$(grep -c '^ok\|^not ok' "$work/stdout")
check "$samples samples, static and dynamic, a sample" "$(div "$wall" "$samples")" s '<=' 30
check "  samples a minute" "$(div "$samples" "$wall" 60)" "" '>=' 4
exit $bad
