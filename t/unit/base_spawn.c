/* spawn_*: children get what they were given, no more, and do not outlive us. */
#include "base/base.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void output_and_status(void)
{
	const char *argv[] = { "sh", "-c", "echo out; ls /proc/self/fd | wc -l; exit 3", NULL };
	struct err e = { 0 };
	struct buf b = { 0 };
	int p[2];

	if (pipe(p))
		return;
	struct spawn s = { .argv = argv, .in = -1, .out = p[1], .errfd = -1 };
	OK(spawn_start(&s, &e) == 0, "a child starts");
	close(p[1]);
	OK(io_slurp(p[0], 1000, &b, "pipe", &e) == 0, "its output is read");
	OK(spawn_wait(&s, -1, &e) == 3, "its exit code comes back");
	/* ls itself holds 0, 1, 2 and the folder it lists. */
	OK_STR(buf_str(&b), "out\n4\n", "it has no descriptor it was not given");
	close(p[0]);
	buf_free(&b);
}

static void time_limit(void)
{
	const char *argv[] = { "sleep", "60", NULL };
	struct err e = { 0 };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };
	int64_t t = clock_mono_ms();
	pid_t pid;

	OK(spawn_start(&s, &e) == 0, "a sleeper starts");
	pid = s.pid;
	OK(spawn_wait(&s, 100, &e) == -1 && e.code == EX_TEMPFAIL, "its time runs out");
	OK(clock_mono_ms() - t < 5000 && kill(pid, 0) != 0, "and it is gone");
}

static void dies_with_us(void)
{
	int p[2];
	pid_t middle, leaf = 0;

	if (pipe(p))
		return;
	middle = fork();
	if (middle == 0) {
		const char *argv[] = { "sleep", "60", NULL };
		struct err e = { 0 };
		struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };

		if (spawn_start(&s, &e) || io_write(p[1], &s.pid, sizeof s.pid))
			_exit(1);
		pause();
	}
	OK(io_read(p[0], &leaf, sizeof leaf) == sizeof leaf && leaf > 0, "a child has a child");
	kill(middle, SIGKILL);
	waitpid(middle, NULL, 0);
	for (int i = 0; i < 200; i++) {
		char path[64];
		struct buf b = { 0 };

		snprintf(path, sizeof path, "/proc/%d/stat", leaf);
		/* A zombie nobody reaps is as dead as can be. */
		if (io_slurp_at(AT_FDCWD, path, 4096, &b) < 0 || strstr(buf_str(&b), ") Z ")) {
			buf_free(&b);
			leaf = 0;
			break;
		}
		buf_free(&b);
		usleep(10000);
	}
	OK(leaf == 0, "kill -9 of the parent ends it");
}

int main(void)
{
	output_and_status();
	time_limit();
	dies_with_us();
	return unit_end();
}
