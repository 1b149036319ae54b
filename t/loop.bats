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
