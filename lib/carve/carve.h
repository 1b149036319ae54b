/*
 * carve: what a file hides that needs no running to be seen: compressed streams, archives, encoded texts, other programs, one in the
 * other. Uses casefile (for compressions and archives), code and base; the only room to include <zlib.h>. Everything here takes
 * hostile bytes in memory: called in helper-carve alone. It never knows what the file is there for.
 */
#ifndef CARVE_H
#define CARVE_H

#include "base/base.h"

/* 0: as many as CARVE_USUAL says. */
struct carve_limits {
	size_t pieces;
	uint64_t bytes;             /* of all pieces */
	uint64_t work;              /* bytes that decoders may give, what is thrown away included; a quarter is for texts alone */
	unsigned depth;             /* of pieces within pieces */
};
#define CARVE_USUAL { 64, 128 * MIB, GIB, 8 }

/* What a piece is. Those up to CARVE_TEXT mean something by themselves, the others by what they hold. */
enum carve_what { CARVE_NOTHING, CARVE_PROGRAM, CARVE_SCRIPT, CARVE_BYTECODE, CARVE_TEXT, CARVE_STREAM, CARVE_ARCHIVE, CARVE_DATA };

/* One piece, decoded. It means something: a program, a script, a text, or what holds one of these. */
struct carved {
	int parent;                 /* the piece in which it stands, by index; -1: the file */
	uint64_t offset, size;      /* what it takes there; of a member of an archive, the archive's */
	const char *coding;         /* how it stands there, of muss-analysis(5): "plain", "xor", "gzip", "base64" ... */
	char *key;                  /* of "xor", in hex; else NULL */
	char *name;                 /* of a member of an archive, its bytes; else NULL */
	bool encoded;               /* it, or what holds it, stands there as text: base64, numbers ... */
	enum carve_what what;       /* never CARVE_NOTHING */
	struct buf bytes;
};
struct carving {
	struct carved *piece;       /* those of the file, then those of its pieces, and so on; each by coding and offset */
	size_t count;
	const char *stopped;        /* the limit that was met first: "pieces", "bytes", "work", "depth"; NULL: none */
};

/* The same bytes give the same pieces. carving_free() releases what is in out. */
void carve(const void *p, size_t n, const struct carve_limits *l, struct carving *out);
void carving_free(struct carving *c);
/* static.json's "carved", of muss-analysis(5); pieces that mean something by themselves are written to fd, one behind the other, with
 * "offset" as their place there. New reference. NULL: they cannot be written. */
json_t *carving_report(const struct carving *c, int fd, struct err *e);

#endif
