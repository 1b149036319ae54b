#!/usr/bin/env bash
# What a scan costs, beside its peers in the same run: a line each, asked and measured, with the ratio. Exit 1 when a limit is missed.
# clamscan gets one signature of our own, since its database cannot be had everywhere; what it takes with one of the real one's
# size stands beside it: random digests and patterns made here, of the forms and about the numbers of main and daily.
# Run as root, on a machine that does nothing else.
# usage: bench-scan.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=t/bench.bash
. t/bench.bash
field() { bsdtar -xOf "$1" case.json | jq "$2"; }

# Hashing, everything in the page cache. Rounds in turn: the clock rate of a machine changes from one second to the next.
# Against OpenSSL's own program, and file by file against its function over as many bytes.
speeds=() peers=() ratios=() bares=()
for _ in 1 2 3 4 5; do
	read -r bytes seconds bare < <("$build/t/scanbench" hash /usr/bin)
	speeds+=("$(div "$bytes" "$seconds" 0.000001)")
	peers+=("$(openssl speed -seconds 1 -bytes 16384 -evp sha256 2>/dev/null | awk '/^sha256/ { sub(/k$/, "", $2); print $2 / 1000 }')")
	ratios+=("$(div "${speeds[-1]}" "${peers[-1]}")")
	bares+=("$(div "$bare" "$seconds")")
done
took find /usr/bin -maxdepth 1 -type f -exec sha256sum {} +
tell "hashing /usr/bin: mscan" "$(median "${speeds[@]}")" MB/s
tell "  openssl speed" "$(median "${peers[@]}")" MB/s
tell "  sha256sum" "$(div "$bytes" "$cpu" 0.000001)" MB/s
tell "  mscan to OpenSSL in turn, file by file" "$(median "${bares[@]}")" ""
check "  mscan to openssl" "$(median "${ratios[@]}")" "" '>=' 0.9

# A whole scan, and the peers over the files that it met.
took mscan -q -i "$work/scan.idx" -o "$work/cold.case"
mscan -q -i "$work/scan.idx" -o "$work/c.case"
took mscan -q -i "$work/scan.idx" -o "$work/warm.case"
check "warm scan" "$wall" s '<=' 1
check "  of it processor" "$cpu" s '<=' 1
tell "  processes" "$(field "$work/warm.case" .host.scan.processes)" ""
mkdir "$work/x"
bsdtar -xf "$work/cold.case" -C "$work/x" 'code/*/about.json'
find "$work/x" -name about.json -exec jq -r '.paths[]' {} + | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done >"$work/list"
echo '00000000000000000000000000000000:12345:muss.bench' >"$work/own.hdb"
colds=() yaras=() clams=()
for _ in 1 2 3; do   # in turn
	rm -f "$work/cold.idx"
	took mscan -q -i "$work/cold.idx" -o "$work/c.case"
	colds+=("$cpu")
	took yara -p 1 --scan-list rules/linux-resident.yar "$work/list"
	yaras+=("$cpu")
	took clamscan -d "$work/own.hdb" --no-summary -i -f "$work/list"
	clams+=("$cpu")
done
cold=$(median "${colds[@]}") yara_cpu=$(median "${yaras[@]}") one=$(median "${clams[@]}")
tell "whole scan, cold index" "$cold" "s of processor, $(wc -l <"$work/list") files"
tell "  yara, our rules, the same files" "$yara_cpu" "s of processor"
tell "  clamscan, one signature, the same files" "$one" "s of processor"
digests() { head -c $((16 * $1)) /dev/urandom | od -An -v -tx1 -w16 | tr -d ' '; }
digests 1500000 | awk '{ print $1 ":" 1000 + NR % 900000 ":Made.Hdb-" NR }' >"$work/made.hdb"
digests 3500000 | awk '{ print 512 * (1 + NR % 4000) ":" $1 ":Made.Mdb-" NR }' >"$work/made.mdb"
digests 100000 | awk '{ print "Made.Ndb-" NR ":0:*:" $1 }' >"$work/made.ndb"
mkdir "$work/made"
mv "$work"/made.?db "$work/made"
took clamscan -d "$work/made" --no-summary -i -f "$work/list"
tell "  clamscan, 5,100,000 made-up ones" "$cpu" "s of processor"
tell "  mscan to that" "$(div "$cold" "$cpu")" ""
rm -r "$work/made"
check "  mscan to yara" "$(div "$cold" "$yara_cpu")" "" '<=' 1
check "  mscan to clamscan, one signature" "$(div "$cold" "$one")" "" '<=' 0.2

# A cached file.
mscan -q -i "$work/tree.idx" -o "$work/c.case" -f /usr/bin /usr/lib
mscan -q -i "$work/tree.idx" -o "$work/c.case" -f /usr/bin /usr/lib
runs=()
for _ in 1 2 3 4 5; do
	took mscan -q -i "$work/tree.idx" -s 1000 -o "$work/c.case" -f /usr/bin /usr/lib
	runs+=("$cpu")
done
# all of them are looked up: the index knows as well which hold no code
check "a cached file" "$(div "$(median "${runs[@]}")" "$(find /usr/bin /usr/lib -type f | wc -l)" 1000000)" "us" '<=' 5

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
server() { "$build/t/scanbench" latency 4; }
slower() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f\n", 100 * (b / a - 1) }'; }
# Alone before and behind: the scan is held against the mean of both, and how far those are apart says what the figure is worth.
plain=() busy=() slow=() quick=() late=() behind=() noise=()
for _ in 1 2 3 4 5 6 7; do
	took compile
	plain+=("$wall")
	first=$(server)
	scans &
	scanner=$!
	took compile
	busy+=("$wall")
	late+=("$(server)")
	mapfile -t children < <(pgrep -P "$scanner")
	kill "$scanner" "${children[@]}" 2>/dev/null || :
	wait "$scanner" 2>/dev/null || :
	last=$(server)
	quick+=("$(awk -v a="$first" -v b="$last" 'BEGIN { print (a + b) / 2 }')")
	slow+=("$(slower "${plain[-1]}" "${busy[-1]}")")
	behind+=("$(slower "${quick[-1]}" "${late[-1]}")")
	noise+=("$(awk -v a="$first" -v b="$last" 'BEGIN { d = 100 * (b / a - 1); printf "%.1f\n", d < 0 ? -d : d }')")
done
tell "a compile alone, beside mscan -b" "$(median "${plain[@]}")" "$(median "${busy[@]}") s"
check "  slowdown" "$(median "${slow[@]}")" % '<=' 3
tell "a server's p99 alone, beside mscan -b" "$(median "${quick[@]}")" "$(median "${late[@]}") us"
tell "  from alone to alone" "$(median "${noise[@]}")" %
check "  slowdown" "$(median "${behind[@]}")" % '<=' 3

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
