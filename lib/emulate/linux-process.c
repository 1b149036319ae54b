/* Linux's system calls for processes, threads, time and identity. */
#include "emulate/linux.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unicorn/unicorn.h>

#define START_UNIX 1705500000
#define NS 1000000000u
#define UP_S 918273u
#define EXECS 8u
#define ARGS_MOST (128 * KIB)

static int64_t zero(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return 0; }

/* ---- the end, children and threads ---- */

static int64_t sys_exit_group(struct linux_process *l, const uint64_t *a)
{
	return linux_leave(l, "exit", (int)(a[0] & 0xff) << 8);
}

/* A thread runs at once and to its end; who waits for it finds it gone. */
static int64_t sys_exit(struct linux_process *l, const uint64_t *a)
{
	uc_context *c;

	if (!l->threads)
		return sys_exit_group(l, a);
	c = l->thread[--l->threads];
	uc_context_restore(l->m->uc, c);
	uc_context_free(c);
	if (l->thread_clear[l->threads])
		machine_put_number(l->m, l->thread_clear[l->threads], 0, 4);
	return l->pid + 1 + l->threads;
}

static int64_t start_thread(struct linux_process *l, uint64_t flags, uint64_t stack, uint64_t parent, uint64_t child, uint64_t tls)
{
	bool wide = l->width == 8;

	if (l->threads >= LINUX_THREADS)
		return -EAGAIN;
	if (uc_context_alloc(l->m->uc, (uc_context **)(void *)&l->thread[l->threads]))
		return -ENOMEM;
	uc_context_save(l->m->uc, l->thread[l->threads]);
	l->thread_clear[l->threads++] = flags & CLONE_CHILD_CLEARTID ? child : 0;
	if (flags & CLONE_PARENT_SETTID)
		machine_put_number(l->m, parent, l->pid + l->threads, 4);
	machine_set_sp(l->m, stack);
	if (flags & CLONE_SETTLS && wide)
		machine_set(l->m, UC_X86_REG_FS_BASE, tls);
	return 0;
}

/* With a stack of its own, if it is to have one: the parent has kept his by then. */
static int64_t fork_child(struct linux_process *l, uint64_t stack)
{
	int64_t rc = linux_fork(l);

	if (!rc && stack)
		machine_set_sp(l->m, stack);
	return rc;
}

static int64_t sys_fork(struct linux_process *l, const uint64_t *a) { (void)a; return fork_child(l, 0); }

static int64_t sys_clone(struct linux_process *l, const uint64_t *a)
{
	bool wide = l->width == 8;

	if (a[0] & CLONE_VM && a[1] && !(a[0] & CLONE_VFORK))
		return start_thread(l, a[0], a[1], a[2], wide ? a[3] : a[4], wide ? a[4] : a[3]);
	return fork_child(l, a[1]);
}

static int64_t sys_clone3(struct linux_process *l, const uint64_t *a)
{
	uint64_t v[8];

	for (unsigned i = 0; i < 8; i++)
		v[i] = machine_number(l->m, a[0] + 8 * i, 8);
	if (v[0] & CLONE_VM && v[5] && !(v[0] & CLONE_VFORK))
		return start_thread(l, v[0], v[5] + v[6], v[3], v[2], v[7]);
	return fork_child(l, v[5] ? v[5] + v[6] : 0);
}

static int64_t sys_wait(struct linux_process *l, const uint64_t *a) { return linux_wait(l, a[1]); }

/* ---- execve ---- */

static void take_strings(struct linux_process *l, uint64_t list, struct buf *out)
{
	for (unsigned i = 0; i < 1024 && out->len < ARGS_MOST; i++) {
		uint64_t at = machine_number(l->m, list + l->width * i, l->width);

		if (!at)
			break;
		machine_text(l->m, at, 1, ARGS_MOST, out);
		buf_addc(out, '\0');
	}
	buf_addc(out, '\0');
}

/* A program that is not ours to emulate: what it was to be given is what matters, a script most of all. */
static int64_t elsewhere(struct linux_process *l, const char *path, const struct buf *args)
{
	linux_finding(l, "executes", "it becomes %.200s", path);
	emulation_drop(l->m->out, "arguments", path, args->p, args->len);
	return linux_leave(l, "exec", 0);
}

