#include "trust/load.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CRL_DAYS 90   /* `mkey crl` makes it anew before */

static int refuse_existing(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return err_set(e, EX_CANTCREAT, "%s exists: not overwritten", err_q(path));
	return errno == ENOENT ? 0 : err_sys(e, "cannot look at %s", err_q(path));
}

static int write_bio(const char *path, mode_t mode, BIO *bio, struct err *e)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return atomic_write(path, mode, p, (size_t)n, e);
}

static int write_key(const char *path, EVP_PKEY *key, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());   /* wiped when it is freed */
	int rc;

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		rc = load_error(e, EX_SOFTWARE, "cannot write the key %s", err_q(path));
	else
		rc = write_bio(path, 0600, bio, e);
	BIO_free(bio);
	return rc;
}

static int write_crt(const char *path, X509 *x, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rc;

	if (!bio || PEM_write_bio_X509(bio, x) != 1)
		rc = load_error(e, EX_SOFTWARE, "cannot write the certificate %s", err_q(path));
	else
		rc = write_bio(path, 0644, bio, e);
	BIO_free(bio);
	return rc;
}

static int write_crl(const char *path, X509_CRL *c, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rc;

	if (!bio || PEM_write_bio_X509_CRL(bio, c) != 1)
		rc = load_error(e, EX_SOFTWARE, "cannot write the revocation list %s", err_q(path));
	else
		rc = write_bio(path, 0644, bio, e);
	BIO_free(bio);
	return rc;
}

static int check_arguments(const char *name, int days, struct err *e)
{
	if (!cert_name_ok(name))
		return err_set(e, EX_USAGE, "%s is no name: 1 to 64 letters, digits and ._@:- alone, not beginning with . or -", err_q(name));
	if (days < 0 || days > 36500)
		return err_set(e, EX_USAGE, "%d days: 0 to 36500 are possible", days);
	return 0;
}

/* ---- the authority's folder ---- */

struct authority {
	int lock;   /* the folder, locked against a second mkey */
	X509 *crt;
	EVP_PKEY *key;
};

static void authority_close(struct authority *a)
{
	X509_free(a->crt);
	EVP_PKEY_free(a->key);
	io_close(&a->lock);
}

static int authority_open(struct authority *a, const char *dir, struct err *e)
{
	char *crt = buf_printf("%s/ca.crt", dir), *key = buf_printf("%s/ca.key", dir);
	int rc = -1;

	*a = (struct authority){ .lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (a->lock < 0)
		err_sys(e, "cannot open the authority %s", err_q(dir));
	else if (flock(a->lock, LOCK_EX) < 0)
		err_sys(e, "cannot lock the authority %s", err_q(dir));
	else
		rc = load_pair(crt, key, &a->crt, &a->key, e);
	free(crt);
	free(key);
	if (rc < 0)
		authority_close(a);
	return rc;
}

/* Everything is made in a folder beside that is then renamed: an authority is there whole or not at all. */
int pki_init(const char *dir, const char *name, int days, struct err *e)
{
	char *beside = NULL, *path = NULL, *trimmed = buf_strdup(dir), *parent = NULL;
	size_t n = strlen(trimmed);
	EVP_PKEY *key = NULL;
	X509 *crt = NULL;
	X509_CRL *crl = NULL;
	int rc = -1;

	while (n > 1 && trimmed[n - 1] == '/')
		trimmed[--n] = '\0';
	if (check_arguments(name, days, e) < 0)
		goto out;
	beside = buf_printf("%s.new-XXXXXX", trimmed);
	if (!mkdtemp(beside)) {
		err_sys(e, "cannot make a folder beside %s", err_q(dir));
		free(beside);
		beside = NULL;
		goto out;
	}
	if (!(key = mint_key(e)) || !(crt = mint_crt(ROLE_CA, name, NULL, days, key, NULL, key, e)) ||
	    !(crl = mint_crl(crt, key, NULL, NULL, CRL_DAYS, e)))
		goto out;
	path = buf_printf("%s/ca.key", beside);
	if (write_key(path, key, e) < 0)
		goto out;
	free(path);
	path = buf_printf("%s/ca.crt", beside);
	if (write_crt(path, crt, e) < 0)
		goto out;
	free(path);
	path = buf_printf("%s/crl.pem", beside);
	if (write_crl(path, crl, e) < 0)
		goto out;
	free(path);
	path = buf_printf("%s/issued", beside);
	if (mkdir(path, 0700) < 0) {
		err_sys(e, "cannot make the folder %s", err_q(path));
		goto out;
	}
	if (rename(beside, trimmed) < 0) {   /* replaces an empty folder, and nothing else */
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			err_set(e, EX_CANTCREAT, "%s exists: not overwritten", err_q(dir));
		else
			err_sys(e, "cannot put the authority at %s", err_q(dir));
		goto out;
	}
	free(beside);
	beside = NULL;
	parent = buf_strdup(trimmed);
	rc = io_fsync_dir(dirname(parent), e);
out:
	if (beside) {
		struct err ignored = { 0 };

		io_rmtree(AT_FDCWD, beside, &ignored);
	}
	free(beside);
	free(path);
	free(parent);
	free(trimmed);
	X509_CRL_free(crl);
	X509_free(crt);
	EVP_PKEY_free(key);
	return rc;
}

/* What the authority has issued it also keeps itself, by serial number. */
static int keep_copy(const char *dir, X509 *crt, struct err *e)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(crt), NULL);
	char *hex = bn ? BN_bn2hex(bn) : NULL, *folder = buf_printf("%s/issued", dir), *path = NULL;
	int rc = -1;

	if (!hex) {
		load_error(e, EX_SOFTWARE, "cannot read a serial number");
		goto out;
	}
	if (io_mkdirs(folder, 0700, e) < 0)
		goto out;
	path = buf_printf("%s/serial-%s.crt", folder, hex);
	rc = write_crt(path, crt, e);
