#!/usr/bin/env bats
# mnicter export: what other tools and people are given of a case, and that nothing a sample says gets out of its quotes.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
}

# make_case FOLDER...: a case of these folders, each a piece of code's members as files, on stdout.
make_case() {
	local folder sha name members=(case.json)
	rm -rf c
	mkdir -p c/code
	cp "${CASE_JSON:-$ROOT/testdata/export/case.json}" c/case.json
	for folder; do
		sha=$(jq -r .sha256 "$folder/about.json")
		mkdir "c/code/$sha"
		for name in about.json body static.json disasm.txt dynamic.json net.pcap unpacked-1 verdict.json; do
			[ -e "$folder/$name" ] || continue
			cp "$folder/$name" "c/code/$sha/"
			chmod 644 "c/code/$sha/$name"
			members+=("code/$sha/$name")
		done
	done
	(cd c && sha256sum "${members[@]}" >MANIFEST && tar --format=pax --owner=0 --group=0 -cf - "${members[@]}" MANIFEST)
}

full=$BATS_TEST_DIRNAME/../testdata/export/full
plain=$BATS_TEST_DIRNAME/../testdata/export/plain

# sample FOLDER SOURCE VERDICT: an inert specimen, parsed by the real parser, with a verdict given here.
sample() {
	local sha
	mkdir "$1"
	cc -O2 -o "$1/body" "$ROOT/testdata/specimen/$2"
	sha=$(sha256sum <"$1/body" | cut -c1-64)
	printf '{"sha256":"%s","kind":"file","size":%d,"paths":["/opt/vendor/agent"]}\n' "$sha" "$(stat -c %s "$1/body")" >"$1/about.json"
	make_case "$1" >"$1.case"
	mnicter micro --static "$1.case" >"$1.done"
	bsdtar -xOf "$1.done" "code/$sha/static.json" >"$1/static.json"
	bsdtar -xOf "$1.done" "code/$sha/disasm.txt" >"$1/disasm.txt"
	jq -c --arg v "$3" '.verdict = $v' < <(bsdtar -xOf "$1.done" "code/$sha/verdict.json") >"$1/verdict.json"
}

@test "usage" {
	fails 64 mnicter export
	[[ $stderr == *"which format"* ]]
	fails 64 mnicter export -f pdf
	[[ $stderr == *"'pdf'"* ]]
	fails 64 mnicter export -f html --static
	[[ $stderr == *"does not go with"* ]]
	fails 64 mnicter micro -f html
	fails 64 mnicter export -f html a b
	fails 66 mnicter export -f html nowhere.case
	make_case "$full" >in.case
	fails 74 mnicter export -f html -o /dev/full in.case
}

@test "stix: a bundle as the standard requires it" {
	make_case "$full" "$plain" >in.case
	run -0 --separate-stderr mnicter export -f stix -o out.json in.case
	[ -z "$output" ] && [ -z "$stderr" ]
	run -0 jq -c -f "$ROOT/t/stix.jq" out.json
	[ "$output" = "[]" ]
	jq -e '[.objects[].type] | (map(select(. == "malware")) | length) == 1 and (map(select(. == "malware-analysis")) | length) == 2' out.json
	# Each kind of thing that the fixture has is there; what only claims to be one is not.
	jq -e '[.objects[].type] | contains(["attack-pattern", "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "mutex", "windows-registry-key", "identity"])' out.json
	jq -e '[.objects[] | select(.type == "attack-pattern") | .external_references[0].external_id] | sort == ["T1053.003", "T1057", "T1059.004", "T1071.001", "T1140", "T1564.001", "T1622"]' out.json
	jq -e '[.objects[] | select(.type == "windows-registry-key") | .key] == ["HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"]' out.json
	! grep -qE '999\.1\.1\.1|not a domain|javascript:|127\.0\.0\.1' out.json || return 1
	# What it was seen to talk to is an indicator; what merely stands in it is none.
	[ "$(jq -r '[.objects[] | select(.type == "indicator") | .pattern] | sort | .[]' out.json)" = \
		"$(printf "[file:hashes.'SHA-256' = '%s']\n[ipv4-addr:value = '198.51.100.7']" "$(jq -r .sha256 "$full/about.json")")" ]
	# The time is the case's, and everything is the same when done again.
	jq -e 'all(.objects[]; .created == null or .type == "identity" or .created == "2026-11-22T21:30:00.000Z")' out.json
	mnicter export -f stix in.case | cmp - out.json
}

