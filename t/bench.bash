# What the benchmarks share: sourced with the build's folder in $1, from the top of the tree. Sets build, PATH, MUSS_SHARE, work (a
# folder that goes at the end) and bad, which check() sets to 1 when a limit is missed.
# shellcheck disable=SC2034   # who sources it uses these
build=${1:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
export PATH=$build/bin:$PATH MUSS_SHARE=$PWD/rules LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
TIMEFORMAT='%R %U %S'
bad=0

awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg

# took COMMAND...: sets wall and cpu, in seconds. An exit below 64 is what a peer found or complains of, no failure of the run.
took() {
	{ time { "$@" >"$work/stdout" 2>"$work/stderr" || [ $? -lt 64 ]; }; } 2>"$work/time" || { cat "$work/stderr" >&2; exit 70; }
	read -r wall cpu < <(awk '{ print $1, $2 + $3 }' "$work/time")
}

# check WHAT MEASURED UNIT '<='|'>=' LIMIT
check() {
	local well
	well=$(awk -v a="$2" -v op="$4" -v b="$5" 'BEGIN { print (op == "<=" ? a <= b : a >= b) ? "ok" : "MISSED" }')
	printf '%-44s %10s %-16s asked: %s %-8s %s\n' "$1" "$2" "$3" "$4" "$5" "$well"
	[ "$well" = ok ] || bad=1
}

# tell WHAT MEASURED UNIT
tell() { printf '%-44s %10s %s\n' "$@"; }
# div A B [K]: A / B, times K
div() { awk -v a="$1" -v b="$2" -v k="${3:-1}" 'BEGIN { printf "%.3f\n", (b + 0 ? k * a / b : 0) }'; }
median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
