/* Three functions that follow one another in a table; each is to be decrypted when it is called, and encrypted again behind it. */
#include "sys.h"

#define PIECE(name) __attribute__((section(".text.begin." name), used, noinline))

PIECE("1") unsigned first(unsigned v)
{
	for (int i = 0; i < 9; i++)
		v = v * 1664525u + 1013904223u;
	if (v == 1)   /* never taken: it must be found all the same */
		v = (v ^ 0x6d757373u) / 7;
	return v;
}

PIECE("2") unsigned second(unsigned v)
{
	for (int i = 0; i < 11; i++)
		v ^= v << 13, v ^= v >> 17, v ^= v << 5;
	if (v == 2)
		v = (v ^ 0x74657374u) % 1000003;
	return v;
}

PIECE("3") unsigned third(unsigned v)
{
	unsigned n = 0;

	for (; v; v &= v - 1)
		n++;
	if (n == 99)
		n = v * 0x696e6572u + 74;
	return n;
}
