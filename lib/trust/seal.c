/* RFC 5083 AuthEnvelopedData with RFC 5084 AES-256-GCM; the key is agreed on by RFC 5753 (ephemeral-static ECDH, SHA-256). */
#include "trust/load.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CMS_OVERHEAD (64 * KIB)   /* measured: some 500 bytes with one recipient */

struct seal { X509 *crt; };

struct seal *seal_open(const char *crt_path, struct err *e)
{
	X509 *crt = load_crt(crt_path, e);
	char name[128], role[64];
	struct seal *s;

	if (!crt)
		return NULL;
	if (cert_subject_of(crt, name, role, e) < 0)
		goto fail;
	if (strcmp(role, ROLE_ANALYSIS)) {
		err_set(e, EX_NOPERM, "%s has the role %s: bodies are sealed for the role analysis only", err_q(crt_path), err_q(role));
		goto fail;
	}
	if (X509_cmp_current_time(X509_get0_notAfter(crt)) != 1 || X509_cmp_current_time(X509_get0_notBefore(crt)) != -1) {
		err_set(e, EX_NOPERM, "the certificate %s is not valid now", err_q(crt_path));
		goto fail;
	}
	s = buf_alloc(sizeof(*s));
	s->crt = crt;
	return s;
fail:
	X509_free(crt);
	return NULL;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	X509_free(s->crt);
	free(s);
}

/* The whole of a descriptor, from where it stands, in memory that is wiped. */
static int slurp(int fd, uint64_t cap, struct buf *b, const char *what, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if ((uint64_t)st.st_size > cap)
			return err_set(e, EX_DATAERR, "%s is longer than %llu bytes", what, (unsigned long long)cap);
		buf_reserve(b, (size_t)st.st_size + 8192);   /* in one piece: no copies left behind by growing */
	}
	return io_slurp(fd, (size_t)cap, b, what, e);
}

static void wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

static int write_der(CMS_ContentInfo *cms, int out, struct err *e)
{
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der), rc = 0;

	if (n <= 0)
		return load_error(e, EX_SOFTWARE, "cannot encode a sealed body");
	if (io_write(out, der, (size_t)n) < 0)
		rc = err_sys(e, "cannot write a sealed body");
	OPENSSL_free(der);
	return rc;
}

int seal_fd(struct seal *s, int in, int out, struct err *e)
{
	const unsigned flags = CMS_BINARY | CMS_PARTIAL;
	struct buf b = { 0 };
	CMS_ContentInfo *cms = NULL;
	CMS_RecipientInfo *to;
	EVP_PKEY_CTX *agreement;
	BIO *bio = NULL;
	int rc = -1;

	ERR_clear_error();
	if (slurp(in, CAP_SEALED, &b, "a body to be sealed", e) < 0)
		goto out;
	bio = BIO_new_mem_buf(b.len ? (const void *)b.p : "", (int)b.len);
	cms = bio ? CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), flags) : NULL;
	to = cms ? CMS_add1_recipient_cert(cms, s->crt, flags | CMS_KEY_PARAM) : NULL;
	agreement = to ? CMS_RecipientInfo_get0_pkey_ctx(to) : NULL;
	if (!agreement || EVP_PKEY_CTX_set_ecdh_kdf_md(agreement, EVP_sha256()) <= 0 || CMS_final(cms, bio, NULL, flags) != 1) {
		load_error(e, EX_SOFTWARE, "cannot seal a body");
		goto out;
	}
	rc = write_der(cms, out, e);
out:
	CMS_ContentInfo_free(cms);
	BIO_free(bio);
	wipe(&b);
	return rc;
}

struct unseal { X509 *crt; EVP_PKEY *key; };

struct unseal *unseal_open(const char *crt_path, const char *key_path, struct err *e)
{
	struct unseal *u = buf_alloc(sizeof(*u));

	if (load_pair(crt_path, key_path, &u->crt, &u->key, e) < 0) {
		free(u);
		return NULL;
	}
	return u;
}

void unseal_free(struct unseal *u)
{
	if (!u)
		return;
	X509_free(u->crt);
	EVP_PKEY_free(u->key);
	free(u);
}

int unseal_fd(struct unseal *u, int in, int out, uint64_t cap, struct err *e)
{
	struct buf b = { 0 };
	const unsigned char *p;
	CMS_ContentInfo *cms = NULL;
	BIO *plain = NULL;
	char *text = NULL;
	long n;
	int rc = -1;

	ERR_clear_error();
	if (slurp(in, CAP_SEALED + CMS_OVERHEAD, &b, "a sealed body", e) < 0)
		goto out;
	p = b.p;
	cms = b.len ? d2i_CMS_ContentInfo(NULL, &p, (long)b.len) : NULL;
	if (!cms || p != b.p + b.len) {
		load_error(e, EX_DATAERR, "not a sealed body");
		goto out;
	}
	/* EnvelopedData without authentication would open as well: it is not what was agreed on. */
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_id_smime_ct_authEnvelopedData) {
		err_set(e, EX_DATAERR, "a sealed body that is not authenticated");
		goto out;
	}
	plain = BIO_new(BIO_s_secmem());   /* wiped when it is freed */
	if (!plain || CMS_decrypt(cms, u->key, u->crt, NULL, plain, CMS_BINARY) != 1) {
		load_error(e, EX_DATAERR, "a sealed body does not open with this key, or was altered");
		goto out;
	}
	n = BIO_get_mem_data(plain, &text);
	if (n < 0 || (uint64_t)n > cap)
		err_set(e, EX_DATAERR, "a sealed body holds more than %llu bytes", (unsigned long long)cap);
	else if (io_write(out, text, (size_t)n) < 0)
		err_sys(e, "cannot write an opened body");
	else
		rc = 0;
out:
	BIO_free(plain);
	CMS_ContentInfo_free(cms);
	wipe(&b);
	return rc;
}
