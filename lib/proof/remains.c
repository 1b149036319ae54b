#include "proof/internal.h"

#include <stdlib.h>
#include <string.h>

/* Was it changed by the specimens, and is it a place from which things start? */
static bool starts_something(const struct evidence *v, const char *path)
{
	static const char *const places[] = { "/etc/cron", "/var/spool/cron/", "/etc/systemd/", "/etc/init.d/", "/etc/rc", "/etc/profile", "/etc/ld.so.preload",
		"/etc/xdg/autostart/", "/usr/lib/systemd/", "/etc/udev/rules.d/", "/etc/modules-load.d/" };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			return true;
	if (strstr(path, "/autostart/"))
		return true;
	for (size_t i = 0; i < v->specimens; i++) {
		size_t k;
		json_t *f;

		json_array_foreach(json_object_get(v->specimen[i].dynamic, "startup"), k, f)
			if (jsonio_str(f, "file") && !strcmp(jsonio_str(f, "file"), path))
				return true;
	}
	return false;
}

static bool says(const json_t *o, const char *word)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "what"), i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), word))
			return true;
	return false;
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == y || json_equal(x, y);
}

/* Other bytes or another target than in the clean system? A new time alone starts nothing. */
static bool is_other(const json_t *difference)
{
	const json_t *was = json_object_get(difference, "was"), *is = json_object_get(difference, "is");
	const char *change = jsonio_str(is, "change");

	if (!change)
		return false;
	if (json_is_object(was))
		return !same_member(was, is, "sha256") || !same_member(was, is, "target") || !same_member(was, is, "type");
	return strcmp(change, "modified") || says(is, "content") || says(is, "target") || says(is, "type");
}

static bool is_type(const json_t *o, const char *type)
{
	return jsonio_str(o, "type") && !strcmp(jsonio_str(o, "type"), type);
}

/* Of plant_decoys(): with its near miss beside a file of the plan. */
static bool is_decoy(const struct scene *s, const char *path)
{
	static const char near[] = ".near";
	size_t n = strlen(path), k = sizeof near - 1;

	for (size_t i = 0; n > k && !strcmp(path + n - k, near) && i < s->signs.count; i++) {
		const struct sign *o = &s->signs.sign[i];

		if (o->kind == SIGN_FILE && strlen(o->path) == n - k && !strncmp(o->path, path, n - k))
			return true;
	}
	return false;
}

void remains_gone(struct trial *t, const struct scene *s)
{
	json_t *d = compare_changes(s->clean, s->after), *o;
	struct buf b = { 0 };
	size_t i;

	for (i = 0; i < s->signs.count; i++) {
		char *text;

		if (s->signs.sign[i].kind == SIGN_PROCESS || !signs_present(s->w, &s->signs.sign[i], NULL, s->after))
			continue;
		text = signs_describe(&s->signs.sign[i]);
		if (b.len < 400)
			buf_addf(&b, "%s%s", b.len ? ", " : "", text);
		free(text);
	}
	json_array_foreach(d, i, o) {
		const json_t *is = json_object_get(o, "is");
		const char *path = jsonio_str(o, "path"), *sha = jsonio_str(is, "sha256"), *change = jsonio_str(is, "change");
		bool bad = sha && evidence_is_body(t->evidence, sha);

		for (size_t k = 0; sha && k < s->signs.count; k++)
			bad |= s->signs.sign[k].kind == SIGN_FILE && jsonio_int(is, "size", 0) > 0 && !strcmp(s->signs.sign[k].sha256, sha);
		if (!is_type(is, "dir") && change && strcmp(change, "deleted") && !is_decoy(s, path) && starts_something(t->evidence, path))
			bad |= is_other(o);
		if (bad && b.len < 400)
			buf_addf(&b, "%s%s", b.len ? ", " : "", err_q(path));
		if (json_array_size(t->left) < 200 && change && is_other(o) && strcmp(change, "deleted") && strcmp(path, "/opt/near") && !strstr(path, ".near") &&
		    strncmp(path, "/opt/near/", 10))
			json_array_append(t->left, json_object_get(o, "path"));
	}
	trial_check(t, "indicators-gone", !b.len, b.len ? "left: %s" : "none of the signs is left%s", buf_str(&b));
	buf_free(&b);
	json_decref(d);
}

/* May this path differ between the infected system and the healed one? */
static bool is_expected(const struct scene *s, const json_t *difference)
{
	const char *path = jsonio_str(difference, "path");
	const json_t *was = json_object_get(difference, "was"), *is = json_object_get(difference, "is");
	struct buf b = { 0 };
	bool expected = false;

	if (jsonio_tobytes(path, &b))
		return false;
	for (size_t i = 0; i < s->signs.count && !expected; i++) {
		const struct sign *n = &s->signs.sign[i];

		if (n->kind == SIGN_PROCESS || !n->planted || strcmp(n->path, buf_str(&b)))
			continue;
		if (n->kind == SIGN_LINE && json_is_object(is) && json_is_object(was))
			expected = same_member(was, is, "mode") && same_member(was, is, "uid") && same_member(was, is, "gid");
		else
			/* gone, or of the lower system and shown as deleted: never of the clean system */
			expected = !compare_find(s->clean, n->path) && json_is_null(is);
		/* The line was all that made the file differ from the system's own. */
		expected |= n->kind == SIGN_LINE && json_is_null(is);
	}
	buf_free(&b);
	/* A specimen's own data, which it may have written to until it was ended. */
	if (!expected && json_is_object(was) && json_is_object(is) && !compare_find(s->clean, path))
		expected = jsonio_str(was, "change") && !strcmp(jsonio_str(was, "change"), "created") && !strstr(path, ".near");
	return expected;
}

void remains_others(struct trial *t, const struct scene *s)
{
	json_t *d = compare_changes(s->infected, s->after), *bad = json_array(), *o;
	char *list;
	size_t i;

	json_array_foreach(d, i, o)
		if (!is_expected(s, o))
			json_array_append(bad, o);
	list = compare_list(bad);
	trial_check(t, "nothing-else-changed", !json_array_size(bad), json_array_size(bad) ? "also changed: %s" : "what was not the plan's is as it was%s", list);
	free(list);
	json_decref(bad);
	json_decref(d);
}