@test "stix: identifiers of observable objects are those that everybody else computes" {
	mkdir p
	# RFC 9562's version 5 of RFC 8785's JSON in the standard's namespace, as other implementations have it.
	sha=fe90a7e910cb3a4739bed9180e807e93fa70c90f25a8915476f5e4bfbac681db
	echo '{"sha256":"'$sha'","kind":"file","size":25536,"paths":["/x/foo.dll"]}' >p/about.json
	echo '{"verdict":"suspicious","score":30,"reasons":[]}' >p/verdict.json
	jq -n '{indicators: [{kind: "ip", value: "198.51.100.3"}, {kind: "domain", value: "example.com"},
		{kind: "url", value: "https://example.com/research/index.html"}, {kind: "mutex", value: "__CLEANSWEEP__"}]}' >p/static.json
	make_case p | mnicter export -f stix >out.json
	for id in file--949eb97a-da1e-5292-8959-03c4249dc9f3 ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4 \
		domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7 url--47c3cf9a-5027-5bf0-997a-017c7edc7c55 mutex--f93fe911-e545-5239-b9b0-597840d0c871; do
		jq -e --arg id $id 'any(.objects[]; .id == $id)' out.json || { echo "# $id is missing"; return 1; }
	done
	# Suspicious is not malware.
	jq -e 'all(.objects[]; .type != "malware") and any(.objects[]; .type == "indicator" and .indicator_types == ["anomalous-activity"])' out.json
}

@test "stix: what a run showed, and none of the garden's own addresses" {
	make_case "$full" >in.case
	mnicter export -f stix -o out.json in.case
	[ "$(jq -c -f "$ROOT/t/stix.jq" out.json)" = "[]" ]
	# Identifiers as RFC 9562 and 8785 make them of the contributing properties.
	jq -e 'any(.objects[]; .id == "network-traffic--5a6aa66c-b245-51f9-816e-63f591388366" and .protocols == ["tcp", "https"] and .dst_port == 443
		and .extensions["http-request-ext"] == {message_body_length: 14, request_header: {Host: ["gate.example.net"], "User-Agent": ["bot/1.0 \"<x>\""]},
			request_method: "post", request_value: "/gate.php?id=<script>alert(7)</script>"})' out.json
	jq -e 'any(.objects[]; .id == "email-message--f2536610-e151-581e-8f1e-5855d3301a73" and .subject == "hello \"you\"" and (.to_refs | length) == 1)' out.json
	jq -e '[.objects[] | select(.type == "network-traffic")] | length == 4 and ([.[].protocols[-1]] | sort) == ["https", "irc", "smtp", "tcp"]' out.json
	# Processes by their parents, and with what they said.
	jq -e '(.objects | map({ key: .id, value: . }) | from_entries) as $o | [.objects[] | select(.type == "process")] |
		(map(select(.pid == 12))[0] | .command_line == "./x " and $o[.parent_ref].pid == 11 and $o[$o[.parent_ref].parent_ref].pid == 9) and
		(map(select(.pid == 11))[0] | $o[.opened_connection_refs[0]].dst_port == 25 and $o[.image_ref].name == "dash" and [$o[.child_refs[]].pid] == [12])' out.json
	jq -e '(.objects[] | select(.type == "malware-analysis") | .analysis_sco_refs) as $r | all(.objects[] | select(.type | IN("process", "network-traffic", "email-message")); .id | IN($r[]))' out.json
	# Made up, scanned, the resolver: nobody's; what only claims to be a name, an address or a URL is left out.
	for f in stix misp; do
		mnicter export -f $f in.case >out
		! grep -qE '185\.199\.|104\.17\.|2606:4700|203\.0\.113\.77|192\.168\.5\.1|no such\.example|not an address|300\.1\.1\.1' out || return 1
		grep -q 'irc\.example\.net' out
	done
}

