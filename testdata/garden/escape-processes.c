/* escape: its tracer, its init, its parent, other processes, other rights. */
#include "escape.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static int attach_init(void) { return stopped(ptrace(PTRACE_ATTACH, 1, NULL, NULL), "ATTACH"); }
static int seize_init(void) { return stopped(ptrace(PTRACE_SEIZE, 1, NULL, NULL), "SEIZE"); }
static int attach_parent(void) { return stopped(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), "ATTACH"); }
static int detach(void) { return stopped(ptrace(PTRACE_DETACH, getpid(), NULL, NULL), "DETACH"); }

static int fd_of_init(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0), bad = 0;

	for (int fd = 0; fd < 20; fd++)
		bad |= syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0;
	return stopped_if(!bad, "pidfd_getfd");
}

static int memory_of_init(void) { return no_open("/proc/1/mem", O_RDWR); }
static int score_of_init(void) { return no_open("/proc/1/oom_score_adj", O_RDWR); }
static int group_of_init(void) { return no_open("/proc/1/autogroup", O_RDWR) | no_open("/proc/1/clear_refs", O_WRONLY); }

/* What has the garden's init as its target is well when that lives on. */
static int lives(const char *what)
{
	usleep(50000);
	return stopped_if(kill(1, 0) == 0, what);
}

static int kill_init(void)
{
	kill(1, SIGKILL);
	return lives("init after SIGKILL");
}

static int stop_init(void)
{
	kill(1, SIGSTOP);
	syscall(SYS_tgkill, 1, 1, SIGSEGV);
	syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, 1, 0), SIGTERM, NULL, 0);
	return lives("init after SIGSTOP, SIGSEGV, SIGTERM");
}

static int forged_signal(void)
{
	siginfo_t i = { .si_signo = SIGSEGV, .si_code = SEGV_MAPERR };
	long r = syscall(SYS_rt_sigqueueinfo, 1, SIGSEGV, &i);

	return stopped(r, "a signal as from the kernel") | lives("init after it");
}

static int signal_flood(void)
{
	for (int i = 0; i < 4000; i++) {
		union sigval v = { .sival_int = i };

		kill(1, SIGCHLD);
		sigqueue(1, SIGRTMIN, v);
	}
	return lives("init after eight thousand signals");
}

static int kill_all(void)
{
	kill(-1, SIGKILL);
	return lives("init after kill(-1)");
}

static int stop_all(void)
{
	kill(-1, SIGSTOP);
	return lives("init after SIGSTOP for all");
}

static int kill_group(void)
{
	signal(SIGUSR1, SIG_IGN);
	kill(0, SIGUSR1);
	for (int pid = 2; pid < 30; pid++)
		kill(-pid, SIGUSR1);
	return lives("init after signals for groups");
}

static int kill_canary(void)
{
	/* Its number outside is nobody's, or somebody else's, in here. */
	return stopped(canary == getpid() ? (errno = ESRCH, -1) : kill(canary, SIGUSR1), "a process of the machine");
}

static int owner_signal(void)
{
	int p[2];

	if (pipe(p) || fcntl(p[0], F_SETOWN, canary) == 0)
		return stopped_if(canary == getpid(), "SIGIO for a process of the machine");
	return stopped(kill(canary, SIGIO), "SIGIO for a process of the machine");
}

/* To what it has: nothing would change. */
static int limits_of_init(void)
{
	struct rlimit r = { 1024, 1024 };

	return stopped(prlimit(1, RLIMIT_NOFILE, NULL, &r), "reading init's limit") | stopped(prlimit(1, RLIMIT_NOFILE, &r, NULL), "setting it");
}

static int turn_of_init(void)
{
	struct sched_param p = { 0 };
	cpu_set_t set;

	sched_getaffinity(0, sizeof set, &set);
	return stopped(setpriority(PRIO_PROCESS, 1, 0), "priority") | stopped(setpriority(PRIO_USER, 0, 0), "of all") |
		stopped(sched_setscheduler(1, SCHED_OTHER, &p), "scheduler") | stopped(sched_setaffinity(1, sizeof set, &set), "processors") |
		stopped(syscall(SYS_ioprio_set, 1, 1, 0), "input and output");
}

