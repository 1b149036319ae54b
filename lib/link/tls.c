/* tls: one context a process, one connection a peer; OpenSSL's errors become ours. */
#include "link/tls.h"
#include "trust/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#define SUITES "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
static const unsigned char alpn[] = "\6muss/1";

struct tls {
	SSL_CTX *ctx;
	bool server;
	char *ca, *crl;
	struct stat crl_seen;
};

/* The first of OpenSSL's queued errors: the cause; the later ones are its consequences. */
static const char *cause(void)
{
	unsigned long n = ERR_get_error();
	const char *s = n ? ERR_reason_error_string(n) : NULL;

	ERR_clear_error();
	return s ? s : "no reason given";
}

static int load_crl(X509_STORE *store, const char *path, struct err *e)
{
	BIO *in = BIO_new_file(path, "re");
	X509_CRL *crl;
	int n = 0;

	if (!in)
		return err_set(e, EX_NOINPUT, "cannot read revocation list %s: %s", err_q(path), cause());
	while ((crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL))) {
		n += X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
	}
	ERR_clear_error();
	BIO_free(in);
	if (!n)
		return err_set(e, EX_CONFIG, "no revocation list in %s", err_q(path));
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	return 0;
}

/* Who is trusted, in a new store of its own: OpenSSL counts references, so connections under way keep the old one. */
static int load_store(struct tls *t, struct err *e)
{
	X509_STORE *store = X509_STORE_new();
	struct stat st = { 0 };

	if (!store || X509_STORE_load_file(store, t->ca) != 1) {
		err_set(e, EX_NOINPUT, "cannot read certificates of the authority from %s: %s", err_q(t->ca), cause());
		goto fail;
	}
	if (t->crl && stat(t->crl, &st)) {
		err_sys(e, "cannot read revocation list %s", err_q(t->crl));
		goto fail;
	}
	if (t->crl && load_crl(store, t->crl, e) < 0)
		goto fail;
	t->crl_seen = st;
	SSL_CTX_set_cert_store(t->ctx, store);
	return 0;
fail:
	X509_STORE_free(store);
	return -1;
}

void tls_refresh(struct tls *t)
{
	struct stat st, *old = &t->crl_seen;
	struct err e = { 0 };

	if (!t->crl || stat(t->crl, &st) ||
	    (st.st_ino == old->st_ino && st.st_size == old->st_size && st.st_mtim.tv_sec == old->st_mtim.tv_sec &&
	     st.st_mtim.tv_nsec == old->st_mtim.tv_nsec))
		return;
	/* A file caught half-written is read at the next connection; until then the last good list holds. */
	if (load_store(t, &e) < 0)
		msg_warn("%s; the one read before stays in force", e.msg);
}

static int no_password(char *buf, int size, int rw, void *arg)
{
	(void)buf, (void)size, (void)rw, (void)arg;
	return 0;   /* a service has nobody to ask */
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
		       unsigned inlen, void *arg)
{
	(void)ssl, (void)arg;
	for (unsigned i = 0; i < inlen && i + in[i] < inlen; i += in[i] + 1u)
		if (in[i] == alpn[0] && !memcmp(in + i + 1, alpn + 1, alpn[0])) {
			*out = in + i + 1;
			*outlen = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int settings(struct tls *t, struct err *e)
{
	char groups[] = "X25519:P-256:P-384";   /* OpenSSL's macro takes no const */
	SSL_CTX *c = t->ctx;

	if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 || SSL_CTX_set_ciphersuites(c, SUITES) != 1 ||
	    SSL_CTX_set1_groups_list(c, groups) != 1 || SSL_CTX_set_num_tickets(c, 0) != 1)
		return err_set(e, EX_UNAVAILABLE, "cannot set up TLS 1.3: %s", cause());
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(c, 0);
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	/* A cut without close_notify does no harm: END tells when a stream is whole. */
	SSL_CTX_set_options(c, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_default_read_buffer_len(c, 128 * KIB);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(c, 3);
	SSL_CTX_set_default_passwd_cb(c, no_password);
	if (t->server)
		SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
	else if (SSL_CTX_set_alpn_protos(c, alpn, sizeof(alpn) - 1))
		return err_set(e, EX_UNAVAILABLE, "cannot set up TLS: %s", cause());
	return 0;
}

/* As the room trust has it: a key that others can read is nobody's. */
static int check_key(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st))
		return err_sys(e, "cannot read key %s", err_q(path));
	if (st.st_mode & 077)
		return err_set(e, EX_NOPERM, "the key %s may be read by others than its owner (mode %04o, must be 0600)",
			       err_q(path), (unsigned)(st.st_mode & 07777));
	return 0;
}

struct tls *tls_open(const struct tls_files *f, bool server, struct err *e)
{
	struct tls *t = buf_alloc(sizeof(*t));

