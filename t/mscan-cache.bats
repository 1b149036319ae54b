#!/usr/bin/env bats
# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
# shellcheck disable=SC2016 # jq and inner shells expand what stands in single quotes
# The scan index: what it knows is not read again, and nothing that is wrong with it changes what is found.

setup_file() {
	local place
	# a file system that tells when its files change
	for place in "$BATS_FILE_TMPDIR" "${MUSS_BUILD:-$BATS_TEST_DIRNAME/../build}" /var/tmp; do
		case $(stat -f -c %T "$place" 2>/dev/null) in tmpfs | ramfs | nfs* | fuse* | UNKNOWN* | '') continue ;; esac
		HOME_OF_FILES=$(mktemp -d "$place/mscan-cache.XXXXXX") || continue
		break
	done
	export HOME_OF_FILES
	[ -n "${HOME_OF_FILES:-}" ] || return 0
	cd "$HOME_OF_FILES" || return 1
	chmod 755 .
	mkdir tree
	cc -O1 -o tree/actor "$BATS_TEST_DIRNAME/../testdata/scan/actor.c" -ldl
	printf '#!/bin/sh\nexit 0\n' >tree/script
	printf 'echo no\n' >tree/data
	printf 'more\n' >tree/executable
	chmod +x tree/executable
	ln tree/script tree/second-name
	strip -o tree/packed tree/actor
	printf 'UPX!' | dd of=tree/packed bs=1 seek=300 conv=notrunc status=none
	mkdir -p tree/sub root/usr/bin root/var/lib/dpkg/info root/etc
	printf '#!/bin/sh\nexit 1\n' >tree/sub/other
	for v in 1 2 3 4 5; do printf '#!/bin/sh\necho %s\n' "$v" >"version-$v" && chmod +x "version-$v"; done
	sleep 2.1   # what is younger is not kept
}

teardown_file() {
	[ -z "${HOME_OF_FILES:-}" ] || rm -rf "$HOME_OF_FILES"
}

setup() {
	load common
	[ -n "${HOME_OF_FILES:-}" ] || skip "no file system here tells when its files change"
	TREE=$HOME_OF_FILES/tree
	IDX=$TMP/scan.idx
	cd "$TMP" || return 1
}

teardown() {
	local p
	for p in $(jobs -p); do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null || :
}

# scan NAME ARGS...: a case that holds, opened in NAME/, without a word
scan() {
	run --separate-stderr -- mscan -o c.case "${@:2}"
	[ "$status" -eq 0 ] && [ -z "$output$stderr" ] || { echo "# $status $output $stderr"; return 1; }
	opened "$1"
}

# warns WORDS ARGS...: a case, with one warning that has these words
warns() {
	run --separate-stderr -- mscan -o c.case "${@:2}"
	[ "$status" -eq 0 ] && [ "${#stderr_lines[@]}" -eq 1 ] && [[ $stderr == "mscan: warning: "*"$1"* ]] ||
		{ echo "# $status $stderr"; return 1; }
}
# warned NAME WORDS ARGS...: the same, opened
warned() { warns "${@:2}" && opened "$1"; }

opened() {
	if [ -d "$1" ]; then chmod -R u+rwX "$1"; rm -rf "$1"; fi
	mkdir "$1"
	bsdtar -xf c.case -C "$1"
	chmod -R u+rwX "$1"
	(cd "$1" && sha256sum -c --quiet MANIFEST)
}

# What two cases of the same machine may differ in is taken out.
plain() {
	(
		cd "$1" || exit
		find . -type f ! -name MANIFEST ! -name case.json | sort
		find . -type f ! -name '*.json' ! -name MANIFEST -exec sha256sum {} + | sort
		find . -name about.json -print0 | sort -z | xargs -0r jq -S 'del(.history, .score) | del(.signs[] | select(.group == "history"))
			| (.signs[] | select(.name == "fresh")).reason = ""'
	)
}
same() { diff <(plain "$1") <(plain "$2"); }
read_none() { jq -e '.host.scan | .files > 0 and .bytes == 0 and .recalled == .files' "$1/case.json"; }
read_all() { jq -e '.host.scan | .bytes > 0 and .recalled == 0' "$1/case.json"; }
sha() { sha256sum "$1" | cut -c1-64; }
about() { jq -e "${@:3}" "$1/code/$2/about.json"; }
has_sign() { jq -e --arg s "$3" '[.signs[].name] | index($s) != null' "$1/code/$2/about.json" >/dev/null; }
no_sign() { ! has_sign "$@"; }

