/*
 * sources: who vouches for digests, numbered while an index is built. Where several vouch for one digest, its source is a
 * set, which is a source as well: its name is its members' names with a newline between, in the order of their numbers.
 * So withdrawing a source can leave what another one vouches for.
 */
#ifndef KNOWN_SOURCES_H
#define KNOWN_SOURCES_H

#include "base/base.h"

#define CAP_VOUCHERS 256u   /* of one digest; further ones are not noted, so what they vouch for can only be forgotten too early */

struct sources;
struct sources *sources_new(void);
/* The number of a source by its name, made when it is new. A newline in it becomes "\n", two characters. */
int sources_number(struct sources *s, const char *name, uint32_t *number, struct err *e);
/* As it stands in an index, a set or not: the number is how many there were before. */
int sources_load(struct sources *s, const char *name, struct err *e);
/* The number of the set of these members: ascending, each once, none a set; count 1 is the member itself. */
int sources_set(struct sources *s, const uint32_t *members, size_t count, uint32_t *number, struct err *e);
size_t sources_count(const struct sources *s);
const char *sources_name(const struct sources *s, uint32_t number);
void sources_free(struct sources *s);

#endif
