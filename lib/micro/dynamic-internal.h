/* Of dynamic analysis: what a run in the garden showed, put into dynamic.json's words. Functions stand under the name of
 * the .c file. */
#ifndef MICRO_DYNAMIC_INTERNAL_H
#define MICRO_DYNAMIC_INTERNAL_H

#include "garden/garden.h"
#include "micro/micro.h"

/* ---- settings.c: in what ways a sample is run, one after the other: rules/garden/runs.json, muss-garden(7) ---- */

struct setting {
	const char *name;
	unsigned uid;                /* of whoever runs it; a world that is not made by root knows 0 only */
	const char **envp;           /* NULL: root's usual */
	const char **argv;           /* behind its path, instead of what it was seen with; NULL: that */
	const char *cwd;             /* NULL: / */
	int days;                    /* how many its date is ahead */
	bool offline;                /* nobody answers */
	const char *windows;         /* which Windows, as Wine names it; NULL: win10 */
};
#define DAY_NS (86400 * (int64_t)1000000000)
struct settings;
struct settings *settings_open(const char *file, struct err *e);   /* of rules/; 78 */
const struct setting *settings_get(const struct settings *s, size_t i);   /* NULL: there are no more */
void settings_free(struct settings *s);

/* ---- observe.c: one run ---- */

/* dynamic.json's keys for one run, without "sha256" and "how". known: "memory" of earlier runs, whose bytes are not kept again. NULL only
 * when no garden can be had (69), or for want of disk or memory. New reference. */
json_t *observe_run(const struct micro_sample *s, const struct setting *setting, int seconds, const json_t *known, struct micro_extra *extra,
                    struct err *e);

/* ---- traffic.c: what was said to the dummy Internet ---- */

/* struct run's exchanges in order of time, by the run's own time, with the "pid" of the process that spoke; new reference. */
json_t *traffic_exchanges(const json_t *exchanges, const json_t *events, double began, unsigned *left_out);
json_t *traffic_indicators(const json_t *exchanges, const json_t *scans);   /* [{"kind","value","from"}] as static.json has them; new reference */
void traffic_signs(json_t *signs, const json_t *exchanges, const json_t *scans);

/* ---- timeline.c ---- */

/* [{"t","clock","pid","event","what"}]: what happened, a line each, repetitions as one ("times"), exchanges among it. New reference. */
json_t *timeline_of(const json_t *events, const json_t *exchanges, unsigned *left_out);

/* ---- union.c ---- */

/* Moves the lists of a run to those of all runs. */
void union_add(json_t *all, json_t *one, unsigned run);
bool union_silent(const json_t *one);   /* it did nothing: another setting may show more */

/* ---- effects.c: from the world's changes to files and start-up entries ---- */

struct effects {
	const char *sha256, *path;   /* of the sample, and where it was put */
	struct world *world;
	const json_t *changes;       /* world_changes */
	json_t *files, *startup, *accounts;   /* filled */
	struct micro_extra *extra;   /* bodies of files it made */
	bool gone;                   /* its own file is no longer there */
	unsigned left_out;           /* changes past the cap, bodies past theirs */
};
int effects_find(struct effects *f, struct err *e);
/* The whole of a text file of the world; lower: as it was before. false: there is none, or it is longer than such files are. */
bool effects_read(const struct effects *f, bool lower, const char *path, struct buf *b);

/* ---- lines.c ---- */

/* The lines of `now` that are more often there than in `before`, in their order, each cut at 4096 bytes; the first 200. Both texts are
 * cut up. */
json_t *lines_added(struct buf *now, struct buf *before);

/* ---- contents.c: what was in a file before, and what it is worth now ---- */

/* Puts into o: "before" (SHA-256) and "before_size" of what stood at the path of this change, "unreadable" (true) where that, or
 * the file `was` (NULL: none) that it takes the place of, meant something and its content now looks like chance. */
void contents_compare(const struct effects *f, const json_t *change, const char *path, const char *was, json_t *o);

/* ---- accounts.c: from changed /etc/passwd, shadow, group and sudoers to what became of accounts ---- */

bool accounts_file(const char *path);
void accounts_compare(struct effects *f, const char *path);   /* adds to f->accounts */

/* ---- disguise.c ---- */

/* Is `name` that of a kernel thread or of a system's service, as which the program at `path` is not called? */
bool disguise_claims(const char *name, const char *path);

/* ---- trail.c: from the tracer's events to processes, connections, memory and signs ---- */

struct trail {
	const char *sha256;
	const json_t *events;
	const json_t *alive;         /* run_processes at the end, or NULL */
	const json_t *known;         /* "memory" of earlier runs */
	int dumps;                   /* file of the dumps, or -1 */
	json_t *processes, *connections, *memory, *sleeps, *signs;   /* filled */
	struct micro_extra *extra;
	unsigned left_out;
};
int trail_follow(struct trail *t, struct err *e);
void trail_sign(json_t *signs, const char *name, const char *reason);   /* once a name */

/* ---- observe.c, for other ways to run ---- */

/* What the dummy Internet heard: into d's "exchanges", "indicators", "scans" and "timeline", and t's connections and signs. */
void observe_traffic(const struct run *r, json_t *d, struct trail *t);
void observe_capture(int *capture, struct micro_extra *extra);   /* the packets as a member, where there are any; may take the descriptor */

#endif
