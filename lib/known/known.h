/*
 * known: the whitelist: an index of the SHA-256 of known-good files, the sources it is built from (dpkg's database,
 * folders, lists of digests), and the decision whether a piece of code may be dropped from a case because of it.
 * Also the index of functions, and the scan index: what files were found to be by earlier scans. Uses base. Never knows the archive format of a case, nor what a score is.
 * A wrong "known" is a missed infection: whatever is doubtful here is "unknown".
 */
#ifndef KNOWN_H
#define KNOWN_H

#include "base/base.h"

#define KNOWN_DIGEST 32
#define KNOWN_PAGE 4096u
#define KNOWN_PAGES_NOTED 16384u   /* of one piece of code: 64 MiB */

/* ---- index.c: the index as a reader sees it, memory-mapped (format: mwhite(1), FILES) ---- */

enum {
	KNOWN_FROM_DPKG = 1, KNOWN_FROM_DIR = 2, KNOWN_FROM_LIST = 4, KNOWN_FROM_NSRL = 8, KNOWN_FROM_HASHLOOKUP = 16, KNOWN_FROM_RPM = 32,
	KNOWN_FROM_CASE = 64, KNOWN_FROM_PAGES = 128 /* pages of code beside the files */, KNOWN_FROM_DELTA = 256,
	KNOWN_FROM_FUNCTIONS = 512 /* functions.c: no files at all */,
};

struct index;
struct index_hit {
	const char *source;   /* "dpkg coreutils 9.1-1", "dir /opt": until index_close. A set where several vouch: source_next() */
	const char *name;     /* the file it was seen as, or NULL */
	uint32_t number;      /* of the source, below index_sources() */
};
/* 65 when it is no index, is cut, altered or out of order. Wholly verified up to 64 MiB, above by its heads and samples. What is
 * added to the file later does not change what is open. */
struct index *index_open(const char *path, struct err *e);
bool index_find(const struct index *x, const unsigned char digest[KNOWN_DIGEST], struct index_hit *hit); /* hit may be NULL */
bool index_find_hex(const struct index *x, const char *hex, struct index_hit *hit);   /* false when hex is no digest */
/* The same for many at once, which takes a fraction of the time: sets known[i]; how many are. */
size_t index_find_many(const struct index *x, const unsigned char (*digests)[KNOWN_DIGEST], size_t n, bool *known);
bool index_revoked(const struct index *x, const unsigned char digest[KNOWN_DIGEST]);
uint64_t index_count(const struct index *x);         /* of digests that are known: what is revoked does not count */
/* Each of these once, with zeros for what the index does not keep of it, from a segment on (0: all); not 0 ends it. */
typedef int index_walk_fn(void *ctx, const unsigned char digest[KNOWN_DIGEST], const struct index_hit *hit);
int index_walk(const struct index *x, unsigned segment, index_walk_fn *fn, void *ctx);
uint64_t index_sources(const struct index *x);
const char *index_source(const struct index *x, uint64_t number);
/* The whole file against its own SHA-256s, and that it is in order; 65 when not. */
int index_verify(const struct index *x, struct err *e);
/* {"format","id","digests","revoked","sources","names","bytes","resident","bits","segments","delta","sha256","created","dpkg"?,"from":[..]};
 * new reference. */
json_t *index_info(const struct index *x);
unsigned index_from(const struct index *x);          /* KNOWN_FROM_* */
int64_t index_dpkg_time(const struct index *x);      /* when dpkg's database was read; 0: never */
/* Whether dpkg's database under root changed after the index was built from it. */
bool index_outdated(const struct index *x, const char *root);
void index_close(struct index *x);

/* ---- sources.c: who vouches for a digest: the kind of source, a blank, what it is called ---- */

/* The names in a set, one by one: *set moves on; name is not NUL-terminated. False at the end. */
bool source_next(const char **set, const char **name, size_t *len);
bool source_has(const char *set, const char *source);
json_t *source_names(const char *set);               /* an array of names; new reference */
/* An array of {"source","digests","alone"}: who vouches for how many, and for how many of them nobody else does. */
json_t *source_counts(const struct index *x);

/* ---- build.c, commit.c: make an index; memory stays bounded ---- */

