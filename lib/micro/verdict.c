#include "micro/verdict-internal.h"
#include "micro/inner.h"

#include "judge/judge.h"

#include <stdlib.h>
#include <string.h>

#define VERDICT_FORMAT "muss-verdict/1"
#define RULES_HEAVY 15.0     /* of a rule that alone says much */
#define ANALYSIS_HEAVY 10.0  /* of what the analysis itself found, beside what the host showed */
#define WEIGHT_MOST 50.0     /* of a sign in a case: what came from elsewhere is not believed beyond it */
#define EVIDENCE_MOST 8u     /* places told of one reason */

struct verdict {
	json_t *file;
	double malicious, suspicious, good;
};

enum { ACTS = 1, ACTS_STRONGLY = 2, HIDES = 4, HIDES_STRONGLY = 8 };

static unsigned evidence_of(const char *s)
{
	if (!strcmp(s, "acts"))
		return ACTS;
	if (!strcmp(s, "acts-strongly"))
		return ACTS | ACTS_STRONGLY;
	if (!strcmp(s, "hides"))
		return HIDES;
	return strcmp(s, "hides-strongly") ? 0 : HIDES | HIDES_STRONGLY;
}

static const json_t *capability(const struct verdict *v, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v->file, "capabilities"), i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

static const json_t *find(const struct verdict *v, const char *source, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v->file, "signs"), i, o)
		if (!strcmp(jsonio_str(o, "name"), name) && !strcmp(jsonio_str(o, "source"), source))
			return o;
	return NULL;
}

struct verdict *verdict_open(struct err *e)
{
	struct verdict *v = buf_alloc(sizeof *v);
	char *path = spawn_share("verdict.json");
	const json_t *o, *t;
	size_t i;

	v->file = jsonio_load(path, e);
	if (!v->file) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
		goto fail;
	}
	t = json_object_get(v->file, "thresholds");
	if (!jsonio_str(v->file, "format") || strcmp(jsonio_str(v->file, "format"), VERDICT_FORMAT) || !json_is_object(t)) {
		err_set(e, EX_CONFIG, "%s is no file of weights (%s)", err_q(path), VERDICT_FORMAT);
		goto fail;
	}
	v->malicious = jsonio_num(t, "malicious", 50);
	v->suspicious = jsonio_num(t, "suspicious", 25);
	v->good = jsonio_num(t, "good", -10);
	json_array_foreach(json_object_get(v->file, "signs"), i, o) {
		if (!jsonio_str(o, "name") || !jsonio_str(o, "source") || !jsonio_str(o, "group") || !jsonio_str(o, "evidence") ||
		    !json_is_number(json_object_get(o, "weight"))) {
			err_set(e, EX_CONFIG, "%s: sign %zu lacks a name, source, group, evidence or weight", err_q(path), i + 1);
			goto fail;
		}
	}
	json_array_foreach(json_object_get(v->file, "capabilities"), i, o) {
		if (!jsonio_str(o, "name") || !json_is_number(json_object_get(o, "weight"))) {
			err_set(e, EX_CONFIG, "%s: capability %zu lacks a name or weight", err_q(path), i + 1);
			goto fail;
		}
	}
	free(path);
	return v;
fail:
	free(path);
	verdict_free(v);
	return NULL;
}

void verdict_free(struct verdict *v)
{
	if (!v)
		return;
	json_decref(v->file);
	free(v);
}

void verdict_weigh(const struct verdict *v, const char *source, json_t *signs)
{
	json_t *o;
	size_t i;

	json_array_foreach(signs, i, o) {
		const char *name = jsonio_str(o, "name");
		const json_t *known = name ? find(v, source, name) : NULL;

		if (!known)
			continue;
		json_object_set(o, "group", json_object_get(known, "group"));
		json_object_set(o, "weight", json_object_get(known, "weight"));
	}
}

/* ---- the judgement ---- */

struct judgement {
	const struct verdict *v;
	json_t *reasons;
	unsigned evidence;
	json_t *hiding;          /* set of the groups in which it hides */
	json_t *heavy;           /* set of the groups of heavy rules */
	bool starts;             /* the host starts it by itself */
	bool replicates, found;  /* it copies itself; the analysis found something of weight */
};

/* Where a reason can be seen: a member, and what in it. */
static json_t *place(const char *member, const char *kind, const char *at, const char *text)
{
	json_t *o = json_object();

	json_object_set_new(o, "member", json_string(member));
	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(o, "at", json_string(at ? at : ""));
	if (text)
		json_object_set_new(o, "text", json_string(text));
	return o;
}

/* One place: the sign where it stands in its list. */
static json_t *sign_at(const char *member, const char *list, size_t index)
{
	char at[48];

	snprintf(at, sizeof at, "%s:%zu", list, index);
	return json_pack("[o]", place(member, "sign", at, NULL));
}

