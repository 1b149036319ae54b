#!/usr/bin/env bats
# mcenter: the centre's flow over a spool; what fails, what is tried again; and both agents together.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	W=$BATS_FILE_TMPDIR
	export W
	mkey init "$W/pki"
	for role in host:h1 analysis:an analysis:an2 signer:sg; do mkey issue "$W/pki" "${role%:*}" "${role#*:}"; done
	mkey issue -a 127.0.0.1 "$W/pki" front centre
	mkey init "$W/other" && mkey issue "$W/other" host h1
	cp /bin/true "$W/sample" && echo x >>"$W/sample"
	mscan -q -f "$W/sample" >"$W/scan.case"
}

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
	k=$W/pki/issued
	mkdir -p spool/in
	configure
}

teardown() {
	[ ! -e machines ] || machine_stop_all
	[ ! -e mrecv.pid ] || kill "$(cat mrecv.pid)" || true
}

configure() {
	{
		printf '%s\n' "# the centre of a test" "spool spool" "authority $W/pki/ca.crt" "revoked $W/pki/crl.pem" "analysis-key $k/an.key" \
			"analysis-certificate $k/an.crt" "signer-key $k/sg.key" "signer-certificate $k/sg.crt" "run-samples no"
		[ $# -eq 0 ] || printf '%s %s\n' "$@"
	} >centre.conf
}

# receive [PKI]: a case of its own id, sealed and signed, stands in the spool; prints the id.
receive() {
	local id
	id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	rm -rf c && mkdir c
	tar -xf "$W/scan.case" -C c
	(
		cd c || exit
		rm MANIFEST
		jq -c ".id = \"$id\"" case.json >x && mv x case.json
		members=(case.json code/*/about.json)
		sha256sum "${members[@]}" >MANIFEST
		tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf - "${members[@]}" MANIFEST
	) | mpack -q -r "$k/an.crt" -k "${1:-$W/pki}/issued/h1.key" -c "${1:-$W/pki}/issued/h1.crt" -o "spool/in/$id.case"
	echo "$id"
}

book() { mcenter status -j -c centre.conf | jq -r "select(.case == \"$1\") | $2"; }

# stand_in TOOL SCRIPT: an mcenter of its own, beside which TOOL is that script and every other tool the real one.
stand_in() {
	mkdir -p bin
	for tool in mpack mnicter mgen mverify; do
		[ -e "bin/$tool" ] || ln -s "$BIN/$tool" "bin/$tool"
	done
	cp "$BIN/mcenter" bin/
	rm -f "bin/$1"
	printf '#!/bin/bash\n%s\n' "$2" >"bin/$1"
	chmod 755 "bin/$1"
}

# A signed answer with that outcome, and no byte of a sample in it.
check_answer() {
	openssl cms -verify -binary -inform DER -in <(tar -xOf "$1" MANIFEST.sig) -content <(tar -xOf "$1" MANIFEST) -CAfile "$W/pki/ca.crt" \
		-out /dev/null
	tar -xOf "$1" case.json | jq -e ".outcome == \"$2\""
	run ! grep -E '/(body|memory|dropped|static|disasm|dynamic)' <(tar -tf "$1")
	[ "$(stat -c %a "$1")" = 600 ]
}

@test "nothing malicious: answered, signed, without a body; the case is done" {
	id=$(receive)
	run --separate-stderr mcenter run -c centre.conf
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	check_answer "spool/out/$id.case" nothing
	run ! grep -E '^(remedy|proof)/' <(tar -tf "spool/out/$id.case")
	tar -tf "spool/out/$id.case" | grep -q 'verdict.json$'
	[ -e "spool/done/$id.case" ]
	[ -z "$(find spool/in spool/work -type f)" ]
	tar -tf "spool/analysed/$id.case" | grep -q 'static.json$'
	run ! grep -E '/body' <(tar -tf "spool/analysed/$id.case")
	[ "$(book "$id" '[.state, .host, .codes, .malicious, (.verdicts | length)] | @csv')" = '"answered","h1",1,0,1' ]
	[[ $(mcenter status -c centre.conf) == RECEIVED*"$id"*answered* ]]
	run --separate-stderr mcenter run -c centre.conf
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "no case of ours: failed at once, with its reason, and not answered" {
	good=$(receive) foreign=$(receive "$W/other")
	cut=$(receive) && truncate -s -3000 "spool/in/$cut.case"
	renamed=$(receive) && mv "spool/in/$renamed.case" "spool/in/00000000000000000000000000000000.case"
	echo nonsense >spool/in/11111111111111111111111111111111.case
	echo ignored >spool/in/x.tmp
	ln -s /etc/passwd spool/in/22222222222222222222222222222222.case
	run --separate-stderr mcenter run -c centre.conf
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 4 ]
	for id in "$foreign" "$cut" 00000000000000000000000000000000 11111111111111111111111111111111; do
		[ -e "spool/failed/$id.case" ]
		[ -s "spool/failed/$id.txt" ]
		[ ! -e "spool/out/$id.case" ]
		[ "$(book "$id" .state)" = failed ]
	done
	grep -q "MANIFEST.sig" "spool/failed/$foreign.txt"
	grep -q "another id" spool/failed/00000000000000000000000000000000.txt
	[ -e "spool/out/$good.case" ]
	[ "$(echo spool/analysed/*)" = "spool/analysed/$good.case" ]
}

@test "a stage that fails is tried again, then the case is failed and the host is told" {
	stand_in mgen 'cat >/dev/null; echo "mgen: it went wrong" >&2; exit 70'
	configure retries 2
	id=$(receive)
	for n in 1 2; do
		run --separate-stderr bin/mcenter run -c centre.conf
		[ "$status" -eq 75 ]
		[ -e "spool/in/$id.case" ]
		[ ! -e "spool/out/$id.case" ]
		[ "$(book "$id" '[.state, .attempts, .text] | @csv')" = "\"retry\",$n,\"mgen: it went wrong\"" ]
	done
	run --separate-stderr bin/mcenter run -c centre.conf
	[ "$status" -eq 1 ]
	[ "$(cat "spool/failed/$id.txt")" = "mgen: it went wrong" ]
	[ -e "spool/failed/$id.case" ]
	[ ! -e "spool/in/$id.case" ]
	check_answer "spool/out/$id.case" failed
	[ "$(book "$id" .state)" = failed ]
}

@test "a case that fails once is answered the next time" {
	stand_in mnicter '[ -e once ] && exec '"$BIN"'/mnicter "$@"; touch once; echo "mnicter: no memory" >&2; exit 75'
	id=$(receive)
	run --separate-stderr bin/mcenter run -c centre.conf
	[ "$status" -eq 75 ]
	run --separate-stderr bin/mcenter run -c centre.conf
	[ "$status" -eq 0 ]
	check_answer "spool/out/$id.case" nothing
}

@test "a stage that hangs is ended: 75" {
	stand_in mnicter 'exec sleep 77.7'
	configure timeout 1
	id=$(receive)
	run --separate-stderr bin/mcenter run -c centre.conf
	[ "$status" -eq 75 ]
	[[ $(book "$id" .text) == *"did not end within 1 s"* ]]
	run ! pgrep -f 'sleep 77\.7'
}

@test "trouble of the centre's own costs no case a try" {
	id=$(receive)
	configure
	sed -i "s/^analysis-key .*/analysis-key none.key/" centre.conf
	for _ in 1 2 3 4 5; do fails 66 mcenter run -c centre.conf; done
	[ "$(book "$id" '[.state, .attempts] | @csv')" = '"retry",0' ]
	# A body that does not open with this key is no fault of the host's that a retry would mend.
	sed -i "s/^analysis-key .*/analysis-key \/nowhere/; s/^signer-certificate .*/signer-certificate ${k//\//\\/}\/h1.crt/; s/^signer-key .*/signer-key ${k//\//\\/}\/h1.key/" centre.conf
	fails 78 mcenter run -c centre.conf
	configure
	mcenter run -c centre.conf
	[ "$(book "$id" .state)" = answered ]
}

# A plan comes in, whatever mgen would say.
planned='d=$(mktemp -d) && tar -xf - -C "$d" && cd "$d" && chmod -R u+rw . && mkdir -p remedy proof && echo "{}" >remedy/plan.json && rm -f MANIFEST* &&
	m=(case.json $(for c in code/*; do echo "$c/about.json"; find "$c" -type f ! -name about.json; done) remedy/plan.json) && sha256sum "${m[@]}" >MANIFEST &&
	tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf - "${m[@]}" MANIFEST; cd /; rm -rf "$d"'

@test "not safe: the answer carries no remover" {
	stand_in mgen "$planned"
	stand_in mverify 'cat; exit 1'
	id=$(receive)
	run --separate-stderr bin/mcenter run -c centre.conf
	[ "$status" -eq 0 ]
	check_answer "spool/out/$id.case" unsafe
	run ! grep -E '^(remedy|proof)/' <(tar -tf "spool/out/$id.case")
	[ "$(book "$id" '[.state, .text] | @csv')" = '"unsafe","the removal tool was not proven safe"' ]
	tar -tf "spool/analysed/$id.case" | grep -qx remedy/plan.json
}

@test "killed at any stage: no child, no half an answer; the next run completes" {
	id=$(receive)
	for tool in mpack mnicter mgen; do
		rm -rf bin
		stand_in "$tool" 'exec sleep 66.6'
		bin/mcenter run -q -c centre.conf 3>&- &
		pid=$!
		sleep 0.7
		pgrep -f 'sleep 66\.6'
		kill -9 $pid
		wait $pid || true
		sleep 0.2
		run ! pgrep -f 'sleep 66\.6'
		[ -e "spool/in/$id.case" ]
		[ -z "$(find spool/out spool/done spool/failed spool/work -type f)" ]
	done
	mcenter run -c centre.conf
	check_answer "spool/out/$id.case" nothing
}

@test "ended between the answer and the move: the case is moved, not answered again" {
	id=$(receive)
	mcenter run -c centre.conf
	mv "spool/done/$id.case" spool/in/
	before=$(sha256sum spool/out/*)
	mcenter run -c centre.conf
	[ -e "spool/done/$id.case" ]
	[ "$(sha256sum spool/out/*)" = "$before" ]
}

@test "a report is written down" {
	id=$(receive)
	mkdir r
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d"},"answers":"%s","trail":[]}\n' 7 2 "$id" >r/case.json
	mkdir r/report && echo '{"plan":"33333333333333333333333333333333","remaining":0,"operations":[]}' >r/report/33333333333333333333333333333333.json
	(
		cd r || exit
		sha256sum case.json report/* >MANIFEST
		tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf - case.json report/* MANIFEST
	) | mpack -q -p -k "$k/h1.key" -c "$k/h1.crt" -o "spool/in/$(printf %032d 7).case"
	mcenter run -c centre.conf
	[ "$(book "$(printf %032d 7)" '[.state, .answers, .text] | @csv')" = "\"reported\",\"$id\",\"all is removed\"" ]
	[ -e "spool/done/$(printf %032d 7).case" ]
	[ ! -e "spool/out/$(printf %032d 7).case" ]
}

@test "a second run at once: 75; configuration: 78; wrong use: 64; a full disk: 74" {
	touch spool/mcenter.lock
	flock spool/mcenter.lock sleep 2 3>&- &
	sleep 0.3
	fails 75 mcenter run -c centre.conf
	kill $! || true
	configure colour red
	fails 78 mcenter run -c centre.conf
	[[ $stderr == *"line 10: unknown key 'colour'"* ]]
	grep -v '^spool' centre.conf >short.conf
	fails 78 mcenter run -c short.conf
	fails 66 mcenter run -c none.conf
	fails 64 mcenter run
	fails 64 mcenter dance -c centre.conf
	configure
	mcenter status -c centre.conf >/dev/full 2>err && false || [ $? -eq 74 ]
	[ "$(wc -l <err)" -eq 1 ]
	run --separate-stderr mcenter -h
	[[ $output == usage:*Examples:*Exit:* ]]
}

@test "both agents: a machine's specimen is found, removed and reported" {
	need_root
	asan_build && skip "the specimen's machine has no room for it"
	# shellcheck source=t/machine.bash
	. "$ROOT/t/machine.bash"
	# shellcheck disable=SC2034 # machine.bash's
	MACHINE_KEEP=$ROOT
	touch machines
	unset TMPDIR   # the machine has a /tmp of its own
	cc -std=c17 -O2 -o resident "$ROOT/testdata/specimen/resident.c"
	machine_network
	machine_start anna
	# Not network_run: what is killed at the end must be mrecv itself.
	nsenter --net="/proc/$MACHINE_NET/ns/net" -- mrecv -l 127.0.0.1:8443 -k "$k/centre.key" -c "$k/centre.crt" -a "$W/pki/ca.crt" -s spool >mrecv.log 2>&1 3>&- &
	echo $! >mrecv.pid
	configure known known
	sed -i '/^run-samples/d' centre.conf
	# What the clean machine runs is what is known good here.
	machine_run anna "$BIN/mscan" -q >clean.case
	mls -j clean.case | jq -r 'select(.kind != "memory") | .sha256' | mwhite -q build -o known.idx --list -
	tar -cf - -C "$k" h1.key h1.crt an.crt -C "$W/pki" ca.crt crl.pem -C "$PWD" known.idx | machine_run anna sh -c 'mkdir /etc/muss && tar -xf - -C /etc/muss'
	printf '%s\n' "state /var/lib/muss/agent" "centre 127.0.0.1:8443" "key h1.key" "certificate h1.crt" "authority ca.crt" "revoked crl.pem" \
		"analysis an.crt" "known known.idx" "wait 0" "background no" | machine_run anna sh -c 'cat >/etc/muss/agent.conf'
	# shellcheck disable=SC2016 # expanded there
	machine_run anna sh -c 'mkdir -p /root/.cache/.fontconfig; cat >"$1"; chmod 755 "$1"; { setsid "$1" </dev/null >/dev/null 2>&1 3>&- 4>&- & }' \
		sh /root/.cache/.fontconfig/dbus-daemon <resident
	for _ in {1..100}; do machine_run anna test -s /var/lib/.systemd-private/.mark && break; sleep 0.05; done
	agent() { machine_run anna "$BIN/magent" "$@" -c /etc/muss/agent.conf; }

	run --separate-stderr agent run
	[ "$status" -eq 75 ]
	id=$(agent status -j | jq -r 'select(.state == "sent") | .case')
	run --separate-stderr mcenter run -c centre.conf
	[ "$status" -eq 0 ]
	[ "$(book "$id" '[.state, .text] | @csv')" = '"answered","a removal tool, proven"' ]
	tar -tf "spool/out/$id.case" | grep -qx proof/certificate.json.sig
	run ! grep -E '/(body|memory)' <(tar -tf "spool/out/$id.case")

	run --separate-stderr agent run
	[[ $output == *"case $id: reported: 1 pieces of code removed"* ]]
	machine_run anna sh -c '! grep -r systemd-private /etc/crontab /etc/cron.d /root/.config/autostart && ! test -e /root/.cache/.fontconfig/dbus-daemon'
	run ! grep -E 'fontconfig|systemd-private' <(machine_run anna sh -c 'ls -l /proc/[0-9]*/exe' 2>/dev/null)
	plan=$(agent status -j | jq -r 'select(.state == "reported") | .plan')
	mcenter run -c centre.conf || [ $? -eq 0 ]
	[ "$(mcenter status -j -c centre.conf | jq -r 'select(.state == "reported") | [.answers, .text] | @csv')" = "\"$id\",\"all is removed\"" ]

	# And back.
	run --separate-stderr agent undo "$plan"
	[ "$status" -le 1 ]
	machine_run anna grep -q systemd-private /etc/crontab
}
