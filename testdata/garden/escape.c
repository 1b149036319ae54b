/*
 * escape: an inert test program for the garden: escape NAME FOLDER PORT PID makes one attempt to get out of its closed world,
 * to take its keeper along, to be seen by nobody or to take more of the machine than it was given. It acts only in a root that holds
 * /.muss-scratch, and each attempt is harmless should it succeed: it looks at canaries that the test has put outside, or
 * changes a thing to what it is already. It says on stdout how the attempt looks from inside; exit 0: stopped, 1: got out.
 * Its world's limits end it where it does not end by itself.
 * escape --list: name, kind, record, user (1: made as an ordinary user), what it tries; with tabs between.
 */
#include "escape.h"

#include <sys/timex.h>
#include <time.h>

const char *folder = "/nowhere";
char *program;
int port, canary;

int stopped_if(bool good, const char *what)
{
	printf("%s %s\n", good ? "stopped" : "ESCAPED", what);
	fflush(stdout);
	return !good;
}

int stopped(long result, const char *what)
{
	printf("%s %s %s\n", result < 0 ? "stopped" : "ESCAPED", what, result < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
	return result >= 0;
}

int no_open(const char *path, int flags)
{
	return stopped(open(path, flags | O_CLOEXEC | O_NONBLOCK), path);
}

const char *in_folder(const char *name)
{
	static char text[8][4096];
	static unsigned next;
	char *p = text[next++ % 8];

	snprintf(p, sizeof text[0], "%s/%s", folder, name);
	return p;
}

void mark(void)
{
	int fd = open(MARK, O_WRONLY | O_CREAT, 0600);

	if (fd >= 0)
		close(fd);
}

int child_status(pid_t pid)
{
	int status = 0;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- calls that nobody in the garden needs ---- */

/* To the frequency it has: nothing would change. */
static int all_clocks(void)
{
	struct timex when = { 0 };
	int b;

	adjtimex(&when);
	when.modes = ADJ_FREQUENCY;
	b = stopped(adjtimex(&when), "adjtimex");
	return stopped(clock_adjtime(CLOCK_REALTIME, &when), "clock_adjtime") | b;
}

/* A call by its number with bits above the 32 that count: the kernel takes the lower ones. */
static int high_bits(void)
{
	long r;
	register long a1 __asm__("rdi") = (long)"none", a2 __asm__("rsi") = (long)"/mnt", a3 __asm__("rdx") = (long)"tmpfs", a4 __asm__("r10") = 0,
		a5 __asm__("r8") = 0;

	__asm__ volatile("syscall" : "=a"(r) : "a"(0x7700000000L | SYS_mount), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
			 : "rcx", "r11", "memory");
	errno = (int)-r;
	return stopped(r < 0 ? -1 : 0, "mount under a number with high bits");
}

static int other_abi(bool x32)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		long r = -ENOSYS;

		if (x32)
			r = syscall(0x40000000L | SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
		else
			/* mount is 21 there; its arguments are nothing that could be mounted. */
			__asm__ volatile("int $0x80" : "=a"(r) : "a"(21), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
		_exit(r < 0 && r != -EFAULT ? 2 : 0);
	}
	status = child_status(pid);
	printf("status %d\n", status);
	return stopped_if(status > 128, x32 ? "a call of the x32 ABI" : "a call of the 32-bit ABI");
}

static int int80(void) { return other_abi(false); }
static int x32(void) { return other_abi(true); }

static int negative(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(syscall(-2) < 0 ? 2 : 0);
	return stopped_if(child_status(pid) != 0, "a call with a negative number");
}

#define CALL(name, ...) { #name, "calls", "denied:" #name, #name "(2)", NULL, SYS_##name, { __VA_ARGS__ }, false }

const struct attempt escape_calls[] = {
	CALL(bpf, A(0), "", A(0)), CALL(perf_event_open, "", A(0), A(-1), A(-1), A(0)), CALL(io_uring_setup, A(1), ""),
	CALL(io_uring_enter, A(0)), CALL(io_uring_register, A(0)), CALL(userfaultfd, A(0)), CALL(kexec_load, A(0), A(0), A(0), A(0)),
	CALL(kexec_file_load, A(-1), A(-1), A(0), ""), CALL(init_module, "", A(0), ""), CALL(finit_module, A(-1), "", A(0)),
	CALL(delete_module, "muss_no_such_module", A(0)), CALL(reboot, A(0), A(0), A(0)), CALL(swapon, "/none", A(0)), CALL(swapoff, "/none"),
	CALL(acct, "/none"), CALL(quotactl, A(0), A(0), A(0), A(0)), CALL(quotactl_fd, A(-1), A(0), A(0), A(0)), CALL(iopl, A(0)),
	CALL(ioperm, A(0), A(0), A(0)), CALL(modify_ldt, A(0), A(0), A(0)), CALL(settimeofday, A(0), A(0)), CALL(clock_settime, A(0), A(0)),
	CALL(syslog, A(10)), CALL(memfd_secret, A(0)), CALL(fanotify_init, A(0), A(0)), CALL(vhangup, A(0)), CALL(uselib, "/none"),
	CALL(lookup_dcookie, A(0), A(0), A(0)), CALL(nfsservctl, A(0), A(0), A(0)), CALL(migrate_pages, A(0), A(0), A(0), A(0)),
	CALL(move_pages, A(0), A(0), A(0), A(0), A(0), A(0)), CALL(keyctl, A(0), A(-3), A(0)), CALL(add_key, "user", "muss", "x", A(1), A(-2)),
	CALL(request_key, "user", "muss", A(0), A(-2)), CALL(sethostname, "muss", A(4)), CALL(setdomainname, "muss", A(4)),
	CALL(shmget, A(0x4d555353), A(4096), A(0)), CALL(shmat, A(0), A(0), A(0)), CALL(name_to_handle_at, A(-100), "/", A(0), A(0), A(0)),
	CALL(open_by_handle_at, A(-100), A(0), A(0)),
	{ "adjtimex", "calls", "call:clock_adjtime", "turns the machine's clock", all_clocks, 0, { 0 }, false },
	{ "number-high-bits", "calls", "denied:mount", "mount(2) under a number with bits that do not count", high_bits, 0, { 0 }, false },
	{ "number-negative", "calls", "denied:32-bit", "a call with a negative number", negative, 0, { 0 }, false },
	{ "abi-int80", "calls", "denied:32-bit|exit:139", "mount(2) through int 0x80", int80, 0, { 0 }, false },
	{ "abi-x32", "calls", "denied:32-bit", "mount(2) of the x32 ABI", x32, 0, { 0 }, false },
	{ 0 },
};

/* ---- which one ---- */

static const struct attempt *const TABLES[] = { escape_calls, escape_mounts, escape_processes, escape_network, escape_hiding,
	escape_bombs, escape_files };

static int list(void)
{
	for (size_t i = 0; i < COUNT(TABLES); i++)
		for (const struct attempt *a = TABLES[i]; a->name; a++)
			printf("%s\t%s\t%s\t%d\t%s\n", a->name, a->kind, a->record, a->user, a->what);
	return 0;
}

static int try(const struct attempt *a)
{
	long r;

	if (a->try)
		return a->try();
	r = syscall(a->nr, a->arg[0], a->arg[1], a->arg[2], a->arg[3], a->arg[4], a->arg[5]);
	/* That its arguments are wrong would be the kernel's word, so it had been asked. */
	if (r < 0 && errno != EPERM && errno != ENOSYS && errno != EACCES)
		r = 0;
	return stopped(r, a->name);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "--list"))
		return list();
	if (access("/.muss-scratch", F_OK))
		return 99;
	program = argv[0];
	folder = argc > 2 ? argv[2] : folder;
	port = argc > 3 ? atoi(argv[3]) : 0;
	canary = argc > 4 ? atoi(argv[4]) : 0;
	for (size_t i = 0; i < COUNT(TABLES); i++)
		for (const struct attempt *a = TABLES[i]; a->name; a++)
			if (!strcmp(a->name, name))
				return try(a);
	return 98;
}
