#!/usr/bin/env bats
# mpack: bodies collected, sealed, signed; opened again; and by hand with openssl, tar and zstd alone.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	pki=$BATS_FILE_TMPDIR/pki
	mkey init "$pki"
	for role in host:h1 host:h2 analysis:an analysis:an2 signer:sg; do mkey issue "$pki" "${role%:*}" "${role#*:}"; done
	mkey issue -d 0 "$pki" analysis old
	mkey init "$pki-other" && mkey issue "$pki-other" host h1
	mkey revoke "$pki" "$pki/issued/h2.crt"
}

setup() {
	mkdir "$TMP/w"   # bats has files of its own in $TMP
	cd "$TMP/w" || exit
	pki=$BATS_FILE_TMPDIR/pki
	k=$pki/issued
	seal=(-r "$k/an.crt" -k "$k/h1.key" -c "$k/h1.crt")
	open=(-u -k "$k/an.key" -c "$k/an.crt")
}

# add FILE [KIND] [SIGHTINGS]: a piece of code of the case to come; prints its digest.
add() {
	local sha
	sha=$(sha256sum <"$1" | cut -c1-64)
	mkdir -p "c/code/$sha"
	printf '{"sha256":"%s","kind":"%s","size":%d,"paths":["%s"],"sightings":[%s],"signs":[],"score":1}\n' \
		"$sha" "${2:-file}" "$(stat -Lc %s "$1")" "$1" "${3:-}" >"c/code/$sha/about.json"
	echo "$sha"
}

