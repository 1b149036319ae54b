/* Bent time: each call that waits, each clock, each timer, in dynamic and static programs; what must not be cut short; what is recorded; and
 * what a program sees that looks for its tracer. */
#include "base/base.h"
#include "garden/garden.h"
#include "unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400LL
#define SECOND 1000000000LL
#define PORT 4100
#define MUSL "/usr/lib/x86_64-linux-musl/"

static struct world *world;
static struct buf output;

static bool compiled(const char *source, const char *const *flags, const char *to)
{
	char path[] = "/tmp/muss-time-XXXXXX";
	const char *argv[32] = { "cc", "-O1", "-w", "-o", path, source };
	size_t n = 6;
	struct err e = { 0 };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };
	int fd = mkstemp(path);
	bool good;

	while (*flags)
		argv[n++] = *flags++;
	close(fd);
	good = spawn_start(&s, &e) == 0 && spawn_wait(&s, 60000, &e) == 0;
	fd = good ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	good = fd >= 0 && world_put(world, to, 0755, fd, &e) == 0;
	io_close(&fd);
	unlink(path);
	return good;
}

static struct run run(const char *const *argv, struct run r, json_t *events)
{
	struct err e = { 0 };

	r.argv = argv;
	r.events = events;
	r.errfd = -1;
	if (r.in == 0)
		r.in = -1;
	r.bend = true;
	r.seconds = r.seconds ? r.seconds : 60;
	r.out = memfd_create("out", MFD_CLOEXEC);
	if (garden_run(world, &r, &e)) {
		printf("# %s: %s\n", argv[0], e.msg);
		r.status = -1;
	}
	lseek(r.out, 0, SEEK_SET);
	buf_clear(&output);
	io_slurp(r.out, MIB, &output, "output", &e);
	close(r.out);
	printf("# %s %s: %.3f s, %.3f s skipped\n", argv[0], argv[1] ? argv[1] : "", r.elapsed, (double)r.skipped_ns / 1e9);
	return r;
}

static bool said(const char *text)
{
	char *all = buf_printf("\n%s", buf_str(&output)), *line = buf_printf("\n%s\n", text);
	bool found = strstr(all, line) != NULL;

	free(all);
	free(line);
	return found;
}

static void show(void)
{
	for (const char *p = buf_str(&output); *p; p += strcspn(p, "\n"), p += *p == '\n')
		printf("# %.*s\n", (int)strcspn(p, "\n"), p);
}

/* Each name of the list has to be followed by "good" in what a program said. */
static void all_good(const char *program, const char *what, const char *const *names)
{
	const char *argv[] = { program, what, NULL };
	json_t *events = json_array();
	struct run r = run(argv, (struct run){ 0 }, events);
	char *name = buf_printf("%s %s ends in time", program, what);

	OK(r.status == 0 && r.elapsed < 10, name);
	free(name);
	for (; *names; names++) {
		char *line = buf_printf("%s good", *names);

		name = buf_printf("%s: %s", program, *names);
		if (!OK(said(line), name))
			show();
		free(name);
		free(line);
	}
	json_decref(events);
}

static void test_calls(const char *program)
{
	all_good(program, "sleeps", (const char *const[]){ "nanosleep", "sleep", "clock_nanosleep", "clock_nanosleep-monotonic",
		"clock_nanosleep-argument", "clock_nanosleep-realtime", "clock_nanosleep-past", "select-nothing", "poll-nothing", "usleep",
		"nanosleep-invalid", NULL });
	all_good(program, "descriptors", (const char *const[]){ "select", "pselect", "poll", "ppoll", "epoll_wait", "epoll_pwait",
		"epoll_pwait2", "poll-ready", "epoll-ready", NULL });
	all_good(program, "locks", (const char *const[]){ "futex", "futex-bitset", "futex-realtime", "futex_waitv", "pthread_cond_timedwait",
		"pthread_cond_timedwait-monotonic", "pthread_mutex_timedlock", "sem_timedwait", NULL });
	all_good(program, "queues", (const char *const[]){ "sigtimedwait", "semtimedop", "mq_timedreceive", "recv", "read-socket", "accept",
		NULL });
	all_good(program, "timers", (const char *const[]){ "alarm", "alarm-left", "setitimer", "getitimer", "setitimer-interval",
		"timer_settime", "timer_settime-interval", "timer_gettime", "timer_settime-date", "timer-thread", "timerfd",
		"timerfd-interval", "timerfd_gettime", "timerfd-date", NULL });
	all_good(program, "interruptions", (const char *const[]){ "nanosleep-left", "sleep-left", "poll-interrupted", "select-interrupted",
		"nanosleep-ignored", "nanosleep-stopped", "futex-restarted", NULL });
	all_good(program, "order", (const char *const[]){ "order", NULL });
	all_good(program, "guard", (const char *const[]){ "guard", NULL });
	all_good(program, "spin", (const char *const[]){ "spin", NULL });
	all_good(program, "spin-calls", (const char *const[]){ "spin-calls", NULL });
	all_good(program, "readings", (const char *const[]){ "readings", NULL });
}

