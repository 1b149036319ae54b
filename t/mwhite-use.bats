#!/usr/bin/env bats
# mwhite as it is misused and fed with what is malformed: it says so, and never does half of it or nothing without a word.
# shellcheck disable=SC2154 # run sets status, output and stderr

load common

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
	A=a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447
	B=b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c
	printf '%s\n' $A $B >list
	mwhite -q build -o k.idx --list list
	before=$(sha256sum <k.idx)
}

unchanged() {
	[ "$(sha256sum <k.idx)" = "$before" ]
}

@test "a list that revokes nothing is 65, whatever its first line looks like" {
	printf '%s,evil\n' "${A%?}" >a
	fails 65 mwhite revoke -d k.idx --list a
	[ "$stderr" = "mwhite: 'a', line 1: no SHA-256 at its start" ]
	printf '%s,hash\n' "${A%?}" >a
	fails 65 mwhite revoke -d k.idx --list a
	: >a
	fails 65 mwhite revoke -d k.idx --list a
	[ "$stderr" = "mwhite: 'a' has no SHA-256: nothing is revoked" ]
	printf 'sha256,name\n# none\n' >a
	fails 65 mwhite revoke -d k.idx --list list --list a
	unchanged
	printf '"SHA-256";"name"\n%s;evil\n' $A >a
	run --separate-stderr mwhite revoke -d k.idx --list a
	[ "$status" -eq 0 ]
	[ "$stderr" = "mwhite: 1 digests revoked, 1 known" ]
}

@test "an empty listing of rpm is 65" {
	: >a
	fails 65 mwhite build -o x.idx --rpm a
	[ "$stderr" = "mwhite: 'a' lists no files: it should be what 'rpm -qa --dump' prints" ]
	[ ! -e x.idx ]
}

@test "hashlookup: a trust that is no number is none, and not malicious is not malicious" {
	for trust in '"high"' '"80x"' '""' null true '{}' '"nan"' '"inf"' 1000 49.9; do
		printf '{"SHA-256":"%s","hashlookup:trust":%s}\n{"SHA-256":"%s"}\n' $A "$trust" $B >a
		run --separate-stderr mwhite build -j -o x.idx --hashlookup a
		[ "$(jq -c '[.matched,.left_out]' <<<"$output")" = "[1,1]" ] || { echo "$trust: $output"; false; }
	done
	for trust in 50 '"50"' 100 '"75.5"'; do
		printf '{"SHA-256":"%s","hashlookup:trust":%s,"KnownMalicious":false}\n' $A "$trust" >a
		run --separate-stderr mwhite build -j -o x.idx --hashlookup a
		[ "$(jq -c '[.matched,.left_out]' <<<"$output")" = "[1,0]" ] || { echo "$trust: $output"; false; }
	done
	for malicious in true '"bazaar"' 1 '["x"]'; do
		printf '{"SHA-256":"%s","KnownMalicious":%s}\n' $A "$malicious" >a
		run --separate-stderr mwhite build -j -o x.idx --hashlookup a
		[ "$(jq -c '[.matched,.left_out]' <<<"$output")" = "[0,1]" ] || { echo "$malicious: $output"; false; }
	done
	printf 'SHA-256,hashlookup:trust,KnownMalicious\n%s,much,\n%s,,false\n' $A $B >a
	run --separate-stderr mwhite build -j -o x.idx --hashlookup a
	[ "$(jq -c '[.matched,.left_out]' <<<"$output")" = "[1,1]" ]
	printf '{"SHA-256":\n' >a
	fails 65 mwhite build -o x.idx --hashlookup a
	[[ $stderr == "mwhite: 'a', line 1: bad JSON: "* && $stderr != *"'it'"* ]]
}

