/* What the processes of one scan share: the child that looks, its spare, and their supervisor (watch.c, guard.c). */
#ifndef HOST_SHARED_H
#define HOST_SHARED_H

#include <stdatomic.h>

#include "host/internal.h"

#define DEPTH 8u
#define NAME 200u
#define CAP_LOST 2048u            /* steps given up: at the least patience, 400 s */

struct step {
	uint64_t id, above;            /* above: that of the step it was part of */
	dev_t dev;
	bool brittle;
	char name[NAME];
};

struct shared {
	_Atomic uint64_t beats;
	_Atomic bool resting;          /* sleeps on purpose, or writes its output: not to be given up */
	_Atomic uint32_t turn;         /* changes when a spare should look up */
	_Atomic uint32_t generation;   /* of the newest spare */
	_Atomic uint32_t go;           /* the spare of that generation shall go on */
	_Atomic int spare;             /* its number, 0: none */
	_Atomic unsigned depth;
	struct step step[DEPTH];
	_Atomic unsigned lost_count;
	struct { struct step step; bool crashed; } lost[CAP_LOST];
	unsigned patience_ms;
	bool done;
	int rc;
	struct err e;
};

extern struct shared *shared;    /* NULL: nobody watches */
extern int shared_output;        /* the child's end of the socket by which it gets standard output, or -1 */

/* Spares look up: is it their turn, or was another one made? */
void watch_wake(void);

#endif
