/* From what a run showed to signs: which of it an ordinary daemon or installer does not do. */
#include "micro/verdict-internal.h"
#include "places/places.h"

#include <stdlib.h>
#include <string.h>

#define DOCUMENTS 5u         /* made unreadable or deleted: fewer may be an accident */
#define SCAN_ADDRESSES 20u   /* different machines within one observation; a client of a cluster knows fewer */

struct look {
	const char *sha256;
	const json_t *about, *dynamic;
	json_t *own;             /* set of the paths that are the sample or a copy of it */
	behaviour_add *add;
	void *ctx;
	char at[48];             /* what is looked at */
};

static void own_path(json_t *own, const char *path)
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
			own_path(own, json_string_value(o));
	json_array_foreach(json_object_get(l->about, "sightings"), i, o) {
		s = jsonio_str(o, "how");
		/* The exe of a process that merely mapped a library is another program. */
		own_path(own, s && !strcmp(s, "exe") ? jsonio_str(o, "exe") : NULL);
		own_path(own, s && strcmp(s, "startup") ? jsonio_str(o, "path") : NULL);
	}
	own_path(own, jsonio_str(l->dynamic, "path"));
	/* The first process is the sample where we put it; a later one may be a copy. */
	o = json_array_get(json_object_get(l->dynamic, "processes"), 0);
	s = jsonio_str(o, "sha256");
	if (s && !strcmp(s, l->sha256))
		own_path(own, jsonio_str(o, "path"));
	json_array_foreach(json_object_get(l->dynamic, "runs"), i, o)
		own_path(own, jsonio_str(o, "path"));
	return own;
}

static bool hidden(const char *path)
{
	const char *dot = path;

	while ((dot = strstr(dot, "/.")) != NULL) {
		if (dot[2] && dot[2] != '/' && dot[2] != '.')
			return true;
		dot += 2;
	}
	return false;
}

static bool temporary(const char *path)
{
	static const char *const places[] = { "/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/" };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			return true;
	return false;
}

static unsigned mode_of(const json_t *file)
{
	const char *s = jsonio_str(file, "mode");

	return s ? (unsigned)strtoul(s, NULL, 8) : (unsigned)jsonio_int(file, "mode", 0);
}

static bool was_executed(const json_t *dynamic, const char *sha256)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(dynamic, "processes"), i, o) {
		const char *s = jsonio_str(o, "sha256");

		if (s && sha256 && !strcmp(s, sha256))
			return true;
	}
	return false;
}

static void look_at(struct look *l, const char *list, size_t index)
{
	snprintf(l->at, sizeof l->at, "%s:%zu", list, index);
}

static void say(const struct look *l, const char *name, const char *fmt, const char *what)
{
	struct buf b = { 0 };

	buf_adds(&b, fmt);
	buf_adds(&b, " ");
	buf_adds(&b, what);
	l->add(l->ctx, name, buf_str(&b), l->at);
	buf_free(&b);
}

