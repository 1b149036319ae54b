/*
 * flow: the centre's half as one managed flow: every received case through the analysis to its answer, with its errors,
 * its retries and the casebook. Part of the room centre; runs the tools as child processes.
 */
#ifndef CENTRE_FLOW_H
#define CENTRE_FLOW_H

#include "centre/centre.h"

struct flow_config {
	char *spool;
	char *authority, *revoked;                           /* PEM; revoked may be NULL */
	char *analysis_key, *analysis_certificate;
	char *signer_key, *signer_certificate;
	char *known;                                         /* what mnicter has learnt; NULL: nothing is kept */
	char *environment;                                   /* mverify -e */
	long seconds;                                        /* a sample may run; -1: mnicter's own */
	long retries;
	long timeout;                                        /* seconds for one case */
	bool run_samples;                                    /* no: mnicter micro --static */
};

/* ---- flowconf.c ---- */

int flowconf_load(const char *path, struct flow_config *c, struct err *e);
void flowconf_free(struct flow_config *c);

/* ---- casebook.c: SPOOL/casebook.db ---- */

/* received and retry are open; the others are ends. */
struct casebook_row {
	char id[CENTRE_ID], host[128], state[16], answers[CENTRE_ID];   /* host: the CN that signed; answers: a report on that case */
	int64_t received, changed, attempts, codes, malicious;
	char text[768];
};
struct db *casebook_open(const char *spool, struct err *e);
int casebook_find(struct db *d, const char *id, struct casebook_row *r, struct err *e);   /* 1, 0, -1 */
int casebook_save(struct db *d, struct casebook_row *r, struct err *e);                   /* inserts or updates; a change is an event */
int casebook_code(struct db *d, const char *id, const char *sha256, const char *verdict, double score, struct err *e);
int casebook_report(struct db *d, const char *id, const char *answers, const char *json, struct err *e);
/* The book, newest first, as a table or as JSON lines (those with their codes' verdicts). */
int casebook_print(const char *spool, bool json, struct err *e);

/* ---- reply.c: from an analysed case to what the host may have ---- */

enum outcome { OUTCOME_NOTHING, OUTCOME_REMEDY, OUTCOME_UNSAFE, OUTCOME_FAILED };
struct reply {
	enum outcome outcome;
	struct signer *signer;        /* signs the answer */
	struct db *book;              /* takes the verdicts; NULL: none */
	struct casebook_row *row;
};
extern const char *const reply_outcomes[];
/* What a case says of itself. signer_name: 128 bytes. Unless v is NULL, MANIFEST must be signed by a host. */
struct reply_facts {
	char id[CENTRE_ID], answers[CENTRE_ID], signer_name[128];
	int64_t codes, malicious;
	bool plan;
	json_t *report;   /* the first report/PLAN.json; NULL: none */
};
struct verifier;
int reply_look(int fd, struct verifier *v, struct reply_facts *f, struct err *e);
void reply_facts_free(struct reply_facts *f);
/* The answer: case.json with its "outcome", about.json and verdict.json of each piece of code and, if there is one, remedy/ and
 * proof/. No byte of a sample goes out. */
int reply_write(const struct reply *r, int in, int out, struct err *e);
/* The centre's own copy: all of the analysis, without the samples' bytes (done/ and store/ hold them, sealed). */
int reply_archive(int in, int out, struct err *e);

/* ---- publish.c: deltas that a signer made, into the spool ---- */

/*
 * Verifies each of the deltas (NULL behind the last), in order, and puts it where the front end hands it out. One that was
 * published before is well. -1: 65 damaged, its version is not the next one, or another one was published as it; 77 not
 * signed by a signer of the authority, or expired.
 */
int publish_run(const struct flow_config *c, char *const *paths, struct err *e);

/* ---- flow.c ---- */

/*
 * One cycle over SPOOL/in. 0: every case was dealt with; EX_NO: one or more failed for good; -1: 75 another run is under way, or
 * a case waits for its next try.
 */
int flow_run(const struct flow_config *c, struct err *e);

#endif
