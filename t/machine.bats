#!/usr/bin/env bats
# The user machines of machine.bash, and the specimens: they act only where they may, and nothing is left of them.

load common

setup_file() {
	mkdir -p "$BATS_FILE_TMPDIR/bin"
	cc -std=c17 -O2 -o "$BATS_FILE_TMPDIR/bin/resident" "$BATS_TEST_DIRNAME/../testdata/specimen/resident.c"
	cc -std=c17 -O2 -o "$BATS_FILE_TMPDIR/bin/honest" "$BATS_TEST_DIRNAME/../testdata/specimen/honest.c"
}

setup() {
	# shellcheck source=t/machine.bash
	. "$ROOT/t/machine.bash"
	MACHINE_KEEP=$ROOT
	SPECIMENS=$BATS_FILE_TMPDIR/bin
}

teardown() {
	machine_stop_all
}

started() { # NAME FILE ARGUMENTS: puts FILE at a place in the machine and starts it there
	local name=$1 file=$2 place=$3
	machine_run "$name" sh -c "mkdir -p \"\${1%/*}\"; cat >\"\$1\"; chmod 755 \"\$1\"; { setsid \"\$1\" </dev/null >/dev/null 2>&1 3>&- 4>&- & }" sh "$place" <"$file"
}

@test "a specimen does nothing where /.muss-scratch is missing" {
	[ ! -e /.muss-scratch ]
	cd "$TMP"
	cp "$SPECIMENS/resident" "$SPECIMENS/honest" "$ROOT/testdata/specimen/dropper.sh" .
	for s in resident honest dropper.sh; do
		run --separate-stderr timeout 5 "./$s"
		[ "$status" -eq 0 ]
		[ -z "$output$stderr" ]
		[ -e "$s" ]
	done
	[ ! -e /var/lib/.systemd-private ]
	[ ! -e /etc/cron.d/sysstat-collect ]
	[ ! -e /usr/local/lib/.cache-update ]
}

@test "a user machine has its own name, processes and files, and leaves nothing" {
	need_root
	before=$(sort /proc/self/mountinfo)
	machine_network
	machine_start anna
	[ "$(machine_run anna hostname)" = anna ]
	[ "$(hostname)" != anna ]
	[ "$(machine_run anna cat /etc/machine-id)" != "$(cat /etc/machine-id)" ]
	[ "$(machine_run anna sh -c 'ls -d /proc/[0-9]* | wc -l')" -lt 8 ]
	machine_run anna sh -c 'echo changed >/etc/hostname; rm /bin/true; echo x >/usr/new'
	[ -e /bin/true ]
	[ ! -e /usr/new ]
	run machine_run anna touch "$ROOT/new"
	[ "$status" -ne 0 ]
	run machine_run anna bash -c ': </dev/tcp/192.0.2.1/80'
	[ "$status" -ne 0 ]
	pid=${MACHINE_PID[anna]}
	machine_stop anna
	[ ! -e "/proc/$pid/exe" ] || [ -z "$(readlink "/proc/$pid/exe")" ]
	machine_stop_all
	[ "$(sort /proc/self/mountinfo)" = "$before" ]
	run ! ls -d "${TMPDIR:-/tmp}"/muss-machine.*
}

@test "what is kept is seen also where it stands below /tmp" {
	need_root
	kept=$(mktemp -d /tmp/muss-kept.XXXXXX)
	echo here >"$kept/file"
	MACHINE_KEEP=$kept
	machine_network
	machine_start anna
	run machine_run anna cat "$kept/file"
	rm -r "$kept"
	[ "$output" = here ]
}

@test "a user machine dies with its shell, kill -9 included" {
	need_root
	bash -c ". '$ROOT/t/machine.bash'; machine_network && machine_start bo && echo \"\${MACHINE_PID[bo]}\" >'$TMP/pid'; sleep 60" 3>&- 4>&- &
	shell=$!
	for _ in {1..100}; do [ -s "$TMP/pid" ] && break; sleep 0.05; done
	pid=$(cat "$TMP/pid")
	[ -d "/proc/$pid/ns" ]
	sleepers=$(cat "/proc/$shell/task/$shell/children")
	kill -9 "$shell"
	run ! wait "$shell"
	for _ in {1..100}; do [ -e "/proc/$pid/ns/mnt" ] && readlink "/proc/$pid/ns/mnt" >/dev/null || break; sleep 0.05; done
	run ! readlink "/proc/$pid/ns/mnt"
	for p in $sleepers; do [ "$(cat "/proc/$p/comm" 2>/dev/null)" = sleep ] && kill "$p"; done
	true
}

@test "the resident specimen leaves its traces, once, and ends with its root's mark" {
	need_root
	machine_network
	machine_start anna
	started anna "$SPECIMENS/resident" /root/.cache/.fontconfig/dbus-daemon
	for _ in {1..60}; do machine_run anna test -s /var/lib/.systemd-private/.mark && break; sleep 0.05; done
	[ "$(machine_run anna cat /var/lib/.systemd-private/.mark)" = resident ]
	machine_run anna cmp /var/lib/.systemd-private/udevd - <"$SPECIMENS/resident"
	machine_run anna sh -c '[ ! -e /root/.cache/.fontconfig/dbus-daemon ]'
	machine_run anna timeout 5 /var/lib/.systemd-private/udevd
	[ "$(machine_run anna grep -c '^@reboot root /var/lib/.systemd-private/udevd$' /etc/crontab)" -eq 1 ]
	machine_run anna grep -q '^\*/7 .* root /var/lib/.systemd-private/udevd' /etc/cron.d/sysstat-collect
	machine_run anna grep -q '^Exec=/var/lib/.systemd-private/udevd$' /root/.config/autostart/dbus-session.desktop
	[ "$(machine_run anna sh -c 'readlink /proc/*/exe | grep -c "dbus-daemon (deleted)"')" -eq 1 ]
	# decrypted code in anonymous memory
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c 'for p in /proc/[0-9]*; do case $(readlink $p/exe) in *dbus-daemon*) grep -E "r-xp 00000000 00:00 0 *$" $p/maps;; esac; done' | grep -q r-xp
	machine_run anna rm /.muss-scratch
	for _ in {1..40}; do [ "$(machine_run anna sh -c 'readlink /proc/*/exe | grep -c "dbus-daemon"')" -eq 0 ] && break; sleep 0.1; done
	[ "$(machine_run anna sh -c 'readlink /proc/*/exe | grep -c "dbus-daemon"')" -eq 0 ]
}

@test "the dropper and the honest program behave as they say" {
	need_root
	machine_network
	machine_start anna
	started anna "$ROOT/testdata/specimen/dropper.sh" /var/tmp/.x
	started anna "$SPECIMENS/honest" /opt/honest
	for _ in {1..60}; do machine_run anna test -e /etc/profile.d/zz-cache.sh && break; sleep 0.05; done
	machine_run anna cmp /usr/local/lib/.cache-update - <"$ROOT/testdata/specimen/dropper.sh"
	machine_run anna sh -c '[ ! -e /var/tmp/.x ]'
	sleep 0.3
	[ "$(machine_run anna sh -c 'readlink /proc/*/exe | grep "honest (deleted)"')" = "/opt/honest (deleted)" ]
	machine_run anna sh -c 'tail -c 1 /opt/honest' | grep -q 2
}
