/* What the files of this room share: the limits, the connection, the flow, the exchange, and who serves what. */
#ifndef INTERNET_INTERNAL_H
#define INTERNET_INTERNAL_H

#include "internet/internet.h"

#include <netinet/in.h>

/* ---- the limits; together they keep the process under 64 MiB whatever is sent to it ---- */

#define CONNECTIONS 1024u          /* at once; then the one longest idle is closed */
#define FLOWS 1024u                /* of datagrams, likewise */
#define PORTS 1024u                /* opened on request beside the standing ones, likewise */
#define IN_MOST (16 * KIB)         /* unread bytes of a connection: servers take header lines of 8 KiB */
#define OUT_MOST (32 * KIB)        /* unsent bytes, then nothing more is read */
#define HELD_MOST (16 * MIB)       /* buffers, notes and TLS of all connections together; then the one longest idle is closed */
#define HEAD_MOST 256u             /* first bytes of a payload that are kept */
#define NOTES_MOST (8 * KIB)       /* JSON text that a service may note of one connection; of a flow a quarter */
#define NAMES_MOST 32768u          /* names that are remembered */
#define RECORDS_MOST (48 * MIB)    /* of records */
#define EXCHANGES_MOST 20000u      /* records, and of one port: */
#define EXCHANGES_PORT 4000u       /* a scan must not hide what else is done */
#define CAPTURE_MOST (64 * MIB)

/* ---- loop.c: who waits for what ---- */

struct net;
struct watch {
	int fd;
	void (*ready)(struct net *n, struct watch *w, uint32_t events);   /* EPOLL* bits */
};
int loop_open(struct err *e);
int loop_add(struct net *n, struct watch *w, uint32_t events);
void loop_change(struct net *n, struct watch *w, uint32_t events);
void loop_remove(struct net *n, struct watch *w);   /* and closes the descriptor */
int loop_run(struct net *n, struct err *e);         /* until n->stopped */
void loop_drain(struct net *n);                     /* what was said already is still heard; the control socket is not */
/* Frees p once no event that is under way can name it any more: for what holds a watch. */
void loop_free(struct net *n, void *p);
void loop_bury(struct net *n);

/* ---- text.c ---- */

/* Reads n numbers of 1 to 5 digits, `between` after each but the last. What follows them, or NULL. */
const char *text_numbers(const char *p, unsigned *v, size_t n, char between);

/* ---- names.c: each name has an address of its own that leads back to it ---- */

struct names;
struct names *names_new(const json_t *pools, const char *prefix6);   /* pools: ["104.16.0.0/13", ..]; NULL: bad ones */
/* Lower-case, without the last dot. Always an address, the same for the name in every run; false: it will not lead back (full). */
bool names_address(struct names *t, const char *name, uint32_t *v4);
void names_v6(const struct names *t, uint32_t v4, struct in6_addr *a);
const char *names_of(const struct names *t, const struct in6_addr *a);   /* NULL: no name leads there */
json_t *names_all(const struct names *t, size_t most);                   /* {address:name} */
size_t names_count(const struct names *t);                               /* of all that were asked, remembered or not */
void names_free(struct names *t);
void names_text(const struct in6_addr *a, char text[INET6_ADDRSTRLEN]);  /* IPv4 addresses in their own form */

/* ---- record.c: one exchange, and the file they go to ---- */

