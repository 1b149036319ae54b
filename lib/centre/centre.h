/*
 * centre: what the centre keeps and how a case flows through it: the spool, the store of sealed bodies, and the check
 * an uploaded case must pass. Uses trust, casefile and base; it never knows how a case came here, nor opens a body.
 *
 * SPOOL (every folder 0700):
 *   part/<case id>.<16 hex>.<32 hex>  what has arrived of an upload: hashes of its owner, and of owner, case, size, digest
 *   in/<case id>.case         received, checked, whole: renamed in place
 *   owner/<case id>           JSON: who sent it, its digest, size and time; written before the rename
 *   store/<aa>/<sha256>.cms   sealed bodies by the digest of the plain one; store/new/ holds those of a check under way
 *   out/<case id>.case        answers
 *   done/, failed/            the flow's
 *   deltas/<index id>/<version>.delta  signed changes of whitelist indices, by the version each leads to
 */
#ifndef CENTRE_H
#define CENTRE_H

#include "base/base.h"

#define CENTRE_ID 33        /* a case id, 32 lower-case hex digits, and its NUL */

/* ---- spool.c ---- */

struct spool {
	char *dir;
	int fd;                 /* of dir, for openat() */
	int lock;               /* spool_tidy's */
};
struct spool_upload {
	char id[CENTRE_ID], sha256[DIGEST_HEX];
	char origin[DIGEST_HEX];   /* of the case before the host left out what the store has */
	uint64_t size;
	char owner[128];        /* the sender's CN */
};
/* Makes what is missing. With `uid` other than (uid_t)-1 the folders belong to that user. */
struct spool *spool_open(const char *dir, uid_t uid, gid_t gid, struct err *e);
void spool_free(struct spool *s);                 /* NULL is fine */
bool spool_id_ok(const char *id);
/* For the front end alone: throws away what a killed one left in store/new, and parts older than keep_s. */
int spool_tidy(struct spool *s, int64_t keep_s, struct err *e);
/* Was a case of this id and origin received from this owner? 1: u and time tell; 0: no case of this id was; -1 as spool_begin. */
int spool_received(struct spool *s, const char *owner, const char *id, const char *origin, struct spool_upload *u,
		   char time[CLOCK_RFC3339], struct err *e);
/* 0: *fd appends behind the *offset bytes that are there; 1: received before, at `time`; -1: 65 the case came with other
 * content, 77 from another host, 75 the disk is (or would be) full. */
int spool_begin(struct spool *s, const struct spool_upload *u, int *fd, uint64_t *offset, char time[CLOCK_RFC3339], struct err *e);
void spool_drop(struct spool *s, const struct spool_upload *u);
/* Moves the whole part into in/, its owner recorded first; survives a power cut. */
int spool_commit(struct spool *s, const struct spool_upload *u, char time[CLOCK_RFC3339], struct err *e);
/* 1: *fd reads the answer; 0: not there yet; -1: EX_NO never heard of it, 77 not this owner's. */
int spool_answer(struct spool *s, const char *owner, const char *id, int *fd, struct err *e);
/* Who sent a received case; 0, or -1 (EX_NO: nobody). */
int spool_owner(struct spool *s, const char *id, struct spool_upload *u, char time[CLOCK_RFC3339], struct err *e);
/* As err_sys, but a full disk is 75: it may have room later. */
int spool_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* ---- deltas.c: signed changes of whitelist indices, as the front end hands them out ---- */

/* The one that leads on from version `from` of the index of this id. 1: *fd reads it; 0: there is none newer; -1: EX_NO nothing was
 * published for this index, 65 this one is not here, though later ones are. */
int deltas_open(struct spool *s, const char *id, uint64_t from, int *fd, struct err *e);
/* The newest version that was published for this index; 0: none. */
int deltas_newest(struct spool *s, const char *id, uint64_t *newest, struct err *e);

/* ---- store.c: sealed bodies ---- */

bool store_has(struct spool *s, const char *sha256);
int store_get(struct spool *s, const char *sha256, struct err *e);      /* a descriptor, or -1 (66: not there) */
/* Takes one away: it did not open to the digest it was stored under, so the next host shall send it. */
void store_forget(struct spool *s, const char *sha256);
/* Bodies of a case that is being checked: kept aside, moved in place together when all is well. */
int store_stage(struct spool *s, const char *id, struct err *e);        /* a folder's descriptor */
int store_stage_open(int stage, const char *sha256, struct err *e);     /* a new file in it */
int store_publish(struct spool *s, int stage, struct err *e);
void store_unstage(struct spool *s, const char *id);

/* ---- accept.c: the check of an uploaded case, in a process of its own ---- */

struct accept_rules {
	const char *ca, *crl;           /* crl may be NULL */
	/* Called in the process that parses, before it touches a byte: gives up rights. May be NULL. */
	int (*confine)(struct err *e);
};
struct accept;
/*
 * Is the stream's digest what was announced, does every check of casein hold, is it the case that was offered, is it
 * signed by its owner? Then its sealed bodies go to the store and the case into in/. Else the part is removed.
 * The errors are spool_*'s, and: 65 (the case), 77 (signature, or not the owner's).
 */
struct accept *accept_start(struct spool *s, const struct spool_upload *u, int fd, const struct accept_rules *r, struct err *e);
int accept_fd(const struct accept *a);                                          /* readable when it ended */
int accept_end(struct accept *a, char time[CLOCK_RFC3339], struct err *e);      /* waits; frees a */
void accept_kill(struct accept *a);                                             /* ends and frees it */

#endif
