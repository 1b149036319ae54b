#!/usr/bin/env bash
# Damaged ELF and PE files for the static parser: none may crash it, stall it, or be told of differently when looked at again.
# usage: mutate.sh BUILD COUNT [SEED]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${1:?usage: mutate.sh BUILD COUNT [SEED]} count=${2:?usage: mutate.sh BUILD COUNT [SEED]} seed=${3:-1}
export MUSS_SHARE=${MUSS_SHARE:-$PWD/rules}
export MUTATE_KEEP=${MUTATE_KEEP:-${TMPDIR:-/tmp}}

# Small ones, for what counts is their number: the fuzz targets' seeds, programs of this machine, PE files where it has such.
mapfile -t files < <(
	find t/fuzz/seeds/elf t/fuzz/seeds/pe -type f -size +0 | sort
	for name in true cat env id tail sort; do command -v "$name"; done | grep '^/'
	find /usr/lib/gcc/*-w64-mingw32 /usr/*-w64-mingw32/bin /usr/share/clamav-testfiles -type f \( -name '*.dll' -o -name '*.exe' \) -size -200k 2>/dev/null | sort | head -n 24
)
# A share of the row for each processor; the same mutants whatever their number.
jobs=$(nproc) bad=0 pids=()
for ((i = 0; i < jobs; i++)); do
	from=$((count * i / jobs)) to=$((count * (i + 1) / jobs))
	[ "$from" -lt "$to" ] || continue
	"$build/t/mutate" "$from" "$to" "$seed" "${files[@]}" &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
echo "$count mutants of ${#files[@]} files: $([ $bad -eq 0 ] && echo all well || echo some failed)"
exit $bad
