/* The knowledge store: <folder>/<aa>/<sha256>/ holds the analysis members of an earlier sample. */
#ifndef MICRO_LEARNT_H
#define MICRO_LEARNT_H

#include "micro/micro.h"

/* Makes the folder, clears away what a killed run left half-written, notes the digest of the rules in use. NULL, NULL path: no store. */
struct learnt_store;
struct learnt_store *learnt_open(const char *folder, struct err *e);
void learnt_close(struct learnt_store *k);

/* What is known of a sample: 1 and the parts that are there (each may stay NULL or empty), 0 nothing or from other rules; -1. */
struct learnt_parts {
	json_t *stat, *dynamic;
	struct buf disasm;
	struct micro_extra extra;
};
int learnt_get(struct learnt_store *k, const char *sha256, struct learnt_parts *p, struct err *e);
/* Puts them there, whole or not at all, in place of what was there. Borrows. */
int learnt_put(struct learnt_store *k, const char *sha256, const struct learnt_parts *p, struct err *e);
void learnt_parts_free(struct learnt_parts *p);

#endif
