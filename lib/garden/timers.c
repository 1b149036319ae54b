#include "garden/bend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TIMERS 512u
#define TIMER_FDS 64u            /* each is a descriptor of ours */
#define YEARS (200LL * 365 * 86400)   /* since 1970, too */

/*
 * setitimer's, alarm's and POSIX timers are kept here alone, and the kernel never hears of them: they fire by a signal from
 * the tracer, in bent time. A timerfd stays the kernel's, since programs poll it; a copy of it is set anew at each leap.
 */
enum kind { ALARM, POSIX, DESCRIPTOR };
struct timer {
	enum kind kind;
	pid_t tgid;
	int id;                      /* POSIX: the kernel's number; DESCRIPTOR: our copy */
	int clock, notify, signal;
	pid_t tid;                   /* SIGEV_THREAD_ID */
	uint64_t value;
	int64_t until, interval;     /* BEND_NEVER: not set */
};

struct spec { int64_t interval[2], value[2]; };   /* struct itimerval, struct itimerspec */

static struct timer *find(const struct bend *b, enum kind kind, pid_t tgid, int id)
{
	for (unsigned i = 0; i < b->timers; i++)
		if (b->timer[i].kind == kind && b->timer[i].tgid == tgid && (kind == ALARM || b->timer[i].id == id))
			return &b->timer[i];
	return NULL;
}

static struct timer *add(struct bend *b, const struct timer *t)
{
	unsigned copies = 0;

	for (unsigned i = 0; i < b->timers; i++)
		copies += b->timer[i].kind == DESCRIPTOR;
	if (b->timers >= TIMERS || (t->kind == DESCRIPTOR && copies >= TIMER_FDS))
		return NULL;
	b->timer = buf_realloc(b->timer, b->timers + 1, sizeof *t);
	b->timer[b->timers] = *t;
	return &b->timer[b->timers++];
}

static void drop(struct bend *b, struct timer *t)
{
	if (t->kind == DESCRIPTOR)
		close(t->id);
	*t = b->timer[--b->timers];
}

void timers_drop(struct bend *b, pid_t tgid, bool exec)
{
	for (unsigned i = b->timers; i-- > 0; ) {
		struct timer *t = &b->timer[i];

		/* A timerfd may have gone on to a child; the interval timer goes on through an exec. */
		if (tgid && (t->tgid != tgid || t->kind == DESCRIPTOR || (exec && t->kind == ALARM)))
			continue;
		drop(b, t);
	}
}

/* ---- times ---- */

static bool to_ns(const int64_t v[2], int64_t unit, int64_t *ns)
{
	if (v[0] < 0 || v[1] < 0 || v[1] * unit >= BEND_SECOND)
		return false;
	*ns = v[0] > YEARS ? YEARS * BEND_SECOND : v[0] * BEND_SECOND + v[1] * unit;
	return true;
}

static void from_ns(int64_t ns, int64_t unit, int64_t v[2])
{
	v[0] = ns / BEND_SECOND;
	v[1] = ns % BEND_SECOND / unit;
}

static void describe(const struct bend *b, const struct timer *t, int64_t unit, struct spec *s)
{
	int64_t left;

	*s = (struct spec){ 0 };
	if (!t || t->until == BEND_NEVER)
		return;
	left = t->until - bend_now(b);
	/* Zero would say that it is not set. */
	from_ns(left > unit ? left : unit, unit, s->value);
	from_ns(t->interval, unit, s->interval);
}

static int64_t shift_of(const struct bend *b, int clock)
{
	bool date;

	bentclock_shifts(clock, &date);
	return b->skipped + (date ? b->start : 0);
}

/* ---- calls ---- */

static long set_alarm(struct bend *b, struct task *k, int64_t ns, int64_t interval)
{
	struct timer *t = find(b, ALARM, k->tgid, 0), fresh = { .kind = ALARM, .tgid = k->tgid, .signal = SIGALRM, .until = BEND_NEVER };

	if (!t && !(t = add(b, &fresh)))
		return -EAGAIN;
	t->until = ns ? bend_now(b) + ns : BEND_NEVER;
	t->interval = interval;
	return 0;
}

static long alarm_call(struct bend *b, struct task *k)
{
	struct timer *t = find(b, ALARM, k->tgid, 0);
	int64_t left = t && t->until != BEND_NEVER ? t->until - bend_now(b) : 0;
	long seconds = left / BEND_SECOND, rest = left % BEND_SECOND;

	set_alarm(b, k, (int64_t)(unsigned)k->arg[0] * BEND_SECOND, 0);
	/* alarm_setitimer(): rounded, but never down to nothing. */
	return left > 0 ? seconds + (rest >= BEND_SECOND / 2 || seconds == 0) : 0;
}

