/* RFC 5652 SignedData, detached, one signer. */
#include "trust/load.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct signer {
	X509 *crt;
	EVP_PKEY *key;
	char name[128], role[64];
};

struct signer *sign_open(const char *crt_path, const char *key_path, struct err *e)
{
	struct signer *s = buf_alloc(sizeof(*s));

	if (load_pair(crt_path, key_path, &s->crt, &s->key, e) < 0)
		goto fail;
	if (cert_subject_of(s->crt, s->name, s->role, e) < 0) {
		err_wrap(e, "%s", err_q(crt_path));
		goto fail;
	}
	if (X509_cmp_current_time(X509_get0_notAfter(s->crt)) != 1) {
		err_set(e, EX_NOPERM, "the certificate %s has expired", err_q(crt_path));
		goto fail;
	}
	return s;
fail:
	sign_free(s);
	return NULL;
}

const char *sign_name(const struct signer *s)
{
	return s->name;
}

const char *sign_role(const struct signer *s)
{
	return s->role;
}

void sign_free(struct signer *s)
{
	if (!s)
		return;
	X509_free(s->crt);
	EVP_PKEY_free(s->key);
	free(s);
}

int sign_bytes(struct signer *s, const void *p, size_t n, struct buf *sig, struct err *e)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP | CMS_PARTIAL;
	CMS_ContentInfo *cms = NULL;
	unsigned char *der = NULL;
	BIO *bio;
	int len, rc = -1;

	ERR_clear_error();
	if (n > CAP_JSON)
		return err_set(e, EX_DATAERR, "more than %llu bytes are not signed", (unsigned long long)CAP_JSON);
	bio = BIO_new_mem_buf(n ? p : "", (int)n);
	cms = bio ? CMS_sign(NULL, NULL, NULL, NULL, flags) : NULL;
	if (!cms || !CMS_add1_signer(cms, s->crt, s->key, EVP_sha256(), flags) || CMS_final(cms, bio, NULL, flags) != 1 ||
	    (len = i2d_CMS_ContentInfo(cms, &der)) <= 0) {
		load_error(e, EX_SOFTWARE, "cannot sign as %s", err_q(s->name));
		goto out;
	}
	buf_add(sig, der, (size_t)len);
	rc = 0;
out:
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	return rc;
}

struct verifier { X509_STORE *store; };

struct verifier *verify_open(const char *ca_path, const char *crl_path, struct err *e)
{
	struct verifier *v = buf_alloc(sizeof(*v));
	STACK_OF(X509) *all = load_crts(ca_path, e);
	X509_CRL *crl = NULL;

	if (!all || (crl_path && !(crl = load_crl(crl_path, e))))
		goto fail;
	v->store = X509_STORE_new();
	for (int i = 0; v->store && i < sk_X509_num(all); i++)
		if (!X509_STORE_add_cert(v->store, sk_X509_value(all, i)))
			goto openssl;
	if (!v->store || (crl && (!X509_STORE_add_crl(v->store, crl) || !X509_STORE_set_flags(v->store, X509_V_FLAG_CRL_CHECK))))
		goto openssl;
	X509_CRL_free(crl);
	sk_X509_pop_free(all, X509_free);
	return v;
openssl:
	load_error(e, EX_OSERR, "cannot set up verification against %s", err_q(ca_path));
fail:
	X509_CRL_free(crl);
	sk_X509_pop_free(all, X509_free);
	verify_free(v);
	return NULL;
}

void verify_free(struct verifier *v)
{
	if (!v)
		return;
	X509_STORE_free(v->store);
	free(v);
}

static int check_chain(struct verifier *v, X509 *crt, const char *name, struct err *e)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int rc = -1, why;

	if (!ctx || !X509_STORE_CTX_init(ctx, v->store, crt, NULL) || !X509_STORE_CTX_set_default(ctx, "smime_sign"))
		load_error(e, EX_OSERR, "cannot set up the check of a certificate");
	else if (X509_verify_cert(ctx) == 1)
		rc = 0;
	else {
		why = X509_STORE_CTX_get_error(ctx);
		err_set(e, EX_NOPERM, "the certificate of %s is refused: %s", err_q(name), X509_verify_cert_error_string(why));
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return rc;
}

