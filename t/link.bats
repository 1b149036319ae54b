#!/usr/bin/env bats
# msend and mrecv against each other on loopback, and mrecv against peers that mean it ill.

# shellcheck disable=SC2154,SC2030,SC2031 # run sets status, output, stderr; each test is a process of its own
load common

setup_file() {
	pki=$BATS_FILE_TMPDIR/pki
	mkey init "$pki"
	for role in host:h1 host:h2 host:h3 analysis:an signer:sg; do mkey issue "$pki" "${role%:*}" "${role#*:}"; done
	mkey issue -a localhost,127.0.0.1 "$pki" front centre
	mkey issue -a elsewhere.example "$pki" front elsewhere
	mkey issue -d 0 "$pki" host old
	mkey revoke "$pki" "$pki/issued/h3.crt"
	mkey init "$pki-other"
	mkey issue "$pki-other" host h1
	mkey issue -a 127.0.0.1 "$pki-other" front centre
	k=$pki/issued
	cd "$BATS_FILE_TMPDIR" || exit
	make_case 11 /bin/true /bin/ls | seal h1 >a.case
	make_case 12 /bin/true /bin/ls /bin/cat | seal h1 >b.case
	head -c 96M /dev/urandom >noise
	make_case 13 noise | seal h1 >large.case
	rm noise
}

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
	pki=$BATS_FILE_TMPDIR/pki
	k=$pki/issued
	cases=$BATS_FILE_TMPDIR
	me=(-k "$k/h1.key" -c "$k/h1.crt" -a "$pki/ca.crt" -r 0)
	front=(-k "$k/centre.key" -c "$k/centre.crt" -a "$pki/ca.crt" -s spool -j)
	a=$(id_of 11) b=$(id_of 12) large=$(id_of 13)
	mrecv=
}

teardown() {
	if [ -n "$mrecv" ]; then
		kill -KILL "$mrecv" 2>/dev/null || true
		wait "$mrecv" || true
	fi
}

id_of() { printf '%032d' "$1"; }

# make_case N FILE...: case N with these files as pieces of code, without bodies, by coreutils and tar alone.
make_case() (
	d=$(mktemp -d) id=$(id_of "$1")
	shift
	members=(case.json)
	for f; do
		sha=$(sha256sum <"$f" | cut -c1-64)
		mkdir -p "$d/code/$sha"
		printf '{"sha256":"%s","kind":"file","size":%d,"paths":["%s"],"sightings":[],"signs":[],"score":1}\n' \
			"$sha" "$(stat -Lc %s "$f")" "$(realpath "$f")" >"$d/code/$sha/about.json"
		members+=("code/$sha/about.json")
	done
	cd "$d" || exit
	printf '{"format":"muss-case/1","id":"%s","time":"2026-11-22T21:30:00Z","host":{"id":"%s","name":"t"},"trail":[]}\n' "$id" "$id" >case.json
	sha256sum "${members[@]}" >MANIFEST
	tar --format=pax --owner=0 --group=0 --numeric-owner -cf - "${members[@]}" MANIFEST
	rm -rf "$d"
)

seal() { mpack -r "$k/an.crt" -k "$k/$1.key" -c "$k/$1.crt"; }

# serve [OPTION...]: mrecv in the background; sets $mrecv and $port. A second call uses the same port.
serve() {
	rm -f port.new
	mrecv -l "127.0.0.1:${port:-0}" --port-file port.new "${front[@]}" "$@" >listening 2>>log 3>&- &
	mrecv=$!
	wait_for test -s port.new
	port=$(cat port.new)
	to=127.0.0.1:$port
}

wait_for() {
	for _ in $(seq 400); do
		"$@" 2>/dev/null && return 0
		sleep 0.05
	done
	echo "# never true: $*"
	return 1
}

stop() {
	kill -TERM "$mrecv"
	wait "$mrecv"   # exit 0
	mrecv=
}

# logged EVENT [TEXT]
logged() { jq -R 'fromjson?' log | jq -se --arg e "$1" --arg t "${2:-}" 'any(.event == $e and ((.text // "") | contains($t)))' >/dev/null; }

# craft NAME ROLE USE: a certificate that our authority would not make: right but for its role.
craft() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/OU=$2/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%s\n' "$3" >ext
	openssl x509 -req -in "$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -extfile ext -out "$1.crt" 2>/dev/null
}

nothing_received() { [ -z "$(find spool/in spool/owner spool/store -type f)" ]; }

