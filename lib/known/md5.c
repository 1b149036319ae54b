#include "known/md5.h"

#include <string.h>

typedef uint32_t lanes __attribute__((vector_size(MD5_LANES * sizeof(uint32_t))));

static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

void md5_begin(struct md5 *m, unsigned lane)
{
	m->state[0][lane] = 0x67452301;
	m->state[1][lane] = 0xefcdab89;
	m->state[2][lane] = 0x98badcfe;
	m->state[3][lane] = 0x10325476;
}

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define STEP(f, a, b, c, d, k, s, i) \
	((a) += f(b, c, d) + word[k] + sines[i], (a) = ((a) << (s) | (a) >> (32 - (s))) + (b))
#define FOUR(f, k0, k1, k2, k3, s0, s1, s2, s3, i) \
	(STEP(f, a, b, c, d, k0, s0, i), STEP(f, d, a, b, c, k1, s1, (i) + 1), STEP(f, c, d, a, b, k2, s2, (i) + 2), \
	 STEP(f, b, c, d, a, k3, s3, (i) + 3))

#define PAIRS(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define LOW(a, b) PAIRS(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(a, b) PAIRS(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define LOW2(a, b) PAIRS(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HIGH2(a, b) PAIRS(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define LOW4(a, b) PAIRS(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define HIGH4(a, b) PAIRS(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* Eight words of each lane, turned into eight vectors that have one of each. */
static inline __attribute__((always_inline)) void turn(const unsigned char *const data[MD5_LANES], size_t at, lanes *word)
{
	lanes r[MD5_LANES], s[MD5_LANES], t[MD5_LANES];

	for (unsigned i = 0; i < MD5_LANES; i++)
		memcpy(&r[i], data[i] + at, sizeof(r[i]));
	for (unsigned i = 0; i < MD5_LANES; i += 2) {
		s[i] = LOW(r[i], r[i + 1]);
		s[i + 1] = HIGH(r[i], r[i + 1]);
	}
	for (unsigned i = 0; i < MD5_LANES; i += 4) {
		t[i] = LOW2(s[i], s[i + 2]);
		t[i + 1] = HIGH2(s[i], s[i + 2]);
		t[i + 2] = LOW2(s[i + 1], s[i + 3]);
		t[i + 3] = HIGH2(s[i + 1], s[i + 3]);
	}
	for (unsigned i = 0; i < MD5_LANES / 2; i++) {
		word[i] = LOW4(t[i], t[i + 4]);
		word[i + 4] = HIGH4(t[i], t[i + 4]);
	}
}

/* Inlined below: for what the compiler was told of, for processors with AVX2, and for those that have AVX-512's rotation and its
 * function of three operands for vectors of this size. */
static inline __attribute__((always_inline)) void blocks(struct md5 *m, const unsigned char *const data[MD5_LANES], size_t n)
{
	lanes state[4], word[16];

	memcpy(state, m->state, sizeof(state));
	for (size_t at = 0; n; n--, at += MD5_BLOCK) {
		lanes a = state[0], b = state[1], c = state[2], d = state[3];

		for (unsigned half = 0; half < 2; half++)
			turn(data, at + half * sizeof(lanes), word + half * MD5_LANES);
		FOUR(F, 0, 1, 2, 3, 7, 12, 17, 22, 0);
		FOUR(F, 4, 5, 6, 7, 7, 12, 17, 22, 4);
		FOUR(F, 8, 9, 10, 11, 7, 12, 17, 22, 8);
		FOUR(F, 12, 13, 14, 15, 7, 12, 17, 22, 12);
		FOUR(G, 1, 6, 11, 0, 5, 9, 14, 20, 16);
		FOUR(G, 5, 10, 15, 4, 5, 9, 14, 20, 20);
		FOUR(G, 9, 14, 3, 8, 5, 9, 14, 20, 24);
		FOUR(G, 13, 2, 7, 12, 5, 9, 14, 20, 28);
		FOUR(H, 5, 8, 11, 14, 4, 11, 16, 23, 32);
		FOUR(H, 1, 4, 7, 10, 4, 11, 16, 23, 36);
		FOUR(H, 13, 0, 3, 6, 4, 11, 16, 23, 40);
		FOUR(H, 9, 12, 15, 2, 4, 11, 16, 23, 44);
		FOUR(I, 0, 7, 14, 5, 6, 10, 15, 21, 48);
		FOUR(I, 12, 3, 10, 1, 6, 10, 15, 21, 52);
		FOUR(I, 8, 15, 6, 13, 6, 10, 15, 21, 56);
		FOUR(I, 4, 11, 2, 9, 6, 10, 15, 21, 60);
		state[0] += a;
		state[1] += b;
		state[2] += c;
		state[3] += d;
	}
	memcpy(m->state, state, sizeof(state));
}

__attribute__((target("avx2"))) static void blocks_avx2(struct md5 *m, const unsigned char *const data[MD5_LANES], size_t n)
{
	blocks(m, data, n);
}

__attribute__((target("avx512f,avx512vl"))) static void blocks_avx512(struct md5 *m,
                                                                                          const unsigned char *const data[MD5_LANES], size_t n)
{
	blocks(m, data, n);
}

static void blocks_any(struct md5 *m, const unsigned char *const data[MD5_LANES], size_t n)
{
	blocks(m, data, n);
}

void md5_blocks(struct md5 *m, const unsigned char *const data[MD5_LANES], size_t n)
{
	if (__builtin_cpu_supports("avx512vl"))
		blocks_avx512(m, data, n);
	else if (__builtin_cpu_supports("avx2"))
		blocks_avx2(m, data, n);
	else
		blocks_any(m, data, n);
}

size_t md5_end(const unsigned char *rest, uint64_t length, unsigned char out[2 * MD5_BLOCK])
{
	size_t n = length % MD5_BLOCK, size = n + 9 <= MD5_BLOCK ? MD5_BLOCK : 2 * MD5_BLOCK;

	memset(out, 0, size);
	if (n)
		memcpy(out, rest, n);
	out[n] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		out[size - 8 + i] = (unsigned char)(length << 3 >> 8 * i);
	return size;
}

void md5_sum(const struct md5 *m, unsigned lane, unsigned char sum[16])
{
	for (unsigned i = 0; i < 16; i++)
		sum[i] = (unsigned char)(m->state[i / 4][lane] >> 8 * (i % 4));
}
