/* Compressed streams, wherever they begin. */
#include "carve/internal.h"

#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define WINDOW_RAW (-15)
#define WINDOW_ZLIB 15
#define WINDOW_GZIP (15 + 16)
#define CUT_LEAST 1024u             /* bytes that a damaged or cut stream must have given to be believed */
#define CUT_LEAST_GZIP 32u          /* its header tells more than two bytes do */
#define DEFLATED_LEAST 24u
#define FIRST "\x1f\xfd\x28\x04\x5d" "B" "\x08\x18\x28\x38\x48\x58\x68\x78"   /* bytes of what streams_at() knows */

static bool bzip2_at(const unsigned char *p, size_t n)
{
	return n > 10 && !memcmp(p, "BZh", 3) && p[3] >= '1' && p[3] <= '9' && !memcmp(p + 4, "\x31\x41\x59\x26\x53\x59", 6);
}

/* The properties of every encoder's presets, a dictionary of a power of two, and a size that is either unknown or small. */
static bool lzma_at(const unsigned char *p, size_t n)
{
	return n > 18 && p[0] == 0x5d && !p[1] && !p[2] && !(p[3] & (p[3] - 1u)) && (p[3] || p[4]) && p[4] <= 8 &&
		(!memcmp(p + 5, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) || (!p[9] && !p[10] && !p[11] && !p[12])) && !p[13];
}

const char *streams_at(const unsigned char *p, size_t n)
{
	static const struct { const char *name, *magic; size_t n; } known[] = {
		{ "gzip", "\x1f\x8b\x08", 3 }, { "xz", "\xfd" "7zXZ", 6 }, { "zstd", "\x28\xb5\x2f\xfd", 4 }, { "lz4", "\x04\x22\x4d\x18", 4 },
	};

	if (n <= 6)
		return NULL;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (*p == (unsigned char)*known[i].magic && !memcmp(p, known[i].magic, known[i].n))
			return known[i].name;
	/* RFC 1950: deflate, a window of at most 32 KiB, no dictionary, and a sum of both bytes. */
	if ((p[0] & 0x8f) == 0x08 && !(p[1] & 0x20) && (p[0] << 8 | p[1]) % 31 == 0)
		return "zlib";
	if (*p == 'B' && bzip2_at(p, n))
		return "bzip2";
	return *p == 0x5d && lzma_at(p, n) ? "lzma" : NULL;
}

/* *used: how much of p it took. False: nothing of it is to be believed. */
static bool inflated(struct within *w, const unsigned char *p, size_t n, int window, struct buf *out, size_t *used)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = n < UINT32_MAX ? (uInt)n : UINT32_MAX };
	unsigned char block[32768];
	int rc = Z_OK;

	if (inflateInit2(&z, window) != Z_OK)
		return false;
	while (rc == Z_OK) {
		z.next_out = block;
		z.avail_out = sizeof block;
		rc = inflate(&z, Z_NO_FLUSH);
		/* One piece may take what all may, and a block: then it fits nowhere, and that is told. */
		if (!carve_work(w, sizeof block - z.avail_out) || out->len > w->l->bytes)
			rc = Z_BUF_ERROR;
		buf_add(out, block, sizeof block - z.avail_out);
	}
	*used = (size_t)z.total_in;
	inflateEnd(&z);
	return rc == Z_STREAM_END || (window != WINDOW_RAW && out->len >= (window == WINDOW_GZIP ? CUT_LEAST_GZIP : CUT_LEAST));
}

bool streams_deflated(struct within *w, const struct buf *bytes, struct buf *out)
{
	size_t used;

	return bytes->len >= DEFLATED_LEAST && inflated(w, bytes->p, bytes->len, WINDOW_RAW, out, &used) && used == bytes->len;
}

/* libarchive tells no damage from bytes that follow: where formats do not tell their length, what came out counts. */
static bool unrolled(struct within *w, const char *coding, const unsigned char *p, size_t n, struct buf *out, size_t *used)
{
	struct err e = { 0 };
	size_t extent = extent_of(p, n);
	/* Whose end is sought was read as far as that. */
	struct unroll *u = carve_work(w, OPENING + (strcmp(coding, "xz") ? 0 : extent)) ? unroll_as(coding, p, extent, &e) : NULL;
	const void *block;
	ssize_t got = 0;

	while (u && (got = unroll_block(u, &block, &e)) > 0 && carve_work(w, (uint64_t)got) && out->len <= w->l->bytes)
		buf_add(out, block, (size_t)got);
	*used = u && !got ? unroll_used(u) : extent;
	if (*used > extent)
		*used = extent;
	unroll_close(u);
	return out->len && (!got || out->len >= CUT_LEAST);
}

void streams_look(struct within *w)
{
	bool first[256] = { false };

	carve_mark(first, FIRST, sizeof FIRST - 1);
	for (size_t at = 0; at + 6 < w->n && *w->work; at++) {
		const unsigned char *p = w->p + at;
		struct carved c = { .offset = at, .coding = first[*p] ? streams_at(p, w->n - at) : NULL };
		size_t used = 0;
		bool good;

		if (!c.coding || carve_taken(w, at))
			continue;
		if (!strcmp(c.coding, "gzip") || !strcmp(c.coding, "zlib"))
			good = inflated(w, p, w->n - at, *c.coding == 'g' ? WINDOW_GZIP : WINDOW_ZLIB, &c.bytes, &used);
		else
			good = unrolled(w, c.coding, p, w->n - at, &c.bytes, &used);
		c.size = used;
		if (good)
			carve_offer(w, &c);
		else
			buf_free(&c.bytes);
	}
}
