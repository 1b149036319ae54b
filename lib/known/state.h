/* state: what a commit made of an index file, and the slots that say which commit counts. state.c reads it, commit.c writes it. */
#ifndef KNOWN_STATE_H
#define KNOWN_STATE_H

#include "known/segment.h"

struct index {
	unsigned char *map;
	size_t size;                    /* up to the commit's end */
	char *path;
	unsigned char id[FORMAT_ID];
	uint64_t generation, end;
	unsigned char slot[FORMAT_SECTOR];   /* the commit's; the mapped one may be written to */
	unsigned slot_number;
	int64_t created, dpkg_time;
	unsigned from;
	uint64_t live, delta;
	uint64_t sources, revoked, text_size, state_size;
	const unsigned char *state, *source_table, *revocations, *delta_sum;   /* delta_sum: of the last delta's manifest, or zeros */
	const char *text;
	struct segment segments[FORMAT_MAX_SEGMENTS];
	unsigned n;
};

/* A record with its SHA-256 at its end, FORMAT_SECTOR bytes. */
void state_seal(unsigned char *sector);
bool state_sealed(const unsigned char *sector);
/* 65, with the file's name. */
int state_bad(const char *path, struct err *e, const char *why);
/* As index_open, for a file that is open already; the path is for messages. */
struct index *state_open(int fd, const char *path, struct err *e);

#endif