# The case of what was added, on stdout, by coreutils and tar alone.
make_case() (
	cd c || exit
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d","name":"t"},"trail":[]}\n' 1 2 >case.json
	members=(case.json)
	for d in code/*; do
		members+=("$d/about.json")
		while read -r f; do members+=("$f"); done < <(find "$d" -type f ! -name about.json | sort)
	done
	sha256sum "${members[@]}" >MANIFEST
	tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf - "${members[@]}" MANIFEST
)

body_state() { tar -xOf "$1" "code/$2/about.json" | jq -r '.body + (if .reason then ": " + .reason else "" end)'; }

@test "-p collects bodies, mode 0000, in a plain case" {
	sha=$(add /bin/true)
	make_case >in.case
	run --separate-stderr mpack -p -o out.case in.case
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ -z "$stderr" ]
	tar -xOf out.case "code/$sha/body" | cmp - /bin/true
	[[ $(tar -tvf out.case "code/$sha/body") == ----------* ]]
	[ "$(body_state out.case "$sha")" = collected ]
	[ "$(stat -c %a out.case)" = 600 ]
	tar -xOf out.case case.json | jq -e '.trail[-1].tool == "mpack"'
	run ! tar -tf out.case MANIFEST.sig
	mkdir x && bsdtar -xf out.case -C x && chmod -R u+rwX x && (cd x && sha256sum -c --quiet MANIFEST)
}

@test "sealed and signed, and opened by hand with openssl and zstd" {
	sha=$(add /bin/true)
	make_case | mpack "${seal[@]}" >sealed.case
	[ -z "$(tar -tf sealed.case | grep -x "code/$sha/body")" ]
	tar -xOf sealed.case "code/$sha/body.cms" >body.cms
	openssl cms -decrypt -binary -inform DER -in body.cms -inkey "$k/an.key" -recip "$k/an.crt" | zstd -dc | cmp - /bin/true
	[[ $(openssl cms -cmsout -print -inform DER -in body.cms) == *id-smime-ct-authEnvelopedData*aes-256-gcm* ]]
	tar -xOf sealed.case MANIFEST >MANIFEST
	tar -xOf sealed.case MANIFEST.sig >MANIFEST.sig
	openssl cms -verify -binary -inform DER -in MANIFEST.sig -content MANIFEST -CAfile "$pki/ca.crt" -out /dev/null
	sed -i 's/^./f/' MANIFEST
	run ! openssl cms -verify -binary -inform DER -in MANIFEST.sig -content MANIFEST -CAfile "$pki/ca.crt" -out /dev/null
}

@test "there and back is the same body; -v says who signed" {
	sha=$(add /bin/true)
	add /bin/false
	make_case >in.case
	mpack "${seal[@]}" in.case | mpack "${open[@]}" -a "$pki/ca.crt" -l "$pki/crl.pem" -v >out.case 2>err
	grep -q "2 bodies opened, 0 fetched from the store, 0 missing, signed by h1" err
	tar -xOf out.case "code/$sha/body" | cmp - /bin/true
	mpack -q -p in.case >plain.case
	[ "$(tar -tf out.case)" = "$(tar -tf plain.case)" ]
}

@test "a compressed case stays one, collecting and sealing in two steps is the same" {
	sha=$(add /bin/true)
	make_case | mpack -p | zstd -q | mpack "${seal[@]}" >two.case
	zstd -dcq two.case | tar -tf - | grep -x "code/$sha/body.cms"
	zstd -dcq two.case | tar -xOf - "code/$sha/about.json" | jq -e '.body == "collected"'
	mpack "${open[@]}" <two.case | zstd -dcq | tar -xOf - "code/$sha/body" | cmp - /bin/true
}

@test "a deleted program is collected through the process that runs it" {
	cp /bin/sleep gone
	./gone 60 3>&- &
	pid=$!
	sha=$(add gone deleted "{\"how\":\"exe\",\"pid\":$pid,\"exe\":\"$PWD/gone (deleted)\"}")
	rm gone
	make_case | mpack -p >out.case
	kill "$pid"
	tar -xOf out.case "code/$sha/body" | cmp - /bin/sleep
}

@test "a file that is gone, changed, no file, or not permitted: a warning and a note, exit 0" {
	echo one >gone && echo two >changed && echo 3333 >same-size && echo four >./link
	gone=$(add "$PWD/gone") changed=$(add "$PWD/changed") same=$(add "$PWD/same-size") link=$(add "$PWD/link")
	rm gone link && echo more >>changed && echo 4444 >same-size && ln -s /bin/true link
	echo five >fifo && fifo=$(add "$PWD/fifo") && rm fifo && mkfifo fifo
	good=$(add /bin/true)
	make_case >in.case
	run --separate-stderr timeout 10 mpack "${seal[@]}" -o out.case in.case
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 5 ]
	[ "$(body_state out.case "$gone")" = "missing: it is gone" ]
	[ "$(body_state out.case "$changed")" = "missing: it changed after it was scanned" ]
	[ "$(body_state out.case "$same")" = "missing: it changed after it was scanned" ]
	[ "$(body_state out.case "$link")" = "missing: there is no file in its place" ]
	[ "$(body_state out.case "$fifo")" = "missing: there is no file in its place" ]
	[ "$(body_state out.case "$good")" = collected ]
	[ "$(tar -tf out.case | grep -c body)" -eq 1 ]
	mpack "${open[@]}" -a "$pki/ca.crt" <out.case >back.case
	# A later run that finds it takes the note back.
	echo one >gone
	mpack -p -q out.case >again.case
	[ "$(body_state again.case "$gone")" = collected ]
}

@test "a hostile file name reaches the terminal escaped" {
	sha=$(printf 'x' | sha256sum | cut -c1-64)
	mkdir -p "c/code/$sha"
	printf '{"sha256":"%s","kind":"file","size":1,"paths":["/nowhere/\\u001b]0;owned\\u0007"]}' "$sha" >"c/code/$sha/about.json"
	make_case >in.case
	run --separate-stderr mpack -p -o out.case in.case
	[ "$status" -eq 0 ]
	[[ $stderr == *'\x1b]0;owned\x07'* ]]
	[[ $stderr != *$'\e'* ]]
}

@test "memory and dropped files are sealed as well" {
	sha=$(add /bin/true)
	mkdir -p "c/code/$sha/memory" "c/code/$sha/dropped"
	echo "decrypted code" >"c/code/$sha/memory/7f0000-7f1000"
	echo "a dropped file" >"c/code/$sha/dropped/$(echo "a dropped file" | sha256sum | cut -c1-64)"
	echo '{}' >"c/code/$sha/static.json"
	make_case | mpack "${seal[@]}" >sealed.case
	run ! grep -aq -e "decrypted code" -e "a dropped file" sealed.case
	tar -xOf sealed.case "code/$sha/memory/7f0000-7f1000.cms" |
		openssl cms -decrypt -binary -inform DER -inkey "$k/an.key" -recip "$k/an.crt" | zstd -dcq | grep -x "decrypted code"
	mpack "${open[@]}" <sealed.case >out.case
	[ "$(tar -xOf out.case "code/$sha/memory/7f0000-7f1000")" = "decrypted code" ]
	tar -tf out.case | grep -q "code/$sha/dropped/[0-9a-f]*$"
	tar -tf out.case | grep -qx "code/$sha/static.json"
}

@test "what opens for nobody else: wrong key, wrong pair, an altered body" {
	sha=$(add /bin/true)
	make_case | mpack "${seal[@]}" >sealed.case
	fails 65 mpack -u -k "$k/an2.key" -c "$k/an2.crt" -o out.case sealed.case
	fails 78 mpack -u -k "$k/an2.key" -c "$k/an.crt" -o out.case sealed.case
	[ ! -e out.case ]
	# Altered, with a MANIFEST that is right again: the seal itself must notice.
	rm -rf c && mkdir c && tar -xf sealed.case -C c && rm c/MANIFEST*
	size=$(stat -c %s "c/code/$sha/body.cms")
	printf '\xff\xff\xff' | dd of="c/code/$sha/body.cms" bs=1 seek=$((size / 2)) conv=notrunc status=none
	make_case >altered.case
	fails 65 mpack "${open[@]}" -o out.case altered.case
	[[ $stderr == *"code/$sha/body.cms"* ]]
	[ ! -e out.case ]
	# Somebody else's body under this name, sealed well.
	zstd -qc /bin/false | openssl cms -encrypt -binary -aes-256-gcm -outform DER -out "c/code/$sha/body.cms" "$k/an.crt"
	make_case >other.case
	fails 65 mpack "${open[@]}" -o out.case other.case
	# Not authenticated (AES-CBC), and not sealed at all.
	zstd -qc /bin/true | openssl cms -encrypt -binary -aes-256-cbc -outform DER -out "c/code/$sha/body.cms" "$k/an.crt"
	make_case >cbc.case
	fails 65 mpack "${open[@]}" -o out.case cbc.case
	cp /bin/true "c/code/$sha/body.cms"
	make_case >plain.case
	fails 65 mpack "${open[@]}" -o out.case plain.case
	# And the right one, by hand, is accepted.
	zstd -qc /bin/true | openssl cms -encrypt -binary -aes-256-gcm -outform DER -out "c/code/$sha/body.cms" "$k/an.crt"
	make_case | mpack "${open[@]}" | tar -xOf - "code/$sha/body" | cmp - /bin/true
	[ ! -e out.case ]
}

@test "-a: unsigned, altered, another role, another authority, revoked: nothing is released" {
	add /bin/true
	make_case >in.case
	check=("${open[@]}" -a "$pki/ca.crt" -l "$pki/crl.pem" -o out.case)
	mpack -r "$k/an.crt" in.case >unsigned.case
	fails 65 mpack "${check[@]}" unsigned.case
	[[ $stderr == *"not signed"* ]]
	mpack -r "$k/an.crt" -k "$k/sg.key" -c "$k/sg.crt" in.case >signer.case
	fails 77 mpack "${check[@]}" signer.case
	[[ $stderr == *"role"* ]]
	mpack -r "$k/an.crt" -k "$k/h2.key" -c "$k/h2.crt" in.case >revoked.case
	fails 77 mpack "${check[@]}" revoked.case
	[[ $stderr == *revoked* ]]
	mpack -r "$k/an.crt" -k "$pki-other/issued/h1.key" -c "$pki-other/issued/h1.crt" in.case >other.case
	fails 77 mpack "${check[@]}" other.case
	# The signature of one case on another.
	mpack "${seal[@]}" in.case >one.case
	tar -xOf one.case MANIFEST.sig >c/MANIFEST.sig
	{ make_case >/dev/null && cd c && tar --format=pax -cf ../moved.case case.json code/*/about.json MANIFEST MANIFEST.sig && cd ..; }
	fails 65 mpack "${check[@]}" moved.case
	[ ! -e out.case ]
	mpack "${check[@]}" one.case
	[ -s out.case ]
	mpack "${check[@]}" -R signer signer.case
}

