#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # jq and inner shells expand what stands in single quotes; run sets stderr
# What mscan sees of processes that want not to be seen. They are made by testdata/scan/lodger.c, which is inert.

setup_file() {
	cc -O1 -pthread -o "$BATS_FILE_TMPDIR/lodger" "$BATS_TEST_DIRNAME/../testdata/scan/lodger.c" -ldl
	cc -O1 -pthread -static -o "$BATS_FILE_TMPDIR/lodger-static" "$BATS_TEST_DIRNAME/../testdata/scan/lodger.c" 2>/dev/null
}

setup() {
	load common
	LODGER=$BATS_FILE_TMPDIR/lodger
	STATIC=$BATS_FILE_TMPDIR/lodger-static
	cd "$TMP" || return 1
	touch scratch
}

# With all their children: an interpreter's script can be another one's child.
kill_tree() {
	local p
	for p in $(pgrep -P "$1"); do kill_tree "$p"; done
	kill -KILL "$1" 2>/dev/null || :
}

teardown() {
	local p
	rm -f scratch
	for p in $(jobs -p); do kill_tree "$p"; done
	wait 2>/dev/null || :
}

# start PROGRAM ARGS...: runs it, waits until it says it is ready; its number is in $pid.
start() {
	rm -f ready
	"$@" >ready 3>&- 4>&- &
	pid=$!
	for _ in {1..250}; do
		grep -q ready ready && return 0
		kill -0 "$pid" || return 1
		sleep 0.02
	done
	return 1
}

# scan ARGS...: a case that holds, opened in x/
scan() {
	run --separate-stderr -- mscan -o c.case "$@"
	[ "$status" -eq 0 ] || { echo "# $stderr"; return 1; }
	[ -z "$output" ]
	if [ -d x ]; then chmod -R u+rwX x; rm -rf x; fi
	mkdir x
	bsdtar -xf c.case -C x
	chmod -R u+rwX x
	(cd x && sha256sum -c --quiet MANIFEST)
}

