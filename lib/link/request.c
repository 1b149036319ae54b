/* request: what one peer may say in which state, and what it is told. */
#include "link/session.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define RETRY_S 5             /* what NOT-YET advises */

static int got_hello(struct session *s, const struct frames_msg *m)
{
	struct frames_msg r = { .version = FRAMES_VERSION, .software = "muss " MUSS_VERSION,
				.max_case = s->srv->l.case_bytes, .max_bodies = CAP_MEMBERS, .idle = s->srv->l.idle_s,
				.deltas = s->srv->ops->delta != NULL };

	if (m->version < FRAMES_VERSION) {
		session_fail(s, "version", "this centre speaks version 1");
		return -1;
	}
	session_say(s, FRAME_HELLO, &r);
	s->state = SESSION_READY;
	return 0;
}

static void offer_done(struct session *s)
{
	if (s->had.again) {
		session_receipt(s, &s->had);
		return;
	}
	frames_raw(FRAME_WANT, s->want.p, s->want.len, &s->out);
	server_log(s->srv, s, "offer", s->id, s->wanted, NULL);
	s->state = SESSION_READY;
	s->thinking = true;
}

static int got_offer(struct session *s, const struct frames_msg *m)
{
	static const unsigned char zero[CAP_MEMBERS / 8 + 1];
	struct err e = { 0 };

	memcpy(s->id, m->id, sizeof(s->id));
	memset(&s->had, 0, sizeof(s->had));
	if (s->srv->ops->received(s->srv->ops->ctx, s->tls.peer, m->id, m->sha256, &s->had, &e) < 0) {
		session_error(s, &e);
		return -1;
	}
	s->bodies = m->bodies;
	s->seen = s->wanted = 0;
	buf_clear(&s->want);
	if (s->bodies)
		buf_add(&s->want, zero, (size_t)(s->bodies + 7) / 8);
	s->state = SESSION_OFFER;
	if (!s->bodies)
		offer_done(s);
	return 0;
}

static int got_bodies(struct session *s, const struct frames_got *g)
{
	struct link_body b;

	if (g->n % FRAMES_RECORD || g->n / FRAMES_RECORD > s->bodies - s->seen) {
		session_fail(s, "frame", "BODIES of a wrong length");
		return -1;
	}
	for (size_t i = 0; i < g->n; i += FRAMES_RECORD, s->seen++) {
		frames_unrecord(g->p + i, &b);
		if (s->had.again || s->srv->ops->has(s->srv->ops->ctx, b.sha256))
			continue;
		s->want.p[s->seen / 8] |= (unsigned char)(0x80 >> s->seen % 8);
		s->wanted++;
	}
	if (s->seen == s->bodies)
		offer_done(s);
	return 0;
}

static int got_send(struct session *s, const struct frames_msg *m)
{
	const struct server_ops *o = s->srv->ops;
	struct link_upload u = { .size = m->size };
	struct frames_msg r = { 0 };
	struct link_receipt had = { .again = true };
	struct err e = { 0 };
	int rc;

	memcpy(u.id, m->id, sizeof(u.id));
	memcpy(u.origin, m->origin[0] ? m->origin : m->sha256, sizeof(u.origin));
	memcpy(u.sha256, m->sha256, sizeof(u.sha256));
	memcpy(s->id, u.id, sizeof(s->id));
	s->thinking = false;
	if (u.size > s->srv->l.case_bytes) {
		session_fail(s, "case", "the case is larger than this centre takes");
		return -1;
	}
	server_take_over(s->srv, s, &u);
	if (server_checking(s->srv, &u)) {
		session_fail(s, "later", "this case is being checked");
		return -1;
	}
	rc = o->begin(o->ctx, s->tls.peer, &u, &s->part, &r.offset, had.time, &e);
	if (rc < 0) {
		session_error(s, &e);
		return -1;
	}
	s->up = u;
	if (rc == 1) {
		had.upload = u;
		session_receipt(s, &had);
		return 0;
	}
	s->at = r.offset;
	s->state = SESSION_UPLOAD;
	server_log(s->srv, s, "receiving", u.id, s->at, NULL);
	session_say(s, FRAME_FROM, &r);
	return 0;
}

static int got_data(struct session *s, const struct frames_got *g)
{
	struct err e;

	if (g->n > s->up.size - s->at) {
		session_fail(s, "frame", "more DATA than SEND announced");
		return -1;
	}
	if (io_write(s->part, g->p, g->n) < 0) {
		int full = errno == ENOSPC || errno == EDQUOT;

		err_sys(&e, "cannot write an upload");
		if (full) {   /* what is there of it would keep the disk full for all */
			s->srv->ops->drop(s->srv->ops->ctx, s->tls.peer, &s->up);
			err_set(&e, EX_TEMPFAIL, "the centre's disk is full");
		}
		session_error(s, &e);
		return -1;
	}
	s->at += g->n;
	return 0;
}

