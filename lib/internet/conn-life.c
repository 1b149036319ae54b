/* How connections begin, how they end, which of them give way, and when they wake. */
#include "internet/internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ACCEPT_BATCH 64      /* connections taken at once, before others are heard again */
#define HELD_CONN (4 * KIB)  /* of a connection itself, with its service's state */
#define HELD_TLS (48 * KIB)  /* of OpenSSL, during a handshake */

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

void conn_touch(struct conn *c)
{
	if (c->net->newest == c)
		return;
	unlink_conn(c);
	link_newest(c);
}

/* The one longest idle, but for `but`, gives way. */
static void evict(struct net *n, const struct conn *but)
{
	struct conn *c = n->oldest;

	if (c && c == but)
		c = c->newer;
	record_limit(n, "connections");
	if (c)
		conn_end(c);
}

void conn_hold(struct conn *c)
{
	struct net *n = c->net;
	uint64_t now = HELD_CONN + c->in.cap + c->out.cap + 2 * c->x.noted + (c->tls ? HELD_TLS : 0);

	n->held += now - c->held;
	c->held = now;
	while (n->held > HELD_MOST && n->oldest != n->newest)
		evict(n, c);
}

void conn_end(struct conn *c)
{
	struct net *n = c->net;

	if (c->dead)
		return;
	c->dead = true;
	conn_leave(c);
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

static void address_of(const struct sockaddr_storage *s, struct in6_addr *a, uint16_t *port)
{
	struct sockaddr_in v4 = { 0 };
	struct sockaddr_in6 v6 = { 0 };

	memcpy(&v4, s, sizeof v4);
	memcpy(&v6, s, sizeof v6);
	if (s->ss_family == AF_INET6) {
		*a = v6.sin6_addr;
		*port = ntohs(v6.sin6_port);
		return;
	}
	*a = (struct in6_addr)IN6ADDR_ANY_INIT;
	a->s6_addr[10] = a->s6_addr[11] = 0xff;
	memcpy(a->s6_addr + 12, &v4.sin_addr, 4);
	*port = ntohs(v4.sin_port);
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
	conn_hold(c);
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
		conn_settle(c);
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
			conn_settle(c);
	}
	for (struct conn *c = n->oldest; c; c = c->newer)
		if (c->wake_ms && (!next || c->wake_ms < next))
			next = c->wake_ms;
	n->next_wake_ms = next;
	return next ? (next > now ? next - now : 0) : -1;
}
