#include "garden/bend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>


/* What the kernel's calls answer inside when a signal interrupts them, and restart by (include/linux/errno.h). */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516
#define RED_ZONE 128u
#define YEARS (200LL * 365 * 86400)   /* since 1970, too */

enum form { SPEC, VAL, MS };
/*
 * A call that waits. arg: of its time-out; left: of where the kernel writes the time that is left, -1 none; over: what it
 * answers when the time is over. Which clock, and whether the time-out is a date, is_date() knows.
 */
struct sleep_call { int nr; const char *name; enum form form; signed char arg, left; int over; };
static const struct sleep_call CALLS[] = {
	{ SYS_nanosleep, "nanosleep", SPEC, 0, 1, 0 }, { SYS_clock_nanosleep, "clock_nanosleep", SPEC, 2, 3, 0 },
	{ SYS_select, "select", VAL, 4, 4, 0 }, { SYS_pselect6, "pselect", SPEC, 4, 4, 0 },
	{ SYS_poll, "poll", MS, 2, -1, 0 }, { SYS_ppoll, "ppoll", SPEC, 2, 2, 0 },
	{ SYS_epoll_wait, "epoll_wait", MS, 3, -1, 0 }, { SYS_epoll_pwait, "epoll_wait", MS, 3, -1, 0 },
	{ SYS_epoll_pwait2, "epoll_wait", SPEC, 3, -1, 0 },
	{ SYS_futex, "futex", SPEC, 3, -1, -ETIMEDOUT }, { SYS_futex_waitv, "futex", SPEC, 3, -1, -ETIMEDOUT },
	{ SYS_futex_wait, "futex", SPEC, 4, -1, -ETIMEDOUT },
	{ SYS_rt_sigtimedwait, "sigtimedwait", SPEC, 2, -1, -EAGAIN }, { SYS_semtimedop, "semtimedop", SPEC, 3, -1, -EAGAIN },
	{ SYS_mq_timedsend, "mq_timedsend", SPEC, 4, -1, -ETIMEDOUT }, { SYS_mq_timedreceive, "mq_timedreceive", SPEC, 4, -1, -ETIMEDOUT },
};
/* Calls on a socket that has a time-out of its own, SO_RCVTIMEO or SO_SNDTIMEO. */
static const struct sleep_call SOCKET_CALLS[] = {
	{ SYS_read, "recv", SPEC, -1, -1, -EAGAIN }, { SYS_readv, "recv", SPEC, -1, -1, -EAGAIN },
	{ SYS_recvfrom, "recv", SPEC, -1, -1, -EAGAIN }, { SYS_recvmsg, "recv", SPEC, -1, -1, -EAGAIN },
	{ SYS_accept, "accept", SPEC, -1, -1, -EAGAIN }, { SYS_accept4, "accept", SPEC, -1, -1, -EAGAIN },
	{ SYS_write, "send", SPEC, -1, -1, -EAGAIN }, { SYS_sendto, "send", SPEC, -1, -1, -EAGAIN },
	{ SYS_sendmsg, "send", SPEC, -1, -1, -EAGAIN }, { SYS_connect, "connect", SPEC, -1, -1, -EINPROGRESS },
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct sleep_call *find(const struct sleep_call *list, size_t n, long nr)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].nr == nr)
			return &list[i];
	return NULL;
}

