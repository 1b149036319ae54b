#include "judge/internal.h"

static json_t *sign_json(const struct judge_sign *s, const struct judge_hits *h, int tenth)
{
	json_t *o = json_pack("{s:s, s:s, s:f, s:f, s:b}", "name", s->name, "group", s->group, "weight", tenth / 10.0, "estimate", s->estimate,
	                      "derived", !s->fixed && (h->m || h->b));

	json_object_set_new(o, "hits", json_pack("[IIII]", (json_int_t)h->m, (json_int_t)h->all_m, (json_int_t)h->b, (json_int_t)h->all_b));
	return o;
}

static json_t *signs_json(const struct observed *o, const struct weights *w, const struct judge_hits *hits)
{
	json_t *signs = json_array();
	size_t i;

	for (i = 0; i < judge_count(o->judge); i++)
		json_array_append_new(signs, sign_json(judge_at(o->judge, i), &hits[i], w->tenth[i]));
	return signs;
}

static json_t *counts_json(const struct observed *o)
{
	long suspicious = 0, live = 0, rest = 0;
	size_t i;

	for (i = 0; i < o->count; i++)
		++*(o->cases[i].suspicious ? &suspicious : o->cases[i].rest ? &rest : &live);
	return json_pack("{s:I, s:I, s:I}", "suspicious", (json_int_t)suspicious, "benign_live", (json_int_t)live, "benign_rest", (json_int_t)rest);
}

json_t *derive_report(const struct judge *j, const struct observed *o, struct err *e)
{
	struct judge_hits hits[DERIVE_SIGNS];
	struct weights w;
	struct recall r;
	json_t *report, *load;
	int threshold;

	if (judge_count(j) == 0 || o->count == 0) {
		err_set(e, EX_DATAERR, "there is nothing to derive weights from");
		return NULL;
	}
	if (json_array_size(o->unlisted))
		msg_warn("the observations bear %zu signs that the criteria do not list, first %s", json_array_size(o->unlisted),
		         err_q(json_string_value(json_array_get(o->unlisted, 0))));
	weigh_all(o, NULL, NULL, &w, hits);
	recall_score(o, &w, &r);
	load = load_json(o, &w, &r, &threshold);
	report = json_pack("{s:s, s:o, s:f, s:o, s:o, s:o}", "format", "muss-derived/1", "cases", counts_json(o), "submit", threshold / 10.0,
	                   "signs", signs_json(o, &w, hits), "recall", recall_json(&r, threshold), "load", load);
	recall_free(&r);
	return report;
}
