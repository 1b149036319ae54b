#!/usr/bin/env bash
# Does mnicter micro report what the specimens of testdata/behaviour do, and nothing else? Builds them, runs all in the garden, and holds
# dynamic.json and verdict.json against catalogue.json. A line a specimen ("ok" or "not ok", TAP's form, what is missing or too much behind
# it), then recall and precision by kind of fact. Exit 1 below 100 %.
# usage: behaviours.sh BUILD [-k FOLDER] [NAME...]    -k: keep the case and what was seen of it there
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: behaviours.sh BUILD [-k FOLDER] [NAME...]}
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
keep=
if [ "${1:-}" = -k ]; then
	keep=$2
	shift 2
fi
export MUSS_SHARE=$PWD/rules
PATH=$build/bin:$PATH
home=testdata/behaviour
catalogue=${CATALOGUE:-testdata/behaviour/catalogue.json}
work=$(mktemp -d "${TMPDIR:-/tmp}/muss-behaviours.XXXXXX")
finish() {
	[ -z "$keep" ] || { mkdir -p "$keep" && cp "$work"/*.json "$work"/*.case "$keep"/; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
mkdir "$work/s"

# What this garden has, of what some specimens need: people's homes, somebody who answers, time that passes at once.
cat >"$work/probe" <<'E'
#!/bin/sh
[ -e /.muss-scratch ] || exit 0
[ -z "$(ls /home)" ] || : >/var/tmp/home
bash -c ': </dev/tcp/192.0.2.1/80' 2>/dev/null && : >/var/tmp/internet
sleep 100000
: >/var/tmp/time
E
chmod 755 "$work/probe"
has=$(mscan -q -f "$work/probe" | mpack -q -p | mnicter micro -q --all-dynamic -t 2 | bsdtar -xOf - 'code/*/dynamic.json' |
	jq -r '.files[] | select(.path | startswith("/var/tmp/")) | .path[9:]')

jq -n '$ARGS.positional' --args -- "$@" >"$work/wanted.json"
jq -c --slurpfile wanted "$work/wanted.json" '.specimens[] | select($wanted[0] == [] or (.name as $n | $wanted[0] | index($n)))' \
	"$catalogue" >"$work/chosen.json"
while IFS=$'\x1f' read -r name needs programs source act <&3; do
	lacks=
	[ -z "$needs" ] || grep -qx "$needs" <<<"$has" || lacks="the garden has no $needs yet"
	for p in $programs; do command -v "$p" >/dev/null || lacks="$p is not on this machine"; done
	if [ -n "$lacks" ]; then
		printf '{"name":"%s","lacks":"%s"}\n' "$name" "$lacks" >>"$work/skipped.json"
	elif [ -n "$source" ]; then
		printf '%s\n' "cc -O1 -s -w -DACT=act_$act -o $work/s/$name $home/$source.c -ldl" >>"$work/commands"
	else
		{
			printf '#!/bin/sh\n# %s\n[ -e /.muss-scratch ] || exit 0\n' "$name"
			jq -rj --arg n "$name" 'select(.name == $n) | .sh' "$work/chosen.json"
		} >"$work/s/$name"
		chmod 755 "$work/s/$name"
	fi
done 3< <(jq -r '[.name, .needs // "", (.programs // [] | join(" ")), .c // "", .act // ""] | join("\u001f")' "$work/chosen.json")
touch "$work/skipped.json" "$work/commands"
xargs -d '\n' -P 2 -n 1 sh -c 'eval "$1" || echo "behaviours: failed: $1" >&2' sh <"$work/commands"

if [ -n "$(ls "$work/s")" ]; then
	mscan -q -f "$work"/s/* | mpack -q -p | mnicter micro -q --all-dynamic -t "${SECONDS_EACH:-6}" -o "$work/all.case"
	for m in about static dynamic verdict; do
		bsdtar -xOf "$work/all.case" "code/*/$m.json" | jq -c . >"$work/$m.json"
	done
else
	touch "$work"/{about,static,dynamic,verdict}.json
fi
jq -n -r --slurpfile chosen "$work/chosen.json" --slurpfile about "$work/about.json" --slurpfile static "$work/static.json" \
	--slurpfile dynamic "$work/dynamic.json" --slurpfile verdict "$work/verdict.json" --slurpfile skipped "$work/skipped.json" \
	-f t/behaviours.jq >"$work/report"
cat "$work/report"
! grep -q '^not ok' "$work/report"