struct build;
struct build *build_new(struct err *e);
/* The number of a source, by its name. */
int build_source(struct build *b, const char *name, uint32_t *source, struct err *e);
/* Of equal digests the first name stays, and all sources. name may be NULL. */
int build_add(struct build *b, const unsigned char digest[KNOWN_DIGEST], uint32_t source, const char *name, struct err *e);
/* What becomes of a source (no set) of another index: false: it is withdrawn; true: it stays, under the name in new_name when
 * that is not empty. */
typedef bool build_rename_fn(void *ctx, const char *name, struct buf *new_name);
/* All of another index, once; fn may be NULL. x must live until build_finish: what it has is not added again. An entry whose
 * sources are all withdrawn is left out. */
int build_add_index(struct build *b, const struct index *x, build_rename_fn *fn, void *ctx, struct err *e);
void build_from(struct build *b, unsigned from, int64_t when);                /* notes a kind of source, KNOWN_FROM_* */
/* One writer at a time: waits for the lock of the index at path, until b ends. */
int build_lock(struct build *b, const char *path, struct err *e);
/* Goes on from the index at path, whose lock it takes: what it has stays. Where build_finish gets the same path, what is new is
 * put behind it, or all is written anew when it became much. Once, and before anything else. */
int build_extend(struct build *b, const char *path, struct err *e);
/* Whoever vouches for it, then and later: it is not known. */
void build_revoke(struct build *b, const unsigned char digest[KNOWN_DIGEST]);
/* Atomically; frees b in any case. */
int build_finish(struct build *b, const char *path, uint64_t *count, struct err *e);
void build_abort(struct build *b);

/* The id of what is built, 32 hexadecimal digits: deltas are for one id. Without it, it is random. */
int build_id(struct build *b, const char *hex, struct err *e);

/* ---- delta.c: signed changes of an index, as a centre sends them (format: mwhite(1), FILES) ---- */

/* Who can sign and verify is handed in: this room has no keys. verify says who signed. */
typedef int delta_sign_fn(void *ctx, const void *p, size_t n, struct buf *sig, struct err *e);
typedef int delta_verify_fn(void *ctx, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e);
/* What b has and revokes, as the delta that leads from the index at `index` to the next version, valid for so many seconds. Frees b.
 * The index stays as it is: until the delta is applied to it too, the next one would make the same version again. */
int delta_make(struct build *b, const char *index, int64_t seconds, delta_sign_fn *sign, void *ctx, const char *path, uint64_t *version,
               struct err *e);
struct delta_report {
	uint64_t version, added, revoked;   /* as the delta says */
	uint64_t digests;                   /* known now */
	char signer[128];
};
/*
 * Puts a delta into an index. Nothing of it is read before the signature was verified. -1: 65 it is damaged, or another
 * delta made the version that the index has; 77 it has expired or is
 * for another index, or what verify says; 75 versions between are missing; 1 (EX_NO) the index has this version or a later one.
 */
int delta_apply(const char *index, const char *path, delta_verify_fn *verify, void *ctx, struct delta_report *r, struct err *e);

struct delta_terms {
	char base[33], signer[128];         /* the index's id; who signed */
	uint64_t from, version;
	int64_t expires;
};
/* Of a delta whose signature holds and that is whole: what it says of itself. -1 as delta_apply. */
int delta_look(const char *path, delta_verify_fn *verify, void *ctx, struct delta_terms *t, struct err *e);

/* ---- withdraw.c ---- */

/* The index at path without what only these sources (their names, plain or as err_q() shows them, or kinds of sources; NULL behind
 * the last) vouch for, to out.
 * 1 when one of them vouches for nothing: nothing is written then. */
int withdraw_run(const char *path, const char *out, char *const *names, uint64_t *left, uint64_t *gone, struct err *e);

/* ---- revoke.c, query.c: digests that somebody names ---- */

