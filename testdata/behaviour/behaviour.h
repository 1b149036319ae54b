/*
 * behaviour.h: what every compiled specimen of this catalogue begins with (README.md). -DACT=act_NAME chooses the behaviour; it returns
 * the exit status. Nothing happens where /.muss-scratch is not there.
 */
#ifndef BEHAVIOUR_H
#define BEHAVIOUR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int act(int argc, char **argv);

int main(int argc, char **argv)
{
	if (access("/.muss-scratch", F_OK))
		return 0;
	return act(argc, argv);
}

#define ACTION(name) UNUSED static int act_##name(int argc UNUSED, char **argv UNUSED)
#define CHOSEN static int act(int argc, char **argv) { return ACT(argc, argv); }

UNUSED static int copy(const char *from, const char *to, mode_t mode)
{
	char block[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ssize_t n;

	if (in < 0 || out < 0)
		return 1;
	while ((n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			return 1;
	fchmod(out, mode);
	close(in);
	close(out);
	return n != 0;
}

UNUSED static int put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int rc = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return rc;
}

/* A child that does something and ends. */
#define CHILD(what) do { pid_t child_ = fork(); if (!child_) { what; _exit(0); } waitpid(child_, NULL, 0); } while (0)

#endif
