/*
 * What a threshold costs, and the default that follows. Submissions burden the host that packs and the centre that analyses;
 * both fall as the threshold rises, and what is missed rises. All is told in seconds a host and day:
 *   cost = HOST_PRICE * host's CPU seconds + centre's seconds of analysis + INFECTED_A_DAY * missed * MISS_SECONDS
 * where missed is one less the recall for a technique that the derivation did not see, without that technique's own signs.
 * Only thresholds count that lose nothing of the catalogue: what the scan showed of a variation is found under weights that did
 * not see it. (What it did not show, no threshold finds; and what remains without a technique's own signs is told, but would
 * only ever lower the threshold to nothing.) Of equal cost the lowest: it errs towards submitting.
 */
#include "judge/internal.h"

#include <stdlib.h>
#include <string.h>

/* Measured by t/observe-benign.sh --load on the two-core x86-64 machine that the shipped data were gathered on. */
#define HOST_SECONDS_SCAN 0.3       /* CPU of one scan and its whitelist filter, whatever is submitted */
#define HOST_SECONDS_PIECE 0.0006   /* CPU to collect, seal and sign one piece */
#define HOST_SECONDS_MIB 0.006      /* CPU to compress, seal and send one MiB of bodies */
#define CENTRE_SECONDS_PIECE 2.1    /* opening, static and dynamic analysis, verdict */
#define CENTRE_SECONDS_MIB 0.04

/* Assumptions. */
#define SCANS_A_DAY 24              /* hourly: code in memory has another digest each time and comes each time */
#define CHANGED_A_DAY (1.0 / 30)    /* a file is submitted once; upgrades and installs bring it anew about monthly */
#define HOST_PRICE 1.0              /* a second of the user's CPU, in seconds of the centre's */
#define INFECTED_A_DAY (1.0 / 1000) /* a host's chance */
#define MISS_SECONDS (8 * 3600.0)   /* what an infection costs that stays: a day's work of an analyst */

#define STEP 5                      /* tenths of decibans between thresholds that are tried */
#define HIGHEST 1000
#define SHOWN 50                    /* tenths between the rows of the curve */

struct host_load { const char *host; long files, memory, file_bytes, memory_bytes; };

struct scored { const struct observed_piece *piece; int score; };
struct scores { struct scored *v; size_t n; const char **host; size_t hosts; };

static void note_host(struct scores *s, const char *host)
{
	size_t i;

	for (i = 0; i < s->hosts; i++)
		if (!strcmp(s->host[i], host))
			return;
	s->host = buf_realloc(s->host, s->hosts + 1, sizeof(*s->host));
	s->host[s->hosts++] = host;
}

/* Only what a live scan saw and the whitelist left can be submitted. */
static void score_benign(const struct observed *o, const struct weights *w, struct scores *s)
{
	size_t i, k;

	*s = (struct scores){ 0 };
	for (i = 0; i < o->count; i++) {
		const struct observed_case *c = &o->cases[i];

		if (c->suspicious || c->rest)
			continue;
		for (k = 0; k < c->count; k++) {
			note_host(s, c->pieces[k].host);
			if (!c->pieces[k].left)
				continue;
			if (!(s->n & (s->n + 1)))
				s->v = buf_realloc(s->v, 2 * (s->n + 1), sizeof(*s->v));
			s->v[s->n++] = (struct scored){ &c->pieces[k], weigh_piece(o->judge, w, &c->pieces[k].signs, NULL) };
		}
	}
}

static struct host_load host_at(const struct scores *s, const char *host, int threshold)
{
	struct host_load l = { .host = host };
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct observed_piece *p = s->v[i].piece;

		if (s->v[i].score < threshold || strcmp(p->host, host))
			continue;
		*(p->memory ? &l.memory : &l.files) += p->count;
		*(p->memory ? &l.memory_bytes : &l.file_bytes) += p->bytes;
	}
	return l;
}

struct cost { double pieces, host_seconds, bytes, centre_seconds, missed, total; };

