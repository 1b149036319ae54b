#!/usr/bin/env bats
# From a machine with two different specimens and an honest program to a clean one, by the tools in a row.

load common

setup() {
	need_root
	# shellcheck source=t/machine.bash
	. "$ROOT/t/machine.bash"
	# shellcheck disable=SC2034 # machine.bash's
	MACHINE_KEEP=$ROOT
	cc -std=c17 -O2 -o "$TMP/resident" "$ROOT/testdata/specimen/resident.c"
	cc -std=c17 -O2 -o "$TMP/honest" "$ROOT/testdata/specimen/honest.c"
	machine_network
	machine_start anna
}

teardown() {
	[ "$(id -u)" -ne 0 ] || machine_stop_all
}

# place FILE PATH: puts a program into the machine and starts it.
place() {
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c 'mkdir -p "${1%/*}"; cat >"$1"; chmod 755 "$1"; { setsid "$1" </dev/null >/dev/null 2>&1 3>&- 4>&- & }' sh "$2" <"$1"
}

running() {
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c 'for p in /proc/[0-9]*; do echo "$(readlink "$p/exe") $(tr "\0" " " <"$p/cmdline")"; done' 2>/dev/null | grep -c "$1"
}

traces() {
	machine_run anna sh -c 'find /var/lib/.systemd-private /etc/cron.d/sysstat-collect /root/.config/autostart /root/.cache/.fontconfig \
		/usr/local/lib/.cache-update /etc/profile.d/zz-cache.sh /var/tmp/.x ! -type d; grep systemd-private /etc/crontab' 2>/dev/null | sort
}

