#!/usr/bin/env bats
# Deltas from the centre to its hosts: mcenter publish, mrecv, magent; above all, what changes no index.
# shellcheck disable=SC2154 # run sets status, output and stderr

load common

setup_file() {
	W=$BATS_FILE_TMPDIR
	export W
	mkey init "$W/pki"
	for role in host:h1 analysis:an signer:sg signer:sg2; do mkey issue "$W/pki" "${role%:*}" "${role#*:}"; done
	mkey issue -a 127.0.0.1 "$W/pki" front centre
	mkey revoke "$W/pki" "$W/pki/issued/sg2.crt"
	mkey init "$W/other"
	mkey issue "$W/other" signer sg
	mkdir "$W/spool"
	mrecv -l 127.0.0.1:0 -k "$W/pki/issued/centre.key" -c "$W/pki/issued/centre.crt" -a "$W/pki/ca.crt" -s "$W/spool" -j \
		>"$W/mrecv.out" 2>"$W/mrecv.err" 3>&- &
	echo $! >"$W/mrecv.pid"
	for _ in {1..100}; do grep -q listening "$W/mrecv.out" && break; sleep 0.1; done
	grep -o '127.0.0.1:[0-9]*' "$W/mrecv.out" | head -n 1 >"$W/centre"
}

teardown_file() {
	kill "$(cat "$W/mrecv.pid")"
}

# An index with an id of its own, its copy at the centre, and three deltas that lead on from it.
setup() {
	export TMPDIR=$TMP
	mkdir -p "$TMP/w/files"
	cd "$TMP/w" || exit
	k=$W/pki/issued
	printf 'plain text' >files/text
	for n in {0..5}; do printf 'known %s %s' "$BATS_TEST_NUMBER" "$n" | sha256sum | cut -c1-64 >"list$n"; done
	mwhite -q build -o host.idx --list list0
	cp host.idx centre.idx
	id=$(mwhite info -j -d host.idx | jq -r .id)
	make_delta 1 --list list1
	make_delta 2 --list list2 --revoke list0
	make_delta 3 --list list3
	printf '%s\n' "spool $W/spool" "authority $W/pki/ca.crt" "revoked $W/pki/crl.pem" "analysis-key $k/an.key" \
		"analysis-certificate $k/an.crt" "signer-key $k/sg.key" "signer-certificate $k/sg.crt" >centre.conf
	printf '%s\n' "state state" "centre $(cat "$W/centre")" "key $k/h1.key" "certificate $k/h1.crt" "authority $W/pki/ca.crt" \
		"revoked $W/pki/crl.pem" "analysis $k/an.crt" "path files" "wait 0" "background no" "nice 0" "known host.idx" "deltas yes" >agent.conf
}

# make_delta N SOURCE...: from what the centre's index has by now
make_delta() {
	local n=$1
	shift
	mwhite -q delta -d centre.idx -k "$k/sg.key" -c "$k/sg.crt" -o "$n.delta" "$@"
	mwhite -q apply -d centre.idx -a "$W/pki/ca.crt" "$n.delta"
}

# so many digests
many() { awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) printf "%08x%056x\n", i * 2654435761 % 4294967296, i }'; }
publish() { mcenter publish -c centre.conf "$@"; }
cycle() { run --separate-stderr magent run -c agent.conf; }
version() { mwhite info -j -d host.idx | jq -c '[.digests,.revoked,.delta]'; }
told() { magent status -j -c agent.conf | jq -c 'select(.index) | [.index,.version,.state]'; }
knows() { mwhite -q query -d host.idx "$(cat "$1")" >/dev/null; }

