#include "listing/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CAP_WHY 200u        /* signs of one piece that are told: some 80 exist */
#define CAP_SCANS 200u
#define CAP_EXCHANGES 8000u /* that are read: a run lists 1,000 */

static bool has_string(const json_t *array, const char *s)
{
	const json_t *o;
	size_t i;

	json_array_foreach(array, i, o)
		if (!strcmp(json_string_value(o), s))
			return true;
	return false;
}

/* So that a hostile case cannot make it slow, a list has an end. */
static void add_string(json_t *array, json_t *s)
{
	if (json_is_string(s) && json_array_size(array) < CAP_SIGHTINGS && !has_string(array, json_string_value(s)))
		json_array_append(array, s);
}

static void add_why(json_t *code, const char *source, const json_t *name, const json_t *from, const char *text)
{
	json_t *why = json_object_get(code, "why"), *o;
	const char *group = jsonio_str(from, "group");
	double weight = jsonio_num(from, "weight", 0);

	if (!json_is_string(name) || json_array_size(why) >= CAP_WHY)
		return;
	o = json_object();
	json_object_set_new(o, "sign", json_string(json_string_value(name)));
	json_object_set_new(o, "source", json_string(source));
	json_object_set_new(o, "group", json_string(group ? group : "unlisted"));
	json_object_set_new(o, "weight", json_real(isfinite(weight) ? weight : 0));
	json_object_set_new(o, "reason", json_string(jsonio_str(from, text) ? jsonio_str(from, text) : ""));
	json_array_append_new(why, o);
}

static void add_signs(json_t *code, const char *source, const json_t *from)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(from, "signs"), i, o) {
		add_string(json_object_get(code, "signs"), json_object_get(o, "name"));
		add_why(code, source, json_object_get(o, "name"), o, "reason");
	}
}

static void add_pid(json_t *pids, const json_t *pid)
{
	const json_t *o;
	size_t i;

	json_array_foreach(pids, i, o)
		if (json_equal(o, pid))
			return;
	if (json_is_integer(pid))
		json_array_append_new(pids, json_integer(json_integer_value(pid)));
}

static json_t *number_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_deep_copy(v) : json_integer(0);
}

json_t *piece_listed(const char *sha256, const json_t *about)
{
	const json_t *sightings = json_object_get(about, "sightings"), *paths = json_object_get(about, "paths");
	const char *kind = jsonio_str(about, "kind");
	json_t *code = json_pack("{s:s, s:s, s:o, s:o, s:n, s:n, s:[], s:[], s:[], s:[], s:[s]}", "sha256", sha256, "kind", kind ? kind : "-",
	                         "size", number_of(about, "size"), "score", number_of(about, "score"), "verdict", "path", "paths", "pids",
	                         "signs", "why", "members", "about.json");
	size_t i;

	for (i = 0; i < json_array_size(paths); i++)
		add_string(json_object_get(code, "paths"), json_array_get(paths, i));
	for (i = 0; i < json_array_size(sightings) && i < CAP_SIGHTINGS; i++) {
		const json_t *s = json_array_get(sightings, i);

		add_pid(json_object_get(code, "pids"), json_object_get(s, "pid"));
		if (!json_array_size(paths))
			add_string(json_object_get(code, "paths"), json_object_get(s, json_object_get(s, "path") ? "path" : "file"));
	}
	if (json_array_size(json_object_get(code, "paths")))
		json_object_set(code, "path", json_array_get(json_object_get(code, "paths"), 0));
	add_signs(code, "host", about);
	return code;
}

/* The verdict weighed all that was found, the host's signs too: its reasons are why. */
static void learn_verdict(json_t *code, const json_t *j)
{
	const json_t *reasons = json_object_get(j, "reasons"), *o;
	size_t i;

	if (jsonio_str(j, "verdict"))
		json_object_set(code, "verdict", json_object_get(j, "verdict"));
	if (json_is_number(json_object_get(j, "score")))
		json_object_set(code, "score", json_object_get(j, "score"));
	if (!json_array_size(reasons))
		return;
	json_array_clear(json_object_get(code, "why"));
	json_array_foreach(reasons, i, o)
		add_why(code, jsonio_str(o, "source") ? jsonio_str(o, "source") : "-", json_object_get(o, "sign"), o, "text");
}

static void add_names(json_t *code, const char *key, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		add_string(jsonio_array(code, key), json_object_get(o, "name"));
}

