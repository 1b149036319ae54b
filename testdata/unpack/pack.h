/* What the packer and its stubs share. */
#ifndef PACK_H
#define PACK_H

#include <stddef.h>

#define KEY 0x3du

static inline void rc4(unsigned char *p, size_t n, unsigned key)
{
	unsigned char s[256];
	unsigned i, j = 0;

	for (i = 0; i < 256; i++)
		s[i] = (unsigned char)i;
	for (i = 0; i < 256; i++) {
		unsigned char t = s[i];

		j = (j + t + key + i % 13) & 255;
		s[i] = s[j];
		s[j] = t;
	}
	i = j = 0;
	for (size_t k = 0; k < n; k++) {
		unsigned char t;

		i = (i + 1) & 255;
		j = (j + s[i]) & 255;
		t = s[i];
		s[i] = s[j];
		s[j] = t;
		p[k] ^= s[(unsigned char)(s[i] + s[j])];
	}
}

#endif
