#!/usr/bin/env bats
# mwhite follow: the index keeps up with dpkg's database by itself.
# shellcheck disable=SC2154 # run, in common.bash, sets stderr

load common

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
	mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/usr/bin
}

# put PACKAGE VERSION FILE...: installs these files with the package's name and version in them, and notes it in status.
put() {
	local name=$1 version=$2 f
	shift 2
	for f; do
		printf '#!/bin/sh\necho %s %s %s\n' "$name" "$version" "$f" >root/"$f".new
		chmod 755 root/"$f".new
		mv root/"$f".new root/"$f"
	done
	(cd root && md5sum "$@") >root/var/lib/dpkg/info/new
	mv root/var/lib/dpkg/info/new root/var/lib/dpkg/info/"$name".md5sums
	status "$name" "$version" installed
}

# status PACKAGE VERSION STATE: its paragraph, the others' as they were; as dpkg does it, by a new file.
status() {
	touch root/var/lib/dpkg/status
	awk -v RS= -v ORS='\n\n' -v p="Package: $1" '{ split($0, l, "\n") } l[1] != p' root/var/lib/dpkg/status >root/var/lib/dpkg/status.new
	printf 'Package: %s\nStatus: install ok %s\nArchitecture: amd64\nVersion: %s\n\n' "$1" "$3" "$2" >>root/var/lib/dpkg/status.new
	mv root/var/lib/dpkg/status.new root/var/lib/dpkg/status
}

# settle: what was written lies some time back, so that its time tells whether it changed.
settle() {
	sleep 3.1
}

