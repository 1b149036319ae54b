/* What the look at one process has gathered so far (process.c, running.c, memory.c). */
#ifndef HOST_LOOK_H
#define HOST_LOOK_H

#include <limits.h>

#include "host/internal.h"

/* One piece of code in this process, as its sighting grows with each mapping. */
struct item {
	struct piece *piece;
	json_t *sighting;
	size_t modified;
};

struct look {
	struct host *h;
	struct proc proc;
	struct piece *exe;
	char exe_path[PATH_MAX];
	struct stat exe_stat;
	bool exe_mapped, all_opened, has_text;
	struct item *items;
	size_t count;
	struct region *regions;
	size_t region_count;
	struct span *spans;       /* where code of no file that has a name is mapped */
	size_t span_count;
	struct span *texts;       /* mapped files whose code differs in memory */
	size_t text_count;
	struct map_flags flags;   /* of its mappings */
	bool known;               /* was looked at before, in this scan */
	struct runtimes runtimes; /* among what it maps */
	enum mapped_where where, exe_where;   /* of what was taken last, of the program */
	uint64_t unbacked;        /* where the unbacked memory that ends where the last map ended begins */
	uint64_t last_end;
};

/* ---- process.c ---- */

/* Tells the piece of a sighting in this process; takes the reference. What was seen of the same process before was told then. */
void process_sight(const struct look *l, struct piece *p, json_t *sighting);
/* Notes that code of no file that has a name is mapped there. */
void process_span(struct look *l, uint64_t start, uint64_t end, struct piece *p, bool expected);

/* ---- running.c: the files that it runs ---- */

/* Its program. 0; -1 errno: not permitted or gone. */
int running_exe(struct look *l);
/* A file that it maps to execute. */
int running_map(struct look *l, const struct map *m, struct err *e);

/* ---- memory.c: its executable memory ---- */

/* All of it, as a step that can be given up. */
int memory_take(struct look *l, struct err *e);
/* A map whose bytes no file gives, or a file that cannot be read (MAPS_FILE): to be dumped. before: where the unbacked memory
 * right below it begins, or 0. */
void memory_note(struct look *l, const struct map *m, enum maps_kind kind, uint64_t before);

#endif
