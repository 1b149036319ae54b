#include "known/shard.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *room(struct buf *b, uint64_t n)
{
	unsigned char *p;

	buf_reserve(b, (size_t)n);
	p = b->p + b->len;
	memset(p, 0, (size_t)n);
	b->len += (size_t)n;
	return p;
}

static void measure(struct shard *t, const struct entry *p, uint32_t n)
{
	uint32_t most = 0;
	bool one = true;

	memset(t, 0, sizeof(*t));
	t->count = n;
	for (uint32_t i = 0; i < n; i++) {
		most = p[i].source > most ? p[i].source : most;
		one &= p[i].source == p[0].source;
		if (p[i].name != FORMAT_NO_NAME)
			t->names = p[i].digest;   /* any: segment_lay_out puts it right */
	}
	t->directory_width = n < 65536 ? 2 : 4;
	t->source_width = one ? 0 : most < 256 ? 1 : most < 65536 ? 2 : 4;
}

/* The filter at p, or none where it cannot be made. */
static void make_filter(struct shard *t, const struct entry *p, struct buf *hot)
{
	uint64_t *keys = buf_realloc(NULL, (size_t)t->count + 1, sizeof(*keys));
	uint32_t n = 0;
	size_t before = hot->len;

	for (uint32_t i = 0; i < t->count; i++) {
		uint64_t key = fuse_key(p[i].digest);

		if (!n || keys[n - 1] != key)
			keys[n++] = key;
	}
	fuse_shape(&t->fuse, n);
	if (!fuse_build(&t->fuse, keys, n, room(hot, t->fuse.size))) {
		hot->len = before;
		t->fuse = (struct fuse){.segment = 1};
	}
	free(keys);
}

/* With a width that is a constant where it is called. */
static inline void fill_directory(const struct shape *h, const struct shard *t, const struct entry *p, unsigned char *to, unsigned width)
{
	uint64_t places = (uint64_t)1 << (h->place_bits - h->shard_bits), next = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		uint64_t place = format_bits(format_key(p[i].digest), h->shard_bits, h->place_bits - h->shard_bits);

		for (; next <= place; next++)
			format_put(to + next * width, i, width);
	}
	for (; next < places; next++)
		format_put(to + next * width, t->count, width);
}

static void make_directory(const struct shape *h, const struct shard *t, const struct entry *p, unsigned char *to)
{
	if (t->directory_width == 2)
		fill_directory(h, t, p, to, 2);
	else
		fill_directory(h, t, p, to, 4);
}

static inline void fill_tails(const struct shape *h, const struct entry *p, size_t n, unsigned char *to, unsigned tail)
{
	for (size_t i = 0; i < n; i++)
		memcpy(to + i * tail, p[i].digest + h->skip, tail);
}

static inline void fill_sources(const struct entry *p, size_t n, unsigned char *to, unsigned width)
{
	for (size_t i = 0; i < n; i++)
		format_put(to + i * width, p[i].source, width);
}

static void make_entries(const struct shape *h, struct shard *t, const struct entry *p, unsigned char *cold)
{
	unsigned char *tails = cold, *sources, *names;

	segment_lay_out(h, t, cold, cold);
	sources = cold + (t->sources - cold);
	names = t->names ? cold + (t->names - cold) : NULL;
	if (h->tail == FORMAT_KEPT - 3)   /* where there are many */
		fill_tails(h, p, t->count, tails, FORMAT_KEPT - 3);
	else
		fill_tails(h, p, t->count, tails, h->tail);
	for (uint32_t i = 0; names && i < t->count; i++)
		format_put32(names + (size_t)i * 4, p[i].name);
	switch (t->source_width) {
	case 0:
		format_put32(sources, t->count ? p[0].source : 0);
		break;
	case 1:
		fill_sources(p, t->count, sources, 1);
		break;
	case 2:
		fill_sources(p, t->count, sources, 2);
		break;
	default:
		fill_sources(p, t->count, sources, 4);
	}
}

void shard_make(const struct shape *h, const struct entry *p, uint32_t n, struct buf *to_hot, struct buf *to_cold, unsigned char *row)
{
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];
	struct shard t;
	size_t hot = to_hot->len, cold = to_cold->len;
	unsigned log = 0;

	measure(&t, p, n);
	make_filter(&t, p, to_hot);
	room(to_hot, segment_hot_size(h, &t) - t.fuse.size);
	make_directory(h, &t, p, to_hot->p + hot + t.fuse.size);
	room(to_cold, segment_cold_size(h, &t));
	row[ROW_NAMES] = t.names != NULL;
	make_entries(h, &t, p, to_cold->p + cold);
	digest_add(d, to_hot->p + hot, to_hot->len - hot);
	digest_add(d, to_cold->p + cold, to_cold->len - cold);
	digest_end(d, hex);
	digest_free(d);
	while ((uint32_t)1 << log < t.fuse.segment)
		log++;
	format_put64(row + ROW_HOT, hot);      /* in the buffer: whoever writes that makes it the segment's */
	format_put64(row + ROW_COLD, cold);
	format_put32(row + ROW_COUNT, n);
	format_put32(row + ROW_FILTER, t.fuse.size);
	format_put32(row + ROW_SEED, t.fuse.seed);
	row[ROW_SEGMENT_LOG] = (unsigned char)log;
	row[ROW_DIRECTORY_WIDTH] = (unsigned char)t.directory_width;
	row[ROW_SOURCE_WIDTH] = (unsigned char)t.source_width;
	digest_unhex(hex, row + ROW_SUM, KNOWN_DIGEST);
}
