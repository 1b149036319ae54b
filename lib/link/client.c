/* client: a host's side. A non-blocking socket and poll(), so that an ERROR is heard while DATA goes out. */
#include "link/frames.h"
#include "link/tls.h"
#include "trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (256 * KIB)   /* one DATA frame: large enough for speed, small against any memory */

struct client {
	struct tls_conn tls;
	int fd, idle_ms;
	struct frames_in in;
	unsigned char read[64 * KIB];
	const unsigned char *at;    /* not yet decoded */
	size_t left;
	uint64_t max_case, max_bodies;
	bool deltas;            /* it hands them out */
};

static int wait_for(struct client *c, int what, struct err *e)
{
	struct pollfd p = { .fd = c->fd, .events = what == TLS_READ ? POLLIN : POLLOUT | POLLIN };
	int rc;

	do
		rc = poll(&p, 1, c->idle_ms);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_sys(e, "cannot wait for the network");
	if (rc == 0)
		return err_set(e, EX_TEMPFAIL, "the centre was silent for %d s", c->idle_ms / 1000);
	return 0;
}

/* Reads what is there; 1 something came, 0 nothing is there now, -1 the end or an error. */
static int fill(struct client *c, struct err *e)
{
	ssize_t n = tls_read(&c->tls, c->read, sizeof(c->read), e);

	if (n == TLS_READ || n == TLS_WRITE)
		return 0;
	if (n == 0)
		return err_set(e, EX_TEMPFAIL, "the centre closed the connection");
	if (n < 0)
		return -1;
	c->at = c->read;
	c->left = (size_t)n;
	return 1;
}

/* An ERROR frame becomes our error. */
static int heard(const struct frames_got *g, struct err *e)
{
	struct frames_msg m;

	if (g->type != FRAME_ERROR)
		return 0;
	if (frames_parse(FRAME_ERROR, g->p, g->n, &m, e) < 0)
		return -1;
	return err_set(e, frames_code_exit(m.code), "the centre says %s: %s", m.code, err_q(m.text));
}

/* The next frame, whatever it is but WAIT and ERROR. */
static int next(struct client *c, struct frames_got *g, struct err *e)
{
	int rc;

	for (;;) {
		rc = frames_next(&c->in, &c->at, &c->left, g, e);
		if (rc < 0)
			return -1;
		if (rc == 1) {
			if (heard(g, e) < 0)
				return -1;
			if (g->type != FRAME_WAIT)
				return 0;
			continue;
		}
		while ((rc = fill(c, e)) == 0)
			if (wait_for(c, TLS_READ, e) < 0)
				return -1;
		if (rc < 0)
			return -1;
	}
}

/* As next, and it must be of this type. */
static int expect(struct client *c, enum frame type, struct frames_msg *m, struct err *e)
{
	struct frames_got g;

	if (next(c, &g, e) < 0)
		return -1;
	if (g.type != type)
		return err_set(e, EX_PROTOCOL, "the centre sent %s where %s belongs", frames_name(g.type), frames_name(type));
	return frames_parse(type, g.p, g.n, m, e);
}

/* While we write, the centre has nothing to say but ERROR (or WAIT); once the connection broke, it may have said why. */
static int listen_between(struct client *c, struct err *e)
{
	struct frames_got g;
	int rc;

	while ((rc = fill(c, e)) == 1) {
		while ((rc = frames_next(&c->in, &c->at, &c->left, &g, e)) == 1) {
			if (heard(&g, e) < 0)
				return -1;
			if (g.type != FRAME_WAIT)
				return err_set(e, EX_PROTOCOL, "the centre sent %s while it was sent to", frames_name(g.type));
		}
		if (rc < 0)
			return -1;
	}
	return rc;
}

