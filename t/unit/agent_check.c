/* The gate before a remover runs: an answer in which all is well passes, and each single thing that is not is refused. */
#include "unit.h"
#include "agent/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST "11111111111111111111111111111111"
#define CASE "22222222222222222222222222222222"
#define PLAN "33333333333333333333333333333333"

static struct err e;
static char dir[] = "/tmp/muss-check-XXXXXX";

/* What is to be wrong in one answer; NULL: nothing. */
struct wrong {
	const char *name;
	const char *json, *key, *value;   /* this member's key becomes that string; value NULL: is deleted */
	int code;
	const char *says;
};

static char *at(const char *name)
{
	return buf_printf("%s/%s", dir, name);
}

static json_t *member(json_t *plan, json_t *certificate, json_t *proof, json_t *head, const char *name)
{
	return !strcmp(name, "plan") ? plan : !strcmp(name, "certificate") ? certificate : !strcmp(name, "proof") ? proof :
	       !strcmp(name, "plan.host") ? json_object_get(plan, "host") : !strcmp(name, "proof.os") ? json_object_get(proof, "os") :
	       json_object_get(json_object_get(head, "host"), "os");
}

static void sign(const char *who, const struct buf *b, struct buf *sig)
{
	char *crt = buf_printf("%s/%s.crt", dir, who), *key = buf_printf("%s/%s.key", dir, who);
	struct signer *s = sign_open(crt, key, &e);

	if (!s || sign_bytes(s, b->p, b->len, sig, &e) < 0)
		exit(99);
	sign_free(s);
	free(crt);
	free(key);
}

static void dump(const json_t *j, struct buf *b, json_t **copy)
{
	jsonio_dump(j, b);
	*copy = json_deep_copy(j);
}

static void make(struct answer *a, const struct wrong *w, const char *who)
{
	char future[CLOCK_RFC3339];
	json_t *plan, *proof, *certificate, *head, *o;

	*a = (struct answer){ .remover = io_tmp(&e) };
	if (io_write(a->remover, "a remover", 9) || digest_fd(a->remover, 100, a->remover_sha256, NULL, &e))
		exit(99);
	clock_rfc3339(clock_now() + 3600, future);
	head = json_pack("{ss s{ss s{ss ss}}}", "id", CASE, "host", "id", HOST, "os", "id", "debian", "version", "12");
	plan = json_pack("{ss ss ss s{ss} ss ss si}", "format", "muss-plan/1", "id", PLAN, "case", CASE, "host", "id", HOST, "target", "linux-x86_64",
		"expires", future, "version", 7);
	proof = json_pack("{ss ss ss ss s{ss ss}}", "environment", "host", "plan", PLAN, "remover_sha256", a->remover_sha256, "result", "safe",
		"os", "id", "debian", "version", "12");
	if (w && strncmp(w->json, "certificate", 11)) {
		o = member(plan, NULL, proof, head, w->json);
		if (w->value)
			json_object_set_new(o, w->key, json_string(w->value));
		else
			json_object_del(o, w->key);
	}
	dump(head, &a->case_bytes, &a->case_json);
	dump(plan, &a->plan_bytes, &a->plan);
	dump(proof, &a->proof_bytes, &a->proof);
	digest_bytes(a->plan_bytes.p, a->plan_bytes.len, a->plan_sha256);
	certificate = json_pack("{ss ss ss ss ss s[ss] ss si}", "format", "muss-certificate/1", "plan", PLAN, "remover_sha256", a->remover_sha256,
		"plan_sha256", a->plan_sha256, "host", HOST, "environments", "debian-11", "host", "expires", future, "version", 7);
	if (w && !strcmp(w->json, "certificate")) {
		if (w->value)
			json_object_set_new(certificate, w->key, json_string(w->value));
		else
			json_object_del(certificate, w->key);
	}
	dump(certificate, &a->certificate_bytes, &a->certificate);
	sign(who, &a->certificate_bytes, &a->certificate_sig);
	json_decref(head);
	json_decref(plan);
	json_decref(proof);
	json_decref(certificate);
}

static struct verifier *v;

static int gate(const struct answer *a, int64_t newest)
{
	struct expected x = { .host = HOST, .case_id = CASE, .environment = "host", .newest = newest, .now = clock_now() };

	err_clear(&e);
	return check_answer(a, v, &x, &e) < 0 ? e.code : 0;
}

