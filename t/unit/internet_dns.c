#include "unit.h"
#include "internet/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

static struct names *names;
static struct dns_settings settings = { .ttl = 300 };

static void open_names(void)
{
	json_t *pools = json_pack("[s,s]", "104.16.0.0/13", "95.216.0.0/16");

	names = names_new(pools, "2606:4700::");
	settings.names = names;
	json_decref(pools);
}

/* A query for `name` (dots) of that type into q; more: bytes behind it. */
static void query(struct buf *q, const char *name, unsigned type, const char *more, size_t n)
{
	const unsigned char head[12] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, n ? 1 : 0 }, tail[4] = { (unsigned char)(type >> 8), (unsigned char)type, 0, 1 };

	buf_clear(q);
	buf_add(q, head, sizeof head);
	while (*name) {
		size_t len = strcspn(name, ".");

		buf_addc(q, (char)len);
		buf_add(q, name, len);
		name += len + (name[len] == '.');
	}
	buf_addc(q, '\0');
	buf_add(q, tail, sizeof tail);
	buf_add(q, more, n);
}

/* The answer's text as it is recorded, "-" for none; *rcode. */
static const char *ask(const char *name, unsigned type, unsigned *rcode, struct buf *out)
{
	static char text[512];
	struct buf q = { 0 };
	json_t *note = NULL;
	const char *s;

	buf_clear(out);
	query(&q, name, type, "", 0);
	snprintf(text, sizeof text, "-");
	*rcode = 99;
	if (dns_answer(&settings, q.p, q.len, 65535, false, out, &note)) {
		*rcode = out->p[3] & 15;
		s = jsonio_str(note, "answer");
		snprintf(text, sizeof text, "%s", s ? s : "-");
	}
	json_decref(note);
	buf_free(&q);
	return text;
}

static void test_names(void)
{
	struct buf out = { 0 };
	char first[512], reverse[600];
	unsigned rcode, a[4];

	snprintf(first, sizeof first, "%s", ask("www.Example.ORG", 1, &rcode, &out));
	OK(rcode == 0 && sscanf(first, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]) == 4 && out.p[7] == 1, "a name has an address");
	OK(out.len >= 16 && a[0] == out.p[out.len - 4] && a[3] == out.p[out.len - 1], "the one that is told stands in the answer");
	OK(!strcmp(first, ask("www.example.org", 1, &rcode, &out)), "always the same one");
	OK(strcmp(first, ask("example.org", 1, &rcode, &out)) != 0, "another name has another");
	snprintf(reverse, sizeof reverse, "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1], a[0]);
	OK_STR(ask(reverse, 12, &rcode, &out), "www.example.org", "which leads back");
	ask("9.9.9.9.in-addr.arpa", 12, &rcode, &out);
	OK(rcode == 3, "an address without a name leads nowhere");
	OK(!strncmp(ask("www.example.org", 28, &rcode, &out), "2606:4700::", 11), "it has an IPv6 address");
	OK_STR(ask("example.org", 15, &rcode, &out), "mail.example.org", "and a mail exchanger");
	OK_STR(ask("_xmpp._tcp.example.org", 33, &rcode, &out), "srv.example.org", "and a service");
	OK(!strcmp(ask("example.org", 64, &rcode, &out), "-") && rcode == 0 && out.p[7] == 0, "of an unknown type it has none");
	ask("a.local", 1, &rcode, &out);
	OK(rcode == 3, "local names are not the Internet's");
	settings.nxdomain = json_pack("[s]", "kill*.example");
	ask("killswitch.example", 1, &rcode, &out);
	OK(rcode == 3, "nor are those the settings deny");
	json_decref((json_t *)(uintptr_t)settings.nxdomain);
	settings.nxdomain = NULL;
	buf_free(&out);
}

static void test_forms(void)
{
	struct buf q = { 0 }, out = { 0 };
	json_t *note = NULL, *txt = json_array();
	char text[256];

	query(&q, "example.org", 1, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
	OK(dns_answer(&settings, q.p, q.len, 0, true, &out, &note) && out.p[11] == 1 && out.p[out.len - 9] == 0x29, "EDNS is answered with EDNS");
	json_decref(note);
	buf_clear(&out);
	OK(dns_answer(&settings, q.p, q.len - 13, 512, true, &out, &note) && !note && (out.p[3] & 15) == 1 && out.len == 12, "a question that is cut off: FORMERR");
	buf_clear(&out);
	q.p[2] |= 0x10;
	OK(dns_answer(&settings, q.p, q.len, 512, true, &out, &note) && (out.p[3] & 15) == 4, "another operation: NOTIMP");
	q.p[2] = 0x80;
	buf_clear(&out);
	OK(!dns_answer(&settings, q.p, q.len, 512, true, &out, &note), "an answer is not answered");
	OK(!dns_answer(&settings, q.p, 11, 512, true, &out, &note), "nor is what has no header");
	memset(text, 'x', 200);
	text[200] = '\0';
	for (int i = 0; i < 4; i++)
		json_array_append_new(txt, json_string(text));
	settings.txt = txt;
	query(&q, "example.org", 16, "", 0);
	buf_clear(&out);
	OK(dns_answer(&settings, q.p, q.len, 0, true, &out, &note) && out.p[2] & 2 && out.len <= 512 && out.p[7] == 0, "what is too long for a datagram is truncated");
	json_decref(note);
	buf_clear(&out);
	OK(dns_answer(&settings, q.p, q.len, 65535, false, &out, &note) && !(out.p[2] & 2) && out.p[7] == 4, "and whole over TCP");
	json_decref(note);
	settings.txt = NULL;
	json_decref(txt);
	buf_free(&q);
	buf_free(&out);
}

/* Names without end: each is answered, the first ones keep leading back. */
static void test_many(void)
{
	struct in6_addr first = { 0 };
	bool remembered = true;
	char name[64];
	uint32_t v4;

	names_address(names, "n0.example", &v4);
	v4 = htonl(v4);
	first.s6_addr[10] = first.s6_addr[11] = 0xff;
	memcpy(first.s6_addr + 12, &v4, 4);
	for (unsigned i = 1; i < NAMES_MOST + 1000; i++) {
		snprintf(name, sizeof name, "n%u.example", i);
		remembered = names_address(names, name, &v4);
		if (!v4)
			break;
	}
	OK(v4 && !remembered, "more names than are remembered have addresses");
	OK_STR(names_of(names, &first), "n0.example", "and the first still leads back");
}

int main(void)
{
	open_names();
	test_names();
	test_forms();
	test_many();
	names_free(names);
	return unit_end();
}