@test "a warm scan reads nothing, and finds what one without an index finds" {
	scan none -f "$TREE"
	scan cold -i "$IDX" -f "$TREE"
	scan warm -i "$IDX" -f "$TREE"
	read_all cold
	read_none warm
	same none cold
	same cold warm
	jq -e '.host.scan | has("recalled") | not' none/case.json
	[ "$(find warm -name about.json | wc -l)" -eq 5 ]
	has_sign warm "$(sha "$TREE/packed")" packer-section
	about warm "$(sha "$TREE/script")" '.paths | length == 2'
	[ "$(stat -c %a "$IDX" "$IDX.key" | sort -u)" = 600 ]
	# what is no code by itself is code when it is named, and the tree is not misled by that
	scan named -i "$IDX" -f "$TREE/data"
	[ "$(find named -name about.json | wc -l)" -eq 1 ]
	scan warm -i "$IDX" -f "$TREE"
	same cold warm
}

@test "the whole machine, warm: what is told of files is the same" {
	scan_machine() { run --separate-stderr -- mscan -i "$IDX" -o c.case && [ "$status" -eq 0 ] && opened "$1"; }
	scan_machine cold
	scan_machine warm
	jq -e '.host.scan | .recalled >= 3' warm/case.json   # a shell and what it maps; the rest may be others' tests
	# what both saw of a file is the same, whoever ran meanwhile
	for c in cold warm; do
		find "$c" -name about.json -print0 | xargs -0 jq -c '{sha256, size, file: [.signs[] | select(.group == "file")]}' | sort >"$c.files"
	done
	[ "$(comm -12 cold.files warm.files | wc -l)" -eq "$(comm -12 <(cut -d'"' -f4 cold.files) <(cut -d'"' -f4 warm.files) | wc -l)" ]
}

@test "an index that was altered anywhere is refused with one warning, and made anew" {
	scan none -f "$TREE"
	scan cold -i "$IDX" -f "$TREE"
	cp "$IDX" whole
	size=$(stat -c %s whole)
	# each field of the header, and places in each part
	for at in 8 16 24 32 48 56 64 80 112 144 192 $((size / 2)) $((size - 2)); do
		cp whole "$IDX"
		printf '\xa5' | dd of="$IDX" bs=1 seek="$at" conv=notrunc status=none
		cmp -s whole "$IDX" && continue
		warns "scan index '$IDX' is refused" -i "$IDX" -f "$TREE"
	done
	opened x
	read_all x
	same none x
	scan warm -i "$IDX" -f "$TREE"
	read_none warm
}

@test "an index that was cut is refused, and made anew" {
	scan none -f "$TREE"
	scan cold -i "$IDX" -f "$TREE"
	cp "$IDX" whole
	size=$(stat -c %s whole)
	for n in 0 8 143 144 $((size / 3)) $((size - 1)); do
		head -c "$n" whole >"$IDX"
		warns "is refused" -i "$IDX" -f "$TREE"
	done
	opened x
	same none x
	cat whole whole >"$IDX"
	warns "is refused" -i "$IDX" -f "$TREE"
	scan warm -i "$IDX" -f "$TREE"
	read_none warm
}

@test "an index of another key or mode is refused, and made anew" {
	scan cold -i "$IDX" -f "$TREE"
	scan other -i "$TMP/other.idx" -f "$TREE"
	cp other.idx "$IDX"
	warns "not of this machine" -i "$IDX" -f "$TREE"
	chmod 644 "$IDX"
	warns "others may use it" -i "$IDX" -f "$TREE"
	chmod 644 "$IDX.key"
	warns "key of scan index" -i "$IDX" -f "$TREE"
	[ "$(stat -c %a "$IDX.key")" = 600 ]
	scan warm -i "$IDX" -f "$TREE"
	read_none warm
}

# stays WORDS INDEX: with this index the case is whole, after one warning, and nothing in the folder is made or changed
stays() {
	local before
	before=$(standing)
	warned x "$1" -i "$2" -f "$TREE"
	[[ $stderr == *"cannot use scan index '$2'"*"give another name"* ]]
	[ "$(standing)" = "$before" ] || { echo "# was: $before"; echo "# is: $(standing)"; return 1; }
	same none x
	read_all_plain x
}
standing() { (cd things && find . -printf '%p %y %m %U %n %i %s %l %T@\n' | sort && find . -type f -exec sha256sum {} + | sort); }
read_all_plain() { jq -e '.host.scan.recalled // 0 | . == 0' "$1/case.json" >/dev/null; }

