#include "internet/internal.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEPT 256              /* certificates; the oldest gives way */
#define DAY (24 * 60 * 60)

struct kept_cert { char *name; bool ecdsa; X509 *cert; };
struct authority {
	EVP_PKEY *key, *leaf, *rsa;   /* of the authority; of all servers; the same for clients that know no ECDSA, made when one comes */
	X509 *cert;
	struct buf pem;
	struct kept_cert kept[KEPT];
	size_t next;
	long serial;
};

static bool extend(X509 *c, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *x;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = x && X509_add_ext(c, x, -1);
	X509_EXTENSION_free(x);
	return good;
}

/* The alternative name is put in as it is: through X509V3_EXT_conf_nid a hostile name could say more than itself. */
static bool add_san(X509 *c, const char *name)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
	bool good = all && g && s;

	if (good && ip) {
		GENERAL_NAME_set0_value(g, GEN_IPADD, ip);
		ip = NULL;
	} else if (good && ASN1_STRING_set(s, name, -1)) {
		GENERAL_NAME_set0_value(g, GEN_DNS, s);
		s = NULL;
	} else {
		good = false;
	}
	good = good && sk_GENERAL_NAME_push(all, g) > 0;
	if (good)
		g = NULL;
	good = good && X509_add1_ext_i2d(c, NID_subject_alt_name, all, 0, 0) == 1;
	ASN1_OCTET_STRING_free(ip);
	ASN1_IA5STRING_free(s);
	GENERAL_NAME_free(g);
	sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
	return good;
}

/* What all certificates have. A name longer than a common name may be (64) stands only in the alternative name. */
static X509 *begin(long serial, EVP_PKEY *key, const char *name, const char *organisation, int64_t from, int64_t to)
{
	X509 *c = X509_new();
	X509_NAME *subject;
	char cn[65];

	if (!c)
		return NULL;
	snprintf(cn, sizeof cn, "%s", name);
	subject = X509_get_subject_name(c);
	if (X509_set_version(c, 2) && ASN1_INTEGER_set(X509_get_serialNumber(c), serial) &&
	    ASN1_TIME_set(X509_getm_notBefore(c), (time_t)from) && ASN1_TIME_set(X509_getm_notAfter(c), (time_t)to) && X509_set_pubkey(c, key) &&
	    (!organisation || X509_NAME_add_entry_by_NID(subject, NID_organizationName, MBSTRING_UTF8, (const unsigned char *)organisation, -1, -1, 0)) &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_UTF8STRING, (const unsigned char *)cn, -1, -1, 0))
		return c;
	X509_free(c);
	return NULL;
}

