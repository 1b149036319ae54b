/*
 * fuse: a binary fuse filter of 8 bits: Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", ACM Journal
 * of Experimental Algorithmics 27, 2022. It says no, or maybe: yes for all that is in it and for one in 256 of what is not.
 */
#ifndef KNOWN_FUSE_H
#define KNOWN_FUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "known/known-format.h"

struct fuse {
	uint32_t seed;
	uint32_t segment;       /* places in a segment, a power of two */
	uint32_t span;          /* places a first probe can fall on: all but the last two segments */
	uint32_t size;          /* places, one byte each; 0: no filter */
};

/* From the first 16 bytes of a digest. */
static inline uint64_t fuse_key(const unsigned char *digest)
{
	return format_get64(digest) * 0x9e3779b97f4a7c15u + format_get64(digest + 8);
}

static inline uint64_t fuse_hash(uint64_t key, uint32_t seed)
{
	uint64_t h = key + seed * 0xd1342543de82ef95u;

	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

static inline void fuse_places(const struct fuse *f, uint64_t hash, uint32_t at[3])
{
	at[0] = (uint32_t)(((__uint128_t)hash * f->span) >> 64);
	at[1] = (at[0] + f->segment) ^ ((uint32_t)(hash >> 18) & (f->segment - 1));
	at[2] = (at[0] + 2 * f->segment) ^ ((uint32_t)hash & (f->segment - 1));
}

static inline unsigned char fuse_print(uint64_t hash)
{
	return (unsigned char)(hash ^ hash >> 32);
}

static inline bool fuse_maybe(const unsigned char *p, uint64_t hash, const uint32_t at[3])
{
	return (fuse_print(hash) ^ p[at[0]] ^ p[at[1]] ^ p[at[2]]) == 0;
}

/* The size that n keys take, with the segment. */
void fuse_shape(struct fuse *f, uint32_t n);
/* Fills f->size bytes at out (f from fuse_shape). False when it cannot be done, as with keys that were made equal on purpose. */
bool fuse_build(struct fuse *f, const uint64_t *keys, uint32_t n, unsigned char *out);
/* A filter as it stands in a file: whether no probe can leave it. */
bool fuse_sound(const struct fuse *f);

#endif
