/* What a helper found inside of a sample, or saw it make: its bytes as members of the case, and each described as a sample is. */
#ifndef MICRO_INNER_H
#define MICRO_INNER_H

#include "confine/confine.h"
#include "micro/micro.h"

/* "crashed", "timeout" ... for a static.json: how a helper ended that said nothing useful. */
const char *inner_end(enum helper_end end);
/* What a helper that ran and exited with that code means: 0: hear it, or look at r->end, which tells a crash now where the code was a
 * library's way out; -1 (74): it could not write. */
int inner_ended(struct helper_result *r, const char *otherwise, struct err *e);
/*
 * Each object of a list becomes a member of the case: "offset" and "size" of the file bytes, "sha256", and under key the name that the
 * helper gave it, "unpacked-N", "dropped/<sha256>" or "embedded/<sha256>". What the helper says wrongly loses its name; all lose "offset". -1:
 * the bytes cannot be kept (74, 75).
 */
int inner_take(json_t *list, const char *key, int bytes, struct micro_extra *extra, struct err *e);
/* The bytes of the member that is named by a digest behind "dropped/" or "embedded/"; -1: there is none. Borrowed. */
int inner_body(const struct micro_extra *extra, const char *folder, const char *sha256);
/* static_analyse() of a member. NULL: there are no bytes of it, or the helper could not be run. New reference. */
json_t *inner_describe(const struct micro_extra *extra, const char *name, const char *sha256, struct buf *disasm, struct err *e);
/* Puts a list of those into stat, under key, of what the objects' "member" name: the first ones, each once. -1: no helper. */
int inner_describe_all(const struct micro_extra *extra, json_t *stat, const char *key, const json_t *objects, struct err *e);

/* Adds to stat's "signs"; steals the reason. */
void inner_sign(json_t *stat, const char *name, json_t *reason);

/* Each description of something inside that stands in a static.json, by index; NULL: there are no more. *from: what its parts are called
 * as evidence. Borrowed. */
struct inner_list { const char *key, *strings, *stack_strings, *rules; };
const json_t *inner_at(const json_t *stat, size_t i, const struct inner_list **from);

#endif
