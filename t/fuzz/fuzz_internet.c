/*
 * What a sample says to the dummy Internet. The first byte chooses: recognisers and readers one by one, or a whole connection to a
 * service, fed in pieces. Nothing crashes, nothing grows past its limit, an answer of DNS is one, and pieces do not matter.
 * rooms: internet confine base
 */
#include "internet/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net *net;
static const char *const ports[] = { "http", "irc", "smtp", "pop3", "imap", "ftp", "telnet", "socks", "dns", "finger", "ident", "syslog", "ssh", "echo" };
#define PORTS_ (sizeof ports / sizeof *ports)

static void open_net(void)
{
	struct err e = { 0 };
	json_t *pools = json_pack("[s]", "104.16.0.0/13");

	net = buf_alloc(sizeof *net);
	net->epoll = loop_open(&e);
	net->settings = json_pack("{s:{s:[{s:s,s:s}]},s:{s:i,s:[s,s]}}", "http", "pages", "host", "*ip*", "body", "$ADDRESS", "irc", "delay_ms", 0, "commands", "!a", "!b");
	net->serve = buf_alloc(sizeof *net->serve);
	net->ports = buf_alloc(sizeof *net->ports);
	net->names = names_new(pools, "2606:4700::");
	net->dns = (struct dns_settings){ .names = net->names, .ttl = 300 };
	net->limits = json_array();
	net->tls = tls_context_new(net, &e);
	record_open(&net->record, open("/dev/null", 1));
	json_decref(pools);
	if (net->epoll < 0 || !net->names || !net->tls)
		abort();
}

/* FTP dials where the client says: into a network that leads nowhere. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		abort();
	return 0;
}

static void dns(const uint8_t *p, size_t n)
{
	struct buf out = { 0 };
	json_t *note = NULL;
	const bool udp = n & 1;

	if (dns_answer(&net->dns, p, n, 65535, udp, &out, &note)) {
		if (out.len < 12 || memcmp(out.p, p, 2) != 0 || !(out.p[2] & 0x80) || (udp && out.len > 4096))
			abort();
		if (note && !json_string_value(json_object_get(note, "name")))
			abort();
	}
	json_decref(note);
	buf_free(&out);
	if (names_count(net->names) > 20000) {   /* a fresh table, now and then */
		names_free(net->names);
		note = json_pack("[s]", "104.16.0.0/13");
		net->dns.names = net->names = names_new(note, "2606:4700::");
		json_decref(note);
	}
}

static void packets(const uint8_t *p, size_t n)
{
	struct scan *s = scan_new();

	while (n > 2) {
		size_t len = p[0] < n - 1 ? p[0] : n - 1;

		scan_packet(s, p + 1, len, (int64_t)n * 1000);
		p += 1 + len;
		n -= 1 + len;
	}
	json_decref(scan_report(s));
	scan_free(s);
}

/* A service at one end of a socket pair, what the sample says at the other. */
static void connection(const struct service *service, const uint8_t *p, size_t n, size_t piece)
{
	int pair[2];
	struct conn *c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		abort();
	c = conn_new(net, pair[0], false);
	c->expected = service;
	if (service)
		conn_become(c, service);
	for (size_t at = 0; at < n && !c->dead; at += piece) {
		char answer[65536];
		ssize_t r = send(pair[1], p + at, n - at < piece ? n - at : piece, MSG_NOSIGNAL);

		if (r > 0)
			c->watch.ready(net, &c->watch, 1);
		while (recv(pair[1], answer, sizeof answer, 0) > 0)
			;
		if (!c->dead && (c->in.len > IN_MOST || c->x.noted > NOTES_MOST || c->out.len > OUT_MOST + 256 * KIB))
			abort();
	}
	close(pair[1]);
	for (int i = 0; i < 4 && !c->dead; i++) {
		if (c->service && c->service->wake)
			c->service->wake(c);
		if (!c->dead)
			c->watch.ready(net, &c->watch, 1);
	}
	conn_end_all(net);
	loop_bury(net);
	if (net->held || net->connections)
		abort();
	net->record.lines = net->record.full = 0;
	net->record.bytes = 0;
	memset(net->record.of_port[0], 0, 65536 * sizeof(uint16_t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello h;
	unsigned what;

	if (!net)
		open_net();
	if (size < 2 || size > 65536)
		return 0;
	what = data[0];
	switch (what % 32) {
	case 0: guess_stream(data + 1, size - 1); break;
	case 1: guess_datagram(data + 1, size - 1); break;
	case 2: hello_read(data + 1, size - 1, &h); break;
	case 3: dns(data + 1, size - 1); break;
	case 4: packets(data + 1, size - 1); break;
	case 5: connection(NULL, data + 2, size - 2, 1u + data[1]); break;
	default: connection(serve_stream(ports[what % PORTS_]), data + 2, size - 2, 1u + data[1] * 16u); break;
	}
	return 0;
}
