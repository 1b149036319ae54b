#include "internet/internal.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_MOST (17 * KIB)   /* of wire bytes, kept until the hello is whole */
#define CHUNK 4096

struct tls_context { SSL_CTX *ctx; struct authority *authority; struct net *net; };
struct tls {
	SSL *ssl;
	BIO *in, *out;
	struct buf first;        /* until the hello was read */
	struct hello hello;
	bool seen, over;
	struct buf early;        /* what a service said before the handshake was done */
};

/* The name to show: as asked for, else what leads to the address, else the address. */
static const char *shown_name(struct conn *c, char text[INET6_ADDRSTRLEN])
{
	const char *name = c->x.name ? c->x.name : names_of(c->net->names, &c->x.address);

	if (c->tls->hello.sni[0])
		return c->tls->hello.sni;
	if (name)
		return name;
	names_text(&c->x.address, text);
	return text;
}

static int dress(SSL *s, void *arg)
{
	struct conn *c = SSL_get_app_data(s);
	char text[INET6_ADDRSTRLEN];

	(void)arg;
	return authority_dress(c->net->tls->authority, s, shown_name(c, text), c->tls->hello.ecdsa, net_now(c->net)) == 0;
}

static int choose_alpn(SSL *s, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char known[] = "\x08http/1.1\x08http/1.0\x03irc\x04imap\x04pop3";
	/* OpenSSL's prototype wants what points into `in` to be changeable; nobody changes it. */
	unsigned char *chosen;

	(void)s;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, known, sizeof known - 1, in, inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

struct tls_context *tls_context_new(struct net *n, struct err *e)
{
	struct tls_context *t = buf_alloc(sizeof *t);
	unsigned char byte;
	SSL *warm;

	t->net = n;
	t->ctx = SSL_CTX_new(TLS_server_method());
	t->authority = authority_new(json_object_get(n->settings, "authority"), net_now(n), e);
	if (!t->ctx || !t->authority) {
		if (!t->ctx)
			err_set(e, EX_UNAVAILABLE, "cannot speak TLS");
		tls_context_free(t);
		return NULL;
	}
	/* Old code speaks old TLS; what it says is to be heard, not kept secret. */
	SSL_CTX_set_security_level(t->ctx, 0);
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(t->ctx, "ALL:!aNULL:@SECLEVEL=0");
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET | SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_cert_cb(t->ctx, dress, NULL);
	SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, NULL);
	/* OpenSSL opens what it needs, /dev/urandom on some machines, at first use; afterwards it could not. */
	RAND_bytes(&byte, 1);
	warm = SSL_new(t->ctx);
	SSL_free(warm);
	return t;
}

void tls_context_free(struct tls_context *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	authority_free(t->authority);
	free(t);
}

const char *tls_authority(const struct net *n)
{
	return authority_pem(n->tls->authority);
}

struct tls *tls_new(struct conn *c)
{
	struct tls *t = buf_alloc(sizeof *t);

	t->ssl = SSL_new(c->net->tls->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_app_data(t->ssl, c);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	buf_free(&t->first);
	buf_free(&t->early);
	free(t);
}

static void send_wire(struct conn *c)
{
	unsigned char p[CHUNK];
	int n;

	while ((n = BIO_read(c->tls->out, p, sizeof p)) > 0)
		buf_add(&c->out, p, (size_t)n);
}

static void note_hello(struct conn *c, const void *p, size_t n)
{
	struct tls *t = c->tls;
	int rc;

	if (t->seen)
		return;
	buf_add(&t->first, p, n);
	rc = hello_read(t->first.p, t->first.len, &t->hello);
	if (!rc && t->first.len < HELLO_MOST)
		return;
	t->seen = true;
	buf_free(&t->first);
	if (rc == 1)
		record_set(&c->x, "tls", json_pack("{s:o,s:s,s:o,s:i}", "sni", t->hello.sni[0] ? jsonio_name(t->hello.sni) : json_null(),
			"ja3", t->hello.ja3, "alpn", t->hello.alpn[0] ? jsonio_name(t->hello.alpn) : json_null(), "version", (int)t->hello.version));
	if (t->hello.sni[0] && !c->x.name)
		c->x.name = buf_strdup(t->hello.sni);
}

/* -1: the session is over. */
static int failed(struct conn *c, int rc)
{
	int why = SSL_get_error(c->tls->ssl, rc);

	send_wire(c);   /* an alert may say why */
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	if (!c->tls->over && why != SSL_ERROR_ZERO_RETURN) {
		unsigned long code = ERR_peek_error();
		const char *reason = code ? ERR_reason_error_string(code) : NULL;

		record_set(&c->x, "tls_error", json_string(reason ? reason : "ended"));
	}
	ERR_clear_error();
	c->tls->over = true;
	return -1;
}

static int handshake(struct conn *c)
{
	struct tls *t = c->tls;
	int rc;

	if (SSL_is_init_finished(t->ssl))
		return 0;
	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc != 1)
		return failed(c, rc);
	send_wire(c);
	if (t->early.len) {
		SSL_write(t->ssl, t->early.p, (int)t->early.len);
		send_wire(c);
	}
	buf_free(&t->early);
	return 0;
}

int tls_read(struct conn *c)
{
	struct tls *t = c->tls;
	unsigned char p[CHUNK];

	if (t->over)
		return c->in.len ? 0 : -1;
	while (SSL_is_init_finished(t->ssl) && c->in.len < IN_MOST) {
		size_t room = IN_MOST - c->in.len;
		int n;

		ERR_clear_error();
		n = SSL_read(t->ssl, p, (int)(room < sizeof p ? room : sizeof p));
		if (n <= 0)
			return failed(c, n) && !c->in.len ? -1 : 0;
		record_got(&c->x, p, (size_t)n);
		buf_add(&c->in, p, (size_t)n);
	}
	send_wire(c);
	return 0;
}

int tls_feed(struct conn *c, const void *p, size_t n)
{
	if (c->tls->over)
		return -1;
	note_hello(c, p, n);
	if (BIO_write(c->tls->in, p, (int)n) != (int)n || handshake(c))
		return -1;
	return 0;
}

size_t tls_waiting(const struct conn *c)
{
	return c->tls ? BIO_ctrl_pending(c->tls->in) : 0;
}

void tls_write(struct conn *c, const void *p, size_t n)
{
	struct tls *t = c->tls;

	if (t->over)
		return;
	if (!SSL_is_init_finished(t->ssl)) {
		if (t->early.len < OUT_MOST)
			buf_add(&t->early, p, n);
		return;
	}
	SSL_write(t->ssl, p, (int)n);
	send_wire(c);
}

void tls_shutdown(struct conn *c)
{
	if (c->tls->over || !SSL_is_init_finished(c->tls->ssl))
		return;
	SSL_shutdown(c->tls->ssl);
	send_wire(c);
}
