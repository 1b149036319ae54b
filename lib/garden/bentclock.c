#include "garden/bend.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

bool bentclock_shifts(int clock, bool *date)
{
	*date = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
	return *date || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE ||
		clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

int64_t bentclock_of(const struct bend *b, int clock)
{
	struct timespec t = { 0 };
	bool date;

	clock_gettime(clock, &t);
	bentclock_shifts(clock, &date);
	return t.tv_sec * BEND_SECOND + t.tv_nsec + b->skipped + (date ? b->start : 0);
}

int64_t bend_date(const struct bend *b)
{
	return bentclock_of(b, CLOCK_REALTIME);
}

static enum calls_do answer(struct task *k, unsigned arg, const void *p, size_t n, long *result)
{
	*result = tracee_write(k->tid, k->arg[arg], p, n) ? 0 : -EFAULT;
	return CALLS_FAKE;
}

static enum calls_do give_timeval(struct bend *b, struct task *k, long *result)
{
	int64_t ns = bend_date(b);
	struct timeval v = { ns / BEND_SECOND, ns % BEND_SECOND / 1000 };
	static const struct timezone zone;

	*result = 0;
	if (k->arg[1])
		answer(k, 1, &zone, sizeof zone, result);
	if (*result == 0 && k->arg[0])
		answer(k, 0, &v, sizeof v, result);
	return CALLS_FAKE;
}

static enum calls_do give_seconds(struct bend *b, struct task *k, long *result)
{
	time_t now = bend_date(b) / BEND_SECOND;

	*result = 0;
	if (k->arg[0])
		answer(k, 0, &now, sizeof now, result);
	if (*result == 0)
		*result = now;
	return CALLS_FAKE;
}

enum calls_do bentclock_entry(struct bend *b, struct task *k, long *result)
{
	struct timespec t;
	int64_t ns;
	bool date;

	if (k->nr != SYS_clock_gettime || bentclock_shifts((int)k->arg[0], &date))
		spin_reading(b, k);
	switch (k->nr) {
	case SYS_gettimeofday:
		return give_timeval(b, k, result);
	case SYS_time:
		return give_seconds(b, k, result);
	case SYS_clock_gettime:
		if (!bentclock_shifts((int)k->arg[0], &date))
			return CALLS_GO;
		ns = bentclock_of(b, (int)k->arg[0]);
		t = (struct timespec){ ns / BEND_SECOND, ns % BEND_SECOND };
		return answer(k, 1, &t, sizeof t, result);
	default:
		return CALLS_AWAIT;
	}
}

void bentclock_exit(struct bend *b, struct task *k, int64_t result)
{
	struct sysinfo s;
	struct timex x;
	uint64_t address = k->arg[k->nr == SYS_clock_adjtime ? 1 : 0];
	int64_t ns;

	if (result < 0 && result >= -4095)
		return;
	if (k->nr == SYS_times) {
		tracer_result(k, result + b->skipped / (BEND_SECOND / sysconf(_SC_CLK_TCK)));
	} else if (k->nr == SYS_sysinfo && tracee_bytes(k->tid, address, &s, sizeof s) == sizeof s) {
		s.uptime += b->skipped / BEND_SECOND;
		tracee_write(k->tid, address, &s, sizeof s);
	} else if (k->nr != SYS_sysinfo && tracee_bytes(k->tid, address, &x, sizeof x) == sizeof x) {
		ns = bend_date(b);
		x.time.tv_sec = ns / BEND_SECOND;
		x.time.tv_usec = ns % BEND_SECOND / (x.status & STA_NANO ? 1 : 1000);
		tracee_write(k->tid, address, &x, sizeof x);
	}
}