static void add_load(struct cost *c, const struct host_load *l)
{
	double pieces = (double)l->files * CHANGED_A_DAY + (double)l->memory * SCANS_A_DAY;
	double bytes = (double)l->file_bytes * CHANGED_A_DAY + (double)l->memory_bytes * SCANS_A_DAY;

	c->pieces += pieces;
	c->bytes += bytes;
	c->host_seconds += SCANS_A_DAY * HOST_SECONDS_SCAN + pieces * HOST_SECONDS_PIECE + bytes / (double)MIB * HOST_SECONDS_MIB;
	c->centre_seconds += pieces * CENTRE_SECONDS_PIECE + bytes / (double)MIB * CENTRE_SECONDS_MIB;
}

static double part(long n, long of)
{
	return of ? (double)n / (double)of : 1;
}

/* The mean host's. */
static struct cost cost_at(const struct scores *s, const struct recall *r, int threshold)
{
	struct recall_sum sum = recall_sum(r, threshold);
	struct cost c = { 0 };
	size_t i;

	for (i = 0; i < s->hosts; i++) {
		struct host_load l = host_at(s, s->host[i], threshold);

		add_load(&c, &l);
	}
	if (s->hosts) {
		c.pieces /= (double)s->hosts;
		c.bytes /= (double)s->hosts;
		c.host_seconds /= (double)s->hosts;
		c.centre_seconds /= (double)s->hosts;
	}
	c.missed = 1 - part(sum.technique_own, sum.n);
	c.total = HOST_PRICE * c.host_seconds + c.centre_seconds + INFECTED_A_DAY * c.missed * MISS_SECONDS;
	return c;
}

static bool keeps_recall(const struct recall *r, int threshold)
{
	struct recall_sum s = recall_sum(r, threshold);

	return s.plain == s.seen && s.variation == s.seen;
}

static int choose(const struct scores *s, const struct recall *r)
{
	int t, best = 0;
	double least = cost_at(s, r, 0).total;

	for (t = STEP; t <= HIGHEST && keeps_recall(r, t); t += STEP) {
		double total = cost_at(s, r, t).total;

		if (total < least) {
			least = total;
			best = t;
		}
	}
	return best;
}

static json_t *curve_row(const struct scores *s, const struct recall *r, int threshold)
{
	struct cost c = cost_at(s, r, threshold);
	struct recall_sum sum = recall_sum(r, threshold);
	json_t *hosts = json_object();
	size_t i;

	for (i = 0; i < s->hosts; i++) {
		struct host_load l = host_at(s, s->host[i], threshold);

		json_object_set_new(hosts, l.host, json_integer(l.files + l.memory));
	}
	return json_pack("{s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:f}", "threshold", threshold / 10.0, "recall", part(sum.variation, sum.n),
	                 "own_out", part(sum.variation_own, sum.n), "unseen_own_out", part(sum.technique_own, sum.n), "scan", hosts,
	                 "pieces_day", c.pieces, "host_seconds_day", c.host_seconds, "bytes_day", c.bytes, "centre_seconds_day",
	                 c.centre_seconds, "cost", c.total);
}

json_t *load_json(const struct observed *o, const struct weights *w, const struct recall *r, int *chosen)
{
	struct scores s;
	json_t *curve = json_array(), *j;
	int t;

	score_benign(o, w, &s);
	*chosen = choose(&s, r);
	for (t = 0; t <= HIGHEST; t += SHOWN) {
		struct recall_sum sum = recall_sum(r, t);

		if (t && !sum.variation && cost_at(&s, r, t).pieces <= 0)
			break;
		json_array_append_new(curve, curve_row(&s, r, t));
		if (*chosen > t && *chosen < t + SHOWN)
			json_array_append_new(curve, curve_row(&s, r, *chosen));
	}
	j = json_pack("{s:o, s:{s:f, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f}}", "curve", curve, "constants", "host_seconds_scan",
	              HOST_SECONDS_SCAN, "host_seconds_piece", HOST_SECONDS_PIECE, "host_seconds_mib", HOST_SECONDS_MIB,
	              "centre_seconds_piece", CENTRE_SECONDS_PIECE, "centre_seconds_mib", CENTRE_SECONDS_MIB, "scans_a_day", SCANS_A_DAY,
	              "changed_a_day", CHANGED_A_DAY, "host_price", HOST_PRICE, "infected_a_day", INFECTED_A_DAY, "miss_seconds",
	              MISS_SECONDS);
	free(s.v);
	free(s.host);
	return j;
}
