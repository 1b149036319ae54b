#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct run {
	const struct casefilter *f;
	struct casein *in;
	struct caseout *out;       /* NULL: read only */
	char code[DIGEST_HEX];     /* the piece of code that is open, or "" */
	bool keep;                 /* and whether it is passed on */
};

static void add_to_trail(json_t *case_json, const char *tool)
{
	char now[CLOCK_RFC3339];

	clock_rfc3339(clock_now(), now);
	json_array_append_new(jsonio_array(case_json, "trail"),
		json_pack("{s:s, s:s, s:s}", "tool", tool, "version", MUSS_VERSION, "time", now));
}

static int run_head(struct run *r, struct err *e)
{
	json_t *j;
	int rc = 0;

	if (!r->f->head && !r->f->tool)
		return caseout_copy(r->out, r->in, -1, NULL, e);
	j = casein_json(r->in, e);
	if (!j)
		return -1;
	if (r->f->head)
		rc = r->f->head(r->f->ctx, j, e);
	if (rc >= 0 && r->f->tool)
		add_to_trail(j, r->f->tool);
	if (rc >= 0)
		rc = r->out ? caseout_json(r->out, "case.json", j, e) : 0;
	json_decref(j);
	return rc;
}

static int run_about(struct run *r, const struct member *m, struct err *e)
{
	struct buf raw = { 0 }, before = { 0 }, after = { 0 };
	json_t *j = NULL;
	int rc = -1;

	memcpy(r->code, m->code, sizeof r->code);
	r->keep = true;
	if (!r->f->about)
		return caseout_copy(r->out, r->in, -1, NULL, e);
	if (casein_load(r->in, CAP_JSON, &raw, e))
		goto out;
	j = jsonio_parse(raw.p, raw.len, m->path, e);
	if (!j)
		goto out;
	jsonio_dump(j, &before);
	rc = r->f->about(r->f->ctx, m->code, j, e);
	if (rc < 0)
		goto out;
	r->keep = rc > 0;
	rc = 0;
	if (!r->keep || !r->out)
		goto out;
	jsonio_dump(j, &after);
	/* What was not edited goes on byte by byte. */
	if (before.len == after.len && !memcmp(before.p, after.p, after.len))
		rc = caseout_bytes(r->out, m->path, m->mode, raw.p, raw.len, e);
	else
		rc = caseout_bytes(r->out, m->path, m->mode, after.p, after.len, e);
out:
	json_decref(j);
	buf_free(&raw);
	buf_free(&before);
	buf_free(&after);
	return rc;
}

static int run_member(struct run *r, const struct member *m, struct err *e)
{
	struct tap t = { .fd = -1 };
	int what = TAP_PASS;

	if (*m->code && !r->keep)
		return 0;
	if (r->f->tap)
		what = r->f->tap(r->f->ctx, m, &t, e);
	switch (what) {
	case TAP_PASS:
		return caseout_copy(r->out, r->in, t.fd, t.buf, e);
	case TAP_TAKE:
		return caseout_copy(NULL, r->in, t.fd, t.buf, e);
	case TAP_DROP:
		return 0;
	default:
		return -1;
	}
}

static int run_code_end(struct run *r, struct err *e)
{
	int rc = 0;

	if (*r->code && r->keep && r->f->code_end)
		rc = r->f->code_end(r->f->ctx, r->code, r->out, e);
	*r->code = '\0';
	return rc < 0 ? -1 : 0;
}

static int run_all(struct run *r, struct err *e)
{
	const struct member *m;
	int rc;

	while ((rc = casein_next(r->in, &m, e)) > 0) {
		if (strcmp(m->code, r->code) && run_code_end(r, e))
			return -1;
		if (m->kind == MEMBER_CASE)
			rc = run_head(r, e);
		else if (m->kind == MEMBER_ABOUT)
			rc = run_about(r, m, e);
		else
			rc = run_member(r, m, e);
		if (rc < 0)
			return -1;
	}
	if (rc < 0 || run_code_end(r, e))
		return -1;
	if (r->f->verified && r->f->verified(r->f->ctx, r->in, e) < 0)
		return -1;
	if (r->f->end && r->f->end(r->f->ctx, r->out, e) < 0)
		return -1;
	return 0;
}

int casefilter_run(const struct casefilter *f, int in, int out, struct err *e)
{
	struct run r = { .f = f };
	int rc = -1;

	r.in = casein_open(in, e);
	if (!r.in)
		return -1;
	if (out >= 0) {
		r.out = caseout_open(out, casein_was_zstd(r.in), e);
		if (!r.out)
			goto out;
	}
	rc = run_all(&r, e);
	if (rc == 0 && r.out) {
		rc = caseout_finish(r.out, f->sign, f->sign_arg, e);
		r.out = NULL;
	}
out:
	caseout_abort(r.out);
	casein_close(r.in);
	return rc;
}

json_t *casefilter_new_case(const char *tool, json_t *host)
{
	unsigned char id[16];
	char hex[2 * sizeof id + 1], now[CLOCK_RFC3339];
	json_t *j;

	/* 16 bytes are never cut short, and there is no going on without an id. */
	if (getrandom(id, sizeof id, 0) != sizeof id)
		abort();
	digest_tohex(id, sizeof id, hex);
	clock_rfc3339(clock_now(), now);
	j = json_pack("{s:s, s:s, s:s, s:o, s:[]}", "format", "muss-case/1", "id", hex, "time", now, "host", host, "trail");
	add_to_trail(j, tool);
	return j;
}
