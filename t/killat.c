/*
 * killat: kill -9 at an exact place, for the tests: killat N COMMAND... runs COMMAND and kills it and its children right
 * before the Nth system call that changes something (file, journal, process). Exit 0: killed; 3: it ended before; N 0: prints
 * how many such calls there were.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int changes(const struct user_regs_struct *r)
{
	switch (r->orig_rax) {
	case SYS_write: case SYS_writev: case SYS_pwrite64:
		return r->rdi > 2;
	case SYS_open:
		return (r->rsi & O_CREAT) != 0;
	case SYS_openat:
		return (r->rdx & O_CREAT) != 0;
	case SYS_fsync: case SYS_fdatasync: case SYS_ftruncate: case SYS_renameat: case SYS_renameat2: case SYS_unlink: case SYS_unlinkat: case SYS_linkat: case SYS_symlinkat:
	case SYS_mkdirat: case SYS_fchmod: case SYS_fchown: case SYS_fchownat: case SYS_utimensat: case SYS_fsetxattr:
	case SYS_pidfd_send_signal: case SYS_fork:
		return 1;
	default:
		return 0;
	}
}

int main(int argc, char **argv)
{
	const int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
	long n, count = 0;
	int status, first = 1, result = 0;
	pid_t child, pid, inside[64] = { 0 };
	unsigned stopped_in[64] = { 0 };

	if (argc < 3)
		return 64;
	n = atol(argv[1]);
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		int sig = 0, slot = 0;

		if (pid <= 0)
			continue;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		while (slot < 63 && inside[slot] && inside[slot] != pid)
			slot++;
		inside[slot] = pid;
		if (first) {
			ptrace(PTRACE_SETOPTIONS, pid, NULL, options);
			first = 0;
		} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			struct user_regs_struct r;

			stopped_in[slot] ^= 1;
			if (stopped_in[slot] && !ptrace(PTRACE_GETREGS, pid, NULL, &r) && changes(&r) && ++count == n) {
				for (slot = 0; slot < 64 && inside[slot]; slot++)
					kill(inside[slot], SIGKILL);
				while (waitpid(-1, &status, __WALL) > 0 || errno == EINTR)
					;
				return 0;
			}
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
			sig = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, sig);
	}
	if (n == 0) {
		printf("%ld\n", count);
		return result;
	}
	return 3;
}
