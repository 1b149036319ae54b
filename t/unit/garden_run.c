/* Runs: limits, hostile programs, the tracer's events, programs beside a run, and that all of it dies with its tool. */
#include "base/base.h"
#include "garden/garden.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static struct world *world;
static struct buf output;

static int compiled(void)
{
	char path[] = "/tmp/muss-trial-XXXXXX";
	int fd = mkstemp(path), out, rc;
	struct err e;
	const char *argv[] = { "cc", "-O1", "-w", "-static", "-pthread", "-o", path, "testdata/garden/trial.c", NULL };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };

	close(fd);
	rc = spawn_start(&s, &e) ? -1 : spawn_wait(&s, 60000, &e);
	out = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return out;
}

static const json_t *event_of(const json_t *events, const char *name, const char *key, const char *value)
{
	size_t i;
	json_t *o;

	json_array_foreach(events, i, o)
		if (!strcmp(jsonio_str(o, "event"), name) && (!key || (jsonio_str(o, key) && !strcmp(jsonio_str(o, key), value))))
			return o;
	return NULL;
}

static size_t events_of(const json_t *events, const char *name)
{
	size_t i, n = 0;
	json_t *o;

	json_array_foreach(events, i, o)
		n += !strcmp(jsonio_str(o, "event"), name);
	return n;
}

/* Runs /opt/trial WHAT, traced; its output is in `output`. */
static struct run trial(const char *what, int seconds, json_t *events)
{
	const char *argv[] = { "/opt/trial", what, NULL };
	struct run r = { .argv = argv, .seconds = seconds, .in = -1, .errfd = -1, .memory_bytes = 256 * MIB, .processes = 20, .events_max = 5000,
		.events = events };
	struct err e = { 0 };
	int64_t began = clock_mono_ms();

	r.out = memfd_create("out", MFD_CLOEXEC);
	if (garden_run(world, &r, &e)) {
		printf("# %s: %s\n", what, e.msg);
		r.status = -1;
	}
	lseek(r.out, 0, SEEK_SET);
	buf_clear(&output);
	io_slurp(r.out, MIB, &output, "output", &e);
	close(r.out);
	r.argv = NULL;
	printf("# %s: %d ms\n", what, (int)(clock_mono_ms() - began));
	return r;
}

static bool said(const char *text)
{
	return strstr(buf_str(&output), text) != NULL;
}

/* ---- limits ---- */

static int machine_pids(void)
{
	struct buf b = { 0 };
	int n = io_slurp_at(AT_FDCWD, "/proc/sys/kernel/pid_max", 64, &b) > 0 ? atoi(buf_str(&b)) : -1;

	buf_free(&b);
	return n;
}

/* Since Linux 6.14 a process namespace has a bound of its own. Before, the machine's must not have been touched. */
static void test_bounds(void)
{
	struct utsname u;
	unsigned long major, minor;
	char nice_line[32], *end;
	int before = machine_pids();

	uname(&u);
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	trial("bounds", 10, NULL);
	OK(machine_pids() == before, "the machine's number of processes is as it was");
	OK(major < 6 || (major == 6 && minor < 14) || said("pids 4096,"), "a run can't take all process numbers of the machine");
	snprintf(nice_line, sizeof nice_line, "nice %d\n", getpriority(PRIO_PROCESS, 0));
	OK(said(nice_line), "what runs has the priority of the tool, not its warden's");
}

static void test_limits(void)
{
	json_t *events = json_array();
	struct run r = trial("forks", 10, events);

	OK(r.limit_processes && r.elapsed < 10, "a fork bomb is ended");
	OK(event_of(events, "limit", "what", "processes") != NULL, "and the limit recorded");
	r = trial("forks", 10, NULL);
	OK(r.limit_processes && r.elapsed < 10, "untraced as well");
	r = trial("memory", 10, NULL);
	OK(r.limit_memory && r.elapsed < 10, "a memory hog is ended");
	r = trial("shared", 10, NULL);
	OK(r.limit_memory && r.elapsed < 10, "so is one that hides it in memory files");
	r = trial("spin", 1, events);
	OK(r.timed_out && r.elapsed >= 1 && r.elapsed < 9, "an endless loop ends with its time");
	OK(r.status == 137, "by SIGKILL");
	r = trial("away", 1, events);
	OK(r.timed_out && r.status == 0, "children in sessions of their own are waited for, and end");
	json_array_clear(events);
	r = trial("events", 110, events);
	OK(r.status == 0 && r.limit_events, "five thousand events and no more");
	OK(json_array_size(events) == 5000, "are kept");
	json_decref(events);
}

