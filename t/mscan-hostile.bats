#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # run sets stderr; jq and inner shells expand what stands in single quotes
# Surroundings that would stop, hang, mislead or crash a scan. testdata/scan/hostile.c and deadfs.c make them; they are inert.
# MUSS_FULL=1: at full size (10,000 processes at a time).

bats_require_minimum_version 1.5.0

setup_file() {
	local p
	for p in actor hostile deadfs; do
		cc -O1 -o "$BATS_FILE_TMPDIR/$p" "$BATS_TEST_DIRNAME/../testdata/scan/$p.c" -ldl -pthread || return 1
	done
}

setup() {
	load common
	ACTOR=$BATS_FILE_TMPDIR/actor
	HOSTILE=$BATS_FILE_TMPDIR/hostile
	DEADFS=$BATS_FILE_TMPDIR/deadfs
	cd "$TMP" || return 1
}

teardown() {
	local p
	for p in $(jobs -p); do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null || :
	[ -z "${fs:-}" ] || umount -l mnt 2>/dev/null || :
}

# start PROGRAM ARGS...: runs it, waits until it says it is ready; its number is in $pid.
start() {
	rm -f ready
	"$@" >ready 3>&- 4>&- &
	pid=$!
	for _ in {1..500}; do
		grep -q ready ready && return 0
		kill -0 "$pid" || return 1
		sleep 0.02
	done
	return 1
}

# The sanitizers make a scan of a whole machine five times as long.
limit=60
[[ $MUSS_BUILD != */san ]] || limit=300

# scan ARGS...: ends well within the limit, and its case holds; opened in x/
scan() {
	run --separate-stderr -- timeout $limit mscan -o c.case "$@"
	[ "$status" -eq 0 ] || { echo "# exit $status: $stderr"; return 1; }
	[ -z "$output" ]
	opened
}

opened() {
	if [ -d x ]; then chmod -R u+rwX x; rm -rf x; fi
	mkdir x
	bsdtar -xf c.case -C x
	chmod -R u+rwX x
	(cd x && sha256sum -c --quiet MANIFEST)
}

sha() { sha256sum "$1" | cut -c1-64; }
about() { jq -e "${@:2}" "x/code/$1/about.json"; }
has_sign() { jq -e --arg s "$2" '[.signs[].name] | index($s) != null' "x/code/$1/about.json" >/dev/null; }
no_sign() { ! has_sign "$@"; }
unseen() { jq -e --arg s "$1" '.host.scan | .complete == false and (.unseen | any(contains($s)))' x/case.json; }

# A file system on mnt that answers until `fall_silent`.
need_fuse() {
	need_root
	[ -w /dev/fuse ] || skip "no FUSE"
	unshare -m true 2>/dev/null || skip "no mounts"
	mkdir -p mnt
	"$DEADFS" mnt "$ACTOR" "$@" >served 3>&- 4>&- &
	fs=$!
	for _ in {1..200}; do
		grep -q ready served && return 0
		kill -0 "$fs" || skip "no FUSE mounts"
		sleep 0.02
	done
	return 1
}

fall_silent() { kill -USR1 "$fs"; sleep 0.1; }

@test "a process that changes its maps all the time" {
	start "$HOSTILE" churn
	for _ in 1 2 3; do
		scan -p "$pid"
		about "$(sha "$HOSTILE")" '.kind == "file" and .sightings[0].how == "exe"'
		no_sign "$(sha "$HOSTILE")" exe-unmapped
	done
}

