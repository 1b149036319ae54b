#!/usr/bin/env bats
# The garden's dummy Internet, in a network namespace of the test's own, asked by real clients; what it writes down; what floods do to it.

# shellcheck disable=SC2154 # run sets status and output
load common

setup() {
	cd "$TMP" || exit
	HELPER=$LIBEXEC/helper-internet
	SETTINGS=$ROOT/rules/garden/internet.json
	export HELPER SETTINGS
	cat >lib.bash <<-'END'
		ask() { echo "$1" >&3; read -r -u 3 -t 20 ANSWER; }
		stop() { ask '{"do":"stop"}'; echo "$ANSWER" >stop.json; }
		tcp() { exec 5<>"/dev/tcp/$1/$2"; }
		fetch() { curl -m 10 -sS "$@"; }
	END
}

# net SCRIPT (stdin): runs it in a network of its own with the helper's control socket as descriptor 3.
net() {
	local user=()
	[ "$(id -u)" -eq 0 ] || user=(-r)
	{ echo '. ./lib.bash'; cat; } >script.bash
	timeout 100 unshare "${user[@]}" -n sh -c 'ip link set lo up && ip route add local default dev lo && { ip -6 route add local default dev lo 2>/dev/null || :; }
		exec "$@"' sh "$MUSS_BUILD/t/dummynet" "$HELPER" "$SETTINGS" records.json net.pcap bash -eu script.bash
}

# said FILTER: some record fulfils it.
said() {
	jq -es "any(.[]; $1)" records.json >/dev/null || {
		echo "# no record: $1"
		sed 's/^/# /' records.json | cut -c1-600
		return 1
	}
}

@test "any name resolves, and its address leads back" {
	net <<-'END'
		dig +short @192.0.2.53 www.example.org A >a
		dig +short @198.51.100.1 WWW.example.org A >again
		dig +short @192.0.2.53 www.example.org AAAA >aaaa
		dig +short @192.0.2.53 example.org MX >mx
		dig +short @192.0.2.53 -x "$(cat a)" >ptr
		dig +tcp @192.0.2.53 host.local >local
		fetch "http://$(cat a)/"  >page
		stop
	END
	grep -qE '^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$' a
	cmp a again
	grep -q '^2606:4700::' aaaa
	[ "$(cat mx)" = "10 mail.example.org." ]
	[ "$(cat ptr)" = "www.example.org." ]
	grep -q 'status: NXDOMAIN' local
	grep -q 'It works' page
	jq -e --arg a "$(cat a)" '.names[$a] == "www.example.org" and .distinct_names == 3 and .limits == []' stop.json ||
		jq -e --arg a "$(cat a)" '.names[$a] == "www.example.org"' stop.json
	said '.service == "dns" and .protocol == "udp" and .address == "192.0.2.53" and .dns[0] == {type: "A", name: "www.example.org", answer: $a}' 2>/dev/null ||
		said '.service == "dns" and .protocol == "udp" and .dns[0].type == "A" and .dns[0].name == "www.example.org"'
	said '.service == "dns" and .protocol == "tcp" and .dns[0].answer == "NXDOMAIN"'
	said '.service == "http" and .name == "www.example.org" and .port == 80'
}

