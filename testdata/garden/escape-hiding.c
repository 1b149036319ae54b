/* escape: to do a thing that the record does not show. Each ends by writing MARK, or by what its row says. */
#include "escape.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <ucontext.h>

static int done(const char *what) { return stopped_if(true, what); }

static int undumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	mark();
	return done("a process that may not be looked into");
}

static int made(unsigned long flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		mark();
		_exit(0);
	}
	if (!(flags & CLONE_PARENT))
		child_status(pid);
	else
		usleep(200000);
	return done("a child of another kind");
}

static int untraced(void) { return made(CLONE_UNTRACED); }
static int sibling(void) { return made(CLONE_PARENT); }
static int own_files(void) { return made(CLONE_FILES | CLONE_FS); }

static int silent_child(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);   /* no signal at its end */

	if (pid == 0) {
		mark();
		_exit(0);
	}
	waitpid(pid, NULL, __WALL);
	return done("a child that ends in silence");
}

static int vforked(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl(program, program, "mark", folder, NULL);
		_exit(1);
	}
	child_status(pid);
	return done("vfork and exec");
}

static int just_mark(void)
{
	mark();
	return done("marked");
}

static int copied(int out)
{
	char block[65536];
	int in = open("/proc/self/exe", O_RDONLY);
	ssize_t n;

	while (in >= 0 && out >= 0 && (n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			return -1;
	close(in);
	return out;
}

static char *const MARK_ARGV[] = { "mark", "mark", NULL };
static char *const NOTHING[] = { NULL };

static int from_memory(void)
{
	int fd = copied(memfd_create("x", MFD_CLOEXEC));

	fflush(stdout);
	fexecve(fd, MARK_ARGV, NOTHING);
	return stopped_if(false, "exec failed");
}

static int from_deleted(void)
{
	int fd;

	close(copied(open("/var/tmp/gone", O_WRONLY | O_CREAT, 0755)));
	fd = open("/var/tmp/gone", O_RDONLY);
	unlink("/var/tmp/gone");
	fflush(stdout);
	fexecve(fd, MARK_ARGV, NOTHING);
	return stopped_if(false, "exec failed");
}

static void *exec_now(void *p)
{
	execv(program, MARK_ARGV);
	return p;
}

static int from_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, exec_now, NULL);
	for (;;)
		pause();
}

static int orphan_subreaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int depth = 0; depth < 5; depth++) {
		pid_t pid = fork();

		if (pid) {
			waitpid(pid, NULL, 0);
			if (depth)
				_exit(0);
			return done("grandchildren of its own");
		}
		setsid();
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	mark();
	_exit(0);
}

/* ---- filters of its own ---- */

static int filtered(unsigned nr, unsigned answer, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog f = { 4, code };

	unlink(MARK);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &f);
}

/* The values that a tracer would take for "only record" and for nothing. */
static int override(unsigned data)
{
	if (filtered(SYS_unshare, SECCOMP_RET_TRACE | data, 0) || filtered(SYS_keyctl, SECCOMP_RET_TRACE | data, 0))
		return stopped_if(true, "no filter of its own");
	return stopped(unshare(CLONE_NEWUSER), "unshare under a filter of its own") | stopped(syscall(SYS_keyctl, 0, -3, 0), "keyctl");
}

static int override_record(void) { return override(1); }
static int override_none(void) { return override(0); }

static int listener(void) { return stopped(filtered(SYS_openat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER), "a listener"); }
static int notify(void)
{
	filtered(SYS_openat, SECCOMP_RET_USER_NOTIF, 0);
	mark();
	return stopped_if(access(MARK, F_OK) != 0, "a call handed to a listener that is not there");
}

static int hide_errno(void)
{
	filtered(SYS_openat, SECCOMP_RET_ERRNO, 0);
	mark();
	return stopped_if(access(MARK, F_OK) != 0, "a call that it filters did not happen");
}

static int traced_open(void)
{
	filtered(SYS_openat, SECCOMP_RET_TRACE | 9, 0);
	mark();
	return done("a call with a value of its own for the tracer");
}

static volatile sig_atomic_t trapped;
static void on_sys(int sig, siginfo_t *i, void *u)
{
	ucontext_t *c = u;

	(void)sig;
	(void)i;
	trapped++;
	c->uc_mcontext.gregs[REG_RAX] = -ENOENT;
}

static int trap(void)
{
	struct sigaction a = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &a, NULL);
	filtered(SYS_openat, SECCOMP_RET_TRAP, 0);
	mark();
	return stopped_if(trapped && access(MARK, F_OK) != 0, "a call that its handler took did not happen");
}

static volatile char dispatch = 1;   /* SYSCALL_DISPATCH_FILTER_BLOCK */
static void on_dispatch(int sig, siginfo_t *i, void *u)
{
	ucontext_t *c = u;

	(void)sig;
	(void)i;
	dispatch = 0;
	trapped++;
	c->uc_mcontext.gregs[REG_RAX] = -ENOENT;
}