static int put(struct client *c, const void *p, size_t n, struct err *e)
{
	const unsigned char *at = p;
	struct err why;
	ssize_t k;

	while (n) {
		k = tls_write(&c->tls, at, n, e);
		if (k == TLS_READ || k == TLS_WRITE) {
			if (listen_between(c, e) < 0 || wait_for(c, (int)k, e) < 0)
				return -1;
			continue;
		}
		if (k < 0) {
			if (e->code == EX_TEMPFAIL && listen_between(c, &why) < 0 && why.code != EX_TEMPFAIL)
				*e = why;
			return -1;
		}
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

static int put_buf(struct client *c, struct buf *b, struct err *e)
{
	int rc = put(c, b->p, b->len, e);

	buf_free(b);
	return rc;
}

static int put_msg(struct client *c, enum frame type, const struct frames_msg *m, struct err *e)
{
	struct buf b = { 0 };

	frames_make(type, m, &b);
	return put_buf(c, &b, e);
}

static int connect_one(const struct addrinfo *a, int idle_ms, int *cause)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol), rc, one = 1;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(*cause);

	*cause = errno;
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	*cause = errno;
	if (errno != EINPROGRESS)
		goto fail;
	do
		rc = poll(&p, 1, idle_ms < 20000 ? idle_ms : 20000);
	while (rc < 0 && errno == EINTR);
	*cause = ETIMEDOUT;
	if (rc <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, cause, &len) || *cause)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

static int connect_to(const struct client_to *to, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *all = NULL;
	int rc = getaddrinfo(to->host, to->port, &hints, &all), fd = -1, cause = 0;

	if (rc == EAI_NONAME || rc == EAI_FAMILY) {   /* loopback may be all there is */
		hints.ai_flags = 0;
		rc = getaddrinfo(to->host, to->port, &hints, &all);
	}
	if (rc)
		return err_set(e, rc == EAI_AGAIN ? EX_TEMPFAIL : EX_UNAVAILABLE, "cannot find %s port %s: %s", err_q(to->host),
			       err_q(to->port), gai_strerror(rc));
	for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
		fd = connect_one(a, to->idle_ms, &cause);
	freeaddrinfo(all);
	if (fd < 0)
		err_set(e, EX_TEMPFAIL, "cannot connect to %s port %s: %s", err_q(to->host), err_q(to->port), strerror(cause));
	return fd;
}

static int hello(struct client *c, struct err *e)
{
	struct frames_msg m = { .version = FRAMES_VERSION, .software = "muss " MUSS_VERSION };

	if (put_msg(c, FRAME_HELLO, &m, e) < 0 || expect(c, FRAME_HELLO, &m, e) < 0)
		return -1;
	if (m.version != FRAMES_VERSION)
		return err_set(e, EX_PROTOCOL, "the centre chose version %u of the protocol", (unsigned)m.version);
	c->max_case = m.max_case;
	c->max_bodies = m.max_bodies;
	c->deltas = m.deltas;
	return 0;
}

struct client *client_open(struct tls *t, const struct client_to *to, struct err *e)
{
	struct client *c = buf_alloc(sizeof(*c));
	int rc;

	c->idle_ms = to->idle_ms;
	c->fd = connect_to(to, e);
	if (c->fd < 0 || tls_start(t, &c->tls, c->fd, to->name ? to->name : to->host, e) < 0)
		goto fail;
	while ((rc = tls_handshake(&c->tls, e)) != 0)
		if (rc == -1 || wait_for(c, rc, e) < 0)
			goto fail;
	if (tls_demand(&c->tls, ROLE_FRONT, e) < 0 || hello(c, e) < 0)
		goto fail;
	return c;
fail:
	client_close(c);
	return NULL;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	tls_goodbye(&c->tls);
	tls_end(&c->tls);
	io_close(&c->fd);
	frames_free(&c->in);
	free(c);
}

static int receipt(const struct frames_got *g, const char *id, struct link_receipt *r, struct err *e)
{
	struct frames_msg m;

	if (g->type != FRAME_RECEIPT)
		return err_set(e, EX_PROTOCOL, "the centre sent %s where RECEIPT belongs", frames_name(g->type));
	if (frames_parse(FRAME_RECEIPT, g->p, g->n, &m, e) < 0)
		return -1;
	if (strcmp(m.id, id) != 0)
		return err_set(e, EX_PROTOCOL, "the centre's receipt is for another case");
	memcpy(r->upload.id, m.id, sizeof(m.id));
	memcpy(r->upload.sha256, m.sha256, sizeof(m.sha256));
	r->upload.size = m.size;
	memcpy(r->time, m.time, sizeof(r->time));
	r->again = m.again;
	return 0;
}