/* ---- shells ---- */

static void test_shell(void)
{
	const char *order[] = { "/bin/sh", "-c", "(sleep 3600; echo a) & (sleep 7200; echo b) & sleep 5400; echo c; wait", NULL };
	const char *work[] = { "/bin/sh", "-c", "timeout 5 sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 7'", NULL };
	const char *ends[] = { "/bin/sh", "-c", "n=0; while [ $n -lt 100 ]; do timeout 5 sh -c 'exit 7'; [ $? = 7 ] || exit 1; n=$((n+1)); done", NULL };
	const char *over[] = { "/bin/sh", "-c", "timeout 5000 sleep 7000", NULL };
	json_t *events = json_array();
	struct run r = run(order, (struct run){ 0 }, events);

	OK(r.status == 0 && !strcmp(buf_str(&output), "a\nc\nb\n"), "a shell's sleeps end in their order");
	OK(r.elapsed < 5 && r.skipped_ns > 7199 * SECOND && r.skipped_ns <= 7200 * SECOND, "and no more than the longest is skipped");
	r = run(work, (struct run){ 0 }, events);
	OK(r.status == 7 && r.skipped_ns == 0, "work is not cut short by the time-out that guards it");
	r = run(ends, (struct run){ 0 }, events);
	OK(r.status == 0 && r.skipped_ns == 0, "nor does time leap while who waits learns of its end");
	r = run(over, (struct run){ 0 }, events);
	OK(r.status == 124, "who sleeps longer than he may is");
	json_decref(events);
}

/* ---- the network, where an answer comes from outside the tracer's sight ---- */

static int net_of(const char *name)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int fd = -1;

	while (d && fd < 0 && (entry = readdir(d))) {
		char path[300];
		struct buf b = { 0 };

		snprintf(path, sizeof path, "/proc/%.200s/cmdline", entry->d_name);
		if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' && io_slurp_at(AT_FDCWD, path, 65536, &b) > 0 && !strcmp(buf_str(&b), name)) {
			snprintf(path, sizeof path, "/proc/%.200s/ns/net", entry->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		buf_free(&b);
	}
	if (d)
		closedir(d);
	return fd;
}

/* Answers three times, each after 60 ms. */
static _Noreturn void answer(const char *name, int ready)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int net = -1, s;
	char c;

	alarm(30);
	for (int i = 0; i < 500 && net < 0; i++) {
		usleep(10000);
		net = net_of(name);
	}
	if (net < 0 || setns(net, CLONE_NEWNET) || (s = socket(AF_INET, SOCK_DGRAM, 0)) < 0 || bind(s, (struct sockaddr *)&a, sizeof a))
		_exit(1);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (int i = 0; i < 3; i++) {
		if (recvfrom(s, &c, 1, 0, (struct sockaddr *)&a, &n) != 1)
			_exit(1);
		usleep(60000);
		sendto(s, &c, 1, 0, (struct sockaddr *)&a, n);
	}
	pause();
	_exit(0);
}

