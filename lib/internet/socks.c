/* SOCKS 4, 4a, 5 (RFC 1928, RFC 1929): takes every request, and what is then said inside is recognised like any other connection. */
#include "internet/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum phase { GREETING, CREDENTIALS, REQUEST };
struct socks { enum phase phase; };

static uint16_t port_at(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Version 4: 4, 1, port, address, user, 0; with an address 0.0.0.x a name and 0 behind (4a). */
static void version4(struct conn *c)
{
	static const unsigned char granted[8] = { 0, 90 };
	const unsigned char *p = c->in.p, *user = p + 8, *end, *name;
	char text[256];
	size_t n = c->in.len, taken;
	uint16_t port;

	if (n < 9 || !(end = memchr(user, 0, n - 8)))
		return;
	port = port_at(p + 2);
	taken = (size_t)(end + 1 - p);
	if (!p[4] && !p[5] && !p[6] && p[7]) {
		name = end + 1;
		end = memchr(name, 0, n - taken);
		if (!end)
			return;
		snprintf(text, sizeof text, "%s", (const char *)name);
		taken = (size_t)(end + 1 - p);
	} else {
		inet_ntop(AF_INET, p + 4, text, sizeof text);
	}
	if (user[0])
		record_note(&c->x, "credentials", json_pack("{s:o}", "user", jsonio_name((const char *)user)));
	conn_took(c, taken);
	conn_write(c, granted, sizeof granted);
	conn_tunnel(c, "socks4", text, port);
}

/* No login is asked for unless the client offers nothing else. */
static void greeting(struct conn *c)
{
	struct socks *s = c->state;
	unsigned char answer[2] = { 5, 0 };
	size_t n = c->in.len;

	if (n < 2 || n < 2u + c->in.p[1])
		return;
	if (!memchr(c->in.p + 2, 0, c->in.p[1]))
		answer[1] = memchr(c->in.p + 2, 2, c->in.p[1]) ? 2 : 0xff;
	s->phase = answer[1] == 2 ? CREDENTIALS : REQUEST;
	conn_took(c, 2u + c->in.p[1]);
	conn_write(c, answer, 2);
	if (answer[1] == 0xff)
		conn_close(c);
}

static void credentials(struct conn *c)
{
	static const unsigned char welcome[2] = { 1, 0 };
	struct socks *s = c->state;
	const unsigned char *p = c->in.p;
	size_t n = c->in.len, user, password;

	if (n < 2 || n < 3u + p[1])
		return;
	user = p[1];
	password = p[2 + user];
	if (n < 3 + user + password)
		return;
	record_note(&c->x, "credentials", json_pack("{s:o,s:o}", "user", jsonio_bytes(p + 2, user), "password", jsonio_bytes(p + 3 + user, password)));
	conn_took(c, 3 + user + password);
	s->phase = REQUEST;
	conn_write(c, welcome, 2);
}

/* 5, command, 0, kind of address, address, port */
static void request(struct conn *c)
{
	static const unsigned char granted[10] = { 5, 0, 0, 1 }, refused[10] = { 5, 7, 0, 1 };
	const unsigned char *p = c->in.p;
	size_t n = c->in.len, need;
	char text[256];
	uint16_t port;

	if (n < 5)
		return;
	need = 6u + (p[3] == 1 ? 4u : p[3] == 4 ? 16u : 1u + p[4]);
	if (n < need)
		return;
	if (p[3] == 1)
		inet_ntop(AF_INET, p + 4, text, sizeof text);
	else if (p[3] == 4)
		inet_ntop(AF_INET6, p + 4, text, sizeof text);
	else
		snprintf(text, sizeof text, "%.*s", (int)p[4], (const char *)p + 5);
	port = port_at(p + need - 2);
	if (p[1] != 1 || (p[3] != 1 && p[3] != 3 && p[3] != 4)) {
		conn_took(c, need);
		conn_write(c, refused, sizeof refused);
		conn_close(c);
		return;
	}
	conn_took(c, need);
	conn_write(c, granted, sizeof granted);
	conn_tunnel(c, "socks5", text, port);
}

static void socks_data(struct conn *c)
{
	const struct socks *s = c->state;

	if (!c->in.len)
		return;
	if (s->phase == GREETING && c->in.p[0] == 4)
		version4(c);
	else if (c->in.p[0] != (s->phase == CREDENTIALS ? 1 : 5))
		conn_close(c);
	else if (s->phase == GREETING)
		greeting(c);
	else if (s->phase == CREDENTIALS)
		credentials(c);
	else
		request(c);
}

static void socks_open(struct conn *c)
{
	c->state = buf_alloc(sizeof(struct socks));
}

static void socks_close(struct conn *c)
{
	free(c->state);
}

const struct service socks_service = { .name = "socks", .open = socks_open, .data = socks_data, .close = socks_close };
