/*
 * segment: a part of an index file that never changes: shards by the digests' first bits, and in each a filter, a directory
 * over the next bits and what is left of the digests, in order. index.c looks things up in them, shards.c writes them.
 */
#ifndef KNOWN_SEGMENT_H
#define KNOWN_SEGMENT_H

#include "known/fuse.h"
#include "known/known.h"

/* How a segment is cut up, which follows from what it holds. */
struct shape {
	unsigned kept;                  /* bytes of a digest that decide */
	unsigned shard_bits, place_bits;   /* first bits that tell the shard; that tell the place in the directory, shard_bits with them */
	unsigned skip, tail;            /* bytes in front that the place tells, and bytes that are stored */
};
void segment_shape(struct shape *s, uint64_t digests, unsigned kept);

struct shard {
	const unsigned char *filter, *directory, *tails, *names, *sources;   /* names: or NULL */
	struct fuse fuse;
	uint32_t count;
	unsigned directory_width, source_width;   /* source_width 0: one number for all, 4 bytes */
};
/* Sizes of a shard's two parts, from its counts. */
uint64_t segment_hot_size(const struct shape *s, const struct shard *t);
uint64_t segment_cold_size(const struct shape *s, const struct shard *t);
void segment_lay_out(const struct shape *s, struct shard *t, const unsigned char *hot, const unsigned char *cold);

struct segment {
	const unsigned char *map;
	uint64_t offset, size, count, names, head_size;   /* as the state says */
	const unsigned char *sum;                         /* of the head, in the state */
	struct shape shape;
	struct shard *shards;
	const char *text;
	uint64_t text_size, hot_size;
};
/* Reads the head and the rows; map is the segment's first byte. NULL, or why not. */
const char *segment_open(struct segment *s);
void segment_close(struct segment *s);
/* All of it, against its sums and its own order. NULL, or what is wrong. */
const char *segment_verify(const struct segment *s);
/* The order of samples alone. */
const char *segment_spots(const struct segment *s, uint32_t spots);
struct segment_at { const struct shard *shard; uint32_t i; };
/* Compares the first `bytes` of the digest, at most what is kept. */
bool segment_find(const struct segment *s, const unsigned char *digest, unsigned bytes, struct segment_at *at);
/* Of `n` up to SEGMENT_BATCH digests those that are there, as bits: the memory's latency is paid once for all. */
#define SEGMENT_BATCH 64u
uint64_t segment_find_many(const struct segment *s, const unsigned char (*digests)[KNOWN_DIGEST], unsigned n, struct segment_at *at);
void segment_digest(const struct segment *s, uint32_t shard, uint32_t place, uint32_t i, unsigned char digest[KNOWN_DIGEST]);
uint32_t segment_source(const struct segment_at *at);
const char *segment_name(const struct segment *s, const struct segment_at *at);   /* NULL: none */
/* The first entry of a place of the directory, and behind its last. */
void segment_place(const struct segment *s, const struct shard *t, uint64_t place, uint32_t *from, uint32_t *to);

static inline const struct shard *segment_shard(const struct segment *s, uint64_t key)
{
	return &s->shards[format_bits(key, 0, s->shape.shard_bits)];
}

#endif
