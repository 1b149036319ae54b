/* Of dynamic analysis: what a run in the garden showed, put into dynamic.json's words. Functions stand under the name of
 * the .c file. */
#ifndef MICRO_DYNAMIC_INTERNAL_H
#define MICRO_DYNAMIC_INTERNAL_H

#include "garden/garden.h"
#include "micro/micro.h"

/* ---- effects.c: from the world's changes to files and start-up entries ---- */

struct effects {
	const char *sha256, *path;   /* of the sample, and where it was put */
	struct world *world;
	const json_t *changes;       /* world_changes */
	json_t *files, *startup;     /* filled */
	struct micro_extra *extra;   /* bodies of files it made */
	bool gone;                   /* its own file is no longer there */
	unsigned left_out;           /* changes past the cap, bodies past theirs */
};
int effects_find(struct effects *f, struct err *e);
/* Which kind of start-up place a path is; NULL: none. */
const char *effects_place(const char *path);

/* ---- trail.c: from the tracer's events to processes, connections, memory and signs ---- */

struct trail {
	const char *sha256;
	const json_t *events;
	const json_t *alive;         /* run_processes at the end, or NULL */
	int dumps;                   /* file of the dumps, or -1 */
	json_t *processes, *connections, *memory, *signs;   /* filled */
	struct micro_extra *extra;
	unsigned left_out;
};
int trail_follow(struct trail *t, struct err *e);
void trail_sign(json_t *signs, const char *name, const char *reason);   /* once a name */

#endif
