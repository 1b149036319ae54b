#!/usr/bin/env bats
# magent: the host's cycle against a real mrecv, with answers made by hand; above all, what never runs.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	W=$BATS_FILE_TMPDIR
	export W
	mkey init "$W/pki"
	for role in host:h1 host:h2 analysis:an signer:sg signer:sg2; do mkey issue "$W/pki" "${role%:*}" "${role#*:}"; done
	mkey issue -a 127.0.0.1 "$W/pki" front centre
	mkey revoke "$W/pki" "$W/pki/issued/sg2.crt"
	mkdir "$W/spool"
	mrecv -l 127.0.0.1:0 -k "$W/pki/issued/centre.key" -c "$W/pki/issued/centre.crt" -a "$W/pki/ca.crt" -s "$W/spool" \
		>"$W/mrecv.out" 2>"$W/mrecv.err" 3>&- &
	echo $! >"$W/mrecv.pid"
	for _ in {1..100}; do grep -q listening "$W/mrecv.out" "$W/mrecv.err" && break; sleep 0.1; done
	grep -ho '127.0.0.1:[0-9]*' "$W/mrecv.out" "$W/mrecv.err" | head -n 1 >"$W/centre"
}

teardown_file() {
	kill "$(cat "$W/mrecv.pid")"
}

setup() {
	mkdir -p "$TMP/w/files"
	cd "$TMP/w" || exit
	k=$W/pki/issued
	cp /bin/true files/sample
	printf 'x%s' "$BATS_TEST_NUMBER" >>files/sample
	sha=$(sha256sum files/sample | cut -c1-64)
	configure
}

# configure [KEY VALUE]...: agent.conf with these on top
configure() {
	{
		printf '%s\n' "# the agent of a test" "state state" "centre $(cat "$W/centre")" "key $k/h1.key" "certificate $k/h1.crt" \
			"authority $W/pki/ca.crt" "revoked $W/pki/crl.pem" "analysis $k/an.crt" "path files" "wait 0" "background no" "nice 0"
		[ $# -eq 0 ] || printf '%s %s\n' "$@"
	} >agent.conf
}

# The remover of these tests: it notes that it ran, and what it was told.
remover() {
	cat <<SH
#!/bin/sh
echo "\$*" >>$PWD/ran
${1:-mv $PWD/files/sample $PWD/quarantined}
echo '{"plan":"33333333333333333333333333333333","mode":"apply","operations":[],"remaining":${2:-0}}'
exit ${3:-0}
SH
}

case_id() { magent status -j -c agent.conf | jq -r 'select(.state == "sent") | .case' | head -n 1; }
state() { magent status -j -c agent.conf | jq -r .state | head -n 1; }

# answer: what the centre would answer to the case that was sent. Settings: PLAN, CERTIFICATE, PROOF, CASE (jq filters),
# SIGNER (of the certificate), MANIFEST_SIGNER ("": none), TAMPER (a command run before MANIFEST is made).
sign() { openssl cms -sign -binary -outform DER -in "$1" -signer "$k/$2.crt" -inkey "$k/$2.key" -out "$1.sig"; }
answer() {
	local id host out
	id=$(case_id)
	host=$(tar -xOf "$W/spool/in/$id.case" case.json | jq -r .host.id)
	out=$PWD/answer
	rm -rf "$out"
	mkdir -p "$out/remedy/linux-x86_64" "$out/proof"
	tar -xOf "$W/spool/in/$id.case" case.json | jq -c ".outcome = \"remedy\" | ${CASE:-.}" >"$out/case.json"
	cat >"$out/remedy/linux-x86_64/remover"
	(
		cd "$out" || exit
		jq -nc --arg case "$id" --arg host "$host" --arg sha "$sha" --arg until "$(date -u -d '+1 day' +%FT%TZ)" '{format: "muss-plan/1",
			id: "33333333333333333333333333333333", case: $case, host: {id: $host, name: "t"}, target: "linux-x86_64", expires: $until,
			version: 1000, codes: [$sha], operations: []}'" | ${PLAN:-.}" >remedy/plan.json
		remover=$(sha256sum remedy/linux-x86_64/remover | cut -c1-64)
		jq -nc --arg r "$remover" --slurpfile c case.json '{environment: "host", os: $c[0].host.os, plan: "33333333333333333333333333333333",
			remover_sha256: $r, result: "safe", checks: []}'" | ${PROOF:-.}" >proof/host.json
		jq -nc --arg r "$remover" --arg p "$(sha256sum remedy/plan.json | cut -c1-64)" --arg host "$host" --arg until "$(date -u -d '+1 day' +%FT%TZ)" \
			'{format: "muss-certificate/1", plan: "33333333333333333333333333333333", remover_sha256: $r, plan_sha256: $p, host: $host,
			environments: ["host"], issued: $until, expires: $until, version: 1000}'" | ${CERTIFICATE:-.}" >proof/certificate.json
		sign proof/certificate.json "${SIGNER:-sg}"
		eval "${TAMPER:-:}"
		members=(case.json proof/certificate.json proof/certificate.json.sig proof/host.json remedy/plan.json remedy/linux-x86_64/remover)
		sha256sum "${members[@]}" >MANIFEST
		sig=(MANIFEST.sig)
		[ -n "${MANIFEST_SIGNER-sg}" ] || sig=()
		sign MANIFEST "${MANIFEST_SIGNER:-sg}"
		tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf ../answer.case "${members[@]}" MANIFEST \
			"${sig[@]}"
	) || return 1
	mv answer.case "$W/spool/out/$id.case"
}

