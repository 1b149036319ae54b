/* session: one connection of the server and its states; server.c owns the loop, the limits and the checks. Room-internal. */
#ifndef LINK_SESSION_H
#define LINK_SESSION_H

#include <event2/event.h>

#include "link/frames.h"
#include "link/tls.h"

enum session_state {
	SESSION_HANDSHAKE, SESSION_HELLO, SESSION_READY, SESSION_OFFER, SESSION_UPLOAD, SESSION_CHECK, SESSION_ANSWER,
	SESSION_CLOSING,    /* an ERROR goes out, then LINGER */
	SESSION_LINGER,     /* what the peer still sends is thrown away: else the kernel's reset would eat the ERROR */
	SESSION_DEAD,
};

struct server;
struct session;

/* An upload that is whole and waits for its check, or is in it. It outlives its session. */
struct check {
	struct check *next;
	struct server *srv;
	struct session *session;    /* NULL: the peer has gone */
	struct link_upload up;
	char peer[LINK_NAME];
	int fd;
	void *job;                  /* NULL: still waits for its turn */
	struct event *done;
	int64_t began;
};

struct session {
	struct session *next;
	struct server *srv;
	struct tls_conn tls;
	int fd;
	struct event *readable, *writable;
	char address[64];
	enum session_state state;
	int64_t born, active, told;    /* monotonic ms; told: the last WAIT */
	bool known;                    /* its certificate was accepted: tls.peer is true */
	bool thinking;                 /* after WANT the host may take its time */
	struct frames_in in;
	struct buf out;
	size_t out_at;
	char id[LINK_ID];
	struct link_receipt had;       /* the offered case was received before, if its upload has an id */
	struct buf want;
	uint64_t bodies, seen, wanted;
	struct link_upload up;
	int part, answer;              /* descriptors */
	uint64_t at, size;             /* in either */
	struct check *check;
};

struct server {
	struct event_base *base;
	struct event *listener, *tick, *sigterm, *sigint;
	struct tls *tls;
	const struct server_ops *ops;
	struct server_limits l;
	struct session *sessions;
	struct check *checks;
	unsigned count, checking, receipts;
	double tokens;
	int64_t token_time, closing_since;   /* closing_since 0: not closing */
	bool paused;
	unsigned char *chunk;                /* SESSION_CHUNK bytes, for reading and answers */
};
#define SESSION_CHUNK (256 * KIB)

struct session *session_new(struct server *srv, int fd, const char *address);
void session_free(struct session *s);
void session_say(struct session *s, enum frame type, const struct frames_msg *m);
void session_fail(struct session *s, const char *code, const char *text);   /* ERROR, then the end */
void session_tick(struct session *s, int64_t now);
void session_receipt(struct session *s, const struct link_receipt *r);
void session_error(struct session *s, const struct err *e);                 /* the outcome of an op as ERROR */
int request_got(struct session *s, const struct frames_got *g);             /* one frame; -1: the session is closing */
void server_log(struct server *srv, const struct session *s, const char *what, const char *id, uint64_t bytes, const char *text);
void server_check(struct server *srv, struct session *s);                   /* takes s's upload and part */
void server_take_over(struct server *srv, struct session *s, const struct link_upload *u);
bool server_checking(struct server *srv, const struct link_upload *u);
bool server_peer_full(struct server *srv, const struct session *s);

#endif