static long itimer_call(struct bend *b, struct task *k)
{
	struct spec s = { 0 }, old;
	int64_t ns, interval;
	unsigned where = k->nr == SYS_getitimer ? 1 : 2;

	if (k->nr == SYS_setitimer && k->arg[1] && tracee_bytes(k->tid, k->arg[1], &s, sizeof s) != sizeof s)
		return -EFAULT;
	if (!to_ns(s.value, 1000, &ns) || !to_ns(s.interval, 1000, &interval))
		return -EINVAL;
	describe(b, find(b, ALARM, k->tgid, 0), 1000, &old);
	if (k->arg[where] && !tracee_write(k->tid, k->arg[where], &old, sizeof old))
		return -EFAULT;
	return k->nr == SYS_setitimer ? set_alarm(b, k, ns, interval) : 0;
}

static long posix_call(struct bend *b, struct task *k, struct timer *t)
{
	struct spec s, old;
	int64_t ns, interval;
	unsigned where = k->nr == SYS_timer_gettime ? 1 : 3;

	describe(b, t, 1, &old);
	if (k->nr == SYS_timer_settime && tracee_bytes(k->tid, k->arg[2], &s, sizeof s) != sizeof s)
		return -EFAULT;
	if (k->nr == SYS_timer_settime) {
		if (!to_ns(s.value, 1, &ns) || !to_ns(s.interval, 1, &interval))
			return -EINVAL;
		t->interval = interval;
		t->until = ns == 0 ? BEND_NEVER :
			bend_now(b) + (k->arg[1] & TIMER_ABSTIME ? ns - bentclock_of(b, t->clock) : ns);
	}
	return k->arg[where] && !tracee_write(k->tid, k->arg[where], &old, sizeof old) ? -EFAULT : 0;
}

static int clock_of(int fd, uint64_t *ticks)
{
	char path[48];
	const char *p;
	struct buf b = { 0 };
	int clock = -1;

	*ticks = 0;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	if (io_slurp_at(AT_FDCWD, path, 4096, &b) > 0) {
		p = strstr(buf_str(&b), "clockid: ");
		clock = p ? (int)strtol(p + 9, NULL, 10) : -1;
		p = strstr(buf_str(&b), "ticks: ");
		*ticks = p ? strtoull(p + 7, NULL, 10) : 0;
	}
	buf_free(&b);
	return clock;
}

static struct timer *same_descriptor(const struct bend *b, int fd)
{
	pid_t own = getpid();

	for (unsigned i = 0; i < b->timers; i++)
		if (b->timer[i].kind == DESCRIPTOR && syscall(SYS_kcmp, own, own, KCMP_FILE, b->timer[i].id, fd) == 0)
			return &b->timer[i];
	return NULL;
}

/* Set by us, through a copy: the program's own words may not be changed. */
static enum calls_do descriptor_call(struct bend *b, struct task *k, long *result)
{
	struct itimerspec s, old;
	struct timer *t, fresh = { .kind = DESCRIPTOR, .tgid = k->tgid, .until = BEND_NEVER };
	int64_t ns, interval, shift;
	uint64_t ticks;
	int flags = (int)k->arg[1];

	if (tracee_bytes(k->tid, k->arg[2], &s, sizeof s) != sizeof s || (fresh.id = tracee_copy(k->tgid, (int)k->arg[0])) < 0)
		return CALLS_GO;
	fresh.clock = clock_of(fresh.id, &ticks);
	if (fresh.clock < 0 || !to_ns((const int64_t *)&s.it_value, 1, &ns) || !to_ns((const int64_t *)&s.it_interval, 1, &interval)) {
		close(fresh.id);
		return CALLS_GO;
	}
	shift = flags & TFD_TIMER_ABSTIME ? shift_of(b, fresh.clock) : 0;
	if (ns && shift) {
		ns = ns > shift ? ns - shift : 1;
		from_ns(ns, 1, (int64_t *)&s.it_value);
	}
	*result = timerfd_settime(fresh.id, flags, &s, &old) ? -errno : 0;
	t = same_descriptor(b, fresh.id);
	if (t || *result || !(t = add(b, &fresh)))
		close(fresh.id);
	if (t && *result == 0) {
		if (flags & TFD_TIMER_ABSTIME)
			ns -= bentclock_of(b, t->clock) - shift_of(b, t->clock);
		t->until = s.it_value.tv_sec || s.it_value.tv_nsec ? bend_now(b) + ns : BEND_NEVER;
		t->interval = interval;
	}
	if (*result == 0 && k->arg[3] && !tracee_write(k->tid, k->arg[3], &old, sizeof old))
		*result = -EFAULT;
	return CALLS_FAKE;
}

