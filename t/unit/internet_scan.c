#include "unit.h"
#include "internet/internal.h"

#include <stdlib.h>

struct probe { uint8_t protocol; uint32_t from, to, seq; uint16_t source, port, id; unsigned char flags; const char *payload; };

static size_t make(const struct probe *k, unsigned char p[128])
{
	const size_t head = k->protocol == 6 ? 24 : 8, extra = k->payload ? strlen(k->payload) : 0, len = 20 + head + extra;
	const uint32_t address[2] = { k->from, k->to };
	unsigned char *t = p + 20;

	memset(p, 0, 128);
	p[0] = 0x45;
	p[3] = (unsigned char)len;
	p[4] = (unsigned char)(k->id >> 8);
	p[5] = (unsigned char)k->id;
	p[8] = 64;
	p[9] = k->protocol;
	for (int i = 0; i < 8; i++)
		p[12 + i] = (unsigned char)(address[i / 4] >> (24 - 8 * (i % 4)));
	t[0] = (unsigned char)(k->source >> 8);
	t[1] = (unsigned char)k->source;
	t[2] = (unsigned char)(k->port >> 8);
	t[3] = (unsigned char)k->port;
	if (k->protocol == 6) {
		for (int i = 0; i < 4; i++)
			t[4 + i] = (unsigned char)(k->seq >> (24 - 8 * i));
		t[12] = 0x60;
		t[13] = k->flags;
		t[14] = 0x16;
		memcpy(t + 20, "\x02\x04\x05\xb4", 4);
	} else {
		t[5] = (unsigned char)(8 + extra);
	}
	if (extra)
		memcpy(t + head, k->payload, extra);
	return len;
}

static void feed(struct scan *s, const struct probe *k, int64_t us)
{
	unsigned char p[128];
	size_t n = make(k, p);

	scan_packet(s, p, n, us);
}

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x ^ *x >> 15;
}

static json_t *profile(struct scan *s, const char *protocol, int port)
{
	json_t *all = scan_report(s), *o, *found = NULL;
	size_t i;

	json_array_foreach(all, i, o) {
		if (!strcmp(jsonio_str(o, "protocol"), protocol) && jsonio_int(o, "port", 0) == port)
			found = json_incref(o);
	}
	json_decref(all);
	return found;
}

static void test_orders(void)
{
	struct scan *s = scan_new();
	uint32_t x = 7;
	json_t *o;

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t r = next_random(&x), down = 0x0a000000 + i * 1000 + r % 700;

		feed(s, &(struct probe){ 6, 1, 0x0a000000 + i, 1234, (uint16_t)(40000 + i), 23, 7, 2, NULL }, (int64_t)i * 10000);
		feed(s, &(struct probe){ 6, 1, r, r, 50000, 2323, (uint16_t)next_random(&x), 2, NULL }, (int64_t)i * 10000);
		feed(s, &(struct probe){ 6, 1, down, i * i, 1, 80, 0, 2, NULL }, (int64_t)i);
		feed(s, &(struct probe){ 6, 1, (i % 20 + 1) * (i % 20 + 3) * 2654435761u, 9, 1, 81, 0, 2, NULL }, (int64_t)i);
		feed(s, &(struct probe){ 6, 1, 0x0c000000 + i % 14, 9, 1, 443, 0, 2, NULL }, (int64_t)i);
		feed(s, &(struct probe){ 6, 1, r, (uint32_t)i, 4, 8080, (uint16_t)(r ^ 8080 ^ i), 2, NULL }, (int64_t)i);
	}
	o = profile(s, "tcp", 23);
	OK_STR(jsonio_str(o, "order"), "sequential", "one address after the other is sequential");
	OK(jsonio_int(o, "count", 0) == 100 && jsonio_int(o, "addresses", 0) == 100, "with its count");
	OK(jsonio_num(o, "rate", 0) > 99.9 && jsonio_num(o, "rate", 0) < 100.1, "and its rate");
	OK_STR(jsonio_str(json_object_get(o, "header"), "sequence"), "constant", "a constant sequence number is seen");
	OK_STR(jsonio_str(json_object_get(o, "header"), "options"), "M1460", "so are the options");
	json_decref(o);
	o = profile(s, "tcp", 2323);
	OK_STR(jsonio_str(o, "order"), "random", "random is random");
	OK_STR(jsonio_str(json_object_get(o, "header"), "sequence"), "destination", "Mirai's sequence number is the destination");
	OK(jsonio_int(json_object_get(o, "header"), "source_port", 0) == 50000, "a constant source port is told");
	json_decref(o);
	o = profile(s, "tcp", 80);
	OK_STR(jsonio_str(o, "order"), "sweep", "steps of any size in one direction are a sweep");
	json_decref(o);
	o = profile(s, "tcp", 81);
	OK_STR(jsonio_str(o, "order"), "fixed", "a list that is gone through again is fixed");
	json_decref(o);
	o = profile(s, "tcp", 8080);
	OK_STR(jsonio_str(json_object_get(o, "header"), "ip_id"), "destination-xor-port-xor-sequence", "masscan's identification is known");
	json_decref(o);
	OK(!profile(s, "tcp", 443), "fourteen addresses are no scan");
	scan_free(s);
}