# ---- frames by hand ----

# frame TYPE FILE|-: head and payload.
frame() {
	local size
	size=$(stat -Lc %s "$2")
	# shellcheck disable=SC2059 # the format is what is to be printed
	printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x' $((size >> 24)) $((size >> 16 & 255)) $((size >> 8 & 255)) $((size & 255)) "$1")"
	cat "$2"
}
say() {
	local said
	said=$(mktemp -p .)
	printf '%s' "$2" >"$said" && frame "$1" "$said" && rm "$said"
}
hello() { say 1 '{"version":1}'; }

# upload ID FILE: all frames of an upload, without waiting for answers between them that an honest host would wait for.
upload() {
	say 5 "$(printf '{"case":"%s","size":%d,"sha256":"%s"}' "$1" "$(stat -Lc %s "$2")" "$(sha256sum <"$2" | cut -c1-64)")"
	split -b 1000000 "$2" piece.
	for p in piece.*; do frame 7 "$p"; done
	rm piece.*
	: >empty
	frame 8 empty
}

# raw [HOST]: standard input to mrecv as this host, what it answers to standard output, until mrecv closes.
raw() {
	local pipe client feeder
	pipe=$(mktemp -u -p .)
	mkfifo "$pipe"
	exec 6<&0 7<>"$pipe"   # open for both: s_client sees no end of its input
	timeout 20 openssl s_client -quiet -connect "$to" -alpn muss/1 -tls1_3 -CAfile "$pki/ca.crt" \
		-key "$k/${1:-h1}.key" -cert "$k/${1:-h1}.crt" <"$pipe" 2>client.err 3>&- 6<&- 7>&- &
	client=$!
	cat <&6 >&7 3>&- &
	feeder=$!
	wait "$client" || true
	kill "$feeder" 2>/dev/null || true
	wait "$feeder" || true
	exec 6<&- 7>&-
	rm "$pipe"
}

# ---- the ordinary way ----

@test "a case is sent, received, answered, fetched" {
	serve
	grep -qx "listening on $to" listening
	run --separate-stderr msend "${me[@]}" "$to" "$cases/a.case"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ ${lines[0]} =~ ^"case $a received "[0-9T:-]+Z$ ]]
	[ "${lines[1]}" = "sha256 $(sha256sum <"$cases/a.case" | cut -c1-64)" ]
	size=$(stat -c %s "$cases/a.case")
	[ "${lines[2]}" = "sent $size of $size bytes, 0 of 2 bodies were there" ]
	cmp "spool/in/$a.case" "$cases/a.case"
	[ -z "$(find spool -perm /077)" ]
	[ -z "$(find spool/part spool/store/new -mindepth 1)" ]
	sha=$(sha256sum </bin/ls | cut -c1-64)
	tar -xOf "$cases/a.case" "code/$sha/body.cms" | cmp - "spool/store/${sha:0:2}/$sha.cms"
	fails 75 msend "${me[@]}" --fetch "$a" "$to"
	[[ $stderr == *"no answer to case $a yet"* ]]
	cp "$cases/a.case" spool/answer && mv spool/answer "spool/out/$a.case"
	msend "${me[@]}" --fetch "$a" "$to" | cmp - "$cases/a.case"
	run --separate-stderr msend "${me[@]}" -o answer.case --fetch "$a" "localhost:$port"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	cmp answer.case "$cases/a.case"
	[ "$(stat -c %a answer.case)" = 600 ]
	fails 1 msend "${me[@]}" --fetch "$(id_of 99)" "$to"
	stop
}

@test "from standard input, and a receipt as JSON" {
	serve
	from_pipe() { tail -c +1 "$cases/a.case" | msend "${me[@]}" -j "$to"; }
	run --separate-stderr from_pipe
	[ "$status" -eq 0 ]
	[ "$(jq -r '[.case, .sent == .size, .from, .again, .bodies, .bodies_not_sent] | @csv' <<<"$output")" = "\"$a\",true,0,false,2,0" ]
	msend "${me[@]}" -j -o receipt "$to" "$cases/a.case"
	[ "$(jq -r '[.again, .sent] | @csv' receipt)" = 'true,0' ]
}