/* Is the time-out a date of a clock rather than a span, and of which clock? False for *known: not a time that bends. */
static bool is_date(const struct task *k, int *clock, bool *known)
{
	bool date;
	unsigned op = (unsigned)k->arg[1] & FUTEX_CMD_MASK;

	*clock = CLOCK_MONOTONIC;
	*known = true;
	switch (k->nr) {
	case SYS_clock_nanosleep:
		*clock = (int)k->arg[0];
		*known = bentclock_shifts(*clock, &date);
		return (k->arg[1] & TIMER_ABSTIME) != 0;
	case SYS_futex:
		*known = op == FUTEX_WAIT || op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2 || op == FUTEX_WAIT_BITSET ||
			op == FUTEX_WAIT_REQUEUE_PI;
		if (op == FUTEX_LOCK_PI || k->arg[1] & FUTEX_CLOCK_REALTIME)
			*clock = CLOCK_REALTIME;
		return op != FUTEX_WAIT;
	case SYS_futex_waitv:
		*clock = (int)k->arg[4];
		return true;
	case SYS_futex_wait:
		*clock = (int)k->arg[5];
		return true;
	case SYS_mq_timedsend: case SYS_mq_timedreceive:
		*clock = CLOCK_REALTIME;
		return true;
	default:
		return false;
	}
}

/* The time-out in ns; false: none, or one that the kernel refuses. */
static bool read_time(const struct task *k, const struct sleep_call *c, int64_t *ns)
{
	int64_t word[2];
	int64_t unit = c->form == VAL ? 1000 : 1;

	if (c->form == MS) {
		*ns = (int64_t)(int)k->arg[c->arg] * 1000000;
		return *ns >= 0;
	}
	if (!k->arg[c->arg] || tracee_bytes(k->tid, k->arg[c->arg], word, sizeof word) != sizeof word || word[0] < 0 || word[1] < 0 ||
	    word[1] * unit >= BEND_SECOND)
		return false;
	*ns = word[0] > YEARS ? BEND_NEVER : word[0] * BEND_SECOND + word[1] * unit;
	return true;
}

/* Nothing but its time-out (or a signal) ends it: so it need not begin. */
static bool nothing_else(const struct task *k)
{
	switch (k->nr) {
	case SYS_nanosleep: case SYS_clock_nanosleep:
		return true;
	case SYS_select: case SYS_pselect6:
		return k->arg[0] == 0 && (k->nr == SYS_select || k->arg[5] == 0);
	case SYS_poll:
		return k->arg[1] == 0;
	case SYS_ppoll:
		return k->arg[1] == 0 && k->arg[3] == 0;
	default:
		return false;
	}
}

/* A date of the bent clock told as one of the kernel's: below the stack, where nobody's data stand. */
static bool move_date(struct task *k, const struct sleep_call *c, int64_t ns)
{
	struct user_regs_struct regs;
	unsigned long long *const at[] = { &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9 };
	int64_t word[2] = { ns / BEND_SECOND, ns % BEND_SECOND };
	uint64_t place;

	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return false;
	place = (regs.rsp - RED_ZONE - sizeof word) & ~(uint64_t)15;
	if (!tracee_write(k->tid, place, word, sizeof word))
		return false;
	*at[c->arg] = place;
	if (ptrace(PTRACE_SETREGS, k->tid, NULL, &regs))
		return false;
	k->wait.moved = true;
	return true;
}

enum calls_do sleeps_entry(struct bend *b, struct task *k)
{
	const struct sleep_call *c = find(CALLS, COUNT(CALLS), k->nr);
	int64_t ns, now = bend_now(b), shift;
	int clock;
	bool known, date, shifted;

	k->wait = (struct wait){ 0 };
	if (!c)
		return CALLS_GO;
	date = is_date(k, &clock, &known);
	if (!known || !read_time(k, c, &ns) || ns == 0)
		return CALLS_GO;
	if (date) {
		bentclock_shifts(clock, &shifted);
		shift = b->skipped + (shifted ? b->start : 0);
		if (shift && ns != BEND_NEVER && !move_date(k, c, ns > shift ? ns - shift : 0))
			return CALLS_GO;
		if (ns != BEND_NEVER)
			ns -= bentclock_of(b, clock);
	}
	k->wait.call = c;
	k->wait.began = now;
	k->wait.until = ns >= BEND_NEVER - now ? BEND_NEVER : now + ns;
	k->wait.skipped = b->skipped;
	/* A date that is over ends at once, by the kernel. */
	k->wait.held = ns > 0 && nothing_else(k);
	return CALLS_AWAIT;
}

