#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELPER_ERR (64 * KIB)   /* of messages: enough for a sanitizer's report */
#define HELPER_SAMPLE 3
#define HELPER_BYTES 4
#define OUT_OF_THE_WAY 10

/* What a helper may know of our environment: where the rules are, and how the sanitizers were told to behave. */
static const char *const passed[] = { "MUSS_SHARE", "ASAN_OPTIONS", "UBSAN_OPTIONS" };

struct placed { int sample, bytes; };

static int place(int fd, int to)
{
	if (fd < 0 || fd == to)
		return 0;
	if (dup2(fd, to) < 0)
		return -1;
	close(fd);
	return 0;
}

static int place_both(void *arg)
{
	const struct placed *p = arg;

	return place(p->sample, HELPER_SAMPLE) || place(p->bytes, HELPER_BYTES) ? -1 : 0;
}

/* A read-only description of its own: neither our offset nor our right to write goes to the helper. */
static int reopen(int fd)
{
	char path[64];
	int copy;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	if (copy < 0 || copy >= OUT_OF_THE_WAY)
		return copy >= 0 ? copy : fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	fd = fcntl(copy, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	close(copy);
	return fd;
}

/* One reading, closing at the end. What is over the cap is read and dropped, so that the helper never hangs in write(). */
static void drain(int *fd, struct buf *b, uint64_t cap)
{
	char chunk[65536];
	ssize_t n = read(*fd, chunk, sizeof chunk);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		io_close(fd);
	else if (b->len < cap)
		buf_add(b, chunk, (uint64_t)n < cap - b->len ? (size_t)n : (size_t)(cap - b->len));
}

/* Until both pipes are closed; -1 when the clock ran out first. */
static int collect(int *out, int *errfd, int64_t end, struct helper_result *r)
{
	while (*out >= 0 || *errfd >= 0) {
		struct pollfd p[2] = { { .fd = *out, .events = POLLIN }, { .fd = *errfd, .events = POLLIN } };
		int64_t left = end - clock_mono_ms();
		int n = left > 0 ? poll(p, 2, left > 60000 ? 60000 : (int)left) : 0;

		if (n < 0 && errno != EINTR)
			return -1;
		if (n <= 0) {
			if (clock_mono_ms() >= end)
				return -1;
			continue;
		}
		if (p[0].revents)
			drain(out, &r->out, CAP_JSON);
		if (p[1].revents)
			drain(errfd, &r->err, HELPER_ERR);
	}
	return 0;
}

static bool sanitizer_spoke(const struct buf *b)
{
	const char *text = buf_str(b);

	/* "==9==WARNING: reading executable name failed": it was refused that much while it began to report. */
	return strstr(text, "ERROR: AddressSanitizer") || strstr(text, "==WARNING: reading executable") || strstr(text, "runtime error: ") || strstr(text, "UndefinedBehaviorSanitizer");
}

static int classify(const char *name, int status, struct helper_result *r, struct err *e)
{
	r->status = status > 128 && status < 128 + NSIG ? status - 128 : status;
	if (status > 128 && status < 128 + NSIG) {
		/* A sanitizer that reports opens files, and is refused them. */
		if (r->status == SIGSYS)
			r->end = sanitizer_spoke(&r->err) ? HELPER_CRASHED : HELPER_REFUSED;
		else if (r->status == SIGXCPU)
			r->end = HELPER_TIMEOUT;
		else
			/* Nobody but the kernel, short of memory, sends SIGKILL before the clock ran out. */
			r->end = r->status == SIGKILL ? HELPER_MEMORY : HELPER_CRASHED;
		return 0;
	}
	r->end = HELPER_DONE;
	if (status == EX_OSERR) {
		r->end = HELPER_MEMORY;
	} else if (sanitizer_spoke(&r->err)) {
		r->end = HELPER_CRASHED;
		msg_warn("%s: %s", name, err_q(buf_str(&r->err)));
	} else if (status == 126 || status == 127) {
		return err_set(e, EX_UNAVAILABLE, "cannot start %s", err_q(name));
	} else if (status == EX_UNAVAILABLE || status == EX_SOFTWARE || status == EX_CONFIG) {
		/* It speaks for itself: "helper-static: cannot apply seccomp: ..." */
		while (r->err.len && r->err.p[r->err.len - 1] == '\n')
			r->err.p[--r->err.len] = '\0';
		return err_set(e, status, "%s", r->err.len ? buf_str(&r->err) : "a helper gave up without a word");
	}
	return 0;
}

int helper_run(const char *name, const char *const *args, int sample, int timeout_ms, struct helper_result *r, struct err *e)
{
	return helper_run_with(name, args, sample, -1, timeout_ms, r, e);
}

int helper_run_with(const char *name, const char *const *args, int sample, int bytes, int timeout_ms, struct helper_result *r, struct err *e)
{
	int out[2] = { -1, -1 }, errs[2] = { -1, -1 }, rc = -1, status;
	struct placed fd = { -1, -1 };
	char *path = spawn_helper(name), *env[sizeof passed / sizeof *passed + 1] = { NULL };
	const char **argv;
	size_t argc = 0, envs = 0;
	int64_t end = clock_mono_ms() + timeout_ms;
	struct spawn s = { .in = -1, .before_exec = place_both, .before_arg = &fd };
	int keep[3] = { -1, -1, -1 };
	size_t kept = 0;

	*r = (struct helper_result){ .end = HELPER_DONE };
	while (args && args[argc])
		argc++;
	argv = buf_alloc((argc + 2) * sizeof *argv);
	argv[0] = path;
	if (argc)
		memcpy(argv + 1, args, argc * sizeof *argv);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		if (getenv(passed[i]))
			env[envs++] = buf_printf("%s=%s", passed[i], getenv(passed[i]));
	if (sample >= 0) {
		keep[kept++] = fd.sample = reopen(sample);
		if (fd.sample < 0) {
			err_sys(e, "cannot hand a sample to %s", name);
			goto out;
		}
	}
	if (bytes >= 0) {
		keep[kept] = fd.bytes = fcntl(bytes, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
		if (fd.bytes < 0) {
			err_sys(e, "cannot hand a file to %s", name);
			goto out;
		}
	}
	if (pipe2(out, O_CLOEXEC) || pipe2(errs, O_CLOEXEC)) {
		err_sys(e, "cannot make a pipe");
		goto out;
	}
	s.argv = argv;
	s.envp = (const char *const *)env;
	s.out = out[1];
	s.errfd = errs[1];
	s.keep = keep;
	if (spawn_start(&s, e))
		goto out;
	io_close(&out[1]);
	io_close(&errs[1]);
	if (collect(&out[0], &errs[0], end, r)) {
		spawn_kill(&s);
		r->end = HELPER_TIMEOUT;
		r->status = SIGKILL;
		rc = 0;
		goto out;
	}
	status = spawn_wait(&s, (int)(end - clock_mono_ms() > 0 ? end - clock_mono_ms() : 0), e);
	if (status < 0) {
		err_clear(e);
		r->end = HELPER_TIMEOUT;
		r->status = SIGKILL;
		rc = 0;
		goto out;
	}
	rc = classify(name, status, r, e);
out:
	for (int i = 0; i < 2; i++) {
		io_close(&out[i]);
		io_close(&errs[i]);
	}
	io_close(&fd.sample);
	io_close(&fd.bytes);
	for (size_t i = 0; i < envs; i++)
		free(env[i]);
	free(argv);
	free(path);
	return rc;
}

void helper_free(struct helper_result *r)
{
	buf_free(&r->out);
	buf_free(&r->err);
}
