/*
 * Decrypts one function at a time (functions.c, packed.h with METHOD xor), runs it and encrypts it again: never is more than one of them in
 * clear. With BUFFER each comes to the same place. The sizes of the functions are in sizes.h. Inert.
 */
#include "sys.h"
#include "pack.h"
#include "packed.h"
#include "sizes.h"   /* static const unsigned size[3] */

static void turn(unsigned char *p, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= (unsigned char)(KEY + 7 * (from + i));
}

__attribute__((used)) void begin(void)
{
	unsigned char *room = make_room(65536);
	unsigned v = 1, at = 0;

	for (unsigned k = 0; k < 3; at += size[k++]) {
#ifdef BUFFER
		unsigned char *to = room;
#else
		unsigned char *to = room + 4096 + at;
#endif
		for (size_t i = 0; i < size[k]; i++)
			to[i] = packed[at + i];
		turn(to, at, size[k]);
		v = ((unsigned (*)(unsigned))(uintptr_t)to)(v);
		turn(to, at, size[k]);
	}
	SYS(SYS_EXIT, v == 0, 0, 0);
	for (;;)
		;
}