bool sleeps_resume(struct task *k)
{
	if (!k->wait.parked)
		return false;
	k->wait.call = k->wait.parked;
	k->wait.parked = NULL;
	k->wait.fired = false;
	k->nr = k->wait.call->nr;
	return true;
}

/* ---- their ends ---- */

static void note(struct bend *b, const struct task *k)
{
	record_sleep(b->record, k->tgid, k->ppid, k->wait.call->name, (double)(k->wait.until - k->wait.began) / (double)BEND_SECOND);
}

static void write_left(const struct task *k, int64_t ns)
{
	int64_t word[2] = { ns / BEND_SECOND, ns % BEND_SECOND / (k->wait.call->form == VAL ? 1000 : 1) };
	uint64_t address = k->wait.call->left >= 0 ? k->arg[(unsigned)k->wait.call->left] : 0;

	if (address)
		tracee_write(k->tid, address, word, sizeof word);
}

/* What the kernel does for a select whose time is over. */
static void clear_sets(const struct task *k)
{
	unsigned char none[FD_SETSIZE / 8] = { 0 };
	size_t n = ((size_t)(k->arg[0] < FD_SETSIZE ? k->arg[0] : FD_SETSIZE) + 63) / 64 * 8;

	for (unsigned set = 1; set <= 3; set++)
		if (k->arg[set])
			tracee_write(k->tid, k->arg[set], none, n);
}

static void time_over(struct bend *b, struct task *k)
{
	if (k->nr == SYS_select || k->nr == SYS_pselect6)
		clear_sets(k);
	/* A sleep that was not interrupted leaves that alone. */
	if (k->nr != SYS_nanosleep && k->nr != SYS_clock_nanosleep)
		write_left(k, 0);
	note(b, k);
}

void sleeps_end(struct bend *b, struct task *k)
{
	time_over(b, k);
	tracer_skip(k, k->wait.call->over);
	k->wait = (struct wait){ 0 };
	k->awaits_exit = k->bent = false;
	tracer_go(k, false);
}

static bool interrupted(int64_t result)
{
	return result == -EINTR || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
}

static void set_registers(const struct task *k, bool over, bool again)
{
	struct user_regs_struct regs;
	unsigned long long *const at[] = { &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9 };
	const struct sleep_call *c = k->wait.call;

	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return;
	if (k->wait.moved)
		*at[c->arg] = k->arg[c->arg];
	if (over)
		regs.rax = (unsigned long long)(long long)c->over;
	if (again) {
		regs.rip -= 2;   /* of "syscall" */
		regs.rax = (unsigned long long)c->nr;
		regs.orig_rax = (unsigned long long)-1;
	}
	ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
}

void sleeps_exit(struct bend *b, struct task *k, int64_t result)
{
	bool over = k->wait.fired && interrupted(result);
	/* An interruption of ours that came for an earlier wait must not be seen by the program. */
	bool again = !over && k->interrupted && result == -EINTR;
	int64_t left = k->wait.until - bend_now(b);

	if (k->wait.moved || over || again)
		set_registers(k, over, again);
	if (over)
		time_over(b, k);
	else if (k->wait.skipped != b->skipped && k->wait.until != BEND_NEVER && (interrupted(result) || k->wait.call->left == k->wait.call->arg))
		write_left(k, left > 0 ? left : 0);
	k->wait.parked = !over && result == -ERESTART_RESTARTBLOCK ? k->wait.call : NULL;
	k->wait.call = NULL;
	k->wait.fired = k->wait.moved = false;
}

/* ---- sockets with time-outs ---- */

bool sleeps_in_socket(const struct task *k)
{
	return k->wait.call >= SOCKET_CALLS && k->wait.call < SOCKET_CALLS + COUNT(SOCKET_CALLS);
}

