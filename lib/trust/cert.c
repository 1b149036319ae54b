#include "trust/load.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool cert_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 64 && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:-") == n;
}

bool cert_role_ok(const char *role)
{
	static const char *const leaf[] = { ROLE_HOST, ROLE_FRONT, ROLE_ANALYSIS, ROLE_SIGNER };

	for (size_t i = 0; i < sizeof(leaf) / sizeof(*leaf); i++)
		if (!strcmp(role, leaf[i]))
			return true;
	return false;
}

/* The one entry of that kind; two would let two readers disagree about who this is. */
static int only_entry(const X509_NAME *n, int nid, const char *what, char *out, size_t size, struct err *e)
{
	int at = X509_NAME_get_index_by_NID(n, nid, -1);
	const ASN1_STRING *s;
	unsigned char *utf8 = NULL;
	int len;

	out[0] = '\0';
	if (at < 0)
		return err_set(e, EX_NOPERM, "the certificate's subject has no %s", what);
	if (X509_NAME_get_index_by_NID(n, nid, at) >= 0)
		return err_set(e, EX_NOPERM, "the certificate's subject has more than one %s", what);
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at));
	len = ASN1_STRING_to_UTF8(&utf8, s);
	if (len <= 0 || (size_t)len >= size || memchr(utf8, 0, (size_t)len)) {
		OPENSSL_free(utf8);
		ERR_clear_error();
		return err_set(e, EX_NOPERM, "the %s of the certificate's subject is not acceptable", what);
	}
	memcpy(out, utf8, (size_t)len);
	out[len] = 0;
	OPENSSL_free(utf8);
	return 0;
}

int cert_common_name(const X509_NAME *n, char name[128], struct err *e)
{
	if (only_entry(n, NID_commonName, "name (CN)", name, 128, e) < 0)
		return -1;
	if (!cert_name_ok(name))
		return err_set(e, EX_NOPERM, "the certificate's name %s is not made of letters, digits and ._@:- alone", err_q(name));
	return 0;
}

int cert_subject_of(const X509 *x, char name[128], char role[64], struct err *e)
{
	const X509_NAME *n = X509_get_subject_name(x);

	if (cert_common_name(n, name, e) < 0)
		return -1;
	if (only_entry(n, NID_organizationalUnitName, "role (OU)", role, 64, e) < 0)
		return -1;
	return cert_name_ok(role) ? 0 : err_set(e, EX_NOPERM, "the certificate of %s has the role %s, which is none", err_q(name), err_q(role));
}

int cert_subject_der(const unsigned char *der, size_t n, char name[128], char role[64], struct err *e)
{
	const unsigned char *p = der;
	X509 *x;
	int rc = -1;

	ERR_clear_error();
	x = n <= MIB ? d2i_X509(NULL, &p, (long)n) : NULL;
	if (!x || p != der + n)
		load_error(e, EX_DATAERR, "not a certificate in DER");
	else
		rc = cert_subject_of(x, name, role, e);
	X509_free(x);
	return rc;
}

int cert_subject(const char *crt_path, char name[128], char role[64], struct err *e)
{
	X509 *x = load_crt(crt_path, e);
	int rc = x ? cert_subject_of(x, name, role, e) : -1;

	if (x && rc < 0)
		err_wrap(e, "%s", err_q(crt_path));
	X509_free(x);
	return rc;
}

static json_t *rfc3339(const ASN1_TIME *t)
{
	char text[CLOCK_RFC3339] = "";
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) == 1)
		clock_rfc3339((int64_t)timegm(&tm), text);
	return json_string(text);
}

json_t *cert_describe(const char *crt_path, struct err *e)
{
	X509 *x = load_crt(crt_path, e);
	char name[128], role[64], *serial = NULL;
	json_t *j = NULL;
	BIGNUM *bn;
	bool valid;

	if (!x)
		return NULL;
	if (cert_subject_of(x, name, role, e) < 0) {
		err_wrap(e, "%s", err_q(crt_path));
		goto out;
	}
	bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	serial = bn ? BN_bn2hex(bn) : NULL;
	BN_free(bn);
	valid = X509_cmp_current_time(X509_get0_notAfter(x)) == 1 && X509_cmp_current_time(X509_get0_notBefore(x)) == -1;
	j = json_pack("{so so so ss? so so sb}", "path", jsonio_name(crt_path), "name", jsonio_name(name), "role", jsonio_name(role),
		      "serial", serial, "from", rfc3339(X509_get0_notBefore(x)), "until", rfc3339(X509_get0_notAfter(x)), "valid", valid);
out:
	OPENSSL_free(serial);
	X509_free(x);
	return j;
}