sha() { sha256sum "$1" | cut -c1-64; }
about() { jq -e "${@:2}" "x/code/$1/about.json"; }
has_sign() { jq -e --arg s "$2" '[.signs[].name] | index($s) != null' "x/code/$1/about.json" >/dev/null || { echo "# no $2"; return 1; }; }
no_sign() { ! has_sign "$@" >/dev/null; }
of_kind() { jq -r --arg k "$1" 'select(.kind == $k) | .sha256' x/code/*/about.json; }

# inside ROOT PROGRAM ARGS...: starts it in a container of that root; the number of the program is in $pid.
inside() {
	local root=$1
	shift
	start bwrap --bind "$root" / --dev /dev --proc /proc --unshare-pid --unshare-uts --hostname muss-box --die-with-parent "$@"
	pid=$(pgrep -P "$(pgrep -P "$pid")")
}

# A root with two copies of the program, of which its own package database knows one.
fabricate() {
	mkdir -p r/{app,usr/sbin,var/lib/dpkg/info,etc/cron.d,dev,proc}
	cp "$STATIC" r/app/known
	{ cat "$STATIC"; echo more; } >r/app/unknown
	cp r/app/unknown r/usr/sbin/cron
	echo third >>r/usr/sbin/cron
	chmod 755 r/app/unknown r/usr/sbin/cron
	printf '/app\n/app/known\n' >r/var/lib/dpkg/info/lodger.list
	touch r/scratch
}

@test "a container: its processes through their own root, judged by its own package database" {
	need_root
	fabricate
	printf '* * * * * root /app/unknown\n' >r/etc/cron.d/x
	inside "$TMP/r" /app/known /scratch plain
	one=$pid
	inside "$TMP/r" /app/unknown /scratch plain
	two=$pid
	scan
	s=$(sha r/app/known)
	about "$s" --argjson p "$one" '.kind == "file" and .paths == ["/app/known"] and .sightings[0].pid == $p and .sightings[0].container == "muss-box"
		and .sightings[0].pidns > 0 and .sightings[0].mntns > 0'
	no_sign "$s" unowned
	no_sign "$s" deleted
	s=$(sha r/app/unknown)
	has_sign "$s" unowned
	about "$s" --argjson p "$two" '[.sightings[] | select(.how == "exe")][0] | .pid == $p and (.container | startswith("muss-box"))'
	# and what starts by itself there
	about "$s" '[.sightings[] | select(.how == "startup")] | length > 0 and all(.container | startswith("muss-box"))'
	jq -e '[.host.scan.containers[] | select(.hostname == "muss-box")] | length == 2 and all(.packages and .mntns > 0 and .pid > 0)' x/case.json
	# the container's files come with the case
	mpack -p <c.case >p.case
	bsdtar -tf p.case | grep -q "code/$s/body"
	rm r/scratch
}

@test "a container without a package database: nobody says that its files belong to nobody" {
	need_root
	fabricate
	rm -r r/var
	inside "$TMP/r" /app/unknown /scratch plain
	scan -p "$pid"
	no_sign "$(sha r/app/unknown)" unowned
	inside "$TMP/r" /usr/sbin/cron /scratch plain
	scan -p "$pid"
	no_sign "$(sha r/usr/sbin/cron)" unowned
	rm r/scratch
}

@test "another mount namespace of our own root: our files are ours, what covers them is not" {
	need_root
	[ -e /usr/bin/sleep ] && [ -d /var/lib/dpkg/info ] || skip "no package owns sleep here"
	unshare --mount -- sh -c 'echo ready; exec sleep 60' >ready &
	pid=$!
	until grep -q ready ready && [ "$(cat "/proc/$pid/comm")" = sleep ]; do sleep 0.02; done
	scan -p "$pid"
	no_sign "$(sha "$(readlink -f /usr/bin/sleep)")" unowned
	jq -e '.host.scan | has("containers") | not' x/case.json
	kill_tree "$pid"
	start unshare --mount -- sh -c 'mount --bind "$1" /usr/bin/sleep; exec /usr/bin/sleep "$2/scratch" plain' sh "$LODGER" "$TMP"
	scan -p "$pid"
	s=$(sha "$LODGER")
	has_sign "$s" unowned
	about "$s" '[.signs[] | select(.name == "unowned").reason][0] | test("mount namespace")'
	no_sign "$s" exe-replaced
}

@test "a thread whose own instructions are in memory alone, and one that is called from there" {
	start "$LODGER" scratch thread-in-memory
	scan -p "$pid"
	s=$(of_kind memory)
	has_sign "$s" thread-in-memory
	no_sign "$s" thread-through-memory
	about "$s" --arg p "process $pid" '[.signs[] | select(.name == "thread-in-memory").reason][0] | contains($p)'
	no_sign "$(sha "$LODGER")" thread-in-memory
	kill_tree "$pid"
	start "$LODGER" scratch thread-through-memory
	scan -p "$pid"
	s=$(of_kind memory)
	has_sign "$s" thread-through-memory
	no_sign "$s" thread-in-memory
	# code that is there, but where no thread is or comes from
	kill_tree "$pid"
	start "$LODGER" scratch memory
	scan -p "$pid"
	s=$(of_kind memory)
	no_sign "$s" thread-in-memory
	no_sign "$s" thread-through-memory
}

@test "a thread that bears a kernel thread's name, and one with a name like others" {
	start "$LODGER" scratch thread-named kworker/u8:2
	scan -p "$pid"
	has_sign "$(sha "$LODGER")" kernel-thread-name
	kill_tree "$pid"
	start "$LODGER" scratch thread-named worker
	scan -p "$pid"
	no_sign "$(sha "$LODGER")" kernel-thread-name
}

@test "a program on a file system that was mounted and is mounted nowhere any more" {
	need_root
	mkdir -p m/usr/sbin
	# a name that is another file in our root, and one that is none
	start unshare --mount --propagation private -- sh -ec 'mount -t tmpfs none "$1/m"; mkdir -p "$1/m/usr/bin"; cp "$2" "$1/m/usr/bin/sleep"
		cd /; "$1/m/usr/bin/sleep" "$1/scratch" plain & p=$!; sleep 0.1; umount -l "$1/m"; echo "$p" >"$1/child"; wait' sh "$TMP" "$LODGER"
	until [ -s child ]; do sleep 0.02; done
	scan -p "$(cat child)"
	s=$(sha "$LODGER")
	has_sign "$s" mount-detached
	no_sign "$s" exe-replaced
	about "$s" '.kind == "deleted" and .paths == ["/usr/bin/sleep"]'
	mpack -p <c.case | bsdtar -tf - | grep -q "code/$s/body"
	rm scratch
	wait "$pid"
	touch scratch
	# the same, while it is still mounted, in a namespace of its own
	start unshare --mount --propagation private -- sh -ec 'mount -t tmpfs none "$1/m"; cp "$2" "$1/m/prog"; exec "$1/m/prog" "$1/scratch" plain' sh "$TMP" "$LODGER"
	scan -p "$pid"
	no_sign "$s" mount-detached
}

@test "a library from nowhere in a packaged program, and the same in a program of no package" {
	[ -d /var/lib/dpkg/info ] || skip "no package database"
	mkdir -p .hid
	cc -shared -o .hid/lib.so -x c - <<<'int muss_test_library;'
	{ cat .hid/lib.so; echo; } >plain.so
	mkfifo fifo
	LD_PRELOAD=$TMP/.hid/lib.so:$TMP/plain.so cat fifo >/dev/null 3>&- 4>&- &
	pid=$!
	exec 5>fifo
	until [ "$(cat "/proc/$pid/comm")" = cat ] && grep -q plain.so "/proc/$pid/maps"; do sleep 0.02; done
	scan -p "$pid"
	has_sign "$(sha .hid/lib.so)" library-misplaced
	has_sign "$(sha plain.so)" library-unowned
	no_sign "$(sha "$(readlink -f /bin/cat)")" library-unowned
	exec 5>&-
	start "$LODGER" scratch library "$TMP/.hid/lib.so"
	scan -p "$pid"
	no_sign "$(sha .hid/lib.so)" library-misplaced
	no_sign "$(sha .hid/lib.so)" library-unowned
}

# of_text TEXT: the digest of a piece that is this text
of_text() { printf %s "$1" | sha256sum | cut -c1-64; }
# packed DIGEST: mpack collects its body from the case, and has nothing to warn of it
packed() {
	mpack -p <c.case 2>warnings | bsdtar -tf - | grep -q "code/$1/body"
	[[ $(cat warnings) != *"${1:0:16}"* ]]
}

@test "a script that was replaced: what the shell still runs is the code" {
	printf 'echo ready\nread -r x <fifo\n' >s.sh
	mkfifo fifo
	old=$(sha s.sh)
	start bash s.sh
	printf 'echo another\n' >new && mv new s.sh
	scan -p "$pid"
	about "$old" --arg p "$TMP/s.sh" '.kind == "deleted" and .paths == [$p] and .body == "collected" and .sightings[0].how == "script"'
	has_sign "$old" exe-replaced
	[ ! -e "x/code/$(sha s.sh)" ]
	[ "$(sha "x/code/$old/body")" = "$old" ]
	packed "$old"
}

@test "a script that is gone, of an interpreter that does not hold it" {
	printf 'import os, time\nos.chdir("/")\nprint("ready", flush=True)\ntime.sleep(60)\n' >s.py
	cp s.py t.py
	start python3 "$TMP/s.py"
	scan -p "$pid"
	about "$(sha s.py)" '.kind == "script"'
	no_sign "$(sha s.py)" script-gone
	rm s.py
	scan -p "$pid"
	s=$(jq -r --arg p "$TMP/s.py" 'select(.paths == [$p]) | .sha256' x/code/*/about.json)
	has_sign "$s" script-gone
	grep -q "$TMP/s.py" "x/code/$s/body"
	packed "$s"
	# from the folder it was started in, which it left: found all the same, since the environment tells
	kill_tree "$pid"
	start python3 t.py
	scan -p "$pid"
	about "$(sha t.py)" --arg p "$TMP/t.py" '.paths == [$p]'
	# and gone, a name that leads nowhere from here says nothing
	rm t.py
	scan -p "$pid"
	jq -es 'all([.signs[].name] | index("script-gone") == null)' x/code/*/about.json
}

@test "code in arguments: all of it, in several languages" {
	mkfifo fifo
	start perl -MTime::HiRes -we '$| = 1; print "ready\n";' -e 'open my $f, "<", "fifo";'
	scan -p "$pid"
	s=$(of_text $'$| = 1; print "ready\\n";\nopen my $f, "<", "fifo";')
	about "$s" '.kind == "script" and .body == "collected" and .sightings[0].inline and .paths == []'
	packed "$s"
	kill_tree "$pid"
	if command -v lua >/dev/null; then
		text='print("ready") io.stdout:flush() io.open("fifo")'
		start lua -e "$text"
		scan -p "$pid"
		packed "$(of_text "$text")"
	fi
	text='BEGIN { print "ready"; fflush(); getline < "fifo" }'
	start awk "$text"
	scan -p "$pid"
	packed "$(of_text "$text")"
}

@test "a script from a pipe: what is left in it, which stays there" {
	mkfifo in rest
	bash <in >ready 3>&- 4>&- &
	pid=$!
	exec 5>in
	printf 'echo ready\nread -r x <rest\n' >&5
	until grep -q ready ready; do sleep 0.02; done
	# it runs what is in the pipe no more
	scan -p "$pid"
	s=$(of_text $'the script that the interpreter /usr/bin/bash reads from a pipe, in which nothing is left\n')
	has_sign "$s" script-piped
	printf 'echo left >out\n' >&5
	scan -p "$pid"
	s=$(of_text $'echo left >out\n')
	has_sign "$s" script-piped
	about "$s" '.kind == "script" and .sightings[0].inline and .sightings[0].input == "pipe"'
	packed "$s"
	echo go >rest
	exec 5>&-
	wait "$pid"
	[ "$(cat out)" = left ]
}

@test "a script that came through a pipe and was read to its end, and one that stands in the arguments" {
	mkfifo rest
	printf '%s\n' '$| = 1; print "ready\n"; open(F, "<", "rest"); <F>;' | perl - >ready 3>&- 4>&- &
	pid=$!
	until grep -q ready ready; do sleep 0.02; done
	scan -p "$pid"
	s=$(of_text $'$| = 1; print "ready\\n"; open(F, "<", "rest"); <F>;\n')
	has_sign "$s" script-piped
	no_sign "$s" script-inline
	about "$s" '.sightings[0].inline and .sightings[0].input == "buffer"'
	packed "$s"
	echo go >rest
	wait "$pid"
	start sh -c 'echo ready; read -r x <rest'
	scan -p "$pid"
	s=$(of_text 'echo ready; read -r x <rest')
	has_sign "$s" script-inline
	no_sign "$s" script-piped
	echo go >rest
	# a file that is a script is neither
	printf 'echo ready\nread -r x <rest\n' >s.sh
	start sh s.sh
	scan -p "$pid"
	for n in script-inline script-piped loader-run; do no_sign "$(sha s.sh)" "$n"; done
	echo go >rest
}

# piped TEXT COMMAND...: runs with TEXT through a pipe, until it says ready; $pid
piped() {
	local text=$1
	shift
	mkfifo "in$((++pipes))"
	"$@" <"in$pipes" >ready 2>/dev/null 3>&- 4>&- &
	pid=$!
	printf '%s' "$text" >"in$pipes"
	until grep -q ready ready; do sleep 0.02; done
}
# In the same process group, what an interpreter waits for.
gone() {
	pkill -KILL -P "$pid" || :
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
	: >ready
}

@test "a script that was read from a pipe to its end: its text is taken from the interpreter's buffer, which stays as it is" {
	local text before after s
	pipes=0
	text=$'# begins\nx=1\nfor i in 1 2; do :; done\necho ready\nwhile :; do sleep 5; done\n'
	piped "$text" dash
	before=$(grep -E '^(VmRSS|VmSwap|RssAnon)' "/proc/$pid/status")
	scan -p "$pid"
	after=$(grep -E '^(VmRSS|VmSwap|RssAnon)' "/proc/$pid/status")
	[ "$before" = "$after" ]
	s=$(of_text "$text")
	has_sign "$s" script-piped
	about "$s" '.sightings[0].input == "buffer" and (.signs[] | select(.name == "script-piped").reason | test("stands in its buffer at [0-9a-f]+$"))'
	packed "$s"
	gone
	# the output is not the script, though it is longer, and stands in such a buffer as well
	text=$'import time\nprint("ready\\n" + "no script\\n" * 90, flush=True)\nprint("no script" * 90)\ntime.sleep(60)\n'
	piped "$text" env -u PYTHONUNBUFFERED /usr/bin/python3 -
	scan -p "$pid"
	has_sign "$(of_text "$text")" script-piped
	gone
	# without a buffer for its input there is nothing sure to be had
	piped "$text" /usr/bin/python3 -u -
	scan -p "$pid"
	jq -es 'any(.kind == "script" and .size < 200 and any(.signs[]; .name == "script-piped"))' x/code/*/about.json
	[ ! -e "x/code/$(of_text "$text")" ]
	gone
	# what a shell that reads byte by byte runs now: its last line; of one that waits for nobody, nothing
	piped $'x=1\necho ready\nwhile :; do sleep 5; done\n' bash
	scan -p "$pid"
	has_sign "$(of_text $'while :; do sleep 5; done\n')" script-piped
	gone
	mkfifo rest
	piped $'echo ready\nread -r x <rest\n' bash
	scan -p "$pid"
	has_sign "$(of_text $'the script that the interpreter /usr/bin/bash reads from a pipe, in which nothing is left\n')" script-piped
	gone
	# of a long script the end, in a buffer of 8 KiB
	text=$(seq -f ': line %.0f of many' 1000; echo echo ready; echo 'while :; do sleep 5; done')$'\n'
	piped "$text" dash
	scan -p "$pid"
	s=$(jq -rs '.[] | select(any(.signs[]; .name == "script-piped")) | .sha256' x/code/*/about.json)
	about "$s" '.size > 1000 and .size <= 8192'
	grep -q '^while :; do sleep 5; done$' "x/code/$s/body"
	gone
}

@test "a script that was read from a pipe: memory that looks like many buffers, and many children, do not hold the scan up" {
	local line='while :; do tail -f /dev/null; done'
	pipes=0
	# each element a chunk of its own, longer than the line that was read last; none has a child's name in it
	piped "mapfile a < <(yes $(printf 'a%.0s' {1..60}) | head -n 200000)"$'\n'"for i in {1..150}; do sleep 100 & done"$'\n'"echo ready"$'\n'"$line"$'\n' bash
	(ulimit -t 10; scan -p "$pid") || { echo '# it took too long'; false; }
	jq -es 'any(.kind == "script" and any(.signs[]; .name == "script-piped"))' x/code/*/about.json
	gone
}

