#!/usr/bin/env bats
# Code in memory held against the pages of known-good files. The processes are testdata/scan/actor.c, which is inert.
# shellcheck disable=SC2154 # run, in common.bash, sets stderr

setup_file() {
	mkdir "$BATS_FILE_TMPDIR/good"
	cc -O1 -o "$BATS_FILE_TMPDIR/good/actor" "$BATS_TEST_DIRNAME/../testdata/scan/actor.c" -ldl
}

setup() {
	load common
	export TMPDIR=$TMP
	cd "$TMP" || return 1
	cp -r "$BATS_FILE_TMPDIR/good" .
	ACTOR=$PWD/good/actor
	mwhite -q build --pages -o k.idx --dir good
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
	for _ in {1..500}; do
		grep -q ready ready && return 0
		kill -0 "$pid" || return 1
		sleep 0.02
	done
	return 1
}

# held INDEX [OPTION...]: scans process $pid, holds it against the index; the case lies open in x/. Both ways must agree.
held() {
	local index=$1
	shift
	mscan -q -p "$pid" -o all.case
	mwhite -q "$@" -d "$index" -o held.case all.case
	opened held.case x
	[ $# -eq 0 ] || return 0
	mscan -q -w "$index" -p "$pid" -o direct.case
	opened direct.case direct
	diff <(what x) <(what direct)
}

opened() {
	if [ -d "$2" ]; then chmod -R u+rwX "$2"; rm -rf "$2"; fi
	mkdir "$2"
	bsdtar -xf "$1" -C "$2"
	chmod -R u+rwX "$2"
}

# what FOLDER: each piece of code, what is known of it and of its pages; not how old it is, which goes on meanwhile.
what() {
	find "$1"/code -name about.json -exec jq -Sc '[.sha256, .kind, .known, .pages, [.memory[]?.pages]]' {} + | sort
}

# of_kind KIND FILTER: what jq's filter makes of the about.json of that kind, a line a piece.
of_kind() {
	find x/code -name about.json -exec jq -c --arg k "$1" "select(.kind == \$k) | $2" {} +
}

@test "a copy of known code in memory is explained by its pages and dropped; --keep-all tells how" {
	start "$ACTOR" copied
	held k.idx
	[ -z "$(of_kind memory .)" ]
	held k.idx --keep-all
	[ "$(of_kind memory '.known | [.source, .pages == .pages_known, .pages >= 2, .unexplained, .kept]')" = "[\"dir $PWD/good\",true,true,null,null]" ]
	# an index of files alone, or of other pages, explains nothing
	mwhite -q build -o files.idx --dir good
	held files.idx
	[ "$(of_kind memory .known)" = null ]
	mkdir other && cp /bin/true other
	mwhite -q build --pages -o other.idx --dir other
	held other.idx
	[ "$(of_kind memory .known)" = null ]
	mwhite info -j -d k.idx | jq -e '.from == ["dir", "pages"]'
}

@test "a changed byte makes its page the candidate, the others are known" {
	start "$ACTOR" copied-changed
	held k.idx
	[ "$(of_kind memory '.known | [.pages - .pages_known, (.unexplained | length), .kept]')" = '[1,1,"not all of its code pages are known"]' ]
	[ "$(of_kind memory '.known.unexplained[0] == .memory[0].start')" = true ]
}

@test "a copy that can be written to stays" {
	start "$ACTOR" copied-writable
	held k.idx
	[ "$(of_kind memory .known.kept)" = '"it can be written to"' ]
}

@test "code that no page explains stays as it was" {
	start "$ACTOR" anonymous
	held k.idx
	[ "$(of_kind memory .known)" = null ]
	[ "$(of_kind memory '.memory[0].pages | length')" = 1 ]
}

@test "a known-good program whose text was changed stays, and its changed page is named" {
	start "$ACTOR" text
	held k.idx
	[ "$(of_kind file 'select(.known) | [.known.kept, .known.pages, .known.pages_known, .known.unexplained[0] == .memory[0].start]')" = \
		'["its memory was modified",1,0,true]' ]
}

@test "a running file without a name: known by its digest, or by its pages where bytes were added" {
	cp "$ACTOR" gone
	start ./gone plain
	rm gone
	held k.idx
	[ -z "$(of_kind deleted .)" ]
	kill "$pid"
	cp "$ACTOR" longer
	printf x >>longer
	start ./longer plain
	rm longer
	held k.idx
	[ "$(of_kind deleted '.known | [.pages == .pages_known, .kept]')" = '[true,"its code pages are known, the file as a whole is not"]' ]
	[ "$(of_kind deleted '.pages | length')" -ge 1 ]
	[ "$(of_kind deleted .pages_cut)" = null ]
}

@test "follow takes pages too, and withdrawing a source takes its pages with it" {
	mkdir -p root/var/lib/dpkg/info root/usr/bin
	cp "$ACTOR" root/usr/bin
	printf 'Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n' >root/var/lib/dpkg/status
	(cd root && md5sum usr/bin/actor) >root/var/lib/dpkg/info/a.md5sums
	mwhite -q follow -d f.idx --root root
	start "$ACTOR" copied
	held f.idx
	[ "$(of_kind memory .known)" = null ]
	mwhite -q follow -d f.idx --root root --pages
	held f.idx
	[ -z "$(of_kind memory .)" ]
	mwhite -q add --pages -d k.idx --dpkg --root root
	mwhite -q withdraw -d k.idx "dir $PWD/good"
	held k.idx --keep-all
	[ "$(of_kind memory .known.source)" = '"dpkg a 1"' ]
	mwhite -q withdraw -d k.idx 'dpkg a 1'
	held k.idx
	[ "$(of_kind memory .known)" = null ]
}
