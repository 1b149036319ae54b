#include "pack/spool.h"

#include <string.h>
#include <unistd.h>

struct packing {
	const struct pack *p;
	struct pack_stats *stats;
	struct spool spool;
	char waiting[CAP_PATH + 1];   /* the member whose plain bytes are in spool.plain, to be sealed; or "" */
	bool expected;                /* the case should hold the body itself */
	bool found;                   /* and does */
	json_t *about;                /* where the body would be looked for, when it does not */
};

/* spool.plain, compressed and sealed, as NAME.cms. 1, 0 too large for that, -1. */
static int put_sealed(struct packing *k, const char *name, struct err *e)
{
	char sealed[CAP_PATH + 8];
	off_t size;

	snprintf(sealed, sizeof(sealed), "%s.cms", name);
	if (spool_rewind(k->spool.plain, false, e) < 0 || spool_rewind(k->spool.squeezed, true, e) < 0 ||
	    squeeze_fd(k->spool.plain, k->spool.squeezed, e) < 0)
		return -1;
	size = lseek(k->spool.squeezed, 0, SEEK_CUR);
	if (size < 0)
		return err_sys(e, "cannot use a temporary file");
	if ((uint64_t)size > CAP_SEALED)
		return 0;
	if (spool_rewind(k->spool.squeezed, false, e) < 0 || spool_begin(&k->spool, sealed, 0644, e) < 0 ||
	    seal_fd(k->p->seal, k->spool.squeezed, k->spool.fd, e) < 0 || spool_end(&k->spool, e) < 0)
		return -1;
	k->stats->sealed++;
	return 1;
}

/* Looks for the body on this machine and puts it into the spool. 1, 0 with *why, -1. */
static int collect(struct packing *k, const char *sha256, const json_t *about, const char **why, struct err *e)
{
	int rc;

	if (!k->p->seal) {
		if (spool_begin(&k->spool, "body", 0, e) < 0)
			return -1;
		rc = collect_body(sha256, about, k->spool.fd, why, e);
		if (rc > 0)
			return spool_end(&k->spool, e) < 0 ? -1 : 1;
		return spool_drop(&k->spool, e) < 0 ? -1 : rc;
	}
	if (spool_rewind(k->spool.plain, true, e) < 0)
		return -1;
	rc = collect_body(sha256, about, k->spool.plain, why, e);
	if (rc <= 0)
		return rc;
	rc = put_sealed(k, "body", e);
	if (rc == 0)
		*why = "it is too large to be sealed";
	return rc;
}

static void name_missing(const char *sha256, const json_t *about, const char *why)
{
	const char *path = json_string_value(json_array_get(json_object_get(about, "paths"), 0));

	msg_warn("no body of %.16s (%s): %s", sha256, path ? err_q(path) : "no path", why);
}

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct packing *k = ctx;
	const char *state = jsonio_str(about, "body"), *kind = jsonio_str(about, "kind"), *why = NULL;
	int rc;

	k->stats->codes++;
	k->found = false;
	json_decref(k->about);
	k->about = NULL;
	progress("packing", k->stats->codes, 0);
	k->expected = (state && !strcmp(state, "collected")) || (kind && !strcmp(kind, "memory"));
	if (k->expected) {
		k->about = json_incref(about);
		return 1;
	}
	rc = collect(k, sha256, about, &why, e);
	if (rc < 0)
		return -1;
	json_object_set_new(about, "body", json_string(rc ? "collected" : "missing"));
	if (rc) {
		json_object_del(about, "reason");
		k->stats->collected++;
	} else {
		json_object_set_new(about, "reason", json_string(why));
		k->stats->missing++;
		name_missing(sha256, about, why);
	}
	return 1;
}

/* What the case itself held, complete now. */
static int seal_waiting(struct packing *k, struct err *e)
{
	int rc;

	if (!*k->waiting)
		return 0;
	rc = put_sealed(k, k->waiting, e);
	if (rc == 0)
		msg_warn("%s is too large to be sealed: left out", err_q(k->waiting));
	*k->waiting = '\0';
	return rc < 0 ? -1 : 0;
}

static int on_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct packing *k = ctx;

	if (!*m->code)
		return TAP_PASS;
	if (seal_waiting(k, e) < 0)
		return -1;
	if (m->kind == MEMBER_BODY || m->kind == MEMBER_BODY_CMS) {
		/* Collected already, or there twice, plain and sealed: one is enough. */
		if (k->found || spool_has(&k->spool, "body") || spool_has(&k->spool, "body.cms"))
			return TAP_DROP;
		k->found = true;
	}
	if (!k->p->seal || !schema_is_sample(m))
		return TAP_PASS;
	if (spool_rewind(k->spool.plain, true, e) < 0)
		return -1;
	snprintf(k->waiting, sizeof(k->waiting), "%s", m->name);
	t->fd = k->spool.plain;
	return TAP_TAKE;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct packing *k = ctx;
	const char *why = "the case holds none";
	int rc = seal_waiting(k, e);

	if (rc == 0 && k->expected && !k->found) {
		rc = collect(k, sha256, k->about, &why, e);
		if (rc == 0) {
			k->stats->missing++;
			name_missing(sha256, k->about, why);
		}
	}
	return rc < 0 ? -1 : spool_flush(&k->spool, sha256, out, e);
}

static int sign_manifest(void *arg, const struct buf *manifest, struct buf *sig, struct err *e)
{
	return sign_bytes(arg, manifest->p, manifest->len, sig, e);
}

int pack_run(const struct pack *p, int in, int out, struct pack_stats *s, struct err *e)
{
	struct packing k = { .p = p, .stats = s };
	struct casefilter f = {
		.tool = "mpack", .ctx = &k, .about = on_about, .tap = on_member, .code_end = on_code_end,
		.sign = p->signer ? sign_manifest : NULL, .sign_arg = p->signer,
	};
	int rc;

	*s = (struct pack_stats){ 0 };
	if (spool_open(&k.spool, e) < 0)
		return -1;
	rc = casefilter_run(&f, in, out, e);
	progress_end();
	json_decref(k.about);
	spool_close(&k.spool);
	return rc;
}
