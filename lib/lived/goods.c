#include "lived/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define COPIES 1000u
#define CONTENTS (64 * MIB)   /* of all files; they lie in memory twice */

const struct owner OWNER_ROOT = { "root", "/root", 0, 0 };

/* ---- one file ---- */

static int store(struct lived *l, const struct buf *b, json_t *o, struct err *e)
{
	if (l->at + b->len > CONTENTS)
		return err_set(e, EX_CONFIG, "files of more than %d MiB in all", (int)(CONTENTS / MIB));
	if (b->len && io_write(l->contents, b->p, b->len))
		return err_sys(e, "cannot write a memory file");
	json_object_set_new(o, "at", json_integer((json_int_t)l->at));
	json_object_set_new(o, "size", json_integer((json_int_t)b->len));
	l->at += b->len;
	return 0;
}

static json_t *object_of(const char *type, const char *path, unsigned mode, const struct owner *w, int64_t mtime)
{
	json_t *o = json_object();

	json_object_set_new(o, "path", json_string(path));
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "mode", json_integer(mode));
	json_object_set_new(o, "uid", json_integer(w->uid));
	json_object_set_new(o, "gid", json_integer(w->gid));
	json_object_set_new(o, "mtime", json_integer(mtime));
	return o;
}

/* The folders above a path, each as old as the youngest in it; in a home they are its owner's. */
static void add_folders(struct lived *l, const char *path, const struct owner *w, int64_t mtime)
{
	size_t n = strlen(w->home);

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *folder = buf_printf("%.*s", (int)(slash - path), path);
		const char *name = strrchr(folder, '/') + 1;
		bool own = !strncmp(folder, w->home, n) && (folder[n] == '/' || folder[n] == '\0');
		json_t *o = json_object_get(l->seen, folder);

		if (!o) {
			o = object_of("dir", folder, own && *name == '.' ? 0700 : 0755, own ? w : &OWNER_ROOT, mtime);
			json_array_append_new(l->folders, o);
			json_object_set(l->seen, folder, o);
		} else if (jsonio_int(o, "mtime", 0) < mtime) {
			json_object_set_new(o, "mtime", json_integer(mtime));
		}
		free(folder);
	}
}

/* Steals o. The same path twice is the first one's. */
static void add_object(struct lived *l, json_t *o, const struct owner *w, bool keep)
{
	const char *path = jsonio_str(o, "path");

	if (json_object_get(l->seen, path)) {
		json_decref(o);
		return;
	}
	json_object_set_new(o, "keep", json_boolean(keep));
	add_folders(l, path, w, jsonio_int(o, "mtime", 0));
	json_object_set(l->seen, path, o);
	json_array_append_new(!strcmp(jsonio_str(o, "type"), "dir") ? l->folders : l->files, o);
}

int goods_file(struct lived *l, const char *path, unsigned mode, const struct owner *w, int64_t mtime, bool keep, const struct buf *b,
	       struct err *e)
{
	json_t *o = object_of("file", path, mode, w, mtime);

	if (store(l, b, o, e)) {
		json_decref(o);
		return -1;
	}
	add_object(l, o, w, keep);
	return 0;
}

/* ---- what the settings say of it ---- */

struct making {
	const json_t *entry;
	const struct owner *owner;
	struct template t;
	int64_t begin, end;
	unsigned mode;
	char *path;
};

static int content(struct lived *l, struct making *m, const char *make, struct buf *out, struct err *e)
{
	struct buf text = { 0 };
	int rc = template_text(&m->t, json_object_get(m->entry, "text"), m->begin, m->end, &text, e);

	if (rc) {
		buf_free(&text);
		return -1;
	}
	if (!strcmp(make, "text")) {
		buf_add(out, text.p, text.len);
	} else if (!strcmp(make, "json")) {
		json_t *o = template_json(&m->t, json_object_get(m->entry, "json"), e);

		rc = o ? 0 : -1;
		if (o)
			jsonio_dump_line(o, out);
		json_decref(o);
	} else if (!strcmp(make, "odt")) {
		document_odt(buf_str(&text), out);
	} else if (!strcmp(make, "pdf")) {
		document_pdf(buf_str(&text), out);
	} else if (!strcmp(make, "png")) {
		document_png(&m->t, out);
	} else if (!strcmp(make, "gzip")) {
		document_gzip(text.p, text.len, out);
	} else if (!strcmp(make, "sqlite")) {
		rc = db_image(buf_str(&text), out, e);
	} else if (!strcmp(make, "wtmp") || !strcmp(make, "utmp")) {
		document_wtmp(&m->t, m->owner->uid ? m->owner->login : jsonio_str(l->values, "login"),
			      l->now - l->uptime, *make == 'w' ? m->begin : m->end - HOUR, m->end, true, out);
	} else {
		rc = err_set(e, EX_CONFIG, "no way to make %s", err_q(make));
	}
	buf_free(&text);
	return rc;
}

/* Each world has a key of its own: here stands where, and whose. */
static int place_key(struct lived *l, struct making *m, struct err *e)
{
	char *comment = template_string(&m->t, "{login}@{host}", e);
	json_t *o;

	if (!comment)
		return -1;
	o = object_of("file", m->path, 0600, m->owner, m->end);
	json_object_set_new(o, "comment", json_string(comment));
	free(comment);
	if (!json_object_get(l->seen, m->path)) {
		add_folders(l, m->path, m->owner, m->end);
		json_object_set(l->seen, m->path, o);
		json_array_append(l->keys, o);
	}
	json_decref(o);
	return 0;
}

