#!/usr/bin/env bats
# The remover itself: generated, compiled, and run in roots of its own made by bubblewrap: /etc, /tmp and /var there are
# folders of this test, never the machine's.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

setup() {
	W=$TMP/world
	mkdir -p "$W"/{etc/cron.d,etc/systemd/system/multi-user.target.wants,tmp/x,var/lib,usr,proc,dev,opt/app,root,muss}
	ln -s usr/bin "$W/bin"
	ln -s usr/lib "$W/lib"
	ln -s usr/lib64 "$W/lib64"
	inside true 2>/dev/null || skip "needs namespaces"
	# A program of its own digest that does nothing but sleep.
	{ cat /usr/bin/sleep; echo specimen; } >"$TMP/evil"
	chmod 755 "$TMP/evil"
	SHA=$(sha "$TMP/evil")
	SIZE=$(stat -c %s "$TMP/evil")
}

sha() {
	sha256sum <"$1" | cut -d' ' -f1
}

# As root no user namespace is needed, and flags and owners can be tested.
bwrap_on() {
	local as=() root=()
	while [ "$1" != -- ]; do
		root+=("$1")
		shift
	done
	shift
	[ "$(id -u)" -eq 0 ] || as=(--unshare-user --uid 0 --gid 0 --cap-add ALL)
	bwrap --die-with-parent --unshare-pid --unshare-net --unshare-ipc "${as[@]}" "${root[@]}" --ro-bind /usr /usr \
		--proc /proc --dev /dev --ro-bind "$TMP" /muss --chdir / "$@"
}

inside() {
	bwrap_on --bind "$W" / -- "$@"
}

# make OPERATIONS: $TMP/r is their remover.
make() {
	printf '%s' "$1" | "$MUSS_BUILD/t/mkremover" "$TMP/r"
}

# All that undo has to bring back, times to the nanosecond (not those of links' targets), but for the quarantine.
state() {
	(cd "$W" && find . -path ./var -prune -o -path ./proc -prune -o -path ./dev -prune -o -path ./usr -prune -o -path ./muss -prune -o \
		-printf '%P %y %m %U %G %l %T@\n' | sort
	find etc tmp opt root -type f -exec sha256sum {} + | sort -k 2
	find etc tmp opt root -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null || true)
}

same() {
	local after
	after=$(state)
	diff <(echo "$before") <(echo "$after")
}

# An infected world: file, second file, cron lines, a file that came with its line, a unit's link.
infect() {
	install -m 4751 "$TMP/evil" "$W/tmp/x/evil"
	setfattr -n user.colour -v red "$W/tmp/x/evil" 2>/dev/null || true
	printf 'SHELL=/bin/sh\n17 * * * * root run-parts\n* * * * * root /tmp/x/evil\n\n# end' >"$W/etc/crontab"
	chmod 640 "$W/etc/crontab"
	setfattr -n user.kept -v yes "$W/etc/crontab" 2>/dev/null || true
	printf '# made\n* * * * * root /tmp/x/evil\n' >"$W/etc/cron.d/evil"
	printf '[Service]\nExecStart=/tmp/x/evil\n' >"$W/etc/systemd/system/evil.service"
	ln -sf ../evil.service "$W/etc/systemd/system/multi-user.target.wants/evil.service"
	touch -d '2020-02-02 02:02:02.123456789' "$W/tmp/x/evil" "$W/etc/crontab" "$W/etc/cron.d/evil" "$W/etc/systemd/system/evil.service"
	touch -h -d '2020-02-02 02:02:02.123456789' "$W/etc/systemd/system/multi-user.target.wants/evil.service"
	touch -d '2021-01-01 01:01:01.5' "$W"/{etc,tmp,tmp/x,etc/cron.d,etc/systemd/system,etc/systemd/system/multi-user.target.wants}
	UNIT_SHA=$(sha "$W/etc/systemd/system/evil.service")
	OPS='[{"op":"terminate","sha256":"'$SHA'","size":'$SIZE'},
	 {"op":"remove-line","path":"/etc/crontab","line":"* * * * * root /tmp/x/evil"},
	 {"op":"remove-line","path":"/etc/cron.d/evil","line":"* * * * * root /tmp/x/evil","created":true},
	 {"op":"quarantine","path":"/etc/systemd/system/evil.service","sha256":"'$UNIT_SHA'"},
	 {"op":"remove-link","path":"/etc/systemd/system/multi-user.target.wants/evil.service","target":"../evil.service"},
	 {"op":"quarantine","path":"/tmp/x/evil","sha256":"'$SHA'","size":'$SIZE'}]'
}

