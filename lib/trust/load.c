#include "trust/load.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int load_error(struct err *e, int code, const char *fmt, ...)
{
	unsigned long reason = ERR_get_error();
	const char *text = reason ? ERR_reason_error_string(reason) : NULL;
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return text ? err_set(e, code, "%s: %s", msg, text) : err_set(e, code, "%s", msg);
}

static BIO *open_pem(const char *path, struct buf *b, struct err *e)
{
	BIO *bio;

	ERR_clear_error();
	if (io_slurp_path(path, CAP_SLURP, b, e) < 0)
		return NULL;
	bio = BIO_new_mem_buf(b->len ? (const void *)b->p : "", (int)b->len);
	if (!bio)
		load_error(e, EX_OSERR, "cannot read %s", err_q(path));
	return bio;
}

static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

EVP_PKEY *load_key(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct buf b = { 0 };
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	struct stat st;

	ERR_clear_error();
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, "cannot read the key %s", err_q(path));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, EX_NOINPUT, "the key %s is not a file", err_q(path));
		goto out;
	}
	if (st.st_mode & 077) {
		err_set(e, EX_NOPERM, "the key %s may be read by others than its owner (mode %04o, must be 0600)",
			err_q(path), (unsigned)(st.st_mode & 07777));
		goto out;
	}
	if (st.st_size > 65536) {
		err_set(e, EX_DATAERR, "%s is no private key: too long", err_q(path));
		goto out;
	}
	buf_reserve(&b, 65536 + 8192);   /* so that it never moves, and the wipe below catches the one copy */
	if (io_slurp(fd, 65536, &b, path, e) < 0)
		goto out;
	bio = BIO_new_mem_buf(b.p, (int)b.len);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	if (!key) {
		load_error(e, EX_DATAERR, "%s is no private key in PEM without a passphrase", err_q(path));
		goto out;
	}
out:
	BIO_free(bio);
	if (b.p)
		OPENSSL_cleanse(b.p, b.cap);
	buf_free(&b);
	io_close(&fd);
	return key;
}

X509 *load_crt(const char *path, struct err *e)
{
	struct buf b = { 0 };
	BIO *bio = open_pem(path, &b, e);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	if (bio && !x)
		load_error(e, EX_DATAERR, "%s is no certificate in PEM", err_q(path));
	BIO_free(bio);
	buf_free(&b);
	return x;
}

X509_CRL *load_crl(const char *path, struct err *e)
{
	struct buf b = { 0 };
	BIO *bio = open_pem(path, &b, e);
	X509_CRL *c = bio ? PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL) : NULL;

	if (bio && !c)
		load_error(e, EX_DATAERR, "%s is no revocation list in PEM", err_q(path));
	BIO_free(bio);
	buf_free(&b);
	return c;
}

X509_REQ *load_csr(const char *path, struct err *e)
{
	struct buf b = { 0 };
	BIO *bio = open_pem(path, &b, e);
	X509_REQ *r = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL) : NULL;

	if (bio && !r)
		load_error(e, EX_DATAERR, "%s is no certificate request in PEM", err_q(path));
	BIO_free(bio);
	buf_free(&b);
	return r;
}

STACK_OF(X509) *load_crts(const char *path, struct err *e)
{
	struct buf b = { 0 };
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *bio = open_pem(path, &b, e);
	X509 *x;

	if (!bio || !all)
		goto fail;
	while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
		if (!sk_X509_push(all, x)) {
			X509_free(x);
			goto fail;
		}
	if (!sk_X509_num(all)) {
		load_error(e, EX_DATAERR, "%s holds no certificate in PEM", err_q(path));
		goto fail;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		load_error(e, EX_DATAERR, "%s holds a damaged certificate", err_q(path));
		goto fail;
	}
	ERR_clear_error();
	BIO_free(bio);
	buf_free(&b);
	return all;
fail:
	sk_X509_pop_free(all, X509_free);
	BIO_free(bio);
	buf_free(&b);
	return NULL;
}

int load_pair(const char *crt_path, const char *key_path, X509 **crt, EVP_PKEY **key, struct err *e)
{
	*crt = load_crt(crt_path, e);
	*key = *crt ? load_key(key_path, e) : NULL;
	if (!*key)
		goto fail;
	if (X509_check_private_key(*crt, *key) != 1) {
		load_error(e, EX_CONFIG, "the key %s does not belong to the certificate %s", err_q(key_path), err_q(crt_path));
		goto fail;
	}
	return 0;
fail:
	X509_free(*crt);
	EVP_PKEY_free(*key);
	*crt = NULL;
	*key = NULL;
	return -1;
}