int goods_keys(json_t *files, const json_t *keys, struct err *e)
{
	size_t i;
	json_t *key;

	json_array_foreach(keys, i, key) {
		struct buf secret = { 0 }, line = { 0 };
		json_t *o = json_copy(key), *public = json_copy(key);
		char *path = buf_printf("%s.pub", jsonio_str(key, "path"));
		int rc = document_ssh_key(jsonio_str(key, "comment"), &secret, &line, e);

		json_object_set_new(o, "text", json_string(buf_str(&secret)));
		json_object_set_new(public, "path", json_string(path));
		json_object_set_new(public, "mode", json_integer(0644));
		json_object_set_new(public, "text", json_string(buf_str(&line)));
		json_array_append_new(files, o);
		json_array_append_new(files, public);
		free(path);
		buf_free(&secret);
		buf_free(&line);
		if (rc)
			return -1;
	}
	return 0;
}

static int make_link(struct lived *l, struct making *m, struct err *e)
{
	char *target = template_string(&m->t, jsonio_str(m->entry, "target"), e);
	json_t *o;

	if (!target)
		return -1;
	o = object_of("link", m->path, 0777, m->owner, m->end);
	json_object_set_new(o, "target", json_string(target));
	free(target);
	add_object(l, o, m->owner, true);
	return 0;
}

static int make_one(struct lived *l, struct making *m, struct err *e)
{
	const char *make = jsonio_str(m->entry, "make");
	bool keep = !jsonio_bool(m->entry, "replace", false);
	struct buf b = { 0 };
	int rc;

	make = make ? make : "text";
	if (!strcmp(make, "ssh-key"))
		return place_key(l, m, e);
	if (!strcmp(make, "link"))
		return make_link(l, m, e);
	if (!strcmp(make, "folder")) {
		add_object(l, object_of("dir", m->path, m->mode, m->owner, m->end), m->owner, true);
		return 0;
	}
	rc = content(l, m, make, &b, e);
	if (rc == 0)
		rc = goods_file(l, m->path, m->mode, m->owner, m->end, keep, &b, e);
	buf_free(&b);
	return rc;
}

/* A path in a world that nothing can be hidden behind. */
bool goods_path(const char *path)
{
	return path[0] == '/' && path[1] && strlen(path) < PATH_MAX / 2 && !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
		path[strlen(path) - 1] != '/';
}

/* One entry for one owner: as many files as it says. */
static int make_entry(struct lived *l, const json_t *entry, const struct owner *w, struct err *e)
{
	const char *path = jsonio_str(entry, "path"), *mode = jsonio_str(entry, "mode"), *make = jsonio_str(entry, "make");
	uint64_t copies;
	struct making m = { .entry = entry, .owner = w };
	char *stream = buf_printf("%s %s", w->login, path ? path : "");
	int rc = 0;

	template_seed(&m.t, &l->t, stream);
	free(stream);
	copies = template_range(&m.t, json_object_get(entry, "copies"), 1);
	m.mode = mode ? (unsigned)strtoul(mode, NULL, 8) & 07777 : make && !strcmp(make, "folder") ? 0755 : 0644;
	for (uint64_t i = 0; i < copies && i < COPIES && rc == 0; i++) {
		const json_t *age = json_object_get(entry, "age");
		uint64_t least = (uint64_t)(json_number_value(json_array_get(age, 0)) * DAY), most = (uint64_t)(json_number_value(json_array_get(age, 1)) * DAY);

		m.end = l->now - (int64_t)template_number(&m.t, least, most);
		m.begin = m.end - (int64_t)(jsonio_num(entry, "span", 1) * DAY);
		m.t.time = m.end;
		m.path = template_string(&m.t, path, e);
		if (!m.path)
			return -1;
		rc = goods_path(m.path) ? make_one(l, &m, e) : err_set(e, EX_CONFIG, "not a path for a file: %s", err_q(m.path));
		if (rc)
			err_wrap(e, "%s", err_q(m.path));
		free(m.path);
	}
	return rc;
}

int goods_make(struct lived *l, struct err *e)
{
	const json_t *entries = json_object_get(l->settings, "files"), *first = json_array_get(l->people, 0);
	size_t i, j;
	json_t *entry, *person;

	json_array_foreach(entries, i, entry) {
		const char *who = jsonio_str(entry, "who");

		lived_speak_of(l, first);
		if (!who) {
			struct owner w = OWNER_ROOT;

			w.gid = (unsigned)jsonio_int(entry, "gid", 0);
			if (make_entry(l, entry, &w, e))
				return -1;
			continue;
		}
		if (!strcmp(who, "root")) {
			json_object_set_new(l->values, "home", json_string(OWNER_ROOT.home));
			if (make_entry(l, entry, &OWNER_ROOT, e))
				return -1;
			continue;
		}
		json_array_foreach(l->people, j, person) {
			struct owner w = { jsonio_str(person, "login"), jsonio_str(person, "home"), (unsigned)jsonio_int(person, "uid", 0),
				(unsigned)jsonio_int(person, "gid", 0) };

			lived_speak_of(l, person);
			if ((j == 0 || !strcmp(who, "people")) && make_entry(l, entry, &w, e))
				return -1;
		}
	}
	return 0;
}