/* Visible, in a home, and there before. */
static bool is_document(const json_t *o, const char *path, const char *change)
{
	return !strcmp(change, "deleted") && json_object_get(o, "before") && (!strncmp(path, "/home/", 6) || !strncmp(path, "/root/", 6)) && !hidden(path);
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

static bool system_program(const char *path)
{
	static const char *const folders[] = { "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/usr/libexec/" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (!strncmp(path, folders[i], strlen(folders[i])))
			return true;
	return (!strncmp(path, "/usr/lib/", 9) || !strncmp(path, "/lib/", 5)) && (strstr(path, ".so.") || places_ending(path, ".so"));
}

static bool is_log(const char *path)
{
	static const char histories[] = ".bash_history|.zsh_history|.ash_history|.sh_history|.mysql_history|.psql_history|.python_history|.viminfo|.lesshst";
	const char *slash = strrchr(path, '/');

	if (!strncmp(path, "/var/log/", 9) || !strcmp(path, "/run/utmp") || !strcmp(path, "/var/run/utmp"))
		return true;
	/* The whole name is one of them, and no other ends so. */
	return slash && slash[1] == '.' && !strchr(slash + 2, '.') && slash > path && places_ending(slash, histories);
}

/* A log that goes on under its name with ".1" behind it is turned over. */
static bool turned_over(const struct look *l, const char *path)
{
	size_t n = strlen(path), i;
	const json_t *o;

	json_array_foreach(json_object_get(l->dynamic, "files"), i, o) {
		const char *other = jsonio_str(o, "path"), *change = jsonio_str(o, "change");

		if (other && change && strcmp(change, "deleted") && !strncmp(other, path, n) && (other[n] == '.' || other[n] == '-'))
			return true;
	}
	return false;
}

static void look_at_log(const struct look *l, const json_t *o, const char *path, const char *change)
{
	const char *target = jsonio_str(o, "target");

	if (!is_log(path) || !strcmp(change, "created"))
		return;
	if (!strcmp(change, "deleted") && !turned_over(l, path))
		say(l, "erases-logs", "it deleted", path);
	else if (target && !strcmp(target, "/dev/null"))
		say(l, "erases-logs", "it put a link to /dev/null in the place of", path);
	else if (json_object_get(o, "before_size") && jsonio_int(o, "size", 0) < jsonio_int(o, "before_size", 0) && !turned_over(l, path))
		say(l, "erases-logs", "it took lines out of", path);
}

static bool differs(const json_t *o, const char *aspect)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, "what"), i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), aspect))
			return true;
	return false;
}

static void look_at_rights(const struct look *l, const json_t *o, const char *path, const char *change)
{
	bool created = !strcmp(change, "created");

	if (mode_of(o) & 06000 && mode_of(o) & 0111 && (created || differs(o, "mode") || differs(o, "owner")))
		say(l, "sets-setuid", "whoever runs it gets the rights of the owner of", path);
	if (json_object_get(json_object_get(o, "xattrs"), "security.capability") && (created || differs(o, "xattrs")))
		say(l, "sets-setuid", "whoever runs it gets capabilities by", path);
}

/* Older than the run: nobody wrote it then. Only a time that was set on purpose lies before what it belongs to. */
static void look_at_times(const struct look *l, const json_t *o, const char *path, const char *change)
{
	const json_t *run = json_array_get(json_object_get(l->dynamic, "runs"), (size_t)json_integer_value(json_array_get(json_object_get(o, "runs"), 0)));
	const char *mtime = jsonio_str(o, "mtime"), *began = jsonio_str(run, "began");
	int64_t then, start;

	if (!mtime || !began || clock_parse(mtime, &then) || clock_parse(began, &start) || then >= start - 60)
		return;
	if (!strcmp(change, "created") || differs(o, "mtime"))
		say(l, "sets-times", "it set back the time of", path);
}

static void look_at_program(struct look *l, const json_t *o, const char *path, const char *change)
{
	const char *sha = jsonio_str(o, "sha256");
	bool program = (mode_of(o) & 0111) || was_executed(l->dynamic, sha);

	if (sha && !strcmp(sha, l->sha256)) {
		if (json_object_get(l->own, path))
			return;
		say(l, "copies-itself", "it copied itself to", path);
		if (hidden(path) || temporary(path))
			say(l, "drops-hidden", "it put a copy of itself at", path);
		own_path(l->own, path);
	} else if (!strcmp(change, "created") && program && !json_object_get(l->own, path)) {
		say(l, hidden(path) || temporary(path) ? "drops-hidden" : "drops-program", "it wrote the program", path);
	}
	/* What has only another time or owner is the same program. */
	if (!strcmp(change, "modified") && (program || system_program(path)) && sha && (!json_object_get(o, "what") || differs(o, "content") || differs(o, "type")))
		say(l, "changes-programs", "it changed", path);
}