/* Takes `places`. */
static void add_reason(struct judgement *j, const char *source, const char *sign, const char *group, double weight, const char *text, unsigned evidence,
		       json_t *places)
{
	const json_t *o;
	json_t *r;
	size_t i;

	json_array_foreach(j->reasons, i, o)
		if (!strcmp(jsonio_str(o, "sign"), sign) && !strcmp(jsonio_str(o, "source"), source)) {
			json_decref(places);
			return;
		}
	if (!(weight < WEIGHT_MOST))   /* NaN, too */
		weight = WEIGHT_MOST;
	if (weight < -WEIGHT_MOST)
		weight = -WEIGHT_MOST;
	r = json_object();
	json_object_set_new(r, "source", json_string(source));
	json_object_set_new(r, "sign", json_string(sign));
	json_object_set_new(r, "group", json_string(group));
	json_object_set_new(r, "text", json_string(text ? text : ""));
	json_object_set_new(r, "weight", json_real(weight));
	json_object_set_new(r, "evidence", places);
	json_array_append_new(j->reasons, r);
	j->evidence |= evidence;
	j->found |= strcmp(source, "host") && strcmp(source, "capability") && weight >= ANALYSIS_HEAVY;
	if (evidence & HIDES)
		json_object_set_new(j->hiding, group, json_true());
}

static void from_host(struct judgement *j, const json_t *about)
{
	const json_t *o, *known;
	const char *name, *group;
	size_t i;

	json_array_foreach(json_object_get(about, "signs"), i, o) {
		name = jsonio_str(o, "name");
		group = jsonio_str(o, "group");
		if (!name)
			continue;
		known = find(j->v, "host", name);
		if (!group)
			group = known ? jsonio_str(known, "group") : "unlisted";
		if (!strcmp(group, "startup") || !strcmp(name, "preload-file"))
			j->starts = true;
		add_reason(j, "host", name, group, jsonio_num(o, "weight", known ? jsonio_num(known, "weight", 0) : 0), jsonio_str(o, "reason"),
			known ? evidence_of(jsonio_str(known, "evidence")) : 0, sign_at("about.json", "signs", i));
	}
}

/* The bytes that a YARA rule matched. */
static json_t *matches_of(const json_t *rule)
{
	json_t *places = json_array();
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(rule, "matches"), i, m) {
		char at[24];

		if (i == EVIDENCE_MOST)
			break;
		snprintf(at, sizeof at, "%llx", (unsigned long long)jsonio_int(m, "offset", 0));
		json_array_append_new(places, place("static.json", "offset", at, jsonio_str(m, "text")));
	}
	return places;
}

static bool has_group(const struct judgement *j, const char *group)
{
	const json_t *o;
	size_t i;

	json_array_foreach(j->reasons, i, o)
		if (!strcmp(jsonio_str(o, "group"), group) && !strcmp(jsonio_str(o, "source"), "rules"))
			return true;
	return false;
}

/*
 * A trait that YARA saw as well counts once; of all others the heaviest alone: what has many uses can do many things, and a shell
 * or a busybox would be worse than any one of them.
 */
static void from_capabilities(struct judgement *j, const char *member, const json_t *list)
{
	const json_t *o, *known, *what;
	size_t i, k;

	json_array_foreach(list, i, o) {
		const char *name = jsonio_str(o, "name"), *space = jsonio_str(o, "namespace");
		char group[64];
		json_t *places;

		known = name ? capability(j->v, name) : NULL;
		if (!known || !(jsonio_num(known, "weight", 0) > 0))
			continue;
		places = json_array();
		json_array_foreach(json_object_get(o, "evidence"), k, what)
			if (k < EVIDENCE_MOST)
				json_array_append_new(places, place(member, jsonio_str(what, "kind") ? jsonio_str(what, "kind") : "", jsonio_str(what, "at"), jsonio_str(what, "text")));
		snprintf(group, sizeof group, "rule-%.*s", space ? (int)strcspn(space, "/") : 0, space ? space : "");
		if (!has_group(j, group))
			snprintf(group, sizeof group, "capability");
		add_reason(j, "capability", name, group, jsonio_num(known, "weight", 0), jsonio_str(o, "meaning"), 0, places);
	}
}

static void from_rules(struct judgement *j, const json_t *stat)
{
	const json_t *o;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(stat, "rules"), i, o) {
		const json_t *meta = json_object_get(o, "meta");
		const char *tag = json_string_value(json_array_get(json_object_get(o, "tags"), 0));
		double weight = jsonio_num(meta, "weight", 0);
		char group[64];

		name = jsonio_str(o, "name");
		/* Without a weight it only serves the rules of capabilities. */
		if (!name || !(weight > 0 || weight < 0))
			continue;
		snprintf(group, sizeof group, "rule-%.50s", tag ? tag : name);
		/* What makes others blind has no honest use. */
		add_reason(j, "rules", name, group, weight, jsonio_str(meta, "description"),
			tag && !strcmp(tag, "rootkit") && weight >= RULES_HEAVY ? HIDES | HIDES_STRONGLY : 0, matches_of(o));
		if (weight >= RULES_HEAVY)
			json_object_set_new(j->heavy, group, json_true());
	}
}

