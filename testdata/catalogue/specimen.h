/*
 * specimen.h: what every compiled specimen of the catalogue begins with (README.md). A variation is made by macros:
 *   ACT      the technique: act_NAME of one of the files included by resident.c
 *   MARK     each of its processes makes the empty file MARK.PID when the technique stands
 *   SEED     an odd number from which constants, code in memory and padding follow
 *   PAD      words of padding, so that sizes differ
 *   LAYOUT   bits by which a technique chooses among its shapes
 *   PAGES    of a region of memory
 *   BEAT     milliseconds between two looks at the scratch root
 *   FORKS    further processes
 *   NAME     a name that it gives itself, or ""
 */
#ifndef SPECIMEN_H
#define SPECIMEN_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH "/.muss-scratch"
#define LIFE_SECONDS 600
#define PAGE 4096u

#ifndef LAYOUT
#define LAYOUT 0
#endif
#ifndef PAGES
#define PAGES 2
#endif
#ifndef BEAT
#define BEAT 200
#endif
#ifndef FORKS
#define FORKS 0
#endif
#ifndef NAME
#define NAME ""
#endif

#define UNUSED __attribute__((unused))

/* What a technique does at each beat, if anything. */
static void (*on_beat)(void);

UNUSED static const volatile unsigned padding[PAD] = { SEED, SEED ^ 0x5a5a5a5au };

static uint32_t random_state = SEED | 1u;

static uint32_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void give_up(const char *what)
{
	perror(what);
	exit(3);
}

/* The code of the "payload": mov eax, SEED; ret. It does nothing else. */
static void put_function(unsigned char *p)
{
	uint32_t answer = SEED;

	p[0] = 0xb8;
	memcpy(p + 1, &answer, 4);
	p[5] = 0xc3;
}

/* Fills a region as one shape of payload: the function somewhere, among bytes that look like code, data or noise. */
UNUSED static unsigned char *payload(unsigned char *p, size_t n)
{
	size_t at = (LAYOUT & 0x100 ? n / 2 : 0) + (random_word() % 64) * 8, i;

	for (i = 0; i < n; i++)
		p[i] = LAYOUT & 0x200 ? (unsigned char)random_word() : LAYOUT & 0x400 ? 0x90 : (unsigned char)(i * 37 + SEED);
	put_function(p + at);
	return p + at;
}

UNUSED static void call(const unsigned char *p)
{
	int (*function)(void);

	memcpy(&function, &p, sizeof(function));
	if ((uint32_t)function() != (uint32_t)(SEED))
		exit(4);
}

UNUSED static unsigned char *region(size_t n, int prot, int flags)
{
	unsigned char *p = mmap(NULL, n, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		give_up("mmap");
	return p;
}

UNUSED static void rights(void *p, size_t n, int prot)
{
	uintptr_t from = (uintptr_t)p & ~(uintptr_t)(PAGE - 1), to = ((uintptr_t)p + n + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	if (mprotect((void *)from, to - from, prot) < 0)
		give_up("mprotect");
}

UNUSED static void copy_file(int from, int to)
{
	static char block[65536];
	ssize_t n;

	if (lseek(from, 0, SEEK_SET) < 0)
		give_up("lseek");
	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			give_up("write");
}

UNUSED static void own_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		give_up("/proc/self/exe");
	path[n] = '\0';
}

static int in_scratch(void)
{
	return !access(SCRATCH, F_OK);
}

static void ready(void)
{
	char mark[PATH_MAX];
	int fd;

	snprintf(mark, sizeof(mark), "%s.%d", MARK, (int)getpid());
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* Until the scratch root is no more, or its time is over. */
static void rest(void)
{
	struct timespec pause = { .tv_sec = BEAT / 1000, .tv_nsec = BEAT % 1000 * 1000000L };
	time_t until = time(NULL) + LIFE_SECONDS;

	while (in_scratch() && time(NULL) < until) {
		nanosleep(&pause, NULL);
		if (on_beat)
			on_beat();
	}
}

#endif
