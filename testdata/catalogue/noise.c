/*
 * noise: bytes for a file's content that follow from a seed alone: noise, or (1) with a zip's mark before, or (2) a second ELF
 * header before.
 * usage: noise SEED SIZE OUT [SHAPE]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	static const char *const marks[] = { "", "PK\3\4", "\177ELF\2\1\1" };
	uint32_t word = argc > 3 ? (uint32_t)strtoul(argv[1], NULL, 0) | 1u : 0;
	unsigned long size = argc > 3 ? strtoul(argv[2], NULL, 0) : 0;
	FILE *f = size ? fopen(argv[3], "wb") : NULL;

	if (!f)
		return 2;
	fputs(marks[argc > 4 ? strtoul(argv[4], NULL, 0) % 3 : 0], f);
	while (size--) {
		word ^= word << 13;
		word ^= word >> 17;
		word ^= word << 5;
		fputc((int)(word >> 11 & 0xff), f);
	}
	return fclose(f) ? 1 : 0;
}
