#include "centre/flow.h"

#include "casefile/casefile.h"
#include "trust/trust.h"

#include <string.h>
#include <unistd.h>

const char *const reply_outcomes[] = { "nothing", "remedy", "unsafe", "failed" };

/* ---- what a case says of itself ---- */

struct look {
	struct reply_facts *f;
	struct verifier *v;
	struct buf json, report;
};

static int look_head(void *ctx, json_t *case_json, struct err *e)
{
	struct look *l = ctx;
	const char *id = jsonio_str(case_json, "id"), *answers = jsonio_str(case_json, "answers");

	if (!id || !spool_id_ok(id) || (answers && !spool_id_ok(answers)))
		return err_set(e, EX_DATAERR, "case.json has an id that is none");
	memcpy(l->f->id, id, CENTRE_ID);
	if (answers)
		memcpy(l->f->answers, answers, CENTRE_ID);
	return 0;
}

static int look_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct look *l = ctx;

	(void)sha256, (void)about, (void)e;
	l->f->codes++;
	return 1;
}

static int look_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct look *l = ctx;

	(void)e;
	if (!strcmp(m->path, "remedy/plan.json"))
		l->f->plan = true;
	if (!strncmp(m->path, "report/", 7) && !l->report.len) {
		t->buf = &l->report;
		return TAP_TAKE;
	}
	if (*m->code && !strcmp(m->name, "verdict.json")) {
		buf_clear(&l->json);
		t->buf = &l->json;
		return TAP_TAKE;
	}
	return TAP_DROP;
}

static int look_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct look *l = ctx;
	json_t *j;
	const char *verdict;

	(void)out;
	if (!l->json.len)
		return 0;
	j = jsonio_parse(l->json.p, l->json.len, "verdict.json", e);
	buf_clear(&l->json);
	if (!j)
		return err_wrap(e, "code/%s", sha256);
	verdict = jsonio_str(j, "verdict");
	l->f->malicious += verdict && !strcmp(verdict, "malicious");
	json_decref(j);
	return 0;
}

static int look_verified(void *ctx, const struct casein *in, struct err *e)
{
	struct look *l = ctx;
	const struct buf *manifest = casein_manifest(in);

	if (!l->v)
		return 0;
	if (verify_bytes(l->v, ROLE_HOST, manifest->p, manifest->len, casein_signature(in), l->f->signer_name, e) < 0)
		return err_wrap(e, "MANIFEST.sig");
	return 0;
}

int reply_look(int fd, struct verifier *v, struct reply_facts *f, struct err *e)
{
	struct look l = { .f = f, .v = v };
	const struct casefilter cf = {
		.ctx = &l, .head = look_head, .about = look_about, .tap = look_member, .code_end = look_code_end, .verified = look_verified,
	};
	int rc = lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "cannot read the case") : 0;

	*f = (struct reply_facts){ 0 };
	if (rc == 0)
		rc = casefilter_run(&cf, fd, -1, e);
	if (rc == 0 && l.report.len) {
		f->report = jsonio_parse(l.report.p, l.report.len, "the report", e);
		rc = f->report ? 0 : -1;
	}
	buf_free(&l.json);
	buf_free(&l.report);
	if (rc < 0)
		reply_facts_free(f);
	return rc;
}

void reply_facts_free(struct reply_facts *f)
{
	json_decref(f->report);
	f->report = NULL;
}

/* ---- the answer ---- */

struct writing { const struct reply *r; struct buf json; };

static int reply_head(void *ctx, json_t *case_json, struct err *e)
{
	const struct writing *w = ctx;

	(void)e;
	json_object_set_new(case_json, "outcome", json_string(reply_outcomes[w->r->outcome]));
	return 0;
}

static int reply_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct writing *w = ctx;

	(void)e;
	if (*m->code) {
		if (strcmp(m->name, "verdict.json"))
			return TAP_DROP;
		buf_clear(&w->json);
		t->buf = &w->json;
		return TAP_PASS;
	}
	if (!strncmp(m->path, "remedy/", 7) || !strncmp(m->path, "proof/", 6))
		return w->r->outcome == OUTCOME_REMEDY ? TAP_PASS : TAP_DROP;
	return TAP_DROP;
}

static int reply_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct writing *w = ctx;
	json_t *j;
	const char *verdict;
	int rc = 0;

	(void)out;
	if (!w->json.len)
		return 0;
	j = jsonio_parse(w->json.p, w->json.len, "verdict.json", e);
	buf_clear(&w->json);
	if (!j)
		return err_wrap(e, "code/%s", sha256);
	verdict = jsonio_str(j, "verdict");
	if (w->r->book && verdict)
		rc = casebook_code(w->r->book, w->r->row->id, sha256, verdict, jsonio_num(j, "score", 0), e);
	json_decref(j);
	return rc;
}

static int sign_manifest(void *arg, const struct buf *manifest, struct buf *sig, struct err *e)
{
	return sign_bytes(arg, manifest->p, manifest->len, sig, e);
}

int reply_write(const struct reply *r, int in, int out, struct err *e)
{
	struct writing w = { .r = r };
	const struct casefilter f = {
		.tool = "mcenter", .ctx = &w, .head = reply_head, .tap = reply_member, .code_end = reply_code_end,
		.sign = sign_manifest, .sign_arg = r->signer,
	};
	int rc = lseek(in, 0, SEEK_SET) < 0 ? err_sys(e, "cannot read the case") : casefilter_run(&f, in, out, e);

	buf_free(&w.json);
	return rc;
}

/* ---- the centre's copy ---- */

static int archive_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	(void)ctx, (void)t, (void)e;
	return schema_is_sample(m) || m->kind == MEMBER_BODY_CMS ? TAP_DROP : TAP_PASS;
}

int reply_archive(int in, int out, struct err *e)
{
	const struct casefilter f = { .tool = "mcenter", .tap = archive_member };

	return lseek(in, 0, SEEK_SET) < 0 ? err_sys(e, "cannot read the case") : casefilter_run(&f, in, out, e);
}
