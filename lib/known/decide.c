/* decide: may a piece of code whose digest is known good be dropped? What is in memory, and how it is used, count too. */
#include "known/explain.h"

#include <fnmatch.h>
#include <string.h>

/* Signs that say something of how a program is used or what became of it, which its file's digest cannot excuse. */
static const char *const telling[] = {
	"text-modified", "text-forced", "text-unlike-file", "vdso-modified", "kernel-thread-name", "system-name", "hidden-process", "module-hidden",
	"preload-file",
	"preload-environment", "preload-startup", "library-shadows", "library-misplaced", "path-shadows", "interpreter-copied",
	"loader-run", "mount-detached", "odd-name", "setuid-tool", "setuid-unowned", "capability-unowned", "traced", "startup-fetches",
	"exe-unmapped", "thread-in-memory",
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

static const char *told_by_sign(const json_t *about)
{
	const json_t *signs = json_object_get(about, "signs"), *o;
	size_t i;

	json_array_foreach(signs, i, o) {
		const char *name = jsonio_str(o, "name");

		for (size_t k = 0; name && k < sizeof(telling) / sizeof(telling[0]); k++)
			if (!strcmp(name, telling[k]))
				return telling[k];
	}
	return NULL;
}

const char *decide_vouch(const json_t *about)
{
	const json_t *sightings = json_object_get(about, "sightings"), *o;
	const char *kind = jsonio_str(about, "kind"), *sign = told_by_sign(about);
	size_t i;

	if (!kind)
		return "it has no kind";
	if (!strcmp(kind, "memory"))
		return "it was seen in memory only";
	if (json_array_size(json_object_get(about, "memory")))
		return "its memory was modified";
	if (sign)
		return sign;
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

/* Code whose bytes as a whole are not known, but some of its pages: what is known of it, and why it stays; NULL: it may go. */
static const char *explained_keep(const json_t *about, const struct explained *r)
{
	const char *kind = jsonio_str(about, "kind"), *sign = told_by_sign(about);

	if (r->known < r->pages || r->cut)
		return "not all of its code pages are known";
	if (!kind || strcmp(kind, "memory") != 0)
		return "its code pages are known, the file as a whole is not";
	return r->writable ? "it can be written to" : sign;
}

static enum decision decide_pages(const struct explained *r, json_t *about)
{
	const char *why = explained_keep(about, r);
	json_t *mark = json_object();

	json_object_set(mark, "source", json_array_get(r->sources, 0));
	if (json_array_size(r->sources) > 1)
		json_object_set(mark, "sources", r->sources);
	explain_mark(r, mark);
	if (why)
		json_object_set_new(mark, "kept", json_string(why));
	json_object_set_new(about, "known", mark);
	return why ? DECIDE_KEEP : DECIDE_DROP;
}

static enum decision decide_file(const struct index_hit *hit, const struct explained *r, json_t *about)
{
	const char *why = decide_keep(about);
	json_t *mark = decide_mark(hit);

	explain_mark(r, mark);
	if (why)
		json_object_set_new(mark, "kept", json_string(why));
	json_object_set_new(about, "known", mark);
	return why ? DECIDE_KEEP : DECIDE_DROP;
}

enum decision decide_about(const struct index *x, json_t *about)
{
	const char *sha256 = jsonio_str(about, "sha256");
	enum decision d = DECIDE_UNKNOWN;
	struct explained r;
	struct index_hit hit;

	json_object_del(about, "known");
	explain_code(x, about, &r);
	if (sha256 && index_find_hex(x, sha256, &hit))
		d = decide_file(&hit, &r, about);
	else if (r.known)
		d = decide_pages(&r, about);
	explain_free(&r);
	return d;
}
