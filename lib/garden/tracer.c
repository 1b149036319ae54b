#include "garden/bend.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#define BUCKETS 256u
#define EARLY 64u
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)

struct tracer {
	struct record *record;
	struct bend *bend;           /* NULL: time is not bent */
	struct task *bucket[BUCKETS];
	unsigned tasks, processes, limit, refused;
	pid_t early[EARLY];          /* ends of tasks that nobody knew yet */
	unsigned early_next;
};

struct tracer *tracer_new(struct record *r, unsigned processes)
{
	struct tracer *t = buf_alloc(sizeof *t);

	t->record = r;
	t->limit = processes;
	return t;
}

void tracer_bend(struct tracer *t, struct bend *b)
{
	t->bend = b;
}

struct task *tracer_next(const struct tracer *t, const struct task *k)
{
	unsigned i = k ? (unsigned)k->tid % BUCKETS + 1 : 0;

	if (k && k->next)
		return k->next;
	while (i < BUCKETS && !t->bucket[i])
		i++;
	return i < BUCKETS ? t->bucket[i] : NULL;
}

struct task *tracer_find(const struct tracer *t, pid_t tid)
{
	struct task *k = t->bucket[(unsigned)tid % BUCKETS];

	while (k && k->tid != tid)
		k = k->next;
	return k;
}

static struct task *add(struct tracer *t, pid_t tid, pid_t tgid, pid_t ppid)
{
	struct task *k = buf_alloc(sizeof *k);

	*k = (struct task){ .tid = tid, .tgid = tgid, .ppid = ppid, .memory = -1,
		.born = t->record->skipped_ns, .next = t->bucket[(unsigned)tid % BUCKETS] };
	t->bucket[(unsigned)tid % BUCKETS] = k;
	t->tasks++;
	if (tid == tgid)
		t->processes++;
	return k;
}

static void drop(struct tracer *t, struct task *k)
{
	struct task **p = &t->bucket[(unsigned)k->tid % BUCKETS];

	while (*p && *p != k)
		p = &(*p)->next;
	if (*p)
		*p = k->next;
	t->tasks--;
	if (k->tid == k->tgid)
		t->processes--;
	io_close(&k->memory);
	json_decref(k->pending);
	free(k->wanted);
	free(k->masked);
	free(k);
}

int tracer_seize(struct tracer *t, pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)OPTIONS))
		return errno;
	add(t, pid, pid, 1);
	return 0;
}

unsigned tracer_refused(const struct tracer *t)
{
	return t->refused;
}

static void go_on(const struct task *k, bool to_exit, int sig)
{
	/* Fails only when it died meanwhile: then waitpid says so. */
	ptrace(to_exit ? PTRACE_SYSCALL : PTRACE_CONT, k->tid, NULL, (void *)(uintptr_t)(unsigned)sig);
}

void tracer_go(const struct task *k, bool to_exit)
{
	go_on(k, to_exit, 0);
}

void tracer_result(const struct task *k, long result)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return;
	regs.rax = (unsigned long long)result;
	ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
}

void tracer_skip(const struct task *k, long result)
{
	struct user_regs_struct regs;

	/* No system call has the number -1: it is skipped, and what stands in rax is the answer. */
	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return;
	regs.orig_rax = (unsigned long long)-1;
	regs.rax = (unsigned long long)result;
	ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
}

/* A fork, vfork or clone begins. True: go on. */
static bool may_fork(struct tracer *t, const struct task *k)
{
	struct user_regs_struct regs;
	bool thread = k->nr == SYS_clone && (k->arg[0] & CLONE_THREAD);

	if ((!thread && t->processes >= t->limit) || t->tasks >= t->limit * 8) {
		if (t->refused++ == 0)
			record_event(t->record, k->tgid, k->ppid, "limit", json_pack("{s:s}", "what", "processes"));
		tracer_skip(k, -EAGAIN);
		return false;
	}
	/* This flag would keep the child from being traced. */
	if (k->nr == SYS_clone && (k->arg[0] & CLONE_UNTRACED) && ptrace(PTRACE_GETREGS, k->tid, NULL, &regs) == 0) {
		regs.rdi &= ~(unsigned long long)CLONE_UNTRACED;
		ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
	}
	return true;
}

