#!/usr/bin/env bash
# The whitelist index with 100 million digests, made from a counter: size, resident part, speed of building, opening and asking,
# of adding and revoking a thousand; a line each, asked and measured. Exit 1 when a limit is not met.
# Needs 5 GB of disk in $TMPDIR for the full number. A smaller number is for a quick look: its bytes a digest are others'.
# usage: bench-known.sh [BUILD [DIGESTS]]
set -euo pipefail
build=${1:-$(dirname "$0")/../build}
n=${2:-100000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

"$build/t/knownbench" build "$n" "$work/k.idx" >"$work/figures"
"$build/t/knownbench" ask "$n" "$work/k.idx" >>"$work/figures"
"$build/bin/mwhite" info -j -d "$work/k.idx" >"$work/info"
bytes=$(stat -c %s "$work/k.idx")
resident=$(jq .resident "$work/info")

# seconds NAME COMMAND...: as a figure.
seconds() {
	local name=$1 start=$EPOCHREALTIME
	shift
	"$@"
	awk -v name="$name" -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%s %.3f\n", name, b - a }' >>"$work/figures"
}
seq 1000 | while read -r i; do printf '%s' "$i" | sha256sum; done | cut -c1-64 >"$work/list"
seconds add_seconds "$build/bin/mwhite" -q add -d "$work/k.idx" --list "$work/list"
head -n 500 "$work/list" >"$work/half"
seconds revoke_seconds "$build/bin/mwhite" -q revoke -d "$work/k.idx" --list "$work/half"
grown=$(($(stat -c %s "$work/k.idx") - bytes))
[ "$("$build/bin/mwhite" info -j -d "$work/k.idx" | jq .digests)" -eq $((n + 500)) ] || { echo "bench-known: a thousand added, half of them revoked: the count is wrong" >&2; exit 1; }

awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg
awk -v n="$n" -v bytes="$bytes" -v resident="$resident" -v grown="$grown" '
	function line(what, measured, unit, good, limit) {
		printf "%-34s %12s %-14s asked: %-24s %s\n", what, measured, unit, limit, good ? "ok" : "MISSED"
		bad += !good
	}
	{ f[$1] = $2 }
	END {
		speed = n / f["build_seconds"] / 1e6
		line("build, two threads", sprintf("%.2f", speed), "million/s", speed >= 3, "at least 3")
		printf "%-34s %12s %-14s\n", "  its processor time", f["build_cpu"], "s"
		line("  its memory", f["build_mib"], "MiB", f["build_mib"] < 256, "bounded: under 256")
		line("size", sprintf("%.2f", bytes / n), "bytes a digest", bytes / n <= 20 || n < 70000000, n < 70000000 ? "(20 from 70 million on)" : "at most 20")
		line("resident part", sprintf("%.1f", resident / 1e6), "MB", resident < 250e6, "under 250")
		line("open", f["open_ms"], "ms", f["open_ms"] < 10, "under 10")
		line("negative look-up, in batches", sprintf("%.1f", 1000 / f["negative_ns"]), "million/s", f["negative_ns"] <= 50, "over 20 (50 ns)")
		printf "%-34s %12s %-14s\n", "  one by one", f["negative_single_ns"], "ns"
		line("positive look-up, one by one", f["positive_single_ns"], "ns", f["positive_single_ns"] < 1000, "under 1000")
		printf "%-34s %12s %-14s\n", "  in batches", f["positive_ns"], "ns"
		line("wrong answers", f["wrong"], "", f["wrong"] == 0, "none")
		line("adding 1,000", f["add_seconds"], "s", f["add_seconds"] < 1, "no rewrite: under 1")
		line("revoking 500", f["revoke_seconds"], "s", f["revoke_seconds"] < 1, "no rewrite: under 1")
		line("  the index grew by", grown, "bytes", grown < 1e6, "under 1,000,000")
		exit bad > 0
	}' "$work/figures"
