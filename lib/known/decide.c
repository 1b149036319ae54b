/* decide: may a piece of code whose digest is known good be dropped? What is in memory, and how it is used, count too. */
#include "known/known.h"

#include <fnmatch.h>
#include <string.h>

/* Signs that say something of how a program is used or what became of it, which its file's digest cannot excuse. */
static const char *const telling[] = {
	"text-modified", "vdso-modified", "kernel-thread-name", "system-name", "hidden-process", "module-hidden", "preload-file",
	"preload-environment", "traced", "startup-fetches",
};

static const char *const interpreters[] = {
	"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "busybox", "python*", "perl*", "ruby*", "lua*", "node", "nodejs", "php*",
	"tclsh*", "env", "awk", "gawk", "mawk", "xargs", "nohup", "setsid", "socat", "curl", "wget", "nc", "nc.*", "ncat",
};

static bool is_interpreter(const json_t *about)
{
	const json_t *paths = json_object_get(about, "paths"), *p;
	size_t i;

	json_array_foreach(paths, i, p) {
		const char *path = json_string_value(p), *name;

		if (!path)
			continue;
		name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
		for (size_t k = 0; k < sizeof(interpreters) / sizeof(interpreters[0]); k++)
			if (!fnmatch(interpreters[k], name, 0))
				return true;
	}
	return false;
}

/* Is the code in the start-up line itself, as `sh -c '...'`, `python3 -e`, or words for a shell behind an interpreter? */
static bool inline_code(const char *text)
{
	static const char *const words[] = {" -c", " -e", " -r", "|", "/dev/tcp/", "<(", "$(", "`", "http://", "https://"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

const char *decide_vouch(const json_t *about)
{
	const json_t *signs = json_object_get(about, "signs"), *sightings = json_object_get(about, "sightings"), *o;
	const char *kind = jsonio_str(about, "kind");
	size_t i;

	if (!kind)
		return "it has no kind";
	if (!strcmp(kind, "memory"))
		return "it was seen in memory only";
	if (json_array_size(json_object_get(about, "memory")))
		return "its memory was modified";
	json_array_foreach(signs, i, o) {
		const char *name = jsonio_str(o, "name");

		for (size_t k = 0; name && k < sizeof(telling) / sizeof(telling[0]); k++)
			if (!strcmp(name, telling[k]))
				return telling[k];
	}
	json_array_foreach(sightings, i, o)
		if (jsonio_int(o, "pages_modified", 0) > 0)
			return "its memory was modified";
	return NULL;
}

const char *decide_keep(const json_t *about)
{
	const json_t *sightings = json_object_get(about, "sightings"), *o;
	const char *why = decide_vouch(about);
	size_t i;

	if (why || !is_interpreter(about))
		return why;
	json_array_foreach(sightings, i, o) {
		const char *how = jsonio_str(o, "how"), *text = jsonio_str(o, "text");

		if (how && !strcmp(how, "startup") && text && inline_code(text))
			return "a start-up entry gives it code to run";
	}
	return NULL;
}

/* Whether nobody but former versions of packages vouch. */
static bool outdated(const char *set)
{
	const char *name;
	size_t len;

	while (source_next(&set, &name, &len))
		if (!source_outdated(name, len, NULL))
			return false;
	return true;
}

json_t *decide_mark(const struct index_hit *hit)
{
	json_t *mark = json_object(), *names = source_names(hit->source);

	json_object_set(mark, "source", json_array_size(names) ? json_array_get(names, 0) : json_null());
	if (json_array_size(names) > 1)
		json_object_set(mark, "sources", names);
	if (hit->name)
		json_object_set_new(mark, "name", jsonio_name(hit->name));
	if (outdated(hit->source))
		json_object_set_new(mark, "outdated", json_true());
	json_decref(names);
	return mark;
}

enum decision decide_about(const struct index *x, json_t *about)
{
	struct index_hit hit;
	const char *why, *sha256 = jsonio_str(about, "sha256");
	json_t *mark;

	json_object_del(about, "known");
	if (!sha256 || !index_find_hex(x, sha256, &hit))
		return DECIDE_UNKNOWN;
	why = decide_keep(about);
	mark = decide_mark(&hit);
	if (why)
		json_object_set_new(mark, "kept", json_string(why));
	json_object_set_new(about, "known", mark);
	return why ? DECIDE_KEEP : DECIDE_DROP;
}
