/*
 * looks: an inert test program that looks for a tracer in the ways that programs do, and says what it found. It acts only in a
 * root that holds /.muss-scratch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[8192];

static const char *content(int fd)
{
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

/* A line of a status file, without its tab. */
static void line(const char *name, int fd, const char *key)
{
	const char *p = strstr(content(fd), key);

	printf("%s %.*s\n", name, p ? (int)strcspn(p, "\n") : 7, p ? p : "nothing");
}

int main(void)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC };
	char path[64], *p;
	int fd;
	long first, second;
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { 1, code };
	pid_t pid;

	if (access("/.muss-scratch", F_OK))
		return 99;
	line("self", open("/proc/self/status", O_RDONLY), "TracerPid:");
	line("state", open("/proc/self/status", O_RDONLY), "State:");
	line("filter", open("/proc/self/status", O_RDONLY), "Seccomp:");
	line("privs", open("/proc/self/status", O_RDONLY), "NoNewPrivs:");
	line("name", open("/proc/self/status", O_RDONLY), "Name:");
	line("thread", open("/proc/thread-self/status", O_RDONLY), "TracerPid:");
	snprintf(path, sizeof path, "/proc/%d/status", getpid());
	line("pid", open(path, O_RDONLY), "TracerPid:");
	snprintf(path, sizeof path, "/proc/self/task/%d/status", getpid());
	line("task", open(path, O_RDONLY), "TracerPid:");
	line("around", open("/proc/../proc/self/status", O_RDONLY), "Name:");
	line("openat2", (int)syscall(SYS_openat2, AT_FDCWD, "/proc/self/status", &how, sizeof how), "TracerPid:");
	line("init", open("/proc/1/status", O_RDONLY), "State:");
	if (chdir("/proc/self") == 0)
		line("relative", open("status", O_RDONLY), "TracerPid:");
	p = strrchr(content(open("/proc/self/stat", O_RDONLY)), ')');
	printf("stat %.2s\n", p ? p + 2 : "-");
	printf("wchan %s\n", content(open("/proc/self/wchan", O_RDONLY)));
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	line("child", open(path, O_RDONLY), "TracerPid:");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	printf("cloexec %d\n", fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	printf("missing %s\n", open("/proc/99999/status", O_RDONLY) < 0 ? strerrorname_np(errno) : "there");
	mkdir("/tmp/looks", 0700);
	fd = open("/tmp/looks/status", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd >= 0 && write(fd, "TracerPid:\t7\n", 13) == 13)
		close(fd);
	line("other", open("/tmp/looks/status", O_RDONLY), "TracerPid:");
	printf("prctl %d %d %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECCOMP), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("privs-set %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	line("privs-shown", open("/proc/self/status", O_RDONLY), "NoNewPrivs:");
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	printf("own-filter %d\n", prctl(PR_GET_SECCOMP));
	line("own-filter-shown", open("/proc/self/status", O_RDONLY), "Seccomp:");
	first = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	second = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	printf("traceme %ld %ld %s\n", first, second, strerrorname_np(errno));
	return 0;
}
