#include "known/segment.h"

#include <stdlib.h>
#include <string.h>

#define SHARD_DIGESTS 49152u   /* offsets within a shard fit 16 bits, and its filter a processor's cache */
#define PLACE_DIGESTS 8u

static void derive(struct shape *s)
{
	s->skip = s->place_bits / 8;
	s->tail = s->kept - s->skip;
}

void segment_shape(struct shape *s, uint64_t digests, unsigned kept)
{
	memset(s, 0, sizeof(*s));
	s->kept = kept;
	while (s->shard_bits < FORMAT_MAX_SHARD_BITS && digests >> s->shard_bits > SHARD_DIGESTS)
		s->shard_bits++;
	while (s->place_bits < FORMAT_MAX_PLACE_BITS && digests >> s->place_bits > PLACE_DIGESTS)
		s->place_bits++;
	derive(s);
}

static uint64_t places(const struct shape *s)
{
	return (uint64_t)1 << (s->place_bits - s->shard_bits);
}

uint64_t segment_hot_size(const struct shape *s, const struct shard *t)
{
	return format_round(t->fuse.size + places(s) * t->directory_width, FORMAT_HOT_ALIGN);
}

static uint64_t at_names(const struct shape *s, const struct shard *t)
{
	return format_round((uint64_t)t->count * s->tail, 4);
}

uint64_t segment_cold_size(const struct shape *s, const struct shard *t)
{
	uint64_t sources = t->source_width ? (uint64_t)t->count * t->source_width : 4;

	return format_round(at_names(s, t) + (t->names ? (uint64_t)t->count * 4 : 0) + sources, FORMAT_COLD_ALIGN);
}

void segment_lay_out(const struct shape *s, struct shard *t, const unsigned char *hot, const unsigned char *cold)
{
	t->filter = hot;
	t->directory = hot + t->fuse.size;
	t->tails = cold;
	t->sources = cold + at_names(s, t);
	if (t->names) {
		t->names = t->sources;
		t->sources += (uint64_t)t->count * 4;
	}
}

/* ---- opening ---- */

struct parts { uint64_t cold, cold_size, hot, hot_size, text; };

/* Part by part, each at the page behind the one before, and nothing behind the last. */
static bool in_order(const struct segment *s, const struct parts *p)
{
	uint64_t at = format_round(s->head_size, FORMAT_PAGE);

	if (p->cold != at || p->cold_size > s->size || p->hot != (at = format_round(at + p->cold_size, FORMAT_PAGE)) ||
	    p->hot_size > s->size || p->text != (at = format_round(at + p->hot_size, FORMAT_PAGE)) || s->text_size > FORMAT_MAX_TEXT)
		return false;
	return at + s->text_size == s->size;
}

static const char *read_row(struct segment *s, const struct parts *p, const unsigned char *row, struct shard *t, uint64_t *hot,
                            uint64_t *cold)
{
	unsigned log = row[ROW_SEGMENT_LOG];

	t->count = format_get32(row + ROW_COUNT);
	t->fuse.size = format_get32(row + ROW_FILTER);
	t->fuse.seed = format_get32(row + ROW_SEED);
	t->fuse.segment = log < 31 ? (uint32_t)1 << log : 0;
	t->fuse.span = t->fuse.size - 2 * t->fuse.segment;
	t->directory_width = row[ROW_DIRECTORY_WIDTH];
	t->source_width = row[ROW_SOURCE_WIDTH];
	t->names = row[ROW_NAMES] ? row : NULL;   /* segment_lay_out puts it right */
	if (!fuse_sound(&t->fuse) || (t->directory_width != 2 && t->directory_width != 4) ||
	    (t->source_width > 2 && t->source_width != 4) || row[ROW_NAMES] > 1)
		return "a shard in no known form";
	if (format_get64(row + ROW_HOT) != *hot || format_get64(row + ROW_COLD) != *cold)
		return "a shard out of its place";
	if (*hot + segment_hot_size(&s->shape, t) > p->hot_size || *cold + segment_cold_size(&s->shape, t) > p->cold_size)
		return "a shard beyond its end";
	segment_lay_out(&s->shape, t, s->map + p->hot + *hot, s->map + p->cold + *cold);
	*hot += segment_hot_size(&s->shape, t);
	*cold += segment_cold_size(&s->shape, t);
	return NULL;
}

