/*
 * spill: the entries of an index that is being built, spread by their first bits over unnamed files' chunks, so that memory
 * stays bounded; and sorting what comes back.
 */
#ifndef KNOWN_SPILL_H
#define KNOWN_SPILL_H

#include "known/known.h"

struct entry {
	unsigned char digest[KNOWN_DIGEST];
	uint32_t source, name;
};

#define SPILL_BITS 10u
#define SPILL_PARTS (1u << SPILL_BITS)

struct spill;
struct spill *spill_new(struct err *e);
/* 65 where so many digests begin alike that they cannot be SHA-256 of files. */
int spill_add(struct spill *s, const struct entry *n, struct err *e);
uint64_t spill_count(const struct spill *s);
/* Whether digests were cut to FORMAT_KEPT bytes to save room. */
bool spill_cut(const struct spill *s);
uint64_t spill_part_count(const struct spill *s, uint32_t part);
/* Writes out what is still in memory, and frees that. Before spill_load. */
int spill_close(struct spill *s, struct err *e);
/* The entries of a part, to where there is room for spill_part_count() of them. Threads may load parts at once. */
int spill_load(const struct spill *s, uint32_t part, struct entry *to, struct err *e);
void spill_free(struct spill *s);

/* By digest, source, name. work has room for n entries as well; skip: the first bits, which all n have in common. */
void spill_sort(struct entry *p, struct entry *work, size_t n, unsigned skip);

#endif
