/*
 * base: what every room stands on: errors and messages, buffers, input and output,
 * atomic files, digests, clocks, JSON and SQLite glue, child processes, progress,
 * the common options of the tools, and the caps.
 * It uses no other room, and is the only one to include <jansson.h> and <sqlite3.h>.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef BASE_H
#define BASE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sysexits.h>

#include "base/caps.h"

#define MUSS_VERSION "0.1"

/* A well-formed "no": nothing found, not safe, unknown. The other exit codes are sysexits.h's. */
#define EX_NO 1

#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* ---- err.c: one error, carried to whoever reports it ---- */

struct err {
	int code;      /* the exit status it deserves (sysexits.h, or EX_NO) */
	char msg[768]; /* lower case, no full stop, subject quoted with err_q() */
};

/* Each sets *e and returns -1, so that `return err_set(...)` reads well. e is never NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* As err_set, with ": strerror(errno)" behind it; the code follows errno:
 * ENOENT, ENOTDIR 66; EACCES, EPERM 77; ENOMEM, EMFILE, EAGAIN 75 (EX_TEMPFAIL); else 74. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Puts "prefix: " before the message that is there; keeps the code. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void err_clear(struct err *e);
/* Hostile text made fit for a terminal: in single quotes, control bytes, invalid UTF-8 and
 * bidirectional overrides as \xNN, cut after 200 bytes with "...". The result lives in one of eight
 * per-thread buffers: good for one message, not to be kept. */
const char *err_q(const char *s);
const char *err_qn(const void *s, size_t len);

/* ---- utf8.c ---- */

/* The length of the valid UTF-8 sequence (RFC 3629) that p's n >= 1 bytes begin with, and its code point; 0: none. */
size_t utf8_length(const unsigned char *p, size_t n, uint32_t *cp);

/* ---- msg.c: what a tool says on standard error; each message is one write ---- */

void msg_init(const char *tool);            /* the name before each message */
void msg_level(int level);                  /* -1 quiet: errors only; 0; 1 verbose; 2 debug */
int msg_get_level(void);
void msg_warn(const char *fmt, ...) PRINTF(1, 2);    /* not with -q */
void msg_info(const char *fmt, ...) PRINTF(1, 2);    /* with -v */
void msg_debug(const char *fmt, ...) PRINTF(1, 2);   /* with -vv */
int msg_fail(const struct err *e);          /* prints it always; returns e->code (70 if none was set) */

/* ---- buf.c: a growing byte buffer; all zero is a valid empty one ---- */

struct buf {
	unsigned char *p; /* always NUL-terminated behind len once something was added */
	size_t len, cap;
};
/* Out of memory ends the process with 71 (EX_OSERR) and a message: no tool can go on from there.
 * Untrusted lengths are held against a cap before they come here. */
void *buf_alloc(size_t n);                   /* zeroed */
void *buf_realloc(void *p, size_t count, size_t size); /* overflow-checked */
char *buf_strdup(const char *s);
char *buf_printf(const char *fmt, ...) PRINTF(1, 2);   /* caller frees */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
const char *buf_str(const struct buf *b);    /* "" when empty */
void buf_clear(struct buf *b);               /* keeps the memory */
void buf_free(struct buf *b);                /* wipes nothing; leaves an empty buffer */

/* ---- io.c: descriptors ---- */