static void test_answers(void)
{
	struct scan *s = scan_new();
	json_t *o;

	for (uint32_t i = 0; i < 50; i++) {
		uint32_t to = 0x0a000000 + i * 3;

		feed(s, &(struct probe){ 17, to, to, 0, 4000, 53, 0, 0, "query" }, (int64_t)i);
		feed(s, &(struct probe){ 17, to, to, 0, 53, 4000, 0, 0, "answer" }, (int64_t)i);
		feed(s, &(struct probe){ 6, 1, to, 0, 4000, 22, 0, 2, NULL }, (int64_t)i);
		feed(s, &(struct probe){ 6, to, 1, 0, 22, 4000, 0, 0x12, NULL }, (int64_t)i);
		feed(s, &(struct probe){ 6, 1, to, 0, 4000, 22, 0, 0x18, i % 10 ? "exploit" : "other" }, (int64_t)i);
	}
	o = profile(s, "udp", 53);
	OK(o && !strcmp(jsonio_str(o, "order"), "sequential"), "datagrams in constant steps are a scan");
	OK_STR(jsonio_str(json_object_get(o, "payload"), "sha256"), "a8b771920b8319e47251d1360f5e880bc18e8d329b0f0d003ea3c7e615558947", "with their payload");
	json_decref(o);
	OK(!profile(s, "udp", 4000) && !profile(s, "tcp", 4000), "answers are none");
	o = profile(s, "tcp", 22);
	OK(o && jsonio_int(o, "count", 0) == 50 && jsonio_num(json_object_get(o, "payload"), "share", 0) < 0.2, "what a connection sends first is its payload");
	json_decref(o);
	scan_free(s);
}

/* Headers that lie about their lengths. */
static void test_lies(void)
{
	struct scan *s = scan_new();
	json_t *all;
	const struct probe k = { 6, 1, 2, 3, 4, 23, 6, 2, "x" };
	unsigned char p[128];
	size_t n = make(&k, p);

	for (size_t cut = 0; cut < n; cut++) {
		unsigned char *q = buf_alloc(cut);

		memcpy(q, p, cut);
		scan_packet(s, q, cut, 0);
		free(q);
	}
	for (unsigned at = 0; at < n; at++) {
		if (at == 12)   /* other addresses and ports are no lies */
			at = 24;
		for (unsigned v = 0; v < 256; v += 15) {
			unsigned char *q = buf_alloc(n);

			memcpy(q, p, n);
			q[at] = (unsigned char)v;
			scan_packet(s, q, n, 0);
			free(q);
		}
	}
	all = scan_report(s);
	OK(json_array_size(all) == 0, "headers that lie are no scan, and no harm");
	json_decref(all);
	scan_free(s);
}

int main(void)
{
	test_orders();
	test_answers();
	test_lies();
	return unit_end();
}