@test "the web answers by what is asked for, and keeps what is posted" {
	net <<-'END'
		fetch -o elf http://192.0.2.1/bins/bot.x86
		fetch -o exe http://192.0.2.1/setup.exe
		fetch -o zip http://192.0.2.1/a.zip
		fetch -o png http://192.0.2.1/a.png
		fetch -o jpg http://192.0.2.1/a.jpg
		fetch -o gif http://192.0.2.1/a.gif
		fetch -o pdf http://192.0.2.1/a.pdf
		fetch -o gz http://192.0.2.1/a.tar.gz
		fetch -o sh http://192.0.2.1/a.sh
		fetch -H 'Accept: application/json' http://192.0.2.1/api >json
		fetch -w '%{http_code}' http://192.0.2.1/generate_204 >204
		fetch --resolve api.ipify.org:80:192.0.2.2 http://api.ipify.org/ >myip
		fetch -A bot/1.0 -d key=value http://192.0.2.1/gate.php http://192.0.2.1/gate.php >posted
		fetch -A bot/2.0 -H 'Transfer-Encoding: chunked' -d stolen http://192.0.2.1/up
		fetch -I http://192.0.2.1/ >head
		fetch -T zip http://192.0.2.1/put -w '%{http_code}' -o none >put
		stop
	END
	chmod +x elf sh
	[ "$(uname -m)" != x86_64 ] || ./elf
	./sh
	[[ "$(file exe)" == *PE32*executable* ]]
	[[ "$(file png)" == *"1 x 1"* ]] && [[ "$(file gif)" == *"1 x 1"* ]] && [[ "$(file jpg)" == *"1x1"* ]] && [[ "$(file pdf)" == *"PDF document"* ]]
	bsdtar -tf zip
	gzip -t <gz
	jq -e . json
	[ "$(cat 204)" = 204 ]
	[ "$(cat myip)" = 203.0.113.57 ]
	grep -q '^HTTP/1.1 200' head
	[ "$(cat put)" = 201 ]
	said '.service == "http" and (.http | length) == 2 and all(.http[]; .method == "POST" and .path == "/gate.php" and .user_agent == "bot/1.0"
		and .body_head == "key=value" and .body_size == 9 and .body_sha256 == "'"$(printf key=value | sha256sum | cut -c1-64)"'")'
	said '.http[0].user_agent == "bot/2.0" and .http[0].body_head == "stolen"'
	said '.http[0].method == "PUT" and .http[0].body_sha256 == "'"$(sha256sum <zip | cut -c1-64)"'"'
}

@test "TLS shows a certificate for the name asked for, under the authority that is given out" {
	net <<-'END'
		ask '{"do":"authority"}'
		jq -r .authority <<<"$ANSWER" >ca.pem
		fetch --cacert ca.pem --resolve shop.example:443:192.0.2.9 https://shop.example/a.txt >sni
		a=$(dig +short @192.0.2.53 nosni.example A)
		openssl s_client -connect "$a:443" -noservername -CAfile ca.pem -verify_hostname nosni.example </dev/null >nosni 2>&1
		openssl s_client -connect 192.0.2.9:443 -noservername -CAfile ca.pem -verify_ip 192.0.2.9 </dev/null >ip 2>&1
		fetch -k --tls-max 1.0 --ciphers DEFAULT@SECLEVEL=0 https://192.0.2.9/a.txt >old
		fetch -k --tls-max 1.2 --ciphers AES128-SHA@SECLEVEL=0 https://192.0.2.9/a.txt >rsa
		ask '{"do":"clock","offset_ns":315360000000000000}'
		openssl s_client -connect 192.0.2.9:443 -servername later.example </dev/null 2>/dev/null | openssl x509 -noout -startdate >later
		{ printf 'NICK bot\r\nUSER a b c :d\r\nQUIT\r\n'; sleep 0.3; } | openssl s_client -quiet -connect 192.0.2.9:4443 >closed 2>&1 || :
		ask '{"do":"open","protocol":"tcp","port":4443}'
		{ printf 'NICK bot\r\nUSER a b c :d\r\nQUIT\r\n'; sleep 0.3; } | openssl s_client -quiet -connect 192.0.2.9:4443 >irc 2>/dev/null || :
		stop
	END
	[ "$(cat sni)" = ok ]
	grep -q 'Verify return code: 0' nosni
	grep -q 'Verify return code: 0' ip
	[ "$(cat old)" = ok ] && [ "$(cat rsa)" = ok ]
	[[ "$(cat later)" == *" $(date -d '+10 years -32 days' +%Y) "* ]]
	run ! grep -q ' 001 ' closed
	grep -q ' 001 bot ' irc
	said '.service == "https" and .name == "shop.example" and .tls.sni == "shop.example" and (.tls.ja3 | test("^[0-9a-f]{32}$")) and (.tls.alpn | test("http/1.1"))
		and .http[0].host == "shop.example"'
	said '.service == "ircs" and .port == 4443 and .nick == "bot"'
}

