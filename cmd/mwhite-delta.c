#include "mwhite.h"
#include "trust/trust.h"

#include <string.h>

#define DAY ((int64_t)86400)

static int sign(void *ctx, const void *p, size_t n, struct buf *sig, struct err *e)
{
	return sign_bytes(ctx, p, n, sig, e);
}

int mwhite_delta(const struct options *o, char **operands, struct err *e)
{
	struct known_stats s = {0};
	struct signer *who = NULL;
	uint64_t version = 0;
	struct build *b;
	int rc = -1;

	(void)operands;
	if (!o->index || !o->key || !o->crt || !o->t.out || !o->n)
		tool_usage(&o->t, "a delta wants -d INDEX -k KEY -c CRT -o DELTA, and what it adds or revokes");
	if (!(b = build_new(e)))
		return -1;
	if (mwhite_sources_into(b, o, &s, e) < 0 || !(who = sign_open(o->crt, o->key, e))) {
		build_abort(b);
	} else if (strcmp(sign_role(who), ROLE_SIGNER) != 0) {
		build_abort(b);
		err_set(e, EX_NOPERM, "%s has the role %s: only the role %s signs deltas", err_q(sign_name(who)), err_q(sign_role(who)), ROLE_SIGNER);
	} else {
		rc = delta_make(b, o->index, o->delta_days * DAY, sign, who, o->t.out, &version, e);
	}
	if (!rc && msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %s makes version %llu: apply it to %s too, before the next delta is made\n", err_q(o->t.out),
			(unsigned long long)version, err_q(o->index));
	sign_free(who);
	return rc;
}

static int verify(void *ctx, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e)
{
	return verify_bytes(ctx, ROLE_SIGNER, p, n, sig, name, e);
}

static void print(const struct tool *t, const struct delta_report *r)
{
	if (t->json) {
		json_t *j = json_pack("{sI sI sI sI ss}", "version", (json_int_t)r->version, "added", (json_int_t)r->added, "revoked",
			(json_int_t)r->revoked, "digests", (json_int_t)r->digests, "signer", r->signer);

		jsonio_print(stdout, j);
		json_decref(j);
	} else if (msg_get_level() >= 0) {
		fprintf(stderr, "mwhite: version %llu, signed by %s: %llu digests added, %llu revoked, %llu known\n",
			(unsigned long long)r->version, err_q(r->signer), (unsigned long long)r->added, (unsigned long long)r->revoked,
			(unsigned long long)r->digests);
	}
}

int mwhite_apply(const struct options *o, char **operands, struct err *e)
{
	struct delta_report r;
	struct verifier *v;
	int rc;

	if (!o->index || !o->ca || !*operands)
		tool_usage(&o->t, "applying wants -d INDEX -a CA, and a delta");
	v = verify_open(o->ca, o->crl, e);
	rc = v ? delta_apply(o->index, *operands, verify, v, &r, e) : -1;
	if (!rc)
		print(&o->t, &r);
	verify_free(v);
	return rc;
}