/* What was asked for is open (rc 1), not there yet (0), or *e. */
static int give(struct session *s, const struct frames_msg *m, int rc, struct err *e)
{
	struct frames_msg r = { .wait = RETRY_S };
	struct stat st = { 0 };
	char text[128], sha[DIGEST_HEX];

	memcpy(s->id, m->id, sizeof(s->id));
	memcpy(r.id, m->id, sizeof(r.id));
	if (rc == 1 && fstat(s->answer, &st)) {
		err_sys(e, "cannot read an answer");
		rc = -1;
	}
	if (rc < 0 && e->code != EX_NO) {
		session_error(s, e);
		return -1;
	}
	if (rc < 1) {
		server_log(s->srv, s, rc ? "unknown" : "not-yet", m->id, 0, NULL);
		session_say(s, rc ? FRAME_UNKNOWN : FRAME_NOT_YET, &r);
		return 0;
	}
	/* Cheap and sure enough: an answer is renamed in place whole, never changed. */
	snprintf(text, sizeof(text), "%llu %llu %lld %ld", (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	digest_bytes(text, strlen(text), sha);
	memcpy(r.tag, sha, sizeof(r.tag) - 1);
	r.size = s->size = (uint64_t)st.st_size;
	r.offset = !strcmp(r.tag, m->tag) && m->offset <= r.size ? m->offset : 0;
	s->at = r.offset;
	session_say(s, FRAME_ANSWER, &r);
	s->state = SESSION_ANSWER;
	server_log(s->srv, s, "answer", m->id, r.size - r.offset, NULL);
	return 0;
}

static int got_fetch(struct session *s, const struct frames_msg *m)
{
	const struct server_ops *o = s->srv->ops;
	struct err e = { 0 };
	int rc = o->answer(o->ctx, s->tls.peer, m->id, &s->answer, &e);

	return give(s, m, rc, &e);
}

static int got_delta(struct session *s, const struct frames_msg *m)
{
	const struct server_ops *o = s->srv->ops;
	struct err e = { 0 };
	int rc = o->delta ? o->delta(o->ctx, m->id, m->from, &s->answer, &e) : err_set(&e, EX_NO, "no deltas here");

	return give(s, m, rc, &e);
}

/* Which frame belongs to which state. */
int request_got(struct session *s, const struct frames_got *g)
{
	struct frames_msg m = { 0 };
	struct err e;
	bool ok = false;

	switch (s->state) {
	case SESSION_HELLO:
		ok = g->type == FRAME_HELLO;
		break;
	case SESSION_READY:
		ok = g->type == FRAME_OFFER || g->type == FRAME_SEND || g->type == FRAME_FETCH || g->type == FRAME_DELTA;
		break;
	case SESSION_OFFER:
		ok = g->type == FRAME_BODIES;
		break;
	case SESSION_UPLOAD:
		ok = g->type == FRAME_DATA || g->type == FRAME_END;
		break;
	default:
		break;
	}
	if (g->type == FRAME_WAIT)
		return 0;
	if (!ok) {
		char text[96];

		snprintf(text, sizeof(text), "%s does not belong here", frames_name(g->type));
		session_fail(s, "order", text);
		return -1;
	}
	if (g->type != FRAME_DATA && g->type != FRAME_BODIES && g->type != FRAME_END &&
	    frames_parse(g->type, g->p, g->n, &m, &e) < 0) {
		session_fail(s, "frame", e.msg);
		return -1;
	}
	switch (g->type) {
	case FRAME_HELLO:
		return got_hello(s, &m);
	case FRAME_OFFER:
		return got_offer(s, &m);
	case FRAME_BODIES:
		return got_bodies(s, g);
	case FRAME_SEND:
		return got_send(s, &m);
	case FRAME_DATA:
		return got_data(s, g);
	case FRAME_FETCH:
		return got_fetch(s, &m);
	case FRAME_DELTA:
		return got_delta(s, &m);
	default:   /* END */
		if (s->at != s->up.size) {
			session_fail(s, "frame", "END before the last byte");
			return -1;
		}
		s->state = SESSION_CHECK;
		s->told = clock_mono_ms();
		server_log(s->srv, s, "whole", s->up.id, s->at, NULL);
		server_check(s->srv, s);
		return 0;
	}
}
