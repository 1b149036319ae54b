/* helper_run: what each end of a helper is called. The test is its own helper: it stands beside itself. */
#include "confine/confine.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not what a compiler can see through. */
static int *volatile nowhere;

static int helper_main(const char *act)
{
	const struct confine_limits limits = { 512 * MIB, 2, MIB };
	struct err e = { 0 };
	char text[64] = "";

	if (!strcmp(act, "env"))
		return printf("%s %s\n", getenv("HOME") ? "HOME" : "none", getenv("MUSS_SHARE")) < 0;
	if (!strcmp(act, "fds")) {
		for (int fd = 0; fd < 1024; fd++)
			if (fcntl(fd, F_GETFD) >= 0)
				printf("%d ", fd);
		return 0;
	}
	if (!strcmp(act, "unavailable")) {
		fprintf(stderr, "no seccomp here\n");
		return EX_UNAVAILABLE;
	}
	if (confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	if (!strcmp(act, "bytes"))
		return write(4, "behind", 6) == 6 && lseek(4, 0, SEEK_CUR) == 9 && write(3, "x", 1) < 0 ? 0 : 1;
	if (!strcmp(act, "echo")) {
		ssize_t n = read(3, text, sizeof text);
		bool can_write = write(3, "x", 1) == 1;

		printf("%.*s%s\n", (int)(n > 0 ? n : 0), text, can_write ? " written" : "");
	} else if (!strcmp(act, "crash")) {
		*nowhere = 1;
	} else if (!strcmp(act, "abort")) {
		abort();
	} else if (!strcmp(act, "socket")) {
		return socket(AF_INET, SOCK_STREAM, 0);
	} else if (!strcmp(act, "spin")) {
		for (volatile unsigned n = 1; n; n |= 1)
			;
	} else if (!strcmp(act, "sleep")) {
		sleep(60);
	} else if (!strcmp(act, "memory")) {
		buf_alloc(GIB);
	} else if (!strcmp(act, "flood")) {
		memset(text, 'x', sizeof text);
		for (size_t i = 0; i < 70 * MIB / sizeof text; i++)
			fwrite(text, 1, sizeof text, stdout);
	}
	fflush(stdout);
	return !strcmp(act, "three") ? 3 : 0;
}

static struct helper_result last;

static int run(const char *act, int ms)
{
	const char *args[] = { "--helper", act, NULL };
	struct err e = { 0 };
	int fd = io_tmp(&e), rc;

	helper_free(&last);
	if (fd < 0 || io_write(fd, "the sample", 10))
		return -2;
	rc = helper_run("confine_helper", args, fd, ms, &last, &e);
	close(fd);
	return rc ? -e.code : (int)last.end;
}

/* A second descriptor, that it may write to: offset and all are ours, too. */
static void test_bytes(void)
{
	static const char *const args[] = { "--helper", "bytes", NULL };
	struct err e = { 0 };
	int fd = io_tmp(&e), bytes = io_tmp(&e);
	char text[16] = "";

	helper_free(&last);
	OK(io_write(bytes, "be ", 3) == 0 && !helper_run_with("confine_helper", args, fd, bytes, 5000, &last, &e) && last.end == HELPER_DONE && !last.status,
		"a helper writes to the file that it was given, and not to the sample");
	OK(pread(bytes, text, sizeof text - 1, 0) == 9 && !strcmp(text, "be behind"), "and what it wrote is there");
	close(fd);
	close(bytes);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int64_t start;

	if (argc == 3 && !strcmp(argv[1], "--helper")) {
		int rc = helper_main(argv[2]);

		/* Not through exit(): a leak checker there would fork. */
		fflush(stdout);
		_exit(rc);
	}
	setenv("MUSS_SHARE", "/rules", 1);
	OK(run("echo", 5000) == HELPER_DONE && last.status == 0, "a helper that ends well is done");
	OK_STR(buf_str(&last.out), "the sample\n", "it reads the sample from its start, and cannot write to it");
	test_bytes();
	OK(run("three", 5000) == HELPER_DONE && last.status == 3, "another exit code is handed on");
	OK(run("env", 5000) == HELPER_DONE, "environment");
	OK_STR(buf_str(&last.out), "none /rules\n", "the environment is empty but for MUSS_SHARE");
	OK(run("fds", 5000) == HELPER_DONE, "descriptors");
	OK_STR(buf_str(&last.out), "0 1 2 3 ", "no other descriptor is open");
	OK(run("crash", 5000) == HELPER_CRASHED, "a crash is a crash");
	OK(run("abort", 5000) == HELPER_CRASHED, "and so is what a library's own checks end");
	OK(run("socket", 5000) == HELPER_REFUSED, "a refused call is told apart");
	start = clock_mono_ms();
	OK(run("sleep", 300) == HELPER_TIMEOUT, "the wall clock ends a helper that sleeps");
	OK(clock_mono_ms() - start < 3000, "and does so in time");
	OK(run("spin", 20000) == HELPER_TIMEOUT, "processor time ends a helper that computes");
#ifndef __SANITIZE_ADDRESS__
	OK(run("memory", 10000) == HELPER_MEMORY, "want of memory is told apart");
#endif
	OK(run("flood", 20000) == HELPER_DONE && last.out.len == CAP_JSON, "output is cut at its cap and the helper does not hang");
	OK(run("unavailable", 5000) == -EX_UNAVAILABLE, "a helper that cannot be confined is an error");
	helper_free(&last);
	OK(helper_run("no-such-helper", NULL, -1, 1000, &last, &e) && e.code == EX_UNAVAILABLE, "a helper that is not there is an error");
	helper_free(&last);
	return unit_end();
}