int client_offer(struct client *c, const char *id, const char *sha256, const struct link_body *bodies, size_t n, bool *wanted,
		 struct link_receipt *r, struct err *e)
{
	struct frames_msg m = { .bodies = n };
	unsigned char record[FRAMES_RECORD];
	struct buf b = { 0 }, all = { 0 };
	struct frames_got g;

	if (c->max_bodies && n > c->max_bodies)
		return err_set(e, EX_DATAERR, "the case has %zu bodies, the centre takes %llu", n, (unsigned long long)c->max_bodies);
	memcpy(m.id, id, LINK_ID);
	memcpy(m.sha256, sha256, DIGEST_HEX);
	frames_make(FRAME_OFFER, &m, &all);
	for (size_t i = 0; i < n; i++) {
		frames_record(&bodies[i], record);
		buf_add(&b, record, sizeof(record));
		if (i + 1 == n || b.len + FRAMES_RECORD > CAP_FRAME) {
			frames_raw(FRAME_BODIES, b.p, b.len, &all);
			buf_clear(&b);
		}
	}
	buf_free(&b);
	if (put_buf(c, &all, e) < 0 || next(c, &g, e) < 0)
		return -1;
	if (g.type == FRAME_RECEIPT)
		return receipt(&g, id, r, e) < 0 ? -1 : 1;
	if (g.type != FRAME_WANT)
		return err_set(e, EX_PROTOCOL, "the centre answers OFFER with %s", frames_name(g.type));
	if (g.n != (n + 7) / 8)
		return err_set(e, EX_PROTOCOL, "the centre's WANT has %zu bytes for %zu bodies", g.n, n);
	for (size_t i = 0; i < n; i++)
		wanted[i] = g.p[i / 8] >> (7 - i % 8) & 1;
	return 0;
}

static int stream_out(struct client *c, const struct link_upload *u, int fd, uint64_t at, uint64_t *sent, struct err *e)
{
	unsigned char *p = buf_alloc(FRAMES_HEAD + CHUNK);
	size_t want;
	ssize_t n;
	int rc = -1;

	for (; at < u->size; at += (uint64_t)n, *sent += (uint64_t)n) {
		want = u->size - at < CHUNK ? (size_t)(u->size - at) : CHUNK;
		n = pread(fd, p + FRAMES_HEAD, want, (off_t)at);
		if (n < 0) {
			err_sys(e, "cannot read the case");
			goto out;
		}
		if (n == 0) {
			err_set(e, EX_IOERR, "the case became shorter while it was sent");
			goto out;
		}
		frames_head(FRAME_DATA, (size_t)n, p);
		if (put(c, p, FRAMES_HEAD + (size_t)n, e) < 0)
			goto out;
		progress("sending", at + (uint64_t)n, u->size);
	}
	frames_head(FRAME_END, 0, p);
	rc = put(c, p, FRAMES_HEAD, e);
out:
	progress_end();
	free(p);
	return rc;
}

int client_send(struct client *c, const struct link_upload *u, int fd, struct link_receipt *r,
		uint64_t *from, uint64_t *sent, struct err *e)
{
	struct frames_msg m = { .size = u->size };
	struct frames_got g;

	if (c->max_case && u->size > c->max_case)
		return err_set(e, EX_DATAERR, "the case has %llu bytes, the centre takes %llu", (unsigned long long)u->size,
			       (unsigned long long)c->max_case);
	memcpy(m.id, u->id, LINK_ID);
	memcpy(m.sha256, u->sha256, DIGEST_HEX);
	memcpy(m.origin, u->origin, DIGEST_HEX);
	if (put_msg(c, FRAME_SEND, &m, e) < 0 || next(c, &g, e) < 0)
		return -1;
	*from = u->size;
	if (g.type == FRAME_FROM) {
		if (frames_parse(FRAME_FROM, g.p, g.n, &m, e) < 0)
			return -1;
		if (m.offset > u->size)
			return err_set(e, EX_PROTOCOL, "the centre wants to go on behind the end");
		*from = m.offset;
		if (stream_out(c, u, fd, m.offset, sent, e) < 0 || next(c, &g, e) < 0)
			return -1;
	}
	if (receipt(&g, u->id, r, e) < 0)
		return -1;
	if (strcmp(r->upload.sha256, u->sha256) != 0 || r->upload.size != u->size)
		return err_set(e, EX_PROTOCOL, "the centre's receipt is for something else");
	return 0;
}

