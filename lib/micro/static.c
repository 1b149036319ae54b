#include "code/code.h"
#include "micro/inner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STATIC_MS 60000      /* the helper's own limits end sooner; this is for one that sleeps */

static json_t *empty(const char *sha256, const char *parser)
{
	json_t *o = json_object();

	json_object_set_new(o, "sha256", json_string(sha256));
	json_object_set_new(o, "format", json_string("data"));
	json_object_set_new(o, "parser", json_string(parser));
	json_object_set_new(o, "strings", json_array());
	json_object_set_new(o, "rules", json_array());
	json_object_set_new(o, "signs", json_array());
	return o;
}

/* The helper parsed hostile bytes: what it says is looked at as if they had said it. */
static json_t *believe(const char *sha256, const struct buf *said, struct buf *disasm)
{
	struct err e = { 0 };
	json_t *got = jsonio_parse(said->p, said->len, "what the parser printed", &e), *o, *text;

	if (!json_is_object(got) || !jsonio_str(got, "format") || !jsonio_str(got, "parser")) {
		json_decref(got);
		return NULL;
	}
	text = json_object_get(got, "disasm");
	if (json_is_string(text))
		buf_add(disasm, json_string_value(text), json_string_length(text));
	json_object_del(got, "disasm");
	json_object_del(got, "sha256");
	o = json_object();
	json_object_set_new(o, "sha256", json_string(sha256));
	json_object_update(o, got);
	json_decref(got);
	return o;
}

/* Compiled once for all samples; -1: they are wrong, which the helper that compiles them itself is to say. */
static int compiled = -1;

static void compile(void)
{
	char *folder = spawn_share(".");
	struct err e = { 0 };
	struct rules *r = rules_open(folder, &e);

	if (r)
		compiled = rules_save(r, &e);
	rules_free(r);
	free(folder);
}

json_t *static_analyse(const struct micro_sample *s, struct buf *disasm, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char *rules;
	const char *args[2] = { NULL, NULL };
	struct helper_result r;
	json_t *o = NULL;

	if (s->body < 0)
		return empty(s->sha256, "no-body");
	pthread_once(&once, compile);
	rules = spawn_share(".");
	args[0] = compiled < 0 ? rules : NULL;
	if (helper_run_with("helper-static", args, s->body, compiled, STATIC_MS, &r, e))
		goto out;
	if (r.end == HELPER_DONE && r.status) {
		err_set(e, r.status, "%s", r.err.len ? err_qn(r.err.p, r.err.len) : "the static parser failed");
		goto out;
	}
	o = r.end == HELPER_DONE ? believe(s->sha256, &r.out, disasm) : NULL;
	if (!o) {
		buf_clear(disasm);
		o = empty(s->sha256, inner_end(r.end));
		msg_info("%.12s: the parser ended as %s", s->sha256, inner_end(r.end));
	}
out:
	helper_free(&r);
	free(rules);
	return o;
}