/* SHA-256 or longer, and signed attributes: without them a signature can be moved to other bytes (RFC 5652, section 11). */
static int check_form(CMS_SignerInfo *si, struct err *e)
{
	X509_ALGOR *digest = NULL;
	int nid;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, NULL);
	nid = digest ? OBJ_obj2nid(digest->algorithm) : NID_undef;
	if (nid != NID_sha256 && nid != NID_sha384 && nid != NID_sha512)
		return err_set(e, EX_DATAERR, "a signature with the digest %s", nid == NID_undef ? "?" : OBJ_nid2sn(nid));
	if (CMS_signed_get_attr_count(si) < 1)
		return err_set(e, EX_DATAERR, "a signature without signed attributes");
	return 0;
}

static CMS_ContentInfo *parse(const struct buf *sig, struct err *e)
{
	const unsigned char *p = sig->p;
	CMS_ContentInfo *cms;

	if (!sig->len) {
		err_set(e, EX_DATAERR, "it is not signed");
		return NULL;
	}
	cms = sig->len <= MIB ? d2i_CMS_ContentInfo(NULL, &p, (long)sig->len) : NULL;
	if (!cms || p != sig->p + sig->len || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
	    CMS_is_detached(cms) != 1) {
		load_error(e, EX_DATAERR, "not a detached signature");
		CMS_ContentInfo_free(cms);
		return NULL;
	}
	return cms;
}

/*
 * CMS_verify() makes a copy of a memory BIO, which OpenSSL 3.0.19 loses where the signature names a digest it does not know
 * (cms_smime.c): sender by sender a server would grow. A filter in front is read as it is.
 */
static BIO *content_bio(const void *p, size_t n)
{
	BIO *mem = BIO_new_mem_buf(n ? p : "", (int)n), *filter = BIO_new(BIO_f_null());

	if (mem && filter)
		return BIO_push(filter, mem);
	BIO_free(mem);
	BIO_free(filter);
	return NULL;
}

int verify_bytes(struct verifier *v, const char *role, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e)
{
	CMS_ContentInfo *cms;
	STACK_OF(CMS_SignerInfo) *signers;
	STACK_OF(X509) *found = NULL;
	BIO *bio = NULL;
	char is[64];
	int rc = -1;

	ERR_clear_error();
	name[0] = '\0';
	if (n > CAP_JSON)
		return err_set(e, EX_DATAERR, "more than %llu bytes are not verified", (unsigned long long)CAP_JSON);
	cms = parse(sig, e);
	if (!cms)
		return -1;
	signers = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(signers) != 1) {
		err_set(e, EX_DATAERR, "a signature by %d signers, where one is expected", sk_CMS_SignerInfo_num(signers));
		goto out;
	}
	if (check_form(sk_CMS_SignerInfo_value(signers, 0), e) < 0)
		goto out;
	bio = content_bio(p, n);
	if (!bio || CMS_verify(cms, NULL, NULL, bio, NULL, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1) {
		load_error(e, EX_DATAERR, "the signature does not hold");
		goto out;
	}
	found = CMS_get0_signers(cms);
	if (sk_X509_num(found) != 1) {
		err_set(e, EX_DATAERR, "the signature lacks its signer's certificate");
		goto out;
	}
	if (cert_subject_of(sk_X509_value(found, 0), name, is, e) < 0 || check_chain(v, sk_X509_value(found, 0), name, e) < 0)
		goto out;
	if (strcmp(is, role)) {
		err_set(e, EX_NOPERM, "%s has the role %s: it must not sign this, only the role %s may", err_q(name), err_q(is), role);
		goto out;
	}
	rc = 0;
out:
	if (rc < 0)
		name[0] = '\0';
	sk_X509_free(found);
	BIO_free_all(bio);
	CMS_ContentInfo_free(cms);
	return rc;
}
