/* Of what a run showed: what became of files. */
#include "micro/behaviour-internal.h"
#include "places/places.h"

#include <stdlib.h>
#include <string.h>

#define DOCUMENTS 5u         /* made unreadable or deleted: fewer may be an accident */

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

/* Visible, in a home, and there before. */
static bool is_document(const json_t *o, const char *path, const char *change)
{
	return !strcmp(change, "deleted") && json_object_get(o, "before") && (!strncmp(path, "/home/", 6) || !strncmp(path, "/root/", 6)) && !hidden(path);
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
		behaviour_say(l, "erases-logs", "it deleted", path);
	else if (target && !strcmp(target, "/dev/null"))
		behaviour_say(l, "erases-logs", "it put a link to /dev/null in the place of", path);
	else if (json_object_get(o, "before_size") && jsonio_int(o, "size", 0) < jsonio_int(o, "before_size", 0) && !turned_over(l, path))
		behaviour_say(l, "erases-logs", "it took lines out of", path);
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
		behaviour_say(l, "sets-setuid", "whoever runs it gets the rights of the owner of", path);
	if (json_object_get(json_object_get(o, "xattrs"), "security.capability") && (created || differs(o, "xattrs")))
		behaviour_say(l, "sets-setuid", "whoever runs it gets capabilities by", path);
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
		behaviour_say(l, "sets-times", "it set back the time of", path);
}

static void look_at_program(struct look *l, const json_t *o, const char *path, const char *change)
{
	const char *sha = jsonio_str(o, "sha256");
	bool program = (mode_of(o) & 0111) || was_executed(l->dynamic, sha);

	if (sha && !strcmp(sha, l->sha256)) {
		if (json_object_get(l->own, path))
			return;
		behaviour_say(l, "copies-itself", "it copied itself to", path);
		if (hidden(path) || temporary(path))
			behaviour_say(l, "drops-hidden", "it put a copy of itself at", path);
		behaviour_own(l->own, path);
	} else if (!strcmp(change, "created") && program && !json_object_get(l->own, path)) {
		behaviour_say(l, hidden(path) || temporary(path) ? "drops-hidden" : "drops-program", "it wrote the program", path);
	}
	/* What has only another time or owner is the same program. */
	if (!strcmp(change, "modified") && (program || system_program(path)) && sha && (!json_object_get(o, "what") || differs(o, "content") || differs(o, "type")))
		behaviour_say(l, "changes-programs", "it changed", path);
}

void behaviour_files(struct look *l)
{
	const json_t *o, *first_lost = NULL;
	unsigned lost = 0, gone = 0;
	size_t i, at_lost = 0;

	json_array_foreach(json_object_get(l->dynamic, "files"), i, o) {
		const char *path = jsonio_str(o, "path"), *change = jsonio_str(o, "change"), *type = jsonio_str(o, "type");

		if (!path || !change)
			continue;
		behaviour_at(l, "files", i);
		if (!strcmp(path, "/etc/ld.so.preload") && strcmp(change, "deleted"))
			behaviour_say(l, "writes-preload", "it wrote", path);
		look_at_log(l, o, path, change);
		if (!strcmp(change, "deleted") && system_program(path) && type && !strcmp(type, "file"))
			behaviour_say(l, "changes-programs", "it deleted", path);
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
		behaviour_at(l, "files", at_lost);
		behaviour_say(l, "encrypts-files", "it made files unreadable, first", jsonio_str(first_lost, "path"));
	} else if (gone >= DOCUMENTS) {
		l->add(l->ctx, "deletes-documents", "it deleted what people keep in their homes", "files:0");
	}
}
