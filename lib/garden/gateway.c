/*
 * What is behind a run's network: helper-internet, which answers for every address (its words: lib/internet/internet.h). It stands outside of
 * the world, with the tool's own root and processes, and has entered the run's user and network namespaces alone.
 */
#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 10000
#define ASK_MS 1000             /* a sample waits meanwhile */
#define OUT_OF_THE_WAY 32
#define FDS 6u                  /* control, records, capture, user namespace, network namespace, settings: 3 to 8 */
#define SETTINGS "8"

/* ---- the authority that signs what all runs of this tool meet ---- */

static json_t *authority;
static struct err authority_error;

static void make_authority(void)
{
	char *path = spawn_helper("helper-internet");
	const char *const argv[] = { path, "-a", NULL };
	int out = memfd_create("authority", MFD_CLOEXEC);
	struct spawn s = { .argv = argv, .in = -1, .out = out, .errfd = -1 };
	struct buf b = { 0 };

	if (out < 0)
		err_sys(&authority_error, "cannot make a memory file");
	else if (spawn_start(&s, &authority_error) == 0 && spawn_wait(&s, ANSWER_MS, &authority_error) == 0 &&
		 lseek(out, 0, SEEK_SET) == 0 && io_slurp(out, 64 * KIB, &b, "an authority", &authority_error) == 0)
		authority = jsonio_parse(b.p, b.len, "an authority", &authority_error);
	if (!authority && !authority_error.code)
		err_set(&authority_error, EX_UNAVAILABLE, "helper-internet makes no authority");
	io_close(&out);
	buf_free(&b);
	free(path);
}

static const json_t *the_authority(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_authority);
	if (!authority)
		*e = authority_error;
	return authority;
}

json_t *gateway_files(struct err *e)
{
	const json_t *a = the_authority(e);
	const char *cert = jsonio_str(a, "cert"), *hash = jsonio_str(a, "hash");
	char path[64];

	if (!a)
		return NULL;
	snprintf(path, sizeof path, "/etc/ssl/certs/%s.0", hash ? hash : "");
	return json_pack("[{s:s, s:s, s:b}, {s:s, s:s, s:b}]", "path", "/etc/ssl/certs/ca-certificates.crt", "text", cert ? cert : "", "append", 1,
		"path", path, "text", cert ? cert : "", "append", 0);
}

/* ---- the helper ---- */

struct placed { int fd[FDS]; };

static int place(void *arg)
{
	const struct placed *p = arg;

	for (unsigned i = 0; i < FDS; i++)
		if (dup2(p->fd[i], (int)i + 3) < 0)
			return -1;
	return 0;
}

/* The settings, the authority among them, as a memory file. */
static int settings_file(const char *path, struct err *e)
{
	json_t *all = jsonio_load(path, e);
	const json_t *a = all ? the_authority(e) : NULL;
	struct buf b = { 0 };
	int fd = -1;

	if (a) {
		json_object_set(all, "authority", (json_t *)(uintptr_t)a);
		jsonio_dump_line(all, &b);
		fd = memfd_create("settings", MFD_CLOEXEC);
		if (fd < 0 || io_write(fd, b.p, b.len)) {
			err_sys(e, "cannot make a memory file");
			io_close(&fd);
		}
	}
	json_decref(all);
	buf_free(&b);
	return fd;
}

static int start(struct gateway *g, int control, int settings, int user, int net, int capture, struct err *e)
{
	char *path = spawn_helper("helper-internet");
	const char *const argv[] = { path, SETTINGS, NULL };
	struct placed p;
	int from[FDS] = { control, g->records, capture, user, net, settings }, keep[FDS + 1], rc = -1;
	unsigned n = 0;

	for (; n < FDS && (p.fd[n] = keep[n] = fcntl(from[n], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)) >= 0; n++)
		;
	if (n == FDS) {
		keep[FDS] = -1;
		g->helper = (struct spawn){ .argv = argv, .in = -1, .out = -1, .errfd = -1, .keep = keep, .before_exec = place, .before_arg = &p };
		rc = spawn_start(&g->helper, e);
		g->helper.argv = NULL;
		g->helper.keep = NULL;
		g->helper.before_arg = NULL;
	} else {
		err_sys(e, "cannot duplicate a descriptor");
	}
	while (n-- > 0)
		close(p.fd[n]);
	free(path);
	return rc;
}

/* A line, without its end, cut off the buffer's beginning. NULL: nothing of it is JSON. */
static json_t *take_line(struct buf *b)
{
	unsigned char *end = memchr(b->p, '\n', b->len);
	size_t n = end ? (size_t)(end - b->p) + 1 : b->len;
	struct err ignored = { 0 };
	json_t *o = jsonio_parse(b->p, n, "the dummy Internet's answer", &ignored);

	memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
	return o;
}