/* A program of the system that is there, a shell most of all, runs on: it may well begin the sample anew, with what that waits for. */
static void told_to_system(struct linux_process *l, const struct linux_file *f, const struct buf *args)
{
	linux_finding(l, "executes", "it becomes %.200s", f->path);
	emulation_drop(l->m->out, "arguments", f->path, args->p, args->len);
}

static int64_t become(struct linux_process *l, struct linux_file *f, uint64_t argv, uint64_t envp)
{
	struct buf args = { 0 }, env = { 0 };
	unsigned char *copy;
	size_t n = f ? linux_file_size(f) : 0;
	int64_t rc = 0;

	take_strings(l, argv, &args);
	take_strings(l, envp, &env);
	if (!f || !elf_is(linux_file_bytes(f), n) || l->execs++ >= EXECS) {
		rc = elsewhere(l, f ? f->path : "a program that is not there", &args);
	} else {
		bool made = f->written, ours = f->own || made;

		copy = buf_alloc(n + 1);
		memcpy(copy, linux_file_bytes(f), n);
		if (ours)
			linux_finding(l, "executes", "it becomes %.200s, which it %s", f->path, f->own ? "is itself" : "wrote");
		else
			told_to_system(l, f, &args);
		written_finish(l->m);
		l->m->elsewhere = !ours;
		linux_drop_threads(l);
		if (!linux_load(l, copy, n, (const char *)args.p, (const char *)env.p))
			rc = linux_leave(l, "exec", 0);
		else if (ours)
			written_image(l->m, l->m->out->entry, made);
		free(copy);
		l->moved = true;
	}
	buf_free(&args);
	buf_free(&env);
	return rc;
}

static int64_t exec_path(struct linux_process *l, uint64_t name, uint64_t argv, uint64_t envp)
{
	struct buf path = { 0 }, args = { 0 };
	struct linux_file *f;
	int64_t rc;

	machine_text(l->m, name, 1, LINUX_PATH - 64, &path);
	f = linux_file(l, buf_str(&path), false);
	if (!f && strncmp(buf_str(&path), "/bin/", 5) && strncmp(buf_str(&path), "/usr/bin/", 9) && strncmp(buf_str(&path), "/sbin/", 6)) {
		rc = -ENOENT;
	} else if (!f) {
		take_strings(l, argv, &args);
		rc = elsewhere(l, buf_str(&path), &args);
	} else {
		rc = become(l, f, argv, envp);
	}
	buf_free(&path);
	buf_free(&args);
	return rc;
}

static int64_t sys_execve(struct linux_process *l, const uint64_t *a) { return exec_path(l, a[0], a[1], a[2]); }

static int64_t sys_execveat(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	if (machine_number(l->m, a[1], 1))
		return exec_path(l, a[1], a[2], a[3]);
	return d && d->kind == FD_FILE ? become(l, &l->file[d->file], a[2], a[3]) : -EBADF;
}

/* ---- identity ---- */

static int64_t sys_getpid(struct linux_process *l, const uint64_t *a) { (void)a; return l->pid; }
static int64_t sys_getppid(struct linux_process *l, const uint64_t *a) { (void)a; return l->parent; }
static int64_t sys_getuid(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return 1000; }
static int64_t sys_setsid(struct linux_process *l, const uint64_t *a) { (void)a; return l->pid; }

static int64_t sys_uname(struct linux_process *l, const uint64_t *a)
{
	static const char *const field[6] = { "Linux", "anna-laptop", "6.1.0-18-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1", "x86_64", "(none)" };

	for (unsigned i = 0; i < 6; i++)
		machine_put(l->m, a[0] + 65 * i, field[i], strlen(field[i]) + 1);
	return 0;
}

static int64_t sys_ptrace(struct linux_process *l, const uint64_t *a)
{
	linux_finding(l, "anti-debugger", "it asks to be traced, which fails under a debugger");
	return a[0] == PTRACE_TRACEME ? 0 : -ESRCH;
}

static int64_t sys_arch_prctl(struct linux_process *l, const uint64_t *a)
{
	enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };

	switch (a[0]) {
	case SET_FS: machine_set(l->m, UC_X86_REG_FS_BASE, a[1]); return 0;
	case SET_GS: machine_set(l->m, UC_X86_REG_GS_BASE, a[1]); return 0;
	case GET_FS: machine_put_number(l->m, a[1], machine_reg(l->m, UC_X86_REG_FS_BASE), 8); return 0;
	case GET_GS: machine_put_number(l->m, a[1], machine_reg(l->m, UC_X86_REG_GS_BASE), 8); return 0;
	default: return -EINVAL;
	}
}