# follow [OPTION...]: its report is in $output.
follow() {
	run --separate-stderr mwhite follow -j -d k.idx --root root "$@"
	echo "# $output $stderr"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

report() {
	jq -c "[$1]" <<<"$output"
}

sources() {
	mwhite query -q -j -d k.idx --root root "$1" | jq -r '.sources // [.source] | join(",")'
}

@test "the first time all is read, then only what changed; gone packages are forgotten, upgraded ones outdated" {
	put a 1 usr/bin/a usr/bin/a2
	put b 1 usr/bin/b
	put c 1 usr/bin/c
	follow
	[ "$(report .packages_read,.digests,.left,.stats.matched)" = "[3,4,0,4]" ]
	cp root/usr/bin/a old-a
	cp root/usr/bin/c old-c
	put a 2 usr/bin/a usr/bin/a2
	rm root/usr/bin/c root/var/lib/dpkg/info/c.md5sums
	status c 1 config-files
	follow
	[ "$(report .packages_read,.stats.files,.outdated,.forgotten,.digests)" = "[1,2,1,1,5]" ]
	[ "$(sources root/usr/bin/a)" = "dpkg a 2" ]
	[ "$(sources root/usr/bin/b)" = "dpkg b 1" ]
	[[ $(sources old-a) == "dpkg a 1 (outdated since 2"*"Z)" ]]
	mwhite query -j -d k.idx --root root old-a | jq -e '.known and .outdated'
	mwhite query -j -d k.idx --root root root/usr/bin/a | jq -e '.known and (.outdated | not)'
	run mwhite query -d k.idx old-c
	[ "$status" -eq 1 ]
	mwhite info -d k.idx
	# what is removed is forgotten with all it was
	rm root/var/lib/dpkg/info/a.md5sums
	status a 2 not-installed
	follow
	[ "$(report .forgotten,.digests)" = "[2,1]" ]
}

@test "nothing changed: nothing is read, nothing is written" {
	put a 1 usr/bin/a
	settle
	follow
	[ "$(report .unchanged)" = "[false]" ]
	before=$(stat -c '%i %z' k.idx k.idx.follow)
	follow
	[ "$(report .unchanged,.packages_read)" = "[true,0]" ]
	[ "$(stat -c '%i %z' k.idx k.idx.follow)" = "$before" ]
	# whatever is changed is seen: the index, the options, the memory, the database
	mkdir opt && cp /bin/true opt
	mwhite -q add -d k.idx --dir opt
	follow
	[ "$(report .unchanged,.packages_read,.digests)" = "[false,0,2]" ]
	follow --all
	[ "$(report .unchanged,.packages_read)" = "[false,1]" ]
	follow --all
	[ "$(report .unchanged)" = "[true]" ]
	echo nonsense >k.idx.follow
	follow --all
	[ "$(report .unchanged,.packages_read,.digests)" = "[false,1,2]" ]
	mwhite -q build -o k.idx --dir opt
	follow --all
	[ "$(report .packages_read,.digests)" = "[1,2]" ]
	rm k.idx
	follow --all
	[ "$(report .packages_read,.digests)" = "[1,1]" ]
}

@test "the same version with other files is read again, and what it was is no longer known" {
	put a 1 usr/bin/a
	follow
	cp root/usr/bin/a old
	sed -i s/echo/printf/ root/usr/bin/a
	(cd root && md5sum usr/bin/a) >root/var/lib/dpkg/info/a.md5sums
	follow
	[ "$(report .packages_read,.outdated,.digests)" = "[1,0,1]" ]
	mwhite query -d k.idx root/usr/bin/a
	run mwhite query -d k.idx old
	[ "$status" -eq 1 ]
}

@test "dpkg at work: what it exchanges is left as it was, what it only noted in updates/ counts" {
	put a 1 usr/bin/a
	put b 1 usr/bin/b
	follow
	status a 2 half-installed
	printf '#!/bin/sh\nhalf\n' >root/usr/bin/a
	put b 2 usr/bin/b
	follow
	[ "$(report .left,.packages_read)" = "[1,1]" ]
	[[ $(mwhite sources -d k.idx) == *"'dpkg a 1'"* ]]
	[ "$(sources root/usr/bin/b)" = "dpkg b 2" ]
	# unpacked: files are there, status does not say so yet
	put a 2 usr/bin/a
	status a 1 installed
	printf 'Package: a\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 2\n' >root/var/lib/dpkg/updates/0001
	printf 'Package: a\nStatus: install ok half-installed\nArchitecture: amd64\nVersion: 3\n' >root/var/lib/dpkg/updates/tmp.i
	follow
	[ "$(sources root/usr/bin/a)" = "dpkg a 2" ]
	[ "$(report .left,.outdated)" = "[0,2]" ]
}

@test "a list that is exchanged while files are read is read again the next time" {
	put a 1 usr/bin/a
	put big 1 usr/bin/big
	truncate -s 600M root/usr/bin/big
	(cd root && md5sum usr/bin/big) >root/var/lib/dpkg/info/big.md5sums
	settle
	mwhite follow -j -d k.idx --root root >report 3>&- &
	for _ in {1..1000}; do
		[ -z "$(find "/proc/$!/fd" -lname "*usr/bin/big" 2>/dev/null)" ] || break
		sleep 0.01
	done
	put a 2 usr/bin/a
	wait $!
	[ "$(jq .left report)" -eq 1 ]
	follow
	[ "$(report .packages_read,.left)" = "[1,0]" ]
	[ "$(sources root/usr/bin/a)" = "dpkg a 2" ]
}

@test "outdated is for a while: then, or at once with --keep 0, it is forgotten" {
	put a 1 usr/bin/a
	follow
	cp root/usr/bin/a old
	put a 2 usr/bin/a
	follow --keep 0
	[ "$(report .outdated,.digests)" = "[0,1]" ]
	run mwhite query -d k.idx old
	[ "$status" -eq 1 ]
	put a 3 usr/bin/a
	settle
	follow
	[ "$(report .outdated)" = "[1]" ]
	follow
	[ "$(report .unchanged)" = "[true]" ]
	# the time has come: what is remembered says so by itself
	sed -i '1s/"expires":[0-9]*/"expires":1/' k.idx.follow
	follow --keep 0
	[ "$(report .unchanged,.forgotten,.digests)" = "[false,1,1]" ]
	fails 64 mwhite follow -d k.idx --keep never
	fails 64 mwhite follow
	fails 66 mwhite follow -d k.idx --root absent
}

@test "what was withdrawn does not come back by itself, and what others vouch for is not outdated" {
	put a 1 usr/bin/a
	put b 1 usr/bin/b
	mkdir opt
	cp root/usr/bin/b opt/b
	follow
	mwhite -q add -d k.idx --dir opt
	mwhite -q withdraw -d k.idx 'dpkg a 1'
	touch root/var/lib/dpkg/status
	put b 2 usr/bin/b
	follow
	run mwhite query -d k.idx root/usr/bin/a
	[ "$status" -eq 1 ]
	[[ $(sources opt/b) == "dpkg b 1 (outdated since "*"),dir $PWD/opt" ]]
	mwhite query -j -d k.idx opt/b | jq -e '.outdated | not'
	put a 2 usr/bin/a
	follow
	[ "$(sources root/usr/bin/a)" = "dpkg a 2" ]
}

@test "the filter drops what is outdated, and says so" {
	put a 1 usr/bin/a
	follow
	cp root/usr/bin/a old
	put a 2 usr/bin/a
	follow
	mscan -f old root/usr/bin/a >in.case
	run --separate-stderr mwhite -d k.idx --root root -o out.case in.case
	[ "$status" -eq 0 ]
	[ "$stderr" = "mwhite: warning: 1 known piece of code is out of date: its package was upgraded while it ran; -v names it" ]
	[ -z "$(mls -j out.case)" ]
	run --separate-stderr mwhite -v -d k.idx --root root -o out.case in.case
	[[ $stderr == *"out of date: '$PWD/old' of 'dpkg a 1 (outdated since "* ]]
	mwhite -q --keep-all -d k.idx --root root -o out.case in.case
	tar -xOf out.case "code/$(sha256sum <old | cut -c1-64)/about.json" | jq -e '.known.outdated'
	tar -xOf out.case "code/$(sha256sum <root/usr/bin/a | cut -c1-64)/about.json" | jq -e '.known | .source == "dpkg a 2" and (.outdated | not)'
}
