/*
 * casefile: the case, one archive format for everything (man/muss-case.5).
 * Owns the streaming reader, the writer, the filter loop, the schema of member names and MANIFEST.
 * Uses base; the only room to include <archive.h>. It must never know what a member's JSON means, beyond
 * case.json's format, id, trail.
 */
#ifndef CASEFILE_H
#define CASEFILE_H

#include "base/base.h"

/* ---- schema.c: which member names exist, and what they are ---- */

enum member_kind {
	MEMBER_CASE,        /* case.json */
	MEMBER_ABOUT,       /* code/<sha256>/about.json */
	MEMBER_BODY,        /* code/<sha256>/body */
	MEMBER_BODY_CMS,    /* code/<sha256>/body.cms */
	MEMBER_MEMORY,      /* code/<sha256>/memory/<start>-<end>, hex without 0x */
	MEMBER_CODE,        /* anything else below code/<sha256>/: analysis, and what we do not know */
	MEMBER_OTHER,       /* remedy/, proof/, report/ and unknown members */
	MEMBER_MANIFEST,
	MEMBER_SIGNATURE,   /* MANIFEST.sig */
};
struct member {
	const char *path;          /* lives until the next casein_next */
	enum member_kind kind;
	char code[DIGEST_HEX];     /* the piece of code it belongs to, or "" */
	const char *name;          /* the path behind code/<sha256>/, else the whole path */
	uint64_t size;
	unsigned mode;             /* permission bits */
};
/* Relative, no empty, "." or ".." component, bytes 0x21..0x7e only, at most CAP_PATH long, code/ followed by a
 * digest. 0, or -1 with a message that names the member (65). */
int schema_classify(const char *path, struct member *m, struct err *e);
/* Bytes of a sample, in the open, or of what was found in it or made by it: body, memory/, dropped/, embedded/, unpacked-N, memory-dynamic/. */
bool schema_is_sample(const struct member *m);

/* ---- casein.c: the streaming reader ---- */

/*
 * Checks while it streams: names, types, order (case.json first, one code's members together with about.json
 * first, MANIFEST last but for its signature), duplicates, sizes, depth of .json members, that a body's digest is its
 * folder's name; and at the end MANIFEST against every member, that nothing is missing, and that the archive was
 * neither cut nor followed by anything. Whatever fails is 65 and names the member (or "the archive").
 */
/* While a member of 8 MiB or more is read a thread hashes it; none lives before its first and after its last byte. */
struct casein;
struct casein *casein_open(int fd, struct err *e);       /* fd stays the caller's; zstd or plain is found out */
/* 1; 0 at the verified end; -1. What was not read of the member before is checked all the same. MANIFEST and its
 * signature are not handed out. case.json is handed out after its format, id and trail were looked at. */
int casein_next(struct casein *in, const struct member **m, struct err *e);
ssize_t casein_read(struct casein *in, void *p, size_t n, struct err *e);     /* 0 at the member's end; -1 */
/* As casein_read, without copying: the bytes stay until the next call. */
ssize_t casein_block(struct casein *in, const void **p, struct err *e);
const struct member *casein_member(const struct casein *in);   /* the one that casein_next handed out last */
const char *casein_digest(const struct casein *in);            /* its SHA-256, once it was read to its end */
int casein_load(struct casein *in, uint64_t cap, struct buf *out, struct err *e);   /* the whole member */
json_t *casein_json(struct casein *in, struct err *e);   /* the whole member, parsed; new reference */
bool casein_was_zstd(const struct casein *in);
/* After the end: MANIFEST's bytes and its signature's (len 0: none), for whoever verifies it. Owned by in. */
const struct buf *casein_manifest(const struct casein *in);
const struct buf *casein_signature(const struct casein *in);
void casein_close(struct casein *in);

/* ---- caseout.c: the writer ---- */

struct caseout;
/* Deterministic but for its members: pax tar, owner 0/0, time 0 of 1970 except case.json's own. fd stays the caller's.
 * Modes are 0000 (samples' bytes, and what is given without a bit to read) or 0644: nothing can be run.
 * Members out of order, a body under another name than its digest and the like are refused as casein refuses them (65). */
struct caseout *caseout_open(int fd, bool zstd, struct err *e);
int caseout_begin(struct caseout *out, const char *path, unsigned mode, uint64_t size, struct err *e);
int caseout_write(struct caseout *out, const void *p, size_t n, struct err *e);
int caseout_end(struct caseout *out, struct err *e);      /* fails when size was not met; adds the digest to MANIFEST */
int caseout_bytes(struct caseout *out, const char *path, unsigned mode, const void *p, size_t n, struct err *e);
int caseout_json(struct caseout *out, const char *path, const json_t *j, struct err *e);  /* mode 0644 */
int caseout_fd(struct caseout *out, const char *path, unsigned mode, int fd, struct err *e);   /* the whole file, from 0 */
/* Copies the member `in` stands at; its digest is computed once. Extra bytes go to tee (fd, or -1) and keep (or NULL). */
int caseout_copy(struct caseout *out, struct casein *in, int tee, struct buf *keep, struct err *e);
/* Called with MANIFEST's bytes; fills sig with a detached DER CMS signature. */
typedef int caseout_sign_fn(void *arg, const struct buf *manifest, struct buf *sig, struct err *e);
/* Writes MANIFEST (and MANIFEST.sig when sign is not NULL) and the end of the archive; frees out in any case. */
int caseout_finish(struct caseout *out, caseout_sign_fn *sign, void *arg, struct err *e);
void caseout_abort(struct caseout *out);   /* no MANIFEST, no trailer: nobody takes it for whole. NULL is fine */

