/*
 * Packs bytes for stub.c: pack METHOD < bytes > packed.h. Methods: xor, rc4, lz (the one of "LZSS", Storer and Szymanski 1982, with bytes
 * for flags), add (each byte less the sum of those before). Everything that is packed here is the inert payload of a test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

static unsigned char in[1 << 20], out[1 << 21];

static size_t lz(size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n;) {
		size_t flag = o++;

		out[flag] = 0;
		for (int b = 0; b < 8 && i < n; b++) {
			size_t best = 0, at = 0;

			for (size_t k = i > 255 ? i - 255 : 0; k < i; k++) {
				size_t m = 0;

				while (m < 255 && i + m < n && in[k + m] == in[i + m])
					m++;
				if (m > best) {
					best = m;
					at = i - k;
				}
			}
			if (best > 2) {
				out[flag] |= (unsigned char)(1 << b);
				out[o++] = (unsigned char)at;
				out[o++] = (unsigned char)best;
				i += best;
			} else {
				out[o++] = in[i++];
			}
		}
	}
	return o;
}

int main(int argc, char **argv)
{
	size_t n = fread(in, 1, sizeof in, stdin), size = n;
	const char *method = argc > 1 ? argv[1] : "";

	if (!strcmp(method, "lz")) {
		size = lz(n);
		rc4(out, size, KEY);   /* literals are the payload's own bytes */
	} else if (!strcmp(method, "rc4")) {
		memcpy(out, in, n);
		rc4(out, n, KEY);
	} else if (!strcmp(method, "xor")) {
		for (size_t i = 0; i < n; i++)
			out[i] = in[i] ^ (unsigned char)(KEY + 7 * i);
	} else if (!strcmp(method, "add")) {
		for (size_t i = 0; i < n; i++)
			out[i] = (unsigned char)(in[i] - (i ? in[i - 1] : 0) - 0x5a);
	} else {
		return 64;
	}
	printf("static const size_t unpacked_size = %zu;\nstatic unsigned char packed[] = {", n);
	for (size_t i = 0; i < size; i++)
		printf("%s%u,", i % 24 ? "" : "\n", out[i]);
	printf("\n};\n");
	return 0;
}