/* The SHA-256 that the operand is, in either case, or that of the file of this name. 65: it has digits as a SHA-256, but not so many. */
int query_digest(const char *operand, char hex[DIGEST_HEX], struct err *e);
/* The answer, hit NULL: it is not known. As {"query","sha256","known",..}, with decide_mark()'s beside; new reference. */
json_t *query_json(const char *operand, const char *hex, const struct index_hit *hit);
/* The same as a line for a terminal. */
void query_text(const char *operand, const char *hex, const struct index_hit *hit, struct buf *text);
/* The index at path without the digests of these lists and of what these operands name (NULL behind the last), to out. */
int revoke_run(const char *path, const char *out, const char *const *lists, char *const *operands, uint64_t *left, uint64_t *gone, struct err *e);

/* ---- pages.c: code as it stands in memory, page by page ---- */

/* page has KNOWN_PAGE bytes; where: its offset in the file, or address. -1 stops. */
typedef int pages_fn(void *ctx, uint64_t where, const unsigned char *page);
/* Each page of an ELF file's executable segments as they are mapped, but pages of zeros; none of another file. -1: unreadable, or
 * fn stopped. */
int pages_each(int fd, pages_fn *fn, void *ctx);
/* What the index knows a page by, from its SHA-256: the complement, so that no file can be made that is taken for known because of
 * a page, nor a page because of a file. */
void pages_key(unsigned char digest[KNOWN_DIGEST]);
/* Gathers pages as about.json lists them (muss-case(5)), in order of where they are. */
struct pages;
struct pages *pages_new(void);
int pages_note(void *pages, uint64_t where, const unsigned char *page);   /* 0; a pages_fn */
void pages_missing(struct pages *p);                  /* not all could be looked at */
/* Sets "pages" and, where some are missing or past the cap, "pages_cut"; frees p. */
void pages_put(struct pages *p, json_t *to);
void pages_free(struct pages *p);

/* ---- crew.c: two threads that read files once, for both sums ---- */

enum crew_result {
	CREW_TODO, CREW_GOOD, CREW_ALTERED, CREW_MISSING, CREW_NO_CODE, CREW_UNREADABLE, CREW_CHANGING,
};
struct crew_item {
	char *path;                   /* absolute, inside the root */
	bool md5_known;
	unsigned char md5[16];        /* it is good only with this sum, when md5_known */
	uint32_t owner;               /* the caller's */
	enum crew_result result;
	unsigned char sha256[KNOWN_DIGEST];
	struct buf pages;             /* keys of its code pages, KNOWN_DIGEST bytes each, with CREW_PAGES */
};
struct crew_list { struct crew_item *p; size_t len, cap; };
struct crew_item *crew_add(struct crew_list *l, const char *path, size_t len);   /* valid until the next */
void crew_free(struct crew_list *l);
/* What is wanted of a source: not only what may be code; code pages too. */
enum { CREW_ALL = 1, CREW_PAGES = 2 };
/* The digest of a file that is good, and its pages, into an index. */
int crew_take(struct build *b, const struct crew_item *f, uint32_t source, const char *name, struct err *e);
/* Fills in result, sha256 and pages of each item. want: CREW_*. bytes: read. A file that vanishes or changes
 * meanwhile is a result, not an error. */
int crew_run(struct crew_list *l, const char *root, unsigned want, uint64_t *bytes, struct err *e);

/* ---- dpkg.c, folder.c, list.c, nsrl.c, hashlookup.c, rpm.c: the sources ---- */

struct known_stats {
	uint64_t files;       /* looked at */
	uint64_t code;        /* of these, candidates for code (all with `all`) */
	uint64_t matched;     /* taken in */
	uint64_t altered;     /* not what the package delivered */
	uint64_t missing, unreadable, changing;
	uint64_t packages, packages_without_sums;
	uint64_t left_out;    /* a list itself says that it is malicious or not to be trusted */
	uint64_t without_digest;   /* entries without SHA-256 */
	uint64_t bytes;       /* read */
};
/* dpkg's database under root (NULL: "/"): a file is taken in when its MD5 is the one its package states. */
int dpkg_add(struct build *b, const char *root, unsigned want, struct known_stats *s, struct err *e);
/* All files below a folder, links not followed. */
int folder_add(struct build *b, const char *path, unsigned want, struct known_stats *s, struct err *e);
/* SHA-256 lists: sha256sum's forms, bare digests, CSV with the digest first. "-": standard input. 65 names the line. */
int list_add(struct build *b, const char *path, struct known_stats *s, struct err *e);
/* The digests of such a list are revoked; s counts them. 65 when there are none. */
int list_revoke(struct build *b, const char *path, struct known_stats *s, struct err *e);
/* NSRL's reference data set, SQLite or text; hashlookup's exports, JSON lines or CSV; what `rpm -qa --dump` prints, whose MD5s
 * are held against the files below root. All refuse (65) what has no SHA-256, and name the line that is malformed. */
