/*
 * The scan index on disk and in memory, shared by the cache*.c. On disk: a header, then entries, histories, pasts, no_code
 * and text, each as long as the header says, in the byte order of the machine, which is the only one that reads it.
 */
#ifndef KNOWN_CACHE_INTERNAL_H
#define KNOWN_CACHE_INTERNAL_H

#include "known/known.h"

#include <sys/stat.h>

#define CACHE_VERSION 1u
#define CACHE_KEY 32u
#define CACHE_KEY_MAGIC 16u                     /* stands before it in its file: no other file is taken for one */
#define CACHE_MAX_ENTRIES ((uint64_t)1 << 18)   /* 24 MiB: some twenty times the code of a big machine */
#define CACHE_MAX_HISTORIES ((uint64_t)1 << 18)
#define CACHE_MAX_NO_CODE ((uint64_t)1 << 20)   /* 8 MiB */
#define CACHE_MAX_TEXT ((uint64_t)16 << 20)
#define CACHE_MAX_AGE 32u                       /* rounds that a file may be missing */
#define CACHE_ROUND (6 * 60 * 60)               /* seconds: scans within are one round */

struct cache_header {
	char magic[8];
	uint32_t version, header_size;
	uint64_t file_size, entries, histories, pasts, no_code, text;
	int64_t written, round;            /* when it was written; when ages last grew */
	unsigned char stamp[32];           /* of what the facts depend on */
	unsigned char mac[32];
};

/* What a file was found to be. In order of volume and inode, one an inode. */
struct cache_entry {
	uint64_t volume, ino, size;
	int64_t mtime, ctime;
	uint32_t mtime_ns, ctime_ns;
	unsigned char sha256[KNOWN_DIGEST];
	uint32_t facts, facts_length;      /* in the text */
	uint32_t hashed;                   /* when, seconds since 1970 */
	uint32_t age;                      /* rounds since it was seen */
};

/* What stood at a path. In order of path. */
struct cache_path {
	uint64_t path, owner;              /* keyed hash of root and path; the package's version, 0 none */
	unsigned char sha256[KNOWN_DIGEST];
	uint32_t since, seen;
	uint32_t past;                     /* the first of CACHE_BEFORE pasts, newest first; only with changes */
	uint16_t changes;
	uint8_t odd, streak;
	uint32_t age, reserved;
};

struct cache_past {
	unsigned char sha256[KNOWN_DIGEST];
	uint32_t since, until;
};

/* Where the parts of an index in memory are. no_code: the upper 56 bits of a keyed hash of all that identifies the file and
 * its state, the lower 8 its age; in order. */
struct cache_view {
	const struct cache_header *header;
	const struct cache_entry *entries;
	const struct cache_path *paths;
	const struct cache_past *pasts;
	const uint64_t *no_code;
	const char *text;
};

/* ---- cache-file.c: key, lock, reading and writing ---- */

struct cache_file;
/*
 * Opens or makes the key beside the index, and takes the lock. NULL, with *e: the index cannot be used at all, be it that it or
 * its key is something else: then nothing was made. *e is set as well, with a file, when something had to be refused; then the
 * view is empty.
 */
struct cache_file *cachefile_open(const char *path, struct cache_view *v, struct err *e);
bool cachefile_locked(const struct cache_file *f);         /* we may write */
/* A key for a purpose, derived from the file's. */
void cachefile_key(const struct cache_file *f, const char *purpose, void *out, size_t n);
/* Frees what the view shows. */
void cachefile_forget(struct cache_file *f, struct cache_view *v);
/* Fills in what the counts do not say, and writes it in place of the old one, when it still is one. */
int cachefile_write(struct cache_file *f, struct cache_header *h, const struct cache_view *v, struct err *e);
void cachefile_close(struct cache_file *f);
/* Lays an index out; what it refuses, *why says. Its MAC is not looked at. p is aligned as malloc does. */
int cachefile_lay_out(const unsigned char *p, size_t n, struct cache_view *v, const char **why);

/* ---- cache-name.c: what has a name, and what is to have it ---- */

struct cache_standing {
	int fd;             /* -1: nothing, or nothing to read */
	struct stat st;
	const char *why;    /* it is not to be believed; NULL: it is well, or there is none */
	bool foreign;       /* it is none of ours: it stays as it is */
};

/* Ours is a regular file of the user's own that begins with the mark, of n bytes, or, with `empty`, has none; to be believed it
 * must have one name and be ours alone. */
void cachename_look(int folder, const char *name, const char *mark, size_t n, bool empty, struct cache_standing *x);

/* A file that gets its name when it is whole: without one until then where the file system can do that, else under another. */
struct cache_fresh { int fd; char *beside; bool named; };

int cachename_open(int folder, const char *name, struct cache_fresh *n);
/* Takes the place of what has the name; without replace there must be nothing: EEXIST. */
int cachename_name(int folder, struct cache_fresh *n, const char *name, bool replace);
void cachename_close(int folder, struct cache_fresh *n);   /* errno stays */

/* ---- cache-steady.c: which files may be believed to be what they were ---- */

/* Whether files of the file system on which fd is tell by their times when they were changed; *volume: which one it is. */
bool steady_volume(int fd, uint64_t *volume);
/* Before fd's file is read, which is as *st: nobody is writing to it now, and whatever anybody writes from now on will show in
 * its times. */
bool steady_begin(int fd, const struct stat *st);
/* After it was read: it is still as *st. */
bool steady_end(int fd, const struct stat *st);

/* ---- cache-history.c ---- */

struct cache_change {                      /* a path as it is to be written */
	struct cache_path path;
	struct cache_past before[CACHE_BEFORE];
};

/* What *old (NULL: the path is new) becomes when the path now holds sha256, as package version `owner` has it. */
void history_advance(const struct cache_path *old, const struct cache_past *before, const unsigned char sha256[KNOWN_DIGEST],
                     uint64_t owner, uint32_t now, struct cache_change *c);

/* ---- cache.c ---- */

#define CACHE_VOLUMES 64u

/* What is to become of an old one: it ages; it stays; something else stands in its place, or it is no more. */
enum cache_fate { CACHE_UNSEEN, CACHE_SEEN, CACHE_GONE };

struct cache {
	struct cache_file *file;
	struct cache_view old;
	uint64_t sip[2];
	unsigned char stamp[32];
	bool same_stamp, all;
	int64_t now;
	uint64_t random;            /* state */
	uint64_t due;               /* of 2^32 chances */

	unsigned char *entry_fate, *path_fate, *no_code_fate;   /* of each old one */

	struct cache_entry *entries;
	struct cache_change *paths;
	uint64_t *no_code;
	size_t entry_count, path_count, no_code_count;
	struct buf text;            /* facts of the fresh entries */

	struct { dev_t dev; uint64_t volume; bool good; } volumes[CACHE_VOLUMES];
	size_t volume_count;

	struct stat begun;          /* the file that is being read; steady: it may be kept */
	bool steady;
	struct cache_counts counts;
};


/* ---- cache-merge.c ---- */

/* Writes what was kept of the old and what is new, in order; the fates and what is new are changed by it. */
int cachemerge_write(struct cache *c, bool round, struct err *e);

#endif