ssize_t io_read(int fd, void *p, size_t n);        /* until n, end or error; EINTR handled; -1 errno */
int io_write(int fd, const void *p, size_t n);     /* all of it, or -1 errno */
/* A whole file or descriptor, refused (65) when longer than cap. `what` is for the message. */
int io_slurp(int fd, size_t cap, struct buf *out, const char *what, struct err *e);
int io_slurp_path(const char *path, size_t cap, struct buf *out, struct err *e);
/* As above, for /proc files: size unknown, errors are ordinary. -1 errno, no message. */
ssize_t io_slurp_at(int dirfd, const char *path, size_t cap, struct buf *out);
int io_copy(int from, int to, uint64_t cap, uint64_t *copied, struct err *e);
int io_open_in(const char *path, struct err *e);   /* NULL or "-": standard input (dup'ed) */
int io_open_beneath(int dir, const char *rel, int flags);   /* links refused, nothing outside of dir, on one file system; -1 and errno */
int io_tmp(struct err *e);                         /* an unnamed file in $TMPDIR, mode 0600; never tmp names */
int io_mkdirs(const char *path, mode_t mode, struct err *e);   /* mkdir -p */
int io_rmtree(int dirfd, const char *name, struct err *e);     /* never follows links, stays on one file system */
int io_fsync_dir(const char *path, struct err *e);
void io_close(int *fd);                            /* closes when >= 0, sets -1 */

/* ---- atomic.c: output that appears whole or not at all ---- */

struct atomic;
/* path NULL or "-": standard output, used as it is. With tty_ok false a terminal is refused (64).
 * A path that exists and is no regular file (/dev/full, a FIFO) is opened and written to directly.
 * Else: an unnamed file in the same folder (named beside where the file system has no O_TMPFILE). */
struct atomic *atomic_open(const char *path, mode_t mode, bool tty_ok, struct err *e);
int atomic_fd(const struct atomic *a);
int atomic_commit(struct atomic *a, struct err *e);   /* fsync, rename in place; frees a whatever happens */
void atomic_abort(struct atomic *a);                  /* leaves nothing; frees a; NULL is fine */
int atomic_write(const char *path, mode_t mode, const void *p, size_t n, struct err *e);

/* ---- digest.c: hashes, through OpenSSL ---- */

#define DIGEST_HEX 65 /* SHA-256 as lower-case hex and its NUL */
struct digest;
struct digest *digest_new(void);              /* SHA-256 */
struct digest *digest_new_md5(void);          /* for dpkg's lists, and JA3's digests */
struct digest *digest_new_sha1(void);         /* for UUIDs of version 5 only */
void digest_add(struct digest *d, const void *p, size_t n);
void digest_end(struct digest *d, char hex[DIGEST_HEX]);   /* and begins anew */
void digest_free(struct digest *d);
void digest_bytes(const void *p, size_t n, char hex[DIGEST_HEX]);
/* From the descriptor's start (pread; the offset stays), at most cap bytes; size may be NULL. */
int digest_fd(int fd, uint64_t cap, char hex[DIGEST_HEX], uint64_t *size, struct err *e);
bool digest_ok(const char *hex);              /* exactly 64 of 0-9a-f */
int digest_unhex(const char *hex, unsigned char *out, size_t n);  /* n bytes from 2n digits; -1 bad */
void digest_tohex(const unsigned char *p, size_t n, char *hex);   /* 2n digits and NUL */

/* ---- sip.c ---- */

/* SipHash-2-4 (Aumasson and Bernstein 2012): for tables whose keys a stranger chooses, who does not know `key`. */
uint64_t sip_hash(const uint64_t key[2], const void *p, size_t n);

/* ---- clock.c ---- */

#define CLOCK_RFC3339 21
void clock_rfc3339(int64_t unix_s, char out[CLOCK_RFC3339]);   /* 2026-11-22T21:30:00Z */
int clock_parse(const char *rfc3339, int64_t *unix_s);         /* -1: not in that form */
int64_t clock_now(void);                                       /* seconds since 1970 */
int64_t clock_mono_ms(void);

/* ---- jsonio.c: glue over Jansson; json_t's ownership rules are Jansson's ---- */

/* Parses one JSON text: no more than CAP_JSON bytes, CAP_JSON_DEPTH deep, no duplicate keys, UTF-8.
 * `what` names it in the message (65). New reference or NULL. */
