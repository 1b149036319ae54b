/*
 * pack: the catalogue's own packer, good for nothing else: makes a payload of SIZE bytes whose only function answers SEED,
 * and writes it as runs, each under a key that follows from SEED. act_unpack of memory.h reads it.
 * usage: pack SEED SIZE OUT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	uint32_t seed = argc > 3 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0, size = argc > 3 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
	uint32_t function = 64 + seed % 512, key = seed, word = seed | 1u, i, run;
	unsigned char *p = size >= 4096 ? malloc(size) : NULL;
	FILE *f = p ? fopen(argv[3], "wb") : NULL;

	if (!f)
		return 2;
	for (i = 0; i < size; i++) {
		word ^= word << 13;
		word ^= word >> 17;
		word ^= word << 5;
		p[i] = (unsigned char)(word & 0x1f);
	}
	p[function] = 0xb8;
	memcpy(p + function + 1, &seed, 4);
	p[function + 5] = 0xc3;
	fwrite(&size, 4, 1, f);
	fwrite(&function, 4, 1, f);
	for (i = 0; i < size; i += run) {
		for (run = 1; run < 255 && i + run < size && p[i + run] == p[i];)
			run++;
		key = key * 1664525u + 1013904223u;
		fputc((int)(run ^ (key >> 24 & 0xff)), f);
		fputc(p[i] ^ (int)(key >> 16 & 0xff), f);
	}
	return fclose(f) ? 1 : 0;
}