@test "a process with 50,000 mappings" {
	start "$HOSTILE" many 50000
	[ "$(wc -l <"/proc/$pid/maps")" -ge 50000 ]
	scan -p "$pid"
	has_sign "$(sha "$HOSTILE")" memory-code
	unseen "executable regions"
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "processes that come and go while the machine is scanned" {
	local n=300
	[ -z "${MUSS_FULL:-}" ] || n=10000
	start "$HOSTILE" brief "$n"
	scan
	about "$(sha "$HOSTILE")" '.sightings | length > 0'
	no_sign "$(sha "$HOSTILE")" hidden-process
}

@test "a program on a file system that does not answer any more" {
	need_fuse
	start mnt/program plain
	fall_silent
	scan --patience 1 -p "$pid"
	unseen "mnt/program' did not answer within 1.0 s"
	[ "${#stderr_lines[@]}" -eq 1 ]
	# its code in memory was taken all the same
	[ "$(jq -r 'select(.kind == "memory") | .signs[].name' x/code/*/about.json)" = unreadable-file ]
	jq -se --argjson p "$pid" 'any(.kind == "memory" and .sightings[0].pid == $p)' x/code/*/about.json
	# nothing of the kind without the silence
	kill -KILL "$fs" "$pid"
	wait "$fs" "$pid" 2>/dev/null || :
	umount -l mnt
	start "$ACTOR" plain
	scan -p "$pid"
	jq -e '.host.scan.complete' x/case.json
	! grep -q unreadable-file x/code/*/about.json
}

@test "a file system that shows other bytes to who reads than to who executes" {
	local s
	cp "$ACTOR" other
	# the middle of the file is its code: main's prologue and what follows
	printf 'usage: none' | dd of=other bs=1 seek="$((16#$(objdump -h -j .text other | awk '$2 == ".text" { print $6 }') + 64))" conv=notrunc status=none
	need_fuse other
	start mnt/program plain
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" text-unlike-file
	kill -USR2 "$fs"
	sleep 0.2
	scan -p "$pid"
	s=$(sha other)
	has_sign "$s" text-unlike-file
	no_sign "$s" text-modified
	about "$s" '.memory | length > 0 and all(.member | startswith("memory/"))'
	kill -KILL "$fs" "$pid"
	wait "$fs" "$pid" 2>/dev/null || :
	umount -l mnt
}

@test "the machine is scanned beside such a file system, and nobody waits for the scan's output" {
	need_fuse
	start "$ACTOR" plain
	other=$pid
	start mnt/program plain
	fall_silent
	timeout $limit mscan --patience 1 2>said | cat >c.case
	[ "${PIPESTATUS[0]}" -eq 0 ]
	opened
	unseen "fuse file system does not answer"
	about "$(sha "$ACTOR")" --argjson p "$other" '[.sightings[].pid] | index($p) != null'
	jq -e '[.processes, .processes_unseen] | .[0] > .[1]' <<<"$(jq .host.scan x/case.json)"
	[ "$(wc -l <said)" -eq 1 ]
}

@test "files and trees on such a file system; a healthy one beside it" {
	need_fuse
	scan -f mnt
	about "$(sha "$ACTOR")" --arg p "$TMP/mnt/program" '.paths == [$p]'
	jq -e '.host.scan.complete' x/case.json
	mkdir tree
	cp "$ACTOR" tree/a
	fall_silent
	scan --patience 1 -f mnt tree mnt/program
	[ -e "x/code/$(sha "$ACTOR")" ]
	unseen "./mnt' did not answer"
	scan --patience 1 -f "$TMP"
	[ -e "x/code/$(sha "$ACTOR")" ]
	unseen "mnt' did not answer"
}

@test "start-up places of a root with such a file system in it" {
	need_fuse
	mkdir -p root/etc/cron.d root/usr/bin root/home/u
	cp "$ACTOR" root/usr/bin/service
	echo 'u:x:1:1::/home/u:/bin/sh' >root/etc/passwd
	echo '* * * * * root /home/u/program' >root/etc/cron.d/a
	echo '* * * * * root /usr/bin/service' >root/etc/cron.d/b
	mount --bind mnt root/home/u
	fall_silent
	run -0 --separate-stderr -- timeout $limit mscan --patience 1 -R root -o c.case
	umount -l root/home/u
	opened
	unseen "did not answer"
	about "$(sha "$ACTOR")" '.paths == ["/usr/bin/service"] and .sightings[0].how == "startup"'
}

@test "files that give rights, on a root with such a file system in it" {
	need_fuse
	mkdir -p root/usr/bin/mnt root/opt/deep
	cp "$ACTOR" root/usr/bin/find
	cp "$HOSTILE" root/opt/deep/tar
	chmod 4755 root/usr/bin/find root/opt/deep/tar
	mount --bind mnt root/usr/bin/mnt
	fall_silent
	run --separate-stderr -- timeout $limit mscan --patience 1 -R root -o c.case
	umount -l root/usr/bin/mnt
	[ "$status" -eq 0 ]
	opened
	unseen "root/usr/bin/mnt' did not answer within 1.0 s"
	# what stands beside it and what comes after it, both
	has_sign "$(sha "$ACTOR")" setuid-tool
	has_sign "$(sha "$HOSTILE")" setuid-tool
}

@test "a process that keeps the lock of its memory" {
	need_fuse
	start "$HOSTILE" lock mnt/program
	fall_silent
	kill -USR2 "$pid"
	sleep 0.5
	scan --patience 1 -p "$pid"
	unseen "of process $pid did not answer within 1.0 s"
	about "$(sha "$HOSTILE")" --argjson p "$pid" '.sightings[0].how == "exe" and .sightings[0].pid == $p'
}

@test "what is said of hostile names is fit for a terminal" {
	need_root
	name=$'m\n\033[31mnt'
	mkdir "$name"
	ln -s "$name" mnt
	need_fuse
	fall_silent
	run --separate-stderr -- timeout $limit mscan --patience 0.5 -o c.case -f "$TMP/$name"
	umount -l "$TMP/$name"
	[ "$status" -eq 0 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *'m\x0a\x1b[31mnt'* && $stderr != *$'\033'* ]]
	rm mnt
}