	t->server = server;
	t->ca = buf_strdup(f->ca);
	t->crl = f->crl ? buf_strdup(f->crl) : NULL;
	t->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!t->ctx) {
		err_set(e, EX_UNAVAILABLE, "cannot set up TLS: %s", cause());
		goto fail;
	}
	if (settings(t, e) < 0)
		goto fail;
	if (check_key(f->key, e) < 0)
		goto fail;
	if (SSL_CTX_use_PrivateKey_file(t->ctx, f->key, SSL_FILETYPE_PEM) != 1) {
		err_set(e, EX_NOINPUT, "cannot read key %s: %s", err_q(f->key), cause());
		goto fail;
	}
	if (SSL_CTX_use_certificate_chain_file(t->ctx, f->crt) != 1) {
		err_set(e, EX_NOINPUT, "cannot read certificate %s: %s", err_q(f->crt), cause());
		goto fail;
	}
	if (SSL_CTX_check_private_key(t->ctx) != 1) {
		err_set(e, EX_CONFIG, "key %s does not belong to certificate %s", err_q(f->key), err_q(f->crt));
		ERR_clear_error();
		goto fail;
	}
	if (load_store(t, e) < 0)
		goto fail;
	return t;
fail:
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t->ca);
	free(t->crl);
	free(t);
}

static int name_of_host(SSL *ssl, X509_VERIFY_PARAM *v, const char *name)
{
	char *copy = buf_strdup(name);   /* OpenSSL's macro takes no const */
	int good = X509_VERIFY_PARAM_set1_host(v, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, copy) == 1;

	free(copy);
	return good ? 0 : -1;
}

int tls_start(struct tls *t, struct tls_conn *c, int fd, const char *name, struct err *e)
{
	SSL *ssl = SSL_new(t->ctx);
	X509_VERIFY_PARAM *v;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return err_set(e, EX_TEMPFAIL, "cannot begin TLS: %s", cause());
	}
	c->ssl = ssl;
	if (t->server) {
		SSL_set_accept_state(ssl);
		return 0;
	}
	SSL_set_connect_state(ssl);
	v = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(v, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(v, name) != 1) {
		ERR_clear_error();
		if (name_of_host(ssl, v, name) < 0)
			return err_set(e, EX_USAGE, "no server's name: %s", err_q(name));
	}
	return 0;
}

/* What the other side said about our certificate. */
static bool alert_about_certificate(int reason)
{
	switch (reason) {
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA: case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED: case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return true;
	}
	return false;
}

/* The result of a call on the connection: TLS_READ, TLS_WRITE, 0 at the end, else -1 with *e. */
static int outcome(struct tls_conn *c, int rc, struct err *e)
{
	int saved = errno, what = SSL_get_error(c->ssl, rc);
	long verified;
	unsigned long n;

	switch (what) {
	case SSL_ERROR_WANT_READ:
		return TLS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		if (!saved)
			return 0;
		return err_set(e, EX_TEMPFAIL, "the connection broke: %s", strerror(saved));
	}
	verified = SSL_get_verify_result(c->ssl);
	n = ERR_peek_error();
	if (verified != X509_V_OK) {
		ERR_clear_error();
		return err_set(e, EX_NOPERM, "certificate refused: %s", X509_verify_cert_error_string(verified));
	}
	if (ERR_GET_LIB(n) == ERR_LIB_SSL && ERR_GET_REASON(n) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return err_set(e, EX_NOPERM, "certificate refused: %s", cause());
	if (ERR_GET_LIB(n) == ERR_LIB_SSL && alert_about_certificate(ERR_GET_REASON(n)))
		return err_set(e, EX_NOPERM, "the other side refuses our certificate: %s", cause());
	return err_set(e, EX_PROTOCOL, "TLS: %s", cause());
}

int tls_handshake(struct tls_conn *c, struct err *e)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1)
		return 0;
	rc = outcome(c, rc, e);
	return rc ? rc : err_set(e, EX_TEMPFAIL, "the connection was closed during the TLS handshake");
}

int tls_demand(struct tls_conn *c, const char *role, struct err *e)
{
	X509 *crt = SSL_get0_peer_certificate(c->ssl);
	const unsigned char *proto;
	unsigned char *der = NULL;
	unsigned len = 0;
	char theirs[64];
	int n, rc;

	SSL_get0_alpn_selected(c->ssl, &proto, &len);
	if (len != alpn[0] || memcmp(proto, alpn + 1, len))
		return err_set(e, EX_PROTOCOL, "the other side does not speak muss/1");
	n = crt ? i2d_X509(crt, &der) : -1;
	if (n < 0)
		return err_set(e, EX_NOPERM, "the other side showed no certificate");
	rc = cert_subject_der(der, (size_t)n, c->peer, theirs, e);
	OPENSSL_free(der);
	if (rc < 0)
		return -1;
	if (strcmp(theirs, role) != 0)
		return err_set(e, EX_NOPERM, "the certificate of %s has role %s, not %s", err_q(c->peer), err_q(theirs), role);
	return 0;
}

ssize_t tls_read(struct tls_conn *c, void *p, size_t n, struct err *e)
{
	size_t got;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(c->ssl, p, n, &got);
	return rc == 1 ? (ssize_t)got : outcome(c, rc, e);
}

ssize_t tls_write(struct tls_conn *c, const void *p, size_t n, struct err *e)
{
	size_t put;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(c->ssl, p, n, &put);
	if (rc == 1)
		return (ssize_t)put;
	rc = outcome(c, rc, e);
	return rc ? rc : err_set(e, EX_TEMPFAIL, "the connection was closed");
}

void tls_goodbye(struct tls_conn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		SSL_set_quiet_shutdown(c->ssl, 0);
		(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
}

void tls_end(struct tls_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
}