int nsrl_add(struct build *b, const char *path, struct known_stats *s, struct err *e);
int hashlookup_add(struct build *b, const char *path, struct known_stats *s, struct err *e);
int rpm_add(struct build *b, const char *path, const char *root, unsigned want, struct known_stats *s, struct err *e);
/* hashlookup's trust is a number from 50, its middle, to 100, or it is distrust. */
bool known_distrusted(const char *trust);
/* Its "KnownMalicious" names who says so. */
bool known_malicious(const char *word);

/* ---- kinds.c: what the sources share ---- */

enum known_kind { KNOWN_DPKG, KNOWN_DIR, KNOWN_LIST, KNOWN_NSRL, KNOWN_HASHLOOKUP, KNOWN_RPM, KNOWN_CASE /* cmd/mwhite-case.c reads it */ };
int known_add(struct build *b, enum known_kind kind, const char *path, const char *root, unsigned want, struct known_stats *s, struct err *e);
/* The number of the source "KIND PATH". */
int known_source(struct build *b, const char *kind, const char *path, uint32_t *number, struct err *e);
void known_count(struct known_stats *s, enum crew_result result);   /* but for `files` */
json_t *known_stats_json(const struct known_stats *s);              /* new reference */
char *known_stats_text(const struct known_stats *s);                /* caller frees */

/* ---- follow.c ---- */

struct follow_options {
	const char *index;        /* made where it is missing; beside it INDEX.follow, what is remembered */
	const char *root;         /* NULL: "/" */
	unsigned want;            /* CREW_* */
	unsigned keep_days;       /* for what upgraded packages were */
};
struct follow_report {
	bool unchanged;           /* nothing was read: the rest is 0 */
	struct known_stats stats;
	uint64_t digests;         /* in the index */
	unsigned read, left;      /* packages read; to be read again, since dpkg is at work on them */
	unsigned outdated, forgotten;   /* sources that are outdated now; that were forgotten */
};
/* Makes the index agree with dpkg's database. Takes no lock of dpkg's, and waits for nobody but another who changes the index. */
int follow_run(const struct follow_options *o, struct follow_report *r, struct err *e);
/* "dpkg bash 5.2-1 (outdated since 2026-11-01T00:00:00Z)"; since may be NULL. */
bool source_outdated(const char *name, size_t len, int64_t *since);

/* ---- cache.c: the scan index: what the bytes of a file were found to be, so that an unchanged file is not read again, and
 * what stood at a path before ---- */

struct stat;
struct cache;
/*
 * Opens the scan index at path, to be made when there is none, with its key beside it in path.key. It never fails: what is
 * wrong with it is one warning, and it is as if it were empty (or, where it cannot be written either, is not written).
 * stamp: 32 bytes that say on what the facts depend; when they differ from the index's, its facts count for nothing, its
 * histories do. all: every file is to be read again, to be held against the index.
 */
struct cache *cache_open(const char *path, const unsigned char stamp[32], bool all);

enum cache_found {
	CACHE_UNKNOWN,   /* to be read */
	CACHE_CODE,      /* *hit says what it is */
	CACHE_NO_CODE,   /* it was found not to be code */
};
struct cache_hit {
	unsigned char sha256[KNOWN_DIGEST];
	const char *facts;     /* as they were put: strings, each with its NUL; until cache_commit */
	size_t facts_length;
};
/* fd: the file's, or -1 when it is not open: then CACHE_UNKNOWN for the first file of each file system. */
enum cache_found cache_find(struct cache *c, int fd, const struct stat *st, struct cache_hit *hit);
/* Before an unknown file is read, which is as *st. */
void cache_begin(struct cache *c, int fd, const struct stat *st);
/* What was read of the file of cache_begin(); not kept when it changed meanwhile or may have. 1: the index has other bytes for
 * the very same state, in *hit: somebody set its times, or its disk fails. */
