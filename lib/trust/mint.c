/* The profile of our certificates: RFC 5280, ECDSA P-256 with SHA-256, random serial numbers of 128 bits. */
#include "trust/load.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_SKEW_S 300   /* how far a host's clock may be behind */
#define DAY_S 86400L

EVP_PKEY *mint_key(struct err *e)
{
	EVP_PKEY *key;

	ERR_clear_error();
	key = EVP_EC_gen("P-256");
	if (!key)
		load_error(e, EX_SOFTWARE, "cannot make a key");
	return key;
}

static int random_serial(ASN1_INTEGER *out)
{
	unsigned char bytes[16];
	BIGNUM *bn;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -1;
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = bn && BN_set_bit(bn, 126) && BN_to_ASN1_INTEGER(bn, out);
	BN_free(bn);
	return ok ? 0 : -1;
}

static int set_subject(X509_NAME *n, const char *role, const char *name)
{
	if (role && !X509_NAME_add_entry_by_NID(n, NID_organizationalUnitName, MBSTRING_ASC, (const unsigned char *)role, -1, -1, 0))
		return -1;
	return X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) ? 0 : -1;
}

/* value: one of our own constants, never text from outside: OpenSSL's configuration language stands behind it. */
static int add_constant(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return ok ? 0 : -1;
}

static GENERAL_NAME *alternative(const char *text)
{
	unsigned char raw[16];
	int n = inet_pton(AF_INET, text, raw) == 1 ? 4 : inet_pton(AF_INET6, text, raw) == 1 ? 16 : 0;
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s = n ? (ASN1_STRING *)ASN1_OCTET_STRING_new() : (ASN1_STRING *)ASN1_IA5STRING_new();

	if (!g || !s || !ASN1_STRING_set(s, n ? (const void *)raw : text, n ? n : -1)) {
		GENERAL_NAME_free(g);
		ASN1_STRING_free(s);
		return NULL;
	}
	GENERAL_NAME_set0_value(g, n ? GEN_IPADD : GEN_DNS, s);
	return g;
}

static int add_alternatives(X509 *x, const char *alt, struct err *e)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	char *copy = buf_strdup(alt), *rest = copy, *one;
	int rc = -1;

	while ((one = strsep(&rest, ","))) {
		GENERAL_NAME *g;

		if (!*one || strlen(one) > 253 ||
		    strspn(one, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-*") != strlen(one)) {
			err_set(e, EX_USAGE, "%s is no host name or address", err_q(one));
			goto out;
		}
		g = alternative(one);
		if (!g || !sk_GENERAL_NAME_push(all, g)) {
			GENERAL_NAME_free(g);
			load_error(e, EX_OSERR, "cannot add %s to a certificate", err_q(one));
			goto out;
		}
	}
	if (X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) != 1)
		load_error(e, EX_SOFTWARE, "cannot add host names to a certificate");
	else
		rc = 0;
out:
	sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
	free(copy);
	return rc;
}