@test "a body the centre has is not sent again, and the smaller case is whole and signed" {
	serve
	msend "${me[@]}" "$to" "$cases/a.case"
	run --separate-stderr msend "${me[@]}" -j "$to" "$cases/b.case"
	[ "$status" -eq 0 ]
	[ "$(jq .bodies_not_sent <<<"$output")" -eq 2 ]
	[ "$(jq .sent <<<"$output")" -lt $(($(stat -c %s "$cases/b.case") / 2)) ]
	[ "$(jq -r .sha256 <<<"$output")" = "$(sha256sum <"spool/in/$b.case" | cut -c1-64)" ]
	[ "$(tar -tf "spool/in/$b.case" | grep -c body.cms)" -eq 1 ]
	[ "$(tar -tf "spool/in/$b.case" | grep -c about.json)" -eq 3 ]
	tar -xf "spool/in/$b.case" && sha256sum --quiet -c MANIFEST
	openssl cms -verify -binary -inform DER -in MANIFEST.sig -content MANIFEST -CAfile "$pki/ca.crt" -purpose any -out /dev/null
	# The whole case again: it is known although what was sent of it had another digest.
	run --separate-stderr msend "${me[@]}" -j "$to" "$cases/b.case"
	[ "$(jq -r '[.again, .sent] | @csv' <<<"$output")" = 'true,0' ]
}

@test "the same id with other content is refused, and so is another host's id" {
	serve
	msend "${me[@]}" "$to" "$cases/a.case"
	make_case 11 /bin/cat | seal h1 >other.case
	fails 65 msend "${me[@]}" "$to" other.case
	[[ $stderr == *"received before with other content"* ]]
	make_case 11 /bin/cat | seal h2 >other.case
	fails 77 msend -k "$k/h2.key" -c "$k/h2.crt" -a "$pki/ca.crt" "$to" other.case
	[[ $stderr == *"another host"* ]]
	cmp "spool/in/$a.case" "$cases/a.case"
	cp "$cases/a.case" "spool/out/$a.case"
	fails 77 msend -k "$k/h2.key" -c "$k/h2.crt" -a "$pki/ca.crt" --fetch "$a" "$to"
}

@test "-w waits for the answer" {
	serve
	msend "${me[@]}" "$to" "$cases/a.case"
	(sleep 2 && cp "$cases/a.case" spool/new && mv spool/new "spool/out/$a.case") 3>&- &
	run --separate-stderr msend "${me[@]}" -w 20 -o answer.case --fetch "$a" "$to"
	[ "$status" -eq 0 ]
	cmp answer.case "$cases/a.case"
}

@test "bodies that are not sealed stay here, unless --plain" {
	serve
	make_case 14 /bin/true | mpack -p -k "$k/h1.key" -c "$k/h1.crt" >plain.case
	fails 65 msend "${me[@]}" "$to" plain.case
	[[ $stderr == *body*"not sealed"*mpack* ]]
	nothing_received
	run --separate-stderr msend "${me[@]}" --plain "$to" plain.case
	[ "$status" -eq 0 ]
}

@test "a case that is not signed is signed by msend" {
	serve
	make_case 14 /bin/true | mpack -r "$k/an.crt" >unsigned.case
	run --separate-stderr msend "${me[@]}" "$to" unsigned.case
	[ "$status" -eq 0 ]
	tar -tf "spool/in/$(id_of 14).case" | grep -qx MANIFEST.sig
}

@test "a damaged case is not sent" {
	serve
	head -c 50000 "$cases/a.case" >cut.case
	fails 65 msend "${me[@]}" "$to" cut.case
	fails 65 msend "${me[@]}" "$to" /dev/null
	fails 66 msend "${me[@]}" "$to" /nonexistent
	stop
	if logged connected; then false; fi
}

# ---- cuts ----

part_grows() { [ -s "$(echo spool/part/"$large".*.*)" ]; }

@test "kill -9 of msend in the middle: the next one goes on where it was" {
	serve
	msend "${me[@]}" "$to" "$cases/large.case" 3>&- &
	while ! part_grows; do :; done
	kill -STOP "$mrecv"
	kill -KILL $!
	kill -CONT "$mrecv"
	wait $! || true
	wait_for logged cut
	nothing_received
	run --separate-stderr msend "${me[@]}" -j "$to" "$cases/large.case"
	[ "$status" -eq 0 ]
	[ "$(jq .from <<<"$output")" -gt 0 ]
	[ "$(jq '.from + .sent == .size' <<<"$output")" = true ]
	cmp "spool/in/$large.case" "$cases/large.case"
}