enum calls_do timers_entry(struct bend *b, struct task *k, long *result)
{
	struct timer *t;
	bool date;

	switch (k->nr) {
	case SYS_timerfd_settime:
		return descriptor_call(b, k, result);
	case SYS_alarm:
		*result = alarm_call(b, k);
		return CALLS_FAKE;
	case SYS_setitimer: case SYS_getitimer:
		*result = itimer_call(b, k);
		return CALLS_FAKE;
	case SYS_timer_create:
		return bentclock_shifts((int)k->arg[0], &date) ? CALLS_AWAIT : CALLS_GO;
	case SYS_timer_delete:
		t = find(b, POSIX, k->tgid, (int)k->arg[0]);
		if (t)
			drop(b, t);
		return CALLS_GO;
	default:
		t = find(b, POSIX, k->tgid, (int)k->arg[0]);
		if (!t)
			return CALLS_GO;
		*result = posix_call(b, k, t);
		return CALLS_FAKE;
	}
}

void timers_exit(struct bend *b, struct task *k, int64_t result)
{
	struct { uint64_t value; int signal, notify, tid; } event = { 0, SIGALRM, SIGEV_SIGNAL, 0 };
	struct timer t = { .kind = POSIX, .tgid = k->tgid, .clock = (int)k->arg[0], .until = BEND_NEVER };

	if (result || tracee_bytes(k->tid, k->arg[2], &t.id, sizeof t.id) != sizeof t.id)
		return;
	event.value = (uint64_t)t.id;
	if (k->arg[1] && tracee_bytes(k->tid, k->arg[1], &event, 20) != 20)
		return;
	t.value = event.value;
	t.signal = event.signal;
	t.notify = event.notify;
	t.tid = event.tid;
	add(b, &t);
}

/* ---- firing ---- */

static void send_signal(const struct timer *t)
{
	siginfo_t s;

	memset(&s, 0, sizeof s);
	s.si_signo = t->signal;
	s.si_code = SI_TIMER;
	s.si_timerid = t->id;
	s.si_value.sival_ptr = (void *)(uintptr_t)t->value;
	if (t->kind == POSIX && t->notify == SIGEV_NONE)
		return;
	if (t->kind == POSIX && t->notify == SIGEV_THREAD_ID)
		syscall(SYS_rt_tgsigqueueinfo, t->tgid, t->tid, t->signal, &s);
	else
		syscall(SYS_rt_sigqueueinfo, t->tgid, t->signal, &s);
}

void timers_due(struct bend *b)
{
	int64_t now = bend_now(b);

	for (unsigned i = b->timers; i-- > 0; ) {
		struct timer *t = &b->timer[i];

		if (t->until > now)
			continue;
		if (t->kind != DESCRIPTOR)
			send_signal(t);
		/* More than one that was missed is one. */
		t->until = t->interval ? t->until + (1 + (now - t->until) / t->interval) * t->interval : BEND_NEVER;
	}
}

void timers_leapt(struct bend *b)
{
	int64_t now = bend_now(b);

	for (unsigned i = 0; i < b->timers; i++) {
		struct timer *t = &b->timer[i];
		struct itimerspec s;

		if (t->kind != DESCRIPTOR || t->until == BEND_NEVER)
			continue;
		from_ns(t->until > now ? t->until - now : 1, 1, (int64_t *)&s.it_value);
		from_ns(t->interval, 1, (int64_t *)&s.it_interval);
		timerfd_settime(t->id, 0, &s, NULL);
	}
}

int64_t timers_next(const struct bend *b)
{
	int64_t next = BEND_NEVER;
	uint64_t ticks;

	for (unsigned i = 0; i < b->timers; i++) {
		const struct timer *t = &b->timer[i];

		/* One that has fired and was not read since wakes nobody a second time; nor does one that everybody has closed. */
		if (t->until < next && (t->kind != DESCRIPTOR || (clock_of(t->id, &ticks) >= 0 && ticks == 0)))
			next = t->until;
	}
	return next;
}