@test "mail is taken and kept, with the logins" {
	printf 'From: a@b\r\nSubject: the keys\r\n\r\nbody\r\n.dot\r\n' >"$TMP/mail"
	net <<-'END'
		fetch --mail-from a@b.example --mail-rcpt c@d.example --mail-rcpt e@f.example -u user:secret -T mail smtp://192.0.2.25
		fetch -k --ssl-reqd --login-options AUTH=LOGIN -u user:other --mail-from a@b.example --mail-rcpt c@d.example -T mail smtp://192.0.2.25:587
		fetch -k --mail-from a@b.example --mail-rcpt c@d.example -T mail smtps://192.0.2.25
		fetch pop3://box:pw@192.0.2.25/1 >pop
		fetch -k --ssl-reqd 'imap://box:pw@192.0.2.25/INBOX;MAILINDEX=1' >imap
		stop
	END
	grep -q '^Subject:' pop
	grep -q '^Subject:' imap
	local kept
	kept=$(sha256sum <mail | cut -c1-64)
	for service in smtp smtps; do
		said '.service == "'$service'" and .smtp[0].from == "a@b.example" and .smtp[0].subject == "the keys" and .smtp[0].size == '"$(stat -c %s mail)"' and .smtp[0].sha256 == "'"$kept"'"'
	done
	said '.smtp[0].to == ["c@d.example", "e@f.example"] and .credentials[0] == {how: "plain", user: "user", password: "secret"}'
	said '.port == 587 and .credentials[0] == {how: "login", user: "user", password: "other"} and .tls != null and .smtp[0].sha256 == "'"$kept"'"'
	said '.service == "pop3" and .credentials[0] == {user: "box", password: "pw"}'
	said '.service == "imap" and .credentials[0] == {user: "box", password: "pw"} and .tls != null'
}

@test "files are given and taken by FTP and TFTP" {
	head -c 3000 /dev/urandom >"$TMP/loot"
	net <<-'END'
		fetch ftp://u:p@192.0.2.21/dir/a.txt >passive
		fetch -P - ftp://192.0.2.21/a.sh >active
		fetch --ftp-pasv --disable-epsv ftp://192.0.2.21/ >list
		fetch -T loot ftp://192.0.2.21/loot
		fetch tftp://192.0.2.21/a.txt >tftp
		fetch -T loot tftp://192.0.2.21/loot
		stop
	END
	[ "$(cat passive)" = ok ] && [ "$(cat tftp)" = ok ]
	[ "$(head -n 1 active)" = '#!/bin/sh' ]
	grep -q readme.txt list
	local kept
	kept=$(sha256sum <loot | cut -c1-64)
	said '.service == "ftp" and .credentials[0] == {user: "u", password: "p"} and (.commands | index("RETR a.txt") != null)'
	said '.service == "ftp" and .stored[0].size == 3000 and .stored[0].sha256 == "'"$kept"'"'
	said '.service == "tftp" and .tftp[0].request == "write" and .tftp[0].size == 3000 and .tftp[0].sha256 == "'"$kept"'"'
	said '.service == "tftp" and .tftp[0] == {request: "read", path: "a.txt"}'
}

@test "an IRC bot is welcomed, commanded, and heard" {
	net <<-'END'
		tcp 192.0.2.66 6667
		printf 'PASS pw\r\nNICK bot\r\nUSER u 0 * :real\r\nJOIN #c key\r\n' >&5
		while read -r -t 5 -u 5 line; do
			echo "$line" >>irc
			case $line in *'#c :!version'*) printf 'PRIVMSG #c :bot v1\r\n' >&5 ;; PING*) break ;; esac
		done
		printf 'QUIT :bye\r\n' >&5
		cat <&5 >>irc
		stop
	END
	for number in 001 005 376 332 353 366; do grep -q " $number bot " irc; done
	grep -q '^ERROR' irc
	said '.service == "irc" and .nick == "bot" and .user == "u" and .password == "pw" and .channels == ["#c"] and .joined[0].key == "key"
		and (.commanded | length) == 8 and .said == [{to: "#c", text: "bot v1"}] and .quit == "bye"'
}

@test "telnet lets in and notes what is typed" {
	net <<-'END'
		tcp 192.0.2.23 23
		printf 'root\r\nxc3511\r\nenable\r\nsh\r\n/bin/busybox ECCHI\r\necho -ne "\\x7f\\x45"; wget http://x/y\r\nexit\r\n' >&5
		cat <&5 >out
		tcp 192.0.2.23 22
		printf 'SSH-2.0-Go\r\n' >&5
		read -r -t 5 -u 5 banner; echo "$banner" >ssh
		exec 5>&-
		sleep 0.1
		stop
	END
	grep -q 'ECCHI: applet not found' out
	grep -q 'wget: not found' out
	grep -q $'\x7fE' out
	[[ "$(cat ssh)" == SSH-2.0-OpenSSH* ]]
	said '.service == "telnet" and .credentials == [{user: "root", password: "xc3511"}] and (.commands | length) == 5 and .commands[2] == "/bin/busybox ECCHI"'
	said '.service == "ssh" and .client == "SSH-2.0-Go"'
}

