/* holds WANTED FILE...: exit 0 when one of the files has those bytes, the name of the first that does on standard output. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	size_t room = (size_t)1 << 28;
	unsigned char *p = malloc(room);

	if (!f || !p)
		exit(66);
	*n = fread(p, 1, room, f);
	fclose(f);
	return p;
}

int main(int argc, char **argv)
{
	size_t wanted, n;
	unsigned char *w;

	if (argc < 3)
		return 64;
	w = slurp(argv[1], &wanted);
	for (int i = 2; i < argc; i++) {
		unsigned char *p = slurp(argv[i], &n);

		if (wanted && memmem(p, n, w, wanted)) {
			puts(argv[i]);
			return 0;
		}
		free(p);
	}
	return 1;
}
