#!/usr/bin/env bats
# mwhite: the index from each source, asking it, and the filter.

load common

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
}

sha() {
	sha256sum <"$1" | cut -d' ' -f1
}

# package NAME VERSION: a package of the little system in root/, its files root/... as arguments.
package() {
	local name=$1 version=$2
	shift 2
	mkdir -p root/var/lib/dpkg/info
	printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\n' "$name" "$version" >>root/var/lib/dpkg/status
	(cd root && md5sum "$@") >root/var/lib/dpkg/info/"$name".md5sums
	printf '/.\n' >root/var/lib/dpkg/info/"$name".list
}

little_system() {
	mkdir -p root/usr/bin root/usr/lib root/usr/share root/etc/cron.d
	ln -s usr/bin root/bin
	printf '#!/bin/sh\necho good\n' >root/usr/bin/good
	printf '#!/bin/sh\necho altered\n' >root/usr/bin/altered
	printf '#!/bin/sh\necho missing\n' >root/usr/bin/missing
	printf '\177ELF plugin' >root/usr/lib/plugin
	printf 'words\n' >root/usr/share/words
	chmod 755 root/usr/bin/*
	package tools 1.0-1 bin/good usr/bin/altered usr/bin/missing usr/lib/plugin usr/share/words
	echo '#changed' >>root/usr/bin/altered
	rm root/usr/bin/missing
}

# about SHA KIND EXTRA: a piece of code of the case folder c/.
about() {
	mkdir -p "c/code/$1"
	printf '{"sha256":"%s","kind":"%s","size":3,"paths":["/bin/x"],"sightings":[{"how":"exe","pid":1}],"score":1%s}\n' \
		"$1" "$2" "$3" >"c/code/$1/about.json"
}

# The case from folder c/, as tar makes it.
pack() {
	printf '{"format":"muss-case/1","id":"00112233445566778899aabbccddeeff","time":"2026-01-01T00:00:00Z","host":{"name":"h"},"trail":[]}\n' >c/case.json
	(
		cd c || exit 1
		{ echo case.json; find code -type f | LC_ALL=C sort; } >../order
		xargs sha256sum <../order >MANIFEST
		echo MANIFEST >>../order
		tar --format=pax --owner=0 --group=0 --mtime=@0 --pax-option=delete=atime,delete=ctime,delete=mtime -cf ../case.tar -T ../order
	)
}

@test "build --dpkg takes in what matches its package's sum, and says what did not" {
	little_system
	run --separate-stderr mwhite build -o k.idx --dpkg --root root -v
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ $stderr == *"altered: '/usr/bin/altered' of package 'tools'"* ]]
	[[ $stderr == *"2 digests known: 5 files, 4 of them code, 2 matched, 1 altered, 1 missing"* ]]
	run --separate-stderr mwhite query -d k.idx "$(sha root/usr/bin/good)" root/usr/lib/plugin
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "known "*"'dpkg tools 1.0-1'  '/bin/good'" ]]
	[[ ${lines[1]} == "known "*"'/usr/lib/plugin'" ]]
	run --separate-stderr mwhite query -d k.idx root/usr/bin/altered root/usr/bin/good root/usr/share/words
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == "unknown "* && ${lines[1]} == "known "* && ${lines[2]} == "unknown "* ]]
}

@test "build --all takes in what is no code, and -j counts" {
	little_system
	run --separate-stderr mwhite build -j -o k.idx --dpkg --root root --all
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "$(jq -c '[.files,.code,.matched,.altered,.missing,.packages,.digests]' <<<"$output")" = "[5,5,3,1,1,1,3]" ]
	mwhite query -d k.idx root/usr/share/words
}

@test "configuration files, diversions, and packages that are not installed" {
	little_system
	echo '0 0 * * * root job' >root/etc/cron.d/job
	echo 'mine' >root/etc/cron.d/changed
	sum=$(md5sum <root/etc/cron.d/job | cut -d' ' -f1)
	{
		printf 'Package: cfg\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nConffiles:\n /etc/cron.d/job %s\n' "$sum"
		printf ' /etc/cron.d/changed %s\n /etc/cron.d/gone %s obsolete\nDescription: x\n\n' "$sum" "$sum"
		printf 'Package: away\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 3\nConffiles:\n /etc/cron.d/job %s\n\n' "$sum"
	} >>root/var/lib/dpkg/status
	# "other" diverts tools' plugin away and has one of its own in its place.
	mv root/usr/lib/plugin root/usr/lib/plugin.distrib
	printf '\177ELF other' >root/usr/lib/plugin
	package other 4 usr/lib/plugin
	printf '/usr/lib/plugin\n/usr/lib/plugin.distrib\nother\n' >root/var/lib/dpkg/diversions
	mwhite -q build -o k.idx --dpkg --root root
	run --separate-stderr mwhite query -d k.idx root/etc/cron.d/job root/usr/lib/plugin root/usr/lib/plugin.distrib root/etc/cron.d/changed
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == "known "*"'dpkg cfg 2'"* ]]
	[[ ${lines[1]} == "known "*"'dpkg other 4'"* ]]
	[[ ${lines[2]} == "known "*"'dpkg tools 1.0-1'"* ]]
	[[ ${lines[3]} == "unknown "* ]]
}

@test "links in the packages' files do not lead out of the root, nor does a file that is a link count" {
	little_system
	mkdir outside
	printf '#!/bin/sh\n' >outside/evil
	(cd root && mkdir -p usr/sbin && printf '#!/bin/sh\n' >usr/sbin/evil)
	chmod 755 root/usr/sbin/evil
	package p 1 usr/sbin/evil
	rm -r root/usr/sbin
	ln -s "$PWD/outside" root/usr/sbin
	run --separate-stderr mwhite build -j -o k.idx --dpkg --root root
	[ "$(jq .missing <<<"$output")" -eq 2 ]
	run mwhite query -d k.idx outside/evil
	[ "$status" -eq 1 ]
	rm root/usr/sbin
	mkdir root/usr/sbin
	ln -s ../bin/good root/usr/sbin/evil
	run --separate-stderr mwhite build -j -o k.idx --dpkg --root root
	[ "$(jq .altered <<<"$output")" -eq 2 ]
}

@test "the real shell of this system is known from its package's sums" {
	[ -e /var/lib/dpkg/info/dash.list ] || skip "no Debian"
	mkdir -p root/var/lib/dpkg/info root/usr/bin
	cp /var/lib/dpkg/info/dash* root/var/lib/dpkg/info
	sed -n '/^Package: dash$/,/^$/p' /var/lib/dpkg/status >root/var/lib/dpkg/status
	cp /bin/dash root/usr/bin/dash
	ln -s usr/bin root/bin
	mwhite -q build -o k.idx --dpkg --root root
	run --separate-stderr mwhite query -d k.idx /bin/dash
	[ "$status" -eq 0 ]
	[[ $output == *"'dpkg dash "* ]]
}

@test "add merges, keeps what was there, and leaves it alone on failure" {
	little_system
	mwhite -q build -o k.idx --dpkg --root root
	mkdir opt
	cp /bin/true opt/tool
	run --separate-stderr mwhite add -d k.idx --dir opt
	[ "$status" -eq 0 ]
	[[ $stderr == *"3 digests known"* ]]
	mwhite query -d k.idx opt/tool root/usr/bin/good
	before=$(sha k.idx)
	echo nonsense >bad
	fails 65 mwhite add -d k.idx --list bad
	[[ $stderr == "mwhite: 'bad', line 1: no SHA-256 at its start" ]]
	[ "$(sha k.idx)" = "$before" ]
	[ "$(find . -maxdepth 1 -name '*k.idx*' | wc -l)" -eq 1 ]
	sha256sum bad | mwhite -q add -d k.idx --list -
	mwhite query -d k.idx bad
	run --separate-stderr mwhite info -d k.idx -j
	[ "$(jq -c '[.digests,.from]' <<<"$output")" = '[4,["dpkg","dir","list"]]' ]
}

@test "info verifies; a damaged or cut index is 65 for every verb and never a yes" {
	little_system
	mwhite -q build -o k.idx --dpkg --root root
	run --separate-stderr mwhite info -d k.idx
	[ "$status" -eq 0 ]
	[[ $output == *"digests   2"* && $output == *"dpkg      20"* ]]
	printf 'X' | dd of=k.idx bs=1 seek=140 conv=notrunc status=none
	fails 65 mwhite info -d k.idx
	[[ $stderr == *"does not match its own SHA-256" ]]
	fails 65 mwhite query -d k.idx root/usr/bin/good
	about "$(sha root/usr/bin/good)" file ""
	pack
	fails 65 mwhite -d k.idx case.tar
	head -c 200 k.idx >cut.idx
	fails 65 mwhite query -d cut.idx root/usr/bin/good
	: >empty.idx
	fails 65 mwhite query -d empty.idx root/usr/bin/good
	fails 66 mwhite query -d absent.idx root/usr/bin/good
}

@test "it warns when the package database is newer than the index" {
	little_system
	mwhite -q build -o k.idx --dpkg --root root
	run --separate-stderr mwhite query -d k.idx --root root root/usr/bin/good
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	touch -d '+1 hour' root/var/lib/dpkg/status
	run --separate-stderr mwhite query -d k.idx --root root root/usr/bin/good
	[ "$status" -eq 0 ]
	[[ $stderr == "mwhite: warning: 'k.idx' is older than the package database"* ]]
}

@test "the filter drops what is known good, and nothing whose memory or use is suspicious" {
	printf 'aaa' >a; printf 'bbb' >b; printf 'ccc' >c1; printf 'ddd' >d; printf 'eee' >e
	sha256sum a b c1 d >list
	mwhite -q build -o k.idx --list list
	about "$(sha a)" file ""
	about "$(sha b)" file ',"signs":[{"name":"text-modified","group":"memory","weight":40,"reason":"x"}]'
	about "$(sha c1)" memory ""
	about "$(sha d)" file ',"signs":[{"name":"deleted","group":"image","weight":25,"reason":"x"}],"mine":{"x":1}'
	about "$(sha e)" file ""
	cp d "c/code/$(sha d)/body"
	cp e "c/code/$(sha e)/body"
	chmod 400 "c/code/$(sha e)/body"
	pack
	run --separate-stderr mwhite -v -d k.idx -o out.case case.tar
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = "mwhite: 4 of 5 pieces of code are known good, 2 of these kept" ]
	tar -tf out.case >names
	run ! grep -q "$(sha a)" names
	run ! grep -q "$(sha d)" names
	grep -q "$(sha e)/body" names
	mkdir x && tar -xf out.case -C x && chmod -R u+r x && (cd x && sha256sum --quiet -c MANIFEST)
	[ "$(jq -r .known.kept "x/code/$(sha b)/about.json")" = text-modified ]
	[ "$(jq -r .known.source "x/code/$(sha b)/about.json")" = "list list" ]
	[ "$(jq -r .known.kept "x/code/$(sha c1)/about.json")" = "it was seen in memory only" ]
	[ "$(jq -r .known "x/code/$(sha e)/about.json")" = null ]
	[ "$(jq -r '.trail[-1].tool' x/case.json)" = mwhite ]
	# as a filter, and with --keep-all
	mwhite --keep-all -d k.idx <case.tar >all.case
	tar -xOf all.case "code/$(sha d)/about.json" | jq -e '.known.source == "list list" and .mine.x == 1 and (.known.kept | not)'
	[ "$(tar -tf all.case | grep -c about.json)" -eq 5 ]
}

@test "a bad case is 65 and leaves no output" {
	printf 'aaa' >a
	sha256sum a >list
	mwhite -q build -o k.idx --list list
	about "$(sha a)" file ""
	about "$(printf b | sha256sum | cut -c1-64)" file ""
	pack
	head -c 2000 case.tar >cut.tar
	fails 65 mwhite -d k.idx -o out.case cut.tar
	[ ! -e out.case ]
	fails 65 mwhite -d k.idx -o out.case </dev/null
	[ ! -e out.case ]
	fails 66 mwhite -d k.idx -o out.case absent.case
}

@test "wrong use is 64 and points to -h" {
	fails 64 mwhite --nonsense
	fails 64 mwhite build --dpkg
	fails 64 mwhite build -o k.idx
	fails 64 mwhite build -o - --dpkg
	fails 64 mwhite query -d
	[[ $stderr == *"-h"* ]]
	fails 64 mwhite </dev/null
	run mwhite -h
	[ "$status" -eq 0 ]
	[[ $output == "usage: mwhite "* ]]
	run mwhite -V
	[[ $output == "mwhite (muss) "* ]]
}

@test "a full disk is 74" {
	printf 'aaa' >a
	sha256sum a >list
	fails 74 mwhite build -o /dev/full --list list
	mwhite -q build -o k.idx --list list
	about "$(printf b | sha256sum | cut -c1-64)" file ""
	pack
	fails 74 mwhite -d k.idx -o /dev/full case.tar
	run --separate-stderr bash -c 'mwhite query -d k.idx a >/dev/full'
	[ "$status" -eq 74 ]
	run --separate-stderr bash -c 'mwhite info -d k.idx >/dev/full'
	[ "$status" -eq 74 ]
	run --separate-stderr bash -c 'mwhite -d k.idx <case.tar >/dev/full'
	[ "$status" -eq 74 ]
}

@test "killed while it builds, it leaves the old index as it was" {
	printf 'aaa' >a
	sha256sum a >list
	mwhite -q build -o k.idx --list list
	before=$(sha k.idx)
	mkfifo slow
	mwhite -q build -o k.idx --list slow &
	pid=$!
	exec 7>slow
	printf '%s\n' "$(printf b | sha256sum | cut -c1-64)" >&7
	sleep 0.2
	kill -9 "$pid"
	run ! wait "$pid"
	exec 7>&-
	[ "$(sha k.idx)" = "$before" ]
	mwhite -q add -d k.idx --list list
	mwhite query -d k.idx a
}

@test "all who vouch are told, and a source that is withdrawn takes with it what nobody else vouches for" {
	little_system
	mwhite -q build -o k.idx --dpkg --root root
	mkdir opt
	cp root/usr/bin/good opt/good
	printf '#!/bin/sh\necho mine\n' >opt/mine
	mwhite -q add -d k.idx --dir opt
	run --separate-stderr mwhite query -d k.idx root/usr/bin/good opt/mine
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "known "*"  'dpkg tools 1.0-1', 'dir $PWD/opt'  '/bin/good'" ]]
	[[ ${lines[1]} == "known "*"  'dir $PWD/opt'  '$PWD/opt/mine'" ]]
	run --separate-stderr mwhite query -j -d k.idx root/usr/bin/good
	[ "$(jq -c '[.source,.sources]' <<<"$output")" = "[\"dpkg tools 1.0-1\",[\"dpkg tools 1.0-1\",\"dir $PWD/opt\"]]" ]
	run --separate-stderr mwhite sources -j -d k.idx
	[ "$(jq -sc 'map([.digests,.alone])' <<<"$output")" = "[[2,1],[2,1]]" ]
	run --separate-stderr mwhite sources -d k.idx
	[[ ${lines[1]} =~ ^\ +2\ +1\ \ "'dir $PWD/opt'"$ ]]
	run --separate-stderr mwhite withdraw -d k.idx "dir $PWD/opt"
	[ "$status" -eq 0 ]
	[ "$stderr" = "mwhite: 1 digests withdrawn, 2 left" ]
	mwhite query -d k.idx root/usr/bin/good
	run mwhite query -d k.idx opt/mine
	[ "$status" -eq 1 ]
	before=$(sha k.idx)
	fails 1 mwhite withdraw -d k.idx "dir $PWD/opt"
	fails 64 mwhite withdraw -d k.idx
	fails 64 mwhite withdraw
	[ "$(sha k.idx)" = "$before" ]
	run --separate-stderr mwhite withdraw -j -d k.idx -o none.idx dpkg
	[ "$(jq -c '[.gone,.digests]' <<<"$output")" = "[2,0]" ]
	run mwhite query -d none.idx root/usr/bin/good
	[ "$status" -eq 1 ]
	mwhite query -d k.idx root/usr/bin/good
}

@test "mscan -w and mscan | mwhite -d leave the same of a case" {
	cp /bin/true known
	printf '#!/bin/sh\necho unknown\n' >unknown
	sha256sum known >list
	mwhite -q build -o k.idx --list list
	mscan -f known unknown -o all.case
	mscan -w k.idx -f known unknown -o one.case
	mwhite -d k.idx -o two.case all.case
	for c in one two; do
		mls -j $c.case | jq -S 'del(.time)' >$c.json
	done
	cmp one.json two.json
	[ "$(jq -s length one.json)" -eq 1 ]
}