@test "-a: signatures of a weak form are refused" {
	add /bin/true
	make_case | mpack -q -r "$k/an.crt" >unsigned.case
	mkdir x && tar -xf unsigned.case -C x && cd x || return
	mapfile -t members < <(tar -tf ../unsigned.case)
	signed() {
		openssl cms -sign -binary -outform DER -in MANIFEST -signer "$k/h1.crt" -inkey "$k/h1.key" "$@" -out MANIFEST.sig
		tar --format=pax --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime -cf ../signed.case "${members[@]}" MANIFEST.sig
	}
	signed -md sha256
	mpack "${open[@]}" -a "$pki/ca.crt" ../signed.case >/dev/null
	signed -md sha1
	fails 65 mpack "${open[@]}" -a "$pki/ca.crt" -o out.case ../signed.case
	[[ $stderr == *"SHA1"* ]]
	signed -md sha256 -noattr
	fails 65 mpack "${open[@]}" -a "$pki/ca.crt" -o out.case ../signed.case
	[[ $stderr == *"without signed attributes"* ]]
	signed -md sha256 -signer "$k/sg.crt" -inkey "$k/sg.key"
	fails 65 mpack "${open[@]}" -a "$pki/ca.crt" -o out.case ../signed.case
	[[ $stderr == *"2 signers"* ]]
	signed -md sha256 -nodetach
	fails 65 mpack "${open[@]}" -a "$pki/ca.crt" -o out.case ../signed.case
	[ ! -e out.case ]
}