@test "a connection that hangs in the middle gives way to the host's next one" {
	serve
	msend "${me[@]}" "$to" "$cases/large.case" 3>&- &
	while ! part_grows; do :; done
	kill -STOP $!
	nothing_received
	run --separate-stderr msend "${me[@]}" -j "$to" "$cases/large.case"
	kill -KILL $!
	wait $! || true
	[ "$status" -eq 0 ]
	[ "$(jq .from <<<"$output")" -gt 0 ]
	logged cut "another connection goes on"
	cmp "spool/in/$large.case" "$cases/large.case"
}

@test "kill -9 of mrecv in the middle leaves only a part; msend goes on by itself" {
	serve
	msend "${me[@]}" -r 6 -j "$to" "$cases/large.case" >receipt 2>errors 3>&- &
	msend=$!
	while ! part_grows; do :; done
	kill -KILL "$mrecv"
	wait "$mrecv" || true
	nothing_received
	[ "$(find spool/part -type f | wc -l)" -eq 1 ]
	serve
	wait "$msend"
	grep -q 'trying again' errors
	[ "$(jq .from receipt)" -gt 0 ]
	cmp "spool/in/$large.case" "$cases/large.case"
}

@test "-s: a smaller case that msend made goes on after kill -9, byte for byte" {
	serve
	head -c 24M "$cases/large.case" >noise
	make_case 20 noise | seal h1 >first.case
	make_case 21 /bin/true | seal h1 >small.case
	msend "${me[@]}" "$to" small.case
	make_case 22 /bin/true noise | seal h1 >both.case
	large=$(id_of 22)
	msend "${me[@]}" -s state "$to" both.case 3>&- &
	while ! part_grows; do :; done
	kill -STOP "$mrecv"
	kill -KILL $!
	kill -CONT "$mrecv"
	wait $! || true
	run --separate-stderr msend "${me[@]}" -s state -j "$to" both.case
	[ "$status" -eq 0 ]
	[ "$(jq .bodies_not_sent <<<"$output")" -eq 1 ]
	[ "$(jq .from <<<"$output")" -gt 0 ]
	[ -z "$(find state -type f)" ]
}

