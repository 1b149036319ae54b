/*
 * micro: what one piece of code is and does: static analysis in a confined helper, a run in the garden, and a verdict
 * with its reasons. Uses garden, code, confine, casefile, judge, base. It never knows how a case came here or what will be
 * done about it.
 */
#ifndef MICRO_H
#define MICRO_H

#include "base/base.h"

/* One piece of code as it stands in a case. Everything is borrowed. */
struct micro_sample {
	const char *sha256;
	const char *kind;          /* about.json's: file, deleted, memfd, memory, module, script, startup */
	const json_t *about;       /* the whole about.json */
	int body;                  /* its bytes, from offset 0 (pread; the offset is nobody's); -1: the case has none */
	const char *path;          /* bytes, not jsonio's form: where it stood (the first sighting's exe or path, else the first
	                              of paths, " (deleted)" cut off); NULL: not known (memory) */
	const char *const *argv;   /* its command line as seen in a sighting, NULL-terminated bytes; NULL: not known */
	const json_t *stat;        /* static.json's object; NULL: none yet */
};

#define MICRO_INDEXES 16u
#define MICRO_WORKERS 256u

struct micro_options {
	int seconds;               /* of observation in the garden */
	bool static_only;          /* nothing is run */
	bool all_dynamic;          /* whatever can be run is run */
	double min_score;          /* about.json's score from which a piece is run */
	const char *known;         /* folder of what is known of earlier samples; NULL: none */
	const char *index[MICRO_INDEXES]; size_t indexes;   /* of functions: static.json's "known" */
	unsigned workers;          /* pieces analysed at once, at most MICRO_WORKERS; 0: as many as there are processors */
};

/* Further members that an analysis adds: code/<sha256>/<name>. */
struct micro_member {
	char *name;                /* "dropped/<sha256>", "unpacked-1", ... */
	unsigned mode;
	int fd;                    /* the bytes, from 0 */
};
struct micro_extra {
	struct micro_member *member;
	size_t count, room;
};

/* ---- micro.c ---- */

/* Takes fd (closes it in micro_extra_free); copies name. A member of that name that is there already stays: fd is closed. At most
 * MICRO_EXTRA members: then fd is closed and false returned. */
#define MICRO_EXTRA 256u
bool micro_add(struct micro_extra *x, const char *name, unsigned mode, int fd);
void micro_extra_free(struct micro_extra *x);
/* The filter: a case from `in`, the same with analysis members to `out`, in the same order and with the same bytes however many
 * workers there are. Samples are run one at a time. */
int micro_run(const struct micro_options *o, int in, int out, struct err *e);

/* ---- static.c ---- */

/* static.json's object; disasm gets disasm.txt's text (empty: none). A parser that crashes is a finding ("parser":"crashed").
 * NULL only when the helper could not be run (69, 70). New reference. */
json_t *static_analyse(const struct micro_sample *s, struct buf *disasm, struct err *e);

/* ---- carve.c ---- */

/* Puts "carved" into stat, and "embedded", which describes what was found, when something was; its bytes as members
 * "embedded/<sha256>". A sample that crashes or stalls the carver is a finding ("stopped":"crashed"). -1 as for unpack_analyse(). */
int carve_analyse(const struct micro_sample *s, json_t *stat, struct micro_extra *extra, struct err *e);

/* ---- unpack.c ---- */

/* Behind carve_analyse(): of a sample that is no program, the first program that it carries is emulated ("of"). Puts "unpack" into
 * stat, and "unpacked", which describes unpacked-1, when there is one, and "dropped", which describes what it made; the text of its
 * disassembly behind disasm's; the memory and what the program wrote as members "unpacked-N" and "dropped/<sha256>". Where there is no
 * program for x86 stat stays as it is; one that crashes or stalls the emulator is a finding ("end":"crashed"). -1 only when the
 * helper could not be run (69, 70) or the members not be kept (74, 75). */
int unpack_analyse(const struct micro_sample *s, json_t *stat, struct buf *disasm, struct micro_extra *extra, struct err *e);

/* ---- dynamic.c ---- */

/* "signs" need "name" and "reason" only (names: rules/verdict.json, source "dynamic"); verdict_weigh() adds the weights. What follows
 * from "files", "startup", "processes", "connections" and "memory" is derived by verdict.c as well and may be left out.
 * dynamic.json's object: the sample run in a garden of its own for o->seconds at most, and again in other ways (rules/garden/runs.json) as
 * long as it does nothing, all together for twice that. Whatever the sample does is a finding; NULL only when no garden can be had (69),
 * the ways are wrong (78), or for want of disk or memory. New reference. */
json_t *dynamic_analyse(const struct micro_sample *s, const struct micro_options *o, struct micro_extra *extra, struct err *e);

/* ---- verdict.c ---- */

struct verdict;                /* the weights and thresholds of rules/verdict.json */
struct verdict *verdict_open(struct err *e);
/* Adds "weight" (and "group") to each of `signs` that the file lists for this source. */
void verdict_weigh(const struct verdict *v, const char *source, json_t *signs);
double verdict_sum(const json_t *stat);   /* what a static.json's signs and rules weigh together, group by group */
/* verdict.json's object from about.json, static.json and dynamic.json (either of the latter may be NULL). New reference. */
json_t *verdict_judge(const struct verdict *v, const char *sha256, const json_t *about, const json_t *stat, const json_t *dynamic);
void verdict_free(struct verdict *v);

#endif
