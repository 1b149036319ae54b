/* The small services: those of the first days of the Internet, SSH as far as its banner, and the sink for what nobody knows. */
#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHARGEN_MOST (256 * KIB)   /* of one connection: enough to be one */
#define LINES 24u                  /* of it at once */
#define SINCE_1900 2208988800u

static void take_all(struct conn *c)
{
	conn_took(c, c->in.len);
}

static void nothing(struct flow *f, const unsigned char *p, size_t n)
{
	(void)f;
	(void)p;
	(void)n;
}

/* ---- echo (RFC 862), discard (RFC 863), sink ---- */

static void echo_data(struct conn *c)
{
	conn_write(c, c->in.p, c->in.len);
	take_all(c);
}

/* Two machines that echo each other never end: what comes from such a port is not answered. */
static bool safe(const struct flow *f)
{
	return f->x.client_port > 19;
}

static void echo_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	if (safe(f))
		udp_send(f, p, n);
}

const struct service echo_service = { .name = "echo", .at_once = true, .data = echo_data };
const struct service discard_service = { .name = "discard", .at_once = true, .data = take_all };
const struct service sink_service = { .name = "unknown", .secure = "tls", .data = take_all };
const struct datagram_service echo_datagrams = { .name = "echo", .data = echo_datagram };
const struct datagram_service discard_datagrams = { .name = "discard", .data = nothing };
const struct datagram_service sink_datagrams = { .name = "unknown", .data = nothing };

/* name is one of guess.c's constants. */
void small_named(struct conn *c, const char *name)
{
	conn_become(c, &sink_service);
	if (*name)
		c->x.service = name;
}

/* ---- daytime (RFC 867), time (RFC 868), quote of the day (RFC 865) ---- */

static void say_daytime(const struct net *n, char *text, size_t room)
{
	time_t now = (time_t)net_now(n);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, room, "%a %b %e %H:%M:%S %Y\r\n", &tm);
}

static void daytime_open(struct conn *c)
{
	char text[64];

	say_daytime(c->net, text, sizeof text);
	conn_say(c, "%s", text);
	conn_close(c);
}

static void daytime_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	char text[64];

	(void)p;
	(void)n;
	say_daytime(f->net, text, sizeof text);
	if (safe(f))
		udp_send(f, text, strlen(text));
}

static void seconds(const struct net *n, unsigned char out[4])
{
	uint32_t s = (uint32_t)((uint64_t)net_now(n) + SINCE_1900);

	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(s >> (24 - 8 * i));
}

static void time_open(struct conn *c)
{
	unsigned char s[4];

	seconds(c->net, s);
	conn_write(c, s, sizeof s);
	conn_close(c);
}

static void time_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	unsigned char s[4];

	(void)p;
	(void)n;
	seconds(f->net, s);
	if (safe(f))
		udp_send(f, s, sizeof s);
}

static const char *quote(const struct net *n)
{
	return serve_text(n, "quotd", "quote", "What is written without effort is in general read without pleasure. (Samuel Johnson)");
}

static void quotd_open(struct conn *c)
{
	conn_say(c, "%s\r\n", quote(c->net));
	conn_close(c);
}

static void quotd_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	(void)p;
	(void)n;
	if (safe(f))
		udp_send(f, quote(f->net), strlen(quote(f->net)));
}

const struct service daytime_service = { .name = "daytime", .at_once = true, .open = daytime_open, .data = take_all };
const struct service time_service = { .name = "time", .at_once = true, .open = time_open, .data = take_all };
const struct service quotd_service = { .name = "quotd", .at_once = true, .open = quotd_open, .data = take_all };
const struct datagram_service daytime_datagrams = { .name = "daytime", .data = daytime_datagram };
const struct datagram_service time_datagrams = { .name = "time", .data = time_datagram };
const struct datagram_service quotd_datagrams = { .name = "quotd", .data = quotd_datagram };

/* ---- chargen (RFC 864) ---- */

static void chargen_line(unsigned number, char line[75])
{
	for (unsigned i = 0; i < 72; i++)
		line[i] = (char)(' ' + (number + i) % 95);
	line[72] = '\r';
	line[73] = '\n';
	line[74] = '\0';
}

static void chargen_more(struct conn *c)
{
	char line[75];

	for (unsigned i = 0; i < LINES && c->x.sent < CHARGEN_MOST; i++) {
		chargen_line((unsigned)(c->x.sent / 74), line);
		conn_write(c, line, 74);
	}
	if (c->x.sent >= CHARGEN_MOST)
		conn_close(c);
	else
		conn_wake(c, 20);
}

static void chargen_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	char line[75];

	(void)p;
	(void)n;
	chargen_line(0, line);
	if (safe(f))
		udp_send(f, line, 74);
}

const struct service chargen_service = { .name = "chargen", .at_once = true, .open = chargen_more, .data = take_all, .wake = chargen_more };
const struct datagram_service chargen_datagrams = { .name = "chargen", .data = chargen_datagram };

/* ---- finger (RFC 1288), ident (RFC 1413), syslog (RFC 3164) ---- */

static void finger_data(struct conn *c)
{
	char *line = conn_line(c, NULL);

	if (!line)
		return;
	record_note(&c->x, "queries", jsonio_name(line));
	conn_say(c, *line ? "Login: %.64s\t\t\tName: %.64s\r\nDirectory: /home/user\tShell: /bin/bash\r\nNo mail.\r\nNo Plan.\r\n"
			  : "Login    Name    Tty    Idle  Login Time\r\nroot     root    pts/0     1  Jan 17 09:13\r\n", line, line);
	conn_close(c);
}

static void ident_data(struct conn *c)
{
	char *line;

	while (!conn_full(c) && (line = conn_line(c, NULL))) {
		record_note(&c->x, "queries", jsonio_name(line));
		conn_say(c, "%.64s : USERID : UNIX : user\r\n", line);
	}
}

static void syslog_data(struct conn *c)
{
	char *line;

	while ((line = conn_line(c, NULL)))
		record_note(&c->x, "messages", jsonio_name(line));
}

static void syslog_datagram(struct flow *f, const unsigned char *p, size_t n)
{
	record_note(&f->x, "messages", jsonio_bytes(p, n < 1024 ? n : 1024));
}

const struct service finger_service = { .name = "finger", .at_once = true, .data = finger_data };
const struct service ident_service = { .name = "ident", .at_once = true, .data = ident_data };
const struct service syslog_service = { .name = "syslog", .at_once = true, .data = syslog_data };
const struct datagram_service syslog_datagrams = { .name = "syslog", .data = syslog_datagram };

/* ---- SSH (RFC 4253 4.2): the banners are exchanged; the key exchange is not answered ---- */

static void ssh_data(struct conn *c)
{
	char *line;

	if (c->state) {
		take_all(c);
		return;
	}
	line = conn_line(c, NULL);
	if (!line)
		return;
	record_set(&c->x, "client", jsonio_name(line));
	c->state = buf_alloc(1);
}

static void ssh_open(struct conn *c)
{
	conn_say(c, "SSH-2.0-%s\r\n", serve_text(c->net, "ssh", "banner", "OpenSSH_9.2p1 Debian-2+deb12u3"));
}

static void ssh_close(struct conn *c)
{
	free(c->state);
}

const struct service ssh_service = { .name = "ssh", .at_once = true, .open = ssh_open, .data = ssh_data, .close = ssh_close };
