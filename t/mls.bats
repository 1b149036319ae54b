#!/usr/bin/env bats
# mls: the table, the JSON lines, the members; and that nothing is shown of a case that is not whole.

# shellcheck disable=SC2154 # run and fails set status, output and stderr
load common

setup() {
	BADCASE=$MUSS_BUILD/t/badcase
	cd "$TMP" || return 1
	script=$(printf '#!/bin/sh\necho inert\n' | sha256sum | cut -d' ' -f1)
	other=$(printf other | sha256sum | cut -d' ' -f1)
}

# pack NAME=FILE... makes a case of files, with GNU tar and by the rules of muss-case(5).
pack() {
	local name
	rm -rf x
	mkdir x
	echo '{"format":"muss-case/1","id":"0123456789abcdef0123456789abcdef","time":"2026-11-22T21:30:00Z","host":{"name":"h\u001b[2J"}}' >x/case.json
	echo case.json >names
	for name; do
		mkdir -p "x/$(dirname "${name%%=*}")"
		printf '%s' "${name#*=}" >"x/${name%%=*}"
		echo "${name%%=*}" >>names
	done
	(cd x && xargs sha256sum <../names >MANIFEST)
	echo MANIFEST >>names
	tar -cf case -C x -T names
}

@test "the table: a line a piece of code, the worst first" {
	pack "code/$other/about.json={\"kind\":\"file\",\"score\":2,\"paths\":[\"/opt/a\",\"/opt/b\"]}" \
		"code/$script/about.json={\"kind\":\"script\",\"score\":51.5,\"paths\":[\"/tmp/x y\"],\"sightings\":[{\"pid\":7},{\"pid\":7},{\"pid\":9},{\"pid\":10},{\"pid\":11}]}" \
		"code/$script/verdict.json={\"verdict\":\"malicious\",\"score\":60}"
	run --separate-stderr mls case
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *SCORE*KIND*VERDICT*SHA256*PIDS*PATH* ]]
	[[ ${lines[1]} == *60.0*script*malicious*"${script:0:12}  7,9,10,+1"*"/tmp/x y" ]]
	[[ ${lines[2]} == *2.0*file*-*"${other:0:12}"*-*"/opt/a (+1)" ]]
	[[ $output != *$'\033'* ]]
	run mls - <case
	[ "${#lines[@]}" -eq 3 ]
	run --separate-stderr mls -v case
	[[ $stderr == *"case 0123456789abcdef0123456789abcdef of 'h\\x1b[2J'"* ]]
}

@test "-j: one JSON object a piece of code, in the case's order" {
	pack "code/$other/about.json={\"kind\":\"memory\",\"size\":5,\"score\":2,\"signs\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"sightings\":[{\"path\":\"/p\",\"pid\":3}]}" \
		"code/$other/static.json={\"signs\":[{\"name\":\"b\"},{\"name\":\"c\"}]}" \
		"code/$other/dynamic.json={\"signs\":[{\"name\":\"d\"}]}" \
		"code/$other/unknown/thing=x" \
		"code/$script/about.json={\"kind\":\"script\"}"
	run --separate-stderr mls -j case
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${#lines[@]}" -eq 2 ]
	jq -e --arg sha "$other" '. == {sha256: $sha, kind: "memory", size: 5, score: 2, verdict: null, path: "/p", paths: ["/p"], pids: [3],
		signs: ["a", "b", "c", "d"], suspicious: false, why: (["a", "b", "b", "c", "d"] | to_entries | map({sign: .value, group: "unlisted", weight: 0,
		source: (["host", "host", "static", "static", "dynamic"][.key]), reason: "", counts: (.key == 0), meaning: null})), members: ["about.json", "static.json", "dynamic.json", "unknown/thing"]}' <<<"${lines[0]}"
	jq -e --arg sha "$script" '.sha256 == $sha and .kind == "script" and .score == 0 and .pids == [] and .paths == []' <<<"${lines[1]}"
}

