/* What was said to the dummy Internet: by whom, in dynamic.json's words, and what it gives away. */
#include "micro/dynamic-internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGES 1000u
#define INDICATORS 500u
#define PORTS 65536u
#define NAMES 20u                /* that a program which was not made to look for names hardly asks for */
#define LATE 0.1                 /* seconds that a call may be written down behind the exchange that it began */

/* ---- whose they are ---- */

struct item { json_t *exchange; };

static int by_time(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	double x = jsonio_num(left->exchange, "t", 0), y = jsonio_num(right->exchange, "t", 0);

	return (x > y) - (x < y);
}

/* In order of time, which is that of the events from then on. What is no exchange but a limit is left out. */
static struct item *in_order(const json_t *exchanges, double began, size_t *n)
{
	struct item *all = buf_alloc((json_array_size(exchanges) + 1) * sizeof *all);
	json_t *o;
	size_t i;

	*n = 0;
	json_array_foreach(exchanges, i, o) {
		if (!jsonio_str(o, "service"))
			continue;
		json_object_set_new(o, "t", json_real(round((jsonio_num(o, "t", 0) + began) * 1000) / 1000));
		all[(*n)++].exchange = o;
	}
	qsort(all, *n, sizeof *all, by_time);
	return all;
}

struct callers { int32_t tcp[PORTS], udp[PORTS]; };   /* by the socket's own port */

static void note_caller(struct callers *c, const json_t *event)
{
	json_int_t port = jsonio_int(event, "local_port", 0);

	if (port > 0 && port < PORTS)
		(strcmp(jsonio_text(event, "protocol"), "udp") ? c->tcp : c->udp)[port] = (int32_t)jsonio_int(event, "pid", 0);
}

static int caller(const struct callers *c, const json_t *exchange)
{
	json_int_t port = jsonio_int(exchange, "client_port", 0);

	if (port <= 0 || port >= PORTS)
		return 0;
	return strcmp(jsonio_text(exchange, "protocol"), "udp") ? c->tcp[port] : c->udp[port];
}

json_t *traffic_exchanges(const json_t *exchanges, const json_t *events, double began, unsigned *left_out)
{
	struct callers *c = buf_alloc(sizeof *c);
	json_t *list = json_array();
	size_t n, at = 0;
	struct item *all = in_order(exchanges, began, &n);

	for (size_t i = 0; i < n; i++) {
		json_t *o = all[i].exchange;
		int pid;

		for (; at < json_array_size(events) && jsonio_num(json_array_get(events, at), "t", 0) <= jsonio_num(o, "t", 0) + LATE; at++)
			note_caller(c, json_array_get(events, at));
		pid = caller(c, o);
		if (pid)
			json_object_set_new(o, "pid", json_integer(pid));
		if (json_array_size(list) < EXCHANGES)
			json_array_append(list, o);
		else
			++*left_out;
	}
	free(all);
	free(c);
	return list;
}

/* ---- what they give away ---- */

static void add(json_t *list, json_t *seen, const char *kind, const char *value, const char *from, size_t at)
{
	struct buf key = { 0 };

	buf_addf(&key, "%s %s", kind, value);
	if (*value && json_array_size(list) < INDICATORS && !json_object_get(seen, buf_str(&key))) {
		json_object_set_new(seen, buf_str(&key), json_true());
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", kind, "value", value, "from", json_sprintf("%s:%zu", from, at)));
	}
	buf_free(&key);
}

static void add_pages(json_t *list, json_t *seen, const json_t *exchange, size_t at)
{
	bool tls = json_object_get(exchange, "tls");
	size_t i;
	json_t *o;

	json_array_foreach(json_object_get(exchange, "http"), i, o) {
		char *url = buf_printf("%s://%s%s", tls ? "https" : "http", jsonio_text(o, "host"), jsonio_text(o, "path"));

		if (*jsonio_text(o, "host"))
			add(list, seen, "url", url, "exchanges", at);
		add(list, seen, "user-agent", jsonio_text(o, "user_agent"), "exchanges", at);
		free(url);
	}
}