/* struct user_desc: entry number, base. */
static int64_t sys_set_thread_area(struct linux_process *l, const uint64_t *a)
{
	machine_put_number(l->m, a[0], MACHINE_TLS >> 3, 4);
	machine_segment(l->m, UC_X86_REG_GS, MACHINE_TLS, machine_number(l->m, a[0] + 4, 4));
	return 0;
}

static int64_t sys_set_tid(struct linux_process *l, const uint64_t *a) { (void)a; return l->pid; }
static int64_t none_such(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return -ENOSYS; }

static int64_t sys_prlimit(struct linux_process *l, const uint64_t *a)
{
	if (a[3]) {
		machine_put_number(l->m, a[3], a[1] == 3 ? 8 * MIB : UINT64_MAX, 8);
		machine_put_number(l->m, a[3] + 8, UINT64_MAX, 8);
	}
	return 0;
}

static int64_t sys_getrlimit(struct linux_process *l, const uint64_t *a)
{
	machine_put_number(l->m, a[1], a[0] == 3 ? 8 * MIB : UINT64_MAX, l->width);
	machine_put_number(l->m, a[1] + l->width, UINT64_MAX, l->width);
	return 0;
}

static int64_t sys_sysinfo(struct linux_process *l, const uint64_t *a)
{
	unsigned n = l->width;

	machine_put_number(l->m, a[0], UP_S, n);
	machine_put_number(l->m, a[0] + 4 * n, UINT64_C(16657100800) >> (n == 4 ? 3 : 0), n);
	machine_put_number(l->m, a[0] + 5 * n, UINT64_C(8315338752) >> (n == 4 ? 3 : 0), n);
	return 0;
}

static int64_t sys_affinity(struct linux_process *l, const uint64_t *a)
{
	machine_put_number(l->m, a[2], 0xf, l->width);   /* four processors */
	return l->width;
}

/* ---- time ---- */

uint64_t linux_now(const struct linux_process *l)
{
	return l->slept_ns + l->m->instructions / 2;   /* two a nanosecond */
}

static int64_t put_time(struct linux_process *l, uint64_t at, uint64_t seconds, uint64_t part, unsigned width)
{
	if (!at)
		return 0;
	return machine_put_number(l->m, at, seconds, width) && machine_put_number(l->m, at + width, part, width) ? 0 : -EFAULT;
}

static int64_t clock_of(struct linux_process *l, const uint64_t *a, unsigned width)
{
	uint64_t base = a[0] == CLOCK_REALTIME || a[0] == 5 ? START_UNIX : a[0] == CLOCK_PROCESS_CPUTIME_ID || a[0] == CLOCK_THREAD_CPUTIME_ID ? 0 : UP_S;

	return put_time(l, a[1], base + linux_now(l) / NS, linux_now(l) % NS, width);
}

static int64_t sys_clock_gettime(struct linux_process *l, const uint64_t *a) { return clock_of(l, a, l->width); }
static int64_t sys_clock_gettime64(struct linux_process *l, const uint64_t *a) { return clock_of(l, a, 8); }
static int64_t sys_gettimeofday(struct linux_process *l, const uint64_t *a)
{
	return put_time(l, a[0], START_UNIX + linux_now(l) / NS, linux_now(l) % NS / 1000, l->width);
}

static int64_t sys_time(struct linux_process *l, const uint64_t *a)
{
	uint64_t t = START_UNIX + linux_now(l) / NS;

	if (a[0])
		machine_put_number(l->m, a[0], t, l->width);
	return (int64_t)t;
}

static void sleep_for(struct linux_process *l, uint64_t at, unsigned width)
{
	uint64_t s = machine_number(l->m, at, width), ns = machine_number(l->m, at + width, width);

	if (s >= 60 && s < UINT64_C(1) << 40)
		linux_finding(l, "long-sleep", "it sleeps %llu seconds", (unsigned long long)s);
	if (s < UINT64_C(1) << 31 && ns < NS)
		l->slept_ns += s * NS + ns;
	if (l->alarm_ns && l->alarm_ns <= linux_now(l)) {
		l->alarm_ns = 0;
		linux_signal(l, SIGALRM, 0, 0);
	}
}