const char *segment_open(struct segment *s)
{
	const unsigned char *h = s->map;
	uint64_t hot = 0, cold = 0, count = 0;
	struct parts p;
	char is[DIGEST_HEX], stated[DIGEST_HEX];
	const char *why;
	uint32_t shards;

	if (s->size < FORMAT_HEAD || s->head_size < FORMAT_HEAD || s->head_size > s->size)
		return "a segment that is cut";
	digest_bytes(h, s->head_size, is);
	digest_tohex(s->sum, KNOWN_DIGEST, stated);
	if (strcmp(is, stated))
		return "it does not match its own SHA-256";
	s->shape = (struct shape){.kept = format_get32(h + AT_KEPT), .shard_bits = format_get32(h + AT_SHARD_BITS),
	                          .place_bits = format_get32(h + AT_PLACE_BITS)};
	if ((s->shape.kept != FORMAT_KEPT && s->shape.kept != KNOWN_DIGEST) || s->shape.shard_bits > FORMAT_MAX_SHARD_BITS ||
	    s->shape.place_bits > FORMAT_MAX_PLACE_BITS || s->shape.place_bits < s->shape.shard_bits)
		return "a segment in no known form";
	derive(&s->shape);
	shards = (uint32_t)1 << s->shape.shard_bits;
	if (s->head_size != FORMAT_HEAD + (uint64_t)shards * FORMAT_ROW)
		return "a segment that is cut";
	p = (struct parts){.cold = format_get64(h + AT_COLD), .cold_size = format_get64(h + AT_COLD_SIZE), .hot = format_get64(h + AT_HOT),
	                   .hot_size = format_get64(h + AT_HOT_SIZE), .text = format_get64(h + AT_TEXT)};
	s->text_size = format_get64(h + AT_TEXT_SIZE);
	if (!in_order(s, &p))
		return "a segment that is cut";
	s->shards = buf_realloc(NULL, shards, sizeof(*s->shards));
	for (uint32_t i = 0; i < shards; i++) {
		if ((why = read_row(s, &p, h + FORMAT_HEAD + (uint64_t)i * FORMAT_ROW, &s->shards[i], &hot, &cold)))
			return why;
		count += s->shards[i].count;
	}
	if (hot != p.hot_size || cold != p.cold_size || count != s->count || s->count > FORMAT_MAX_COUNT)
		return "impossible counts";
	s->hot_size = hot;
	s->text = (const char *)h + p.text;
	if (!s->text_size || s->text[0] || s->text[s->text_size - 1])
		return "its text does not end";
	return NULL;
}

void segment_close(struct segment *s)
{
	free(s->shards);
	s->shards = NULL;
}

/* ---- looking up ---- */

void segment_place(const struct segment *s, const struct shard *t, uint64_t place, uint32_t *from, uint32_t *to)
{
	*from = format_get(t->directory + place * t->directory_width, t->directory_width);
	*to = place + 1 < places(&s->shape) ? format_get(t->directory + (place + 1) * t->directory_width, t->directory_width) : t->count;
	if (*to > t->count || *from > *to)
		*from = *to = 0;
}

static uint64_t place_of(const struct segment *s, uint64_t key)
{
	return format_bits(key, s->shape.shard_bits, s->shape.place_bits - s->shape.shard_bits);
}

/* Between from and to, of which there are some eight. */
static bool confirm(const struct segment *s, const struct shard *t, const unsigned char *digest, unsigned bytes, uint32_t from,
                    uint32_t to, struct segment_at *at)
{
	size_t n = bytes - s->shape.skip;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;
		int c = memcmp(digest + s->shape.skip, t->tails + (size_t)mid * s->shape.tail, n);

		if (!c) {
			*at = (struct segment_at){t, mid};
			return true;
		}
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return false;
}

