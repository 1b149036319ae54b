/* session: one connection: its bytes in and out, its end, and the time it may take. */
#include "link/session.h"
#include "trust/trust.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUDGET (1 * MIB)      /* read from one peer before the others have their turn */
#define LINGER_MS 3000
#define WAIT_MS 10000         /* between two WAITs */

static void io(evutil_socket_t fd, short what, void *arg);

struct session *session_new(struct server *srv, int fd, const char *address)
{
	struct session *s = buf_alloc(sizeof(*s));
	struct err e;

	s->srv = srv;
	s->fd = fd;
	s->part = s->answer = -1;
	s->born = s->active = clock_mono_ms();
	snprintf(s->address, sizeof(s->address), "%s", address);
	s->readable = event_new(srv->base, fd, EV_READ | EV_PERSIST, io, s);
	s->writable = event_new(srv->base, fd, EV_WRITE, io, s);
	if (!s->readable || !s->writable || tls_start(srv->tls, &s->tls, fd, NULL, &e) < 0 ||
	    event_add(s->readable, NULL)) {
		session_free(s);
		return NULL;
	}
	return s;
}

static void end_transfer(struct session *s)
{
	io_close(&s->part);
	io_close(&s->answer);
}

void session_free(struct session *s)
{
	if (s->check)
		s->check->session = NULL;
	if (s->state == SESSION_UPLOAD)
		server_log(s->srv, s, "cut", s->up.id, s->at, NULL);
	if (s->readable)
		event_free(s->readable);
	if (s->writable)
		event_free(s->writable);
	end_transfer(s);
	tls_goodbye(&s->tls);
	tls_end(&s->tls);
	io_close(&s->fd);
	frames_free(&s->in);
	buf_free(&s->out);
	buf_free(&s->want);
	free(s);
}

/* Reading stops while the peer has nothing to say: what it sends then waits in its own kernel. */
static bool listens(const struct session *s)
{
	return s->state != SESSION_CHECK && s->state != SESSION_ANSWER && s->state != SESSION_CLOSING &&
	       s->state != SESSION_DEAD;
}

static void watch(struct session *s)
{
	if (!listens(s)) {
		event_del(s->readable);
	} else if (!event_pending(s->readable, EV_READ, NULL)) {
		event_add(s->readable, NULL);
		event_active(s->readable, EV_READ, 1);   /* OpenSSL may hold bytes that the kernel no longer shows */
	}
	if (s->state == SESSION_DEAD)
		return;
	if (s->out.len > s->out_at || s->state == SESSION_ANSWER || s->state == SESSION_CLOSING)
		event_add(s->writable, NULL);
}

void session_say(struct session *s, enum frame type, const struct frames_msg *m)
{
	frames_make(type, m, &s->out);
}

void session_fail(struct session *s, const char *code, const char *text)
{
	struct frames_msg m = { 0 };

	if (s->state >= SESSION_CLOSING)
		return;
	if (s->state == SESSION_UPLOAD)
		server_log(s->srv, s, "cut", s->up.id, s->at, text);
	else
		server_log(s->srv, s, "refused", s->id[0] ? s->id : NULL, 0, text);
	if (s->check) {
		s->check->session = NULL;
		s->check = NULL;
	}
	end_transfer(s);
	if (s->state == SESSION_HANDSHAKE) {   /* there is no channel to say it in */
		s->state = SESSION_DEAD;
		return;
	}
	snprintf(m.code, sizeof(m.code), "%s", code);
	snprintf(m.text, sizeof(m.text), "%s", text);
	session_say(s, FRAME_ERROR, &m);
	s->state = SESSION_CLOSING;
	s->active = clock_mono_ms();
	watch(s);
}