static void test_network(void)
{
	char name[64], port[8];
	const char *argv[] = { name, "network", port, NULL };
	json_t *events = json_array();
	struct run r = { .path = "/opt/dynamic" };
	int p[2];
	pid_t pid;

	snprintf(name, sizeof name, "/opt/net-%d", (int)getpid());
	snprintf(port, sizeof port, "%d", PORT);
	if (pipe2(p, O_CLOEXEC))
		return;
	pid = fork();
	if (pid == 0)
		answer(name, p[1]);
	close(p[1]);
	r.in = p[0];
	r = run(argv, r, events);
	close(p[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (buf_str(&output)[0] == '\0' && geteuid()) {
		printf("ok %d - # skip no way into the run's network\n", ++unit_count);
	} else {
		OK(said("network good\nnetwork good\nnetwork good"), "a time-out of a second does not end before an answer that takes 60 ms");
		OK(said("network-silent good") && r.elapsed < 4, "one that nobody answers does");
	}
	json_decref(events);
}

/* ---- what is recorded ---- */

static const json_t *event_of(const json_t *events, const char *name)
{
	size_t i;
	json_t *o;

	json_array_foreach(events, i, o)
		if (!strcmp(jsonio_str(o, "event"), name))
			return o;
	return NULL;
}

static void test_record(void)
{
	const char *chain[] = { "/opt/dynamic", "chain", NULL }, *date[] = { "/opt/dynamic", "date", NULL };
	const char *forever[] = { "/bin/sleep", "infinity", NULL };
	json_t *events = json_array();
	const json_t *o, *last;
	struct run r = run(chain, (struct run){ 0 }, events);
	long long then;
	time_t now;

	OK(said("chain good") && r.elapsed < 3, "a thousand sleeps of a second take hardly any");
	o = event_of(events, "sleep");
	OK(o && jsonio_int(o, "times", 0) == 1000 && jsonio_num(o, "seconds", 0) == 1000, "they are one event");
	last = event_of(events, "exit");
	OK(last && jsonio_num(last, "t", 99) < 5 && jsonio_num(last, "clock", 0) > 999, "which real seconds and the run's clock tell apart");
	o = event_of(events, "exec");
	OK(o && !json_object_get(o, "clock"), "before the first leap there is but one clock");
	for (int days = -400; days <= 400; days += 800) {
		run(date, (struct run){ .start_ns = days * DAY * SECOND }, events);
		now = time(NULL);
		then = strtoll(buf_str(&output) + (output.len > 5 ? 5 : 0), NULL, 10);
		OK(then - now - days * DAY <= 0 && then - now - days * DAY > -10, days < 0 ? "a run begins in the past" : "or in the future");
		OK(said("date-later good"), "and its clocks agree on that later on");
	}
	r = run(forever, (struct run){ .quiet_ms = 300, .seconds = 20 }, events);
	OK(r.settled && r.skipped_ns == 0 && r.elapsed < 10, "who waits for ever waits");
	json_decref(events);
}

static void test_quiet(void)
{
	const char *resident[] = { "/opt/dynamic", "naps", NULL };
	json_t *events = json_array();
	struct run r = run(resident, (struct run){ .quiet_ms = 300, .seconds = 30 }, events);

	OK(r.settled && r.elapsed < 10 && r.skipped_ns > 1000 * SECOND, "who sleeps over and over and does nothing else is quiet after a while");
	json_decref(events);
}

static void test_looks(bool bend)
{
	static const char *const LINES[] = { "self TracerPid:\t0", "state State:\tR (running)", "filter Seccomp:\t0", "privs NoNewPrivs:\t0",
		"name Name:\tlooks", "thread TracerPid:\t0", "pid TracerPid:\t0", "task TracerPid:\t0", "around Name:\tlooks",
		"openat2 TracerPid:\t0", "init State:\tS (sleeping)", "relative TracerPid:\t0", "stat R ", "wchan 0", "child TracerPid:\t0",
		"cloexec 1", "missing ENOENT", "other TracerPid:\t7", "prctl 1 0 0", "privs-set 1", "privs-shown NoNewPrivs:\t1",
		"own-filter 2", "own-filter-shown Seccomp:\t2", "traceme 0 -1 EPERM" };
	const char *argv[] = { "/opt/looks", NULL };
	struct err e = { 0 };
	json_t *events = json_array();
	struct run r = { .argv = argv, .in = -1, .errfd = -1, .events = events, .bend = bend };

	r.out = memfd_create("out", MFD_CLOEXEC);
	OK(garden_run(world, &r, &e) == 0 && r.status == 0, bend ? "a look for the tracer, time bent" : "a look for the tracer");
	lseek(r.out, 0, SEEK_SET);
	buf_clear(&output);
	io_slurp(r.out, MIB, &output, "output", &e);
	close(r.out);
	for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
		if (!OK(said(LINES[i]), LINES[i]))
			show();
	json_decref(events);
}

int main(void)
{
	struct err e = { 0 };
	struct world_options o = { 0 };
	static const char source[] = "testdata/garden/clock.c";

	msg_init("garden_time");
	world = world_open(&o, &e);
	if (!OK(world != NULL, "a world opens")) {
		printf("# %s\n", e.msg);
		return unit_end();
	}
	OK(compiled(source, (const char *const[]){ "-pthread", NULL }, "/opt/dynamic") &&
	   compiled(source, (const char *const[]){ "-static", "-pthread", NULL }, "/opt/static") &&
	   compiled("testdata/garden/looks.c", (const char *const[]){ NULL }, "/opt/looks"), "the test programs compile");
	test_calls("/opt/dynamic");
	test_calls("/opt/static");
	if (compiled(source, (const char *const[]){ "-static", "-nostdlib", "-isystem", "/usr/include/x86_64-linux-musl", MUSL "crt1.o", MUSL "crti.o", "-Wl,--start-group", MUSL "libc.a", "-lgcc", "-Wl,--end-group", MUSL "crtn.o", NULL },
		     "/opt/musl"))
		test_calls("/opt/musl");
	else
		printf("ok %d - # skip no musl to compile with\n", ++unit_count);
	test_shell();
	test_network();
	test_record();
	test_quiet();
	test_looks(false);
	test_looks(true);
	world_close(world);
	buf_free(&output);
	return unit_end();
}