@test "a process whose code was written to in thousands of mappings is looked at to its end" {
	start "$LODGER" scratch patchwork 3000
	(ulimit -t 8; scan -p "$pid" && [ -z "$stderr" ]) || { echo '# it took too long'; false; }
	has_sign "$(sha "$LODGER")" text-modified
	no_sign "$(sha "$LODGER")" text-forced
	about "$(sha "$LODGER")" '[.sightings[].pages_modified] == [3000]'
}

@test "a script that came as a descriptor, which is closed by now" {
	mkfifo rest
	printf '%s\n' '$| = 1; print "ready\n"; open(F, "<", "rest"); <F>;' >s.pl
	perl /dev/fd/7 7<s.pl >ready 3>&- 4>&- &
	pid=$!
	until grep -q ready ready; do sleep 0.02; done
	rm s.pl
	scan -p "$pid"
	s=$(of_text $'the script of the interpreter /usr/bin/perl, which it read from /dev/fd/7 and closed\n')
	has_sign "$s" script-gone
	echo go >rest
	wait "$pid"
}

@test "a script that stands in the shell's own input, in a file without a name" {
	mkfifo fifo
	{ echo 'bash <<"END"'; head -c 100000 /dev/zero | tr '\0' '#'; printf '\necho ready\nread -r x <fifo\nEND\n'; } >outer
	start bash outer
	inner=$(pgrep -P "$pid")
	scan -p "$inner"
	s=$(of_kind deleted)
	has_sign "$s" deleted
	[ "$(head -c 100 "x/code/$s/body" | tr -d '#')" = '' ] && grep -q 'echo ready' "x/code/$s/body"
}

