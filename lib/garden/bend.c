#include "garden/bend.h"

#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#define PAUSE_LEAST 100000LL        /* ns; who was woken needs about that long to wait again */
#define PAUSE_MOST 16000000LL
#define NAPS 2000u                  /* leaps in which nothing was recorded: from then on they grow, by a part of all that was skipped since */
#define NAPS_PART 16
#define NAPS_MOST (30 * 86400 * BEND_SECOND)

struct bend *bend_new(struct tracer *t, struct record *r, int64_t start_ns, uint64_t magic)
{
	struct bend *b = buf_alloc(sizeof *b);

	b->tracer = t;
	b->record = r;
	b->start = start_ns;
	b->magic = magic;
	b->pause = PAUSE_LEAST;
	return b;
}

void bend_free(struct bend *b)
{
	if (!b)
		return;
	timers_drop(b, 0, false);
	free(b->timer);
	free(b);
}

int64_t bend_now(const struct bend *b)
{
	return bentclock_of(b, CLOCK_MONOTONIC);
}

void bend_apart(struct bend *b, bool apart)
{
	b->apart = apart;
}

enum calls_do bend_entry(struct bend *b, struct task *k, long *result)
{
	enum calls_do what;

	switch (k->nr) {
	case SYS_clock_gettime: case SYS_gettimeofday: case SYS_time: case SYS_times: case SYS_sysinfo: case SYS_adjtimex:
	case SYS_clock_adjtime:
		return bentclock_entry(b, k, result);
	case SYS_timerfd_settime: case SYS_timer_create: case SYS_timer_settime: case SYS_timer_gettime: case SYS_timer_delete:
	case SYS_setitimer: case SYS_getitimer: case SYS_alarm:
		return timers_entry(b, k, result);
	case SYS_setsockopt:
		b->socket_timeouts = true;
		return CALLS_GO;
	case SYS_restart_syscall:
		what = sleeps_resume(k) ? CALLS_AWAIT : CALLS_GO;
		break;
	default:
		what = sleeps_entry(b, k);
	}
	if (what == CALLS_AWAIT)
		b->pause = PAUSE_LEAST;
	return what;
}

void bend_exit(struct bend *b, struct task *k, int64_t result)
{
	if (k->wait.call)
		sleeps_exit(b, k, result);
	else if (k->nr == SYS_timer_create || k->nr == SYS_timer_delete)
		timers_exit(b, k, result);
	else
		bentclock_exit(b, k, result);
}

void bend_exec(struct bend *b, struct task *k)
{
	timers_drop(b, k->tgid, true);
	k->wait = (struct wait){ 0 };
	vdso_patch(b, k);
}

void bend_fork(struct bend *b, const struct task *parent, struct task *child)
{
	(void)b;
	if (child->tid == child->tgid)
		vdso_follow(parent, child);
}

void bend_gone(struct bend *b, const struct task *k)
{
	if (k->tid == k->tgid)
		timers_drop(b, k->tgid, false);
}

void bend_stopped(struct bend *b, struct task *k)
{
	if (k->interrupted) {
		spin_sample(b, k);
		sleeps_stopped(b, k);
	}
}

/* ---- leaps ---- */

void bend_wake(struct bend *b, struct task *k)
{
	if (k->wait.held) {
		/* Signals that came meanwhile end a sleep before its time does. */
		if (idle_signalled(b, k)) {
			k->wait.held = false;
			tracer_go(k, true);
		} else {
			sleeps_end(b, k);
		}
		return;
	}
	k->wait.fired = true;
	/* The call ends as for a signal; what it then answers is changed to what it answers when the time is over. */
	k->interrupted = ptrace(PTRACE_INTERRUPT, k->tid, NULL, NULL) == 0;
}

static void wake_due(struct bend *b)
{
	int64_t now = bend_now(b);

	for (struct task *k = tracer_next(b->tracer, NULL), *next; k; k = next) {
		next = tracer_next(b->tracer, k);
		/* What was never leapt over the kernel ends by itself, with its own precision. */
		if (k->wait.call && !k->wait.fired && k->wait.until <= now && (k->wait.held || k->wait.skipped != b->skipped))
			bend_wake(b, k);
	}
}

void bend_leap(struct bend *b, int64_t until)
{
	int64_t now = bend_now(b);

	if (until <= now || b->skipped > BEND_MOST - (until - now))
		return;
	b->skipped += until - now;
	b->record->skipped_ns = b->skipped;
	/* All clocks first: nobody may see a wait end before its time. */
	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k))
		vdso_set(b, k);
	timers_leapt(b);
}

/* The earliest time that somebody waits for; *second: the next after that. */
static int64_t next_time(const struct bend *b, int64_t *second)
{
	int64_t next = timers_next(b);

	*second = BEND_NEVER;
	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k)) {
		if (!k->wait.call || k->wait.fired)
			continue;
		if (k->wait.until < next) {
			*second = next;
			next = k->wait.until;
		} else if (k->wait.until < *second) {
			*second = k->wait.until;
		}
	}
	return next - bend_now(b) > BEND_MOST - b->skipped ? BEND_NEVER : next;
}

/* Who waits for days in naps of a second wakes late: nothing promises him more, and he is done sooner. */
static int64_t oversleep(struct bend *b, int64_t next, int64_t second)
{
	int64_t more;

	if (b->heard_ms != b->record->last_ms)
		b->naps = 0;
	b->heard_ms = b->record->last_ms;
	if (++b->naps < NAPS || b->timers)
		return next;
	more = b->skipped - b->record->last_skipped_ns;
	more = more < NAPS_MOST ? more / NAPS_PART : 0;
	return second - next < more ? second : next + more;
}

static void release(struct bend *b)
{
	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k)) {
		if (!k->wait.held)
			continue;
		k->wait.held = false;
		tracer_go(k, true);
	}
}

/* Ends waits, leaps. ns until it wants to be called again. */
static int64_t step(struct bend *b)
{
	int64_t next, second, left, now;

	timers_due(b);
	wake_due(b);
	next = next_time(b, &second);
	left = b->apart || (next == BEND_NEVER && !b->socket_timeouts) ? -1 : idle_check(b);
	/* Time-outs of sockets are found by that look. */
	next = next_time(b, &second);
	if (left == 0 && next != BEND_NEVER) {
		bend_leap(b, oversleep(b, next, second));
		timers_due(b);
		wake_due(b);
		release(b);
		b->pause = PAUSE_LEAST;
		return PAUSE_LEAST;
	}
	release(b);
	if (left < 0 && !b->apart) {
		spin_look(b, next);
		timers_due(b);
		wake_due(b);
	}
	if (next == BEND_NEVER)
		return PAUSE_MOST;
	if (left < 0) {
		left = b->pause;
		b->pause = b->pause * 2 < PAUSE_MOST ? b->pause * 2 : PAUSE_MOST;
	}
	now = bend_now(b);
	return next <= now ? PAUSE_LEAST : next - now < left ? next - now : left;
}

int bend_poll(struct bend *b, struct pollfd *p, nfds_t n, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	int64_t most = b ? step(b) : BEND_NEVER;

	if (most < t.tv_sec * BEND_SECOND + t.tv_nsec)
		t = (struct timespec){ most / BEND_SECOND, most % BEND_SECOND };
	return ppoll(p, n, &t, NULL);
}
