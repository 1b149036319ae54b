#include "judge/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CRITERIA_FORMAT "muss-criteria/1"

struct judge {
	json_t *file;                /* keeps the strings alive */
	double submit;
	struct judge_sign *signs;    /* sorted by name */
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	const struct judge_sign *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool take_hits(const json_t *o, struct judge_hits *h)
{
	h->m = (long)json_integer_value(json_array_get(o, 0));
	h->all_m = (long)json_integer_value(json_array_get(o, 1));
	h->b = (long)json_integer_value(json_array_get(o, 2));
	h->all_b = (long)json_integer_value(json_array_get(o, 3));
	return json_array_size(o) == 4 && h->m >= 0 && h->m <= h->all_m && h->b >= 0 && h->b <= h->all_b;
}

static int take_sign(struct judge *j, const json_t *o, size_t index, const char *path, struct err *e)
{
	struct judge_sign *s = &j->signs[j->count];

	s->name = jsonio_str(o, "name");
	s->source = jsonio_str(o, "source");
	s->group = jsonio_str(o, "group");
	s->meaning = jsonio_str(o, "meaning");
	s->technique = jsonio_str(o, "technique");
	s->weight = jsonio_num(o, "weight", NAN);
	s->estimate = jsonio_num(o, "estimate", s->weight);
	s->least = jsonio_num(o, "least", 0);
	s->over = jsonio_str(o, "over");
	s->at_rest = jsonio_bool(o, "at_rest", false);
	s->fixed = jsonio_bool(o, "fixed", false);
	s->derived = take_hits(json_object_get(o, "hits"), &s->hits);
	if (!s->technique)
		s->technique = "";
	if (!s->name || !s->source || !s->group || !s->meaning || !isfinite(s->weight))
		return err_set(e, EX_CONFIG, "%s: sign %zu lacks a name, source, group, meaning or weight", err_q(path), index + 1);
	j->count++;
	return 0;
}

struct judge *judge_load(const char *path, struct err *e)
{
	struct judge *j = buf_alloc(sizeof(*j));
	char *found = path ? buf_strdup(path) : spawn_share("criteria.json");
	const char *format;
	const json_t *list, *o;
	size_t i;

	j->file = jsonio_load(found, e);
	if (!j->file) {
		if (e->code == EX_DATAERR)
			e->code = EX_CONFIG;
		goto fail;
	}
	format = jsonio_str(j->file, "format");
	list = json_object_get(j->file, "signs");
	if (!format || strcmp(format, CRITERIA_FORMAT) || !json_is_array(list)) {
		err_set(e, EX_CONFIG, "%s is not a file of criteria (%s)", err_q(found), CRITERIA_FORMAT);
		goto fail;
	}
	j->submit = jsonio_num(j->file, "submit", 0);
	j->signs = buf_realloc(NULL, json_array_size(list) + 1, sizeof(*j->signs));
	json_array_foreach(list, i, o)
		if (take_sign(j, o, i, found, e) < 0)
			goto fail;
	qsort(j->signs, j->count, sizeof(*j->signs), by_name);
	for (i = 1; i < j->count; i++)
		if (!strcmp(j->signs[i - 1].name, j->signs[i].name)) {
			err_set(e, EX_CONFIG, "%s: sign %s stands there twice", err_q(found), err_q(j->signs[i].name));
			goto fail;
		}
	free(found);
	return j;
fail:
	free(found);
	judge_free(j);
	return NULL;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	json_decref(j->file);
	free(j->signs);
	free(j);
}

double judge_submit(const struct judge *j)
{
	return j->submit;
}

size_t judge_count(const struct judge *j)
{
	return j->count;
}

const struct judge_sign *judge_at(const struct judge *j, size_t i)
{
	return i < j->count ? &j->signs[i] : NULL;
}

const struct judge_sign *judge_find(const struct judge *j, const char *name)
{
	struct judge_sign key = { .name = name };

	return bsearch(&key, j->signs, j->count, sizeof(key), by_name);
}

void judge_add(const struct judge *j, json_t *signs, const char *name, const char *reason)
{
	const struct judge_sign *s = judge_find(j, name);
	const json_t *o;
	json_t *sign;
	size_t i;

	json_array_foreach(signs, i, o) {
		const char *have = jsonio_str(o, "name");

		if (have && !strcmp(have, name))
			return;
	}
	sign = json_object();
	json_object_set_new(sign, "name", json_string(name));
	json_object_set_new(sign, "group", json_string(s ? s->group : "unlisted"));
	json_object_set_new(sign, "weight", json_real(s ? s->weight : 0));
	json_object_set_new(sign, "reason", jsonio_name(reason));
	json_array_append_new(signs, sign);
}

/* Is sign `at` the one that counts of its group? Of equals, the first. */
static bool heaviest(const json_t *signs, size_t at, const char *group, double weight)
{
	const json_t *o;
	size_t i;

	json_array_foreach(signs, i, o) {
		const char *g = jsonio_str(o, "group");
		double w = jsonio_num(o, "weight", 0);

		if (i == at || !g || strcmp(g, group))
			continue;
		if (w > weight || (w >= weight && i < at))
			return false;
	}
	return true;
}

bool judge_counts(const json_t *signs, size_t at)
{
	const json_t *o = json_array_get(signs, at);
	const char *group = jsonio_str(o, "group");
	double weight = jsonio_num(o, "weight", 0);

	return group && isfinite(weight) && heaviest(signs, at, group, weight);
}

double judge_score(const json_t *signs)
{
	const json_t *o;
	double sum = 0;
	size_t i;

	json_array_foreach(signs, i, o)
		if (judge_counts(signs, i))
			sum += jsonio_num(o, "weight", 0);
	return (double)(int64_t)(sum * 10 + (sum < 0 ? -0.5 : 0.5)) / 10;
}

void judge_explain(const struct judge_sign *s, struct buf *out)
{
	const struct judge_hits *h = &s->hits;

	buf_addf(out, "%s\n  %s\n  group %s, weight %.1f decibans", s->name, s->meaning, s->group, s->weight);
	if (s->weight > 0)
		buf_addf(out, " (%.3g times likelier in malicious code)", pow(10, s->weight / 10));
	buf_addf(out, ", seen by %s analysis%s%s\n", s->source, *s->technique ? ", ATT&CK " : "", s->technique);
	if (s->fixed)
		buf_adds(out, "  estimated: labelled observations cannot tell of it\n");
	else if (!s->derived)
		buf_adds(out, "  estimated: no labelled observation bears it\n");
	else
		buf_addf(out, "  derived: fired on %ld of %ld suspicious and %ld of %ld benign cases; estimated before at %.1f\n", h->m, h->all_m,
		         h->b, h->all_b, s->estimate);
	if (s->over)
		buf_addf(out, "  never weighs less than %s\n", s->over);
}
