/* mwhite's parts: its verbs, each of which says what it did; what concerns the whitelist alone is room known's. */
#ifndef MWHITE_H
#define MWHITE_H

#include "known/known.h"

struct source { enum known_kind kind; const char *path; };
struct options {
	struct tool t;
	const char *index, *root, *id, *key, *crt, *ca, *crl;
	bool keep_all;
	unsigned want;                /* CREW_* */
	unsigned keep_days, delta_days;
	struct source *sources;       /* of kind MWHITE_REVOKED too */
	size_t n;
};
enum { MWHITE_REVOKED = 99 };     /* no kind of source: a list of what a delta revokes */

/* A verb: operands are those behind it, with NULL at the end. The exit status, or -1 with what is to be told. */
typedef int mwhite_verb(const struct options *o, char **operands, struct err *e);

/* ---- mwhite-build.c ---- */

mwhite_verb mwhite_build, mwhite_add;
/* All the sources named, into b; s counts. */
int mwhite_sources_into(struct build *b, const struct options *o, struct known_stats *s, struct err *e);

/* ---- mwhite-case.c ---- */

/* A case of mscan's that is known to be of a clean machine. */
int mwhite_case(struct build *b, const char *path, struct known_stats *s, struct err *e);

/* ---- mwhite-delta.c: deltas, which are signed and verified ---- */

mwhite_verb mwhite_delta, mwhite_apply;

/* ---- mwhite-change.c ---- */

mwhite_verb mwhite_follow, mwhite_revoke, mwhite_withdraw;

/* ---- mwhite-ask.c ---- */

mwhite_verb mwhite_query, mwhite_sources, mwhite_info;
/* The index of -d; warns when it is older than the package database. */
struct index *mwhite_open(const struct options *o, struct err *e);

/* ---- mwhite-filter.c ---- */

/* No verb: the operand is a case, or there is none. */
mwhite_verb mwhite_filter;

#endif
