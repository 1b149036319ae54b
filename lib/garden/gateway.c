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

/* A line of JSON. NULL: it said nothing in time, or is gone. */
static json_t *listen_to(int control, int ms, struct err *e)
{
	int64_t end = clock_mono_ms() + ms;
	struct buf b = { 0 };
	json_t *o = NULL;

	while (!b.len || b.p[b.len - 1] != '\n') {
		struct pollfd p = { .fd = control, .events = POLLIN };
		int64_t left = end - clock_mono_ms();
		char chunk[16384];
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0 || (n = read(control, chunk, sizeof chunk)) <= 0 || b.len > CAP_JSON) {
			err_set(e, EX_UNAVAILABLE, "the dummy Internet does not answer");
			goto out;
		}
		buf_add(&b, chunk, (size_t)n);
	}
	o = jsonio_parse(b.p, b.len, "the dummy Internet's answer", e);
	if (o && jsonio_str(o, "error")) {
		err_set(e, (int)jsonio_int(o, "code", EX_UNAVAILABLE), "the dummy Internet: %s", jsonio_str(o, "error"));
		json_decref(o);
		o = NULL;
	}
out:
	buf_free(&b);
	return o;
}

static json_t *ask(int control, json_t *question, int ms, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump_line(question, &b);
	json_decref(question);
	rc = send(control, b.p, b.len, MSG_NOSIGNAL) == (ssize_t)b.len ? 0 : err_sys(e, "cannot reach the dummy Internet");
	buf_free(&b);
	return rc ? NULL : listen_to(control, ms, e);
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
		ready = listen_to(g->control, ANSWER_MS, e);
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

json_t *gateway_stop(struct gateway *g, json_t *exchanges, int64_t run_ns, struct err *e)
{
	json_t *told = ask(g->control, json_pack("{s:s}", "do", "stop"), ANSWER_MS, e);
	struct buf b = { 0 };

	if (told && exchanges && lseek(g->records, 0, SEEK_SET) == 0 && io_slurp(g->records, CAP_JSON, &b, "exchanges", e) == 0)
		for (size_t at = 0; at < b.len;) {
			const unsigned char *end = memchr(b.p + at, '\n', b.len - at);
			size_t n = (end ? (size_t)(end - b.p) : b.len) - at;
			json_t *o = n ? jsonio_parse(b.p + at, n, "an exchange", e) : NULL;

			/* What a sample sent is in it: one that cannot be read is left out, and the others are told. */
			if (o)
				json_array_append_new(exchanges, o);
			at += n + 1;
		}
	if (told)
		json_object_set_new(told, "began", json_real((double)(g->began_ns - run_ns) / 1e9));
	buf_free(&b);
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
	json_t *o = ask(*control, json_pack("{s:s, s:I}", "do", "clock", "offset_ns", (json_int_t)ahead_ns), ASK_MS, &e);

	if (!o)
		io_close(control);
	json_decref(o);
}

bool gateway_port(int *control, const char *what, const char *protocol, unsigned port)
{
	struct err e = { 0 };
	json_t *o = *control >= 0 ? ask(*control, json_pack("{s:s, s:s, s:i}", "do", what, "protocol", protocol, "port", (int)port), ASK_MS, &e) : NULL;
	bool done = jsonio_bool(o, "open", false) || jsonio_bool(o, "closed", false);

	/* It is gone, or stalled: the run goes on without. */
	if (!o)
		io_close(control);
	json_decref(o);
	return done;
}
