#include "proof/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* NAME=value or NAME="value" of os-release. Caller frees. */
static char *os_field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		const char *v = p + n + 1;
		size_t k;

		if (strncmp(p, name, n) || p[n] != '=')
			continue;
		k = strcspn(v, "\n");
		if (k >= 2 && (*v == '"' || *v == '\'') && v[k - 1] == *v)
			v++, k -= 2;
		char *copy = buf_alloc(k + 1);

		memcpy(copy, v, k);
		return copy;
	}
	return buf_strdup("");
}

/* What the trial's system is: case.json's host.os, of this machine. */
static json_t *this_os(void)
{
	struct err ignored = { 0 };
	struct buf b = { 0 };
	char *id, *version;
	json_t *j;

	if (io_slurp_path("/etc/os-release", 64 * KIB, &b, &ignored))
		buf_clear(&b);
	id = os_field(buf_str(&b), "ID");
	version = os_field(buf_str(&b), "VERSION_ID");
	j = json_pack("{s:o, s:o}", "id", jsonio_name(id), "version", jsonio_name(version));
	free(id);
	free(version);
	buf_free(&b);
	return j;
}

json_t *certify_proof(const struct evidence *v, const struct trial *t, const char *environment, double seconds)
{
	struct utsname u;

	uname(&u);
	return json_pack("{s:s, s:o, s:s, s:O?, s:s, s:s, s:O, s:O, s:O, s:f}", "environment", environment, "os", this_os(), "kernel", u.release, "plan",
		json_object_get(v->plan, "id"), "remover_sha256", v->remover_sha256, "result", t->safe ? "safe" : "unsafe", "checks", t->checks,
		"unproven", t->unproven, "left", t->left, "seconds", (double)(int64_t)(seconds * 1000) / 1000);
}

int certify(const struct evidence *v, const char *environment, struct signer *s, struct caseout *out, struct err *e)
{
	char issued[CLOCK_RFC3339];
	struct buf text = { 0 }, sig = { 0 };
	json_t *j;
	int rc = -1;

	clock_rfc3339(clock_now(), issued);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s], s:s, s:O, s:O}", "format", "muss-certificate/1", "plan", jsonio_str(v->plan, "id"), "plan_sha256",
		v->plan_sha256, "remover_sha256", v->remover_sha256, "host", jsonio_str(json_object_get(v->plan, "host"), "id"), "environments",
		environment, "issued", issued, "expires", json_object_get(v->plan, "expires"), "version", json_object_get(v->plan, "version"));
	if (!j)
		return err_set(e, EX_DATAERR, "the plan lacks what a certificate names");
	jsonio_dump(j, &text);
	if (sign_bytes(s, text.p, text.len, &sig, e) || caseout_bytes(out, "proof/certificate.json", 0644, text.p, text.len, e) ||
	    caseout_bytes(out, "proof/certificate.json.sig", 0644, sig.p, sig.len, e))
		goto out;
	rc = 0;
out:
	json_decref(j);
	buf_free(&text);
	buf_free(&sig);
	return rc;
}
