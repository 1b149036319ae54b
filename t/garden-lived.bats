#!/usr/bin/env bats
# A sample that looks around before it acts finds an ordinary person's machine, also without root.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

# dynamic SCRIPT [RUNNER...]: what mnicter says of a run of that script, seen at a place that tells nothing of it.
dynamic() (
	printf '#!/bin/sh\n%s\n' "$1" >"$TMP/s"
	shift
	sha=$(sha256sum <"$TMP/s" | cut -c1-64)
	mkdir -p "$TMP/c/code/$sha"
	cd "$TMP/c" || exit
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d","name":"t"},"trail":[]}\n' 1 2 >case.json
	printf '{"sha256":"%s","kind":"script","size":%d,"paths":["/proc/9/cwd/backup"],"sightings":[],"signs":[],"score":60}\n' \
		"$sha" "$(stat -Lc %s "$TMP/s")" >"code/$sha/about.json"
	cp "$TMP/s" "code/$sha/body"
	sha256sum case.json "code/$sha/about.json" "code/$sha/body" >MANIFEST
	tar --format=pax --owner=0 --group=0 -cf "$TMP/in.case" case.json "code/$sha/about.json" "code/$sha/body" MANIFEST
	"$@" "$BIN/mnicter" micro -t 10 <"$TMP/in.case" >"$TMP/out.case"
	bsdtar -xOf "$TMP/out.case" "code/$sha/dynamic.json" >"$TMP/d.json"
)

# What a careful sample asks first. It acts only when all is as on somebody's machine.
CAREFUL='
awk "{ exit \$1 < 5 * 86400 }" /proc/uptime || exit 1
case $(hostname) in *sandbox* | *malware* | *test* | localhost | vm) exit 2 ;; esac
user=$(id -un 1000) && [ -d "/home/$user/Documents" ] || exit 3
case $user in user | sandbox | malware | test | admin) exit 4 ;; esac
[ "$(ls /proc | grep -c "^[0-9]")" -ge 20 ] || exit 5
grep -qi -e qemu -e vmware -e virtualbox -e bochs /sys/class/dmi/id/* && exit 6
[ -s /sys/class/dmi/id/sys_vendor ] || exit 7
grep -q hypervisor /proc/cpuinfo && exit 8
ls /home/$user/.mozilla/firefox/*/places.sqlite >/dev/null || exit 9
[ "$(cat /proc/1/comm)" = systemd ] || exit 10
echo found >/var/tmp/found'

@test "code that looks around first acts" {
	dynamic "$CAREFUL"
	jq -e '.run == "ran" and .status == 0 and ([.files[].path] == ["/var/tmp/found"])' "$TMP/d.json"
	jq -e '.path | startswith("/home/") and endswith("/backup") and (startswith("/home/user/") | not)' "$TMP/d.json"
}

@test "code that looks around first acts for an ordinary user as well" {
	need_root
	setpriv --reuid 65534 --regid 65534 --clear-groups true || skip "no other user can be had"
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$BIN/mnicter" || skip "the build is not readable for others"
	chmod 755 "$TMP"
	TMPDIR=/tmp dynamic "$CAREFUL" setpriv --reuid 65534 --regid 65534 --clear-groups
	jq -e '.run == "ran" and .status == 0 and ([.files[].path] == ["/var/tmp/found"])' "$TMP/d.json"
	jq -e '.limits | index("unprivileged") != null' "$TMP/d.json"
}

@test "what does nothing has changed nothing" {
	dynamic 'exit 0'
	jq -e '.run == "ran" and .files == [] and .startup == [] and .signs == []' "$TMP/d.json"
}

@test "what is changed of the machine's files is told with what was there before" {
	dynamic 'echo "echo more" >>/root/.bashrc; rm "/home/$(id -un 1000)/.gitconfig"'
	jq -e '[.files[].path] | length == 2' "$TMP/d.json"
	jq -e '.files[] | select(.path == "/root/.bashrc") | .change == "modified"' "$TMP/d.json"
	jq -e '[.startup[] | select(.file == "/root/.bashrc") | .line] == ["echo more"]' "$TMP/d.json"
	jq -e '.files[] | select(.path | endswith("/.gitconfig")) | .change == "deleted"' "$TMP/d.json"
}

@test "a service may be killed, and is named" {
	dynamic 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = rsyslogd ] && kill -9 ${p#/proc/}; done; sleep 0.2; echo on >/tmp/on'
	jq -e '[.files[].path] == ["/tmp/on"]' "$TMP/d.json"
	jq -e '[.signs[] | select(.name == "kills-others") | .reason | contains("(rsyslogd)")] == [true]' "$TMP/d.json"
	jq -e '[.processes[] | select(.comm == "rsyslogd" or .comm == "sshd")] == []' "$TMP/d.json"
}

@test "nothing of it is left on the machine" {
	mkdir -p "$TMP/share" && cp -R "$ROOT/rules/." "$TMP/share"
	sed -i "s|\"argv\": \[\"/usr/bin/gnome-shell\"|\"argv\": [\"/usr/bin/gnome-shell\", \"left-$$\"|" "$TMP/share/garden/machine.json"
	MUSS_SHARE=$TMP/share dynamic "pgrep -f left-$$ >/tmp/there"
	jq -e '[.files[] | select(.path == "/tmp/there" and .size > 0)] | length == 1' "$TMP/d.json"
	[ -z "$(pgrep -f "left-$$")" ]
	run ! grep -q /dev/sda2.*upperdir /proc/self/mountinfo
	[ "$(hostname)" = "$(cat /proc/sys/kernel/hostname)" ]
}

@test "bad settings are an error" {
	mkdir -p "$TMP/share" && cp -R "$ROOT/rules/." "$TMP/share"
	echo '{"format":"muss-machine/2"}' >"$TMP/share/garden/machine.json"
	printf '#!/bin/sh\n:\n' >"$TMP/s"
	chmod 755 "$TMP/s"
	export MUSS_SHARE=$TMP/share
	run ! dynamic ':'
	[[ $output$stderr == *machine.json*muss-machine/1* ]]
}

setup() {
	cd "$TMP" || exit
}
