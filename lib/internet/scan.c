/*
 * What the packets say of a search for hosts: destination order, rate, and the fingerprint of the headers. Orders after the project's
 * ALGORITHMS (Spearman's rank correlation for sweeps); Mirai's mark (sequence number = destination) after Antonakakis et al. 2017;
 * masscan's (IP identification = destination ^ port ^ sequence number) after Durumeric et al. 2014.
 */
#include "internet/internal.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DESTINATIONS_LEAST 15u   /* distinct addresses on one port: below it a program with a list of servers looks the same */
#define STEPS_LEAST 8u           /* changes of destination, below which no order is told */
#define STATES 4096u             /* ports of a protocol that are watched */
#define SEEN (1u << 20)          /* distinct destinations that are told apart, all ports together */
#define FLOWS_SEEN 65536u        /* the last flows, for knowing answers */
#define SAMPLE 512u              /* destinations whose order is correlated with time */
#define SHARE 0.8                /* of the steps, or the packets, that must agree */

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58 };

/* A property that is told when most packets agree on it. */
struct agreed { uint32_t first; uint64_t same; };

struct state {
	uint8_t protocol;
	uint16_t port;
	uint64_t count, steps, constant, revisits;
	uint32_t distinct;
	int64_t first_us, last_us;
	uint64_t at, step;               /* the last destination, and the step to it */
	uint64_t *sample;
	size_t sampled;
	struct agreed ttl, window, source_port, id, seq;
	uint64_t ids_up, ids_masscan, seq_is_address;
	uint32_t last_id;
	char options[64];
	uint64_t options_same;
	uint64_t payloads, payload_same, payload_hash;
	char payload_sha256[DIGEST_HEX];
};

struct scan {
	struct state *state[STATES * 2];
	size_t states;
	uint64_t *seen;
	size_t n_seen;
	uint64_t flow[FLOWS_SEEN];
	uint64_t key[2];
	bool full;
};

struct packet {
	uint8_t protocol, ttl;
	unsigned char from[16], to[16];
	bool v6;
	uint16_t source, port, window, flags;
	uint32_t id, seq;
	const unsigned char *options, *payload;
	size_t options_len, payload_len;
};

struct scan *scan_new(void)
{
	struct scan *s = buf_alloc(sizeof *s);

	s->seen = buf_alloc(SEEN * sizeof *s->seen);
	s->key[0] = (uint64_t)clock_mono_ms() * 0x9e3779b97f4a7c15u;
	s->key[1] = (uint64_t)(uintptr_t)s;
	return s;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATES * 2; i++) {
		if (s->state[i])
			free(s->state[i]->sample);
		free(s->state[i]);
	}
	free(s->seen);
	free(s);
}

bool scan_full(const struct scan *s)
{
	return s->full;
}

/* ---- headers ---- */

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool read_ip(const unsigned char *p, size_t n, struct packet *k, size_t *at)
{
	size_t len;

	if (n >= 20 && p[0] >> 4 == 4) {
		*at = (size_t)(p[0] & 15) * 4;
		len = get16(p + 2);
		if (*at < 20 || len < *at || len > n || get16(p + 6) & 0x1fff)   /* no later fragments */
			return false;
		k->ttl = p[8];
		k->protocol = p[9];
		k->id = get16(p + 4);
		memcpy(k->from + 12, p + 12, 4);
		memcpy(k->to + 12, p + 16, 4);
		k->payload_len = len - *at;
		return true;
	}
	if (n < 40 || p[0] >> 4 != 6)
		return false;
	len = get16(p + 4);
	if (len > n - 40)
		return false;
	k->v6 = true;
	k->ttl = p[7];
	k->protocol = p[6];
	memcpy(k->from, p + 8, 16);
	memcpy(k->to, p + 24, 16);
	*at = 40;
	k->payload_len = len;
	return true;
}