@test "misp: one event with file objects, attributes and galaxy tags" {
	make_case "$full" "$plain" | mnicter export -f misp >out.json
	jq -e '.Event | (.uuid | test("^[0-9a-f-]{36}$")) and .date == "2026-11-22" and .threat_level_id == "1" and .analysis == "2" and (.published | not)' out.json
	jq -e '[.Event.Tag[].name] | contains(["tlp:amber", "misp-galaxy:mitre-attack-pattern=\"Cron - T1053.003\""])' out.json
	jq -e '[.Event.Object[] | select(.name == "file")] | length == 1 and .[0].name == "file" and .[0].template_uuid == "688c46fb-5edb-40a3-8273-1af7923e2215"' out.json
	jq -e --arg sha "$(jq -r .sha256 "$full/about.json")" 'any(.Event.Object[0].Attribute[]; .object_relation == "sha256" and .type == "sha256" and .value == $sha and .to_ids)' out.json
	jq -e '[.Event.Attribute[] | select(.category == "Network activity") | .type] | contains(["ip-dst", "domain", "url"])' out.json
	jq -e '[.Event | .. | .uuid? // empty] | length == (unique | length)' out.json
	# What a run showed, by the templates' relations; nothing whose form is wrong.
	jq -e '[.Event.Object[] | {name, v: ([.Attribute[] | {key: .object_relation, value: .value}] | from_entries)}] as $o |
		any($o[]; .name == "network-connection" and .v == {"hostname-dst": "irc.example.net", "dst-port": "6667", "layer4-protocol": "TCP", "layer7-protocol": "irc"}) and
		any($o[]; .name == "network-connection" and .v["ip-dst"] == "198.51.100.7") and
		any($o[]; .name == "http-request" and .v.url == "https://gate.example.net/gate.php?id=<script>alert(7)</script>" and .v.method == "POST" and .v["user-agent"] == "bot/1.0 \"<x>\"") and
		any($o[]; .name == "email" and .v == {from: "anna@example.org", to: "b@example.net", subject: "hello \"you\""}) and ($o | length == 7)' out.json
	jq -e 'any(.Event.Attribute[]; .type == "user-agent") and all(.Event.Attribute[]; .type != "attachment")' out.json
	# Packets by the name of their member.
	mkdir p && cp "$full"/* p/ && head -c 40 /dev/zero >p/net.pcap
	make_case p | mnicter export -f misp | jq -e --arg sha "$(jq -r .sha256 "$full/about.json")" '[.Event.Attribute[] | select(.type == "attachment")] |
		length == 1 and .[0].value == "net.pcap" and (.[0].comment | contains("code/" + $sha + "/net.pcap")) and .[0].data == null'
	make_case "$plain" | mnicter export -f misp | jq -e '.Event.Object == [] and .Event.Attribute == [] and .Event.threat_level_id == "4"'
}

@test "yara: a rule that compiles, matches its sample, and keeps quiet over this system" {
	sample p resident.c suspicious
	make_case p >in.case
	mnicter export -f yara -o out.yar in.case
	grep -q 'proven = true' out.yar
	grep -q 'samples = 1' out.yar
	grep -qE '^		\$c3 = \{' out.yar
	grep -qE '^		\$s3 = "' out.yar
	# By the helper, as the tool itself did; and it says no where there is no match.
	cat out.yar p/body >both
	"$LIBEXEC/helper-yara" "$(stat -c %s out.yar)" "$(stat -c %s p/body)" 3<both
	for f in /usr/bin/env /usr/bin/bash /usr/bin/openssl /usr/bin/tar /usr/bin/perl; do
		cat out.yar "$f" >both
		run "$LIBEXEC/helper-yara" "$(stat -c %s out.yar)" "$(stat -Lc %s "$f")" 3<both
		[ "$status" -eq 1 ] && [ -z "$output" ]
	done
	# Another program of the same compiler is none of it, either.
	cc -O2 -o other "$ROOT/testdata/specimen/honest.c"
	cat out.yar other >both
	run -1 "$LIBEXEC/helper-yara" "$(stat -c %s out.yar)" "$(stat -c %s other)" 3<both
}

@test "yara: strings of all bytes there are stand in their quotes" {
	mkdir p
	printf '#!/bin/sh\nsay "one \\ and */ the end" }\n\\x41\\ three "quoted" words // here\ntab\tand caf\303\251 \377 of the fourth\nrule x { condition: true }\n' >p/body
	sha=$(sha256sum <p/body | cut -c1-64)
	echo '{"sha256":"'"$sha"'","kind":"script","size":120,"paths":["/x/*/ rule y"]}' >p/about.json
	echo '{"verdict":"malicious","score":60,"reasons":[]}' >p/verdict.json
	jq -n '{format: "script", strings: [{text: "say \"one \\ and */ the end\" }"}, {text: "\\x41\\ three \"quoted\" words // here"},
		{text: "tab\tand café \uf7ff of the fourth"}, {text: "rule x { condition: true }"}]}' >p/static.json
	make_case p | mnicter export -f yara >out.yar
	grep -q 'proven = true' out.yar
	[ "$(grep -c '^rule' out.yar)" -eq 1 ] && grep -q '^rule muss__rule_y_' out.yar
	grep -qF '\x09and caf\xc3\xa9 \xff of' out.yar
	[ "$(grep -c '^		.s[0-9]' out.yar)" -eq 4 ]
}

