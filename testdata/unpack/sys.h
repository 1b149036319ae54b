/* System calls without a C library, for inert specimens of both widths. */
#ifndef SYS_H
#define SYS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_OPEN = 2, SYS_CLOSE = 3, SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_SIGACTION = 13, SYS_NANOSLEEP = 35,
	SYS_PIPE = 22, SYS_GETPID = 39, SYS_FORK = 57, SYS_EXIT = 60, SYS_WAIT4 = 61, SYS_PTRACE = 101, SYS_MEMFD = 319, SYS_EXECVEAT = 322 };
static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}
#define MMAP SYS_MMAP
#else
enum { SYS_READ = 3, SYS_WRITE = 4, SYS_OPEN = 5, SYS_CLOSE = 6, SYS_MMAP = 192, SYS_MPROTECT = 125, SYS_SIGACTION = 174, SYS_NANOSLEEP = 162,
	SYS_PIPE = 42, SYS_GETPID = 20, SYS_FORK = 2, SYS_EXIT = 1, SYS_WAIT4 = 114, SYS_PTRACE = 26, SYS_MEMFD = 356, SYS_EXECVEAT = 358 };
static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	long r, args[2] = { f, n };

	__asm__ volatile("push %%ebp\n\tmov (%%eax), %%ebp\n\tmov 4(%%eax), %%eax\n\tint $0x80\n\tpop %%ebp"
		: "=a"(r) : "a"(args), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return r;
}
#endif
#define SYS(n, a, b, c) sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* Readable, writable and executable memory. */
static inline unsigned char *make_room(size_t n)
{
	return (unsigned char *)sys6(SYS_MMAP, 0, (long)n, 7, 0x22, -1, 0);
}

#endif
