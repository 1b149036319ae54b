/* mscan's parts: what is asked for, the scan, its case, and the signs. */
#ifndef MSCAN_H
#define MSCAN_H

#include "host/host.h"

#define DEFAULT_FOLDER "/var/lib/muss"
#define DEFAULT_INDEX DEFAULT_FOLDER "/scan.idx"

struct index;

struct options {
	struct tool t;
	const char *root, *known, *index;   /* NULL: none; known: the whitelist, index: the scan index */
	char **files;             /* ends with NULL; NULL: not these but the machine */
	pid_t pid;                /* 0: not this process alone */
	unsigned watch;           /* seconds */
	bool idle, rehash, forget, zstd;
	bool submit;              /* least is the score at which code is sent to the centre */
	double least, budget, patience;
	bool list;                /* the signs, instead of a scan */
	const char *sign;         /* this one, instead of a scan */
};

/* ---- mscan-index.c: where the scan index is to be ---- */

/* Refuses, as wrong usage, a name that is none, and one at which, or at whose key, the case is to stand. */
void mscan_check_index(const struct options *o);

/* ---- mscan-look.c: the scan ---- */

/* The scan index that root uses of the whole machine without being told, or NULL. */
const char *mscan_default_index(void);
int mscan_look(const struct options *o, const struct judge *j, struct err *e);

/* ---- mscan-case.c: the case ---- */

/* Code of at least the score `least`, without what `known` drops (NULL: nothing). */
int mscan_case(const struct options *o, double least, struct host *h, json_t *profile, const struct index *known, struct err *e);

/* ---- mscan-signs.c ---- */

int mscan_list(const struct judge *j);
int mscan_explain(const struct judge *j, const char *name, struct err *e);

#endif
