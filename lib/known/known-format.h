/*
 * The index file (mwhite(1), FILES), shared by what reads and what writes it. Numbers are little-endian.
 * A page of header with two commit slots; segments, which never change; states, each what one commit made of them.
 */
#ifndef KNOWN_FORMAT_H
#define KNOWN_FORMAT_H

#include <stdint.h>
#include <string.h>

static const unsigned char format_magic[8] = {'m', 'u', 's', 's', 'k', 'n', 'o', 'w'};
#define FORMAT_VERSION 2u
#define FORMAT_PAGE 4096u
#define FORMAT_SECTOR 512u          /* header, slot 0 and slot 1 have one each: a sector is written whole */
#define FORMAT_SUM (FORMAT_SECTOR - 32)   /* where each keeps the SHA-256 of what stands before */
#define FORMAT_ID 16u

#define FORMAT_MAX_COUNT ((uint64_t)1 << 32)
#define FORMAT_MAX_TEXT ((uint64_t)UINT32_MAX)
#define FORMAT_MAX_SEGMENTS 16u     /* each is an eighth of the one before, or less */
#define FORMAT_MAX_SHARD_BITS 18u
#define FORMAT_MAX_PLACE_BITS 32u
#define FORMAT_NO_NAME 0u

/* What is kept of each digest: all of it, or 152 bits in an index of more than FORMAT_WHOLE (mwhite(1) says what that means). */
#define FORMAT_KEPT 19u
#define FORMAT_WHOLE ((uint64_t)1 << 24)

/* header */
enum { AT_MAGIC = 0, AT_VERSION = 8, AT_HEADER_SIZE = 12, AT_ID = 16 };
/* slot */
enum {
	AT_GENERATION = 0, AT_CREATED = 8, AT_STATE = 16, AT_STATE_SIZE = 24, AT_END = 32, AT_STATE_SUM = FORMAT_SUM - 32,
};
/* state: this, then segment records, 4 bytes a source (its name in the text), 32 a revoked digest, text */
enum {
	AT_SEGMENTS = 0, AT_FROM = 4, AT_DPKG_TIME = 8, AT_LIVE = 16, AT_SOURCES = 24, AT_REVOKED = 32, AT_STATE_TEXT = 40,
	AT_DELTA = 48, AT_DELTA_SUM = 56, FORMAT_STATE = 128,
};
/* segment record in the state */
enum { AT_OFFSET = 0, AT_SIZE = 8, AT_COUNT = 16, AT_NAMES = 24, AT_HEAD_SIZE = 32, AT_HEAD_SUM = 48, FORMAT_SEGMENT = 80 };
/* segment: head, shard rows; then from page to page the cold part, the hot part, the text */
enum {
	AT_KEPT = 0, AT_SHARD_BITS = 4, AT_PLACE_BITS = 8, AT_COLD = 16, AT_COLD_SIZE = 24, AT_HOT = 32, AT_HOT_SIZE = 40, AT_TEXT = 48,
	AT_TEXT_SIZE = 56, AT_TEXT_SUM = 64, FORMAT_HEAD = 128,
};
/* shard row; hot: filter, directory; cold: digests, names, sources; offsets are within the part */
enum {
	ROW_HOT = 0, ROW_COLD = 8, ROW_COUNT = 16, ROW_FILTER = 20, ROW_SEED = 24, ROW_SEGMENT_LOG = 28, ROW_DIRECTORY_WIDTH = 29,
	ROW_SOURCE_WIDTH = 30, ROW_NAMES = 31, ROW_SUM = 32, FORMAT_ROW = 64,
};
#define FORMAT_HOT_ALIGN 64u
#define FORMAT_COLD_ALIGN 8u

static inline uint64_t format_round(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static inline uint32_t format_get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t format_get64(const unsigned char *p)
{
	return format_get32(p) | (uint64_t)format_get32(p + 4) << 32;
}

/* One, two or four bytes. */
static inline uint32_t format_get(const unsigned char *p, unsigned width)
{
	return width == 1 ? *p : width == 2 ? (uint32_t)p[0] | (uint32_t)p[1] << 8 : format_get32(p);
}

static inline void format_put(unsigned char *p, uint64_t v, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static inline void format_put32(unsigned char *p, uint32_t v)
{
	format_put(p, v, 4);
}

static inline void format_put64(unsigned char *p, uint64_t v)
{
	format_put(p, v, 8);
}

/* The first eight bytes as a number whose order is the digests' order. */
static inline uint64_t format_key(const unsigned char *p)
{
	return __builtin_bswap64(format_get64(p));
}

/* `count` bits of the key behind the first `skip`. */
static inline uint64_t format_bits(uint64_t key, unsigned skip, unsigned count)
{
	return count ? (key << skip) >> (64 - count) : 0;
}

#endif
