/* parts: the beginnings of uploads, below part/. Room-internal. */
#ifndef CENTRE_PARTS_H
#define CENTRE_PARTS_H

#include "centre/centre.h"

#define PARTS_NAME 96

/* Whoever, whatever: two uploads that differ in anything never share a file. */
void parts_name(const struct spool_upload *u, char name[PARTS_NAME]);
void parts_drop_old(struct spool *s, int64_t keep_s);
/* An owner has at most so many; its oldest gives way. */
void parts_make_room(struct spool *s, const struct spool_upload *u);

#endif
