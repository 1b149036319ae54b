/*
 * agent: the client's half: taking one case to the centre and its answer back; and all of it as one managed cycle: scan,
 * send, fetch, check, remove, report, with a journal. The cycle runs the tools as child processes. Uses link, trust,
 * casefile and base. It must never run anything that did not pass check.c.
 */
#ifndef AGENT_H
#define AGENT_H

#include "base/base.h"
#include "link/link.h"

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
	long score;              /* only code of at least this score is sent; -1: the criteria's own threshold, but all of named paths */
	bool background;         /* scan only when the machine has nothing else to do */
	bool apply;              /* no: fetch and check only */
	bool rescan;
	bool deltas;             /* yes: `known` follows the deltas that the centre publishes for it */
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

/* ---- send.c: one case to the centre ---- */

struct send_options {
	struct tls_files files;  /* key and certificate of this host, the authority */
	struct client_to to;
	const char *state;       /* folder, made when missing: what a later run needs to go on after this one was killed; or NULL */
	const char *out;         /* a file for the receipt or the answer; NULL: standard output */
	unsigned retries;        /* so many more tries after a 75, waiting ever longer */
	unsigned wait_s;         /* fetch_run: wait so long for an answer */
	bool plain;              /* send bodies although they are not sealed */
	bool json;               /* the receipt as JSON */
};
/*
 * Verifies the case at `path` (NULL or "-": standard input) to its end, offers it, sends it without the bodies that the centre
 * has (signed again then, with this host's key) and writes the receipt; 0 also when it had been received before. -1: 65 a bad
 * case, not sealed, or refused; 66, 74; 75, 76, 77 as link.h says; 78 key and certificate differ.
 */
int send_run(const struct send_options *o, const char *path, struct err *e);

/* ---- fetch.c: the answer to one case ---- */

/*
 * Waits for the answer to the case `id` (32 hex digits), reads it to its end and writes it out, whole or not at all. -1: 75 none
 * yet; EX_NO the centre does not know the case; 65 the answer is not whole or for another case; else as send_run.
 */
int fetch_run(const struct send_options *o, const char *id, struct err *e);
/*
 * The delta that leads on from version `from` of the whitelist index `id`, as the centre has it: who applies it verifies it. -1:
 * EX_NO there is none newer, or the centre knows no such index; 65 it has only later ones; 69 it hands out none; else as send_run.
 */
int fetch_delta(const struct send_options *o, const char *id, uint64_t from, struct err *e);

#endif