@test "what is no index, and what is no key, stays as it is" {
	scan none -f "$TREE"
	mkdir things
	chmod 700 things
	cd things
	umask 077
	echo 'my notes' >notes
	printf 'muss' >short
	printf '%-32s' 'a private key of 32 bytes' >other.key   # as long as a key
	echo secret >alice.key
	: >empty.key
	mkdir folder
	mkdir bydir.key
	ln -s notes link
	ln -s nowhere dangling
	ln -s notes bykey.key
	mkfifo fifo fifokey.key
	cd ..
	stays "': it is none" things/notes
	stays "': it is none" things/short
	stays "belongs, and it is none" things/other
	stays "belongs, and it is none" things/alice
	stays "belongs, and it is none" things/empty
	stays "no regular file" things/folder
	stays "no regular file" things/folder/.
	stays "no regular file" things
	stays "no regular file" things/bydir
	stays "symbolic link" things/link
	stays "symbolic link" things/dangling
	stays "symbolic link" things/bykey
	stays "no regular file" things/fifo
	stays "no regular file" things/fifokey
	# a key is no index, and an index is no key
	scan x -i "$IDX" -f "$TREE"
	cp "$IDX" things/turned.key
	cp "$IDX.key" things/turned
	stays "': it is none" things/turned
	rm things/turned
	stays "belongs, and it is none" things/turned
}

@test "devices, and what is somebody else's, stay as they are" {
	need_root
	scan none -f "$TREE"
	mkdir things
	if mknod things/null c 1 3 2>/dev/null && mknod things/nullkey.key c 1 3; then
		stays "no regular file" things/null
		stays "no regular file" things/nullkey
	fi
	scan x -i things/his -f "$TREE"
	scan x -i things/hiskey -f "$TREE"
	chown 12345 things/his things/hiskey.key
	stays "belongs to somebody else" things/his
	stays "belongs to somebody else" things/hiskey
}

@test "an empty file becomes an index, and what takes its name meanwhile stays" {
	umask 077
	: >empty.idx
	warns "is refused" -i empty.idx -f "$TREE"
	scan warm -i empty.idx -f "$TREE"
	read_none warm
	# the case comes to stand where the index was to be
	ln -s . here
	fails 64 mscan -i c.case -o here/c.case -f "$TREE"
	fails 64 mscan -i ./c.case -o c.case -f "$TREE"
	fails 64 mscan -i c -o c.key -f "$TREE"
	fails 64 mscan -i '' -o c.case -f "$TREE"
	fails 64 mscan -i - -o c.case -f "$TREE"
	run -64 sh -c 'mscan -i out -f "$1" >out' sh "$TREE"
	cp -p empty.idx whole
	run -64 sh -c 'mscan -i whole -f "$1" >>whole' sh "$TREE"
	cmp whole empty.idx
	[ -z "$(find . -name '.?*')" ]
	[ ! -e c.key ] && [ ! -e out.key ] && [ ! -e ./- ]
}

@test "a file that changed and whose times were put back is read again" {
	mine=$HOME_OF_FILES/changing
	mkdir "$mine"
	cp "$TREE/script" "$mine/a"
	touch -d '2020-01-01' "$mine/a"
	sleep 2.1
	scan cold -i "$IDX" -f "$mine"
	printf '#!/bin/sh\nexit 7\n' >"$mine/a"
	touch -d '2020-01-01' "$mine/a"
	scan warm -i "$IDX" -f "$mine"
	[ -e "warm/code/$(sha "$mine/a")" ]
	[ ! -e "warm/code/$(sha "$TREE/script")" ]
	# too young to be kept: it is read once more, and changed once more
	printf '#!/bin/sh\nexit 8\n' >"$mine/a"
	touch -d '2020-01-01' "$mine/a"
	scan warm -i "$IDX" -f "$mine"
	[ -e "warm/code/$(sha "$mine/a")" ]
	# an inode that is used again
	rm "$mine/a"
	printf '#!/bin/sh\nexit 9\n' >"$mine/b"
	scan warm -i "$IDX" -f "$mine"
	[ "$(find warm -name about.json | wc -l)" -eq 1 ]
	[ -e "warm/code/$(sha "$mine/b")" ]
	rm -r "$mine"
}

