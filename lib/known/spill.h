/*
 * spill: what takes in the entries of an index that is being built: whoever adds hands them in batches to a thread that
 * spreads them (spread.h), once there are many.
 */
#ifndef KNOWN_SPILL_H
#define KNOWN_SPILL_H

#include "known/spread.h"

struct spill;
struct spill *spill_new(struct err *e);
/* 65 where so many digests begin alike that they cannot be SHA-256 of files; that, and a full disk, may be told at a later call. */
int spill_add(struct spill *s, const struct entry *n, struct err *e);
/* Waits until all is spread. */
uint64_t spill_count(struct spill *s);
/* Ends the thread and writes out what is still in memory. The result is for spread_load(). */
const struct spread *spill_close(struct spill *s, struct err *e);
void spill_free(struct spill *s);

#endif