static bool read_packet(const unsigned char *p, size_t n, struct packet *k)
{
	size_t at, head;

	memset(k, 0, sizeof *k);
	if (!read_ip(p, n, k, &at))
		return false;
	p += at;
	if (k->protocol == TCP) {
		if (k->payload_len < 20)
			return false;
		head = (size_t)(p[12] >> 4) * 4;
		if (head < 20 || head > k->payload_len)
			return false;
		k->seq = get32(p + 4);
		k->flags = p[13];
		k->window = get16(p + 14);
		k->options = p + 20;
		k->options_len = head - 20;
	} else if (k->protocol == UDP || k->protocol == ICMP || k->protocol == ICMP6) {
		head = 8;
		if (k->payload_len < head)
			return false;
	} else {
		return false;
	}
	if (k->protocol == TCP || k->protocol == UDP) {
		k->source = get16(p);
		k->port = get16(p + 2);
	} else {
		k->flags = p[0];
	}
	k->payload = p + head;
	k->payload_len -= head;
	return true;
}

/* As p0f writes them: "M1460,S,T,N,W7". */
static void options_text(const struct packet *k, char out[64])
{
	static const char *const names[] = { "E", "N", "M", "W", "S", NULL, NULL, NULL, "T" };
	size_t at = 0, i = 0;

	out[0] = '\0';
	while (i < k->options_len && at < 50) {
		const unsigned char kind = k->options[i], *p = k->options + i;
		size_t len = kind < 2 ? 1 : i + 1 < k->options_len ? p[1] : 0;

		if (!len || (kind >= 2 && len < 2) || len > k->options_len - i)
			break;
		if (at)
			out[at++] = ',';
		if (kind == 2 && len == 4)
			at += (size_t)snprintf(out + at, 64 - at, "M%u", get16(p + 2));
		else if (kind == 3 && len == 3)
			at += (size_t)snprintf(out + at, 64 - at, "W%u", p[2]);
		else if (kind < sizeof names / sizeof *names && names[kind])
			at += (size_t)snprintf(out + at, 64 - at, "%s", names[kind]);
		else
			at += (size_t)snprintf(out + at, 64 - at, "?%u", kind);
		i += len;
		if (!kind)
			break;
	}
}

/* ---- who answers whom ---- */

static uint64_t flow_hash(const struct scan *s, const unsigned char *a, uint16_t a_port, const unsigned char *b, uint16_t b_port)
{
	unsigned char text[36];

	memcpy(text, a, 16);
	memcpy(text + 16, &a_port, 2);
	memcpy(text + 18, b, 16);
	memcpy(text + 34, &b_port, 2);
	return sip_hash(s->key, text, sizeof text) | 1;
}

/* Of datagrams: does it answer one that went the other way? */
static bool answers(struct scan *s, const struct packet *k)
{
	uint64_t back = flow_hash(s, k->to, k->port, k->from, k->source), forth;

	if (s->flow[back % FLOWS_SEEN] == back)
		return true;
	forth = flow_hash(s, k->from, k->source, k->to, k->port);
	s->flow[forth % FLOWS_SEEN] = forth;
	return false;
}

/* True when this destination is new to this port. */
static bool first_time(struct scan *s, const struct packet *k)
{
	unsigned char text[19];
	uint64_t h;
	size_t i;

	text[0] = k->protocol;
	memcpy(text + 1, &k->port, 2);
	memcpy(text + 3, k->to, 16);
	h = sip_hash(s->key, text, sizeof text) | 1;
	for (i = h % SEEN; s->seen[i]; i = (i + 1) % SEEN)
		if (s->seen[i] == h)
			return false;
	if (s->n_seen >= SEEN / 4 * 3) {
		s->full = true;
		return false;
	}
	s->seen[i] = h;
	s->n_seen++;
	return true;
}

static struct state *find(struct scan *s, const struct packet *k, bool make)
{
	const unsigned char text[3] = { k->protocol, (unsigned char)(k->port >> 8), (unsigned char)k->port };
	size_t i = sip_hash(s->key, text, sizeof text) % (STATES * 2);