begin() {
	run --separate-stderr magent run -c agent.conf
	[ "$status" -eq 75 ]
	[ -z "$output" ]
	[ "$(state)" = sent ]
}

# refused TEXT: this answer is refused for that reason, and nothing ran; the next case is on its way
refused() {
	local id
	id=$(case_id)
	run --separate-stderr magent run -c agent.conf
	[ "$status" -eq 75 ]
	[[ $stderr == *"is refused: "*"$1"* ]]
	[[ $output == "case $id: refused: "*"$1"* ]]
	[ ! -e ran ]
	[ -e files/sample ]
	[ -z "$(ls state/removers)" ]
	[ "$(magent status -j -c agent.conf | jq -r 'select(.case == "'"$id"'") | .state')" = refused ]
	[ "$(state)" = sent ]
}

@test "found, sent, answered, checked, removed, reported" {
	begin
	id=$(case_id)
	[ -e "$W/spool/in/$id.case" ]
	remover | answer
	configure rescan yes
	run --separate-stderr magent run -c agent.conf
	[[ $output == "case $id: reported: 1 pieces of code removed" ]]
	[ "$(cat ran)" = "--apply --report" ]
	[ -e quarantined ]
	[ "$(stat -c %a state/removers/3*/remover state/removers/3* | sort -u)" = 700 ]
	magent status -j -c agent.conf | jq -se '.[] | select(.case == "'"$id"'") | .state == "reported" and .remaining == 0 and .plan == "33333333333333333333333333333333"'
	report=$(magent status -j -c agent.conf | jq -r 'select(.report) | .report')
	tar -xOf "$W/spool/in/$report.case" case.json | jq -e '.answers == "'"$id"'"'
	tar -xOf "$W/spool/in/$report.case" report/33333333333333333333333333333333.json | jq -e '.remaining == 0 and .exit == 0 and .rescan.found == []'
	[[ $(magent status -c agent.conf) == STARTED*reported* ]]
	# Nothing was found by the new scan of that run; a repeat is quiet.
	[ "$status" -eq 0 ]
	run --separate-stderr magent run -c agent.conf
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(cat ran)" = "--apply --report" ]
	[ -z "$(find state/outgoing state/incoming -type f)" ]
	[ -s state/scan.idx ] && [ -s state/scan.idx.key ]   # what its scans remember
}

@test "refused: made for another host or case, another system, expired" {
	begin
	remover | PLAN='.host.id = "44444444444444444444444444444444"' answer
	refused "another host"
	[ "$(find state/refused -name '*.case' | wc -l)" -eq 1 ]
	remover | CASE='.id = "55555555555555555555555555555555"' answer
	refused "case"
	remover | PROOF='.os.id = "another"' answer
	refused "operating system"
	remover | CERTIFICATE='.expires = "2026-01-01T00:00:00Z"' answer
	refused "expired"
}

@test "refused: not signed by the signer" {
	begin
	remover | MANIFEST_SIGNER='' answer
	refused "not signed"
	remover | MANIFEST_SIGNER=h2 answer
	refused "role"
	remover | SIGNER=h2 answer
	refused "certificate.json.sig"
	remover | SIGNER=sg2 answer
	refused "revoked"
}

