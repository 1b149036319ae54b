/*
 * trial: an inert test program for the garden's limits and its tracer: trial WHAT. It acts only in a root that holds
 * /.muss-scratch, and ends with that root in any case.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void forks(void)
{
	for (;;)
		fork();
}

static int bounds(void)
{
	FILE *f = fopen("/proc/sys/kernel/pid_max", "r");
	int most = 0;

	if (f && fscanf(f, "%d", &most) == 1)
		printf("pids %d, nice %d\n", most, getpriority(PRIO_PROCESS, 0));
	return 0;
}

static _Noreturn void memory(void)
{
	for (;;) {
		char *p = malloc(1 << 20);

		if (!p)
			pause();
		memset(p, 1, 1 << 20);
	}
}

static int shared(void)
{
	for (int i = 0; i < 900; i++) {
		int fd = memfd_create("hog", 0);

		if (fd < 0 || ftruncate(fd, 64 << 20))
			break;
		for (off_t at = 0; at < 64 << 20; at += 4096)
			if (pwrite(fd, "x", 1, at) != 1)
				break;
	}
	pause();
	return 0;
}

static int execs(char **argv, int left)
{
	char number[16];
	char *next[] = { argv[0], argv[1], number, NULL };

	snprintf(number, sizeof number, "%d", left - 1);
	if (left > 0)
		execv(argv[0], next);
	return 0;
}

/* Stops itself and its child in all ways; ends only when the tracer lets go of each stop. */
static int stops(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			kill(getpid(), i % 2 ? SIGSTOP : SIGTSTP);
			raise(SIGTRAP);
			_exit(0);
		}
		while (waitpid(pid, NULL, WNOHANG) == 0) {
			kill(pid, SIGCONT);
			usleep(500);
		}
	}
	write(1, "done\n", 5);
	return 0;
}

static int pointers(void)
{
	char *bad = (char *)8, *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(edge + 4096, 4096, PROT_NONE);
	memset(edge, 'a', 4096);
	syscall(SYS_openat, AT_FDCWD, bad, O_WRONLY | O_CREAT, 0600);
	syscall(SYS_openat, AT_FDCWD, edge + 4090, O_WRONLY | O_CREAT, 0600);
	syscall(SYS_unlink, (char *)-1);
	syscall(SYS_rename, bad, edge);
	syscall(SYS_execve, bad, bad, bad);
	syscall(SYS_connect, 99, bad, 16);
	syscall(SYS_connect, 1, bad, 1 << 30);
	syscall(SYS_sendmsg, 1, bad, 0);
	syscall(SYS_mprotect, bad, (size_t)-1, PROT_EXEC);
	syscall(SYS_mprotect, 0UL, 1UL << 46, PROT_EXEC);
	syscall(SYS_prctl, PR_SET_NAME, bad);
	syscall(SYS_memfd_create, bad, 0);
	syscall(SYS_mmap, 0, -1UL, PROT_EXEC, 0, -1, 0);
	write(1, "done\n", 5);
	return 0;
}

static void *spin(void *p)
{
	for (int i = 0; i < 50; i++)
		close(open("/tmp/spin", O_WRONLY | O_CREAT, 0600));
	return p;
}

static int threads(char **argv)
{
	pthread_t t[16];
	char *next[] = { argv[0], "nothing", NULL };

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 16; i++)
			pthread_create(&t[i], NULL, spin, NULL);
		for (int i = 0; i < 16; i++)
			pthread_join(t[i], NULL);
	}
	for (int i = 0; i < 16; i++)
		pthread_create(&t[i], NULL, spin, NULL);
	/* While they run: all but one vanish. */
	execv(argv[0], next);
	return 1;
}

static int old(void)
{
	int r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return r > 0 ? 7 : 8;
}