	while (s->state[i] && (s->state[i]->protocol != k->protocol || s->state[i]->port != k->port))
		i = (i + 1) % (STATES * 2);
	if (s->state[i] || !make)
		return s->state[i];
	if (s->states == STATES) {
		s->full = true;
		return NULL;
	}
	s->states++;
	s->state[i] = buf_alloc(sizeof(struct state));
	s->state[i]->protocol = k->protocol;
	s->state[i]->port = k->port;
	return s->state[i];
}

/* ---- gathering ---- */

static void agree(struct agreed *a, uint32_t v, bool first)
{
	if (first)
		a->first = v;
	a->same += a->first == v;
}

static void take_order(struct state *t, uint64_t at, bool fresh)
{
	uint64_t step = at - t->at;

	if (t->count && step) {
		t->constant += step == 1 || step == (uint64_t)-1 || (t->steps && step == t->step);
		t->revisits += !fresh;
		t->steps++;
		t->step = step;
	}
	if (t->count && !step)   /* sent again */
		return;
	t->at = at;
	if (!t->sample)
		t->sample = buf_alloc(SAMPLE * sizeof *t->sample);
	if (t->sampled < SAMPLE)
		t->sample[t->sampled++] = at;
}

static void take_header(struct state *t, const struct packet *k)
{
	const bool first = !t->count;
	const uint32_t to = get32(k->to + 12);
	char options[64];

	agree(&t->ttl, k->ttl, first);
	agree(&t->source_port, k->source, first);
	agree(&t->id, k->id, first);
	t->ids_up += !first && (k->id - t->last_id - 1) % 65536 < 64;
	t->last_id = k->id;
	if (k->protocol != TCP)
		return;
	agree(&t->window, k->window, first);
	agree(&t->seq, k->seq, first);
	t->seq_is_address += k->seq == to;
	t->ids_masscan += k->id == ((to ^ k->port ^ k->seq) & 0xffff);
	options_text(k, options);
	if (first)
		memcpy(t->options, options, sizeof options);
	t->options_same += !strcmp(t->options, options);
}

static void take_payload(struct scan *s, struct state *t, const struct packet *k)
{
	uint64_t h = sip_hash(s->key, k->payload, k->payload_len);

	if (!t->payloads++) {
		t->payload_hash = h;
		digest_bytes(k->payload, k->payload_len, t->payload_sha256);
	}
	t->payload_same += h == t->payload_hash;
}

static uint64_t position(const struct packet *k)
{
	return k->v6 ? (uint64_t)get32(k->to + 8) << 32 | get32(k->to + 12) : get32(k->to + 12);
}

void scan_packet(struct scan *s, const unsigned char *p, size_t n, int64_t us)
{
	struct packet k;
	struct state *t;
	bool opens, fresh;

	if (!read_packet(p, n, &k))
		return;
	if (k.protocol == TCP)
		opens = (k.flags & 0x12) == 2;   /* SYN without ACK */
	else if (k.protocol == UDP)
		opens = !answers(s, &k);
	else
		opens = k.flags == (k.protocol == ICMP ? 8 : 128);   /* echo request */
	t = find(s, &k, opens);
	if (!t)
		return;
	if (opens) {
		fresh = first_time(s, &k);
		t->distinct += fresh;
		take_order(t, position(&k), fresh);
		take_header(t, &k);
		if (!t->count++)
			t->first_us = us;
		t->last_us = us;
	}
	if (k.payload_len && (k.protocol != UDP || opens))
		take_payload(s, t, &k);
}

/* ---- telling ---- */

struct ranked { uint64_t value; double rank; size_t index; };

static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

