/*
 * Unpacks what pack.c packed (packed.h) and runs it. METHOD: XOR, RC4, LZ, ADD; with TRICKS the key is right only where the processor, the
 * kernel and the clock behave as on a machine that nobody watches; with CHILD a child does it; with PARENT the parent, and the key is
 * right only when he gets to know how his child ended; with PIPE the child runs what the parent unpacks and sends; with MEMFD what comes
 * out is an ELF program that is run from a file without a name; with INPLACE it comes out over the stub's own segment.
 * Position-independent: linked as a program, or flat as what another stub unpacks. Inert: what it runs is the payload of a test.
 */
#include "sys.h"
#include "pack.h"
#include "packed.h"

#define XOR 1
#define RC4 2
#define LZ 3
#define ADD 4

#ifdef TRICKS
#include "tricks.h"
#else
static unsigned looked_at(void) { return 0; }
#endif

void *memset(void *p, int c, size_t n);
void *memset(void *p, int c, size_t n)
{
	for (volatile unsigned char *b = p; n--;)
		*b++ = (unsigned char)c;
	return p;
}

static __attribute__((noinline)) void unpack(unsigned char *to, size_t n, unsigned key)
{
#if METHOD == XOR
	for (size_t i = 0; i < n; i++)
		to[i] = packed[i] ^ (unsigned char)(key + 7 * i);
#elif METHOD == ADD
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(packed[i] + (i ? to[i - 1] : 0) + 0x5a + (key - KEY));
#elif METHOD == RC4
	for (size_t i = 0; i < n; i++)
		to[i] = packed[i];
	rc4(to, n, key);
#else
	const unsigned char *p = packed;

	rc4(packed, sizeof packed, key);
	for (size_t i = 0; i < n;) {
		unsigned flags = *p++;

		for (int b = 0; b < 8 && i < n; b++, flags >>= 1) {
			if (flags & 1) {
				size_t at = *p++, m = *p++;

				for (; m && i < n; m--, i++)
					to[i] = to[i - at];
			} else {
				to[i++] = *p++;
			}
		}
	}
#endif
}

#ifdef PARENT
static unsigned child_ended(void)
{
	int status = 0;
	long child = SYS(SYS_FORK, 0, 0, 0);

	if (!child)
		SYS(SYS_EXIT, 3, 0, 0);
	if (sys6(SYS_WAIT4, child, (long)&status, 0, 0, 0, 0) != child)
		return 1;
	return (unsigned)status ^ 3u << 8;
}
#else
static unsigned child_ended(void) { return 0; }
#endif

#ifdef PIPE
/* The child finds the pipe empty at first, and gets the code in pieces. */
static void through_pipe(const unsigned char *from, unsigned char *to, size_t n)
{
	int ends[2];
	long got, child;
	size_t at = 0;

	SYS(SYS_PIPE, ends, 0, 0);
	child = SYS(SYS_FORK, 0, 0, 0);
	if (child) {
		for (; at < n; at += (size_t)got)
			got = SYS(SYS_WRITE, ends[1], from + at, n - at < 100 ? n - at : 100);
		SYS(SYS_CLOSE, ends[1], 0, 0);
		sys6(SYS_WAIT4, child, 0, 0, 0, 0, 0);
		SYS(SYS_EXIT, 0, 0, 0);
	}
	SYS(SYS_CLOSE, ends[1], 0, 0);
	while (at < n && (got = SYS(SYS_READ, ends[0], to + at, 64)) > 0)
		at += (size_t)got;
	SYS(SYS_CLOSE, ends[0], 0, 0);
}
#endif

#ifdef INPLACE
static unsigned char room[65536] __attribute__((aligned(4096)));
#endif

__attribute__((section(".text.begin"), used)) void begin(void)
{
	size_t n = unpacked_size;
#ifdef INPLACE
	unsigned char *to = room;
	SYS(SYS_MPROTECT, to, sizeof room, 7);
#else
	unsigned char *to = make_room(n + 4096);
#endif
#ifdef CHILD
	if (SYS(SYS_FORK, 0, 0, 0) != 0)
		SYS(SYS_EXIT, 0, 0, 0);
#endif
	unpack(to, n, KEY + looked_at() + child_ended());
#ifdef PIPE
	{
		unsigned char *code = make_room(n + 4096);

		through_pipe(to, code, n);
		to = code;
	}
#endif
#ifdef MEMFD
	{
		static const char name[] = "x", empty[] = "";
		const char *argv[] = { name, NULL };
		long fd = SYS(SYS_MEMFD, name, 0, 0);

		SYS(SYS_WRITE, fd, to, n);
		sys6(SYS_EXECVEAT, fd, (long)empty, (long)argv, (long)(argv + 1), 0x1000, 0);
	}
#else
	((void (*)(void))(uintptr_t)to)();
#endif
	SYS(SYS_EXIT, 1, 0, 0);
	for (;;)
		;
}
