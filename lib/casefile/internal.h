/*
 * What the files of casefile share among themselves: the raw input, the strict look at the tar stream, and the
 * order of members.
 */
#ifndef CASEFILE_INTERNAL_H
#define CASEFILE_INTERNAL_H

#include "casefile/casefile.h"

/* ---- rawin.c: a descriptor's bytes, out of their zstd frames where there are any ---- */

struct rawin;
struct rawin *rawin_open(int fd, struct err *e);
bool rawin_zstd(const struct rawin *r);
bool rawin_empty(const struct rawin *r);   /* not one byte came out */
/* The next bytes, at least one; they stay until the next call. 0 at the end, -1. */
ssize_t rawin_block(struct rawin *r, const void **p, struct err *e);
/* Do these bytes stay until `reuse` was called for them? Where nobody decompresses, most do. */
bool rawin_stays(const struct rawin *r, const void *p);
typedef void rawin_reuse_fn(void *arg, const void *p, size_t n);
void rawin_on_reuse(struct rawin *r, rawin_reuse_fn *reuse, void *arg);
void rawin_close(struct rawin *r);

/* ---- tarwalk.c: a strict second opinion on the tar stream that libarchive reads ---- */

enum tarwalk_fault {
	TARWALK_SOUND,
	TARWALK_HEADER,   /* a header that is none */
	TARWALK_PADDING,  /* the bytes behind a member's data are not zero */
	TARWALK_TAIL,     /* something stands behind the end */
};
struct tarwalk_entry {
	char type;
	uint64_t size;
};
/* All zero is a valid beginning. */
struct tarwalk {
	unsigned char header[512];
	size_t have;              /* bytes of header[] that are there */
	uint64_t data;            /* bytes of the entry's data to come */
	size_t padding;           /* and of zeros behind it */
	uint64_t end;             /* bytes of the end mark and behind it; 0: not there yet */
	unsigned special;         /* extended headers since the last entry */
	enum tarwalk_fault fault;
	struct tarwalk_entry *queue;
	size_t first, last, cap;
};
/* How many of the n bytes are sound; fewer than n: fault says why. */
size_t tarwalk_feed(struct tarwalk *w, const void *p, size_t n);
/* The entry that was seen next; false: none was. */
bool tarwalk_take(struct tarwalk *w, struct tarwalk_entry *out);
bool tarwalk_whole(const struct tarwalk *w);   /* the stream may end here */
void tarwalk_free(struct tarwalk *w);

/* ---- hasher.c: one member's SHA-256; that of a large one beside the reading and writing, in a thread of its own ---- */

struct hasher;
struct hasher *hasher_new(void);
/* No thread lives outside of begin and end: a tool's callbacks may fork and unshare. */
void hasher_begin(struct hasher *h, uint64_t size);
void hasher_add(struct hasher *h, const void *p, size_t n, bool stays);   /* stays: until hasher_release */
void hasher_release(struct hasher *h, const void *p, size_t n);           /* returns when nothing in there is needed */
void hasher_end(struct hasher *h, char hex[DIGEST_HEX]);
void hasher_free(struct hasher *h);

/* ---- order.c: which member may follow which, for reader and writer alike ---- */

struct order;
struct order *order_new(void);
int order_add(struct order *o, const struct member *m, struct err *e);   /* the next member; else 65 */
int order_folder(struct order *o, const char *path, struct err *e);     /* a folder's entry: counted only */
void order_free(struct order *o);

/* What case.json says, for the headers of both ends. */
int64_t schema_time(const json_t *case_json);
int64_t casein_time(const struct casein *in);   /* 0 before case.json was there */
/* A member's permission bits in a case: nothing in it can be run, and code cannot even be read by accident. */
unsigned schema_mode(const struct member *m, unsigned mode);

/* A folder's name, without the slash behind it, below which a member of the schema could stand. */
int schema_folder(const char *path, struct err *e);

#endif
