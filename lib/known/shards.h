/* shards: writes a segment of an index from spilled entries: two threads, part by part, in bounded memory, the same bytes each time. */
#ifndef KNOWN_SHARDS_H
#define KNOWN_SHARDS_H

#include "known/segment.h"
#include "known/sources.h"
#include "known/spread.h"
#include "known/state.h"

struct shards {
	const struct spread *spread;    /* closed */
	struct sources *sources;
	unsigned kept;
	const unsigned char *revoked;   /* in order; what is among them is left out */
	uint64_t revocations;
	const struct index *older;      /* or NULL */
	int text;                       /* the names */
	uint64_t text_size;             /* 1 or more */
	int fd;
	uint64_t at;                    /* a page; nothing stands there or behind */
	/* the result */
	uint64_t size, head_size, count, names;
	uint64_t again;                 /* of count: those that the older index has too */
	unsigned char head_sum[KNOWN_DIGEST];
};
int shards_make(struct shards *m, struct err *e);
/* Writes all of it at an offset. */
int shards_put(int fd, const void *p, size_t n, uint64_t at, struct err *e);

#endif
