/* Programs of files, folders and cases, each taken apart in a confined helper, two at a time. */
#ifndef MICRO_GATHER_H
#define MICRO_GATHER_H

#include "base/base.h"

struct gathered {
	const char *sha256, *called;   /* called: the path, or the last part of one */
	const char *within;            /* the operand it stood in, or NULL: it is the operand */
	json_t *identity;              /* identify()'s object (code.h) */
};
/* One at a time, in no certain order; -1 stops. */
typedef int gather_fn(void *ctx, const struct gathered *g, struct err *e);

struct gather_count { uint64_t files, programs, failed; };   /* failed: the helper crashed, stalled or was refused */

/* Each operand: a file, a folder (links are not followed), a case (bodies, and what was unpacked of them). NULL ends them. Bytes that
 * are neither ELF nor PE are no program. -1: an operand cannot be read (66), a case is damaged (65), no helper (69, 70), or fn. */
int gather_run(char *const *operands, gather_fn *fn, void *ctx, struct gather_count *n, struct err *e);

#endif
