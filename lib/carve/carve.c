#include "carve/internal.h"

#include <stdlib.h>
#include <string.h>

static void stop(struct within *w, const char *limit)
{
	if (!w->out->stopped)
		w->out->stopped = limit;
}

/* The first span that ends behind it. */
static size_t span_at(const struct within *w, uint64_t at)
{
	size_t low = 0, high = w->spans;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->taken[mid].to <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t carve_taken(const struct within *w, uint64_t at)
{
	size_t i = span_at(w, at);

	return i < w->spans && w->taken[i].from <= at ? w->taken[i].to : 0;
}

bool carve_work(struct within *w, uint64_t bytes)
{
	if (bytes > *w->work) {
		*w->work = 0;
		stop(w, "work");
		return false;
	}
	*w->work -= bytes;
	return true;
}

void carve_mark(bool table[256], const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table[(unsigned char)bytes[i]] = true;
}

/* Spans stay apart and in order: one that meets others becomes one with them. */
static void take(struct within *w, uint64_t from, uint64_t size)
{
	size_t i = span_at(w, from), end = i;
	struct span new = { from, from + size };

	for (; end < w->spans && w->taken[end].from < new.to; end++) {
		new.from = w->taken[end].from < new.from ? w->taken[end].from : new.from;
		new.to = w->taken[end].to > new.to ? w->taken[end].to : new.to;
	}
	if (end == i && w->spans % 64 == 0)
		w->taken = buf_realloc(w->taken, w->spans + 64, sizeof *w->taken);
	memmove(w->taken + i + 1, w->taken + end, (w->spans - end) * sizeof *w->taken);
	w->taken[i] = new;
	w->spans = w->spans - (end - i) + 1;
}

static bool is_there(const struct carving *c, const struct buf *bytes)
{
	for (size_t i = 0; i < c->count; i++)
		if (bytes->len && c->piece[i].bytes.len == bytes->len && !memcmp(c->piece[i].bytes.p, bytes->p, bytes->len))
			return true;
	return false;
}

/* A quarter of the pieces is never a text's: decoys are not to leave a program no room. */
static bool fits(struct within *w, const struct carved *piece)
{
	bool text = piece->what == CARVE_TEXT;
	uint64_t held = piece->bytes.len;
	size_t texts = 0;

	for (size_t i = 0; i < w->out->count; i++) {
		held += w->out->piece[i].bytes.len;
		texts += w->out->piece[i].what == CARVE_TEXT;
	}
	if (w->out->count >= w->l->pieces || (text && texts >= w->l->pieces - w->l->pieces / 4))
		stop(w, "pieces");
	else if (held > w->l->bytes)
		stop(w, "bytes");
	else if (w->depth >= w->l->depth)
		stop(w, "depth");
	else
		return true;
	return false;
}

void carve_free(struct carved *c)
{
	buf_free(&c->bytes);
	free(c->key);
	free(c->name);
}

bool carve_offer(struct within *w, struct carved *piece)
{
	struct carving *out = w->out;
	bool found;

	piece->parent = w->index;
	piece->encoded |= w->index >= 0 && out->piece[w->index].encoded;
	if (!piece->what)
		piece->what = meaning_of(piece->bytes.p, piece->bytes.len);
	found = piece->what;
	if (found)
		take(w, piece->offset, piece->size);
	if (!found || is_there(out, &piece->bytes) || !fits(w, piece)) {
		carve_free(piece);
	} else {
		out->piece = buf_realloc(out->piece, out->count + 1, sizeof *out->piece);
		out->piece[out->count++] = *piece;
	}
	*piece = (struct carved){ 0 };
	return found;
}

/* What is written for Windows may be a text of 16 bits a character: once more as one of 8. */
static void narrow(struct within *w)
{
	struct carved c = { .size = w->n, .coding = "utf-16le" };

	if (!meaning_wide(w->p, w->n) || !carve_work(w, w->n / 2))
		return;
	for (size_t i = 0; i + 1 < w->n; i += 2)
		if (!w->p[i + 1])
			buf_addc(&c.bytes, (char)w->p[i]);
	carve_offer(w, &c);
}

/* A decoded piece may be a text under a key. */
static void unkey(struct within *w)
{
	struct carved c = { .size = w->n, .coding = "xor" };
	unsigned char key = w->index >= 0 && w->out->piece[w->index].what == CARVE_DATA ? meaning_text_key(w->p, w->n) : 0;

	if (!key || !carve_work(w, w->n))
		return;
	for (size_t i = 0; i < w->n; i++)
		buf_addc(&c.bytes, (char)(w->p[i] ^ key));
	c.key = buf_printf("%02x", key);
	carve_offer(w, &c);
}

enum { UNPACKING, READING, PURSES };

/* What unpacks may spend what it has on bombs: reading texts costs little more than their length, and has a purse of its own. */
static void look(struct within *w, uint64_t purse[PURSES])
{
	w->work = &purse[UNPACKING];
	archives_look(w);   /* before what its members hold is met as it stands there */
	programs_look(w);
	streams_look(w);
	w->work = &purse[READING];
	narrow(w);
	unkey(w);
	texts_look(w);
	numbers_look(w);
	literals_look(w);
	uuencode_look(w);
	free(w->taken);
}

static unsigned depth_of(const struct carving *c, int index)
{
	unsigned depth = 0;

	for (; index >= 0; index = c->piece[index].parent)
		depth++;
	return depth;
}

/* A stream, an archive or data out of which nothing came meant nothing: chance bytes have such beginnings. */
static void prune(struct carving *c)
{
	int *place = buf_alloc((c->count + 1) * sizeof *place);
	size_t kept = 0;

	/* A piece's own pieces stand behind it: place counts them first. */
	for (size_t i = c->count; i-- > 0;) {
		place[i] = place[i] || c->piece[i].what <= CARVE_TEXT;
		if (place[i] && c->piece[i].parent >= 0)
			place[c->piece[i].parent] = 1;
	}
	for (size_t i = 0; i < c->count; i++) {
		if (!place[i]) {
			carve_free(&c->piece[i]);
			continue;
		}
		place[i] = (int)kept;
		c->piece[kept] = c->piece[i];
		if (c->piece[kept].parent >= 0)
			c->piece[kept].parent = place[c->piece[kept].parent];
		kept++;
	}
	c->count = kept;
	free(place);
}

void carve(const void *p, size_t n, const struct carve_limits *l, struct carving *out)
{
	static const struct carve_limits usual = CARVE_USUAL;
	const struct carve_limits limits = {
		l && l->pieces ? l->pieces : usual.pieces, l && l->bytes ? l->bytes : usual.bytes, l && l->work ? l->work : usual.work,
		l && l->depth ? l->depth : usual.depth,
	};
	uint64_t purse[PURSES] = { limits.work - limits.work / 4, limits.work / 4 };
	struct within file = { .out = out, .l = &limits, .p = p, .n = n, .index = -1 };

	*out = (struct carving){ 0 };
	look(&file, purse);
	for (size_t i = 0; i < out->count; i++) {
		struct within w = { .out = out, .l = &limits, .p = out->piece[i].bytes.p, .n = out->piece[i].bytes.len, .index = (int)i,
			.depth = depth_of(out, (int)i) };

		look(&w, purse);
	}
	prune(out);
}

void carving_free(struct carving *c)
{
	for (size_t i = 0; i < c->count; i++)
		carve_free(&c->piece[i]);
	free(c->piece);
	*c = (struct carving){ 0 };
}
