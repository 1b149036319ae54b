/* build: an index in the making. build.c gathers what goes into it, commit.c writes it. */
#ifndef KNOWN_BUILD_H
#define KNOWN_BUILD_H

#include "known/sources.h"
#include "known/spill.h"
#include "known/state.h"

/* The numbers here of the members of a source of another index; none: it is left behind. */
struct vouchers { uint32_t *number; size_t count; };

struct build {
	struct spill *spill;
	int text;                       /* an unnamed file: the names */
	struct buf text_tail;           /* not yet written to it */
	uint64_t text_size;
	struct sources *sources;
	const struct index *base;       /* what it has from the same source is not added again */
	struct vouchers *base_vouchers; /* of each of its sources */
	bool cut;                       /* the base keeps a part of its digests only */
	struct buf revoked;             /* digests */
	unsigned char id[FORMAT_ID];
	unsigned from;
	int64_t created, dpkg_time;
	uint64_t delta;
	unsigned char delta_sum[KNOWN_DIGEST];
	bool names_full;
	struct index *extended;         /* the base, when this goes on from it */
	int lock;                       /* its file */
};

/* An entry of the base, from all who vouch for it. */
int build_take(struct build *b, const unsigned char *digest, const struct index_hit *hit, struct err *e);
/* Writes it to an empty file, which is as build_finish's. Not for one that goes on from another. */
int build_finish_fd(struct build *b, int fd, uint64_t *count, struct err *e);
int build_flush_text(struct build *b, struct err *e);

#endif