static int64_t sys_nanosleep(struct linux_process *l, const uint64_t *a) { sleep_for(l, a[0], l->width); return 0; }

static int64_t sys_clock_nanosleep(struct linux_process *l, const uint64_t *a)
{
	if (!(a[1] & TIMER_ABSTIME))
		sleep_for(l, a[2], l->width);
	return 0;
}

static int64_t sys_alarm(struct linux_process *l, const uint64_t *a)
{
	l->alarm_ns = a[0] ? linux_now(l) + a[0] * NS : 0;
	return 0;
}

/* Nothing will ever come but the alarm. */
static int64_t sys_pause(struct linux_process *l, const uint64_t *a)
{
	(void)a;
	if (!l->alarm_ns)
		return linux_leave(l, "waits", 0);
	if (l->alarm_ns > linux_now(l))
		l->slept_ns += l->alarm_ns - linux_now(l);
	l->alarm_ns = 0;
	machine_set(l->m, l->width == 8 ? UC_X86_REG_RAX : UC_X86_REG_EAX, (uint64_t)-EINTR);
	linux_signal(l, SIGALRM, 0, 0);
	l->moved = true;
	return 0;
}

/* Who waits for what nobody will wake ends here: all threads ran to their end already. */
static int64_t sys_futex(struct linux_process *l, const uint64_t *a)
{
	if ((a[1] & 0x7f) != 0 && (a[1] & 0x7f) != 9)
		return 0;
	if ((uint32_t)machine_number(l->m, a[0], 4) != (uint32_t)a[2])
		return -EAGAIN;
	return a[3] ? -ETIMEDOUT : linux_leave(l, "waits", 0);
}

/* ---- signals ---- */

static int64_t sys_sigaction(struct linux_process *l, const uint64_t *a)
{
	unsigned n = l->width;
	struct linux_action *s = a[0] < LINUX_SIGNALS ? &l->action[a[0]] : NULL;
	struct linux_action old;

	if (!s || !a[0])
		return -EINVAL;
	old = *s;
	if (a[1])
		*s = (struct linux_action){ machine_number(l->m, a[1], n), machine_number(l->m, a[1] + n, n), machine_number(l->m, a[1] + 2 * n, n),
			machine_number(l->m, a[1] + 3 * n, 8) };
	if (a[2]) {
		machine_put_number(l->m, a[2], old.handler, n);
		machine_put_number(l->m, a[2] + n, old.flags, n);
		machine_put_number(l->m, a[2] + 2 * n, old.restorer, n);
		machine_put_number(l->m, a[2] + 3 * n, old.mask, 8);
	}
	return 0;
}

static int64_t sys_old_signal(struct linux_process *l, const uint64_t *a)
{
	uint64_t old;

	if (!a[0] || a[0] >= LINUX_SIGNALS)
		return -EINVAL;
	old = l->action[a[0]].handler;
	l->action[a[0]] = (struct linux_action){ a[1], SA_RESETHAND, 0, 0 };
	return (int64_t)old;
}

static int64_t send(struct linux_process *l, uint64_t signal)
{
	if (!signal || signal >= LINUX_SIGNALS)
		return 0;
	machine_set(l->m, l->width == 8 ? UC_X86_REG_RAX : UC_X86_REG_EAX, 0);
	linux_signal(l, (int)signal, -6, 0);
	l->moved = true;
	return 0;
}

static int64_t sys_kill(struct linux_process *l, const uint64_t *a) { return (uint32_t)a[0] == l->pid ? send(l, a[1]) : -ESRCH; }
static int64_t sys_tgkill(struct linux_process *l, const uint64_t *a) { return send(l, a[2]); }

static int64_t sys_sigreturn(struct linux_process *l, const uint64_t *a)
{
	(void)a;
	linux_sigreturn(l, true);
	l->moved = true;
	return 0;
}

static int64_t sys_old_sigreturn(struct linux_process *l, const uint64_t *a)
{
	(void)a;
	linux_sigreturn(l, false);
	l->moved = true;
	return 0;
}

static int64_t sys_sigaltstack(struct linux_process *l, const uint64_t *a)
{
	if (a[0]) {
		l->alt_stack = machine_number(l->m, a[0], l->width);
		l->alt_size = machine_number(l->m, a[0] + 2 * l->width, l->width);
	}
	return 0;
}

