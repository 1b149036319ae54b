/* The gate before a remover may run. In the manner of TUF: signature by role, binding, expiry, a version that only grows. */
#include "agent/internal.h"

#include <string.h>
#include <sys/utsname.h>

static bool same(const json_t *o, const char *key, const char *want)
{
	const char *is = jsonio_str(o, key);

	return is && want && *want && !strcmp(is, want);
}

static int refuse(struct err *e, const char *why)
{
	return err_set(e, EX_NOPERM, "%s", why);
}

static int check_complete(const struct answer *a, struct err *e)
{
	if (!a->plan || !a->certificate || !a->proof || a->remover < 0 || !a->case_json)
		return err_set(e, EX_DATAERR, "the answer lacks its %s", !a->plan ? "plan" : !a->certificate ? "certificate" :
			!a->proof ? "proof for this environment" : a->remover < 0 ? "remover" : "case.json");
	if (!json_is_object(a->plan) || !json_is_object(a->certificate) || !json_is_object(a->proof))
		return err_set(e, EX_DATAERR, "the answer's plan, certificate or proof is no object");
	if (!same(a->plan, "format", "muss-plan/1") || !same(a->certificate, "format", "muss-certificate/1"))
		return err_set(e, EX_DATAERR, "the answer's plan or certificate has a format that is not known here");
	return 0;
}

/* Certificate, plan, proof and remover must be about one another. */
static int check_linked(const struct answer *a, struct err *e)
{
	const char *plan = jsonio_str(a->plan, "id");

	if (!id_ok(plan) || !same(a->certificate, "plan", plan))
		return err_set(e, EX_DATAERR, "the certificate is about another plan");
	if (!same(a->certificate, "plan_sha256", a->plan_sha256))
		return err_set(e, EX_DATAERR, "the plan is not the one the certificate was issued for");
	if (!same(a->certificate, "remover_sha256", a->remover_sha256))
		return err_set(e, EX_DATAERR, "the remover is not the one the certificate was issued for");
	if (!same(a->proof, "plan", plan) || !same(a->proof, "remover_sha256", a->remover_sha256))
		return err_set(e, EX_DATAERR, "the proof is about another plan or remover");
	if (!same(a->proof, "result", "safe"))
		return refuse(e, "the proof does not say that the remover is safe");
	return 0;
}

static int check_bound(const struct answer *a, const struct expected *x, struct err *e)
{
	struct utsname u;

	if (!same(json_object_get(a->plan, "host"), "id", x->host) || !same(a->certificate, "host", x->host))
		return refuse(e, "the remover was made for another host");
	if (!same(a->plan, "case", x->case_id))
		return refuse(e, "the remover was made for another case");
	if (!same(a->plan, "target", "linux-x86_64") || uname(&u) < 0 || strcmp(u.sysname, "Linux") || strcmp(u.machine, "x86_64"))
		return refuse(e, "the remover was made for another kind of machine");
	return 0;
}

/* The proof's system must be this one: what was tried on another says little. */
static int check_environment(const struct answer *a, const struct expected *x, struct err *e)
{
	const json_t *proven = json_object_get(a->proof, "os");
	const json_t *ours = json_object_get(json_object_get(a->case_json, "host"), "os"), *name;
	bool covered = false;
	size_t i;

	json_array_foreach(json_object_get(a->certificate, "environments"), i, name)
		covered |= json_is_string(name) && !strcmp(json_string_value(name), x->environment);
	if (!covered || !same(a->proof, "environment", x->environment))
		return refuse(e, "the certificate does not cover this environment");
	if (json_is_object(proven) && json_is_object(ours) && jsonio_str(ours, "id") &&
	    (!same(proven, "id", jsonio_str(ours, "id")) ||
	     (jsonio_str(ours, "version") && *jsonio_str(ours, "version") && !same(proven, "version", jsonio_str(ours, "version")))))
		return refuse(e, "the remover was proven on another operating system");
	return 0;
}

static int check_age(const struct answer *a, const struct expected *x, struct err *e)
{
	const char *certificate = jsonio_str(a->certificate, "expires"), *plan = jsonio_str(a->plan, "expires");
	int64_t until, version = (int64_t)jsonio_int(a->certificate, "version", 0);

	if (!certificate || clock_parse(certificate, &until) < 0 || until <= x->now)
		return refuse(e, "the certificate has expired");
	if (!plan || clock_parse(plan, &until) < 0 || until <= x->now)
		return refuse(e, "the plan has expired");
	if (version < 1)
		return err_set(e, EX_DATAERR, "the certificate has no version");
	if (version < x->newest)
		return refuse(e, "the certificate is older than one that was seen before");
	return 0;
}

int check_answer(const struct answer *a, struct verifier *v, const struct expected *x, struct err *e)
{
	char name[128];

	if (check_complete(a, e) < 0)
		return -1;
	if (verify_bytes(v, ROLE_SIGNER, a->certificate_bytes.p, a->certificate_bytes.len, &a->certificate_sig, name, e) < 0)
		return err_wrap(e, "proof/certificate.json.sig");
	if (check_linked(a, e) < 0 || check_bound(a, x, e) < 0 || check_environment(a, x, e) < 0)
		return -1;
	return x->newest < 0 ? 0 : check_age(a, x, e);
}