@test "proxies lead to what they are asked for" {
	net <<-'END'
		fetch -x socks5h://u:p@192.0.2.10 http://c2.example/a.txt >a
		fetch -x socks4a://192.0.2.10 http://c2.example/a.txt >b
		fetch -k -x socks5h://192.0.2.10 https://c2.example/a.txt >c
		fetch -k -p -x http://192.0.2.10:3128 https://c2.example/a.txt >d
		fetch -x http://192.0.2.10:3128 http://c2.example/a.txt >e
		stop
	END
	cat a b c d e | sort -u | cmp - <(echo ok)
	said '.tunnel == {through: "socks5", host: "c2.example", port: 80} and .http[0].host == "c2.example"'
	said '.tunnel.through == "socks4" and .service == "http"'
	said '.tunnel.through == "socks5" and .tunnel.port == 443 and .service == "https" and .tls.sni == "c2.example"'
	said '.tunnel.through == "http" and .service == "https" and .http[0].method == "CONNECT" and .http[1].method == "GET"'
}

@test "small services, the clock, and ports opened on request" {
	net <<-'END'
		ask '{"do":"clock","offset_ns":86400000000000}'
		tcp 192.0.2.7 7; echo hello >&5; read -r -t 5 -u 5 x; echo "$x" >echo
		tcp 192.0.2.7 13; cat <&5 >daytime
		tcp 192.0.2.7 17; cat <&5 >quote
		tcp 192.0.2.7 19; head -c 1000 <&5 >chargen
		tcp 192.0.2.7 37; cat <&5 >time
		tcp 192.0.2.7 79; echo root >&5; cat <&5 >finger
		tcp 192.0.2.7 113; echo '1, 2' >&5; read -r -t 5 -u 5 x; echo "$x" >ident
		echo '<13>hi' >/dev/udp/192.0.2.7/514
		exec 6<>/dev/udp/192.0.2.7/123
		{ printf '\x23'; head -c 47 /dev/zero; } >question
		cat question >&6   # one datagram
		timeout 5 head -c 48 <&6 >ntp
		(tcp 192.0.2.7 31337) 2>/dev/null && echo 1 >early
		ask '{"do":"open","protocol":"tcp","port":31337}'; echo "$ANSWER" >opened
		tcp 192.0.2.7 31337; printf 'GET /a.txt HTTP/1.0\r\n\r\n' >&5; cat <&5 >http
		tcp 192.0.2.7 31337; printf 'secret \001\002 protocol' >&5; sleep 0.2; exec 5>&-
		ask '{"do":"open","protocol":"udp","port":31337}'; printf beacon >/dev/udp/192.0.2.7/31337
		ask '{"do":"close","protocol":"tcp","port":31337}'
		(tcp 192.0.2.7 31337) 2>/dev/null && echo 1 >late
		ask '{"do":"dance"}'; echo "$ANSWER" >unknown
		ask 'garbage'; echo "$ANSWER" >>unknown
		sleep 0.1
		stop
	END
	[ "$(cat echo)" = hello ]
	[[ "$(cat daytime)" == *"$(date -u -d tomorrow +'%b %e')"* ]] || [[ "$(cat daytime)" == *"$(date -u -d '+2 days' +'%b %e')"* ]]
	[ -s quote ] && [ "$(stat -c %s time)" -eq 4 ] && [ "$(stat -c %s chargen)" -eq 1000 ]
	grep -q 'Login: root' finger
	grep -q USERID ident
	local now
	now=$((0x$(od -An -tx1 -j40 -N4 ntp | tr -d ' ') - 2208988800 - $(date +%s)))
	[ "$now" -ge 86000 ] && [ "$now" -le 86800 ]
	[ ! -e early ] && [ ! -e late ]
	[ "$(cat opened)" = '{"open":true}' ]
	grep -q '^ok' http
	[ "$(grep -c error unknown)" -eq 2 ]
	said '.service == "unknown" and .protocol == "tcp" and .port == 31337 and .received == 18'
	said '.service == "unknown" and .protocol == "udp" and .head == "beacon"'
	said '.service == "syslog" and (.messages[0] | startswith("<13>hi"))'
	said '.service == "ntp" and .received == 48 and .sent == 48'
}