struct exchange {
	double t;                      /* seconds since the start */
	bool udp;
	const char *service;           /* NULL: unknown */
	uint16_t client_port, port;
	struct in6_addr address;       /* what was dialled; IPv4 mapped */
	char *name;                    /* when it was told: SNI, CONNECT, SOCKS; else what leads to the address */
	uint64_t sent, received;       /* payload bytes to the sample and from it; of TLS the plain ones */
	unsigned char head[HEAD_MOST];
	size_t head_len;
	struct digest *sha;
	json_t *notes;                 /* by service */
	size_t noted;
	bool cut;
};
struct record {
	int fd;
	uint64_t bytes;
	unsigned lines;
	bool full;
	uint16_t *of_port[2];          /* tcp, udp */
};
void record_open(struct record *r, int fd);
void record_close(struct record *r);
void record_begin(struct net *n, struct exchange *x, bool udp, const struct in6_addr *address, uint16_t port, uint16_t client_port);
void record_got(struct exchange *x, const void *p, size_t len);
void record_again(struct exchange *x);   /* what came so far was no payload */
/* Both take v. note: appended to the array `key`; set: the member `key`. What does not fit is dropped and "cut" is told. */
void record_note(struct exchange *x, const char *key, json_t *v);
void record_set(struct exchange *x, const char *key, json_t *v);
void record_end(struct net *n, struct exchange *x);
/* The form bytes have in a record: `key` as text, or where a NUL is among them `key`_base64. */
void record_bytes(json_t *o, const char *key, const void *p, size_t len);
void record_limit(struct net *n, const char *what);   /* tells it at the end, once */

/* A payload that is kept by digest, size and first bytes only: a body, a mail, a file. */
struct kept { struct digest *sha; uint64_t size; unsigned char head[HEAD_MOST]; size_t head_len; };
void record_keep(struct kept *k, const void *p, size_t len);
void record_kept(struct kept *k, json_t *o, const char *prefix);   /* PREFIXsha256, PREFIXsize, PREFIXhead; k is empty again */
void record_drop(struct kept *k);

/* ---- conn.c, conn-life.c: connections ---- */

struct conn;
struct service {
	const char *name;
	const char *secure;             /* its name inside TLS; NULL: name */
	bool at_once;                   /* nothing else is spoken on its port: it need not be recognised, and may greet */
	void (*open)(struct conn *c);   /* each may be NULL but data */
	void (*data)(struct conn *c);   /* takes from c->in what it can; called again when there is more, or room to answer */
	void (*wake)(struct conn *c);   /* the time given to conn_wake came */
	void (*drained)(struct conn *c);/* all was sent */
	void (*close)(struct conn *c);  /* last notes; frees c->state */
};
struct tls;
struct conn {
	struct watch watch;
	struct net *net;
	struct conn *older, *newer;     /* by when something was last heard of them */
	struct conn *next_dead;
	struct exchange x;
	const struct service *service;  /* NULL: not known yet */
	const struct service *expected; /* what its port stands for, or NULL */
	void *state;
	struct tls *tls;
	struct buf in, out;             /* in: plain bytes; out: as they go to the socket */
	int64_t wake_ms;                /* 0: not */
	uint64_t held;
	uint32_t events;
	bool eof, closing, dead, connecting, running;
};
struct conn *conn_new(struct net *n, int fd, bool connecting);
void conn_accept(struct net *n, int listener);
void conn_guess(struct conn *c);                       /* what comes next is recognised by its first bytes */
void conn_become(struct conn *c, const struct service *s);
void conn_tunnel(struct conn *c, const char *through, const char *host, uint16_t port);   /* the same, for what was dialled inside */
void conn_tls(struct conn *c);                         /* what comes next is TLS; `expected` is what comes inside */
void conn_run(struct conn *c);                         /* hands c->in to the service; for state changes from outside */
void conn_write(struct conn *c, const void *p, size_t n);
void conn_say(struct conn *c, const char *fmt, ...) PRINTF(2, 3);
bool conn_full(const struct conn *c);                  /* answer no more before some was sent */
void conn_took(struct conn *c, size_t n);              /* the first n bytes of c->in are done with */
/* The next line of c->in without its end, NUL-terminated (bytes behind a NUL are lost), taken; NULL: none yet. What fills the
 * whole buffer counts as one. Until the next call, of whatever connection. */
char *conn_line(struct conn *c, size_t *len);
void conn_wake(struct conn *c, int in_ms);
void conn_close(struct conn *c);                       /* when all was sent */
void conn_end(struct conn *c);                         /* now */
void conn_settle(struct conn *c);                      /* what follows from the state that a call left behind: sending, ending */
void conn_leave(struct conn *c);                       /* its service's last words */
void conn_ready(struct net *n, struct watch *w, uint32_t events);
void conn_touch(struct conn *c);                       /* something was heard of it */
void conn_hold(struct conn *c);                        /* counts what it holds; others may have to go for it */
int64_t conn_wake_all(struct net *n);                  /* runs what is due; ms until the next, -1: none */
void conn_bury(struct net *n);                         /* frees what ended */
void conn_end_all(struct net *n);

