#include "proof/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int evidence_head(void *ctx, json_t *case_json, struct err *e)
{
	struct evidence *v = ctx;

	(void)e;
	v->case_json = json_deep_copy(case_json);
	return 0;
}

int evidence_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct evidence *v = ctx;

	(void)sha256;
	(void)e;
	json_decref(v->about);
	v->about = json_incref(about);
	buf_clear(&v->dynamic);
	buf_clear(&v->verdict);
	v->first = v->count;
	return 1;
}

/* Room for the bytes of one more file; its descriptor goes to the tap. */
static int keep_bytes(struct evidence *v, const char *sha256, bool is_body, struct tap *t, struct err *e)
{
	int fd;

	if (v->count - v->first >= CAP_DROPPED || v->count >= CAP_OPERATIONS)
		return 0;
	fd = io_tmp(e);
	if (fd < 0)
		return -1;
	v->bytes = buf_realloc(v->bytes, v->count + 1, sizeof *v->bytes);
	v->bytes[v->count] = (struct bytes){ .fd = fd, .is_body = is_body };
	memcpy(v->bytes[v->count++].sha256, sha256, DIGEST_HEX);
	t->fd = fd;
	return 0;
}

int evidence_tap(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct evidence *v = ctx;

	if (m->kind == MEMBER_BODY)
		return keep_bytes(v, m->code, true, t, e) ? -1 : TAP_PASS;
	if (m->kind == MEMBER_CODE && !strncmp(m->name, "dropped/", 8) && digest_ok(m->name + 8))
		return keep_bytes(v, m->name + 8, false, t, e) ? -1 : TAP_PASS;
	if (m->kind == MEMBER_CODE && !strcmp(m->name, "dynamic.json"))
		t->buf = &v->dynamic;
	else if (m->kind == MEMBER_CODE && !strcmp(m->name, "verdict.json"))
		t->buf = &v->verdict;
	else if (m->kind == MEMBER_OTHER && !strcmp(m->path, "remedy/plan.json"))
		t->buf = &v->plan_bytes;
	else if (m->kind == MEMBER_OTHER && !strcmp(m->path, "remedy/linux-x86_64/remover")) {
		v->remover = io_tmp(e);
		if (v->remover < 0)
			return -1;
		t->fd = v->remover;
	} else if (m->kind == MEMBER_OTHER && !strncmp(m->path, "proof/", 6)) {
		return TAP_DROP;
	}
	return TAP_PASS;
}

static void drop_bytes(struct evidence *v, size_t from)
{
	while (v->count > from)
		close(v->bytes[--v->count].fd);
}

int evidence_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct evidence *v = ctx;
	json_t *dynamic = NULL, *verdict = NULL;
	const char *word;
	int rc = -1;

	(void)out;
	if (v->verdict.len && !(verdict = jsonio_parse(v->verdict.p, v->verdict.len, "verdict.json", e)))
		goto out;
	word = jsonio_str(verdict, "verdict");
	rc = 0;
	if (!word || strcmp(word, "malicious")) {
		drop_bytes(v, v->first);
		goto out;
	}
	if (v->dynamic.len && !(dynamic = jsonio_parse(v->dynamic.p, v->dynamic.len, "dynamic.json", e))) {
		rc = -1;
		goto out;
	}
	v->specimen = buf_realloc(v->specimen, v->specimens + 1, sizeof *v->specimen);
	v->specimen[v->specimens] = (struct specimen){ .about = json_incref(v->about), .dynamic = json_incref(dynamic) };
	memcpy(v->specimen[v->specimens++].sha256, sha256, DIGEST_HEX);
out:
	json_decref(dynamic);
	json_decref(verdict);
	json_decref(v->about);
	v->about = NULL;
	return rc;
}

bool evidence_has_remedy(const struct evidence *v)
{
	return v->plan_bytes.len || v->remover >= 0;
}

int evidence_complete(struct evidence *v, struct err *e)
{
	size_t kept = 0;

	if (!v->plan_bytes.len || v->remover < 0)
		return err_set(e, EX_DATAERR, "the case has a %s but no %s", v->remover < 0 ? "plan" : "remover", v->remover < 0 ? "remover" : "plan");
	v->plan = jsonio_parse(v->plan_bytes.p, v->plan_bytes.len, "remedy/plan.json", e);
	if (!v->plan)
		return -1;
	digest_bytes(v->plan_bytes.p, v->plan_bytes.len, v->plan_sha256);
	if (digest_fd(v->remover, CAP_BODY, v->remover_sha256, NULL, e))
		return -1;
	/* The name of a dropped file is what analysis said; what it is, is looked at. */
	for (size_t i = 0; i < v->count; i++) {
		char hex[DIGEST_HEX];

		if (digest_fd(v->bytes[i].fd, CAP_BODY, hex, NULL, e))
			return -1;
		if (strcmp(hex, v->bytes[i].sha256))
			close(v->bytes[i].fd);
		else
			v->bytes[kept++] = v->bytes[i];
	}
	v->count = kept;
	return 0;
}

int evidence_bytes(const struct evidence *v, const char *sha256)
{
	for (size_t i = 0; i < v->count; i++)
		if (!strcmp(v->bytes[i].sha256, sha256))
			return v->bytes[i].fd;
	return -1;
}

bool evidence_is_body(const struct evidence *v, const char *sha256)
{
	for (size_t i = 0; i < v->specimens; i++)
		if (!strcmp(v->specimen[i].sha256, sha256))
			return true;
	return false;
}

void evidence_free(struct evidence *v)
{
	for (size_t i = 0; i < v->specimens; i++) {
		json_decref(v->specimen[i].about);
		json_decref(v->specimen[i].dynamic);
	}
	drop_bytes(v, 0);
	free(v->specimen);
	free(v->bytes);
	json_decref(v->case_json);
	json_decref(v->plan);
	json_decref(v->about);
	buf_free(&v->plan_bytes);
	buf_free(&v->dynamic);
	buf_free(&v->verdict);
	io_close(&v->remover);
}