@test "why: the signs that count by name, and with -l each in words, the heaviest first" {
	local signs='[{"name":"fresh","group":"age","weight":3,"reason":"changed 5 minutes ago"},
		{"name":"memfd","group":"image","weight":35,"reason":"process 7 runs it"},
		{"name":"deleted","group":"image","weight":25,"reason":"was deleted\u001b[2J"},
		{"name":"unowned","group":"identity","weight":10},{"name":"traced","group":"injection","weight":6},
		{"name":"no-such","group":"odd","weight":1,"reason":"elsewhere"}]'
	cp "$ROOT/rules/criteria.json" . && sed -i 's/"submit": *[0-9.]*/"submit": 54.5/' criteria.json
	pack "code/$other/about.json={\"kind\":\"memfd\",\"score\":54.5,\"paths\":[\"/memfd:x\"],\"signs\":$signs}" \
		"code/$script/about.json={\"kind\":\"file\",\"score\":54.4,\"paths\":[\"/bin/y\"]}"
	run --separate-stderr env MUSS_SHARE="$TMP" mls case
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == *PIDS*WHY*PATH* ]]
	[[ ${lines[1]} == ">  54.5 "*" memfd unowned traced +2 "*" /memfd:x" ]]
	[[ ${lines[2]} == "   54.4 "*" - "*"/bin/y" ]]
	run --separate-stderr env MUSS_SHARE="$TMP" mls -l case
	[ "$status" -eq 0 ]
	# The weight in brackets does not count: another of its group does.
	[[ ${lines[2]} == *" 35.0  memfd "*"runs from an anonymous memory file." ]]
	[[ ${lines[3]} == *" process 7 runs it" ]]
	[[ $output == *"( 25.0) deleted "*"whose file was deleted"*"'was deleted\x1b[2J'"* ]]
	[[ $output == *" 1.0  no-such "*"(host) elsewhere"* ]]
	[[ $output != *$'\033'* ]]
	fails 64 mls -l -j case
	fails 64 mls -lm case
	mls -j case | jq -es '.[0].why | map(.sign) == ["memfd", "unowned", "traced", "fresh", "no-such", "deleted"]'
	mls -j case | jq -es '.[0].why[0] | .source == "host" and .group == "image" and .weight == 35 and .counts and .reason == "process 7 runs it"
		and (.meaning | test("memory file"))'
	# Without criteria the case is listed all the same.
	run --separate-stderr env MUSS_SHARE=/nowhere mls case
	[ "$status" -eq 0 ]
	[[ ${lines[1]} == "   54.5 "* ]]
	echo '{}' >criteria.json
	MUSS_SHARE=$TMP fails 78 mls case
}

@test "why: a verdict's reasons go before the scan's" {
	pack "code/$other/about.json={\"kind\":\"file\",\"score\":3,\"signs\":[{\"name\":\"fresh\",\"group\":\"age\",\"weight\":3}]}" \
		"code/$other/verdict.json={\"verdict\":\"malicious\",\"score\":52,\"reasons\":[{\"source\":\"rules\",\"sign\":\"UPPER_rule\",\"group\":\"r\",\"weight\":20,\"text\":\"looks so\"},{\"source\":\"dynamic\",\"sign\":\"scans\",\"group\":\"network\",\"weight\":25,\"text\":\"talks to many\"}]}"
	mls -j case | jq -e '[.why[] | "\(.source) \(.sign) \(.weight) \(.reason)"] == ["dynamic scans 25 talks to many", "rules UPPER_rule 20 looks so"]'
	mls case | grep -q 'malicious .* scans UPPER_rule '
	[[ $(mls -l case) == *" 25.0  scans "*"(dynamic) talks to many"* ]]
}

@test "what it is and can do: with -l in words, with -j as names; nothing where no analysis told" {
	local static='{"capabilities":[{"name":"listen"},{"name":"connect"}],"identified":[{"kind":"compiler","name":"GCC\u001b[2J 12"}],"similarity":{"tlsh":"T10A"}}'
	pack "code/$other/about.json={\"kind\":\"file\",\"score\":3,\"paths\":[\"/a\"]}" "code/$other/static.json=$static" \
		"code/$other/dynamic.json={\"capabilities\":[{\"name\":\"listen\"},{\"name\":\"persist-cron\"}]}" "code/$script/about.json={\"kind\":\"file\"}"
	mls -j case | jq -es '.[0] | .capabilities == ["listen", "connect", "persist-cron"] and .tlsh == "T10A" and (.identified | length) == 1'
	mls -j case | jq -es '.[1] | has("capabilities") or has("tlsh") or has("identified") | not'
	run -0 --separate-stderr mls -l case
	[[ $output == *"  can: listen, connect, persist-cron"* ]]
	[[ $output == *"  made by: 'GCC\x1b[2J 12'"* ]]
	[[ $output == *"  TLSH: T10A"* ]]
	[ "$(grep -c 'can: ' <<<"$output")" -eq 1 ]
}

