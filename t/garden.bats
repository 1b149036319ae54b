#!/usr/bin/env bats
# The garden as the tools use it: a sample runs in a world of its own, the machine stays as it was, and nothing outlives the tool.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	export SETTLER=$BATS_FILE_TMPDIR/settler
	cc -O1 -o "$SETTLER" "$ROOT/testdata/garden/settler.c"
	chmod 755 "$SETTLER"
}

running() {
	pgrep -xf "$1" || true
}

# What a sample could have touched, by name, size and time.
machine() {
	find /etc /var/spool /var/lib/.settler /usr/local -xdev -printf '%p %s %m %T@\n' 2>/dev/null | sort
	cut -d' ' -f3- /proc/self/mountinfo
}

@test "a sample acts in its world and the machine stays as it was" {
	case_of "$SETTLER" /usr/local/bin/settler-in-the-garden >in.case
	machine >before
	"$BIN/mnicter" micro -t 15 <in.case >"$TMP/out.case"
	machine >after
	cmp before after
	bsdtar -xOf "$TMP/out.case" "code/$(sha256sum <"$SETTLER" | cut -c1-64)/dynamic.json" >"$TMP/d.json"
	jq -e '.run == "ran" and (.files | map(.path) | index("/var/lib/.settler/udevd") != null)' "$TMP/d.json"
	jq -e '[.startup[] | select(.place == "cron" and .file == "/etc/cron.d/settler")] | length == 1' "$TMP/d.json"
	jq -e '[.connections[] | select(.address == "192.0.2.7" and .port == 6667)] | length == 1' "$TMP/d.json"
	[ ! -e /var/lib/.settler ] && [ ! -e /etc/cron.d/settler ]
	[ -z "$(running /usr/local/bin/settler-in-the-garden)" ]
}

@test "kill -9 of the tool ends the sample and its keeper" {
	case_of "$SETTLER" /usr/local/bin/settler-that-is-orphaned >in.case
	"$BIN/mnicter" micro -t 60 <in.case >"$TMP/out.case" 3>&- &
	tool=$!
	for _ in $(seq 200); do
		sample=$(running /usr/local/bin/settler-that-is-orphaned)
		[ -n "$sample" ] && break
		sleep 0.05
	done
	[ -n "$sample" ]
	keeper=$(pgrep -P "$tool" -f helper-garden)
	[ -n "$keeper" ]
	kill -9 "$tool"
	wait "$tool" || true
	for _ in $(seq 100); do
		[ -z "$(running /usr/local/bin/settler-that-is-orphaned)" ] && [ ! -e "/proc/$keeper" ] && break
		sleep 0.05
	done
	[ -z "$(running /usr/local/bin/settler-that-is-orphaned)" ]
	[ ! -e "/proc/$keeper" ]
	run ! grep -q muss-world /proc/self/mountinfo
}

@test "an ordinary user has a garden, too" {
	need_root
	case_of "$SETTLER" /usr/local/bin/settler-of-nobody >in.case
	chmod 755 "$TMP" && chmod 644 in.case
	setpriv --reuid 65534 --regid 65534 --clear-groups true || skip "no other user can be had"
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$BIN/mnicter" || skip "the build is not readable for others"
	# shellcheck disable=SC2024 # the case is ours to open
	TMPDIR=/tmp setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/mnicter" micro -t 15 <in.case >"$TMP/out.case"
	bsdtar -xOf "$TMP/out.case" "code/$(sha256sum <"$SETTLER" | cut -c1-64)/dynamic.json" >"$TMP/d.json"
	jq -e '.run == "ran" and (.limits | index("unprivileged") != null)' "$TMP/d.json"
	jq -e '[.startup[] | select(.file == "/etc/cron.d/settler")] | length == 1' "$TMP/d.json"
}

@test "the helper is not started by hand" {
	fails 64 "$LIBEXEC/helper-garden"
	fails 64 "$LIBEXEC/helper-garden" 0
	fails 64 "$LIBEXEC/helper-garden" 77
	[[ $stderr == *"never by hand"* ]]
}

setup() {
	cd "$TMP" || exit
}