@test "a FIFO, a socket or a device where a file should be is never opened" {
	command -v strace >/dev/null || skip "no strace"
	mkdir -p root/etc/cron.d root/usr/bin tree
	mkfifo root/etc/crontab root/usr/bin/pipe tree/pipe alone
	mkfifo root/etc/passwd
	printf '* * * * * root /usr/bin/pipe\n* * * * * root /usr/bin/device\n' >root/etc/cron.d/a
	[ "$(id -u)" -ne 0 ] || mknod root/usr/bin/device c 1 3
	scan -f tree
	fails 66 mscan -o d.case -f alone
	[ ! -e d.case ]
	asan_build && return 0
	strace -f -o trace -e trace=open,openat,openat2 "$BIN/mscan" -q -R root -o c.case
	strace -f -a 1 -o trace2 -e trace=open,openat,openat2 "$BIN/mscan" -q -f tree alone -o c.case || :
	grep -q 'cron.d' trace
	! grep -E '(crontab|passwd|pipe|device|alone)"' trace trace2 | grep -v O_PATH
}

@test "a sparse file of 1 TiB, running and lying about" {
	cp "$ACTOR" big
	truncate -s 1T big || skip "no such file here"
	scan -f big
	unseen "big' was not read: it has 1099511627776 bytes"
	start ./big plain
	scan -p "$pid"
	unseen "was not read"
	jq -se 'any(.kind == "memory" and (.signs | map(.name) == ["unreadable-file"]))' x/code/*/about.json
}

@test "a program that is replaced and rewritten during the scan" {
	mkdir tree
	cp "$ACTOR" a
	cp "$HOSTILE" b
	touch go
	(while [ -e go ]; do cp a n && mv n tree/program; cp b n && mv n tree/program; cat a >tree/written; cat b >tree/written; done) 3>&- 4>&- &
	for _ in 1 2 3 4 5; do
		scan -f tree
		# what lies under that name was one of the two, never a mixture
		if jq -r 'select(.paths | any(endswith("/program"))) | .sha256' x/code/*/about.json | grep -vE "$(sha a)|$(sha b)"; then
			return 1
		fi
	done
	rm go
	wait
}