@test "refused: exchanged, altered or unproven" {
	begin
	remover | TAMPER='echo "touch '"$PWD"'/ran" >>remedy/linux-x86_64/remover' answer
	refused "remover is not the one"
	remover | PROOF='.result = "unsafe"' answer
	refused "safe"
	remover | answer
	sed -i 's/mv /rm /' "$W/spool/out/$(case_id).case"
	refused "remover"
	remover | answer
	truncate -s -2000 "$W/spool/out/$(case_id).case"
	refused ""
}

@test "refused: a version older than one that was seen" {
	begin
	remover true | PLAN='.version = 2000' CERTIFICATE='.version = 2000' answer
	magent run -q -c agent.conf || true
	[ "$(cat ran)" = "--apply --report" ]
	rm -r ran state/removers/3*
	remover | answer
	refused "older than one that was seen"
}

@test "what is left is said: exit 1" {
	begin
	remover true 0 0 | answer
	run --separate-stderr magent run -c agent.conf
	[[ $output == *"something could not be removed"* ]]
	magent status -j -c agent.conf | jq -se '.[] | select(.state == "reported") | .remaining == 1'
	[ -e ran ]
}

@test "a remover that ends badly is tried again, then given up" {
	begin
	remover 'true' 1 74 | answer
	run --separate-stderr magent run -c agent.conf
	[ "$status" -eq 74 ]
	[ "$(state)" = checked ]
	for _ in 1 2 3; do fails 74 magent run -c agent.conf; done
	run --separate-stderr magent run -c agent.conf
	[[ $stderr == *"given up"* ]]
	[ "$(wc -l <ran)" -eq 5 ]
	[ "$(magent status -j -c agent.conf | jq -r 'select(.state == "failed") | .state')" = failed ]
}

@test "killed while the remover runs: the next run finishes" {
	begin
	remover "[ -e $PWD/again ] || { touch $PWD/again; kill -9 \$PPID; sleep 1; }; [ ! -e $PWD/files/sample ] || mv $PWD/files/sample $PWD/quarantined" | answer
	run magent run -c agent.conf
	[ "$status" -eq 137 ]
	[ "$(state)" = checked ]
	run --separate-stderr magent run -c agent.conf
	[ -e quarantined ]
	magent status -j -c agent.conf | jq -se '.[] | select(.state == "reported")'
}

@test "checked, but not applied while the configuration says so; then it is checked once more" {
	begin
	remover | answer
	configure apply no
	fails 75 magent run -c agent.conf
	[ "$(state)" = checked ]
	[ ! -e ran ]
	# Meanwhile the kept remover was exchanged.
	echo "touch more" >>state/removers/33333333333333333333333333333333/remover
	configure
	run --separate-stderr magent run -c agent.conf
	[[ $stderr == *"remover is not the one"* ]]
	[ ! -e ran ]
}

@test "undo: after the same checks" {
	begin
	remover | answer
	magent run -q -c agent.conf || true
	cat ran
	run --separate-stderr magent undo -c agent.conf 33333333333333333333333333333333
	[ "$status" -eq 0 ]
	[ "$output" = "plan 33333333333333333333333333333333 undone" ]
	[ "$(tail -n 1 ran)" = "--undo --report" ]
	[ -e state/reports/33333333333333333333333333333333.undo.json ]
	[ "$(magent status -j -c agent.conf | jq -r 'select(.plan) | .state')" = undone ]
	rm ran
	fails 66 magent undo -c agent.conf 66666666666666666666666666666666
	fails 64 magent undo -c agent.conf ../../x
	echo "touch more" >>state/removers/33333333333333333333333333333333/remover
	fails 65 magent undo -c agent.conf 33333333333333333333333333333333
	[ ! -e ran ]
}

@test "nothing malicious: exit 0; no safe remover: exit 1" {
	begin
	id=$(case_id)
	tar -xOf "$W/spool/in/$id.case" case.json | jq -c '.outcome = "nothing"' >case.json
	make_bare() {
		sha256sum case.json >MANIFEST
		sign MANIFEST sg
		tar --format=pax --owner=0 --group=0 --numeric-owner -cf "$W/spool/out/$1.case" case.json MANIFEST MANIFEST.sig
	}
	make_bare "$id"
	run --separate-stderr magent run -c agent.conf
	magent status -j -c agent.conf | jq -se '.[] | select(.case == "'"$id"'") | .state == "nothing-found"'
	id=$(case_id)
	tar -xOf "$W/spool/in/$id.case" case.json | jq -c '.outcome = "unsafe"' >case.json
	make_bare "$id"
	run --separate-stderr magent run -c agent.conf
	[[ $output == "case $id: unsolved: malicious, but no remover was proven safe" ]]
}

