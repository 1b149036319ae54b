/*
 * lodger: an inert process with one property that mscan must see. It changes nothing but its own memory, prints "ready"
 * when it is so, and ends as soon as its scratch file is gone, its parent ends, or two minutes are over.
 * usage: lodger SCRATCH MODE [ARGUMENT]
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static const char *scratch;
static volatile int settled;

static void stay(void)
{
	for (;;) {
		if (access(scratch, F_OK) < 0)
			_exit(0);
		usleep(20000);
	}
}

static unsigned char *map(size_t n)
{
	unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(3);
	return p;
}

static void runnable(void *p, size_t n)
{
	if (mprotect(p, n, PROT_READ | PROT_EXEC) < 0)
		exit(3);
}

/* Sleeps by its own system call: nanosleep(&{1 s}) in a loop, its instructions in memory that no file backs. */
static void *sleeping_code(void)
{
	static const unsigned char code[] = {
		0x55,                               /* push %rbp                       */
		0x48, 0x83, 0xec, 0x10,             /* sub $16, %rsp                   */
		0x48, 0xc7, 0x04, 0x24, 1, 0, 0, 0, /* again: movq $1, (%rsp)          */
		0x48, 0xc7, 0x44, 0x24, 8, 0, 0, 0, 0, /* movq $0, 8(%rsp)             */
		0x48, 0x89, 0xe7,                   /* mov %rsp, %rdi                  */
		0x31, 0xf6,                         /* xor %esi, %esi                  */
		0xb8, 35, 0, 0, 0,                  /* mov $SYS_nanosleep, %eax        */
		0x0f, 0x05,                         /* syscall                         */
		0xeb, 0xe1,                         /* jmp again                       */
	};
	unsigned char *p = map(PAGE);

	memcpy(p, code, sizeof(code));
	runnable(p, PAGE);
	return p;
}

/* Calls what it is given (in %rdi) again and again: its own instructions are in memory, those it waits in are the library's. */
static void *calling_code(void)
{
	static const unsigned char code[] = {
		0x53,                               /* push %rbx                       */
		0x48, 0x89, 0xfb,                   /* mov %rdi, %rbx                  */
		0xff, 0xd3,                         /* again: call *%rbx               */
		0xeb, 0xfc,                         /* jmp again                       */
	};
	unsigned char *p = map(PAGE);

	memcpy(p, code, sizeof(code));
	runnable(p, PAGE);
	return p;
}

static void *named(void *name)
{
	prctl(PR_SET_NAME, name);
	settled = 1;
	for (;;)
		pause();
}

static void wait_a_second(void)
{
	settled = 1;
	sleep(1);
}

static void thread(void *(*code)(void *), void *argument)
{
	pthread_t t;

	if (pthread_create(&t, NULL, code, argument))
		exit(3);
}

static unsigned char *moving;
static const char *state;

/* Code in memory that follows a file: by what the file says it is there, is other code, or is away. */
static void *follow(void *mode)
{
	unsigned char byte = 0x90;

	for (;; usleep(10000)) {
		int gone = access(state, F_OK) < 0;

		if (!strcmp(mode, "vanishing") ? gone : !strcmp(mode, "appearing") ? !gone : 0) {
			if (moving)
				munmap(moving, PAGE);
			moving = NULL;
		} else if (!moving) {
			moving = map(PAGE);
			memset(moving, byte, PAGE);
			runnable(moving, PAGE);
		}
		if (!strcmp(mode, "changing") && gone && byte == 0x90) {
			byte = 0xc3;
			if (mprotect(moving, PAGE, PROT_READ | PROT_WRITE) < 0)
				_exit(3);
			memset(moving, byte, PAGE);
			runnable(moving, PAGE);
		}
		settled = 1;
	}
	return NULL;
}

__attribute__((noinline, aligned(PAGE))) static int code(int x)
{
	return x * 7 + 3;
}

/* Its own code, changed while the file is there. */
static void *rewrite(void *unused)
{
	unsigned char *text = (unsigned char *)(uintptr_t)code, original = text[1];

	(void)unused;
	for (;; usleep(10000)) {
		unsigned char wanted = access(state, F_OK) < 0 ? original : original ^ 0x55;

		if (text[1] != wanted) {
			if (mprotect(text, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
				_exit(3);
			text[1] = wanted;
			runnable(text, PAGE);
		}
		settled = 1;
	}
	return NULL;
}

/* So many private mappings of our own program's first page, each written to and executable. */
static void patchwork(unsigned n)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *p;

	for (; n--; p[PAGE - 1] ^= 0x55, runnable(p, PAGE)) {
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			exit(3);
	}
	close(fd);
}

static void act(const char *mode, char *arg)
{
	void *p;

	state = arg;
	if (!strcmp(mode, "changing") || !strcmp(mode, "vanishing") || !strcmp(mode, "appearing") || !strcmp(mode, "rewriting")) {
		pthread_t t;

		if (pthread_create(&t, NULL, !strcmp(mode, "rewriting") ? rewrite : follow, (void *)(uintptr_t)mode))
			exit(3);
		while (!settled)
			usleep(1000);
		return;
	}

	if (!strcmp(mode, "thread-in-memory")) {
		p = sleeping_code();
		thread((void *(*)(void *))(uintptr_t)p, NULL);
		usleep(50000);
	} else if (!strcmp(mode, "thread-through-memory")) {
		p = calling_code();
		thread((void *(*)(void *))(uintptr_t)p, (void *)(uintptr_t)wait_a_second);
		while (!settled)
			usleep(1000);
	} else if (!strcmp(mode, "patchwork")) {
		patchwork((unsigned)atoi(arg));
	} else if (!strcmp(mode, "memory")) {
		sleeping_code();
	} else if (!strcmp(mode, "thread-named")) {
		thread(named, arg);
		while (!settled)
			usleep(1000);
	} else if (!strcmp(mode, "library")) {
		if (!dlopen(arg, RTLD_NOW)) {
			fprintf(stderr, "%s\n", dlerror());
			exit(3);
		}
	} else if (strcmp(mode, "plain")) {
		exit(2);
	}
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	if (argc < 3 || access(argv[1], F_OK) < 0)
		return 2;
	scratch = argv[1];
	act(argv[2], argc > 3 ? argv[3] : (char[]){ "" });
	puts("ready");
	fflush(stdout);
	stay();
}