gone() {
	[ ! -e "$W/tmp/x/evil" ]
	[ ! -e "$W/etc/cron.d/evil" ]
	[ ! -e "$W/etc/systemd/system/evil.service" ]
	[ ! -L "$W/etc/systemd/system/multi-user.target.wants/evil.service" ]
	[ "$(cat "$W/etc/crontab"; echo .)" = "$(printf 'SHELL=/bin/sh\n17 * * * * root run-parts\n\n# end.')" ]
	[ -z "$(find "$W/etc" "$W/tmp" -name '.muss-*')" ]
}

@test "--plan says what it would do and changes nothing" {
	infect
	make "$OPS"
	before=$(state)
	run --separate-stderr inside /muss/r
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(grep -c '^would ' <<<"$output")" -eq 5 ]
	grep -q "^would *quarantine *'/tmp/x/evil'" <<<"$output"
	[ "$(state)" = "$before" ]
	[ ! -e "$W/var/lib/muss" ]
}

@test "--apply removes all and nothing else, a second run is idle, --undo brings all back" {
	infect
	echo keep >"$W/tmp/x/other"
	touch -d '2021-01-01 01:01:01.5' "$W/tmp/x"
	make "$OPS"
	before=$(state)
	run --separate-stderr inside /muss/r --apply --report
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	jq -e '.mode == "apply" and .remaining == 0 and (.confined | index("seccomp") != null)
		and ([.operations[1:][].result] | unique == ["done"])' <<<"$output"
	gone
	[ "$(stat -c %a "$W/etc/crontab")" = 640 ]
	[ "$(cat "$W/tmp/x/other")" = keep ]
	# cron reads a file anew only when its time is another
	[ "$(stat -c %Y "$W/etc/crontab")" -gt 1600000000 ]
	q=$W/var/lib/muss/quarantine/0123456789abcdef0123456789abcdef
	[ "$(stat -c %a "$q")" = 700 ]
	[ "$(stat -c %a "$q/6-$SHA")" = 0 ]
	after=$(state)
	journal=$(sha256sum "$q/journal")
	run --separate-stderr inside /muss/r --apply --report
	[ "$status" -eq 0 ]
	jq -e '[.operations[].result] | unique == ["absent"]' <<<"$output"
	[ "$(state)" = "$after" ]
	[ "$(sha256sum "$q/journal")" = "$journal" ]
	run --separate-stderr inside /muss/r --undo --report
	[ "$status" -eq 0 ]
	jq -e '.operations[0].result == "not-undoable" and ([.operations[1:][].result] | unique == ["undone"])' <<<"$output"
	same
	[ "$(find "$q" -type f | wc -l)" -eq 1 ]
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 0 ]
	same
	# and once more from the start
	inside /muss/r --apply
	gone
	inside /muss/r --undo
	same
}

@test "processes end by digest, deleted images too; others of the same name live" {
	infect
	make "$OPS"
	cat >"$W/root/go" <<-'END'
		/tmp/x/evil 100 & a=$!
		cp /tmp/x/evil /tmp/gone; /tmp/gone 100 & b=$!
		cp /usr/bin/sleep /tmp/good; mkdir /tmp/y; cp /usr/bin/sleep /tmp/y/evil; /tmp/y/evil 100 & c=$!
		while [ "$(readlink /proc/$b/exe)" != /tmp/gone ]; do :; done; rm /tmp/gone
		while [ "$(readlink /proc/$c/exe)" != /tmp/y/evil ]; do :; done
		/muss/r --apply --report || exit
		sleep 0.05
		read -r _ _ sa _ 2>/dev/null </proc/$a/stat; read -r _ _ sb _ 2>/dev/null </proc/$b/stat; read -r _ _ sc _ </proc/$c/stat
		case $sa$sb$sc in S|ZZS|ZS) ;; *) echo "left: $sa $sb $sc"; exit 9;; esac
	END
	run --separate-stderr inside /bin/sh /root/go
	[ "$status" -eq 0 ]
	jq -e '.operations[0] | .result == "done" and (.detail | startswith("2 processes"))' <<<"$output"
}

