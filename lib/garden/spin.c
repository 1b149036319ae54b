#include "garden/bend.h"

#include <sys/ptrace.h>
#include <sys/user.h>

#define LOOK 10000000LL          /* real ns between two looks */
#define ENOUGH 4u                /* looks, hits less misses, before the clock goes faster */
#define MOST 8u
#define READINGS 50u             /* calls between two looks that are as good as a hit */
#define STEP_MOST (86400 * BEND_SECOND)

/*
 * A program that waits for a date by asking for it never sleeps. Every few ms the only process that runs is looked at: finds it
 * there, again and again, that it reads the clock, then the clock goes forward, each time by half as much again. Programs
 * that work and look at the clock now and then are found at their work.
 */

void spin_reading(struct bend *b, const struct task *k)
{
	b->spin.readings = b->spin.tid == k->tid ? b->spin.readings + 1 : 0;
}

static void judge(struct bend *b, bool hit)
{
	struct spin *s = &b->spin;

	if (hit && s->score < MOST)
		s->score++;
	if (!hit && s->score > 0)
		s->score--;
	if (s->score == 0)
		s->step = BEND_SECOND;
}

void spin_sample(struct bend *b, const struct task *k)
{
	struct user_regs_struct regs;
	bool date;

	/* Our code in the vDSO has the clock's number in rdi throughout. */
	if (k->tid == b->spin.tid && ptrace(PTRACE_GETREGS, k->tid, NULL, &regs) == 0)
		judge(b, vdso_holds(k, regs.rip) && bentclock_shifts((int)regs.rdi, &date));
}

void spin_look(struct bend *b, int64_t next)
{
	struct spin *s = &b->spin;
	int64_t now = bend_now(b), real = now - b->skipped;
	struct task *k;

	if (real - s->looked < LOOK)
		return;
	s->looked = real;
	k = idle_runner(b);
	if (!k || k->tid != s->tid) {
		*s = (struct spin){ .looked = real, .step = BEND_SECOND, .tid = k ? k->tid : 0 };
		return;
	}
	if (s->score >= ENOUGH) {
		bend_leap(b, next - now < s->step ? next : now + s->step);
		s->step = s->step < STEP_MOST ? s->step + s->step / 2 : STEP_MOST;
	}
	if (s->readings >= READINGS)
		judge(b, true);
	else if (k->blocked.state == 'R')
		k->interrupted = ptrace(PTRACE_INTERRUPT, k->tid, NULL, NULL) == 0;
	s->readings = 0;
}