@test "python -m, and a folder that is a program" {
	mkdir -p lib/pkg app
	mkfifo fifo
	printf 'print("ready", flush=True)\nopen("fifo")\n' | tee lib/pkg/mod.py >app/__main__.py
	echo '# other' >>app/__main__.py
	PYTHONPATH=/nowhere:$TMP/lib start python3 -u -m pkg.mod
	scan -p "$pid"
	about "$(sha lib/pkg/mod.py)" --arg p "$TMP/lib/pkg/mod.py" '.kind == "script" and .paths == [$p]'
	kill_tree "$pid"
	start python3 app
	scan -p "$pid"
	about "$(sha app/__main__.py)" --arg p "$TMP/app/__main__.py" '.paths == [$p]'
}

@test "an interpreter whose arguments name no script" {
	cp "$LODGER" java
	start ./java scratch plain
	scan -p "$pid"
	[ -z "$(of_kind script)" ]
	about "$(sha java)" '.sightings[0].how == "exe"'
}

@test "an interpreter under another name" {
	[ -d /var/lib/dpkg/info ] || skip "no package database"
	cp "$(readlink -f "$(command -v bash)")" helperd
	mkfifo fifo
	printf 'echo ready\nread -r x <fifo\n' >s.txt
	start ./helperd s.txt
	scan -p "$pid"
	has_sign "$(sha helperd)" interpreter-copied
	about "$(sha s.txt)" '.kind == "script"'
	kill_tree "$pid"
	start bash s.txt
	scan -p "$pid"
	no_sign "$(sha helperd)" interpreter-copied
}

