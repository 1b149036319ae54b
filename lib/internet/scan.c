/*
 * What the packets say of a search for hosts: destination order, rate, and the fingerprint of the headers. Orders after the project's
 * ALGORITHMS (Spearman's rank correlation for sweeps); Mirai's mark (sequence number = destination) after Antonakakis et al. 2017;
 * masscan's (IP identification = destination ^ port ^ sequence number) after Durumeric et al. 2014.
 */
#include "internet/scan.h"

#include <stdlib.h>
#include <string.h>

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
	if (t->distinct < SAMPLE_FROM)
		return;
	if (!t->sample)
		t->sample = buf_alloc(SAMPLE * sizeof *t->sample);
	if (t->sampled < SAMPLE)
		t->sample[t->sampled++] = at;
}

static void take_header(struct state *t, const struct packet *k)
{
	const bool first = !t->count;
	const uint32_t to = scan_get32(k->to + 12);
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
	scan_packet_options(k, options);
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
	return k->v6 ? (uint64_t)scan_get32(k->to + 8) << 32 | scan_get32(k->to + 12) : scan_get32(k->to + 12);
}

void scan_packet(struct scan *s, const unsigned char *p, size_t n, int64_t us)
{
	struct packet k;
	struct state *t;
	bool opens, fresh;

	if (!scan_packet_read(p, n, &k))
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
		if (!t->count++) {
			t->first_us = us;
			t->v6 = k.v6;
			memcpy(t->first, k.to, sizeof t->first);
		}
		t->last_us = us;
	}
	if (k.payload_len && (k.protocol != UDP || opens))
		take_payload(s, t, &k);
}
