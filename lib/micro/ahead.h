/* Reads a case ahead of where it is written, and has its pieces of code analysed meanwhile. */
#ifndef MICRO_AHEAD_H
#define MICRO_AHEAD_H

#include "micro/learnt.h"
#include "micro/pool.h"

/* One piece of code, from the reader through a worker to the writer. */
struct job {
	struct pool_job link;
	struct job *next;                        /* in the case's order */
	char sha256[DIGEST_HEX];
	json_t *about;
	int body;                                /* -1: the case has none */
	struct buf old_static, old_dynamic;      /* of an earlier analysis, where it has none */
	/* what the worker leaves */
	struct learnt_parts parts;
	bool passed;                             /* parts are those of the case, and stand there already */
	int rc;
	struct err e;
	size_t held;                             /* bytes of memory that the result takes, about */
};

struct ahead;
/*
 * `in` is a verified case that stands where the case begins, at a description of its own (its offset is nobody else's); bodies: set of the
 * pieces that have one. analyse(ctx, job) runs in `workers` threads at once; it closes nothing. NULL: 65, 75. in stays the caller's.
 */
struct ahead *ahead_open(int in, const json_t *bodies, unsigned workers, void (*analyse)(void *ctx, struct job *job), void *ctx, struct err *e);
/* The next piece in the case's order, analysed; it must be that one, else the case changed (65). Owned by the caller, who frees it. */
struct job *ahead_next(struct ahead *a, const char *sha256, struct err *e);
void ahead_close(struct ahead *a);           /* NULL is fine */
void job_free(struct job *j);                /* NULL is fine */

#endif