json_t *jsonio_parse(const void *p, size_t n, const char *what, struct err *e);
json_t *jsonio_load(const char *path, struct err *e);
void jsonio_dump(const json_t *j, struct buf *out);            /* indented by 1, keys in order of insertion, newline */
void jsonio_dump_line(const json_t *j, struct buf *out);       /* one line, newline */
int jsonio_print(FILE *f, const json_t *j);                    /* NDJSON; -1 on error */
const char *jsonio_str(const json_t *o, const char *key);      /* NULL: absent or no string */
const char *jsonio_text(const json_t *o, const char *key);     /* the same; "" instead of NULL */
json_int_t jsonio_int(const json_t *o, const char *key, json_int_t otherwise);
double jsonio_num(const json_t *o, const char *key, double otherwise);
bool jsonio_bool(const json_t *o, const char *key, bool otherwise);
json_t *jsonio_array(json_t *o, const char *key);              /* borrowed; made when absent */
/* Names from a file system are bytes, JSON strings are Unicode. A byte that is not part of valid UTF-8 (nor of
 * the range used here) becomes U+F700 + byte, as each byte of a genuine U+F780..U+F7FF does: reversible.
 * A NUL ends the string. */
json_t *jsonio_bytes(const void *p, size_t n);
json_t *jsonio_name(const char *s);                            /* the same for a C string */
int jsonio_tobytes(const char *json_string, struct buf *out);  /* back to bytes; -1: a NUL in it */
/* base64.c: RFC 4648's base 64, with padding. -1: not in that form; out may have some of it. */
json_t *jsonio_base64(const void *p, size_t n);
int jsonio_unbase64(const char *text, struct buf *out);
/* Watches the nesting of a JSON text as it streams by: all zero to begin, -1 past CAP_JSON_DEPTH. */
struct jsonio_depth { unsigned depth; bool in_string, escaped; };
int jsonio_depth_feed(struct jsonio_depth *d, const void *p, size_t n);

/* ---- db.c: SQLite, for journals and the casebook ---- */

struct db; struct db_row;
/* Opens or makes it (WAL, busy timeout 10 s, foreign keys), runs `schema` (idempotent SQL) once. */
struct db *db_open(const char *path, const char *schema, struct err *e);
/* Opens somebody else's database for reading, taken as it is in the file (no journal): nothing in it is run or trusted, and what
 * is wrong with it is 65. Views are not there. A query that yields no row for a billion steps fails. */
struct db *db_open_foreign(const char *path, struct err *e);
void db_close(struct db *d);
/* fmt, one letter a parameter: s const char * (NULL: null), i int64_t, b const void *, size_t. */
int db_run(struct db *d, struct err *e, const char *sql, const char *fmt, ...);
struct db_row *db_query(struct db *d, struct err *e, const char *sql, const char *fmt, ...);
int db_next(struct db_row *r, struct err *e);            /* 1 a row, 0 the end, -1 */
const char *db_text(struct db_row *r, int column);       /* until the next db_next; NULL for null */
int64_t db_int(struct db_row *r, int column);
void db_done(struct db_row *r);
/* The bytes of the database file that a script of SQL makes of nothing; no file is written. A bad script is 65. */
int db_image(const char *script, struct buf *out, struct err *e);

/* ---- spawn.c: child processes; each gets SIGKILL when its parent dies ---- */

struct spawn {
	const char *const *argv;     /* argv[0] is looked up in PATH when it has no slash */
	const char *const *envp;     /* NULL: our own */
	int in, out, errfd;          /* given to the child as 0, 1, 2; -1: /dev/null for in and out, ours for errfd */
	const int *keep;             /* further descriptors passed on under their own numbers, ends with -1; may be NULL */
	int (*before_exec)(void *);  /* in the child, before exec; non-zero: exit 126. May be NULL */
	void *before_arg;
	pid_t pid;                   /* set by spawn_start */
	int pidfd;
};
int spawn_start(struct spawn *s, struct err *e);
/* Waits up to ms (-1: for ever), then kills. Returns the exit code, 128 + signal, or -1 on time-out
 * (killed and reaped, e->code 75). Closes pidfd. */
