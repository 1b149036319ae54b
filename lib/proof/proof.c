#include "proof/internal.h"

#include <string.h>

struct work {
	struct evidence evidence;          /* first: the evidence callbacks take it for their ctx */
	const struct proof_options *options;
	struct signer *signer;
	struct trial trial;
	bool tried;
	double seconds;
};

static int verified(void *ctx, const struct casein *in, struct err *e)
{
	struct work *w = ctx;
	int64_t begun = clock_mono_ms();

	(void)in;
	if (!evidence_has_remedy(&w->evidence)) {
		msg_info("no remedy in the case: nothing to verify");
		return 0;
	}
	if (evidence_complete(&w->evidence, e))
		return -1;
	w->trial = (struct trial){ .evidence = &w->evidence, .checks = json_array(), .unproven = json_array(), .left = json_array(), .safe = true };
	w->tried = true;
	if (trial_run(&w->trial, e))
		return -1;
	w->seconds = (double)(clock_mono_ms() - begun) / 1000;
	msg_info("%s, in %.2f s", w->trial.safe ? "safe" : "not safe", w->seconds);
	return 0;
}

static int add_proof(void *ctx, struct caseout *out, struct err *e)
{
	struct work *w = ctx;
	char path[64];
	json_t *j;
	int rc;

	if (!w->tried)
		return 0;
	j = certify_proof(&w->evidence, &w->trial, w->options->environment, w->seconds);
	snprintf(path, sizeof path, "proof/%s.json", w->options->environment);
	rc = caseout_json(out, path, j, e);
	json_decref(j);
	if (!rc && w->trial.safe && w->signer)
		rc = certify(&w->evidence, w->options->environment, w->signer, out, e);
	return rc;
}

static int sign_manifest(void *arg, const struct buf *manifest, struct buf *sig, struct err *e)
{
	return sign_bytes(arg, manifest->p, manifest->len, sig, e);
}

int proof_run(const struct proof_options *o, int in, int out, struct err *e)
{
	struct work w = { .evidence = { .remover = -1 }, .options = o };
	struct casefilter f = { .tool = "mverify", .ctx = &w, .head = evidence_head, .about = evidence_about, .tap = evidence_tap,
		.code_end = evidence_code_end, .verified = verified, .end = add_proof };
	int rc = -1;

	if (o->key) {
		char name[128], role[64];

		if (cert_subject(o->crt, name, role, e))
			return -1;
		if (strcmp(role, ROLE_SIGNER))
			return err_set(e, EX_NOPERM, "%s is a certificate for the role %s, not " ROLE_SIGNER, err_q(o->crt), err_q(role));
		w.signer = sign_open(o->crt, o->key, e);
		if (!w.signer)
			return -1;
		f.sign = sign_manifest;
		f.sign_arg = w.signer;
	}
	rc = casefilter_run(&f, in, out, e);
	if (!rc && w.tried && !w.trial.safe)
		rc = EX_NO;
	json_decref(w.trial.checks);
	json_decref(w.trial.unproven);
	json_decref(w.trial.left);
	evidence_free(&w.evidence);
	sign_free(w.signer);
	return rc;
}