@test "yara: what a lying analysis chose is not written as a rule" {
	sample p resident.c malicious
	# Code that stands outside the file: the strings are left.
	jq -c '.elf.segments |= map(.offset = (.offset + 9007199254740991))' p/static.json >x && mv x p/static.json
	make_case p | mnicter export -f yara >out.yar
	grep -q 'proven = true' out.yar
	! grep -q '\$c1' out.yar || return 1
	# Strings that stand nowhere, of all bytes there are: no rule, and nothing gets out of its quotes.
	jq -c '.functions = [] | .strings = [range(9) | {offset: 0, text: ("never in this file \" \\ */ } rule x { \u0001 " + tostring + "abcdefgh")}]' p/static.json >x && mv x p/static.json
	make_case p >in.case
	run -1 mnicter export -f yara -o out.yar in.case
	! grep -q '^rule' out.yar || return 1
	grep -q 'no rule: what was chosen does not match' out.yar
}

@test "yara: without a body a rule says that it is not proven; what is not bad gets none" {
	make_case "$full" >in.case
	mnicter export -f yara in.case >out.yar
	[ "$(grep -c 'proven = false' out.yar)" -eq 2 ]
	grep -q 'scope = "memory and unpacked code"' out.yar
	mkdir p && cp "$full"/* p/ && sed -i 's/"malicious"/"unknown"/' p/verdict.json
	make_case p >in.case
	run -1 mnicter export -f yara in.case
	! [[ $output == *"rule "* ]] || return 1
}

@test "yara: the helper is confined while it works" {
	mkfifo fifo
	sample p resident.c malicious
	echo 'rule slow { strings: $a = /(a|b|aa|ab|ba)*[^x]{1,900}y/ condition: $a }' >r.yar
	head -c 40000000 /dev/zero | tr '\0' a >long
	cat r.yar long >both
	"$LIBEXEC/helper-yara" "$(stat -c %s r.yar)" 40000000 3<both 2>/dev/null &
	pid=$!
	for _ in $(seq 100); do
		grep -q '^Seccomp:.2' "/proc/$pid/status" && break
		sleep 0.02
	done
	grep -q '^Seccomp:.2' "/proc/$pid/status"
	kill $pid
	wait $pid || true
	# What is no rule is no crash.
	echo 'rule broken {' >r.yar
	run -1 "$LIBEXEC/helper-yara" "$(stat -c %s r.yar)" 3<r.yar
	[[ $output == *syntax* ]]
}

# The page without a browser: well-formed, its policy, nothing from elsewhere.
sound() {
	xmllint --noout "$1"
	local style policy
	style=$(sed -n '/<style>/,/<\/style>/p' "$1" | sed -e '1s/.*<style>//' -e '$s/<\/style>.*//' | head -c -1 | openssl dgst -sha256 -binary | base64)
	policy=$(grep -o "style-src 'sha256-[^']*'" "$1")
	[ "$policy" = "style-src 'sha256-$style'" ] || { echo "# the style's digest is $style; $policy"; return 1; }
	grep -q "default-src 'none'" "$1"
	! grep -qE '<(script|iframe|object|embed|link|img|form|base)[ />]' "$1" || return 1
	! grep -qE '<[^>]* (on[a-z]+|style|src)=' "$1" || return 1
	! grep -oE 'href="[^"]*"' "$1" | grep -vq '^href="#' || return 1
	# Bytes that a terminal or a browser would obey.
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1" || return 1
	! LC_ALL=C.UTF-8 grep -qP '[\x{202a}-\x{202e}\x{2066}-\x{2069}]' "$1"
}