static X509 *make_root(EVP_PKEY *key, int64_t now)
{
	X509 *c = begin(1, key, "Global Trust Root CA G2", "Global Trust Services", now - 3652LL * DAY, now + 7305LL * DAY);

	if (c && X509_set_issuer_name(c, X509_get_subject_name(c)) && extend(c, c, NID_basic_constraints, "critical,CA:TRUE") &&
	    extend(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") && extend(c, c, NID_subject_key_identifier, "hash") &&
	    X509_sign(c, key, EVP_sha256()))
		return c;
	X509_free(c);
	return NULL;
}

static X509 *make_leaf(struct authority *a, EVP_PKEY *key, const char *name, int64_t now)
{
	X509 *c = begin(++a->serial, key, name, NULL, now - 30LL * DAY, now + 335LL * DAY);

	if (c && X509_set_issuer_name(c, X509_get_subject_name(a->cert)) && extend(c, a->cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    extend(c, a->cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	    extend(c, a->cert, NID_ext_key_usage, "serverAuth") && extend(c, a->cert, NID_authority_key_identifier, "keyid") &&
	    add_san(c, name) && X509_sign(c, a->key, EVP_sha256()))
		return c;
	X509_free(c);
	return NULL;
}

static bool write_pem(struct authority *a)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (!b || !PEM_write_bio_X509(b, a->cert)) {
		BIO_free(b);
		return false;
	}
	n = BIO_get_mem_data(b, &p);
	buf_add(&a->pem, p, (size_t)n);
	BIO_free(b);
	return true;
}

/* Another's key and certificate. */
static void take_root(struct authority *a, const char *key, const char *cert)
{
	BIO *k = BIO_new_mem_buf(key, -1), *c = BIO_new_mem_buf(cert, -1);

	a->key = k ? PEM_read_bio_PrivateKey(k, NULL, NULL, NULL) : NULL;
	a->cert = c ? PEM_read_bio_X509(c, NULL, NULL, NULL) : NULL;
	BIO_free(k);
	BIO_free(c);
}

struct authority *authority_new(const json_t *given, int64_t now, struct err *e)
{
	struct authority *a = buf_alloc(sizeof *a);
	const char *key = jsonio_str(given, "key"), *cert = jsonio_str(given, "cert");

	a->serial = (long)(now & 0xffffff) << 20;
	a->leaf = EVP_EC_gen("P-256");
	if (key && cert) {
		take_root(a, key, cert);
	} else {
		a->key = EVP_EC_gen("P-256");
		a->cert = a->key ? make_root(a->key, now) : NULL;
	}
	if (a->leaf && a->key && a->cert && X509_check_private_key(a->cert, a->key) == 1 && write_pem(a))
		return a;
	authority_free(a);
	err_set(e, given ? EX_CONFIG : EX_UNAVAILABLE, given ? "the settings' authority is none" : "cannot make an authority's certificate");
	return NULL;
}

json_t *internet_authority(struct err *e)
{
	struct authority *a = authority_new(NULL, (int64_t)time(NULL), e);
	BIO *b = a ? BIO_new(BIO_s_mem()) : NULL;
	json_t *o = NULL;
	char *p;
	long n;

	if (b && PEM_write_bio_PrivateKey(b, a->key, NULL, NULL, 0, NULL, NULL)) {
		n = BIO_get_mem_data(b, &p);
		o = json_pack("{s:s%, s:s, s:o}", "key", p, (size_t)n, "cert", authority_pem(a), "hash",
			json_sprintf("%08lx", X509_subject_name_hash(a->cert)));
	}
	if (a && !o)
		err_set(e, EX_UNAVAILABLE, "cannot write an authority's key");
	BIO_free(b);
	authority_free(a);
	return o;
}

void authority_free(struct authority *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < KEPT; i++) {
		free(a->kept[i].name);
		X509_free(a->kept[i].cert);
	}
	EVP_PKEY_free(a->key);
	EVP_PKEY_free(a->leaf);
	EVP_PKEY_free(a->rsa);
	X509_free(a->cert);
	buf_free(&a->pem);
	free(a);
}

const char *authority_pem(const struct authority *a)
{
	return buf_str(&a->pem);
}

static X509 *kept(struct authority *a, const char *name, bool ecdsa, EVP_PKEY *key, int64_t now)
{
	struct kept_cert *k;
	X509 *c;

	for (size_t i = 0; i < KEPT; i++) {
		k = &a->kept[i];
		/* The sample's clock may have been put forward since. */
		if (k->name && k->ecdsa == ecdsa && !strcmp(k->name, name) && ASN1_TIME_cmp_time_t(X509_get0_notAfter(k->cert), (time_t)now) > 0 &&
		    ASN1_TIME_cmp_time_t(X509_get0_notBefore(k->cert), (time_t)now) < 0)
			return k->cert;
	}
	c = make_leaf(a, key, name, now);
	if (!c)
		return NULL;
	k = &a->kept[a->next++ % KEPT];
	free(k->name);
	X509_free(k->cert);
	*k = (struct kept_cert){ buf_strdup(name), ecdsa, c };
	return c;
}

int authority_dress(struct authority *a, SSL *s, const char *name, bool ecdsa, int64_t now)
{
	EVP_PKEY *key = a->leaf;
	X509 *c;

	if (!ecdsa && !a->rsa)
		a->rsa = EVP_RSA_gen(2048);
	if (!ecdsa)
		key = a->rsa;
	c = key ? kept(a, name, ecdsa, key, now) : NULL;
	if (!c || SSL_use_certificate(s, c) != 1 || SSL_use_PrivateKey(s, key) != 1)
		return -1;
	return SSL_add1_chain_cert(s, a->cert) == 1 ? 0 : -1;
}