@test "a file that its package holds otherwise; what is only newer, or there to be altered, is not" {
	need_root
	fabricate
	for n in same changed config diverted replaced lost; do
		{ cat "$STATIC"; echo "$n"; } >"r/app/$n"
		chmod 755 "r/app/$n"
		printf '/app/%s\n' "$n" >>r/var/lib/dpkg/info/lodger.list
		(cd r && md5sum "app/$n" >>var/lib/dpkg/info/lodger.md5sums)
	done
	mkdir -p r/usr/lib/systemd/system
	printf '[Service]\nExecStart=/app/same\n' >r/usr/lib/systemd/system/s.service
	echo /usr/lib/systemd/system/s.service >>r/var/lib/dpkg/info/lodger.list
	(cd r && md5sum usr/lib/systemd/system/s.service >>var/lib/dpkg/info/lodger.md5sums)
	echo /app/config >r/var/lib/dpkg/info/lodger.conffiles
	printf '/app/diverted\n/app/diverted.distrib\nother\n' >r/var/lib/dpkg/diversions
	sleep 1.1
	for n in changed config diverted replaced lost; do echo more >>"r/app/$n"; done
	# another package holds the file as it is now, or as yet another one
	for n in replaced lost; do printf '/app/%s\n' "$n" >>r/var/lib/dpkg/info/zother.list; done
	(cd r && md5sum app/replaced >>var/lib/dpkg/info/zother.md5sums)
	echo 00000000000000000000000000000000 app/lost | sed 's/ /  /' >>r/var/lib/dpkg/info/zother.md5sums
	touch r/app/same
	printf 'ExecStartPost=/app/known\n' >>r/usr/lib/systemd/system/s.service
	touch -d "2 days ago" r/app/changed r/usr/lib/systemd/system/s.service r/var/lib/dpkg/info
	for n in same changed config diverted replaced lost; do
		inside "$TMP/r" "/app/$n" /scratch plain
		scan -p "$pid"
		if [ "$n" = changed ] || [ "$n" = lost ]; then has_sign "$(sha "r/app/$n")" package-altered; else no_sign "$(sha "r/app/$n")" package-altered; fi
		no_sign "$(sha "r/app/$n")" unowned
	done
	scan -R r
	s=$(sha r/usr/lib/systemd/system/s.service)
	has_sign "$s" package-altered
	about "$s" '.kind == "startup" and .paths == ["/usr/lib/systemd/system/s.service"]'
	no_sign "$(sha r/app/known)" package-altered
	rm r/scratch
}

