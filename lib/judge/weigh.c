#include "judge/internal.h"

#include <math.h>
#include <string.h>

#define DECIBANS (10 / log(10))    /* of one natural unit */
#define ESTIMATE_SD 5.0            /* decibans: a hand-set weight is right to a factor of three */

double weigh_hits(const struct judge_hits *h, double estimate)
{
	double m = (double)h->m + 0.5, all_m = (double)h->all_m + 1, b = (double)h->b + 0.5, all_b = (double)h->all_b + 1;
	double ratio, chance, prior = ESTIMATE_SD * ESTIMATE_SD;

	if (!h->m && !h->b)
		return estimate;
	ratio = DECIBANS * log((m / all_m) / (b / all_b));
	chance = DECIBANS * DECIBANS * (1 / m - 1 / all_m + 1 / b - 1 / all_b);
	return (ratio * prior + estimate * chance) / (prior + chance);
}

static void count_hits(const struct observed *o, leave_fn *leave, const void *ctx, struct judge_hits *hits)
{
	size_t n = judge_count(o->judge), i, k;

	memset(hits, 0, DERIVE_SIGNS * sizeof(*hits));
	for (i = 0; i < o->count; i++) {
		const struct observed_case *c = &o->cases[i];

		if (leave && leave(c, i, ctx))
			continue;
		for (k = 0; k < n; k++) {
			bool fired = signset_has(&c->any, k);

			if (c->suspicious) {
				hits[k].all_m++;
				hits[k].m += fired;
			} else if (!c->rest || judge_at(o->judge, k)->at_rest) {
				hits[k].all_b++;
				hits[k].b += fired;
			}
		}
	}
}

/* What is the stricter by its meaning must not weigh less: raised, since what errs shall err towards submitting. */
static void keep_order(const struct judge *j, struct weights *w)
{
	size_t n = judge_count(j), i;
	bool raised = true;

	while (raised) {
		raised = false;
		for (i = 0; i < n; i++) {
			const char *over = judge_at(j, i)->over;
			const struct judge_sign *lower = over ? judge_find(j, over) : NULL;
			size_t at = lower ? (size_t)(lower - judge_at(j, 0)) : i;

			if (w->tenth[i] < w->tenth[at]) {
				w->tenth[i] = w->tenth[at];
				raised = true;
			}
		}
	}
}

void weigh_all(const struct observed *o, leave_fn *leave, const void *ctx, struct weights *w, struct judge_hits *hits)
{
	struct judge_hits own[DERIVE_SIGNS];
	size_t i;

	if (!hits)
		hits = own;
	count_hits(o, leave, ctx, hits);
	memset(w, 0, sizeof(*w));
	for (i = 0; i < judge_count(o->judge); i++) {
		const struct judge_sign *s = judge_at(o->judge, i);

		w->tenth[i] = (int)lround(10 * fmax(s->fixed ? s->estimate : weigh_hits(&hits[i], s->estimate), s->least));
	}
	keep_order(o->judge, w);
}

/* Does another sign of the group count in its stead? Of equals, the first counts. */
static bool outweighed(const struct judge *j, const struct weights *w, const struct signset *signs, size_t i)
{
	const char *group = judge_at(j, i)->group;
	size_t k;

	for (k = 0; k < judge_count(j); k++)
		if (k != i && signset_has(signs, k) && !strcmp(judge_at(j, k)->group, group) &&
		    (w->tenth[k] > w->tenth[i] || (k < i && w->tenth[k] == w->tenth[i])))
			return true;
	return false;
}

int weigh_piece(const struct judge *j, const struct weights *w, const struct signset *signs, const struct signset *without)
{
	struct signset left = *signs;
	int sum = 0;
	size_t i;

	for (i = 0; without && i < DERIVE_SIGNS / 64; i++)
		left.word[i] &= ~without->word[i];
	for (i = 0; i < judge_count(j); i++)
		if (signset_has(&left, i) && !outweighed(j, w, &left, i))
			sum += w->tenth[i];
	return sum;
}