/* ---- udp.c: datagrams ---- */

struct flow;
struct datagram_service {
	const char *name;
	void (*data)(struct flow *f, const unsigned char *p, size_t n);
	void (*close)(struct flow *f);
};
struct flow {
	struct net *net;
	struct flow *older, *newer, *next;
	struct exchange x;
	const struct datagram_service *service;
	void *state;
	int fd;
	struct sockaddr_in6 client;
	int64_t heard_ms;
};
void udp_ready(struct net *n, int fd, uint16_t port);
void udp_send(struct flow *f, const void *p, size_t n);
void udp_end(struct net *n, int64_t idle_ms);   /* flows of which nothing was heard so long */
void udp_forget(struct net *n, int fd);         /* the socket is closed: so are its flows */

/* ---- ports.c: listeners and datagram sockets ---- */

struct port;
struct ports {
	struct port *tcp[65536], *udp[65536];
	struct port *oldest, *newest;   /* those opened on request */
	unsigned asked;
	bool v4_only;
};
int ports_standing(struct net *n, struct err *e);
bool ports_open(struct net *n, bool udp, uint16_t port);
void ports_free(struct net *n);
void ports_close(struct net *n, bool udp, uint16_t port);
void ports_used(struct net *n, bool udp, uint16_t port);
int ports_socket(const struct net *n, int type, uint16_t port);   /* bound to all addresses, non-blocking; -1 */
int ports_dial(const struct net *n, const struct in6_addr *a, uint16_t port);   /* a connection under way; -1 */

/* ---- serve.c: which service is which, and where ---- */

const struct service *serve_stream(const char *name);
const struct datagram_service *serve_datagram(const char *name);
const struct service *serve_port(const struct net *n, uint16_t port, bool *tls);
const struct datagram_service *serve_udp_port(const struct net *n, uint16_t port);
/* {"services":[{"service","protocol","ports":[..],"tls"}]} into the tables. -1: 78. */
struct serve { const struct service *tcp[65536]; bool tls[65536]; const struct datagram_service *udp[65536]; };
int serve_load(struct serve *s, const json_t *settings, struct err *e);
/* Settings of a service: settings[service][key]. */
const char *serve_text(const struct net *n, const char *service, const char *key, const char *otherwise);
json_int_t serve_number(const struct net *n, const char *service, const char *key, json_int_t otherwise);
const json_t *serve_list(const struct net *n, const char *service, const char *key);   /* NULL: no array */

/* ---- guess.c: a protocol by its first bytes ---- */

/* NULL: more bytes must come first; "" nobody's; else a name: that of a service, "tls", or of what is known by name only. */
const char *guess_stream(const unsigned char *p, size_t n);
const char *guess_datagram(const unsigned char *p, size_t n);   /* never NULL */
bool guess_hello(const unsigned char *p, size_t n);             /* it begins as a TLS ClientHello */

/* ---- hello.c: what a TLS ClientHello tells (RFC 8446 4.1.2) ---- */

struct hello {
	char sni[256];
	char ja3[DIGEST_HEX];       /* MD5, as everybody's */
	char alpn[128];             /* comma-separated */
	unsigned version;
	bool ecdsa;                 /* can do with an ECDSA certificate */
};
/* From the first byte of the first record. 1 read; 0 more must come; -1 it is none. */
int hello_read(const unsigned char *p, size_t n, struct hello *h);

/* ---- tls.c, authority.c ---- */

struct tls_context;
struct tls_context *tls_context_new(struct net *n, struct err *e);
void tls_context_free(struct tls_context *t);
struct tls *tls_new(struct conn *c);
/* Wire bytes in, plain bytes to c->in, answers to c->out. -1: it is over. */
int tls_feed(struct conn *c, const void *p, size_t n);
int tls_read(struct conn *c);       /* what is decrypted and found no room before */
size_t tls_waiting(const struct conn *c);
void tls_write(struct conn *c, const void *p, size_t n);
void tls_shutdown(struct conn *c);
void tls_free(struct tls *t);
const char *tls_authority(const struct net *n);   /* PEM */

