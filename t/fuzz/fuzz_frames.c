/*
 * The frames of the protocol: the first byte says into which pieces the rest is cut. Nothing crashes, the pieces do not
 * matter, and a message that was read is read the same again after it was made anew.
 * rooms: link trust base
 */
#include "link/frames.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(enum frame t)
{
	return t != FRAME_BODIES && t != FRAME_WANT && t != FRAME_DATA && t != FRAME_END && t != FRAME_WAIT;
}

static void round_trip(const struct frames_got *g)
{
	struct frames_msg m, again;
	struct frames_in in = { 0 };
	struct frames_got h;
	struct buf b = { 0 };
	struct err e = { 0 };
	const unsigned char *p;
	size_t n;

	if (!is_json(g->type) || frames_parse(g->type, g->p, g->n, &m, &e) < 0)
		return;
	frames_make(g->type, &m, &b);
	p = b.p;
	n = b.len;
	/* Texts may hold what needs escapes, so that they come back, cut or not, as some text; all else is the same. */
	if (frames_next(&in, &p, &n, &h, &e) != 1 || n || frames_parse(h.type, h.p, h.n, &again, &e) < 0)
		abort();
	memset(m.text, 0, sizeof(m.text));
	memset(again.text, 0, sizeof(again.text));
	memset(m.software, 0, sizeof(m.software));
	memset(again.software, 0, sizeof(again.software));
	memset(m.code, 0, sizeof(m.code));
	memset(again.code, 0, sizeof(again.code));
	if (memcmp(&m, &again, sizeof(m)) != 0)
		abort();
	frames_free(&in);
	buf_free(&b);
}

/* All payloads behind one another, and how it ended. */
static int decode(const uint8_t *data, size_t size, size_t piece, struct buf *out, bool look)
{
	struct frames_in in = { 0 };
	struct frames_got g;
	struct err e = { 0 };
	int rc = 0;

	for (size_t at = 0; at < size && rc >= 0; at += piece) {
		const unsigned char *p = data + at;
		size_t n = size - at < piece ? size - at : piece;

		while ((rc = frames_next(&in, &p, &n, &g, &e)) == 1) {
			if (g.n)
				buf_add(out, g.p, g.n);
			if (look)
				round_trip(&g);
		}
		if (in.body.len > CAP_FRAME)
			abort();
	}
	frames_free(&in);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = { 0 }, pieces = { 0 };
	int a, b;

	if (!size)
		return 0;
	a = decode(data + 1, size - 1, size, &whole, true);
	b = decode(data + 1, size - 1, 1 + data[0] % 64, &pieces, false);
	if (a != b || whole.len != pieces.len || (whole.len && memcmp(whole.p, pieces.p, whole.len) != 0))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
