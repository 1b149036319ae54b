#include "unit.h"
#include "link/frames.h"

#include <stdlib.h>

/* Feeds `all` in pieces of n bytes; counts frames and appends the payloads. */
static int decode(const struct buf *all, size_t n, struct buf *payloads, enum frame *last, struct err *e)
{
	struct frames_in in = { 0 };
	int frames = 0, rc = 0;

	for (size_t at = 0; at < all->len && rc >= 0; at += n) {
		const unsigned char *p = all->p + at;
		size_t left = all->len - at < n ? all->len - at : n;
		struct frames_got g;

		while ((rc = frames_next(&in, &p, &left, &g, e)) == 1) {
			frames++;
			*last = g.type;
			if (g.n)
				buf_add(payloads, g.p, g.n);
		}
	}
	if (rc >= 0 && !frames_between(&in))
		rc = -2;
	frames_free(&in);
	return rc < 0 ? rc : frames;
}

static void test_round_trip(void)
{
	struct frames_msg m = { .size = 1234567890123, .again = true }, r;
	struct frames_in in = { 0 };
	struct frames_got g;
	struct buf b = { 0 };
	const unsigned char *p;
	size_t n;
	struct err e = { 0 };

	memset(m.id, 'a', 32);
	memset(m.sha256, '0', 64);
	snprintf(m.time, sizeof(m.time), "2026-11-22T21:30:00Z");
	frames_make(FRAME_RECEIPT, &m, &b);
	p = b.p;
	n = b.len;
	OK(frames_next(&in, &p, &n, &g, &e) == 1 && g.type == FRAME_RECEIPT && n == 0, "a RECEIPT is one frame");
	OK(frames_parse(FRAME_RECEIPT, g.p, g.n, &r, &e) == 0, "and is read");
	OK(!strcmp(r.id, m.id) && !strcmp(r.sha256, m.sha256) && !strcmp(r.time, m.time) && r.size == m.size && r.again, "as it was made");
	frames_free(&in);
	buf_free(&b);
}

static void test_pieces(void)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 7, 64, 100000 };
	struct frames_msg m = { .version = 1 };
	struct buf all = { 0 }, want = { 0 };
	enum frame last = 0;
	struct err e = { 0 };
	bool good = true;

	frames_make(FRAME_HELLO, &m, &all);
	buf_add(&want, all.p + FRAMES_HEAD, all.len - FRAMES_HEAD);
	frames_raw(FRAME_DATA, "some bytes", 10, &all);
	buf_add(&want, "some bytes", 10);
	frames_raw(FRAME_END, NULL, 0, &all);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct buf got = { 0 };
		int n = decode(&all, pieces[i], &got, &last, &e);

		good = good && n >= 3 && last == FRAME_END && got.p && got.len == want.len && !memcmp(got.p, want.p, got.len);
		buf_free(&got);
	}
	OK(good, "frames are the same in whatever pieces they come");
	buf_free(&all);
	buf_free(&want);
}

static int decode_bytes(const char *p, size_t n)
{
	struct buf b = { 0 }, out = { 0 };
	enum frame last = 0;
	struct err e = { 0 };
	int rc;

	buf_add(&b, p, n);
	rc = decode(&b, 1, &out, &last, &e);
	buf_free(&b);
	buf_free(&out);
	return rc == -1 ? e.code : rc;
}

static void test_refused(void)
{
	OK(decode_bytes("\0\0\0\0\0", 5) == EX_PROTOCOL, "type 0 is refused");
	OK(decode_bytes("\0\0\0\0\x11", 5) == EX_PROTOCOL, "a type behind the last is refused");
	OK(decode_bytes("\0\x10\0\1\7", 5) == EX_PROTOCOL, "DATA one byte over the cap is refused at its head");
	OK(decode_bytes("\0\x10\0\0\7", 5) == -2, "DATA at the cap is not");
	OK(decode_bytes("\0\1\0\1\1", 5) == EX_PROTOCOL, "JSON over 64 KiB is refused at its head");
	OK(decode_bytes("\0\0\0\0\7", 5) == EX_PROTOCOL, "empty DATA is refused");
	OK(decode_bytes("\0\0\0\1\x8", 5) == EX_PROTOCOL, "END with a payload is refused");
	OK(decode_bytes("\0\0\0\0\x8", 5) == 1, "END without one is a frame");
}

static int parse(enum frame t, const char *json)
{
	struct frames_msg m;
	struct err e = { 0 };

	return frames_parse(t, json, strlen(json), &m, &e) < 0 ? e.code : 0;
}

static void test_fields(void)
{
#define ID "\"case\":\"0123456789abcdef0123456789abcdef\""
	OK(parse(FRAME_UNKNOWN, "{" ID "}") == 0, "a case id of 32 hex digits");
	OK(parse(FRAME_UNKNOWN, "{" ID ",\"new\":[1,{}]}") == 0, "unknown keys are ignored");
	OK(parse(FRAME_UNKNOWN, "{}") == EX_PROTOCOL, "a missing key");
	OK(parse(FRAME_UNKNOWN, "{\"case\":\"0123456789abcdef0123456789abcdeF\"}") == EX_PROTOCOL, "an upper-case digit");
	OK(parse(FRAME_UNKNOWN, "{\"case\":\"../../../../../../../../etc/passwd\"}") == EX_PROTOCOL, "a path for an id");
	OK(parse(FRAME_UNKNOWN, "{\"case\":\"0123456789abcdef0123456789abcdef0\"}") == EX_PROTOCOL, "33 digits");
	OK(parse(FRAME_UNKNOWN, "[]") == EX_PROTOCOL && parse(FRAME_UNKNOWN, "") == EX_PROTOCOL, "no object");
	OK(parse(FRAME_FROM, "{\"offset\":-1}") == EX_PROTOCOL, "a negative offset");
	OK(parse(FRAME_FROM, "{\"offset\":1.0}") == EX_PROTOCOL, "an offset that is no integer");
	OK(parse(FRAME_OFFER, "{" ID ",\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"bodies\":200001}") ==
	   EX_PROTOCOL, "more bodies than a case may have");
	OK(parse(FRAME_ERROR, "{\"code\":\"later\"}") == 0, "an ERROR needs no text");
	OK(frames_code_exit("later") == EX_TEMPFAIL && frames_code_exit("denied") == EX_NOPERM && frames_code_exit("?") == EX_PROTOCOL,
	   "codes and exits");
}

static void test_record(void)
{
	struct link_body b = { .size = 0x0102030405060708 }, r;
	unsigned char raw[FRAMES_RECORD];

	memset(b.sha256, 'c', 64);
	frames_record(&b, raw);
	OK(raw[32] == 1 && raw[39] == 8 && raw[0] == 0xcc, "a record is digest and size, big-endian");
	frames_unrecord(raw, &r);
	OK(!strcmp(r.sha256, b.sha256) && r.size == b.size, "and comes back");
}

int main(void)
{
	test_round_trip();
	test_pieces();
	test_refused();
	test_fields();
	test_record();
	return unit_end();
}