static void from_static(struct judgement *j, const json_t *stat)
{
	const json_t *o, *known;
	const char *name, *parser = jsonio_str(stat, "parser");
	const struct inner_list *from;
	size_t i;

	json_array_foreach(json_object_get(stat, "signs"), i, o) {
		name = jsonio_str(o, "name");
		known = name ? find(j->v, "static", name) : NULL;
		if (known)
			add_reason(j, "static", name, jsonio_str(known, "group"), jsonio_num(known, "weight", 0), jsonio_str(o, "reason"), 0,
				sign_at("static.json", "signs", i));
	}
	if (parser && (!strcmp(parser, "crashed") || !strcmp(parser, "refused")) && (known = find(j->v, "static", "parser-crashed")))
		add_reason(j, "static", "parser-crashed", jsonio_str(known, "group"), jsonio_num(known, "weight", 0), "the confined parser did not survive it", 0,
			json_pack("[o]", place("static.json", "sign", "parser", parser)));
	from_rules(j, stat);
	for (i = 0; (o = inner_at(stat, i, &from)); i++)
		from_rules(j, o);
}

static void add_behaviour(void *ctx, const char *name, const char *reason, const char *at)
{
	struct judgement *j = ctx;
	const json_t *known = find(j->v, "dynamic", name);

	j->replicates |= !strcmp(name, "copies-itself");
	if (known)
		add_reason(j, "dynamic", name, jsonio_str(known, "group"), jsonio_num(known, "weight", 0), reason, evidence_of(jsonio_str(known, "evidence")),
			json_pack("[o]", place("dynamic.json", "sign", at, NULL)));
}

static void from_dynamic(struct judgement *j, const char *sha256, const json_t *about, const json_t *dynamic)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(dynamic, "signs"), i, o) {
		char at[32];

		snprintf(at, sizeof at, "signs:%zu", i);
		if (jsonio_str(o, "name"))
			add_behaviour(j, jsonio_str(o, "name"), jsonio_str(o, "reason"), at);
	}
	behaviour_derive(sha256, about, dynamic, add_behaviour, j);
}

/* The rules of verdict.json's "decision". */
static const char *decide(const struct judgement *j, double score)
{
	size_t hides = json_object_size(j->hiding);
	bool strongly = j->evidence & HIDES_STRONGLY;

	if (score >= j->v->malicious) {
		if (j->evidence & ACTS_STRONGLY && (strongly || hides >= 2 || (hides && j->replicates)))
			return "malicious";
		if (j->evidence & ACTS && strongly && hides >= 2)
			return "malicious";
		if (j->starts && strongly && (hides >= 3 || (hides >= 2 && j->found)))
			return "malicious";
	}
	if (score >= j->v->suspicious || j->evidence & ACTS_STRONGLY || json_object_size(j->heavy) >= 2)
		return "suspicious";
	return score <= j->v->good ? "good" : "unknown";
}

json_t *verdict_judge(const struct verdict *v, const char *sha256, const json_t *about, const json_t *stat, const json_t *dynamic)
{
	struct judgement j = { .v = v, .reasons = json_array(), .hiding = json_object(), .heavy = json_object() };
	json_t *out = json_object();
	double score;

	from_host(&j, about);
	from_static(&j, stat);
	from_capabilities(&j, "static.json", json_object_get(stat, "capabilities"));
	from_dynamic(&j, sha256, about, dynamic);
	from_capabilities(&j, "dynamic.json", json_object_get(dynamic, "capabilities"));
	score = judge_score(j.reasons);
	json_object_set_new(out, "sha256", json_string(sha256));
	json_object_set_new(out, "verdict", json_string(decide(&j, score)));
	json_object_set_new(out, "score", json_real(score));
	json_object_set_new(out, "reasons", j.reasons);
	json_decref(j.hiding);
	json_decref(j.heavy);
	return out;
}

double verdict_sum(const json_t *stat)
{
	json_t *all = json_array(), *o;
	const json_t *r;
	double sum;
	size_t i;

	json_array_foreach(json_object_get(stat, "signs"), i, o)
		json_array_append(all, o);
	json_array_foreach(json_object_get(stat, "rules"), i, r) {
		const char *tag = json_string_value(json_array_get(json_object_get(r, "tags"), 0));

		o = json_object();
		json_object_set_new(o, "group", json_string(tag ? tag : "rule"));
		json_object_set_new(o, "weight", json_real(jsonio_num(json_object_get(r, "meta"), "weight", 0)));
		json_array_append_new(all, o);
	}
	sum = judge_score(all);
	json_decref(all);
	return sum;
}