# give_capability FILE NUMBER: permitted and effective, as setcap writes it
give_capability() {
	python3 -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000001, 1 << int(sys.argv[2]), 0, 0, 0))' "$@"
}

@test "a shell that somebody types into through a pipe is no script" {
	mkfifo in
	bash --norc -i <in >ready 2>&1 3>&- 4>&- &
	pid=$!
	exec 5>in
	printf 'echo ready\n' >&5
	until grep -q ready ready; do sleep 0.02; done
	scan -p "$pid"
	jq -es 'all([.signs[].name] | index("script-piped") == null)' x/code/*/about.json
	exec 5>&-
}

@test "a process that nobody accounts for, and such as have a parent, a terminal" {
	need_root
	start setsid "$LODGER" scratch plain
	scan -p "$pid"
	no_sign "$(sha "$LODGER")" detached        # its parent is in another session, and lives
	kill_tree "$pid"
	rm ready
	# as a child of nobody who is left, but at a terminal that somebody holds
	cat >at-terminal.py <<-'END'
		import fcntl, os, pty, sys, termios, time
		master, slave = pty.openpty()
		if os.fork() == 0:
		    if os.fork() == 0:
		        os.setsid()
		        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
		        os.dup2(os.open("at-terminal", os.O_WRONLY | os.O_CREAT), 1)
		        os.execv(sys.argv[1], [sys.argv[1], "scratch", "plain"])
		    os._exit(0)
		time.sleep(600)
	END
	# a namespace of its own: whoever started it is gone, and process 1 there is the one it was left to
	cat >in.sh <<-END
		mount -t proc proc /proc
		(setsid "\$1" scratch plain >ready &)
		until grep -q ready ready 2>/dev/null; do sleep 0.02; done
		mscan -q -o c.case
		kill \$(pgrep -f "^\$1")
		python3 at-terminal.py "\$1" &
		until grep -q ready at-terminal 2>/dev/null; do sleep 0.02; done
		mscan -q -o t.case
	END
	run -0 unshare --mount --pid --fork --kill-child --propagation private sh in.sh "$LODGER"
	chmod -R u+rwX x
	rm -r x
	mkdir x y
	bsdtar -xf c.case -C x
	about "$(sha "$LODGER")" '[.signs[].name] | index("detached") != null'
	bsdtar -xf t.case -C y
	jq -c .host.scan y/case.json
	jq -e '[.sightings[].how] == ["exe"] and ([.signs[].name] | index("detached") == null)' "y/code/$(sha "$LODGER")/about.json"
	chmod -R u+rwX x y
}

@test "a program that runs where data belongs" {
	need_root
	mkdir -p "/var/lib/muss-test.$$"
	cp "$LODGER" "/var/lib/muss-test.$$/program"
	echo more >>"/var/lib/muss-test.$$/program"
	start "/var/lib/muss-test.$$/program" scratch plain
	s=$(sha "/var/lib/muss-test.$$/program")
	scan -p "$pid"
	rm -r "/var/lib/muss-test.$$"
	has_sign "$s" data-place
	start "$LODGER" scratch plain
	scan -p "$pid"
	no_sign "$(sha "$LODGER")" data-place
}

@test "files that give rights: however many stand before them" {
	need_root
	fabricate
	mkdir -p r/var/tmp r/tmp/many r/home/u/1/2/3/4/5/6/7/8/9/a/b/c/d/e
	(cd r/tmp/many && seq 30000 | xargs touch)
	echo behind >r/tmp/zz
	echo deep >r/home/u/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f
	chmod 4755 r/tmp/zz r/home/u/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f
	for n in {1..50}; do p=${p:-r/srv}/d; done
	mkdir -p "$p"
	scan -R r
	has_sign "$(sha r/tmp/zz)" setuid-unowned
	has_sign "$(sha r/home/u/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f)" setuid-unowned
	jq -e '.host.scan.unseen | any(test("too deep"))' x/case.json
}

@test "files that give rights: of no package, and tools of a package" {
	need_root
	fabricate
	mkdir -p r/{usr/bin,opt/.x,srv/chroot/etc,srv/chroot/bin,var/lib/docker/l/bin}
	n=0
	for f in app/owned usr/bin/strange opt/.x/group usr/bin/find srv/chroot/bin/su var/lib/docker/l/bin/su opt/caps opt/plain usr/bin/python3; do
		printf '%s' "$((n++))" >"r/$f"
		chmod 4755 "r/$f"
	done
	chmod 2755 r/opt/.x/group
	chmod 755 r/opt/caps r/opt/plain
	touch r/srv/chroot/etc/os-release
	printf '/app/owned\n/usr/bin/find\n/usr/bin/python3\n' >>r/var/lib/dpkg/info/lodger.list
	give_capability r/opt/caps 13
	chmod 755 r/usr/bin/python3
	give_capability r/usr/bin/python3 7
	scan -R r
	has_sign "$(sha r/usr/bin/strange)" setuid-unowned
	about "$(sha r/usr/bin/strange)" '.kind == "file" and .sightings == [{ how: "found", path: "/usr/bin/strange", mode: "4755" }]'
	has_sign "$(sha r/opt/.x/group)" setuid-unowned
	has_sign "$(sha r/opt/caps)" capability-unowned
	about "$(sha r/opt/caps)" '.sightings[0].capabilities == "2000"'
	has_sign "$(sha r/usr/bin/find)" setuid-tool
	no_sign "$(sha r/usr/bin/find)" setuid-unowned
	has_sign "$(sha r/usr/bin/python3)" setuid-tool
	for f in app/owned srv/chroot/bin/su var/lib/docker/l/bin/su opt/plain; do [ ! -e "x/code/$(sha "r/$f")" ]; done
}

@test "files that give rights: capabilities are read where a filter refuses new system calls" {
	need_root
	fabricate
	mkdir -p r/opt
	echo x >r/opt/caps
	chmod 755 r/opt/caps
	give_capability r/opt/caps 13
	cat >filter.c <<'END'
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* runs ARGV, to which getxattrat (464) gives the error FIRST */
int main(int argc, char **argv)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 464, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1])), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };

	if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		return 1;
	execvp(argv[2], argv + 2);
	return 1;
}
END
	cc -o filter filter.c
	for e in 1 38; do   # EPERM, ENOSYS
		./filter "$e" mscan -q -R r -o c.case
		mls -j c.case | jq -es --arg s "$(sha r/opt/caps)" 'any(.sha256 == $s and (.signs | index("capability-unowned")))' >/dev/null || { echo "# $e"; false; }
	done
}

