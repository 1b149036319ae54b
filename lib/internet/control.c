#include "internet/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKED_MOST (64 * KIB)
#define NAMES_TOLD 8192u

int control_say(struct net *n, json_t *o)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump_line(o, &b);
	json_decref(o);
	rc = io_write(n->control.fd, b.p, b.len);
	buf_free(&b);
	return rc;
}

static json_t *problem(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *do_port(struct net *n, const json_t *q, bool opens)
{
	const char *protocol = jsonio_str(q, "protocol");
	const json_int_t port = jsonio_int(q, "port", 0);
	const bool udp = protocol && !strcmp(protocol, "udp");

	if (!protocol || (!udp && strcmp(protocol, "tcp") != 0) || port < 1 || port > 65535)
		return problem("wants a protocol and a port");
	if (opens)
		return json_pack("{s:b}", "open", ports_open(n, udp, (uint16_t)port));
	ports_close(n, udp, (uint16_t)port);
	return json_pack("{s:b}", "closed", 1);
}

/* Everything under way is written down. */
static void finish(struct net *n)
{
	n->stopped = true;
	loop_drain(n);
	conn_end_all(n);
	udp_end(n, 0);
	capture_drain(n);
}

static json_t *do_stop(struct net *n)
{
	json_t *o;

	finish(n);
	o = capture_report(n);
	if (names_count(n->names) > NAMES_TOLD)
		record_limit(n, "names");
	json_object_set_new(o, "names", names_all(n->names, NAMES_TOLD));
	json_object_set_new(o, "distinct_names", json_integer((json_int_t)names_count(n->names)));
	json_object_set(o, "limits", n->limits);
	return o;
}

static json_t *answer(struct net *n, const json_t *q)
{
	const char *what = jsonio_str(q, "do");

	if (!what)
		return problem("wants a member do");
	if (!strcmp(what, "open"))
		return do_port(n, q, true);
	if (!strcmp(what, "close"))
		return do_port(n, q, false);
	if (!strcmp(what, "authority"))
		return json_pack("{s:s}", "authority", tls_authority(n));
	if (!strcmp(what, "clock")) {
		n->offset_ns = jsonio_int(q, "offset_ns", 0);
		return json_pack("{s:b}", "clock", 1);
	}
	return strcmp(what, "stop") ? problem("cannot do that") : do_stop(n);
}

static void one(struct net *n, const void *p, size_t len)
{
	struct err e = { 0 };
	json_t *q = jsonio_parse(p, len, "a message", &e);

	if (control_say(n, q ? answer(n, q) : problem("no JSON")))
		n->stopped = true;
	json_decref(q);
}

void control_ready(struct net *n, struct watch *w, uint32_t events)
{
	unsigned char chunk[4096];
	ssize_t r = read(w->fd, chunk, sizeof chunk);
	const unsigned char *end;

	(void)events;
	if (r < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (r <= 0 || n->asked.len + (size_t)r > ASKED_MOST) {
		finish(n);
		return;
	}
	buf_add(&n->asked, chunk, (size_t)r);
	while (!n->stopped && (end = memchr(n->asked.p, '\n', n->asked.len))) {
		size_t len = (size_t)(end - n->asked.p);

		one(n, n->asked.p, len);
		memmove(n->asked.p, end + 1, n->asked.len - len - 1);
		n->asked.len -= len + 1;
	}
}
