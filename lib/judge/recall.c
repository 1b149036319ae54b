#include "judge/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FOLDS 5             /* of variations: each fifth is judged by weights of the other four */
#define CONFIDENCE 0.95

/* Variations are dealt to the folds in turn. */
static bool leave_fold(const struct observed_case *c, size_t index, const void *ctx)
{
	(void)index;
	return c->suspicious && c->variation % FOLDS == *(const long *)ctx;
}

static bool leave_technique(const struct observed_case *c, size_t index, const void *ctx)
{
	(void)index;
	return c->suspicious && !strcmp(c->name, ctx);
}

/* Signs that the data cannot tell of do not count: every specimen is a fresh file, but no intruder's stays one. */
static struct signset untold(const struct judge *j)
{
	struct signset set = { 0 };
	size_t i;

	for (i = 0; i < judge_count(j); i++)
		if (judge_at(j, i)->fixed)
			signset_add(&set, i);
	return set;
}

static void best(const struct observed *o, const struct weights *w, const struct observed_case *c, int score[2])
{
	struct signset without[2] = { untold(o->judge), untold(o->judge) };
	size_t i;
	int k;

	for (i = 0; i < DERIVE_SIGNS / 64; i++)
		without[1].word[i] |= c->own.word[i];
	for (k = 0; k < 2; k++) {
		score[k] = INT_MIN;
		for (i = 0; i < c->count; i++) {
			int s = weigh_piece(o->judge, w, &c->pieces[i].signs, &without[k]);

			score[k] = c->pieces[i].left && s > score[k] ? s : score[k];
		}
	}
}

static void list_techniques(struct recall *r)
{
	const struct observed *o = r->o;
	size_t i, k;

	r->technique = buf_realloc(NULL, o->count + 1, sizeof(*r->technique));
	for (i = 0; i < o->count; i++) {
		if (!o->cases[i].suspicious)
			continue;
		for (k = 0; k < r->techniques && strcmp(r->technique[k], o->cases[i].name); k++)
			;
		if (k == r->techniques)
			r->technique[r->techniques++] = o->cases[i].name;
	}
}

void recall_score(const struct observed *o, const struct weights *w, struct recall *r)
{
	struct weights less;
	size_t i, k;
	long fold;

	*r = (struct recall){ .o = o, .score = buf_alloc((o->count + 1) * sizeof(*r->score)) };
	list_techniques(r);
	for (i = 0; i < o->count; i++)
		if (o->cases[i].suspicious)
			best(o, w, &o->cases[i], r->score[i].plain);
	for (fold = 0; fold < FOLDS; fold++) {
		weigh_all(o, leave_fold, &fold, &less, NULL);
		for (i = 0; i < o->count; i++)
			if (leave_fold(&o->cases[i], i, &fold))
				best(o, &less, &o->cases[i], r->score[i].variation);
	}
	for (k = 0; k < r->techniques; k++) {
		weigh_all(o, leave_technique, r->technique[k], &less, NULL);
		for (i = 0; i < o->count; i++)
			if (leave_technique(&o->cases[i], i, r->technique[k]))
				best(o, &less, &o->cases[i], r->score[i].technique);
	}
}

void recall_free(struct recall *r)
{
	free(r->score);
	free(r->technique);
	*r = (struct recall){ 0 };
}

static void add_case(struct recall_sum *sum, const struct recall_score *s, int threshold)
{
	sum->n++;
	sum->seen += s->plain[0] > INT_MIN;
	sum->plain += s->plain[0] >= threshold;
	sum->plain_own += s->plain[1] >= threshold;
	sum->variation += s->variation[0] >= threshold;
	sum->variation_own += s->variation[1] >= threshold;
	sum->technique += s->technique[0] >= threshold;
	sum->technique_own += s->technique[1] >= threshold;
}

struct recall_sum recall_sum(const struct recall *r, int threshold)
{
	struct recall_sum sum = { 0 };
	size_t i;

	for (i = 0; i < r->o->count; i++)
		if (r->o->cases[i].suspicious)
			add_case(&sum, &r->score[i], threshold);
	return sum;
}

static json_t *rate(long hits, long n)
{
	double low, high;

	interval_clopper(hits, n, CONFIDENCE, &low, &high);
	return json_pack("{s:I, s:I, s:f, s:f}", "found", (json_int_t)hits, "of", (json_int_t)n, "low", low, "high", high);
}

static json_t *row(const char *name, const struct recall_sum *s)
{
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "technique", name, "seen", (json_int_t)s->seen, "recall", rate(s->plain, s->n), "own_out",
	                 rate(s->plain_own, s->n), "variation_out", rate(s->variation, s->n), "variation_own_out",
	                 rate(s->variation_own, s->n), "technique_out", rate(s->technique, s->n), "technique_own_out",
	                 rate(s->technique_own, s->n));
}

json_t *recall_json(const struct recall *r, int threshold)
{
	struct recall_sum all = recall_sum(r, threshold);
	json_t *rows = json_array();
	size_t i, k;

	for (k = 0; k < r->techniques; k++) {
		struct recall_sum one = { 0 };

		for (i = 0; i < r->o->count; i++)
			if (r->o->cases[i].suspicious && !strcmp(r->o->cases[i].name, r->technique[k]))
				add_case(&one, &r->score[i], threshold);
		json_array_append_new(rows, row(r->technique[k], &one));
	}
	return json_pack("{s:o, s:o, s:f, s:i}", "all", row("all", &all), "techniques", rows, "confidence", CONFIDENCE, "folds", FOLDS);
}