/* What it is and can do, as far as an analysis told: without one the keys are absent. */
static void learn_traits(json_t *code, const json_t *j)
{
	json_t *tlsh = json_object_get(json_object_get(j, "similarity"), "tlsh");

	add_names(code, "capabilities", json_object_get(j, "capabilities"));
	add_names(code, "identified", json_object_get(j, "identified"));
	if (json_is_string(tlsh))
		json_object_set(code, "tlsh", tlsh);
}

/* One of those that were asked one after the other. */
static bool is_scanned(const json_t *dynamic, const json_t *exchange)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(dynamic, "scans"), i, o)
		if (i < CAP_SCANS && !strcmp(jsonio_text(o, "protocol"), jsonio_text(exchange, "protocol")) && jsonio_int(o, "port", 0) == jsonio_int(exchange, "port", -1))
			return true;
	return false;
}

/* "https gate.example.org:443": the name where one led there, since the garden makes addresses up. */
static void learn_contacts(json_t *code, const json_t *dynamic)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(dynamic, "exchanges"), i, o) {
		const char *service = jsonio_text(o, "service"), *peer = *jsonio_text(o, "name") ? jsonio_text(o, "name") : jsonio_text(o, "address");
		json_t *text;

		if (i >= CAP_EXCHANGES || !*peer || !strcmp(service, "dns") || is_scanned(dynamic, o))
			continue;
		text = json_sprintf("%s %s:%lld", *service ? service : "unknown", peer, (long long)jsonio_int(o, "port", 0));
		if (text)
			add_string(jsonio_array(code, "contacted"), text);
		json_decref(text);
	}
}

static void learn_scans(json_t *code, const json_t *scans)
{
	const json_t *o;
	size_t i;

	json_array_foreach(scans, i, o) {
		json_t *text;

		if (i >= CAP_SCANS || !json_is_object(o))
			continue;
		text = json_sprintf("%s port %lld of %lld addresses, %s", jsonio_text(o, "protocol"), (long long)jsonio_int(o, "port", 0),
		                            (long long)jsonio_int(o, "addresses", 0), jsonio_text(o, "order"));

		if (text)
			add_string(jsonio_array(code, "scanned"), text);
		json_decref(text);
	}
}

/* Seconds that the clock of a run leapt over: of the one that waited longest. */
static void learn_waits(json_t *code, const json_t *j)
{
	double most = jsonio_num(j, "skipped", 0);
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(j, "runs"), i, o)
		if (jsonio_num(o, "skipped", 0) > most)
			most = jsonio_num(o, "skipped", 0);
	if (most >= 1)
		json_object_set_new(code, "waited", json_real(most));
}

void piece_learn(json_t *code, const char *member, const json_t *j)
{
	char source[16];

	if (!strcmp(member, "verdict.json")) {
		learn_verdict(code, j);
		return;
	}
	snprintf(source, sizeof(source), "%.*s", (int)strcspn(member, "."), member);
	add_signs(code, source, j);
	learn_traits(code, j);
	if (strcmp(member, "dynamic.json"))
		return;
	learn_contacts(code, j);
	learn_scans(code, json_object_get(j, "scans"));
	learn_waits(code, j);
}

static int heaviest_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double v = jsonio_num(x, "weight", 0), w = jsonio_num(y, "weight", 0);

	if (json_is_true(json_object_get(x, "counts")) != json_is_true(json_object_get(y, "counts")))
		return json_is_true(json_object_get(x, "counts")) ? -1 : 1;
	return v < w ? 1 : v > w ? -1 : strcmp(jsonio_str(x, "sign"), jsonio_str(y, "sign"));
}

static void sort(json_t *why)
{
	size_t n = json_array_size(why), i;
	json_t **order = buf_realloc(NULL, n + 1, sizeof(json_t *));

	for (i = 0; i < n; i++)
		order[i] = json_incref(json_array_get(why, i));
	if (n)
		qsort(order, n, sizeof(json_t *), heaviest_first);
	json_array_clear(why);
	for (i = 0; i < n; i++)
		json_array_append_new(why, order[i]);
	free(order);
}

void piece_finish(json_t *code, const struct judge *judge)
{
	json_t *why = json_object_get(code, "why"), *o;
	size_t i;

	json_array_foreach(why, i, o) {
		const struct judge_sign *s = judge && !strcmp(jsonio_str(o, "source"), "host") ? judge_find(judge, jsonio_str(o, "sign")) : NULL;

		json_object_set_new(o, "counts", json_boolean(judge_counts(why, i)));
		json_object_set_new(o, "meaning", s ? json_string(s->meaning) : json_null());
	}
	sort(why);
	json_object_set_new(code, "suspicious", judge ? json_boolean(jsonio_num(code, "score", 0) >= judge_submit(judge)) : json_null());
}
