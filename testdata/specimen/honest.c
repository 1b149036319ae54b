/*
 * honest: a benign program that looks a little like malware (README.md): it goes on running after an "upgrade" replaced its
 * file, and makes code in memory as a just-in-time compiler does. No removal tool may be made for it. It acts only in a
 * root that holds /.muss-scratch and ends when that file is gone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* mov eax, IMMEDIATE; ret */
static int compile_and_call(int value)
{
	unsigned char text[6] = {0xb8, 0, 0, 0, 0, 0xc3};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *code = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*function)(void);

	if (code == MAP_FAILED)
		return -1;
	memcpy(text + 1, &value, sizeof(value));
	memcpy(code, text, sizeof(text));
	if (mprotect(code, 16 * page, PROT_READ | PROT_EXEC) < 0)
		return -1;
	memcpy(&function, &code, sizeof(function));
	return function();
}

/* As a package manager does it: the new version beside the old one, then renamed over it. */
static void upgrade(void)
{
	char self[PATH_MAX], next[PATH_MAX + 16], block[65536];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int in, out;

	if (n < 0)
		return;
	self[n] = 0;
	snprintf(next, sizeof(next), "%s.dpkg-new", self);
	if ((in = open(self, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	if ((out = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755)) >= 0) {
		while ((n = read(in, block, sizeof(block))) > 0)
			if (write(out, block, (size_t)n) != n)
				break;
		if (write(out, "\n2", 2) == 2)
			rename(next, self);
		close(out);
	}
	close(in);
}

int main(void)
{
	if (access("/.muss-scratch", F_OK) < 0)
		return 0;
	if (compile_and_call(7) != 7)
		return 1;
	upgrade();
	while (!access("/.muss-scratch", F_OK))
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	return 0;
}