@test "what restarts it has nothing to start in the end" {
	infect
	make "$OPS"
	cat >"$W/root/go" <<-'END'
		(while [ -e /tmp/x/evil ]; do /tmp/x/evil 100; done) 2>/dev/null &
		sleep 0.1
		/muss/r --apply --report
		code=$?
		for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" != "/tmp/x/evil (deleted)" ] || exit 9; done
		exit $code
	END
	run --separate-stderr inside /bin/sh /root/go
	[ "$status" -eq 0 ]
	jq -e '.operations[0].result == "done"' <<<"$output"
	[ ! -e "$W/tmp/x/evil" ]
}

@test "a process bound to one pid, one path, and an interpreter with one script" {
	infect
	printf '#!/bin/sh\nsleep 100\n: own\n' >"$W/root/bad.sh"
	S=$(sha "$W/root/bad.sh")
	cp "$W/root/bad.sh" "$W/root/same.txt"
	printf '#!/bin/sh\nsleep 100\n: other\n' >"$W/root/good.sh"
	make '[{"op":"terminate","sha256":"'"$S"'","size":'"$(stat -c %s "$W/root/bad.sh")"',"path":"/root/bad.sh","exe":"'"$(readlink -f /bin/sh)"'"},
	 {"op":"terminate","sha256":"'"$SHA"'","size":'"$SIZE"',"path":"/tmp/x/evil"}]'
	cat >"$W/root/go" <<-'END'
		sh /root/bad.sh & a=$!
		sh /root/good.sh & b=$!
		tail -f /root/bad.sh >/dev/null & c=$!
		/tmp/x/evil 100 & d=$!
		cp /tmp/x/evil /root/evil; /root/evil 100 & e=$!
		sleep 0.2
		/muss/r --apply --report || exit
		s=
		for p in $a $b $c $d $e; do st=-; read -r _ _ st _ 2>/dev/null </proc/$p/stat; [ "$st" != Z ] || st=-; s=$s$st; done
		[ "$s" = -SS-S ] || { echo "states: $s"; exit 9; }
	END
	run --separate-stderr inside /bin/sh /root/go
	echo "$output" "$stderr"
	[ "$status" -eq 0 ]
}

@test "a clean machine is left without so much as an empty folder" {
	infect
	make "$OPS"
	rm -r "$W/tmp/x" "$W/etc/cron.d/evil" "$W"/etc/systemd/system/*evil* "$W"/etc/systemd/system/*/evil.service
	printf 'SHELL=/bin/sh\n' >"$W/etc/crontab"
	before=$(state)
	run --separate-stderr inside /muss/r --apply --report
	[ "$status" -eq 0 ]
	jq -e '[.operations[].result] | unique == ["absent"]' <<<"$output"
	[ "$(state)" = "$before" ]
	[ ! -e "$W/var/lib/muss" ]
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 0 ]
	[ ! -e "$W/var/lib/muss" ]
}

@test "near misses stay: other bytes, a longer line, another target" {
	infect
	make "$OPS"
	printf x >>"$W/tmp/x/evil"
	printf ' * * * * * root /tmp/x/evil\n* * * * * root /tmp/x/evil2\n* * * * * root /tmp/x/evil \n' >"$W/etc/crontab"
	ln -sfn ../good.service "$W/etc/systemd/system/multi-user.target.wants/evil.service"
	rm "$W/etc/cron.d/evil"
	mkdir "$W/etc/cron.d/evil"
	before=$(state)
	run --separate-stderr inside /muss/r --apply --report
	[ "$status" -eq 1 ]
	jq -e '[.operations[].result] == ["absent","absent","changed","done","changed","changed"]' <<<"$output"
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 0 ]
	[ "$(state)" = "$before" ]
}

