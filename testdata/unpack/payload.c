/* The inert payload of the packers: it says what it is and ends. Position-independent; linked flat (flat.ld) or as a program. */
#include "sys.h"

static const char text[] = "muss: this is the inert payload of a test, it does nothing else\n";

static __attribute__((noinline)) unsigned digest(const char *s)
{
	unsigned h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static __attribute__((noinline)) unsigned mix(unsigned a, unsigned b)
{
	for (int i = 0; i < 17; i++)
		a = (a << 5 | a >> 27) ^ (b += 0x9e3779b9u);
	return a;
}

__attribute__((section(".text.begin"), used)) void begin(void)
{
	unsigned h = mix(digest(text), sizeof text);

	SYS(SYS_WRITE, 1, text, sizeof text - 1);
	SYS(SYS_EXIT, h == 0, 0, 0);
	for (;;)
		;
}
