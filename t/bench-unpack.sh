#!/usr/bin/env bash
# Unpacking, measured: Debian's clamav-testfiles (one harmless program, clam.exe, behind nine packers) and the ELF packers of testdata/unpack.
# For each: found or not, layers, instructions, seconds; beside it clamscan, which has a hand-written unpacker for each of those packers.
# usage: bench-unpack.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.." || exit 1
build=$(cd "${1:?usage: bench-unpack.sh BUILD}" && pwd)
export MUSS_SHARE=$PWD/rules PATH=$build/bin:$PATH
samples=/usr/share/clamav-testfiles
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cc -O2 -o "$tmp/holds" testdata/unpack/holds.c
testdata/unpack/build.sh "$tmp/elf" >/dev/null

# The payload: the first bytes of clam.exe's code, or the words that it, or the program that carries it, says.
dd if=$samples/clam.exe of="$tmp/code" bs=1 skip=64 count=20 status=none
printf 'This is a ClamAV test file with the embedded clam.exe' >"$tmp/words"

seconds() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b - a }'; }

# emulated FILE: static.json and members in $tmp/out; sets $took
emulated() {
	local begin
	rm -rf "$tmp/out"
	mkdir "$tmp/out"
	begin=$EPOCHREALTIME
	mscan -q -f "$1" | mpack -q -p | mnicter micro -q --static >"$tmp/case"
	took=$(seconds "$begin" "$EPOCHREALTIME")
	bsdtar -xf "$tmp/case" -C "$tmp/out" --strip-components 2 'code/*'
	chmod -R u+r "$tmp/out"
}

facts() { jq -r '.unpack | [(.layers | length), .instructions, .end] | map(tostring) | join(" ")' "$tmp/out/static.json"; }

# plain: the bytes stand in the packed file as they are, no packer hid them there
found=0 all=0 by_clam=0 n_clam=0
printf '%-24s %-6s %6s %12s %-14s %8s  %s\n' sample found layers instructions end seconds clamscan
row() {   # NAME FILE WANTED...
	local name=$1 file=$2 want yes=plain layers n end clam=- begin hidden=()
	shift 2
	for want; do   # what the file shows as it is proves nothing
		"$tmp/holds" "$want" "$file" >/dev/null || hidden+=("$want")
	done
	emulated "$file"
	for want in "${hidden[@]}"; do
		[ $yes = yes ] || yes=no
		for member in "$tmp"/out/unpacked-* "$tmp"/out/dropped/*; do
			[ -f "$member" ] && "$tmp/holds" "$want" "$member" >/dev/null && yes=yes
		done
	done
	read -r layers n end < <(facts)
	if [ $yes != plain ] && [ "$file" != "${file#"$samples"}" ] && command -v clamscan >/dev/null; then
		for want in "${hidden[@]}"; do
			printf 'Muss.%s:0:*:%s\n' "$(basename "$want")" "$(od -An -v -tx1 "$want" | tr -d ' \n')"
		done >"$tmp/own.ndb"
		begin=$EPOCHREALTIME
		clamscan --no-summary -d "$tmp/own.ndb" "$file" >"$tmp/clamscan" 2>/dev/null || true   # it ends with 1 when it found something
		clam=no
		grep -q 'Muss.*FOUND' "$tmp/clamscan" && clam=yes
		clam+=" $(seconds "$begin" "$EPOCHREALTIME") s"
		n_clam=$((n_clam + 1))
		[ "${clam%% *}" = yes ] && by_clam=$((by_clam + 1))
	fi
	[ $yes = plain ] || all=$((all + 1))
	[ $yes = yes ] && found=$((found + 1))
	printf '%-24s %-6s %6s %12s %-14s %8s  %s\n' "$name" $yes "$layers" "$n" "$end" "$took" "$clam"
}

for file in "$samples"/clam-{upx,aspack,fsg,mew,petite,upack,wwpack,yc,pespin}.exe; do
	row "$(basename "$file")" "$file" "$tmp/code" "$tmp/words"
done
printf 'clamav-testfiles that hide anything: ours %d of %d, clamscan %d of %d with a body signature of our own; unipacker published 3 of 10\n\n' \
	$found $all $by_clam $n_clam
pe=$found of=$all
for file in "$tmp"/elf/*-64 "$tmp"/elf/*-32; do
	row "$(basename "$file")" "$file" "$file.want"
done
printf 'ELF packers of our own: %d of %d\n\n' $((found - pe)) $((all - of))

# The emulator alone, hooks on, by the processor's time: a stall of sixty million instructions.
TIMEFORMAT='%U %S'
for name in tricks-64 tricks-32; do
	spent=$({ time "$build/libexec/muss/helper-unpack" "$MUSS_SHARE" 300000000 3<"$tmp/elf/$name" 4>"$tmp/bytes" >"$tmp/said"; } 2>&1)
	jq -r --arg name $name --arg took "$(awk '{ printf "%.3f", $1 + $2 }' <<<"$spent")" \
		'"\($name): \(.instructions) instructions in \($took) s of processor time, \(.instructions / ($took | tonumber) / 1e6 | floor) million a second"' "$tmp/said"
done