int cache_put(struct cache *c, int fd, const unsigned char sha256[KNOWN_DIGEST], const char *facts, size_t n, struct cache_hit *hit);
void cache_put_no_code(struct cache *c, int fd);

#define CACHE_BEFORE 3u
struct cache_history {
	int64_t since;              /* when the present bytes were first seen there */
	unsigned changes;           /* of the bytes, since the path is known */
	unsigned odd;               /* of these, since its package last changed: while it did not, or none owns it */
	unsigned streak;            /* scans in a row, up to this one, that found it changed while no package was */
	size_t count;
	struct cache_before {
		char sha256[DIGEST_HEX];
		int64_t since, until;
	} before[CACHE_BEFORE];     /* newest first */
};
/* Notes that path below root holds these bytes, as the package and version `owner` has it (any number; 0: none). *h: what is
 * now known. The first call for a path counts. */
void cache_path(struct cache *c, const char *root, const char *path, const unsigned char sha256[KNOWN_DIGEST], uint64_t owner,
                struct cache_history *h);

struct cache_counts { uint64_t found, no_code, put, kept; };   /* files; kept: will be in the index */
void cache_counts(const struct cache *c, struct cache_counts *n);
/* Writes the index when there is something new. round: this scan saw all that it could have, so what it did not see ages.
 * A failure is a warning. */
void cache_commit(struct cache *c, bool round);
void cache_close(struct cache *c);    /* NULL is fine */

/* ---- decide.c ---- */

/* Whether the piece of code that about.json describes, whose digest is known good, may be dropped: not when its memory was
 * changed, nor when a sign says that the program is misused (mwhite(1) lists them). NULL: it may; else the reason to keep. */
const char *decide_keep(const json_t *about);
/* Whether a piece of code of a clean machine's case may be vouched for: not when its memory was changed. NULL: it may. */
const char *decide_vouch(const json_t *about);
enum decision { DECIDE_UNKNOWN, DECIDE_DROP, DECIDE_KEEP };
/* Looks the piece of code up that about.json describes, and sets its "known" (muss-case(5)), or removes it. */
enum decision decide_about(const struct index *x, json_t *about);
/* {"source","sources"?,"name"?,"outdated"?}: who vouches; new reference. */
json_t *decide_mark(const struct index_hit *hit);

/* ---- functions.c: code, not files: whose functions and programs are known; the same format with other keys ---- */

#define FUNCTIONS_MINHASH 128u     /* numbers of a program's MinHash (muss-analysis(5)) */

struct functions;
/* 65: no index, a damaged one, or one of files. */
struct functions *functions_open(const char *path, struct err *e);
void functions_close(struct functions *f);
/* Who is known to have the function with this digest (16 hex digits): these bits. */
enum { FUNCTIONS_GOODWARE = 1, FUNCTIONS_MALWARE = 2 };
unsigned functions_find(const struct functions *f, const char *digest);
/*
 * static.json's "known" from its "functions" (whose "digest" counts) and its MinHash (may be NULL), as n indexes have it:
 * {"goodware":{"functions","of"},"malware":[{"name","functions","similarity"}]}. A function of goodware is none of malware.
 * Sets "known" in each function of either. New reference.
 */
json_t *functions_tell(struct functions *const *f, size_t n, json_t *functions, const json_t *minhash);
/* {"format","programs","digests","names":[{"kind","name","programs"}],...}, and what index_info() says; new reference. */
json_t *functions_info(const struct functions *f);

struct functions_build;
/* Anew, or (extend) from the index at that path on. 64: the name is empty or has a control character. */
struct functions_build *functions_build_new(const char *extend, bool malware, const char *name, struct err *e);
/* A program: SHA-256 of its file, what it is called, its digests (an array of strings) and its MinHash (may be NULL). 1: it
 * is in the index already. What is no digest is left out. */
int functions_build_add(struct functions_build *b, const char *sha256, const char *called, const json_t *digests, const json_t *minhash,
                        struct err *e);
/* Atomically; frees b in any case. *programs: those added. */
int functions_build_finish(struct functions_build *b, const char *path, uint64_t *programs, struct err *e);
void functions_build_abort(struct functions_build *b);

#endif