static void at_seccomp(struct tracer *t, struct task *k)
{
	struct __ptrace_syscall_info info;
	struct seccomp_data d;
	long result = 0;
	enum calls_do what;
	unsigned says;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, k->tid, (void *)sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP) {
		go_on(k, false, 0);
		return;
	}
	k->nr = (long)info.seccomp.nr;
	d = (struct seccomp_data){ .nr = (int)k->nr, .arch = info.arch, .instruction_pointer = info.instruction_pointer };
	for (int i = 0; i < 6; i++)
		d.args[i] = k->arg[i] = info.seccomp.args[i];
	says = filter_says(&d, t->bend ? t->bend->magic : 0);
	if ((says & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE) {
		/* The sample's own filter asks for a tracer of its own, which it can't have. */
		tracer_skip(k, -ENOSYS);
		go_on(k, false, 0);
		return;
	}
	if ((k->nr == SYS_fork || k->nr == SYS_vfork || k->nr == SYS_clone) && !(says & FILTER_DENY)) {
		may_fork(t, k);
		go_on(k, false, 0);
		return;
	}
	if (t->bend && says & FILTER_BEND) {
		if (notable_clock(k))
			record_event(t->record, k->tgid, k->ppid, "call", json_pack("{s:s}", "syscall", notable_clock(k)));
		what = bend_entry(t->bend, k, &result);
		if (what == CALLS_FAKE)
			tracer_skip(k, result);
		k->bent = k->awaits_exit = what == CALLS_AWAIT;
		if (!k->wait.held)
			go_on(k, k->awaits_exit, 0);
		return;
	}
	/* What openat2 opens for stands in memory, so no filter tells its readings apart. */
	if (says & FILTER_READ || k->nr == SYS_openat2) {
		k->awaits_exit = disguise_open(t->bend, k);
		if (k->awaits_exit || k->nr != SYS_openat2) {
			go_on(k, k->awaits_exit, 0);
			return;
		}
	}
	/* Code in memory dies with an exec: taken before. */
	if ((k->nr == SYS_execve || k->nr == SYS_execveat) && k->code_memory)
		memory_sweep(t->record, k);
	what = calls_entry(t->record, k, (says & FILTER_DENY) != 0, &result);
	if (what == CALLS_DENY || what == CALLS_FAKE)
		tracer_skip(k, result);
	k->awaits_exit = what == CALLS_AWAIT;
	go_on(k, k->awaits_exit, 0);
}

static void at_syscall(struct tracer *t, struct task *k)
{
	struct __ptrace_syscall_info info;

	if (k->awaits_exit && ptrace(PTRACE_GET_SYSCALL_INFO, k->tid, (void *)sizeof info, &info) > 0 &&
	    info.op == PTRACE_SYSCALL_INFO_EXIT) {
		k->awaits_exit = false;
		if (k->masked)
			disguise_opened(t, t->bend, k, info.exit.rval);
		else if (k->bent)
			bend_exit(t->bend, k, info.exit.rval);
		else
			calls_exit(t->record, k, info.exit.rval);
		k->bent = false;
	}
	go_on(k, k->awaits_exit, 0);
}

/* Its end was told of before its beginning: it would be a task for ever. A number that is used again begins with a stop. */
static bool ended_early(struct tracer *t, pid_t pid)
{
	for (unsigned i = 0; i < EARLY; i++) {
		if (t->early[i] != pid)
			continue;
		t->early[i] = 0;
		return true;
	}
	return false;
}

static void at_fork(struct tracer *t, struct task *k)
{
	unsigned long child = 0;
	struct task *c;
	/* As it was asked for: one that is gone already could not be asked whose thread it was. */
	bool thread = k->nr == SYS_clone && k->arg[0] & CLONE_THREAD;

	if (ptrace(PTRACE_GETEVENTMSG, k->tid, NULL, &child) == 0 && child > 0) {
		c = tracer_find(t, (pid_t)child);
		if (!c && ended_early(t, (pid_t)child)) {
			if (!thread)
				record_event(t->record, k->tgid, k->ppid, "fork", json_pack("{s:i}", "child", (int)child));
			go_on(k, false, 0);
			return;
		}
		if (!c)
			c = add(t, (pid_t)child, thread ? k->tgid : (pid_t)child, k->tgid);
		c->unannounced = false;
		if (c->tid == c->tgid) {
			c->ppid = k->tgid;
			record_event(t->record, k->tgid, k->ppid, "fork", json_pack("{s:i}", "child", (int)child));
		} else {
			c->ppid = k->ppid;
		}
		c->code_memory = k->code_memory;
		c->no_new_privs = k->no_new_privs;
		if (t->bend)
			bend_fork(t->bend, k, c);
	}
	go_on(k, false, 0);
}