static int user_dispatch(void)
{
	struct sigaction a = { .sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &a, NULL);
	dispatch = 0;
	if (prctl(59, 1, 0, 0, &dispatch))
		return stopped(-1, "dispatch");
	dispatch = 1;
	mark();   /* its handler takes that one */
	mark();
	return done("calls that go to itself first");
}

/* ---- races and tricks ---- */

static char path[64] = MARK;
static volatile bool stop;

static void *flip(void *p)
{
	while (!stop) {
		strcpy(path, "/var/tmp/escape-other");
		strcpy(path, MARK);
	}
	return p;
}

/* Another thread changes the path while the tracer reads it: the record names the file that was opened in the end. */
static int race(void)
{
	pthread_t t;
	struct stat st;
	bool both = false;

	pthread_create(&t, NULL, flip, NULL);
	for (int i = 0; i < 3000 && !both; i++) {
		int fd = open(path, O_WRONLY | O_CREAT, 0600);

		close(fd);
		both = stat("/var/tmp/escape-other", &st) == 0 && stat(MARK, &st) == 0;
	}
	stop = true;
	pthread_join(t, NULL);
	return done(both ? "both were made" : "one was made");
}

/* Registers made by hand: a frame of a signal that never came. */
static int forged_return(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		__asm__ volatile("sub $2048, %%rsp; mov $15, %%eax; syscall" ::: "rax", "rcx", "r11", "memory");
		_exit(0);
	}
	status = child_status(pid);
	mark();
	return stopped_if(status == 128 + SIGSEGV, "a forged return from a signal");
}

/* Memory that can be read can be run from, and no call says so. */
static int readable_code(void)
{
	unsigned char *p;

	if (personality(READ_IMPLIES_EXEC) < 0)
		return stopped(-1, "personality");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(p, "\xb8\x07\0\0\0\xc3", 6);
	return stopped_if(((int (*)(void))(void *)p)() == 7, "code that only was read");
}

static int strict(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		mark();
		_exit(0);
	}
	return stopped_if(child_status(pid) != 0 || access(MARK, F_OK) == 0, "strict mode over a filter");
}

static int stop_itself(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		raise(SIGSTOP);
		mark();
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	kill(pid, SIGCONT);
	child_status(pid);
	return done("stopped, and woken");
}

static void *end_now(void *p)
{
	syscall(SYS_exit, 0);
	return p;
}

static int exits(void)
{
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t[8];

			for (int n = 0; n < 8; n++)
				pthread_create(&t[n], NULL, end_now, NULL);
			i % 2 ? (void)raise(SIGKILL) : _exit(0);
		}
		child_status(pid);
	}
	mark();
	return done("sixty processes that end with their threads");
}

/* Another service's name, and it looks like a record. */
static int names(void)
{
	prctl(PR_SET_NAME, "\",\"pid\":1}\n\033[2J");
	close(memfd_create("\033]0;title\007\n\x9b" "2J\xff", 0));
	mark();
	return done("names with quotes, lines and terminal sequences");
}

#define HIDE(name, what, function) { name, "hiding", "open:" MARK, what, function, 0, { 0 }, false }
#define TRY(name, record, what, function) { name, "hiding", record, what, function, 0, { 0 }, false }

const struct attempt escape_hiding[] = {
	HIDE("mark", "in the open: what the others try to hide", just_mark), HIDE("undumpable", "a process that may not be looked into", undumpable),
	HIDE("clone-untraced", "a child no tracer follows", untraced), HIDE("clone-parent", "a child of its parent's", sibling),
	HIDE("clone-files", "a child that shares its descriptors and folders", own_files), HIDE("clone-silent", "a child that ends without a signal", silent_child),
	HIDE("vfork", "a program started while its parent waits", vforked), HIDE("exec-memory", "a program from a memory file", from_memory),
	HIDE("exec-deleted", "a program from a file that is gone", from_deleted), HIDE("exec-thread", "a program started by a thread", from_thread),
	HIDE("subreaper", "grandchildren that stay its own", orphan_subreaper),
	TRY("filter-override", "denied:unshare", "a filter that answers for the garden's", override_record),
	TRY("filter-value", "denied:keyctl", "the same with another value", override_none),
	TRY("filter-listener", "denied:seccomp", "a listener that lets calls pass", listener),
	TRY("filter-notify", "call:seccomp", "a listener that is not there", notify), TRY("filter-errno", "call:seccomp", "a filter that hides a call", hide_errno),
	TRY("filter-trap", "call:seccomp", "a filter that hands it to a handler", trap), HIDE("filter-trace", "a filter that has it traced otherwise", traced_open),
	TRY("filter-strict", "call:PR_SET_SECCOMP", "no calls at all any more", strict), HIDE("user-dispatch", "calls that go to itself first", user_dispatch),
	TRY("race", "open:/var/tmp/escape-other|open:" MARK, "a path that changes while it is read", race),
	HIDE("sigreturn", "a forged return from a signal", forged_return), TRY("personality", "call:personality", "code that only was read", readable_code),
	HIDE("stop", "a process that stops itself", stop_itself), HIDE("exits", "processes that end while they begin", exits),
	HIDE("names", "names that look like a record or steer a terminal", names),
	{ 0 },
};
