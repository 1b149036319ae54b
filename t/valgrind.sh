#!/usr/bin/env bash
# One full pipeline with every tool under valgrind; an error or a definite leak in any of them fails it.
# Child processes (helpers, samples, the compiled remover) and mrecv run as they are: valgrind cannot go where rights are given up.
# usage: valgrind.sh BUILD
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

BIN=$(cd "${1:-build}/bin" && pwd) || exit 1
work=$(mktemp -d) || exit 1
front=
trap '[ -z "$front" ] || kill "$front" 2>/dev/null; rm -rf "$work"' EXIT
passed=0 failed=0

# vg NAME TOOL ARG...: the tool's exit code is not held against it here, valgrind's findings are.
vg() {
	local name=$1 tool=$2
	shift 2
	valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --child-silent-after-fork=yes \
		--log-file="$work/vg-$name.%p" "$BIN/$tool" "$@"
}
check() {
	local name=$1 bad
	# Lines with "--" are valgrind on itself: system calls that are newer than it, which the tools then do without.
	bad=$(cat "$work/vg-$name".* 2>/dev/null | grep -E '^==[0-9]+== .')
	if [ -n "$bad" ] || ! [ "$(find "$work" -name "vg-$name.*" | head -1)" ]; then
		failed=$((failed + 1))
		echo "not ok - $name"
		sed 's/^/# /' <<<"$bad" | head -40
	else
		passed=$((passed + 1))
	fi
}

keys=$work/ca
vg mkey-init mkey init "$keys" && check mkey-init
for role in "host alice" "front localhost -a 127.0.0.1" "analysis analysis" "signer signer"; do
	# shellcheck disable=SC2086 # words on purpose
	vg "mkey-${role%% *}" mkey issue "$keys" $role
	check "mkey-${role%% *}"
done
issued=$keys/issued

mkdir "$work/known"
cp /bin/true "$work/known/"
vg mwhite-build mwhite build -o "$work/idx" --dir "$work/known"
check mwhite-build
cc -O1 -o "$work/sample" -x c - <<<'#include <stdio.h>
int main(void) { puts("inert"); return 0; }'
vg mscan mscan -f "$work/sample" "$work/known" >"$work/1.case"
check mscan
vg mscan-live mscan -p $$ >"$work/live.case"
check mscan-live
vg mwhite mwhite -d "$work/idx" <"$work/1.case" >"$work/2.case"
check mwhite
vg mpack mpack -r "$issued/analysis.crt" -k "$issued/alice.key" -c "$issued/alice.crt" <"$work/2.case" >"$work/3.case"
check mpack
mkdir "$work/spool"
chmod 755 "$work"
# As it is: its parser gives up rights that valgrind needs.
"$BIN/mrecv" -l 127.0.0.1:0 -k "$issued/localhost.key" -c "$issued/localhost.crt" -a "$keys/ca.crt" -s "$work/spool" >"$work/port" &
front=$!
for _ in $(seq 100); do
	address=$(sed -n 's/^listening on //p' "$work/port")
	[ -n "$address" ] && break
	sleep 0.2
done
vg msend msend -k "$issued/alice.key" -c "$issued/alice.crt" -a "$keys/ca.crt" "$address" "$work/3.case" >/dev/null
check msend
kill -TERM "$front"
wait "$front"
front=
vg mpack-u mpack -u -k "$issued/analysis.key" -c "$issued/analysis.crt" -a "$keys/ca.crt" <"$work/3.case" >"$work/4.case"
check mpack-u
vg mnicter mnicter micro -t 2 <"$work/4.case" >"$work/5.case"
check mnicter
vg mgen mgen <"$work/5.case" >"$work/6.case"
check mgen
vg mverify mverify -e host -k "$issued/signer.key" -c "$issued/signer.crt" <"$work/6.case" >"$work/7.case"
check mverify
vg mls mls -j "$work/7.case" >/dev/null
check mls
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