static int add_usages(X509 *x, X509 *issuer, const char *role)
{
	/* emailProtection is what `openssl cms -verify` asks of a signer by default. */
	static const struct { const char *role, *usage, *extended; } table[] = {
		{ ROLE_HOST, "critical,digitalSignature", "clientAuth,emailProtection" },
		{ ROLE_FRONT, "critical,digitalSignature", "serverAuth" },
		{ ROLE_ANALYSIS, "critical,keyAgreement", "emailProtection" },
		{ ROLE_SIGNER, "critical,digitalSignature", "emailProtection" },
	};

	if (!strcmp(role, ROLE_CA))
		return add_constant(x, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") < 0 ||
		       add_constant(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") < 0 ? -1 : 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (!strcmp(role, table[i].role))
			return add_constant(x, issuer, NID_basic_constraints, "critical,CA:FALSE") < 0 ||
			       add_constant(x, issuer, NID_key_usage, table[i].usage) < 0 ||
			       add_constant(x, issuer, NID_ext_key_usage, table[i].extended) < 0 ? -1 : 0;
	return -1;
}

X509 *mint_crt(const char *role, const char *name, const char *alt, int days, EVP_PKEY *key,
	       X509 *ca, EVP_PKEY *ca_key, struct err *e)
{
	X509 *x, *issuer;

	ERR_clear_error();
	x = X509_new();
	issuer = ca ? ca : x;
	if (!x || !X509_set_version(x, X509_VERSION_3) || random_serial(X509_get_serialNumber(x)) < 0 ||
	    set_subject(X509_get_subject_name(x), role, name) < 0 ||
	    !X509_set_issuer_name(x, X509_get_subject_name(issuer)) ||
	    !X509_gmtime_adj(X509_getm_notBefore(x), -CLOCK_SKEW_S) ||
	    !X509_gmtime_adj(X509_getm_notAfter(x), days * DAY_S - 1) || !X509_set_pubkey(x, key) ||
	    add_usages(x, issuer, role) < 0 || add_constant(x, issuer, NID_subject_key_identifier, "hash") < 0 ||
	    add_constant(x, issuer, NID_authority_key_identifier, "keyid:always") < 0) {
		load_error(e, EX_SOFTWARE, "cannot make a certificate for %s", err_q(name));
		goto fail;
	}
	if (alt && add_alternatives(x, alt, e) < 0)
		goto fail;
	if (!X509_sign(x, ca_key, EVP_sha256())) {
		load_error(e, EX_SOFTWARE, "cannot sign the certificate for %s", err_q(name));
		goto fail;
	}
	return x;
fail:
	X509_free(x);
	return NULL;
}

X509_REQ *mint_request(const char *name, EVP_PKEY *key, struct err *e)
{
	X509_REQ *r;

	ERR_clear_error();
	r = X509_REQ_new();
	if (!r || !X509_REQ_set_version(r, X509_REQ_VERSION_1) || set_subject(X509_REQ_get_subject_name(r), NULL, name) < 0 ||
	    !X509_REQ_set_pubkey(r, key) || !X509_REQ_sign(r, key, EVP_sha256())) {
		load_error(e, EX_SOFTWARE, "cannot make a certificate request for %s", err_q(name));
		X509_REQ_free(r);
		return NULL;
	}
	return r;
}

static int add_revoked(X509_CRL *c, const X509 *crt)
{
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	int ok = r && now && X509_REVOKED_set_serialNumber(r, X509_get_serialNumber((X509 *)(uintptr_t)crt)) &&
		 X509_REVOKED_set_revocationDate(r, now) && X509_CRL_add0_revoked(c, r);

	ASN1_TIME_free(now);
	if (!ok)
		X509_REVOKED_free(r);
	return ok ? 0 : -1;
}

static int next_number(X509_CRL *c, const X509_CRL *old)
{
	ASN1_INTEGER *n = old ? X509_CRL_get_ext_d2i(old, NID_crl_number, NULL, NULL) : NULL;
	uint64_t v = 0;
	int ok;

	if (n && !ASN1_INTEGER_get_uint64(&v, n))
		v = 0;
	ASN1_INTEGER_free(n);
	n = ASN1_INTEGER_new();
	ok = n && ASN1_INTEGER_set_uint64(n, v + 1) && X509_CRL_add1_ext_i2d(c, NID_crl_number, n, 0, X509V3_ADD_DEFAULT) == 1;
	ASN1_INTEGER_free(n);
	return ok ? 0 : -1;
}

X509_CRL *mint_crl(X509 *ca, EVP_PKEY *ca_key, const X509_CRL *old, const X509 *revoked, int days, struct err *e)
{
	X509_CRL *c;
	ASN1_TIME *last = NULL, *next = NULL;
	STACK_OF(X509_REVOKED) *before = old ? X509_CRL_get_REVOKED((X509_CRL *)(uintptr_t)old) : NULL;
	X509V3_CTX ctx;
	X509_EXTENSION *keyid = NULL;

	ERR_clear_error();
	c = X509_CRL_new();
	last = X509_gmtime_adj(NULL, -CLOCK_SKEW_S);
	next = X509_gmtime_adj(NULL, days * DAY_S);
	if (!c || !last || !next || !X509_CRL_set_version(c, X509_CRL_VERSION_2) ||
	    !X509_CRL_set_issuer_name(c, X509_get_subject_name(ca)) ||
	    !X509_CRL_set1_lastUpdate(c, last) || !X509_CRL_set1_nextUpdate(c, next))
		goto fail;
	for (int i = 0; i < sk_X509_REVOKED_num(before); i++) {
		X509_REVOKED *r = X509_REVOKED_dup(sk_X509_REVOKED_value(before, i));

		if (!r || !X509_CRL_add0_revoked(c, r)) {
			X509_REVOKED_free(r);
			goto fail;
		}
	}
	X509V3_set_ctx(&ctx, ca, NULL, NULL, c, 0);
	keyid = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	if ((revoked && add_revoked(c, revoked) < 0) || !keyid || !X509_CRL_add_ext(c, keyid, -1) || next_number(c, old) < 0 ||
	    !X509_CRL_sort(c) || !X509_CRL_sign(c, ca_key, EVP_sha256()))
		goto fail;
	goto out;
fail:
	load_error(e, EX_SOFTWARE, "cannot make the revocation list");
	X509_CRL_free(c);
	c = NULL;
out:
	X509_EXTENSION_free(keyid);
	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	return c;
}
