#!/usr/bin/env bats
# Nothing of a run remains: no process, namespace, mount, control group or file, however the run, its tool, its keeper or its init ended.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	export SETTLER=$BATS_FILE_TMPDIR/settler
	cc -O1 -o "$SETTLER" "$ROOT/testdata/garden/settler.c"
	chmod 755 "$SETTLER"
}

setup() {
	! asan_build || skip "the plain build is killed"
	cd "$TMP" || exit
	chmod 755 "$TMP"
	NAME=/usr/local/bin/settler-left-$BATS_TEST_NUMBER
	case_of "$SETTLER" "$NAME" >in.case
	chmod 644 in.case
	mkdir scratch && chmod 1777 scratch
	as=(env)
}

# Everything that stands in public folders and could be ours; other tests' own folders left out.
public() {
	find /tmp /var/tmp /run /dev/shm -maxdepth 1 \( -name '*muss*' -o -name '*garden*' -o -name '*world*' \) \
		! -name 'muss-*.??????' ! -name 'muss-[a-z]*-??????' ! -name 'muss-derive*' ! -name 'muss-dpkg*' ! -name 'muss-judge*' ! -name 'muss-spool*' ! -name 'muss-pids*' ! -name 'muss-trial-*' ! -name 'muss-escape-*' ! -name 'muss-cgroup-*' 2>/dev/null | sort
}

below() {   # PID: it and all its descendants, as they are at one moment; with their parents and commands
	ps -eo pid=,ppid=,args= | awk -v top="$1" '
		{ parent[$1] = $2; line[$1] = $0 }
		END { for (p in parent) { q = p; for (i = 0; i < 20 && q in parent && q != top; i++) q = parent[q]; if (q == top) print line[p] } }'
}

alive() {   # a zombie only waits for whoever reaps orphans here
	[ -e "/proc/$1/stat" ] && [ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null)" != Z ]
}

start() {
	public >before
	cut -d' ' -f5- /proc/self/mountinfo | sort >mounts
	TMPDIR=$TMP/scratch "${as[@]}" "$BIN/mnicter" micro -q -t "$1" <in.case >out.case 2>err 3>&- &
	tool=$!
}

# What is there at this moment, and has to be gone soon.
look() {
	below "$tool" >tree
	awk '{ print $1 }' tree >pids
	keeper=$(awk -v top="$tool" '$2 == top && /helper-garden/ { print $1; exit }' tree)
	# Of the keeper's children the one in another process namespace.
	warden=
	for pid in $(awk -v top="$keeper" '$2 == top { print $1 }' tree); do
		[ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink "/proc/$keeper/ns/pid")" ] || warden=$pid
	done
	: >spaces
	for pid in $warden $keeper; do
		readlink "/proc/$pid"/ns/* 2>/dev/null >>spaces || true
	done
	readlink /proc/self/ns/* >own
	looked=$(awk -v hertz="$(getconf CLK_TCK)" '{ printf "%d", $1 * hertz }' /proc/uptime)
	grep -vxFf own spaces | sort -u >theirs || true
}

# Of processes that were there when it was looked: a number that became free is soon another test's.
old_spaces() {
	local pid
	readlink /proc/[0-9]*/ns/* 2>/dev/null | grep -qxFf theirs || return 0
	for pid in $(ps -eo pid=); do
		[ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" -le "$looked" ] 2>/dev/null || continue
		readlink "/proc/$pid"/ns/* 2>/dev/null | grep -xFf theirs
	done | sort -u
}

# Why something is left; nothing: all is gone.
left() {
	for pid in $(cat pids); do ! alive "$pid" || echo "process $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"; done
	pgrep -xf "$NAME" | sed 's/^/sample /'
	[ ! -s theirs ] || old_spaces | sed 's/^/namespace /'
	[ -z "$keeper" ] || find /sys/fs/cgroup -name "muss-$keeper-*" 2>/dev/null
	cut -d' ' -f5- /proc/self/mountinfo | sort | grep -vxFf mounts | grep muss | sed 's/^/mount /'
	find scratch -mindepth 1
	public | grep -vxFf before
	return 0
}

nothing_left() {
	local i
	for i in $(seq 40); do
		left >remains
		[ -s remains ] || return 0
		sleep 0.05
	done
	cat remains
	return 1
}

one_kill() {   # WHO MILLISECONDS
	local victim
	start 5
	sleep "$(printf '0.%03d' "$2")"
	look
	case $1 in
	tool) victim=$tool ;;
	keeper) victim=${keeper:-$tool} ;;
	warden) victim=${warden:-${keeper:-$tool}} ;;
	esac
	kill -9 "$victim" 2>/dev/null || true
	if [ "$victim" != "$tool" ]; then
		# The tool is told, says so, and ends in its own time.
		timeout 20 tail --pid="$tool" -f /dev/null
	fi
	wait "$tool" 2>/dev/null || true
	nothing_left || { echo "# $1 ($victim) killed after $2 ms"; return 1; }
}

@test "after an end of its own" {
	start 2
	for _ in $(seq 60); do
		look
		[ -n "$warden" ] && break
		sleep 0.02
	done
	wait "$tool"
	[ -n "$warden" ]
	nothing_left || return 1
}

@test "kill -9 of the tool at seven moments" {
	for i in 0 1 2 3 4 5 6; do one_kill tool $((i * 90 + RANDOM % 90)); done
}

@test "kill -9 of the keeper at seven moments" {
	for i in 0 1 2 3 4 5 6; do one_kill keeper $((i * 90 + RANDOM % 90)); done
}

@test "kill -9 of the run's init at seven moments" {
	for i in 0 1 2 3 4 5 6; do one_kill warden $((i * 90 + RANDOM % 90)); done
}

@test "an ordinary user leaves nothing either" {
	need_root
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$BIN/mnicter" || skip "the build is not readable for others"
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	for who in tool keeper warden; do one_kill $who $((200 + RANDOM % 300)); done
}
