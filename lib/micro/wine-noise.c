/* What Wine does by itself, told from runs of a program that does nothing. Measured, never listed: another Wine does other things. */
#include "micro/wine.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 5u
#define CHANGES "*"              /* instead of what an entry is: it is another one each time */

/* By which keys an entry is known again, and which tells what it is. */
static const struct list { const char *name; const char *key[KEYS], *what; } LISTS[] = {
	{ "files", { "path", NULL }, "sha256" },
	{ "registry", { "key", "value", NULL }, "data" },
	{ "processes", { "path", "argv", NULL }, NULL },
	{ "connections", { "protocol", "address", "port", "event", NULL }, NULL },
	{ "memory", { "sha256", NULL }, NULL },
	{ "signs", { "name", "reason", NULL }, NULL },
	{ "calls", { "call", "args", NULL }, NULL },
};

static char *name_of(const struct list *l, const json_t *o)
{
	json_t *parts = json_array();
	char *text;

	for (size_t i = 0; i < KEYS && l->key[i]; i++) {
		json_t *v = json_object_get(o, l->key[i]);

		json_array_append_new(parts, v ? json_incref(v) : json_null());
	}
	text = json_dumps(parts, JSON_COMPACT);
	json_decref(parts);
	return text;
}

static const char *what_of(const struct list *l, const json_t *o)
{
	const char *s = l->what ? jsonio_str(o, l->what) : NULL;

	return s ? s : "";
}

static void learn(const struct list *l, json_t *known, const json_t *list)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o) {
		char *name = name_of(l, o);
		const char *there = jsonio_str(known, name);

		if (!there)
			json_object_set_new(known, name, json_string(what_of(l, o)));
		else if (strcmp(there, what_of(l, o)))
			json_object_set_new(known, name, json_string(CHANGES));
		free(name);
	}
}

void noise_learn(json_t *noise, const json_t *dynamic)
{
	for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
		if (!json_object_get(noise, LISTS[i].name))
			json_object_set_new(noise, LISTS[i].name, json_object());
		learn(&LISTS[i], json_object_get(noise, LISTS[i].name), json_object_get(dynamic, LISTS[i].name));
	}
}

void noise_drop(const json_t *noise, json_t *dynamic)
{
	for (size_t k = 0; k < sizeof LISTS / sizeof *LISTS; k++) {
		const json_t *known = json_object_get(noise, LISTS[k].name);
		json_t *list = json_object_get(dynamic, LISTS[k].name);

		for (size_t i = json_array_size(list); i > 0; i--) {
			const json_t *o = json_array_get(list, i - 1);
			char *name = name_of(&LISTS[k], o);
			const char *there = jsonio_str(known, name);

			free(name);
			if (there && (!strcmp(there, CHANGES) || !strcmp(there, what_of(&LISTS[k], o))))
				json_array_remove(list, i - 1);
		}
	}
}

bool noise_has(const json_t *noise, const char *list, const json_t *o)
{
	const json_t *known = json_object_get(noise, list);
	bool has = false;

	for (size_t k = 0; k < sizeof LISTS / sizeof *LISTS; k++) {
		if (strcmp(LISTS[k].name, list))
			continue;
		char *name = name_of(&LISTS[k], o);

		has = json_object_get(known, name);
		free(name);
	}
	return has;
}
