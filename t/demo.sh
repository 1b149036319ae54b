#!/usr/bin/env bash
# The whole loop on one machine: a user machine with an inert resident specimen, a centre, the real tools as the pipelines
# of muss(7), stage by stage, timed. Prints a timeline; ends with 0 only if all was as it should be.
# usage: demo.sh [BUILD] (as root; `make demo` builds first)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
ROOT=$PWD
BUILD=$(realpath "${1:-build}") || exit 1
BIN=$BUILD/bin

if [ "$(id -u)" -ne 0 ]; then
	echo "make demo makes a user machine with mounts and processes of its own: run it as root" >&2
	exit 77
fi
# shellcheck source=t/machine.bash
. t/machine.bash
MACHINE_KEEP=$ROOT
case $BUILD/ in "$ROOT"/*) ;; *) MACHINE_KEEP=$BUILD ;; esac

mkdir -p "$BUILD/demo" "$BUILD/specimen" || exit 1
for old in "$BUILD"/demo/run.*; do   # of runs that failed or were killed
	[ ! -d "$old" ] || [ -d "/proc/$(cat "$old/pid" 2>/dev/null || echo none)" ] || rm -rf "$old"
done
RUN=$(mktemp -d "$BUILD/demo/run.XXXXXX") || exit 1
echo $$ >"$RUN/pid"
IDX=$RUN/known.idx
CACHED=$BUILD/demo/known.idx   # of the packages; made anew when dpkg's status is newer
MRECV=''
bad=0
declare -A MACHINE_NS=()

# shellcheck disable=SC2317 # called by the trap
finish() {
	if [ -n "$MRECV" ]; then
		kill -TERM "$MRECV" 2>/dev/null
		wait "$MRECV" 2>/dev/null
		MRECV=''
	fi
	machine_stop_all
	[ -n "${KEEP_RUN:-}" ] || rm -rf "$RUN"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# ---- the timeline ----

now() { echo "${EPOCHREALTIME/[.,]/}"; }
START=$(now)
BEGAN=$START
said() { # STAGE TEXT...: a line of the timeline; the seconds are those since the last one
	local t
	t=$(now)
	awk -v at=$((t - START)) -v took=$((t - BEGAN)) -v stage="$1" -v text="${*:2}" \
		'BEGIN { printf "%7.2f  %6.2f  %-10s %s\n", at / 1e6, took / 1e6, stage, text }'
	BEGAN=$(now)
}
more() { printf '%28s%s\n' '' "$*"; }
title() { printf '\n%s\n' "$*"; }
wrong() {
	printf 'demo: WRONG: %s\n' "$*" >&2
	bad=1
}
stop() {
	printf 'demo: FAILED: %s\n' "$*" >&2
	[ ! -s "$RUN/errors" ] || tail -n 20 "$RUN/errors" >&2
	KEEP_RUN=1
	echo "demo: what it made so far is in $RUN" >&2
	exit 1
}
seconds() { awk -v us=$(($2 - $1)) 'BEGIN { printf "%.2f", us / 1e6 }'; }
count() { "$BIN/mls" -j "$1" | jq -s "[.[] | select(${2:-true})] | length"; }
# in_time SECONDS LIMIT WHAT: a figure on a machine that has other work says little, so there it is no fault.
in_time() {
	awk -v s="$1" -v most="$2" 'BEGIN { exit !(s < most) }' && return
	if awk -v cores="$(nproc)" '{ exit !($1 > 2 * cores) }' /proc/loadavg; then
		more "(more than $2 s, but this machine is busy: load $(cut -d' ' -f1 /proc/loadavg) on $(nproc) cores)"
	else
		wrong "$3 took $1 s, not less than $2"
	fi
}
member() { bsdtar -xOf "$1" "$2"; }

# ---- the machine as it is now, to be compared at the end ----

machine_state() {
	sort /proc/self/mountinfo
	stat -c '%n %F' /.muss-scratch /var/lib/.systemd-private /var/lib/muss /usr/local/lib/.cache-update /root/.config/autostart 2>&1
	sha256sum /etc/crontab /etc/machine-id /etc/hostname /etc/cron.d/* /etc/profile.d/* 2>&1
	hostname
}
machine_state >"$RUN/before"

# ---- preparation, not counted ----

title 'Preparation'
cc -std=c17 -O2 -Wall -Wextra -o "$BUILD/specimen/resident" testdata/specimen/resident.c || stop "the specimen does not compile"
cc -std=c17 -O2 -Wall -Wextra -o "$BUILD/specimen/honest" testdata/specimen/honest.c || stop "the honest program does not compile"
(
	"$BIN/mkey" init "$RUN/pki" &&
		"$BIN/mkey" issue -o "$RUN/keys" "$RUN/pki" front centre -a 127.0.0.1 &&
		for n in anna bert; do "$BIN/mkey" issue -o "$RUN/keys" "$RUN/pki" host "$n" || exit 1; done &&
		"$BIN/mkey" issue -o "$RUN/keys" "$RUN/pki" analysis analysis &&
		"$BIN/mkey" issue -o "$RUN/keys" "$RUN/pki" signer signer
) >"$RUN/errors" 2>&1 || stop "mkey could not make the keys"
cp "$RUN/pki/ca.crt" "$RUN/keys/ca.crt"
K=$RUN/keys
said mkey "an authority; keys for two hosts, the front end, the analysis, the signer"
if [ -e "$CACHED" ] && [ "$CACHED" -nt /var/lib/dpkg/status ] && "$BIN/mwhite" info -d "$CACHED" >/dev/null 2>&1; then
	said mwhite "index of known-good code: $("$BIN/mwhite" info -j -d "$CACHED" | jq .digests) digests (from the last run)"
else
	"$BIN/mwhite" build -j -o "$CACHED" --dpkg >"$RUN/index.json" || stop "the whitelist could not be built"
	said mwhite "index of known-good code: $(jq -r '"\(.digests) digests from \(.packages) packages, \(.altered) files altered since"' "$RUN/index.json")"
fi
"$BIN/mwhite" -q add -d "$CACHED" -o "$IDX" --dir "$BIN" --dir "$BUILD/libexec" || stop "our own tools could not be added to the whitelist"
machine_network || stop "no network namespace"

# ---- one user machine and its way ----

# place NAME FILE PATH: puts a program there and starts it.
place() {
	# shellcheck disable=SC2016 # expanded there
	machine_run "$1" sh -c 'mkdir -p "${1%/*}" && cp "$2" "$1" && chmod 755 "$1" && { setsid "$1" </dev/null >/dev/null 2>&1 & }' sh "$3" "$2"
}

# pid_of NAME PATH: inside the machine, of a process whose program stood below PATH.
pid_of() {
	# shellcheck disable=SC2016 # expanded there
	machine_run "$1" sh -c 'for p in /proc/[0-9]*; do case $(readlink "$p/exe") in "$1"*) echo "${p#/proc/}" ;; esac; done' sh "$2" | head -n 1
}

# infect NAME: a machine, and the specimen in it.
infect() {
	local name=$1
	machine_start "$name" || stop "the user machine $name did not start"
	MACHINE_NS[$name]=$(readlink "/proc/${MACHINE_PID[$name]}/ns/mnt")
	place "$name" "$BUILD/specimen/honest" /opt/honest/bin/honest
	for _ in {1..100}; do
		machine_run "$name" readlink "/proc/$(pid_of "$name" /opt/honest)/exe" 2>/dev/null | grep -q deleted && break
		sleep 0.05
	done
	machine_run "$name" "$BIN/mscan" 2>>"$RUN/errors" | "$BIN/mwhite" -q -d "$IDX" >"$RUN/$name.clean" || stop "mscan on the clean machine $name"
	said machine "'$name': an overlay of this machine with a process table of its own; an honest program runs in it"
	place "$name" "$BUILD/specimen/resident" /root/.cache/.fontconfig/dbus-daemon
	for _ in {1..100}; do
		machine_run "$name" test -s /var/lib/.systemd-private/.mark && break
		sleep 0.05
	done
	machine_run "$name" test -s /var/lib/.systemd-private/.mark || stop "the specimen does not run in $name"
	said specimen "runs in '$name' as dbus-daemon; its file is deleted, cron and autostart start a hidden copy"
}

# The host's half: finds, drops the known, seals, sends. RUN/NAME.{scan,white,sealed}
report() {
	local name=$1
	machine_run "$name" "$BIN/mscan" >"$RUN/$name.scan" 2>>"$RUN/errors" || stop "mscan"
	said mscan "$(member "$RUN/$name.scan" case.json | jq -r '.host.scan | "\(.processes) processes, \(.files) files read"'), $(count "$RUN/$name.scan") pieces of code"
	machine_run "$name" "$BIN/mwhite" -d "$IDX" <"$RUN/$name.scan" >"$RUN/$name.white" 2>>"$RUN/errors" || stop "mwhite"
	said mwhite "$(count "$RUN/$name.white") pieces of code are not known good:"
	"$BIN/mls" -j "$RUN/$name.white" | jq -r '"\(.score)  \(.kind)  \(.paths[0] // "-")  [\(.signs | join(" "))]"' |
		sort -rn | head -n 6 | cut -c 1-150 | while IFS= read -r line; do more "$line"; done
	machine_run "$name" "$BIN/mpack" -r "$K/analysis.crt" -k "$K/$name.key" -c "$K/$name.crt" <"$RUN/$name.white" \
		>"$RUN/$name.sealed" 2>>"$RUN/errors" || stop "mpack"
	said mpack "$(bsdtar -tf "$RUN/$name.sealed" | grep -c 'body.cms$') bodies sealed for the centre, $(stat -c %s "$RUN/$name.sealed") bytes, signed"
	machine_run "$name" "$BIN/msend" -k "$K/$name.key" -c "$K/$name.crt" -a "$K/ca.crt" 127.0.0.1:8443 <"$RUN/$name.sealed" \
		>"$RUN/$name.receipt" 2>>"$RUN/errors" || stop "msend"
	ID=$(member "$RUN/$name.sealed" case.json | jq -r .id)
	[ -s "$RUN/spool/in/$ID.case" ] || stop "the case did not reach the spool"
	said msend "TLS 1.3 to the centre: $(tail -n 1 "$RUN/$name.receipt")"
}

# The centre's half for a case of the spool: opens, analyses, makes the tool, proves it. The answer goes to the outbox.
answer() {
	local name=$1
	"$BIN/mpack" -u -k "$K/analysis.key" -c "$K/analysis.crt" -a "$K/ca.crt" -s "$RUN/spool/store" <"$RUN/spool/in/$ID.case" \
		>"$RUN/$name.open" 2>>"$RUN/errors" || stop "mpack -u"
	said mpack "opened: signature of '$name' holds"
	"$BIN/mnicter" micro -k "$RUN/known" <"$RUN/$name.open" >"$RUN/$name.micro" 2>>"$RUN/errors" || stop "mnicter micro"
	said mnicter "$("$BIN/mls" -j "$RUN/$name.micro" | jq -r .verdict | sort | uniq -c | awk '{ printf "%s%d %s", s, $1, $2; s = ", " }')"
	"$BIN/mgen" <"$RUN/$name.micro" >"$RUN/$name.gen" 2>>"$RUN/errors" || stop "mgen"
	member "$RUN/$name.gen" remedy/plan.json >"$RUN/$name.plan" || stop "no plan"
	said mgen "a plan of $(jq '.operations | length' "$RUN/$name.plan") operations; a static tool of $(member "$RUN/$name.gen" remedy/linux-x86_64/remover | wc -c) bytes"
	"$BIN/mverify" -e host -k "$K/signer.key" -c "$K/signer.crt" <"$RUN/$name.gen" >"$RUN/$name.answer" 2>>"$RUN/errors" || stop "mverify"
	said mverify "$(member "$RUN/$name.answer" proof/host.json | jq -r '"\(.result): \([.checks[] | select(.pass)] | length) of \(.checks | length) checks passed in an overlay of this machine; signed"')"
	mkdir -p "$RUN/spool/out"
	cp "$RUN/$name.answer" "$RUN/spool/out/.$ID.new" || stop "the outbox"
	mv "$RUN/spool/out/.$ID.new" "$RUN/spool/out/$ID.case" || stop "the outbox"
	mkdir -p "$RUN/spool/done"
	mv "$RUN/spool/in/$ID.case" "$RUN/spool/done/$ID.case"
}

# The host again: fetches, checks by hand what magent checks, runs the tool, looks again.
cure() {
	local name=$1
	local dir=$RUN/$name.fetched
	machine_run "$name" "$BIN/msend" -k "$K/$name.key" -c "$K/$name.crt" -a "$K/ca.crt" --fetch "$ID" 127.0.0.1:8443 \
		>"$RUN/$name.fetched.case" 2>>"$RUN/errors" || stop "msend --fetch"
	cmp -s "$RUN/$name.answer" "$RUN/$name.fetched.case" || stop "what was fetched is not what was answered"
	said msend "answer fetched, $(stat -c %s "$RUN/$name.fetched.case") bytes"
	mkdir "$dir" || stop "no folder"
	bsdtar -xf "$RUN/$name.fetched.case" -C "$dir" || stop "the answer does not unpack"
	(
		cd "$dir" || exit 1
		chmod -R u+r .
		sha256sum --quiet -c MANIFEST &&
			openssl cms -verify -binary -inform DER -in MANIFEST.sig -content MANIFEST -CAfile "$K/ca.crt" -purpose any -out /dev/null &&
			openssl cms -verify -binary -inform DER -in proof/certificate.json.sig -content proof/certificate.json -CAfile "$K/ca.crt" -purpose any -out /dev/null &&
			[ "$(sha256sum <remedy/linux-x86_64/remover | cut -d' ' -f1)" = "$(jq -r .remover_sha256 proof/certificate.json)" ] &&
			[ "$(jq -r .host proof/certificate.json)" = "$(jq -r .host.id case.json)" ]
	) >>"$RUN/errors" 2>&1 || stop "the answer's signatures, digests or binding do not hold"
	said check "manifest, both signatures, the tool's digest and its binding to this host hold"

	machine_run "$name" sh -c 'cat >/run/remover && chmod 700 /run/remover' <"$dir/remedy/linux-x86_64/remover"
	machine_run "$name" /run/remover --plan >"$RUN/$name.said" 2>>"$RUN/errors" || stop "remover --plan"
	said remover "--plan:"
	head -n 12 "$RUN/$name.said" | cut -c 1-150 | while IFS= read -r line; do more "$line"; done
	machine_run "$name" /run/remover --apply --report >"$RUN/$name.report" 2>>"$RUN/errors" || stop "remover --apply"
	jq -e '.remaining == 0' "$RUN/$name.report" >/dev/null || wrong "the remover says that something remains"
	said remover "--apply: $(jq -r '[.operations[].result] | group_by(.) | map("\(length) \(.[0])") | join(", ")' "$RUN/$name.report"), $(jq .remaining "$RUN/$name.report") remaining"
	machine_run "$name" rm /run/remover
}

# inspect NAME: what is left there, for muss's eyes and by hand.
inspect() {
	local name=$1
	machine_run "$name" "$BIN/mscan" 2>>"$RUN/errors" | "$BIN/mwhite" -q -d "$IDX" >"$RUN/$name.after" || stop "the second scan"
	jq -r '.codes[]' "$RUN/$name.plan" 2>>"$RUN/errors" | sort -u >"$RUN/codes"
	"$BIN/mls" -j "$RUN/$name.clean" | jq -r .sha256 | sort -u >"$RUN/clean.codes"
	"$BIN/mls" -j "$RUN/$name.after" | jq -r 'select(.kind != "memory" or (.paths | length) == 0) | .sha256' | sort -u >"$RUN/after.codes"
	[ -s "$RUN/codes" ] || wrong "the plan for '$name' names no code"
	LEFT=$(comm -12 "$RUN/codes" "$RUN/after.codes" | wc -l)
	NEW=$(comm -13 "$RUN/clean.codes" "$RUN/after.codes" | wc -l)
	[ "$LEFT" -eq 0 ] || wrong "$LEFT pieces of the malicious code are still seen"
	[ "$NEW" -eq 0 ] || wrong "$NEW unknown pieces of code are there that the clean machine did not have"
	said mscan "again: $LEFT of the $(wc -l <"$RUN/codes") malicious pieces of code are left, $NEW others are new"
	# shellcheck disable=SC2016 # expanded there
	machine_run "$name" sh -c '
		find /var/lib/.systemd-private /root/.cache/.fontconfig /root/.config/autostart /etc/cron.d/sysstat-collect ! -type d
		! grep -n systemd-private /etc/crontab
		for p in /proc/[0-9]*; do case $(readlink "$p/exe") in *udevd* | *fontconfig*) echo "$p" ;; esac; done' >"$RUN/left" 2>/dev/null
	[ -n "$(pid_of "$name" /opt/honest)" ] || wrong "the honest program on '$name' was ended"
	grep -q /opt/honest "$RUN/$name.plan" && wrong "the plan is against the honest program"
	if [ -s "$RUN/left" ]; then
		wrong "left on '$name': $(tr '\n' ' ' <"$RUN/left")"
	else
		said look "by hand: no file, no line, no process of it is left in '$name'; the honest program still runs"
	fi
}

# ---- the first machine ----

title 'First machine          (seconds since the start, seconds of this step, step, what was found)'
mkdir -p "$RUN/spool" "$RUN/known"
setpriv --pdeathsig KILL nsenter --net="/proc/$MACHINE_NET/ns/net" -- \
	"$BIN/mrecv" -l 127.0.0.1:8443 -k "$K/centre.key" -c "$K/centre.crt" -a "$K/ca.crt" -s "$RUN/spool" \
	</dev/null >"$RUN/mrecv.log" 2>&1 &
MRECV=$!
NET_NS=$(readlink "/proc/$MACHINE_NET/ns/net")
infect anna
for _ in {1..100}; do
	network_run bash -c ': </dev/tcp/127.0.0.1/8443' 2>/dev/null && break
	kill -0 "$MRECV" 2>/dev/null || stop "mrecv does not run: $(tail -n 3 "$RUN/mrecv.log")"
	sleep 0.05
done
said mrecv "listens on 127.0.0.1:8443 in the demo's own network"
LOOP=$(now)
report anna
answer anna
cure anna
inspect anna
LOOP=$(seconds "$LOOP" "$(now)")
said loop "from the start of mscan to the verified removal: $LOOP s"
in_time "$LOOP" 60 "the loop"

# ---- the second machine: the same, as the two managed cycles that cron runs ----

title 'Second machine, the same specimen, by magent and mcenter'
printf '%s\n' "state /var/lib/muss/agent" "centre 127.0.0.1:8443" "key $K/bert.key" "certificate $K/bert.crt" "authority $K/ca.crt" \
	"analysis $K/analysis.crt" "known $IDX" "wait 0" "background no" "nice 0" >"$RUN/agent.conf"
printf '%s\n' "spool $RUN/spool" "authority $K/ca.crt" "analysis-key $K/analysis.key" "analysis-certificate $K/analysis.crt" \
	"signer-key $K/signer.key" "signer-certificate $K/signer.crt" "known $RUN/known" >"$RUN/centre.conf"
infect bert
LOOP=$(now)
machine_run bert "$BIN/magent" run -c "$RUN/agent.conf" >"$RUN/bert.run" 2>"$RUN/bert.said"
[ $? -eq 75 ] || { cat "$RUN/bert.said" >&2; wrong "magent did not end with 75 when its case was sent and not yet answered"; }
said magent "scanned, sealed, sent; no answer yet (75)"
ASKED=$(now)
"$BIN/mcenter" run -c "$RUN/centre.conf" >>"$RUN/bert.run" 2>>"$RUN/errors" || stop "mcenter run"
ANSWERED=$(seconds "$ASKED" "$(now)")
said mcenter "answered from what the centre knows in $ANSWERED s: $("$BIN/mcenter" status -j -c "$RUN/centre.conf" | head -n 1 | jq -r '"\(.codes) pieces of code, \(.malicious) malicious"')"
in_time "$ANSWERED" 3 "the second answer"
# Fetches, checks, removes, reports; then begins its next cycle, whose answer is not there yet (75).
machine_run bert "$BIN/magent" run -c "$RUN/agent.conf" >"$RUN/bert.run" 2>"$RUN/bert.said"
case $? in 0 | 75) ;; *) cat "$RUN/bert.run" "$RUN/bert.said" >&2; stop "magent run" ;; esac
grep -q ' removed$' "$RUN/bert.run" || stop "magent removed nothing: $(cat "$RUN/bert.run" "$RUN/bert.said")"
said magent "$(grep ' removed$' "$RUN/bert.run")"
LOOP=$(seconds "$LOOP" "$(now)")
said loop "from the start of magent to the removal: $LOOP s"
for c in "$RUN"/spool/out/*.case; do
	[ "$(member "$c" remedy/plan.json 2>/dev/null | jq -r .host.name)" = bert ] && member "$c" remedy/plan.json >"$RUN/bert.plan"
done
inspect bert

# ---- this machine, read only ----

title 'This machine, read only'
"$BIN/mscan" -o "$RUN/real.scan" 2>>"$RUN/errors" || stop "mscan on this machine"
SCANNED=$(seconds "$BEGAN" "$(now)")
"$BIN/mwhite" -q -d "$IDX" -o "$RUN/real.white" "$RUN/real.scan" || stop "mwhite on this machine"
said mscan "$(count "$RUN/real.scan") pieces of code run or start here, $(count "$RUN/real.white") of them unknown to the whitelist ($SCANNED s)"

# ---- as it was found ----

title 'End'
kill -TERM "$MRECV" 2>/dev/null
wait "$MRECV" 2>/dev/null
MRECV=''
machine_stop_all
machine_state >"$RUN/after"
diff "$RUN/before" "$RUN/after" >"$RUN/changed" || { wrong "this machine is not as it was:"; cat "$RUN/changed" >&2; }
readlink /proc/[0-9]*/ns/net /proc/[0-9]*/ns/mnt 2>/dev/null | sort -u >"$RUN/namespaces"
printf '%s\n' "$NET_NS" "${MACHINE_NS[@]}" | grep -qxFf - "$RUN/namespaces" && wrong "a process of the demo's machines is left"
ls -d "${TMPDIR:-/tmp}"/muss-machine.* >/dev/null 2>&1 && wrong "a folder of a user machine is left"
if [ "$bad" -eq 0 ]; then
	said end "this machine is as it was: mounts, processes, start-up places. All is well"
else
	echo "demo: not all was as it should be" >&2
fi
exit "$bad"
