/* follow: what is remembered of dpkg's database beside the index, so that only what changed is read again. */
#ifndef KNOWN_FOLLOW_H
#define KNOWN_FOLLOW_H

#include "known/packages.h"

/* In INDEX.follow: a line of JSON about the whole, and one with a member for each package. */
struct memory {
	char *path;
	json_t *head;             /* {"format","all","root","index","database","expires"} */
	json_t *packages;         /* "coreutils:amd64": [stamp, whether it vouches for something]; NULL: not read yet */
	struct buf text;
};
void memory_read(struct memory *m, const char *index);   /* what cannot be read, or is something else, is forgotten */
/* The second line as well. */
void memory_read_packages(struct memory *m);
int memory_write(const struct memory *m, struct err *e);
void memory_free(struct memory *m);
/* Which file stands at the path, and when it was written last; caller frees. "" when there is none. */
char *memory_stamp(const char *path);

#endif