@test "a link anywhere in the path is refused" {
	infect
	make '[{"op":"quarantine","path":"/tmp/x/evil","sha256":"'"$SHA"'","size":'"$SIZE"'}]'
	mv "$W/tmp/x" "$W/opt/app/real"
	ln -s /opt/app/real "$W/tmp/x"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 1 ]
	[[ "$output" == failed*"refused: a symbolic link is in the path"* ]]
	[ -e "$W/opt/app/real/evil" ]
	rm "$W/tmp/x"
	mkdir "$W/tmp/x"
	ln -s /opt/app/real/evil "$W/tmp/x/evil"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 1 ]
	[[ "$output" == changed*"not a regular file"* ]]
	[ -e "$W/opt/app/real/evil" ]
	rm "$W/tmp/x/evil"
	mkfifo "$W/tmp/x/evil"
	run --separate-stderr timeout 5 bwrap --die-with-parent --bind "$W" / --ro-bind "$TMP" /muss --proc /proc /muss/r --apply
	[ "$status" -eq 1 ]
	# the way to the quarantine as well
	rm "$W/tmp/x/evil"
	cp "$W/opt/app/real/evil" "$W/tmp/x/evil"
	mkdir "$W/opt/app/trap"
	ln -s /opt/app/trap "$W/var/lib/muss"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 74 ]
	[ -e "$W/tmp/x/evil" ]
	[ -z "$(ls "$W/opt/app/trap")" ]
	rm "$W/var/lib/muss"
	mkdir -m 777 "$W/var/lib/muss"
	chmod 777 "$W/var/lib/muss"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 77 ]
	[ -e "$W/tmp/x/evil" ]
}

@test "hard links are told" {
	infect
	ln "$W/tmp/x/evil" "$W/opt/app/again"
	make "$OPS"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 other hard links to it stay"* ]]
	[ "$(sha "$W/opt/app/again")" = "$SHA" ]
}

@test "paths and lines of any bytes" {
	name=$'a"b\\c\'d\xff??/\x01 e*$(x)%s'
	mkdir -p "$W/tmp/${name%/*}"
	cp "$TMP/evil" "$W/tmp/$name"
	line=$'* * * * * root /tmp/\xfe"%s%n??=\\ ${x} `y`'
	printf '%s\n' "$line" >"$W/etc/cron.d/odd"
	printf 'keep\n%s\nlast' "$line" >"$W/etc/crontab"
	# a byte that is no UTF-8 is U+F700 + byte
	make '[{"op":"quarantine","path":"/tmp/a\"b\\c'"'"'d\uf7ff??/\u0001 e*$(x)%s","sha256":"'"$SHA"'","size":'"$SIZE"'},
	 {"op":"remove-line","path":"/etc/crontab","line":"* * * * * root /tmp/\uf7fe\"%s%n??=\\ ${x} `y`"}]'
	run --separate-stderr inside /muss/r --apply --report
	[ "$status" -eq 0 ]
	jq -e '.operations[0].path == "/tmp/a\"b\\c'"'"'d\uf7ff??/\u0001 e*$(x)%s" and ([.operations[].result] | unique == ["done"])' <<<"$output"
	[ ! -e "$W/tmp/$name" ]
	[ "$(cat "$W/etc/crontab")" = "$(printf 'keep\nlast')" ]
	run --separate-stderr inside /muss/r
	[[ "$output" != *$'\xff'* ]]
	inside /muss/r --undo
	[ "$(sha "$W/tmp/$name")" = "$SHA" ]
	[ "$(cat "$W/etc/crontab")" = "$(printf 'keep\n%s\nlast' "$line")" ]
}

@test "undo in a file that changed since: the line at its place, or not at all" {
	infect
	make "$OPS"
	inside /muss/r --apply
	sed -i '1i first' "$W/etc/crontab"
	printf 'mine\n' >"$W/etc/cron.d/evil"
	run --separate-stderr inside /muss/r --undo --report
	[ "$status" -eq 1 ]
	jq -e '[.operations[1:3][].result] == ["undone","changed"]' <<<"$output"
	[ "$(sed -n 4p "$W/etc/crontab")" = "* * * * * root /tmp/x/evil" ]
	[ "$(cat "$W/etc/cron.d/evil")" = mine ]
	[ "$(sha "$W/tmp/x/evil")" = "$SHA" ]
	rm "$W/etc/cron.d/evil"
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 0 ]
	[ "$(sed -n 2p "$W/etc/cron.d/evil")" = "* * * * * root /tmp/x/evil" ]
}

