/* What the files of carve share among themselves. */
#ifndef CARVE_INTERNAL_H
#define CARVE_INTERNAL_H

#include "carve/carve.h"

#define SHORTEST 16u                /* bytes of a piece that can mean something */
#define OPENING 65536u              /* bytes of work that having libarchive look costs */

struct span { uint64_t from, to; };

/* What is looked through: the file or a piece. */
struct within {
	struct carving *out;
	const struct carve_limits *l;
	uint64_t *work;                 /* that is left, to whoever looks */
	const unsigned char *p;
	size_t n;
	int index;                      /* among the pieces; -1: the file */
	unsigned depth;
	struct span *taken;             /* by pieces found before, in order; whoever looks passes over them */
	size_t spans;
};

/* A piece with bytes and where they stand, and what it is where that is known (else CARVE_NOTHING, and it is found out); takes its bytes,
 * key and name, whether they mean something or not. True: it is kept, or the same was there before; its place is taken. */
bool carve_offer(struct within *w, struct carved *piece);
void carve_free(struct carved *piece);
/* Where the piece that takes this place ends; 0: none does. */
uint64_t carve_taken(const struct within *w, uint64_t at);
/* False: decoders have given as much as they may. */
bool carve_work(struct within *w, uint64_t bytes);

/* Marks bytes in a table: what cannot begin anything is passed over at the cost of one look into it. */
void carve_mark(bool table[256], const char *bytes, size_t n);

/* ---- meaning.c ---- */

/* How many of the bytes an ELF or PE file at p takes; 0: none begins there. */
size_t meaning_program(const unsigned char *p, size_t n);
size_t meaning_cost(const unsigned char *p, size_t n);   /* work that meaning_program() makes */
bool meaning_text(const unsigned char *p, size_t n);
bool meaning_wide(const unsigned char *p, size_t n);   /* a text in UTF-16, little-endian */
unsigned char meaning_text_key(const unsigned char *p, size_t n);   /* the key of one byte under which it is a text; 0: none */
enum carve_what meaning_of(const unsigned char *p, size_t n);

/* ---- one file each: what they find is offered ---- */

void programs_look(struct within *w);
void streams_look(struct within *w);
void archives_look(struct within *w);
void texts_look(struct within *w);
void numbers_look(struct within *w);
void literals_look(struct within *w);
void uuencode_look(struct within *w);

/* ---- programs.c ---- */

bool programs_keyed(const unsigned char *p, size_t n);   /* one begins here, under a key */

/* ---- streams.c ---- */

/* "gzip", "zlib", "xz" ... of the stream that may begin here; NULL: none. */
const char *streams_at(const unsigned char *p, size_t n);
/* Deflated bytes without a header, as PHP's gzinflate() takes them, to their very end. */
bool streams_deflated(struct within *w, const struct buf *bytes, struct buf *out);

/* ---- archives.c ---- */

const char *archives_at(const unsigned char *p, size_t n);

#endif