/* ---- hostile to the tracer ---- */

static void test_hostile(void)
{
	json_t *events = json_array();
	struct run r = trial("execs", 60, events);

	OK(r.status == 0 && events_of(events, "exec") == 301, "three hundred execs in a row");
	json_array_clear(events);
	r = trial("stops", 60, events);
	OK(r.status == 0 && said("done"), "stops and continuations");
	json_array_clear(events);
	r = trial("pointers", 10, events);
	OK(r.status == 0 && said("done"), "pointers to nowhere");
	OK(event_of(events, "open", "path", "<unreadable>") != NULL, "are recorded as such");
	json_array_clear(events);
	r = trial("threads", 60, events);
	OK(r.status == 0 && events_of(events, "exec") == 2, "threads, and an exec amid them");
	json_array_clear(events);
	r = trial("old", 10, events);
	OK(r.status == 128 + SIGSYS || r.status == 128 + SIGSEGV, "a 32-bit call is the end");
	json_array_clear(events);
	r = trial("unseen", 10, events);
	OK(r.status == 0 && event_of(events, "open", "path", "/tmp/unseen"), "no child gets away from the tracer");
	json_array_clear(events);
	json_decref(events);
}

static void test_escapes(bool traced)
{
	static const char *const REFUSED[] = { "mount EPERM", "umount EPERM", "pivot_root EPERM", "chroot EPERM", "unshare EPERM",
		"clone EPERM", "clone3 ENOSYS", "setns EPERM", "bpf EPERM", "io_uring EPERM", "keyctl EPERM", "userfaultfd EPERM",
		"perf EPERM", "module EPERM", "kexec EPERM", "reboot EPERM", "handle EPERM", "vsock EPERM", "alg EPERM",
		"listener EPERM", "ptrace EPERM", "readv EPERM", "time EPERM", "core_pattern E", "mem EROFS", "root EACCES",
		"kcore E", "mknod EPERM" };
	json_t *events = traced ? json_array() : NULL;
	struct run r = trial("escapes", 10, events);

	OK(r.status == 0, traced ? "ways out, traced" : "ways out, untraced");
	for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
		OK(said(REFUSED[i]), REFUSED[i]);
	OK(!said("sysrq allowed"), "no sysrq");
	if (traced) {
		OK(said("traceme allowed"), "a program that asks to be traced is told that it is");
		OK(event_of(events, "ptrace", "request", "TRACEME") && event_of(events, "denied", "syscall", "mount"), "and it is recorded");
		OK(event_of(events, "socket", "protocol", "vsock") != NULL, "so is the socket to the machine's host");
	}
	json_decref(events);
}

/* ---- what is recorded ---- */

static void test_memory(void)
{
	json_t *events = json_array();
	const char *argv[] = { "/opt/trial", "written", NULL };
	struct err e = { 0 };
	unsigned char bytes[6];
	const json_t *o;
	struct run r = { .argv = argv, .seconds = 10, .in = -1, .out = -1, .errfd = -1, .events = events };

	r.dumps = io_tmp(&e);
	OK(garden_run(world, &r, &e) == 0 && r.status == 7, "code is written and run");
	o = event_of(events, "memory", "how", "sweep");
	OK(o && jsonio_int(o, "dump_size", 0) == 4096 && pread(r.dumps, bytes, 6, (off_t)jsonio_int(o, "dump_at", 0)) == 6 &&
	   !memcmp(bytes, "\xb8\x07\0\0\0\xc3", 6), "and taken before the process ends");
	close(r.dumps);
	json_array_clear(events);
	r = trial("fileless", 10, events);
	o = event_of(events, "memory", "how", "memfd");
	OK(r.status == 0 && o && jsonio_str(o, "sha256"), "a program in a memory file is seen");
	OK(event_of(events, "memfd", "name", "x") && event_of(events, "exec", "path", "/memfd:x (deleted)"), "with its making and its start");
	json_decref(events);
}

static void test_failures(void)
{
	struct err e = { 0 };
	const char *argv[] = { "/opt/none", NULL }, *no[] = { "/etc/passwd", NULL };
	struct run r = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };

	OK(garden_run(world, &r, &e) == 0 && r.exec_errno == 2 && r.status == 127, "what is not there: 127");
	r.argv = no;
	OK(garden_run(world, &r, &e) == 0 && r.exec_errno == 13 && r.status == 126, "what may not run: 126");
}