@test "to standard output, a refused case has no MANIFEST" {
	add /bin/true
	make_case | mpack -r "$k/an.crt" >unsigned.case
	mpack "${open[@]}" -a "$pki/ca.crt" <unsigned.case >out.case 2>err && false || [ $? -eq 65 ]
	[ "$(wc -l <err)" -eq 1 ]
	run ! grep -aq MANIFEST out.case
	mpack -p <out.case >/dev/null 2>err && false || [ $? -eq 65 ]
}

@test "-s takes from the store what the case lacks, and drops what is wrong there" {
	sha=$(add /bin/true) bad=$(add /bin/false) none=$(add /bin/ls)
	for s in "$sha" "$bad" "$none"; do sed -i 's/"score"/"body":"collected","score"/' "c/code/$s/about.json"; done
	make_case >in.case
	mkdir -p "store/${sha:0:2}" "store/${bad:0:2}"
	for s in "$sha" "$bad"; do
		zstd -qc /bin/true | openssl cms -encrypt -binary -aes-256-gcm -outform DER -out "store/${s:0:2}/$s.cms" "$k/an.crt"
	done
	run --separate-stderr mpack "${open[@]}" -s store -o out.case in.case
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 2 ]
	tar -xOf out.case "code/$sha/body" | cmp - /bin/true
	[ "$(tar -tf out.case | grep -c '/body$')" -eq 1 ]
	[ -e "store/${sha:0:2}/$sha.cms" ]
	[ ! -e "store/${bad:0:2}/$bad.cms" ]
}

@test "not sealed to the wrong role or an expired certificate: 77, and nothing appears" {
	add /bin/true
	make_case >in.case
	fails 77 mpack -r "$k/h1.crt" -o out.case in.case
	fails 77 mpack -r "$k/old.crt" -o out.case in.case
	chmod 644 "$k/sg.key"
	fails 77 mpack -p -k "$k/sg.key" -c "$k/sg.crt" -o out.case in.case
	chmod 600 "$k/sg.key"
	[ ! -e out.case ]
}

@test "bad cases are refused: 65, no output that looks complete" {
	add /bin/true
	make_case >in.case
	head -c 3000 in.case >cut.case
	fails 65 mpack -p -o out.case cut.case
	fails 65 mpack "${seal[@]}" -o out.case /dev/null
	sed 's/"score":1/"score":2/' in.case >flipped.case
	fails 65 mpack "${seal[@]}" -o out.case flipped.case
	[ ! -e out.case ]
	[ "$(echo .[!.]* *)" = ".[!.]* c cut.case flipped.case in.case" ]
}

@test "wrong use: 64; no input: 66; a full disk: 74" {
	fails 64 mpack
	fails 64 mpack -p -u
	fails 64 mpack -u
	fails 64 mpack -p -k x
	fails 64 mpack -p -s store
	fails 66 mpack -p none.case
	add /bin/true
	make_case >in.case
	mpack -p in.case >/dev/full 2>err && false || [ $? -eq 74 ]
	[ "$(wc -l <err)" -eq 1 ]
	fails 74 mpack -p -o /dev/full in.case
	mpack "${seal[@]}" in.case >sealed.case
	fails 74 mpack "${open[@]}" -o /dev/full sealed.case
}

@test "kill -9 leaves no output and nothing in the temporary folder" {
	head -c 60M /dev/urandom >big
	add "$PWD/big" >/dev/null
	make_case >in.case
	mkdir t
	TMPDIR=$PWD/t mpack "${seal[@]}" -o out.case in.case &
	sleep 0.1
	kill -9 $! || skip "it was too fast"
	wait $! || true
	[ ! -e out.case ]
	[ -z "$(ls -A t)" ]
	mpack "${seal[@]}" -o out.case in.case
	[ -s out.case ]
}

@test "help and version" {
	run --separate-stderr mpack -h
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == usage:*Examples:*Exit:* ]]
	[ "$(mpack -V)" = "mpack (muss) 0.1" ]
}