# kill_loop CUT HEAL: for each N a fresh world; CUT is killed before its Nth change, HEAL runs, CHECK looks. All of it in
# one sandbox, for speed.
kill_loop() {
	infect
	make "$OPS"
	cp "$MUSS_BUILD/t/killat" "$TMP/killat"
	[ "$1" != --undo ] || inside /muss/r --apply >/dev/null
	rm "$W"/{bin,lib,lib64}
	cat >"$TMP/loop" <<-'END'
		state() {
			cd / && find etc tmp opt root -printf '%P %y %m %U %G %l %T@\n' | sort
			find etc tmp opt root -type f -exec sha256sum {} + | sort -k 2
			find etc tmp opt root -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null
		}
		again() {
			rm -rf /etc /tmp /opt /root /var
			cp -a /start/{etc,tmp,opt,root,var} /
		}
		n=1
		again
		[ "$1" != --undo ] || /muss/r --undo >/dev/null
		before=$(state)
		again
		while :; do
			/muss/killat $n /muss/r "$1" >/dev/null
			code=$?
			[ $code -ne 3 ] || break
			[ $code -eq 0 ] || { echo "at $n: killat says $code"; exit 1; }
			said=$(/muss/r "$2" 2>&1) || { echo "killed at $n: $said"; exit 1; }
			if [ "$2" = --apply ]; then
				[ -z "$(find /etc /tmp -name '*evil*' -o -name '.muss-*')" ] || { echo "killed at $n: left over"; exit 1; }
				! grep -q evil /etc/crontab || { echo "killed at $n: a line is left"; exit 1; }
				/muss/r --undo >/dev/null || exit 1
			fi
			[ "$(state)" = "$before" ] || { echo "killed at $n: not as it was"; diff <(echo "$before") <(state); exit 1; }
			again
			n=$((n + 1))
		done
		echo $n
	END
	# bubblewrap's own root is a tmpfs, where nothing waits for a disk
	run bwrap_on --ro-bind "$W" /start --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 -- bash /muss/loop "$1" "$2"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" -gt 40 ]
}

@test "kill -9 before every change of --apply: the next run finishes, undo is exact" {
	kill_loop --apply --apply
}

@test "kill -9 before every change of --apply, then --undo: as it was" {
	kill_loop --apply --undo
}

@test "kill -9 before every change of --undo: the next run finishes" {
	kill_loop --undo --undo
}

@test "a full disk: nothing is deleted, exit 74" {
	infect
	make "$OPS"
	head -c 100000 /dev/zero >"$TMP/zeros"
	before=$(state)
	run --separate-stderr inside --size 16384 --tmpfs /var/lib/muss /bin/sh -c \
		'chmod 755 /var/lib/muss; /muss/r --apply --report; echo $? >/root/code; /muss/r --apply >/dev/null 2>&1; echo $? >>/root/code'
	[ "$(cat "$W/root/code")" = "74
74" ]
	rm "$W/root/code"
	[ "$(sha "$W/tmp/x/evil")" = "$SHA" ]
	run --separate-stderr inside --size 4096 --tmpfs /var/lib/muss /bin/sh -c 'chmod 755 /var/lib/muss; cat /muss/zeros >/var/lib/muss/full 2>/dev/null; /muss/r --apply'
	[ "$status" -eq 74 ]
	[ "$(sha "$W/tmp/x/evil")" = "$SHA" ]
	run --separate-stderr inside /bin/sh -c '/muss/r >/dev/full'
	[ "$status" -eq 74 ]
	[[ "$stderr" == *"cannot write the report"* ]]
}

@test "a read-only file system: said, not done" {
	infect
	make "$OPS"
	run --separate-stderr inside --ro-bind "$W/tmp/x" /tmp/x /muss/r --apply --report
	[ "$status" -eq 1 ]
	jq -e '.operations[5].result == "failed" and (.operations[5].detail | contains("Read-only")) and .operations[1].result == "done" and .remaining == 1' <<<"$output"
	[ "$(sha "$W/tmp/x/evil")" = "$SHA" ]
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 0 ]
	gone
}

