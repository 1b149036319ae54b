/* What the files of agent share: rows of the journal, an answer under check, the tools, a case that travels. */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include "agent/agent.h"
#include "casefile/casefile.h"
#include "trust/trust.h"

#define ID 33   /* 32 hex digits and NUL */

bool id_ok(const char *id);

/* ---- journal.c: one row a case ---- */

/* In order; those from NOTHING_FOUND on are ends. Names in journal.c. */
enum state { SCANNED, SENT, ANSWERED, CHECKED, APPLIED, NOTHING_FOUND, REPORTED, UNSOLVED, REFUSED, FAILED, UNDONE, STATES };
struct row {
	char id[ID], host[ID], plan[ID], report[ID];   /* case, this host, plan, the case of the report; "" while there is none */
	enum state state;
	int64_t started, changed, codes, attempts, remaining;
	char text[768];                                /* what there is to say about it */
};
struct db *journal_open(const struct agent_config *c, struct err *e);
int journal_add(struct db *d, const struct row *r, struct err *e);
/* Saves it; a new state is an event of its own. */
int journal_save(struct db *d, struct row *r, struct err *e);
int journal_move(struct db *d, struct row *r, enum state to, struct err *e);
/* 1 the oldest open row begun after `after` (and not it), 0 none, -1. */
int journal_next_open(struct db *d, const struct row *after, struct row *r, struct err *e);
int journal_find(struct db *d, const char *column, const char *value, struct row *r, struct err *e);   /* 1, 0, -1 */
/* The newest version of a certificate that was accepted; 0: none. */
int journal_newest(struct db *d, int64_t *version, struct err *e);
int journal_accept(struct db *d, int64_t version, struct err *e);
/* What became of a delta to that version of the index of this id: the newest of each index is told with the history. */
int journal_delta(struct db *d, const char *index, uint64_t version, const char *state, const char *text, struct err *e);
/* One run at a time: a descriptor to close, or -1 (75). */
int journal_lock(const struct agent_config *c, struct err *e);
char *journal_path(const struct agent_config *c, const char *folder, const char *name, const char *suffix);
const char *journal_state_name(enum state s);

/* ---- answer.c: what came back, or what was kept of it ---- */

struct answer {
	json_t *case_json, *plan, *certificate, *proof;   /* NULL: not there */
	struct buf case_bytes, plan_bytes, certificate_bytes, certificate_sig, proof_bytes;
	int remover;                                      /* a descriptor, or -1 */
	char remover_sha256[DIGEST_HEX], plan_sha256[DIGEST_HEX];
};
/* Reads a case whose MANIFEST was signed by the signer; 65, 77. Nothing of it is looked at before that. */
int answer_read(const char *path, struct verifier *v, const char *environment, struct answer *a, struct err *e);
/* Keeps it in a folder, all or nothing; the remover with mode 0700. */
int answer_keep(const struct answer *a, const char *folder, struct err *e);
int answer_load(const char *folder, struct answer *a, struct err *e);
void answer_free(struct answer *a);

/* ---- check.c ---- */

struct expected {
	const char *host, *case_id, *environment;
	int64_t newest;    /* version; -1: age does not matter (undo) */
	int64_t now;
};
/* Everything that must hold before the remover may run; 77 (not for us, not now) or 65 (not genuine). */
int check_answer(const struct answer *a, struct verifier *v, const struct expected *x, struct err *e);

/* ---- tools.c: the tools as child processes ---- */

/* Scans into outgoing/; fills a new row. */
int tools_scan(const struct agent_config *c, struct row *r, struct err *e);
/* Which of the codes does a scan still find? Adds them to `found`; bodies are not packed. */
int tools_rescan(const struct agent_config *c, const json_t *codes, json_t *found, struct err *e);
int tools_send(const struct agent_config *c, const char *id, struct err *e);
int tools_fetch(const struct agent_config *c, const char *id, struct err *e);   /* into incoming/; 75 not yet */
/* The id and the version of the whitelist's index. */
int tools_index(const struct agent_config *c, char id[ID], uint64_t *version, struct err *e);
/* The delta from that version on, to a file; EX_NO: none newer, or the centre knows no such index. */
int tools_delta(const struct agent_config *c, const char *id, uint64_t from, const char *to, struct err *e);
/* Into the whitelist's index, when all that mwhite checks holds. */
int tools_apply(const struct agent_config *c, const char *delta, struct err *e);
/* Runs the open remover; what it prints goes to `report`. Its exit code, or -1. */
int tools_remover(const struct agent_config *c, int remover, const char *what, struct buf *report, struct err *e);
/* A signed case with the report in outgoing/; its id in r->report. */
int tools_report(const struct agent_config *c, struct row *r, const json_t *case_json, const json_t *report, struct err *e);

/* deltas.c: has the whitelist's index follow what the centre published. 0; EX_NO: one was refused, or is missing; -1 it may do
 * better later. The index is as it was or newer, and the reason in the journal. */
int deltas_follow(const struct agent_config *c, struct db *d, struct err *e);

/* removal.c: checks again, runs, stores reports/PLAN.json (apply) or PLAN.undo.json. 0, EX_NO something remains, -1. */
int removal_run(const struct agent_config *c, struct verifier *v, struct db *d, struct row *r, bool undo, struct err *e);

/* ---- content.c: what is in a case that travels ---- */

struct content {
	char id[LINK_ID];
	struct link_body *bodies;   /* the sealed ones, in the order of the case */
	size_t n, cap;
	bool is_signed;
};
/* Reads all of it from the start: nothing is sent of a case that is not whole. Bodies that are not sealed are an error (65)
 * unless `plain`. Fills *c, which is content_free's also after -1. */
int content_read(int fd, bool plain, struct content *c, struct err *e);
void content_free(struct content *c);

/* ---- send.c: what fetching needs too ---- */

/* Reads the key and the certificates, makes the state folder. */
struct tls *send_tls(const struct send_options *o, struct err *e);
/* 1, 2, 4 ... 60 s, and up to half as much by chance, so that hosts that failed together do not come back together. */
void send_back_off(unsigned attempt, const struct err *e);

#endif