@test "a file that is replaced all the time is told as one of those that it was" {
	mine=$HOME_OF_FILES/replaced
	mkdir "$mine"
	(while :; do for v in 1 2 3; do cp -p "$HOME_OF_FILES/version-$v" "$HOME_OF_FILES/next" && mv "$HOME_OF_FILES/next" "$mine/p"; done; done) 3>&- 4>&- &
	loop=$!
	for _ in 1 2 3 4; do
		run --separate-stderr -- mscan -i "$IDX" -o c.case -f "$mine"
		[ "$status" -eq 0 ]
		opened x
		for s in $(cd x/code 2>/dev/null && ls); do
			[ "$s" = "$(sha "$HOME_OF_FILES/version-1")" ] || [ "$s" = "$(sha "$HOME_OF_FILES/version-2")" ] ||
				[ "$s" = "$(sha "$HOME_OF_FILES/version-3")" ]
		done
	done
	kill "$loop"
	wait "$loop" 2>/dev/null || :
	rm -f "$HOME_OF_FILES/next"
	scan x -i "$IDX" -f "$mine"
	[ -e "x/code/$(sha "$mine/p")" ]
	rm -r "$mine"
}

@test "two scans at once: both cases are whole, and so is the index" {
	for _ in 1 2; do
		rm -f "$IDX" "$IDX.key"
		mscan -q -i "$IDX" -o a.case -f "$TREE" 3>&- 4>&- &
		mscan -q -i "$IDX" -o b.case -f "$TREE" 3>&- 4>&- &
		wait -n
		wait
		cp a.case c.case && opened a
		cp b.case c.case && opened b
		same a b
	done
	scan cold -i "$IDX" -f "$TREE"
	scan warm -i "$IDX" -f "$TREE"
	read_none warm
	[ -z "$(find . -name '.scan.idx*')" ]
}

@test "where the index cannot be written the case is whole, with one warning" {
	scan none -f "$TREE"
	warned x "cannot use scan index" -i /nonexistent/scan.idx -f "$TREE"
	same none x
	need_root
	mkdir small
	run --separate-stderr unshare -m sh -c 'mount -t tmpfs -o size=8k none small && "$@" ; rc=$?; ls -A small >left; exit $rc' sh \
		sh -c 'printf "%08192d" 0 >small/fill 2>/dev/null; head -c 4050 small/fill >small/x 2>/dev/null; mscan -i small/scan.idx -o c.case -f "$1"' sh "$TREE"
	[ "$status" -eq 0 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "mscan: warning: cannot "*"scan index"* ]]
	opened x
	same none x
	run ! grep -q '^\.scan' left
	# the full disk is only the index's: a case that cannot be written still fails
	run -74 mscan -i "$IDX" -o /dev/full -f "$TREE"
	[ ! -e "$IDX" ]
}

@test "other bytes in a state that was seen before: somebody set the times" {
	scan cold -i "$IDX" -f "$TREE"
	"$MUSS_BUILD/t/forgeindex" "$IDX" "$TREE/sub/other"
	scan warm -i "$IDX" --rehash -f "$TREE"
	read_all warm
	has_sign warm "$(sha "$TREE/sub/other")" hash-mismatch
	no_sign warm "$(sha "$TREE/script")" hash-mismatch
	no_sign warm "$(sha "$TREE/actor")" hash-mismatch
	# it was told; from now on the index has what is there
	scan again -i "$IDX" --rehash -f "$TREE"
	no_sign again "$(sha "$TREE/sub/other")" hash-mismatch
}

@test "what stood at a path before is told, and code that changes bears a sign" {
	mine=$HOME_OF_FILES/history
	mkdir "$mine"
	cp "$TREE/script" "$mine/still"
	step() { cp "$HOME_OF_FILES/version-$1" "$mine/p.new" && mv "$mine/p.new" "$mine/p"; scan x -i "$IDX" -f "$mine"; s=$(sha "$mine/p"); }
	step 1
	about x "$s" --arg p "$mine/p" '.history | .path == $p and .changes == 0 and (.since | test("^20.*Z$"))'
	no_sign x "$s" hash-edited
	first=$s
	step 2
	has_sign x "$s" hash-edited
	no_sign x "$s" hash-unsteady
	about x "$s" --arg b "$first" '.history | .changes == 1 and .unexplained == 1 and .before[0].sha256 == $b and .before[0].until >= .before[0].since'
	step 3
	no_sign x "$s" hash-unsteady
	step 4
	has_sign x "$s" hash-unsteady
	about x "$s" '.history | .changes == 3 and (.before | length == 3)'
	still=$(sha "$mine/still")
	no_sign x "$still" hash-edited
	about x "$still" '.history.changes == 0 and (.history | has("before") | not)'
	step 4
	no_sign x "$s" hash-unsteady
	has_sign x "$s" hash-edited
	rm -r "$mine"
}

