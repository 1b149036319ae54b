#!/usr/bin/env bash
# What a scan costs, beside its peers in the same run: a line each, asked and measured, with the ratio. Exit 1 when a limit is missed.
# clamscan gets one signature of our own, since its database cannot be had everywhere: with the real one it takes far longer.
# Run as root, on a machine that does nothing else.
# usage: bench-scan.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
export PATH=$build/bin:$PATH MUSS_SHARE=$PWD/rules LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
TIMEFORMAT='%R %U %S'
bad=0

# took COMMAND...: sets wall and cpu, in seconds. An exit of 1 is a peer's "found".
took() {
	{ time { "$@" >"$work/stdout" 2>"$work/stderr" || [ $? -eq 1 ]; }; } 2>"$work/time" || { cat "$work/stderr" >&2; exit 70; }
	read -r wall cpu < <(awk '{ print $1, $2 + $3 }' "$work/time")
}

# check WHAT MEASURED UNIT '<='|'>=' LIMIT
check() {
	local well
	well=$(awk -v a="$2" -v op="$4" -v b="$5" 'BEGIN { print (op == "<=" ? a <= b : a >= b) ? "ok" : "MISSED" }')
	printf '%-44s %10s %-16s asked: %s %-8s %s\n' "$1" "$2" "$3" "$4" "$5" "$well"
	[ "$well" = ok ] || bad=1
}
tell() { printf '%-44s %10s %s\n' "$@"; }
div() { awk -v a="$1" -v b="$2" -v k="${3:-1}" 'BEGIN { printf "%.3f\n", (b + 0 ? k * a / b : 0) }'; }
field() { bsdtar -xOf "$1" case.json | jq "$2"; }

awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg

# Hashing, everything in the page cache.
read -r bytes seconds < <("$build/t/scanbench" hash /usr/bin)
speed=$(div "$bytes" "$seconds" 0.000001)
peer=$(openssl speed -seconds 2 -bytes 16384 -evp sha256 2>/dev/null | awk '/^sha256/ { sub(/k$/, "", $2); print $2 / 1000 }')
took find /usr/bin -maxdepth 1 -type f -exec sha256sum {} +
tell "hashing /usr/bin: mscan" "$speed" MB/s
tell "  openssl speed" "$peer" MB/s
tell "  sha256sum" "$(div "$bytes" "$cpu" 0.000001)" MB/s
check "  mscan to openssl" "$(div "$speed" "$peer")" "" '>=' 0.9

# A whole scan, and the peers over the files that it met.
took mscan -q -i "$work/scan.idx" -o "$work/cold.case"
cold=$cpu
mscan -q -i "$work/scan.idx" -o "$work/c.case"
took mscan -q -i "$work/scan.idx" -o "$work/warm.case"
check "warm scan" "$wall" s '<=' 1
check "  of it processor" "$cpu" s '<=' 1
tell "  processes" "$(field "$work/warm.case" .host.scan.processes)" ""
mkdir "$work/x"
bsdtar -xf "$work/cold.case" -C "$work/x" 'code/*/about.json'
find "$work/x" -name about.json -exec jq -r '.paths[]' {} + | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done >"$work/list"
echo '00000000000000000000000000000000:12345:muss.bench' >"$work/own.hdb"
took yara -p 1 --scan-list rules/linux-resident.yar "$work/list"
yara_cpu=$cpu
took clamscan -d "$work/own.hdb" --no-summary -i -f "$work/list"
tell "whole scan, cold index" "$cold" "s of processor, $(wc -l <"$work/list") files"
tell "  yara, our rules, the same files" "$yara_cpu" "s of processor"
tell "  clamscan, one signature, the same files" "$cpu" "s of processor"
check "  mscan to yara" "$(div "$cold" "$yara_cpu")" "" '<=' 1
check "  mscan to clamscan" "$(div "$cold" "$cpu")" "" '<=' 0.2

# A cached file.
mscan -q -i "$work/tree.idx" -o "$work/c.case" -f /usr/bin /usr/lib
mscan -q -i "$work/tree.idx" -o "$work/c.case" -f /usr/bin /usr/lib
took mscan -q -i "$work/tree.idx" -s 1000 -o "$work/c.case" -f /usr/bin /usr/lib
# all of them are looked up: the index knows as well which hold no code
check "a cached file" "$(div "$cpu" "$(find /usr/bin /usr/lib -type f | wc -l)" 1000000)" "us" '<=' 5

# With so many processes, in a namespace of their own. The growth is per process.
# shellcheck disable=SC2016 # the inner shell expands
for n in 200 2000; do
	unshare -p -f --mount-proc --kill-child bash -c '
		for ((i = 0; i < $1; i++)); do sleep 600 & done
		mscan -q -i "$2/p.idx" -o "$2/c.case"
		/usr/bin/time -o "$2/time" -f "%e %U %S %M" mscan -q -i "$2/p.idx" -o "$2/c.case"' - "$n" "$work" </dev/null >/dev/null 2>&1
	read -r wall user system peak <"$work/time"
	check "warm scan, $n processes more" "$wall" s '<=' 1
	tell "  processor" "$(awk -v a="$user" -v b="$system" 'BEGIN { print a + b }')" s
	check "  peak memory of its largest process" "$(div "$peak" 1024)" MiB '<=' 32
done

# The throttle, and what others notice of a scan in the background.
took mscan -q --no-index --budget 10 -o "$work/c.case" -f /usr/bin
check "--budget 10: processor to wall time" "$(div "$cpu" "$wall" 100)" % '<=' 10.5
compile() { local f; for f in lib/host/[a-m]*.c; do gcc -O2 -Ilib -D_GNU_SOURCE -std=c17 -c -o "$work/o.o" "$f"; done; }
scans() { while :; do mscan -q -b --no-index -o "$work/b.case" -f /usr/bin /usr/lib; done; }
plain=() busy=() quick=() late=()
for _ in 1 2 3 4 5; do
	took compile
	plain+=("$wall")
	quick+=("$("$build/t/scanbench" latency 2)")
	scans &
	scanner=$!
	took compile
	busy+=("$wall")
	late+=("$("$build/t/scanbench" latency 2)")
	pkill -P "$scanner" || :
	kill "$scanner" && wait "$scanner" 2>/dev/null || :
done
median() { printf '%s\n' "$@" | sort -n | sed -n 3p; }
slower() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f\n", 100 * (b / a - 1) }'; }
tell "a compile alone, beside mscan -b" "$(median "${plain[@]}")" "$(median "${busy[@]}") s"
check "  slowdown" "$(slower "$(median "${plain[@]}")" "$(median "${busy[@]}")")" % '<=' 3
tell "a server's p99 alone, beside mscan -b" "$(median "${quick[@]}")" "$(median "${late[@]}") us"
check "  slowdown" "$(slower "$(median "${quick[@]}")" "$(median "${late[@]}")")" % '<=' 3

# debsums takes minutes: with all packages only when it is asked for.
if [ -n "${MUSS_FULL:-}" ]; then
	took debsums -s -a
	debsums_wall=$wall
	took mwhite build -o "$work/known.idx" --dpkg --all
	check "whitelist of all packages to debsums" "$(div "$wall" "$debsums_wall")" "" '<=' 0.1
else
	echo "(whitelist beside debsums: MUSS_FULL=1)"
fi
exit $bad