void sleeps_socket(struct bend *b, struct task *k, long nr, int fd, int64_t began)
{
	const struct sleep_call *c = find(SOCKET_CALLS, COUNT(SOCKET_CALLS), nr);
	struct timeval v = { 0 };
	socklen_t n = sizeof v;
	int sock, option = c && (nr == SYS_write || nr == SYS_sendto || nr == SYS_sendmsg || nr == SYS_connect) ? SO_SNDTIMEO : SO_RCVTIMEO;

	if (!c || (sock = tracee_copy(k->tgid, fd)) < 0)
		return;
	if (getsockopt(sock, SOL_SOCKET, option, &v, &n) == 0 && (v.tv_sec || v.tv_usec)) {
		int64_t ns = v.tv_sec > YEARS ? BEND_NEVER : v.tv_sec * BEND_SECOND + v.tv_usec * 1000;

		k->wait = (struct wait){ .call = c, .began = began, .skipped = b->skipped,
			.until = ns >= BEND_NEVER - began ? BEND_NEVER : began + ns };
	}
	close(sock);
}

void sleeps_stopped(struct bend *b, struct task *k)
{
	struct user_regs_struct regs;
	bool ours = sleeps_in_socket(k) && k->wait.fired;

	if (!k->wait.call || !ours) {
		if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs) == 0 && (long long)regs.orig_rax >= 0 && (long long)regs.rax == -EINTR) {
			regs.rip -= 2;
			regs.rax = regs.orig_rax;
			regs.orig_rax = (unsigned long long)-1;
			ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
		}
		return;
	}
	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs) == 0 && (long)regs.orig_rax == k->wait.call->nr && interrupted((long long)regs.rax)) {
		regs.rax = (unsigned long long)(long long)k->wait.call->over;
		ptrace(PTRACE_SETREGS, k->tid, NULL, &regs);
		note(b, k);
	}
	k->wait = (struct wait){ 0 };
}

/* ---- what else they wait for ---- */

static unsigned polled(const struct task *k, uint64_t address, uint64_t count, int fd[], unsigned n)
{
	struct pollfd p[64];
	unsigned got = count < COUNT(p) ? (unsigned)count : COUNT(p);

	if (got > n)
		got = n;
	got = (unsigned)(tracee_bytes(k->tid, address, p, got * sizeof *p) / sizeof *p);
	for (unsigned i = 0; i < got; i++)
		fd[i] = p[i].fd;
	return got;
}

static unsigned selected(const struct task *k, const uint64_t arg[], int fd[], unsigned n)
{
	unsigned char set[FD_SETSIZE / 8];
	unsigned got = 0, most = arg[0] < FD_SETSIZE ? (unsigned)arg[0] : FD_SETSIZE;

	for (unsigned s = 1; s <= 3; s++) {
		if (!arg[s] || tracee_bytes(k->tid, arg[s], set, (most + 7) / 8) != (most + 7) / 8)
			continue;
		for (unsigned i = 0; i < most && got < n; i++)
			if (set[i / 8] & 1u << i % 8)
				fd[got++] = (int)i;
	}
	return got;
}

unsigned sleeps_descriptors(long nr, const struct task *k, const uint64_t arg[], int fd[], unsigned n, bool *epoll)
{
	*epoll = false;
	switch (nr) {
	case SYS_poll: case SYS_ppoll:
		return polled(k, arg[0], arg[1], fd, n);
	case SYS_select: case SYS_pselect6:
		return selected(k, arg, fd, n);
	case SYS_epoll_wait: case SYS_epoll_pwait: case SYS_epoll_pwait2:
		*epoll = true;
		fd[0] = (int)arg[0];
		return 1;
	case SYS_read: case SYS_readv: case SYS_pread64: case SYS_recvfrom: case SYS_recvmsg: case SYS_recvmmsg: case SYS_accept:
	case SYS_accept4: case SYS_connect: case SYS_write: case SYS_writev: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg:
		fd[0] = (int)arg[0];
		return 1;
	default:
		return 0;
	}
}
