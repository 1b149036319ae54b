/* sha256: FIPS 180-4, plain; the compiler is no optimiser and the files are small. */

struct sha {
	uint32_t h[8];
	uint64_t total;
	unsigned char block[64];
};

static const uint32_t sha_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

static void sha_block(struct sha *s, const unsigned char *p)
{
	uint32_t w[64], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4], f = s->h[5], g = s->h[6], h = s->h[7];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 64; i++) {
		uint32_t t = h + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & f) ^ (~e & g)) + sha_k[i] + w[i];
		uint32_t u = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = t + u;
	}
	s->h[0] += a, s->h[1] += b, s->h[2] += c, s->h[3] += d;
	s->h[4] += e, s->h[5] += f, s->h[6] += g, s->h[7] += h;
}

static void sha_begin(struct sha *s)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(s->h, first, sizeof first);
	s->total = 0;
}

static void sha_add(struct sha *s, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t held = s->total % 64;

	s->total += n;
	if (held) {
		size_t k = 64 - held < n ? 64 - held : n;

		memcpy(s->block + held, p, k);
		p += k;
		n -= k;
		if (held + k < 64)
			return;
		sha_block(s, s->block);
	}
	for (; n >= 64; p += 64, n -= 64)
		sha_block(s, p);
	memcpy(s->block, p, n);
}

static void sha_end(struct sha *s, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t bits = s->total * 8;
	unsigned char tail[72] = { 0x80 };
	size_t held = s->total % 64, pad = (held < 56 ? 56 : 120) - held;

	for (int i = 0; i < 8; i++)
		tail[pad + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
	sha_add(s, tail, pad + 8);
	for (int i = 0; i < 32; i++) {
		unsigned v = s->h[i / 4] >> (24 - 8 * (i % 4)) & 255;

		hex[2 * i] = digits[v >> 4];
		hex[2 * i + 1] = digits[v & 15];
	}
	hex[64] = 0;
}

static void sha_bytes(const void *p, size_t n, char hex[65])
{
	struct sha s;

	sha_begin(&s);
	sha_add(&s, p, n);
	sha_end(&s, hex);
}

/* The whole of an open file, whatever its offset; no further than `limit` bytes and one. -1 errno. */
static int sha_fd(int fd, long long limit, char hex[65])
{
	static unsigned char chunk[65536];
	struct sha s;
	off_t at = 0;

	sha_begin(&s);
	while (at <= limit) {
		ssize_t n = pread(fd, chunk, sizeof chunk, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		sha_add(&s, chunk, (size_t)n);
		at += n;
	}
	sha_end(&s, hex);
	return 0;
}
