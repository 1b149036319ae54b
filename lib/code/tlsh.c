/*
 * TLSH: counts of triples in a window of five bytes, each count told by its quartile (Oliver, Cheng and Chen 2013; digests are
 * those of Trend Micro's TLSH 4, form "T1", which are those of version 3 with "T1" before them). Debian's libtlsh offers C++ only,
 * and stops at 256 bytes; t/tlsh.bats compares the two over files.
 */
#include "code/traits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TLSH_LEAST 50u
#define TLSH_BUCKETS 128u
#define TLSH_CODE 32u

/* Pearson's table (Pearson 1990). */
static const unsigned char table[256] = {
	1, 87, 49, 12, 176, 178, 102, 166, 121, 193, 6, 84, 249, 230, 44, 163, 14, 197, 213, 181, 161, 85, 218, 80, 64, 239, 24, 226, 236, 142, 38, 200,
	110, 177, 104, 103, 141, 253, 255, 50, 77, 101, 81, 18, 45, 96, 31, 222, 25, 107, 190, 70, 86, 237, 240, 34, 72, 242, 20, 214, 244, 227, 149, 235,
	97, 234, 57, 22, 60, 250, 82, 175, 208, 5, 127, 199, 111, 62, 135, 248, 174, 169, 211, 58, 66, 154, 106, 195, 245, 171, 17, 187, 182, 179, 0, 243,
	132, 56, 148, 75, 128, 133, 158, 100, 130, 126, 91, 13, 153, 246, 216, 219, 119, 68, 223, 78, 83, 88, 201, 99, 122, 11, 92, 32, 136, 114, 52, 10,
	138, 30, 48, 183, 156, 35, 61, 26, 143, 74, 251, 94, 129, 162, 63, 152, 170, 7, 115, 167, 241, 206, 3, 150, 55, 59, 151, 220, 90, 53, 23, 131,
	125, 173, 15, 238, 79, 95, 89, 16, 105, 137, 225, 224, 217, 160, 37, 123, 118, 73, 2, 157, 46, 116, 9, 145, 134, 228, 207, 212, 202, 215, 69, 229,
	27, 188, 67, 124, 168, 252, 42, 4, 29, 108, 21, 247, 19, 205, 39, 203, 233, 40, 186, 147, 198, 192, 155, 33, 164, 191, 98, 204, 165, 180, 117, 76,
	140, 36, 210, 172, 41, 54, 159, 8, 185, 232, 113, 196, 231, 47, 146, 120, 51, 65, 28, 144, 254, 221, 93, 189, 194, 139, 112, 43, 71, 109, 184, 209,
};

static unsigned mix(unsigned salt, unsigned a, unsigned b, unsigned c)
{
	return table[table[table[table[salt] ^ a] ^ b] ^ c];
}

/* The length as a logarithm, in one byte: three bases, so that short and long files are told apart alike well. */
static unsigned length_of(size_t n)
{
	double l = log((double)n);

	if (n <= 656)
		l = l / 0.4054651;
	else if (n <= 3199)
		l = l / 0.26236426 - 8.72777;
	else
		l = l / 0.095310180 - 62.5472;
	return (unsigned)floor(l) & 0xff;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void put(char *out, unsigned byte)
{
	static const char digits[] = "0123456789ABCDEF";

	out[0] = digits[byte >> 4 & 15];
	out[1] = digits[byte & 15];
}

static unsigned swapped(unsigned byte)
{
	return (byte & 15) << 4 | byte >> 4;
}

static unsigned ratio(uint32_t part, uint32_t whole)
{
	return (unsigned)((float)(part * 100) / (float)whole) % 16;
}

static unsigned count(const unsigned char *p, size_t n, uint32_t bucket[256])
{
	unsigned checksum = 0;

	for (size_t i = 4; i < n; i++) {
		unsigned a = p[i], b = p[i - 1], c = p[i - 2], d = p[i - 3], e = p[i - 4];

		checksum = mix(0, a, b, checksum);
		bucket[mix(2, a, b, c)]++;
		bucket[mix(3, a, b, d)]++;
		bucket[mix(5, a, c, d)]++;
		bucket[mix(7, a, c, e)]++;
		bucket[mix(11, a, b, e)]++;
		bucket[mix(13, a, d, e)]++;
	}
	return checksum;
}

bool tlsh_digest(const void *p, size_t n, char out[TLSH_TEXT])
{
	uint32_t bucket[256] = { 0 }, sorted[TLSH_BUCKETS], q1, q2, q3;
	unsigned checksum, filled = 0;

	/* A count fits 32 bits as long as the whole has fewer triples than that. */
	if (n < TLSH_LEAST || n > UINT32_MAX / 8)
		return false;
	checksum = count(p, n, bucket);
	memcpy(sorted, bucket, sizeof sorted);
	qsort(sorted, TLSH_BUCKETS, sizeof *sorted, ascending);
	for (unsigned i = 0; i < TLSH_BUCKETS; i++)
		filled += sorted[i] > 0;
	q1 = sorted[TLSH_BUCKETS / 4 - 1];
	q2 = sorted[TLSH_BUCKETS / 2 - 1];
	q3 = sorted[TLSH_BUCKETS - TLSH_BUCKETS / 4 - 1];
	if (filled <= TLSH_BUCKETS / 2 || !q3)
		return false;
	out[0] = 'T';
	out[1] = '1';
	put(out + 2, swapped(checksum));
	put(out + 4, swapped(length_of(n)));
	put(out + 6, ratio(q1, q3) << 4 | ratio(q2, q3));
	for (unsigned i = 0; i < TLSH_CODE; i++) {
		unsigned code = 0;

		for (unsigned k = 0; k < 4; k++) {
			uint32_t b = bucket[4 * i + k];

			code |= (b > q3 ? 3u : b > q2 ? 2u : b > q1 ? 1u : 0u) << (2 * k);
		}
		put(out + 8 + 2 * (TLSH_CODE - 1 - i), code);
	}
	out[TLSH_TEXT - 1] = '\0';
	return true;
}

static bool parse(const char *s, unsigned char raw[35])
{
	char lower[71];

	if (!s || strlen(s) != TLSH_TEXT - 1 || s[0] != 'T' || s[1] != '1')
		return false;
	for (int i = 0; i < 70; i++)
		lower[i] = (char)(s[2 + i] >= 'A' && s[2 + i] <= 'F' ? s[2 + i] | 32 : s[2 + i]);
	lower[70] = '\0';
	return !digest_unhex(lower, raw, 35);
}

static int around(unsigned a, unsigned b, unsigned turn)
{
	unsigned d = a > b ? a - b : b - a;

	return (int)(d < turn - d ? d : turn - d);
}

static int ratio_distance(unsigned a, unsigned b)
{
	int d = around(a, b, 16);

	return d <= 1 ? d : (d - 1) * 12;
}

int tlsh_distance(const char *a, const char *b)
{
	unsigned char x[35], y[35];
	int sum, length;

	if (!parse(a, x) || !parse(b, y))
		return -1;
	length = around(swapped(x[1]), swapped(y[1]), 256);
	sum = length <= 1 ? length : length * 12;
	sum += ratio_distance(x[2] >> 4, y[2] >> 4) + ratio_distance(x[2] & 15, y[2] & 15);
	sum += x[0] != y[0];
	for (int i = 3; i < 35; i++) {
		for (int shift = 0; shift < 8; shift += 2) {
			int d = abs((x[i] >> shift & 3) - (y[i] >> shift & 3));

			sum += d == 3 ? 6 : d;
		}
	}
	return sum;
}
