#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64          /* datagrams of one socket before others are heard again */
#define BUCKETS (sizeof(((struct net *)0)->flow_of) / sizeof(struct flow *))

struct came {
	struct sockaddr_storage from;
	struct in6_addr to;
	size_t len;
};

static void to_six(const struct sockaddr_storage *s, struct sockaddr_in6 *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;

	if (s->ss_family == AF_INET6) {
		memcpy(a, s, sizeof *a);
		return;
	}
	*a = (struct sockaddr_in6){ .sin6_family = AF_INET, .sin6_port = v4->sin_port };
	a->sin6_addr.s6_addr[10] = a->sin6_addr.s6_addr[11] = 0xff;
	memcpy(a->sin6_addr.s6_addr + 12, &v4->sin_addr, 4);
}

/* One datagram and where it was sent to; false: none is there. */
static bool take(int fd, unsigned char *p, size_t room, struct came *c)
{
	union { struct cmsghdr align; char bytes[256]; } control;
	struct iovec v = { p, room };
	struct msghdr m = { .msg_name = &c->from, .msg_namelen = sizeof c->from, .msg_iov = &v, .msg_iovlen = 1,
			    .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t r = recvmsg(fd, &m, MSG_DONTWAIT);

	if (r < 0)
		return false;
	c->len = (size_t)r;
	c->to = (struct in6_addr)IN6ADDR_ANY_INIT;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo i;

			memcpy(&i, CMSG_DATA(h), sizeof i);
			c->to = i.ipi6_addr;
		} else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo i;

			memcpy(&i, CMSG_DATA(h), sizeof i);
			c->to.s6_addr[10] = c->to.s6_addr[11] = 0xff;
			memcpy(c->to.s6_addr + 12, &i.ipi_addr, 4);
		}
	}
	return true;
}

static struct flow **bucket(struct net *n, const struct sockaddr_in6 *from, const struct in6_addr *to, uint16_t port)
{
	const uint64_t key[2] = { (uint64_t)n->began_ns, port };
	unsigned char text[34];

	memcpy(text, &from->sin6_addr, 16);
	memcpy(text + 16, &from->sin6_port, 2);
	memcpy(text + 18, to, 16);
	return &n->flow_of[sip_hash(key, text, sizeof text) % BUCKETS];
}

static struct flow **bucket_of(struct flow *f)
{
	return bucket(f->net, &f->client, &f->x.address, f->x.port);
}

static void unlink_flow(struct flow *f)
{
	*(f->older ? &f->older->newer : &f->net->oldest_flow) = f->newer;
	*(f->newer ? &f->newer->older : &f->net->newest_flow) = f->older;
}

static void link_newest(struct flow *f)
{
	struct net *n = f->net;

	f->older = n->newest_flow;
	f->newer = NULL;
	*(n->newest_flow ? &n->newest_flow->newer : &n->oldest_flow) = f;
	n->newest_flow = f;
}

static void end(struct flow *f)
{
	struct flow **at = bucket_of(f);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	unlink_flow(f);
	f->net->flows--;
	if (f->service->close)
		f->service->close(f);
	record_end(f->net, &f->x);
	free(f);
}

static struct flow *find(struct net *n, const struct sockaddr_in6 *from, const struct in6_addr *to, uint16_t port)
{
	struct flow *f = *bucket(n, from, to, port);

	while (f && (f->x.port != port || f->client.sin6_port != from->sin6_port || memcmp(&f->client.sin6_addr, &from->sin6_addr, 16) != 0 ||
		     memcmp(&f->x.address, to, 16) != 0))
		f = f->next;
	return f;
}

static struct flow *begin(struct net *n, int fd, const struct sockaddr_in6 *from, const struct in6_addr *to, uint16_t port, const char *guessed)
{
	struct flow *f = buf_alloc(sizeof *f), **at = bucket(n, from, to, port);

	if (n->flows >= FLOWS)
		end(n->oldest_flow);
	f->net = n;
	f->fd = fd;
	f->client = *from;
	record_begin(n, &f->x, true, to, port, ntohs(from->sin6_port));
	f->service = serve_udp_port(n, port);
	if (!f->service)
		f->service = serve_datagram(guessed);
	if (!f->service)
		f->service = &sink_datagrams;
	f->x.service = f->service == &sink_datagrams ? (*guessed ? guessed : NULL) : f->service->name;
	f->next = *at;
	*at = f;
	link_newest(f);
	n->flows++;
	return f;
}

void udp_ready(struct net *n, int fd, uint16_t port)
{
	static unsigned char p[65536];
	struct sockaddr_in6 from;
	struct came c;
	struct flow *f;

	for (int i = 0; i < BATCH && take(fd, p, sizeof p, &c); i++) {
		to_six(&c.from, &from);
		f = find(n, &from, &c.to, port);
		if (!f)
			f = begin(n, fd, &from, &c.to, port, guess_datagram(p, c.len));
		f->heard_ms = clock_mono_ms();
		unlink_flow(f);
		link_newest(f);
		record_got(&f->x, p, c.len);
		f->service->data(f, p, c.len);
	}
}

/* From the address that was written to. */
void udp_send(struct flow *f, const void *p, size_t n)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))]; } control = { .bytes = { 0 } };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = f->client.sin6_port };
	const bool v4 = f->client.sin6_family == AF_INET;
	struct in6_pktinfo six = { .ipi6_addr = f->x.address };
	struct in_pktinfo info = { 0 };
	union { const void *in; void *out; } bytes = { p };
	struct iovec v = { bytes.out, n };
	struct msghdr m = { .msg_name = &f->client, .msg_namelen = sizeof f->client, .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control };
	struct cmsghdr *h;

	m.msg_controllen = v4 ? CMSG_SPACE(sizeof info) : CMSG_SPACE(sizeof six);
	h = CMSG_FIRSTHDR(&m);
	if (v4) {
		memcpy(&four.sin_addr, f->client.sin6_addr.s6_addr + 12, 4);
		memcpy(&info.ipi_spec_dst, f->x.address.s6_addr + 12, 4);
		m.msg_name = &four;
		m.msg_namelen = sizeof four;
		*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO };
		memcpy(CMSG_DATA(h), &info, sizeof info);
	} else {
		*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof six), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO };
		memcpy(CMSG_DATA(h), &six, sizeof six);
	}
	if (sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
		f->x.sent += n;
}

void udp_end(struct net *n, int64_t idle_ms)
{
	int64_t now = clock_mono_ms();

	while (n->oldest_flow && now - n->oldest_flow->heard_ms >= idle_ms)
		end(n->oldest_flow);
}

void udp_forget(struct net *n, int fd)
{
	for (struct flow *f = n->oldest_flow, *next; f; f = next) {
		next = f->newer;
		if (f->fd == fd)
			end(f);
	}
}
