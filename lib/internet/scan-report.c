#include "internet/scan.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DESTINATIONS_LEAST 15u   /* distinct addresses on one port: below it a program with a list of servers looks the same */
#define STEPS_LEAST 8u           /* changes of destination, below which no order is told */
#define SHARE 0.8                /* of the steps, or the packets, that must agree */

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
	char first[INET6_ADDRSTRLEN] = "";
	json_t *o = json_pack("{s:s,s:i,s:I,s:i}", "protocol", protocol, "port", (int)t->port, "count", (json_int_t)t->count, "addresses", (int)t->distinct);

	inet_ntop(t->v6 ? AF_INET6 : AF_INET, t->v6 ? t->first : t->first + 12, first, sizeof first);
	json_object_set_new(o, "first", json_string(first));
	tell_order(t, o);
	json_object_set_new(o, "rate", duration > 0 ? json_real((double)(t->count - 1) / duration) : json_null());
	json_object_set_new(o, "header", tell_header(t));
	if (t->payloads)
		json_object_set_new(o, "payload", json_pack("{s:s,s:f}", "sha256", t->payload_sha256, "share", share(t->payload_same, t->payloads)));
	return o;
}

struct listed { const struct state *t; };

static int by_count(const void *a, const void *b)
{
	const struct state *x = ((const struct listed *)a)->t, *y = ((const struct listed *)b)->t;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->port > y->port) - (x->port < y->port);
}

json_t *scan_report(const struct scan *s)
{
	struct listed *list = buf_alloc((s->states + 1) * sizeof *list);
	json_t *all = json_array();
	size_t n = 0;

	for (size_t i = 0; i < STATES * 2; i++)
		if (s->state[i] && s->state[i]->distinct >= DESTINATIONS_LEAST)
			list[n++].t = s->state[i];
	qsort(list, n, sizeof *list, by_count);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, tell(list[i].t));
	free(list);
	return all;
}