@test "files that give rights: not where nobody but root can go" {
	need_root
	fabricate
	mkdir -p r/opt/{own,group,user}/deep
	for d in own group user; do
		echo "$d" >"r/opt/$d/deep/file"
		chmod 4755 "r/opt/$d/deep/file"
	done
	chmod 700 r/opt/own r/opt/user
	chmod 710 r/opt/group
	chown 65534 r/opt/user
	scan -R r
	has_sign "$(sha r/opt/group/deep/file)" setuid-unowned
	has_sign "$(sha r/opt/user/deep/file)" setuid-unowned
	[ ! -e "x/code/$(sha r/opt/own/deep/file)" ]
}

@test "rights that came from elsewhere" {
	need_root
	chmod 711 "$TMP" "$BATS_FILE_TMPDIR"
	start setpriv --ruid 65534 --clear-groups "$LODGER" scratch plain
	scan -p "$pid"
	has_sign "$(sha "$LODGER")" root-by-inheritance
	no_sign "$(sha "$LODGER")" ambient-capabilities
	kill_tree "$pid"
	start setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$LODGER" scratch plain
	scan -p "$pid"
	has_sign "$(sha "$LODGER")" ambient-capabilities
	no_sign "$(sha "$LODGER")" root-by-inheritance
	kill_tree "$pid"
	start setpriv --reuid 65534 --regid 65534 --clear-groups "$LODGER" scratch plain
	scan -p "$pid"
	no_sign "$(sha "$LODGER")" ambient-capabilities
	no_sign "$(sha "$LODGER")" root-by-inheritance
}

