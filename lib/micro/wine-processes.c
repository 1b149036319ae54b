/* The processes of a run under Wine, under the names that Windows has for them. */
#include "micro/wine.h"

#include <stdlib.h>
#include <string.h>

#define PROCESSES 500u

struct tree {
	json_t *list;
	json_t *parent;              /* pid in digits -> who forked it */
	json_t *last;                /* pid in digits -> its last entry of the list */
};

static json_t *at(json_t *map, json_int_t pid)
{
	char key[24];

	snprintf(key, sizeof key, "%lld", (long long)pid);
	return json_object_get(map, key);
}

static void put(json_t *map, json_int_t pid, json_t *v)
{
	char key[24];

	snprintf(key, sizeof key, "%lld", (long long)pid);
	json_object_set_new(map, key, v);
}

static bool loader(const char *path)
{
	return !strncmp(path, WINE_LOADER, sizeof WINE_LOADER - 1);
}

/* Wine forks twice, so that nobody has to wait for the child: up to one that is listed. */
static json_int_t parent_of(const struct tree *t, json_int_t pid)
{
	for (int i = 0; i < 8; i++) {
		const json_t *p = at(t->parent, pid);

		if (!p)
			break;
		pid = json_integer_value(p);
		if (at(t->last, pid))
			return pid;
	}
	return 0;
}

static json_t *arguments(const json_t *argv, size_t from)
{
	json_t *list = json_array();

	for (size_t i = from; i < json_array_size(argv); i++)
		json_array_append(list, json_array_get(argv, i));
	return list;
}

static void on_exec(struct tree *t, const json_t *v)
{
	const char *path = jsonio_str(v, "path");
	json_int_t pid = jsonio_int(v, "pid", 0);
	const json_t *argv = json_object_get(v, "argv");
	json_t *o, *own, *old = at(t->last, pid);
	bool windows;

	if (!path || json_object_get(v, "error") || json_array_size(t->list) >= PROCESSES)
		return;
	windows = loader(path) && json_array_size(argv) > 1;
	own = arguments(argv, windows);
	/* Its loader executes itself again. */
	if (old && json_equal(own, json_object_get(old, "argv"))) {
		json_decref(own);
		return;
	}
	o = json_object();
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "ppid", json_integer(parent_of(t, pid)));
	if (windows)
		json_object_set(o, "path", json_array_get(own, 0));
	else
		json_object_set(o, "path", json_object_get(v, "path"));
	json_object_set_new(o, "argv", own);
	json_array_append(t->list, o);
	put(t->last, pid, o);
}

static void end_all(struct tree *t, const json_t *alive)
{
	size_t i;
	json_t *o;

	json_array_foreach(alive, i, o)
		if (at(t->last, jsonio_int(o, "pid", 0)))
			json_object_set_new(at(t->last, jsonio_int(o, "pid", 0)), "end", json_string("running"));
	json_array_foreach(t->list, i, o)
		if (!json_object_get(o, "end"))
			json_object_set_new(o, "end", json_string("running"));
}

/* The entry of whoever did it: its own, or that of who forked it. */
static const json_t *whose(const struct tree *t, json_int_t pid)
{
	for (int i = 0; i < 8; i++) {
		const json_t *o = at(t->last, pid), *p = at(t->parent, pid);

		if (o || !p)
			return o;
		pid = json_integer_value(p);
	}
	return NULL;
}

/* Wine's server makes connections for the programs that ask it to. */
static bool of_network(const json_t *v)
{
	static const char *const EVENTS[] = { "connect", "bind", "listen", "sendto", "socket" };
	const char *event = jsonio_str(v, "event");

	for (size_t i = 0; event && i < sizeof EVENTS / sizeof *EVENTS; i++)
		if (!strcmp(event, EVENTS[i]))
			return true;
	return false;
}

json_t *processes_own(const json_t *events, const json_t *processes, const json_t *noise)
{
	struct tree t = { NULL, json_object(), json_object() };
	json_t *own = json_array(), *v;
	size_t i;

	json_array_foreach(processes, i, v)
		put(t.last, jsonio_int(v, "pid", 0), json_incref(v));
	json_array_foreach(events, i, v)
		if (jsonio_str(v, "event") && !strcmp(jsonio_str(v, "event"), "fork"))
			put(t.parent, jsonio_int(v, "child", 0), json_integer(jsonio_int(v, "pid", 0)));
	json_array_foreach(events, i, v) {
		const json_t *o = whose(&t, jsonio_int(v, "pid", 0));

		if (!o || of_network(v) || !noise_has(noise, "processes", o))
			json_array_append(own, v);
	}
	json_decref(t.parent);
	json_decref(t.last);
	return own;
}

json_t *processes_of(const json_t *events, const json_t *alive)
{
	struct tree t = { json_array(), json_object(), json_object() };
	size_t i;
	json_t *v;

	json_array_foreach(events, i, v) {
		const char *event = jsonio_str(v, "event");
		json_int_t pid = jsonio_int(v, "pid", 0);
		json_t *o = at(t.last, pid);

		if (event && !strcmp(event, "fork")) {
			put(t.parent, jsonio_int(v, "child", 0), json_integer(pid));
		} else if (event && !strcmp(event, "exec")) {
			on_exec(&t, v);
		} else if (event && !strcmp(event, "exit") && o) {
			json_object_set_new(o, "end", json_sprintf("%d", (int)jsonio_int(v, "status", 0)));
		}
	}
	end_all(&t, alive);
	json_decref(t.parent);
	json_decref(t.last);
	return t.list;
}
