#!/usr/bin/env bash
# The whitelist of this machine's packages: building it, beside debsums looking at the same packages, in turn; and following the
# package database when nothing changed. A line each, asked and measured; exit 1 when a limit is not met.
# Needs Debian's package debsums, and says so where it is missing.
# usage: bench-packages.sh [BUILD [ROUNDS]]
set -euo pipefail
build=${1:-$(dirname "$0")/../build}
rounds=${2:-1}
if [ ! -e /var/lib/dpkg/status ] || ! command -v debsums >/dev/null; then
	echo "bench-packages: skipped: no Debian packages here, or debsums is missing (apt-get install debsums)"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
TIMEFORMAT='%R %U %S'

# timed NAME COMMAND...: its seconds, and those of the processor, as figures; the lowest of all rounds count.
timed() {
	local name=$1
	shift
	{ time "$@" >"$work/out" 2>"$work/error" || [ "$name" = debsums ]; } 2>"$work/time" || { cat "$work/error" >&2; return 1; }
	awk -v name="$name" '{ print name, $1, $2 + $3 }' "$work/time" >>"$work/figures"
}
"$build/bin/mwhite" -q build -o "$work/first.idx" --dpkg   # what is read is in memory then, as far as there is room
for ((i = 0; i < rounds; i++)); do
	timed build "$build/bin/mwhite" build -j -o "$work/k.idx" --dpkg
	mv "$work/out" "$work/built"
	timed pages "$build/bin/mwhite" build -j -o "$work/p.idx" --dpkg --pages
	timed debsums debsums -s -a
done
"$build/bin/mwhite" -q follow -d "$work/f.idx"
"$build/bin/mwhite" -q follow -d "$work/f.idx"
for ((i = 0; i < 20; i++)); do
	timed follow "$build/bin/mwhite" follow -j -d "$work/f.idx"
done
unchanged=$(jq .unchanged "$work/out")

awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg
jq -r '"\(.packages) packages, \(.files) files, \(.code) of them code, \(.bytes / 1e9 * 10 | round / 10) GB read"' "$work/built"
awk -v unchanged="$unchanged" '
	!($1 in s) || $2 < s[$1] { s[$1] = $2 }
	!($1 in c) || $3 < c[$1] { c[$1] = $3 }
	END {
		printf "debsums -s -a             %8.2f s %8.2f s of processor\n", s["debsums"], c["debsums"]
		printf "mwhite build --dpkg       %8.2f s %8.2f s of processor, ratios %.3f and %.3f (asked: at most 0.1)\n", s["build"], c["build"], s["build"] / s["debsums"], c["build"] / c["debsums"]
		printf "  with --pages            %8.2f s %8.2f s of processor, ratios %.3f and %.3f\n", s["pages"], c["pages"], s["pages"] / s["debsums"], c["pages"] / c["debsums"]
		printf "mwhite follow, unchanged  %8.1f ms (asked: milliseconds)%s\n", s["follow"] * 1000, unchanged == "true" ? "" : "; the database changed meanwhile"
		exit s["build"] / s["debsums"] > 0.1
	}' "$work/figures"
