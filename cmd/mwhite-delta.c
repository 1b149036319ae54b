#include "mwhite.h"
#include "trust/trust.h"

#include <string.h>

#define DAY ((int64_t)86400)

static int sign(void *ctx, const void *p, size_t n, struct buf *sig, struct err *e)
{
	return sign_bytes(ctx, p, n, sig, e);
}

int mwhite_delta(struct build *b, const char *index, const char *key, const char *crt, unsigned days, const char *out, struct err *e)
{
	struct signer *s = sign_open(crt, key, e);
	int rc = -1;

	if (!s) {
		build_abort(b);
		return -1;
	}
	if (strcmp(sign_role(s), ROLE_SIGNER) != 0) {
		build_abort(b);
		err_set(e, EX_NOPERM, "%s has the role %s: only the role %s signs deltas", err_q(sign_name(s)), err_q(sign_role(s)), ROLE_SIGNER);
	} else {
		rc = delta_make(b, index, days * DAY, sign, s, out, e);
	}
	sign_free(s);
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

int mwhite_apply(const struct tool *t, const char *index, const char *delta, const char *ca, const char *crl, struct err *e)
{
	struct verifier *v = verify_open(ca, crl, e);
	struct delta_report r;
	int rc = v ? delta_apply(index, delta, verify, v, &r, e) : -1;

	if (!rc)
		print(t, &r);
	verify_free(v);
	return rc;
}
