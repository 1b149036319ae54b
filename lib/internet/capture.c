#include "internet/internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define ROUNDS 8                  /* batches before others are heard again */
#define FRAME_MOST (ETH_HLEN + 65536)
#define RECEIVE (16 * 1024 * 1024) /* of the kernel's queue: a scan is faster than we are for a while */
#define UNWRITTEN (64 * KIB)
#define LINKTYPE_ETHERNET 1

struct capture {
	struct watch watch;
	int file;
	uint64_t bytes, packets, written, dropped;
	bool full;
	struct buf unwritten;
	struct scan *scan;
	unsigned char *frames;
};

/* Loopback shows each packet twice; of the two the one on its way out. */
static int only_outgoing(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { sizeof code / sizeof *code, code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static void flush(struct net *n, struct capture *c)
{
	if (c->unwritten.len && io_write(c->file, c->unwritten.p, c->unwritten.len)) {
		c->full = true;
		record_limit(n, "pcap");
	}
	buf_clear(&c->unwritten);
}

static void put_packet(struct net *n, struct capture *c, const unsigned char *p, size_t len, int64_t us)
{
	const uint32_t head[4] = { (uint32_t)(us / 1000000), (uint32_t)(us % 1000000), (uint32_t)len, (uint32_t)len };

	c->packets++;
	if (c->full)
		return;
	if (c->bytes + sizeof head + len > CAPTURE_MOST) {
		c->full = true;
		record_limit(n, "pcap");
		return;
	}
	buf_add(&c->unwritten, head, sizeof head);
	buf_add(&c->unwritten, p, len);
	c->bytes += sizeof head + len;
	c->written++;
	if (c->unwritten.len >= UNWRITTEN)
		flush(n, c);
}

/* 0: no more is there. */
static int take_batch(struct net *n, struct capture *c)
{
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec v[BATCH];
	struct timespec t;
	int64_t us;
	int got;

	for (int i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ c->frames + (size_t)i * FRAME_MOST, FRAME_MOST };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	got = recvmmsg(c->watch.fd, m, BATCH, MSG_DONTWAIT, NULL);
	if (got <= 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &t);
	us = t.tv_sec * 1000000LL + t.tv_nsec / 1000;
	for (int i = 0; i < got; i++) {
		const unsigned char *p = v[i].iov_base;

		put_packet(n, c, p, m[i].msg_len, us);
		if (m[i].msg_len > ETH_HLEN)
			scan_packet(c->scan, p + ETH_HLEN, m[i].msg_len - ETH_HLEN, us);
	}
	return got == BATCH;
}

static void capture_ready(struct net *n, struct watch *w, uint32_t events)
{
	struct capture *c = (struct capture *)w;
	int rounds = ROUNDS;

	(void)events;
	while (rounds-- && take_batch(n, c))
		;
}

/* All that came until now, and into the file. */
void capture_drain(struct net *n)
{
	int rounds = 4096;   /* a flood does not keep us here */

	while (rounds-- && take_batch(n, n->capture))
		;
	flush(n, n->capture);
}

struct capture *capture_open(struct net *n, int file, struct err *e)
{
	/* libpcap's file header: magic, version 2.4, snapshot length, link type */
	const uint32_t head[6] = { 0xa1b2c3d4, 4u << 16 | 2, 0, 0, FRAME_MOST, LINKTYPE_ETHERNET };
	struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct capture *c = buf_alloc(sizeof *c);

	c->file = file;
	c->bytes = sizeof head;
	c->scan = scan_new();
	c->frames = buf_alloc((size_t)BATCH * FRAME_MOST);
	c->watch = (struct watch){ socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), capture_ready };
	lo.sll_ifindex = (int)if_nametoindex("lo");
	if (c->watch.fd < 0 || !lo.sll_ifindex || only_outgoing(c->watch.fd) || bind(c->watch.fd, (struct sockaddr *)&lo, sizeof lo)) {
		err_sys(e, "cannot capture packets");
		e->code = EX_UNAVAILABLE;
		capture_close(c);
		return NULL;
	}
	if (setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ RECEIVE }, sizeof(int)))
		setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE }, sizeof(int));
	if (io_write(file, head, sizeof head) || loop_add(n, &c->watch, EPOLLIN)) {
		err_sys(e, "cannot write the capture");
		capture_close(c);
		return NULL;
	}
	return c;
}

json_t *capture_report(struct net *n)
{
	struct capture *c = n->capture;
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof stats;

	if (!getsockopt(c->watch.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		c->dropped += stats.tp_drops;
	if (c->dropped)
		record_limit(n, "packets");
	if (scan_full(c->scan))
		record_limit(n, "scan");
	return json_pack("{s:o,s:{s:I,s:I,s:I}}", "scan", scan_report(c->scan), "capture", "packets", (json_int_t)c->packets,
		"written", (json_int_t)c->written, "dropped", (json_int_t)c->dropped);
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	io_close(&c->watch.fd);
	scan_free(c->scan);
	buf_free(&c->unwritten);
	free(c->frames);
	free(c);
}

void capture_flush(struct net *n)
{
	flush(n, n->capture);
}
