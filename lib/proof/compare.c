#include "proof/internal.h"

#include <stdlib.h>
#include <string.h>

bool compare_is_ours(const char *path)
{
	static const char *const ours[] = { "/var/lib/muss", "/run/muss" };

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		size_t n = strlen(ours[i]);

		if (!strncmp(path, ours[i], n) && (!path[n] || path[n] == '/'))
			return true;
	}
	return false;
}

/* world_changes() sorts by path, in bytes; in jsonio's form the order can differ, so it is looked through. */
const json_t *compare_find(const json_t *changes, const char *path)
{
	json_t *name = jsonio_name(path), *o;
	const char *want = json_string_value(name);
	const json_t *found = NULL;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)changes, i, o) {
		const char *at = jsonio_str(o, "path");

		if (at && want && !strcmp(at, want)) {
			found = o;
			break;
		}
	}
	json_decref(name);
	return found;
}

static bool equal_state(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "change", "type", "mode", "uid", "gid", "size", "sha256", "target", "xattrs" };
	const char *type = jsonio_str(a, "type");

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

		/* A folder's size and time follow what is in it, which is compared itself. */
		if (type && !strcmp(type, "dir") && !strcmp(keys[i], "size"))
			continue;
		if (x != y && !json_equal(x, y))
			return false;
	}
	if (type && !strcmp(type, "dir"))
		return true;
	return json_equal(json_object_get(a, "mtime_ns"), json_object_get(b, "mtime_ns")) ||
	       (!json_object_get(a, "mtime_ns") && !json_object_get(b, "mtime_ns"));
}

static json_t *by_path(const json_t *changes)
{
	json_t *index = json_object(), *o;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)changes, i, o)
		if (jsonio_str(o, "path") && !compare_is_ours(jsonio_str(o, "path")))
			json_object_set(index, jsonio_str(o, "path"), o);
	return index;
}

json_t *compare_changes(const json_t *before, const json_t *after)
{
	json_t *was = by_path(before), *is = by_path(after), *list = json_array(), *o;
	const char *path;

	json_object_foreach(was, path, o) {
		json_t *now = json_object_get(is, path);

		if (!now || !equal_state(o, now))
			json_array_append_new(list, json_pack("{s:s, s:O, s:O?}", "path", path, "was", o, "is", now));
	}
	json_object_foreach(is, path, o)
		if (!json_object_get(was, path))
			json_array_append_new(list, json_pack("{s:s, s:n, s:O}", "path", path, "was", "is", o));
	json_decref(was);
	json_decref(is);
	return list;
}

char *compare_list(const json_t *differences)
{
	struct buf b = { 0 };
	size_t i;
	json_t *d;

	json_array_foreach((json_t *)(uintptr_t)differences, i, d) {
		if (b.len > 400) {
			buf_addf(&b, " and %zu more", json_array_size(differences) - i);
			break;
		}
		buf_addf(&b, "%s%s", i ? ", " : "", err_q(jsonio_str(d, "path")));
	}
	return b.p ? (char *)b.p : buf_strdup("");
}