out:
	free(path);
	free(folder);
	OPENSSL_free(hex);
	BN_free(bn);
	return rc;
}

static int check_role(const char *role, const char *alt, struct err *e)
{
	if (!cert_role_ok(role))
		return err_set(e, EX_USAGE, "%s is no role: host, front, analysis or signer", err_q(role));
	if (alt && strcmp(role, ROLE_FRONT))
		return err_set(e, EX_USAGE, "only a front has host names, a %s has none", role);
	return 0;
}

/* A key that lies there without its certificate is what a run that was interrupted left: it is used. */
static EVP_PKEY *key_at(const char *path, struct err *e)
{
	EVP_PKEY *key;
	struct stat st;

	if (lstat(path, &st) == 0)
		return load_key(path, e);
	key = mint_key(e);
	if (key && write_key(path, key, e) < 0) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

int pki_issue(const char *dir, const char *role, const char *name, const char *alt, int days, const char *outdir, struct err *e)
{
	struct authority a = { .lock = -1 };
	char *key_path = NULL, *crt_path = NULL;
	EVP_PKEY *key = NULL;
	X509 *crt = NULL;
	int rc = -1;

	if (check_arguments(name, days, e) < 0 || check_role(role, alt, e) < 0 || authority_open(&a, dir, e) < 0)
		goto out;
	if (!alt && !strcmp(role, ROLE_FRONT))
		alt = name;
	key_path = outdir ? buf_printf("%s/%s.key", outdir, name) : buf_printf("%s/issued/%s.key", dir, name);
	crt_path = outdir ? buf_printf("%s/%s.crt", outdir, name) : buf_printf("%s/issued/%s.crt", dir, name);
	if (refuse_existing(crt_path, e) < 0 || (outdir && io_mkdirs(outdir, 0755, e) < 0))
		goto out;
	if (!(key = key_at(key_path, e)) || !(crt = mint_crt(role, name, alt, days, key, a.crt, a.key, e)))
		goto out;
	rc = keep_copy(dir, crt, e) < 0 || write_crt(crt_path, crt, e) < 0 ? -1 : 0;
out:
	X509_free(crt);
	EVP_PKEY_free(key);
	free(key_path);
	free(crt_path);
	authority_close(&a);
	return rc;
}

int pki_request(const char *name, const char *key_out, const char *csr_out, struct err *e)
{
	EVP_PKEY *key = NULL;
	X509_REQ *r = NULL;
	BIO *bio = NULL;
	int rc = -1;

	if (check_arguments(name, 1, e) < 0 || refuse_existing(csr_out, e) < 0)
		return -1;
	if (!(key = key_at(key_out, e)) || !(r = mint_request(name, key, e)))
		goto out;
	bio = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio_X509_REQ(bio, r) != 1)
		load_error(e, EX_SOFTWARE, "cannot write the request %s", err_q(csr_out));
	else
		rc = write_bio(csr_out, 0644, bio, e);
out:
	BIO_free(bio);
	X509_REQ_free(r);
	EVP_PKEY_free(key);
	return rc;
}

