/*
 * link: the protocol between a host and the centre (man/muss-protocol.7): frames, states, TLS 1.3, client and server.
 * Uses trust (roles in certificates) and base; the only room to include <event2/...> and OpenSSL's TLS. It must never
 * know what a case holds nor where the centre keeps it: the server asks through struct server_ops.
 */
#ifndef LINK_H
#define LINK_H

#include "base/base.h"

#define LINK_ID 33      /* a case id, 32 lower-case hex digits, and its NUL */
#define LINK_TAG 33     /* which version of an answer */
#define LINK_NAME 128   /* a certificate's CN */

bool frames_id_ok(const char *id);   /* exactly 32 of 0-9a-f */

struct link_body { char sha256[DIGEST_HEX]; uint64_t size; };   /* digest of the plain body, size of the sealed one */
struct link_upload {
	char id[LINK_ID], sha256[DIGEST_HEX];   /* the case; the stream that is sent of it */
	char origin[DIGEST_HEX];                /* the case before bodies were left out: equal sha256 when all are there */
	uint64_t size;
};
struct link_receipt {
	struct link_upload upload;
	char time[CLOCK_RFC3339];
	bool again;        /* it had been received before: nothing was sent */
};

/* ---- tls.c: who may talk to whom ---- */

/* PEM files. crl may be NULL; the server reads it anew when it changes. */
struct tls_files { const char *key, *crt, *ca, *crl; };
struct tls;
/* TLS 1.3 only, certificates of `ca` on both sides, ALPN "muss/1", no tickets, no early data. The key is read here. */
struct tls *tls_open(const struct tls_files *f, bool server, struct err *e);
void tls_free(struct tls *t);

/* ---- client.c: blocking, one connection; after any -1 the connection is good for client_close only ---- */

/* Error codes: 75 the network or the centre may do better later; 77 a certificate or the wrong owner;
 * 76 the peer does not speak our protocol; 65 the centre refuses the case; 1 (EX_NO) the centre does not know it. */
struct client;
struct client_to {
	const char *host, *port;
	const char *name;       /* the name (or address) the server's certificate must carry; NULL: host */
	int idle_ms;            /* no byte for so long: 75 */
};
struct client *client_open(struct tls *t, const struct client_to *to, struct err *e);
/* wanted[i] becomes whether the centre wants bodies[i]: 0. 1: the centre has had the whole case (sha256 is its digest);
 * r is the receipt, whose upload tells what was sent then. */
int client_offer(struct client *c, const char *id, const char *sha256, const struct link_body *bodies, size_t n, bool *wanted,
		 struct link_receipt *r, struct err *e);
/* Sends fd's bytes (pread) from where the centre wants them; *sent and *from say how many and where it began. */
int client_send(struct client *c, const struct link_upload *u, int fd, struct link_receipt *r,
		uint64_t *from, uint64_t *sent, struct err *e);
/* Asks for the answer, of which *have bytes of version tag ("" and 0: none) are here already. 1: it is there, *size bytes;
 * *have (0 when it is another version) and tag follow; client_answer is next. 0: not yet, ask again after *wait s. */
int client_fetch(struct client *c, const char *id, uint64_t *have, char tag[LINK_TAG], uint64_t *size, unsigned *wait, struct err *e);
/* The rest of it, behind fd's first *have bytes; *have follows what arrives, so that a new connection can go on. */
int client_answer(struct client *c, int fd, uint64_t size, uint64_t *have, struct err *e);
/* As client_fetch, for the signed delta that leads on from version `from` of the whitelist index of this id. 0: there is none
 * newer; -1: 69 this centre hands out none; 65 it has later ones, but not this one; EX_NO it knows no such index. */
int client_delta(struct client *c, const char *id, uint64_t from, uint64_t *have, char tag[LINK_TAG], uint64_t *size, struct err *e);
void client_close(struct client *c);   /* NULL is fine */

/* ---- server.c, session.c: an event loop; one process serves all peers ---- */

struct server_event {       /* one line of the log; strings may be NULL */
	const char *what;       /* listening, connected, refused, offer, receiving, cut, received, rejected, answer, ... */
	const char *address, *peer, *id, *text;
	uint64_t bytes;
};
/*
 * What the centre does. None may block for long. Errors: 65 bad case, 77 not this peer's, 75 later (disk full, busy),
 * anything else is told to the peer as "internal" without its text.
 */
struct server_ops {
	void *ctx;
	bool (*has)(void *ctx, const char *sha256);
	/* Was the case of this id received with this origin? 1 and *r; 0; -1 another host's, or other content. */
	int (*received)(void *ctx, const char *peer, const char *id, const char *origin, struct link_receipt *r, struct err *e);
	/* 0 and a descriptor to append to, with *offset bytes there already; 1 received before, *time filled; -1. */
	int (*begin)(void *ctx, const char *peer, const struct link_upload *u, int *fd, uint64_t *offset,
		     char time[CLOCK_RFC3339], struct err *e);
	void (*drop)(void *ctx, const char *peer, const struct link_upload *u);   /* gives up what is there of it */
	/* All bytes are there: starts to check and keep them elsewhere, in a process of its own. NULL with *e. */
	void *(*check)(void *ctx, const char *peer, const struct link_upload *u, int fd, struct err *e);
	int (*check_fd)(void *job);                    /* readable when it ended */
	int (*checked)(void *ctx, void *job, char time[CLOCK_RFC3339], struct err *e);   /* its outcome; frees job */
	void (*cancel)(void *ctx, void *job);          /* ends it; frees job */
	/* 1 and a descriptor, 0 not yet, -1 (EX_NO: no such case). */
	int (*answer)(void *ctx, const char *peer, const char *id, int *fd, struct err *e);
	/* A delta of the index of this id, from this version on; as answer, for any host; 65 it is missing. NULL: there are none. */
	int (*delta)(void *ctx, const char *id, uint64_t from, int *fd, struct err *e);
	void (*log)(void *ctx, const struct server_event *ev);   /* may be NULL */
};
struct server_limits {       /* 0: the default in brackets */
	unsigned connections;    /* [256] in all */
	unsigned per_peer;       /* [4] of one certificate's name; of one address while it is not yet known [16] */
	unsigned rate;           /* [50] new connections a second, bursts of twice that; more wait in the kernel's queue */
	unsigned checks;         /* [2] at a time */
	unsigned handshake_s;    /* [10] */
	unsigned idle_s;         /* [60] without a byte */
	unsigned think_s;        /* [600] between WANT and SEND: the host packs what is wanted */
	unsigned session_s;      /* [14400] */
	unsigned check_s;        /* [900] */
	uint64_t case_bytes;     /* [CAP_CASE] */
	unsigned uploads;        /* [no limit] end after so many receipts: for tests */
};
struct server;
/* A listening, close-on-exec socket on "ADDR:PORT", "[ADDR]:PORT"; *port is the one in use. -1 with *e. */
int server_listen(const char *where, unsigned *port, struct err *e);
/* Serves on `fd` until SIGTERM or SIGINT (which may be blocked until here), then closes what is open; 0. tls and ops stay the caller's. */
int server_run(int fd, struct tls *t, const struct server_ops *ops, const struct server_limits *l, struct err *e);

#endif
