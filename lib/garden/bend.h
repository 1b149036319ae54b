/* Bent time: what its files share. Functions stand under the name of the .c file. */
#ifndef GARDEN_BEND_H
#define GARDEN_BEND_H

#include "garden/garden-internal.h"

#define BEND_SECOND 1000000000LL
#define BEND_NEVER INT64_MAX
#define BEND_MOST (10 * 365 * 86400LL * BEND_SECOND)   /* skipped in one run; who waits longer waits for ever */

/*
 * One clock for all processes of a run: bent = real + skipped, and the date is shifted by `start` besides. It leaps to the
 * earliest time anybody waits for when no process of the run could go on by itself: a discrete-event simulation, so that
 * waits end in the order of their times and nobody who waits for another's work is woken before it is done. Every time in
 * here is in ns of the bent monotonic clock unless it says real.
 */
struct timer;
struct bend {
	struct tracer *tracer;
	struct record *record;
	int64_t skipped, start;
	uint64_t magic;              /* what our code in a vDSO says to the filter, vdso.c */
	struct timer *timer;
	unsigned timers;
	bool socket_timeouts;        /* somebody has set one */
	bool apart;                  /* something outside the tracer's sight runs: no leaps */
	int64_t pause;               /* until it is looked again, ns */
	int64_t heard_ms;            /* when the last event was recorded, */
	unsigned naps;               /* and leaps since */
	struct spin { int64_t looked, step; pid_t tid; unsigned score, readings; } spin;
};

/* ---- bend.c ---- */

int64_t bend_now(const struct bend *b);
int64_t bend_date(const struct bend *b);        /* ns since 1970, as the run sees it */
void bend_wake(struct bend *b, struct task *k);   /* its wait has come to its end */
void bend_leap(struct bend *b, int64_t until);
/* What a task says where the filter stopped it with FILTER_BEND. */
enum calls_do bend_entry(struct bend *b, struct task *k, long *result);
void bend_exit(struct bend *b, struct task *k, int64_t result);   /* of a call that bend_entry answered with CALLS_AWAIT */

/* ---- bentclock.c: calls that ask for the time ---- */

bool bentclock_shifts(int clock, bool *date);   /* date: of those that `start` shifts too. False: a clock of processor time */
int64_t bentclock_of(const struct bend *b, int clock);
enum calls_do bentclock_entry(struct bend *b, struct task *k, long *result);
void bentclock_exit(struct bend *b, struct task *k, int64_t result);

/* ---- vdso.c: reading the clock without a system call ---- */

void vdso_patch(struct bend *b, struct task *k);          /* a process that was just exec'd */
void vdso_follow(const struct task *parent, struct task *child);
void vdso_set(const struct bend *b, const struct task *k);   /* after a leap */
bool vdso_holds(const struct task *k, uint64_t rip);      /* is that where it reads the clock? */

/* ---- sleeps.c: calls that wait ---- */

enum calls_do sleeps_entry(struct bend *b, struct task *k);
bool sleeps_resume(struct task *k);                       /* restart_syscall */
void sleeps_exit(struct bend *b, struct task *k, int64_t result);
void sleeps_end(struct bend *b, struct task *k);          /* a held one, as if it had slept */
void sleeps_stopped(struct bend *b, struct task *k);      /* by PTRACE_INTERRUPT, outside a call that we follow */
/* One that waits in a socket call, for fd, since `began`; nothing unless that socket has a time-out. */
void sleeps_socket(struct bend *b, struct task *k, long nr, int fd, int64_t began);
bool sleeps_in_socket(const struct task *k);
/* The descriptors that a task waits for in call nr: how many, at most n (64 will do); *epoll: it is one for epoll. */
unsigned sleeps_descriptors(long nr, const struct task *k, const uint64_t arg[], int fd[], unsigned n, bool *epoll);

/* ---- timers.c ---- */

enum calls_do timers_entry(struct bend *b, struct task *k, long *result);
void timers_exit(struct bend *b, struct task *k, int64_t result);
int64_t timers_next(const struct bend *b);
void timers_due(struct bend *b);                          /* fires those whose time has come */
void timers_leapt(struct bend *b);
void timers_drop(struct bend *b, pid_t tgid, bool exec);  /* ended, or exec'd */

/* ---- idle.c: could any process of the run go on by itself? ---- */

/* ns to wait for what may come from outside before it is sure that none can; 0: none can; -1: one can. */
int64_t idle_check(struct bend *b);
bool idle_signalled(const struct bend *b, const struct task *k);   /* a signal waits for it */
struct task *idle_runner(struct bend *b);                 /* the only one that does not wait; NULL: several or none */

/* ---- spin.c: who asks for the time until it has come ---- */

void spin_reading(struct bend *b, const struct task *k);  /* a call that asks for the time */
void spin_look(struct bend *b, int64_t next);             /* while somebody runs; next: nothing may leap beyond that */
void spin_sample(struct bend *b, const struct task *k);   /* it was stopped for that look */

#endif
