#!/usr/bin/env bash
# What static analysis costs, beside tools that do a part of it, in the same run: a line each, asked and measured, with the ratio. Exit 1
# when a limit is missed, or when something of this system is called malicious.
# Run on a machine that does nothing else.
# usage: bench-static.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=t/bench.bash
. t/bench.bash
is_elf() { [ "$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')" = 7f454c46 ]; }

# One sample: the program of this system whose size is nearest to a megabyte.
one=$(find /usr/bin /usr/sbin -maxdepth 1 -type f -size +700k -size -1400k -printf '%s %p\n' |
	awk '{ d = $1 > 1048576 ? $1 - 1048576 : 1048576 - $1; print d, $2 }' | sort -n | cut -d' ' -f2 |
	while read -r f; do if is_elf "$f"; then echo "$f"; break; fi; done)
[ -n "$one" ] || { echo "bench-static: no program of about a megabyte here" >&2; exit 70; }
mscan -q -f "$one" | mpack -p >"$work/one.case"
walls=() cpus=() peaks=()
for _ in 1 2 3 4 5; do
	took /usr/bin/time -o "$work/peak" -f %M mnicter micro -q --static -o "$work/one.done" "$work/one.case"
	walls+=("$wall") cpus+=("$cpu") peaks+=("$(cat "$work/peak")")
done
tell "a sample of $(stat -Lc %s "$one") bytes, $one" "" ""
check "  described in" "$(median "${walls[@]}")" s '<=' 2
check "  peak memory of its largest process" "$(div "$(median "${peaks[@]}")" 1024)" MiB '<=' 256
mine=$(median "${cpus[@]}")
tell "  processor" "$mine" s
# peer NAME COMMAND...: the same sample, a part of the work.
sum=0
peer() {
	local name=$1 times=()
	shift
	for _ in 1 2 3; do took "$@"; times+=("$cpu"); done
	tell "  $name" "$(median "${times[@]}")" "s of processor"
	sum=$(awk -v a="$sum" -v b="$(median "${times[@]}")" 'BEGIN { print a + b }')
}
peer "objdump -d" objdump -d "$one"
peer "readelf -a" readelf -W -a "$one"
peer "strings" strings -a -n 6 "$one"
peer "yara, our rules" yara -p 1 rules/linux-resident.yar "$one"
tell "  mnicter to the four together" "$(div "$mine" "$sum")" ""

# All programs of this system, which are goodware.
mscan -q -f /usr/bin | mpack -p >"$work/all.case"
mls -j "$work/all.case" | jq -r '.paths[0]' >"$work/list"
files=$(wc -l <"$work/list")
workers=$(($(nproc) < 2 ? $(nproc) : 2))
took /usr/bin/time -o "$work/peak" -f %M mnicter micro -q --static -j "$workers" -o "$work/all.done" "$work/all.case"
tell "all of /usr/bin" "$files" "files, $(awk -v b="$(stat -c %s "$work/all.case")" 'BEGIN { printf "%.0f MB", b / 1e6 }')"
check "  described by $workers workers" "$(div "$files" "$wall")" files/s '>=' 5
all_cpu=$cpu
# The clock's figure is that of a machine with nothing else to do; what the processors did for it is not.
tell "  processor" "$cpu" "s: $(div "$files" "$cpu") files a second of one processor"
check "  peak memory of its largest process" "$(div "$(cat "$work/peak")" 1024)" MiB '<=' 2048
mls -j "$work/all.done" | jq -r .verdict | sort | uniq -c >"$work/verdicts"
count() { awk -v v="$1" '$2 == v { n = $1 } END { print n + 0 }' "$work/verdicts"; }
check "  called malicious" "$(count malicious)" "" '<=' 0
for v in suspicious unknown good; do tell "  called $v" "$(count $v)" ""; done
mls -j "$work/all.done" | jq -r 'select(.verdict == "suspicious" or .verdict == "malicious") | "    \(.verdict) \(.path): \([.why[] | select(.counts) | .sign] | join(" "))"'

# What a second worker is worth, over a part of them, in turn.
mapfile -t some < <(awk 'NR % 12 == 1' "$work/list")
mscan -q -f "${some[@]}" | mpack -p >"$work/some.case"
singles=() several=()
for _ in 1 2 3; do
	took mnicter micro -q --static -j 1 -o "$work/some.done" "$work/some.case"
	singles+=("$wall")
	took mnicter micro -q --static -j "$workers" -o "$work/some.done" "$work/some.case"
	several+=("$wall")
done
tell "${#some[@]} of them, one worker" "$(div "${#some[@]}" "$(median "${singles[@]}")")" files/s
tell "  $workers workers to one" "$(div "$(median "${singles[@]}")" "$(median "${several[@]}")")" ""

# The peers over the same files; objdump and readelf over those that are ELF.
while read -r f; do if is_elf "$f"; then echo "$f"; fi; done <"$work/list" >"$work/elf"
tell "the same files, processor: mnicter" "$all_cpu" s
sum=0
all() {
	local name=$1 list=$2
	shift 2
	took xargs -a "$list" -d '\n' -n 32 "$@"
	tell "  $name" "$cpu" "s of processor, $(wc -l <"$list") files"
	sum=$(awk -v a="$sum" -v b="$cpu" 'BEGIN { print a + b }')
}
all "objdump -d" "$work/elf" objdump -d
all "readelf -a" "$work/elf" readelf -W -a
all "strings" "$work/list" strings -a -n 6
took yara -p 1 --scan-list rules/linux-resident.yar "$work/list"
tell "  yara, our rules" "$cpu" "s of processor, $files files"
sum=$(awk -v a="$sum" -v b="$cpu" 'BEGIN { print a + b }')
tell "  mnicter to the four together" "$(div "$all_cpu" "$sum")" ""

# What leaves the analysis.
for f in stix misp yara html; do
	took mnicter export -q -f $f -o "$work/out" "$work/all.done"
	tell "export -f $f of all that" "$wall" "s, $(stat -c %s "$work/out") bytes"
done
exit $bad
