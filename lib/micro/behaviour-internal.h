/* Of the verdict: the parts of behaviour_derive(). */
#ifndef MICRO_BEHAVIOUR_INTERNAL_H
#define MICRO_BEHAVIOUR_INTERNAL_H

#include "micro/verdict-internal.h"

struct look {
	const char *sha256;
	const json_t *about, *dynamic;
	json_t *own;             /* set of the paths that are the sample or a copy of it */
	behaviour_add *add;
	void *ctx;
	char at[48];             /* what is looked at */
};

/* The path, without " (deleted)" behind it, is the sample or a copy of it. NULL is none. */
void behaviour_own(json_t *own, const char *path);
/* What follows is seen at this entry of this list of dynamic.json. */
void behaviour_at(struct look *l, const char *list, size_t index);
/* The sign `name`: "FMT WHAT". */
void behaviour_say(const struct look *l, const char *name, const char *fmt, const char *what);

/* ---- behaviour-files.c ---- */

void behaviour_files(struct look *l);

#endif
