/* What goes on in a connection: bytes in, to its service, and out again. */
#include "internet/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define KEEP_BUFFER (2 * KIB)

void conn_leave(struct conn *c)
{
	const struct service *s = c->service;

	c->service = NULL;
	if (s && s->close)
		s->close(c);
	c->state = NULL;
	c->wake_ms = 0;
}

/* ---- sending ---- */

bool conn_full(const struct conn *c)
{
	return c->out.len >= OUT_MOST;
}

void conn_write(struct conn *c, const void *p, size_t n)
{
	if (c->dead || c->closing || !n)
		return;
	c->x.sent += n;
	if (c->tls)
		tls_write(c, p, n);
	else
		buf_add(&c->out, p, n);
}

void conn_say(struct conn *c, const char *fmt, ...)
{
	struct buf b = { 0 };
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		buf_adds(&b, text);
		free(text);
		conn_write(c, b.p, b.len);
	}
	va_end(ap);
	buf_free(&b);
}

static void flush(struct conn *c)
{
	size_t sent = 0;

	while (sent < c->out.len && !c->connecting) {
		ssize_t r = send(c->watch.fd, c->out.p + sent, c->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN) {
			conn_end(c);
			return;
		}
		if (r < 0)
			break;
		sent += (size_t)r;
	}
	if (sent) {
		memmove(c->out.p, c->out.p + sent, c->out.len - sent);
		c->out.len -= sent;
	}
	if (!c->out.len && c->out.cap > KEEP_BUFFER)
		buf_free(&c->out);
}

void conn_close(struct conn *c)
{
	if (c->dead || c->closing)
		return;
	if (c->tls)
		tls_shutdown(c);
	c->closing = true;
}

/* What follows from the state that a call left behind: sending, ending, what to wait for. */
void conn_settle(struct conn *c)
{
	uint32_t events = 0;

	flush(c);
	while (!c->dead && !c->out.len && !c->closing && c->service && c->service->drained) {
		const uint64_t before = c->x.sent;

		c->service->drained(c);
		flush(c);
		if (c->x.sent == before)
			break;
	}
	if (c->dead)
		return;
	if (c->eof && !conn_full(c))
		conn_close(c);
	if (c->closing && !c->out.len) {
		conn_end(c);
		return;
	}
	if (!c->eof && !c->closing && !conn_full(c) && c->in.len < IN_MOST && tls_waiting(c) < IN_MOST)
		events |= EPOLLIN;
	if (c->out.len || c->connecting)
		events |= EPOLLOUT;
	if (events != c->events)
		loop_change(c->net, &c->watch, c->events = events);
	if (!c->in.len && c->in.cap > KEEP_BUFFER)
		buf_free(&c->in);
	conn_hold(c);
}

/* ---- receiving ---- */

void conn_took(struct conn *c, size_t n)
{
	if (!n)
		return;
	memmove(c->in.p, c->in.p + n, c->in.len - n);
	c->in.len -= n;
	c->in.p[c->in.len] = '\0';
}

char *conn_line(struct conn *c, size_t *len)
{
	static char line[IN_MOST + 1];
	const unsigned char *end = c->in.len ? memchr(c->in.p, '\n', c->in.len) : NULL;
	size_t n = end ? (size_t)(end - c->in.p) : c->in.len, taken = end ? n + 1 : n;

	if (!end && (!n || (n < IN_MOST && !c->eof)))
		return NULL;
	memcpy(line, c->in.p, n);
	while (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	conn_took(c, taken);
	if (len)
		*len = n;
	return line;
}

void conn_become(struct conn *c, const struct service *s)
{
	conn_leave(c);
	c->service = s;
	c->x.service = c->tls && s->secure ? s->secure : s->name;
	if (s->open)
		s->open(c);
}

static void recognise(struct conn *c)
{
	const char *g = c->in.len ? guess_stream(c->in.p, c->in.len) : NULL;
	const struct service *s;

	if (!g && !c->eof && c->in.len < IN_MOST)
		return;
	if (!g)
		g = "";
	s = serve_stream(g);
	if (!strcmp(g, "tls") && !c->tls)
		conn_tls(c);
	else if (s)
		conn_become(c, s);
	else
		small_named(c, g);
}

void conn_guess(struct conn *c)
{
	conn_leave(c);
	c->x.service = c->tls ? "tls" : NULL;
	if (c->expected && c->expected->at_once)
		conn_become(c, c->expected);
}

void conn_tunnel(struct conn *c, const char *through, const char *host, uint16_t port)
{
	bool tls;

	record_set(&c->x, "tunnel", json_pack("{s:s,s:o,s:i}", "through", through, "host", jsonio_name(host), "port", (int)port));
	free(c->x.name);
	c->x.name = buf_strdup(host);
	c->expected = serve_port(c->net, port, &tls);
	if (!tls) {
		conn_guess(c);
	} else {
		conn_leave(c);
		c->x.service = c->tls ? "tls" : NULL;
	}
}

void conn_tls(struct conn *c)
{
	struct buf first = c->in;
	bool keeps = c->service != NULL;   /* STARTTLS: it goes on as it was */

	c->in = (struct buf){ 0 };
	c->tls = tls_new(c);
	if (!c->tls) {
		conn_end(c);
	} else {
		if (!keeps) {
			record_again(&c->x);
			conn_guess(c);
		}
		if (first.len && tls_feed(c, first.p, first.len))
			conn_close(c);
	}
	buf_free(&first);
}

void conn_run(struct conn *c)
{
	bool stuck = false;

	if (c->running || c->dead)
		return;
	c->running = true;
	while (!c->dead && !c->closing && !conn_full(c) && !stuck) {
		const struct service *s = c->service;
		const struct tls *t = c->tls;
		size_t before;

		if (c->tls && tls_read(c)) {
			conn_close(c);
			break;
		}
		before = c->in.len;
		if (!before && !c->eof)
			break;
		if (s)
			s->data(c);
		else
			recognise(c);
		stuck = c->in.len == before && c->service == s && c->tls == t;
	}
	c->running = false;
	if (!c->dead && stuck && c->in.len >= IN_MOST && !conn_full(c)) {
		c->x.cut = true;
		conn_end(c);
	}
	if (!c->dead)
		conn_settle(c);
}

/* How much came: 0 the end, -1 nothing now. */
static ssize_t receive(struct conn *c)
{
	static unsigned char chunk[IN_MOST];
	size_t room = c->tls ? sizeof chunk : IN_MOST - c->in.len;
	ssize_t r;

	if (!room)
		return -1;
	r = recv(c->watch.fd, chunk, room, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (r <= 0) {
		c->eof = true;
		return 0;
	}
	conn_touch(c);
	if (c->tls) {
		if (tls_feed(c, chunk, (size_t)r))
			conn_close(c);
	} else {
		record_got(&c->x, chunk, (size_t)r);
		buf_add(&c->in, chunk, (size_t)r);
	}
	return r;
}

static void connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
		conn_end(c);
		return;
	}
	c->connecting = false;
}

void conn_ready(struct net *n, struct watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)w;
	bool over = events & (EPOLLHUP | EPOLLERR);
	ssize_t r = -1;

	(void)n;
	if (c->dead)
		return;
	if (c->connecting)
		connected(c);
	if (c->dead)
		return;
	if (events & EPOLLOUT)
		flush(c);
	do {
		if (!c->dead && !c->eof && (over || events & EPOLLIN))
			r = receive(c);
		conn_run(c);
	} while (over && !c->dead && r > 0);
	if (over && !c->dead)
		conn_end(c);
}
