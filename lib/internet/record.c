#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void record_open(struct record *r, int fd)
{
	*r = (struct record){ .fd = fd };
	for (int i = 0; i < 2; i++)
		r->of_port[i] = buf_alloc(65536 * sizeof(uint16_t));
}

void record_close(struct record *r)
{
	free(r->of_port[0]);
	free(r->of_port[1]);
}

static double since_start(const struct net *n)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec * 1000000000LL + t.tv_nsec - n->began_ns) / 1e9;
}

void record_begin(struct net *n, struct exchange *x, bool udp, const struct in6_addr *address, uint16_t port, uint16_t client_port)
{
	*x = (struct exchange){ .t = since_start(n), .udp = udp, .address = *address, .port = port, .client_port = client_port };
	x->sha = digest_new();
	x->notes = json_object();
}

void record_got(struct exchange *x, const void *p, size_t len)
{
	size_t head = len < HEAD_MOST - x->head_len ? len : HEAD_MOST - x->head_len;

	memcpy(x->head + x->head_len, p, head);
	x->head_len += head;
	x->received += len;
	digest_add(x->sha, p, len);
}

void record_again(struct exchange *x)
{
	char hex[DIGEST_HEX];

	digest_end(x->sha, hex);
	x->head_len = 0;
	x->received = x->sent = 0;
}

/* Is there room for v? Measured as the text it will be. */
static bool fits(struct exchange *x, const json_t *v)
{
	size_t size = json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) + 2, most = x->udp ? NOTES_MOST / 4 : NOTES_MOST;

	if (size > most - x->noted) {
		x->cut = true;
		return false;
	}
	x->noted += size;
	return true;
}

void record_note(struct exchange *x, const char *key, json_t *v)
{
	if (fits(x, v))
		json_array_append_new(jsonio_array(x->notes, key), v);
	else
		json_decref(v);
}

void record_set(struct exchange *x, const char *key, json_t *v)
{
	if (fits(x, v))
		json_object_set_new(x->notes, key, v);
	else
		json_decref(v);
}

void record_bytes(json_t *o, const char *key, const void *p, size_t len)
{
	char *other;

	if (!memchr(p, 0, len)) {
		json_object_set_new(o, key, jsonio_bytes(p, len));
		return;
	}
	other = buf_printf("%s_base64", key);
	json_object_set_new(o, other, jsonio_base64(p, len));
	free(other);
}

static void put_line(struct net *n, const json_t *o)
{
	struct buf b = { 0 };

	jsonio_dump_line(o, &b);
	if (b.len <= RECORDS_MOST - n->record.bytes && !io_write(n->record.fd, b.p, b.len))
		n->record.bytes += b.len;
	else
		n->record.full = true;
	buf_free(&b);
}

static void put_limit(struct net *n, const char *what, bool udp, int port)
{
	json_t *o = json_pack("{s:s}", "limit", what);

	if (port >= 0) {
		json_object_set_new(o, "protocol", json_string(udp ? "udp" : "tcp"));
		json_object_set_new(o, "port", json_integer(port));
	}
	put_line(n, o);
	json_decref(o);
	record_limit(n, what);
}

/* False: no more of these are written. */
static bool counted(struct net *n, const struct exchange *x)
{
	uint16_t *of_port = &n->record.of_port[x->udp][x->port];

	if (n->record.full)
		return false;
	/* The last line and the last bytes are the limit's own. */
	if (n->record.lines >= EXCHANGES_MOST || n->record.bytes > RECORDS_MOST - 64 * KIB) {
		put_limit(n, "exchanges", false, -1);
		n->record.full = true;
		return false;
	}
	if (*of_port > EXCHANGES_PORT)
		return false;
	if (++*of_port > EXCHANGES_PORT) {
		put_limit(n, "exchanges-port", x->udp, x->port);
		return false;
	}
	n->record.lines++;
	return true;
}

static json_t *exchange_json(const struct net *n, struct exchange *x)
{
	char address[INET6_ADDRSTRLEN], hex[DIGEST_HEX];
	const char *name = x->name ? x->name : names_of(n->names, &x->address);
	json_t *o;

	names_text(&x->address, address);
	digest_end(x->sha, hex);
	o = json_pack("{s:f,s:s,s:s,s:i,s:s,s:o,s:i,s:I,s:I}", "t", x->t, "protocol", x->udp ? "udp" : "tcp",
		"service", x->service ? x->service : "unknown", "client_port", (int)x->client_port, "address", address,
		"name", name ? jsonio_name(name) : json_null(), "port", (int)x->port, "sent", (json_int_t)x->sent, "received", (json_int_t)x->received);
	record_bytes(o, "head", x->head, x->head_len);
	json_object_set_new(o, "sha256", json_string(hex));
	if (x->cut)
		json_object_set_new(o, "cut", json_true());
	json_object_update(o, x->notes);
	return o;
}

void record_end(struct net *n, struct exchange *x)
{
	if (counted(n, x)) {
		json_t *o = exchange_json(n, x);

		put_line(n, o);
		json_decref(o);
	}
	digest_free(x->sha);
	json_decref(x->notes);
	free(x->name);
	*x = (struct exchange){ 0 };
}

void record_limit(struct net *n, const char *what)
{
	size_t i;
	json_t *v;

	json_array_foreach(n->limits, i, v) {
		if (!strcmp(json_string_value(v), what))
			return;
	}
	json_array_append_new(n->limits, json_string(what));
}

void record_keep(struct kept *k, const void *p, size_t len)
{
	size_t head = len < HEAD_MOST - k->head_len ? len : HEAD_MOST - k->head_len;

	if (!k->sha)
		k->sha = digest_new();
	memcpy(k->head + k->head_len, p, head);
	k->head_len += head;
	k->size += len;
	digest_add(k->sha, p, len);
}

void record_kept(struct kept *k, json_t *o, const char *prefix)
{
	char hex[DIGEST_HEX], *key;

	if (!k->sha)
		k->sha = digest_new();
	digest_end(k->sha, hex);
	key = buf_printf("%ssha256", prefix);
	json_object_set_new(o, key, json_string(hex));
	free(key);
	key = buf_printf("%ssize", prefix);
	json_object_set_new(o, key, json_integer((json_int_t)k->size));
	free(key);
	key = buf_printf("%shead", prefix);
	record_bytes(o, key, k->head, k->head_len);
	free(key);
	record_drop(k);
}

void record_drop(struct kept *k)
{
	digest_free(k->sha);
	*k = (struct kept){ 0 };
}