@test "what a run showed: with -l a line each, with -j as texts; nothing where there was no run" {
	local run='{"skipped":1.5,"runs":[{"skipped":93600.5}],"scans":[{"protocol":"tcp","port":23,"addresses":24,"order":"sequential"}],"exchanges":[
		{"service":"dns","address":"192.168.5.1","port":53},{"service":"https","name":"gate.example.org","address":"185.199.110.219","port":443},
		{"service":"https","name":"gate.example.org","address":"185.199.110.219","port":443},{"service":"irc","name":"x\u001b[2J","port":6667},
		{"service":"telnet","protocol":"tcp","address":"203.0.113.7","port":23},5]}'
	pack "code/$other/about.json={\"kind\":\"file\",\"score\":3,\"paths\":[\"/a\"]}" "code/$other/dynamic.json=$run" "code/$script/about.json={\"kind\":\"file\"}" \
		"code/$script/dynamic.json={\"exchanges\":{},\"scans\":[7],\"skipped\":\"x\",\"runs\":[[]]}"
	mls -j case | jq -es '.[0] | .contacted == ["https gate.example.org:443", "irc x\u001b[2J:6667"] and .waited == 93600.5 and (.scanned | length) == 1'
	mls -j case | jq -es '.[1] | has("contacted") or has("waited") | not'
	run -0 --separate-stderr mls -l case
	[[ $output == *"  talked to: https gate.example.org:443, 'irc x\x1b[2J:6667'"* ]]
	[[ $output == *"  scanned: tcp port 23 of 24 addresses, sequential"* ]]
	[ "$(grep -c 'waited: 9360[01] s' <<<"$output")" -eq 1 ]
}

@test "hostile names, words and types do not reach the terminal raw" {
	# A path with an escape sequence, an overridden direction and a byte that is no UTF-8; and wrong types everywhere.
	pack "code/$other/about.json={\"kind\":\"\\u001b[31m\",\"score\":\"x\",\"paths\":[\"/a\\u001b]0;x\\u0007\\u202e\\uf7ffb\"]}" \
		"code/$script/about.json={\"kind\":5,\"score\":[],\"paths\":[5,{}],\"signs\":{},\"sightings\":[3,{\"pid\":\"x\"}]}" \
		"code/$script/verdict.json=[]"
	run --separate-stderr mls case
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	run ! grep -q '[^ -~]' <<<"$output"
	mls case | grep -qF "'/a\\x1b]0;x\\x07\\xe2\\x80\\xae\\xffb'"
	mls -j case | jq -e . >/dev/null
}

@test "-m: the members, with size and digest" {
	"$BADCASE" signed >case
	run --separate-stderr mls -m case
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 7 ]
	mls -m case | tail -n +2 | awk '{ print $2 "  " $3 }' | cmp - <(bsdtar -xOf case MANIFEST)
	mls -mj case | jq -es 'length == 6 and .[0].path == "case.json" and .[2].size == 21'
}

@test "-s: only what begins so; 1 when nothing does" {
	"$BADCASE" good >case
	run --separate-stderr mls -j -s "${script:0:5}" case
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[ "$(jq -r .sha256 <<<"$output")" = "$script" ]
	[ "$(mls -m -s "$script" case | wc -l)" -eq 4 ]
	run --separate-stderr mls -j -s 0000 case
	[ "$status" -eq 1 ]
	[ -z "$output$stderr" ]
	fails 64 mls -s XYZ case
}

@test "a case without code has an empty table, and is no error" {
	pack
	run --separate-stderr mls case
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[ -z "$(mls -j case)" ]
}

@test "analysis that is no JSON is refused by name" {
	pack "code/$other/about.json={}" "code/$other/verdict.json={\"verdict\":"
	fails 65 mls case
	[[ $stderr == *"$other"*verdict.json* ]]
	pack "code/$other/about.json=nonsense"
	fails 65 mls case
	[[ $stderr == *"'case': 'code/$other/about.json': "* ]]
}

@test "nothing is shown of a case that is cut" {
	"$BADCASE" good >case
	head -c -1 case >short
	for options in "" -j -m -mj; do
		# shellcheck disable=SC2086 # options are words
		fails 65 mls $options short
		[[ $stderr == "mls: 'short': "* ]]
	done
}

@test "usage, help, version, full disk" {
	"$BADCASE" good >case
	fails 64 mls case case
	fails 64 mls --no-such
	fails 66 mls /nowhere
	run --separate-stderr mls -h
	[ "$status" -eq 0 ]
	[[ $output == usage:*Examples:*Exit:* ]]
	run mls -V
	[[ $output == "mls (muss) "* ]]
	run --separate-stderr bash -c "mls case >/dev/full"
	[ "$status" -eq 74 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "colours only on a terminal, and not with NO_COLOR" {
	command -v script >/dev/null || skip "needs script(1)"
	pack "code/$other/about.json={}" "code/$other/verdict.json={\"verdict\":\"malicious\"}"
	run env -u NO_COLOR TERM=xterm script -qec "$BIN/mls case" /dev/null
	[[ $output == *$'\033[31m'* ]]
	run env NO_COLOR=1 TERM=xterm script -qec "$BIN/mls case" /dev/null
	[[ $output != *$'\033['* ]]
}
