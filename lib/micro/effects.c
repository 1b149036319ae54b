#include "micro/dynamic-internal.h"
#include "places/places.h"

#include <string.h>
#include <unistd.h>

#define FILES 2000u          /* listed changes */
#define BODIES 64u
#define BODY (32 * MIB)

bool effects_read(const struct effects *f, bool lower, const char *path, struct buf *b)
{
	struct err ignored;
	int fd = lower ? world_open_lower(f->world, path, &ignored) : world_open_file(f->world, path, &ignored);
	bool good = fd >= 0 && io_slurp(fd, CAP_START_FILE, b, "a text", &ignored) == 0;

	io_close(&fd);
	return good;
}

static json_t *added_lines(const struct effects *f, const char *path, bool created)
{
	struct buf now = { 0 }, before = { 0 };
	json_t *list = NULL;

	if (effects_read(f, false, path, &now) && now.len && !memchr(now.p, '\0', now.len)) {
		if (!created)
			effects_read(f, true, path, &before);
		list = lines_added(&now, &before);
	}
	buf_free(&now);
	buf_free(&before);
	return list;
}

/* ---- files ---- */

static void add_startup(struct effects *f, const char *place, const json_t *change, json_t *lines, bool whole)
{
	size_t i;
	json_t *v, *o;

	if (whole || !json_array_size(lines)) {
		o = json_object();
		json_object_set_new(o, "place", json_string(place));
		json_object_set(o, "file", json_object_get(change, "path"));
		json_object_set_new(o, "whole", json_true());
		json_array_append_new(f->startup, o);
		return;
	}
	json_array_foreach(lines, i, v) {
		o = json_object();
		json_object_set_new(o, "place", json_string(place));
		json_object_set(o, "file", json_object_get(change, "path"));
		json_object_set(o, "line", v);
		json_array_append_new(f->startup, o);
	}
}

static int keep_body(struct effects *f, const char *path, const char *sha256, struct err *e)
{
	char name[16 + DIGEST_HEX], hex[DIGEST_HEX];
	struct err ignored;
	int from, to;
	bool good;

	snprintf(name, sizeof name, "dropped/%s", sha256);
	for (size_t i = 0; i < f->extra->count; i++)
		if (!strcmp(f->extra->member[i].name, name))
			return 0;
	from = world_open_file(f->world, path, &ignored);
	if (from < 0)
		return 0;
	to = io_tmp(e);
	if (to < 0) {
		close(from);
		return -1;
	}
	/* Larger than the cap, or changed since it was hashed: nothing runs any more, but a byte is not taken on trust. */
	good = io_copy(from, to, BODY, NULL, &ignored) == 0 && digest_fd(to, BODY, hex, NULL, &ignored) == 0 && !strcmp(hex, sha256);
	close(from);
	if (!good || !micro_add(f->extra, name, 0, to)) {
		if (!good)
			close(to);
		f->left_out++;
	}
	return 0;
}

static bool made_for_us(const struct effects *f, const char *path, const char *change, const char *type)
{
	size_t n = strlen(path);

	/* The folders above the sample. */
	return !strcmp(change, "created") && !strcmp(type, "dir") && !strncmp(f->path, path, n) && f->path[n] == '/';
}

/* The change in dynamic.json's words. */
static json_t *told(const json_t *c)
{
	static const char *const COPIED[] = { "path", "change", "type", "sha256", "size", "mode", "target", "what", "xattrs" };
	char when[CLOCK_RFC3339];
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof COPIED / sizeof *COPIED; i++)
		if (json_object_get(c, COPIED[i]))
			json_object_set(o, COPIED[i], json_object_get(c, COPIED[i]));
	if (json_object_get(c, "mtime_ns") && strcmp(jsonio_str(c, "type"), "dir")) {
		clock_rfc3339(jsonio_int(c, "mtime_ns", 0) / 1000000000, when);
		json_object_set_new(o, "mtime", json_string(when));
	}
	return o;
}

static void look_at_place(struct effects *f, const json_t *c, const char *path, json_t *o)
{
	const char *type = jsonio_str(c, "type");
	bool created = !strcmp(jsonio_str(c, "change"), "created");
	const struct place *p;
	json_t *lines = NULL;

	if (!strcmp(type, "dir") || !strcmp(jsonio_str(c, "change"), "deleted"))
		return;
	p = places_find(path, jsonio_int(c, "mode", 0) & 0111);
	if (!p)
		return;
	json_object_set_new(o, "startup", json_string(p->place));
	if (!strcmp(type, "file"))
		lines = added_lines(f, path, created);
	if (lines)
		json_object_set(o, "lines", lines);
	/* A program that was there before has no lines, and is another now. */
	if (created || json_array_size(lines) || (!lines && json_object_get(o, "before")))
		add_startup(f, p->place, c, lines, created);
	json_decref(lines);
}

/* The sample itself, as we put it there. */
static bool is_sample(struct effects *f, const json_t *c, const char *path)
{
	const char *sha256 = jsonio_str(c, "sha256");

	if (strcmp(path, f->path))
		return false;
	f->gone = !strcmp(jsonio_str(c, "change"), "deleted");
	return f->gone || (sha256 && !strcmp(sha256, f->sha256));
}

static int keep(struct effects *f, const json_t *c, const char *path, unsigned *bodies, struct err *e)
{
	const char *sha256 = jsonio_str(c, "sha256");
	json_int_t size = jsonio_int(c, "size", 0);

	if (strcmp(jsonio_str(c, "type"), "file") || !strcmp(jsonio_str(c, "change"), "deleted") || !sha256 || !strcmp(sha256, f->sha256) || size <= 0)
		return 0;
	if (*bodies >= BODIES || (uint64_t)size > BODY) {
		f->left_out++;
		return 0;
	}
	++*bodies;
	return keep_body(f, path, sha256, e);
}

/* was: the file deleted last, in order of path. */
static int one_file(struct effects *f, const json_t *c, const char *path, const char *was, unsigned *bodies, struct err *e)
{
	json_t *o;

	if (is_sample(f, c, path) || made_for_us(f, path, jsonio_str(c, "change"), jsonio_str(c, "type")))
		return 0;
	if (json_array_size(f->files) >= FILES) {
		f->left_out++;
		return 0;
	}
	o = told(c);
	json_array_append_new(f->files, o);
	contents_compare(f, c, path, was, o);
	look_at_place(f, c, path, o);
	if (accounts_file(path))
		accounts_compare(f, path);
	return keep(f, c, path, bodies, e);
}

int effects_find(struct effects *f, struct err *e)
{
	const json_t *c;
	struct buf was = { 0 };
	unsigned bodies = 0;
	bool there = false;
	size_t i;
	int rc = 0;

	json_array_foreach(f->changes, i, c) {
		struct buf path = { 0 };

		if (jsonio_str(c, "change") && jsonio_str(c, "type") && jsonio_str(c, "path") && jsonio_tobytes(jsonio_str(c, "path"), &path) == 0) {
			there |= !strcmp(buf_str(&path), f->path);
			rc = one_file(f, c, buf_str(&path), was.len ? buf_str(&was) : NULL, &bodies, e);
			if (!strcmp(jsonio_str(c, "change"), "deleted") && !strcmp(jsonio_str(c, "type"), "file")) {
				buf_free(&was);
				buf_adds(&was, buf_str(&path));
			}
		}
		buf_free(&path);
		if (rc)
			break;
	}
	buf_free(&was);
	/* Put there, and no change now: it was removed (or made what the lower root has). */
	if (!there)
		f->gone = true;
	return rc;
}
