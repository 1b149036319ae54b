/*
 * agent: the client's half as one managed cycle: scan, send, fetch, check, remove, report; its journal. It runs the tools
 * as child processes. Uses link (nothing of it but the shape of an id), trust, casefile and base. It must never run
 * anything that did not pass check.c.
 */
#ifndef AGENT_H
#define AGENT_H

#include "base/base.h"

/* ---- config.c ---- */

struct agent_config {
	char *state;             /* folder: journal.db, lock, outgoing/, incoming/, removers/, reports/, refused/ */
	char *centre, *centre_name;   /* HOST:PORT; the name its certificate must carry, NULL: HOST */
	char *key, *certificate, *authority, *revoked, *analysis;   /* PEM files; revoked may be NULL */
	char *known;             /* the whitelist's index; NULL: nothing is known good */
	char *environment;       /* the environment a proof must cover */
	char **paths;            /* only these are scanned; NULL: the machine */
	long wait;               /* seconds that one run waits for an answer */
	long patience;           /* seconds until an answer is given up */
	long timeout;            /* seconds for a scan, and for a remover */
	long niceness;
	long score;              /* only code of at least this score is sent; -1: all that is unknown */
	bool background;         /* scan only when the machine has nothing else to do */
	bool apply;              /* no: fetch and check only */
	bool rescan;
};
int config_load(const char *path, struct agent_config *c, struct err *e);
void config_free(struct agent_config *c);

/* ---- cycle.c ---- */

/*
 * Finishes what was begun, then one new cycle. 0: nothing was found, or all that was found is gone; EX_NO: an answer was
 * refused, there is no remover, or something is left; -1: 75 another run is under way, or the centre has not answered yet.
 * Prints one line a cycle that found something.
 */
int cycle_run(const struct agent_config *c, struct err *e);

/* ---- undo.c ---- */

/* Runs the kept remover of that plan with --undo, after the same checks but for age. 0, EX_NO: not all could be undone. */
int undo_run(const struct agent_config *c, const char *plan, struct err *e);

/* ---- journal.c ---- */

/* The history, newest first, as a table or as JSON lines. */
int journal_print(const struct agent_config *c, bool json, struct err *e);

#endif