void session_error(struct session *s, const struct err *e)
{
	switch (e->code) {
	case EX_DATAERR:
		session_fail(s, "case", e->msg);
		return;
	case EX_NOPERM:
		session_fail(s, "denied", e->msg);
		return;
	case EX_TEMPFAIL:
		session_fail(s, "later", e->msg);
		return;
	case EX_PROTOCOL:
		session_fail(s, "frame", e->msg);
		return;
	default:
		msg_warn("%s", e->msg);   /* it may name what is the centre's own business */
		session_fail(s, "internal", "the centre could not do it");
	}
}

void session_receipt(struct session *s, const struct link_receipt *r)
{
	struct frames_msg m = { .size = r->upload.size, .again = r->again };

	memcpy(m.id, r->upload.id, sizeof(m.id));
	memcpy(m.sha256, r->upload.sha256, sizeof(m.sha256));
	memcpy(m.time, r->time, sizeof(m.time));
	if (r->again)
		server_log(s->srv, s, "again", m.id, m.size, NULL);
	session_say(s, FRAME_RECEIPT, &m);
	s->state = SESSION_READY;
	s->check = NULL;
	s->active = clock_mono_ms();
	watch(s);
}

static void feed(struct session *s, const unsigned char *p, size_t n)
{
	struct frames_got g;
	struct err e;
	int rc;

	while (listens(s) && s->state != SESSION_LINGER) {
		rc = frames_next(&s->in, &p, &n, &g, &e);
		if (rc < 0)
			session_fail(s, "frame", e.msg);
		if (rc < 1 || request_got(s, &g) < 0)
			return;
		if (n && !listens(s)) {
			session_fail(s, "order", "a peer waits for what it asked for before it asks again");
			return;
		}
	}
}

/* Reads frames until nothing is there or the others have waited enough. */
static void pump_in(struct session *s)
{
	struct err e;
	size_t budget = BUDGET, have;
	ssize_t n = 1;

	while (listens(s) && s->state != SESSION_LINGER && budget) {
		for (have = 0; have < SESSION_CHUNK; have += (size_t)n) {
			n = tls_read(&s->tls, s->srv->chunk + have, SESSION_CHUNK - have, &e);
			if (n <= 0)
				break;
		}
		if (have) {
			s->active = clock_mono_ms();
			budget -= budget < have ? budget : have;
			feed(s, s->srv->chunk, have);
		}
		if (n == TLS_READ || n == TLS_WRITE)
			return;
		if (n <= 0 && s->state < SESSION_CLOSING) {
			if (s->state == SESSION_HELLO)
				server_log(s->srv, s, "refused", NULL, 0, n ? e.msg : "gone before HELLO");
			if (s->state == SESSION_UPLOAD)
				server_log(s->srv, s, "cut", s->up.id, s->at, n ? e.msg : NULL);
			s->state = SESSION_DEAD;
		}
	}
	if (listens(s) && s->state != SESSION_LINGER)
		event_active(s->readable, EV_READ, 1);
}

static void more_answer(struct session *s)
{
	size_t want = s->size - s->at < SESSION_CHUNK ? (size_t)(s->size - s->at) : SESSION_CHUNK;
	ssize_t n = want ? pread(s->answer, s->srv->chunk, want, (off_t)s->at) : 0;

	buf_clear(&s->out);
	s->out_at = 0;
	if (n < 0 || (want && !n)) {
		session_fail(s, "internal", "the centre could not read the answer");
	} else if (want) {
		frames_raw(FRAME_DATA, s->srv->chunk, (size_t)n, &s->out);
		s->at += (uint64_t)n;
	} else {
		frames_raw(FRAME_END, NULL, 0, &s->out);
		end_transfer(s);
		s->state = SESSION_READY;
	}
}