@test "an answer that was cut goes on with -s" {
	serve --idle 3
	msend "${me[@]}" "$to" "$cases/a.case"
	cp "$cases/a.case" "spool/out/$a.case"
	mkdir state
	tag=$(say 10 "{\"case\":\"$a\"}" | cat <(hello) - | raw | grep -ao '"tag":"[0-9a-f]*"' | cut -d'"' -f4)
	[ ${#tag} -eq 32 ]
	printf %s "$tag" >"state/$a.tag"
	head -c 30000 "$cases/a.case" >"state/$a.answer"
	msend "${me[@]}" -s state --fetch "$a" "$to" | cmp - "$cases/a.case"
	jq -R 'fromjson?' log | jq -se --argjson n $(($(stat -c %s "$cases/a.case") - 30000)) 'map(select(.event == "answer"))[-1].count == $n'
	[ -z "$(find state -type f)" ]
	# Bytes of another version are not built upon.
	printf %s "00${tag:2}" >"state/$a.tag"
	head -c 30000 /dev/zero >"state/$a.answer"
	msend "${me[@]}" -s state --fetch "$a" "$to" | cmp - "$cases/a.case"
}

# ---- who may talk ----

@test "certificates: another authority, revoked, expired, of another role, none" {
	serve -C "$pki/crl.pem"
	for bad in "$pki-other/issued/h1" "$k/h3" "$k/old" "$k/sg" "$k/centre"; do
		fails 77 msend -k "$bad.key" -c "$bad.crt" -a "$pki/ca.crt" -r 0 "$to" "$cases/a.case"
	done
	craft h1 analysis clientAuth
	fails 77 msend -k h1.key -c h1.crt -a "$pki/ca.crt" -r 0 "$to" "$cases/a.case"
	[[ $stderr == *"has role "*analysis*", not host"* ]]
	logged refused revoked
	logged refused expired
	(hello; sleep 1) | timeout 10 openssl s_client -quiet -connect "$to" -alpn muss/1 -CAfile "$pki/ca.crt" >got 2>err || true
	[ ! -s got ]
	logged refused "did not return a certificate"
	nothing_received
	msend "${me[@]}" "$to" "$cases/a.case"
}

@test "a revocation list that changes is heeded at once" {
	cp "$pki/crl.pem" crl.pem
	mkey init own && mkey issue own host gone && mkey issue -a 127.0.0.1 own front centre && mkey crl own
	front=(-k own/issued/centre.key -c own/issued/centre.crt -a own/ca.crt -s spool -j)
	serve -C own/crl.pem
	fails 1 msend -k own/issued/gone.key -c own/issued/gone.crt -a own/ca.crt --fetch "$a" "$to"
	mkey revoke own own/issued/gone.crt
	fails 77 msend -k own/issued/gone.key -c own/issued/gone.crt -a own/ca.crt -r 0 --fetch "$a" "$to"
	[[ $stderr == *revoked* ]]
}

@test "the centre's certificate: another authority, another name, another role" {
	front=(-k "$pki-other/issued/centre.key" -c "$pki-other/issued/centre.crt" -a "$pki/ca.crt" -s spool -j)
	serve
	fails 77 msend "${me[@]}" "$to" "$cases/a.case"
	stop
	front=(-k "$k/elsewhere.key" -c "$k/elsewhere.crt" -a "$pki/ca.crt" -s spool -j)
	serve
	fails 77 msend "${me[@]}" "$to" "$cases/a.case"
	[[ $stderr == *"address mismatch"* ]]
	fails 77 msend "${me[@]}" -n centre.example "$to" "$cases/a.case"
	msend "${me[@]}" -n elsewhere.example "$to" "$cases/a.case"
	stop
	front=(-k "$k/h2.key" -c "$k/h2.crt" -a "$pki/ca.crt" -s spool -j)
	serve
	fails 77 msend "${me[@]}" -n h2 "$to" "$cases/b.case"
	stop
	craft centre host serverAuth
	front=(-k centre.key -c centre.crt -a "$pki/ca.crt" -s spool -j)
	serve
	fails 77 msend "${me[@]}" "$to" "$cases/b.case"
	[[ $stderr == *"has role 'host', not front"* ]]
	stop
	if logged offer "$b"; then false; fi
}

@test "TLS 1.2 and other protocols are refused" {
	serve
	run timeout 10 openssl s_client -connect "$to" -tls1_2 -CAfile "$pki/ca.crt" -key "$k/h1.key" -cert "$k/h1.crt" </dev/null
	[ "$status" -ne 0 ]
	run timeout 10 openssl s_client -connect "$to" -alpn http/1.1 -CAfile "$pki/ca.crt" -key "$k/h1.key" -cert "$k/h1.crt" </dev/null
	[ "$status" -ne 0 ]
	# No ALPN at all: told in a frame.
	(hello; sleep 1) | timeout 10 openssl s_client -quiet -connect "$to" -CAfile "$pki/ca.crt" -key "$k/h1.key" -cert "$k/h1.crt" >got 2>err || true
	grep -aq '"code":"version"' got
}

# ---- peers that mean it ill ----

@test "garbage instead of TLS, instead of frames, and frames too long or out of order" {
	serve
	(head -c 100000 /dev/urandom >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
	(printf 'GET / HTTP/1.0\r\n\r\n' >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
	head -c 5000 /dev/zero | raw >got
	grep -aq '"code":"frame","text":"a frame of unknown type 0"' got
	printf '\xff\xff\xff\xff\x07' | cat <(hello) - | raw >got
	grep -aq '"code":"frame","text":"a DATA frame of 4294967295 bytes' got
	printf '\x00\x10\x00\x01\x07' | cat <(hello) - | raw >got
	grep -aq 'DATA frame of 1048577 bytes' got
	hello | cat <(hello) - | raw >got
	grep -aq '"code":"order"' got
	for bad in '{"case":"../../../../etc/passwd/x/..","size":1,"sha256":"x"}' '[]' '{"case":1}' '{' '{"case":"'"$a"'","size":-1}'; do
		say 5 "$bad" | cat <(hello) - | raw >got
		grep -aq '"code":"frame"' got
	done
	say 10 '{"case":"../in/aaaaaaaaaaaaaaaaaaaaaaaaa"}' | cat <(hello) - | raw >got
	grep -aq '"code":"frame"' got
	say 1 '{"version":0}' | raw >got
	grep -aq '"code":"version"' got
	nothing_received
	msend "${me[@]}" "$to" "$cases/a.case"
	stop
}

@test "an upload that is not what it claims leaves nothing" {
	serve --idle 3
	refused() {   # refused CODE TEXT: upload $id of bad.case is answered so
		upload "$id" bad.case | cat <(hello) - | raw >got
		grep -aq "\"code\":\"$1\",\"text\":\".*$2" got || { cat -v got; return 1; }
		nothing_received
		[ -z "$(find spool/part spool/store/new -mindepth 1)" ]
	}
	id=$b
	cp "$cases/a.case" bad.case
	refused case "the case says it is"
	id=$a
	head -c 60000 "$cases/a.case" >bad.case
	refused case ".*body.cms"
	make_case 11 /bin/true | seal h2 >bad.case
	refused denied "is signed by .h2., sent by .h1."
	make_case 11 /bin/true | seal sg >bad.case
	refused denied ""
	make_case 11 /bin/true | mpack -r "$k/an.crt" >bad.case
	refused case "not signed"
	make_case 11 /bin/true | mpack -r "$k/an.crt" -k "$pki-other/issued/h1.key" -c "$pki-other/issued/h1.crt" >bad.case
	refused "[a-z]*" ""
	head -c 100000 /dev/urandom >bad.case
	refused case ""
	truncate -s 260M zeros   # a bomb
	make_case 11 zeros | mpack -p -k "$k/h1.key" -c "$k/h1.crt" | zstd -q >bad.case
	refused case "unpacks to far more"
	cp "$cases/a.case" bad.case
	upload "$a" bad.case | cat <(hello) - | raw >got   # and the honest one by the same way
	grep -aq "\"case\":\"$a\",\"sha256\"" got
	cmp "spool/in/$a.case" "$cases/a.case"
}

@test "the page's frames by hand: FETCH, and the answer to it" {
	serve --idle 2
	# shellcheck disable=SC1003 # as the page has it
	frame() { printf '\0\0\0\'"$(printf %o ${#2})"'\'"$(printf %o "$1")"'%s' "$2"; }
	(frame 1 '{"version":1}'; frame 10 '{"case":"0123456789abcdef0123456789abcdef"}') | raw >got
	grep -aq '{"version":1,.*"max_case":68719476736,"max_bodies":200000,"idle":2,' got
	grep -aq '{"case":"0123456789abcdef0123456789abcdef"}' got
	[ "$(tr -d '\n' <got | grep -ao $'\x0d{"case"' | wc -l)" -eq 1 ]   # type 13: UNKNOWN
}

@test "a stream with another digest than announced begins anew" {
	serve
	{
		hello
		say 5 "$(printf '{"case":"%s","size":4,"sha256":"%064d"}' "$a" 0)"
		printf abcd >data && frame 7 data
		: >empty && frame 8 empty
	} | raw >got
	grep -aq '"code":"later","text":"the stream.s digest' got
	[ -z "$(find spool/part -mindepth 1)" ]
}

@test "peers that stall are cut off and harm nobody" {
	serve --handshake 1 --idle 2
	exec 8<>"/dev/tcp/127.0.0.1/$port"   # never says a word
	{ hello; printf '\x00\x00'; sleep 6; } | timeout 8 openssl s_client -quiet -connect "$to" -alpn muss/1 \
		-CAfile "$pki/ca.crt" -key "$k/h2.key" -cert "$k/h2.crt" >stalled 2>/dev/null 3>&- &
	sleep 0.5
	run --separate-stderr msend "${me[@]}" "$to" "$cases/a.case"
	[ "$status" -eq 0 ]
	wait_for logged refused "no TLS handshake"
	wait_for grep -aq '"code":"timeout"' stalled
	run timeout 5 cat <&8
	[ "$status" -eq 0 ]   # closed by mrecv
	exec 8>&-
}

@test "connections are limited: of one host, and in all" {
	serve --per-host 1 --connections 2 --handshake 30
	hello | raw h2 >first 3>&- &
	wait_for logged connected
	fails 75 msend -k "$k/h2.key" -c "$k/h2.crt" -a "$pki/ca.crt" -r 0 "$to" "$cases/a.case"
	[[ $stderr == *"too many connections of this host"* ]]
	exec 8<>"/dev/tcp/127.0.0.1/$port"   # the second of two; it gives way to whoever can show a certificate
	run --separate-stderr msend "${me[@]}" "$to" "$cases/a.case"
	[ "$status" -eq 0 ]
	logged refused "gave way"
	exec 8>&-
}

# ---- the machine it runs on ----

@test "a full disk: try later, and nothing half-written" {
	need_root
	mkdir spool
	unshare -m bash -c 'mount -t tmpfs -o size=40m,mode=700 none spool && echo $$ >pid && exec sleep 1000' 3>&- &
	holder=$!
	wait_for test -s pid
	serve() {
		nsenter -m -t "$holder" env -C "$PWD" "$BIN/mrecv" -l 127.0.0.1:0 --port-file port.new "${front[@]}" >listening 2>>log 3>&- &
		mrecv=$!
		wait_for test -s port.new
		port=$(cat port.new) to=127.0.0.1:$(cat port.new)
	}
	serve
	inside=/proc/$holder/root$PWD/spool
	fails 75 msend "${me[@]}" "$to" "$cases/large.case"   # would not fit: refused before the first byte
	[[ $stderr == *"disk is full"* ]]
	[ -z "$(find "$inside" -type f)" ]
	# Room vanishes in the middle.
	head -c 6000000 /dev/urandom >data
	head -c 1000000 data >data.1 && tail -c +1000001 data | head -c 1000000 >data.2
	{
		hello
		say 5 "$(printf '{"case":"%s","size":6000000,"sha256":"%s"}' "$a" "$(sha256sum <data | cut -c1-64)")"
		frame 7 data.1
		wait_for logged receiving
		dd if=/dev/zero of="$inside/out/filler" bs=1M status=none 2>/dev/null || true
		for _ in 1 2 3 4; do frame 7 data.2; done
	} | raw >got
	kill -KILL "$holder" && wait "$holder" || true
	grep -aq '"code":"later","text":"the centre.s disk is full"' got
	pid=$mrecv
	[ -z "$(find "/proc/$pid/root$PWD/spool" -type f ! -name filler)" ]
}

@test "mrecv gives up root, and its spool is that user's" {
	need_root
	chmod 711 "$TMP" "$TMP/w"
	cp "$pki/ca.crt" . && chmod 644 ca.crt
	front=(-k "$k/centre.key" -c "$k/centre.crt" -a ca.crt -s spool -j)   # its folder's parents are root's alone
	serve -u nobody
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$mrecv/status" | tr -s ' ' '\n' | sort -u)" = "$(id -u nobody)" ]
	[ "$(awk '/^Groups:/ { print $2 }' "/proc/$mrecv/status")" = "" ]
	[ "$(awk '/^CapEff:/ { print $2 }' "/proc/$mrecv/status")" = 0000000000000000 ]
	[ "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$mrecv/status")" = 1 ]
	msend "${me[@]}" "$to" "$cases/a.case"
	[ "$(stat -c %U "spool/in/$a.case")" = nobody ]
	stop
	if grep -q 'runs as root' log; then false; fi
}

@test "msend: full disk, usage, and what cannot be reached" {
	serve
	fails 74 msend "${me[@]}" -o /dev/full "$to" "$cases/a.case"
	cp "$cases/a.case" "spool/out/$a.case"
	fails 74 msend "${me[@]}" -o /dev/full --fetch "$a" "$to"
	fails 64 msend "${me[@]}" "$to" a b
	fails 64 msend "${me[@]}" nowhere
	fails 64 msend "${me[@]}" --fetch ../x "$to"
	fails 64 msend "$to"
	fails 66 msend -k /nonexistent -c "$k/h1.crt" -a "$pki/ca.crt" "$to" "$cases/a.case"
	cp "$k/h1.key" open.key && chmod 644 open.key
	fails 77 msend -k open.key -c "$k/h1.crt" -a "$pki/ca.crt" "$to" "$cases/a.case"
	fails 78 msend -k "$k/h2.key" -c "$k/h1.crt" -a "$pki/ca.crt" "$to" "$cases/a.case"
	stop
	fails 75 msend "${me[@]}" "$to" "$cases/a.case"
	run --separate-stderr msend "${me[@]}" -r 1 "$to" "$cases/a.case"
	[ "$status" -eq 75 ]
	[ "$(grep -c 'trying again' <<<"$stderr")" -eq 1 ]
	fails 64 mrecv -l 127.0.0.1:0
	fails 66 mrecv -l 127.0.0.1:0 -k /nonexistent -c "$k/centre.crt" -a "$pki/ca.crt" -s spool
}

@test "--once ends after the first case" {
	serve --once
	msend "${me[@]}" "$to" "$cases/a.case"
	wait "$mrecv"   # exit 0
	mrecv=
	[ -e "spool/in/$a.case" ]
}