@test "immutable files go and come back immutable" {
	need_root
	infect
	make "$OPS"
	chattr +i "$W/tmp/x/evil" "$W/etc/crontab" 2>/dev/null || skip "no such flags here"
	run --separate-stderr inside /muss/r --apply
	echo "$output"
	[ "$status" -eq 0 ]
	[ ! -e "$W/tmp/x/evil" ]
	[[ "$(lsattr "$W/etc/crontab")" == ????i* ]]
	inside /muss/r --undo
	[[ "$(lsattr "$W/tmp/x/evil")" == ????i* ]]
	[[ "$(lsattr "$W/etc/crontab")" == ????i* ]]
	chattr -i "$W/tmp/x/evil" "$W/etc/crontab"
}

@test "the journal: a cut record is dropped, a damaged one stops everything" {
	infect
	make "$OPS"
	before=$(state)
	inside /muss/r --apply >/dev/null
	j=$W/var/lib/muss/quarantine/0123456789abcdef0123456789abcdef/journal
	printf '99 3 do' >>"$j"
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 0 ]
	same
	inside /muss/r --apply >/dev/null
	sed -i '2s/mode=/mode=1/' "$j"
	run --separate-stderr inside /muss/r --undo
	[ "$status" -eq 74 ]
	[[ "$stderr" == "remover: cannot use '/var/lib/muss/quarantine/"* ]]
	gone
}

@test "two at a time: the second says so" {
	infect
	make "$OPS"
	inside /muss/r --apply >/dev/null
	run --separate-stderr inside /bin/sh -c \
		'flock /var/lib/muss/quarantine/0123456789abcdef0123456789abcdef/journal /muss/r --apply'
	[ "$status" -eq 75 ]
	[ "$stderr" = "remover: another run of this remover is under way" ]
}

@test "an expired plan does nothing, but can be undone" {
	infect
	printf '%s' "$OPS" | MKREMOVER_AGE=0 "$MUSS_BUILD/t/mkremover" "$TMP/r"
	before=$(state)
	inside /muss/r --apply >/dev/null
	printf '%s' "$OPS" | MKREMOVER_AGE=200000 "$MUSS_BUILD/t/mkremover" "$TMP/r"
	inside /muss/r --undo
	same
	chmod -R u+rwX "$W/var/lib/muss"
	rm -r "$W/var/lib/muss"
	run --separate-stderr inside /muss/r --apply
	[ "$status" -eq 1 ]
	[ "$stderr" = "remover: this plan has expired" ]
	same
}

@test "arguments" {
	infect
	make "$OPS"
	run --separate-stderr inside /muss/r --aply
	[ "$status" -eq 64 ]
	[ -z "$output" ]
	[ "$stderr" = "remover: bad argument; see remover --help" ]
	run --separate-stderr inside /muss/r --apply --undo
	[ "$status" -eq 64 ]
	run --separate-stderr inside /muss/r --help
	[ "$status" -eq 0 ]
	[[ "$output" == "usage: remover"* ]]
}

@test "the program is static, small, and the compilers agree that the source is clean" {
	infect
	make "$OPS"
	run readelf -lW "$TMP/r"
	[[ "$output" != *INTERP* ]]
	[ "$(stat -c %s "$TMP/r")" -lt 300000 ]
	printf '%s' "$OPS" | "$MUSS_BUILD/t/mkremover" -s "$TMP/r.c"
	run cc -std=c17 -Wall -Wextra -Wshadow -Wformat=2 -Werror -fsyntax-only "$TMP/r.c"
	[ "$status" -eq 0 ]
	# only the parts that the plan needs
	echo '[{"op":"terminate","sha256":"'"$SHA"'","size":'"$SIZE"'}]' | "$MUSS_BUILD/t/mkremover" -s "$TMP/t.c"
	run ! grep -q 'quarantine_apply(const\|line_apply(const\|link_apply(const' "$TMP/t.c"
	run cc -std=c17 -Wall -Wextra -Wno-unused-function -Werror -fsyntax-only "$TMP/t.c"
	[ "$status" -eq 0 ]
	for op in '{"op":"remove-line","path":"/etc/crontab","line":"* * * * * root /tmp/x"}' \
		'{"op":"remove-link","path":"/etc/systemd/system/a.wants/b","target":"../b"}' \
		'{"op":"quarantine","path":"/tmp/a","sha256":"'"$SHA"'","size":9}'; do
		make "[$op]"
		run --separate-stderr inside /muss/r
		[ "$status" -eq 0 ]
	done
}