@test "a package's file that changes with its package bears no sign, without it it does" {
	R=$HOME_OF_FILES/root
	printf '/.\n/usr/bin/tool\n' >"$R/var/lib/dpkg/info/tool.list"
	install() {
		cp "$HOME_OF_FILES/version-$1" "$R/usr/bin/tool"
		printf 'Package: tool\nArchitecture: all\nVersion: %s\n\n' "$2" >"$R/var/lib/dpkg/status"
		scan x -i "$IDX" -R "$R" -f /usr/bin/tool
		s=$(sha "$R/usr/bin/tool")
	}
	install 1 1.0
	install 2 1.1
	no_sign x "$s" hash-changed
	about x "$s" '.history.changes == 1 and .history.unexplained == 0'
	install 3 1.1
	has_sign x "$s" hash-changed
	no_sign x "$s" unowned
	no_sign x "$s" hash-edited
	install 3 1.2
	no_sign x "$s" hash-changed
	# configuration is there to be edited
	printf '/.\n/etc/init.d/tool\n' >"$R/var/lib/dpkg/info/tool.list"
	mkdir -p "$R/etc/init.d"
	for v in 1 2; do
		cp "$HOME_OF_FILES/version-$v" "$R/etc/init.d/tool"
		scan x -i "$IDX" -R "$R" -f /etc/init.d/tool
	done
	s=$(sha "$R/etc/init.d/tool")
	no_sign x "$s" hash-changed
	has_sign x "$s" hash-edited
}

@test "options that do not go together, and -h" {
	fails 64 mscan --rehash -o c.case -f "$TREE"
	[[ $stderr == *"--rehash needs"* ]]
	fails 64 mscan --no-index -i "$IDX" -o c.case -f "$TREE"
	mscan -h | grep -q -- '-i index'
	scan x --no-index -f "$TREE"
	jq -e '.host.scan | has("recalled") | not' x/case.json
}

@test "mscan -w and mscan | mwhite -d give the same case" {
	mwhite build -q -o known.idx --dir "$TREE/sub"
	scan within -w known.idx -f "$TREE"
	mscan -f "$TREE" | mwhite -q -d known.idx >c.case
	opened behind
	[ ! -e "within/code/$(sha "$TREE/sub/other")" ]
	[ "$(find within -name about.json | wc -l)" -eq 4 ]
	same within behind
	diff <(cd within && find . -type f | sort) <(cd behind && find . -type f | sort)
	diff <(jq -S 'del(.id, .time, .trail, .host.scan, .host.disk_free)' within/case.json) <(jq -S 'del(.id, .time, .trail, .host.scan, .host.disk_free)' behind/case.json)
	for f in within/code/*/about.json; do
		diff <(jq -S 'del(.signs[] | select(.name == "fresh"))' "$f") <(jq -S 'del(.signs[] | select(.name == "fresh"))' "behind/${f#within/}")
	done
}

# paths_of NAME: of all code of the case
paths_of() { find "$1/code" -name about.json -exec jq -r '.paths[]' {} + | sort; }

@test "deep folders: what is recalled bears the same path, from here, from a relative name, and below another root" {
	local deep=$HOME_OF_FILES/deep/usr/one/two
	mkdir -p "$deep/three"
	# the first of a file system is opened, the second by then known without
	for n in found other; do printf '#!/bin/sh\nexit 7 %s\n' "$n" >"$deep/three/$n"; done
	sleep 2.1
	for _ in 1 2; do
		scan here -i "$IDX" -f "$HOME_OF_FILES/deep"
		[ "$(paths_of here)" = "$deep/three/found"$'\n'"$deep/three/other" ]
	done
	jq -e '.host.scan.recalled == 2' here/case.json
	(cd "$deep" && mscan -q -i "$IDX" -o "$TMP/c.case" -f ../two)
	opened relative
	[ "$(paths_of relative)" = "$deep/three/found"$'\n'"$deep/three/other" ]
	jq -e '.host.scan.recalled == 2' relative/case.json
	for _ in 1 2; do
		mscan -q -i "$IDX" -o c.case -R "$HOME_OF_FILES/deep" -f /usr
		opened root
		[ "$(paths_of root)" = /usr/one/two/three/found$'\n'/usr/one/two/three/other ]
	done
}
