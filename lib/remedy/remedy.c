#include "remedy/remedy.h"

#include "casefile/casefile.h"

#include <string.h>

struct work {
	struct plan *plan;
	json_t *about;                        /* of the piece that is being read */
	struct buf dynamic, verdict;
	json_t *made;                         /* plan.json, or NULL */
	struct buf source;
	int remover;
};

static int take_head(void *ctx, json_t *case_json, struct err *e)
{
	struct work *w = ctx;

	return plan_case(w->plan, case_json, e);
}

static int take_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct work *w = ctx;

	(void)sha256;
	(void)e;
	json_decref(w->about);
	w->about = json_incref(about);
	buf_clear(&w->dynamic);
	buf_clear(&w->verdict);
	return 1;
}

/* An earlier remedy, its proof and the report on it go: what is made now is another. */
static int take_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct work *w = ctx;

	(void)e;
	if (m->kind == MEMBER_CODE && !strcmp(m->name, "dynamic.json"))
		t->buf = &w->dynamic;
	else if (m->kind == MEMBER_CODE && !strcmp(m->name, "verdict.json"))
		t->buf = &w->verdict;
	else if (m->kind == MEMBER_OTHER && (!strncmp(m->path, "remedy/", 7) || !strncmp(m->path, "proof/", 6)))
		return TAP_DROP;
	return TAP_PASS;
}

static int parse(const struct buf *b, const char *what, json_t **j, struct err *e)
{
	*j = NULL;
	if (!b->len)
		return 0;
	*j = jsonio_parse(b->p, b->len, what, e);
	return *j ? 0 : -1;
}

static int end_code(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct work *w = ctx;
	json_t *dynamic = NULL, *verdict = NULL;
	int rc = -1;

	(void)out;
	if (!parse(&w->dynamic, "dynamic.json", &dynamic, e) && !parse(&w->verdict, "verdict.json", &verdict, e))
		rc = plan_code(w->plan, sha256, w->about, dynamic, verdict, e);
	if (rc)
		err_wrap(e, "code %.12s", sha256);
	json_decref(dynamic);
	json_decref(verdict);
	json_decref(w->about);
	w->about = NULL;
	return rc;
}

static int verified(void *ctx, const struct casein *in, struct err *e)
{
	struct work *w = ctx;
	int made = plan_make(w->plan, &w->made, e);

	(void)in;
	if (made < 0)
		return -1;
	if (!made) {
		msg_info("nothing to remove: the case goes on without a remedy");
		return 0;
	}
	if (source_make(w->made, &w->source, e))
		return -1;
	w->remover = compile_linux(&w->source, e);
	return w->remover < 0 ? -1 : 0;
}

static int add_remedy(void *ctx, struct caseout *out, struct err *e)
{
	struct work *w = ctx;

	if (!w->made || !out)
		return 0;
	if (caseout_json(out, "remedy/plan.json", w->made, e) ||
	    caseout_bytes(out, "remedy/" REMEDY_TARGET "/source.c", 0644, w->source.p, w->source.len, e))
		return -1;
	msg_info("%zu operations in plan %s", json_array_size(json_object_get(w->made, "operations")), jsonio_str(w->made, "id"));
	return caseout_fd(out, "remedy/" REMEDY_TARGET "/remover", 0644, w->remover, e);
}

int remedy_run(int in, int out, struct err *e)
{
	struct work w = { .plan = plan_new(), .remover = -1 };
	struct casefilter f = { .tool = "mgen", .ctx = &w, .head = take_head, .about = take_about, .tap = take_member, .code_end = end_code,
		.verified = verified, .end = add_remedy };
	int rc = casefilter_run(&f, in, out, e);

	plan_free(w.plan);
	json_decref(w.about);
	json_decref(w.made);
	buf_free(&w.dynamic);
	buf_free(&w.verdict);
	buf_free(&w.source);
	io_close(&w.remover);
	return rc;
}