# watched MODE: a lodger of that mode, looked at several times; what it follows goes after the first look
watched() {
	touch state
	start "$LODGER" scratch "$1" "$TMP/state"
	: >looks
	mscan -v -W 2 -p "$pid" -o c.case 2>looks 3>&- 4>&- &
	local mscan=$!
	until grep -q 'looked at 1 of' looks; do kill -0 "$mscan" && sleep 0.02 || return 1; done
	[ "${2:-}" = stays ] || rm state
	wait "$mscan"
	if [ -d x ]; then chmod -R u+rwX x; rm -rf x; fi
	mkdir x
	bsdtar -xf c.case -C x
	chmod -R u+rwX x
	(cd x && sha256sum -c --quiet MANIFEST)
	kill_tree "$pid"
}

@test "-W: code that changes, comes, goes, or is put back, and code that stays as it is" {
	watched changing
	[ "$(of_kind memory | wc -l)" -eq 2 ]
	for s in $(of_kind memory); do
		has_sign "$s" memory-changing
		about "$s" '[.sightings[] | select(.how == "memory")] | length == 1'
		[ "$(sha "x/code/$s/body")" = "$s" ]
	done
	watched vanishing
	has_sign "$(of_kind memory)" memory-vanished
	no_sign "$(of_kind memory)" memory-changing
	watched appearing
	has_sign "$(of_kind memory)" memory-appeared
	about "$(sha "$LODGER")" '[.sightings[] | select(.how == "exe")] | length == 1'
	watched rewriting
	has_sign "$(sha "$LODGER")" text-modified
	has_sign "$(sha "$LODGER")" memory-changing
	watched changing stays
	s=$(of_kind memory)
	for sign in memory-changing memory-vanished memory-appeared; do no_sign "$s" "$sign"; done
	about "$s" '.sightings | length == 1'
	jq -e '.host.scan.processes == 1' x/case.json
}

@test "-W: a process that was not there before is looked at as any other" {
	touch state
	mscan -v -W 2 -o c.case 2>looks 3>&- 4>&- &
	local mscan=$!
	until grep -q 'looked at 1 of' looks; do kill -0 "$mscan" && sleep 0.02 || return 1; done
	cp "$LODGER" late && echo late >>late
	start ./late scratch plain
	wait "$mscan"
	mkdir x
	bsdtar -xf c.case -C x
	chmod -R u+rwX x
	about "$(sha late)" --argjson pid "$pid" '[.sightings[].pid] == [$pid]'
}

@test "-W: usage" {
	fails 64 mscan -W 0
	fails 64 mscan -W x
	fails 64 mscan -W 2 -f /bin/true
	fails 64 mscan -W 2 -R /
}