/* Spearman's rho between time and destination; equal values share their mean rank. */
static double spearman(const struct state *t)
{
	const size_t n = t->sampled;
	struct ranked *r = buf_alloc((n + 1) * sizeof *r);
	const double mean = ((double)n + 1) / 2;
	double xy = 0, xx = 0, yy = 0;

	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ t->sample[i], 0, i };
	qsort(r, n, sizeof *r, by_value);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i; j < n && r[j].value == r[i].value; j++)
			;
		for (size_t k = i; k < j; k++)
			r[k].rank = (double)(i + 1 + j) / 2;
	}
	for (size_t i = 0; i < n; i++) {
		double x = (double)(r[i].index + 1) - mean, y = r[i].rank - mean;

		xy += x * y;
		xx += x * x;
		yy += y * y;
	}
	free(r);
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void tell_order(const struct state *t, json_t *o)
{
	double constant = share(t->constant, t->steps), again = share(t->revisits, t->steps), rho = spearman(t);
	const char *order = "random";

	if (t->steps < STEPS_LEAST)
		order = "undetermined";
	else if (constant >= SHARE)
		order = "sequential";
	else if (again >= 0.5)
		order = "fixed";
	else if (fabs(rho) > SHARE)
		order = "sweep";
	json_object_set_new(o, "order", json_string(order));
	json_object_set_new(o, "order_by", json_pack("{s:I,s:f,s:f,s:f}", "steps", (json_int_t)t->steps, "constant_share", constant,
		"revisit_share", again, "spearman", rho));
}

static bool most(const struct agreed *a, const struct state *t)
{
	return share(a->same, t->count) >= SHARE;
}

static void tell_agreed(const struct agreed *a, const struct state *t, json_t *o, const char *key)
{
	json_object_set_new(o, key, most(a, t) ? json_integer(a->first) : json_null());
}

static const char *id_rule(const struct state *t)
{
	if (most(&t->id, t))
		return t->id.first ? "constant" : "zero";
	if (share(t->ids_up, t->count - 1) >= SHARE)
		return "incrementing";
	if (t->protocol == TCP && share(t->ids_masscan, t->count) >= SHARE)
		return "destination-xor-port-xor-sequence";
	return "random";
}

static json_t *tell_header(const struct state *t)
{
	json_t *o = json_object();

	tell_agreed(&t->ttl, t, o, "ttl");
	json_object_set_new(o, "ip_id", json_string(id_rule(t)));
	if (t->protocol != ICMP && t->protocol != ICMP6)
		tell_agreed(&t->source_port, t, o, "source_port");
	if (t->protocol != TCP)
		return o;
	tell_agreed(&t->window, t, o, "window");
	json_object_set_new(o, "options", share(t->options_same, t->count) >= SHARE ? json_string(t->options) : json_null());
	json_object_set_new(o, "sequence", json_string(share(t->seq_is_address, t->count) >= SHARE ? "destination" : most(&t->seq, t) ? "constant" : "varies"));
	return o;
}

static json_t *tell(const struct state *t)
{
	const char *protocol = t->protocol == TCP ? "tcp" : t->protocol == UDP ? "udp" : "icmp";
	double duration = (double)(t->last_us - t->first_us) / 1e6;
	json_t *o = json_pack("{s:s,s:i,s:I,s:i}", "protocol", protocol, "port", (int)t->port, "count", (json_int_t)t->count, "addresses", (int)t->distinct);

	tell_order(t, o);
	json_object_set_new(o, "rate", duration > 0 ? json_real((double)(t->count - 1) / duration) : json_null());
	json_object_set_new(o, "header", tell_header(t));
	if (t->payloads)
		json_object_set_new(o, "payload", json_pack("{s:s,s:f}", "sha256", t->payload_sha256, "share", share(t->payload_same, t->payloads)));
	return o;
}

static int by_count(const void *a, const void *b)
{
	const struct state *x = *(const struct state *const *)a, *y = *(const struct state *const *)b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->port > y->port) - (x->port < y->port);
}

json_t *scan_report(const struct scan *s)
{
	const struct state **list = buf_alloc((s->states + 1) * sizeof *list);
	json_t *all = json_array();
	size_t n = 0;

	for (size_t i = 0; i < STATES * 2; i++)
		if (s->state[i] && s->state[i]->distinct >= DESTINATIONS_LEAST)
			list[n++] = s->state[i];
	qsort(list, n, sizeof *list, by_count);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, tell(list[i]));
	free(list);
	return all;
}
