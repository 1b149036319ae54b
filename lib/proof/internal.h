/* proof's own: what its files share. Functions stand under the name of the .c file that defines them. */
#ifndef PROOF_INTERNAL_H
#define PROOF_INTERNAL_H

#include "casefile/casefile.h"
#include "garden/garden.h"
#include "proof/proof.h"
#include "trust/trust.h"

#define CAP_DROPPED 1000u          /* files by digest that are kept for planting */
#define CAP_STARTED 16u            /* specimens that run at once */
#define REMOVER_PATH "/run/muss/remover"

/* ---- evidence.c: what the case tells ---- */

struct bytes { char sha256[DIGEST_HEX]; int fd; bool is_body; };
struct specimen { char sha256[DIGEST_HEX]; json_t *about, *dynamic; };
struct evidence {
	json_t *case_json, *plan;
	struct buf plan_bytes;
	char plan_sha256[DIGEST_HEX], remover_sha256[DIGEST_HEX];
	int remover;                       /* -1: the case has none */
	struct specimen *specimen;         /* the malicious pieces */
	size_t specimens;
	struct bytes *bytes;               /* theirs, and of what they dropped */
	size_t count;
	/* of the piece that is being read */
	json_t *about;
	struct buf dynamic, verdict;
	size_t first;                      /* its first entry in bytes */
};
/* The filter's callbacks, with a struct evidence as ctx. */
int evidence_head(void *ctx, json_t *case_json, struct err *e);
int evidence_about(void *ctx, const char *sha256, json_t *about, struct err *e);
int evidence_tap(void *ctx, const struct member *m, struct tap *t, struct err *e);
int evidence_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e);
/* After the end: parses and digests. 65 when plan and remover are not both there or not readable. */
int evidence_complete(struct evidence *v, struct err *e);
bool evidence_has_remedy(const struct evidence *v);
int evidence_bytes(const struct evidence *v, const char *sha256);      /* descriptor or -1 */
bool evidence_is_body(const struct evidence *v, const char *sha256);   /* a malicious piece's own digest? */
void evidence_free(struct evidence *v);

/* ---- signs.c: what has to be gone ---- */

enum sign_kind { SIGN_FILE, SIGN_LINE, SIGN_LINK, SIGN_PROCESS };
struct sign {
	enum sign_kind kind;
	json_int_t id;                     /* the plan's operation, 0: the plan has none for it */
	char *path;                        /* bytes; NULL: a process wherever it runs from */
	char *text;                        /* line, link's target, interpreter; or NULL */
	char sha256[DIGEST_HEX];           /* file, process; else "" */
	bool planted;                      /* it was there when the remover came */
	bool unprovable;                   /* it cannot be made here */
};
struct signs { struct sign *sign; size_t count; };
void signs_gather(struct signs *s, const struct evidence *v);
/* Is it there? processes: run_processes()'s array; changes: world_changes()'s. */
bool signs_present(struct world *w, const struct sign *s, const json_t *processes, const json_t *changes);
char *signs_describe(const struct sign *s);        /* caller frees */
void signs_free(struct signs *s);

/* ---- infect.c: the infected system ---- */

/* Lines that nearly match those to be removed: they belong to the clean system, in its own start-up files or in such as the host has. */
int infect_prepare(struct world *w, const struct evidence *v, const struct signs *s, struct err *e);
/* Starts the specimens, waits for what they do, plants what they left undone, and decoys. *g keeps running. */
int infect(struct world *w, const struct evidence *v, struct signs *s, struct running **g, struct run *r, struct err *e);
/* A program of the world beside the others, its output into out (may be NULL). Returns its exit code, or -1. */
int infect_beside(struct running *g, const char *const *argv, struct buf *out, struct err *e);

/* ---- compare.c: two states of the world ---- */

bool compare_is_ours(const char *path);            /* quarantine and the remover itself */
const json_t *compare_find(const json_t *changes, const char *path);
/* Paths that differ, as a new array of {"path", "was", "is"}; was or is null: not there. Ours are left out. */
json_t *compare_changes(const json_t *before, const json_t *after);
char *compare_list(const json_t *differences);     /* for a message; caller frees */

/* ---- trial.c: the checks ---- */

struct trial {
	const struct evidence *evidence;
	json_t *checks, *unproven, *left;
	bool safe;
};
int trial_run(struct trial *t, struct err *e);
void trial_check(struct trial *t, const char *name, bool pass, const char *fmt, ...) PRINTF(4, 5);
/* What one trial holds; the states of the world are world_changes()'s. */
struct scene {
	struct world *w;
	struct signs signs;
	struct running *g;
	struct run run;
	json_t *clean, *infected, *after;
};

/* ---- remains.c: what is left, and what else is different, after the remover ran ---- */

/* Checks "indicators-gone": each sign, each file with a digest of the plan or the code, each start-up entry that was not there
 * before. Notes in t->left what differs from the clean system. */
void remains_gone(struct trial *t, const struct scene *s);
/* Checks "nothing-else-changed": what was not the plan's is as it was in the infected system. */
void remains_others(struct trial *t, const struct scene *s);

/* ---- certify.c: what is written down ---- */

/* proof/host.json's object. New reference. */
json_t *certify_proof(const struct evidence *v, const struct trial *t, const char *environment, double seconds);
/* Adds proof/certificate.json and its signature. */
int certify(const struct evidence *v, const char *environment, struct signer *s, struct caseout *out, struct err *e);

#endif
