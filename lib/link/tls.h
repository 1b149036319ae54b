/* tls: TLS 1.3 over a non-blocking socket, for client.c and session.c. Room-internal. */
#ifndef LINK_TLS_H
#define LINK_TLS_H

#include "link/link.h"

enum { TLS_READ = -2, TLS_WRITE = -3 };   /* call again when the socket is readable, writable */

struct tls_conn {
	void *ssl;
	int fd;
	char peer[LINK_NAME];   /* after tls_handshake: the CN of the other side */
};
/* name: the server's, for a client; NULL on the server. fd stays the caller's. */
int tls_start(struct tls *t, struct tls_conn *c, int fd, const char *name, struct err *e);
/* 0 done, TLS_READ, TLS_WRITE, or -1: 77 a certificate was refused (by either side), 76 not our protocol, 75 cut. */
int tls_handshake(struct tls_conn *c, struct err *e);
/* After the handshake: the other side's certificate has this role, and it speaks muss/1. */
int tls_demand(struct tls_conn *c, const char *role, struct err *e);
/* Bytes, 0 at the end of the connection, TLS_READ, TLS_WRITE, or -1. */
ssize_t tls_read(struct tls_conn *c, void *p, size_t n, struct err *e);
ssize_t tls_write(struct tls_conn *c, const void *p, size_t n, struct err *e);
void tls_goodbye(struct tls_conn *c);   /* close_notify, once, without waiting */
void tls_end(struct tls_conn *c);
void tls_refresh(struct tls *t);        /* reads the revocation list again when the file changed */

#endif