static int fileless(char **argv)
{
	char *next[] = { "[kworker/0:1]", "nothing", NULL };
	int in = open(argv[0], O_RDONLY), fd = memfd_create("x", MFD_CLOEXEC);
	char block[4096];
	ssize_t n;

	while ((n = read(in, block, sizeof block)) > 0)
		if (write(fd, block, (size_t)n) != n)
			return 1;
	fexecve(fd, next, next + 2);
	return 1;
}

static int written(void)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, "\xb8\x07\0\0\0\xc3", 6);
	return ((int (*)(void))p)();
}

static int unseen(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		close(open("/tmp/unseen", O_WRONLY | O_CREAT, 0600));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

static int probe(const char *name, long r)
{
	printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "allowed");
	return 0;
}

static int escapes(void)
{
	probe("mount", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, NULL));
	probe("umount", syscall(SYS_umount2, "/proc", 2));
	probe("pivot_root", syscall(SYS_pivot_root, "/", "/"));
	probe("chroot", syscall(SYS_chroot, "/tmp"));
	probe("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
	probe("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
	probe("clone3", syscall(SYS_clone3, NULL, 0));
	probe("setns", syscall(SYS_setns, 0, 0));
	probe("bpf", syscall(SYS_bpf, 0, NULL, 0));
	probe("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	probe("keyctl", syscall(SYS_keyctl, 0, 0));
	probe("userfaultfd", syscall(SYS_userfaultfd, 0));
	probe("perf", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	probe("module", syscall(SYS_finit_module, 0, "", 0));
	probe("kexec", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	probe("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	probe("handle", syscall(SYS_open_by_handle_at, 0, NULL, 0));
	probe("vsock", socket(40, SOCK_STREAM, 0));
	probe("alg", socket(38, SOCK_SEQPACKET, 0));
	probe("listener", syscall(SYS_seccomp, 1, 8, NULL));
	probe("ptrace", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	probe("traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	probe("readv", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
	probe("time", syscall(SYS_settimeofday, NULL, NULL));
	probe("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
	probe("core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY));
	probe("kcore", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/proc/kcore", O_RDONLY), 0) == MAP_FAILED ? -1 : 0);
	probe("mem", open("/proc/1/mem", O_RDWR));
	probe("root", open("/proc/1/root", O_PATH));
	probe("mknod", mknod("/tmp/sda", S_IFBLK | 0600, 0x800));
	return 0;
}

/* The same call a thousand times: for the time it takes. */
static int opens(void)
{
	for (int i = 0; i < 20000; i++)
		close(open("/etc/hostname", O_RDONLY));
	return 0;
}

static int events(void)
{
	for (int i = 0; i < 6000; i++)
		close(open("/tmp/e", O_WRONLY | O_CREAT, 0600));
	return 0;
}

static int away(void)
{
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			setsid();
			signal(SIGTERM, SIG_IGN);
			signal(SIGHUP, SIG_IGN);
			prctl(PR_SET_PDEATHSIG, 0);
			for (;;)
				pause();
		}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (access("/.muss-scratch", F_OK))
		return 99;
	signal(SIGALRM, SIG_DFL);
	alarm(200);
	if (!strcmp(what, "forks")) forks();
	if (!strcmp(what, "bounds")) return bounds();
	if (!strcmp(what, "memory")) memory();
	if (!strcmp(what, "shared")) return shared();
	if (!strcmp(what, "execs")) return execs(argv, argc > 2 ? atoi(argv[2]) : 300);
	if (!strcmp(what, "stops")) return stops();
	if (!strcmp(what, "pointers")) return pointers();
	if (!strcmp(what, "threads")) return threads(argv);
	if (!strcmp(what, "old")) return old();
	if (!strcmp(what, "fileless")) return fileless(argv);
	if (!strcmp(what, "written")) return written();
	if (!strcmp(what, "unseen")) return unseen();
	if (!strcmp(what, "escapes")) return escapes();
	if (!strcmp(what, "opens")) return opens();
	if (!strcmp(what, "events")) return events();
	if (!strcmp(what, "away")) return away();
	if (!strcmp(what, "spin")) for (;;) ;
	return 0;
}