static bool key_is_p256(const EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 && !strcmp(group, "prime256v1");
}

int pki_sign_request(const char *dir, const char *role, const char *csr_path, const char *alt, int days, const char *out_path,
		     struct err *e)
{
	struct authority a = { .lock = -1 };
	X509_REQ *r = NULL;
	X509 *crt = NULL;
	EVP_PKEY *key;
	char name[128], *own = NULL;
	int rc = -1;

	if (check_role(role, alt, e) < 0)
		return -1;
	if (!(r = load_csr(csr_path, e)))
		return -1;
	key = X509_REQ_get0_pubkey(r);
	if (!key || X509_REQ_verify(r, key) != 1) {
		load_error(e, EX_DATAERR, "the request %s is not signed by its own key", err_q(csr_path));
		goto out;
	}
	if (!key_is_p256(key)) {
		err_set(e, EX_DATAERR, "the key of the request %s is not on P-256", err_q(csr_path));
		goto out;
	}
	/* Of what the request says of its sender only the name is taken, and the authority's operator looks at that. */
	if (cert_common_name(X509_REQ_get_subject_name(r), name, e) < 0) {
		e->code = EX_DATAERR;
		err_wrap(e, "%s", err_q(csr_path));
		goto out;
	}
	if (!alt && !strcmp(role, ROLE_FRONT))
		alt = name;
	if (check_arguments(name, days, e) < 0 || authority_open(&a, dir, e) < 0)
		goto out;
	own = out_path ? buf_strdup(out_path) : buf_printf("%s/issued/%s.crt", dir, name);
	if (refuse_existing(own, e) < 0 || !(crt = mint_crt(role, name, alt, days, key, a.crt, a.key, e)))
		goto out;
	rc = keep_copy(dir, crt, e) < 0 || write_crt(own, crt, e) < 0 ? -1 : 0;
out:
	free(own);
	X509_free(crt);
	X509_REQ_free(r);
	authority_close(&a);
	return rc;
}

/* crt NULL: the same list, made anew. */
static int renew_list(const char *dir, const char *crt_path, struct err *e)
{
	struct authority a = { .lock = -1 };
	char *path = buf_printf("%s/crl.pem", dir);
	X509_CRL *old = NULL, *list = NULL;
	X509_REVOKED *there = NULL;
	X509 *crt = NULL;
	EVP_PKEY *ca_public;
	int rc = -1;

	if (authority_open(&a, dir, e) < 0 || !(old = load_crl(path, e)))
		goto out;
	ca_public = X509_get0_pubkey(a.crt);
	if (X509_CRL_verify(old, ca_public) != 1) {
		load_error(e, EX_DATAERR, "%s is not the authority's own list", err_q(path));
		goto out;
	}
	if (crt_path) {
		if (!(crt = load_crt(crt_path, e)))
			goto out;
		if (X509_verify(crt, ca_public) != 1) {
			load_error(e, EX_DATAERR, "%s was not issued by this authority", err_q(crt_path));
			goto out;
		}
		if (X509_CRL_get0_by_cert(old, &there, crt) > 0) {   /* revoked before: nothing to do */
			rc = 0;
			goto out;
		}
	}
	list = mint_crl(a.crt, a.key, old, crt, CRL_DAYS, e);
	rc = list ? write_crl(path, list, e) : -1;
out:
	X509_free(crt);
	X509_CRL_free(old);
	X509_CRL_free(list);
	authority_close(&a);
	free(path);
	return rc;
}

int pki_revoke(const char *dir, const char *crt_path, struct err *e)
{
	return renew_list(dir, crt_path, e);
}

int pki_renew_list(const char *dir, struct err *e)
{
	return renew_list(dir, NULL, e);
}