int spawn_wait(struct spawn *s, int ms, struct err *e);
void spawn_kill(struct spawn *s);                        /* SIGKILL and reap; harmless when it ended */
/* A tool or helper of ours: beside our own program (build/bin, /usr/bin), helpers in ../libexec/muss/.
 * Caller frees. Never NULL. */
char *spawn_tool(const char *name);
char *spawn_helper(const char *name);
char *spawn_share(const char *name);   /* a file of rules/: ../../rules in the build tree, ../share/muss installed; $MUSS_SHARE first */

/* ---- pipeline.c: tools of ours, connected by pipes, as an operator would ---- */

struct pipeline_stage {
	const char *const *argv;   /* argv[0]: a tool's name, as spawn_tool() */
	int well;                  /* an exit code that is well beside 0; 0: none */
	int status;                /* set: its exit code, or 128 + signal */
};
/*
 * Runs all stages at once; in and out are the first one's input and the last one's output (-1: /dev/null). Each ends with 0
 * or `well`, else -1: *e holds the exit code and the last message of the stage that failed first, *failed its index.
 * After ms (-1: never) all are killed: 75. What the stages say goes on to our standard error with -vv.
 */
int pipeline_run(struct pipeline_stage *stages, size_t n, int in, int out, int ms, size_t *failed, struct err *e);

/* ---- conf.c: "key value" lines; '#' begins a comment line ---- */

enum conf_kind { CONF_TEXT, CONF_PATH, CONF_NUMBER, CONF_BOOL, CONF_LIST };
struct conf_key {
	const char *name;
	enum conf_kind kind;
	void *at;              /* char ** (allocated; PATH: relative to the file's folder), long *, bool *, char *** (a list of
	                        * paths that ends with NULL): hold the default before, keep it where the key is absent */
	bool required;
	long least, most;      /* of a number */
};
/* All errors are 78 and name the file and the line: unknown, repeated or missing key, bad value, a file others may write to. */
int conf_load(const char *path, const struct conf_key *keys, size_t n, struct err *e);
void conf_free(const struct conf_key *keys, size_t n);   /* the strings that were read */

/* ---- progress.c: one line on standard error, only when it is a terminal and not quiet ---- */

void progress(const char *stage, uint64_t done, uint64_t total);  /* total 0: unknown; at most 10 a second */
void progress_end(void);
bool progress_colour(FILE *f);                           /* a terminal, and NO_COLOR unset or empty, TERM not dumb */

/* ---- tool.c: what all tools have in common ---- */

struct tool {
	const char *name, *usage;    /* usage: the whole -h text, with examples and exit codes */
	int argc; char **argv;
	const char *out;             /* -o, or NULL */
	bool json;                   /* -j, only where the tool lists it */
};
/* Names messages, ignores SIGPIPE (writing then fails: 74), opens 0-2 where they are closed. */
void tool_init(struct tool *t, const char *name, const char *usage, int argc, char **argv);
/* As getopt(3) with the tool's own letters; -h, -V, -q, -v are handled here (-h and -V exit), and so is -o
 * when own contains "o:", -j when it contains "j" (and no "j:"). An unknown option exits 64. Long options (--name, --name=VALUE)
 * in `longs` (getopt.h's struct option; may be NULL). optarg and optind are getopt's. */
struct option;
int tool_getopt(struct tool *t, const char *own, const struct option *longs);
_Noreturn void tool_usage(const struct tool *t, const char *fmt, ...) PRINTF(2, 3);  /* exit 64, points to -h */
/* The end of every main: flushes and checks standard output. rc 0: 0 (or 74); rc < 0: prints e, e->code. rc > 0: rc. */
int tool_end(const struct tool *t, int rc, struct err *e);

#endif
