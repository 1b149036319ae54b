#!/usr/bin/env bats
# mwhite delta and apply: what a centre signs goes into an index once, in order, and nothing else does.
# shellcheck disable=SC2154 # run sets status, output and stderr

load common

setup_file() {
	export DELTA=$BATS_FILE_TMPDIR
	PATH=$MUSS_BUILD/bin:$PATH
	cd "$DELTA" || return 1
	mkey init pki
	mkey issue pki signer centre
	mkey issue pki signer gone
	mkey revoke pki pki/issued/gone.crt
	mkey issue pki host h7
	mkey init other
	mkey issue other signer centre
	printf '%s\n' a b c d | while read -r i; do printf '%s' "$i" | sha256sum | cut -c1-64; done >base
	mwhite -q build -o base.idx --list base
	printf 'new' | sha256sum >add
	head -n 1 base >gone
	mwhite delta -d base.idx -k pki/issued/centre.key -c pki/issued/centre.crt -o 1.delta --list add --revoke gone
}

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
	cp -R "$DELTA"/. .
}

# apply DELTA...: to k.idx, with the authority's list of revoked certificates.
apply() {
	mwhite apply -d k.idx -a pki/ca.crt -l pki/crl.pem "$@"
}

delta() {
	mwhite delta -k pki/issued/centre.key -c pki/issued/centre.crt "$@"
}

state() {
	mwhite info -j -d k.idx | jq -c '[.digests,.revoked,.delta]'
}

@test "a signed delta adds and revokes, once, and says who signed it" {
	cp base.idx k.idx
	run --separate-stderr apply 1.delta
	[ "$status" -eq 0 ]
	[ "$stderr" = "mwhite: version 1, signed by 'centre': 1 digests added, 1 revoked, 4 known" ]
	[ "$(state)" = "[4,1,1]" ]
	run --separate-stderr mwhite query -d k.idx "$(cut -c1-64 add)"
	[[ $output == *"'delta centre list add'"* ]]
	run mwhite query -d k.idx "$(cat gone)"
	[ "$status" -eq 1 ]
	before=$(sha256sum <k.idx)
	fails 1 apply 1.delta
	[[ $stderr == *"has version 1 already"* ]]
	[ "$(sha256sum <k.idx)" = "$before" ]
	# what it brought is withdrawn as any source
	mwhite -q withdraw -d k.idx "delta"
	[ "$(state)" = "[3,1,1]" ]
	# from standard input, as JSON
	cp base.idx k.idx
	run --separate-stderr bash -c 'mwhite apply -j -d k.idx -a pki/ca.crt - <1.delta'
	[ "$output" = '{"version":1,"added":1,"revoked":1,"digests":4,"signer":"centre"}' ]
}

@test "deltas come in order, for the index they were made for, and in time" {
	cp base.idx k.idx
	apply 1.delta 2>/dev/null
	printf 'more' | sha256sum >add
	delta -d k.idx -o 2.delta --list add
	cp base.idx k.idx
	fails 75 apply 2.delta
	[[ $stderr == *"the deltas between come first"* ]]
	mwhite -q add -d k.idx --list add       # what is added here does not count
	apply 1.delta 2>/dev/null
	apply 2.delta 2>/dev/null
	[ "$(state)" = "[5,1,2]" ]
	fails 1 apply 1.delta
	# another index, and one that was built to take this one's deltas
	mwhite -q build -o k.idx --list base
	fails 77 apply 1.delta
	[[ $stderr == *"is for the index with the id"* ]]
	mwhite -q build -o k.idx --list add --id "$(mwhite info -j -d base.idx | jq -r .id)"
	apply 1.delta 2>/dev/null
	[ "$(state)" = "[2,1,1]" ]
	fails 64 mwhite build -o x.idx --list add --id 1234
	# its time is over
	cp base.idx k.idx
	delta -d k.idx --days 0 -o late.delta --list add
	fails 77 apply late.delta
	[[ $stderr == *"late.delta' expired at"* ]]
	[ "$(state)" = "[4,0,0]" ]
}

@test "two deltas of one version are told apart: the second is not taken for the first, nor are what follows it" {
	cp base.idx k.idx
	cp base.idx centre.idx
	printf 'other' | sha256sum >add
	delta -d base.idx -o other.delta --list add
	apply 1.delta 2>/dev/null
	before=$(sha256sum <k.idx)
	fails 65 apply other.delta
	[[ $stderr == *"version 1 of 'k.idx' was made by another delta than 'other.delta'"* ]]
	# what the centre makes of its own version 1 does not fit this one
	mwhite -q apply -d centre.idx -a pki/ca.crt other.delta
	delta -d centre.idx -o 2.delta --list base
	fails 65 apply 2.delta
	[[ $stderr == *"another delta"* ]]
	[ "$(sha256sum <k.idx)" = "$before" ]
	# the index remembers through every change and copy
	mwhite -q add -d k.idx -o copy.idx --list base
	mwhite -q revoke -d copy.idx "$(tail -n 1 base)"
	mwhite -q withdraw -d copy.idx delta
	mv copy.idx k.idx
	fails 65 apply other.delta
	fails 1 apply 1.delta
}