static void look_at_files(struct look *l)
{
	const json_t *o, *first_lost = NULL;
	unsigned lost = 0, gone = 0;
	size_t i, at_lost = 0;

	json_array_foreach(json_object_get(l->dynamic, "files"), i, o) {
		const char *path = jsonio_str(o, "path"), *change = jsonio_str(o, "change"), *type = jsonio_str(o, "type");

		if (!path || !change)
			continue;
		look_at(l, "files", i);
		if (!strcmp(path, "/etc/ld.so.preload") && strcmp(change, "deleted"))
			say(l, "writes-preload", "it wrote", path);
		look_at_log(l, o, path, change);
		if (!strcmp(change, "deleted") && system_program(path) && type && !strcmp(type, "file"))
			say(l, "changes-programs", "it deleted", path);
		if (jsonio_bool(o, "unreadable", false)) {
			at_lost = lost++ ? at_lost : i;
			first_lost = first_lost ? first_lost : o;
		}
		gone += is_document(o, path, change);
		if (!type || strcmp(type, "file") || !strcmp(change, "deleted"))
			continue;
		look_at_program(l, o, path, change);
		look_at_rights(l, o, path, change);
		look_at_times(l, o, path, change);
	}
	if (lost >= DOCUMENTS) {
		look_at(l, "files", at_lost);
		say(l, "encrypts-files", "it made files unreadable, first", jsonio_str(first_lost, "path"));
	} else if (gone >= DOCUMENTS) {
		l->add(l->ctx, "deletes-documents", "it deleted what people keep in their homes", "files:0");
	}
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
		look_at(l, "accounts", i);
		root = detail && !strcmp(detail, "0") && (!strcmp(change, "created") || !strcmp(change, "uid"));
		if (root)
			say(l, "adds-root", "it gave root's number to the account", account);
		else if (!strcmp(change, "created"))
			say(l, "adds-account", "it made the account", account);
		else if (!strcmp(change, "password") || !strcmp(change, "shell"))
			say(l, "changes-account", !strcmp(change, "shell") ? "it changed the shell of" : "it changed the password of", account);
		else if (!strcmp(change, "rights") || (!strcmp(change, "group") && powerful(detail)))
			say(l, "grants-rights", "it gave higher rights to", account);
	}
}

static void look_at_keys(struct look *l)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(l->dynamic, "startup"), i, o) {
		const char *file = jsonio_str(o, "file");

		look_at(l, "startup", i);
		if (file && strstr(file, "/authorized_keys"))
			say(l, "adds-key", "it lets in by ssh whoever has a key of", file);
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

		look_at(l, "startup", i);
		/* The lines of a whole file tell more, below. */
		if (text || !has_lines(l, file))
			look_at_line(l, file, text ? text : "");
	}
	json_array_foreach(json_object_get(l->dynamic, "files"), i, o) {
		const char *path = jsonio_str(o, "path"), *change = jsonio_str(o, "change");

		if (!jsonio_str(o, "startup") || (change && !strcmp(change, "deleted")))
			continue;
		look_at(l, "files", i);
		json_array_foreach(json_object_get(o, "lines"), k, line)
			if (json_is_string(line))
				look_at_line(l, path, json_string_value(line));
		/* A copy in a folder whose programs are run is an entry without a line. */
		if (path && json_object_get(l->own, path) && jsonio_str(o, "sha256") && !strcmp(jsonio_str(o, "sha256"), l->sha256))
			say(l, "registers-itself", "it stands in a start-up place:", path);
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
			look_at(l, "connections", i);
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
		say(l, "connects-out", "it talked to", first);
	if (json_object_size(seen) >= SCAN_ADDRESSES)
		say(l, "scans", "it talked to many machines, first to", first);
	else if (wide)
		say(l, "scans", "it tried many ports of", wide);
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

		look_at(l, "processes", i);
		if (name && path && name[0] == '[' && strchr(name, ']') && path[0] == '/')
			say(l, "disguised-name", "it runs as", name);
	}
	if (json_array_size(json_object_get(l->dynamic, "memory")))
		l->add(l->ctx, "memory-code", "it executes memory that no file backs", "memory:0");
}

void behaviour_derive(const char *sha256, const json_t *about, const json_t *dynamic, behaviour_add *add, void *ctx)
{
	struct look l = { .sha256 = sha256, .about = about, .dynamic = dynamic, .add = add, .ctx = ctx };

	l.own = own_paths(&l);
	look_at_files(&l);
	look_at_startup(&l);
	look_at_accounts(&l);
	look_at_keys(&l);
	look_at_network(&l);
	look_at_processes(&l);
	json_decref(l.own);
}