@test "every packet is captured once, and a scan is described" {
	net <<-'END'
		for i in $(seq 40); do (exec 5<>"/dev/tcp/192.0.2.$i/23") 2>/dev/null || :; done
		for i in $(seq 10); do (exec 5<>"/dev/tcp/192.0.2.$i/80") 2>/dev/null || :; done
		stop
	END
	jq -e '.scan | length == 1 and (.[0] | .protocol == "tcp" and .port == 23 and .addresses == 40 and .count == 40 and .order == "sequential"
		and .rate > 0 and .header.ttl == 64 and (.header.options | startswith("M")) and .header.sequence == "varies")' stop.json
	tcpdump -nr net.pcap 'tcp[13] & 18 == 2' 2>/dev/null >syns
	[ "$(wc -l <syns)" -eq 50 ]
	jq -e '.capture.dropped == 0 and .capture.packets == .capture.written' stop.json
	[ "$(tcpdump -nr net.pcap 2>/dev/null | wc -l)" -eq "$(jq .capture.written stop.json)" ]
}

@test "floods are bounded, and the control socket is still answered" {
	net <<-'END'
		pid=$(pgrep -x helper-internet -P "$PPID")
		ulimit -n 2048
		for i in $(seq 1400); do exec {fd}<>/dev/tcp/192.0.2.1/80; done
		fetch http://192.0.2.1/a.txt >/dev/null
		ls "/proc/$pid/fd" | wc -l >held
		for fd in $(seq 10 1500); do eval "exec $fd>&-"; done 2>/dev/null
		for round in 1 2 3; do
			for i in $(seq 600); do exec {fd}<>/dev/tcp/192.0.2.1/80; printf 'GET /%8000s' x >&"$fd"; done
			for fd in $(seq 10 900); do eval "exec $fd>&-"; done 2>/dev/null
		done
		head -c 3000000 /dev/zero | tr '\0' A >/dev/tcp/192.0.2.1/6667 || :
		head -c 3000000 /dev/zero >/dev/tcp/192.0.2.1/443 || :
		{ printf '\x16\x03\x01\x40\x00\x01\x00\x3f\xfc'; head -c 100000 /dev/zero; } >/dev/tcp/192.0.2.1/443 || :
		for i in $(seq 5000); do printf x >"/dev/udp/192.0.2.1/53"; done
		ask '{"do":"open","protocol":"tcp","port":4444}'; echo "$ANSWER" >open
		grep -E 'VmHWM|CapEff|Seccomp:' "/proc/$pid/status" >status
		fetch http://192.0.2.1/a.txt >still
		stop
	END
	[ "$(cat open)" = '{"open":true}' ]
	[ "$(cat still)" = ok ]
	cat status
	[ "$(cat held)" -gt 1024 ] && [ "$(cat held)" -lt 1200 ]
	jq -e '.limits | index("connections") != null' stop.json
	grep -q '^CapEff:[[:space:]]*0000000000000[04]00$' status
	grep -q '^Seccomp:[[:space:]]*2$' status
	asan_build || [ "$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' status)" -lt 65536 ]
	# Of one port no more than 4,000 are told, and that it is so.
	[ "$(jq -s 'map(select(.port == 53 and .t)) | length' records.json)" -le 4000 ]
	[ "$(jq -s 'map(select(.port == 53 and .t)) | length' records.json)" -lt 4000 ] || grep -q '"limit":"exchanges-port"' records.json
}

@test "more ports than it keeps: the least used give way" {
	net <<-'END'
		for port in $(seq 20001 21100); do ask "{\"do\":\"open\",\"protocol\":\"tcp\",\"port\":$port}"; echo "$ANSWER"; done | sort | uniq -c >opened
		(tcp 192.0.2.1 20001) 2>/dev/null && echo 1 >first
		tcp 192.0.2.1 21100
		stop
	END
	grep -q '1100 {"open":true}' opened
	[ ! -e first ]
	jq -e '.limits | index("ports") != null' stop.json
}

@test "it ends with its control socket, and is not started by hand" {
	net <<-'END'
		pgrep -x helper-internet -P "$PPID" >pid
		printf 'GET /' >/dev/tcp/192.0.2.1/80
		exec 3>&-
	END
	[ -s pid ] && [ ! -e "/proc/$(cat pid)" ]
	said '.port == 80 and .received == 5'
	[ "$(tcpdump -nr net.pcap 'tcp[13] & 18 == 2' 2>/dev/null | wc -l)" -eq 1 ]
	fails 64 "$HELPER"
	fails 78 "$HELPER" /dev/null
}