/* Asks for what is sent as an answer. 1, 0, or -1: EX_NO it is not known. */
static int ask(struct client *c, enum frame type, struct frames_msg *m, uint64_t *have, char tag[LINK_TAG], uint64_t *size, struct err *e)
{
	struct frames_got g;
	char id[LINK_ID];

	memcpy(id, m->id, LINK_ID);
	memcpy(m->tag, tag, LINK_TAG);
	m->offset = *have;
	if (put_msg(c, type, m, e) < 0 || next(c, &g, e) < 0)
		return -1;
	if (g.type != FRAME_UNKNOWN && g.type != FRAME_NOT_YET && g.type != FRAME_ANSWER)
		return err_set(e, EX_PROTOCOL, "the centre answers %s with %s", frames_name(type), frames_name(g.type));
	if (frames_parse(g.type, g.p, g.n, m, e) < 0)
		return -1;
	if (strcmp(m->id, id) != 0)
		return err_set(e, EX_PROTOCOL, "the centre answers for another case");
	if (g.type == FRAME_UNKNOWN)
		return err_set(e, EX_NO, "the centre knows no %s %s", type == FRAME_DELTA ? "deltas of index" : "case", id);
	if (g.type == FRAME_NOT_YET)
		return 0;
	if (m->size > CAP_CASE || m->offset > m->size || (m->offset && (m->offset != *have || strcmp(m->tag, tag) != 0)))
		return err_set(e, EX_PROTOCOL, "the centre's ANSWER does not fit");
	*have = m->offset;
	memcpy(tag, m->tag, LINK_TAG);
	*size = m->size;
	return 1;
}

int client_fetch(struct client *c, const char *id, uint64_t *have, char tag[LINK_TAG], uint64_t *size, unsigned *wait, struct err *e)
{
	struct frames_msg m = { 0 };
	int rc;

	memcpy(m.id, id, LINK_ID);
	rc = ask(c, FRAME_FETCH, &m, have, tag, size, e);
	if (rc >= 0)
		*wait = (unsigned)m.wait;
	return rc;
}

int client_delta(struct client *c, const char *id, uint64_t from, uint64_t *have, char tag[LINK_TAG], uint64_t *size, struct err *e)
{
	struct frames_msg m = { .from = from };

	if (!c->deltas)
		return err_set(e, EX_UNAVAILABLE, "this centre hands out no deltas");
	memcpy(m.id, id, LINK_ID);
	return ask(c, FRAME_DELTA, &m, have, tag, size, e);
}

int client_answer(struct client *c, int fd, uint64_t size, uint64_t *have, struct err *e)
{
	struct frames_got g;
	int rc = -1;

	if (ftruncate(fd, (off_t)*have) || lseek(fd, (off_t)*have, SEEK_SET) < 0)
		return err_sys(e, "cannot write the answer");
	while (next(c, &g, e) == 0) {
		if (g.type == FRAME_END) {
			rc = *have == size ? 0 : err_set(e, EX_PROTOCOL, "the answer ended after %llu of %llu bytes",
							 (unsigned long long)*have, (unsigned long long)size);
			break;
		}
		if (g.type != FRAME_DATA || g.n > size - *have) {
			err_set(e, EX_PROTOCOL, "the centre sent %s where the answer's bytes belong", frames_name(g.type));
			break;
		}
		if (io_write(fd, g.p, g.n) < 0) {
			err_sys(e, "cannot write the answer");
			break;
		}
		*have += g.n;
		progress("fetching", *have, size);
	}
	progress_end();
	return rc;
}