static int core_limit(void)
{
	struct rlimit zero = { 0, 0 }, now;
	pid_t pid;

	setrlimit(RLIMIT_CORE, &zero);
	prlimit(0, RLIMIT_CORE, &zero, NULL);
	if (getrlimit(RLIMIT_CORE, &now) || now.rlim_cur != 1)
		return stopped_if(false, "the machine's handler of cores would be started");
	pid = fork();
	if (pid == 0)
		abort();
	return stopped_if(child_status(pid) == 128 + SIGABRT, "cores");
}

/* Reaches above its own parent: nothing may be there. */
static int orphan(void)
{
	int p[2], parent = 0;

	if (pipe(p))
		return 1;
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(30000);
			parent = getppid();
			_exit(write(p[1], &parent, sizeof parent) != sizeof parent);
		}
		_exit(0);
	}
	if (read(p[0], &parent, sizeof parent) != sizeof parent)
		return 1;
	return stopped_if(parent == 1, "an orphan is init's") | stopped(ptrace(PTRACE_ATTACH, parent, NULL, NULL), "ATTACH");
}

/* ---- rights ---- */

static bool has(unsigned capability)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };

	syscall(SYS_capget, &h, d);
	return d[capability / 32].effective & (1u << capability % 32);
}

static int raise_all(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { ~0U, ~0U, ~0U }, { 0x1ff, 0x1ff, 0x1ff } };

	return stopped(syscall(SYS_capset, &h, d), "all capabilities") | stopped_if(!has(CAP_SYS_ADMIN), "the administrator's");
}

static int ambient(void) { return stopped(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0), "an ambient capability"); }
static int secure_bits(void)
{
	prctl(PR_SET_SECUREBITS, 0x10, 0, 0, 0);   /* capabilities stay with another user */
	return stopped_if(!has(CAP_SYS_ADMIN), "rights with other rules for root");
}

