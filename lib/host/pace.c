/*
 * How fast a scan may go: a share of one core that it does not exceed, whatever it does, and less while others wait.
 * A timer of the process's own processor time interrupts it every few milliseconds; the handler sleeps off what was taken
 * beyond the share. So the limit holds in code that knows nothing of it.
 * Others' waiting is the kernel's pressure stall information (Documentation/accounting/psi.rst) less what we waited ourselves:
 * at the lowest priority we wait much, and a throttle that took that for others' would never let go again.
 */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define SLICE (2 * MS)            /* of processor time between two looks */
#define CREDIT (20 * MS)          /* of wall time that is not saved up further */
#define LOOK_EVERY (2100 * MS)    /* the kernel brings its totals up to date every 2 s */
#define LEAST 0.05                /* of a core, however much the others wait: the scan shall end */
#define MUCH 0.10                 /* of the time somebody waited */
#define LITTLE 0.05

static const char *const pressure_files[] = { "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory" };

static struct {
	double most;              /* of one core */
	double now;               /* what is allowed at present */
	bool follow, on;
	int pressure[3], own, load;
	int64_t wall, cpu;        /* where the reckoning began */
	int64_t rested;           /* since the last look */
	int64_t looked, looked_cpu, looked_wait;
	int64_t stalled[3];
} pace;

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Async-signal-safe, as all that the handler calls. */
static bool reread(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static int64_t digits(const char *p)
{
	int64_t v = 0;

	while (*p >= '0' && *p <= '9')
		v = v * 10 + (*p++ - '0');
	return v;
}

/* Nanoseconds in which something waited, so far; -1: the kernel does not tell. */
static int64_t stalled(int fd)
{
	char text[256];
	const char *at = reread(fd, text, sizeof(text)) ? strstr(text, "total=") : NULL;

	return at ? digits(at + 6) * 1000 : -1;
}

/* Nanoseconds that we waited for a processor. */
static int64_t own_wait(void)
{
	char text[128];
	const char *at = reread(pace.own, text, sizeof(text)) ? strchr(text, ' ') : NULL;

	return at ? digits(at + 1) : 0;
}

double pace_others(int64_t stall_ns, int64_t own_ns, int64_t wall_ns)
{
	return wall_ns <= 0 || stall_ns <= own_ns ? 0 : (double)(stall_ns - own_ns) / (double)wall_ns;
}

double pace_follow(double now, double waiting, double most)
{
	if (waiting > MUCH)
		now /= 2;
	else if (waiting < LITTLE)
		now *= 1.5;
	if (now < LEAST)
		now = LEAST;
	return now < most ? now : most;
}

int64_t pace_debt(double share, int64_t cpu_ns, int64_t wall_ns)
{
	return (int64_t)((double)cpu_ns / share) - wall_ns;
}

/* The share of the time since the last look in which others waited. Without pressure information: more are ready to run than
 * there are processors, us not counted. */
static double waiting(int64_t wall, int64_t cpu)
{
	int64_t wait = own_wait(), own[3], stall, most = wall - pace.looked;
	double share, worst = 0;
	char text[128];
	const char *at;
	size_t i;

	own[0] = wait - pace.looked_wait;
	own[1] = own[2] = most - (cpu - pace.looked_cpu) - own[0] - pace.rested;
	pace.looked_wait = wait;
	for (i = 0; i < 3; i++) {
		stall = stalled(pace.pressure[i]);
		share = stall < 0 ? 0 : pace_others(stall - pace.stalled[i], own[i], most);
		worst = share > worst ? share : worst;
		pace.stalled[i] = stall;
	}
	if (pace.load < 0 || !reread(pace.load, text, sizeof(text)))
		return worst;
	at = strchr(text, '/');
	while (at && at > text && at[-1] != ' ')
		at--;
	return at && digits(at) - 1 > get_nprocs() ? 1 : 0;
}

static void begin_reckoning(int64_t wall, int64_t cpu)
{
	pace.wall = wall;
	pace.cpu = cpu;
}

static void look(int64_t wall, int64_t cpu)
{
	double share;

	if (wall - pace.looked < LOOK_EVERY)
		return;
	share = pace_follow(pace.now, waiting(wall, cpu), pace.most);
	pace.looked = wall;
	pace.looked_cpu = cpu;
	pace.rested = 0;
	if (share < pace.now || share > pace.now) {
		pace.now = share;
		begin_reckoning(wall, cpu);
	}
}

static void on_slice(int sig)
{
	int saved = errno;
	int64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), debt;

	(void)sig;
	if (pace.follow)
		look(wall, cpu);
	debt = pace_debt(pace.now, cpu - pace.cpu, wall - pace.wall);
	if (debt > 0 && pace.now < 1) {
		pace.rested += debt;
		watch_rest(debt);
	} else if (debt < -CREDIT) {
		begin_reckoning(wall - CREDIT, cpu);
	}
	errno = saved;
}

void pace_resume(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF };
	const struct itimerspec every = { { 0, SLICE }, { 0, SLICE } };
	struct sigaction act = { .sa_handler = on_slice, .sa_flags = SA_RESTART };
	sigset_t set;
	timer_t timer;
	size_t i;

	if (!pace.on)
		return;
	io_close(&pace.own);
	pace.own = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	begin_reckoning(clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	pace.looked = pace.wall;
	pace.looked_cpu = pace.cpu;
	pace.looked_wait = own_wait();
	pace.rested = 0;
	for (i = 0; i < 3; i++)
		pace.stalled[i] = stalled(pace.pressure[i]);
	sigaction(SIGPROF, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGPROF);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) < 0 || timer_settime(timer, 0, &every, NULL) < 0)
		msg_debug("the scan cannot be slowed down: no timer");
}

void host_pace(double percent, bool follow)
{
	bool any = false;
	size_t i;

	pace.most = pace.now = percent > 0 && percent < 100 ? percent / 100 : 1;
	pace.follow = follow;
	pace.on = follow || pace.most < 1;
	pace.own = pace.load = -1;
	for (i = 0; i < 3; i++) {
		pace.pressure[i] = follow ? open(pressure_files[i], O_RDONLY | O_CLOEXEC) : -1;
		any |= stalled(pace.pressure[i]) >= 0;
	}
	if (follow && !any)
		pace.load = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	pace_resume();
}