static void pump_out(struct session *s)
{
	struct err e;
	size_t budget = BUDGET;
	ssize_t n;

	while (budget && s->state < SESSION_LINGER) {
		if (s->out_at == s->out.len) {
			if (s->state != SESSION_ANSWER)
				break;
			more_answer(s);
		}
		n = tls_write(&s->tls, s->out.p + s->out_at, s->out.len - s->out_at, &e);
		if (n == TLS_READ || n == TLS_WRITE)
			return;
		if (n < 0) {
			s->state = SESSION_DEAD;
			return;
		}
		s->active = clock_mono_ms();
		s->out_at += (size_t)n;
		budget -= budget < (size_t)n ? budget : (size_t)n;
	}
	if (s->out_at < s->out.len || s->state == SESSION_ANSWER)
		return;
	buf_clear(&s->out);
	s->out_at = 0;
	if (s->state == SESSION_CLOSING) {
		tls_goodbye(&s->tls);
		shutdown(s->fd, SHUT_WR);
		s->state = SESSION_LINGER;
		s->active = clock_mono_ms();
	}
}

static void shake(struct session *s)
{
	struct err e;
	int rc = tls_handshake(&s->tls, &e);

	if (rc == TLS_READ)
		return;
	if (rc == TLS_WRITE) {
		event_add(s->writable, NULL);
		return;
	}
	if (rc < 0) {
		server_log(s->srv, s, "refused", NULL, 0, e.msg);
		/* OpenSSL has sent its alert; the peer shall be able to read it. */
		shutdown(s->fd, SHUT_WR);
		s->state = SESSION_LINGER;
		s->active = clock_mono_ms();
		return;
	}
	s->state = SESSION_HELLO;
	if (tls_demand(&s->tls, ROLE_HOST, &e) < 0) {
		session_fail(s, e.code == EX_NOPERM ? "role" : "version", e.msg);
		return;
	}
	s->known = true;
	if (server_peer_full(s->srv, s)) {
		session_fail(s, "later", "too many connections of this host");
		return;
	}
	server_log(s->srv, s, "connected", NULL, 0, NULL);
}

static void linger(struct session *s)
{
	ssize_t n = recv(s->fd, s->srv->chunk, SESSION_CHUNK, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		s->state = SESSION_DEAD;
}

static void io(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	if (s->state == SESSION_HANDSHAKE) {
		shake(s);
		if (s->state == SESSION_HELLO)
			what |= EV_READ;   /* its HELLO may have come with the last of the handshake */
	}
	if (s->state == SESSION_LINGER) {
		if (what & EV_READ)
			linger(s);
	} else if (s->state != SESSION_HANDSHAKE && s->state != SESSION_DEAD) {
		if (what & EV_READ)
			pump_in(s);
		if (s->state != SESSION_DEAD)
			pump_out(s);
	}
	if (s->state == SESSION_DEAD)
		event_active(s->srv->tick, EV_TIMEOUT, 0);   /* it is freed there, outside of its own events */
	watch(s);
}

/* Time passes. */
void session_tick(struct session *s, int64_t now)
{
	const struct server_limits *l = &s->srv->l;
	int64_t idle = now - s->active;

	switch (s->state) {
	case SESSION_HANDSHAKE:
		if (now - s->born > l->handshake_s * 1000LL)
			session_fail(s, "timeout", "no TLS handshake in time");
		return;
	case SESSION_CLOSING:
	case SESSION_LINGER:
		if (idle > LINGER_MS)
			s->state = SESSION_DEAD;
		return;
	case SESSION_DEAD:
		return;
	case SESSION_CHECK:
		if (now - s->told > WAIT_MS) {
			frames_raw(FRAME_WAIT, NULL, 0, &s->out);
			s->told = now;
			watch(s);
		}
		return;
	default:
		break;
	}
	if (now - s->born > l->session_s * 1000LL)
		session_fail(s, "timeout", "the connection took too long");
	else if (idle > (s->thinking && s->state == SESSION_READY ? l->think_s : l->idle_s) * 1000LL) {
		/* A peer that does not read would not read this either. */
		if (s->state == SESSION_ANSWER)
			s->state = SESSION_DEAD;
		else
			session_fail(s, "timeout", "silent for too long");
	}
}
