/* lines: foreign lists, line by line, and what their readers share. */
#ifndef KNOWN_LINES_H
#define KNOWN_LINES_H

#include "known/known.h"

#define CAP_LINE (64 * KIB)
#define CAP_LINE_JSON (4 * MIB)   /* an entry names all packages that have the file */

struct lines {
	const char *path;         /* "-": standard input */
	const char *what;         /* for messages */
	uint64_t number;          /* of the line at hand, from 1 */
	struct known_stats *s;
};
typedef int lines_fn(void *ctx, struct lines *l, const char *text, size_t n, struct err *e);
/* Calls fn with each line of at most cap bytes, without its newline and a carriage return before it. */
int lines_each(const char *path, size_t cap, lines_fn *fn, void *ctx, struct known_stats *s, struct err *e);
/* 65, naming the file and the line. */
int lines_refuse(const struct lines *l, const char *why, struct err *e);

/* 64 hexadecimal digits of either case. */
bool lines_digest(const char *s, size_t n, unsigned char digest[KNOWN_DIGEST]);
/* build_add for a name that is not NUL-terminated, and too long perhaps. */
int lines_add(struct build *b, const unsigned char *digest, uint32_t source, const char *name, size_t len, struct err *e);

/* ---- csv.c: a line of comma-separated values (RFC 4180; a quote within quotes that neither is doubled nor ends the field is
 * taken as it is, as in NSRL's older sets) ---- */

#define CSV_FIELDS 64u
struct csv {
	struct buf text;          /* the fields, unquoted, a NUL behind each */
	size_t at[CSV_FIELDS], len[CSV_FIELDS], count;
};
/* -1: a quote that does not end, or too many fields. */
int csv_split(struct csv *c, const char *line, size_t n);
/* The field, "" past the last. */
const char *csv_field(const struct csv *c, size_t i, size_t *len);
/* Which field has one of these names, of any case, up to a NULL; CSV_FIELDS: none. */
size_t csv_find(const struct csv *c, const char *const *names);
void csv_free(struct csv *c);

/* A list with a first line that names its columns: digests and names are taken from those that are called so, but not of what
 * the list itself calls malicious or distrusts. */
struct csv_list {
	struct build *b;
	uint32_t source;
	struct csv line;
	size_t digest, name, special, trust;
	bool begun;
};
int csv_add(struct csv_list *list, struct lines *l, const char *text, size_t n, struct err *e);

#endif
