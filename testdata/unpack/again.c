/*
 * Lets a shell do something first, then has a shell begin it anew, and only then unpacks what pack.c packed, and runs it: the key is
 * right when the shell's exit codes are, and what it was given comes back. Inert: what it runs is the payload of a test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pack.h"
#include "packed.h"

int main(int argc, char **argv)
{
	char text[512], word[16];
	unsigned key = KEY;
	unsigned char *to;
	int ends[2];
	FILE *f;

	if (argc == 1) {
		int status = system("test -x /bin/sh && exit 7");

		snprintf(text, sizeof text, "MUSS_KEY=%d exec '%s' \"$@\"", status >> 8, argv[0]);
		execl("/bin/sh", argv[0], "-c", text, argv[0], "again", (char *)NULL);
		return 1;
	}
	key += (unsigned)atoi(getenv("MUSS_KEY") ? getenv("MUSS_KEY") : "0") - 7;
	f = popen("echo five; exit 0", "r");
	if (!f || !fgets(word, sizeof word, f) || pclose(f))
		return 2;
	key += strcmp(word, "five\n") != 0;
	to = mmap(NULL, unpacked_size + 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(to, packed, unpacked_size);
	rc4(to, unpacked_size, key);
	((void (*)(void))to)();
	return 3;
}