/* A program with all capabilities in its file, started anew to say what it has. */
static int file_rights(void)
{
	/* struct vfs_cap_data, revision 2, all of them, effective. */
	static const uint32_t all[5] = { 0x02000001, ~0U, 0, 0x1ff, 0 };
	char block[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open("/var/tmp/capable", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			return 1;
	close(out);
	setxattr("/var/tmp/capable", "security.capability", all, sizeof all, 0);
	fflush(stdout);
	execl("/var/tmp/capable", "/var/tmp/capable", "has-admin", folder, NULL);
	return stopped(-1, "exec");
}

static int has_admin(void) { return stopped_if(!has(CAP_SYS_ADMIN) && !has(CAP_SYS_MODULE), "capabilities after exec"); }

/* The test puts this program there with the set-user-ID bit. */
static int suid(void)
{
	if (geteuid() == 0)
		return stopped_if(true, "no other user here");
	execl("/opt/escape-suid", "/opt/escape-suid", "is-root", folder, NULL);
	return stopped(-1, "exec");
}

/* A world without other users has root only, from the beginning. */
static int is_root(void) { return stopped_if(geteuid() != 0 || getuid() == 0, "user after exec"); }

static int suid_tools(void)
{
	static const char *const TOOLS[] = { "/bin/su", "/usr/bin/sudo", "/bin/mount", "/usr/bin/newuidmap", "/usr/bin/pkexec", "/usr/bin/chsh" };
	int null = open("/dev/null", O_RDWR);

	if (geteuid() == 0)
		return stopped_if(true, "no other user here");
	for (size_t i = 0; i < COUNT(TOOLS); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
			alarm(2);
			execl(TOOLS[i], TOOLS[i], i == 2 ? "/mnt" : "-c", "touch /var/tmp/suid-was-here", NULL);
			_exit(0);
		}
		child_status(pid);
	}
	return stopped_if(access("/var/tmp/suid-was-here", F_OK) != 0, "su, sudo, mount, newuidmap, pkexec, chsh");
}

static int to_root(void)
{
	if (geteuid() == 0)
		return stopped_if(true, "no other user here");
	return stopped(setuid(0), "setuid") | stopped(setresuid(0, 0, 0), "setresuid") | stopped(setgid(0), "setgid");
}

static int to_groups(void)
{
	gid_t g[] = { 0, 6 };

	if (geteuid() == 0)
		return stopped_if(true, "no other user here");
	return stopped(setgroups(2, g), "setgroups");
}

#define TRY(name, kind, record, what, function) { name, kind, record, what, function, 0, { 0 }, false }
#define AS_USER(name, record, what, function) { name, "rights", record, what, function, 0, { 0 }, true }
#define CALL(name, ...) { #name, "processes", "denied:" #name, #name "(2)", NULL, SYS_##name, { __VA_ARGS__ }, false }

const struct attempt escape_processes[] = {
	TRY("ptrace-attach", "processes", "ptrace:ATTACH", "traces its init", attach_init),
	TRY("ptrace-seize", "processes", "ptrace:SEIZE", "the same in the other way", seize_init),
	TRY("ptrace-parent", "processes", "ptrace:ATTACH", "traces its parent", attach_parent),
	TRY("ptrace-detach", "processes", "ptrace:0x11", "lets itself go", detach),
	TRY("ptrace-orphan", "processes", "ptrace:ATTACH", "traces who takes its orphans", orphan),
	CALL(process_vm_readv, A(1), A(0), A(0), A(0), A(0), A(0)), CALL(process_vm_writev, A(1), A(0), A(0), A(0), A(0), A(0)),
	CALL(process_madvise, A(-1), A(0), A(0), A(0), A(0)), CALL(kcmp, A(1), A(1), A(0), A(0), A(0)),
	TRY("pidfd-getfd", "processes", "denied:pidfd_getfd", "its init's descriptors", fd_of_init),
	TRY("init-memory", "processes", "open:/proc/1/mem", "its init's memory", memory_of_init),
	TRY("init-oom-score", "processes", "open:/proc/1/oom_score_adj", "its init goes first when memory is short", score_of_init),
	TRY("init-autogroup", "processes", "open:/proc/1/autogroup", "its init's turn at the processor", group_of_init),
	TRY("init-limits", "processes", "denied:prlimit64", "its init's limits", limits_of_init),
	TRY("init-priority", "processes", "denied:setpriority", "its init's priority, scheduler, processors", turn_of_init),
	TRY("kill-init", "processes", "kill:1", "kills its init", kill_init),
	TRY("stop-init", "processes", "kill:1", "stops it, ends it", stop_init),
	TRY("signal-forged", "processes", "kill:1", "a signal as from the kernel", forged_signal),
	TRY("signal-flood", "processes", "kill:1", "eight thousand signals for it", signal_flood),
	TRY("kill-all", "processes", "kill:-1", "kills all", kill_all),
	TRY("stop-all", "processes", "kill:-1", "stops all", stop_all),
	TRY("kill-groups", "processes", "kill:-2|kill:0", "signals for process groups", kill_group),
	TRY("kill-canary", "processes", "kill:@pid", "a process of the machine by its number", kill_canary),
	TRY("signal-owner", "processes", "kill:@pid", "a descriptor that signals it", owner_signal),
	TRY("core", "processes", "exit:134", "a core for the machine's handler", core_limit),
	TRY("capset", "rights", "call:capset", "all capabilities", raise_all),
	TRY("ambient", "rights", "call:PR_CAP_AMBIENT", "one that exec keeps", ambient),
	TRY("securebits", "rights", "call:PR_SET_SECUREBITS", "other rules for root", secure_bits),
	TRY("file-capabilities", "rights", "setxattr:security.capability", "capabilities in a program's file", file_rights),
	TRY("has-admin", "rights", "-", "what it has without all that", has_admin),
	AS_USER("suid", "exec:/opt/escape-suid|exec:/opt/escape", "a program of root's with the set-user-ID bit", suid),
	AS_USER("suid-tools", "exec:/usr/bin/su|exec:/usr/bin/mount|exec:/bin/su|exec:/opt/escape", "su, sudo, mount and others of the machine", suid_tools),
	AS_USER("is-root", "-", "what it is without all that", is_root),
	AS_USER("setuid", "setuid:EPERM|exec:/opt/escape", "becomes root", to_root),
	AS_USER("setgroups", "call:setgroups|exec:/opt/escape", "becomes a member of root's group", to_groups),
	{ 0 },
};