int main(void)
{
	static const struct wrong all[] = {
		{ "another host's plan", "plan.host", "id", "44444444444444444444444444444444", 77, "another host" },
		{ "a plan for no host", "plan.host", "id", NULL, 77, "another host" },
		{ "another host's certificate", "certificate", "host", "44444444444444444444444444444444", 77, "another host" },
		{ "another case", "plan", "case", "44444444444444444444444444444444", 77, "another case" },
		{ "another kind of machine", "plan", "target", "windows-x86_64", 77, "kind of machine" },
		{ "a plan of another id", "plan", "id", "44444444444444444444444444444444", 65, "another plan" },
		{ "an id that is a path", "plan", "id", "../../../../../../../../etc/passw", 65, "another plan" },
		{ "a certificate about another plan", "certificate", "plan", "44444444444444444444444444444444", 65, "another plan" },
		{ "a certificate of another plan's bytes", "certificate", "plan_sha256", "00", 65, "plan is not the one" },
		{ "a certificate of another remover", "certificate", "remover_sha256", "00", 65, "remover is not the one" },
		{ "a certificate of no remover", "certificate", "remover_sha256", NULL, 65, "remover is not the one" },
		{ "a proof about another remover", "proof", "remover_sha256", "00", 65, "proof is about another" },
		{ "a proof about another plan", "proof", "plan", "44444444444444444444444444444444", 65, "proof is about another" },
		{ "an unsafe proof", "proof", "result", "unsafe", 77, "safe" },
		{ "a proof without result", "proof", "result", NULL, 77, "safe" },
		{ "a proof of another environment", "proof", "environment", "debian-11", 77, "environment" },
		{ "no environments", "certificate", "environments", "host", 77, "environment" },
		{ "a proof on another system", "proof.os", "id", "fedora", 77, "operating system" },
		{ "a proof on another release", "proof.os", "version", "11", 77, "operating system" },
		{ "an expired certificate", "certificate", "expires", "2020-01-01T00:00:00Z", 77, "expired" },
		{ "a certificate without end", "certificate", "expires", NULL, 77, "expired" },
		{ "an end that is no time", "certificate", "expires", "never", 77, "expired" },
		{ "an expired plan", "plan", "expires", "2020-01-01T00:00:00Z", 77, "expired" },
		{ "a version that is no number", "certificate", "version", "7", 65, "no version" },
		{ "a format not known", "certificate", "format", "muss-certificate/2", 65, "format" },
		{ "a plan of a format not known", "plan", "format", "muss-plan/2", 65, "format" },
	};
	struct answer a;

	if (!mkdtemp(dir))
		return 99;

	char *ca = at("p/ca.crt"), *p = at("p"), *q = at("q"), *crl = at("p/crl.pem"), *revoked = at("p/issued/sg2.crt");

	if (pki_init(p, "ca", 10, &e) || pki_init(q, "ca", 10, &e) || pki_issue(p, ROLE_SIGNER, "sg", NULL, 10, NULL, &e) ||
	    pki_issue(p, ROLE_SIGNER, "sg2", NULL, 10, NULL, &e) || pki_issue(p, ROLE_HOST, "h1", NULL, 10, NULL, &e) ||
	    pki_issue(p, ROLE_ANALYSIS, "an", NULL, 10, NULL, &e) || pki_issue(q, ROLE_SIGNER, "sg", NULL, 10, NULL, &e) ||
	    pki_revoke(p, revoked, &e) || !(v = verify_open(ca, crl, &e)))
		return 99;

	make(&a, NULL, "p/issued/sg");
	OK(gate(&a, 0) == 0, "an answer in which all is well passes");
	OK(gate(&a, 7) == 0, "the version seen last may come again");
	OK(gate(&a, 8) == 77 && strstr(e.msg, "older"), "an older one may not");
	OK(gate(&a, -1) == 0, "where age does not matter it passes");
	a.certificate_bytes.p[a.certificate_bytes.len - 2] ^= 1;
	OK(gate(&a, 0) == 65 && strstr(e.msg, "certificate.json.sig"), "altered bytes of the certificate: 65");
	a.certificate_bytes.p[a.certificate_bytes.len - 2] ^= 1;
	buf_clear(&a.certificate_sig);
	OK(gate(&a, 0) == 65 && strstr(e.msg, "not signed"), "no signature: 65");
	sign("p/issued/h1", &a.certificate_bytes, &a.certificate_sig);
	OK(gate(&a, 0) == 77 && strstr(e.msg, "role"), "signed by a host: 77");
	buf_clear(&a.certificate_sig);
	sign("p/issued/sg2", &a.certificate_bytes, &a.certificate_sig);
	OK(gate(&a, 0) == 77 && strstr(e.msg, "revoked"), "signed by who was revoked: 77");
	buf_clear(&a.certificate_sig);
	sign("q/issued/sg", &a.certificate_bytes, &a.certificate_sig);
	OK(gate(&a, 0) == 77, "signed by another authority's signer: 77");
	answer_free(&a);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		int code;

		make(&a, &all[i], "p/issued/sg");
		code = gate(&a, 0);
		if (!OK(code == all[i].code && strstr(e.msg, all[i].says), all[i].name))
			printf("# %d: %s\n", code, e.msg);
		answer_free(&a);
	}

	/* A path for an id, everywhere the same: the plan's id names a folder. */
	make(&a, NULL, "p/issued/sg");
	json_object_set_new(a.plan, "id", json_string("../../../x"));
	json_object_set_new(a.proof, "plan", json_string("../../../x"));
	json_object_set_new(a.certificate, "plan", json_string("../../../x"));
	OK(gate(&a, 0) == 65, "an id that is a path, agreed on by all");
	answer_free(&a);

	/* Kept, loaded, and altered where it lies. */
	char *kept = at("kept"), *remover = at("kept/remover");
	int fd;

	make(&a, NULL, "p/issued/sg");
	OK(answer_keep(&a, kept, &e) == 0 && answer_keep(&a, kept, &e) == 0, "it is kept, and kept again");
	answer_free(&a);
	OK(answer_load(kept, &a, &e) == 0 && gate(&a, 7) == 0, "loaded, it passes");
	answer_free(&a);
	fd = open(remover, O_WRONLY | O_APPEND);
	if (fd < 0 || io_write(fd, "x", 1))
		return 99;
	close(fd);
	OK(answer_load(kept, &a, &e) == 0 && gate(&a, 7) == 65, "with an altered remover it does not");
	answer_free(&a);
	unlink(remover);
	OK(symlink("/bin/true", remover) == 0 && answer_load(kept, &a, &e) < 0, "a link in its place is not opened");
	verify_free(v);
	io_rmtree(AT_FDCWD, dir, &e);
	free(ca), free(p), free(q), free(crl), free(revoked), free(kept), free(remover);
	return unit_end();
}