static void add_mail(json_t *list, json_t *seen, const json_t *mail, size_t at)
{
	size_t i;
	json_t *o;

	add(list, seen, "email", jsonio_text(mail, "from"), "exchanges", at);
	json_array_foreach(json_object_get(mail, "to"), i, o)
		if (json_is_string(o))
			add(list, seen, "email", json_string_value(o), "exchanges", at);
}

/* One of those that were asked one after the other: they say nothing. */
static bool scanned(const json_t *exchange, const json_t *scans)
{
	size_t i;
	json_t *o;

	json_array_foreach(scans, i, o)
		if (!strcmp(jsonio_text(o, "protocol"), jsonio_text(exchange, "protocol")) && jsonio_int(o, "port", 0) == jsonio_int(exchange, "port", -1))
			return true;
	return false;
}

json_t *traffic_indicators(const json_t *exchanges, const json_t *scans)
{
	json_t *list = json_array(), *seen = json_object(), *o, *q;
	size_t i, k;

	json_array_foreach(exchanges, i, o) {
		json_array_foreach(json_object_get(o, "dns"), k, q)
			add(list, seen, "domain", jsonio_text(q, "name"), "exchanges", i);
		add_pages(list, seen, o, i);
		/* An address that no name led to stands in the code itself. */
		if (!jsonio_str(o, "name") && strcmp(jsonio_text(o, "service"), "dns") && !scanned(o, scans))
			add(list, seen, "ip", jsonio_text(o, "address"), "exchanges", i);
		json_array_foreach(json_object_get(o, "smtp"), k, q)
			add_mail(list, seen, q, i);
	}
	json_decref(seen);
	return list;
}

static void sign_scan(json_t *signs, const json_t *o)
{
	char *text = buf_printf("it asked %lld addresses for %.20s port %lld, in %.20s order, %.0f a second, first %.50s",
		(long long)jsonio_int(o, "addresses", 0), jsonio_text(o, "protocol"), (long long)jsonio_int(o, "port", 0), jsonio_text(o, "order"),
		jsonio_num(o, "rate", 0), jsonio_text(o, "first"));

	trail_sign(signs, "scans", text);
	free(text);
}

/* Names that code makes up, one after the other, until one of them answers. */
static void sign_names(json_t *signs, const json_t *exchanges)
{
	json_t *names = json_object(), *o, *q;
	size_t i, k;
	char *text;

	json_array_foreach(exchanges, i, o)
		json_array_foreach(json_object_get(o, "dns"), k, q)
			json_object_set_new(names, jsonio_text(q, "name"), json_true());
	if (json_object_size(names) >= NAMES) {
		text = buf_printf("it asked for %zu names, first %.100s", json_object_size(names), json_object_iter_key(json_object_iter(names)));
		trail_sign(signs, "asks-many-names", text);
		free(text);
	}
	json_decref(names);
}

void traffic_signs(json_t *signs, const json_t *exchanges, const json_t *scans)
{
	const json_t *o;
	char *text;
	size_t i;

	sign_names(signs, exchanges);
	json_array_foreach(scans, i, o)
		sign_scan(signs, o);
	json_array_foreach(exchanges, i, o) {
		const json_t *channel = json_array_get(json_object_get(o, "joined"), 0), *mail = json_array_get(json_object_get(o, "smtp"), 0);

		if (channel) {
			text = buf_printf("it joined the channel %.100s as %.60s", jsonio_text(channel, "channel"), jsonio_text(o, "nick"));
			trail_sign(signs, "joins-irc", text);
			free(text);
		}
		if (mail) {
			text = buf_printf("it sent a mail from %.100s", jsonio_text(mail, "from"));
			trail_sign(signs, "sends-mail", text);
			free(text);
		}
	}
}