@test "nothing suspicious: exit 0, nothing is sent" {
	mwhite build -q -o known.idx --dir files
	configure known known.idx
	before=$(find "$W/spool" -type f | sort)
	run --separate-stderr magent run -c agent.conf
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(state)" = nothing-found ]
	[ "$(find "$W/spool" -type f | sort)" = "$before" ]
	[ -z "$(ls state/outgoing)" ]
}

@test "no centre: 75, and the same case goes later" {
	configure
	sed -i 's/^centre .*/centre 127.0.0.1:1/' agent.conf
	run --separate-stderr timeout 60 magent run -c agent.conf
	[ "$status" -eq 75 ]
	[ "$(state)" = scanned ]
	id=$(magent status -j -c agent.conf | jq -r .case)
	configure
	begin
	[ "$(case_id)" = "$id" ]
	# The centre never answers: given up after its time.
	configure patience 0
	sleep 1
	run --separate-stderr magent run -c agent.conf
	[[ $stderr == *"case $id is given up"* ]]
	magent status -j -c agent.conf | jq -se '.[] | select(.case == "'"$id"'") | .state == "failed"'
}

@test "a second run at once: 75" {
	mkdir state
	touch state/lock
	flock state/lock sleep 3 3>&- &
	sleep 0.3
	fails 75 magent run -c agent.conf
	[[ $stderr == *"another run"* ]]
	kill $! || true
}

@test "killed at any time, the next run completes" {
	for after in 0.01 0.03 0.06 0.1 0.2; do
		rm -rf state
		magent run -q -c agent.conf 3>&- &
		pid=$!
		sleep "$after"
		kill -9 $pid 2>/dev/null || true
		wait $pid || true
		run --separate-stderr magent run -c agent.conf
		[ "$status" -eq 75 ]
		[ "$(magent status -j -c agent.conf | jq -r .state | sort -u)" = sent ]
		[ "$(find state/outgoing -type f | wc -l)" -eq 1 ]
	done
}

@test "configuration: 78 with the line" {
	configure colour red
	fails 78 magent run -c agent.conf
	[[ $stderr == *"line 13: unknown key 'colour'"* ]]
	configure wait soon
	fails 78 magent run -c agent.conf
	grep -v ^key agent.conf | grep -v ^wait >short.conf
	fails 78 magent run -c short.conf
	[[ $stderr == *"lacks the key 'key'"* ]]
	fails 66 magent run -c none.conf
	fails 64 magent run
	fails 64 magent dance -c agent.conf
	fails 64 magent undo -c agent.conf
	[ ! -e state ]
}

@test "status: nothing yet, and a full disk" {
	[[ $(magent status -c agent.conf) == STARTED* ]]
	[ -z "$(magent status -j -c agent.conf)" ]
	[ ! -e state ]
	magent status -c agent.conf >/dev/full 2>err && false || [ $? -eq 74 ]
	[ "$(wc -l <err)" -eq 1 ]
	run --separate-stderr magent -h
	[[ $output == usage:*Examples:*Exit:* ]]
}

@test "what it sends in: from the threshold up, of named paths everything, by 'score' whatever that says" {
	mkdir bin
	cp "$BIN/magent" bin/
	printf '#!/bin/sh\necho "$*" >>%s/asked\nexit 69\n' "$PWD" >bin/mscan
	cp bin/mscan bin/mpack
	chmod 755 bin/mscan bin/mpack
	asked() {
		rm -f asked
		run bin/magent run -q -c agent.conf
		[ "$status" -ne 0 ]
		grep -e '^-q' asked | grep -v -e '-r' >scan
		sed "s| -i [^ ]*state/scan.idx||" scan   # its scans remember
		grep -q -e '-i [^ ]*state/scan.idx' scan
	}
	[[ "$(asked)" == "-q -f "*/files ]]
	configure score 12
	[[ "$(asked)" == "-q -s 12 -f "*/files ]]
	sed -i '/^path/d' agent.conf
	[ "$(asked)" = "-q -s 12" ]
	sed -i '/^score/d' agent.conf
	[ "$(asked)" = "-q -s submit" ]
}
