/* From what a run showed to signs: which of it an ordinary daemon or installer does not do. */
#include "micro/behaviour-internal.h"

#include <stdlib.h>
#include <string.h>

#define SCAN_ADDRESSES 20u   /* different machines within one observation; a client of a cluster knows fewer */

void behaviour_own(json_t *own, const char *path)
{
	static const char gone[] = " (deleted)";
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || path[0] != '/')
		return;
	if (n > sizeof gone && !strcmp(path + n - (sizeof gone - 1), gone))
		n -= sizeof gone - 1;
	json_object_setn_new_nocheck(own, path, n, json_true());
}

static json_t *own_paths(const struct look *l)
{
	json_t *own = json_object();
	const json_t *o;
	const char *s;
	size_t i;

	json_array_foreach(json_object_get(l->about, "paths"), i, o)
		if (json_is_string(o))
			behaviour_own(own, json_string_value(o));
	json_array_foreach(json_object_get(l->about, "sightings"), i, o) {
		s = jsonio_str(o, "how");
		/* The exe of a process that merely mapped a library is another program. */
		behaviour_own(own, s && !strcmp(s, "exe") ? jsonio_str(o, "exe") : NULL);
		behaviour_own(own, s && strcmp(s, "startup") ? jsonio_str(o, "path") : NULL);
	}
	behaviour_own(own, jsonio_str(l->dynamic, "path"));
	/* The first process is the sample where we put it; a later one may be a copy. */
	o = json_array_get(json_object_get(l->dynamic, "processes"), 0);
	s = jsonio_str(o, "sha256");
	if (s && !strcmp(s, l->sha256))
		behaviour_own(own, jsonio_str(o, "path"));
	json_array_foreach(json_object_get(l->dynamic, "runs"), i, o)
		behaviour_own(own, jsonio_str(o, "path"));
	return own;
}

void behaviour_at(struct look *l, const char *list, size_t index)
{
	snprintf(l->at, sizeof l->at, "%s:%zu", list, index);
}

void behaviour_say(const struct look *l, const char *name, const char *fmt, const char *what)
{
	struct buf b = { 0 };

	buf_adds(&b, fmt);
	buf_adds(&b, " ");
	buf_adds(&b, what);
	l->add(l->ctx, name, buf_str(&b), l->at);
	buf_free(&b);
}

/* Groups whose members are root, or nearly. */
static bool powerful(const char *group)
{
	static const char *const groups[] = { "root", "sudo", "wheel", "admin", "adm", "docker", "lxd", "disk", "shadow", "kmem", "libvirt" };

	for (size_t i = 0; group && i < sizeof groups / sizeof *groups; i++)
		if (!strcmp(group, groups[i]))
			return true;
	return false;
}

static void look_at_accounts(struct look *l)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "accounts"), i, o) {
		const char *account = jsonio_str(o, "account"), *change = jsonio_str(o, "change"), *detail = jsonio_str(o, "detail");
		bool root;

		if (!account || !change)
			continue;
		behaviour_at(l, "accounts", i);
		root = detail && !strcmp(detail, "0") && (!strcmp(change, "created") || !strcmp(change, "uid"));
		if (root)
			behaviour_say(l, "adds-root", "it gave root's number to the account", account);
		else if (!strcmp(change, "created"))
			behaviour_say(l, "adds-account", "it made the account", account);
		else if (!strcmp(change, "password") || !strcmp(change, "shell"))
			behaviour_say(l, "changes-account", !strcmp(change, "shell") ? "it changed the shell of" : "it changed the password of", account);
		else if (!strcmp(change, "rights") || (!strcmp(change, "group") && powerful(detail)))
			behaviour_say(l, "grants-rights", "it gave higher rights to", account);
	}
}

static void look_at_keys(struct look *l)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "startup"), i, o) {
		const char *file = jsonio_str(o, "file");

		behaviour_at(l, "startup", i);
		if (file && strstr(file, "/authorized_keys"))
			behaviour_say(l, "adds-key", "it lets in by ssh whoever has a key of", file);
	}
}

static bool in_path(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("/._-", c));
}

/* Does this text name the sample or a copy of it? "/usr/lib/x" stands neither in "/usr/lib/xyz" nor in "/mnt/usr/lib/x". */
static bool names_itself(const struct look *l, const char *text)
{
	const char *path;
	json_t *value;

	json_object_foreach(l->own, path, value) {
		size_t n = strlen(path);

		for (const char *at = text; (at = strstr(at, path)) != NULL; at++)
			if (!in_path(at[n]) && (at == text || !in_path(at[-1])))
				return true;
	}
	return false;
}

static void look_at_line(struct look *l, const char *file, const char *text)
{
	struct buf b = { 0 };
	bool itself = names_itself(l, text);

	buf_adds(&b, itself ? "it has itself started from " : "it adds to what starts by itself: ");
	buf_adds(&b, file ? file : "a start-up place");
	if (*text) {
		buf_adds(&b, ": ");
		buf_adds(&b, text);
	}
	l->add(l->ctx, itself ? "registers-itself" : "registers-startup", buf_str(&b), l->at);
	buf_free(&b);
}

