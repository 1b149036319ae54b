/* Runtimes that compile while they run: whose executable memory that no file backs is to be expected (rules/runtimes.json). */
#include "host/internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define RUNTIMES_FORMAT "muss-runtimes/1"

json_t *runtime_load(struct err *e)
{
	char *path = spawn_share("runtimes.json");
	json_t *j = jsonio_load(path, e);
	const char *format = j ? jsonio_str(j, "format") : NULL;
	const json_t *o;
	size_t i;

	if (!j) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
		goto fail;
	}
	if (!format || strcmp(format, RUNTIMES_FORMAT) || !json_is_array(json_object_get(j, "runtimes"))) {
		err_set(e, EX_CONFIG, "%s is not a file of runtimes (%s)", err_q(path), RUNTIMES_FORMAT);
		goto fail;
	}
	json_array_foreach(json_object_get(j, "runtimes"), i, o)
		if (!jsonio_str(o, "file")) {
			err_set(e, EX_CONFIG, "%s: runtime %zu lacks a file", err_q(path), i + 1);
			goto fail;
		}
	free(path);
	return j;
fail:
	json_decref(j);
	free(path);
	return NULL;
}

void runtime_note(const struct host *h, struct runtimes *r, const struct piece *p, const char *path, bool exe)
{
	bool owned = h->dpkg && h->runtimes && !piece_signed(p, "unowned") && dpkg_owns(h->dpkg, path);
	const json_t *o;
	size_t i;

	r->vouched |= exe && owned;
	if (!owned || !r->vouched)
		return;
	json_array_foreach(json_object_get(h->runtimes, "runtimes"), i, o)
		if (r->count < CAP_RUNTIMES && !fnmatch(jsonio_str(o, "file"), path, 0))
			r->of[r->count++] = o;
}

static bool may(const json_t *o, const struct region *r)
{
	if (jsonio_bool(o, "image", false) || r->end - r->start > (uint64_t)jsonio_int(o, "most", INT64_MAX))
		return false;
	if (jsonio_bool(o, "writable", false) && !r->writable)
		return false;
	return !r->shared || jsonio_bool(o, "shared", false);
}

bool runtime_makes(const struct runtimes *r, const struct region *region)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (!region->heap && !region->stack && may(r->of[i], region))
			return true;
	return false;
}

bool runtime_has(const struct runtimes *r, const char *what, const char *path)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (jsonio_bool(r->of[i], what, false) && (!path || !fnmatch(jsonio_str(r->of[i], "file"), path, 0)))
			return true;
	return false;
}
