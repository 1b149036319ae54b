#include "garden/bend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#define NAME_MOST 249u           /* of a memory file, memfd_create(2) */
#define FIELD_STATE 3u           /* of /proc/PID/stat, proc_pid_stat(5) */
#define FIELD_START 22u

/* ---- what a process asks about itself ---- */

static unsigned long filters_of(const char *pid)
{
	char path[48];
	struct buf b = { 0 };
	const char *p;
	unsigned long n = 0;

	snprintf(path, sizeof path, "/proc/%s/status", pid);
	if (io_slurp_at(AT_FDCWD, path, 65536, &b) > 0 && (p = strstr(buf_str(&b), "\nSeccomp_filters:")))
		n = strtoul(p + 17, NULL, 10);
	buf_free(&b);
	return n;
}

/* Those that a process has put upon itself: it has ours besides, and those that we ourselves run under. */
static unsigned long own_filters(unsigned long all)
{
	unsigned long others = filters_of("self") + 1;

	return all > others ? all - others : 0;
}

bool disguise_prctl(struct task *k, long *result)
{
	char pid[16];

	switch ((int)k->arg[0]) {
	case PR_GET_SECCOMP:
		snprintf(pid, sizeof pid, "%d", k->tid);
		*result = own_filters(filters_of(pid)) ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
		return true;
	case PR_GET_NO_NEW_PRIVS:
		*result = k->no_new_privs;
		return true;
	case PR_SET_NO_NEW_PRIVS:
		k->no_new_privs |= k->arg[1] == 1 && !k->arg[2] && !k->arg[3] && !k->arg[4];
		return false;
	default:
		return false;
	}
}

/* ---- files of /proc ---- */

enum file { NONE, STATUS, STAT, WCHAN, MACHINE_STAT, UPTIME };

/* By the last name alone: all that is looked at for the many files that are opened for reading. */
static bool may_be(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return !strcmp(name, "status") || !strcmp(name, "stat") || !strcmp(name, "wchan") || !strcmp(name, "uptime");
}

/* A path that leads to /proc: whose file, and which. */
static enum file which(const char *path, bool bent, pid_t *tid)
{
	char *end;
	const char *p = path + 6;

	if (strncmp(path, "/proc/", 6))
		return NONE;
	*tid = (pid_t)strtol(p, &end, 10);
	if (end == p)
		return !bent ? NONE : !strcmp(p, "stat") ? MACHINE_STAT : !strcmp(p, "uptime") ? UPTIME : NONE;
	p = end;
	if (!strncmp(p, "/task/", 6)) {
		*tid = (pid_t)strtol(p + 6, &end, 10);
		p = end;
	}
	return !strcmp(p, "/status") ? STATUS : !strcmp(p, "/stat") ? STAT : !strcmp(p, "/wchan") ? WCHAN : NONE;
}

/* The path as the kernel will go, "self" being the task. */
static char *resolve(const struct task *k, int dirfd, uint64_t address, const char *given)
{
	char *path, *own;

	if (!strncmp(given, "/proc/thread-self/", 18))
		return buf_printf("/proc/%d/task/%d/%s", k->tgid, k->tid, given + 18);
	path = tracee_path(k, dirfd, address);
	/* Links are looked up by us, whose number is 1: nobody else's "self" leads there. */
	if (!strncmp(path, "/proc/1/", 8) && strncmp(given, "/proc/1/", 8) && strncmp(given, "1/", 2)) {
		own = buf_printf("/proc/%d%s", k->tgid, path + 7);
		free(path);
		return own;
	}
	return path;
}

/* Stopped for us, or us, who read this. */
static bool seems_busy(pid_t tid, char state)
{
	return state == 't' || tid == 1;
}

static void replace_line(struct buf *out, const char *line, size_t n, unsigned long filters, const struct task *k, pid_t tid)
{
	if (!strncmp(line, "Seccomp:", 8)) {
		buf_addf(out, "Seccomp:\t%d\n", filters ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED);
		return;
	}
	if (!strncmp(line, "Seccomp_filters:", 16)) {
		buf_addf(out, "Seccomp_filters:\t%lu\n", filters);
		return;
	}
	if (!strncmp(line, "TracerPid:", 10)) {
		buf_adds(out, "TracerPid:\t0\n");
		return;
	}
	if (!strncmp(line, "NoNewPrivs:", 11))
		buf_addf(out, "NoNewPrivs:\t%d\n", tid == k->tid && k->no_new_privs);
	else if (!strncmp(line, "State:", 6) && (tid == k->tid || seems_busy(tid, n > 7 ? line[7] : 'S')))
		buf_adds(out, tid == k->tid ? "State:\tR (running)\n" : "State:\tS (sleeping)\n");
	else
		buf_add(out, line, n);
}

static void rewrite_status(const struct buf *in, struct buf *out, const struct task *k, pid_t tid)
{
	const char *all = strstr(buf_str(in), "\nSeccomp_filters:");
	unsigned long filters = all ? own_filters(strtoul(all + 17, NULL, 10)) : 0;

	for (const char *p = buf_str(in), *end; *p; p = end) {
		end = p + strcspn(p, "\n");
		end += *end == '\n';
		replace_line(out, p, (size_t)(end - p), filters, k, tid);
	}
}

