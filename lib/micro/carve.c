/* What a sample hides that needs no running to be seen, found in a helper of its own, and described as a sample is. */
#include "micro/inner.h"

#include <stdlib.h>
#include <string.h>

#define PIECES_MOST 64u     /* as many as the carver tells */
#define CARVE_MS 180000     /* the helper's own limits end sooner, unless the machine is very busy; this is for one that sleeps */

static bool is_code(const json_t *piece)
{
	const char *what = jsonio_str(piece, "what");

	return what && (!strcmp(what, "program") || !strcmp(what, "script") || !strcmp(what, "bytecode"));
}

/* Each sign once: for the first piece that has it. */
static void add_signs(json_t *stat, const json_t *pieces)
{
	bool keyed = false, text = false, carries = false, script = jsonio_str(stat, "format") && !strcmp(jsonio_str(stat, "format"), "script");
	const json_t *o;
	size_t i;

	json_array_foreach(pieces, i, o) {
		const char *coding = jsonio_str(o, "coding"), *what = jsonio_str(o, "what");
		bool encoded = jsonio_bool(o, "encoded", false);

		if (!coding || !is_code(o))
			continue;
		if (!keyed && !strcmp(coding, "xor")) {
			inner_sign(stat, "program-under-key", json_sprintf("a program stands in it under the key %s", jsonio_str(o, "key") ? jsonio_str(o, "key") : "?"));
			keyed = true;
		}
		if (!text && encoded) {
			inner_sign(stat, "code-in-text", json_sprintf("it holds a %s that is written as text (%s)", what, coding));
			text = true;
		}
		if (!carries && script && !encoded && !strcmp(what, "program")) {
			inner_sign(stat, "script-with-program", json_sprintf("a program follows the script (%s)", coding));
			carries = true;
		}
	}
}

/* What the helper printed; NULL: it is none of ours. */
static json_t *believe(const struct buf *said)
{
	struct err ignored = { 0 };
	json_t *o = jsonio_parse(said->p, said->len, "what the carver printed", &ignored);

	if (json_is_array(json_object_get(o, "pieces")) && json_array_size(json_object_get(o, "pieces")) <= PIECES_MOST)
		return o;
	json_decref(o);
	return NULL;
}

/* Programs and scripts before texts. */
static json_t *by_importance(json_t *pieces)
{
	json_t *list = json_array(), *o;
	size_t i;

	for (int code = 1; code >= 0; code--)
		json_array_foreach(pieces, i, o)
			if (is_code(o) == code)
				json_array_append(list, o);
	return list;
}

int carve_analyse(const struct micro_sample *s, json_t *stat, struct micro_extra *extra, struct err *e)
{
	const char *args[] = { NULL };
	struct helper_result r = { 0 };
	json_t *o = NULL, *pieces, *list = NULL;
	int bytes = -1, rc = -1;

	if (s->body < 0)
		return 0;
	bytes = io_tmp(e);
	if (bytes < 0 || helper_run_with("helper-carve", args, s->body, bytes, CARVE_MS, &r, e))
		goto out;
	if (inner_ended(&r, "the carver failed", e))
		goto out;
	o = r.end == HELPER_DONE ? believe(&r.out) : NULL;
	if (!o) {
		msg_info("%.12s: the carver ended as %s", s->sha256, inner_end(r.end));
		o = json_pack("{s:[],s:s}", "pieces", "stopped", inner_end(r.end));
	}
	pieces = json_object_get(o, "pieces");
	if (!json_array_size(pieces) && !json_object_get(o, "stopped")) {
		rc = 0;
		goto out;
	}
	json_object_set(stat, "carved", o);
	add_signs(stat, pieces);
	list = by_importance(pieces);
	if (!inner_take(pieces, "member", bytes, extra, e))
		rc = inner_describe_all(extra, stat, "embedded", list, e);
out:
	json_decref(list);
	json_decref(o);
	helper_free(&r);
	io_close(&bytes);
	return rc;
}
