/*
 * bare: takes a program's section table away, as some packers do: (1) out of the header, (2) and out of the file, (3) but
 * leaves the count in the header.
 * usage: bare FILE WAY
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	FILE *f = argc > 2 ? fopen(argv[1], "r+b") : NULL;
	int way = argc > 2 ? atoi(argv[2]) : 0;
	Elf64_Ehdr eh;
	Elf64_Off table;

	if (!f || fread(&eh, sizeof(eh), 1, f) != 1)
		return 2;
	table = eh.e_shoff;
	eh.e_shoff = 0;
	eh.e_shstrndx = 0;
	if (way != 3)
		eh.e_shnum = 0;
	rewind(f);
	if (fwrite(&eh, sizeof(eh), 1, f) != 1 || fflush(f))
		return 1;
	if (way == 2 && ftruncate(fileno(f), (off_t)table) < 0)
		return 1;
	return fclose(f) ? 1 : 0;
}