@test "what the centre publishes reaches the host's index: one, then those that it lags behind" {
	cycle   # nothing is published for this index yet
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(version)" = "[1,0,0]" ]
	[ -z "$(told)" ]
	publish 1.delta
	cycle
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(version)" = "[2,0,1]" ]
	[ "$(told)" = "[\"$id\",1,\"applied\"]" ]
	publish 2.delta 3.delta
	cycle
	[ "$status" -eq 0 ]
	[ "$(version)" = "[3,1,3]" ]
	[ "$(told)" = "[\"$id\",3,\"applied\"]" ]
	run ! knows list0   # it was revoked
	knows list1 && knows list2 && knows list3
	run --separate-stderr mwhite query -j -d host.idx "$(cat list3)"
	[ "$(jq -r .source <<<"$output")" = "delta sg list list3" ]
	[ -z "$(find state/incoming state/link state/refused -type f)" ]
	before=$(sha256sum <host.idx)
	cycle
	[ "$status" -eq 0 ]
	[ "$(sha256sum <host.idx)" = "$before" ]
	[[ $(magent status -c agent.conf) == *"applied"*"index  $id  version 3"* ]]
}

@test "the centre publishes only what a signer of its authority made, in order, each version once" {
	fails 66 publish 2.delta.not
	fails 65 publish list1
	publish 1.delta
	fails 65 publish 3.delta
	[[ $stderr == *"leads from version 2, and version 1 is the newest that was published"* ]]
	publish 2.delta 3.delta
	publish 1.delta 3.delta   # again: nothing changes
	[ "$(cd "$W/spool/deltas/$id" && ls)" = "$(printf '%s\n' 1.delta 2.delta 3.delta)" ]
	# Another delta for a version that was published.
	mwhite -q delta -d host.idx -k "$k/sg.key" -c "$k/sg.crt" -o again.delta --list list5
	fails 65 publish again.delta
	[[ $stderr == *"versions only grow"* ]]
	cmp 1.delta "$W/spool/deltas/$id/1.delta"
	# Signed by another authority, by a certificate that was revoked, by a host; changed afterwards.
	cp host.idx forged.idx
	mwhite -q delta -d forged.idx -k "$W/other/issued/sg.key" -c "$W/other/issued/sg.crt" -o forged.delta --list list5
	fails 77 publish forged.delta
	mwhite -q delta -d forged.idx -k "$k/sg2.key" -c "$k/sg2.crt" -o gone.delta --list list5
	fails 77 publish gone.delta
	head -c -1 3.delta >cut.delta
	fails 65 publish cut.delta
	[ "$(find "$W/spool/deltas" -name '.new' | wc -l)" -eq 0 ]
}

@test "what a front end that was taken over hands out changes no index, and is told" {
	publish 1.delta 2.delta
	cycle
	[ "$(version)" = "[2,1,2]" ]
	before=$(sha256sum <host.idx)
	at=$W/spool/deltas/$id
	# An older one under the name of the next.
	cp 1.delta "$at/3.delta"
	cycle
	[ "$status" -eq 1 ]
	[[ $stderr == *"the whitelist stays at version 2: "* ]]
	[ "$(told)" = "[\"$id\",3,\"refused\"]" ]
	[ -e "state/refused/$id-3.delta" ]
	# One of its own making, signed by what it can get hold of; one that was changed; noise; nothing.
	mwhite -q delta -d host.idx -k "$W/other/issued/sg.key" -c "$W/other/issued/sg.crt" -o "$at/3.delta" --list list5
	cycle
	[ "$status" -eq 1 ]
	sed 's/muss-known-delta/muss-known-delte/' 3.delta >"$at/3.delta"
	cycle
	[ "$status" -eq 1 ]
	head -c 5000 /dev/urandom >"$at/3.delta"
	cycle
	[ "$status" -eq 1 ]
	: >"$at/3.delta"
	cycle
	[ "$status" -eq 1 ]
	# One for another index.
	mwhite -q build -o stranger.idx --list list4
	mwhite -q delta -d stranger.idx -k "$k/sg.key" -c "$k/sg.crt" -o "$at/3.delta" --list list5
	cycle
	[ "$status" -eq 1 ]
	[ "$(sha256sum <host.idx)" = "$before" ]
	[ -z "$(find state/incoming -type f)" ]
	# The true one helps again.
	cp 3.delta "$at/3.delta"
	cycle
	[ "$status" -eq 0 ]
	[ "$(version)" = "[3,1,3]" ]
	[ "$(told)" = "[\"$id\",3,\"applied\"]" ]
}

