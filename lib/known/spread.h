/*
 * spread: the entries of an index that is being built, spread by their first bits over blocks of parts, in memory and then in
 * an unnamed file, so that memory stays bounded; and sorting what comes back. One thread at a time, but for spread_load().
 */
#ifndef KNOWN_SPREAD_H
#define KNOWN_SPREAD_H

#include "known/known.h"

struct entry {
	unsigned char digest[KNOWN_DIGEST];
	uint32_t source, name;
};

#define SPREAD_BITS 10u
#define SPREAD_PARTS (1u << SPREAD_BITS)

struct spread;
struct spread *spread_new(struct err *e);
/* There will be many: large pages. */
void spread_many(struct spread *s);
/* 65 where so many digests begin alike that they cannot be SHA-256 of files. */
int spread_add(struct spread *s, const struct entry *p, size_t n, struct err *e);
uint64_t spread_count(const struct spread *s);
/* Whether digests were cut to FORMAT_KEPT bytes to save room. */
bool spread_cut(const struct spread *s);
uint64_t spread_part_count(const struct spread *s, uint32_t part);
/* Writes out what is still in memory, and frees that. Before spread_load. */
int spread_close(struct spread *s, struct err *e);
/* The entries of a part, to where there is room for spread_part_count() of them; of the digests the first `kept` bytes, and zeros. */
int spread_load(const struct spread *s, uint32_t part, struct entry *to, unsigned kept, struct err *e);
void spread_free(struct spread *s);

/* By digest, source, name, from one place to another. skip: the first bits, which all n have in common. */
void spread_sort(const struct entry *from, struct entry *to, size_t n, unsigned skip);

#endif
