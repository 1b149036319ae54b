/* listing's own: a piece of code as it is listed. Functions stand under the name of the .c file that defines them. */
#ifndef LISTING_INTERNAL_H
#define LISTING_INTERNAL_H

#include "listing/listing.h"

/* ---- piece.c: one piece of code, out of its JSON members ---- */

/*
 * {"sha256","kind","size","score","suspicious","verdict","path","paths","pids","signs","why","members"} out of about.json; it stays
 * small, however long that is. Each of `why`: {"sign","source","group","weight","counts","reason","meaning"}, the heaviest first.
 */
json_t *piece_listed(const char *sha256, const json_t *about);
/* static.json, dynamic.json or verdict.json of it; the first two may add "capabilities", "identified" (names) and "tlsh", a run
 * "contacted", "scanned" (texts) and "waited" (seconds). */
void piece_learn(json_t *code, const char *member, const json_t *j);
/* All members were seen: orders `why`, says what counts and what it means. */
void piece_finish(json_t *code, const struct judge *judge);

/* ---- table.c: rows for people; whatever the case says is made fit for a terminal ---- */

void table_head(FILE *f);
void table_row(const json_t *code, const struct listing_options *o, struct buf *out);

#endif