bool segment_find(const struct segment *s, const unsigned char *digest, unsigned bytes, struct segment_at *at)
{
	uint64_t key = format_key(digest), hash;
	const struct shard *t = segment_shard(s, key);
	uint32_t from, to, probe[3];

	if (t->fuse.size) {
		hash = fuse_hash(fuse_key(digest), t->fuse.seed);
		fuse_places(&t->fuse, hash, probe);
		if (!fuse_maybe(t->filter, hash, probe))
			return false;
	}
	segment_place(s, t, place_of(s, key), &from, &to);
	return confirm(s, t, digest, bytes < s->shape.kept ? bytes : s->shape.kept, from, to, at);
}

struct probe { const struct shard *shard; uint64_t hash; uint32_t at[3], from, to; };

/* The filters' answers: the bits of those that may be there. */
static uint64_t maybe(const struct segment *s, const unsigned char (*digests)[KNOWN_DIGEST], unsigned n, struct probe *q)
{
	uint64_t left = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct shard *t = segment_shard(s, format_key(digests[i]));

		q[i].shard = t;
		if (!t->fuse.size)
			continue;
		q[i].hash = fuse_hash(fuse_key(digests[i]), t->fuse.seed);
		fuse_places(&t->fuse, q[i].hash, q[i].at);
		for (unsigned k = 0; k < 3; k++)
			__builtin_prefetch(t->filter + q[i].at[k]);
	}
	for (unsigned i = 0; i < n; i++)
		if (!q[i].shard->fuse.size || fuse_maybe(q[i].shard->filter, q[i].hash, q[i].at))
			left |= (uint64_t)1 << i;
	return left;
}

uint64_t segment_find_many(const struct segment *s, const unsigned char (*digests)[KNOWN_DIGEST], unsigned n, struct segment_at *at)
{
	struct probe q[SEGMENT_BATCH];
	uint64_t left = maybe(s, digests, n, q), found = 0;

	for (uint64_t rest = left; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);

		__builtin_prefetch(q[i].shard->directory + place_of(s, format_key(digests[i])) * q[i].shard->directory_width);
	}
	for (uint64_t rest = left; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);

		segment_place(s, q[i].shard, place_of(s, format_key(digests[i])), &q[i].from, &q[i].to);
		__builtin_prefetch(q[i].shard->tails + (size_t)q[i].from * s->shape.tail);
		__builtin_prefetch(q[i].shard->tails + (size_t)q[i].to * s->shape.tail);
	}
	for (uint64_t rest = left; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);

		if (confirm(s, q[i].shard, digests[i], s->shape.kept, q[i].from, q[i].to, &at[i]))
			found |= (uint64_t)1 << i;
	}
	return found;
}

uint32_t segment_source(const struct segment_at *at)
{
	unsigned width = at->shard->source_width;

	return width ? format_get(at->shard->sources + (size_t)at->i * width, width) : format_get32(at->shard->sources);
}

const char *segment_name(const struct segment *s, const struct segment_at *at)
{
	uint32_t name = at->shard->names ? format_get32(at->shard->names + (size_t)at->i * 4) : FORMAT_NO_NAME;

	return name == FORMAT_NO_NAME ? NULL : name < s->text_size ? s->text + name : "";
}

/* The bits that the place tells come before the stored bytes, and overlap their first one. */
void segment_digest(const struct segment *s, uint32_t shard, uint32_t place, uint32_t i, unsigned char digest[KNOWN_DIGEST])
{
	const struct shape *h = &s->shape;
	uint64_t bits = h->place_bits ? ((uint64_t)shard << (h->place_bits - h->shard_bits) | place) << (64 - h->place_bits) : 0;

	memset(digest, 0, KNOWN_DIGEST);
	for (unsigned k = 0; k < h->skip; k++)
		digest[k] = (unsigned char)(bits >> (56 - 8 * k));
	memcpy(digest + h->skip, s->shards[shard].tails + (size_t)i * h->tail, h->tail);
}

