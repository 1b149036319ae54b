#!/usr/bin/env bash
# What mnicter micro --all-dynamic says of programs that nobody minds: COUNT programs of /usr/bin, spread evenly over its names, are run in the
# garden as the tools run any sample: once without an argument, with --help or with --version, in turn, input from /dev/null. Prints the
# verdicts, each malicious or suspicious one with its reasons, and the signs of the runs. Exit 1 when one is malicious.
# usage: garden-goodware.sh BUILD [-n COUNT] [-k FOLDER] [PROGRAM...]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: garden-goodware.sh BUILD [-n COUNT] [-k FOLDER] [PROGRAM...]}
shift
count=200 keep=
while getopts n:k: o; do
	case $o in
	n) count=$OPTARG ;;
	k) keep=$OPTARG ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
case $build in /*) ;; *) build=$PWD/$build ;; esac
export MUSS_SHARE=$PWD/rules
PATH=$build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-goodware.XXXXXX")
finish() {
	[ -z "$keep" ] || { mkdir -p "$keep" && cp "$work"/*.case "$keep"/; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ELF programs for this processor and scripts, each once, of the size of programs; every so many of them.
if [ $# -gt 0 ]; then
	printf '%s\n' "$@" >"$work/all"
else
	find /usr/bin -maxdepth 1 -type f -perm -100 -size -40M ! -name '*-config' | LC_ALL=C sort >"$work/all"
fi
n=$(wc -l <"$work/all")
[ "$n" -gt "$count" ] || count=$n
awk -v n="$n" -v c="$count" 'int((NR - 1) * c / n) != int(NR * c / n)' "$work/all" >"$work/list"

# The arguments that a piece was seen with are those of a sighting in its about.json.
start=$(date +%s)
xargs -d '\n' mscan -q -f <"$work/list" | mpack -q -p >"$work/found.case"
mkdir "$work/c"
bsdtar -xf "$work/found.case" -C "$work/c"
chmod -R u+rwX "$work/c"
i=0
for about in "$work"/c/code/*/about.json; do
	case $((i++ % 3)) in 0) a='[]' ;; 1) a='["--help"]' ;; 2) a='["--version"]' ;; esac
	jq -c --argjson a "$a" '.paths[0] as $p | .sightings = [{how: "exe", pid: 1, exe: $p, cmdline: ([$p] + $a)}] + .sightings' "$about" >"$about.new"
	mv "$about.new" "$about"
done
(
	cd "$work/c"
	chmod 644 code/*/body
	find . -type f ! -name MANIFEST ! -name '*.sig' -printf '%P\n' | LC_ALL=C sort >../members
	{ echo case.json; sed -n 's|/about.json$||p' ../members | while read -r d; do echo "$d/about.json"; grep "^$d/" ../members | grep -v about.json; done; } >../order
	xargs sha256sum <../order >MANIFEST
	tar --format=pax --owner=0 --group=0 -cf ../args.case -T ../order MANIFEST
)
mnicter micro -q --all-dynamic -t "${SECONDS_EACH:-4}" -o "$work/all.case" "$work/args.case"
took=$(($(date +%s) - start))
bsdtar -xOf "$work/all.case" 'code/*/verdict.json' | jq -c . >"$work/verdicts"
bsdtar -xOf "$work/all.case" 'code/*/dynamic.json' | jq -c . >"$work/dynamics"
bsdtar -xOf "$work/all.case" 'code/*/about.json' | jq -c . >"$work/abouts"
[ "$(wc -l <"$work/verdicts")" -gt 0 ]
echo "$(wc -l <"$work/verdicts") programs of $n in $took s; runs: $(jq -r '.runs | length' "$work/dynamics" | awk '{ s += $1 } END { print s }')"
jq -r .run "$work/dynamics" | sort | uniq -c
echo "verdicts:"
jq -r .verdict "$work/verdicts" | sort | uniq -c
jq -rn --slurpfile a "$work/abouts" '($a | map({(.sha256): .paths[0]}) | add) as $name | inputs
	| select(.verdict == "malicious" or .verdict == "suspicious")
	| "\(.verdict) \(.score * 10 | round / 10) \($name[.sha256])", (.reasons[] | "    \(.source) \(.sign) \(.weight): \(.text)")' "$work/verdicts"
echo "signs of runs, by how many programs have them:"
jq -r '.reasons[] | select(.source == "dynamic") | .sign' "$work/verdicts" | sort | uniq -c | sort -rn
[ "$(jq -r .verdict "$work/verdicts" | grep -c malicious)" -eq 0 ]
