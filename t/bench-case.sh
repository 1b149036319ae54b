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

# timed COMMAND...: prints MB/s.
timed() {
	local start
	sync -f "$work"   # what was written before is not this one's burden
	start=$EPOCHREALTIME
	"$@"
	awk -v b="$bytes" -v s="${start/,/.}" -v e="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%d\n", b / (e - s + 0.000001) / 1000000 }'
}
copy() {
	"$build/t/casecat" <"$work/in.case" >"$work/out"
}
export CASECAT_PEAK=$work/peak
for round in 1 2 3; do
	rm -f "$work/out"
	read -r tar_speed < <(timed bsdtar -cf "$work/out" "@$work/in.case")
	rm -f "$work/out"
	read -r speed < <(timed copy)
	read -r memory <"$work/peak"
	cmp -s "$work/in.case" "$work/out" || { echo "bench-case: the copy differs" >&2; exit 1; }
	printf 'round %d: filter %d MB/s, bsdtar %d MB/s, %d KiB resident\n' "$round" "$speed" "$tar_speed" "$memory"
	[ "$speed" -gt "$best_filter" ] && best_filter=$speed
	[ "$tar_speed" -gt "$best_tar" ] && best_tar=$tar_speed
	[ "$memory" -gt "$peak" ] && peak=$memory
done
awk -v f="$best_filter" -v t="$best_tar" -v m="$peak" -v b="$bytes" 'BEGIN {
	printf "case of %.0f MiB: filter %d MB/s, bsdtar %d MB/s, ratio %.2f (at least 0.50), peak %.1f MiB (below 32)\n", b / 1048576, f, t, f / t, m / 1024
	exit !(f / t >= 0.5 && m < 32768)
}'