static void test_beside(void)
{
	struct err e = { 0 };
	json_t *events = json_array(), *list;
	const char *argv[] = { "/opt/trial", "away", NULL };
	const char *killer[] = { "/bin/sh", "-c", "cd /proc; for p in [0-9]*; do case $(readlink $p/exe) in */trial) kill -9 $p;; esac; done", NULL };
	struct run r = { .argv = argv, .seconds = 20, .in = -1, .out = -1, .errfd = -1, .events = events };
	struct run k = { .argv = killer, .seconds = 10, .in = -1, .out = -1, .errfd = -1 };
	struct running *g = run_start(world, &r, &e);

	if (!OK(g != NULL, "a run begins"))
		return;
	OK(run_settle(g, 5000, 300, &e) == 2, "and settles");
	list = run_processes(g, &e);
	OK(json_array_size(list) == 4, "four processes are left");
	OK(digest_ok(jsonio_str(json_array_get(list, 0), "sha256") ? jsonio_str(json_array_get(list, 0), "sha256") : ""), "with their digests");
	json_decref(list);
	OK(run_beside(g, &k, &e) == 0 && k.status == 0, "a program beside them runs");
	list = run_processes(g, &e);
	OK(json_array_size(list) == 0, "and has killed all four");
	json_decref(list);
	OK(run_settle(g, 5000, 0, &e) == 1, "so the run is over");
	OK(run_stop(g, &e) == 0 && !r.timed_out && r.status == 0, "and ends");
	OK(events_of(events, "fork") == 4 && events_of(events, "exit") == 5, "the killed ones' ends are recorded");
	json_decref(events);
}

/* ---- it all dies with its tool ---- */

static int named(const char *name)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (d && (entry = readdir(d))) {
		char path[300];
		struct buf b = { 0 };

		snprintf(path, sizeof path, "/proc/%.200s/cmdline", entry->d_name);
		if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' && io_slurp_at(AT_FDCWD, path, 65536, &b) > 0 && !strcmp(buf_str(&b), name))
			n++;
		buf_free(&b);
	}
	if (d)
		closedir(d);
	return n;
}

static void test_kill(int trial_fd)
{
	char name[64];
	int pipefd[2], n = -1;
	char c;
	pid_t pid;

	snprintf(name, sizeof name, "/opt/alone-%d", (int)getpid());
	if (pipe(pipefd))
		return;
	pid = fork();
	if (pid == 0) {
		struct err e;
		struct world_options o = { 0 };
		struct world *w = world_open(&o, &e);
		const char *argv[] = { name, "away", NULL };
		json_t *events = json_array();
		struct run r = { .path = "/opt/trial", .argv = argv, .seconds = 60, .in = -1, .out = -1, .errfd = -1, .events = events };

		if (!w || world_put(w, "/opt/trial", 0755, trial_fd, &e))
			_exit(1);
		if (run_start(w, &r, &e) && write(pipefd[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipefd[1]);
	OK(read(pipefd[0], &c, 1) == 1, "a tool with a sample running");
	for (int i = 0; i < 100 && (n = named(name)) < 4; i++)
		usleep(20000);
	OK(n >= 4, "its four processes are to be seen from outside");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 100 && (n = named(name)) > 0; i++)
		usleep(20000);
	OK(n == 0, "kill -9 of the tool takes them all along");
	close(pipefd[0]);
}

static size_t mounts(void)
{
	struct buf b = { 0 };
	size_t n;

	io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", CAP_SLURP, &b);
	n = b.len;
	buf_free(&b);
	return n;
}

int main(void)
{
	struct err e = { 0 };
	struct world_options o = { 0 };
	/* What others mount meanwhile is not seen, where that can be had. */
	int apart = unshare(CLONE_NEWNS) ? -1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	size_t before = mounts();
	int fd = compiled();

	msg_init("garden_run");
	printf("# in a mount namespace of its own: %s\n", apart ? "no" : "yes");
	if (!OK(fd >= 0, "the test program compiles"))
		return unit_end();
	world = world_open(&o, &e);
	if (!OK(world && world_put(world, "/opt/trial", 0755, fd, &e) == 0, "a world opens")) {
		printf("# %s\n", e.msg);
		return unit_end();
	}
	test_bounds();
	test_limits();
	test_hostile();
	test_escapes(true);
	test_escapes(false);
	test_memory();
	test_failures();
	test_beside();
	test_kill(fd);
	world_close(world);
	OK(mounts() == before, "no mount is left");
	OK(named("/opt/trial") == 0, "no process is left");
	close(fd);
	buf_free(&output);
	return unit_end();
}