/* The next answer that has the member. Others come too late, to somebody who did not wait for them. NULL: it is gone, or silent. */
static json_t *listen_to(int control, const char *member, int ms, struct err *e)
{
	int64_t end = clock_mono_ms() + ms;
	struct buf b = { 0 };
	json_t *o = NULL;

	while (!json_object_get(o, member)) {
		struct pollfd p = { .fd = control, .events = POLLIN };
		int64_t left = end - clock_mono_ms();
		char chunk[16384];
		ssize_t n;

		json_decref(o);
		o = NULL;
		if (b.len && memchr(b.p, '\n', b.len)) {
			o = take_line(&b);
			continue;
		}
		if (left <= 0 || b.len > CAP_JSON || poll(&p, 1, (int)left) <= 0 || (n = read(control, chunk, sizeof chunk)) <= 0) {
			err_set(e, EX_UNAVAILABLE, "the dummy Internet does not answer");
			break;
		}
		buf_add(&b, chunk, (size_t)n);
	}
	buf_free(&b);
	return o;
}

static json_t *ask(int control, json_t *question, const char *member, int ms, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump_line(question, &b);
	json_decref(question);
	rc = send(control, b.p, b.len, MSG_NOSIGNAL) == (ssize_t)b.len ? 0 : err_sys(e, "cannot reach the dummy Internet");
	buf_free(&b);
	return rc ? NULL : listen_to(control, member, ms, e);
}

int gateway_start(struct gateway *g, const char *settings, int user, int net, int capture, struct err *e)
{
	int pair[2] = { -1, -1 }, file = settings_file(settings, e), rc = -1, none = -1;
	json_t *ready = NULL;

	*g = (struct gateway){ .control = -1, .records = -1 };
	if (file < 0)
		return -1;
	g->records = memfd_create("records", MFD_CLOEXEC);
	if (capture < 0)
		capture = none = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (g->records < 0 || capture < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		err_sys(e, "cannot make a socket");
	} else if (start(g, pair[1], file, user, net, capture, e) == 0) {
		g->control = pair[0];
		pair[0] = -1;
		io_close(&pair[1]);
		ready = listen_to(g->control, "ready", ANSWER_MS, e);
		rc = ready ? 0 : -1;
	}
	if (ready)
		g->began_ns = jsonio_int(ready, "monotonic_ns", 0);
	json_decref(ready);
	io_close(&pair[0]);
	io_close(&pair[1]);
	io_close(&none);
	io_close(&file);
	if (rc)
		gateway_drop(g);
	return rc;
}

/* What a sample sent is in them: a line that cannot be read, as the last of a helper that died, is left out. */
static void read_records(const struct gateway *g, json_t *exchanges)
{
	struct err ignored = { 0 };
	struct buf b = { 0 };

	if (lseek(g->records, 0, SEEK_SET) == 0 && io_slurp(g->records, CAP_JSON, &b, "exchanges", &ignored) == 0)
		while (b.len) {
			json_t *o = take_line(&b);

			if (o)
				json_array_append_new(exchanges, o);
		}
	buf_free(&b);
}

json_t *gateway_lost(void)
{
	return json_pack("{s:[], s:{}, s:i, s:[s]}", "scan", "names", "distinct_names", 0, "limits", "lost");
}

json_t *gateway_stop(struct gateway *g, json_t *exchanges, int64_t run_ns)
{
	struct err ignored = { 0 };
	json_t *told = ask(g->control, json_pack("{s:s}", "do", "stop"), "scan", ANSWER_MS, &ignored);

	/* Hostile bytes are its trade. What it has written down is told all the same, once it writes no more. */
	spawn_kill(&g->helper);
	if (!told)
		told = gateway_lost();
	json_object_set_new(told, "began", json_real((double)(g->began_ns - run_ns) / 1e9));
	if (exchanges)
		read_records(g, exchanges);
	gateway_drop(g);
	return told;
}

void gateway_drop(struct gateway *g)
{
	io_close(&g->control);
	io_close(&g->records);
	if (g->helper.pid > 0)
		spawn_kill(&g->helper);
	*g = (struct gateway){ .control = -1, .records = -1 };
}

/* ---- the warden's side ---- */

void gateway_clock(int *control, int64_t ahead_ns)
{
	struct err e = { 0 };
	json_t *o = ask(*control, json_pack("{s:s, s:I}", "do", "clock", "offset_ns", (json_int_t)ahead_ns), "clock", ASK_MS, &e);

	if (!o)
		io_close(control);
	json_decref(o);
}

bool gateway_port(int *control, const char *what, const char *protocol, unsigned port)
{
	struct err e = { 0 };
	const char *answer = strcmp(what, "open") ? "closed" : "open";
	json_t *o = *control >= 0 ? ask(*control, json_pack("{s:s, s:s, s:i}", "do", what, "protocol", protocol, "port", (int)port), answer, ASK_MS, &e) :
		NULL;
	bool done = jsonio_bool(o, answer, false);

	/* It is gone, or stalled: the run goes on without. */
	if (!o)
		io_close(control);
	json_decref(o);
	return done;
}
