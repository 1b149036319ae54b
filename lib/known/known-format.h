/* The index file, shared by index.c and build.c. Numbers are little-endian. */
#ifndef KNOWN_FORMAT_H
#define KNOWN_FORMAT_H

#include <stdint.h>
#include <string.h>

static const unsigned char format_magic[8] = {'m', 'u', 's', 's', 'k', 'n', 'o', 'w'};
#define FORMAT_VERSION 1u
#define FORMAT_HEADER 128u
#define FORMAT_RECORD 8u           /* source and name of one digest */
#define FORMAT_MAX_COUNT ((uint64_t)1 << 32)
#define FORMAT_MAX_TEXT ((uint64_t)UINT32_MAX)
#define FORMAT_NO_NAME 0u

enum {
	AT_MAGIC = 0, AT_VERSION = 8, AT_HEADER_SIZE = 12, AT_FILE_SIZE = 16, AT_COUNT = 24, AT_SOURCES = 32, AT_TEXT = 40,
	AT_CREATED = 48, AT_DPKG_TIME = 56, AT_FROM = 64, AT_RESERVED = 68, AT_SHA256 = 96,
};

static inline uint32_t format_get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t format_get64(const unsigned char *p)
{
	return format_get32(p) | (uint64_t)format_get32(p + 4) << 32;
}

static inline void format_put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static inline void format_put64(unsigned char *p, uint64_t v)
{
	format_put32(p, (uint32_t)v);
	format_put32(p + 4, (uint32_t)(v >> 32));
}

#endif
