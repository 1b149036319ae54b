#include "unit.h"
#include "internet/internal.h"

#include <stdlib.h>

struct sample { const char *p; size_t n; const char *want; };
#define S(text, want) { text, sizeof(text) - 1, want }

static const struct sample streams[] = {
	S("GET / HTTP/1.1\r\n", "http"), S("POST /a?b HTTP/1.0\r\n", "http"), S("BREW /pot HTTP/1.1\r\n", "http"), S("CONNECT a:443 HTTP/1.1\r\n", "http"),
	S("FOO bar HTTP/1.1\n", "http"), S("GET /\r\n", "http"),
	S("NICK bot\r\n", "irc"), S("USER a b c :d\r\n", "irc"), S("PASS x\r\nNICK y\r\n", "irc"), S("CAP LS 302\r\n", "irc"),
	S("EHLO a\r\n", "smtp"), S("helo a\r\n", "smtp"), S("USER anonymous\r\n", "ftp"), S("A1 LOGIN u p\r\n", "imap"), S("a CAPABILITY\r\n", "imap"),
	S("SSH-2.0-Go\r\n", "ssh"), S("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "tls"), S("\x80\x2e\x01\x03\x01\x00", "tls"),
	S("\x05\x01\x00", "socks"), S("\x05\x02\x00\x02", "socks"), S("\x04\x01\x00\x50\x01\x02\x03\x04\x00", "socks"), S("\x04\x01\x00\x50\x00\x00\x00\x01u\x00", "socks"),
	S("\xff\xfb\x01", "telnet"), S("\x03\x00\x00\x13\x0e\xe0", "rdp"), S("\x00\x00\x00\x90\xffSMBr", "smb"), S("\x00\x00\x00\x90\xfeSMB@", "smb"),
	S("\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07", "dns"),
	S("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n", "stratum"), S("*1\r\n$4\r\nPING\r\n", "redis"), S("CNXN\x00\x00\x00\x01", "adb"),
	S("\x13" "BitTorrent protocol\x00", "bittorrent"), S("OPTIONS rtsp://a RTSP/1.0\r\n", "rtsp"),
	S("hello world\r\n", ""), S("GETTY\r\n", ""), S("\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f", ""),
	S("{\"a\":1}\n", ""),
	/* not yet */
	S("G", NULL), S("GET / HTTP/1.", NULL), S("SSH", NULL), S("\x16\x03", NULL), S("\x05\x02\x00", NULL), S("\x04\x01\x00\x50\x01\x02\x03\x04u", NULL), S("{\"id\":1,", NULL),
};
static const struct sample datagrams[] = {
	S("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x00\x00\x01\x00\x01", "dns"), S("\x00\x01" "a\x00octet\x00", "tftp"),
	S("\x23\x00\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "ntp"),
	S("M-SEARCH * HTTP/1.1\r\n", "ssdp"), S("d1:ad2:id20:abcdefghij", "bittorrent-dht"), S("<13>Jan 1 a: b", "syslog"), S("", ""), S("\x00", ""), S("zork", ""),
};

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Every prefix of what is told apart, in memory that ends where it ends. */
static void test_streams(void)
{
	bool whole = true, prefixes = true;

	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		const struct sample *s = &streams[i];
		const char *got = guess_stream((const unsigned char *)s->p, s->n);

		if (!same(got, s->want)) {
			printf("# stream %zu: %s, not %s\n", i, got ? got : "nothing yet", s->want ? s->want : "nothing yet");
			whole = false;
		}
		for (size_t n = 0; n < s->n; n++) {
			unsigned char *p = buf_alloc(n);

			memcpy(p, s->p, n);
			got = guess_stream(p, n);
			/* Nothing is taken for nobody's that becomes somebody's with the next bytes. */
			if (got && !*got && s->want && *s->want) {
				printf("# stream %zu: given up after %zu bytes\n", i, n);
				prefixes = false;
			}
			free(p);
		}
	}
	OK(whole, "protocols are told by their first bytes");
	OK(prefixes, "however few of them come at first");
}

static void test_datagrams(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof datagrams / sizeof *datagrams; i++) {
		const char *got = guess_datagram((const unsigned char *)datagrams[i].p, datagrams[i].n);

		if (!same(got, datagrams[i].want)) {
			printf("# datagram %zu: %s\n", i, got);
			good = false;
		}
	}
	OK(good, "and so are datagrams");
}

/* JA3's own example (TLS 1.0, GREASE left out): the string is 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0. */
static void test_hello(void)
{
	static const unsigned char ciphers[] = { 0x0a, 0x0a, 0, 47, 0, 53, 0, 5, 0, 10, 0xc0, 9, 0xc0, 10, 0xc0, 19, 0xc0, 20, 0, 50, 0, 56, 0, 19, 0, 4 };
	static const unsigned char extensions[] = { 0, 0, 0, 16, 0, 14, 0, 0, 11, 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g',
						    0, 10, 0, 8, 0, 6, 0, 23, 0, 24, 0, 25, 0, 11, 0, 2, 1, 0 };
	struct buf body = { 0 }, wire = { 0 };
	unsigned char zero[32] = { 0 };
	struct hello h;
	bool partly = true;

	buf_add(&body, "\x03\x01", 2);
	buf_add(&body, zero, 32);
	buf_addc(&body, 0);
	buf_addc(&body, 0);
	buf_addc(&body, sizeof ciphers);
	buf_add(&body, ciphers, sizeof ciphers);
	buf_add(&body, "\x01\x00", 2);
	buf_addc(&body, 0);
	buf_addc(&body, sizeof extensions);
	buf_add(&body, extensions, sizeof extensions);
	/* In two records, the first of which holds ten bytes. */
	buf_add(&wire, "\x16\x03\x01\x00\x0a\x01\x00\x00", 8);
	buf_addc(&wire, (char)body.len);
	buf_add(&wire, body.p, 6);
	buf_add(&wire, "\x16\x03\x01\x00", 4);
	buf_addc(&wire, (char)(body.len - 6));
	buf_add(&wire, body.p + 6, body.len - 6);
	for (size_t n = 0; n < wire.len; n++)
		partly = partly && hello_read(wire.p, n, &h) == 0;
	OK(partly, "a hello that is not whole is waited for");
	OK(hello_read(wire.p, wire.len, &h) == 1 && h.version == 0x301 && h.ecdsa, "a hello in two records is read");
	OK_STR(h.sni, "example.org", "the name it asks for");
	OK_STR(h.ja3, "ada70206e40642a3e4461f35503241d5", "its JA3 digest is the one that JA3's authors give");
	wire.p[5] = 2;
	OK(hello_read(wire.p, wire.len, &h) == -1, "another message is none");
	buf_free(&body);
	buf_free(&wire);
}

int main(void)
{
	test_streams();
	test_datagrams();
	test_hello();
	return unit_end();
}