static void rewrite_stat(const struct buf *in, struct buf *out, const struct task *k, pid_t tid, int64_t born)
{
	const char *text = buf_str(in), *p = strrchr(text, ')');
	unsigned field = 2;

	if (!p)
		return;
	buf_add(out, text, (size_t)(p - text) + 1);
	for (p++; *p == ' '; field++) {
		size_t n = strcspn(p + 1, " \n");

		if (field + 1 == FIELD_STATE && (tid == k->tid || seems_busy(tid, p[1])))
			buf_adds(out, tid == k->tid ? " R" : " S");
		else if (field + 1 == FIELD_START)
			buf_addf(out, " %lld", (long long)(strtoll(p + 1, NULL, 10) + born / (BEND_SECOND / sysconf(_SC_CLK_TCK))));
		else
			buf_add(out, p, n + 1);
		p += n + 1;
	}
	buf_adds(out, p);
}

static void rewrite_machine(const struct buf *in, struct buf *out, const struct bend *b)
{
	const char *text = buf_str(in), *p = strstr(text, "\nbtime ");
	char *rest;
	long long then;

	if (!p)
		return;
	then = strtoll(p + 7, &rest, 10);
	buf_add(out, text, (size_t)(p - text) + 7);
	/* Both the date and the time since the start of the machine go with what was skipped. */
	buf_addf(out, "%lld%s", then + (long long)(b->start / BEND_SECOND), rest);
}

static void rewrite_uptime(const struct buf *in, struct buf *out, const struct bend *b)
{
	char *p;
	double since = strtod(buf_str(in), &p), idle = strtod(p, NULL), more = (double)b->skipped / (double)BEND_SECOND;

	buf_addf(out, "%.2f %.2f\n", since + more, idle + more);
}

/* What such a file should say; false: it cannot be read. */
static bool compose(const struct tracer *t, const struct bend *b, const struct task *k, const char *path, struct buf *out)
{
	struct buf in = { 0 };
	pid_t tid = 0;
	enum file f = which(path, b != NULL, &tid);
	const struct task *other = tracer_find(t, tid);

	out->len = 0;
	if (f == NONE || io_slurp_at(AT_FDCWD, path, MIB, &in) < 0) {
		buf_free(&in);
		return false;
	}
	switch (f) {
	case STATUS:
		rewrite_status(&in, out, k, tid);
		break;
	case STAT:
		rewrite_stat(&in, out, k, tid, other ? other->born : 0);
		break;
	case MACHINE_STAT:
		rewrite_machine(&in, out, b);
		break;
	case UPTIME:
		rewrite_uptime(&in, out, b);
		break;
	default:
		buf_adds(out, strstr(buf_str(&in), "ptrace") || tid == k->tid ? "0" : buf_str(&in));
	}
	buf_free(&in);
	return true;
}

bool disguise_open(const struct bend *b, struct task *k)
{
	bool at = k->nr != SYS_open;
	uint64_t address = k->arg[at ? 1 : 0], flags = k->arg[at ? 2 : 1];
	int dirfd = at ? (int)k->arg[0] : AT_FDCWD;
	struct user_regs_struct regs;
	char *given = tracee_string(k->tid, address), *path = NULL;
	pid_t tid;

	if (may_be(given) && strlen(given) <= NAME_MOST)
		path = resolve(k, dirfd, address, given);
	free(given);
	if (!path || which(path, b != NULL, &tid) == NONE || access(path, R_OK) || (k->nr == SYS_openat2 &&
	    tracee_bytes(k->tid, k->arg[2], &flags, sizeof flags) != sizeof flags) || ptrace(PTRACE_GETREGS, k->tid, NULL, &regs)) {
		free(path);
		return false;
	}
	/* Made by the task itself, in place of the call, and filled by us before it goes on. */
	regs.orig_rax = SYS_memfd_create;
	regs.rdi = address;
	regs.rsi = flags & O_CLOEXEC ? MFD_CLOEXEC : 0;
	if (ptrace(PTRACE_SETREGS, k->tid, NULL, &regs)) {
		free(path);
		return false;
	}
	free(k->masked);
	k->masked = path;
	return true;
}

void disguise_opened(const struct tracer *t, const struct bend *b, struct task *k, int64_t result)
{
	struct user_regs_struct regs;
	struct buf text = { 0 };
	int fd = result >= 0 ? tracee_copy(k->tgid, (int)result) : -1;

	/* Another thread may have put something else at that number; only a memory file never makes us wait. */
	if (fd >= 0 && fcntl(fd, F_GET_SEALS) >= 0 && compose(t, b, k, k->masked, &text) && io_write(fd, text.p, text.len) == 0)
		lseek(fd, 0, SEEK_SET);
	io_close(&fd);
	buf_free(&text);
	free(k->masked);
	k->masked = NULL;
	/* A call leaves its arguments as they are. */
	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return;
	regs.rdi = k->arg[0];
	regs.rsi = k->arg[1];
	ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
}
