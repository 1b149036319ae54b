/* Workers that take jobs in the order in which they came. */
#ifndef MICRO_POOL_H
#define MICRO_POOL_H

#include "base/base.h"

/* The head of a job's own struct. */
struct pool_job { struct pool_job *next; bool done; };
struct pool;
/* So many threads, each calling run(ctx, job) for one job after the other. NULL: 75. */
struct pool *pool_open(unsigned workers, void (*run)(void *ctx, struct pool_job *job), void *ctx, struct err *e);
void pool_add(struct pool *p, struct pool_job *job);
/* Are fewer jobs waiting than there are workers? */
bool pool_hungry(struct pool *p);
bool pool_done(struct pool *p, const struct pool_job *job);
/* Until the job is done, or, with or_hungry, until the pool is hungry. */
void pool_wait(struct pool *p, const struct pool_job *job, bool or_hungry);
/* Waits for the jobs that run; those that wait are never run. The jobs stay the caller's. NULL is fine. */
void pool_close(struct pool *p);

#endif
