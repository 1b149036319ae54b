#include "internet/internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH 64      /* connections taken at once, before others are heard again */
#define HELD_CONN (4 * KIB)  /* of a connection itself, with its service's state */
#define HELD_TLS (48 * KIB)  /* of OpenSSL, during a handshake */
#define KEEP_BUFFER (2 * KIB)

static void unlink_conn(struct conn *c)
{
	struct net *n = c->net;

	*(c->older ? &c->older->newer : &n->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &n->newest) = c->older;
}

static void link_newest(struct conn *c)
{
	struct net *n = c->net;

	c->older = n->newest;
	c->newer = NULL;
	*(n->newest ? &n->newest->newer : &n->oldest) = c;
	n->newest = c;
}

static void touch(struct conn *c)
{
	if (c->net->newest == c)
		return;
	unlink_conn(c);
	link_newest(c);
}

/* The one longest idle, but for `but`, gives way. */
static void evict(struct net *n, const struct conn *but)
{
	struct conn *c = n->oldest == but ? but->newer : n->oldest;

	record_limit(n, "connections");
	if (c)
		conn_end(c);
}

static void hold(struct conn *c)
{
	struct net *n = c->net;
	uint64_t now = HELD_CONN + c->in.cap + c->out.cap + 2 * c->x.noted + (c->tls ? HELD_TLS : 0);

	n->held += now - c->held;
	c->held = now;
	while (n->held > HELD_MOST && n->oldest != n->newest)
		evict(n, c);
}

static void leave_service(struct conn *c)
{
	const struct service *s = c->service;

	c->service = NULL;
	if (s && s->close)
		s->close(c);
	c->state = NULL;
	c->wake_ms = 0;
}

void conn_end(struct conn *c)
{
	struct net *n = c->net;

	if (c->dead)
		return;
	c->dead = true;
	leave_service(c);
	unlink_conn(c);   /* older and newer stay what they were, for who walks the list just now */
	n->connections--;
	n->held -= c->held;
	loop_remove(n, &c->watch);
	tls_free(c->tls);
	c->tls = NULL;
	record_end(n, &c->x);
	c->next_dead = n->dead;
	n->dead = c;
}

void conn_bury(struct net *n)
{
	while (n->dead) {
		struct conn *c = n->dead;

		n->dead = c->next_dead;
		buf_free(&c->in);
		buf_free(&c->out);
		free(c);
	}
}

void conn_end_all(struct net *n)
{
	while (n->oldest)
		conn_end(n->oldest);
	conn_bury(n);
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
static void settle(struct conn *c)
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
	hold(c);
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
	leave_service(c);
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
	leave_service(c);
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
		leave_service(c);
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
		settle(c);
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
	touch(c);
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

static void conn_ready(struct net *n, struct watch *w, uint32_t events)
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

/* ---- beginning ---- */

static void address_of(const struct sockaddr_storage *s, struct in6_addr *a, uint16_t *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;

	if (s->ss_family == AF_INET6) {
		*a = v6->sin6_addr;
		*port = ntohs(v6->sin6_port);
		return;
	}
	*a = (struct in6_addr)IN6ADDR_ANY_INIT;
	a->s6_addr[10] = a->s6_addr[11] = 0xff;
	memcpy(a->s6_addr + 12, &v4->sin_addr, 4);
	*port = ntohs(v4->sin_port);
}

struct conn *conn_new(struct net *n, int fd, bool connecting)
{
	struct sockaddr_storage here = { 0 }, there = { 0 };
	socklen_t len = sizeof here, len2 = sizeof there;
	struct in6_addr a, peer;
	uint16_t port, client;
	struct conn *c;

	while (n->connections >= CONNECTIONS)
		evict(n, NULL);
	getsockname(fd, (struct sockaddr *)&here, &len);
	getpeername(fd, (struct sockaddr *)&there, &len2);
	address_of(&here, &a, &port);
	address_of(&there, &peer, &client);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	c = buf_alloc(sizeof *c);
	c->watch = (struct watch){ fd, conn_ready };
	c->net = n;
	c->connecting = connecting;
	c->events = connecting ? EPOLLOUT : EPOLLIN;
	record_begin(n, &c->x, false, &a, port, client);
	link_newest(c);
	n->connections++;
	hold(c);
	if (loop_add(n, &c->watch, c->events)) {
		conn_end(c);
		return NULL;
	}
	return c;
}

void conn_accept(struct net *n, int listener)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;
		bool tls;

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) && n->oldest) {
			evict(n, NULL);
			continue;
		}
		if (fd < 0)
			return;
		c = conn_new(n, fd, false);
		if (!c)
			continue;
		c->expected = serve_port(n, c->x.port, &tls);
		if (!tls)
			conn_guess(c);
		settle(c);
	}
}

/* ---- time ---- */

void conn_wake(struct conn *c, int in_ms)
{
	struct net *n = c->net;

	c->wake_ms = clock_mono_ms() + in_ms;
	if (!n->next_wake_ms || c->wake_ms < n->next_wake_ms)
		n->next_wake_ms = c->wake_ms;
}

int64_t conn_wake_all(struct net *n)
{
	int64_t now = clock_mono_ms(), next = 0;

	if (!n->next_wake_ms)
		return -1;
	if (now < n->next_wake_ms)
		return n->next_wake_ms - now;
	n->next_wake_ms = 0;
	for (struct conn *c = n->oldest; c; c = c->newer) {
		if (c->dead || !c->wake_ms || c->wake_ms > now)
			continue;
		c->wake_ms = 0;
		if (c->service && c->service->wake)
			c->service->wake(c);
		if (!c->dead)
			settle(c);
	}
	for (struct conn *c = n->oldest; c; c = c->newer)
		if (c->wake_ms && (!next || c->wake_ms < next))
			next = c->wake_ms;
	n->next_wake_ms = next;
	return next ? (next > now ? next - now : 0) : -1;
}
