#!/usr/bin/env bats
# mkey: an authority, its certificates, and what it refuses.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup() {
	mkdir "$TMP/w"   # bats has files of its own in $TMP
	cd "$TMP/w" || exit
}

@test "an authority and a certificate of each role" {
	run --separate-stderr mkey init pki
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ -z "$stderr" ]
	mkey issue pki host h1
	mkey issue -a centre.example,127.0.0.1,::1 pki front f1
	mkey issue pki analysis an
	mkey issue -d 2 pki signer sg
	[ "$(stat -c %a pki/ca.key pki/issued/*.key | sort -u)" = 600 ]
	[ "$(stat -c %a pki/issued)" = 700 ]
	for who in h1 an sg f1; do openssl verify -CAfile pki/ca.crt pki/issued/$who.crt; done
	openssl verify -purpose sslclient -CAfile pki/ca.crt pki/issued/h1.crt
	openssl verify -purpose smimesign -CAfile pki/ca.crt pki/issued/sg.crt
	openssl verify -purpose sslserver -verify_hostname centre.example -CAfile pki/ca.crt pki/issued/f1.crt
	openssl verify -purpose sslserver -verify_ip ::1 -CAfile pki/ca.crt pki/issued/f1.crt
	run ! openssl verify -purpose sslserver -CAfile pki/ca.crt pki/issued/h1.crt
	run ! openssl verify -purpose sslclient -CAfile pki/ca.crt pki/issued/f1.crt
	[ "$(openssl x509 -noout -subject -in pki/issued/sg.crt)" = "subject=OU = signer, CN = sg" ]
	openssl x509 -noout -checkend 172000 -in pki/issued/sg.crt
	run ! openssl x509 -noout -checkend 172900 -in pki/issued/sg.crt
}

@test "what exists is not overwritten: 73" {
	mkey init pki
	mkey issue pki host h1
	before=$(find pki -type f -exec sha256sum {} + | sort)
	fails 73 mkey init pki
	fails 73 mkey issue pki host h1
	mkey request a
	fails 73 mkey request a
	mkdir full && touch full/x
	fails 73 mkey init full
	[ "$(find pki -type f -exec sha256sum {} + | sort)" = "$before" ]
	[ "$(ls full)" = x ]
	[ "$(echo ./*)" = "./a.csr ./a.key ./full ./pki" ]
}

@test "an empty folder may become an authority" {
	mkdir pki
	mkey init pki "the ministry" || status=$?
	[ "$status" -eq 64 ]
	mkey init pki the-ministry
	[[ $(mkey show pki/ca.crt) == the-ministry*authority* ]]
}

@test "a request: the key stays, the authority gives the role" {
	mkey init pki
	mkdir host && mkey request -o host laptop
	[ "$(ls host)" = "$(printf 'laptop.csr\nlaptop.key')" ]
	[ "$(stat -c %a host/laptop.key)" = 600 ]
	run ! grep -q PRIVATE host/laptop.csr
	mkey sign -o host/laptop.crt pki host host/laptop.csr
	[ "$(mkey show -j host/laptop.crt | jq -r '[.name, .role, .valid] | @csv')" = '"laptop","host",true' ]
	[ "$(openssl x509 -noout -pubkey -in host/laptop.crt)" = "$(openssl pkey -pubout -in host/laptop.key)" ]
	fails 73 mkey sign -o host/laptop.crt pki host host/laptop.csr
	# Renewal: the same key, a new certificate.
	rm host/laptop.csr && mkey request -o host laptop && mkey sign -o host/new.crt pki host host/laptop.csr
	[ "$(openssl x509 -noout -pubkey -in host/new.crt)" = "$(openssl x509 -noout -pubkey -in host/laptop.crt)" ]
}

@test "a request that asks for more gets no more" {
	mkey init pki
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out r.csr -subj "/OU=signer/CN=mallory" \
		-addext basicConstraints=CA:TRUE 2>/dev/null
	mkey sign -o m.crt pki host r.csr
	[ "$(mkey show -j m.crt | jq -r .role)" = host ]
	[[ $(openssl x509 -noout -text -in m.crt) == *CA:FALSE* ]]
	openssl req -new -newkey rsa:2048 -nodes -keyout k2.pem -out r2.csr -subj "/CN=mallory" 2>/dev/null
	fails 65 mkey sign -o m2.crt pki host r2.csr
	openssl req -new -key k.pem -out r3.csr -subj "/CN=..\/..\/etc\/x"
	fails 65 mkey sign pki host r3.csr
	openssl req -new -key k.pem -out r4.csr -subj "/CN=a/CN=b"
	fails 65 mkey sign -o m4.crt pki host r4.csr
	[ ! -e m2.crt ]
	[ ! -e m4.crt ]
}

@test "revocation" {
	mkey init pki
	mkey issue pki host h1
	mkey issue pki host h2
	openssl verify -crl_check -CRLfile pki/crl.pem -CAfile pki/ca.crt pki/issued/h1.crt
	mkey revoke pki pki/issued/h1.crt
	run ! openssl verify -crl_check -CRLfile pki/crl.pem -CAfile pki/ca.crt pki/issued/h1.crt
	openssl verify -crl_check -CRLfile pki/crl.pem -CAfile pki/ca.crt pki/issued/h2.crt
	mkey crl pki
	run ! openssl verify -crl_check -CRLfile pki/crl.pem -CAfile pki/ca.crt pki/issued/h1.crt
	mkey init other
	fails 65 mkey revoke other pki/issued/h2.crt
}

@test "wrong use: 64" {
	fails 64 mkey
	fails 64 mkey conquer
	fails 64 mkey init
	fails 64 mkey init -d many pki
	fails 64 mkey init -x pki
	mkey init pki
	fails 64 mkey issue pki host
	fails 64 mkey issue pki king h
	fails 64 mkey issue pki host ../../h
	fails 64 mkey issue -a x pki host h
	[ -z "$(ls pki/issued)" ]
}

@test "wrong files: 65, 66, 77, 78" {
	fails 66 mkey issue none host h1
	mkey init pki
	mkey init pki2
	echo nonsense >bad.csr
	fails 65 mkey sign pki host bad.csr
	fails 66 mkey sign pki host none.csr
	fails 65 mkey show bad.csr
	chmod 644 pki/ca.key
	fails 77 mkey issue pki host h1
	chmod 600 pki/ca.key
	cp pki2/ca.key pki/ca.key
	fails 78 mkey issue pki host h1
	[ -z "$(ls pki/issued)" ]
}

@test "a full disk: 74" {
	mkey init pki
	mkey issue pki host h1
	run mkey show pki/ca.crt >/dev/full
	mkey show pki/ca.crt >/dev/full 2>err && false || [ $? -eq 74 ]
	[ "$(wc -l <err)" -eq 1 ]
	fails 74 mkey init /dev/full/pki || fails 66 mkey init /dev/full/pki
}

@test "no key is shown, whatever is asked" {
	mkey init pki
	mkey issue -vv pki host h1 >all 2>&1
	mkey show -vv pki/issued/h1.crt >>all 2>&1
	run ! grep -q "$(sed -n 2p pki/issued/h1.key)" all
}

@test "help and version" {
	run --separate-stderr mkey -h
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == usage:*Examples:*Exit:* ]]
	[ "$(mkey -V)" = "mkey (muss) 0.1" ]
}
