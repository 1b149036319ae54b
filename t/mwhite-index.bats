#!/usr/bin/env bats
# mwhite's index as a file that grows: additions behind what is there, revocations, being killed in between.
# shellcheck disable=SC2154 # run sets status, output and stderr

load common

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
}

# digests FROM TO: a list of digests.
digests() {
	local i
	for ((i = $1; i <= $2; i++)); do printf '%064x\n' "$((i * 7919 + 1))$i"; done | sed 's/^\(.\{40\}\)\(.*\)$/\2\1/'
}

count() {
	mwhite info -j -d "$1" | jq .digests
}

@test "a few more are put behind what an index has, many are made one with it" {
	digests 1 2000 >base
	digests 2001 2010 >few
	digests 3001 4000 >many
	mwhite -q build -o k.idx --list base
	head -c 8192 k.idx | tail -c 4096 >page
	inode=$(stat -c %i k.idx)
	run --separate-stderr mwhite add -d k.idx --list few
	[ "$status" -eq 0 ]
	[[ $stderr == *"2010 digests known"* ]]
	[ "$(stat -c %i k.idx)" = "$inode" ]
	head -c 8192 k.idx | tail -c 4096 | cmp - page
	[ "$(mwhite info -j -d k.idx | jq -c '[.digests,.segments,.sources]')" = '[2010,2,2]' ]
	mwhite query -d k.idx "$(tail -n 1 few)" "$(head -n 1 base)"
	mwhite -q add -d k.idx --list many
	[ "$(mwhite info -j -d k.idx | jq -c '[.digests,.segments]')" = '[3010,1]' ]
	[ "$(stat -c %i k.idx)" != "$inode" ]
	mwhite query -d k.idx "$(tail -n 1 few)" "$(head -n 1 base)" "$(tail -n 1 many)" >/dev/null
	# a copy under another name leaves the index as it was
	before=$(sha256sum <k.idx)
	mwhite -q add -d k.idx -o copy.idx --list <(digests 5001 5002)
	[ "$(sha256sum <k.idx)" = "$before" ]
	[ "$(count copy.idx)" -eq 3012 ]
}

@test "what is revoked is unknown, whoever vouches for it, then and later" {
	printf 'aaa' >a; printf 'bbb' >b; printf 'ccc' >c
	sha256sum a b c >list
	mwhite -q build -o k.idx --list list
	run --separate-stderr mwhite revoke -d k.idx a
	[ "$status" -eq 0 ]
	[ "$stderr" = "mwhite: 1 digests revoked, 2 known" ]
	run mwhite query -d k.idx a
	[ "$status" -eq 1 ]
	mwhite query -d k.idx b c
	mkdir dir
	cp a dir/a
	mwhite -q add -d k.idx --dir dir --all
	run mwhite query -d k.idx a
	[ "$status" -eq 1 ]
	sha256sum b >gone
	run --separate-stderr mwhite revoke -j -d k.idx -o less.idx --list gone "$(sha256sum <c | cut -c1-64)"
	[ "$output" = '{"revoked":2,"digests":0}' ]
	mwhite query -d k.idx b c
	run mwhite query -d less.idx c
	[ "$status" -eq 1 ]
	# withdrawing and copying keep it
	mwhite -q add -d k.idx --list list
	mwhite -q withdraw -d k.idx "list list"
	mwhite -q add -d k.idx --list list
	run mwhite query -d k.idx a
	[ "$status" -eq 1 ]
	[ "$(mwhite info -j -d k.idx | jq -c '[.digests,.revoked]')" = '[2,1]' ]
	before=$(sha256sum <k.idx)
	fails 64 mwhite revoke -d k.idx
	fails 64 mwhite revoke -d k.idx --dir dir
	fails 66 mwhite revoke -d k.idx absent
	echo nonsense >bad
	fails 65 mwhite revoke -d k.idx --list bad
	[ "$(sha256sum <k.idx)" = "$before" ]
}

@test "killed anywhere while it adds or revokes, the index says what it said, or what it says now" {
	digests 1 1000 >base
	digests 1001 1010 >few
	mwhite -q build -o base.idx --list base
	for verb in "add --list few" "revoke --list few" "add --list many"; do
		[ "$verb" != "add --list many" ] || digests 2001 2500 >many
		old=0 new=0
		for ((n = 1; ; n++)); do
			cp base.idx k.idx
			code=0
			# shellcheck disable=SC2086
			"$MUSS_BUILD/t/killat" "$n" "$MUSS_BUILD/bin/mwhite" -q -d k.idx $verb || code=$?
			[ "$code" -ne 3 ] || break
			[ "$code" -eq 0 ]
			case $(mwhite info -j -d k.idx | jq -c '[.digests,.revoked]') in
			'[1000,0]') old=$((old + 1)) ;;
			'[1010,0]' | '[1500,0]' | '[1000,10]') new=$((new + 1)) ;;
			*) false ;;
			esac
			# and the next one finds its way
			mwhite -q add -d k.idx --list few
			[ "$n" -lt 200 ]
		done
		[ "$old" -ge 3 ] && [ "$n" -ge 5 ]
	done
	[ "$(find . -name '*k.idx*' | wc -l)" -le 3 ]
}

@test "on a full disk the index is left alone" {
	need_root
	digests 1 500 >base
	digests 501 510 >few
	mkdir small
	export -f count
	unshare -m --propagation private bash -ec '
		mount -t tmpfs -o size=128k tmpfs small
		mwhite -q build -o small/k.idx --list base
		before=$(sha256sum <small/k.idx)
		head -c 1M /dev/zero >small/fill || true
		code=0
		mwhite add -d small/k.idx --list few || code=$?
		[ "$code" -eq 74 ]
		[ "$(sha256sum <small/k.idx)" = "$before" ]
		rm small/fill
		mwhite -q add -d small/k.idx --list few
		[ "$(count small/k.idx)" -eq 510 ]'
}

@test "an index of an older version says what to do" {
	printf 'mussknow\1\0\0\0\200\0\0\0' >old.idx
	head -c 8000 /dev/zero >>old.idx
	fails 65 mwhite query -d old.idx "$(printf '%064d' 1)"
	[[ $stderr == *"build it again with 'mwhite build'" ]]
}
