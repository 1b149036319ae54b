#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_STAGES 8
#define SAID_MOST ((size_t)64 << 10)   /* of what a stage says, the last so many bytes are kept */

struct child {
	struct spawn spawn;
	char *path;
	const char **argv;
	struct buf said;
	int says;          /* the reading end of its standard error */
	bool ended;
};

static void listen_to(struct child *c)
{
	char chunk[4096];
	ssize_t n = read(c->says, chunk, sizeof chunk);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		io_close(&c->says);
		return;
	}
	if (msg_get_level() > 1)
		(void)!write(STDERR_FILENO, chunk, (size_t)n);
	if (c->said.p && c->said.len + (size_t)n > SAID_MOST) {
		size_t keep = SAID_MOST / 2 < c->said.len ? SAID_MOST / 2 : c->said.len;

		if (keep)
			memmove(c->said.p, c->said.p + c->said.len - keep, keep);
		c->said.len = keep;
	}
	buf_add(&c->said, chunk, (size_t)n);
}

/* The last line that was said, fit for a message of ours. */
static void last_line(struct child *c, char *out, size_t size)
{
	size_t end = c->said.len, begin, n;

	while (end && strchr("\n\r ", c->said.p[end - 1]))
		end--;
	begin = end;
	while (begin && c->said.p[begin - 1] != '\n')
		begin--;
	n = end - begin < size - 1 ? end - begin : size - 1;
	if (n)
		memcpy(out, c->said.p + begin, n);
	out[n] = '\0';
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
}

static int start(struct child *c, const struct pipeline_stage *s, int in, int out, struct err *e)
{
	int says[2];
	size_t n = 0;

	while (s->argv[n])
		n++;
	if (n == 0)
		return err_set(e, EX_SOFTWARE, "a stage of a pipeline has no program");
	c->argv = buf_alloc((n + 1) * sizeof *c->argv);
	memcpy(c->argv, s->argv, n * sizeof *c->argv);
	c->path = strchr(s->argv[0], '/') ? buf_strdup(s->argv[0]) : spawn_tool(s->argv[0]);
	c->argv[0] = c->path;
	if (pipe2(says, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	c->says = says[0];
	c->spawn = (struct spawn){ .argv = c->argv, .in = in, .out = out, .errfd = says[1] };
	if (spawn_start(&c->spawn, e) < 0) {
		close(says[1]);
		return -1;
	}
	close(says[1]);
	return 0;
}

static int start_all(struct child *c, struct pipeline_stage *stages, size_t n, int in, int out, struct err *e)
{
	int from = in, rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		int ends[2] = { -1, -1 };

		if (i + 1 < n && pipe2(ends, O_CLOEXEC) < 0)
			rc = err_sys(e, "cannot make a pipe");
		else
			rc = start(&c[i], &stages[i], from, i + 1 < n ? ends[1] : out, e);
		if (i)
			io_close(&from);
		io_close(&ends[1]);
		from = ends[0];
	}
	if (from != in)
		io_close(&from);
	return rc;
}

static bool went_wrong(const struct pipeline_stage *s)
{
	return s->status && s->status != s->well;
}

static void reap_ended(struct child *c, struct pipeline_stage *stages, size_t n, const struct pollfd *p, size_t *first)
{
	size_t found = n;
	struct err ignored;

	for (size_t i = 0; i < n; i++) {
		if (c[i].ended || !p[2 * i].revents)
			continue;
		stages[i].status = spawn_wait(&c[i].spawn, -1, &ignored);
		c[i].ended = true;
		/* In one glance: who could not write was let down by a later one. */
		if (went_wrong(&stages[i]) && (found == n || stages[found].status == EX_IOERR))
			found = i;
	}
	if (*first == n)
		*first = found;
}

/* Whoever ended first is to blame, who reads from it or writes to it fails after. But a tool closes its output before it ends: who got
 * too little (65) can be gone sooner than the one that let it down. */
static size_t culprit(const struct pipeline_stage *stages, size_t first)
{
	while (first > 0 && stages[first].status == EX_DATAERR && went_wrong(&stages[first - 1]) && stages[first - 1].status != EX_IOERR)
		first--;
	return first;
}

/* Until all have ended and said everything; *first is the stage that failed first. 0, or -1 on time-out. */
static int wait_all(struct child *c, struct pipeline_stage *stages, size_t n, int64_t end, size_t *first)
{
	int64_t silence = -1;   /* all have ended: something else may hold their standard error open */

	for (;;) {
		struct pollfd p[2 * MOST_STAGES];
		bool running = false, open = false;
		int64_t now = clock_mono_ms();

		for (size_t i = 0; i < n; i++) {
			p[2 * i] = (struct pollfd){ .fd = c[i].ended ? -1 : c[i].spawn.pidfd, .events = POLLIN };
			p[2 * i + 1] = (struct pollfd){ .fd = c[i].says, .events = POLLIN };
			running |= !c[i].ended;
			open |= c[i].says >= 0;
		}
		if (!running && silence < 0)
			silence = now + 500;
		if (!running && (!open || now >= silence))
			return 0;
		if (running && end >= 0 && now >= end)
			return -1;
		if (poll(p, 2 * n, running ? (end >= 0 && end - now < 1000 ? (int)(end - now) : 1000) : 100) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (p[2 * i + 1].revents)
				listen_to(&c[i]);
		reap_ended(c, stages, n, p, first);
	}
}

int pipeline_run(struct pipeline_stage *stages, size_t n, int in, int out, int ms, size_t *failed, struct err *e)
{
	struct child c[MOST_STAGES] = { 0 };
	size_t first = n;
	char line[512];
	int rc;

	if (n > MOST_STAGES)
		return err_set(e, EX_SOFTWARE, "a pipeline of %zu stages", n);
	for (size_t i = 0; i < n; i++)
		c[i].says = -1;
	*failed = 0;
	rc = start_all(c, stages, n, in, out, e);
	if (rc == 0 && wait_all(c, stages, n, ms < 0 ? -1 : clock_mono_ms() + ms, &first) < 0) {
		for (first = 0; first + 1 < n && c[first].ended; first++)
			;
		rc = err_set(e, EX_TEMPFAIL, "%s did not end within %d s", stages[first].argv[0], ms / 1000);
		*failed = first;
	} else if (rc == 0 && first < n) {
		first = culprit(stages, first);
		last_line(&c[first], line, sizeof line);
		*failed = first;
		/* A tool's message bears its name already. */
		if (*line)
			rc = err_set(e, stages[first].status, "%s", line);
		else if (stages[first].status > 128)
			rc = err_set(e, EX_SOFTWARE, "%s was ended by signal %d", stages[first].argv[0], stages[first].status - 128);
		else
			rc = err_set(e, stages[first].status, "%s ended with %d", stages[first].argv[0], stages[first].status);
		if (e->code > 128)
			e->code = EX_SOFTWARE;
	}
	for (size_t i = 0; i < n; i++) {
		spawn_kill(&c[i].spawn);
		io_close(&c[i].says);
		free(c[i].path);
		free(c[i].argv);
		buf_free(&c[i].said);
	}
	return rc;
}