static void at_exec(struct tracer *t, struct task *k)
{
	unsigned long former = 0;
	struct task *other;
	char *path, hex[DIGEST_HEX];
	json_t *o = json_object();

	/* Whichever thread called exec goes on under the leader's number. */
	if (ptrace(PTRACE_GETEVENTMSG, k->tid, NULL, &former) == 0 && (pid_t)former != k->tid) {
		other = tracer_find(t, (pid_t)former);
		if (other) {
			free(k->wanted);
			k->wanted = other->wanted;
			other->wanted = NULL;
			drop(t, other);
		}
	}
	json_decref(k->pending);
	k->pending = NULL;
	k->awaits_exit = k->bent = false;
	k->code_memory = false;
	if (t->bend)
		bend_exec(t->bend, k);
	path = tracee_link(k->tid, "exe");
	json_object_set_new(o, "path", jsonio_name(path ? path : "?"));
	json_object_set_new(o, "argv", tracee_argv(k->tid));
	if (tracee_digest(k->tid, hex))
		json_object_set_new(o, "sha256", json_string(hex));
	if (k->wanted && path && strcmp(k->wanted, path))
		json_object_set_new(o, "file", jsonio_name(k->wanted));
	record_event(t->record, k->tgid, k->ppid, "exec", o);
	if (path && !strncmp(path, "/memfd:", 7))
		memory_image(t->record, k);
	free(path);
	go_on(k, false, 0);
}

static void at_exit_begin(struct tracer *t, struct task *k)
{
	if (k->code_memory)
		memory_sweep(t->record, k);
	go_on(k, false, 0);
}

static void at_end(struct tracer *t, struct task *k, int status)
{
	if (k->tid == k->tgid) {
		/* The filter kills for a 32-bit call, which no tracer sees. */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
			record_event(t->record, k->tgid, k->ppid, "denied", json_pack("{s:s}", "syscall", "32-bit"));
		record_event(t->record, k->tgid, k->ppid, "exit",
			     json_pack("{s:i}", "status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
	}
	if (t->bend)
		bend_gone(t->bend, k);
	if (k->unannounced)
		t->early[t->early_next++ % EARLY] = k->tid;
	drop(t, k);
}

static void at_stop(struct tracer *t, struct task *k, int status)
{
	int sig = WSTOPSIG(status);

	k->wait.held = k->listening = false;
	switch (status >> 16) {
	case PTRACE_EVENT_SECCOMP:
		at_seccomp(t, k);
		return;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		at_fork(t, k);
		return;
	case PTRACE_EVENT_EXEC:
		at_exec(t, k);
		return;
	case PTRACE_EVENT_EXIT:
		at_exit_begin(t, k);
		return;
	case PTRACE_EVENT_STOP:
		if (t->bend)
			bend_stopped(t->bend, k);
		/* A group that was stopped by a signal stays so until it is woken; a new task just begins. */
		k->listening = sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
		if (k->listening)
			ptrace(PTRACE_LISTEN, k->tid, NULL, NULL);
		else
			go_on(k, k->awaits_exit, 0);
		return;
	case 0:
		break;
	default:
		go_on(k, false, 0);
		return;
	}
	if (sig == (SIGTRAP | 0x80))
		at_syscall(t, k);
	else
		go_on(k, k->awaits_exit, sig);
}

bool tracer_wait(struct tracer *t, pid_t pid, int status)
{
	struct task *k = tracer_find(t, pid);
	pid_t tgid, ppid;

	if (!k) {
		if (!WIFSTOPPED(status)) {
			t->early[t->early_next++ % EARLY] = pid;
			return false;
		}
		/* A child that was seen before its parent's word of it. */
		tracee_ids(pid, &tgid, &ppid);
		k = add(t, pid, tgid, ppid);
		k->unannounced = true;
	}
	if (WIFSTOPPED(status))
		at_stop(t, k, status), k->interrupted = false;   /* any stop clears the one that was asked for */
	else
		at_end(t, k, status);
	return true;
}

void tracer_sweep(struct tracer *t)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct task *k = t->bucket[i]; k; k = k->next)
			if (k->tid == k->tgid)
				memory_sweep(t->record, k);
}

void tracer_free(struct tracer *t)
{
	bend_free(t ? t->bend : NULL);
	for (unsigned i = 0; t && i < BUCKETS; i++)
		for (struct task *k = t->bucket[i], *next; k; k = next) {
			next = k->next;
			drop(t, k);
		}
	free(t);
}