static bool has_lines(const struct look *l, const char *file)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "files"), i, o)
		if (file && jsonio_str(o, "path") && !strcmp(jsonio_str(o, "path"), file) && json_array_size(json_object_get(o, "lines")))
			return true;
	return false;
}

static void look_at_startup(struct look *l)
{
	const json_t *o, *line;
	size_t i, k;

	json_array_foreach(json_object_get(l->dynamic, "startup"), i, o) {
		const char *text = jsonio_str(o, "line"), *file = jsonio_str(o, "file");

		behaviour_at(l, "startup", i);
		/* The lines of a whole file tell more, below. */
		if (text || !has_lines(l, file))
			look_at_line(l, file, text ? text : "");
	}
	json_array_foreach(json_object_get(l->dynamic, "files"), i, o) {
		const char *path = jsonio_str(o, "path"), *change = jsonio_str(o, "change");

		if (!jsonio_str(o, "startup") || (change && !strcmp(change, "deleted")))
			continue;
		behaviour_at(l, "files", i);
		json_array_foreach(json_object_get(o, "lines"), k, line)
			if (json_is_string(line))
				look_at_line(l, path, json_string_value(line));
		/* A copy in a folder whose programs are run is an entry without a line. */
		if (path && json_object_get(l->own, path) && jsonio_str(o, "sha256") && !strcmp(jsonio_str(o, "sha256"), l->sha256))
			behaviour_say(l, "registers-itself", "it stands in a start-up place:", path);
	}
}

static bool local_address(const char *a)
{
	return !strncmp(a, "127.", 4) || !strcmp(a, "::1") || !strcmp(a, "0.0.0.0") || !strcmp(a, "::") || !strncmp(a, "::ffff:127.", 11) || a[0] == '/' || a[0] == '@';
}

static bool private_address(const char *a)
{
	return !strncmp(a, "10.", 3) || !strncmp(a, "192.168.", 8) || (!strncmp(a, "172.", 4) && strtoul(a + 4, NULL, 10) / 16 == 1);
}

static void look_at_network(struct look *l)
{
	json_t *seen = json_object(), *ports = json_object();
	const char *first = NULL, *wide = NULL;
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "connections"), i, o) {
		const char *address = jsonio_str(o, "address"), *protocol = jsonio_str(o, "protocol"), *event = jsonio_str(o, "event");
		char port[24];

		if (!address || local_address(address) || (protocol && !strcmp(protocol, "unix")) || (event && (!strcmp(event, "bind") || !strcmp(event, "listen"))))
			continue;
		/* Its own resolver, asked for names. */
		if (jsonio_int(o, "port", 0) == 53 && private_address(address))
			continue;
		if (!first)
			behaviour_at(l, "connections", i);
		first = first ? first : jsonio_str(o, "name") ? jsonio_str(o, "name") : address;
		json_object_set_new(seen, address, json_true());
		snprintf(port, sizeof port, "%lld", (long long)jsonio_int(o, "port", 0));
		if (!json_object_get(ports, address))
			json_object_set_new(ports, address, json_object());
		json_object_set_new(json_object_get(ports, address), port, json_true());
		if (json_object_size(json_object_get(ports, address)) >= SCAN_ADDRESSES)
			wide = wide ? wide : address;
	}
	if (first)
		behaviour_say(l, "connects-out", "it talked to", first);
	if (json_object_size(seen) >= SCAN_ADDRESSES)
		behaviour_say(l, "scans", "it talked to many machines, first to", first);
	else if (wide)
		behaviour_say(l, "scans", "it tried many ports of", wide);
	json_decref(ports);
	json_decref(seen);
}

/* "[kworker/0:1]" as the name of a program that has a file. */
static void look_at_processes(struct look *l)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "processes"), i, o) {
		const char *name = json_string_value(json_array_get(json_object_get(o, "argv"), 0)), *path = jsonio_str(o, "path");

		behaviour_at(l, "processes", i);
		if (name && path && name[0] == '[' && strchr(name, ']') && path[0] == '/')
			behaviour_say(l, "disguised-name", "it runs as", name);
	}
	if (json_array_size(json_object_get(l->dynamic, "memory")))
		l->add(l->ctx, "memory-code", "it executes memory that no file backs", "memory:0");
}

void behaviour_derive(const char *sha256, const json_t *about, const json_t *dynamic, behaviour_add *add, void *ctx)
{
	struct look l = { .sha256 = sha256, .about = about, .dynamic = dynamic, .add = add, .ctx = ctx };

	l.own = own_paths(&l);
	behaviour_files(&l);
	look_at_startup(&l);
	look_at_accounts(&l);
	look_at_keys(&l);
	look_at_network(&l);
	look_at_processes(&l);
	json_decref(l.own);
}
