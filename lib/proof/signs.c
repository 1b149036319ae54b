#include "proof/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A string of JSON as bytes; NULL when there is none. Caller frees. */
static char *bytes_of(const char *json)
{
	struct buf b = { 0 };

	if (!json || jsonio_tobytes(json, &b))
		return NULL;
	if (!b.p)
		buf_add(&b, "", 0);
	return b.p ? (char *)b.p : buf_strdup("");
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void add(struct signs *s, enum sign_kind kind, json_int_t id, const char *path, const char *text, const char *sha256)
{
	struct sign n = { .kind = kind, .id = id, .path = bytes_of(path), .text = bytes_of(text) };

	if (sha256)
		snprintf(n.sha256, sizeof n.sha256, "%.64s", sha256);
	/* What the plan knows need not stand here a second time. */
	for (size_t i = 0; i < s->count && !id; i++) {
		const struct sign *o = &s->sign[i];

		if (o->kind == kind && same(o->path, n.path) && same(o->text, n.text) && !strcmp(o->sha256, n.sha256)) {
			free(n.path);
			free(n.text);
			return;
		}
	}
	if ((kind != SIGN_PROCESS && (!n.path || *n.path != '/')) || (kind == SIGN_LINE && (!n.text || !*n.text)) || s->count > 2 * CAP_OPERATIONS) {
		free(n.path);
		free(n.text);
		return;
	}
	s->sign = buf_realloc(s->sign, s->count + 1, sizeof *s->sign);
	s->sign[s->count++] = n;
}

static void from_plan(struct signs *s, const json_t *plan)
{
	size_t i;
	json_t *op;

	json_array_foreach(json_object_get(plan, "operations"), i, op) {
		const char *name = jsonio_str(op, "op"), *path = jsonio_str(op, "path"), *sha = jsonio_str(op, "sha256");
		json_int_t id = jsonio_int(op, "id", 0);

		if (same(name, "terminate")) {
			add(s, SIGN_PROCESS, id, path, jsonio_str(op, "exe"), sha);
			/* Bound to one process of the host, or to a library's users: not to be made here. */
			if (s->count && s->sign[s->count - 1].id == id)
				s->sign[s->count - 1].unprovable = jsonio_bool(op, "only", false) || jsonio_bool(op, "mapped", false);
		} else if (same(name, "quarantine")) {
			add(s, SIGN_FILE, id, path, NULL, sha);
		} else if (same(name, "remove-line")) {
			add(s, SIGN_LINE, id, path, jsonio_str(op, "line"), NULL);
		} else if (same(name, "remove-link")) {
			add(s, SIGN_LINK, id, path, jsonio_str(op, "target"), NULL);
		}
	}
}

/* What was seen of it on the host, whatever the plan says. */
static void from_sightings(struct signs *s, const struct specimen *c)
{
	const char *kind = jsonio_str(c->about, "kind");
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(c->about, "sightings"), i, v) {
		const char *how = jsonio_str(v, "how");

		if (same(how, "exe"))
			add(s, SIGN_PROCESS, 0, NULL, NULL, c->sha256);
		else if (same(how, "startup") && jsonio_bool(v, "whole", false) && jsonio_str(v, "link"))
			add(s, SIGN_LINK, 0, jsonio_str(v, "file"), jsonio_str(v, "link"), NULL);
		else if (same(how, "startup") && jsonio_bool(v, "whole", false))
			add(s, SIGN_FILE, 0, jsonio_str(v, "file"), NULL, jsonio_str(v, "file_sha256"));
		else if (same(how, "startup"))
			add(s, SIGN_LINE, 0, jsonio_str(v, "file"), jsonio_str(v, "text"), NULL);
	}
	json_array_foreach(json_object_get(c->about, "paths"), i, v)
		if ((same(kind, "file") || same(kind, "script")) && json_is_string(v) && !strstr(json_string_value(v), " (deleted)") &&
		    strncmp(json_string_value(v), "/memfd:", 7))   /* a name, and no place */
			add(s, SIGN_FILE, 0, json_string_value(v), NULL, c->sha256);
}

void signs_gather(struct signs *s, const struct evidence *v)
{
	from_plan(s, v->plan);
	for (size_t i = 0; i < v->specimens; i++)
		from_sightings(s, &v->specimen[i]);
}

void signs_free(struct signs *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->sign[i].path);
		free(s->sign[i].text);
	}
	free(s->sign);
}

static bool has_line(const struct buf *b, const char *line)
{
	size_t n = strlen(line);

	for (size_t at = 0; at < b->len;) {
		const unsigned char *end = memchr(b->p + at, '\n', b->len - at);
		size_t k = end ? (size_t)(end - b->p) - at : b->len - at;

		if (k == n && !memcmp(b->p + at, line, n))
			return true;
		at += k + 1;
	}
	return false;
}

static bool process_present(const struct sign *s, const json_t *processes)
{
	size_t i, k;
	json_t *p, *word;

	json_array_foreach((json_t *)(uintptr_t)processes, i, p) {
		char *exe = bytes_of(jsonio_str(p, "exe"));
		bool hit;

		if (s->text) {
			hit = same(exe, s->text);
			bool names = false;
			json_array_foreach(json_object_get(p, "cmdline"), k, word) {
				char *w = bytes_of(json_string_value(word));

				names |= same(w, s->path);
				free(w);
			}
			hit &= names;
		} else {
			size_t n = s->path ? strlen(s->path) : 0;

			hit = same(jsonio_str(p, "sha256"), s->sha256) &&
			      (!s->path || (exe && !strncmp(exe, s->path, n) && (!exe[n] || !strcmp(exe + n, " (deleted)"))));
		}
		free(exe);
		if (hit)
			return true;
	}
	return false;
}

bool signs_present(struct world *w, const struct sign *s, const json_t *processes, const json_t *changes)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	char hex[DIGEST_HEX];
	bool there = false;
	int fd;

	/* Another process of the same program is another. */
	if (s->unprovable)
		return false;
	if (s->kind == SIGN_PROCESS)
		return process_present(s, processes);
	if (s->kind == SIGN_LINK) {
		const json_t *o = compare_find(changes, s->path);
		char *target = bytes_of(jsonio_str(o, "target"));

		there = target && same(target, s->text);
		free(target);
		return there;
	}
	fd = world_open_file(w, s->path, &e);
	if (fd < 0)
		return false;
	if (s->kind == SIGN_FILE)
		there = !digest_fd(fd, CAP_BODY, hex, NULL, &e) && !strcmp(hex, s->sha256);
	else
		there = !io_slurp(fd, CAP_START_FILE, &b, s->path, &e) && has_line(&b, s->text);
	close(fd);
	buf_free(&b);
	return there;
}

char *signs_describe(const struct sign *s)
{
	switch (s->kind) {
	case SIGN_PROCESS:
		return s->path ? buf_printf("process of %s", err_q(s->path)) : buf_printf("process of %.12s", s->sha256);
	case SIGN_FILE:
		return buf_printf("file %s", err_q(s->path));
	case SIGN_LINE:
		return buf_printf("line of %s", err_q(s->path));
	default:
		return buf_printf("link %s", err_q(s->path));
	}
}
