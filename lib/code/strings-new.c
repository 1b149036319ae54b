#include "code/traits.h"

#include <stdlib.h>
#include <string.h>

#define NEW_STRINGS 100000u      /* of the file, that are compared one by one */
#define NEW_BYTES (2 * GIB)      /* that may be searched for the others: about a second */

/* The bytes as they stand in memory, of a text that strings_find() told. */
static void bytes_of(const json_t *string, struct buf *text, struct buf *out)
{
	bool wide = jsonio_str(string, "encoding") != NULL;

	buf_clear(text);
	buf_clear(out);
	if (jsonio_tobytes(jsonio_str(string, "text"), text))
		return;
	for (size_t i = 0; i < text->len; i++) {
		buf_addc(out, (char)text->p[i]);
		if (wide)
			buf_addc(out, '\0');
	}
}

static void key_of(const json_t *string, struct buf *key)
{
	buf_clear(key);
	buf_adds(key, jsonio_str(string, "encoding") ? "w" : "n");
	buf_adds(key, jsonio_str(string, "text"));
}

/* The texts of the file, each as it stands there whole. */
static json_t *known(const void *file, size_t fn, const struct strings_options *o)
{
	struct strings_options all = { o ? o->shortest : 0, NEW_STRINGS };
	json_t *list = strings_find(file, fn, &all), *set = json_object(), *s;
	struct buf key = { 0 };
	size_t i;

	json_array_foreach(list, i, s) {
		key_of(s, &key);
		json_object_set_new(set, buf_str(&key), json_true());
	}
	buf_free(&key);
	json_decref(list);
	return set;
}

json_t *strings_new(const void *dump, size_t dn, const void *file, size_t fn, const struct strings_options *o)
{
	size_t most = o && o->most ? o->most : 2000, i;
	struct strings_options all = { o ? o->shortest : 0, NEW_STRINGS };
	json_t *list = strings_find(dump, dn, &all), *set = known(file, fn, o), *out = json_array(), *s;
	struct buf text = { 0 }, bytes = { 0 };
	uint64_t searched = 0;

	json_array_foreach(list, i, s) {
		if (json_array_size(out) >= most || searched > NEW_BYTES)
			break;
		key_of(s, &text);
		if (json_object_get(set, buf_str(&text)))
			continue;
		json_object_set_new(set, buf_str(&text), json_true());
		bytes_of(s, &text, &bytes);
		searched += fn;
		/* It may be part of a longer one there. */
		if (bytes.len && !memmem(file, fn, bytes.p, bytes.len))
			json_array_append(out, s);
	}
	json_decref(list);
	json_decref(set);
	buf_free(&text);
	buf_free(&bytes);
	return out;
}
