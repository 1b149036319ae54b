/*
 * How long a compressed stream is, of formats that tell it without being unpacked. The kernel takes one frame as one run, and goes
 * on behind it (init/initramfs.c); libraries would take what follows for another frame, and zeros for a damaged one.
 */
#include "casefile/casefile.h"

#include <string.h>

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t within(uint64_t at, size_t n)
{
	return at < n ? (size_t)at : n;
}

/* RFC 8878, section 3.1.1: a header, blocks with their sizes, perhaps a checksum. */
static size_t zstd(const unsigned char *p, size_t n)
{
	static const unsigned char ids[] = { 0, 1, 2, 4 }, sizes[] = { 0, 2, 4, 8 };
	uint64_t at = 5;
	unsigned flags, type;
	bool last;

	if (n < at)
		return n;
	flags = p[4];
	at += !(flags & 0x20) + (uint64_t)ids[flags & 3] + (flags >> 6 ? sizes[flags >> 6] : flags & 0x20 ? 1u : 0u);
	do {
		uint32_t head;

		if (at + 3 > n)
			return n;
		head = p[at] | (uint32_t)p[at + 1] << 8 | (uint32_t)p[at + 2] << 16;
		last = head & 1;
		type = head >> 1 & 3;
		at += 3 + (uint64_t)(type == 1 ? 1 : head >> 3);   /* of a run of one byte that byte stands there */
	} while (!last);
	return within(at + (flags & 4 ? 4u : 0u), n);
}

/* lz4_Frame_format.md: a header, blocks with their sizes, a size of zero, perhaps a checksum. */
static size_t lz4(const unsigned char *p, size_t n)
{
	uint64_t at = 7;
	uint32_t size;

	if (n < at)
		return n;
	at += (p[4] & 8 ? 8u : 0u) + (p[4] & 1 ? 4u : 0u);
	for (;;) {
		if (at + 4 > n)
			return n;
		size = le32(p + at);
		at += 4;
		if (!size)
			break;
		at += (uint64_t)(size & 0x7fffffff) + (p[4] & 0x10 ? 4u : 0u);
	}
	return within(at + (p[4] & 4 ? 4u : 0u), n);
}

/* The older form, which the kernel uses: no end is marked, and another magic number may follow. */
static size_t lz4_legacy(const unsigned char *p, size_t n)
{
	const uint32_t magic = 0x184c2102, most = (8u << 20) + (8u << 20) / 255 + 16;
	uint64_t at = 4;

	while (at + 4 <= n) {
		uint32_t size = le32(p + at);

		if (size != magic && (!size || size > most))
			break;
		at += 4 + (uint64_t)(size == magic ? 0 : size);
	}
	return within(at, n);
}

static uint32_t crc32(const unsigned char *p, size_t n)
{
	uint32_t crc = ~0u;
	unsigned i;

	for (; n--; p++)
		for (crc ^= *p, i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	return ~crc;
}

/* The .xz file format, section 2.1.2: a footer of 12 bytes at a multiple of four, with its own sum and the flags of the header. */
static size_t xz(const unsigned char *p, size_t n)
{
	const unsigned char *at = p + 12, *end = p + n, *found;

	while (at < end && (found = memchr(at, 'Z', (size_t)(end - at)))) {
		at = found + 1;
		if (found[-1] == 'Y' && (size_t)(at - p) % 4 == 0 && at - p >= 24 && !memcmp(at - 4, p + 6, 2) && crc32(at - 8, 6) == le32(at - 12))
			return (size_t)(at - p);
	}
	return n;
}

static uint64_t le64(const unsigned char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* APPNOTE.TXT, 4.3.16: the first record that ends a directory, and its comment. */
static size_t zip(const unsigned char *p, size_t n)
{
	const unsigned char *at = memmem(p, n, "PK\5\6", 4);

	return at && n - (size_t)(at - p) >= 22 ? within((uint64_t)(at - p) + 22 + at[20] + 256u * at[21], n) : n;
}

/* 7zFormat.txt: behind the first header of 32 bytes stand the packed streams, then the header that the first one tells of. */
static size_t seven_zip(const unsigned char *p, size_t n)
{
	uint64_t offset, size;

	if (n < 32)
		return n;
	offset = le64(p + 12);
	size = le64(p + 20);
	return offset < n && size < n ? within(32 + offset + size, n) : n;
}

size_t extent_of(const void *stream, size_t n)
{
	const unsigned char *p = stream;
	uint32_t magic = n >= 4 ? le32(p) : 0;

	switch (magic) {
	case 0xfd2fb528: return zstd(p, n);
	case 0x184d2204: return lz4(p, n);
	case 0x184c2102: return lz4_legacy(p, n);
	case 0x587a37fd: return xz(p, n);
	case 0x04034b50: return zip(p, n);
	case 0xafbc7a37: return seven_zip(p, n);
	default: return n;
	}
}
