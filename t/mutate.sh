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
exec "$build/t/mutate" "$count" "$seed" "${files[@]}"