@test "a step that is missing is told, and the index stays" {
	publish 1.delta 2.delta 3.delta
	rm "$W/spool/deltas/$id/2.delta"
	cycle
	[ "$status" -eq 1 ]
	[[ $stderr == *"the whitelist stays at version 1: "*"the delta from version 1 on is not kept here; the newest leads to version 3"* ]]
	[ "$(version)" = "[2,0,1]" ]
	[ "$(told)" = "[\"$id\",2,\"refused\"]" ]
	# The next one in its place is not taken either.
	cp 3.delta "$W/spool/deltas/$id/2.delta"
	cycle
	[ "$status" -eq 1 ]
	[[ $stderr == *"the deltas between come first"* ]]
	[ "$(version)" = "[2,0,1]" ]
}

@test "a centre that cannot be reached costs no scan, and no index" {
	sed -i 's/^centre .*/centre 127.0.0.1:1/' agent.conf
	cycle
	[ "$status" -eq 0 ]
	[[ $stderr == *"the whitelist stays as it is: "* ]]
	[ "$(magent status -j -c agent.conf | jq -r .state)" = nothing-found ]
	sed -i 's/^known .*//' agent.conf
	fails 78 magent run -c agent.conf
	[[ $stderr == *"'deltas yes' wants 'known'"* ]]
}

@test "killed at any moment, the next run goes on: a delta is whole or not there" {
	# Large enough that fetching and applying take a while.
	many 150000 >many
	mwhite -q delta -d centre.idx -k "$k/sg.key" -c "$k/sg.crt" -o 4.delta --list many
	publish 1.delta 2.delta 3.delta 4.delta
	for after in 0.01 0.03 0.06 0.1 0.15 0.2 0.3; do
		magent run -c agent.conf >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "$after"
		kill -9 "$pid" || break
		wait "$pid" || true
		mwhite -q info -d host.idx >/dev/null   # an index still, of one version or the next
	done
	for _ in {1..100}; do   # tools of a killed agent end by themselves; until then they may be at it still
		cycle
		[ "$(version)" != "[150003,1,4]" ] || break
		sleep 0.1
	done
	[ "$status" -eq 0 ]
	[ "$(version)" = "[150003,1,4]" ]
	sleep 1
	cycle
	[ -z "$stderr" ]
	[ -z "$(find state/incoming state/link -type f)" ]
}

@test "msend fetches a delta by hand, and goes on behind what it has" {
	many 100000 >many
	mwhite -q delta -d centre.idx -k "$k/sg.key" -c "$k/sg.crt" -o 4.delta --list many
	publish 1.delta 2.delta 3.delta 4.delta
	answered() { grep "^{" "$W/mrecv.err" | jq -r 'select(.event == "answer") | .count' | tail -n 1; }
	by_hand() { msend -r 0 -k "$k/h1.key" -c "$k/h1.crt" -a "$W/pki/ca.crt" -s st -o got "$@" "$(cat "$W/centre")"; }
	by_hand --delta "$id:3"
	cmp got 4.delta
	fails 1 by_hand --delta "$id:4"
	[[ $stderr == *"version 4 is the newest"* ]]
	fails 1 by_hand --delta "0123456789abcdef0123456789abcdef:0"
	fails 64 by_hand --delta "$id"
	fails 64 by_hand --delta "$id:4x"
	# What a killed one left: half of it, under the tag it came with.
	tag=$(printf '%s' "$(stat -c '%i %s %Y' "$W/spool/deltas/$id/4.delta") $((10#$(date -r "$W/spool/deltas/$id/4.delta" +%N)))" | sha256sum | cut -c1-32)
	printf '%s' "$tag" >"st/$id-3.tag"
	head -c 1000000 4.delta >"st/$id-3.answer"
	rm got
	by_hand --delta "$id:3"
	cmp got 4.delta
	[ "$(answered)" -eq $(($(stat -c %s 4.delta) - 1000000)) ]
	# Under another tag it is thrown away.
	printf '%s' "0123456789abcdef0123456789abcdef" >"st/$id-3.tag"
	head -c 1000000 /dev/zero >"st/$id-3.answer"
	by_hand --delta "$id:3"
	cmp got 4.delta
	[ "$(answered)" -eq "$(stat -c %s 4.delta)" ]
	[ -z "$(find st -type f)" ]
}
