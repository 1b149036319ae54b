#!/usr/bin/env bash
# A case of 2 GiB through a filter that changes nothing, against bsdtar copying the same archive, three times in turn:
# MB/s of each, the ratio of the best, and the filter's resident memory. Exit 1 below half of bsdtar's speed or from 32 MiB on.
# usage: bench-case.sh [BUILD [MIB]]
set -euo pipefail
build=${1:-$(dirname "$0")/../build}
mib=${2:-2048}
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$build/t/badcase" large "$mib" >"$work/in.case"
bytes=$(stat -c %s "$work/in.case")
best_filter=0 best_tar=0 peak=0

# timed COMMAND...: prints MB/s and seconds of processor.
timed() {
	sync -f "$work"   # what was written before is not this one's burden
	{ time "$@" 2>"$work/error"; } 2>"$work/time" || { cat "$work/error" >&2; return 1; }
	awk -v b="$bytes" '{ printf "%d %.1f\n", b / ($1 + 0.000001) / 1000000, $2 + $3 }' "$work/time"
}
TIMEFORMAT='%R %U %S'
export LC_ALL=C
copy() {
	"$build/t/casecat" <"$work/in.case" >"$work/out"
}
export CASECAT_PEAK=$work/peak
for round in 1 2 3; do
	rm -f "$work/out"
	read -r tar_speed tar_cpu < <(timed bsdtar -cf "$work/out" "@$work/in.case")
	rm -f "$work/out"
	read -r speed cpu < <(timed copy)
	read -r memory <"$work/peak"
	cmp -s "$work/in.case" "$work/out" || { echo "bench-case: the copy differs" >&2; exit 1; }
	printf 'round %d: filter %d MB/s (%s s of processor), bsdtar %d MB/s (%s s), %d KiB resident\n' \
		"$round" "$speed" "$cpu" "$tar_speed" "$tar_cpu" "$memory"
	[ "$speed" -gt "$best_filter" ] && best_filter=$speed
	[ "$tar_speed" -gt "$best_tar" ] && best_tar=$tar_speed
	[ "$memory" -gt "$peak" ] && peak=$memory
done
awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg
awk -v f="$best_filter" -v t="$best_tar" -v m="$peak" -v b="$bytes" 'BEGIN {
	printf "case of %.0f MiB: filter %d MB/s, bsdtar %d MB/s, ratio %.2f (at least 0.50), peak %.1f MiB (below 32)\n", b / 1048576, f, t, f / t, m / 1024
	exit !(f / t >= 0.5 && m < 32768)
}'
