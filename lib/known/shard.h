/* shard: one shard of a segment, as it stands in the file. */
#ifndef KNOWN_SHARD_H
#define KNOWN_SHARD_H

#include "known/segment.h"
#include "known/spread.h"

/*
 * Puts the shard of these entries, in order and each digest once, behind what hot and cold hold, and fills its row of
 * FORMAT_ROW bytes, in which nothing stands yet. The offsets in the row are those in hot and cold.
 */
void shard_make(const struct shape *h, const struct entry *p, uint32_t n, struct buf *hot, struct buf *cold, unsigned char *row);

#endif