/* ---- casefilter.c: the loop that every filter shares ---- */

enum { TAP_PASS, TAP_TAKE, TAP_DROP };   /* pass on; read it but do not pass it on; neither */
struct tap {
	int fd;             /* the bytes are written here as well; -1 (preset): nowhere */
	struct buf *buf;    /* and appended here, at most CAP_JSON; NULL (preset): nowhere */
};
/*
 * All callbacks may be NULL; each returns -1 to fail with *e. `ctx` is the caller's.
 * Order: head, then for each code: about, tap for each further member, code_end; tap for each other member; end.
 * TAP_TAKE'n and passed bytes are complete when the next callback is called.
 */
struct casefilter {
	const char *tool;    /* its line in case.json's trail: {"tool","version","time"}; NULL: adds none */
	void *ctx;
	int (*head)(void *ctx, json_t *case_json, struct err *e);                     /* may edit */
	int (*about)(void *ctx, const char *sha256, json_t *about, struct err *e);    /* 1 keep (may edit), 0 drop the whole code */
	int (*tap)(void *ctx, const struct member *m, struct tap *t, struct err *e);  /* TAP_* */
	int (*code_end)(void *ctx, const char *sha256, struct caseout *out, struct err *e);  /* may add code/<sha256>/... */
	int (*end)(void *ctx, struct caseout *out, struct err *e);                    /* may add other members; and codes */
	/* Called once the input was verified to its end, before anything further is written: the place for long work and
	 * for whatever must not act on an unverified case. */
	int (*verified)(void *ctx, const struct casein *in, struct err *e);
	caseout_sign_fn *sign; void *sign_arg;
};
/* Reads a case from `in`, writes one to `out` (the same compression). Members the callbacks add replace members of
 * the same name that come later only if tap dropped those. The old MANIFEST.sig is not passed on. out < 0: read only. */
int casefilter_run(const struct casefilter *f, int in, int out, struct err *e);

/* A new case.json: {"format":"muss-case/1","id":...,"time":...,"host":...,"trail":[...]}; steals host. The id is 32 random hex digits. */
json_t *casefilter_new_case(const char *tool, json_t *host);

/* ---- squeeze.c: zstd over one body, before it is sealed and after it was opened ---- */

int squeeze_fd(int in, int out, struct err *e);
int unsqueeze_fd(int in, int out, uint64_t cap, struct err *e);   /* 65: no zstd, cut, or longer than cap */

/* ---- unroll.c: a compressed stream in memory, in whichever compression initial file systems have ---- */

struct unroll;
/* gzip, bzip2, xz, lzma, lz4 (legacy frames too), zstd. The n bytes at p must outlive it; the stream may end before they do. 65:
 * none of these, damaged, or compressed more than once. It computes on memory alone, as CONFINE_PARSER allows. */
struct unroll *unroll_open(const void *p, size_t n, struct err *e);
/* The same in this one, "gzip" ... "zstd", whatever comes out, compressed once more or not. */
struct unroll *unroll_as(const char *compression, const void *p, size_t n, struct err *e);
/* The next bytes; they stay until the next call. 0 at the end, -1 (65). */
ssize_t unroll_block(struct unroll *u, const void **p, struct err *e);
size_t unroll_used(const struct unroll *u);   /* at the end: how many of the n bytes were the stream's */
void unroll_close(struct unroll *u);

/* ---- extent.c: where one stream ends and what follows begins ---- */

/* How many of the n bytes the compressed stream, zip or 7z archive at p takes at most; n where its format does not tell. That of an xz
 * stream is sought, and all before it is read. */
size_t extent_of(const void *p, size_t n);

/* ---- members.c: an archive in memory, in the formats that programs carry ---- */

struct members;
/* "tar", "cpio", "zip", "ar", "7zip", "cab" or "rar". The n bytes at p must outlive it; the archive may end before they do. 65: it is
 * none. It computes on memory alone, as CONFINE_PARSER allows. */
struct members *members_open(const char *format, const void *p, size_t n, struct err *e);
/* The next regular file: 1; 0 at the end; -1 (65): what follows cannot be read. name: bytes until the next call, NULL: it has none. */
int members_next(struct members *m, const char **name, struct err *e);
/* Its next bytes, holes as zeros; they stay until the next call. 0 at its end, -1 (65): the rest is damaged or under a password. */
ssize_t members_read(struct members *m, const void **p, struct err *e);
size_t members_used(const struct members *m);   /* at the end: how many of the n bytes were the archive's; 0: it does not tell */
void members_close(struct members *m);

#endif
