#!/usr/bin/env bash
# What mnicter micro --static says of programs that nobody minds: every ELF program and script of a folder. Prints files a second, verdicts
# (malicious must be 0), the most frequent capabilities and indicators; with -w FILE, the capabilities' weights as rules/verdict.json has them.
# usage: goodware.sh BUILD [-w FILE] [FOLDER...]     (/usr/bin and /usr/sbin)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: goodware.sh BUILD [-w FILE] [FOLDER...]}
shift
weights=
if [ "${1:-}" = -w ]; then
	weights=$2
	shift 2
fi
[ $# -gt 0 ] || set -- /usr/bin /usr/sbin
case $build in /*) ;; *) build=$PWD/$build ;; esac
export MUSS_SHARE=$PWD/rules
PATH=$build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-goodware.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Two at once, as many files each; links are followed once.
find "$@" -maxdepth 1 -type f -size -40M ! -path "$build/*" | sort >"$work/all"
split -n r/2 "$work/all" "$work/list."
start=$(date +%s%N)
for list in "$work"/list.??; do
	xargs -d '\n' mscan -q -f <"$list" | mpack -q -p | mnicter micro -q --static -o "$list.case" &
done
wait
took=$((($(date +%s%N) - start) / 1000000))
for list in "$work"/list.??; do
	bsdtar -xOf "$list.case" 'code/*/static.json' | jq -c '{c: [.capabilities[].name], i: ([.indicators[].kind] | group_by(.) | map({(.[0]): length}) | add), s: (.stack_strings | length), p: .parser}' >>"$work/static"
	bsdtar -xOf "$list.case" 'code/*/verdict.json' | jq -c '{verdict, score, reasons: [.reasons[] | "\(.sign) \(.weight)"]}' >>"$work/verdicts"
done
n=$(wc -l <"$work/static")
printf '%s files in %d.%03d s, %d.%d a second (two at once)\n' "$n" $((took / 1000)) $((took % 1000)) $((n * 1000 / took)) $((n * 10000 / took % 10))
jq -r .verdict "$work/verdicts" | sort | uniq -c
jq -rs '"parsers that did not end well: \(map(select(.p != "ok" and .p != "malformed")) | length)"' "$work/static"
echo "suspicious, and why:"
jq -c 'select(.verdict == "suspicious" or .verdict == "malicious")' "$work/verdicts"
jq -rs '"highest scores: \([.[].score] | sort | reverse | .[:10] | map(tostring) | join(" "))"' "$work/verdicts"
echo "capabilities by how many have them:"
jq -r '.c[]' "$work/static" | sort | uniq -c | sort -rn | head -n "${MOST:-40}"
echo "indicators a file, by kind: mean, 90th percentile, most"
jq -rs '. as $all | [.[].i // {} | keys[]] | unique[] as $k | [$all[] | .i[$k] // 0] | sort | "  \($k) \((add / length * 100 | round) / 100) \(.[length * 9 / 10 | floor]) \(.[-1])"' "$work/static"
jq -rs '"  all \(map([.i // {} | .[]] | add // 0) | sort | "\((add / length * 100 | round) / 100) \(.[length * 9 / 10 | floor]) \(.[-1])")"' "$work/static"
jq -rs 'map(.s) | sort | "texts put together by code: mean \((add / length * 100 | round) / 100), 90th percentile \(.[length * 9 / 10 | floor]), most \(.[-1])"' "$work/static"
# A weight is 10 log10(d / r), rounded down, from 0 to 12: r how often goodware has it, plus a half; d = 1 in 20, as a guess how often
# malicious code has it. Of what these files cannot have (programs of Windows, calls in a run) it is an estimate: 4, "of" nothing.
if [ -n "$weights" ]; then
	jq -r '.c[]' "$work/static" | sort | uniq -c | awk '{ print $2, $1 }' | jq -Rn --argjson n "$n" --slurpfile rules <("$build/t/capable" list) '
		([inputs | split(" ") | {(.[0]): (.[1] | tonumber)}] | add // {}) as $hits | $rules[] | .name as $name |
		if .example.os == "windows" or .example.trace then {name: $name, weight: 4, hits: 0, of: 0} else ($hits[$name] // 0) as $h |
		{name: $name, weight: ([0, ([12, (0.05 * ($n + 1) / ($h + 0.5) | log10 * 10 | floor)] | min)] | max), hits: $h, of: $n} end' | jq -c . >"$weights"
fi
[ "$(jq -r .verdict "$work/verdicts" | grep -c malicious)" -eq 0 ]
