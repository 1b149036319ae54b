/* spool: members that wait until their piece of code ends; one unnamed file holds them all. For the room alone. */
#ifndef PACK_SPOOL_H
#define PACK_SPOOL_H

#include "pack/pack.h"

struct spool_item { char *name; unsigned mode; uint64_t at, size; };
struct spool {
	int fd;                    /* its offset is its end */
	struct spool_item *items;
	size_t count, room;
	int plain, squeezed;       /* work files */
};
int spool_open(struct spool *s, struct err *e);
void spool_close(struct spool *s);
/* Between the two the caller writes to s->fd. name: behind code/<sha256>/. */
int spool_begin(struct spool *s, const char *name, unsigned mode, struct err *e);
int spool_end(struct spool *s, struct err *e);
int spool_drop(struct spool *s, struct err *e);       /* the one begun, instead of spool_end */
bool spool_has(const struct spool *s, const char *name);
int spool_digest(const struct spool *s, char hex[DIGEST_HEX], struct err *e);   /* of the last one */
/* Writes all into the case below code/<sha256>/, and empties itself. */
int spool_flush(struct spool *s, const char *sha256, struct caseout *out, struct err *e);
int spool_rewind(int fd, bool empty, struct err *e);  /* a work file, to be read or (emptied) written */

#endif
