/*
 * pack: the bodies of a case: collected on the machine where they run, sealed there for the centre, opened at the
 * centre. Owns body, body.cms and what else of a sample's own bytes travels (memory/, dropped/, unpacked-*).
 * Uses trust, casefile and base. It must never know why a piece of code is in the case.
 */
#ifndef PACK_H
#define PACK_H

#include "casefile/casefile.h"
#include "trust/trust.h"

/* ---- collect.c: one body, from wherever it can still be had ---- */

/*
 * Copies the body of `about` (an about.json) into `to`, at its offset, and digests what it copied: its paths, then
 * for each sighting /proc/PID/exe, /proc/PID/map_files/RANGE, and the path as that process sees it. Only regular files
 * are opened; devices and FIFOs are not even touched. 1: what stands in `to` has the digest sha256; 0: not to be had, *why
 * (a constant) tells the reason, `to` is as it was; -1: `to` cannot be written.
 */
int collect_body(const char *sha256, const json_t *about, int to, const char **why, struct err *e);

/* ---- pack.c: the filter on the host ---- */

struct pack {
	struct seal *seal;       /* NULL: bodies are added plain, mode 0000 */
	struct signer *signer;   /* NULL: the case is not signed */
};
struct pack_stats { unsigned codes, collected, missing, sealed; uint64_t bytes; };
/*
 * Adds the bodies that the case lacks; with a seal, also seals those that it has. about.json gets "body": "collected" or
 * "missing", the latter with a "reason": a body that cannot be had is a warning, never an error.
 */
int pack_run(const struct pack *p, int in, int out, struct pack_stats *s, struct err *e);

/* ---- unpack.c: the filter at the centre ---- */

struct unpack {
	struct unseal *unseal;
	struct verifier *verifier;   /* NULL: MANIFEST.sig is not looked at */
	const char *role;            /* who must have signed; NULL: ROLE_HOST */
	const char *store;           /* sealed bodies by plain digest, STORE/<aa>/<sha256>.cms; NULL: none */
};
struct unpack_stats { unsigned opened, fetched, missing; char signer[128]; };
/*
 * Each opened body must have the digest its name says (65). A stored body that has not, or does not open, is a warning
 * and leaves the store, so that the next host is asked for it again.
 */
int unpack_run(const struct unpack *u, int in, int out, struct unpack_stats *s, struct err *e);

#endif