/* ---- verifying ---- */

static bool all_zero(const unsigned char *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Every entry of a place where it belongs, in order, and let through by the filter. */
static bool place_in_order(const struct segment *s, uint32_t number, uint64_t place, uint32_t from, uint32_t to)
{
	const struct shard *t = &s->shards[number];
	unsigned char digest[KNOWN_DIGEST], last[KNOWN_DIGEST];

	for (uint32_t i = from; i < to; i++) {
		uint64_t hash;
		uint32_t at[3];

		segment_digest(s, number, (uint32_t)place, i, digest);
		if (place_of(s, format_key(digest)) != place || (i > from && memcmp(last, digest, KNOWN_DIGEST) >= 0))
			return false;
		memcpy(last, digest, KNOWN_DIGEST);
		if (!t->fuse.size)
			continue;
		hash = fuse_hash(fuse_key(digest), t->fuse.seed);
		fuse_places(&t->fuse, hash, at);
		if (!fuse_maybe(t->filter, hash, at))
			return false;
	}
	return true;
}

static bool shard_in_order(const struct segment *s, uint32_t number)
{
	uint32_t next = 0;

	for (uint64_t place = 0; place < places(&s->shape); place++) {
		uint32_t from, to;

		segment_place(s, &s->shards[number], place, &from, &to);
		if (from == to)
			continue;
		if (from != next || !place_in_order(s, number, place, from, to))
			return false;
		next = to;
	}
	return next == s->shards[number].count;
}

const char *segment_spots(const struct segment *s, uint32_t spots)
{
	for (uint32_t i = 0; i < spots; i++) {
		uint32_t shard = (uint32_t)(((uint64_t)i << s->shape.shard_bits) / spots), from, to;
		uint64_t place = (uint64_t)i * 0x9e3779b1u % places(&s->shape);

		segment_place(s, &s->shards[shard], place, &from, &to);
		if (!place_in_order(s, shard, place, from, to))
			return "its digests are out of order";
	}
	return NULL;
}

static bool matches(struct digest *d, const unsigned char *sum)
{
	char is[DIGEST_HEX], stated[DIGEST_HEX];

	digest_end(d, is);
	digest_tohex(sum, KNOWN_DIGEST, stated);
	return !strcmp(is, stated);
}

static const char *verify_parts(const struct segment *s, struct digest *d)
{
	const unsigned char *h = s->map;
	uint64_t cold = format_get64(h + AT_COLD), cold_end = cold + format_get64(h + AT_COLD_SIZE), hot = format_get64(h + AT_HOT);
	uint64_t hot_end = hot + s->hot_size, text = format_get64(h + AT_TEXT);

	if (!all_zero(h + s->head_size, cold - s->head_size) || !all_zero(h + cold_end, hot - cold_end) ||
	    !all_zero(h + hot_end, text - hot_end))
		return "something stands between its parts";
	digest_add(d, s->text, s->text_size);
	return matches(d, h + AT_TEXT_SUM) ? NULL : "it does not match its own SHA-256";
}

const char *segment_verify(const struct segment *s)
{
	struct digest *d = digest_new();
	const char *why = verify_parts(s, d);

	for (uint32_t i = 0; !why && i < (uint32_t)1 << s->shape.shard_bits; i++) {
		const struct shard *t = &s->shards[i];

		digest_add(d, t->filter, segment_hot_size(&s->shape, t));
		digest_add(d, t->tails, segment_cold_size(&s->shape, t));
		if (!matches(d, s->map + FORMAT_HEAD + (uint64_t)i * FORMAT_ROW + ROW_SUM))
			why = "it does not match its own SHA-256";
		else if (!shard_in_order(s, i))
			why = "its digests are out of order";
	}
	digest_free(d);
	return why;
}