@test "html: a page that is sound, and shows all there is" {
	make_case "$full" "$plain" >in.case
	mnicter export -f html -o out.html in.case
	sound out.html
	for what in 'Capabilities by ATT&amp;CK tactic' 'Call graph' 'Unpacking' 'Emulated calls' 'Sections' 'Indicators' 'Anomalies of the file' 'Disassembly' \
		'Strings' 'Imports' 'Functions' 'When it was run' 'Makes itself start' 'What it made' 'Against being looked at' 'What it hides' 'no. 0' 'http://hidden.example.org/gate' '9 of 72 functions' 'decrypts itself with RC4'; do
		grep -q "$what" out.html || { echo "# $what is missing"; return 1; }
	done
	grep -q '&lt;script&gt;alert(1)&lt;/script&gt;' out.html
	grep -q 'bin/&lt;script&gt;alert(2)&lt;/script&gt;' out.html
	mnicter export -f html in.case | cmp - out.html
	# Absent keys: no headings without content.
	make_case "$plain" | mnicter export -f html >out.html
	sound out.html
	! grep -qE 'Call graph<|Unpacking|Emulated|Disassembly|Strings|What it hides' out.html || return 1
}

@test "html: a real program, and how it looks to a browser" {
	command -v chromium >/dev/null || skip "chromium is not installed: the page's structure is tested without it"
	sample p resident.c suspicious
	make_case "$full" p "$plain" >in.case
	mnicter export -f html -o out.html in.case
	sound out.html
	timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$TMP/chromium" --enable-logging=stderr --dump-dom "file://$PWD/out.html" >dom 2>console
	# The policy let the style in, and refused nothing, since nothing else asks.
	! grep -qiE 'Content Security Policy|Refused to' console || return 1
	! grep -q '<script' dom || return 1
	[ "$(grep -o '<article class="piece' dom | wc -l)" -eq 3 ]
	[ "$(grep -o '<svg class="graph"' dom | wc -l)" -eq 3 ]
	[ "$(grep -o '<g class="node' dom | wc -l)" -ge 62 ]
	[ "$(grep -o '<rect class="range' dom | wc -l)" -eq 6 ]
	grep -q 'anna &lt;script&gt;alert(0)&lt;/script&gt;</h1>' dom
	grep -q '<h2 id="h-[0-9a-f]*">/opt/vendor/agent</h2>' dom
	grep -q '<td>hands a shell to the network</td>' dom
	# What a run told: the tree nests, the sample's own image and what it made are named, alike ones are one row; lanes, leaps and events are drawn.
	grep -q '<li><code>dbus-daemon</code> <span class="tag bad">the sample</span><span class="why">9: /var/tmp/.X11/dbus-daemon, still there at the end; events: 2 files, 5 of the network, 1 of memory</span><ul><li><code>sh -c' dom
	grep -q '<code>./x .*</code> <span class="tag odd">a file it made</span> <span class="tag odd">named itself so</span><span class="why">12: /tmp/&lt;script&gt;alert(5)&lt;/script&gt;, ended by signal 9; events: 1 other</span></li></ul></li>' dom
	grep -q '<span class="why">3 alike, 14 to 16: /usr/bin/nc, ended with 1; events: 1 of the network</span>' dom
	grep -q '>nc 14 and 2</text>' dom
	[ "$(grep -o '<rect class="leap"' dom | wc -l)" -eq 1 ]
	grep -q '>+24 h 0 min</text>' dom
	[ "$(grep -oE '<rect class="l[0-9m]( failed)?"[^>]*width="4"' dom | wc -l)" -eq 14 ]
	[ "$(grep -oE '<rect class="l5 failed"' dom | wc -l)" -eq 1 ]
	for what in 'user &lt;i&gt;</td>' '<td>did nothing</td>' 'Run 2: user' '<strong>24 h 0 min</strong>' 'It asked <strong>24</strong> addresses for <strong>tcp port 23</strong>, in <strong>sequential</strong> order, 225 a second' \
		'the same in 50 %' '>many, see scans</td>' '0149f47eabf9a20d0893e2a44e5a6323' '<td class="code">gate.example.net</td><td>A, AAAA</td>' 'there is no such name' \
		'https://gate.example.net/gate.php?id=&lt;script&gt;alert(7)&lt;/script&gt;</td><td>bot/1.0 "&lt;x&gt;"</td>' '14 bytes host=anna&amp;id=7' 'Subject: hello ↵' \
		'<td class="code">anna</td><td class="code">s3cret"</td>' '<td class="code">cat /proc/cpuinfo</td>' 'real &lt;b&gt;</dd>' '<code>!version</code> <code>.status</code>' '<code>#farm:</code> <code>ready &amp; waiting \u{202e}</code>'; do
		grep -qF -- "$what" dom || { echo "# $what is missing"; return 1; }
	done
	! grep -q '185\.199\.110\.219' dom || return 1
	# Worst first, whatever the case's order.
	[ "$(grep -oE '<article class="piece [a-z]+' dom | cut -d' ' -f3 | tr '\n' ' ')" = "malicious suspicious unknown " ]
}

@test "an analysis of any shape is exported or left out, and never breaks a format" {
	local n=0 f how
	for how in '(.. | strings) |= 7' '(.. | numbers) |= "\u0001</td>"' '(.. | arrays) |= {}' 'walk(if type == "object" then [.] else . end)' '(.. | strings) |= "<b>\"]]>\\\u202e\ud83d\ude00"' \
		'(.. | numbers) |= -1e308' '(.. | numbers) |= 9007199254740993' 'walk(if type == "array" then . + [null, true, "x", {}, []] else . end)' '[]' \
		'(.. | strings) |= "' 'walk(if type == "string" then ("é" * 3000) else . end)' '.functions |= map(.calls = [.address, .address])' '.unpack.layers |= map(.ranges |= map(.size = 0))'; do
		mkdir "p$n"
		for f in "$full"/*.json; do
			if [ "$(basename "$f")" = about.json ]; then cp "$f" "p$n/"; else jq -c "$how" "$f" >"p$n/$(basename "$f")" 2>/dev/null || cp "$f" "p$n/"; fi
		done
		jq -c --arg sha "$(printf '%s' "$n" | sha256sum | cut -c1-64)" '.sha256 = $sha' "$full/about.json" >"p$n/about.json"
		# A verdict that can be read half of the time, so that the pieces are told as well.
		[ $((n % 2)) -eq 0 ] || cp "$full/verdict.json" "p$n/"
		n=$((n + 1))
	done
	make_case $(seq -f 'p%g' 0 $((n - 1))) >in.case
	for f in stix misp html yara; do
		run --separate-stderr mnicter export -f $f -o out.$f in.case
		[ "$status" -eq 0 ] || { echo "# $f: exit $status: $stderr"; return 1; }
	done
	[ "$(jq -c -f "$ROOT/t/stix.jq" out.stix)" = "[]" ]
	jq -e .Event.uuid out.misp >/dev/null
	sound out.html
}

@test "a damaged case is refused, and nothing is written" {
	make_case "$full" "$plain" >in.case
	head -c 60000 in.case >cut.case
	sed -E 's/[0-9a-f]{6}(  case\.json)/000000\1/' in.case >forged.case
	for f in stix misp yara html; do
		for bad in cut forged; do
			fails 65 mnicter export -f $f -o out $bad.case
			[ ! -e out ]
			fails 65 mnicter export -f $f $bad.case
		done
	done
	# An analysis that is no JSON names the piece.
	mkdir p && cp "$full"/* p/ && echo '{' >p/static.json
	make_case p >in.case
	fails 65 mnicter export -f html -o out in.case
	[[ $stderr == *"$(jq -r '.sha256[:12]' "$full/about.json")"* ]] && [ ! -e out ]
}

@test "into a folder, under the case's id" {
	make_case "$full" >in.case
	mkdir out
	for f in stix misp yara html; do mnicter export -f $f -o out in.case; done
	id=0123456789abcdef0123456789abcdef
	[ "$(ls out | tr '\n' ' ')" = "$id.html $id.misp.json $id.stix.json $id.yar " ]
	fails 65 mnicter export -f html -o out /dev/null
	[ "$(ls out | wc -l)" -eq 4 ]
}
