/*
 * actor: an inert process with one property that mscan must see. It changes nothing but its own memory, prints "ready"
 * when it is so, sleeps, and ends by itself after two minutes, or as soon as its parent does.
 * usage: actor MODE [ARGUMENT]
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

extern char **environ;

__attribute__((noinline, aligned(PAGE))) static int code(int x)
{
	return x * 7 + 3;
}

__attribute__((noinline, aligned(PAGE))) static int more_code(int x)
{
	return x * 5 + code(x);
}

extern char etext;

static unsigned char *map(int prot, int flags, size_t n)
{
	unsigned char *p = mmap(NULL, n, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(3);
	return p;
}

static void fill(unsigned char *p, size_t n)
{
	memset(p, 0x90, n);
	memcpy(p, "muss test code", 14);
	p[n - 1] = 0xc3;
}

static void rights(void *p, int prot)
{
	uintptr_t page = (uintptr_t)p & ~(uintptr_t)(PAGE - 1);

	if (mprotect((void *)page, PAGE, prot) < 0)
		exit(3);
}

static void act(const char *mode, const char *arg)
{
	unsigned char *p;
	volatile unsigned char *text = (volatile unsigned char *)(uintptr_t)code;

	if (!strcmp(mode, "anonymous")) {
		fill(map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, 2 * PAGE), 2 * PAGE);
	} else if (!strcmp(mode, "decrypted")) {
		/* a reserve of executable memory, of which the middle alone is filled */
		p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 64 * PAGE);
		fill(p + 8 * PAGE, 3 * PAGE);
		mprotect(p, 64 * PAGE, PROT_READ | PROT_EXEC);
	} else if (!strcmp(mode, "reserve")) {
		map(PROT_READ | PROT_EXEC, MAP_PRIVATE, 64 * PAGE);
	} else if (!strcmp(mode, "shared")) {
		fill(map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, PAGE), PAGE);
	} else if (!strcmp(mode, "heap")) {
		char *heap = sbrk(0);

		if (brk(heap + 4 * PAGE) < 0)
			exit(3);
		memset(heap, 0x90, 2 * PAGE);
		rights(heap + PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	} else if (!strcmp(mode, "image")) {
		/* headers apart from code, as a hand-made loader leaves them */
		p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 3 * PAGE);
		memcpy(p, "\177ELF\2\1\1", 8);
		fill(p + PAGE, PAGE);
		mprotect(p, PAGE, PROT_READ);
		mprotect(p + PAGE, PAGE, PROT_READ | PROT_EXEC);
	} else if (!strcmp(mode, "text")) {
		rights((void *)(uintptr_t)text, PROT_READ | PROT_WRITE | PROT_EXEC);
		text[1] ^= 0x55;
		rights((void *)(uintptr_t)text, PROT_READ | PROT_EXEC);
	} else if (!strncmp(mode, "copied", 6)) {
		/* its own code in memory that no file backs, as a loader in user space leaves it; or with a byte changed */
		uintptr_t from = (uintptr_t)code < (uintptr_t)more_code ? (uintptr_t)code : (uintptr_t)more_code;
		size_t n = (((uintptr_t)&etext - from) + PAGE - 1) / PAGE * PAGE;

		p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, n);
		memcpy(p, (void *)from, n);
		if (!strcmp(mode, "copied-changed"))
			p[100] ^= 0x55;
		if (strcmp(mode, "copied-writable") != 0)
			mprotect(p, n, PROT_READ | PROT_EXEC);
		else
			mprotect(p, n, PROT_READ | PROT_WRITE | PROT_EXEC);
	} else if (!strcmp(mode, "touched")) {
		rights((void *)(uintptr_t)text, PROT_READ | PROT_WRITE | PROT_EXEC);
		text[1] = text[1];
		rights((void *)(uintptr_t)text, PROT_READ | PROT_EXEC);
	} else if (!strcmp(mode, "library")) {
		if (!dlopen(arg, RTLD_NOW)) {
			fprintf(stderr, "%s\n", dlerror());
			exit(3);
		}
	} else if (!strcmp(mode, "deleted-library")) {
		if (!dlopen(arg, RTLD_NOW) || unlink(arg) < 0)
			exit(3);
	} else if (!strcmp(mode, "named")) {
		prctl(PR_SET_NAME, arg);
	} else if (!strcmp(mode, "listen") || !strcmp(mode, "connected")) {
		int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
		socklen_t n = sizeof(at);

		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)&at, &n) < 0)
			exit(3);
		if (!strcmp(mode, "connected")) {
			if (connect(other, (struct sockaddr *)&at, n) < 0 || accept(fd, NULL, NULL) < 0)
				exit(3);
			close(fd);
		}
	} else if (!strcmp(mode, "raw")) {
		if (socket(AF_INET, SOCK_RAW, 1) < 0)
			exit(3);
	} else if (strcmp(mode, "plain")) {
		exit(2);
	}
}

/* Runs itself from a file that never had a name. */
static void become_memfd(char *self)
{
	int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("muss-test", MFD_CLOEXEC);
	static char block[65536];
	char *argv[] = { self, (char[]){ "plain" }, NULL };
	ssize_t n;

	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			exit(3);
	fexecve(to, argv, environ);
	exit(3);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "memfd"))
		become_memfd(argv[0]);
	act(argv[1], argc > 2 ? argv[2] : "");
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
