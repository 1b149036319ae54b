/* The processes of a sample's runs in the garden, of dynamic.json (muss-case(5)): which the page and STIX tell. */
#ifndef EXPORT_PROCESSES_H
#define EXPORT_PROCESSES_H

#include "export/internal.h"

#define PROCESSES_TOLD 500u      /* of all runs; a run lists as many at most */
#define RUNS_TOLD 16u            /* garden/runs.json has less */
#define NO_PROCESS ((size_t)-1)

enum deed { DEED_PROGRAM, DEED_FILE, DEED_NETWORK, DEED_MEMORY, DEED_WAIT, DEED_OTHER, DEEDS };
enum image { IMAGE_SAMPLE, IMAGE_MADE, IMAGE_MEMORY, IMAGE_SYSTEM, IMAGE_OTHER };

struct process {
	const json_t *o;             /* of dynamic.json */
	json_int_t run, pid, last;   /* last: the highest number of those that this one stands for */
	size_t parent, depth;        /* NO_PROCESS: nobody's child */
	size_t as, times;            /* the process whose row tells it as well; how many a row tells */
	size_t next_image;           /* the same process after it executed another program; NO_PROCESS: none */
	size_t did[DEEDS];           /* lines of the timeline */
	enum image image;
};

struct processes {
	const json_t *dynamic;
	struct process *process;
	size_t count, left_out;
	size_t *row, rows;           /* who is told, parents before children */
	json_t *services;            /* set of those that exchanges were with */
};

/* Believes nothing of dynamic.json; borrows it. */
void processes_load(struct processes *p, const json_t *dynamic);
void processes_free(struct processes *p);
/* What an event of the timeline is about. */
enum deed processes_deed(const struct processes *p, const char *event);
/* The index of a run's process, of its first image; NO_PROCESS. */
size_t processes_find(const struct processes *p, json_int_t run, json_int_t pid);
/* The first run that showed an entry of a list; 0 where it says none. */
json_int_t processes_run(const json_t *entry);
/* It did nothing, and another one showed something: then it is folded away. */
bool processes_idle(const json_t *dynamic, json_int_t run);

#endif
