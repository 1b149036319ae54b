/* The profiles: what they allow, and that what they do not allow ends the process. */
#include "confine/confine.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct confine_limits limits = { 512 * MIB, 5, MIB };

/* 128 + signal, or the exit code, of act() done inside a profile. */
static int inside(enum confine_profile p, const struct confine_limits *l, int (*act)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err e = { 0 };

		if (confine_enter(p, l, &e)) {
			dprintf(2, "%s\n", e.msg);
			_exit(e.code);
		}
		_exit(act());
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int pipe_fd = -1;

static int do_compute(void)
{
	char *p = malloc(8 * MIB), *q;

	if (!p)
		return 1;
	memset(p, 1, 8 * MIB);
	q = realloc(p, 16 * MIB);
	if (!q || q[0] != 1)
		return 2;
	free(q);
	return write(pipe_fd, "x", 1) == 1 && clock_now() > 0 ? 0 : 3;
}
static int do_open(void) { return (int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0) < 0; }
static int do_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }
static int do_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0) < 0; }
static int do_serve(void)
{
	const struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && !bind(fd, (const struct sockaddr *)&a, sizeof a) && !listen(fd, 1) ? 0 : 1;
}
static int do_exec(void) { return execl("/bin/true", "true", (char *)NULL); }
static int do_fork(void) { return (int)syscall(SYS_fork) < 0; }
static int do_kill(void) { return (int)syscall(SYS_ptrace, 0, 0, 0, 0) < 0; }
static int do_mmap_exec(void) { return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED; }
static int do_mmap_exec_file(void) { return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, pipe_fd, 0) == MAP_FAILED; }
static int do_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC) != 0;
}
static int do_spin(void)
{
	for (volatile unsigned n = 1; n; n |= 1)
		;
	return 0;
}
static int do_memory(void)
{
	char *volatile p = malloc(GIB);   /* volatile: else the compiler knows better */

	return p ? 1 : 0;
}
static int do_read_allowed(void)
{
	int fd = open("/usr/lib/os-release", O_RDONLY);

	return fd >= 0 ? 0 : 1;
}
static int do_read_refused(void) { return open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 1; }
static int do_write_refused(void) { return open("/usr/muss-test-must-not-appear", O_WRONLY | O_CREAT, 0600) < 0 ? 0 : 1; }
static int do_memfd_by_name(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", pipe_fd);
	fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0700);
	return fd >= 0 && write(fd, "x", 1) == 1 ? 0 : 1;
}

int main(void)
{
	const struct confine_limits short_cpu = { 512 * MIB, 1, MIB };
	int p[2];

	if (pipe(p))
		return 1;
	pipe_fd = p[1];
	OK(inside(CONFINE_PARSER, &limits, do_compute) == 0, "parser: memory, a clock and open descriptors work");
	OK(inside(CONFINE_PARSER, &limits, do_open) == 128 + SIGSYS, "parser: open ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_socket) == 128 + SIGSYS, "parser: socket ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_exec) == 128 + SIGSYS, "parser: execve ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_fork) == 128 + SIGSYS, "parser: fork ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_kill) == 128 + SIGSYS, "parser: ptrace ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_mmap_exec) == 128 + SIGSYS, "parser: executable memory ends the process");
	OK(inside(CONFINE_PARSER, &limits, do_mprotect_exec) == 128 + SIGSYS, "parser: making memory executable ends the process");
	OK(inside(CONFINE_PARSER, &short_cpu, do_spin) == 128 + SIGXCPU, "parser: processor time is limited");
#ifndef __SANITIZE_ADDRESS__
	OK(inside(CONFINE_PARSER, &limits, do_memory) == 0, "parser: memory is limited");
#else
	(void)do_memory;
#endif
	OK(inside(CONFINE_NETWORK, &limits, do_compute) == 0, "network: memory, a clock and open descriptors work");
	OK(inside(CONFINE_NETWORK, &limits, do_serve) == 0, "network: a listener may be opened");
	OK(inside(CONFINE_NETWORK, &limits, do_unix_socket) == 128 + SIGSYS, "network: a Unix socket ends the process");
	OK(inside(CONFINE_NETWORK, &limits, do_packet_socket) == 128 + SIGSYS, "network: so does a packet socket");
	OK(inside(CONFINE_NETWORK, &limits, do_open) == 128 + SIGSYS, "network: so does open");
	OK(inside(CONFINE_NETWORK, &limits, do_exec) == 128 + SIGSYS, "network: so does execve");
	OK(inside(CONFINE_EMULATOR, &limits, do_compute) == 0, "emulator: memory, a clock and open descriptors work");
	OK(inside(CONFINE_EMULATOR, &limits, do_mmap_exec) == 0, "emulator: anonymous memory may be executable");
	OK(inside(CONFINE_EMULATOR, &limits, do_mmap_exec_file) == 128 + SIGSYS, "emulator: a file mapped as executable ends the process");
	OK(inside(CONFINE_EMULATOR, &limits, do_mprotect_exec) == 128 + SIGSYS, "emulator: making memory executable ends the process");
	OK(inside(CONFINE_EMULATOR, &limits, do_open) == 128 + SIGSYS, "emulator: open ends the process");
	OK(inside(CONFINE_EMULATOR, &limits, do_socket) == 128 + SIGSYS, "emulator: socket ends the process");
	OK(inside(CONFINE_EMULATOR, &limits, do_exec) == 128 + SIGSYS, "emulator: execve ends the process");
	OK(inside(CONFINE_EMULATOR, &limits, do_fork) == 128 + SIGSYS, "emulator: fork ends the process");
	OK(inside(CONFINE_COMPILER, &limits, do_socket) == 128 + SIGSYS, "compiler: socket ends the process");
	OK(inside(CONFINE_COMPILER, &limits, do_exec) == 128 + SIGSYS, "compiler: execve ends the process");
	OK(inside(CONFINE_COMPILER, &limits, do_read_allowed) == 0, "compiler: libraries can be read");
	if (syscall(444, NULL, 0, 1) > 0) {   /* Landlock's version */
		OK(inside(CONFINE_COMPILER, &limits, do_read_refused) == 0, "compiler: other files cannot be read");
		OK(inside(CONFINE_COMPILER, &limits, do_write_refused) == 0, "compiler: nothing can be written by name");
	}
	pipe_fd = memfd_create("out", MFD_CLOEXEC);
	OK(inside(CONFINE_COMPILER, &limits, do_memfd_by_name) == 0, "compiler: an open memfd can be written through /proc/self/fd");
	return unit_end();
}