@test "/proc that hides other users' processes" {
	need_root
	chmod 711 "$BATS_FILE_TMPDIR" "$TMP"
	mkdir -m 1777 out
	unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc && setpriv --reuid=65534 --regid=65534 --clear-groups \
		mscan -o out/c.case' 2>said || { grep -q 'permitted\|mount' said && skip "no own /proc"; }
	cp out/c.case c.case
	opened
	unseen "hidepid"
	grep -q "hides other users' processes" said
}

@test "processes in state T, Z and D" {
	start "$ACTOR" plain
	stopped=$pid
	kill -STOP "$stopped"
	start "$HOSTILE" zombie
	start "$HOSTILE" waiting
	grep -q 'State:.D' "/proc/$pid/status"
	scan -p "$stopped"
	about "$(sha "$ACTOR")" '.sightings[0].how == "exe"'
	scan -p "$pid"
	about "$(sha "$HOSTILE")" '.sightings[0].how == "exe"'
	scan
	about "$(sha "$HOSTILE")" '.sightings | length > 1'
	kill -CONT "$stopped"
}

@test "a process whose mount namespace lost its root" {
	need_root
	mkdir gone
	start unshare -m sh -c 'mount -t tmpfs none gone && cp "$1" gone/actor && cd gone && { sh -c "sleep 0.3; umount -l ." & } && exec chroot . /actor plain' \
		- "$BATS_FILE_TMPDIR/static" || {
		cc -static -O1 -o "$BATS_FILE_TMPDIR/static" "$ROOT/testdata/scan/actor.c" -ldl 2>/dev/null
		start unshare -m sh -c 'mount -t tmpfs none gone && cp "$1" gone/actor && cd gone && { sh -c "sleep 0.3; umount -l ." & } && exec chroot . /actor plain' \
			- "$BATS_FILE_TMPDIR/static"
	}
	sleep 0.5
	scan -p "$pid"
	s=$(sha "$BATS_FILE_TMPDIR/static")
	about "$s" '.kind == "file" and .sightings[0].how == "exe"'
	no_sign "$s" deleted
	no_sign "$s" exe-replaced
}

@test "no process grows by being scanned" {
	start "$HOSTILE" sparse
	grown() { awk '/^(Rss|Pss|Swap|Anonymous):/ { print $1, $2 }' "/proc/$pid/smaps_rollup"; grep VmPTE "/proc/$pid/status"; }
	# it is still on its way to sleep: pause is 34 on x86-64
	for _ in {1..250}; do grep -qs '^34 ' "/proc/$pid/syscall" && break; sleep 0.02; done
	before=$(grown)
	scan -p "$pid"
	[ -n "$(jq -r 'select(.kind == "memory") | .sha256' x/code/*/about.json)" ]
	# Pss alone may move, with who else maps the same libraries
	diff <(grep -v Pss <<<"$before") <(grown | grep -v Pss)
}

@test "what is given to --budget and --patience" {
	cp "$ACTOR" a
	scan -f a
	cp c.case plain.case
	scan --budget 50 -f a
	[ -e "x/code/$(sha a)" ]
	scan -b --patience 5 -f a
	[ -e "x/code/$(sha a)" ]
	for bad in 0 101 x ''; do fails 64 mscan --budget "$bad" -o d.case -f a; done
	for bad in 0 -1 1e9 nan; do fails 64 mscan --patience "$bad" -o d.case -f a; done
}

@test "the scan ends with whoever started it, and leaves nothing running" {
	need_fuse
	fall_silent
	mscan --patience 600 -o c.case -f mnt 3>&- 4>&- &
	pid=$!
	for _ in {1..100}; do
		child=$(pgrep -P "$pid" | head -n 1)
		[ -n "$child" ] && grep -q 'State:.D' "/proc/$child/status" && break
		sleep 0.02
	done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ ! -e c.case ]
	kill -KILL "$fs"
	wait "$fs" || :
	for _ in {1..100}; do
		[ -d "/proc/$child" ] && ! grep -q 'State:.[ZX]' "/proc/$child/status" || return 0
		sleep 0.02
	done
	return 1
}
