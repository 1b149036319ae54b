/*
 * settler: an inert test program for the garden. It acts only in a root that holds /.muss-scratch: copies itself, adds a
 * cron line and a start-up file, deletes its own file, puts a few bytes of code into memory and calls them, takes a
 * service's name, tries to reach an address of TEST-NET-1 and to mount something, and sleeps on in the background.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* mov eax, 42; ret */
static const unsigned char code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 };

static void copy(const char *from, const char *to)
{
	char block[4096];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	while (in >= 0 && out >= 0 && (n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			break;
	close(in);
	close(out);
}

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(6667) };
	struct timeval second = { 1, 0 };
	unsigned char *p;
	int (*f)(void), s;

	(void)argc;
	if (access("/.muss-scratch", F_OK))
		return 0;
	mkdir("/var/lib/.settler", 0755);
	copy("/proc/self/exe", "/var/lib/.settler/udevd");
	append("/etc/cron.d/settler", "*/5 * * * * root /var/lib/.settler/udevd\n");
	append("/etc/profile", "/var/lib/.settler/udevd &\n");
	unlink(argv[0]);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(p, code, sizeof code);
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	memcpy(&f, &p, sizeof f);
	if (f() != 42)
		return 1;
	prctl(PR_SET_NAME, "dbus-daemon");
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	mount("none", "/tmp", "tmpfs", 0, NULL);
	s = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "192.0.2.7", &a.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
	connect(s, (struct sockaddr *)&a, sizeof a);
	close(s);
	if (fork())
		return 0;
	setsid();
	while (access("/.muss-scratch", F_OK) == 0)
		sleep(60);
	return 0;
}
