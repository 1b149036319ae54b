/* err_q, jsonio's bytes and depth, clock: what stands between hostile bytes and a terminal or a parser. */
#include "base/base.h"
#include "unit.h"

#include <stdlib.h>

static void quoting(void)
{
	OK_STR(err_q("plain"), "'plain'", "a plain name is only quoted");
	OK_STR(err_q("a\033[31mb\n"), "'a\\x1b[31mb\\x0a'", "control bytes are escaped");
	OK_STR(err_q("it's \\"), "'it\\'s \\\\'", "quote and backslash are escaped");
	OK_STR(err_q("\xe2\x80\xaegpj"), "'\\xe2\\x80\\xaegpj'", "a bidirectional override is escaped");
	OK_STR(err_q("\xff\xc3\xa4"), "'\\xff\xc3\xa4'", "a broken byte is escaped, a letter is not");
	OK_STR(err_q(NULL), "'(null)'", "NULL does no harm");
	{
		char longer[1000];

		memset(longer, 'x', sizeof longer - 1);
		longer[sizeof longer - 1] = '\0';
		OK(strlen(err_q(longer)) == 205, "a long name is cut");
	}
}

static void bytes(void)
{
	static const char *const names[] = { "plain", "\xff\xfe", "\xef\x9f\xbf", "a\xc3", "\xc3\xa4\x80", "\xef\x9e\x80x", "dev\\x2d" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		json_t *j = jsonio_name(names[i]);
		struct buf b = { 0 };

		OK(j && jsonio_tobytes(json_string_value(j), &b) == 0 && !strcmp(buf_str(&b), names[i]), "a name survives JSON");
		buf_free(&b);
		json_decref(j);
	}
}

static void depth(void)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	json_t *j;

	for (int i = 0; i < 10000; i++)
		buf_addc(&b, '[');
	OK(!jsonio_parse(b.p, b.len, "deep", &e) && e.code == EX_DATAERR && strstr(e.msg, "nested"), "10,000 brackets are refused");
	buf_clear(&b);
	buf_adds(&b, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}");
	j = jsonio_parse(b.p, b.len, "string", &e);
	OK(j != NULL, "brackets in a string are none");
	json_decref(j);
	OK(!jsonio_parse("{\"a\":1,\"a\":2}", 13, "twice", &e), "a key twice is refused");
	OK(!jsonio_parse("", 0, "empty", &e), "empty is no JSON");
	buf_free(&b);
}

/* The paper's own test vector (appendix A). */
static void sip(void)
{
	const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	unsigned char in[15];

	for (unsigned i = 0; i < sizeof in; i++)
		in[i] = (unsigned char)i;
	OK(sip_hash(key, in, sizeof in) == 0xa129ca6149be45e5, "SipHash-2-4 as its authors have it");
	OK(sip_hash(key, NULL, 0) == sip_hash(key, in, 0), "nothing has a hash, too");
}

static void times(void)
{
	char text[CLOCK_RFC3339];
	int64_t t;

	clock_rfc3339(1795383000, text);
	OK_STR(text, "2026-11-22T21:30:00Z", "seconds become RFC 3339");
	OK(clock_parse(text, &t) == 0 && t == 1795383000, "and come back");
	OK(clock_parse("2026-02-31T00:00:00Z", &t) == -1, "no 31st of February");
	OK(clock_parse("2026-11-22 21:30:00Z", &t) == -1, "no other form");
}

static void digests(void)
{
	char hex[DIGEST_HEX];

	digest_bytes("abc", 3, hex);
	OK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256 of abc (FIPS 180-4)");
	OK(digest_ok(hex), "is a digest");
	hex[0] = 'B';
	OK(!digest_ok(hex), "upper case is none");
	OK(!digest_ok("ba7816") && !digest_ok(NULL), "short is none");
}

int main(void)
{
	quoting();
	bytes();
	depth();
	sip();
	times();
	digests();
	return unit_end();
}
