/* What several runs of one sample showed, as one: each thing once, with the runs that showed it. */
#include "micro/dynamic-internal.h"

#include <string.h>

#define KEYS 5u

/* By which keys two entries are the same; without any, none is. */
static const struct list { const char *name; const char *key[KEYS]; } LISTS[] = {
	{ "processes", { NULL } },
	{ "files", { "path", "change", "type", "sha256", "target" } },
	{ "startup", { "place", "file", "value", "line", "whole" } },
	{ "accounts", { "account", "change", "file", "detail" } },
	{ "connections", { "protocol", "address", "port", "event" } },
	{ "memory", { "sha256" } },
	{ "sleeps", { NULL } },
	{ "exchanges", { NULL } },
	{ "scans", { NULL } },
	{ "indicators", { "kind", "value" } },
	{ "timeline", { NULL } },
	{ "signs", { "name" } },
	{ "registry", { "key", "value", "change", "data" } },
	{ "calls", { NULL } },
};

static bool same(const struct list *l, const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < KEYS && l->key[i]; i++) {
		const json_t *x = json_object_get(a, l->key[i]), *y = json_object_get(b, l->key[i]);

		if (x != y && !(x && y && json_equal(x, y)))
			return false;
	}
	return l->key[0];
}

static json_t *find(const struct list *l, const json_t *all, size_t n, const json_t *one)
{
	for (size_t i = 0; i < n; i++)
		if (same(l, json_array_get(all, i), one))
			return json_array_get(all, i);
	return NULL;
}

static void add_list(const struct list *l, json_t *all, const json_t *list, unsigned run)
{
	size_t before = json_array_size(all), i;
	json_t *o;

	/* What one run lists is listed once already. */
	json_array_foreach(list, i, o) {
		json_t *there = find(l, all, before, o);

		if (!there) {
			there = o;
			json_object_set_new(there, "runs", json_array());
			json_array_append(all, there);
		}
		json_array_append_new(json_object_get(there, "runs"), json_integer(run));
	}
}

void union_add(json_t *all, json_t *one, unsigned run)
{
	for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
		if (json_object_get(one, LISTS[i].name))
			add_list(&LISTS[i], jsonio_array(all, LISTS[i].name), json_object_get(one, LISTS[i].name), run);
	for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
		json_object_del(one, LISTS[i].name);
}

/* Signs of a sample that looks around, and then does nothing. */
static bool tells_nothing(const char *sign)
{
	return !strcmp(sign, "watches-for-tracer") || !strcmp(sign, "watches-clock") || !strcmp(sign, "long-sleep");
}

bool union_silent(const json_t *one)
{
	static const char *const DEEDS[] = { "files", "startup", "registry", "connections", "memory" };
	size_t i;
	json_t *o;

	for (i = 0; i < sizeof DEEDS / sizeof *DEEDS; i++)
		if (json_array_size(json_object_get(one, DEEDS[i])))
			return false;
	json_array_foreach(json_object_get(one, "signs"), i, o)
		if (!tells_nothing(jsonio_str(o, "name")))
			return false;
	/* Programs of the system that it asks who and where it is are no deeds. */
	return true;
}
