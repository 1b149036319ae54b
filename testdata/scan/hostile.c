/*
 * hostile: an inert process that makes itself hard to look at, in one way. It changes nothing but its own memory and its own
 * children, prints "ready" when it is so, and ends by itself after two minutes, or as soon as its parent does.
 * usage: hostile MODE [ARGUMENT]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void *map(size_t n, int prot)
{
	void *p = mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(3);
	return p;
}

/* Executable memory and code of its own file come and go, without end. */
static void churn(const char *self)
{
	int fd = open(self, O_RDONLY);
	unsigned i;

	for (i = 0;; i++) {
		unsigned char *p = map((1 + i % 7) * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
		void *q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

		*p = (unsigned char)i;
		if (i == 100)
			ready();
		if (q != MAP_FAILED)
			munmap(q, 2 * PAGE);
		munmap(p, (1 + i % 7) * PAGE);
	}
}

/* Every other page executable, so that no two are one mapping. */
static void many(unsigned long n)
{
	unsigned char *p = map(n * PAGE, PROT_READ | PROT_WRITE);
	unsigned long i;

	for (i = 0; i < n; i += 2) {
		if (i < 64)
			memcpy(p + i * PAGE, "muss test code", 14);
		if (mprotect(p + i * PAGE, PAGE, PROT_READ | PROT_EXEC) < 0)
			exit(3);
	}
	ready();
	pause();
}

/* Processes that come and go; so many are there at a time. */
static void brief(unsigned long n)
{
	unsigned long i;

	for (i = 0;; i++) {
		pid_t pid = fork();

		if (!pid) {
			usleep(10000 * (5 + i % 45));
			_exit(0);
		}
		if (i == n)
			ready();
		if (i >= n)
			wait(NULL);
	}
}

static void *read_own(void *p)
{
	char byte;
	int fd = open("/proc/self/mem", O_RDONLY);

	if (pread(fd, &byte, 1, (off_t)(uintptr_t)p) < 0)
		perror("mem");
	return NULL;
}

static void *map_more(void *p)
{
	usleep(100000);
	map(PAGE, PROT_READ);
	return p;
}

/* Once SIGUSR2 came: one thread reads that file's page through /proc, with the lock of the memory held, another one waits to
 * write under it; whoever looks at the memory waits behind them. */
static void lock(const char *path)
{
	int fd = open(path, O_RDONLY), sig;
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	pthread_t t;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (p == MAP_FAILED)
		exit(3);
	ready();
	sigwait(&set, &sig);
	pthread_create(&t, NULL, read_own, p);
	pthread_create(&t, NULL, map_more, p);
	for (;;)
		pause();
}

/* Much executable memory is reserved, a page in a thousand is used. */
static void sparse(void)
{
	unsigned char *p = map(256ul << 20, PROT_READ | PROT_WRITE | PROT_EXEC);
	unsigned i;

	for (i = 0; i < 64; i++)
		memcpy(p + i * 1024ul * PAGE, "muss test code", 14);
	ready();
	for (;;)
		pause();
}

/* A parent that the kernel keeps waiting for its child, as in D. */
static void waiting(void)
{
	ready();
	if (!vfork()) {
		sleep(100);
		_exit(0);
	}
}

static void zombie(void)
{
	siginfo_t who;

	if (!fork())
		_exit(0);
	waitid(P_ALL, 0, &who, WEXITED | WNOWAIT);
	ready();
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	if (!strcmp(mode, "churn"))
		churn("/proc/self/exe");
	else if (!strcmp(mode, "many"))
		many(n);
	else if (!strcmp(mode, "brief"))
		brief(n);
	else if (!strcmp(mode, "lock") && argc > 2)
		lock(argv[2]);
	else if (!strcmp(mode, "sparse"))
		sparse();
	else if (!strcmp(mode, "waiting"))
		waiting();
	else if (!strcmp(mode, "zombie"))
		zombie();
	return 2;
}