@test "an option that is not the verb's is 64, and nothing is done" {
	cp k.idx a
	for use in "apply -d a -o b -a ca x" "follow -d a -o b" "build -d k.idx -o b --list list" "build -o b -k x --list list" "build -o b --days 3 --list list" \
		"build -o b --revoke list --list list" "add -d a --id 00112233445566778899aabbccddeeff --list list" "query -d a --dpkg $A" \
		"query -d a --keep-all $A" "query -d a -o b $A" "-d a --dpkg" "-d a -j" "info -d a --all" "sources -d a -l x" "withdraw -d a --all list" \
		"revoke -d a -a x $A" "revoke -d a --revoke list"; do
		# shellcheck disable=SC2086 # the words are wanted
		fails 64 mwhite $use </dev/null || { echo "$use"; false; }
		[[ $stderr == *" does not go with "* ]] || { echo "$use: $stderr"; false; }
		[ ! -e b ]
		cmp a k.idx
	done
	fails 64 mwhite apply -d a -o b -a ca x
	[[ $stderr == "mwhite: the option -o does not go with 'mwhite apply'; "* ]]
	fails 64 mwhite query -d a --dpkg $A
	[[ $stderr == "mwhite: the option --dpkg does not go with 'mwhite query'; "* ]]
}

@test "a verb that there is not is told from a case, and which there are" {
	for use in "nosuchverb" "-d k.idx nosuchverb $A" "qurey -d k.idx $A"; do
		# shellcheck disable=SC2086 # the words are wanted
		fails 64 mwhite $use
		[[ $stderr == *"is no verb: there are build, add, follow, query, revoke, delta, apply, withdraw, sources, info; "* ]]
	done
	fails 66 mwhite -d k.idx absent.case
}

@test "an index does not go to standard output" {
	for use in "build --list list" "add -d k.idx --list list" "revoke -d k.idx $A" "withdraw -d k.idx list" "delta -d k.idx -k x -c y --list list"; do
		# shellcheck disable=SC2086 # the words are wanted
		fails 64 mwhite $use -o -
		[ ! -e ./- ]
	done
	unchanged
}

@test "query and revoke take digests of either case, and say what a wrong one lacks" {
	run --separate-stderr mwhite query -d k.idx ${A^^}
	[ "$status" -eq 0 ]
	[[ $output == "known    $A  "* ]]
	fails 65 mwhite query -d k.idx "${A%?}"
	[[ $stderr == "mwhite: '${A%?}' is neither a file nor a SHA-256: that has 64 hexadecimal digits, not 63" ]]
	fails 65 mwhite revoke -d k.idx "${A}0"
	unchanged
	mwhite -q revoke -d k.idx ${B^^}
	run mwhite query -d k.idx $B
	[ "$status" -eq 1 ]
}

@test "one operand that cannot be read ends no query, and the worst exit status counts" {
	run --separate-stderr mwhite query -d k.idx absent $A list
	[ "$status" -eq 66 ]
	[[ ${lines[0]} == "known "* && ${lines[1]} == "unknown "* && ${#lines[@]} -eq 2 ]]
	[ "$stderr" = "mwhite: cannot open 'absent': No such file or directory" ]
	mkdir tree
	run --separate-stderr mwhite query -d k.idx $A tree absent
	[ "$status" -eq 74 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ ${stderr_lines[0]} == "mwhite: 'tree': cannot read: "* ]]
	[ "${#stderr_lines[@]}" -eq 2 ]
}

@test "withdraw takes a source as sources prints it" {
	mkdir "it's"$'\t'"a" && printf '#!/bin/sh\n' >"it's"$'\t'"a/x"
	for quotes in "" "'"; do
		mwhite -q add -d k.idx --dir "it's"$'\t'"a"
		name=$(mwhite sources -d k.idx | grep -o "'dir .*")
		name=${name#\'} name=${name%\'}
		[[ $name == *'it\'\''s\x09a' ]]
		mwhite -q withdraw -d k.idx "$quotes$name$quotes"
		mwhite -q build -o k.idx --list list
	done
}
