#include "internet/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

struct port {
	struct watch watch;
	struct port *older, *newer;
	uint16_t port;
	bool udp, asked;
};

static struct port **place(const struct net *n, bool udp, uint16_t port)
{
	return udp ? &n->ports->udp[port] : &n->ports->tcp[port];
}

static void unlink_port(struct ports *t, const struct port *p)
{
	*(p->older ? &p->older->newer : &t->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &t->newest) = p->older;
}

static void link_newest(struct ports *t, struct port *p)
{
	p->older = t->newest;
	p->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = p;
	t->newest = p;
}

static void port_ready(struct net *n, struct watch *w, uint32_t events)
{
	struct port *p = (struct port *)w;

	(void)events;
	ports_used(n, p->udp, p->port);
	if (p->udp)
		udp_ready(n, p->watch.fd, p->port);
	else
		conn_accept(n, p->watch.fd);
}

int ports_socket(const struct net *n, int type, uint16_t port)
{
	const int on = 1, off = 0;
	const bool v4 = n->ports->v4_only;
	int fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -1;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	else
		setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on);
	if (v4) {
		const struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

		rc = bind(fd, (const struct sockaddr *)&a, sizeof a);
	} else {
		const struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT };

		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		rc = bind(fd, (const struct sockaddr *)&a, sizeof a);
	}
	if (rc || (type == SOCK_STREAM && listen(fd, BACKLOG))) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int ports_dial(const struct net *n, const struct in6_addr *a, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *a };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	const bool v4 = n->ports->v4_only;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -1;
	memcpy(&four.sin_addr, a->s6_addr + 12, 4);
	rc = v4 ? connect(fd, (struct sockaddr *)&four, sizeof four) : connect(fd, (struct sockaddr *)&six, sizeof six);
	if (rc && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_port(struct net *n, bool udp, uint16_t port, bool asked)
{
	struct port *p;
	int fd = ports_socket(n, udp ? SOCK_DGRAM : SOCK_STREAM, port);

	if (fd < 0)
		return -1;
	p = buf_alloc(sizeof *p);
	*p = (struct port){ .watch = { fd, port_ready }, .port = port, .udp = udp, .asked = asked };
	if (loop_add(n, &p->watch, EPOLLIN)) {
		close(fd);
		free(p);
		return -1;
	}
	*place(n, udp, port) = p;
	if (asked) {
		link_newest(n->ports, p);
		n->ports->asked++;
	}
	return 0;
}

int ports_standing(struct net *n, struct err *e)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	n->ports->v4_only = fd < 0;
	io_close(&fd);
	for (unsigned port = 1; port < 65536; port++) {
		if (n->serve->tcp[port] && open_port(n, false, (uint16_t)port, false))
			return err_sys(e, "cannot listen on TCP port %u", port), e->code = EX_UNAVAILABLE, -1;
		if (n->serve->udp[port] && open_port(n, true, (uint16_t)port, false))
			return err_sys(e, "cannot bind UDP port %u", port), e->code = EX_UNAVAILABLE, -1;
	}
	return 0;
}

void ports_used(struct net *n, bool udp, uint16_t port)
{
	struct port *p = *place(n, udp, port);

	if (!p || !p->asked || n->ports->newest == p)
		return;
	unlink_port(n->ports, p);
	link_newest(n->ports, p);
}

void ports_close(struct net *n, bool udp, uint16_t port)
{
	struct port **at = place(n, udp, port), *p = *at;

	if (!p)
		return;
	*at = NULL;
	if (p->asked) {
		unlink_port(n->ports, p);
		n->ports->asked--;
	}
	if (udp)
		udp_forget(n, p->watch.fd);
	loop_remove(n, &p->watch);
	loop_free(n, p);
}

bool ports_open(struct net *n, bool udp, uint16_t port)
{
	if (!port)
		return false;
	if (*place(n, udp, port)) {
		ports_used(n, udp, port);
		return true;
	}
	while (n->ports->asked >= PORTS) {
		struct port *p = n->ports->oldest;

		record_limit(n, "ports");
		ports_close(n, p->udp, p->port);
	}
	return open_port(n, udp, port, true) == 0;
}

void ports_free(struct net *n)
{
	if (!n->ports)
		return;
	for (unsigned port = 1; port < 65536; port++) {
		ports_close(n, false, (uint16_t)port);
		ports_close(n, true, (uint16_t)port);
	}
	free(n->ports);
}