struct ssl_ctx_st; struct ssl_st;
struct authority;
struct authority *authority_new(const json_t *given, int64_t now, struct err *e);   /* given: as internet_authority() makes it; or NULL */
void authority_free(struct authority *a);
const char *authority_pem(const struct authority *a);
/* Gives the session a certificate for the name: made now, or kept from before. -1: could not. */
int authority_dress(struct authority *a, struct ssl_st *s, const char *name, bool ecdsa, int64_t now);

/* ---- dns.c ---- */

struct dns_settings { struct names *names; const json_t *txt, *nxdomain; unsigned ttl; };
/* Answers one query in at most `most` bytes. note: {"type","name","answer"}, NULL for what has no question. False: it deserves no answer. */
bool dns_answer(const struct dns_settings *s, const unsigned char *q, size_t n, size_t most, bool udp, struct buf *out, json_t **note);
extern const struct service dns_service;
extern const struct datagram_service dns_datagrams;

/* ---- content.c, files.c: what is served under a name ---- */

/* By the path's extension: its bytes, and its MIME type (static). accept: an Accept header or "". */
const char *content_of(const struct net *n, const char *path, const char *accept, struct buf *out);
void files_elf(struct buf *out);               /* a program that ends */
void files_pe(struct buf *out, bool dll);      /* the same */
void files_zip(struct buf *out, const char *name, const char *text);
void files_pdf(struct buf *out, const char *text);
void files_gzip(struct buf *out, const char *text);
void files_image(struct buf *out, const char *kind);   /* "gif", "png", "jpg", "ico": one pixel */

/* ---- the services ---- */

extern const struct service http_service, irc_service, smtp_service, pop3_service, imap_service, ftp_service, telnet_service, ssh_service,
	socks_service, echo_service, discard_service, daytime_service, time_service, chargen_service, quotd_service, finger_service,
	ident_service, syslog_service, sink_service;
extern const struct datagram_service ntp_datagrams, tftp_datagrams, echo_datagrams, discard_datagrams, daytime_datagrams, time_datagrams,
	chargen_datagrams, quotd_datagrams, syslog_datagrams, sink_datagrams;
/* Named by guess.c, spoken by nobody here. */
void small_named(struct conn *c, const char *name);

/* ---- scan.c: what the packets say of how hosts are looked for ---- */

struct scan;
struct scan *scan_new(void);
void scan_packet(struct scan *s, const unsigned char *p, size_t n, int64_t us);   /* from its IP header on */
json_t *scan_report(const struct scan *s);
bool scan_full(const struct scan *s);
void scan_free(struct scan *s);

/* ---- capture.c: all packets ---- */

struct capture;
struct capture *capture_open(struct net *n, int file, struct err *e);
void capture_drain(struct net *n);
void capture_flush(struct net *n);   /* what came so far into the file */
json_t *capture_report(struct net *n);
void capture_close(struct capture *c);

/* ---- control.c ---- */

void control_ready(struct net *n, struct watch *w, uint32_t events);
int control_say(struct net *n, json_t *o);   /* takes o */

/* ---- internet.c: the whole ---- */

struct net {
	int epoll;
	struct watch control;
	struct buf asked;               /* a message that is not whole yet */
	json_t *settings;
	struct serve *serve;
	struct ports *ports;
	struct names *names;
	struct dns_settings dns;
	struct record record;
	struct capture *capture;
	struct tls_context *tls;
	struct conn *oldest, *newest, *dead;
	unsigned connections;
	uint64_t held;
	struct flow *oldest_flow, *newest_flow, *flow_of[1024];
	unsigned flows;
	int64_t began_ns, offset_ns;
	struct buf grave;               /* pointers, see loop_free */
	int64_t next_wake_ms;           /* no connection is due before; 0: none is */
	json_t *limits;
	bool stopped;
};
int64_t net_now(const struct net *n);    /* seconds since 1970, as the sample's clock shows them */

#endif