@test "delta says that the index it leads from takes it too; what revokes nothing is refused" {
	run --separate-stderr delta -d base.idx -o new.delta --list add
	[ "$status" -eq 0 ]
	[[ $stderr == "mwhite: 'new.delta' makes version 1: apply it to 'base.idx' too, before the next delta is made" ]]
	: >none
	fails 65 delta -d base.idx -o none.delta --revoke none
	[ ! -e none.delta ]
}

@test "the manual's example of a centre: each of two deltas arrives" {
	cp base.idx known.idx
	cp base.idx k.idx
	head -n 1 base >two.txt
	for n in 1 2; do
		delta -q -d known.idx -o $n.delta --revoke two.txt
		mwhite -q apply -d known.idx -a pki/ca.crt $n.delta
		apply -q $n.delta
		[ "$(state)" = "[$((4 - n)),$n,$n]" ]
		sed -n 2p base >two.txt
	done
	mandoc -T ascii "$ROOT/man/mwhite.1" | col -b | grep -A 3 'mwhite delta -d known.idx' | grep -q 'mwhite apply -d known.idx'
	mandoc -T ascii "$ROOT/man/mwhite.1" | col -b | grep -A 3 'mwhite delta -d known.idx' | grep -q 'mwhite apply -d host.idx'
}

@test "only a signer of the authority, who was not revoked, changes an index" {
	cp base.idx k.idx
	before=$(sha256sum <k.idx)
	fails 77 mwhite delta -d k.idx -k pki/issued/h7.key -c pki/issued/h7.crt -o x.delta --list add
	[ ! -e x.delta ]
	mwhite delta -d k.idx -k other/issued/centre.key -c other/issued/centre.crt -o other.delta --list add
	fails 77 apply other.delta
	mwhite delta -d k.idx -k pki/issued/gone.key -c pki/issued/gone.crt -o gone.delta --list add
	fails 77 apply gone.delta
	[[ $stderr == *"revoked"* ]]
	[ "$(sha256sum <k.idx)" = "$before" ]
}

@test "a delta that was altered or cut anywhere is refused, and changes nothing" {
	cp base.idx k.idx
	before=$(sha256sum <k.idx)
	size=$(stat -c %s 1.delta)
	for at in 0 3 9 13 17 25 60 150 300 395 450 700 1000 1100 1500 5000 9000 "$((size - 1))"; do
		cp 1.delta bad.delta
		byte=$(od -An -tu1 -j "$at" -N 1 1.delta)
		printf "\\x$(printf %02x "$((byte ^ 4))")" | dd of=bad.delta bs=1 seek="$at" conv=notrunc status=none
		run --separate-stderr apply bad.delta
		[[ $status -eq 65 || $status -eq 77 ]] || { echo "at $at: $status $stderr"; false; }
		head -c "$at" 1.delta >cut.delta
		fails 65 apply cut.delta
	done
	{ cat 1.delta; echo; } >long.delta
	fails 65 apply long.delta
	fails 65 apply base.idx
	fails 66 apply absent.delta
	fails 64 mwhite apply -d k.idx 1.delta
	fails 64 mwhite apply -d k.idx -a pki/ca.crt
	fails 64 mwhite delta -d k.idx -o x.delta --list add
	[ "$(sha256sum <k.idx)" = "$before" ]
}

@test "killed anywhere while a delta is applied, it is applied or not" {
	for ((n = 1; ; n++)); do
		cp base.idx k.idx
		code=0
		"$MUSS_BUILD/t/killat" "$n" "$MUSS_BUILD/bin/mwhite" -q apply -d k.idx -a pki/ca.crt 1.delta || code=$?
		[ "$code" -ne 3 ] || break
		[ "$code" -eq 0 ]
		case $(state) in
		"[4,0,0]") apply 1.delta 2>/dev/null ;;
		"[4,1,1]") fails 1 apply 1.delta ;;
		*) false ;;
		esac
		[ "$(state)" = "[4,1,1]" ]
		[ "$n" -lt 100 ]
	done
	[ "$n" -gt 5 ]
}