static int64_t sys_getrandom(struct linux_process *l, const uint64_t *a)
{
	for (uint64_t i = 0; i < a[1] && i < 65536; i++) {
		l->random = l->random * UINT64_C(6364136223846793005) + 1442695040888963407;
		machine_put_number(l->m, a[0] + i, l->random >> 56, 1);
	}
	return (int64_t)(a[1] < 65536 ? a[1] : 65536);
}

const struct linux_entry linux_process_table[] = {
	{ 60, 1, "exit", "d", sys_exit }, { 231, 252, "exit_group", "d", sys_exit_group }, { 57, 2, "fork", "", sys_fork }, { 58, 190, "vfork", "", sys_fork },
	{ 56, 120, "clone", "xpppp", sys_clone }, { 435, 435, "clone3", "px", sys_clone3 }, { 61, 114, "wait4", "dpdp", sys_wait }, { -1, 7, "waitpid", "dpd", sys_wait },
	{ 59, 11, "execve", "spp", sys_execve }, { 322, 358, "execveat", "dsppx", sys_execveat }, { 39, 20, "getpid", "", sys_getpid },
	{ 110, 64, "getppid", "", sys_getppid }, { 186, 224, "gettid", "", sys_getpid }, { 102, 199, "getuid", "", sys_getuid }, { 104, 200, "getgid", "", sys_getuid },
	{ 107, 201, "geteuid", "", sys_getuid }, { 108, 202, "getegid", "", sys_getuid }, { 105, 213, "setuid", "d", zero }, { 106, 214, "setgid", "d", zero },
	{ 117, 208, "setresuid", "ddd", zero }, { 119, 210, "setresgid", "ddd", zero }, { 112, 66, "setsid", "", sys_setsid }, { 109, 57, "setpgid", "dd", zero },
	{ 63, 122, "uname", "p", sys_uname }, { 101, 26, "ptrace", "xdpp", sys_ptrace }, { 157, 172, "prctl", "dt", zero }, { 158, 384, "arch_prctl", "xp", sys_arch_prctl },
	{ -1, 243, "set_thread_area", "p", sys_set_thread_area }, { 218, 258, "set_tid_address", "p", sys_set_tid }, { 273, 311, "set_robust_list", "px", zero },
	{ 334, 386, "rseq", "pxxx", none_such }, { 302, 340, "prlimit64", "ddpp", sys_prlimit }, { 97, 191, "getrlimit", "dp", sys_getrlimit },
	{ 160, 75, "setrlimit", "dp", zero }, { 99, 116, "sysinfo", "p", sys_sysinfo }, { 204, 242, "sched_getaffinity", "dxp", sys_affinity },
	{ 24, 158, "sched_yield", "", zero }, { 228, 265, "clock_gettime", "dp", sys_clock_gettime }, { -1, 403, "clock_gettime64", "dp", sys_clock_gettime64 },
	{ 96, 78, "gettimeofday", "pp", sys_gettimeofday }, { 201, 13, "time", "p", sys_time }, { 35, 162, "nanosleep", "pp", sys_nanosleep },
	{ 230, 267, "clock_nanosleep", "ddpp", sys_clock_nanosleep }, { 37, 27, "alarm", "d", sys_alarm }, { 34, 29, "pause", "", sys_pause },
	{ 202, 240, "futex", "pdxp", sys_futex }, { 13, 174, "rt_sigaction", "dpp", sys_sigaction }, { -1, 48, "signal", "dp", sys_old_signal },
	{ 14, 175, "rt_sigprocmask", "dpp", zero }, { 15, 173, "rt_sigreturn", "", sys_sigreturn }, { -1, 119, "sigreturn", "", sys_old_sigreturn },
	{ 131, 186, "sigaltstack", "pp", sys_sigaltstack }, { 62, 37, "kill", "dd", sys_kill }, { 200, 238, "tkill", "dd", sys_kill },
	{ 234, 270, "tgkill", "ddd", sys_tgkill }, { 318, 355, "getrandom", "pxx", sys_getrandom }, { 135, 136, "personality", "x", zero },
	{ 38, 104, "setitimer", "dpp", zero }, { 140, 96, "getpriority", "dd", zero }, { 141, 97, "setpriority", "ddd", zero }, { 98, 77, "getrusage", "dp", zero },
	{ 0, 0, NULL, NULL, NULL },
};