@test "two specimens are found, removed and brought back by undo; the honest program is left alone" {
	place "$TMP/honest" /opt/honest
	sleep 0.5
	# What the clean machine runs is what is known good here, but for the honest program.
	machine_run anna "$BIN/mscan" -q >"$TMP/clean.case"
	mls -j "$TMP/clean.case" | jq -r 'select(.paths | tostring | test("honest") | not) | select(.kind != "memory") | .sha256' |
		mwhite -q build -o "$TMP/known.idx" --list -
	place "$ROOT/testdata/specimen/dropper.sh" /var/tmp/.x
	place "$TMP/resident" /root/.cache/.fontconfig/dbus-daemon
	for _ in {1..100}; do machine_run anna sh -c 'test -s /var/lib/.systemd-private/.mark && test -s /etc/profile.d/zz-cache.sh' && break; sleep 0.05; done
	sleep 0.3
	infected=$(traces)
	[ "$(wc -l <<<"$infected")" -eq 7 ]
	machine_run anna "$BIN/mscan" -q >"$TMP/scan.case"
	mwhite -d "$TMP/known.idx" <"$TMP/scan.case" >"$TMP/white.case"
	# the bodies are the machine's: the tool runs there
	machine_run anna "$BIN/mpack" -q -p <"$TMP/white.case" >"$TMP/packed.case"
	mnicter micro "$TMP/packed.case" >"$TMP/micro.case"
	resident=$(sha256sum <"$TMP/resident" | cut -d' ' -f1)
	dropper=$(sha256sum <"$ROOT/testdata/specimen/dropper.sh" | cut -d' ' -f1)
	honest=$(sha256sum <"$TMP/honest" | cut -d' ' -f1)
	mls -j "$TMP/micro.case" >"$TMP/list"
	[ "$(jq -r "select(.verdict == \"malicious\") | .sha256" "$TMP/list" | sort)" = "$(printf '%s\n' "$resident" "$dropper" | sort)" ]
	[ "$(jq -r "select(.sha256 == \"$honest\") | .verdict" "$TMP/list")" != malicious ]
	mgen "$TMP/micro.case" >"$TMP/gen.case"
	bsdtar -xOf "$TMP/gen.case" remedy/plan.json >"$TMP/plan.json"
	[ "$(jq -r '.codes[]' "$TMP/plan.json" | sort)" = "$(printf '%s\n' "$resident" "$dropper" | sort)" ]
	run ! grep -q "$honest" "$TMP/plan.json"
	run ! grep -q /opt/honest "$TMP/plan.json"
	bsdtar -xOf "$TMP/gen.case" remedy/linux-x86_64/remover >"$TMP/remover"
	machine_run anna sh -c 'cat >/run/remover && chmod 700 /run/remover' <"$TMP/remover"

	machine_run anna /run/remover
	[ "$(traces)" = "$infected" ]
	[ "$(running '/\.x\|dbus-daemon')" -eq 2 ]
	run --separate-stderr machine_run anna /run/remover --apply --report
	[ "$status" -eq 0 ]
	[ "$(jq .remaining <<<"$output")" -eq 0 ]
	[ -z "$(traces)" ]
	[ "$(running '/\.x\|dbus-daemon\|udevd')" -eq 0 ]
	[ "$(running '^/opt/honest')" -eq 1 ]
	machine_run anna "$BIN/mscan" -q | mls -j >"$TMP/after"
	run ! grep -q "$resident\|$dropper" "$TMP/after"
	machine_run anna /run/remover --undo
	[ "$(traces)" = "$infected" ]
}

@test "an interpreter's process in disguise is ended; an honest one of the same interpreter lives, and the proof says what it left open" {
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c 'printf "sleep 1 while 1;\n" >/opt/daemon.pl; { setsid perl /opt/daemon.pl </dev/null >/dev/null 2>&1 3>&- 4>&- & }'
	machine_run anna "$BIN/mscan" -q >"$TMP/clean.case"
	mls -j "$TMP/clean.case" | jq -r 'select(.kind != "memory") | .sha256' | mwhite -q build -o "$TMP/known.idx" --list -
	place "$ROOT/testdata/specimen/phantom.pl" /var/tmp/.p
	for _ in {1..100}; do [ "$(running 'kworker/1:2')" -eq 1 ] && break; sleep 0.05; done
	machine_run anna "$BIN/mscan" -q | mwhite -d "$TMP/known.idx" >"$TMP/white.case"
	machine_run anna "$BIN/mpack" -q -p <"$TMP/white.case" >"$TMP/packed.case"
	mnicter micro -t 5 "$TMP/packed.case" >"$TMP/micro.case"
	phantom=$(sha256sum <"$ROOT/testdata/specimen/phantom.pl" | cut -d' ' -f1)
	perl=$(sha256sum </usr/bin/perl | cut -d' ' -f1)
	[ "$(mls -j "$TMP/micro.case" | jq -r 'select(.verdict == "malicious") | .sha256')" = "$phantom" ]
	mgen "$TMP/micro.case" >"$TMP/gen.case"
	bsdtar -xOf "$TMP/gen.case" remedy/plan.json >"$TMP/plan.json"
	id=$(jq -r --arg perl "$perl" --arg why "$phantom" '[.operations[] | select(.op == "terminate" and .sha256 == $perl)] |
		if length == 1 and .[0].only and .[0].why == $why then .[0].id else error("not one") end' "$TMP/plan.json")
	mverify -q -e host "$TMP/gen.case" >"$TMP/proven.case"
	bsdtar -xOf "$TMP/proven.case" proof/host.json >"$TMP/proof.json"
	jq -e --argjson id "$id" '.result == "safe" and (.unproven | index($id) != null)' "$TMP/proof.json"
	bsdtar -xOf "$TMP/gen.case" remedy/linux-x86_64/remover >"$TMP/remover"
	machine_run anna sh -c 'cat >/run/remover && chmod 700 /run/remover' <"$TMP/remover"
	[ "$(running 'kworker/1:2')" -eq 1 ]
	run --separate-stderr machine_run anna /run/remover --apply --report
	[ "$status" -eq 0 ]
	[ "$(jq .remaining <<<"$output")" -eq 0 ]
	[ "$(running 'kworker/1:2')" -eq 0 ]
	[ "$(running 'perl /opt/daemon.pl')" -eq 1 ]
	machine_run anna sh -c '! test -e /usr/share/.fonts-cache/upd && ! grep -s fonts-cache /var/spool/cron/crontabs/root'
}

@test "a process that only may be the code is left alone, and named by the plan, the remover and the proof" {
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c '{ setsid perl -e '\''$0 = "[celeryd: worker]"; sleep 1 while 1'\'' </dev/null >/dev/null 2>&1 3>&- 4>&- & }'
	machine_run anna "$BIN/mscan" -q >"$TMP/clean.case"
	mls -j "$TMP/clean.case" | jq -r 'select(.kind != "memory") | .sha256' | mwhite -q build -o "$TMP/known.idx" --list -
	place "$ROOT/testdata/specimen/phantom.pl" /var/tmp/.p
	for _ in {1..400}; do [ "$(running 'kworker/1:2')" -eq 1 ] && break; sleep 0.05; done
	[ "$(running 'kworker/1:2')" -eq 1 ]
	machine_run anna "$BIN/mscan" -q | mwhite -d "$TMP/known.idx" >"$TMP/white.case"
	machine_run anna "$BIN/mpack" -q -p <"$TMP/white.case" >"$TMP/packed.case"
	mnicter micro -t 20 "$TMP/packed.case" >"$TMP/micro.case"
	mgen "$TMP/micro.case" 2>/dev/null >"$TMP/gen.case"
	bsdtar -xOf "$TMP/gen.case" remedy/plan.json >"$TMP/plan.json"
	note=$(jq -r '.notes[] | select(test("process [0-9]+, called .\\[celeryd: worker\\]., of"))' "$TMP/plan.json")
	[ -n "$note" ]
	mverify -q -e host "$TMP/gen.case" >"$TMP/proven.case"
	bsdtar -xOf "$TMP/proven.case" proof/host.json | jq -e --arg note "$note" '.unproven | index($note) != null'
	bsdtar -xOf "$TMP/gen.case" remedy/linux-x86_64/remover >"$TMP/remover"
	machine_run anna sh -c 'cat >/run/remover && chmod 700 /run/remover' <"$TMP/remover"
	machine_run anna /run/remover | grep -F "left alone" | grep -F "$note"
	machine_run anna /run/remover --apply --report | jq -e --arg note "$note" '.notes | index($note) != null'
	[ "$(running 'kworker/1:2')" -eq 0 ]
	[ "$(running 'celeryd: worker')" -eq 1 ]
}
